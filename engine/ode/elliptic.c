#include "ode/elliptic.h"

#include <assert.h>
#include <float.h>
#include <math.h>

static const long double pi = 3.14159265358979323846264338327950288L;

long double elliptic_rf(long double x, long double y, long double z) {
    /* Duplication brings the three together by 4 a turn; what is left is a series in their
     * distances, cut behind the seventh power. */
    const long double near = powl(LDBL_EPSILON / 4, 1.0L / 8) / 4;
    long double mean, a, b, c;
    for (;;) {
        mean = (x + y + z) / 3;
        a = 1 - x / mean;
        b = 1 - y / mean;
        c = -(a + b);
        if (fmaxl(fabsl(a), fmaxl(fabsl(b), fabsl(c))) < near) {
            break;
        }
        const long double lambda = sqrtl(x) * (sqrtl(y) + sqrtl(z)) + sqrtl(y) * sqrtl(z);
        x = (x + lambda) / 4;
        y = (y + lambda) / 4;
        z = (z + lambda) / 4;
    }
    const long double e2 = a * b - c * c, e3 = a * b * c;
    /* Carlson 1995, eq. 2.2, and its next terms. */
    const long double series = 1 - e2 / 10 + e3 / 14 + e2 * e2 / 24 - 3 * e2 * e3 / 44 -
                               5 * e2 * e2 * e2 / 208 + 3 * e3 * e3 / 104 + e2 * e2 * e3 / 16;
    return series / sqrtl(mean);
}

long double elliptic_quarter(long double kc) {
    assert(kc > 0 && kc <= 1);
    long double a = 1, b = kc;
    while (fabsl(a - b) > 2 * LDBL_EPSILON * a) {
        const long double mean = (a + b) / 2;
        b = sqrtl(a * b);
        a = mean;
    }
    return pi / (a + b);
}

struct elliptic elliptic_at(long double u, long double k, long double kc) {
    enum { LEVELS = 24 }; /* the mean converges quadratically; kc of 1e-4000 would take 20 */
    long double a[LEVELS] = {1}, c[LEVELS] = {k}, b = kc;
    const long double half = 2 * elliptic_quarter(kc), turns = rintl(u / half);
    int n = 0;
    u -= turns * half; /* am(u + 2 K) = am(u) + pi */
    while (c[n] > LDBL_EPSILON / 4 * a[n] && n < LEVELS - 1) {
        a[n + 1] = (a[n] + b) / 2;
        c[n + 1] = (a[n] - b) / 2;
        b = sqrtl(a[n] * b);
        n++;
    }
    long double phi = ldexpl(a[n] * u, n);
    for (; n > 0; n--) {
        phi = (phi + asinl(c[n] / a[n] * sinl(phi))) / 2;
    }
    const long double sign = fmodl(turns, 2) == 0 ? 1 : -1;
    const long double sn = sinl(phi), cn = cosl(phi);
    return (struct elliptic){.am = phi + turns * pi,
                             .sn = sign * sn,
                             .cn = sign * cn,
                             .dn = sqrtl(kc * kc + k * k * cn * cn)};
}
