/* The kernels that work pixel by pixel, channel by channel or value by value: what is not finite
 * reaches what is made of it. Infinities that an activation saturates may stay finite. */
#include "finite.h"

enum { CHANNELS = 19, BLOCKS = 2, PADDED = BLOCKS * BLOCK, HEIGHT = 3, WIDTH = 5 };
enum { PIXELS = HEIGHT * WIDTH, IMAGE = PADDED * PIXELS };
enum { SHAPE_PLAIN, SHAPE_ACT_FIRST, SHAPE_ACT_LAST, SHAPES };

static const struct extent extent = {BLOCKS, HEIGHT, WIDTH};

static ptrdiff_t channel_of(ptrdiff_t index) {
    return place_of(index, HEIGHT, WIDTH).channel;
}

/* An infinity is sure to stay one, or to become NaN, only where no activation bends it. */
static enum reach bent_if(bool reached, const struct probe *p, double poison) {
    return !reached ? NEVER : isinf(poison) && p->t.act != ACT_NONE ? MAY : MUST;
}

/* ---- through transforms ---- */

/* Inputs of every probe that reads through a transform: its six rows of channels come first. */
enum { SCALE, SHIFT, MEAN, RSTD, M1, M2, FIRST, SECOND };

static struct probe transform_probe(const char *what, int act, int shape) {
    struct probe p = {.what = what, .e = extent, .way = shape};
    p.t.act = (enum activation)act;
    p.t.act_first = shape == SHAPE_ACT_FIRST;
    for (int n = 0; n < FIRST; n++) {
        add_random(&p, REALS, PADDED);
    }
    return p;
}

static struct transform transform_of(const struct probe *p, void *const *in) {
    struct transform t = p->t;
    if (p->way != SHAPE_PLAIN) {
        t.scale = in[SCALE];
        t.shift = in[SHIFT];
        t.mean = in[MEAN];
        t.rstd = in[RSTD];
        t.m1 = in[M1];
        t.m2 = in[M2];
    }
    return t;
}

/* Whether a row of channels is read with the value. */
static bool is_affine(const struct probe *p, int input) {
    return p->way != SHAPE_PLAIN && (input == SCALE || input == SHIFT);
}

static void every_shape(void (*body)(int act, int shape)) {
    for (int act = 0; activation_names[act]; act++) {
        for (int shape = 0; shape < SHAPES; shape++) {
            body(act, shape);
        }
    }
}

static void value_run(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    const struct transform t = transform_of(p, in);
    void *y = unset_reals(k, p->out_len);
    k->value(y, 1, in[FIRST], p->e, &t);
    read_out(k, out, y, p->out_len);
    free(y);
}

static enum reach value_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const struct place y = place_of(out, HEIGHT + 2, WIDTH + 2);
    const struct place x = place_of(from->index, HEIGHT, WIDTH);
    const bool inside = y.row >= 1 && y.row <= HEIGHT && y.column >= 1 && y.column <= WIDTH;
    return bent_if(from->input == FIRST ? y.channel == x.channel && y.row == x.row + 1 &&
                                              y.column == x.column + 1
                                        : is_affine(p, from->input) && inside &&
                                              y.channel == from->index,
                   p, from->poison);
}

static void check_value(int act, int shape) {
    struct probe p = transform_probe("value", act, shape);
    p.out_len = PADDED * (HEIGHT + 2) * (WIDTH + 2);
    p.run = value_run;
    p.reach = value_reach;
    add_random(&p, REALS, IMAGE);
    check(&p);
}

Test(kernels_finite, value_passes_it_to_its_pixel_or_its_channel) {
    every_shape(check_value);
}

static void slope_run(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    const struct transform t = transform_of(p, in);
    k->slope(in[SECOND], 0, 1, HEIGHT, WIDTH, in[SECOND], in[FIRST], p->e, &t, -0.7);
    read_out(k, out, in[SECOND], p->out_len);
}

/* The slope of no activation does not depend on where it is taken. */
static enum reach slope_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const bool plain = p->way == SHAPE_PLAIN;
    switch (from->input) {
    case FIRST:
        return from->index != out ? NEVER
               : plain && p->t.act == ACT_NONE
                   ? MAY
                   : bent_if(true, p, from->poison);
    case SECOND:
        return bent_if(from->index == out, p, from->poison);
    case SHIFT:
        return NEVER;
    default:
        return bent_if(!plain && channel_of(out) == from->index, p, from->poison);
    }
}

static void check_slope(int act, int shape) {
    struct probe p = transform_probe("slope", act, shape);
    p.out_len = IMAGE;
    p.run = slope_run;
    p.reach = slope_reach;
    add_random(&p, REALS, IMAGE);
    add_random(&p, REALS, IMAGE);
    check(&p);
}

Test(kernels_finite, slope_passes_it_to_its_pixel_or_its_channel) {
    every_shape(check_slope);
}

/* Sums first, then the gradient by the normalised value. */
static void grad_moments_run(const struct kernels *k, const struct probe *p, void *const *in,
                             double *out) {
    const struct transform t = transform_of(p, in);
    double *sums = in[M1]; /* which this kernel does not read: doubles here */
    k->grad_moments(sums, in[SECOND], in[FIRST], p->e, &t);
    memcpy(out, sums, 2 * PADDED * sizeof *sums);
    read_out(k, out + 2 * PADDED, in[SECOND], IMAGE);
}

static enum reach grad_moments_reach(const struct probe *p, const struct poisoned *from,
                                     ptrdiff_t out) {
    const bool by_act = p->way == SHAPE_ACT_LAST && p->t.act != ACT_NONE;
    const bool is_sum = out < PADDED, is_product = !is_sum && out < 2 * PADDED;
    const ptrdiff_t at = out - 2 * PADDED;
    const ptrdiff_t channel = is_sum || is_product ? out % PADDED : channel_of(at);
    switch (from->input) {
    case M1:
        return must_if(from->index == out);
    case FIRST:
        return bent_if(channel == channel_of(from->index) &&
                           (is_product || (by_act && (is_sum || at == from->index))),
                       p, from->poison);
    case SECOND:
        return bent_if(is_sum || is_product ? channel == channel_of(from->index)
                                            : at == from->index,
                       p, from->poison);
    case MEAN:
    case RSTD:
        return bent_if(is_product && channel == from->index, p, from->poison);
    case SCALE:
    case SHIFT:
        return bent_if(by_act && channel == from->index, p, from->poison);
    default:
        return NEVER;
    }
}

static void check_grad_moments(int act, int shape) {
    if (shape == SHAPE_PLAIN) {
        return; /* no norm, no sums */
    }
    struct probe p = transform_probe("grad_moments", act, shape);
    free(p.in[M1].values);
    p.in[M1].values = random_doubles(2 * PADDED, -1.0, 1.0);
    p.in[M1].len = 2 * PADDED;
    p.in[M1].kind = DOUBLES;
    p.out_len = 2 * PADDED + IMAGE;
    p.run = grad_moments_run;
    p.reach = grad_moments_reach;
    add_random(&p, REALS, IMAGE);
    add_random(&p, REALS, IMAGE);
    check(&p);
}

Test(kernels_finite, grad_moments_pass_it_to_the_sums_of_its_channel) {
    every_shape(check_grad_moments);
}

static void combine_run(const struct kernels *k, const struct probe *p, void *const *in,
                        double *out) {
    const struct transform t = transform_of(p, in);
    const struct term terms[] = {{.x = in[SECOND], .factor = 0.3},
                                 {.x = in[FIRST], .transform = t, .factor = -1.1}};
    void *y = unset_reals(k, p->out_len);
    k->combine(y, p->e, 2, terms);
    read_out(k, out, y, p->out_len);
    free(y);
}

static enum reach combine_reach(const struct probe *p, const struct poisoned *from,
                                ptrdiff_t out) {
    if (from->input == SECOND) {
        return must_if(from->index == out);
    }
    return bent_if(from->input == FIRST ? from->index == out
                                        : is_affine(p, from->input) &&
                                              channel_of(out) == from->index,
                   p, from->poison);
}

static void check_combine(int act, int shape) {
    struct probe p = transform_probe("combine", act, shape);
    p.out_len = IMAGE;
    p.run = combine_run;
    p.reach = combine_reach;
    add_random(&p, REALS, IMAGE);
    add_random(&p, REALS, IMAGE);
    check(&p);
}

Test(kernels_finite, combine_passes_it_to_its_pixel_or_its_channel) {
    every_shape(check_combine);
}

static void dot_run(const struct kernels *k, const struct probe *p, void *const *in, double *out) {
    const struct transform t = transform_of(p, in);
    out[0] = k->dot(in[SECOND], in[FIRST], p->e, &t);
}

static enum reach dot_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    (void)out;
    return bent_if(from->input >= FIRST || is_affine(p, from->input), p, from->poison);
}

static void pool_run_(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    const struct transform t = transform_of(p, in);
    void *y = unset_reals(k, PADDED);
    k->pool_mean(y, in[FIRST], p->e, &t);
    read_out(k, out, y, PADDED);
    free(y);
}

static enum reach pool_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    return bent_if(from->input == FIRST ? channel_of(from->index) == out
                                        : is_affine(p, from->input) && from->index == out,
                   p, from->poison);
}

static void check_reductions(int act, int shape) {
    struct probe p = transform_probe("dot", act, shape);
    p.out_len = 1;
    p.run = dot_run;
    p.reach = dot_reach;
    add_random(&p, REALS, IMAGE);
    add_random(&p, REALS, IMAGE);
    check(&p);
    p = transform_probe("pool_mean", act, shape);
    p.out_len = PADDED;
    p.run = pool_run_;
    p.reach = pool_reach;
    add_random(&p, REALS, IMAGE);
    check(&p);
}

Test(kernels_finite, dot_and_pool_mean_sum_it_up) {
    every_shape(check_reductions);
}

static void pool_back_run(const struct kernels *k, const struct probe *p, void *const *in,
                          double *out) {
    void *g = unset_reals(k, IMAGE);
    k->pool_mean_back(g, in[0], p->e);
    read_out(k, out, g, IMAGE);
    free(g);
}

static enum reach pool_back_reach(const struct probe *p, const struct poisoned *from,
                                  ptrdiff_t out) {
    (void)p;
    return must_if(channel_of(out) == from->index);
}

static void moments_run(const struct kernels *k, const struct probe *p, void *const *in,
                        double *out) {
    memcpy(out, in[0], 2 * PADDED * sizeof *out);
    k->moments(out, 40, in[1], p->e, p->t.act);
}

/* Behind an infinite mean no deviation is a number; a sum of squares tells the mean nothing. */
static enum reach moments_reach(const struct probe *p, const struct poisoned *from,
                                ptrdiff_t out) {
    if (from->input == 1) {
        return bent_if(channel_of(from->index) == out % PADDED, p, from->poison);
    }
    return must_if(out == from->index || out == from->index + PADDED);
}

Test(kernels_finite, moments_and_pooled_gradients_pass_it_on_by_channels) {
    for (int act = 0; activation_names[act]; act++) {
        struct probe p = {.what = "moments", .e = extent, .out_len = 2 * PADDED};
        p.t.act = (enum activation)act;
        p.run = moments_run;
        p.reach = moments_reach;
        add_random(&p, DOUBLES, 2 * PADDED);
        add_random(&p, REALS, IMAGE);
        check(&p);
    }
    struct probe p = {.what = "pool_mean_back", .e = extent, .out_len = IMAGE};
    p.run = pool_back_run;
    p.reach = pool_back_reach;
    add_random(&p, REALS, PADDED);
    check(&p);
}

/* ---- copies and flat arrays ---- */

enum { COPY_FROM_PLAIN, COPY_TO_PLAIN, COPY_ADD, COPY_SCALE, COPY_DOUBLES, COPY_BLEND, COPY_SQUARES,
       COPIES };
enum { FLAT = 1008 };
static const char *const copy_names[] = {"from_plain",  "to_plain",   "add", "scale",
                                         "from_doubles", "blend",     "sum_squares"};

static void copy_run(const struct kernels *k, const struct probe *p, void *const *in,
                     double *out) {
    void *y = unset_reals(k, p->out_len);
    switch (p->way) {
    case COPY_FROM_PLAIN:
        k->from_plain(y, in[0], CHANNELS, PIXELS);
        break;
    case COPY_TO_PLAIN:
        k->to_plain(y, in[0], CHANNELS, PIXELS);
        break;
    case COPY_ADD:
        k->set(y, 0.25, p->out_len);
        k->add(y, in[0], p->out_len);
        break;
    case COPY_SCALE:
        k->set(y, 0.0, p->out_len);
        k->add(y, in[0], p->out_len);
        k->scale(y, -0.3, p->out_len);
        break;
    case COPY_DOUBLES:
        k->from_doubles(y, in[0], p->out_len);
        break;
    case COPY_BLEND: {
        const void *const x[] = {in[0], in[0]};
        k->blend(y, p->out_len, 2, x, (const double[]){0.7, -0.3});
        break;
    }
    default:
        out[0] = k->sum_squares(in[0], p->in[0].len);
        free(y);
        return;
    }
    read_out(k, out, y, p->out_len);
    free(y);
}

static enum reach copy_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const ptrdiff_t blocked_index = p->way == COPY_FROM_PLAIN ? out : from->index;
    const ptrdiff_t plain_index = p->way == COPY_FROM_PLAIN ? from->index : out;
    if (p->way == COPY_FROM_PLAIN || p->way == COPY_TO_PLAIN) {
        const struct place at = place_of(blocked_index, 1, PIXELS);
        return must_if(at.channel == plain_index / PIXELS && at.column == plain_index % PIXELS);
    }
    return must_if(p->way == COPY_SQUARES || from->index == out);
}

Test(kernels_finite, copies_keep_it_in_its_place_and_a_norm_of_it_is_not_finite) {
    for (int way = 0; way < COPIES; way++) {
        struct probe p = {.what = copy_names[way], .way = way, .run = copy_run};
        p.reach = copy_reach;
        p.out_len = way == COPY_FROM_PLAIN  ? IMAGE
                    : way == COPY_TO_PLAIN  ? CHANNELS * PIXELS
                    : way == COPY_SQUARES   ? 1
                                            : FLAT;
        add_random(&p, way == COPY_DOUBLES ? DOUBLES : REALS,
                   way == COPY_FROM_PLAIN ? CHANNELS * PIXELS
                   : way == COPY_TO_PLAIN ? IMAGE
                                          : FLAT);
        check(&p);
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *reals = unset_reals(k, 3);
        k->set(reals, NAN, 2);
        double values[3];
        k->to_doubles(values, reals, 3);
        cr_expect(isnan(values[0]) && isnan(values[1]) && isfinite(values[2]), "%s", k->name);
        k->set(reals, 2.0, 3);
        k->scale(reals, INFINITY, 2);
        k->to_doubles(values, reals, 3);
        cr_expect(isinf(values[0]) && isinf(values[1]) && isfinite(values[2]), "%s", k->name);
        free(reals);
    }
}

/* ---- optimisers ---- */

enum { WEIGHTS = 133 };
enum { WAY_FIRST = 1, WAY_NESTEROV = 2, WAY_DECAY = 4, WAY_DECOUPLED = 2 };
enum { IN_W, IN_G, IN_M, IN_V };

/* Outputs: weights, then the memory. */
static void sgd_run(const struct kernels *k, const struct probe *p, void *const *in, double *out) {
    k->sgd(in[IN_W], in[IN_G], in[IN_M], WEIGHTS, 0.1, 0.9, p->way & WAY_DECAY ? 0.01 : 0.0,
           (p->way & WAY_NESTEROV) != 0, p->way & WAY_FIRST);
    read_out(k, out, in[IN_W], WEIGHTS);
    read_out(k, out + WEIGHTS, in[IN_M], WEIGHTS);
}

/* A weight reaches the memory by its decay, even by one of zero; nothing reads the memory at the
 * first step. */
static enum reach sgd_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    if (out % WEIGHTS != from->index || (from->input == IN_M && p->way & WAY_FIRST)) {
        return NEVER;
    }
    return MUST;
}

static void adam_run(const struct kernels *k, const struct probe *p, void *const *in,
                     double *out) {
    k->adam(in[IN_W], in[IN_G], in[IN_M], in[IN_V], WEIGHTS, 0.1, 0.9, 0.999, 1e-8,
            p->way & WAY_DECAY ? 0.01 : 0.0, (p->way & WAY_DECOUPLED) != 0, 7);
    for (int n = 0; n < 3; n++) {
        read_out(k, out + n * WEIGHTS, in[n == 0 ? IN_W : n == 1 ? IN_M : IN_V], WEIGHTS);
    }
}

/* The mean square is a divisor: an infinite one stops the weight, a negative one has no root. */
static enum reach adam_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    (void)p;
    const ptrdiff_t output = out / WEIGHTS; /* weight, mean, mean square */
    if (out % WEIGHTS != from->index) {
        return NEVER;
    }
    switch (from->input) {
    case IN_M:
        return must_if(output != 2);
    case IN_V:
        return output == 1 ? NEVER : output == 0 && isinf(from->poison) ? MAY : MUST;
    default:
        return MUST;
    }
}

Test(kernels_finite, optimisers_pass_it_to_its_weight_and_no_other) {
    for (int way = 0; way < 8; way++) {
        struct probe p = {.what = "sgd", .way = way, .run = sgd_run, .out_len = 2 * WEIGHTS};
        p.reach = sgd_reach;
        for (int n = 0; n < 3; n++) {
            add_random(&p, REALS, WEIGHTS);
        }
        check(&p);
        struct probe a = {.what = "adam", .way = way, .run = adam_run, .out_len = 3 * WEIGHTS};
        a.reach = adam_reach;
        for (int n = 0; n < 4; n++) {
            add_random(&a, REALS, WEIGHTS);
        }
        check(&a);
    }
}

/* ---- losses ---- */

enum { SAMPLES = 11, CLASSES = 7, OUTPUTS = SAMPLES * CLASSES };

/* The loss first, then the gradient. */
static void cross_entropy_run(const struct kernels *k, const struct probe *p, void *const *in,
                              double *out) {
    int32_t labels[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = 3 * i % CLASSES;
    }
    void *dz = unset_reals(k, OUTPUTS);
    out[0] = k->cross_entropy(dz, in[0], labels, SAMPLES, CLASSES, p->way ? 0.1 : 0.0, NULL);
    read_out(k, out + 1, dz, OUTPUTS);
    free(dz);
}

/* A class that is infinitely unlikely is a number like any other. */
static enum reach cross_entropy_reach(const struct probe *p, const struct poisoned *from,
                                      ptrdiff_t out) {
    (void)p;
    if (out > 0 && (out - 1) / CLASSES != from->index / CLASSES) {
        return NEVER;
    }
    return from->poison < 0 ? MAY : MUST;
}

static void squared_error_run(const struct kernels *k, const struct probe *p, void *const *in,
                              double *out) {
    (void)p;
    void *dz = unset_reals(k, OUTPUTS);
    out[0] = k->squared_error(dz, in[0], in[1], SAMPLES, CLASSES);
    read_out(k, out + 1, dz, OUTPUTS);
    free(dz);
}

static enum reach squared_error_reach(const struct probe *p, const struct poisoned *from,
                                      ptrdiff_t out) {
    (void)p;
    return must_if(out == 0 || out - 1 == from->index);
}

Test(kernels_finite, losses_pass_it_to_the_loss_and_to_the_gradient_of_its_sample) {
    for (int way = 0; way < 2; way++) {
        struct probe p = {.what = "cross_entropy", .way = way, .out_len = 1 + OUTPUTS};
        p.run = cross_entropy_run;
        p.reach = cross_entropy_reach;
        add_random(&p, REALS, OUTPUTS);
        check(&p);
    }
    struct probe p = {.what = "squared_error", .run = squared_error_run, .out_len = 1 + OUTPUTS};
    p.reach = squared_error_reach;
    add_random(&p, REALS, OUTPUTS);
    add_random(&p, DOUBLES, OUTPUTS);
    check(&p);
}
