#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "depth/condition.h"
#include "depth/tableau.h"

/* What is known of the schemes: order, first same as last, principal error norm, real stability
 * interval. Four or five digits, from an independent evaluation of the published tables. */
static const struct anchor {
    const char *name;
    int stages, order;
    bool fsal;
    double error_norm, real_interval;
} anchors[] = {
    {"euler", 1, 1, false, 5.000e-1, 2},
    {"midpoint", 2, 2, false, 1.718e-1, 2},
    {"heun2", 2, 2, false, 1.863e-1, 2},
    {"ralston2", 2, 2, false, 1.667e-1, 2},
    {"kutta3", 3, 3, false, 5.893e-2, 2.5127},
    {"heun3", 3, 3, false, 4.630e-2, 2.5127},
    {"ralston3", 3, 3, false, 4.181e-2, 2.5127},
    {"ssprk33", 3, 3, false, 7.217e-2, 2.5127},
    {"bs32", 4, 3, true, 4.181e-2, 2.5127},
    {"rk4", 4, 4, false, 1.450e-2, 2.7853},
    {"rk4_38", 4, 4, false, 1.267e-2, 2.7853},
    {"fehlberg54", 6, 5, false, 3.356e-3, 3.6777},
    {"cash_karp54", 6, 5, false, 9.483e-4, 3.7344},
    {"dopri54", 7, 5, true, 3.991e-4, 3.3066},
};
enum { ANCHORS = sizeof anchors / sizeof *anchors };

Test(tableau, every_registered_scheme_is_one_of_the_known_ones) {
    cr_expect_eq(tableau_count(), ANCHORS);
    for (int i = 0; i < ANCHORS; i++) {
        cr_expect(tableau_find(anchors[i].name, NULL), "%s", anchors[i].name);
    }
}

Test(tableau, every_scheme_has_its_known_order_and_fails_beyond) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        cr_expect_eq(scheme->stages, anchors[i].stages, "%s", scheme->name);
        cr_expect_eq(scheme->order, anchors[i].order, "%s", scheme->name);
        cr_expect_eq(scheme->fsal, anchors[i].fsal, "%s", scheme->name);
        int failing = -1;
        cr_expect_eq(condition_order(scheme, &failing), anchors[i].order);
        cr_expect_eq(tree_at(failing)->order, anchors[i].order + 1);
        cr_expect(condition_require(scheme, scheme->order, NULL));
        cr_expect(!condition_require(scheme, scheme->order + 1, NULL));
    }
}

Test(tableau, principal_error_norms_agree_with_known_ones) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        const double norm = condition_error_norm(scheme, scheme->order + 1);
        cr_expect_float_eq(norm, anchors[i].error_norm, 5.1e-4 * anchors[i].error_norm, "%s: %g",
                           scheme->name, norm);
        for (int order = 1; order <= scheme->order; order++) {
            cr_expect_lt(condition_error_norm(scheme, order), 1e-17, "%s", scheme->name);
        }
    }
}

/* R(z) = 1 + sum_k z^k b A^(k-1) 1, whose coefficients are the weights of the tall trees, the
 * first of each order. */
static double real_interval(const struct tableau *scheme) {
    const double step = 1e-5;
    for (int n = 1; n < 1000000; n++) {
        const double z = -n * step;
        double sum = 1, power = 1;
        for (int k = 1; k <= scheme->stages; k++) {
            power *= z;
            sum += power * condition_weight(scheme, tree_first(k));
        }
        if (fabs(sum) > 1 + 1e-9) {
            return (n - 1) * step;
        }
    }
    return INFINITY;
}

Test(tableau, real_stability_intervals_agree_with_known_ones) {
    for (int i = 0; i < ANCHORS; i++) {
        const struct tableau *const scheme = tableau_find(anchors[i].name, NULL);
        const double interval = real_interval(scheme);
        cr_expect_float_eq(scheme->stability, interval, 2e-4);
        cr_expect_float_eq(scheme->error_norm, anchors[i].error_norm, 1e-3 * interval);
        cr_expect_float_eq(interval, anchors[i].real_interval, 1e-4, "%s: %.6f", anchors[i].name,
                           interval);
    }
}

Test(tableau, embedded_formulas_and_interpolants_have_their_known_orders) {
    const struct tableau *const bs32 = tableau_find("bs32", NULL);
    const struct tableau *const dopri54 = tableau_find("dopri54", NULL);
    cr_expect_eq(bs32->error_count, 1);
    cr_expect_eq(bs32->error[0].order, 2);
    cr_expect(bs32->error[0].e[3] == -0.125 && bs32->error[0].e[0] == -5.0 / 72);
    cr_expect_eq(dopri54->error_count, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(dopri54->error[i].order, 4);
    }
    cr_expect(dopri54->error[0].e[0] == 71.0 / 57600 && dopri54->error[0].e[6] == -1.0 / 40);
    cr_expect_eq(dopri54->dense_order, 4);
    cr_expect_eq(bs32->dense_order, 0);
    cr_expect_eq(tableau_find("rk4", NULL)->error_count, 0);
}

/* ---- measured orders ------------------------------------------------------------------------ */

enum { SIZE = 3 };
typedef void field(long double t, const long double *y, long double *dy);

static void integrate(const struct tableau *scheme, field *f, long double end, int steps,
                      long double *y) {
    const long double h = end / steps;
    for (int step = 0; step < steps; step++) {
        long double k[TABLEAU_STAGES_MAX][SIZE];
        for (int i = 0; i < scheme->stages; i++) {
            long double stage[SIZE];
            for (int d = 0; d < SIZE; d++) {
                stage[d] = y[d];
                for (int j = 0; j < i; j++) {
                    stage[d] += h * scheme->a[i][j].p / scheme->a[i][j].q * k[j][d];
                }
            }
            f(h * step + h * scheme->c[i].p / scheme->c[i].q, stage, k[i]);
        }
        for (int d = 0; d < SIZE; d++) {
            for (int i = 0; i < scheme->stages; i++) {
                y[d] += h * scheme->b[i].p / scheme->b[i].q * k[i][d];
            }
        }
    }
}

/* Non-autonomous and nonlinear, y = 1 / (1 + t^2); with a quadrature and its square besides. */
static void rational_field(long double t, const long double *y, long double *dy) {
    dy[0] = -2 * t * y[0] * y[0];
    dy[1] = 7 * t * t * t * t * t * t * y[0];
    dy[2] = y[1] - y[0] * y[2];
}

/* A small frozen net with a bias that moves with depth. */
static void tanh_field(long double t, const long double *y, long double *dy) {
    static const long double w[SIZE][SIZE] = {
        {0.83L, -1.71L, 0.37L}, {1.29L, 0.58L, -0.94L}, {-0.66L, 1.13L, 0.21L}};
    for (int i = 0; i < SIZE; i++) {
        long double sum = sinl((1.3L + 0.4L * i) * t);
        for (int j = 0; j < SIZE; j++) {
            sum += w[i][j] * y[j];
        }
        dy[i] = tanhl(sum) - 0.3L * y[i];
    }
}

static long double distance(const long double *x, const long double *y) {
    long double sum = 0;
    for (int d = 0; d < SIZE; d++) {
        sum += (x[d] - y[d]) * (x[d] - y[d]);
    }
    return sqrtl(sum);
}

/* Slope of log error by log step over `from`, 2 from, ... four halvings (least squares). */
static double measured_order(const struct tableau *scheme, field *f, const long double *start,
                             long double end, int from) {
    enum { GRIDS = 5 };
    long double reference[SIZE];
    memcpy(reference, start, sizeof reference);
    integrate(tableau_find("dopri54", NULL), f, end, from << (GRIDS + 2), reference);
    double top = 0, bottom = 0;
    for (int g = 0; g < GRIDS; g++) {
        long double y[SIZE];
        memcpy(y, start, sizeof y);
        integrate(scheme, f, end, from << g, y);
        const double x = (GRIDS - 1) / 2.0 - g;
        top += x * (double)log2l(distance(y, reference));
        bottom += x * x;
    }
    return top / bottom;
}

Test(tableau, measured_orders_are_the_computed_ones_on_both_sides) {
    const long double at_rest[SIZE] = {1, 0, 0.25L}, spread[SIZE] = {0.31L, -0.72L, 0.54L};
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const int from = 40;
        const double rational = measured_order(scheme, rational_field, at_rest, 1, from);
        const double net = measured_order(scheme, tanh_field, spread, 1, from);
        cr_expect_float_eq(rational, scheme->order, 0.1, "%s: %g", scheme->name, rational);
        cr_expect_float_eq(net, scheme->order, 0.1, "%s: %g", scheme->name, net);
    }
}

/* The exact solution, so that no scheme is measured against another. */
Test(tableau, the_finest_solution_is_the_exact_one) {
    long double y[SIZE] = {1, 0, 0.25L};
    integrate(tableau_find("dopri54", NULL), rational_field, 1, 2048, y);
    cr_expect_lt(fabsl(y[0] - 0.5L), 1e-17L);
    cr_expect_lt(fabsl(y[1] - 7 * (1.0L / 5 - 1.0L / 3 + 1 - acosl(-1) / 4)), 1e-16L);
}

/* ---- user's own schemes --------------------------------------------------------------------- */

static struct rational nudged(struct rational x) {
    const int64_t million = 1000000;
    return (struct rational){x.p * million + x.q, x.q * million};
}

/* A stage with weight 0 that no other stage uses is there for the next step's sake alone. */
static bool is_last_of_fsal(const struct tableau *scheme, int stage) {
    return scheme->fsal && stage == scheme->stages - 1;
}

Test(tableau, a_millionth_in_any_coefficient_is_noticed) {
    for (int n = 0; n < tableau_count(); n++) {
        const struct tableau *const scheme = tableau_at(n);
        struct tableau changed;
        struct error error;
        for (int i = 0; i < scheme->stages; i++) {
            changed = *scheme;
            changed.b[i] = nudged(changed.b[i]);
            cr_expect(!tableau_complete(&changed, &error), "%s b[%d]", scheme->name, i);
            for (int j = 0; j < i; j++) {
                changed = *scheme;
                changed.a[i][j] = nudged(changed.a[i][j]);
                cr_assert(tableau_complete(&changed, &error), "%s", error.text);
                if (is_last_of_fsal(scheme, i)) {
                    cr_expect(!changed.fsal);
                } else {
                    cr_expect_lt(changed.order, scheme->order, "%s a[%d][%d]", scheme->name, i, j);
                }
            }
        }
    }
}

Test(tableau, orders_are_exact_where_doubles_see_no_difference) {
    /* rk4 with its weights cut to 18 decimals: sum b and sum b c still hold, sum b c^2 does not. */
    const int64_t q = 1000000000000000000;
    struct tableau cut = *tableau_find("rk4", NULL);
    cut.b[0] = cut.b[3] = (struct rational){166666666666666667, q};
    cut.b[1] = cut.b[2] = (struct rational){333333333333333333, q};
    struct error error;
    cr_assert(tableau_complete(&cut, &error), "%s", error.text);
    cr_expect_eq(cut.order, 2);
    cr_expect(cut.bv[0] == tableau_find("rk4", NULL)->bv[0]);
}

Test(tableau, denominators_of_any_size_are_decided) {
    /* Two stages of order 2 for any abscissa alpha: b2 = 1 / (2 alpha), b1 = 1 - b2. The second
     * denominator is the largest prime below 2^63. */
    const struct rational alphas[] = {{3, 4611686018427387847}, {1, 9223372036854775783}};
    struct error error;
    for (size_t i = 0; i < 2; i++) {
        const int64_t p = alphas[i].p, q = alphas[i].q;
        struct tableau own = {.name = "own",
                              .source = "this test",
                              .stages = 2,
                              .a = {[1] = {alphas[i]}},
                              .b = {{2 * p - q, 2 * p}, {q, 2 * p}}};
        cr_assert(tableau_complete(&own, &error), "%s", error.text);
        cr_expect_eq(own.order, 2);
        cr_expect(own.c[1].p == p && own.c[1].q == q);
    }
    /* All stages and all denominators different and large: one order, and at once. */
    struct tableau dense = {.name = "dense", .source = "this test", .stages = TABLEAU_STAGES_MAX};
    int64_t next = 9223372036854775783;
    for (int i = 1; i < TABLEAU_STAGES_MAX; i++) {
        dense.a[i][0] = (struct rational){next / (i + 1), next};
        dense.a[i][i - 1] = i > 1 ? (struct rational){1, 1 + i} : dense.a[i][0];
        next -= 987654321098;
        dense.b[i] = (struct rational){1, 32};
    }
    dense.b[0] = (struct rational){17, 32};
    dense.a[1][0] = (struct rational){1, 9223372036854775783};
    for (int i = 2; i < TABLEAU_STAGES_MAX; i++) {
        dense.a[i][i - 1] = (struct rational){0, 1};
    }
    cr_assert(tableau_complete(&dense, &error), "%s", error.text);
    cr_expect_eq(dense.order, 1);
}

static struct tableau own_scheme(void) {
    return (struct tableau){.name = "own",
                            .source = "this test",
                            .stages = 2,
                            .a = {[1] = {{2, -4}}},
                            .b = {{2, 1}, {-3, 3}}};
}

Test(tableau, coefficients_are_brought_to_lowest_terms) {
    struct tableau own = own_scheme();
    struct error error;
    cr_assert(tableau_complete(&own, &error), "%s", error.text);
    cr_expect(own.a[1][0].p == -1 && own.a[1][0].q == 2);
    cr_expect(own.b[1].p == -1 && own.b[1].q == 1);
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
    own.b[0] = (struct rational){3, 2};
    expect_refusal(&own,
                   "scheme \"own\" is not consistent: the sum of b is 0.5 and must be exactly 1");
    own = own_scheme();
    own.a[0][0] = (struct rational){1, 2};
    expect_refusal(&own,
                   "scheme \"own\" is not explicit: a[1][1] is 1/2; on and above the diagonal a "
                   "must be 0");
    own = own_scheme();
    own.a[1][0].q = 0;
    expect_refusal(&own,
                   "scheme \"own\": a[2][1] has the denominator 0, or a number beyond 64 bits");
    own = own_scheme();
    own.b[1].p = INT64_MIN;
    expect_refusal(&own, "scheme \"own\": b[2] has the denominator 0, or a number beyond 64 bits");
    own = own_scheme();
    own.stages = 0;
    expect_refusal(&own, "scheme \"own\" has 0 stages; it must have between 1 and 16");
    own.stages = 17;
    expect_refusal(&own, "scheme \"own\" has 17 stages; it must have between 1 and 16");
    own.stages = 1;
    own.b[0] = (struct rational){1, 1};
    own.b[1] = (struct rational){0, 1};
    expect_refusal(&own, "scheme \"own\" has 1 stages but coefficients of stage 2");
    own = (struct tableau){.name = "own", .source = "", .stages = 3, .b = {{1, 1}}};
    own.a[2][0] = (struct rational){1, 9223372036854775783};
    own.a[2][1] = (struct rational){1, 9223372036854775643};
    expect_refusal(&own, "scheme \"own\": the sum of row 3 of a is a fraction beyond 64 bits; give "
                         "coefficients with a smaller common denominator");
}

Test(tableau, a_missed_order_names_the_tree_and_both_weights) {
    struct error error;
    cr_expect(!condition_require(tableau_find("midpoint", NULL), 3, &error));
    cr_expect_str_eq(error.text,
                     "scheme \"midpoint\" has order 2, not 3: the weight of tree [[.]] is "
                     "0 and should be 1/6");
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
    own.b[0].p = 77;
    cr_expect_eq(tableau_find("my_own", NULL), entry);
    cr_expect_eq(entry->b[0].p, 2);
    cr_expect_eq(tableau_count(), before + 1);
    struct tableau same = own_scheme();
    same.name = "my_own";
    cr_assert(tableau_complete(&same, NULL));
    cr_expect_eq(tableau_register(&same, &error), entry);
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
