/* Flat loops over parameters: copies between precisions, norms, optimiser steps. */
#include "kernels/table.h"

void NAME(set)(void *x_, double value, ptrdiff_t n) {
    real *x = x_;
    for (ptrdiff_t i = 0; i < n; i++) {
        x[i] = (real)value;
    }
}

void NAME(add)(void *y_, const void *x_, ptrdiff_t n) {
    real *restrict y = y_;
    const real *restrict x = x_;
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

void NAME(from_doubles)(void *y_, const double *x, ptrdiff_t n) {
    real *y = y_;
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = (real)x[i];
    }
}

void NAME(to_doubles)(double *y, const void *x_, ptrdiff_t n) {
    const real *x = x_;
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = (double)x[i];
    }
}

double NAME(sum_squares)(const void *x_, ptrdiff_t n) {
    const real *x = x_;
    double part[8] = {0}; /* eight chains, added in order */
    for (ptrdiff_t i = 0; i < n; i++) {
        part[i % 8] += (double)x[i] * (double)x[i];
    }
    double sum = 0.0;
    for (int k = 0; k < 8; k++) {
        sum += part[k];
    }
    return sum;
}

void NAME(scale)(void *x_, double factor, ptrdiff_t n) {
    real *x = x_;
    for (ptrdiff_t i = 0; i < n; i++) {
        x[i] *= (real)factor;
    }
}

double NAME(inner)(const void *x_, const void *y_, ptrdiff_t n) {
    const real *x = x_, *y = y_;
    double part[8] = {0}; /* as in sum_squares */
    for (ptrdiff_t i = 0; i < n; i++) {
        part[i % 8] += (double)x[i] * (double)y[i];
    }
    double sum = 0.0;
    for (int k = 0; k < 8; k++) {
        sum += part[k];
    }
    return sum;
}

void NAME(add_scaled)(void *y_, const void *x_, double factor_, ptrdiff_t n) {
    real *restrict y = y_;
    const real *restrict x = x_;
    const real factor = (real)factor_;
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] += factor * x[i];
    }
}

/* Sutskever et al. 2013 as PyTorch writes it: g' = g + decay w; v = momentum v + g' (v = g' at the
 * first step); w -= rate v, or rate (g' + momentum v) with Nesterov's look-ahead. NUMERICS.md
 * eq. 35. */
void NAME(sgd)(void *w_, const void *g_, void *velocity, ptrdiff_t n, double rate_, double momentum_,
               double decay_, int nesterov, int first) {
    real *restrict w = w_, *restrict v = velocity;
    const real *restrict g = g_;
    const real rate = (real)rate_, momentum = first ? 0 : (real)momentum_, decay = (real)decay_;
    const real ahead = (real)momentum_;
    for (ptrdiff_t i = 0; i < n; i++) {
        const real grad = g[i] + decay * w[i];
        v[i] = first ? grad : momentum * v[i] + grad;
        w[i] -= rate * (nesterov ? grad + ahead * v[i] : v[i]);
    }
}

/* Kingma & Ba 2015, algorithm 1, with bias correction at `step` (1-based); decay is added to the
 * gradient, or taken off the weights first when decoupled (Loshchilov & Hutter 2019). NUMERICS.md
 * eq. 36, 37. */
void NAME(adam)(void *w_, const void *g_, void *m_, void *v_, ptrdiff_t n, double rate, double beta1,
                double beta2, double epsilon, double decay, int decoupled, ptrdiff_t step) {
    real *restrict w = w_, *restrict m = m_, *restrict v = v_;
    const real *restrict g = g_;
    const real keep = decoupled ? (real)(1.0 - rate * decay) : 1;
    const real coupled = decoupled ? 0 : (real)decay;
    const real b1 = (real)beta1, b2 = (real)beta2, c1 = (real)(1.0 - beta1),
               c2 = (real)(1.0 - beta2);
    const real size = (real)(rate / (1.0 - pow(beta1, (double)step)));
    const real correction = (real)(1.0 / sqrt(1.0 - pow(beta2, (double)step)));
    for (ptrdiff_t i = 0; i < n; i++) {
        const real grad = g[i] + coupled * w[i];
        m[i] = b1 * m[i] + c1 * grad;
        v[i] = b2 * v[i] + c2 * grad * grad;
        w[i] = keep * w[i] - size * m[i] / ((real)sqrt((double)v[i]) * correction + (real)epsilon);
    }
}
