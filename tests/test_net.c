/* Nets as objects: what they hold, what stays the same bit for bit, what is refused. Agreement with
 * PyTorch is tests/test_reference.c, gradients are tests/test_net_gradient.c. */
#include "net_setup.h"

#include <float.h>
#include <sys/resource.h>
#if defined __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* ---- parameters ---- */

struct expected {
    const char *name;
    int rank;
    ptrdiff_t shape[NET_RANK_MAX];
};

static void check_shapes(const struct net *net, const struct expected *expected, int count) {
    for (int i = 0; i < count; i++) {
        const struct parameter *p = net_parameter(net, expected[i].name);
        cr_assert_not_null(p, "no parameter %s", expected[i].name);
        ptrdiff_t len = 1;
        cr_expect_eq(p->rank, expected[i].rank, "%s", p->name);
        for (int r = 0; r < p->rank; r++) {
            cr_expect_eq(p->shape[r], expected[i].shape[r], "%s, axis %d", p->name, r);
            len *= p->shape[r];
        }
        cr_expect_eq(p->len, len, "%s", p->name);
        cr_expect_eq(p->trainable, strstr(p->name, "running_") == NULL, "%s", p->name);
    }
}

Test(net, parameters_have_published_names_shapes_and_places) {
    static const struct expected expected[] = {
        {"stem.conv.weight", 4, {6, 3, 3, 3}},
        {"stem.bn.weight", 1, {6}},
        {"stem.bn.running_var", 1, {6}},
        {"stitch1.conv1.weight", 4, {12, 6, 3, 3}},
        {"stitch1.conv2.bias", 1, {12}},
        {"stitch1.down.weight", 4, {12, 6, 1, 1}},
        {"stitch1.bn2.bias", 1, {12}},
        {"block1.conv1.weight", 5, {3, 12, 12, 3, 3}},
        {"block1.conv2.bias", 2, {3, 12}},
        {"block1.bn1.weight", 2, {3, 12}},
        {"block1.skip", 1, {3}},
        {"stitch2.conv1.weight", 4, {24, 12, 3, 3}},
        {"stitch2.down.weight", 4, {24, 12, 1, 1}},
        {"block2.bn2.running_mean", 2, {3, 24}},
        {"stitch3.conv2.weight", 4, {48, 48, 3, 3}},
        {"block3.conv1.weight", 5, {3, 48, 48, 3, 3}},
        {"head.weight", 2, {7, 48}},
        {"head.bias", 1, {7}},
    };
    struct net *net = make_net(
        "{\"family\":\"continuous\",\"input\":[3,9,8],\"classes\":7,\"width\":6,\"widen\":2,"
        "\"nodes\":3,\"skip\":true}");
    check_shapes(net, expected, sizeof expected / sizeof *expected);
    cr_expect_eq(net_ode_count(net), 3);
    cr_expect_eq(net_ode_nodes(net, 2), 3);
    cr_expect_eq(net->outputs, 7);
    ptrdiff_t next = 0; /* trainable ones first, then statistics, without a gap */
    for (int trainable = 1; trainable >= 0; trainable--) {
        for (int p = 0; p < net->parameter_count; p++) {
            if (net->parameters[p].trainable == (trainable == 1)) {
                cr_expect_eq(net->parameters[p].offset, next, "%s", net->parameters[p].name);
                next += net->parameters[p].len;
            }
        }
        cr_expect_eq(next, trainable ? net->trainable_len : net->value_len);
    }
    net_free(net);
}

/* 3 x 3 convolutions with bias and two norms: 2 (9 c^2 + c) + 4 c parameters of a cell; stitches
 * the same from c / 2 (or the stem) and a 1 x 1 path. */
static ptrdiff_t counted(ptrdiff_t width, ptrdiff_t nodes, ptrdiff_t in, ptrdiff_t classes) {
    ptrdiff_t sum = 9 * in * width + 2 * width;
    for (ptrdiff_t c = width, from = width; c <= 4 * width; from = c, c *= 2) {
        sum += 9 * from * c + c + 9 * c * c + c + 4 * c + from * c;
        sum += nodes * (2 * (9 * c * c + c) + 4 * c);
    }
    return sum + 4 * width * classes + classes;
}

Test(net, families_have_as_many_parameters_as_their_layers_add_up_to) {
    cr_expect_eq(counted(16, 0, 3, 10), 78330); /* Queiruga et al. 2020 */
    cr_expect_eq(counted(16, 1, 3, 10) - counted(16, 0, 3, 10), 97440);
    static const char *const families[] = {"continuous", "residual"};
    for (int n = 0; n < 6; n++) {
        const ptrdiff_t nodes = n / 2 == 2 ? 32 : 1 + n / 2;
        char json[200];
        snprintf(json, sizeof json,
                 "{\"family\":\"%s\",\"input\":[3,32,32],\"width\":16,\"nodes\":%td}",
                 families[n % 2], nodes);
        struct net *net = make_net(json);
        cr_expect_eq(net->trainable_len, counted(16, nodes, 3, 10), "%s", json);
        net_free(net);
    }
    struct net *net = make_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":3,\"hidden\":50,"
                               "\"layers\":2,\"augment\":3,\"nodes\":4}");
    cr_expect_eq(net->trainable_len, 4 * (5 * 50 + 50 + 50 * 50 + 50 + 50 * 5 + 5) + 5 * 3 + 3);
    net_free(net);
}

static bool same_values(const struct net *a, const struct net *b) {
    return a->value_len == b->value_len &&
           memcmp(a->values, b->values, (size_t)a->value_len * a->kernels->real_size) == 0;
}

Test(net, weights_are_drawn_by_seed_whatever_they_are_integrated_with) {
    static const char *const others[] = {
        "\"scheme\":\"euler\"",
        "\"scheme\":\"dopri54\",\"steps\":7",
        "\"steps\":2",
        "\"edge\":\"closed\"",
        "\"eps\":0.3",
        "\"act\":\"tanh\"",
        "\"norm_update\":\"visit\"",
    };
    char json[300];
    const char *format = "{\"family\":\"continuous\",\"input\":[1,8,8],\"width\":3,\"nodes\":2,"
                         "\"seed\":%d,%s}";
    snprintf(json, sizeof json, format, 17, "\"scheme\":\"rk4\"");
    struct net *net = make_net(json);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(json, sizeof json, format, 17, others[i]);
        struct net *other = make_net(json);
        cr_expect(same_values(net, other), "%s changes the initial weights", others[i]);
        net_free(other);
    }
    snprintf(json, sizeof json, format, 18, "\"scheme\":\"rk4\"");
    struct net *other = make_net(json);
    cr_expect_not(same_values(net, other), "another seed");
    net_free(other);
    net_free(net);
}

Test(net, a_clone_in_another_precision_holds_the_same_numbers) {
    struct net *f32 = make_net("{\"family\":\"continuous\",\"input\":[2,7,6],\"width\":3,"
                               "\"nodes\":2,\"unit\":\"pre\",\"act\":\"tanh\"}");
    shake(f32, 0.1, 3);
    struct error error;
    struct net *f64 = net_clone(f32, PRECISION_F64, &error);
    cr_assert_not_null(f64);
    cr_expect_eq(f64->kernels->precision, PRECISION_F64);
    cr_expect_str_eq(cJSON_GetObjectItem(f64->config, "precision")->valuestring, "f64");
    const float *narrow = f32->values;
    const double *wide = f64->values;
    for (ptrdiff_t i = 0; i < f32->value_len; i++) {
        cr_assert_eq((double)narrow[i], wide[i], "value %td", i);
    }
    struct net *back = net_clone(f64, PRECISION_F32, &error);
    cr_assert_not_null(back);
    cr_expect(same_values(f32, back));
    const struct pass_options options = {.batch = 4, .how = as_configured};
    struct net *const nets[] = {f32, f64, back};
    double outputs[3][4 * 10];
    for (int n = 0; n < 3; n++) {
        struct pass *pass = make_pass(nets[n], &options);
        void *x = normal_reals(f32, 4 * input_len(f32), 5); /* floats, also for the f64 net */
        double exact[4 * 2 * 7 * 6];
        f32->kernels->to_doubles(exact, x, 4 * input_len(f32));
        nets[n]->kernels->to_doubles(outputs[n], pass_forward(pass, n == 1 ? (void *)exact : x, 4),
                                     4 * 10);
        free(x);
        pass_free(pass);
    }
    cr_expect_eq(memcmp(outputs[0], outputs[2], sizeof outputs[0]), 0);
    for (int i = 0; i < 40; i++) { /* some hundred operations deep */
        cr_expect(fabs(outputs[0][i] - outputs[1][i]) <=
                      1e3 * (double)FLT_EPSILON * (1.0 + fabs(outputs[1][i])),
                  "output %d: %.9g and %.9g", i, outputs[0][i], outputs[1][i]);
    }
    net_free(back);
    net_free(f64);
    net_free(f32);
}

/* ---- the same bits ---- */

/* Two training steps' worth of outputs, gradients and values (running statistics behind). */
struct trace {
    size_t size;
    char *bytes;
};
static void trace_add(struct trace *trace, const void *bytes, size_t size) {
    trace->bytes = realloc(trace->bytes, trace->size + size);
    cr_assert_not_null(trace->bytes);
    memcpy(trace->bytes + trace->size, bytes, size);
    trace->size += size;
}

static struct trace trace_of(struct net *net, struct pool *pool, ptrdiff_t batch) {
    struct trace trace = {0};
    const size_t real = net->kernels->real_size;
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = batch,
                                                              .training = true,
                                                              .gradients = true,
                                                              .pool = pool,
                                                              .how = as_configured});
    struct pass *stored =
        make_pass(net, &(struct pass_options){.batch = batch, .pool = pool, .how = as_configured});
    void *x = normal_reals(net, batch * input_len(net), 23);
    void *r = normal_reals(net, batch * net->outputs, 29);
    net->kernels->set(net->grads, 0.0, net->trainable_len);
    for (int step = 0; step < 2; step++) {
        const ptrdiff_t count = step ? batch - 3 : batch;
        trace_add(&trace, pass_forward(pass, x, count), (size_t)(count * net->outputs) * real);
        pass_backward(pass, r);
    }
    trace_add(&trace, net->grads, (size_t)net->trainable_len * real);
    trace_add(&trace, net->values, (size_t)net->value_len * real);
    trace_add(&trace, pass_forward(stored, x, batch), (size_t)(batch * net->outputs) * real);
    free(x);
    free(r);
    pass_free(pass);
    pass_free(stored);
    return trace;
}

static void check_threads(const char *json, ptrdiff_t batch) {
    struct net *net = make_net(json);
    shake(net, 0.05, 31);
    const size_t size = (size_t)net->value_len * net->kernels->real_size;
    void *initial = malloc(size);
    cr_assert_not_null(initial);
    memcpy(initial, net->values, size);
    struct trace first = {0};
    for (int threads = 0; threads <= 5; threads++) { /* none; 1 .. 4; 4 once more */
        struct error error;
        struct pool *pool = threads ? pool_create(threads < 4 ? threads : 4, &error) : NULL;
        cr_assert(!threads || pool);
        memcpy(net->values, initial, size);
        net_touch(net);
        struct trace trace = trace_of(net, pool, batch);
        if (threads == 0) {
            first = trace;
        } else {
            cr_expect(trace.size == first.size && memcmp(trace.bytes, first.bytes, first.size) == 0,
                      "%d threads: %s", threads, json);
            free(trace.bytes);
        }
        pool_free(pool);
    }
    free(first.bytes);
    free(initial);
    net_free(net);
}

Test(net, outputs_gradients_and_statistics_are_the_same_bits_for_any_number_of_threads) {
    check_threads("{\"family\":\"continuous\",\"input\":[3,12,11],\"width\":5,\"nodes\":2,"
                  "\"scheme\":\"rk4\",\"skip\":true}",
                  37);
    check_threads("{\"family\":\"continuous\",\"input\":[1,9,9],\"width\":17,\"unit\":\"pre\","
                  "\"act\":\"gelu\",\"scheme\":\"heun2\",\"precision\":\"f64\"}",
                  17);
    check_threads("{\"family\":\"residual\",\"input\":[3,10,10],\"width\":8,\"nodes\":2}", 21);
    check_threads("{\"family\":\"mlp\",\"input\":[5],\"hidden\":90,\"layers\":2,\"act\":\"relu\","
                  "\"scheme\":\"midpoint\"}",
                  700);
}

/* ---- batches ---- */

#define SMALL(scheme, more)                                                                        \
    "{\"family\":\"continuous\",\"input\":[2,6,5],\"classes\":4,\"width\":3,\"nodes\":2,"          \
    "\"scheme\":\"" scheme "\",\"act\":\"tanh\",\"precision\":\"f64\"" more "}"

Test(net, with_stored_statistics_every_sample_is_by_itself) {
    enum { LARGE = 40, FEW = 7 };
    struct net *net = make_net(SMALL("midpoint", ""));
    shake(net, 0.1, 37);
    double *x = normal_reals(net, LARGE * input_len(net), 41);
    struct pass *large = make_pass(net, &(struct pass_options){.batch = LARGE});
    struct pass *few = make_pass(net, &(struct pass_options){.batch = FEW});
    double all[LARGE * 4];
    memcpy(all, pass_forward(large, x, LARGE), sizeof all);
    cr_expect_eq(memcmp(pass_forward(large, x, FEW), all, FEW * 4 * sizeof *all), 0);
    cr_expect_eq(memcmp(pass_forward(few, x, FEW), all, FEW * 4 * sizeof *all), 0);
    for (ptrdiff_t i = 0; i < LARGE; i += 13) {
        cr_expect_eq(
            memcmp(pass_forward(few, x + i * input_len(net), 1), &all[i * 4], 4 * sizeof *all), 0,
            "sample %td", i);
    }
    x[3 * input_len(net)] = NAN;
    const double *poisoned = pass_forward(large, x, LARGE);
    for (ptrdiff_t i = 0; i < LARGE * 4; i++) {
        cr_expect(i / 4 == 3 ? isnan(poisoned[i]) : poisoned[i] == all[i], "output %td", i);
    }
    pass_free(few);
    pass_free(large);
    free(x);
    net_free(net);
}

/* Sums over the batch are cut by the pass's size, so only their rounding may differ. */
Test(net, a_smaller_batch_trains_as_in_a_pass_of_its_size) {
    enum { LARGE = 50, FEW = 9 };
    struct net *nets[2];
    for (int n = 0; n < 2; n++) {
        nets[n] = make_net(SMALL("midpoint", ",\"skip\":true"));
        shake(nets[n], 0.1, 43);
        double *x = normal_reals(nets[n], LARGE * input_len(nets[n]), 47);
        double *r = normal_reals(nets[n], LARGE * 4, 53);
        struct pass *pass = make_pass(
            nets[n],
            &(struct pass_options){.batch = n ? LARGE : FEW, .training = true, .gradients = true});
        if (n) { /* leaves larger sums and states behind */
            pass_forward(pass, x, LARGE);
            pass_backward(pass, r);
        }
        double *statistics = nets[n]->values;
        for (ptrdiff_t i = nets[n]->trainable_len; i < nets[n]->value_len; i++) {
            statistics[i] = 0.25;
        }
        net_touch(nets[n]);
        nets[n]->kernels->set(nets[n]->grads, 0.0, nets[n]->trainable_len);
        pass_forward(pass, x + input_len(nets[n]), FEW);
        pass_backward(pass, r + 4);
        pass_free(pass);
        free(x);
        free(r);
    }
    const double *a = nets[0]->grads, *b = nets[1]->grads;
    for (ptrdiff_t i = 0; i < nets[0]->trainable_len; i++) {
        cr_assert(fabs(a[i] - b[i]) <= 1e-10 * (1.0 + fabs(a[i])), "gradient %td: %g and %g", i,
                  a[i], b[i]);
    }
    a = nets[0]->values;
    b = nets[1]->values;
    for (ptrdiff_t i = 0; i < nets[0]->value_len; i++) {
        cr_assert(fabs(a[i] - b[i]) <= 1e-12 * (1.0 + fabs(a[i])), "value %td: %g and %g", i, a[i],
                  b[i]);
    }
    net_free(nets[0]);
    net_free(nets[1]);
}

/* ---- running statistics in depth ---- */

static double *after_one_batch(const char *json, const char *statistic, ptrdiff_t *len) {
    struct net *net = make_net(json);
    shake(net, 0.1, 59);
    void *x = normal_reals(net, 6 * input_len(net), 61);
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = 6, .training = true});
    pass_forward(pass, x, 6);
    const struct parameter *p = net_parameter(net, statistic);
    cr_assert_not_null(p);
    *len = p->len;
    double *values = malloc((size_t)p->len * sizeof *values);
    cr_assert_not_null(values);
    memcpy(values, net_value(net, p), (size_t)p->len * sizeof *values);
    pass_free(pass);
    free(x);
    net_free(net);
    return values;
}

Test(net, both_rules_agree_where_each_cell_is_visited_once) {
    static const char *const statistics[] = {"block1.bn1.running_mean", "block2.bn2.running_var"};
    for (int s = 0; s < 2; s++) {
        ptrdiff_t len;
        double *a =
            after_one_batch(SMALL("euler", ",\"norm_update\":\"visit\""), statistics[s], &len);
        double *b =
            after_one_batch(SMALL("euler", ",\"norm_update\":\"stateful\""), statistics[s], &len);
        for (ptrdiff_t i = 0; i < len; i++) {
            cr_expect_float_eq(a[i], b[i], 8.0 * DBL_EPSILON * (1.0 + fabs(a[i])), "%s %td",
                               statistics[s], i);
        }
        free(a);
        free(b);
    }
}

Test(net, a_cell_no_stage_visits_keeps_its_statistics) {
    struct net *net = make_net("{\"family\":\"continuous\",\"input\":[1,6,6],\"width\":3,"
                               "\"nodes\":4,\"scheme\":\"euler\",\"precision\":\"f64\"}");
    shake(net, 0.1, 67);
    const struct parameter *p = net_parameter(net, "block2.bn1.running_var");
    double *now = net_value(net, p), before[4 * 6];
    cr_assert_eq(p->len, 4 * 6);
    memcpy(before, now, sizeof before);
    void *x = normal_reals(net, 5 * 36, 71);
    struct error error;
    const struct manifestation two = {tableau_find("euler", &error), 2, EDGE_OPEN};
    struct pass *pass =
        make_pass(net, &(struct pass_options){.batch = 5, .training = true, .how = two});
    pass_forward(pass, x, 5);
    for (int i = 0; i < 4 * 6; i++) { /* two Euler steps read cells 0 and 2 */
        cr_expect_eq(now[i] == before[i], i / 6 % 2 == 1, "cell %d, channel %d", i / 6, i % 6);
    }
    pass_free(pass);
    free(x);
    net_free(net);
}

/* ---- errors ---- */

static void expect_no_leak(void) {
#if defined __SANITIZE_ADDRESS__
    cr_expect_eq(__lsan_do_recoverable_leak_check(), 0, "memory is lost");
#endif
}

/* One sentence: no newline, no full stop, with all the words. */
static void expect_sentence(const struct error *error, const char *json, const char *words) {
    char list[200], *rest = list;
    snprintf(list, sizeof list, "%s", words);
    const size_t len = strlen(error->text);
    cr_expect(error->code != ERROR_NONE && len > 20 && len < sizeof error->text - 1, "%s: \"%s\"",
              json, error->text);
    cr_expect(!strchr(error->text, '\n') && error->text[len - 1] != '.', "%s: \"%s\"", json,
              error->text);
    for (char *word; (word = strsep(&rest, "|")) != NULL;) {
        cr_expect(strstr(error->text, word), "%s: \"%s\" does not say %s", json, error->text, word);
    }
}

#define CONTINUOUS(more) "{\"family\":\"continuous\"," more "}"
#define MLP(more) "{\"family\":\"mlp\"," more "}"
static const struct {
    const char *json, *words; /* the words apart by | */
} refused[] = {
    {"{}", "family|continuous|residual|mlp"},
    {"{\"family\":\"continous\"}", "continous|nearest|\"continuous\""},
    {"{\"family\":7}", "family"},
    {CONTINUOUS("\"width\":16"), "input"},
    {CONTINUOUS("\"input\":[1,28]"), "input|3 positive integers"},
    {CONTINUOUS("\"input\":\"28x28\""), "input|3 positive integers"},
    {CONTINUOUS("\"input\":[1,28,0]"), "input[3]|1 to 1000000"},
    {CONTINUOUS("\"input\":[1,-28,28]"), "input[2]|1 to 1000000"},
    {CONTINUOUS("\"input\":[1.5,28,28]"), "input[1]|integer"},
    {CONTINUOUS("\"input\":[1,1e300,28]"), "input[2]|1 to 1000000"},
    {CONTINUOUS("\"input\":[1,28,\"28\"]"), "input[3]|1 to 1000000"},
    {CONTINUOUS("\"input\":[1,1,1]"), "stride 2|1 x 1|larger input"},
    {CONTINUOUS("\"input\":[3,1,28]"), "stride 2|1 x 28|larger input"},
    {CONTINUOUS("\"input\":[3,28,2]"), "stride 2|14 x 1|larger input"},
    {CONTINUOUS("\"input\":[3,2,2]"), "stride 2|1 x 1|larger input"},
    {CONTINUOUS("\"input\":[1,28,28],\"widht\":8"), "widht|nearest|\"width\""},
    {CONTINUOUS("\"input\":[1,28,28],\"xyzzy\":8"), "xyzzy"},
    {CONTINUOUS("\"input\":[1,28,28],\"scheme\":\"rk5\""), "rk5|nearest|rk4"},
    {CONTINUOUS("\"input\":[1,28,28],\"scheme\":4"), "scheme"},
    {CONTINUOUS("\"input\":[1,28,28],\"basis\":\"piecewise_constnat\""),
     "piecewise_constnat|piecewise_constant"},
    {CONTINUOUS("\"input\":[1,28,28],\"act\":\"swish\""), "act|swish|relu"},
    {CONTINUOUS("\"input\":[1,28,28],\"unit\":\"mid\""), "unit|mid|post|pre"},
    {CONTINUOUS("\"input\":[1,28,28],\"norm\":\"layer\""), "norm|layer|batch"},
    {CONTINUOUS("\"input\":[1,28,28],\"edge\":\"ajar\""), "edge|ajar|open|closed"},
    {CONTINUOUS("\"input\":[1,28,28],\"precision\":\"f16\""), "precision|f16|f32|f64"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":0"), "width|0|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":-16"), "width|-16|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":2.5"), "width|2.5|whole number"},
    {CONTINUOUS("\"input\":[1,28,28],\"widen\":0"), "widen|0|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"classes\":0"), "classes|0|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"nodes\":0"), "nodes|0|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"nodes\":-2"), "nodes|-2|1"},
    {CONTINUOUS("\"input\":[1,28,28],\"steps\":-1"), "steps|-1|0"},
    {CONTINUOUS("\"input\":[1,28,28],\"eps\":-0.5"), "eps|-0.5|0"},
    {CONTINUOUS("\"input\":[1,28,28],\"seed\":-1"), "seed|-1|0"},
    {CONTINUOUS("\"input\":[1,28,28],\"skip\":1"), "skip"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":4097"), "width|4097|4096"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":4096,\"widen\":64"), "parameters|GB|smaller width"},
    {CONTINUOUS("\"input\":[1,28,28],\"width\":4096,\"widen\":64,\"nodes\":10000"),
     "parameters|GB|smaller width"},
    {"{\"family\":\"residual\",\"input\":[1,28,28],\"steps\":4}", "steps"},
    {"{\"family\":\"residual\",\"input\":[1,28,1]}", "stride 2|larger input"},
    {MLP("\"hidden\":4"), "input"},
    {MLP("\"input\":[]"), "input|1 positive integer"},
    {MLP("\"input\":[0]"), "input[1]|1 to 1000000"},
    {MLP("\"input\":[1,28,28]"), "1 x 28 x 28|image|cn.net.continuous"},
    {MLP("\"input\":[2],\"hidden\":0"), "hidden|0|1"},
    {MLP("\"input\":[2],\"layers\":17"), "layers|17|16"},
    {MLP("\"input\":[2],\"augment\":-1"), "augment|-1|0"},
    {MLP("\"input\":[2],\"scheme\":\"rk44\""), "rk44|nearest"},
    {MLP("\"input\":[2],\"hiden\":3"), "hiden|nearest|\"hidden\""},
    {MLP("\"input\":[1000000],\"hidden\":100000,\"layers\":16"), "parameters|GB|width"},
};

Test(net, what_cannot_be_is_refused_in_one_sentence) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct error error = {0};
        struct net *net = try_net(refused[i].json, &error);
        cr_expect_null(net, "%s", refused[i].json);
        net_free(net);
        expect_sentence(&error, refused[i].json, refused[i].words);
    }
    expect_no_leak();
}

/* A third of the memory for values and a third for gradients is granted by a system that promises
 * freely, and would kill the program later. */
Test(net, a_net_larger_than_the_machine_is_refused_before_any_memory_is_touched) {
    for (int width = 512; width <= 4096; width *= 2) {
        for (int widen = 2; widen <= 64; widen *= 2) {
            const double parameters = 660.0 * width * width * widen * widen;
            if (parameters * 16.0 > 2e12) { /* no machine of today's */
                char json[200];
                struct error error = {0};
                snprintf(json, sizeof json,
                         CONTINUOUS("\"input\":[3,32,32],\"width\":%d,\"widen\":%d"), width, widen);
                cr_expect_null(try_net(json, &error), "%s", json);
                cr_expect_eq(error.code, ERROR_MEMORY);
            }
        }
    }
}

Test(net, smallest_images_that_fit_run) {
    static const char *const fit[] = {
        CONTINUOUS("\"input\":[1,3,3],\"width\":1,\"nodes\":1"),
        CONTINUOUS("\"input\":[1,4,3],\"width\":1,\"unit\":\"pre\""),
        "{\"family\":\"residual\",\"input\":[2,3,4],\"width\":1,\"classes\":1}",
        MLP("\"input\":[1],\"hidden\":1,\"outputs\":1"),
    };
    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++) {
        struct net *net = make_net(fit[i]);
        void *x = normal_reals(net, 2 * input_len(net), 73), *r = normal_reals(net, 2 * 10, 79);
        struct pass *pass =
            make_pass(net, &(struct pass_options){.batch = 2, .training = true, .gradients = true});
        for (ptrdiff_t count = 1; count <= 2; count++) {
            const float *y = pass_forward(pass, x, count);
            cr_expect(isfinite(y[0]), "%s: a batch of %td", fit[i], count);
            pass_backward(pass, r);
        }
        cr_expect(isfinite(net->kernels->sum_squares(net->grads, net->trainable_len)), "%s",
                  fit[i]);
        pass_free(pass);
        free(x);
        free(r);
        net_free(net);
    }
}

/* What is granted may be filled by a debugging malloc: a small machine, then. (A sanitizer needs
 * its addresses, and fills little.) */
static void limit_memory(void) {
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    const struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

Test(net, a_pass_that_cannot_be_is_refused_in_one_sentence) {
    struct net *net = make_net(CONTINUOUS("\"input\":[1,100000,100000],\"width\":16"));
    static const ptrdiff_t batches[] = {0, -3, 128, 100000, PTRDIFF_MAX / 2, PTRDIFF_MAX};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        struct error error = {0};
        char words[64];
        struct pass *pass = pass_create(net, &(struct pass_options){.batch = batches[i]}, &error);
        cr_expect_null(pass);
        pass_free(pass);
        snprintf(words, sizeof words, batches[i] < 1 ? "at least one sample|%td" : "memory|%td",
                 batches[i]);
        expect_sentence(&error, "pass", words);
    }
    net_free(net);
    net = make_net(MLP("\"input\":[2]"));
    struct error error = {0};
    struct manifestation long_way = {NULL, 2000000000, -1};
    cr_expect_null(pass_create(net, &(struct pass_options){.batch = 64, .how = long_way}, &error));
    expect_sentence(&error, "pass of too many steps", "at most 100000 steps|2000000000");
    limit_memory();
    long_way.steps = NET_STEPS_MAX;
    cr_expect_null(pass_create(
        net,
        &(struct pass_options){
            .batch = 1000000, .training = true, .gradients = true, .how = long_way},
        &error));
    expect_sentence(&error, "pass of many steps", "memory|1000000|fewer steps");
    net_free(net);
    expect_no_leak();
}
