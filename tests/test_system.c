#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "ode/elliptic.h"
#include "ode/extrapolation.h"
#include "ode/system.h"

static struct system make(const char *config) {
    struct system system;
    struct error error = {0};
    cJSON *json = cJSON_Parse(config);
    cr_assert(system_read(&system, json, "test", NULL, &error), "%s", error.text);
    cJSON_Delete(json);
    return system;
}

static void expect_near(const double *have, const double *want, ptrdiff_t n, double tolerance) {
    for (ptrdiff_t i = 0; i < n; i++) {
        cr_expect(fabs(have[i] - want[i]) <= tolerance, "%td: %.17g, not %.17g", i, have[i],
                  want[i]);
    }
}

/* By integration, whatever closed form there is. */
static void integrate(const struct system *system, int columns, const double *y0, double t0,
                      double t, double *y) {
    struct extrapolation e = {.n = (int)system->type->n,
                              .columns = columns,
                              .value = system->type->fine,
                              .context = system->parameters,
                              .t = t0};
    for (int i = 0; i < e.n; i++) {
        e.y[i] = y0[i];
    }
    cr_assert(extrapolation_to(&e, t));
    for (int i = 0; i < e.n; i++) {
        y[i] = (double)e.y[i];
    }
}

/* ---- elliptic functions -------------------------------------------------------------------- */

Test(elliptic, integrals_have_their_known_values) {
    /* Carlson 1995, section 3: R_F(1, 2, 0) and R_F(2, 3, 4). */
    cr_expect_float_eq((double)elliptic_rf(1, 2, 0), 1.3110287771461, 1e-13);
    cr_expect_float_eq((double)elliptic_rf(2, 3, 4), 0.58408284167715, 1e-14);
    /* K = gamma(1/4)^2 / (4 sqrt pi) at the lemniscate's modulus. */
    const long double root = sqrtl(0.5L), gamma = expl(lgammal(0.25L));
    const long double known = gamma * gamma / (4 * sqrtl(acosl(-1)));
    cr_expect(fabsl(elliptic_quarter(root) - known) < 4e-18L);
    cr_expect(fabsl(elliptic_rf(0, 0.5L, 1) - known) < 4e-18L);
}

Test(elliptic, functions_turn_integrals_round) {
    for (int i = 0; i < 400; i++) {
        const long double k = rng_uniform(11, 1, (uint64_t)i), kc = sqrtl((1 - k) * (1 + k));
        const long double phi = (rng_uniform(11, 2, (uint64_t)i) - 0.5L) * 3.1L;
        const long double s = sinl(phi), c = cosl(phi);
        const long double u = s * elliptic_rf(c * c, kc * kc + k * k * c * c, 1);
        const long double turns = floorl(6 * (long double)rng_uniform(11, 3, (uint64_t)i));
        const struct elliptic e = elliptic_at(u + 2 * turns * elliptic_quarter(kc), k, kc);
        cr_expect(fabsl(e.am - phi - turns * acosl(-1)) < 2e-16L, "%Lg at k = %Lg",
                  e.am - phi - turns * acosl(-1), k);
        cr_expect(fabsl(e.sn * e.sn + e.cn * e.cn - 1) < 2e-18L);
        cr_expect(fabsl(e.dn * e.dn + k * k * e.sn * e.sn - 1) < 4e-18L);
        cr_expect(fabsl(sinl(e.am) - e.sn) < 1e-17L);
    }
}

/* ---- closed forms -------------------------------------------------------------------------- */

Test(system, the_pendulum_stands_at_its_known_place) {
    const struct system system = make("{\"name\": \"pendulum\"}");
    /* From the double nearest to 3 pi / 4, in 40 digits (mpmath 1.2), and a value known before. */
    const double want[2] = {-1.51666990447074712369782784726743933147,
                            3.864566857572242260882073123909267681641};
    const double known[2] = {-1.5166699044711862, 3.8645668575713397};
    double y[2];
    cr_assert(system_exact(&system, system.y0, 0, 2, y));
    expect_near(y, want, 2, 9e-16);
    expect_near(y, known, 2, 1e-12);
    integrate(&system, 8, system.y0, 0, 2, y);
    expect_near(y, want, 2, 9e-16);
}

/* Swinging, going round both ways, turned several times, near the top, at rest. */
static const double pendulum_starts[][2] = {
    {0.3, -0.7}, {-2.9, 0.4},   {2.9, 1.7},          {1.1, 7.3},      {-2.2, -6.6},
    {21.3, 0.9}, {-30.1, -9.2}, {3.1415926, 0},      {1e-9, 3e-10},   {0.4, 6.1355},
    {2.5, -1.9}, {-1.4, 1e-12}, {1.23456789, -4.75}, {0, 2 * 3.1321}, {-3.0, 12.0},
};

Test(system, closed_forms_are_what_integration_gives) {
    for (int form = 0; form < 4; form++) {
        static const char *const configs[] = {
            "{\"name\": \"pendulum\"}",
            "{\"name\": \"pendulum\", \"gravity\": 3.1, \"length\": 0.7}",
            "{\"name\": \"cartesian_pendulum\"}",
            "{\"name\": \"cartesian_pendulum\", \"gravity\": 1.62, \"length\": 2.3}"};
        const struct system system = make(configs[form]);
        for (int i = 0; i < (int)(sizeof pendulum_starts / sizeof *pendulum_starts); i++) {
            const double *start = pendulum_starts[i], l = system.parameters[1];
            double y0[4] = {start[0], start[1]}, exact[4], fine[4];
            if (form >= 2) {
                const double place[4] = {l * cos(start[0]), l * sin(start[0]),
                                         -l * sin(start[0]) * start[1],
                                         l * cos(start[0]) * start[1]};
                memcpy(y0, place, sizeof y0);
            }
            for (int k = 0; k < 3; k++) {
                const double t = (double[]){0.37, 2.71, -1.83}[k];
                cr_assert(system_exact(&system, y0, 0.25, 0.25 + t, exact));
                integrate(&system, 9, y0, 0.25, 0.25 + t, fine);
                double size = fmax(1, fabs(exact[0]) + fabs(exact[1]));
                /* rounding a place to doubles moves it off the circle, near the top most */
                expect_near(exact, fine, system.type->n, (form < 2 ? 4e-15 : 1e-11) * size);
            }
        }
    }
}

Test(system, the_pendulum_keeps_its_place_for_long_and_on_the_way_to_the_top) {
    const struct system pendulum = make("{\"name\": \"pendulum\"}");
    double y[2], fine[2];
    cr_assert(system_exact(&pendulum, pendulum.y0, 0, 200, y));
    integrate(&pendulum, 9, pendulum.y0, 0, 200, fine);
    expect_near(y, fine, 2, 1e-13);
    /* w = 2 and speed 4 at the bottom: theta / 2 = atan sinh(2 t), exactly. */
    const struct system slow = make("{\"name\": \"pendulum\", \"gravity\": 4}");
    for (int way = -1; way <= 1; way += 2) {
        const double y0[2] = {0, way * 4.0};
        for (int k = -3; k <= 6; k++) {
            const double t = 0.7 * k;
            const double want[2] = {way * 2 * atan(sinh(2 * t)), way * 4 / cosh(2 * t)};
            cr_assert(system_exact(&slow, y0, 0, t, y));
            expect_near(y, want, 2, 2e-15);
        }
    }
}

Test(system, the_oscillator_has_its_matrix_exponential) {
    static const struct {
        const char *config;
        double t, y[2];
    } known[] = {
        /* e^{tA} y0 with y0 = (0, 1), in 40 digits (mpmath 1.2). */
        {"{\"name\": \"oscillator\"}", 2, {0.90929742682568169540, -0.41614683654714238700}},
        {"{\"name\": \"oscillator\", \"frequency\": 1, \"damping\": 0.1}",
         3.7,
         {-0.4376297464987032284, -0.68500841577482384585}},
        {"{\"name\": \"oscillator\", \"frequency\": 2.5, \"damping\": -0.3}",
         4.1,
         {-0.53517921517256921072, -1.3599522168483170055}},
        {"{\"name\": \"oscillator\", \"frequency\": 1, \"damping\": 5.0}",
         1.3,
         {0.16593201370254845188, -0.032659963027949463431}},
        {"{\"name\": \"oscillator\", \"frequency\": 0.75, \"damping\": 1.5}",
         2.9,
         {0.32946364564521486062, -0.13348958056314739695}},
        {"{\"name\": \"oscillator\", \"frequency\": 0, \"damping\": 0.4}",
         2.2,
         {1.4630427207960466257, 0.41478291168158131725}},
        {"{\"name\": \"oscillator\", \"frequency\": 0, \"damping\": 0}",
         3.3,
         {3.2999999999999998224, 1.0}},
    };
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        const struct system system = make(known[i].config);
        double y[2], fine[2];
        cr_assert(system_exact(&system, system.y0, 0, known[i].t, y));
        expect_near(y, known[i].y, 2, 4e-16 * fmax(1, fabs(known[i].y[1])));
        integrate(&system, 9, system.y0, 0, known[i].t, fine);
        expect_near(y, fine, 2, 4e-15 * fmax(1, fabs(known[i].y[1])));
    }
}

/* ---- every system of the registry ---------------------------------------------------------- */

Test(system, fields_are_the_same_in_both_precisions_and_pulls_are_their_derivatives) {
    for (int s = 0; s < system_count(); s++) {
        const struct system_type *type = system_at(s);
        char config[80];
        (void)snprintf(config, sizeof config, "{\"name\": \"%s\"}", type->name);
        const struct system system = make(config);
        const struct ode_field field = system_field(&system);
        enum { COUNT = 5 };
        double t[COUNT], y[COUNT * SYSTEM_N_MAX], a[COUNT * SYSTEM_N_MAX];
        double dy[COUNT * SYSTEM_N_MAX], pulled[COUNT * SYSTEM_N_MAX];
        const ptrdiff_t n = field.n;
        for (ptrdiff_t i = 0; i < COUNT * n; i++) {
            y[i] = 0.2 + 1.7 * rng_uniform(5, (uint64_t)s, (uint64_t)i);
            a[i] = rng_normal(6, (uint64_t)s, (uint64_t)i);
            t[i / n] = 3 * rng_uniform(7, (uint64_t)s, (uint64_t)(i / n));
        }
        cr_assert(field.value(field.context, COUNT, t, y, dy));
        cr_assert(field.pull(field.context, COUNT, t, y, a, pulled, 0.5));
        for (ptrdiff_t i = 0; i < COUNT; i++) {
            long double at[SYSTEM_N_MAX], slope[SYSTEM_N_MAX], low[SYSTEM_N_MAX];
            for (ptrdiff_t j = 0; j < n; j++) {
                at[j] = y[i * n + j];
            }
            type->fine(system.parameters, t[i], at, slope);
            for (ptrdiff_t j = 0; j < n; j++) {
                cr_expect(fabs(dy[i * n + j] - (double)slope[j]) <= 1e-14 * fmax(30, fabs(dy[i])));
            }
            for (ptrdiff_t j = 0; j < n; j++) {
                const long double d = 1e-6L, here = at[j];
                long double sum = 0;
                at[j] = here + d;
                type->fine(system.parameters, t[i], at, slope);
                at[j] = here - d;
                type->fine(system.parameters, t[i], at, low);
                at[j] = here;
                for (ptrdiff_t k = 0; k < n; k++) {
                    sum += a[i * n + k] * (slope[k] - low[k]) / (2 * d);
                }
                cr_expect(fabs(pulled[i * n + j] - (double)sum) <= 2e-9 * (1 + fabs((double)sum)),
                          "%s: %g, not %g", type->name, pulled[i * n + j], (double)sum);
            }
        }
    }
}

Test(system, a_solution_keeps_what_it_should) {
    for (int s = 0; s < system_count(); s++) {
        const struct system_type *type = system_at(s);
        char config[80];
        (void)snprintf(config, sizeof config, "{\"name\": \"%s\"}", type->name);
        const struct system system = make(config);
        if (!type->invariant) {
            continue;
        }
        const double first = type->invariant(system.parameters, system.y0);
        for (int k = 1; k <= 8; k++) {
            double y[SYSTEM_N_MAX];
            const double t = system.t1 * k / 7.3;
            struct error error = {0};
            integrate(&system, 9, system.y0, 0, t, y);
            cr_expect(fabs(type->invariant(system.parameters, y) - first) <=
                          (type->n == 4 ? 1e-11 : 2e-14) * fmax(1, fabs(first)),
                      "%s at %g: %g", type->name, t, type->invariant(system.parameters, y) - first);
            cr_assert(system_reference(&system, system.y0, 0, 1, &t, y, &error), "%s", error.text);
        }
    }
}

Test(system, arenstorfs_orbit_closes) {
    const struct system system = make("{\"name\": \"arenstorf\"}");
    double y[4];
    struct error error = {0};
    cr_assert(system_reference(&system, system.y0, 0, 1, &system.t1, y, &error), "%s", error.text);
    /* Rounding the initial speed to a double alone moves the end by 1e-11. */
    expect_near(y, system.y0, 2, 2e-13);
    expect_near(y + 2, system.y0 + 2, 2, 3e-11);
}

/* The same state by formulas of order 12, 14, 16, 18 and 20. */
Test(system, a_reference_does_not_depend_on_the_order_it_is_had_with) {
    for (int s = 0; s < system_count(); s++) {
        char config[80];
        (void)snprintf(config, sizeof config, "{\"name\": \"%s\"}", system_at(s)->name);
        const struct system system = make(config);
        double y[SYSTEM_N_MAX], other[SYSTEM_N_MAX];
        struct error error = {0};
        cr_assert(system_reference(&system, system.y0, system.t0, 1, &system.t1, y, &error), "%s",
                  error.text);
        for (int columns = 6; columns <= 10; columns++) {
            integrate(&system, columns, system.y0, system.t0, system.t1, other);
            expect_near(other, y, system.type->n, 1e-12);
        }
    }
}

Test(system, a_chaotic_reference_says_until_when_it_holds) {
    enum { COUNT = 60 };
    const struct system system = make("{\"name\": \"lorenz\"}");
    double t[COUNT], y[COUNT * 3], again[3];
    ptrdiff_t holds;
    struct error error = {0};
    for (int i = 0; i < COUNT; i++) {
        t[i] = i + 1;
    }
    cr_assert(system_trajectory(&system, system.y0, 0, COUNT, t, y, &holds, &error));
    cr_expect(holds >= 20 && holds <= 32, "%td", holds);
    cr_expect_not(system_reference(&system, system.y0, 0, COUNT, t, y, &error));
    cr_expect(strstr(error.text, "small errors grow"), "%s", error.text);
    /* Where it no longer holds each state still leads to the next. */
    integrate(&system, 8, y + 50 * 3, t[50], t[51], again);
    expect_near(again, y + 51 * 3, 3, 1e-12);
}

Test(system, what_cannot_be_is_refused_by_name) {
    static const struct {
        const char *config, *says;
    } known[] = {
        {"{}", "needs a \"name\""},
        {"{\"name\": \"pendlum\"}", "nearest is \"pendulum\""},
        {"{\"name\": \"pendulum\", \"gravty\": 1}", "nearest is \"gravity\""},
        {"{\"name\": \"pendulum\", \"length\": 0}", "length"},
        {"{\"name\": \"lorenz\", \"y0\": [1, 2]}", "list of 3 numbers (\"x\", \"y\", \"z\")"},
        {"{\"name\": \"lorenz\", \"y0\": [1, 2, true]}", "entry 3"},
        {"{\"name\": \"lorenz\", \"t0\": 3, \"t1\": 3}", "are both 3"},
    };
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        struct system system;
        struct error error = {0};
        cJSON *json = cJSON_Parse(known[i].config);
        cr_expect_not(system_read(&system, json, "test", NULL, &error));
        cr_expect(strstr(error.text, known[i].says), "%s", error.text);
        cJSON_Delete(json);
    }
    /* A spring that pushes ever harder throws its mass to infinity in finite time. */
    const struct system system = make("{\"name\": \"duffing\", \"cubic\": -1, \"force\": 0}");
    const double y0[2] = {2, 3}, t = 50;
    double y[2];
    struct error error = {0};
    cr_expect_not(system_reference(&system, y0, 0, 1, &t, y, &error));
    cr_expect(strstr(error.text, "cannot be followed beyond"), "%s", error.text);
}

Test(system, a_long_time_ends_where_it_is_customary) {
    struct error error;
    struct system system;
    cJSON *config = cJSON_Parse("{\"name\":\"pendulum\",\"t0\":3,\"t1\":203}");
    cr_assert(system_read(&system, config, "test", NULL, &error), "%s", error.text);
    cr_expect_float_eq(system_end(&system), 13, 1e-15);
    cJSON_Delete(config);
    config = cJSON_Parse("{\"name\":\"pendulum\",\"t1\":4}");
    cr_assert(system_read(&system, config, "test", NULL, &error), "%s", error.text);
    cr_expect_float_eq(system_end(&system), 4, 1e-15);
    cJSON_Delete(config);
}

Test(system, a_resolved_system_reads_as_itself) {
    const struct system system =
        make("{\"name\": \"lotka_volterra\", \"death\": 2.75, \"y0\": [0.3, 4.1], \"t1\": -7}");
    cJSON *config = system_write(&system);
    struct system again;
    struct error error = {0};
    cr_assert(system_read(&again, config, "test", NULL, &error), "%s", error.text);
    cr_expect_eq(again.type, system.type);
    cr_expect_arr_eq(again.parameters, system.parameters, 4 * sizeof(double));
    cr_expect_arr_eq(again.y0, system.y0, 2 * sizeof(double));
    cr_expect(again.t1 == -7 && again.parameters[3] == 2.75 && again.y0[1] == 4.1);
    cJSON_Delete(config);
}
