#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "run/probe.h"

static struct probe make(const char *json, const char *scheme, int steps, int nodes) {
    struct probe probe;
    struct error error = {0};
    cJSON *config = json ? cJSON_Parse(json) : NULL;
    const struct tableau *trained = tableau_find(scheme, &error);
    cr_assert(probe_init(&probe, config, trained, steps, nodes, &error), "%s", error.text);
    cJSON_Delete(config);
    return probe;
}

Test(probe, the_default_grid_holds_the_trained_cell) {
    struct probe probe = make(NULL, "heun2", 6, 4);
    cr_assert_eq(probe.scheme_count, 4);
    static const int steps[] = {4, 6, 8, 16, 32, 64};
    cr_assert_eq(probe.step_count, 6);
    cr_assert_arr_eq(probe.steps, steps, sizeof steps);
    cr_assert_eq(probe.cell_count, 24);
    bool found = false;
    for (int i = 0; i < probe.cell_count; i++) {
        found = found ||
                (strcmp(probe.cells[i].scheme->name, "heun2") == 0 && probe.cells[i].steps == 6);
    }
    cr_assert(found);
}

Test(probe, a_given_grid_is_taken_as_it_is_sorted_by_cost) {
    struct probe probe =
        make("{\"schemes\":[\"rk4\",\"euler\"],\"steps\":[8,1,2,1]}", "euler", 3, 1);
    cr_assert_eq(probe.cell_count, 6);
    for (int i = 1; i < probe.cell_count; i++) {
        cr_assert(probe.cells[i - 1].scheme->stages * probe.cells[i - 1].steps <=
                  probe.cells[i].scheme->stages * probe.cells[i].steps);
    }
}

Test(probe, false_means_none) {
    struct probe probe = make("false", "euler", 1, 1);
    cr_assert_eq(probe_next(&probe, 0, 0, false), -1);
    cr_assert_eq(probe_next(&probe, 9, 9, true), -1);
    cJSON *config = probe_config(&probe);
    cr_assert(cJSON_IsFalse(config));
    cJSON_Delete(config);
}

Test(probe, a_resolved_configuration_reads_back_the_same) {
    struct probe probe = make(NULL, "rk4", 2, 2);
    cJSON *config = probe_config(&probe);
    char *text = cJSON_PrintUnformatted(config);
    struct probe again = make(text, "rk4", 2, 2);
    cr_assert_eq(again.cell_count, probe.cell_count);
    cr_assert_eq(again.samples, probe.samples);
    cr_assert_float_eq(again.share, probe.share, 0);
    for (int i = 0; i < probe.cell_count; i++) {
        cr_assert_eq(again.cells[i].scheme, probe.cells[i].scheme);
        cr_assert_eq(again.cells[i].steps, probe.cells[i].steps);
    }
    cJSON_free(text);
    cJSON_Delete(config);
}

Test(probe, with_every_the_whole_grid_is_due_at_its_steps_and_at_the_end) {
    struct probe probe =
        make("{\"schemes\":[\"rk4\",\"euler\"],\"steps\":[1,2],\"every\":5}", "euler", 1, 1);
    for (ptrdiff_t step = 0; step <= 12; step++) {
        int ran = 0, cell;
        while ((cell = probe_next(&probe, step, (double)step, step == 12)) >= 0) {
            probe_done(&probe, cell, step, (double)step, 100);
            ran++;
        }
        cr_assert_eq(ran, step % 5 == 0 || step == 12 ? 4 : 0, "step %td: %d", step, ran);
    }
}

/* Simulates a run of `seconds` with steps of `step_seconds`, evaluations of `unit` seconds each;
 * counts[cell] and the longest wait of each cell between two runs of it. */
static double simulate(struct probe *probe, double seconds, double step_seconds, double unit,
                       int *counts) {
    double now = 0;
    ptrdiff_t step = 0;
    while (now < seconds) {
        int cell;
        while ((cell = probe_next(probe, step, now, false)) >= 0) {
            double cost = unit * probe->cells[cell].scheme->stages * probe->cells[cell].steps;
            now += cost;
            counts[cell]++;
            probe_done(probe, cell, step, now, cost);
        }
        now += step_seconds;
        step++;
    }
    return now;
}

Test(probe, cells_together_take_their_share_and_no_more) {
    static const double units[] = {1e-4, 3e-3, 17e-3};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct probe probe = make(NULL, "euler", 1, 1);
        int counts[64] = {0};
        double now = simulate(&probe, 600, 0.037, units[i], counts);
        cr_assert(probe.spent < 0.5 + 0.07 * now, "%g of %g", probe.spent, now);
        cr_assert(probe.spent > 0.055 * now, "%g of %g", probe.spent, now);
        for (int cell = 0; cell < probe.cell_count; cell++) {
            cr_assert(counts[cell] >= 2, "cell %d ran %d times", cell, counts[cell]);
        }
        cr_assert(counts[0] > counts[probe.cell_count - 1]);
    }
}

Test(probe, the_first_cells_come_before_the_first_step) {
    struct probe probe = make(NULL, "euler", 1, 1);
    cr_assert_eq(probe_next(&probe, 0, 0, false), 0);
    probe_done(&probe, 0, 0, 0.02, 0.02);
    cr_assert_eq(probe_next(&probe, 0, 0.02, false), 1);
}

Test(probe, at_the_end_cells_are_brought_up_to_date_within_a_tenth_of_the_time) {
    struct probe probe = make(NULL, "euler", 1, 1);
    int counts[64] = {0}, cell;
    double unit = 17e-3, now = simulate(&probe, 60, 0.037, unit, counts), before = probe.spent;
    while ((cell = probe_next(&probe, 100000, now, true)) >= 0) {
        double cost = unit * probe.cells[cell].scheme->stages * probe.cells[cell].steps;
        probe_done(&probe, cell, 100000, now, cost);
    }
    cr_assert(probe.spent > before && probe.spent < 0.5 + 0.17 * now);
    /* The whole grid costs 217 * 0.017 = 3.7 s, which 6 s allow. */
    for (int i = 0; i < probe.cell_count; i++) {
        cr_assert_eq(probe.cells[i].at_step, 100000, "cell %d", i);
    }
}

static void refuses(const char *json, const char *part) {
    struct probe probe;
    struct error error = {0};
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    cr_assert_not(probe_init(&probe, config, tableau_at(0), 1, 1, &error), "%s", json);
    cr_assert_not_null(strstr(error.text, part), "%s: \"%s\" lacks \"%s\"", json, error.text, part);
    cJSON_Delete(config);
}

Test(probe, what_cannot_be_is_refused_in_a_sentence) {
    refuses("{\"schemes\":[\"rk5\"]}", "rk4");
    refuses("{\"schemes\":\"rk4\"}", "list of names");
    refuses("{\"schemes\":[]}", "list of names");
    refuses("{\"schemes\":[4]}", "not a name");
    refuses("{\"steps\":[0]}", "whole number");
    refuses("{\"steps\":[1.5]}", "whole number");
    refuses("{\"steps\":[]}", "list of numbers");
    refuses("{\"steps\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "at most 16");
    refuses("{\"samples\":0}", "samples");
    refuses("{\"sampels\":10}", "samples");
    refuses("{\"share\":2}", "share");
}
