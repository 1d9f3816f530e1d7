/* Probes: the same weights under other schemes and numbers of steps, while they train. This part
 * decides which cell of the grid is due, and knows nothing about nets: the job evaluates the cell
 * and reports what it cost.
 *
 * With `every` = n, the whole grid is due at every n-th step. Otherwise cells come one at a time,
 * so that all of them together take the share `share` of the time. Cells that were never seen come
 * first, cheap ones before dear ones. Then a cell that costs c is due every sqrt(c) S / share
 * seconds, S the sum of all roots: of all periods that spend the share, these have the least sum,
 * so the grid is as fresh as the share allows. NUMERICS.md eq. 51. */
#ifndef CONTINUO_RUN_PROBE_H
#define CONTINUO_RUN_PROBE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "depth/tableau.h"

enum { PROBE_SCHEMES_MAX = 8, PROBE_STEPS_MAX = 16 };

extern const struct option probe_options_table[];
extern const int probe_options_count;

struct probe_cell {
    const struct tableau *scheme;
    int steps;
    double seconds;    /* what it cost when it ran last; 0: it never ran */
    double when;       /* time of the run at which it ran last, seconds */
    ptrdiff_t at_step; /* of training, when it ran last; -1: never */
};

struct probe {
    int scheme_count, step_count, cell_count; /* all 0: no probes */
    const struct tableau *schemes[PROBE_SCHEMES_MAX];
    int steps[PROBE_STEPS_MAX]; /* rising */
    ptrdiff_t samples, every;
    double share;
    struct probe_cell cells[PROBE_SCHEMES_MAX * PROBE_STEPS_MAX]; /* cheap ones first */
    double spent;                                                 /* seconds, on all cells so far */
};

/* From {"schemes": [...], "steps": [...], "samples", "every", "share"}; true or NULL: the default
 * grid around the trained scheme and steps of a net with that many nodes; false: none. False with
 * *error set when it cannot be. */
bool probe_init(struct probe *probe, const cJSON *config, const struct tableau *trained_scheme,
                int trained_steps, int nodes, struct error *error);
cJSON *probe_config(const struct probe *probe); /* resolved, the caller owns it; false: none */

/* The cell to evaluate now, before step `step` + 1, `seconds` into the run; -1: none is due. Behind
 * the last step (`last`) cells come until all are of that step or a tenth of the time is spent. */
int probe_next(const struct probe *probe, ptrdiff_t step, double seconds, bool last);

/* A cell was evaluated at that step in `cost` seconds and was ready at `seconds`. */
void probe_done(struct probe *probe, int cell, ptrdiff_t step, double seconds, double cost);

#endif
