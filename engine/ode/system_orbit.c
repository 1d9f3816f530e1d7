/* A satellite between Earth and Moon, in the frame that turns with them: Arenstorf's periodic orbit
 * of the restricted three-body problem. */
#include <math.h>
#include <tgmath.h>

#include "ode/system_build.h"

struct arenstorf {
    double mu;
};

static const struct option arenstorf_options[] = {
    SYSTEM_PARAMETER(arenstorf, mu, "0.012277471", 1e-9, 0.5, "the Moon's part of the mass"),
};

/* clang-format off */
SYSTEM_FIELD(arenstorf, 4, {
    const REAL earth = p->mu, moon = 1 - earth, xe = y[0] + earth, xm = y[0] - moon;
    const REAL de = xe * xe + y[1] * y[1], dm = xm * xm + y[1] * y[1];
    const REAL fe = moon / (de * sqrt(de)), fm = earth / (dm * sqrt(dm));
    dy[0] = y[2];
    dy[1] = y[3];
    dy[2] = y[0] + 2 * y[3] - fe * xe - fm * xm;
    dy[3] = y[1] - 2 * y[2] - (fe + fm) * y[1];
})
SYSTEM_PULL(arenstorf, 4, {
    const double earth = p->mu, moon = 1 - p->mu, xe = y[0] + earth, xm = y[0] - moon;
    const double de = xe * xe + y[1] * y[1], dm = xm * xm + y[1] * y[1];
    const double fe = moon / (de * sqrt(de)), fm = earth / (dm * sqrt(dm));
    const double xx = 1 - fe - fm + 3 * (fe * xe * xe / de + fm * xm * xm / dm);
    const double xy = 3 * y[1] * (fe * xe / de + fm * xm / dm);
    const double yy = 1 - fe - fm + 3 * y[1] * y[1] * (fe / de + fm / dm);
    ybar[0] = xx * a[2] + xy * a[3];
    ybar[1] = xy * a[2] + yy * a[3];
    ybar[2] = a[0] - 2 * a[3];
    ybar[3] = a[1] + 2 * a[2];
})
/* clang-format on */

/* Jacobi's constant. */
static double arenstorf_constant(const void *parameters, const double *y) {
    const struct arenstorf *p = parameters;
    const double earth = p->mu, moon = 1 - p->mu;
    return y[0] * y[0] + y[1] * y[1] + 2 * moon / hypot(y[0] + earth, y[1]) +
           2 * earth / hypot(y[0] - moon, y[1]) - y[2] * y[2] - y[3] * y[3];
}

const struct system_type system_arenstorf = {
    .name = "arenstorf",
    .help = "a satellite that passes the Moon closely; the customary orbit has period t1",
    .source = "Arenstorf 1963; constants: Hairer, Norsett, Wanner 1993, eq. II.0.1, II.0.2",
    .n = 4,
    .components = {"x", "y", "vx", "vy"},
    .autonomous = true,
    .options = arenstorf_options,
    .option_count = sizeof arenstorf_options / sizeof *arenstorf_options,
    .y0 = {0.994, 0, 0, -2.00158510637908252240537862224},
    .t1 = "17.0652165601579625588917206249",
    .value = arenstorf_value,
    .pull = arenstorf_pull,
    .fine = arenstorf_fine,
    .invariant = arenstorf_constant,
};
