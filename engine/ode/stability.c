#include "ode/stability.h"

#include <math.h>

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
