#include "study/gradient_methods.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "nets/net_field.h"
#include "ode/adjoint.h"

struct work {
    const struct gradient_options *options;
    struct gradient_methods *methods;
    struct net *net; /* a copy, in f64 */
    struct manifestation how;
    double *x, *r;       /* (batch, inputs), (batch, outputs) */
    double *first, *now; /* gradients, (trainable) */
};

static bool stopped(const struct work *work, struct error *error) {
    const volatile bool *const stop = work->options->stop;
    return stop && *stop && !error_set(error, ERROR_STATE, "the gradient check was stopped");
}

/* Compares `now` with the first gradient, which it becomes when it is the first. */
static struct gradient_method *add(struct work *work, const char *name, double seconds) {
    struct gradient_methods *const methods = work->methods;
    struct gradient_method *const method = &methods->method[methods->count];
    const size_t len = (size_t)work->net->trainable_len;
    double apart = 0, size = 0;
    if (methods->count++ == 0) {
        memcpy(work->first, work->now, len * sizeof *work->now);
    }
    for (size_t i = 0; i < len; i++) {
        apart += (work->now[i] - work->first[i]) * (work->now[i] - work->first[i]);
        size += work->first[i] * work->first[i];
    }
    *method = (struct gradient_method){
        .name = name,
        .difference = sqrt(apart / (size > 0 ? size : 1)),
        .same = memcmp(work->now, work->first, len * sizeof *work->now) == 0,
        .seconds = seconds,
        .observed = NAN};
    return method;
}

static bool by_pass(struct work *work, enum memory memory, const char *name, struct error *error) {
    const struct pass_options plan = {.batch = work->options->batch,
                                      .training = work->options->training,
                                      .gradients = true,
                                      .how = work->options->how,
                                      .memory = memory,
                                      .pool = work->options->pool};
    struct net *const net = work->net;
    struct pass *const pass = pass_create(net, &plan, error);
    if (!pass) {
        return false;
    }
    const double began = clock_seconds();
    net_touch(net);
    (void)pass_forward(pass, work->x, plan.batch);
    net->kernels->set(net->grads, 0, net->trainable_len);
    pass_backward(pass, work->r);
    const double seconds = clock_seconds() - began;
    net->kernels->to_doubles(work->now, net->grads, net->trainable_len);
    pass_free(pass);
    (void)add(work, name, seconds);
    return !stopped(work, error);
}

/* ---- by the field alone -------------------------------------------------------------------- */

enum way { WAY_STORED, WAY_RECOMPUTED, WAY_CONTINUOUS };

/* The parameters' gradient in `gradient`, by so many steps. */
static bool by_field(const struct work *work, struct net_field *field, enum way way,
                     ptrdiff_t steps, double *gradient, struct error *error) {
    const struct ode_field ode = net_field_ode(field);
    const struct adjoint adjoint = {.field = &ode,
                                    .scheme = work->how.scheme,
                                    .t1 = net_field_time(field),
                                    .steps = steps,
                                    .count = work->options->batch};
    const size_t len = (size_t)(ode.n * adjoint.count);
    double *const room = calloc(3 * len, sizeof *room);
    double *const y1 = room, *const y0 = room + len, *const a0 = room + 2 * len;
    net_field_zero(field);
    const bool good =
        (room || error_set(error, ERROR_MEMORY, "no memory for the gradient of %td samples",
                           adjoint.count)) &&
        (way == WAY_CONTINUOUS
             ? adjoint_forward(&adjoint, work->x, y1, error) &&
                   adjoint_continuous(&adjoint, y1, work->r, y0, a0, error)
             : adjoint_discrete(&adjoint, way == WAY_STORED ? ADJOINT_STORED : ADJOINT_RECOMPUTED,
                                work->x, work->r, y1, a0, error));
    free(room);
    memcpy(gradient, net_field_gradient(field),
           (size_t)work->net->trainable_len * sizeof *gradient);
    return good;
}

/* |continuous - discrete| with so many steps; nan when it cannot be had. */
static double apart(const struct work *work, struct net_field *field, ptrdiff_t steps,
                    struct error *error) {
    const size_t len = (size_t)work->net->trainable_len;
    double *const gradients = malloc(2 * len * sizeof *gradients);
    double sum = NAN;
    if (gradients && by_field(work, field, WAY_STORED, steps, gradients, error) &&
        by_field(work, field, WAY_CONTINUOUS, steps, gradients + len, error)) {
        sum = 0;
        for (size_t i = 0; i < len; i++) {
            sum += pow(gradients[i] - gradients[len + i], 2);
        }
    }
    free(gradients);
    return sqrt(sum);
}

static bool by_fields(struct work *work, struct error *error) {
    static const char *const names[] = {"plain loops, stored", "plain loops, recomputed",
                                        "continuous adjoint"};
    struct error none;
    struct net_field *const field = net_field_create(work->net, 0, &none);
    bool good = true;
    work->methods->field = field != NULL;
    for (int way = 0; field && good && way <= WAY_CONTINUOUS; way++) {
        const double began = clock_seconds();
        good = by_field(work, field, (enum way)way, work->how.steps, work->now, error) &&
               !stopped(work, error);
        if (good) {
            struct gradient_method *const method =
                add(work, names[way], clock_seconds() - began);
            method->order = way == WAY_CONTINUOUS ? work->how.scheme->order : 0;
        }
    }
    if (field && good) {
        const double coarse = apart(work, field, work->how.steps, error);
        const double fine = apart(work, field, 4 * (ptrdiff_t)work->how.steps, error);
        work->methods->method[work->methods->count - 1].observed = log2(coarse / fine) / 2;
    }
    net_field_free(field);
    return good;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool prepare(struct work *work, const struct net *net, struct error *error) {
    const struct gradient_options *const options = work->options;
    const ptrdiff_t in = options->batch * net->input[0] * net->input[1] * net->input[2];
    const ptrdiff_t out = options->batch * net->outputs;
    const size_t len = (size_t)net->trainable_len;
    work->net = net_clone(net, PRECISION_F64, error);
    work->x = malloc((size_t)in * sizeof *work->x);
    work->r = malloc((size_t)out * sizeof *work->r);
    work->first = malloc((len > 0 ? len : 1) * sizeof *work->first);
    work->now = malloc((len > 0 ? len : 1) * sizeof *work->now);
    if (!work->net) {
        return false;
    }
    if (!work->x || !work->r || !work->first || !work->now) {
        return error_set(error, ERROR_MEMORY, "no memory for %td samples", options->batch);
    }
    for (ptrdiff_t i = 0; i < in; i++) {
        work->x[i] = rng_normal(options->seed, rng_stream("gradient_check.x"), (uint64_t)i);
    }
    for (ptrdiff_t i = 0; i < out; i++) {
        work->r[i] = rng_normal(options->seed, rng_stream("gradient_check.r"), (uint64_t)i);
    }
    work->how = net_ode_count(net) > 0 ? net_trained(net) : (struct manifestation){0};
    work->how.scheme = options->how.scheme ? options->how.scheme : work->how.scheme;
    work->how.steps = options->how.steps > 0 ? options->how.steps : work->how.steps;
    return true;
}

bool gradient_methods(const struct net *net, const struct gradient_options *options,
                      struct gradient_methods *methods, struct error *error) {
    static const struct {
        enum memory memory;
        const char *name;
    } policies[] = {{MEMORY_FULL, "discrete, full"},
                    {MEMORY_STAGES, "discrete, stages"},
                    {MEMORY_STEPS, "discrete, steps"}};
    struct work work = {.options = options, .methods = methods};
    *methods = (struct gradient_methods){0};
    bool good = prepare(&work, net, error);
    const int count = good && net_ode_count(net) > 0 ? 3 : 1;
    for (int i = 0; i < count && good; i++) {
        good = by_pass(&work, policies[i].memory, policies[i].name, error);
    }
    methods->scheme = work.how.scheme;
    methods->steps = work.how.steps;
    if (good && net_ode_count(net) > 0 && net_field_single(net)) {
        good = by_fields(&work, error);
    }
    net_free(work.net);
    free(work.x);
    free(work.r);
    free(work.first);
    free(work.now);
    return good;
}
