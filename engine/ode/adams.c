#include "ode/adams.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FORMULAS = ADAMS_MOST - ADAMS_LEAST + 1 };

static struct adams formulas[FORMULAS] = {
    {.name = "adams2", .order = 2},
    {.name = "adams3", .order = 3},
    {.name = "adams4", .order = 4},
    {.name = "adams5", .order = 5},
};
static pthread_once_t made = PTHREAD_ONCE_INIT;

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

/* beta_j is the integral from 0 to 1 of Lagrange's polynomial that is 1 at -j and 0 at the other
 * points 0, -1, .. 1 - order: the product of (u + i) over the others, by that product at u = -j. */
static struct rational quadrature(int order, int j) {
    int64_t polynomial[ADAMS_MOST] = {1}, below = 1; /* coefficients of u^0, u^1, ... */
    int degree = 0;
    for (int i = 0; i < order; i++) {
        if (i == j) {
            continue;
        }
        below *= i - j;
        degree++;
        for (int power = degree; power >= 0; power--) {
            polynomial[power] = (power < degree ? i * polynomial[power] : 0) +
                                (power > 0 ? polynomial[power - 1] : 0);
        }
    }
    int64_t common = 1, sum = 0;
    for (int power = 0; power <= degree; power++) {
        common = common / gcd(common, power + 1) * (power + 1);
    }
    for (int power = 0; power <= degree; power++) {
        sum += polynomial[power] * (common / (power + 1));
    }
    below *= common;
    const int64_t shared = (below < 0 ? -1 : 1) * gcd(sum, below);
    return (struct rational){sum / shared, below / shared};
}

static void make(void) {
    for (int f = 0; f < FORMULAS; f++) {
        struct adams *const formula = &formulas[f];
        double alternating = 0;
        for (int j = 0; j < formula->order; j++) {
            formula->beta[j] = quadrature(formula->order, j);
            formula->value[j] = (double)formula->beta[j].p / (double)formula->beta[j].q;
            alternating += j % 2 ? -formula->value[j] : formula->value[j];
        }
        formula->source = "Bashforth, Adams 1883; Hairer, Norsett, Wanner 1993, section III.1";
        /* where the boundary of the region of stability meets the real axis: the root -1 */
        formula->stability = 2 / alternating;
        formula->starter = tableau_find(formula->order <= 4 ? "rk4" : "dopri54", NULL);
        if (!formula->starter) {
            assert(!"a starter is missing");
            abort();
        }
    }
}

const struct adams *adams_at(int order) {
    assert(order >= ADAMS_LEAST && order <= ADAMS_MOST);
    (void)pthread_once(&made, make);
    return &formulas[order - ADAMS_LEAST];
}

const struct adams *adams_find(const char *name) {
    (void)pthread_once(&made, make);
    for (int f = 0; f < FORMULAS; f++) {
        if (strcmp(formulas[f].name, name) == 0) {
            return &formulas[f];
        }
    }
    return NULL;
}
