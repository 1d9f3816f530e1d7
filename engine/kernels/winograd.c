/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin & Gray 2016, "Fast algorithms for
 * convolutional neural networks", section 4): tiles of 6x6 inputs and the weights are transformed,
 * multiplied in 36 small matrix products, and transformed back to 4x4 outputs. A quarter of the
 * multiplications of the direct sum, at errors a few times larger (docs/RESULTS.md). The gradient
 * by the weights is the adjoint of the same steps. NUMERICS.md eq. 54 to 56.
 *
 * Transformed weights are packed [output block][36][input block][input channel][16], transformed
 * pixels [36][block][tile][16]. Tiles are taken in groups of whole tile rows, of one sample or
 * several: enough of them that a weight read from memory serves many, few enough that a group's
 * transforms stay in or near the second-level cache. */
#include "kernels/table.h"

#include <stdbool.h>
#include <string.h>

enum {
    IN = 6,
    OUT = 4,
    POINTS = IN * IN,
    PANEL = 4,          /* output blocks multiplied together */
    GROUP = 64,         /* tiles, at most */
    GROUP_BYTES = 3 << 20 /* of transformed pixels, about */
};

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

/* One dimension of A y, the adjoint of output_transform: four vectors to six. */
INLINE void output_adjoint(vec *m, const int m_step, const vec *y, const int y_step) {
    const vec even = y[0] + y[2 * y_step], odd = y[y_step] + y[3 * y_step];
    const vec far_even = y[0] + y[2 * y_step] * (real)4;
    const vec far_odd = y[y_step] * (real)2 + y[3 * y_step] * (real)8;
    m[0] = y[0];
    m[m_step] = even + odd;
    m[2 * m_step] = even - odd;
    m[3 * m_step] = far_even + far_odd;
    m[4 * m_step] = far_even - far_odd;
    m[5 * m_step] = y[3 * y_step];
}

/* One dimension of G^T u, the adjoint of weight_transform: six vectors to three. */
INLINE void weight_adjoint(vec *g, const int g_step, const vec *u, const int u_step) {
    const vec near = (u[u_step] + u[2 * u_step]) * (real)(1.0 / 6);
    const vec far = u[3 * u_step] + u[4 * u_step];
    g[0] = u[0] * (real)0.25 - near + far * (real)(1.0 / 24);
    g[g_step] = (u[2 * u_step] - u[u_step]) * (real)(1.0 / 6) +
                (u[3 * u_step] - u[4 * u_step]) * (real)(1.0 / 12);
    g[2 * g_step] = far * (real)(1.0 / 6) - near + u[5 * u_step];
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
    const ptrdiff_t point = from_blocks * BLOCK * BLOCK;
    if (from % BLOCK != 0) { /* the rest is written whole */
        memset(packed, 0, (size_t)(POINTS * to_blocks * point) * sizeof(real));
    }
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
                      (a0 / BLOCK * POINTS * from_blocks * BLOCK + b) * BLOCK;
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

/* The tiles of all samples, and how many tile rows are taken together. Strides from block to block
 * and from point to point are odd numbers of tiles: powers of two would meet in the same lines of
 * the cache. */
struct grid {
    ptrdiff_t rows, columns; /* of tiles, in a sample */
    ptrdiff_t in_blocks, out_blocks, panel;
    ptrdiff_t group;  /* tile rows taken together */
    ptrdiff_t stride; /* tiles of a full group, or one more */
};

static struct grid grid_of(const struct convolution *c, ptrdiff_t samples) {
    struct grid g = {.rows = (c->height + OUT - 1) / OUT,
                     .columns = (c->width + OUT - 1) / OUT,
                     .in_blocks = (c->in_channels + BLOCK - 1) / BLOCK,
                     .out_blocks = (c->out_channels + BLOCK - 1) / BLOCK};
    g.panel = g.out_blocks < PANEL ? g.out_blocks : PANEL;
    const ptrdiff_t tile_bytes =
        POINTS * (g.in_blocks + g.panel) * BLOCK * (ptrdiff_t)sizeof(real);
    const ptrdiff_t fit = GROUP_BYTES / tile_bytes, tiles = fit < GROUP ? fit : GROUP;
    const ptrdiff_t all = samples * g.rows;
    g.group = tiles / g.columns;
    g.group = g.group < 1 ? 1 : g.group > all ? all : g.group;
    g.group = (all + (all + g.group - 1) / g.group - 1) / ((all + g.group - 1) / g.group);
    g.stride = g.group * g.columns | 1;
    return g;
}
static ptrdiff_t point_stride(ptrdiff_t blocks, const struct grid *g) {
    return (blocks * g->stride | 1) * BLOCK;
}

ptrdiff_t NAME(winograd_samples)(const struct convolution *c, ptrdiff_t most) {
    const struct grid g = grid_of(c, most);
    return g.group < g.rows ? 1 : g.group / g.rows;
}

ptrdiff_t NAME(winograd_scratch)(const struct convolution *c, ptrdiff_t samples) {
    const struct grid g = grid_of(c, samples);
    return POINTS * (point_stride(g.in_blocks, &g) + point_stride(g.panel, &g) + BLOCK * BLOCK);
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

/* Where a tile lies: sample and first pixel. */
struct place {
    ptrdiff_t sample, i, j;
};
INLINE struct place place_of(const struct grid *g, ptrdiff_t row, ptrdiff_t column) {
    return (struct place){row / g->rows, row % g->rows * OUT, column * OUT};
}

/* Asks for the part of every range that is due with tile number `tile` of `tiles`. */
INLINE void ask(const struct soon *soon, ptrdiff_t tile, ptrdiff_t tiles) {
    for (int k = 0; k < soon->count; k++) {
        const char *at = soon->range[k].at;
        const ptrdiff_t lines = (soon->range[k].len * (ptrdiff_t)sizeof(real) + 63) / 64;
        const ptrdiff_t share = (lines + tiles - 1) / tiles, end = (tile + 1) * share;
        for (ptrdiff_t n = tile * share; n < (end < lines ? end : lines); n++) {
            if (soon->range[k].write) {
                __builtin_prefetch(at + n * 64, 1, 2);
            } else {
                __builtin_prefetch(at + n * 64, 0, 2);
            }
        }
    }
}

/* B^T d B of the tile rows first..last-1 of all frames. */
static void gather(real *v, const real *frames, const struct convolution *c, const struct grid *g,
                   ptrdiff_t first, ptrdiff_t last, ptrdiff_t samples, const struct soon *soon) {
    const ptrdiff_t tiles = samples * g->rows * g->columns * g->in_blocks;
    ptrdiff_t tile = first * g->columns * g->in_blocks;
    const ptrdiff_t row = c->frame_width * BLOCK, area = c->frame_height * row;
    const ptrdiff_t point = point_stride(g->in_blocks, g);
    for (ptrdiff_t b = 0; b < g->in_blocks; b++) {
        real *to = v + b * g->stride * BLOCK;
        for (ptrdiff_t r = first; r < last; r++) {
            for (ptrdiff_t k = 0; k < g->columns; k++, to += BLOCK) {
                const struct place p = place_of(g, r, k);
                if (soon) {
                    ask(soon, tile++, tiles);
                }
                gather_tile(to, point,
                            frames + (p.sample * g->in_blocks + b) * area + p.i * row +
                                p.j * BLOCK,
                            row, c->frame_height - p.i, c->frame_width - p.j);
            }
        }
    }
}

/* A^T m A of the tile rows first..last-1, for `blocks` output blocks from b0 on. */
static void scatter(real *y, const real *m, const real *bias, const struct convolution *c,
                    const struct grid *g, ptrdiff_t first, ptrdiff_t last, ptrdiff_t b0,
                    ptrdiff_t blocks) {
    const ptrdiff_t row = c->width * BLOCK, area = c->height * row;
    const ptrdiff_t point = point_stride(g->panel, g);
    for (ptrdiff_t b = 0; b < blocks; b++) {
        const real *from = m + b * g->stride * BLOCK;
        for (ptrdiff_t r = first; r < last; r++) {
            for (ptrdiff_t k = 0; k < g->columns; k++, from += BLOCK) {
                const struct place p = place_of(g, r, k);
                scatter_tile(y + (p.sample * g->out_blocks + b0 + b) * area + p.i * row +
                                 p.j * BLOCK,
                             row, c->height - p.i, c->width - p.j, from, point,
                             bias ? bias + (b0 + b) * BLOCK : NULL);
            }
        }
    }
}

void NAME(winograd_conv)(void *y, const void *framed_x, const void *packed, const void *bias,
                         const struct convolution *c, ptrdiff_t samples, void *scratch,
                         const struct soon *soon) {
    const struct grid g = grid_of(c, samples);
    const ptrdiff_t in_point = point_stride(g.in_blocks, &g), out_point = point_stride(g.panel, &g);
    const ptrdiff_t u_point = g.in_blocks * BLOCK * BLOCK;
    real *const v = scratch, *const m = v + POINTS * in_point;
    for (ptrdiff_t first = 0; first < samples * g.rows; first += g.group) {
        const ptrdiff_t end = first + g.group, all = samples * g.rows, last = end < all ? end : all;
        gather(v, framed_x, c, &g, first, last, samples, soon);
        for (ptrdiff_t b = 0; b < g.out_blocks; b += g.panel) {
            const ptrdiff_t left = g.out_blocks - b, blocks = left < g.panel ? left : g.panel;
            NAME(products)(m, out_point, v, in_point,
                           (const real *)packed + b * POINTS * u_point, u_point, POINTS * u_point,
                           g.stride * BLOCK, POINTS, (last - first) * g.columns, c->in_channels,
                           blocks);
            scatter(y, m, bias, c, &g, first, last, b, blocks);
        }
    }
}

/* ---- the gradient by the weights ---- */

/* A dy A^T of one tile of one output block; dy: its first pixel, of which `rows` x `columns`
 * pixels are left. */
INLINE void adjoint_tile(real *restrict m, ptrdiff_t point, const real *restrict dy, ptrdiff_t row,
                         ptrdiff_t rows, ptrdiff_t columns) {
    for (int v = 0; v < VECS; v++) {
        vec d[OUT * OUT], t[OUT * IN], out[IN];
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++) {
#pragma GCC unroll 4
            for (int j = 0; j < OUT; j++) {
                d[i * OUT + j] = (vec){0};
                if (i < rows && j < columns) {
                    d[i * OUT + j] = load(dy + i * row + j * BLOCK + v * LANES);
                }
            }
            output_adjoint(t + i * IN, 1, d + i * OUT, 1);
        }
#pragma GCC unroll 6
        for (int j = 0; j < IN; j++) {
            output_adjoint(out, 1, t + j, IN);
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++) {
                store(m + (i * IN + j) * point + v * LANES, out[i]);
            }
        }
    }
}

static void adjoint(real *m, const real *frames, int pad, const struct convolution *c,
                    const struct grid *g, ptrdiff_t first, ptrdiff_t last, ptrdiff_t b0,
                    ptrdiff_t blocks) {
    const ptrdiff_t row = (c->width + 2 * pad) * BLOCK, area = (c->height + 2 * pad) * row;
    const ptrdiff_t point = point_stride(g->panel, g);
    for (ptrdiff_t b = 0; b < blocks; b++) {
        real *to = m + b * g->stride * BLOCK;
        for (ptrdiff_t r = first; r < last; r++) {
            for (ptrdiff_t k = 0; k < g->columns; k++, to += BLOCK) {
                const struct place p = place_of(g, r, k);
                const real *from = frames + (p.sample * g->out_blocks + b0 + b) * area +
                                   (p.i + pad) * row + (p.j + pad) * BLOCK;
                const ptrdiff_t rows = c->height - p.i, columns = c->width - p.j;
                if (rows >= OUT && columns >= OUT) {
                    adjoint_tile(to, point, from, row, OUT, OUT);
                } else {
                    adjoint_tile(to, point, from, row, rows, columns);
                }
            }
        }
    }
}

/* du[channel of I][vector of G] = sum over tiles v m. */
INLINE void outer_tile(real *du, const real *v, const real *m, ptrdiff_t tiles, const int I,
                       const int G) {
    vec acc[16][2]; /* [I][G] of it */
#pragma GCC unroll 32
    for (int k = 0; k < I * G; k++) {
        acc[k / G][k % G] = (vec){0};
    }
    for (ptrdiff_t t = 0; t < tiles; t++, v += BLOCK, m += BLOCK) {
        vec d[2];
#pragma GCC unroll 2
        for (int g = 0; g < G; g++) {
            d[g] = load(m + g * LANES);
        }
#pragma GCC unroll 16
        for (int i = 0; i < I; i++) {
            const vec value = splat(v[i]);
#pragma GCC unroll 2
            for (int g = 0; g < G; g++) {
                acc[i][g] += value * d[g];
            }
        }
    }
#pragma GCC unroll 32
    for (int k = 0; k < I * G; k++) {
        store(du + k / G * BLOCK + k % G * LANES, acc[k / G][k % G]);
    }
}

enum { OUTER_G = VECS == 1 ? 1 : 2, OUTER_I = REGISTERS == 32 ? 16 / OUTER_G : 4 };

/* dw (packed order of one pair of blocks) = or, for `add`, += G^T du G, du [36][input channel][16]. */
static void put_weights(real *dw, const real *du, ptrdiff_t channels, bool add) {
    for (ptrdiff_t i = 0; i < channels; i++) {
        for (int l = 0; l < VECS; l++) {
            const ptrdiff_t at = i * BLOCK + l * LANES;
            vec u[IN], half[3 * IN], g[3];
#pragma GCC unroll 6
            for (int k = 0; k < IN; k++) {
#pragma GCC unroll 6
                for (int j = 0; j < IN; j++) {
                    u[j] = load(du + (k * IN + j) * BLOCK * BLOCK + at);
                }
                weight_adjoint(half + k * 3, 1, u, 1);
            }
#pragma GCC unroll 3
            for (int j = 0; j < 3; j++) {
                weight_adjoint(g, 1, half + j, 3);
#pragma GCC unroll 3
                for (int k = 0; k < 3; k++) {
                    real *out = dw + (k * 3 + j) * BLOCK * BLOCK + at;
                    if (add) {
                        g[k] += load(out);
                    }
                    store(out, g[k]);
                }
            }
        }
    }
}

void NAME(winograd_weights)(void *dw, const void *framed_x, const void *framed_dy, int dy_pad,
                            const struct convolution *c, ptrdiff_t samples, int add, void *scratch,
                            const struct soon *soon) {
    const struct grid g = grid_of(c, samples);
    const ptrdiff_t in_point = point_stride(g.in_blocks, &g), out_point = point_stride(g.panel, &g);
    real *const v = scratch, *const m = v + POINTS * in_point, *const du = m + POINTS * out_point;
    for (ptrdiff_t first = 0; first < samples * g.rows; first += g.group) {
        const ptrdiff_t end = first + g.group, all = samples * g.rows, last = end < all ? end : all;
        gather(v, framed_x, c, &g, first, last, samples, soon);
        for (ptrdiff_t b = 0; b < g.out_blocks; b++) {
            if (b % g.panel == 0) {
                const ptrdiff_t left = g.out_blocks - b;
                adjoint(m, framed_dy, dy_pad, c, &g, first, last, b,
                        left < g.panel ? left : g.panel);
            }
            for (ptrdiff_t ib = 0; ib < g.in_blocks; ib++) {
                const ptrdiff_t left = c->in_channels - ib * BLOCK;
                for (int k = 0; k < POINTS; k++) {
                    const real *vk = v + k * in_point + ib * g.stride * BLOCK;
                    const real *mk = m + k * out_point + b % g.panel * g.stride * BLOCK;
                    for (int i = 0; i < BLOCK; i += OUTER_I) {
                        for (int l = 0; l < VECS; l += OUTER_G) {
                            outer_tile(du + (k * BLOCK + i) * BLOCK + l * LANES, vk + i,
                                       mk + l * LANES, (last - first) * g.columns, OUTER_I,
                                       OUTER_G);
                        }
                    }
                }
                put_weights((real *)dw + (b * g.in_blocks + ib) * 9 * BLOCK * BLOCK, du,
                            left < BLOCK ? left : BLOCK, add || first > 0);
            }
        }
    }
}
