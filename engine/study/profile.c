#include "study/profile.h"

#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "learn/loss.h"

/* ---- the machine's peak ---- */

enum {
    PEAK_ROUNDS = 100000, /* about half a millisecond */
    PEAK_TRIES = 24,
};

struct peak {
    const struct kernels *kernels;
    int threads;
    atomic_int started;
    _Atomic double rate; /* flops a second, summed over the threads */
};

static void peak_chunk(void *context, int chunk, int worker) {
    (void)chunk;
    (void)worker;
    struct peak *peak = context;
    /* Half of y plus one: every sum goes to 2, and no number is special. */
    static const double numbers[BLOCK] = {0.5, 1.0, 0.75};
    double x[BLOCK];
    peak->kernels->from_doubles(x, numbers, BLOCK);
    (void)atomic_fetch_add(&peak->started, 1);
    while (atomic_load(&peak->started) < peak->threads) {
        (void)sched_yield(); /* as many chunks as threads: each has its own, and all run at once */
    }
    const double began = clock_seconds();
    const double flops = peak->kernels->peak(x, PEAK_ROUNDS);
    const double rate = flops / (clock_seconds() - began);
    double sum = atomic_load(&peak->rate);
    while (!atomic_compare_exchange_weak(&peak->rate, &sum, sum + rate)) {
    }
}

/* Flops a second of all threads at once; the best of many short tries. */
static double machine_peak(const struct kernels *kernels, struct pool *pool) {
    double best = 0.0;
    for (int i = 0; i < PEAK_TRIES; i++) {
        struct peak peak = {.kernels = kernels, .threads = pool_threads(pool)};
        pool_run(pool, peak.threads, peak_chunk, &peak);
        best = fmax(best, atomic_load(&peak.rate));
    }
    return best;
}

/* ---- steps ---- */

struct bench { /* everything a step needs */
    const struct profile_options *options;
    struct net *net; /* a copy, on the meter's table */
    struct pass *pass;
    struct loss loss;
    void *x, *dz; /* (batch, C, H, W), (batch, outputs) */
    int32_t *labels;
    double *targets;
};

static bool prepare(struct bench *bench, const struct net *net, struct error *error) {
    const struct profile_options *options = bench->options;
    const ptrdiff_t len = net->input[0] * net->input[1] * net->input[2];
    const size_t batch = (size_t)options->batch, outputs = (size_t)net->outputs;
    const struct pass_options plan = {.batch = options->batch,
                                      .training = options->train,
                                      .gradients = options->train,
                                      .how = options->how,
                                      .memory = options->memory,
                                      .pool = options->pool};
    bench->pass = pass_create(bench->net, &plan, error); /* refuses what is too large */
    if (!bench->pass) {
        return false;
    }
    bench->loss = (struct loss){.kernels = bench->net->kernels,
                                .regression = net->outputs == 1,
                                .outputs = net->outputs};
    bench->x = calloc(batch * (size_t)len, net->kernels->real_size);
    bench->dz = calloc(batch * outputs, net->kernels->real_size);
    bench->labels = calloc(batch, sizeof *bench->labels);
    bench->targets = calloc(batch * outputs, sizeof *bench->targets);
    if (!bench->x || !bench->dz || !bench->labels || !bench->targets) {
        return error_set(error, ERROR_MEMORY, "no memory for %td samples; use a smaller batch",
                         options->batch);
    }
    for (ptrdiff_t i = 0; i < options->batch * len; i++) {
        const double value = rng_normal(options->seed, rng_stream("profile.x"), (uint64_t)i);
        net->kernels->from_doubles((char *)bench->x + i * (ptrdiff_t)net->kernels->real_size,
                                   &value, 1);
    }
    for (ptrdiff_t i = 0; i < options->batch; i++) {
        bench->labels[i] = (int32_t)rng_below(options->seed, rng_stream("profile.y"), (uint64_t)i,
                                              (uint64_t)net->outputs);
    }
    for (ptrdiff_t i = 0; i < options->batch * net->outputs; i++) {
        bench->targets[i] = rng_normal(options->seed, rng_stream("profile.z"), (uint64_t)i);
    }
    return true;
}

static void run_step(struct bench *bench) {
    const ptrdiff_t batch = bench->options->batch;
    if (!bench->options->train) {
        (void)pass_forward(bench->pass, bench->x, batch);
        return;
    }
    const struct answers answers = {.labels = bench->labels, .targets = bench->targets};
    net_touch(bench->net); /* weights of a training are new in every step */
    bench->net->kernels->set(bench->net->grads, 0.0, bench->net->trainable_len);
    const void *z = pass_forward(bench->pass, bench->x, batch);
    (void)loss_sum(&bench->loss, z, batch, &answers, bench->dz, NULL);
    pass_backward(bench->pass, bench->dz);
}

/* Keeps the fastest step's numbers. */
static void measure(struct bench *bench, struct profile *profile) {
    const volatile bool *stop = bench->options->stop;
    profile->seconds = INFINITY;
    profile->memory = pass_memory(bench->pass);
    run_step(bench);
    for (int i = 0; i < bench->options->repeats && !(stop && *stop); i++) {
        struct meter_count counts[METER_KERNELS];
        double kernels = 0.0;
        meter_clear();
        const double began = clock_seconds();
        run_step(bench);
        const double wall = clock_seconds() - began;
        meter_read(counts);
        for (int k = 0; k < METER_KERNELS; k++) {
            kernels += counts[k].seconds;
        }
        const double seconds = fmax(wall - meter_cost(), kernels / profile->threads);
        if (seconds < profile->seconds) {
            profile->seconds = seconds;
            profile->kernels = kernels;
            for (int k = 0; k < METER_KERNELS; k++) {
                profile->counts[k] = counts[k];
            }
        }
    }
    static const enum meter_kernel convolutions[] = {METER_conv, METER_winograd_conv,
                                                     METER_conv_weights, METER_winograd_weights};
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++) {
        profile->convolution += profile->counts[convolutions[i]].flops;
    }
}

bool profile_run(const struct net *net, const struct profile_options *options,
                 struct profile *profile, struct error *error) {
    assert(options->batch > 0 && options->repeats > 0);
    *profile = (struct profile){.threads = pool_threads(options->pool),
                                .table = net->kernels->name};
    struct bench bench = {.options = options};
    const struct kernels *metered = meter_begin(net->kernels, profile->threads, error);
    if (!metered) {
        return false;
    }
    bench.net = net_clone(net, net->kernels->precision, error);
    bool ok = bench.net != NULL;
    if (ok) {
        profile->peak = machine_peak(net->kernels, options->pool);
        bench.net->kernels = metered;
        ok = prepare(&bench, net, error);
    }
    if (ok) {
        measure(&bench, profile);
        ok = !(options->stop && *options->stop) ||
             error_set(error, ERROR_STATE, "the profile was stopped");
    }
    pass_free(bench.pass);
    free(bench.x);
    free(bench.dz);
    free(bench.labels);
    free(bench.targets);
    net_free(bench.net);
    meter_end();
    return ok;
}
