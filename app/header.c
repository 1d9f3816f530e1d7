#include "app/header.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/plot/format.h"

/* In the order of the line; what has the lower rank goes first when the line is too long. */
enum field { NAME, STATE, EPOCH, STEP, SPEED, LEFT, IMAGES, ACCURACY, SCHEME, FIELDS };
static const int ranks[FIELDS] = {9, 8, 5, 7, 4, 6, 3, 2, 1};

struct line {
    char text[FIELDS][64];
    bool is_bad, is_calm; /* the state: alarming, or over */
};

static void describe(const struct track *track, bool is_long, struct line *line) {
    const struct series *series = track->series;
    const char *state = track_state(track);
    bool is_running = strcmp(state, "running") == 0;
    char duration[FORMAT_SIZE];
    memset(line, 0, sizeof *line);
    enum { SIZE = sizeof line->text[0] };
    (void)snprintf(line->text[NAME], SIZE, "%.*s", is_long ? 24 : 14, series->name);
    (void)snprintf(line->text[STATE], SIZE, "%s", state);
    line->is_bad = track->is_lost || strcmp(state, "failed") == 0 || strcmp(state, "diverged") == 0;
    line->is_calm = !is_running;
    double step = track_step(track), total = series->steps_total;
    if (isfinite(series->epochs_total)) {
        (void)snprintf(line->text[EPOCH], SIZE, "epoch %.2f/%.*g", track_epoch(track),
                       series->epochs_total < 10 ? 3 : 6, series->epochs_total);
    }
    if (isfinite(total)) {
        char whole[24];
        int width = snprintf(whole, sizeof whole, "%.0f", total);
        (void)snprintf(line->text[STEP], SIZE, "step %*.0f/%s", width, step, whole);
    } else if (step > 0) {
        (void)snprintf(line->text[STEP], SIZE, "step %.0f", step);
    }
    double speed = track_speed(track), images = track_images(track), left = track_left(track);
    if (isfinite(speed)) {
        (void)snprintf(line->text[SPEED], SIZE, is_long ? "%.*f steps/s" : "%.*f/s",
                       speed < 9.95 ? 2 : 1, speed);
    }
    if (is_running && left <= 0) { /* the last probes, evaluations, checkpoint */
        (void)snprintf(line->text[LEFT], SIZE, "finishing");
    } else if (is_running && isfinite(left)) {
        (void)snprintf(line->text[LEFT], SIZE, "ETA %s", format_duration(left, duration));
    } else if (step > 0) {
        (void)snprintf(line->text[LEFT], SIZE, "in %s",
                       format_duration(track_seconds(track), duration));
    }
    if (isfinite(images)) {
        (void)snprintf(line->text[IMAGES], SIZE, is_long ? "%.0f images/s" : "%.0f img/s", images);
    }
    if (track->accuracy.count > 0) {
        (void)snprintf(line->text[ACCURACY], SIZE, "valid %.1f %%",
                       track->accuracy.y[track->accuracy.count - 1]);
    }
    if (series->trained_scheme[0]) {
        (void)snprintf(line->text[SCHEME], SIZE, "%s %d", series->trained_scheme,
                       series->trained_steps);
    }
}

/* The columns of the fields over all lines, leaving fields out until the sum fits. */
static void choose(const struct line *lines, int count, int room, int widths[FIELDS]) {
    int sum = 0;
    for (int field = 0; field < FIELDS; field++) {
        widths[field] = 0;
        for (int i = 0; i < count; i++) {
            int width = grid_columns(lines[i].text[field]);
            widths[field] = width > widths[field] ? width : widths[field];
        }
        sum += widths[field] ? widths[field] + 2 : 0;
    }
    while (sum - 2 > room) {
        int least = -1;
        for (int field = 0; field < FIELDS; field++) {
            if (widths[field] && (least < 0 || ranks[field] < ranks[least])) {
                least = field;
            }
        }
        if (least < 0) {
            return;
        }
        sum -= widths[least] + 2;
        widths[least] = 0;
    }
}

void header_draw(const struct scene *scene, struct grid *grid, int rows) {
    struct line lines[SCENE_TRACKS];
    int count = 0, widths[FIELDS];
    while (count < SCENE_TRACKS && scene_shown(scene, count)) {
        describe(scene_shown(scene, count), grid->width >= 110, &lines[count]);
        count++;
    }
    choose(lines, count, grid->width - 4, widths);
    for (int y = 0; y < rows && y < count; y++) {
        const struct track *track = scene_shown(scene, y);
        if (y == rows - 1 && count > rows) {
            (void)grid_text(grid, 3, y, grid->width - 4, GRID_FAINT, 0, "and %d more runs (o)",
                            count - y);
            return;
        }
        int colour = GRID_LINE + track->style % GRID_STYLES, x = 3;
        grid_put(grid, 1, y, grid_marker(track->style), colour, GRID_BOLD);
        for (int field = 0; field < FIELDS; field++) {
            if (!widths[field]) {
                continue;
            }
            int hue = field == NAME ? colour : GRID_TEXT,
                attributes = field == NAME ? GRID_BOLD : 0;
            if (field == STATE) {
                hue = lines[y].is_bad ? GRID_ALARM : lines[y].is_calm ? GRID_TEXT : GRID_GOOD;
                attributes = lines[y].is_bad || !lines[y].is_calm ? GRID_BOLD : 0;
            }
            bool is_number = field == SPEED || field == IMAGES;
            if (is_number) {
                (void)grid_text_right(grid, x + widths[field], y, widths[field], hue, attributes,
                                      "%s", lines[y].text[field]);
            } else {
                (void)grid_text(grid, x, y, widths[field], hue, attributes, "%s",
                                lines[y].text[field]);
            }
            x += widths[field] + 2;
        }
    }
}

void header_brief(const struct track *track, struct grid *grid, int y) {
    const struct series *series = track->series;
    int colour = GRID_LINE + track->style % GRID_STYLES, x = 0, end = grid->width;
    grid_put(grid, 0, y, grid_marker(track->style), colour, GRID_BOLD);
    x = 2 + grid_text(grid, 2, y, end < 40 ? 8 : 14, colour, GRID_BOLD, "%s", series->name);
    if (isfinite(series->steps_total) && series->steps_total > 0 &&
        strcmp(track_state(track), "running") == 0) {
        x += grid_text(grid, x, y, end - x, GRID_TEXT, 0, " %.0f%%",
                       100 * track_step(track) / series->steps_total);
    } else {
        x += grid_text(grid, x, y, end - x, GRID_TEXT, 0, " %s", track_state(track));
    }
    enum { ROOM_FOR_LOSS = 48 };
    if (track->smooth_loss.count > 0 && end >= ROOM_FOR_LOSS) {
        char value[FORMAT_SIZE];
        x += grid_text(grid, x, y, end - x, GRID_TEXT, 0, " loss %s",
                       format_value(track->smooth_loss.y[track->smooth_loss.count - 1], value));
    }
    if (series->convergence) {
        static const int colours[] = {GRID_ALARM, GRID_TEXT, GRID_GOOD};
        static const char *const signs[] = {" !!", "", " ok"};
        int verdict = track_verdict(track);
        (void)grid_text(grid, x, y, end - x, colours[1 + verdict], verdict < 0 ? GRID_BOLD : 0,
                        "%s %s", signs[1 + verdict], series->convergence->verdict);
        return;
    }
    struct table table;
    struct gap gap = {0};
    if (track_table(track, &table)) {
        gap = track_gap(track, &table);
    }
    if (gap.is_known) {
        x += grid_text(grid, x, y, end - x, GRID_TEXT, 0, " acc %.1f", gap.trained);
        (void)grid_text(grid, x, y, end - x, gap.is_alarm ? GRID_ALARM : GRID_GOOD,
                        gap.is_alarm ? GRID_BOLD : 0, "%s%+.1f", gap.is_alarm ? " !! " : " ok ",
                        gap.points);
    } else if (track->accuracy.count > 0) {
        (void)grid_text(grid, x, y, end - x, GRID_TEXT, 0, " acc %.1f",
                        track->accuracy.y[track->accuracy.count - 1]);
    }
}
