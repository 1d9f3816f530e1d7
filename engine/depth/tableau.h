/* Runge-Kutta schemes as data: Butcher tableaux with rational coefficients and a source. Abscissae
 * (row sums), first-same-as-last and orders are computed from A and b, never declared. */
#ifndef CONTINUO_DEPTH_TABLEAU_H
#define CONTINUO_DEPTH_TABLEAU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { TABLEAU_STAGES_MAX = 16 };

struct rational {
    int64_t p, q; /* q > 0, lowest terms */
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
