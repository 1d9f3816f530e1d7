/* The kernels that sum over windows or features: what is not finite reaches the sums that read
 * it. */
#include "finite.h"

struct weight {
    ptrdiff_t out, in, tap;
};
static struct weight packed_place(ptrdiff_t index, ptrdiff_t in, ptrdiff_t taps) {
    const ptrdiff_t lane = index % BLOCK, row = index / BLOCK % BLOCK;
    const ptrdiff_t tap = index / (BLOCK * BLOCK) % taps;
    const ptrdiff_t blocks = index / (BLOCK * BLOCK * taps);
    return (struct weight){blocks / blocks_of(in) * BLOCK + lane,
                           blocks % blocks_of(in) * BLOCK + row, tap};
}
static struct weight plain_place(ptrdiff_t index, ptrdiff_t in, ptrdiff_t taps) {
    return (struct weight){index / taps / in, index / taps % in, index % taps};
}

/* ---- convolutions ---- */

static struct convolution convolution_of(ptrdiff_t in, ptrdiff_t out, ptrdiff_t height,
                                         ptrdiff_t width, int kernel, int stride) {
    return (struct convolution){.in_channels = in,
                                .out_channels = out,
                                .height = (height - 1) / stride + 1,
                                .width = (width - 1) / stride + 1,
                                .frame_height = height + kernel / 2 * 2,
                                .frame_width = width + kernel / 2 * 2,
                                .kernel = kernel,
                                .stride = stride};
}
static ptrdiff_t taps_of(const struct convolution *c) {
    return (ptrdiff_t)c->kernel * c->kernel;
}
static ptrdiff_t frame_len(const struct convolution *c) {
    return blocks_of(c->in_channels) * c->frame_height * c->frame_width * BLOCK;
}
static ptrdiff_t image_len(const struct convolution *c, int pad) {
    return blocks_of(c->out_channels) * (c->height + 2 * pad) * (c->width + 2 * pad) * BLOCK;
}
static ptrdiff_t packed_len(const struct convolution *c) {
    return blocks_of(c->out_channels) * blocks_of(c->in_channels) * taps_of(c) * BLOCK * BLOCK;
}

/* The window of an output row (or column) covers this row of the frame. */
static bool covers(ptrdiff_t output, ptrdiff_t frame, const struct convolution *c) {
    return frame >= output * c->stride && frame < output * c->stride + c->kernel;
}

static void conv_run(const struct kernels *k, const struct probe *p, void *const *in,
                     double *out) {
    void *y = unset_reals(k, p->out_len);
    k->conv(y, 0, in[0], in[1], in[2], &p->c, 1);
    read_out(k, out, y, p->out_len);
    free(y);
}

static enum reach conv_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const struct convolution *c = &p->c;
    const struct place y = place_of(out, c->height, c->width);
    const struct place x = place_of(from->index, c->frame_height, c->frame_width);
    const struct weight w = packed_place(from->index, c->in_channels, taps_of(c));
    if (y.channel >= c->out_channels) {
        return MAY;
    }
    switch (from->input) {
    case 0:
        return x.channel >= c->in_channels
                   ? MAY
                   : must_if(covers(y.row, x.row, c) && covers(y.column, x.column, c));
    case 1:
        return w.in >= c->in_channels ? MAY : must_if(w.out == y.channel);
    default:
        return must_if(from->index == y.channel);
    }
}

static const struct convolution *conv_case(int n) {
    static struct convolution cases[5];
    cases[0] = convolution_of(3, 17, 7, 7, 3, 1);
    cases[1] = convolution_of(17, 5, 7, 6, 3, 2);
    cases[2] = convolution_of(1, 16, 1, 1, 3, 1);
    cases[3] = convolution_of(33, 3, 4, 13, 1, 1);
    cases[4] = convolution_of(5, 20, 5, 9, 1, 2);
    return n < 5 ? &cases[n] : NULL;
}

Test(kernels_conv_finite, a_convolution_passes_it_to_the_windows_that_cover_it) {
    const struct convolution *c;
    for (int n = 0; (c = conv_case(n)) != NULL; n++) {
        struct probe p = {.what = "conv", .c = *c, .out_len = image_len(c, 0)};
        p.run = conv_run;
        p.reach = conv_reach;
        add_random(&p, REALS, frame_len(c));
        add_random(&p, REALS, packed_len(c));
        add_random(&p, REALS, blocks_of(c->out_channels) * BLOCK);
        check(&p);
    }
}

/* ---- the same by Winograd's tiles, `rows` samples at once ---- */

/* way 1: weights of the way back, mirrored and transposed. */
static void winograd_run(const struct kernels *k, const struct probe *p, void *const *in,
                         double *out) {
    const ptrdiff_t i = p->c.in_channels, o = p->c.out_channels;
    void *packed = unset_reals(k, k->winograd_len(o, i)), *y = unset_reals(k, p->out_len);
    void *scratch = unset_reals(k, k->winograd_scratch(&p->c, p->rows));
    k->winograd_pack(packed, in[1], p->way ? i : o, p->way ? o : i, p->way);
    k->winograd_conv(y, in[0], packed, in[2], &p->c, p->rows, scratch, NULL);
    read_out(k, out, y, p->out_len);
    free(packed);
    free(y);
    free(scratch);
}

/* The tile of 4 outputs a row (or column) lies in reads this row of the frame. */
static bool tile_reads(ptrdiff_t output, ptrdiff_t frame) {
    const ptrdiff_t first = output / 4 * 4;
    return frame >= first && frame < first + 6;
}

/* Tiles of 4x4 outputs mix what they read: the windows that cover an entry get it for certain, the
 * outputs of the tiles they lie in may, and no other. */
static enum reach winograd_reach(const struct probe *p, const struct poisoned *from,
                                 ptrdiff_t out) {
    const struct convolution *c = &p->c;
    const ptrdiff_t y_len = image_len(c, 0), x_len = frame_len(c), plain = from->index / 9;
    const struct place y = place_of(out % y_len, c->height, c->width);
    const struct place x = place_of(from->index % x_len, c->frame_height, c->frame_width);
    if (y.channel >= c->out_channels) {
        return MAY;
    }
    switch (from->input) {
    case 0:
        if (out / y_len != from->index / x_len) {
            return NEVER;
        }
        if (x.channel < c->in_channels && covers(y.row, x.row, c) &&
            covers(y.column, x.column, c)) {
            return MUST;
        }
        return x.channel >= c->in_channels ||
                       (tile_reads(y.row, x.row) && tile_reads(y.column, x.column))
                   ? MAY
                   : NEVER;
    case 1:
        return must_if(y.channel ==
                       (p->way ? plain % c->out_channels : plain / c->in_channels));
    default:
        return must_if(from->index == y.channel);
    }
}

static const ptrdiff_t winograd_sizes[][5] = {
    {3, 17, 7, 7, 2}, {17, 5, 9, 6, 1}, {1, 1, 1, 1, 3}, {5, 16, 13, 11, 2}};
enum { WINOGRAD_SIZES = sizeof winograd_sizes / sizeof *winograd_sizes };

Test(kernels_conv_finite, winograd_keeps_it_within_the_tiles_that_read_it) {
    for (int n = 0; n < 2 * WINOGRAD_SIZES; n++) {
        const ptrdiff_t *s = winograd_sizes[n / 2];
        struct probe p = {.what = "winograd_conv", .way = n % 2, .rows = s[4]};
        p.c = convolution_of(s[0], s[1], s[2], s[3], 3, 1);
        p.out_len = s[4] * image_len(&p.c, 0);
        p.run = winograd_run;
        p.reach = winograd_reach;
        add_random(&p, REALS, s[4] * frame_len(&p.c));
        add_random(&p, REALS, s[0] * s[1] * 9);
        add_random(&p, REALS, blocks_of(s[1]) * BLOCK);
        check(&p);
    }
}

/* ---- gradients by weights and bias ---- */

static void conv_weights_run(const struct kernels *k, const struct probe *p, void *const *in,
                             double *out) {
    k->conv_weights(in[2], in[0], in[1], 0, p->pad, &p->c, 1, 1);
    read_out(k, out, in[2], p->out_len);
}

/* Whether an entry of the frame meets an output pixel at this tap. */
static bool meets(ptrdiff_t frame, ptrdiff_t tap, ptrdiff_t outputs, int stride) {
    const ptrdiff_t at = frame - tap;
    return at >= 0 && at % stride == 0 && at / stride < outputs;
}

/* Whether an entry of a framed gradient stands inside its border, which nobody reads. */
static bool is_inside(const struct place *dy, ptrdiff_t height, ptrdiff_t width, int pad) {
    return dy->row >= pad && dy->row < height + pad && dy->column >= pad &&
           dy->column < width + pad;
}

static enum reach conv_weights_reach(const struct probe *p, const struct poisoned *from,
                                     ptrdiff_t out) {
    const struct convolution *c = &p->c;
    const struct weight w = packed_place(out, c->in_channels, taps_of(c));
    const struct place x = place_of(from->index, c->frame_height, c->frame_width);
    const struct place dy =
        place_of(from->index, c->height + 2 * p->pad, c->width + 2 * p->pad);
    if (w.out >= c->out_channels || w.in >= c->in_channels) {
        return MAY;
    }
    switch (from->input) {
    case 0:
        return must_if(x.channel == w.in &&
                       meets(x.row, w.tap / c->kernel, c->height, c->stride) &&
                       meets(x.column, w.tap % c->kernel, c->width, c->stride));
    case 1:
        return must_if(dy.channel == w.out && is_inside(&dy, c->height, c->width, p->pad));
    default:
        return must_if(from->index == out);
    }
}

static void winograd_weights_run(const struct kernels *k, const struct probe *p, void *const *in,
                                 double *out) {
    void *scratch = unset_reals(k, k->winograd_scratch(&p->c, p->rows));
    k->winograd_weights(in[2], in[0], in[1], p->pad, &p->c, p->rows, 1, scratch, NULL);
    read_out(k, out, in[2], p->out_len);
    free(scratch);
}

/* The nine weights between two channels are mixed. */
static enum reach winograd_weights_reach(const struct probe *p, const struct poisoned *from,
                                         ptrdiff_t out) {
    if (from->input == 2) {
        return conv_weights_reach(p, from, out);
    }
    const struct convolution *c = &p->c;
    const ptrdiff_t len = from->input == 0 ? frame_len(c) : image_len(c, p->pad);
    const struct poisoned sample = {from->input, from->index % len, from->poison};
    const struct place x = place_of(sample.index, c->frame_height, c->frame_width);
    const struct weight w = packed_place(out, c->in_channels, 9);
    const enum reach direct = conv_weights_reach(p, &sample, out);
    return direct == NEVER && from->input == 0 && x.channel == w.in ? MAY : direct;
}

Test(kernels_conv_finite, winograd_keeps_it_within_the_weights_between_two_channels) {
    for (int n = 0; n < 2 * WINOGRAD_SIZES; n++) {
        const ptrdiff_t *s = winograd_sizes[n / 2];
        struct probe p = {.what = "winograd_weights", .pad = n % 2, .rows = s[4]};
        p.c = convolution_of(s[0], s[1], s[2], s[3], 3, 1);
        p.out_len = packed_len(&p.c);
        p.run = winograd_weights_run;
        p.reach = winograd_weights_reach;
        add_random(&p, REALS, s[4] * frame_len(&p.c));
        add_random(&p, REALS, s[4] * image_len(&p.c, p.pad));
        add_random(&p, REALS, p.out_len);
        check(&p);
    }
}

static void conv_bias_run(const struct kernels *k, const struct probe *p, void *const *in,
                          double *out) {
    k->conv_bias(in[1], in[0], p->pad, p->e);
    read_out(k, out, in[1], p->out_len);
}

static enum reach conv_bias_reach(const struct probe *p, const struct poisoned *from,
                                  ptrdiff_t out) {
    const struct place dy =
        place_of(from->index, p->e.height + 2 * p->pad, p->e.width + 2 * p->pad);
    return must_if(from->input == 1 ? from->index == out
                                    : dy.channel == out && is_inside(&dy, p->e.height, p->e.width,
                                                                     p->pad));
}

Test(kernels_conv_finite, gradients_of_a_convolution_pass_it_to_the_weights_it_meets) {
    const struct convolution *c;
    for (int n = 0; (c = conv_case(n)) != NULL; n++) {
        struct probe p = {.what = "conv_weights", .c = *c, .pad = n % 2, .out_len = packed_len(c)};
        p.run = conv_weights_run;
        p.reach = conv_weights_reach;
        add_random(&p, REALS, frame_len(c));
        add_random(&p, REALS, image_len(c, p.pad));
        add_random(&p, REALS, packed_len(c));
        check(&p);
        struct probe b = {.what = "conv_bias", .pad = n % 2, .run = conv_bias_run};
        b.e = (struct extent){blocks_of(c->out_channels), c->height, c->width};
        b.out_len = b.e.blocks * BLOCK;
        b.reach = conv_bias_reach;
        add_random(&b, REALS, image_len(c, b.pad));
        add_random(&b, REALS, b.out_len);
        check(&b);
    }
}

/* ---- dense ---- */

static void dense_run(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    void *y = unset_reals(k, p->out_len);
    k->dense(y, in[0], in[1], in[2], p->rows, p->features_in, p->features_out);
    read_out(k, out, y, p->out_len);
    free(y);
}

static enum reach dense_reach(const struct probe *p, const struct poisoned *from,
                              ptrdiff_t out) {
    const ptrdiff_t in_len = blocks_of(p->features_in) * BLOCK;
    const ptrdiff_t out_len = blocks_of(p->features_out) * BLOCK;
    const struct weight w = packed_place(from->index, p->features_in, 1);
    if (out % out_len >= p->features_out) {
        return MAY;
    }
    switch (from->input) {
    case 0:
        return from->index % in_len >= p->features_in
                   ? MAY
                   : must_if(from->index / in_len == out / out_len);
    case 1:
        return w.in >= p->features_in ? MAY : must_if(w.out == out % out_len);
    default:
        return must_if(from->index == out % out_len);
    }
}

static void dense_weights_run(const struct kernels *k, const struct probe *p, void *const *in,
                              double *out) {
    k->dense_weights(in[2], in[0], in[1], p->rows, p->features_in, p->features_out, 1);
    read_out(k, out, in[2], p->out_len);
}

static enum reach dense_weights_reach(const struct probe *p, const struct poisoned *from,
                                      ptrdiff_t out) {
    const struct weight w = packed_place(out, p->features_in, 1);
    if (w.out >= p->features_out || w.in >= p->features_in) {
        return MAY;
    }
    switch (from->input) {
    case 0:
        return must_if(from->index % (blocks_of(p->features_in) * BLOCK) == w.in);
    case 1:
        return must_if(from->index % (blocks_of(p->features_out) * BLOCK) == w.out);
    default:
        return must_if(from->index == out);
    }
}

Test(kernels_conv_finite, a_dense_layer_and_its_gradient_pass_it_on_by_rows_and_features) {
    static const ptrdiff_t sizes[][3] = {{1, 1, 1}, {3, 17, 5}, {7, 5, 33}, {30, 16, 16}};
    for (int n = 0; n < 8; n++) {
        const ptrdiff_t *s = sizes[n / 2];
        const ptrdiff_t in_len = blocks_of(s[1]) * BLOCK, out_len = blocks_of(s[2]) * BLOCK;
        struct probe p = {.rows = s[0], .features_in = s[1], .features_out = s[2]};
        p.what = n % 2 ? "dense_weights" : "dense";
        p.run = n % 2 ? dense_weights_run : dense_run;
        p.reach = n % 2 ? dense_weights_reach : dense_reach;
        p.out_len = n % 2 ? in_len * out_len : s[0] * out_len;
        add_random(&p, REALS, s[0] * in_len);
        add_random(&p, REALS, n % 2 ? s[0] * out_len : in_len * out_len);
        add_random(&p, REALS, n % 2 ? in_len * out_len : out_len);
        check(&p);
    }
}

/* ---- packing ---- */

static void pack_run(const struct kernels *k, const struct probe *p, void *const *in,
                     double *out) {
    void *packed = unset_reals(k, p->out_len);
    k->pack(packed, in[0], p->c.out_channels, p->c.in_channels, p->c.kernel, p->way);
    read_out(k, out, packed, p->out_len);
    free(packed);
}

static enum reach pack_reach(const struct probe *p, const struct poisoned *from,
                             ptrdiff_t out) {
    const ptrdiff_t taps = taps_of(&p->c);
    const struct weight w = plain_place(from->index, p->c.in_channels, taps);
    const struct weight to =
        packed_place(out, p->way ? p->c.out_channels : p->c.in_channels, taps);
    return must_if(p->way ? to.out == w.in && to.in == w.out && to.tap == taps - 1 - w.tap
                          : to.out == w.out && to.in == w.in && to.tap == w.tap);
}

enum { PARTS = 3 };
static void unpack_run(const struct kernels *k, const struct probe *p, void *const *in,
                       double *out) {
    k->unpack_add(in[1], in[0], PARTS, packed_len(&p->c), p->c.out_channels, p->c.in_channels,
                  p->c.kernel);
    read_out(k, out, in[1], p->out_len);
}

static enum reach unpack_reach(const struct probe *p, const struct poisoned *from,
                               ptrdiff_t out) {
    const ptrdiff_t in = p->c.in_channels, taps = taps_of(&p->c);
    const struct weight w = packed_place(from->index % packed_len(&p->c), in, taps);
    const struct weight to = plain_place(out, in, taps);
    return must_if(from->input == 1 ? from->index == out
                                    : w.out == to.out && w.in == to.in && w.tap == to.tap);
}

Test(kernels_conv_finite, packing_and_unpacking_pass_it_to_its_one_place) {
    const struct convolution *c;
    for (int n = 0; (c = conv_case(n / 2)) != NULL; n++) {
        const ptrdiff_t len = c->out_channels * c->in_channels * taps_of(c);
        struct probe p = {.what = "pack", .c = *c, .way = n % 2, .out_len = packed_len(c)};
        p.run = pack_run;
        p.reach = pack_reach;
        add_random(&p, REALS, len);
        check(&p);
        struct probe u = {.what = "unpack_add", .c = *c, .run = unpack_run, .out_len = len};
        u.reach = unpack_reach;
        add_random(&u, REALS, PARTS * packed_len(c));
        add_random(&u, REALS, len);
        check(&u);
    }
}
