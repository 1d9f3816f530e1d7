/* The jobs of this process as the prompt speaks of them: a label for the running one and a line
 * for every change of state. Reads run folders through run/series.h. Main thread only. */
#ifndef CONTINUO_APP_JOBS_H
#define CONTINUO_APP_JOBS_H

#include <stdbool.h>
#include <stddef.h>

struct job;

int jobs_number(const struct job *job);    /* 1-based, in order of start; 0: not of this process */
struct job *jobs_at_path(const char *path); /* the one with this run folder, or NULL */
struct job *jobs_current(void);            /* the one at work or paused, else the first in line */
int jobs_unfinished(void);

/* "[1 52%]", "[1 =]" when paused, "[1 52% +2]" with two more in line, "" without jobs. */
void jobs_label(char *text, size_t size);

/* Empties the wake-up descriptor and looks at the jobs: calls say (NULL: nobody) with a line for
 * each change of state since the last call. */
void jobs_tick(void (*say)(const char *line));

/* Answers jobs that ask (lua/answer.h); ^C stops the function that is asked, and is still to be
 * taken. */
void jobs_answer(void);

/* Asks the running ones to pause; waits at most a second for the batch to end. Returns a sentence
 * about it in text. */
void jobs_pause(char *text, size_t size);
/* Stops all that are not over and waits for their last checkpoints. */
void jobs_stop(void);

#endif
