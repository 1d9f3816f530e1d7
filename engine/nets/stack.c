/* Nets written layer by layer: a list of {"layer": kind, ...options} to layers. */
#include "nets/stack.h"

#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "nets/monomials.h"
#include "nets/net.h"

struct entry_options { /* of one layer, whatever its kind */
    char name[OPTION_TEXT_SIZE], scheme[OPTION_TEXT_SIZE], basis[OPTION_TEXT_SIZE];
    ptrdiff_t out, kernel, stride, steps, nodes, degree;
    bool bias, down, skip;
    double factor, eps, momentum;
    int update, edge, convolution, field;
    cJSON *body;
};

#define FIELD(field) offsetof(struct entry_options, field)
#define NAME_OPTION                                                                                \
    {"name", OPTION_TEXT, FIELD(name), "", 0, 0, NULL,                                             \
     "prefix of the parameters; left out: kind and position"}
#define BIAS_OPTION {"bias", OPTION_BOOLEAN, FIELD(bias), "true", 0, 0, NULL, "adds a bias"}
#define OUT_OPTION(what) {"out", OPTION_INTEGER, FIELD(out), NULL, 1, 1e6, NULL, what}
#define BODY_OPTION {"body", OPTION_JSON, FIELD(body), NULL, 0, 0, NULL, "a list of layers"}

static const struct option conv_options[] = {
    NAME_OPTION,
    OUT_OPTION("channels out"),
    {"kernel", OPTION_INTEGER, FIELD(kernel), "3", 1, 3, NULL, "3 or 1: side of the kernel"},
    {"stride", OPTION_INTEGER, FIELD(stride), "1", 1, 2, NULL, "1 or 2"},
    BIAS_OPTION,
    {"convolution", OPTION_CHOICE, FIELD(convolution), "auto", 0, 0, convolution_names,
     "auto: Winograd's algorithm where it is faster; direct: the plain sum"},
};
static const struct option dense_options[] = {NAME_OPTION, OUT_OPTION("features out"),
                                              BIAS_OPTION};
static const struct option norm_options[] = {
    NAME_OPTION,
    {"norm_update", OPTION_CHOICE, FIELD(update), "stateful", 0, 0, norm_update_names,
     "how running statistics in depth move"},
    {"momentum", OPTION_NUMBER, FIELD(momentum), "0.1", 0, 1, NULL,
     "weight of a batch in the running statistics"},
};
static const struct option plain_options[] = {NAME_OPTION};
static const struct option monomials_options[] = {
    NAME_OPTION,
    {"degree", OPTION_INTEGER, FIELD(degree), "2", 1, MONOMIALS_DEGREE_MOST, NULL,
     "of the highest products of features"},
};
static const struct option residual_options[] = {
    NAME_OPTION,
    BODY_OPTION,
    {"down", OPTION_BOOLEAN, FIELD(down), "false", 0, 0, NULL,
     "a 1x1 convolution on the path around the body, instead of the identity"},
    {"stride", OPTION_INTEGER, FIELD(stride), "1", 1, 2, NULL, "of that convolution"},
    {"factor", OPTION_NUMBER, FIELD(factor), "1", -1e6, 1e6, NULL, "multiplies the body"},
};
static const struct option ode_options[] = {
    NAME_OPTION,
    BODY_OPTION,
    {"scheme", OPTION_TEXT, FIELD(scheme), "rk4", 0, 0, NULL, "Runge-Kutta scheme"},
    {"steps", OPTION_INTEGER, FIELD(steps), "0", 0, NET_STEPS_MAX, NULL,
     "steps N; 0: as many as nodes"},
    {"nodes", OPTION_INTEGER, FIELD(nodes), "1", 1, 10000, NULL,
     "nodes K of the weights' basis in depth"},
    {"basis", OPTION_TEXT, FIELD(basis), "piecewise_constant", 0, 0, NULL, "basis in depth"},
    {"eps", OPTION_NUMBER, FIELD(eps), "0", 0, 1e6, NULL,
     "time scale of dx/dt = eps body(x); 0: the number of nodes"},
    {"edge", OPTION_CHOICE, FIELD(edge), "open", 0, 0, edge_names,
     "weights read by a stage at the end of its step"},
    {"skip", OPTION_BOOLEAN, FIELD(skip), "false", 0, 0, NULL,
     "a trainable factor per node, zero at first, multiplies the body"},
    {"field", OPTION_CHOICE, FIELD(field), "auto", 0, 0, field_names,
     "auto: a body of dense layers is solved a few samples at a time; layers: layer by layer"},
};

#define KIND(text, kind, act, table) {text, kind, act, table, sizeof table / sizeof *table}
static const struct entry_kind {
    const char *name;
    enum layer_kind kind;
    enum activation act;
    const struct option *options;
    int count;
} kinds[] = {
    KIND("conv", LAYER_CONV, ACT_NONE, conv_options),
    KIND("dense", LAYER_DENSE, ACT_NONE, dense_options),
    KIND("norm", LAYER_NORM, ACT_NONE, norm_options),
    KIND("relu", LAYER_ACT, ACT_RELU, plain_options),
    KIND("tanh", LAYER_ACT, ACT_TANH, plain_options),
    KIND("gelu", LAYER_ACT, ACT_GELU, plain_options),
    KIND("softplus", LAYER_ACT, ACT_SOFTPLUS, plain_options),
    KIND("pool", LAYER_POOL, ACT_NONE, plain_options),
    KIND("flatten", LAYER_FLATTEN, ACT_NONE, plain_options),
    KIND("monomials", LAYER_MONOMIALS, ACT_NONE, monomials_options),
    KIND("residual", LAYER_RESIDUAL, ACT_NONE, residual_options),
    KIND("ode", LAYER_ODE, ACT_NONE, ode_options),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct entry_kind *find_kind(const cJSON *entry, const char *place,
                                          struct error *error) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, "layer");
    const char *name = cJSON_GetStringValue(item);
    const char *names[KINDS];
    for (int i = 0; i < KINDS; i++) {
        if (name && strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
        names[i] = kinds[i].name;
    }
    const char *near = name ? option_nearest(name, names, KINDS) : NULL;
    error_set(error, ERROR_VALUE,
              "%s names no layer: %s%s%s%s; there are conv, dense, norm, relu, tanh, gelu, "
              "softplus, pool, flatten, monomials, residual and ode, as in {layer = \"conv\", out = 16}",
              place, name ? name : "it has no text \"layer\"", near ? ", nearest is \"" : "",
              near ? near : "", near ? "\"" : "");
    return NULL;
}

static bool fill_ode(struct layer *layer, const struct entry_options *o, struct error *error) {
    layer->scheme = tableau_find(o->scheme, error);
    layer->basis = layer->scheme ? basis_find(o->basis, error) : NULL;
    if (!layer->basis || !layer->basis->valid((int)o->nodes, error)) {
        return false;
    }
    layer->nodes = (int)o->nodes;
    layer->steps = (int)(o->steps ? o->steps : o->nodes);
    layer->factor = o->eps > 0.0 ? o->eps : (double)o->nodes;
    layer->edge = (enum edge)o->edge;
    layer->skip = o->skip;
    layer->direct = o->field == 1;
    return true;
}

static bool name_is_free(const struct layers *layers, const char *name) {
    for (int i = 0; i < layers->count; i++) {
        if (strcmp(layers->list[i].name, name) == 0) {
            return false;
        }
    }
    return true;
}

static bool add_entry(const cJSON *entry, int position, const char *prefix, struct layers *layers,
                      struct error *error) {
    static const char *const ignored[] = {"layer", NULL};
    char place[64], name[LAYER_NAME_SIZE], full[LAYER_NAME_SIZE];
    (void)snprintf(place, sizeof place, "cn.net.stack: layer %d%s%s", position,
                   *prefix ? " of " : "", prefix);
    if (!cJSON_IsObject(entry)) {
        return error_set(error, ERROR_VALUE, "%s is not a table such as {layer = \"relu\"}", place);
    }
    const struct entry_kind *kind = find_kind(entry, place, error);
    struct entry_options o = {0};
    if (!kind || !option_read(kind->options, kind->count, place, entry, ignored, &o, error)) {
        return false;
    }
    if (o.name[0] && (strlen(o.name) > 16 || strchr(o.name, '.'))) {
        return error_set(error, ERROR_VALUE,
                         "%s: a name has at most 16 characters and no dot, unlike \"%s\"", place,
                         o.name);
    }
    if (o.kernel == 2) {
        return error_set(error, ERROR_VALUE, "%s: kernel must be 1 or 3, not 2", place);
    }
    (void)snprintf(name, sizeof name, "%.16s", o.name);
    if (!o.name[0]) {
        (void)snprintf(name, sizeof name, "%s%d", kind->name, position);
    }
    const int len = snprintf(full, sizeof full, "%s%s%s", prefix, *prefix ? "." : "", name);
    if (len >= (int)sizeof full) {
        return error_set(error, ERROR_VALUE,
                         "%s: nested names add up to %d characters and may have %d; give the layers "
                         "around \"%s\" shorter names",
                         place, len, (int)sizeof full - 1, name);
    }
    if (!name_is_free(layers, full)) {
        return error_set(error, ERROR_VALUE, "%s: the name \"%s\" is taken by another layer", place,
                         full);
    }
    struct layer *layer = layers_add(layers, kind->kind, prefix, name);
    layer->act = kind->act;
    layer->out = o.out;
    layer->bias = o.bias;
    layer->kernel = o.kernel ? (int)o.kernel : 1;
    layer->stride = o.stride ? (int)o.stride : 1;
    layer->direct = o.convolution == 1;
    layer->down = o.down;
    layer->degree = (int)o.degree;
    if (kind->kind == LAYER_NORM) {
        layer->update = (enum norm_update)o.update;
        layer->momentum = o.momentum;
    }
    if (kind->kind == LAYER_RESIDUAL) {
        layer->factor = o.factor;
    }
    if (kind->kind == LAYER_ODE && !fill_ode(layer, &o, error)) {
        return false;
    }
    return !o.body || stack_layers(o.body, layer->name, &layer->body, error);
}

bool stack_layers(const cJSON *list, const char *prefix, struct layers *layers,
                  struct error *error) {
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0) {
        return error_set(error, ERROR_VALUE,
                         "cn.net.stack: %s%s wants a list of layers, such as {{layer = \"dense\", "
                         "out = 10}}",
                         *prefix ? "the body of " : "layers", prefix);
    }
    int position = 1;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        if (!add_entry(entry, position++, prefix, layers, error)) {
            return false;
        }
    }
    return true;
}
