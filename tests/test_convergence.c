/* The hidden state behind each ODE block converges with its scheme's order: in f64, with a smooth
 * activation, stored statistics and steps that align with the cells of the weights.
 *
 * Errors are largest differences from a reference by rk4 with 1024 steps, eight times the finest
 * one compared, which is a thousand times nearer than rk4 itself gets. The slope is fitted to the
 * logarithms over four halvings and more. */
#include "net_setup.h"

#include <float.h>

enum { BATCH = 2, BLOCKS = 3, POINTS_MAX = 8, REFERENCE_STEPS = 1024 };

static const char *const post =
    "{\"family\":\"continuous\",\"input\":[2,5,6],\"classes\":3,\"width\":3,\"act\":\"tanh\","
    "\"precision\":\"f64\",\"seed\":11,\"eps\":1.5,\"nodes\":%d}";
static const char *const pre =
    "{\"family\":\"continuous\",\"input\":[2,5,6],\"classes\":3,\"width\":3,\"act\":\"gelu\","
    "\"precision\":\"f64\",\"seed\":13,\"eps\":0.5,\"unit\":\"pre\",\"nodes\":%d}";

struct states { /* behind each block */
    ptrdiff_t len[BLOCKS];
    double *state[BLOCKS];
};

static struct states states_of(struct net *net, const char *scheme, int steps, enum edge edge) {
    struct error error;
    const struct manifestation how = {tableau_find(scheme, &error), steps, (int)edge};
    cr_assert_not_null(how.scheme, "%s", error.text);
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = BATCH, .how = how});
    double *x = normal_reals(net, BATCH * input_len(net), 101);
    struct states states;
    pass_forward(pass, x, BATCH);
    for (int b = 0; b < BLOCKS; b++) {
        states.len[b] = BATCH * pass_state_len(pass, b);
        states.state[b] = malloc((size_t)states.len[b] * sizeof(double));
        cr_assert_not_null(states.state[b]);
        pass_state(pass, b, states.state[b]);
    }
    free(x);
    pass_free(pass);
    return states;
}

static void states_free(struct states *states) {
    for (int b = 0; b < BLOCKS; b++) {
        free(states->state[b]);
    }
}

static double distance(const struct states *a, const struct states *b, int block) {
    double most = 0.0;
    for (ptrdiff_t i = 0; i < a->len[block]; i++) {
        most = fmax(most, fabs(a->state[block][i] - b->state[block][i]));
    }
    return most;
}

static double size_of(const struct states *states, int block) {
    double most = 0.0;
    for (ptrdiff_t i = 0; i < states->len[block]; i++) {
        most = fmax(most, fabs(states->state[block][i]));
    }
    return most;
}

/* Of log error against log steps, by least squares, times -1; steps double from point to point. */
static double fitted_order(const double *errors, int count) {
    double mean = 0.0, sum = 0.0, squares = 0.0;
    for (int i = 0; i < count; i++) {
        mean += log2(errors[i]) / count;
    }
    for (int i = 0; i < count; i++) {
        const double at = i - 0.5 * (count - 1);
        sum += at * (log2(errors[i]) - mean);
        squares += at * at;
    }
    return -sum / squares;
}

struct study {
    const char *scheme;
    double order;
    int first, count; /* steps: first, 2 first, ..., so many */
};

/* Slopes of all blocks lie within `within` of the order. */
static void check_order(struct net *net, const struct states *reference, const struct study *study,
                        enum edge edge, double within, const char *what) {
    double errors[BLOCKS][POINTS_MAX];
    for (int n = 0; n < study->count; n++) {
        struct states states = states_of(net, study->scheme, study->first << n, edge);
        for (int b = 0; b < BLOCKS; b++) {
            errors[b][n] = distance(&states, reference, b);
        }
        states_free(&states);
    }
    for (int b = 0; b < BLOCKS; b++) {
        const double order = fitted_order(errors[b], study->count);
        const double size = size_of(reference, b), finest = errors[b][study->count - 1];
        cr_expect(fabs(order - study->order) <= within,
                  "%s, %s, behind block %d: order %.3f, not %g (errors %.2e to %.2e)", what,
                  study->scheme, b + 1, order, study->order, errors[b][0], finest);
        cr_expect(finest > 100.0 * DBL_EPSILON * size && errors[b][0] < 0.1 * size,
                  "%s, %s, behind block %d: errors %.2e to %.2e say little of a state of size %.2g",
                  what, study->scheme, b + 1, errors[b][0], finest, size);
    }
}

static struct net *net_of(const char *format, int nodes) {
    char json[300];
    snprintf(json, sizeof json, format, nodes);
    struct net *net = make_net(json);
    shake(net, 0.1, 103);
    return net;
}

static void check_schemes(const char *format, const char *unit) {
    static const struct study studies[] = {
        {"euler", 1, 64, 5}, {"midpoint", 2, 16, 5}, {"heun2", 2, 16, 5},
        {"rk4", 4, 8, 5},    {"rk4_38", 4, 8, 5},
    };
    for (int nodes = 1; nodes <= 4; nodes *= 2) {
        char what[64];
        snprintf(what, sizeof what, "%s, %d nodes", unit, nodes);
        struct net *net = net_of(format, nodes);
        struct states reference = states_of(net, "rk4", REFERENCE_STEPS, EDGE_OPEN);
        for (size_t s = 0; s < sizeof studies / sizeof *studies; s++) {
            check_order(net, &reference, &studies[s], EDGE_OPEN, 0.1, what);
        }
        states_free(&reference);
        net_free(net);
    }
}

Test(convergence, post_units_converge_with_the_order_of_the_scheme) {
    check_schemes(post, "post");
}

Test(convergence, pre_units_converge_with_the_order_of_the_scheme) {
    check_schemes(pre, "pre");
}

/* One stage of a step at the end of each cell reads the next cell: an error of order h. */
Test(convergence, with_closed_edges_rk4_is_of_order_one_between_cells) {
    static const struct study one = {"rk4", 1, 16, 5}, four = {"rk4", 4, 8, 5};
    for (int nodes = 1; nodes <= 4; nodes *= 2) {
        char what[64];
        snprintf(what, sizeof what, "closed, %d nodes", nodes);
        struct net *net = net_of(post, nodes);
        struct states reference = states_of(net, "rk4", REFERENCE_STEPS, EDGE_OPEN);
        check_order(net, &reference, nodes > 1 ? &one : &four, EDGE_CLOSED, nodes > 1 ? 0.25 : 0.1,
                    what);
        states_free(&reference);
        net_free(net);
    }
}

/* Schemes without a stage at the end of the step read the same cells either way. */
Test(convergence, edges_are_one_to_schemes_without_a_stage_at_the_end) {
    struct net *net = net_of(post, 4);
    static const char *const schemes[] = {"euler", "midpoint"};
    for (int s = 0; s < 2; s++) {
        struct states open = states_of(net, schemes[s], 8, EDGE_OPEN);
        struct states closed = states_of(net, schemes[s], 8, EDGE_CLOSED);
        for (int b = 0; b < BLOCKS; b++) {
            cr_expect_eq(distance(&open, &closed, b), 0.0, "%s", schemes[s]);
        }
        states_free(&open);
        states_free(&closed);
    }
    struct states open = states_of(net, "heun2", 8, EDGE_OPEN);
    struct states closed = states_of(net, "heun2", 8, EDGE_CLOSED);
    cr_expect(distance(&open, &closed, 0) > 1e-6, "heun2 reads the end of its step");
    states_free(&open);
    states_free(&closed);
    net_free(net);
}

/* Steps that cross a breakpoint lose the order: what alignment is for. */
Test(convergence, steps_across_cells_lose_the_order_of_rk4) {
    struct net *net = net_of(post, 4);
    struct states reference = states_of(net, "rk4", REFERENCE_STEPS, EDGE_OPEN);
    double errors[2];
    for (int n = 0; n < 2; n++) {
        struct states states = states_of(net, "rk4", n ? 61 : 9, EDGE_OPEN);
        errors[n] = distance(&states, &reference, 0);
        states_free(&states);
    }
    const double order = log(errors[0] / errors[1]) / log(61.0 / 9.0);
    cr_expect(order < 2.0, "order %.2f", order);
    states_free(&reference);
    net_free(net);
}
