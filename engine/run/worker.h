/* The inside of a job, shared by job.c (the outside: start, control, queries) and worker.c (what
 * its thread does). Fields up to `mutex` are set before the thread starts and then belong to it;
 * the rest is read and written with the mutex held, except where atomic. */
#ifndef CONTINUO_RUN_WORKER_H
#define CONTINUO_RUN_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "run/dynamics.h"
#include "run/job.h"
#include "run/probe.h"
#include "run/record.h"

enum command { COMMAND_RUN, COMMAND_PAUSE, COMMAND_STOP };

enum { STEP_SECONDS_KEPT = 1000, CHECKPOINTS_KEPT = 3 };

struct job_options {
    char name[OPTION_TEXT_SIZE], runs[OPTION_TEXT_SIZE], resume[OPTION_TEXT_SIZE];
    cJSON *probe, *convergence; /* borrowed while options are read */
    double seconds, checkpoint_every;
};

struct job {
    struct net *net;
    const struct dataset *data;
    struct job_options options;
    struct train *train;
    struct record *record;
    struct pool *pool;
    struct probe probe;
    struct dynamics *dynamics; /* NULL: no convergence tests */
    pthread_t thread;
    bool joined;                      /* by the thread that owns the job */
    ptrdiff_t kept[CHECKPOINTS_KEPT]; /* steps of the checkpoints on the disk; 0: none */
    ptrdiff_t evaluated;              /* step of the last evaluation; -1: none */
    double best;                      /* accuracy on the validation part, or minus its loss */
    double next_checkpoint;           /* epoch */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* command, stepping, served or asks */
    enum command command;
    volatile bool interrupt; /* command is not RUN: read without the mutex by evaluations */
    bool stepping;           /* the net's values may be in change */
    bool asks;               /* waits for an answer to `question` */
    struct steering_decision question;
    int answer; /* steps; 0: as many as there are */
    char answer_text[sizeof((struct steering_decision *)0)->text]; /* or "" */
    ptrdiff_t asked, served; /* copies of the values that were wanted, and made */
    double began, paused, pause_began; /* clock; seconds; clock, 0 while not paused */
    double step_seconds[STEP_SECONDS_KEPT];
    ptrdiff_t step_count;
    char message[sizeof((struct error *)0)->text];
    _Atomic int state; /* enum job_state; set last, after message */
};

/* Runs the job to its end: the body of its thread. */
void worker_run(struct job *job);

/* Of the run so far, pauses cut out. */
double worker_seconds(struct job *job);

/* Sets the state, writes its event and log line, wakes the main thread. */
void worker_state(struct job *job, enum job_state state, const char *text);

#endif
