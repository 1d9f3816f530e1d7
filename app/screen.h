/* The live screen: run folders on the terminal. A viewer and nothing else: it reads run folders
 * through run/series.h, and what it can do to a job goes through the callbacks of its opener.
 *
 * One loop serves every opener (the prompt's ui(), job:wait() in a script, `continuo watch`):
 *
 *     struct screen *screen = screen_open(&control, &error);
 *     screen_add(screen, job_path(job), &error);
 *     while (poll({screen_fd(screen), own descriptors}, -1), screen_tick(screen) == SCREEN_STAY) {}
 *     screen_close(screen);
 *
 * Readline must have let go of the terminal (rl_callback_handler_remove) before screen_open; the
 * terminal is as it was after screen_close. ^C stays a signal and so belongs to the opener. */
#ifndef CONTINUO_APP_SCREEN_H
#define CONTINUO_APP_SCREEN_H

#include "base/error.h"

/* What the keys p and S may do to the run in folder `path`; a NULL function: key not offered. Each
 * answers whether that run was its to steer. Called from screen_tick. */
struct screen_control {
    void *context;
    bool (*pause)(void *context, const char *path);
    bool (*resume)(void *context, const char *path);
    bool (*stop)(void *context, const char *path);
};

enum screen_action {
    SCREEN_STAY,
    SCREEN_LEAVE, /* the user pressed q, or the terminal has gone */
};

struct screen;

/* Takes the terminal. control is copied (NULL: a mere watcher). NULL with *error set when there is
 * no terminal that can show a screen; the way out is then app/plain.h. */
struct screen *screen_open(const struct screen_control *control, struct error *error);
void screen_close(struct screen *screen); /* NULL is fine */

/* Shows one more run; one already shown is no error. The run may be queued, running or over. */
bool screen_add(struct screen *screen, const char *path, struct error *error);
/* The folder that key o lists runs from (default "runs"). */
void screen_set_runs(struct screen *screen, const char *runs);

/* Readable when screen_tick has something to do: a key, a resize, a tenth of a second gone by. */
int screen_fd(const struct screen *screen);
/* Reads keys and what runs have written, draws when something has changed and a tenth of a second
 * has passed since the last frame. Never blocks. */
enum screen_action screen_tick(struct screen *screen);

/* Shows one line above the keys for some seconds ("paused; p goes on, ^C again stops"). */
void screen_say(struct screen *screen, const char *text);
/* Whether every run on the screen is over. */
bool screen_is_over(const struct screen *screen);

#endif
