/* Order conditions of explicit Runge-Kutta schemes: a scheme has order p when, for every rooted
 * tree t of up to p vertices, its elementary weight Phi(t) = sum_i b_i Phi_i(t) is 1 / gamma(t)
 * (NUMERICS.md eq. 10 to 12). Decided exactly, for any rational coefficients. */
#ifndef CONTINUO_DEPTH_CONDITION_H
#define CONTINUO_DEPTH_CONDITION_H

#include "depth/tableau.h"
#include "depth/tree.h"

/* The order of a scheme from stages, a and b alone (a strictly lower triangular, q > 0), at most
 * TREE_ORDER_MAX; 0 when sum b != 1. *failing is the first tree whose condition does not hold, -1
 * when all hold. */
int condition_order(const struct tableau *tableau, int *failing);

/* The elementary weight Phi of tree `index`, rounded. */
double condition_weight(const struct tableau *tableau, int index);

/* The norm of the error coefficients of `order`: sqrt(sum over its trees ((Phi - 1/gamma) /
 * sigma)^2). At the scheme's order + 1 it is the principal error norm. NUMERICS.md eq. 14. */
double condition_error_norm(const struct tableau *tableau, int order);

/* Whether the scheme has at least `order`; otherwise *error names scheme, order, tree and both
 * weights. */
bool condition_require(const struct tableau *tableau, int order, struct error *error);

#endif
