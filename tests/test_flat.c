/* Long arrays on several threads: every element once, and the same bits for any number of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learn/flat.h"
#include "learn/optim.h"

enum { LEN = 3 * FLAT_PIECE + 1237 };

static float *draw(uint64_t stream) {
    float *x = malloc(LEN * sizeof *x);
    for (ptrdiff_t i = 0; i < LEN; i++) {
        x[i] = (float)rng_normal(7, stream, (uint64_t)i);
    }
    return x;
}

Test(flat, pieces_cover_every_element_once) {
    const ptrdiff_t lens[] = {0, 1, FLAT_PIECE, FLAT_PIECE + 1, LEN,
                              (ptrdiff_t)FLAT_PIECE * FLAT_PIECES + 77, 1234567891};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        const struct flat flat = flat_of(lens[i]);
        cr_assert_leq(flat.pieces, FLAT_PIECES);
        ptrdiff_t next = 0, len;
        for (int piece = 0; piece < flat.pieces; piece++) {
            cr_assert_eq(flat_piece(&flat, piece, &len), next);
            cr_assert_gt(len, 0);
            next += len;
        }
        cr_assert_eq(next, lens[i]);
    }
}

Test(flat, sum_of_squares_is_the_same_bits_for_any_threads) {
    const struct kernels *k = kernels_find(PRECISION_F32);
    float *x = draw(1);
    double naive = 0;
    for (ptrdiff_t i = 0; i < LEN; i++) {
        naive += (double)x[i] * (double)x[i];
    }
    const double alone = flat_sum_squares(k, NULL, x, LEN);
    cr_assert_float_eq(alone, naive, 1e-12 * naive);
    for (int threads = 2; threads <= 4; threads++) {
        struct error error;
        struct pool *pool = pool_create(threads, &error);
        cr_assert_eq(flat_sum_squares(k, pool, x, LEN), alone, "%d threads", threads);
        pool_free(pool);
    }
    free(x);
}

Test(flat, inner_products_and_sums_are_the_same_bits_for_any_threads) {
    const struct kernels *k = kernels_find(PRECISION_F32);
    float *x = draw(3), *y = draw(4), *sum = draw(4);
    double naive = 0, size = 0;
    for (ptrdiff_t i = 0; i < LEN; i++) {
        naive += (double)x[i] * (double)y[i];
        size += fabs((double)x[i] * (double)y[i]);
    }
    const double alone = flat_inner(k, NULL, x, y, LEN);
    cr_assert_float_eq(alone, naive, 1e-12 * size);
    flat_add_scaled(k, NULL, sum, x, 0.375, LEN);
    for (ptrdiff_t i = 0; i < LEN; i++) {
        cr_assert_float_eq(sum[i], y[i] + 0.375f * x[i], 1e-6f * (1 + fabsf(y[i])));
    }
    for (int threads = 2; threads <= 4; threads++) {
        struct error error;
        struct pool *pool = pool_create(threads, &error);
        float *again = draw(4);
        cr_assert_eq(flat_inner(k, pool, x, y, LEN), alone, "%d threads", threads);
        flat_add_scaled(k, pool, again, x, 0.375, LEN);
        cr_assert_eq(memcmp(again, sum, LEN * sizeof *sum), 0, "%d threads", threads);
        free(again);
        pool_free(pool);
    }
    free(x);
    free(y);
    free(sum);
}

Test(flat, set_and_scale_reach_every_element) {
    const struct kernels *k = kernels_find(PRECISION_F32);
    struct error error;
    struct pool *pool = pool_create(3, &error);
    float *x = draw(2);
    flat_set(k, pool, x, 1.25, LEN);
    flat_scale(k, pool, x, -3, LEN);
    for (ptrdiff_t i = 0; i < LEN; i++) {
        cr_assert_eq(x[i], -3.75F);
    }
    pool_free(pool);
    free(x);
}

Test(flat, optimisers_update_the_same_bits_on_any_threads) {
    const char *const configs[] = {"{\"kind\":\"sgd\",\"lr\":0.1,\"momentum\":0.9}",
                                   "{\"kind\":\"adam\",\"lr\":0.01}",
                                   "{\"kind\":\"adamw\",\"lr\":0.01}"};
    const struct kernels *k = kernels_find(PRECISION_F32);
    struct error error;
    struct pool *pool = pool_create(3, &error);
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
        cJSON *config = cJSON_Parse(configs[c]);
        struct optim *alone = optim_create(config, k, LEN, &error);
        struct optim *together = optim_create(config, k, LEN, &error);
        cJSON_Delete(config);
        float *w = draw(3), *copy = draw(3), *g = draw(4);
        for (int step = 0; step < 3; step++) {
            optim_step(alone, NULL, w, g, 0.037);
            optim_step(together, pool, copy, g, 0.037);
        }
        cr_assert_eq(memcmp(w, copy, LEN * sizeof *w), 0, "%s", configs[c]);
        optim_free(alone);
        optim_free(together);
        free(w);
        free(copy);
        free(g);
    }
    pool_free(pool);
}
