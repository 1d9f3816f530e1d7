/* Data sets made of arrays in memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/dataset_build.h"

static bool check_shape(const ptrdiff_t shape[4], ptrdiff_t valid, ptrdiff_t test,
                        struct error *error) {
    for (int i = 0; i < 4; i++) {
        if (shape[i] < 1) {
            return error_set(error, ERROR_VALUE,
                             "values of shape (%td, %td, %td, %td) hold nothing; every extent of "
                             "(count, channels, height, width) is at least 1",
                             shape[0], shape[1], shape[2], shape[3]);
        }
    }
    if (valid < 0 || test < 0 || valid >= shape[0] || test >= shape[0] - valid) {
        return error_set(error, ERROR_VALUE,
                         "valid = %td and test = %td cannot be taken off %td samples so that some "
                         "are left to train on",
                         valid, test, shape[0]);
    }
    return true;
}

static bool check_labels(const int32_t *labels, ptrdiff_t count, int classes, struct error *error) {
    if (classes < 1) {
        return error_set(error, ERROR_VALUE, "classes = %d; labels need at least 1 class", classes);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        if (labels[i] < 0 || labels[i] >= classes) {
            return error_set(error, ERROR_VALUE,
                             "label %td is %d; with classes = %d labels are 0 to %d", i + 1,
                             labels[i], classes, classes - 1);
        }
    }
    return true;
}

/* What a set is made of: one of the two kinds of values, labels or one kind of targets. */
struct given {
    const float *floats, *float_targets;
    const double *doubles, *double_targets;
    const int32_t *labels;
    ptrdiff_t count, len; /* values of a sample */
    int classes, outputs;
};

static bool check_finite(const char *what, const float *floats, const double *doubles,
                         ptrdiff_t count, ptrdiff_t len, struct error *error) {
    for (ptrdiff_t i = 0; i < count * len; i++) {
        if (!isfinite(floats ? (double)floats[i] : doubles[i])) {
            return error_set(error, ERROR_VALUE, "%s of sample %td is not finite (element %td)",
                             what, i / len + 1, i % len + 1);
        }
    }
    return true;
}

static bool check(const struct given *g, struct error *error) {
    return check_finite("a value", g->floats, g->doubles, g->count, g->len, error) &&
           (g->labels ? check_labels(g->labels, g->count, g->classes, error)
                      : check_finite("a target", g->float_targets, g->double_targets, g->count,
                                     g->outputs, error));
}

/* Copies what was given; the digest is of the values as they were. */
static void fill(struct dataset *set, const struct given *g) {
    const size_t values = (size_t)(g->count * g->len);
    struct sha256 hash;
    sha256_begin(&hash);
    if (g->floats) {
        memcpy(set->floats, g->floats, values * sizeof(float));
        sha256_update(&hash, g->floats, values * sizeof(float));
    } else {
        memcpy(set->doubles, g->doubles, values * sizeof(double));
        sha256_update(&hash, g->doubles, values * sizeof(double));
    }
    sha256_end(&hash, set->digest);
    if (g->labels) {
        memcpy(set->labels, g->labels, (size_t)g->count * sizeof *set->labels);
        return;
    }
    for (ptrdiff_t i = 0; i < g->count * g->outputs; i++) {
        set->targets[i] = g->float_targets ? (double)g->float_targets[i] : g->double_targets[i];
    }
}

static struct dataset *make(struct given *g, const ptrdiff_t shape[4], ptrdiff_t valid,
                            ptrdiff_t test, struct error *error) {
    const bool regression = g->float_targets || g->double_targets;
    if ((g->labels != NULL) == regression) {
        (void)error_set(error, ERROR_VALUE,
                        "a data set needs labels (to classify) or targets (to regress)%s",
                        regression ? ", not both" : "");
        return NULL;
    }
    if (regression && g->outputs < 1) {
        (void)error_set(error, ERROR_VALUE, "targets have %d values a sample; at least 1 is needed",
                        g->outputs);
        return NULL;
    }
    if (!check_shape(shape, valid, test, error)) {
        return NULL;
    }
    g->count = shape[0];
    g->len = shape[1] * shape[2] * shape[3];
    if (!check(g, error)) {
        return NULL;
    }
    const struct division division = {g->count - valid - test, valid, test};
    struct dataset *set =
        dataset_new("memory", shape + 1, g->floats ? STORE_FLOATS : STORE_DOUBLES, &division,
                    regression ? 0 : g->classes, regression ? g->outputs : 0, error);
    if (!set) {
        return NULL;
    }
    fill(set, g);
    set->config = cJSON_CreateObject();
    cJSON_AddStringToObject(set->config, "source", "memory");
    double extents[4] = {(double)shape[0], (double)shape[1], (double)shape[2], (double)shape[3]};
    cJSON_AddItemToObject(set->config, "shape", cJSON_CreateDoubleArray(extents, 4));
    cJSON_AddNumberToObject(set->config, regression ? "outputs" : "classes", set->outputs);
    cJSON_AddNumberToObject(set->config, "valid", (double)valid);
    cJSON_AddNumberToObject(set->config, "test", (double)test);
    return set;
}

struct dataset *dataset_from_arrays(const float *values, const ptrdiff_t shape[4],
                                    const int32_t *labels, int classes, const float *targets,
                                    int outputs, ptrdiff_t valid, ptrdiff_t test,
                                    struct error *error) {
    struct given given = {.floats = values,
                          .float_targets = targets,
                          .labels = labels,
                          .classes = classes,
                          .outputs = outputs};
    return make(&given, shape, valid, test, error);
}

struct dataset *dataset_from_doubles(const double *values, const ptrdiff_t shape[4],
                                     const int32_t *labels, int classes, const double *targets,
                                     int outputs, ptrdiff_t valid, ptrdiff_t test,
                                     struct error *error) {
    struct given given = {.doubles = values,
                          .double_targets = targets,
                          .labels = labels,
                          .classes = classes,
                          .outputs = outputs};
    return make(&given, shape, valid, test, error);
}
