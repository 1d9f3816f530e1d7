/* What the sources of data sets share: making a data set, cutting it into parts, and finding and
 * reading the files. Only learn/dataset*.c include this. */
#ifndef CONTINUO_LEARN_DATASET_BUILD_H
#define CONTINUO_LEARN_DATASET_BUILD_H

#include <zlib.h>

#include "base/sha256.h"
#include "learn/dataset.h"

/* The counts of samples in each part. */
struct division {
    ptrdiff_t train, valid, test;
};

/* Divides `images` training images: the first `limit` of them (0: all) are used, and the last
 * `valid` of those (-1: 5,000 of 60,000 in proportion, at least one of two) are held out. False
 * with *error set when limit or valid cannot be. */
bool dataset_divide(struct division *division, const char *call, ptrdiff_t images, ptrdiff_t test,
                    ptrdiff_t limit, ptrdiff_t valid, struct error *error);

enum dataset_store { STORE_BYTES, STORE_FLOATS, STORE_DOUBLES };

/* An empty data set with room for all samples, labels zero. outputs > 0: targets, no labels. */
struct dataset *dataset_new(const char *name, const ptrdiff_t shape[3], enum dataset_store store,
                            const struct division *division, int classes, int outputs,
                            struct error *error);

/* Sets mean and deviation (one a channel) and the table of byte values. */
void dataset_normalise(struct dataset *set, const double *mean, const double *deviation);

/* ---- files ---- */

/* Where a data set of files is looked for, in this order: `dir` if given, and nowhere else; if
 * CONTINUO_DATA is set, its folder `name` and itself, and nowhere else; `name` in the user's data
 * folder (XDG_DATA_HOME/continuo); `system` (may be NULL). A folder fits when it, or its folder
 * `nested` (may be NULL), has one of `marks` (NULL-terminated). Writes the folder that fits. False
 * with *error set: where it looked for what, and `advice`. */
bool dataset_folder(const char *name, const char *dir, const char *system, const char *nested,
                    const char *const *marks, const char *advice, char *folder, size_t size,
                    struct error *error);

/* Writes folder/names[i] of the first that is there, else folder/names[0]. False: too long. */
bool dataset_path(const char *folder, const char *const *names, char *path, size_t size,
                  struct error *error);

/* A file of bytes, gzipped or not, read from front to end. */
struct data_file {
    const char *path; /* borrowed */
    const char *kind; /* what it should be: "an IDX file of images" */
    gzFile stream;
    uint64_t disk_size; /* bytes, compressed ones when it is gzipped */
    bool gzipped;
};

/* Opens a file and adds its bytes on disk to `hash`. */
bool data_file_open(struct data_file *file, const char *path, const char *kind, struct sha256 *hash,
                    struct error *error);
/* Reads exactly `size` bytes; target NULL: passes over them. */
bool data_file_read(struct data_file *file, void *target, size_t size, struct error *error);
/* Checks that the file ends here. */
bool data_file_end(struct data_file *file, struct error *error);
void data_file_close(struct data_file *file);

/* ---- trajectories ---- */

/* States of one solution, or of what was measured, at rising times. Owned. */
struct trajectory {
    ptrdiff_t rows;
    double *t, *y; /* (rows), (rows, n) */
};
struct trajectories {
    ptrdiff_t count, n;
    struct trajectory *list;
};
/* Room for `count` of `rows` states each (0: none yet). */
bool trajectories_init(struct trajectories *set, ptrdiff_t count, ptrdiff_t rows, ptrdiff_t n,
                       struct error *error);
void trajectories_release(struct trajectories *set);

/* How they become samples: the options that every source of trajectories has. */
struct windows {
    ptrdiff_t intervals, seed;
    double noise, valid, test;
    bool given; /* samples hold t and dt behind the state */
    ptrdiff_t stride;
};
/* clang-format off */
#define WINDOWS_OPTIONS(structure)                                                                 \
    {"intervals", OPTION_INTEGER, offsetof(structure, windows.intervals), "1", 1, 1e6, NULL,       \
     "a target is the states after so many intervals, one behind another"},                        \
    {"noise", OPTION_NUMBER, offsetof(structure, windows.noise), "0", 0, 1e300, NULL,              \
     "standard deviation of what is added to every value of every state"},                         \
    {"seed", OPTION_INTEGER, offsetof(structure, windows.seed), "0", 0, 0x1p53, NULL,              \
     "of noise, random intervals and random initial states"},                                      \
    {"valid", OPTION_NUMBER, offsetof(structure, windows.valid), "0.1", 0, 1e9, NULL,              \
     "held out: trajectories, or of a single one its last intervals; below 1: so large a part"},   \
    {"test", OPTION_NUMBER, offsetof(structure, windows.test), "0", 0, 1e9, NULL,                  \
     "the same behind the validation part"}
/* clang-format on */

/* A data set of windows of states: inputs are a state (n values), and t and dt when they are
 * given, targets the states after 1, 2 ... `intervals` intervals. Several trajectories are dealt
 * out whole, the last ones for tests; one is cut in time. Noise is added to the states in place.
 * NULL with *error set when nothing is left to train on, or when dt is given and the intervals of a
 * window differ. */
struct dataset *dataset_from_trajectories(const char *call, const char *name,
                                          struct trajectories *set, const struct windows *windows,
                                          struct error *error);

/* ---- sources: one table of options and one constructor each ---- */
extern const struct source source_fashion_mnist, source_mnist, source_idx;
extern const struct source source_cifar10, source_cifar100;
extern const struct source source_spirals, source_rings;
extern const struct source source_system, source_trajectory;

#endif
