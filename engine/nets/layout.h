/* Where every tensor of a pass stands. One forward and one backward pass are gone through in the
 * order of chain_forward and chain_backward: a tensor is taken where it is first written and given
 * back where it has been read for the last time, so that its memory serves again. What is kept of
 * ODE blocks is decided by pass->memory; everything that is not kept between the two passes is
 * taken in both. NUMERICS.md, "Discrete adjoint". */
#ifndef CONTINUO_NETS_LAYOUT_H
#define CONTINUO_NETS_LAYOUT_H

#include "nets/pass.h"

/* Seats frame and work of the pass in the stretch of memory at `start`, and returns the bytes it
 * must have; SIZE_MAX: more than there are addresses. NULL: only counts. */
size_t layout_place(struct pass *pass, void *start);

#endif
