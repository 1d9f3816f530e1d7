/* The machine's limit, in the same code as the kernels: multiply-adds that never leave registers. */
#include "kernels/table.h"

/* Enough independent sums to hide the latency of a multiply-add on every unit. */
enum { SUMS = REGISTERS == 32 ? 24 : 12 };

double NAME(peak)(void *x_, ptrdiff_t rounds) {
    real *x = x_;
    const vec factor = splat(x[0]), addend = splat(x[1]);
    vec sum[SUMS];
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) {
        sum[i] = splat(x[2] * (real)(i + 1));
    }
    for (ptrdiff_t round = 0; round < rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++) {
            sum[i] = sum[i] * factor + addend;
        }
    }
    vec total = {0};
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) {
        total += sum[i];
    }
    x[3] = total[0];
    return 2.0 * SUMS * LANES * (double)rounds;
}
