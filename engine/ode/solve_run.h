/* What solve.c and solve_run.c share: one solution on its way. */
#ifndef CONTINUO_ODE_SOLVE_RUN_H
#define CONTINUO_ODE_SOLVE_RUN_H

#include "ode/solve.h"

/* A sample on its way, in a row of the stepper. */
struct traveller {
    ptrdiff_t index; /* of the sample */
    double t, end;   /* of this step; the stepper has the times inside of it */
    ptrdiff_t next;  /* of save_at */
    double want;     /* length the controller asks for, > 0 */
    bool shortened;  /* this attempt is shorter than that */
    bool jumped;     /* the field jumps where this step ended */
    double error;
    struct control_memory memory;
    struct control_stiff stiff;
};

struct run {
    const struct solve_options *options;
    struct solution *solution;
    struct stepper stepper;
    struct traveller *row; /* (rows) */
    bool *accepted, *wanted, *over; /* (rows) this attempt; its end's slope; leaves after it */
    double direction, final;
    double *save_at; /* (saves) on the grid exactly, where equal steps meet them */
    struct grid grid;
    const struct grid *even; /* &grid in equal steps, else NULL */
    ptrdiff_t step;          /* of the grid */
    int exponent;
    double *error, *error_low; /* (rows, n) */
    struct control_probe probe;
    bool probing;
    double *past; /* Adams: (order - 1, rows, n) slopes of the first steps */
    bool fitting; /* polynomials are wanted */
    double *fit, *between; /* (terms, n), (n) */
};

static inline struct solution_sample *run_sample(const struct run *run, ptrdiff_t r) {
    return &run->solution->sample[run->row[r].index];
}

/* Plans a solution and everything it needs: false with *error set, solution and run released, when
 * the options cannot be or there is no memory. */
bool run_create(struct run *run, const struct ode_field *field, ptrdiff_t count, const double *y0,
                const struct solve_options *options, struct error *error);
void run_release(struct run *run); /* leaves the solution alone */

/* The break at time t but for rounding, or NULL. */
const double *run_break(const struct run *run, double t);
/* The first break that lies behind t on the way to the end, or the end. */
double run_next_break(const struct run *run, double t);
/* The time at which to ask for the slope at t of a step, at its upper end or its lower one. */
double run_inside(const struct run *run, double t, bool upper);

/* Sets the length of all rows' first step; costs an evaluation, unless it is given. False: the field
 * stopped. */
bool run_first_step(struct run *run);

#endif
