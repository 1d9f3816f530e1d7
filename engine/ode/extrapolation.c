#include "ode/extrapolation.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Errors of one step allowed, by the state's largest component: some rounding errors, which is as
 * small as can be told from them. */
static const long double tolerance = 32 * LDBL_EPSILON;

static long double largest(const struct extrapolation *e, const long double *y) {
    long double most = 0;
    for (int i = 0; i < e->n; i++) {
        most = fmaxl(most, fabsl(y[i]));
        most = isnan(y[i]) ? INFINITY : most;
    }
    return most;
}

/* Substeps of the columns (Bulirsch): unlike 2, 4, 6, 8, 10 ... they keep the sum of the weights'
 * sizes below 8, and with it rounding errors. */
static const int substeps[EXTRAPOLATION_COLUMNS_MAX] = {2, 4, 6, 8, 12, 16, 24, 32, 48, 64};

/* y(t + h) - y(t) by `count` substeps of the modified midpoint rule; `slope` is f at the start.
 * Differences from the start are carried along, for their rounding errors are smaller. */
static void midpoint(const struct extrapolation *e, long double h, int count,
                     const long double *slope, long double *change) {
    const long double step = h / count;
    long double before[EXTRAPOLATION_N_MAX] = {0}, now[EXTRAPOLATION_N_MAX];
    long double y[EXTRAPOLATION_N_MAX], dy[EXTRAPOLATION_N_MAX];
    for (int i = 0; i < e->n; i++) {
        now[i] = step * slope[i];
    }
    for (int m = 1; m < count; m++) {
        for (int i = 0; i < e->n; i++) {
            y[i] = e->y[i] + now[i];
        }
        e->value(e->context, e->t + h * m / count, y, dy);
        for (int i = 0; i < e->n; i++) {
            const long double next = before[i] + 2 * step * dy[i];
            before[i] = now[i];
            now[i] = next;
        }
    }
    memcpy(change, now, (size_t)e->n * sizeof *now);
}

/* The step's end by all columns; returns its distance from the end by one column fewer. */
static long double extrapolate(const struct extrapolation *e, long double h, long double *y) {
    long double table[EXTRAPOLATION_COLUMNS_MAX][EXTRAPOLATION_N_MAX], slope[EXTRAPOLATION_N_MAX];
    long double fewer[EXTRAPOLATION_N_MAX];
    e->value(e->context, e->t, e->y, slope);
    for (int k = 0; k < e->columns; k++) {
        midpoint(e, h, substeps[k], slope, table[k]);
        memcpy(fewer, table[0], sizeof fewer);
        for (int j = k - 1; j >= 0; j--) { /* Aitken-Neville in (1 / substeps)^2 */
            const long double ratio = (long double)substeps[k] / substeps[j];
            for (int i = 0; i < e->n; i++) {
                table[j][i] =
                    table[j + 1][i] + (table[j + 1][i] - table[j][i]) / (ratio * ratio - 1);
            }
        }
    }
    for (int i = 0; i < e->n; i++) {
        y[i] = e->y[i] + table[0][i];
        fewer[i] -= table[0][i];
    }
    return largest(e, fewer);
}

bool extrapolation_to(struct extrapolation *e, long double t) {
    assert(e->columns >= 3 && e->columns <= EXTRAPOLATION_COLUMNS_MAX);
    assert(e->n >= 1 && e->n <= EXTRAPOLATION_N_MAX);
    const long double power = 1.0L / (2 * e->columns - 1);
    long double y[EXTRAPOLATION_N_MAX];
    while (e->t != t) {
        const long double left = t - e->t;
        if (e->h == 0 || e->h * left < 0) {
            e->h = left / 8;
        }
        const bool last = fabsl(e->h) >= fabsl(left);
        const long double h = last ? left : e->h;
        const long double error = extrapolate(e, h, y);
        const long double allowed = tolerance * fmaxl(largest(e, e->y), LDBL_MIN);
        const long double ratio = error <= LDBL_MAX ? error / allowed : 1e30L;
        const long double next =
            h * fminl(4, fmaxl(0.1L, 0.8L * powl(fmaxl(ratio, 1e-30L), -power)));
        if (ratio <= 1) {
            e->t = last ? t : e->t + h;
            memcpy(e->y, y, (size_t)e->n * sizeof *y);
            e->h = last && fabsl(next) < fabsl(e->h) ? e->h : next;
        } else if (fabsl(next) < 16 * LDBL_EPSILON * fmaxl(fabsl(e->t), fabsl(t))) {
            return false;
        } else {
            e->h = next;
        }
    }
    return true;
}
