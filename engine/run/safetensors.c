#include "run/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/aside.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are stored little-endian");

enum { ALIGNMENT = 64, LENGTH_SIZE = 8 };
static const uint64_t header_most = 100000000;
static const char metadata_key[] = "__metadata__";

const char *const tensor_type_names[] = {"F32", "F64", "I64", NULL};

size_t tensor_element_size(enum tensor_type type) {
    return type == TENSOR_F32 ? 4 : 8;
}

ptrdiff_t tensor_len(const struct tensor *tensor) {
    ptrdiff_t len = 1;
    for (int i = 0; i < tensor->rank; i++) {
        len *= tensor->shape[i];
    }
    return len;
}

static size_t tensor_size(const struct tensor *tensor) {
    return (size_t)tensor_len(tensor) * tensor_element_size(tensor->type);
}

const char *tensor_shape_text(int rank, const ptrdiff_t *shape, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, i ? ", %td" : "%td", shape[i]);
    }
    if (used < size) {
        (void)snprintf(text + used, size - used, "]");
    }
    return text;
}

/* ---- writing ---- */

static cJSON *header_of(const struct tensor *tensors, int count, const cJSON *metadata) {
    cJSON *header = cJSON_CreateObject();
    for (const cJSON *item = metadata ? metadata->child : NULL; item; item = item->next) {
        assert(cJSON_IsString(item));
    }
    if (metadata && metadata->child) {
        cJSON_AddItemToObject(header, metadata_key, cJSON_Duplicate(metadata, true));
    }
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const struct tensor *tensor = &tensors[i];
        assert(tensor->name[0] && strcmp(tensor->name, metadata_key) != 0);
        assert(tensor->rank >= 0 && tensor->rank <= TENSOR_RANK_MAX);
        cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
        cJSON_AddStringToObject(entry, "dtype", tensor_type_names[tensor->type]);
        cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
        for (int d = 0; d < tensor->rank; d++) {
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->shape[d]));
        }
        cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)offset));
        offset += tensor_size(tensor);
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)offset));
    }
    return header;
}

bool safetensors_write(const char *path, const struct tensor *tensors, int count,
                       const cJSON *metadata, struct error *error) {
    cJSON *header = header_of(tensors, count, metadata);
    char *text = cJSON_PrintUnformatted(header);
    cJSON_Delete(header);
    if (!text) {
        return error_set(error, ERROR_MEMORY, "no memory for the header of %s", path);
    }
    struct aside aside;
    if (!aside_open(&aside, path, error)) {
        cJSON_free(text);
        return false;
    }
    uint64_t text_len = strlen(text);
    uint64_t padding = (ALIGNMENT - (LENGTH_SIZE + text_len) % ALIGNMENT) % ALIGNMENT;
    uint64_t header_len = text_len + padding;
    (void)fwrite(&header_len, LENGTH_SIZE, 1, aside.stream);
    (void)fwrite(text, 1, text_len, aside.stream);
    (void)fprintf(aside.stream, "%*s", (int)padding, "");
    cJSON_free(text);
    for (int i = 0; i < count; i++) {
        if (tensor_len(&tensors[i]) > 0) {
            (void)fwrite(tensors[i].data, 1, tensor_size(&tensors[i]), aside.stream);
        }
    }
    return aside_commit(&aside, error);
}

/* ---- reading ---- */

struct range { /* where a tensor's bytes lie in the data of the file */
    uint64_t begin, end;
    int index;
};

struct reader {
    const char *path;
    FILE *stream;
    uint64_t data_size; /* bytes behind the header */
    struct error *error;
};

/* Reads a whole number in 0..2^53. */
static bool whole(const cJSON *item, uint64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > 0x1p53 ||
        item->valuedouble != floor(item->valuedouble)) {
        return false;
    }
    *value = (uint64_t)item->valuedouble;
    return true;
}

static bool read_shape(struct reader *reader, struct tensor *tensor, const cJSON *shape,
                       uint64_t *size) {
    int rank = cJSON_IsArray(shape) ? cJSON_GetArraySize(shape) : -1;
    if (rank < 0 || rank > TENSOR_RANK_MAX) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: tensor \"%s\" has no shape of 0 to %d numbers",
                         reader->path, tensor->name, TENSOR_RANK_MAX);
    }
    tensor->rank = rank;
    *size = tensor_element_size(tensor->type);
    int axis = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, shape) {
        uint64_t extent;
        if (!whole(item, &extent)) {
            return error_set(reader->error, ERROR_FORMAT,
                             "%s is damaged: axis %d of the shape of tensor \"%s\" is not a whole "
                             "number of 0 or more",
                             reader->path, axis, tensor->name);
        }
        if (__builtin_mul_overflow(*size, extent, size)) {
            return error_set(reader->error, ERROR_FORMAT,
                             "%s is damaged: the shape of tensor \"%s\" is larger than any memory",
                             reader->path, tensor->name);
        }
        tensor->shape[axis++] = (ptrdiff_t)extent;
    }
    return true;
}

static bool read_entry(struct reader *reader, struct tensor *tensor, struct range *range,
                       const cJSON *entry) {
    const char *name = entry->string;
    if (!name[0] || strlen(name) >= TENSOR_NAME_SIZE) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s has a tensor with a name of %zu characters; 1 to %d are read",
                         reader->path, strlen(name), TENSOR_NAME_SIZE - 1);
    }
    (void)strcpy(tensor->name, name);
    if (!cJSON_IsObject(entry)) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: the entry of tensor \"%s\" is not a JSON object",
                         reader->path, name);
    }
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    int found = -1;
    for (int i = 0; type && tensor_type_names[i]; i++) {
        found = strcmp(type, tensor_type_names[i]) == 0 ? i : found;
    }
    if (found < 0) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s: tensor \"%s\" is of type %.20s; F32, F64 and I64 are read, so "
                         "convert it first",
                         reader->path, name, type ? type : "none");
    }
    tensor->type = (enum tensor_type)found;
    uint64_t size = 0;
    if (!read_shape(reader, tensor, cJSON_GetObjectItemCaseSensitive(entry, "shape"), &size)) {
        return false;
    }
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole(cJSON_GetArrayItem(offsets, 0), &range->begin) ||
        !whole(cJSON_GetArrayItem(offsets, 1), &range->end) || range->begin > range->end) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: tensor \"%s\" has no data_offsets [begin, end]",
                         reader->path, name);
    }
    if (range->end - range->begin != size) {
        char shape[160];
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: tensor \"%s\" of shape %s needs %" PRIu64
                         " bytes but its offsets hold %" PRIu64,
                         reader->path, name,
                         tensor_shape_text(tensor->rank, tensor->shape, shape, sizeof shape), size,
                         range->end - range->begin);
    }
    if (range->end > reader->data_size) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is truncated: tensor \"%s\" ends at byte %" PRIu64
                         " of the data, which end at %" PRIu64 "; fetch or save it again",
                         reader->path, name, range->end, reader->data_size);
    }
    return true;
}

static int compare_ranges(const void *a, const void *b) {
    const struct range *p = a, *q = b;
    if (p->begin != q->begin) {
        return p->begin < q->begin ? -1 : 1;
    }
    if (p->end != q->end) { /* an empty tensor comes before what starts at the same byte */
        return p->end < q->end ? -1 : 1;
    }
    return p->index - q->index;
}

static int compare_names(const void *a, const void *b) {
    const struct tensor *const *p = a, *const *q = b;
    return strcmp((*p)->name, (*q)->name);
}

static bool check_names(struct reader *reader, const struct safetensors *file) {
    const struct tensor **sorted = calloc((size_t)file->count + 1, sizeof *sorted);
    if (!sorted) {
        return error_set(reader->error, ERROR_MEMORY, "no memory to read %s", reader->path);
    }
    for (int i = 0; i < file->count; i++) {
        sorted[i] = &file->tensors[i];
    }
    qsort(sorted, (size_t)file->count, sizeof *sorted, compare_names);
    bool good = true;
    for (int i = 1; good && i < file->count; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
            good = error_set(reader->error, ERROR_FORMAT,
                             "%s is damaged: tensor \"%s\" is there twice", reader->path,
                             sorted[i]->name);
        }
    }
    free(sorted);
    return good;
}

/* Checks that ranges, sorted by begin, cover the data exactly once. */
static bool check_cover(struct reader *reader, const struct safetensors *file,
                        const struct range *ranges) {
    uint64_t end = 0;
    for (int i = 0; i < file->count; i++) {
        if (ranges[i].begin != end) {
            return error_set(reader->error, ERROR_FORMAT,
                             "%s is damaged: tensor \"%s\" begins at byte %" PRIu64
                             " of the data, where %" PRIu64 " was expected (%s)",
                             reader->path, file->tensors[ranges[i].index].name, ranges[i].begin,
                             end, ranges[i].begin < end ? "an overlap" : "a gap");
        }
        end = ranges[i].end;
    }
    if (end != reader->data_size) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: its tensors need %" PRIu64 " bytes but %" PRIu64
                         " follow the header",
                         reader->path, end, reader->data_size);
    }
    return true;
}

static bool read_metadata(struct reader *reader, struct safetensors *file, const cJSON *entry) {
    if (cJSON_GetArraySize(file->metadata) > 0) {
        return error_set(reader->error, ERROR_FORMAT, "%s is damaged: __metadata__ is there twice",
                         reader->path);
    }
    if (!cJSON_IsObject(entry)) {
        return error_set(reader->error, ERROR_FORMAT,
                         "%s is damaged: __metadata__ is not a JSON object", reader->path);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, entry) {
        if (!cJSON_IsString(item)) {
            return error_set(reader->error, ERROR_FORMAT,
                             "%s is damaged: \"%.80s\" in __metadata__ is not a string",
                             reader->path, item->string);
        }
        cJSON_AddStringToObject(file->metadata, item->string, item->valuestring);
    }
    return true;
}

/* Fills file->tensors in the order of the data, and ranges[i] for tensor i. */
static bool read_entries(struct reader *reader, struct safetensors *file, const cJSON *header,
                         struct range *ranges, struct tensor *unsorted) {
    int count = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, header) {
        if (strcmp(entry->string, metadata_key) == 0) {
            if (!read_metadata(reader, file, entry)) {
                return false;
            }
            continue;
        }
        if (!read_entry(reader, &unsorted[count], &ranges[count], entry)) {
            return false;
        }
        ranges[count].index = count;
        count++;
    }
    file->count = count;
    qsort(ranges, (size_t)count, sizeof *ranges, compare_ranges);
    for (int i = 0; i < count; i++) {
        file->tensors[i] = unsorted[ranges[i].index];
        ranges[i].index = i;
    }
    return check_names(reader, file) && check_cover(reader, file, ranges);
}

static bool read_tensors(struct reader *reader, struct safetensors *file, const cJSON *header) {
    size_t entries = (size_t)cJSON_GetArraySize(header) + 1;
    struct range *ranges = calloc(entries, sizeof *ranges);
    struct tensor *unsorted = calloc(entries, sizeof *unsorted);
    file->tensors = calloc(entries, sizeof *file->tensors);
    bool good = ranges && unsorted && file->tensors;
    if (!good) {
        (void)error_set(reader->error, ERROR_MEMORY, "no memory to read %s", reader->path);
    }
    good = good && read_entries(reader, file, header, ranges, unsorted);
    free(ranges);
    free(unsorted);
    if (!good) {
        return false;
    }
    size_t total = ALIGNMENT; /* every tensor is moved to an aligned place */
    for (int i = 0; i < file->count; i++) {
        total += (tensor_size(&file->tensors[i]) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    file->storage = aligned_alloc(ALIGNMENT, total);
    if (!file->storage) {
        return error_set(reader->error, ERROR_MEMORY, "no memory for the %zu bytes of %s", total,
                         reader->path);
    }
    unsigned char *place = file->storage;
    for (int i = 0; i < file->count; i++) {
        size_t size = tensor_size(&file->tensors[i]);
        if (fread(place, 1, size, reader->stream) != size) {
            return error_set(reader->error, ERROR_FILE, "%s could not be read to its end: %s",
                             reader->path,
                             ferror(reader->stream) ? strerror(errno) : "it became shorter");
        }
        file->tensors[i].data = place;
        place += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return true;
}

/* Reads and parses the header; sets reader->data_size. */
static cJSON *read_header(struct reader *reader) {
    struct stat status;
    uint64_t len;
    if (fstat(fileno(reader->stream), &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)error_set(reader->error, ERROR_FILE, "%s is not a regular file", reader->path);
        return NULL;
    }
    uint64_t size = (uint64_t)status.st_size;
    if (size < LENGTH_SIZE + 2 || fread(&len, LENGTH_SIZE, 1, reader->stream) != 1) {
        (void)error_set(reader->error, ERROR_FORMAT,
                        "%s is not a safetensors file: it has %" PRIu64 " bytes, the least is 10",
                        reader->path, size);
        return NULL;
    }
    if (len > header_most) {
        (void)error_set(reader->error, ERROR_FORMAT,
                        "%s is not a safetensors file: its first eight bytes ask for a header of "
                        "%" PRIu64 " bytes, the most is %" PRIu64,
                        reader->path, len, header_most);
        return NULL;
    }
    if (len > size - LENGTH_SIZE) {
        (void)error_set(reader->error, ERROR_FORMAT,
                        "%s is truncated or not a safetensors file: a header of %" PRIu64
                        " bytes is announced, %" PRIu64 " follow",
                        reader->path, len, size - LENGTH_SIZE);
        return NULL;
    }
    reader->data_size = size - LENGTH_SIZE - len;
    char *text = malloc((size_t)len + 1);
    if (!text || fread(text, 1, (size_t)len, reader->stream) != len) {
        (void)error_set(reader->error, text ? ERROR_FILE : ERROR_MEMORY,
                        "the header of %s could not be read", reader->path);
        free(text);
        return NULL;
    }
    text[len] = '\0';
    const char *end = text;
    cJSON *header =
        text[0] == '{' ? cJSON_ParseWithLengthOpts(text, (size_t)len + 1, &end, false) : NULL;
    if (!cJSON_IsObject(header) || strspn(end, " \t\r\n") != (size_t)(text + len - end)) {
        (void)error_set(reader->error, ERROR_FORMAT,
                        "%s is not a safetensors file: its header of %" PRIu64
                        " bytes is not a JSON object (at byte %td)",
                        reader->path, len, end - text);
        cJSON_Delete(header);
        header = NULL;
    }
    free(text);
    return header;
}

struct safetensors *safetensors_read(const char *path, struct error *error) {
    struct reader reader = {.path = path, .error = error, .stream = fopen(path, "rbe")};
    if (!reader.stream) {
        (void)error_set(error, ERROR_FILE, "%s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    struct safetensors *file = calloc(1, sizeof *file);
    cJSON *header = file ? read_header(&reader) : NULL;
    bool good = header != NULL;
    if (good) {
        file->metadata = cJSON_CreateObject();
        good = read_tensors(&reader, file, header);
    }
    cJSON_Delete(header);
    (void)fclose(reader.stream);
    if (!good) {
        safetensors_free(file);
        return NULL;
    }
    return file;
}

void safetensors_free(struct safetensors *file) {
    if (file) {
        free(file->tensors);
        free(file->storage);
        cJSON_Delete(file->metadata);
        free(file);
    }
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name) {
    for (int i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    return NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file->metadata, key));
}
