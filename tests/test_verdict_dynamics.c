/* The convergence test of fields and its verdict: on true fields, on a wrong one whose errors are
 * known in closed form, and on curves written by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "study/spectrum.h"
#include "study/verdict_dynamics.h"

enum { SCHEMES = 4 };

static const struct tableau *schemes[SCHEMES];

static void find_schemes(void) {
    static const char *const names[SCHEMES] = {"euler", "midpoint", "heun2", "rk4"};
    for (int i = 0; i < SCHEMES; i++) {
        schemes[i] = tableau_find(names[i], NULL);
    }
}

static struct system system_named(const char *name) {
    struct system system;
    struct error error;
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "name", name);
    cr_assert(system_read(&system, config, "test", NULL, &error), "%s", error.text);
    cJSON_Delete(config);
    return system;
}

static struct convergence_problem *problem_of(const struct system *system, double dt, double t1,
                                              const double *y0, ptrdiff_t count) {
    struct error error;
    const struct convergence_options options = {.dt = dt,
                                                .t1 = t1,
                                                .n = system->type->n,
                                                .count = count,
                                                .y0 = y0,
                                                .finest = -6,
                                                .coarsest = 4};
    const struct truth truth = truth_system(system);
    struct convergence_problem *problem = convergence_problem(&options, &truth, &error);
    cr_assert_not_null(problem, "%s", error.text);
    return problem;
}

static void measure(const struct convergence_problem *problem, const struct ode_field *field,
                    struct convergence *convergence) {
    struct error error;
    find_schemes();
    cr_assert(convergence_measure(problem, field, false, schemes, SCHEMES, NULL, NULL, convergence,
                                  &error),
              "%s", error.text);
}

static struct verdict_dynamics judge(const struct convergence *convergence, const char *trained) {
    struct verdict_dynamics verdict;
    verdict_dynamics(convergence,
                     &(struct verdict_dynamics_options){.trained = tableau_find(trained, NULL),
                                                        .noise = NAN,
                                                        .target = NAN},
                     &verdict);
    return verdict;
}

/* ---- a linear field ------------------------------------------------------------------------ */

struct linear { /* y' = (re, im; -im, re) y, eigenvalues re +- i im */
    double re, im;
};

static bool linear_value(void *context, ptrdiff_t count, const double *t, const double *y,
                         double *dy) {
    const struct linear *f = context;
    (void)t;
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[2 * i] = f->re * y[2 * i] + f->im * y[2 * i + 1];
        dy[2 * i + 1] = -f->im * y[2 * i] + f->re * y[2 * i + 1];
    }
    return true;
}

/* What a fit inside the scheme with step dt learns of the oscillator. */
static struct linear biased(const char *scheme, double dt) {
    struct stability stability;
    struct error error;
    double complex mu;
    cr_assert(stability_find(scheme, &stability, &error));
    cr_assert(spectrum_learned(&stability, CMPLX(0, 1), dt, &mu, &error), "%s", error.text);
    return (struct linear){creal(mu), cimag(mu)};
}

static double error_at(const struct convergence *convergence, const char *scheme, double h) {
    for (int i = 0; i < convergence->curve_count; i++) {
        for (int k = 0; k < convergence->grid_count; k++) {
            if (!strcmp(convergence->curve[i].scheme->name, scheme) &&
                fabs(convergence->h[k] / h - 1) < 1e-9) {
                return convergence->curve[i].error[k];
            }
        }
    }
    cr_assert(false, "no %s at h = %g", scheme, h);
    return NAN;
}

Test(verdict_dynamics, a_linear_fit_fails_by_the_numbers_of_the_closed_form) {
    /* E(dt/2) and E(2dt) by the training scheme, floor at dt/64 by rk4; T = 2. */
    static const struct {
        const char *name;
        double dt, floor, half, twice;
    } rows[] = {{"euler", 0.1, 9.51e-2, 4.88e-2, 1.05e-1},
                {"euler", 0.05, 4.88e-2, 2.47e-2, 5.12e-2},
                {"midpoint", 0.1, 3.32e-3, 2.49e-3, 9.96e-3},
                {"rk4", 0.4, 4.26e-4, 4.00e-4, 0},
                {"rk4", 0.1, 1.67e-6, 1.56e-6, 2.50e-5}};
    const struct system system = system_named("oscillator");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct linear linear = biased(rows[i].name, rows[i].dt);
        const struct ode_field field = {"linear", 2, linear_value, NULL, &linear};
        struct convergence_problem *problem =
            problem_of(&system, rows[i].dt, 2, (const double[]){0, 1}, 1);
        struct convergence convergence;
        measure(problem, &field, &convergence);
        const struct verdict_dynamics verdict = judge(&convergence, rows[i].name);
        cr_assert_float_eq(verdict.floor / rows[i].floor, 1, 6e-3, "%s %g: %.4g", rows[i].name,
                           rows[i].dt, verdict.floor);
        cr_assert_float_eq(
            error_at(&convergence, rows[i].name, rows[i].dt / 2) / rows[i].half, 1, 6e-3);
        if (rows[i].twice > 0) {
            cr_assert_float_eq(
                error_at(&convergence, rows[i].name, 2 * rows[i].dt) / rows[i].twice, 1, 6e-3);
        }
        cr_assert_lt(verdict.trained, 1e-12);
        cr_assert_eq(verdict.state, DYNAMICS_FAIL_V, "%s", verdict.text);
        cr_assert(strstr(verdict.text, "FAIL-V: the error is"), "%s", verdict.text);
        convergence_problem_free(problem);
    }
}

/* ---- true fields --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    double dt, t1;
} true_rows[] = {{"oscillator", 0.1, 3.2}, {"pendulum", 0.01, 1.92},
                 {"cartesian_pendulum", 0.01, 0.96}, {"lotka_volterra", 0.05, 4},
                 {"double_gyre", 0.025, 3.2},          {"van_der_pol", 0.02, 1.6},
                 {"duffing", 0.05, 3.2}};

Test(verdict_dynamics, true_fields_pass_under_every_scheme, .timeout = 60) {
    static const char *const trained[] = {"euler", "midpoint", "heun2", "rk4"};
    for (size_t i = 0; i < sizeof true_rows / sizeof *true_rows; i++) {
        const struct system system = system_named(true_rows[i].name);
        const struct ode_field field = system_field(&system);
        struct convergence_problem *problem =
            problem_of(&system, true_rows[i].dt, true_rows[i].t1, system.y0, 1);
        struct convergence convergence;
        cr_assert_eq(problem->left_out, 0);
        measure(problem, &field, &convergence);
        for (size_t k = 0; k < sizeof trained / sizeof *trained; k++) {
            const struct verdict_dynamics verdict = judge(&convergence, trained[k]);
            cr_assert_eq(verdict.state, DYNAMICS_PASS, "%s: %s", true_rows[i].name, verdict.text);
        }
        convergence_problem_free(problem);
    }
}

Test(verdict_dynamics, curves_of_true_fields_have_their_schemes_orders, .timeout = 60) {
    for (size_t i = 0; i < sizeof true_rows / sizeof *true_rows; i++) {
        const struct system system = system_named(true_rows[i].name);
        const struct ode_field field = system_field(&system);
        struct convergence_problem *problem =
            problem_of(&system, true_rows[i].dt, true_rows[i].t1, system.y0, 1);
        struct convergence convergence;
        measure(problem, &field, &convergence);
        for (int s = 0; s < SCHEMES; s++) {
            const struct convergence_curve *curve = &convergence.curve[s];
            cr_assert(convergence_confirms(curve), "%s, %s: %.3f, status %d", true_rows[i].name,
                      curve->scheme->name, curve->fit.slope, (int)curve->fit.status);
        }
        convergence_problem_free(problem);
    }
}

Test(convergence, errors_of_the_pendulum_are_the_published_ones) {
    /* At T = 2: euler 1.13 and midpoint 3.7e-4 at 0.01, rk4_38 7.5e-8 at 2/199, the sampled step
     * that is nearest to it. */
    const struct system system = system_named("pendulum");
    const struct ode_field field = system_field(&system);
    const struct tableau *const three[] = {tableau_find("euler", NULL),
                                           tableau_find("midpoint", NULL),
                                           tableau_find("rk4_38", NULL)};
    const double steps[] = {0.01, 2.0 / 199};
    struct convergence convergence[2];
    for (int i = 0; i < 2; i++) {
        struct error error;
        struct convergence_problem *problem = problem_of(&system, steps[i], 2, system.y0, 1);
        cr_assert(convergence_measure(problem, &field, false, three, 3, NULL, NULL,
                                      &convergence[i], &error));
        cr_assert_eq(problem->left_out, i ? 4 : 1); /* 200 steps are no whole number of 16 */
        cr_assert_eq(convergence[i].reference, 2);
        convergence_problem_free(problem);
    }
    cr_assert_float_eq(error_at(&convergence[0], "euler", 0.01), 1.13, 0.005);
    cr_assert_float_eq(error_at(&convergence[0], "midpoint", 0.01), 3.7e-4, 0.05e-4);
    cr_assert_float_eq(error_at(&convergence[1], "rk4_38", 2.0 / 199), 7.5e-8, 0.05e-8);
}

Test(convergence, numbers_are_the_same_bits_for_any_number_of_threads) {
    const struct system system = system_named("lotka_volterra");
    const double y0[] = {1, 1, 0.6, 1.7, 2.1, 0.4};
    const struct ode_field field = system_field(&system);
    const struct ode_field fields[3] = {field, field, field};
    struct convergence_problem *problem = problem_of(&system, 0.05, 1.6, y0, 3);
    struct convergence one, three;
    struct error error;
    find_schemes();
    struct pool *pool = pool_create(3, &error);
    cr_assert_not_null(pool);
    measure(problem, &field, &one);
    cr_assert(convergence_measure(problem, fields, false, schemes, SCHEMES, pool, NULL, &three,
                                  &error));
    for (int i = 0; i < SCHEMES; i++) {
        cr_assert_arr_eq(one.curve[i].error, three.curve[i].error, sizeof one.curve[i].error);
        cr_assert_arr_eq(one.curve[i].rms, three.curve[i].rms, sizeof one.curve[i].rms);
        cr_assert(one.curve[i].gap == three.curve[i].gap);
    }
    cr_assert_gt(one.cost, 3 * (1 + 2 + 2 + 4) * 32 * 64);
    pool_free(pool);
    convergence_problem_free(problem);
}

Test(convergence, errors_are_means_over_initial_states_and_common_times) {
    /* The field 0 stays where it begins, so errors are distances of the truth. */
    const struct system system = system_named("oscillator");
    const double y0[] = {0, 1, 2, 0.5};
    struct linear none = {0, 0};
    const struct ode_field field = {"none", 2, linear_value, NULL, &none};
    struct convergence_problem *problem = problem_of(&system, 0.25, 2, y0, 2);
    struct convergence convergence;
    measure(problem, &field, &convergence);
    cr_assert_eq(problem->left_out, 1);
    cr_assert_eq(problem->points, 1);
    convergence_problem_free(problem);
    problem = problem_of(&system, 0.75, 2.25, y0, 2);
    measure(problem, &field, &convergence);
    cr_assert_eq(problem->left_out, 4);
    cr_assert_eq(problem->points, 3);
    double all = 0, last = 0;
    for (int point = 1; point <= 3; point++) {
        last = 0;
        for (int s = 0; s < 2; s++) {
            double y[2];
            cr_assert(system_exact(&system, y0 + 2 * s, 0, 0.75 * point, y));
            last += pow(y[0] - y0[2 * s], 2) + pow(y[1] - y0[2 * s + 1], 2);
        }
        all += last;
    }
    for (int i = 0; i < SCHEMES; i++) {
        for (int k = 0; k < convergence.grid_count; k++) {
            cr_assert_float_eq(convergence.curve[i].error[k], sqrt(last / 2), 1e-12);
            cr_assert_float_eq(convergence.curve[i].rms[k], sqrt(all / 6), 1e-12);
        }
    }
    convergence_problem_free(problem);
}

static bool explosive(void *context, ptrdiff_t count, const double *t, const double *y,
                      double *dy) {
    (void)context;
    (void)t;
    for (ptrdiff_t i = 0; i < 2 * count; i++) {
        dy[i] = exp(9 * y[i] * y[i]);
    }
    return true;
}

static bool unwilling(void *context, ptrdiff_t count, const double *t, const double *y,
                      double *dy) {
    int *left = context;
    memset(dy, 0, (size_t)(2 * count) * sizeof *dy);
    (void)t;
    (void)y;
    return (*left)-- > 0;
}

Test(convergence, overflow_is_an_infinite_error_and_a_field_that_stops_an_error) {
    const struct system system = system_named("oscillator");
    struct convergence_problem *problem = problem_of(&system, 0.1, 1.6, system.y0, 1);
    struct convergence convergence;
    struct error error;
    measure(problem, &(struct ode_field){"explosive", 2, explosive, NULL, NULL}, &convergence);
    cr_assert(isinf(convergence.curve[0].error[5]) && isinf(convergence.floor));
    cr_assert_eq(convergence.curve[0].fit.status, ORDER_DIVERGED);
    cr_assert_eq(judge(&convergence, "euler").state, DYNAMICS_FAIL_UNDER);
    int left = 1000;
    const struct ode_field field = {"unwilling", 2, unwilling, NULL, &left};
    cr_assert_not(convergence_measure(problem, &field, false, schemes, SCHEMES, NULL, NULL,
                                      &convergence, &error));
    cr_assert(strstr(error.text, "unwilling stopped"), "%s", error.text);
    const volatile bool stop = true;
    left = 1 << 30;
    cr_assert_not(convergence_measure(problem, &field, false, schemes, SCHEMES, NULL, &stop,
                                      &convergence, &error));
    cr_assert_eq(error.code, ERROR_STATE);
    cr_assert(strstr(error.text, "was stopped"), "%s", error.text);
    convergence_problem_free(problem);
}

Test(convergence, times_that_do_not_fit_are_refused) {
    const struct system system = system_named("oscillator");
    const struct truth truth = truth_system(&system);
    struct error error;
    struct convergence_options options = {
        .dt = 0.3, .t1 = 2, .n = 2, .count = 1, .y0 = system.y0, .finest = -6, .coarsest = 4};
    cr_assert_null(convergence_problem(&options, &truth, &error));
    cr_assert(strstr(error.text, "6.66667 steps of 0.3"), "%s", error.text);
    options.t1 = -3;
    cr_assert_null(convergence_problem(&options, &truth, &error));
    options.t1 = 3e7;
    cr_assert_null(convergence_problem(&options, &truth, &error));
    cr_assert(strstr(error.text, "earlier t1") || strstr(error.text, "whole number"), "%s",
              error.text);
    options.t1 = 3;
    options.n = 3;
    cr_assert_null(convergence_problem(&options, &truth, &error));
    cr_assert(strstr(error.text, "states have 3 numbers"), "%s", error.text);
}

/* ---- truths -------------------------------------------------------------------------------- */

Test(truth, an_integrated_field_agrees_with_the_closed_form) {
    const struct system system = system_named("pendulum");
    const struct ode_field field = system_field(&system);
    const double times[] = {0.37, 1, 1.9, 2.75};
    const struct truth known = truth_system(&system), found = truth_field(&field);
    double y[8], z[8], off, off_known;
    struct error error;
    cr_assert(known.at(&known, system.y0, 0, 4, times, y, &off_known, &error), "%s", error.text);
    cr_assert(found.at(&found, system.y0, 0, 4, times, z, &off, &error), "%s", error.text);
    for (int i = 0; i < 8; i++) {
        cr_assert_float_eq(y[i], z[i], 1e-11, "%d: %g", i, y[i] - z[i]);
    }
    cr_assert_lt(off, 1e-11);
    const struct ode_field wild = {"explosive", 2, explosive, NULL, NULL};
    const struct truth none = truth_field(&wild);
    cr_assert_not(none.at(&none, system.y0, 0, 4, times, z, &off, &error));
    cr_assert(strstr(error.text, "could not be found"), "%s", error.text);
}

Test(truth, samples_answer_for_their_own_times) {
    const double times[] = {0, 0.1, 0.2, 0.3, 0.4}, y[] = {1, 2, 3, 5, 8};
    const struct truth truth = truth_samples(5, times, y, 1);
    const double asked[] = {0.2, 0.4}, other[] = {0.2, 0.35};
    double found[2], off;
    struct error error;
    cr_assert(truth.at(&truth, y, 0, 2, asked, found, &off, &error), "%s", error.text);
    cr_assert(found[0] == 3 && found[1] == 8);
    cr_assert_not(truth.at(&truth, y, 0, 2, other, found, &off, &error));
    cr_assert(strstr(error.text, "no sample at t = 0.35"), "%s", error.text);
    cr_assert_not(truth.at(&truth, y + 1, 0, 2, asked, found, &off, &error));
    cr_assert(strstr(error.text, "does not begin with"), "%s", error.text);
}

/* ---- decisions on numbers ------------------------------------------------------------------ */

enum { GRIDS = 11, TRAINED = 4 };

/* Curves with the floor `floor`, errors constant h^order on top and, for the trained scheme, the
 * error `own` at dt. */
static struct convergence synthetic(double floor, double own) {
    struct convergence c = {.dt = 0.1,
                            .size = 3,
                            .resolution = 1e-13,
                            .grid_count = GRIDS,
                            .trained = TRAINED,
                            .reference = 3,
                            .floor = floor,
                            .curve_count = SCHEMES};
    find_schemes();
    for (int k = 0; k < GRIDS; k++) {
        c.h[k] = 0.1 * ldexp(1, TRAINED - k);
    }
    for (int i = 0; i < SCHEMES; i++) {
        struct convergence_curve *curve = &c.curve[i];
        curve->scheme = schemes[i];
        curve->expected = (struct order_expectation){schemes[i]->order, ""};
        curve->tail = schemes[i]->order + 0.01;
        curve->gap = floor / 1000;
        curve->spread = floor / 500;
        for (int k = 0; k < GRIDS; k++) {
            curve->error[k] = floor + 0.2 * pow(c.h[k], schemes[i]->order);
        }
    }
    c.curve[1].error[TRAINED] = own;
    return c;
}

static enum dynamics_state state_of(const struct convergence *c, double noise, double target) {
    struct verdict_dynamics verdict;
    verdict_dynamics(c,
                     &(struct verdict_dynamics_options){schemes[1], .noise = noise,
                                                        .target = target},
                     &verdict);
    cr_assert_eq(strncmp(verdict.text, dynamics_state_names[verdict.state],
                         strlen(dynamics_state_names[verdict.state])),
                 0, "%s", verdict.text);
    return verdict.state;
}

Test(verdict_dynamics, a_flat_curve_passes_and_twice_the_error_is_the_limit) {
    struct convergence c = synthetic(1e-3, 1.1e-3);
    c.curve[1].error[TRAINED + 1] = 2.19e-3;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
    c.curve[1].error[TRAINED + 1] = 2.21e-3;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_V);
    c.curve[1].error[TRAINED - 1] = 1; /* errors above dt are the scheme's */
    c.curve[1].error[TRAINED + 1] = 1e-3;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
}

Test(verdict_dynamics, a_floor_above_twice_the_trained_error_fails) {
    struct convergence c = synthetic(1e-2, 1e-4);
    struct verdict_dynamics verdict;
    verdict_dynamics(&c, &(struct verdict_dynamics_options){schemes[1], NAN, NAN}, &verdict);
    cr_assert_eq(verdict.state, DYNAMICS_FAIL_V);
    cr_assert_float_eq(verdict.ratio, 100, 1e-9);
    cr_assert_float_eq(verdict.worst_h, 0.05, 1e-12);
    cr_assert(strstr(verdict.text, "105 times as much, above"), "%s", verdict.text);
    c = synthetic(2.001e-4, 1e-4);
    for (int k = TRAINED + 1; k < GRIDS; k++) {
        c.curve[1].error[k] = 1e-4;
    }
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_V);
    c.floor = 1.999e-4;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
    c.floor = INFINITY;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_V);
}

Test(verdict_dynamics, noise_of_other_seeds_excuses_what_it_explains) {
    struct convergence c = synthetic(5e-3, 1e-3);
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_V);
    cr_assert_eq(state_of(&c, 4e-3, NAN), DYNAMICS_PASS);
    cr_assert_eq(state_of(&c, 2e-3, NAN), DYNAMICS_FAIL_V);
}

Test(verdict_dynamics, a_bad_fit_is_said_to_be_one) {
    struct convergence c = synthetic(0.4, 0.35); /* the size is 3 */
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_UNDER);
    cr_assert_eq(state_of(&c, NAN, 0.36), DYNAMICS_PASS);
    c = synthetic(0.4, 0.01);
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_V);
    cr_assert_eq(state_of(&c, NAN, 0.005), DYNAMICS_FAIL_UNDER);
    c = synthetic(0.01, 0.4); /* the scheme is coarse, the field right */
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
    c = synthetic(NAN, NAN);
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_FAIL_UNDER);
}

Test(verdict_dynamics, schemes_without_a_common_limit_leave_it_open) {
    struct convergence c = synthetic(1e-3, 1.1e-3);
    c.curve[2].gap = 0.9e-4;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
    c.curve[2].gap = 1.1e-4; /* more than a tenth of the floor */
    c.curve[2].spread = 1.0e-4;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_OPEN);
    c.curve[2].spread = 1.2e-4; /* it moves as its order says */
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_PASS);
    c.curve[2].tail = 1.6; /* it does not */
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_OPEN);
    c.curve[2].tail = NAN;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_OPEN);
    cr_assert_eq(state_of(&c, 2e-4, NAN), DYNAMICS_PASS);
    c = synthetic(1e-3, 1.1e-3);
    c.curve[3].spread = 2e-4; /* the reference has not arrived */
    c.curve[3].tail = 1;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_OPEN);
}

Test(verdict_dynamics, a_scheme_beyond_its_range_at_dt_leaves_it_open) {
    struct convergence c = synthetic(0.01, 0.4); /* the target is 0.3 */
    c.curve[1].error[TRAINED + 1] = 1;
    cr_assert_eq(state_of(&c, NAN, NAN), DYNAMICS_OPEN);
    cr_assert_eq(state_of(&c, NAN, 0.5), DYNAMICS_FAIL_V, "an error that was fitted");
    const struct system system = system_named("arenstorf");
    const struct ode_field field = system_field(&system);
    struct convergence_problem *problem = problem_of(&system, 0.01, 3.36, system.y0, 1);
    measure(problem, &field, &c);
    cr_assert_eq(judge(&c, "euler").state, DYNAMICS_OPEN, "%s", judge(&c, "euler").text);
    cr_assert_eq(judge(&c, "rk4").state, DYNAMICS_PASS, "%s", judge(&c, "rk4").text);
    convergence_problem_free(problem);
}

Test(convergence, noise_is_the_deviation_of_the_seeds) {
    const struct system system = system_named("oscillator");
    struct linear seeds[3] = {{0.01, 1}, {-0.02, 1.01}, {0.005, 0.98}};
    struct ode_field fields[3];
    struct convergence_problem *problem = problem_of(&system, 0.1, 1.6, system.y0, 1);
    const struct tableau *const scheme = tableau_find("rk4", NULL);
    double ends[6], mean[2] = {0}, sum = 0, noise;
    struct error error;
    for (int k = 0; k < 3; k++) {
        fields[k] = (struct ode_field){"seed", 2, linear_value, NULL, &seeds[k]};
        cr_assert(convergence_ends(problem, &fields[k], scheme, problem->trained, NULL,
                                   ends + 2 * k, &error));
        mean[0] += ends[2 * k] / 3;
        mean[1] += ends[2 * k + 1] / 3;
        /* y = e^(re t) (cos, -sin; ...) y0 with y0 = (0, 1), to rk4's error */
        cr_assert_float_eq(ends[2 * k], exp(1.6 * seeds[k].re) * sin(1.6 * seeds[k].im), 1e-5);
    }
    for (int i = 0; i < 6; i++) {
        sum += pow(ends[i] - mean[i % 2], 2);
    }
    cr_assert(convergence_noise(problem, fields, 3, scheme, NULL, &noise, &error));
    cr_assert_float_eq(noise, sqrt(sum / 2), 1e-14);
    cr_assert_gt(noise, 0.02);
    convergence_problem_free(problem);
}
