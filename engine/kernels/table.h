/* The kernels of one variant, as named in every variant's own translation units; table.c collects
 * them. */
#ifndef CONTINUO_KERNELS_TABLE_H
#define CONTINUO_KERNELS_TABLE_H

#include "kernels/simd.h"

void NAME(value)(void *y, int pad, const void *x, struct extent e, const struct transform *t);
void NAME(slope)(void *dx, int pad, int dilate, ptrdiff_t rows, ptrdiff_t columns, const void *g,
                 const void *x, struct extent e, const struct transform *t, double factor);
void NAME(conv)(void *y, ptrdiff_t y_sample, const void *frames, const void *packed,
                const void *bias, const struct convolution *c, ptrdiff_t samples);
void NAME(conv_weights)(void *dw, const void *frames_x, const void *frames_dy,
                        ptrdiff_t dy_sample, int dy_pad, const struct convolution *c,
                        ptrdiff_t samples, int add);
void NAME(conv_bias)(void *dbias, const void *framed_dy, int pad, struct extent e);
void NAME(dense)(void *y, const void *x, const void *packed, const void *bias, ptrdiff_t rows,
                 ptrdiff_t in, ptrdiff_t out);
/* Inside a variant: see conv.c. */
void NAME(products)(real *m, ptrdiff_t m_point, const real *v, ptrdiff_t v_point, const real *u,
                    ptrdiff_t u_point, ptrdiff_t u_block, ptrdiff_t block, int count,
                    ptrdiff_t rows, ptrdiff_t in, ptrdiff_t out_blocks);
ptrdiff_t NAME(winograd_len)(ptrdiff_t out, ptrdiff_t in);
void NAME(winograd_pack)(void *packed, const void *w, ptrdiff_t out, ptrdiff_t in, int transposed);
ptrdiff_t NAME(winograd_samples)(const struct convolution *c, ptrdiff_t most);
ptrdiff_t NAME(winograd_scratch)(const struct convolution *c, ptrdiff_t samples);
void NAME(winograd_conv)(void *y, const void *framed_x, const void *packed, const void *bias,
                         const struct convolution *c, ptrdiff_t samples, void *scratch,
                         const struct soon *soon);
void NAME(winograd_weights)(void *dw, const void *framed_x, const void *framed_dy, int dy_pad,
                            const struct convolution *c, ptrdiff_t samples, int add,
                            void *scratch,
                         const struct soon *soon);
void NAME(dense_weights)(void *dw, const void *x, const void *dy, ptrdiff_t rows, ptrdiff_t in,
                         ptrdiff_t out, int add);
void NAME(monomials)(void *y, const void *x, const struct monomials *m, ptrdiff_t rows);
void NAME(monomials_back)(void *dx, void *dy, const void *x, const void *y,
                          const struct monomials *m, ptrdiff_t rows);
void NAME(field_plan)(struct field *f);
void NAME(field_value)(const struct field *f, void *trace, ptrdiff_t rows);
void NAME(field_back)(const struct field *f, const void *trace, void *back, void *dx,
                      ptrdiff_t rows);
void NAME(field_weights)(const struct field *f, void *gradient, const void *trace,
                         const void *back, ptrdiff_t rows, int count);
void NAME(field_gradient)(const struct field *f, int layer, void *gradient, ptrdiff_t parts,
                          ptrdiff_t stride, void *dw, void *dbias);
void NAME(timed)(void *y, const void *x, ptrdiff_t rows, ptrdiff_t in, const void *clock,
                 double part);
void NAME(timed_back)(void *dx, const void *dy, ptrdiff_t rows, ptrdiff_t in);
void NAME(pace)(void *y, ptrdiff_t rows, ptrdiff_t len, const void *clock);
void NAME(blend)(void *y, ptrdiff_t n, int count, const void *const *x, const double *factor);
void NAME(moments)(double *moments, ptrdiff_t count, const void *x, struct extent e,
                   enum activation act);
void NAME(grad_moments)(double *sums, void *g, const void *x, struct extent e,
                        const struct transform *t);
void NAME(combine)(void *y, struct extent e, int count, const struct term *terms);
double NAME(dot)(const void *g, const void *x, struct extent e, const struct transform *t);
void NAME(pool_mean)(void *y, const void *x, struct extent e, const struct transform *t);
void NAME(pool_mean_back)(void *g, const void *dy, struct extent e);
void NAME(from_plain)(void *y, const void *x, ptrdiff_t channels, ptrdiff_t pixels);
void NAME(to_plain)(void *y, const void *x, ptrdiff_t channels, ptrdiff_t pixels);
void NAME(pack)(void *packed, const void *w, ptrdiff_t out, ptrdiff_t in, int kernel,
                int transposed);
void NAME(unpack_add)(void *dw, void *packed, ptrdiff_t parts, ptrdiff_t part_stride, ptrdiff_t out,
                      ptrdiff_t in, int kernel);
void NAME(set)(void *x, double value, ptrdiff_t n);
void NAME(add)(void *y, const void *x, ptrdiff_t n);
void NAME(from_doubles)(void *y, const double *x, ptrdiff_t n);
void NAME(to_doubles)(double *y, const void *x, ptrdiff_t n);
double NAME(sum_squares)(const void *x, ptrdiff_t n);
void NAME(scale)(void *x, double factor, ptrdiff_t n);
double NAME(inner)(const void *x, const void *y, ptrdiff_t n);
void NAME(add_scaled)(void *y, const void *x, double factor, ptrdiff_t n);
void NAME(sgd)(void *w, const void *g, void *velocity, ptrdiff_t n, double rate, double momentum,
               double decay, int nesterov, int first);
void NAME(adam)(void *w, const void *g, void *m, void *v, ptrdiff_t n, double rate, double beta1,
                double beta2, double epsilon, double decay, int decoupled, ptrdiff_t step);
double NAME(cross_entropy)(void *dz, const void *z, const int32_t *labels, ptrdiff_t n,
                           ptrdiff_t classes, double smoothing, ptrdiff_t *correct);
double NAME(squared_error)(void *dz, const void *z, const double *targets, ptrdiff_t n,
                           ptrdiff_t outputs);
double NAME(peak)(void *x, ptrdiff_t rounds);

#endif
