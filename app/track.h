/* A run as the screen follows it: its series, the traces made of them, and what can be said about
 * it now: speed, time left, and the table of the same weights under other schemes and steps. */
#ifndef CONTINUO_APP_TRACK_H
#define CONTINUO_APP_TRACK_H

#include "base/error.h"
#include "lua/plot/trace.h"
#include "run/series.h"

enum track_x { TRACK_STEP, TRACK_EPOCH, TRACK_SECONDS, TRACK_X_COUNT };

enum { TABLE_SCHEMES = 8, TABLE_STEPS = 16 };

/* Accuracy of the same weights: in percent, nan where not measured (yet). While a run trains its
 * cells are measured one by one, so each has the training step of its weights beside it. */
struct table {
    bool is_sweep; /* on the test part at the end; else the latest probes */
    int scheme_count, step_count;
    int schemes[TABLE_SCHEMES]; /* indices into series->schemes */
    int steps[TABLE_STEPS];     /* ascending */
    double accuracy[TABLE_STEPS][TABLE_SCHEMES];
    double measured[TABLE_STEPS][TABLE_SCHEMES]; /* training step */
    int trained_row, trained_column;             /* -1: not in the table */
    double images, step; /* measured on so many images; training step of the newest cell */
};

/* The trained cell against the limit of its own ODE: the scheme of highest order at the finest
 * steps of the table. Until that is measured, against the cell measured that comes nearest to it,
 * if its order and steps are not below the trained ones. In points of accuracy, for the weights of
 * one moment: the trained cell's accuracy is interpolated to the training step at which the other
 * was measured, and cells measured after the trained one wait until it is measured again. */
struct gap {
    bool is_known;
    bool is_limit;                 /* the other cell is the limit */
    int scheme, steps;             /* the other cell; scheme is an index into series->schemes */
    double trained, limit, points; /* points = trained - limit */
    double margin;                 /* two standard errors of the difference, at least 1 point */
    bool is_alarm;                 /* |points| > margin */
};

struct track {
    struct series *series;
    int style;
    bool is_shown;
    enum track_x x;
    double span; /* of the smoothing, in training steps; 0: none */
    struct trace loss, norm, rate;
    struct trace smooth_loss, smooth_norm; /* the same as loss and norm when span is 0 */
    struct trace probed;   /* percent, the probes of the trained cell, over training steps */
    struct trace accuracy; /* percent, validation: evaluations, and probes of the trained cell */
    struct trace steps;    /* of each ODE block, which a controller may change */
    struct trace ratio;    /* of convergence events: the error as h -> 0 over that at dt */
    struct smoother {
        double weight, sum; /* so far: sum of w, and of w y */
        double step;        /* of the last finite value */
    } loss_smoother, norm_smoother;
    ptrdiff_t steps_read, evals_read, probes_read, ratios_read, notes_read;
    bool is_lost;
};

/* Opens the run folder. NULL with *error set when it is none. */
struct track *track_open(const char *path, int style, struct error *error);
void track_close(struct track *track); /* NULL is fine */
/* Reads what is new; true when anything was. */
bool track_update(struct track *track);
/* Changes the x of the traces, or the smoothing, and makes them anew. */
void track_set(struct track *track, enum track_x x, double span);

/* One of the series' states, or "lost". */
const char *track_state(const struct track *track);
/* Steps a second over the last seconds of training; nan when not known. */
double track_speed(const struct track *track);
double track_images(const struct track *track);  /* images a second, likewise */
double track_left(const struct track *track);    /* seconds until the last step; nan */
double track_seconds(const struct track *track); /* of training so far */
double track_step(const struct track *track);    /* 0 before the first */
double track_epoch(const struct track *track);
/* The x of a training step that has been; nan before the first and after the last. */
double track_x_at(const struct track *track, double step);
/* The x of now, and of the end (nan when not known). */
double track_x_now(const struct track *track);
double track_x_total(const struct track *track);

/* Whether its net learns dynamics: errors over steps are its subject, not accuracies. */
bool track_is_dynamics(const struct track *track);
/* What the latest convergence test has found: passed 1, failed -1, else 0. */
int track_verdict(const struct track *track);

/* The table: the sweep on the test part when there is one, else the latest probes. False when
 * the run neither has nor announces any. */
bool track_table(const struct track *track, struct table *table);
struct gap track_gap(const struct track *track, const struct table *table);
/* "trained point sits 13.9 points above its own ODE limit". */
void track_gap_text(const struct track *track, const struct gap *gap, char *text, size_t size);

#endif
