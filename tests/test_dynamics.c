/* Convergence tests while a net trains: when they are due, what they find, what a run writes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "learn_setup.h"
#include "run/dynamics.h"
#include "run/job.h"
#include "run/series.h"
#include "study/convergence_data.h"

/* One step of Euler of 0.1 through a linear field without bias. */
#define LINEAR                                                                                     \
    "{\"family\":\"stack\",\"input\":[2],\"precision\":\"f64\",\"seed\":3,\"layers\":["           \
    "{\"layer\":\"ode\",\"scheme\":\"euler\",\"eps\":0.1,\"body\":["                              \
    "{\"layer\":\"dense\",\"out\":2,\"bias\":false}]}]}"
#define OSCILLATOR "{\"source\":\"system\",\"system\":\"oscillator\",\"dt\":0.1,\"t1\":50}"

static struct dynamics *create(const struct net *net, const struct dataset *data,
                               const char *json) {
    struct error error = {0};
    struct dynamics *dynamics;
    cJSON *config = json ? cJSON_Parse(json) : NULL;
    cr_assert(dynamics_create(net, data, config, &dynamics, &error), "%s", error.text);
    cJSON_Delete(config);
    return dynamics;
}

static void refused(const struct net *net, const struct dataset *data, const char *json,
                    const char *text) {
    struct error error = {0};
    struct dynamics *dynamics;
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    cr_assert_not(dynamics_create(net, data, config, &dynamics, &error));
    cr_assert(strstr(error.text, text), "%s", error.text);
    cr_assert_null(dynamics);
    cJSON_Delete(config);
}

/* Weights (out, in) of y' = W y. */
static void set_weights(struct net *net, double a, double b, double c, double d) {
    const double values[4] = {a, b, c, d};
    cr_assert_eq(net->trainable_len, 4);
    net->kernels->from_doubles(net->values, values, 4);
    net_touch(net);
}

static void test(struct dynamics *dynamics, const struct net *net, ptrdiff_t step,
                 double seconds) {
    struct error error = {0};
    cr_assert(dynamics_test(dynamics, net, step, seconds, NULL, NULL, &error), "%s", error.text);
}

Test(dynamics, the_true_field_passes_and_eulers_fails_by_the_closed_form) {
    struct net *net = setup_net(LINEAR);
    struct dataset *data = setup_data(OSCILLATOR);
    struct dynamics *dynamics = create(net, data, "{\"t1\":2}");
    cr_assert_not_null(dynamics);
    set_weights(net, 0, 1, -1, 0);
    test(dynamics, net, 0, 0.1);
    cr_assert_eq(dynamics_verdict(dynamics)->state, DYNAMICS_PASS);
    const double re = (cos(0.1) - 1) / 0.1, im = sin(0.1) / 0.1;
    set_weights(net, re, im, -im, re);
    test(dynamics, net, 10, 0.2);
    cr_assert_eq(dynamics_verdict(dynamics)->state, DYNAMICS_FAIL_V);
    cr_assert_float_eq(dynamics_verdict(dynamics)->floor, 9.51e-2, 5e-5);
    set_weights(net, 0, 0, 0, 0);
    test(dynamics, net, 11, 0.3);
    cr_assert_eq(dynamics_verdict(dynamics)->state, DYNAMICS_FAIL_UNDER);

    struct event event;
    dynamics_event(dynamics, &event);
    event_number(&event, "step", 11);
    event_number(&event, "epoch", 0.5);
    event_end(&event);
    cJSON *json = cJSON_Parse(event.text);
    struct series_convergence read;
    cr_assert(series_convergence_read(&read, json), "%s", event.text);
    cr_assert_str_eq(read.verdict, "FAIL-UNDER");
    cr_assert_str_eq(read.trained, "euler");
    cr_assert_eq(read.curve_count, 8);
    cr_assert_not(read.curves[0].is_true);
    cr_assert(read.curves[4].is_true && !strcmp(read.curves[4].scheme, "euler"));
    cr_assert_eq(read.curves[7].count, 9); /* 20 steps are no whole number of 8 or 16 */
    cr_assert_float_eq(read.curves[7].slope, 4, 0.1);
    cr_assert_float_eq(read.dt, 0.1, 1e-12);
    cJSON_Delete(json);
    dynamics_free(dynamics);
    net_free(net);
    dataset_free(data);
}

Test(dynamics, the_longest_event_fits) {
    struct net *net = setup_net(LINEAR);
    struct dataset *data = setup_data(OSCILLATOR);
    struct dynamics *dynamics =
        create(net, data,
               "{\"t1\":12.8,\"finest\":-8,\"coarsest\":7,\"schemes\":[\"euler\",\"midpoint\","
               "\"heun2\",\"ralston2\",\"kutta3\",\"heun3\",\"rk4\",\"dopri54\"]}");
    struct event event;
    test(dynamics, net, 1, 1);
    dynamics_event(dynamics, &event);
    cr_assert_lt(event.len + 512, EVENT_SIZE);
    dynamics_free(dynamics);
    net_free(net);
    dataset_free(data);
}

Test(dynamics, tests_take_their_share_and_the_last_one_is_always_due) {
    struct net *net = setup_net(LINEAR);
    struct dataset *data = setup_data(OSCILLATOR);
    struct dynamics *dynamics = create(net, data, NULL);
    cr_assert_not_null(dynamics, "dynamics are tested unless one says otherwise");
    cr_assert(dynamics_due(dynamics, 0, 0, false));
    test(dynamics, net, 0, 0);
    cr_assert_not(dynamics_due(dynamics, 0, 100, false), "the same weights");
    cr_assert_not(dynamics_due(dynamics, 0, 100, true), "the same weights");
    cr_assert_not(dynamics_due(dynamics, 1, 0.1, false), "too soon");
    cr_assert(dynamics_due(dynamics, 1, 1e6, false));
    dynamics_free(dynamics);
    dynamics = create(net, data, "{\"share\":0}");
    cr_assert_not(dynamics_due(dynamics, 0, 1e6, false));
    cr_assert(dynamics_due(dynamics, 0, 0, true));
    struct error error;
    const volatile bool stop = true;
    cr_assert_not(dynamics_test(dynamics, net, 0, 0, NULL, &stop, &error));
    cr_assert_eq(error.code, ERROR_STATE);
    cr_assert(dynamics_due(dynamics, 0, 0, true), "a test that was stopped was none");
    dynamics_free(dynamics);
    /* A thousand times finer: dearer than the first grant. */
    dynamics = create(net, data, "{\"finest\":-16,\"t1\":48}");
    cr_assert_not(dynamics_due(dynamics, 0, 0, false));
    cr_assert(dynamics_due(dynamics, 0, 0, true));
    dynamics_free(dynamics);
    net_free(net);
    dataset_free(data);
}

Test(dynamics, what_cannot_be_tested_is_passed_over_unless_it_was_asked_for) {
    struct net *net = setup_net(LINEAR), *other = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(OSCILLATOR), *rings = setup_data(SETUP_RINGS);
    cr_assert_null(create(net, rings, NULL));
    cr_assert_null(create(other, data, NULL));
    cr_assert_null(create(net, data, "false"));
    refused(net, rings, "true", "the data are not of a system");
    refused(other, data, "true", "not one ODE block");
    refused(net, data, "{\"t1\":2.05}", "20.5 steps of 0.1");
    refused(net, data, "{\"schemes\":[\"rk5\"]}", "\"rk5\" does not exist");
    refused(net, data, "{\"schemes\":[]}", "wants a list");
    refused(net, data, "{\"schemes\":[3]}", "is no name");
    refused(net, data, "{\"target\":-1}", "target must be a positive number");
    refused(net, data, "{\"shar\":1}", "nearest is \"share\"");
    refused(net, data,
            "{\"schemes\":[\"midpoint\",\"heun2\",\"ralston2\",\"kutta3\",\"heun3\",\"rk4\","
            "\"dopri54\",\"bs32\"]}",
            "at most 8 schemes");
    net_free(net);
    net_free(other);
    dataset_free(data);
    dataset_free(rings);
}

Test(convergence_data, states_are_those_of_the_data_or_new_ones_of_their_ranges) {
    struct convergence_data read;
    struct dataset *data = setup_data(OSCILLATOR), *rings = setup_data(SETUP_RINGS);
    cr_assert(convergence_data_read(&read, data));
    cr_assert(read.count == 1 && read.y0[0] == 0 && read.y0[1] == 1);
    cr_assert_float_eq(read.interval, 0.1, 1e-15);
    cr_assert_not(convergence_data_read(&read, rings));
    dataset_free(data);
    dataset_free(rings);
    data = setup_data("{\"source\":\"system\",\"system\":\"pendulum\",\"dt\":0.05,\"t1\":1,"
                      "\"y0\":[[0.3,0.1],[1.1,-0.4],[0.7,0]]}");
    cr_assert(convergence_data_read(&read, data));
    cr_assert(read.count == 3 && read.y0[3] == -0.4 && read.y0[4] == 0.7);
    dataset_free(data);
    data = setup_data("{\"source\":\"system\",\"system\":\"pendulum\",\"dt\":0.05,\"t1\":1,"
                      "\"ranges\":[[-1,1],[2,2.5]],\"trajectories\":6}");
    cr_assert(convergence_data_read(&read, data));
    cr_assert_eq(read.count, CONVERGENCE_STATES);
    for (int k = 0; k < CONVERGENCE_STATES; k++) {
        cr_assert(fabs(read.y0[2 * k]) <= 1 && read.y0[2 * k + 1] >= 2 &&
                  read.y0[2 * k + 1] <= 2.5);
        cr_assert(k == 0 || read.y0[2 * k] != read.y0[2 * k - 2]);
    }
    dataset_free(data);
}

Test(convergence_data, the_end_is_a_fifth_of_the_time_that_large_steps_divide) {
    cr_assert_float_eq(convergence_data_end(0, 10, 0.01, 4), 1.92, 1e-12);
    cr_assert_float_eq(convergence_data_end(0, 10, 0.4, 4), 1.6, 1e-12);
    cr_assert_float_eq(convergence_data_end(3, 53, 0.1, 4), 3 + 9.6, 1e-12);
    cr_assert_float_eq(convergence_data_end(0, 1, 0.7, 4), 0.7, 1e-12);
}

Test(dynamics, a_run_tests_while_it_trains_and_judges_at_its_end, .timeout = 60) {
    char folder[] = "/tmp/continuo-test-XXXXXX", command[96];
    cr_assert_not_null(mkdtemp(folder));
    struct net *net = setup_net(LINEAR);
    struct dataset *data = setup_data(OSCILLATOR);
    struct error error = {0};
    char json[512];
    (void)snprintf(json, sizeof json,
                   "{\"epochs\":60,\"batch\":25,\"probe\":false,\"checkpoint_every\":0,\"runs\":"
                   "\"%s\",\"optimizer\":{\"kind\":\"adam\",\"lr\":0.05},\"convergence\":{\"t1\":2}"
                   "}",
                   folder);
    cJSON *options = cJSON_Parse(json);
    struct job *job = job_start(net, data, options, 2, NULL, &error);
    cJSON_Delete(options);
    cr_assert_not_null(job, "%s", error.text);
    while (!job_is_over(job)) {
        (void)usleep(1000);
    }
    cr_assert_eq(job_state(job), JOB_DONE, "%s", job_message(job));
    struct series *series = series_open(job_path(job), &error);
    cr_assert_not_null(series);
    (void)series_update(series);
    cr_assert_geq(series->ratio_count, 2, "a test at the beginning, and one at the end");
    cr_assert_str_eq(series->convergence->verdict, "FAIL-V");
    cr_assert_float_eq(series->convergence->step, 60 * 18, 0.5);
    cr_assert_float_eq(series->convergence->floor, 9.51e-2, 1e-4);
    cr_assert(!series->verdict_pass && !strncmp(series->verdict, "FAIL-V: the error is", 20), "%s",
              series->verdict);
    cr_assert_eq(series->foreign, 0);
    const cJSON *train = cJSON_GetObjectItem(series->config, "train");
    const cJSON *config = cJSON_GetObjectItem(train, "convergence");
    cr_assert_float_eq(cJSON_GetNumberValue(cJSON_GetObjectItem(config, "t1")), 2, 1e-12);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(config, "schemes")), 4);
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}
