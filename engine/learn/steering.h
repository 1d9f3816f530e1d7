/* Steering the number of steps N of a net's ODE blocks while it trains: what is measured, on the
 * batch that comes next and before it is used, and what follows by a rule (step_rule.h). The
 * training scheme S with N steps is compared with a more accurate test scheme S'; both see the batch
 * as the training does, with batch statistics, and leave running statistics alone. */
#ifndef CONTINUO_LEARN_STEERING_H
#define CONTINUO_LEARN_STEERING_H

#include "learn/loader.h"
#include "learn/step_rule.h"
#include "nets/net.h"

enum steering_rule {
    STEERING_OTT,      /* accuracies of S and S' on the batch differ by more than the threshold */
    STEERING_DISTANCE, /* relative distance of the states behind ODE blocks, the largest */
    STEERING_MANUAL,   /* somebody else decides */
};
extern const char *const steering_rule_names[]; /* "ott", "distance", "manual", NULL */

extern const struct option steering_options_table[];
extern const int steering_options_count;

/* One of S or S' on the batch. */
struct steering_view {
    const struct tableau *scheme;
    int steps;
    double loss, accuracy; /* 0 for regression */
};

struct steering_decision {
    ptrdiff_t step; /* steps done when it was made */
    int from, to;   /* N */
    enum steering_rule rule;
    double value, threshold; /* the difference that was measured; of manual rules the distance */
    double distance;
    struct steering_view trained, test;
    bool asks; /* nobody has decided yet: `to` is `from` */
    char text[200];
};

struct steering;

/* From {"rule", "every", ...}, for batches of up to `batch` samples; borrows net, loss and pool.
 * NULL with *error set when an option cannot be, or memory is short. */
struct steering *steering_create(struct net *net, const struct loss *loss, const cJSON *options,
                                 ptrdiff_t batch, struct pool *pool, struct error *error);
void steering_free(struct steering *steering);
cJSON *steering_config(const struct steering *steering);

/* Whether a decision is due after so many steps. */
bool steering_due(const struct steering *steering, ptrdiff_t steps);
double steering_patience(const struct steering *steering); /* seconds to wait for an answer */

/* Measures and decides; changes nothing. With 0 steps done it is the first number of steps that is
 * decided. Takes memory for passes of other numbers of steps only when N has changed since; when
 * there is none, the decision is to stay, and its text says why. */
void steering_look(struct steering *steering, const struct batch *batch, ptrdiff_t steps,
                   struct steering_decision *decision);
/* What the answer to a decision that asks makes of it: `steps` is the new N, 0: as it is; text says
 * more (may be NULL). */
void steering_answer(const struct steering *steering, struct steering_decision *decision,
                     int steps, const char *text);

#endif
