/* Running a chain backward: its operations in mirror order. What travels is a gradient g by the
 * value somebody read; the transform in between is undone by `slope` where g is next used, so no
 * gradient by a normalised or activated tensor is stored on its own. */
#include "nets/pass.h"

#include <string.h>

struct backward {
    struct pass *pass;
    const struct chain *chain;
    const struct op *op;
    struct frame *frame;
    struct transform in, out; /* through which the op reads, and its output is read */
    void *g;                  /* gradient by the value of the output */
    void *dx;                 /* gradient by the value of the input, or NULL */
    const void *raw;          /* the output buffer */
    const void *packed;
    bool bias;
    int of; /* slope_chunk: the buffer */
    const struct combination *before, *after; /* made with g, and with dx; or NULL */
};

static void make(const struct backward *b, const struct combination *combination, ptrdiff_t first,
                 ptrdiff_t last) {
    if (combination) {
        combine_samples(b->pass, combination, first, last);
    }
}

static const struct norm *norm_of(const struct backward *b, struct lazy lazy) {
    return lazy.norm >= 0 ? &b->chain->norms[lazy.norm] : NULL;
}

/* dw = or, for `add`, += the gradient of `samples` samples, frames of x and dy following each
 * other. */
static void weights_samples(const struct pass *pass, const struct weights *w,
                            const struct convolution *c, ptrdiff_t samples, bool add, void *dw,
                            const void *frames_x, const void *frames_dy, const struct soon *soon,
                            int worker) {
    const int pad = c->kernel / 2;
    if (w->winograd_weights) {
        pass->k->winograd_weights(dw, frames_x, frames_dy, pad, c, samples, add,
                                  pass->scratch[worker], soon);
        return;
    }
    pass->k->conv_weights(dw, frames_x, frames_dy, gradient_frame_len(c), pad, c, samples, add);
}

/* The frames of `count` samples from `first` on: of what was read, and of the gradient by what was
 * written; adds to the bias's gradient. */
static void make_frames(const struct backward *b, ptrdiff_t first, ptrdiff_t count, void *frames_x,
                        void *frames_dy, void *dbias) {
    const struct pass *pass = b->pass;
    const struct kernels *k = pass->k;
    const struct buffer *from = &b->chain->buffers[b->op->in.buffer];
    const struct convolution *c = &b->op->geometry;
    const struct extent out = {(c->out_channels + BLOCK - 1) / BLOCK, c->height, c->width};
    const ptrdiff_t out_len = out.blocks * out.height * out.width * BLOCK;
    const int pad = c->kernel / 2;
    make(b, b->before, first, first + count);
    for (ptrdiff_t s = 0; s < count; s++) {
        void *dy = at(pass, frames_dy, s * gradient_frame_len(c));
        k->slope(dy, pad, 1, c->height, c->width, at(pass, b->g, (first + s) * out_len),
                 at_const(pass, b->raw, (first + s) * out_len), out, &b->out, 1.0);
        if (b->bias) {
            k->conv_bias(dbias, dy, pad, out);
        }
        k->value(at(pass, frames_x, s * frame_len(c)), pad,
                 at(pass, b->frame->buffer[b->op->in.buffer], (first + s) * from->len),
                 from->extent, &b->in);
    }
}

/* The gradient by what was written, dilated to the stride of the convolution. */
static void make_dilated(const struct backward *b, const struct convolution *back, ptrdiff_t first,
                         ptrdiff_t count, void *dilated) {
    const struct pass *pass = b->pass;
    const struct extent in = b->chain->buffers[b->op->in.buffer].extent;
    const struct convolution *c = &b->op->geometry;
    const struct extent out = {(c->out_channels + BLOCK - 1) / BLOCK, c->height, c->width};
    const ptrdiff_t out_len = out.blocks * out.height * out.width * BLOCK;
    for (ptrdiff_t i = first; i < first + count; i++) {
        pass->k->slope(at(pass, dilated, (i - first) * frame_len(back)), c->kernel / 2, c->stride,
                       in.height, in.width, at(pass, b->g, i * out_len),
                       at_const(pass, b->raw, i * out_len), out, &b->out, 1.0);
    }
}

/* What is done with the gradients by what was read, once they stand. */
static void finish(const struct backward *b, ptrdiff_t first, ptrdiff_t count, double *partial) {
    const struct pass *pass = b->pass;
    const struct buffer *from = &b->chain->buffers[b->op->in.buffer];
    for (ptrdiff_t i = first; i < first + count && partial; i++) {
        pass->k->grad_moments(partial, at(pass, b->dx, i * from->len),
                              at(pass, b->frame->buffer[b->op->in.buffer], i * from->len),
                              from->extent, &b->in);
    }
    make(b, b->after, first, first + count);
}

static void conv_chunk(void *context, int chunk, int worker) {
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct kernels *k = pass->k;
    const struct op *op = b->op;
    const struct buffer *from = &b->chain->buffers[op->in.buffer];
    const struct convolution *c = &op->geometry;
    const struct weights *w = &op->weights;
    const ptrdiff_t out_len =
        (c->out_channels + BLOCK - 1) / BLOCK * c->height * c->width * BLOCK;
    void *dw = at(pass, pass->dw, chunk * pass->dw_stride);
    void *dbias = at(pass, pass->dbias, chunk * pass->dbias_stride);
    void *framed_x = pass->framed_x[worker], *framed_dy = pass->framed_dy[worker];
    const struct norm *norm = norm_of(b, op->in);
    double *partial = norm ? clear_partial(pass, chunk, norm->padded) : NULL;
    const struct convolution back = convolution_back(c, from->extent);
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    k->set(dbias, 0.0, w->form_len[FORM_BIAS]);
    const ptrdiff_t together = conv_together(pass, op, from->extent);
    for (ptrdiff_t i = first, n; i < last; i += n) {
        n = last - i < together ? last - i : together;
        const void *x = at(pass, b->frame->buffer[op->in.buffer], i * from->len);
        const void *g = at(pass, b->g, i * out_len), *raw = at_const(pass, b->raw, i * out_len);
        make_frames(b, i, n, framed_x, framed_dy, dbias);
        const ptrdiff_t next = last - i < 2 * n ? last - i - n : n;
        struct soon soon = {0};
        pass_soon(pass, &soon, at_const(pass, g, n * out_len), next * out_len, false);
        pass_soon(pass, &soon, at_const(pass, raw, n * out_len), next * out_len, false);
        pass_soon(pass, &soon, at_const(pass, x, n * from->len), next * from->len, false);
        weights_samples(pass, w, c, n, i > first, dw, framed_x, framed_dy, &soon, worker);
        if (!b->dx) {
            continue;
        }
        void *dx = at(pass, b->dx, i * from->len), *frames = framed_dy;
        if (c->stride > 1) {
            frames = pass->dilated[worker];
            make_dilated(b, &back, i, n, frames);
        }
        soon.count = 0;
        pass_soon(pass, &soon, dx, n * from->len, true);
        conv_samples(pass, w, true, &back, n, dx, frames, b->packed, NULL, &soon, worker);
        finish(b, i, n, partial);
    }
}

/* ---- operations cut by channels: frames of all samples, products, sums ---- */

static void frames_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct op *op = b->op;
    const struct convolution *c = &op->geometry;
    const struct convolution back =
        convolution_back(c, b->chain->buffers[op->in.buffer].extent);
    void *dbias = at(pass, pass->dbias, chunk * pass->dbias_stride);
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    pass->k->set(dbias, 0.0, op->weights.form_len[FORM_BIAS]);
    make_frames(b, first, last - first, at(pass, pass->wide_x, first * frame_len(c)),
                at(pass, pass->wide_dy, first * gradient_frame_len(c)), dbias);
    if (b->dx && c->stride > 1) {
        make_dilated(b, &back, first, last - first,
                     at(pass, pass->wide_dilated, first * frame_len(&back)));
    }
}

static void finish_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct backward *b = context;
    const struct norm *norm = norm_of(b, b->op->in);
    ptrdiff_t first, last;
    chunk_range(b->pass, chunk, &first, &last);
    finish(b, first, last - first, norm ? clear_partial(b->pass, chunk, norm->padded) : NULL);
}

static void run_wide(struct backward *b) {
    struct pass *pass = b->pass;
    const struct op *op = b->op;
    const struct buffer *from = &b->chain->buffers[op->in.buffer];
    const struct convolution *c = &op->geometry, back = convolution_back(c, from->extent);
    const double count = (double)pass->count;
    pass_parallel(pass, count * (double)frame_len(&back), frames_chunk, b);
    wide_weights(pass, &op->weights, c, pass->wide_x, pass->wide_dy, b->frame->cell);
    if (b->dx) {
        wide_conv(pass, &back, b->dx, c->stride > 1 ? pass->wide_dilated : pass->wide_dy,
                  b->packed, NULL);
        if (b->after || op->in.norm >= 0) {
            pass_parallel(pass, count * (double)from->len, finish_chunk, b);
        }
    }
}

static void dense_chunk(void *context, int chunk, int worker) {
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct kernels *k = pass->k;
    const struct op *op = b->op;
    const struct weights *w = &op->weights;
    const struct buffer *from = &b->chain->buffers[op->in.buffer];
    const struct buffer *to = &b->chain->buffers[op->out];
    void *dw = at(pass, pass->dw, chunk * pass->dw_stride);
    void *dbias = at(pass, pass->dbias, chunk * pass->dbias_stride);
    const struct norm *norm = norm_of(b, op->in);
    double *partial = norm ? clear_partial(pass, chunk, norm->padded) : NULL;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    const ptrdiff_t rows = last - first;
    void *dy = pass->framed_dy[worker], *v = pass->framed_x[worker];
    const void *x = at(pass, b->frame->buffer[op->in.buffer], first * from->len);
    k->set(dbias, 0.0, w->form_len[FORM_BIAS]);
    make(b, b->before, first, last);
    for (ptrdiff_t i = 0; i < rows; i++) {
        k->slope(at(pass, dy, i * to->len), 0, 1, 1, 1, at(pass, b->g, (first + i) * to->len),
                 at_const(pass, b->raw, (first + i) * to->len), to->extent, &b->out, 1.0);
        k->value(at(pass, v, i * from->len), 0, at_const(pass, x, i * from->len), from->extent,
                 &b->in);
        if (b->bias) {
            k->conv_bias(dbias, at(pass, dy, i * to->len), 0, to->extent);
        }
    }
    k->dense_weights(dw, v, dy, rows, w->in, w->out, false);
    if (b->dx) {
        void *dx = at(pass, b->dx, first * from->len);
        k->dense(dx, dy, b->packed, NULL, rows, w->out, w->in);
        for (ptrdiff_t i = 0; norm && i < rows; i++) {
            k->grad_moments(partial, at(pass, dx, i * from->len),
                            at_const(pass, x, i * from->len), from->extent, &b->in);
        }
        make(b, b->after, first, last);
    }
}

struct unpack {
    struct pass *pass;
    const struct weights *w;
    int cell, parts;
};

/* Adds the chunks' weight gradients, 16 output channels at a time. */
static void unpack_chunk(void *context, int block, int worker) {
    (void)worker;
    const struct unpack *u = context;
    struct pass *pass = u->pass;
    const struct weights *w = u->w;
    const struct net *net = pass->net;
    const ptrdiff_t taps = (ptrdiff_t)w->kernel * w->kernel, first = (ptrdiff_t)block * BLOCK;
    const ptrdiff_t in_blocks = (w->in + BLOCK - 1) / BLOCK;
    const ptrdiff_t rows = w->out - first < BLOCK ? w->out - first : BLOCK;
    void *target =
        at(pass, net->grads,
           net->parameters[w->weight].offset + (u->cell * w->out + first) * w->in * taps);
    pass->k->unpack_add(target, at(pass, pass->dw, block * in_blocks * taps * BLOCK * BLOCK),
                        u->parts, pass->dw_stride, rows, w->in, w->kernel);
}

static void add_bias_gradients(struct pass *pass, const struct weights *w, int cell) {
    const struct net *net = pass->net;
    for (int n = 1; n < pass_chunks(pass); n++) { /* chunk sums stand in plain order */
        pass->k->add(pass->dbias, at(pass, pass->dbias, n * pass->dbias_stride), w->out);
    }
    pass->k->add(at(pass, net->grads, net->parameters[w->bias].offset + cell * w->out),
                 pass->dbias, w->out);
}

/* Runs a convolution or dense layer back and adds its gradients. */
static void run_weights(struct backward *b, double work) {
    struct pass *pass = b->pass;
    const struct weights *w = &b->op->weights;
    const int cell = b->frame->cell;
    if (pass_is_wide(pass, w)) {
        run_wide(b);
    } else {
        pass_parallel(pass, work, b->op->kind == OP_DENSE ? dense_chunk : conv_chunk, b);
        struct unpack u = {pass, w, cell, pass_chunks(pass)};
        pool_run(w->gradient_len > 20000 ? pass->pool : NULL, (int)((w->out + BLOCK - 1) / BLOCK),
                 unpack_chunk, &u);
    }
    if (b->bias) {
        add_bias_gradients(pass, w, cell);
    }
}

static void sample_chunk(void *context, int chunk, int worker) {
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct kernels *k = pass->k;
    const struct op *op = b->op;
    const struct buffer *from = &b->chain->buffers[op->in.buffer];
    const struct buffer *to = &b->chain->buffers[op->out];
    const ptrdiff_t pixels = from->extent.height * from->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        const void *g = at(pass, b->g, i * to->len), *raw = at_const(pass, b->raw, i * to->len);
        void *dx = at(pass, b->dx, i * from->len), *dy = pass->framed_dy[worker];
        k->slope(dy, 0, 1, to->extent.height, to->extent.width, g, raw, to->extent, &b->out, 1.0);
        if (op->kind == OP_POOL) {
            k->pool_mean_back(dx, dy, from->extent);
        } else if (op->kind == OP_MONOMIALS) {
            k->monomials_back(dx, dy, at(pass, b->frame->buffer[op->in.buffer], i * from->len), raw,
                              &op->monomials, 1);
        } else { /* OP_FLATTEN */
            void *plain = pass->framed_x[worker];
            k->to_plain(plain, dy, from->channels * pixels, 1);
            k->from_plain(dx, plain, from->channels, pixels);
        }
    }
}

/* What `lazy` of `buffer` does to gradients: the sums a norm's backward pass needs. */
static void moments_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct lazy lazy = b->op ? b->op->in : b->chain->out;
    const struct buffer *from = &b->chain->buffers[lazy.buffer];
    double *partial = clear_partial(pass, chunk, norm_of(b, lazy)->padded);
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        make(b, b->before, i, i + 1);
        pass->k->grad_moments(partial, at(pass, b->g, i * from->len),
                              at(pass, b->frame->buffer[lazy.buffer], i * from->len),
                              from->extent, &b->in);
    }
}

/* Undoes a transform by itself: from the value of buffer `of` to the buffer; dx may be g. */
static void slope_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct backward *b = context;
    struct pass *pass = b->pass;
    const struct buffer *to = &b->chain->buffers[b->of];
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        pass->k->slope(at(pass, b->dx, i * to->len), 0, 1, to->extent.height, to->extent.width,
                       at(pass, b->g, i * to->len), at_const(pass, b->raw, i * to->len),
                       to->extent, &b->out, 1.0);
        make(b, b->after, i, i + 1);
    }
}

static void run_residual(struct backward *b, struct work *work) {
    struct pass *pass = b->pass;
    const struct op *op = b->op;
    const struct buffer *to = &b->chain->buffers[op->out];
    const struct buffer *from = &b->chain->buffers[op->in.buffer];
    struct frame *body = b->frame->bodies[op->index].frames[0];
    struct body_work *bw = &work->bodies[op->index];
    const struct combination scaled = {.shape = to,
                                       .y = bw->kbar,
                                       .count = 1,
                                       .terms = {{.x = b->g, .factor = op->layer->factor}}};
    bw->work->grad[0] = bw->xbar;
    chain_backward(pass, op->body, body, bw->work, bw->kbar, &scaled, NULL);
    const void *path = b->g;
    void *dx = b->dx;
    if (op->layer->down) {
        b->packed = packed_backward(pass, &op->weights, 0);
        b->bias = false;
        if (dx) {
            b->dx = bw->path;
        }
        run_weights(b, 1e9);
        path = bw->path;
    }
    if (dx) {
        const struct combination sum = {
            .shape = from,
            .y = dx,
            .count = 2,
            .terms = {{.x = path, .factor = 1.0}, {.x = bw->xbar, .factor = 1.0}}};
        pass_combine(pass, &sum);
    }
}

/* What stands between the first operation and the chain's input, read through `read`. */
static void undo_input(struct backward *b, struct lazy read, struct work *work,
                       const struct combination *after) {
    if (b->before) { /* a chain that only transforms */
        pass_combine(b->pass, b->before);
    }
    if (read.norm >= 0) {
        const struct extent e = b->chain->buffers[0].extent;
        norm_backward(b->pass, &b->chain->norms[read.norm], &b->frame->norms[read.norm],
                      b->frame->cell, e.height * e.width);
    }
    if (!lazy_is_plain(read) || b->g != work->grad[0]) {
        b->of = 0;
        b->dx = work->grad[0];
        b->raw = b->frame->buffer[0];
        b->out = lazy_transform(b->chain, b->frame, read);
        b->after = after;
        after = NULL;
        pass_parallel(b->pass, 1e9, slope_chunk, b);
    }
    if (after) {
        pass_combine(b->pass, after);
    }
}

void chain_backward(struct pass *pass, const struct chain *chain, struct frame *frame,
                    struct work *work, void *g, const struct combination *before,
                    const struct combination *after) {
    struct lazy read = chain->out; /* how the buffer g belongs to was read */
    struct backward b = {.pass = pass, .chain = chain, .frame = frame, .g = g, .before = before};
    if (read.norm >= 0) {
        b.in = lazy_transform(chain, frame, read);
        pass_parallel(pass, 1e9, moments_chunk, &b);
        b.before = NULL;
    }
    for (int i = chain->op_count - 1; i >= 0; i--) {
        const struct op *op = &chain->ops[i];
        const struct buffer *of = &chain->buffers[read.buffer];
        if (op->kind == OP_MOMENTS) {
            continue; /* its part is done where its norm is read */
        }
        if (read.norm >= 0) {
            norm_backward(pass, &chain->norms[read.norm], &frame->norms[read.norm], frame->cell,
                          of->extent.height * of->extent.width);
        }
        b.op = op;
        b.in = lazy_transform(chain, frame, op->in);
        b.out = lazy_transform(chain, frame, read);
        b.raw = frame->buffer[op->out];
        const bool weighs = op->kind == OP_CONV || op->kind == OP_DENSE;
        if (b.before && !weighs) {
            pass_combine(pass, b.before);
            b.before = NULL;
        }
        if (!lazy_is_plain(read) &&
            (op->kind == OP_STORE || op->kind == OP_RESIDUAL || op->kind == OP_ODE)) {
            b.of = read.buffer; /* these do not read gradients through a transform */
            b.dx = b.g;
            pass_parallel(pass, 1e9, slope_chunk, &b);
            b.out = (struct transform){.act = ACT_NONE}; /* undone: not once more by `down` */
        }
        b.dx = work->grad[op->in.buffer];
        switch (op->kind) {
        case OP_CONV:
        case OP_DENSE:
            if (after && op->in.buffer == 0 && lazy_is_plain(op->in)) {
                b.after = after;
                after = NULL;
            }
            b.packed = packed_backward(pass, &op->weights, frame->cell);
            b.bias = op->weights.bias >= 0;
            run_weights(&b, 1e9 * (double)(op->kind == OP_CONV) +
                                4.0 * (double)(pass->count * op->weights.gradient_len));
            b.before = b.after = NULL;
            break;
        case OP_STORE: /* the stored value is the value read */
            b.dx = b.g;
            break;
        case OP_POOL:
        case OP_FLATTEN:
        case OP_MONOMIALS:
            if (b.dx) {
                pass_parallel(pass, 1e9, sample_chunk, &b);
            }
            break;
        case OP_RESIDUAL:
            run_residual(&b, work);
            break;
        case OP_ODE:
            ode_backward(pass, op, &frame->bodies[op->index], &work->bodies[op->index], b.g, b.dx);
            break;
        case OP_MOMENTS:
            break;
        }
        read = op->in;
        b.g = b.op->kind == OP_STORE ? b.g : work->grad[op->in.buffer];
        if (read.norm >= 0 && !weighs) {
            pass_parallel(pass, 1e9, moments_chunk, &b);
        }
    }
    if (work->grad[0]) {
        undo_input(&b, read, work, after);
    }
}
