/* Convolutions, dense layers and the packing of their weights, of every table of kernels against
 * plain twins in double. A sum of n products is allowed n + 2 roundings of its absolute sum. */
#include <string.h>

#include "kernel_setup.h"

static ptrdiff_t packed_at(ptrdiff_t in, ptrdiff_t taps, ptrdiff_t o, ptrdiff_t i, ptrdiff_t tap) {
    return ((o / BLOCK * blocks_of(in) + i / BLOCK) * taps + tap) * BLOCK * BLOCK +
           i % BLOCK * BLOCK + o % BLOCK;
}

static ptrdiff_t packed_len(ptrdiff_t out, ptrdiff_t in, ptrdiff_t taps) {
    return blocks_of(out) * blocks_of(in) * taps * BLOCK * BLOCK;
}

/* Plain (O, I, taps) to packed, zeros in the padding. */
static double *packed_twin(const double *w, ptrdiff_t out, ptrdiff_t in, ptrdiff_t taps) {
    double *packed = zero_doubles(packed_len(out, in, taps));
    for (ptrdiff_t o = 0; o < out; o++) {
        for (ptrdiff_t i = 0; i < in; i++) {
            for (ptrdiff_t t = 0; t < taps; t++) {
                packed[packed_at(in, taps, o, i, t)] = w[(o * in + i) * taps + t];
            }
        }
    }
    return packed;
}

/* ---- convolution ---- */

struct shape {
    ptrdiff_t in, out, height, width; /* of the input, without its border */
    int kernel, stride;
};

/* Channels 1, 3, 5, 16, 17, 33, 48, 64; widths 1 .. 33; odd and even sizes; both kernels and
 * strides. Wide and deep at once is dear and shows nothing more. */
static const struct shape shapes[] = {
    {1, 1, 1, 1, 3, 1},    {1, 16, 5, 28, 3, 1},  {3, 16, 7, 33, 3, 1},  {3, 5, 3, 2, 3, 1},
    {5, 17, 4, 9, 3, 1},   {5, 3, 5, 13, 3, 2},   {16, 16, 3, 28, 3, 1}, {16, 16, 7, 14, 3, 1},
    {16, 33, 5, 7, 3, 2},  {17, 1, 2, 29, 3, 1},  {17, 48, 3, 5, 3, 1},  {33, 17, 4, 3, 3, 2},
    {33, 64, 3, 7, 3, 1},  {48, 5, 3, 13, 3, 1},  {48, 64, 2, 9, 3, 2},  {64, 64, 3, 7, 3, 1},
    {64, 33, 2, 14, 3, 2}, {16, 64, 3, 29, 3, 2}, {16, 16, 5, 1, 3, 1},  {1, 3, 1, 9, 3, 2},
    {1, 5, 3, 5, 1, 1},    {3, 16, 5, 13, 1, 2},  {16, 33, 7, 9, 1, 2},  {17, 17, 3, 28, 1, 1},
    {33, 48, 5, 14, 1, 2}, {48, 16, 3, 33, 1, 1}, {64, 64, 4, 7, 1, 2},  {64, 5, 2, 3, 1, 1},
    {5, 1, 1, 1, 1, 2},    {16, 64, 2, 2, 3, 2},  {17, 3, 7, 7, 3, 1},  {1, 17, 7, 7, 3, 2},
    {3, 16, 1, 1, 3, 2},   {17, 17, 7, 7, 1, 2},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct conv {
    struct convolution c;
    ptrdiff_t pad, taps, y_len;
    double *x, *w, *bias, *packed; /* framed, border and padding of channels not zero; plain */
    double *y, *y_bound;           /* blocked */
};

static struct conv conv_begin(const struct shape *s) {
    struct conv v = {.pad = s->kernel / 2, .taps = (ptrdiff_t)s->kernel * s->kernel};
    v.c = (struct convolution){.in_channels = s->in,
                               .out_channels = s->out,
                               .height = (s->height - 1) / s->stride + 1,
                               .width = (s->width - 1) / s->stride + 1,
                               .frame_height = s->height + 2 * v.pad,
                               .frame_width = s->width + 2 * v.pad,
                               .kernel = s->kernel,
                               .stride = s->stride};
    const ptrdiff_t pixels = v.c.frame_height * v.c.frame_width;
    v.x = random_doubles(blocks_of(s->in) * pixels * BLOCK, -1.3, 1.7);
    fill_padding(v.x, s->in, pixels, 777.0);
    v.w = random_doubles(s->out * s->in * v.taps, -0.9, 1.1);
    v.packed = packed_twin(v.w, s->out, s->in, v.taps);
    v.bias = random_doubles(blocks_of(s->out) * BLOCK, -2.0, 2.0);
    fill_padding(v.bias, s->out, 1, 0.0);
    v.y_len = blocks_of(s->out) * v.c.height * v.c.width * BLOCK;
    v.y = zero_doubles(v.y_len);
    v.y_bound = zero_doubles(v.y_len);
    return v;
}

static void conv_end(struct conv *v) {
    double *const all[] = {v->x, v->w, v->bias, v->packed, v->y, v->y_bound};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

static double *framed(const struct conv *v, ptrdiff_t channel, ptrdiff_t i, ptrdiff_t j) {
    return &v->x[blocked(v->c.frame_height, v->c.frame_width, channel, i, j)];
}

/* One output value: the sum of products, or of their absolute values. */
static double conv_sum(const struct conv *v, ptrdiff_t o, ptrdiff_t i, ptrdiff_t j, bool absolute) {
    const int k = v->c.kernel, s = v->c.stride;
    double sum = 0.0;
    for (ptrdiff_t c = 0; c < v->c.in_channels; c++) {
        for (int ky = 0; ky < k; ky++) {
            for (int kx = 0; kx < k; kx++) {
                const double product = *framed(v, c, i * s + ky, j * s + kx) *
                                       v->w[(o * v->c.in_channels + c) * v->taps + ky * k + kx];
                sum += absolute ? fabs(product) : product;
            }
        }
    }
    return sum;
}

static void conv_twin(struct conv *v, bool with_bias) {
    const double n = (double)(v->c.in_channels * v->taps);
    for (ptrdiff_t o = 0; o < v->c.out_channels; o++) {
        const double bias = with_bias ? v->bias[o] : 0.0;
        for (ptrdiff_t i = 0; i < v->c.height; i++) {
            for (ptrdiff_t j = 0; j < v->c.width; j++) {
                const ptrdiff_t at = blocked(v->c.height, v->c.width, o, i, j);
                v->y[at] = bias + conv_sum(v, o, i, j, false);
                v->y_bound[at] = (n + 2.0) * (fabs(bias) + conv_sum(v, o, i, j, true));
            }
        }
    }
}

/* Padding channels are compared too (exactly zero), unless they may have caught a NaN. */
static void conv_compare(struct conv *v, bool with_bias, bool finite, const char *what) {
    const struct kernels *k;
    conv_twin(v, with_bias);
    for (int t = 0; (k = table(t)) != NULL; t++) {
        const ptrdiff_t x_len =
            blocks_of(v->c.in_channels) * v->c.frame_height * v->c.frame_width * BLOCK;
        void *x = reals_of(k, v->x, x_len);
        void *packed =
            reals_of(k, v->packed, packed_len(v->c.out_channels, v->c.in_channels, v->taps));
        void *bias = reals_of(k, v->bias, blocks_of(v->c.out_channels) * BLOCK);
        void *y = unset_reals(k, v->y_len);
        k->conv(y, 0, x, packed, with_bias ? bias : NULL, &v->c, 1);
        if (!finite) {
            double *ours = doubles_of(k, y, v->y_len);
            fill_padding(ours, v->c.out_channels, v->c.height * v->c.width, 0.0);
            k->from_doubles(y, ours, v->y_len);
            free(ours);
        }
        expect_near(k, y, v->y, v->y_bound, v->y_len, "%s %td to %td channels, %td x %td of %d/%d",
                    what, v->c.in_channels, v->c.out_channels, v->c.height, v->c.width, v->c.kernel,
                    v->c.stride);
        free(x);
        free(packed);
        free(bias);
        free(y);
    }
}

Test(kernels_conv, a_convolution_is_the_sum_over_its_window_plus_bias) {
    for (int n = 0; n < SHAPES; n++) {
        struct conv v = conv_begin(&shapes[n]);
        conv_compare(&v, n % 3 != 0, true, "conv");
        conv_end(&v);
    }
}

/* Every width of a row meets another set of tiles. */
Test(kernels_conv, rows_of_every_width_are_covered) {
    static const ptrdiff_t outs[] = {16, 20, 48, 64};
    for (ptrdiff_t width = 1; width <= 34; width++) {
        for (size_t o = 0; o < sizeof outs / sizeof *outs; o++) {
            const bool wide = (width + (ptrdiff_t)o) % 3 == 0;
            const struct shape s = {2, outs[o], 2, width, wide ? 3 : 1, 1};
            struct conv v = conv_begin(&s);
            conv_compare(&v, true, true, "row");
            conv_end(&v);
        }
    }
}

static const double poisons[] = {NAN, INFINITY};

Test(kernels_conv, a_value_that_is_not_finite_reaches_the_outputs_that_read_it_and_no_other) {
    static const struct shape chosen[] = {
        {3, 17, 5, 7, 3, 1}, {17, 16, 5, 9, 3, 2}, {33, 3, 4, 13, 1, 1}, {16, 64, 3, 28, 3, 1}};
    for (int n = 0; n < 8; n++) {
        const struct shape *s = &chosen[n / 2];
        struct conv v = conv_begin(s);
        *framed(&v, s->in - 1, v.pad + 2, v.pad + 2) = poisons[n % 2];
        conv_compare(&v, true, false, "poisoned conv");
        conv_end(&v);
    }
}

/* ---- the same by Winograd's tiles ---- */

/* Tiles of 4x4 outputs mix their 6x6 inputs with factors up to 100, so errors follow the largest
 * sum of the image. What is not finite reaches all that read it, and may reach their tile. */
static void winograd_compare(struct conv *v, bool transposed, bool finite) {
    const ptrdiff_t in = v->c.in_channels, out = v->c.out_channels;
    const ptrdiff_t x_len = blocks_of(in) * v->c.frame_height * v->c.frame_width * BLOCK;
    double *w = zero_doubles(out * in * 9), largest = 0.0;
    conv_twin(v, true);
    for (ptrdiff_t i = 0; i < out * in * 9; i++) {
        const ptrdiff_t o = i / 9 / in, c = i / 9 % in, tap = i % 9;
        w[transposed ? (c * out + o) * 9 + 8 - tap : i] = v->w[i];
    }
    for (ptrdiff_t i = 0; i < v->y_len; i++) {
        largest = fmax(largest, isfinite(v->y_bound[i]) ? v->y_bound[i] : 0.0);
    }
    for (ptrdiff_t i = 0; i < v->y_len; i++) {
        v->y_bound[i] = v->y_bound[i] != 0.0 ? 2.0 * largest : 0.0; /* padding is zero */
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *plain = reals_of(k, w, out * in * 9), *x = reals_of(k, v->x, x_len);
        void *packed = unset_reals(k, k->winograd_len(out, in));
        void *bias = reals_of(k, v->bias, blocks_of(out) * BLOCK), *y = unset_reals(k, v->y_len);
        void *scratch = unset_reals(k, k->winograd_scratch(&v->c, 1));
        k->winograd_pack(packed, plain, transposed ? in : out, transposed ? out : in, transposed);
        k->winograd_conv(y, x, packed, bias, &v->c, 1, scratch, NULL);
        double *ours = doubles_of(k, y, v->y_len);
        for (ptrdiff_t i = 0; i < v->y_len && !finite; i++) {
            if (isfinite(v->y[i])) {
                ours[i] = v->y[i];
            } else if (!isfinite(ours[i])) {
                ours[i] = v->y[i]; /* infinities may have met: NaN */
            }
        }
        k->from_doubles(y, ours, v->y_len);
        expect_near(k, y, v->y, v->y_bound, v->y_len, "winograd %td to %td channels, %td x %td", in,
                    out, v->c.height, v->c.width);
        void *const all[] = {plain, x, packed, bias, y, scratch, ours};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            free(all[i]);
        }
    }
    free(w);
}

Test(kernels_conv, tiles_of_winograd_agree_with_the_sum) {
    static const struct shape more[] = {{1, 1, 4, 4, 3, 1},   {5, 3, 5, 5, 3, 1},
                                        {16, 17, 6, 6, 3, 1}, {3, 16, 28, 28, 3, 1},
                                        {17, 5, 8, 12, 3, 1}, {33, 20, 9, 7, 3, 1}};
    for (int n = 0; n < SHAPES + 6; n++) {
        const struct shape *s = n < SHAPES ? &shapes[n] : &more[n - SHAPES];
        if (s->kernel == 3 && s->stride == 1) {
            struct conv v = conv_begin(s);
            winograd_compare(&v, n % 2 == 0, true);
            if (s->height > 2 && s->width > 2) {
                *framed(&v, s->in - 1, 2, 3) = poisons[n % 2];
                winograd_compare(&v, n % 2 == 1, false);
            }
            conv_end(&v);
        }
    }
}

Test(kernels_conv, several_samples_at_once_are_the_samples_one_by_one) {
    static const struct {
        ptrdiff_t in, out, height, width, samples;
    } cases[] = {{16, 16, 7, 7, 5}, {33, 17, 4, 9, 3}, {20, 80, 14, 14, 4}, {1, 3, 5, 1, 7}};
    const struct kernels *k;
    for (int n = 0; n < 4 * 6; n++) {
        if (!(k = table(n / 4))) {
            continue;
        }
        const ptrdiff_t in = cases[n % 4].in, out = cases[n % 4].out, samples = cases[n % 4].samples;
        const ptrdiff_t height = cases[n % 4].height, width = cases[n % 4].width;
        const struct convolution c = {.in_channels = in, .out_channels = out, .height = height,
                                      .width = width, .frame_height = height + 2,
                                      .frame_width = width + 2, .kernel = 3, .stride = 1};
        const ptrdiff_t x_len = blocks_of(in) * (height + 2) * (width + 2) * BLOCK;
        const ptrdiff_t y_len = blocks_of(out) * height * width * BLOCK;
        const ptrdiff_t dw_len = packed_len(out, in, 9), real = (ptrdiff_t)k->real_size;
        double *x = random_doubles(samples * x_len, -1.3, 1.7);
        double *w = random_doubles(out * in * 9, -0.9, 1.1), *none = zero_doubles(dw_len);
        void *frames = reals_of(k, x, samples * x_len), *plain = reals_of(k, w, out * in * 9);
        void *packed = unset_reals(k, k->winograd_len(out, in));
        void *once = unset_reals(k, samples * y_len), *apart = unset_reals(k, samples * y_len);
        void *dw = reals_of(k, none, dw_len), *dw_apart = reals_of(k, none, dw_len);
        void *scratch = unset_reals(k, k->winograd_scratch(&c, samples));
        void *scratch_one = unset_reals(k, k->winograd_scratch(&c, 1));
        cr_expect(k->winograd_samples(&c, samples) >= 1);
        cr_expect(k->winograd_samples(&c, samples) <= samples);
        k->winograd_pack(packed, plain, out, in, 0);
        k->winograd_conv(once, frames, packed, NULL, &c, samples, scratch, NULL);
        k->winograd_weights(dw, frames, once, 0, &c, samples, 0, scratch, NULL);
        for (ptrdiff_t i = 0; i < samples; i++) {
            void *one = (char *)apart + i * y_len * real, *frame = (char *)frames + i * x_len * real;
            k->winograd_conv(one, frame, packed, NULL, &c, 1, scratch_one, NULL);
            k->winograd_weights(dw_apart, frame, one, 0, &c, 1, i > 0, scratch_one, NULL);
        }
        cr_expect_arr_eq(once, apart, (size_t)(samples * y_len) * k->real_size);
        double *sum = doubles_of(k, dw, dw_len), *bound = zero_doubles(dw_len), largest = 0.0;
        for (ptrdiff_t i = 0; i < dw_len; i++) {
            largest = fmax(largest, fabs(sum[i]));
        }
        for (ptrdiff_t i = 0; i < dw_len; i++) {
            bound[i] = sum[i] != 0.0 ? 64.0 * largest : 0.0;
        }
        expect_near(k, dw_apart, sum, bound, dw_len, "winograd_weights of %td samples", samples);
        void *const all[] = {x,    w,  none,     frames,  plain,       packed, once,
                             apart, dw, dw_apart, scratch, scratch_one, sum,    bound};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            free(all[i]);
        }
    }
}

/* ---- its gradient by the weights and the bias ---- */

/* dy stands in a border of dy_pad that must not be read. */
static double *framed_gradient(const struct conv *v, int dy_pad) {
    const ptrdiff_t height = v->c.height + 2 * dy_pad, width = v->c.width + 2 * dy_pad;
    double *dy = random_doubles(blocks_of(v->c.out_channels) * height * width * BLOCK, -1.1, 0.9);
    fill_padding(dy, v->c.out_channels, height * width, 0.0);
    for (ptrdiff_t o = 0; o < v->c.out_channels && dy_pad; o++) {
        for (ptrdiff_t i = 0; i < height; i++) {
            dy[blocked(height, width, o, i, 0)] = dy[blocked(height, width, o, i, width - 1)] =
                777.0;
        }
        for (ptrdiff_t j = 0; j < width; j++) {
            dy[blocked(height, width, o, 0, j)] = dy[blocked(height, width, o, height - 1, j)] =
                777.0;
        }
    }
    return dy;
}

/* Adds the products of one weight to *sum, their absolute values to *size. */
static void weight_sum(const struct conv *v, const double *dy, int dy_pad, ptrdiff_t o, ptrdiff_t c,
                       ptrdiff_t tap, double *sum, double *size) {
    const ptrdiff_t height = v->c.height + 2 * dy_pad, width = v->c.width + 2 * dy_pad;
    for (ptrdiff_t i = 0; i < v->c.height; i++) {
        for (ptrdiff_t j = 0; j < v->c.width; j++) {
            const double product = *framed(v, c, i * v->c.stride + tap / v->c.kernel,
                                           j * v->c.stride + tap % v->c.kernel) *
                                   dy[blocked(height, width, o, i + dy_pad, j + dy_pad)];
            *sum += product;
            *size += fabs(product);
        }
    }
}

/* winograd: by its adjoint, whose errors follow the largest sum; what is not finite may then reach
 * the other taps of its channels. */
static void weights_compare(struct conv *v, const double *dy, int dy_pad, bool winograd,
                            const char *what) {
    const ptrdiff_t in = v->c.in_channels, out = v->c.out_channels, taps = v->taps;
    const ptrdiff_t len = out * in * taps, dw_len = packed_len(out, in, taps);
    const ptrdiff_t dy_len =
        blocks_of(out) * (v->c.height + 2 * dy_pad) * (v->c.width + 2 * dy_pad) * BLOCK;
    double *before = random_doubles(dw_len, -3.0, 3.0);
    double *dw = zero_doubles(len), *bound = zero_doubles(len), *picked = zero_doubles(len);
    double largest = 0.0;
    for (ptrdiff_t n = 0; n < len; n++) {
        const ptrdiff_t o = n / taps / in, c = n / taps % in, tap = n % taps;
        dw[n] = before[packed_at(in, taps, o, c, tap)];
        bound[n] = fabs(dw[n]);
        weight_sum(v, dy, dy_pad, o, c, tap, &dw[n], &bound[n]);
        bound[n] *= (double)(v->c.height * v->c.width) + 2.0;
        largest = fmax(largest, isfinite(bound[n]) ? bound[n] : 0.0);
    }
    for (ptrdiff_t n = 0; n < len && winograd; n++) {
        bound[n] = 4.0 * largest;
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *x = reals_of(k, v->x, blocks_of(in) * v->c.frame_height * v->c.frame_width * BLOCK);
        void *reals_dy = reals_of(k, dy, dy_len), *packed = reals_of(k, before, dw_len);
        void *scratch = unset_reals(k, winograd ? k->winograd_scratch(&v->c, 1) : 0);
        if (winograd) {
            k->winograd_weights(packed, x, reals_dy, dy_pad, &v->c, 1, 1, scratch, NULL);
        } else {
            k->conv_weights(packed, x, reals_dy, 0, dy_pad, &v->c, 1, 1);
        }
        free(scratch);
        double *ours = doubles_of(k, packed, dw_len);
        for (ptrdiff_t n = 0; n < len; n++) {
            picked[n] = ours[packed_at(in, taps, n / taps / in, n / taps % in, n % taps)];
            if (winograd && isfinite(dw[n]) != isfinite(picked[n])) {
                cr_expect(isfinite(dw[n]), "%s: a gradient that is not finite was lost", what);
                picked[n] = dw[n];
            } else if (winograd && !isfinite(dw[n])) {
                picked[n] = dw[n]; /* infinities may have met: NaN */
            }
        }
        void *plain = reals_of(k, picked, len);
        expect_near(k, plain, dw, bound, len, "%s %td to %td channels, %td x %td of %d/%d", what,
                    in, out, v->c.height, v->c.width, v->c.kernel, v->c.stride);
        free(x);
        free(reals_dy);
        free(packed);
        free(ours);
        free(plain);
    }
    free(before);
    free(dw);
    free(bound);
    free(picked);
}

Test(kernels_conv, weight_gradients_are_added_to_over_all_pixels) {
    for (int n = 0; n < SHAPES; n++) {
        struct conv v = conv_begin(&shapes[n]);
        double *dy = framed_gradient(&v, n % 2);
        weights_compare(&v, dy, n % 2, false, "conv_weights");
        if (v.c.kernel == 3 && v.c.stride == 1) {
            weights_compare(&v, dy, n % 2, true, "winograd_weights");
        }
        free(dy);
        conv_end(&v);
    }
}

/* Outputs may stand apart, as those of a part of the channels do. */
Test(kernels_conv, several_samples_at_once_are_each_alone) {
    enum { SAMPLES = 3, APART = 2 * BLOCK };
    for (int n = 0; n < SHAPES; n++) {
        struct conv v = conv_begin(&shapes[n]);
        const ptrdiff_t in = v.c.in_channels, out = v.c.out_channels;
        const ptrdiff_t x_len = blocks_of(in) * v.c.frame_height * v.c.frame_width * BLOCK;
        const ptrdiff_t y_step = v.y_len + APART, dw_len = packed_len(out, in, v.taps);
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            const size_t real = k->real_size;
            double *x = random_doubles(SAMPLES * x_len, -1.3, 1.7);
            double *dy = random_doubles(SAMPLES * y_step, -1.1, 0.9), *none = zero_doubles(dw_len);
            void *frames = reals_of(k, x, SAMPLES * x_len), *gradients = reals_of(k, dy, SAMPLES * y_step);
            void *packed = reals_of(k, v.packed, dw_len), *one = unset_reals(k, v.y_len);
            void *y = unset_reals(k, SAMPLES * y_step);
            void *dw = reals_of(k, none, dw_len), *dw_apart = reals_of(k, none, dw_len);
            k->conv(y, y_step, frames, packed, NULL, &v.c, SAMPLES);
            k->conv_weights(dw, frames, gradients, y_step, 0, &v.c, SAMPLES, 0);
            for (ptrdiff_t s = 0; s < SAMPLES; s++) {
                const void *frame = (char *)frames + (size_t)(s * x_len) * real;
                k->conv(one, 0, frame, packed, NULL, &v.c, 1);
                cr_expect_arr_eq(one, (char *)y + (size_t)(s * y_step) * real,
                                 (size_t)v.y_len * real);
                k->conv_weights(dw_apart, frame, (char *)gradients + (size_t)(s * y_step) * real, 0,
                                0, &v.c, 1, s > 0);
            }
            double *sum = doubles_of(k, dw, dw_len), *bound = zero_doubles(dw_len), largest = 0.0;
            for (ptrdiff_t i = 0; i < dw_len; i++) {
                largest = fmax(largest, fabs(sum[i]));
            }
            cr_expect(largest > 0.0);
            for (ptrdiff_t i = 0; i < dw_len; i++) {
                bound[i] = 4.0 * (double)(SAMPLES * v.c.height * v.c.width) * largest;
            }
            expect_near(k, dw_apart, sum, bound, dw_len, "conv_weights of %d samples", SAMPLES);
            void *const all[] = {x, dy, none, frames, gradients, packed, one,
                                 y, dw, dw_apart, sum,  bound};
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                free(all[i]);
            }
        }
        conv_end(&v);
    }
}

Test(kernels_conv, a_gradient_or_input_that_is_not_finite_reaches_the_weights_it_meets) {
    static const struct shape chosen[] = {
        {5, 17, 5, 7, 3, 1}, {17, 16, 5, 9, 3, 2}, {33, 3, 4, 13, 1, 1}};
    for (int n = 0; n < 12; n++) {
        const struct shape *s = &chosen[n % 3];
        struct conv v = conv_begin(s);
        double *dy = framed_gradient(&v, 1);
        if (n < 6) {
            *framed(&v, s->in - 2, v.pad + 2, v.pad + 3) = poisons[n / 3];
        } else {
            dy[blocked(v.c.height + 2, v.c.width + 2, s->out - 2, 2, 2)] = poisons[n / 3 - 2];
        }
        weights_compare(&v, dy, 1, false, "poisoned conv_weights");
        if (v.c.kernel == 3 && v.c.stride == 1) {
            weights_compare(&v, dy, 1, true, "poisoned winograd_weights");
        }
        free(dy);
        conv_end(&v);
    }
}

Test(kernels_conv, bias_gradients_are_added_to_over_all_pixels_inside_the_border) {
    for (int n = 0; n < 2 * SHAPES; n++) {
        struct conv v = conv_begin(&shapes[n / 2]);
        const int pad = n % 2;
        const struct extent e = {blocks_of(v.c.out_channels), v.c.height, v.c.width};
        const ptrdiff_t height = e.height + 2 * pad, width = e.width + 2 * pad;
        double *dy = framed_gradient(&v, pad), *before = random_doubles(e.blocks * BLOCK, -4, 4);
        fill_padding(before, v.c.out_channels, 1, 0.0);
        if (n % 7 == 3) {
            dy[blocked(height, width, v.c.out_channels - 1, pad, pad)] = poisons[n % 2];
        }
        double *sum = zero_doubles(e.blocks * BLOCK), *bound = zero_doubles(e.blocks * BLOCK);
        for (ptrdiff_t c = 0; c < e.blocks * BLOCK; c++) {
            sum[c] = before[c];
            bound[c] = fabs(before[c]);
            for (ptrdiff_t p = 0; p < e.height * e.width; p++) {
                const double g =
                    dy[blocked(height, width, c, p / e.width + pad, p % e.width + pad)];
                sum[c] += g;
                bound[c] += fabs(g);
            }
            bound[c] *= (double)(e.height * e.width) + 1.0;
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *reals = reals_of(k, dy, e.blocks * height * width * BLOCK);
            void *dbias = reals_of(k, before, e.blocks * BLOCK);
            k->conv_bias(dbias, reals, pad, e);
            expect_near(k, dbias, sum, bound, e.blocks * BLOCK, "conv_bias of %td, %td x %td",
                        v.c.out_channels, e.height, e.width);
            free(reals);
            free(dbias);
        }
        free(dy);
        free(before);
        free(sum);
        free(bound);
        conv_end(&v);
    }
}

/* ---- dense ---- */

static const ptrdiff_t row_counts[] = {1, 2, 3, 7, 64};
static const ptrdiff_t feature_counts[][2] = {{1, 1},   {3, 16},  {16, 5},  {17, 33},
                                              {33, 64}, {48, 17}, {64, 48}, {5, 100}};
enum { FEATURES = sizeof feature_counts / sizeof *feature_counts };

/* Rows of blocked features with junk in the padding. */
static double *rows_of(ptrdiff_t rows, ptrdiff_t features, double padding) {
    const ptrdiff_t len = blocks_of(features) * BLOCK;
    double *x = random_doubles(rows * len, -1.2, 1.4);
    for (ptrdiff_t r = 0; r < rows; r++) {
        fill_padding(x + r * len, features, 1, padding);
    }
    return x;
}

static void check_dense(ptrdiff_t rows, ptrdiff_t in, ptrdiff_t out, int poison) {
    const ptrdiff_t in_len = blocks_of(in) * BLOCK, out_len = blocks_of(out) * BLOCK;
    double *x = rows_of(rows, in, 777.0), *w = random_doubles(out * in, -1.0, 1.0);
    double *packed = packed_twin(w, out, in, 1), *bias = random_doubles(out_len, -2.0, 2.0);
    double *y = zero_doubles(rows * out_len), *bound = zero_doubles(rows * out_len);
    fill_padding(bias, out, 1, 0.0);
    if (poison >= 0) {
        x[rows / 2 * in_len + in - 1] = poisons[poison];
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        for (ptrdiff_t o = 0; o < out; o++) {
            double sum = bias[o], size = fabs(bias[o]);
            for (ptrdiff_t i = 0; i < in; i++) {
                sum += x[r * in_len + i] * w[o * in + i];
                size += fabs(x[r * in_len + i] * w[o * in + i]);
            }
            y[r * out_len + o] = sum;
            bound[r * out_len + o] = (double)(in + 2) * size;
        }
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *reals_x = reals_of(k, x, rows * in_len), *reals_b = reals_of(k, bias, out_len);
        void *reals_w = reals_of(k, packed, packed_len(out, in, 1));
        void *ours = unset_reals(k, rows * out_len);
        k->dense(ours, reals_x, reals_w, reals_b, rows, in, out);
        double *values = doubles_of(k, ours, rows * out_len);
        for (ptrdiff_t r = 0; r < rows && poison >= 0; r++) {
            fill_padding(values + r * out_len, out, 1, 0.0);
        }
        k->from_doubles(ours, values, rows * out_len);
        expect_near(k, ours, y, bound, rows * out_len, "dense, %td rows of %td to %td", rows, in,
                    out);
        free(values);
        free(reals_x);
        free(reals_b);
        free(reals_w);
        free(ours);
    }
    double *const all[] = {x, w, packed, bias, y, bound};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

Test(kernels_conv, a_dense_layer_is_a_product_row_by_row) {
    for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
        for (int f = 0; f < FEATURES; f++) {
            check_dense(row_counts[r], feature_counts[f][0], feature_counts[f][1], -1);
        }
        check_dense(row_counts[r], 17, 33, 0);
        check_dense(row_counts[r], 3, 16, 1);
    }
    for (ptrdiff_t rows = 1; rows <= 34; rows++) {
        check_dense(rows, 3, 16 * (1 + rows % 4), -1);
    }
}

static void check_dense_weights(ptrdiff_t rows, ptrdiff_t in, ptrdiff_t out, int poison) {
    const ptrdiff_t in_len = blocks_of(in) * BLOCK, out_len = blocks_of(out) * BLOCK;
    const ptrdiff_t len = packed_len(out, in, 1);
    double *x = rows_of(rows, in, 777.0), *dy = rows_of(rows, out, 0.0);
    double *before = random_doubles(len, -3.0, 3.0), *picked = zero_doubles(out * in);
    double *dw = zero_doubles(out * in), *bound = zero_doubles(out * in);
    if (poison >= 0) {
        *(poison ? &x[rows / 2 * in_len + in - 1] : &dy[rows / 2 * out_len + out - 1]) = NAN;
    }
    for (ptrdiff_t n = 0; n < out * in; n++) {
        dw[n] = before[packed_at(in, 1, n / in, n % in, 0)];
        bound[n] = fabs(dw[n]);
        for (ptrdiff_t r = 0; r < rows; r++) {
            dw[n] += x[r * in_len + n % in] * dy[r * out_len + n / in];
            bound[n] += fabs(x[r * in_len + n % in] * dy[r * out_len + n / in]);
        }
        bound[n] *= (double)(rows + 2);
    }
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        void *reals_x = reals_of(k, x, rows * in_len), *reals_dy = reals_of(k, dy, rows * out_len);
        void *packed = reals_of(k, before, len);
        k->dense_weights(packed, reals_x, reals_dy, rows, in, out, 1);
        double *ours = doubles_of(k, packed, len);
        for (ptrdiff_t n = 0; n < out * in; n++) {
            picked[n] = ours[packed_at(in, 1, n / in, n % in, 0)];
        }
        void *plain = reals_of(k, picked, out * in);
        expect_near(k, plain, dw, bound, out * in, "dense_weights, %td rows of %td to %td", rows,
                    in, out);
        free(plain);
        free(ours);
        free(packed);
        free(reals_x);
        free(reals_dy);
    }
    double *const all[] = {x, dy, before, picked, dw, bound};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

Test(kernels_conv, weight_gradients_of_a_dense_layer_are_added_to_over_all_rows) {
    for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
        for (int f = 0; f < FEATURES; f++) {
            check_dense_weights(row_counts[r], feature_counts[f][0], feature_counts[f][1], -1);
        }
        check_dense_weights(row_counts[r], 17, 33, 0);
        check_dense_weights(row_counts[r], 3, 16, 1);
    }
}

/* ---- packing ---- */

Test(kernels_conv, packing_reorders_and_mirrors_for_the_way_back) {
    for (int n = 0; n < SHAPES; n++) {
        const ptrdiff_t in = shapes[n].in, out = shapes[n].out;
        const ptrdiff_t taps = (ptrdiff_t)shapes[n].kernel * shapes[n].kernel;
        double *w = random_doubles(out * in * taps, -1.0, 1.0);
        w[(out * in * taps) / 2] = NAN;
        double *mirrored = zero_doubles(out * in * taps); /* (I, O, taps) */
        for (ptrdiff_t i = 0; i < out * in * taps; i++) {
            const ptrdiff_t o = i / taps / in, c = i / taps % in, tap = i % taps;
            mirrored[(c * out + o) * taps + taps - 1 - tap] = w[i];
        }
        double *forward = packed_twin(w, out, in, taps);
        double *backward = packed_twin(mirrored, in, out, taps);
        const ptrdiff_t len = packed_len(out, in, taps);
        double *exactly = zero_doubles(len);
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *plain = reals_of(k, w, out * in * taps), *packed = unset_reals(k, len);
            k->pack(packed, plain, out, in, shapes[n].kernel, 0);
            expect_near(k, packed, forward, exactly, len, "pack %td to %td", in, out);
            k->set(packed, 987654.0, len);
            k->pack(packed, plain, out, in, shapes[n].kernel, 1);
            expect_near(k, packed, backward, exactly, len, "pack back %td to %td", in, out);
            free(plain);
            free(packed);
        }
        double *const all[] = {w, mirrored, forward, backward, exactly};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            free(all[i]);
        }
    }
}

Test(kernels_conv, unpacking_adds_the_parts_to_a_plain_gradient) {
    for (int n = 0; n < SHAPES; n++) {
        const ptrdiff_t in = shapes[n].in, out = shapes[n].out, parts = 1 + n % 5;
        const ptrdiff_t taps = (ptrdiff_t)shapes[n].kernel * shapes[n].kernel;
        const ptrdiff_t stride = packed_len(out, in, taps) + 3 * BLOCK, len = out * in * taps;
        double *packed = random_doubles(parts * stride, -1.0, 1.0);
        double *before = random_doubles(len, -2.0, 2.0);
        double *sum = zero_doubles(len), *bound = zero_doubles(len);
        packed[(parts - 1) * stride + packed_at(in, taps, out - 1, 0, 0)] = NAN;
        for (ptrdiff_t i = 0; i < len; i++) {
            const ptrdiff_t at = packed_at(in, taps, i / taps / in, i / taps % in, i % taps);
            sum[i] = before[i];
            bound[i] = fabs(before[i]);
            for (ptrdiff_t p = 0; p < parts; p++) {
                sum[i] += packed[p * stride + at];
                bound[i] += fabs(packed[p * stride + at]);
            }
            bound[i] *= (double)parts;
        }
        const struct kernels *k;
        for (int t = 0; (k = table(t)) != NULL; t++) {
            void *reals = reals_of(k, packed, parts * stride), *dw = reals_of(k, before, len);
            k->unpack_add(dw, reals, parts, stride, out, in, shapes[n].kernel);
            expect_near(k, dw, sum, bound, len, "unpack_add of %td parts, %td to %td", parts, in,
                        out);
            free(reals);
            free(dw);
        }
        free(packed);
        free(before);
        free(sum);
        free(bound);
    }
}
