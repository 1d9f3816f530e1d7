/* Which tables this CPU can run, fastest first. CONTINUO_KERNELS=generic|avx2|avx512 forces one. */
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *const precision_names[] = {"f32", "f64", NULL};
const char *const activation_names[] = {"none", "relu", "tanh", "gelu", "softplus", NULL};

extern const struct kernels kernels_f32_generic, kernels_f64_generic;
#ifdef __x86_64__
extern const struct kernels kernels_f32_avx2, kernels_f64_avx2;
extern const struct kernels kernels_f32_avx512, kernels_f64_avx512;

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif
static bool has_generic(void) {
    return true;
}

static const struct variant {
    const char *name;
    bool (*available)(void);
    const struct kernels *tables[2]; /* by precision */
} variants[] = {
#ifdef __x86_64__
    {"avx512", has_avx512, {&kernels_f32_avx512, &kernels_f64_avx512}},
    {"avx2", has_avx2, {&kernels_f32_avx2, &kernels_f64_avx2}},
#endif
    {"generic", has_generic, {&kernels_f32_generic, &kernels_f64_generic}},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const struct kernels *kernels_at(enum precision precision, int index) {
    for (int i = 0; i < VARIANTS; i++) {
        if (variants[i].available() && index-- == 0) {
            return variants[i].tables[precision];
        }
    }
    return NULL;
}

const struct kernels *kernels_find(enum precision precision) {
    const char *wanted = getenv("CONTINUO_KERNELS");
    for (int i = 0; wanted && i < VARIANTS; i++) {
        if (strcmp(wanted, variants[i].name) == 0 && variants[i].available()) {
            return variants[i].tables[precision];
        }
    }
    return kernels_at(precision, 0);
}
