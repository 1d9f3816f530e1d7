/* Training: begin, step, end. No threads, no files: a job (run/job.h) drives it and writes down
 * what happens. Deterministic: a function of net, data, options alone, for any number of threads. */
#ifndef CONTINUO_LEARN_TRAIN_H
#define CONTINUO_LEARN_TRAIN_H

#include "learn/dataset.h"
#include "learn/evaluate.h"
#include "nets/net.h"

struct train_options {
    double epochs;           /* may be fractional */
    ptrdiff_t batch;         /* samples */
    cJSON *optimizer;        /* {"kind": "sgd", "lr": ...} or {"kind": "adam" | "adamw", ...} */
    cJSON *schedule;         /* {"kind": "step" | "cosine" | "one_cycle" | "constant", ...} or NULL */
    double clip;             /* largest gradient norm; 0: no clipping */
    double label_smoothing;  /* in [0, 1) */
    cJSON *augment;          /* {"crop": 4, "flip": true} or NULL */
    ptrdiff_t seed;
    double seconds;          /* stop after so much training time; 0: no limit */
    /* ... */
};
extern const struct option train_options_table[];
extern const int train_options_count;

struct step_report {
    ptrdiff_t step;  /* 1-based, of steps */
    double epoch;    /* fractional */
    double loss;     /* mean over the batch, before the update */
    double rate, grad_norm;
    double seconds;  /* of this step */
    bool finite;     /* false: loss or gradient is not finite; the weights were NOT updated */
};

struct train;
/* Borrows net and data, which must outlive it. */
struct train *train_begin(struct net *net, const struct dataset *data, const cJSON *options,
                          struct pool *pool, struct error *error);
bool train_step(struct train *train, struct step_report *report); /* false: all steps are done */
void train_end(struct train *train);

ptrdiff_t train_steps(const struct train *train); /* in all */
const cJSON *train_config(const struct train *train); /* options, resolved */
/* The state that, with the net's values, makes the rest of training bit for bit the same:
 * step number and optimiser memory, as named tensors. */
bool train_save(const struct train *train, const char *path, struct error *error);
bool train_restore(struct train *train, const char *path, struct error *error);

#endif
