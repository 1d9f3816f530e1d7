/* Runge-Kutta and Adams schemes once more, in quadruple precision and as plainly as they are
 * defined: what the solver is held against where doubles cannot tell orders any more. */
#ifndef CONTINUO_TESTS_QUAD_H
#define CONTINUO_TESTS_QUAD_H

#include <math.h>
#include <string.h>

#include "ode/adams.h"
#include "depth/number.h"
#include "depth/tableau.h"

typedef _Float128 quad;

enum { QUAD_N = 4 };

struct quad_scheme {
    int stages, adams; /* adams: number of slopes, or 0 */
    quad a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX], b[TABLEAU_STAGES_MAX], c[TABLEAU_STAGES_MAX];
    quad beta[ADAMS_MOST];
};

static inline quad quad_of(struct rational x) {
    return x.q == 0 ? 0 : (quad)x.p / (quad)x.q;
}

static inline struct quad_scheme quad_tableau(const struct tableau *scheme) {
    struct quad_scheme q = {.stages = scheme->stages};
    for (int i = 0; i < q.stages; i++) {
        for (int j = 0; j < i; j++) {
            q.a[i][j] = number_ball(scheme->a[i][j]).mid;
            q.c[i] += q.a[i][j];
        }
        q.b[i] = number_ball(scheme->b[i]).mid;
    }
    return q;
}

static inline struct quad_scheme quad_adams(const struct adams *adams) {
    struct quad_scheme q = quad_tableau(adams->starter);
    q.adams = adams->order;
    for (int j = 0; j < q.adams; j++) {
        q.beta[j] = quad_of(adams->beta[j]);
    }
    return q;
}

static inline void quad_step(const struct quad_scheme *q, int n,
                      void (*field)(quad t, const quad *y, quad *dy), quad t, quad h, quad *y) {
    quad k[TABLEAU_STAGES_MAX][QUAD_N], stage[QUAD_N];
    for (int i = 0; i < q->stages; i++) {
        for (int e = 0; e < n; e++) {
            stage[e] = y[e];
            for (int j = 0; j < i; j++) {
                stage[e] += h * q->a[i][j] * k[j][e];
            }
        }
        field(t + q->c[i] * h, stage, k[i]);
    }
    for (int e = 0; e < n; e++) {
        for (int i = 0; i < q->stages; i++) {
            y[e] += h * q->b[i] * k[i][e];
        }
    }
}

/* y (n) from t0 to t1 in N steps. */
static inline void quad_solve(const struct quad_scheme *q, int n,
                       void (*field)(quad t, const quad *y, quad *dy), quad t0, quad t1, long steps,
                       quad *y) {
    const quad h = (t1 - t0) / steps;
    quad past[ADAMS_MOST][QUAD_N] = {{0}};
    for (long i = 0; i < steps; i++) {
        const quad t = t0 + (t1 - t0) * i / steps;
        if (q->adams) {
            memmove(past[1], past[0], sizeof past - sizeof past[0]);
            field(t, y, past[0]);
        }
        if (i + 1 < q->adams) {
            quad_step(q, n, field, t, h, y);
        } else if (q->adams) {
            for (int e = 0; e < n; e++) {
                for (int j = 0; j < q->adams; j++) {
                    y[e] += h * q->beta[j] * past[j][e];
                }
            }
        } else {
            quad_step(q, n, field, t, h, y);
        }
    }
}

/* ---- functions, to about 1e-33 -------------------------------------------------------------- */

static inline quad quad_sqrt(quad x) {
    quad root = sqrt((double)x);
    for (int i = 0; i < 3; i++) {
        root = (root + x / root) / 2;
    }
    return root;
}

/* By their series at x / 2^10 and the formulas for twice the angle. */
static inline void quad_sincos(quad x, quad *s, quad *c) {
    enum { HALVINGS = 6 };
    const quad z = x / (1 << HALVINGS);
    quad term = z, less = 0; /* less = 1 - cos */
    *s = 0;
    for (int k = 1; k < 19; k++) {
        if (k % 2) {
            *s += k % 4 == 1 ? term : -term;
        } else {
            less += k % 4 == 2 ? term : -term;
        }
        term *= z / (k + 1);
    }
    for (int i = 0; i < HALVINGS; i++) { /* 1 - cos 2z = 2 sin^2 z */
        const quad twice = 2 * *s * (1 - less);
        less = 2 * *s * *s;
        *s = twice;
    }
    *c = 1 - less;
}

static inline quad quad_tanh(quad x) {
    enum { HALVINGS = 6 };
    const quad z = 2 * x / (1 << HALVINGS);
    quad term = z, grown = 0; /* exp - 1 */
    for (int k = 1; k < 21; k++) {
        grown += term;
        term *= z / (k + 1);
    }
    for (int i = 0; i < HALVINGS; i++) {
        grown = grown * (2 + grown);
    }
    return grown / (2 + grown);
}

#endif
