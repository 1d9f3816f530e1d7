#include "learn/step_rule.h"

#include <assert.h>
#include <math.h>

/* Rounding must not make one step of what is a whole number of them. */
static double round_up(double steps) {
    return ceil(steps * (1 - 1e-12));
}

int step_rule_steps(const struct step_rule *rule, double h) {
    const double steps = round_up(1 / h);
    return steps >= rule->most ? rule->most : steps > 1 ? (int)steps : 1;
}

int step_rule_test_steps(const struct step_rule *rule, int order, int test_order, int steps) {
    assert(test_order > order);
    const double h = 1.0 / steps;
    if (pow(h, order) > rule->margin * pow(h, test_order)) {
        return steps;
    }
    const double finer = round_up(pow(rule->margin / pow(h, order), 1.0 / test_order));
    return finer > steps ? (int)finer : steps;
}

int step_rule_coarser(const struct step_rule *rule, int steps) {
    const int fewer = (int)round_up(steps / rule->growth);
    return fewer > 1 ? fewer : 1;
}

int step_rule_finer(const struct step_rule *rule, int steps) {
    if (2 * steps <= rule->most) {
        return 2 * steps;
    }
    return steps < rule->most ? (steps + rule->most + 1) / 2 : steps;
}

static int go(enum step_reason *reason, enum step_reason why, int steps) {
    *reason = why;
    return steps;
}

int step_rule_decide(const struct step_rule *rule, int steps, double difference,
                     double (*differs)(void *context, int steps), void *context,
                     enum step_reason *reason) {
    if (!(difference <= rule->threshold)) {
        const int finer = step_rule_finer(rule, steps);
        return go(reason, finer > steps ? STEP_FINER : STEP_LIMIT, finer);
    }
    const int coarser = step_rule_coarser(rule, steps);
    if (coarser == steps) {
        return go(reason, STEP_COARSEST, steps);
    }
    return differs(context, coarser) <= rule->threshold ? go(reason, STEP_COARSER, coarser)
                                                        : go(reason, STEP_NEEDED, steps);
}

double step_rule_guess(double d0, double d1) {
    return d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
}

double step_rule_start(double guess, double d1, double d2, int order) {
    const double most = fmax(d1, d2);
    const double h = most < 1e-15 ? fmax(1e-6, 1e-3 * guess) : pow(0.01 / most, 1.0 / (order + 1));
    return fmin(100 * guess, h);
}
