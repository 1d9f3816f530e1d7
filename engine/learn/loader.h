/* The batches of a training, in their order, each made while the one before it is in use. What a
 * batch holds is a function of the seed and the step alone; nothing that a step writes is read. */
#ifndef CONTINUO_LEARN_LOADER_H
#define CONTINUO_LEARN_LOADER_H

#include "kernels/kernels.h"
#include "learn/dataset.h"
#include "learn/loss.h"

struct loader_plan {
    const struct part *part;       /* of at least one sample */
    const struct kernels *kernels; /* whose reals x is made of */
    ptrdiff_t batch;               /* 1 to part->count; the last one of an epoch may be short */
    uint64_t seed;
    struct augment augment; /* zeros: none */
};

struct batch {
    const void *x; /* (count, C, H, W) reals */
    struct answers answers;
    ptrdiff_t count;
};

struct loader;

/* Borrows what the plan points to. All memory is taken here, and a thread is started unless there
 * is so little to do that waking it would cost more. NULL with *error set. */
struct loader *loader_create(const struct loader_plan *plan, struct error *error);
void loader_free(struct loader *loader);

ptrdiff_t loader_per_epoch(const struct loader *loader); /* batches */

/* The batch of any step (0-based); it stands until the next call. At once when the last call was
 * for the step before, or after the time it takes to make it. */
const struct batch *loader_take(struct loader *loader, ptrdiff_t step);

#endif
