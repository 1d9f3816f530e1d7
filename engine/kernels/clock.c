/* Rows with clocks of their own: their time as a feature, their dt as a factor (kernels.h;
 * NUMERICS.md eq. 102, 103). */
#include "kernels/table.h"

#include <string.h>

void NAME(timed)(void *y_, const void *x_, ptrdiff_t rows, ptrdiff_t in, const void *clock_,
                 double part) {
    const ptrdiff_t x_row = padded(in), y_row = padded(in + 1);
    const real *x = x_, *clock = clock_;
    real *y = y_;
    for (ptrdiff_t r = 0; r < rows; r++, x += x_row, y += y_row, clock += 2) {
        memcpy(y, x, (size_t)in * sizeof *y);
        memset(y + in, 0, (size_t)(y_row - in) * sizeof *y);
        y[in] = (real)((double)clock[0] + part * (double)clock[1]);
    }
}

void NAME(timed_back)(void *dx_, const void *dy_, ptrdiff_t rows, ptrdiff_t in) {
    const ptrdiff_t x_row = padded(in), y_row = padded(in + 1);
    const real *dy = dy_;
    real *dx = dx_;
    for (ptrdiff_t r = 0; r < rows; r++, dx += x_row, dy += y_row) {
        memcpy(dx, dy, (size_t)in * sizeof *dx);
        memset(dx + in, 0, (size_t)(x_row - in) * sizeof *dx);
    }
}

void NAME(pace)(void *y_, ptrdiff_t rows, ptrdiff_t len, const void *clock_) {
    const real *clock = clock_;
    real *y = y_;
    for (ptrdiff_t r = 0; r < rows; r++, y += len) {
        const vec dt = splat(clock[2 * r + 1]);
        for (ptrdiff_t k = 0; k < len; k += LANES) {
            store(y + k, load(y + k) * dt);
        }
    }
}
