#include "ode/interpolant.h"

#include <assert.h>
#include <string.h>

const char *const interpolant_names[] = {"auto", "own", "hermite", "again", NULL};

enum { HERMITE_ORDER = 3 };

static int least(int a, int b) {
    return a < b ? a : b;
}

int interpolant_order(enum interpolant kind, const struct tableau *scheme) {
    switch (kind) {
    case INTERPOLANT_OWN:
        return scheme->dense_order > 0 ? least(scheme->order, scheme->dense_order + 1) : 0;
    case INTERPOLANT_HERMITE:
        return least(scheme->order, HERMITE_ORDER + 1);
    default:
        return scheme->order;
    }
}

enum interpolant interpolant_choose(const struct tableau *scheme) {
    if (interpolant_order(INTERPOLANT_OWN, scheme) == scheme->order) {
        return INTERPOLANT_OWN;
    }
    if (interpolant_order(INTERPOLANT_HERMITE, scheme) == scheme->order) {
        return INTERPOLANT_HERMITE;
    }
    return INTERPOLANT_AGAIN;
}

/* The degree of the scheme's own interpolant. */
static int degree(const struct tableau *scheme) {
    int terms = 1;
    for (int i = 0; i < scheme->stages; i++) {
        for (int k = terms; k < TABLEAU_DEGREE_MAX; k++) {
            terms = scheme->dense[i][k] != 0 ? k + 1 : terms;
        }
    }
    return terms;
}

int interpolant_terms(enum interpolant kind, const struct tableau *scheme) {
    assert(kind != INTERPOLANT_AUTO);
    switch (kind) {
    case INTERPOLANT_OWN:
        return degree(scheme);
    case INTERPOLANT_HERMITE:
        return 3;
    default:
        return 1;
    }
}

void interpolant_fit(enum interpolant kind, const struct tableau *scheme, ptrdiff_t n, double h,
                     const double *y, const double *next, const double *k, ptrdiff_t stride,
                     const double *slope, double *d) {
    if (kind == INTERPOLANT_AGAIN) {
        memcpy(d, k, (size_t)n * sizeof(double));
        return;
    }
    if (kind == INTERPOLANT_HERMITE) {
        for (ptrdiff_t e = 0; e < n; e++) {
            const double mean = (next[e] - y[e]) / h;
            d[e] = k[e];
            d[n + e] = 3 * mean - 2 * k[e] - slope[e];
            d[2 * n + e] = k[e] + slope[e] - 2 * mean;
        }
        return;
    }
    const int terms = degree(scheme);
    for (int term = 0; term < terms; term++) {
        for (ptrdiff_t e = 0; e < n; e++) {
            double sum = 0;
            for (int i = 0; i < scheme->stages; i++) {
                if (scheme->dense[i][term] != 0) {
                    sum += scheme->dense[i][term] * k[i * stride + e];
                }
            }
            d[term * n + e] = sum;
        }
    }
}

void interpolant_at(ptrdiff_t n, int terms, double theta, double h, const double *y,
                    const double *d, double *out) {
    for (ptrdiff_t e = 0; e < n; e++) {
        double sum = 0;
        for (int k = terms - 1; k >= 0; k--) {
            sum = theta * (d[k * n + e] + sum);
        }
        out[e] = y[e] + h * sum;
    }
}
