/* Time for measuring: seconds of a clock that never jumps. */
#ifndef CONTINUO_BASE_CLOCK_H
#define CONTINUO_BASE_CLOCK_H

/* Seconds of CLOCK_MONOTONIC; only differences mean anything. */
double clock_seconds(void);

#endif
