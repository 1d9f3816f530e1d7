#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/evaluate.h"
#include "learn/train.h"
#include "learn_setup.h"

#define RINGS "{\"source\":\"rings\",\"count\":2000,\"test\":1000,\"seed\":4}"
#define RINGS_NET                                                                                  \
    "{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"hidden\":64,\"augment\":1,\"act\":"         \
    "\"relu\",\"scheme\":\"euler\",\"steps\":1,\"seed\":4}"
#define RINGS_OPTIONS                                                                              \
    "\"epochs\":250,\"batch\":128,\"optimizer\":{\"kind\":\"adam\",\"lr\":0.003},\"schedule\":"    \
    "{\"kind\":\"cosine\"}"

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

static double accuracy(struct net *net, const struct part *part, const char *scheme, int steps) {
    struct evaluation result;
    struct error error = {0};
    const struct manifestation how = {
        .scheme = tableau_find(scheme, &error), .steps = steps, .edge = -1};
    cr_assert(evaluate(net, part, 0, 0, &how, NULL, NULL, &result, NULL, &error), "%s", error.text);
    return result.accuracy;
}

/* The accuracies' largest difference under three schemes and half to twice the step. */
static double spread(struct net *net, const struct part *part) {
    static const char *const schemes[] = {"euler", "midpoint", "rk4"};
    const int steps = net_trained(net).steps, counts[] = {2 * steps, steps, (steps + 1) / 2};
    double low = 1, high = 0;
    for (int i = 0; i < 9; i++) {
        const double now = accuracy(net, part, schemes[i / 3], counts[i % 3]);
        low = fmin(low, now);
        high = fmax(high, now);
    }
    return high - low;
}

Test(steering, the_published_rule_settles_where_all_schemes_agree) {
    struct dataset *data = setup_data(RINGS);
    struct net *net = setup_net(RINGS_NET);
    struct train *train =
        begin(net, data, "{" RINGS_OPTIONS ",\"control\":{\"start\":\"net\"}}", NULL);
    struct step_report report;
    int changes = 0, decisions = 0;
    for (;;) {
        if (train_control_due(train)) {
            struct steering_decision decision;
            train_control(train, &decision);
            cr_assert_eq(decision.step, train_position(train));
            cr_assert_eq(decision.step % 50, 0);
            cr_assert_not(decision.asks);
            cr_assert_eq(decision.to, net_trained(net).steps);
            cr_assert_not(train_control_due(train));
            cr_assert(decision.to == decision.from ||
                      decision.to == (decision.value > 0.1 ? 2 * decision.from
                                                           : (int)ceil(decision.from / 1.1)));
            changes += decision.to != decision.from;
            decisions++;
        }
        if (!train_step(train, &report)) {
            break;
        }
    }
    cr_assert_eq(decisions, 79);
    cr_assert_geq(changes, 2);
    const int steps = net_trained(net).steps;
    cr_assert(steps >= 4 && steps <= 64, "%d steps", steps);
    cr_assert_gt(accuracy(net, &data->test, "euler", steps), 0.95);
    cr_assert_lt(spread(net, &data->test), 0.1, "%g with %d steps", spread(net, &data->test),
                 steps);
    train_end(train);
    net_free(net);

    /* The same training at one step of Euler's is no flow. */
    net = setup_net(RINGS_NET);
    train = begin(net, data, "{" RINGS_OPTIONS "}", NULL);
    while (train_step(train, &report)) {
        cr_assert_not(train_control_due(train));
    }
    cr_assert_gt(accuracy(net, &data->test, "euler", 1), 0.95);
    cr_assert_gt(spread(net, &data->test), 0.3);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

/* ---- what the first step is made of -------------------------------------------------------- */

/* A linear net, so that all is known: x' = A x in a stack, f64. */
#define LINEAR                                                                                     \
    "{\"family\":\"stack\",\"precision\":\"f64\",\"input\":[2],\"layers\":[{\"layer\":\"ode\","    \
    "\"scheme\":\"euler\",\"steps\":3,\"body\":[{\"layer\":\"dense\",\"out\":2,\"bias\":false}]}," \
    "{\"layer\":\"dense\",\"out\":2}]}"

Test(steering, the_first_number_of_steps_is_hairers_of_the_first_batch) {
    struct dataset *data = setup_data(RINGS);
    struct net *net = setup_net(LINEAR);
    static const double a[4] = {-3.1, 1.7, 0.4, -9.3};
    cr_assert_eq(net->parameters[0].len, 4);
    memcpy(net_value(net, &net->parameters[0]), a, sizeof a);
    net_touch(net);
    struct train *train =
        begin(net, data, "{\"batch\":2000,\"control\":{\"rule\":\"ott\"}}", NULL);
    struct steering_decision decision;
    cr_assert(train_control_due(train));
    train_control(train, &decision);
    double d0 = 0, d1 = 0, d2 = 0;
    for (int i = 0; i < 2000; i++) {
        const double x = (double)data->floats[2 * i], y = (double)data->floats[2 * i + 1];
        const double u = a[0] * x + a[1] * y, v = a[2] * x + a[3] * y;
        d0 += hypot(x, y) / 2000;
        d1 += hypot(u, v) / 2000;
        d2 += hypot(a[0] * u + a[1] * v, a[2] * u + a[3] * v) / 2000;
    }
    const double h = fmin(d0 / d1, sqrt(0.01 / fmax(d1, d2)));
    cr_assert_float_eq(decision.value, h, 1e-9, "%g, not %g", decision.value, h);
    cr_assert_eq(decision.step, 0);
    cr_assert_eq(decision.from, 3);
    cr_assert_eq(decision.to, (int)ceil(1 / h));
    cr_assert_neq(decision.to, 3);
    cr_assert_eq(net_trained(net).steps, decision.to);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(steering, distances_are_those_of_the_states_behind_the_block) {
    struct dataset *data = setup_data(RINGS);
    struct net *net = setup_net(LINEAR);
    static const double a[4] = {-1.1, 0, 0, 0.7};
    struct train *train = begin(net, data,
                                "{\"epochs\":3,\"batch\":2000,\"optimizer\":{\"kind\":\"sgd\","
                                "\"lr\":0},\"control\":{\"rule\":\"distance\",\"every\":1,"
                                "\"threshold\":0.01,\"scheme\":\"rk4\"}}",
                                NULL);
    struct step_report report;
    struct steering_decision decision;
    cr_assert_not(train_control_due(train), "nor does a distance");
    memcpy(net_value(net, &net->parameters[0]), a, sizeof a);
    net_touch(net);
    cr_assert(train_step(train, &report));
    cr_assert(train_control_due(train));
    train_control(train, &decision);
    double apart = 0, size = 0;
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < 2; k++) {
            const double x = (double)data->floats[2 * i + k], z = a[3 * k] / decision.test.steps;
            const double euler = x * pow(1 + a[3 * k] / 3, 3);
            const double rk4 =
                x * pow(1 + z + z * z / 2 + z * z * z / 6 + z * z * z * z / 24, decision.test.steps);
            apart += pow(euler - rk4, 2);
            size += rk4 * rk4;
        }
    }
    cr_assert_float_eq(decision.value, sqrt(apart / size), 1e-12);
    cr_assert_gt(decision.value, 0.01);
    cr_assert_eq(decision.to, 6);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

/* ---- in training --------------------------------------------------------------------------- */

static size_t values_size(const struct net *net) {
    return (size_t)net->value_len * net->kernels->real_size;
}

#define STEERED                                                                                    \
    "{\"epochs\":6,\"batch\":30,\"schemes\":[{\"scheme\":\"midpoint\"},{\"weight\":2}],"           \
    "\"optimizer\":{\"kind\":\"sgd\",\"lr\":0.05,\"momentum\":0.9},\"control\":{\"rule\":"         \
    "\"distance\",\"every\":3,\"threshold\":0.02,\"most\":9,\"growth\":2}}"

Test(steering, training_has_the_same_bits_for_any_number_of_threads) {
    struct dataset *data = setup_images();
    void *serial = NULL;
    for (int threads = 0; threads <= 2; threads++) {
        struct error error = {0};
        struct net *net = setup_net(SETUP_IMAGE_NET);
        struct pool *pool = threads ? pool_create(threads, &error) : NULL;
        struct train *train = begin(net, data, STEERED, pool);
        struct step_report report;
        while (train_step(train, &report)) {
            cr_assert(report.finite);
        }
        cr_assert_gt(net_trained(net).steps, 2, "it was steered");
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

Test(steering, a_look_changes_nothing_but_the_number_of_steps) {
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct train *train = begin(net, data, STEERED, NULL);
    struct step_report report;
    struct steering_decision decision;
    for (int i = 0; i < 3; i++) {
        cr_assert(train_step(train, &report));
    }
    void *before = malloc(values_size(net));
    memcpy(before, net->values, values_size(net));
    cr_assert(train_control_due(train));
    train_control(train, &decision);
    cr_assert_eq(memcmp(before, net->values, values_size(net)), 0);
    cr_assert_neq(decision.to, decision.from);
    free(before);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

Test(steering, the_scales_of_stitches_stay_and_a_clone_takes_the_new_steps) {
    struct error error = {0};
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    const double before = accuracy(net, &data->train, "rk4", 5);
    struct evaluation one, two;
    const struct manifestation how = {
        .scheme = tableau_find("rk4", &error), .steps = 5, .edge = -1};
    cr_assert(evaluate(net, &data->train, 0, 0, &how, NULL, NULL, &one, NULL, &error));
    cr_assert(net_set_steps(net, 7, &error), "%s", error.text);
    struct net *clone = net_clone(net, PRECISION_F32, &error);
    cr_assert_eq(net_trained(clone).steps, 7);
    cr_assert_eq(cJSON_GetObjectItem(clone->config, "steps")->valueint, 7);
    cr_assert(evaluate(clone, &data->train, 0, 0, &how, NULL, NULL, &two, NULL, &error));
    cr_assert_eq(one.loss, two.loss, "%g, %g", one.loss, two.loss);
    cr_assert_eq(before, two.accuracy);
    net_free(clone);
    net_free(net);
    dataset_free(data);
}

Test(steering, a_manual_rule_asks_and_keeps_what_nobody_answers) {
    struct dataset *data = setup_data(RINGS);
    struct net *net = setup_net(RINGS_NET);
    struct train *train = begin(
        net, data, "{\"control\":{\"rule\":\"manual\",\"every\":2,\"most\":40}}", NULL);
    static const struct {
        int answer, to;
    } answers[] = {{5, 5}, {0, 5}, {41, 5}, {40, 40}, {1, 1}};
    struct step_report report;
    struct steering_decision decision;
    cr_assert_not(train_control_due(train), "a manual rule begins with the net's steps");
    cr_assert(train_step(train, &report));
    for (int i = 0; i < 5; i++) {
        cr_assert(train_step(train, &report));
        cr_assert(train_control_due(train));
        const int from = net_trained(net).steps;
        train_control(train, &decision);
        cr_assert(decision.asks);
        cr_assert_eq(decision.from, from);
        cr_assert_eq(decision.trained.steps, from);
        cr_assert_str_eq(decision.test.scheme->name, "midpoint");
        cr_assert(decision.trained.loss > 0 && decision.test.loss > 0 && decision.distance > 0);
        train_answer(train, &decision, answers[i].answer, NULL);
        cr_assert_eq(decision.to, answers[i].to);
        cr_assert_eq(net_trained(net).steps, answers[i].to);
        cr_assert(train_step(train, &report));
    }
    cr_assert(train_step(train, &report));
    cr_assert(train_control_due(train));
    cr_assert(train_step(train, &report), "nobody is asked");
    cr_assert_eq(net_trained(net).steps, 1);
    train_end(train);
    net_free(net);
    dataset_free(data);
}

static void refuses(const char *net_json, const char *data_json, const char *control,
                    const char *part) {
    struct error error = {0};
    char json[300];
    struct dataset *data = setup_data(data_json);
    struct net *net = setup_net(net_json);
    snprintf(json, sizeof json, "{\"control\":%s}", control);
    cJSON *options = cJSON_Parse(json);
    cr_assert_null(train_begin(net, data, options, NULL, &error), "%s", json);
    cr_assert_not_null(strstr(error.text, part), "\"%s\" lacks \"%s\"", error.text, part);
    cJSON_Delete(options);
    net_free(net);
    dataset_free(data);
}

Test(steering, what_cannot_be_is_refused_in_a_sentence) {
    refuses(RINGS_NET, RINGS, "true", "must be a table");
    refuses(RINGS_NET, RINGS, "{\"rule\":\"otto\"}", "nearest is \"ott\"");
    refuses(RINGS_NET, RINGS, "{\"evry\":7}", "nearest is \"every\"");
    refuses(RINGS_NET, RINGS, "{\"scheme\":\"euler\"}", "of order 1; to test euler of order 1");
    refuses(RINGS_NET, RINGS, "{\"scheme\":\"rk5\"}", "nearest is \"rk4\"");
    refuses("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"steps\":30}", RINGS, "{\"most\":20}",
            "\"most\" is 20 and the net has 30");
    refuses("{\"family\":\"stack\",\"input\":[2],\"layers\":[{\"layer\":\"dense\",\"out\":2}]}",
            RINGS, "{}", "has none");
}
