/* Convolutions with more weights than a batch has values for them: wide nets on small images or few
 * samples. Weights are what is moved then, and a batch may have fewer samples than there are
 * threads. So the work is cut by blocks of output channels: every weight is read once for all
 * samples, every weight gradient is written once, straight to where it belongs, and one sample
 * gives work to as many threads as there are parts. Bits do not depend on who takes which part. */
#include "nets/pass.h"

#include <string.h>

static ptrdiff_t blocks_of(ptrdiff_t channels) {
    return (channels + BLOCK - 1) / BLOCK;
}

/* Reals of the frames of a sample, forward and backward. */
static ptrdiff_t frames_len(const struct convolution *c, struct extent in) {
    const struct convolution back = convolution_back(c, in);
    return frame_len(c) + gradient_frame_len(c) + (c->stride > 1 ? frame_len(&back) : 0);
}

bool wide_pays(const struct op *op, struct extent in, ptrdiff_t batch) {
    return op->geometry.kernel > 0 &&
           op->weights.gradient_len / batch > 2 * frames_len(&op->geometry, in);
}

/* Blocks of output channels in a part: enough for a tile of the kernels, few enough that there are
 * parts for several threads. */
static ptrdiff_t panel_of(ptrdiff_t out_blocks) {
    return out_blocks >= 8 ? 4 : out_blocks >= 4 ? 2 : 1;
}
static int parts_of(ptrdiff_t out_channels) {
    const ptrdiff_t blocks = blocks_of(out_channels), panel = panel_of(blocks);
    return (int)((blocks + panel - 1) / panel);
}

/* The part's own channels as a convolution; sets the first of its blocks. */
static struct convolution part_of(const struct convolution *c, int part, ptrdiff_t *first) {
    const ptrdiff_t panel = panel_of(blocks_of(c->out_channels));
    struct convolution own = *c;
    *first = part * panel;
    const ptrdiff_t left = c->out_channels - *first * BLOCK;
    own.out_channels = left < panel * BLOCK ? left : panel * BLOCK;
    return own;
}

struct wide {
    struct pass *pass;
    const struct weights *w;
    const struct convolution *c;
    void *y;
    const void *frames, *frames_dy, *packed, *bias;
    int cell;
};

static void run(const struct wide *wide, pool_function *function) {
    const struct convolution *c = wide->c;
    const double flops = 2.0 * (double)(wide->pass->count * c->height * c->width * c->kernel *
                                        c->kernel * c->in_channels) *
                         (double)c->out_channels;
    pool_run(flops > 2e5 ? wide->pass->pool : NULL, parts_of(c->out_channels), function,
             (void *)wide);
}

static void conv_part(void *context, int part, int worker) {
    (void)worker;
    const struct wide *wide = context;
    const struct pass *pass = wide->pass;
    ptrdiff_t first;
    const struct convolution c = part_of(wide->c, part, &first);
    const ptrdiff_t pixels = c.height * c.width * BLOCK;
    const ptrdiff_t block = blocks_of(c.in_channels) * c.kernel * c.kernel * BLOCK * BLOCK;
    pass->k->conv(at(pass, wide->y, first * pixels), blocks_of(wide->c->out_channels) * pixels,
                  wide->frames, at_const(pass, wide->packed, first * block),
                  wide->bias ? at_const(pass, wide->bias, first * BLOCK) : NULL, &c, pass->count);
}

void wide_conv(struct pass *pass, const struct convolution *c, void *y, const void *frames,
               const void *packed, const void *bias) {
    const struct wide wide = {
        .pass = pass, .c = c, .y = y, .frames = frames, .packed = packed, .bias = bias};
    run(&wide, conv_part);
}

ptrdiff_t wide_scratch(const struct convolution *c) {
    return panel_of(blocks_of(c->out_channels)) * blocks_of(c->in_channels) * c->kernel *
           c->kernel * BLOCK * BLOCK;
}

static void weights_part(void *context, int part, int worker) {
    const struct wide *wide = context;
    const struct pass *pass = wide->pass;
    const struct net *net = pass->net;
    const struct weights *w = wide->w;
    ptrdiff_t first;
    const struct convolution c = part_of(wide->c, part, &first);
    const ptrdiff_t border = c.kernel / 2 * 2, taps = (ptrdiff_t)c.kernel * c.kernel;
    const ptrdiff_t pixels = (c.height + border) * (c.width + border) * BLOCK;
    void *dw = pass->scratch[worker];
    pass->k->conv_weights(dw, wide->frames, at_const(pass, wide->frames_dy, first * pixels),
                          gradient_frame_len(wide->c), c.kernel / 2, &c, pass->count, false);
    const ptrdiff_t target = net->parameters[w->weight].offset +
                             (wide->cell * w->out + first * BLOCK) * w->in * taps;
    pass->k->unpack_add(at(pass, net->grads, target), dw, 1, 0, c.out_channels, w->in, c.kernel);
}

void wide_weights(struct pass *pass, const struct weights *w, const struct convolution *c,
                  const void *frames_x, const void *frames_dy, int cell) {
    const struct wide wide = {.pass = pass,
                              .w = w,
                              .c = c,
                              .frames = frames_x,
                              .frames_dy = frames_dy,
                              .cell = cell};
    run(&wide, weights_part);
}
