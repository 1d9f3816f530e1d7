/* What the systems share. Only engine/ode/system*.c include this. */
#ifndef CONTINUO_ODE_SYSTEM_BUILD_H
#define CONTINUO_ODE_SYSTEM_BUILD_H

#include "ode/system.h"

/* Defines NAME_value and NAME_fine of struct system_type, n reals a state, from one text of the
 * field: statements that read p (struct NAME *), t and y and set dy, in double or long double. A
 * file that calls mathematical functions in it includes <tgmath.h>. */
#define SYSTEM_FIELD(NAME, N, ...)                                                                 \
    static void NAME##_value(const void *parameters, ptrdiff_t count, const double *times,         \
                             const double *y, double *dy) {                                        \
        const struct NAME *const p = parameters;                                                   \
        for (ptrdiff_t i = 0; i < count; i++, y += (N), dy += (N)) {                               \
            const double t = times[i];                                                             \
            (void)t;                                                                               \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }                                                                                              \
    static void NAME##_fine(const void *parameters, long double t, const long double *y,           \
                            long double *dy) {                                                     \
        const struct NAME *const p = parameters;                                                   \
        (void)t;                                                                                   \
        __VA_ARGS__                                                                                \
    }

/* What a field is computed in. */
#define REAL typeof(*dy)

/* Defines NAME_pull from statements that read p, t, y and a and set ybar. */
#define SYSTEM_PULL(NAME, N, ...)                                                                  \
    static void NAME##_pull(const void *parameters, ptrdiff_t count, const double *times,          \
                            const double *y, const double *a, double *ybar) {                      \
        const struct NAME *const p = parameters;                                                   \
        for (ptrdiff_t i = 0; i < count; i++, y += (N), a += (N), ybar += (N)) {                   \
            const double t = times[i];                                                             \
            (void)t;                                                                               \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* One parameter in the option table of struct NAME; `least` to `most` allowed. */
#define SYSTEM_PARAMETER(NAME, field, fallback_, least_, most_, help_)                             \
    {                                                                                              \
        .name = #field, .kind = OPTION_NUMBER, .offset = offsetof(struct NAME, field),             \
        .fallback = fallback_, .least = least_, .most = most_, .help = help_                       \
    }

extern const struct system_type system_oscillator, system_pendulum, system_cartesian_pendulum;
extern const struct system_type system_lotka_volterra, system_van_der_pol, system_lorenz;
extern const struct system_type system_arenstorf, system_double_gyre, system_duffing;

#endif
