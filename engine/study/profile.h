/* Where the time of a net goes: a few steps on random samples, kernel by kernel, beside what the
 * machine can do at best. Works on a copy of the net, whose table of kernels is a meter
 * (kernels/meter.h); the net itself is not touched. */
#ifndef CONTINUO_STUDY_PROFILE_H
#define CONTINUO_STUDY_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/meter.h"
#include "nets/net.h"

struct profile_options {
    ptrdiff_t batch; /* samples, positive */
    int repeats;     /* measured steps, positive; one more runs first and is not counted */
    /* true: weights packed, forward with batch statistics, loss and its gradient, backward.
     * false: forward with stored statistics, weights packed before. */
    bool train;
    struct manifestation how;
    enum memory memory;        /* what a training step keeps */
    uint64_t seed;             /* of samples and answers */
    struct pool *pool;         /* NULL: serial */
    const volatile bool *stop; /* may be NULL */
};

/* Of the fastest of the measured steps: what else the machine did only adds time. Seconds of
 * kernels are summed over the threads; what measuring costs is taken off. */
struct profile {
    struct meter_count counts[METER_KERNELS];
    double seconds; /* of the step, by the clock on the wall */
    double kernels; /* seconds of all kernels, summed over the threads */
    /* Flops a second of multiply-adds in registers with the kernels in use, all threads at once. */
    double peak;
    double convolution; /* flops of the step's convolutions, counted as those of the direct sum */
    enum memory memory; /* what the step kept */
    int threads;
    const char *table; /* name of the kernels: "f32_avx512" */
};

/* False with *error set when the copy or its pass is refused, another profile runs in this
 * process, or *stop becomes true. */
bool profile_run(const struct net *net, const struct profile_options *options,
                 struct profile *profile, struct error *error);

#endif
