/* Panel 3: validation accuracy (of runs that learn dynamics: the error as h -> 0 over that at the
 * trained step), learning rate, gradient norm, and the number of steps where a controller changes
 * it: all of them where there is room, else the one that key m has chosen. */
#include <math.h>
#include <stdio.h>

#include "app/panel.h"
#include "lua/plot/chart.h"
#include "lua/plot/format.h"

static const struct {
    const char *name, *short_name;
    bool is_log, is_percent;
} metrics[] = {
    {"accuracy, %", "acc, %", false, true},
    {"learning rate", "rate", false, false},
    {"gradient norm", "norm", true, false},
    {"steps N", "steps", false, false},
    {"error as h -> 0 / at dt", "h -> 0 / dt", true, false},
};

enum { ACCURACY, RATE, NORM, STEPS, RATIO };

/* How many of them are shown: steps only where they change. */
static int metric_count(const struct scene *scene) {
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        if (track->series->control_count > 0) {
            return STEPS + 1;
        }
    }
    return NORM + 1;
}

static const struct trace *trace_of(const struct track *track, int metric) {
    const struct trace *const traces[] = {&track->accuracy, &track->rate, &track->smooth_norm,
                                          &track->steps, &track->ratio};
    return traces[metric];
}

static void note(const struct scene *scene, int room, char *text, size_t size) {
    (void)room;
    (void)snprintf(text, size, "%s%s%s", scene_has_convergence(scene) ? "" : "validation  ",
                   scene->log_y[PANEL_METRICS] ? "log y  " : "",
                   scene->log_x[PANEL_METRICS] ? "log x" : "");
}

static void draw_one(const struct scene *scene, struct grid *grid, struct rect rect, int metric) {
    metric = metric == ACCURACY && scene_has_convergence(scene) ? RATIO : metric;
    bool is_log = metrics[metric].is_log != scene->log_y[PANEL_METRICS];
    struct chart chart = {
        .kind = scene->kind,
        .is_mono = scene->is_mono,
        .scale_x = scene->log_x[PANEL_METRICS] ? AXIS_LOG : AXIS_LINEAR,
        .scale_y = is_log ? AXIS_LOG : AXIS_LINEAR,
        .floor_y = metrics[metric].is_log ? (double)NAN : 0,
        .ceil_y = metrics[metric].is_percent ? 100 : (double)NAN,
        .least_range = metrics[metric].is_percent ? 2 : 0,
        .has_zero = metric == RATE || metric == STEPS,
        .x_name = scene_x_name(scene),
        .has_cursor = scene->has_cursor,
        .cursor = scene->cursor,
    };
    scene_range(scene, PANEL_METRICS, &chart.x_lo, &chart.x_hi);
    int x = rect.x + 1, end = rect.x + rect.width;
    x += grid_text(grid, x, rect.y, end - x, GRID_TEXT, 0, "%s",
                   rect.width < 34 ? metrics[metric].short_name : metrics[metric].name);
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)) && chart.count < CHART_LINES; i++) {
        const struct trace *trace = trace_of(track, metric);
        chart.lines[chart.count++] =
            (struct chart_line){.line = trace,
                                .band = metric == NORM && scene->span > 0 ? &track->norm : NULL,
                                .style = track->style,
                                .is_pointed = metric == ACCURACY || metric == RATIO};
        ptrdiff_t at = scene->has_cursor ? trace_after(trace, scene->cursor) - 1 : trace->count - 1;
        char value[FORMAT_SIZE];
        if (at >= 0 && end - x > 8) {
            int colour = GRID_LINE + track->style % GRID_STYLES;
            grid_put(grid, x + 2, rect.y, grid_marker(track->style), colour, GRID_BOLD);
            x += 4;
            x += metrics[metric].is_percent
                     ? grid_text(grid, x, rect.y, end - x, colour, GRID_BOLD, "%.1f", trace->y[at])
                     : grid_text(grid, x, rect.y, end - x, colour, GRID_BOLD, "%s",
                                 format_value(trace->y[at], value));
        }
    }
    rect.y++;
    rect.height--;
    chart_draw(grid, rect, &chart);
}

static void draw(const struct scene *scene, struct grid *grid, struct rect rect) {
    enum { LEAST_WIDTH = 30, LEAST_HEIGHT = 6 };
    int count = metric_count(scene), chosen = scene->metric % count;
    int width = rect.width / count, height = rect.height / count;
    for (int i = 0; i < count; i++) {
        if (width >= LEAST_WIDTH) {
            draw_one(scene, grid, (struct rect){rect.x + i * width, rect.y, width - 1, rect.height},
                     i);
        } else if (height >= LEAST_HEIGHT) {
            draw_one(scene, grid, (struct rect){rect.x, rect.y + i * height, rect.width, height},
                     i);
        } else if (i == chosen) {
            draw_one(scene, grid, rect, i);
        }
    }
}

const struct panel panel_metrics = {
    .title = "progress",
    .short_title = "progress",
    .note = note,
    .draw = draw,
};
