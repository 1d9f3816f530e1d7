/* Gradients of whole nets in f64 against differences of their outputs, along a random direction
 * through all entries of each parameter tensor.
 *
 * What is differentiated is F = r . y for random r. With a smooth activation five points at
 * distance h leave an error of h^4 F'''''/30 and eps |F| / h; some nets bend so much that they need
 * a smaller h. relu is straight between its kinks, so two points very near do, and a direction that
 * meets a kink may be followed by two others. A wrong gradient agrees with none of them. Errors are
 * relative to the norm of the tensor's gradient, above the rounding of F itself: a true gradient of
 * zero is met by noise of that size, and has a test of its own. */
#ifndef CONTINUO_TESTS_NET_PROBE_H
#define CONTINUO_TESTS_NET_PROBE_H

#include <float.h>

#include "net_setup.h"

struct probe {
    struct net *net;
    struct pass *pass;
    double *x, *r, *kept, *direction;
    double size; /* sum of |r y| */
    ptrdiff_t batch;
};

static inline double probe_at(struct probe *p) {
    net_touch(p->net);
    const double *y = pass_forward(p->pass, p->x, p->batch);
    double sum = 0.0;
    p->size = 0.0;
    for (ptrdiff_t i = 0; i < p->batch * p->net->outputs; i++) {
        sum += p->r[i] * y[i];
        p->size += fabs(p->r[i] * y[i]);
    }
    return sum;
}

static inline double moved(struct probe *p, const struct parameter *parameter, double by) {
    double *values = net_value(p->net, parameter);
    memcpy(p->kept, values, (size_t)parameter->len * sizeof *values);
    for (ptrdiff_t i = 0; i < parameter->len; i++) {
        values[i] += by * p->direction[i];
    }
    const double f = probe_at(p);
    memcpy(values, p->kept, (size_t)parameter->len * sizeof *values);
    return f;
}

/* The derivative along a random direction of length 1, and by gradient in *exact. */
static inline double difference_along(struct probe *p, const struct parameter *parameter,
                                      uint64_t seed, double h, bool kinks, double *exact) {
    const double *grad = net_grad(p->net, parameter);
    double length = 0.0;
    *exact = 0.0;
    for (ptrdiff_t i = 0; i < parameter->len; i++) {
        p->direction[i] = rng_normal(seed, rng_stream(parameter->name), (uint64_t)i);
        length += p->direction[i] * p->direction[i];
    }
    for (ptrdiff_t i = 0; i < parameter->len; i++) {
        p->direction[i] /= sqrt(length);
        *exact += grad[i] * p->direction[i];
    }
    if (kinks) {
        return (moved(p, parameter, h) - moved(p, parameter, -h)) / (2.0 * h);
    }
    const double near = moved(p, parameter, h) - moved(p, parameter, -h);
    const double far = moved(p, parameter, 2.0 * h) - moved(p, parameter, -2.0 * h);
    return (8.0 * near - far) / (12.0 * h);
}

static inline void check_tensor(struct probe *p, const struct parameter *parameter,
                                const char *what, bool kinks) {
    const double *grad = net_grad(p->net, parameter);
    double norm = 0.0, off = 0.0, exact = 0.0, difference = 0.0, allowed = 0.0;
    for (ptrdiff_t i = 0; i < parameter->len; i++) {
        norm += grad[i] * grad[i];
    }
    norm = sqrt(norm);
    for (int attempt = 0; attempt < 3; attempt++) {
        const double h = kinks ? 1e-7 : 2e-3 * pow(10.0, -attempt);
        difference =
            difference_along(p, parameter, kinks ? 71 + (uint64_t)attempt : 71, h, kinks, &exact);
        allowed = (kinks ? 1e-6 : 3e-8) * norm + 64.0 * DBL_EPSILON * p->size / h;
        off = fabs(difference - exact);
        if (off <= allowed) {
            return;
        }
    }
    cr_expect_fail("%s: %.12g by difference, %.12g by gradient (norm %.3g, allowed %.1e) in %s",
                   parameter->name, difference, exact, norm, allowed, what);
}

static inline ptrdiff_t longest(const struct net *net) {
    ptrdiff_t most = 0;
    for (int p = 0; p < net->parameter_count; p++) {
        most = net->parameters[p].len > most ? net->parameters[p].len : most;
    }
    return most;
}

static inline struct probe probe_begin(const char *json, ptrdiff_t batch, bool training,
                                       struct manifestation how) {
    struct probe p = {.net = make_net(json), .batch = batch};
    cr_assert_eq(p.net->kernels->precision, PRECISION_F64, "%s", json);
    shake(p.net, 0.1, 83);
    p.pass =
        make_pass(p.net, &(struct pass_options){
                             .batch = batch, .training = training, .gradients = true, .how = how});
    p.x = normal_reals(p.net, batch * input_len(p.net), 91);
    p.r = normal_reals(p.net, batch * p.net->outputs, 97);
    p.kept = malloc((size_t)longest(p.net) * sizeof *p.kept);
    p.direction = malloc((size_t)longest(p.net) * sizeof *p.direction);
    cr_assert(p.kept && p.direction);
    p.net->kernels->set(p.net->grads, 0.0, p.net->trainable_len);
    cr_assert(isfinite(probe_at(&p)), "%s", json);
    pass_backward(p.pass, p.r);
    return p;
}

static inline void probe_end(struct probe *p) {
    pass_free(p->pass);
    net_free(p->net);
    free(p->x);
    free(p->r);
    free(p->kept);
    free(p->direction);
}

static inline void check_gradient(const char *json, ptrdiff_t batch, bool training,
                                  struct manifestation how) {
    struct probe p = probe_begin(json, batch, training, how);
    const bool kinks = strstr(json, "\"relu\"") != NULL;
    char what[6100];
    snprintf(what, sizeof what, "%s, %s", json, training ? "training" : "stored statistics");
    for (int i = 0; i < p.net->parameter_count; i++) {
        if (p.net->parameters[i].trainable) {
            check_tensor(&p, &p.net->parameters[i], what, kinks);
        }
    }
    probe_end(&p);
}

#endif
