/* A job: training on a worker thread, with a run folder. The main thread owns Lua and the screen;
 * the job's thread owns its net until it ends, and reads one control word between batches.
 * Jobs run one at a time, in the order they were started; the others wait as "queued". */
#ifndef CONTINUO_RUN_JOB_H
#define CONTINUO_RUN_JOB_H

#include "learn/dataset.h"
#include "learn/train.h"
#include "nets/net.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_PAUSED, JOB_DONE, JOB_STOPPED, JOB_FAILED, JOB_DIVERGED };
extern const char *const job_state_names[];

struct job_probe; /* schemes x steps on a fixed slice of the validation part, every so often */

struct job;
/* options: the train options, plus "name", "probe" {"schemes","steps","samples","every"}, "runs"
 * (folder, default "runs"), "checkpoint_every" ... Takes a reference on nothing: net and data must
 * outlive the job. The run folder is made here: an unwritable one is refused before anything runs.
 * `commands` is the text for commands.lua (may be NULL). */
struct job *job_start(struct net *net, const struct dataset *data, const cJSON *options,
                      int threads, const char *commands, struct error *error);
extern const struct option job_options_table[]; /* beyond the train options */
extern const int job_options_count;

void job_pause(struct job *job);  /* at the next batch */
void job_resume(struct job *job);
void job_stop(struct job *job);   /* at the next batch, weights kept, final checkpoint written */
enum job_state job_state(const struct job *job);
bool job_is_over(const struct job *job); /* done, stopped, failed, diverged */
void job_join(struct job *job);   /* waits until it is over */
void job_free(struct job *job);   /* stops and joins first */

const char *job_path(const struct job *job);
const char *job_name(const struct job *job);
const char *job_message(const struct job *job); /* last sentence: why it failed, diverged */
double job_step_seconds(const struct job *job); /* median */
struct net *job_net(struct job *job);
/* A copy of the net's values as of the last finished batch; waits at most one batch. */
struct net *job_snapshot(struct job *job, enum precision precision, struct error *error);

int job_count(void); /* jobs of this process, in order of start */
struct job *job_at(int index);
/* A descriptor that becomes readable when any job has something new (eventfd). */
int job_wake_fd(void);

#endif
