/* The modified-equation view of a linear field: a one-step fit inside a scheme does not learn the
 * eigenvalues lambda of the system but mu with R(dt mu) = exp(dt lambda), R the scheme's stability
 * function, which is algebra and needs no training. NUMERICS.md eq. 126. */
#ifndef CONTINUO_STUDY_SPECTRUM_H
#define CONTINUO_STUDY_SPECTRUM_H

#include "ode/field.h"
#include "ode/stability.h"

enum { SPECTRUM_N_MAX = 32 };

/* Eigenvalues of the real matrix a (n, n), n <= SPECTRUM_N_MAX, by descending imaginary part, then
 * real part: shifted QR on its Hessenberg form (Golub, Van Loan 1996, section 7.5, in complex
 * arithmetic). False when it does not settle or a is not finite. */
bool spectrum_eigenvalues(int n, const double *a, double complex *lambda, struct error *error);

/* a (n, n) = df/dy at (t, y), by the field's pull. False with *error set when it has none. */
bool spectrum_jacobian(const struct ode_field *field, double t, const double *y, double *a,
                       struct error *error);

/* mu from lambda. False with *error set where no such branch is: the step is too large for it. */
bool spectrum_learned(const struct stability *stability, double complex lambda, double dt,
                      double complex *mu, struct error *error);

/* |R(h mu)^steps - exp(steps h lambda)|: what the learned mode is off after so many steps. steps 0:
 * in the limit h -> 0 at time h, |exp(h mu) - exp(h lambda)|. */
double spectrum_error(const struct stability *stability, double complex mu, double complex lambda,
                      double h, int steps);

#endif
