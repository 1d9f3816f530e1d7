/* Reading the files of tests/reference in tests: numbers as doubles, comparisons with a scale. */
#ifndef CONTINUO_TESTS_REFERENCE_H
#define CONTINUO_TESTS_REFERENCE_H

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/safetensors.h"

#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

/* A file of tests/reference by its stem. */
static inline struct safetensors *reference_open(const char *stem) {
    char path[1024];
    snprintf(path, sizeof path, "%s/reference/%s.safetensors", TESTS_DIR, stem);
    struct error error;
    struct safetensors *file = safetensors_read(path, &error);
    cr_assert_not_null(file, "%s", error.text);
    return file;
}

/* A metadata entry, parsed; the caller deletes it. */
static inline cJSON *reference_json(const struct safetensors *file, const char *key) {
    const char *text = safetensors_metadata(file, key);
    cr_assert_not_null(text, "no metadata \"%s\"", key);
    cJSON *json = cJSON_Parse(text);
    cr_assert_not_null(json, "metadata \"%s\" is not JSON", key);
    return json;
}

static inline const struct tensor *reference_tensor(const struct safetensors *file,
                                                    const char *name) {
    const struct tensor *tensor = safetensors_find(file, name);
    cr_assert_not_null(tensor, "no tensor %s", name);
    return tensor;
}

/* The entries of a tensor; the caller frees them. */
static inline double *reference_doubles(const struct safetensors *file, const char *name) {
    const struct tensor *tensor = reference_tensor(file, name);
    const ptrdiff_t len = tensor_len(tensor);
    double *values = malloc((size_t)len * sizeof *values);
    cr_assert_not_null(values);
    for (ptrdiff_t i = 0; i < len; i++) {
        values[i] = tensor->type == TENSOR_F32 ? (double)((const float *)tensor->data)[i]
                                               : ((const double *)tensor->data)[i];
    }
    return values;
}

static inline double largest(const double *values, ptrdiff_t len) {
    double most = 0.0;
    for (ptrdiff_t i = 0; i < len; i++) {
        most = fmax(most, fabs(values[i]));
    }
    return most;
}

/* The largest |ours - theirs| over len entries, ours taken with a stride; infinite when one of
 * them is not finite. */
static inline double largest_error(const double *ours, ptrdiff_t stride, const double *theirs,
                                   ptrdiff_t len) {
    double most = 0.0;
    for (ptrdiff_t i = 0; i < len; i++) {
        const double error = fabs(ours[i * stride] - theirs[i]);
        most = error <= most ? most : isfinite(error) ? error : (double)INFINITY;
    }
    return most;
}

#endif
