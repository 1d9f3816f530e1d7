/* What a one-step fit of a linear system learns, and eigenvalues. */
#include <criterion/criterion.h>
#include <math.h>

#include "base/rng.h"
#include "ode/system.h"
#include "study/spectrum.h"

#define NEAR(x, y, slack) cr_assert_lt(cabs((x) - (y)), slack, "%.17g%+.17gi", creal(x), cimag(x))

/* A one-step fit of u' = i u: the table of the literature on learned dynamics, T = 2. */
Test(spectrum, learned_eigenvalues_of_the_oscillator_are_the_closed_form) {
    static const struct {
        const char *name;
        double dt, re, im, off, floor, half, twice, digit; /* digit: of re and im */
    } rows[] = {
        {"euler", 0.1, -0.049958, 0.998334, 5.00e-2, 9.51e-2, 4.88e-2, 1.05e-1, 5e-7},
        {"euler", 0.05, -0.024995, 0.999583, 2.50e-2, 4.88e-2, 2.47e-2, 5.12e-2, 5e-7},
        {"midpoint", 0.1, -0.000124, 0.998347, 1.66e-3, 3.32e-3, 2.49e-3, 9.96e-3, 1e-6},
        {"rk4", 0.4, 0.000070, 1.000201, 2.13e-4, 4.26e-4, 4.00e-4, 0, 1e-6},
        {"rk4", 0.1, 7e-8, 1.00000083, 8.33e-7, 1.67e-6, 1.56e-6, 2.50e-5, 5e-9},
        {"trapezoid", 0.1, 0, 1.000834, 8.34e-4, 1.67e-3, 1.25e-3, 4.98e-3, 5e-7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stability stability;
        struct error error;
        double complex mu;
        const double dt = rows[i].dt, complex_part = rows[i].digit;
        const int steps = (int)lround(2 / dt);
        cr_assert(stability_find(rows[i].name, &stability, &error));
        cr_assert(spectrum_learned(&stability, CMPLX(0, 1), dt, &mu, &error), "%s", error.text);
        cr_assert_float_eq(creal(mu), rows[i].re, complex_part, "%s: %.9g", rows[i].name,
                           creal(mu));
        cr_assert_float_eq(cimag(mu), rows[i].im, complex_part, "%s: %.9g", rows[i].name,
                           cimag(mu));
        const double found[] = {
            cabs(mu - CMPLX(0, 1)), spectrum_error(&stability, mu, CMPLX(0, 1), 2, 0),
            spectrum_error(&stability, mu, CMPLX(0, 1), dt / 2, 2 * steps),
            spectrum_error(&stability, mu, CMPLX(0, 1), 2 * dt, steps / 2)};
        const double wanted[] = {rows[i].off, rows[i].floor, rows[i].half, rows[i].twice};
        for (int k = 0; k < 4; k++) {
            /* Three digits are printed; T = 2 is no whole number of 0.8. */
            if (wanted[k] > 0) {
                cr_assert_float_eq(found[k] / wanted[k], 1, 6e-3, "%s %g, column %d: %.4g",
                                   rows[i].name, dt, k, found[k]);
            }
        }
        cr_assert_lt(spectrum_error(&stability, mu, CMPLX(0, 1), dt, steps), 1e-13);
    }
}

Test(spectrum, the_bias_falls_with_the_order_of_the_scheme) {
    static const struct {
        const char *name;
        double slope;
    } rows[] = {{"euler", 1}, {"midpoint", 2}, {"rk4", 4}, {"trapezoid", 2}, {"backward_euler", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stability stability;
        double complex coarse, fine;
        struct error error;
        cr_assert(stability_find(rows[i].name, &stability, &error));
        cr_assert(spectrum_learned(&stability, CMPLX(-0.1, 1), 0.08, &coarse, &error));
        cr_assert(spectrum_learned(&stability, CMPLX(-0.1, 1), 0.04, &fine, &error));
        const double slope =
            log2(cabs(coarse - CMPLX(-0.1, 1)) / cabs(fine - CMPLX(-0.1, 1)));
        cr_assert_float_eq(slope, rows[i].slope, 0.05, "%s: %.4f", rows[i].name, slope);
    }
}

Test(spectrum, a_step_too_large_is_refused) {
    /* Midpoint's R = 1 + z + z^2/2 has no zero slope but at z = -1, where R = 1/2: on the way to
     * exp(-3) along the real line the branch ends there. */
    struct stability stability;
    struct error error;
    double complex mu;
    cr_assert(stability_find("midpoint", &stability, &error));
    cr_assert(spectrum_learned(&stability, -1, 0.5, &mu, &error), "%s", error.text);
    cr_assert_not(spectrum_learned(&stability, -1, 3, &mu, &error));
    cr_assert(strstr(error.text, "the step is too large"), "%s", error.text);
    cr_assert_not(stability_find("mid", &stability, &error));
}

Test(spectrum, eigenvalues_of_a_companion_matrix_are_the_roots) {
    /* (x - 3)(x + 2)(x^2 + 2x + 5)(x - 0.25): roots 3, -2, -1 +- 2i, 0.25. */
    const double complex roots[] = {CMPLX(-1, 2), 3, 0.25, -2, CMPLX(-1, -2)};
    double complex product[6] = {1}; /* of the monic polynomial, highest first */
    for (int k = 0; k < 5; k++) {
        for (int i = k + 1; i >= 1; i--) {
            product[i] -= roots[k] * product[i - 1];
        }
    }
    double a[25] = {0};
    for (int i = 0; i < 5; i++) {
        a[i] = -creal(product[i + 1]);
        if (i < 4) {
            a[(i + 1) * 5 + i] = 1;
        }
    }
    double complex found[5];
    struct error error;
    cr_assert(spectrum_eigenvalues(5, a, found, &error), "%s", error.text);
    for (int k = 0; k < 5; k++) {
        NEAR(found[k], roots[k], 1e-12);
    }
}

Test(spectrum, eigenvalues_of_random_matrices_have_its_trace_and_that_of_its_square) {
    enum { N = 12 };
    for (int round = 0; round < 20; round++) {
        double a[N * N];
        double complex found[N], sum = 0, squares = 0;
        double trace = 0, trace_squared = 0;
        struct error error;
        for (int i = 0; i < N * N; i++) {
            a[i] = rng_normal(7, rng_stream("matrix"), (uint64_t)(round * N * N + i));
        }
        cr_assert(spectrum_eigenvalues(N, a, found, &error), "%s", error.text);
        for (int i = 0; i < N; i++) {
            sum += found[i];
            squares += found[i] * found[i];
            trace += a[i * N + i];
            for (int j = 0; j < N; j++) {
                trace_squared += a[i * N + j] * a[j * N + i];
            }
        }
        NEAR(sum, trace, 1e-11);
        NEAR(squares, trace_squared, 1e-10);
    }
    double permutation[9] = {0, 0, 1, 1, 0, 0, 0, 1, 0}; /* cube roots of 1 */
    double complex found[3];
    struct error error;
    cr_assert(spectrum_eigenvalues(3, permutation, found, &error), "%s", error.text);
    NEAR(found[0], CMPLX(-0.5, sqrt(0.75)), 1e-14);
    NEAR(found[1], 1, 1e-14);
    permutation[4] = NAN;
    cr_assert_not(spectrum_eigenvalues(3, permutation, found, &error));
    cr_assert(strstr(error.text, "not finite"));
}

Test(spectrum, a_jacobian_is_the_derivative_of_the_field) {
    struct system system;
    struct error error;
    cJSON *config = cJSON_Parse("{\"name\":\"lorenz\"}");
    cr_assert(system_read(&system, config, "test", NULL, &error), "%s", error.text);
    cJSON_Delete(config);
    struct ode_field field = system_field(&system);
    const double y[3] = {1.3, -0.7, 21.5}, d = 1e-6;
    double a[9];
    cr_assert(spectrum_jacobian(&field, 0.25, y, a, &error), "%s", error.text);
    for (int j = 0; j < 3; j++) {
        double up[3], down[3], at[3] = {y[0], y[1], y[2]};
        const double t = 0.25;
        at[j] = y[j] + d;
        field.value(field.context, 1, &t, at, up);
        at[j] = y[j] - d;
        field.value(field.context, 1, &t, at, down);
        for (int i = 0; i < 3; i++) {
            cr_assert_float_eq(a[i * 3 + j], (up[i] - down[i]) / (2 * d), 1e-7);
        }
    }
    field.pull = NULL;
    cr_assert_not(spectrum_jacobian(&field, 0, y, a, &error));
    cr_assert(strstr(error.text, "no derivatives"));
}
