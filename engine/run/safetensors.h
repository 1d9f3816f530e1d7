/* Named tensors in a file (safetensors): eight bytes with the length of a JSON header, the header
 * {"name": {"dtype", "shape", "data_offsets"}, ..., "__metadata__": {string: string}}, then the
 * data, row-major and little-endian. The header is padded with spaces so that the data begin at a
 * multiple of 64 bytes.
 *
 * A file is written whole or not at all, and read whole or refused: every type, shape and offset
 * is checked, and the tensors must cover the data without a gap or an overlap. Types are F32, F64
 * and I64; headers are at most 100 MB. */
#ifndef CONTINUO_RUN_SAFETENSORS_H
#define CONTINUO_RUN_SAFETENSORS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { TENSOR_RANK_MAX = 8, TENSOR_NAME_SIZE = 128 };
enum tensor_type { TENSOR_F32, TENSOR_F64, TENSOR_I64 };
extern const char *const tensor_type_names[]; /* "F32", "F64", "I64", NULL */

struct tensor {
    char name[TENSOR_NAME_SIZE];
    enum tensor_type type;
    int rank; /* 0: a scalar */
    ptrdiff_t shape[TENSOR_RANK_MAX];
    const void *data; /* borrowed when written; owned by the struct safetensors when read, there
                         aligned to 64 bytes */
};

struct safetensors {
    int count;
    struct tensor *tensors; /* in the order of their data */
    cJSON *metadata;        /* an object of strings, maybe empty */
    void *storage;
};

ptrdiff_t tensor_len(const struct tensor *tensor); /* elements: the product of the shape */
size_t tensor_element_size(enum tensor_type type); /* bytes */

/* Writes `count` tensors; metadata is an object of strings or NULL. False with *error set when the
 * file cannot be written; an old file of that name then stands as it was. Names must be distinct,
 * non-empty and not "__metadata__". */
bool safetensors_write(const char *path, const struct tensor *tensors, int count,
                       const cJSON *metadata, struct error *error);

/* Reads a file. NULL with *error set when it is missing, truncated, foreign or inconsistent. */
struct safetensors *safetensors_read(const char *path, struct error *error);
void safetensors_free(struct safetensors *file);

/* The tensor of that name, or NULL. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

/* The metadata string of that key, or NULL. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);

/* Writes a shape as "[16, 3, 3, 3]" to text and returns text. */
const char *tensor_shape_text(int rank, const ptrdiff_t *shape, char *text, size_t size);

#endif
