/* Panel 1: the training loss of every run shown, smoothed, its raw extent behind; a rule where the
 * number of steps was changed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/panel.h"
#include "lua/plot/chart.h"
#include "lua/plot/format.h"

static void note(const struct scene *scene, int room, char *text, size_t size) {
    (void)room;
    char smooth[40];
    (void)snprintf(smooth, sizeof smooth, "mean over %.0f steps", scene->span);
    (void)snprintf(text, size, "%s%s%s", scene->span > 0 ? smooth : "each step",
                   scene->log_y[PANEL_LOSS] ? "  log y" : "",
                   scene->log_x[PANEL_LOSS] ? "  log x" : "");
}

/* One row: what every run has at the cursor. */
static void read_out(const struct scene *scene, struct grid *grid, struct rect rect) {
    int x = rect.x, end = rect.x + rect.width;
    char value[FORMAT_SIZE], raw[FORMAT_SIZE];
    x += grid_text(grid, x, rect.y, end - x, GRID_TEXT, GRID_BOLD, " %s %.6g", scene_x_name(scene),
                   scene->cursor);
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        ptrdiff_t at = trace_after(&track->loss, scene->cursor) - 1;
        if (at < 0) {
            continue;
        }
        int colour = GRID_LINE + track->style % GRID_STYLES;
        x += grid_text(grid, x, rect.y, 2, GRID_TEXT, 0, "  ");
        grid_put(grid, x, rect.y, grid_marker(track->style), colour, GRID_BOLD);
        x += 2;
        (void)format_value(track->loss.y[at], raw);
        x += grid_text(grid, x, rect.y, end - x, colour, GRID_BOLD, "%s",
                       format_value(track->smooth_loss.y[at], value));
        if (scene->span > 0) {
            x += grid_text(grid, x, rect.y, end - x, GRID_FAINT, 0, " raw %s", raw);
        }
    }
}

/* Of the run's last decisions those that change most, and none too close to another one. */
static void mark_controls(const struct track *track, int columns, struct chart *chart) {
    enum { APART = 3, MOST = 400 };
    const struct series *series = track->series;
    const struct axis axis = {chart->scale_x, chart->x_lo, chart->x_hi};
    ptrdiff_t skipped = series->control_count > MOST ? series->control_count - MOST : 0;
    const struct series_control *controls = series->controls + skipped;
    int count = (int)(series->control_count - skipped);
    double places[MOST], changes[MOST]; /* places in columns, nan outside; 0: no more to draw */
    for (int i = 0; i < count; i++) {
        /* one of before the first step stands at it */
        double place =
            axis_place(&axis, track_x_at(track, controls[i].step > 0 ? controls[i].step : 1));
        places[i] = place * columns;
        changes[i] =
            place >= 0 && place <= 1 ? fabs(log((double)controls[i].to / controls[i].from)) : 0;
    }
    while (chart->mark_count < CHART_MARKS) {
        int best = -1;
        for (int i = 0; i < count; i++) {
            best = changes[i] > 0 && (best < 0 || changes[i] > changes[best]) ? i : best;
        }
        if (best < 0) {
            return;
        }
        struct chart_mark *mark = &chart->marks[chart->mark_count++];
        *mark = (struct chart_mark){.at = axis_value(&axis, places[best] / columns),
                                    .colour = GRID_LINE + track->style % GRID_STYLES};
        (void)snprintf(mark->label, sizeof mark->label, "%d\u2192%d", controls[best].from,
                       controls[best].to);
        double chosen = places[best];
        for (int i = 0; i < count; i++) {
            changes[i] = fabs(places[i] - chosen) < APART ? 0 : changes[i];
        }
    }
}

static void draw(const struct scene *scene, struct grid *grid, struct rect rect) {
    struct chart chart = {
        .kind = scene->kind,
        .is_mono = scene->is_mono,
        .scale_x = scene->log_x[PANEL_LOSS] ? AXIS_LOG : AXIS_LINEAR,
        .scale_y = scene->log_y[PANEL_LOSS] ? AXIS_LOG : AXIS_LINEAR,
        .floor_y = (double)NAN,
        .ceil_y = (double)NAN,
        .x_name = scene_x_name(scene),
        .has_cursor = scene->has_cursor,
        .cursor = scene->cursor,
    };
    scene_range(scene, PANEL_LOSS, &chart.x_lo, &chart.x_hi);
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)) && chart.count < CHART_LINES; i++) {
        struct chart_line *line = &chart.lines[chart.count++];
        *line = (struct chart_line){.line = &track->smooth_loss, .style = track->style};
        line->band = scene->span > 0 ? &track->loss : NULL;
        mark_controls(track, rect.width, &chart);
        if (track->smooth_loss.count > 0) {
            char value[FORMAT_SIZE];
            const char *name = rect.width >= 70 ? track->series->name : "";
            (void)snprintf(line->label, sizeof line->label, "%.20s%s%s", name, name[0] ? " " : "",
                           format_value(track->smooth_loss.y[track->smooth_loss.count - 1], value));
        }
    }
    if (scene->has_cursor && rect.height > 4) {
        read_out(scene, grid, rect);
        rect.y++;
        rect.height--;
    }
    chart_draw(grid, rect, &chart);
    bool is_empty = true;
    for (int i = 0; i < chart.count; i++) {
        is_empty = is_empty && chart.lines[i].line->count == 0;
    }
    if (is_empty) {
        static const char text[] = "waiting for the first step";
        int length = (int)sizeof text - 1;
        (void)grid_text(grid, rect.x + (rect.width - length) / 2 + 2, rect.y + rect.height / 2 - 1,
                        length, GRID_FAINT, 0, text);
    }
}

const struct panel panel_loss = {
    .title = "loss",
    .short_title = "loss",
    .note = note,
    .draw = draw,
};
