/* Families of nets: options to layers. NUMERICS.md, "ContinuousNet". */
#include "nets/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "nets/net.h"
#include "nets/stack.h"

static const char *const unit_names[] = {"post", "pre", NULL};
static const char *const norm_names[] = {"batch", "none", NULL};

/* ---- continuous, residual: images ---- */

struct image_options {
    cJSON *input;
    ptrdiff_t classes, width, widen, steps, nodes, stitch_steps, seed;
    int unit, act, norm, norm_update, edge, convolution, precision;
    char scheme[OPTION_TEXT_SIZE], basis[OPTION_TEXT_SIZE];
    double eps;
    bool skip;
};
#define IMAGE(field) offsetof(struct image_options, field)
#define SHARED_IMAGE_OPTIONS                                                                       \
    {"input", OPTION_JSON, IMAGE(input), NULL, 0, 0, NULL,                                         \
     "shape of one image: {channels, height, width}"},                                             \
        {"classes", OPTION_INTEGER, IMAGE(classes), "10", 1, 100000, NULL, "number of outputs"},   \
        {"width", OPTION_INTEGER, IMAGE(width), "16", 1, 4096, NULL,                               \
         "channels A of the stem; the three stages have A, 2A and 4A (times widen)"},              \
        {"widen", OPTION_INTEGER, IMAGE(widen), "1", 1, 64, NULL,                                  \
         "factor by which the stages are wider than the stem"},                                    \
        {"unit", OPTION_CHOICE, IMAGE(unit), "post", 0, 0, unit_names,                             \
         "post: conv, act, norm, twice; pre: norm, act, conv, twice"},                             \
        {"act", OPTION_CHOICE, IMAGE(act), "relu", 0, 0, activation_names, "activation"},          \
        {"norm", OPTION_CHOICE, IMAGE(norm), "batch", 0, 0, norm_names, "normalisation"}
#define CLOSING_IMAGE_OPTIONS                                                                      \
    {"convolution", OPTION_CHOICE, IMAGE(convolution), "auto", 0, 0, convolution_names,            \
     "auto: Winograd's F(4x4, 3x3) where it is faster; direct: the plain sum everywhere"},         \
    {"seed", OPTION_INTEGER, IMAGE(seed), "0", 0, 9e15, NULL, "seed of the initial weights"}, {    \
        "precision", OPTION_CHOICE, IMAGE(precision), "f32", 0, 0, precision_names,                \
            "f32 or f64"                                                                           \
    }

static const struct option continuous_options[] = {
    SHARED_IMAGE_OPTIONS,
    {"scheme", OPTION_TEXT, IMAGE(scheme), "rk4", 0, 0, NULL,
     "Runge-Kutta scheme of the ODE blocks; see cn.ode.schemes()"},
    {"steps", OPTION_INTEGER, IMAGE(steps), "0", 0, NET_STEPS_MAX, NULL,
     "steps N of each ODE block; 0: as many as nodes"},
    {"stitch_steps", OPTION_INTEGER, IMAGE(stitch_steps), "0", 0, NET_STEPS_MAX, NULL,
     "steps of the net as it was created, for the scale eps / steps of its stitches; 0: steps"},
    {"nodes", OPTION_INTEGER, IMAGE(nodes), "1", 1, 10000, NULL,
     "nodes K of the weights' basis in depth"},
    {"basis", OPTION_TEXT, IMAGE(basis), "piecewise_constant", 0, 0, NULL,
     "basis of the weights in depth"},
    {"norm_update", OPTION_CHOICE, IMAGE(norm_update), "stateful", 0, 0, norm_update_names,
     "how running statistics in depth move: once a batch by projection, or at every visit"},
    {"eps", OPTION_NUMBER, IMAGE(eps), "0", 0, 1e6, NULL,
     "time scale of dx/dt = eps R(x); 0: the number of nodes"},
    {"edge", OPTION_CHOICE, IMAGE(edge), "open", 0, 0, edge_names,
     "weights read by a stage at the end of its step: its own cell's (open) or the next (closed)"},
    {"skip", OPTION_BOOLEAN, IMAGE(skip), "false", 0, 0, NULL,
     "a trainable factor per node, zero at first, multiplies the field"},
    CLOSING_IMAGE_OPTIONS,
};

static const struct option residual_options[] = {
    SHARED_IMAGE_OPTIONS,
    {"nodes", OPTION_INTEGER, IMAGE(nodes), "1", 1, 10000, NULL,
     "residual units of each stage"},
    CLOSING_IMAGE_OPTIONS,
};

static bool read_shape(const cJSON *json, const char *call, int rank, ptrdiff_t *shape,
                       struct error *error) {
    if (!cJSON_IsArray(json) || cJSON_GetArraySize(json) != rank) {
        return error_set(error, ERROR_VALUE, "%s: input is a list of %d positive integers%s", call,
                         rank, rank == 3 ? ", {channels, height, width}" : ", {features}");
    }
    for (int i = 0; i < rank; i++) {
        const cJSON *item = cJSON_GetArrayItem(json, i);
        const double v = cJSON_IsNumber(item) ? item->valuedouble : 0.0;
        if (v < 1.0 || v > 1e6 || v != (double)(ptrdiff_t)v) {
            return error_set(error, ERROR_VALUE,
                             "%s: input[%d] must be an integer from 1 to 1000000, not %s", call,
                             i + 1, cJSON_IsNumber(item) ? "what it is" : "something else");
        }
        shape[i] = (ptrdiff_t)v;
    }
    return true;
}

struct unit {
    const struct image_options *o;
    ptrdiff_t width;
    int stride;
    bool last_norm; /* post: a norm behind the second convolution */
    bool depth;     /* inside an ODE block */
};

static void add_conv(struct layers *body, const struct unit *u, const char *prefix,
                     const char *name, int stride) {
    struct layer *conv = layers_add(body, LAYER_CONV, prefix, name);
    conv->out = u->width;
    conv->kernel = 3;
    conv->stride = stride;
    conv->bias = true;
    conv->bias_zero = u->depth;
    conv->direct = u->o->convolution == 1;
}

static void add_norm(struct layers *body, const struct image_options *o, const char *prefix,
                     const char *name) {
    if (o->norm == 0) {
        layers_add(body, LAYER_NORM, prefix, name)->update = (enum norm_update)o->norm_update;
    }
}

static void add_act(struct layers *body, const struct image_options *o, const char *prefix) {
    layers_add(body, LAYER_ACT, prefix, "act")->act = (enum activation)o->act;
}

/* The residual unit R, or the body F of a stitch. */
static void add_unit(struct layers *body, const struct unit *u, const char *prefix) {
    static const char *const convs[] = {"conv1", "conv2"}, *const norms[] = {"bn1", "bn2"};
    for (int i = 0; i < 2; i++) {
        const int stride = i == 0 ? u->stride : 1;
        if (u->o->unit == 0) {
            add_conv(body, u, prefix, convs[i], stride);
            add_act(body, u->o, prefix);
            add_norm(body, u->o, prefix, norms[i]);
        } else {
            add_norm(body, u->o, prefix, norms[i]);
            add_act(body, u->o, prefix);
            add_conv(body, u, prefix, convs[i], stride);
        }
    }
}

static bool add_stages(struct layers *layers, const struct image_options *o, struct error *error) {
    const struct tableau *scheme = tableau_find(o->scheme, error);
    const struct basis *basis = scheme ? basis_find(o->basis, error) : NULL;
    if (!basis || !basis->valid((int)o->nodes, error)) {
        return false;
    }
    const ptrdiff_t wide = o->width * o->widen;
    for (int stage = 0; stage < 3; stage++) {
        char name[16];
        struct unit u = {.o = o, .width = wide << stage, .stride = stage ? 2 : 1};
        (void)snprintf(name, sizeof name, "stitch%d", stage + 1);
        struct layer *stitch = layers_add(layers, LAYER_RESIDUAL, "", name);
        stitch->down = true;
        stitch->stride = u.stride;
        stitch->factor = o->eps / (double)o->stitch_steps; /* of the net as created, for life */
        add_unit(&stitch->body, &u, name);
        (void)snprintf(name, sizeof name, "block%d", stage + 1);
        u.stride = 1;
        u.depth = true;
        struct layer *block = layers_add(layers, LAYER_ODE, "", name);
        block->factor = o->eps;
        block->scheme = scheme;
        block->basis = basis;
        block->steps = (int)o->steps;
        block->nodes = (int)o->nodes;
        block->edge = (enum edge)o->edge;
        block->skip = o->skip;
        add_unit(&block->body, &u, name);
    }
    return true;
}

/* Stem, three stitches and blocks, head (Queiruga et al. 2020; NUMERICS.md eq. 41, 42). */
static bool build_image(const struct image_options *o, struct layers *layers, struct error *error) {
    struct layer *stem = layers_add(layers, LAYER_CONV, "stem", "conv");
    stem->out = o->width;
    stem->kernel = 3;
    add_norm(layers, o, "stem", "bn");
    add_act(layers, o, "stem");
    if (!add_stages(layers, o, error)) {
        return false;
    }
    if (o->unit == 1) {
        add_norm(layers, o, "head", "bn");
        layers->list[layers->count - 1].momentum = 0.9; /* as published; unread without a norm */
    }
    layers_add(layers, LAYER_POOL, "head", "pool");
    struct layer *head = layers_add(layers, LAYER_DENSE, "", "head");
    head->out = o->classes;
    head->bias = true;
    return true;
}

static bool continuous_read(const cJSON *config, struct image_options *o, struct error *error) {
    static const char *const ignored[] = {"family", NULL};
    if (!option_read(continuous_options, sizeof continuous_options / sizeof *continuous_options,
                     "cn.net.continuous", config, ignored, o, error)) {
        return false;
    }
    o->steps = o->steps ? o->steps : o->nodes;
    o->stitch_steps = o->stitch_steps ? o->stitch_steps : o->steps;
    o->eps = o->eps > 0.0 ? o->eps : (double)o->nodes;
    return true;
}

static bool continuous_build(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                             ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    struct image_options o = {0};
    *augment = 0;
    if (!continuous_read(config, &o, error) ||
        !read_shape(o.input, "cn.net.continuous", 3, input, error) ||
        !build_image(&o, layers, error)) {
        return false;
    }
    *resolved = option_write(continuous_options,
                             sizeof continuous_options / sizeof *continuous_options, &o);
    return true;
}

/* x + R(x), unit after unit: the forward Euler net with one step and one cell a unit, and running
 * statistics as every residual net keeps them. */
static bool residual_build(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                           ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    static const char *const ignored[] = {"family", NULL};
    const int count = sizeof residual_options / sizeof *residual_options;
    struct image_options o = {0};
    *augment = 0;
    if (!option_read(residual_options, count, "cn.net.residual", config, ignored, &o, error) ||
        !read_shape(o.input, "cn.net.residual", 3, input, error)) {
        return false;
    }
    (void)snprintf(o.scheme, sizeof o.scheme, "euler");
    (void)snprintf(o.basis, sizeof o.basis, "piecewise_constant");
    o.steps = o.stitch_steps = o.nodes;
    o.eps = (double)o.nodes;
    o.norm_update = NORM_VISIT;
    if (!build_image(&o, layers, error)) {
        return false;
    }
    *resolved = option_write(residual_options, count, &o);
    return true;
}

/* ---- mlp: vectors ---- */

struct mlp_options {
    cJSON *input;
    ptrdiff_t outputs, hidden, layers, augment, steps, nodes, seed;
    int act, edge, field, precision;
    char scheme[OPTION_TEXT_SIZE], basis[OPTION_TEXT_SIZE];
    double eps;
};
#define MLP(field) offsetof(struct mlp_options, field)
static const struct option mlp_options[] = {
    {"input", OPTION_JSON, MLP(input), NULL, 0, 0, NULL, "number of features: {features}"},
    {"outputs", OPTION_INTEGER, MLP(outputs), "2", 1, 100000, NULL, "classes, or values"},
    {"hidden", OPTION_INTEGER, MLP(hidden), "32", 1, 100000, NULL,
     "width of the field's hidden layers"},
    {"layers", OPTION_INTEGER, MLP(layers), "1", 1, 16, NULL, "hidden layers of the field"},
    {"augment", OPTION_INTEGER, MLP(augment), "0", 0, 100000, NULL,
     "zero features appended to the state (Dupont et al. 2019)"},
    {"act", OPTION_CHOICE, MLP(act), "tanh", 0, 0, activation_names, "activation"},
    {"scheme", OPTION_TEXT, MLP(scheme), "rk4", 0, 0, NULL, "Runge-Kutta scheme"},
    {"steps", OPTION_INTEGER, MLP(steps), "0", 0, NET_STEPS_MAX, NULL, "steps N; 0: as many as nodes"},
    {"nodes", OPTION_INTEGER, MLP(nodes), "1", 1, 10000, NULL,
     "nodes K of the weights' basis in depth"},
    {"basis", OPTION_TEXT, MLP(basis), "piecewise_constant", 0, 0, NULL,
     "basis of the weights in depth"},
    {"eps", OPTION_NUMBER, MLP(eps), "0", 0, 1e6, NULL,
     "time scale of dx/dt = eps R(x); 0: the number of nodes"},
    {"edge", OPTION_CHOICE, MLP(edge), "open", 0, 0, edge_names,
     "weights read by a stage at the end of its step"},
    {"field", OPTION_CHOICE, MLP(field), "auto", 0, 0, field_names,
     "auto: the field is solved a few samples at a time; layers: layer by layer"},
    {"seed", OPTION_INTEGER, MLP(seed), "0", 0, 9e15, NULL, "seed of the initial weights"},
    {"precision", OPTION_CHOICE, MLP(precision), "f32", 0, 0, precision_names, "f32 or f64"},
};

static bool mlp_build(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                      ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    static const char *const ignored[] = {"family", NULL};
    const int count = sizeof mlp_options / sizeof *mlp_options;
    struct mlp_options o = {0};
    if (!option_read(mlp_options, count, "cn.net.mlp", config, ignored, &o, error)) {
        return false;
    }
    input[1] = input[2] = 1;
    if (!read_shape(o.input, "cn.net.mlp", cJSON_GetArraySize(o.input) == 3 ? 3 : 1, input,
                    error)) {
        return false;
    }
    if (input[1] * input[2] != 1) {
        return error_set(error, ERROR_VALUE,
                         "cn.net.mlp: input of %td x %td x %td is an image; use "
                         "cn.net.continuous, or flatten it into features",
                         input[0], input[1], input[2]);
    }
    *augment = o.augment;
    o.steps = o.steps ? o.steps : o.nodes;
    o.eps = o.eps > 0.0 ? o.eps : (double)o.nodes;
    const struct tableau *scheme = tableau_find(o.scheme, error);
    const struct basis *basis = scheme ? basis_find(o.basis, error) : NULL;
    if (!basis || !basis->valid((int)o.nodes, error)) {
        return false;
    }
    struct layer *block = layers_add(layers, LAYER_ODE, "", "block1");
    block->factor = o.eps;
    block->scheme = scheme;
    block->basis = basis;
    block->steps = (int)o.steps;
    block->nodes = (int)o.nodes;
    block->edge = (enum edge)o.edge;
    block->direct = o.field == 1;
    for (int i = 0; i <= o.layers; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "fc%d", i + 1);
        struct layer *dense = layers_add(&block->body, LAYER_DENSE, "block1", name);
        dense->out = i < o.layers ? o.hidden : input[0] + o.augment;
        dense->bias = true;
        if (i < o.layers) {
            layers_add(&block->body, LAYER_ACT, "block1", "act")->act = (enum activation)o.act;
        }
    }
    struct layer *head = layers_add(layers, LAYER_DENSE, "", "head");
    head->out = o.outputs;
    head->bias = true;
    *resolved = option_write(mlp_options, count, &o);
    return true;
}

/* ---- stack: layer by layer ---- */

struct stack_options {
    cJSON *input, *layers;
    ptrdiff_t seed;
    int precision;
};
static const struct option stack_options[] = {
    {"input", OPTION_JSON, offsetof(struct stack_options, input), NULL, 0, 0, NULL,
     "shape of one sample: {channels, height, width} or {features}"},
    {"layers", OPTION_JSON, offsetof(struct stack_options, layers), NULL, 0, 0, NULL,
     "list of layers, as in {layer = \"conv\", out = 16}: conv, dense, norm, relu, tanh, gelu, "
     "softplus, pool, flatten, monomials, residual{body}, ode{body}"},
    {"seed", OPTION_INTEGER, offsetof(struct stack_options, seed), "0", 0, 9e15, NULL,
     "seed of the initial weights"},
    {"precision", OPTION_CHOICE, offsetof(struct stack_options, precision), "f32", 0, 0,
     precision_names, "f32 or f64"},
};

static bool stack_build(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                        ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    static const char *const ignored[] = {"family", NULL};
    const int count = sizeof stack_options / sizeof *stack_options;
    struct stack_options o = {0};
    *augment = 0;
    input[1] = input[2] = 1;
    if (!option_read(stack_options, count, "cn.net.stack", config, ignored, &o, error) ||
        !read_shape(o.input, "cn.net.stack", cJSON_GetArraySize(o.input) == 1 ? 1 : 3, input,
                    error) ||
        !stack_layers(o.layers, "", layers, error)) {
        return false;
    }
    *resolved = option_write(stack_options, count, &o);
    return true;
}

/* ---- registry ---- */

static const struct family continuous = {
    "continuous", "ContinuousNet: residual units as vector fields of ODE blocks",
    continuous_options, sizeof continuous_options / sizeof *continuous_options};
static const struct family residual = {"residual", "the plain residual net built from the same units",
                                       residual_options,
                                       sizeof residual_options / sizeof *residual_options};
static const struct family mlp = {"mlp", "a dense vector field on feature vectors, with a linear head",
                                  mlp_options, sizeof mlp_options / sizeof *mlp_options};
static const struct family stack = {"stack", "a net written layer by layer", stack_options,
                                    sizeof stack_options / sizeof *stack_options};

static const struct entry {
    const struct family *family;
    family_builder *build;
} families[] = {
    {&continuous, continuous_build}, {&residual, residual_build}, {&mlp, mlp_build},
    {&family_dynamics, family_dynamics_build}, {&stack, stack_build},
};
enum { FAMILIES = sizeof families / sizeof *families };

int family_count(void) {
    return FAMILIES;
}

const struct family *family_at(int index) {
    return families[index].family;
}

bool family_build(const cJSON *config, struct layers *layers, ptrdiff_t input[3],
                  ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "family"));
    for (int i = 0; name && i < FAMILIES; i++) {
        if (strcmp(families[i].family->name, name) == 0) {
            cJSON *written = NULL;
            if (!families[i].build(config, layers, input, augment, &written, error)) {
                return false;
            }
            cJSON_AddStringToObject(written, "family", name);
            cJSON_Delete(*resolved);
            *resolved = written;
            return true;
        }
    }
    const char *names[FAMILIES];
    for (int i = 0; i < FAMILIES; i++) {
        names[i] = families[i].family->name;
    }
    const char *near = name ? option_nearest(name, names, FAMILIES) : NULL;
    return error_set(error, ERROR_VALUE,
                     "a net's configuration names its \"family\" (continuous, residual, mlp, dynamics "
                     "or stack), not %s%s%s%s",
                     name ? name : "nothing", near ? "; nearest is \"" : "", near ? near : "",
                     near ? "\"" : "");
}
