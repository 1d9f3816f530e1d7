#include <complex.h>
#include <criterion/criterion.h>
#include <math.h>

#include "ode/adams_growth.h"
#include "ode/stability.h"

static const struct tableau *find(const char *name) {
    struct error error;
    const struct tableau *scheme = tableau_find(name, &error);
    cr_assert_not_null(scheme, "%s", error.text);
    return scheme;
}

Test(stability, function_of_the_classic_schemes_is_the_truncated_exponential) {
    static const struct {
        const char *name;
        int order;
    } cases[] = {{"euler", 1},  {"midpoint", 2}, {"heun2", 2},
                 {"kutta3", 3}, {"rk4", 4},      {"rk4_38", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double x = -1.3127, y = 0.8733;
        double re = 1, im = 0, term_re = 1, term_im = 0;
        for (int k = 1; k <= cases[i].order; k++) {
            const double next = (term_re * x - term_im * y) / k;
            term_im = (term_re * y + term_im * x) / k;
            term_re = next;
            re += term_re;
            im += term_im;
        }
        double u = x, v = y;
        stability_function(find(cases[i].name), &u, &v);
        cr_expect_float_eq(u, re, 1e-14, "%s: %.17g", cases[i].name, u - re);
        cr_expect_float_eq(v, im, 1e-14, "%s: %.17g", cases[i].name, v - im);
        cr_expect_float_eq(stability_growth(find(cases[i].name), x, y), hypot(re, im), 1e-14);
    }
}

Test(stability, every_scheme_approximates_the_exponential_to_its_order) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *scheme = tableau_at(i);
        double error[2];
        for (int j = 0; j < 2; j++) {
            const double h = j ? 0.35 : 0.7, x = -0.6 * h, y = 0.8 * h;
            double re = x, im = y;
            stability_function(scheme, &re, &im);
            error[j] = hypot(re - exp(x) * cos(y), im - exp(x) * sin(y));
        }
        const double order = log2(error[0] / error[1]) - 1;
        cr_expect(order > scheme->order - 0.2, "%s: %g", scheme->name, order);
    }
}

Test(stability, real_interval_of_every_scheme_ends_where_the_growth_passes_one) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *scheme = tableau_at(i);
        cr_expect_leq(stability_growth(scheme, -scheme->stability, 0), 1 + 1e-8, "%s",
                      scheme->name);
        cr_expect_gt(stability_growth(scheme, -scheme->stability - 2e-3, 0), 1, "%s", scheme->name);
    }
}

Test(stability, growth_that_overflows_is_infinite) {
    cr_expect_eq(stability_growth(find("rk4"), 1e200, -1e200), (double)INFINITY);
    cr_expect_eq(stability_growth(find("rk4"), (double)NAN, 0), (double)INFINITY);
    cr_expect_eq(stability_growth(find("rk4"), 0, 0), 1);
}

#define NEAR(x, y, slack) cr_assert_lt(cabs((x) - (y)), slack, "%.17g%+.17gi", creal(x), cimag(x))

Test(stability, polynomials_are_those_of_the_exponential_up_to_the_order) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const scheme = tableau_at(i);
        const struct stability stability = stability_of(scheme);
        double factorial = 1, size = 0; /* of the weights, which cancel */
        for (int j = 0; j < scheme->stages; j++) {
            size += fabs(scheme->bv[j]);
        }
        cr_assert_leq(stability.p_degree, scheme->stages);
        for (int k = 0; k <= scheme->order; k++) {
            factorial *= k > 1 ? k : 1;
            cr_assert_float_eq(stability.p[k] * factorial, 1, 1e-12 * size, "%s, z^%d",
                               scheme->name, k);
        }
    }
}

Test(stability, one_step_on_a_linear_equation_multiplies_by_it) {
    const struct tableau *const scheme = tableau_find("dopri54", NULL);
    const struct stability stability = stability_of(scheme);
    const double complex z = CMPLX(-0.7, 1.3);
    double complex k[TABLEAU_STAGES_MAX], y = 1;
    for (int i = 0; i < scheme->stages; i++) {
        double complex stage = 1;
        for (int j = 0; j < i; j++) {
            stage += scheme->av[i][j] * k[j];
        }
        k[i] = z * stage;
        y += scheme->bv[i] * k[i];
    }
    NEAR(stability_at(&stability, z), y, 1e-14);
    const double d = 1e-6;
    NEAR(stability_slope(&stability, z),
         (stability_at(&stability, z + d) - stability_at(&stability, z - d)) / (2 * d), 1e-8);
}

Test(stability, the_boundary_has_modulus_one_and_meets_the_known_intervals) {
    /* Real interval, and for rk4 the imaginary one 2 sqrt(2): Hairer, Wanner 1996, IV.2. */
    static const struct {
        const char *name;
        double real, imaginary;
    } known[] = {{"euler", 2, 0},
                 {"midpoint", 2, 0},
                 {"rk4", 2.785293563405282, 2.8284271247},
                 {"rk4_38", 2.785293563405282, 2.8284271247}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double complex z[4000];
        struct stability stability;
        cr_assert(stability_find(known[i].name, &stability, NULL));
        const int count = stability_boundary(&stability, 4000, z);
        double left = 0, crossing = 0;
        cr_assert_gt(count, 500);
        NEAR(z[0], 0, 1e-15);
        NEAR(z[count - 1], 0, 1e-15);
        for (int k = 0; k < count; k++) {
            cr_assert_float_eq(cabs(stability_at(&stability, z[k])), 1, 1e-12);
            if (fabs(cimag(z[k])) < 1e-2) {
                left = fmin(left, creal(z[k]));
            }
            if (fabs(creal(z[k])) < 1e-2) {
                crossing = fmax(crossing, cimag(z[k]));
            }
        }
        cr_assert_float_eq(left, -known[i].real, 1e-4, "%s: %g", known[i].name, left);
        if (known[i].imaginary > 0) {
            cr_assert_float_eq(crossing, known[i].imaginary, 2e-2, "%s", known[i].name);
        }
    }
}

Test(stability, growth_of_adams_formulas_is_that_of_their_recurrence) {
    for (int order = ADAMS_LEAST; order <= ADAMS_MOST; order++) {
        const struct adams *formula = adams_at(order);
        const double complex z = CMPLX(-0.31, 0.57);
        double complex y[64] = {1, 0.3, -0.7, 0.2, 0.9}; /* excites every root */
        double before = 0;
        for (int n = order; n < 64; n++) {
            y[n] = y[n - 1];
            for (int j = 0; j < order; j++) {
                y[n] += z * formula->value[j] * y[n - 1 - j];
            }
            before = n == 33 ? cabs(y[n]) : before;
        }
        const double seen = pow(cabs(y[63]) / before, 1.0 / 30);
        cr_expect_float_eq(adams_growth(formula, creal(z), cimag(z)), seen, 0.03 * seen, "%s: %g",
                           formula->name, seen);
        cr_expect_leq(adams_growth(formula, -formula->stability, 0), 1 + 1e-9, "%s", formula->name);
        cr_expect_gt(adams_growth(formula, -1.02 * formula->stability, 0), 1, "%s", formula->name);
        cr_expect_float_eq(adams_growth(formula, 0, 0), 1, 1e-9);
        cr_expect(adams_growth(formula, 1e200, 0) > 1e6);
    }
}
