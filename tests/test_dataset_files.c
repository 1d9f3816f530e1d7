/* Data files as they come, and as they should not. */
#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

#include "base/rng.h"
#include "learn/dataset.h"
#include "scratch.h"

TestSuite(dataset_files, .fini = scratch_remove);

enum { TRAIN = 25, TEST = 9, HEIGHT = 6, WIDTH = 5, LEN = HEIGHT * WIDTH };

static const char *const names[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/* An IDX file in memory. */
struct idx {
    uint8_t bytes[2000];
    size_t size;
};

static void put(struct idx *file, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        file->bytes[file->size++] = (uint8_t)(value >> shift);
    }
}

static uint8_t content(int file, size_t index) {
    return (uint8_t)(rng_bits(3, (uint64_t)file, index) >> 11);
}

static struct idx idx_of(int file, uint32_t count) {
    struct idx idx = {.size = 0};
    bool images = file % 2 == 0;
    put(&idx, images ? 0x803 : 0x801);
    put(&idx, count);
    if (images) {
        put(&idx, HEIGHT);
        put(&idx, WIDTH);
    }
    for (size_t i = 0; i < count * (images ? LEN : 1U); i++) {
        idx.bytes[idx.size++] = images ? content(file, i) : content(file, i) % 10;
    }
    return idx;
}

static void write_gzip(const char *name, const struct idx *idx) {
    gzFile stream = gzopen(scratch_path(name), "wb9");
    cr_assert(stream);
    cr_assert_eq(gzwrite(stream, idx->bytes, (unsigned)idx->size), (int)idx->size);
    cr_assert_eq(gzclose(stream), Z_OK);
}

/* Writes four good files. */
static void write_all(void) {
    for (int i = 0; i < 4; i++) {
        struct idx idx = idx_of(i, i < 2 ? TRAIN : TEST);
        (void)scratch_write(names[i], idx.bytes, idx.size);
    }
}

static struct dataset *read_source(const char *source, struct error *error) {
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "source", source);
    cJSON_AddStringToObject(config, "dir", scratch_path(""));
    struct dataset *set = dataset_create(config, error);
    cJSON_Delete(config);
    return set;
}

static void expect_refusal(const char *source, enum error_code code, const char *file,
                           const char *words) {
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = read_source(source, &error);
    cr_assert_null(set);
    cr_expect_eq(error.code, code, "code %d: %s", error.code, error.text);
    cr_expect(strstr(error.text, file), "\"%s\" does not name %s", error.text, file);
    cr_expect(strstr(error.text, words), "\"%s\" lacks \"%s\"", error.text, words);
}

static void expect_content(const struct dataset *set) {
    cr_assert_eq(set->train.count, 23);
    cr_assert_eq(set->valid.count, 2);
    cr_assert_eq(set->test.count, TEST);
    cr_assert_eq(set->shape[1], HEIGHT);
    cr_assert_eq(set->shape[2], WIDTH);
    for (size_t i = 0; i < TRAIN * LEN; i++) {
        cr_assert_eq(set->bytes[i], content(0, i));
    }
    for (size_t i = 0; i < TEST * LEN; i++) {
        cr_assert_eq(set->bytes[TRAIN * LEN + i], content(2, i));
    }
    for (size_t i = 0; i < TRAIN; i++) {
        cr_assert_eq(set->labels[i], content(1, i) % 10);
    }
    for (size_t i = 0; i < TEST; i++) {
        cr_assert_eq(set->labels[TRAIN + i], content(3, i) % 10);
    }
}

Test(dataset_files, plain_and_gzipped_files_hold_the_same) {
    struct error error = {ERROR_NONE, ""};
    write_all();
    struct dataset *plain = read_source("mnist", &error);
    cr_assert(plain, "%s", error.text);
    expect_content(plain);
    cr_expect_float_eq(plain->mean[0], 0.1307F, 0.0F);
    for (int i = 0; i < 4; i++) {
        char name[64];
        cr_assert_eq(unlink(scratch_path(names[i])), 0);
        struct idx idx = idx_of(i, i < 2 ? TRAIN : TEST);
        (void)snprintf(name, sizeof name, "%s.gz", names[i]);
        write_gzip(name, &idx);
    }
    struct dataset *gzipped = read_source("mnist", &error);
    cr_assert(gzipped, "%s", error.text);
    expect_content(gzipped);
    cr_expect_str_neq(plain->digest, gzipped->digest, "the digest is of the files as they are");
    dataset_free(plain);
    dataset_free(gzipped);
}

Test(dataset_files, environment_leads_to_the_folder_of_the_set_or_its_parent) {
    write_all();
    (void)setenv("CONTINUO_DATA", scratch_path(""), 1);
    cJSON *config = cJSON_Parse("{\"source\":\"mnist\"}");
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    dataset_free(set);
    char home[192], folder[192], target[192];
    (void)snprintf(home, sizeof home, "%s", scratch_path("home"));
    cr_assert_eq(mkdir(home, 0777), 0);
    cr_assert_eq(mkdir(scratch_path("home/continuo"), 0777), 0);
    (void)snprintf(folder, sizeof folder, "%s", scratch_path("home/continuo/mnist"));
    (void)snprintf(target, sizeof target, "%s", scratch_path(""));
    cr_assert_eq(symlink(target, folder), 0);
    (void)unsetenv("CONTINUO_DATA");
    (void)setenv("XDG_DATA_HOME", home, 1);
    set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(set->config, "dir")), folder);
    dataset_free(set);
    cr_assert_eq(unlink(folder), 0);
    cJSON_Delete(config);
}

Test(dataset_files, four_named_files_make_a_set_with_the_classes_they_hold) {
    write_all();
    struct idx labels = idx_of(1, TRAIN);
    for (size_t i = 0; i < TRAIN; i++) {
        labels.bytes[8 + i] = (uint8_t)(i % 4);
    }
    (void)scratch_write("a", labels.bytes, labels.size);
    labels = idx_of(3, TEST);
    for (size_t i = 0; i < TEST; i++) {
        labels.bytes[8 + i] = (uint8_t)(i % 3);
    }
    (void)scratch_write("b", labels.bytes, labels.size);
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "source", "idx");
    cJSON_AddStringToObject(config, "train_images", scratch_path(names[0]));
    cJSON_AddStringToObject(config, "train_labels", scratch_path("a"));
    cJSON_AddStringToObject(config, "test_images", scratch_path(names[2]));
    cJSON_AddStringToObject(config, "test_labels", scratch_path("b"));
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->classes, 4);
    cr_expect_float_eq(set->of_byte[0][255], 1.0F, 0.0F);
    dataset_free(set);
    cJSON_AddNumberToObject(config, "classes", 3);
    cr_expect_null(dataset_create(config, &error));
    cr_expect(strstr(error.text, "label 4 is 3, where 0 to 2 was expected (3 classes)"), "%s",
              error.text);
    cJSON_DeleteItemFromObject(config, "test_labels");
    cr_expect_null(dataset_create(config, &error));
    cr_expect(strstr(error.text, "test_labels"), "%s", error.text);
    cJSON_Delete(config);
}

Test(dataset_files, a_missing_file_among_the_four_is_named) {
    write_all();
    cr_assert_eq(unlink(scratch_path(names[3])), 0);
    expect_refusal("fashion_mnist", ERROR_FILE, names[3], "No such file");
    cr_assert_eq(mkdir(scratch_path(names[3]), 0777), 0);
    expect_refusal("fashion_mnist", ERROR_FILE, names[3], "is a folder");
}

Test(dataset_files, empty_and_truncated_files_are_refused) {
    for (int i = 0; i < 4; i++) {
        write_all();
        struct idx idx = idx_of(i, i < 2 ? TRAIN : TEST);
        (void)scratch_write(names[i], "", 0);
        expect_refusal("fashion_mnist", ERROR_FORMAT, names[i], "is empty");
        const size_t sizes[] = {1, 3, 7, idx.size / 2, idx.size - 1};
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            (void)scratch_write(names[i], idx.bytes, sizes[k]);
            expect_refusal("fashion_mnist", ERROR_FORMAT, names[i], "truncated");
        }
    }
}

Test(dataset_files, what_goes_on_after_its_end_is_refused) {
    for (int i = 0; i < 4; i++) {
        write_all();
        struct idx idx = idx_of(i, i < 2 ? TRAIN : TEST);
        (void)scratch_write(names[i], idx.bytes, idx.size + 1);
        expect_refusal("fashion_mnist", ERROR_FORMAT, names[i], "goes on after");
    }
}

Test(dataset_files, foreign_files_are_refused_with_what_was_found) {
    write_all();
    (void)scratch_write(names[0], "\x89PNG\r\n\x1a\n and so on, for a while", 31);
    expect_refusal("mnist", ERROR_FORMAT, names[0],
                   "begins with the bytes 89 50 4e 47, where 00 00 08 03 was expected");
    struct idx labels = idx_of(1, TRAIN), images = idx_of(0, TRAIN);
    (void)scratch_write(names[0], labels.bytes, labels.size);
    expect_refusal("mnist", ERROR_FORMAT, names[0], "00 00 08 01, where 00 00 08 03");
    (void)scratch_write(names[0], images.bytes, images.size);
    (void)scratch_write(names[1], images.bytes, images.size);
    expect_refusal("mnist", ERROR_FORMAT, names[1], "00 00 08 03, where 00 00 08 01");
}

Test(dataset_files, impossible_extents_are_refused) {
    for (int axis = 0; axis < 3; axis++) {
        write_all();
        struct idx idx = idx_of(0, TRAIN);
        memset(idx.bytes + 4 + 4 * axis, 0, 4);
        (void)scratch_write(names[0], idx.bytes, idx.size);
        expect_refusal("mnist", ERROR_FORMAT, names[0], "has extent 0");
        memset(idx.bytes + 4 + 4 * axis, 0xff, 4);
        (void)scratch_write(names[0], idx.bytes, idx.size);
        expect_refusal("mnist", ERROR_FORMAT, names[0], "has extent 4294967295");
        memset(idx.bytes + 4 + 4 * axis, 0x7f, 4);
        (void)scratch_write(names[0], idx.bytes, idx.size);
        expect_refusal("mnist", ERROR_FORMAT, names[0], "truncated");
    }
}

Test(dataset_files, counts_and_sizes_that_differ_are_refused_with_both) {
    write_all();
    struct idx idx = idx_of(1, TRAIN - 2);
    (void)scratch_write(names[1], idx.bytes, idx.size);
    expect_refusal("mnist", ERROR_FORMAT, names[1], "25 images but");
    expect_refusal("mnist", ERROR_FORMAT, names[1], "23 labels");
    write_all();
    idx = idx_of(2, TEST);
    idx.bytes[11] = WIDTH;
    idx.bytes[15] = HEIGHT;
    (void)scratch_write(names[2], idx.bytes, idx.size);
    expect_refusal("mnist", ERROR_FORMAT, names[2], "images of 6 x 5 but");
    expect_refusal("mnist", ERROR_FORMAT, names[2], "of 5 x 6");
}

Test(dataset_files, labels_out_of_range_are_refused_with_their_place) {
    write_all();
    struct idx idx = idx_of(1, TRAIN);
    idx.bytes[8 + 16] = 10;
    (void)scratch_write(names[1], idx.bytes, idx.size);
    expect_refusal("fashion_mnist", ERROR_FORMAT, names[1], "label 17 is 10, where 0 to 9");
    write_all();
    idx = idx_of(3, TEST);
    idx.bytes[8] = 255;
    (void)scratch_write(names[3], idx.bytes, idx.size);
    expect_refusal("fashion_mnist", ERROR_FORMAT, names[3], "label 1 is 255");
}

Test(dataset_files, damaged_gzip_files_are_refused) {
    write_all();
    struct idx idx = idx_of(0, TRAIN);
    cr_assert_eq(unlink(scratch_path(names[0])), 0);
    write_gzip("train-images-idx3-ubyte.gz", &idx);
    static uint8_t good[4096], bad[4096];
    FILE *stream = fopen(scratch_path("train-images-idx3-ubyte.gz"), "rb");
    size_t size = fread(good, 1, sizeof good, stream);
    (void)fclose(stream);
    const char *name = "train-images-idx3-ubyte.gz";
    const size_t sizes[] = {2, 9, 20, size / 2, size - 9, size - 4, size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)scratch_write(name, good, sizes[i]);
        expect_refusal("mnist", ERROR_FORMAT, name, "");
    }
    (void)scratch_write(name, good, size / 2);
    expect_refusal("mnist", ERROR_FORMAT, name, "truncated");
    for (size_t at = 12; at < size; at += 7) { /* from the data into checksum and length */
        memcpy(bad, good, size);
        bad[at] ^= 0x55;
        (void)scratch_write(name, bad, size);
        struct error error = {ERROR_NONE, ""};
        struct dataset *set = read_source("mnist", &error);
        cr_expect_null(set, "byte %zu changed, and nothing was said", at);
        cr_expect(strstr(error.text, name), "%s", error.text);
    }
    memcpy(bad, good, size);
    bad[size - 6] ^= 1;
    (void)scratch_write(name, bad, size);
    expect_refusal("mnist", ERROR_FORMAT, name, "corrupt: its gzip data are damaged");
}

/* ---- CIFAR ---- */

enum { PIXELS = 3072, RECORDS = 3 };
static const char *const cifar10_names[6] = {"data_batch_1.bin", "data_batch_2.bin",
                                             "data_batch_3.bin", "data_batch_4.bin",
                                             "data_batch_5.bin", "test_batch.bin"};

/* Records with `label_bytes` bytes of labels, below 20 and 100 or below 10. */
static size_t cifar_file(uint8_t *bytes, int file, int records, int label_bytes) {
    size_t size = 0;
    for (int r = 0; r < records; r++) {
        uint8_t first = content(file, (size_t)r), second = content(file + 50, (size_t)r);
        bytes[size++] = label_bytes == 1 ? first % 10 : first % 20;
        if (label_bytes == 2) {
            bytes[size++] = second % 100;
        }
        for (size_t i = 0; i < PIXELS; i++) {
            bytes[size++] = content(file + 100, (size_t)r * PIXELS + i);
        }
    }
    return size;
}

static uint8_t cifar_bytes[(RECORDS + 8) * (PIXELS + 2)];

static void write_cifar10(const char *prefix) {
    for (int i = 0; i < 6; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%s%s", prefix, cifar10_names[i]);
        size_t size = cifar_file(cifar_bytes, i, RECORDS, 1);
        (void)scratch_write(name, cifar_bytes, size);
    }
}

Test(dataset_files, cifar_10_is_read_in_the_order_of_its_files) {
    write_cifar10("");
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = read_source("cifar10", &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->train.count, 14);
    cr_expect_eq(set->valid.count, 1);
    cr_expect_eq(set->test.count, 3);
    cr_expect_eq(set->shape[0], 3);
    cr_expect_eq(set->shape[1], 32);
    cr_expect_eq(set->classes, 10);
    cr_expect_str_eq(set->class_names[6], "frog");
    cr_expect_float_eq(set->deviation[2], 0.2010F, 0.0F);
    for (int i = 0; i < 18; i++) {
        int file = i / RECORDS, record = i % RECORDS;
        cr_assert_eq(set->labels[i], content(file, (size_t)record) % 10);
        for (size_t k = 0; k < PIXELS; k++) {
            cr_assert_eq(set->bytes[(size_t)i * PIXELS + k],
                         content(file + 100, (size_t)record * PIXELS + k));
        }
    }
    dataset_free(set);
}

Test(dataset_files, cifar_10_is_found_in_the_folder_its_archive_unpacks_to) {
    cr_assert_eq(mkdir(scratch_path("cifar-10-batches-bin"), 0777), 0);
    write_cifar10("cifar-10-batches-bin/");
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = read_source("cifar10", &error);
    cr_assert(set, "%s", error.text);
    struct dataset *again = dataset_create(set->config, &error);
    cr_assert(again, "%s", error.text);
    cr_expect_str_eq(set->digest, again->digest);
    dataset_free(again);
    dataset_free(set);
}

Test(dataset_files, cifar_10_limits_reach_across_files) {
    write_cifar10("");
    struct error error = {ERROR_NONE, ""};
    cJSON *config = cJSON_Parse("{\"source\":\"cifar10\",\"limit\":7,\"valid\":2}");
    cJSON_AddStringToObject(config, "dir", scratch_path(""));
    struct dataset *set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->train.count, 5);
    cr_expect_eq(set->labels[6], content(2, 0) % 10);
    cr_expect_eq(set->labels[7], content(5, 0) % 10, "the test file follows");
    cr_expect_eq(set->bytes[7 * PIXELS + 11], content(105, 11));
    dataset_free(set);
    cJSON_Delete(config);
}

Test(dataset_files, cifar_100_has_fine_and_coarse_labels) {
    (void)scratch_write("train.bin", cifar_bytes, cifar_file(cifar_bytes, 0, 11, 2));
    (void)scratch_write("test.bin", cifar_bytes, cifar_file(cifar_bytes, 1, 4, 2));
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = read_source("cifar100", &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->train.count, 10);
    cr_expect_eq(set->valid.count, 1);
    cr_expect_eq(set->test.count, 4);
    cr_expect_eq(set->classes, 100);
    cr_expect_str_eq(set->class_names[99], "worm");
    cr_expect_eq(set->labels[3], content(50, 3) % 100);
    cr_expect_eq(set->labels[12], content(51, 1) % 100);
    cr_expect_eq(set->bytes[12 * PIXELS + 1], content(101, PIXELS + 1));
    dataset_free(set);
    cJSON *config = cJSON_Parse("{\"source\":\"cifar100\",\"labels\":\"coarse\"}");
    cJSON_AddStringToObject(config, "dir", scratch_path(""));
    set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->classes, 20);
    cr_expect_eq(set->labels[3], content(0, 3) % 20);
    cr_expect_str_eq(set->class_names[17], "trees");
    dataset_free(set);
    cJSON_Delete(config);
}

Test(dataset_files, damaged_cifar_files_are_refused) {
    write_cifar10("");
    cr_assert_eq(unlink(scratch_path("data_batch_3.bin")), 0);
    expect_refusal("cifar10", ERROR_FILE, "data_batch_3.bin", "No such file");
    size_t size = cifar_file(cifar_bytes, 2, RECORDS, 1);
    (void)scratch_write("data_batch_3.bin", cifar_bytes, size - 1);
    expect_refusal("cifar10", ERROR_FORMAT, "data_batch_3.bin",
                   "it has 9218 bytes, where a multiple of 3073 was expected");
    (void)scratch_write("data_batch_3.bin", cifar_bytes, 0);
    expect_refusal("cifar10", ERROR_FORMAT, "data_batch_3.bin", "is empty");
    cifar_bytes[PIXELS + 1] = 10;
    (void)scratch_write("data_batch_3.bin", cifar_bytes, size);
    expect_refusal("cifar10", ERROR_FORMAT, "data_batch_3.bin",
                   "label byte 1 of record 2 is 10, where 0 to 9 was expected");
    write_cifar10("");
    gzFile stream = gzopen(scratch_path("test_batch.bin"), "wb");
    (void)gzwrite(stream, cifar_bytes, (unsigned)size);
    (void)gzclose(stream);
    expect_refusal("cifar10", ERROR_FORMAT, "test_batch.bin", "is gzipped");
    size = cifar_file(cifar_bytes, 0, 11, 2);
    cifar_bytes[4 * (PIXELS + 2) + 1] = 100;
    (void)scratch_write("train.bin", cifar_bytes, size);
    (void)scratch_write("test.bin", cifar_bytes, PIXELS + 2);
    expect_refusal("cifar100", ERROR_FORMAT, "train.bin",
                   "label byte 2 of record 5 is 100, where 0 to 99");
}
