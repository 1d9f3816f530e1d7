/* Weight gradients of a stack of dense layers: outer products summed over the rows of several
 * evaluations (kernels.h, struct field; NUMERICS.md eq. 59). That side of a product stands in lanes
 * which leaves fewer of them empty. */
#include "kernels/table.h"

struct outer { /* dw (I scalars) (vectors) += sum of scalar (x) lanes over rows of evaluations */
    const real *scalars, *lanes;
    ptrdiff_t scalar_row, lane_row;
    ptrdiff_t scalar_step, lane_step; /* from an evaluation to the next */
    ptrdiff_t count, rows;            /* evaluations; rows of each */
};

INLINE void outer_tile(real *dw, const struct outer *o, ptrdiff_t i0, ptrdiff_t v0,
                       ptrdiff_t dw_block, const int I, const int G) {
    vec acc[16][4]; /* [I][G] of it */
    real *to[4];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        to[g] = dw + (v0 + g) / VECS * dw_block + i0 * BLOCK + (v0 + g) % VECS * LANES;
#pragma GCC unroll 16
        for (int i = 0; i < I; i++) {
            acc[i][g] = load(to[g] + i * BLOCK);
        }
    }
    for (ptrdiff_t e = 0; e < o->count; e++) {
        const real *s = o->scalars + e * o->scalar_step + i0;
        const real *d = o->lanes + e * o->lane_step + v0 * LANES;
        for (ptrdiff_t r = 0; r < o->rows; r++, s += o->scalar_row, d += o->lane_row) {
            vec lane[4];
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                lane[g] = load(d + g * LANES);
            }
#pragma GCC unroll 16
            for (int i = 0; i < I; i++) {
                vec value = splat(s[i]);
#pragma GCC unroll 4
                for (int g = 0; g < G; g++) {
                    acc[i][g] += value * lane[g];
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
#pragma GCC unroll 16
        for (int i = 0; i < I; i++) {
            store(to[g] + i * BLOCK, acc[i][g]);
        }
    }
}

typedef void outer_function(real *dw, const struct outer *o, ptrdiff_t i0, ptrdiff_t v0,
                            ptrdiff_t dw_block);
#define OUTER(I, G)                                                                                \
    static void outer_##I##_##G(real *dw, const struct outer *o, ptrdiff_t i0, ptrdiff_t v0,       \
                                ptrdiff_t dw_block) {                                              \
        outer_tile(dw, o, i0, v0, dw_block, I, G);                                                 \
    }
OUTER(8, 1) OUTER(4, 1) OUTER(2, 1) OUTER(1, 1)
OUTER(4, 2) OUTER(2, 2) OUTER(1, 2)
#if REGISTERS == 32
OUTER(8, 2) OUTER(4, 4) OUTER(2, 4) OUTER(1, 4)
#endif

/* dw[vector block][scalar][16] += the outer product of `scalars` and `lanes` features. */
static void outer(real *dw, const struct outer *o, ptrdiff_t scalars, ptrdiff_t lanes) {
    static outer_function *const tiles[3][4] = {
        {outer_8_1, outer_4_1, outer_2_1, outer_1_1},
#if REGISTERS == 32
        {outer_8_2, outer_4_2, outer_2_2, outer_1_2},
        {NULL, outer_4_4, outer_2_4, outer_1_4},
#else
        {NULL, outer_4_2, outer_2_2, outer_1_2},
#endif
    };
    const ptrdiff_t vectors = vectors_of(lanes);
    ptrdiff_t v = 0;
    for (int G = VECTORS_MOST; G >= 1; G /= 2) {
        outer_function *const *of = tiles[G / 2];
        for (; v + G <= vectors; v += G) {
            for (ptrdiff_t i = 0; i < scalars;) {
                const ptrdiff_t left = scalars - i;
                const int k = left >= 8 && of[0] ? 0 : left >= 4 ? 1 : left >= 2 ? 2 : 3;
                of[k](dw, o, i, v, scalars * BLOCK);
                i += 8 >> k;
            }
        }
    }
}

INLINE void sum_rows_tile(real *sum, const struct outer *o, ptrdiff_t v0, const int G) {
    vec acc[4];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        acc[g] = load(sum + (v0 + g) * LANES);
    }
    for (ptrdiff_t e = 0; e < o->count; e++) {
        const real *d = o->lanes + e * o->lane_step + v0 * LANES;
        for (ptrdiff_t r = 0; r < o->rows; r++, d += o->lane_row) {
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                acc[g] += load(d + g * LANES);
            }
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        store(sum + (v0 + g) * LANES, acc[g]);
    }
}

static void sum_rows(real *sum, const struct outer *o, ptrdiff_t features) {
    const ptrdiff_t vectors = vectors_of(features);
    ptrdiff_t v = 0;
    for (; v + 4 <= vectors; v += 4) {
        sum_rows_tile(sum, o, v, 4);
    }
    for (; v < vectors; v++) {
        sum_rows_tile(sum, o, v, 1);
    }
}

void NAME(field_weights)(const struct field *f, void *gradient_, const void *trace_,
                         const void *back_, ptrdiff_t rows, int count) {
    real *gradient = gradient_;
    const real *trace = trace_, *back = back_;
    for (int n = 0; n < f->count; n++) {
        const struct field_layer *l = &f->layers[n];
        const real *x = trace + (n > 0 ? l[-1].value_at : f->first_at) * rows;
        const real *dy = back + l->back_at * rows;
        struct outer o = {.scalars = x,
                          .lanes = dy,
                          .scalar_row = padded(l->in),
                          .lane_row = padded(l->out),
                          .scalar_step = f->trace_len * rows,
                          .lane_step = f->back_len * rows,
                          .count = count,
                          .rows = rows};
        if (l->bias) {
            sum_rows(gradient + l->dbias_at, &o, l->out);
        }
        if (l->turned) {
            o = (struct outer){.scalars = dy,
                               .lanes = x,
                               .scalar_row = padded(l->out),
                               .lane_row = padded(l->in),
                               .scalar_step = f->back_len * rows,
                               .lane_step = f->trace_len * rows,
                               .count = count,
                               .rows = rows};
        }
        outer(gradient + l->dw_at, &o, l->turned ? l->out : l->in, l->turned ? l->in : l->out);
    }
}

void NAME(field_gradient)(const struct field *f, int layer, void *gradient_, ptrdiff_t parts,
                          ptrdiff_t stride, void *dw_, void *dbias_) {
    const struct field_layer *l = &f->layers[layer];
    real *gradient = gradient_, *dw = dw_, *dbias = dbias_;
    const ptrdiff_t first = l->dw_at, last = l->dbias_at + padded(l->out);
    for (ptrdiff_t n = 1; n < parts; n++) {
        for (ptrdiff_t k = first; k < last; k += LANES) {
            store(gradient + k, load(gradient + k) + load(gradient + n * stride + k));
        }
    }
    const real *sum = gradient + l->dw_at;
    for (ptrdiff_t o = 0; o < l->out; o++) {
        for (ptrdiff_t i = 0; i < l->in; i++) {
            const ptrdiff_t lane = l->turned ? i : o, scalar = l->turned ? o : i;
            const ptrdiff_t scalars = l->turned ? l->out : l->in;
            dw[o * l->in + i] +=
                sum[(lane / BLOCK * scalars + scalar) * BLOCK + lane % BLOCK];
        }
    }
    for (ptrdiff_t o = 0; dbias && o < l->out; o++) {
        dbias[o] += gradient[l->dbias_at + o];
    }
}
