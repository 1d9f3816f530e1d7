/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin & Gray 2016, "Fast algorithms for
 * convolutional neural networks", section 4): tiles of 6x6 inputs and the weights are transformed,
 * multiplied in 36 small matrix products, and transformed back to 4x4 outputs. A quarter of the
 * multiplications of the direct sum, at errors a few times larger (docs/RESULTS.md).
 * NUMERICS.md eq. 54, 55.
 *
 * Transformed weights are packed [36][output block][input block][input channel][16]. Tiles are
 * taken in groups of whole tile rows, so that a group's transforms stay in the second-level cache. */
#include "kernels/table.h"

#include <string.h>

enum { IN = 6, OUT = 4, POINTS = IN * IN, GROUP = 16 /* tiles, about */ };

/* One dimension of B^T d, on six vectors `step` apart. */
INLINE void input_transform(vec *t, const vec *d, const int step) {
    const vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
              d5 = d[5 * step];
    const vec a = d4 - d2 * (real)4, b = d3 - d1 * (real)4;
    const vec c = d4 - d2, e = (d3 - d1) * (real)2;
    t[0] = d0 * (real)4 - d2 * (real)5 + d4;
    t[step] = a + b;
    t[2 * step] = a - b;
    t[3 * step] = c + e;
    t[4 * step] = c - e;
    t[5 * step] = d1 * (real)4 - d3 * (real)5 + d5;
}

/* One dimension of A^T m: six vectors m_step apart to four y_step apart. */
INLINE void output_transform(vec *y, const int y_step, const vec *m, const int m_step) {
    const vec s1 = m[m_step] + m[2 * m_step], d1 = m[m_step] - m[2 * m_step];
    const vec s2 = m[3 * m_step] + m[4 * m_step], d2 = m[3 * m_step] - m[4 * m_step];
    y[0] = m[0] + s1 + s2;
    y[y_step] = d1 + d2 * (real)2;
    y[2 * y_step] = s1 + s2 * (real)4;
    y[3 * y_step] = d1 + d2 * (real)8 + m[5 * m_step];
}

/* One dimension of G g: three vectors g_step apart to six u_step apart. */
INLINE void weight_transform(vec *u, const int u_step, const vec *g, const int g_step) {
    const vec even = (g[0] + g[2 * g_step]) * (real)(-1.0 / 6), odd = g[g_step] * (real)(1.0 / 6);
    const vec far = g[0] * (real)(1.0 / 24) + g[2 * g_step] * (real)(1.0 / 6);
    const vec near = g[g_step] * (real)(1.0 / 12);
    u[0] = g[0] * (real)0.25;
    u[u_step] = even - odd;
    u[2 * u_step] = even + odd;
    u[3 * u_step] = far + near;
    u[4 * u_step] = far - near;
    u[5 * u_step] = g[2 * g_step];
}

ptrdiff_t NAME(winograd_len)(ptrdiff_t out, ptrdiff_t in) {
    return POINTS * ((out + BLOCK - 1) / BLOCK) * ((in + BLOCK - 1) / BLOCK) * BLOCK * BLOCK;
}

void NAME(winograd_pack)(void *packed, const void *w_, ptrdiff_t out, ptrdiff_t in,
                         int transposed) {
    const real *w = w_;
    const ptrdiff_t to = transposed ? in : out, from = transposed ? out : in;
    const ptrdiff_t to_step = transposed ? 9 : in * 9, from_step = transposed ? in * 9 : 9;
    const ptrdiff_t to_blocks = (to + BLOCK - 1) / BLOCK, from_blocks = (from + BLOCK - 1) / BLOCK;
    const ptrdiff_t point = to_blocks * from_blocks * BLOCK * BLOCK;
    memset(packed, 0, (size_t)(POINTS * point) * sizeof(real));
    for (ptrdiff_t a0 = 0; a0 < to; a0 += BLOCK) {
        const ptrdiff_t width = to - a0 < BLOCK ? to - a0 : BLOCK;
        for (ptrdiff_t b = 0; b < from; b++) {
            real taps[9][BLOCK] __attribute__((aligned(64))) = {{0}};
            for (ptrdiff_t a = 0; a < width; a++) {
                const real *tap = w + (a0 + a) * to_step + b * from_step;
                for (int k = 0; k < 9; k++) {
                    taps[k][a] = tap[transposed ? 8 - k : k];
                }
            }
            real *p = (real *)packed +
                      ((a0 / BLOCK * from_blocks + b / BLOCK) * BLOCK + b % BLOCK) * BLOCK;
            for (int v = 0; v < VECS; v++) {
                vec g[9], half[IN * 3], u[POINTS];
                for (int k = 0; k < 9; k++) {
                    g[k] = load(taps[k] + v * LANES);
                }
                for (int k = 0; k < 3; k++) { /* columns, then rows */
                    weight_transform(half + k, 3, g + k, 3);
                }
                for (int k = 0; k < IN; k++) {
                    weight_transform(u + k * IN, 1, half + k * 3, 1);
                }
                for (int k = 0; k < POINTS; k++) {
                    store(p + k * point + v * LANES, u[k]);
                }
            }
        }
    }
}

struct grid { /* of tiles */
    ptrdiff_t rows, columns, group; /* group: tile rows taken together */
};

static struct grid grid_of(const struct convolution *c) {
    struct grid g = {.rows = (c->height + OUT - 1) / OUT, .columns = (c->width + OUT - 1) / OUT};
    g.group = GROUP / g.columns;
    g.group = g.group < 1 ? 1 : g.group > g.rows ? g.rows : g.group;
    return g;
}

ptrdiff_t NAME(winograd_scratch)(const struct convolution *c) {
    const struct grid g = grid_of(c);
    const ptrdiff_t in = (c->in_channels + BLOCK - 1) / BLOCK * BLOCK;
    const ptrdiff_t out = (c->out_channels + BLOCK - 1) / BLOCK * BLOCK;
    return POINTS * g.group * g.columns * (in + out);
}

/* Transforms one tile of one input block; x: its first pixel in the frame, of which `rows` x
 * `columns` pixels are left from there on: beyond stand zeros. */
INLINE void input_tile(real *restrict v_out, ptrdiff_t point, const real *restrict x, ptrdiff_t row,
                       ptrdiff_t rows, ptrdiff_t columns) {
    for (int v = 0; v < VECS; v++) {
        vec d[POINTS], t[POINTS];
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) { /* along rows, then along columns */
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) {
                d[j] = (vec){0};
                if (i < rows && j < columns) {
                    d[j] = load(x + i * row + j * BLOCK + v * LANES);
                }
            }
            input_transform(t + i * IN, d, 1);
        }
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) {
            input_transform(d + j, t + j, IN);
        }
#pragma GCC unroll 36
        for (int k = 0; k < POINTS; k++) {
            store(v_out + k * point + v * LANES, d[k]);
        }
    }
}
static void whole_tile(real *v_out, ptrdiff_t point, const real *x, ptrdiff_t row) {
    input_tile(v_out, point, x, row, IN, IN);
}
static void edge_tile(real *v_out, ptrdiff_t point, const real *x, ptrdiff_t row, ptrdiff_t rows,
                      ptrdiff_t columns) {
    input_tile(v_out, point, x, row, rows, columns);
}
static void gather_tile(real *v_out, ptrdiff_t point, const real *x, ptrdiff_t row, ptrdiff_t rows,
                        ptrdiff_t columns) {
    if (rows >= IN && columns >= IN) {
        whole_tile(v_out, point, x, row);
    } else {
        edge_tile(v_out, point, x, row, rows, columns);
    }
}

/* Transforms one tile of one output block back; y: its first pixel. */
static void scatter_tile(real *y, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t columns,
                         const real *restrict m, ptrdiff_t point, const real *bias) {
    for (int v = 0; v < VECS; v++) {
        vec t[IN * OUT], out[OUT * OUT], in[IN];
        const vec start = bias ? load(bias + v * LANES) : (vec){0};
#pragma GCC unroll 6
        for (int i = 0; i < IN; i++) {
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) {
                in[j] = load(m + (i * IN + j) * point + v * LANES);
            }
            output_transform(t + i * OUT, 1, in, 1);
        }
#pragma GCC unroll 4
        for (int j = 0; j < OUT; j++) {
            output_transform(out + j, OUT, t + j, OUT);
        }
        if (rows >= OUT && columns >= OUT) {
#pragma GCC unroll 16
            for (int k = 0; k < OUT * OUT; k++) {
                store(y + k / OUT * row + k % OUT * BLOCK + v * LANES, out[k] + start);
            }
        } else {
            for (int k = 0; k < OUT * OUT; k++) {
                if (k / OUT < rows && k % OUT < columns) {
                    store(y + k / OUT * row + k % OUT * BLOCK + v * LANES, out[k] + start);
                }
            }
        }
    }
}

void NAME(winograd_conv)(void *y_, const void *framed_x, const void *packed, const void *bias,
                         const struct convolution *c, void *scratch) {
    const struct grid g = grid_of(c);
    const ptrdiff_t in_blocks = (c->in_channels + BLOCK - 1) / BLOCK;
    const ptrdiff_t out_blocks = (c->out_channels + BLOCK - 1) / BLOCK;
    const ptrdiff_t row = c->frame_width * BLOCK, area = c->frame_height * row;
    const ptrdiff_t y_row = c->width * BLOCK, y_area = c->height * y_row;
    const ptrdiff_t weights = in_blocks * out_blocks * BLOCK * BLOCK;
    for (ptrdiff_t r0 = 0; r0 < g.rows; r0 += g.group) {
        const ptrdiff_t rows = g.rows - r0 < g.group ? g.rows - r0 : g.group;
        const ptrdiff_t tiles = rows * g.columns;
        const ptrdiff_t in_point = tiles * in_blocks * BLOCK;
        const ptrdiff_t out_point = tiles * out_blocks * BLOCK;
        real *const v = scratch, *const m = v + POINTS * in_point;
        for (ptrdiff_t t = 0; t < tiles; t++) {
            const ptrdiff_t i = (r0 + t / g.columns) * OUT, j = t % g.columns * OUT;
            for (ptrdiff_t b = 0; b < in_blocks; b++) {
                gather_tile(v + (t * in_blocks + b) * BLOCK, in_point,
                            (const real *)framed_x + b * area + i * row + j * BLOCK, row,
                            c->frame_height - i, c->frame_width - j);
            }
        }
        NAME(products)(m, out_point, v, in_point, packed, weights, POINTS, tiles, c->in_channels,
                       c->out_channels);
        for (ptrdiff_t t = 0; t < tiles; t++) {
            const ptrdiff_t i = (r0 + t / g.columns) * OUT, j = t % g.columns * OUT;
            for (ptrdiff_t b = 0; b < out_blocks; b++) {
                scatter_tile((real *)y_ + b * y_area + i * y_row + j * BLOCK, y_row, c->height - i,
                             c->width - j, m + (t * out_blocks + b) * BLOCK, out_point,
                             bias ? (const real *)bias + b * BLOCK : NULL);
            }
        }
    }
}
