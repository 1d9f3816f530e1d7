/* One drawing of a chart, as the files that draw its parts share it: chart.c the lines and their
 * labels, chart_axes.c the axes, chart_guides.c what is put over them. */
#ifndef CONTINUO_PLOT_CHART_PLOT_H
#define CONTINUO_PLOT_CHART_PLOT_H

#include "lua/plot/chart.h"

/* The chart and where its parts lie. */
struct plot {
    struct grid *grid;
    const struct chart *chart;
    struct rect area; /* of the canvas, in cells */
    struct axis x, y;
    struct tick ticks[AXIS_TICKS]; /* of y */
    int tick_count;
    struct canvas canvas;
    bool has_labels; /* a row under the x axis */
};

/* The cell of a point, counted from the corner of the area; false when it lies outside. */
bool chart_plot_cell(const struct plot *plot, double x, double y, int *column, int *row);
/* The column (from the corner of the area) of an x, the row of a y; -1 when outside. */
int chart_plot_column(const struct plot *plot, double x);
int chart_plot_row(const struct plot *plot, double y);

void chart_axes_draw(struct plot *plot);

/* The rules of marks, under the lines; their labels, over them. */
void chart_guides_draw_marks(struct plot *plot);
void chart_guides_draw_mark_labels(struct plot *plot);
/* Where y is not finite, or zero on a logarithmic axis: signs on the x axis. */
void chart_guides_draw_gaps(struct plot *plot, const struct chart_line *line);
void chart_guides_draw_cursor(struct plot *plot);
/* The slope triangle, in the free place nearest to its line. */
void chart_guides_draw_triangle(struct plot *plot);

#endif
