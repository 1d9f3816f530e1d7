/* The pendulum, by its angle and by its place in the plane. Both have the closed form of the angle
 * (NUMERICS.md eq. 92, 93). */
#include <float.h>
#include <math.h>
#include <tgmath.h>

#include "ode/elliptic.h"
#include "ode/system_build.h"

/* ---- the solution -------------------------------------------------------------------------- */

static const long double pi = 3.14159265358979323846264338327950288L;

/* Angle and speed after `time`, from `angle` in [-pi, pi] and `speed`; w = sqrt(g / l). k is the
 * sine of half the greatest angle of a pendulum that swings, and above 1 for one that goes round;
 * sin(angle / 2) = k sn(w t), or sin am(k w t). */
static void swing(long double w, long double angle, long double speed, long double time,
                  long double out[2]) {
    const long double s = sin(angle / 2), c = cos(angle / 2), r = speed / (2 * w);
    const long double k = sqrt(s * s + r * r), excess = (c - fabs(r)) * (c + fabs(r));
    if (k < LDBL_MIN) { /* hangs still */
        out[0] = angle;
        out[1] = speed;
    } else if (excess > 0) {
        const long double kc = sqrt(excess), sn = s / k, cn = r / k;
        long double u = sn * elliptic_rf(cn * cn, c * c, 1);
        if (cn < 0) {
            u = (sn < 0 ? -2 : 2) * elliptic_quarter(kc) - u;
        }
        const struct elliptic e = elliptic_at(w * time + u, k, kc);
        out[0] = 2 * atan2(k * e.sn, e.dn);
        out[1] = 2 * w * k * e.cn;
    } else if (excess < 0) {
        const long double way = r < 0 ? -1 : 1, kc = sqrt(-excess) / k;
        const long double u = way * s * elliptic_rf(c * c, r * r / (k * k), 1);
        const struct elliptic e = elliptic_at(k * w * time + u, 1 / k, kc);
        out[0] = way * 2 * e.am;
        out[1] = way * 2 * w * k * e.dn;
    } else { /* just reaches the top, in all time there is */
        const long double way = r < 0 ? -1 : 1;
        const long double x = w * time + way * asinh(s / fmax(c, LDBL_MIN));
        out[0] = c > 0 ? way * 2 * atan(sinh(x)) : angle;
        out[1] = c > 0 ? way * 2 * w / cosh(x) : 0;
    }
}

/* The same for any angle. */
static void pendulum_after(long double w, const long double start[2], long double time,
                           long double out[2]) {
    const long double turns = rint(start[0] / (2 * pi));
    swing(w, start[0] - turns * 2 * pi, start[1], time, out);
    out[0] += turns * 2 * pi;
}

/* ---- by its angle -------------------------------------------------------------------------- */

struct pendulum {
    double gravity, length;
};

#define PARAMETERS(name)                                                                           \
    static const struct option name##_options[] = {                                                \
        SYSTEM_PARAMETER(name, gravity, "9.81", 1e-9, 1e9, "acceleration of fall, m/s^2"),         \
        SYSTEM_PARAMETER(name, length, "1", 1e-9, 1e9, "of the rod, m"),                           \
    }

PARAMETERS(pendulum);

/* clang-format off */
SYSTEM_FIELD(pendulum, 2, {
    dy[0] = y[1];
    dy[1] = -(REAL)p->gravity / p->length * sin(y[0]);
})
SYSTEM_PULL(pendulum, 2, {
    ybar[0] = -p->gravity / p->length * cos(y[0]) * a[1];
    ybar[1] = a[0];
})
/* clang-format on */

static bool pendulum_exact(const void *parameters, double t0, const double *y0, double t,
                           double *y) {
    const struct pendulum *p = parameters;
    const long double start[2] = {y0[0], y0[1]};
    long double end[2];
    pendulum_after(sqrt((long double)p->gravity / p->length), start, (long double)t - t0, end);
    y[0] = (double)end[0];
    y[1] = (double)end[1];
    return true;
}

/* Energy by the moment of inertia, l^2 times the unit of mass. */
static double pendulum_energy(const void *parameters, const double *y) {
    const struct pendulum *p = parameters;
    return y[1] * y[1] / 2 - p->gravity / p->length * cos(y[0]);
}

const struct system_type system_pendulum = {
    .name = "pendulum",
    .help = "theta'' = -(g/l) sin theta, released at three quarters of a half turn",
    .source = "closed form: Abramowitz and Stegun 1964, chapter 16",
    .n = 2,
    .components = {"theta", "speed"},
    .autonomous = true,
    .options = pendulum_options,
    .option_count = sizeof pendulum_options / sizeof *pendulum_options,
    .y0 = {0.75 * M_PI, 0},
    .t1 = "10",
    .value = pendulum_value,
    .pull = pendulum_pull,
    .fine = pendulum_fine,
    .exact = pendulum_exact,
    .invariant = pendulum_energy,
};

/* ---- by its place -------------------------------------------------------------------------- */

struct cartesian_pendulum {
    double gravity, length;
};

PARAMETERS(cartesian_pendulum);

/* Gravity pulls along x, theta is counted from there: x = l cos theta, y = l sin theta. The rod's
 * force keeps the length when it is l and the speed across when it is. */
/* clang-format off */
SYSTEM_FIELD(cartesian_pendulum, 4, {
    const REAL l = p->length, rod = (y[2] * y[2] + y[3] * y[3] + p->gravity * y[0]) / (l * l);
    dy[0] = y[2];
    dy[1] = y[3];
    dy[2] = p->gravity - rod * y[0];
    dy[3] = -rod * y[1];
})
SYSTEM_PULL(cartesian_pendulum, 4, {
    const double square = p->length * p->length;
    const double rod = (y[2] * y[2] + y[3] * y[3] + p->gravity * y[0]) / square;
    const double along = -(a[2] * y[0] + a[3] * y[1]) / square; /* by the rod's numerator */
    ybar[0] = -rod * a[2] + along * p->gravity;
    ybar[1] = -rod * a[3];
    ybar[2] = a[0] + along * 2 * y[2];
    ybar[3] = a[1] + along * 2 * y[3];
})
/* clang-format on */

/* Only a state on the circle that moves along it has the angle's solution. What rounding a state
 * to doubles takes it off is let pass. */
static bool cartesian_pendulum_exact(const void *parameters, double t0, const double *y0, double t,
                                     double *y) {
    const struct cartesian_pendulum *p = parameters;
    const long double l = p->length, fuzz = 8 * (long double)DBL_EPSILON;
    const long double radius = hypot((long double)y0[0], (long double)y0[1]);
    const long double across = (long double)y0[0] * y0[2] + (long double)y0[1] * y0[3];
    const long double speed = hypot((long double)y0[2], (long double)y0[3]);
    if (fabs(radius - l) > fuzz * l || fabs(across) > fuzz * l * speed) {
        return false;
    }
    const long double start[2] = {atan2((long double)y0[1], (long double)y0[0]),
                                  ((long double)y0[0] * y0[3] - (long double)y0[1] * y0[2]) /
                                      (radius * radius)};
    long double end[2];
    pendulum_after(sqrt((long double)p->gravity / l), start, (long double)t - t0, end);
    const long double c = cos(end[0]), s = sin(end[0]);
    y[0] = (double)(l * c);
    y[1] = (double)(l * s);
    y[2] = (double)(-l * s * end[1]);
    y[3] = (double)(l * c * end[1]);
    return true;
}

/* Half the square of the speed, less gravity times the way down. */
static double cartesian_pendulum_energy(const void *parameters, const double *y) {
    const struct cartesian_pendulum *p = parameters;
    return (y[2] * y[2] + y[3] * y[3]) / 2 - p->gravity * y[0];
}

const struct system_type system_cartesian_pendulum = {
    .name = "cartesian_pendulum",
    .help = "the pendulum by its place, held on the circle by the rod's force alone; x points down",
    .source = "Queiruga, Erichson, Taylor, Mahoney 2020, with their code",
    .n = 4,
    .components = {"x", "y", "vx", "vy"},
    .autonomous = true,
    .options = cartesian_pendulum_options,
    .option_count = sizeof cartesian_pendulum_options / sizeof *cartesian_pendulum_options,
    .y0 = {-M_SQRT1_2, M_SQRT1_2, 0, 0},
    .t1 = "5",
    .value = cartesian_pendulum_value,
    .pull = cartesian_pendulum_pull,
    .fine = cartesian_pendulum_fine,
    .exact = cartesian_pendulum_exact,
    .near = true,
    .invariant = cartesian_pendulum_energy,
};
