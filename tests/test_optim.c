/* Expected values come from the update equations written out below in long double, one weight at a
 * time, and from a few steps done by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "learn/optim.h"

enum { LEN = 37, STEPS = 6 };

static double gradient(int step, int i) {
    return 0.731 * sin(1.37 * i + 2.11 * step) - 0.0419 * i / LEN;
}

static double start(int i) {
    return 1.913 * cos(0.57 * i) - 0.217;
}

struct expected {
    const char *json;
    double lr, momentum, decay, beta1, beta2, eps;
    int nesterov, adam, decoupled;
};

/* One weight after `steps` updates, by the definitions in learn/optim.h. */
static double by_definition(const struct expected *e, int i, int steps) {
    long double w = start(i), v = 0, m = 0, s = 0;
    for (int t = 1; t <= steps; t++) {
        long double g = gradient(t, i), rate = e->lr / t;
        if (!e->adam) {
            g += e->decay * w;
            v = t == 1 ? g : e->momentum * v + g;
            w -= rate * (e->nesterov ? g + e->momentum * v : v);
            continue;
        }
        if (e->decoupled) {
            w -= rate * e->decay * w;
        } else {
            g += e->decay * w;
        }
        m = e->beta1 * m + (1 - e->beta1) * g;
        s = e->beta2 * s + (1 - e->beta2) * g * g;
        long double mean = m / (1 - powl(e->beta1, t)), square = s / (1 - powl(e->beta2, t));
        w -= rate * mean / (sqrtl(square) + e->eps);
    }
    return (double)w;
}

static const struct expected cases[] = {
    {.json = "{\"kind\":\"sgd\",\"lr\":0.31}", .lr = 0.31},
    {.json = "{\"kind\":\"sgd\",\"lr\":0.137,\"momentum\":0.87,\"weight_decay\":0.0213}",
     .lr = 0.137,
     .momentum = 0.87,
     .decay = 0.0213},
    {.json = "{\"kind\":\"sgd\",\"lr\":0.137,\"momentum\":0.87,\"nesterov\":true,"
             "\"weight_decay\":0.0213}",
     .lr = 0.137,
     .momentum = 0.87,
     .decay = 0.0213,
     .nesterov = 1},
    {.json = "{\"kind\":\"adam\",\"lr\":0.0531,\"beta1\":0.83,\"beta2\":0.971,\"eps\":1e-6,"
             "\"weight_decay\":0.091}",
     .lr = 0.0531,
     .decay = 0.091,
     .beta1 = 0.83,
     .beta2 = 0.971,
     .eps = 1e-6,
     .adam = 1},
    {.json = "{\"kind\":\"adamw\",\"lr\":0.0531}",
     .lr = 0.0531,
     .decay = 0.01,
     .beta1 = 0.9,
     .beta2 = 0.999,
     .eps = 1e-8,
     .adam = 1,
     .decoupled = 1},
};

static struct optim *make(const char *json, const struct kernels *kernels, struct error *error) {
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    struct optim *optim = optim_create(config, kernels, LEN, error);
    cJSON_Delete(config);
    return optim;
}

static void compare(const struct kernels *kernels, const struct expected *e, double tolerance) {
    struct error error;
    double w64[LEN], g64[LEN];
    double w[LEN], g[LEN]; /* reals of either size fit */
    struct optim *optim = make(e->json, kernels, &error);
    cr_assert_not_null(optim, "%s", error.text);
    for (int i = 0; i < LEN; i++) {
        w64[i] = start(i);
    }
    kernels->from_doubles(w, w64, LEN);
    for (int t = 1; t <= STEPS; t++) {
        for (int i = 0; i < LEN; i++) {
            g64[i] = gradient(t, i);
        }
        kernels->from_doubles(g, g64, LEN);
        optim_step(optim, NULL, w, g, e->lr / t);
    }
    kernels->to_doubles(w64, w, LEN);
    for (int i = 0; i < LEN; i++) {
        double want = by_definition(e, i, STEPS);
        cr_assert_float_eq(w64[i], want, tolerance, "%s %s: weight %d is %.17g, not %.17g",
                           kernels->name, e->json, i, w64[i], want);
    }
    cr_assert_eq(optim_updates(optim), STEPS);
    optim_free(optim);
}

Test(optim, every_kind_follows_its_equations_in_every_table_of_kernels) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct kernels *kernels;
        for (int k = 0; (kernels = kernels_at(PRECISION_F64, k)) != NULL; k++) {
            compare(kernels, &cases[i], 1e-13);
        }
        for (int k = 0; (kernels = kernels_at(PRECISION_F32, k)) != NULL; k++) {
            compare(kernels, &cases[i], 2e-5);
        }
    }
}

Test(optim, nesterov_looks_ahead_as_worked_out_by_hand) {
    /* w = 2, g = 0.5 twice, lr 0.1, momentum 0.9: v = 0.5, w = 2 - 0.1 (0.5 + 0.45) = 1.905;
     * v = 0.95, w = 1.905 - 0.1 (0.5 + 0.855) = 1.7695. */
    struct error error;
    struct optim *optim = make("{\"kind\":\"sgd\",\"lr\":0.1,\"momentum\":0.9,\"nesterov\":true}",
                               kernels_find(PRECISION_F64), &error);
    double w[LEN] = {2}, g[LEN] = {0.5};
    optim_step(optim, NULL, w, g, optim_rate(optim));
    cr_assert_float_eq(w[0], 1.905, 1e-15);
    optim_step(optim, NULL, w, g, optim_rate(optim));
    cr_assert_float_eq(w[0], 1.7695, 1e-15);
    optim_free(optim);
}

Test(optim, adam_moves_by_the_rate_at_its_first_step) {
    /* With the bias taken out, mean / root mean square is 1 for any first gradient. */
    struct error error;
    struct optim *optim =
        make("{\"kind\":\"adam\",\"lr\":0.25}", kernels_find(PRECISION_F64), &error);
    double w[LEN] = {3, -4}, g[LEN] = {1e-3, -250};
    optim_step(optim, NULL, w, g, optim_rate(optim));
    cr_assert_float_eq(w[0], 2.75, 1e-5);
    cr_assert_float_eq(w[1], -3.75, 1e-9);
    optim_free(optim);
}

Test(optim, a_copied_state_goes_on_with_the_same_bits) {
    struct error error;
    const struct kernels *kernels = kernels_find(PRECISION_F64);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct optim *first = make(cases[c].json, kernels, &error);
        struct optim *second = make(cases[c].json, kernels, &error);
        double w[LEN], g[LEN], copy[LEN];
        for (int i = 0; i < LEN; i++) {
            w[i] = start(i);
        }
        for (int t = 1; t <= STEPS; t++) {
            for (int i = 0; i < LEN; i++) {
                g[i] = gradient(t, i);
            }
            if (t == 4) {
                memcpy(copy, w, sizeof w);
                for (int slot = 0; slot < optim_kind(first)->slot_count; slot++) {
                    memcpy(optim_slot(second, slot), optim_slot(first, slot), sizeof w);
                }
                optim_set_updates(second, optim_updates(first));
            }
            optim_step(first, NULL, w, g, 0.0731);
            if (t >= 4) {
                optim_step(second, NULL, copy, g, 0.0731);
            }
        }
        cr_assert_arr_eq(w, copy, sizeof w);
        optim_free(first);
        optim_free(second);
    }
}

Test(optim, the_default_is_sgd_with_momentum_and_says_so) {
    struct error error;
    struct optim *optim = optim_create(NULL, kernels_find(PRECISION_F32), LEN, &error);
    cJSON *config = optim_config(optim);
    char *text = cJSON_PrintUnformatted(config);
    cr_assert_str_eq(text, "{\"lr\":0.1,\"momentum\":0.9,\"weight_decay\":0,\"nesterov\":false,"
                           "\"kind\":\"sgd\"}");
    cJSON_free(text);
    cJSON_Delete(config);
    optim_free(optim);
}

Test(optim, a_resolved_configuration_makes_the_same_optimiser) {
    struct error error;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct optim *first = make(cases[c].json, kernels_find(PRECISION_F32), &error);
        cJSON *config = optim_config(first);
        struct optim *second = optim_create(config, kernels_find(PRECISION_F32), LEN, &error);
        cr_assert_not_null(second, "%s", error.text);
        cJSON *again = optim_config(second);
        cr_assert(cJSON_Compare(config, again, true));
        cJSON_Delete(config);
        cJSON_Delete(again);
        optim_free(first);
        optim_free(second);
    }
}

static void refuses(const char *json, const char *part) {
    struct error error = {0};
    cr_assert_null(make(json, kernels_find(PRECISION_F32), &error), "%s", json);
    cr_assert_eq(error.code, ERROR_VALUE);
    cr_assert_not_null(strstr(error.text, part), "%s: \"%s\" lacks \"%s\"", json, error.text, part);
}

Test(optim, what_cannot_be_is_refused_in_a_sentence) {
    refuses("{\"kind\":\"sdg\"}", "nearest is \"sgd\"");
    refuses("{\"kind\":\"lion\"}", "there are sgd, adam, adamw and lbfgs");
    refuses("{\"lr\":0.1}", "\"kind\"");
    refuses("{\"kind\":\"sgd\",\"momentun\":0.9}", "momentum");
    refuses("{\"kind\":\"sgd\",\"lr\":-0.1}", "-0.1");
    refuses("{\"kind\":\"sgd\",\"nesterov\":true}", "momentum");
    refuses("{\"kind\":\"adam\",\"beta2\":1}", "beta2");
    refuses("{\"kind\":\"adam\",\"momentum\":0.9}", "momentum");
}
