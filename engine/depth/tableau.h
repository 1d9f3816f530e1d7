/* Runge-Kutta schemes as data: Butcher tableaux with rational coefficients and a source. Abscissae
 * (row sums), first-same-as-last and orders are computed from A and b, never declared. */
#ifndef CONTINUO_DEPTH_TABLEAU_H
#define CONTINUO_DEPTH_TABLEAU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { TABLEAU_STAGES_MAX = 16, TABLEAU_ERRORS_MAX = 2, TABLEAU_DEGREE_MAX = 8 };

struct rational {
    int64_t p, q; /* q > 0, lowest terms */
};

/* An embedded formula of lower order: the error of a step is estimated as h sum e_i k_i. */
struct tableau_error {
    const char *name;   /* "" for the only one */
    const char *source; /* paper, where it is another than the scheme's */
    struct rational bhat[TABLEAU_STAGES_MAX];
    int order;                    /* computed: that of bhat */
    double e[TABLEAU_STAGES_MAX]; /* computed: b - bhat, rounded once */
};

struct tableau {
    const char *name;
    const char *source; /* paper and equation or table */
    int stages;
    int order;                                                 /* computed */
    bool fsal;                                                 /* computed */
    struct rational a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX]; /* strictly lower triangular */
    struct rational b[TABLEAU_STAGES_MAX];
    struct rational c[TABLEAU_STAGES_MAX]; /* computed: row sums of a */
    double av[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX], bv[TABLEAU_STAGES_MAX]; /* rounded once */
    double cv[TABLEAU_STAGES_MAX];
    int error_count;
    struct tableau_error error[TABLEAU_ERRORS_MAX]; /* the first one is the default */
    /* A published interpolant without further stages, y(t + theta h) = y + h sum b_i(theta) k_i with
     * b_i(theta) = sum_k dense[i][k] theta^(k + 1), and its order; 0: none. */
    int dense_order;
    struct rational weights[TABLEAU_STAGES_MAX][TABLEAU_DEGREE_MAX];
    double dense[TABLEAU_STAGES_MAX][TABLEAU_DEGREE_MAX]; /* rounded once */
    double error_norm; /* computed: of the conditions of order + 1, NUMERICS.md eq. 14 */
    double stability;  /* computed: the longest interval [-stability, 0] on which |R(z)| <= 1 */
};

/* The registered scheme of that name, or NULL with *error naming the nearest one. */
const struct tableau *tableau_find(const char *name, struct error *error);

int tableau_count(void);
const struct tableau *tableau_at(int index);

/* Adds a copy of a completed scheme, findable by its name for the life of the process. The entry
 * itself when the same coefficients were registered under that name before; NULL with *error set
 * when the name is not one word, stands for other coefficients, or the registry is full. */
const struct tableau *tableau_register(const struct tableau *tableau, struct error *error);

/* The number of stages that evaluate the vector field in each step but the first: one less than
 * stages when the last stage is the next step's first. */
int tableau_evaluations(const struct tableau *tableau);

/* Derives c, order, fsal and the doubles from name, source, stages, a and b, which it brings to
 * lowest terms; a coefficient left out of an initialiser (0/0) is 0. False when a is not strictly
 * lower triangular, a denominator is 0, sum b != 1, or an abscissa does not fit. Never false for
 * coefficients that merely have large denominators: orders are decided exactly
 * (depth/condition.h). */
bool tableau_complete(struct tableau *tableau, struct error *error);

#endif
