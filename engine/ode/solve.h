/* The solution of y' = f(t, y) from t0 to t1, forward or backward in time, for one state or many,
 * in equal steps or with steps chosen by an error estimate. NUMERICS.md eq. 80 to 89. */
#ifndef CONTINUO_ODE_SOLVE_H
#define CONTINUO_ODE_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "ode/adams.h"
#include "ode/control.h"
#include "ode/field.h"
#include "ode/solution.h"

struct solve_options {
    const struct tableau *scheme; /* NULL with an Adams formula */
    const struct adams *adams;    /* NULL with a scheme; equal steps only */
    double t0, t1;
    ptrdiff_t steps; /* equal steps; 0: chosen by the error estimate, with what follows */

    const double *rtol, *atol; /* (n) each, at least 0 and not both 0 */
    int estimate;              /* which of the scheme's error estimates */
    enum control control;
    enum control_norm norm;
    bool together;         /* one step for all samples, as small as the worst one needs */
    double first, longest; /* first step, longest step; 0: chosen, no bound */
    ptrdiff_t limit;       /* attempted steps of a sample */
    ptrdiff_t stiff_after; /* accepted steps after which stiffness is looked for; 0: never */

    /* (break_count) rising times at which f jumps, where it is right-continuous. A step ends there and
     * asks f inside of itself: one representable number before the jump for the limit from the left.
     * Equal steps that do not end there lose their order. Not with an Adams formula. */
    const double *breaks;
    ptrdiff_t break_count;

    const double *save_at; /* (saves) from t0 towards t1, strictly; NULL: t0 and every step */
    ptrdiff_t saves;
    bool interpolate;             /* save_at without shortening steps; else every time is the end
                                     of a step, and equal steps refuse other times */
    enum interpolant interpolant; /* for that and for solution_at */
    bool dense;                   /* keep what solution_at needs; solve to t1 in any case */
    bool trace;                   /* keep every attempted step */
    bool compensated;             /* add what rounding takes from the state in the next step */
    const volatile bool *stop;    /* raised: stop soon; NULL: never */
};

/* The usual: PI control with rms norms, each sample by itself, at most 100000 steps, stiffness
 * looked for after 1000; scheme, times, steps and tolerances are left to be set. */
struct solve_options solve_defaults(void);

/* Solves for `count` initial states y0 (count, n). NULL with *error when the options cannot be
 * or there is no memory; whatever happens on the way is in the solution. With options->together
 * false a sample's bits do not depend on the others, if the field's do not. Each record gets
 * longer by doubling; otherwise nothing is allocated while it runs. */
struct solution *solve(const struct ode_field *field, ptrdiff_t count, const double *y0,
                       const struct solve_options *options, struct error *error);

#endif
