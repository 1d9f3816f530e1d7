/* Systems of ordinary differential equations that are built in: fields at C speed with parameters,
 * initial states and times that are customary, and their solution, by a closed form where one is
 * known and by integration in long doubles otherwise. Sources stand with the systems; NUMERICS.md,
 * section Systems. */
#ifndef CONTINUO_ODE_SYSTEM_H
#define CONTINUO_ODE_SYSTEM_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "ode/field.h"

enum { SYSTEM_N_MAX = 4, SYSTEM_PARAMETERS_MAX = 8, SYSTEM_OPTIONS_MAX = 11 };

struct system_type { /* registry: one entry a system */
    const char *name, *help, *source;
    ptrdiff_t n;
    const char *components[SYSTEM_N_MAX];
    bool autonomous, chaotic;
    const struct option *options; /* parameters, every one a number, by their place in the */
    int option_count;             /* structure that the functions below get */
    double y0[SYSTEM_N_MAX];      /* customary */
    const char *t1;               /* as text; t0 is 0 */
    /* f at many states, as in struct ode_field, and a^T df/dy; the same f in long doubles. */
    void (*value)(const void *parameters, ptrdiff_t count, const double *t, const double *y,
                  double *dy);
    void (*pull)(const void *parameters, ptrdiff_t count, const double *t, const double *y,
                 const double *a, double *ybar);
    void (*fine)(const void *parameters, long double t, const long double *y, long double *dy);
    /* y at time t of the solution through y0 at t0. NULL where no closed form is known, false
     * where none is for this y0. `near`: the closed form is of a state within rounding of y0, and
     * what the field does off it grows, so that references are integrated all the same. */
    bool (*exact)(const void *parameters, double t0, const double *y0, double t, double *y);
    bool near;
    /* What a solution keeps, or NULL. */
    double (*invariant)(const void *parameters, const double *y);
};

int system_count(void);
const struct system_type *system_at(int index);
const struct system_type *system_find(const char *name, struct error *error);

struct system {
    const struct system_type *type;
    double y0[SYSTEM_N_MAX], t0, t1;
    double parameters[SYSTEM_PARAMETERS_MAX]; /* in the order of the type's options */
};

/* Parameters, "y0", "t0" and "t1" of a type as one table, for a structure of system_read's. */
int system_options(const struct system_type *type, struct option table[SYSTEM_OPTIONS_MAX]);
/* From {"name": "pendulum", "gravity": 9.81, "y0": [1, 0]}; what is left out is customary. Keys of
 * `ignored` (NULL-terminated, may be NULL) are passed over; `call` names the call in errors. */
bool system_read(struct system *system, const cJSON *config, const char *call,
                 const char *const *ignored, struct error *error);
/* The end of the time customary for its type, or the system's own t1 if that comes before. */
double system_end(const struct system *system);
/* The same object with everything resolved; the caller owns it. */
cJSON *system_write(const struct system *system);

/* Borrows the system, which must stay where it is. Its pull ignores the scale: no gradients of
 * parameters are offered. */
struct ode_field system_field(const struct system *system);

/* The state at time t of the solution through y0 at t0, by the closed form, to about the precision
 * of doubles. False: none is known. */
bool system_exact(const struct system *system, const double *y0, double t0, double t, double *y);

/* How near a reference must come: to this part of the largest |y|, or of 1 when that is less. */
extern const double system_reference_tolerance; /* 1e-12 */

/* y (count, n): the solution through y0 at t0 at `count` times, which go one way from t0: by a
 * closed form, or else integrated twice in long doubles, by formulas of different order. *holds
 * (unless NULL) is set to the number of times, from the first, up to which the two agree to the
 * tolerance; behind them states still follow the field to the precision of doubles from one to the
 * next, but a chaotic system has forgotten where it began. False with *error set where the solution
 * ends before its time. */
bool system_trajectory(const struct system *system, const double *y0, double t0, ptrdiff_t count,
                       const double *times, double *y, ptrdiff_t *holds, struct error *error);
/* The same, and refuses times up to which the reference does not hold. */
bool system_reference(const struct system *system, const double *y0, double t0, ptrdiff_t count,
                      const double *times, double *y, struct error *error);

#endif
