#include "app/check.h"

#include <stdbool.h>
#include <stdio.h>

#include "run/series.h"

enum { STATUS_ERROR = 1, STATUS_FAILED = 3, NAME_COLUMN = 20 };

/* Prints one run; 0, STATUS_FAILED or STATUS_ERROR. */
static int check_one(const char *runs, const char *name) {
    struct error error;
    char path[512];
    struct series *series = NULL;
    if (!series_find(runs, name, path, sizeof path, &error) ||
        !(series = series_open(path, &error))) {
        (void)fprintf(stderr, "continuo: %s\n", error.text);
        return STATUS_ERROR;
    }
    (void)series_update(series);
    bool judged = series->verdict[0] != '\0', passed = series->verdict_pass;
    if (judged) {
        (void)printf("%-*s %s  %s\n", NAME_COLUMN, series->name, passed ? "PASS" : "FAIL",
                     series->verdict);
    } else {
        (void)fprintf(stderr,
                      "continuo: run %s (%s) has no verdict; cn.verdict in its script makes one\n",
                      series->name, series->state[0] ? series->state : "not started");
    }
    series_close(series);
    return !judged ? STATUS_ERROR : passed ? 0 : STATUS_FAILED;
}

int check_run(const char *runs, const char *const *names, int count) {
    int status = 0;
    for (int i = 0; i < count; i++) {
        int one = check_one(runs, names[i]);
        if (one == STATUS_FAILED || status == 0) {
            status = one;
        }
    }
    return status;
}
