#include "app/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/term.h"
#include "lua/plot/axis.h"

static const double spans[] = {0, 10, 30, 100, 300};

enum { SPANS = sizeof spans / sizeof spans[0] };

struct scene *scene_create(void) {
    struct scene *scene = calloc(1, sizeof *scene);
    if (!scene) {
        abort();
    }
    scene->zoomed = -1;
    scene->log_y[PANEL_LOSS] = true;
    scene->span = 30;
    scene->ui_share = (double)NAN;
    (void)snprintf(scene->runs, sizeof scene->runs, "runs");
    return scene;
}

void scene_free(struct scene *scene) {
    if (!scene) {
        return;
    }
    for (int i = 0; i < scene->count; i++) {
        track_close(scene->tracks[i]);
    }
    free(scene->listed);
    free(scene);
}

void scene_log(struct scene *scene, int style, const char *text) {
    struct scene_line *line = &scene->log[scene->log_count++ % SCENE_LOG];
    line->style = style;
    (void)snprintf(line->text, sizeof line->text, "%s", text);
    if (scene->log_back > 0) {
        scene->log_back++; /* what is being read stays where it is */
    }
}

static void read_notes(struct scene *scene, struct track *track) {
    const struct series *series = track->series;
    for (; track->notes_read < series->note_count; track->notes_read++) {
        scene_log(scene, track->style, series->notes[track->notes_read]);
    }
}

/* The style that fewest of the runs have. */
static int free_style(const struct scene *scene) {
    int uses[GRID_STYLES] = {0}, best = 0;
    for (int i = 0; i < scene->count; i++) {
        uses[scene->tracks[i]->style % GRID_STYLES]++;
    }
    for (int style = 1; style < GRID_STYLES; style++) {
        best = uses[style] < uses[best] ? style : best;
    }
    return best;
}

static struct track *find(const struct scene *scene, const char *path) {
    for (int i = 0; i < scene->count; i++) {
        if (strcmp(scene->tracks[i]->series->path, path) == 0) {
            return scene->tracks[i];
        }
    }
    return NULL;
}

bool scene_add(struct scene *scene, const char *path, struct error *error) {
    struct track *known = find(scene, path);
    if (known) {
        known->is_shown = true;
        return true;
    }
    if (scene->count == SCENE_TRACKS) {
        return error_set(error, ERROR_STATE,
                         "the screen shows %d runs already; open a second one "
                         "with `continuo watch %s`",
                         SCENE_TRACKS, path);
    }
    struct track *track = track_open(path, free_style(scene), error);
    if (!track) {
        return false;
    }
    track_set(track, scene->x, scene->span);
    scene->tracks[scene->count++] = track;
    read_notes(scene, track);
    return true;
}

bool scene_update(struct scene *scene) {
    bool any = false;
    for (int i = 0; i < scene->count; i++) {
        bool has_news = track_update(scene->tracks[i]);
        read_notes(scene, scene->tracks[i]);
        any |= has_news;
    }
    return any;
}

const struct track *scene_shown(const struct scene *scene, int index) {
    for (int i = 0; i < scene->count; i++) {
        if (scene->tracks[i]->is_shown && index-- == 0) {
            return scene->tracks[i];
        }
    }
    return NULL;
}

bool scene_has_convergence(const struct scene *scene) {
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        struct table table;
        bool is_dynamics = track_is_dynamics(track);
        if (is_dynamics || track_table(track, &table)) {
            return is_dynamics;
        }
    }
    return false;
}

const struct track *scene_subject(const struct scene *scene) {
    static const char *const states[] = {"running", "paused", "queued"};
    for (int state = 0; state < 3; state++) {
        for (int i = 0; i < scene->count; i++) {
            if (strcmp(track_state(scene->tracks[i]), states[state]) == 0) {
                return scene->tracks[i];
            }
        }
    }
    return NULL;
}

const char *scene_x_name(const struct scene *scene) {
    static const char *const names[TRACK_X_COUNT] = {"step", "epoch", "seconds"};
    return names[scene->x];
}

/* The whole range: from 0 to the next round number beyond every run shown. */
static void whole_range(const struct scene *scene, double *lo, double *hi) {
    *lo = 0;
    *hi = 0;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        double end = axis_grown(track_x_now(track), track_x_total(track));
        *hi = end > *hi ? end : *hi;
    }
    bool is_short = scene->x == TRACK_STEP && *hi < 10;
    *hi = *hi > 0 && !is_short ? *hi : 10;
}

void scene_range(const struct scene *scene, int panel, double *lo, double *hi) {
    if (scene->has_range) {
        *lo = scene->range_lo;
        *hi = scene->range_hi;
    } else {
        whole_range(scene, lo, hi);
    }
    if (!scene->log_x[panel] || *lo > 0) {
        return;
    }
    /* A logarithmic axis begins at the first point. */
    double first = *hi;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        ptrdiff_t at = trace_after(&track->loss, 0);
        if (at < track->loss.count && track->loss.x[at] < first) {
            first = track->loss.x[at];
        }
    }
    *lo = first < *hi ? first : *hi / 10;
}

static void set_all(struct scene *scene) {
    for (int i = 0; i < scene->count; i++) {
        track_set(scene->tracks[i], scene->x, scene->span);
    }
}

/* The run whose points the cursor steps through: the one shown with the most of them. */
static const struct trace *cursor_trace(const struct scene *scene) {
    const struct trace *best = NULL;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        best = !best || track->loss.count > best->count ? &track->loss : best;
    }
    return best && best->count > 0 ? best : NULL;
}

static void move_cursor(struct scene *scene, ptrdiff_t points) {
    const struct trace *trace = cursor_trace(scene);
    if (!trace) {
        return;
    }
    ptrdiff_t at = trace_from(trace, scene->cursor) + points;
    at = at < 0 ? 0 : at >= trace->count ? trace->count - 1 : at;
    scene->cursor = trace->x[at];
    double width = scene->range_hi - scene->range_lo;
    if (scene->has_range && scene->cursor < scene->range_lo) {
        scene->range_lo = scene->cursor;
        scene->range_hi = scene->cursor + width;
    } else if (scene->has_range && scene->cursor > scene->range_hi) {
        scene->range_hi = scene->cursor;
        scene->range_lo = scene->cursor - width;
    }
}

static void toggle_cursor(struct scene *scene) {
    const struct trace *trace = cursor_trace(scene);
    scene->has_cursor = !scene->has_cursor && trace;
    if (scene->has_cursor) {
        double lo, hi;
        scene_range(scene, PANEL_LOSS, &lo, &hi);
        double last = trace->x[trace->count - 1];
        scene->cursor = last < hi ? last : 0.5 * (lo + hi);
        move_cursor(scene, 0);
    }
}

static void zoom(struct scene *scene, double factor) {
    double lo, hi, whole_lo, whole_hi;
    whole_range(scene, &whole_lo, &whole_hi);
    scene_range(scene, PANEL_LOSS, &lo, &hi);
    if (scene->log_x[PANEL_LOSS] && !scene->has_range) {
        lo = whole_lo;
    }
    double middle = scene->has_cursor && scene->cursor >= lo && scene->cursor <= hi
                        ? scene->cursor
                        : 0.5 * (lo + hi);
    double half = 0.5 * factor * (hi - lo), least = 1e-6 * (whole_hi - whole_lo);
    if (half < least) {
        return;
    }
    scene->range_lo = fmax(whole_lo, middle - half);
    scene->range_hi = fmin(whole_hi, middle + half);
    scene->has_range = scene->range_lo > whole_lo || scene->range_hi < whole_hi;
}

static void pan(struct scene *scene, int direction) {
    if (!scene->has_range) {
        return;
    }
    double lo, hi, width = scene->range_hi - scene->range_lo, move = 0.25 * width * direction;
    whole_range(scene, &lo, &hi);
    move = fmax(lo - scene->range_lo, fmin(hi - scene->range_hi, move));
    scene->range_lo += move;
    scene->range_hi += move;
}

static void open_picker(struct scene *scene) {
    free(scene->listed);
    scene->listed_count = series_list(scene->runs, &scene->listed, SCENE_RUNS);
    scene->picked = 0;
    scene->overlay = SCENE_PICKER;
}

static void pick(struct scene *scene) {
    char path[800];
    struct error error;
    if (scene->picked >= scene->listed_count) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%s", scene->runs, scene->listed[scene->picked]);
    struct track *known = NULL;
    for (int i = 0; i < scene->count; i++) {
        const char *base = strrchr(scene->tracks[i]->series->path, '/');
        base = base ? base + 1 : scene->tracks[i]->series->path;
        known = strcmp(base, scene->listed[scene->picked]) == 0 ? scene->tracks[i] : known;
    }
    if (known) {
        known->is_shown = !known->is_shown;
    } else if (!scene_add(scene, path, &error)) {
        (void)snprintf(scene->message, sizeof scene->message, "%.190s", error.text);
    }
}

static void picker_key(struct scene *scene, int key) {
    switch (key) {
    case TERM_KEY_UP:
    case 'k':
        scene->picked -= scene->picked > 0;
        break;
    case TERM_KEY_DOWN:
    case 'j':
        scene->picked += scene->picked + 1 < scene->listed_count;
        break;
    case ' ':
    case '\n':
    case '\r':
        pick(scene);
        break;
    case TERM_KEY_ESCAPE:
    case 'o':
    case 'q':
        scene->overlay = SCENE_NO_OVERLAY;
        break;
    default:
        break;
    }
}

static void scroll_log(struct scene *scene, int lines) {
    int kept = scene->log_count < SCENE_LOG ? scene->log_count : SCENE_LOG;
    scene->log_back += lines;
    scene->log_back = scene->log_back > kept - 1 ? kept - 1 : scene->log_back;
    scene->log_back = scene->log_back < 0 ? 0 : scene->log_back;
}

static void next_span(struct scene *scene) {
    int at = 0;
    while (at < SPANS - 1 && spans[at] != scene->span) {
        at++;
    }
    scene->span = spans[(at + 1) % SPANS];
    set_all(scene);
}

/* Another unit of x: range and cursor lose their meaning. */
static void next_x(struct scene *scene) {
    scene->x = (enum track_x)((scene->x + 1) % TRACK_X_COUNT);
    scene->has_range = scene->has_cursor = false;
    set_all(scene);
}

static bool move_key(struct scene *scene, int key) {
    ptrdiff_t page = 20;
    switch (key) {
    case TERM_KEY_LEFT:
    case TERM_KEY_RIGHT: {
        int direction = key == TERM_KEY_RIGHT ? 1 : -1;
        if (scene->has_cursor) {
            move_cursor(scene, direction);
        } else {
            pan(scene, direction);
        }
        return true;
    }
    case TERM_KEY_PAGE_UP:
    case TERM_KEY_PAGE_DOWN: {
        int direction = key == TERM_KEY_PAGE_DOWN ? 1 : -1;
        if (scene->has_cursor) {
            move_cursor(scene, direction * page);
        } else {
            scroll_log(scene, -10 * direction);
        }
        return true;
    }
    case TERM_KEY_HOME:
    case TERM_KEY_END:
        if (scene->has_cursor) {
            move_cursor(scene, key == TERM_KEY_END ? PTRDIFF_MAX / 4 : -(PTRDIFF_MAX / 4));
        } else {
            scroll_log(scene, key == TERM_KEY_END ? -SCENE_LOG : SCENE_LOG);
        }
        return true;
    case TERM_KEY_UP:
        scroll_log(scene, 1);
        return true;
    case TERM_KEY_DOWN:
        scroll_log(scene, -1);
        return true;
    default:
        return false;
    }
}

static enum scene_action ask(const struct scene *scene) {
    const struct track *track = scene_subject(scene);
    if (!scene->can_pause || !track) {
        return SCENE_NOTHING;
    }
    return strcmp(track_state(track), "paused") == 0 ? SCENE_RESUME : SCENE_PAUSE;
}

/* Keys of the panels and of what they show. */
static void panel_key(struct scene *scene, int key) {
    switch (key) {
    case '\t':
    case TERM_KEY_BACKTAB:
        scene->focus = (scene->focus + (key == '\t' ? 1 : SCENE_PANELS - 1)) % SCENE_PANELS;
        scene->zoomed = scene->zoomed >= 0 ? scene->focus : -1;
        break;
    case '1':
    case '2':
    case '3':
    case '4':
        scene->focus = key - '1';
        scene->zoomed = scene->zoomed == scene->focus ? -1 : scene->focus;
        break;
    case TERM_KEY_ESCAPE:
        scene->zoomed = -1;
        scene->has_cursor = false;
        break;
    case 'l':
        scene->log_y[scene->focus] = !scene->log_y[scene->focus];
        break;
    case 'L':
        scene->log_x[scene->focus] = !scene->log_x[scene->focus];
        break;
    case 'm':
        scene->metric = (scene->metric + 1) % 12; /* the panel takes the rest by 3 or 4 */
        break;
    case 'b':
        scene->kind = scene->is_ascii ? CANVAS_ASCII : (enum canvas_kind)((scene->kind + 1) % 3);
        break;
    case '0':
        scene->has_range = false;
        break;
    default:
        break;
    }
}

enum scene_action scene_key(struct scene *scene, int key) {
    scene->message[0] = 0;
    if (scene->overlay == SCENE_PICKER) {
        picker_key(scene, key);
        return SCENE_NOTHING;
    }
    if (scene->overlay == SCENE_HELP) {
        scene->overlay = SCENE_NO_OVERLAY;
        if (key == '?' || key == TERM_KEY_ESCAPE || key == 'q') {
            return SCENE_NOTHING;
        }
    }
    if (move_key(scene, key)) {
        return SCENE_NOTHING;
    }
    switch (key) {
    case 'q':
        return SCENE_LEAVE;
    case 'p':
        return ask(scene);
    case 'S':
        return scene->can_stop && scene_subject(scene) ? SCENE_STOP : SCENE_NOTHING;
    case '?':
        scene->overlay = SCENE_HELP;
        break;
    case 'o':
        open_picker(scene);
        break;
    case 's':
        next_span(scene);
        break;
    case 't':
        next_x(scene);
        break;
    case 'x':
        toggle_cursor(scene);
        break;
    case '+':
    case '=':
    case '-':
        zoom(scene, key == '-' ? 2 : 0.5);
        break;
    case '<':
    case '>':
        pan(scene, key == '>' ? 1 : -1);
        break;
    default:
        panel_key(scene, key);
    }
    return SCENE_NOTHING;
}
