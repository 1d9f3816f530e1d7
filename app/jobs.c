#include "app/jobs.h"

#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/signals.h"
#include "lua/answer.h"
#include "lua/interrupt.h"
#include "run/job.h"
#include "run/series.h"

enum { LINE_SIZE = 1200, PAUSE_TRIES = 100, PAUSE_TICK = 10 /* milliseconds */ };

struct known {
    const struct job *job;
    int number;           /* counts jobs as they were met; never used again */
    enum job_state state; /* as last told */
};
static struct known *known; /* known_count of them; those that are freed drop out */
static int known_count, last_number;
static struct series *series; /* of the job whose progress is shown */

static struct known *find(const struct job *job) {
    for (int i = 0; i < known_count; i++) {
        if (known[i].job == job) {
            return &known[i];
        }
    }
    return NULL;
}

static bool is_end(enum job_state state) {
    return state != JOB_QUEUED && state != JOB_RUNNING && state != JOB_PAUSED;
}

/* Brings the list up to date. A job at the address of one that ended is another one. */
static void meet(void) {
    struct known *now = calloc((size_t)job_count() + 1, sizeof *now);
    if (!now) {
        return;
    }
    for (int i = 0; i < job_count(); i++) {
        const struct job *job = job_at(i);
        const struct known *before = find(job);
        if (before && !(is_end(before->state) && !job_is_over(job))) {
            now[i] = *before;
        } else {
            now[i] = (struct known){job, ++last_number, JOB_QUEUED};
        }
    }
    free(known);
    known = now;
    known_count = job_count();
}

int jobs_number(const struct job *job) {
    meet();
    const struct known *entry = find(job);
    return entry ? entry->number : 0;
}

struct job *jobs_at_path(const char *path) {
    for (int i = job_count() - 1; i >= 0; i--) {
        if (strcmp(job_path(job_at(i)), path) == 0) {
            return job_at(i);
        }
    }
    return NULL;
}

struct job *jobs_current(void) {
    struct job *first = NULL;
    for (int i = 0; i < job_count(); i++) {
        struct job *job = job_at(i);
        enum job_state state = job_state(job);
        if (state == JOB_RUNNING || state == JOB_PAUSED) {
            return job;
        }
        if (!first && !job_is_over(job)) {
            first = job;
        }
    }
    return first;
}

int jobs_unfinished(void) {
    int count = 0;
    for (int i = 0; i < job_count(); i++) {
        count += !job_is_over(job_at(i));
    }
    return count;
}

/* The series of the job's run, read up to now; NULL when it cannot be read. */
static struct series *look(const struct job *job) {
    if (series && strcmp(series->path, job_path(job)) != 0) {
        series_close(series);
        series = NULL;
    }
    if (!series) {
        struct error error;
        series = series_open(job_path(job), &error);
    }
    if (series) {
        (void)series_update(series);
    }
    return series;
}

static double last_step(const struct series *run) {
    return run && run->step_count > 0 ? run->steps[run->step_count - 1].step : 0;
}

void jobs_label(char *text, size_t size) {
    struct job *job = jobs_current();
    text[0] = '\0';
    if (!job) {
        return;
    }
    char at[16] = "=", more[16] = "";
    if (job_state(job) != JOB_PAUSED) {
        struct series *run = look(job);
        double total = run ? run->steps_total : 0;
        (void)snprintf(at, sizeof at, "%d%%",
                       total > 0 ? (int)(100 * last_step(run) / total) : 0);
    }
    if (jobs_unfinished() > 1) {
        (void)snprintf(more, sizeof more, " +%d", jobs_unfinished() - 1);
    }
    (void)snprintf(text, size, "[%d %s%s]", jobs_number(job), at, more);
}

/* One line about a job that has come to `state`. */
static void describe(const struct job *job, enum job_state state, char *line, size_t size) {
    const struct series *run = look(job);
    int used = snprintf(line, size, "job %d %s: %s", jobs_number(job), job_state_names[state],
                        job_name(job));
    bool says_step = state == JOB_STOPPED || state == JOB_DIVERGED; /* in its message */
    if (run && run->steps_total > 0 && used > 0 && !says_step) {
        used += snprintf(line + used, size - (size_t)used, ", step %.0f of %.0f", last_step(run),
                         run->steps_total);
    }
    if (run && run->eval_count > 0 && state != JOB_PAUSED && used > 0) {
        const struct series_eval *eval = &run->evals[run->eval_count - 1];
        bool has_accuracy = isfinite(eval->accuracy);
        used += snprintf(line + used, size - (size_t)used,
                         has_accuracy ? ", %s accuracy %.1f %%" : ", %s loss %.3g",
                         eval->valid ? "validation" : "test",
                         has_accuracy ? 100 * eval->accuracy : eval->loss);
    }
    const char *message = job_message(job);
    if (state != JOB_DONE && state != JOB_PAUSED && message && message[0] && used > 0) {
        used += snprintf(line + used, size - (size_t)used, ", %s", message);
    }
    if (used > 0) {
        (void)snprintf(line + used, size - (size_t)used, "  %s",
                       state == JOB_PAUSED ? "job:resume() goes on" : job_path(job));
    }
}

void jobs_tick(void (*say)(const char *line)) {
    uint64_t wakes;
    struct pollfd descriptor = {.fd = job_wake_fd(), .events = POLLIN};
    if (poll(&descriptor, 1, 0) > 0 && read(descriptor.fd, &wakes, sizeof wakes) < 0) {
        return;
    }
    meet();
    for (int i = 0; i < known_count; i++) {
        const struct job *job = known[i].job;
        enum job_state state = job_state(job);
        if (state == known[i].state) {
            continue;
        }
        known[i].state = state;
        if (say && (state == JOB_PAUSED || is_end(state))) {
            char line[LINE_SIZE];
            describe(job, state, line, sizeof line);
            say(line);
        }
    }
}

void jobs_answer(void) {
    if (answer_wanted()) {
        signals_set_running(true);
        answer_jobs();
        signals_set_running(false);
        interrupt_clear();
    }
}

void jobs_pause(char *text, size_t size) {
    struct job *job = jobs_current();
    if (!job || job_state(job) != JOB_RUNNING) {
        (void)snprintf(text, size, "interrupted");
        return;
    }
    job_pause(job);
    for (int i = 0; i < PAUSE_TRIES && job_state(job) == JOB_RUNNING; i++) {
        (void)poll(NULL, 0, PAUSE_TICK);
    }
    const struct series *run = look(job);
    if (job_state(job) == JOB_PAUSED && run) {
        (void)snprintf(text, size,
                       "job %d paused at step %.0f of %.0f, state intact; job:resume() goes on",
                       jobs_number(job), last_step(run), run->steps_total);
    } else {
        (void)snprintf(text, size, "job %d pauses at its next batch; job:resume() goes on",
                       jobs_number(job));
    }
    jobs_tick(NULL);
}

void jobs_stop(void) {
    for (int i = 0; i < job_count(); i++) {
        if (!job_is_over(job_at(i))) {
            job_stop(job_at(i));
        }
    }
    for (int i = 0; i < job_count(); i++) {
        job_join(job_at(i));
    }
}
