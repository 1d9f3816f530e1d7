/* What one variant of the kernels is made of: a real, a vector of reals, and elementwise functions
 * on vectors. Compiled once per precision (KERNEL_F64) and per instruction set (VECTOR_BYTES 16, 32,
 * 64, REGISTERS 16 or 32); KERNEL_SUFFIX makes the names differ. Compiler vector types, no
 * intrinsics. No reordering of sums beyond what is written, NaN passes through everything. */
#ifndef CONTINUO_KERNELS_SIMD_H
#define CONTINUO_KERNELS_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#ifdef KERNEL_F64
typedef double real;
typedef int64_t bits;
#define REAL_BITS 64
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define ROUND_MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer */
#define LN2_HIGH 6.93145751953125e-1
#define LN2_LOW 1.42860682030941723212e-6
#define EXP_LEAST -700.0
#define EXP_TERMS 13
#define ATANH_TERMS 17
#else
typedef float real;
typedef int32_t bits;
#define REAL_BITS 32
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define ROUND_MAGIC 12582912.0f /* 1.5 * 2^23 */
#define LN2_HIGH 6.93359375e-1f
#define LN2_LOW -2.12194440e-4f
#define EXP_LEAST -86.0f
#define EXP_TERMS 7
#define ATANH_TERMS 8
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(stem, KERNEL_SUFFIX)

enum { LANES = VECTOR_BYTES / (int)sizeof(real), VECS = BLOCK / LANES };

typedef real vec __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef bits ivec __attribute__((vector_size(VECTOR_BYTES), may_alias));

#define INLINE static inline __attribute__((always_inline, unused))

/* Of a row of features in blocks: reals, vectors. */
INLINE ptrdiff_t padded(ptrdiff_t features) {
    return (features + BLOCK - 1) & -(ptrdiff_t)BLOCK;
}
INLINE ptrdiff_t vectors_of(ptrdiff_t features) {
    return padded(features) / LANES;
}
enum { VECTORS_MOST = REGISTERS == 32 ? 4 : 2 }; /* a tile of rows and vectors holds side by side */

INLINE vec load(const real *p) {
    return *(const vec *)p;
}
INLINE void store(real *p, vec v) {
    *(vec *)p = v;
}
INLINE vec splat(real x) {
    return x - (vec){0};
}
INLINE vec choose(ivec mask, vec a, vec b) {
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}
INLINE vec vec_abs(vec x) {
    return (vec)((ivec)x & (((ivec){0} - 1) ^ ((((ivec){0} + 1) << (REAL_BITS - 1)))));
}

static const double FACTORIALS[] = {1,      1,       2,        6,         24,
                                    120,    720,     5040,     40320,     362880,
                                    3628800, 39916800, 479001600, 6227020800};

/* exp(x) - 1 for x <= 0: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor series in r. Relative error of
 * a few units in the last place; below EXP_LEAST the result is -1 to rounding. NUMERICS.md
 * eq. 27. */
INLINE vec vec_expm1_negative(vec x) {
    x = choose(x < splat((real)EXP_LEAST), splat((real)EXP_LEAST), x);
    vec shifted = x * (real)1.44269504088896340736 + (real)ROUND_MAGIC;
    vec k = shifted - (real)ROUND_MAGIC;
    vec r = (x - k * (real)LN2_HIGH) - k * (real)LN2_LOW;
    vec square = r * r; /* even and odd powers side by side, for their latency */
    vec odd = splat((real)(1.0 / FACTORIALS[EXP_TERMS]));
    vec even = splat((real)(1.0 / FACTORIALS[EXP_TERMS - 1]));
    for (int n = EXP_TERMS - 2; n >= 3; n -= 2) {
        odd = odd * square + (real)(1.0 / FACTORIALS[n]);
        even = even * square + (real)(1.0 / FACTORIALS[n - 1]);
    }
    vec q = r + square * (even + odd * r);
    ivec exponent = ((ivec)shifted << MANTISSA) + ((bits)EXPONENT_BIAS << MANTISSA);
    vec power = (vec)exponent;
    return power * q + (power - (real)1.0);
}
INLINE vec vec_tanh(vec x) {
    vec m = vec_expm1_negative(vec_abs(x) * (real)-2.0);
    vec t = -m / (m + (real)2.0); /* of |x| */
    ivec sign = (ivec)x & (((ivec){0} + 1) << (REAL_BITS - 1));
    return (vec)((ivec)t | sign);
}
/* log(1 + u) for u in [0, 1]: 2 atanh(u / (2 + u)). NUMERICS.md eq. 29. */
INLINE vec vec_log1p_unit(vec u) {
    vec s = u / (u + (real)2.0), z = s * s;
    vec p = splat((real)1.0 / (real)(2 * ATANH_TERMS + 1));
    for (int n = ATANH_TERMS - 1; n >= 0; n--) {
        p = p * z + (real)1.0 / (real)(2 * n + 1);
    }
    return s * p * (real)2.0;
}
INLINE vec vec_softplus(vec x) {
    vec e = vec_expm1_negative(-vec_abs(x)) + (real)1.0;
    return choose(x < (vec){0}, (vec){0}, x) + vec_log1p_unit(e);
}
INLINE vec vec_sigmoid(vec x) {
    vec e = vec_expm1_negative(-vec_abs(x)) + (real)1.0;
    return choose(x < (vec){0}, e, splat(1)) / (e + (real)1.0);
}
/* Phi, the normal distribution function, by libm's erfc lane by lane: exact where it matters, and
 * the slow part of gelu. */
INLINE vec vec_phi(vec x) {
    real lane[LANES] __attribute__((aligned(VECTOR_BYTES)));
    *(vec *)(void *)lane = x;
    for (int i = 0; i < LANES; i++) {
        lane[i] = (real)(0.5 * erfc(-(double)lane[i] * 0.70710678118654752440));
    }
    return *(vec *)(void *)lane;
}
INLINE vec vec_density(vec x) { /* of the normal distribution */
    return (vec_expm1_negative(x * x * (real)-0.5) + (real)1.0) * (real)0.39894228040143267794;
}

/* act is a compile-time constant wherever this is called. NUMERICS.md, "Activations". */
INLINE vec vec_act(vec x, enum activation act) {
    switch (act) {
    case ACT_RELU:
        return choose(x < (vec){0}, (vec){0}, x);
    case ACT_TANH:
        return vec_tanh(x);
    case ACT_GELU:
        return x * vec_phi(x);
    case ACT_SOFTPLUS:
        return vec_softplus(x);
    case ACT_NONE:
        break;
    }
    return x;
}
INLINE vec vec_act_slope(vec x, enum activation act) {
    switch (act) {
    case ACT_RELU: /* of NaN: NaN */
        return choose(x > (vec){0}, splat(1), choose(x <= (vec){0}, (vec){0}, x));
    case ACT_TANH: {
        vec t = vec_tanh(x);
        return (real)1.0 - t * t;
    }
    case ACT_GELU:
        return vec_phi(x) + x * vec_density(x);
    case ACT_SOFTPLUS:
        return vec_sigmoid(x);
    case ACT_NONE:
        break;
    }
    return splat(1);
}

/* One vector of a transform's channels. */
enum shape_of_transform { PLAIN, ACT_FIRST, ACT_LAST }; /* no norm; act, then norm; norm, then act */

INLINE enum shape_of_transform transform_shape(const struct transform *t) {
    return !t->scale ? PLAIN : t->act_first ? ACT_FIRST : ACT_LAST;
}
INLINE vec vec_value(vec x, enum activation act, enum shape_of_transform shape, vec scale,
                     vec shift) {
    switch (shape) {
    case PLAIN:
        return vec_act(x, act);
    case ACT_FIRST:
        return vec_act(x, act) * scale + shift;
    case ACT_LAST:
        return vec_act(x * scale + shift, act);
    }
    return x;
}

/* Calls macro M(act, shape) with both as constants, for the transform's own. */
#define TRANSFORM_CASE(M, act)                                                                     \
    case act:                                                                                      \
        switch (transform_shape(t)) {                                                              \
        case PLAIN:                                                                                \
            M(act, PLAIN);                                                                         \
            break;                                                                                 \
        case ACT_FIRST:                                                                            \
            M(act, ACT_FIRST);                                                                     \
            break;                                                                                 \
        case ACT_LAST:                                                                             \
            M(act, ACT_LAST);                                                                      \
            break;                                                                                 \
        }                                                                                          \
        break;
#define TRANSFORM_SWITCH(M)                                                                        \
    switch (t->act) {                                                                              \
        TRANSFORM_CASE(M, ACT_NONE)                                                                \
        TRANSFORM_CASE(M, ACT_RELU)                                                                \
        TRANSFORM_CASE(M, ACT_TANH)                                                                \
        TRANSFORM_CASE(M, ACT_GELU)                                                                \
        TRANSFORM_CASE(M, ACT_SOFTPLUS)                                                            \
    }

INLINE vec load_channel(const void *channels, ptrdiff_t block, int v) {
    return channels ? load((const real *)channels + block * BLOCK + v * LANES) : (vec){0};
}

#endif
