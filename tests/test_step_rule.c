#include <criterion/criterion.h>
#include <math.h>

#include "learn/step_rule.h"

static const struct step_rule rule = {.threshold = 0.1, .margin = 50, .growth = 1.1, .most = 500};

Test(step_rule, the_test_scheme_is_fifty_times_more_accurate_as_published) {
    for (int n = 1; n <= 500; n++) {
        const double h = 1.0 / n;
        /* Euler and midpoint: h' = h if 1/h > 50, else (h/50)^(1/2). */
        const double half = n > 50 ? h : sqrt(h / 50);
        cr_assert_eq(step_rule_test_steps(&rule, 1, 2, n), (int)ceil(1 / half - 1e-9), "%d", n);
        /* midpoint and RK4: 1/h^2 > 50, (h^2/50)^(1/4). */
        const double fourth = n * n > 50 ? h : pow(h * h / 50, 0.25);
        cr_assert_eq(step_rule_test_steps(&rule, 2, 4, n), (int)ceil(1 / fourth - 1e-9), "%d", n);
        /* Euler and RK4: 1/h^3 > 50, (h/50)^(1/4). */
        const double direct = n * n * n > 50 ? h : pow(h / 50, 0.25);
        cr_assert_eq(step_rule_test_steps(&rule, 1, 4, n), (int)ceil(1 / direct - 1e-9), "%d", n);
    }
    cr_assert_eq(step_rule_test_steps(&rule, 1, 2, 1), 8); /* sqrt(50) = 7.07 */
    cr_assert_eq(step_rule_test_steps(&rule, 1, 2, 50), 50);
    cr_assert_eq(step_rule_test_steps(&rule, 2, 4, 1), 3); /* 50^(1/4) = 2.66 */
}

Test(step_rule, h_is_halved_up_to_five_hundred_steps) {
    static const int path[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 378, 439, 470, 485, 493, 497, 499,
                               500, 500};
    int n = 1;
    for (int i = 0; i < (int)(sizeof path / sizeof *path); i++) {
        cr_assert_eq(n, path[i], "%d: %d", i, n);
        /* beyond the limit h <- 2 h / (500 h + 1) */
        const double h = 1.0 / n, mean = 2 * h / (500 * h + 1);
        cr_assert(2 * n <= 500 || step_rule_finer(&rule, n) == (int)ceil(1 / mean - 1e-9));
        n = step_rule_finer(&rule, n);
    }
}

Test(step_rule, h_grows_by_a_tenth_at_most) {
    for (int n = 1; n <= 500; n++) {
        const int fewer = step_rule_coarser(&rule, n);
        cr_assert(fewer >= 1 && fewer <= n);
        cr_assert_leq(1.0 / fewer, 1.1 / n + 1e-12, "%d", n);
        cr_assert(fewer == 1 || 1.0 / (fewer - 1) > 1.1 / n, "%d: the coarsest that may be", n);
    }
    cr_assert_eq(step_rule_coarser(&rule, 10), 10);
    cr_assert_eq(step_rule_coarser(&rule, 11), 10);
    cr_assert_eq(step_rule_coarser(&rule, 110), 100);
    const struct step_rule doubling = {.growth = 2};
    cr_assert_eq(step_rule_coarser(&doubling, 7), 4);
    cr_assert_eq(step_rule_coarser(&doubling, 1), 1);
}

struct answer {
    double difference;
    int asked, calls;
};

static double differs(void *context, int steps) {
    struct answer *answer = context;
    answer->asked = steps;
    answer->calls++;
    return answer->difference;
}

static void decides(int steps, double difference, double with_fewer, int to, int calls,
                    enum step_reason why) {
    struct answer answer = {.difference = with_fewer};
    enum step_reason reason;
    const int got = step_rule_decide(&rule, steps, difference, differs, &answer, &reason);
    cr_assert_eq(got, to, "%d steps, %g: %d, not %d", steps, difference, got, to);
    cr_assert_eq(reason, why);
    cr_assert_eq(answer.calls, calls);
    cr_assert(calls == 0 || answer.asked == step_rule_coarser(&rule, steps));
}

Test(step_rule, decisions_are_those_of_the_algorithm) {
    decides(17, 0.1001, 0, 34, 0, STEP_FINER);
    decides(17, (double)NAN, 0, 34, 0, STEP_FINER);
    decides(17, (double)INFINITY, 0, 34, 0, STEP_FINER);
    decides(300, 0.37, 0, 400, 0, STEP_FINER);
    decides(500, 0.37, 0, 500, 0, STEP_LIMIT);
    decides(17, 0.1, 0.1, 16, 1, STEP_COARSER);
    decides(17, 0.1, 0.1001, 17, 1, STEP_NEEDED);
    decides(17, 0.02, (double)NAN, 17, 1, STEP_NEEDED);
    decides(10, 0.02, 0, 10, 0, STEP_COARSEST);
    decides(1, 0, 0, 1, 0, STEP_COARSEST);
}

Test(step_rule, the_first_step_is_hairers) {
    cr_assert_float_eq(step_rule_guess(0.317, 2.41), 0.01 * 0.317 / 2.41, 1e-15);
    cr_assert_eq(step_rule_guess(0.9e-5, 2.41), 1e-6);
    cr_assert_eq(step_rule_guess(0.317, 0.9e-5), 1e-6);
    cr_assert_float_eq(step_rule_start(0.0013, 2.41, 7.3, 1), sqrt(0.01 / 7.3), 1e-15);
    cr_assert_float_eq(step_rule_start(0.0013, 2.41, 1.3, 4), fmin(0.13, pow(0.01 / 2.41, 0.2)),
                       1e-15);
    cr_assert_float_eq(step_rule_start(2e-5, 2.41, 7.3, 1), 0.002, 1e-15);
    cr_assert_float_eq(step_rule_start(0.0013, 0, 0, 1), 1.3e-6, 1e-18);
    cr_assert_eq(step_rule_steps(&rule, 1), 1);
    cr_assert_eq(step_rule_steps(&rule, 3.7), 1);
    cr_assert_eq(step_rule_steps(&rule, 1.0 / 49), 49);
    cr_assert_eq(step_rule_steps(&rule, 0.037), 28);
    cr_assert_eq(step_rule_steps(&rule, 1e-6), 500);
}
