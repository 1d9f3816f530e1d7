#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "depth/condition.h"
#include "depth/number.h"
#include "depth/tableau.h"

/* What is known of the schemes: stages, order, those of the embedded formulas, of the interpolant,
 * first same as last, principal error norm, real stability interval. Four or five digits, from an
 * independent evaluation of the published tables. */
static const struct anchor {
    const char *name;
    int stages, order, embedded[TABLEAU_ERRORS_MAX], dense;
    bool fsal;
    double error_norm, real_interval;
} anchors[] = {
    {"euler", 1, 1, {0}, 0, false, 5.000e-1, 2},
    {"midpoint", 2, 2, {1}, 0, false, 1.718e-1, 2},
    {"heun2", 2, 2, {1}, 0, false, 1.863e-1, 2},
    {"ralston2", 2, 2, {1}, 0, false, 1.667e-1, 2},
    {"kutta3", 3, 3, {0}, 0, false, 5.893e-2, 2.5127},
    {"heun3", 3, 3, {0}, 0, false, 4.630e-2, 2.5127},
    {"ralston3", 3, 3, {0}, 0, false, 4.181e-2, 2.5127},
    {"ssprk33", 3, 3, {2}, 0, false, 7.217e-2, 2.5127},
    {"bs32", 4, 3, {2}, 0, true, 4.181e-2, 2.5127},
    {"rk4", 4, 4, {0}, 0, false, 1.450e-2, 2.7853},
    {"rk4_38", 4, 4, {0}, 0, false, 1.267e-2, 2.7853},
    {"fehlberg45", 6, 4, {5}, 0, false, 1.839e-3, 3.0200},
    {"fehlberg54", 6, 5, {4}, 0, false, 3.356e-3, 3.6777},
    {"cash_karp54", 6, 5, {4}, 0, false, 9.483e-4, 3.7344},
    {"dopri54", 7, 5, {4, 4}, 4, true, 3.991e-4, 3.3066},
    {"tsit54", 7, 5, {4}, 4, true, 1.385e-4, 3.5068},
    {"bs54", 8, 5, {4, 4}, 0, true, 2.217e-5, 3.9879},
    {"verner65", 9, 6, {5}, 0, true, 1.446e-6, 4.8553},
    {"verner76", 10, 7, {6}, 0, false, 1.676e-5, 4.6400},
    {"verner87", 13, 8, {7}, 0, false, 2.828e-7, 5.8641},
    {"dop853", 12, 8, {5, 3}, 0, false, 6.263e-6, 6.3937},
};
enum { ANCHORS = sizeof anchors / sizeof *anchors };

Test(tableau, every_registered_scheme_is_one_of_the_known_ones) {
    cr_expect_eq(tableau_count(), ANCHORS);
    for (int i = 0; i < ANCHORS; i++) {
        cr_expect(tableau_find(anchors[i].name, NULL), "%s", anchors[i].name);
    }
}

static void expect_order(const struct tableau *scheme, int weights, int order) {
    int failing = -1;
    cr_expect_eq(condition_order(scheme, weights, &failing), order, "%s", scheme->name);
    cr_assert_geq(failing, 0);
    cr_expect_eq(tree_at(failing)->order, order + 1, "%s", scheme->name);
    cr_expect(condition_require(scheme, weights, order, NULL), "%s", scheme->name);
    cr_expect(!condition_require(scheme, weights, order + 1, NULL), "%s", scheme->name);
}

Test(tableau, every_scheme_has_its_known_orders_and_fails_beyond) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        cr_expect_eq(scheme->stages, anchors[i].stages, "%s", scheme->name);
        cr_expect_eq(scheme->order, anchors[i].order, "%s", scheme->name);
        cr_expect_eq(scheme->fsal, anchors[i].fsal, "%s", scheme->name);
        cr_expect_eq(scheme->dense_order, anchors[i].dense, "%s", scheme->name);
        expect_order(scheme, CONDITION_STEP, anchors[i].order);
        for (int k = 0; k < TABLEAU_ERRORS_MAX; k++) {
            const int order = k < scheme->error_count ? scheme->error[k].order : 0;
            cr_expect_eq(order, anchors[i].embedded[k], "%s: %d", scheme->name, order);
            if (order > 0) {
                expect_order(scheme, CONDITION_EMBEDDED + k, order);
                cr_expect(scheme->error[k].source[0]);
            }
        }
        if (scheme->dense_order > 0) {
            expect_order(scheme, CONDITION_DENSE, scheme->dense_order);
        }
    }
}

Test(tableau, principal_error_norms_agree_with_known_ones) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        cr_expect_float_eq(scheme->error_norm, anchors[i].error_norm,
                           5.1e-4 * anchors[i].error_norm, "%s: %g", scheme->name,
                           scheme->error_norm);
        /* 30 digits were published of the coefficients of dop853, 40 of others. */
        for (int order = 1; order <= scheme->order; order++) {
            cr_expect_lt(condition_error_norm(scheme, order), 1e-28, "%s", scheme->name);
        }
    }
}

/* R(z) = 1 + sum_k z^k b A^(k-1) 1, whose coefficients are the weights of the tall trees, the
 * first of each order; beyond the trees' orders, of the powers of a. */
Test(tableau, real_stability_intervals_agree_with_known_ones) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        cr_expect_float_eq(scheme->stability, anchors[i].real_interval, 1e-4, "%s: %.6f",
                           scheme->name, scheme->stability);
        double sum = 1, power = 1;
        for (int k = 1; k <= scheme->stages && scheme->stages <= TREE_ORDER_MAX; k++) {
            power *= -scheme->stability;
            sum += power * condition_weight(scheme, CONDITION_STEP, tree_first(k));
        }
        if (scheme->stages <= TREE_ORDER_MAX) {
            cr_expect_float_eq(fabs(sum), 1, 1e-8, "%s: %.12f", scheme->name, sum);
        }
    }
}

Test(tableau, published_differences_agree) {
    const struct tableau *const dopri54 = tableau_find("dopri54", NULL);
    cr_expect(dopri54->error[0].e[0] == 71.0 / 57600 && dopri54->error[0].e[6] == -1.0 / 40);
    const struct tableau *const bs32 = tableau_find("bs32", NULL);
    cr_expect(bs32->error[0].e[3] == -0.125 && bs32->error[0].e[0] == -5.0 / 72);
    /* Tsitouras 2011, table 1 as printed with 16 digits: bhat - b but for the sign of its last. */
    const struct tableau *const tsit54 = tableau_find("tsit54", NULL);
    cr_expect_float_eq(tsit54->error[0].e[0], 0.00178001105222577714, 1e-16);
    cr_expect_float_eq(tsit54->error[0].e[6], -1.0 / 66, 1e-17);
    /* and its interpolant. */
    cr_expect_float_eq(tsit54->dense[0][3], -1.0530884977290216, 1e-15);
    cr_expect_float_eq(tsit54->dense[4][2], -88.1789048947664011, 2e-14);
    cr_expect_eq(tableau_find("dop853", NULL)->error[0].e[8], -0.3503288487499736816886487290);
}

Test(tableau, abscissae_are_fractions_that_no_step_count_overflows) {
    for (int n = 0; n < tableau_count(); n++) {
        const struct tableau *const scheme = tableau_at(n);
        for (int i = 0; i < scheme->stages; i++) {
            const struct rational c = scheme->c[i];
            cr_expect(c.q >= 1 && c.q <= (int64_t)1 << 53 && c.p >= 0 && c.p <= c.q);
            cr_expect_float_eq((double)c.p / (double)c.q, scheme->cv[i], 1.2e-16, "%s c[%d]",
                               scheme->name, i);
        }
    }
    const struct tableau *const dop853 = tableau_find("dop853", NULL);
    cr_expect(dop853->c[5].p == 1 && dop853->c[5].q == 3);
    cr_expect(dop853->c[11].p == 1 && dop853->c[11].q == 1);
    cr_expect_float_eq(dop853->cv[3], 0.1 * (6 - sqrt(6)) / 3, 1e-16);
    const struct rational c9 = tableau_find("verner87", NULL)->c[8];
    cr_expect(c9.p == 7067558016280 && c9.q == 7837150160667);
}

/* ---- measured orders ------------------------------------------------------------------------ */

enum { SIZE = 3 };
typedef void field(_Float128 t, const _Float128 *y, _Float128 *dy);

/* The coefficients in more digits than doubles have. */
struct exact {
    int stages;
    _Float128 a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX];
    _Float128 b[TABLEAU_STAGES_MAX], c[TABLEAU_STAGES_MAX];
    _Float128 dense[TABLEAU_STAGES_MAX][TABLEAU_DEGREE_MAX];
};

static struct exact exact_of(const struct tableau *scheme) {
    struct exact exact = {.stages = scheme->stages};
    for (int i = 0; i < scheme->stages; i++) {
        for (int j = 0; j < i; j++) {
            exact.a[i][j] = number_ball(scheme->a[i][j]).mid;
            exact.c[i] += exact.a[i][j];
        }
        exact.b[i] = number_ball(scheme->b[i]).mid;
        for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
            exact.dense[i][k] = number_ball(scheme->interpolant[i][k]).mid;
        }
    }
    return exact;
}

static void evaluate(const struct exact *scheme, field *f, _Float128 t, _Float128 h,
                     const _Float128 *y, _Float128 k[TABLEAU_STAGES_MAX][SIZE]) {
    for (int i = 0; i < scheme->stages; i++) {
        _Float128 stage[SIZE];
        for (int d = 0; d < SIZE; d++) {
            stage[d] = y[d];
            for (int j = 0; j < i; j++) {
                if (scheme->a[i][j] != 0) {
                    stage[d] += h * scheme->a[i][j] * k[j][d];
                }
            }
        }
        f(t + h * scheme->c[i], stage, k[i]);
    }
}

static void integrate(const struct exact *scheme, field *f, _Float128 end, int steps,
                      _Float128 *y) {
    const _Float128 h = end / steps;
    for (int step = 0; step < steps; step++) {
        _Float128 k[TABLEAU_STAGES_MAX][SIZE];
        evaluate(scheme, f, h * step, h, y, k);
        for (int d = 0; d < SIZE; d++) {
            for (int i = 0; i < scheme->stages; i++) {
                y[d] += h * scheme->b[i] * k[i][d];
            }
        }
    }
}

/* Non-autonomous and nonlinear, y = 1 / (1 + t^2); with a quadrature and its square besides. */
static void rational_field(_Float128 t, const _Float128 *y, _Float128 *dy) {
    dy[0] = -2 * t * y[0] * y[0];
    dy[1] = 7 * t * t * t * t * t * t * y[0];
    dy[2] = y[1] - y[0] * y[2];
}

/* A small frozen net with a bias that moves with depth; its activation is v / (1 + v^2), which
 * takes no series in 113 bits. */
static void net_field(_Float128 t, const _Float128 *y, _Float128 *dy) {
    static const _Float128 w[SIZE][SIZE] = {{0.83F128, -1.71F128, 0.37F128},
                                            {1.29F128, 0.58F128, -0.94F128},
                                            {-0.66F128, 1.13F128, 0.21F128}};
    for (int i = 0; i < SIZE; i++) {
        _Float128 sum = t * (0.9F128 - (0.4F128 + 0.3F128 * i) * t);
        for (int j = 0; j < SIZE; j++) {
            sum += w[i][j] * y[j];
        }
        dy[i] = sum / (1 + sum * sum) - 0.3F128 * y[i];
    }
}

static double distance(const _Float128 *x, const _Float128 *y) {
    _Float128 sum = 0;
    for (int d = 0; d < SIZE; d++) {
        sum += (x[d] - y[d]) * (x[d] - y[d]);
    }
    return (double)sqrtf128(sum);
}

enum { GRIDS = 5 };

/* From how many steps on the leading term of the error shows alone. Verner's pairs were chosen for
 * theirs to be small, so that the next one dominates coarser grids; finer ones meet the rounding of
 * 113 bits. That of order 6 depends most on the field. */
static int first_steps(const struct tableau *scheme, int of_order_6) {
    static const int first[] = {[7] = 192, [8] = 48};
    return scheme->order < 6 ? 96 : scheme->order == 6 ? of_order_6 : first[scheme->order];
}

/* Least squares of log error[g] by log h, where h halves from one to the next. */
static double slope(const double *error) {
    double top = 0, bottom = 0;
    for (int g = 0; g < GRIDS; g++) {
        const double x = (GRIDS - 1) / 2.0 - g;
        top += x * log2(error[g]);
        bottom += x * x;
    }
    return top / bottom;
}

static void measure_orders(field *f, const _Float128 *start, int of_order_6) {
    const struct exact best = exact_of(tableau_find("verner87", NULL));
    _Float128 reference[SIZE];
    memcpy(reference, start, sizeof reference);
    integrate(&best, f, 1, 3072, reference);
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const struct exact exact = exact_of(scheme);
        double error[GRIDS];
        for (int g = 0; g < GRIDS; g++) {
            _Float128 y[SIZE];
            memcpy(y, start, sizeof y);
            integrate(&exact, f, 1, first_steps(scheme, of_order_6) << g, y);
            error[g] = distance(y, reference);
        }
        cr_expect_float_eq(slope(error), scheme->order, 0.1, "%s: %g", scheme->name, slope(error));
    }
}

Test(tableau, measured_orders_are_the_computed_ones_on_a_rational_field) {
    measure_orders(rational_field, (const _Float128[SIZE]){1, 0, 0.25F128}, 1536);
}

Test(tableau, measured_orders_are_the_computed_ones_on_a_small_net) {
    measure_orders(net_field, (const _Float128[SIZE]){0.42125F128, 0.105F128, 0.745F128}, 768);
}

/* One step from the exact solution: an interpolant of order q is off by h^(q + 1) inside. */
Test(tableau, measured_orders_of_interpolants_are_the_computed_ones) {
    for (int n = 0; n < tableau_count(); n++) {
        const struct tableau *const scheme = tableau_at(n);
        const struct exact exact = exact_of(scheme);
        double error[GRIDS];
        for (int g = 0; g < GRIDS && scheme->dense_order > 0; g++) {
            const _Float128 t = 0.3F128, h = 1 / (_Float128)(48 << g), theta = 0.37F128;
            const _Float128 y[SIZE] = {1 / (1 + t * t), 0, 0};
            _Float128 k[TABLEAU_STAGES_MAX][SIZE], found = y[0];
            evaluate(&exact, rational_field, t, h, y, k);
            for (int i = 0; i < exact.stages; i++) {
                _Float128 power = h;
                for (int d = 0; d < TABLEAU_DEGREE_MAX; d++) {
                    power *= theta;
                    found += power * exact.dense[i][d] * k[i][0];
                }
            }
            const _Float128 end = t + theta * h;
            error[g] = fabs((double)(found - 1 / (1 + end * end)));
        }
        if (scheme->dense_order > 0) {
            cr_expect_float_eq(slope(error), scheme->dense_order + 1, 0.1, "%s: %g", scheme->name,
                               slope(error));
        }
    }
}

/* The exact solution, so that no scheme is measured against another. */
Test(tableau, the_finest_solution_is_the_exact_one) {
    const struct exact verner87 = exact_of(tableau_find("verner87", NULL));
    _Float128 y[SIZE] = {1, 0, 0.25F128};
    integrate(&verner87, rational_field, 1, 1536, y);
    cr_expect_lt(fabs((double)(y[0] - 0.5F128)), 1e-28);
    cr_expect_lt(
        fabs((double)(y[1] - 7 * (1 / (_Float128)5 - 1 / (_Float128)3 + 1 - acosf128(-1) / 4))),
        1e-28);
}

/* ---- mutations ------------------------------------------------------------------------------ */

enum { NUDGED_SIZE = 64 };

/* The coefficient and a millionth: of a fraction or a whole number exactly, as it is to other
 * decimals to 34 digits. */
static const char *nudged(const char *text, char out[NUDGED_SIZE]) {
    const char *const over = text ? text : "0";
    const char *const bar = strchr(over, '/');
    if (!strpbrk(over, ".e")) {
        const __int128 million = 1000000, q = bar ? atoll(bar + 1) : 1;
        const __int128 p = atoll(over) * million + q;
        cr_assert(q * million < INT64_MAX && p < INT64_MAX && p > -INT64_MAX);
        (void)snprintf(out, NUDGED_SIZE, "%lld/%lld", (long long)p, (long long)(q * million));
        return out;
    }
    _Float128 value = number_ball(over).mid + 1e-6F128;
    const bool negative = value < 0;
    value = negative ? -value : value;
    long long whole = (long long)value;
    int len = snprintf(out, NUDGED_SIZE, "%s%lld.", negative ? "-" : "", whole);
    for (int i = 0; i < 30; i++) {
        value = (value - whole) * 10;
        whole = (long long)value;
        out[len++] = (char)('0' + whole);
    }
    out[len] = '\0';
    return out;
}

/* Whether a changed scheme is refused, or found to be less than the one it was. */
static bool is_noticed(struct tableau *changed, const struct tableau *scheme) {
    struct error error;
    bool noticed = !tableau_complete(changed, &error) || changed->order < scheme->order ||
                   changed->fsal != scheme->fsal || changed->dense_order < scheme->dense_order;
    for (int k = 0; k < scheme->error_count && !noticed; k++) {
        noticed = changed->error[k].order < scheme->error[k].order;
    }
    return noticed;
}

static void expect_noticed(const struct tableau *scheme, const char *const *at, const char *what,
                           int i, int j) {
    char text[NUDGED_SIZE];
    struct tableau changed = *scheme;
    const size_t offset = (size_t)((const char *)at - (const char *)scheme);
    const char *const other = nudged(*at, text);
    memcpy((char *)&changed + offset, &other, sizeof other);
    cr_expect(is_noticed(&changed, scheme), "%s %s %d %d: %s", scheme->name, what, i, j, text);
}

Test(tableau, a_millionth_in_any_coefficient_is_noticed) {
    for (int n = 0; n < tableau_count(); n++) {
        const struct tableau *const scheme = tableau_at(n);
        struct tableau same = *scheme;
        cr_expect(!is_noticed(&same, scheme));
        for (int i = 0; i < scheme->stages; i++) {
            expect_noticed(scheme, &scheme->b[i], "b", i, 0);
            for (int j = 0; j < i; j++) {
                expect_noticed(scheme, &scheme->a[i][j], "a", i, j);
            }
            for (int k = 0; k < scheme->error_count; k++) {
                expect_noticed(scheme, &scheme->error[k].given[i], "embedded", k, i);
            }
            for (int k = 0; k < TABLEAU_DEGREE_MAX && scheme->dense_order > 0; k++) {
                expect_noticed(scheme, &scheme->interpolant[i][k], "interpolant", i, k);
            }
        }
    }
}

Test(tableau, a_change_of_the_30th_digit_of_40_is_noticed) {
    static const char published[] = "0.3541049391724448744815552028733568354121";
    struct tableau changed = *tableau_find("verner87", NULL);
    cr_assert_str_eq(changed.b[5], published);
    char text[sizeof published];
    memcpy(text, published, sizeof text);
    text[1 + 30]++;
    changed.b[5] = text;
    struct error error;
    cr_expect(!tableau_complete(&changed, &error));
    cr_expect(strstr(error.text, "the sum of b must be 1 and is off by 9.99e-31"), "%s",
              error.text);
}

/* ---- user's own schemes --------------------------------------------------------------------- */

Test(tableau, orders_are_exact_where_doubles_see_no_difference) {
    /* rk4 with its weights cut to 18 decimals and written as fractions: sum b and sum b c still
     * hold, sum b c^2 does not. */
    struct tableau cut = *tableau_find("rk4", NULL);
    cut.b[0] = cut.b[3] = "166666666666666667/1000000000000000000";
    cut.b[1] = cut.b[2] = "333333333333333333/1000000000000000000";
    struct error error;
    cr_assert(tableau_complete(&cut, &error), "%s", error.text);
    cr_expect_eq(cut.order, 2);
    cr_expect(cut.bv[0] == tableau_find("rk4", NULL)->bv[0]);
}

Test(tableau, decimals_hold_to_the_digits_they_are_given_with) {
    struct tableau rounded = *tableau_find("rk4", NULL);
    struct error error;
    rounded.b[0] = rounded.b[3] = "0.166666666666666667";
    rounded.b[1] = rounded.b[2] = "0.333333333333333333";
    cr_assert(tableau_complete(&rounded, &error), "%s", error.text);
    cr_expect_eq(rounded.order, 4);
    /* Doubles printed with 17 digits. */
    rounded.b[0] = rounded.b[3] = "0.16666666666666666";
    rounded.b[1] = rounded.b[2] = "3.3333333333333331e-01";
    cr_assert(tableau_complete(&rounded, &error), "%s", error.text);
    cr_expect_eq(rounded.order, 4);
    /* Seven digits are not said to be rounded: they are what they are. */
    rounded.b[0] = rounded.b[3] = "0.1666667";
    rounded.b[1] = rounded.b[2] = "0.3333333";
    cr_assert(tableau_complete(&rounded, &error), "%s", error.text);
    cr_expect_eq(rounded.order, 2);
    /* A wrong last digit but two. */
    rounded.b[0] = rounded.b[3] = "0.166666666666667667";
    rounded.b[1] = rounded.b[2] = "0.333333333333333333";
    cr_expect(!tableau_complete(&rounded, &error));
    /* So large that the last digit says nothing. */
    struct tableau vague = {.name = "vague",
                            .source = "this test",
                            .stages = 2,
                            .a = {[1] = {"1/2"}},
                            .b = {"-1000000000000000.5", "1000000000000003.25"}};
    cr_expect(!tableau_complete(&vague, &error));
}

Test(tableau, denominators_of_any_size_are_decided) {
    /* Two stages of order 2 for any abscissa alpha: b2 = 1 / (2 alpha), b1 = 1 - b2. The second
     * denominator is the largest prime below 2^63, the third has 60 digits. */
    static const char *const own[][3] = {
        {"3/4611686018427387847", "-4611686018427387841/6", "4611686018427387847/6"},
        {"1/9223372036854775783", "-9223372036854775781/2", "9223372036854775783/2"},
        {"1/100000000000000000000000000000000000000000000000000000000007",
         "-100000000000000000000000000000000000000000000000000000000005/2",
         "100000000000000000000000000000000000000000000000000000000007/2"}};
    struct error error;
    for (size_t i = 0; i < 3; i++) {
        struct tableau scheme = {.name = "own",
                                 .source = "this test",
                                 .stages = 2,
                                 .a = {[1] = {own[i][0]}},
                                 .b = {own[i][1], own[i][2]}};
        cr_assert(tableau_complete(&scheme, &error), "%s", error.text);
        cr_expect_eq(scheme.order, 2);
        scheme.b[0] = i == 2 ? "-100000000000000000000000000000000000000000000000000000000004/2"
                             : "-4611686018427387840/6";
        cr_expect(!tableau_complete(&scheme, &error));
    }
    /* All stages and all denominators different and large: one order, and at once. */
    static char text[2 * TABLEAU_STAGES_MAX][64];
    struct tableau dense = {.name = "dense", .source = "this test", .stages = TABLEAU_STAGES_MAX};
    int64_t next = 9223372036854775783;
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        (void)snprintf(text[i], 64, "%lld/%lld", (long long)(next / (i + 1)), (long long)next);
        dense.b[i] = i > 0 ? "1/32" : "17/32";
        if (i > 0) {
            dense.a[i][0] = text[i];
        }
        if (i > 1) {
            (void)snprintf(text[TABLEAU_STAGES_MAX + i], 64, "1/%lld", (long long)next - 2);
            dense.a[i][i - 1] = text[TABLEAU_STAGES_MAX + i];
        }
        next -= 987654321098;
    }
    cr_assert(tableau_complete(&dense, &error), "%s", error.text);
    cr_expect_eq(dense.order, 1);
}

static struct tableau own_scheme(void) {
    return (struct tableau){.name = "own",
                            .source = "this test",
                            .stages = 2,
                            .a = {[1] = {"-2/4"}},
                            .b = {"2", "-3/3"}};
}

Test(tableau, abscissae_are_in_lowest_terms) {
    struct tableau own = own_scheme();
    struct error error;
    cr_assert(tableau_complete(&own, &error), "%s", error.text);
    cr_expect(own.c[1].p == -1 && own.c[1].q == 2);
    cr_expect(own.c[0].p == 0 && own.c[0].q == 1);
    cr_expect_eq(own.order, 2);
    cr_expect_eq(own.av[1][0], -0.5);
}

static void expect_refusal(struct tableau *own, const char *sentence) {
    struct error error = {0};
    cr_expect(!tableau_complete(own, &error), "accepted; expected: %s", sentence);
    cr_expect_eq(error.code, ERROR_VALUE);
    cr_expect_str_eq(error.text, sentence);
}

Test(tableau, what_is_no_explicit_consistent_scheme_is_refused) {
    struct tableau own = own_scheme();
    own.b[0] = "3/2";
    expect_refusal(&own,
                   "scheme \"own\" is not consistent: the sum of b must be 1 and is off by -0.5");
    own = own_scheme();
    own.a[0][0] = "1/2";
    expect_refusal(&own,
                   "scheme \"own\" is not explicit: a[1][1] is 1/2; on and above the diagonal a "
                   "must be 0");
    own = own_scheme();
    own.a[1][0] = "2/0";
    expect_refusal(&own, "scheme \"own\": a[2][1] is \"2/0\"; a coefficient is a whole number, a "
                         "fraction such as 1/3 or a decimal such as -1.5e-3");
    own = own_scheme();
    own.b[1] = "half";
    expect_refusal(&own, "scheme \"own\": b[2] is \"half\"; a coefficient is a whole number, a "
                         "fraction such as 1/3 or a decimal such as -1.5e-3");
    own = own_scheme();
    own.stages = 0;
    expect_refusal(&own, "scheme \"own\" has 0 stages; it must have between 1 and 16");
    own.stages = 17;
    expect_refusal(&own, "scheme \"own\" has 17 stages; it must have between 1 and 16");
    own.stages = 1;
    own.b[0] = "1";
    own.b[1] = NULL;
    expect_refusal(&own, "scheme \"own\" has 1 stage but a[2][1] is -2/4, of stage 2");
    own.a[1][0] = NULL;
    own.b[3] = "1/7";
    expect_refusal(&own, "scheme \"own\" has 1 stage but b[4] is 1/7, of stage 4");
    own = own_scheme();
    own.a[1][0] = "18014398509481984";
    expect_refusal(&own, "scheme \"own\": the sum of row 2 of a is 1.80144e+16; an abscissa must "
                         "lie within +-2^53");
}

Test(tableau, embedded_formulas_and_interpolants_that_are_none_are_refused) {
    struct tableau own = own_scheme();
    own.error[0] = (struct tableau_error){.name = "", .source = "", .given = {"1/2", "1/4"}};
    expect_refusal(&own, "scheme \"own\": the embedded formula is not consistent: the sum of bhat "
                         "must be 1 and is off by -0.25");
    own.error[0] = (struct tableau_error){.name = "", .source = "", .given = {"2", "-1"}};
    expect_refusal(&own, "scheme \"own\": the embedded formula is b itself, and its error estimate "
                         "always 0");
    own = own_scheme();
    own.error[0] = (struct tableau_error){
        .name = "", .source = "", .by_difference = true, .given = {"1", "-1"}};
    cr_expect(tableau_complete(&own, NULL));
    cr_expect(own.error_count == 1 && own.error[0].order == 1 && own.error[0].e[1] == -1);
    own.interpolant[0][0] = "1";
    expect_refusal(&own,
                   "scheme \"own\": the interpolant does not end in b: at theta = 1 its weights "
                   "must be b");
    own.interpolant[0][0] = "2";
    own.interpolant[1][0] = "-1";
    cr_expect(tableau_complete(&own, NULL));
    cr_expect_eq(own.dense_order, 1);
    own.interpolant[0][0] = "0";
    own.interpolant[0][1] = "2";
    expect_refusal(&own,
                   "scheme \"own\": the interpolant is not consistent: its weights must add up "
                   "to theta");
}

Test(tableau, a_missed_order_names_the_tree_and_both_weights) {
    struct error error;
    cr_expect(!condition_require(tableau_find("midpoint", NULL), CONDITION_STEP, 3, &error));
    cr_expect_str_eq(error.text,
                     "scheme \"midpoint\" has order 2, not 3: the weight of tree [[.]] is "
                     "0 and should be 1/6 (off by -0.17)");
    cr_expect(!condition_require(tableau_find("dopri54", NULL), CONDITION_EMBEDDED + 1, 5, &error));
    cr_expect(strstr(error.text, "scheme \"dopri54\", embedded formula, has order 4, not 5: the "
                                 "weight of tree "),
              "%s", error.text);
    cr_expect(!condition_require(tableau_find("tsit54", NULL), CONDITION_DENSE, 5, &error));
    cr_expect(strstr(error.text, " is not theta^5/"), "%s", error.text);
}

Test(tableau, unknown_names_are_refused_with_the_nearest_known_one) {
    struct error error;
    cr_expect_null(tableau_find("rk5", &error));
    cr_expect_str_eq(error.text,
                     "scheme \"rk5\" does not exist; nearest is \"rk4\" (see cn.ode.schemes())");
    cr_expect_null(tableau_find("leapfrog", &error));
    cr_expect(strstr(error.text, "scheme \"leapfrog\" does not exist; there are \"euler\", "), "%s",
              error.text);
    cr_expect_null(tableau_find("", NULL));
}

Test(tableau, a_registered_scheme_is_found_and_keeps_its_coefficients) {
    struct tableau own = own_scheme();
    struct error error;
    cr_assert(tableau_complete(&own, &error));
    const int before = tableau_count();
    char name[] = "my_own";
    own.name = name;
    const struct tableau *const entry = tableau_register(&own, &error);
    cr_assert(entry, "%s", error.text);
    name[0] = 'X'; /* the registry holds copies */
    own.b[0] = "77";
    cr_expect_eq(tableau_find("my_own", NULL), entry);
    cr_expect_str_eq(entry->b[0], "2");
    cr_expect_null(entry->b[7]);
    cr_expect_eq(tableau_count(), before + 1);
    struct tableau same = own_scheme();
    same.name = "my_own";
    cr_assert(tableau_complete(&same, NULL));
    cr_expect_eq(tableau_register(&same, &error), entry);
    same.error[0] = (struct tableau_error){.name = "", .source = "", .given = {"1"}};
    cr_assert(tableau_complete(&same, NULL));
    cr_expect_null(tableau_register(&same, &error));
    same.name = "rk4";
    cr_expect_null(tableau_register(&same, &error));
    cr_expect(strstr(error.text, "scheme \"rk4\" exists with other coefficients"), "%s",
              error.text);
    same.name = "two words";
    cr_expect_null(tableau_register(&same, &error));
    cr_expect_str_eq(error.text,
                     "\"two words\" cannot name a scheme; a name is a word of at most 31 "
                     "letters, digits and underscores");
}

static void *find_first(void *argument) {
    (void)argument;
    const struct tableau *const scheme = tableau_find("dopri54", NULL);
    return scheme && scheme->order == 5 && tableau_at(0)->order == 1 ? argument : NULL;
}

Test(tableau, the_registry_may_be_met_first_by_many_threads) {
    pthread_t threads[8];
    int token;
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, find_first, &token), 0);
    }
    for (int i = 0; i < 8; i++) {
        void *result;
        (void)pthread_join(threads[i], &result);
        cr_expect_eq(result, &token);
    }
}

Test(tableau, a_step_evaluates_the_field_once_a_stage_unless_the_last_is_the_next_first) {
    cr_expect_eq(tableau_evaluations(tableau_find("rk4", NULL)), 4);
    cr_expect_eq(tableau_evaluations(tableau_find("dopri54", NULL)), 6);
    cr_expect_eq(tableau_evaluations(tableau_find("bs32", NULL)), 3);
}
