/* Gradients through the solution of a field in equal steps. For a gradient a1 by the state at t1
 * they give a0, that by the state at t0; the gradient by the field's parameters goes where the
 * field's `pull` puts it. Two kinds, which differ by the error of the scheme: the exact gradient of
 * what the scheme computes, and the scheme applied to the adjoint equation. NUMERICS.md eq. 15 to
 * 17 and 127. */
#ifndef CONTINUO_ODE_ADJOINT_H
#define CONTINUO_ODE_ADJOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "depth/tableau.h"
#include "ode/field.h"

struct adjoint { /* what is solved: `count` states y (count, n), in `steps` equal steps */
    const struct ode_field *field; /* with `pull` */
    const struct tableau *scheme;
    double t0, t1; /* t1 may lie before t0 */
    ptrdiff_t steps, count;
};

enum adjoint_keep {
    ADJOINT_STORED,     /* every stage is kept: steps * stages states each */
    ADJOINT_RECOMPUTED, /* beginnings of steps are kept, stages computed again: the same bits */
};

/* y1 (count, n): the states at t1. False with *error set when memory is short or the field stopped;
 * so below. */
bool adjoint_forward(const struct adjoint *adjoint, const double *y0, double *y1,
                     struct error *error);

/* The gradient of the discrete solution, exact but for rounding: sets y1 and, from a1, a0. The
 * parameters' gradient is added to. */
bool adjoint_discrete(const struct adjoint *adjoint, enum adjoint_keep keep, const double *y0,
                      const double *a1, double *y1, double *a0, struct error *error);

/* Integrates state, a' = -a^T df/dy and the parameters' gradient from t1 back to t0 by the scheme,
 * without anything kept: sets a0 and the state y0 that it comes back to. The parameters' gradient
 * is added to. */
bool adjoint_continuous(const struct adjoint *adjoint, const double *y1, const double *a1,
                        double *y0, double *a0, struct error *error);

#endif
