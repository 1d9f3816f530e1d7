/* Is the gradient right? Central differences in f64 against pass_backward, for a random subset of
 * the entries of every parameter.
 *
 * The function differentiated is r . y, the outputs y of a random batch weighted by random r. With
 * step h the difference (f(w + h) - f(w - h)) / 2h carries a truncation error of order h^2 and a
 * rounding error of order eps |f| / h; h = eps^(1/3) max(1, |w|) balances them near 1e-10
 * (NUMERICS.md eq. 50). An entry
 * where the two one-sided differences disagree sits at a kink (of relu): it is counted, not
 * compared. */
#ifndef CONTINUO_STUDY_GRADIENT_CHECK_H
#define CONTINUO_STUDY_GRADIENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "nets/net.h"

struct gradient_options {
    ptrdiff_t batch;   /* samples of the random batch, positive */
    ptrdiff_t entries; /* checked of each parameter, at most */
    bool training;     /* with batch statistics (true), or with stored ones */
    struct manifestation how;
    enum memory memory;
    uint64_t seed;
    struct pool *pool;         /* NULL: serial */
    const volatile bool *stop; /* may be NULL */
};

struct gradient_row { /* one trainable parameter */
    char name[64];
    ptrdiff_t len, checked, kinks;
    double worst;             /* largest relative error */
    ptrdiff_t entry;          /* where, 0-based */
    double exact, difference; /* pass_backward and central difference there */
};

/* Fills rows[0..gradient_rows(net)). Errors are relative to the largest of |exact|, |difference|
 * and a thousandth of the parameter's largest gradient, at least the rounding error of f. The net
 * itself is not touched. False with *error set when the pass is refused or *stop becomes true. */
bool gradient_check(const struct net *net, const struct gradient_options *options,
                    struct gradient_row *rows, struct error *error);
int gradient_rows(const struct net *net); /* trainable parameters */

#endif
