#include "ode/solve.h"

#include <math.h>
#include <string.h>

#include "ode/solve_run.h"

/* Ends a row after this attempt. */
static void leave(struct run *run, ptrdiff_t r, enum solution_status status) {
    struct solution_sample *const sample = run_sample(run, r);
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

/* ---- one attempt --------------------------------------------------------------------------- */

/* Where a row must not step across: the next time to be saved, a jump of the field, or the end. */
static double target_of(const struct run *run, ptrdiff_t r) {
    const struct solve_options *const o = run->options;
    const double save = o->saves > 0 && !o->interpolate && run->row[r].next < o->saves
                            ? run->save_at[run->row[r].next]
                            : run->final;
    const double jump = o->break_count > 0 ? run_next_break(run, run->row[r].t) : run->final;
    return run->direction * (save - jump) <= 0 ? save : jump;
}

/* Sets the time at which the slope at the end is asked for. */
static void plan_end(struct run *run, ptrdiff_t r) {
    struct stepper *const s = &run->stepper;
    s->end[r] = run_inside(run, run->row[r].end, run->direction > 0);
    run->row[r].jumped = run->options->break_count > 0 && run_break(run, run->row[r].end);
}

/* Sets h and end of all rows. What is left to a target is taken as one step when it is hardly
 * longer than wanted and as two when it is less than two, so that no tiny step remains. */
static void plan(struct run *run) {
    struct stepper *const s = &run->stepper;
    if (run->even) {
        const double end = grid_time(&run->grid, run->step, (struct rational){1, 1});
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            s->h[r] = (run->grid.t1 - run->grid.t0) / (double)run->grid.steps;
            run->row[r].end = end;
            plan_end(run, r);
        }
        return;
    }
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct traveller *const row = &run->row[r];
        const double target = target_of(run, r), left = fabs(target - row->t);
        row->want = fmax(row->want, control_least(row->t, run->grid.t0, run->grid.t1));
        if (left <= 1.01 * row->want) {
            row->end = target;
        } else {
            row->end = row->t + run->direction * (left < 2 * row->want ? left / 2 : row->want);
        }
        s->h[r] = row->end - row->t;
        row->shortened = fabs(s->h[r]) < row->want;
        plan_end(run, r);
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
        struct solution_sample *const sample = run_sample(run, r);
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
        if (!run->accepted[r] && h <= 1.001 * control_least(row->t, o->t0, o->t1)) {
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
    struct solution_sample *const sample = run_sample(run, r);
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
    struct solution_sample *const sample = run_sample(run, r);
    struct traveller *const row = &run->row[r];
    const double *const y = s->y + r * s->n, *const next = s->next + r * s->n;
    const double t = row->t, end = row->end;
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
                sample->evaluations += stepper_step_cost(s->scheme);
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
    struct solution_sample *const sample = run_sample(run, r);
    const struct solution_attempt attempt = {.t = run->row[r].t,
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
    struct solution_sample *const sample = run_sample(run, r);
    const double *const next = s->next + r * s->n;
    memcpy(run->solution->last + run->row[r].index * s->n, next, (size_t)s->n * sizeof(double));
    if (sample->status != SOLUTION_NONFINITE) {
        sample->stop = run->row[r].end;
    }
    ptrdiff_t which;
    if (run->even && sample->status == SOLUTION_DONE && !is_finite(s->n, next, &which)) {
        sample->status = SOLUTION_NONFINITE;
        sample->worst = which;
    }
    run->over[r] = run->over[r] || run->direction * (run->final - run->row[r].end) <= 0;
}

/* Whether a row that has not arrived may go on. */
static void decide(struct run *run, ptrdiff_t r) {
    const struct solve_options *const o = run->options;
    const struct solution_sample *const sample = run_sample(run, r);
    if (run->over[r] || run->even) {
        return;
    }
    if (run->accepted[r] && run->probing && !run->row[r].jumped) {
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
        const bool last = run->direction * (run->final - run->row[r].end) <= 0;
        run->wanted[r] = run->accepted[r] && (hermite || !(last || run->row[r].jumped));
    }
    const int cost = stepper_slopes(s, run->wanted);
    if (cost < 0) {
        return false;
    }
    enum solution_status failed = SOLUTION_DONE;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        struct solution_sample *const sample = run_sample(run, r);
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
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        run->row[r].t = run->accepted[r] ? run->row[r].end : run->row[r].t;
    }
    return true;
}

/* Takes out the rows that are over. */
static void close_ranks(struct run *run) {
    ptrdiff_t to = 0;
    for (ptrdiff_t r = 0; r < run->stepper.rows; r++) {
        if (!run->over[r]) {
            stepper_move(&run->stepper, to, r);
            run->accepted[to] = run->accepted[r];
            run->row[to++] = run->row[r];
        }
        run->over[r] = false;
    }
    run->stepper.rows = to;
}

/* Asks for the first slopes of the rows whose field jumped where they are. False: it stopped. */
static bool jump(struct run *run) {
    struct stepper *const s = &run->stepper;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        run->wanted[r] = run->accepted[r] && run->row[r].jumped;
        s->t[r] = run_inside(run, run->row[r].t, run->direction < 0);
        run_sample(run, r)->evaluations += run->wanted[r];
    }
    return stepper_begin_rows(s, run->wanted);
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* Saves the initial states where they are asked for. */
static void depart(struct run *run) {
    const struct solve_options *const o = run->options;
    const bool saved = o->saves == 0 || run->save_at[0] == o->t0;
    for (ptrdiff_t r = 0; saved && r < run->stepper.rows; r++) {
        run->row[r].next = o->saves > 0 ? 1 : 0;
        if (!solution_save(run->solution, run_sample(run, r), o->t0,
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
        run_sample(run, r)->evaluations++;
    }
    if (!run->even && !run_first_step(run)) {
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
            run_sample(run, r)->evaluations += stages ? stepper_attempt_cost(s->scheme) : 0;
        }
        judge(run);
        if (!settle(run)) {
            return SOLUTION_FIELD;
        }
        close_ranks(run);
        if (o->break_count > 0 && s->rows > 0 && !jump(run)) {
            return SOLUTION_FIELD;
        }
    }
    return SOLUTION_DONE;
}

struct solution *solve(const struct ode_field *field, ptrdiff_t count, const double *y0,
                       const struct solve_options *options, struct error *error) {
    struct run run;
    if (!run_create(&run, field, count, y0, options, error)) {
        return NULL;
    }
    depart(&run);
    leave_all(&run, travel(&run));
    run_release(&run);
    return run.solution;
}
