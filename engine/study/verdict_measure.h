/* Measures what a verdict is decided from: the order on a few samples in f64, the accuracies on a
 * part of a data set in the net's own precision. */
#ifndef CONTINUO_STUDY_VERDICT_MEASURE_H
#define CONTINUO_STUDY_VERDICT_MEASURE_H

#include "learn/evaluate.h"
#include "study/order_study.h"
#include "study/sweep.h"
#include "study/verdict.h"

enum { VERDICT_SCHEMES_MAX = 16 };

struct verdict_options {
    const struct tableau *const *schemes; /* NULL: euler, midpoint, rk4 and the trained one */
    int scheme_count;                     /* at most VERDICT_SCHEMES_MAX - 1 */
    ptrdiff_t first, count;    /* samples of the part for accuracies; count 0: to its end */
    ptrdiff_t agreement_count; /* of these, for the agreement; 0: up to 2000 */
    ptrdiff_t order_count;     /* samples for the order; 0: it is not measured */
    int steps;                 /* of the limit; 0: four times the trained ones, at least 16. Raised
                                  to align with the nodes */
    const struct sweep_cell *known; /* accuracies already measured on the same samples, or NULL */
    int known_count;
    struct pool *pool;
    const volatile bool *stop; /* may be NULL */
};

/* `steps` are those of the scheme with the most stages; in the agreement, schemes with fewer stages
 * take proportionally more steps, so that each evaluates the field equally often. */
struct verdict_report {
    struct verdict verdict;
    struct verdict_input input; /* points into what follows */
    struct verdict_order orders[VERDICT_SCHEMES_MAX];
    struct verdict_score fine[VERDICT_SCHEMES_MAX];
    struct order_study *study; /* NULL when the order was not measured */
};

/* NULL with *error set when the net has no ODE block, options cannot be, memory is short, or *stop
 * became true (ERROR_STATE). On a regression set the limit and the agreement stay open. */
struct verdict_report *verdict_measure(struct net *net, const struct part *part,
                                       const struct verdict_options *options, struct error *error);
void verdict_report_free(struct verdict_report *report);

#endif
