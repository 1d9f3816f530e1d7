/* Oscillators of one degree of freedom, as (place, speed): the linear one, which has a closed form,
 * Van der Pol's and Duffing's. */
#include <math.h>
#include <tgmath.h>

#include "ode/system_build.h"

/* ---- linear -------------------------------------------------------------------------------- */

struct oscillator {
    double frequency, damping;
};

static const struct option oscillator_options[] = {
    SYSTEM_PARAMETER(oscillator, frequency, "1", 0, 1e6, "of the undamped oscillator, rad/s"),
    SYSTEM_PARAMETER(oscillator, damping, "0", -1e6, 1e6, "force against the speed, 1/s"),
};

/* clang-format off */
SYSTEM_FIELD(oscillator, 2, {
    const REAL w = p->frequency;
    dy[0] = y[1];
    dy[1] = -w * w * y[0] - p->damping * y[1];
})
SYSTEM_PULL(oscillator, 2, {
    ybar[0] = -p->frequency * p->frequency * a[1];
    ybar[1] = a[0] - p->damping * a[1];
})
/* clang-format on */

/* exp(tA) y0 = exp(mt) (cos(qt) + sin(qt) / q (A - m)) y0, where m +- iq are the eigenvalues of A,
 * and hyperbolic functions when they are real. NUMERICS.md eq. 91. */
static bool oscillator_exact(const void *parameters, double t0, const double *y0, double t,
                             double *y) {
    const struct oscillator *p = parameters;
    const long double time = (long double)t - t0, w = p->frequency,
                      m = -(long double)p->damping / 2;
    const long double square = (w - m) * (w + m), q = sqrt(fabs(square));
    long double c = 1, s = time; /* two equal eigenvalues */
    if (square > 0) {
        c = cos(q * time);
        s = sin(q * time) / q;
    } else if (square < 0) {
        c = cosh(q * time);
        s = sinh(q * time) / q;
    }
    const long double x = y0[0], v = y0[1], grown = exp(m * time);
    y[0] = (double)(grown * (c * x + s * (v - m * x)));
    y[1] = (double)(grown * (c * v + s * (m * v - w * w * x)));
    return true;
}

const struct system_type system_oscillator = {
    .name = "oscillator",
    .help = "x'' = -w^2 x - d x', linear: y' = A y with A = [0, 1; -w^2, -d]",
    .source = "Queiruga, Erichson, Taylor, Mahoney 2020, with their code",
    .n = 2,
    .components = {"x", "v"},
    .autonomous = true,
    .options = oscillator_options,
    .option_count = sizeof oscillator_options / sizeof *oscillator_options,
    .y0 = {0, 1},
    .t1 = "50",
    .value = oscillator_value,
    .pull = oscillator_pull,
    .fine = oscillator_fine,
    .exact = oscillator_exact,
};

/* ---- Van der Pol --------------------------------------------------------------------------- */

struct van_der_pol {
    double mu;
};

static const struct option van_der_pol_options[] = {
    SYSTEM_PARAMETER(van_der_pol, mu, "1", 0, 1e4, "how hard the oscillator is held to its cycle"),
};

/* clang-format off */
SYSTEM_FIELD(van_der_pol, 2, {
    dy[0] = y[1];
    dy[1] = p->mu * (1 - y[0] * y[0]) * y[1] - y[0];
})
SYSTEM_PULL(van_der_pol, 2, {
    ybar[0] = (-2 * p->mu * y[0] * y[1] - 1) * a[1];
    ybar[1] = a[0] + p->mu * (1 - y[0] * y[0]) * a[1];
})
/* clang-format on */

const struct system_type system_van_der_pol = {
    .name = "van_der_pol",
    .help = "x'' = mu (1 - x^2) x' - x; stiff for large mu",
    .source = "Van der Pol 1926; Hairer, Norsett, Wanner 1993, section I.16",
    .n = 2,
    .components = {"x", "v"},
    .autonomous = true,
    .options = van_der_pol_options,
    .option_count = sizeof van_der_pol_options / sizeof *van_der_pol_options,
    .y0 = {2, 0},
    .t1 = "20",
    .value = van_der_pol_value,
    .pull = van_der_pol_pull,
    .fine = van_der_pol_fine,
};

/* ---- Duffing, forced ----------------------------------------------------------------------- */

struct duffing {
    double damping, linear, cubic, force, frequency;
};

static const struct option duffing_options[] = {
    SYSTEM_PARAMETER(duffing, damping, "0.3", -1e6, 1e6, "force against the speed"),
    SYSTEM_PARAMETER(duffing, linear, "-1", -1e6, 1e6, "stiffness; negative: two wells"),
    SYSTEM_PARAMETER(duffing, cubic, "1", -1e6, 1e6, "stiffness by the cube of the place"),
    SYSTEM_PARAMETER(duffing, force, "0.5", -1e6, 1e6, "amplitude of the force"),
    SYSTEM_PARAMETER(duffing, frequency, "1.2", 0, 1e6, "of the force, rad/s"),
};

/* clang-format off */
SYSTEM_FIELD(duffing, 2, {
    dy[0] = y[1];
    dy[1] = p->force * cos(p->frequency * t) - p->damping * y[1] -
            (p->linear + p->cubic * y[0] * y[0]) * y[0];
})
SYSTEM_PULL(duffing, 2, {
    ybar[0] = -(p->linear + 3 * p->cubic * y[0] * y[0]) * a[1];
    ybar[1] = a[0] - p->damping * a[1];
})
/* clang-format on */

const struct system_type system_duffing = {
    .name = "duffing",
    .help = "x'' = F cos(w t) - d x' - a x - b x^3: forced, non-autonomous, chaotic",
    .source = "Guckenheimer, Holmes 1983, section 2.2",
    .n = 2,
    .components = {"x", "v"},
    .chaotic = true,
    .options = duffing_options,
    .option_count = sizeof duffing_options / sizeof *duffing_options,
    .y0 = {1, 0},
    .t1 = "20",
    .value = duffing_value,
    .pull = duffing_pull,
    .fine = duffing_fine,
};
