#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "run/model_file.h"
#include "run/safetensors.h"
#include "scratch.h"

TestSuite(model_file, .fini = scratch_remove);

enum { CLASSES = 7, SAMPLES = 3, INPUT = 2 * 12 * 12 };

/* A small net with everything that is stored: cells in depth, running statistics, a skip. */
static struct net *small_net(const char *precision, int seed) {
    char json[256];
    (void)snprintf(json, sizeof json,
                   "{\"family\":\"continuous\",\"input\":[2,12,12],\"classes\":%d,\"width\":5,"
                   "\"nodes\":2,\"skip\":true,\"scheme\":\"rk4\",\"seed\":%d,\"precision\":\"%s\"}",
                   CLASSES, seed, precision);
    cJSON *config = cJSON_Parse(json);
    struct error error = {ERROR_NONE, ""};
    struct net *net = net_create(config, &error);
    cr_assert(net, "%s", error.text);
    cJSON_Delete(config);
    for (int i = 0; i < net->parameter_count; i++) { /* statistics and skips that are not 0 or 1 */
        const struct parameter *parameter = &net->parameters[i];
        for (ptrdiff_t k = 0; k < parameter->len; k++) {
            double value = 0.5 + 0.4 * rng_uniform((uint64_t)seed, (uint64_t)i, (uint64_t)k);
            char *place = (char *)net_value(net, parameter) + (size_t)k * net->kernels->real_size;
            if (!parameter->trainable || strstr(parameter->name, "skip")) {
                net->kernels->from_doubles(place, &value, 1);
            }
        }
    }
    net_touch(net);
    return net;
}

/* Runs SAMPLES fixed samples in evaluation mode; writes their outputs as doubles. */
static void run(struct net *net, double outputs[SAMPLES * CLASSES]) {
    const struct pass_options options = {.batch = SAMPLES, .how = {NULL, 0, -1}};
    struct error error = {ERROR_NONE, ""};
    struct pass *pass = pass_create(net, &options, &error);
    cr_assert(pass, "%s", error.text);
    static double x[SAMPLES * INPUT];
    for (int i = 0; i < SAMPLES * INPUT; i++) {
        x[i] = rng_normal(5, 6, (uint64_t)i);
    }
    static _Alignas(64) char reals[sizeof x];
    net->kernels->from_doubles(reals, x, SAMPLES * INPUT);
    net->kernels->to_doubles(outputs, pass_forward(pass, reals, SAMPLES), SAMPLES * CLASSES);
    pass_free(pass);
}

Test(model_file, a_loaded_net_predicts_the_same_bits) {
    for (int i = 0; i < 2; i++) {
        struct net *net = small_net(i ? "f64" : "f32", 31 + i);
        struct error error = {ERROR_NONE, ""};
        cr_assert(model_save(net, scratch_path("m.safetensors"), &error), "%s", error.text);
        struct net *loaded = model_load(scratch_path("m.safetensors"), &error);
        cr_assert(loaded, "%s", error.text);
        cr_expect_eq(loaded->kernels->precision, i ? PRECISION_F64 : PRECISION_F32);
        cr_expect(cJSON_Compare(net->config, loaded->config, true));
        cr_expect_eq(loaded->value_len, net->value_len);
        cr_expect_eq(
            memcmp(net->values, loaded->values, (size_t)net->value_len * net->kernels->real_size),
            0);
        double wanted[SAMPLES * CLASSES], found[SAMPLES * CLASSES];
        run(net, wanted);
        run(loaded, found);
        cr_expect_arr_eq(found, wanted, sizeof wanted);
        cr_expect(isfinite(wanted[0]) && fabs(wanted[0] - wanted[CLASSES]) > 0);
        net_free(net);
        net_free(loaded);
        cr_expect_eq(scratch_count(), 1);
    }
}

Test(model_file, the_file_holds_every_parameter_under_its_name_and_the_configuration) {
    struct net *net = small_net("f32", 8);
    cr_assert(model_save(net, scratch_path("m"), NULL));
    struct safetensors *file = safetensors_read(scratch_path("m"), NULL);
    cr_assert(file);
    cr_expect_eq(file->count, net->parameter_count);
    const struct tensor *tensor = safetensors_find(file, "block1.conv1.weight");
    cr_assert(tensor);
    const ptrdiff_t shape[] = {2, 5, 5, 3, 3};
    cr_expect_eq(tensor->rank, 5);
    cr_expect_arr_eq(tensor->shape, shape, sizeof shape);
    cr_expect(safetensors_find(file, "stem.bn.running_var"));
    cr_expect(safetensors_find(file, "block3.skip"));
    cr_expect(safetensors_find(file, "head.bias"));
    cJSON *config = cJSON_Parse(safetensors_metadata(file, "continuo"));
    cr_expect(cJSON_Compare(config, net->config, true));
    cJSON_Delete(config);
    safetensors_free(file);
    net_free(net);
}

/* ---- files that are not what their configuration asks for ---- */

/* Loads the file, which is expected to be refused. */
static void expect_refusal(const char *path, enum error_code code, const char *words) {
    struct error error = {ERROR_NONE, ""};
    struct net *net = model_load(path, &error);
    cr_assert_null(net, "accepted, but \"%s\" was expected", words);
    cr_expect_eq(error.code, code, "code %d: %s", error.code, error.text);
    cr_expect(strstr(error.text, words), "\"%s\" lacks \"%s\"", error.text, words);
    cr_expect(strstr(error.text, path), "\"%s\" does not name the file", error.text);
}

struct sample { /* the tensors of a model file, to be changed and written again */
    struct safetensors *file;
    struct tensor tensors[200];
    int count;
};

static struct sample sample_of(const char *precision) {
    struct sample sample;
    struct net *net = small_net(precision, 77);
    cr_assert(model_save(net, scratch_path("m"), NULL));
    net_free(net);
    sample.file = safetensors_read(scratch_path("m"), NULL);
    cr_assert(sample.file);
    sample.count = sample.file->count;
    cr_assert(sample.count < 199);
    memcpy(sample.tensors, sample.file->tensors, (size_t)sample.count * sizeof *sample.tensors);
    return sample;
}

static const char *write_sample(const struct sample *sample) {
    struct error error = {ERROR_NONE, ""};
    cr_assert(safetensors_write(scratch_path("n"), sample->tensors, sample->count,
                                sample->file->metadata, &error),
              "%s", error.text);
    return scratch_path("n");
}

static struct tensor *named(struct sample *sample, const char *name) {
    for (int i = 0; i < sample->count; i++) {
        if (strcmp(sample->tensors[i].name, name) == 0) {
            return &sample->tensors[i];
        }
    }
    cr_assert_fail("%s", name);
    return NULL;
}

Test(model_file, missing_extra_and_misshapen_tensors_are_refused) {
    struct sample sample = sample_of("f32");
    struct tensor *tensor = named(&sample, "stitch2.down.weight");
    const struct tensor kept = *tensor;
    *tensor = sample.tensors[--sample.count];
    expect_refusal(write_sample(&sample), ERROR_FORMAT, "lacks tensor \"stitch2.down.weight\"");
    sample.tensors[sample.count++] = *tensor;
    *tensor = kept;
    (void)strcpy(tensor->name, "stitch2.down.weights");
    expect_refusal(write_sample(&sample), ERROR_FORMAT, "lacks tensor \"stitch2.down.weight\"");
    *tensor = kept;

    static const float more[3] = {1, 2, 3};
    sample.tensors[sample.count++] = (struct tensor){
        .name = "block4.skip", .type = TENSOR_F32, .rank = 1, .shape = {3}, .data = more};
    expect_refusal(write_sample(&sample), ERROR_FORMAT,
                   "has a tensor \"block4.skip\", which its net does not have");
    sample.count--;

    tensor = named(&sample, "head.weight"); /* the right number of elements, the wrong shape */
    ptrdiff_t rows = tensor->shape[0];
    tensor->shape[0] = tensor->shape[1];
    tensor->shape[1] = rows;
    expect_refusal(write_sample(&sample), ERROR_FORMAT,
                   "tensor \"head.weight\" has shape [20, 7], but its net wants [7, 20]");
    tensor->shape[0] = 140;
    tensor->rank = 1;
    expect_refusal(write_sample(&sample), ERROR_FORMAT, "has shape [140], but its net wants");
    safetensors_free(sample.file);
}

Test(model_file, tensors_of_another_precision_are_refused) {
    struct sample sample = sample_of("f64");
    struct tensor *tensor = named(&sample, "head.bias");
    tensor->type = TENSOR_F32;
    expect_refusal(write_sample(&sample), ERROR_FORMAT,
                   "\"head.bias\" is stored as F32, but its net is of precision f64");
    tensor->type = TENSOR_I64;
    expect_refusal(write_sample(&sample), ERROR_FORMAT, "stored as I64");
    safetensors_free(sample.file);
}

Test(model_file, foreign_files_and_bad_configurations_are_refused) {
    expect_refusal(scratch_path("none"), ERROR_FILE, "No such file");
    expect_refusal(scratch_write("a", "hello, this is text", 19), ERROR_FORMAT,
                   "not a safetensors file");
    struct sample sample = sample_of("f32");
    cJSON *metadata = sample.file->metadata;
    const struct {
        const char *config, *words;
    } cases[] = {
        {"{\"family\":\"continuous\"", "not a JSON object"},
        {"[1]", "not a JSON object"},
        {"{\"family\":\"discontinuous\"}", "discontinuous"},
        {"{\"family\":\"continuous\",\"input\":[2,12,12],\"scheme\":\"rk5\"}", "rk5"},
        {"{\"family\":\"continuous\",\"input\":[2,12,12],\"widht\":5}", "widht"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON_ReplaceItemInObject(metadata, "continuo", cJSON_CreateString(cases[i].config));
        expect_refusal(write_sample(&sample), ERROR_FORMAT, cases[i].words);
    }
    cJSON_DeleteItemFromObject(metadata, "continuo");
    expect_refusal(write_sample(&sample), ERROR_FORMAT, "is not a model of continuo");
    safetensors_free(sample.file);
}

Test(model_file, a_truncated_model_is_refused_and_a_net_keeps_its_values) {
    struct net *net = small_net("f32", 3), *other = small_net("f32", 4);
    struct error error = {ERROR_NONE, ""};
    cr_assert(model_save(other, scratch_path("m"), NULL));
    static char kept[1 << 20];
    size_t size = (size_t)net->value_len * net->kernels->real_size;
    cr_assert(size <= sizeof kept);
    memcpy(kept, net->values, size);

    struct stat status;
    cr_assert_eq(stat(scratch_path("m"), &status), 0);
    cr_assert_eq(truncate(scratch_path("m"), status.st_size - 1), 0);
    expect_refusal(scratch_path("m"), ERROR_FORMAT, "truncated");
    cr_expect_not(model_read_values(net, scratch_path("m"), &error));
    cr_expect_eq(memcmp(net->values, kept, size), 0);

    cr_assert(model_save(other, scratch_path("m"), NULL));
    uint64_t version = net->version;
    cr_assert(model_read_values(net, scratch_path("m"), &error), "%s", error.text);
    cr_expect_eq(memcmp(net->values, other->values, size), 0);
    cr_expect_neq(net->version, version, "passes are told that values changed");
    cr_expect_not(model_save(net, scratch_path("no/m"), &error));
    cr_expect_eq(error.code, ERROR_FILE);
    net_free(net);
    net_free(other);
}
