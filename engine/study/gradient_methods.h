/* One gradient by every way there is to have it: the passes' discrete adjoint under each policy of
 * what is kept, the discrete adjoint of the same field in plain loops, and the continuous adjoint.
 * The function differentiated is that of gradient_check.h. */
#ifndef CONTINUO_STUDY_GRADIENT_METHODS_H
#define CONTINUO_STUDY_GRADIENT_METHODS_H

#include "study/gradient_check.h"

enum { GRADIENT_METHODS_MAX = 8 };

struct gradient_method {
    const char *name;
    double difference; /* |g - g_0| / |g_0| over all trainable parameters, g_0 the first method's */
    bool same;         /* every bit of it is the first one's */
    double seconds;
    /* Of the continuous adjoint: observed order in which its difference from the discrete gradient
     * falls when the steps are halved twice, and the scheme's; else nan and 0. */
    double observed;
    int order;
};

struct gradient_methods {
    int count;
    struct gradient_method method[GRADIENT_METHODS_MAX];
    const struct tableau *scheme; /* NULL: the net has no ODE block */
    int steps;
    bool field; /* the net is one ODE block of dense layers and gives its state at the end alone, so
                   that its field can be solved instead */
};

/* options->entries and options->memory are not read. False with *error set when a pass is refused,
 * memory is short or *stop becomes true. */
bool gradient_methods(const struct net *net, const struct gradient_options *options,
                      struct gradient_methods *methods, struct error *error);

#endif
