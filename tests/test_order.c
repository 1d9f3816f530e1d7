#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "study/order.h"

enum { GRIDS = 9 };

struct series {
    double h[GRIDS], error[GRIDS];
};

/* error = constant h^slope (1 + bend h) on h = 1/4, 1/8, ..., never below `floor`. */
static struct series power_law(double constant, double slope, double bend, double floor) {
    struct series series;
    for (int i = 0; i < GRIDS; i++) {
        const double h = 0.25 / (1 << i);
        series.h[i] = h;
        series.error[i] = fmax(constant * pow(h, slope) * (1 + bend * h), floor);
    }
    return series;
}

static struct order_fit fitted(const struct series *series, int count, double floor) {
    struct order_fit fit;
    order_fit(series->h, series->error, count, floor, false, &fit);
    return fit;
}

Test(order, a_pure_power_is_recovered_from_all_grids) {
    const struct series series = power_law(3.7, 4, 0, 0);
    const struct order_fit fit = fitted(&series, GRIDS, 0);
    cr_expect_eq(fit.status, ORDER_FITTED);
    cr_expect_eq(fit.first, 0);
    cr_expect_eq(fit.count, GRIDS);
    cr_expect_float_eq(fit.slope, 4, 1e-12);
    cr_expect_float_eq(fit.interval, 0, 1e-11);
    cr_expect_float_eq(fit.constant, 3.7, 1e-10);
    cr_expect_eq(fit.floored, 0);
    for (int i = 0; i + 1 < GRIDS; i++) {
        cr_expect_float_eq(fit.local[i], 4, 1e-12);
    }
    cr_expect(isnan(fit.local[GRIDS - 1]));
}

Test(order, coarse_grids_before_the_asymptotic_range_are_left_out) {
    const struct series series = power_law(0.9, 2, 15, 0);
    const struct order_fit fit = fitted(&series, GRIDS, 0);
    cr_expect_eq(fit.status, ORDER_FITTED);
    cr_expect_gt(fit.first, 0);
    cr_expect_eq(fit.first + fit.count, GRIDS);
    cr_expect_float_eq(fit.slope, 2, 0.1, "%g", fit.slope);
    cr_expect_lt(fit.interval, 0.1);
}

Test(order, grids_within_thirty_times_the_floor_are_left_out_and_counted) {
    const struct series series = power_law(1, 4, 0, 1e-9);
    const struct order_fit fit = fitted(&series, GRIDS, 1e-10);
    int below = 0;
    for (int i = 0; i < GRIDS; i++) {
        below += series.error[i] <= 30 * 1e-10;
    }
    cr_expect_gt(below, 2);
    cr_expect_eq(fit.floored, below);
    cr_expect_eq(fit.count, GRIDS - below);
    cr_expect_float_eq(fit.slope, 4, 1e-9);
    cr_expect(isnan(fit.local[fit.count - 1]));
}

Test(order, the_interval_is_students_and_shrinks_with_the_grids) {
    /* Three grids with residuals 1, -2, 1 times d on equal distances in log h: the slope is exact,
     * its deviation is sqrt(6 d^2 / 1 / (2 log^2 2)), and t of one degree of freedom 12.706. */
    const double d = 0.003;
    struct series series = power_law(1, 1, 0, 0);
    series.error[0] *= exp(d);
    series.error[1] *= exp(-2 * d);
    series.error[2] *= exp(d);
    const struct order_fit fit = fitted(&series, 3, 0);
    cr_expect_eq(fit.count, 3);
    cr_expect_float_eq(fit.slope, 1, 1e-12);
    cr_expect_float_eq(fit.interval, 12.706 * d * sqrt(3) / log(2), 1e-9);
}

/* Over many fits of a line with normal noise the interval covers the slope 95 times in 100. */
Test(order, the_interval_covers_the_slope_as_often_as_it_says) {
    const uint64_t stream = rng_stream("coverage");
    int covered = 0, all = 0;
    for (uint64_t trial = 0; trial < 2000; trial++) {
        struct series series = power_law(1, 2, 0, 0);
        for (uint64_t i = 0; i < 7; i++) {
            series.error[i] *= exp(0.01 * rng_normal(7, stream, 7 * trial + i));
        }
        const struct order_fit fit = fitted(&series, 7, 0);
        if (fit.count == 7) {
            all++;
            covered += fabs(fit.slope - 2) <= fit.interval;
        }
    }
    cr_expect_gt(all, 1500);
    const double share = (double)covered / all;
    cr_expect_float_eq(share, 0.95, 5 * sqrt(0.95 * 0.05 / all), "%g of %d", share, all);
}

Test(order, of_two_windows_the_longer_wins_and_of_equals_the_finer) {
    /* Slope 1 over the first `bend` steps, then slope 3. */
    for (int bend = 2; bend <= 6; bend += 2) {
        struct series series = power_law(1, 1, 0, 0);
        for (int i = bend + 1; i < GRIDS; i++) {
            series.error[i] = series.error[i - 1] / 8;
        }
        const struct order_fit fit = fitted(&series, GRIDS, 0);
        cr_expect_float_eq(fit.slope, bend > 4 ? 1 : 3, 1e-9, "bend %d: %g", bend, fit.slope);
        cr_expect_eq(fit.count, bend > 4 ? bend + 1 : GRIDS - bend);
    }
}

Test(order, unequal_refinements_are_fitted_too) {
    const double h[] = {1.0 / 3, 1.0 / 7, 1.0 / 12, 1.0 / 50};
    double error[4];
    for (int i = 0; i < 4; i++) {
        error[i] = 0.2 * pow(h[i], 3);
    }
    struct order_fit fit;
    order_fit(h, error, 4, 0, false, &fit);
    cr_expect_eq(fit.count, 4);
    cr_expect_float_eq(fit.slope, 3, 1e-12);
    cr_expect_float_eq(fit.constant, 0.2, 1e-12);
}

Test(order, what_gives_no_order_says_why) {
    struct series series = power_law(1, 2, 0, 0);
    struct order_fit fit = fitted(&series, 2, 0);
    cr_expect_eq(fit.status, ORDER_FEW);
    cr_expect(isnan(fit.slope) && isnan(fit.interval) && fit.count == 0);
    cr_expect_eq(fitted(&series, 0, 0).status, ORDER_FEW);
    cr_expect_eq(fitted(&series, GRIDS, 1).status, ORDER_FLOOR);
    cr_expect_eq(fitted(&series, GRIDS, NAN).status, ORDER_FLOOR);
    for (int i = 0; i < GRIDS; i++) {
        series.error[i] = i < 7 ? (double)(i % 2 ? NAN : INFINITY) : 0.1;
    }
    cr_expect_eq(fitted(&series, GRIDS, 0).status, ORDER_DIVERGED);
    for (int i = 0; i < GRIDS; i++) {
        series.error[i] = i % 2 ? 1 : 2;
    }
    cr_expect_eq(fitted(&series, GRIDS, 0).status, ORDER_BENT);
    memset(series.error, 0, sizeof series.error);
    cr_expect_eq(fitted(&series, GRIDS, 0).status, ORDER_FLOOR);
}

Test(order, scattered_slopes_are_a_window_only_where_the_field_has_kinks) {
    static const double scatter[] = {2.27, 1.78, 2.02, 2.12};
    struct series series = power_law(1, 2, 0, 0);
    for (int i = 0; i < 4; i++) {
        series.error[i + 1] = series.error[i] * exp2(-scatter[i]);
    }
    struct order_fit fit;
    order_fit(series.h, series.error, 5, 0, false, &fit);
    cr_expect_eq(fit.status, ORDER_BENT);
    order_fit(series.h, series.error, 5, 0, true, &fit);
    cr_expect_eq(fit.status, ORDER_FITTED);
    cr_expect_eq(fit.count, 5);
    cr_expect_float_eq(fit.slope, 2, 0.1);
}

Test(order, a_grid_that_diverged_only_breaks_the_window) {
    struct series series = power_law(1, 2, 0, 0);
    series.error[0] = NAN;
    series.error[1] = INFINITY;
    const struct order_fit fit = fitted(&series, GRIDS, 0);
    cr_expect_eq(fit.status, ORDER_FITTED);
    cr_expect_eq(fit.first, 2);
    cr_expect_float_eq(fit.slope, 2, 1e-12);
}

Test(order, expectations_know_kinks_cells_and_edges) {
    const struct tableau *const euler = tableau_find("euler", NULL);
    const struct tableau *const midpoint = tableau_find("midpoint", NULL);
    const struct tableau *const rk4 = tableau_find("rk4", NULL);
    const struct tableau *const bs32 = tableau_find("bs32", NULL);
    const struct tableau *const dopri = tableau_find("dopri54", NULL);
    cr_expect_eq(order_expected(rk4, false, true, 4, EDGE_OPEN).order, 4);
    cr_expect_str_eq(order_expected(rk4, false, true, 4, EDGE_OPEN).reason, "");
    cr_expect_eq(order_expected(rk4, true, true, 4, EDGE_OPEN).order, 2);
    cr_expect_eq(order_expected(midpoint, true, true, 4, EDGE_OPEN).order, 2);
    cr_expect_str_eq(order_expected(midpoint, true, true, 4, EDGE_OPEN).reason, "");
    cr_expect_eq(order_expected(rk4, false, false, 4, EDGE_OPEN).order, 1);
    cr_expect_eq(order_expected(rk4, false, true, 4, EDGE_CLOSED).order, 1);
    cr_expect_eq(order_expected(rk4, false, true, 1, EDGE_CLOSED).order, 4);
    cr_expect_eq(order_expected(midpoint, false, true, 4, EDGE_CLOSED).order, 2);
    /* bs32's stage at the end is not part of its own step; one of dopri54's two is. */
    cr_expect_eq(order_expected(bs32, false, true, 4, EDGE_CLOSED).order, 3);
    cr_expect_eq(order_expected(dopri, false, true, 4, EDGE_CLOSED).order, 1);
    cr_expect_eq(order_expected(euler, true, false, 4, EDGE_CLOSED).order, 1);
    cr_expect_str_eq(order_expected(euler, true, false, 4, EDGE_CLOSED).reason, "");
}

Test(order, a_slope_is_confirmed_between_the_expected_and_the_schemes_own) {
    const struct tableau *const rk4 = tableau_find("rk4", NULL);
    const struct order_expectation smooth = {4, ""}, kinked = {2, "the activation has a kink"};
    struct order_fit fit = {.status = ORDER_FITTED, .slope = 3.92, .interval = 0.01, .count = 4};
    cr_expect(order_confirmed(&fit, &smooth, rk4));
    fit.slope = 3.85;
    cr_expect(!order_confirmed(&fit, &smooth, rk4));
    fit.interval = 0.2;
    cr_expect(order_confirmed(&fit, &smooth, rk4));
    fit.interval = 50;
    fit.slope = 3.65;
    cr_expect(!order_confirmed(&fit, &smooth, rk4));
    cr_expect(order_confirmed(&fit, &kinked, rk4));
    fit.slope = 4.4;
    cr_expect(!order_confirmed(&fit, &smooth, rk4));
    /* Slopes that still climb to their limit are judged by the finest. */
    fit = (struct order_fit){.status = ORDER_FITTED,
                             .slope = 3.87,
                             .interval = 0.05,
                             .first = 2,
                             .count = 4,
                             .local = {0, 0, 3.82, 3.88, 3.91}};
    cr_expect(order_confirmed(&fit, &smooth, rk4));
    fit.local[4] = 3.88;
    cr_expect(!order_confirmed(&fit, &smooth, rk4));
    fit = (struct order_fit){.status = ORDER_BENT, .slope = (double)NAN};
    cr_expect(!order_confirmed(&fit, &smooth, rk4));
}

Test(order, sentences_tell_what_was_fitted_or_why_not) {
    const struct series series = power_law(1, 4, 0, 1e-9);
    char text[160];
    struct order_fit fit = fitted(&series, GRIDS, 1e-10);
    (void)order_sentence(&fit, series.h, GRIDS, text, sizeof text);
    cr_expect_str_eq(text,
                     "order 4.00 +- 0.00 over 6 grids, h = 0.25 to 0.00781; 3 of 9 at the floor");
    fit = fitted(&series, 2, 0);
    (void)order_sentence(&fit, series.h, 2, text, sizeof text);
    cr_expect_str_eq(text, "no order: 2 grids are fewer than 3");
}
