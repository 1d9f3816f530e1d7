/* Weights as kernels want them: packed in blocks, once per change. Also the first draw. */
#include "nets/chain.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

static void *real_at(const struct net *net, void *base, ptrdiff_t reals) {
    return (char *)base + reals * (ptrdiff_t)net->kernels->real_size;
}

struct packing {
    struct net *net;
    const struct weights *w;
    enum form form;
    void *to;
};

static void pack_cell(void *context, int cell, int worker) {
    (void)worker;
    const struct packing *p = context;
    const struct net *net = p->net;
    const struct weights *w = p->w;
    const struct kernels *k = net->kernels;
    const bool bias = p->form == FORM_BIAS;
    const bool back = p->form == FORM_BACKWARD || p->form == FORM_FAST_BACKWARD;
    const ptrdiff_t len = bias ? w->out : w->in * w->out * w->kernel * w->kernel;
    const void *from =
        real_at(net, net->values, net->parameters[bias ? w->bias : w->weight].offset + cell * len);
    void *to = real_at(net, p->to, cell * w->form_len[p->form]);
    if (bias) {
        memcpy(to, from, (size_t)len * k->real_size);
    } else if (p->form == FORM_FAST_FORWARD || p->form == FORM_FAST_BACKWARD) {
        k->winograd_pack(to, from, w->out, w->in, back);
    } else {
        k->pack(to, from, w->out, w->in, w->kernel, back);
    }
}

static struct packed *packed_of(const struct net *net, const struct weights *w, int form) {
    return &net->plan->packed[w->index * FORMS + form];
}

static void pack_weights(struct net *net, const struct weights *w, form_set wanted,
                         struct pool *pool) {
    for (int form = 0; form < FORMS; form++) {
        struct packed *packed = packed_of(net, w, form);
        if ((wanted >> form & 1) && packed->version != net->version) {
            struct packing packing = {net, w, (enum form)form, packed->at};
            pool_run(w->gradient_len > 20000 ? pool : NULL, w->cells, pack_cell, &packing);
            packed->version = net->version;
        }
    }
}

static bool reserve_weights(struct net *net, const struct weights *w, form_set wanted) {
    for (int form = 0; form < FORMS; form++) {
        struct packed *packed = packed_of(net, w, form);
        if ((wanted >> form & 1) && !packed->at) {
            const size_t size =
                (size_t)(w->cells * w->form_len[form]) * net->kernels->real_size;
            packed->at = memory_aligned((size + 63) / 64 * 64);
            if (!packed->at) {
                return false;
            }
            memset(packed->at, 0, size); /* the padding of biases is not packed */
        }
    }
    return true;
}

/* Reserves memory, or packs. */
static bool each_weights(struct net *net, const struct chain *chain, const form_set *wanted,
                         bool reserve, struct pool *pool) {
    bool good = true;
    for (int i = 0; i < chain->op_count && good; i++) {
        const struct op *op = &chain->ops[i];
        const struct weights *w = &op->weights;
        if (w->cells && reserve) {
            good = reserve_weights(net, w, wanted[w->index]);
        } else if (w->cells) {
            pack_weights(net, w, wanted[w->index], pool);
        }
        if (op->body) {
            good = good && each_weights(net, op->body, wanted, reserve, pool);
        }
    }
    return good;
}

bool weights_reserve(struct net *net, const form_set *wanted) {
    struct plan *plan = net->plan;
    pthread_mutex_lock(plan->lock);
    const bool good = each_weights(net, plan->chain, wanted, true, NULL);
    pthread_mutex_unlock(plan->lock);
    return good;
}

void weights_pack(struct net *net, const form_set *wanted, struct pool *pool) {
    struct plan *plan = net->plan;
    pthread_mutex_lock(plan->lock);
    (void)each_weights(net, plan->chain, wanted, false, pool);
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
