/* The convergence test of a field, learned or true: how far its solutions end from the truth, by
 * scheme and step size h = dt 2^j around the step dt that it was trained with. A field that stands
 * for the dynamics ends as near for every h below dt; one that has learned the error of its scheme
 * is right at dt alone. Numbers only; verdict_dynamics.h decides. NUMERICS.md eq. 120 to 122. */
#ifndef CONTINUO_STUDY_CONVERGENCE_H
#define CONTINUO_STUDY_CONVERGENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "ode/field.h"
#include "study/order.h"
#include "study/truth.h"

enum { CONVERGENCE_GRIDS_MAX = 24, CONVERGENCE_SCHEMES_MAX = 8 };

struct convergence_options {
    double dt;         /* the step that the field was trained with */
    double t0, t1;     /* t1 > t0; t1 - t0 is a whole number of dt, to a millionth of one */
    ptrdiff_t n;       /* reals of a state */
    ptrdiff_t count;   /* initial states, all at t0 */
    const double *y0;  /* (count, n) */
    int finest;        /* h from dt 2^finest to dt 2^coarsest, -16 <= finest <= 0 <= coarsest; */
    int coarsest;      /* an h that does not divide t1 - t0 is left out */
};

/* What is solved, and the truth at the times that all step sizes have in common. */
struct convergence_problem {
    double dt, t0, t1;
    ptrdiff_t n, count;
    double *y0;                              /* (count, n) */
    int grid_count, trained;                 /* step sizes; the place of dt among them */
    double h[CONVERGENCE_GRIDS_MAX];         /* falling */
    ptrdiff_t steps[CONVERGENCE_GRIDS_MAX];  /* from t0 to t1 */
    int left_out;                            /* step sizes that do not divide t1 - t0 */
    ptrdiff_t points;                        /* common times, t1 the last: every h[0] */
    double *truth;                           /* (count, points, n) */
    double size;       /* root mean square of |truth| over initial states and common times */
    double resolution; /* below this, errors are rounding and the truth's own error */
};

/* Computes the truth. NULL with *error set when the times do not fit, memory is short or the truth
 * cannot be had. */
struct convergence_problem *convergence_problem(const struct convergence_options *options,
                                                const struct truth *truth, struct error *error);
void convergence_problem_free(struct convergence_problem *problem);

struct convergence_curve { /* one scheme */
    const struct tableau *scheme;
    double error[CONVERGENCE_GRIDS_MAX]; /* at t1, root mean square over initial states; inf when
                                            a solution is not finite */
    double rms[CONVERGENCE_GRIDS_MAX];   /* the same over the common times */
    double self[CONVERGENCE_GRIDS_MAX];  /* |y_h - y_h'| at t1, h' the next finer step; the last
                                            one is nan */
    struct order_fit fit;                /* to `self` */
    bool above;                          /* the fit is over h >= dt alone; else over all h */
    struct order_expectation expected;
    /* The limit for h -> 0 by Richardson's extrapolation of the two finest steps. */
    double gap;    /* its distance from the reference's */
    double spread; /* its distance from that of the second and third finest steps */
    double tail;   /* order by the three finest steps; nan: not to be had */
};

struct convergence {
    double dt, size, resolution;       /* as in the problem */
    int grid_count, trained;           /* as in the problem */
    double h[CONVERGENCE_GRIDS_MAX];   /* as in the problem */
    int reference;                     /* the curve of rk4, or else of the highest order */
    double floor;                      /* its error at the finest step */
    int curve_count;
    struct convergence_curve curve[CONVERGENCE_SCHEMES_MAX];
    double seconds; /* that it took */
    double cost;    /* evaluations of the field on one state, over all cells */
};

/* Solves by every scheme with every step size, each cell on one thread of the pool. Thread i calls
 * fields[i]; they are the same field, and may be the same object where its functions can be called
 * at once. `kinked`: the field has kinks, so orders above 2 are not expected. False with *error set
 * when memory is short, a field stopped, or *stop (may be NULL) became true (ERROR_STATE). The same
 * numbers for any number of threads. */
bool convergence_measure(const struct convergence_problem *problem, const struct ode_field *fields,
                         bool kinked, const struct tableau *const *schemes, int scheme_count,
                         struct pool *pool, const volatile bool *stop,
                         struct convergence *convergence, struct error *error);

/* ends (count, n): the states at t1 by one scheme with step h[grid]. */
bool convergence_ends(const struct convergence_problem *problem, const struct ode_field *field,
                      const struct tableau *scheme, int grid, const volatile bool *stop,
                      double *ends, struct error *error);

/* How far fits of other seeds end from each other, by the scheme with step dt: the square root of
 * sum_k |y_k - mean|^2 / (fields - 1), root mean square over initial states. At least two fields.
 * NUMERICS.md eq. 124. */
bool convergence_noise(const struct convergence_problem *problem, const struct ode_field *fields,
                       int field_count, const struct tableau *scheme, const volatile bool *stop,
                       double *noise, struct error *error);

/* Whether the observed order lies within 0.3 of the expected one. */
bool convergence_confirms(const struct convergence_curve *curve);

/* Evaluations of the field on one state that a measurement takes. */
double convergence_cost(const struct convergence_problem *problem,
                        const struct tableau *const *schemes, int scheme_count);

#endif
