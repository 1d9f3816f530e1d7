/* The field of an ODE block in plain doubles against the passes of the same net. */
#include "net_setup.h"

#include "nets/net_field.h"
#include "ode/adjoint.h"

enum { BATCH = 3, N = 4 };

/* One block without a head; with "skip", gelu before the first layer, and K nodes. */
static const char *const stack =
    "{\"family\":\"stack\",\"input\":[4],\"precision\":\"f64\",\"seed\":5,\"layers\":["
    "{\"layer\":\"ode\",\"eps\":%g,\"nodes\":%d,\"skip\":%s,\"body\":["
    "{\"layer\":\"gelu\"},{\"layer\":\"dense\",\"out\":7},{\"layer\":\"tanh\"},"
    "{\"layer\":\"dense\",\"out\":5,\"bias\":false},{\"layer\":\"%s\"},"
    "{\"layer\":\"dense\",\"out\":4}]}]}";

static struct net *make_stack(double eps, int nodes, bool skip, const char *act) {
    char json[1024];
    (void)snprintf(json, sizeof json, stack, eps, nodes, skip ? "true" : "false", act);
    struct net *net = make_net(json);
    shake(net, 0.5, 31);
    return net;
}

static struct net_field *field_of(const struct net *net) {
    struct error error;
    struct net_field *field = net_field_create(net, 0, &error);
    cr_assert_not_null(field, "%s", error.text);
    return field;
}

static const double *run(struct net *net, struct pass **pass, const char *scheme, int steps,
                         const double *x) {
    struct error error;
    const struct pass_options options = {
        .batch = BATCH,
        .gradients = true,
        .how = {.scheme = tableau_find(scheme, &error), .steps = steps, .edge = -1}};
    *pass = pass_create(net, &options, &error);
    cr_assert_not_null(*pass, "%s", error.text);
    return pass_forward(*pass, x, BATCH);
}

Test(net_field, solutions_and_gradients_are_those_of_the_net) {
    static const struct {
        const char *scheme;
        int nodes, steps; /* with several nodes, schemes that read no end of a step */
        bool skip;
        const char *act;
    } rows[] = {{"euler", 1, 5, false, "tanh"},   {"midpoint", 2, 6, true, "softplus"},
                {"rk4", 1, 3, true, "gelu"},      {"rk4_38", 1, 4, false, "softplus"},
                {"dopri54", 1, 2, false, "relu"}, {"euler", 3, 6, true, "relu"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net *net = make_stack(0.37, rows[i].nodes, rows[i].skip, rows[i].act);
        double *x = normal_reals(net, BATCH * N, 7), *r = normal_reals(net, BATCH * N, 8);
        struct net_field *field = field_of(net);
        const struct ode_field ode = net_field_ode(field);
        const struct adjoint adjoint = {
            &ode, tableau_find(rows[i].scheme, NULL), 0, 1, rows[i].steps, BATCH};
        struct error error;
        struct pass *pass;
        double y1[BATCH * N], a0[BATCH * N];
        cr_assert_eq(ode.n, N);
        cr_assert(adjoint_discrete(&adjoint, ADJOINT_STORED, x, r, y1, a0, &error));
        const double *y = run(net, &pass, rows[i].scheme, rows[i].steps, x);
        for (int k = 0; k < BATCH * N; k++) {
            cr_assert_float_eq(y1[k], y[k], 1e-13 * fmax(1, fabs(y[k])), "%s, %d: %g",
                               rows[i].scheme, k, y1[k] - y[k]);
        }
        net->kernels->set(net->grads, 0, net->trainable_len);
        pass_backward(pass, r);
        const double *own = net->grads, *plain = net_field_gradient(field);
        double most = 0;
        for (ptrdiff_t k = 0; k < net->trainable_len; k++) {
            most = fmax(most, fabs(own[k]));
        }
        for (ptrdiff_t k = 0; k < net->trainable_len; k++) {
            cr_assert_float_eq(plain[k], own[k], 1e-12 * most, "%s, weight %td: %g against %g",
                               rows[i].scheme, k, plain[k], own[k]);
        }
        cr_assert_gt(most, 0.1);
        net_field_zero(field);
        cr_assert_eq(net_field_gradient(field)[0], 0);
        cr_assert_eq(net_field_kinked(field), !strcmp(rows[i].act, "relu"));
        pass_free(pass);
        net_field_free(field);
        free(x);
        free(r);
        net_free(net);
    }
}

Test(net_field, monomials_are_lifted_and_pulled_back) {
    struct net *net =
        make_net("{\"family\":\"stack\",\"input\":[4],\"precision\":\"f64\",\"seed\":5,"
                 "\"layers\":["
                 "{\"layer\":\"ode\",\"eps\":0.2,\"body\":["
                 "{\"layer\":\"monomials\",\"degree\":3},"
                 "{\"layer\":\"dense\",\"out\":4,\"bias\":false}]}]}");
    shake(net, 0.1, 3);
    double *x = normal_reals(net, BATCH * N, 7), *r = normal_reals(net, BATCH * N, 8);
    struct net_field *field = field_of(net);
    const struct ode_field ode = net_field_ode(field);
    const struct adjoint adjoint = {&ode, tableau_find("rk4", NULL), 0, 1, 5, BATCH};
    struct error error;
    struct pass *pass;
    double y1[BATCH * N], a0[BATCH * N];
    cr_assert(adjoint_discrete(&adjoint, ADJOINT_RECOMPUTED, x, r, y1, a0, &error));
    const double *y = run(net, &pass, "rk4", 5, x);
    for (int k = 0; k < BATCH * N; k++) {
        cr_assert_float_eq(y1[k], y[k], 1e-13 * fmax(1, fabs(y[k])), "%d: %g", k, y1[k] - y[k]);
    }
    net->kernels->set(net->grads, 0, net->trainable_len);
    pass_backward(pass, r);
    const double *own = net->grads, *plain = net_field_gradient(field);
    for (ptrdiff_t k = 0; k < net->trainable_len; k++) {
        cr_assert_float_eq(plain[k], own[k], 1e-11 * fmax(1, fabs(own[k])), "%td: %g", k,
                           plain[k] - own[k]);
    }
    /* a0 is the gradient by the first state too. */
    for (int k = 0; k < BATCH * N; k++) {
        const double kept = x[k], h = 1e-5;
        double value[2], end[BATCH * N];
        for (int side = 0; side < 2; side++) {
            x[k] = kept + (side ? -h : h);
            cr_assert(adjoint_forward(&adjoint, x, end, &error));
            value[side] = 0;
            for (int i = 0; i < BATCH * N; i++) {
                value[side] += r[i] * end[i];
            }
        }
        x[k] = kept;
        cr_assert_float_eq(a0[k], (value[0] - value[1]) / (2 * h), 1e-7 * fmax(1, fabs(a0[k])));
    }
    pass_free(pass);
    net_field_free(field);
    free(x);
    free(r);
    net_free(net);
}

/* y' = C phi(t, y) by the names of the terms; and the vector-Jacobian product by differences. */
Test(net_field, a_polynomial_in_state_and_time_is_what_its_terms_say) {
    struct net *net = make_net(
        "{\"family\":\"dynamics\",\"state\":2,\"model\":\"polynomial\",\"degree\":3,"
        "\"times\":\"given\",\"time\":true}");
    shake(net, 0.8, 37);
    struct net_field *field = field_of(net);
    const struct ode_field ode = net_field_ode(field);
    const double t[] = {0.7, -1.2}, y[] = {0.31, -0.83, 1.21, 0.57}, a[] = {0.9, -0.4, 0.2, 1.3};
    const int terms = net_term_count(net);
    double dy[4], ybar[4], expected[4] = {0};
    cr_assert_eq(terms, 20);
    cr_assert_eq(ode.n, 2);
    cr_assert(net_field_physical(field) && net_field_whole(net) && !net_field_single(net));
    for (int k = 0; k < 4; k++) {
        for (int term = 0; term < terms; term++) {
            char name[NET_TERM_SIZE];
            double product = 1;
            net_term_name(net, term, name);
            for (char *rest = name, *word; (word = strsep(&rest, " "));) {
                const char *power = strchr(word, '^');
                const double base = *word == 't' ? t[k / 2]
                                    : *word == '1' ? 1
                                                   : y[k / 2 * 2 + (word[1] == '2')];
                product *= pow(base, power ? atoi(power + 1) : 1);
            }
            expected[k] += ((double *)net->values)[k % 2 * terms + term] * product;
        }
    }
    cr_assert(ode.value(ode.context, 2, t, y, dy));
    for (int k = 0; k < 4; k++) {
        cr_expect_float_eq(dy[k], expected[k], 1e-13 * fmax(1, fabs(expected[k])));
    }
    cr_assert(ode.pull(ode.context, 2, t, y, a, ybar, 1));
    for (int k = 0; k < 4; k++) { /* four points are exact on cubics */
        double moved[4], slope = 0;
        const double h = 0.05, weights[] = {8, -8, -1, 1}, places[] = {1, -1, 2, -2};
        for (int p = 0; p < 4; p++) {
            memcpy(moved, y, sizeof moved);
            moved[k] += places[p] * h;
            cr_assert(ode.value(ode.context, 2, t, moved, dy));
            slope += weights[p] * (a[k / 2 * 2] * dy[k / 2 * 2] +
                                   a[k / 2 * 2 + 1] * dy[k / 2 * 2 + 1]) / (12 * h);
        }
        cr_expect_float_eq(ybar[k], slope, 1e-11 * fmax(1, fabs(slope)));
    }
    net_field_free(field);
    net_free(net);
}

Test(net_field, it_is_a_copy_and_says_what_it_cannot_be) {
    struct net *net = make_stack(1, 1, false, "tanh");
    struct net_field *field = field_of(net);
    const struct ode_field ode = net_field_ode(field);
    double *x = normal_reals(net, N, 9), before[N], after[N];
    const double t = 0.4;
    cr_assert(ode.value(ode.context, 1, &t, x, before));
    shake(net, 1, 77);
    cr_assert(ode.value(ode.context, 1, &t, x, after));
    cr_assert_arr_eq(before, after, sizeof before);
    cr_assert_eq(net_field_time(field), 1);
    net_field_span(field, 0.25);
    double faster[N];
    cr_assert(ode.value(ode.context, 1, &t, x, faster));
    for (int i = 0; i < N; i++) {
        cr_assert_float_eq(faster[i], 4 * before[i], 1e-14);
    }
    cr_assert_eq(net_field_time(field), 0.25);
    cr_assert(net_field_whole(net));
    net_field_free(field);
    struct error error;
    cr_assert_null(net_field_create(net, 1, &error));
    cr_assert(strstr(error.text, "this net has 1 ODE block; there is no block 2"), "%s",
              error.text);
    free(x);
    net_free(net);
    net = make_net("{\"family\":\"continuous\",\"input\":[1,6,6],\"classes\":2,\"width\":4}");
    cr_assert_null(net_field_create(net, 0, &error));
    cr_assert(strstr(error.text, "not made of dense layers"), "%s", error.text);
    cr_assert_not(net_field_whole(net));
    net_free(net);
}
