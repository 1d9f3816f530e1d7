#include "app/plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lua/plot/format.h"
#include "app/track.h"

enum { RUNS = 64 };

static const double APART_SECONDS = 10;

struct plain {
    FILE *file;
    int count;
    struct follower {
        struct track *track;
        double last_line;  /* clock seconds */
        double last_probe; /* clock seconds, of the last line about probes */
        ptrdiff_t told_probes;
        ptrdiff_t told_step; /* training step of the last progress line */
        bool is_told_over;
    } followers[RUNS];
};

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct plain *plain_create(FILE *file) {
    struct plain *plain = calloc(1, sizeof *plain);
    if (!plain) {
        abort();
    }
    plain->file = file;
    return plain;
}

void plain_free(struct plain *plain) {
    for (int i = 0; plain && i < plain->count; i++) {
        track_close(plain->followers[i].track);
    }
    free(plain);
}

bool plain_add(struct plain *plain, const char *path, struct error *error) {
    for (int i = 0; i < plain->count; i++) {
        if (strcmp(plain->followers[i].track->series->path, path) == 0) {
            return true;
        }
    }
    if (plain->count == RUNS) {
        return error_set(error, ERROR_STATE,
                         "%d runs are followed already; follow \"%s\" with a "
                         "second `continuo watch`",
                         RUNS, path);
    }
    struct track *track = track_open(path, 0, error);
    if (!track) {
        return false;
    }
    track_set(track, TRACK_STEP, 30);
    plain->followers[plain->count++] =
        (struct follower){.track = track, .last_line = -APART_SECONDS};
    return true;
}

static void tell_notes(const struct plain *plain, struct follower *follower) {
    struct track *track = follower->track;
    const struct series *series = track->series;
    for (; track->notes_read < series->note_count; track->notes_read++) {
        (void)fprintf(plain->file, "%-14s %s\n", series->name, series->notes[track->notes_read]);
    }
}

/* One line about the table of probes as it stands. */
static void tell_probes(const struct plain *plain, struct follower *follower, double time) {
    const struct track *track = follower->track;
    const struct series *series = track->series;
    struct table table;
    bool is_due = time - follower->last_probe >= APART_SECONDS || series_is_over(series);
    if (!is_due || series->probe_count == follower->told_probes || !track_table(track, &table)) {
        return;
    }
    struct gap gap = track_gap(track, &table);
    if (gap.is_known) {
        char text[80];
        track_gap_text(track, &gap, text, sizeof text);
        (void)fprintf(plain->file,
                      "%-14s %7.1f s  probe  step %.0f  %s %d: %.1f %%  %s %d: %.1f %%"
                      "  %s%s\n",
                      series->name, track_seconds(track), table.step, series->trained_scheme,
                      series->trained_steps, gap.trained, series->schemes[gap.scheme], gap.steps,
                      gap.limit, gap.is_alarm ? "!! " : "", text);
        follower->told_probes = series->probe_count;
        follower->last_probe = time;
    }
}

static void tell_progress(const struct plain *plain, struct follower *follower, double time) {
    const struct track *track = follower->track;
    const struct series *series = track->series;
    ptrdiff_t step = (ptrdiff_t)track_step(track);
    if (step == follower->told_step || time - follower->last_line < APART_SECONDS) {
        return;
    }
    follower->told_step = step;
    follower->last_line = time;
    double loss_now = track->smooth_loss.y[track->smooth_loss.count - 1];
    char loss[FORMAT_SIZE], left[FORMAT_SIZE], total[24] = "", speed[24] = "-";
    if (isfinite(track_speed(track))) {
        (void)snprintf(speed, sizeof speed, "%.1f", track_speed(track));
    }
    if (isfinite(series->steps_total)) {
        (void)snprintf(total, sizeof total, "/%.0f", series->steps_total);
    }
    (void)fprintf(plain->file,
                  "%-14s %7.1f s  step %td%s  epoch %.2f  loss %s  %s steps/s  "
                  "%.0f images/s  ETA %s\n",
                  series->name, track_seconds(track), step, total, track_epoch(track),
                  format_value(loss_now, loss), speed, track_images(track),
                  format_duration(track_left(track), left));
}

void plain_tick(struct plain *plain) {
    double time = now();
    for (int i = 0; i < plain->count; i++) {
        struct follower *follower = &plain->followers[i];
        (void)track_update(follower->track);
        bool is_over = series_is_over(follower->track->series);
        tell_notes(plain, follower);
        if (!is_over && follower->track->smooth_loss.count > 0) {
            tell_progress(plain, follower, time);
        }
        tell_probes(plain, follower, time);
        if (follower->track->is_lost && !follower->is_told_over) {
            (void)fprintf(plain->file, "%-14s lost: its process has ended without a last word\n",
                          follower->track->series->name);
        }
        follower->is_told_over = is_over || follower->track->is_lost;
    }
    (void)fflush(plain->file);
}

bool plain_is_over(const struct plain *plain) {
    for (int i = 0; i < plain->count; i++) {
        if (!plain->followers[i].is_told_over) {
            return false;
        }
    }
    return true;
}
