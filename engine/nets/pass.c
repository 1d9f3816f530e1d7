#include "nets/dense_field.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nets/layout.h"

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
    void *block = pass->bytes + rounded <= memory_installed() ? memory_aligned(rounded) : NULL;
    if (block) {
        pass->blocks[pass->block_count++] = block;
        pass->bytes += rounded;
    }
    return block;
}

void *pass_take_zero(struct pass *pass, size_t size) {
    void *block = take(pass, size);
    if (block) {
        memset(block, 0, size);
    }
    return block;
}

static void *take_reals(struct pass *pass, ptrdiff_t reals) {
    return take(pass, (size_t)reals * pass->k->real_size);
}

/* ---- scratch: the largest of what any operation wants ---- */

struct needs {
    ptrdiff_t frame_x, frame_dy, dilated, scratch, dw, bias, channels; /* of a worker, a chunk */
    ptrdiff_t wide_x, wide_dy, wide_dilated;                           /* of the batch */
};

/* Of `samples` samples; no machine has as much where this does not fit. */
static ptrdiff_t of_samples(ptrdiff_t samples, ptrdiff_t len) {
    ptrdiff_t product;
    return __builtin_mul_overflow(samples, len, &product) ? PTRDIFF_MAX : product;
}

static void raise_to(ptrdiff_t *most, ptrdiff_t value) {
    *most = value > *most ? value : *most;
}

static void conv_needs(const struct pass *pass, const struct op *op, struct extent from,
                       struct needs *needs) {
    const struct convolution *c = &op->geometry, back = convolution_back(c, from);
    const struct weights *w = &op->weights;
    const bool wide = pass_is_wide(pass, w);
    const ptrdiff_t samples = wide ? pass->options.batch : conv_together(pass, op, from);
    const ptrdiff_t gradients = pass->options.gradients;
    raise_to(wide ? &needs->wide_x : &needs->frame_x, of_samples(samples, frame_len(c)));
    raise_to(wide ? &needs->wide_dy : &needs->frame_dy,
             of_samples(samples * gradients, gradient_frame_len(c)));
    if (c->stride > 1) {
        raise_to(wide ? &needs->wide_dilated : &needs->dilated,
                 of_samples(samples * gradients, frame_len(&back)));
    }
    raise_to(wide ? &needs->scratch : &needs->dw, wide ? wide_scratch(c) : w->gradient_len);
    if (pass_is_fast(pass, w, false)) {
        raise_to(&needs->scratch, pass->k->winograd_scratch(c, samples));
    }
    if (pass_is_fast(pass, w, true)) {
        raise_to(&needs->scratch, pass->k->winograd_scratch(&back, samples));
    }
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
        raise_to(&needs->bias, op->weights.form_len[FORM_BIAS]);
        if (op->kind == OP_DENSE) {
            raise_to(&needs->dw, op->weights.gradient_len);
            raise_to(&needs->frame_x, of_samples(pass->chunk, chain->buffers[op->in.buffer].len));
            raise_to(&needs->frame_dy, of_samples(pass->chunk, chain->buffers[op->out].len));
        }
        if (op->geometry.kernel) {
            conv_needs(pass, op, chain->buffers[op->in.buffer].extent, needs);
        }
        if (op->body && !dense_field_fits(op)) {
            chain_needs(pass, op->body, needs);
        }
    }
}

/* By which algorithm every operation is run, and which forms of its weights that reads. Without
 * gradients the choice does not depend on the batch: a sample gives the same bits in any. */
static void choose_algorithms(struct pass *pass, const struct chain *chain) {
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        const struct weights *w = &op->weights;
        if (w->cells) {
            pass->wide[w->index] =
                pass->options.gradients &&
                wide_pays(op, chain->buffers[op->in.buffer].extent, pass->options.batch);
            const int forward = pass_is_fast(pass, w, false) ? FORM_FAST_FORWARD : FORM_FORWARD;
            const int backward = pass_is_fast(pass, w, true) ? FORM_FAST_BACKWARD : FORM_BACKWARD;
            const bool both = pass->options.gradients || op->kind == OP_DENSE; /* struct field */
            pass->forms[w->index] = (form_set)(1 << forward | (w->bias >= 0) << FORM_BIAS |
                                               (both ? 1 << backward : 0));
        }
        if (op->body) {
            choose_algorithms(pass, op->body);
        }
    }
}

static double scratch_bytes(const struct pass *pass, const struct needs *needs) {
    const double gradients = pass->options.gradients ? 1.0 : 0.0;
    const double worker = (double)needs->frame_x + (double)needs->scratch +
                          gradients * ((double)needs->frame_dy + (double)needs->dilated);
    const double chunks = gradients * CHUNKS * ((double)needs->dw + (double)needs->bias);
    const double batch =
        (double)needs->wide_x + (double)needs->wide_dy + (double)needs->wide_dilated;
    return (pool_threads(pass->pool) * worker + chunks + batch) * (double)pass->k->real_size +
           (2.0 * CHUNKS + 8.0) * (double)needs->channels * sizeof(double);
}

static bool scratch_create(struct pass *pass, const struct needs *needs) {
    const int workers = pool_threads(pass->pool);
    pass->framed_x = pass_take_zero(pass, (size_t)workers * sizeof(void *));
    pass->framed_dy = pass_take_zero(pass, (size_t)workers * sizeof(void *));
    pass->dilated = pass_take_zero(pass, (size_t)workers * sizeof(void *));
    pass->scratch = pass_take_zero(pass, (size_t)workers * sizeof(void *));
    pass->partial_stride = 2 * needs->channels;
    pass->channel_stride = needs->channels;
    pass->partial = pass_take_zero(pass, (size_t)(CHUNKS * pass->partial_stride) * sizeof(double));
    pass->channel = pass_take_zero(pass, (size_t)(8 * needs->channels) * sizeof(double));
    pass->dw_stride = needs->dw;
    pass->dbias_stride = needs->bias;
    if (!pass->framed_x || !pass->framed_dy || !pass->dilated || !pass->scratch ||
        !pass->partial || !pass->channel) {
        return false;
    }
    for (int w = 0; w < workers; w++) {
        if (!(pass->framed_x[w] = take_reals(pass, needs->frame_x)) ||
            !(pass->scratch[w] = take_reals(pass, needs->scratch))) {
            return false;
        }
        if (pass->options.gradients && (!(pass->framed_dy[w] = take_reals(pass, needs->frame_dy)) ||
                                        !(pass->dilated[w] = take_reals(pass, needs->dilated)))) {
            return false;
        }
    }
    pass->wide_x = take_reals(pass, needs->wide_x);
    pass->wide_dy = take_reals(pass, needs->wide_dy);
    pass->wide_dilated = take_reals(pass, needs->wide_dilated);
    if (!pass->wide_x || !pass->wide_dy || !pass->wide_dilated) {
        return false;
    }
    if (pass->options.gradients) {
        pass->dw = pass_take_zero(pass, (size_t)(CHUNKS * needs->dw) * pass->k->real_size);
        pass->dbias = take_reals(pass, CHUNKS * needs->bias);
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

/* ---- what is kept ---- */

const char *const memory_names[] = {"auto", "full", "stages", "steps", NULL};

/* Everything the pass takes that grows with the net; leaves the pass with that policy. */
static double bytes_wanted(struct pass *pass, enum memory memory, const struct needs *needs) {
    pass->memory = memory;
    return (double)layout_place(pass, NULL) + scratch_bytes(pass, needs) +
           frame_norms_bytes(pass, pass->net->plan->chain, pass->frame);
}

static bool refuse(const struct pass *pass, const double *bytes, double installed,
                   struct error *error) {
    const ptrdiff_t batch = pass->options.batch;
    const double gb = 1e-9, full = gb * bytes[MEMORY_FULL], stages = gb * bytes[MEMORY_STAGES],
                 steps = gb * bytes[MEMORY_STEPS], wanted = gb * bytes[pass->memory];
    if (!pass->options.gradients || pass->net->plan->ode_count == 0) {
        return error_set(error, ERROR_MEMORY,
                         "no memory for a batch of %td samples: it takes %.3g GB and this machine "
                         "has %.3g GB; use a smaller batch, fewer steps or a narrower net",
                         batch, wanted, gb * installed);
    }
    if (bytes[MEMORY_STEPS] <= installed) {
        return error_set(error, ERROR_MEMORY,
                         "no memory for a batch of %td samples: with memory = \"%s\" it takes "
                         "%.3g GB and this machine has %.3g GB; use memory = \"steps\", which "
                         "takes %.3g GB",
                         batch, memory_names[pass->memory], wanted, gb * installed, steps);
    }
    return error_set(error, ERROR_MEMORY,
                     "no memory for a batch of %td samples: it takes %.3g GB, %.3g GB with memory "
                     "= \"stages\", %.3g GB with memory = \"steps\", and this machine has %.3g "
                     "GB; use a smaller batch, fewer steps or a narrower net",
                     batch, full, stages, steps, gb * installed);
}

/* Decides what is kept of ODE blocks. By itself a pass takes at most half of the memory: data, what
 * is evaluated meanwhile and other programs want the rest. Keeping less costs time, so that more
 * than half is taken only where nothing else is left. */
static bool choose_memory(struct pass *pass, const struct needs *needs, struct error *error) {
    const double installed = (double)memory_installed();
    const double room =
        pass->options.room ? fmin((double)pass->options.room, installed) : 0.5 * installed;
    double bytes[MEMORY_STEPS + 1] = {0};
    for (int m = MEMORY_STEPS; m >= MEMORY_FULL; m--) {
        bytes[m] = bytes_wanted(pass, (enum memory)m, needs);
    }
    if (pass->options.gradients && pass->net->plan->ode_count > 0) {
        pass->memory = pass->options.memory;
        if (pass->memory == MEMORY_AUTO) {
            pass->memory = bytes[MEMORY_FULL] <= room     ? MEMORY_FULL
                           : bytes[MEMORY_STAGES] <= room ? MEMORY_STAGES
                                                          : MEMORY_STEPS;
        }
    }
    return bytes[pass->memory] <= installed || refuse(pass, bytes, installed, error);
}

static bool reserve(struct pass *pass, const struct needs *needs) {
    const struct chain *chain = pass->net->plan->chain;
    void *tensors = take(pass, layout_place(pass, NULL));
    if (!tensors) {
        return false;
    }
    (void)layout_place(pass, tensors);
    pass->outputs = take_reals(pass, pass->options.batch * pass->net->outputs);
    pass->clock = pass->net->plan->clock ? take_reals(pass, 2 * pass->options.batch) : NULL;
    return pass->outputs && (pass->clock || !pass->net->plan->clock) &&
           frame_norms(pass, chain, pass->frame) && scratch_create(pass, needs);
}

/* Samples of a chunk: a few at least, since every chunk has a gradient of all weights to add up; all of them where no sum runs over samples and nobody shares the work. */
static ptrdiff_t chunk_of(const struct pass_options *options) {
    const ptrdiff_t even = (options->batch - 1) / CHUNKS + 1, half = (options->batch - 1) / 2 + 1;
    const ptrdiff_t few = half < 4 ? half : 4;
    if (!options->training && !options->gradients && !options->pool) {
        return options->batch;
    }
    return even > few ? even : few;
}

static bool plan_weights(struct pass *pass) {
    const struct plan *plan = pass->net->plan;
    const size_t count = (size_t)plan->weights_count;
    pass->wide = pass_take_zero(pass, count * sizeof *pass->wide);
    pass->forms = pass_take_zero(pass, count * sizeof *pass->forms);
    if (!pass->wide || !pass->forms) {
        return false;
    }
    choose_algorithms(pass, plan->chain);
    return weights_reserve(pass->net, pass->forms);
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
    pass->chunk = chunk_of(options);
    const struct chain *chain = net->plan->chain;
    struct needs needs = {0};
    bool ok = plan_weights(pass);
    if (ok) {
        chain_needs(pass, chain, &needs);
        pass->frame = frame_create(pass, chain);
        pass->work = pass->frame && options->gradients ? frame_work(pass, chain) : NULL;
        ok = pass->frame && (pass->work || !options->gradients);
    }
    if (ok && !choose_memory(pass, &needs, error)) { /* before any of it is taken */
        pass_free(pass);
        return NULL;
    }
    if (!ok || !reserve(pass, &needs)) {
        error_set(error, ERROR_MEMORY,
                  "no memory for a batch of %td samples (%.0f MB were taken before the %.0f MB of "
                  "this machine ran out); use a smaller batch, fewer steps or a narrower net",
                  options->batch, (double)pass->bytes * 1e-6,
                  (double)memory_installed() * 1e-6);
        pass_free(pass);
        return NULL;
    }
    weights_pack(net, pass->forms, pass->pool);
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

static const void *packed_at(const struct pass *pass, const struct weights *w, enum form form,
                             int cell) {
    assert(pass->forms[w->index] >> form & 1);
    const struct packed *packed = &pass->net->plan->packed[w->index * FORMS + (int)form];
    return at_const(pass, packed->at, cell * w->form_len[form]);
}
const void *packed_forward(const struct pass *pass, const struct weights *w, int cell) {
    return packed_at(pass, w, pass_is_fast(pass, w, false) ? FORM_FAST_FORWARD : FORM_FORWARD,
                     cell);
}
const void *packed_backward(const struct pass *pass, const struct weights *w, int cell) {
    return packed_at(pass, w, pass_is_fast(pass, w, true) ? FORM_FAST_BACKWARD : FORM_BACKWARD,
                     cell);
}
const void *packed_bias(const struct pass *pass, const struct weights *w, int cell) {
    return w->bias < 0 ? NULL : packed_at(pass, w, FORM_BIAS, cell);
}

struct transfer {
    struct pass *pass;
    const void *plain_in;
    void *plain_out;
    const struct buffer *buffer;
    void *blocked;
    ptrdiff_t channels; /* of a state on the plain side */
    ptrdiff_t behind;   /* reals behind each, which are passed over */
};

static void import_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct transfer *t = context;
    struct pass *pass = t->pass;
    const ptrdiff_t pixels = t->buffer->extent.height * t->buffer->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    const ptrdiff_t states = t->buffer->states, len = t->buffer->len / states;
    for (ptrdiff_t i = first * states; i < last * states; i++) {
        void *y = at(pass, t->blocked, i * len);
        if (t->channels < t->buffer->channels) { /* appended channels lie in the zeroed padding */
            pass->k->set(y, 0.0, len);
        }
        const ptrdiff_t from = i * (t->channels * pixels + t->behind);
        pass->k->from_plain(y, at_const(pass, t->plain_in, from), t->channels, pixels);
    }
}

static void export_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct transfer *t = context;
    struct pass *pass = t->pass;
    const ptrdiff_t pixels = t->buffer->extent.height * t->buffer->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    const ptrdiff_t states = t->buffer->states, len = t->buffer->len / states;
    for (ptrdiff_t i = first * states; i < last * states; i++) {
        pass->k->to_plain(at(pass, t->plain_out, i * t->channels * pixels),
                          at(pass, t->blocked, i * len), t->channels, pixels);
    }
}

/* What samples carry behind their states. */
static void take_clocks(struct pass *pass, const void *x) {
    const ptrdiff_t len = pass->net->input[0], clock = pass->net->plan->clock;
    for (ptrdiff_t i = 0; clock && i < pass->count; i++) {
        memcpy(at(pass, pass->clock, i * clock), at_const(pass, x, (i + 1) * len - clock),
               (size_t)clock * pass->k->real_size);
    }
}

/* Moves the running statistics outside ODE blocks, which move their own. */
static void move_norms(struct pass *pass, const struct chain *chain, struct frame *frame) {
    for (int n = 0; n < chain->norm_count; n++) {
        const struct visit visit = {.norms = frame->norms, .cell = frame->cell};
        norm_move(pass, &chain->norms[n], n, &visit, 1);
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
    take_clocks(pass, x);
    weights_pack(pass->net, pass->forms, pass->pool);
    struct transfer in = {.pass = pass,
                          .plain_in = x,
                          .buffer = &chain->buffers[0],
                          .blocked = pass->frame->buffer[0],
                          .channels = net->input[0] - net->plan->clock,
                          .behind = net->plan->clock};
    pass_parallel(pass, (double)(count * in.buffer->len), import_chunk, &in);
    chain_forward(pass, chain, pass->frame, NULL);
    pass->differentiable = pass->options.gradients;
    if (pass->options.training) {
        move_norms(pass, chain, pass->frame);
    }
    struct transfer out = {.pass = pass,
                           .plain_out = pass->outputs,
                           .buffer = &chain->buffers[chain->out.buffer],
                           .blocked = pass->frame->buffer[chain->out.buffer],
                           .channels = chain->buffers[chain->out.buffer].channels};
    pass_parallel(pass, (double)(count * out.buffer->len), export_chunk, &out);
    return pass->outputs;
}

void pass_backward(struct pass *pass, const void *doutputs) {
    assert(pass->differentiable);
    pass->differentiable = false;
    const struct chain *chain = pass->net->plan->chain;
    struct transfer in = {.pass = pass,
                          .plain_in = doutputs,
                          .buffer = &chain->buffers[chain->out.buffer],
                          .blocked = pass->doutputs,
                          .channels = chain->buffers[chain->out.buffer].channels};
    pass_parallel(pass, (double)(pass->count * in.buffer->len), import_chunk, &in);
    chain_backward(pass, chain, pass->frame, pass->work, pass->doutputs, NULL, NULL);
}

ptrdiff_t pass_evaluations(const struct pass *pass) {
    return pass->evaluations;
}

ptrdiff_t pass_state_len(const struct pass *pass, int block) {
    const struct buffer *b = ode_state(pass->net->plan->odes[block]);
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
    const struct buffer *b = ode_state(op);
    const ptrdiff_t len = pass_state_len(pass, block), states = op->layer->intervals;
    for (ptrdiff_t i = 0; i < pass->count; i++) {
        pass->k->to_plain(at(pass, state, i * len),
                          at(pass, frame->buffer[op->out], ((i + 1) * states - 1) * b->len),
                          b->channels, b->extent.height * b->extent.width);
    }
}

size_t pass_bytes(const struct pass *pass) {
    return pass->bytes;
}

enum memory pass_memory(const struct pass *pass) {
    return pass->memory;
}
