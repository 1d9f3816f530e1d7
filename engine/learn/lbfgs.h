/* The method of Broyden, Fletcher, Goldfarb and Shanno with limited memory: directions by the
 * two-loop recursion over the last pairs s = w' - w, y = g' - g (Nocedal, Wright 2006, algorithms
 * 7.4 and 7.5), lengths by a line search or fixed. NUMERICS.md eq. 111 to 114.
 *
 * Both gradients of a pair are of the same function: a step evaluates its batch at its start and at
 * its end, and never compares gradients of two batches. */
#ifndef CONTINUO_LEARN_LBFGS_H
#define CONTINUO_LEARN_LBFGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/pool.h"
#include "kernels/kernels.h"

enum lbfgs_search { LBFGS_STRONG_WOLFE, LBFGS_NONE };
extern const char *const lbfgs_search_names[]; /* "strong_wolfe", "none", NULL */

struct lbfgs_settings {
    ptrdiff_t history, max_iterations, max_evaluations;
    double tolerance_gradient, tolerance_change;
    int line_search;
};

struct lbfgs_problem {
    void *w, *g; /* len reals each: where it stands, and the gradient there */
    /* Evaluates at w as it stands: returns the loss and sets g. Not finite: it cannot be had. */
    double (*loss)(void *context);
    void *context;
};

enum lbfgs_stop {
    LBFGS_ITERATIONS,   /* all iterations were made */
    LBFGS_CONVERGED,    /* the gradient or the change of the loss is below its tolerance */
    LBFGS_NO_DESCENT,   /* the line search found nothing lower; the pairs are forgotten */
    LBFGS_NOT_FINITE,   /* loss or gradient at the end of a fixed step; w is as it was before it */
};

struct lbfgs_outcome {
    double loss; /* where w stands now */
    int iterations, evaluations;
    enum lbfgs_stop stop;
};

struct lbfgs;

/* For len weights; takes all memory, 2 history + 3 arrays of len reals. NULL with *error set. */
struct lbfgs *lbfgs_create(const struct kernels *kernels, ptrdiff_t len,
                           const struct lbfgs_settings *settings, struct error *error);
void lbfgs_free(struct lbfgs *lbfgs);

/* Up to max_iterations iterations from w, where the loss is `loss` and the gradient in g, with
 * lengths of `rate` at first. Leaves w and g where it ends. Same bits on any number of threads of
 * `pool` (NULL: this one). */
struct lbfgs_outcome lbfgs_step(struct lbfgs *lbfgs, struct pool *pool,
                                const struct lbfgs_problem *problem, double loss, double rate);

/* The state: how many pairs were ever taken, and the last `history` of them, pair k in row
 * k % history of (history, len) reals. */
ptrdiff_t lbfgs_pairs(const struct lbfgs *lbfgs);
void lbfgs_set_pairs(struct lbfgs *lbfgs, ptrdiff_t pairs);
void *lbfgs_steps(struct lbfgs *lbfgs);   /* s */
void *lbfgs_changes(struct lbfgs *lbfgs); /* y */

#endif
