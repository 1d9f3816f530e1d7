/* All memory is taken when a pass, an optimiser or a training is created: the steps that follow
 * allocate nothing, on any thread. Every allocation of the process is seen, by standing in for
 * malloc and its relatives (glibc) or by the sanitizers' own hook. */
#include "net_setup.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "learn/optim.h"
#include "learn/train.h"
#include "learn_setup.h"
#include "ode/solve.h"

static atomic_bool counting;
static atomic_long allocations;

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__

/* sanitizer/allocator_interface.h, which gcc does not install */
extern int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                                     void (*)(const volatile void *));

static void see_malloc(const volatile void *block, size_t size) {
    (void)block;
    (void)size;
    allocations += counting;
}
static void see_free(const volatile void *block) {
    (void)block;
}
static bool watch(void) {
    return __sanitizer_install_malloc_and_free_hooks(see_malloc, see_free) > 0;
}

#elif defined __GLIBC__

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    allocations += counting;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    allocations += counting;
    return __libc_calloc(count, size);
}
void *realloc(void *block, size_t size) {
    allocations += counting;
    return __libc_realloc(block, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    allocations += counting;
    return __libc_memalign(alignment, size);
}
static bool watch(void) {
    return true;
}

#else

static bool watch(void) {
    return false; /* no way known to see allocations here */
}

#endif

static void count_begin(void) {
    allocations = 0;
    counting = true;
}
static long count_end(void) {
    counting = false;
    return allocations;
}

static void require_watch(void) {
    if (!watch()) {
        cr_skip_test("allocations cannot be seen on this system");
    }
    count_begin();
    void *volatile blocks[3] = {malloc(3), calloc(5, 7), aligned_alloc(64, 128)};
    blocks[0] = realloc(blocks[0], 4000);
    const long seen = count_end();
    for (int i = 0; i < 3; i++) {
        free(blocks[i]);
    }
    cr_assert(seen >= 4, "%ld of 4 allocations are seen", seen);
}

/* A thread may still be on its way into the pool, allocating what threads do: every worker is held
 * in a chunk until all have come. */
static void arrive(void *context, int chunk, int worker) {
    (void)chunk;
    (void)worker;
    atomic_int *missing = context;
    atomic_fetch_sub(missing, 1);
    while (atomic_load(missing) > 0) {
        sched_yield();
    }
}
static struct pool *make_pool(int threads) {
    struct error error = {0};
    struct pool *pool = pool_create(threads, &error);
    cr_assert_not_null(pool, "%s", error.text);
    atomic_int missing = threads;
    pool_run(pool, threads, arrive, &missing);
    return pool;
}

/* Forward, loss, backward and update, the first of four uncounted; every other batch is short. */
static void check_steps(const char *json, const char *optimizer, int threads) {
    enum { BATCH = 24 };
    struct error error = {0};
    struct net *net = make_net(json);
    struct pool *pool = threads > 1 ? make_pool(threads) : NULL;
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = BATCH,
                                                              .training = true,
                                                              .gradients = true,
                                                              .pool = pool,
                                                              .how = as_configured});
    cJSON *config = cJSON_Parse(optimizer);
    struct optim *optim = optim_create(config, net->kernels, net->trainable_len, &error);
    cr_assert_not_null(optim, "%s", error.text);
    void *x = normal_reals(net, BATCH * input_len(net), 107);
    void *dy = normal_reals(net, BATCH * net->outputs, 109);
    int32_t labels[BATCH];
    for (int i = 0; i < BATCH; i++) {
        labels[i] = i % net->outputs;
    }
    for (int step = 0; step < 4; step++) {
        const ptrdiff_t count = BATCH - 5 * (step % 2);
        if (step == 1) {
            count_begin();
        }
        net->kernels->set(net->grads, 0.0, net->trainable_len);
        const void *y = pass_forward(pass, x, count);
        net->kernels->cross_entropy(dy, y, labels, count, net->outputs, 0.1, NULL);
        pass_backward(pass, dy);
        optim_step(optim, NULL, net->values, net->grads, 0.01);
        net_touch(net);
    }
    const long seen = count_end();
    cr_expect_eq(seen, 0, "%ld allocations in three steps of %s with %s, %d threads", seen, json,
                 optimizer, threads);
    free(x);
    free(dy);
    optim_free(optim);
    cJSON_Delete(config);
    pass_free(pass);
    pool_free(pool);
    net_free(net);
}

Test(allocation, a_training_step_takes_no_memory) {
    static const char *const nets[] = {
        "{\"family\":\"continuous\",\"input\":[3,10,9],\"width\":8,\"nodes\":2,\"skip\":true}",
        "{\"family\":\"continuous\",\"input\":[1,8,8],\"width\":17,\"unit\":\"pre\","
        "\"scheme\":\"dopri54\",\"act\":\"gelu\",\"precision\":\"f64\"}",
        "{\"family\":\"residual\",\"input\":[1,12,12],\"width\":6,\"nodes\":2}",
        "{\"family\":\"mlp\",\"input\":[3],\"hidden\":40,\"augment\":2,\"nodes\":3}",
    };
    static const char *const optimizers[] = {
        "{\"kind\":\"sgd\",\"momentum\":0.9,\"nesterov\":true,\"weight_decay\":1e-4}",
        "{\"kind\":\"adam\"}", "{\"kind\":\"adamw\",\"weight_decay\":0.01}", "{\"kind\":\"sgd\"}"};
    require_watch();
    for (int n = 0; n < 4; n++) {
        check_steps(nets[n], optimizers[n], 1);
        check_steps(nets[n], optimizers[n], 3);
    }
}

/* 28 x 28 images, whose batches are large enough to be made on a thread of their own. */
static struct dataset *large_images(void) {
    enum { COUNT = 140, AREA = 28 * 28 };
    static float values[COUNT * AREA];
    static int32_t labels[COUNT];
    for (int i = 0; i < COUNT * AREA; i++) {
        values[i] = (float)rng_normal(17, 1, (uint64_t)i);
    }
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % 3;
    }
    const ptrdiff_t shape[4] = {COUNT, 1, 28, 28};
    struct error error = {0};
    struct dataset *set = dataset_from_arrays(values, shape, labels, 3, NULL, 0, 0, 0, &error);
    cr_assert_not_null(set, "%s", error.text);
    return set;
}

/* With the batch drawn, augmented and clipped around it, over the end of an epoch. */
static void check_training(const char *net_json, struct dataset *data, const char *json) {
    struct error error = {0};
    struct net *net = setup_net(net_json);
    struct pool *pool = make_pool(2);
    cJSON *options = cJSON_Parse(json);
    struct train *train = train_begin(net, data, options, pool, &error);
    cr_assert_not_null(train, "%s", error.text);
    struct step_report report;
    cr_assert(train_step(train, &report));
    (void)usleep(100000); /* until every thread has come */
    count_begin();
    int steps = 0;
    while (train_step(train, &report)) {
        steps++;
    }
    const long seen = count_end();
    cr_expect(steps > 3 && report.finite);
    cr_expect_eq(seen, 0, "%ld allocations in %d steps of training with %s", seen, steps, json);
    train_end(train);
    cJSON_Delete(options);
    pool_free(pool);
    net_free(net);
}

Test(allocation, a_step_of_training_takes_no_memory) {
    require_watch();
    struct dataset *small = setup_images(), *large = large_images();
    check_training(SETUP_IMAGE_NET, small,
                   "{\"epochs\":3,\"batch\":32,\"clip\":1.0,\"label_smoothing\":0.1,"
                   "\"augment\":{\"crop\":2,\"flip\":true},\"schedule\":{\"kind\":\"cosine\"}}");
    check_training("{\"family\":\"continuous\",\"input\":[1,28,28],\"classes\":3,\"width\":4,"
                   "\"scheme\":\"euler\"}",
                   large,
                   "{\"epochs\":2,\"batch\":60,\"augment\":{\"crop\":4,\"flip\":true},"
                   "\"optimizer\":{\"kind\":\"adam\"}}");
    dataset_free(small);
    dataset_free(large);
}

Test(allocation, a_forward_pass_takes_no_memory) {
    require_watch();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct pass *pass = make_pass(net, &(struct pass_options){.batch = 9});
    void *x = normal_reals(net, 9 * input_len(net), 113);
    double state[9 * 16 * 144];
    pass_forward(pass, x, 9);
    count_begin();
    pass_forward(pass, x, 4);
    pass_forward(pass, x, 9);
    for (int b = 0; b < net_ode_count(net); b++) {
        cr_assert(9 * pass_state_len(pass, b) <= (ptrdiff_t)(sizeof state / sizeof *state));
        pass_state(pass, b, state);
    }
    cr_expect_eq(count_end(), 0);
    pass_free(pass);
    free(x);
    net_free(net);
}

static bool turn(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    (void)context;
    (void)t;
    for (ptrdiff_t i = 0; i < count; i++) {
        dy[2 * i] = y[2 * i + 1];
        dy[2 * i + 1] = -y[2 * i];
    }
    return true;
}

/* What solving until `t1` allocates. */
static long count_solving(struct solve_options options, double t1) {
    static const double y0[6] = {1, 0, 0.5, -2, 3, 1};
    const struct ode_field field = {"turn", 2, turn, NULL, NULL};
    struct error error;
    options.t1 = t1;
    options.save_at = &t1;
    options.saves = 1;
    options.steps *= (ptrdiff_t)t1;
    count_begin();
    struct solution *solution = solve(&field, 3, y0, &options, &error);
    const long seen = count_end();
    cr_assert_not_null(solution, "%s", error.text);
    solution_free(solution);
    return seen;
}

Test(allocation, a_step_of_a_solution_takes_no_memory) {
    static const double tolerance[2] = {1e-7, 1e-7};
    require_watch();
    struct solve_options options = solve_defaults();
    options.rtol = options.atol = tolerance;
    options.scheme = tableau_find("dopri54", NULL);
    cr_expect_eq(count_solving(options, 1), count_solving(options, 60));
    options.steps = 10;
    options.compensated = true;
    cr_expect_eq(count_solving(options, 1), count_solving(options, 60));
    options.scheme = NULL;
    options.adams = adams_at(5);
    cr_expect_eq(count_solving(options, 1), count_solving(options, 60));
}
