/* Elliptic integrals and Jacobi's elliptic functions, in long doubles. The modulus is k, its
 * complement kc = sqrt(1 - k^2); both are given where one cannot be had from the other without
 * loss. NUMERICS.md eq. 92, 93. */
#ifndef CONTINUO_ODE_ELLIPTIC_H
#define CONTINUO_ODE_ELLIPTIC_H

/* Carlson's R_F(x, y, z), arguments at least 0, at most one of them 0. (Carlson 1979, Numer. Math.
 * 33: 1-16.) */
long double elliptic_rf(long double x, long double y, long double z);

/* The quarter period K(k), 0 < kc <= 1. */
long double elliptic_quarter(long double kc);

struct elliptic {
    long double am, sn, cn, dn;
};
/* The amplitude and its functions at u. (Abramowitz and Stegun 1964, 16.4.) */
struct elliptic elliptic_at(long double u, long double k, long double kc);

#endif
