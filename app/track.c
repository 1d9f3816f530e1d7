#include "app/track.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "depth/tableau.h"
#include "run/event_field.h"

enum { TRACES = 9 };

static void list_traces(struct track *track, struct trace *traces[TRACES]) {
    struct trace *all[TRACES] = {&track->loss,        &track->norm,        &track->rate,
                                 &track->smooth_loss, &track->smooth_norm, &track->accuracy,
                                 &track->probed,      &track->ratio,       &track->steps};
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
        trace_add(&track->steps, x, series_steps_at(series, step->step));
        trace_add(&track->norm, x, step->grad_norm);
        trace_add(&track->smooth_norm, x,
                  smoothed(&track->norm_smoother, track->span, step->step, step->grad_norm));
    }
}

static bool is_trained(const struct series *series, const struct series_probe *probe) {
    return probe->steps == series_steps_at(series, probe->step + 1) &&
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
            if (is_trained(series, probe) && isfinite(probe->accuracy)) {
                trace_add(&track->accuracy, x_of(track, probe->step, probe->epoch, probe->seconds),
                          100 * probe->accuracy);
                trace_add(&track->probed, probe->step, 100 * probe->accuracy);
            }
            track->probes_read++;
        } else {
            if (eval->valid && isfinite(eval->accuracy)) {
                trace_add(&track->accuracy, x_of(track, eval->step, eval->epoch, eval->seconds),
                          100 * eval->accuracy);
            }
            track->evals_read++;
        }
    }
}

static void read_ratios(struct track *track) {
    for (; track->ratios_read < track->series->ratio_count; track->ratios_read++) {
        const struct series_ratio *ratio = &track->series->ratios[track->ratios_read];
        trace_add(&track->ratio, x_of(track, ratio->step, ratio->epoch, ratio->seconds),
                  ratio->ratio);
    }
}

bool track_update(struct track *track) {
    bool any = series_update(track->series);
    read_steps(track);
    read_accuracies(track);
    read_ratios(track);
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
    track->steps_read = track->evals_read = track->probes_read = track->ratios_read = 0;
    struct trace *traces[TRACES];
    list_traces(track, traces);
    for (int i = 0; i < TRACES; i++) {
        trace_clear(traces[i]);
    }
    read_steps(track);
    read_accuracies(track);
    read_ratios(track);
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

double track_x_at(const struct track *track, double step) {
    const struct series *series = track->series;
    ptrdiff_t low = 0, high = series->step_count;
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if (series->steps[middle].step < step) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == series->step_count || (low == 0 && series->steps[0].step > step)) {
        return (double)NAN;
    }
    return x_of(track, series->steps[low].step, series->steps[low].epoch,
                series->steps[low].seconds);
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

bool track_is_dynamics(const struct track *track) {
    const cJSON *net = cJSON_GetObjectItemCaseSensitive(track->series->config, "net");
    return track->series->convergence || strcmp(event_field_text(net, "family"), "dynamics") == 0;
}

int track_verdict(const struct track *track) {
    const struct series_convergence *convergence = track->series->convergence;
    const char *verdict = convergence ? convergence->verdict : "";
    return strcmp(verdict, "PASS") == 0 ? 1 : strncmp(verdict, "FAIL", 4) == 0 ? -1 : 0;
}

static int find_in(const int *list, int count, int value) {
    for (int i = 0; i < count; i++) {
        if (list[i] == value) {
            return i;
        }
    }
    return -1;
}

/* Adds value to the list, in ascending order if sorted, unless it is there or `most` are. */
static void add_to(int *list, int *count, int most, int value, bool is_sorted) {
    if (find_in(list, *count, value) >= 0 || *count == most) {
        return;
    }
    int place = (*count)++;
    while (is_sorted && place > 0 && list[place - 1] > value) {
        list[place] = list[place - 1];
        place--;
    }
    list[place] = value;
}

/* The probes or sweeps a table is made of. */
static const struct series_probe *cells_of(const struct series *series, bool is_sweep,
                                           ptrdiff_t *first, ptrdiff_t *last) {
    /* The latest value of a cell is among the last few hundred, whatever the run's length. */
    enum { MOST = 8 * TABLE_SCHEMES * TABLE_STEPS };
    *last = is_sweep ? series->sweep_count : series->probe_count;
    *first = *last > MOST ? *last - MOST : 0;
    return is_sweep ? series->sweeps : series->probes;
}

/* Sets each cell to its last value measured not after the training step `until`. */
static void fill(const struct series *series, struct table *table, double until) {
    ptrdiff_t first, last;
    const struct series_probe *cells = cells_of(series, table->is_sweep, &first, &last);
    for (int row = 0; row < table->step_count; row++) {
        for (int column = 0; column < table->scheme_count; column++) {
            table->accuracy[row][column] = table->measured[row][column] = (double)NAN;
        }
    }
    for (ptrdiff_t i = first; i < last; i++) {
        int column = find_in(table->schemes, table->scheme_count, cells[i].scheme);
        int row = find_in(table->steps, table->step_count, cells[i].steps);
        if (column >= 0 && row >= 0 && !(cells[i].step > until)) {
            table->accuracy[row][column] = 100 * cells[i].accuracy;
            table->measured[row][column] = cells[i].step;
            table->images = cells[i].count;
            table->step = cells[i].step;
        }
    }
}

bool track_table(const struct track *track, struct table *table) {
    const struct series *series = track->series;
    *table = (struct table){
        .is_sweep = series->sweep_count > 0, .images = series->probe_images, .step = (double)NAN};
    if (!table->is_sweep) {
        table->scheme_count = series->probe_scheme_count;
        table->step_count = series->probe_step_count;
        memcpy(table->schemes, series->probe_schemes, sizeof table->schemes);
        memcpy(table->steps, series->probe_steps, sizeof table->steps);
    }
    ptrdiff_t first, last;
    const struct series_probe *cells = cells_of(series, table->is_sweep, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        add_to(table->schemes, &table->scheme_count, TABLE_SCHEMES, cells[i].scheme, false);
        add_to(table->steps, &table->step_count, TABLE_STEPS, cells[i].steps, true);
    }
    table->trained_row = find_in(table->steps, table->step_count, series->trained_steps);
    table->trained_column = -1;
    for (int column = 0; column < table->scheme_count; column++) {
        if (strcmp(series->schemes[table->schemes[column]], series->trained_scheme) == 0) {
            table->trained_column = column;
        }
    }
    if (table->trained_column < 0) {
        table->trained_row = -1;
    }
    fill(series, table, (double)INFINITY);
    return table->scheme_count > 0 && table->step_count > 0;
}

static int order_of(const char *scheme) {
    const struct tableau *tableau = tableau_find(scheme, NULL);
    return tableau ? tableau->order : 0;
}

/* The accuracy of the trained cell at a training step, between its measurements. */
static double trained_at(const struct track *track, const struct table *table, double step) {
    const struct trace *probed = &track->probed;
    double latest = table->accuracy[table->trained_row][table->trained_column];
    ptrdiff_t after = trace_from(probed, step);
    if (table->is_sweep || probed->count == 0 || after == probed->count) {
        return latest;
    }
    if (after == 0 || probed->x[after] == step) {
        return probed->y[after];
    }
    double before = probed->x[after - 1];
    double part = (step - before) / (probed->x[after] - before);
    return probed->y[after - 1] + part * (probed->y[after] - probed->y[after - 1]);
}

/* The cell that comes nearest to the limit: the error of order p at N steps goes like N^-p. */
static bool find_limit(const struct track *track, const struct table *table, struct gap *gap,
                       double *measured) {
    const struct series *series = track->series;
    int trained_order = order_of(series->trained_scheme), highest = 0;
    double best = 0;
    for (int column = 0; column < table->scheme_count; column++) {
        int order = order_of(series->schemes[table->schemes[column]]);
        highest = order > highest ? order : highest;
    }
    for (int row = 0; row < table->step_count; row++) {
        for (int column = 0; column < table->scheme_count; column++) {
            int order = order_of(series->schemes[table->schemes[column]]);
            bool is_last = row == table->step_count - 1 && order == highest;
            bool is_finer = order >= trained_order && table->steps[row] >= series->trained_steps;
            bool is_trained_cell = row == table->trained_row && column == table->trained_column;
            double rank = is_last ? (double)INFINITY : order * log2(2.0 * table->steps[row]);
            if (isfinite(table->accuracy[row][column]) && rank > best &&
                (is_last || (is_finer && !is_trained_cell))) {
                best = rank;
                gap->is_limit = is_last;
                gap->scheme = table->schemes[column];
                gap->steps = table->steps[row];
                gap->limit = table->accuracy[row][column];
                *measured = table->measured[row][column];
            }
        }
    }
    return best > 0;
}

struct gap track_gap(const struct track *track, const struct table *table) {
    struct gap gap = {0};
    double measured = 0;
    if (table->trained_row < 0 ||
        !isfinite(table->accuracy[table->trained_row][table->trained_column])) {
        return gap;
    }
    /* What was measured after the trained cell is not compared with it. */
    struct table past = *table;
    if (!table->is_sweep) {
        fill(track->series, &past, table->measured[table->trained_row][table->trained_column]);
    }
    if (!find_limit(track, &past, &gap, &measured)) {
        return gap;
    }
    gap.is_known = true;
    gap.trained = trained_at(track, table, measured);
    double p = gap.trained / 100, q = gap.limit / 100;
    double images = table->images > 1 ? table->images : 1;
    gap.points = gap.trained - gap.limit;
    gap.margin = fmax(1, 200 * sqrt((p * (1 - p) + q * (1 - q)) / images));
    gap.is_alarm = fabs(gap.points) > gap.margin;
    return gap;
}

void track_gap_text(const struct track *track, const struct gap *gap, char *text, size_t size) {
    char other[48] = "its own ODE limit";
    if (gap->is_known && !gap->is_limit) {
        (void)snprintf(other, sizeof other, "%s %d", track->series->schemes[gap->scheme],
                       gap->steps);
    }
    if (!gap->is_known) {
        (void)snprintf(text, size, "own ODE limit not measured yet");
    } else if (gap->is_alarm) {
        (void)snprintf(text, size, "trained point sits %.1f points %s %s", fabs(gap->points),
                       gap->points > 0 ? "above" : "below", other);
    } else {
        (void)snprintf(text, size, "trained point is within %.1f of %s", fabs(gap->points), other);
    }
}
