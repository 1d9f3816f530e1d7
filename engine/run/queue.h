/* The jobs of this process: their order, whose turn it is, and the descriptor that wakes the main
 * thread. (job_count, job_at and job_wake_fd of run/job.h are implemented here.) */
#ifndef CONTINUO_RUN_QUEUE_H
#define CONTINUO_RUN_QUEUE_H

#include "run/worker.h"

/* Appends a job; false with *error set when memory is short. */
bool queue_add(struct job *job, struct error *error);
void queue_remove(const struct job *job);

/* Waits until all earlier jobs are over; false when the job was told to stop before. */
bool queue_wait(struct job *job);
/* Looks again whose turn it is: a job is over, or was told to stop. */
void queue_turn(void);

/* Makes job_wake_fd readable. */
void queue_wake(void);

#endif
