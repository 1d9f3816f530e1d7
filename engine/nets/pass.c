#include "nets/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- memory: all of it here, at creation ---- */

static void *take(struct pass *pass, size_t size) {
    if (pass->block_count == pass->block_capacity) {
        const int capacity = pass->block_capacity ? 2 * pass->block_capacity : 64;
        void **blocks = realloc(pass->blocks, (size_t)capacity * sizeof *blocks);
        if (!blocks) {
            return NULL;
        }
        pass->blocks = blocks;
        pass->block_capacity = capacity;
    }
    const size_t rounded = (size + 63) / 64 * 64;
    void *block = pass->bytes + rounded <= memory_installed()
                      ? aligned_alloc(64, rounded ? rounded : 64)
                      : NULL;
    if (block) {
        pass->blocks[pass->block_count++] = block;
        pass->bytes += rounded;
    }
    return block;
}

static void *take_zero(struct pass *pass, size_t size) {
    void *block = take(pass, size);
    if (block) {
        memset(block, 0, size);
    }
    return block;
}

static void *take_reals(struct pass *pass, ptrdiff_t reals) {
    return take(pass, (size_t)reals * pass->k->real_size);
}

static void *take_batch(struct pass *pass, const struct buffer *buffer) {
    ptrdiff_t len; /* of bytes too: an absurd image must not wrap around to a small one */
    return __builtin_mul_overflow(pass->options.batch, buffer->len, &len) ||
                   len > PTRDIFF_MAX / 2 / (ptrdiff_t)pass->k->real_size
               ? NULL
               : take_reals(pass, len);
}

/* ---- frames ---- */

static bool keeps(const struct pass *pass) {
    return pass->options.gradients || pass->options.training;
}

static struct frame *frame_create(struct pass *pass, const struct chain *chain, bool own_input,
                                  const struct frame *share);

static bool bodies_create(struct pass *pass, const struct chain *chain, struct frame *frame) {
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (!op->body) {
            continue;
        }
        struct body_state *state = &frame->bodies[op->index];
        int stages = 1, steps = 1;
        if (op->kind == OP_ODE) {
            const struct run run = pass_run(pass, op);
            stages = run.scheme->stages;
            steps = run.steps;
            pass->evaluations += (ptrdiff_t)stages * steps;
            const int inputs = keeps(pass) ? stages * steps : stages;
            state->states = take_zero(pass, (size_t)(steps + 1 + inputs) * sizeof *state->states);
            if (!state->states) {
                return false;
            }
            for (int s = 1; keeps(pass) && s < steps; s++) {
                if (!(state->states[s] = take_batch(pass, &op->body->buffers[0]))) {
                    return false;
                }
            }
            for (int s = 0; s < inputs; s++) {
                bool moves = false; /* whether the stage's input differs from the state */
                for (int j = 0; j < stages; j++) {
                    moves |= run.scheme->a[s % stages][j].p != 0;
                }
                void **input = &state->states[steps + 1 + s];
                if (moves && !(*input = take_batch(pass, &op->body->buffers[0]))) {
                    return false;
                }
            }
        }
        state->count = keeps(pass) ? stages * steps : stages;
        state->frames = take_zero(pass, (size_t)state->count * sizeof(struct frame *));
        for (int f = 0; state->frames && f < state->count; f++) {
            const struct frame *share = !keeps(pass) && f > 0 ? state->frames[0] : NULL;
            state->frames[f] = frame_create(pass, op->body, false, share);
            if (!state->frames[f]) {
                return false;
            }
        }
        if (!state->frames) {
            return false;
        }
    }
    return true;
}

/* share: a frame whose inner buffers may be written again by this one (all but the output). */
static struct frame *frame_create(struct pass *pass, const struct chain *chain, bool own_input,
                                  const struct frame *share) {
    struct frame *frame = take_zero(pass, sizeof *frame);
    if (!frame) {
        return NULL;
    }
    frame->buffer = take_zero(pass, CHAIN_MAX * sizeof *frame->buffer);
    frame->norms = take_zero(pass, (size_t)(chain->norm_count + 1) * sizeof *frame->norms);
    frame->bodies = take_zero(pass, (size_t)(chain->body_count + 1) * sizeof *frame->bodies);
    if (!frame->buffer || !frame->norms || !frame->bodies) {
        return NULL;
    }
    for (int b = own_input ? 0 : 1; b < chain->buffer_count; b++) {
        const bool shared = share && b != chain->out.buffer;
        frame->buffer[b] = shared ? share->buffer[b] : take_batch(pass, &chain->buffers[b]);
        if (!frame->buffer[b]) {
            return NULL;
        }
    }
    for (int n = 0; n < chain->norm_count; n++) {
        struct norm_state *s = &frame->norms[n];
        const ptrdiff_t padded = chain->norms[n].padded;
        void **const rows[] = {&s->scale, &s->shift, &s->mean, &s->rstd, &s->m1, &s->m2};
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            if (!(*rows[r] = take_zero(pass, (size_t)padded * pass->k->real_size))) {
                return NULL;
            }
        }
        s->batch_mean = take_zero(pass, (size_t)padded * sizeof(double));
        s->batch_var = take_zero(pass, (size_t)padded * sizeof(double));
        if (!s->batch_mean || !s->batch_var) {
            return NULL;
        }
    }
    return bodies_create(pass, chain, frame) ? frame : NULL;
}

static struct work *work_create(struct pass *pass, const struct chain *chain) {
    struct work *work = take_zero(pass, sizeof *work);
    if (!work) {
        return NULL;
    }
    work->grad = take_zero(pass, CHAIN_MAX * sizeof *work->grad);
    work->bodies = take_zero(pass, (size_t)(chain->body_count + 1) * sizeof *work->bodies);
    if (!work->grad || !work->bodies) {
        return NULL;
    }
    for (int b = 1; b < chain->buffer_count; b++) {
        if (!(work->grad[b] = take_batch(pass, &chain->buffers[b]))) {
            return NULL;
        }
    }
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (!op->body) {
            continue;
        }
        struct body_work *body = &work->bodies[op->index];
        const struct buffer *in = &chain->buffers[op->in.buffer], *out = &chain->buffers[op->out];
        body->work = work_create(pass, op->body);
        body->kbar = take_batch(pass, out);
        body->xbar = take_batch(pass, in);
        body->path = op->kind == OP_RESIDUAL ? take_batch(pass, in) : body->xbar;
        if (!body->work || !body->kbar || !body->xbar || !body->path) {
            return NULL;
        }
        const int stages = op->kind == OP_ODE ? pass_run(pass, op).scheme->stages : 0;
        body->ybar = take_zero(pass, (size_t)(stages + 1) * sizeof *body->ybar);
        for (int s = 0; body->ybar && s < stages; s++) {
            if (!(body->ybar[s] = take_batch(pass, in))) {
                return NULL;
            }
        }
        if (!body->ybar) {
            return NULL;
        }
    }
    return work;
}

/* ---- scratch: the largest of what any operation wants ---- */

struct needs {
    ptrdiff_t frame_x, frame_dy, dilated, scratch, dw, bias, channels;
};

static void raise_to(ptrdiff_t *most, ptrdiff_t value) {
    *most = value > *most ? value : *most;
}

static void chain_needs(const struct pass *pass, const struct chain *chain, struct needs *needs) {
    for (int b = 0; b < chain->buffer_count; b++) {
        const struct buffer *buffer = &chain->buffers[b];
        raise_to(&needs->channels, buffer->extent.blocks * BLOCK);
        raise_to(&needs->frame_x, buffer->len);
        raise_to(&needs->frame_dy, buffer->len);
    }
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->weights.cells) {
            raise_to(&needs->dw, op->weights.gradient_len);
            raise_to(&needs->bias, op->weights.bias_len);
        }
        if (op->kind == OP_DENSE) {
            raise_to(&needs->frame_x, pass->chunk * chain->buffers[op->in.buffer].len);
            raise_to(&needs->frame_dy, pass->chunk * chain->buffers[op->out].len);
        }
        if (op->geometry.kernel) {
            const struct convolution *c = &op->geometry;
            const struct extent from = chain->buffers[op->in.buffer].extent;
            const int border = c->kernel / 2 * 2;
            const ptrdiff_t out_blocks = (c->out_channels + BLOCK - 1) / BLOCK;
            const ptrdiff_t together = conv_together(pass, op, from);
            const struct convolution back = convolution_back(c, from);
            raise_to(&needs->frame_x, together * frame_len(c));
            raise_to(&needs->frame_dy,
                     together * out_blocks * (c->height + border) * (c->width + border) * BLOCK);
            if (c->stride > 1) {
                raise_to(&needs->dilated, together * frame_len(&back));
            }
            if (op->weights.winograd_forward) {
                raise_to(&needs->scratch, pass->k->winograd_scratch(c, together));
            }
            if (op->weights.winograd_backward) {
                raise_to(&needs->scratch, pass->k->winograd_scratch(&back, together));
            }
        }
        if (op->body) {
            chain_needs(pass, op->body, needs);
        }
    }
}

static bool scratch_create(struct pass *pass) {
    struct needs needs = {0};
    chain_needs(pass, pass->net->plan->chain, &needs);
    const int workers = pool_threads(pass->pool);
    pass->framed_x = take_zero(pass, (size_t)workers * sizeof(void *));
    pass->framed_dy = take_zero(pass, (size_t)workers * sizeof(void *));
    pass->dilated = take_zero(pass, (size_t)workers * sizeof(void *));
    pass->scratch = take_zero(pass, (size_t)workers * sizeof(void *));
    pass->partial_stride = 2 * needs.channels;
    pass->channel_stride = needs.channels;
    pass->partial = take_zero(pass, (size_t)(CHUNKS * pass->partial_stride) * sizeof(double));
    pass->channel = take_zero(pass, (size_t)(8 * needs.channels) * sizeof(double));
    pass->dw_stride = needs.dw;
    pass->dbias_stride = needs.bias;
    if (!pass->framed_x || !pass->framed_dy || !pass->dilated || !pass->scratch ||
        !pass->partial || !pass->channel) {
        return false;
    }
    for (int w = 0; w < workers; w++) {
        if (!(pass->framed_x[w] = take_reals(pass, needs.frame_x)) ||
            !(pass->scratch[w] = take_reals(pass, needs.scratch))) {
            return false;
        }
        if (pass->options.gradients && (!(pass->framed_dy[w] = take_reals(pass, needs.frame_dy)) ||
                                        !(pass->dilated[w] = take_reals(pass, needs.dilated)))) {
            return false;
        }
    }
    if (pass->options.gradients) {
        pass->dw = take_reals(pass, CHUNKS * needs.dw);
        pass->dbias = take_reals(pass, CHUNKS * needs.bias);
        return pass->dw && pass->dbias;
    }
    return true;
}

struct run pass_run(const struct pass *pass, const struct op *op) {
    const struct manifestation *how = &pass->options.how;
    return (struct run){.scheme = how->scheme ? how->scheme : op->layer->scheme,
                        .steps = how->steps > 0 ? how->steps : op->layer->steps,
                        .edge = how->edge >= 0 ? (enum edge)how->edge : op->layer->edge};
}

/* Bytes of a chain's frame and of the frames below it: nearly all that a pass takes. Bodies share
 * their inner buffers when nothing is kept, so this is then too much by a few buffers. */
static double frame_bytes(const struct pass *pass, const struct chain *chain) {
    const double real = (double)pass->k->real_size, batch = (double)pass->options.batch;
    double bytes = 0.0;
    for (int b = 0; b < chain->buffer_count; b++) {
        bytes += batch * real * (double)chain->buffers[b].len;
    }
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->body && op->kind == OP_ODE) {
            const struct run run = pass_run(pass, op);
            bytes += (double)run.scheme->stages * (keeps(pass) ? run.steps : 1) *
                     frame_bytes(pass, op->body);
        } else if (op->body) {
            bytes += frame_bytes(pass, op->body);
        }
    }
    return bytes;
}

struct pass *pass_create(struct net *net, const struct pass_options *options, struct error *error) {
    struct pass *pass = calloc(1, sizeof *pass);
    if (!pass || options->batch < 1) {
        free(pass);
        error_set(error, ERROR_VALUE, "a pass needs memory and at least one sample, not %td",
                  options->batch);
        return NULL;
    }
    if (options->how.steps > NET_STEPS_MAX) {
        free(pass);
        error_set(error, ERROR_VALUE, "an ODE block takes at most %d steps, not %d", NET_STEPS_MAX,
                  options->how.steps);
        return NULL;
    }
    pass->net = net;
    pass->k = net->kernels;
    pass->options = *options;
    if (pass->options.how.edge == 0 && !options->how.scheme && !options->how.steps) {
        pass->options.how.edge = -1; /* a manifestation left zero means: as configured */
    }
    pass->pool = options->pool;
    pass->chunk = (options->batch - 1) / CHUNKS + 1;
    const struct chain *chain = net->plan->chain;
    const struct buffer *last = &chain->buffers[chain->out.buffer];
    const double bytes = frame_bytes(pass, chain), installed = (double)memory_installed();
    if (bytes > installed) { /* refused before any of it is taken */
        error_set(error, ERROR_MEMORY,
                  "no memory for a batch of %td samples: it takes %.3g GB and this machine has "
                  "%.3g GB; use a smaller batch, fewer steps or a narrower net",
                  options->batch, bytes * 1e-9, installed * 1e-9);
        pass_free(pass);
        return NULL;
    }
    pass->frame = frame_create(pass, chain, true, NULL);
    pass->outputs = pass->frame ? take_reals(pass, options->batch * net->outputs) : NULL;
    bool ok = pass->outputs && scratch_create(pass);
    if (ok && options->gradients) {
        pass->doutputs = take_batch(pass, last);
        pass->work = work_create(pass, chain);
        ok = pass->doutputs && pass->work;
        for (int n = 0; ok && n < chain->norm_count; n++) {
            if (chain->norms[n].of.buffer == 0 && !pass->work->grad[0]) { /* its sums want it */
                ok = (pass->work->grad[0] = take_batch(pass, &chain->buffers[0])) != NULL;
            }
        }
    }
    if (!ok) {
        error_set(error, ERROR_MEMORY,
                  "no memory for a batch of %td samples (%.0f MB were taken before the %.0f MB of "
                  "this machine ran out); use a smaller batch, fewer steps or a narrower net",
                  options->batch, (double)pass->bytes * 1e-6,
                  (double)memory_installed() * 1e-6);
        pass_free(pass);
        return NULL;
    }
    weights_pack(net);
    return pass;
}

void pass_free(struct pass *pass) {
    if (!pass) {
        return;
    }
    for (int i = 0; i < pass->block_count; i++) {
        free(pass->blocks[i]);
    }
    free(pass->blocks);
    free(pass);
}

/* ---- running ---- */

void pass_parallel(struct pass *pass, double work, pool_function *function, void *context) {
    pool_run(work > 2e5 ? pass->pool : NULL, pass_chunks(pass), function, context);
}

const void *packed_forward(const struct pass *pass, const struct weights *w, int cell) {
    return at(pass, pass->net->plan->packed, w->forward + cell * w->forward_len);
}
const void *packed_backward(const struct pass *pass, const struct weights *w, int cell) {
    return at(pass, pass->net->plan->packed, w->backward + cell * w->backward_len);
}
const void *packed_bias(const struct pass *pass, const struct weights *w, int cell) {
    return w->bias < 0 ? NULL
                       : at(pass, pass->net->plan->packed, w->padded_bias + cell * w->bias_len);
}

struct transfer {
    struct pass *pass;
    const void *plain_in;
    void *plain_out;
    const struct buffer *buffer;
    void *blocked;
    ptrdiff_t channels; /* of the plain side */
};

static void import_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct transfer *t = context;
    struct pass *pass = t->pass;
    const ptrdiff_t pixels = t->buffer->extent.height * t->buffer->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) { /* appended channels lie in the zeroed padding */
        void *y = at(pass, t->blocked, i * t->buffer->len);
        if (t->channels < t->buffer->channels) {
            pass->k->set(y, 0.0, t->buffer->len);
        }
        pass->k->from_plain(y, at_const(pass, t->plain_in, i * t->channels * pixels), t->channels,
                            pixels);
    }
}

static void export_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct transfer *t = context;
    struct pass *pass = t->pass;
    const ptrdiff_t pixels = t->buffer->extent.height * t->buffer->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        pass->k->to_plain(at(pass, t->plain_out, i * t->channels * pixels),
                          at(pass, t->blocked, i * t->buffer->len), t->channels, pixels);
    }
}

/* Moves the running statistics outside ODE blocks, which move their own. */
static void move_norms(struct pass *pass, const struct chain *chain, struct frame *frame) {
    for (int n = 0; n < chain->norm_count; n++) {
        norm_move(pass, &chain->norms[n], n, &frame, 1);
    }
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->kind == OP_RESIDUAL) {
            move_norms(pass, op->body, frame->bodies[op->index].frames[0]);
        }
    }
}

const void *pass_forward(struct pass *pass, const void *x, ptrdiff_t count) {
    assert(count >= 1 && count <= pass->options.batch);
    const struct net *net = pass->net;
    const struct chain *chain = net->plan->chain;
    pass->count = count;
    weights_pack(pass->net);
    struct transfer in = {.pass = pass,
                          .plain_in = x,
                          .buffer = &chain->buffers[0],
                          .blocked = pass->frame->buffer[0],
                          .channels = net->input[0]};
    pass_parallel(pass, (double)(count * in.buffer->len), import_chunk, &in);
    chain_forward(pass, chain, pass->frame);
    if (pass->options.training) {
        move_norms(pass, chain, pass->frame);
    }
    struct transfer out = {.pass = pass,
                           .plain_out = pass->outputs,
                           .buffer = &chain->buffers[chain->out.buffer],
                           .blocked = pass->frame->buffer[chain->out.buffer],
                           .channels = net->outputs};
    pass_parallel(pass, (double)(count * out.buffer->len), export_chunk, &out);
    return pass->outputs;
}

void pass_backward(struct pass *pass, const void *doutputs) {
    assert(pass->options.gradients);
    const struct chain *chain = pass->net->plan->chain;
    struct transfer in = {.pass = pass,
                          .plain_in = doutputs,
                          .buffer = &chain->buffers[chain->out.buffer],
                          .blocked = pass->doutputs,
                          .channels = pass->net->outputs};
    pass_parallel(pass, (double)(pass->count * in.buffer->len), import_chunk, &in);
    chain_backward(pass, chain, pass->frame, pass->work, pass->doutputs);
}

ptrdiff_t pass_evaluations(const struct pass *pass) {
    return pass->evaluations;
}

ptrdiff_t pass_state_len(const struct pass *pass, int block) {
    const struct buffer *b = &pass->net->plan->odes[block]->body->buffers[0];
    return b->channels * b->extent.height * b->extent.width;
}

/* The frame `op` ran in: the chain's own, or that of a residual layer's body. */
static const struct frame *frame_of(const struct chain *chain, const struct frame *frame,
                                    const struct op *op) {
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *here = &chain->ops[i];
        const struct frame *found =
            here == op ? frame
            : here->kind == OP_RESIDUAL
                ? frame_of(here->body, frame->bodies[here->index].frames[0], op)
                : NULL;
        if (found) {
            return found;
        }
    }
    return NULL;
}

void pass_state(const struct pass *pass, int block, void *state) {
    const struct op *op = pass->net->plan->odes[block];
    const struct frame *frame = frame_of(pass->net->plan->chain, pass->frame, op);
    const struct buffer *b = &op->body->buffers[0];
    const ptrdiff_t len = pass_state_len(pass, block);
    for (ptrdiff_t i = 0; i < pass->count; i++) {
        pass->k->to_plain(at(pass, state, i * len),
                          at(pass, frame->buffer[op->out], i * b->len), b->channels,
                          b->extent.height * b->extent.width);
    }
}

size_t pass_bytes(const struct pass *pass) {
    return pass->bytes;
}
