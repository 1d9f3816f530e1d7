/* Reading and differentiating through a transform, one sample at a time: value, slope, moments,
 * grad_moments, combine, dot. Loops run block by block, vector column by vector column, so that
 * per-channel constants stay in registers. */
#include "kernels/table.h"

#include <assert.h>
#include <string.h>

static void clear_frame(real *y, ptrdiff_t len) {
    memset(y, 0, (size_t)len * sizeof *y);
}

/* Zeros around the inside of a frame, which is written by somebody else. */
static void clear_borders(real *frame, int pad, ptrdiff_t blocks, ptrdiff_t height,
                          ptrdiff_t width) {
    const ptrdiff_t row = (width + 2 * pad) * BLOCK, area = (height + 2 * pad) * row;
    for (ptrdiff_t b = 0; b < blocks && pad; b++) {
        real *y = frame + b * area;
        clear_frame(y, pad * row + pad * BLOCK);
        for (ptrdiff_t i = 0; i + 1 < height; i++) {
            clear_frame(y + (i + pad + 1) * row - pad * BLOCK, 2 * pad * BLOCK);
        }
        clear_frame(y + (height + pad) * row - pad * BLOCK, pad * row + pad * BLOCK);
    }
}

void NAME(value)(void *y_, int pad, const void *x_, struct extent e, const struct transform *t) {
    const ptrdiff_t row = (e.width + 2 * pad) * BLOCK, area = (e.height + 2 * pad) * row;
    clear_borders(y_, pad, e.blocks, e.height, e.width);
#define LOOP(ACT, SHAPE)                                                                           \
    for (ptrdiff_t b = 0; b < e.blocks; b++) {                                                     \
        vec scale[VECS], shift[VECS];                                                              \
        for (int v = 0; v < VECS; v++) {                                                           \
            scale[v] = load_channel(t->scale, b, v);                                               \
            shift[v] = load_channel(t->shift, b, v);                                               \
        }                                                                                          \
        const real *x = (const real *)x_ + b * e.height * e.width * BLOCK;                         \
        for (ptrdiff_t i = 0; i < e.height; i++) {                                                 \
            real *y = (real *)y_ + b * area + (i + pad) * row + pad * BLOCK;                       \
            for (ptrdiff_t j = 0; j < e.width; j++, x += BLOCK, y += BLOCK) {                      \
                for (int v = 0; v < VECS; v++) {                                                   \
                    store(y + v * LANES,                                                           \
                          vec_value(load(x + v * LANES), ACT, SHAPE, scale[v], shift[v]));         \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
    TRANSFORM_SWITCH(LOOP)
#undef LOOP
}

/* Gradient by x, given g by the value (PLAIN, ACT_FIRST) or by the normalised value (ACT_LAST):
 * through the norm, g -> scale (g - m1 - xhat m2); through the activation, times its slope.
 * NUMERICS.md eq. 23. */
INLINE vec vec_slope(vec g, vec x, enum activation act, enum shape_of_transform shape, vec scale,
                     vec mean, vec rstd, vec m1, vec m2) {
    switch (shape) {
    case PLAIN:
        return g * vec_act_slope(x, act);
    case ACT_FIRST: {
        vec xhat = (vec_act(x, act) - mean) * rstd;
        return scale * (g - m1 - xhat * m2) * vec_act_slope(x, act);
    }
    case ACT_LAST: {
        vec xhat = (x - mean) * rstd;
        return scale * (g - m1 - xhat * m2);
    }
    }
    return g;
}

void NAME(slope)(void *dx_, int pad, int dilate, ptrdiff_t rows, ptrdiff_t columns, const void *g_,
                 const void *x_, struct extent e, const struct transform *t, double factor) {
    const ptrdiff_t row = (columns + 2 * pad) * BLOCK, area = (rows + 2 * pad) * row;
    if (dilate > 1) {
        clear_frame(dx_, e.blocks * area);
    } else {
        clear_borders(dx_, pad, e.blocks, rows, columns);
    }
    const real f = (real)factor;
#define LOOP(ACT, SHAPE)                                                                           \
    for (ptrdiff_t b = 0; b < e.blocks; b++) {                                                     \
        vec scale[VECS], mean[VECS], rstd[VECS], m1[VECS], m2[VECS];                               \
        for (int v = 0; v < VECS; v++) {                                                           \
            scale[v] = load_channel(t->scale, b, v) * f;                                           \
            mean[v] = load_channel(t->mean, b, v);                                                 \
            rstd[v] = load_channel(t->rstd, b, v);                                                 \
            m1[v] = load_channel(t->m1, b, v);                                                     \
            m2[v] = load_channel(t->m2, b, v);                                                     \
        }                                                                                          \
        const real *x = (const real *)x_ + b * e.height * e.width * BLOCK;                         \
        const real *g = (const real *)g_ + b * e.height * e.width * BLOCK;                         \
        for (ptrdiff_t i = 0; i < e.height; i++) {                                                 \
            real *dx = (real *)dx_ + b * area + (i * dilate + pad) * row + pad * BLOCK;            \
            for (ptrdiff_t j = 0; j < e.width; j++) {                                              \
                for (int v = 0; v < VECS; v++) {                                                   \
                    vec gv = load(g + v * LANES);                                                  \
                    vec xv = load(x + v * LANES);                                                  \
                    if (SHAPE == PLAIN) {                                                          \
                        gv *= f;                                                                   \
                    }                                                                              \
                    store(dx + v * LANES, vec_slope(gv, xv, ACT, SHAPE, scale[v], mean[v],         \
                                                    rstd[v], m1[v], m2[v]));                       \
                }                                                                                  \
                x += BLOCK;                                                                        \
                g += BLOCK;                                                                        \
                dx += dilate * BLOCK;                                                              \
            }                                                                                      \
        }                                                                                          \
    }
    TRANSFORM_SWITCH(LOOP)
#undef LOOP
}

/* Merges (n, mean, sum of squared deviations) of two sets. NUMERICS.md eq. 21. */
static void merge_moments(double *mean, double *m2, double count, double added, double other_mean,
                          double other_m2) {
    const double delta = other_mean - *mean, total = count + added;
    *mean += delta * added / total;
    *m2 += other_m2 + delta * delta * count * added / total;
}

void NAME(moments)(double *moments, ptrdiff_t count, const void *x_, struct extent e,
                   enum activation act) {
    const ptrdiff_t pixels = e.height * e.width, channels = e.blocks * BLOCK;
    const struct transform plain = {.act = act}, *t = &plain;
    real lane_mean[BLOCK] __attribute__((aligned(64))), lane_m2[BLOCK] __attribute__((aligned(64)));
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        const real *x = (const real *)x_ + b * pixels * BLOCK;
        vec sum[VECS] = {{0}}, square[VECS] = {{0}};
#define LOOP(ACT, SHAPE)                                                                           \
    if (SHAPE == PLAIN) {                                                                          \
        for (ptrdiff_t i = 0; i < pixels; i++) {                                                   \
            for (int v = 0; v < VECS; v++) {                                                       \
                sum[v] += vec_act(load(x + i * BLOCK + v * LANES), ACT);                           \
            }                                                                                      \
        }                                                                                          \
        for (int v = 0; v < VECS; v++) {                                                           \
            sum[v] = sum[v] / splat((real)pixels);                                                 \
        }                                                                                          \
        for (ptrdiff_t i = 0; i < pixels; i++) {                                                   \
            for (int v = 0; v < VECS; v++) {                                                       \
                vec d = vec_act(load(x + i * BLOCK + v * LANES), ACT) - sum[v];                    \
                square[v] += d * d;                                                                \
            }                                                                                      \
        }                                                                                          \
    }
        TRANSFORM_SWITCH(LOOP)
#undef LOOP
        for (int v = 0; v < VECS; v++) {
            store(lane_mean + v * LANES, sum[v]);
            store(lane_m2 + v * LANES, square[v]);
        }
        for (int l = 0; l < BLOCK; l++) {
            merge_moments(&moments[b * BLOCK + l], &moments[channels + b * BLOCK + l],
                          (double)count, (double)pixels, (double)lane_mean[l], (double)lane_m2[l]);
        }
    }
}

void NAME(grad_moments)(double *sums, void *g_, const void *x_, struct extent e,
                        const struct transform *t) {
    const ptrdiff_t pixels = e.height * e.width, channels = e.blocks * BLOCK;
    real lane_g[BLOCK] __attribute__((aligned(64))), lane_gx[BLOCK] __attribute__((aligned(64)));
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        const real *x = (const real *)x_ + b * pixels * BLOCK;
        real *g = (real *)g_ + b * pixels * BLOCK;
        vec scale[VECS], shift[VECS], mean[VECS], rstd[VECS], sum_g[VECS] = {{0}},
            sum_gx[VECS] = {{0}};
        for (int v = 0; v < VECS; v++) {
            scale[v] = load_channel(t->scale, b, v);
            shift[v] = load_channel(t->shift, b, v);
            mean[v] = load_channel(t->mean, b, v);
            rstd[v] = load_channel(t->rstd, b, v);
        }
#define LOOP(ACT, SHAPE)                                                                           \
    if (SHAPE != PLAIN) {                                                                          \
        for (ptrdiff_t i = 0; i < pixels; i++, x += BLOCK, g += BLOCK) {                           \
            for (int v = 0; v < VECS; v++) {                                                       \
                vec xv = load(x + v * LANES), gv = load(g + v * LANES);                            \
                if (SHAPE == ACT_LAST && ACT != ACT_NONE) {                                        \
                    gv *= vec_act_slope(xv * scale[v] + shift[v], ACT);                            \
                    store(g + v * LANES, gv);                                                      \
                }                                                                                  \
                vec base = vec_act(xv, SHAPE == ACT_FIRST ? ACT : ACT_NONE);                       \
                vec xhat = (base - mean[v]) * rstd[v];                                             \
                sum_g[v] += gv;                                                                    \
                sum_gx[v] += gv * xhat;                                                            \
            }                                                                                      \
        }                                                                                          \
    }
        TRANSFORM_SWITCH(LOOP)
#undef LOOP
        for (int v = 0; v < VECS; v++) {
            store(lane_g + v * LANES, sum_g[v]);
            store(lane_gx + v * LANES, sum_gx[v]);
        }
        for (int l = 0; l < BLOCK; l++) {
            sums[b * BLOCK + l] += (double)lane_g[l];
            sums[channels + b * BLOCK + l] += (double)lane_gx[l];
        }
    }
}

static int is_plain(const struct transform *t) {
    return t->act == ACT_NONE && !t->scale;
}

/* y = the sum over all terms of `run` vectors, 16 reals apart, from `offset` on: lane v of block b.
 * What is not plain has activation `act` and shape `shape`. */
INLINE void sum_run(real *y, ptrdiff_t offset, ptrdiff_t b, int v, int count,
                    const struct term *terms, enum activation act, enum shape_of_transform shape,
                    const int run) {
    vec sum[8];
#pragma GCC unroll 8
    for (int i = 0; i < run; i++) {
        sum[i] = (vec){0};
    }
    for (int k = 0; k < count; k++) {
        const struct transform *t = &terms[k].transform;
        const real *x = (const real *)terms[k].x + offset, f = (real)terms[k].factor;
        if (is_plain(t)) {
#pragma GCC unroll 8
            for (int i = 0; i < run; i++) {
                sum[i] += load(x + i * BLOCK) * f;
            }
            continue;
        }
        vec scale = load_channel(t->scale, b, v), shift = load_channel(t->shift, b, v);
        if (shape == ACT_FIRST) { /* the factor belongs to the affine part */
            scale *= f;
            shift *= f;
        }
#pragma GCC unroll 8
        for (int i = 0; i < run; i++) {
            vec value = vec_value(load(x + i * BLOCK), act, shape, scale, shift);
            if (shape != ACT_FIRST) {
                value *= f;
            }
            sum[i] += value;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < run; i++) {
        store(y + offset + i * BLOCK, sum[i]);
    }
}

void NAME(combine)(void *y, struct extent e, int count, const struct term *terms) {
    const ptrdiff_t pixels = e.height * e.width;
    const struct transform plain = {.act = ACT_NONE}, *t = &plain;
    for (int k = 0; k < count; k++) {
        const struct transform *other = &terms[k].transform;
        if (!is_plain(other)) {
            assert(is_plain(t) || (t->act == other->act &&
                                   transform_shape(t) == transform_shape(other)));
            t = other;
        }
    }
#define LOOP(ACT, SHAPE)                                                                           \
    for (ptrdiff_t b = 0; b < e.blocks; b++) {                                                     \
        for (int v = 0; v < VECS; v++) {                                                           \
            const ptrdiff_t at = b * pixels * BLOCK + v * LANES;                                   \
            enum { run = (ACT) == ACT_NONE || (ACT) == ACT_RELU ? 8 : 2 };                         \
            ptrdiff_t i = 0;                                                                       \
            for (; i + run <= pixels; i += run) {                                                  \
                sum_run(y, at + i * BLOCK, b, v, count, terms, ACT, SHAPE, run);                   \
            }                                                                                      \
            for (; i < pixels; i++) {                                                              \
                sum_run(y, at + i * BLOCK, b, v, count, terms, ACT, SHAPE, 1);                     \
            }                                                                                      \
        }                                                                                          \
    }
    TRANSFORM_SWITCH(LOOP)
#undef LOOP
}

double NAME(dot)(const void *g_, const void *x_, struct extent e, const struct transform *t) {
    const ptrdiff_t pixels = e.height * e.width;
    double total = 0.0;
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        const real *x = (const real *)x_ + b * pixels * BLOCK;
        const real *g = (const real *)g_ + b * pixels * BLOCK;
        for (int v = 0; v < VECS; v++) {
            vec scale = load_channel(t->scale, b, v), shift = load_channel(t->shift, b, v);
            vec sum = {0};
#define LOOP(ACT, SHAPE)                                                                           \
    for (ptrdiff_t i = 0; i < pixels; i++) {                                                       \
        sum += load(g + i * BLOCK + v * LANES) *                                                   \
               vec_value(load(x + i * BLOCK + v * LANES), ACT, SHAPE, scale, shift);               \
    }
            TRANSFORM_SWITCH(LOOP)
#undef LOOP
            for (int l = 0; l < LANES; l++) {
                total += (double)sum[l];
            }
        }
    }
    return total;
}

void NAME(pool_mean)(void *y_, const void *x_, struct extent e, const struct transform *t) {
    const ptrdiff_t pixels = e.height * e.width;
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        const real *x = (const real *)x_ + b * pixels * BLOCK;
        for (int v = 0; v < VECS; v++) {
            vec scale = load_channel(t->scale, b, v), shift = load_channel(t->shift, b, v);
            vec sum = {0};
#define LOOP(ACT, SHAPE)                                                                           \
    for (ptrdiff_t i = 0; i < pixels; i++) {                                                       \
        sum += vec_value(load(x + i * BLOCK + v * LANES), ACT, SHAPE, scale, shift);               \
    }
            TRANSFORM_SWITCH(LOOP)
#undef LOOP
            store((real *)y_ + b * BLOCK + v * LANES, sum / splat((real)pixels));
        }
    }
}

void NAME(pool_mean_back)(void *g_, const void *dy_, struct extent e) {
    const ptrdiff_t pixels = e.height * e.width;
    for (ptrdiff_t b = 0; b < e.blocks; b++) {
        for (int v = 0; v < VECS; v++) {
            vec dy = load((const real *)dy_ + b * BLOCK + v * LANES) / splat((real)pixels);
            real *g = (real *)g_ + b * pixels * BLOCK + v * LANES;
            for (ptrdiff_t i = 0; i < pixels; i++) {
                store(g + i * BLOCK, dy);
            }
        }
    }
}

/* Padding channels of y become zero. */
void NAME(from_plain)(void *y_, const void *x_, ptrdiff_t channels, ptrdiff_t pixels) {
    const ptrdiff_t blocks = (channels + BLOCK - 1) / BLOCK;
    const real *x = x_;
    real *y = y_;
    clear_frame(y, blocks * pixels * BLOCK);
    for (ptrdiff_t c = 0; c < channels; c++) {
        for (ptrdiff_t i = 0; i < pixels; i++) {
            y[(c / BLOCK * pixels + i) * BLOCK + c % BLOCK] = x[c * pixels + i];
        }
    }
}

void NAME(to_plain)(void *y_, const void *x_, ptrdiff_t channels, ptrdiff_t pixels) {
    const real *x = x_;
    real *y = y_;
    for (ptrdiff_t c = 0; c < channels; c++) {
        for (ptrdiff_t i = 0; i < pixels; i++) {
            y[c * pixels + i] = x[(c / BLOCK * pixels + i) * BLOCK + c % BLOCK];
        }
    }
}
