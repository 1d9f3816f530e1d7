/* Run folders with invented numbers, for the tests of what shows them: a run trained inside Euler,
 * whose accuracy falls by 13.9 points as its steps are refined, and one inside RK4, which stays;
 * the same pair for nets that learn dynamics. */
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

/* Writes root/<time>-<name>-<id> up to training step `until`; 0: queued. Without `probes` it is a
 * net that learns dynamics, which has no accuracy. Returns its path. */
static inline const char *fake_run_of(const char *root, const char *name, bool is_euler, int until,
                                      bool probes) {
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
                      "27370,\"trained\":{\"scheme\":\"%s\",\"steps\":1},\"nodes\":1%s}\n",
                      FAKE_STEPS, is_euler ? "euler" : "rk4",
                      probes ? ",\"probe\":{\"schemes\":[\"euler\",\"midpoint\",\"rk4\"],\"steps\":"
                               "[1,2,4,8,16],\"count\":1000}"
                             : "");
    }
    for (int step = 1; step <= until; step++) {
        double noise = 0.2 * sin(12.9898 * step),
               fall = 0.25 + 2.1 * exp(-step / 90.0) + (is_euler ? 0 : 0.15);
        (void)fprintf(
            file,
            "{\"kind\":\"step\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
            "\"loss\":%.4g,\"rate\":0.05,\"grad_norm\":%.4g,\"images_per_second\":1805}\n",
            step, step / 430.0, 0.07 * step, fall * (1 + noise), 0.5 + 2 * exp(-step / 300.0));
        if (step % 100 == 0 && probes) {
            fake_probes(file, is_euler, "probe", step);
        }
        if (step % 430 == 0) {
            (void)fprintf(file,
                          "{\"kind\":\"eval\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
                          "\"part\":\"valid\",\"loss\":0.41%s,\"count\":5000}\n",
                          step, step / 430.0, 0.07 * step, probes ? ",\"accuracy\":0.853" : "");
        }
    }
    if (until == FAKE_STEPS) {
        (void)fprintf(file, "{\"kind\":\"state\",\"seconds\":90.3,\"state\":\"done\"}\n");
    }
    (void)fclose(file);
    return path;
}

static inline const char *fake_run(const char *root, const char *name, bool is_euler, int until) {
    return fake_run_of(root, name, is_euler, until, true);
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

/* Appends a convergence event of schemes euler, midpoint, rk4 with dt 0.1: of a net whose field
 * holds the error of Euler (a V at dt, the rest at the limit), or of one that is an ODE. */
static inline void fake_convergence(const char *path, int step, bool is_euler, double limit) {
    static const struct {
        const char *name;
        int order;
        double constant;
    } schemes[] = {{"euler", 1, 3}, {"midpoint", 2, 0.8}, {"rk4", 4, 0.02}};
    static char line[8192];
    int used = snprintf(line, sizeof line,
                        "{\"kind\":\"convergence\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,"
                        "\"dt\":0.1,\"trained\":\"%s\",\"verdict\":\"%s\",\"floor\":%.9g,"
                        "\"curves\":[",
                        step, step / 430.0, 0.07 * step, is_euler ? "euler" : "rk4",
                        is_euler ? "FAIL-V" : "PASS", limit);
    for (int i = 0; i < 6; i++) {
        bool is_true = i % 2;
        char h[400] = "", error[400] = "";
        for (int j = -6; j <= 4; j++) {
            double step_size = 0.1 * exp2(j), own = schemes[i / 2].constant;
            own *= pow(step_size, schemes[i / 2].order);
            double value = is_true ? own : own + limit;
            if (is_euler && !is_true && i == 0) {
                value = limit * fabs(1 - exp2(j)) + 0.00141;
            }
            size_t at = strlen(h), at_error = strlen(error);
            (void)snprintf(h + at, sizeof h - at, "%s%.9g", j > -6 ? "," : "", step_size);
            (void)snprintf(error + at_error, sizeof error - at_error,
                           i == 1 && j == 4 ? "%s\"inf\"" : "%s%.9g", j > -6 ? "," : "", value);
        }
        used += snprintf(line + used, sizeof line - (size_t)used,
                         "%s{\"scheme\":\"%s\",\"true\":%s,\"h\":[%s],\"error\":[%s],"
                         "\"slope\":%.4g,\"interval\":0.023,\"expected\":%d}",
                         i ? "," : "", schemes[i / 2].name, is_true ? "true" : "false", h, error,
                         schemes[i / 2].order * (is_true ? 1.002 : 0.987), schemes[i / 2].order);
    }
    (void)snprintf(line + used, sizeof line - (size_t)used, "]}");
    fake_append(path, line);
}

#endif
