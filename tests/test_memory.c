/* What a pass keeps of its ODE blocks: the same bits whatever it is, less memory, a choice by size,
 * and a sentence where nothing helps. */
#include "net_setup.h"

#include "base/memory.h"

static const enum memory policies[] = {MEMORY_FULL, MEMORY_STAGES, MEMORY_STEPS};
enum { POLICIES = 3 };

/* ---- the same bits ---- */

struct bits {
    size_t size;
    char *bytes;
};

static void add_bits(struct bits *bits, const void *bytes, size_t size) {
    bits->bytes = realloc(bits->bytes, bits->size + size);
    cr_assert_not_null(bits->bytes);
    memcpy(bits->bytes + bits->size, bytes, size);
    bits->size += size;
}

static bool same_bits(const struct bits *a, const struct bits *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Outputs, gradients and values (with running statistics) over a full and a short batch. */
static struct bits run_net(const char *json, struct pass_options options, int threads,
                           size_t *pass_size) {
    struct error error = {0};
    struct bits bits = {0};
    struct net *net = make_net(json);
    shake(net, 0.05, 31);
    const size_t real = net->kernels->real_size;
    struct pool *pool = threads > 1 ? pool_create(threads, &error) : NULL;
    cr_assert(pool || threads == 1);
    options.gradients = true;
    options.pool = pool;
    struct pass *pass = make_pass(net, &options);
    *pass_size = pass_bytes(pass);
    cr_expect_eq(pass_memory(pass), options.memory, "%s", json);
    void *x = normal_reals(net, options.batch * input_len(net), 23);
    void *r = normal_reals(net, options.batch * net->outputs, 29);
    net->kernels->set(net->grads, 0.0, net->trainable_len);
    for (int step = 0; step < 2; step++) {
        const ptrdiff_t count = options.batch - 2 * step;
        add_bits(&bits, pass_forward(pass, x, count), (size_t)(count * net->outputs) * real);
        pass_backward(pass, r);
    }
    add_bits(&bits, net->grads, (size_t)net->trainable_len * real);
    add_bits(&bits, net->values, (size_t)net->value_len * real);
    free(x);
    free(r);
    pass_free(pass);
    pool_free(pool);
    net_free(net);
    return bits;
}

/* The policies, with one and three threads, against everything kept and one thread. */
static void check_policies(const char *json, struct pass_options options) {
    size_t sizes[POLICIES], size;
    struct bits first = {0};
    for (int p = 0; p < POLICIES; p++) {
        options.memory = policies[p];
        for (int threads = 1; threads <= 3; threads += 2) {
            struct bits bits = run_net(json, options, threads, threads == 1 ? &sizes[p] : &size);
            if (!first.bytes) {
                first = bits;
                continue;
            }
            cr_expect(same_bits(&first, &bits), "memory = \"%s\", %d threads, %s: %s",
                      memory_names[policies[p]], threads,
                      options.training ? "training" : "stored statistics", json);
            free(bits.bytes);
        }
    }
    /* With one stage Y is the state, and a body may have nothing else to leave out. */
    const bool one = strstr(json, "euler"), less = sizes[0] > sizes[1] && sizes[1] > sizes[2];
    const bool no_more = sizes[0] >= sizes[1] && sizes[1] >= sizes[2] && sizes[0] > sizes[2];
    cr_expect(one ? no_more : less, "%zu, %zu, %zu bytes: %s", sizes[0], sizes[1], sizes[2],
              json);
    free(first.bytes);
}

static void check_schemes(const char *format) {
    static const char *const schemes[] = {"euler", "midpoint", "rk4", "bs32", "dopri54"};
    for (size_t s = 0; s < sizeof schemes / sizeof *schemes; s++) {
        char json[1200];
        snprintf(json, sizeof json, format, schemes[s]);
        for (int training = 0; training < 2; training++) {
            check_policies(json, (struct pass_options){
                                     .batch = 7, .training = training, .how = as_configured});
        }
    }
}

#define UNIT(more)                                                                                 \
    "{\"family\":\"continuous\",\"input\":[2,9,8],\"classes\":3,\"width\":5,\"nodes\":2,"          \
    "\"steps\":4,\"scheme\":\"%s\"," more "}"

Test(memory, post_units_have_the_same_bits_whatever_is_kept) {
    check_schemes(UNIT("\"norm_update\":\"stateful\",\"skip\":true"));
    check_schemes(UNIT("\"norm_update\":\"visit\",\"act\":\"gelu\",\"edge\":\"closed\""));
}

Test(memory, pre_units_have_the_same_bits_whatever_is_kept) {
    check_schemes(UNIT("\"unit\":\"pre\",\"norm_update\":\"visit\""));
    check_schemes(UNIT("\"unit\":\"pre\",\"skip\":true,\"act\":\"softplus\""));
}

Test(memory, units_without_norms_have_the_same_bits_whatever_is_kept) {
    check_schemes(UNIT("\"norm\":\"none\",\"convolution\":\"direct\",\"precision\":\"f64\""));
    check_schemes(UNIT("\"norm\":\"none\",\"unit\":\"pre\",\"act\":\"tanh\""));
}

/* Layer by layer; test_dense_field knows the other way. */
Test(memory, mlps_have_the_same_bits_whatever_is_kept) {
    check_schemes("{\"family\":\"mlp\",\"input\":[3],\"hidden\":40,\"layers\":3,\"nodes\":2,"
                  "\"steps\":6,\"augment\":2,\"field\":\"layers\",\"scheme\":\"%s\"}");
    check_schemes("{\"family\":\"mlp\",\"input\":[5],\"hidden\":20,\"steps\":5,\"act\":\"relu\","
                  "\"field\":\"layers\",\"precision\":\"f64\",\"scheme\":\"%s\"}");
}

/* Bodies of odd forms: of three convolutions, with stored values in between, of one operation, of
 * none, and behind and inside residual layers. */
#define STACK(body, around)                                                                        \
    "{\"family\":\"stack\",\"input\":[3,7,6],\"layers\":["                                         \
    "{\"layer\":\"conv\",\"out\":6},{\"layer\":\"norm\"}," around                                  \
    "{\"layer\":\"ode\",\"steps\":3,\"scheme\":\"%s\",\"body\":[" body "]},"                       \
    "{\"layer\":\"pool\"},{\"layer\":\"dense\",\"out\":3}]}"
#define CONV "{\"layer\":\"conv\",\"out\":6}"
#define NORM "{\"layer\":\"norm\"}"
#define TANH "{\"layer\":\"tanh\"}"

Test(memory, stacks_have_the_same_bits_whatever_is_kept) {
    check_schemes(STACK(CONV "," NORM "," TANH "," CONV "," TANH "," CONV, ""));
    check_schemes(STACK(CONV "," NORM "," TANH "," NORM "," CONV "," TANH "," TANH "," NORM, ""));
    check_schemes(STACK(NORM "," TANH "," CONV "," NORM,
                        "{\"layer\":\"residual\",\"body\":[" TANH "," CONV "," NORM "]},"));
}

/* Bodies of which nothing is run again, or nothing is kept that could be left out. */
static void check_same(const char *format) {
    static const char *const schemes[] = {"euler", "rk4", "dopri54"};
    for (size_t s = 0; s < sizeof schemes / sizeof *schemes; s++) {
        char json[1200];
        snprintf(json, sizeof json, format, schemes[s]);
        struct bits bits[POLICIES];
        for (int p = 0; p < POLICIES; p++) {
            size_t size;
            bits[p] = run_net(json,
                              (struct pass_options){.batch = 6,
                                                    .training = true,
                                                    .how = as_configured,
                                                    .memory = policies[p]},
                              1, &size);
            cr_expect(same_bits(&bits[0], &bits[p]), "memory = \"%s\": %s",
                      memory_names[policies[p]], json);
        }
        for (int p = 0; p < POLICIES; p++) {
            free(bits[p].bytes);
        }
    }
}

Test(memory, bodies_of_one_operation_and_of_none_have_the_same_bits_whatever_is_kept) {
    check_same(STACK(CONV, ""));
    check_same(STACK(TANH, ""));
    check_same(STACK(NORM "," TANH, ""));
    check_same(STACK(TANH "," NORM, ""));
}

/* ---- the choice ---- */

#define WIDE                                                                                       \
    "{\"family\":\"continuous\",\"input\":[1,28,28],\"width\":8,\"nodes\":4,\"scheme\":\"rk4\"}"

static struct pass *try_memory(struct net *net, enum memory memory, size_t room,
                               struct error *error) {
    return pass_create(net,
                       &(struct pass_options){.batch = 16,
                                              .training = true,
                                              .gradients = true,
                                              .memory = memory,
                                              .room = room},
                       error);
}

static size_t bytes_of(struct net *net, enum memory memory) {
    struct error error = {0};
    struct pass *pass = try_memory(net, memory, 0, &error);
    cr_assert_not_null(pass, "%s", error.text);
    const size_t bytes = pass_bytes(pass);
    pass_free(pass);
    return bytes;
}

/* What is counted before memory is taken leaves out lists of pointers: a few kilobytes. */
Test(memory, auto_keeps_as_much_as_has_room) {
    struct net *net = make_net(WIDE);
    for (int p = 0; p < POLICIES; p++) {
        const size_t bytes = bytes_of(net, policies[p]), few = 20000;
        for (int fits = 0; fits < 2; fits++) {
            struct error error = {0};
            struct pass *pass =
                try_memory(net, MEMORY_AUTO, fits ? bytes : bytes - few, &error);
            cr_assert_not_null(pass, "%s", error.text);
            const enum memory want =
                fits || policies[p] == MEMORY_STEPS ? policies[p] : policies[p + 1];
            cr_expect_eq(pass_memory(pass), want, "%zu bytes of room: %s, not %s",
                         fits ? bytes : bytes - few, memory_names[pass_memory(pass)],
                         memory_names[want]);
            cr_expect_eq(pass_bytes(pass), bytes_of(net, want));
            pass_free(pass);
        }
    }
    net_free(net);
}

Test(memory, everything_is_kept_where_there_is_room_or_nothing_to_leave_out) {
    struct net *net = make_net(WIDE);
    struct error error = {0};
    struct pass *pass = try_memory(net, MEMORY_AUTO, 0, &error);
    cr_expect_eq(pass_memory(pass), MEMORY_FULL);
    pass_free(pass);
    pass = make_pass(net, &(struct pass_options){.batch = 16, .memory = MEMORY_STEPS});
    cr_expect_eq(pass_memory(pass), MEMORY_FULL, "no gradients");
    pass_free(pass);
    net_free(net);
    net = make_net("{\"family\":\"stack\",\"input\":[4],"
                   "\"layers\":[{\"layer\":\"dense\",\"out\":3}]}");
    pass = try_memory(net, MEMORY_STEPS, 0, &error);
    cr_expect_eq(pass_memory(pass), MEMORY_FULL, "no ODE block");
    pass_free(pass);
    net_free(net);
}

/* Without gradients nothing is kept but a step's outputs: steps cost none. */
Test(memory, steps_cost_no_memory_without_gradients) {
    struct net *net = make_net(WIDE);
    size_t bytes[2];
    for (int n = 0; n < 2; n++) {
        struct pass *pass = make_pass(
            net, &(struct pass_options){.batch = 16, .how = {.steps = n ? 64 : 4, .edge = -1}});
        bytes[n] = pass_bytes(pass);
        pass_free(pass);
    }
    cr_expect_eq(bytes[0], bytes[1]);
    net_free(net);
}

/* A batch for which all of the machine's memory is too little, or only for `full`. */
static void expect_refusal(struct net *net, ptrdiff_t batch, int steps, enum memory memory,
                           const char *const *words) {
    struct error error = {0};
    struct pass *pass = pass_create(net,
                                    &(struct pass_options){.batch = batch,
                                                           .training = true,
                                                           .gradients = true,
                                                           .memory = memory,
                                                           .how = {.steps = steps, .edge = -1}},
                                    &error);
    cr_assert_null(pass);
    cr_expect_eq(error.code, ERROR_MEMORY);
    for (; *words; words++) {
        cr_expect(strstr(error.text, *words), "\"%s\" does not say %s", error.text, *words);
    }
}

Test(memory, what_no_policy_can_hold_is_refused_with_what_was_tried) {
    static const char *const all[] = {"10000000 samples", "memory = \"stages\"",
                                      "memory = \"steps\"", "GB", "smaller batch", NULL};
    static const char *const way_out[] = {"memory = \"full\"", "use memory = \"steps\", which",
                                          NULL};
    struct net *net = make_net(WIDE);
    expect_refusal(net, 10000000, 0, MEMORY_AUTO, all);
    expect_refusal(net, 10000000, 0, MEMORY_STEPS, all);
    /* As many steps as make `full` too large; the states alone are a hundredth of it. */
    const double step = (double)(bytes_of(net, MEMORY_FULL) - bytes_of(net, MEMORY_STEPS)) / 4.0;
    const double steps = 2.0 * (double)memory_installed() / step / 4.0;
    cr_assert_lt(steps, NET_STEPS_MAX);
    expect_refusal(net, 64, (int)steps, MEMORY_FULL, way_out);
    net_free(net);
}
