#include "learn/optim.h"

#include <assert.h>
#include <float.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "learn/flat.h"
#include "learn/lbfgs.h"

struct settings {
    double lr, momentum, weight_decay;
    bool nesterov;
    double beta1, beta2, eps;
    struct lbfgs_settings lbfgs;
};

struct optim {
    const struct optim_kind *kind;
    const struct kernels *kernels;
    struct settings settings;
    ptrdiff_t len, updates;
    void *slots[2];
    struct lbfgs *lbfgs; /* instead of slots and updates of its own */
};

#define RATE(value)                                                                                \
    {                                                                                              \
        .name = "lr", .kind = OPTION_NUMBER, .offset = offsetof(struct settings, lr),              \
        .fallback = value, .least = 0, .most = DBL_MAX,                                            \
        .help = "learning rate, before the schedule"                                               \
    }
#define DECAY(value, text)                                                                         \
    {                                                                                              \
        .name = "weight_decay", .kind = OPTION_NUMBER,                                             \
        .offset = offsetof(struct settings, weight_decay), .fallback = value, .least = 0,          \
        .most = DBL_MAX, .help = text                                                              \
    }

static const struct option sgd_options[] = {
    RATE("0.1"),
    {.name = "momentum",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct settings, momentum),
     .fallback = "0",
     .least = 0,
     .most = 1,
     .help = "share of the last velocity that is kept, 0 to 1"},
    DECAY("0", "adds weight_decay * w to the gradient of every parameter"),
    {.name = "nesterov",
     .kind = OPTION_BOOLEAN,
     .offset = offsetof(struct settings, nesterov),
     .fallback = "false",
     .help = "look ahead along the velocity (needs momentum)"},
};

#define MOMENTS                                                                                    \
    {.name = "beta1",                                                                              \
     .kind = OPTION_NUMBER,                                                                        \
     .offset = offsetof(struct settings, beta1),                                                   \
     .fallback = "0.9",                                                                            \
     .least = 0,                                                                                   \
     .most = 0.9999999,                                                                            \
     .help = "decay of the mean of gradients, 0 to 1"},                                            \
        {.name = "beta2",                                                                          \
         .kind = OPTION_NUMBER,                                                                    \
         .offset = offsetof(struct settings, beta2),                                               \
         .fallback = "0.999",                                                                      \
         .least = 0,                                                                               \
         .most = 0.9999999,                                                                        \
         .help = "decay of the mean of squared gradients, 0 to 1"},                                \
    {                                                                                              \
        .name = "eps", .kind = OPTION_NUMBER, .offset = offsetof(struct settings, eps),            \
        .fallback = "1e-8", .least = DBL_MIN, .most = 1,                                           \
        .help = "added to the root of the mean square"                                             \
    }

static const struct option adam_options[] = {
    RATE("0.001"),
    MOMENTS,
    DECAY("0", "adds weight_decay * w to the gradient of every parameter"),
};

static const struct option adamw_options[] = {
    RATE("0.001"),
    MOMENTS,
    DECAY("0.01", "shrinks every parameter by lr * weight_decay in each step"),
};

#define LBFGS(field) offsetof(struct settings, lbfgs.field)
static const struct option lbfgs_options[] = {
    {.name = "lr",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct settings, lr),
     .fallback = "1",
     .least = DBL_MIN,
     .most = DBL_MAX,
     .help = "first length a line search tries, or the length, in units of the quasi-Newton step"},
    {.name = "history",
     .kind = OPTION_INTEGER,
     .offset = LBFGS(history),
     .fallback = "10",
     .least = 1,
     .most = 1000,
     .help = "pairs that are kept; each takes as much memory as two gradients"},
    {.name = "max_iterations",
     .kind = OPTION_INTEGER,
     .offset = LBFGS(max_iterations),
     .fallback = "1",
     .least = 1,
     .most = 1000000,
     .help = "iterations of one training step, on its batch"},
    {.name = "max_evaluations",
     .kind = OPTION_INTEGER,
     .offset = LBFGS(max_evaluations),
     .fallback = "25",
     .least = 1,
     .most = 1000,
     .help = "losses and gradients of one line search, at most"},
    {.name = "tolerance_gradient",
     .kind = OPTION_NUMBER,
     .offset = LBFGS(tolerance_gradient),
     .fallback = "0",
     .least = 0,
     .most = DBL_MAX,
     .help = "norm of the gradient at which a step ends where it is"},
    {.name = "tolerance_change",
     .kind = OPTION_NUMBER,
     .offset = LBFGS(tolerance_change),
     .fallback = "0",
     .least = 0,
     .most = DBL_MAX,
     .help = "change of the loss in an iteration after which the step ends"},
    {.name = "line_search",
     .kind = OPTION_CHOICE,
     .offset = LBFGS(line_search),
     .fallback = "strong_wolfe",
     .choices = lbfgs_search_names,
     .help = "strong_wolfe: lengths that meet both conditions; none: lr"},
};

#define OPTIONS(table) .options = (table), .option_count = (int)(sizeof(table) / sizeof(table)[0])

static const struct optim_kind kinds[] = {
    {.name = "sgd",
     .help = "stochastic gradient descent with momentum",
     OPTIONS(sgd_options),
     .slot_count = 1,
     .slot_names = {"velocity"}},
    {.name = "adam",
     .help = "adaptive moments, decay coupled to the gradient (Kingma and Ba 2015)",
     OPTIONS(adam_options),
     .slot_count = 2,
     .slot_names = {"mean", "square"}},
    {.name = "adamw",
     .help = "adaptive moments, decay decoupled (Loshchilov and Hutter 2019)",
     OPTIONS(adamw_options),
     .slot_count = 2,
     .slot_names = {"mean", "square"}},
    {.name = "lbfgs",
     .help = "quasi-Newton steps with limited memory, on large batches (Nocedal and Wright 2006)",
     OPTIONS(lbfgs_options),
     .searches = true,
     .slot_count = 2,
     .slot_names = {"steps", "changes"}},
};

enum { KIND_COUNT = (int)(sizeof kinds / sizeof kinds[0]) };

int optim_count(void) {
    return KIND_COUNT;
}

const struct optim_kind *optim_at(int index) {
    assert(index >= 0 && index < KIND_COUNT);
    return &kinds[index];
}

static const struct optim_kind *find(const cJSON *config, struct error *error) {
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(config, "kind");
    if (!cJSON_IsString(kind)) {
        error_set(error, ERROR_VALUE,
                  "optimizer wants an object with a \"kind\", such as optim.sgd{ lr = 0.1 }");
        return NULL;
    }
    const char *names[KIND_COUNT];
    for (int i = 0; i < KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        if (strcmp(kind->valuestring, names[i]) == 0) {
            return &kinds[i];
        }
    }
    const char *nearest = option_nearest(kind->valuestring, names, KIND_COUNT);
    error_set(error, ERROR_VALUE, "optimizer \"%.60s\" does not exist; %s%s%s", kind->valuestring,
              nearest ? "nearest is \"" : "there are sgd, adam, adamw and lbfgs", nearest ? nearest : "",
              nearest ? "\"" : "");
    return NULL;
}

static bool read(struct optim *optim, const cJSON *config, struct error *error) {
    static const char *const kind_key[] = {"kind", NULL};
    if (!config) {
        optim->kind = &kinds[0];
        if (!option_read(sgd_options, optim->kind->option_count, "optim.sgd", NULL, NULL,
                         &optim->settings, error)) {
            return false;
        }
        optim->settings.momentum = 0.9;
        return true;
    }
    optim->kind = find(config, error);
    if (!optim->kind) {
        return false;
    }
    char call[64] = "optim.";
    strncat(call, optim->kind->name, sizeof call - strlen(call) - 1);
    if (!option_read(optim->kind->options, optim->kind->option_count, call, config, kind_key,
                     &optim->settings, error)) {
        return false;
    }
    if (optim->settings.nesterov && optim->settings.momentum <= 0) {
        return error_set(error, ERROR_VALUE,
                         "optim.sgd: nesterov = true needs momentum > 0, got momentum = 0; "
                         "give momentum = 0.9");
    }
    return true;
}

struct optim *optim_create(const cJSON *config, const struct kernels *kernels, ptrdiff_t len,
                           struct error *error) {
    struct optim *optim = calloc(1, sizeof *optim);
    if (!optim) {
        error_set(error, ERROR_MEMORY, "no memory for the optimiser");
        return NULL;
    }
    optim->kernels = kernels;
    optim->len = len;
    if (!read(optim, config, error)) {
        goto fail;
    }
    if (optim->kind->searches) {
        optim->lbfgs = lbfgs_create(kernels, len, &optim->settings.lbfgs, error);
        if (!optim->lbfgs) {
            goto fail;
        }
        return optim;
    }
    for (int slot = 0; slot < optim->kind->slot_count; slot++) {
        optim->slots[slot] = calloc(len > 0 ? (size_t)len : 1, kernels->real_size);
        if (!optim->slots[slot]) {
            error_set(error, ERROR_MEMORY,
                      "no memory for optimizer \"%s\": %td weights want %zu bytes",
                      optim->kind->name, len, (size_t)len * kernels->real_size);
            goto fail;
        }
    }
    return optim;
fail:
    optim_free(optim);
    return NULL;
}

void optim_free(struct optim *optim) {
    if (!optim) {
        return;
    }
    for (int slot = 0; slot < 2; slot++) {
        free(optim->slots[slot]);
    }
    lbfgs_free(optim->lbfgs);
    free(optim);
}

struct update {
    struct optim *optim;
    struct flat flat;
    void *w;
    const void *g;
    double rate;
};

static void update_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct update *u = context;
    const struct optim *optim = u->optim;
    const struct settings *s = &optim->settings;
    ptrdiff_t n;
    const ptrdiff_t bytes =
        flat_piece(&u->flat, piece, &n) * (ptrdiff_t)optim->kernels->real_size;
    void *w = (char *)u->w + bytes, *first = (char *)optim->slots[0] + bytes;
    const void *g = (const char *)u->g + bytes;
    if (optim->kind == &kinds[0]) {
        optim->kernels->sgd(w, g, first, n, u->rate, s->momentum, s->weight_decay, s->nesterov,
                            optim->updates == 1);
    } else {
        optim->kernels->adam(w, g, first, (char *)optim->slots[1] + bytes, n, u->rate, s->beta1,
                             s->beta2, s->eps, s->weight_decay, optim->kind == &kinds[2],
                             optim->updates);
    }
}

void optim_step(struct optim *optim, struct pool *pool, void *w, const void *g, double rate) {
    assert(!optim->kind->searches);
    struct update update = {optim, flat_of(optim->len), w, g, rate};
    optim->updates++;
    pool_run(pool, update.flat.pieces, update_piece, &update);
}

struct lbfgs_outcome optim_search(struct optim *optim, struct pool *pool,
                                  const struct lbfgs_problem *problem, double loss, double rate) {
    assert(optim->kind->searches);
    return lbfgs_step(optim->lbfgs, pool, problem, loss, rate);
}

double optim_rate(const struct optim *optim) {
    return optim->settings.lr;
}

cJSON *optim_config(const struct optim *optim) {
    cJSON *config = option_write(optim->kind->options, optim->kind->option_count, &optim->settings);
    if (config && !cJSON_AddStringToObject(config, "kind", optim->kind->name)) {
        cJSON_Delete(config);
        return NULL;
    }
    return config;
}

const struct optim_kind *optim_kind(const struct optim *optim) {
    return optim->kind;
}

void *optim_slot(struct optim *optim, int slot) {
    assert(slot >= 0 && slot < optim->kind->slot_count);
    return optim->lbfgs ? (slot ? lbfgs_changes(optim->lbfgs) : lbfgs_steps(optim->lbfgs))
                        : optim->slots[slot];
}

ptrdiff_t optim_slot_len(const struct optim *optim) {
    return optim->lbfgs ? optim->settings.lbfgs.history * optim->len : optim->len;
}

ptrdiff_t optim_updates(const struct optim *optim) {
    return optim->lbfgs ? lbfgs_pairs(optim->lbfgs) : optim->updates;
}

ptrdiff_t optim_updates_most(const struct optim *optim, ptrdiff_t steps) {
    return optim->lbfgs ? steps * optim->settings.lbfgs.max_iterations : steps;
}

void optim_set_updates(struct optim *optim, ptrdiff_t updates) {
    assert(updates >= 0);
    optim->updates = updates;
    if (optim->lbfgs) {
        lbfgs_set_pairs(optim->lbfgs, updates);
    }
}
