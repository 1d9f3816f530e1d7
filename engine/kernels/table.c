/* One variant's table. */
#include "kernels/table.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const struct kernels NAME(kernels);
const struct kernels NAME(kernels) = {
    .name = TEXT(KERNEL_SUFFIX),
    .precision = sizeof(real) == 8 ? PRECISION_F64 : PRECISION_F32,
    .real_size = sizeof(real),
    .value = NAME(value),
    .slope = NAME(slope),
    .conv = NAME(conv),
    .winograd_len = NAME(winograd_len),
    .winograd_pack = NAME(winograd_pack),
    .winograd_samples = NAME(winograd_samples),
    .winograd_scratch = NAME(winograd_scratch),
    .winograd_conv = NAME(winograd_conv),
    .winograd_weights = NAME(winograd_weights),
    .conv_weights = NAME(conv_weights),
    .conv_bias = NAME(conv_bias),
    .dense = NAME(dense),
    .dense_weights = NAME(dense_weights),
    .moments = NAME(moments),
    .grad_moments = NAME(grad_moments),
    .combine = NAME(combine),
    .dot = NAME(dot),
    .pool_mean = NAME(pool_mean),
    .pool_mean_back = NAME(pool_mean_back),
    .from_plain = NAME(from_plain),
    .to_plain = NAME(to_plain),
    .pack = NAME(pack),
    .unpack_add = NAME(unpack_add),
    .set = NAME(set),
    .add = NAME(add),
    .from_floats = NAME(from_floats),
    .from_doubles = NAME(from_doubles),
    .to_doubles = NAME(to_doubles),
    .sum_squares = NAME(sum_squares),
    .scale = NAME(scale),
    .sgd = NAME(sgd),
    .adam = NAME(adam),
    .cross_entropy = NAME(cross_entropy),
    .squared_error = NAME(squared_error),
    .peak = NAME(peak),
};
