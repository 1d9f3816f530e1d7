#include "nets/chain.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nets/monomials.h"

static const struct lazy nothing = {.norm = -1};

static int add_buffer(struct chain *chain, ptrdiff_t channels, ptrdiff_t height, ptrdiff_t width) {
    assert(chain->buffer_count < CHAIN_MAX);
    const ptrdiff_t blocks = (channels + BLOCK - 1) / BLOCK;
    chain->buffers[chain->buffer_count] =
        (struct buffer){.channels = channels,
                        .extent = {blocks, height, width},
                        .states = 1,
                        .len = blocks * height * width * BLOCK};
    return chain->buffer_count++;
}

static struct op *add_op(struct chain *chain, enum op_kind kind, const struct layer *layer,
                         struct lazy in) {
    struct op *op = &chain->ops[chain->op_count++];
    *op = (struct op){
        .kind = kind, .layer = layer, .in = in, .out = -1, .moments = -1, .skip = -1};
    return op;
}

/* A buffer that holds the value itself: what operations without a transform of their own read. */
static struct lazy settle(struct chain *chain, struct lazy in) {
    if (lazy_is_plain(in)) {
        return in;
    }
    const struct buffer *from = &chain->buffers[in.buffer];
    const int out = add_buffer(chain, from->channels, from->extent.height, from->extent.width);
    add_op(chain, OP_STORE, NULL, in)->out = out;
    struct lazy lazy = nothing;
    lazy.buffer = out;
    return lazy;
}

static struct weights declare_weights(struct net *net, const struct layer *layer, const char *name,
                                      ptrdiff_t in, ptrdiff_t out, int kernel, bool bias,
                                      int cells) {
    char prefix[LAYER_NAME_SIZE + 8];
    (void)snprintf(prefix, sizeof prefix, "%s%s", layer->name, name);
    const bool dense = layer->kind == LAYER_DENSE;
    const ptrdiff_t shape[4] = {out, in, kernel, kernel};
    const double fan_in = (double)(in * kernel * kernel);
    const int copies = cells ? cells : 1;
    struct weights w = {.index = net->plan->weights_count++,
                        .cells = copies,
                        .kernel = kernel,
                        .in = in,
                        .out = out,
                        .bias = -1};
    const enum initial_kind drawn = layer->weight_zero ? INITIAL_CONSTANT
                                    : dense            ? INITIAL_UNIFORM
                                                       : INITIAL_NORMAL;
    const double size = layer->weight_zero ? 0.0
                        : dense            ? 1.0 / sqrt(fan_in)
                                           : sqrt(2.0 / (double)(kernel * kernel * out));
    w.weight =
        net_declare(net, prefix, "weight", cells, dense ? 2 : 4, shape, true, drawn, size);
    if (bias) {
        w.bias = net_declare(net, prefix, "bias", cells, 1, shape, true,
                             layer->bias_zero ? INITIAL_CONSTANT : INITIAL_UNIFORM,
                             layer->bias_zero ? 0.0 : 1.0 / sqrt(fan_in));
    }
    const ptrdiff_t in_blocks = (in + BLOCK - 1) / BLOCK, out_blocks = (out + BLOCK - 1) / BLOCK;
    const ptrdiff_t len = in_blocks * out_blocks * kernel * kernel * BLOCK * BLOCK;
    const ptrdiff_t fewest = 8; /* channels from which the transforms pay (bench_kernels) */
    const bool fast = kernel == 3 && !layer->direct && in >= fewest && out >= fewest;
    w.winograd_forward = fast && layer->stride == 1;
    w.winograd_backward = fast; /* a convolution of stride 1 over the dilated gradient */
    w.winograd_weights = w.winograd_forward && in >= BLOCK && out >= BLOCK;
    w.gradient_len = len;
    w.form_len[FORM_FORWARD] = w.form_len[FORM_BACKWARD] = len;
    w.form_len[FORM_FAST_FORWARD] = fast ? net->kernels->winograd_len(out, in) : 0;
    w.form_len[FORM_FAST_BACKWARD] = fast ? net->kernels->winograd_len(in, out) : 0;
    w.form_len[FORM_BIAS] = out_blocks * BLOCK;
    return w;
}

static bool add_conv(struct net *net, struct chain *chain, const struct layer *layer,
                     struct lazy *lazy, int cells, struct error *error) {
    const struct buffer *from = &chain->buffers[lazy->buffer];
    const ptrdiff_t h = from->extent.height, w = from->extent.width, s = layer->stride;
    const int pad = layer->kernel / 2;
    if (h < s || w < s) {
        return error_set(error, ERROR_VALUE,
                         "%s: a convolution of stride %td cannot read an image of %td x %td; use "
                         "a larger input or fewer strides",
                         layer->name, s, h, w);
    }
    struct op *op = add_op(chain, OP_CONV, layer, *lazy);
    op->geometry = (struct convolution){.in_channels = from->channels,
                                        .out_channels = layer->out,
                                        .height = (h - 1) / s + 1,
                                        .width = (w - 1) / s + 1,
                                        .frame_height = h + 2 * pad,
                                        .frame_width = w + 2 * pad,
                                        .kernel = layer->kernel,
                                        .stride = layer->stride};
    op->weights = declare_weights(net, layer, "", from->channels, layer->out, layer->kernel,
                                  layer->bias, cells);
    op->out = add_buffer(chain, layer->out, op->geometry.height, op->geometry.width);
    *lazy = nothing;
    lazy->buffer = op->out;
    return true;
}

static bool add_dense(struct net *net, struct chain *chain, const struct layer *layer,
                      struct lazy *lazy, int cells, struct error *error) {
    const struct buffer *from = &chain->buffers[lazy->buffer];
    if (from->extent.height * from->extent.width != 1) {
        return error_set(error, ERROR_VALUE,
                         "%s: a dense layer reads features, not an image of %td x %td x %td; put "
                         "a pool or flatten layer before it",
                         layer->name, from->channels, from->extent.height, from->extent.width);
    }
    struct op *op = add_op(chain, OP_DENSE, layer, *lazy);
    op->weights =
        declare_weights(net, layer, "", from->channels, layer->out, 1, layer->bias, cells);
    op->out = add_buffer(chain, layer->out, 1, 1);
    *lazy = nothing;
    lazy->buffer = op->out;
    return true;
}

static bool add_monomials(struct chain *chain, const struct layer *layer, struct lazy *lazy,
                          struct error *error) {
    const struct buffer from = chain->buffers[lazy->buffer];
    if (from.extent.height * from.extent.width != 1) {
        return error_set(error, ERROR_VALUE,
                         "%s: monomials are made of features, not of an image of %td x %td x %td; "
                         "put a pool or flatten layer before them",
                         layer->name, from.channels, from.extent.height, from.extent.width);
    }
    struct op *op = add_op(chain, OP_MONOMIALS, layer, settle(chain, *lazy));
    if (!monomials_init(&op->monomials, from.channels, layer->degree, error)) {
        return false;
    }
    op->out = add_buffer(chain, op->monomials.count, 1, 1);
    *lazy = nothing;
    lazy->buffer = op->out;
    return true;
}

static void add_norm(struct net *net, struct chain *chain, const struct layer *layer,
                     struct lazy *lazy, int cells) {
    if (lazy->norm >= 0) {
        *lazy = settle(chain, *lazy);
    }
    const ptrdiff_t channels = chain->buffers[lazy->buffer].channels;
    const int index = chain->norm_count++;
    chain->norms[index] = (struct norm){
        .layer = layer,
        .channels = channels,
        .padded = (channels + BLOCK - 1) / BLOCK * BLOCK,
        .cells = cells ? cells : 1,
        .of = *lazy,
        .gamma = net_declare(net, layer->name, "weight", cells, 1, &channels, true,
                             INITIAL_CONSTANT, 1.0),
        .beta = net_declare(net, layer->name, "bias", cells, 1, &channels, true, INITIAL_CONSTANT,
                            0.0),
        .mean = net_declare(net, layer->name, "running_mean", cells, 1, &channels, false,
                            INITIAL_CONSTANT, 0.0),
        .var = net_declare(net, layer->name, "running_var", cells, 1, &channels, false,
                           INITIAL_CONSTANT, 1.0)};
    struct op *last = chain->op_count ? &chain->ops[chain->op_count - 1] : NULL;
    if (last && last->kind == OP_CONV && last->out == lazy->buffer) {
        last->moments = index; /* gathered while the image is still in the cache */
    } else {
        add_op(chain, OP_MOMENTS, layer, *lazy)->moments = index;
    }
    lazy->act_first = lazy->act != ACT_NONE;
    lazy->norm = index;
}

static void add_act(struct chain *chain, const struct layer *layer, struct lazy *lazy) {
    if (layer->act == ACT_NONE) {
        return;
    }
    if (lazy->act != ACT_NONE) {
        *lazy = settle(chain, *lazy);
    }
    lazy->act = layer->act; /* after the norm when there is one */
    lazy->act_first = false;
}

static bool add_body(struct net *net, struct chain *chain, const struct layer *layer,
                     struct lazy *lazy, struct error *error) {
    *lazy = settle(chain, *lazy);
    const struct buffer from = chain->buffers[lazy->buffer];
    const ptrdiff_t input[3] = {from.channels + layer->timed, from.extent.height,
                                from.extent.width};
    const bool ode = layer->kind == LAYER_ODE;
    struct chain *body = chain_create(net, &layer->body, input, ode ? layer->nodes : 0, error);
    if (!body) {
        return false;
    }
    struct op *op = add_op(chain, ode ? OP_ODE : OP_RESIDUAL, layer, *lazy);
    op->body = body;
    op->index = chain->body_count++;
    const struct buffer to = body->buffers[body->out.buffer];
    if (layer->down) {
        const ptrdiff_t s = layer->stride;
        op->geometry = (struct convolution){.in_channels = from.channels,
                                            .out_channels = to.channels,
                                            .height = (from.extent.height - 1) / s + 1,
                                            .width = (from.extent.width - 1) / s + 1,
                                            .frame_height = from.extent.height,
                                            .frame_width = from.extent.width,
                                            .kernel = 1,
                                            .stride = layer->stride};
        op->weights = declare_weights(net, layer, ".down", from.channels, to.channels, 1, false, 0);
    }
    const bool same = layer->down ? op->geometry.height == to.extent.height &&
                                        op->geometry.width == to.extent.width
                                  : from.channels == to.channels &&
                                        from.extent.height == to.extent.height &&
                                        from.extent.width == to.extent.width;
    if (!same) {
        return error_set(error, ERROR_VALUE,
                         "%s: its body turns %td x %td x %td into %td x %td x %td; %s", layer->name,
                         from.channels, from.extent.height, from.extent.width, to.channels,
                         to.extent.height, to.extent.width,
                         ode ? "a vector field keeps the shape of the state"
                             : "the two paths of a residual layer must agree");
    }
    if (ode && layer->skip) {
        op->skip = net_declare(net, layer->name, "skip", layer->nodes, 0, NULL, true,
                               INITIAL_CONSTANT, 0.0);
    }
    if (ode) {
        if (net->plan->ode_count == NET_BLOCKS_MAX) {
            return error_set(error, ERROR_VALUE, "%s: a net has at most %d ODE blocks",
                             layer->name, NET_BLOCKS_MAX);
        }
        net->plan->odes[net->plan->ode_count++] = op;
    }
    op->out = add_buffer(chain, to.channels, to.extent.height, to.extent.width);
    if (ode) {
        chain->buffers[op->out].states = layer->intervals;
        chain->buffers[op->out].len *= layer->intervals;
    }
    *lazy = nothing;
    lazy->buffer = op->out;
    return true;
}

static bool add_layer(struct net *net, struct chain *chain, const struct layer *layer,
                      struct lazy *lazy, int cells, struct error *error) {
    const struct buffer from = chain->buffers[lazy->buffer];
    switch (layer->kind) {
    case LAYER_CONV:
        return add_conv(net, chain, layer, lazy, cells, error);
    case LAYER_DENSE:
        return add_dense(net, chain, layer, lazy, cells, error);
    case LAYER_NORM:
        add_norm(net, chain, layer, lazy, cells);
        return true;
    case LAYER_ACT:
        add_act(chain, layer, lazy);
        return true;
    case LAYER_POOL: {
        struct op *op = add_op(chain, OP_POOL, layer, *lazy);
        op->out = add_buffer(chain, from.channels, 1, 1);
        *lazy = nothing;
        lazy->buffer = op->out;
        return true;
    }
    case LAYER_FLATTEN: {
        struct op *op = add_op(chain, OP_FLATTEN, layer, settle(chain, *lazy));
        op->out = add_buffer(chain, from.channels * from.extent.height * from.extent.width, 1, 1);
        *lazy = nothing;
        lazy->buffer = op->out;
        return true;
    }
    case LAYER_MONOMIALS:
        return add_monomials(chain, layer, lazy, error);
    case LAYER_RESIDUAL:
    case LAYER_ODE:
        if (cells || (layer->kind == LAYER_ODE && layer->body.count == 0)) {
            return error_set(error, ERROR_VALUE, "%s: an ODE block's body is a plain stack of "
                             "layers, at least one, without blocks inside", layer->name);
        }
        return add_body(net, chain, layer, lazy, error);
    }
    return false;
}

struct chain *chain_create(struct net *net, const struct layers *layers, const ptrdiff_t input[3],
                           int cells, struct error *error) {
    struct chain *chain = calloc(1, sizeof *chain);
    if (!chain) {
        error_set(error, ERROR_MEMORY, "no memory for the plan of a net");
        return NULL;
    }
    struct lazy lazy = nothing;
    lazy.buffer = add_buffer(chain, input[0], input[1], input[2]);
    for (int i = 0; i < layers->count; i++) {
        if (chain->op_count > CHAIN_MAX - 4 || chain->norm_count > CHAIN_MAX - 4) {
            error_set(error, ERROR_VALUE, "%s: more than %d layers in a row are not planned",
                      layers->list[i].name, CHAIN_MAX - 4);
            chain_free(chain);
            return NULL;
        }
        if (!add_layer(net, chain, &layers->list[i], &lazy, cells, error)) {
            chain_free(chain);
            return NULL;
        }
    }
    chain->out = lazy;
    return chain;
}

void chain_settle(struct chain *chain) {
    chain->out = settle(chain, chain->out);
}

void chain_free(struct chain *chain) {
    if (!chain) {
        return;
    }
    for (int i = 0; i < chain->op_count; i++) {
        monomials_release(&chain->ops[i].monomials);
        chain_free(chain->ops[i].body);
    }
    free(chain);
}
