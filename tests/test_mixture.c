#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/mixture.h"
#include "learn/train.h"
#include "learn_setup.h"

#define MIXED "[{\"scheme\":\"euler\",\"steps\":1,\"weight\":0.7},{\"scheme\":\"rk4\",\"steps\":3," \
              "\"weight\":2.1},\"midpoint\"]"
static const char *const parts[] = {"[{\"scheme\":\"euler\",\"steps\":1}]",
                                    "[{\"scheme\":\"rk4\",\"steps\":3}]", "[\"midpoint\"]"};
static const double weights[] = {0.7 / 3.8, 2.1 / 3.8, 1.0 / 3.8};

/* A net with norms inside and outside its ODE blocks, in doubles. */
#define NET                                                                                        \
    "{\"family\":\"continuous\",\"input\":[1,12,12],\"classes\":3,\"width\":4,\"nodes\":2,"        \
    "\"scheme\":\"midpoint\",\"act\":\"tanh\",\"seed\":7,\"precision\":\"f64\"}"

struct one { /* what a mixture makes of a batch */
    struct mixture_result result;
    double *grads, *running;
};

static struct mixture *make(struct net *net, const char *json, ptrdiff_t batch) {
    struct error error = {0};
    cJSON *schemes = json ? cJSON_Parse(json) : NULL;
    const struct mixture_plan plan = {.schemes = schemes, .batch = batch};
    struct mixture *mixture = mixture_create(net, &plan, &error);
    cr_assert_not_null(mixture, "%s", error.text);
    cJSON_Delete(schemes);
    return mixture;
}

static struct loader *load(const struct net *net, const struct dataset *data, ptrdiff_t batch) {
    struct error error = {0};
    const struct loader_plan plan = {
        .part = &data->train, .kernels = net->kernels, .batch = batch, .seed = 3};
    struct loader *loader = loader_create(&plan, &error);
    cr_assert_not_null(loader, "%s", error.text);
    return loader;
}

static struct one run(const char *json) {
    enum { BATCH = 23 };
    struct error error = {0};
    struct net *net = setup_net(NET);
    struct dataset *data = setup_images();
    struct loader *loader = load(net, data, BATCH);
    struct mixture *mixture = make(net, json, BATCH);
    struct loss loss;
    struct one one;
    cr_assert(loss_init(&loss, net, data, 0.1, &error), "%s", error.text);
    cr_assert(mixture_run(mixture, &loss, loader_take(loader, 0), &one.result));
    const size_t trainable = (size_t)net->trainable_len * sizeof(double);
    const size_t running = (size_t)(net->value_len - net->trainable_len) * sizeof(double);
    cr_assert_gt(running, 0);
    one.grads = malloc(trainable);
    one.running = malloc(running);
    memcpy(one.grads, net->grads, trainable);
    memcpy(one.running, (double *)net->values + net->trainable_len, running);
    mixture_free(mixture);
    loader_free(loader);
    net_free(net);
    dataset_free(data);
    return one;
}

static void release(struct one *one) {
    free(one->grads);
    free(one->running);
}

Test(mixture, loss_gradient_and_running_statistics_are_the_weighted_sums_of_the_single_ones) {
    struct net *net = setup_net(NET);
    const ptrdiff_t trainable = net->trainable_len, running = net->value_len - trainable;
    struct one all = run(MIXED), each[3];
    double loss = 0, moved = 0;
    for (int i = 0; i < 3; i++) {
        each[i] = run(parts[i]);
        cr_assert_eq(all.result.losses[i], each[i].result.loss, "scheme %d", i);
        loss += weights[i] * each[i].result.loss;
        moved += fabs(each[i].grads[5] - each[0].grads[5]);
    }
    cr_assert_gt(moved, 1e-6, "the schemes differ");
    cr_assert_float_eq(all.result.loss, loss, 1e-14);
    cr_assert_eq(all.result.correct, each[0].result.correct);
    for (ptrdiff_t k = 0; k < trainable; k++) {
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            sum += weights[i] * each[i].grads[k];
        }
        cr_assert_float_eq(all.grads[k], sum, 1e-13, "weight %td", k);
    }
    for (ptrdiff_t k = 0; k < running; k++) {
        double sum = 0;
        for (int i = 0; i < 3; i++) {
            sum += weights[i] * each[i].running[k];
        }
        cr_assert_float_eq(all.running[k], sum, 1e-13 * (1 + fabs(sum)), "statistic %td", k);
    }
    release(&all);
    for (int i = 0; i < 3; i++) {
        release(&each[i]);
    }
    net_free(net);
}

Test(mixture, the_gradient_is_that_of_finite_differences) {
    enum { BATCH = 41 };
    struct error error = {0};
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"hidden\":9,"
                                "\"augment\":1,\"steps\":2,\"nodes\":2,\"eps\":1.7,"
                                "\"scheme\":\"midpoint\",\"seed\":11,\"precision\":\"f64\"}");
    struct dataset *data = setup_data(SETUP_RINGS);
    struct loader *loader = load(net, data, BATCH);
    struct mixture *mixture = make(net, MIXED, BATCH);
    struct loss loss;
    struct mixture_result result;
    cr_assert(loss_init(&loss, net, data, 0, &error), "%s", error.text);
    const struct batch *batch = loader_take(loader, 0);
    cr_assert(mixture_run(mixture, &loss, batch, &result));
    double *grads = malloc((size_t)net->trainable_len * sizeof *grads), *w = net->values;
    memcpy(grads, net->grads, (size_t)net->trainable_len * sizeof *grads);
    const double h = 1e-5;
    for (ptrdiff_t k = 0; k < net->trainable_len; k++) {
        const double kept = w[k];
        double side[2];
        for (int s = 0; s < 2; s++) {
            w[k] = kept + (s ? h : -h);
            net_touch(net);
            cr_assert(mixture_run(mixture, &loss, batch, &result));
            side[s] = result.loss;
        }
        w[k] = kept;
        const double slope = (side[1] - side[0]) / (2 * h);
        cr_assert_float_eq(grads[k], slope, 1e-9, "weight %td: %g, not %g", k, grads[k], slope);
    }
    free(grads);
    mixture_free(mixture);
    loader_free(loader);
    net_free(net);
    dataset_free(data);
}

/* ---- in training --------------------------------------------------------------------------- */

#define OPTIONS                                                                                    \
    "{\"epochs\":5,\"batch\":30,\"schemes\":" MIXED ",\"optimizer\":{\"kind\":\"sgd\","            \
    "\"lr\":0.05,\"momentum\":0.9}}"

static struct train *begin(struct net *net, const struct dataset *data, const char *json,
                           struct pool *pool, struct error *error) {
    cJSON *options = cJSON_Parse(json);
    cr_assert_not_null(options, "%s", json);
    struct train *train = train_begin(net, data, options, pool, error);
    cJSON_Delete(options);
    return train;
}

static size_t values_size(const struct net *net) {
    return (size_t)net->value_len * net->kernels->real_size;
}

Test(mixture, training_has_the_same_bits_for_any_number_of_threads) {
    struct dataset *data = setup_images();
    void *serial = NULL;
    for (int threads = 0; threads <= 3; threads++) {
        struct error error = {0};
        struct net *net = setup_net(SETUP_IMAGE_NET);
        struct pool *pool = threads ? pool_create(threads, &error) : NULL;
        struct train *train = begin(net, data, OPTIONS, pool, &error);
        cr_assert_not_null(train, "%s", error.text);
        struct step_report report;
        while (train_step(train, &report)) {
            cr_assert_eq(report.loss_count, 3);
            const double sum = weights[0] * report.losses[0] + weights[1] * report.losses[1] +
                               weights[2] * report.losses[2];
            cr_assert_float_eq(report.loss, sum, 1e-12);
        }
        cr_assert_eq(train_position(train), 20);
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

Test(mixture, a_list_of_the_net_as_it_is_trains_the_same_bits_as_no_list) {
    struct dataset *data = setup_images();
    struct net *nets[2];
    for (int i = 0; i < 2; i++) {
        struct error error = {0};
        nets[i] = setup_net(SETUP_IMAGE_NET);
        struct train *train = begin(nets[i], data,
                                    i ? "{\"batch\":30,\"schemes\":[{\"weight\":17}]}"
                                      : "{\"batch\":30}",
                                    NULL, &error);
        cr_assert_not_null(train, "%s", error.text);
        struct step_report report;
        while (train_step(train, &report)) {
            cr_assert_eq(report.loss_count, i);
        }
        train_end(train);
    }
    cr_assert_eq(memcmp(nets[0]->values, nets[1]->values, values_size(nets[0])), 0);
    net_free(nets[0]);
    net_free(nets[1]);
    dataset_free(data);
}

Test(mixture, the_resolved_list_has_weights_that_sum_to_one_and_trains_the_same) {
    struct error error = {0};
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct train *train = begin(net, data, OPTIONS, NULL, &error);
    cr_assert_not_null(train, "%s", error.text);
    const cJSON *list = cJSON_GetObjectItem(train_config(train), "schemes"), *item;
    double sum = 0;
    cJSON_ArrayForEach(item, list) {
        sum += cJSON_GetObjectItem(item, "weight")->valuedouble;
    }
    cr_assert_eq(cJSON_GetArraySize(list), 3);
    cr_assert_float_eq(sum, 1, 4 * DBL_EPSILON);
    cr_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 2), "scheme")->valuestring,
                     "midpoint");
    char *text = cJSON_PrintUnformatted(train_config(train));
    struct train *again = begin(net, data, text, NULL, &error);
    cr_assert_not_null(again, "%s", error.text);
    cJSON_free(text);
    train_end(train);
    train_end(again);
    net_free(net);
    dataset_free(data);
}

static void refuses(const char *net_json, const char *schemes, const char *part) {
    struct error error = {0};
    char json[300];
    struct dataset *data = setup_images();
    struct net *net = setup_net(net_json);
    snprintf(json, sizeof json, "{\"schemes\":%s}", schemes);
    cr_assert_null(begin(net, data, json, NULL, &error), "%s", json);
    cr_assert_not_null(strstr(error.text, part), "\"%s\" lacks \"%s\"", error.text, part);
    net_free(net);
    dataset_free(data);
}

Test(mixture, what_cannot_be_is_refused_in_a_sentence) {
    refuses(SETUP_IMAGE_NET, "\"rk4\"", "must be a list of 1 to 8 entries");
    refuses(SETUP_IMAGE_NET, "[]", "must be a list of 1 to 8 entries");
    refuses(SETUP_IMAGE_NET, "[\"rk4\",7]", "entry 2 of schemes must be a scheme");
    refuses(SETUP_IMAGE_NET, "[\"rk5\"]", "nearest is \"rk4\"");
    refuses(SETUP_IMAGE_NET, "[{\"sceme\":\"rk4\"}]", "nearest is \"scheme\"");
    refuses(SETUP_IMAGE_NET, "[{\"weight\":0}]", "more than 0");
    refuses(SETUP_IMAGE_NET, "[{\"weight\":-3.5}]", "-3.5");
    refuses(SETUP_IMAGE_NET, "[{\"steps\":100001}]", "100001");
    refuses("{\"family\":\"stack\",\"input\":[1,12,12],\"layers\":[{\"layer\":\"flatten\"},"
            "{\"layer\":\"dense\",\"out\":3}]}",
            "[\"rk4\"]", "has no ODE block");
}
