#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "study/verdict.h"

static struct verdict_order order(const char *scheme, double slope, double interval) {
    const struct tableau *const tableau = tableau_find(scheme, NULL);
    return (struct verdict_order){
        .scheme = tableau,
        .fit = {.status = ORDER_FITTED,
                .slope = slope,
                .interval = interval,
                .count = 4,
                .local = {slope, slope, slope}},
        .expected = order_expected(tableau, false, true, 2, EDGE_OPEN),
    };
}

/* A net that passes in all three: 88.0 % of 10,000 as trained, 88.2 % in the limit. */
struct good {
    struct verdict_order orders[3];
    struct verdict_score fine[3];
    struct verdict_input input;
};

static void make_good(struct good *good) {
    *good = (struct good){
        .orders = {order("euler", 1.02, 0.01), order("midpoint", 1.97, 0.02),
                   order("rk4", 3.99, 0.01)},
        .fine = {{"euler", 16, 8790, 10000},
                 {"midpoint", 16, 8819, 10000},
                 {"rk4", 16, 8820, 10000}},
    };
    good->input = (struct verdict_input){
        .order_count = 3,
        .orders = good->orders,
        .trained = {"rk4", 1, 8800, 10000},
        .limit = good->fine[2],
        .fine_count = 3,
        .fine = good->fine,
    };
}

static struct verdict decided(const struct good *good) {
    struct verdict verdict;
    verdict_decide(&good->input, &verdict);
    return verdict;
}

Test(verdict, a_net_that_holds_its_accuracy_in_the_limit_passes) {
    struct good good;
    make_good(&good);
    const struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_PASS);
    cr_expect_float_eq(verdict.gap, -0.002, 1e-12);
    cr_expect_float_eq(verdict.interval, 0.00898, 2e-5);
    cr_expect_str_eq(verdict.text,
                     "continuous in depth: limit pass (accuracy is 88.00 % as trained (rk4, N = 1) "
                     "and 88.20 % in the limit (rk4, N = 16), a difference of +0.20 where chance "
                     "explains 0.90); order pass; agreement pass");
}

Test(verdict, a_net_that_only_works_at_its_own_step_fails_by_the_limit_alone) {
    struct good good;
    make_good(&good);
    good.input.trained = (struct verdict_score){"euler", 1, 8780, 10000};
    for (int i = 0; i < 3; i++) {
        good.fine[i].correct = 8210 + i;
    }
    good.input.limit = good.fine[2];
    const struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_FAIL);
    cr_expect_eq(verdict.order.state, FINDING_PASS);
    cr_expect_eq(verdict.agreement.state, FINDING_PASS);
    cr_expect_eq(verdict.limit.state, FINDING_FAIL);
    cr_expect_float_eq(verdict.gap, 0.0568, 1e-12);
    cr_expect(strstr(verdict.text, "not continuous in depth: limit fail (accuracy is 87.80 %"),
              "%s", verdict.text);
    cr_expect(strstr(verdict.limit.text, "a difference of -5.68 where"), "%s", verdict.limit.text);
}

Test(verdict, the_limit_is_decided_at_its_interval_in_both_directions) {
    struct good good;
    make_good(&good);
    const double interval = decided(&good).interval;
    for (int sign = -1; sign <= 1; sign += 2) {
        good.input.limit.correct = 8800 + sign * (ptrdiff_t)(interval * 10000 * 0.97);
        cr_expect_eq(decided(&good).limit.state, FINDING_PASS);
        good.input.limit.correct = 8800 + sign * (ptrdiff_t)(interval * 10000 * 1.05);
        cr_expect_eq(decided(&good).limit.state, FINDING_FAIL);
    }
}

/* Differences of two independent samples of one net lie inside 95 times in 100 or a little more. */
Test(verdict, the_interval_covers_chance_even_where_accuracies_are_extreme) {
    const struct verdict_score all = {"rk4", 1, 100, 100}, none = {"rk4", 1, 0, 100};
    cr_expect_gt(verdict_interval(&all, &all), 0.02);
    cr_expect_lt(verdict_interval(&all, &all), 0.05);
    cr_expect_float_eq(verdict_interval(&all, &all), verdict_interval(&none, &none), 1e-15);
    const struct verdict_score half = {"rk4", 1, 5000, 10000};
    cr_expect_float_eq(verdict_interval(&half, &half), 1.96 * sqrt(0.5 / 10000), 1e-5);
}

Test(verdict, a_wrong_order_fails_and_names_the_scheme) {
    struct good good;
    make_good(&good);
    good.orders[2] = order("rk4", 1.01, 0.02);
    const struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_FAIL);
    cr_expect_str_eq(verdict.order.text,
                     "rk4 converges with order 1.01 +- 0.02 where 4 is expected");
    cr_expect(strstr(verdict.text, "not shown to be continuous in depth: limit pass"), "%s",
              verdict.text);
    cr_expect(strstr(verdict.text, "order fail (rk4 converges with order 1.01"), "%s",
              verdict.text);
}

Test(verdict, an_order_lowered_for_a_known_reason_passes) {
    struct good good;
    make_good(&good);
    good.orders[2] = order("rk4", 2.04, 0.05);
    good.orders[2].expected = order_expected(good.orders[2].scheme, true, true, 2, EDGE_OPEN);
    cr_expect_eq(decided(&good).order.state, FINDING_PASS);
    good.orders[2].fit.slope = good.orders[2].fit.local[2] = 1.5;
    cr_expect_str_eq(decided(&good).order.text, "rk4 converges with order 1.50 +- 0.05 where 2 is "
                                                "expected because the activation has a kink");
}

Test(verdict, what_was_not_measured_leaves_it_open) {
    struct good good;
    make_good(&good);
    good.input.order_count = 0;
    struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_OPEN);
    cr_expect(strstr(verdict.text, "undecided: limit pass"), "%s", verdict.text);
    cr_expect(strstr(verdict.text, "order open (the order was not measured)"), "%s", verdict.text);
    make_good(&good);
    good.input.order_count = 2;
    good.orders[0].fit = good.orders[1].fit = (struct order_fit){.status = ORDER_FLOOR};
    verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_OPEN);
    cr_expect_str_eq(verdict.order.text,
                     "euler shows no order: its errors stand at the floor of round-off");
    /* One scheme that shows its order is enough. */
    good.orders[1] = order("midpoint", 2.02, 0.01);
    verdict = decided(&good);
    cr_expect_eq(verdict.order.state, FINDING_PASS);
    cr_expect_str_eq(verdict.order.text,
                     "1 of 2 schemes converges with the expected order (midpoint: 2.02)");
    make_good(&good);
    good.input.limit.count = 0;
    verdict = decided(&good);
    cr_expect_eq(verdict.state, FINDING_OPEN);
    cr_expect(isnan(verdict.gap) && isnan(verdict.interval));
    make_good(&good);
    good.input.fine_count = 1;
    cr_expect_eq(decided(&good).agreement.state, FINDING_OPEN);
}

Test(verdict, an_accuracy_no_better_than_a_guess_decides_nothing) {
    struct good good;
    make_good(&good);
    good.input.classes = 10;
    cr_expect_eq(decided(&good).state, FINDING_PASS);
    good.input.trained.correct = 1055; /* deviation 30: within two */
    good.input.limit.correct = 1010;
    const struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.limit.state, FINDING_OPEN);
    cr_expect_str_eq(verdict.limit.text,
                     "accuracy as trained (rk4, N = 1) is 10.55 %, no better than "
                     "a guess among 10");
    good.input.trained.correct = 1060;
    cr_expect_eq(decided(&good).limit.state, FINDING_PASS);
}

Test(verdict, a_failure_outweighs_what_is_open) {
    struct good good;
    make_good(&good);
    good.input.order_count = 0;
    good.input.limit.correct = 5000;
    cr_expect_eq(decided(&good).state, FINDING_FAIL);
}

Test(verdict, schemes_that_disagree_at_small_steps_fail_by_name) {
    struct good good;
    make_good(&good);
    good.fine[0].correct = 8311;
    const struct verdict verdict = decided(&good);
    cr_expect_eq(verdict.agreement.state, FINDING_FAIL);
    cr_expect_eq(verdict.state, FINDING_FAIL);
    cr_expect_str_eq(
        verdict.agreement.text,
        "at small steps euler (N = 16) has 83.11 % and rk4 (N = 16) 88.20 %: no common "
        "limit at this step size");
}
