#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "learn/loader.h"
#include "learn/train.h"
#include "learn_setup.h"

/* Images of hashed bytes; a batch of them is more than a loader makes in place. */
enum { SAMPLES = 331, CHANNELS = 3, SIDE = 20, PIXELS = CHANNELS * SIDE * SIDE, BATCH = 50 };

static struct dataset *image_set(void) {
    static float values[SAMPLES * PIXELS];
    static int32_t labels[SAMPLES];
    for (ptrdiff_t i = 0; i < SAMPLES * PIXELS; i++) {
        values[i] = (float)rng_uniform(3, 1, (uint64_t)i) - 0.37F;
    }
    for (ptrdiff_t i = 0; i < SAMPLES; i++) {
        labels[i] = (int32_t)(rng_bits(3, 2, (uint64_t)i) % 7);
    }
    const ptrdiff_t shape[4] = {SAMPLES, CHANNELS, SIDE, SIDE};
    struct error error = {0};
    struct dataset *set = dataset_from_arrays(values, shape, labels, 7, NULL, 0, 0, 0, &error);
    cr_assert_not_null(set, "%s", error.text);
    return set;
}

static struct loader *make_loader(const struct dataset *set, enum precision precision) {
    const struct loader_plan plan = {.part = &set->train,
                                     .kernels = kernels_find(precision),
                                     .batch = BATCH,
                                     .seed = 1234,
                                     .augment = {.crop = 3, .flip = true}};
    struct error error = {0};
    struct loader *loader = loader_create(&plan, &error);
    cr_assert_not_null(loader, "%s", error.text);
    cr_assert_eq(loader_per_epoch(loader), 7);
    return loader;
}

/* The batch of a step made plainly, against one taken. */
static void expect_batch(const struct dataset *set, enum precision precision,
                         const struct batch *batch, ptrdiff_t step) {
    static ptrdiff_t order[SAMPLES];
    static float floats[BATCH * PIXELS];
    static double doubles[BATCH * PIXELS], reals[BATCH * PIXELS]; /* of either precision */
    static int32_t labels[BATCH];
    const struct kernels *kernels = kernels_find(precision);
    const struct augment augment = {.crop = 3, .flip = true};
    const ptrdiff_t epoch = step / 7, first = step % 7 * BATCH;
    const ptrdiff_t count = step % 7 < 6 ? BATCH : SAMPLES - 6 * BATCH;
    rng_permutation(1234, rng_stream("shuffle") + (uint64_t)epoch, order, SAMPLES);
    dataset_batch(&set->train, order, first, count, &augment, 1234, (int)epoch, floats);
    for (ptrdiff_t i = 0; i < count * PIXELS; i++) {
        doubles[i] = (double)floats[i];
    }
    kernels->from_doubles(reals, doubles, count * PIXELS);
    dataset_labels(&set->train, order, first, count, labels);
    cr_assert_eq(batch->count, count, "step %td", step);
    cr_assert_eq(memcmp(batch->x, reals, (size_t)(count * PIXELS) * kernels->real_size), 0,
                 "step %td", step);
    cr_assert_eq(memcmp(batch->answers.labels, labels, (size_t)count * sizeof *labels), 0);
    cr_assert_null(batch->answers.targets);
}

Test(loader, batches_are_a_function_of_seed_and_step_in_any_order) {
    static const ptrdiff_t steps[] = {0,  1, 2, 3, 4, 5, 6, 7, 8,  13, 14, 14, 14,
                                      15, 3, 4, 6, 7, 6, 7, 8, 70, 71, 0,  1};
    struct dataset *set = image_set();
    for (int precision = PRECISION_F32; precision <= PRECISION_F64; precision++) {
        struct loader *loader = make_loader(set, (enum precision)precision);
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            const struct batch *batch = loader_take(loader, steps[i]);
            (void)usleep(i % 3 ? 0 : 3000); /* the next one is being made, or has been */
            expect_batch(set, (enum precision)precision, batch, steps[i]);
        }
        loader_free(loader);
    }
    dataset_free(set);
}

Test(loader, it_ends_at_any_moment) {
    struct dataset *set = image_set();
    for (int i = 0; i < 40; i++) {
        struct loader *loader = make_loader(set, PRECISION_F32);
        for (int step = 0; step < i % 4; step++) {
            (void)loader_take(loader, 5 + step);
        }
        (void)usleep(i % 5 ? (useconds_t)(40 * i) : 0);
        loader_free(loader);
    }
    loader_free(NULL);
    dataset_free(set);
}

static double seconds_of(clockid_t clock) {
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Taking a batch costs its taker a fraction of making it: it was made meanwhile. The best of many,
 * since a busy machine may leave the other thread no time. */
Test(loader, the_next_batch_is_made_while_this_one_is_in_use) {
    struct dataset *set = image_set();
    struct loader *loader = make_loader(set, PRECISION_F32);
    double alone = 1, ahead = 1;
    for (int i = 0; i < 30; i++) {
        const ptrdiff_t step = 100 * (i + 1);
        for (int next = 0; next < 2; next++) {
            const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
            (void)loader_take(loader, step + next);
            const double taken = seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
            double *best = next ? &ahead : &alone;
            *best = fmin(*best, taken);
            (void)usleep(2000);
        }
    }
    cr_expect(ahead < 0.5 * alone, "%g us of %g us", 1e6 * ahead, 1e6 * alone);
    loader_free(loader);
    dataset_free(set);
}

Test(loader, targets_and_small_batches_are_made_in_place) {
    static float values[40 * 2], targets[40 * 3];
    for (int i = 0; i < 120; i++) {
        targets[i] = sinf(1.7F * (float)i);
        values[i % 80] = cosf(0.9F * (float)i);
    }
    const ptrdiff_t shape[4] = {40, 2, 1, 1};
    struct error error = {0};
    struct dataset *set = dataset_from_arrays(values, shape, NULL, 0, targets, 3, 0, 0, &error);
    const struct loader_plan plan = {
        .part = &set->train, .kernels = kernels_find(PRECISION_F64), .batch = 9, .seed = 8};
    struct loader *loader = loader_create(&plan, &error);
    cr_assert_not_null(loader, "%s", error.text);
    ptrdiff_t order[40];
    for (ptrdiff_t step = 0; step < 10; step++) {
        const struct batch *batch = loader_take(loader, step);
        const ptrdiff_t count = step % 5 < 4 ? 9 : 4;
        rng_permutation(8, rng_stream("shuffle") + (uint64_t)(step / 5), order, 40);
        cr_assert_eq(batch->count, count);
        cr_assert_null(batch->answers.labels);
        for (ptrdiff_t i = 0; i < count; i++) {
            const ptrdiff_t sample = order[step % 5 * 9 + i];
            for (int k = 0; k < 3; k++) {
                cr_assert_float_eq(batch->answers.targets[3 * i + k],
                                   (double)targets[3 * sample + k], 0);
            }
            for (int k = 0; k < 2; k++) {
                cr_assert_float_eq(((const double *)batch->x)[2 * i + k],
                                   (double)values[2 * sample + k], 0);
            }
        }
    }
    loader_free(loader);
    dataset_free(set);
}

/* Measured near a thousandth of a step of 16 channels, two blocks, 28 x 28; the bound leaves room
 * for machines and sanitizers of other proportions. */
Test(loader, making_an_augmented_batch_is_a_small_part_of_a_training_step) {
    enum { COUNT = 64, AREA = 28 * 28 };
    static float values[2 * COUNT * AREA], x[COUNT * AREA];
    static int32_t labels[2 * COUNT];
    const ptrdiff_t shape[4] = {2 * COUNT, 1, 28, 28};
    struct error error = {0};
    struct dataset *set = dataset_from_arrays(values, shape, labels, 10, NULL, 0, 0, 0, &error);
    struct net *net = setup_net("{\"family\":\"continuous\",\"input\":[1,28,28],\"classes\":10,"
                                "\"width\":16,\"nodes\":2,\"scheme\":\"euler\",\"seed\":3}");
    cJSON *options = cJSON_Parse("{\"epochs\":2,\"batch\":64}");
    struct train *train = train_begin(net, set, options, NULL, &error);
    cr_assert_not_null(train, "%s", error.text);
    const struct augment augment = {.crop = 4, .flip = true};
    double making = 1, training = 1000;
    for (int i = 0; i < 3; i++) {
        struct step_report report;
        double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        dataset_batch(&set->train, NULL, 0, COUNT, &augment, 5, i, x);
        making = fmin(making, seconds_of(CLOCK_THREAD_CPUTIME_ID) - start);
        start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        cr_assert(train_step(train, &report));
        training = fmin(training, seconds_of(CLOCK_THREAD_CPUTIME_ID) - start);
    }
    cr_log_info("%.3f ms of %.1f ms", 1e3 * making, 1e3 * training);
    cr_expect(making < 0.1 * training, "%g of %g seconds", making, training);
    train_end(train);
    cJSON_Delete(options);
    net_free(net);
    dataset_free(set);
}

/* Data in doubles are exact to a net in doubles and rounded once for one in floats. */
Test(loader, reals_and_targets_are_those_of_the_precision) {
    enum { COUNT = 11, FEATURES = 3, OUTPUTS = 2 };
    static double values[COUNT * FEATURES], targets[COUNT * OUTPUTS];
    for (int i = 0; i < COUNT * FEATURES; i++) {
        values[i] = rng_normal(61, 0, (uint64_t)i);
    }
    for (int i = 0; i < COUNT * OUTPUTS; i++) {
        targets[i] = rng_normal(61, 1, (uint64_t)i);
    }
    const ptrdiff_t shape[4] = {COUNT, FEATURES, 1, 1};
    struct error error = {0};
    struct dataset *set =
        dataset_from_doubles(values, shape, NULL, 0, targets, OUTPUTS, 0, 0, &error);
    cr_assert_not_null(set, "%s", error.text);
    for (int single = 0; single < 2; single++) {
        const struct loader_plan plan = {.part = &set->train,
                                         .kernels =
                                             kernels_find(single ? PRECISION_F32 : PRECISION_F64),
                                         .batch = COUNT,
                                         .seed = 8};
        struct loader *loader = loader_create(&plan, &error);
        cr_assert_not_null(loader, "%s", error.text);
        ptrdiff_t order[COUNT];
        rng_permutation(8, rng_stream("shuffle"), order, COUNT);
        const struct batch *batch = loader_take(loader, 0);
        for (ptrdiff_t i = 0; i < COUNT; i++) {
            for (int k = 0; k < FEATURES; k++) {
                const double value = values[order[i] * FEATURES + k];
                if (single) {
                    cr_assert_eq(((const float *)batch->x)[FEATURES * i + k], (float)value);
                } else {
                    cr_assert_eq(((const double *)batch->x)[FEATURES * i + k], value);
                }
            }
            for (int k = 0; k < OUTPUTS; k++) {
                const double target = targets[order[i] * OUTPUTS + k];
                cr_assert_eq(batch->answers.targets[OUTPUTS * i + k],
                             single ? (double)(float)target : target);
            }
        }
        loader_free(loader);
    }
    dataset_free(set);
}
