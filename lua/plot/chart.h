/* A chart: lines over a common x axis, drawn into a rectangle of a grid. Axes have round ends; each
 * dot column shows the extent of all points in it; a point that is not finite is a gap, marked '!'
 * at the foot, and one of zero on a logarithmic axis is marked by an arrow down there. Lines differ
 * by colour, dash and marker, and carry their name at their end. */
#ifndef CONTINUO_PLOT_CHART_H
#define CONTINUO_PLOT_CHART_H

#include "lua/plot/axis.h"
#include "lua/plot/canvas.h"
#include "lua/plot/grid.h"
#include "lua/plot/trace.h"

struct chart_line {
    const struct trace *line; /* drawn as a line; NULL: none */
    const struct trace *band; /* extent per dot column, shaded behind; NULL: none */
    int style;                /* colour, dash and marker of a series */
    uint32_t marker;          /* 0: that of the style */
    bool is_pointed;          /* few points: each one is marked */
    bool is_dim;              /* dotted, darker, behind the others; without marker and label */
    char label[40];           /* at the end of the line; may be empty */
};

/* A value told apart: a dashed rule across the plot, under the lines. */
struct chart_mark {
    double at;
    bool is_level; /* a y; else an x */
    int colour;
    char label[32]; /* put where it hides nothing, or left out */
};

enum { CHART_LINES = 24, CHART_MARKS = 40 };

struct chart {
    enum canvas_kind kind;
    bool is_mono; /* markers along the lines, since no colour tells them apart */
    enum axis_scale scale_x, scale_y;
    double x_lo, x_hi;      /* the range shown, x_lo < x_hi */
    double floor_y, ceil_y; /* the y axis stays inside; nan: free */
    double least_range;     /* of y on a linear axis, so that noise does not fill it; 0: none */
    bool has_zero;          /* a linear y axis begins at 0 */
    const char *x_name;     /* with unit, at the end of the x axis */
    bool has_cursor;
    double cursor;     /* x */
    int label_columns; /* right of the plot, kept free for labels; 0: they stand inside */
    /* A triangle that shows what slope a line of this order has, on logarithmic axes, near line
     * `triangle_line` where there is room for it; 0: none. */
    double triangle_order;
    int triangle_line;
    int mark_count;
    struct chart_mark marks[CHART_MARKS];
    int count;
    struct chart_line lines[CHART_LINES];
};

/* Draws axes, bands, lines, labels. Too small a rectangle shows less, never nothing wrong. */
void chart_draw(struct grid *grid, struct rect rect, const struct chart *chart);

#endif
