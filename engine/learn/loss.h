/* Losses over a batch of outputs: cross-entropy for labels, squared error for targets. What a net
 * and a data set must agree on to be trained or evaluated is checked here, once. */
#ifndef CONTINUO_LEARN_LOSS_H
#define CONTINUO_LEARN_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "learn/dataset.h"
#include "nets/net.h"

struct loss {
    const struct kernels *kernels;
    bool regression;   /* squared error; otherwise cross-entropy */
    ptrdiff_t outputs; /* of one sample */
    double smoothing;  /* of labels, in [0, 1): (1 - s) on the label, s / classes on every class */
};

/* False with *error set when the net does not take samples of this set or does not give one
 * output a class (or a target value). */
bool loss_init(struct loss *loss, const struct net *net, const struct dataset *set,
               double smoothing, struct error *error);

/* What is to be learned about a batch; one of the two is read. */
struct answers {
    const int32_t *labels; /* (count) */
    const double *targets; /* (count, outputs) */
};

/* Returns the loss summed over `count` samples. z (count, outputs) reals; dz, unless NULL, is set
 * to the gradient of the mean over the batch. *correct, unless NULL, is set to the number of
 * samples whose greatest output is their label; 0 for regression. */
double loss_sum(const struct loss *loss, const void *z, ptrdiff_t count,
                const struct answers *answers, void *dz, ptrdiff_t *correct);

#endif
