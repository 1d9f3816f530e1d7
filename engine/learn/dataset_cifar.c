/* CIFAR-10 and CIFAR-100 in their binary form (A. Krizhevsky, "Learning multiple layers of features
 * from tiny images", 2009; cs.toronto.edu/~kriz/cifar.html): records of one label byte (CIFAR-100:
 * coarse, then fine), and 3 x 32 x 32 bytes, red, green, blue planes of rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/dataset_build.h"

enum { PIXELS = 3 * 32 * 32, TRAIN_FILES_MOST = 5 };

/* Means and deviations the field uses for both. */
static const double mean[3] = {0.4914, 0.4822, 0.4465};
static const double deviation[3] = {0.2023, 0.1994, 0.2010};

struct cifar_options {
    char dir[OPTION_TEXT_SIZE];
    ptrdiff_t limit, valid;
    int labels; /* index into label_kinds */
};

static const char *const label_kinds[] = {"fine", "coarse", NULL};

/* The first OPTION_COUNT_10 are CIFAR-10's. */
static const struct option options_table[] = {
    {"dir", OPTION_TEXT, offsetof(struct cifar_options, dir), "", 0, 0, NULL,
     "folder of the .bin files, or the folder above it; left out: found by itself"},
    {"limit", OPTION_INTEGER, offsetof(struct cifar_options, limit), "0", 1, 1e9, NULL,
     "use the first so many training images, validation part included; left out: all"},
    {"valid", OPTION_INTEGER, offsetof(struct cifar_options, valid), "-1", -1, 1e9, NULL,
     "images held out of the end of the training images; -1: 5,000 of 60,000, in proportion"},
    {"labels", OPTION_CHOICE, offsetof(struct cifar_options, labels), "fine", 0, 0, label_kinds,
     "which labels are learnt: \"fine\" (100 classes) or \"coarse\" (20)"},
};
enum { OPTION_COUNT_10 = 3, OPTION_COUNT_100 = 4 };

static const char *const ignored[] = {"source", NULL};

static const char *const names_10[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                       "dog",      "frog",       "horse", "ship", "truck"};
static const char *const names_coarse[] = {"aquatic mammals",
                                           "fish",
                                           "flowers",
                                           "food containers",
                                           "fruit and vegetables",
                                           "household electrical devices",
                                           "household furniture",
                                           "insects",
                                           "large carnivores",
                                           "large man-made outdoor things",
                                           "large natural outdoor scenes",
                                           "large omnivores and herbivores",
                                           "medium-sized mammals",
                                           "non-insect invertebrates",
                                           "people",
                                           "reptiles",
                                           "small mammals",
                                           "trees",
                                           "vehicles 1",
                                           "vehicles 2"};
/* clang-format off */
static const char *const names_fine[] = {
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
    "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
    "kangaroo", "keyboard", "lamp", "lawn mower", "leopard", "lion", "lizard", "lobster", "man",
    "maple tree", "motorcycle", "mountain", "mouse", "mushroom", "oak tree", "orange", "orchid",
    "otter", "palm tree", "pear", "pickup truck", "pine tree", "plain", "plate", "poppy",
    "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal",
    "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar",
    "sunflower", "sweet pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow tree", "wolf", "woman",
    "worm"};
/* clang-format on */
_Static_assert(sizeof names_fine / sizeof names_fine[0] == 100, "a name for every fine class");

/* How a record is laid out. */
struct layout {
    const char *name, *call, *kind, *nested;
    const char *files[TRAIN_FILES_MOST + 1]; /* training files, the test file behind them */
    int train_files;
    int label_bytes, label_at; /* in a record, and the one that is learnt */
    int classes;               /* of that one */
    int label_most[2];         /* classes of each label byte */
};

static const struct layout layout_10 = {.name = "cifar10",
                                        .call = "cn.data.cifar10",
                                        .kind = "a CIFAR-10 file of records of 3,073 bytes",
                                        .nested = "cifar-10-batches-bin",
                                        .files = {"data_batch_1.bin", "data_batch_2.bin",
                                                  "data_batch_3.bin", "data_batch_4.bin",
                                                  "data_batch_5.bin", "test_batch.bin"},
                                        .train_files = 5,
                                        .label_bytes = 1,
                                        .label_at = 0,
                                        .classes = 10,
                                        .label_most = {10}};
static const struct layout layout_100 = {.name = "cifar100",
                                         .call = "cn.data.cifar100",
                                         .kind = "a CIFAR-100 file of records of 3,074 bytes",
                                         .nested = "cifar-100-binary",
                                         .files = {"train.bin", "test.bin"},
                                         .train_files = 1,
                                         .label_bytes = 2,
                                         .label_at = 1,
                                         .classes = 100,
                                         .label_most = {20, 100}};

/* Opens a file and sets *records to how many it has. */
static bool open_file(struct data_file *file, const char *path, const struct layout *layout,
                      struct sha256 *hash, ptrdiff_t *records, struct error *error) {
    if (!data_file_open(file, path, layout->kind, hash, error)) {
        return false;
    }
    uint64_t size = (uint64_t)layout->label_bytes + PIXELS;
    if (file->gzipped) {
        return error_set(error, ERROR_FORMAT, "%s is gzipped, where %s was expected; unpack it",
                         path, layout->kind);
    }
    if (file->disk_size % size != 0) {
        return error_set(error, ERROR_FORMAT,
                         "%s is truncated or foreign: it has %" PRIu64
                         " bytes, where a multiple of %" PRIu64
                         " was expected (%s); fetch it again",
                         path, file->disk_size, size, layout->kind);
    }
    *records = (ptrdiff_t)(file->disk_size / size);
    return true;
}

/* Reads all records of a file, and keeps the first `kept` at sample `first` of the set. */
static bool read_records(struct data_file *file, const struct layout *layout, ptrdiff_t records,
                         ptrdiff_t kept, struct dataset *set, ptrdiff_t first,
                         struct error *error) {
    uint8_t record[2 + PIXELS];
    for (ptrdiff_t i = 0; i < records; i++) {
        if (!data_file_read(file, record, (size_t)layout->label_bytes + PIXELS, error)) {
            return false;
        }
        for (int byte = 0; byte < layout->label_bytes; byte++) {
            if (record[byte] >= layout->label_most[byte]) {
                return error_set(error, ERROR_FORMAT,
                                 "%s: label byte %d of record %td is %d, where 0 to %d was "
                                 "expected; the file is foreign or corrupt",
                                 file->path, byte + 1, i + 1, record[byte],
                                 layout->label_most[byte] - 1);
            }
        }
        if (i < kept) {
            set->labels[first + i] = record[layout->label_at];
            memcpy(set->bytes + (first + i) * PIXELS, record + layout->label_bytes, PIXELS);
        }
    }
    return data_file_end(file, error);
}

/* Makes the set of opened files; options->limit and valid become resolved. */
static struct dataset *load(struct data_file *files, const ptrdiff_t *records,
                            const struct layout *layout, struct cifar_options *options,
                            struct error *error) {
    ptrdiff_t images = 0;
    for (int i = 0; i < layout->train_files; i++) {
        images += records[i];
    }
    ptrdiff_t test = records[layout->train_files];
    struct division division;
    if (!dataset_divide(&division, layout->call, images, test, options->limit, options->valid,
                        error)) {
        return NULL;
    }
    ptrdiff_t used = division.train + division.valid;
    const ptrdiff_t shape[3] = {3, 32, 32};
    struct dataset *set =
        dataset_new(layout->name, shape, STORE_BYTES, &division, layout->classes, 0, error);
    bool good = set != NULL;
    for (ptrdiff_t i = 0, first = 0; good && i < layout->train_files; i++) {
        ptrdiff_t kept = records[i] < used - first ? records[i] : used - first;
        good = read_records(&files[i], layout, records[i], kept, set, first, error);
        first += kept;
    }
    good = good && read_records(&files[layout->train_files], layout, test, test, set, used, error);
    if (!good) {
        dataset_free(set);
        return NULL;
    }
    options->limit = used;
    options->valid = division.valid;
    dataset_normalise(set, mean, deviation);
    return set;
}

static struct dataset *create(const struct layout *layout, int option_count,
                              struct cifar_options *options, struct error *error) {
    const char *const *marks = layout->files;
    const char *file_marks[TRAIN_FILES_MOST + 2] = {NULL};
    memcpy(file_marks, marks, (size_t)(layout->train_files + 1) * sizeof *file_marks);
    char advice[160], folder[OPTION_TEXT_SIZE];
    (void)snprintf(advice, sizeof advice,
                   "run scripts/get-data %s, or point dir= or CONTINUO_DATA at the folder of %s",
                   layout->name, layout->files[0]);
    if (!dataset_folder(layout->name, options->dir, NULL, layout->nested, file_marks, advice,
                        folder, sizeof folder, error)) {
        return NULL;
    }
    struct data_file files[TRAIN_FILES_MOST + 1] = {{0}};
    char paths[TRAIN_FILES_MOST + 1][OPTION_TEXT_SIZE + 64];
    ptrdiff_t records[TRAIN_FILES_MOST + 1];
    struct sha256 hash;
    sha256_begin(&hash);
    bool good = true;
    for (int i = 0; good && i <= layout->train_files; i++) {
        const char *const names[] = {layout->files[i], NULL};
        good = dataset_path(folder, names, paths[i], sizeof paths[i], error) &&
               open_file(&files[i], paths[i], layout, &hash, &records[i], error);
    }
    struct dataset *set = good ? load(files, records, layout, options, error) : NULL;
    for (int i = 0; i <= layout->train_files; i++) {
        data_file_close(&files[i]);
    }
    if (set) {
        sha256_end(&hash, set->digest);
        (void)strcpy(options->dir, folder);
        set->config = option_write(options_table, option_count, options);
        cJSON_AddStringToObject(set->config, "source", layout->name);
    }
    return set;
}

static struct dataset *create_10(const cJSON *config, struct error *error) {
    struct cifar_options options = {0};
    if (!option_read(options_table, OPTION_COUNT_10, layout_10.call, config, ignored, &options,
                     error)) {
        return NULL;
    }
    struct dataset *set = create(&layout_10, OPTION_COUNT_10, &options, error);
    if (set) {
        set->class_names = names_10;
    }
    return set;
}

static struct dataset *create_100(const cJSON *config, struct error *error) {
    struct cifar_options options = {0};
    if (!option_read(options_table, OPTION_COUNT_100, layout_100.call, config, ignored, &options,
                     error)) {
        return NULL;
    }
    bool coarse = options.labels == 1;
    struct layout layout = layout_100;
    layout.label_at = coarse ? 0 : 1;
    layout.classes = layout.label_most[layout.label_at];
    struct dataset *set = create(&layout, OPTION_COUNT_100, &options, error);
    if (set) {
        set->class_names = coarse ? names_coarse : names_fine;
    }
    return set;
}

const struct source source_cifar10 = {
    "cifar10", "CIFAR-10: 50,000 + 10,000 colour images of 32 x 32, 10 kinds of things",
    options_table, OPTION_COUNT_10, create_10};
const struct source source_cifar100 = {
    "cifar100", "CIFAR-100: 50,000 + 10,000 colour images of 32 x 32, 100 kinds of things",
    options_table, OPTION_COUNT_100, create_100};
