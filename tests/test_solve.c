/* The solver: counts of evaluations, times that are hit, samples that do not know each other, what
 * it says when it stops. Orders are measured in test_solve_order.c and test_solve_dense.c. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "ode/solve.h"

struct probe {
    long states, calls, limit; /* stop after so many calls, 0: never */
    double latest;             /* the latest time asked for */
};

static void see(struct probe *probe, ptrdiff_t count, const double *t) {
    probe->states += count;
    probe->calls++;
    for (ptrdiff_t i = 0; i < count; i++) {
        probe->latest = fmax(probe->latest, t[i]);
    }
}

/* Two predators' and preys' with a season. */
static bool season(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    struct probe *const probe = context;
    see(probe, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        const double a = y[2 * i], b = y[2 * i + 1];
        dy[2 * i] = a * (1.5 - b) + 0.1 * sin(3 * t[i]);
        dy[2 * i + 1] = b * (0.75 * a - 1);
    }
    return probe->limit == 0 || probe->calls < probe->limit;
}

/* y' = y^2, y = 1 / (1 / y0 - t). */
static bool square(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    see(context, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[i] = y[i] * y[i];
    }
    return true;
}

/* y' = -1000 (y - cos t) - sin t. */
static bool stiff(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    see(context, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[i] = -1000 * (y[i] - cos(t[i])) - sin(t[i]);
    }
    return true;
}

/* y' = -y and, beyond t = 1, not a number. */
static bool torn(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    see(context, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[i] = t[i] > 1 ? (double)NAN : -y[i];
    }
    return true;
}

static struct probe probe;
static const struct ode_field seasons = {"season", 2, season, NULL, &probe};
static const struct ode_field squares = {"square", 1, square, NULL, &probe};
static const struct ode_field stiffs = {"stiff", 1, stiff, NULL, &probe};
static const struct ode_field torns = {"torn", 1, torn, NULL, &probe};
static const double season_y0[2] = {1.25, 0.5};

static struct solve_options even(const char *scheme, double t0, double t1, ptrdiff_t steps) {
    struct solve_options options = solve_defaults();
    options.adams = adams_find(scheme);
    options.scheme = options.adams ? NULL : tableau_find(scheme, NULL);
    options.t0 = t0;
    options.t1 = t1;
    options.steps = steps;
    return options;
}

static double tolerances[4];

static struct solve_options chosen(const char *scheme, double t0, double t1, double tolerance) {
    struct solve_options options = even(scheme, t0, t1, 0);
    for (int i = 0; i < 4; i++) {
        tolerances[i] = tolerance;
    }
    options.rtol = options.atol = tolerances;
    options.trace = true;
    return options;
}

static struct solution *solved(const struct ode_field *field, ptrdiff_t count, const double *y0,
                               const struct solve_options *options) {
    struct error error;
    probe = (struct probe){.limit = probe.limit, .latest = -INFINITY};
    struct solution *const solution = solve(field, count, y0, options, &error);
    cr_assert_not_null(solution, "%s", error.text);
    return solution;
}

/* Solves for one state and checks that the field was evaluated as often as is said. */
static struct solution *counted(const struct ode_field *field, const double *y0,
                                const struct solve_options *options) {
    struct solution *const solution = solved(field, 1, y0, options);
    cr_assert_eq(solution->sample[0].evaluations, probe.states);
    return solution;
}

TestSuite(solve, .timeout = 60);

/* ---- counts -------------------------------------------------------------------------------- */

Test(solve, equal_steps_evaluate_each_stage_once_and_a_last_one_that_is_first_never_twice) {
    enum { STEPS = 13 };
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const long s = scheme->stages;
        struct solve_options options = even(scheme->name, 0, 1.5, STEPS);
        struct solution *solution = counted(&seasons, season_y0, &options);
        cr_expect_eq(probe.states, scheme->fsal ? 1 + STEPS * (s - 1) : STEPS * s, "%s: %ld",
                     scheme->name, probe.states);
        cr_expect_eq(solution->sample[0].saved, STEPS + 1);
        cr_expect_leq(probe.latest, 1.5);
        solution_free(solution);

        options.dense = true; /* Hermite's needs the slope at the very end */
        options.interpolant = INTERPOLANT_HERMITE;
        solution = counted(&seasons, season_y0, &options);
        cr_expect_eq(probe.states, 1 + STEPS * (scheme->fsal ? s - 1 : s), "%s", scheme->name);
        solution_free(solution);

        const double between[] = {0.2, 1.11, 1.5};
        options.dense = false;
        options.save_at = between;
        options.saves = 3;
        options.interpolate = true;
        options.interpolant = INTERPOLANT_AGAIN; /* a step costs its stages but the first slope */
        solution = counted(&seasons, season_y0, &options);
        cr_expect_eq(probe.states, scheme->fsal ? 1 + STEPS * (s - 1) + 2 * (s - 2)
                                                : STEPS * s + 2 * (s - 1));
        cr_expect_eq(solution->sample[0].saved, 3);
        solution_free(solution);
    }
}

Test(solve, adams_evaluates_once_a_step_after_its_start) {
    for (int k = ADAMS_LEAST; k <= ADAMS_MOST; k++) {
        const struct adams *const adams = adams_at(k);
        const long start = adams->starter->fsal ? 1 + (k - 1) * (adams->starter->stages - 1)
                                                : 1 + (k - 1) * adams->starter->stages;
        cr_expect_geq(adams->starter->order, k);
        struct solve_options options = even(adams->name, 0, 2, 37);
        solution_free(counted(&seasons, season_y0, &options));
        cr_expect_eq(probe.states, start + (37 - (k - 1)) - 1, "%s: %ld", adams->name,
                     probe.states);
        options.steps = 1; /* all start */
        solution_free(counted(&seasons, season_y0, &options));
        cr_expect_eq(probe.states, adams->starter->stages);
    }
}

Test(solve, chosen_steps_count_as_their_attempts_do) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        if (scheme->error_count == 0) {
            continue;
        }
        for (int given = 0; given < 2; given++) {
            struct solve_options options = chosen(scheme->name, 0, 9, 1e-7);
            options.first = given ? 2 : 0; /* much too long */
            struct solution *const solution = counted(&seasons, season_y0, &options);
            const struct solution_sample *const sample = &solution->sample[0];
            const long attempts = sample->accepted + sample->rejected;
            cr_expect_eq(probe.states,
                         (given ? 1 : 2) + attempts * (scheme->stages - 1) +
                             (scheme->fsal ? 0 : sample->accepted - 1),
                         "%s", scheme->name);
            cr_expect(!given || sample->rejected > 0);
            cr_expect_eq(sample->attempts, attempts);
            cr_expect_eq(sample->saved, sample->accepted + 1);
            cr_expect_eq(sample->status, SOLUTION_DONE);
            solution_free(solution);
        }
    }
}

/* ---- control ------------------------------------------------------------------------------- */

Test(solve, the_error_falls_in_proportion_to_the_tolerance_under_every_controller) {
    const double y0 = 0.5, exact = 1 / (1 / y0 - 1.5);
    enum { TOLERANCES = 4 };
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        /* each step errs by as much as its estimate, or by less when it goes on with the better
         * formula: the sum falls with this power of the tolerance */
        const double power = scheme->error_count == 0
                                 ? 1
                                 : fmin(1, (double)scheme->order / control_exponent(scheme, 0));
        for (int control = CONTROL_I; scheme->error_count > 0 && control <= CONTROL_PID; control++) {
            double errors[TOLERANCES];
            ptrdiff_t evaluations = 0;
            for (int j = 0; j < TOLERANCES; j++) {
                struct solve_options options =
                    chosen(scheme->name, 0, 1.5, pow(10, -4 - 2 * j));
                options.control = (enum control)control;
                options.limit = 10000000;
                options.trace = false;
                struct solution *const solution = counted(&squares, &y0, &options);
                errors[j] = fabs(solution->last[0] - exact);
                cr_expect_gt(solution->sample[0].evaluations, evaluations);
                evaluations = solution->sample[0].evaluations;
                cr_expect_leq(errors[j], 100 * pow(tolerances[0], power), "%s, %s: %g at %g", scheme->name,
                              control_names[control], errors[j], tolerances[0]);
                solution_free(solution);
            }
            const double slope = log10(errors[0] / errors[TOLERANCES - 1]) / 6 / power;
            cr_expect(slope > 0.7 && slope < 1.4, "%s, %s: slope %g, from %g to %g", scheme->name,
                      control_names[control], slope, errors[0], errors[TOLERANCES - 1]);
        }
    }
}

Test(solve, what_is_rejected_erred_too_much_and_accepted_steps_follow_each_other) {
    struct solve_options options = chosen("dopri54", 0.5, 9, 1e-6);
    options.first = 3;
    struct solution *const solution = counted(&seasons, season_y0, &options);
    const struct solution_sample *const sample = &solution->sample[0];
    double t = 0.5;
    ptrdiff_t accepted = 0;
    for (ptrdiff_t i = 0; i < sample->attempts; i++) {
        const struct solution_attempt *const attempt = &sample->attempt[i];
        cr_expect_eq(attempt->accepted, attempt->error <= 1);
        cr_expect_eq(attempt->t, t);
        cr_expect(attempt->worst == 0 || attempt->worst == 1);
        if (attempt->accepted) {
            t = sample->t[++accepted];
            cr_expect_float_eq(attempt->h, t - attempt->t, 1e-15);
        }
    }
    cr_expect_eq(t, 9);
    cr_expect_eq(accepted, sample->accepted);
    cr_expect_gt(sample->rejected, 0);
    solution_free(solution);
}

Test(solve, the_component_with_the_tighter_tolerance_is_the_worst_one) {
    struct solve_options options = chosen("dopri54", 0, 2, 1e-6);
    static const double rtol[2] = {1e-3, 1e-9}, atol[2] = {1e-3, 1e-9};
    options.rtol = rtol;
    options.atol = atol;
    for (int norm = CONTROL_RMS; norm <= CONTROL_MAX; norm++) {
        options.norm = (enum control_norm)norm;
        struct solution *const solution = counted(&seasons, season_y0, &options);
        for (ptrdiff_t i = 0; i < solution->sample[0].attempts; i++) {
            cr_expect_eq(solution->sample[0].attempt[i].worst, 1);
        }
        solution_free(solution);
    }
}

Test(solve, the_largest_component_alone_asks_for_more_steps_than_the_mean_of_all) {
    struct solve_options options = chosen("dopri54", 0, 9, 1e-8);
    struct solution *const mean = counted(&seasons, season_y0, &options);
    options.norm = CONTROL_MAX;
    struct solution *const most = counted(&seasons, season_y0, &options);
    cr_expect_gt(most->sample[0].accepted, mean->sample[0].accepted);
    solution_free(mean);
    solution_free(most);
}

Test(solve, both_estimates_of_dopri54_control_it_in_their_own_way) {
    struct solve_options options = chosen("dopri54", 0, 9, 1e-8);
    struct solution *const one = counted(&seasons, season_y0, &options);
    options.estimate = 1;
    struct solution *const other = counted(&seasons, season_y0, &options);
    cr_expect_neq(one->last[0], other->last[0]);
    cr_expect_float_eq(one->last[0], other->last[0], 1e-6);
    solution_free(one);
    solution_free(other);
}

Test(solve, two_estimates_of_different_orders_are_taken_together) {
    cr_expect_eq(control_pair(0, 0), 0);
    cr_expect_float_eq(control_pair(3, 40), 9 / sqrt(9 + 16), 1e-15);
    struct tableau scheme = *tableau_find("dopri54", NULL);
    cr_expect_not(control_is_pair(&scheme));
    cr_expect_eq(control_exponent(&scheme, 1), 5);
    scheme.error[0].order = 5;
    scheme.error[1].order = 3;
    cr_expect(control_is_pair(&scheme));
    cr_expect_eq(control_exponent(&scheme, 0), 8);
}

Test(solve, the_first_step_is_that_of_hairer_norsett_and_wanner) {
    /* y = 1, f = -2, f after Euler's step: by hand, with atol = rtol = 1 / 200 and p = 4 */
    const double y = 1, f = -2, tolerance = 0.005, trial = 0.01 / 2;
    cr_expect_float_eq(control_trial(CONTROL_RMS, 1, &y, &f, &tolerance, &tolerance), trial, 1e-17);
    const double euler = -2.3, bend = 0.3 / 0.01 / trial;
    cr_expect_gt(bend, 200);
    cr_expect_float_eq(control_first(CONTROL_RMS, 1, &y, &f, &euler, trial, 4, &tolerance,
                                     &tolerance),
                       pow(0.01 / bend, 1.0 / 5), 1e-12);
    /* nothing moves: no more than 100 trial steps */
    const double rest = 0;
    cr_expect_float_eq(control_trial(CONTROL_RMS, 1, &rest, &f, &tolerance, &tolerance), 1e-6, 0);
    cr_expect_float_eq(control_first(CONTROL_RMS, 1, &y, &rest, &rest, 1e-6, 4, &tolerance,
                                     &tolerance),
                       1e-6, 0);
}

/* Once: criterion's macros evaluate what they compare more than once. */
static double factor_of(int control, double error, struct control_memory memory) {
    return control_factor((enum control)control, 5, error, &memory);
}

Test(solve, controllers_aim_at_the_same_error_and_grow_by_no_more_than_ten) {
    const struct control_memory none = {0, 0, false};
    for (int control = CONTROL_I; control <= CONTROL_PID; control++) {
        const double aim = pow(0.9, 5);
        cr_expect_float_eq(factor_of(control, aim, (struct control_memory){aim, aim, false}), 1,
                           1e-14);
        cr_expect_float_eq(factor_of(control, 0, none), 9, 1e-12);
        cr_expect_leq(factor_of(control, 1e-9, (struct control_memory){1e-4, 1e-4, true}), 1);
        cr_expect_float_eq(factor_of(control, 32, none), 0.45, 1e-14);
        cr_expect_eq(factor_of(control, INFINITY, none), 0.2);
        struct control_memory memory = none;
        (void)control_factor((enum control)control, 5, 2, &memory);
        cr_expect(memory.rejected && memory.last == 0);
        (void)control_factor((enum control)control, 5, 0.5, &memory);
        cr_expect(!memory.rejected && memory.last == 0.5);
    }
}

Test(solve, controllers_weigh_this_error_and_the_ones_before) {
    static const double gains[][3] = {{1, 0, 0}, {0.7, -0.4, 0}, {0.49, -0.34, 0.10}};
    const double e0 = 0.31, e1 = 0.72, e2 = 0.11, aim = pow(0.9, 4);
    for (int control = CONTROL_I; control <= CONTROL_PID; control++) {
        const double *const g = gains[control];
        struct control_memory memory = {e1, e2, false};
        const double factor = control_factor((enum control)control, 4, e0, &memory);
        cr_expect_float_eq(factor,
                           pow(e0 / aim, -g[0] / 4) * pow(e1 / aim, -g[1] / 4) *
                               pow(e2 / aim, -g[2] / 4),
                           1e-14);
        cr_expect_eq(memory.last, e0);
        cr_expect_eq(memory.before, e1);
        (void)control_factor((enum control)control, 4, 1e-7, &memory);
        cr_expect_eq(memory.last, 1e-4); /* luck is not remembered for more */
    }
}

Test(solve, an_error_is_measured_at_the_larger_end_of_the_step) {
    const double error[2] = {3e-3, 1e-3}, y[2] = {1, -4}, next[2] = {-2, 3}, rtol[2] = {1e-3, 0},
                 atol[2] = {1e-3, 2e-3};
    ptrdiff_t worst;
    cr_expect_float_eq(control_norm(CONTROL_MAX, 2, error, y, next, rtol, atol, &worst), 1, 1e-15);
    cr_expect_eq(worst, 0);
    cr_expect_float_eq(control_norm(CONTROL_RMS, 2, error, next, y, rtol, atol, &worst),
                       sqrt((1 + 0.25) / 2), 1e-15);
    const double none[2] = {0, 0};
    cr_expect_eq(control_norm(CONTROL_RMS, 2, none, y, next, none, none, &worst), 0);
    cr_expect(isinf(control_norm(CONTROL_RMS, 2, error, y, next, none, none, &worst)));
}

Test(solve, stiffness_is_fifteen_steps_at_the_boundary_without_six_in_a_row_inside) {
    struct control_stiff count = {0, 0};
    for (int i = 0; i < 14; i++) {
        cr_expect_not(control_is_stiff(&count, 3.2, 3.3));
        for (int calm = 0; calm < i % 6; calm++) { /* up to 5 */
            cr_expect_not(control_is_stiff(&count, 3, 3.3));
        }
    }
    cr_expect(control_is_stiff(&count, 3.2, 3.3));
    for (int calm = 0; calm < 6; calm++) {
        (void)control_is_stiff(&count, 3, 3.3);
    }
    cr_expect_not(control_is_stiff(&count, 3.2, 3.3));
}

Test(solve, a_step_is_stretched_a_little_to_end_where_it_must) {
    for (int i = 0; i < 40; i++) {
        struct solve_options options = chosen("dopri54", 0.1, 0.1 + 0.0371 * (i + 1), 1e6);
        options.first = (options.t1 - 0.1) / 1.009;
        struct solution *solution = counted(&seasons, season_y0, &options);
        cr_expect_eq(solution->sample[0].accepted, 1);
        cr_expect_eq(probe.latest, options.t1);
        solution_free(solution);
        options.first = (options.t1 - 0.1) / 1.02;
        const double behind = 1e-4 * sqrt(i + 1); /* where h is rounded coarser than the end */
        solution = counted(&seasons, season_y0, &options);
        cr_expect_eq(solution->sample[0].accepted, 2);
        solution_free(solution);
        options = chosen("dopri54", -1.3, behind, 1e6);
        options.first = 2;
        solution_free(counted(&seasons, season_y0, &options));
        cr_expect_leq(probe.latest, behind);
    }
}

Test(solve, no_step_is_longer_than_asked_and_none_is_tiny_at_the_end) {
    for (int i = 0; i < 60; i++) {
        struct solve_options options = chosen("dopri54", 0, 3 + 0.0719 * i, 1e-6);
        options.longest = i % 2 ? 0.05 : 0;
        struct solution *const solution = counted(&seasons, season_y0, &options);
        const struct solution_sample *const sample = &solution->sample[0];
        const ptrdiff_t last = sample->saved - 1;
        cr_expect_eq(sample->t[last], options.t1);
        cr_expect_geq(sample->t[last] - sample->t[last - 1],
                      0.4 * (sample->t[last - 1] - sample->t[last - 2]));
        for (ptrdiff_t s = 0; i % 2 && s < last; s++) {
            cr_expect_leq(sample->t[s + 1] - sample->t[s], 0.05 * 1.02);
        }
        solution_free(solution);
    }
}

/* ---- times --------------------------------------------------------------------------------- */

Test(solve, requested_times_are_hit_exactly_forward_and_backward) {
    const double forward[] = {0.5, 0.7, 0.7000001, 1.9, 4.4, 5}, backward[] = {4.9, 2.2, 0.5};
    struct solve_options options = chosen("dopri54", 0.5, 9, 1e-9);
    options.save_at = forward;
    options.saves = 6;
    struct solution *solution = counted(&seasons, season_y0, &options);
    cr_assert_eq(solution->sample[0].saved, 6);
    cr_expect_arr_eq(solution->sample[0].t, forward, sizeof forward);
    cr_expect_arr_eq(solution->sample[0].y, season_y0, sizeof season_y0);
    cr_expect_eq(probe.latest, 5); /* nothing behind the last one is solved */
    const double end[2] = {solution->last[0], solution->last[1]};
    solution_free(solution);

    options.t0 = 5;
    options.t1 = 0.5;
    options.save_at = backward;
    options.saves = 3;
    solution = counted(&seasons, end, &options);
    cr_assert_eq(solution->sample[0].saved, 3);
    cr_expect_arr_eq(solution->sample[0].t, backward, sizeof backward);
    cr_expect_float_eq(solution->last[0], season_y0[0], 1e-7);
    cr_expect_float_eq(solution->last[1], season_y0[1], 1e-7);
    solution_free(solution);
}

Test(solve, times_between_cost_no_steps_when_they_are_interpolated) {
    double times[200];
    for (int i = 0; i < 200; i++) {
        times[i] = 9 * (i + 1) / 200.0;
    }
    struct solve_options options = chosen("dopri54", 0, 9, 1e-6);
    struct solution *const plain = counted(&seasons, season_y0, &options);
    const long cost = probe.states;
    options.save_at = times;
    options.saves = 200;
    options.interpolate = true;
    struct solution *const between = counted(&seasons, season_y0, &options);
    cr_expect_eq(probe.states, cost);
    cr_expect_eq(between->last[0], plain->last[0]);
    options.interpolate = false;
    struct solution *const exact = counted(&seasons, season_y0, &options);
    cr_expect_gt(probe.states, 2 * cost);
    for (int i = 0; i < 200; i++) {
        cr_expect_eq(exact->sample[0].t[i], times[i]);
        cr_expect_eq(between->sample[0].t[i], times[i]);
        cr_expect_float_eq(between->sample[0].y[2 * i], exact->sample[0].y[2 * i], 1e-4);
    }
    solution_free(plain);
    solution_free(between);
    solution_free(exact);
}

Test(solve, cutting_steps_for_a_requested_time_does_not_slow_down_what_follows) {
    enum { TIMES = 10 };
    double times[2 * TIMES]; /* pairs, next to each other */
    for (int i = 0; i < TIMES; i++) {
        times[2 * i] = 2.0 * (i + 1) - 1e-4;
        times[2 * i + 1] = 2.0 * (i + 1);
    }
    struct solve_options options = chosen("dopri54", 0, 2 * TIMES, 1e-9);
    struct solution *const plain = counted(&seasons, season_y0, &options);
    options.save_at = times;
    options.saves = 2 * TIMES;
    struct solution *const cut = counted(&seasons, season_y0, &options);
    cr_expect_leq(cut->sample[0].accepted, plain->sample[0].accepted + 2 * TIMES, "%td and %td",
                  cut->sample[0].accepted, plain->sample[0].accepted);
    solution_free(plain);
    solution_free(cut);
}

Test(solve, equal_steps_count_in_integers) {
    static const ptrdiff_t counts[] = {1, 49, 98, 103, 107, 1000};
    for (int i = 0; i < 6; i++) {
        const struct solve_options options = even("rk4", 0.1, 0.9, counts[i]);
        struct solution *const solution = counted(&seasons, season_y0, &options);
        const struct solution_sample *const sample = &solution->sample[0];
        cr_expect_eq(sample->saved, counts[i] + 1);
        cr_expect_eq(sample->t[counts[i]], 0.9);
        cr_expect_eq(probe.latest, 0.9);
        for (ptrdiff_t s = 0; s < counts[i]; s++) {
            cr_expect_eq(sample->t[s], 0.1 + (0.9 - 0.1) * ((double)s / (double)counts[i]));
        }
        solution_free(solution);
    }
}

Test(solve, times_that_are_on_the_grid_but_for_rounding_are_its_times) {
    struct solve_options options = even("rk4", 0, 1, 10);
    const double times[] = {0.1 + 0.2, 0.7};
    cr_assert_neq(times[0], 0.3);
    struct solution *const all = counted(&seasons, season_y0, &options);
    options.save_at = times;
    options.saves = 2;
    for (int interpolate = 0; interpolate < 2; interpolate++) {
        options.interpolate = interpolate;
        struct solution *const some = counted(&seasons, season_y0, &options);
        cr_expect_eq(some->sample[0].t[0], 0.3);
        cr_expect_arr_eq(some->sample[0].y, all->sample[0].y + 2 * 3, 2 * sizeof(double));
        cr_expect_arr_eq(some->sample[0].y + 2, all->sample[0].y + 2 * 7, 2 * sizeof(double));
        solution_free(some);
    }
    solution_free(all);
}

/* ---- jumps --------------------------------------------------------------------------------- */

enum { CELLS = 4 };
static const double rates_of_cells[CELLS] = {1, -2, 0.5, 3}, jumps[] = {0, 0.25, 0.5, 0.75};

/* y' = theta(t) y, theta constant in four cells of [0, 1] and continued by the last. */
static bool cells(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    see(context, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        const int cell = (int)fmin(fmax(floor(t[i] * CELLS), 0), CELLS - 1);
        dy[i] = rates_of_cells[cell] * y[i];
    }
    return true;
}
static const struct ode_field cell_field = {"cells", 1, cells, NULL, &probe};

static double cells_exact(double t) {
    double sum = 0;
    for (int i = 0; i < CELLS; i++) {
        sum += rates_of_cells[i] * fmin(fmax(t - jumps[i], 0), 0.25);
    }
    return exp(sum);
}

/* What a step of length h makes of y' = lambda y, y = 1, and how large its terms are. */
static double growth(const struct tableau *scheme, double z, double *size) {
    double k[TABLEAU_STAGES_MAX], sum = 0;
    *size = 1;
    for (int i = 0; i < scheme->stages; i++) {
        k[i] = 1;
        for (int j = 0; j < i; j++) {
            k[i] += z * scheme->av[i][j] * k[j];
            *size = fmax(*size, fabs(scheme->av[i][j]));
        }
        sum += scheme->bv[i] * k[i];
    }
    return 1 + z * sum;
}

Test(solve, steps_that_end_at_jumps_stay_in_their_cell_forward_and_backward) {
    enum { STEPS = 16 };
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        for (int backward = 0; backward < 2; backward++) {
            const double y0 = 1, h = (backward ? -1.0 : 1.0) / STEPS;
            struct solve_options options = even(scheme->name, backward, !backward, STEPS);
            options.breaks = jumps;
            options.break_count = CELLS;
            struct solution *const solution = counted(&cell_field, &y0, &options);
            double expected = 1, size;
            for (int step = 0; step < STEPS; step++) {
                expected *= growth(scheme, h * rates_of_cells[step / CELLS], &size);
            }
            cr_expect_float_eq(solution->last[0], expected, 1e-13 * size * expected, "%s: %g",
                               scheme->name, solution->last[0] - expected);
            cr_expect_eq(solution->crossed, 0);
            /* of three inner jumps a last stage that is first has to be asked again */
            cr_expect_eq(probe.states, scheme->fsal ? 1 + STEPS * (scheme->stages - 1) + 3
                                                    : STEPS * scheme->stages);
            solution_free(solution);
        }
    }
}

Test(solve, steps_across_jumps_lose_their_order_and_say_so) {
    const double y0 = 1;
    double errors[2][2];
    for (int told = 0; told < 2; told++) {
        for (int grid = 0; grid < 2; grid++) {
            struct solve_options options = even("rk4", 0, 1, told ? 21 << grid : 32 << grid);
            options.breaks = told ? jumps : NULL;
            options.break_count = told ? CELLS : 0;
            struct solution *const solution = counted(&cell_field, &y0, &options);
            cr_expect_eq(solution->crossed, told ? (grid ? 2 : 3) : 0);
            errors[told][grid] = fabs(solution->last[0] - cells_exact(1));
            solution_free(solution);
        }
    }
    cr_expect_gt(errors[0][1], 1e-3); /* stages at the ends read the next cell */
    cr_expect_gt(errors[0][1], errors[0][0] / 4);
    cr_expect_gt(errors[1][1], 1e-5);
}

Test(solve, chosen_steps_meet_jumps_exactly) {
    const double y0 = 1;
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        if (scheme->error_count == 0) {
            continue;
        }
        struct solve_options options = chosen(scheme->name, 0, 1, 1e-7);
        options.limit = 1000000;
        struct solution *const blind = counted(&cell_field, &y0, &options);
        options.breaks = jumps;
        options.break_count = CELLS;
        options.dense = true;
        struct solution *const solution = counted(&cell_field, &y0, &options);
        const struct solution_sample *const sample = &solution->sample[0];
        int met = 0;
        for (ptrdiff_t s = 0; s < sample->saved; s++) {
            met += sample->t[s] == 0.25 || sample->t[s] == 0.5 || sample->t[s] == 0.75;
        }
        cr_expect_eq(met, 3);
        cr_expect_leq(sample->rejected, fmax(2, (double)blind->sample[0].rejected), "%s: %td, %td",
                     scheme->name, sample->rejected, blind->sample[0].rejected);
        for (int k = 0; k <= 50; k++) {
            double y;
            cr_assert(solution_at(solution, 0, NULL, k / 50.0, &y, NULL));
            cr_expect_float_eq(y, cells_exact(k / 50.0), 1e-4, "%s at %g", scheme->name, k / 50.0);
        }
        solution_free(solution);
        solution_free(blind);
    }
}

/* ---- samples ------------------------------------------------------------------------------- */

enum { SAMPLES = 5 };
static const double crowd[SAMPLES][2] = {
    {1.25, 0.5}, {0.3, 2.2}, {4.4, 0.01}, {0.9, 1.1}, {0.02, 0.03}};

Test(solve, each_sample_has_the_bits_it_has_alone) {
    const double times[] = {0.7, 3.3, 8};
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        for (int mode = 0; mode < 4; mode++) {
            struct solve_options options = scheme->error_count > 0 && mode < 3
                                               ? chosen(scheme->name, 0, 8, 1e-6)
                                               : even(scheme->name, 0, 8, 64);
            options.interpolate = mode % 2 == 1 || options.steps > 0;
            options.save_at = mode == 2 ? NULL : times;
            options.saves = mode == 2 ? 0 : 3;
            options.compensated = mode == 1;
            options.dense = mode == 2;
            struct solution *const all = solved(&seasons, SAMPLES, crowd[0], &options);
            for (int s = 0; s < SAMPLES; s++) {
                struct solution *const one = counted(&seasons, crowd[s], &options);
                const struct solution_sample *const x = &all->sample[s], *const y = &one->sample[0];
                cr_expect_arr_eq(all->last + 2 * s, one->last, 2 * sizeof(double));
                cr_assert_eq(x->saved, y->saved);
                cr_expect_arr_eq(x->t, y->t, (size_t)x->saved * sizeof(double));
                cr_expect_arr_eq(x->y, y->y, 2 * (size_t)x->saved * sizeof(double));
                cr_expect_eq(x->evaluations, y->evaluations, "%s, sample %d: %td and %td",
                             scheme->name, s, x->evaluations, y->evaluations);
                cr_expect_eq(x->accepted, y->accepted);
                cr_expect_eq(x->rejected, y->rejected);
                if (options.dense) {
                    double p[2], q[2];
                    cr_assert(solution_at(all, s, NULL, 5.4321, p, NULL));
                    cr_assert(solution_at(one, 0, NULL, 5.4321, q, NULL));
                    cr_expect_arr_eq(p, q, sizeof p);
                }
                solution_free(one);
            }
            solution_free(all);
        }
    }
}

Test(solve, together_samples_take_the_steps_of_the_worst_one) {
    struct solve_options options = chosen("dopri54", 0, 8, 1e-7);
    struct solution *const each = solved(&seasons, SAMPLES, crowd[0], &options);
    options.together = true;
    struct solution *const all = solved(&seasons, SAMPLES, crowd[0], &options);
    bool differ = false;
    for (int s = 0; s < SAMPLES; s++) {
        cr_expect_eq(all->sample[s].saved, all->sample[0].saved);
        cr_expect_arr_eq(all->sample[s].t, all->sample[0].t,
                         (size_t)all->sample[0].saved * sizeof(double));
        cr_expect_geq(all->sample[s].accepted, each->sample[s].accepted - 2);
        differ = differ || each->sample[s].accepted != each->sample[0].accepted;
        cr_expect_float_eq(all->last[2 * s], each->last[2 * s], 1e-4);
    }
    cr_expect(differ);
    solution_free(each);
    solution_free(all);
}

/* u' = -rate (u - cos t) - sin t, the rate a state that stays. */
static bool rates(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    see(context, count, t);
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[2 * i] = -y[2 * i + 1] * (y[2 * i] - cos(t[i])) - sin(t[i]);
        dy[2 * i + 1] = 0;
    }
    return true;
}

Test(solve, together_samples_stop_together) {
    const struct ode_field field = {"rates", 2, rates, NULL, &probe};
    const double y0[2][2] = {{1, 1}, {1, 1000}};
    struct solve_options options = chosen("dopri54", 0, 100, 1e-4);
    options.stiff_after = 100;
    struct solution *solution = solved(&field, 2, y0[0], &options);
    cr_expect_eq(solution->sample[0].status, SOLUTION_DONE);
    cr_expect_eq(solution->sample[1].status, SOLUTION_STIFF);
    solution_free(solution);
    options.together = true;
    solution = solved(&field, 2, y0[0], &options);
    cr_expect_eq(solution->sample[0].status, SOLUTION_STIFF);
    cr_expect_eq(solution->sample[0].stop, solution->sample[1].stop);
    solution_free(solution);
}

/* ---- how it ends --------------------------------------------------------------------------- */

static void expect_end(struct solution *solution, enum solution_status status, double from,
                       double to, const char *words) {
    const struct solution_sample *const sample = &solution->sample[0];
    char text[480];
    cr_expect_lt(solution_sentence(solution, 0, text, sizeof text), (int)sizeof text);
    cr_expect_eq(sample->status, status, "%s: %s", solution_status_names[sample->status], text);
    cr_expect(sample->stop >= from && sample->stop <= to, "at %.17g", sample->stop);
    cr_expect_not_null(strstr(text, words), "%s", text);
    cr_expect_geq(sample->saved, 1);
    for (ptrdiff_t i = 0; i < solution->n * sample->saved; i++) {
        cr_expect(isfinite(sample->y[i]) || status == SOLUTION_NONFINITE);
    }
    solution_free(solution);
}

Test(solve, a_pole_ends_in_step_underflow_with_the_part_before_it) {
    const double y0 = 1;
    const struct solve_options options = chosen("dopri54", 0, 2, 1e-8);
    struct solution *const solution = counted(&squares, &y0, &options);
    cr_expect_gt(solution->sample[0].saved, 20);
    cr_expect_float_eq(solution->sample[0].y[10], 1 / (1 - solution->sample[0].t[10]), 1e-6);
    expect_end(solution, SOLUTION_UNDERFLOW, 0.999, 1.001, "component 1");
}

Test(solve, a_field_that_is_torn_ends_as_not_finite_just_before) {
    const double y0 = 1;
    struct solve_options options = chosen("dopri54", 0, 2, 1e-8);
    expect_end(counted(&torns, &y0, &options), SOLUTION_NONFINITE, 0.999999, 1.0000001,
               "is not finite");
    options.t0 = 1.5;
    expect_end(counted(&torns, &y0, &options), SOLUTION_NONFINITE, 1.5, 1.5, "is not finite");
    options = even("rk4", 0, 2, 20); /* equal steps go on to the end */
    struct solution *const solution = counted(&torns, &y0, &options);
    cr_expect_eq(solution->sample[0].saved, 21);
    cr_expect(isfinite(solution->sample[0].y[10]) && isnan(solution->sample[0].y[20]));
    expect_end(solution, SOLUTION_NONFINITE, 1.0999, 1.1001, "from t = 1.1");
}

Test(solve, the_limit_of_steps_counts_attempts) {
    struct solve_options options = chosen("bs32", 0, 9, 1e-8);
    options.limit = 77;
    struct solution *const solution = counted(&seasons, season_y0, &options);
    cr_expect_eq(solution->sample[0].accepted + solution->sample[0].rejected, 77);
    cr_expect_eq(solution->sample[0].attempts, 77);
    expect_end(solution, SOLUTION_LIMIT, 0.1, 8, "77 steps were attempted");
}

Test(solve, stability_that_holds_the_step_is_told_from_accuracy_that_does) {
    const double y0 = 1;
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        struct control_probe unused;
        if (scheme->error_count == 0 || !control_probe(scheme, &unused)) {
            continue;
        }
        struct solve_options options = chosen(scheme->name, 0, 100, 1e-4);
        options.stiff_after = 100;
        struct solution *const solution = counted(&stiffs, &y0, &options);
        cr_expect_float_eq(solution->sample[0].reach, 1000 * solution->sample[0].step,
                           0.02 * solution->sample[0].reach, "%s: %g, %g", scheme->name,
                           solution->sample[0].reach, solution->sample[0].step);
        expect_end(solution, SOLUTION_STIFF, 0.05, 10, "likely stiff");
        options.stiff_after = 0;
        options.limit = 500;
        expect_end(counted(&stiffs, &y0, &options), SOLUTION_LIMIT, 0.2, 10, "500 steps");
        /* what is not stiff is not called so */
        options = chosen(scheme->name, 0, 40, 1e-9);
        options.stiff_after = 10;
        options.limit = 10000000;
        expect_end(counted(&seasons, season_y0, &options), SOLUTION_DONE, 40, 40, "");
    }
}

Test(solve, a_raised_flag_and_a_field_that_stops_keep_what_was_solved) {
    static const volatile bool raised = true;
    struct solve_options options = chosen("dopri54", 0, 9, 1e-8);
    options.stop = &raised;
    expect_end(counted(&seasons, season_y0, &options), SOLUTION_INTERRUPTED, 0, 0, "interrupted");
    options.stop = NULL;
    for (long limit = 1; limit < 200; limit += 13) {
        probe.limit = limit;
        expect_end(solved(&seasons, 1, season_y0, &options), SOLUTION_FIELD, 0, 9,
                   "could not be evaluated");
        cr_expect_eq(probe.calls, limit); /* nothing is asked of it any more */
    }
    probe.limit = 0;
}

Test(solve, compensation_takes_rounding_out_of_many_steps) {
    const double y0 = 0.1, exact = 1 / (1 / y0 - 1);
    struct solve_options options = even("rk4", 0, 1, 200000);
    options.save_at = &options.t1;
    options.saves = 1;
    struct solution *const plain = counted(&squares, &y0, &options);
    options.compensated = true;
    struct solution *const better = counted(&squares, &y0, &options);
    cr_expect_leq(fabs(better->last[0] - exact), 2 * DBL_EPSILON * exact);
    cr_expect_gt(fabs(plain->last[0] - exact), 10 * DBL_EPSILON * exact);
    solution_free(plain);
    solution_free(better);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void refuses(const struct solve_options *options, const char *words) {
    struct error error = {0};
    cr_expect_null(solve(&seasons, 1, season_y0, options, &error));
    cr_expect_not_null(strstr(error.text, words), "%s", error.text);
}

Test(solve, what_cannot_be_is_refused_before_anything_is_evaluated) {
    struct solve_options options = chosen("rk4", 0, 1, 1e-6);
    probe = (struct probe){0};
    refuses(&options, "needs an error estimate, which scheme \"rk4\" does not have");
    options = chosen("adams3", 0, 1, 1e-6);
    refuses(&options, "\"adams3\" does not have");
    options = chosen("dopri54", 1, 1, 1e-6);
    refuses(&options, "\"t0\" and \"t1\" are 1 and 1");
    options = chosen("dopri54", 0, INFINITY, 1e-6);
    refuses(&options, "two different numbers");
    options = chosen("dopri54", 0, 1, 0);
    refuses(&options, "tolerances of component 1 are rtol = 0 and atol = 0");
    options = chosen("dopri54", 0, 1, -1e-6);
    refuses(&options, "must be at least 0");
    options = chosen("dopri54", 0, 1, 1e-6);
    static const double none[2] = {0, 0}, tiny[2] = {1e-16, 1e-16};
    options.rtol = tiny;
    options.atol = none;
    refuses(&options, "below what doubles can keep");
    options = chosen("dopri54", 0, 1, 1e-6);
    options.estimate = 2;
    refuses(&options, "has 2 error estimates, and not 3");
    options = chosen("dopri54", 0, 1, 1e-6);
    options.first = -1;
    refuses(&options, "not negative");
    options = even("rk4", 0, 1, 4);
    options.interpolant = INTERPOLANT_OWN;
    refuses(&options, "no interpolant of its own");
    options = even("adams4", 0, 1, 4);
    options.interpolant = INTERPOLANT_OWN;
    refuses(&options, "\"adams4\" has no interpolant of its own");
    options = even("rk4", 0, 1, 4);
    static const double off[] = {0.25, 0.3}, outside[] = {0.5, 1.25}, falling[] = {0.5, 0.25};
    options.save_at = off;
    options.saves = 2;
    refuses(&options, "save_at[2] = 0.3 is not on the grid of 4 steps from 0 to 1; nearest is 0.25");
    options = even("adams2", 0, 1, 4);
    options.breaks = jumps;
    options.break_count = 2;
    refuses(&options, "looks back across t = 0.25");
    options = even("rk4", 0, 1, 4);
    options.breaks = falling;
    options.break_count = 2;
    refuses(&options, "breaks must be rising times, but entry 2 is 0.25");
    options = chosen("dopri54", 0, 1, 1e-6);
    options.saves = 2;
    options.save_at = outside;
    refuses(&options, "save_at[2] = 1.25 is not between");
    options.save_at = falling;
    refuses(&options, "entry 2 does not come behind entry 1");
    cr_expect_eq(probe.calls, 0);
}

Test(solve, states_between_are_refused_where_there_are_none) {
    struct solve_options options = chosen("dopri54", 0, 1, 1e-6);
    struct solution *solution = counted(&seasons, season_y0, &options);
    struct error error;
    double y[2];
    cr_expect_not(solution_at(solution, 0, NULL, 0.5, y, &error));
    cr_expect_not_null(strstr(error.text, "dense = true"));
    solution_free(solution);
    options.dense = true;
    solution = counted(&seasons, season_y0, &options);
    static const double outside[] = {-1e-9, 1.0000001, (double)NAN};
    for (int i = 0; i < 3; i++) {
        cr_expect_not(solution_at(solution, 0, NULL, outside[i], y, &error));
        cr_expect_not_null(strstr(error.text, "outside of what was solved, from 0 to 1"));
    }
    cr_assert(solution_at(solution, 0, NULL, 1, y, &error));
    cr_expect_arr_eq(y, solution->last, sizeof y);
    solution_free(solution);
}

/* ---- Adams --------------------------------------------------------------------------------- */

Test(solve, adams_coefficients_integrate_polynomials_exactly) {
    for (int k = ADAMS_LEAST; k <= ADAMS_MOST; k++) {
        const struct adams *const adams = adams_at(k);
        for (int q = 0; q <= k; q++) { /* sum beta_j (-j)^q = 1 / (q + 1), in integers */
            int64_t common = 1, sum = 0;
            for (int j = 0; j < k; j++) {
                common *= adams->beta[j].q;
            }
            for (int j = 0; j < k; j++) {
                int64_t power = 1;
                for (int i = 0; i < q; i++) {
                    power *= -j;
                }
                sum += adams->beta[j].p * (common / adams->beta[j].q) * power;
            }
            cr_expect_eq(sum * (q + 1) == common, q < k, "%s, degree %d", adams->name, q);
        }
    }
    cr_expect(adams_at(4)->beta[0].p == 55 && adams_at(4)->beta[0].q == 24);
    cr_expect_float_eq(adams_at(2)->stability, 1, 1e-15);
    cr_expect_float_eq(adams_at(3)->stability, 6.0 / 11, 1e-15);
    cr_expect_float_eq(adams_at(4)->stability, 3.0 / 10, 1e-15);
    cr_expect_null(adams_find("adams6"));
}
