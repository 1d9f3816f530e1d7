/* The same bits for any number of threads, for every table of kernels this CPU can run: nets are
 * trained, written to files, and the files compared byte for byte; evaluations are compared bit for
 * bit. Batches fill neither a chunk nor a group of four, and the last one of an epoch is short. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "learn/train.h"
#include "learn_setup.h"
#include "run/model_file.h"
#include "scratch.h"

TestSuite(threads, .fini = scratch_remove);

enum { THREADS_MAX = 4, SAMPLES = 151, CHANNELS = 3, HEIGHT = 9, WIDTH = 7, CLASSES = 5 };

static struct dataset *noise_set(void) {
    enum { LEN = CHANNELS * HEIGHT * WIDTH };
    static float values[SAMPLES * LEN];
    static int32_t labels[SAMPLES];
    for (ptrdiff_t i = 0; i < SAMPLES; i++) {
        labels[i] = (int32_t)rng_below(91, 1, (uint64_t)i, CLASSES);
        for (ptrdiff_t j = 0; j < LEN; j++) {
            values[i * LEN + j] = (float)rng_normal(91, 2, (uint64_t)(i * LEN + j)) +
                                  (j % CLASSES == labels[i] ? 0.7F : 0.0F);
        }
    }
    const ptrdiff_t shape[4] = {SAMPLES, CHANNELS, HEIGHT, WIDTH};
    struct error error = {0};
    struct dataset *set =
        dataset_from_arrays(values, shape, labels, CLASSES, NULL, 0, 45, 0, &error);
    cr_assert_not_null(set, "%s", error.text);
    return set;
}

/* What a run leaves behind: a file, and what the net answers about data it has not seen. */
struct outcome {
    char *file;
    size_t size;
    struct evaluation evaluation;
    double outputs[SAMPLES * CLASSES];
};

struct lesson {
    const char *net, *options;
    ptrdiff_t steps;
};

static void train_and_save(struct outcome *outcome, const struct lesson *lesson,
                           const struct dataset *set, struct pool *pool) {
    struct error error = {0};
    struct net *net = setup_net(lesson->net);
    cJSON *options = cJSON_Parse(lesson->options);
    struct train *train = train_begin(net, set, options, pool, &error);
    cr_assert_not_null(train, "%s", error.text);
    for (ptrdiff_t step = 0; step < lesson->steps; step++) {
        struct step_report report;
        cr_assert(train_step(train, &report) && report.finite, "step %td", step);
    }
    cr_assert(evaluate(net, &set->valid, 0, 0, NULL, pool, NULL, &outcome->evaluation,
                       outcome->outputs, &error),
              "%s", error.text);
    const char *path = scratch_path("net.safetensors");
    cr_assert(model_save(net, path, &error), "%s", error.text);
    outcome->file = file_read(path, 1 << 24, &outcome->size, &error);
    cr_assert_not_null(outcome->file, "%s", error.text);
    train_end(train);
    cJSON_Delete(options);
    net_free(net);
}

static void expect_same(const struct outcome *a, const struct outcome *b, const char *what,
                        int threads) {
    cr_expect(a->size == b->size && memcmp(a->file, b->file, a->size) == 0,
              "%s: with %d threads another file", what, threads);
    cr_expect(memcmp(&a->evaluation.loss, &b->evaluation.loss, sizeof(double)) == 0 &&
                  a->evaluation.correct == b->evaluation.correct &&
                  memcmp(a->outputs, b->outputs,
                         (size_t)a->evaluation.count * CLASSES * sizeof(double)) == 0,
              "%s: with %d threads another evaluation", what, threads);
}

/* Trains with 1 to THREADS_MAX threads, with one table. */
static void same_for_any_number(const struct kernels *kernels, const struct lesson *lesson,
                                const struct dataset *set) {
    static struct outcome alone, other;
    const char *variant = strchr(kernels->name, '_') + 1;
    cr_assert_eq(setenv("CONTINUO_KERNELS", variant, 1), 0);
    cr_assert_eq(kernels_find(kernels->precision), kernels);
    for (int threads = 1; threads <= THREADS_MAX; threads++) {
        struct error error = {0};
        struct pool *pool = pool_create(threads, &error);
        cr_assert_not_null(pool, "%s", error.text);
        train_and_save(threads == 1 ? &alone : &other, lesson, set, pool);
        if (threads > 1) {
            expect_same(&alone, &other, kernels->name, threads);
            free(other.file);
        }
        pool_free(pool);
    }
    free(alone.file);
}

static void same_with_every_table(const struct lesson *lesson, struct dataset *set) {
    const struct kernels *kernels;
    for (int i = 0; (kernels = kernels_at(PRECISION_F32, i)) != NULL; i++) {
        same_for_any_number(kernels, lesson, set);
    }
    dataset_free(set);
}

#define CONV_NET                                                                                   \
    "{\"family\":\"continuous\",\"input\":[3,9,7],\"classes\":5,\"width\":5,\"nodes\":2,"          \
    "\"scheme\":\"euler\",\"seed\":29"
#define CONV_OPTIONS                                                                               \
    "{\"epochs\":40,\"batch\":21,\"augment\":{\"crop\":2,\"flip\":true},\"clip\":2.5,"             \
    "\"label_smoothing\":0.1,\"optimizer\":{\"kind\":\"sgd\",\"lr\":0.05,\"momentum\":0.9,"        \
    "\"weight_decay\":0.0005}}"

Test(threads, fifty_steps_of_a_net_of_convolutions_write_the_same_file) {
    same_with_every_table(&(struct lesson){CONV_NET "}", CONV_OPTIONS, 50}, noise_set());
}

Test(threads, fifty_steps_in_double_precision_write_the_same_file) {
    struct dataset *set = noise_set();
    same_for_any_number(kernels_at(PRECISION_F64, 0),
                        &(struct lesson){CONV_NET ",\"precision\":\"f64\"}", CONV_OPTIONS, 50},
                        set);
    dataset_free(set);
}

/* Many rows and stages: here linear combinations are worth the threads, too. */
Test(threads, steps_of_a_net_of_dense_layers_write_the_same_file) {
    const struct lesson lesson = {
        "{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"hidden\":48,\"augment\":3,\"nodes\":1,"
        "\"steps\":1,\"scheme\":\"rk4\",\"act\":\"gelu\",\"seed\":31}",
        "{\"epochs\":40,\"batch\":997,\"optimizer\":{\"kind\":\"adamw\",\"lr\":0.01}}", 20};
    same_with_every_table(&lesson, setup_data("{\"source\":\"rings\",\"count\":2600,\"test\":10,"
                                              "\"valid\":150,\"seed\":3}"));
}
