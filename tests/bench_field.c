/* Times gradients of small dense vector fields: weights packed anew (as behind an update), forward
 * through all steps, the gradient of the mean square of the final state, backward. The twin of
 * bench_field_torch.py: same cases, one line each:
 *
 *     continuo case=field:2-64-64-2:rk4:n20:b32:t1 ms_median=.. ms_min=.. rss_mb=.. kernels=..
 *
 * and a line `overhead`: what an Euler step there and back costs beyond the kernels' own work on
 * the field, a dense layer 2-2 for one sample, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"
#include "nets/net.h"

enum { REPEATS_MAX = 100000 };

struct bench {
    const char *field, *scheme; /* widths, "2-64-64-2" */
    int steps;
    ptrdiff_t batch;
};

static const struct bench cases[] = {{"2-64-64-2", "rk4", 20, 32},
                                     {"2-64-64-2", "rk4", 20, 256},
                                     {"2-64-64-2", "rk4", 10, 2048},
                                     {"2-50-2", "dopri54", 20, 1}};

static void stop(const char *text) {
    fprintf(stderr, "bench_field: %s\n", text);
    exit(2);
}

static struct net *make_net(const struct bench *b, const char *solve, const char *precision) {
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "family", "stack");
    cJSON_AddStringToObject(config, "precision", precision);
    cJSON *input = cJSON_AddArrayToObject(config, "input");
    cJSON *ode = cJSON_CreateObject(), *body = cJSON_CreateArray();
    char *next;
    cJSON_AddItemToArray(input, cJSON_CreateNumber((double)strtol(b->field, &next, 10)));
    while (*next == '-') {
        const long width = strtol(next + 1, &next, 10);
        cJSON *dense = cJSON_CreateObject();
        cJSON_AddStringToObject(dense, "layer", "dense");
        cJSON_AddNumberToObject(dense, "out", (double)width);
        cJSON_AddItemToArray(body, dense);
        if (*next == '-') {
            cJSON *tanh = cJSON_CreateObject();
            cJSON_AddStringToObject(tanh, "layer", "tanh");
            cJSON_AddItemToArray(body, tanh);
        }
    }
    cJSON_AddStringToObject(ode, "layer", "ode");
    cJSON_AddStringToObject(ode, "scheme", b->scheme);
    cJSON_AddNumberToObject(ode, "steps", b->steps);
    cJSON_AddStringToObject(ode, "field", solve);
    cJSON_AddItemToObject(ode, "body", body);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(config, "layers"), ode);
    struct error error;
    struct net *net = net_create(config, &error);
    cJSON_Delete(config);
    if (!net) {
        stop(error.text);
    }
    return net;
}

struct work {
    struct net *net;
    struct pass *pass;
    ptrdiff_t batch;
    void *x, *dy;
    double *values; /* of the final state */
};

static void work_begin(struct work *w, const struct bench *b, const char *solve,
                       const char *precision, struct pool *pool) {
    struct error error;
    w->net = make_net(b, solve, precision);
    w->batch = b->batch;
    const struct pass_options options = {
        .batch = b->batch, .gradients = true, .how = {NULL, 0, -1}, .pool = pool};
    const size_t len = (size_t)(b->batch * w->net->outputs);
    const size_t size = len * w->net->kernels->real_size;
    w->pass = pass_create(w->net, &options, &error);
    w->values = malloc(len * sizeof *w->values);
    w->x = malloc(size);
    w->dy = malloc(size);
    if (!w->pass || !w->values || !w->x || !w->dy) {
        stop(w->pass ? "no memory" : error.text);
    }
    for (size_t i = 0; i < len; i++) {
        w->values[i] = rng_normal(1, rng_stream("bench"), i);
    }
    w->net->kernels->from_doubles(w->x, w->values, (ptrdiff_t)len);
}

static void work_end(struct work *w) {
    pass_free(w->pass);
    net_free(w->net);
    free(w->values);
    free(w->x);
    free(w->dy);
}

static void gradient(struct work *w) {
    const struct kernels *k = w->net->kernels;
    const ptrdiff_t len = w->batch * w->net->outputs;
    net_touch(w->net);
    k->set(w->net->grads, 0.0, w->net->trainable_len);
    memcpy(w->dy, pass_forward(w->pass, w->x, w->batch), (size_t)len * k->real_size);
    k->scale(w->dy, 2.0 / (double)len, len);
    pass_backward(w->pass, w->dy);
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool own_clock; /* seconds of this thread, for a machine with other work */

static double seconds_now(void) {
    struct timespec now;
    if (!own_clock) {
        return clock_seconds();
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Sorted seconds of calls of gradient, as many as fit `seconds`, at least 5. */
static int time_gradient(struct work *w, double seconds, double *times) {
    gradient(w);
    const double begin = clock_seconds();
    int n = 0;
    while (n < 5 || (n < REPEATS_MAX && clock_seconds() - begin < seconds)) {
        const double start = seconds_now();
        gradient(w);
        times[n++] = seconds_now() - start;
    }
    qsort(times, (size_t)n, sizeof *times, by_size);
    return n;
}

/* Least seconds of an evaluation of a dense layer 2-2, its vector-Jacobian product and its weight
 * gradients. */
static double bare_seconds(const struct kernels *k) {
    enum { CALLS = 1000, LEN = 4 * BLOCK * BLOCK };
    static double w[LEN] __attribute__((aligned(64))), trace[LEN] __attribute__((aligned(64)));
    static double back[LEN] __attribute__((aligned(64))), sums[LEN] __attribute__((aligned(64)));
    struct field_layer layer = {
        .in = 2, .out = 2, .forward = w, .backward = w, .bias = w + 2 * BLOCK * BLOCK};
    struct field f = {.in = 2, .count = 1, .layers = &layer};
    k->field_plan(&f);
    double least = 1.0;
    for (int round = 0; round < 200; round++) {
        const double start = seconds_now();
        for (int i = 0; i < CALLS; i++) {
            k->field_value(&f, trace, 1);
            k->field_back(&f, trace, back, back + BLOCK, 1);
            k->field_weights(&f, sums, trace, back, 1, 1);
        }
        const double seconds = (seconds_now() - start) / CALLS;
        least = seconds < least ? seconds : least;
    }
    return least;
}

static void print_overhead(const char *solve, const char *precision, double seconds,
                           double *times) {
    const struct bench b = {"2-2", "euler", 2000, 1};
    struct work w;
    work_begin(&w, &b, solve, precision, NULL);
    (void)time_gradient(&w, seconds, times);
    printf("continuo case=overhead:2-2:euler:b1 ns_per_step=%.1f kernels=%s\n",
           1e9 * (times[0] / b.steps - bare_seconds(w.net->kernels)), w.net->kernels->name);
    work_end(&w);
}

static long peak_memory(void) { /* MB */
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

int main(int argc, char **argv) {
    static double times[REPEATS_MAX];
    const char *solve = "auto", *precision = "f32", *only = "";
    long threads = 1;
    double seconds = 0.5;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--threads") == 0) {
            threads = strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = strtod(value, NULL);
        } else if (strcmp(argv[i], "--field") == 0) {
            solve = value;
        } else if (strcmp(argv[i], "--precision") == 0) {
            precision = value;
        } else if (strcmp(argv[i], "--only") == 0) {
            only = value;
        } else if (strcmp(argv[i], "--clock") == 0) {
            own_clock = strcmp(value, "thread") == 0;
        } else {
            stop("options: --threads n --seconds s --field auto|layers --precision f32|f64 "
                 "--clock wall|thread --only part-of-a-case");
        }
    }
    struct error error;
    struct pool *pool = pool_create((int)threads, &error);
    if (!pool) {
        stop(error.text);
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const struct bench *b = &cases[c];
        char name[80];
        snprintf(name, sizeof name, "field:%s:%s:n%d:b%td:t%ld", b->field, b->scheme, b->steps,
                 b->batch, threads);
        if (!strstr(name, only)) {
            continue;
        }
        struct work w;
        work_begin(&w, b, solve, precision, pool);
        const int n = time_gradient(&w, seconds, times);
        printf("continuo case=%s ms_median=%.5f ms_min=%.5f rss_mb=%ld kernels=%s\n", name,
               1e3 * times[n / 2], 1e3 * times[0], peak_memory(), w.net->kernels->name);
        fflush(stdout);
        work_end(&w);
    }
    if (strstr("overhead", only)) {
        print_overhead(solve, precision, seconds, times);
    }
    pool_free(pool);
    return 0;
}
