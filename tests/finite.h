/* What is not finite reaches every output that depends on it and no other, in every table of
 * kernels. A case is a kernel with its inputs and a rule that says which outputs an entry of an
 * input reaches. A run with one entry poisoned is compared with a clean one: outputs that are not
 * reached keep their bits, those that are become NaN (or, for an infinity, not finite). The
 * padding of channels and rows is exempt: nothing reads it. */
#ifndef CONTINUO_TESTS_FINITE_H
#define CONTINUO_TESTS_FINITE_H

#include <string.h>

#include "kernel_setup.h"

enum reach { NEVER, MAY, MUST };
enum kind { REALS, DOUBLES };
enum { INPUTS_MAX = 8 };

struct poisoned { /* one entry of one input, and with what it was poisoned */
    int input;
    ptrdiff_t index;
    double poison;
};

struct probe {
    const char *what;
    int count; /* of inputs */
    struct {
        enum kind kind;
        double *values;
        ptrdiff_t len;
    } in[INPUTS_MAX];
    ptrdiff_t out_len;
    /* Inputs are the run's own and may be written to. */
    void (*run)(const struct kernels *k, const struct probe *p, void *const *in, double *out);
    enum reach (*reach)(const struct probe *p, const struct poisoned *from, ptrdiff_t out);
    /* what run and reach need to know, as far as it concerns them */
    struct convolution c;
    struct extent e;
    struct transform t;
    ptrdiff_t rows, features_in, features_out;
    int pad, way;
};

static inline void add_input(struct probe *p, enum kind kind, double *values, ptrdiff_t len) {
    cr_assert(p->count < INPUTS_MAX);
    p->in[p->count].kind = kind;
    p->in[p->count].values = values;
    p->in[p->count++].len = len;
}

static inline void add_random(struct probe *p, enum kind kind, ptrdiff_t len) {
    add_input(p, kind, random_doubles(len, 0.3, 1.9), len);
}

static inline void probe_end(struct probe *p) {
    for (int n = 0; n < p->count; n++) {
        free(p->in[n].values);
    }
}

static inline void *input_of(const struct kernels *k, const struct probe *p, int n) {
    const ptrdiff_t len = p->in[n].len;
    if (p->in[n].kind == REALS) {
        return reals_of(k, p->in[n].values, len);
    }
    return memcpy(memory((size_t)len * sizeof(double)), p->in[n].values,
                  (size_t)len * sizeof(double));
}

static inline double *outputs_of(const struct kernels *k, const struct probe *p) {
    void *in[INPUTS_MAX];
    double *out = zero_doubles(p->out_len);
    for (int n = 0; n < p->count; n++) {
        in[n] = input_of(k, p, n);
    }
    p->run(k, p, in, out);
    for (int n = 0; n < p->count; n++) {
        free(in[n]);
    }
    return out;
}

static inline bool agrees(double ours, double clean, enum reach reach, double poison) {
    switch (reach) {
    case NEVER:
        return memcmp(&ours, &clean, sizeof ours) == 0;
    case MUST:
        return isnan(poison) ? isnan(ours) : !isfinite(ours);
    case MAY:
        break;
    }
    return true;
}

static inline void check_entry(const struct kernels *k, struct probe *p, const double *clean,
                        const struct poisoned *from) {
    double *entry = &p->in[from->input].values[from->index];
    const double before = *entry;
    *entry = from->poison;
    double *out = outputs_of(k, p);
    *entry = before;
    for (ptrdiff_t i = 0; i < p->out_len; i++) {
        const enum reach reach = p->reach(p, from, i);
        if (!agrees(out[i], clean[i], reach, from->poison)) {
            cr_expect_fail("%s, %s: entry %td of input %d is %g, output %td is %g and was %g, "
                           "which it must%s reach",
                           k->name, p->what, from->index, from->input, from->poison, i, out[i],
                           clean[i], reach == MUST ? "" : " not");
            break;
        }
    }
    free(out);
}

/* Poisons up to about 40 entries of every input, the first and the last among them. */
static inline void check(struct probe *p) {
    static const double poisons[] = {NAN, INFINITY, -INFINITY};
    const struct kernels *k;
    for (int t = 0; (k = table(t)) != NULL; t++) {
        double *clean = outputs_of(k, p);
        int turn = t;
        for (int n = 0; n < p->count; n++) {
            const ptrdiff_t len = p->in[n].len, step = len / 40 + 1;
            for (ptrdiff_t i = 0; i < len + step - 1; i += step, turn++) {
                const struct poisoned from = {n, i < len ? i : len - 1, poisons[turn % 3]};
                check_entry(k, p, clean, &from);
            }
        }
        free(clean);
    }
    probe_end(p);
}

static inline void read_out(const struct kernels *k, double *out, const void *reals,
                            ptrdiff_t len) {
    k->to_doubles(out, reals, len);
}

/* ---- where an entry stands ---- */

struct place {
    ptrdiff_t channel, row, column;
};
static inline struct place place_of(ptrdiff_t index, ptrdiff_t height, ptrdiff_t width) {
    const ptrdiff_t pixel = index / BLOCK % (height * width);
    return (struct place){index / BLOCK / (height * width) * BLOCK + index % BLOCK, pixel / width,
                          pixel % width};
}

static inline enum reach must_if(bool reached) {
    return reached ? MUST : NEVER;
}

#endif
