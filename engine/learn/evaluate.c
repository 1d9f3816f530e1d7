#include "learn/evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "learn/loss.h"

/* Samples of one chunk. A chunk is what a worker runs at once and what partial sums are taken
 * over; it never depends on the number of threads, so neither do the bits of a result. */
enum { CHUNK = 4 };

struct worker { /* the workspace of one thread */
    struct pass *pass;
    void *x; /* (CHUNK, C, H, W) reals */
    int32_t *labels;
    double *targets; /* (CHUNK, outputs) */
    double *outputs; /* (CHUNK, outputs) */
};

struct partial { /* what a chunk adds */
    double loss;
    ptrdiff_t correct;
    bool finite, done;
};

struct work {
    const struct net *net;
    const struct part *part;
    ptrdiff_t first, count, sample_len;
    struct loss loss;
    const volatile bool *stop;
    int worker_count;
    struct worker *workers;
    struct partial *partials;
    double *outputs; /* (count, outputs), or NULL */
};

static bool worker_init(struct worker *worker, struct net *net, const struct manifestation *how,
                        ptrdiff_t sample_len, struct error *error) {
    const struct pass_options options = {.batch = CHUNK,
                                         .how = how ? *how : (struct manifestation){.edge = -1}};
    size_t len = (size_t)sample_len * CHUNK, outputs = (size_t)net->outputs * CHUNK;
    worker->x = malloc(len * net->kernels->real_size);
    worker->labels = malloc(CHUNK * sizeof *worker->labels);
    worker->targets = malloc(outputs * sizeof *worker->targets);
    worker->outputs = malloc(outputs * sizeof *worker->outputs);
    if (!worker->x || !worker->labels || !worker->targets || !worker->outputs) {
        return error_set(error, ERROR_MEMORY, "no memory to evaluate chunks of %d samples", CHUNK);
    }
    worker->pass = pass_create(net, &options, error);
    return worker->pass != NULL;
}

static void worker_release(struct worker *worker) {
    pass_free(worker->pass);
    free(worker->x);
    free(worker->labels);
    free(worker->targets);
    free(worker->outputs);
}

static void run_chunk(void *context, int chunk, int index) {
    struct work *work = context;
    struct worker *worker = &work->workers[index];
    struct partial *partial = &work->partials[chunk];
    if (work->stop && __atomic_load_n(work->stop, __ATOMIC_RELAXED)) {
        return;
    }
    ptrdiff_t begin = (ptrdiff_t)chunk * CHUNK;
    ptrdiff_t count = work->count - begin < CHUNK ? work->count - begin : CHUNK;
    ptrdiff_t first = work->first + begin, len = count * work->loss.outputs;
    const struct kernels *kernels = work->net->kernels;
    if (kernels->precision == PRECISION_F32) {
        dataset_batch(work->part, NULL, first, count, NULL, 0, 0, worker->x);
    } else {
        dataset_batch_doubles(work->part, NULL, first, count, NULL, 0, 0, worker->x);
    }
    if (work->loss.regression) {
        dataset_targets(work->part, NULL, first, count, kernels->precision, worker->targets);
    } else {
        dataset_labels(work->part, NULL, first, count, worker->labels);
    }
    const void *z = pass_forward(worker->pass, worker->x, count);
    const struct answers answers = {.labels = worker->labels, .targets = worker->targets};
    partial->loss = loss_sum(&work->loss, z, count, &answers, NULL, &partial->correct);
    double *outputs = work->outputs ? work->outputs + begin * work->loss.outputs : worker->outputs;
    kernels->to_doubles(outputs, z, len);
    partial->finite = true;
    for (ptrdiff_t i = 0; i < len; i++) {
        partial->finite = partial->finite && isfinite(outputs[i]);
    }
    partial->done = true;
}

static bool check_range(const struct part *part, ptrdiff_t first, ptrdiff_t *count,
                        struct error *error) {
    if (part->count == 0) {
        return error_set(error, ERROR_VALUE, "the %s part of data set \"%s\" is empty", part->name,
                         part->set->name);
    }
    if (first < 0 || first >= part->count || *count < 0 || *count > part->count - first) {
        return error_set(error, ERROR_VALUE,
                         "samples %td to %td do not lie in the %s part of data set \"%s\", which "
                         "has %td",
                         first + 1, first + (*count > 0 ? *count : 1), part->name, part->set->name,
                         part->count);
    }
    if (*count == 0) {
        *count = part->count - first;
    }
    return true;
}

static void add_up(const struct work *work, int chunks, struct evaluation *result,
                   ptrdiff_t *done) {
    *result = (struct evaluation){.count = work->count, .finite = true};
    double loss = 0;
    for (int i = 0; i < chunks; i++) {
        const struct partial *partial = &work->partials[i];
        loss += partial->loss;
        result->correct += partial->correct;
        result->finite = result->finite && partial->finite;
        *done += partial->done;
    }
    result->loss = loss / (double)work->count;
    result->accuracy = (double)result->correct / (double)work->count;
    result->evaluations = pass_evaluations(work->workers[0].pass);
}

bool evaluate(struct net *net, const struct part *part, ptrdiff_t first, ptrdiff_t count,
              const struct manifestation *how, struct pool *pool, const volatile bool *stop,
              struct evaluation *result, double *outputs, struct error *error) {
    double began = clock_seconds();
    struct work work = {.net = net,
                        .part = part,
                        .first = first,
                        .sample_len = net->input[0] * net->input[1] * net->input[2],
                        .stop = stop,
                        .outputs = outputs};
    bool good =
        loss_init(&work.loss, net, part->set, 0, error) && check_range(part, first, &count, error);
    if (!good) {
        return false;
    }
    work.count = count;
    int chunks = (int)((count + CHUNK - 1) / CHUNK);
    /* Worker numbers run over the whole pool, however few the chunks. */
    work.worker_count = pool_threads(pool);
    work.workers = calloc((size_t)work.worker_count, sizeof *work.workers);
    work.partials = calloc((size_t)chunks, sizeof *work.partials);
    if (!work.workers || !work.partials) {
        good = error_set(error, ERROR_MEMORY, "no memory to evaluate %td samples", count);
    }
    for (int i = 0; good && i < work.worker_count; i++) {
        good = worker_init(&work.workers[i], net, how, work.sample_len, error);
    }
    if (good) {
        ptrdiff_t done = 0;
        pool_run(pool, chunks, run_chunk, &work);
        add_up(&work, chunks, result, &done);
        result->seconds = clock_seconds() - began;
        if (done < chunks) {
            good = error_set(error, ERROR_STATE,
                             "the evaluation was stopped after %td of %d chunks of %d samples",
                             done, chunks, CHUNK);
        }
    }
    for (int i = 0; work.workers && i < work.worker_count; i++) {
        worker_release(&work.workers[i]);
    }
    free(work.workers);
    free(work.partials);
    return good;
}
