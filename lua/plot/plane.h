/* A drawing of the complex plane: where a scheme is stable, outlined, and eigenvalues times the
 * step in it. Equal lengths look equal as far as cells allow, which are taken twice as high as
 * wide. */
#ifndef CONTINUO_PLOT_PLANE_H
#define CONTINUO_PLOT_PLANE_H

#include "lua/plot/canvas.h"
#include "lua/plot/grid.h"

enum { PLANE_SETS = 4, PLANE_POINTS = 64 };

struct plane_set {
    const char *name;
    int style;            /* its marker */
    int count;            /* up to PLANE_POINTS */
    const double (*z)[2]; /* real and imaginary part */
};

struct plane {
    enum canvas_kind kind;
    /* How much the scheme grows at z; it is stable where that is at most 1. */
    double (*growth)(const void *scheme, double re, double im);
    const void *scheme;
    int count;
    struct plane_set sets[PLANE_SETS]; /* the first ones are drawn over the last ones */
};

/* A part of the plane; lo < hi. */
struct plane_window {
    double re_lo, re_hi, im_lo, im_hi;
};

/* The window that holds the region of stability about 0, as far as it is bounded, and all marks. */
struct plane_window plane_whole(const struct plane *plane);
/* The window about the first mark in the upper half plane and the ones nearest to it of the other
 * sets: false when these are no more than one point. */
bool plane_close(const struct plane *plane, struct plane_window *window);

/* Draws axes, the outline and the marks in a window, which is widened to keep lengths equal. */
void plane_draw_window(struct grid *grid, struct rect rect, const struct plane *plane,
                       const struct plane_window *window);
/* The whole; where it leaves marks indistinguishable, their neighbourhood beside or beneath it; and
 * a row per set with its values. */
void plane_draw(struct grid *grid, struct rect rect, const struct plane *plane);

#endif
