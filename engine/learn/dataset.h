/* A data set: samples held in memory, cut into train, validation and test parts. Test data never
 * steer anything: validation is held out of the training part (by default its last 5,000 of
 * 60,000, in proportion otherwise). Images are kept as bytes, other data as floats or, where they
 * come in doubles, as they come. */
#ifndef CONTINUO_LEARN_DATASET_H
#define CONTINUO_LEARN_DATASET_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/option.h"
#include "kernels/kernels.h"

struct part {
    const struct dataset *set;
    const char *name;       /* "train", "valid", "test" */
    ptrdiff_t count, first; /* samples, and where they begin in the arrays below */
    const uint8_t *bytes;   /* (count, C, H, W), or NULL */
    const float *floats;    /* (count, C, H, W) when bytes is NULL, or NULL */
    const double *doubles;  /* (count, C, H, W) when both are NULL */
    const int32_t *labels;  /* (count), or NULL when there are targets */
    const double *targets;  /* (count, outputs), for mean squared error, or NULL */
};

struct dataset {
    char name[64];
    ptrdiff_t shape[3];          /* channels, height, width */
    int classes;                 /* 0: regression */
    int outputs;                 /* classes, or the length of a target */
    float mean[3], deviation[3]; /* of images, per channel, of values in 0..1; applied when a batch
                                    is made. Floats are kept as they are: 0 and 1 */
    const char *const *class_names; /* or NULL */
    struct part train, valid, test;
    cJSON *config;   /* {"source": "fashion_mnist", ...options}, resolved */
    char digest[65]; /* SHA-256 of the files read, hexadecimal, or "" */

    /* What the parts point into; owned. Training, validation and test samples, in this order. */
    uint8_t *bytes;
    float *floats;
    double *doubles;
    int32_t *labels;
    double *targets;
    float of_byte[3][256]; /* normalised value of every byte, per channel */
};

/* From {"source": "fashion_mnist", ...options}. NULL with *error set when a file is missing,
 * truncated, foreign or corrupt (which file, what was found, what was expected, what to do). */
struct dataset *dataset_create(const cJSON *config, struct error *error);
void dataset_free(struct dataset *set);

/* In-memory arrays, copied: floats of shape (count, C, H, W) with labels in 0..classes-1 or targets
 * (count, outputs). The last `test` samples are the test part, the `valid` before them the
 * validation part. NULL with *error set when counts, labels or values cannot be. */
struct dataset *dataset_from_arrays(const float *values, const ptrdiff_t shape[4],
                                    const int32_t *labels, int classes, const float *targets,
                                    int outputs, ptrdiff_t valid, ptrdiff_t test,
                                    struct error *error);
/* The same of doubles. */
struct dataset *dataset_from_doubles(const double *values, const ptrdiff_t shape[4],
                                     const int32_t *labels, int classes, const double *targets,
                                     int outputs, ptrdiff_t valid, ptrdiff_t test,
                                     struct error *error);

/* Trajectories in memory: y (count, rows, n) at times t (rows), or at 0, dt, 2 dt ... when t is
 * NULL; `config` has the options of source "trajectory" but its file. */
struct dataset *dataset_from_states(const double *t, const double *y, ptrdiff_t count,
                                    ptrdiff_t rows, ptrdiff_t n, const cJSON *config,
                                    struct error *error);

struct source {       /* registry: one entry a source, its option table feeds help and completion */
    const char *name; /* "fashion_mnist", "mnist", "idx", "cifar10", "cifar100", "spirals", ... */
    const char *help;
    const struct option *options;
    int option_count;
    struct dataset *(*create)(const cJSON *config, struct error *error);
};
int source_count(void);
const struct source *source_at(int index);

/* Augmentation of training images: each sample is shifted by up to `crop` pixels down or up and
 * right or left (what comes in is black: padding is done before normalisation) and, when `flip`,
 * mirrored with probability 1/2; a pure function of (seed, epoch, sample). */
struct augment {
    int crop;
    bool flip;
};

/* Writes samples part[order[first .. first+count)] (or part[first..] when order is NULL), scaled to
 * 0..1, normalised and augmented (NULL: not) into x (count, C, H, W), floats. */
void dataset_batch(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                   ptrdiff_t count, const struct augment *augment, uint64_t seed, int epoch,
                   float *x);
/* The same in doubles, exact where the part has doubles. */
void dataset_batch_doubles(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                           ptrdiff_t count, const struct augment *augment, uint64_t seed, int epoch,
                           double *x);
/* Labels or targets of the same samples; targets as a net of this precision sees them: rounded to
 * floats for PRECISION_F32. */
void dataset_labels(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                    ptrdiff_t count, int32_t *labels);
void dataset_targets(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                     ptrdiff_t count, enum precision precision, double *targets);

#endif
