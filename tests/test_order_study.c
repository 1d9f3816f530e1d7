#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "study/order_study.h"

enum { CHANNELS = 2, SIDE = 6, SAMPLES = 3, LEN = CHANNELS * SIDE * SIDE };

/* A small net with weights and running statistics far from their initial values. */
static struct net *make_net(int nodes, const char *act, const char *edge) {
    char text[400];
    (void)snprintf(text, sizeof text,
                   "{\"family\": \"continuous\", \"input\": [%d, %d, %d], \"classes\": 3, "
                   "\"width\": 3, \"nodes\": %d, \"steps\": %d, \"scheme\": \"rk4\", \"eps\": 1.3, "
                   "\"act\": \"%s\", \"edge\": \"%s\", \"seed\": 41, \"precision\": \"f64\"}",
                   CHANNELS, SIDE, SIDE, nodes, nodes, act, edge);
    cJSON *const config = cJSON_Parse(text);
    struct error error;
    struct net *const net = net_create(config, &error);
    cr_assert(net, "%s", error.text);
    cJSON_Delete(config);
    double *const values = net->values;
    for (ptrdiff_t i = 0; i < net->trainable_len; i++) {
        values[i] += 0.1 * rng_normal(43, 1, (uint64_t)i);
    }
    for (ptrdiff_t i = net->trainable_len; i < net->value_len; i++) {
        values[i] += 0.3 * rng_uniform(43, 2, (uint64_t)i);
    }
    net_touch(net);
    return net;
}

static const double *samples(void) {
    static double x[SAMPLES * LEN];
    for (int i = 0; i < SAMPLES * LEN; i++) {
        x[i] = rng_normal(47, 3, (uint64_t)i);
    }
    return x;
}

static const struct tableau *scheme(const char *name) {
    return tableau_find(name, NULL);
}

static struct order_study *studied(const struct net *net, const char *name, const int *steps,
                                   int count, const struct order_study_options *more) {
    const struct tableau *const one = scheme(name);
    struct order_study_options options = more ? *more : (struct order_study_options){.edge = -1};
    options.block = more ? more->block : -1;
    options.schemes = &one;
    options.scheme_count = 1;
    options.steps = steps;
    options.step_count = count;
    struct error error;
    struct order_study *const study = order_study(net, samples(), SAMPLES, &options, &error);
    cr_assert(study, "%s", error.text);
    return study;
}

static const int doublings[] = {4, 8, 16, 32, 64};

Test(order_study, a_smooth_net_converges_with_the_order_of_every_scheme) {
    struct net *const net = make_net(2, "tanh", "open");
    const struct tableau *const schemes[] = {scheme("euler"), scheme("midpoint"), scheme("heun2"),
                                             scheme("rk4"), scheme("rk4_38")};
    const struct order_study_options options = {.schemes = schemes,
                                                .scheme_count = 5,
                                                .steps = doublings,
                                                .step_count = 5,
                                                .block = -1,
                                                .edge = -1};
    struct error error;
    struct order_study *const study = order_study(net, samples(), SAMPLES, &options, &error);
    cr_assert(study, "%s", error.text);
    cr_expect_eq(study->curve_count, 5);
    cr_expect_eq(study->block, 2);
    cr_expect_eq(study->raised, 0);
    cr_expect_eq(study->reference, scheme("tsit54"));
    cr_expect_geq(study->reference_steps, 8 * 64);
    cr_expect_lt(study->reference_error, 1e-12);
    for (int i = 0; i < 5; i++) {
        const struct order_curve *const curve = &study->curves[i];
        cr_expect(curve->aligned);
        cr_expect_eq(curve->expected.order, schemes[i]->order);
        cr_expect_eq(curve->fit.status, ORDER_FITTED);
        cr_expect_float_eq(curve->fit.slope, schemes[i]->order, 0.1, "%s: %g", schemes[i]->name,
                           curve->fit.slope);
        cr_expect(order_confirmed(&curve->fit, &curve->expected, curve->scheme));
    }
    order_study_free(study);
    net_free(net);
}

Test(order_study, every_block_can_be_looked_behind) {
    struct net *const net = make_net(1, "softplus", "open");
    for (int block = 0; block < 3; block++) {
        const struct order_study_options options = {.block = block, .edge = -1};
        struct order_study *const study = studied(net, "midpoint", doublings, 5, &options);
        cr_expect_eq(study->block, block);
        cr_expect_float_eq(study->curves[0].fit.slope, 2, 0.1, "block %d: %g", block,
                           study->curves[0].fit.slope);
        order_study_free(study);
    }
    net_free(net);
}

Test(order_study, closed_edges_lower_rk4_to_order_one_and_spare_midpoint) {
    struct net *const net = make_net(2, "tanh", "closed");
    struct order_study *study = studied(net, "rk4", doublings, 5, NULL);
    cr_expect_eq(study->curves[0].expected.order, 1);
    cr_expect_float_eq(study->curves[0].fit.slope, 1, 0.1, "%g", study->curves[0].fit.slope);
    order_study_free(study);
    study = studied(net, "midpoint", doublings, 5, NULL);
    cr_expect_eq(study->curves[0].expected.order, 2);
    cr_expect_float_eq(study->curves[0].fit.slope, 2, 0.1, "%g", study->curves[0].fit.slope);
    order_study_free(study);
    /* The edge can be overruled. */
    const struct order_study_options open = {.block = -1, .edge = EDGE_OPEN};
    study = studied(net, "rk4", doublings, 5, &open);
    cr_expect_float_eq(study->curves[0].fit.slope, 4, 0.1, "%g", study->curves[0].fit.slope);
    order_study_free(study);
    net_free(net);
}

Test(order_study, kinks_are_known_and_lower_the_expectation) {
    struct net *const net = make_net(1, "relu", "open");
    struct order_study *const study = studied(net, "rk4", doublings, 5, NULL);
    cr_expect(study->kinked);
    cr_expect_eq(study->curves[0].expected.order, 2);
    cr_expect_str_eq(study->curves[0].expected.reason, "the activation has a kink");
    order_study_free(study);
    net_free(net);
}

Test(order_study, steps_are_sorted_raised_to_align_and_counted_once) {
    struct net *const net = make_net(3, "tanh", "open");
    const int steps[] = {24, 4, 5, 6, 12, 24};
    struct order_study *study = studied(net, "euler", steps, 6, NULL);
    const struct order_curve *curve = &study->curves[0];
    cr_expect_eq(curve->count, 3);
    cr_expect_eq(curve->steps[0], 6);
    cr_expect_eq(curve->steps[1], 12);
    cr_expect_eq(curve->steps[2], 24);
    cr_expect_eq(curve->h[1], 1.0 / 12);
    cr_expect_eq(study->raised, 2);
    cr_expect_eq(study->reference_steps % 6, 0);
    cr_expect(curve->aligned);
    order_study_free(study);
    const struct order_study_options as_given = {.block = -1, .edge = -1, .as_given = true};
    study = studied(net, "rk4", steps, 6, &as_given);
    curve = &study->curves[0];
    cr_expect_eq(curve->count, 5);
    cr_expect_eq(curve->steps[0], 4);
    cr_expect(!curve->aligned);
    cr_expect_eq(curve->expected.order, 1);
    cr_expect_eq(study->raised, 0);
    order_study_free(study);
    net_free(net);
}

Test(order_study, a_single_precision_net_is_studied_in_double) {
    struct net *const net = make_net(2, "tanh", "open");
    struct net *const single = net_clone(net, PRECISION_F32, NULL);
    const uint64_t version = single->version;
    struct order_study *const study = studied(single, "rk4", doublings, 5, NULL);
    cr_expect_float_eq(study->curves[0].fit.slope, 4, 0.1);
    cr_expect_eq(single->version, version);
    cr_expect_lt(study->curves[0].error[4], 1e-7);
    order_study_free(study);
    net_free(single);
    net_free(net);
}

Test(order_study, threads_do_not_change_a_bit) {
    struct net *const net = make_net(2, "tanh", "open");
    struct pool *const pool = pool_create(3, NULL);
    const struct order_study_options threaded = {.block = -1, .edge = -1, .pool = pool};
    struct order_study *const one = studied(net, "heun2", doublings, 3, NULL);
    struct order_study *const three = studied(net, "heun2", doublings, 3, &threaded);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(one->curves[0].error[i], three->curves[0].error[i]);
    }
    cr_expect_eq(one->floor, three->floor);
    order_study_free(one);
    order_study_free(three);
    pool_free(pool);
    net_free(net);
}

static void expect_refusal(const struct net *net, ptrdiff_t count,
                           const struct order_study_options *options, enum error_code code,
                           const char *sentence) {
    struct error error = {0};
    cr_expect_null(order_study(net, samples(), count, options, &error));
    cr_expect_eq(error.code, code);
    cr_expect_str_eq(error.text, sentence);
}

Test(order_study, what_cannot_be_studied_is_refused) {
    struct net *const net = make_net(1, "tanh", "open");
    const struct tableau *const euler = scheme("euler");
    const int zero = 0;
    static volatile bool stop = true;
    const struct order_study_options good = {.schemes = &euler,
                                             .scheme_count = 1,
                                             .steps = doublings,
                                             .step_count = 3,
                                             .block = -1,
                                             .edge = -1};
    struct order_study_options bad = good;
    bad.block = 3;
    expect_refusal(net, 1, &bad, ERROR_VALUE, "this net has 3 ODE blocks; there is no block 4");
    bad = good;
    expect_refusal(net, 0, &bad, ERROR_VALUE, "an order study needs at least 1 sample, not 0");
    bad.scheme_count = 0;
    expect_refusal(net, 1, &bad, ERROR_VALUE, "an order study needs at least 1 scheme");
    bad = good;
    bad.steps = &zero;
    bad.step_count = 1;
    expect_refusal(
        net, 1, &bad, ERROR_VALUE,
        "an order study cannot take 0 steps; a number of steps is between 1 and 1048576");
    bad.step_count = 0;
    expect_refusal(net, 1, &bad, ERROR_VALUE,
                   "an order study takes between 1 and 64 step counts, not 0");
    bad = good;
    bad.stop = &stop;
    expect_refusal(net, 1, &bad, ERROR_STATE, "the order study was stopped");
    net_free(net);
}

Test(order_study, a_state_that_overflows_is_called_diverged) {
    struct net *const net = make_net(1, "softplus", "open");
    double *const values = net->values;
    for (ptrdiff_t i = 0; i < net->trainable_len; i++) {
        values[i] *= 1e200;
    }
    net_touch(net);
    struct order_study *const study = studied(net, "euler", doublings, 3, NULL);
    cr_expect_eq(study->curves[0].fit.status, ORDER_DIVERGED);
    order_study_free(study);
    net_free(net);
}
