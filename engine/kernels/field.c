/* A stack of dense layers and activations on rows of features, and its vector-Jacobian product
 * (kernels.h, struct field; NUMERICS.md eq. 57, 58 and 60).
 *
 * A product y = M x has two forms. The wide one holds R rows times G vectors of outputs in
 * registers and reads one input of each row at a time. Few outputs would leave most lanes of their
 * block idle: the narrow form runs through the inputs a vector at a time, one sum per output, and
 * folds the lanes of the sums at the end. */
#include "kernels/table.h"

#include <stdbool.h>

enum { NARROW_MOST = LANES < 8 ? LANES : 8 };

/* ---- elements ---- */

/* The slope of an activation from its value; of gelu, which is not monotonic, from a stored one. */
INLINE vec slope_of_value(vec y, enum activation act) {
    switch (act) {
    case ACT_RELU:
        return vec_act_slope(y, ACT_RELU);
    case ACT_TANH:
        return (real)1.0 - y * y;
    case ACT_SOFTPLUS: /* y = log(1 + e^x): sigmoid(x) = 1 - e^-y */
        return -vec_expm1_negative(-y);
    case ACT_GELU:
        return y;
    case ACT_NONE:
        break;
    }
    return splat(1);
}

/* to = expression for n vectors, four at once for their latency; `k` in reals. `to` may be read. */
#define EACH(n, to, expression)                                                                    \
    {                                                                                              \
        ptrdiff_t i = 0;                                                                           \
        for (; i + 4 <= (n); i += 4) {                                                             \
            vec four[4];                                                                           \
            _Pragma("GCC unroll 4") for (int u = 0; u < 4; u++) {                                  \
                const ptrdiff_t k = (i + u) * LANES;                                               \
                four[u] = expression;                                                              \
            }                                                                                      \
            _Pragma("GCC unroll 4") for (int u = 0; u < 4; u++) {                                  \
                store((to) + (i + u) * LANES, four[u]);                                            \
            }                                                                                      \
        }                                                                                          \
        for (; i < (n); i++) {                                                                     \
            const ptrdiff_t k = i * LANES;                                                         \
            store((to) + k, expression);                                                           \
        }                                                                                          \
    }

/* y = act(x) for n vectors, x may be y; slope: of gelu. */
static void activate(real *y, const real *x, real *slope, ptrdiff_t n, enum activation act) {
    switch (act) {
    case ACT_RELU:
        EACH(n, y, vec_act(load(x + k), ACT_RELU))
        break;
    case ACT_TANH:
        EACH(n, y, vec_act(load(x + k), ACT_TANH))
        break;
    case ACT_SOFTPLUS:
        EACH(n, y, vec_act(load(x + k), ACT_SOFTPLUS))
        break;
    case ACT_GELU:
        for (ptrdiff_t k = 0; k < n * LANES; k += LANES) {
            vec v = load(x + k), phi = vec_phi(v);
            store(y + k, v * phi);
            store(slope + k, phi + v * vec_density(v));
        }
        break;
    case ACT_NONE:
        break;
    }
}

/* d *= slope, for n vectors. */
static void deactivate(real *d, const real *y, ptrdiff_t n, enum activation act) {
    switch (act) {
    case ACT_RELU:
        EACH(n, d, load(d + k) * slope_of_value(load(y + k), ACT_RELU))
        break;
    case ACT_TANH:
        EACH(n, d, load(d + k) * slope_of_value(load(y + k), ACT_TANH))
        break;
    case ACT_SOFTPLUS:
        EACH(n, d, load(d + k) * slope_of_value(load(y + k), ACT_SOFTPLUS))
        break;
    case ACT_GELU:
        EACH(n, d, load(d + k) * slope_of_value(load(y + k), ACT_GELU))
        break;
    case ACT_NONE:
        break;
    }
}

/* ---- products ---- */

struct product { /* y (rows, out) = M x (rows, in) + bias */
    ptrdiff_t in, out;
    const real *m, *mt; /* M packed, and its transpose packed (eq. 53) */
    const real *bias;   /* padded, or NULL */
    int narrow;         /* outputs, a power of two; 0: the wide form */
    const char *next;   /* what is wanted after it is brought into the cache meanwhile, */
    ptrdiff_t pace;     /* so many bytes for 16 multiplications of vectors */
};

/* S sums run side by side through every S-th input where R G of them would wait for each other. */
INLINE void wide_tile(real *y, const real *x, const struct product *p, const char *next,
                      ptrdiff_t v0, const int R, const int G, const int S) {
    const ptrdiff_t pace = p->pace * (R * G) / 16;
    const ptrdiff_t x_row = padded(p->in), y_row = padded(p->out);
    vec acc[4][8][4]; /* [S][R][G] of it */
    const real *m[4];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        m[g] = p->m + (v0 + g) / VECS * x_row * BLOCK + (v0 + g) % VECS * LANES;
        vec start = p->bias ? load(p->bias + (v0 + g) * LANES) : (vec){0};
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            acc[0][r][g] = start;
#pragma GCC unroll 4
            for (int s = 1; s < S; s++) {
                acc[s][r][g] = (vec){0};
            }
        }
    }
    ptrdiff_t i = 0;
    for (; i + S <= p->in; i += S) {
        __builtin_prefetch(next);
        next += pace * S;
#pragma GCC unroll 4
        for (int s = 0; s < S; s++) {
            vec w[4];
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                w[g] = load(m[g] + (i + s) * BLOCK);
            }
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                vec value = splat(x[r * x_row + i + s]);
#pragma GCC unroll 4
                for (int g = 0; g < G; g++) {
                    acc[s][r][g] += value * w[g];
                }
            }
        }
    }
    for (; S > 1 && i < p->in; i++) {
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                acc[0][r][g] += splat(x[r * x_row + i]) * load(m[g] + i * BLOCK);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
        for (int g = 0; g < G; g++) {
            vec sum = acc[0][r][g];
            if (S == 2) {
                sum += acc[1][r][g];
            } else if (S == 4) {
                sum = (sum + acc[1][r][g]) + (acc[2][r][g] + acc[3][r][g]);
            }
            store(y + r * y_row + (v0 + g) * LANES, sum);
        }
    }
}

typedef void wide_function(real *y, const real *x, const struct product *p, const char *next,
                           ptrdiff_t v0);
#define WIDE(R, G, S)                                                                              \
    static void wide_##R##_##G##_##S(real *y, const real *x, const struct product *p,              \
                                     const char *next, ptrdiff_t v0) {                             \
        wide_tile(y, x, p, next, v0, R, G, S);                                                     \
    }
WIDE(8, 1, 1) WIDE(4, 1, 1) WIDE(2, 1, 4) WIDE(1, 1, 4) WIDE(1, 1, 1)
WIDE(4, 2, 1) WIDE(2, 2, 2) WIDE(1, 2, 4) WIDE(1, 2, 1)
#if REGISTERS == 32
WIDE(8, 2, 1) WIDE(4, 4, 1) WIDE(2, 4, 2) WIDE(1, 4, 4) WIDE(1, 4, 1)
#endif

static void wide_rows(real *y, const real *x, const struct product *p, ptrdiff_t rows,
                      ptrdiff_t v0, int G) {
    static wide_function *const tiles[3][5] = {
        /* rows: 8, 4, 2, 1 of many inputs, 1 of few */
        {wide_8_1_1, wide_4_1_1, wide_2_1_4, wide_1_1_4, wide_1_1_1},
#if REGISTERS == 32
        {wide_8_2_1, wide_4_2_1, wide_2_2_2, wide_1_2_4, wide_1_2_1},
        {NULL, wide_4_4_1, wide_2_4_2, wide_1_4_4, wide_1_4_1},
#else
        {NULL, wide_4_2_1, wide_2_2_2, wide_1_2_4, wide_1_2_1},
#endif
    };
    wide_function *const *of = tiles[G / 2];
    for (ptrdiff_t r = 0; r < rows;) {
        const ptrdiff_t left = rows - r;
        const int k = left >= 8 && of[0] ? 0 : left >= 4 ? 1 : left >= 2 ? 2 : p->in >= 8 ? 3 : 4;
        const char *next = p->next + (v0 * rows + r * G) * p->in * p->pace / 16;
        of[k](y + r * padded(p->out), x + r * padded(p->in), p, next, v0);
        r += k < 3 ? 8 >> k : 1;
    }
}

/* ---- narrow products ---- */

#ifdef KERNEL_F64
#define LANES_2(l) (l), (l) + 1
#if VECTOR_BYTES == 64
#define LANE_NUMBERS {LANES_2(0), LANES_2(2), LANES_2(4), LANES_2(6)}
#elif VECTOR_BYTES == 32
#define LANE_NUMBERS {LANES_2(0), LANES_2(2)}
#else
#define LANE_NUMBERS {LANES_2(0)}
#endif
#else
#define LANES_4(l) (l), (l) + 1, (l) + 2, (l) + 3
#if VECTOR_BYTES == 64
#define LANE_NUMBERS {LANES_4(0), LANES_4(4), LANES_4(8), LANES_4(12)}
#elif VECTOR_BYTES == 32
#define LANE_NUMBERS {LANES_4(0), LANES_4(4)}
#else
#define LANE_NUMBERS {LANES_4(0)}
#endif
#endif
#define LANE ((ivec)LANE_NUMBERS)

/* Lane l of the result: a[l] + a[l ^ bit] where `bit` is clear in l, b[l ^ bit] + b[l] where it is
 * set. */
INLINE vec fold(vec a, vec b, const bits bit) {
    const ivec second = ((LANE & bit) != 0) & (bits)LANES;
    return __builtin_shuffle(a, b, LANE | second) + __builtin_shuffle(a, b, (LANE ^ bit) | second);
}

/* The lanes of a vector of features that lie below `count`. */
INLINE ivec lanes_below(ptrdiff_t count) {
    return LANE < ((ivec){0} + (bits)count);
}

/* O outputs, a power of two, of R rows; the outputs of a row fit one vector. */
INLINE void narrow_tile(real *y, const real *x, const struct product *p, const int R,
                        const int O) {
    const ptrdiff_t x_row = padded(p->in), y_row = padded(p->out);
    const ptrdiff_t whole = p->in / LANES, left = p->in % LANES;
    vec acc[4][8]; /* [R][O] of it */
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
        for (int o = 0; o < O; o++) {
            acc[r][o] = (vec){0};
        }
    }
#define NARROW_STEP(v, read)                                                                       \
    {                                                                                              \
        const real *m = p->mt + (v) / VECS * y_row * BLOCK + (v) % VECS * LANES;                   \
        _Pragma("GCC unroll 4") for (int r = 0; r < R; r++) {                                      \
            vec value = load(x + r * x_row + (v) * LANES);                                         \
            value = read;                                                                          \
            _Pragma("GCC unroll 8") for (int o = 0; o < O; o++) {                                  \
                acc[r][o] += value * load(m + o * BLOCK);                                          \
            }                                                                                      \
        }                                                                                          \
    }
    for (ptrdiff_t v = 0; v < whole; v++) {
        NARROW_STEP(v, value)
    }
    if (left) { /* padding may hold anything, even NaN */
        const ivec mask = lanes_below(left);
        NARROW_STEP(whole, choose(mask, value, (vec){0}))
    }
#undef NARROW_STEP
    const ivec filled = lanes_below(p->out);
    vec bias = p->bias ? load(p->bias) : (vec){0};
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
        for (int bit = 1; bit < LANES; bit *= 2) {
            if (bit >= O) {
                acc[r][0] = fold(acc[r][0], acc[r][0], bit);
                continue;
            }
#pragma GCC unroll 4
            for (int o = 0; o < 4; o++) {
                if (o < O / bit / 2) {
                    acc[r][o] = fold(acc[r][2 * o], acc[r][2 * o + 1], bit);
                }
            }
        }
        store(y + r * y_row, choose(filled, acc[r][0] + bias, (vec){0}));
#pragma GCC unroll 8
        for (int v = 1; v < VECS; v++) {
            store(y + r * y_row + v * LANES, (vec){0});
        }
    }
}

#define NARROW(O)                                                                                  \
    static void narrow_##O(real *y, const real *x, const struct product *p, ptrdiff_t rows) {      \
        const ptrdiff_t x_row = padded(p->in), y_row = padded(p->out);                             \
        ptrdiff_t r = 0;                                                                           \
        for (; r + 4 <= rows; r += 4) {                                                            \
            narrow_tile(y + r * y_row, x + r * x_row, p, 4, O);                                    \
        }                                                                                          \
        for (; r < rows; r++) {                                                                    \
            narrow_tile(y + r * y_row, x + r * x_row, p, 1, O);                                    \
        }                                                                                          \
    }
NARROW(1)
NARROW(2)
#if VECTOR_BYTES >= 32 || !defined KERNEL_F64
NARROW(4)
#else
#define narrow_4 narrow_2 /* never chosen: NARROW_MOST */
#endif
#if VECTOR_BYTES == 64 || (VECTOR_BYTES == 32 && !defined KERNEL_F64)
NARROW(8)
#else
#define narrow_8 narrow_4
#endif

/* Whether the narrow form takes fewer vector operations a row: its sums, or 0. */
static int narrow_sums(ptrdiff_t in, ptrdiff_t out) {
    const int sums = out <= 1 ? 1 : out <= 2 ? 2 : out <= 4 ? 4 : 8, folds = 2 * sums + 8;
    const bool fewer = vectors_of(in) * sums + folds < in * vectors_of(out);
    return out <= NARROW_MOST && fewer ? sums : 0;
}

static void product(real *y, const real *x, const struct product *p, ptrdiff_t rows) {
    switch (p->narrow) {
    case 1:
        narrow_1(y, x, p, rows);
        return;
    case 2:
        narrow_2(y, x, p, rows);
        return;
    case 4:
        narrow_4(y, x, p, rows);
        return;
    case 8:
        narrow_8(y, x, p, rows);
        return;
    }
    const ptrdiff_t vectors = vectors_of(p->out);
    ptrdiff_t v = 0;
    for (int G = VECTORS_MOST; G >= 1; G /= 2) {
        for (; v + G <= vectors; v += G) {
            wide_rows(y, x, p, rows, v, G);
        }
    }
}

/* Bytes that a product has brought into the cache. */
static ptrdiff_t prefetched(const struct product *p, ptrdiff_t rows) {
    return p->narrow ? 0 : vectors_of(p->out) * rows * p->in * p->pace / 16;
}

/* ---- one evaluation and its vector-Jacobian product ---- */

INLINE ptrdiff_t value_len(ptrdiff_t features, enum activation act) {
    return padded(features) * (act == ACT_GELU ? 2 : 1);
}

void NAME(field_plan)(struct field *f) {
    const ptrdiff_t in = f->lead + padded(f->in);
    f->first_at = f->lift || f->first != ACT_NONE ? in : f->lead;
    ptrdiff_t at = in + (f->lift                 ? padded(f->lift->count)
                         : f->first != ACT_NONE ? value_len(f->in, f->first)
                                                : 0);
    f->trace_len = f->back_len = f->gradient_len = 0;
    for (int n = 0; n < f->count; n++) {
        struct field_layer *l = &f->layers[n];
        const ptrdiff_t out = padded(l->out), x = padded(l->in);
        l->value_at = at;
        at += value_len(l->out, l->act);
        l->back_at = f->back_len;
        f->back_len += out;
        l->narrow = narrow_sums(l->in, l->out);
        l->narrow_back = narrow_sums(l->out, l->in);
        l->turned = l->out * (x / LANES) < l->in * (out / LANES);
        l->dw_at = f->gradient_len;
        f->gradient_len += l->turned ? l->out * x : l->in * out;
        l->dbias_at = f->gradient_len;
        f->gradient_len += out;
    }
    f->trace_len = at;
    f->lift_back_at = f->back_len;
    f->back_len += f->lift ? padded(f->lift->count) : 0;
    ptrdiff_t multiplications = 1; /* of wide products */
    for (int n = 0; n < f->count; n++) {
        const struct field_layer *l = &f->layers[n];
        multiplications += l->narrow ? 0 : l->in * vectors_of(l->out);
    }
    f->pace = 16 * at * (ptrdiff_t)sizeof(real) / multiplications + 1;
}

void NAME(field_value)(const struct field *f, void *trace_, ptrdiff_t rows) {
    real *trace = trace_, *x = trace + f->lead * rows;
    const char *next = (const char *)(trace + f->trace_len * rows);
    if (f->lift) {
        NAME(monomials)(trace + f->first_at * rows, x, f->lift, rows);
        x = trace + f->first_at * rows;
    } else if (f->first != ACT_NONE) {
        const ptrdiff_t len = padded(f->in) * rows;
        real *y = trace + f->first_at * rows;
        activate(y, x, y + len, len / LANES, f->first);
        x = y;
    }
    for (int n = 0; n < f->count; n++) {
        const struct field_layer *l = &f->layers[n];
        real *y = trace + l->value_at * rows;
        const ptrdiff_t len = padded(l->out) * rows;
        const struct product p = {l->in, l->out, l->forward, l->backward, l->bias,
                                  l->narrow, next, f->pace};
        product(y, x, &p, rows);
        next += prefetched(&p, rows);
        activate(y, y, y + len, len / LANES, l->act);
        x = y;
    }
}

void NAME(field_back)(const struct field *f, const void *trace_, void *back_, void *dx_,
                      ptrdiff_t rows) {
    const real *trace = trace_;
    real *back = back_, *dx = dx_, *first = f->lift ? back + f->lift_back_at * rows : dx;
    const char *next = (const char *)(trace - f->trace_len * rows);
    for (int n = f->count - 1; n >= 0; n--) {
        const struct field_layer *l = &f->layers[n];
        const ptrdiff_t len = padded(l->out) * rows;
        real *dy = back + l->back_at * rows;
        deactivate(dy, trace + l->value_at * rows + (l->act == ACT_GELU ? len : 0), len / LANES,
                   l->act);
        const struct product p = {l->out, l->in, l->backward, l->forward, NULL,
                                  l->narrow_back, next, f->pace};
        product(n > 0 ? back + l[-1].back_at * rows : first, dy, &p, rows);
        next += prefetched(&p, rows);
    }
    if (f->lift) {
        NAME(monomials_back)(dx, first, trace + f->lead * rows, trace + f->first_at * rows, f->lift, rows);
    } else if (f->first != ACT_NONE) {
        const ptrdiff_t len = padded(f->in) * rows;
        deactivate(dx, trace + f->first_at * rows + (f->first == ACT_GELU ? len : 0), len / LANES,
                   f->first);
    }
}

void NAME(blend)(void *y_, ptrdiff_t n, int count, const void *const *x, const double *factor) {
    real *y = y_;
    for (ptrdiff_t k = 0; k < n; k += LANES) {
        vec sum = load((const real *)x[0] + k) * (real)factor[0];
        for (int t = 1; t < count; t++) {
            sum += load((const real *)x[t] + k) * (real)factor[t];
        }
        store(y + k, sum);
    }
}
