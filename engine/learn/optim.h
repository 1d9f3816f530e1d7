/* Optimisers over one flat array of weights. Definitions are PyTorch's (torch.optim SGD, Adam,
 * AdamW, without amsgrad or dampening); the arithmetic is kernels->sgd and kernels->adam. With g
 * the gradient, w the weights, t the update counted from 1:
 *
 *   sgd    g' = g + decay w;  v = g' at t = 1, else momentum v + g';
 *          w -= rate (nesterov ? g' + momentum v : v)
 *   adam   g' = g + decay w;  m = b1 m + (1 - b1) g';  v = b2 v + (1 - b2) g'^2;
 *          w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 *   adamw  w -= rate decay w first, then adam without decay
 *   lbfgs  see lbfgs.h
 *
 * Decay applies to every trainable parameter, biases and normalisation included, as in
 * Queiruga et al. 2020. */
#ifndef CONTINUO_LEARN_OPTIM_H
#define CONTINUO_LEARN_OPTIM_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "learn/lbfgs.h"

struct optim_kind { /* registry: "sgd", "adam", "adamw", "lbfgs" */
    const char *name;
    const char *help;
    const struct option *options;
    int option_count;
    bool searches;             /* moves by optim_search, not by optim_step */
    int slot_count;            /* arrays of memory, each of optim_slot_len reals */
    const char *slot_names[2]; /* as they are called in a checkpoint */
};
int optim_count(void);
const struct optim_kind *optim_at(int index);

struct optim;

/* From {"kind": "sgd", ...options} (NULL: sgd, lr 0.1, momentum 0.9) for `len` weights. NULL with
 * *error set when the kind or an option cannot be, or memory is short. */
struct optim *optim_create(const cJSON *config, const struct kernels *kernels, ptrdiff_t len,
                           struct error *error);
void optim_free(struct optim *optim);

/* One update of w (len) by the gradient g (len) at this rate, on the threads of `pool` (NULL:
 * this one alone), to the same bits. */
void optim_step(struct optim *optim, struct pool *pool, void *w, const void *g, double rate);

/* The same for kinds that search: they evaluate the problem as often as they have to, and leave w
 * and g where they end. `loss` and the g of the problem are those at its w. */
struct lbfgs_outcome optim_search(struct optim *optim, struct pool *pool,
                                  const struct lbfgs_problem *problem, double loss, double rate);

double optim_rate(const struct optim *optim);   /* the option lr */
cJSON *optim_config(const struct optim *optim); /* options resolved; the caller owns it;
                                                   NULL: no memory */

/* The state: updates done (pairs taken, of lbfgs), and slot_count arrays of optim_slot_len reals.
 * Whoever continues a run writes both. */
const struct optim_kind *optim_kind(const struct optim *optim);
void *optim_slot(struct optim *optim, int slot);
ptrdiff_t optim_slot_len(const struct optim *optim);
ptrdiff_t optim_updates_most(const struct optim *optim, ptrdiff_t steps); /* after that many */
ptrdiff_t optim_updates(const struct optim *optim);
void optim_set_updates(struct optim *optim, ptrdiff_t updates);

#endif
