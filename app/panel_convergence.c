/* Panel 2 of runs that learn dynamics: the error of the learned field over step sizes, a curve per
 * scheme, with those of the true field behind; the trained step marked; the verdict in words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/panel.h"
#include "app/wrap.h"
#include "lua/plot/format.h"
#include "lua/plot/loglog.h"

enum { LEAST_ROWS = 9, LEAST_COLUMNS = 56 };

static int colour_of(const struct track *track) {
    static const int colours[] = {GRID_ALARM, GRID_TEXT, GRID_GOOD};
    return colours[1 + track_verdict(track)];
}

static void note(const struct scene *scene, int room, char *text, size_t size) {
    text[0] = 0;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        const struct series_convergence *convergence = track->series->convergence;
        size_t used = strlen(text);
        if (convergence && used + sizeof convergence->verdict + 2 < size &&
            (int)(used + strlen(convergence->verdict)) + (used ? 2 : 0) <= room) {
            (void)snprintf(text + used, size - used, "%s%s", used ? "  " : "",
                           convergence->verdict);
        }
    }
}

/* What the verdict rests on, for people. */
static void verdict_text(const struct track *track, char *text, size_t size) {
    static const char *const signs[] = {"!!", "--", "ok"};
    const struct series_convergence *convergence = track->series->convergence;
    const char *sign = signs[1 + track_verdict(track)];
    double ratio = series_convergence_ratio(convergence);
    char times[FORMAT_SIZE];
    if (!convergence->verdict[0]) {
        (void)snprintf(text, size, "no verdict yet");
    } else if (strcmp(convergence->verdict, "FAIL-UNDER") == 0) {
        (void)snprintf(text, size, "%s FAIL-UNDER  the error at dt is above its target", sign);
    } else if (strcmp(convergence->verdict, "OPEN") == 0) {
        (void)snprintf(text, size, "%s OPEN  the finest steps show no limit yet", sign);
    } else if (isfinite(ratio)) {
        (void)snprintf(text, size, "%s %s  as h -> 0 the error is %s times that at dt", sign,
                       convergence->verdict, format_value(ratio, times));
    } else {
        (void)snprintf(text, size, "%s %s", sign, convergence->verdict);
    }
}

static void draw_title(struct grid *grid, struct rect rect, const struct track *track) {
    const struct series_convergence *convergence = track->series->convergence;
    int colour = GRID_LINE + track->style % GRID_STYLES, x = rect.x, end = rect.x + rect.width;
    grid_put(grid, x, rect.y, grid_marker(track->style), colour, GRID_BOLD);
    end -= 1 + grid_text_right(grid, end, rect.y, rect.width - 2, colour_of(track), GRID_BOLD, "%s",
                               convergence->verdict);
    x += 2;
    x += grid_text(grid, x, rect.y, end - x, colour, GRID_BOLD, "%s", track->series->name);
    char more[2][40];
    (void)snprintf(more[0], sizeof more[0], "  in %s", convergence->trained);
    (void)snprintf(more[1], sizeof more[1], ", step %.0f", convergence->step);
    for (int i = 0; i < 2 && x + grid_columns(more[i]) <= end; i++) {
        x += grid_text(grid, x, rect.y, end - x, GRID_FAINT, 0, "%s", more[i]);
    }
}

static void draw_block(const struct scene *scene, struct grid *grid, struct rect rect,
                       const struct track *track) {
    const struct series_convergence *convergence = track->series->convergence;
    struct loglog loglog = {.kind = scene->kind,
                            .is_mono = scene->is_mono,
                            .dt = convergence->dt,
                            .limit = convergence->floor,
                            .resolution = convergence->resolution};
    for (int i = 0; i < convergence->curve_count; i++) {
        const struct series_curve *curve = &convergence->curves[i];
        loglog.curves[loglog.count++] = (struct loglog_curve){
            .name = curve->scheme,
            .is_true = curve->is_true,
            .is_trained = strcmp(curve->scheme, convergence->trained) == 0,
            .count = curve->count,
            .h = curve->h,
            .error = curve->error,
            .slope = curve->slope,
            .interval = curve->interval,
            .expected = curve->expected,
        };
    }
    char text[160];
    verdict_text(track, text, sizeof text);
    draw_title(grid, (struct rect){rect.x, rect.y, rect.width, 1}, track);
    int foot = rect.height <= LEAST_ROWS ? 0 : wrap_rows(text, rect.width);
    loglog_draw(grid, (struct rect){rect.x - 1, rect.y + 1, rect.width + 1, rect.height - 1 - foot},
                &loglog);
    (void)wrap_draw(grid, (struct rect){rect.x, rect.y + rect.height - foot, rect.width, foot},
                    colour_of(track), track_verdict(track) < 0 ? GRID_BOLD : 0, text);
}

static void draw(const struct scene *scene, struct grid *grid, struct rect rect) {
    const struct track *tracks[SCENE_TRACKS], *track;
    int count = 0;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        if (track->series->convergence) {
            tracks[count++] = track;
        }
    }
    /* Where there is no room for all, the run at work is among those that are seen. */
    for (int i = count - 1; i > 0; i--) {
        if (tracks[i] == scene_subject(scene)) {
            tracks[i] = tracks[i - 1];
            tracks[i - 1] = scene_subject(scene);
        }
    }
    rect.x++;
    rect.width--;
    if (count == 0) {
        (void)wrap_draw(grid, rect, GRID_FAINT, 0, "waiting for the first convergence test");
        return;
    }
    int across = rect.width / LEAST_COLUMNS;
    across = across < 1 ? 1 : across > count ? count : across;
    int down = (count + across - 1) / across;
    while (down > 1 && rect.height / down < LEAST_ROWS) { /* the last ones have no room */
        down--;
    }
    int width = (rect.width + 2) / across - 2, height = (rect.height + 1) / down - 1;
    for (int i = 0; i < count && i < across * down; i++) {
        draw_block(scene, grid,
                   (struct rect){rect.x + i % across * (width + 2),
                                 rect.y + i / across * (height + 1), width, height},
                   tracks[i]);
    }
}

const struct panel panel_convergence = {
    .title = "error against step",
    .short_title = "error/step",
    .note = note,
    .draw = draw,
};
