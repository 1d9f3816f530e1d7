#include "app/view.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/jobs.h"
#include "app/plain.h"
#include "app/screen.h"
#include "app/signals.h"
#include "base/clock.h"
#include "lua/host.h"
#include "lua/interrupt.h"
#include "run/job.h"
#include "run/series.h"

enum { TICK = 100 /* milliseconds */, TEXT_SIZE = 256, SHOWN_MOST = 12, STATUS_INTERRUPTED = 130 };
static const char runs_folder[] = "runs";

static bool at_prompt, always_plain, left;

/* ---- steering from the screen -------------------------------------------------------------- */

static bool steer(const char *path, void (*action)(struct job *job)) {
    struct job *job = jobs_at_path(path);
    if (!job || job_is_over(job)) {
        return false;
    }
    action(job);
    return true;
}

static bool pause_path(void *context, const char *path) {
    (void)context;
    return steer(path, job_pause);
}

static bool resume_path(void *context, const char *path) {
    (void)context;
    return steer(path, job_resume);
}

static bool stop_path(void *context, const char *path) {
    (void)context;
    return steer(path, job_stop);
}

static const struct screen_control control = {
    .pause = pause_path, .resume = resume_path, .stop = stop_path};

/* ---- one view ------------------------------------------------------------------------------ */

struct view { /* a screen or plain lines */
    struct screen *screen;
    struct plain *plain;
    struct job *const *jobs; /* waited for; count 0: until the user leaves */
    int count;
    bool stopping; /* of a script: the jobs have been told to stop */
};

static bool all_over(const struct view *view) {
    for (int i = 0; i < view->count; i++) {
        if (!job_is_over(view->jobs[i])) {
            return false;
        }
    }
    return view->count > 0;
}

/* A run that cannot be read is not shown; its job tells why it ended. */
static void add_run(struct view *view, const char *path) {
    struct error ignored;
    if (view->screen) {
        (void)screen_add(view->screen, path, &ignored);
    } else if (view->plain) {
        (void)plain_add(view->plain, path, &ignored);
    }
}

static void say(struct view *view, const char *text) {
    if (view->screen) {
        screen_say(view->screen, text);
    } else {
        (void)fprintf(stderr, "%s\n", text);
    }
}

static void open_plain(struct view *view) {
    view->plain = plain_create(stderr);
    for (int i = 0; i < view->count; i++) {
        add_run(view, job_path(view->jobs[i]));
    }
}

static bool open_screen(struct view *view, struct error *error) {
    signals_lend(true);
    view->screen = screen_open(&control, error);
    if (!view->screen) {
        signals_lend(!at_prompt);
        return false;
    }
    screen_set_runs(view->screen, runs_folder);
    return true;
}

static void open_view(struct view *view) {
    struct error ignored;
    if (always_plain || !isatty(STDOUT_FILENO) || !open_screen(view, &ignored)) {
        open_plain(view);
        return;
    }
    int first = job_count() > SHOWN_MOST ? job_count() - SHOWN_MOST : 0;
    for (int i = first; i < job_count(); i++) { /* earlier runs stay for comparison */
        add_run(view, job_path(job_at(i)));
    }
    for (int i = 0; i < view->count; i++) {
        add_run(view, job_path(view->jobs[i]));
    }
}

static void close_view(struct view *view) {
    if (view->screen) {
        screen_close(view->screen);
        view->screen = NULL;
        signals_lend(!at_prompt);
    }
    if (view->plain) {
        plain_tick(view->plain);
        plain_free(view->plain);
        view->plain = NULL;
    }
}

/* ---- ^C ------------------------------------------------------------------------------------ */

enum answer { GO_ON, GIVE_UP, QUIT };

/* A script has no prompt to go back to. On its screen the first ^C pauses and the next stops;
 * without a screen nobody could resume, so the first stops. Stopping keeps and writes the weights;
 * another ^C does not wait for that. */
static enum answer interrupt_script(struct view *view) {
    if (view->stopping) {
        return QUIT;
    }
    struct job *job = jobs_current();
    if (view->screen && job && job_state(job) == JOB_RUNNING) {
        job_pause(job);
        say(view, "paused at the next batch; p goes on, ^C again stops and keeps the weights");
        return GO_ON;
    }
    view->stopping = true;
    say(view, "stopping at the next batch, weights are kept; ^C again quits at once");
    for (int i = 0; i < view->count; i++) {
        if (!job_is_over(view->jobs[i])) {
            job_stop(view->jobs[i]);
        }
    }
    return GO_ON;
}

/* Runs until the waited jobs are over, or the user ends it. */
static enum answer follow(struct view *view) {
    while (!all_over(view)) {
        struct pollfd descriptors[] = {
            {.fd = signals_fd(), .events = POLLIN},
            {.fd = job_wake_fd(), .events = POLLIN},
            {.fd = view->screen ? screen_fd(view->screen) : -1, .events = POLLIN},
        };
        (void)poll(descriptors, 3, TICK);
        if (signals_take().interrupts > 0) {
            enum answer answer =
                at_prompt || view->count == 0 ? GIVE_UP : interrupt_script(view);
            if (answer != GO_ON) {
                return answer;
            }
        }
        jobs_tick(NULL);
        jobs_answer();
        if (view->plain) {
            plain_tick(view->plain);
        }
        if (view->screen && screen_tick(view->screen) == SCREEN_LEAVE) {
            if (at_prompt || view->count == 0) {
                return GIVE_UP;
            }
            close_view(view);
            (void)fprintf(stderr, "the script goes on; ^C stops it\n");
            open_plain(view);
        }
    }
    return GO_ON;
}

/* ---- the host ------------------------------------------------------------------------------ */

/* At the prompt: the sentence that the chunk ends with. */
static bool give_up(bool interrupted, struct error *error) {
    char text[TEXT_SIZE];
    if (interrupted) {
        jobs_pause(text, sizeof text);
    } else {
        struct job *job = jobs_current();
        (void)snprintf(text, sizeof text, "job %d goes on in the background; F2 shows it",
                       job ? jobs_number(job) : 0);
    }
    left = true;
    return error_set(error, ERROR_STATE, "%s", text);
}

static bool wait_for(struct job *const *jobs, int count, struct error *error) {
    struct view view = {.jobs = jobs, .count = count};
    if (count == 0 || all_over(&view)) {
        return true;
    }
    signals_set_running(false); /* here ^C is for the jobs, not for Lua code */
    (void)signals_take();
    int before = signals_streak();
    open_view(&view);
    enum answer answer = follow(&view);
    bool interrupted = signals_streak() > before;
    close_view(&view);
    if (answer == QUIT) {
        (void)fprintf(stderr, "quit: interrupted again\n");
        _exit(STATUS_INTERRUPTED);
    }
    signals_set_running(true);
    if (answer == GIVE_UP) {
        return give_up(interrupted, error);
    }
    if (view.stopping) {
        interrupt_raise(); /* a pcall in the script must not start the next training */
        return error_set(error, ERROR_STATE, "interrupted");
    }
    return true;
}

/* Shows runs until the user leaves; ^C pauses the running job and leaves. */
static bool show(const char *const *paths, int count, struct error *error) {
    struct view view = {0};
    if (always_plain || !isatty(STDOUT_FILENO)) {
        return error_set(error, ERROR_STATE,
                         "there is no terminal for the live screen; job:wait() prints lines");
    }
    signals_set_running(false);
    (void)signals_take();
    int before = signals_streak();
    bool fine = open_screen(&view, error);
    for (int i = 0; fine && i < count; i++) {
        fine = screen_add(view.screen, paths[i], error);
    }
    if (fine) {
        (void)follow(&view);
    }
    bool interrupted = signals_streak() > before;
    close_view(&view);
    signals_set_running(true);
    return fine && interrupted ? give_up(true, error) : fine;
}

bool view_show_current(struct error *error) {
    const char *paths[SHOWN_MOST];
    char newest[512];
    int count = 0;
    int first = job_count() > SHOWN_MOST ? job_count() - SHOWN_MOST : 0;
    for (int i = first; i < job_count(); i++) {
        paths[count++] = job_path(job_at(i));
    }
    if (count == 0) {
        if (!series_find(runs_folder, "", newest, sizeof newest, error)) {
            return false;
        }
        paths[count++] = newest;
    }
    return show(paths, count, error);
}

static bool show_some(const char *const *paths, int count, struct error *error) {
    return count > 0 ? show(paths, count, error) : view_show_current(error);
}

bool view_was_left(void) {
    bool was = left;
    left = false;
    return was;
}

/* One line on the terminal that goes again when the work is done; elsewhere a line every ten
 * seconds. */
static void tell_progress(const char *what, int done, int count) {
    static double told;
    const double now = clock_seconds();
    if (isatty(STDERR_FILENO)) {
        if (done < count) {
            fprintf(stderr, "\r%s %d of %d ...\033[K\r", what, done, count);
        } else {
            fputs("\r\033[K", stderr);
        }
    } else if (done == 0) {
        told = now;
    } else if (done < count && now - told >= 10.0) {
        fprintf(stderr, "%s %d of %d\n", what, done, count);
        told = now;
    }
}

void view_open(bool prompt, bool plain) {
    static struct host host = {.wait = wait_for, .show = show_some, .progress = tell_progress};
    at_prompt = prompt;
    always_plain = plain;
    host.interactive = prompt;
    host_set(&host);
}
