/* The verdict on a trained net: is it the discretisation of something continuous? Three findings.
 *
 * A, order: the hidden state converges with the scheme's order. Every net with a continuous field
 * passes; a failure means a broken integrator or too coarse steps.
 * B, limit: accuracy as trained and accuracy in the limit of small steps differ by no more than
 * chance. This is what tells an ODE from a network that only looks like one (Ott et al. 2021,
 * "ResNet After All?").
 * C, agreement: at small steps all schemes are equally accurate, so that the limit is one.
 *
 * Decided from numbers alone; verdict_measure.h obtains them. NUMERICS.md, "Verdict", eq. 48
 * and 49. */
#ifndef CONTINUO_STUDY_VERDICT_H
#define CONTINUO_STUDY_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "study/order.h"

enum finding_state {
    FINDING_PASS,
    FINDING_FAIL,
    FINDING_OPEN, /* not measured, or not to be decided from what was */
};
extern const char *const finding_names[]; /* "pass", "fail", "open", NULL */

struct verdict_order {
    const struct tableau *scheme;
    struct order_fit fit;
    struct order_expectation expected;
};

struct verdict_score { /* `correct` of `count` samples with this scheme and so many steps */
    const char *scheme;
    int steps;
    ptrdiff_t correct, count;
};

struct verdict_input {
    int order_count; /* 0: not measured */
    const struct verdict_order *orders;
    struct verdict_score trained; /* count 0: not measured */
    int classes; /* of the task: an accuracy no better than a guess decides nothing; 0: unknown */
    struct verdict_score limit; /* smallest steps, highest order; count 0: not measured */
    int fine_count;             /* schemes at their smallest steps; fewer than 2: not measured */
    const struct verdict_score *fine;
};

struct finding {
    enum finding_state state;
    char text[200]; /* starts lower-case, no final full stop */
};

struct verdict {
    enum finding_state state; /* fail when one fails, else open when one is open, else pass */
    struct finding order, limit, agreement;
    double gap;      /* accuracy as trained minus accuracy in the limit; nan: not measured */
    double interval; /* what chance alone explains of it, 95 % */
    char text[700];  /* all of it, in one sentence */
};

void verdict_decide(const struct verdict_input *input, struct verdict *verdict);

/* Half the width of the 95 % interval of the difference of two measured proportions, taken as
 * independent (Agresti, Caffo 2000, Am. Stat. 54: 280-288: one success and one failure added to
 * each). Both counts positive. On the same samples chance explains less than this, so a pass is
 * cautious and a failure sure. */
double verdict_interval(const struct verdict_score *one, const struct verdict_score *other);

#endif
