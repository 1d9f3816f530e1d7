/* Flows: two species, a convecting layer, a double gyre. */
#include <math.h>
#include <tgmath.h>

#include "ode/system_build.h"

/* ---- Lotka-Volterra ------------------------------------------------------------------------ */

struct lotka_volterra {
    double birth, predation, growth, death;
};

static const struct option lotka_volterra_options[] = {
    SYSTEM_PARAMETER(lotka_volterra, birth, "1.5", 0, 1e6, "of prey, 1/s"),
    SYSTEM_PARAMETER(lotka_volterra, predation, "1", 0, 1e6, "of prey by one predator, 1/s"),
    SYSTEM_PARAMETER(lotka_volterra, growth, "1", 0, 1e6, "of predators by one prey, 1/s"),
    SYSTEM_PARAMETER(lotka_volterra, death, "3", 0, 1e6, "of predators, 1/s"),
};

/* clang-format off */
SYSTEM_FIELD(lotka_volterra, 2, {
    dy[0] = (p->birth - p->predation * y[1]) * y[0];
    dy[1] = (p->growth * y[0] - p->death) * y[1];
})
SYSTEM_PULL(lotka_volterra, 2, {
    ybar[0] = (p->birth - p->predation * y[1]) * a[0] + p->growth * y[1] * a[1];
    ybar[1] = -p->predation * y[0] * a[0] + (p->growth * y[0] - p->death) * a[1];
})
/* clang-format on */

/* Volterra's constant of the motion. */
static double lotka_volterra_constant(const void *parameters, const double *y) {
    const struct lotka_volterra *p = parameters;
    return p->growth * y[0] - p->death * log(y[0]) + p->predation * y[1] - p->birth * log(y[1]);
}

const struct system_type system_lotka_volterra = {
    .name = "lotka_volterra",
    .help = "prey and predators; every solution is periodic",
    .source = "Lotka 1925, Volterra 1926; Hairer, Norsett, Wanner 1993, section I.16",
    .n = 2,
    .components = {"prey", "predators"},
    .autonomous = true,
    .options = lotka_volterra_options,
    .option_count = sizeof lotka_volterra_options / sizeof *lotka_volterra_options,
    .y0 = {1, 1},
    .t1 = "10",
    .value = lotka_volterra_value,
    .pull = lotka_volterra_pull,
    .fine = lotka_volterra_fine,
    .invariant = lotka_volterra_constant,
};

/* ---- Lorenz -------------------------------------------------------------------------------- */

struct lorenz {
    double sigma, rho, beta;
};

static const struct option lorenz_options[] = {
    SYSTEM_PARAMETER(lorenz, sigma, "10", 0, 1e6, "Prandtl's number"),
    SYSTEM_PARAMETER(lorenz, rho, "28", 0, 1e6, "Rayleigh's number by its critical value"),
    SYSTEM_PARAMETER(lorenz, beta, "2.6666666666666667", 0, 1e6, "of the layer's geometry"),
};

/* clang-format off */
SYSTEM_FIELD(lorenz, 3, {
    dy[0] = p->sigma * (y[1] - y[0]);
    dy[1] = (p->rho - y[2]) * y[0] - y[1];
    dy[2] = y[0] * y[1] - p->beta * y[2];
})
SYSTEM_PULL(lorenz, 3, {
    ybar[0] = -p->sigma * a[0] + (p->rho - y[2]) * a[1] + y[1] * a[2];
    ybar[1] = p->sigma * a[0] - a[1] + y[0] * a[2];
    ybar[2] = -y[0] * a[1] - p->beta * a[2];
})
/* clang-format on */

const struct system_type system_lorenz = {
    .name = "lorenz",
    .help = "convection in a layer, chaotic: errors grow by e in 1.1 units of time",
    .source = "Lorenz 1963, J. Atmos. Sci. 20: 130-141",
    .n = 3,
    .components = {"x", "y", "z"},
    .autonomous = true,
    .chaotic = true,
    .options = lorenz_options,
    .option_count = sizeof lorenz_options / sizeof *lorenz_options,
    .y0 = {1, 1, 1},
    .t1 = "10",
    .value = lorenz_value,
    .pull = lorenz_pull,
    .fine = lorenz_fine,
};

/* ---- double gyre --------------------------------------------------------------------------- */

struct double_gyre {
    double amplitude, sway, frequency;
};

static const struct option double_gyre_options[] = {
    SYSTEM_PARAMETER(double_gyre, amplitude, "0.1", -1e6, 1e6, "of the stream function"),
    SYSTEM_PARAMETER(double_gyre, sway, "0.25", 0, 1, "of the line between the gyres"),
    SYSTEM_PARAMETER(double_gyre, frequency, "0.62831853071795865", 0, 1e6,
                     "of the sway, rad/s; customary: a tenth of a turn"),
};

static const long double pi = 3.14159265358979323846264338327950288L;

/* The stream function is A sin(pi f(x, t)) sin(pi y) with f = s x^2 + (1 - 2 s) x and s = sway
 * sin(w t), on [0, 2] x [0, 1]. */
/* clang-format off */
SYSTEM_FIELD(double_gyre, 2, {
    const REAL half_turn = (REAL)pi, size = half_turn * p->amplitude;
    const REAL s = p->sway * sin(p->frequency * t);
    const REAL f = (s * y[0] + 1 - 2 * s) * y[0], slope = 2 * s * y[0] + 1 - 2 * s;
    dy[0] = -size * sin(half_turn * f) * cos(half_turn * y[1]);
    dy[1] = size * cos(half_turn * f) * sin(half_turn * y[1]) * slope;
})
SYSTEM_PULL(double_gyre, 2, {
    const double s = p->sway * sin(p->frequency * t);
    const double f = (s * y[0] + 1 - 2 * s) * y[0], slope = 2 * s * y[0] + 1 - 2 * s;
    const double size = M_PI * p->amplitude;
    const double sf = sin(M_PI * f), cf = cos(M_PI * f);
    const double sy = sin(M_PI * y[1]), cy = cos(M_PI * y[1]);
    ybar[0] = -size * M_PI * cf * slope * cy * a[0] +
              size * (2 * s * cf - M_PI * slope * slope * sf) * sy * a[1];
    ybar[1] = size * M_PI * (sf * sy * a[0] + cf * cy * slope * a[1]);
})
/* clang-format on */

const struct system_type system_double_gyre = {
    .name = "double_gyre",
    .help = "a particle between two gyres whose border sways: non-autonomous, chaotic in part",
    .source = "Shadden, Lekien, Marsden 2005, Physica D 212: 271-304",
    .n = 2,
    .components = {"x", "y"},
    .chaotic = true,
    .options = double_gyre_options,
    .option_count = sizeof double_gyre_options / sizeof *double_gyre_options,
    .y0 = {0.5, 0.25},
    .t1 = "20",
    .value = double_gyre_value,
    .pull = double_gyre_pull,
    .fine = double_gyre_fine,
};
