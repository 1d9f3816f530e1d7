#include "run/series_convergence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/event_field.h"

/* Texts of a run folder are foreign: control bytes become blanks. */
static void copy(char *target, size_t size, const char *text) {
    (void)snprintf(target, size, "%s", text);
    for (; *target; target++) {
        *target = (unsigned char)*target < 0x20 || *target == 0x7f ? ' ' : *target;
    }
}

static void read_curve(struct series_curve *curve, const cJSON *item) {
    const cJSON *h = cJSON_GetObjectItemCaseSensitive(item, "h");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(item, "error");
    *curve = (struct series_curve){
        .is_true = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "true")),
        .slope = event_field_number(item, "slope"),
        .interval = event_field_number(item, "interval"),
        .expected = event_field_number(item, "expected"),
    };
    copy(curve->scheme, sizeof curve->scheme, event_field_text(item, "scheme"));
    h = cJSON_IsArray(h) ? h->child : NULL;
    error = cJSON_IsArray(error) ? error->child : NULL;
    for (; h && error && curve->count < SERIES_POINTS; h = h->next, error = error->next) {
        curve->h[curve->count] = event_field_value(h);
        curve->error[curve->count++] = event_field_value(error);
    }
}

bool series_convergence_read(struct series_convergence *convergence, const cJSON *event) {
    const cJSON *item = NULL;
    *convergence = (struct series_convergence){
        .step = event_field_number(event, "step"),
        .epoch = event_field_number(event, "epoch"),
        .dt = event_field_number(event, "dt"),
        .floor = event_field_number(event, "floor"),
        .resolution = event_field_number(event, "resolution"),
    };
    copy(convergence->trained, sizeof convergence->trained, event_field_text(event, "trained"));
    copy(convergence->verdict, sizeof convergence->verdict, event_field_text(event, "verdict"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(event, "curves")) {
        if (convergence->curve_count < SERIES_CURVES) {
            struct series_curve *curve = &convergence->curves[convergence->curve_count];
            read_curve(curve, item);
            convergence->curve_count += curve->scheme[0] != 0 && curve->count > 0;
        }
    }
    return isfinite(convergence->step) && convergence->curve_count > 0;
}

double series_convergence_ratio(const struct series_convergence *convergence) {
    for (int i = 0; i < convergence->curve_count; i++) {
        const struct series_curve *curve = &convergence->curves[i];
        for (int j = 0; j < curve->count && !curve->is_true; j++) {
            bool is_trained = strcmp(curve->scheme, convergence->trained) == 0 &&
                              fabs(curve->h[j] / convergence->dt - 1) < 1e-6;
            if (is_trained && curve->error[j] > 0) {
                return convergence->floor / curve->error[j];
            }
        }
    }
    return (double)NAN;
}
