/* A table of kernels that measures another one: each call is timed, its flops and bytes are
 * computed from its arguments (meter.def), and it does what the measured table does, bit for bit.
 * Whoever runs a net on this table learns where the time went; nobody else pays.
 *
 * Kernels know nothing of who called them, so there is one meter at a time in a process; other
 * threads may run other tables meanwhile. */
#ifndef CONTINUO_KERNELS_METER_H
#define CONTINUO_KERNELS_METER_H

#include <stdbool.h>

#include "base/error.h"
#include "kernels/kernels.h"

enum meter_kernel {
#define METER(result, name, parameters, arguments, flops, bytes) METER_##name,
#include "kernels/meter.def"
#undef METER
    METER_KERNELS
};
extern const char *const meter_names[METER_KERNELS];

struct meter_count { /* of one kernel, over all threads */
    double calls, seconds, flops, bytes;
};

/* A table that behaves as `real` and measures it from up to `threads` threads, until meter_end.
 * NULL with *error set when a meter is running already or memory is short. */
const struct kernels *meter_begin(const struct kernels *real, int threads, struct error *error);
void meter_end(void);

/* Between calls of kernels: forget what was counted; copy it to counts[METER_KERNELS]. */
void meter_clear(void);
void meter_read(struct meter_count *counts);

/* Seconds that measuring took since meter_clear on the thread with most calls: not in what
 * meter_read says, but in any time taken around the calls. */
double meter_cost(void);

#endif
