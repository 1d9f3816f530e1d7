#include "lua/plot/loglog.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/plot/chart.h"
#include "lua/plot/format.h"

enum { WIDE = 56, LEAST_CHART = 8 };

/* Curves of one scheme share a style, whichever field they are of. */
static int style_of(const struct loglog *loglog, int index) {
    int style = 0;
    for (int i = 0; i < loglog->count; i++) {
        if (strcmp(loglog->curves[i].name, loglog->curves[index].name) == 0) {
            return style;
        }
        bool is_new = true;
        for (int j = 0; j < i; j++) {
            is_new = is_new && strcmp(loglog->curves[i].name, loglog->curves[j].name) != 0;
        }
        style += is_new;
    }
    return style;
}

/* The points in ascending order of h. */
static void fill(const struct loglog_curve *curve, struct trace *trace) {
    int order[LOGLOG_POINTS], count = 0;
    for (int i = 0; i < curve->count && i < LOGLOG_POINTS; i++) {
        if (!(curve->h[i] > 0) || !isfinite(curve->h[i])) {
            continue;
        }
        int place = count++;
        while (place > 0 && curve->h[order[place - 1]] > curve->h[i]) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = i;
    }
    for (int i = 0; i < count; i++) {
        trace_add(trace, curve->h[order[i]], curve->error[order[i]]);
    }
}

/* "1.98±0.02 (2)": the slope, its interval and what to expect. */
static void slope_text(const struct loglog_curve *curve, bool is_ascii, char *text, size_t size) {
    char slope[16] = "no fit", interval[16] = "", expected[16] = "";
    if (isfinite(curve->slope)) {
        (void)snprintf(slope, sizeof slope, "%.2f", curve->slope);
    }
    if (isfinite(curve->slope) && isfinite(curve->interval)) {
        (void)snprintf(interval, sizeof interval, "%s%.*f", is_ascii ? "+-" : "\u00b1",
                       curve->interval < 9.95 ? 2 : 0, curve->interval);
    }
    if (isfinite(curve->expected)) {
        (void)snprintf(expected, sizeof expected, " (%.3g)", curve->expected);
    }
    (void)snprintf(text, size, "%s%s%s", slope, interval, expected);
}

static const struct loglog_curve *find(const struct loglog *loglog, const char *name,
                                       bool is_true) {
    for (int i = 0; i < loglog->count; i++) {
        const struct loglog_curve *curve = &loglog->curves[i];
        if (curve->is_true == is_true && strcmp(curve->name, name) == 0) {
            return curve;
        }
    }
    return NULL;
}

/* Whether the curve lies behind that of a learned field; a true field alone is drawn as one. */
static bool is_dim(const struct loglog *loglog, const struct loglog_curve *curve) {
    return curve->is_true && find(loglog, curve->name, false);
}

/* How many curves lie behind, or stand for themselves. */
static int count_of(const struct loglog *loglog, bool dim) {
    int count = 0;
    for (int i = 0; i < loglog->count; i++) {
        count += is_dim(loglog, &loglog->curves[i]) == dim;
    }
    return count;
}

/* A row per scheme: marker, name, the slope, that of the true field. */
static void draw_rows(struct grid *grid, struct rect rect, const struct loglog *loglog) {
    int y = rect.y, end = rect.x + rect.width;
    for (int i = 0; i < loglog->count && y < rect.y + rect.height; i++) {
        const struct loglog_curve *curve = &loglog->curves[i];
        if (is_dim(loglog, curve)) {
            continue;
        }
        const struct loglog_curve *truth = find(loglog, curve->name, true);
        int style = style_of(loglog, i), colour = GRID_LINE + style % GRID_STYLES;
        char text[64];
        grid_put(grid, rect.x, y, grid_marker(style), colour, GRID_BOLD);
        (void)grid_text(grid, rect.x + 2, y, 10, colour, curve->is_trained ? GRID_BOLD : 0, "%s",
                        curve->name);
        slope_text(curve, grid->ascii, text, sizeof text);
        int x = rect.x + 13;
        x += grid_text(grid, x, y, end - x, colour, 0, "%-14s", text);
        if (truth && truth != curve && isfinite(truth->slope)) {
            (void)grid_text(grid, x, y, end - x, GRID_FAINT, 0, " true %.2f", truth->slope);
        }
        y++;
    }
}

/* One faint row in a wide drawing: what is dotted, and its slopes. */
static void draw_true_row(struct grid *grid, struct rect rect, const struct loglog *loglog) {
    int x = rect.x, end = rect.x + rect.width;
    x += grid_text(grid, x, rect.y, end - x, GRID_FAINT, 0, "dotted: true field, slopes");
    for (int i = 0; i < loglog->count; i++) {
        const struct loglog_curve *curve = &loglog->curves[i];
        if (is_dim(loglog, curve) && isfinite(curve->slope)) {
            x += grid_text(grid, x, rect.y, end - x, GRID_FAINT, 0, " %.2f", curve->slope);
        }
    }
}

static void add_mark(struct chart *chart, double at, bool is_level, const char *name) {
    char value[FORMAT_SIZE];
    struct chart_mark *mark = &chart->marks[chart->mark_count++];
    *mark = (struct chart_mark){.at = at, .is_level = is_level, .colour = GRID_TEXT};
    (void)snprintf(mark->label, sizeof mark->label, "%s %s", name, format_value(at, value));
}

/* One chart being put together. */
struct drawing {
    struct chart chart;
    struct trace traces[LOGLOG_CURVES];
    double least, most; /* positive errors of the curves that are not dim */
};

static void add_curve(struct drawing *drawing, const struct grid *grid, const struct loglog *loglog,
                      int index, bool is_wide) {
    const struct loglog_curve *curve = &loglog->curves[index];
    struct chart *chart = &drawing->chart;
    struct trace *trace = &drawing->traces[chart->count];
    struct chart_line *line = &chart->lines[chart->count++];
    *line = (struct chart_line){.line = trace,
                                .style = style_of(loglog, index),
                                .is_pointed = true,
                                .is_dim = is_dim(loglog, curve)};
    fill(curve, trace);
    double lo, hi;
    if (trace->count > 0) {
        chart->x_lo = fmin(chart->x_lo, trace->x[0]);
        chart->x_hi = fmax(chart->x_hi, trace->x[trace->count - 1]);
    }
    if (!line->is_dim && trace_extent(trace, 0, trace->count, true, &lo, &hi)) {
        drawing->least = fmin(drawing->least, lo);
        drawing->most = fmax(drawing->most, hi);
    }
    char text[48] = "", marker[5] = "";
    if (is_wide) {
        slope_text(curve, grid->ascii, text, sizeof text);
        marker[grid_encode(grid_marker(line->style), marker)] = 0;
        (void)snprintf(line->label, sizeof line->label, "%s %.11s %.22s", marker, curve->name,
                       text);
        int columns = grid_columns(line->label) + 2;
        chart->label_columns =
            line->is_dim || columns < chart->label_columns ? chart->label_columns : columns;
    } else {
        (void)snprintf(line->label, sizeof line->label, "%.11s", curve->name);
    }
    if (curve->is_trained && !curve->is_true && isfinite(curve->expected)) {
        chart->triangle_order = curve->expected;
        chart->triangle_line = chart->count - 1;
    }
}

/* The learned curves decide what is shown: of the true ones, which may fall by many decades more,
 * what lies near. A level far below all errors is left out. */
static void set_range(struct drawing *drawing, const struct loglog *loglog) {
    enum { DECADES = 2 };
    struct chart *chart = &drawing->chart;
    double lowest = drawing->least * pow(10, -DECADES);
    if (drawing->least <= drawing->most) {
        chart->floor_y = pow(10, floor(log10(lowest)));
        chart->ceil_y = pow(10, ceil(log10(drawing->most)) + 1);
    }
    if (loglog->dt > 0 && isfinite(loglog->dt)) {
        chart->x_lo = fmin(chart->x_lo, loglog->dt);
        chart->x_hi = fmax(chart->x_hi, loglog->dt);
        add_mark(chart, loglog->dt, false, "dt");
    }
    if (loglog->limit > lowest && isfinite(loglog->limit)) {
        add_mark(chart, loglog->limit, true, "limit");
    }
    if (loglog->resolution > lowest && isfinite(loglog->resolution)) {
        add_mark(chart, loglog->resolution, true, "round-off");
    }
    chart->x_lo /= 1.2;
    chart->x_hi *= 1.2;
}

/* Of curves on each other the last one is seen: first what lies behind, last the trained one. */
static int rank_of(const struct loglog *loglog, const struct loglog_curve *curve) {
    return is_dim(loglog, curve) ? 0 : curve->is_trained ? 2 : 1;
}

static void draw_chart(struct grid *grid, struct rect rect, const struct loglog *loglog,
                       bool is_wide) {
    struct drawing drawing = {.chart = {.kind = loglog->kind,
                                        .is_mono = loglog->is_mono,
                                        .scale_x = AXIS_LOG,
                                        .scale_y = AXIS_LOG,
                                        .x_lo = (double)INFINITY,
                                        .floor_y = (double)NAN,
                                        .ceil_y = (double)NAN,
                                        .x_name = "step h"},
                              .least = (double)INFINITY};
    for (int rank = 0; rank < 3; rank++) {
        for (int i = 0; i < loglog->count; i++) {
            if (rank_of(loglog, &loglog->curves[i]) == rank) {
                add_curve(&drawing, grid, loglog, i, is_wide);
            }
        }
    }
    set_range(&drawing, loglog);
    if (drawing.chart.x_lo < drawing.chart.x_hi) {
        chart_draw(grid, rect, &drawing.chart);
    }
    for (int i = 0; i < LOGLOG_CURVES; i++) {
        trace_free(&drawing.traces[i]);
    }
}

/* Rows under the chart. */
static int foot_rows(const struct loglog *loglog, bool is_wide) {
    return is_wide ? count_of(loglog, true) > 0 : count_of(loglog, false);
}

int loglog_rows(const struct loglog *loglog, int width) {
    enum { USUAL_CHART = 16 };
    return USUAL_CHART + foot_rows(loglog, width >= WIDE);
}

void loglog_draw(struct grid *grid, struct rect rect, const struct loglog *loglog) {
    assert(loglog->count <= LOGLOG_CURVES);
    bool is_wide = rect.width >= WIDE;
    int rows = foot_rows(loglog, is_wide), most = rect.height - LEAST_CHART;
    rows = rows < most ? rows : most < 0 ? 0 : most;
    struct rect chart = {rect.x, rect.y, rect.width, rect.height - rows};
    draw_chart(grid, chart, loglog, is_wide);
    struct rect foot = {rect.x + 1, rect.y + chart.height, rect.width - 1, rows};
    if (is_wide && rows > 0) {
        draw_true_row(grid, foot, loglog);
    } else {
        draw_rows(grid, foot, loglog);
    }
}
