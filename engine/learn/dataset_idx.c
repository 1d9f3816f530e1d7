/* Images and labels in IDX files (Y. LeCun, "The MNIST database", yann.lecun.com/exdb/mnist): two
 * zero bytes, a type (8: unsigned bytes), a rank, an extent an axis (big-endian, 32 bits), the
 * data. Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) comes in the same four files. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/dataset_build.h"

enum { FILE_TRAIN_IMAGES, FILE_TRAIN_LABELS, FILE_TEST_IMAGES, FILE_TEST_LABELS, FILE_COUNT };

struct idx_options { /* of all three sources; each reads its own part of them */
    char dir[OPTION_TEXT_SIZE];
    char paths[FILE_COUNT][OPTION_TEXT_SIZE];
    ptrdiff_t limit, valid, classes;
    double mean, deviation;
};

/* clang-format off */
#define OPTION_LIMIT {"limit", OPTION_INTEGER, offsetof(struct idx_options, limit), "0", 1, 1e9,   \
    NULL, "use the first so many training images, validation part included; left out: all"}
#define OPTION_VALID {"valid", OPTION_INTEGER, offsetof(struct idx_options, valid), "-1", -1, 1e9, \
    NULL, "images held out of the end of the training images; -1: 5,000 of 60,000, in proportion"}
/* clang-format on */

static const struct option folder_options[] = {
    {"dir", OPTION_TEXT, offsetof(struct idx_options, dir), "", 0, 0, NULL,
     "folder of the four IDX files, gzipped or not; left out: found by itself"},
    OPTION_LIMIT,
    OPTION_VALID,
};
enum { FOLDER_OPTION_COUNT = sizeof folder_options / sizeof folder_options[0] };

static const struct option idx_options[] = {
    {"train_images", OPTION_TEXT, offsetof(struct idx_options, paths[FILE_TRAIN_IMAGES]), NULL, 0,
     0, NULL, "IDX file of the training images, gzipped or not"},
    {"train_labels", OPTION_TEXT, offsetof(struct idx_options, paths[FILE_TRAIN_LABELS]), NULL, 0,
     0, NULL, "IDX file of the training labels"},
    {"test_images", OPTION_TEXT, offsetof(struct idx_options, paths[FILE_TEST_IMAGES]), NULL, 0, 0,
     NULL, "IDX file of the test images"},
    {"test_labels", OPTION_TEXT, offsetof(struct idx_options, paths[FILE_TEST_LABELS]), NULL, 0, 0,
     NULL, "IDX file of the test labels"},
    {"classes", OPTION_INTEGER, offsetof(struct idx_options, classes), "0", 0, 256, NULL,
     "number of classes; 0: the largest training label and one"},
    {"mean", OPTION_NUMBER, offsetof(struct idx_options, mean), "0.5", 0, 1, NULL,
     "subtracted from pixels in 0..1"},
    {"deviation", OPTION_NUMBER, offsetof(struct idx_options, deviation), "0.5", 1e-6, 1e6, NULL,
     "divides pixels in 0..1 after that"},
    OPTION_LIMIT,
    OPTION_VALID,
};
enum { IDX_OPTION_COUNT = sizeof idx_options / sizeof idx_options[0] };

static const char *const ignored[] = {"source", NULL};

static const char *const file_names[FILE_COUNT][5] = {
    {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte",
     "train-images.idx3-ubyte.gz", NULL},
    {"train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte",
     "train-labels.idx1-ubyte.gz", NULL},
    {"t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "t10k-images.idx3-ubyte",
     "t10k-images.idx3-ubyte.gz", NULL},
    {"t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte",
     "t10k-labels.idx1-ubyte.gz", NULL},
};
/* Any of the eight names shows that a folder is meant: what else is missing is said by name. */
static const char *const folder_marks[] = {"train-images-idx3-ubyte",
                                           "train-images-idx3-ubyte.gz",
                                           "train-images.idx3-ubyte",
                                           "train-images.idx3-ubyte.gz",
                                           "train-labels-idx1-ubyte",
                                           "train-labels-idx1-ubyte.gz",
                                           "t10k-images-idx3-ubyte",
                                           "t10k-images-idx3-ubyte.gz",
                                           "t10k-labels-idx1-ubyte",
                                           "t10k-labels-idx1-ubyte.gz",
                                           NULL};

static const char *const fashion_names[] = {"t-shirt/top", "trouser",   "pullover", "dress",
                                            "coat",        "sandal",    "shirt",    "sneaker",
                                            "bag",         "ankle boot"};
static const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

/* Reads the header of a file: `rank` extents, the first of them a count. */
static bool read_header(struct data_file *file, int rank, ptrdiff_t extents[3],
                        struct error *error) {
    uint8_t bytes[16];
    if (!data_file_read(file, bytes, 4, error)) {
        return false;
    }
    if (bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 8 || bytes[3] != rank) {
        return error_set(error, ERROR_FORMAT,
                         "%s is not %s: it begins with the bytes %02x %02x %02x %02x, where "
                         "00 00 08 %02x was expected",
                         file->path, file->kind, bytes[0], bytes[1], bytes[2], bytes[3], rank);
    }
    if (!data_file_read(file, bytes, 4 * (size_t)rank, error)) {
        return false;
    }
    uint64_t size = 1;
    for (int i = 0; i < rank; i++) {
        const uint8_t *b = bytes + 4 * i;
        uint32_t extent = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        extents[i] = extent;
        if (extent == 0 || extent > INT32_MAX || __builtin_mul_overflow(size, extent, &size)) {
            return error_set(error, ERROR_FORMAT,
                             "%s is corrupt: axis %d of %s has extent %" PRIu32
                             ", where 1 to 2147483647 was expected; fetch it again",
                             file->path, i + 1, file->kind, extent);
        }
    }
    /* Nothing is reserved for what cannot be there: deflate shrinks 1,032 times at the most. */
    uint64_t most = file->gzipped ? file->disk_size * 1032 : file->disk_size;
    if (size > most) {
        return error_set(error, ERROR_FORMAT,
                         "%s is truncated: its header announces %" PRIu64
                         " bytes of data for %s, and the file has %" PRIu64 "%s; fetch it again",
                         file->path, size, file->kind, file->disk_size,
                         file->gzipped ? " compressed ones" : "");
    }
    return true;
}

/* Reads all of `count` labels and keeps the first `kept`. classes 0: any; otherwise each label has
 * to be below it. Returns the largest label, or -1 with *error set. */
static int read_labels(struct data_file *file, ptrdiff_t count, ptrdiff_t kept, int classes,
                       int32_t *labels, struct error *error) {
    uint8_t *bytes = malloc((size_t)count);
    int largest = -1;
    if (!bytes) {
        (void)error_set(error, ERROR_MEMORY, "no memory for %td labels", count);
        return -1;
    }
    if (data_file_read(file, bytes, (size_t)count, error) && data_file_end(file, error)) {
        for (ptrdiff_t i = 0; i < count; i++) {
            if (classes && bytes[i] >= classes) {
                (void)error_set(error, ERROR_FORMAT,
                                "%s: label %td is %d, where 0 to %d was expected (%d classes); "
                                "the file is foreign or corrupt",
                                file->path, i + 1, bytes[i], classes - 1, classes);
                largest = -1;
                break;
            }
            largest = bytes[i] > largest ? bytes[i] : largest;
            if (i < kept) {
                labels[i] = bytes[i];
            }
        }
    }
    free(bytes);
    return largest;
}

static bool open_all(struct data_file files[FILE_COUNT], const char *const paths[FILE_COUNT],
                     ptrdiff_t extents[FILE_COUNT][3], struct sha256 *hash, struct error *error) {
    for (int i = 0; i < FILE_COUNT; i++) {
        bool images = i == FILE_TRAIN_IMAGES || i == FILE_TEST_IMAGES;
        if (!data_file_open(&files[i], paths[i],
                            images ? "an IDX file of images" : "an IDX file of labels", hash,
                            error) ||
            !read_header(&files[i], images ? 3 : 1, extents[i], error)) {
            return false;
        }
    }
    for (int i = 0; i < FILE_COUNT; i += 2) {
        if (extents[i][0] != extents[i + 1][0]) {
            return error_set(error, ERROR_FORMAT,
                             "%s holds %td images but %s holds %td labels; take files that belong "
                             "together",
                             paths[i], extents[i][0], paths[i + 1], extents[i + 1][0]);
        }
    }
    const ptrdiff_t *train = extents[FILE_TRAIN_IMAGES], *test = extents[FILE_TEST_IMAGES];
    if (train[1] != test[1] || train[2] != test[2]) {
        return error_set(error, ERROR_FORMAT,
                         "%s holds images of %td x %td but %s of %td x %td; training and test "
                         "images must be of one size",
                         paths[FILE_TRAIN_IMAGES], train[1], train[2], paths[FILE_TEST_IMAGES],
                         test[1], test[2]);
    }
    return true;
}

/* Fills the set from the four opened files. `used` of the training samples are kept. */
static bool read_all(struct dataset *set, struct data_file files[FILE_COUNT],
                     ptrdiff_t extents[FILE_COUNT][3], ptrdiff_t used, int classes,
                     struct error *error) {
    size_t len = (size_t)(set->shape[1] * set->shape[2]);
    ptrdiff_t train = extents[FILE_TRAIN_IMAGES][0], test = extents[FILE_TEST_IMAGES][0];
    /* Labels first: they are small, and wrong ones are the commoner mistake. */
    int largest = read_labels(&files[FILE_TRAIN_LABELS], train, used, classes, set->labels, error);
    if (largest < 0) {
        return false;
    }
    set->classes = set->outputs = classes ? classes : largest + 1;
    return read_labels(&files[FILE_TEST_LABELS], test, test, set->classes, set->labels + used,
                       error) >= 0 &&
           data_file_read(&files[FILE_TRAIN_IMAGES], set->bytes, (size_t)used * len, error) &&
           data_file_read(&files[FILE_TRAIN_IMAGES], NULL, (size_t)(train - used) * len, error) &&
           data_file_end(&files[FILE_TRAIN_IMAGES], error) &&
           data_file_read(&files[FILE_TEST_IMAGES], set->bytes + (size_t)used * len,
                          (size_t)test * len, error) &&
           data_file_end(&files[FILE_TEST_IMAGES], error);
}

/* Makes a data set of the four files; options->limit, valid and classes become resolved. */
static struct dataset *load(const char *name, const char *call, struct idx_options *options,
                            const char *const paths[FILE_COUNT], struct error *error) {
    struct data_file files[FILE_COUNT] = {{0}};
    ptrdiff_t extents[FILE_COUNT][3];
    struct sha256 hash;
    struct dataset *set = NULL;
    struct division division;
    sha256_begin(&hash);
    if (open_all(files, paths, extents, &hash, error) &&
        dataset_divide(&division, call, extents[FILE_TRAIN_IMAGES][0], extents[FILE_TEST_IMAGES][0],
                       options->limit, options->valid, error)) {
        ptrdiff_t used = division.train + division.valid;
        const ptrdiff_t shape[3] = {1, extents[FILE_TRAIN_IMAGES][1],
                                    extents[FILE_TRAIN_IMAGES][2]};
        set = dataset_new(name, shape, STORE_BYTES, &division, (int)options->classes, 0, error);
        if (set && !read_all(set, files, extents, used, (int)options->classes, error)) {
            dataset_free(set);
            set = NULL;
        }
        if (set) {
            options->limit = used;
            options->valid = division.valid;
            options->classes = set->classes;
            dataset_normalise(set, &options->mean, &options->deviation);
            sha256_end(&hash, set->digest);
        }
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        data_file_close(&files[i]);
    }
    return set;
}

static void store_config(struct dataset *set, const char *source, const struct option *options,
                         int count, const struct idx_options *values) {
    set->config = option_write(options, count, values);
    cJSON_AddStringToObject(set->config, "source", source);
}

/* A data set that is known by name and found in a folder. */
static struct dataset *create_named(const char *name, const char *call, const char *system,
                                    const char *advice, double mean, double deviation,
                                    const char *const *class_names, const cJSON *config,
                                    struct error *error) {
    struct idx_options options = {.classes = 10, .mean = mean, .deviation = deviation};
    char folder[OPTION_TEXT_SIZE], text[FILE_COUNT][OPTION_TEXT_SIZE + 64];
    const char *paths[FILE_COUNT];
    if (!option_read(folder_options, FOLDER_OPTION_COUNT, call, config, ignored, &options, error) ||
        !dataset_folder(name, options.dir, system, NULL, folder_marks, advice, folder,
                        sizeof folder, error)) {
        return NULL;
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!dataset_path(folder, file_names[i], text[i], sizeof text[i], error)) {
            return NULL;
        }
        paths[i] = text[i];
    }
    struct dataset *set = load(name, call, &options, paths, error);
    if (set) {
        set->class_names = class_names;
        (void)strcpy(options.dir, folder);
        store_config(set, name, folder_options, FOLDER_OPTION_COUNT, &options);
    }
    return set;
}

static struct dataset *create_fashion(const cJSON *config, struct error *error) {
    return create_named("fashion_mnist", "cn.data.fashion_mnist",
                        "/usr/share/datasets/fashion-mnist",
                        "install Debian's package dataset-fashion-mnist, or point dir= or "
                        "CONTINUO_DATA at the four files",
                        0.5, 0.5, fashion_names, config, error);
}

static struct dataset *create_mnist(const cJSON *config, struct error *error) {
    return create_named("mnist", "cn.data.mnist", NULL,
                        "run scripts/get-data mnist, or point dir= or CONTINUO_DATA at the four "
                        "files",
                        0.1307, 0.3081, digit_names, config, error);
}

static struct dataset *create_idx(const cJSON *config, struct error *error) {
    struct idx_options options = {0};
    const char *paths[FILE_COUNT];
    if (!option_read(idx_options, IDX_OPTION_COUNT, "cn.data.idx", config, ignored, &options,
                     error)) {
        return NULL;
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        paths[i] = options.paths[i];
    }
    struct dataset *set = load("idx", "cn.data.idx", &options, paths, error);
    if (set) {
        store_config(set, "idx", idx_options, IDX_OPTION_COUNT, &options);
    }
    return set;
}

const struct source source_fashion_mnist = {
    "fashion_mnist", "Fashion-MNIST: 60,000 + 10,000 grey images of 28 x 28, 10 kinds of clothing",
    folder_options, FOLDER_OPTION_COUNT, create_fashion};
const struct source source_mnist = {
    "mnist", "MNIST: 60,000 + 10,000 grey images of 28 x 28, handwritten digits", folder_options,
    FOLDER_OPTION_COUNT, create_mnist};
const struct source source_idx = {"idx", "grey images and labels in four IDX files, gzipped or not",
                                  idx_options, IDX_OPTION_COUNT, create_idx};
