/* Problems for the solver with their solutions, in doubles and in quadruple precision. */
#ifndef CONTINUO_TESTS_SOLVE_SETUP_H
#define CONTINUO_TESTS_SOLVE_SETUP_H

#include <criterion/criterion.h>
#include <float.h>

#include "ode/solve.h"
#include "quad.h"

enum { GRIDS = 5 }; /* four halvings */

static const double net_weights[5][8] = {
    {0.83, -1.21, 0.34, 0.57, -0.44, 0.29, 0.91, -0.62},
    {-0.55, 0.47, -0.91, 0.38, 0.61, -0.73, -1.13, 0.48},
    {1.27, 0.66, 0.12, -0.84, 0.25, 0.52, 0.37, 1.05},
    {-0.31, -0.98, 0.77, 0.46, -0.69, 0.18, -0.58, -0.87},
    {0.42, 1.09, -0.23, -0.65, 0.33, -0.41, 0.74, 0.96}};

#define REAL double
#define NAME(x) double_##x
static void double_sincos(double x, double *s, double *c) {
    sincos(x, s, c);
}
static double double_sqrt(double x) {
    return sqrt(x);
}
static double double_tanh(double x) {
    return tanh(x);
}
#include "solve_problems.h"
#undef REAL
#undef NAME
#define REAL quad
#define NAME(x) quad_##x
#include "solve_problems.h"

struct problem {
    const char *name;
    int n;
    double t0, t1, y0[QUAD_N];
    long steps; /* of the coarsest grid */
    void (*value)(double t, const double *y, double *dy);
    void (*fine)(quad t, const quad *y, quad *dy);
    void (*exact)(quad t, quad *y); /* NULL: by a finer grid */
};

static void rational_exact(quad t, quad *y) {
    y[0] = 1 / (1 + t * t);
}

static void power_exact(quad t, quad *y) {
    y[0] = t * t * t * t * t * t * t;
}

static void prothero_exact(quad t, quad *y) {
    quad s;
    quad_sincos(t, &s, &y[0]);
}

static void kpr_exact(quad t, quad *y) {
    quad s, c, c3;
    quad_sincos(t, &s, &c);
    quad_sincos(3 * t, &s, &c3);
    y[0] = quad_sqrt(1 + c / 2);
    y[1] = quad_sqrt(2 + c3);
}

#define PROBLEM(x) double_##x, quad_##x
static const struct problem problems[] = {
    {"-2 t y^2", 1, 0.25, 2, {0}, 128, PROBLEM(rational), rational_exact},
    {"7 t^6", 1, 0.5, 1.25, {0}, 16, PROBLEM(power), power_exact},
    {"Prothero-Robinson", 1, 0, 1.25, {0}, 128, PROBLEM(prothero), prothero_exact},
    {"Kvaerno-Prothero-Robinson", 2, 0.25, 1.25, {0}, 128, PROBLEM(kpr), kpr_exact},
    {"Lotka-Volterra", 2, 0, 1.25, {1.5, 0.75}, 128, PROBLEM(lotka), NULL},
    {"Arenstorf", 4, 0, 0.0078125, {0.994, 0, 0, -2.00158510637908252}, 64, PROBLEM(arenstorf),
     NULL},
    {"tanh net", 2, 0.5, 1.25, {0.5, -0.25}, 64, PROBLEM(net), NULL},
};
enum { QUADRATURE = 1, PROTHERO, KPR, LOTKA, ARENSTORF, NET };

static bool value(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    const struct problem *const problem = context;
    for (ptrdiff_t i = 0; i < count; i++) {
        problem->value(t[i], y + i * problem->n, dy + i * problem->n);
    }
    return true;
}

static void start(const struct problem *problem, quad *y) {
    for (int e = 0; e < problem->n; e++) {
        y[e] = problem->y0[e];
    }
    if (problem->exact) {
        problem->exact(problem->t0, y);
    }
}

/* The slope of log error over log h, steps doubling. */
static double slope_of(const double *error, int count) {
    double sum = 0, weight = 0;
    for (int i = 0; i < count; i++) {
        const double x = i - (count - 1) / 2.0;
        sum -= x * log2(error[i]);
        weight += x * x;
    }
    return sum / weight;
}

static double distance(int n, const quad *x, const quad *y) {
    double most = 0;
    for (int e = 0; e < n; e++) {
        most = fmax(most, fabs((double)(x[e] - y[e])));
    }
    return most;
}

/* What the doubles of a field leave in a state of that problem: rounded initial values and slopes. */
static double floor_of(const struct problem *problem, const quad *y) {
    double size = 1;
    for (int e = 0; e < problem->n; e++) {
        size = fmax(size, fabs((double)y[e]));
    }
    return 100 * DBL_EPSILON * size;
}

/* How much larger than the state the numbers are from which a step makes it: coefficients of several
 * hundred that cancel leave that much more rounding. */
static inline double amplification(const struct quad_scheme *q) {
    double most = 1, sum = 0;
    for (int i = 0; i < q->stages; i++) {
        double row = 0;
        for (int j = 0; j < i; j++) {
            row += fabs((double)q->a[i][j]);
        }
        most = fmax(most, row);
        sum += fabs((double)q->b[i]);
    }
    return fmax(most, sum);
}

#endif
