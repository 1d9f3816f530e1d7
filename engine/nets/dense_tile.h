/* A few samples on their way through a dense field, forward and back: what dense_field.c plans for
 * a batch and runs chunk by chunk. */
#ifndef CONTINUO_NETS_DENSE_TILE_H
#define CONTINUO_NETS_DENSE_TILE_H

#include "nets/pass.h"

struct dense_field {
    const struct op *op;
    struct run run;
    int stages;                                       /* those that count, s */
    int stage[TABLEAU_STAGES_MAX];                    /* their numbers in the scheme */
    double a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX]; /* h factor a_ij among them */
    double b[TABLEAU_STAGES_MAX];                     /* h factor b_i */
    int intervals, steps;                             /* intervals of run.steps each, in all */
    int *cell;                                        /* (run.steps, s) */
    int cells;
    struct field *fields; /* per cell */
    bool paced;           /* a slope is dt times the field */
    bool timed;           /* which reads the time behind the state */
    double *skip;         /* per cell: the scalar that multiplies the field, 1 without one */
    ptrdiff_t len;        /* reals of a state */
    ptrdiff_t chunk, tile;
    void *kept;    /* [tile][step][s][trace], or [tile][step][state] */
    void *room[2]; /* forward, backward */
};

/* What is kept of a step: nothing, the state it starts from, or the traces of its stages. Policies
 * that keep less than all keep the starts: traces take nearly all of the memory. */
enum keep { KEEP_NOTHING, KEEP_STARTS, KEEP_TRACES };

static inline ptrdiff_t dense_traces_len(const struct dense_field *d) { /* of a sample in a step */
    return d->stages * d->fields[0].trace_len;
}

struct dense_tile {
    struct pass *pass;
    const struct dense_field *d;
    enum keep keep;
    ptrdiff_t first, rows; /* samples */
    /* Room of its worker: traces of a step unless they are kept; gradients by what the layers add
     * up and by the inputs of the stages, of a step; where there are several intervals, a state. */
    void *slots, *backs, *ybars, *state;
    void *timed;       /* gradients by state and time */
    const void *clock; /* t and dt of the samples, or NULL */
    void *gradient; /* of its chunk */
    double *skip_gradient;
};

/* x: states, padded features each; out: (intervals) states a sample. */
void dense_tile_forward(const struct dense_tile *t, const void *x, void *out);
/* g: gradient by out, overwritten; dx: set to the gradient by x unless NULL. */
void dense_tile_backward(const struct dense_tile *t, void *g, void *dx);

#endif
