/* Nets for tests: from a configuration, with weights far from their initial values. */
#ifndef CONTINUO_TESTS_NET_SETUP_H
#define CONTINUO_TESTS_NET_SETUP_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "nets/net.h"

static inline struct net *try_net(const char *json, struct error *error) {
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "not JSON: %s", json);
    struct net *net = net_create(config, error);
    cJSON_Delete(config);
    return net;
}

static inline struct net *make_net(const char *json) {
    struct error error = {0};
    struct net *net = try_net(json, &error);
    cr_assert_not_null(net, "%s: %s", json, error.text);
    return net;
}

/* Moves every weight by about `size`, running means too; running variances into (0.5, 1.5). */
static inline void shake(struct net *net, double size, uint64_t seed) {
    const struct kernels *k = net->kernels;
    for (int p = 0; p < net->parameter_count; p++) {
        const struct parameter *parameter = &net->parameters[p];
        const bool variance = strstr(parameter->name, "running_var") != NULL;
        double *values = malloc((size_t)parameter->len * sizeof *values);
        cr_assert_not_null(values);
        k->to_doubles(values, net_value(net, parameter), parameter->len);
        for (ptrdiff_t i = 0; i < parameter->len; i++) {
            const uint64_t index = (uint64_t)(parameter->offset + i);
            values[i] = variance ? 0.5 + rng_uniform(seed, 1, index)
                                 : values[i] + size * rng_normal(seed, 2, index);
        }
        k->from_doubles(net_value(net, parameter), values, parameter->len);
        free(values);
    }
    net_touch(net);
}

static inline ptrdiff_t input_len(const struct net *net) {
    return net->input[0] * net->input[1] * net->input[2];
}

/* Reals of the net's precision, normal; the caller frees them. */
static inline void *normal_reals(const struct net *net, ptrdiff_t len, uint64_t seed) {
    double *values = malloc((size_t)len * sizeof *values);
    void *reals = malloc((size_t)len * net->kernels->real_size);
    cr_assert(values && reals);
    for (ptrdiff_t i = 0; i < len; i++) {
        values[i] = rng_normal(seed, 3, (uint64_t)i);
    }
    net->kernels->from_doubles(reals, values, len);
    free(values);
    return reals;
}

static inline struct pass *make_pass(struct net *net, const struct pass_options *options) {
    struct error error = {0};
    struct pass *pass = pass_create(net, options, &error);
    cr_assert_not_null(pass, "%s", error.text);
    return pass;
}

/* As the net is configured. */
static const struct manifestation as_configured = {NULL, 0, -1};

#endif
