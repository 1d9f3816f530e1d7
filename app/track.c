#include "app/track.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "depth/tableau.h"

enum { TRACES = 6 };

static void list_traces(struct track *track, struct trace *traces[TRACES]) {
    struct trace *all[TRACES] = {&track->loss,        &track->norm,        &track->rate,
                                 &track->smooth_loss, &track->smooth_norm, &track->accuracy};
    memcpy(traces, all, sizeof all);
}

struct track *track_open(const char *path, int style, struct error *error) {
    struct series *series = series_open(path, error);
    if (!series) {
        return NULL;
    }
    struct track *track = calloc(1, sizeof *track);
    if (!track) {
        abort();
    }
    track->series = series;
    track->style = style;
    track->is_shown = true;
    (void)track_update(track);
    return track;
}

void track_close(struct track *track) {
    if (!track) {
        return;
    }
    series_close(track->series);
    struct trace *traces[TRACES];
    list_traces(track, traces);
    for (int i = 0; i < TRACES; i++) {
        trace_free(traces[i]);
    }
    free(track);
}

static double x_of(const struct track *track, double step, double epoch, double seconds) {
    return track->x == TRACK_STEP ? step : track->x == TRACK_EPOCH ? epoch : seconds;
}

/* The exponentially weighted mean of all values so far, weights exp(-(distance in steps) / span),
 * divided by the sum of the weights: the mean of a constant is that constant from the first point
 * on, and what is drawn does not depend on how wide the chart is. */
static double smoothed(struct smoother *smoother, double span, double step, double value) {
    if (!isfinite(value) || span <= 0) {
        return value;
    }
    /* After a resume some steps come again; each then counts as one further. */
    double distance = step > smoother->step ? step - smoother->step : 1;
    double decay = smoother->weight > 0 ? exp(-distance / span) : 0;
    smoother->weight = decay * smoother->weight + 1;
    smoother->sum = decay * smoother->sum + value;
    smoother->step = step;
    return smoother->sum / smoother->weight;
}

static void read_steps(struct track *track) {
    const struct series *series = track->series;
    for (; track->steps_read < series->step_count; track->steps_read++) {
        const struct series_step *step = &series->steps[track->steps_read];
        double x = x_of(track, step->step, step->epoch, step->seconds);
        trace_add(&track->loss, x, step->loss);
        trace_add(&track->smooth_loss, x,
                  smoothed(&track->loss_smoother, track->span, step->step, step->loss));
        trace_add(&track->rate, x, step->rate);
        trace_add(&track->norm, x, step->grad_norm);
        trace_add(&track->smooth_norm, x,
                  smoothed(&track->norm_smoother, track->span, step->step, step->grad_norm));
    }
}

static bool is_trained(const struct series *series, const struct series_probe *probe) {
    return probe->steps == series->trained_steps &&
           strcmp(series->schemes[probe->scheme], series->trained_scheme) == 0;
}

/* Evaluations and probes come interleaved: merged in order of their steps. */
static void read_accuracies(struct track *track) {
    const struct series *series = track->series;
    while (track->evals_read < series->eval_count || track->probes_read < series->probe_count) {
        const struct series_eval *eval =
            track->evals_read < series->eval_count ? &series->evals[track->evals_read] : NULL;
        const struct series_probe *probe =
            track->probes_read < series->probe_count ? &series->probes[track->probes_read] : NULL;
        if (probe && (!eval || probe->step < eval->step)) {
            if (is_trained(series, probe)) {
                trace_add(&track->accuracy, x_of(track, probe->step, probe->epoch, probe->seconds),
                          100 * probe->accuracy);
            }
            track->probes_read++;
        } else {
            if (eval->valid) {
                trace_add(&track->accuracy, x_of(track, eval->step, eval->epoch, eval->seconds),
                          100 * eval->accuracy);
            }
            track->evals_read++;
        }
    }
}

bool track_update(struct track *track) {
    bool any = series_update(track->series);
    read_steps(track);
    read_accuracies(track);
    bool is_lost = series_is_lost(track->series);
    any |= is_lost != track->is_lost;
    track->is_lost = is_lost;
    return any;
}

void track_set(struct track *track, enum track_x x, double span) {
    if (track->x == x && track->span == span) {
        return;
    }
    track->x = x;
    track->span = span;
    track->loss_smoother = track->norm_smoother = (struct smoother){0};
    track->steps_read = track->evals_read = track->probes_read = 0;
    struct trace *traces[TRACES];
    list_traces(track, traces);
    for (int i = 0; i < TRACES; i++) {
        trace_clear(traces[i]);
    }
    read_steps(track);
    read_accuracies(track);
}

const char *track_state(const struct track *track) {
    return track->is_lost ? "lost" : track->series->state;
}

static const struct series_step *last_step(const struct track *track) {
    const struct series *series = track->series;
    return series->step_count ? &series->steps[series->step_count - 1] : NULL;
}

double track_speed(const struct track *track) {
    const struct series_step *last = last_step(track);
    if (!last) {
        return (double)NAN;
    }
    enum { WINDOW_SECONDS = 10, WINDOW_STEPS = 200 };
    const struct series_step *first = last;
    while (first > track->series->steps && last - first < WINDOW_STEPS &&
           last->seconds - first->seconds < WINDOW_SECONDS && first[-1].step < first->step) {
        first--;
    }
    double seconds = last->seconds - first->seconds;
    return seconds > 0 ? (last->step - first->step) / seconds : (double)NAN;
}

double track_images(const struct track *track) {
    const struct series_step *last = last_step(track);
    return last ? last->images_per_second : (double)NAN;
}

double track_step(const struct track *track) {
    const struct series_step *last = last_step(track);
    return last ? last->step : 0;
}

double track_epoch(const struct track *track) {
    const struct series_step *last = last_step(track);
    return last && isfinite(last->epoch) ? last->epoch : 0;
}

double track_seconds(const struct track *track) {
    const struct series_step *last = last_step(track);
    return last ? last->seconds : 0;
}

double track_left(const struct track *track) {
    return (track->series->steps_total - track_step(track)) / track_speed(track);
}

double track_x_now(const struct track *track) {
    const struct series_step *last = last_step(track);
    double x = last ? x_of(track, last->step, last->epoch, last->seconds) : 0;
    return isfinite(x) ? x : 0;
}

double track_x_total(const struct track *track) {
    const struct series *series = track->series;
    if (track->x == TRACK_SECONDS) {
        return series_is_over(series) ? track_seconds(track) : (double)NAN;
    }
    return track->x == TRACK_STEP ? series->steps_total : series->epochs_total;
}

static int find_or_add(int *list, int *count, int most, int value, bool is_sorted) {
    for (int i = 0; i < *count; i++) {
        if (list[i] == value) {
            return i;
        }
    }
    if (*count == most) {
        return -1;
    }
    int place = (*count)++;
    while (is_sorted && place > 0 && list[place - 1] > value) {
        list[place] = list[place - 1];
        place--;
    }
    list[place] = value;
    return place;
}

bool track_table(const struct track *track, struct table *table) {
    const struct series *series = track->series;
    *table = (struct table){.is_sweep = series->sweep_count > 0,
                            .trained_row = -1,
                            .trained_column = -1,
                            .images = series->probe_images,
                            .step = (double)NAN};
    if (!table->is_sweep) {
        table->scheme_count = series->probe_scheme_count;
        table->step_count = series->probe_step_count;
        memcpy(table->schemes, series->probe_schemes, sizeof table->schemes);
        memcpy(table->steps, series->probe_steps, sizeof table->steps);
    }
    const struct series_probe *cells = table->is_sweep ? series->sweeps : series->probes;
    ptrdiff_t count = table->is_sweep ? series->sweep_count : series->probe_count;
    /* The latest value of a cell is among the last few hundred, whatever the run's length. */
    enum { MOST = 4 * TABLE_SCHEMES * TABLE_STEPS };
    ptrdiff_t from = count > MOST ? count - MOST : 0;
    for (ptrdiff_t i = from; i < count; i++) {
        (void)find_or_add(table->schemes, &table->scheme_count, TABLE_SCHEMES, cells[i].scheme,
                          false);
        (void)find_or_add(table->steps, &table->step_count, TABLE_STEPS, cells[i].steps, true);
    }
    for (int row = 0; row < table->step_count; row++) {
        for (int column = 0; column < table->scheme_count; column++) {
            table->accuracy[row][column] = (double)NAN;
            bool is_trained_cell =
                table->steps[row] == series->trained_steps &&
                strcmp(series->schemes[table->schemes[column]], series->trained_scheme) == 0;
            if (is_trained_cell) {
                table->trained_row = row;
                table->trained_column = column;
            }
        }
    }
    for (ptrdiff_t i = from; i < count; i++) {
        int schemes = table->scheme_count, steps = table->step_count;
        int column = find_or_add(table->schemes, &schemes, 0, cells[i].scheme, false);
        int row = find_or_add(table->steps, &steps, 0, cells[i].steps, false);
        if (column >= 0 && row >= 0) {
            table->accuracy[row][column] = 100 * cells[i].accuracy;
            table->images = cells[i].count;
            table->step = cells[i].step;
        }
    }
    return table->scheme_count > 0 && table->step_count > 0;
}

static int order_of(const char *scheme) {
    const struct tableau *tableau = tableau_find(scheme, NULL);
    return tableau ? tableau->order : 0;
}

struct gap track_gap(const struct track *track, const struct table *table) {
    struct gap gap = {0};
    if (table->trained_row < 0) {
        return gap;
    }
    gap.trained = table->accuracy[table->trained_row][table->trained_column];
    gap.limit = (double)NAN;
    int best = -1;
    for (int row = table->step_count - 1; row >= 0 && best < 0; row--) {
        for (int column = 0; column < table->scheme_count; column++) {
            int order = order_of(track->series->schemes[table->schemes[column]]);
            if (order > best && isfinite(table->accuracy[row][column])) {
                best = order;
                gap.limit = table->accuracy[row][column];
            }
        }
    }
    gap.is_known = isfinite(gap.trained) && isfinite(gap.limit);
    if (gap.is_known) {
        double p = gap.trained / 100, q = gap.limit / 100;
        double images = table->images > 1 ? table->images : 1;
        gap.points = gap.trained - gap.limit;
        gap.margin = fmax(1, 200 * sqrt((p * (1 - p) + q * (1 - q)) / images));
        gap.is_alarm = fabs(gap.points) > gap.margin;
    }
    return gap;
}

void track_gap_text(const struct gap *gap, char *text, size_t size) {
    if (!gap->is_known) {
        (void)snprintf(text, size, "own ODE limit not measured yet");
    } else if (gap->is_alarm) {
        (void)snprintf(text, size, "trained point sits %.1f points %s its own ODE limit",
                       fabs(gap->points), gap->points > 0 ? "above" : "below");
    } else {
        (void)snprintf(text, size, "trained point is within %.1f of its own ODE limit",
                       fabs(gap->points));
    }
}
