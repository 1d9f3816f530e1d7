/* Whole nets against PyTorch: the files of tests/reference (see generate.py there), in f32 and
 * f64, with every variant of the kernels this CPU can run.
 *
 * An error is the largest difference over a tensor. It is relative to
 *   logits      the largest logit of the batch,
 *   gradients   the largest entry of the reference gradient of that tensor; for the bias of a
 *               convolution, whose gradient is often zero but for rounding (a norm behind it takes
 *               every constant away), that of its weight when larger,
 *   weights after a step, running statistics    the largest entry of the reference tensor.
 * Limits: logits 1e-5 (f32) and 1e-11 (f64), everything else 1e-4 and 1e-9, the loss like
 * logits. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "learn/optim.h"
#include "nets/net.h"
#include "reference.h"

static const double logits_limit[] = {1e-5, 1e-11}; /* by enum precision */
static const double tensor_limit[] = {1e-4, 1e-9};

struct reference { /* an open file */
    char stem[32];
    struct safetensors *file;
    cJSON *base, *labels, *trainable, *statistics, *cases, *manifestations;
    ptrdiff_t batch;
    int32_t *label;
};

struct run { /* one case of it, on one table of kernels */
    const struct reference *reference;
    const char *name;
    struct net *net;
    const struct kernels *kernels;
    void *x; /* the batch, reals */
};

struct worst { /* relative to its limit, over a file */
    double logits, gradients, step;
};

static void reference_begin(struct reference *r, const char *stem) {
    snprintf(r->stem, sizeof r->stem, "%s", stem);
    r->file = reference_open(stem);
    r->base = reference_json(r->file, "continuo");
    r->labels = reference_json(r->file, "labels");
    r->trainable = reference_json(r->file, "trainable");
    r->statistics = reference_json(r->file, "statistics");
    r->cases = reference_json(r->file, "cases");
    r->manifestations = reference_json(r->file, "manifestations");
    r->batch = cJSON_GetArraySize(r->labels);
    r->label = malloc((size_t)r->batch * sizeof *r->label);
    cr_assert_not_null(r->label);
    for (int i = 0; i < r->batch; i++) {
        r->label[i] = cJSON_GetArrayItem(r->labels, i)->valueint;
    }
}

static void reference_end(struct reference *r) {
    free(r->label);
    cJSON_Delete(r->manifestations);
    cJSON_Delete(r->cases);
    cJSON_Delete(r->statistics);
    cJSON_Delete(r->trainable);
    cJSON_Delete(r->labels);
    cJSON_Delete(r->base);
    safetensors_free(r->file);
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    cr_assert(cJSON_IsNumber(item), "no number \"%s\"", key);
    return item->valuedouble;
}

/* Sets reals to the entries of a tensor. */
static void read_tensor(const struct reference *r, const char *name, const struct kernels *kernels,
                        void *reals) {
    double *values = reference_doubles(r->file, name);
    kernels->from_doubles(reals, values, tensor_len(reference_tensor(r->file, name)));
    free(values);
}

static void *batch_of(const struct reference *r, const struct kernels *kernels) {
    const struct tensor *x = reference_tensor(r->file, "x");
    void *reals = aligned_alloc(64, (size_t)(tensor_len(x) * 8 + 63) / 64 * 64);
    cr_assert_not_null(reals);
    read_tensor(r, "x", kernels, reals);
    return reals;
}

static void set_initial(const struct reference *r, struct net *net, const cJSON *names) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, names) {
        char stored[160];
        snprintf(stored, sizeof stored, "initial/%s", entry->valuestring);
        const struct tensor *tensor = reference_tensor(r->file, stored);
        const struct parameter *parameter = net_parameter(net, entry->valuestring);
        cr_assert_not_null(parameter, "%s: the net has no %s", r->stem, entry->valuestring);
        cr_assert_eq(parameter->rank, tensor->rank, "rank of %s", parameter->name);
        for (int i = 0; i < tensor->rank; i++) {
            cr_assert_eq(parameter->shape[i], tensor->shape[i], "shape of %s", parameter->name);
        }
        read_tensor(r, stored, net->kernels, net_value(net, parameter));
    }
}

/* The net of the file's configuration with the keys of `set` (may be NULL) replaced. */
static struct net *net_of(const struct reference *r, const cJSON *set, enum precision precision) {
    cJSON *config = cJSON_Duplicate(r->base, 1);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, set) {
        cJSON_ReplaceItemInObjectCaseSensitive(config, entry->string, cJSON_Duplicate(entry, 1));
    }
    cJSON_ReplaceItemInObjectCaseSensitive(config, "precision",
                                           cJSON_CreateString(precision_names[precision]));
    struct error error;
    struct net *net = net_create(config, &error);
    cr_assert_not_null(net, "%s: %s", r->stem, error.text);
    cJSON_Delete(config);
    cr_assert_eq(net->parameter_count,
                 cJSON_GetArraySize(r->trainable) + cJSON_GetArraySize(r->statistics));
    set_initial(r, net, r->trainable);
    set_initial(r, net, r->statistics);
    net_touch(net);
    return net;
}

static struct pass *pass_of(struct net *net, ptrdiff_t batch, bool training, bool gradients,
                            struct manifestation how) {
    const struct pass_options options = {
        .batch = batch, .training = training, .gradients = gradients, .how = how};
    struct error error;
    struct pass *pass = pass_create(net, &options, &error);
    cr_assert_not_null(pass, "%s", error.text);
    return pass;
}

static double *doubles_of(const struct kernels *kernels, const void *reals, ptrdiff_t len) {
    double *values = malloc((size_t)len * sizeof *values);
    cr_assert_not_null(values);
    kernels->to_doubles(values, reals, len);
    return values;
}

/* Compares and returns the relative error divided by its limit. */
static double check(const struct run *run, const char *what, double error, double scale,
                    double limit) {
    const double relative = error == 0.0 ? 0.0 : error / scale;
    cr_expect(relative <= limit, "%s %s, %s: %s is off by %.2e (limit %.0e)", run->reference->stem,
              run->name, run->kernels->name, what, relative, limit);
    return relative / limit;
}

static double check_logits(const struct run *run, const char *mode, const void *outputs,
                           double loss) {
    const struct reference *r = run->reference;
    const ptrdiff_t len = r->batch * run->net->outputs;
    const double limit = logits_limit[run->kernels->precision];
    char name[160];
    snprintf(name, sizeof name, "%s/%s/logits", run->name, mode);
    double *theirs = reference_doubles(r->file, name);
    double *ours = doubles_of(run->kernels, outputs, len);
    const double worst =
        check(run, name, largest_error(ours, 1, theirs, len), largest(theirs, len), limit);
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, r->cases) {
        if (strcmp(cJSON_GetObjectItem(entry, "name")->valuestring, run->name) == 0) {
            break;
        }
    }
    snprintf(name, sizeof name, "%s_loss", mode);
    const double expected = number_of(entry, name);
    check(run, name, fabs(loss - expected), fmax(fabs(expected), largest(theirs, len)), limit);
    free(ours);
    free(theirs);
    return worst;
}

/* Compares net->grads or net->values with a stored concatenation of (samples of) tensors. */
static double check_tensors(const struct run *run, const char *what, const cJSON *names,
                            const cJSON *sample, bool gradients) {
    const struct reference *r = run->reference;
    const ptrdiff_t limit_len = sample ? cJSON_GetArrayItem(sample, 0)->valueint : PTRDIFF_MAX;
    const ptrdiff_t sample_stride = sample ? cJSON_GetArrayItem(sample, 1)->valueint : 1;
    char stored[160];
    snprintf(stored, sizeof stored, "%s/%s", run->name, what);
    double *const theirs = reference_doubles(r->file, stored);
    const double *next = theirs;
    double worst = 0.0, weight_scale = 0.0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, names) {
        const struct parameter *parameter = net_parameter(run->net, entry->valuestring);
        const ptrdiff_t stride = parameter->len > limit_len ? sample_stride : 1;
        const ptrdiff_t len = (parameter->len + stride - 1) / stride;
        double *ours = doubles_of(run->kernels,
                                  gradients ? net_grad(run->net, parameter)
                                            : net_value(run->net, parameter),
                                  parameter->len);
        double scale = largest(next, len);
        if (strstr(parameter->name, ".weight")) {
            weight_scale = scale; /* a bias follows its weight */
        } else if (gradients && strstr(parameter->name, ".conv")) {
            scale = fmax(scale, weight_scale);
        }
        char name[256];
        snprintf(name, sizeof name, "%s of %s", what, parameter->name);
        worst = fmax(worst, check(run, name, largest_error(ours, stride, next, len), scale,
                                  tensor_limit[run->kernels->precision]));
        free(ours);
        next += len;
    }
    cr_assert_eq(next - theirs, tensor_len(reference_tensor(r->file, stored)), "%s", stored);
    free(theirs);
    return worst;
}

/* Forward, loss and backward in one mode; then everything they give. */
static void check_mode(const struct run *run, const cJSON *entry, bool training,
                       struct worst *worst) {
    const struct reference *r = run->reference;
    struct net *net = run->net;
    const char *mode = training ? "train" : "eval";
    const struct manifestation as_trained = {NULL, 0, -1};
    /* a pass may be larger than the batch it is given */
    struct pass *pass = pass_of(net, r->batch + !training, training, true, as_trained);
    net->kernels->set(net->grads, 0.0, net->trainable_len);
    const void *outputs = pass_forward(pass, run->x, r->batch);
    void *doutputs = aligned_alloc(64, (size_t)(r->batch * net->outputs * 8 + 63) / 64 * 64);
    ptrdiff_t correct;
    const double loss = net->kernels->cross_entropy(doutputs, outputs, r->label, r->batch,
                                                    net->outputs, 0.0, &correct);
    worst->logits = fmax(worst->logits, check_logits(run, mode, outputs, loss / (double)r->batch));
    pass_backward(pass, doutputs);
    char key[32], what[32];
    snprintf(key, sizeof key, "%s_sample", mode);
    snprintf(what, sizeof what, "%s/grad", mode);
    worst->gradients = fmax(
        worst->gradients,
        check_tensors(run, what, r->trainable, cJSON_GetObjectItem(entry, key), true));
    free(doutputs);
    pass_free(pass);
}

static void check_step(const struct run *run, const cJSON *entry, struct worst *worst) {
    const struct reference *r = run->reference;
    struct net *net = run->net;
    worst->step = fmax(worst->step,
                       check_tensors(run, "after/statistics", r->statistics, NULL, false));
    cJSON *config = cJSON_Parse(
        "{\"kind\": \"sgd\", \"lr\": 0.1, \"momentum\": 0.9, \"weight_decay\": 5e-4}");
    struct error error;
    struct optim *optim = optim_create(config, net->kernels, net->trainable_len, &error);
    cr_assert_not_null(optim, "%s", error.text);
    optim_step(optim, NULL, net->values, net->grads, optim_rate(optim));
    net_touch(net);
    worst->step = fmax(worst->step,
                       check_tensors(run, "after/weights", r->trainable,
                                     cJSON_GetObjectItem(entry, "after_sample"), false));
    optim_free(optim);
    cJSON_Delete(config);
}

static void check_cases(const struct reference *r, const struct kernels *kernels) {
    struct worst worst = {0};
    void *x = batch_of(r, kernels);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, r->cases) {
        struct net *net = net_of(r, cJSON_GetObjectItem(entry, "set"), kernels->precision);
        cr_assert_eq(net->kernels, kernels, "CONTINUO_KERNELS is not heard");
        const struct run run = {r, cJSON_GetObjectItem(entry, "name")->valuestring, net, kernels,
                                x};
        check_mode(&run, entry, false, &worst);
        check_mode(&run, entry, true, &worst);
        check_step(&run, entry, &worst);
        net_free(net);
    }
    free(x);
    cr_log_info("%s, %s: worst logits %.3f, gradients %.3f, step %.3f of what is allowed", r->stem,
                kernels->name, worst.logits, worst.gradients, worst.step);
}

/* The same weights, evaluated with other schemes and numbers of steps. */
static void check_manifestations(const struct reference *r, const struct kernels *kernels) {
    struct net *net = net_of(r, NULL, kernels->precision);
    void *x = batch_of(r, kernels);
    double *theirs = reference_doubles(r->file, "manifestations/logits");
    const ptrdiff_t len = r->batch * net->outputs;
    ptrdiff_t row = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, r->manifestations) {
        const char *edge = cJSON_GetObjectItem(entry, "edge")->valuestring;
        struct error error;
        const struct manifestation how = {
            tableau_find(cJSON_GetObjectItem(entry, "scheme")->valuestring, &error),
            (int)number_of(entry, "steps"), strcmp(edge, "open") ? EDGE_CLOSED : EDGE_OPEN};
        cr_assert_not_null(how.scheme, "%s", error.text);
        struct pass *pass = pass_of(net, r->batch, false, false, how);
        double *ours = doubles_of(kernels, pass_forward(pass, x, r->batch), len);
        char name[128];
        snprintf(name, sizeof name, "%s, %d steps, %s", how.scheme->name, how.steps, edge);
        const struct run run = {r, "manifestation", net, kernels, x};
        check(&run, name, largest_error(ours, 1, theirs + row * len, len),
              largest(theirs + row * len, len), logits_limit[kernels->precision]);
        free(ours);
        pass_free(pass);
        row++;
    }
    free(theirs);
    free(x);
    net_free(net);
}

static void on_every_table(const char *stem,
                           void (*body)(const struct reference *r, const struct kernels *kernels)) {
    struct reference r;
    reference_begin(&r, stem);
    for (int precision = PRECISION_F32; precision <= PRECISION_F64; precision++) {
        const struct kernels *kernels;
        for (int i = 0; (kernels = kernels_at(precision, i)) != NULL; i++) {
            const char *variant = strchr(kernels->name, '_'); /* f32_avx2 */
            setenv("CONTINUO_KERNELS", variant ? variant + 1 : kernels->name, 1);
            body(&r, kernels);
        }
    }
    reference_end(&r);
}

static char stems[][32] = {
    "post_k1",   "post_k2",      "post_k4",   "pre_k1",      "pre_k2",     "pre_k4",   "post_tanh",
    "post_gelu", "post_softplus", "post_skip", "pre_tanh",    "pre_gelu",   "pre_softplus",
    "pre_skip",  "post_width5",  "pre_width5", "pre_wide",   "pre_width8", "post_width16"};

ParameterizedTestParameters(reference, every_case_agrees_with_pytorch) {
    return cr_make_param_array(char[32], stems, sizeof stems / sizeof *stems);
}
ParameterizedTest(char stem[32], reference, every_case_agrees_with_pytorch) {
    on_every_table(stem, check_cases);
}

ParameterizedTestParameters(reference, every_manifestation_agrees_with_pytorch) {
    return cr_make_param_array(char[32], stems, sizeof stems / sizeof *stems);
}
ParameterizedTest(char stem[32], reference, every_manifestation_agrees_with_pytorch) {
    on_every_table(stem, check_manifestations);
}

/* ---- what needs no file ---- */

static ptrdiff_t trainable_of(const char *json) {
    cJSON *config = cJSON_Parse(json);
    struct error error;
    struct net *net = net_create(config, &error);
    cr_assert_not_null(net, "%s", error.text);
    const ptrdiff_t len = net->trainable_len;
    net_free(net);
    cJSON_Delete(config);
    return len;
}

Test(reference, parameters_are_as_many_as_published) {
    for (int nodes = 1; nodes <= 8; nodes *= 2) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"family\": \"continuous\", \"input\": [3, 32, 32], \"classes\": 10, "
                 "\"width\": 16, \"nodes\": %d}",
                 nodes);
        cr_expect_eq(trainable_of(json), 78330 + 97440 * nodes, "K = %d", nodes);
    }
    cr_expect_eq(trainable_of("{\"family\": \"continuous\", \"input\": [3, 32, 32], "
                              "\"classes\": 100, \"width\": 16, \"widen\": 4, "
                              "\"unit\": \"pre\", \"nodes\": 8}"),
                 13630676);
}

/* One training step of the file's first case on so many threads: values behind, then gradients. */
static void *step_on(const struct reference *r, int threads, size_t *size) {
    struct net *net = net_of(r, NULL, PRECISION_F32);
    void *x = batch_of(r, net->kernels);
    struct error error;
    struct pool *pool = threads ? pool_create(threads, &error) : NULL;
    const struct pass_options options = {.batch = r->batch, .training = true, .gradients = true,
                                         .how = {NULL, 0, -1}, .pool = pool};
    struct pass *pass = pass_create(net, &options, &error);
    cr_assert_not_null(pass, "%s", error.text);
    float *dz = aligned_alloc(64, (size_t)(r->batch * net->outputs * 4 + 63) / 64 * 64);
    cr_assert_not_null(dz);
    net->kernels->set(net->grads, 0.0, net->trainable_len);
    net->kernels->cross_entropy(dz, pass_forward(pass, x, r->batch), r->label, r->batch,
                                net->outputs, 0.0, NULL);
    pass_backward(pass, dz);
    *size = (size_t)(net->value_len + net->trainable_len) * sizeof(float);
    float *all = malloc(*size);
    cr_assert_not_null(all);
    memcpy(all, net->values, (size_t)net->value_len * sizeof(float));
    memcpy(all + net->value_len, net->grads, (size_t)net->trainable_len * sizeof(float));
    free(dz);
    free(x);
    pass_free(pass);
    pool_free(pool);
    net_free(net);
    return all;
}

Test(reference, threads_do_not_change_a_bit) {
    static const char *const chosen[] = {"post_k2", "pre_width8"};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        struct reference r;
        reference_begin(&r, chosen[i]);
        size_t size;
        void *serial = step_on(&r, 0, &size);
        for (int threads = 2; threads <= 5; threads++) {
            void *parallel = step_on(&r, threads, &size);
            cr_expect_eq(memcmp(serial, parallel, size), 0, "%s, %d threads", chosen[i], threads);
            free(parallel);
        }
        free(serial);
        reference_end(&r);
    }
}
