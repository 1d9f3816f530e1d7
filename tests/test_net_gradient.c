/* Gradients of every family: see net_probe.h for how they are compared. */
#include "net_probe.h"

enum { BATCH = 3 };

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
        check_gradient(nets[i], BATCH, true, as_configured);
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
        check_gradient(nets[i], BATCH, true, as_configured);
        check_gradient(nets[i], BATCH, false, as_configured);
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
        check_gradient(nets[i], BATCH, true, as_configured);
        check_gradient(nets[i], BATCH, false, as_configured);
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
        check_gradient(nets[i], BATCH, i % 2 == 0, as_configured);
    }
}

Test(net_gradient, of_residual_nets) {
    static const char *const nets[] = {
        RESIDUAL("\"width\":2,\"act\":\"tanh\",\"nodes\":2"),
        RESIDUAL("\"width\":3,\"act\":\"softplus\",\"unit\":\"pre\",\"nodes\":3"),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], BATCH, true, as_configured);
        check_gradient(nets[i], BATCH, false, as_configured);
    }
}

Test(net_gradient, of_nets_with_kinks) {
    check_gradient(IMAGES("\"width\":2,\"act\":\"relu\",\"scheme\":\"rk4\",\"nodes\":2"), BATCH,
                   true, as_configured);
    check_gradient(IMAGES("\"width\":2,\"act\":\"relu\",\"unit\":\"pre\",\"scheme\":\"euler\","
                          "\"nodes\":2,\"steps\":3"),
                   BATCH, true, as_configured);
    check_gradient(RESIDUAL("\"width\":2,\"act\":\"relu\""), BATCH, false, as_configured);
}

Test(net_gradient, of_other_manifestations_of_the_same_net) {
    static const char *const net =
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"euler\",\"nodes\":2");
    check_gradient(net, BATCH, true, (struct manifestation){scheme("rk4"), 3, EDGE_CLOSED});
    check_gradient(net, BATCH, false, (struct manifestation){scheme("dopri54"), 1, EDGE_OPEN});
    check_gradient(net, BATCH, true, (struct manifestation){NULL, 5, -1});
}

/* A constant added to each channel before a norm with batch statistics changes nothing: in pre
 * units the bias of conv1 is followed by bn2 at once. */
Test(net_gradient, of_a_bias_before_a_norm_is_zero_to_rounding) {
    struct probe p = probe_begin(
        IMAGES("\"unit\":\"pre\",\"width\":3,\"act\":\"tanh\",\"scheme\":\"rk4\",\"nodes\":2"),
        BATCH, true, as_configured);
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

/* Twice the gradient, to the rounding of sums in which terms as large as the largest entry of the
 * parameter may cancel. */
Test(net_gradient, is_added_to_what_is_there) {
    struct probe p = probe_begin(
        IMAGES("\"width\":2,\"act\":\"tanh\",\"scheme\":\"heun2\",\"nodes\":2,\"skip\":true"),
        BATCH, false, as_configured);
    const ptrdiff_t len = p.net->trainable_len;
    double *once = malloc((size_t)len * sizeof *once), *grads = p.net->grads;
    cr_assert_not_null(once);
    memcpy(once, grads, (size_t)len * sizeof *once);
    pass_forward(p.pass, p.x, BATCH);
    pass_backward(p.pass, p.r);
    for (int n = 0; n < p.net->parameter_count; n++) {
        const struct parameter *parameter = &p.net->parameters[n];
        const ptrdiff_t end = parameter->offset + parameter->len;
        double largest = 0;
        for (ptrdiff_t i = parameter->offset; parameter->trainable && i < end; i++) {
            largest = fmax(largest, fabs(once[i]));
        }
        for (ptrdiff_t i = parameter->offset; parameter->trainable && i < end; i++) {
            cr_assert(fabs(grads[i] - 2.0 * once[i]) <= 4.0 * DBL_EPSILON * largest, "%s, %td",
                      parameter->name, i - parameter->offset);
        }
    }
    free(once);
    probe_end(&p);
}
