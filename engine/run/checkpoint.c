#include "run/checkpoint.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "run/model_file.h"
#include "run/safetensors.h"

enum { PATH_SIZE = 1024 };

static const char net_end[] = ".safetensors", state_end[] = ".state.safetensors";

static enum tensor_type type_of(const struct kernels *kernels) {
    return kernels->precision == PRECISION_F64 ? TENSOR_F64 : TENSOR_F32;
}

static bool save_state(struct train *train, const struct net *net, const char *path,
                       struct error *error) {
    struct optim *optim = train_optim(train);
    const struct optim_kind *kind = optim_kind(optim);
    int64_t position = train_position(train), updates = optim_updates(optim);
    int64_t steered = net_trained(net).steps;
    struct tensor tensors[6] = {
        {.name = "step", .type = TENSOR_I64, .rank = 0, .data = &position},
        {.name = "updates", .type = TENSOR_I64, .rank = 0, .data = &updates},
    };
    int count = 2;
    if (train_is_steered(train)) {
        tensors[count++] = (struct tensor){
            .name = "control.steps", .type = TENSOR_I64, .rank = 0, .data = &steered};
    }
    for (int slot = 0; slot < kind->slot_count; slot++, count++) {
        tensors[count] = (struct tensor){.type = type_of(net->kernels),
                                         .rank = 1,
                                         .shape = {optim_slot_len(optim)},
                                         .data = optim_slot(optim, slot)};
        (void)snprintf(tensors[count].name, sizeof tensors[count].name, "%s",
                       kind->slot_names[slot]);
    }
    cJSON *metadata = cJSON_CreateObject();
    cJSON_AddStringToObject(metadata, "optimizer", kind->name);
    bool good = safetensors_write(path, tensors, count, metadata, error);
    cJSON_Delete(metadata);
    return good;
}

bool checkpoint_save(const struct net *net, struct train *train, const char *folder, char *name,
                     size_t size, struct error *error) {
    char path[PATH_SIZE];
    ptrdiff_t step = train_position(train);
    (void)snprintf(path, sizeof path, "%s/%06td%s", folder, step, state_end);
    if (!save_state(train, net, path, error)) {
        return false;
    }
    (void)snprintf(name, size, "%06td%s", step, net_end);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return model_save(net, path, error);
}

void checkpoint_remove(const char *folder, ptrdiff_t step) {
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%06td%s", folder, step, net_end);
    (void)remove(path);
    (void)snprintf(path, sizeof path, "%s/%06td%s", folder, step, state_end);
    (void)remove(path);
}

/* The tensor `name` of `file`, when it has this type and number of elements. */
static const void *find(const struct safetensors *file, const char *path, const char *name,
                        enum tensor_type type, ptrdiff_t len, struct error *error) {
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor) {
        error_set(error, ERROR_FORMAT,
                  "\"%.250s\" has no tensor \"%s\"; it is not a checkpoint "
                  "of this training",
                  path, name);
        return NULL;
    }
    if (tensor->type != type || tensor_len(tensor) != len) {
        error_set(error, ERROR_FORMAT,
                  "\"%.250s\": tensor \"%s\" holds %td of %s and training needs %td of %s", path,
                  name, tensor_len(tensor), tensor_type_names[tensor->type], len,
                  tensor_type_names[type]);
        return NULL;
    }
    return tensor->data;
}

/* What a state file holds, checked. */
struct state {
    int64_t step, updates;
    int steered; /* steps of the net; 0: none are stored */
    const void *slots[2];
};

static bool read_state(struct state *state, struct train *train, const struct net *net,
                       const struct safetensors *file, const char *path, struct error *error) {
    const struct optim_kind *kind = optim_kind(train_optim(train));
    const char *optimizer = safetensors_metadata(file, "optimizer");
    if (!optimizer || strcmp(optimizer, kind->name) != 0) {
        return error_set(error, ERROR_VALUE,
                         "\"%.250s\" was written by optimizer \"%.40s\" and this training uses "
                         "\"%s\"; resume with the same",
                         path, optimizer ? optimizer : "", kind->name);
    }
    const int64_t *step = find(file, path, "step", TENSOR_I64, 1, error);
    const int64_t *updates = step ? find(file, path, "updates", TENSOR_I64, 1, error) : NULL;
    if (!updates) {
        return false;
    }
    *state = (struct state){.step = *step, .updates = *updates};
    if (*step < 0 || *step > train_steps(train) || *updates < 0 || 
        *updates > optim_updates_most(train_optim(train), *step)) {
        return error_set(error, ERROR_VALUE,
                         "\"%.250s\" stands at step %lld and this training has %td; give more "
                         "epochs",
                         path, (long long)*step, train_steps(train));
    }
    if (train_is_steered(train)) {
        const int64_t *steered = find(file, path, "control.steps", TENSOR_I64, 1, error);
        if (!steered) {
            return false;
        }
        if (*steered < 1 || *steered > NET_STEPS_MAX) {
            return error_set(error, ERROR_FORMAT, "\"%.250s\" holds %lld steps of a net", path,
                             (long long)*steered);
        }
        state->steered = (int)*steered;
    }
    for (int slot = 0; slot < kind->slot_count; slot++) {
        state->slots[slot] = find(file, path, kind->slot_names[slot], type_of(net->kernels),
                                  optim_slot_len(train_optim(train)), error);
        if (!state->slots[slot]) {
            return false;
        }
    }
    return true;
}

static void apply_state(const struct state *state, struct train *train, const struct net *net) {
    struct optim *optim = train_optim(train);
    for (int slot = 0; slot < optim_kind(optim)->slot_count; slot++) {
        memcpy(optim_slot(optim, slot), state->slots[slot],
               (size_t)optim_slot_len(optim) * net->kernels->real_size);
    }
    optim_set_updates(optim, (ptrdiff_t)state->updates);
    train_seek(train, (ptrdiff_t)state->step);
}

bool checkpoint_load(struct net *net, struct train *train, const char *path, struct error *error) {
    char state_path[PATH_SIZE];
    size_t len = strlen(path), end = sizeof net_end - 1;
    if (len <= end || len >= sizeof state_path - 8 || strcmp(path + len - end, net_end) != 0) {
        return error_set(error, ERROR_VALUE,
                         "\"%.250s\" is not a checkpoint; give the path of one, such as "
                         "runs/NAME/checkpoints/000430.safetensors",
                         path);
    }
    (void)snprintf(state_path, sizeof state_path, "%.*s%s", (int)(len - end), path, state_end);
    struct safetensors *file = safetensors_read(state_path, error);
    struct state state = {0};
    struct error ignored;
    const int steps = net_trained(net).steps;
    bool good = file && read_state(&state, train, net, file, state_path, error) &&
                (!state.steered || train_set_steps(train, state.steered, error)) &&
                model_read_values(net, path, error);
    if (good) {
        apply_state(&state, train, net);
        net_touch(net);
    } else if (state.steered) {
        (void)train_set_steps(train, steps, &ignored);
    }
    safetensors_free(file);
    return good;
}
