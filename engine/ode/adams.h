/* Adams-Bashforth formulas of 2 to 5 steps: y_{n+1} = y_n + h sum_j beta_j f_{n-j}. The
 * coefficients are made from what they must do, integrate polynomials of degree below their number
 * exactly: sum_j beta_j (-j)^q = 1 / (q + 1) for q < steps. Source: Bashforth and Adams 1883;
 * Hairer, Norsett and Wanner 1993, section III.1. NUMERICS.md eq. 88. */
#ifndef CONTINUO_ODE_ADAMS_H
#define CONTINUO_ODE_ADAMS_H

#include "depth/tableau.h"

enum { ADAMS_LEAST = 2, ADAMS_MOST = 5 };

struct adams {
    const char *name; /* "adams2" */
    const char *source;
    int order;                          /* and number of slopes */
    struct rational beta[ADAMS_MOST];   /* of the newest slope first */
    double value[ADAMS_MOST];           /* rounded once */
    double stability;                   /* the real interval */
    const struct tableau *starter;      /* of at least that order; makes the first order - 1 steps */
};

/* The formula of that name, or NULL. */
const struct adams *adams_find(const char *name);
/* The formula of that order, from ADAMS_LEAST to ADAMS_MOST. */
const struct adams *adams_at(int order);

#endif
