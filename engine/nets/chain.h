/* A chain: layers compiled into few operations on buffers. Normalisations and activations become
 * transforms through which the next operation reads (kernels.h), so each buffer holds what a
 * convolution, a dense layer or an integrator wrote. A chain is the same for every batch size; the
 * memory it runs in is a frame (pass.h). Residual and ODE operations own a chain of their own. */
#ifndef CONTINUO_NETS_CHAIN_H
#define CONTINUO_NETS_CHAIN_H

#include "nets/layer.h"
#include "nets/net.h"

struct buffer { /* one sample: `channels` real channels in `extent.blocks` blocks */
    ptrdiff_t channels;
    struct extent extent;
    int states;    /* so many of these make up a sample */
    ptrdiff_t len; /* reals of a sample, padding included */
};

struct lazy { /* a buffer and what is still to be done to it */
    int buffer;
    enum activation act;
    bool act_first;
    int norm; /* index into norms, or -1 */
};

static inline bool lazy_is_plain(struct lazy lazy) {
    return lazy.norm < 0 && lazy.act == ACT_NONE;
}

struct norm {
    const struct layer *layer;
    ptrdiff_t channels, padded;
    int gamma, beta, mean, var; /* parameters, (cells, channels) */
    int cells;
    struct lazy of; /* what it normalises: a buffer, or an activation of one */
};

enum op_kind {
    OP_CONV,
    OP_DENSE,
    OP_MONOMIALS,
    OP_MOMENTS,
    OP_STORE,
    OP_POOL,
    OP_FLATTEN,
    OP_RESIDUAL,
    OP_ODE,
};

/* What kernels read of an operation's weights, packed cell by cell (weights.c). */
enum form { FORM_FORWARD, FORM_BACKWARD, FORM_FAST_FORWARD, FORM_FAST_BACKWARD, FORM_BIAS, FORMS };
struct packed {
    void *at;         /* NULL: nobody has asked for it */
    uint64_t version; /* of the values it was packed from */
};

struct weights { /* of a convolution or dense layer */
    int index;        /* among the net's */
    int weight, bias; /* parameters; bias -1: none */
    int cells, kernel;
    ptrdiff_t in, out;
    bool winograd_forward, winograd_backward, winograd_weights; /* algorithms */
    ptrdiff_t form_len[FORMS]; /* of a cell, reals */
    ptrdiff_t gradient_len;    /* of a packed weight gradient, reals */
};

struct op {
    enum op_kind kind;
    const struct layer *layer;
    struct lazy in;
    int out;     /* buffer written; -1: OP_MOMENTS */
    int moments; /* norm whose batch moments are gathered while this runs, or -1 */
    struct convolution geometry;
    struct weights weights; /* conv, dense; residual: the 1x1 convolution */
    struct monomials monomials;
    int skip;               /* parameter of the skip scalar, or -1 */
    struct chain *body;     /* residual, ode */
    int index;              /* of its body among the chain's bodies */
};

enum { CHAIN_MAX = 64 }; /* operations, buffers, norms */

struct chain {
    int op_count, buffer_count, norm_count, body_count;
    struct op ops[CHAIN_MAX];
    struct buffer buffers[CHAIN_MAX]; /* 0 is the input */
    struct norm norms[CHAIN_MAX];
    struct lazy out;
};

/* The state of an ODE operation. */
static inline const struct buffer *ode_state(const struct op *op) {
    return &op->body->buffers[op->body->out.buffer];
}

/* What a net is made of once planned. */
struct plan {
    struct layers layers;
    ptrdiff_t augment;
    ptrdiff_t clock; /* values of a sample behind its state: 2 (t and dt) or 0 */
    struct chain *chain;
    int weights_count;
    struct packed *packed; /* (weights_count, FORMS) */
    int ode_count;
    const struct op *odes[NET_BLOCKS_MAX];
    struct initial *initials; /* how each parameter is drawn */
    void *lock;               /* pthread_mutex_t: of `packed`, which many passes share */
};

enum initial_kind { INITIAL_CONSTANT, INITIAL_NORMAL, INITIAL_UNIFORM };
struct initial {
    enum initial_kind kind;
    double value; /* the constant, the deviation, the bound */
};

/* Compiles layers for a sample of `input` channels, height, width; declares parameters in net.
 * `cells` is the number of nodes in depth, a leading axis of every parameter; 0: no such axis. */
struct chain *chain_create(struct net *net, const struct layers *layers, const ptrdiff_t input[3],
                           int cells, struct error *error);
void chain_free(struct chain *chain);
/* Makes the chain's output a buffer that holds the value itself. */
void chain_settle(struct chain *chain);

int net_declare(struct net *net, const char *prefix, const char *name, int cells, int rank,
                const ptrdiff_t *shape, bool trainable, enum initial_kind kind, double value);

/* Forms of the net's weights that a pass reads: (weights_count) sets, bit 1 << form. */
typedef uint8_t form_set;
/* Takes memory for all of them, which stays as long as the net. False: there is none. */
bool weights_reserve(struct net *net, const form_set *wanted);
/* Packs those again that net->version says are old. */
void weights_pack(struct net *net, const form_set *wanted, struct pool *pool);
void weights_draw(struct net *net, uint64_t seed);

#endif
