/* What a scheme makes of y' = lambda y in one step of h: y grows by R(z), z = h lambda. The scheme
 * is stable there when |R(z)| <= 1. Hairer and Wanner 1996, section IV.2. */
#ifndef CONTINUO_ODE_STABILITY_H
#define CONTINUO_ODE_STABILITY_H

#include <complex.h>
#include <stdbool.h>

#include "depth/tableau.h"

/* R(z) = 1 + z sum b_i Y_i with Y_i = 1 + z sum a_ij Y_j, at z = re[0] + i im[0]; R(z) is written
 * in its place. Overflow gives what is not finite. */
void stability_function(const struct tableau *scheme, double *re, double *im);
/* |R(z)|; infinite where it overflows. */
double stability_growth(const struct tableau *scheme, double re, double im);

/* R(z) as a quotient of polynomials: P alone for explicit schemes, P / Q for the two implicit ones
 * that linear theory compares with. NUMERICS.md eq. 125. */
struct stability {
    int p_degree, q_degree;
    double p[TABLEAU_STAGES_MAX + 1], q[TABLEAU_STAGES_MAX + 1]; /* q[0] is 1 */
};

/* Of an explicit scheme: p[k] = b^T A^(k-1) 1. */
struct stability stability_of(const struct tableau *scheme);

/* Of a registered scheme, "backward_euler" or "trapezoid". */
bool stability_find(const char *name, struct stability *stability, struct error *error);

double complex stability_at(const struct stability *stability, double complex z);
double complex stability_slope(const struct stability *stability, double complex z); /* R' */

/* Follows the solution z of R(z) = exp(w) from z = 0 at w = 0 along the straight line to `w`: the
 * branch that tends to w where both are small. False where it ends, at a zero of R'. */
bool stability_inverse(const struct stability *stability, double complex w, double complex *z);

/* z[0..count): points of the boundary |R(z)| = 1 through 0, in order, conjugates included, by
 * following R(z) = exp(i theta); counts at most `most` and begins and ends at 0. The number of
 * points. Parts of the boundary that do not hang together with 0 are not among them. */
int stability_boundary(const struct stability *stability, int most, double complex *z);

#endif
