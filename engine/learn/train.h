/* Training: begin, step, end. No threads of its own but the one that makes the next batch, no
 * files: a job (run/job.h) drives it and writes down what happens. Deterministic: a function of
 * net, data and options alone, for any
 * number of threads. */
#ifndef CONTINUO_LEARN_TRAIN_H
#define CONTINUO_LEARN_TRAIN_H

#include "learn/dataset.h"
#include "learn/evaluate.h"
#include "learn/mixture.h"
#include "learn/optim.h"
#include "learn/steering.h"
#include "nets/net.h"

struct train_options {
    double epochs;          /* may be fractional */
    ptrdiff_t batch;        /* samples */
    cJSON *optimizer;       /* see optim.h; NULL: sgd, lr 0.1, momentum 0.9 */
    cJSON *schemes;         /* see mixture.h; NULL: the net as it is */
    cJSON *control;         /* see steering.h; NULL: the number of steps stays */
    cJSON *schedule;        /* see schedule.h; NULL: constant */
    double clip;            /* largest gradient norm; 0: no clipping */
    double label_smoothing; /* in [0, 1) */
    cJSON *augment;         /* {"crop": 4, "flip": true} or NULL */
    int memory;             /* enum memory: what is kept of ODE blocks */
    ptrdiff_t seed;
};
extern const struct option train_options_table[];
extern const int train_options_count;
extern const struct option augment_options_table[]; /* of augment */
extern const int augment_options_count;

struct train_augment {
    ptrdiff_t crop;
    bool flip;
};

struct step_report {
    ptrdiff_t step; /* 1-based, of steps */
    double epoch;   /* fractional, behind this step */
    double loss;    /* mean over the batch, before the update */
    double losses[MIXTURE_MOST]; /* of each of the schemes */
    int loss_count;              /* 0: no schemes were asked for */
    double rate;
    double grad_norm; /* before clipping; NaN when the loss was not finite */
    double seconds;   /* of this step */
    int evaluations;  /* of loss and gradient: 1, or as many as the optimiser's search took */
    ptrdiff_t count;  /* samples of this batch; the last one of an epoch may be short */
    bool epoch_end;   /* this step was the last of its epoch */
    bool finite;      /* false: loss or gradient is not finite; nothing was updated */
};

struct train;

/* Borrows net, data and pool (NULL: serial), which must outlive it. All memory is taken here.
 * NULL with *error set when an option cannot be or net and data do not fit. */
struct train *train_begin(struct net *net, const struct dataset *data, const cJSON *options,
                          struct pool *pool, struct error *error);

/* Steering (steering.h). train_control measures and decides with the batch that comes next, once
 * before a step where that is due, and changes the number of steps of the net: outside of a step,
 * because it takes memory. A decision that asks waits for train_answer, and the step for both;
 * without an answer the number stays. train_step makes up for a call that was not made. */
bool train_is_steered(const struct train *train);
bool train_control_due(const struct train *train);
void train_control(struct train *train, struct steering_decision *decision);
/* `steps` and `text` as in steering_answer. */
void train_answer(struct train *train, struct steering_decision *decision, int steps,
                  const char *text);
double train_patience(const struct train *train); /* seconds; of a training that is steered */

/* One batch: forward, loss, backward, update. False when all steps are done, or when the last
 * step was not finite: trained further, the net would only repeat it. */
bool train_step(struct train *train, struct step_report *report);
void train_end(struct train *train);

ptrdiff_t train_steps(const struct train *train); /* in all */
/* What is kept of ODE blocks, never MEMORY_AUTO, and the bytes a step works in. */
enum memory train_memory(const struct train *train);
size_t train_bytes(const struct train *train);
ptrdiff_t train_steps_per_epoch(const struct train *train);
const cJSON *train_config(const struct train *train); /* options, resolved */

/* The state that, with the net's values, makes the rest of training bit for bit the same: the
 * number of steps done, the optimiser's memory and, where it is steered, the number of steps of the
 * net. Order and augmentation of samples are functions
 * of seed and step. */
ptrdiff_t train_position(const struct train *train);
void train_seek(struct train *train, ptrdiff_t position); /* 0 <= position <= steps */
/* Of the net, in every ODE block, as net_set_steps; plans anew what depends on it. */
bool train_set_steps(struct train *train, int steps, struct error *error);
struct optim *train_optim(struct train *train);

#endif
