/* One gradient by every method. */
#include "net_setup.h"

#include "study/gradient_methods.h"

static struct gradient_methods compare(const char *json, const char *scheme, int steps) {
    struct net *net = make_net(json);
    struct gradient_methods methods;
    struct error error;
    shake(net, 0.4, 19);
    const struct gradient_options options = {
        .batch = 4,
        .how = {.scheme = scheme ? tableau_find(scheme, NULL) : NULL, .steps = steps, .edge = -1},
        .seed = 5};
    cr_assert(gradient_methods(net, &options, &methods, &error), "%s", error.text);
    net_free(net);
    return methods;
}

#define FIELD                                                                                      \
    "{\"family\":\"dynamics\",\"state\":3,\"dt\":0.7,\"hidden\":11,\"act\":\"softplus\",\"seed\":2}"

Test(gradient_methods, discrete_ones_agree_and_the_continuous_one_tends_to_them) {
    static const struct {
        const char *scheme;
        int steps;
    } rows[] = {{"euler", 32}, {"midpoint", 16}, {"kutta3", 8}, {"rk4", 6}, {"rk4_38", 6}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct gradient_methods m = compare(FIELD, rows[i].scheme, rows[i].steps);
        cr_assert(m.field);
        cr_assert_eq(m.count, 6);
        cr_assert(m.method[1].same && m.method[2].same);
        cr_assert_lt(m.method[3].difference, 1e-13, "%g", m.method[3].difference);
        cr_assert_eq(m.method[3].difference, m.method[4].difference);
        cr_assert_gt(m.method[5].difference, 1e-9);
        cr_assert_float_eq(m.method[5].observed, m.scheme->order, 0.15, "%s: %.3f",
                           rows[i].scheme, m.method[5].observed);
        cr_assert_eq(m.method[5].order, m.scheme->order);
    }
}

Test(gradient_methods, other_nets_compare_what_they_have) {
    struct gradient_methods m =
        compare("{\"family\":\"mlp\",\"input\":[5],\"nodes\":2,\"seed\":4}", NULL, 0);
    cr_assert(m.count == 3 && !m.field && m.steps == 2);
    cr_assert(m.method[1].same && m.method[2].same);
    m = compare("{\"family\":\"dynamics\",\"state\":3,\"dt\":0.7,\"model\":\"matrix\"}", NULL, 0);
    cr_assert(m.count == 1 && !m.scheme);
    m = compare("{\"family\":\"dynamics\",\"state\":3,\"dt\":0.7,\"intervals\":2}", NULL, 0);
    cr_assert(m.count == 3 && !m.field);
    struct net *net = make_net(FIELD);
    struct error error;
    const volatile bool stop = true;
    const struct gradient_options options = {.batch = 2, .how = {.edge = -1}, .stop = &stop};
    cr_assert_not(gradient_methods(net, &options, &m, &error));
    cr_assert_eq(error.code, ERROR_STATE);
    net_free(net);
}
