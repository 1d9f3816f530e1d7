#include "study/truth.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "depth/tableau.h"
#include "ode/stepper.h"

static double largest(const double *y, ptrdiff_t len) {
    double most = 0;
    for (ptrdiff_t i = 0; i < len; i++) {
        most = fmax(most, fabs(y[i]));
    }
    return most;
}

/* ---- a system ------------------------------------------------------------------------------ */

static bool system_at_times(const struct truth *truth, const double *y0, double t0, ptrdiff_t count,
                            const double *times, double *y, double *error_size,
                            struct error *error) {
    const struct system *const system = truth->of;
    if (!system_reference(system, y0, t0, count, times, y, error)) {
        return false;
    }
    *error_size = system_reference_tolerance * fmax(1, largest(y, count * truth->n));
    return true;
}

struct truth truth_system(const struct system *system) {
    return (struct truth){.at = system_at_times, .of = system, .n = system->type->n};
}

/* ---- a field ------------------------------------------------------------------------------- */

/* From time to time in `pieces` steps each; false when the field stopped. */
static bool follow(struct stepper *stepper, const double *y0, double t0, ptrdiff_t count,
                   const double *times, ptrdiff_t pieces, double *y) {
    static const bool wanted[1] = {true};
    const size_t size = (size_t)stepper->n * sizeof *y;
    memcpy(stepper->y, y0, size);
    memset(stepper->lost, 0, size);
    stepper->t[0] = t0;
    if (!stepper_begin(stepper)) {
        return false;
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const struct grid grid = {k ? times[k - 1] : t0, times[k], pieces};
        for (ptrdiff_t i = 0; i < pieces; i++) {
            stepper->h[0] = (grid.t1 - grid.t0) / (double)pieces;
            stepper->end[0] = grid_time(&grid, i, (struct rational){1, 1});
            if (!stepper_attempt(stepper, &grid, i) || stepper_slopes(stepper, wanted) < 0) {
                return false;
            }
            stepper_advance(stepper, wanted);
        }
        memcpy(y + k * stepper->n, stepper->y, size);
    }
    return true;
}

static bool field_at_times(const struct truth *truth, const double *y0, double t0, ptrdiff_t count,
                           const double *times, double *y, double *error_size,
                           struct error *error) {
    enum { PIECES_FIRST = 8, PIECES_LAST = 1 << 16 };
    const struct ode_field *const field = truth->of;
    const ptrdiff_t len = count * truth->n;
    struct stepper stepper;
    if (!stepper_init(&stepper, tableau_find("dopri54", NULL), field, 1, true, error)) {
        return false;
    }
    double *const coarser = malloc((size_t)(len > 0 ? len : 1) * sizeof *coarser);
    bool good = coarser || error_set(error, ERROR_MEMORY, "no memory for %td states", count);
    double apart = INFINITY, before = INFINITY, least = 0;
    if (good && !follow(&stepper, y0, t0, count, times, PIECES_FIRST, y)) {
        good = error_set(error, ERROR_STATE, "the field %s stopped", field->name);
    }
    /* Until rounding is all that is left, which stops the differences from falling. */
    for (ptrdiff_t pieces = 2 * PIECES_FIRST; good && pieces <= PIECES_LAST; pieces *= 2) {
        memcpy(coarser, y, (size_t)len * sizeof *y);
        if (!follow(&stepper, y0, t0, count, times, pieces, y)) {
            good = error_set(error, ERROR_STATE, "the field %s stopped", field->name);
            break;
        }
        apart = 0;
        for (ptrdiff_t i = 0; i < len; i++) {
            const double miss = fabs(y[i] - coarser[i]);
            apart = isfinite(miss) ? fmax(apart, miss) : (double)INFINITY;
        }
        least = DBL_EPSILON * fmax(1, largest(y, len));
        if (apart <= 4 * least || (apart > before / 2 && apart < 1e-9 * fmax(1, largest(y, len)))) {
            break;
        }
        before = apart;
    }
    if (good && !(apart <= 1e-9 * fmax(1, largest(y, len)))) {
        good = error_set(error, ERROR_VALUE,
                         "the solution of the field %s could not be found between t = %g and %g: "
                         "%d and %d steps a point differ by %.1e",
                         field->name, t0, count ? times[count - 1] : t0, PIECES_LAST / 2,
                         PIECES_LAST, apart);
    }
    *error_size = fmax(apart, least);
    free(coarser);
    stepper_release(&stepper);
    return good;
}

struct truth truth_field(const struct ode_field *field) {
    return (struct truth){.at = field_at_times, .of = field, .n = field->n};
}

/* ---- samples ------------------------------------------------------------------------------- */

/* The sample at that time, or -1. */
static ptrdiff_t sample_at(const struct truth *truth, double time) {
    static const double part = 1e-6;
    ptrdiff_t low = 0, high = truth->samples - 1;
    while (high - low > 1) {
        const ptrdiff_t middle = low + (high - low) / 2;
        if (truth->times[middle] <= time) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const double slack = part * (truth->times[high] - truth->times[low]);
    return fabs(truth->times[low] - time) <= slack    ? low
           : fabs(truth->times[high] - time) <= slack ? high
                                                      : -1;
}

static bool samples_at_times(const struct truth *truth, const double *y0, double t0,
                             ptrdiff_t count, const double *times, double *y, double *error_size,
                             struct error *error) {
    const double *const states = truth->of;
    const ptrdiff_t n = truth->n, start = sample_at(truth, t0);
    const size_t size = (size_t)n * sizeof *y;
    if (start < 0 || memcmp(states + start * n, y0, size) != 0) {
        return error_set(error, ERROR_VALUE,
                         "the trajectory does not begin with the initial state at t = %.12g", t0);
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const ptrdiff_t at = sample_at(truth, times[k]);
        if (at < 0) {
            return error_set(error, ERROR_VALUE,
                             "the trajectory has no sample at t = %.12g; it goes from %.12g to "
                             "%.12g in %td samples",
                             times[k], truth->times[0], truth->times[truth->samples - 1],
                             truth->samples);
        }
        memcpy(y + k * n, states + at * n, size);
    }
    *error_size = DBL_EPSILON * largest(y, count * n);
    return true;
}

struct truth truth_samples(ptrdiff_t samples, const double *times, const double *y, ptrdiff_t n) {
    return (struct truth){
        .at = samples_at_times, .of = y, .n = n, .times = times, .samples = samples};
}
