/* The order with which the hidden state of a net converges: the same weights and samples run with
 * schemes x step counts in f64, against a much finer reference. */
#ifndef CONTINUO_STUDY_ORDER_STUDY_H
#define CONTINUO_STUDY_ORDER_STUDY_H

#include "nets/net.h"
#include "study/order.h"

struct order_study_options {
    const struct tableau *const *schemes; /* to be studied */
    int scheme_count;
    const int *steps; /* in every ODE block; any order, repetitions count once */
    int step_count;
    int block;     /* 0-based: behind which ODE block the state is taken; -1: the last */
    int edge;      /* enum edge of the studied runs, or -1: as configured. The reference is
                      always open */
    bool as_given; /* keep steps that do not align with the nodes; otherwise they are raised to
                      the next that does */
    int reference_steps; /* at least; 0: eight times the largest of steps */
    struct pool *pool;
    const volatile bool *stop; /* may be NULL; looked at between runs */
};

struct order_curve {
    const struct tableau *scheme;
    int count; /* grids, step counts ascending */
    int steps[ORDER_GRIDS_MAX];
    double h[ORDER_GRIDS_MAX];     /* 1 / steps */
    double error[ORDER_GRIDS_MAX]; /* |state - reference| / |reference|, over all samples */
    bool aligned;                  /* whether all steps align with the nodes of all blocks */
    struct order_fit fit;
    struct order_expectation expected;
};

struct order_study {
    int block;
    ptrdiff_t samples;
    bool kinked; /* whether the net's activation has a kink */
    const struct tableau *reference;
    int reference_steps;
    double reference_error; /* estimated, relative */
    double floor;           /* relative error below which nothing is to be seen */
    int raised;             /* step counts that were raised to align */
    int curve_count;
    struct order_curve *curves; /* one a scheme */
};

/* Studies net on x (count, C, H, W), doubles; the net is left as it is. NULL with *error set when
 * the net has no such ODE block, a step count is not positive, there are more than
 * ORDER_GRIDS_MAX of them, memory is short, or *stop became true (ERROR_STATE). */
struct order_study *order_study(const struct net *net, const double *x, ptrdiff_t count,
                                const struct order_study_options *options, struct error *error);
void order_study_free(struct order_study *study);

/* The number that steps must be a multiple of to align with the nodes of every ODE block; 0 when
 * it is beyond any number of steps. */
int order_study_alignment(const struct net *net);

#endif
