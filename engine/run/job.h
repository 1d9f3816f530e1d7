/* A job: training on a worker thread, with a run folder. The main thread owns Lua and the screen;
 * the job's thread owns its net until it ends, and reads one control word between batches, between
 * the cells of a probe and between the chunks of an evaluation.
 *
 * Jobs run one at a time, in the order they were started; the others wait as "queued". A paused
 * job keeps its turn.
 *
 * Process-wide state: the list of jobs and the wake-up descriptor. job_start, job_free, job_count
 * and job_at belong to one thread (the main one); the rest may be called from any. */
#ifndef CONTINUO_RUN_JOB_H
#define CONTINUO_RUN_JOB_H

#include "learn/dataset.h"
#include "learn/train.h"
#include "nets/net.h"
#include "run/event.h"

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_DONE,
    JOB_STOPPED,
    JOB_FAILED,
    JOB_DIVERGED
};
extern const char *const job_state_names[]; /* "queued", ..., NULL */

struct job;

extern const struct option job_options_table[]; /* beyond the train options */
extern const int job_options_count;

/* options: those of train_options_table and of job_options_table together. Takes a reference on
 * nothing: net and data must outlive the job. Everything a user can get wrong is refused here, an
 * unwritable runs folder too, before anything runs; then nothing is left behind. `threads` is the
 * size of the job's own pool. `commands` is the text for commands.lua (may be NULL). */
struct job *job_start(struct net *net, const struct dataset *data, const cJSON *options,
                      int threads, const char *commands, struct error *error);

void job_pause(struct job *job); /* at the next batch; writes a checkpoint */
void job_resume(struct job *job);
void job_stop(struct job *job); /* at the next batch, weights kept, final checkpoint written */
enum job_state job_state(const struct job *job);
bool job_is_over(const struct job *job); /* done, stopped, failed, diverged */
void job_join(struct job *job);          /* waits until it is over */
void job_free(struct job *job);          /* stops and joins first */

const char *job_path(const struct job *job);
const char *job_name(const struct job *job);
/* The last sentence, once the job is over: why it stopped, failed or diverged; "" before. */
const char *job_message(const struct job *job);
double job_step_seconds(const struct job *job); /* median of the last thousand; 0 before a step */
enum memory job_memory(const struct job *job); /* what its steps keep of ODE blocks */
size_t job_bytes(const struct job *job);       /* and the bytes they work in */
struct net *job_net(struct job *job);
/* A copy of the net's values as of the last finished batch; waits at most one batch. */
struct net *job_snapshot(struct job *job, enum precision precision, struct error *error);

/* Appends an event to the job's metrics.jsonl, flushed: a sweep or a verdict on its net. */
void job_event(struct job *job, const struct event *event);
double job_seconds(const struct job *job); /* of the run so far, pauses cut out */

/* The question a job waits with (control with rule "manual"); false: it has none. Whoever answers
 * gives the question's step, the number of steps to go on with (0: as many as there are), and may
 * say why (text NULL: no). An answer that nobody waits for any more is dropped. */
bool job_question(struct job *job, struct steering_decision *question);
void job_answer(struct job *job, ptrdiff_t step, int steps, const char *text);

int job_count(void); /* jobs of this process, in order of start */
struct job *job_at(int index);
/* A descriptor that becomes readable when any job has something new (eventfd); the reader reads
 * eight bytes and then looks. -1 when the system gives none. */
int job_wake_fd(void);

#endif
