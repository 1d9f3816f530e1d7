#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "run/safetensors.h"
#include "scratch.h"

TestSuite(safetensors, .fini = scratch_remove);

static const float weights[6] = {0.1F, -2.5F, 3.25e-20F, 4e30F, -0.0F, 6.0F};
static const double means[3] = {1.0 / 3, -INFINITY, 5e-324};
static const int64_t steps[1] = {-9007199254740993LL};

static void fill(struct tensor tensors[4]) {
    memset(tensors, 0, 4 * sizeof *tensors);
    tensors[0] = (struct tensor){.name = "block1.conv1.weight",
                                 .type = TENSOR_F32,
                                 .rank = 2,
                                 .shape = {2, 3},
                                 .data = weights};
    tensors[1] = (struct tensor){
        .name = "mean \"quoted\"\n", .type = TENSOR_F64, .rank = 1, .shape = {3}, .data = means};
    tensors[2] = (struct tensor){.name = "step", .type = TENSOR_I64, .rank = 0, .data = steps};
    tensors[3] = (struct tensor){
        .name = "nothing", .type = TENSOR_F32, .rank = 3, .shape = {4, 0, 2}, .data = NULL};
}

static const char *write_sample(const char *name) {
    struct tensor tensors[4];
    fill(tensors);
    cJSON *metadata = cJSON_CreateObject();
    cJSON_AddStringToObject(metadata, "continuo", "{\"family\":\"continuous\"}");
    struct error error = {ERROR_NONE, ""};
    const char *path = scratch_path(name);
    cr_assert(safetensors_write(path, tensors, 4, metadata, &error), "%s", error.text);
    cJSON_Delete(metadata);
    return path;
}

Test(safetensors, what_is_written_is_read_bit_for_bit) {
    struct error error = {ERROR_NONE, ""};
    struct safetensors *file = safetensors_read(write_sample("a"), &error);
    cr_assert(file, "%s", error.text);
    cr_expect_eq(file->count, 4);
    struct tensor wanted[4];
    fill(wanted);
    for (int i = 0; i < 4; i++) {
        const struct tensor *found = safetensors_find(file, wanted[i].name);
        cr_assert(found, "%s", wanted[i].name);
        cr_expect_eq(found->type, wanted[i].type);
        cr_expect_eq(found->rank, wanted[i].rank);
        cr_expect_arr_eq(found->shape, wanted[i].shape, sizeof wanted[i].shape);
        cr_expect_eq((uintptr_t)found->data % 64, 0);
        size_t size = (size_t)tensor_len(found) * tensor_element_size(found->type);
        if (size) {
            cr_expect_eq(memcmp(found->data, wanted[i].data, size), 0);
        }
    }
    cr_expect_null(safetensors_find(file, "block1.conv1.weights"));
    cr_expect_str_eq(safetensors_metadata(file, "continuo"), "{\"family\":\"continuous\"}");
    cr_expect_null(safetensors_metadata(file, "format"));
    safetensors_free(file);
}

Test(safetensors, data_begin_at_a_multiple_of_64_bytes_whatever_the_header) {
    for (int len = 1; len < 90; len += 3) {
        struct tensor tensor = {.type = TENSOR_F32, .rank = 1, .shape = {6}, .data = weights};
        memset(tensor.name, 'x', (size_t)len);
        const char *path = scratch_path("a");
        cr_assert(safetensors_write(path, &tensor, 1, NULL, NULL));
        FILE *stream = fopen(path, "rb");
        uint64_t header;
        cr_assert_eq(fread(&header, 8, 1, stream), 1);
        cr_expect_eq((8 + header) % 64, 0);
        cr_assert_eq(fseek(stream, 0, SEEK_END), 0);
        cr_expect_eq((uint64_t)ftell(stream), 8 + header + 24);
        (void)fclose(stream);
        struct safetensors *file = safetensors_read(path, NULL);
        cr_assert(file);
        cr_expect_str_eq(file->tensors[0].name, tensor.name);
        safetensors_free(file);
    }
}

Test(safetensors, no_tensor_and_no_metadata_make_a_file_too) {
    struct error error = {ERROR_NONE, ""};
    cr_assert(safetensors_write(scratch_path("a"), NULL, 0, NULL, &error), "%s", error.text);
    struct safetensors *file = safetensors_read(scratch_path("a"), &error);
    cr_assert(file, "%s", error.text);
    cr_expect_eq(file->count, 0);
    safetensors_free(file);
}

/* ---- files made by hand ---- */

/* A file of `header` and `size` bytes 0, 1, 2, ... of data. */
static const char *by_hand(const char *header, size_t size) {
    static uint8_t bytes[4096];
    size_t len = strlen(header);
    cr_assert(8 + len + size <= sizeof bytes);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)len >> (8 * i));
    }
    memcpy(bytes + 8, header, len);
    for (size_t i = 0; i < size; i++) {
        bytes[8 + len + i] = (uint8_t)i;
    }
    return scratch_write("hand", bytes, 8 + len + size);
}

static void expect_refusal(const char *path, enum error_code code, const char *words) {
    struct error error = {ERROR_NONE, ""};
    struct safetensors *file = safetensors_read(path, &error);
    cr_assert_null(file, "accepted, but \"%s\" was expected", words);
    cr_expect_eq(error.code, code, "code %d: %s", error.code, error.text);
    cr_expect(strstr(error.text, words), "\"%s\" lacks \"%s\"", error.text, words);
    cr_expect(strstr(error.text, path), "\"%s\" does not name the file", error.text);
}

Test(safetensors, a_file_written_byte_by_byte_is_read) {
    const uint8_t bytes[] = {0x43, 0,   0,   0,   0,   0,   0,    0, /* 67 bytes of header */
                             '{',  '"', 'b', '"', ':', '{', '"',  'd', 't',  'y',  'p', 'e', '"',
                             ':',  '"', 'F', '6', '4', '"', ',',  '"', 's',  'h',  'a', 'p', 'e',
                             '"',  ':', '[', '1', ',', '2', ']',  ',', '"',  'd',  'a', 't', 'a',
                             '_',  'o', 'f', 'f', 's', 'e', 't',  's', '"',  ':',  '[', '0', ',',
                             '1',  '6', ']', '}', '}', ' ', ' ',  ' ', ' ',  ' ',  ' ', ' ', ' ',
                             ' ',  ' ', 0,   0,   0,   0,   0,    0,   0xf8, 0x3f, /* 1.5 */
                             0,    0,   0,   0,   0,   0,   0x04, 0xc0};           /* -2.5 */
    struct error error = {ERROR_NONE, ""};
    struct safetensors *file = safetensors_read(scratch_write("a", bytes, sizeof bytes), &error);
    cr_assert(file, "%s", error.text);
    cr_assert_eq(file->count, 1);
    const struct tensor *tensor = safetensors_find(file, "b");
    cr_assert(tensor);
    cr_expect_eq(tensor->type, TENSOR_F64);
    cr_expect_eq(tensor->rank, 2);
    cr_expect_eq(tensor->shape[1], 2);
    const double *values = tensor->data;
    cr_expect_float_eq(values[0], 1.5, 0);
    cr_expect_float_eq(values[1], -2.5, 0);
    safetensors_free(file);
}

Test(safetensors, tensors_may_be_listed_in_any_order_and_lie_unaligned) {
    struct error error = {ERROR_NONE, ""};
    struct safetensors *file =
        safetensors_read(by_hand("{\"z\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]},"
                                 "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
                                 12),
                         &error);
    cr_assert(file, "%s", error.text);
    cr_expect_str_eq(file->tensors[0].name, "a");
    const uint8_t wanted[] = {4, 5, 6, 7, 8, 9, 10, 11};
    cr_expect_arr_eq(safetensors_find(file, "z")->data, wanted, 8);
    cr_expect_eq((uintptr_t)safetensors_find(file, "z")->data % 64, 0);
    safetensors_free(file);
}

#define ONE(type, shape, offsets)                                                                  \
    "{\"a\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

Test(safetensors, every_inconsistency_of_a_header_is_refused) {
    const struct {
        const char *header;
        size_t size;
        const char *words;
    } cases[] = {
        {ONE("BF16", "[2]", "[0,4]"), 4, "\"a\" is of type BF16; F32, F64 and I64 are read"},
        {ONE("f32", "[1]", "[0,4]"), 4, "of type f32"},
        {ONE("F32", "[2]", "[0,4]"), 4, "of shape [2] needs 8 bytes but its offsets hold 4"},
        {ONE("F32", "[1]", "[0,8]"), 8, "needs 4 bytes but its offsets hold 8"},
        {ONE("F32", "[-1]", "[0,4]"), 4, "axis 0 of the shape"},
        {ONE("F32", "[1.5]", "[0,6]"), 6, "axis 0 of the shape"},
        {ONE("F32", "[1,\"1\"]", "[0,4]"), 4, "axis 1 of the shape"},
        {ONE("F32", "[4294967296,4294967296,4]", "[0,4]"), 4, "larger than any memory"},
        {ONE("F32", "[9007199254740992,2048]", "[0,4]"), 4, "larger than any memory"},
        {ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "no shape of 0 to 8"},
        {ONE("F32", "4", "[0,4]"), 4, "no shape"},
        {ONE("F32", "[1]", "[0]"), 4, "no data_offsets"},
        {ONE("F32", "[1]", "[4,0]"), 4, "no data_offsets"},
        {ONE("F32", "[1]", "[-4,0]"), 4, "no data_offsets"},
        {ONE("F32", "[1]", "[0,4.5]"), 4, "no data_offsets"},
        {ONE("F32", "[1]", "[0,1e300]"), 4, "no data_offsets"},
        {ONE("F32", "[3]", "[0,12]"), 11,
         "truncated: tensor \"a\" ends at byte 12 of the data, "
         "which end at 11"},
        {ONE("F32", "[1]", "[0,4]"), 5, "need 4 bytes but 5 follow the header"},
        {ONE("F32", "[1]", "[4,8]"), 8,
         "begins at byte 4 of the data, where 0 was expected (a gap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         12, "begins at byte 4 of the data, where 8 was expected (an overlap)"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "tensor \"a\" is there twice"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "name of 0"},
        {"{\"a\":3}", 0, "not a JSON object"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "of type none"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" in __metadata__ is not a string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not a JSON object"},
        {"{\"__metadata__\":{\"k\":\"1\"},\"__metadata__\":{}}", 0, "__metadata__ is there twice"},
        {"{\"a\":{\"dtype\":\"F32\",", 0, "not a JSON object"},
        {"{} trailing", 0, "not a JSON object"},
        {"[1,2]     ", 0, "not a JSON object"},
        {"  {}", 0, "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_refusal(by_hand(cases[i].header, cases[i].size), ERROR_FORMAT, cases[i].words);
    }
}

Test(safetensors, missing_foreign_and_truncated_files_are_refused) {
    expect_refusal(scratch_path("none"), ERROR_FILE, "No such file");
    expect_refusal(scratch_path(""), ERROR_FILE, "not a regular file");
    expect_refusal(scratch_write("a", "", 0), ERROR_FORMAT, "it has 0 bytes");
    expect_refusal(scratch_write("a", "\x02\0\0\0\0\0\0\0{", 9), ERROR_FORMAT, "it has 9 bytes");
    expect_refusal(scratch_write("a", "PK\x03\x04 and the rest of a zip file", 31), ERROR_FORMAT,
                   "not a safetensors file");
    /* 100,000,001 bytes of header: over the cap */
    expect_refusal(scratch_write("a", "\x01\xe1\xf5\x05\0\0\0\0{}", 10), ERROR_FORMAT,
                   "a header of 100000001 bytes, the most is 100000000");
    expect_refusal(scratch_write("a", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), ERROR_FORMAT,
                   "18446744073709551615");
    expect_refusal(scratch_write("a", "\x03\0\0\0\0\0\0\0{}", 10), ERROR_FORMAT,
                   "a header of 3 bytes is announced, 2 follow");
}

Test(safetensors, a_file_cut_anywhere_is_refused) {
    static uint8_t bytes[4096];
    FILE *stream = fopen(write_sample("a"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    (void)fclose(stream);
    cr_assert(size > 64 && size < sizeof bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct error error = {ERROR_NONE, ""};
        cr_expect_null(safetensors_read(scratch_write("b", bytes, cut), &error), "cut at %zu", cut);
        cr_expect(error.text[0]);
    }
    /* A changed byte of the header is refused or still consistent, never more than that. */
    for (size_t at = 0; at < size - 56; at++) {
        bytes[at] ^= 0x21;
        safetensors_free(safetensors_read(scratch_write("b", bytes, size), NULL));
        bytes[at] ^= 0x21;
    }
}

/* ---- writing ---- */

Test(safetensors, a_folder_that_is_missing_or_a_path_that_is_a_folder_is_refused) {
    struct tensor tensors[4];
    struct error error = {ERROR_NONE, ""};
    fill(tensors);
    cr_expect_not(safetensors_write(scratch_path("no/such/a"), tensors, 4, NULL, &error));
    cr_expect_eq(error.code, ERROR_FILE);
    cr_expect(strstr(error.text, "no/such/a cannot be written: No such file"), "%s", error.text);
    cr_assert_eq(mkdir(scratch_path("folder"), 0777), 0);
    cr_expect_not(safetensors_write(scratch_path("folder"), tensors, 4, NULL, &error));
    cr_expect(strstr(error.text, "is a folder"), "%s", error.text);
    cr_expect_not(safetensors_write("", tensors, 4, NULL, &error));
    cr_expect_eq(scratch_count(), 1, "nothing else is left behind");
}

Test(safetensors, a_file_is_replaced_and_a_failed_write_leaves_the_old_one) {
    struct tensor tensors[4];
    struct error error = {ERROR_NONE, ""};
    fill(tensors);
    const char *path = write_sample("a");
    struct stat before, after;
    cr_assert_eq(stat(path, &before), 0);
    cr_assert(safetensors_write(path, tensors, 4, NULL, &error), "%s", error.text);
    cr_assert_eq(stat(path, &after), 0);
    cr_expect_neq(before.st_ino, after.st_ino, "the file was rewritten in place");
    cr_expect_eq(scratch_count(), 1);

    /* No file may grow beyond 128 bytes: a disk that is full. */
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){128, 128}), 0);
    cr_expect_not(safetensors_write(path, tensors, 1, NULL, &error));
    cr_expect_eq(error.code, ERROR_FILE);
    cr_expect(strstr(error.text, "could not be written whole: File too large; it was left"), "%s",
              error.text);
    cr_assert_eq(stat(path, &before), 0);
    cr_expect_eq(before.st_ino, after.st_ino);
    cr_expect_eq(scratch_count(), 1, "nothing half-written is left behind");
    safetensors_free(safetensors_read(path, &error));
}

Test(safetensors, what_is_not_a_regular_file_is_not_replaced) {
    struct tensor tensors[4];
    struct error error = {ERROR_NONE, ""};
    fill(tensors);
    cr_expect_not(safetensors_write("/dev/null", tensors, 4, NULL, &error));
    cr_expect(strstr(error.text, "/dev/null is not a regular file"), "%s", error.text);
}
