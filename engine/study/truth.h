/* What the solutions of a learned field are compared with: the system's own solution, known by a
 * closed form or a reference, found by integrating the true field, or sampled. */
#ifndef CONTINUO_STUDY_TRUTH_H
#define CONTINUO_STUDY_TRUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "ode/field.h"
#include "ode/system.h"

struct truth {
    /* y (count, n): the solution through y0 at t0, at `count` rising times behind t0; *error_size
     * is how far it may be off. False with *error set when it cannot be had. */
    bool (*at)(const struct truth *truth, const double *y0, double t0, ptrdiff_t count,
               const double *times, double *y, double *error_size, struct error *error);
    const void *of;
    ptrdiff_t n;
    const double *times; /* of samples: (samples) rising, the first is t0 */
    ptrdiff_t samples;
};

/* By system_reference. The system is borrowed. */
struct truth truth_system(const struct system *system);

/* By integrating the field in ever more steps until they change nothing more. Borrowed. */
struct truth truth_field(const struct ode_field *field);

/* A trajectory: y (samples, n) at rising times. It answers for the times it has, one of which is
 * taken when it differs by no more than a millionth of the distance of its neighbours; y0 must be
 * its state at t0. All are borrowed. */
struct truth truth_samples(ptrdiff_t samples, const double *times, const double *y, ptrdiff_t n);

#endif
