/* Integration in long doubles for references: the modified midpoint rule extrapolated in h^2
 * (Gragg 1965; Bulirsch, Stoer 1966; Hairer, Norsett, Wanner 1993, section II.9), with steps chosen
 * so that an error is about a rounding error. Slow and precise; NUMERICS.md eq. 94, 95. */
#ifndef CONTINUO_ODE_EXTRAPOLATION_H
#define CONTINUO_ODE_EXTRAPOLATION_H

#include <stdbool.h>

enum { EXTRAPOLATION_N_MAX = 8, EXTRAPOLATION_COLUMNS_MAX = 10 };

struct extrapolation {
    int n;       /* reals of a state */
    int columns; /* at least 3; the order is twice that */
    void (*value)(const void *context, long double t, const long double *y, long double *dy);
    const void *context;
    long double t, y[EXTRAPOLATION_N_MAX]; /* where it stands */
    long double h;                         /* the next step's size; 0: to be found */
};

/* Goes on to time t, before or behind. False, standing at the last time reached: steps have become
 * smaller than times can tell apart, as where a solution ends or overflows. */
bool extrapolation_to(struct extrapolation *e, long double t);

#endif
