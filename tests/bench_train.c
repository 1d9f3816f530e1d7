/* Times the engine on the continuous net: one training step (train_step: the batch made from its
 * data, forward, loss, backward, SGD with momentum 0.9 and weight decay 5e-4) and one evaluation
 * of as many samples. The twin of bench_torch.py: same options, same cases, one line a case:
 *
 *     continuo case=train:rk4:w16:k2:n2:1x28x28:b128:t2 ms_median=.. ms_min=.. calls=.. rss_mb=..
 *         threads=.. kernels=.. [conv_gflops=.. peak_gflops=..]
 *
 * rss_mb is the peak of the process so far. With --rate yes, the flops of a step's convolutions,
 * counted as those of the direct sum, over the median, and the flops a second that multiply-adds in
 * registers reach on all threads. scripts/bench runs both programs by turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/rng.h"
#include "learn/evaluate.h"
#include "learn/train.h"
#include "study/profile.h"

enum { WARM_UP = 2, REPEATS_MAX = 10000 };

struct bench {
    const char *scheme, *unit, *only, *memory, *precision, *rate;
    long width, nodes, steps, input[3], classes, batch, threads, repeats;
    long budget; /* milliseconds for the measured calls of a case, at least one; 0: no limit */
    struct net *net;
    struct dataset *data;
    struct pool *pool;
    char name[160];
};

static void stop(const char *text) {
    fprintf(stderr, "bench_train: %s\n", text);
    exit(2);
}

static void read_options(struct bench *b, int argc, char **argv) {
    const struct {
        const char *name;
        const char **text;
        long *number;
    } known[] = {
        {"--scheme", &b->scheme, NULL},   {"--unit", &b->unit, NULL},
        {"--only", &b->only, NULL},       {"--memory", &b->memory, NULL},
        {"--rate", &b->rate, NULL},       {"--precision", &b->precision, NULL},
        {"--width", NULL, &b->width},     {"--nodes", NULL, &b->nodes},
        {"--steps", NULL, &b->steps},     {"--classes", NULL, &b->classes},
        {"--batch", NULL, &b->batch},     {"--threads", NULL, &b->threads},
        {"--repeats", NULL, &b->repeats}, {"--budget", NULL, &b->budget},
    };
    const int count = (int)(sizeof known / sizeof *known);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--input") == 0 && i + 3 < argc) {
            for (int k = 0; k < 3; k++) {
                b->input[k] = strtol(argv[++i], NULL, 10);
            }
            continue;
        }
        int k = 0;
        while (k < count && strcmp(argv[i], known[k].name) != 0) {
            k++;
        }
        if (k == count || i + 1 == argc) {
            stop("options: --scheme S --unit U --only train|eval|both --precision f32|f64 "
                 "--memory auto|full|stages|steps --rate yes|no --width A --nodes K --steps N "
                 "--input C H W --classes n --batch n --threads n --repeats n --budget ms");
        }
        i++;
        if (known[k].text) {
            *known[k].text = argv[i];
        } else {
            *known[k].number = strtol(argv[i], NULL, 10);
        }
    }
    if (b->repeats < 1 || b->repeats > REPEATS_MAX || b->batch < 1 || b->classes < 2 ||
        b->input[0] < 1 || b->input[1] < 1 || b->input[2] < 1) {
        stop("sizes must be positive, classes at least 2, repeats at most 10000");
    }
    b->steps = b->steps ? b->steps : b->nodes;
    snprintf(b->name, sizeof b->name, "%s:w%ld:k%ld:n%ld:%ldx%ldx%ld:b%ld:t%ld", b->scheme,
             b->width, b->nodes, b->steps, b->input[0], b->input[1], b->input[2], b->batch,
             b->threads);
}

static void make_net(struct bench *b, struct error *error) {
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "family", "continuous");
    cJSON *input = cJSON_AddArrayToObject(config, "input");
    for (int k = 0; k < 3; k++) {
        cJSON_AddItemToArray(input, cJSON_CreateNumber((double)b->input[k]));
    }
    cJSON_AddNumberToObject(config, "classes", (double)b->classes);
    cJSON_AddNumberToObject(config, "width", (double)b->width);
    cJSON_AddStringToObject(config, "unit", b->unit);
    cJSON_AddStringToObject(config, "scheme", b->scheme);
    cJSON_AddStringToObject(config, "precision", b->precision);
    cJSON_AddNumberToObject(config, "steps", (double)b->steps);
    cJSON_AddNumberToObject(config, "nodes", (double)b->nodes);
    b->net = net_create(config, error);
    cJSON_Delete(config);
}

/* Four batches of noise to train on, one to evaluate. */
static void make_data(struct bench *b, struct error *error) {
    const ptrdiff_t count = 5 * b->batch;
    const ptrdiff_t sample = b->input[0] * b->input[1] * b->input[2];
    float *values = malloc((size_t)(count * sample) * sizeof *values);
    int32_t *labels = malloc((size_t)count * sizeof *labels);
    if (!values || !labels) {
        stop("no memory for the data");
    }
    const uint64_t stream = rng_stream("bench");
    for (ptrdiff_t i = 0; i < count * sample; i++) {
        values[i] = (float)rng_normal(1, stream, (uint64_t)i);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        labels[i] = (int32_t)rng_below(2, stream, (uint64_t)i, (uint64_t)b->classes);
    }
    const ptrdiff_t shape[4] = {count, b->input[0], b->input[1], b->input[2]};
    b->data = dataset_from_arrays(values, shape, labels, (int)b->classes, NULL, 0, 0, b->batch,
                                  error);
    free(values);
    free(labels);
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a call of work, in `seconds`; returns how many calls there was time for. */
static long time_calls(const struct bench *b, double *seconds,
                       bool (*work)(void *context, struct error *error), void *context,
                       struct error *error) {
    const double budget = b->budget > 0 ? 1e-3 * (double)b->budget : 1e9;
    double began = clock_seconds();
    for (int i = 0; i < WARM_UP && (i == 0 || clock_seconds() - began < budget); i++) {
        if (!work(context, error)) {
            return 0;
        }
    }
    began = clock_seconds();
    for (long i = 0; i < b->repeats; i++) {
        const double start = clock_seconds();
        if (i > 0 && start - began > budget) {
            return i;
        }
        if (!work(context, error)) {
            return 0;
        }
        seconds[i] = clock_seconds() - start;
    }
    return b->repeats;
}

/* The rate of convolutions in a step of `seconds`, beside the machine's. */
static bool print_rate(const struct bench *b, bool train, double seconds, struct error *error) {
    const struct profile_options options = {
        .batch = b->batch, .repeats = 1, .train = train, .how = {.edge = -1}, .pool = b->pool};
    struct profile profile;
    if (!profile_run(b->net, &options, &profile, error)) {
        return false;
    }
    printf(" conv_gflops=%.1f peak_gflops=%.1f", 1e-9 * profile.convolution / seconds,
           1e-9 * profile.peak);
    return true;
}

static bool print_case(const struct bench *b, bool train, double *seconds, long count,
                       struct error *error) {
    const size_t n = (size_t)count;
    qsort(seconds, n, sizeof *seconds, by_size);
    const double median = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("continuo case=%s:%s ms_median=%.4f ms_min=%.4f calls=%ld rss_mb=%ld threads=%ld "
           "kernels=%s",
           train ? "train" : "eval", b->name, 1e3 * median, 1e3 * seconds[0], count,
           usage.ru_maxrss / 1024, b->threads, b->net->kernels->name);
    const bool ok = strcmp(b->rate, "yes") != 0 || print_rate(b, train, median, error);
    printf("\n");
    fflush(stdout);
    return ok;
}

static bool training_step(void *context, struct error *error) {
    struct step_report report;
    return (train_step(context, &report) && report.finite) ||
           error_set(error, ERROR_STATE, "training ended too early");
}

static bool evaluation(void *context, struct error *error) {
    const struct bench *b = context;
    struct evaluation result;
    return evaluate(b->net, &b->data->test, 0, 0, NULL, b->pool, NULL, &result, NULL, error);
}

static bool time_training(struct bench *b, double *seconds, struct error *error) {
    cJSON *options = cJSON_Parse("{\"optimizer\": {\"kind\": \"sgd\", \"lr\": 0.01, "
                                 "\"momentum\": 0.9, \"weight_decay\": 5e-4}}");
    cJSON_AddNumberToObject(options, "batch", (double)b->batch);
    cJSON_AddNumberToObject(options, "epochs", (double)(b->repeats + WARM_UP + 4) / 4.0);
    if (strcmp(b->memory, "auto") != 0) {
        cJSON_AddStringToObject(options, "memory", b->memory);
    }
    struct train *train = train_begin(b->net, b->data, options, b->pool, error);
    cJSON_Delete(options);
    const long count = train ? time_calls(b, seconds, training_step, train, error) : 0;
    train_end(train);
    return count > 0 && print_case(b, true, seconds, count, error);
}

static bool time_evaluation(struct bench *b, double *seconds, struct error *error) {
    const long count = time_calls(b, seconds, evaluation, b, error);
    return count > 0 && print_case(b, false, seconds, count, error);
}

int main(int argc, char **argv) {
    struct bench b = {.scheme = "euler", .unit = "post", .only = "both", .memory = "auto",
                      .precision = "f32", .rate = "no", .width = 16, .nodes = 2,
                      .input = {1, 28, 28}, .classes = 10, .batch = 128, .threads = 2,
                      .repeats = 10};
    read_options(&b, argc, argv);
    static double seconds[REPEATS_MAX];
    struct error error;
    make_net(&b, &error);
    if (b.net) {
        make_data(&b, &error);
    }
    if (b.data) {
        b.pool = pool_create((int)b.threads, &error);
    }
    bool ok = b.pool;
    if (ok && strcmp(b.only, "eval") != 0) {
        ok = time_training(&b, seconds, &error);
    }
    if (ok && strcmp(b.only, "train") != 0) {
        ok = time_evaluation(&b, seconds, &error);
    }
    if (!ok) {
        fprintf(stderr, "bench_train: %s\n", error.text);
    }
    pool_free(b.pool);
    dataset_free(b.data);
    net_free(b.net);
    return ok ? 0 : 1;
}
