#include "study/convergence.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ode/stepper.h"

static const double order_tolerance = 0.3;

/* ---- the problem --------------------------------------------------------------------------- */

/* Step sizes, falling; those that do not divide the time are left out. */
static bool plan(struct convergence_problem *problem, const struct convergence_options *options,
                 struct error *error) {
    enum { STEPS_MOST = 1 << 26 };
    const double span = options->t1 - options->t0, whole = span / options->dt;
    const double base = round(whole);
    if (!(options->dt > 0) || !(span > 0) || !(base >= 1) || base > STEPS_MOST ||
        fabs(whole - base) > 1e-6) {
        return error_set(error, ERROR_VALUE,
                         "the time from %.12g to %.12g is %.6g steps of %.12g; it must be a whole "
                         "number of them (up to %d)",
                         options->t0, options->t1, whole, options->dt, STEPS_MOST);
    }
    const ptrdiff_t steps = (ptrdiff_t)base;
    if (base * ldexp(1, -options->finest) > STEPS_MOST) {
        return error_set(error, ERROR_VALUE,
                         "%td steps of %.12g refined %d times are more than %d steps; give an "
                         "earlier t1",
                         steps, options->dt, -options->finest, STEPS_MOST);
    }
    for (int j = options->coarsest; j >= options->finest; j--) {
        if (j > 0 && steps % ((ptrdiff_t)1 << j) != 0) {
            problem->left_out++;
            continue;
        }
        const int at = problem->grid_count++;
        problem->trained = j == 0 ? at : problem->trained;
        problem->steps[at] = j > 0 ? steps >> j : steps << -j;
        problem->h[at] = span / (double)problem->steps[at];
    }
    problem->points = problem->steps[0];
    return true;
}

static bool find_truth(struct convergence_problem *problem, const struct truth *truth,
                       struct error *error) {
    const ptrdiff_t points = problem->points, n = problem->n, len = points * n;
    const struct grid grid = {problem->t0, problem->t1, points};
    double *const times = malloc((size_t)points * sizeof *times);
    if (!times) {
        return error_set(error, ERROR_MEMORY, "no memory for %td times", points);
    }
    double sum = 0, most = 0;
    bool good = true;
    for (ptrdiff_t i = 0; i < points; i++) {
        times[i] = grid_time(&grid, i, (struct rational){1, 1});
    }
    for (ptrdiff_t s = 0; s < problem->count && good; s++) {
        double *const y = problem->truth + s * len;
        double off = 0;
        good = truth->at(truth, problem->y0 + s * n, problem->t0, points, times, y, &off, error);
        for (ptrdiff_t i = 0; good && i < len; i++) {
            sum += y[i] * y[i];
        }
        most = fmax(most, off);
    }
    free(times);
    const double finest = (double)problem->steps[problem->grid_count - 1];
    problem->size = sqrt(sum / (double)(problem->count * points));
    problem->resolution = fmax(most, DBL_EPSILON * sqrt(finest) * problem->size);
    return good;
}

struct convergence_problem *convergence_problem(const struct convergence_options *options,
                                                const struct truth *truth, struct error *error) {
    assert(options->count > 0 && options->n > 0);
    assert(options->finest >= -16 && options->finest <= 0 && options->coarsest >= 0);
    assert(options->coarsest - options->finest < CONVERGENCE_GRIDS_MAX);
    if (truth->n != options->n) {
        (void)error_set(error, ERROR_VALUE, "states have %td numbers, those of the truth %td",
                        options->n, truth->n);
        return NULL;
    }
    struct convergence_problem *const problem = calloc(1, sizeof *problem);
    if (!problem) {
        (void)error_set(error, ERROR_MEMORY, "no memory for a convergence test");
        return NULL;
    }
    *problem = (struct convergence_problem){.dt = options->dt,
                                            .t0 = options->t0,
                                            .t1 = options->t1,
                                            .n = options->n,
                                            .count = options->count};
    bool good = plan(problem, options, error);
    if (good) {
        const size_t len = (size_t)(options->count * options->n);
        problem->y0 = malloc(len * sizeof *problem->y0);
        problem->truth = malloc(len * (size_t)problem->points * sizeof *problem->truth);
        good = (problem->y0 && problem->truth) ||
               error_set(error, ERROR_MEMORY, "no memory for %td trajectories of %td points",
                         problem->count, problem->points);
        if (good) {
            memcpy(problem->y0, options->y0, len * sizeof *problem->y0);
        }
    }
    if (!good || !find_truth(problem, truth, error)) {
        convergence_problem_free(problem);
        return NULL;
    }
    return problem;
}

void convergence_problem_free(struct convergence_problem *problem) {
    if (problem) {
        free(problem->y0);
        free(problem->truth);
        free(problem);
    }
}

/* ---- one cell ------------------------------------------------------------------------------ */

enum cell_end { CELL_DONE, CELL_STOPPED, CELL_NO_FIELD, CELL_NO_MEMORY };

/* Adds |y - truth|^2 at common time `point` over the initial states. */
static double misses(const struct convergence_problem *problem, const double *y, ptrdiff_t point) {
    double sum = 0;
    for (ptrdiff_t s = 0; s < problem->count; s++) {
        const double *const truth = problem->truth + (s * problem->points + point) * problem->n;
        for (ptrdiff_t i = 0; i < problem->n; i++) {
            const double miss = y[s * problem->n + i] - truth[i];
            sum += miss * miss;
        }
    }
    return sum;
}

/* Solves with `steps` steps of the grid: *all gets the sum of misses over the common times, `ends`
 * the last states. Solutions that overflow end at once, with an infinite *all. */
static enum cell_end walk(const struct convergence_problem *problem, struct stepper *stepper,
                          ptrdiff_t steps, const bool *wanted, const volatile bool *stop,
                          double *ends, double *all) {
    enum { LOOK = 256 }; /* steps between looks at *stop */
    const struct grid grid = {problem->t0, problem->t1, steps};
    const ptrdiff_t every = steps / problem->points;
    const size_t size = (size_t)(problem->count * problem->n) * sizeof *ends;
    memcpy(stepper->y, problem->y0, size);
    for (ptrdiff_t s = 0; s < problem->count; s++) {
        stepper->t[s] = problem->t0;
        stepper->h[s] = (problem->t1 - problem->t0) / (double)steps;
    }
    *all = 0;
    if (!stepper_begin(stepper)) {
        return CELL_NO_FIELD;
    }
    for (ptrdiff_t i = 0; i < steps; i++) {
        if (stop && i % LOOK == 0 && *stop) {
            return CELL_STOPPED;
        }
        const double end = grid_time(&grid, i, (struct rational){1, 1});
        for (ptrdiff_t s = 0; s < problem->count; s++) {
            stepper->end[s] = end;
        }
        if (!stepper_attempt(stepper, &grid, i)) {
            return CELL_NO_FIELD;
        }
        if ((i + 1) % every == 0) {
            *all += misses(problem, stepper->next, i / every);
            if (!isfinite(*all)) {
                break;
            }
        }
        if (i + 1 < steps) {
            if (stepper_slopes(stepper, wanted) < 0) {
                return CELL_NO_FIELD;
            }
            stepper_advance(stepper, wanted);
        }
    }
    memcpy(ends, stepper->next, size);
    return CELL_DONE;
}

/* Solves one cell. *error and *rms are inf when a solution is not finite. */
static enum cell_end solve(const struct convergence_problem *problem, const struct ode_field *field,
                           const struct tableau *scheme, int grid, const volatile bool *stop,
                           double *ends, double *end_error, double *rms) {
    struct stepper stepper;
    bool *const wanted = malloc((size_t)problem->count * sizeof *wanted);
    if (!wanted || !stepper_init(&stepper, scheme, field, problem->count, true, NULL)) {
        free(wanted);
        return CELL_NO_MEMORY;
    }
    memset(wanted, true, (size_t)problem->count);
    double all = 0;
    const enum cell_end end =
        walk(problem, &stepper, problem->steps[grid], wanted, stop, ends, &all);
    const double count = (double)problem->count;
    const bool finite = isfinite(all);
    *end_error = finite ? sqrt(misses(problem, ends, problem->points - 1) / count)
                        : (double)INFINITY;
    *rms = finite ? sqrt(all / (count * (double)problem->points)) : (double)INFINITY;
    stepper_release(&stepper);
    free(wanted);
    return end;
}

static bool cell_error(enum cell_end end, const struct ode_field *field, struct error *error) {
    switch (end) {
    case CELL_DONE:
        return true;
    case CELL_STOPPED:
        return error_set(error, ERROR_STATE, "the convergence test was stopped");
    case CELL_NO_FIELD:
        return error_set(error, ERROR_STATE, "the field %s stopped", field->name);
    case CELL_NO_MEMORY:
        break;
    }
    return error_set(error, ERROR_MEMORY, "no memory for a convergence test");
}

bool convergence_ends(const struct convergence_problem *problem, const struct ode_field *field,
                      const struct tableau *scheme, int grid, const volatile bool *stop,
                      double *ends, struct error *error) {
    double end_error, rms;
    assert(grid >= 0 && grid < problem->grid_count && field->n == problem->n);
    return cell_error(solve(problem, field, scheme, grid, stop, ends, &end_error, &rms), field,
                      error);
}

/* ---- all cells ----------------------------------------------------------------------------- */

struct work {
    const struct convergence_problem *problem;
    const struct ode_field *fields;
    const volatile bool *stop;
    struct convergence *convergence;
    double *ends;       /* (curves, grids, count, n) */
    enum cell_end *how; /* (curves, grids) */
};

static double *cell_ends(const struct work *work, int curve, int grid) {
    const struct convergence_problem *const problem = work->problem;
    return work->ends +
           (curve * problem->grid_count + grid) * problem->count * problem->n;
}

/* Fine steps, which take longest, come first. */
static void run_cell(void *context, int chunk, int worker) {
    const struct work *const work = context;
    const int curves = work->convergence->curve_count, grids = work->problem->grid_count;
    const int at = chunk % curves, grid = grids - 1 - chunk / curves;
    struct convergence_curve *const curve = &work->convergence->curve[at];
    work->how[at * grids + grid] =
        solve(work->problem, &work->fields[worker], curve->scheme, grid, work->stop,
              cell_ends(work, at, grid), &curve->error[grid], &curve->rms[grid]);
}

/* |x - y|, root mean square over initial states. */
static double distance(const struct convergence_problem *problem, const double *x,
                       const double *y) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < problem->count * problem->n; i++) {
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    }
    sum = sqrt(sum / (double)problem->count);
    return isfinite(sum) ? sum : (double)INFINITY;
}

/* Richardson's extrapolation from steps 2h and h: NUMERICS.md eq. 122. */
static void extrapolate(const double *coarse, const double *fine, ptrdiff_t len, int order,
                        double *limit) {
    for (ptrdiff_t i = 0; i < len; i++) {
        limit[i] = fine[i] + (fine[i] - coarse[i]) / (ldexp(1, order) - 1);
    }
}

static void fit(const struct convergence_problem *problem, struct convergence_curve *curve) {
    const int trained = problem->trained, grids = problem->grid_count;
    const double finest = (double)problem->steps[grids - 1];
    const double floor = DBL_EPSILON * sqrt(finest) * problem->size;
    const bool kinked = curve->expected.order < curve->scheme->order;
    order_fit(problem->h, curve->self, trained + 1 < grids ? trained + 1 : grids - 1, floor, kinked,
              &curve->fit);
    curve->above = curve->fit.status == ORDER_FITTED;
    if (!curve->above) {
        order_fit(problem->h, curve->self, grids - 1, floor, kinked, &curve->fit);
    }
}

/* What only all step sizes together tell. `limits` (2, count, n) is room. */
static void finish_curve(const struct work *work, int at, double *limits) {
    const struct convergence_problem *const problem = work->problem;
    struct convergence_curve *const curve = &work->convergence->curve[at];
    const int grids = problem->grid_count, order = curve->expected.order;
    const ptrdiff_t len = problem->count * problem->n;
    for (int i = 0; i + 1 < grids; i++) {
        curve->self[i] = distance(problem, cell_ends(work, at, i), cell_ends(work, at, i + 1));
    }
    curve->self[grids - 1] = NAN;
    fit(problem, curve);
    curve->gap = curve->spread = INFINITY;
    curve->tail = NAN;
    if (grids < 3) {
        return;
    }
    const double *const ends = cell_ends(work, at, grids - 3);
    extrapolate(ends, ends + len, len, order, limits + len);
    extrapolate(ends + len, ends + 2 * len, len, order, limits);
    curve->spread = distance(problem, limits, limits + len);
    curve->tail = log2(curve->self[grids - 3] / curve->self[grids - 2]);
}

/* The curve that stands for the limit: rk4's, or else the one of highest order. */
static int reference_curve(const struct convergence *convergence) {
    int best = 0;
    for (int i = 0; i < convergence->curve_count; i++) {
        const struct tableau *const scheme = convergence->curve[i].scheme;
        if (!strcmp(scheme->name, "rk4")) {
            return i;
        }
        best = scheme->order > convergence->curve[best].scheme->order ? i : best;
    }
    return best;
}

static void finish(const struct work *work, double *limits) {
    const struct convergence_problem *const problem = work->problem;
    struct convergence *const convergence = work->convergence;
    const int grids = problem->grid_count, reference = reference_curve(convergence);
    const ptrdiff_t len = problem->count * problem->n;
    double *const own = limits, *const common = limits + 2 * len;
    convergence->reference = reference;
    convergence->floor = convergence->curve[reference].error[grids - 1];
    finish_curve(work, reference, own);
    memcpy(common, own, (size_t)len * sizeof *own);
    for (int i = 0; i < convergence->curve_count; i++) {
        finish_curve(work, i, own);
        if (grids >= 3) {
            convergence->curve[i].gap = distance(problem, own, common);
        }
    }
}

static bool measure(struct work *work, struct pool *pool, struct error *error) {
    const struct convergence_problem *const problem = work->problem;
    struct convergence *const convergence = work->convergence;
    const int cells = convergence->curve_count * problem->grid_count;
    const ptrdiff_t len = problem->count * problem->n;
    pool_run(pool, cells, run_cell, work);
    for (int i = 0; i < cells; i++) {
        if (!cell_error(work->how[i], &work->fields[0], error)) {
            return false;
        }
    }
    double *const limits = calloc(3 * (size_t)len, sizeof *limits);
    if (!limits) {
        return error_set(error, ERROR_MEMORY, "no memory for a convergence test");
    }
    finish(work, limits);
    free(limits);
    return true;
}

double convergence_cost(const struct convergence_problem *problem,
                        const struct tableau *const *schemes, int scheme_count) {
    double steps = 0, evaluations = 0;
    for (int i = 0; i < problem->grid_count; i++) {
        steps += (double)problem->steps[i];
    }
    for (int i = 0; i < scheme_count; i++) {
        evaluations += tableau_evaluations(schemes[i]);
    }
    return steps * evaluations * (double)problem->count;
}

bool convergence_measure(const struct convergence_problem *problem, const struct ode_field *fields,
                         bool kinked, const struct tableau *const *schemes, int scheme_count,
                         struct pool *pool, const volatile bool *stop,
                         struct convergence *convergence, struct error *error) {
    assert(scheme_count > 0 && scheme_count <= CONVERGENCE_SCHEMES_MAX);
    const double began = clock_seconds();
    const size_t cells = (size_t)(scheme_count * problem->grid_count);
    if (fields[0].n != problem->n) {
        return error_set(error, ERROR_VALUE, "the field %s has states of %td numbers, not %td",
                         fields[0].name, fields[0].n, problem->n);
    }
    *convergence = (struct convergence){.dt = problem->dt,
                                        .size = problem->size,
                                        .resolution = problem->resolution,
                                        .grid_count = problem->grid_count,
                                        .trained = problem->trained,
                                        .curve_count = scheme_count,
                                        .cost = convergence_cost(problem, schemes, scheme_count)};
    memcpy(convergence->h, problem->h, sizeof convergence->h);
    for (int i = 0; i < scheme_count; i++) {
        convergence->curve[i].scheme = schemes[i];
        convergence->curve[i].expected = order_expected(schemes[i], kinked, true, 1, EDGE_OPEN);
    }
    struct work work = {
        .problem = problem,
        .fields = fields,
        .stop = stop,
        .convergence = convergence,
        .ends = calloc(cells * (size_t)(problem->count * problem->n), sizeof(double)),
        .how = calloc(cells, sizeof *work.how)};
    const bool good = (work.ends && work.how) ||
                      error_set(error, ERROR_MEMORY, "no memory for a convergence test");
    const bool measured = good && measure(&work, pool, error);
    free(work.ends);
    free(work.how);
    convergence->seconds = clock_seconds() - began;
    return measured;
}

/* ---- noise --------------------------------------------------------------------------------- */

bool convergence_noise(const struct convergence_problem *problem, const struct ode_field *fields,
                       int field_count, const struct tableau *scheme, const volatile bool *stop,
                       double *noise, struct error *error) {
    const ptrdiff_t len = problem->count * problem->n;
    assert(field_count >= 2);
    double *const ends = malloc((size_t)(field_count * len) * sizeof *ends);
    bool good = ends || error_set(error, ERROR_MEMORY, "no memory for %d solutions", field_count);
    for (int k = 0; k < field_count && good; k++) {
        good = convergence_ends(problem, &fields[k], scheme, problem->trained, stop,
                                ends + k * len, error);
    }
    double sum = 0;
    for (ptrdiff_t i = 0; i < len && good; i++) {
        double mean = 0;
        for (int k = 0; k < field_count; k++) {
            mean += ends[k * len + i] / field_count;
        }
        for (int k = 0; k < field_count; k++) {
            sum += (ends[k * len + i] - mean) * (ends[k * len + i] - mean);
        }
    }
    *noise = sqrt(sum / (field_count - 1) / (double)problem->count);
    free(ends);
    return good;
}

bool convergence_confirms(const struct convergence_curve *curve) {
    return curve->fit.status == ORDER_FITTED &&
           fabs(curve->fit.slope - curve->expected.order) <= order_tolerance;
}
