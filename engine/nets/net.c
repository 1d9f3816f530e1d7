#include "nets/chain.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nets/monomials.h"

int net_declare(struct net *net, const char *prefix, const char *name, int cells, int rank,
                const ptrdiff_t *shape, bool trainable, enum initial_kind kind, double value) {
    const size_t count = (size_t)net->parameter_count + 1;
    struct parameter *parameters = realloc(net->parameters, count * sizeof *parameters);
    struct initial *initials = realloc(net->plan->initials, count * sizeof *initials);
    if (!parameters || !initials) {
        abort(); /* a few kilobytes */
    }
    net->parameters = parameters;
    net->plan->initials = initials;
    struct parameter *p = &parameters[net->parameter_count];
    *p = (struct parameter){.trainable = trainable, .len = 1};
    (void)snprintf(p->name, sizeof p->name, "%s.%s", prefix, name);
    if (cells) {
        p->shape[p->rank++] = cells;
    }
    for (int i = 0; i < rank; i++) {
        p->shape[p->rank++] = shape[i];
    }
    for (int i = 0; i < p->rank; i++) {
        p->len *= p->shape[i];
    }
    initials[net->parameter_count] = (struct initial){kind, value};
    return net->parameter_count++;
}

/* Trainable parameters first, running statistics behind them. */
static void place_parameters(struct net *net) {
    ptrdiff_t offset = 0;
    for (int trainable = 1; trainable >= 0; trainable--) {
        for (int p = 0; p < net->parameter_count; p++) {
            if (net->parameters[p].trainable == (trainable == 1)) {
                net->parameters[p].offset = offset;
                offset += net->parameters[p].len;
            }
        }
        if (trainable) {
            net->trainable_len = offset;
        }
    }
    net->value_len = offset;
}

static void *zeroed_reals(const struct net *net, ptrdiff_t len) {
    const size_t size = ((size_t)len * net->kernels->real_size + 127) / 64 * 64;
    void *reals = memory_aligned(size);
    if (reals) {
        memset(reals, 0, size);
    }
    return reals;
}

/* Takes values and gradients. */
static bool take_arrays(struct net *net, struct error *error) {
    struct plan *plan = net->plan;
    const double bytes = (double)net->kernels->real_size *
                         ((double)net->value_len + (double)net->trainable_len);
    const double installed = (double)memory_installed();
    if (bytes <= installed) {
        net->values = zeroed_reals(net, net->value_len);
        net->grads = zeroed_reals(net, net->trainable_len);
        plan->packed = calloc((size_t)plan->weights_count * FORMS + 1, sizeof *plan->packed);
        if (net->values && net->grads && plan->packed) {
            return true;
        }
    }
    return error_set(error, ERROR_MEMORY,
                     "no memory for a net of %td parameters: it takes %.1f GB and the machine has "
                     "%.1f GB; use a smaller width or fewer nodes",
                     net->trainable_len, bytes * 1e-9, installed * 1e-9);
}

static bool plan_net(struct net *net, struct error *error) {
    struct plan *plan = net->plan;
    if (!family_build(net->config, &plan->layers, net->input, &plan->augment, &net->config,
                      error)) {
        return false;
    }
    const char *precision = cJSON_GetStringValue(cJSON_GetObjectItem(net->config, "precision"));
    net->kernels = kernels_find(precision && strcmp(precision, "f64") == 0 ? PRECISION_F64
                                                                           : PRECISION_F32);
    plan->clock = plan->layers.list[0].paced ? 2 : 0;
    const ptrdiff_t input[3] = {net->input[0] - plan->clock + plan->augment, net->input[1],
                                net->input[2]};
    plan->chain = chain_create(net, &plan->layers, input, 0, error);
    if (!plan->chain) {
        return false;
    }
    chain_settle(plan->chain);
    const struct buffer *last = &plan->chain->buffers[plan->chain->out.buffer];
    net->outputs = (int)(last->states * last->channels * last->extent.height * last->extent.width);
    if (last->extent.height * last->extent.width != 1) {
        return error_set(error, ERROR_VALUE,
                         "the net ends in an image of %td x %td x %td; end it with a pool or "
                         "flatten layer and a dense layer",
                         last->channels, last->extent.height, last->extent.width);
    }
    place_parameters(net);
    return take_arrays(net, error);
}

struct net *net_create(const cJSON *config, struct error *error) {
    struct net *net = calloc(1, sizeof *net);
    struct plan *plan = calloc(1, sizeof *plan);
    pthread_mutex_t *lock = malloc(sizeof *lock);
    if (!net || !plan || !lock) {
        abort(); /* a few hundred bytes */
    }
    pthread_mutex_init(lock, NULL);
    plan->lock = lock;
    net->plan = plan;
    net->config = cJSON_Duplicate(config, true);
    net->version = 1;
    if (!plan_net(net, error)) {
        net_free(net);
        return NULL;
    }
    const cJSON *seed = cJSON_GetObjectItem(net->config, "seed");
    weights_draw(net, seed ? (uint64_t)seed->valuedouble : 0);
    return net;
}

struct net *net_clone(const struct net *net, enum precision precision, struct error *error) {
    cJSON *config = cJSON_Duplicate(net->config, true);
    cJSON_ReplaceItemInObject(config, "precision", cJSON_CreateString(precision_names[precision]));
    struct net *clone = net_create(config, error);
    cJSON_Delete(config);
    double tile[512];
    for (ptrdiff_t i = 0; clone && i < net->value_len; i += 512) {
        const ptrdiff_t n = net->value_len - i < 512 ? net->value_len - i : 512;
        net->kernels->to_doubles(
            tile, (const char *)net->values + i * (ptrdiff_t)net->kernels->real_size, n);
        clone->kernels->from_doubles(
            (char *)clone->values + i * (ptrdiff_t)clone->kernels->real_size, tile, n);
    }
    if (clone) {
        net_touch(clone);
    }
    return clone;
}

void net_free(struct net *net) {
    if (!net) {
        return;
    }
    if (net->plan) {
        chain_free(net->plan->chain);
        layers_free(&net->plan->layers);
        for (int i = 0; net->plan->packed && i < net->plan->weights_count * FORMS; i++) {
            free(net->plan->packed[i].at);
        }
        free(net->plan->packed);
        free(net->plan->initials);
        pthread_mutex_destroy(net->plan->lock);
        free(net->plan->lock);
        free(net->plan);
    }
    cJSON_Delete(net->config);
    free(net->parameters);
    free(net->values);
    free(net->grads);
    free(net);
}

void net_touch(struct net *net) {
    net->version++;
}

const struct parameter *net_parameter(const struct net *net, const char *name) {
    for (int p = 0; p < net->parameter_count; p++) {
        if (strcmp(net->parameters[p].name, name) == 0) {
            return &net->parameters[p];
        }
    }
    return NULL;
}

void *net_value(const struct net *net, const struct parameter *parameter) {
    return (char *)net->values + parameter->offset * (ptrdiff_t)net->kernels->real_size;
}

void *net_grad(const struct net *net, const struct parameter *parameter) {
    return parameter->trainable
               ? (char *)net->grads + parameter->offset * (ptrdiff_t)net->kernels->real_size
               : NULL;
}

struct manifestation net_trained(const struct net *net) {
    if (net->plan->ode_count == 0) {
        return (struct manifestation){.edge = -1};
    }
    const struct layer *ode = net->plan->odes[0]->layer;
    return (struct manifestation){.scheme = ode->scheme, .steps = ode->steps, .edge = (int)ode->edge};
}

/* Sets what is called "steps" in a configuration: of the net, or of the ODE layers of a list; false
 * when there is none. Numbers are changed in place, for whoever reads the configuration. */
static bool set_config_steps(cJSON *config, int steps) {
    bool any = false;
    if (cJSON_IsObject(config) &&
        (cJSON_HasObjectItem(config, "family") ||
         (cJSON_HasObjectItem(config, "layer") &&
          strcmp(cJSON_GetObjectItem(config, "layer")->valuestring, "ode") == 0))) {
        cJSON *item = cJSON_GetObjectItemCaseSensitive(config, "steps");
        if (!item && cJSON_HasObjectItem(config, "layer")) {
            item = cJSON_AddNumberToObject(config, "steps", steps);
        }
        any = cJSON_IsNumber(item);
        if (any) {
            cJSON_SetNumberValue(item, steps);
        }
    }
    cJSON *item;
    cJSON_ArrayForEach(item, config) {
        any |= (cJSON_IsObject(item) || cJSON_IsArray(item)) && set_config_steps(item, steps);
    }
    return any;
}

bool net_set_steps(struct net *net, int steps, struct error *error) {
    assert(steps >= 1 && steps <= NET_STEPS_MAX);
    if (net->plan->ode_count == 0 || !set_config_steps(net->config, steps)) {
        return error_set(error, ERROR_VALUE,
                         "the number of steps of this net cannot change: %s",
                         net->plan->ode_count == 0 ? "it has no ODE block"
                                                   : "it has one a unit; use cn.net.continuous");
    }
    for (int i = 0; i < net->plan->ode_count; i++) {
        /* The chain's layers are the plan's own, and not constant. */
        ((struct layer *)net->plan->odes[i]->layer)->steps = steps;
    }
    return true;
}

int net_ode_count(const struct net *net) {
    return net->plan->ode_count;
}

int net_ode_nodes(const struct net *net, int block) {
    return net->plan->odes[block]->layer->nodes;
}

static const struct monomials *terms_of(const struct net *net) {
    const struct plan *plan = net->plan;
    const struct op *first = plan->ode_count == 1 ? &plan->odes[0]->body->ops[0] : NULL;
    return first && first->kind == OP_MONOMIALS ? &first->monomials : NULL;
}

int net_term_count(const struct net *net) {
    const struct monomials *terms = terms_of(net);
    return terms ? (int)terms->count : 0;
}

void net_term_name(const struct net *net, int term, char name[NET_TERM_SIZE]) {
    assert(term >= 0 && term < net_term_count(net));
    const ptrdiff_t time = net->plan->odes[0]->layer->timed ? terms_of(net)->in - 1 : -1;
    monomials_name(terms_of(net), term, time, name, NET_TERM_SIZE);
}

/* ---- description ---- */

struct text {
    char *at;
    size_t size;
    int length;
};

static void write_text(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void write_text(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const size_t used = (size_t)text->length;
    const bool room = used < text->size;
    text->length += vsnprintf(room ? text->at + used : NULL, room ? text->size - used : 0, format,
                              arguments);
    va_end(arguments);
}

/* Trainable parameters whose name begins with the layer's. */
static ptrdiff_t layer_parameters(const struct net *net, const char *name) {
    ptrdiff_t sum = 0;
    const size_t len = strlen(name);
    for (int p = 0; p < net->parameter_count; p++) {
        const struct parameter *parameter = &net->parameters[p];
        if (parameter->trainable && strncmp(parameter->name, name, len) == 0 &&
            parameter->name[len] == '.') {
            sum += parameter->len;
        }
    }
    return sum;
}

static const char *const layer_kind_names[] = {"conv", "dense",   "batch norm", "activation",
                                               "mean", "flatten", "monomials",
                                               "residual", "ODE block"};

static void write_block(struct text *text, const struct layer *layer, bool dynamics) {
    write_text(text, "  %s, %d step%s, %d node%s", layer->scheme->name, layer->steps,
               layer->steps == 1 ? "" : "s", layer->nodes, layer->nodes == 1 ? "" : "s");
    if (layer->paced) {
        write_text(text, ", dt of each sample");
    } else {
        write_text(text, ", %s %g", dynamics ? "dt" : "eps", layer->factor);
    }
    if (layer->timed) {
        write_text(text, ", reads t");
    }
    if (layer->intervals > 1) {
        write_text(text, ", %d intervals", layer->intervals);
    }
}

int net_describe(const struct net *net, char *buffer, size_t size) {
    struct text text = {buffer, size, 0};
    const char *family = cJSON_GetStringValue(cJSON_GetObjectItem(net->config, "family"));
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItem(net->config, "model"));
    write_text(&text, "net %s%s%s  %td parameters  %s\n", family, model ? ", " : "",
               model ? model : "", net->trainable_len, precision_names[net->kernels->precision]);
    const struct plan *plan = net->plan;
    for (int i = 0; i < plan->layers.count; i++) {
        const struct layer *layer = &plan->layers.list[i];
        const struct op *op = NULL;
        for (int k = 0; k < plan->chain->op_count; k++) {
            if (plan->chain->ops[k].layer == layer && plan->chain->ops[k].out >= 0) {
                op = &plan->chain->ops[k];
            }
        }
        if (!op && layer->kind == LAYER_ACT) {
            continue;
        }
        char shape[48] = "";
        if (op) {
            const struct buffer *b = &plan->chain->buffers[op->out];
            (void)snprintf(shape, sizeof shape, "%td x %td x %td", b->channels, b->extent.height,
                           b->extent.width);
        }
        write_text(&text, "  %-12s %-10s %-14s %9td", layer->name, layer_kind_names[layer->kind],
                   shape, layer_parameters(net, layer->name));
        if (layer->kind == LAYER_ODE) {
            write_block(&text, layer, strcmp(family, "dynamics") == 0);
        }
        write_text(&text, "\n");
    }
    return text.length;
}
