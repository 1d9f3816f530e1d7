/* ODE blocks of dense layers, solved a tile of samples at a time, against the same blocks layer by
 * layer, which test_reference, test_layers and test_net_gradient know to be right. */
#include "net_probe.h"

#include <float.h>

#include "nets/pass.h"

struct subject {
    const char *scheme;
    int steps, nodes;
    const char *more;      /* options of the block */
    const char *body;      /* "3" dense without bias, "b17" with, "m2" monomials, or an
                               activation */
    ptrdiff_t batch, count; /* room in the pass; samples that run */
};

static void append(char *text, size_t size, const char *format, ...) {
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

/* A dense layer before the block, so that its gradient by the state is wanted, and one behind. */
static struct net *subject_net(const struct subject *s, const char *field, const char *precision) {
    char json[4000], words[200], *rest = words;
    int state = 0;
    snprintf(words, sizeof words, "%s", s->body);
    for (const char *word = s->body; word; word = strpbrk(word + 1, " b")) {
        const int width = atoi(word + strspn(word, " b"));
        state = width ? width : state; /* the last one */
    }
    snprintf(json, sizeof json,
             "{\"family\":\"stack\",\"input\":[5],\"seed\":3,\"precision\":\"%s\",\"layers\":["
             "{\"layer\":\"dense\",\"out\":%d},{\"layer\":\"ode\",\"scheme\":\"%s\",\"steps\":%d,"
             "\"nodes\":%d,\"field\":\"%s\"%s,\"body\":[",
             precision, state, s->scheme, s->steps, s->nodes, field, s->more);
    for (const char *word; (word = strsep(&rest, " "));) {
        const bool bias = *word == 'b';
        const int out = atoi(word + bias);
        if (out) {
            append(json, sizeof json, "{\"layer\":\"dense\",\"out\":%d,\"bias\":%s}", out,
                   bias ? "true" : "false");
        } else if (*word == 'm') {
            append(json, sizeof json, "{\"layer\":\"monomials\",\"degree\":%s}", word + 1);
        } else {
            append(json, sizeof json, "{\"layer\":\"%s\"}", word);
        }
        append(json, sizeof json, rest ? "," : "]},");
    }
    append(json, sizeof json, "{\"layer\":\"dense\",\"out\":3}]}");
    struct net *net = make_net(json);
    shake(net, 0.1, 41);
    return net;
}

static bool in_tiles(const struct pass *pass) {
    return pass->frame->bodies[0].dense != NULL;
}

struct result {
    ptrdiff_t outputs_len, state_len, grads_len;
    double *outputs, *state, *grads;
};

static double *kept_doubles(const struct kernels *k, const void *reals, ptrdiff_t len) {
    double *values = malloc((size_t)len * sizeof *values);
    cr_assert_not_null(values);
    k->to_doubles(values, reals, len);
    return values;
}

static struct result run_with(const struct subject *s, const char *field, const char *precision,
                              struct pool *pool, enum memory memory, size_t *bytes) {
    struct net *net = subject_net(s, field, precision);
    const struct kernels *k = net->kernels;
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = s->batch,
                                                              .gradients = true,
                                                              .memory = memory,
                                                              .how = as_configured,
                                                              .pool = pool});
    *bytes = pass_bytes(pass);
    cr_assert_eq(in_tiles(pass), strcmp(field, "auto") == 0, "%s %s", s->body, field);
    void *x = normal_reals(net, s->batch * input_len(net), 19);
    void *r = normal_reals(net, s->batch * net->outputs, 23);
    struct result result = {.outputs_len = s->count * net->outputs,
                            .state_len = s->count * pass_state_len(pass, 0),
                            .grads_len = net->trainable_len};
    void *state = malloc((size_t)result.state_len * k->real_size);
    cr_assert_not_null(state);
    for (int again = 0; again < 2; again++) { /* nothing is left over from the call before */
        k->set(net->grads, 0.0, net->trainable_len);
        const void *outputs = pass_forward(pass, x, s->count);
        if (again) {
            pass_state(pass, 0, state);
            result.state = kept_doubles(k, state, result.state_len);
            result.outputs = kept_doubles(k, outputs, result.outputs_len);
        }
        pass_backward(pass, r);
    }
    result.grads = kept_doubles(k, net->grads, result.grads_len);
    free(state);
    free(x);
    free(r);
    pass_free(pass);
    net_free(net);
    return result;
}

static struct result run(const struct subject *s, const char *field, const char *precision,
                         struct pool *pool) {
    size_t bytes;
    return run_with(s, field, precision, pool, MEMORY_AUTO, &bytes);
}

static void result_free(struct result *r) {
    free(r->outputs);
    free(r->state);
    free(r->grads);
}

static void expect_close(const double *ours, const double *theirs, ptrdiff_t len, double allowed,
                         const char *what, const struct subject *s, const char *kernels) {
    double most = 0.0, off = 0.0;
    for (ptrdiff_t i = 0; i < len; i++) {
        most = fmax(most, fabs(theirs[i]));
        off = fmax(off, fabs(ours[i] - theirs[i]));
        cr_assert(isfinite(ours[i]) && isfinite(theirs[i]), "%s of %s", what, s->body);
    }
    cr_expect(off <= allowed * most && most > 0.0,
              "%s, %s of %s with %s, batch %td: off by %.2e of %.2e", kernels, what, s->body,
              s->scheme, s->count, off, most);
}

static void check_equal(const struct subject *s, const char *precision, double allowed,
                        const char *kernels) {
    struct result ours = run(s, "auto", precision, NULL);
    struct result theirs = run(s, "layers", precision, NULL);
    expect_close(ours.outputs, theirs.outputs, ours.outputs_len, allowed, "outputs", s, kernels);
    expect_close(ours.state, theirs.state, ours.state_len, allowed, "state", s, kernels);
    expect_close(ours.grads, theirs.grads, ours.grads_len, allowed, "gradient", s, kernels);
    result_free(&ours);
    result_free(&theirs);
}

static const struct subject subjects[] = {
    {"euler", 3, 3, "", "b2", 1, 1},
    {"rk4", 4, 1, "", "b50 tanh b2", 1, 1},
    {"dopri54", 3, 1, "", "b50 tanh b2", 16, 3},
    {"rk4", 2, 2, "", "b64 tanh b64 tanh b2", 33, 33},
    {"rk4", 4, 2, ",\"skip\":true", "b64 tanh b64 tanh b2", 256, 200},
    {"heun2", 5, 2, ",\"skip\":true,\"eps\":0.7", "17 softplus b3 relu b17", 16, 16},
    {"midpoint", 2, 1, "", "b1 tanh b1", 3, 3},
    {"rk4_38", 3, 3, ",\"edge\":\"closed\"", "b3 gelu b17 gelu 50", 33, 32},
    {"dopri54", 2, 2, "", "gelu b16 softplus b8", 5, 5},
    {"rk4", 2, 1, "", "tanh b33 tanh b7 tanh", 20, 20},
    {"rk4", 2, 1, "", "relu 4 relu b4 gelu", 9, 9},
    {"rk4", 2, 1, ",\"skip\":true", "softplus b12 softplus", 300, 300},
    {"midpoint", 3, 1, "", "2 b50 b5", 17, 17},
    {"rk4", 2, 2, "", "b9 tanh b10 tanh b11 tanh b70 tanh b40", 40, 40},
    {"rk4", 3, 1, "", "m3 2", 33, 33},
    {"dopri54", 2, 2, ",\"skip\":true", "m2 b5 tanh b4", 19, 18},
    {"euler", 2, 1, "", "m1 b17", 9, 9},
    {"kutta3", 2, 1, "", "m4 1", 16, 16},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

Test(dense_field, tiles_and_layers_agree_in_every_variant) {
    char name[40];
    for (int v = 0; kernels_at(PRECISION_F64, v); v++) {
        snprintf(name, sizeof name, "%s", strchr(kernels_at(PRECISION_F64, v)->name, '_') + 1);
        setenv("CONTINUO_KERNELS", name, 1);
        for (int i = 0; i < SUBJECTS; i++) {
            check_equal(&subjects[i], "f64", 1e-13, name);
            check_equal(&subjects[i], "f32", 1e-5, name);
        }
    }
    unsetenv("CONTINUO_KERNELS");
}

Test(dense_field, every_width_agrees) {
    static const int widths[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 50, 64, 65};
    char body[40];
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
            snprintf(body, sizeof body, "b%d tanh b%d", widths[j], widths[i]);
            const struct subject s = {"heun2", 2, 1, "", body, 11, 11};
            check_equal(&s, "f64", 1e-13, "fastest");
        }
    }
}

Test(dense_field, every_batch_agrees) {
    for (ptrdiff_t batch = 1; batch < 40; batch++) {
        const struct subject s = {"midpoint", 2, 1, "", "b20 tanh b3", batch, batch};
        check_equal(&s, "f64", 1e-13, "fastest");
    }
    static const ptrdiff_t large[] = {129, 256, 500, 513};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        const struct subject s = {"midpoint", 2, 1, "", "b20 tanh b3", 600, large[i]};
        check_equal(&s, "f64", 1e-13, "fastest");
    }
}

Test(dense_field, every_scheme_agrees) {
    for (int i = 0; i < tableau_count(); i++) {
        const struct subject s = {tableau_at(i)->name, 3, 3, ",\"skip\":true", "b9 tanh b4", 4, 4};
        check_equal(&s, "f64", 1e-13, "fastest");
    }
}

Test(dense_field, gradients_are_those_of_differences) {
#define BLOCK_NET(options, body)                                                                   \
    "{\"family\":\"stack\",\"precision\":\"f64\",\"input\":[3],\"layers\":[{\"layer\":\"ode\","    \
    "\"scheme\":" options ",\"body\":[" body "]}]}"
#define DENSE(out) "{\"layer\":\"dense\",\"out\":" #out "}"
#define ACT(name) "{\"layer\":\"" name "\"}"
    static const char *const nets[] = {
        BLOCK_NET("\"rk4\",\"steps\":4,\"nodes\":2,\"skip\":true",
                  DENSE(18) "," ACT("tanh") "," DENSE(3)),
        BLOCK_NET("\"dopri54\",\"steps\":2", DENSE(5) "," ACT("gelu") "," DENSE(3)),
        BLOCK_NET("\"heun2\",\"nodes\":3",
                  ACT("softplus") "," DENSE(20) "," ACT("tanh") "," DENSE(3) "," ACT("tanh")),
        BLOCK_NET("\"rk4\",\"steps\":2,\"skip\":true,\"nodes\":2",
                  "{\"layer\":\"monomials\",\"degree\":3}," DENSE(3)),
        BLOCK_NET("\"heun3\",\"steps\":2",
                  "{\"layer\":\"monomials\"}," DENSE(9) "," ACT("tanh") "," DENSE(3)),
        BLOCK_NET("\"rk4_38\",\"steps\":3",
                  ACT("gelu") "," DENSE(2) "," ACT("softplus") "," DENSE(3) "," ACT("gelu")),
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        check_gradient(nets[i], 5, true, as_configured);
    }
}

Test(dense_field, other_manifestations_agree) {
    struct error error;
    const struct manifestation how = {tableau_find("dopri54", &error), 3, EDGE_CLOSED};
    double *outputs[2];
    ptrdiff_t len = 0;
    for (int i = 0; i < 2; i++) {
        struct net *net = subject_net(&subjects[7], i ? "layers" : "auto", "f64");
        struct pass *pass = make_pass(net, &(struct pass_options){.batch = 7, .how = how});
        void *x = normal_reals(net, 7 * input_len(net), 29);
        len = 7 * net->outputs;
        outputs[i] = kept_doubles(net->kernels, pass_forward(pass, x, 7), len);
        cr_expect_eq(pass_evaluations(pass), 3 * 7);
        free(x);
        pass_free(pass);
        net_free(net);
    }
    expect_close(outputs[0], outputs[1], len, 1e-13, "outputs", &subjects[7], "fastest");
    free(outputs[0]);
    free(outputs[1]);
}

Test(dense_field, has_the_same_bits_for_any_number_of_threads) {
    static const char *const precisions[] = {"f32", "f64"};
    struct error error;
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < SUBJECTS; i++) {
            struct result one = run(&subjects[i], "auto", precisions[p], NULL);
            for (int threads = 2; threads <= 4; threads++) {
                struct pool *pool = pool_create(threads, &error);
                cr_assert_not_null(pool);
                struct result more = run(&subjects[i], "auto", precisions[p], pool);
                cr_expect_arr_eq(more.outputs, one.outputs,
                                 (size_t)one.outputs_len * sizeof(double), "%d threads", threads);
                cr_expect_arr_eq(more.grads, one.grads, (size_t)one.grads_len * sizeof(double),
                                 "%d threads, %s", threads, subjects[i].body);
                result_free(&more);
                pool_free(pool);
            }
            result_free(&one);
        }
    }
}

/* Steps keeps the states only; stages keeps no more, for traces are nearly all there is. */
Test(dense_field, what_is_kept_changes_memory_and_no_bit) {
    static const struct subject large = {"rk4", 10, 1, "", "b64 tanh b64 tanh b2", 300, 300};
    for (int i = -1; i < SUBJECTS; i++) {
        const struct subject *s = i < 0 ? &large : &subjects[i];
        size_t bytes[MEMORY_STEPS + 1];
        struct result full = run_with(s, "auto", "f32", NULL, MEMORY_FULL, &bytes[MEMORY_FULL]);
        for (int m = MEMORY_STAGES; m <= MEMORY_STEPS; m++) {
            struct result less = run_with(s, "auto", "f32", NULL, (enum memory)m, &bytes[m]);
            cr_expect_arr_eq(less.outputs, full.outputs, (size_t)full.outputs_len * sizeof(double));
            cr_expect_arr_eq(less.grads, full.grads, (size_t)full.grads_len * sizeof(double), "%s",
                             s->body);
            result_free(&less);
        }
        result_free(&full);
        if (i < 0) { /* 40 traces of 160 reals and 300 samples, against 10 states of 16 */
            cr_expect_gt(bytes[MEMORY_FULL], 40 * 160 * 300 * sizeof(float));
            cr_expect_lt(bytes[MEMORY_STEPS], bytes[MEMORY_FULL] / 5);
        }
    }
}

static bool all_finite(const double *values, ptrdiff_t len) {
    ptrdiff_t i = 0;
    while (i < len && isfinite(values[i])) {
        i++;
    }
    return i == len;
}

/* Samples share nothing but weights: one that is not finite leaves the others as they are. */
Test(dense_field, what_is_not_finite_passes_through) {
    static const char *const bodies[] = {"b50 tanh b2",      "b64 relu b64 relu b2", "b3",
                                         "b2 softplus b40", "gelu b4 gelu b16",     "m3 b3"};
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    enum { BATCH = 19, SPOILT = 6 };
    for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
        for (size_t v = 0; v < sizeof bad / sizeof *bad; v++) {
            const struct subject s = {"rk4", 2, 1, "", bodies[b], BATCH, BATCH};
            double *state[2], *clean = NULL;
            ptrdiff_t len = 0;
            for (int i = 0; i < 3; i++) { /* tiles, layers, tiles of finite numbers */
                struct net *net = subject_net(&s, i == 1 ? "layers" : "auto", "f64");
                struct pass *pass = make_pass(
                    net, &(struct pass_options){.batch = BATCH, .gradients = true,
                                                .how = as_configured});
                double *x = normal_reals(net, BATCH * input_len(net), 31);
                void *r = normal_reals(net, BATCH * net->outputs, 37);
                len = pass_state_len(pass, 0);
                if (i < 2) {
                    x[SPOILT * input_len(net) + 1] = bad[v];
                }
                pass_forward(pass, x, BATCH);
                double *values = malloc((size_t)(BATCH * len) * sizeof *values);
                cr_assert_not_null(values);
                pass_state(pass, 0, values);
                *(i < 2 ? &state[i] : &clean) = values;
                net->kernels->set(net->grads, 0.0, net->trainable_len);
                pass_backward(pass, r);
                cr_expect_eq(all_finite(net->grads, net->trainable_len), i == 2, "%s", s.body);
                free(x);
                free(r);
                pass_free(pass);
                net_free(net);
            }
            for (ptrdiff_t i = 0; i < BATCH * len; i++) {
                if (i / len != SPOILT) {
                    cr_expect_eq(state[0][i], clean[i], "sample %td is touched", i / len);
                    continue;
                }
                cr_expect(!isfinite(state[0][i]) || fabs(state[0][i] - state[1][i]) < 1e-9);
                cr_expect_eq(isfinite(state[0][i]), isfinite(state[1][i]),
                             "%g becomes %g, not %g, in %s", bad[v], state[0][i], state[1][i],
                             s.body);
            }
            free(state[0]);
            free(state[1]);
            free(clean);
        }
    }
}

Test(dense_field, other_fields_run_layer_by_layer) {
    static const char *const bodies[] = {
        "{\"layer\":\"tanh\"}",
        "{\"layer\":\"dense\",\"out\":5},{\"layer\":\"norm\"}",
        "{\"layer\":\"norm\"},{\"layer\":\"dense\",\"out\":5}",
        "{\"layer\":\"dense\",\"out\":5},{\"layer\":\"relu\"},{\"layer\":\"tanh\"}",
        "{\"layer\":\"monomials\"},{\"layer\":\"tanh\"},{\"layer\":\"dense\",\"out\":5}",
        "{\"layer\":\"tanh\"},{\"layer\":\"monomials\"},{\"layer\":\"dense\",\"out\":5}",
        "{\"layer\":\"dense\",\"out\":3},{\"layer\":\"monomials\"},"
        "{\"layer\":\"dense\",\"out\":5}",
    };
    char json[800];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        snprintf(json, sizeof json,
                 "{\"family\":\"stack\",\"input\":[5],\"layers\":["
                 "{\"layer\":\"ode\",\"body\":[%s]}]}",
                 bodies[i]);
        struct net *net = make_net(json);
        struct pass *pass = make_pass(
            net, &(struct pass_options){.batch = 3, .gradients = true, .how = as_configured});
        cr_expect_not(in_tiles(pass), "%s", bodies[i]);
        pass_free(pass);
        net_free(net);
    }
}
