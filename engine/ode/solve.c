#include "ode/solve.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sample on its way, in a row of the stepper. */
struct traveller {
    ptrdiff_t index; /* of the sample */
    ptrdiff_t next;  /* of save_at */
    double want;     /* length the controller asks for, > 0 */
    bool shortened;  /* this attempt is shorter than that */
    double error;
    struct control_memory memory;
    struct control_stiff stiff;
};

struct run {
    const struct solve_options *options;
    struct solution *solution;
    struct stepper stepper;
    struct traveller *row; /* (rows) */
    bool *accepted, *wanted, *over; /* (rows) this attempt; its end's slope; leaves after it */
    double direction, final;
    double *save_at; /* (saves) on the grid exactly, where equal steps meet them */
    struct grid grid;
    const struct grid *even; /* &grid in equal steps, else NULL */
    ptrdiff_t step;          /* of the grid */
    int exponent;
    double *error, *error_low; /* (rows, n) */
    struct control_probe probe;
    bool probing;
    double *past; /* Adams: (order - 1, rows, n) slopes of the first steps */
    bool fitting; /* polynomials are wanted */
    double *fit, *between; /* (terms, n), (n) */
};

struct solve_options solve_defaults(void) {
    return (struct solve_options){
        .control = CONTROL_PI, .limit = 100000, .stiff_after = 1000};
}

static const char *name_of(const struct solve_options *o) {
    return o->adams ? o->adams->name : o->scheme->name;
}

/* ---- refusals ------------------------------------------------------------------------------ */

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
    const double slack = 8 * DBL_EPSILON * fmax(fabs(o->t0), fabs(o->t1));
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

static void run_release(struct run *run) {
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
    if (!run->row || !run->accepted || !run->wanted || !run->over || !run->save_at || !run->error || !run->past ||
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
    run->fitting = o->dense || (o->saves > 0 && o->interpolate);
    run->exponent = run->even ? 1 : control_exponent(scheme, o->estimate);
    run->probing = !run->even && o->stiff_after > 0 && control_probe(scheme, &run->probe);
    memcpy(run->stepper.y, y0, (size_t)reals * sizeof(double));
    memcpy(solution->last, y0, (size_t)reals * sizeof(double));
    for (ptrdiff_t r = 0; r < count; r++) {
        run->row[r].index = r;
        run->stepper.t[r] = o->t0;
        solution->sample[r].stop = o->t0;
    }
    return true;
}

static struct solution_sample *sample_of(const struct run *run, ptrdiff_t r) {
    return &run->solution->sample[run->row[r].index];
}

/* Ends a row after this attempt. */
static void leave(struct run *run, ptrdiff_t r, enum solution_status status) {
    struct solution_sample *const sample = sample_of(run, r);
    run->over[r] = true;
    if (sample->status == SOLUTION_DONE) {
        sample->status = status;
    }
}

static void leave_all(struct run *run, enum solution_status status) {
    for (ptrdiff_t r = 0; r < run->stepper.rows; r++) {
        leave(run, r, status);
    }
}

/* ---- the first step ------------------------------------------------------------------------ */

/* Sets `want` of all rows. Costs an evaluation, unless the length is given. */
static bool first_step(struct run *run) {
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
            sample_of(run, r)->evaluations++;
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

/* ---- one attempt --------------------------------------------------------------------------- */

/* Where a row must not step across: the next time to be saved, or the end. */
static double target_of(const struct run *run, ptrdiff_t r) {
    const struct solve_options *const o = run->options;
    return o->saves > 0 && !o->interpolate && run->row[r].next < o->saves
               ? run->save_at[run->row[r].next]
               : run->final;
}

/* Sets h and end of all rows. What is left to a target is taken as one step when it is hardly
 * longer than wanted and as two when it is less than two, so that no tiny step remains. */
static void plan(struct run *run) {
    struct stepper *const s = &run->stepper;
    if (run->even) {
        const double end = grid_time(&run->grid, run->step, (struct rational){1, 1});
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            s->h[r] = (run->grid.t1 - run->grid.t0) / (double)run->grid.steps;
            s->end[r] = end;
        }
        return;
    }
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct traveller *const row = &run->row[r];
        const double target = target_of(run, r), left = fabs(target - s->t[r]);
        row->want = fmax(row->want, control_least(s->t[r], run->grid.t0, run->grid.t1));
        if (left <= 1.01 * row->want) {
            s->end[r] = target;
        } else {
            s->end[r] = s->t[r] + run->direction * (left < 2 * row->want ? left / 2 : row->want);
        }
        s->h[r] = s->end[r] - s->t[r];
        row->shortened = fabs(s->h[r]) < row->want;
    }
}

/* The slopes of this step into the place of the next older ones. */
static void age_slopes(struct run *run) {
    const struct adams *const adams = run->options->adams;
    if (adams && run->step >= adams->order - 1) {
        struct stepper *const s = &run->stepper;
        memmove(stepper_stage(s, 1), s->k,
                (size_t)((adams->order - 1) * s->room * s->n) * sizeof(double));
    }
}

static bool attempt(struct run *run) {
    struct stepper *const s = &run->stepper;
    const struct adams *const adams = run->options->adams;
    if (!adams) {
        return stepper_attempt(s, run->even, run->step);
    }
    const ptrdiff_t slot = s->room * s->n, starts = adams->order - 1;
    const size_t size = (size_t)slot * sizeof(double);
    if (run->step < starts) {
        memcpy(run->past + run->step * slot, s->k, size);
        return stepper_attempt(s, run->even, run->step);
    }
    for (ptrdiff_t j = 0; run->step == starts && j < starts; j++) {
        memcpy(stepper_stage(s, 1 + (int)j), run->past + (starts - 1 - j) * slot, size);
    }
    double weights[TABLEAU_STAGES_MAX] = {0};
    memcpy(weights, adams->value, sizeof adams->value);
    stepper_combine(s, weights);
    return true;
}

static bool is_finite(ptrdiff_t n, const double *y, ptrdiff_t *which) {
    for (ptrdiff_t e = 0; e < n; e++) {
        if (!isfinite(y[e])) {
            *which = e;
            return false;
        }
    }
    return true;
}

/* Errors of all rows, in units of what is allowed. */
static void measure(struct run *run) {
    const struct solve_options *const o = run->options;
    struct stepper *const s = &run->stepper;
    const bool pair = control_is_pair(s->scheme);
    stepper_sum(s, s->scheme->error[pair ? 0 : o->estimate].e, run->error);
    if (pair) {
        stepper_sum(s, s->scheme->error[1].e, run->error_low);
    }
    double largest = 0;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct solution_sample *const sample = sample_of(run, r);
        const ptrdiff_t at = r * s->n;
        double error = control_norm(o->norm, s->n, run->error + at, s->y + at, s->next + at,
                                    o->rtol, o->atol, &sample->worst);
        if (pair && isfinite(error)) {
            ptrdiff_t other;
            error = control_pair(error, control_norm(o->norm, s->n, run->error_low + at, s->y + at,
                                                     s->next + at, o->rtol, o->atol, &other));
        }
        run->row[r].error = error;
        largest = fmax(largest, error);
    }
    for (ptrdiff_t r = 0; o->together && r < s->rows; r++) {
        run->row[r].error = largest;
    }
}

/* Accepts or rejects each row's step and sets the length of its next one. */
static void judge(struct run *run) {
    const struct solve_options *const o = run->options;
    struct stepper *const s = &run->stepper;
    if (run->even) {
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            run->accepted[r] = true;
        }
        return;
    }
    measure(run);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct traveller *const row = &run->row[r];
        const double h = fabs(s->h[r]);
        const struct control_memory before = row->memory;
        const double factor = control_factor(o->control, run->exponent, row->error, &row->memory);
        run->accepted[r] = row->error <= 1;
        if (run->accepted[r] && row->shortened) {
            /* a step cut short says little about the next one */
            row->want = factor >= 1 ? fmax(factor * h, row->want) : factor * h;
            row->memory.last = before.last;
            row->memory.before = before.before;
        } else {
            row->want = factor * h;
        }
        if (o->longest > 0) {
            row->want = fmin(row->want, o->longest);
        }
        if (!run->accepted[r] && h <= 1.001 * control_least(s->t[r], o->t0, o->t1)) {
            leave(run, r, isfinite(row->error) ? SOLUTION_UNDERFLOW : SOLUTION_NONFINITE);
        }
    }
}

/* h times the spectral radius, as the slopes of the step tell it. */
static double reach_of(const struct run *run, ptrdiff_t r) {
    const struct stepper *const s = &run->stepper;
    const int stages = s->scheme->stages;
    double slopes = 0, states = 0;
    for (ptrdiff_t at = r * s->n; at < (r + 1) * s->n; at++) {
        double slope = run->probe.slope[stages] * s->slope[at], state = 0;
        for (int i = 0; i < stages; i++) {
            slope += run->probe.slope[i] * stepper_stage(s, i)[at];
            state += run->probe.state[i] * stepper_stage(s, i)[at];
        }
        slopes += slope * slope;
        states += state * state;
    }
    return states > 0 ? sqrt(slopes / states) : 0;
}

static void look_for_stiffness(struct run *run, ptrdiff_t r) {
    struct solution_sample *const sample = sample_of(run, r);
    const bool starts = sample->accepted % run->options->stiff_after == 0;
    if (!starts && run->row[r].stiff.stiff == 0) {
        return;
    }
    const double reach = reach_of(run, r);
    sample->reach = reach;
    if (control_is_stiff(&run->row[r].stiff, reach, run->solution->scheme->stability)) {
        leave(run, r, SOLUTION_STIFF);
    }
}

/* ---- records ------------------------------------------------------------------------------- */

/* Saves what was asked for in the step of row r, and keeps its polynomial. False: the field
 * stopped; without memory the row leaves. */
static bool keep(struct run *run, ptrdiff_t r) {
    const struct solve_options *const o = run->options;
    struct stepper *const s = &run->stepper;
    struct solution_sample *const sample = sample_of(run, r);
    struct traveller *const row = &run->row[r];
    const double *const y = s->y + r * s->n, *const next = s->next + r * s->n;
    const double t = s->t[r], end = s->end[r];
    bool memory = true;
    if (run->fitting) {
        interpolant_fit(run->solution->interpolant, s->scheme, s->n, end - t, y, next,
                        s->k + r * s->n, s->room * s->n, s->slope + r * s->n, run->fit);
    }
    if (o->dense) {
        double *const piece = solution_piece(run->solution, sample);
        memory = piece;
        if (piece) {
            const size_t terms =
                (size_t)interpolant_terms(run->solution->interpolant, run->solution->scheme);
            piece[0] = t;
            piece[1] = end;
            memcpy(piece + 2, y, (size_t)s->n * sizeof(double));
            memcpy(piece + 2 + s->n, run->fit, terms * (size_t)s->n * sizeof(double));
        }
    }
    if (o->saves == 0) {
        memory = memory && solution_save(run->solution, sample, end, next);
    }
    for (; memory && row->next < o->saves; row->next++) {
        const double at = run->save_at[row->next];
        if (run->direction * (end - at) < 0) {
            break;
        }
        if (at != end) {
            if (!solution_within(run->solution, t, end, y, run->fit, at, run->between)) {
                return false;
            }
            if (run->solution->interpolant == INTERPOLANT_AGAIN) {
                sample->evaluations += stepper_evaluations(s->scheme) - (s->scheme->fsal ? 1 : 0);
            }
        }
        memory = solution_save(run->solution, sample, at, at == end ? next : run->between);
    }
    if (!memory) {
        leave_all(run, SOLUTION_MEMORY);
    }
    return true;
}

static void note(struct run *run, ptrdiff_t r) {
    struct solution_sample *const sample = sample_of(run, r);
    const struct solution_attempt attempt = {.t = run->stepper.t[r],
                                             .h = run->stepper.h[r],
                                             .error = run->row[r].error,
                                             .worst = sample->worst,
                                             .accepted = run->accepted[r]};
    sample->step = fabs(attempt.h);
    if (run->accepted[r]) {
        sample->accepted++;
    } else {
        sample->rejected++;
    }
    if (run->options->trace && !solution_note(sample, &attempt)) {
        leave_all(run, SOLUTION_MEMORY);
    }
}

/* The end of row r's accepted step is where the sample now is. */
static void arrive(struct run *run, ptrdiff_t r) {
    struct stepper *const s = &run->stepper;
    struct solution_sample *const sample = sample_of(run, r);
    const double *const next = s->next + r * s->n;
    memcpy(run->solution->last + run->row[r].index * s->n, next, (size_t)s->n * sizeof(double));
    if (sample->status != SOLUTION_NONFINITE) {
        sample->stop = s->end[r];
    }
    ptrdiff_t which;
    if (run->even && sample->status == SOLUTION_DONE && !is_finite(s->n, next, &which)) {
        sample->status = SOLUTION_NONFINITE;
        sample->worst = which;
    }
    run->over[r] = run->over[r] || run->direction * (run->final - s->end[r]) <= 0;
}

/* Whether a row that has not arrived may go on. */
static void decide(struct run *run, ptrdiff_t r) {
    const struct solve_options *const o = run->options;
    const struct solution_sample *const sample = sample_of(run, r);
    if (run->over[r] || run->even) {
        return;
    }
    if (run->accepted[r] && run->probing) {
        look_for_stiffness(run, r);
    }
    if (sample->accepted + sample->rejected >= o->limit) {
        leave(run, r, SOLUTION_LIMIT);
    }
}

/* Everything after the attempt. False: the field stopped. */
static bool settle(struct run *run) {
    struct stepper *const s = &run->stepper;
    const bool hermite = run->fitting && run->solution->interpolant == INTERPOLANT_HERMITE;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const bool last = run->direction * (run->final - s->end[r]) <= 0;
        run->wanted[r] = run->accepted[r] && (hermite || !last);
    }
    const int cost = stepper_slopes(s, run->wanted);
    if (cost < 0) {
        return false;
    }
    enum solution_status failed = SOLUTION_DONE;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct solution_sample *const sample = sample_of(run, r);
        note(run, r);
        sample->evaluations += run->wanted[r] ? cost : 0;
        if (run->accepted[r]) {
            if (!keep(run, r)) {
                return false;
            }
            arrive(run, r);
        }
        decide(run, r);
        failed = run->over[r] && !run->even ? sample->status : failed;
    }
    if (failed != SOLUTION_DONE && run->options->together) {
        leave_all(run, failed);
    }
    age_slopes(run);
    stepper_advance(s, run->accepted);
    return true;
}

/* Takes out the rows that are over. */
static void close_ranks(struct run *run) {
    ptrdiff_t to = 0;
    for (ptrdiff_t r = 0; r < run->stepper.rows; r++) {
        if (!run->over[r]) {
            stepper_move(&run->stepper, to, r);
            run->row[to++] = run->row[r];
        }
        run->over[r] = false;
    }
    run->stepper.rows = to;
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* Saves the initial states where they are asked for. */
static void depart(struct run *run) {
    const struct solve_options *const o = run->options;
    const bool saved = o->saves == 0 || run->save_at[0] == o->t0;
    for (ptrdiff_t r = 0; saved && r < run->stepper.rows; r++) {
        run->row[r].next = o->saves > 0 ? 1 : 0;
        if (!solution_save(run->solution, sample_of(run, r), o->t0,
                           run->stepper.y + r * run->stepper.n)) {
            leave_all(run, SOLUTION_MEMORY);
        }
    }
    if (run->final == o->t0) {
        leave_all(run, SOLUTION_DONE);
    }
    close_ranks(run);
}

static enum solution_status travel(struct run *run) {
    struct stepper *const s = &run->stepper;
    const struct solve_options *const o = run->options;
    if (s->rows == 0) {
        return SOLUTION_DONE;
    }
    if (!stepper_begin(s)) {
        return SOLUTION_FIELD;
    }
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        sample_of(run, r)->evaluations++;
    }
    if (!run->even && !first_step(run)) {
        return SOLUTION_FIELD;
    }
    for (; s->rows > 0; run->step++) {
        if (o->stop && *o->stop) {
            return SOLUTION_INTERRUPTED;
        }
        plan(run);
        if (!attempt(run)) {
            return SOLUTION_FIELD;
        }
        const bool stages = !o->adams || run->step < o->adams->order - 1;
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            sample_of(run, r)->evaluations += stages ? stepper_evaluations(s->scheme) : 0;
        }
        judge(run);
        if (!settle(run)) {
            return SOLUTION_FIELD;
        }
        close_ranks(run);
    }
    return SOLUTION_DONE;
}

struct solution *solve(const struct ode_field *field, ptrdiff_t count, const double *y0,
                       const struct solve_options *options, struct error *error) {
    if (!check(field, count, options, error)) {
        return NULL;
    }
    struct solution *solution = make_solution(field, count, options, error);
    if (!solution) {
        return NULL;
    }
    struct run run;
    if (run_init(&run, field, count, y0, options, solution, error)) {
        depart(&run);
        leave_all(&run, travel(&run));
    } else {
        solution_free(solution);
        solution = NULL;
    }
    run_release(&run);
    return solution;
}
