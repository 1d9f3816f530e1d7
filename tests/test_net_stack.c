/* Nets written layer by layer, drawn at random: whatever may follow what, the gradient is right and
 * results do not depend on how the work is cut. */
#include <stdarg.h>

#include "net_probe.h"

struct draft { /* a configuration under way, and the shape behind its last layer */
    char text[6000];
    size_t len;
    uint64_t seed, drawn;
    ptrdiff_t c, h, w;
};

static int draw(struct draft *d, int below) {
    return (int)rng_below(d->seed, 7, d->drawn++, (uint64_t)below);
}

__attribute__((format(printf, 2, 3))) static void put(struct draft *d, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(d->text + d->len, sizeof d->text - d->len, format, arguments);
    va_end(arguments);
    cr_assert(len >= 0 && (size_t)len < sizeof d->text - d->len);
    d->len += (size_t)len;
}

static void put_act(struct draft *d) {
    static const char *const acts[] = {"tanh", "gelu", "softplus"};
    put(d, "{\"layer\":\"%s\"}", acts[draw(d, 3)]);
}

static void put_conv(struct draft *d, ptrdiff_t out, int stride) {
    put(d, "{\"layer\":\"conv\",\"out\":%td,\"kernel\":%d,\"stride\":%d,\"bias\":%s}", out,
        draw(d, 3) ? 3 : 1, stride, draw(d, 2) ? "true" : "false");
    d->c = out;
    d->h = (d->h - 1) / stride + 1;
    d->w = (d->w - 1) / stride + 1;
}

/* A layer that changes features or channels to `out`, size by stride. */
static void put_linear(struct draft *d, ptrdiff_t out, int stride) {
    if (d->h * d->w > 1 || stride > 1 || draw(d, 4) == 0) {
        put_conv(d, out, stride);
    } else {
        put(d, "{\"layer\":\"dense\",\"out\":%td}", out);
        d->c = out;
    }
}

static void put_block(struct draft *d, int depth);

/* Layers behind which the shape is again what it was. */
static void put_body(struct draft *d, int depth, bool plain) {
    const ptrdiff_t c = d->c;
    const int count = 1 + draw(d, 4);
    for (int i = 0; i < count; i++) {
        put(d, i ? "," : "");
        switch (draw(d, plain ? 5 : 6)) {
        case 0:
            put_act(d);
            break;
        case 1:
            put(d, "{\"layer\":\"norm\"}");
            break;
        case 2: /* there and back */
            put_linear(d, 1 + draw(d, 4), 1);
            put(d, ",");
            put_linear(d, c, 1);
            break;
        case 5:
            put_block(d, depth + 1);
            break;
        default:
            put_linear(d, c, 1);
        }
    }
}

static void put_block(struct draft *d, int depth) {
    static const char *const schemes[] = {"euler", "midpoint", "heun2", "rk4", "bs32"};
    if (depth > 2) {
        put_act(d);
    } else if (draw(d, 2)) {
        put(d,
            "{\"layer\":\"ode\",\"scheme\":\"%s\",\"nodes\":%d,\"steps\":%d,\"skip\":%s,"
            "\"eps\":0.7,\"body\":[",
            schemes[draw(d, 5)], 1 + draw(d, 2), draw(d, 4), draw(d, 3) ? "false" : "true");
        put_body(d, depth, true);
        put(d, "]}");
    } else if (draw(d, 2)) {
        put(d, "{\"layer\":\"residual\",\"factor\":-0.6,\"body\":[");
        put_body(d, depth, false);
        put(d, "]}");
    } else {
        const int stride = 1 + (depth == 0 && d->h > 1 && d->w > 1 && draw(d, 2));
        put(d, "{\"layer\":\"residual\",\"down\":true,\"stride\":%d,\"body\":[", stride);
        if (draw(d, 2)) {
            put_body(d, depth, false);
            put(d, ",");
        }
        put_linear(d, depth > 0 ? d->c : 1 + draw(d, 5), stride); /* a nested one keeps shape */
        put(d, "]}");
    }
}

static void put_layer(struct draft *d) {
    switch (draw(d, 6)) {
    case 0:
        put(d, "{\"layer\":\"norm\"}");
        break;
    case 1:
        put_act(d);
        break;
    case 2:
    case 3:
        put_linear(d, draw(d, 8) ? 1 + draw(d, 5) : 17, 1 + (d->h > 1 && d->w > 1 && draw(d, 2)));
        break;
    default:
        put_block(d, 0);
    }
}

static void draft(struct draft *d, uint64_t seed) {
    *d = (struct draft){.seed = seed};
    d->c = 1 + draw(d, 3);
    d->h = draw(d, 4) ? 3 + draw(d, 5) : 1;
    d->w = d->h > 1 ? 3 + draw(d, 5) : 1;
    put(d, "{\"family\":\"stack\",\"precision\":\"f64\",\"seed\":%d,\"input\":[%td,%td,%td],", 3,
        d->c, d->h, d->w);
    put(d, "\"layers\":[");
    for (int i = 1 + draw(d, 5); i > 0; i--) {
        put_layer(d);
        put(d, ",");
    }
    if (draw(d, 2)) {
        put(d, "{\"layer\":\"flatten\"}");
        d->c *= d->h * d->w;
    } else {
        put(d, "{\"layer\":\"pool\"}");
    }
    d->h = d->w = 1;
    for (int i = draw(d, 4); i > 0; i--) {
        put(d, ",");
        put_layer(d);
    }
    if (draw(d, 4)) {
        put(d, ",{\"layer\":\"dense\",\"out\":2}");
    }
    put(d, "]}");
}

enum { DRAFTS = 100, BATCH = 6 };

Test(net_stack, gradients_are_right_whatever_follows_what) {
    static struct draft d;
    int parameters = 0;
    for (uint64_t seed = 0; seed < DRAFTS; seed++) {
        draft(&d, seed);
        struct error error = {0};
        struct net *net = try_net(d.text, &error);
        cr_assert_not_null(net, "%s: %s", error.text, d.text);
        parameters += net->parameter_count;
        net_free(net);
        check_gradient(d.text, BATCH, seed % 3 != 0, as_configured);
    }
    cr_expect(parameters > 5 * DRAFTS, "%d parameters in all", parameters);
}

/* One training step and one evaluation: values, gradients, outputs. */
static double *results(const char *json, int threads, ptrdiff_t room, ptrdiff_t *len) {
    struct error error;
    struct pool *pool = threads ? pool_create(threads, &error) : NULL;
    struct net *net = make_net(json);
    shake(net, 0.1, 11);
    double *x = normal_reals(net, BATCH * input_len(net), 13);
    double *r = normal_reals(net, BATCH * net->outputs, 17);
    const ptrdiff_t outputs = BATCH * net->outputs;
    *len = net->value_len + net->trainable_len + 2 * outputs;
    double *all = malloc((size_t)*len * sizeof *all), *next = all;
    cr_assert_not_null(all);
    for (int training = 1; training >= 0; training--) {
        struct pass *pass =
            make_pass(net, &(struct pass_options){.batch = BATCH + (training ? 0 : room),
                                                  .training = training,
                                                  .gradients = training,
                                                  .pool = pool});
        memcpy(next, pass_forward(pass, x, BATCH), (size_t)outputs * sizeof *next);
        next += outputs;
        if (training) {
            pass_backward(pass, r);
        }
        pass_free(pass);
    }
    memcpy(next, net->grads, (size_t)net->trainable_len * sizeof *next);
    memcpy(next + net->trainable_len, net->values, (size_t)net->value_len * sizeof *next);
    free(x);
    free(r);
    net_free(net);
    pool_free(pool);
    return all;
}

Test(net_stack, results_are_the_same_bits_however_the_work_is_cut) {
    static struct draft d;
    for (uint64_t seed = 1000; seed < 1030; seed++) {
        draft(&d, seed);
        ptrdiff_t len;
        double *serial = results(d.text, 0, 0, &len), *parallel = results(d.text, 3, 50, &len);
        cr_expect_eq(memcmp(serial, parallel, (size_t)len * sizeof *serial), 0, "%s", d.text);
        free(serial);
        free(parallel);
    }
}

#define FLOW                                                                                       \
    "{\"layer\":\"ode\",\"name\":\"flow\",\"nodes\":2,\"scheme\":\"heun2\",\"body\":["             \
    "{\"layer\":\"conv\",\"out\":3},{\"layer\":\"norm\"},{\"layer\":\"tanh\"}]}"
#define ENDS "{\"layer\":\"pool\"},{\"layer\":\"dense\",\"out\":2}]}"

Test(net_stack, the_state_behind_a_block_is_found_inside_residual_layers) {
    static const char *const nets[] = {
        "{\"family\":\"stack\",\"precision\":\"f64\",\"input\":[3,5,4],\"layers\":[" FLOW "," ENDS,
        "{\"family\":\"stack\",\"precision\":\"f64\",\"input\":[3,5,4],\"layers\":[{\"layer\":"
        "\"residual\",\"name\":\"a\",\"body\":[{\"layer\":\"residual\",\"name\":\"b\",\"body\":["
        "{\"layer\":\"tanh\"},{\"layer\":\"norm\"}]},{\"layer\":\"residual\",\"name\":\"c\","
        "\"factor\":-1,\"body\":[{\"layer\":\"tanh\"},{\"layer\":\"norm\"}]}," FLOW "]}," ENDS};
    double state[2][2 * 3 * 5 * 4], *x = NULL;
    for (int n = 0; n < 2; n++) {
        struct net *net = make_net(nets[n]);
        struct pass *pass = make_pass(net, &(struct pass_options){.batch = 2});
        cr_assert_eq(net_ode_count(net), 1);
        cr_assert_eq(pass_state_len(pass, 0), 3 * 5 * 4);
        if (n == 0) {
            x = normal_reals(net, 2 * input_len(net), 19);
        }
        static const char *const names[] = {"flow.conv1.weight", "a.flow.conv1.weight",
                                            "flow.conv1.bias", "a.flow.conv1.bias"};
        for (int part = 0; part < 2; part++) {
            const struct parameter *p = net_parameter(net, names[2 * part + n]);
            cr_assert_not_null(p, "%s", names[2 * part + n]);
            double *values = net_value(net, p);
            for (ptrdiff_t i = 0; i < p->len; i++) {
                values[i] = rng_normal(23, (uint64_t)part, (uint64_t)i);
            }
        }
        net_touch(net);
        if (n == 1) { /* zero norms: b and c hand their input on */
            static const char *const gammas[] = {"a.b.norm2.weight", "a.c.norm2.weight"};
            for (int g = 0; g < 2; g++) {
                net->kernels->set(net_value(net, net_parameter(net, gammas[g])), 0.0, 3);
            }
        }
        pass_forward(pass, x, 2);
        pass_state(pass, 0, state[n]);
        pass_free(pass);
        net_free(net);
    }
    for (int i = 0; i < 2 * 3 * 5 * 4; i++) {
        cr_assert_float_eq(state[0][i], state[1][i], 1e-14, "entry %d: %g and %g", i, state[0][i],
                           state[1][i]);
    }
    free(x);
}

/* Names are prefixes of names of parameters: no two may come out the same. */
Test(net_stack, long_names_of_nested_layers_stay_apart) {
    char json[1200] = "{\"family\":\"stack\",\"input\":[2],\"layers\":[";
    for (int level = 0; level < 5; level++) {
        strcat(json, "{\"layer\":\"residual\",\"name\":\"sixteen_letters_\",\"body\":[");
    }
    strcat(json, "{\"layer\":\"dense\",\"out\":3},{\"layer\":\"dense\",\"out\":2}");
    for (int level = 0; level < 5; level++) {
        strcat(json, "]}");
    }
    strcat(json, "]}");
    struct error error = {0};
    struct net *net = try_net(json, &error);
    if (!net) {
        cr_expect(strstr(error.text, "shorter names"), "%s", error.text);
        return;
    }
    for (int p = 0; p < net->parameter_count; p++) {
        for (int q = 0; q < p; q++) {
            cr_expect_str_neq(net->parameters[p].name, net->parameters[q].name);
        }
    }
    net_free(net);
}

Test(net_stack, more_layers_or_blocks_than_are_planned_are_refused) {
    static const struct {
        const char *layer, *words;
        int count;
    } cases[] = {{"{\"layer\":\"tanh\"}", "60 layers", 100},
                 {"{\"layer\":\"ode\",\"body\":[{\"layer\":\"tanh\"}]}", "8 ODE blocks", 9},
                 {"{\"layer\":\"norm\"}", "60 layers", 70}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[4000] = "{\"family\":\"stack\",\"input\":[2],\"layers\":[";
        for (int n = 0; n < cases[i].count; n++) {
            strcat(strcat(json, n ? "," : ""), cases[i].layer);
        }
        strcat(json, "]}");
        struct error error = {0};
        cr_expect_null(try_net(json, &error));
        cr_expect(strstr(error.text, cases[i].words), "%s", error.text);
    }
}
