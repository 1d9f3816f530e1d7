/* Monomials of a few features, row by row, and the vector-Jacobian product (kernels.h, struct
 * monomials; NUMERICS.md eq. 105, 106). */
#include "kernels/table.h"

void NAME(monomials)(void *y_, const void *x_, const struct monomials *m, ptrdiff_t rows) {
    const ptrdiff_t x_row = padded(m->in), y_row = padded(m->count);
    const real *x = x_;
    real *y = y_;
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, y += y_row) {
        y[0] = 1;
        for (ptrdiff_t k = 1; k < m->count; k++) {
            y[k] = y[m->parent[k]] * x[m->feature[k]];
        }
        for (ptrdiff_t k = m->count; k < y_row; k++) {
            y[k] = 0;
        }
    }
}

/* A monomial's gradient is complete when all its multiples, which come later, have given their
 * part. */
void NAME(monomials_back)(void *dx_, void *dy_, const void *x_, const void *y_,
                          const struct monomials *m, ptrdiff_t rows) {
    const ptrdiff_t x_row = padded(m->in), y_row = padded(m->count);
    const real *x = x_, *y = y_;
    real *dx = dx_, *dy = dy_;
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, y += y_row, dx += x_row, dy += y_row) {
        for (ptrdiff_t i = 0; i < x_row; i++) {
            dx[i] = 0;
        }
        for (ptrdiff_t k = m->count - 1; k > 0; k--) {
            dx[m->feature[k]] += dy[k] * y[m->parent[k]];
            dy[m->parent[k]] += dy[k] * x[m->feature[k]];
        }
    }
}
