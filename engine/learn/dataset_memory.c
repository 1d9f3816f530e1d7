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

static bool check_finite(const char *what, const float *values, ptrdiff_t count, ptrdiff_t len,
                         struct error *error) {
    for (ptrdiff_t i = 0; i < count * len; i++) {
        if (!isfinite(values[i])) {
            return error_set(error, ERROR_VALUE, "%s of sample %td is not finite (element %td)",
                             what, i / len + 1, i % len + 1);
        }
    }
    return true;
}

struct dataset *dataset_from_arrays(const float *values, const ptrdiff_t shape[4],
                                    const int32_t *labels, int classes, const float *targets,
                                    int outputs, ptrdiff_t valid, ptrdiff_t test,
                                    struct error *error) {
    if ((labels != NULL) == (targets != NULL)) {
        (void)error_set(error, ERROR_VALUE,
                        "a data set needs labels (to classify) or targets (to regress)%s",
                        labels ? ", not both" : "");
        return NULL;
    }
    if (targets && outputs < 1) {
        (void)error_set(error, ERROR_VALUE, "targets have %d values a sample; at least 1 is needed",
                        outputs);
        return NULL;
    }
    if (!check_shape(shape, valid, test, error)) {
        return NULL;
    }
    ptrdiff_t count = shape[0];
    struct division division = {count - valid - test, valid, test};
    struct dataset *set = dataset_new("memory", shape + 1, STORE_FLOATS, &division,
                                      labels ? classes : 0, targets ? outputs : 0, error);
    if (!set) {
        return NULL;
    }
    ptrdiff_t len = shape[1] * shape[2] * shape[3];
    if (!check_finite("a value", values, count, len, error) ||
        (labels && !check_labels(labels, count, classes, error)) ||
        (targets && !check_finite("a target", targets, count, outputs, error))) {
        dataset_free(set);
        return NULL;
    }
    memcpy(set->floats, values, (size_t)(count * len) * sizeof *values);
    if (labels) {
        memcpy(set->labels, labels, (size_t)count * sizeof *labels);
    } else {
        memcpy(set->targets, targets, (size_t)(count * outputs) * sizeof *targets);
    }
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_update(&hash, set->floats, (size_t)(count * len) * sizeof *values);
    sha256_end(&hash, set->digest);
    set->config = cJSON_CreateObject();
    cJSON_AddStringToObject(set->config, "source", "memory");
    double extents[4] = {(double)shape[0], (double)shape[1], (double)shape[2], (double)shape[3]};
    cJSON_AddItemToObject(set->config, "shape", cJSON_CreateDoubleArray(extents, 4));
    cJSON_AddNumberToObject(set->config, labels ? "classes" : "outputs",
                            labels ? classes : outputs);
    cJSON_AddNumberToObject(set->config, "valid", (double)valid);
    cJSON_AddNumberToObject(set->config, "test", (double)test);
    return set;
}
