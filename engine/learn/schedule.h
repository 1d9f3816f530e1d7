/* Learning rate schedules: the rate of a step is a pure function of the step, so there is nothing
 * to save and a resumed run has the same rates. Steps count from 0 here; the fractional epoch of a
 * step is step / steps per epoch.
 *
 *   constant   lr
 *   step       lr * factor^(how many of `at` are <= the epoch)
 *   cosine     floor + (lr - floor) (1 + cos(pi u)) / 2, u from 0 to 1 behind the warm-up
 *   one_cycle  cosine up from start * peak to peak, then cosine down to end * peak (Smith and
 *              Topin 2018; the two-phase form of PyTorch's OneCycleLR, momentum left alone)
 *
 * In the first three `warmup` epochs ramp the rate up linearly: times (step + 1) / warm-up steps.
 * NUMERICS.md eq. 39, 40. */
#ifndef CONTINUO_LEARN_SCHEDULE_H
#define CONTINUO_LEARN_SCHEDULE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"

enum { SCHEDULE_DROPS_MAX = 64 };

struct schedule_kind { /* registry: "constant", "step", "cosine", "one_cycle" */
    const char *name;
    const char *help;
    const struct option *options;
    int option_count;
};
int schedule_count(void);
const struct schedule_kind *schedule_at(int index);

struct schedule {
    const struct schedule_kind *kind;
    double warmup;           /* epochs; one_cycle: share of all steps */
    double factor, floor;    /* step; cosine */
    double peak, start, end; /* one_cycle; peak 0: the optimiser's lr */
    cJSON *at_json;          /* only while options are read */
    int drop_count;          /* step: epochs at which the rate drops, rising */
    double drops[SCHEDULE_DROPS_MAX];
};

/* From {"kind": "step", "at": [2, 3], ...} (NULL: constant). False with *error set when the kind
 * or an option cannot be. */
bool schedule_read(struct schedule *schedule, const cJSON *config, struct error *error);
cJSON *schedule_config(const struct schedule *schedule); /* resolved; the caller owns it */

/* The rate of step 0 <= step < steps, given the optimiser's lr. */
double schedule_rate(const struct schedule *schedule, double lr, ptrdiff_t step, ptrdiff_t steps,
                     ptrdiff_t steps_per_epoch);

#endif
