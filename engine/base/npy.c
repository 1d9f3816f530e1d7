#include "base/npy.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/aside.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are stored little-endian");

enum { ALIGNMENT = 64, HEADER_MOST = 65536 };
static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

const char *const npy_type_names[] = {"f4", "f8", "i8", "i4", "u1", NULL};

size_t npy_element_size(enum npy_type type) {
    static const size_t sizes[] = {4, 8, 8, 4, 1};
    return sizes[type];
}

bool npy_write(const char *path, const struct npy *array, struct error *error) {
    char header[512];
    size_t used = (size_t)snprintf(header, sizeof header,
                                   "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                                   array->type == NPY_U1 ? '|' : '<', npy_type_names[array->type]);
    ptrdiff_t len = 1;
    for (int i = 0; i < array->rank; i++) {
        used += (size_t)snprintf(header + used, sizeof header - used, i ? " %td," : "%td,",
                                 array->shape[i]);
        len *= array->shape[i];
    }
    if (array->rank > 1) {
        used--; /* only a tuple of one needs the comma */
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "), }");
    const size_t before = sizeof magic + 2 + 2; /* magic, version, length of the header */
    size_t padding = (ALIGNMENT - (before + used + 1) % ALIGNMENT) % ALIGNMENT;
    assert(used + padding + 1 < sizeof header);
    memset(header + used, ' ', padding);
    used += padding;
    header[used++] = '\n';

    struct aside aside;
    if (!aside_open(&aside, path, error)) {
        return false;
    }
    const unsigned char start[] = {1, 0, (unsigned char)(used & 255), (unsigned char)(used >> 8)};
    (void)fwrite(magic, 1, sizeof magic, aside.stream);
    (void)fwrite(start, 1, sizeof start, aside.stream);
    (void)fwrite(header, 1, used, aside.stream);
    if (len > 0) {
        (void)fwrite(array->data, npy_element_size(array->type), (size_t)len, aside.stream);
    }
    return aside_commit(&aside, error);
}

/* ---- reading: the header is the text of a Python dictionary ---- */

struct parser {
    const char *path, *at;
    struct error *error;
    char type[64];
    bool fortran;
    int rank;
    ptrdiff_t shape[NPY_RANK_MAX];
    unsigned seen; /* bits: descr, fortran_order, shape */
};

static bool damaged(const struct parser *parser, const char *what) {
    return error_set(parser->error, ERROR_FORMAT, "%s is damaged: its .npy header %s", parser->path,
                     what);
}

static void skip_space(struct parser *parser) {
    while (*parser->at && isspace((unsigned char)*parser->at)) {
        parser->at++;
    }
}

/* Passes over a mark if it comes next. */
static bool take(struct parser *parser, const char *mark) {
    skip_space(parser);
    size_t len = strlen(mark);
    if (strncmp(parser->at, mark, len) != 0) {
        return false;
    }
    parser->at += len;
    return true;
}

static bool take_text(struct parser *parser, char *text, size_t size) {
    skip_space(parser);
    char quote = *parser->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(parser->at + 1, quote) : NULL;
    if (!end || (size_t)(end - parser->at) > size) {
        return false;
    }
    size_t len = (size_t)(end - parser->at - 1);
    memcpy(text, parser->at + 1, len);
    text[len] = '\0';
    parser->at = end + 1;
    return true;
}

static bool take_shape(struct parser *parser) {
    if (!take(parser, "(")) {
        return damaged(parser, "has no shape");
    }
    parser->rank = 0;
    while (!take(parser, ")")) {
        skip_space(parser);
        char *end;
        errno = 0;
        long long extent = isdigit((unsigned char)*parser->at) ? strtoll(parser->at, &end, 10) : -1;
        if (extent < 0 || errno) {
            return damaged(parser, "has a shape that is not a list of whole numbers");
        }
        if (parser->rank == NPY_RANK_MAX) {
            return error_set(parser->error, ERROR_FORMAT,
                             "%s holds an array of more than %d axes, which is not read; reshape "
                             "it first",
                             parser->path, NPY_RANK_MAX);
        }
        parser->shape[parser->rank++] = (ptrdiff_t)extent;
        parser->at = end + (*end == 'L'); /* Python 2 wrote 3L */
        if (!take(parser, ",")) {
            if (!take(parser, ")")) {
                return damaged(parser, "has a shape that does not end");
            }
            break;
        }
    }
    return true;
}

static bool take_entry(struct parser *parser) {
    char key[32];
    if (!take_text(parser, key, sizeof key) || !take(parser, ":")) {
        return damaged(parser, "is not a dictionary");
    }
    if (strcmp(key, "descr") == 0) {
        parser->seen |= 1;
        if (take(parser, "[")) {
            return error_set(parser->error, ERROR_FORMAT,
                             "%s holds records with fields, which are not read; save one field "
                             "as an array of f4 or f8",
                             parser->path);
        }
        return take_text(parser, parser->type, sizeof parser->type) ||
               damaged(parser, "has no type");
    }
    if (strcmp(key, "fortran_order") == 0) {
        parser->seen |= 2;
        parser->fortran = take(parser, "True");
        return parser->fortran || take(parser, "False") || damaged(parser, "has no order");
    }
    if (strcmp(key, "shape") == 0) {
        parser->seen |= 4;
        return take_shape(parser);
    }
    return damaged(parser, "has a key that is none of descr, fortran_order, shape");
}

static bool parse_header(struct parser *parser) {
    if (!take(parser, "{")) {
        return damaged(parser, "is not a dictionary");
    }
    while (!take(parser, "}")) {
        if (!take_entry(parser)) {
            return false;
        }
        if (!take(parser, ",")) {
            if (!take(parser, "}")) {
                return damaged(parser, "does not end");
            }
            break;
        }
    }
    skip_space(parser);
    if (parser->seen != 7 || *parser->at) {
        return damaged(parser, parser->seen != 7 ? "lacks descr, fortran_order or shape"
                                                 : "goes on after its end");
    }
    return true;
}

static bool find_type(const struct parser *parser, enum npy_type *type) {
    const char *text = parser->type;
    bool ordered = text[0] == '<' || text[0] == '=' || text[0] == '|';
    for (int i = 0; npy_type_names[i]; i++) {
        if (ordered && strcmp(text + 1, npy_type_names[i]) == 0) {
            *type = (enum npy_type)i;
            return true;
        }
    }
    if (strchr(text, 'O')) {
        return error_set(parser->error, ERROR_FORMAT,
                         "%s holds Python objects, which are not read; save it with "
                         "astype(\"f8\")",
                         parser->path);
    }
    return error_set(parser->error, ERROR_FORMAT,
                     "%s holds elements of type \"%.20s\"; <f4, <f8, <i8, <i4 and |u1 are read, so "
                     "save it with astype(\"<f8\")",
                     parser->path, text);
}

/* Reads and parses what stands before the data; sets *before to its length in bytes. */
static bool read_header(struct parser *parser, FILE *stream, uint64_t *before) {
    unsigned char start[12];
    if (fread(start, 1, 8, stream) != 8 || memcmp(start, magic, sizeof magic) != 0) {
        return error_set(parser->error, ERROR_FORMAT,
                         "%s is not a .npy file: it does not begin with \\x93NUMPY", parser->path);
    }
    int version = start[6];
    if (version < 1 || version > 3 || start[7] != 0) {
        return error_set(parser->error, ERROR_FORMAT,
                         "%s is a .npy file of version %d.%d; 1.0, 2.0 and 3.0 are read",
                         parser->path, version, start[7]);
    }
    size_t width = version == 1 ? 2 : 4;
    uint64_t len = 0;
    if (fread(start, 1, width, stream) != width) {
        return error_set(parser->error, ERROR_FORMAT, "%s is truncated: it has no .npy header",
                         parser->path);
    }
    for (size_t i = width; i-- > 0;) {
        len = len << 8 | start[i];
    }
    if (len > HEADER_MOST) {
        return error_set(parser->error, ERROR_FORMAT,
                         "%s is damaged: its .npy header has %" PRIu64 " bytes, the most is %d",
                         parser->path, len, HEADER_MOST);
    }
    char *text = calloc(1, (size_t)len + 1);
    bool good = text && fread(text, 1, (size_t)len, stream) == len;
    if (!good) {
        (void)error_set(parser->error, ERROR_FORMAT,
                        "%s is truncated: its .npy header of %" PRIu64 " bytes is not all there",
                        parser->path, len);
    } else if (memchr(text, '\0', (size_t)len)) {
        good = damaged(parser, "is not text");
    } else {
        parser->at = text;
        good = parse_header(parser);
    }
    free(text);
    *before = 8 + width + len;
    return good;
}

/* Copies an array in Fortran order (first index fastest) into C order. */
static void to_c_order(char *target, const char *source, const struct npy *array) {
    size_t size = npy_element_size(array->type);
    ptrdiff_t stride[NPY_RANK_MAX], index[NPY_RANK_MAX] = {0}, step = 1;
    for (int i = 0; i < array->rank; i++) {
        stride[i] = step;
        step *= array->shape[i];
    }
    ptrdiff_t from = 0;
    for (ptrdiff_t n = 0; n < array->len; n++) {
        memcpy(target + (size_t)n * size, source + (size_t)from * size, size);
        for (int i = array->rank - 1; i >= 0; i--) { /* the next index, last axis first */
            from += stride[i];
            if (++index[i] < array->shape[i]) {
                break;
            }
            from -= stride[i] * array->shape[i];
            index[i] = 0;
        }
    }
}

static bool read_data(struct parser *parser, FILE *stream, uint64_t before, uint64_t file_size,
                      struct npy *array) {
    uint64_t size = npy_element_size(array->type), len = 1;
    bool fits = true, empty = false;
    for (int i = 0; i < array->rank; i++) {
        empty = empty || array->shape[i] == 0;
        fits = fits && !__builtin_mul_overflow(len, (uint64_t)array->shape[i], &len);
    }
    len = empty ? 0 : len;
    uint64_t there = file_size - before;
    if (!(fits || empty) || len > UINT64_MAX / size || len * size != there) {
        return error_set(parser->error, ERROR_FORMAT,
                         "%s is %s: %" PRIu64 " bytes of data follow its header, where %" PRIu64
                         " elements of %" PRIu64 " bytes were expected",
                         parser->path,
                         fits && len <= UINT64_MAX / size && len * size < there ? "damaged"
                                                                                : "truncated",
                         there, len, size);
    }
    array->len = (ptrdiff_t)len;
    array->data = malloc((size_t)there + 1);
    if (!array->data || fread(array->data, 1, (size_t)there, stream) != there) {
        return error_set(parser->error, array->data ? ERROR_FILE : ERROR_MEMORY,
                         "the %" PRIu64 " bytes of %s could not be read", there, parser->path);
    }
    if (parser->fortran && array->rank > 1) {
        char *turned = malloc((size_t)there + 1);
        if (!turned) {
            return error_set(parser->error, ERROR_MEMORY, "no memory to turn %s into C order",
                             parser->path);
        }
        to_c_order(turned, array->data, array);
        free(array->data);
        array->data = turned;
    }
    return true;
}

bool npy_read(const char *path, struct npy *array, struct error *error) {
    struct parser parser = {.path = path, .error = error};
    *array = (struct npy){0};
    FILE *stream = fopen(path, "rbe");
    if (!stream) {
        return error_set(error, ERROR_FILE, "%s cannot be opened: %s", path, strerror(errno));
    }
    uint64_t before = 0;
    struct stat status;
    bool good = (fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode)) ||
                error_set(error, ERROR_FILE, "%s is not a regular file", path);
    good = good && read_header(&parser, stream, &before) && find_type(&parser, &array->type);
    if (good) {
        array->rank = parser.rank;
        memcpy(array->shape, parser.shape, sizeof array->shape);
        good = read_data(&parser, stream, before, (uint64_t)status.st_size, array);
    }
    (void)fclose(stream);
    if (!good) {
        npy_release(array);
    }
    return good;
}

void npy_release(struct npy *array) {
    free(array->data);
    *array = (struct npy){0};
}
