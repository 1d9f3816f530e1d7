/* Nets of the family "dynamics" against their own fields in plain doubles (nets/net_field.h), solved
 * and differentiated by ode/adjoint.h, sample by sample; and against differences. */
#include "net_probe.h"

#include "nets/chain.h"
#include "nets/net_field.h"
#include "ode/adjoint.h"

struct subject {
    const char *options;    /* of the net */
    ptrdiff_t batch, count; /* room in the pass; samples that run */
};

static const struct subject windows[] = {
    {"\"state\":3,\"hidden\":18,\"scheme\":\"rk4\",\"steps\":2,\"intervals\":4", 5, 5},
    {"\"state\":2,\"hidden\":5,\"layers\":2,\"act\":\"gelu\",\"scheme\":\"dopri54\","
     "\"intervals\":3",
     70, 67},
    {"\"state\":17,\"hidden\":4,\"act\":\"softplus\",\"scheme\":\"heun2\",\"steps\":3,"
     "\"intervals\":2,\"bias\":false",
     600, 37},
    {"\"state\":16,\"model\":\"linear\",\"scheme\":\"euler\",\"intervals\":7", 9, 9},
    {"\"state\":1,\"hidden\":40,\"scheme\":\"midpoint\",\"steps\":5,\"intervals\":1", 1, 1},
};
enum { WINDOWS = sizeof windows / sizeof *windows };

/* Samples with their t and dt. */
static const struct subject clocked[] = {
    {"\"state\":3,\"hidden\":18,\"scheme\":\"rk4\",\"steps\":2,\"times\":\"given\"", 5, 5},
    {"\"state\":2,\"hidden\":7,\"layers\":2,\"act\":\"gelu\",\"scheme\":\"dopri54\","
     "\"times\":\"given\",\"time\":true",
     70, 67},
    {"\"state\":16,\"hidden\":5,\"scheme\":\"heun2\",\"steps\":3,\"intervals\":2,"
     "\"times\":\"given\",\"time\":true",
     600, 37},
    {"\"state\":15,\"model\":\"linear\",\"scheme\":\"bs32\",\"intervals\":3,"
     "\"times\":\"given\",\"time\":true",
     9, 9},
    {"\"state\":17,\"model\":\"linear\",\"scheme\":\"euler\",\"times\":\"given\"", 33, 33},
    {"\"state\":1,\"hidden\":40,\"scheme\":\"midpoint\",\"steps\":5,\"times\":\"given\","
     "\"time\":true,\"intervals\":4",
     1, 1},
};
enum { CLOCKED = sizeof clocked / sizeof *clocked };

static const struct subject polynomials[] = {
    {"\"state\":2,\"model\":\"polynomial\",\"degree\":3,\"scheme\":\"rk4\",\"steps\":2", 5, 5},
    {"\"state\":3,\"model\":\"polynomial\",\"scheme\":\"bs32\",\"intervals\":3", 70, 67},
    {"\"state\":2,\"model\":\"polynomial\",\"degree\":4,\"scheme\":\"midpoint\","
     "\"times\":\"given\",\"time\":true,\"intervals\":2",
     40, 37},
    {"\"state\":16,\"model\":\"polynomial\",\"degree\":2,\"scheme\":\"euler\","
     "\"times\":\"given\"",
     9, 9},
    {"\"state\":1,\"model\":\"polynomial\",\"degree\":1,\"scheme\":\"heun2\",\"steps\":3", 1, 1},
};
enum { POLYNOMIALS = sizeof polynomials / sizeof *polynomials };

static struct net *subject_net(const char *options, const char *precision) {
    char json[800];
    snprintf(json, sizeof json,
             "{\"family\":\"dynamics\",\"dt\":0.37,\"seed\":4,\"precision\":\"%s\",%s}", precision,
             options);
    struct net *net = make_net(json);
    /* monomials are many and large */
    shake(net, strstr(options, "polynomial") ? 0.04 : 0.2, 43);
    return net;
}

/* Samples; their dt between 0.1 and 0.5. */
static void *make_inputs(const struct net *net, ptrdiff_t batch) {
    const ptrdiff_t len = input_len(net);
    double *values = malloc((size_t)(batch * len) * sizeof *values);
    void *x = normal_reals(net, batch * len, 19);
    cr_assert_not_null(values);
    net->kernels->to_doubles(values, x, batch * len);
    for (ptrdiff_t i = 1; net->plan->clock && i <= batch; i++) {
        values[i * len - 1] = 0.1 + 0.4 * rng_uniform(29, 3, (uint64_t)i);
    }
    net->kernels->from_doubles(x, values, batch * len);
    free(values);
    return x;
}

static int integer_of(const struct net *net, const char *option) {
    return (int)cJSON_GetNumberValue(cJSON_GetObjectItem(net->config, option));
}

/* ---- what a pass says ---- */

struct result {
    double *outputs, *grads;
    ptrdiff_t outputs_len, grads_len;
};

static double *kept_doubles(const struct kernels *k, const void *reals, ptrdiff_t len) {
    double *values = malloc((size_t)len * sizeof *values);
    cr_assert_not_null(values);
    k->to_doubles(values, reals, len);
    return values;
}

static struct result run_with(const struct subject *s, const char *precision, struct pool *pool,
                              enum memory memory) {
    struct net *net = subject_net(s->options, precision);
    const struct kernels *k = net->kernels;
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = s->batch,
                                                              .gradients = true,
                                                              .memory = memory,
                                                              .how = as_configured,
                                                              .pool = pool});
    void *x = make_inputs(net, s->batch);
    void *r = normal_reals(net, s->batch * net->outputs, 23);
    struct result result = {.outputs_len = s->count * net->outputs,
                            .grads_len = net->trainable_len};
    for (int again = 0; again < 2; again++) { /* nothing is left over from the call before */
        k->set(net->grads, 0.0, net->trainable_len);
        const void *outputs = pass_forward(pass, x, s->count);
        if (again) {
            result.outputs = kept_doubles(k, outputs, result.outputs_len);
        }
        pass_backward(pass, r);
    }
    result.grads = kept_doubles(k, net->grads, result.grads_len);
    free(x);
    free(r);
    pass_free(pass);
    net_free(net);
    return result;
}

static void result_free(struct result *r) {
    free(r->outputs);
    free(r->grads);
}

static void expect_close(const double *ours, const double *theirs, ptrdiff_t len, double allowed,
                         const char *what, const char *options) {
    double most = 0.0, off = 0.0;
    for (ptrdiff_t i = 0; i < len; i++) {
        most = fmax(most, fabs(theirs[i]));
        off = fmax(off, fabs(ours[i] - theirs[i]));
        cr_assert(isfinite(ours[i]) && isfinite(theirs[i]), "%s of %s", what, options);
    }
    cr_expect(off <= allowed * most && most > 0.0, "%s of %s: off by %.2e of %.2e", what, options,
              off, most);
}

/* ---- what the field says ---- */

/* Outputs and gradient by the net's field, every sample and interval from the beginning. */
static struct result by_field(const struct subject *s) {
    struct net *net = subject_net(s->options, "f64");
    struct error error;
    const struct manifestation how = net_trained(net);
    struct net_field *field = net_field_create(net, 0, &error);
    cr_assert_not_null(field, "%s", error.text);
    const struct ode_field ode = net_field_ode(field);
    const ptrdiff_t n = ode.n, inputs = input_len(net);
    const int intervals = integer_of(net, "intervals");
    cr_assert_eq(net->outputs, n * intervals);
    const double *x = make_inputs(net, s->batch);
    const double *r = normal_reals(net, s->batch * net->outputs, 23);
    double *a0 = malloc((size_t)n * sizeof *a0);
    struct result result = {.outputs_len = s->count * net->outputs,
                            .grads_len = net->trainable_len};
    result.outputs = malloc((size_t)result.outputs_len * sizeof *result.outputs);
    for (ptrdiff_t i = 0; i < s->count * intervals; i++) {
        const ptrdiff_t sample = i / intervals, interval = i % intervals;
        const bool own = inputs > n;
        const double t0 = own ? x[sample * inputs + n] : 0.0;
        const double dt = own ? x[sample * inputs + n + 1] : net_field_time(field);
        const struct adjoint adjoint = {.field = &ode,
                                        .scheme = how.scheme,
                                        .t0 = t0,
                                        .t1 = t0 + (double)(interval + 1) * dt,
                                        .steps = (interval + 1) * how.steps,
                                        .count = 1};
        cr_assert(adjoint_discrete(&adjoint, ADJOINT_STORED, x + sample * inputs, r + i * n,
                                   result.outputs + i * n, a0, &error));
    }
    result.grads = kept_doubles(net->kernels, net_field_gradient(field), net->trainable_len);
    net_field_free(field);
    free(a0);
    free((void *)x);
    free((void *)r);
    net_free(net);
    return result;
}

static void check_by_field(const struct subject *s) {
    struct result ours = run_with(s, "f64", NULL, MEMORY_AUTO), theirs = by_field(s);
    expect_close(ours.outputs, theirs.outputs, ours.outputs_len, 1e-13, "outputs", s->options);
    expect_close(ours.grads, theirs.grads, ours.grads_len, 1e-12, "gradient", s->options);
    struct result narrow = run_with(s, "f32", NULL, MEMORY_AUTO);
    expect_close(narrow.outputs, theirs.outputs, ours.outputs_len, 3e-6, "f32", s->options);
    expect_close(narrow.grads, theirs.grads, ours.grads_len, 1e-5, "f32 gradient", s->options);
    result_free(&ours);
    result_free(&theirs);
    result_free(&narrow);
}

static void check_bits(const struct subject *s, const char *precision) {
    struct error error;
    struct result one = run_with(s, precision, NULL, MEMORY_FULL);
    for (int threads = 1; threads <= 4; threads++) {
        struct pool *pool = pool_create(threads, &error);
        cr_assert_not_null(pool);
        for (int memory = MEMORY_FULL; memory <= MEMORY_STEPS; memory++) {
            struct result more = run_with(s, precision, pool, (enum memory)memory);
            cr_expect_arr_eq(more.outputs, one.outputs, (size_t)one.outputs_len * sizeof(double),
                             "%d threads, %s of %s", threads, memory_names[memory], s->options);
            cr_expect_arr_eq(more.grads, one.grads, (size_t)one.grads_len * sizeof(double),
                             "%d threads, %s of %s", threads, memory_names[memory], s->options);
            result_free(&more);
        }
        pool_free(pool);
    }
    result_free(&one);
}

/* Without gradients nothing is kept, and the outputs have the same bits. */
static void check_forward(const struct subject *s) {
    struct result kept = run_with(s, "f64", NULL, MEMORY_FULL);
    struct net *net = subject_net(s->options, "f64");
    struct pass *pass = make_pass(
        net, &(struct pass_options){.batch = s->batch, .how = as_configured});
    double *x = make_inputs(net, s->batch);
    cr_expect_arr_eq(pass_forward(pass, x, s->count), kept.outputs,
                     (size_t)kept.outputs_len * sizeof(double), "%s", s->options);
    free(x);
    pass_free(pass);
    net_free(net);
    result_free(&kept);
}

/* ---- windows ---- */

static void check_all(const struct subject *subjects, int count) {
    for (int i = 0; i < count; i++) {
        check_by_field(&subjects[i]);
        check_bits(&subjects[i], "f32");
        check_bits(&subjects[i], "f64");
        check_forward(&subjects[i]);
    }
}

Test(dynamics_net, windows_are_solutions_of_the_field_and_so_are_their_gradients) {
    check_all(windows, WINDOWS);
}

Test(dynamics_net, a_window_is_one_interval_after_another) {
    enum { M = 5, N = 3, COUNT = 21 };
    static const char *const options = "\"state\":3,\"hidden\":9,\"scheme\":\"rk4\",\"steps\":2";
    char more[200];
    snprintf(more, sizeof more, "%s,\"intervals\":%d", options, M);
    struct net *one = subject_net(options, "f64"), *all = subject_net(more, "f64");
    struct error error;
    /* as trained, and otherwise */
    const struct manifestation hows[] = {as_configured,
                                         {tableau_find("bs32", &error), 3, EDGE_OPEN}};
    for (int h = 0; h < 2; h++) {
        struct pass *pass =
            make_pass(one, &(struct pass_options){.batch = COUNT, .how = hows[h]});
        struct pass *window =
            make_pass(all, &(struct pass_options){.batch = COUNT, .how = hows[h]});
        cr_expect_eq(pass_evaluations(window), M * pass_evaluations(pass));
        double *x = normal_reals(one, COUNT * N, 51), state[COUNT * N];
        const double *states = pass_forward(window, x, COUNT);
        for (int interval = 0; interval < M; interval++) {
            memcpy(x, pass_forward(pass, x, COUNT), COUNT * N * sizeof *x);
            for (int i = 0; i < COUNT * N; i++) {
                cr_expect_eq(states[(i / N * M + interval) * N + i % N], x[i], "%d %d", interval,
                             i);
            }
        }
        cr_expect_eq(pass_state_len(window, 0), N);
        pass_state(window, 0, state);
        cr_expect_arr_eq(state, x, sizeof state, "the state is the one behind the last interval");
        free(x);
        pass_free(pass);
        pass_free(window);
    }
    net_free(one);
    net_free(all);
}

/* Samples share nothing but weights. */
static void check_spoilt(const char *options) {
    enum { BATCH = 13, SPOILT = 4 };
    struct net *net = subject_net(options, "f64");
    struct pass *pass =
        make_pass(net, &(struct pass_options){.batch = BATCH, .how = as_configured});
    double *x = make_inputs(net, BATCH);
    double *clean = kept_doubles(net->kernels, pass_forward(pass, x, BATCH), BATCH * net->outputs);
    for (ptrdiff_t f = 0; f < input_len(net); f++) {
        double *value = &x[SPOILT * input_len(net) + f], before = *value;
        *value = NAN;
        const bool read = net->plan->clock == 0 || f != input_len(net) - 2 ||
                          strstr(options, "\"time\":true");
        const double *y = pass_forward(pass, x, BATCH);
        for (ptrdiff_t i = 0; i < BATCH * net->outputs; i++) {
            cr_expect(read && i / net->outputs == SPOILT ? isnan(y[i]) : y[i] == clean[i],
                      "%s: input %td, output %td", options, f, i);
        }
        *value = before;
    }
    free(clean);
    free(x);
    pass_free(pass);
    net_free(net);
}

Test(dynamics_net, a_sample_that_is_not_finite_leaves_the_others_alone) {
    check_spoilt("\"state\":3,\"hidden\":18,\"scheme\":\"rk4\",\"steps\":2,\"intervals\":3");
    check_spoilt("\"state\":3,\"hidden\":18,\"scheme\":\"rk4\",\"steps\":2,\"times\":\"given\"");
    check_spoilt("\"state\":16,\"hidden\":18,\"scheme\":\"rk4\",\"times\":\"given\","
                 "\"time\":true");
    check_spoilt("\"state\":3,\"model\":\"polynomial\",\"scheme\":\"heun2\","
                 "\"times\":\"given\",\"time\":true,\"intervals\":2");
}

#define DYNAMICS(more)                                                                             \
    "{\"family\":\"dynamics\",\"precision\":\"f64\",\"dt\":0.37,\"seed\":5," more "}"

Test(dynamics_net, gradients_of_windows_are_those_of_differences) {
    check_gradient(DYNAMICS("\"state\":2,\"hidden\":9,\"scheme\":\"rk4\",\"intervals\":3"), 5, true,
                   as_configured);
    check_gradient(DYNAMICS("\"state\":3,\"model\":\"linear\",\"scheme\":\"bs32\",\"steps\":2,"
                            "\"intervals\":4"),
                   5, true, as_configured);
}

/* ---- samples with clocks ---- */

Test(dynamics_net, samples_with_clocks_are_solutions_from_t_through_dt) {
    check_all(clocked, CLOCKED);
}

Test(dynamics_net, gradients_with_clocks_are_those_of_differences) {
    check_gradient(DYNAMICS("\"state\":2,\"hidden\":9,\"scheme\":\"rk4\",\"intervals\":3,"
                            "\"times\":\"given\",\"time\":true"),
                   5, true, as_configured);
    check_gradient(DYNAMICS("\"state\":3,\"hidden\":4,\"act\":\"softplus\",\"steps\":2,"
                            "\"scheme\":\"heun2\",\"times\":\"given\""),
                   5, true, as_configured);
}

Test(dynamics_net, equal_clocks_are_the_uniform_net) {
    enum { COUNT = 19, N = 3, M = 4 };
    static const char *const options = "\"state\":3,\"hidden\":9,\"scheme\":\"dopri54\","
                                       "\"steps\":2,\"intervals\":4";
    char more[200];
    snprintf(more, sizeof more, "%s,\"times\":\"given\"", options);
    struct net *uniform = subject_net(options, "f64"), *given = subject_net(more, "f64");
    double *x = normal_reals(uniform, COUNT * N, 61), clocks[COUNT * (N + 2)];
    double *r = normal_reals(uniform, COUNT * N * M, 67);
    cr_assert_eq(given->input[0], N + 2);
    for (int i = 0; i < COUNT; i++) {
        memcpy(clocks + i * (N + 2), x + i * N, N * sizeof *x);
        clocks[i * (N + 2) + N] = 1e3 * i;
        clocks[i * (N + 2) + N + 1] = 0.37;
    }
    const struct pass_options plan = {.batch = COUNT, .gradients = true, .how = as_configured};
    struct pass *a = make_pass(uniform, &plan), *b = make_pass(given, &plan);
    const double *ya = pass_forward(a, x, COUNT), *yb = pass_forward(b, clocks, COUNT);
    expect_close(ya, yb, COUNT * N * M, 1e-15, "outputs", options);
    pass_backward(a, r);
    pass_backward(b, r);
    expect_close(uniform->grads, given->grads, given->trainable_len, 1e-14, "gradient", options);
    pass_free(a);
    pass_free(b);
    free(x);
    free(r);
    net_free(uniform);
    net_free(given);
}

/* y' = a t + b with weights as they are: what Runge-Kutta schemes of order 2 integrate exactly. */
Test(dynamics_net, the_time_a_stage_reads_is_its_own) {
    struct net *net = make_net(DYNAMICS("\"state\":1,\"model\":\"polynomial\",\"degree\":1,"
                                        "\"scheme\":\"rk4_38\",\"steps\":3,\"intervals\":2,"
                                        "\"times\":\"given\",\"time\":true"));
    const double weights[] = {0.4, 0.0, -1.7}; /* of 1, x1, t */
    memcpy(net->values, weights, sizeof weights);
    net_touch(net);
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = 2, .how = as_configured});
    const double x[] = {0.3, 2.0, 0.7, -5.1, -1.5, 0.02};
    const double *y = pass_forward(pass, x, 2);
    for (int i = 0; i < 4; i++) {
        const double *sample = x + i / 2 * 3, t0 = sample[1];
        const double t1 = t0 + (i % 2 + 1) * sample[2];
        const double exact =
            sample[0] + 0.4 * (t1 - t0) - 1.7 * (t1 * t1 - t0 * t0) / 2.0;
        cr_expect_float_eq(y[i], exact, 4e-15, "%d: off by %g", i, y[i] - exact);
    }
    pass_free(pass);
    net_free(net);
}

/* ---- polynomials ---- */

Test(dynamics_net, polynomials_are_solutions_of_their_field) {
    check_all(polynomials, POLYNOMIALS);
}

Test(dynamics_net, gradients_of_polynomials_are_those_of_differences) {
    check_gradient(DYNAMICS("\"state\":2,\"model\":\"polynomial\",\"degree\":3,"
                            "\"scheme\":\"rk4\",\"intervals\":2"),
                   5, true, as_configured);
}

Test(dynamics_net, a_polynomial_starts_at_zero_and_names_its_terms) {
    struct net *net = make_net(DYNAMICS("\"state\":2,\"model\":\"polynomial\",\"degree\":3"));
    static const char *const names[] = {"1",    "x1",      "x2",      "x1^2", "x1 x2",
                                        "x2^2", "x1^3",    "x1^2 x2", "x1 x2^2", "x2^3"};
    char name[NET_TERM_SIZE];
    cr_assert_eq(net_term_count(net), 10);
    cr_assert_eq(net->trainable_len, 20);
    cr_assert_eq(net_parameter(net, "block1.fc1.weight")->shape[2], 10); /* after one cell */
    for (int i = 0; i < 10; i++) {
        net_term_name(net, i, name);
        cr_expect_str_eq(name, names[i]);
        cr_expect(((double *)net->values)[i] == 0.0 && ((double *)net->values)[10 + i] == 0.0);
    }
    net_free(net);
    net = make_net(DYNAMICS("\"state\":2"));
    cr_expect_eq(net_term_count(net), 0);
    net_free(net);
}

/* ---- what is refused ---- */

static void expect_refused(const char *json, const char *why) {
    struct error error = {0};
    struct net *net = try_net(json, &error);
    cr_expect_null(net, "%s", json);
    cr_expect_not_null(strstr(error.text, why), "\"%s\" is not in: %s", why, error.text);
    net_free(net);
}

Test(dynamics_net, what_cannot_be_is_refused_in_a_sentence) {
    expect_refused(DYNAMICS("\"state\":2,\"intervals\":3,\"field\":\"layers\""),
                   "field = \"layers\" cannot have intervals = 3");
    expect_refused(DYNAMICS("\"state\":2,\"intervals\":3,\"model\":\"matrix\""),
                   "cannot have intervals = 3");
    expect_refused(DYNAMICS("\"state\":2,\"times\":\"given\",\"field\":\"layers\""),
                   "field = \"layers\" cannot have times = \"given\"");
    expect_refused(DYNAMICS("\"state\":2,\"times\":\"given\",\"model\":\"matrix\""),
                   "cannot have times = \"given\"");
    expect_refused(DYNAMICS("\"state\":2,\"time\":true"), "use times = \"given\"");
    expect_refused("{\"family\":\"dynamics\",\"state\":2}", "\"dt\" is missing");
    expect_refused(DYNAMICS("\"state\":12,\"model\":\"polynomial\",\"degree\":6,"
                            "\"times\":\"given\",\"time\":true"),
                   "more than 10000 monomials of degree 6 or less in 13 features");
}
