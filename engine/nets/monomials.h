/* Tables of monomials for the kernels (kernels.h, struct monomials). */
#ifndef CONTINUO_NETS_MONOMIALS_H
#define CONTINUO_NETS_MONOMIALS_H

#include <stdbool.h>

#include "base/error.h"
#include "kernels/kernels.h"

enum { MONOMIALS_MOST = 10000, MONOMIALS_DEGREE_MOST = 16 };

/* All of degree 0 to `degree` in `in` features: (in + degree)! / (in! degree!). False with *error
 * set when they are more than MONOMIALS_MOST, or when there is no memory. */
bool monomials_init(struct monomials *m, ptrdiff_t in, int degree, struct error *error);
void monomials_release(struct monomials *m);

/* The name of one: "1", "x2", "x1^2 x3", with "t" for feature `time` unless that is -1. 128 bytes
 * are enough. */
void monomials_name(const struct monomials *m, ptrdiff_t index, ptrdiff_t time, char *text,
                    size_t size);

#endif
