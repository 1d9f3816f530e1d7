#include "nets/net_field.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nets/chain.h"
#include "nets/monomials.h"

struct dense { /* v = act(W x + b) */
    ptrdiff_t in, out;
    enum activation act;
    const double *weight, *bias;           /* (cells, out, in), (cells, out) or NULL */
    double *weight_gradient, *bias_gradient;
    double *turned;                        /* (cells, in, out) */
    double *u, *v, *g;                     /* (out) before and behind the activation; gradient */
};

struct net_field {
    const char *name;
    ptrdiff_t n, inputs, gradient_len; /* inputs: n, or n + 1 with the time behind the state */
    int cells, count;
    bool physical; /* t is time, not depth */
    double time, factor;
    enum activation first; /* of the state, before the first layer */
    struct monomials lift; /* what the first layer reads of it; count 0: itself */
    double *phi, *phi_g;   /* (lift.count) and the gradient by them */
    struct dense *layers;
    const double *skip; /* (cells) or NULL */
    double *skip_gradient;
    double *values, *gradient; /* of the whole net's trainable parameters */
    double *v0, *g0;           /* (inputs) */
    double *memory;
};

static double activate(enum activation act, double x) {
    switch (act) {
    case ACT_NONE:
        return x;
    case ACT_RELU:
        return x > 0 || isnan(x) ? x : 0;
    case ACT_TANH:
        return tanh(x);
    case ACT_GELU:
        return x * erfc(-x * M_SQRT1_2) / 2;
    case ACT_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    }
    return NAN;
}

/* The derivative at x, where the value is v. */
static double activate_slope(enum activation act, double x, double v) {
    switch (act) {
    case ACT_NONE:
        return 1;
    case ACT_RELU:
        return x > 0 ? 1 : 0;
    case ACT_TANH:
        return 1 - v * v;
    case ACT_GELU:
        return erfc(-x * M_SQRT1_2) / 2 + x * exp(-x * x / 2) / sqrt(2 * M_PI);
    case ACT_SOFTPLUS:
        return 1 / (1 + exp(-x));
    }
    return NAN;
}

int net_field_cells(const struct net_field *f) {
    return f->cells;
}

double net_field_border(const struct net_field *f, int cell) {
    return (double)cell / (double)f->cells;
}

static int cell_of(const struct net_field *f, double t) {
    const double place = floor(t * f->cells);
    const int cell = place >= f->cells ? f->cells - 1 : place > 0 ? (int)place : 0;
    /* the product is rounded: what counts is on which side of the rounded border t is */
    if (cell > 0 && t < net_field_border(f, cell)) {
        return cell - 1;
    }
    return cell + 1 < f->cells && t >= net_field_border(f, cell + 1) ? cell + 1 : cell;
}

/* Runs one state through all layers; the last one's v is the field without its factor. */
static const double *run(struct net_field *f, int cell, double t, const double *y) {
    for (ptrdiff_t i = 0; i < f->inputs; i++) {
        f->v0[i] = activate(f->first, i < f->n ? y[i] : t);
    }
    const double *x = f->v0;
    if (f->lift.count > 0) {
        f->phi[0] = 1;
        for (ptrdiff_t m = 1; m < f->lift.count; m++) {
            f->phi[m] = f->phi[f->lift.parent[m]] * f->v0[f->lift.feature[m]];
        }
        x = f->phi;
    }
    for (int l = 0; l < f->count; l++) {
        const struct dense *const layer = &f->layers[l];
        const double *const weight = layer->turned + cell * layer->in * layer->out;
        double *const u = layer->u, *const v = layer->v;
        for (ptrdiff_t o = 0; o < layer->out; o++) {
            u[o] = layer->bias ? layer->bias[cell * layer->out + o] : 0;
        }
        for (ptrdiff_t i = 0; i < layer->in; i++) {
            for (ptrdiff_t o = 0; o < layer->out; o++) {
                u[o] += weight[i * layer->out + o] * x[i];
            }
        }
        for (ptrdiff_t o = 0; o < layer->out; o++) {
            v[o] = activate(layer->act, u[o]);
        }
        x = v;
    }
    return x;
}

static double factor_of(const struct net_field *f, int cell) {
    return f->factor * (f->skip ? f->skip[cell] : 1);
}

static bool value(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    struct net_field *const f = context;
    for (ptrdiff_t s = 0; s < count; s++) {
        const int cell = cell_of(f, t[s]);
        const double *const v = run(f, cell, t[s], y + s * f->n);
        const double factor = factor_of(f, cell);
        for (ptrdiff_t i = 0; i < f->n; i++) {
            dy[s * f->n + i] = factor * v[i];
        }
    }
    return true;
}

/* Through one layer: its g becomes the gradient by u, `gx` (in) that by x; weights get theirs. */
static void pull_layer(const struct dense *layer, int cell, const double *x, double *gx,
                       double scale) {
    const ptrdiff_t in = layer->in, out = layer->out;
    const double *const weight = layer->weight + cell * in * out;
    double *const dw = layer->weight_gradient + cell * in * out;
    memset(gx, 0, (size_t)in * sizeof *gx);
    for (ptrdiff_t o = 0; o < out; o++) {
        const double g = layer->g[o] * activate_slope(layer->act, layer->u[o], layer->v[o]);
        const double part = scale * g;
        for (ptrdiff_t i = 0; i < in; i++) {
            gx[i] += weight[o * in + i] * g;
            dw[o * in + i] += part * x[i];
        }
        if (layer->bias_gradient) {
            layer->bias_gradient[cell * out + o] += part;
        }
    }
}

/* The gradient by the state's values from that by its monomials, which is used up. */
static void pull_lift(struct net_field *f) {
    memset(f->g0, 0, (size_t)f->inputs * sizeof *f->g0);
    for (ptrdiff_t m = f->lift.count - 1; m > 0; m--) {
        const ptrdiff_t parent = f->lift.parent[m], feature = f->lift.feature[m];
        f->g0[feature] += f->phi_g[m] * f->phi[parent];
        f->phi_g[parent] += f->phi_g[m] * f->v0[feature];
    }
}

static bool pull(void *context, ptrdiff_t count, const double *t, const double *y, const double *a,
                 double *ybar, double scale) {
    struct net_field *const f = context;
    const bool lifts = f->lift.count > 0;
    for (ptrdiff_t s = 0; s < count; s++) {
        const int cell = cell_of(f, t[s]);
        const double *const state = y + s * f->n, *const v = run(f, cell, t[s], state);
        const double factor = factor_of(f, cell);
        double *const last = f->layers[f->count - 1].g;
        for (ptrdiff_t i = 0; i < f->n; i++) {
            last[i] = factor * a[s * f->n + i];
            if (f->skip) {
                f->skip_gradient[cell] += scale * f->factor * a[s * f->n + i] * v[i];
            }
        }
        for (int l = f->count - 1; l >= 0; l--) {
            pull_layer(&f->layers[l], cell,
                       l > 0   ? f->layers[l - 1].v
                       : lifts ? f->phi
                               : f->v0,
                       l > 0   ? f->layers[l - 1].g
                       : lifts ? f->phi_g
                               : f->g0,
                       scale);
        }
        if (lifts) {
            pull_lift(f);
        }
        for (ptrdiff_t i = 0; i < f->n; i++) {
            ybar[s * f->n + i] = f->g0[i] * activate_slope(f->first, state[i], f->v0[i]);
        }
    }
    return true;
}

/* ---- making it ----------------------------------------------------------------------------- */

/* How many operations come before the dense layers: one, where monomials do. */
static int lifts_of(const struct chain *body) {
    return body->op_count > 1 && body->ops[0].kind == OP_MONOMIALS;
}

/* Whether the body is dense layers and activations, one behind the other, perhaps of monomials. */
static bool is_dense(const struct chain *body) {
    if (body->op_count == 0 || body->out.norm >= 0 ||
        body->out.buffer != body->ops[body->op_count - 1].out) {
        return false;
    }
    for (int i = 0; i < body->op_count; i++) {
        const struct op *const op = &body->ops[i];
        const bool lifted = i == 1 && lifts_of(body) > 0;
        if (op->kind != (i < lifts_of(body) ? OP_MONOMIALS : OP_DENSE) || op->in.norm >= 0 ||
            (lifted && op->in.act != ACT_NONE) ||
            op->in.buffer != (i > 0 ? body->ops[i - 1].out : 0)) {
            return false;
        }
    }
    return true;
}

static void seat_layer(struct net_field *f, const struct net *net, const struct chain *body,
                       int index, double **room) {
    const struct op *const op = &body->ops[index + lifts_of(body)];
    const bool last = op == &body->ops[body->op_count - 1];
    const struct weights *const w = &op->weights;
    struct dense *const layer = &f->layers[index];
    const ptrdiff_t at = net->parameters[w->weight].offset, size = w->in * w->out;
    *layer = (struct dense){.in = w->in,
                            .out = w->out,
                            .act = last ? body->out.act : op[1].in.act,
                            .weight = f->values + at,
                            .weight_gradient = f->gradient + at};
    if (w->bias >= 0) {
        layer->bias = f->values + net->parameters[w->bias].offset;
        layer->bias_gradient = f->gradient + net->parameters[w->bias].offset;
    }
    layer->u = *room;
    layer->v = layer->u + w->out;
    layer->g = layer->v + w->out;
    layer->turned = layer->g + w->out;
    *room = layer->turned + f->cells * size;
    for (int cell = 0; cell < f->cells; cell++) {
        for (ptrdiff_t o = 0; o < w->out; o++) {
            for (ptrdiff_t i = 0; i < w->in; i++) {
                layer->turned[cell * size + i * w->out + o] =
                    layer->weight[cell * size + o * w->in + i];
            }
        }
    }
}

static struct net_field *make(const struct net *net, const struct op *op, struct error *error) {
    const struct chain *const body = op->body;
    struct net_field *const f = calloc(1, sizeof *f);
    const cJSON *const dt = cJSON_GetObjectItemCaseSensitive(net->config, "dt");
    const int cells = op->layer->nodes, lifts = lifts_of(body);
    const struct monomials *const lift = lifts ? &body->ops[0].monomials : NULL;
    ptrdiff_t reals = 2 * net->trainable_len + 2 * body->buffers[0].channels;
    reals += lift ? 2 * lift->count : 0;
    for (int i = lifts; i < body->op_count; i++) {
        const struct weights *const w = &body->ops[i].weights;
        reals += 3 * w->out + cells * w->in * w->out;
    }
    if (f) {
        f->memory = calloc((size_t)reals, sizeof *f->memory);
        f->layers = calloc((size_t)body->op_count, sizeof *f->layers);
    }
    if (!f || !f->memory || !f->layers) {
        net_field_free(f);
        (void)error_set(error, ERROR_MEMORY, "no memory for the field of a net");
        return NULL;
    }
    if (lift && !monomials_init(&f->lift, lift->in, lift->degree, error)) {
        net_field_free(f);
        return NULL;
    }
    f->name = "net";
    f->n = ode_state(op)->channels;
    f->inputs = body->buffers[0].channels;
    f->cells = cells;
    f->count = body->op_count - lifts;
    f->physical = cJSON_IsNumber(dt);
    f->time = f->physical && dt->valuedouble > 0 ? dt->valuedouble : 1;
    f->factor = op->layer->factor / (op->layer->paced ? 1 : f->time);
    f->first = body->ops[0].in.act;
    f->values = f->memory;
    f->gradient = f->values + net->trainable_len;
    f->gradient_len = net->trainable_len;
    f->v0 = f->gradient + net->trainable_len;
    f->g0 = f->v0 + f->inputs;
    net->kernels->to_doubles(f->values, net->values, net->trainable_len);
    f->phi = f->g0 + f->inputs;
    f->phi_g = f->phi + f->lift.count;
    double *room = f->phi_g + f->lift.count;
    for (int i = 0; i < f->count; i++) {
        seat_layer(f, net, body, i, &room);
    }
    assert(room == f->memory + reals);
    if (op->skip >= 0) {
        f->skip = f->values + net->parameters[op->skip].offset;
        f->skip_gradient = f->gradient + net->parameters[op->skip].offset;
    }
    return f;
}

struct net_field *net_field_create(const struct net *net, int block, struct error *error) {
    const struct plan *const plan = net->plan;
    if (block < 0 || block >= plan->ode_count) {
        (void)error_set(error, ERROR_VALUE, "this net has %d ODE block%s; there is no block %d",
                        plan->ode_count, plan->ode_count == 1 ? "" : "s", block + 1);
        return NULL;
    }
    const struct op *const op = plan->odes[block];
    if (!is_dense(op->body)) {
        (void)error_set(error, ERROR_VALUE,
                        "the body of block %d is not made of dense layers and activations alone, "
                        "so it is no field of doubles here",
                        block + 1);
        return NULL;
    }
    if (op->layer->nodes > 1 && cJSON_HasObjectItem(net->config, "dt")) {
        (void)error_set(error, ERROR_VALUE,
                        "block %d has %d nodes in depth, so it is no field in time", block + 1,
                        op->layer->nodes);
        return NULL;
    }
    return make(net, op, error);
}

void net_field_free(struct net_field *f) {
    if (f) {
        monomials_release(&f->lift);
        free(f->layers);
        free(f->memory);
        free(f);
    }
}

struct ode_field net_field_ode(struct net_field *f) {
    return (struct ode_field){
        .name = f->name, .n = f->n, .value = value, .pull = pull, .context = f};
}

double net_field_time(const struct net_field *f) {
    return f->time;
}

void net_field_span(struct net_field *f, double time) {
    assert(f->cells == 1 && time > 0 && !f->physical);
    f->factor *= f->time / time;
    f->time = time;
    f->physical = true;
}

bool net_field_whole(const struct net *net) {
    const struct plan *const plan = net->plan;
    return plan->layers.count == 1 && plan->layers.list[0].kind == LAYER_ODE &&
           plan->layers.list[0].nodes == 1 && plan->augment == 0;
}

bool net_field_single(const struct net *net) {
    return net_field_whole(net) && net->plan->clock == 0 &&
           net->plan->layers.list[0].intervals == 1;
}

bool net_field_physical(const struct net_field *f) {
    return f->physical;
}

bool net_field_kinked(const struct net_field *f) {
    bool kinked = f->first == ACT_RELU;
    for (int i = 0; i < f->count; i++) {
        kinked = kinked || f->layers[i].act == ACT_RELU;
    }
    return kinked;
}

const double *net_field_gradient(const struct net_field *f) {
    return f->gradient;
}

void net_field_zero(struct net_field *f) {
    memset(f->gradient, 0, (size_t)f->gradient_len * sizeof *f->gradient);
}
