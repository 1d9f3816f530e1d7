/* A batch through one or several manifestations of the same weights: loss and gradient of their
 * weighted sum, L = sum_i w_i L_i with w_i >= 0 made to sum to 1 (NUMERICS.md eq. 110). Without a
 * list there is one, the net as it is configured, of weight 1. */
#ifndef CONTINUO_LEARN_MIXTURE_H
#define CONTINUO_LEARN_MIXTURE_H

#include "learn/loader.h"
#include "learn/loss.h"
#include "nets/net.h"

enum { MIXTURE_MOST = 8 };

extern const struct option mixture_options_table[]; /* of one entry of the list */
extern const int mixture_options_count;

struct mixture;

struct mixture_plan {
    const cJSON *schemes; /* [{"scheme", "steps", "weight"}, ...], or names of schemes, or NULL */
    ptrdiff_t batch;      /* samples, at most */
    enum memory memory;   /* of each; what MEMORY_AUTO may take is shared out evenly */
    struct pool *pool;
};

/* Takes all memory. NULL with *error set when an entry cannot be, or memory is short. */
struct mixture *mixture_create(struct net *net, const struct mixture_plan *plan,
                               struct error *error);
void mixture_free(struct mixture *mixture);

int mixture_count(const struct mixture *mixture);
/* The list, resolved, with the weights that sum to 1; NULL: there was none, or no memory. */
cJSON *mixture_config(const struct mixture *mixture);

/* Plans the manifestations whose number of steps was left to the net anew, for the number it has
 * now (net_set_steps): the only place where memory is taken after mixture_create. False with
 * *error set and nothing changed when there is none. */
bool mixture_replan(struct mixture *mixture, struct error *error);

struct mixture_result {
    double loss;                 /* mean over the batch, weighted sum over the manifestations */
    double losses[MIXTURE_MOST]; /* of each */
    ptrdiff_t correct;           /* samples the first one is right about; 0 for regression */
};

/* Forward, loss and backward: sets net->grads. False, with the gradient of no meaning, when a loss
 * is not finite.
 *
 * Running statistics move to the weighted mean of where each manifestation alone would have moved
 * them from where they stood: one step a batch, whatever the order of the list. */
bool mixture_run(struct mixture *mixture, const struct loss *loss, const struct batch *batch,
                 struct mixture_result *result);

/* Of the pass of the first manifestation; the bytes of all. */
struct pass *mixture_pass(const struct mixture *mixture);
size_t mixture_bytes(const struct mixture *mixture);

#endif
