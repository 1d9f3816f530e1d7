/* Measured orders: every scheme of the registry and Adams' formulas on problems that depend on
 * time and are not linear, over four halvings in quadruple precision, and the solver's doubles
 * against the same steps in quadruple precision. */
#include <criterion/criterion.h>
#include <float.h>

#include "solve_setup.h"

/* The largest order of exactness of a scheme on quadratures. */
static int quadrature_order(const struct quad_scheme *q) {
    for (int order = 1;; order++) {
        quad sum = 0;
        for (int i = 0; i < q->stages; i++) {
            quad power = q->b[i];
            for (int k = 1; k < order; k++) {
                power *= q->c[i];
            }
            sum += power;
        }
        const double rest = (double)(sum - (quad)1 / order);
        if (fabs(rest) > 1e-14) {
            return order - 1;
        }
    }
}

static const struct tableau *finest(void) {
    const struct tableau *best = tableau_at(0);
    for (int i = 1; i < tableau_count(); i++) {
        best = tableau_at(i)->order > best->order ? tableau_at(i) : best;
    }
    return best;
}

/* The state of the solver at t1 in compensated doubles. */
static void solve_doubles(const struct problem *problem, const struct tableau *scheme,
                          const struct adams *adams, long steps, quad *out) {
    quad y[QUAD_N];
    double y0[QUAD_N];
    start(problem, y);
    for (int e = 0; e < problem->n; e++) {
        y0[e] = (double)y[e];
    }
    const struct ode_field field = {problem->name, problem->n, value, NULL, (void *)problem};
    struct solve_options options = solve_defaults();
    options.scheme = scheme;
    options.adams = adams;
    options.t0 = problem->t0;
    options.t1 = problem->t1;
    options.steps = steps;
    options.compensated = true;
    struct error error;
    struct solution *solution = solve(&field, 1, y0, &options, &error);
    cr_assert_not_null(solution, "%s", error.text);
    cr_assert_eq(solution->sample[0].status, SOLUTION_DONE);
    for (int e = 0; e < problem->n; e++) {
        out[e] = solution->last[e];
    }
    solution_free(solution);
}

/* The error of the steps in quadruple precision. With `check` the solver's doubles must differ from
 * them by rounding only. */
static double error_of(const struct problem *problem, const struct quad_scheme *q, const char *name,
                       const struct tableau *scheme, const struct adams *adams, long steps,
                       const quad *reference, bool check) {
    quad y[QUAD_N], doubles[QUAD_N];
    start(problem, y);
    quad_solve(q, problem->n, problem->fine, problem->t0, problem->t1, steps, y);
    if (check) {
        solve_doubles(problem, scheme, adams, steps, doubles);
        const double apart = distance(problem->n, y, doubles);
        cr_expect_leq(apart, amplification(q) * floor_of(problem, y),
                      "%s on %s, %ld steps: doubles err by %g", name, problem->name, steps, apart);
    }
    return distance(problem->n, y, reference);
}

/* Looks for the asymptotic range from the problem's coarsest grid on (high orders: from coarser
 * ones) up to 16 times finer ones. A wrong order is not found there: the finer the grid, the more
 * the slope is the true one. */
static void measure(const struct problem *problem, const struct quad_scheme *q, int order,
                    const char *name, const struct tableau *scheme, const struct adams *adams,
                    const quad *reference) {
    enum { FINER = 4 };
    double errors[GRIDS + FINER], slope = 0;
    const long coarsest = order < 7 ? problem->steps : problem->steps / 8;
    for (int grid = 0; grid < GRIDS + FINER; grid++) {
        errors[grid] = error_of(problem, q, name, scheme, adams, coarsest << grid, reference,
                                grid < GRIDS);
        if (grid + 1 >= GRIDS) {
            slope = slope_of(errors + grid + 1 - GRIDS, GRIDS);
            if (fabs(slope - order) <= 0.1) {
                return;
            }
        }
    }
    cr_expect(false, "%s on %s: slope %.3f, not %d (errors to %.2e)", name, problem->name, slope,
              order, errors[GRIDS + FINER - 1]);
}

static void measure_all(const struct problem *problem) {
    quad reference[QUAD_N];
    if (problem->exact) {
        problem->exact(problem->t1, reference);
    } else {
        const struct quad_scheme best = quad_tableau(finest());
        start(problem, reference);
        quad_solve(&best, problem->n, problem->fine, problem->t0, problem->t1,
                   problem->steps << (GRIDS + 1), reference);
    }
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const struct quad_scheme q = quad_tableau(scheme);
        int order = scheme->order;
        if (problem == &problems[QUADRATURE]) {
            order = quadrature_order(&q);
            cr_expect_geq(order, scheme->order);
            if (order >= 7) {
                continue; /* exact on this one */
            }
        }
        measure(problem, &q, order, scheme->name, scheme, NULL, reference);
    }
    for (int k = ADAMS_LEAST; k <= ADAMS_MOST; k++) {
        const struct adams *const adams = adams_at(k);
        const struct quad_scheme q = quad_adams(adams);
        measure(problem, &q, k, adams->name, NULL, adams, reference);
    }
}

TestSuite(solve_order, .timeout = 120);

Test(solve_order, every_scheme_shows_its_order_on_a_rational_function) {
    measure_all(&problems[0]);
}

Test(solve_order, every_scheme_shows_the_order_of_its_quadrature) {
    measure_all(&problems[QUADRATURE]);
}

Test(solve_order, every_scheme_shows_its_order_on_prothero_and_robinson) {
    measure_all(&problems[PROTHERO]);
}

Test(solve_order, every_scheme_shows_its_order_on_kvaerno_prothero_and_robinson) {
    measure_all(&problems[KPR]);
}

Test(solve_order, every_scheme_shows_its_order_on_predators_and_prey) {
    measure_all(&problems[LOTKA]);
}

Test(solve_order, every_scheme_shows_its_order_near_the_moon) {
    measure_all(&problems[ARENSTORF]);
}

Test(solve_order, every_scheme_shows_its_order_on_a_net_whose_weights_move) {
    measure_all(&problems[NET]);
}
