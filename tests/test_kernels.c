/* What kernels do to values pixel by pixel or channel by channel, of every table against plain
 * twins in double. Errors are counted in epsilons of the terms of each formula; the activations
 * themselves may be 4 of them off, relative to max(1, |x|). */
#include <string.h>

#include "kernel_setup.h"

enum { CHANNELS = 19, BLOCKS = 2, PADDED = BLOCKS * BLOCK };
enum { SHAPE_PLAIN, SHAPE_ACT_FIRST, SHAPE_ACT_LAST, SHAPES };
static const char *const shape_names[] = {"no norm", "act, norm", "norm, act"};

static double act_twin(double x, enum activation act) {
    switch (act) {
    case ACT_RELU:
        return x < 0.0 ? 0.0 : x;
    case ACT_TANH:
        return tanh(x);
    case ACT_GELU:
        return x * 0.5 * erfc(-x / sqrt(2.0));
    case ACT_SOFTPLUS:
        return (x < 0.0 ? 0.0 : x) + log1p(exp(-fabs(x)));
    case ACT_NONE:
        break;
    }
    return x;
}

static double act_slope_twin(double x, enum activation act) {
    switch (act) {
    case ACT_RELU:
        return x > 0.0 ? 1.0 : x <= 0.0 ? 0.0 : (double)NAN;
    case ACT_TANH:
        return 1.0 - tanh(x) * tanh(x);
    case ACT_GELU:
        return 0.5 * erfc(-x / sqrt(2.0)) + x * exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
    case ACT_SOFTPLUS:
        return 1.0 / (1.0 + exp(-x));
    case ACT_NONE:
        break;
    }
    return 1.0;
}

/* ---- transforms ---- */

struct norm { /* per channel; zero in the padding */
    double scale[PADDED], shift[PADDED], mean[PADDED], rstd[PADDED], m1[PADDED], m2[PADDED];
};

static struct norm norm_begin(int seed) {
    struct norm n = {0};
    double *const rows[] = {n.scale, n.shift, n.mean, n.rstd, n.m1, n.m2};
    for (int r = 0; r < 6; r++) {
        for (int c = 0; c < CHANNELS; c++) {
            const double u = rng_uniform((uint64_t)seed, 5, (uint64_t)(r * PADDED + c));
            rows[r][c] = (double)(float)(r == 3 ? 0.4 + 1.6 * u : 2.2 * u - 0.9);
        }
    }
    return n;
}

static struct transform transform_begin(const struct kernels *k, enum activation act, int shape,
                                        const struct norm *n, void **memory_) {
    struct transform t = {.act = act, .act_first = shape == SHAPE_ACT_FIRST};
    *memory_ = reals_of(k, (const double *)n, 6 * PADDED);
    if (shape != SHAPE_PLAIN) {
        const char *row = *memory_;
        const size_t size = PADDED * k->real_size;
        t.scale = row;
        t.shift = row + size;
        t.mean = row + 2 * size;
        t.rstd = row + 3 * size;
        t.m1 = row + 4 * size;
        t.m2 = row + 5 * size;
    }
    return t;
}

/* A value read through a transform, and how many epsilons it may be off. */
static double read_twin(double x, enum activation act, int shape, const struct norm *n, ptrdiff_t c,
                        double *bound) {
    const double a = act_twin(x, act), s = n->scale[c], b = n->shift[c], z = x * s + b;
    switch (shape) {
    case SHAPE_ACT_FIRST:
        *bound = 6.0 * (fmax(1.0, fabs(x)) * fabs(s) + fabs(b));
        return a * s + b;
    case SHAPE_ACT_LAST:
        *bound = 6.0 * (1.0 + fabs(x * s) + fabs(b));
        return act_twin(z, act);
    default:
        *bound = 4.0 * fmax(1.0, fabs(x));
        return a;
    }
}

static double slope_twin(double g, double x, enum activation act, int shape, const struct norm *n,
                         ptrdiff_t c, double factor, double *bound) {
    const double base = shape == SHAPE_ACT_FIRST ? act_twin(x, act) : x;
    const double xhat = (base - n->mean[c]) * n->rstd[c];
    const double by_norm = n->scale[c] * (g - n->m1[c] - xhat * n->m2[c]);
    const double size =
        fabs(n->scale[c]) * (fabs(g) + fabs(n->m1[c]) +
                             (1.0 + fabs(x) + fabs(n->mean[c])) * n->rstd[c] * fabs(n->m2[c]));
    const double a = act_slope_twin(x, act);
    const double off = 8.0 * fabs(factor) * (isfinite(x) ? 1.0 + fabs(x) : 1.0);
    switch (shape) {
    case SHAPE_ACT_FIRST:
        *bound = off * size;
        return factor * by_norm * a;
    case SHAPE_ACT_LAST: /* g is by the normalised value already */
        *bound = off * size;
        return factor * by_norm;
    default:
        *bound = off * fabs(g);
        return factor * g * a;
    }
}

/* ---- images ---- */

struct image {
    struct extent e;
    ptrdiff_t len;
    double *x;
};

static struct image image_begin(ptrdiff_t height, ptrdiff_t width, double low, double high) {
    struct image image = {.e = {BLOCKS, height, width}, .len = PADDED * height * width};
    image.x = random_doubles(image.len, low, high);
    fill_padding(image.x, CHANNELS, height * width, 0.0);
    return image;
}

static double image_at(const struct image *image, ptrdiff_t c, ptrdiff_t pixel) {
    return image->x[blocked(1, image->e.height * image->e.width, c, 0, pixel)];
}

static const ptrdiff_t sizes[][2] = {{1, 1}, {3, 5}, {2, 33}, {7, 9}, {5, 28}};
enum { SIZES = sizeof sizes / sizeof *sizes };
enum { POISONS = 3 };
static const double poisons[POISONS] = {NAN, INFINITY, -INFINITY};

/* Calls body for every activation and place of the norm with sizes in turn, then poisoned. */
static void every_transform(void (*body)(enum activation act, int shape, int size, int poison)) {
    int turn = 0;
    for (int act = 0; activation_names[act]; act++) {
        for (int shape = 0; shape < SHAPES; shape++) {
            for (int n = 0; n < 2; n++, turn++) {
                body((enum activation)act, shape, turn % SIZES, -1);
            }
            for (int poison = 0; poison < POISONS; poison++) {
                body((enum activation)act, shape, turn % SIZES, poison);
            }
        }
    }
}

/* A poisoned entry in the last real channel. */
static void poison_image(struct image *image, int poison) {
    if (poison >= 0) {
        image->x[blocked(1, image->e.height * image->e.width, CHANNELS - 1, 0, 0)] =
            poisons[poison];
    }
}

/* ---- value ---- */

static void check_value(enum activation act, int shape, int size, int poison) {
    struct image x = image_begin(sizes[size][0], sizes[size][1], -4.0, 4.0);
    const struct norm n = norm_begin(11 + size);
    poison_image(&x, poison);
    for (int pad = 0; pad < 2; pad++) {
        const ptrdiff_t height = x.e.height + 2 * pad, width = x.e.width + 2 * pad;
        const ptrdiff_t len = PADDED * height * width;
        double *y = zero_doubles(len), *bound = zero_doubles(len);
        for (ptrdiff_t i = 0; i < x.len; i++) {
            const ptrdiff_t c = i / BLOCK / (x.e.height * x.e.width) * BLOCK + i % BLOCK;
            const ptrdiff_t p = i / BLOCK % (x.e.height * x.e.width);
            const ptrdiff_t at =
                blocked(height, width, c, p / x.e.width + pad, p % x.e.width + pad);
            y[at] = read_twin(x.x[i], act, shape, &n, c, &bound[at]);
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *own, *ours = unset_reals(k, len), *reals = reals_of(k, x.x, x.len);
            const struct transform transform = transform_begin(k, act, shape, &n, &own);
            k->value(ours, pad, reals, x.e, &transform);
            expect_near(k, ours, y, bound, len, "value, %s, %s, pad %d, %td x %td",
                        activation_names[act], shape_names[shape], pad, x.e.height, x.e.width);
            free(own);
            free(ours);
            free(reals);
        }
        free(y);
        free(bound);
    }
    free(x.x);
}

Test(kernels, value_reads_through_norm_and_activation_into_a_zero_border) {
    every_transform(check_value);
}

/* ---- slope ---- */

/* dx in place where it may be: no border, no dilation. */
static void run_slope(const struct kernels *k, const struct image *g, const struct image *x,
                      const struct transform *t, int pad, int dilate, ptrdiff_t rows,
                      ptrdiff_t columns, double factor, const double *dx, const double *bound) {
    const ptrdiff_t len = PADDED * (rows + 2 * pad) * (columns + 2 * pad);
    const bool in_place = pad == 0 && dilate == 1;
    void *reals_g = reals_of(k, g->x, g->len), *reals_x = reals_of(k, x->x, x->len);
    void *ours = unset_reals(k, len);
    k->slope(ours, pad, dilate, rows, columns, reals_g, reals_x, x->e, t, factor);
    expect_near(k, ours, dx, bound, len, "slope, %s, %s, pad %d, dilate %d",
                activation_names[t->act],
                shape_names[!t->scale      ? SHAPE_PLAIN
                            : t->act_first ? SHAPE_ACT_FIRST
                                           : SHAPE_ACT_LAST],
                pad, dilate);
    if (in_place) {
        k->slope(reals_g, 0, 1, rows, columns, reals_g, reals_x, x->e, t, factor);
        expect_near(k, reals_g, dx, bound, len, "slope in place");
    }
    free(reals_g);
    free(reals_x);
    free(ours);
}

static void check_slope_with(enum activation act, int shape, int size, int poison, bool poison_g) {
    struct image x = image_begin(sizes[size][0], sizes[size][1], -4.0, 4.0);
    struct image g = image_begin(sizes[size][0], sizes[size][1], -1.0, 1.5);
    const struct norm n = norm_begin(23 + size);
    poison_image(poison_g ? &g : &x, poison);
    for (int way = 0; way < 4; way++) {
        const int pad = way % 2, dilate = 1 + way / 2;
        /* a dilated image ends with its last row, or one behind it */
        const ptrdiff_t rows = dilate * x.e.height - (dilate == 2 && size % 2);
        const ptrdiff_t columns = dilate * x.e.width - (dilate == 2);
        const ptrdiff_t height = rows + 2 * pad, width = columns + 2 * pad;
        const double factor = way == 0 ? 1.0 : -0.7;
        double *dx = zero_doubles(PADDED * height * width);
        double *bound = zero_doubles(PADDED * height * width);
        for (ptrdiff_t i = 0; i < x.len; i++) {
            const ptrdiff_t c = i / BLOCK / (x.e.height * x.e.width) * BLOCK + i % BLOCK;
            const ptrdiff_t p = i / BLOCK % (x.e.height * x.e.width);
            const ptrdiff_t at = blocked(height, width, c, p / x.e.width * dilate + pad,
                                         p % x.e.width * dilate + pad);
            dx[at] = slope_twin(g.x[i], x.x[i], act, shape, &n, c, factor, &bound[at]);
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *own;
            const struct transform transform = transform_begin(k, act, shape, &n, &own);
            run_slope(k, &g, &x, &transform, pad, dilate, rows, columns, factor, dx, bound);
            free(own);
        }
        free(dx);
        free(bound);
    }
    free(x.x);
    free(g.x);
}

static void check_slope(enum activation act, int shape, int size, int poison) {
    check_slope_with(act, shape, size, poison, false);
    if (poison >= 0) {
        check_slope_with(act, shape, size, poison, true);
    }
}

Test(kernels, slope_is_the_derivative_of_value_in_border_and_dilation) {
    every_transform(check_slope);
}

/* slope takes g by the normalised value where the activation comes last: see grad_moments. */
static void derivative_of_value(const struct kernels *k, enum activation act) {
    enum { N = 64, STEPS = 2 };
    const double h = k->precision == PRECISION_F32 ? 1e-2 : 1e-5;
    const struct extent e = {1, 1, N / BLOCK};
    const struct transform t = {.act = act};
    double *x = random_doubles(N, -3.0, 3.0), *moved = zero_doubles(N), *one = zero_doubles(N);
    double value[STEPS][N];
    for (int s = 0; s < STEPS; s++) {
        for (int i = 0; i < N; i++) {
            moved[i] = x[i] + (s ? h : -h);
            one[i] = 1.0;
        }
        void *reals = reals_of(k, moved, N);
        k->value(reals, 0, reals, e, &t);
        k->to_doubles(value[s], reals, N);
        free(reals);
    }
    void *reals = reals_of(k, x, N), *dx = reals_of(k, one, N);
    k->slope(dx, 0, 1, 1, e.width, dx, reals, e, &t, 1.0);
    double *slope = doubles_of(k, dx, N);
    for (int i = 0; i < N; i++) { /* third derivatives are below 2 */
        const double difference = (value[1][i] - value[0][i]) / (2.0 * h);
        cr_expect(fabs(difference - slope[i]) <= h * h + 8.0 * epsilon_of(k) / h, "%s, %s at %g",
                  k->name, activation_names[act], x[i]);
    }
    free(slope);
    free(dx);
    free(reals);
    free(x);
    free(moved);
    free(one);
}
Test(kernels, slopes_of_smooth_activations_agree_with_differences_of_their_values) {
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        derivative_of_value(k, ACT_TANH);
        derivative_of_value(k, ACT_GELU);
        derivative_of_value(k, ACT_SOFTPLUS);
    }
}

/* Far out activations saturate and overflow nothing: no NaN from finite numbers. */
Test(kernels, activations_of_huge_arguments_are_their_limits) {
    static const double far[BLOCK] = {-0x1p99, -3e4, -800.0, -120.0, -90.0, -40.0, -17.0, -0.0,
                                      0.0,     17.0, 40.0,   90.0,   120.0, 800.0, 3e4,   0x1p99};
    const struct extent e = {1, 1, 1};
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        for (int act = 0; activation_names[act]; act++) {
            const struct transform transform = {.act = (enum activation)act};
            double y[BLOCK], dx[BLOCK], bound[BLOCK], one[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                const double x = far[i];
                one[i] = 1.0;
                y[i] = act_twin(x, (enum activation)act);
                dx[i] = act_slope_twin(x, (enum activation)act);
                bound[i] = 4.0 * fmax(1.0, fabs(y[i]));
            }
            void *x = reals_of(k, far, BLOCK), *ours = unset_reals(k, BLOCK);
            void *g = reals_of(k, one, BLOCK);
            k->value(ours, 0, x, e, &transform);
            expect_near(k, ours, y, bound, BLOCK, "%s far out", activation_names[act]);
            k->slope(ours, 0, 1, 1, 1, g, x, e, &transform, 1.0);
            expect_near(k, ours, dx, bound, BLOCK, "slope of %s far out", activation_names[act]);
            free(x);
            free(g);
            free(ours);
        }
    }
}

/* Exactly, not nearly: dot adds up the padding of gradients with everything else. */
static void check_padding(enum activation act, int shape, int size, int poison) {
    struct image x = image_begin(sizes[size][0], sizes[size][1], -4.0, 4.0);
    const struct norm n = norm_begin(61 + size);
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL && poison < 0; t++) {
        void *own, *reals = reals_of(k, x.x, x.len), *y = unset_reals(k, x.len);
        const struct transform transform = transform_begin(k, act, shape, &n, &own);
        const struct term terms[2] = {{.x = reals, .transform = transform, .factor = -0.7},
                                      {.x = reals, .factor = 1.5}};
        for (int way = 0; way < 3; way++) {
            if (way == 0) {
                k->slope(y, 0, 1, x.e.height, x.e.width, reals, reals, x.e, &transform, -0.3);
            } else if (act == ACT_SOFTPLUS && shape != SHAPE_ACT_FIRST) {
                break; /* log 2, which nothing reads */
            } else if (way == 1) {
                k->value(y, 0, reals, x.e, &transform);
            } else {
                k->combine(y, x.e, 2, terms);
            }
            double *ours = doubles_of(k, y, x.len);
            for (ptrdiff_t i = 0; i < x.len; i++) {
                const ptrdiff_t c = i / BLOCK / (x.e.height * x.e.width) * BLOCK + i % BLOCK;
                cr_assert(c < CHANNELS || ours[i] == 0.0, "%s, %s, %s, way %d: padding is %g",
                          k->name, activation_names[act], shape_names[shape], way, ours[i]);
            }
            free(ours);
        }
        free(own);
        free(reals);
        free(y);
    }
    free(x.x);
}

Test(kernels, padding_channels_stay_exactly_zero) {
    every_transform(check_padding);
}

/* ---- moments ---- */

enum { IMAGES = 5 };

/* Mean and sum of squared deviations over all images, in two passes; by the size of a channel's
 * values and deviations, how far off a sum of `pixels` terms in the table's precision may be. */
static void moments_twin(const struct image *images, enum activation act, double *moments,
                         double *bound) {
    const ptrdiff_t pixels = images->e.height * images->e.width;
    const double count = (double)(IMAGES * pixels);
    for (ptrdiff_t c = 0; c < PADDED; c++) {
        double mean = 0.0, size = 0.0, square = 0.0, spread = 0.0;
        for (ptrdiff_t n = 0; n < IMAGES * pixels; n++) {
            const double v = act_twin(image_at(&images[n / pixels], c, n % pixels), act);
            mean += v / count;
            size += fmax(1.0, fabs(v)) / count;
        }
        for (ptrdiff_t n = 0; n < IMAGES * pixels; n++) {
            const double d = act_twin(image_at(&images[n / pixels], c, n % pixels), act) - mean;
            square += d * d;
            spread += fabs(d);
        }
        moments[c] = mean;
        moments[PADDED + c] = square;
        bound[c] = ((double)pixels + 4.0) * size;
        /* the mean's error enters squared, once a pixel; values' own through their deviation */
        bound[PADDED + c] = ((double)pixels + 4.0) * square + 16.0 * spread * size +
                            count * bound[c] * bound[c] * (double)FLT_EPSILON;
    }
}

static void check_moments(enum activation act, ptrdiff_t height, ptrdiff_t width, double low,
                          double high) {
    struct image images[IMAGES];
    double moments[2 * PADDED], bound[2 * PADDED];
    for (int n = 0; n < IMAGES; n++) {
        images[n] = image_begin(height, width, low - n, high + 2 * n);
    }
    moments_twin(images, act, moments, bound);
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        double ours[2 * PADDED] = {0};
        for (int n = 0; n < IMAGES; n++) {
            void *x = reals_of(k, images[n].x, images[n].len);
            k->moments(ours, n * height * width, x, images[n].e, act);
            free(x);
        }
        for (int i = 0; i < 2 * PADDED; i++) {
            cr_expect(is_near(ours[i], moments[i], epsilon_of(k) * bound[i]),
                      "%s, moments, %s, %td x %td, channel %d: %.9g, not %.9g (within %.1e)",
                      k->name, activation_names[act], height, width, i, ours[i], moments[i],
                      epsilon_of(k) * bound[i]);
        }
    }
    for (int n = 0; n < IMAGES; n++) {
        free(images[n].x);
    }
}

Test(kernels, moments_merge_image_after_image) {
    for (int act = 0; activation_names[act]; act++) {
        for (int size = 0; size < SIZES; size++) {
            check_moments((enum activation)act, sizes[size][0], sizes[size][1], -3.0, 2.0);
        }
    }
}

Test(kernels, moments_keep_a_small_spread_around_a_large_mean) {
    check_moments(ACT_NONE, 28, 28, 999.0, 1001.0);
    check_moments(ACT_RELU, 5, 28, 999.0, 1001.0);
    check_moments(ACT_NONE, 3, 5, -4001.0, -3999.0);
}

Test(kernels, a_nan_spoils_the_moments_of_its_own_channel_only) {
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        for (int act = 0; activation_names[act]; act++) {
            double ours[2 * PADDED] = {0};
            for (int n = 0; n < 3; n++) {
                struct image image = image_begin(3, 5, -1.0, 2.0);
                poison_image(&image, n == 1 ? 0 : -1);
                void *x = reals_of(k, image.x, image.len);
                k->moments(ours, n * 15, x, image.e, (enum activation)act);
                free(x);
                free(image.x);
            }
            for (int i = 0; i < 2 * PADDED; i++) {
                cr_expect_eq(isnan(ours[i]) != 0, i % PADDED == CHANNELS - 1, "%s, %s: entry %d",
                             k->name, activation_names[act], i);
            }
        }
    }
}

/* ---- gradients by a norm ---- */

static void grad_moments_compare(const struct kernels *k, const struct image *g,
                                 const struct image *x, enum activation act, int shape,
                                 const struct norm *n) {
    const ptrdiff_t pixels = x->e.height * x->e.width;
    void *own, *reals_g = reals_of(k, g->x, g->len), *reals_x = reals_of(k, x->x, x->len);
    const struct transform t = transform_begin(k, act, shape, n, &own);
    double sums[2 * PADDED], exact[2 * PADDED], bound[2 * PADDED] = {0};
    for (int i = 0; i < 2 * PADDED; i++) {
        sums[i] = exact[i] = 0.5 * i;
    }
    k->grad_moments(sums, reals_g, reals_x, x->e, &t);
    double *left = zero_doubles(g->len), *allowed = zero_doubles(g->len);
    for (ptrdiff_t c = 0; c < PADDED; c++) {
        for (ptrdiff_t p = 0; p < pixels; p++) {
            const ptrdiff_t i = blocked(1, pixels, c, 0, p);
            const bool last = shape == SHAPE_ACT_LAST;
            const double z = x->x[i] * n->scale[c] + n->shift[c];
            left[i] = g->x[i] * (last ? act_slope_twin(z, act) : 1.0);
            allowed[i] =
                last && act != ACT_NONE
                    ? 8.0 * fabs(g->x[i]) * (1.0 + fabs(x->x[i] * n->scale[c]) + fabs(n->shift[c]))
                    : 0.0;
            const double base = last ? x->x[i] : act_twin(x->x[i], act);
            const double xhat = (base - n->mean[c]) * n->rstd[c];
            exact[c] += left[i];
            exact[PADDED + c] += left[i] * xhat;
            bound[c] += fabs(left[i]) * ((double)pixels + 1.0) + allowed[i];
            bound[PADDED + c] += fabs(left[i]) * ((double)pixels + 6.0) *
                                     (1.0 + fabs(x->x[i]) + fabs(n->mean[c])) * n->rstd[c] +
                                 allowed[i] * fabs(xhat);
        }
    }
    expect_near(k, reals_g, left, allowed, g->len, "gradient by the normalised value, %s, %s",
                activation_names[act], shape_names[shape]);
    for (int i = 0; i < 2 * PADDED; i++) {
        const double more = 2.0 * (DBL_EPSILON / epsilon_of(k)) * 0.5 * i;
        cr_expect(is_near(sums[i], exact[i], epsilon_of(k) * (bound[i] + more)),
                  "%s, grad_moments, %s, %s: sum %d is %.9g, not %.9g", k->name,
                  activation_names[act], shape_names[shape], i, sums[i], exact[i]);
    }
    free(left);
    free(allowed);
    free(own);
    free(reals_g);
    free(reals_x);
}

static void check_grad_moments(enum activation act, int shape, int size, int poison) {
    struct image x = image_begin(sizes[size][0], sizes[size][1], -3.0, 3.0);
    struct image g = image_begin(sizes[size][0], sizes[size][1], -1.0, 1.5);
    const struct norm n = norm_begin(31 + size);
    poison_image(poison == 1 ? &g : &x, poison >= 0 ? 0 : -1);
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL && shape != SHAPE_PLAIN; t++) {
        grad_moments_compare(k, &g, &x, act, shape, &n);
    }
    free(x.x);
    free(g.x);
}

Test(kernels, grad_moments_sum_the_gradient_and_its_product_with_the_normalised_value) {
    every_transform(check_grad_moments);
}

/* ---- linear combinations ---- */

/* Terms 0, 3, 6 are read as they stand, the others through a transform each of its own kind. */
enum { TERMS_MAX = 8 };
static void check_combine(int count, int size, int poison) {
    struct image images[TERMS_MAX];
    struct norm norms[TERMS_MAX];
    double factors[TERMS_MAX];
    const ptrdiff_t pixels = sizes[size][0] * sizes[size][1];
    const enum activation act = (enum activation)((count + size) % 5); /* of all that have one */
    const int shape = (2 * count + size) % SHAPES;
    double *y = zero_doubles(PADDED * pixels), *bound = zero_doubles(PADDED * pixels);
    for (int n = 0; n < count; n++) {
        images[n] = image_begin(sizes[size][0], sizes[size][1], -2.0, 2.5);
        norms[n] = norm_begin(41 + n);
        factors[n] = (double)(float)(0.7 - 0.31 * n);
        poison_image(&images[n], n == count - 1 ? poison : -1);
        for (ptrdiff_t i = 0; i < images[n].len; i++) {
            const ptrdiff_t c = i / BLOCK / pixels * BLOCK + i % BLOCK;
            double off;
            const double v = n % 3 == 0 ? images[n].x[i]
                                        : read_twin(images[n].x[i], act,
                                                    shape, &norms[n], c, &off);
            off = n % 3 == 0 ? fabs(v) : off;
            y[i] += factors[n] * v;
            bound[i] += fabs(factors[n]) * (off + (double)(count + 2) * fabs(v));
        }
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        struct term terms[TERMS_MAX];
        void *reals[TERMS_MAX] = {NULL}, *own[TERMS_MAX], *ours = unset_reals(k, PADDED * pixels);
        for (int n = 0; n < count; n++) {
            reals[n] = reals_of(k, images[n].x, images[n].len);
            const struct transform transform =
                transform_begin(k, act, shape, &norms[n], &own[n]);
            terms[n] = (struct term){.x = reals[n], .factor = factors[n]};
            terms[n].transform = n % 3 == 0 ? (struct transform){0} : transform;
        }
        k->combine(ours, images[0].e, count, terms);
        expect_near(k, ours, y, bound, PADDED * pixels, "combine %d terms", count);
        const int place = (count - 1) / 3 * 3; /* the last one without a transform */
        k->combine(reals[place], images[0].e, count, terms);
        expect_near(k, reals[place], y, bound, PADDED * pixels, "combine %d terms in place of %d",
                    count, place);
        for (int n = 0; n < count; n++) {
            free(reals[n]);
            free(own[n]);
        }
        free(ours);
    }
    for (int n = 0; n < count; n++) {
        free(images[n].x);
    }
    free(y);
    free(bound);
}

Test(kernels, combine_adds_scaled_terms_also_onto_one_of_them) {
    for (int count = 1; count <= TERMS_MAX; count++) {
        check_combine(count, count % SIZES, -1);
        check_combine(count, (count + 2) % SIZES, 0);
        check_combine(count, (count + 3) % SIZES, 1);
    }
}

/* ---- dot, pool ---- */

static void check_reductions(enum activation act, int shape, int size, int poison) {
    struct image x = image_begin(sizes[size][0], sizes[size][1], -3.0, 3.0);
    struct image g = image_begin(sizes[size][0], sizes[size][1], -1.0, 1.5);
    const struct norm n = norm_begin(53 + size);
    const ptrdiff_t pixels = x.e.height * x.e.width;
    double dot = 0.0, dot_bound = 0.0, *mean = zero_doubles(PADDED), *bound = zero_doubles(PADDED);
    poison_image(&x, poison);
    for (ptrdiff_t c = 0; c < PADDED; c++) {
        for (ptrdiff_t p = 0; p < pixels; p++) {
            double off;
            const double v = read_twin(image_at(&x, c, p), act, shape, &n, c, &off);
            const double gv = image_at(&g, c, p);
            dot += gv * v;
            dot_bound += fabs(gv) * (((double)pixels + 2.0) * fabs(v) + off);
            mean[c] += v / (double)pixels;
            bound[c] += (((double)pixels + 2.0) * fabs(v) + off) / (double)pixels;
        }
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *own, *reals_g = reals_of(k, g.x, g.len), *reals_x = reals_of(k, x.x, x.len);
        void *y = unset_reals(k, PADDED);
        const struct transform transform = transform_begin(k, act, shape, &n, &own);
        const double ours = k->dot(reals_g, reals_x, x.e, &transform);
        cr_expect(is_near(ours, dot, epsilon_of(k) * dot_bound), "%s, dot, %s, %s: %.9g, not %.9g",
                  k->name, activation_names[act], shape_names[shape], ours, dot);
        k->pool_mean(y, reals_x, x.e, &transform);
        expect_near(k, y, mean, bound, PADDED, "pool_mean, %s, %s", activation_names[act],
                    shape_names[shape]);
        free(own);
        free(reals_g);
        free(reals_x);
        free(y);
    }
    free(mean);
    free(bound);
    free(x.x);
    free(g.x);
}

Test(kernels, dot_and_pool_mean_read_through_transforms) {
    every_transform(check_reductions);
}

Test(kernels, pool_mean_back_hands_each_pixel_its_share) {
    for (int size = 0; size < SIZES; size++) {
        const struct extent e = {BLOCKS, sizes[size][0], sizes[size][1]};
        const ptrdiff_t pixels = e.height * e.width;
        double *dy = random_doubles(PADDED, -2.0, 2.0), *g = zero_doubles(PADDED * pixels);
        double *bound = zero_doubles(PADDED * pixels);
        fill_padding(dy, CHANNELS, 1, 0.0);
        dy[4] = NAN;
        for (ptrdiff_t i = 0; i < PADDED * pixels; i++) {
            g[i] = dy[i / BLOCK / pixels * BLOCK + i % BLOCK] / (double)pixels;
            bound[i] = fabs(g[i]);
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *reals = reals_of(k, dy, PADDED), *ours = unset_reals(k, PADDED * pixels);
            k->pool_mean_back(ours, reals, e);
            expect_near(k, ours, g, bound, PADDED * pixels, "pool_mean_back, %td pixels", pixels);
            free(reals);
            free(ours);
        }
        free(dy);
        free(g);
        free(bound);
    }
}

/* ---- layouts, flat arrays ---- */

Test(kernels, layouts_hold_every_value_in_its_place_and_zeros_in_the_padding) {
    static const ptrdiff_t channels[] = {1, 3, 5, 16, 17, 33, 48, 64};
    for (size_t n = 0; n < sizeof channels / sizeof *channels; n++) {
        const ptrdiff_t c = channels[n], pixels = 1 + 7 * (ptrdiff_t)n, len = c * pixels;
        const ptrdiff_t blocked_len = blocks_of(c) * BLOCK * pixels;
        double *plain = random_doubles(len, -5.0, 5.0), *image = zero_doubles(blocked_len);
        double *exactly = zero_doubles(blocked_len);
        plain[len / 2] = NAN;
        plain[len - 1] = INFINITY;
        for (ptrdiff_t i = 0; i < len; i++) {
            image[blocked(1, pixels, i / pixels, 0, i % pixels)] = plain[i];
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *reals = reals_of(k, plain, len), *ours = unset_reals(k, blocked_len);
            k->from_plain(ours, reals, c, pixels);
            expect_near(k, ours, image, exactly, blocked_len, "from_plain, %td channels", c);
            k->set(reals, 3.0, len);
            k->to_plain(reals, ours, c, pixels);
            expect_near(k, reals, plain, exactly, len, "to_plain, %td channels", c);
            free(reals);
            free(ours);
        }
        free(plain);
        free(image);
        free(exactly);
    }
}

Test(kernels, flat_loops_do_what_their_names_say) {
    enum { N = 1003 };
    double *x = random_doubles(N, -2.0, 2.0), *y = random_doubles(N, -3.0, 3.0);
    double *sum = zero_doubles(N), *scaled = zero_doubles(N), *bound = zero_doubles(N);
    double squares = 0.0, inner = 0.0, *shifted = zero_doubles(N), *reach = zero_doubles(N);
    for (int i = 0; i < N; i++) {
        sum[i] = x[i] + y[i];
        scaled[i] = x[i] * -0.3;
        bound[i] = fabs(sum[i]) + fabs(x[i]);
        squares += x[i] * x[i];
        inner += x[i] * sum[i];
        shifted[i] = sum[i] - 1.7 * x[i];
        reach[i] = 2.0 * fabs(sum[i]) + 5.0 * fabs(x[i]);
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *a = reals_of(k, x, N), *b = unset_reals(k, N);
        k->from_doubles(b, y, N);
        k->add(b, a, N);
        expect_near(k, b, sum, bound, N, "add");
        cr_expect_float_eq(k->sum_squares(a, N), squares, N * DBL_EPSILON * squares, "%s", k->name);
        cr_expect_float_eq(k->inner(a, b, N), inner, 8 * epsilon_of(k) * squares, "%s",
                           k->name);
        k->add_scaled(b, a, -1.7, N);
        expect_near(k, b, shifted, reach, N, "add_scaled");
        k->scale(a, -0.3, N);
        expect_near(k, a, scaled, bound, N, "scale");
        ((unsigned char *)a)[k->real_size - 1] = 0x7f; /* exponent all ones: not finite */
        ((unsigned char *)a)[k->real_size - 2] = 0xff;
        cr_expect_not(isfinite(k->sum_squares(a, N)), "%s", k->name);
        free(a);
        free(b);
    }
    double *const all[] = {x, y, sum, scaled, bound, shifted, reach};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}
