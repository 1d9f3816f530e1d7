/* What an Adams-Bashforth formula makes of y' = lambda y in the long run: y grows by the largest
 * root of zeta^k = zeta^(k-1) + z sum_j beta_j zeta^(k-1-j), z = h lambda, per step. Hairer,
 * Norsett and Wanner 1993, section III.3. */
#ifndef CONTINUO_ODE_ADAMS_GROWTH_H
#define CONTINUO_ODE_ADAMS_GROWTH_H

#include "ode/adams.h"

/* The modulus of that root at z = re + i im; infinite where it overflows. */
double adams_growth(const struct adams *formula, double re, double im);

#endif
