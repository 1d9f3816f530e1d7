#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "learn/train.h"
#include "learn_setup.h"
#include "study/verdict_measure.h"

static struct dataset *data;

/* A disc of one class inside a ring of the other: a step of Euler may tear them apart, a flow of
 * the plane may not. */
static void make_data(void) {
    enum { COUNT = 3100 };
    static float values[COUNT * 2];
    static int32_t labels[COUNT];
    const ptrdiff_t shape[4] = {COUNT, 2, 1, 1};
    const uint64_t stream = rng_stream("disc and ring");
    for (uint64_t i = 0; i < COUNT; i++) {
        labels[i] = (int32_t)(i % 2);
        const double radius = 0.5 * rng_uniform(7, stream, 2 * i) + labels[i];
        const double angle = 2 * M_PI * rng_uniform(7, stream, 2 * i + 1);
        values[2 * i] = (float)(radius * cos(angle));
        values[2 * i + 1] = (float)(radius * sin(angle));
    }
    struct error error;
    data = dataset_from_arrays(values, shape, labels, 2, NULL, 2, 100, 1500, &error);
    cr_assert(data, "%s", error.text);
}

static void free_data(void) {
    dataset_free(data);
}

TestSuite(verdict_measure, .init = make_data, .fini = free_data);

/* A small net trained to the end inside `scheme` with so many steps. */
static struct net *trained(const char *scheme, int steps, int augment) {
    char text[300];
    (void)snprintf(
        text, sizeof text,
        "{\"family\": \"mlp\", \"input\": [2], \"outputs\": 2, \"hidden\": 24, \"augment\": "
        "%d, \"steps\": %d, \"eps\": 4, \"scheme\": \"%s\", \"seed\": 5}",
        augment, steps, scheme);
    struct net *const net = setup_net(text);
    cJSON *const options =
        cJSON_Parse("{\"epochs\": 60, \"batch\": 50, \"seed\": 11, \"optimizer\": "
                    "{\"kind\": \"adam\", \"lr\": 0.01}}");
    struct error error;
    struct train *const train = train_begin(net, data, options, NULL, &error);
    cr_assert(train, "%s", error.text);
    struct step_report report;
    while (train_step(train, &report)) {
        cr_assert(report.finite);
    }
    train_end(train);
    cJSON_Delete(options);
    return net;
}

static struct verdict_report *measured(struct net *net, const struct verdict_options *options) {
    struct error error;
    struct verdict_report *const report = verdict_measure(net, &data->test, options, &error);
    cr_assert(report, "%s", error.text);
    return report;
}

Test(verdict_measure, a_net_trained_in_one_step_of_euler_fails_by_its_limit) {
    struct net *const net = trained("euler", 1, 0);
    struct verdict_report *const report =
        measured(net, &(struct verdict_options){.order_count = 8});
    const struct verdict *const verdict = &report->verdict;
    cr_expect_eq(verdict->state, FINDING_FAIL, "%s", verdict->text);
    cr_expect_eq(verdict->limit.state, FINDING_FAIL, "%s", verdict->text);
    cr_expect_gt(verdict->gap, 2 * verdict->interval, "%s", verdict->text);
    cr_expect_str_eq(report->input.trained.scheme, "euler");
    cr_expect_eq(report->input.trained.steps, 1);
    cr_expect_str_eq(report->input.limit.scheme, "rk4");
    cr_expect_eq(report->input.limit.steps, 16);
    /* Its field is as smooth as any: order is not what gives it away. */
    cr_expect_eq(verdict->order.state, FINDING_PASS, "%s", verdict->text);
    verdict_report_free(report);
    net_free(net);
}

Test(verdict_measure, a_net_trained_in_fine_steps_of_rk4_passes_in_all) {
    struct net *const net = trained("rk4", 4, 2);
    struct verdict_report *const report =
        measured(net, &(struct verdict_options){.order_count = 8});
    cr_expect_eq(report->verdict.state, FINDING_PASS, "%s", report->verdict.text);
    cr_expect_gt(report->input.trained.correct, 1400);
    cr_expect_eq(report->input.order_count, 3);
    cr_expect_eq(report->input.fine_count, 3);
    /* Equally many evaluations of the field by each. */
    const int steps[] = {64, 32, 16};
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(report->fine[i].steps, steps[i]);
        cr_expect_eq(report->fine[i].count, 1500);
    }
    verdict_report_free(report);
    net_free(net);
}

Test(verdict_measure, known_accuracies_are_not_measured_again) {
    struct net *const net = setup_net(SETUP_MLP);
    const struct tableau *const schemes[] = {tableau_find("midpoint", NULL)};
    const struct sweep_cell known[] = {
        {.scheme = schemes[0], .steps = 2, .result = {.correct = 31, .count = 700}},
        {.scheme = schemes[0], .steps = 16, .result = {.correct = 17, .count = 700}},
        {.scheme = schemes[0], .steps = 16, .result = {.correct = 5, .count = 99}},
    };
    struct verdict_report *const report =
        measured(net, &(struct verdict_options){.schemes = schemes,
                                                .scheme_count = 1,
                                                .first = 100,
                                                .count = 700,
                                                .known = known,
                                                .known_count = 3});
    cr_expect_eq(report->input.trained.correct, 31);
    cr_expect_eq(report->input.limit.correct, 17);
    cr_expect_eq(report->verdict.order.state, FINDING_OPEN);
    cr_expect_null(report->study);
    verdict_report_free(report);
    net_free(net);
}

Test(verdict_measure, steps_align_with_the_nodes_of_the_net) {
    struct dataset *const images = setup_images();
    struct net *const net = setup_net(
        "{\"family\": \"continuous\", \"input\": [1, 12, 12], \"classes\": 3, \"width\": 4, "
        "\"nodes\": 3, \"scheme\": \"heun2\", \"seed\": 7}");
    struct error error;
    struct verdict_report *const report =
        verdict_measure(net, &images->test, &(struct verdict_options){.order_count = 1}, &error);
    cr_assert(report, "%s", error.text);
    cr_expect_eq(report->input.limit.steps, 18);
    cr_expect_eq(report->input.fine_count, 4);
    for (int i = 0; i < report->input.fine_count; i++) {
        cr_expect_eq(report->fine[i].steps % 3, 0);
    }
    cr_expect_eq(report->study->curves[0].steps[0], 6);
    cr_expect_eq(report->study->raised, 0);
    verdict_report_free(report);
    net_free(net);
    dataset_free(images);
}

static void expect_refusal(struct net *net, const struct verdict_options *options,
                           enum error_code code, const char *sentence) {
    struct error error = {0};
    cr_expect_null(verdict_measure(net, &data->test, options, &error));
    cr_expect_eq(error.code, code);
    cr_expect_str_eq(error.text, sentence);
}

Test(verdict_measure, what_cannot_be_measured_is_refused) {
    static volatile bool stop = true;
    struct net *net = setup_net(SETUP_MLP);
    expect_refusal(net, &(struct verdict_options){.first = 1400, .count = 200}, ERROR_VALUE,
                   "a verdict cannot take samples 1401 to 1600 of 1500 in the test part");
    expect_refusal(net, &(struct verdict_options){.scheme_count = 16}, ERROR_VALUE,
                   "a verdict compares up to 15 schemes, not 16");
    struct error error = {0};
    cr_expect_null(
        verdict_measure(net, &data->test, &(struct verdict_options){.stop = &stop}, &error));
    cr_expect_eq(error.code, ERROR_STATE);
    net_free(net);
}
