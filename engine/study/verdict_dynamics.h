/* The verdict on learned dynamics: has the field become that of the system, or has it learned the
 * error of the scheme it was trained in? Decided from the numbers of a convergence test, for the
 * scheme S and step dt of the training. NUMERICS.md eq. 123. */
#ifndef CONTINUO_STUDY_VERDICT_DYNAMICS_H
#define CONTINUO_STUDY_VERDICT_DYNAMICS_H

#include "study/convergence.h"

enum dynamics_state {
    DYNAMICS_PASS,
    DYNAMICS_FAIL_V,     /* the error grows away from dt: right with its own step alone */
    DYNAMICS_FAIL_UNDER, /* fitted too badly, even with its own step, to say more */
    DYNAMICS_OPEN,       /* steps too coarse to tell: the finest show no limit, or that of the
                            training is beyond what the scheme can follow */
};
extern const char *const dynamics_state_names[]; /* "PASS", "FAIL-V", "FAIL-UNDER", "OPEN", NULL */

struct verdict_dynamics_options {
    const struct tableau *trained; /* S, one of the curves' */
    double noise;                  /* e0, of eq. 124; nan: unknown */
    double target;                 /* of FAIL-UNDER, an error; nan: a tenth of the size */
};

struct verdict_dynamics {
    enum dynamics_state state;
    double trained;        /* E_S(dt) */
    double worst, worst_h; /* the largest E_S(h) of h <= dt, and where */
    double floor;          /* F */
    double ratio;          /* F / E_S(dt) */
    double noise;          /* e0; nan: unknown */
    double target;
    double allowed;        /* what worst may be: 2 max(E_S(dt), e0, resolution) */
    bool agree;            /* the schemes have one limit */
    double gap, gap_allowed; /* of the scheme that is farthest from it, in the measure of eq. 123 */
    const struct tableau *farthest;
    char text[480]; /* one sentence, without a final full stop */
};

void verdict_dynamics(const struct convergence *convergence,
                      const struct verdict_dynamics_options *options,
                      struct verdict_dynamics *verdict);

#endif
