#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/series.h"

static char root[64];

static void make_root(void) {
    (void)snprintf(root, sizeof root, "/tmp/test_series.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void remove_root(void) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(series, .init = make_root, .fini = remove_root);

static void append(const char *folder, const char *file, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "ab");
    cr_assert_not_null(stream, "%s", path);
    (void)fputs(text, stream);
    (void)fclose(stream);
}

static const char *make_run(const char *name) {
    static char folder[8][200];
    static int next;
    char *path = folder[next++ % 8];
    (void)snprintf(path, sizeof folder[0], "%s/%s", root, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    return path;
}

static struct series *open_run(const char *path) {
    struct error error;
    struct series *series = series_open(path, &error);
    cr_assert_not_null(series, "%s", error.text);
    return series;
}

Test(series, every_kind_of_event_is_read) {
    const char *run = make_run("2026-03-02T091412-fm-euler-3f2a");
    append(run, "config.json", "{\"name\":\"fm-euler\"}");
    append(run, "metrics.jsonl",
           "{\"kind\":\"state\",\"seconds\":0,\"state\":\"running\"}\n"
           "{\"kind\":\"start\",\"steps\":1290,\"epochs\":3,\"batch\":128,\"parameters\":27370,"
           "\"memory\":\"stages\",\"bytes\":231400000,"
           "\"trained\":{\"scheme\":\"euler\",\"steps\":1},\"nodes\":1,\"probe\":{\"schemes\":"
           "[\"euler\",\"midpoint\",\"rk4\"],\"steps\":[4,1,2],\"count\":1000}}\n"
           "{\"kind\":\"step\",\"step\":7,\"epoch\":0.0023,\"seconds\":0.08,\"loss\":2.41,"
           "\"rate\":0.13,\"grad_norm\":3.2,\"images_per_second\":1650}\n"
           "{\"kind\":\"eval\",\"step\":430,\"epoch\":1,\"seconds\":35.1,\"part\":\"valid\","
           "\"loss\":0.41,\"accuracy\":0.853,\"count\":5000}\n"
           "{\"kind\":\"probe\",\"step\":100,\"epoch\":0.23,\"seconds\":8.1,\"scheme\":\"rk4\","
           "\"steps\":4,\"loss\":0.9,\"accuracy\":0.71,\"count\":1000}\n"
           "{\"kind\":\"sweep\",\"part\":\"test\",\"scheme\":\"heun2\",\"steps\":16,"
           "\"loss\":0.36,\"accuracy\":0.882,\"count\":10000}\n"
           "{\"kind\":\"verdict\",\"text\":\"gap 13.9\",\"pass\":false}\n"
           "{\"kind\":\"checkpoint\",\"step\":430,\"path\":\"checkpoints/000430.safetensors\"}\n"
           "{\"kind\":\"note\",\"seconds\":1.0,\"text\":\"hello\"}\n");
    struct series *series = open_run(run);
    cr_expect_str_eq(series->name, "fm-euler");
    cr_expect_str_eq(series->id, "3f2a");
    cr_expect_eq(series->steps_total, 1290);
    cr_expect_eq(series->parameters, 27370);
    cr_expect_str_eq(series->trained_scheme, "euler");
    cr_expect_eq(series->trained_steps, 1);
    cr_expect_eq(series->probe_scheme_count, 3);
    cr_expect_eq(series->probe_step_count, 3);
    cr_expect_eq(series->probe_steps[0], 1);
    cr_expect_eq(series->probe_steps[2], 4);
    cr_expect_eq(series->step_count, 1);
    cr_expect_float_eq(series->steps[0].loss, 2.41, 1e-12);
    cr_expect_eq(series->steps[0].images_per_second, 1650);
    cr_expect_eq(series->eval_count, 1);
    cr_expect(series->evals[0].valid);
    cr_expect_eq(series->probe_count, 1);
    cr_expect_str_eq(series->schemes[series->probes[0].scheme], "rk4");
    cr_expect_eq(series->sweep_count, 1);
    cr_expect_str_eq(series->schemes[series->sweeps[0].scheme], "heun2");
    cr_expect_eq(series->sweeps[0].steps, 16);
    cr_expect_str_eq(series->state, "running");
    cr_expect_str_eq(series->verdict, "gap 13.9");
    cr_expect_not(series->verdict_pass);
    cr_expect_eq(series->note_count, 6);
    cr_expect_not_null(strstr(series->notes[1], "memory: stages, 231 MB"));
    cr_expect_eq(series->foreign, 0);
    series_close(series);
}

Test(series, torn_last_line_waits_for_its_rest) {
    const char *run = make_run("torn");
    append(run, "metrics.jsonl", "{\"kind\":\"step\",\"step\":1,\"loss\":2.5}\n{\"kind\":\"st");
    struct series *series = open_run(run);
    cr_expect_eq(series->step_count, 1);
    cr_expect_not(series_update(series));
    append(run, "metrics.jsonl", "ep\",\"step\":2,\"loss\":1.75}");
    cr_expect_not(series_update(series), "no newline yet");
    cr_expect_eq(series->step_count, 1);
    append(run, "metrics.jsonl", "\n{\"kind\":\"step\",\"step\":3,\"loss\":1.5}\n");
    cr_expect(series_update(series));
    cr_expect_eq(series->step_count, 3);
    cr_expect_float_eq(series->steps[1].loss, 1.75, 1e-12);
    cr_expect_eq(series->foreign, 0);
    series_close(series);
}

Test(series, file_that_grows_past_many_reads_is_read_once_and_whole) {
    const char *run = make_run("growing");
    append(run, "metrics.jsonl", "");
    struct series *series = open_run(run);
    enum { ROUNDS = 30, EACH = 317 };
    for (int round = 0; round < ROUNDS; round++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/metrics.jsonl", run);
        FILE *stream = fopen(path, "ab");
        for (int i = 0; i < EACH; i++) {
            (void)fprintf(stream, "{\"kind\":\"step\",\"step\":%d,\"epoch\":0.1,\"loss\":%.9g}\n",
                          round * EACH + i + 1, 2.385 / (1 + round));
        }
        (void)fclose(stream);
        cr_assert(series_update(series));
    }
    cr_assert_eq(series->step_count, ROUNDS * EACH);
    for (int i = 0; i < ROUNDS * EACH; i++) {
        cr_assert_eq(series->steps[i].step, i + 1);
    }
    series_close(series);
}

Test(series, numbers_that_are_not_finite_come_as_strings) {
    const char *run = make_run("nan");
    append(run, "metrics.jsonl",
           "{\"kind\":\"step\",\"step\":1,\"loss\":\"nan\",\"grad_norm\":\"inf\"}\n"
           "{\"kind\":\"step\",\"step\":2,\"loss\":\"-inf\",\"grad_norm\":0.5}\n"
           "{\"kind\":\"step\",\"step\":3,\"loss\":0.25,\"grad_norm\":0.5}\n");
    struct series *series = open_run(run);
    cr_expect_eq(series->step_count, 3);
    cr_expect(isnan(series->steps[0].loss));
    cr_expect(isinf(series->steps[0].grad_norm) && series->steps[0].grad_norm > 0);
    cr_expect(isinf(series->steps[1].loss) && series->steps[1].loss < 0);
    cr_expect(isnan(series->steps[2].rate), "absent: not a number");
    cr_expect_eq(series->nonfinite, 2);
    series_close(series);
}

#define CURVE                                                                                      \
    "{\"scheme\":\"euler\",\"true\":false,\"h\":[0.05,0.1,0.2,0.4],\"error\":[0.21,0.013,0.17,"    \
    "\"inf\"],\"slope\":0.972,\"interval\":0.031,\"expected\":1}"

Test(series, convergence_is_read_whole_and_the_latest_is_kept) {
    const char *run = make_run("dynamics");
    append(run, "metrics.jsonl",
           "{\"kind\":\"convergence\",\"step\":100,\"epoch\":1,\"seconds\":2.5,\"dt\":0.1,"
           "\"trained\":\"euler\",\"verdict\":\"FAIL-V\",\"floor\":0.2873,\"curves\":[" CURVE ","
           "{\"scheme\":\"rk4\",\"true\":true,\"h\":[0.1,0.2],\"error\":[\"nan\",1e-7],"
           "\"slope\":\"nan\",\"expected\":4}]}\n");
    struct series *series = open_run(run);
    const struct series_convergence *convergence = series->convergence;
    cr_assert_not_null(convergence);
    cr_expect(convergence->step == 100 && convergence->dt == 0.1 && convergence->floor == 0.2873);
    cr_expect(isnan(convergence->resolution), "not told");
    cr_expect_str_eq(convergence->trained, "euler");
    cr_expect_str_eq(convergence->verdict, "FAIL-V");
    cr_assert_eq(convergence->curve_count, 2);
    const struct series_curve *own = &convergence->curves[0], *truth = &convergence->curves[1];
    cr_expect(!own->is_true && own->count == 4 && own->h[1] == 0.1 && own->error[2] == 0.17);
    cr_expect(isinf(own->error[3]) && own->slope == 0.972 && own->interval == 0.031);
    cr_expect(truth->is_true && truth->count == 2 && isnan(truth->error[0]));
    cr_expect(isnan(truth->slope) && isnan(truth->interval) && truth->expected == 4);
    cr_expect_float_eq(series_convergence_ratio(convergence), 0.2873 / 0.013, 1e-12);
    cr_expect_not_null(strstr(series->notes[0], "2.5 s  convergence FAIL-V: "));
    append(run, "metrics.jsonl",
           "{\"kind\":\"convergence\",\"step\":200,\"dt\":0.1,\"trained\":\"euler\",\"verdict\":"
           "\"FAIL-V\",\"floor\":0.26,\"curves\":[" CURVE "]}\n"
           "{\"kind\":\"convergence\",\"step\":300,\"dt\":0.1,\"trained\":\"euler\",\"verdict\":"
           "\"PASS\",\"floor\":0.0143,\"curves\":[" CURVE "]}\n"
           "{\"kind\":\"convergence\",\"step\":400,\"curves\":[{\"scheme\":\"euler\"}]}\n");
    cr_expect(series_update(series));
    cr_expect_eq(series->convergence->step, 300);
    cr_expect_eq(series->foreign, 1, "no curve has a point");
    cr_assert_eq(series->ratio_count, 3);
    cr_expect_float_eq(series->ratios[1].ratio, 20, 1e-12);
    cr_expect_eq(series->ratios[2].step, 300);
    cr_expect_eq(series->note_count, 2, "a verdict that stays is no news");
    series_close(series);
}

Test(series, convergence_that_is_too_large_is_cut) {
    const char *run = make_run("large");
    append(run, "metrics.jsonl",
           "{\"kind\":\"convergence\",\"step\":1,\"curves\":[{\"scheme\":\"rk4\",\"h\":[1");
    for (int i = 0; i < 100; i++) {
        append(run, "metrics.jsonl", ",2");
    }
    append(run, "metrics.jsonl", "],\"error\":[1");
    for (int i = 0; i < 60; i++) {
        append(run, "metrics.jsonl", ",3");
    }
    append(run, "metrics.jsonl", "]}");
    for (int i = 0; i < 40; i++) {
        append(run, "metrics.jsonl", "," CURVE);
    }
    append(run, "metrics.jsonl", "]}\n");
    struct series *series = open_run(run);
    cr_assert_not_null(series->convergence);
    cr_expect_eq(series->convergence->curve_count, SERIES_CURVES);
    cr_expect_eq(series->convergence->curves[0].count, SERIES_POINTS);
    cr_expect(isnan(series_convergence_ratio(series->convergence)), "trained with nothing known");
    series_close(series);
}

Test(series, control_that_changes_the_steps_is_told_and_one_that_stays_is_not) {
    const char *run = make_run("control");
    append(
        run, "metrics.jsonl",
        "{\"kind\":\"control\",\"step\":50,\"epoch\":0.4,\"from\":2,\"to\":2,\"text\":\"as is\"}\n"
        "{\"kind\":\"control\",\"step\":100,\"epoch\":0.8,\"from\":2,\"to\":4,\"rule\":"
        "\"accuracy\",\"value\":0.21,\"threshold\":0.1,\"text\":\"0.21 > 0.1\"}\n"
        "{\"kind\":\"control\",\"step\":150,\"from\":4}\n");
    struct series *series = open_run(run);
    cr_assert_eq(series->control_count, 1);
    cr_expect(series->controls[0].step == 100 && series->controls[0].from == 2 &&
              series->controls[0].to == 4);
    cr_assert_eq(series->note_count, 1);
    cr_expect_not_null(strstr(series->notes[0], "step 100  N 2 -> 4: 0.21 > 0.1"));
    cr_expect_eq(series->foreign, 1);
    series_close(series);
}

Test(series, steps_that_are_controlled_are_those_in_force) {
    const char *run = make_run("steered");
    append(run, "metrics.jsonl",
           "{\"kind\":\"start\",\"steps\":900,\"trained\":{\"scheme\":\"euler\",\"steps\":3}}\n");
    struct series *series = open_run(run);
    cr_expect_eq(series_steps_at(series, 100), 3);
    append(run, "metrics.jsonl",
           "{\"kind\":\"control\",\"step\":50,\"from\":3,\"to\":6}\n"
           "{\"kind\":\"control\",\"step\":100,\"from\":6,\"to\":6}\n"
           "{\"kind\":\"control\",\"step\":150,\"from\":6,\"to\":5}\n");
    (void)series_update(series);
    static const int at[][2] = {{1, 3}, {50, 3}, {51, 6}, {150, 6}, {151, 5}, {900, 5}};
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(series_steps_at(series, at[i][0]), at[i][1], "step %d", at[i][0]);
    }
    cr_expect_eq(series->trained_steps, 5);
    series_close(series);
}

Test(series, checkpoints_of_small_epochs_do_not_flood_the_notes) {
    const char *run = make_run("often");
    char line[200];
    for (int step = 1; step <= 300; step++) {
        (void)snprintf(line, sizeof line,
                       "{\"kind\":\"step\",\"step\":%d,\"seconds\":%g,\"loss\":1}\n"
                       "{\"kind\":\"checkpoint\",\"step\":%d,\"path\":\"checkpoints/%06d.safetensors\"}\n",
                       step, 0.1 * step, step, step);
        append(run, "metrics.jsonl", line);
    }
    append(run, "metrics.jsonl", "{\"kind\":\"checkpoint\",\"path\":\"checkpoints/final.safetensors\"}\n");
    struct series *series = open_run(run);
    cr_assert_eq(series->note_count, 4, "%td", series->note_count);
    cr_expect_not_null(strstr(series->notes[0], "000001"));
    cr_expect_not_null(strstr(series->notes[1], "000101"), "%s", series->notes[1]);
    cr_expect_not_null(strstr(series->notes[3], "final"));
    series_close(series);
}

Test(series, of_evaluations_many_times_a_second_the_last_is_told) {
    const char *run = make_run("small");
    char line[200];
    for (int epoch = 1; epoch <= 50; epoch++) {
        (void)snprintf(line, sizeof line,
                       "{\"kind\":\"eval\",\"step\":%d,\"epoch\":%d,\"seconds\":%g,\"part\":\"valid\","
                       "\"loss\":0.5,\"accuracy\":0.25,\"count\":9}\n",
                       epoch, epoch, 0.0625 * epoch);
        append(run, "metrics.jsonl", line);
    }
    append(run, "metrics.jsonl", "{\"kind\":\"state\",\"seconds\":3,\"state\":\"done\"}\n");
    struct series *series = open_run(run);
    cr_expect_eq(series->eval_count, 50, "all are kept");
    cr_assert_eq(series->note_count, 6);
    static const char *const told[] = {"epoch 1 ",  "epoch 17 ", "epoch 33 ", "epoch 49 ",
                                       "epoch 50 ", "done"};
    for (int i = 0; i < 6; i++) {
        cr_expect_not_null(strstr(series->notes[i], told[i]), "%s", series->notes[i]);
    }
    series_close(series);
}

Test(series, verdict_that_names_itself_is_told_once) {
    const char *run = make_run("named");
    append(run, "metrics.jsonl",
           "{\"kind\":\"verdict\",\"pass\":false,\"text\":\"FAIL-V: 17 times\"}\n"
           "{\"kind\":\"verdict\",\"pass\":false,\"text\":\"gap 13.9 points\"}\n");
    struct series *series = open_run(run);
    cr_expect_not_null(strstr(series->notes[0], "verdict FAIL-V: 17 times"));
    cr_expect_not_null(strstr(series->notes[1], "verdict FAIL: gap 13.9 points"));
    series_close(series);
}

Test(series, evaluation_without_accuracy_is_told_without) {
    const char *run = make_run("regression");
    append(run, "metrics.jsonl",
           "{\"kind\":\"eval\",\"step\":9,\"epoch\":1,\"part\":\"valid\",\"loss\":3.17e-7,"
           "\"count\":500}\n");
    struct series *series = open_run(run);
    cr_expect_not_null(strstr(series->notes[0], "valid  epoch 1  loss 3.17e-07 of 500"), "%s",
                       series->notes[0]);
    series_close(series);
}

Test(series, foreign_lines_are_passed_over_and_counted) {
    const char *run = make_run("foreign");
    append(run, "metrics.jsonl",
           "hello world\n[1,2]\n{\"kind\":\"tomorrow\"}\n{\"kind\":\"step\",\"loss\":1}\n"
           "{\"kind\":\"probe\",\"step\":1,\"scheme\":\"\",\"steps\":4}\n\n"
           "{\"kind\":\"step\",\"step\":9,\"loss\":1.125}\n");
    struct series *series = open_run(run);
    cr_expect_eq(series->foreign, 5);
    cr_expect_eq(series->step_count, 1);
    series_close(series);
}

Test(series, control_bytes_of_a_foreign_run_do_not_reach_the_terminal) {
    const char *run = make_run("escape");
    append(run, "metrics.jsonl",
           "{\"kind\":\"note\",\"seconds\":1,\"text\":\"a\\u001b[2Jb\\nc\"}\n");
    struct series *series = open_run(run);
    cr_expect_not_null(strstr(series->notes[0], "a [2Jb c"));
    series_close(series);
}

Test(series, queued_run_without_metrics_is_a_run) {
    const char *run = make_run("2026-03-02T091412-waits-00ff");
    append(run, "config.json", "{\"name\":\"waits\"}");
    struct series *series = open_run(run);
    cr_expect_str_eq(series->state, "queued");
    cr_expect(isnan(series->steps_total));
    append(run, "metrics.jsonl", "{\"kind\":\"state\",\"seconds\":0,\"state\":\"done\"}\n");
    cr_expect(series_update(series));
    cr_expect(series_is_over(series));
    series_close(series);
}

Test(series, folder_that_is_no_run_is_refused) {
    struct error error;
    cr_expect_null(series_open("/nonexistent/run", &error));
    cr_expect_not_null(strstr(error.text, "/nonexistent/run"));
    const char *empty = make_run("empty");
    cr_expect_null(series_open(empty, &error));
    cr_expect_eq(error.code, ERROR_FORMAT);
    cr_expect_not_null(strstr(error.text, "neither config.json nor metrics.jsonl"));
}

Test(series, run_of_a_dead_process_is_lost) {
    const char *run = make_run("lost");
    char host[128] = "", text[300];
    cr_assert_eq(gethostname(host, sizeof host - 1), 0);
    append(run, "metrics.jsonl", "{\"kind\":\"state\",\"seconds\":0,\"state\":\"running\"}\n");
    (void)snprintf(text, sizeof text, "{\"host\":\"%s\",\"pid\":%ld}", host, 999999999L);
    append(run, "meta.json", text);
    struct series *series = open_run(run);
    cr_expect(series_is_lost(series));
    series_close(series);
    const char *alive = make_run("alive");
    (void)snprintf(text, sizeof text, "{\"host\":\"%s\",\"pid\":%ld}", host, (long)getpid());
    append(alive, "meta.json", text);
    append(alive, "metrics.jsonl", "");
    series = open_run(alive);
    cr_expect_not(series_is_lost(series));
    series_close(series);
}

Test(series, runs_are_found_by_folder_name_id_and_prefix) {
    static const char *const folders[] = {
        "2026-03-02T091412-fm-euler-3f2a", "2026-03-02T093100-fm-rk4-7c1e",
        "2026-03-03T080000-fm-euler-99aa", "2026-03-01T120000-spirals-0b0b"};
    for (int i = 0; i < 4; i++) {
        append(make_run(folders[i]), "metrics.jsonl", "");
    }
    (void)make_run("not-a-run");
    static const char *const cases[][2] = {{NULL, "2026-03-03T080000-fm-euler-99aa"},
                                           {"", "2026-03-03T080000-fm-euler-99aa"},
                                           {"fm-rk4", "2026-03-02T093100-fm-rk4-7c1e"},
                                           {"3f2a", "2026-03-02T091412-fm-euler-3f2a"},
                                           {"spi", "2026-03-01T120000-spirals-0b0b"},
                                           {"7c", "2026-03-02T093100-fm-rk4-7c1e"},
                                           {"fm-euler", "2026-03-03T080000-fm-euler-99aa"},
                                           {"2026-03-02T0914", "2026-03-02T091412-fm-euler-3f2a"}};
    char path[300];
    struct error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        error.text[0] = 0;
        cr_assert(series_find(root, cases[i][0], path, sizeof path, &error), "%s: %s", cases[i][0],
                  error.text);
        cr_expect_str_eq(strrchr(path, '/') + 1, cases[i][1]);
    }
    char folder[300];
    (void)snprintf(folder, sizeof folder, "%s/%s", root, folders[3]);
    cr_expect(series_find("elsewhere", folder, path, sizeof path, &error));
    cr_expect_str_eq(path, folder);
    cr_expect_not(series_find(root, "fm-", path, sizeof path, &error));
    cr_expect_not_null(strstr(error.text, "begins 3 runs"), "%s", error.text);
    cr_expect_not(series_find(root, "cifar", path, sizeof path, &error));
    cr_expect_not_null(strstr(error.text, "2026-03-03T080000-fm-euler-99aa"), "%s", error.text);
    cr_expect_not(series_find("/nonexistent", NULL, path, sizeof path, &error));
    cr_expect_not_null(strstr(error.text, "cn.train"), "%s", error.text);
    cr_expect_not(series_find(root, "3f2a", path, 10, &error));
}
