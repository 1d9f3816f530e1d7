/* Steps of an explicit Runge-Kutta scheme on rows: several samples at once, each at its own time
 * with a step of its own. What a row gets does not depend on the other rows. All memory is taken
 * when the stepper is made. NUMERICS.md eq. 7 to 9. */
#ifndef CONTINUO_ODE_STEPPER_H
#define CONTINUO_ODE_STEPPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "depth/tableau.h"
#include "ode/field.h"

/* Equal steps, counted in integers: step i of `steps` begins at t0 + (t1 - t0) i / steps. */
struct grid {
    double t0, t1;
    ptrdiff_t steps;
};

/* The time of step `step` at abscissa c, the fraction (step q + p) / (steps q) rounded once and
 * both ends exact. NUMERICS.md eq. 3. */
double grid_time(const struct grid *grid, ptrdiff_t step, struct rational c);

struct stepper {
    const struct tableau *scheme;
    struct ode_field field;
    ptrdiff_t n, room, rows; /* reals of a state; rows there are, rows in use */
    double *t, *h, *end;     /* (rows) begin, step and end; end = t + h, rounded */
    double *y, *next;        /* (rows, n) at the begin; at the end, after an attempt */
    double *lost, *next_lost; /* (rows, n) what rounding took from y and next; NULL: not kept */
    double *k;                /* (stages, room, n) slopes; the first at (t, y) before an attempt */
    double *slope;            /* (rows, n) f(end, next) once stepper_slopes has been called */
    double *memory, *stage, *times, *gather; /* the stepper's own */
    double *spread;                          /* (rows, n): h of the row */
    bool ended;                              /* the last stage of this attempt is the slope */
};

/* Memory for `room` rows of the field under the scheme; `compensated` keeps what rounding takes
 * from the states and adds it in the next step. False without memory. */
bool stepper_init(struct stepper *stepper, const struct tableau *scheme,
                  const struct ode_field *field, ptrdiff_t room, bool compensated,
                  struct error *error);
void stepper_release(struct stepper *stepper);

/* The slopes of a stage in k, for all rows. */
static inline double *stepper_stage(const struct stepper *stepper, int i) {
    return stepper->k + i * stepper->room * stepper->n;
}

/* Evaluates the first slope k_1 = f(t, y) of all rows, or of the rows `wanted`. False: the field
 * stopped. */
bool stepper_begin(struct stepper *stepper);
bool stepper_begin_rows(struct stepper *stepper, const bool *wanted);

/* From t, h, end, y and k_1 of all rows to the other slopes but one at the end, and next. On a grid
 * (not NULL) the times of the stages are those of its step `step`. False: the field stopped. */
bool stepper_step(struct stepper *stepper, const struct grid *grid, ptrdiff_t step);

/* The same, and of a scheme whose last stage is the end its slope too, which error estimates read
 * and the next step begins with. */
bool stepper_attempt(struct stepper *stepper, const struct grid *grid, ptrdiff_t step);

/* Sets next = y + h sum_i weights_i k_i with weights (stages) of the caller's. */
void stepper_combine(struct stepper *stepper, const double *weights);

/* Sets slope = f(end, next) in the rows `wanted`; of a scheme whose last stage is that slope it is
 * copied. Returns the number of evaluations for each of these rows, 0 or 1; -1: the field stopped. */
int stepper_slopes(struct stepper *stepper, const bool *wanted);

/* Moves the rows `wanted` to the end of their step: t, y, lost, and k_1 from slope. */
void stepper_advance(struct stepper *stepper, const bool *wanted);

/* Moves row `from` to row `to`, with all a next attempt needs. */
void stepper_move(struct stepper *stepper, ptrdiff_t to, ptrdiff_t from);

/* out (rows, n) = h sum_i weights_i k_i. */
void stepper_sum(const struct stepper *stepper, const double *weights, double *out);

/* The evaluations of an attempt, beside the first slope; of a step alone. */
int stepper_attempt_cost(const struct tableau *scheme);
int stepper_step_cost(const struct tableau *scheme);

#endif
