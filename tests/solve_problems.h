/* Initial value problems in the real type REAL, with functions QUAD_OR(x) of it: included once for
 * doubles and once for quadruple precision. All depend on time or are not linear, most both. */

/* y' = -2 t y^2, y = 1 / (1 + t^2). */
static void NAME(rational)(REAL t, const REAL *y, REAL *dy) {
    dy[0] = -2 * t * y[0] * y[0];
}

/* y' = 7 t^6: a quadrature. */
static void NAME(power)(REAL t, const REAL *y, REAL *dy) {
    (void)y;
    dy[0] = 7 * t * t * t * t * t * t;
}

/* Prothero and Robinson 1974: y' = -3 (y - cos t) - sin t, y = cos t. */
static void NAME(prothero)(REAL t, const REAL *y, REAL *dy) {
    REAL s, c;
    NAME(sincos)(t, &s, &c);
    dy[0] = -3 * (y[0] - c) - s;
}

/* Kvaerno, Prothero and Robinson: u^2 = 1 + cos(t) / 2, v^2 = 2 + cos(3 t), coupled. */
static void NAME(kpr)(REAL t, const REAL *y, REAL *dy) {
    REAL s, c, s3, c3;
    NAME(sincos)(t, &s, &c);
    NAME(sincos)(3 * t, &s3, &c3);
    const REAL u = (-1 + y[0] * y[0] - c / 2) / (2 * y[0]);
    const REAL v = (-2 + y[1] * y[1] - c3) / (2 * y[1]);
    dy[0] = -2 * u + v / 2 - s / (4 * y[0]);
    dy[1] = u / 2 - v - 3 * s3 / (2 * y[1]);
}

static void NAME(lotka)(REAL t, const REAL *y, REAL *dy) {
    (void)t;
    dy[0] = y[0] * (3 - 2 * y[1]) / 2;
    dy[1] = y[1] * (y[0] - 1);
}

/* The restricted three-body problem of Arenstorf's orbits, near the moon. */
static void NAME(arenstorf)(REAL t, const REAL *y, REAL *dy) {
    const REAL moon = (REAL)12277471 / 1000000000, earth = 1 - moon;
    const REAL x1 = y[0] + moon, x2 = y[0] - earth;
    const REAL r1 = x1 * x1 + y[1] * y[1], r2 = x2 * x2 + y[1] * y[1];
    const REAL d1 = r1 * NAME(sqrt)(r1), d2 = r2 * NAME(sqrt)(r2);
    (void)t;
    dy[0] = y[2];
    dy[1] = y[3];
    dy[2] = y[0] + 2 * y[3] - earth * x1 / d1 - moon * x2 / d2;
    dy[3] = y[1] - 2 * y[2] - earth * y[1] / d1 - moon * y[1] / d2;
}

/* A net with one hidden layer of 5 tanh whose weights, frozen, are smooth functions of time. */
static void NAME(net)(REAL t, const REAL *y, REAL *dy) {
    REAL s, c;
    NAME(sincos)(t, &s, &c);
    dy[0] = dy[1] = 0;
    for (int i = 0; i < 5; i++) {
        REAL sum = net_weights[i][2] + net_weights[i][3] * s;
        for (int j = 0; j < 2; j++) {
            sum += (net_weights[i][j] + net_weights[i][4 + j] * c) * y[j];
        }
        const REAL z = NAME(tanh)(sum);
        dy[0] += net_weights[i][6] * z;
        dy[1] += (net_weights[i][7] - net_weights[i][0] * s) * z;
    }
}
