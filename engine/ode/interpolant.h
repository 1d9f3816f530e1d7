/* States within a step. Three ways: the scheme's own published interpolant, the cubic Hermite
 * polynomial of both ends, and a step of the same scheme of length theta h from the step's begin,
 * which has the scheme's full order and costs evaluations. A state on the way is
 *
 *     y(t + theta h) = y + h sum_{k = 1}^{terms} theta^k d_k
 *
 * for the polynomials; of a step taken again d_1 is the first slope. NUMERICS.md eq. 85 to 87. */
#ifndef CONTINUO_ODE_INTERPOLANT_H
#define CONTINUO_ODE_INTERPOLANT_H

#include <stdbool.h>
#include <stddef.h>

#include "depth/tableau.h"

enum interpolant { INTERPOLANT_AUTO, INTERPOLANT_OWN, INTERPOLANT_HERMITE, INTERPOLANT_AGAIN };
extern const char *const interpolant_names[];

/* The order with which values of the interpolant converge, in steps of a scheme of order
 * `scheme->order`: the lesser of that and one more than the order the interpolant has by its trees,
 * since a step's error counts once, not 1/h times. 0: the scheme has no such interpolant. */
int interpolant_order(enum interpolant kind, const struct tableau *scheme);

/* The cheapest one whose values have the scheme's order. */
enum interpolant interpolant_choose(const struct tableau *scheme);

/* How many d_k there are; at most INTERPOLANT_TERMS_MAX. */
enum { INTERPOLANT_TERMS_MAX = TABLEAU_DEGREE_MAX };
int interpolant_terms(enum interpolant kind, const struct tableau *scheme);

/* d (terms, n) of a step of length h from y to `next` with slopes k (stages, stride; n used) and
 * `slope` at the end, which only Hermite's reads. */
void interpolant_fit(enum interpolant kind, const struct tableau *scheme, ptrdiff_t n, double h,
                     const double *y, const double *next, const double *k, ptrdiff_t stride,
                     const double *slope, double *d);

/* out (n) = the polynomial at theta. */
void interpolant_at(ptrdiff_t n, int terms, double theta, double h, const double *y,
                    const double *d, double *out);

#endif
