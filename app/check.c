#include "app/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/signals.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "lua/state.h"
#include "run/series.h"

enum { STATUS_ERROR = 1, STATUS_FAILED = 3, STATUS_INTERRUPTED = 130, NAME_COLUMN = 20 };

/* The verdict of a run that has none yet: its last weights on its own test data. */
static const char judge_code[] =
    "local path, data = ...\n"
    "local source = cn.data[data.source or '']\n"
    "if not source then error('its data came from a script; cn.verdict there makes one', 0) end\n"
    "data.source = nil\n"
    "local verdict = cn.verdict{ net = cn.load(path .. '/checkpoints/final.safetensors'),\n"
    "                            data = source(data) }\n"
    "return verdict.pass == true, verdict.text\n";

/* Fills in the series' verdict. False, said on standard error, when it cannot be measured. */
static bool judge(struct series *series) {
    struct error error;
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(series->config, "data");
    lua_State *L = state_create(&error);
    if (!L) {
        (void)fprintf(stderr, "continuo: %s\n", error.text);
        return false;
    }
    (void)fprintf(stderr, "run %s has no verdict yet; measuring\n", series->name);
    bool fine = state_load(L, judge_code, sizeof judge_code - 1, "check") == STATE_LOADED;
    if (fine) {
        lua_pushstring(L, series->path);
        if (data) {
            json_to_lua(L, data);
        } else {
            lua_newtable(L);
        }
        signals_set_running(true);
        fine = state_call(L, 2, 2);
        signals_set_running(false);
    }
    const char *text = lua_tostring(L, -1);
    if (fine) {
        series->verdict_pass = lua_toboolean(L, -2);
        (void)snprintf(series->verdict, sizeof series->verdict, "%s", text ? text : "no reason");
    } else {
        int len = (int)strcspn(text ? text : "", "\n"); /* the sentence without our own frames */
        (void)fprintf(stderr, "continuo: no verdict on run %s: %.*s\n", series->name, len,
                      text ? text : "");
    }
    state_close(L);
    return fine;
}

/* Fills in the series' verdict by its last convergence test, if it has any. */
static bool take_convergence(struct series *series) {
    const struct series_convergence *convergence = series->convergence;
    if (!convergence || !convergence->verdict[0]) {
        return false;
    }
    series->verdict_pass = strcmp(convergence->verdict, "PASS") == 0;
    (void)snprintf(series->verdict, sizeof series->verdict,
                   "%s: in the convergence test at step %.0f the error as h -> 0 is %.3g times "
                   "that at dt = %.3g",
                   convergence->verdict, convergence->step, series_convergence_ratio(convergence),
                   convergence->dt);
    return true;
}

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
    bool judged = series->verdict[0] != '\0' || take_convergence(series) || judge(series);
    bool passed = series->verdict_pass;
    if (judged) {
        const char *word = series_verdict_is_named(series) ? "" : passed ? "PASS  " : "FAIL  ";
        (void)printf("%-*s %s%s\n", NAME_COLUMN, series->name, word, series->verdict);
        (void)fflush(stdout);
    }
    series_close(series);
    return !judged ? STATUS_ERROR : passed ? 0 : STATUS_FAILED;
}

int check_run(const char *runs, const char *const *names, int count) {
    int status = 0;
    signals_open(2);
    for (int i = 0; i < count; i++) {
        int one = check_one(runs, names[i]);
        if (interrupt_pending()) {
            return STATUS_INTERRUPTED;
        }
        if (one == STATUS_FAILED || status == 0) {
            status = one;
        }
    }
    return status;
}
