/* What the program around the binding offers: how to wait for a job and how to show it. The
 * workbench sets its own (live screen, plain lines, prompt); under a stock lua5.4 the default
 * waits silently. Main thread only. */
#ifndef CONTINUO_LUA_HOST_H
#define CONTINUO_LUA_HOST_H

#include <stdbool.h>

#include "base/error.h"

struct job;

struct host {
    bool interactive; /* at a prompt: results are printed, a wait can give the prompt back */
    /* Returns true when every job is over. False with *error set when waiting was given up (^C:
     * the jobs are paused at their next batch, weights and state intact); the caller raises the
     * text as a Lua error. Never raises itself. */
    bool (*wait)(struct job *const *jobs, int count, struct error *error);
    /* Opens the live screen on run folders (count 0: the newest run) until the user leaves it.
     * False with *error set when there is no terminal. NULL: cannot show anything. */
    bool (*show)(const char *const *paths, int count, struct error *error);
    /* Tells how far a long call is: `done` of `count` parts of `what`. NULL: nobody listens. */
    void (*progress)(const char *what, int done, int count);
};

/* Keeps the pointer; NULL restores the default. */
void host_set(const struct host *host);
const struct host *host_get(void); /* never NULL; `wait` is never NULL */

#endif
