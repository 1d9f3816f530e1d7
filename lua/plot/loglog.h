/* A drawing of convergence: error over step size on logarithmic axes, a curve per scheme, with the
 * slope that was fitted to it and the order to expect. Curves of the true field lie dotted behind
 * those of the learned one. */
#ifndef CONTINUO_PLOT_LOGLOG_H
#define CONTINUO_PLOT_LOGLOG_H

#include <stdbool.h>

#include "lua/plot/canvas.h"
#include "lua/plot/grid.h"

enum { LOGLOG_CURVES = 16, LOGLOG_POINTS = 64 };

struct loglog_curve {
    const char *name;        /* of the scheme */
    bool is_true;            /* of the true field */
    bool is_trained;         /* the scheme the net was trained with */
    int count;               /* up to LOGLOG_POINTS; the rest is not drawn */
    const double *h, *error; /* in any order; a point needs h > 0. An error of zero, or one that is
                                not finite, is a sign on the x axis. */
    double slope, interval;  /* fitted, +- with 95 %; nan: none */
    double expected;         /* order; nan: none */
};

struct loglog {
    enum canvas_kind kind;
    bool is_mono;
    double dt;         /* the step trained with; nan: none */
    double limit;      /* the error that is left as h -> 0; nan: none */
    double resolution; /* below which errors mean nothing; nan: none */
    int count;
    struct loglog_curve curves[LOGLOG_CURVES];
};

/* Draws axes, curves, slopes. In a narrow rectangle the slopes stand in rows of their own. */
void loglog_draw(struct grid *grid, struct rect rect, const struct loglog *loglog);
/* Rows that loglog_draw needs in this width to show everything. */
int loglog_rows(const struct loglog *loglog, int width);

#endif
