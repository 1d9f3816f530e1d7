#include "study/spectrum.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct matrix {
    int n;
    double complex a[SPECTRUM_N_MAX][SPECTRUM_N_MAX];
};

/* To Hessenberg form by eliminations with pivots, a similarity. */
static void reduce(struct matrix *m) {
    for (int k = 0; k + 2 < m->n; k++) {
        int pivot = k + 1;
        for (int i = k + 2; i < m->n; i++) {
            pivot = cabs(m->a[i][k]) > cabs(m->a[pivot][k]) ? i : pivot;
        }
        if (cabs(m->a[pivot][k]) == 0) {
            continue;
        }
        for (int j = 0; j < m->n; j++) {
            const double complex kept = m->a[pivot][j];
            m->a[pivot][j] = m->a[k + 1][j];
            m->a[k + 1][j] = kept;
        }
        for (int i = 0; i < m->n; i++) {
            const double complex kept = m->a[i][pivot];
            m->a[i][pivot] = m->a[i][k + 1];
            m->a[i][k + 1] = kept;
        }
        for (int i = k + 2; i < m->n; i++) {
            const double complex part = m->a[i][k] / m->a[k + 1][k];
            for (int j = 0; j < m->n; j++) {
                m->a[i][j] -= part * m->a[k + 1][j];
            }
            for (int j = 0; j < m->n; j++) {
                m->a[j][k + 1] += part * m->a[j][i];
            }
        }
    }
}

/* The eigenvalue of the last 2 x 2 block that is nearer to its corner (Wilkinson's shift). */
static double complex shift_of(const struct matrix *m, int last) {
    const double complex a = m->a[last - 1][last - 1], b = m->a[last - 1][last];
    const double complex c = m->a[last][last - 1], d = m->a[last][last];
    const double complex half = (a + d) / 2, root = csqrt((a - d) * (a - d) / 4 + b * c);
    return cabs(half + root - d) < cabs(half - root - d) ? half + root : half - root;
}

/* One step of QR with a shift on rows and columns first..last. */
static void qr_step(struct matrix *m, int first, int last, double complex shift) {
    double complex cosine[SPECTRUM_N_MAX], sine[SPECTRUM_N_MAX];
    for (int i = first; i <= last; i++) {
        m->a[i][i] -= shift;
    }
    for (int k = first; k < last; k++) {
        const double complex x = m->a[k][k], y = m->a[k + 1][k];
        const double norm = hypot(cabs(x), cabs(y));
        cosine[k] = norm > 0 ? x / norm : 1;
        sine[k] = norm > 0 ? y / norm : 0;
        for (int j = k; j <= last; j++) {
            const double complex up = m->a[k][j], down = m->a[k + 1][j];
            m->a[k][j] = conj(cosine[k]) * up + conj(sine[k]) * down;
            m->a[k + 1][j] = cosine[k] * down - sine[k] * up;
        }
    }
    for (int k = first; k < last; k++) {
        for (int i = first; i <= (k + 1 < last ? k + 1 : last); i++) {
            const double complex left = m->a[i][k], right = m->a[i][k + 1];
            m->a[i][k] = left * cosine[k] + right * sine[k];
            m->a[i][k + 1] = right * conj(cosine[k]) - left * conj(sine[k]);
        }
    }
    for (int i = first; i <= last; i++) {
        m->a[i][i] += shift;
    }
}

/* By descending imaginary part, then real part; parts of pairs differ by rounding alone. */
static int compare(const void *one, const void *other) {
    const double complex x = *(const double complex *)one, y = *(const double complex *)other;
    const double slack = 1e-12 * fmax(cabs(x), cabs(y));
    if (fabs(cimag(x) - cimag(y)) > slack) {
        return cimag(x) < cimag(y) ? 1 : -1;
    }
    return (creal(x) < creal(y)) - (creal(x) > creal(y));
}

bool spectrum_eigenvalues(int n, const double *a, double complex *lambda, struct error *error) {
    enum { ROUNDS_MAX = 60 }; /* of one eigenvalue; three are usual */
    struct matrix m = {.n = n};
    double norm = 0;
    assert(n >= 1 && n <= SPECTRUM_N_MAX);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            m.a[i][j] = a[i * n + j];
            norm = fmax(norm, isfinite(a[i * n + j]) ? fabs(a[i * n + j]) : (double)INFINITY);
        }
    }
    if (!isfinite(norm)) {
        return error_set(error, ERROR_VALUE, "the matrix is not finite, so it has no eigenvalues");
    }
    reduce(&m);
    int rounds = 0;
    for (int last = n - 1; last >= 0;) {
        int first = last;
        while (first > 0 && cabs(m.a[first][first - 1]) >
                                DBL_EPSILON * (cabs(m.a[first][first]) +
                                               cabs(m.a[first - 1][first - 1]) +
                                               DBL_EPSILON * norm)) {
            first--;
        }
        if (first == last) {
            lambda[last] = m.a[last][last];
            last--;
            rounds = 0;
            continue;
        }
        if (++rounds > ROUNDS_MAX) {
            return error_set(error, ERROR_STATE,
                             "the eigenvalues of a matrix of %d x %d did not settle", n, n);
        }
        /* Every tenth round another shift, for matrices that shifts of their own keep in place. */
        qr_step(&m, first, last,
                rounds % 10 ? shift_of(&m, last) : cabs(m.a[last][last - 1]) + m.a[last][last]);
    }
    qsort(lambda, (size_t)n, sizeof *lambda, compare);
    return true;
}

bool spectrum_jacobian(const struct ode_field *field, double t, const double *y, double *a,
                       struct error *error) {
    const ptrdiff_t n = field->n;
    if (!field->pull) {
        return error_set(error, ERROR_VALUE, "the field %s offers no derivatives", field->name);
    }
    double *const unit = calloc((size_t)n, sizeof *unit);
    bool good = unit || error_set(error, ERROR_MEMORY, "no memory for %td numbers", n);
    for (ptrdiff_t i = 0; i < n && good; i++) {
        unit[i] = 1;
        good = field->pull(field->context, 1, &t, y, unit, a + i * n, 0) ||
               error_set(error, ERROR_STATE, "the field %s stopped", field->name);
        unit[i] = 0;
    }
    free(unit);
    return good;
}

bool spectrum_learned(const struct stability *stability, double complex lambda, double dt,
                      double complex *mu, struct error *error) {
    double complex z;
    if (!stability_inverse(stability, dt * lambda, &z)) {
        return error_set(error, ERROR_VALUE,
                         "no eigenvalue makes a step of %.6g do what %.6g%+.6gi does: the step is "
                         "too large",
                         dt, creal(lambda), cimag(lambda));
    }
    *mu = z / dt;
    return true;
}

double spectrum_error(const struct stability *stability, double complex mu, double complex lambda,
                      double h, int steps) {
    if (steps == 0) {
        return cabs(cexp(h * mu) - cexp(h * lambda));
    }
    return cabs(cpow(stability_at(stability, h * mu), steps) - cexp(steps * h * lambda));
}
