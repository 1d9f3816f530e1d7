/* Long arrays of reals on all threads of a pool: in pieces of fixed length, so that sums are the
 * same bits for any number of threads. */
#ifndef CONTINUO_LEARN_FLAT_H
#define CONTINUO_LEARN_FLAT_H

#include "base/pool.h"
#include "kernels/kernels.h"

enum { FLAT_PIECE = 1 << 15, FLAT_PIECES = 256 };

/* The pieces of n reals: at most FLAT_PIECES, of FLAT_PIECE reals or more. */
struct flat {
    ptrdiff_t n, piece;
    int pieces;
};
struct flat flat_of(ptrdiff_t n);
/* Where a piece begins, and in *len how long it is. */
ptrdiff_t flat_piece(const struct flat *flat, int piece, ptrdiff_t *len);

void flat_set(const struct kernels *kernels, struct pool *pool, void *x, double value, ptrdiff_t n);
void flat_scale(const struct kernels *kernels, struct pool *pool, void *x, double factor,
                ptrdiff_t n);
double flat_sum_squares(const struct kernels *kernels, struct pool *pool, const void *x,
                        ptrdiff_t n);

double flat_inner(const struct kernels *kernels, struct pool *pool, const void *x, const void *y,
                  ptrdiff_t n);
void flat_add_scaled(const struct kernels *kernels, struct pool *pool, void *y, const void *x,
                     double factor, ptrdiff_t n); /* y += factor x */

#endif
