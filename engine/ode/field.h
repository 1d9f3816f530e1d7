/* A vector field y' = f(t, y), in doubles: what solvers and studies of ordinary differential
 * equations read. A system that is built in, a function from Lua and the ODE block of a net all
 * come in this form. */
#ifndef CONTINUO_ODE_FIELD_H
#define CONTINUO_ODE_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct ode_field {
    const char *name;
    ptrdiff_t n; /* reals of a state */
    /* dy (count, n) = f at count states y (count, n), each at a time of its own t (count). False:
     * the field cannot be had any more (whoever made it knows why), and the caller stops at once,
     * as it is. Values that are not finite are an answer, not a failure. */
    bool (*value)(void *context, ptrdiff_t count, const double *t, const double *y, double *dy);
    /* ybar (count, n) = a^T df/dy, and where the field has parameters their gradient gets
     * `scale` a^T df/dtheta, summed over the states. NULL: it has no derivatives to offer. */
    bool (*pull)(void *context, ptrdiff_t count, const double *t, const double *y, const double *a,
                 double *ybar, double scale);
    void *context;
};

#endif
