/* Evaluation of a net on a part of a data set, under any manifestation. Samples are independent,
 * so the work is cut into chunks of samples, one serial pass per worker. */
#ifndef CONTINUO_LEARN_EVALUATE_H
#define CONTINUO_LEARN_EVALUATE_H

#include "learn/dataset.h"
#include "nets/net.h"

struct evaluation {
    double loss;     /* mean cross-entropy (or squared error) */
    double accuracy; /* 0..1; 0 for regression */
    ptrdiff_t count; /* samples */
    ptrdiff_t correct;
    double seconds;
    ptrdiff_t evaluations; /* of the vector field, per sample */
    bool finite;           /* whether every output was */
};

/* Samples first..first+count of the part (count 0: to its end). `outputs`, when not NULL, receives
 * (count, outputs) doubles. Returns early, with false and ERROR_STATE, when *stop becomes true
 * (stop may be NULL). */
bool evaluate(struct net *net, const struct part *part, ptrdiff_t first, ptrdiff_t count,
              const struct manifestation *how, struct pool *pool, const volatile bool *stop,
              struct evaluation *result, double *outputs, struct error *error);

#endif
