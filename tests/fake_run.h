/* Run folders with invented numbers, for the tests of what shows them: a run trained inside Euler,
 * whose accuracy falls by 13.9 points as its steps are refined, and one inside RK4, which stays. */
#ifndef CONTINUO_TESTS_FAKE_RUN_H
#define CONTINUO_TESTS_FAKE_RUN_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FAKE_STEPS = 1290 };

/* Percent; 87.8 as trained. */
static inline double fake_accuracy(bool is_euler, const char *scheme, int steps) {
    double h = 1.0 / steps;
    int order = strcmp(scheme, "euler") == 0 ? 1 : strcmp(scheme, "rk4") == 0 ? 4 : 2;
    if (is_euler) {
        return order == 1 ? 73.9 + 13.9 * h : 73.9 + 3.475 * pow(h, order);
    }
    return order == 1 ? 88.0 - 6.0 * h : order == 2 ? 88.0 - 0.5 * h * h : 88.0;
}

static inline void fake_probes(FILE *file, bool is_euler, const char *kind, int step) {
    static const char *const schemes[] = {"euler", "midpoint", "rk4"};
    for (int scheme = 0; scheme < 3; scheme++) {
        for (int steps = 1; steps <= 16; steps *= 2) {
            double accuracy = fake_accuracy(is_euler, schemes[scheme], steps) / 100;
            (void)fprintf(file,
                          "{\"kind\":\"%s\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
                          "\"scheme\":\"%s\",\"steps\":%d,\"loss\":%.4g,\"accuracy\":%.6g,"
                          "\"count\":1000}\n",
                          kind, step, step / 430.0, 0.07 * step, schemes[scheme], steps,
                          1 - accuracy, accuracy);
        }
    }
}

/* Writes root/<time>-<name>-<id> up to training step `until`; 0: queued. Returns its path. */
static inline const char *fake_run(const char *root, const char *name, bool is_euler, int until) {
    static char paths[8][256];
    static int count;
    char *path = paths[count % 8], file_name[600];
    (void)snprintf(path, sizeof paths[0], "%s/2026-03-02T0914%02d-%s-%04x", root, 10 + count, name,
                   0x3f2a + count);
    count++;
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)snprintf(file_name, sizeof file_name, "%s/config.json", path);
    FILE *file = fopen(file_name, "w");
    (void)fprintf(file, "{\"name\":\"%s\"}", name);
    (void)fclose(file);
    (void)snprintf(file_name, sizeof file_name, "%s/metrics.jsonl", path);
    file = fopen(file_name, "w");
    (void)fprintf(file, "{\"kind\":\"state\",\"seconds\":0,\"state\":\"queued\"}\n");
    if (until > 0) {
        (void)fprintf(file,
                      "{\"kind\":\"state\",\"seconds\":0,\"state\":\"running\"}\n"
                      "{\"kind\":\"start\",\"steps\":%d,\"epochs\":3,\"batch\":128,\"parameters\":"
                      "27370,\"trained\":{\"scheme\":\"%s\",\"steps\":1},\"nodes\":1,\"probe\":{"
                      "\"schemes\":[\"euler\",\"midpoint\",\"rk4\"],\"steps\":[1,2,4,8,16],"
                      "\"count\":1000}}\n",
                      FAKE_STEPS, is_euler ? "euler" : "rk4");
    }
    for (int step = 1; step <= until; step++) {
        double noise = 0.2 * sin(12.9898 * step),
               fall = 0.25 + 2.1 * exp(-step / 90.0) + (is_euler ? 0 : 0.15);
        (void)fprintf(
            file,
            "{\"kind\":\"step\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
            "\"loss\":%.4g,\"rate\":0.05,\"grad_norm\":%.4g,\"images_per_second\":1805}\n",
            step, step / 430.0, 0.07 * step, fall * (1 + noise), 0.5 + 2 * exp(-step / 300.0));
        if (step % 100 == 0) {
            fake_probes(file, is_euler, "probe", step);
        }
        if (step % 430 == 0) {
            (void)fprintf(file,
                          "{\"kind\":\"eval\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
                          "\"part\":\"valid\",\"loss\":0.41,\"accuracy\":0.853,\"count\":5000}\n",
                          step, step / 430.0, 0.07 * step);
        }
    }
    if (until == FAKE_STEPS) {
        (void)fprintf(file, "{\"kind\":\"state\",\"seconds\":90.3,\"state\":\"done\"}\n");
    }
    (void)fclose(file);
    return path;
}

/* Appends a line to the run's metrics. */
static inline void fake_append(const char *path, const char *line) {
    char file_name[600];
    (void)snprintf(file_name, sizeof file_name, "%s/metrics.jsonl", path);
    FILE *file = fopen(file_name, "a");
    cr_assert_not_null(file);
    (void)fprintf(file, "%s\n", line);
    (void)fclose(file);
}

#endif
