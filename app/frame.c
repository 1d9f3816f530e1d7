#include "app/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/header.h"
#include "app/panel.h"

static const struct panel *const panels[SCENE_PANELS] = {&panel_loss, &panel_sweep, &panel_metrics,
                                                         &panel_log};

enum {
    ACROSS = 0x2500,
    DOWN = 0x2502,
    TEE_DOWN = 0x252c,
    TEE_UP = 0x2534,
    TEE_LEFT = 0x2524,
    TEE_RIGHT = 0x251c
};

/* A rule with the panel's number, title and note, and the panel beneath it. */
static void draw_panel(const struct scene *scene, struct grid *grid, struct rect rect, int index) {
    const struct panel *panel =
        index == PANEL_SWEEP && scene_has_convergence(scene) ? &panel_convergence : panels[index];
    bool has_focus = scene->focus == index;
    int end = rect.x + rect.width;
    grid_row(grid, rect.x, rect.y, rect.width, ACROSS, GRID_FAINT);
    enum { AROUND = 10 }; /* number, blanks and ends of the rule */
    char text[120] = "";
    panel->note(scene, rect.width - (int)strlen(panel->title) - AROUND, text, sizeof text);
    int length = (int)strlen(text);
    while (length > 0 && text[length - 1] == ' ') {
        text[--length] = 0;
    }
    bool has_room = length + (int)strlen(panel->title) + AROUND <= rect.width;
    const char *title = has_room || length == 0 ? panel->title : panel->short_title;
    int x = rect.x + 1;
    x += grid_text(grid, x, rect.y, end - x, GRID_TEXT, has_focus ? GRID_BOLD | GRID_REVERSE : 0,
                   " %d %s ", index + 1, title);
    if (length > 0 && x + length + 3 <= end) {
        (void)grid_text_right(grid, end - 1, rect.y, length + 2, GRID_FAINT, 0, " %s ", text);
    }
    if (rect.height > 1) {
        panel->draw(scene, grid, (struct rect){rect.x, rect.y + 1, rect.width, rect.height - 1});
    }
}

/* The columns that panel 2 needs for the tables of all runs, side by side. */
static int sweep_width(const struct scene *scene) {
    enum { FIRST = 8, CELL = 8, LEAST = 32 };
    int sum = 0;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        struct table table;
        if (track_table(track, &table)) {
            sum += FIRST + CELL * table.scheme_count + 2;
        }
    }
    return sum < LEAST ? LEAST : sum;
}

static void draw_panels(const struct scene *scene, struct grid *grid, struct rect body) {
    int log_rows = body.height >= 40 ? 7 : body.height >= 30 ? 5 : body.height >= 18 ? 3 : 2;
    int height = body.height - log_rows, right = 32;
    if (grid->width >= 100) {
        int wanted = sweep_width(scene);
        right = wanted > grid->width * 2 / 5 ? grid->width * 2 / 5 : wanted;
        right = right < 36 ? 36 : right;
    }
    if (scene_has_convergence(scene)) {
        right = body.width / 2;
    }
    int left = body.width - right - 1;
    int metrics_rows = height >= 30 ? height * 2 / 5 : height * 3 / 7;
    metrics_rows = metrics_rows < 4 ? 4 : metrics_rows;
    int loss_rows = height - metrics_rows;
    draw_panel(scene, grid, (struct rect){body.x, body.y, left, loss_rows}, PANEL_LOSS);
    draw_panel(scene, grid, (struct rect){body.x, body.y + loss_rows, left, metrics_rows},
               PANEL_METRICS);
    draw_panel(scene, grid, (struct rect){left + 1, body.y, right, height}, PANEL_SWEEP);
    draw_panel(scene, grid, (struct rect){body.x, body.y + height, body.width, log_rows},
               PANEL_LOG);
    grid_column(grid, left, body.y + 1, height - 1, DOWN, GRID_FAINT);
    grid_put(grid, left, body.y, TEE_DOWN, GRID_FAINT, 0);
    grid_put(grid, left, body.y + loss_rows, TEE_LEFT, GRID_FAINT, 0);
    grid_put(grid, left, body.y + height, TEE_UP, GRID_FAINT, 0);
}

static const struct {
    const char *keys, *text;
} help[] = {
    {"Tab", "focus the next panel"},
    {"1 2 3 4", "one panel alone; again: all"},
    {"l  L", "log scale of y, of x"},
    {"s", "mean over 0, 10, 30, 100, 300 steps; dots: raw"},
    {"t", "x in steps, epochs, seconds"},
    {"m", "panel 3: accuracy, rate, gradient norm, steps"},
    {"x", "cursor that reads values; arrows move it"},
    {"+ -", "zoom x in and out around the cursor"},
    {"< >", "move the zoomed range; also arrows"},
    {"0", "the whole range again"},
    {"o", "choose which runs are shown"},
    {"b", "braille, blocks, ASCII"},
    {"Up Dn", "scroll the log"},
    {"p", "pause or resume the run"},
    {"S", "stop the run, weights kept"},
    {"^C", "pause at the next batch"},
    {"^Z", "suspend; fg comes back"},
    {"q", "leave the screen; runs go on"},
    {"?", "close this list"},
};

enum { HELP = sizeof help / sizeof help[0] };

/* An empty framed box in the middle; returns its inside. */
static struct rect draw_box(struct grid *grid, int width, int height, const char *title) {
    width = width > grid->width ? grid->width : width;
    height = height > grid->height ? grid->height : height;
    struct rect box = {(grid->width - width) / 2, (grid->height - height) / 2, width, height};
    int right = box.x + width - 1, bottom = box.y + height - 1;
    grid_blank(grid, box);
    grid_row(grid, box.x, box.y, width, ACROSS, GRID_TEXT);
    grid_row(grid, box.x, bottom, width, ACROSS, GRID_TEXT);
    grid_column(grid, box.x, box.y, height, DOWN, GRID_TEXT);
    grid_column(grid, right, box.y, height, DOWN, GRID_TEXT);
    grid_put(grid, box.x, box.y, 0x250c, GRID_TEXT, 0);
    grid_put(grid, right, box.y, 0x2510, GRID_TEXT, 0);
    grid_put(grid, box.x, bottom, 0x2514, GRID_TEXT, 0);
    grid_put(grid, right, bottom, 0x2518, GRID_TEXT, 0);
    (void)grid_text(grid, box.x + 2, box.y, width - 4, GRID_TEXT, GRID_BOLD, " %s ", title);
    return (struct rect){box.x + 2, box.y + 1, width - 4, height - 2};
}

static void draw_help(struct grid *grid) {
    struct rect inside = draw_box(grid, 56, HELP + 2, "keys");
    for (int i = 0; i < HELP && i < inside.height; i++) {
        (void)grid_text(grid, inside.x, inside.y + i, 9, GRID_TEXT, GRID_BOLD, "%s", help[i].keys);
        (void)grid_text(grid, inside.x + 10, inside.y + i, inside.width - 10, GRID_TEXT, 0, "%s",
                        help[i].text);
    }
}

static void draw_picker(const struct scene *scene, struct grid *grid) {
    int rows = scene->listed_count < 4 ? 4 : scene->listed_count;
    struct rect inside = draw_box(grid, 64, rows + 4, "runs");
    int list = inside.height - 2;
    (void)grid_text(grid, inside.x, inside.y + inside.height - 1, inside.width, GRID_FAINT, 0,
                    "Space shows or hides   Up Down move   Esc closes");
    if (scene->listed_count == 0) {
        (void)grid_text(grid, inside.x, inside.y, inside.width, GRID_TEXT, 0,
                        "no runs in the folder \"%s\"", scene->runs);
    }
    int first = scene->picked >= list ? scene->picked - list + 1 : 0;
    for (int i = first; i < scene->listed_count && i < first + list; i++) {
        int y = inside.y + i - first, colour = GRID_TEXT;
        const struct track *found = NULL;
        for (int j = 0; j < scene->count; j++) {
            const char *base = strrchr(scene->tracks[j]->series->path, '/');
            base = base ? base + 1 : scene->tracks[j]->series->path;
            found = strcmp(base, scene->listed[i]) == 0 ? scene->tracks[j] : found;
        }
        bool is_shown = found && found->is_shown;
        if (is_shown) {
            colour = GRID_LINE + found->style % GRID_STYLES;
            grid_put(grid, inside.x, y, grid_marker(found->style), colour, GRID_BOLD);
        }
        (void)grid_text(grid, inside.x + 2, y, inside.width - 2, colour, is_shown ? GRID_BOLD : 0,
                        "%s", scene->listed[i]);
        if (i == scene->picked) {
            grid_mark(grid, inside.x, y, inside.width, GRID_REVERSE);
        }
    }
}

static void draw_bar(const struct scene *scene, struct grid *grid) {
    int y = grid->height - 1, end = grid->width - 1;
    if (scene->message[0]) {
        (void)grid_text(grid, 1, y, end - 1, GRID_TEXT, GRID_BOLD, "%s", scene->message);
        return;
    }
    if (isfinite(scene->ui_share)) {
        end -= grid_text_right(grid, end, y, 12, GRID_FAINT, 0, "UI %.1f%%", scene->ui_share) + 2;
    }
    const struct track *subject = scene_subject(scene);
    bool is_paused = subject && strcmp(track_state(subject), "paused") == 0;
    const struct {
        const char *key, *text;
        bool is_live;
    } keys[] = {
        {"?", "keys", true},
        {"q", "leave", true},
        {"p", is_paused ? "resume" : "pause", scene->can_pause && subject},
        {"1-4", "zoom", true},
        {"Tab", "panel", true},
        {"l", "log", true},
        {"s", "smooth", true},
        {"x", "cursor", true},
        {"+-", "range", true},
        {"o", "runs", true},
        {"m", "metric", true},
        {"b", "dots", true},
        {"t", "x unit", true},
    };
    int x = 1;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int width = (int)(strlen(keys[i].key) + strlen(keys[i].text)) + 1;
        if (!keys[i].is_live || x + width > end) {
            continue;
        }
        x += grid_text(grid, x, y, end - x, GRID_TEXT, GRID_BOLD, "%s", keys[i].key);
        x += 1 + grid_text(grid, x + 1, y, end - x, GRID_FAINT, 0, "%s", keys[i].text);
        x += 2;
    }
}

void frame_draw(const struct scene *scene, struct grid *grid) {
    grid->ascii = scene->is_ascii || scene->kind == CANVAS_ASCII;
    grid_clear(grid);
    int shown = 0;
    while (scene_shown(scene, shown)) {
        shown++;
    }
    if (grid->width < FRAME_LEAST_WIDTH || grid->height < FRAME_LEAST_HEIGHT) {
        int rows = grid->height > 2 ? grid->height - 1 : grid->height;
        for (int i = 0; i < shown && i < rows; i++) {
            header_brief(scene_shown(scene, i), grid, i);
        }
        int left = rows - shown;
        if (left >= 2) {
            panel_log.draw(scene, grid, (struct rect){0, shown + 1, grid->width, left - 1});
        }
    } else {
        int most = (grid->height - FRAME_LEAST_HEIGHT) / 2 + 1;
        int rows = shown < most ? shown : most;
        header_draw(scene, grid, rows);
        struct rect body = {0, rows, grid->width, grid->height - rows - 1};
        if (scene->zoomed >= 0) {
            draw_panel(scene, grid, body, scene->zoomed);
        } else {
            draw_panels(scene, grid, body);
        }
    }
    if (grid->height > 2) {
        draw_bar(scene, grid);
    }
    if (scene->overlay == SCENE_HELP) {
        draw_help(grid);
    } else if (scene->overlay == SCENE_PICKER) {
        draw_picker(scene, grid);
    }
}
