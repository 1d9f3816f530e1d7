#include "learn/mixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "learn/flat.h"

struct entry_options {
    char scheme[OPTION_TEXT_SIZE];
    ptrdiff_t steps;
    double weight;
};

const struct option mixture_options_table[] = {
    {.name = "scheme",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct entry_options, scheme),
     .fallback = "",
     .help = "Runge-Kutta scheme of all ODE blocks; default the net's own"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct entry_options, steps),
     .fallback = "0",
     .least = 0,
     .most = NET_STEPS_MAX,
     .help = "steps of every ODE block; 0: as many as the net has"},
    {.name = "weight",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct entry_options, weight),
     .fallback = "1",
     .least = DBL_MIN,
     .most = 1e100,
     .help = "of its loss; weights are divided by their sum"},
};
const int mixture_options_count =
    (int)(sizeof mixture_options_table / sizeof mixture_options_table[0]);

struct entry {
    struct manifestation how; /* steps 0: as the net has */
    double weight;            /* of all, 1 in sum */
    struct pass *pass;
};

struct mixture {
    struct net *net;
    struct mixture_plan plan; /* its JSON is not kept */
    bool listed;
    int count;
    struct entry entries[MIXTURE_MOST];
    void *dz;             /* (batch, outputs) reals */
    void *before, *moved; /* running statistics; several manifestations only */
};

/* ---- planning ------------------------------------------------------------------------------ */

static bool read_entry(struct entry *entry, const cJSON *item, int number, struct error *error) {
    struct entry_options options = {.weight = 1};
    char call[64];
    (void)snprintf(call, sizeof call, "train: entry %d of schemes", number);
    if (cJSON_IsString(item)) {
        (void)snprintf(options.scheme, sizeof options.scheme, "%s", item->valuestring);
    } else if (!cJSON_IsObject(item)) {
        return error_set(error, ERROR_VALUE,
                         "%s must be a scheme, such as { scheme = \"rk4\", steps = 2, weight = 1 }",
                         call);
    } else if (!option_read(mixture_options_table, mixture_options_count, call, item, NULL,
                            &options, error)) {
        return false;
    }
    const struct tableau *scheme = NULL;
    if (options.scheme[0] && !(scheme = tableau_find(options.scheme, error))) {
        return false;
    }
    *entry = (struct entry){.how = {.scheme = scheme, .steps = (int)options.steps, .edge = -1},
                            .weight = options.weight};
    return true;
}

static bool read_list(struct mixture *mixture, const cJSON *schemes, struct error *error) {
    const struct net *net = mixture->net;
    if (!schemes) {
        mixture->count = 1;
        mixture->entries[0] = (struct entry){.how = {.edge = -1}, .weight = 1};
        return true;
    }
    const int count = cJSON_IsArray(schemes) ? cJSON_GetArraySize(schemes) : 0;
    if (count < 1 || count > MIXTURE_MOST) {
        return error_set(error, ERROR_VALUE,
                         "train: \"schemes\" must be a list of 1 to %d entries, such as "
                         "{ { scheme = \"euler\" }, { scheme = \"rk4\", weight = 2 } }",
                         MIXTURE_MOST);
    }
    if (net_ode_count(net) == 0) {
        return error_set(error, ERROR_VALUE,
                         "train: \"schemes\" asks for other schemes and this net has no ODE block; "
                         "leave it out");
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
        struct entry *entry = &mixture->entries[i];
        if (!read_entry(entry, cJSON_GetArrayItem(schemes, i), i + 1, error)) {
            return false;
        }
        entry->how.scheme = entry->how.scheme ? entry->how.scheme : net_trained(net).scheme;
        sum += entry->weight;
    }
    for (int i = 0; i < count; i++) {
        mixture->entries[i].weight /= sum;
    }
    mixture->count = count;
    mixture->listed = true;
    return true;
}

static struct pass *make_pass(const struct mixture *mixture, const struct entry *entry,
                              struct error *error) {
    const struct pass_options options = {
        .batch = mixture->plan.batch,
        .training = true,
        .gradients = true,
        .how = entry->how,
        .memory = mixture->plan.memory,
        .room = mixture->count > 1 ? memory_installed() / 2 / (size_t)mixture->count : 0,
        .pool = mixture->plan.pool};
    return pass_create(mixture->net, &options, error);
}

static void *running_values(const struct mixture *mixture, ptrdiff_t *len, size_t *size) {
    const struct net *net = mixture->net;
    const size_t real = net->kernels->real_size;
    *len = net->value_len - net->trainable_len;
    *size = (size_t)*len * real;
    return (char *)net->values + (size_t)net->trainable_len * real;
}

static bool reserve(struct mixture *mixture, struct error *error) {
    const struct net *net = mixture->net;
    ptrdiff_t len;
    size_t size;
    (void)running_values(mixture, &len, &size);
    mixture->dz = malloc((size_t)net->outputs * (size_t)mixture->plan.batch *
                         net->kernels->real_size);
    mixture->before = malloc(size + 1);
    mixture->moved = malloc(size + 1);
    if (!mixture->dz || !mixture->before || !mixture->moved) {
        return error_set(error, ERROR_MEMORY,
                         "no memory for the outputs of %td samples; give a smaller batch",
                         mixture->plan.batch);
    }
    for (int i = 0; i < mixture->count; i++) {
        mixture->entries[i].pass = make_pass(mixture, &mixture->entries[i], error);
        if (!mixture->entries[i].pass) {
            return false;
        }
    }
    return true;
}

struct mixture *mixture_create(struct net *net, const struct mixture_plan *plan,
                               struct error *error) {
    struct mixture *mixture = calloc(1, sizeof *mixture);
    if (!mixture) {
        error_set(error, ERROR_MEMORY, "no memory to train");
        return NULL;
    }
    mixture->net = net;
    mixture->plan = *plan;
    mixture->plan.schemes = NULL;
    if (!read_list(mixture, plan->schemes, error) || !reserve(mixture, error)) {
        mixture_free(mixture);
        return NULL;
    }
    return mixture;
}

void mixture_free(struct mixture *mixture) {
    if (!mixture) {
        return;
    }
    for (int i = 0; i < mixture->count; i++) {
        pass_free(mixture->entries[i].pass);
    }
    free(mixture->dz);
    free(mixture->before);
    free(mixture->moved);
    free(mixture);
}

bool mixture_replan(struct mixture *mixture, struct error *error) {
    struct pass *made[MIXTURE_MOST] = {0};
    bool good = true;
    for (int i = 0; good && i < mixture->count; i++) {
        if (mixture->entries[i].how.steps == 0) {
            made[i] = make_pass(mixture, &mixture->entries[i], error);
            good = made[i] != NULL;
        }
    }
    for (int i = 0; i < mixture->count; i++) {
        struct entry *entry = &mixture->entries[i];
        struct pass *gone = good && made[i] ? entry->pass : made[i];
        entry->pass = good && made[i] ? made[i] : entry->pass;
        pass_free(gone);
    }
    return good;
}

int mixture_count(const struct mixture *mixture) {
    return mixture->count;
}

cJSON *mixture_config(const struct mixture *mixture) {
    cJSON *list = mixture->listed ? cJSON_CreateArray() : NULL;
    for (int i = 0; list && i < mixture->count; i++) {
        const struct entry *entry = &mixture->entries[i];
        struct entry_options options = {.steps = entry->how.steps, .weight = entry->weight};
        (void)snprintf(options.scheme, sizeof options.scheme, "%s", entry->how.scheme->name);
        cJSON_AddItemToArray(list,
                             option_write(mixture_options_table, mixture_options_count, &options));
    }
    return list;
}

struct pass *mixture_pass(const struct mixture *mixture) {
    return mixture->entries[0].pass;
}

size_t mixture_bytes(const struct mixture *mixture) {
    size_t bytes = 0;
    for (int i = 0; i < mixture->count; i++) {
        bytes += pass_bytes(mixture->entries[i].pass);
    }
    return bytes;
}

/* ---- running ------------------------------------------------------------------------------- */

static bool run_entry(struct mixture *mixture, int index, const struct loss *loss,
                      const struct batch *batch, struct mixture_result *result) {
    const struct entry *entry = &mixture->entries[index];
    const struct net *net = mixture->net;
    ptrdiff_t correct;
    const void *z = pass_forward(entry->pass, batch->x, batch->count);
    const double mean =
        loss_sum(loss, z, batch->count, &batch->answers, mixture->dz, &correct) /
        (double)batch->count;
    result->losses[index] = mean;
    result->loss += entry->weight * mean;
    result->correct = index == 0 ? correct : result->correct;
    if (!isfinite(mean)) {
        return false;
    }
    if (index == 0) {
        flat_set(net->kernels, mixture->plan.pool, net->grads, 0, net->trainable_len);
    }
    if (mixture->count > 1) {
        net->kernels->scale(mixture->dz, entry->weight, batch->count * net->outputs);
    }
    pass_backward(entry->pass, mixture->dz);
    return true;
}

/* What has not been run counts as not a number. */
static void give_up(const struct mixture *mixture, int index, struct mixture_result *result) {
    result->loss = result->losses[index];
    for (int i = index + 1; i < mixture->count; i++) {
        result->losses[i] = (double)NAN;
    }
}

bool mixture_run(struct mixture *mixture, const struct loss *loss, const struct batch *batch,
                 struct mixture_result *result) {
    const struct kernels *kernels = mixture->net->kernels;
    ptrdiff_t len;
    size_t size;
    void *running = running_values(mixture, &len, &size);
    const bool several = mixture->count > 1 && len > 0;
    *result = (struct mixture_result){0};
    if (several) {
        memcpy(mixture->before, running, size);
        kernels->set(mixture->moved, 0, len);
    }
    for (int i = 0; i < mixture->count; i++) {
        if (several) {
            memcpy(running, mixture->before, size);
        }
        if (!run_entry(mixture, i, loss, batch, result)) {
            give_up(mixture, i, result);
            return false;
        }
        if (several) {
            kernels->add_scaled(mixture->moved, running, mixture->entries[i].weight, len);
        }
    }
    if (several) {
        memcpy(running, mixture->moved, size);
    }
    return true;
}
