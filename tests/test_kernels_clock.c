/* Kernels on rows with clocks of their own, in every variant, against what they say; and what is
 * not finite. */
#include "finite.h"

enum { ROWS = 7, LEN = 48 };
static const ptrdiff_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 33};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void check_timed(const struct kernels *k, ptrdiff_t in) {
    const ptrdiff_t x_row = blocks_of(in) * BLOCK, y_row = blocks_of(in + 1) * BLOCK;
    const double part = 0.37;
    double *x = random_doubles(ROWS * x_row, -1.3, 1.4), *clock = random_doubles(ROWS * 2, -3, 3);
    double *g = random_doubles(ROWS * y_row, -1, 1);
    double *y = zero_doubles(ROWS * y_row), *bound = zero_doubles(ROWS * y_row);
    double *dx = zero_doubles(ROWS * x_row), *none = zero_doubles(ROWS * x_row);
    for (int r = 0; r < ROWS; r++) {
        for (ptrdiff_t i = 0; i < in; i++) {
            y[r * y_row + i] = x[r * x_row + i];
            dx[r * x_row + i] = g[r * y_row + i];
        }
        y[r * y_row + in] = clock[2 * r] + part * clock[2 * r + 1];
        bound[r * y_row + in] = fabs(clock[2 * r]) + fabs(clock[2 * r + 1]);
    }
    void *ours_x = reals_of(k, x, ROWS * x_row), *ours_clock = reals_of(k, clock, ROWS * 2);
    void *ours_g = reals_of(k, g, ROWS * y_row);
    void *ours_y = unset_reals(k, ROWS * y_row), *ours_dx = unset_reals(k, ROWS * x_row);
    k->timed(ours_y, ours_x, ROWS, in, ours_clock, part);
    expect_near(k, ours_y, y, bound, ROWS * y_row, "timed, %td values", in);
    k->timed_back(ours_dx, ours_g, ROWS, in);
    expect_near(k, ours_dx, dx, none, ROWS * x_row, "timed_back, %td values", in);
    void *const all[] = {x, clock, g, y, bound, dx, none, ours_x, ours_clock, ours_g, ours_y, ours_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

Test(kernels_clock, timed_rows_have_their_time_behind_their_values) {
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        for (int s = 0; s < SIZES; s++) {
            check_timed(k, sizes[s]);
        }
    }
}

Test(kernels_clock, paced_rows_are_multiplied_by_their_dt) {
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        double *x = random_doubles(ROWS * LEN, -2, 2), *clock = random_doubles(ROWS * 2, -3, 3);
        double *y = zero_doubles(ROWS * LEN), *bound = zero_doubles(ROWS * LEN);
        for (int i = 0; i < ROWS * LEN; i++) {
            y[i] = x[i] * clock[i / LEN * 2 + 1];
            bound[i] = fabs(y[i]);
        }
        void *ours = reals_of(k, x, ROWS * LEN), *ours_clock = reals_of(k, clock, ROWS * 2);
        k->pace(ours, ROWS, LEN, ours_clock);
        expect_near(k, ours, y, bound, ROWS * LEN, "pace");
        void *const all[] = {x, clock, y, bound, ours, ours_clock};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            free(all[i]);
        }
    }
}

/* ---- what is not finite ---- */

enum { IN_X, IN_CLOCK, IN_G };

/* Outputs of a row: n values and their time, n gradients, n paced values. */
static void clock_run(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    const ptrdiff_t n = p->features_in, x_row = blocks_of(n) * BLOCK;
    const ptrdiff_t y_row = blocks_of(n + 1) * BLOCK;
    void *y = unset_reals(k, p->rows * y_row), *dx = unset_reals(k, p->rows * x_row);
    k->timed(y, in[IN_X], p->rows, n, in[IN_CLOCK], 0.6);
    k->timed_back(dx, in[IN_G], p->rows, n);
    k->pace(in[IN_X], p->rows, x_row, in[IN_CLOCK]);
    double *values = doubles_of(k, y, p->rows * y_row), *back = doubles_of(k, dx, p->rows * x_row);
    double *paced = doubles_of(k, in[IN_X], p->rows * x_row);
    for (ptrdiff_t r = 0; r < p->rows; r++, out += 3 * n + 1) {
        memcpy(out, values + r * y_row, (size_t)(n + 1) * sizeof *out);
        memcpy(out + n + 1, back + r * x_row, (size_t)n * sizeof *out);
        memcpy(out + 2 * n + 1, paced + r * x_row, (size_t)n * sizeof *out);
    }
    void *const all[] = {y, dx, values, back, paced};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

static enum reach clock_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const ptrdiff_t n = p->features_in, row = out / (3 * n + 1), to = out % (3 * n + 1);
    const bool paced = to > 2 * n, value = to < n;
    const ptrdiff_t len = from->input == IN_X   ? blocks_of(n) * BLOCK
                          : from->input == IN_G ? blocks_of(n + 1) * BLOCK
                                                : 2;
    const ptrdiff_t feature = from->index % len;
    if (from->index / len != row) {
        return NEVER;
    }
    switch (from->input) {
    case IN_X:
        return must_if((value && to == feature) || (paced && to - 2 * n - 1 == feature));
    case IN_G:
        return must_if(to > n && !paced && to - n - 1 == feature);
    default:
        return must_if(to == n || (paced && feature == 1));
    }
}

Test(kernels_clock, what_is_not_finite_stays_in_its_row) {
    for (int s = 0; s < SIZES; s++) {
        struct probe p = {.what = "clock", .run = clock_run, .reach = clock_reach, .rows = 3,
                          .features_in = sizes[s]};
        p.out_len = p.rows * (3 * sizes[s] + 1);
        add_random(&p, REALS, p.rows * blocks_of(sizes[s]) * BLOCK);
        add_random(&p, REALS, p.rows * 2);
        add_random(&p, REALS, p.rows * blocks_of(sizes[s] + 1) * BLOCK);
        check(&p);
    }
}
