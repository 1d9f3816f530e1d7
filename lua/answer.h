/* The questions of jobs, answered by the Lua functions they were started with (control.decide of
 * cn.train). A job that asks waits; whoever waits for jobs on the main thread, or has nothing else
 * to do, calls answer_jobs, which is where Lua is called: never by the engine, never on a job's
 * thread. What nobody answers in time stays as it is. */
#ifndef CONTINUO_LUA_ANSWER_H
#define CONTINUO_LUA_ANSWER_H

#include <stdbool.h>

struct lua_State;

void answer_open(struct lua_State *L);
/* Whether a job waits for an answer now. */
bool answer_wanted(void);
/* Answers every job that waits, in a coroutine of its own; never raises. A function that raises, or
 * returns what is no number of steps, is an answer to keep what there is, with its message in the
 * job's log and as a warning. */
void answer_jobs(void);

#endif
