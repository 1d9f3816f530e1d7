/* What solving an ordinary differential equation gives, one record for each sample: the states that
 * were asked for, every attempted step, the polynomials between the steps, and how it ended. */
#ifndef CONTINUO_ODE_SOLUTION_H
#define CONTINUO_ODE_SOLUTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "ode/interpolant.h"
#include "ode/stepper.h"

enum solution_status {
    SOLUTION_DONE,
    SOLUTION_LIMIT,       /* as many steps were attempted as are allowed */
    SOLUTION_UNDERFLOW,   /* the step fell below round-off */
    SOLUTION_NONFINITE,   /* a state or slope is not finite; equal steps go on to the end all the same */
    SOLUTION_STIFF,       /* stability, not accuracy, held the step for long */
    SOLUTION_INTERRUPTED, /* the flag was raised */
    SOLUTION_FIELD,       /* the field stopped */
    SOLUTION_MEMORY,      /* there was no memory for more records */
};
extern const char *const solution_status_names[];

struct solution_attempt {
    double t, h, error; /* error: in units of what is allowed; 0 in equal steps */
    ptrdiff_t worst;    /* component with the largest part of it */
    bool accepted;
};

struct solution_sample {
    enum solution_status status;
    double stop;             /* the time reached, or from which on states are not finite */
    double step, reach;      /* length of the last step; its h times the spectral radius, 0: unknown */
    ptrdiff_t worst;         /* component that was worst in the last step */
    ptrdiff_t evaluations;   /* of the field, at one state each */
    ptrdiff_t accepted, rejected;
    ptrdiff_t saved, saved_room; /* states asked for, as far as it got */
    double *t, *y;               /* (saved), (saved, n) */
    ptrdiff_t attempts, attempts_room;
    struct solution_attempt *attempt; /* in their order */
    ptrdiff_t pieces, pieces_room;
    double *piece; /* (pieces, 2 + n (1 + terms)): begin, end, y, d of eq. 85 */
};

struct solution {
    ptrdiff_t count, n;
    const struct tableau *scheme; /* of the interpolant: of Adams' formulas their starter */
    double t0, t1;
    enum interpolant interpolant;
    int order;                      /* with which values between the steps converge */
    ptrdiff_t crossed;              /* jumps of the field that lie within equal steps */
    struct solution_sample *sample; /* (count) */
    double *last;                   /* (count, n) states where the samples stopped */
    struct stepper again;           /* one row, for steps taken again */
};

void solution_free(struct solution *solution);

/* out (n) = the state of a sample at time t, which must lie between t0 and what was reached, of a
 * solution made dense. `field` evaluates steps that are taken again; NULL: it is the one that was
 * solved. False with *error: no such state. */
bool solution_at(struct solution *solution, ptrdiff_t sample, const struct ode_field *field,
                 double t, double *out, struct error *error);

/* One sentence on how the sample ended, "" when it is done; returns the length wanted. */
int solution_sentence(const struct solution *solution, ptrdiff_t sample, char *text, size_t size);

/* Records, for the solver: false without memory. */
bool solution_save(const struct solution *solution, struct solution_sample *sample, double t,
                   const double *y);
bool solution_note(struct solution_sample *sample, const struct solution_attempt *attempt);
/* The next piece, to be filled, or NULL. */
double *solution_piece(const struct solution *solution, struct solution_sample *sample);

/* out (n) = the state at t in the step from `begin` to `end` that starts with y and has d. */
bool solution_within(struct solution *solution, double begin, double end, const double *y,
                     const double *d, double t, double *out);

#endif
