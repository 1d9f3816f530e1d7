#include "learn/loader.h"

#include <assert.h>
#include <stdlib.h>

#include "base/pool.h"
#include "base/rng.h"

enum {
    SLOTS = 2,             /* the batch in use and the one being made */
    PLACE = 10,            /* drawing a place in the order costs as much as so many values */
    WORTH_A_HAND = 1 << 15 /* values, about a nanosecond each: what to wake a thread costs */
};

struct slot {
    ptrdiff_t step; /* whose batch it holds; -1: none */
    struct batch batch;
    void *x;
    int32_t *labels;
    double *targets;
};

struct loader {
    struct loader_plan plan;
    ptrdiff_t sample_len, per_epoch;
    struct slot slots[SLOTS];
    struct pool *hand; /* one worker beside the caller; NULL: all is made in loader_take */
    bool running;      /* the hand has been given a slot, and not been waited for */

    /* Of whoever makes a batch: the hand while it runs, otherwise the caller. */
    struct slot *making;
    ptrdiff_t making_step;
    ptrdiff_t order_epoch; /* whose order is in `order`; -1: none yet */
    ptrdiff_t *order;      /* (samples of the part) */
};

static void make(void *context, int chunk, int worker) {
    (void)chunk;
    (void)worker;
    struct loader *loader = context;
    const struct loader_plan *plan = &loader->plan;
    const struct part *part = plan->part;
    struct slot *slot = loader->making;
    const ptrdiff_t step = loader->making_step, epoch = step / loader->per_epoch;
    const ptrdiff_t first = step % loader->per_epoch * plan->batch;
    const ptrdiff_t left = part->count - first, count = left < plan->batch ? left : plan->batch;
    if (loader->order_epoch != epoch) {
        rng_permutation(plan->seed, rng_stream("shuffle") + (uint64_t)epoch, loader->order,
                        part->count);
        loader->order_epoch = epoch;
    }
    if (plan->kernels->precision == PRECISION_F32) {
        dataset_batch(part, loader->order, first, count, &plan->augment, plan->seed, (int)epoch,
                      slot->x);
    } else {
        dataset_batch_doubles(part, loader->order, first, count, &plan->augment, plan->seed,
                              (int)epoch, slot->x);
    }
    if (slot->labels) {
        dataset_labels(part, loader->order, first, count, slot->labels);
    }
    if (slot->targets) {
        dataset_targets(part, loader->order, first, count, plan->kernels->precision, slot->targets);
    }
    slot->batch.count = count;
    slot->step = step;
}

/* Whether the batch of a step is work enough for a second thread. */
static bool is_worth(const struct loader *loader, ptrdiff_t step) {
    const ptrdiff_t values = loader->plan.batch * loader->sample_len;
    const ptrdiff_t places = step % loader->per_epoch == 0 ? loader->plan.part->count : 0;
    return values + PLACE * places >= WORTH_A_HAND;
}

/* Lets the hand make the batch of a step in a slot that nobody reads. */
static void begin(struct loader *loader, struct slot *slot, ptrdiff_t step) {
    slot->step = -1;
    loader->making = slot;
    loader->making_step = step;
    loader->running = true;
    pool_begin(loader->hand, 1, make, loader);
}

static void finish(struct loader *loader) {
    if (loader->running) {
        pool_end(loader->hand);
        loader->running = false;
    }
}

const struct batch *loader_take(struct loader *loader, ptrdiff_t step) {
    assert(step >= 0);
    finish(loader);
    struct slot *slot = &loader->slots[step % SLOTS];
    if (slot->step != step) {
        loader->making = slot;
        loader->making_step = step;
        make(loader, 0, 0);
    }
    if (loader->hand && is_worth(loader, step + 1)) {
        begin(loader, &loader->slots[(step + 1) % SLOTS], step + 1);
    }
    return &slot->batch;
}

ptrdiff_t loader_per_epoch(const struct loader *loader) {
    return loader->per_epoch;
}

static bool reserve_slot(struct slot *slot, const struct loader *loader) {
    const struct loader_plan *plan = &loader->plan;
    const size_t batch = (size_t)plan->batch;
    slot->step = -1;
    slot->x = malloc(batch * (size_t)loader->sample_len * plan->kernels->real_size);
    slot->labels = plan->part->labels ? malloc(batch * sizeof *slot->labels) : NULL;
    slot->targets = plan->part->targets
                        ? malloc(batch * (size_t)plan->part->set->outputs * sizeof *slot->targets)
                        : NULL;
    slot->batch.x = slot->x;
    slot->batch.answers = (struct answers){.labels = slot->labels, .targets = slot->targets};
    return slot->x && !slot->labels == !plan->part->labels &&
           !slot->targets == !plan->part->targets;
}

static bool reserve(struct loader *loader, struct error *error) {
    const struct loader_plan *plan = &loader->plan;
    bool good = true;
    for (int i = 0; i < SLOTS; i++) {
        good = reserve_slot(&loader->slots[i], loader) && good;
    }
    loader->order = malloc((size_t)plan->part->count * sizeof *loader->order);
    return (good && loader->order) || error_set(error, ERROR_MEMORY,
                                                "no memory for batches of %td samples; give a "
                                                "smaller batch",
                                                plan->batch);
}

struct loader *loader_create(const struct loader_plan *plan, struct error *error) {
    assert(plan->batch >= 1 && plan->batch <= plan->part->count);
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        error_set(error, ERROR_MEMORY, "no memory to make batches");
        return NULL;
    }
    const ptrdiff_t *shape = plan->part->set->shape;
    loader->plan = *plan;
    loader->sample_len = shape[0] * shape[1] * shape[2];
    loader->per_epoch = (plan->part->count + plan->batch - 1) / plan->batch;
    loader->order_epoch = -1;
    bool good = reserve(loader, error);
    if (good && is_worth(loader, 0)) {
        loader->hand = pool_create(2, error);
        good = loader->hand != NULL;
    }
    if (!good) {
        loader_free(loader);
        return NULL;
    }
    return loader;
}

void loader_free(struct loader *loader) {
    if (!loader) {
        return;
    }
    finish(loader);
    pool_free(loader->hand);
    for (int i = 0; i < SLOTS; i++) {
        free(loader->slots[i].x);
        free(loader->slots[i].labels);
        free(loader->slots[i].targets);
    }
    free(loader->order);
    free(loader);
}
