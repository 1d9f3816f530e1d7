/* Observed order of convergence: the slope of log error over log step size, and what slope theory
 * leads to expect. Numbers only; order_study.h measures them on a net. NUMERICS.md eq. 44
 * to 47. */
#ifndef CONTINUO_STUDY_ORDER_H
#define CONTINUO_STUDY_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "depth/basis.h"
#include "depth/tableau.h"

enum { ORDER_GRIDS_MAX = 64 };

enum order_status {
    ORDER_FITTED,
    ORDER_FEW,      /* fewer than three grids were given */
    ORDER_FLOOR,    /* fewer than three grids stand above the floor */
    ORDER_DIVERGED, /* fewer than three grids have finite errors */
    ORDER_BENT,     /* no three neighbouring grids whose local slopes agree */
};

struct order_fit {
    enum order_status status;
    int first, count; /* the window: grids first .. first + count - 1 */
    double slope;     /* least squares over the window */
    double interval;  /* the slope is known to +- this with 95 % (Student's t, count - 2) */
    double constant;  /* error is about constant h^slope */
    int floored;      /* grids left out because they stand near the floor */
    double local[ORDER_GRIDS_MAX]; /* [i]: slope between grid i and i + 1; nan where unusable */
};

/* Fits the order to errors at step sizes h, strictly descending, count up to ORDER_GRIDS_MAX.
 * `floor` is the error that round-off and the reference leave: grids with an error within 30 times
 * of it, and grids whose error is not finite, are left out. The window is the longest run of at
 * least three neighbouring grids whose local slopes differ by at most 0.1, the finest such run;
 * for a `kinked` field by at most 0.5, since where in a step the kinks are crossed is chance and
 * scatters the slopes. Outside ORDER_FITTED, slope, interval and constant are nan and the window is
 * empty. */
void order_fit(const double *h, const double *error, int count, double floor, bool kinked,
               struct order_fit *fit);

/* What slope to expect, and why when it is less than the scheme's order ("" otherwise). */
struct order_expectation {
    int order;
    const char *reason;
};

/* `kinked`: the field is continuous but its derivative is not (relu). `aligned`: every step lies in
 * one of the `pieces` cells of the weights. */
struct order_expectation order_expected(const struct tableau *scheme, bool kinked, bool aligned,
                                        int pieces, enum edge edge);

/* Whether the fit confirms the expectation: the slope, or the finest local slope of the window
 * where the slopes still tend to their limit, lies between the expected order and the scheme's own,
 * give or take 0.1 or, up to 0.3, the interval. (Kinks lower the order only where they are
 * crossed.) False when there is no fit. */
bool order_confirmed(const struct order_fit *fit, const struct order_expectation *expected,
                     const struct tableau *scheme);

/* One sentence about a fit; returns the length wanted. */
int order_sentence(const struct order_fit *fit, const double *h, int count, char *text,
                   size_t size);

#endif
