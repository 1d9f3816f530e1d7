/* Dense fields of whole batches: plan, memory, and gradients. A batch is cut into chunks, each with
 * gradients of its own, and a chunk into tiles (dense_tile.h); both depend on the size of the pass
 * alone. */
#include "nets/dense_field.h"

#include <assert.h>
#include <stdint.h>

#include "nets/dense_tile.h"

enum { CHUNK_LEAST = 8, TILE_MOST = 32 }; /* samples */

static enum keep keep_of(const struct pass *pass) {
    return !pass->options.gradients       ? KEEP_NOTHING
           : pass->memory == MEMORY_FULL ? KEEP_TRACES
                                         : KEEP_STARTS;
}

/* Its dense layers, of which monomials may come first. */
static const struct op *layers_of(const struct op *op, int *count) {
    const int lifts = op->body->ops[0].kind == OP_MONOMIALS;
    *count = op->body->op_count - lifts;
    return op->body->ops + lifts;
}

bool dense_field_fits(const struct op *op) {
    const struct chain *body = op->body;
    if (op->kind != OP_ODE || op->layer->direct || body->op_count == 0 || body->out.norm >= 0 ||
        body->out.buffer != body->ops[body->op_count - 1].out) {
        return false;
    }
    for (int i = 0; i < body->op_count; i++) {
        const struct op *dense = &body->ops[i];
        const bool first = i == 0 && dense->kind == OP_MONOMIALS;
        const bool lifted = i == 1 && body->ops[0].kind == OP_MONOMIALS;
        if ((dense->kind != OP_DENSE && !first) || dense->in.norm >= 0 ||
            (lifted && dense->in.act != ACT_NONE) ||
            dense->in.buffer != (i > 0 ? body->ops[i - 1].out : 0)) {
            return false;
        }
    }
    return body->ops[body->op_count - 1].kind == OP_DENSE;
}

/* The coefficients among the stages that count. */
static void plan_stages(struct dense_field *d) {
    const struct tableau *t = d->run.scheme;
    const struct reach reach = ode_reach(d->op, t);
    const double h = d->op->layer->factor / d->run.steps;
    for (int i = 0; i < t->stages; i++) {
        if (reach.stage[i]) {
            d->stage[d->stages++] = i;
        }
    }
    for (int i = 0; i < d->stages; i++) {
        d->b[i] = h * t->bv[d->stage[i]];
        for (int j = 0; j < i; j++) {
            d->a[i][j] = h * t->av[d->stage[i]][d->stage[j]];
        }
    }
}

static void plan_field(const struct pass *pass, const struct op *op, struct field *f,
                       struct field_layer *layers, int cell) {
    const struct chain *body = op->body;
    int count;
    const struct op *dense = layers_of(op, &count);
    *f = (struct field){.in = body->buffers[0].channels,
                        .lead = op->layer->timed ? ode_state(op)->len : 0,
                        .first = body->ops[0].in.act,
                        .lift = dense > body->ops ? &body->ops[0].monomials : NULL,
                        .count = count,
                        .layers = layers};
    for (int i = 0; i < f->count; i++) {
        const struct weights *w = &dense[i].weights;
        layers[i] = (struct field_layer){
            .in = w->in,
            .out = w->out,
            .act = i + 1 < f->count ? dense[i + 1].in.act : body->out.act,
            .forward = packed_forward(pass, w, cell),
            .backward = packed_backward(pass, w, cell),
            .bias = packed_bias(pass, w, cell)};
    }
    pass->k->field_plan(f);
}

struct dense_field *dense_field_create(struct pass *pass, const struct op *op) {
    const struct chain *body = op->body;
    struct dense_field *d = pass_take_zero(pass, sizeof *d);
    if (!d) {
        return NULL;
    }
    d->op = op;
    d->run = pass_run(pass, op);
    d->intervals = op->layer->intervals;
    d->steps = d->run.steps * d->intervals;
    plan_stages(d);
    d->cells = op->layer->nodes;
    d->len = ode_state(op)->len;
    d->paced = op->layer->paced;
    d->timed = op->layer->timed;
    assert(!d->paced || (body->out.act == ACT_NONE && op->skip < 0));
    const ptrdiff_t even = (pass->options.batch - 1) / CHUNKS + 1;
    d->chunk = (even + CHUNK_LEAST - 1) / CHUNK_LEAST * CHUNK_LEAST;
    d->tile = d->chunk < TILE_MOST ? d->chunk : TILE_MOST;
    const size_t cells = (size_t)d->cells, layers = (size_t)body->op_count;
    struct field_layer *all = pass_take_zero(pass, cells * layers * sizeof *all);
    d->fields = pass_take_zero(pass, cells * sizeof *d->fields);
    d->skip = pass_take_zero(pass, cells * sizeof *d->skip);
    d->cell = pass_take_zero(pass, (size_t)d->run.steps * (size_t)d->stages * sizeof *d->cell);
    if (!all || !d->fields || !d->skip || !d->cell) {
        return NULL;
    }
    for (int cell = 0; cell < d->cells; cell++, all += layers) {
        plan_field(pass, op, &d->fields[cell], all, cell);
    }
    for (int step = 0; step < d->run.steps; step++) {
        for (int i = 0; i < d->stages; i++) {
            d->cell[step * d->stages + i] = ode_cell(op, &d->run, step, d->stage[i]);
        }
    }
    return d;
}

/* ---- memory ---- */

static ptrdiff_t chunk_count(const struct dense_field *d, ptrdiff_t samples) {
    return (samples + d->chunk - 1) / d->chunk;
}

static ptrdiff_t kept_len(const struct pass *pass, const struct dense_field *d) { /* of a sample */
    const enum keep keep = keep_of(pass);
    return d->steps * (keep == KEEP_TRACES ? dense_traces_len(d) : keep == KEEP_STARTS ? d->len : 0);
}

/* Of one worker, see struct dense_tile: slots, state; in the backward pass backs, ybars
 * and timed too. */
static ptrdiff_t state_at(const struct pass *pass, const struct dense_field *d) {
    return keep_of(pass) == KEEP_TRACES ? 0 : dense_traces_len(d) * d->tile;
}
static ptrdiff_t backs_at(const struct pass *pass, const struct dense_field *d) {
    return state_at(pass, d) + (d->intervals > 1 ? d->len * d->tile : 0);
}
static ptrdiff_t ybars_at(const struct pass *pass, const struct dense_field *d) {
    return backs_at(pass, d) + d->stages * d->fields[0].back_len * d->tile;
}
static ptrdiff_t timed_at(const struct pass *pass, const struct dense_field *d) {
    return ybars_at(pass, d) + d->stages * d->len * d->tile;
}
static ptrdiff_t worker_len(const struct pass *pass, const struct dense_field *d, bool back) {
    const ptrdiff_t timed = d->timed ? d->op->body->buffers[0].len * d->tile : 0;
    return back ? timed_at(pass, d) + timed : backs_at(pass, d);
}

/* Of the backward pass: weight gradients of every chunk and cell, and, one a block of reals, those
 * of the skip scalars. */
static ptrdiff_t sums_len(const struct pass *pass, const struct dense_field *d) {
    return chunk_count(d, pass->options.batch) * d->cells * d->fields[0].gradient_len;
}
static ptrdiff_t skips_len(const struct pass *pass, const struct dense_field *d) {
    return chunk_count(d, pass->options.batch) * d->cells * BLOCK;
}

static size_t bytes_of(const struct pass *pass, double reals) {
    const double bytes = reals * (double)pass->k->real_size;
    return bytes < 0.5 * (double)SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

size_t dense_field_kept(const struct pass *pass, const struct dense_field *d) {
    return bytes_of(pass, (double)pass->options.batch * (double)kept_len(pass, d));
}

size_t dense_field_room(const struct pass *pass, const struct dense_field *d, bool back) {
    const double workers =
        (double)pool_threads(pass->pool) * (double)worker_len(pass, d, back);
    return bytes_of(pass, workers + (back ? (double)sums_len(pass, d) : 0.0) +
                              (back ? (double)skips_len(pass, d) : 0.0));
}

void dense_field_seat(struct dense_field *d, bool back, void *kept, void *room) {
    d->kept = kept;
    d->room[back] = room;
}

/* ---- a batch ---- */

struct batch {
    struct pass *pass;
    const struct dense_field *d;
    bool back;
    const void *x; /* forward: from x to out */
    void *out;
    void *g, *dx; /* back: from g to dx */
    void *sums;   /* (chunks, cells, gradient_len) */
    void *skips;  /* (chunks, cells, BLOCK) reals, doubles in fact */
    void *room;   /* of the workers */
};

static double *skip_sums(const struct batch *b, ptrdiff_t chunk) {
    return at(b->pass, b->skips, chunk * b->d->cells * BLOCK);
}

static void run_chunk(void *context, int chunk, int worker) {
    const struct batch *b = context;
    const struct dense_field *d = b->d;
    struct pass *pass = b->pass;
    const ptrdiff_t first = chunk * d->chunk, len = d->cells * d->fields[0].gradient_len;
    const ptrdiff_t last = first + d->chunk < pass->count ? first + d->chunk : pass->count;
    struct dense_tile t = {.pass = pass,
                     .d = d,
                     .keep = keep_of(pass),
                     .slots = at(pass, b->room, worker * worker_len(pass, d, b->back))};
    t.state = at(pass, t.slots, state_at(pass, d));
    t.backs = at(pass, t.slots, backs_at(pass, d));
    t.ybars = at(pass, t.slots, ybars_at(pass, d));
    t.timed = at(pass, t.slots, timed_at(pass, d));
    if (b->back) {
        t.gradient = at(pass, b->sums, chunk * len);
        t.skip_gradient = skip_sums(b, chunk);
        memset(t.gradient, 0, (size_t)len * pass->k->real_size);
        memset(t.skip_gradient, 0, (size_t)d->cells * sizeof *t.skip_gradient);
    }
    for (t.first = first; t.first < last; t.first += d->tile) {
        t.rows = last - t.first < d->tile ? last - t.first : d->tile;
        t.clock = d->paced ? at(pass, pass->clock, 2 * t.first) : NULL;
        if (b->back) {
            dense_tile_backward(&t, b->g, b->dx);
        } else {
            dense_tile_forward(&t, b->x, b->out);
        }
    }
}

static void run_batch(struct batch *b) {
    const struct dense_field *d = b->d;
    struct pass *pass = b->pass;
    const double work = (double)(pass->count * d->fields[0].gradient_len) * d->steps *
                        d->stages * (b->back ? 4.0 : 2.0); /* flops */
    pool_run(work > 2e5 ? pass->pool : NULL, (int)chunk_count(d, pass->count), run_chunk, b);
}

void dense_field_forward(struct pass *pass, struct dense_field *d, const void *x, void *out) {
    for (int cell = 0; cell < d->cells; cell++) {
        d->skip[cell] = ode_skip(pass, d->op, cell);
    }
    struct batch b = {.pass = pass, .d = d, .x = x, .out = out, .room = d->room[0]};
    run_batch(&b);
}

static void add_gradients(void *context, int index, int worker) {
    (void)worker;
    const struct batch *b = context;
    struct pass *pass = b->pass;
    const struct dense_field *d = b->d;
    const struct net *net = pass->net;
    int layers;
    const struct op *dense = layers_of(d->op, &layers);
    const int cell = index / layers, layer = index % layers;
    const struct field *f = &d->fields[cell];
    const struct weights *w = &dense[layer].weights;
    void *dw = at(pass, net->grads, net->parameters[w->weight].offset + cell * w->out * w->in);
    void *dbias = w->bias < 0 ? NULL
                              : at(pass, net->grads,
                                   net->parameters[w->bias].offset + cell * w->out);
    pass->k->field_gradient(f, layer, at(pass, b->sums, cell * f->gradient_len),
                            chunk_count(d, pass->count), d->cells * f->gradient_len, dw, dbias);
}

static void add_skip_gradients(const struct batch *b) {
    struct pass *pass = b->pass;
    const struct dense_field *d = b->d;
    const ptrdiff_t parts = chunk_count(d, pass->count);
    for (int cell = 0; cell < d->cells; cell++) {
        void *target =
            at(pass, pass->net->grads, pass->net->parameters[d->op->skip].offset + cell);
        double sum;
        pass->k->to_doubles(&sum, target, 1);
        for (ptrdiff_t c = 0; c < parts; c++) {
            sum += skip_sums(b, c)[cell];
        }
        pass->k->from_doubles(target, &sum, 1);
    }
}

void dense_field_backward(struct pass *pass, struct dense_field *d, void *g, void *dx) {
    struct batch b = {.pass = pass, .d = d, .back = true, .g = g, .dx = dx, .sums = d->room[1]};
    b.skips = at(pass, b.sums, sums_len(pass, d));
    b.room = at(pass, b.skips, skips_len(pass, d));
    run_batch(&b);
    const bool large = d->cells * d->fields[0].gradient_len > 20000;
    pool_run(large ? pass->pool : NULL, d->cells * d->fields[0].count, add_gradients, &b);
    if (d->op->skip >= 0) {
        add_skip_gradients(&b);
    }
}
