/* Samples of trajectories: windows of successive states. NUMERICS.md eq. 96. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learn/dataset_build.h"

/* Intervals of a window are equal when they differ by less than this part. */
static const double equal = 1e-6;

bool trajectories_init(struct trajectories *set, ptrdiff_t count, ptrdiff_t rows, ptrdiff_t n,
                       struct error *error) {
    *set = (struct trajectories){.n = n};
    set->list = calloc((size_t)count, sizeof *set->list);
    bool good = set->list != NULL;
    for (; good && set->count < count; set->count++) {
        struct trajectory *one = &set->list[set->count];
        one->rows = rows;
        one->t = calloc((size_t)rows + 1, sizeof *one->t);
        one->y = calloc((size_t)rows + 1, (size_t)n * sizeof *one->y);
        good = one->t && one->y;
    }
    if (!good) {
        trajectories_release(set);
        return error_set(error, ERROR_MEMORY, "no memory for %td trajectories of %td states", count,
                         rows);
    }
    return true;
}

void trajectories_release(struct trajectories *set) {
    for (ptrdiff_t i = 0; set->list && i < set->count; i++) {
        free(set->list[i].t);
        free(set->list[i].y);
    }
    free(set->list);
    *set = (struct trajectories){0};
}

static void add_noise(struct trajectories *set, const struct windows *windows) {
    const uint64_t stream = rng_stream("trajectory/noise");
    for (ptrdiff_t i = 0; windows->noise > 0 && i < set->count; i++) {
        struct trajectory *one = &set->list[i];
        for (ptrdiff_t k = 0; k < one->rows * set->n; k++) {
            one->y[k] += windows->noise * rng_normal((uint64_t)windows->seed, stream,
                                                     ((uint64_t)i << 40) + (uint64_t)k);
        }
    }
}

/* ---- which part holds what ----------------------------------------------------------------- */

/* Rows of trajectories that belong to one part. */
struct stretch {
    ptrdiff_t trajectory, first, intervals;
};

struct parts {
    struct stretch *stretches;
    ptrdiff_t first[4]; /* of each part's stretches, and behind the last */
};

static ptrdiff_t samples_of(const struct windows *w, ptrdiff_t intervals) {
    return intervals < w->intervals ? 0 : (intervals - w->intervals) / w->stride + 1;
}

/* What an option of `valid` or `test` takes of so many; -1 with *error set: that cannot be. */
static ptrdiff_t take(const char *call, const char *option, double value, ptrdiff_t total,
                      bool at_least_one, struct error *error) {
    if (value < 1) {
        const ptrdiff_t part = (ptrdiff_t)round(value * (double)total);
        return part == 0 && value > 0 && at_least_one ? 1 : part;
    }
    if (value > floor(value)) {
        (void)error_set(error, ERROR_VALUE,
                        "%s: \"%s\" = %g must be a part below 1 or a whole number", call, option,
                        value);
        return -1;
    }
    return (ptrdiff_t)value;
}

static bool divide(const char *call, const struct trajectories *set, const struct windows *w,
                   struct parts *parts, struct error *error) {
    const bool several = set->count > 1;
    const ptrdiff_t total = several ? set->count : (set->list[0].rows - 1) / w->stride;
    const ptrdiff_t valid = take(call, "valid", w->valid, total, several, error);
    const ptrdiff_t test = valid < 0 ? -1 : take(call, "test", w->test, total, several, error);
    if (valid < 0 || test < 0) {
        return false;
    }
    if (valid >= total || test >= total - valid) {
        return error_set(error, ERROR_VALUE,
                         "%s: \"valid\" and \"test\" take %td and %td of %td %s; some must be left "
                         "to train on",
                         call, valid, test, total, several ? "trajectories" : "intervals");
    }
    const ptrdiff_t bounds[4] = {0, total - valid - test, total - test, total};
    for (int p = 0; p < 3; p++) {
        parts->first[p] = several ? bounds[p] : p;
        for (ptrdiff_t i = bounds[p]; several && i < bounds[p + 1]; i++) {
            parts->stretches[i] = (struct stretch){i, 0, set->list[i].rows - 1};
        }
        if (!several) {
            parts->stretches[p] =
                (struct stretch){0, bounds[p] * w->stride, (bounds[p + 1] - bounds[p]) * w->stride};
        }
    }
    parts->first[3] = several ? total : 3;
    return true;
}

static ptrdiff_t samples_in(const struct parts *parts, const struct windows *w, int part) {
    ptrdiff_t count = 0;
    for (ptrdiff_t i = parts->first[part]; i < parts->first[part + 1]; i++) {
        count += samples_of(w, parts->stretches[i].intervals);
    }
    return count;
}

/* ---- filling ------------------------------------------------------------------------------- */

static bool check_intervals(const char *call, const struct trajectory *one,
                            const struct stretch *stretch, ptrdiff_t row, const struct windows *w,
                            struct error *error) {
    const double dt = one->t[row + 1] - one->t[row];
    for (ptrdiff_t j = 1; j < w->intervals; j++) {
        const double other = one->t[row + j + 1] - one->t[row + j];
        if (fabs(other - dt) > equal * dt) {
            return error_set(error, ERROR_VALUE,
                             "%s: intervals of one window must be equal, but those behind states "
                             "%td and %td of trajectory %td are %.9g and %.9g; give intervals = 1",
                             call, row + 1, row + j + 1, stretch->trajectory + 1, dt, other);
        }
    }
    return true;
}

static bool fill(const char *call, struct dataset *data, const struct trajectories *set,
                 const struct parts *parts, const struct windows *w, struct error *error) {
    const size_t n = (size_t)set->n, len = (size_t)w->intervals * n;
    double *x = data->doubles, *target = data->targets;
    for (ptrdiff_t i = 0; i < parts->first[3]; i++) {
        const struct stretch *stretch = &parts->stretches[i];
        const struct trajectory *one = &set->list[stretch->trajectory];
        for (ptrdiff_t k = 0; k < samples_of(w, stretch->intervals); k++) {
            const ptrdiff_t row = stretch->first + k * w->stride;
            memcpy(x, one->y + row * set->n, n * sizeof *x);
            x += n;
            if (w->given) {
                if (!check_intervals(call, one, stretch, row, w, error)) {
                    return false;
                }
                *x++ = one->t[row];
                *x++ = one->t[row + 1] - one->t[row];
            }
            memcpy(target, one->y + (row + 1) * set->n, len * sizeof *target);
            target += len;
        }
    }
    return true;
}

struct dataset *dataset_from_trajectories(const char *call, const char *name,
                                          struct trajectories *set, const struct windows *windows,
                                          struct error *error) {
    struct parts parts = {.stretches = calloc((size_t)set->count + 3, sizeof *parts.stretches)};
    struct dataset *data = NULL;
    if (!parts.stretches) {
        (void)error_set(error, ERROR_MEMORY, "no memory for %td trajectories", set->count);
        return NULL;
    }
    if (divide(call, set, windows, &parts, error)) {
        const struct division division = {samples_in(&parts, windows, 0),
                                          samples_in(&parts, windows, 1),
                                          samples_in(&parts, windows, 2)};
        const ptrdiff_t shape[3] = {set->n + (windows->given ? 2 : 0), 1, 1};
        if (division.train < 1) {
            (void)error_set(error, ERROR_VALUE,
                            "%s: no window of %td interval%s lies in the training part, of %td "
                            "trajector%s of %td states to begin with; give more states",
                            call, windows->intervals, windows->intervals == 1 ? "" : "s",
                            set->count, set->count == 1 ? "y" : "ies", set->list[0].rows);
        } else {
            data = dataset_new(name, shape, STORE_DOUBLES, &division, 0,
                               (int)(windows->intervals * set->n), error);
        }
    }
    if (data) {
        add_noise(set, windows);
        if (!fill(call, data, set, &parts, windows, error)) {
            dataset_free(data);
            data = NULL;
        }
    }
    free(parts.stretches);
    return data;
}
