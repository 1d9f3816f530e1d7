/* Running a chain forward. Each operation cuts the batch into chunks; inside a chunk a sample goes
 * through frame, convolution and moments while it is in the cache. Wide convolutions are cut by
 * channels instead (wide.c). */
#include "nets/pass.h"

#include <string.h>

struct transform lazy_transform(const struct chain *chain, const struct frame *frame,
                                struct lazy lazy) {
    (void)chain;
    struct transform t = {.act = lazy.act, .act_first = lazy.act_first};
    if (lazy.norm >= 0) {
        const struct norm_state *s = &frame->norms[lazy.norm];
        t.scale = s->scale;
        t.shift = s->shift;
        t.mean = s->mean;
        t.rstd = s->rstd;
        t.m1 = s->m1;
        t.m2 = s->m2;
    }
    return t;
}

struct forward {
    struct pass *pass;
    const struct chain *chain;
    const struct op *op;
    struct frame *frame;
    struct transform in;
    const void *packed, *bias;
    const struct combination *before; /* makes what is read; or NULL */
    void *y; /* where a convolution writes; otherwise the op's buffer */
};

static struct extent buffer_extent(const struct forward *f, int buffer) {
    return f->chain->buffers[buffer].extent;
}

struct convolution convolution_back(const struct convolution *c, struct extent in) {
    const int border = c->kernel / 2 * 2;
    return (struct convolution){.in_channels = c->out_channels,
                                .out_channels = c->in_channels,
                                .height = in.height,
                                .width = in.width,
                                .frame_height = in.height + border,
                                .frame_width = in.width + border,
                                .kernel = c->kernel,
                                .stride = 1,
                                .pixels = c->height * c->width};
}

ptrdiff_t conv_together(const struct pass *pass, const struct op *op, struct extent in) {
    const struct convolution *c = &op->geometry, back = convolution_back(c, in);
    const struct weights *w = &op->weights;
    ptrdiff_t together = pass_is_fast(pass, w, true) ? pass->chunk : 1;
    if (pass_is_fast(pass, w, false)) {
        together = pass->k->winograd_samples(c, together);
    }
    if (pass_is_fast(pass, w, true)) {
        together = pass->k->winograd_samples(&back, together);
    }
    return together;
}

void conv_samples(const struct pass *pass, const struct weights *w, bool back,
                  const struct convolution *c, ptrdiff_t samples, void *y, const void *frames,
                  const void *packed, const void *bias, const struct soon *soon, int worker) {
    if (pass_is_fast(pass, w, back)) {
        pass->k->winograd_conv(y, frames, packed, bias, c, samples, pass->scratch[worker], soon);
    } else {
        pass->k->conv(y, (c->out_channels + BLOCK - 1) / BLOCK * c->height * c->width * BLOCK,
                      frames, packed, bias, c, samples);
    }
}

static void make(const struct forward *f, ptrdiff_t first, ptrdiff_t last) {
    if (f->before) {
        combine_samples(f->pass, f->before, first, last);
    }
}

/* The frames of `count` samples from `first` on. */
static void make_frames(const struct forward *f, ptrdiff_t first, ptrdiff_t count, void *frames) {
    const struct pass *pass = f->pass;
    const struct buffer *from = &f->chain->buffers[f->op->in.buffer];
    const struct convolution *c = &f->op->geometry;
    make(f, first, first + count);
    for (ptrdiff_t s = 0; s < count; s++) {
        pass->k->value(at(pass, frames, s * frame_len(c)), c->kernel / 2,
                       at(pass, f->frame->buffer[f->op->in.buffer], (first + s) * from->len),
                       from->extent, &f->in);
    }
}

/* The norm whose moments are gathered while the operation runs, or NULL. */
static const struct norm *gathered(const struct forward *f) {
    return f->op->moments >= 0 && pass_gathers(f->pass) ? &f->chain->norms[f->op->moments] : NULL;
}

/* Whether what is read stands as a frame already. */
static bool is_framed(const struct op *op) {
    return op->geometry.kernel == 1 && lazy_is_plain(op->in);
}

static void conv_chunk(void *context, int chunk, int worker) {
    const struct forward *f = context;
    struct pass *pass = f->pass;
    const struct kernels *k = pass->k;
    const struct op *op = f->op;
    const struct buffer *from = &f->chain->buffers[op->in.buffer];
    const struct convolution *c = &op->geometry;
    const struct extent out = {(c->out_channels + BLOCK - 1) / BLOCK, c->height, c->width};
    const ptrdiff_t out_len = out.blocks * out.height * out.width * BLOCK;
    const struct norm *norm = gathered(f);
    double *partial = norm ? clear_partial(pass, chunk, norm->padded) : NULL;
    const bool direct = is_framed(op);
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    const ptrdiff_t together = conv_together(pass, op, from->extent);
    for (ptrdiff_t i = first, n; i < last; i += n) {
        n = last - i < together ? last - i : together;
        const void *x = at(pass, f->frame->buffer[op->in.buffer], i * from->len);
        void *y = at(pass, f->y, i * out_len);
        if (direct) {
            make(f, i, i + n);
        } else {
            make_frames(f, i, n, pass->framed_x[worker]);
        }
        struct soon soon = {0};
        pass_soon(pass, &soon, y, n * out_len, true);
        pass_soon(pass, &soon, at_const(pass, x, n * from->len),
                  (last - i < 2 * n ? last - i - n : n) * from->len, false);
        conv_samples(pass, &op->weights, false, c, n, y, direct ? x : pass->framed_x[worker],
                     f->packed, f->bias, &soon, worker);
        for (ptrdiff_t s = 0; s < n && norm; s++) {
            k->moments(partial, (i + s - first) * out.height * out.width,
                       at(pass, y, s * out_len), out, norm->of.act);
        }
    }
}

/* ---- operations cut by channels: frames of all samples, products, moments ---- */

static void frames_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct forward *f = context;
    ptrdiff_t first, last;
    chunk_range(f->pass, chunk, &first, &last);
    make_frames(f, first, last - first,
                at(f->pass, f->pass->wide_x, first * frame_len(&f->op->geometry)));
}

static void moments_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct forward *f = context;
    const struct pass *pass = f->pass;
    const struct buffer *to = &f->chain->buffers[f->op->out];
    const struct norm *norm = gathered(f);
    double *partial = clear_partial(pass, chunk, norm->padded);
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        pass->k->moments(partial, (i - first) * to->extent.height * to->extent.width,
                         at(pass, f->y, i * to->len), to->extent, norm->of.act);
    }
}

static void run_wide(struct forward *f) {
    struct pass *pass = f->pass;
    const struct op *op = f->op;
    const double count = (double)pass->count;
    const void *frames = pass->wide_x;
    if (is_framed(op)) {
        frames = f->frame->buffer[op->in.buffer];
        if (f->before) {
            pass_combine(pass, f->before);
        }
    } else {
        pass_parallel(pass, count * (double)frame_len(&op->geometry), frames_chunk, f);
    }
    wide_conv(pass, &op->geometry, f->y, frames, f->packed, f->bias);
    if (gathered(f)) {
        pass_parallel(pass, count * (double)f->chain->buffers[op->out].len, moments_chunk, f);
    }
}

/* Rows of features: without a norm the channels need no telling apart. */
static void dense_chunk(void *context, int chunk, int worker) {
    const struct forward *f = context;
    struct pass *pass = f->pass;
    const struct kernels *k = pass->k;
    const struct op *op = f->op;
    const struct weights *w = &op->weights;
    const ptrdiff_t in_len = f->chain->buffers[op->in.buffer].len;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    const void *x = at(pass, f->frame->buffer[op->in.buffer], first * in_len);
    make(f, first, last);
    if (f->in.scale) {
        for (ptrdiff_t i = first; i < last; i++) {
            k->value(at(pass, pass->framed_x[worker], (i - first) * in_len), 0,
                     at_const(pass, x, (i - first) * in_len), buffer_extent(f, op->in.buffer),
                     &f->in);
        }
        x = pass->framed_x[worker];
    } else if (f->in.act != ACT_NONE) {
        k->value(pass->framed_x[worker], 0, x,
                 (struct extent){1, 1, (last - first) * in_len / BLOCK}, &f->in);
        x = pass->framed_x[worker];
    }
    k->dense(at(pass, f->frame->buffer[op->out], first * f->chain->buffers[op->out].len), x,
             f->packed, f->bias, last - first, w->in, w->out);
}

static void sample_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct forward *f = context;
    struct pass *pass = f->pass;
    const struct kernels *k = pass->k;
    const struct op *op = f->op;
    const struct buffer *from = &f->chain->buffers[op->in.buffer];
    const struct norm *norm = op->moments >= 0 ? &f->chain->norms[op->moments] : NULL;
    double *partial = norm ? clear_partial(pass, chunk, norm->padded) : NULL;
    const ptrdiff_t pixels = from->extent.height * from->extent.width;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        make(f, i, i + 1);
        const void *x = at(pass, f->frame->buffer[op->in.buffer], i * from->len);
        void *y = op->out >= 0
                      ? at(pass, f->frame->buffer[op->out], i * f->chain->buffers[op->out].len)
                      : NULL;
        switch (op->kind) {
        case OP_MOMENTS:
            k->moments(partial, (i - first) * pixels, x, from->extent, norm->of.act);
            break;
        case OP_STORE:
            k->value(y, 0, x, from->extent, &f->in);
            break;
        case OP_POOL:
            k->pool_mean(y, x, from->extent, &f->in);
            break;
        case OP_MONOMIALS:
            k->monomials(y, x, &op->monomials, 1);
            break;
        default: { /* OP_FLATTEN */
            void *plain = pass->framed_x[worker];
            k->to_plain(plain, x, from->channels, pixels);
            k->from_plain(y, plain, from->channels * pixels, 1);
        }
        }
    }
}

static void run_conv(struct forward *f, double work) {
    if (pass_is_wide(f->pass, &f->op->weights)) {
        run_wide(f);
    } else {
        pass_parallel(f->pass, work, conv_chunk, f);
    }
}

static void run_residual(struct forward *f) {
    struct pass *pass = f->pass;
    const struct op *op = f->op;
    struct frame *body = f->frame->bodies[op->index].frames[0];
    const struct buffer *to = &f->chain->buffers[op->out];
    void *out = f->frame->buffer[op->out];
    body->buffer[0] = f->frame->buffer[op->in.buffer];
    chain_forward(pass, op->body, body, NULL);
    const void *path = body->buffer[0];
    if (op->layer->down) {
        f->packed = packed_forward(pass, &op->weights, 0);
        f->y = out;
        run_conv(f, 1e9);
        path = out;
    }
    const struct combination sum = {
        .shape = to,
        .y = out,
        .count = 2,
        .terms = {{.x = path, .factor = 1.0},
                  {.x = body->buffer[op->body->out.buffer],
                   .transform = lazy_transform(op->body, body, op->body->out),
                   .factor = op->layer->factor}}};
    pass_combine(pass, &sum);
}

static double op_work(const struct forward *f) { /* flops, roughly */
    const struct op *op = f->op;
    const double count = (double)f->pass->count;
    if (op->kind == OP_CONV) {
        return 2.0 * count *
               (double)(op->weights.in * op->weights.out * op->weights.kernel *
                        op->weights.kernel * op->geometry.height * op->geometry.width);
    }
    if (op->kind == OP_DENSE) {
        return 2.0 * count * (double)(op->weights.in * op->weights.out);
    }
    return count * (double)f->chain->buffers[op->in.buffer].len;
}

/* Whether an operation makes its input sample by sample while it runs. */
static bool makes(const struct pass *pass, const struct op *op) {
    return !op->body && (op->kind != OP_MOMENTS || pass_gathers(pass));
}

void chain_forward(struct pass *pass, const struct chain *chain, struct frame *frame,
                   const struct combination *before) {
    if (before && (chain->op_count == 0 || !makes(pass, &chain->ops[0]) ||
                   (pass->again == AGAIN_INNER && chain->ops[0].out == chain->out.buffer))) {
        pass_combine(pass, before);
        before = NULL;
    }
    for (int i = 0; i < chain->op_count; i++, before = NULL) {
        const struct op *op = &chain->ops[i];
        const struct buffer *to = op->out >= 0 ? &chain->buffers[op->out] : NULL;
        if (pass->again == AGAIN_INNER && op->out == chain->out.buffer) {
            continue;
        }
        struct forward f = {.pass = pass,
                            .chain = chain,
                            .op = op,
                            .frame = frame,
                            .before = before,
                            .in = lazy_transform(chain, frame, op->in)};
        switch (op->kind) {
        case OP_CONV:
        case OP_DENSE:
            f.packed = packed_forward(pass, &op->weights, frame->cell);
            f.bias = packed_bias(pass, &op->weights, frame->cell);
            f.y = frame->buffer[op->out];
            if (op->kind == OP_CONV) {
                run_conv(&f, op_work(&f));
            } else {
                pass_parallel(pass, op_work(&f), dense_chunk, &f);
            }
            break;
        case OP_MOMENTS:
            if (pass_gathers(pass)) {
                pass_parallel(pass, op_work(&f), sample_chunk, &f);
            }
            break;
        case OP_STORE:
        case OP_POOL:
        case OP_FLATTEN:
        case OP_MONOMIALS:
            pass_parallel(pass, op_work(&f), sample_chunk, &f);
            break;
        case OP_RESIDUAL:
            run_residual(&f);
            break;
        case OP_ODE:
            ode_forward(pass, op, &frame->bodies[op->index], frame->buffer[op->in.buffer],
                        frame->buffer[op->out]);
            break;
        }
        if (op->moments >= 0 && pass->again == AGAIN_NOT) {
            const struct extent e = to ? to->extent : chain->buffers[op->in.buffer].extent;
            norm_forward(pass, &chain->norms[op->moments], &frame->norms[op->moments], frame->cell,
                         e.height * e.width);
        }
    }
}

void combine_samples(const struct pass *pass, const struct combination *c, ptrdiff_t first,
                     ptrdiff_t last) {
    struct term terms[TABLEAU_STAGES_MAX + 1];
    bool per_channel = false;
    for (int t = 0; t < c->count; t++) {
        terms[t] = c->terms[t];
        per_channel |= terms[t].transform.scale != NULL;
    }
    const ptrdiff_t len = c->shape->len, together = per_channel ? 1 : last - first;
    struct extent e = c->shape->extent;
    if (!per_channel) { /* no channels to tell apart: one long row */
        e = (struct extent){1, 1, together * len / BLOCK};
    }
    for (ptrdiff_t i = first; i < last; i += together) {
        for (int t = 0; t < c->count; t++) {
            terms[t].x = at_const(pass, c->terms[t].x, i * len);
        }
        pass->k->combine(at(pass, c->y, i * len), e, c->count, terms);
    }
}

struct combining {
    struct pass *pass;
    const struct combination *combination;
};

static void combine_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct combining *c = context;
    ptrdiff_t first, last;
    chunk_range(c->pass, chunk, &first, &last);
    combine_samples(c->pass, c->combination, first, last);
}

void pass_combine(struct pass *pass, const struct combination *combination) {
    struct combining c = {pass, combination};
    pass_parallel(pass, (double)(pass->count * combination->shape->len * combination->count),
                  combine_chunk, &c);
}
