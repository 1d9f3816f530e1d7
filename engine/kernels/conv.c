/* Direct convolution over blocks of 16 channels, and its weight gradient (NUMERICS.md eq. 52, 53).
 *
 * The inner tile holds R output pixels of a row times G vectors of output channels in registers;
 * each input value is read once per tap and multiplied into G of them. Weights are packed
 * [output block][input block][tap][input channel][16 output channels]. The input stands in a frame
 * with its zero border, so no tap is special. A dense layer is the same tile with the samples of a
 * batch in place of the pixels of a row, and so are the products of Winograd's algorithm. */
#include "kernels/table.h"

#include <stdbool.h>

/* A tile reads pixels `x_pixel` reals apart: a constant where they lie next to each other, so that
 * every address is one register and a displacement; any distance for strides and rows. */
struct tile { /* strides in reals */
    ptrdiff_t in_channels;
    int kernel;
    ptrdiff_t x_pixel, x_row, x_block, y_pixel, y_block, w_block;
};

/* y: first output pixel, block 0; v0: first vector of output channels. PIXEL: x_pixel, or 0 when
 * it is not constant; a constant one means y_pixel = BLOCK too. */
INLINE void conv_tile(real *y, const real *x, const real *w, const real *bias, const struct tile *c,
                      ptrdiff_t v0, const int R, const int G, const ptrdiff_t PIXEL) {
    const ptrdiff_t in_blocks = (c->in_channels + BLOCK - 1) / BLOCK;
    const ptrdiff_t x_pixel = PIXEL ? PIXEL : c->x_pixel, y_pixel = PIXEL ? BLOCK : c->y_pixel;
    vec acc[4][28]; /* [G][R] of it */
    const real *wg[4];
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        const ptrdiff_t block = (v0 + g) / VECS, lane = (v0 + g) % VECS * LANES;
        wg[g] = w + block * c->w_block + lane;
        vec start = bias ? load(bias + block * BLOCK + lane) : (vec){0};
#pragma GCC unroll 28
        for (int r = 0; r < R; r++) {
            acc[g][r] = start;
        }
    }
#define CHANNELS(count)                                                                            \
    _Pragma("GCC unroll 4") for (int i = 0; i < (count); i++) {                                    \
        vec wv[4];                                                                                 \
        _Pragma("GCC unroll 4") for (int g = 0; g < G; g++) {                                      \
            wv[g] = load(wg[g] + i * BLOCK);                                                       \
        }                                                                                          \
        _Pragma("GCC unroll 28") for (int r = 0; r < R; r++) {                                     \
            const vec value = splat(xp[r * x_pixel + i]);                                          \
            _Pragma("GCC unroll 4") for (int g = 0; g < G; g++) {                                  \
                acc[g][r] += value * wv[g];                                                        \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    _Pragma("GCC unroll 4") for (int g = 0; g < G; g++) {                                          \
        wg[g] += (count) * BLOCK;                                                                  \
    }                                                                                              \
    xp += (count)
    for (ptrdiff_t ib = 0; ib < in_blocks; ib++) {
        const ptrdiff_t left = c->in_channels - ib * BLOCK, channels = left < BLOCK ? left : BLOCK;
        for (int ky = 0; ky < c->kernel; ky++) {
            for (int kx = 0; kx < c->kernel; kx++) {
                const real *xp = x + ib * c->x_block + ky * c->x_row + kx * BLOCK;
                ptrdiff_t rest = channels;
                for (; rest >= 4; rest -= 4) {
                    CHANNELS(4);
                }
                for (; rest > 0; rest--) {
                    CHANNELS(1);
                }
#pragma GCC unroll 4
                for (int g = 0; g < G; g++) {
                    wg[g] += (BLOCK - channels) * BLOCK;
                }
            }
        }
    }
#undef CHANNELS
#pragma GCC unroll 4
    for (int g = 0; g < G; g++) {
        const ptrdiff_t block = (v0 + g) / VECS, lane = (v0 + g) % VECS * LANES;
#pragma GCC unroll 28
        for (int r = 0; r < R; r++) {
            store(y + block * c->y_block + r * y_pixel + lane, acc[g][r]);
        }
    }
}

typedef void tile_function(real *y, const real *x, const real *w, const real *bias,
                           const struct tile *c, ptrdiff_t v0);
#define TILE_NEXT(G, R)                                                                            \
    static void tile_##G##_##R(real *y, const real *x, const real *w, const real *bias,            \
                               const struct tile *c, ptrdiff_t v0) {                               \
        conv_tile(y, x, w, bias, c, v0, R, G, BLOCK);                                              \
    }
#define TILE_SECOND(G, R)                                                                          \
    static void second_##G##_##R(real *y, const real *x, const real *w, const real *bias,          \
                                 const struct tile *c, ptrdiff_t v0) {                             \
        conv_tile(y, x, w, bias, c, v0, R, G, 2 * BLOCK);                                          \
    }
#define TILE_APART(G, R)                                                                           \
    static void apart_##G##_##R(real *y, const real *x, const real *w, const real *bias,           \
                                const struct tile *c, ptrdiff_t v0) {                              \
        conv_tile(y, x, w, bias, c, v0, R, G, 0);                                                  \
    }
/* Vectors and pixels of the tiles, for pixels next to each other, for every second one, and for any
 * distance. */
#if REGISTERS == 32
#define TILES_NEXT(M)                                                                              \
    M(1, 1) M(1, 2) M(1, 3) M(1, 4) M(1, 6) M(1, 8) M(1, 10) M(1, 12) M(1, 14) M(1, 16) M(1, 20)   \
    M(1, 25) M(1, 28)                                                                              \
    M(2, 1) M(2, 2) M(2, 3) M(2, 4) M(2, 5) M(2, 6) M(2, 7) M(2, 8) M(2, 10) M(2, 11) M(2, 12)     \
    M(2, 13) M(2, 14)                                                                              \
    M(4, 1) M(4, 2) M(4, 3) M(4, 4) M(4, 5) M(4, 6)
#define TILES_SECOND(M)                                                                            \
    M(1, 1) M(1, 2) M(1, 4) M(1, 7) M(1, 8) M(1, 14) M(1, 16)                                      \
    M(2, 1) M(2, 2) M(2, 4) M(2, 7) M(2, 8) M(2, 14)                                               \
    M(4, 1) M(4, 2) M(4, 4) M(4, 5) M(4, 6)
#define TILES_APART(M)                                                                             \
    M(1, 1) M(1, 2) M(1, 4) M(1, 7) M(1, 14)                                                       \
    M(2, 1) M(2, 2) M(2, 4) M(2, 7) M(2, 14)                                                       \
    M(4, 1) M(4, 2) M(4, 4) M(4, 6)
#else
#define TILES_NEXT(M)                                                                              \
    M(1, 1) M(1, 2) M(1, 3) M(1, 4) M(1, 6) M(1, 8) M(1, 10) M(1, 12)                              \
    M(2, 1) M(2, 2) M(2, 3) M(2, 4) M(2, 5) M(2, 6) M(4, 1) M(4, 2)
#define TILES_SECOND(M)                                                                            \
    M(1, 1) M(1, 2) M(1, 4) M(1, 7) M(1, 12) M(2, 1) M(2, 2) M(2, 4) M(2, 6) M(4, 1) M(4, 2)
#define TILES_APART(M)                                                                             \
    M(1, 1) M(1, 2) M(1, 4) M(1, 7) M(1, 12) M(2, 1) M(2, 2) M(2, 4) M(2, 6) M(4, 1) M(4, 2)
#endif
TILES_NEXT(TILE_NEXT)
TILES_SECOND(TILE_SECOND)
TILES_APART(TILE_APART)

static const struct tile_entry {
    int vectors, pixels;
    tile_function *run;
} next[] = {
#define ENTRY(G, R) {G, R, tile_##G##_##R},
    TILES_NEXT(ENTRY) {0, 0, NULL}
#undef ENTRY
}, second[] = {
#define ENTRY(G, R) {G, R, second_##G##_##R},
    TILES_SECOND(ENTRY) {0, 0, NULL}
#undef ENTRY
}, apart[] = {
#define ENTRY(G, R) {G, R, apart_##G##_##R},
    TILES_APART(ENTRY) {0, 0, NULL}
#undef ENTRY
};

enum { NEAR = 24 * 1024 }; /* bytes of weights that stay in the first-level cache */

/* The tile that covers `width` pixels of `vectors` at the least cost, in cycles: tiles overlap at
 * the right end, so a row is ceil(width / R) tiles of R G `depth` multiplications, two a cycle;
 * fewer than 8 accumulators leave the multipliers waiting, loads get a little in the way, weights
 * that do not stay in the first-level cache from tile to tile more so, and each tile costs
 * something to begin and to store. */
static const struct tile_entry *best_tile(const struct tile_entry *tiles, ptrdiff_t vectors,
                                          ptrdiff_t width, ptrdiff_t depth) {
    const double begin = 50.0;
    const struct tile_entry *best = tiles;
    double least = INFINITY;
    for (const struct tile_entry *t = tiles; t->run; t++) {
        if (vectors % t->vectors != 0 || t->pixels > width) {
            continue;
        }
        const ptrdiff_t n = (width + t->pixels - 1) / t->pixels * (vectors / t->vectors);
        const int busy = t->vectors * t->pixels;
        const double loads = 1.0 / t->vectors + 1.0 / t->pixels; /* per multiplication */
        const bool far = depth * t->vectors * VECTOR_BYTES > NEAR;
        const double cost = (double)n * ((double)depth * ((busy < 8 ? 8 : busy) * 0.5 *
                                                              (1.0 + 0.1 * loads) +
                                                          (far ? 1.5 * t->vectors : 0.0)) +
                                         begin);
        if (cost < least) {
            least = cost;
            best = t;
        }
    }
    return best;
}

/* One row of `width` pixels, `vectors` of output channels from v0 on. */
static void conv_row(const struct tile_entry *t, real *y, const real *x, const real *w,
                     const real *bias, const struct tile *c, ptrdiff_t width, ptrdiff_t v0) {
    for (ptrdiff_t j = 0; j < width; j += t->pixels) {
        const ptrdiff_t at = j + t->pixels <= width ? j : width - t->pixels;
        t->run(y + at * c->y_pixel, x + at * c->x_pixel, w, bias, c, v0);
    }
}

void NAME(conv)(void *y, ptrdiff_t y_sample, const void *frames, const void *packed,
                const void *bias, const struct convolution *c, ptrdiff_t samples) {
    const ptrdiff_t frame_row = c->frame_width * BLOCK;
    const ptrdiff_t in_blocks = (c->in_channels + BLOCK - 1) / BLOCK;
    const struct tile tile = {.in_channels = c->in_channels,
                              .kernel = c->kernel,
                              .x_pixel = c->stride * BLOCK,
                              .x_row = frame_row,
                              .x_block = frame_row * c->frame_height,
                              .y_pixel = BLOCK,
                              .y_block = c->height * c->width * BLOCK,
                              .w_block = in_blocks * c->kernel * c->kernel * BLOCK * BLOCK};
    const ptrdiff_t vectors = (c->out_channels + BLOCK - 1) / BLOCK * VECS;
    const struct tile_entry *t =
        best_tile(c->stride == 1 ? next : second, vectors, c->width,
                  c->in_channels * c->kernel * c->kernel);
    for (ptrdiff_t v = 0; v < vectors; v += t->vectors) { /* of these weights, all samples */
        for (ptrdiff_t s = 0; s < samples; s++) {
            for (ptrdiff_t i = 0; i < c->height; i++) {
                conv_row(t, (real *)y + s * y_sample + i * c->width * BLOCK,
                         (const real *)frames + s * in_blocks * tile.x_block +
                             i * c->stride * frame_row,
                         packed, bias, &tile, c->width, v);
            }
        }
    }
}

/* `count` products m = v u, each of `rows` pixels that follow each other in every block of `block`
 * reals; from one product to the next by the `_point` strides, and `u_block` reals from one output
 * block of a matrix to the next. */
void NAME(products)(real *m, ptrdiff_t m_point, const real *v, ptrdiff_t v_point, const real *u,
                    ptrdiff_t u_point, ptrdiff_t u_block, ptrdiff_t block, int count,
                    ptrdiff_t rows, ptrdiff_t in, ptrdiff_t out_blocks) {
    const struct tile tile = {.in_channels = in,
                              .kernel = 1,
                              .x_pixel = BLOCK,
                              .x_block = block,
                              .y_pixel = BLOCK,
                              .y_block = block,
                              .w_block = u_block};
    const struct tile_entry *t = best_tile(next, out_blocks * VECS, rows, in);
    for (int k = 0; k < count; k++) {
        for (ptrdiff_t w = 0; w < out_blocks * VECS; w += t->vectors) {
            conv_row(t, m + k * m_point, v + k * v_point, u + k * u_point, NULL, &tile,
                     rows, w);
        }
    }
}

void NAME(dense)(void *y, const void *x, const void *packed, const void *bias, ptrdiff_t rows,
                 ptrdiff_t in, ptrdiff_t out) {
    const ptrdiff_t in_blocks = (in + BLOCK - 1) / BLOCK, out_blocks = (out + BLOCK - 1) / BLOCK;
    const struct tile tile = {.in_channels = in,
                              .kernel = 1,
                              .x_pixel = in_blocks * BLOCK,
                              .x_block = BLOCK,
                              .y_pixel = out_blocks * BLOCK,
                              .y_block = BLOCK,
                              .w_block = in_blocks * BLOCK * BLOCK};
    const struct tile_entry *t = best_tile(apart, out_blocks * VECS, rows, in);
    for (ptrdiff_t v = 0; v < out_blocks * VECS; v += t->vectors) {
        conv_row(t, y, x, packed, bias, &tile, rows, v);
    }
}

/* dw[tap kx of T][channel of I][vector of G] = or, for `add`, += sum over pixels x dy. */
struct weights_tile {
    bool add;
    ptrdiff_t samples, height, width;
    ptrdiff_t x_pixel, x_row, x_sample, dy_pixel, dy_row, dy_sample, dy_vector[2];
    ptrdiff_t dw_tap, dw_vector[2];
};
INLINE void weights_tile(real *dw, const real *x, const real *dy, const struct weights_tile *c,
                         const int T, const int I, const int G) {
    vec acc[3][16][2]; /* [T][I][G] of it */
#pragma GCC unroll 28
    for (int k = 0; k < T * I * G; k++) {
        acc[k / (I * G)][k / G % I][k % G] = (vec){0};
    }
    for (ptrdiff_t n = 0; n < c->samples * c->height; n++) {
        const ptrdiff_t s = n / c->height, r = n % c->height;
        const real *xp = x + s * c->x_sample + r * c->x_row;
        const real *dp = dy + s * c->dy_sample + r * c->dy_row;
        for (ptrdiff_t j = 0; j < c->width; j++, xp += c->x_pixel, dp += c->dy_pixel) {
            vec d[2];
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                d[g] = load(dp + c->dy_vector[g]);
            }
#pragma GCC unroll 3
            for (int t = 0; t < T; t++) {
#pragma GCC unroll 16
                for (int i = 0; i < I; i++) {
                    vec value = splat(xp[t * BLOCK + i]);
#pragma GCC unroll 4
                    for (int g = 0; g < G; g++) {
                        acc[t][i][g] += value * d[g];
                    }
                }
            }
        }
    }
#pragma GCC unroll 3
    for (int t = 0; t < T; t++) {
#pragma GCC unroll 16
        for (int i = 0; i < I; i++) {
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                real *out = dw + t * c->dw_tap + i * BLOCK + c->dw_vector[g];
                vec sum = acc[t][i][g];
                if (c->add) {
                    sum += load(out);
                }
                store(out, sum);
            }
        }
    }
}

#if REGISTERS == 32
enum { I3_1 = 8, I3_2 = 4, I1_1 = 16, I1_2 = 8 };
#else
enum { I3_1 = 4, I3_2 = 2, I1_1 = 8, I1_2 = 4 };
#endif
static void weights_3_1(real *dw, const real *x, const real *dy, const struct weights_tile *c) {
    weights_tile(dw, x, dy, c, 3, I3_1, 1);
}
static void weights_3_2(real *dw, const real *x, const real *dy, const struct weights_tile *c) {
    weights_tile(dw, x, dy, c, 3, I3_2, 2);
}
static void weights_1_1(real *dw, const real *x, const real *dy, const struct weights_tile *c) {
    weights_tile(dw, x, dy, c, 1, I1_1, 1);
}
static void weights_1_2(real *dw, const real *x, const real *dy, const struct weights_tile *c) {
    weights_tile(dw, x, dy, c, 1, I1_2, 2);
}

/* All weights of a convolution over `taps_y` x T taps. Channels beyond in_channels are computed
 * too (they are zero in x) as far as the tile's width makes it simpler. */
static void conv_weights_all(real *dw, const real *x, const real *dy, ptrdiff_t in_channels,
                             ptrdiff_t out_blocks, int kernel, ptrdiff_t x_block,
                             ptrdiff_t dy_block, ptrdiff_t x_tap_row, struct weights_tile *c) {
    const ptrdiff_t in_blocks = (in_channels + BLOCK - 1) / BLOCK;
    const ptrdiff_t vectors = out_blocks * VECS, per_block = in_blocks * kernel * kernel;
    const int G = vectors % 2 == 0 ? 2 : 1;
    const int I = kernel == 3 ? (G == 2 ? I3_2 : I3_1) : (G == 2 ? I1_2 : I1_1);
    c->dw_tap = BLOCK * BLOCK;
    for (ptrdiff_t v = 0; v < vectors; v += G) {
        for (int g = 0; g < G; g++) {
            const ptrdiff_t block = (v + g) / VECS, lane = (v + g) % VECS * LANES;
            c->dy_vector[g] = block * dy_block + lane;
            c->dw_vector[g] = block * per_block * BLOCK * BLOCK + lane;
        }
        for (ptrdiff_t ib = 0; ib < in_blocks; ib++) {
            const ptrdiff_t left = in_channels - ib * BLOCK;
            const ptrdiff_t channels = left < BLOCK ? left : BLOCK;
            for (int ky = 0; ky < kernel; ky++) {
                for (ptrdiff_t i = 0; i < channels; i += I) {
                    real *out = dw + (ib * kernel + ky) * kernel * BLOCK * BLOCK + i * BLOCK;
                    const real *in = x + ib * x_block + ky * x_tap_row + i;
                    if (kernel == 3) {
                        (G == 2 ? weights_3_2 : weights_3_1)(out, in, dy, c);
                    } else {
                        (G == 2 ? weights_1_2 : weights_1_1)(out, in, dy, c);
                    }
                }
            }
        }
    }
}

void NAME(conv_weights)(void *dw, const void *frames_x, const void *frames_dy,
                        ptrdiff_t dy_sample, int dy_pad, const struct convolution *c,
                        ptrdiff_t samples, int add) {
    const ptrdiff_t row = c->frame_width * BLOCK, dy_row = (c->width + 2 * dy_pad) * BLOCK;
    struct weights_tile tile = {.add = add,
                                .samples = samples,
                                .height = c->height,
                                .width = c->width,
                                .x_pixel = c->stride * BLOCK,
                                .x_row = c->stride * row,
                                .x_sample = (c->in_channels + BLOCK - 1) / BLOCK * row *
                                            c->frame_height,
                                .dy_sample = dy_sample,
                                .dy_pixel = BLOCK,
                                .dy_row = dy_row};
    conv_weights_all(dw, frames_x, (const real *)frames_dy + dy_pad * (dy_row + BLOCK),
                     c->in_channels, (c->out_channels + BLOCK - 1) / BLOCK, c->kernel,
                     row * c->frame_height, dy_row * (c->height + 2 * dy_pad), row, &tile);
}

void NAME(dense_weights)(void *dw, const void *x, const void *dy, ptrdiff_t rows, ptrdiff_t in,
                         ptrdiff_t out, int add) {
    const ptrdiff_t out_blocks = (out + BLOCK - 1) / BLOCK;
    struct weights_tile tile = {.add = add,
                                .samples = 1,
                                .height = 1,
                                .width = rows,
                                .x_pixel = (in + BLOCK - 1) / BLOCK * BLOCK,
                                .dy_pixel = out_blocks * BLOCK};
    conv_weights_all(dw, x, dy, in, out_blocks, 1, BLOCK, BLOCK, 0, &tile);
}

void NAME(conv_bias)(void *dbias, const void *framed_dy, int pad, struct extent e) {
    const ptrdiff_t row = (e.width + 2 * pad) * BLOCK, area = (e.height + 2 * pad) * row;
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        for (int v = 0; v < VECS; v++) {
            vec sum = {0};
            for (ptrdiff_t i = 0; i < e.height; i++) {
                const real *d =
                    (const real *)framed_dy + b * area + (i + pad) * row + pad * BLOCK + v * LANES;
                for (ptrdiff_t j = 0; j < e.width; j++) {
                    sum += load(d + j * BLOCK);
                }
            }
            real *out = (real *)dbias + b * BLOCK + v * LANES;
            store(out, load(out) + sum);
        }
    }
}

void NAME(pack)(void *packed, const void *w_, ptrdiff_t out, ptrdiff_t in, int kernel,
                int transposed) {
    const real *w = w_;
    real *p = packed;
    const ptrdiff_t taps = (ptrdiff_t)kernel * kernel;
    const ptrdiff_t to = transposed ? in : out, from = transposed ? out : in;
    const ptrdiff_t to_step = transposed ? taps : in * taps;
    const ptrdiff_t from_step = transposed ? in * taps : taps;
    for (ptrdiff_t a0 = 0; a0 < to; a0 += BLOCK) {
        const ptrdiff_t width = to - a0 < BLOCK ? to - a0 : BLOCK;
        for (ptrdiff_t b0 = 0; b0 < from; b0 += BLOCK) {
            for (ptrdiff_t k = 0; k < taps; k++, p += BLOCK * BLOCK) {
                const real *tap = w + (transposed ? taps - 1 - k : k) + a0 * to_step;
                for (ptrdiff_t b = 0; b < BLOCK; b++) {
                    const ptrdiff_t filled = b0 + b < from ? width : 0;
                    for (ptrdiff_t a = 0; a < filled; a++) {
                        p[b * BLOCK + a] = tap[(b0 + b) * from_step + a * to_step];
                    }
                    for (ptrdiff_t a = filled; a < BLOCK; a++) {
                        p[b * BLOCK + a] = 0;
                    }
                }
            }
        }
    }
}

void NAME(unpack_add)(void *dw_, void *packed, ptrdiff_t parts, ptrdiff_t part_stride,
                      ptrdiff_t out, ptrdiff_t in, int kernel) {
    real *p = packed, *dw = dw_;
    const ptrdiff_t taps = (ptrdiff_t)kernel * kernel, in_blocks = (in + BLOCK - 1) / BLOCK;
    const ptrdiff_t len = (out + BLOCK - 1) / BLOCK * in_blocks * taps * BLOCK * BLOCK;
    for (ptrdiff_t n = 1; n < parts; n++) {
        for (ptrdiff_t k = 0; k < len; k += LANES) {
            store(p + k, load(p + k) + load(p + n * part_stride + k));
        }
    }
    for (ptrdiff_t o = 0; o < out; o++) {
        for (ptrdiff_t i = 0; i < in; i++) {
            const real *q = p + (o / BLOCK * in_blocks + i / BLOCK) * taps * BLOCK * BLOCK +
                            i % BLOCK * BLOCK + o % BLOCK;
            for (ptrdiff_t k = 0; k < taps; k++) {
                dw[(o * in + i) * taps + k] += q[k * BLOCK * BLOCK];
            }
        }
    }
}
