/* Losses over (n, classes) outputs, row by row in double. */
#include "kernels/table.h"

/* Cross-entropy against (1 - smoothing) one-hot + smoothing / classes. NUMERICS.md eq. 32, 33.
 * A row that is not finite gives a loss that is not finite. */
double NAME(cross_entropy)(void *dz_, const void *z_, const int32_t *labels, ptrdiff_t n,
                           ptrdiff_t classes, double smoothing, ptrdiff_t *correct) {
    const real *z = z_;
    real *dz = dz_;
    const double off = smoothing / (double)classes, on = 1.0 - smoothing + off;
    double total = 0.0;
    ptrdiff_t right = 0;
    for (ptrdiff_t i = 0; i < n; i++, z += classes) {
        ptrdiff_t best = 0;
        double sum = 0.0, top = (double)z[0], mean = 0.0;
        for (ptrdiff_t k = 0; k < classes; k++) {
            if (z[k] > z[best]) {
                best = k;
            }
            top = (double)z[k] > top ? (double)z[k] : top;
            mean += (double)z[k];
        }
        for (ptrdiff_t k = 0; k < classes; k++) {
            sum += exp((double)z[k] - top);
        }
        const double log_sum = top + log(sum);
        total += log_sum - (1.0 - smoothing) * (double)z[labels[i]] - off * mean;
        right += best == labels[i];
        if (dz) {
            for (ptrdiff_t k = 0; k < classes; k++) {
                const double p = exp((double)z[k] - log_sum);
                *dz++ = (real)((p - (k == labels[i] ? on : off)) / (double)n);
            }
        }
    }
    if (correct) {
        *correct = right;
    }
    return total;
}

/* Sum over samples of the mean over outputs of (z - target)^2. NUMERICS.md eq. 34. */
double NAME(squared_error)(void *dz_, const void *z_, const double *targets, ptrdiff_t n,
                           ptrdiff_t outputs) {
    const real *z = z_;
    real *dz = dz_;
    double total = 0.0;
    for (ptrdiff_t i = 0; i < n * outputs; i++) {
        const double d = (double)z[i] - targets[i];
        total += d * d / (double)outputs;
        if (dz) {
            dz[i] = (real)(2.0 * d / (double)(n * outputs));
        }
    }
    return total;
}
