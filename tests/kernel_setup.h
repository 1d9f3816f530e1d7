/* Tests of kernels against twins written plainly in double: arrays that both precisions hold
 * exactly, and comparisons with a bound for every entry. */
#ifndef CONTINUO_TESTS_KERNEL_SETUP_H
#define CONTINUO_TESTS_KERNEL_SETUP_H

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kernels/kernels.h"

/* The tables of f32, then those of f64; NULL past the end. */
static inline const struct kernels *table(int index) {
    int count = 0;
    while (kernels_at(PRECISION_F32, count)) {
        count++;
    }
    return index < count ? kernels_at(PRECISION_F32, index)
                         : kernels_at(PRECISION_F64, index - count);
}

static inline double epsilon_of(const struct kernels *k) {
    return k->precision == PRECISION_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
}

/* Exactly so many bytes at an address kernels accept, so that a sanitizer sees the first one
 * beyond. */
static inline void *memory(size_t size) {
    void *block = NULL;
    cr_assert_eq(posix_memalign(&block, 64, size ? size : 1), 0);
    return block;
}

static inline double *zero_doubles(ptrdiff_t len) {
    double *values = memory((size_t)len * sizeof *values);
    for (ptrdiff_t i = 0; i < len; i++) {
        values[i] = 0.0;
    }
    return values;
}

/* Numbers in (low, high) that are floats, never the same twice in a process. */
static inline double *random_doubles(ptrdiff_t len, double low, double high) {
    static uint64_t stream = 20;
    double *values = memory((size_t)len * sizeof *values);
    stream++;
    for (ptrdiff_t i = 0; i < len; i++) {
        values[i] = (double)(float)(low + (high - low) * rng_uniform(7, stream, (uint64_t)i));
    }
    return values;
}

static inline void *reals_of(const struct kernels *k, const double *values, ptrdiff_t len) {
    void *reals = memory((size_t)len * k->real_size);
    k->from_doubles(reals, values, len);
    return reals;
}

/* Reals that a kernel is to overwrite. */
static inline void *unset_reals(const struct kernels *k, ptrdiff_t len) {
    void *reals = memory((size_t)len * k->real_size);
    k->set(reals, 987654.0, len);
    return reals;
}

static inline double *doubles_of(const struct kernels *k, const void *reals, ptrdiff_t len) {
    double *values = memory((size_t)len * sizeof *values);
    k->to_doubles(values, reals, len);
    return values;
}

static inline ptrdiff_t blocks_of(ptrdiff_t channels) {
    return (channels + BLOCK - 1) / BLOCK;
}

/* Where a channel of a pixel stands in [block][row][column][16]. */
static inline ptrdiff_t blocked(ptrdiff_t height, ptrdiff_t width, ptrdiff_t channel, ptrdiff_t i,
                                ptrdiff_t j) {
    return ((channel / BLOCK * height + i) * width + j) * BLOCK + channel % BLOCK;
}

/* Writes value into the padding channels of an image. */
static inline void fill_padding(double *image, ptrdiff_t channels, ptrdiff_t pixels, double value) {
    for (ptrdiff_t c = channels; c < blocks_of(channels) * BLOCK; c++) {
        for (ptrdiff_t i = 0; i < pixels; i++) {
            image[blocked(1, pixels, c, 0, i)] = value;
        }
    }
}

/* Whether ours is within eps * bound of exact; NaN answers NaN and an infinity itself. */
static inline bool is_near(double ours, double exact, double allowed) {
    if (isnan(exact)) {
        return isnan(ours);
    }
    return isinf(exact) ? ours == exact : fabs(ours - exact) <= allowed;
}

/* Reals against their twin, entry by entry; bound in units of the precision's epsilon. */
__attribute__((format(printf, 6, 7))) static inline void
expect_near(const struct kernels *k, const void *reals, const double *exact, const double *bound,
            ptrdiff_t len, const char *format, ...) {
    double *ours = doubles_of(k, reals, len);
    const double epsilon = epsilon_of(k);
    for (ptrdiff_t i = 0; i < len; i++) {
        if (!is_near(ours[i], exact[i], epsilon * bound[i])) {
            char what[200];
            va_list arguments;
            va_start(arguments, format);
            vsnprintf(what, sizeof what, format, arguments);
            va_end(arguments);
            cr_expect_fail("%s, %s: entry %td is %.9g, not %.9g (within %.1e)", k->name, what, i,
                           ours[i], exact[i], epsilon * bound[i]);
            break;
        }
    }
    free(ours);
}

#endif
