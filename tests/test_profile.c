/* The meter and the profile: what is counted, what is left alone. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/meter.h"
#include "net_setup.h"
#include "study/profile.h"

TestSuite(profile, .timeout = 120);

/* Two convolutions, the second of stride 2, and a head. */
static const char net_json[] =
    "{\"family\": \"stack\", \"input\": [3, 11, 14], \"seed\": 7, \"layers\": ["
    "{\"layer\": \"conv\", \"out\": 5}, {\"layer\": \"norm\"}, {\"layer\": \"relu\"},"
    "{\"layer\": \"conv\", \"out\": 19, \"stride\": 2}, {\"layer\": \"pool\"},"
    "{\"layer\": \"dense\", \"out\": 4}]}";
static const double first_flops = 2.0 * 9 * 3 * 5 * 11 * 14;
static const double second_flops = 2.0 * 9 * 5 * 19 * 6 * 7;

static struct profile profile_of(const struct net *net, struct profile_options options) {
    struct profile profile;
    struct error error = {0};
    options.how.edge = -1;
    cr_assert(profile_run(net, &options, &profile, &error), "%s", error.text);
    return profile;
}

static double shares(const struct profile *profile) {
    double sum = 0.0;
    for (int k = 0; k < METER_KERNELS; k++) {
        sum += profile->counts[k].seconds;
    }
    return sum / profile->seconds / profile->threads;
}

Test(profile, a_meter_counts_calls_flops_and_bytes) {
    for (int precision = 0; precision < 2; precision++) {
        struct error error = {0};
        const struct kernels *real = kernels_find((enum precision)precision);
        const double size = (double)real->real_size;
        const struct kernels *k = meter_begin(real, 1, &error);
        cr_assert_not_null(k, "%s", error.text);
        double from[48] = {0.3125, -1.75, 2.5};
        _Alignas(64) double x[48], y[48];
        k->from_doubles(x, from, 48);
        k->from_doubles(y, from, 48);
        k->add(y, x, 37);
        k->add(y, x, 11);
        const double squares = k->sum_squares(x, 3);
        cr_assert_float_eq(squares, 0.3125 * 0.3125 + 1.75 * 1.75 + 6.25, 1e-12);
        struct meter_count counts[METER_KERNELS];
        meter_read(counts);
        cr_assert_eq(counts[METER_add].calls, 2);
        cr_assert_eq(counts[METER_add].flops, 48);
        cr_assert_eq(counts[METER_add].bytes, 3 * 48 * size);
        cr_assert_eq(counts[METER_from_doubles].bytes, 2 * 48 * (size + 8));
        cr_assert_eq(counts[METER_sum_squares].calls, 1);
        cr_assert_eq(counts[METER_conv].calls, 0);
        cr_assert(counts[METER_add].seconds >= 0 && counts[METER_add].seconds < 1);
        cr_assert(meter_cost() > 0 && meter_cost() < 1);
        meter_clear();
        meter_read(counts);
        cr_assert_eq(counts[METER_add].calls, 0);
        meter_end();
        real->to_doubles(from, y, 3);
        cr_assert_eq(from[1], -5.25, "both calls added");
    }
}

Test(profile, every_kernel_has_a_name) {
    for (int k = 0; k < METER_KERNELS; k++) {
        cr_assert(meter_names[k] && meter_names[k][0]);
    }
    cr_assert_str_eq(meter_names[METER_conv_weights], "conv_weights");
}

Test(profile, a_process_has_one_meter) {
    struct error error = {0};
    const struct kernels *real = kernels_find(PRECISION_F32);
    cr_assert_not_null(meter_begin(real, 1, &error));
    cr_assert_null(meter_begin(real, 1, &error));
    cr_assert(strstr(error.text, "only one at a time"), "%s", error.text);
    struct net *net = make_net(net_json);
    struct profile profile;
    const struct profile_options options = {.batch = 2, .repeats = 1, .how = as_configured};
    cr_assert_not(profile_run(net, &options, &profile, &error));
    meter_end();
    cr_assert(profile_run(net, &options, &profile, &error), "%s", error.text);
    net_free(net);
}

Test(profile, a_metered_net_gives_the_same_bits) {
    struct net *net = make_net(net_json), *metered = make_net(net_json);
    struct error error = {0};
    struct pool *pool = pool_create(3, &error);
    shake(net, 0.1, 5);
    shake(metered, 0.1, 5);
    metered->kernels = meter_begin(net->kernels, 3, &error);
    cr_assert_not_null(metered->kernels);
    void *x = normal_reals(net, 9 * input_len(net), 11), *dz = normal_reals(net, 9 * 4, 12);
    struct net *const nets[] = {net, metered};
    void *outputs[2];
    for (int i = 0; i < 2; i++) {
        struct pass *pass = make_pass(nets[i], &(struct pass_options){.batch = 9,
                                                                      .training = true,
                                                                      .gradients = true,
                                                                      .how = as_configured,
                                                                      .pool = pool});
        outputs[i] = malloc(9 * 4 * sizeof(float));
        memcpy(outputs[i], pass_forward(pass, x, 9), 9 * 4 * sizeof(float));
        pass_backward(pass, dz);
        pass_free(pass);
    }
    meter_end();
    cr_assert_arr_eq(outputs[0], outputs[1], 9 * 4 * sizeof(float));
    cr_assert_arr_eq(net->values, metered->values, (size_t)net->value_len * sizeof(float));
    cr_assert_arr_eq(net->grads, metered->grads, (size_t)net->trainable_len * sizeof(float));
    free(outputs[0]);
    free(outputs[1]);
    free(x);
    free(dz);
    pool_free(pool);
    net_free(net);
    net_free(metered);
}

Test(profile, convolutions_are_counted_as_the_direct_sum) {
    struct net *net = make_net(net_json);
    struct profile forward = profile_of(net, (struct profile_options){.batch = 3, .repeats = 2});
    cr_assert_eq(forward.convolution, 3 * (first_flops + second_flops));
    cr_assert_eq(forward.counts[METER_conv_weights].calls, 0);
    cr_assert_eq(forward.counts[METER_dense].flops, 3 * 2.0 * 19 * 4);
    /* Weight gradients of both; the gradient by the input of the second only, and of its dilated
     * convolution only the products that are not with zeros. */
    struct profile train =
        profile_of(net, (struct profile_options){.batch = 3, .repeats = 2, .train = true});
    cr_assert_eq(train.convolution, 3 * (2 * first_flops + 3 * second_flops));
    cr_assert_eq(train.counts[METER_conv_weights].flops +
                     train.counts[METER_winograd_weights].flops,
                 3 * (first_flops + second_flops));
    cr_assert_eq(train.counts[METER_cross_entropy].calls, 1);
    cr_assert_eq(train.counts[METER_sgd].calls, 0);
    net_free(net);
}

Test(profile, a_single_sample_calls_each_layer_once) {
    struct net *net = make_net(net_json);
    struct profile profile = profile_of(net, (struct profile_options){.batch = 1, .repeats = 3});
    cr_assert_eq(profile.counts[METER_conv].calls + profile.counts[METER_winograd_conv].calls, 2);
    cr_assert_eq(profile.counts[METER_dense].calls, 1);
    cr_assert_eq(profile.counts[METER_pool_mean].calls, 1);
    cr_assert_eq(profile.counts[METER_winograd_pack].calls + profile.counts[METER_pack].calls, 0,
                 "weights that stay are packed before");
    net_free(net);
}

Test(profile, kernels_and_the_rest_are_the_step) {
    struct net *net = make_net(
        "{\"family\": \"continuous\", \"input\": [1, 16, 16], \"width\": 16, \"scheme\": \"rk4\"}");
    struct error error = {0};
    struct pool *pool = pool_create(2, &error);
    for (int threads = 1; threads <= 2; threads++) {
        const struct profile profile = profile_of(net, (struct profile_options){
                                                           .batch = 32,
                                                           .repeats = 5,
                                                           .train = true,
                                                           .pool = threads == 2 ? pool : NULL,
                                                       });
        cr_assert_eq(profile.threads, threads);
        cr_assert_float_eq(shares(&profile) * profile.seconds * threads, profile.kernels, 1e-9);
        cr_assert(shares(&profile) > 0.2 && shares(&profile) <= 1 + 1e-9,
                  "with %d threads kernels take %.2f of the step", threads, shares(&profile));
        cr_assert_gt(profile.peak, 1e8);
        cr_assert_str_eq(profile.table, net->kernels->name);
    }
    pool_free(pool);
    net_free(net);
}

Test(profile, counts_do_not_depend_on_threads) {
    struct net *net = make_net(net_json);
    struct error error = {0};
    struct pool *pool = pool_create(3, &error);
    const struct profile_options options = {.batch = 21, .repeats = 1, .train = true};
    struct profile_options shared = options;
    shared.pool = pool;
    const struct profile alone = profile_of(net, options), together = profile_of(net, shared);
    for (int k = 0; k < METER_KERNELS; k++) {
        cr_assert_eq(alone.counts[k].calls, together.counts[k].calls, "%s", meter_names[k]);
        cr_assert_eq(alone.counts[k].flops, together.counts[k].flops, "%s", meter_names[k]);
        cr_assert_eq(alone.counts[k].bytes, together.counts[k].bytes, "%s", meter_names[k]);
    }
    pool_free(pool);
    net_free(net);
}

Test(profile, the_net_stays_as_it_is) {
    struct net *net = make_net(net_json);
    shake(net, 0.2, 3);
    net->kernels->set(net->grads, 0.625, net->trainable_len);
    const size_t values = (size_t)net->value_len * sizeof(float);
    const size_t grads = (size_t)net->trainable_len * sizeof(float);
    void *before = malloc(values), *before_grads = malloc(grads);
    memcpy(before, net->values, values);
    memcpy(before_grads, net->grads, grads);
    const struct kernels *table = net->kernels;
    const uint64_t version = net->version;
    (void)profile_of(net, (struct profile_options){.batch = 4, .repeats = 2, .train = true});
    cr_assert_arr_eq(net->values, before, values);
    cr_assert_arr_eq(net->grads, before_grads, grads);
    cr_assert_eq(net->version, version);
    cr_assert_eq(net->kernels, table);
    free(before);
    free(before_grads);
    net_free(net);
}

Test(profile, nets_with_one_output_have_a_loss_too) {
    struct net *net = make_net("{\"family\": \"mlp\", \"input\": [2, 1, 1], \"outputs\": 1}");
    struct profile profile =
        profile_of(net, (struct profile_options){.batch = 4, .repeats = 1, .train = true});
    cr_assert_eq(profile.counts[METER_squared_error].calls, 1);
    cr_assert_eq(profile.convolution, 0);
    net_free(net);
}

Test(profile, refuses_what_cannot_be_run) {
    struct net *net = make_net(net_json);
    struct profile profile;
    struct error error = {0};
    struct profile_options options = {.batch = (ptrdiff_t)1 << 50, .repeats = 1};
    options.how = as_configured;
    cr_assert_not(profile_run(net, &options, &profile, &error));
    cr_assert(strstr(error.text, "no memory for a batch of"), "%s", error.text);
    options.batch = 2;
    volatile bool stop = true;
    options.stop = &stop;
    cr_assert_not(profile_run(net, &options, &profile, &error));
    cr_assert(strstr(error.text, "stopped"), "%s", error.text);
    stop = false;
    cr_assert(profile_run(net, &options, &profile, &error), "%s", error.text);
    net_free(net);
}
