/* The one reader of a run folder: tails metrics.jsonl into series in memory. The live screen, the
 * prompt, `continuo watch` and replay all look through it. Tolerates a torn last line and a file
 * that is still growing; never rescans what it has read. */
#ifndef CONTINUO_RUN_SERIES_H
#define CONTINUO_RUN_SERIES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "run/series_convergence.h"

struct series_step {
    double step, epoch, seconds, loss, rate, grad_norm, images_per_second;
    double evaluations; /* of loss and gradient by an optimiser that searches; nan: one */
};
struct series_eval {
    double step, epoch, seconds, loss, accuracy, count;
    bool valid; /* false: the test part */
};
struct series_probe {
    double step, epoch, seconds, loss, accuracy, count;
    int scheme; /* index into schemes */
    int steps;
};
/* Of each convergence event: the error as h -> 0 over the error at the trained step; nan. */
struct series_ratio {
    double step, epoch, seconds, ratio;
};
/* A change of the number of steps while the net trained. */
struct series_control {
    double step, epoch;
    int from, to;
};

/* A decision of a controller, also one to stay. */
struct series_decision {
    double step, epoch, value, threshold;
    int from, to;
    char rule[16], text[200];
};

struct series {
    char path[512], name[64], id[8];
    cJSON *config, *meta;
    double steps_total, epochs_total, parameters;
    char trained_scheme[32];
    int trained_steps, nodes; /* steps of each ODE block: now; in the beginning: */
    int trained_first;
    int scheme_count;
    char schemes[32][32]; /* every scheme met in the start event, probes and sweeps */
    int probe_scheme_count, probe_schemes[8]; /* as the start event announces: indices */
    int probe_step_count, probe_steps[16];    /* into schemes, and step counts, ascending */
    double probe_images;                      /* 0: no probe */
    ptrdiff_t step_count, eval_count, probe_count, sweep_count;
    struct series_step *steps;
    int loss_count; /* losses of each step, one a scheme; 0: there was but one */
    double *losses; /* (step_count, loss_count) */
    struct series_eval *evals;
    struct series_probe *probes, *sweeps;   /* sweeps: on the test part, seconds and epoch nan */
    struct series_convergence *convergence; /* the latest; NULL: none yet */
    ptrdiff_t ratio_count, control_count;
    struct series_ratio *ratios;
    struct series_control *controls;
    ptrdiff_t decision_count;
    struct series_decision *decisions; /* controls among them */
    ptrdiff_t nonfinite;               /* steps whose loss was not finite */
    char state[16], text[480];         /* last state event; "queued" before the first */
    char verdict[480];                 /* empty: none yet */
    bool verdict_pass;
    ptrdiff_t note_count;
    char (*notes)[256];                /* all but steps, probes and sweeps, as lines */
    double checkpoint_told, eval_told; /* seconds of training at the last note about one */
    char eval_waiting[256];            /* a note not told yet; empty: none */
    ptrdiff_t foreign;        /* whole lines that are no event of docs/RUNS.md; passed over */
    struct series_tail *tail; /* the open file and what is known of its last line */
};

/* Opens a run folder. NULL with *error set when it is not one. */
struct series *series_open(const char *path, struct error *error);
bool series_update(struct series *series); /* reads what is new; true when anything was */
void series_close(struct series *series);  /* NULL is fine */

/* The steps of each ODE block that training step `step` was made with. */
int series_steps_at(const struct series *series, double step);
/* Whether the verdict's text begins with its word ("FAIL-V: ..."). */
bool series_verdict_is_named(const struct series *series);
/* Whether the run has ended: done, stopped, failed or diverged. */
bool series_is_over(const struct series *series);
/* Whether the process that should be writing the run is known to be dead: the run is not over, was
 * started on this machine, and its pid is no more. */
bool series_is_lost(const struct series *series);

/* Whether the folder looks like a run: it has a config.json or a metrics.jsonl. */
bool series_is_run(const char *folder);
/* Splits the last part of a path, `<time>-<name>-<id>`; a folder of any other shape is all name,
 * and its id empty. What does not fit the sizes (bytes) is cut. */
void series_split(const char *folder, char *name, size_t name_size, char *id, size_t id_size);

/* Finds a run by folder, name, id or unique prefix under `runs`; the newest when text is NULL or
 * empty, and the newest of several with the very same name. Writes its folder to path (size
 * bytes). */
bool series_find(const char *runs, const char *text, char *path, size_t size, struct error *error);
/* The names of the run folders under `runs`, newest first, at most `limit`; the caller frees the
 * array. Returns how many; 0 also when `runs` does not exist. */
int series_list(const char *runs, char (**names)[256], int limit);

#endif
