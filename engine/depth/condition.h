/* Order conditions of explicit Runge-Kutta schemes: a scheme has order p when, for every rooted
 * tree t of up to p vertices, its elementary weight Phi(t) = sum_i b_i Phi_i(t) is 1 / gamma(t)
 * (NUMERICS.md eq. 10 to 12). The same decides an embedded formula with bhat in place of b, and an
 * interpolant, whose weights must be theta^|t| / gamma(t) at every theta (eq. 70). Exact for
 * fractions and short decimals; where coefficients are rounded decimals, a condition holds when the
 * residual cannot be told from 0 with the digits given (eq. 71). */
#ifndef CONTINUO_DEPTH_CONDITION_H
#define CONTINUO_DEPTH_CONDITION_H

#include "depth/tableau.h"
#include "depth/tree.h"

/* Which weights of a scheme: its b, embedded formula e (0-based) as CONDITION_EMBEDDED + e, or its
 * interpolant. */
enum { CONDITION_STEP = 0, CONDITION_EMBEDDED = 1, CONDITION_DENSE = 1 + TABLEAU_ERRORS_MAX };

/* The order of these weights from the texts alone (a strictly lower triangular), at most
 * TREE_ORDER_MAX; 0 when sum b != 1. *failing is the first tree whose condition does not hold, -1
 * when all hold. */
int condition_order(const struct tableau *tableau, int weights, int *failing);

/* The elementary weight Phi of tree `index` (weights other than CONDITION_DENSE), rounded. */
double condition_weight(const struct tableau *tableau, int weights, int index);

/* Phi - 1 / gamma of tree `index` (likewise), which doubles would cancel. */
double condition_residual(const struct tableau *tableau, int weights, int index);

/* The norm of the error coefficients of `order`: sqrt(sum over its trees ((Phi - 1/gamma) /
 * sigma)^2). At the scheme's order + 1 it is the principal error norm. NUMERICS.md eq. 14. */
double condition_error_norm(const struct tableau *tableau, int order);

/* Whether these weights have at least `order`; otherwise *error names scheme, order, tree and both
 * weights. */
bool condition_require(const struct tableau *tableau, int weights, int order, struct error *error);

#endif
