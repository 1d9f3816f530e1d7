/* The gradient of whole nets in f64 against differences of their outputs, along a random direction
 * through all entries of each parameter tensor.
 *
 * What is differentiated is F = r . y for random r. With a smooth activation five points at
 * distance h leave an error of h^4 F'''''/30 and eps |F| / h; some nets bend so much that they need
 * a smaller h. relu is straight between its kinks, so two points very near do, and a direction that
 * meets a kink may be followed by two others. A wrong gradient agrees with none of them. Errors are
 * relative to the norm of the tensor's gradient, above the rounding of F itself: a true gradient of
 * zero is met by noise of that size, and has a test of its own. */
#include "net_setup.h"

#include <float.h>

enum { BATCH = 3 };

struct probe {
    struct net *net;
    struct pass *pass;
    double *x, *r, *kept, *direction;
    double size; /* sum of |r y| */
};

static double probe_at(struct probe *p) {
    net_touch(p->net);
    const double *y = pass_forward(p->pass, p->x, BATCH);
    double sum = 0.0;
    p->size = 0.0;
    for (ptrdiff_t i = 0; i < BATCH * p->net->outputs; i++) {
        sum += p->r[i] * y[i];
        p->size += fabs(p->r[i] * y[i]);
    }
    return sum;
}

static double moved(struct probe *p, const struct parameter *parameter, double by) {
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
static double difference_along(struct probe *p, const struct parameter *parameter, uint64_t seed,
                               double h, bool kinks, double *exact) {
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

static void check_tensor(struct probe *p, const struct parameter *parameter, const char *what,
                         bool kinks) {
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
    cr_expect_fail("%s: %s: %.12g by difference, %.12g by gradient (norm %.3g, allowed %.1e)", what,
                   parameter->name, difference, exact, norm, allowed);
}

static ptrdiff_t longest(const struct net *net) {
    ptrdiff_t most = 0;
    for (int p = 0; p < net->parameter_count; p++) {
        most = net->parameters[p].len > most ? net->parameters[p].len : most;
    }
    return most;
}

static struct probe probe_begin(const char *json, bool training, struct manifestation how) {
    struct probe p = {.net = make_net(json)};
    cr_assert_eq(p.net->kernels->precision, PRECISION_F64, "%s", json);
    shake(p.net, 0.1, 83);
    p.pass =
        make_pass(p.net, &(struct pass_options){
                             .batch = BATCH, .training = training, .gradients = true, .how = how});
    p.x = normal_reals(p.net, BATCH * input_len(p.net), 91);
    p.r = normal_reals(p.net, BATCH * p.net->outputs, 97);
    p.kept = malloc((size_t)longest(p.net) * sizeof *p.kept);
    p.direction = malloc((size_t)longest(p.net) * sizeof *p.direction);
    cr_assert(p.kept && p.direction);
    p.net->kernels->set(p.net->grads, 0.0, p.net->trainable_len);
    cr_assert(isfinite(probe_at(&p)), "%s", json);
    pass_backward(p.pass, p.r);
    return p;
}

static void probe_end(struct probe *p) {
    pass_free(p->pass);
    net_free(p->net);
    free(p->x);
    free(p->r);
    free(p->kept);
    free(p->direction);
}

static void check_gradient(const char *json, bool training, struct manifestation how) {
    struct probe p = probe_begin(json, training, how);
    const bool kinks = strstr(json, "\"relu\"") != NULL;
    char what[512];
    snprintf(what, sizeof what, "%s, %s", json, training ? "training" : "stored statistics");
    for (int i = 0; i < p.net->parameter_count; i++) {
        if (p.net->parameters[i].trainable) {
            check_tensor(&p, &p.net->parameters[i], what, kinks);
        }
    }
    probe_end(&p);
}

static const struct tableau *scheme(const char *name) {
    struct error error;
    const struct tableau *tableau = tableau_find(name, &error);
    cr_assert_not_null(tableau, "%s", error.text);
    return tableau;
}

#define MLP(more) "{\"family\":\"mlp\",\"precision\":\"f64\",\"seed\":5," more "}"
#define IMAGES(more)                                                                               \
    "{\"family\":\"continuous\",\"precision\":\"f64\",\"seed\":9,\"input\":[2,5,7],"               \
    "\"classes\":3," more "}"
#define RESIDUAL(more)                                                                             \
    "{\"family\":\"residual\",\"precision\":\"f64\",\"seed\":9,\"input\":[1,6,5],"                 \
    "\"classes\":3," more "}"

Test(net_gradient, of_dense_fields_with_every_activation) {
    static const char *const nets[] = {
        MLP("\"input\":[3],\"hidden\":7,\"act\":\"none\",\"scheme\":\"rk4\",\"nodes\":2"),
        MLP("\"input\":[3],\"hidden\":18,\"act\":\"tanh\",\"scheme\":\"euler\",\"nodes\":3"),
        MLP("\"input\":[2],\"hidden\":5,\"layers\":2,\"augment\":2,\"act\":\"gelu\","
            "\"scheme\":\"midpoint\",\"nodes\":2,\"steps\":4"),
        MLP("\"input\":[17],\"hidden\":4,\"act\":\"softplus\",\"scheme\":\"heun2\","
            "\"nodes\":2,\"steps\":3,\"outputs\":1"),
        MLP("\"input\":[2,1,1],\"hidden\":9,\"layers\":3,\"act\":\"tanh\",\"eps\":0.6,"
            "\"scheme\":\"dopri54\",\"nodes\":3,\"steps\":2"),
        MLP("\"input\":[3],\"hidden\":6,\"augment\":15,\"act\":\"gelu\",\"scheme\":\"rk4_38\","
            "\"nodes\":2,\"edge\":\"closed\""),
        MLP("\"input\":[4],\"hidden\":11,\"act\":\"relu\",\"scheme\":\"rk4\",\"nodes\":2"),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], true, as_configured);
    }
}

Test(net_gradient, of_continuous_post_units) {
    static const char *const nets[] = {
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"euler\",\"nodes\":2"),
        IMAGES("\"width\":2,\"act\":\"gelu\",\"scheme\":\"midpoint\",\"nodes\":2,\"steps\":4"),
        IMAGES("\"width\":3,\"act\":\"softplus\",\"scheme\":\"heun2\",\"nodes\":2,\"steps\":3"),
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"rk4\",\"skip\":true,\"eps\":0.7"),
        IMAGES("\"width\":5,\"act\":\"none\",\"scheme\":\"rk4_38\",\"nodes\":2"),
        IMAGES("\"width\":17,\"act\":\"tanh\",\"scheme\":\"euler\""),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], true, as_configured);
        check_gradient(nets[i], false, as_configured);
    }
}

Test(net_gradient, of_continuous_pre_units) {
    static const char *const nets[] = {
        IMAGES("\"unit\":\"pre\",\"width\":2,\"act\":\"tanh\",\"scheme\":\"rk4\",\"nodes\":2"),
        IMAGES("\"unit\":\"pre\",\"width\":2,\"act\":\"gelu\",\"scheme\":\"dopri54\","
               "\"nodes\":2"),
        IMAGES("\"unit\":\"pre\",\"width\":3,\"act\":\"softplus\",\"scheme\":\"rk4_38\","
               "\"nodes\":2,\"steps\":5,\"skip\":true"),
        IMAGES("\"unit\":\"pre\",\"width\":2,\"widen\":3,\"act\":\"tanh\",\"scheme\":\"euler\","
               "\"nodes\":2,\"steps\":4"),
        IMAGES("\"unit\":\"pre\",\"width\":2,\"act\":\"none\",\"scheme\":\"midpoint\","
               "\"norm_update\":\"visit\""),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], true, as_configured);
        check_gradient(nets[i], false, as_configured);
    }
}

Test(net_gradient, of_nets_without_norms) {
    static const char *const nets[] = {
        IMAGES("\"norm\":\"none\",\"width\":2,\"act\":\"tanh\",\"scheme\":\"rk4\",\"nodes\":2"),
        IMAGES("\"norm\":\"none\",\"width\":2,\"act\":\"softplus\",\"scheme\":\"heun2\","
               "\"nodes\":2,\"steps\":3,\"skip\":true,\"eps\":0.5"),
        IMAGES("\"norm\":\"none\",\"unit\":\"pre\",\"width\":2,\"act\":\"gelu\","
               "\"scheme\":\"midpoint\",\"nodes\":2"),
        IMAGES("\"norm\":\"none\",\"unit\":\"pre\",\"width\":3,\"act\":\"tanh\","
               "\"scheme\":\"rk4_38\",\"nodes\":2,\"edge\":\"closed\",\"skip\":true"),
        RESIDUAL("\"norm\":\"none\",\"width\":3,\"act\":\"gelu\",\"nodes\":3"),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], i % 2 == 0, as_configured);
    }
}

Test(net_gradient, of_residual_nets) {
    static const char *const nets[] = {
        RESIDUAL("\"width\":2,\"act\":\"tanh\",\"nodes\":2"),
        RESIDUAL("\"width\":3,\"act\":\"softplus\",\"unit\":\"pre\",\"nodes\":3"),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], true, as_configured);
        check_gradient(nets[i], false, as_configured);
    }
}

Test(net_gradient, of_nets_with_kinks) {
    check_gradient(IMAGES("\"width\":2,\"act\":\"relu\",\"scheme\":\"rk4\",\"nodes\":2"), true,
                   as_configured);
    check_gradient(IMAGES("\"width\":2,\"act\":\"relu\",\"unit\":\"pre\",\"scheme\":\"euler\","
                          "\"nodes\":2,\"steps\":3"),
                   true, as_configured);
    check_gradient(RESIDUAL("\"width\":2,\"act\":\"relu\""), false, as_configured);
}

Test(net_gradient, of_other_manifestations_of_the_same_net) {
    static const char *const net =
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"euler\",\"nodes\":2");
    check_gradient(net, true, (struct manifestation){scheme("rk4"), 3, EDGE_CLOSED});
    check_gradient(net, false, (struct manifestation){scheme("dopri54"), 1, EDGE_OPEN});
    check_gradient(net, true, (struct manifestation){NULL, 5, -1});
}

/* A constant added to each channel before a norm with batch statistics changes nothing: in pre
 * units the bias of conv1 is followed by bn2 at once. */
Test(net_gradient, of_a_bias_before_a_norm_is_zero_to_rounding) {
    struct probe p = probe_begin(
        IMAGES("\"unit\":\"pre\",\"width\":3,\"act\":\"tanh\",\"scheme\":\"rk4\",\"nodes\":2"),
        true, as_configured);
    static const char *const names[] = {"block1.conv1",  "block2.conv1",  "block3.conv1",
                                        "stitch1.conv1", "stitch2.conv1", "stitch3.conv1"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        char name[64];
        double largest[2] = {0};
        for (int w = 0; w < 2; w++) {
            snprintf(name, sizeof name, "%s.%s", names[n], w ? "weight" : "bias");
            const struct parameter *parameter = net_parameter(p.net, name);
            const double *grad = net_grad(p.net, parameter);
            for (ptrdiff_t i = 0; i < parameter->len; i++) {
                largest[w] = fmax(largest[w], fabs(grad[i]));
            }
        }
        cr_expect(largest[1] > 1e-6, "%s has no gradient at all", name);
        /* each of the 105 pixels adds roundings of terms as large as the weight's */
        cr_expect(largest[0] <= 1e4 * DBL_EPSILON * largest[1], "%s: %.2e beside %.2e", names[n],
                  largest[0], largest[1]);
    }
    probe_end(&p);
}

Test(net_gradient, is_added_to_what_is_there) {
    struct probe p = probe_begin(
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"heun2\",\"nodes\":2,\"skip\":true"),
        false, as_configured);
    const ptrdiff_t len = p.net->trainable_len;
    double *once = malloc((size_t)len * sizeof *once), *grads = p.net->grads;
    cr_assert_not_null(once);
    memcpy(once, grads, (size_t)len * sizeof *once);
    pass_forward(p.pass, p.x, BATCH);
    pass_backward(p.pass, p.r);
    for (ptrdiff_t i = 0; i < len; i++) {
        cr_assert(fabs(grads[i] - 2.0 * once[i]) <= 8.0 * DBL_EPSILON * fabs(once[i]), "entry %td",
                  i);
    }
    free(once);
    probe_end(&p);
}
