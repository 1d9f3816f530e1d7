/* Planning of a solution: what options cannot be, and the memory of what can. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ode/solve_run.h"

struct solve_options solve_defaults(void) {
    return (struct solve_options){
        .control = CONTROL_PI, .limit = 100000, .stiff_after = 1000};
}

/* ---- jumps --------------------------------------------------------------------------------- */

static double slack_of(const struct solve_options *o) {
    return 8 * DBL_EPSILON * fmax(fabs(o->t0), fabs(o->t1));
}

/* The number of breaks below t. */
static ptrdiff_t breaks_below(const struct solve_options *o, double t) {
    ptrdiff_t low = 0, high = o->break_count;
    while (low < high) {
        const ptrdiff_t middle = low + (high - low) / 2;
        if (o->breaks[middle] < t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const double *run_break(const struct run *run, double t) {
    const struct solve_options *const o = run->options;
    const double slack = slack_of(o);
    const ptrdiff_t i = breaks_below(o, t - slack);
    return i < o->break_count && o->breaks[i] <= t + slack ? &o->breaks[i] : NULL;
}

double run_next_break(const struct run *run, double t) {
    const struct solve_options *const o = run->options;
    const double slack = slack_of(o);
    const ptrdiff_t i =
        run->direction > 0 ? breaks_below(o, t + slack) : breaks_below(o, t - slack) - 1;
    const bool before_end =
        i >= 0 && i < o->break_count && run->direction * (run->final - o->breaks[i]) > 0;
    return before_end ? o->breaks[i] : run->final;
}

double run_inside(const struct run *run, double t, bool upper) {
    const double *const jump = run->options->break_count > 0 ? run_break(run, t) : NULL;
    return !jump ? t : upper ? nextafter(*jump, -INFINITY) : *jump;
}

static bool check_breaks(const struct solve_options *o, struct error *error) {
    for (ptrdiff_t i = 0; i < o->break_count; i++) {
        const double t = o->breaks[i];
        if (!isfinite(t) || (i > 0 && !(t > o->breaks[i - 1]))) {
            return error_set(error, ERROR_VALUE,
                             "breaks must be rising times, but entry %td is %.12g", i + 1, t);
        }
        if (o->adams && t > fmin(o->t0, o->t1) && t < fmax(o->t0, o->t1)) {
            return error_set(error, ERROR_VALUE,
                             "\"%s\" looks back across t = %.12g, where the field jumps; take a "
                             "Runge-Kutta scheme",
                             o->adams->name, t);
        }
    }
    return true;
}

/* How many breaks equal steps do not end at. */
static ptrdiff_t count_crossed(const struct run *run) {
    const struct solve_options *const o = run->options;
    ptrdiff_t crossed = 0;
    for (ptrdiff_t i = 0; run->even && i < o->break_count; i++) {
        const double place = (o->breaks[i] - o->t0) / (o->t1 - o->t0) * (double)o->steps;
        if (place > 0 && place < (double)o->steps) {
            const double time =
                grid_time(&run->grid, (ptrdiff_t)round(place), (struct rational){0, 1});
            crossed += fabs(time - o->breaks[i]) > slack_of(o);
        }
    }
    return crossed;
}

/* ---- refusals ------------------------------------------------------------------------------ */

static const char *name_of(const struct solve_options *o) {
    return o->adams ? o->adams->name : o->scheme->name;
}

static bool check_tolerances(const struct solve_options *o, ptrdiff_t n, struct error *error) {
    if (o->adams || o->scheme->error_count == 0) {
        return error_set(error, ERROR_VALUE,
                         "step control needs an error estimate, which scheme \"%s\" does not have; "
                         "give steps = N, or a pair such as \"dopri54\"",
                         name_of(o));
    }
    if (o->estimate < 0 || o->estimate >= o->scheme->error_count) {
        return error_set(error, ERROR_VALUE, "scheme \"%s\" has %d error estimates, and not %d",
                         o->scheme->name, o->scheme->error_count, o->estimate + 1);
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const double r = o->rtol[i], a = o->atol[i];
        if (!(r >= 0 && a >= 0 && r + a > 0) || !isfinite(r + a)) {
            return error_set(error, ERROR_VALUE,
                             "tolerances of component %td are rtol = %g and atol = %g; they must "
                             "be at least 0, and one of them above",
                             i + 1, r, a);
        }
        if (r > 0 && r < 10 * DBL_EPSILON && a == 0) {
            return error_set(error, ERROR_VALUE,
                             "rtol = %g of component %td is below what doubles can keep; give at "
                             "least %.1g",
                             r, i + 1, 10 * DBL_EPSILON);
        }
    }
    if (!(o->first >= 0 && o->longest >= 0)) {
        return error_set(error, ERROR_VALUE,
                         "\"first\" is %g and \"longest\" %g; lengths of steps are not negative",
                         o->first, o->longest);
    }
    return true;
}

static bool check(const struct ode_field *field, ptrdiff_t count, const struct solve_options *o,
                  struct error *error) {
    assert(field->n > 0 && count > 0 && (!o->scheme != !o->adams));
    if (!isfinite(o->t0) || !isfinite(o->t1) || o->t0 == o->t1) {
        return error_set(error, ERROR_VALUE,
                         "\"t0\" and \"t1\" are %.12g and %.12g; they must be two different numbers",
                         o->t0, o->t1);
    }
    if (!check_breaks(o, error)) {
        return false;
    }
    if (o->steps == 0 && !check_tolerances(o, field->n, error)) {
        return false;
    }
    if (o->adams && o->interpolant == INTERPOLANT_OWN) {
        return error_set(error, ERROR_VALUE,
                         "\"%s\" has no interpolant of its own; there are \"hermite\" and \"again\"",
                         o->adams->name);
    }
    if (o->scheme && o->interpolant != INTERPOLANT_AUTO &&
        interpolant_order(o->interpolant, o->scheme) == 0) {
        return error_set(error, ERROR_VALUE,
                         "scheme \"%s\" has no interpolant of its own; there are \"hermite\" and "
                         "\"again\"",
                         o->scheme->name);
    }
    return true;
}

/* Times of save_at, checked, and moved onto the grid of equal steps where they are on it but for
 * rounding. */
static bool read_saves(struct run *run, struct error *error) {
    const struct solve_options *const o = run->options;
    const double slack = slack_of(o);
    for (ptrdiff_t i = 0; i < o->saves; i++) {
        const double t = o->save_at[i];
        run->save_at[i] = t;
        if (run->even) {
            const double place = (t - o->t0) / (o->t1 - o->t0) * (double)o->steps;
            const double step = fmin(fmax(round(place), 0), (double)o->steps);
            const double time = grid_time(&run->grid, (ptrdiff_t)step, (struct rational){0, 1});
            const bool on = fabs(time - t) <= slack;
            run->save_at[i] = on ? time : t;
            if (!on && !o->interpolate) {
                return error_set(error, ERROR_VALUE,
                                 "save_at[%td] = %.12g is not on the grid of %td steps from %.12g "
                                 "to %.12g; nearest is %.12g, or give interpolate = true",
                                 i + 1, t, o->steps, o->t0, o->t1, time);
            }
        }
        const double now = run->save_at[i];
        if (!(run->direction * (now - o->t0) >= 0 && run->direction * (o->t1 - now) >= 0)) {
            return error_set(error, ERROR_VALUE,
                             "save_at[%td] = %.12g is not between t0 = %.12g and t1 = %.12g", i + 1,
                             t, o->t0, o->t1);
        }
        if (i > 0 && !(run->direction * (now - run->save_at[i - 1]) > 0)) {
            return error_set(error, ERROR_VALUE,
                             "save_at must go from t0 towards t1, but entry %td does not come "
                             "behind entry %td",
                             i + 1, i);
        }
    }
    return true;
}

/* ---- planning ------------------------------------------------------------------------------ */

static enum interpolant choose_interpolant(const struct solve_options *o) {
    if (o->interpolant != INTERPOLANT_AUTO) {
        return o->interpolant;
    }
    if (!o->adams) {
        return interpolant_choose(o->scheme);
    }
    /* an own one of the starter says nothing of steps that are not its own */
    return interpolant_order(INTERPOLANT_HERMITE, o->adams->starter) >= o->adams->order
               ? INTERPOLANT_HERMITE
               : INTERPOLANT_AGAIN;
}

static struct solution *make_solution(const struct ode_field *field, ptrdiff_t count,
                                      const struct solve_options *o, struct error *error) {
    struct solution *const solution = calloc(1, sizeof *solution);
    if (!solution) {
        (void)error_set(error, ERROR_MEMORY, "no memory for a solution");
        return NULL;
    }
    const struct tableau *const scheme = o->adams ? o->adams->starter : o->scheme;
    solution->count = count;
    solution->n = field->n;
    solution->scheme = scheme;
    solution->t0 = o->t0;
    solution->t1 = o->t1;
    solution->interpolant = choose_interpolant(o);
    solution->order = interpolant_order(solution->interpolant, scheme);
    if (o->adams && o->adams->order < solution->order) {
        solution->order = o->adams->order;
    }
    solution->sample = calloc((size_t)count, sizeof *solution->sample);
    solution->last = calloc((size_t)count * (size_t)field->n, sizeof(double));
    if (!solution->sample || !solution->last) {
        (void)error_set(error, ERROR_MEMORY, "no memory for solutions of %td states of %td numbers",
                        count, field->n);
        solution_free(solution);
        return NULL;
    }
    if (!stepper_init(&solution->again, scheme, field, 1, false, error)) {
        solution_free(solution);
        return NULL;
    }
    return solution;
}

void run_release(struct run *run) {
    stepper_release(&run->stepper);
    free(run->row);
    free(run->accepted);
    free(run->wanted);
    free(run->over);
    free(run->save_at);
    free(run->error);
    free(run->past);
    free(run->fit);
}

static bool run_init(struct run *run, const struct ode_field *field, ptrdiff_t count,
                     const double *y0, const struct solve_options *o, struct solution *solution,
                     struct error *error) {
    const ptrdiff_t n = field->n, reals = count * n;
    *run = (struct run){.options = o,
                        .solution = solution,
                        .direction = o->t1 > o->t0 ? 1 : -1,
                        .final = o->t1,
                        .grid = {o->t0, o->t1, o->steps}};
    run->even = o->steps > 0 ? &run->grid : NULL;
    const struct tableau *const scheme = solution->scheme;
    if (!stepper_init(&run->stepper, scheme, field, count, o->compensated, error)) {
        return false;
    }
    const size_t terms = (size_t)interpolant_terms(solution->interpolant, scheme);
    const size_t past = o->adams ? (size_t)(o->adams->order - 1) * (size_t)reals : 1;
    run->row = calloc((size_t)count, sizeof *run->row);
    run->accepted = calloc((size_t)count, sizeof *run->accepted);
    run->wanted = calloc((size_t)count, sizeof *run->wanted);
    run->over = calloc((size_t)count, sizeof *run->over);
    run->save_at = calloc((size_t)o->saves + 1, sizeof *run->save_at);
    run->error = calloc(2 * (size_t)reals, sizeof *run->error);
    run->past = calloc(past, sizeof *run->past);
    run->fit = calloc((terms + 1) * (size_t)n, sizeof *run->fit);
    if (!run->row || !run->accepted || !run->wanted || !run->over || !run->save_at ||
        !run->error || !run->past ||
        !run->fit) {
        return error_set(error, ERROR_MEMORY, "no memory for %td states of %td numbers", count, n);
    }
    run->error_low = run->error + reals;
    run->between = run->fit + terms * (size_t)n;
    if (!read_saves(run, error)) {
        return false;
    }
    if (o->saves > 0 && !o->dense) {
        run->final = run->save_at[o->saves - 1];
    }
    solution->crossed = count_crossed(run);
    run->fitting = o->dense || (o->saves > 0 && o->interpolate);
    run->exponent = run->even ? 1 : control_exponent(scheme, o->estimate);
    run->probing = !run->even && o->stiff_after > 0 && control_probe(scheme, &run->probe);
    memcpy(run->stepper.y, y0, (size_t)reals * sizeof(double));
    memcpy(solution->last, y0, (size_t)reals * sizeof(double));
    for (ptrdiff_t r = 0; r < count; r++) {
        run->row[r].index = r;
        run->row[r].t = o->t0;
        run->stepper.t[r] = run_inside(run, o->t0, run->direction < 0);
        solution->sample[r].stop = o->t0;
    }
    return true;
}

bool run_create(struct run *run, const struct ode_field *field, ptrdiff_t count, const double *y0,
                const struct solve_options *options, struct error *error) {
    if (!check(field, count, options, error)) {
        return false;
    }
    struct solution *const solution = make_solution(field, count, options, error);
    if (!solution) {
        return false;
    }
    if (!run_init(run, field, count, y0, options, solution, error)) {
        run_release(run);
        solution_free(solution);
        return false;
    }
    return true;
}

/* ---- the first step ------------------------------------------------------------------------ */

bool run_first_step(struct run *run) {
    const struct solve_options *const o = run->options;
    struct stepper *const s = &run->stepper;
    const double span = fabs(run->final - o->t0), longest = o->longest > 0 ? o->longest : span;
    double shortest = INFINITY;
    if (o->first == 0) {
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            const double *const y = s->y + r * s->n, *const f = s->k + r * s->n;
            const double trial =
                fmin(control_trial(o->norm, s->n, y, f, o->rtol, o->atol), fmin(span, longest));
            run->row[r].want = trial;
            s->times[r] = o->t0 + run->direction * trial;
            for (ptrdiff_t e = 0; e < s->n; e++) {
                s->stage[r * s->n + e] = y[e] + run->direction * trial * f[e];
            }
            run_sample(run, r)->evaluations++;
        }
        if (!s->field.value(s->field.context, s->rows, s->times, s->stage, s->gather)) {
            return false;
        }
    }
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        double *const want = &run->row[r].want;
        *want = o->first > 0 ? o->first
                             : control_first(o->norm, s->n, s->y + r * s->n, s->k + r * s->n,
                                             s->gather + r * s->n, *want, s->scheme->order,
                                             o->rtol, o->atol);
        *want = fmin(*want, fmin(span, longest));
        shortest = fmin(shortest, *want);
    }
    for (ptrdiff_t r = 0; o->together && r < s->rows; r++) {
        run->row[r].want = shortest;
    }
    return true;
}
