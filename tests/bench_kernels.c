/* Times the convolution kernels of every table this CPU can run, on one core, and states what
 * Winograd's algorithm costs in accuracy. One line a case:
 *
 *     conv kernels=f32_avx512 in=16 out=16 side=28 samples=1 direct_gflops=.. winograd_gflops=..
 *          error=.. weights_gflops=.. winograd_weights_gflops=.. weights_error=..
 *
 * Flops are those of the direct sum for all; times are the least of nine, in thread time, so that
 * other work on the machine does not count; samples: taken at once, as training does. error: largest
 * difference of the two algorithms over the largest output, weights and inputs uniform in
 * (-1/2, 1/2); weights: the gradient by the weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/kernels.h"

enum { REPEATS = 9 };

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *take(ptrdiff_t doubles) {
    void *block = aligned_alloc(64, ((size_t)doubles * sizeof(double) + 4095) / 64 * 64);
    if (!block) {
        fputs("bench_kernels: no memory\n", stderr);
        exit(1);
    }
    return block;
}

static void fill(const struct kernels *k, void *x, const char *stream, ptrdiff_t n) {
    double *numbers = take(n);
    for (ptrdiff_t i = 0; i < n; i++) {
        numbers[i] = rng_uniform(1, rng_stream(stream), (uint64_t)i) - 0.5;
    }
    k->from_doubles(x, numbers, n);
    free(numbers);
}

struct layer {
    const struct kernels *k;
    struct convolution c;
    ptrdiff_t samples, frame_len, y_len; /* given at once, reals of one */
    void *framed, *direct, *winograd, *y_direct, *y_winograd, *scratch, *dw, *dw_winograd;
};

static void *at(const struct layer *l, void *base, ptrdiff_t reals) {
    return (char *)base + reals * (ptrdiff_t)l->k->real_size;
}
static void run_direct(const struct layer *l) {
    l->k->conv(l->y_direct, l->y_len, l->framed, l->direct, NULL, &l->c, l->samples);
}
static void run_winograd(const struct layer *l) {
    l->k->winograd_conv(l->y_winograd, l->framed, l->winograd, NULL, &l->c, l->samples, l->scratch, NULL);
}
static void run_weights(const struct layer *l) {
    l->k->conv_weights(l->dw, l->framed, l->y_direct, l->y_len, 0, &l->c, l->samples, 1);
}
static void run_winograd_weights(const struct layer *l) {
    l->k->winograd_weights(l->dw_winograd, l->framed, l->y_direct, 0, &l->c, l->samples, 1, l->scratch, NULL);
}

static double least_seconds(void (*run)(const struct layer *), const struct layer *l, int calls) {
    double least = INFINITY;
    for (int r = 0; r < REPEATS; r++) {
        const double start = thread_seconds();
        for (int i = 0; i < calls; i++) {
            run(l);
        }
        least = fmin(least, (thread_seconds() - start) / calls);
    }
    return least;
}

static double relative_error(const struct layer *l, const void *x, const void *y, ptrdiff_t n) {
    double *a = take(n), *b = take(n), worst = 0.0, most = 0.0;
    l->k->to_doubles(a, x, n);
    l->k->to_doubles(b, y, n);
    for (ptrdiff_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]));
        most = fmax(most, fabs(a[i]));
    }
    free(a);
    free(b);
    return worst / most;
}

static void measure(const struct kernels *k, ptrdiff_t in, ptrdiff_t out, ptrdiff_t side) {
    enum { CHUNK = 8 }; /* samples of one, of a batch of 128 */
    const ptrdiff_t in_blocks = (in + BLOCK - 1) / BLOCK, out_blocks = (out + BLOCK - 1) / BLOCK;
    const ptrdiff_t dw_len = in_blocks * out_blocks * 9 * BLOCK * BLOCK;
    struct layer l = {.k = k,
                      .c = {.in_channels = in, .out_channels = out, .height = side, .width = side,
                            .frame_height = side + 2, .frame_width = side + 2, .kernel = 3,
                            .stride = 1},
                      .frame_len = in_blocks * (side + 2) * (side + 2) * BLOCK,
                      .y_len = out_blocks * side * side * BLOCK};
    l.samples = k->winograd_samples(&l.c, CHUNK);
    void *x = take(in * side * side), *blocked = take(in_blocks * side * side * BLOCK);
    void *w = take(in * out * 9);
    l.framed = take(l.samples * l.frame_len);
    l.direct = take(dw_len);
    l.dw = take(dw_len);
    l.dw_winograd = take(dw_len);
    l.winograd = take(k->winograd_len(out, in));
    l.scratch = take(k->winograd_scratch(&l.c, l.samples));
    l.y_direct = take(l.samples * l.y_len);
    l.y_winograd = take(l.samples * l.y_len);
    fill(k, w, "w", in * out * 9);
    for (ptrdiff_t i = 0; i < l.samples; i++) {
        fill(k, x, i % 2 ? "x" : "odd x", in * side * side);
        k->from_plain(blocked, x, in, side * side);
        k->value(at(&l, l.framed, i * l.frame_len), 1, blocked,
                 (struct extent){in_blocks, side, side}, &(struct transform){0});
    }
    k->pack(l.direct, w, out, in, 3, 0);
    k->winograd_pack(l.winograd, w, out, in, 0);
    k->set(l.dw, 0.0, dw_len);
    k->set(l.dw_winograd, 0.0, dw_len);
    const double flops = 18.0 * (double)(in * out * side * side * l.samples);
    const int calls = (int)(1e8 / flops) + 1;
    const double direct = least_seconds(run_direct, &l, calls);
    const double winograd = least_seconds(run_winograd, &l, calls);
    const double weights = least_seconds(run_weights, &l, calls);
    const double winograd_weights = least_seconds(run_winograd_weights, &l, calls);
    printf("conv kernels=%s in=%td out=%td side=%td samples=%td direct_gflops=%.0f "
           "winograd_gflops=%.0f error=%.1e weights_gflops=%.0f winograd_weights_gflops=%.0f "
           "weights_error=%.1e\n",
           k->name, in, out, side, l.samples, flops / direct * 1e-9, flops / winograd * 1e-9,
           relative_error(&l, l.y_direct, l.y_winograd, l.samples * l.y_len),
           flops / weights * 1e-9, flops / winograd_weights * 1e-9,
           relative_error(&l, l.dw, l.dw_winograd, dw_len));
    fflush(stdout);
    void *const blocks[] = {x,          blocked,   w,          l.framed,     l.direct,     l.dw,
                            l.winograd, l.scratch, l.y_direct, l.y_winograd, l.dw_winograd};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        free(blocks[i]);
    }
}

int main(void) {
    static const struct {
        ptrdiff_t in, out, side;
    } cases[] = {{8, 8, 28},   {16, 16, 28}, {16, 16, 14}, {32, 32, 14},   {32, 32, 7},
                 {64, 64, 7},  {16, 16, 32}, {64, 64, 28}, {128, 128, 14}, {256, 256, 7},
                 {16, 16, 64}, {64, 64, 64}, {16, 16, 8}};
    for (int precision = 0; precision < 2; precision++) {
        const struct kernels *k;
        for (int i = 0; (k = kernels_at((enum precision)precision, i)); i++) {
            for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
                measure(k, cases[n].in, cases[n].out, cases[n].side);
            }
        }
    }
    return 0;
}
