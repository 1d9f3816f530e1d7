/* ODE blocks whose field is a stack of dense layers and activations: no norm ties the samples of a
 * batch together, so a few of them go through all steps of the block, and all the way back, while
 * they are in the cache. Same equations as ode.c, on the kernels of struct field. */
#ifndef CONTINUO_NETS_DENSE_FIELD_H
#define CONTINUO_NETS_DENSE_FIELD_H

#include "nets/pass.h"

struct dense_field; /* of one ODE operation in one pass */

/* Whether the operation's body is such a field; never when its layer asks for `direct`. */
bool dense_field_fits(const struct op *op);

/* The plan, in memory the pass owns; NULL when there is not enough. */
struct dense_field *dense_field_create(struct pass *pass, const struct op *op);

/* Memory it wants, bytes, by pass->memory: what it keeps from the forward to the backward pass, and
 * room to work in while one of them runs. SIZE_MAX: more than there are addresses. */
size_t dense_field_kept(const struct pass *pass, const struct dense_field *d);
size_t dense_field_room(const struct pass *pass, const struct dense_field *d, bool back);
/* Where that memory is; room of the forward or the backward pass. */
void dense_field_seat(struct dense_field *d, bool back, void *kept, void *room);

/* Samples in blocked order, padded features each; out is not x. */
void dense_field_forward(struct pass *pass, struct dense_field *d, const void *x, void *out);
/* Adds the weight gradients; overwrites g, the gradient by out, and sets dx unless it is NULL. */
void dense_field_backward(struct pass *pass, struct dense_field *d, void *g, void *dx);

#endif
