#include "app/screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/frame.h"
#include "app/scene.h"
#include "app/term.h"

struct screen {
    struct scene *scene;
    struct screen_control control;
    struct grid grid;
    bool is_dirty;
    double last_frame, message_end; /* seconds */
    double share_since, share_busy; /* of the UI's own time: start of the window, CPU seconds */
    char line[240];                 /* caught output without its newline yet */
    size_t line_length;
};

static const double FRAME_SECONDS = 0.1, MESSAGE_SECONDS = 6, SHARE_SECONDS = 3;

static double seconds_of(clockid_t clock) {
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct screen *screen_open(const struct screen_control *control, struct error *error) {
    if (!term_enter(error)) {
        return NULL;
    }
    struct screen *screen = calloc(1, sizeof *screen);
    if (!screen) {
        abort();
    }
    const struct term_traits *traits = term_traits();
    screen->scene = scene_create();
    screen->scene->is_ascii = !traits->utf8;
    screen->scene->is_mono = traits->colours == 0;
    screen->scene->kind = traits->utf8 ? CANVAS_BRAILLE : CANVAS_ASCII;
    if (control) {
        screen->control = *control;
        screen->scene->can_pause = control->pause && control->resume;
        screen->scene->can_stop = control->stop;
    }
    screen->is_dirty = true;
    screen->share_since = seconds_of(CLOCK_MONOTONIC);
    return screen;
}

void screen_close(struct screen *screen) {
    if (!screen) {
        return;
    }
    term_leave();
    term_set_rescue("");
    scene_free(screen->scene);
    grid_free(&screen->grid);
    free(screen);
}

bool screen_add(struct screen *screen, const char *path, struct error *error) {
    screen->is_dirty = true;
    if (!scene_add(screen->scene, path, error)) {
        return false;
    }
    char line[500];
    (void)snprintf(line, sizeof line, "continuo was ended by a signal; the run is in %.440s\n",
                   path);
    term_set_rescue(line);
    return true;
}

void screen_set_runs(struct screen *screen, const char *runs) {
    (void)snprintf(screen->scene->runs, sizeof screen->scene->runs, "%s", runs);
}

int screen_fd(const struct screen *screen) {
    (void)screen;
    return term_fd();
}

void screen_say(struct screen *screen, const char *text) {
    (void)snprintf(screen->scene->message, sizeof screen->scene->message, "%s", text);
    screen->message_end = seconds_of(CLOCK_MONOTONIC) + MESSAGE_SECONDS;
    screen->is_dirty = true;
}

bool screen_is_over(const struct screen *screen) {
    const struct scene *scene = screen->scene;
    for (int i = 0; i < scene->count; i++) {
        if (!series_is_over(scene->tracks[i]->series) && !scene->tracks[i]->is_lost) {
            return false;
        }
    }
    return true;
}

/* Puts what was printed behind the screen's back into the log panel, line by line. */
static void read_caught(struct screen *screen) {
    char bytes[1024];
    size_t count;
    while ((count = term_read_caught(bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < count; i++) {
            bool is_full = screen->line_length == sizeof screen->line - 1;
            if (bytes[i] == '\n' || is_full) {
                screen->line[screen->line_length] = 0;
                scene_log(screen->scene, -1, screen->line);
                screen->line_length = 0;
                screen->is_dirty = true;
            }
            if (bytes[i] != '\n') {
                screen->line[screen->line_length++] = bytes[i] == '\t' ? ' ' : bytes[i];
            }
        }
    }
}

static void control(struct screen *screen, enum scene_action action) {
    const struct track *track = scene_subject(screen->scene);
    if (!track) {
        return;
    }
    const char *path = track->series->path, *name = track->series->name;
    bool (*function)(void *, const char *) = action == SCENE_PAUSE    ? screen->control.pause
                                             : action == SCENE_RESUME ? screen->control.resume
                                                                      : screen->control.stop;
    static const char *const done[] = {[SCENE_PAUSE] = "pauses at the next batch; p goes on",
                                       [SCENE_RESUME] = "goes on",
                                       [SCENE_STOP] = "stops at the next batch, weights kept"};
    char text[200];
    if (function && function(screen->control.context, path)) {
        (void)snprintf(text, sizeof text, "%s %s", name, done[action]);
    } else {
        (void)snprintf(text, sizeof text, "%s belongs to another process; steer it there", name);
    }
    screen_say(screen, text);
}

/* The UI thread's own CPU time as a share of a core; measured over some seconds. */
static void account(struct screen *screen, double now, double busy) {
    screen->share_busy += busy;
    double window = now - screen->share_since;
    if (window >= SHARE_SECONDS) {
        screen->scene->ui_share = 100 * screen->share_busy / window;
        screen->share_since = now;
        screen->share_busy = 0;
    }
}

enum screen_action screen_tick(struct screen *screen) {
    struct scene *scene = screen->scene;
    double start = seconds_of(CLOCK_THREAD_CPUTIME_ID), now = seconds_of(CLOCK_MONOTONIC);
    bool leaves = false;
    for (int key; (key = term_key()) != TERM_KEY_NONE;) {
        enum scene_action action = scene_key(scene, key);
        leaves |= action == SCENE_LEAVE;
        if (action != SCENE_NOTHING && action != SCENE_LEAVE) {
            control(screen, action);
        }
        if (scene->message[0] && screen->message_end < now) {
            screen->message_end = now + MESSAGE_SECONDS;
        }
        screen->is_dirty = true;
    }
    if (leaves || term_is_gone()) {
        return SCREEN_LEAVE;
    }
    if (scene->message[0] && now > screen->message_end) {
        scene->message[0] = 0;
        screen->is_dirty = true;
    }
    read_caught(screen);
    screen->is_dirty |= scene_update(scene);
    int width, height;
    term_size(&width, &height);
    bool is_resized = width != screen->grid.width || height != screen->grid.height;
    if (is_resized || (screen->is_dirty && now - screen->last_frame >= FRAME_SECONDS)) {
        if (is_resized) {
            grid_resize(&screen->grid, width, height);
        }
        frame_draw(scene, &screen->grid);
        if (term_show(&screen->grid)) {
            screen->is_dirty = false;
            screen->last_frame = now;
        }
    }
    account(screen, now, seconds_of(CLOCK_THREAD_CPUTIME_ID) - start);
    return SCREEN_STAY;
}
