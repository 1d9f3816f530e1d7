#include "learn/lbfgs.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/flat.h"
#include "learn/line_search.h"

const char *const lbfgs_search_names[] = {"strong_wolfe", "none", NULL};

struct lbfgs {
    const struct kernels *kernels;
    ptrdiff_t len, pairs;
    struct lbfgs_settings settings;
    void *s, *y;     /* (history, len) */
    void *direction;          /* (len), and the following */
    void *w_before, *g_before;
    double *alpha, *rho;      /* (history), of the recursion under way */
};

/* One iteration under way. */
struct iteration {
    struct lbfgs *lbfgs;
    struct pool *pool;
    const struct lbfgs_problem *problem;
};

struct lbfgs *lbfgs_create(const struct kernels *kernels, ptrdiff_t len,
                           const struct lbfgs_settings *settings, struct error *error) {
    struct lbfgs *lbfgs = calloc(1, sizeof *lbfgs);
    const size_t row = (len > 0 ? (size_t)len : 1) * kernels->real_size;
    const size_t rows = (size_t)settings->history;
    if (lbfgs) {
        lbfgs->kernels = kernels;
        lbfgs->len = len;
        lbfgs->settings = *settings;
        lbfgs->s = calloc(rows, row);
        lbfgs->y = calloc(rows, row);
        lbfgs->direction = calloc(1, row);
        lbfgs->w_before = calloc(1, row);
        lbfgs->g_before = calloc(1, row);
        lbfgs->alpha = calloc(rows, sizeof *lbfgs->alpha);
        lbfgs->rho = calloc(rows, sizeof *lbfgs->rho);
        if (lbfgs->s && lbfgs->y && lbfgs->direction && lbfgs->w_before && lbfgs->g_before &&
            lbfgs->alpha && lbfgs->rho) {
            return lbfgs;
        }
    }
    error_set(error, ERROR_MEMORY,
              "no memory for optimizer \"lbfgs\": %td pairs of %td weights want %.3g GB; give a "
              "smaller history",
              settings->history, len, 1e-9 * (2.0 * (double)rows + 3.0) * (double)row);
    lbfgs_free(lbfgs);
    return NULL;
}

void lbfgs_free(struct lbfgs *lbfgs) {
    if (!lbfgs) {
        return;
    }
    free(lbfgs->s);
    free(lbfgs->y);
    free(lbfgs->direction);
    free(lbfgs->w_before);
    free(lbfgs->g_before);
    free(lbfgs->alpha);
    free(lbfgs->rho);
    free(lbfgs);
}

ptrdiff_t lbfgs_pairs(const struct lbfgs *lbfgs) {
    return lbfgs->pairs;
}

void lbfgs_set_pairs(struct lbfgs *lbfgs, ptrdiff_t pairs) {
    assert(pairs >= 0);
    lbfgs->pairs = pairs;
}

void *lbfgs_steps(struct lbfgs *lbfgs) {
    return lbfgs->s;
}

void *lbfgs_changes(struct lbfgs *lbfgs) {
    return lbfgs->y;
}

/* ---- pairs --------------------------------------------------------------------------------- */

static void *row(const struct lbfgs *lbfgs, void *rows, ptrdiff_t pair) {
    return (char *)rows +
           (size_t)(pair % lbfgs->settings.history * lbfgs->len) * lbfgs->kernels->real_size;
}

static size_t row_size(const struct lbfgs *lbfgs) {
    return (size_t)lbfgs->len * lbfgs->kernels->real_size;
}

static double inner(const struct iteration *it, const void *x, const void *y) {
    return flat_inner(it->lbfgs->kernels, it->pool, x, y, it->lbfgs->len);
}

static void add_scaled(const struct iteration *it, void *y, const void *x, double factor) {
    flat_add_scaled(it->lbfgs->kernels, it->pool, y, x, factor, it->lbfgs->len);
}

static void scale(const struct iteration *it, void *x, double factor) {
    flat_scale(it->lbfgs->kernels, it->pool, x, factor, it->lbfgs->len);
}

/* Takes the pair of the iteration, unless the curvature along it is not positive beyond rounding:
 * then no positive definite matrix maps y to s. */
static void take_pair(const struct iteration *it) {
    struct lbfgs *lbfgs = it->lbfgs;
    const double epsilon =
        lbfgs->kernels->precision == PRECISION_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    void *s = row(lbfgs, lbfgs->s, lbfgs->pairs), *y = row(lbfgs, lbfgs->y, lbfgs->pairs);
    /* Made where the oldest pair stands, which a pair that is not taken must leave alone. */
    void *s_new = lbfgs->direction, *y_new = lbfgs->g_before;
    memcpy(s_new, it->problem->w, row_size(lbfgs));
    add_scaled(it, s_new, lbfgs->w_before, -1);
    scale(it, y_new, -1);
    add_scaled(it, y_new, it->problem->g, 1);
    const double sy = inner(it, s_new, y_new);
    if (sy > epsilon * sqrt(inner(it, s_new, s_new) * inner(it, y_new, y_new))) {
        memcpy(s, s_new, row_size(lbfgs));
        memcpy(y, y_new, row_size(lbfgs));
        lbfgs->pairs++;
    }
}

static ptrdiff_t first_pair(const struct lbfgs *lbfgs) {
    return lbfgs->pairs > lbfgs->settings.history ? lbfgs->pairs - lbfgs->settings.history : 0;
}

/* direction = - H g: algorithm 7.4, with H_0 = (s y / y y) I of the last pair (eq. 7.20). */
static void find_direction(const struct iteration *it) {
    struct lbfgs *lbfgs = it->lbfgs;
    const ptrdiff_t first = first_pair(lbfgs), last = lbfgs->pairs;
    void *q = lbfgs->direction;
    memcpy(q, it->problem->g, row_size(lbfgs));
    scale(it, q, -1);
    for (ptrdiff_t k = last - 1; k >= first; k--) {
        const ptrdiff_t at = k % lbfgs->settings.history;
        const void *s = row(lbfgs, lbfgs->s, k), *y = row(lbfgs, lbfgs->y, k);
        lbfgs->rho[at] = 1 / inner(it, s, y);
        lbfgs->alpha[at] = lbfgs->rho[at] * inner(it, s, q);
        add_scaled(it, q, y, -lbfgs->alpha[at]);
    }
    if (last > first) {
        const void *y = row(lbfgs, lbfgs->y, last - 1);
        scale(it, q, 1 / (lbfgs->rho[(last - 1) % lbfgs->settings.history] * inner(it, y, y)));
    }
    for (ptrdiff_t k = first; k < last; k++) {
        const ptrdiff_t at = k % lbfgs->settings.history;
        const double beta = lbfgs->rho[at] * inner(it, row(lbfgs, lbfgs->y, k), q);
        add_scaled(it, q, row(lbfgs, lbfgs->s, k), lbfgs->alpha[at] - beta);
    }
}

/* ---- one iteration ------------------------------------------------------------------------- */

static double along(void *context, double at, double *slope) {
    const struct iteration *it = context;
    const struct lbfgs *lbfgs = it->lbfgs;
    memcpy(it->problem->w, lbfgs->w_before, row_size(lbfgs));
    add_scaled(it, it->problem->w, lbfgs->direction, at);
    const double loss = it->problem->loss(it->problem->context);
    *slope = inner(it, it->problem->g, lbfgs->direction);
    return loss;
}

static void go_back(const struct iteration *it) {
    memcpy(it->problem->w, it->lbfgs->w_before, row_size(it->lbfgs));
    memcpy(it->problem->g, it->lbfgs->g_before, row_size(it->lbfgs));
}

static void step_fixed(struct iteration *it, double length, struct lbfgs_outcome *outcome) {
    double slope;
    const double loss = along(it, length, &slope);
    outcome->evaluations++;
    if (!isfinite(loss) || !isfinite(slope)) {
        go_back(it);
        outcome->stop = LBFGS_NOT_FINITE;
        return;
    }
    outcome->loss = loss;
}

static void step_searched(struct iteration *it, double length, double slope,
                          struct lbfgs_outcome *outcome) {
    const struct line line = {.value = along,
                              .context = it,
                              .value0 = outcome->loss,
                              .slope0 = slope,
                              .first = length,
                              .evaluations = (int)it->lbfgs->settings.max_evaluations};
    const struct line_end end = line_search(&line);
    outcome->evaluations += end.evaluations;
    if (!(end.at > 0)) {
        go_back(it);
        outcome->stop = LBFGS_NO_DESCENT;
        return;
    }
    outcome->loss = end.value;
    if (!end.is_last) {
        outcome->loss = along(it, end.at, &slope);
        outcome->evaluations++;
    }
}

/* False when there is to be no further one. */
static bool iterate(struct iteration *it, double rate, struct lbfgs_outcome *outcome) {
    struct lbfgs *lbfgs = it->lbfgs;
    const double norm = sqrt(inner(it, it->problem->g, it->problem->g)), before = outcome->loss;
    if (norm <= lbfgs->settings.tolerance_gradient) {
        outcome->stop = LBFGS_CONVERGED;
        return false;
    }
    find_direction(it);
    double slope = inner(it, it->problem->g, lbfgs->direction);
    if (!(slope < 0)) { /* rounding has the last word: the pairs describe another place */
        lbfgs->pairs = 0;
        find_direction(it);
        slope = inner(it, it->problem->g, lbfgs->direction);
    }
    const double length = lbfgs->pairs > 0 ? rate : rate * fmin(1, 1 / norm);
    if (!(length > 0)) { /* a schedule that ends at zero */
        return false;
    }
    memcpy(lbfgs->w_before, it->problem->w, row_size(lbfgs));
    memcpy(lbfgs->g_before, it->problem->g, row_size(lbfgs));
    if (lbfgs->settings.line_search == LBFGS_NONE) {
        step_fixed(it, length, outcome);
    } else {
        step_searched(it, length, slope, outcome);
    }
    if (outcome->stop != LBFGS_ITERATIONS) {
        lbfgs->pairs = 0;
        return false;
    }
    take_pair(it);
    outcome->iterations++;
    if (fabs(before - outcome->loss) <= lbfgs->settings.tolerance_change) {
        outcome->stop = LBFGS_CONVERGED;
        return false;
    }
    return true;
}

struct lbfgs_outcome lbfgs_step(struct lbfgs *lbfgs, struct pool *pool,
                                const struct lbfgs_problem *problem, double loss, double rate) {
    struct lbfgs_outcome outcome = {.loss = loss, .stop = LBFGS_ITERATIONS};
    struct iteration it = {.lbfgs = lbfgs, .pool = pool, .problem = problem};
    for (ptrdiff_t i = 0; i < lbfgs->settings.max_iterations && iterate(&it, rate, &outcome);
         i++) {
    }
    return outcome;
}
