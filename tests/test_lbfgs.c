#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "learn/lbfgs.h"
#include "learn/line_search.h"
#include "learn/train.h"
#include "learn_setup.h"

/* ---- the line search ----------------------------------------------------------------------- */

struct polynomial { /* f(a) = sum c_k a^k; infinite from `wall` on */
    double c[6], wall;
    int calls;
    double last;
};

static double polynomial_value(void *context, double at, double *slope) {
    struct polynomial *p = context;
    double value = 0;
    *slope = 0;
    for (int k = 5; k >= 0; k--) {
        *slope = *slope * at + value;
        value = value * at + p->c[k];
    }
    p->calls++;
    p->last = at;
    if (p->wall > 0 && at >= p->wall) {
        *slope = (double)NAN;
        return (double)INFINITY;
    }
    return value;
}

static struct line_end search(struct polynomial *p, double first, int evaluations) {
    double slope0, value0 = polynomial_value(p, 0, &slope0);
    const struct line line = {.value = polynomial_value,
                              .context = p,
                              .value0 = value0,
                              .slope0 = slope0,
                              .first = first,
                              .evaluations = evaluations};
    p->calls = 0;
    return line_search(&line);
}

Test(line_search, lengths_meet_the_strong_wolfe_conditions_from_any_first_length) {
    static const struct polynomial lines[] = {
        {.c = {3.7, -2.1, 0.83}},
        {.c = {0.31, -0.0173, -0.4, 0, 0.9}},
        {.c = {1, -5.3, 2.9, -0.41, 0.0307}},
        {.c = {2, -1.3, 0.07, 0, 0, 0.0011}},
        {.c = {3.7, -2.1, 0.83}, .wall = 1.0},
    };
    static const double firsts[] = {1e-6, 0.013, 0.71, 1, 17.3, 4711};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (size_t k = 0; k < sizeof firsts / sizeof *firsts; k++) {
            struct polynomial p = lines[i];
            double slope0, slope, value0 = polynomial_value(&p, 0, &slope0);
            const struct line_end end = search(&p, firsts[k], 60);
            cr_assert(end.found && end.is_last, "line %zu from %g", i, firsts[k]);
            cr_assert_eq(end.evaluations, p.calls);
            cr_assert_eq(p.last, end.at);
            const double value = polynomial_value(&p, end.at, &slope);
            cr_assert_eq(end.value, value);
            cr_assert_eq(end.slope, slope);
            cr_assert_leq(value, value0 + 1e-4 * end.at * slope0);
            cr_assert_leq(fabs(slope), -0.9 * slope0);
            cr_assert(firsts[k] != 1 || end.evaluations <= 6, "line %zu", i);
        }
    }
}

Test(line_search, what_cannot_be_found_is_said_and_the_best_is_kept) {
    struct polynomial down = {.c = {0, -1}}; /* no length is flat */
    struct line_end end = search(&down, 1, 7);
    cr_assert_not(end.found);
    cr_assert(end.is_last && end.at >= 64 && end.evaluations == 7, "%g", end.at);
    struct polynomial wall = {.c = {0, -1}, .wall = 1e-9};
    end = search(&wall, 1, 5);
    cr_assert_not(end.found);
    cr_assert_eq(end.at, 0);
    cr_assert_eq(end.evaluations, 5);
}

/* ---- the method ---------------------------------------------------------------------------- */

enum { LEN = 12 };

struct function {
    int n, calls;
    double w[LEN], g[LEN];
    double (*loss)(const double *w, int n, double *g);
};

static double evaluate_function(void *context) {
    struct function *f = context;
    f->calls++;
    return f->loss(f->w, f->n, f->g);
}

static double rosenbrock(const double *w, int n, double *g) {
    double sum = 0;
    memset(g, 0, (size_t)n * sizeof *g);
    for (int j = 0; j + 1 < n; j++) {
        const double a = w[j + 1] - w[j] * w[j], b = 1 - w[j];
        sum += 100 * a * a + b * b;
        g[j] -= 400 * a * w[j] + 2 * b;
        g[j + 1] += 200 * a;
    }
    return sum;
}

static double quadratic(const double *w, int n, double *g) {
    double sum = 0;
    for (int j = 0; j < n; j++) {
        const double curvature = pow(10, 3.0 * j / (n - 1)), x = w[j] - 0.31 * j;
        g[j] = curvature * x;
        sum += 0.5 * curvature * x * x;
    }
    return sum;
}

static double smooth(const double *w, int n, double *g) { /* of tests/reference/lbfgs.py */
    double sum = 0;
    memset(g, 0, (size_t)n * sizeof *g);
    for (int i = 0; i < 11; i++) {
        double x = -cos(0.9 * i);
        for (int j = 0; j < n; j++) {
            x += sin(1.3 * i + 0.7 * j * j + 0.1 * i * j) * w[j];
        }
        sum += 0.01 * log(cosh(x));
        for (int j = 0; j < n; j++) {
            g[j] += 0.01 * tanh(x) * sin(1.3 * i + 0.7 * j * j + 0.1 * i * j);
        }
    }
    return sum;
}

static struct lbfgs *make(int n, const struct lbfgs_settings *settings) {
    struct error error = {0};
    struct lbfgs *lbfgs = lbfgs_create(kernels_find(PRECISION_F64), n, settings, &error);
    cr_assert_not_null(lbfgs, "%s", error.text);
    return lbfgs;
}

static struct lbfgs_outcome minimise(struct lbfgs *lbfgs, struct function *f) {
    const struct lbfgs_problem problem = {
        .w = f->w, .g = f->g, .loss = evaluate_function, .context = f};
    const double loss = evaluate_function(f);
    return lbfgs_step(lbfgs, NULL, &problem, loss, 1);
}

static cJSON *reference(void) {
    struct error error = {0};
    size_t size;
    char *text = file_read(TESTS_DIR "/reference/lbfgs.json", 1 << 20, &size, &error);
    cr_assert_not_null(text, "%s", error.text);
    cJSON *json = cJSON_Parse(text);
    cr_assert_not_null(json);
    free(text);
    return json;
}

static void start_rosenbrock(struct function *f) {
    *f = (struct function){.n = 6, .loss = rosenbrock};
    for (int j = 0; j < 6; j++) {
        f->w[j] = j % 2 ? 1.0 : -1.2;
    }
}

Test(lbfgs, iterations_of_fixed_length_are_those_of_pytorch) {
    cJSON *json = reference();
    const cJSON *path = cJSON_GetObjectItem(json, "smooth");
    cr_assert_eq(cJSON_GetArraySize(path), 10);
    for (int k = 1; k <= 10; k++) {
        const struct lbfgs_settings settings = {
            .history = 4, .max_iterations = k, .line_search = LBFGS_NONE};
        struct lbfgs *lbfgs = make(7, &settings);
        struct function f = {.n = 7, .loss = smooth};
        for (int j = 0; j < 7; j++) {
            f.w[j] = 0.3 * cos(j);
        }
        const struct lbfgs_outcome outcome = minimise(lbfgs, &f);
        cr_assert_eq(outcome.iterations, k);
        cr_assert_eq(outcome.evaluations, k);
        for (int j = 0; j < 7; j++) {
            const double want = cJSON_GetArrayItem(cJSON_GetArrayItem(path, k - 1), j)->valuedouble;
            cr_assert_float_eq(f.w[j], want, 1e-10, "iteration %d, w[%d]: %.17g, not %.17g", k, j,
                               f.w[j], want);
        }
        lbfgs_free(lbfgs);
    }
    cJSON_Delete(json);
}

Test(lbfgs, rosenbrocks_valley_is_left_with_as_few_evaluations_as_pytorch_needs) {
    cJSON *json = reference();
    const int theirs =
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "rosenbrock"), "evaluations")->valueint;
    const struct lbfgs_settings settings = {
        .history = 10, .max_iterations = 200, .max_evaluations = 25, .tolerance_gradient = 1e-10};
    struct lbfgs *lbfgs = make(6, &settings);
    struct function f;
    start_rosenbrock(&f);
    const struct lbfgs_outcome outcome = minimise(lbfgs, &f);
    cr_assert_eq(outcome.stop, LBFGS_CONVERGED);
    cr_assert_eq(outcome.evaluations + 1, f.calls);
    cr_assert_lt(outcome.loss, 1e-20);
    cr_assert_leq(f.calls, theirs * 5 / 4, "%d, PyTorch %d", f.calls, theirs);
    for (int j = 0; j < 6; j++) {
        cr_assert_float_eq(f.w[j], 1, 1e-9);
    }
    lbfgs_free(lbfgs);
    cJSON_Delete(json);
}

Test(lbfgs, quadratics_end_at_their_minimum) {
    const struct lbfgs_settings settings = {
        .history = LEN, .max_iterations = 100, .max_evaluations = 25, .tolerance_gradient = 1e-9};
    struct lbfgs *lbfgs = make(LEN, &settings);
    struct function f = {.n = LEN, .loss = quadratic};
    const struct lbfgs_outcome outcome = minimise(lbfgs, &f);
    cr_assert_eq(outcome.stop, LBFGS_CONVERGED);
    cr_assert_leq(outcome.evaluations, 110);
    for (int j = 0; j < LEN; j++) {
        cr_assert_float_eq(f.w[j], 0.31 * j, 1e-9);
    }
    lbfgs_free(lbfgs);
}

Test(lbfgs, one_call_of_many_iterations_is_many_calls_of_one) {
    struct function whole, parts;
    struct lbfgs_settings settings = {
        .history = 3, .max_iterations = 17, .max_evaluations = 25};
    struct lbfgs *one = make(6, &settings);
    settings.max_iterations = 1;
    struct lbfgs *many = make(6, &settings);
    start_rosenbrock(&whole);
    start_rosenbrock(&parts);
    (void)minimise(one, &whole);
    for (int i = 0; i < 17; i++) {
        (void)minimise(many, &parts);
    }
    cr_assert_arr_eq(whole.w, parts.w, sizeof whole.w);
    cr_assert_eq(lbfgs_pairs(one), 17);
    lbfgs_free(one);
    lbfgs_free(many);
}

static double cliff(const double *w, int n, double *g) {
    (void)n;
    g[0] = -1;
    return w[0] > 0.5 ? (double)NAN : -w[0];
}

Test(lbfgs, a_fixed_step_to_where_nothing_is_finite_is_taken_back) {
    const struct lbfgs_settings settings = {
        .history = 3, .max_iterations = 4, .line_search = LBFGS_NONE};
    struct lbfgs *lbfgs = make(1, &settings);
    struct function f = {.n = 1, .loss = cliff, .w = {0.125}};
    const struct lbfgs_outcome outcome = minimise(lbfgs, &f);
    cr_assert_eq(outcome.stop, LBFGS_NOT_FINITE);
    cr_assert_eq(f.w[0], 0.125);
    lbfgs_free(lbfgs);
}

Test(lbfgs, a_search_stops_before_what_is_not_finite) {
    const struct lbfgs_settings settings = {
        .history = 3, .max_iterations = 1, .max_evaluations = 12};
    struct lbfgs *lbfgs = make(1, &settings);
    struct function f = {.n = 1, .loss = cliff, .w = {0.125}};
    const struct lbfgs_outcome outcome = minimise(lbfgs, &f);
    cr_assert_eq(outcome.stop, LBFGS_ITERATIONS);
    cr_assert(f.w[0] > 0.3 && f.w[0] <= 0.5, "%g", f.w[0]);
    cr_assert_eq(outcome.loss, -f.w[0]);
    lbfgs_free(lbfgs);
}

/* ---- in training --------------------------------------------------------------------------- */

static struct dataset *regression(void) {
    static float values[400], targets[200];
    for (int i = 0; i < 200; i++) {
        values[2 * i] = sinf(1.3f * (float)i);
        values[2 * i + 1] = cosf(0.7f * (float)i);
        targets[i] = 0.8f * values[2 * i] - 0.3f * values[2 * i + 1] * values[2 * i] + 0.1f;
    }
    const ptrdiff_t shape[4] = {200, 2, 1, 1};
    struct error error = {0};
    struct dataset *data = dataset_from_arrays(values, shape, NULL, 0, targets, 1, 20, 20, &error);
    cr_assert_not_null(data, "%s", error.text);
    return data;
}

#define REGRESSION_NET                                                                             \
    "{\"family\":\"mlp\",\"input\":[2],\"outputs\":1,\"hidden\":12,\"seed\":2,"                    \
    "\"precision\":\"f64\"}"

static struct train *begin(struct net *net, const struct dataset *data, const char *json,
                           struct pool *pool) {
    struct error error = {0};
    cJSON *options = cJSON_Parse(json);
    cr_assert_not_null(options, "%s", json);
    struct train *train = train_begin(net, data, options, pool, &error);
    cr_assert_not_null(train, "%s", error.text);
    cJSON_Delete(options);
    return train;
}

Test(lbfgs, a_regression_falls_below_what_adam_reaches_with_as_many_gradients) {
    struct dataset *data = regression();
    struct net *net = setup_net(REGRESSION_NET);
    struct train *train =
        begin(net, data, "{\"epochs\":150,\"batch\":1000,\"optimizer\":{\"kind\":\"lbfgs\"}}", NULL);
    struct step_report report;
    int evaluations = 0;
    double before = INFINITY;
    while (train_step(train, &report)) {
        cr_assert(report.finite && report.loss <= before, "step %td rises", report.step);
        before = report.loss;
        cr_assert_geq(report.evaluations, 2);
        evaluations += report.evaluations;
    }
    train_end(train);
    net_free(net);
    net = setup_net(REGRESSION_NET);
    char json[200];
    snprintf(json, sizeof json, "{\"epochs\":%d,\"batch\":1000,\"optimizer\":{\"kind\":\"adam\","
             "\"lr\":0.02}}", evaluations);
    train = begin(net, data, json, NULL);
    while (train_step(train, &report)) {
        cr_assert_eq(report.evaluations, 1);
    }
    cr_assert_lt(before, 2e-5);
    cr_assert_lt(10 * before, report.loss, "%g, adam %g", before, report.loss);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

#define BATCHES                                                                                    \
    "{\"epochs\":3,\"batch\":50,\"schemes\":[\"midpoint\",\"rk4\"],\"optimizer\":"                 \
    "{\"kind\":\"lbfgs\",\"history\":3,\"max_iterations\":2}}"

static size_t values_size(const struct net *net) {
    return (size_t)net->value_len * net->kernels->real_size;
}

Test(lbfgs, training_has_the_same_bits_for_any_number_of_threads) {
    struct dataset *data = setup_images();
    void *serial = NULL;
    for (int threads = 0; threads <= 3; threads++) {
        struct error error = {0};
        struct net *net = setup_net(SETUP_IMAGE_NET);
        struct pool *pool = threads ? pool_create(threads, &error) : NULL;
        struct train *train = begin(net, data, BATCHES, pool);
        struct step_report report;
        while (train_step(train, &report)) {
            cr_assert(report.finite);
        }
        train_end(train);
        if (serial) {
            cr_assert_eq(memcmp(serial, net->values, values_size(net)), 0, "%d threads", threads);
        } else {
            serial = malloc(values_size(net));
            memcpy(serial, net->values, values_size(net));
        }
        pool_free(pool);
        net_free(net);
    }
    free(serial);
    dataset_free(data);
}

Test(lbfgs, a_state_carried_over_goes_on_with_the_same_bits) {
    struct dataset *data = setup_images();
    struct net *first = setup_net(SETUP_IMAGE_NET), *second = setup_net(SETUP_IMAGE_NET);
    struct train *whole = begin(first, data, BATCHES, NULL);
    struct train *rest = begin(second, data, BATCHES, NULL);
    struct step_report a, b;
    for (int step = 0; step < 4; step++) {
        (void)train_step(whole, &a);
    }
    memcpy(second->values, first->values, values_size(first));
    net_touch(second);
    struct optim *from = train_optim(whole), *to = train_optim(rest);
    cr_assert_eq(optim_slot_len(from), 3 * first->trainable_len);
    cr_assert_gt(optim_updates(from), 3, "the ring has turned");
    for (int slot = 0; slot < 2; slot++) {
        memcpy(optim_slot(to, slot), optim_slot(from, slot),
               (size_t)optim_slot_len(from) * first->kernels->real_size);
    }
    optim_set_updates(to, optim_updates(from));
    train_seek(rest, train_position(whole));
    while (train_step(whole, &a)) {
        cr_assert(train_step(rest, &b));
        cr_assert_eq(a.loss, b.loss, "step %td", a.step);
    }
    cr_assert_eq(memcmp(first->values, second->values, values_size(first)), 0);
    train_end(whole);
    train_end(rest);
    net_free(first);
    net_free(second);
    dataset_free(data);
}

Test(lbfgs, divergence_of_fixed_steps_leaves_everything_as_it_was) {
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct train *train = begin(net, data,
                                "{\"epochs\":50,\"batch\":25,\"optimizer\":{\"kind\":\"lbfgs\","
                                "\"lr\":1e30,\"line_search\":\"none\"}}",
                                NULL);
    struct step_report report;
    void *before = malloc(values_size(net));
    do {
        memcpy(before, net->values, values_size(net));
    } while (train_step(train, &report) && report.finite);
    cr_assert_not(report.finite);
    cr_assert_eq(memcmp(before, net->values, values_size(net)), 0);
    cr_assert_not(train_step(train, &report));
    free(before);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(lbfgs, clipping_is_refused) {
    struct error error = {0};
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    cJSON *options = cJSON_Parse("{\"clip\":0.5,\"optimizer\":{\"kind\":\"lbfgs\"}}");
    cr_assert_null(train_begin(net, data, options, NULL, &error));
    cr_assert_not_null(strstr(error.text, "clip = 0.5 cannot be"), "%s", error.text);
    cJSON_Delete(options);
    net_free(net);
    dataset_free(data);
}
