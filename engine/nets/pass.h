/* Inside a pass: frames, gradients, scratch. Not for callers of net.h.
 *
 * A frame is one evaluation of a chain on a batch: where its buffers stand and the state of its
 * norms. What stands where, and for how long, is decided once (layout.c). Work is cut into chunks
 * of `chunk` samples, whatever the number of threads; partial sums are kept per chunk and added in
 * chunk order. */
#ifndef CONTINUO_NETS_PASS_H
#define CONTINUO_NETS_PASS_H

#include <string.h>

#include "nets/chain.h"
#include "nets/net.h"

enum { CHUNKS = 16 }; /* at most, in a batch */

struct norm_state {
    void *scale, *shift, *mean, *rstd, *m1, *m2; /* reals, padded channels */
    double *batch_mean, *batch_var;              /* channels; var unbiased */
};

/* What is kept of every evaluation of a chain, however little memory there is. */
struct visit {
    struct norm_state *norms;
    int cell;
};

/* Where a buffer of a stage stands: `stride` bytes further on in every step. at NULL: the input of
 * a stage that reads the state itself. */
struct seat {
    void *at;
    size_t stride;
};

struct body_state {
    int count; /* frames: residual: one; ODE: one a stage, seated anew in every step */
    struct frame **frames;
    /* ODE: */
    int visit_count; /* of every stage of a step or, where something is kept, of every step */
    struct visit *visits;
    struct dense_field *dense; /* instead of all that follows, when it fits (dense_field.h) */
    void *x;                  /* the state before the first step */
    struct seat state;        /* at the start of the second step, and further on */
    struct seat kept;         /* what is kept of the stages */
    struct seat *fore, *back; /* (stages, buffers): in the forward and in the backward pass */
};

struct frame {
    void **buffer;
    struct norm_state *norms;
    struct body_state *bodies;
    int cell;
};

struct body_work {
    struct work *work;
    void *kbar, *xbar; /* gradients by a slope or path; residual: by the body's input */
    void **ybar;       /* ODE: gradients by the stage inputs */
    void *path;        /* residual: gradient through the 1x1 convolution */
};

/* Gradients by the buffers of a chain, shared by all its frames. */
struct work {
    void **grad;
    struct body_work *bodies;
};

/* How chain_forward runs a chain that has been run before: its norms stay as they were. INNER: all
 * but the output, which stands already or is not read. */
enum again { AGAIN_NOT, AGAIN_ALL, AGAIN_INNER };

struct pass {
    struct net *net;
    const struct kernels *k;
    struct pass_options options;
    struct pool *pool;
    enum memory memory; /* not MEMORY_AUTO: what is kept */
    enum again again;
    bool differentiable;    /* run forward, and not backward since */
    ptrdiff_t chunk, count; /* samples: of a chunk, of the batch under way */
    bool *wide;      /* by weights: the operation is cut by channels (wide.c) */
    form_set *forms; /* by weights: what it reads of them */
    struct frame *frame;
    struct work *work;
    void *clock; /* (batch, 2) t and dt of the samples, or NULL */
    void *outputs, *doutputs;          /* plain; blocked */
    void **framed_x, **framed_dy, **dilated, **scratch; /* per worker */
    void *wide_x, *wide_dy, *wide_dilated; /* frames of all samples, for wide operations */
    void *dw, *dbias;                  /* per chunk */
    ptrdiff_t dw_stride, dbias_stride; /* reals */
    double *partial;                   /* per chunk: two doubles a padded channel */
    ptrdiff_t partial_stride;
    double *channel; /* scratch: eight doubles a padded channel */
    ptrdiff_t channel_stride;
    ptrdiff_t evaluations;
    void **blocks; /* every allocation */
    int block_count, block_capacity;
    size_t bytes;
};

/* The skeleton of a frame and of its gradients, without tensors and norms; NULL: no memory. */
struct frame *frame_create(struct pass *pass, const struct chain *chain);
struct work *frame_work(struct pass *pass, const struct chain *chain);
/* The states of all norms of a frame, of every visit; and the bytes of those inside ODE blocks. */
bool frame_norms(struct pass *pass, const struct chain *chain, struct frame *frame);
double frame_norms_bytes(const struct pass *pass, const struct chain *chain,
                         const struct frame *frame);

/* How an ODE operation is run in this pass. */
struct run {
    const struct tableau *scheme;
    int steps;
    enum edge edge;
};
struct run pass_run(const struct pass *pass, const struct op *op);
/* The node in depth that a stage of an ODE operation reads. */
int ode_cell(const struct op *op, const struct run *run, int step, int stage);
/* The scalar that multiplies the field in a cell; 1 without one. */
double ode_skip(const struct pass *pass, const struct op *op, int cell);

/* What the gradient of an ODE operation depends on. */
struct reach {
    int first, last;                      /* such stages; -1: none */
    bool stage[TABLEAU_STAGES_MAX];       /* stages on whose slope x_N depends */
    bool slope[TABLEAU_STAGES_MAX];       /* their outputs that a slope's gradient reads */
    bool input[TABLEAU_STAGES_MAX];       /* their outputs that later such stages read */
};
struct reach ode_reach(const struct op *op, const struct tableau *scheme);
/* Whether the input of a stage differs from the state. */
bool ode_moves(const struct tableau *scheme, int stage);

struct transform lazy_transform(const struct chain *chain, const struct frame *frame,
                                struct lazy lazy);

static inline void *at(const struct pass *pass, void *base, ptrdiff_t reals) {
    return (char *)base + reals * (ptrdiff_t)pass->k->real_size;
}
static inline const void *at_const(const struct pass *pass, const void *base, ptrdiff_t reals) {
    return (const char *)base + reals * (ptrdiff_t)pass->k->real_size;
}
static inline int pass_chunks(const struct pass *pass) {
    return (int)((pass->count + pass->chunk - 1) / pass->chunk);
}
/* A chunk's partial sums, zeroed: two doubles a padded channel. */
static inline double *clear_partial(const struct pass *pass, int chunk, ptrdiff_t padded) {
    double *partial = pass->partial + chunk * pass->partial_stride;
    memset(partial, 0, (size_t)(2 * padded) * sizeof *partial);
    return partial;
}
/* Samples first..last-1 of a chunk. */
static inline void chunk_range(const struct pass *pass, int chunk, ptrdiff_t *first,
                               ptrdiff_t *last) {
    *first = chunk * pass->chunk;
    *last = *first + pass->chunk < pass->count ? *first + pass->chunk : pass->count;
}
/* Memory that lives as long as the pass, zeroed; NULL: there is none. */
void *pass_take_zero(struct pass *pass, size_t size);
/* Runs function over the chunks of the batch; alone when `work` (flops) is not worth waking
 * anybody. */
void pass_parallel(struct pass *pass, double work, pool_function *function, void *context);

/* The gradient by a convolution's input as a convolution of stride 1 over the dilated gradient by
 * its output; `in` is the extent of the input. */
struct convolution convolution_back(const struct convolution *c, struct extent in);

/* By which algorithm an operation is run forward, or back to its input; and its weight gradients. */
static inline bool pass_is_wide(const struct pass *pass, const struct weights *w) {
    return pass->wide[w->index];
}
static inline bool pass_is_fast(const struct pass *pass, const struct weights *w, bool back) {
    return (back ? w->winograd_backward : w->winograd_forward) && !pass_is_wide(pass, w);
}

/* How many samples of a chunk an operation's convolutions take at once; `in`: of its input. */
ptrdiff_t conv_together(const struct pass *pass, const struct op *op, struct extent in);

/* Reals of one frame a convolution reads. */
static inline ptrdiff_t frame_len(const struct convolution *c) {
    return (c->in_channels + BLOCK - 1) / BLOCK * c->frame_height * c->frame_width * BLOCK;
}

/* Reals of the gradient by what a convolution writes, in the border its weights' gradient wants. */
static inline ptrdiff_t gradient_frame_len(const struct convolution *c) {
    const ptrdiff_t border = c->kernel / 2 * 2;
    return (c->out_channels + BLOCK - 1) / BLOCK * (c->height + border) * (c->width + border) *
           BLOCK;
}

/* Frames that follow each other through a convolution with its packed weights, by the planned
 * algorithm. */
void conv_samples(const struct pass *pass, const struct weights *w, bool back,
                  const struct convolution *c, ptrdiff_t samples, void *y, const void *frames,
                  const void *packed, const void *bias, const struct soon *soon, int worker);

/* Adds `len` reals to what is wanted soon, unless they would drive out what is in use. */
static inline void pass_soon(const struct pass *pass, struct soon *soon, const void *at,
                             ptrdiff_t len, bool write) {
    const ptrdiff_t most = (1 << 18) / (ptrdiff_t)pass->k->real_size; /* of a second-level cache */
    if (len > 0 && len <= most) {
        soon->range[soon->count].at = at;
        soon->range[soon->count].len = len;
        soon->range[soon->count++].write = write;
    }
}

/* Packed weights of a cell. */
const void *packed_forward(const struct pass *pass, const struct weights *w, int cell);
const void *packed_backward(const struct pass *pass, const struct weights *w, int cell);
const void *packed_bias(const struct pass *pass, const struct weights *w, int cell); /* or NULL */

/* Whether an operation is cut by channels in passes of this batch, frames of all samples being made
 * first, and the same for all threads. */
bool wide_pays(const struct op *op, struct extent in, ptrdiff_t batch);
/* y = convolution of the frames of the batch. */
void wide_conv(struct pass *pass, const struct convolution *c, void *y, const void *frames,
               const void *packed, const void *bias);
/* Adds the gradients by the weights of a cell to the net's; scratch of wide_scratch reals. */
void wide_weights(struct pass *pass, const struct weights *w, const struct convolution *c,
                  const void *frames_x, const void *frames_dy, int cell);
ptrdiff_t wide_scratch(const struct convolution *c);

/* Whether a forward pass gathers batch statistics. */
static inline bool pass_gathers(const struct pass *pass) {
    return pass->options.training && pass->again == AGAIN_NOT;
}

/* y = sum of terms, of states of `shape`; left to the operation next to it, which makes it sample
 * by sample while what it reads is in the cache. */
struct combination {
    const struct buffer *shape;
    void *y;
    int count;
    struct term terms[TABLEAU_STAGES_MAX + 1];
};
void pass_combine(struct pass *pass, const struct combination *combination);
void combine_samples(const struct pass *pass, const struct combination *combination,
                     ptrdiff_t first, ptrdiff_t last);

/* `before`, unless NULL, makes the chain's input first. What it reads may be overwritten sample by
 * sample by what the chain writes. */
void chain_forward(struct pass *pass, const struct chain *chain, struct frame *frame,
                   const struct combination *before);
/* g: gradient by the value of chain->out; may be overwritten. Leaves the gradient by the chain's
 * input in work->grad[0] unless that is NULL. `before` makes g first, `after` is made as soon as
 * work->grad[0] stands; either may be NULL. */
void chain_backward(struct pass *pass, const struct chain *chain, struct frame *frame,
                    struct work *work, void *g, const struct combination *before,
                    const struct combination *after);

/* Runs an ODE operation from x to out. Back from g, the gradient by out, which is overwritten, to
 * dx, the gradient by x; NULL: nobody wants it. */
void ode_forward(struct pass *pass, const struct op *op, struct body_state *state, void *x,
                 void *out);
void ode_backward(struct pass *pass, const struct op *op, struct body_state *state,
                  struct body_work *work, void *g, void *dx);

/* From the partial moments of the chunks (training) or the running statistics of the frame's
 * cell to the norm's transform. */
void norm_forward(struct pass *pass, const struct norm *norm, struct norm_state *state, int cell,
                  ptrdiff_t pixels);
/* From the partial sums of the chunks to m1, m2 and the gradients of gamma and beta. */
void norm_backward(struct pass *pass, const struct norm *norm, struct norm_state *state, int cell,
                   ptrdiff_t pixels);
/* Moves the running statistics by the batch statistics of the visits, in order. */
void norm_move(struct pass *pass, const struct norm *norm, int index, const struct visit *visits,
               int count);

#endif
