/* What a scheme makes of y' = lambda y in one step of h: y grows by R(z), z = h lambda. The scheme
 * is stable there when |R(z)| <= 1. Hairer and Wanner 1996, section IV.2. */
#ifndef CONTINUO_ODE_STABILITY_H
#define CONTINUO_ODE_STABILITY_H

#include "depth/tableau.h"

/* R(z) = 1 + z sum b_i Y_i with Y_i = 1 + z sum a_ij Y_j, at z = re[0] + i im[0]; R(z) is written
 * in its place. Overflow gives what is not finite. */
void stability_function(const struct tableau *scheme, double *re, double *im);
/* |R(z)|; infinite where it overflows. */
double stability_growth(const struct tableau *scheme, double re, double im);

#endif
