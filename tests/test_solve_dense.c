/* States between the steps: the order with which they converge, for every scheme and every
 * interpolant it has, and values at requested times. */
#include "solve_setup.h"

enum { PLACES = 7 };
static const double places[PLACES] = {0.07, 0.19, 0.36, 0.5, 0.61, 0.83, 0.96};

static struct solution *solved(const struct problem *problem, const struct solve_options *options) {
    quad y[QUAD_N];
    double y0[QUAD_N];
    start(problem, y);
    for (int e = 0; e < problem->n; e++) {
        y0[e] = (double)y[e];
    }
    const struct ode_field field = {problem->name, problem->n, value, NULL, (void *)problem};
    struct error error;
    struct solution *const solution = solve(&field, 1, y0, options, &error);
    cr_assert_not_null(solution, "%s", error.text);
    cr_assert_eq(solution->sample[0].status, SOLUTION_DONE);
    return solution;
}

static struct solve_options dense(const struct problem *problem, const struct tableau *scheme,
                                  const struct adams *adams, enum interpolant interpolant,
                                  long steps) {
    struct solve_options options = solve_defaults();
    options.scheme = scheme;
    options.adams = adams;
    options.t0 = problem->t0;
    options.t1 = problem->t1;
    options.steps = steps;
    options.compensated = true;
    options.dense = true;
    options.interpolant = interpolant;
    return options;
}

/* The largest error at PLACES in every step. */
static double largest_error(const struct problem *problem, const struct solve_options *options,
                            int *order) {
    struct solution *const solution = solved(problem, options);
    const struct solution_sample *const sample = &solution->sample[0];
    double most = 0;
    for (ptrdiff_t i = 0; i + 1 < sample->saved; i++) {
        for (int p = 0; p < PLACES; p++) {
            const double t = sample->t[i] + places[p] * (sample->t[i + 1] - sample->t[i]);
            double y[QUAD_N];
            quad exact[QUAD_N], got[QUAD_N];
            cr_assert(solution_at(solution, 0, NULL, t, y, NULL));
            problem->exact(t, exact);
            for (int e = 0; e < problem->n; e++) {
                got[e] = y[e];
            }
            most = fmax(most, distance(problem->n, got, exact));
        }
    }
    *order = solution->order;
    solution_free(solution);
    return most;
}

/* The stated order shows, over four halvings, the coarsest of which that leave doubles enough. */
static void measure(const struct problem *problem, long steps, const struct tableau *scheme,
                    const struct adams *adams, enum interpolant interpolant) {
    double errors[GRIDS];
    int order = 0;
    for (int grid = 0; grid < GRIDS; grid++) {
        const struct solve_options options =
            dense(problem, scheme, adams, interpolant, steps << grid);
        errors[grid] = largest_error(problem, &options, &order);
    }
    const double slope = slope_of(errors, GRIDS);
    cr_expect(fabs(slope - order) <= 0.1, "%s, %s on %s: slope %.3f, not %d (errors %.2e to %.2e)",
              scheme ? scheme->name : adams->name, interpolant_names[interpolant], problem->name,
              slope, order, errors[0], errors[GRIDS - 1]);
}

TestSuite(solve_dense, .timeout = 120);

Test(solve_dense, published_interpolants_show_the_order_they_state) {
    int own = 0;
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        if (scheme->dense_order > 0) {
            own++;
            measure(&problems[KPR], 8, scheme, NULL, INTERPOLANT_OWN);
            measure(&problems[0], 24, scheme, NULL, INTERPOLANT_OWN);
        }
    }
    cr_expect_geq(own, 1);
}

Test(solve_dense, hermite_shows_order_four_or_that_of_the_scheme) {
    for (int i = 0; i < tableau_count(); i++) {
        measure(&problems[KPR], 32, tableau_at(i), NULL, INTERPOLANT_HERMITE);
    }
    for (int k = ADAMS_LEAST; k <= 4; k++) { /* of order 5 the steps' own error hides it for long */
        measure(&problems[KPR], 64, NULL, adams_at(k), INTERPOLANT_HERMITE);
    }
}

Test(solve_dense, what_is_chosen_has_the_full_order_of_the_scheme) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const enum interpolant kind = interpolant_choose(scheme);
        cr_expect_eq(interpolant_order(kind, scheme), scheme->order, "%s", scheme->name);
        if (kind != INTERPOLANT_AGAIN) { /* else the test below */
            measure(&problems[KPR], scheme->order < 5 ? 32 : 8, scheme, NULL, INTERPOLANT_AUTO);
        }
    }
    for (int k = ADAMS_LEAST; k <= ADAMS_MOST; k++) {
        measure(&problems[KPR], 64, NULL, adams_at(k), INTERPOLANT_AUTO);
    }
}

/* Beyond what four halvings in doubles can show: the state is that of the same steps in quadruple
 * precision, the last one shortened, and so has the order of test_solve_order.c. */
Test(solve_dense, a_step_taken_again_is_the_step_in_quadruple_precision) {
    const struct problem *const problem = &problems[KPR];
    enum { STEPS = 24 };
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const struct quad_scheme q = quad_tableau(scheme);
        const struct solve_options options =
            dense(problem, scheme, NULL, INTERPOLANT_AGAIN, STEPS);
        struct solution *const solution = solved(problem, &options);
        cr_expect_eq(solution->order, scheme->order);
        quad y[QUAD_N];
        start(problem, y);
        for (int step = 0; step < STEPS; step++) {
            const quad h = ((quad)problem->t1 - problem->t0) / STEPS;
            const quad begin = problem->t0 + step * h;
            for (int p = 0; p < PLACES; p++) {
                const double t = (double)(begin + places[p] * h);
                quad fine[QUAD_N], got[QUAD_N];
                double state[QUAD_N];
                memcpy(fine, y, sizeof fine);
                quad_step(&q, problem->n, problem->fine, begin, t - begin, fine);
                cr_assert(solution_at(solution, 0, NULL, t, state, NULL));
                for (int e = 0; e < problem->n; e++) {
                    got[e] = state[e];
                }
                cr_expect_leq(distance(problem->n, got, fine),
                              amplification(&q) * floor_of(problem, fine), "%s", scheme->name);
            }
            quad_step(&q, problem->n, problem->fine, begin, h, y);
        }
        solution_free(solution);
    }
}

Test(solve_dense, requested_times_within_steps_have_the_values_of_the_dense_solution) {
    const struct problem *const problem = &problems[KPR];
    double times[40];
    for (int i = 0; i < 40; i++) {
        times[i] = problem->t0 + (problem->t1 - problem->t0) * (i + 0.37) / 40;
    }
    for (int i = 0; i < tableau_count(); i++) {
        for (int kind = INTERPOLANT_OWN; kind <= INTERPOLANT_AGAIN; kind++) {
            const struct tableau *const scheme = tableau_at(i);
            if (interpolant_order((enum interpolant)kind, scheme) == 0) {
                continue;
            }
            struct solve_options options =
                dense(problem, scheme, NULL, (enum interpolant)kind, 16);
            options.compensated = false;
            options.save_at = times;
            options.saves = 40;
            options.interpolate = true;
            struct solution *const solution = solved(problem, &options);
            cr_assert_eq(solution->sample[0].saved, 40);
            for (int s = 0; s < 40; s++) {
                double y[QUAD_N];
                cr_assert(solution_at(solution, 0, NULL, times[s], y, NULL));
                cr_expect_arr_eq(y, solution->sample[0].y + s * problem->n,
                                 (size_t)problem->n * sizeof(double));
            }
            solution_free(solution);
        }
    }
}

/* With chosen steps, what lies between them errs about as much as their ends. */
Test(solve_dense, chosen_steps_keep_the_tolerance_between_them_and_backward) {
    const struct problem *const problem = &problems[KPR];
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        static const double tolerance[QUAD_N] = {1e-8, 1e-8, 1e-8, 1e-8};
        if (scheme->error_count == 0) {
            continue;
        }
        struct solve_options options = dense(problem, scheme, NULL, INTERPOLANT_AUTO, 0);
        options.rtol = options.atol = tolerance;
        options.limit = 1000000;
        const double allowed = pow(1e-8, fmin(1, (double)scheme->order / control_exponent(scheme, 0)));
        int order;
        const double forward = largest_error(problem, &options, &order);
        cr_expect_lt(forward, 30 * allowed, "%s: %g", scheme->name, forward);
        cr_expect_eq(order, scheme->order);
        struct problem turned = *problem;
        turned.t0 = problem->t1;
        turned.t1 = problem->t0;
        options.t0 = turned.t0;
        options.t1 = turned.t1;
        const double backward = largest_error(&turned, &options, &order);
        cr_expect_lt(backward, 300 * allowed, "%s: %g", scheme->name, backward);
    }
}
