#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/train.h"
#include "learn_setup.h"

static struct train *begin(struct net *net, const struct dataset *data, const char *json,
                           struct pool *pool) {
    struct error error = {0};
    cJSON *options = json ? cJSON_Parse(json) : NULL;
    cr_assert(!json || options, "%s", json);
    struct train *train = train_begin(net, data, options, pool, &error);
    cr_assert_not_null(train, "%s", error.text);
    cJSON_Delete(options);
    return train;
}

static size_t values_size(const struct net *net) {
    return (size_t)net->value_len * net->kernels->real_size;
}

static void *copy_values(const struct net *net) {
    void *copy = malloc(values_size(net));
    memcpy(copy, net->values, values_size(net));
    return copy;
}

static double loss_of(struct net *net, const struct part *part) {
    struct evaluation result;
    struct error error = {0};
    cr_assert(evaluate(net, part, 0, 0, NULL, NULL, NULL, &result, NULL, &error), "%s", error.text);
    return result.loss;
}

Test(train, the_loss_falls_on_rings) {
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"hidden\":24,"
                                "\"augment\":2,\"steps\":2,\"eps\":4,\"scheme\":\"midpoint\","
                                "\"act\":\"relu\",\"seed\":5}");
    struct dataset *data = setup_data(SETUP_RINGS);
    double before = loss_of(net, &data->valid);
    struct train *train = begin(net, data,
                                "{\"epochs\":80,\"batch\":50,\"optimizer\":"
                                "{\"kind\":\"adam\",\"lr\":0.02}}",
                                NULL);
    struct step_report report;
    ptrdiff_t steps = 0;
    while (train_step(train, &report)) {
        steps++;
        cr_assert(report.finite);
        cr_assert_eq(report.step, steps);
        cr_assert_eq(report.count, 50);
        cr_assert_eq(report.epoch_end, steps % 14 == 0);
        cr_assert_float_eq(report.epoch, (double)steps / 14, 1e-12);
        cr_assert(report.grad_norm > 0 && report.seconds > 0);
    }
    cr_assert_eq(steps, 80 * 14);
    cr_assert_eq(train_steps(train), steps);
    double after = loss_of(net, &data->valid);
    cr_assert(before > 0.5 && after < 0.15, "%g to %g", before, after);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

static void *train_with(const char *net_json, struct dataset *data, const char *json, int threads,
                        ptrdiff_t steps, size_t *size) {
    struct error error = {0};
    struct net *net = setup_net(net_json);
    struct pool *pool = threads ? pool_create(threads, &error) : NULL;
    struct train *train = begin(net, data, json, pool);
    struct step_report report;
    for (ptrdiff_t i = 0; i < steps; i++) {
        cr_assert(train_step(train, &report));
        cr_assert(report.finite);
    }
    void *values = copy_values(net);
    *size = values_size(net);
    train_end(train);
    pool_free(pool);
    net_free(net);
    return values;
}

static void same_bits(const char *net_json, struct dataset *data, const char *json) {
    size_t size;
    void *serial = train_with(net_json, data, json, 0, 30, &size);
    for (int threads = 1; threads <= 3; threads++) {
        void *values = train_with(net_json, data, json, threads, 30, &size);
        cr_assert_eq(memcmp(values, serial, size), 0, "%d threads", threads);
        free(values);
    }
    free(serial);
}

Test(train, thirty_steps_have_the_same_bits_for_any_number_of_threads) {
    struct dataset *rings = setup_data(SETUP_RINGS), *images = setup_images();
    same_bits(SETUP_MLP, rings,
              "{\"epochs\":9,\"batch\":64,\"optimizer\":{\"kind\":\"adamw\",\"lr\":0.01}}");
    same_bits(SETUP_IMAGE_NET, images,
              "{\"epochs\":99,\"batch\":37,\"augment\":{\"crop\":2,\"flip\":true},\"clip\":0.5,"
              "\"label_smoothing\":0.1,\"optimizer\":{\"kind\":\"sgd\",\"lr\":0.05,"
              "\"momentum\":0.9,\"nesterov\":true,\"weight_decay\":0.0005}}");
    dataset_free(rings);
    dataset_free(images);
}

Test(train, fifty_steps_have_the_same_bits_whatever_is_kept_of_ode_blocks) {
    static const char *const keeps[] = {"full", "stages", "steps"};
    static const char *const nets[] = {
        "{\"family\":\"continuous\",\"input\":[1,12,12],\"classes\":3,\"width\":4,"
        "\"nodes\":2,\"scheme\":\"rk4\",\"seed\":7}",
        "{\"family\":\"continuous\",\"input\":[1,12,12],\"classes\":3,\"width\":3,"
        "\"unit\":\"pre\",\"steps\":3,\"scheme\":\"midpoint\",\"norm_update\":\"visit\"}"};
    struct dataset *images = setup_images();
    for (int n = 0; n < 2; n++) {
        void *values[3];
        size_t size;
        for (int k = 0; k < 3; k++) {
            char json[200];
            snprintf(json, sizeof json,
                     "{\"epochs\":99,\"batch\":30,\"memory\":\"%s\",\"optimizer\":"
                     "{\"kind\":\"sgd\",\"lr\":0.05,\"momentum\":0.9}}",
                     keeps[k]);
            values[k] = train_with(nets[n], images, json, k, 50, &size);
            cr_expect_eq(memcmp(values[0], values[k], size), 0, "%s: %s", keeps[k], nets[n]);
        }
        for (int k = 0; k < 3; k++) {
            free(values[k]);
        }
    }
    dataset_free(images);
}

Test(train, the_last_short_batch_is_kept) {
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct dataset *data = setup_images(); /* 100 training images */
    struct train *train = begin(net, data, "{\"epochs\":2,\"batch\":30}", NULL);
    static const ptrdiff_t counts[] = {30, 30, 30, 10, 30, 30, 30, 10};
    struct step_report report;
    cr_assert_eq(train_steps(train), 8);
    cr_assert_eq(train_steps_per_epoch(train), 4);
    for (int i = 0; i < 8; i++) {
        cr_assert(train_step(train, &report));
        cr_assert_eq(report.count, counts[i]);
    }
    cr_assert_not(train_step(train, &report));
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, epochs_may_be_fractional_and_batches_larger_than_the_data) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct train *train = begin(net, data, "{\"epochs\":2.5,\"batch\":100}", NULL);
    cr_assert_eq(train_steps(train), 18); /* of 7 an epoch, 17.5 rounded */
    train_end(train);
    train = begin(net, data, "{\"epochs\":0.0001,\"batch\":100000}", NULL);
    cr_assert_eq(train_steps(train), 1);
    const cJSON *batch = cJSON_GetObjectItem(train_config(train), "batch");
    cr_assert_eq(batch->valueint, 700);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, one_step_is_the_gradient_of_the_mean_loss_times_the_rate) {
    /* Plain descent, no momentum: values before - values after = rate * gradient, and the loss
     * falls by rate * |gradient|^2 to first order. */
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"seed\":4,"
                                "\"precision\":\"f64\"}");
    struct dataset *data = setup_data(SETUP_RINGS);
    const double rate = 1e-4;
    struct train *train = begin(net, data,
                                "{\"batch\":700,\"optimizer\":{\"kind\":\"sgd\","
                                "\"lr\":1e-4}}",
                                NULL);
    double before = loss_of(net, &data->train);
    struct step_report report;
    cr_assert(train_step(train, &report));
    double after = loss_of(net, &data->train), square = report.grad_norm * report.grad_norm;
    cr_assert_float_eq(report.loss, before, 1e-12);
    cr_assert_float_eq((before - after) / rate, square, 1e-2 * square);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, clipping_bounds_the_update_and_reports_the_norm_before) {
    struct dataset *data = setup_data(SETUP_RINGS);
    double moved[2], norms[2];
    static const char *const json[] = {
        "{\"batch\":700,\"optimizer\":{\"kind\":\"sgd\",\"lr\":1}}",
        "{\"batch\":700,\"optimizer\":{\"kind\":\"sgd\",\"lr\":1},\"clip\":0.0137}"};
    for (int i = 0; i < 2; i++) {
        struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"seed\":4,"
                                    "\"precision\":\"f64\"}");
        double *before = copy_values(net);
        struct train *train = begin(net, data, json[i], NULL);
        struct step_report report;
        cr_assert(train_step(train, &report));
        double sum = 0;
        for (ptrdiff_t k = 0; k < net->trainable_len; k++) {
            sum += pow(((double *)net->values)[k] - before[k], 2);
        }
        moved[i] = sqrt(sum);
        norms[i] = report.grad_norm;
        free(before);
        train_end(train);
        net_free(net);
    }
    cr_assert_float_eq(norms[0], norms[1], 0);
    cr_assert_float_eq(moved[0], norms[0], 1e-12);
    cr_assert(norms[0] > 0.0137);
    cr_assert_float_eq(moved[1], 0.0137 * norms[0] / (norms[0] + 1e-6), 1e-12);
    dataset_free(data);
}

Test(train, the_rate_follows_the_schedule) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct train *train = begin(net, data,
                                "{\"epochs\":3,\"batch\":100,\"optimizer\":{\"kind\":"
                                "\"sgd\",\"lr\":0.04},\"schedule\":{\"kind\":\"step\","
                                "\"at\":[1,2],\"factor\":0.5}}",
                                NULL);
    struct step_report report;
    for (int i = 0; i < 21; i++) {
        cr_assert(train_step(train, &report));
        cr_assert_float_eq(report.rate, 0.04 / (1 << (i / 7)), 1e-17);
    }
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, divergence_is_reported_and_nothing_is_updated) {
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct dataset *data = setup_images();
    struct train *train = begin(net, data,
                                "{\"epochs\":50,\"batch\":25,\"optimizer\":{\"kind\":"
                                "\"sgd\",\"lr\":1e30}}",
                                NULL);
    struct step_report report;
    void *before = copy_values(net);
    ptrdiff_t steps = 0;
    while (train_step(train, &report) && report.finite) {
        free(before);
        before = copy_values(net);
        steps = report.step;
    }
    cr_assert_not(report.finite);
    cr_assert(steps >= 1 && steps < 20, "%td", steps);
    cr_assert_eq(report.step, steps + 1);
    cr_assert(!isfinite(report.loss) || !isfinite(report.grad_norm));
    cr_assert_eq(memcmp(before, net->values, values_size(net)), 0,
                 "weights or running statistics moved");
    cr_assert_eq(train_position(train), steps);
    cr_assert_not(train_step(train, &report));
    free(before);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, a_state_carried_over_goes_on_with_the_same_bits) {
    static const char *const json[] = {
        "{\"epochs\":9,\"batch\":30,\"augment\":{\"crop\":1,\"flip\":true},\"optimizer\":"
        "{\"kind\":\"sgd\",\"lr\":0.05,\"momentum\":0.9},\"schedule\":{\"kind\":\"one_cycle\"}}",
        "{\"epochs\":9,\"batch\":30,\"optimizer\":{\"kind\":\"adam\"}}"};
    struct dataset *data = setup_images();
    for (int i = 0; i < 2; i++) {
        struct net *first = setup_net(SETUP_IMAGE_NET), *second = setup_net(SETUP_IMAGE_NET);
        struct train *whole = begin(first, data, json[i], NULL);
        struct train *rest = begin(second, data, json[i], NULL);
        struct step_report a, b;
        for (int step = 0; step < 17; step++) {
            (void)train_step(whole, &a);
        }
        memcpy(second->values, first->values, values_size(first));
        net_touch(second);
        struct optim *from = train_optim(whole), *to = train_optim(rest);
        for (int slot = 0; slot < optim_kind(from)->slot_count; slot++) {
            memcpy(optim_slot(to, slot), optim_slot(from, slot),
                   (size_t)first->trainable_len * first->kernels->real_size);
        }
        optim_set_updates(to, optim_updates(from));
        train_seek(rest, train_position(whole));
        while (train_step(whole, &a)) {
            cr_assert(train_step(rest, &b));
            cr_assert_eq(memcmp(&a.loss, &b.loss, sizeof a.loss), 0, "step %td", a.step);
        }
        cr_assert_not(train_step(rest, &b));
        cr_assert_eq(memcmp(first->values, second->values, values_size(first)), 0);
        train_end(whole);
        train_end(rest);
        net_free(first);
        net_free(second);
    }
    dataset_free(data);
}

Test(train, another_seed_is_another_order) {
    struct dataset *data = setup_data(SETUP_RINGS);
    size_t size;
    void *one = train_with(SETUP_MLP, data, "{\"batch\":100,\"seed\":1}", 0, 3, &size);
    void *same = train_with(SETUP_MLP, data, "{\"batch\":100,\"seed\":1}", 0, 3, &size);
    void *other = train_with(SETUP_MLP, data, "{\"batch\":100,\"seed\":2}", 0, 3, &size);
    cr_assert_eq(memcmp(one, same, size), 0);
    cr_assert_neq(memcmp(one, other, size), 0);
    free(one);
    free(same);
    free(other);
    dataset_free(data);
}

Test(train, targets_are_learned_by_squared_error) {
    static float values[400], targets[200];
    for (int i = 0; i < 200; i++) {
        values[2 * i] = sinf(1.3f * (float)i);
        values[2 * i + 1] = cosf(0.7f * (float)i);
        targets[i] = 0.8f * values[2 * i] - 0.3f * values[2 * i + 1] + 0.1f;
    }
    const ptrdiff_t shape[4] = {200, 2, 1, 1};
    struct error error = {0};
    struct dataset *data = dataset_from_arrays(values, shape, NULL, 0, targets, 1, 20, 20, &error);
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":1,\"seed\":2}");
    struct train *train = begin(net, data,
                                "{\"epochs\":60,\"batch\":40,\"optimizer\":{\"kind\":"
                                "\"adam\",\"lr\":0.02}}",
                                NULL);
    struct step_report report;
    while (train_step(train, &report)) {
    }
    cr_assert(loss_of(net, &data->valid) < 1e-3, "%g", loss_of(net, &data->valid));
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(train, the_resolved_options_train_the_same) {
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct train *train = begin(net, data,
                                "{\"epochs\":2,\"batch\":30,\"augment\":{\"crop\":1},\"schedule\":{"
                                "\"kind\":\"cosine\",\"warmup\":1}}",
                                NULL);
    char *text = cJSON_PrintUnformatted(train_config(train));
    struct train *again = begin(net, data, text, NULL);
    cr_assert(cJSON_Compare(train_config(train), train_config(again), true), "%s", text);
    cJSON_free(text);
    train_end(train);
    train_end(again);
    net_free(net);
    dataset_free(data);
}

Test(train, what_cannot_be_is_refused_in_a_sentence) {
    static const char *const bad[][2] = {
        {"{\"epoch\":3}", "nearest is \"epochs\""},
        {"{\"epochs\":0}", "epochs"},
        {"{\"batch\":0}", "batch"},
        {"{\"batch\":-4}", "-4"},
        {"{\"optimizer\":{\"kind\":\"sdg\"}}", "nearest is \"sgd\""},
        {"{\"optimizer\":\"sgd\"}", "kind"},
        {"{\"schedule\":{\"kind\":\"stepp\"}}", "nearest is \"step\""},
        {"{\"label_smoothing\":1}", "label_smoothing"},
        {"{\"clip\":-1}", "clip"},
        {"{\"augment\":{\"crop\":12}}", "crop = 12"},
        {"{\"augment\":{\"flop\":true}}", "flip"},
    };
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET), *other = setup_net(SETUP_MLP);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        cJSON *options = cJSON_Parse(bad[i][0]);
        cr_assert_null(train_begin(net, data, options, NULL, &error), "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.text, bad[i][1]), "\"%s\" lacks \"%s\"", error.text,
                           bad[i][1]);
        cJSON_Delete(options);
    }
    struct error error = {0};
    cr_assert_null(train_begin(other, data, NULL, NULL, &error));
    cr_assert_not_null(strstr(error.text, "1 x 12 x 12"), "%s", error.text);
    net_free(net);
    net_free(other);
    dataset_free(data);
}
