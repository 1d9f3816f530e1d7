/* The table of kernels: the only code that touches array elements. The same source is compiled for
 * f32 and f64 and for several instruction sets; a net carries a pointer to one table, so everything
 * above is written once. Pointers to reals are void here.
 *
 * Layout. Inside the engine a batch of states is blocked by 16 channels:
 *     [sample][channel block][row][column][16], channels padded with zeros to a multiple of 16.
 * A vector of F features is the image (F, 1, 1). Padding channels are zero in every gradient and
 * every packed weight; in a state they hold what its operations make of zero, which is zero for all
 * but softplus, and nothing reads them. Outside (files, Lua, parameters) order is plain. */
#ifndef CONTINUO_KERNELS_KERNELS_H
#define CONTINUO_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK = 16 };
enum precision { PRECISION_F32, PRECISION_F64 };
extern const char *const precision_names[]; /* "f32", "f64", NULL */

enum activation { ACT_NONE, ACT_RELU, ACT_TANH, ACT_GELU, ACT_SOFTPLUS };
extern const char *const activation_names[]; /* "none", "relu", "tanh", "gelu", "softplus", NULL */

/* What is still to be done to a stored tensor before it is read: v = act(x) * scale + shift
 * (act_first) or v = act(x * scale + shift). Reading through a transform instead of storing its
 * result is how normalisation and activation cost no pass over memory. Per-channel arrays have
 * one real per padded channel; scale NULL means no normalisation. */
struct transform {
    enum activation act;
    int act_first;
    const void *scale, *shift; /* gamma / sd and beta - mean gamma / sd */
    const void *mean, *rstd;   /* to recover the normalised value in the backward pass */
    const void *m1, *m2;       /* means over the batch of dy and dy * xhat; zero for stored ones */
};

struct extent { /* of one sample, in blocks and pixels */
    ptrdiff_t blocks, height, width;
};

struct convolution {
    ptrdiff_t in_channels, out_channels;
    ptrdiff_t height, width;             /* of the output */
    ptrdiff_t frame_height, frame_width; /* of the framed input, border included */
    int kernel, stride;                  /* 1 or 3; 1 or 2 */
    ptrdiff_t pixels; /* of a frame dilated by zeros: those that are not; 0: another frame */
};

/* Memory that is wanted soon: kernels that compute for long ask for it meanwhile. */
struct soon {
    int count;
    struct {
        const void *at;
        ptrdiff_t len; /* reals */
        int write;     /* it will be written */
    } range[4];
};

struct term { /* of a linear combination */
    const void *x;
    struct transform transform;
    double factor;
};

/* The products of at most `degree` of `in` features, in graded order: 1, x1 .. xn, x1 x1, x1 x2 ..
 * Each but the first is an earlier one, its parent, times a feature. */
struct monomials {
    ptrdiff_t in, count;
    int degree;
    int32_t *parent, *feature; /* (count); the first entry of both is not read */
};

/* A stack of dense layers and activations, act_n(W_n .. act_1(W_1 act_0(x) + b_1) .. + b_n), with
 * the weights of one cell; with `lift` its first layer reads the monomials of x, and there is no
 * act_0. Made by its first members; field_plan fills in the rest.
 *
 * A trace holds one evaluation on `rows` rows of features: [lead][x][act_0(x)][layer 1]..[layer n], each
 * (rows, padded features), act_0 or monomials only where there are, and behind each value of a gelu
 * its slope. A back holds the gradients by what the layers add up before they act, and by the
 * monomials: [layer 1]..[layer n][monomials]. */
struct field_layer {
    ptrdiff_t in, out;                     /* features */
    enum activation act;                   /* of its output */
    const void *forward, *backward, *bias; /* packed; padded, or NULL */
    ptrdiff_t value_at, back_at;           /* reals of a row before its value, its gradient */
    ptrdiff_t dw_at, dbias_at;             /* in a gradient */
    int turned;                            /* its weight gradient has inputs in lanes */
    int narrow, narrow_back; /* sums a row of its product and of the transposed one; 0: wide */
};
struct field {
    ptrdiff_t in, lead;           /* lead: reals of a row in front of x, which are the caller's */
    enum activation first;        /* act_0 */
    const struct monomials *lift; /* or NULL */
    int count;                    /* layers, at least one */
    struct field_layer *layers;
    ptrdiff_t first_at, lift_back_at;
    ptrdiff_t trace_len, back_len; /* reals of a row */
    ptrdiff_t gradient_len;        /* reals of the sums of all weight gradients */
    ptrdiff_t pace; /* bytes of the next trace to fetch during 16 multiplications of vectors */
};

struct kernels {
    const char *name; /* "f32 avx512" */
    enum precision precision;
    size_t real_size; /* bytes */

    /* ---- one sample ---- */
    /* value: y = transform(x) into a frame with a border of `pad` zero pixels on each side. */
    void (*value)(void *y, int pad, const void *x, struct extent e, const struct transform *t);
    /* slope: the gradient by x of what was read through t, given the gradient g by the value
     * (for act-last transforms: by the normalised value, see grad_moments); written with a border
     * of `pad` and, for dilate = 2, into an extent of (rows, columns) with zeros between. */
    void (*slope)(void *dx, int pad, int dilate, ptrdiff_t rows, ptrdiff_t columns, const void *g,
                  const void *x, struct extent e, const struct transform *t, double factor);
    /* `samples` frames that follow each other to as many outputs, y_sample reals apart. */
    void (*conv)(void *y, ptrdiff_t y_sample, const void *frames, const void *packed,
                 const void *bias, const struct convolution *c, ptrdiff_t samples);
    /* The same for 3x3 of stride 1 with a quarter of the multiplications and errors a few times
     * larger: `samples` frames that follow each other to as many outputs. Its own packing
     * (winograd_len reals); scratch of winograd_scratch reals; winograd_samples: how many of up
     * to `most` samples are best given at once. */
    ptrdiff_t (*winograd_len)(ptrdiff_t out, ptrdiff_t in);
    void (*winograd_pack)(void *packed, const void *w, ptrdiff_t out, ptrdiff_t in,
                          int transposed);
    ptrdiff_t (*winograd_samples)(const struct convolution *c, ptrdiff_t most);
    ptrdiff_t (*winograd_scratch)(const struct convolution *c, ptrdiff_t samples);
    void (*winograd_conv)(void *y, const void *framed_x, const void *packed, const void *bias,
                          const struct convolution *c, ptrdiff_t samples, void *scratch,
                          const struct soon *soon);
    /* conv_weights by the adjoint of winograd_conv, for `samples` frames of each. */
    void (*winograd_weights)(void *dw, const void *framed_x, const void *framed_dy, int dy_pad,
                             const struct convolution *c, ptrdiff_t samples, int add,
                             void *scratch, const struct soon *soon);
    /* dw (packed order) = or, for `add`, += x (x) dy over `samples` frames of each, dy in a border
     * of dy_pad and dy_sample reals apart; what then stands for channels that are not there is
     * undefined. dbias += sum of dy. */
    void (*conv_weights)(void *dw, const void *frames_x, const void *frames_dy,
                         ptrdiff_t dy_sample, int dy_pad, const struct convolution *c,
                         ptrdiff_t samples, int add);
    void (*conv_bias)(void *dbias, const void *framed_dy, int pad, struct extent e);

    /* Rows of features instead of pixels: y (rows, out), x (rows, in), padded to blocks; dw = or,
     * for `add`, += the gradient by the weights. */
    void (*dense)(void *y, const void *x, const void *packed, const void *bias, ptrdiff_t rows,
                  ptrdiff_t in, ptrdiff_t out);
    void (*dense_weights)(void *dw, const void *x, const void *dy, ptrdiff_t rows, ptrdiff_t in,
                          ptrdiff_t out, int add);

    /* Their monomials: y (rows, count), padded to blocks. Back: sets dx (rows, in); overwrites dy. */
    void (*monomials)(void *y, const void *x, const struct monomials *m, ptrdiff_t rows);
    void (*monomials_back)(void *dx, void *dy, const void *x, const void *y,
                           const struct monomials *m, ptrdiff_t rows);

    /* ---- rows with clocks, (rows, 2): t and dt ---- */
    /* y (rows, in + 1) is x (rows, in) with the time t + part dt behind it; both padded. */
    void (*timed)(void *y, const void *x, ptrdiff_t rows, ptrdiff_t in, const void *clock,
                  double part);
    /* dx (rows, in) is what dy (rows, in + 1) has of it. */
    void (*timed_back)(void *dx, const void *dy, ptrdiff_t rows, ptrdiff_t in);
    /* Multiplies each of the rows of len reals, a multiple of 16, by its dt. */
    void (*pace)(void *y, ptrdiff_t rows, ptrdiff_t len, const void *clock);

    /* ---- dense fields on rows: struct field ---- */
    void (*field_plan)(struct field *f);
    /* Fills a trace whose x is in place. */
    void (*field_value)(const struct field *f, void *trace, ptrdiff_t rows);
    /* The vector-Jacobian product: the back's last layer holds the gradient by the field's value;
     * fills the back, and dx (rows, padded). */
    void (*field_back)(const struct field *f, const void *trace, void *back, void *dx,
                       ptrdiff_t rows);
    /* gradient += weight gradients of `count` evaluations, traces and backs one behind another. */
    void (*field_weights)(const struct field *f, void *gradient, const void *trace,
                          const void *back, ptrdiff_t rows, int count);
    /* Adds one layer's part of `parts` gradients, in order, to plain dw (out, in) and dbias (out);
     * overwrites the first. */
    void (*field_gradient)(const struct field *f, int layer, void *gradient, ptrdiff_t parts,
                           ptrdiff_t stride, void *dw, void *dbias);
    /* y = sum of factor x over count >= 1 arrays of n reals, n a multiple of 16; y may be an x. */
    void (*blend)(void *y, ptrdiff_t n, int count, const void *const *x, const double *factor);

    /* moments[0..C) mean, moments[C..2C) sum of squared deviations, merged into doubles that
     * already hold `count` values per channel. */
    void (*moments)(double *moments, ptrdiff_t count, const void *x, struct extent e,
                    enum activation act);
    /* Adds sum g and sum g * xhat per channel; for act-last transforms first makes g the gradient
     * by the normalised value, in place. */
    void (*grad_moments)(double *sums, void *g, const void *x, struct extent e,
                         const struct transform *t);
    /* y = sum of factor * transform(x) over terms; y may be a term. Terms with an activation or a
     * norm have the same activation, in the same place. */
    void (*combine)(void *y, struct extent e, int count, const struct term *terms);
    double (*dot)(const void *g, const void *x, struct extent e, const struct transform *t);

    void (*pool_mean)(void *y, const void *x, struct extent e, const struct transform *t);
    void (*pool_mean_back)(void *g, const void *dy, struct extent e);
    void (*from_plain)(void *y, const void *x, ptrdiff_t channels, ptrdiff_t pixels);
    void (*to_plain)(void *y, const void *x, ptrdiff_t channels, ptrdiff_t pixels);

    /* ---- weights ---- */
    /* Plain (O, I, k, k) to packed; transposed and mirrored for the backward pass. */
    void (*pack)(void *packed, const void *w, ptrdiff_t out, ptrdiff_t in, int kernel,
                 int transposed);
    /* Adds the sum of `parts` packed gradients, in order, to a plain one; overwrites the first. */
    void (*unpack_add)(void *dw, void *packed, ptrdiff_t parts, ptrdiff_t part_stride,
                       ptrdiff_t out, ptrdiff_t in, int kernel);

    /* ---- flat arrays of n reals ---- */
    void (*set)(void *x, double value, ptrdiff_t n);
    void (*add)(void *y, const void *x, ptrdiff_t n);
    void (*from_doubles)(void *y, const double *x, ptrdiff_t n);
    void (*to_doubles)(double *y, const void *x, ptrdiff_t n);
    double (*sum_squares)(const void *x, ptrdiff_t n); /* in double, fixed order */
    void (*scale)(void *x, double factor, ptrdiff_t n);
    double (*inner)(const void *x, const void *y, ptrdiff_t n); /* in double, fixed order */
    void (*add_scaled)(void *y, const void *x, double factor, ptrdiff_t n); /* y += factor x */
    /* Optimiser steps: see kernels/update.c for the equations. */
    void (*sgd)(void *w, const void *g, void *velocity, ptrdiff_t n, double rate, double momentum,
                double decay, int nesterov, int first);
    void (*adam)(void *w, const void *g, void *m, void *v, ptrdiff_t n, double rate, double beta1,
                 double beta2, double epsilon, double decay, int decoupled, ptrdiff_t step);

    /* ---- losses: z (n, classes), dz the gradient of the MEAN over `n` samples ---- */
    /* Returns the summed loss; *correct counts arg max = label; dz may be NULL. */
    double (*cross_entropy)(void *dz, const void *z, const int32_t *labels, ptrdiff_t n,
                            ptrdiff_t classes, double smoothing, ptrdiff_t *correct);
    double (*squared_error)(void *dz, const void *z, const double *targets, ptrdiff_t n,
                            ptrdiff_t outputs);

    /* ---- the machine ---- */
    /* Does `rounds` rounds of multiply-adds y = y x[0] + x[1] in registers, from multiples of
     * x[2], and leaves a sum of the results in x[3]; returns how many flops that were. */
    double (*peak)(void *x, ptrdiff_t rounds);
};

/* The fastest table this CPU can run (or the one CONTINUO_KERNELS names). */
const struct kernels *kernels_find(enum precision precision);
/* All tables this CPU can run, for tests: NULL past the end. */
const struct kernels *kernels_at(enum precision precision, int index);

#endif
