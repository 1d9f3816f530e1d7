#include "ode/adams_growth.h"

#include <complex.h>
#include <math.h>

/* The polynomial, monic, at zeta. */
static double complex at(const struct adams *formula, double complex z, double complex zeta) {
    double complex value = zeta - 1 - z * formula->value[0];
    for (int j = 1; j < formula->order; j++) {
        value = value * zeta - z * formula->value[j];
    }
    return value;
}

double adams_growth(const struct adams *formula, double re, double im) {
    enum { ROUNDS = 60 };
    const double complex z = CMPLX(re, im);
    const int degree = formula->order;
    double complex roots[ADAMS_MOST];
    /* All roots at once (Weierstrass, Durand, Kerner), from points in no symmetric place. */
    const double radius = fmin(1 + 4 * cabs(z), 1e6);
    for (int i = 0; i < degree; i++) {
        roots[i] = radius * cexp(CMPLX(0, 0.4 + 2 * M_PI * i / degree));
    }
    for (int round = 0; round < ROUNDS; round++) {
        double moved = 0;
        for (int i = 0; i < degree; i++) {
            double complex product = 1;
            for (int j = 0; j < degree; j++) {
                product *= j == i ? 1 : roots[i] - roots[j];
            }
            const double complex step = at(formula, z, roots[i]) / product;
            roots[i] -= step;
            moved = fmax(moved, cabs(step));
        }
        if (moved < 1e-14) {
            break;
        }
    }
    double growth = 0;
    for (int i = 0; i < degree; i++) {
        const double modulus = cabs(roots[i]);
        growth = isfinite(modulus) ? fmax(growth, modulus) : (double)INFINITY;
    }
    return growth;
}
