/* Control of the step by an error estimate: norms, controllers, the first step, and the test for
 * stiffness. Numbers only; solve.c has the loop. NUMERICS.md eq. 80 to 84. */
#ifndef CONTINUO_ODE_CONTROL_H
#define CONTINUO_ODE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "depth/tableau.h"

enum control { CONTROL_I, CONTROL_PI, CONTROL_PID };
enum control_norm { CONTROL_RMS, CONTROL_MAX };
extern const char *const control_names[], *const control_norm_names[];

/* |error_i| measured by atol_i + rtol_i max(|y_i|, |next_i|), over the n components; 1 is as much as
 * is allowed. inf when something is not finite. *worst is the component with the largest
 * part. */
double control_norm(enum control_norm norm, ptrdiff_t n, const double *error, const double *y,
                    const double *next, const double *rtol, const double *atol, ptrdiff_t *worst);

/* How the norm of a step's error grows with h: the exponent for the scheme's estimate number
 * `estimate` alone, or for two estimates of different orders taken together. */
int control_exponent(const struct tableau *scheme, int estimate);
/* Whether the scheme's two estimates are one: they are of different orders (dop853). Two of the
 * same order are alternatives. */
bool control_is_pair(const struct tableau *scheme);
/* The two norms as one: high^2 / sqrt(high^2 + low^2 / 100). */
double control_pair(double high, double low);

/* What a controller remembers of one sample. Zeroed: nothing yet. */
struct control_memory {
    double last, before; /* errors of the last two accepted steps, 0: none */
    bool rejected;       /* the last attempt was */
};

/* The factor from this step's h to the next one's, and the memory moved on. error <= 1: accepted. */
double control_factor(enum control control, int exponent, double error,
                      struct control_memory *memory);

/* The first step's length, by Hairer, Norsett and Wanner. `y` (n) with slope `f`, and the slope
 * `f_euler` after an Euler step of length control_trial(...), for a scheme of order p. */
double control_trial(enum control_norm norm, ptrdiff_t n, const double *y, const double *f,
                     const double *rtol, const double *atol);
double control_first(enum control_norm norm, ptrdiff_t n, const double *y, const double *f,
                     const double *f_euler, double trial, int order, const double *rtol,
                     const double *atol);

/* The shortest step worth taking at t between t0 and t1: below it the stages of a step fall on
 * few different numbers. */
double control_least(double t, double t0, double t1);

/* Slopes at states near each other tell a spectral radius: the norm of sum slope_i k_i over that of
 * sum state_i k_i, which is h times it, where k_stages is the slope at the end of the step. The
 * states are two at the same time, or three whose differences leave the motion along the solution
 * out. False: the scheme has neither. */
struct control_probe {
    double slope[TABLEAU_STAGES_MAX + 1], state[TABLEAU_STAGES_MAX];
};
bool control_probe(const struct tableau *scheme, struct control_probe *probe);

/* Counts as Hairer and Wanner do: stiff after 15 steps with `reach` (h times the spectral radius)
 * at the end of the scheme's real interval, with never 6 in a row well inside. */
struct control_stiff {
    int stiff, calm;
};
bool control_is_stiff(struct control_stiff *count, double reach, double interval);

#endif
