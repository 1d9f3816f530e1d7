/* Weights as kernels want them: packed in blocks, once per change. Also the first draw. */
#include "nets/chain.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static void *real_at(const struct net *net, void *base, ptrdiff_t reals) {
    return (char *)base + reals * (ptrdiff_t)net->kernels->real_size;
}

struct packing {
    struct net *net;
    const struct weights *w;
};

/* Part 2 c: the forward weights of cell c; 2 c + 1: the backward ones. */
static void pack_part(void *context, int part, int worker) {
    (void)worker;
    const struct packing *p = context;
    const struct net *net = p->net;
    const struct weights *w = p->w;
    const struct kernels *k = net->kernels;
    const int cell = part / 2, back = part % 2;
    const ptrdiff_t len = w->in * w->out * w->kernel * w->kernel;
    const void *from = real_at(net, net->values, net->parameters[w->weight].offset + cell * len);
    void *to = real_at(net, net->plan->packed,
                       back ? w->backward + cell * w->backward_len
                            : w->forward + cell * w->forward_len);
    if (back ? w->winograd_backward : w->winograd_forward) {
        k->winograd_pack(to, from, w->out, w->in, back);
    } else {
        k->pack(to, from, w->out, w->in, w->kernel, back);
    }
}

static void pack_weights(struct net *net, const struct weights *w, struct pool *pool) {
    const struct kernels *k = net->kernels;
    struct packing packing = {net, w};
    pool_run(w->forward_len > 20000 ? pool : NULL, 2 * w->cells, pack_part, &packing);
    for (int cell = 0; cell < w->cells && w->bias >= 0; cell++) {
        void *bias = real_at(net, net->plan->packed, w->padded_bias + cell * w->bias_len);
        k->set(bias, 0.0, w->bias_len);
        memcpy(bias, real_at(net, net->values, net->parameters[w->bias].offset + cell * w->out),
               (size_t)w->out * k->real_size);
    }
}

static void pack_chain(struct net *net, const struct chain *chain, struct pool *pool) {
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->weights.cells) {
            pack_weights(net, &op->weights, pool);
        }
        if (op->body) {
            pack_chain(net, op->body, pool);
        }
    }
}

void weights_pack(struct net *net, struct pool *pool) {
    struct plan *plan = net->plan;
    pthread_mutex_lock(plan->lock);
    if (plan->packed_version != net->version) {
        pack_chain(net, plan->chain, pool);
        plan->packed_version = net->version;
    }
    pthread_mutex_unlock(plan->lock);
}

void weights_draw(struct net *net, uint64_t seed) {
    for (int p = 0; p < net->parameter_count; p++) {
        const struct parameter *parameter = &net->parameters[p];
        const struct initial *initial = &net->plan->initials[p];
        const uint64_t stream = rng_stream(parameter->name);
        double tile[256];
        for (ptrdiff_t i = 0; i < parameter->len; i += 256) {
            const ptrdiff_t n = parameter->len - i < 256 ? parameter->len - i : 256;
            for (ptrdiff_t j = 0; j < n; j++) {
                const uint64_t index = (uint64_t)(i + j);
                tile[j] = initial->kind == INITIAL_NORMAL
                              ? initial->value * rng_normal(seed, stream, index)
                          : initial->kind == INITIAL_UNIFORM
                              ? initial->value * (2.0 * rng_uniform(seed, stream, index) - 1.0)
                              : initial->value;
            }
            net->kernels->from_doubles(real_at(net, net->values, parameter->offset + i), tile, n);
        }
    }
    net_touch(net);
}
