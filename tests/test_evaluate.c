#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "learn/evaluate.h"
#include "learn_setup.h"

static struct evaluation run(struct net *net, const struct part *part, ptrdiff_t first,
                             ptrdiff_t count, const struct manifestation *how, int threads,
                             double *outputs) {
    struct error error = {0};
    struct evaluation result;
    struct pool *pool = threads ? pool_create(threads, &error) : NULL;
    cr_assert(evaluate(net, part, first, count, how, pool, NULL, &result, outputs, &error), "%s",
              error.text);
    pool_free(pool);
    return result;
}

Test(evaluate, results_are_those_of_one_pass_over_all_samples) {
    struct error error = {0};
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"seed\":9,"
                                "\"precision\":\"f64\"}");
    struct dataset *data = setup_data(SETUP_RINGS);
    const struct part *part = &data->train;
    enum { FIRST = 37, COUNT = 101 };
    float floats[COUNT * 2];
    double x[COUNT * 2], outputs[COUNT * 2];
    int32_t labels[COUNT];
    dataset_batch(part, NULL, FIRST, COUNT, NULL, 0, 0, floats);
    dataset_labels(part, NULL, FIRST, COUNT, labels);
    for (int i = 0; i < COUNT * 2; i++) {
        x[i] = (double)floats[i];
    }
    const struct pass_options options = {.batch = COUNT, .how = {.edge = -1}};
    struct pass *pass = pass_create(net, &options, &error);
    const double *z = pass_forward(pass, x, COUNT);
    double loss = 0;
    ptrdiff_t correct = 0;
    struct evaluation result = run(net, part, FIRST, COUNT, NULL, 0, outputs);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < 2; k++) {
            cr_assert_float_eq(outputs[2 * i + k], z[2 * i + k], 1e-13);
        }
        correct += (z[2 * i + 1] > z[2 * i]) == labels[i];
        loss += log(exp(z[2 * i]) + exp(z[2 * i + 1])) - z[2 * i + labels[i]];
    }
    cr_assert_eq(result.count, COUNT);
    cr_assert_eq(result.correct, correct);
    cr_assert_float_eq(result.accuracy, (double)correct / COUNT, 1e-15);
    cr_assert_float_eq(result.loss, loss / COUNT, 1e-12);
    cr_assert_eq(result.evaluations, pass_evaluations(pass));
    cr_assert(result.finite);
    cr_assert(result.seconds > 0);
    pass_free(pass);
    net_free(net);
    dataset_free(data);
}

static void same_bits(const char *net_json, struct dataset *data) {
    struct net *net = setup_net(net_json);
    ptrdiff_t len = data->train.count * net->outputs;
    double *one = malloc((size_t)len * sizeof *one), *other = malloc((size_t)len * sizeof *other);
    struct evaluation serial = run(net, &data->train, 0, 0, NULL, 0, one);
    cr_assert_eq(serial.count, data->train.count);
    for (int threads = 1; threads <= 3; threads++) {
        struct evaluation result = run(net, &data->train, 0, 0, NULL, threads, other);
        cr_assert_eq(memcmp(&result.loss, &serial.loss, sizeof serial.loss), 0);
        cr_assert_eq(result.correct, serial.correct);
        cr_assert_eq(memcmp(one, other, (size_t)len * sizeof *one), 0, "%d threads", threads);
    }
    free(one);
    free(other);
    net_free(net);
}

Test(evaluate, any_number_of_threads_gives_the_same_bits) {
    struct dataset *rings = setup_data(SETUP_RINGS), *images = setup_images();
    same_bits(SETUP_MLP, rings);
    same_bits(SETUP_IMAGE_NET, images);
    dataset_free(rings);
    dataset_free(images);
}

Test(evaluate, a_manifestation_is_obeyed_and_counted) {
    struct error error = {0};
    struct net *net = setup_net(SETUP_MLP); /* midpoint, 2 steps */
    struct dataset *data = setup_data(SETUP_RINGS);
    const struct tableau *rk4 = tableau_find("rk4", &error);
    const struct manifestation fine = {.scheme = rk4, .steps = 32, .edge = -1};
    const struct manifestation finer = {.scheme = rk4, .steps = 64, .edge = -1};
    const struct manifestation trained = net_trained(net);
    struct evaluation own = run(net, &data->valid, 0, 0, NULL, 2, NULL);
    struct evaluation same = run(net, &data->valid, 0, 0, &trained, 2, NULL);
    struct evaluation a = run(net, &data->valid, 0, 0, &fine, 2, NULL);
    struct evaluation b = run(net, &data->valid, 0, 0, &finer, 2, NULL);
    cr_assert_eq(own.evaluations, 4);
    cr_assert_eq(a.evaluations, 128);
    cr_assert_eq(memcmp(&own.loss, &same.loss, sizeof own.loss), 0);
    cr_assert_float_eq(a.loss, b.loss, 1e-5);
    cr_assert(fabs(own.loss - b.loss) > 1e-5, "%g and %g", own.loss, b.loss);
    net_free(net);
    dataset_free(data);
}

Test(evaluate, targets_give_a_squared_error_and_no_accuracy) {
    static float values[80], targets[40];
    for (int i = 0; i < 40; i++) {
        values[2 * i] = 0.11f * (float)i;
        values[2 * i + 1] = 0.7f - 0.03f * (float)i;
        targets[i] = values[2 * i] - values[2 * i + 1];
    }
    const ptrdiff_t shape[4] = {40, 2, 1, 1};
    struct error error = {0};
    struct dataset *data = dataset_from_arrays(values, shape, NULL, 0, targets, 1, 4, 3, &error);
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":1,\"seed\":2}");
    double outputs[40], want = 0;
    struct evaluation result = run(net, &data->train, 0, 0, NULL, 2, outputs);
    for (int i = 0; i < result.count; i++) {
        want += pow(outputs[i] - (double)targets[i], 2) / (double)result.count;
    }
    cr_assert_eq(result.count, 33);
    cr_assert_float_eq(result.loss, want, 1e-9);
    cr_assert_eq(result.correct, 0);
    cr_assert_float_eq(result.accuracy, 0, 0);
    net_free(net);
    dataset_free(data);
}

Test(evaluate, outputs_that_are_not_finite_are_reported) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    const struct parameter *bias = net_parameter(net, "head.bias");
    ((float *)net_value(net, bias))[1] = NAN;
    net_touch(net);
    struct evaluation result = run(net, &data->valid, 0, 0, NULL, 2, NULL);
    cr_assert_not(result.finite);
    cr_assert_not(isfinite(result.loss));
    net_free(net);
    dataset_free(data);
}

static void refuses(struct net *net, const struct part *part, ptrdiff_t first, ptrdiff_t count,
                    const volatile bool *stop, enum error_code code, const char *text) {
    struct error error = {0};
    struct evaluation result;
    cr_assert_not(evaluate(net, part, first, count, NULL, NULL, stop, &result, NULL, &error));
    cr_assert_eq(error.code, code);
    cr_assert_not_null(strstr(error.text, text), "\"%s\" lacks \"%s\"", error.text, text);
}

Test(evaluate, samples_that_are_not_there_are_refused) {
    struct net *net = setup_net(SETUP_MLP), *image_net = setup_net(SETUP_IMAGE_NET);
    struct dataset *data = setup_data(SETUP_RINGS);
    refuses(net, &data->valid, 90, 20, NULL, ERROR_VALUE, "samples 91 to 110");
    refuses(net, &data->valid, 100, 0, NULL, ERROR_VALUE, "which has 100");
    refuses(net, &data->valid, -1, 1, NULL, ERROR_VALUE, "valid");
    refuses(net, &data->valid, 0, -1, NULL, ERROR_VALUE, "valid");
    refuses(image_net, &data->valid, 0, 0, NULL, ERROR_VALUE, "1 x 12 x 12");
    struct part empty = data->valid;
    empty.count = 0;
    refuses(net, &empty, 0, 0, NULL, ERROR_VALUE, "is empty");
    net_free(net);
    net_free(image_net);
    dataset_free(data);
}

Test(evaluate, it_stops_when_told_to) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    volatile bool stop = true;
    refuses(net, &data->train, 0, 0, &stop, ERROR_STATE, "stopped after 0 of");
    net_free(net);
    dataset_free(data);
}

Test(evaluate, a_net_in_doubles_sees_data_in_doubles_exactly) {
    static double values[40], targets[20];
    for (int i = 0; i < 40; i++) {
        values[i] = sin(1.3 * i);
        targets[i / 2] = cos(0.7 * i);
    }
    const ptrdiff_t shape[4] = {20, 2, 1, 1};
    struct error error = {0};
    struct dataset *data = dataset_from_doubles(values, shape, NULL, 0, targets, 1, 0, 0, &error);
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":1,\"seed\":2,"
                                "\"precision\":\"f64\"}");
    double outputs[20], want = 0;
    struct evaluation result = run(net, &data->train, 0, 0, NULL, 1, outputs);
    const struct pass_options options = {.batch = 4, .how = {.edge = -1}};
    struct pass *pass = pass_create(net, &options, &error);
    cr_assert_not_null(pass, "%s", error.text);
    for (int i = 0; i < 20; i += 4) {
        cr_assert_arr_eq(pass_forward(pass, values + 2 * i, 4), outputs + i, 4 * sizeof(double));
    }
    for (int i = 0; i < 20; i++) {
        want += pow(outputs[i] - targets[i], 2) / 20;
    }
    cr_assert_float_eq(result.loss, want, 1e-15 * want);
    pass_free(pass);
    net_free(net);
    dataset_free(data);
}
