#include "ode/stability.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void stability_function(const struct tableau *scheme, double *re, double *im) {
    const double x = *re, y = *im;
    double u[TABLEAU_STAGES_MAX], v[TABLEAU_STAGES_MAX]; /* Y_i = u + i v */
    for (int i = 0; i <= scheme->stages; i++) {
        const double *weights = i < scheme->stages ? scheme->av[i] : scheme->bv;
        double sum_u = 0, sum_v = 0;
        for (int j = 0; j < i; j++) {
            sum_u += weights[j] * u[j];
            sum_v += weights[j] * v[j];
        }
        const double next_u = 1 + x * sum_u - y * sum_v, next_v = x * sum_v + y * sum_u;
        if (i < scheme->stages) {
            u[i] = next_u;
            v[i] = next_v;
        } else {
            *re = next_u;
            *im = next_v;
        }
    }
}

double stability_growth(const struct tableau *scheme, double re, double im) {
    stability_function(scheme, &re, &im);
    const double growth = hypot(re, im);
    return isnan(growth) ? (double)INFINITY : growth;
}

/* ---- as polynomials ------------------------------------------------------------------------ */

struct stability stability_of(const struct tableau *scheme) {
    struct stability stability = {.p = {1}, .q = {1}};
    double power[TABLEAU_STAGES_MAX]; /* A^(k-1) 1 */
    for (int i = 0; i < scheme->stages; i++) {
        power[i] = 1;
    }
    for (int k = 1; k <= scheme->stages; k++) {
        double next[TABLEAU_STAGES_MAX];
        for (int i = 0; i < scheme->stages; i++) {
            stability.p[k] += scheme->bv[i] * power[i];
            next[i] = 0;
            for (int j = 0; j < i; j++) {
                next[i] += scheme->av[i][j] * power[j];
            }
        }
        memcpy(power, next, sizeof next);
        stability.p_degree = stability.p[k] != 0 ? k : stability.p_degree;
    }
    return stability;
}

bool stability_find(const char *name, struct stability *stability, struct error *error) {
    if (!strcmp(name, "backward_euler")) {
        *stability = (struct stability){.q_degree = 1, .p = {1}, .q = {1, -1}};
        return true;
    }
    if (!strcmp(name, "trapezoid")) {
        *stability =
            (struct stability){.p_degree = 1, .q_degree = 1, .p = {1, 0.5}, .q = {1, -0.5}};
        return true;
    }
    const struct tableau *const scheme = tableau_find(name, error);
    if (scheme) {
        *stability = stability_of(scheme);
    }
    return scheme != NULL;
}

/* The polynomial and its derivative. */
static double complex horner(const double *c, int degree, double complex z,
                             double complex *slope) {
    double complex value = c[degree];
    *slope = 0;
    for (int k = degree - 1; k >= 0; k--) {
        *slope = *slope * z + value;
        value = value * z + c[k];
    }
    return value;
}

double complex stability_at(const struct stability *stability, double complex z) {
    double complex slope;
    return horner(stability->p, stability->p_degree, z, &slope) /
           horner(stability->q, stability->q_degree, z, &slope);
}

double complex stability_slope(const struct stability *stability, double complex z) {
    double complex p_slope, q_slope;
    const double complex p = horner(stability->p, stability->p_degree, z, &p_slope);
    const double complex q = horner(stability->q, stability->q_degree, z, &q_slope);
    return (p_slope - p / q * q_slope) / q;
}

/* Newton's method for R(z) = target, from *z. */
static bool newton(const struct stability *stability, double complex target, double complex *z) {
    enum { ROUNDS = 40 };
    double complex x = *z;
    for (int round = 0; round < ROUNDS; round++) {
        const double complex step =
            (stability_at(stability, x) - target) / stability_slope(stability, x);
        if (!isfinite(cabs(step))) {
            return false;
        }
        x -= step;
        if (cabs(step) <= 4e-16 * cabs(x) + 1e-300) {
            break;
        }
    }
    /* Rounding of R leaves this much; a run that does not settle is far above it. */
    const double miss = cabs(stability_at(stability, x) - target);
    *z = x;
    return miss <= 1e-14 * fmax(1, cabs(target));
}

bool stability_inverse(const struct stability *stability, double complex w, double complex *z) {
    const int pieces = 16 + (int)fmin(64 * cabs(w), 1e6);
    double complex at = 0;
    for (int i = 1; i <= pieces; i++) {
        const double complex target = cexp(w * i / pieces), before = at;
        if (!newton(stability, target, &at) || cabs(at - before) > 0.5) {
            return false; /* the branch has ended and another one was found */
        }
    }
    *z = at;
    return true;
}

int stability_boundary(const struct stability *stability, int most, double complex *z) {
    assert(most >= 2);
    /* As many turns of exp(i theta) as R has branches at most, in pieces fine enough to follow. */
    const int turns = stability->p_degree > stability->q_degree ? stability->p_degree
                                                                : stability->q_degree;
    const int pieces = 512, total = turns * pieces, every = (total + most - 2) / (most - 1);
    double complex at = 0;
    int count = 0;
    z[count++] = 0;
    for (int i = 1; i <= total; i++) {
        const double complex target = CMPLX(cos(2 * M_PI * i / pieces), sin(2 * M_PI * i / pieces));
        double complex next = at;
        if (!newton(stability, target, &next)) {
            break;
        }
        at = next;
        const bool home = i % pieces == 0 && cabs(at) < 1e-6;
        if ((i % every == 0 || home || i == total) && count < most) {
            z[count++] = home ? 0 : at;
        }
        if (home) {
            break;
        }
    }
    return count;
}
