#include "run/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/safetensors.h"

static const char config_key[] = "continuo";

_Static_assert((int)NET_RANK_MAX <= (int)TENSOR_RANK_MAX, "every parameter can be stored");
_Static_assert(sizeof((struct parameter *)0)->name <= TENSOR_NAME_SIZE, "under its name");

static enum tensor_type stored_type(const struct net *net) {
    return net->kernels->precision == PRECISION_F32 ? TENSOR_F32 : TENSOR_F64;
}

bool model_save(const struct net *net, const char *path, struct error *error) {
    struct tensor *tensors = calloc((size_t)net->parameter_count + 1, sizeof *tensors);
    cJSON *metadata = cJSON_CreateObject();
    char *config = cJSON_PrintUnformatted(net->config);
    bool good = tensors && metadata && config &&
                cJSON_AddStringToObject(metadata, config_key, config) != NULL;
    if (good) {
        for (int i = 0; i < net->parameter_count; i++) {
            const struct parameter *parameter = &net->parameters[i];
            (void)strcpy(tensors[i].name, parameter->name);
            tensors[i].type = stored_type(net);
            tensors[i].rank = parameter->rank;
            memcpy(tensors[i].shape, parameter->shape, sizeof parameter->shape);
            tensors[i].data = net_value(net, parameter);
        }
        good = safetensors_write(path, tensors, net->parameter_count, metadata, error);
    } else {
        (void)error_set(error, ERROR_MEMORY, "no memory to save a net to %s", path);
    }
    cJSON_free(config);
    cJSON_Delete(metadata);
    free(tensors);
    return good;
}

/* Checks that the tensor of a parameter is there with its shape and type. */
static bool check_tensor(const char *path, const struct net *net, const struct parameter *parameter,
                         const struct tensor *tensor, struct error *error) {
    if (!tensor) {
        return error_set(error, ERROR_FORMAT,
                         "%s lacks tensor \"%s\", which its net has; save the net again", path,
                         parameter->name);
    }
    if (tensor->rank != parameter->rank ||
        memcmp(tensor->shape, parameter->shape,
               (size_t)parameter->rank * sizeof *parameter->shape) != 0) {
        char found[128], wanted[128];
        return error_set(
            error, ERROR_FORMAT, "%s: tensor \"%s\" has shape %s, but its net wants %s", path,
            parameter->name, tensor_shape_text(tensor->rank, tensor->shape, found, sizeof found),
            tensor_shape_text(parameter->rank, parameter->shape, wanted, sizeof wanted));
    }
    if (tensor->type != stored_type(net)) {
        return error_set(error, ERROR_FORMAT,
                         "%s: tensor \"%s\" is stored as %s, but its net is of precision %s", path,
                         parameter->name, tensor_type_names[tensor->type],
                         precision_names[net->kernels->precision]);
    }
    return true;
}

static bool copy_values(struct net *net, const char *path, const struct safetensors *file,
                        struct error *error) {
    for (int i = 0; i < net->parameter_count; i++) {
        const struct parameter *parameter = &net->parameters[i];
        const struct tensor *tensor = safetensors_find(file, parameter->name);
        if (!check_tensor(path, net, parameter, tensor, error)) {
            return false;
        }
    }
    for (int i = 0; i < file->count; i++) {
        if (!net_parameter(net, file->tensors[i].name)) {
            return error_set(error, ERROR_FORMAT,
                             "%s has a tensor \"%s\", which its net does not have", path,
                             file->tensors[i].name);
        }
    }
    for (int i = 0; i < net->parameter_count; i++) {
        const struct parameter *parameter = &net->parameters[i];
        if (parameter->len > 0) {
            memcpy(net_value(net, parameter), safetensors_find(file, parameter->name)->data,
                   (size_t)parameter->len * net->kernels->real_size);
        }
    }
    net_touch(net);
    return true;
}

bool model_read_values(struct net *net, const char *path, struct error *error) {
    struct safetensors *file = safetensors_read(path, error);
    bool good = file && copy_values(net, path, file, error);
    safetensors_free(file);
    return good;
}

/* Builds the net of the configuration in the file. */
static struct net *build(const char *path, const struct safetensors *file, struct error *error) {
    const char *text = safetensors_metadata(file, config_key);
    if (!text) {
        (void)error_set(error, ERROR_FORMAT,
                        "%s is not a model of continuo: its __metadata__ has no \"continuo\", the "
                        "configuration of the net",
                        path);
        return NULL;
    }
    cJSON *config = cJSON_Parse(text);
    struct error why = {ERROR_NONE, ""};
    struct net *net = NULL;
    if (!cJSON_IsObject(config)) {
        (void)error_set(error, ERROR_FORMAT,
                        "%s is damaged: the configuration in its __metadata__ is not a JSON object",
                        path);
    } else {
        net = net_create(config, &why);
        if (!net) {
            (void)error_set(error, why.code == ERROR_MEMORY ? ERROR_MEMORY : ERROR_FORMAT,
                            "%s holds a configuration no net can be built from: %s", path,
                            why.text);
        }
    }
    cJSON_Delete(config);
    return net;
}

struct net *model_load(const char *path, struct error *error) {
    struct safetensors *file = safetensors_read(path, error);
    if (!file) {
        return NULL;
    }
    struct net *net = build(path, file, error);
    if (net && !copy_values(net, path, file, error)) {
        net_free(net);
        net = NULL;
    }
    safetensors_free(file);
    return net;
}
