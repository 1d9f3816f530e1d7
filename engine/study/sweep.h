/* A sweep: the same weights under every scheme and every number of steps, on the same samples.
 * It reads weights and data, and changes neither. */
#ifndef CONTINUO_STUDY_SWEEP_H
#define CONTINUO_STUDY_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "learn/evaluate.h"

struct sweep_cell {
    const struct tableau *scheme;
    int steps;
    bool aligned; /* steps align with the nodes of every ODE block */
    struct evaluation result;
};

struct sweep_options {
    int scheme_count, step_count;
    const struct tableau *const *schemes; /* borrowed */
    const int *steps;
    ptrdiff_t first, count; /* samples of the part; count 0: to its end */
    int edge;               /* enum edge, or -1: as the net is configured */
};

/* Told of each cell as it is done: `done` of `count`. Must not jump out. */
typedef void sweep_progress(void *context, const struct sweep_cell *cell, int done, int count);

/* Fills cells[scheme * step_count + step]. False with *error set when the net has no ODE block, a
 * number of steps is not positive, an evaluation is refused, or *stop becomes true (ERROR_STATE;
 * the cells told of are good). progress and stop may be NULL. */
bool sweep(struct net *net, const struct part *part, const struct sweep_options *options,
           struct pool *pool, sweep_progress *progress, void *context, const volatile bool *stop,
           struct sweep_cell *cells, struct error *error);

/* The nodes of the first ODE block with which so many steps do not align, so that some step
 * crosses a jump of the weights; 0: every step of every block lies in one cell. */
int sweep_misaligned(const struct net *net, int steps);

#endif
