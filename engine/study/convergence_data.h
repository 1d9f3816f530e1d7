/* The convergence test that belongs to a net and the data it learns from, where these come from a
 * built-in system: what to solve, from where and how long. */
#ifndef CONTINUO_STUDY_CONVERGENCE_DATA_H
#define CONTINUO_STUDY_CONVERGENCE_DATA_H

#include "learn/dataset.h"
#include "nets/net_field.h"
#include "ode/system.h"
#include "study/convergence.h"

enum { CONVERGENCE_STATES = 4 };

struct convergence_data {
    struct system system;
    double interval; /* of the data */
    ptrdiff_t count; /* initial states: those of the trajectories, at most CONVERGENCE_STATES; where
                        they were drawn, others from the same ranges, that the net has not seen */
    double y0[CONVERGENCE_STATES * SYSTEM_N_MAX]; /* (count, n) */
};

/* Reads the configuration of a data set; false when it is not of a built-in system. */
bool convergence_data_read(struct convergence_data *data, const struct dataset *set);

/* When to end: about a fifth of the time from t0 to t1 in a whole number of dt, with as many
 * factors 2, up to `coarsest`, as that allows, so that large steps divide it too. */
double convergence_data_end(double t0, double t1, double dt, int coarsest);

/* The step that the net takes in time: its "dt", or else `interval`, over its steps; 0 when neither
 * is known. */
double convergence_data_step(const struct net *net, double interval);

/* The field of a net that is one ODE block and nothing else, as often as there are threads. */
struct convergence_fields {
    int count;
    bool kinked;
    struct net_field **nets;
    struct ode_field *fields;
};

/* For states of n numbers; `interval` is what the block integrates over where the net has no "dt".
 * NULL with *error set when the net is no such field. */
struct convergence_fields *convergence_fields(const struct net *net, ptrdiff_t n, double interval,
                                              int count, struct error *error);
void convergence_fields_free(struct convergence_fields *fields);

#endif
