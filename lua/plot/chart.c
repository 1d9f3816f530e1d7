#include "lua/plot/chart.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "lua/plot/chart_plot.h"

/* The extent of everything that falls into the range of x, levels too. */
static bool measure(const struct chart *chart, double *lo, double *hi) {
    bool positive = chart->scale_y != AXIS_LINEAR;
    *lo = (double)INFINITY;
    *hi = -(double)INFINITY;
    for (int i = 0; i < chart->count; i++) {
        const struct trace *traces[] = {chart->lines[i].line, chart->lines[i].band};
        for (int part = 0; part < 2; part++) {
            const struct trace *trace = traces[part];
            double low, high;
            if (trace && trace_extent(trace, trace_from(trace, chart->x_lo),
                                      trace_after(trace, chart->x_hi), positive, &low, &high)) {
                *lo = low < *lo ? low : *lo;
                *hi = high > *hi ? high : *hi;
            }
        }
    }
    for (int i = 0; i < chart->mark_count && *lo <= *hi; i++) {
        double at = chart->marks[i].at;
        if (chart->marks[i].is_level && isfinite(at) && (!positive || at > 0)) {
            *lo = at < *lo ? at : *lo;
            *hi = at > *hi ? at : *hi;
        }
    }
    return *lo <= *hi;
}

/* Fits the axes, places the parts. False when the rectangle is too small for any of it. */
static bool arrange(struct plot *plot, struct rect rect) {
    const struct chart *chart = plot->chart;
    if (rect.width < 12 || rect.height < 3) {
        return false;
    }
    plot->has_labels = rect.height >= 5;
    int rows = rect.height - (plot->has_labels ? 2 : 1);
    double lo, hi;
    if (!measure(chart, &lo, &hi)) {
        lo = chart->scale_y == AXIS_LINEAR ? 0 : 0.1;
        hi = isfinite(chart->ceil_y) ? chart->ceil_y : 1;
    } else if (chart->scale_y == AXIS_LINEAR && hi - lo < chart->least_range) {
        double middle = 0.5 * (lo + hi);
        lo = middle - 0.5 * chart->least_range;
        hi = middle + 0.5 * chart->least_range;
    }
    if (chart->scale_y == AXIS_LINEAR && chart->has_zero) {
        lo = fmin(lo, 0);
    }
    int most = rows * 2 / 3 < 2 ? 2 : rows * 2 / 3 > 9 ? 9 : rows * 2 / 3;
    plot->y = axis_fit(chart->scale_y, lo, hi, most);
    if (isfinite(chart->floor_y) && plot->y.lo < chart->floor_y && plot->y.hi > chart->floor_y) {
        plot->y.lo = chart->floor_y;
    }
    if (isfinite(chart->ceil_y) && plot->y.hi > chart->ceil_y && plot->y.lo < chart->ceil_y) {
        plot->y.hi = chart->ceil_y;
    }
    plot->x = (struct axis){chart->scale_x, chart->x_lo, chart->x_hi};
    plot->tick_count = axis_ticks(&plot->y, most, plot->ticks);
    int widest = 3;
    for (int i = 0; i < plot->tick_count; i++) {
        int width = (int)strlen(plot->ticks[i].label);
        widest = width > widest ? width : widest;
    }
    plot->area = (struct rect){rect.x + widest + 2, rect.y,
                               rect.width - widest - 2 - chart->label_columns, rows};
    return plot->area.width >= 4;
}

static double dot_x(const struct plot *plot, double x) {
    return axis_place(&plot->x, x) * (plot->canvas.width - 1);
}

static double dot_y(const struct plot *plot, double y) {
    return (1 - axis_place(&plot->y, y)) * (plot->canvas.height - 1);
}

/* The points of the column of dots: indices *first .. *last - 1. */
static void column_points(const struct plot *plot, const struct trace *trace, int column,
                          ptrdiff_t *first, ptrdiff_t *last) {
    double width = plot->canvas.width - 1;
    *first = trace_from(trace, axis_value(&plot->x, (column - 0.5) / width));
    *last = trace_from(trace, axis_value(&plot->x, (column + 0.5) / width));
}

static void draw_band(struct plot *plot, const struct trace *trace, int pen) {
    bool positive = plot->y.scale != AXIS_LINEAR;
    for (int column = 0; column < plot->canvas.width; column++) {
        ptrdiff_t first, last;
        double lo, hi;
        column_points(plot, trace, column, &first, &last);
        if (first < last && trace_extent(trace, first, last, positive, &lo, &hi)) {
            canvas_shade(&plot->canvas, pen, column, (int)lround(dot_y(plot, lo)),
                         (int)lround(dot_y(plot, hi)));
        }
    }
}

/* Every segment between neighbours; right for fewer points than columns. */
static void draw_segments(struct plot *plot, const struct trace *trace, ptrdiff_t first,
                          ptrdiff_t last, int pen) {
    for (ptrdiff_t i = first; i < last; i++) {
        double x = dot_x(plot, trace->x[i]), y = dot_y(plot, trace->y[i]);
        if (!isfinite(trace->y[i])) {
            continue;
        }
        if (i + 1 < last && isfinite(trace->y[i + 1])) {
            canvas_line(&plot->canvas, pen, x, y, dot_x(plot, trace->x[i + 1]),
                        dot_y(plot, trace->y[i + 1]));
        } else {
            canvas_line(&plot->canvas, pen, x, y, x, y);
        }
    }
}

/* The extent of each column, joined to the last point of the column before. */
static void draw_columns(struct plot *plot, const struct trace *trace, int pen) {
    bool positive = plot->y.scale != AXIS_LINEAR, is_joined = false;
    double last_x = 0, last_y = 0;
    for (int column = 0; column < plot->canvas.width; column++) {
        ptrdiff_t first, last;
        double lo, hi;
        column_points(plot, trace, column, &first, &last);
        if (first >= last) {
            continue;
        }
        if (!trace_extent(trace, first, last, positive, &lo, &hi)) {
            is_joined = false;
            continue;
        }
        if (is_joined && isfinite(trace->y[first])) {
            canvas_line(&plot->canvas, pen, last_x, last_y, column, dot_y(plot, trace->y[first]));
        }
        canvas_line(&plot->canvas, pen, column, dot_y(plot, lo), column, dot_y(plot, hi));
        last_x = column;
        last_y = dot_y(plot, trace->y[last - 1]);
        is_joined = isfinite(last_y);
    }
}

static void draw_line(struct plot *plot, const struct trace *trace, int pen) {
    ptrdiff_t first = trace_from(trace, plot->x.lo), last = trace_after(trace, plot->x.hi);
    if (last - first > plot->canvas.width) {
        draw_columns(plot, trace, pen);
    } else {
        /* with the neighbours outside, whose segments are cut at the edge */
        first = first > 0 && (plot->x.scale == AXIS_LINEAR || trace->x[first - 1] > 0) ? first - 1
                                                                                       : first;
        last = last < trace->count ? last + 1 : last;
        draw_segments(plot, trace, first, last, pen);
    }
}

/* Of the place 0..1 on an axis of so many cells, each `dots` dots wide; -1 outside. */
static int cell_at(double place, int cells, int dots) {
    if (!(place >= -1e-9 && place <= 1 + 1e-9)) {
        return -1;
    }
    return (int)lround(place * (dots - 1)) / (dots / cells);
}

int chart_plot_column(const struct plot *plot, double x) {
    return cell_at(axis_place(&plot->x, x), plot->canvas.columns, plot->canvas.width);
}

int chart_plot_row(const struct plot *plot, double y) {
    return cell_at(1 - axis_place(&plot->y, y), plot->canvas.rows, plot->canvas.height);
}

bool chart_plot_cell(const struct plot *plot, double x, double y, int *column, int *row) {
    *column = chart_plot_column(plot, x);
    *row = chart_plot_row(plot, y);
    return *column >= 0 && *row >= 0;
}

static uint32_t marker_of(const struct chart_line *line) {
    return line->marker ? line->marker : grid_marker(line->style);
}

static void put_marker(struct plot *plot, const struct chart_line *line, double x, double y) {
    int column, row;
    if (chart_plot_cell(plot, x, y, &column, &row)) {
        grid_put(plot->grid, plot->area.x + column, plot->area.y + row, marker_of(line),
                 GRID_LINE + line->style % GRID_STYLES, GRID_BOLD);
    }
}

/* Markers at the points of a sparse line; at some places of a dense one when colour is missing. */
static void draw_markers(struct plot *plot, const struct chart_line *line, int place) {
    const struct trace *trace = line->line;
    ptrdiff_t first = trace_from(trace, plot->x.lo), last = trace_after(trace, plot->x.hi);
    if (line->is_pointed && last - first <= plot->area.width / 2) {
        for (ptrdiff_t i = first; i < last; i++) {
            put_marker(plot, line, trace->x[i], trace->y[i]);
        }
    } else if (plot->chart->is_mono && plot->chart->count > 1) {
        enum { APART = 16 };
        for (int column = 4 + 5 * place % APART; column < plot->area.width; column += APART) {
            double x = axis_value(&plot->x, (double)column / (plot->area.width - 1));
            ptrdiff_t i = trace_from(trace, x);
            if (i < last && i > 0) {
                put_marker(plot, line, trace->x[i], trace->y[i]);
            }
        }
    }
}

/* The last finite point in range; -1: none. */
static ptrdiff_t end_of(const struct plot *plot, const struct trace *trace) {
    ptrdiff_t first = trace_from(trace, plot->x.lo), last = trace_after(trace, plot->x.hi) - 1;
    while (last >= first && !isfinite(trace->y[last])) {
        last--;
    }
    return last >= first ? last : -1;
}

/* How much a label of `width` columns at (column, row) would hide; labels are never hidden. */
static int hidden(const struct plot *plot, int column, int row, int width,
                  const struct rect *labels, int count) {
    int cost = 0;
    for (int i = 0; i < count; i++) {
        bool is_apart = labels[i].y != row || column + width < labels[i].x ||
                        labels[i].x + labels[i].width < column;
        cost += is_apart ? 0 : 1000;
    }
    for (int i = 0; i < width; i++) {
        const struct cell *cell =
            grid_at(plot->grid, plot->area.x + column + i, plot->area.y + row);
        bool is_line = cell->colour >= GRID_LINE && cell->colour < GRID_LINE + GRID_STYLES;
        cost += cell->glyph == ' ' ? 0 : is_line ? 6 : 1;
    }
    return cost;
}

static void draw_label(struct plot *plot, const struct chart_line *line, struct rect *labels,
                       int *count) {
    const struct trace *trace = line->line;
    ptrdiff_t last = end_of(plot, trace);
    int column, row;
    if (last < 0 || !chart_plot_cell(plot, trace->x[last], trace->y[last], &column, &row)) {
        return;
    }
    put_marker(plot, line, trace->x[last], trace->y[last]);
    int width = grid_columns(line->label), room = plot->area.width + plot->chart->label_columns;
    if (width == 0 || width + 2 > room) {
        return;
    }
    int best = -1, best_row = 0, best_column = 0;
    bool is_beside = plot->chart->label_columns > 0; /* from top to bottom: downwards first */
    int farthest = is_beside ? plot->area.height : 5;
    for (int away = 0; away <= farthest; away++) {
        for (int turn = 0; turn < 2; turn++) {
            int side = (turn == 0) == is_beside ? 1 : -1;
            int at = row + side * away, from = column + 2;
            if (from + width > room) {
                from = room - width;
            }
            bool is_over = away == 0 && from <= column; /* on its own end */
            if (at < 0 || at >= plot->area.height || is_over) {
                continue;
            }
            int cost = hidden(plot, from, at, width, labels, *count) + 3 * away;
            if (best < 0 || cost < best) {
                best = cost;
                best_row = at;
                best_column = from;
            }
        }
    }
    if (best >= 0 && best < 1000) {
        (void)grid_text(plot->grid, plot->area.x + best_column, plot->area.y + best_row, width,
                        GRID_LINE + line->style % GRID_STYLES, GRID_BOLD, "%s", line->label);
        labels[(*count)++] = (struct rect){best_column, best_row, width, 1};
    }
}

/* In the order of the lines; labels beside the plot from top to bottom, so that they stand in the
 * order of the ends that they name. */
static void draw_labels(struct plot *plot) {
    const struct chart *chart = plot->chart;
    struct rect labels[CHART_LINES];
    int order[CHART_LINES], count = 0, placed = 0;
    double ends[CHART_LINES];
    for (int i = 0; i < chart->count; i++) {
        const struct trace *trace = chart->lines[i].line;
        if (!trace || chart->lines[i].is_dim) {
            continue;
        }
        ptrdiff_t last = end_of(plot, trace);
        ends[i] = last >= 0 ? trace->y[last] : -(double)INFINITY;
        int place = count++;
        while (chart->label_columns && place > 0 && ends[order[place - 1]] < ends[i]) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = i;
    }
    for (int i = 0; i < count; i++) {
        draw_label(plot, &chart->lines[order[i]], labels, &placed);
    }
}

void chart_draw(struct grid *grid, struct rect rect, const struct chart *chart) {
    assert(chart->count <= CHART_LINES && chart->x_lo < chart->x_hi);
    struct plot plot = {.grid = grid, .chart = chart};
    if (!arrange(&plot, rect)) {
        return;
    }
    canvas_resize(&plot.canvas, chart->kind, plot.area.width, plot.area.height);
    for (int i = 0; i < chart->count; i++) {
        const struct chart_line *line = &chart->lines[i];
        int style = line->style % GRID_STYLES, pen = CANVAS_BANDS + i % CANVAS_LINES;
        static const int dashes[GRID_STYLES] = {0, 6, 3, 9, 4, 12};
        plot.canvas.pens[style] = (struct canvas_pen){GRID_BAND + style, '.', 0};
        plot.canvas.pens[pen] = (struct canvas_pen){GRID_LINE + style, grid_letter(style),
                                                    chart->is_mono ? dashes[style] : 0};
        if (line->band) {
            draw_band(&plot, line->band, style);
        }
        if (line->line && line->is_dim) {
            plot.canvas.pens[style].dash = 1;
            draw_line(&plot, line->line, style);
        } else if (line->line) {
            draw_line(&plot, line->line, pen);
        }
    }
    chart_axes_draw(&plot);
    chart_guides_draw_marks(&plot);
    canvas_lay(&plot.canvas, grid, plot.area.x, plot.area.y);
    for (int i = 0; i < chart->count; i++) {
        if (chart->lines[i].line && !chart->lines[i].is_dim) {
            draw_markers(&plot, &chart->lines[i], i);
        }
        chart_guides_draw_gaps(&plot, &chart->lines[i]);
    }
    chart_guides_draw_cursor(&plot);
    draw_labels(&plot);
    chart_guides_draw_mark_labels(&plot);
    chart_guides_draw_triangle(&plot);
    canvas_free(&plot.canvas);
}
