/* The ODE block of a net as a vector field in doubles, for solvers and studies that step by
 * themselves: on a copy of the weights, in plain loops that share nothing with the kernels, so that
 * what comes of it checks them too. */
#ifndef CONTINUO_NETS_NET_FIELD_H
#define CONTINUO_NETS_NET_FIELD_H

#include "nets/net.h"
#include "ode/field.h"

struct net_field;

/* Block `block` (0-based) of the net as it stands now; later changes of the net are not seen. NULL
 * with *error set when there is no such block or its body is not made of dense layers and
 * activations, perhaps of monomials of the state. The net may be in use by others. */
struct net_field *net_field_create(const struct net *net, int block, struct error *error);
void net_field_free(struct net_field *field); /* NULL is fine */

/* The field, with `pull`; valid as long as `field`, and for one thread at a time. y' is what the
 * block integrates: of a net of dynamics, t is the time that its "dt" or its samples tell; of others t
 * is the depth in [0, 1], and a depth between two cells of weights belongs to the later one. */
struct ode_field net_field_ode(struct net_field *field);

/* How much time the block integrates over: dt; 1 where every sample has its own, and of others. */
double net_field_time(const struct net_field *field);
/* Makes it `time` > 0, and t that time, of a block of one node whose net has no "dt". */
void net_field_span(struct net_field *field, double time);

/* Whether the net is one ODE block with one node and nothing else, so that it makes a state out of
 * a state and its block is all there is to its dynamics. */
bool net_field_whole(const struct net *net);

/* Whether, moreover, it reads a state alone and gives the one state behind it. */
bool net_field_single(const struct net *net);

/* Whether its t is time, not depth. */
bool net_field_physical(const struct net_field *field);

/* Cells of depth with weights of their own, and the depth at which one of them begins: where the
 * field jumps. */
int net_field_cells(const struct net_field *field);
double net_field_border(const struct net_field *field, int cell);

/* Whether the field has kinks (relu). */
bool net_field_kinked(const struct net_field *field);

/* What `pull` has added up since creation or the last net_field_zero: as long as net->grads, in its
 * order, zero outside the block. */
const double *net_field_gradient(const struct net_field *field);
void net_field_zero(struct net_field *field);

#endif
