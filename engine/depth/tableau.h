/* Runge-Kutta schemes as data: Butcher tableaux with coefficients as published and a source.
 * Abscissae (row sums), first-same-as-last, orders, error norm and stability are computed from the
 * coefficients, never declared. */
#ifndef CONTINUO_DEPTH_TABLEAU_H
#define CONTINUO_DEPTH_TABLEAU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { TABLEAU_STAGES_MAX = 16, TABLEAU_ERRORS_MAX = 2, TABLEAU_DEGREE_MAX = 8 };

struct rational {
    int64_t p, q; /* q > 0, lowest terms */
};

/* An embedded formula bhat: the error of a step is estimated as h sum e_i k_i, e = b - bhat. */
struct tableau_error {
    const char *name;                      /* "" for the only one */
    const char *source;                    /* paper */
    const char *given[TABLEAU_STAGES_MAX]; /* bhat, or e itself where it is published so */
    bool by_difference;                    /* e was given */
    int order;                             /* computed: that of bhat */
    double e[TABLEAU_STAGES_MAX];          /* computed, rounded once */
};

/* Coefficients are texts (depth/number.h); NULL is 0. The doubles are the texts rounded once. */
struct tableau {
    const char *name;
    const char *source; /* paper and equation or table */
    int stages;
    int order;                                             /* computed */
    bool fsal;                                             /* computed */
    const char *a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX]; /* strictly lower triangular */
    const char *b[TABLEAU_STAGES_MAX];
    double av[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX], bv[TABLEAU_STAGES_MAX];
    /* Computed: row sums of a, as fractions with denominators up to 2^53 and as doubles. Where the
     * sum is no such fraction (dop853's are irrational), the nearest in reach of its continued
     * fraction: good for telling cells of depth apart, while times are made from cv. */
    struct rational c[TABLEAU_STAGES_MAX];
    double cv[TABLEAU_STAGES_MAX];
    int error_count;                                /* computed: entries that have a source */
    struct tableau_error error[TABLEAU_ERRORS_MAX]; /* the first one is the default */
    /* A published interpolant without further stages, y(t + theta h) = y + h sum b_i(theta) k_i
     * with b_i(theta) = sum_k dense[i][k] theta^(k + 1), and its order; 0: none. */
    int dense_order;
    const char *interpolant[TABLEAU_STAGES_MAX][TABLEAU_DEGREE_MAX];
    double dense[TABLEAU_STAGES_MAX][TABLEAU_DEGREE_MAX];
    double error_norm; /* computed: of the conditions of order + 1, NUMERICS.md eq. 14; NAN beyond
                          the trees generated */
    double stability;  /* computed: |R(z)| <= 1 on [-stability, 0], NUMERICS.md eq. 72 */
};

/* The registered scheme of that name, or NULL with *error naming the nearest one. */
const struct tableau *tableau_find(const char *name, struct error *error);

int tableau_count(void);
const struct tableau *tableau_at(int index);

/* Adds a copy of a completed scheme, findable by its name for the life of the process. The entry
 * itself when the same scheme was registered under that name before; NULL with *error set when the
 * name is not one word, stands for other coefficients, or the registry is full. */
const struct tableau *tableau_register(const struct tableau *tableau, struct error *error);

/* The number of stages that evaluate the vector field in each step but the first: one less than
 * stages when the last stage is the next step's first. */
int tableau_evaluations(const struct tableau *tableau);

/* Derives what is computed from name, source, stages, a, b, the given of error and interpolant.
 * False when a text is no number, a is not strictly lower triangular, sum b or sum bhat != 1, bhat
 * is b, or the interpolant does not lead to b. Orders are decided from the texts
 * (depth/condition.h). */
bool tableau_complete(struct tableau *tableau, struct error *error);

#endif
