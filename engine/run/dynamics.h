/* The convergence test of a net that learns the dynamics of a built-in system, now and then while
 * it trains, in a share of the time, and once at the end. Knows nothing about jobs: the job says
 * what time it is and writes what comes of it. */
#ifndef CONTINUO_RUN_DYNAMICS_H
#define CONTINUO_RUN_DYNAMICS_H

#include <cjson/cJSON.h>

#include "run/event.h"
#include "study/verdict_dynamics.h"

struct dataset;
struct net;
struct dynamics;

extern const struct option dynamics_options_table[];
extern const int dynamics_options_count;

/* From {"schemes", "t1", "finest", "coarsest", "target", "share"}; true or NULL: all default. *made
 * is NULL for false, and where there is nothing to test: the data are not of a system, or (config
 * NULL) the net is not a field on its states or the system's solution cannot be had. False with
 * *error set when it cannot be as asked. */
bool dynamics_create(const struct net *net, const struct dataset *set, const cJSON *config,
                     struct dynamics **made, struct error *error);
void dynamics_free(struct dynamics *dynamics); /* NULL is fine */
/* Resolved, false for NULL; the caller owns it. */
cJSON *dynamics_config(const struct dynamics *dynamics);

/* Whether a test is due before step `step` + 1, `seconds` into the run. Behind the last step
 * (`last`) it is unless it was done at this step. */
bool dynamics_due(const struct dynamics *dynamics, ptrdiff_t step, double seconds, bool last);

/* Tests the net as it stands, which nobody changes meanwhile. False with *error set, ERROR_STATE
 * when *stop became true. */
bool dynamics_test(struct dynamics *dynamics, const struct net *net, ptrdiff_t step, double seconds,
                   struct pool *pool, const volatile bool *stop, struct error *error);

/* Of the last test. The event has its kind, dt, trained, verdict, floor, resolution and curves; the
 * caller adds when it was. */
const struct verdict_dynamics *dynamics_verdict(const struct dynamics *dynamics);
void dynamics_event(const struct dynamics *dynamics, struct event *event);

#endif
