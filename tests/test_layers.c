/* Single operations of every table of kernels against PyTorch: tests/reference/layers.safetensors
 * (see layers.py there). Errors are relative to the largest entry of the reference tensor. */
#include <string.h>

#include "kernels/kernels.h"
#include "learn/optim.h"
#include "reference.h"

static const double limit[] = {4e-6, 1e-13}; /* by enum precision */

static void *zeros(const struct kernels *k, ptrdiff_t len) {
    void *reals = aligned_alloc(64, ((size_t)len * k->real_size + 63) / 64 * 64 + 64);
    cr_assert_not_null(reals);
    k->set(reals, 0.0, len);
    return reals;
}

static void *at(const struct kernels *k, const void *reals, ptrdiff_t index) {
    return (char *)(uintptr_t)reals + (size_t)index * k->real_size;
}

/* A stored tensor as reals in plain order, `spare` zeros behind it. */
static void *reals_of(const struct kernels *k, const struct safetensors *file, const char *prefix,
                      const char *name, ptrdiff_t spare) {
    char stored[128];
    snprintf(stored, sizeof stored, "%s/%s", prefix, name);
    const ptrdiff_t len = tensor_len(reference_tensor(file, stored));
    double *values = reference_doubles(file, stored);
    void *reals = zeros(k, len + spare);
    k->from_doubles(reals, values, len);
    free(values);
    return reals;
}

static void agree_within(const struct kernels *k, const struct safetensors *file,
                         const char *prefix, const char *name, const double *ours,
                         double allowed) {
    char stored[128];
    snprintf(stored, sizeof stored, "%s/%s", prefix, name);
    const ptrdiff_t len = tensor_len(reference_tensor(file, stored));
    double *theirs = reference_doubles(file, stored);
    const double error = largest_error(ours, 1, theirs, len) / largest(theirs, len);
    cr_expect(error <= allowed, "%s, %s: off by %.2e (limit %.0e)", k->name, stored, error,
              allowed);
    free(theirs);
}

static void agree(const struct kernels *k, const struct safetensors *file, const char *prefix,
                  const char *name, const void *reals) {
    char stored[128];
    snprintf(stored, sizeof stored, "%s/%s", prefix, name);
    const ptrdiff_t len = tensor_len(reference_tensor(file, stored));
    double *ours = malloc((size_t)len * sizeof *ours);
    cr_assert_not_null(ours);
    k->to_doubles(ours, reals, len);
    agree_within(k, file, prefix, name, ours, limit[k->precision]);
    free(ours);
}

static void on_every_table(void (*body)(const struct kernels *k, const struct safetensors *file)) {
    struct safetensors *file = reference_open("layers");
    for (int precision = PRECISION_F32; precision <= PRECISION_F64; precision++) {
        const struct kernels *k;
        for (int i = 0; (k = kernels_at(precision, i)) != NULL; i++) {
            body(k, file);
        }
    }
    safetensors_free(file);
}

/* ---- convolution ---- */

static const struct transform as_it_is = {.act = ACT_NONE};

static ptrdiff_t blocks_of(ptrdiff_t channels) {
    return (channels + BLOCK - 1) / BLOCK;
}

static ptrdiff_t field(const cJSON *entry, const char *key) {
    return cJSON_GetObjectItem(entry, key)->valueint;
}

enum { SAMPLES = 2 };
static void check_conv(const struct kernels *k, const struct safetensors *file, const char *prefix,
                       const cJSON *entry) {
    const ptrdiff_t in = field(entry, "in"), out = field(entry, "out");
    const int kernel = (int)field(entry, "kernel"), stride = (int)field(entry, "stride");
    const int pad = kernel / 2;
    const struct extent ex = {blocks_of(in), field(entry, "height"), field(entry, "width")};
    const struct extent ey = {blocks_of(out), (ex.height + stride - 1) / stride,
                              (ex.width + stride - 1) / stride};
    const ptrdiff_t x_pixels = ex.height * ex.width, y_pixels = ey.height * ey.width;
    const ptrdiff_t frame_height = ex.height + 2 * pad, frame_width = ex.width + 2 * pad;
    const struct convolution forward = {.in_channels = in, .out_channels = out,
        .height = ey.height, .width = ey.width, .frame_height = frame_height,
        .frame_width = frame_width, .kernel = kernel, .stride = stride};
    const struct convolution backward = {.in_channels = out, .out_channels = in,
        .height = ex.height, .width = ex.width, .frame_height = frame_height,
        .frame_width = frame_width, .kernel = kernel, .stride = 1};
    const ptrdiff_t packed_len = ex.blocks * ey.blocks * kernel * kernel * BLOCK * BLOCK;

    void *x = reals_of(k, file, prefix, "x", 0), *g = reals_of(k, file, prefix, "g", 0);
    void *weight = reals_of(k, file, prefix, "weight", 0);
    void *bias = reals_of(k, file, prefix, "bias", BLOCK);
    void *packed = zeros(k, packed_len), *mirrored = zeros(k, packed_len);
    void *packed_grad = zeros(k, packed_len), *dweight = zeros(k, out * in * kernel * kernel);
    void *dbias = zeros(k, ey.blocks * BLOCK);
    void *x_blocked = zeros(k, ex.blocks * x_pixels * BLOCK);
    void *x_frame = zeros(k, ex.blocks * frame_height * frame_width * BLOCK);
    void *g_blocked = zeros(k, ey.blocks * y_pixels * BLOCK);
    void *g_frame = zeros(k, ey.blocks * frame_height * frame_width * BLOCK);
    void *y_blocked = zeros(k, ey.blocks * y_pixels * BLOCK);
    void *y = zeros(k, SAMPLES * out * y_pixels), *dx = zeros(k, SAMPLES * in * x_pixels);
    k->pack(packed, weight, out, in, kernel, 0);
    k->pack(mirrored, weight, out, in, kernel, 1);
    for (ptrdiff_t n = 0; n < SAMPLES; n++) {
        k->from_plain(x_blocked, at(k, x, n * in * x_pixels), in, x_pixels);
        k->value(x_frame, pad, x_blocked, ex, &as_it_is);
        k->conv(y_blocked, 0, x_frame, packed, bias, &forward, 1);
        k->to_plain(at(k, y, n * out * y_pixels), y_blocked, out, y_pixels);

        k->from_plain(g_blocked, at(k, g, n * out * y_pixels), out, y_pixels);
        k->conv_weights(packed_grad, x_frame, g_blocked, 0, 0, &forward, 1, 1);
        k->conv_bias(dbias, g_blocked, 0, ey);
        k->slope(g_frame, pad, stride, ex.height, ex.width, g_blocked, y_blocked, ey, &as_it_is,
                 1.0);
        k->conv(x_blocked, 0, g_frame, mirrored, NULL, &backward, 1);
        k->to_plain(at(k, dx, n * in * x_pixels), x_blocked, in, x_pixels);
    }
    k->unpack_add(dweight, packed_grad, 1, packed_len, out, in, kernel);
    agree(k, file, prefix, "y", y);
    agree(k, file, prefix, "dx", dx);
    agree(k, file, prefix, "dweight", dweight);
    agree(k, file, prefix, "dbias", dbias);
    void *all[] = {x, g, weight, bias, packed, mirrored, packed_grad, dweight, dbias, x_blocked,
                   x_frame, g_blocked, g_frame, y_blocked, y, dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

static void check_convs(const struct kernels *k, const struct safetensors *file) {
    cJSON *convs = reference_json(file, "convs");
    for (int i = 0; i < cJSON_GetArraySize(convs); i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "conv%d", i);
        check_conv(k, file, prefix, cJSON_GetArrayItem(convs, i));
    }
    cJSON_Delete(convs);
}
Test(layers, convolutions_and_their_gradients_agree_with_pytorch) {
    on_every_table(check_convs);
}

/* ---- batch norm ---- */

/* A norm's constants per padded channel, in doubles; zero in the padding. */
struct constants {
    double scale[2 * BLOCK], shift[2 * BLOCK], mean[2 * BLOCK], rstd[2 * BLOCK], m1[2 * BLOCK],
        m2[2 * BLOCK];
};
struct norm_reals {
    struct transform transform;
    void *memory;
};
static void norm_begin(const struct kernels *k, struct norm_reals *norm,
                       const struct constants *constants) {
    norm->memory = zeros(k, 12 * BLOCK);
    k->from_doubles(norm->memory, (const double *)constants, 12 * BLOCK);
    norm->transform = (struct transform){.act = ACT_NONE, .act_first = 1,
        .scale = norm->memory, .shift = at(k, norm->memory, 2 * BLOCK),
        .mean = at(k, norm->memory, 4 * BLOCK), .rstd = at(k, norm->memory, 6 * BLOCK),
        .m1 = at(k, norm->memory, 8 * BLOCK), .m2 = at(k, norm->memory, 10 * BLOCK)};
}

enum { NORM_SAMPLES = 4, NORM_CHANNELS = 19, NORM_PIXELS = 15 };
static void check_norm(const struct kernels *k, const struct safetensors *file, bool training) {
    const struct extent e = {2, 3, 5};
    const ptrdiff_t sample = NORM_CHANNELS * NORM_PIXELS, blocked = 2 * NORM_PIXELS * BLOCK;
    const double count = NORM_SAMPLES * NORM_PIXELS;
    const char *prefix = training ? "norm/train" : "norm/eval";
    double *weight = reference_doubles(file, "norm/weight");
    double *bias = reference_doubles(file, "norm/bias");
    double *mean = reference_doubles(file, "norm/mean");
    double *variance = reference_doubles(file, "norm/variance");
    void *x = reals_of(k, file, "norm", "x", 0), *g = reals_of(k, file, "norm", "g", 0);
    void *xb = zeros(k, NORM_SAMPLES * blocked), *gb = zeros(k, NORM_SAMPLES * blocked);
    void *y = zeros(k, NORM_SAMPLES * sample), *dx = zeros(k, NORM_SAMPLES * sample);
    void *out = zeros(k, blocked);
    double moments[4 * BLOCK] = {0}, sums[4 * BLOCK] = {0};
    for (ptrdiff_t n = 0; n < NORM_SAMPLES; n++) {
        k->from_plain(at(k, xb, n * blocked), at(k, x, n * sample), NORM_CHANNELS, NORM_PIXELS);
        k->from_plain(at(k, gb, n * blocked), at(k, g, n * sample), NORM_CHANNELS, NORM_PIXELS);
        k->moments(moments, n * NORM_PIXELS, at(k, xb, n * blocked), e, ACT_NONE);
    }
    struct constants constants = {0};
    for (int c = 0; c < NORM_CHANNELS; c++) {
        const double own_mean = moments[c], squares = moments[2 * BLOCK + c];
        const double used = training ? squares / count : variance[c];
        constants.mean[c] = training ? own_mean : mean[c];
        constants.rstd[c] = 1.0 / sqrt(used + 1e-5);
        constants.scale[c] = weight[c] * constants.rstd[c];
        constants.shift[c] = bias[c] - constants.mean[c] * constants.scale[c];
        mean[c] = 0.9 * mean[c] + 0.1 * own_mean;
        variance[c] = 0.9 * variance[c] + 0.1 * squares / (count - 1.0);
    }
    struct norm_reals norm;
    norm_begin(k, &norm, &constants);
    for (ptrdiff_t n = 0; n < NORM_SAMPLES; n++) {
        k->value(out, 0, at(k, xb, n * blocked), e, &norm.transform);
        k->to_plain(at(k, y, n * sample), out, NORM_CHANNELS, NORM_PIXELS);
        k->grad_moments(sums, at(k, gb, n * blocked), at(k, xb, n * blocked), e, &norm.transform);
    }
    free(norm.memory);
    for (int c = 0; c < NORM_CHANNELS && training; c++) {
        constants.m1[c] = sums[c] / count;
        constants.m2[c] = sums[2 * BLOCK + c] / count;
    }
    norm_begin(k, &norm, &constants);
    for (ptrdiff_t n = 0; n < NORM_SAMPLES; n++) {
        k->slope(out, 0, 1, e.height, e.width, at(k, gb, n * blocked), at(k, xb, n * blocked), e,
                 &norm.transform, 1.0);
        k->to_plain(at(k, dx, n * sample), out, NORM_CHANNELS, NORM_PIXELS);
    }
    agree(k, file, prefix, "y", y);
    agree(k, file, prefix, "dx", dx);
    agree_within(k, file, prefix, "dbias", sums, limit[k->precision]);
    agree_within(k, file, prefix, "dweight", sums + 2 * BLOCK, limit[k->precision]);
    if (training) {
        agree_within(k, file, prefix, "mean", mean, limit[k->precision]);
        agree_within(k, file, prefix, "variance", variance, limit[k->precision]);
    }
    void *all[] = {weight, bias, mean, variance, x, g, xb, gb, y, dx, out, norm.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}
static void check_norms(const struct kernels *k, const struct safetensors *file) {
    check_norm(k, file, true);
    check_norm(k, file, false);
}
Test(layers, batch_norm_and_its_gradients_agree_with_pytorch) {
    on_every_table(check_norms);
}

/* ---- activations ---- */

static void check_activations(const struct kernels *k, const struct safetensors *file) {
    for (int act = ACT_RELU; activation_names[act]; act++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "act/%s", activation_names[act]);
        const ptrdiff_t len = tensor_len(reference_tensor(file, "act/x"));
        const struct extent e = {1, 1, (len + BLOCK - 1) / BLOCK};
        const struct transform t = {.act = act};
        void *x = reals_of(k, file, "act", "x", BLOCK), *g = reals_of(k, file, "act", "g", BLOCK);
        void *y = zeros(k, len + BLOCK);
        k->value(y, 0, x, e, &t);
        agree(k, file, prefix, "y", y);
        k->slope(y, 0, 1, e.height, e.width, g, x, e, &t, 1.0);
        agree(k, file, prefix, "dx", y);
        free(x);
        free(g);
        free(y);
    }
}
/* PyTorch's softplus is the identity above 20; the arguments stay below. */
Test(layers, activations_and_their_slopes_agree_with_pytorch) {
    on_every_table(check_activations);
}

/* ---- optimisers and losses ---- */

static void check_optimizers(const struct kernels *k, const struct safetensors *file) {
    cJSON *all = reference_json(file, "optimizers");
    const ptrdiff_t len = tensor_len(reference_tensor(file, "optim/w"));
    const ptrdiff_t steps = tensor_len(reference_tensor(file, "optim/g")) / len;
    for (int i = 0; i < cJSON_GetArraySize(all); i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "optim%d", i);
        struct error error;
        struct optim *optim = optim_create(cJSON_GetArrayItem(all, i), k, len, &error);
        cr_assert_not_null(optim, "%s", error.text);
        void *w = reals_of(k, file, "optim", "w", 0), *g = reals_of(k, file, "optim", "g", 0);
        double *trail = malloc((size_t)(steps * len) * sizeof *trail);
        cr_assert_not_null(trail);
        for (ptrdiff_t step = 0; step < steps; step++) {
            optim_step(optim, NULL, w, at(k, g, step * len), optim_rate(optim));
            k->to_doubles(trail + step * len, w, len);
        }
        agree_within(k, file, prefix, "w", trail, limit[k->precision]);
        free(trail);
        free(w);
        free(g);
        optim_free(optim);
    }
    cJSON_Delete(all);
}
Test(layers, optimizers_take_the_steps_pytorch_takes) {
    on_every_table(check_optimizers);
}

static void check_entropies(const struct kernels *k, const struct safetensors *file) {
    cJSON *all = reference_json(file, "entropies"), *stored = reference_json(file, "labels");
    const struct tensor *z_tensor = reference_tensor(file, "entropy/z");
    const ptrdiff_t rows = z_tensor->shape[0], classes = z_tensor->shape[1];
    int32_t labels[64];
    for (int i = 0; i < rows; i++) {
        labels[i] = cJSON_GetArrayItem(stored, i)->valueint;
    }
    for (int i = 0; i < cJSON_GetArraySize(all); i++) {
        const cJSON *entry = cJSON_GetArrayItem(all, i);
        char prefix[32];
        snprintf(prefix, sizeof prefix, "entropy%d", i);
        void *z = reals_of(k, file, "entropy", "z", 0), *dz = zeros(k, rows * classes);
        const double loss = k->cross_entropy(
            dz, z, labels, rows, classes, cJSON_GetObjectItem(entry, "smoothing")->valuedouble,
            NULL);
        const double expected = cJSON_GetObjectItem(entry, "loss")->valuedouble;
        cr_expect_float_eq(loss / (double)rows, expected, 1e-13 * expected, "%s, %s: loss",
                           k->name, prefix);
        agree(k, file, prefix, "dz", dz);
        free(z);
        free(dz);
    }
    cJSON_Delete(all);
    cJSON_Delete(stored);
}
Test(layers, cross_entropy_with_smoothing_agrees_with_pytorch) {
    on_every_table(check_entropies);
}
