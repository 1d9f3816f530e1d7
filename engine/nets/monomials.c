#include "nets/monomials.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* (in + degree)! / (in! degree!), exact at every step: a product of k neighbours is divisible by
 * k!. More than MONOMIALS_MOST: any such number. */
static ptrdiff_t count_of(ptrdiff_t in, int degree) {
    ptrdiff_t count = 1;
    for (int k = 1; k <= degree && count <= MONOMIALS_MOST; k++) {
        if (__builtin_mul_overflow(count, in + k, &count)) {
            return PTRDIFF_MAX;
        }
        count /= k;
    }
    return count;
}

bool monomials_init(struct monomials *m, ptrdiff_t in, int degree, struct error *error) {
    assert(in > 0 && degree >= 0);
    *m = (struct monomials){.in = in, .count = count_of(in, degree), .degree = degree};
    if (m->count > MONOMIALS_MOST) {
        return error_set(error, ERROR_VALUE,
                         "there are more than %d monomials of degree %d or less in %td features; "
                         "use a lower degree",
                         MONOMIALS_MOST, degree, in);
    }
    m->parent = calloc((size_t)m->count, sizeof *m->parent);
    m->feature = calloc((size_t)m->count, sizeof *m->feature);
    if (!m->parent || !m->feature) {
        monomials_release(m);
        return error_set(error, ERROR_MEMORY, "no memory for a table of monomials");
    }
    /* Each of a degree gives those of the next in which it comes first: times its own last feature
     * and every later one. */
    ptrdiff_t count = 1;
    for (ptrdiff_t parent = 0; count < m->count; parent++) {
        for (ptrdiff_t i = parent ? m->feature[parent] : 0; i < in; i++) {
            m->parent[count] = (int32_t)parent;
            m->feature[count++] = (int32_t)i;
        }
    }
    assert(count == m->count);
    return true;
}

void monomials_release(struct monomials *m) {
    free(m->parent);
    free(m->feature);
    *m = (struct monomials){0};
}

void monomials_name(const struct monomials *m, ptrdiff_t index, ptrdiff_t time, char *text,
                    size_t size) {
    const int32_t feature = m->feature[index];
    char name[24] = "1";
    int power = 0;
    size_t used = 0;
    while (index > 0 && m->feature[index] == feature) { /* features only grow with degrees */
        index = m->parent[index];
        power++;
    }
    if (power > 0) {
        (void)snprintf(name, sizeof name, feature == time ? "t" : "x%d", (int)feature + 1);
    }
    if (index > 0) {
        monomials_name(m, index, time, text, size);
        used = strlen(text);
        (void)snprintf(text + used, size - used, " ");
        used = strlen(text);
    }
    (void)snprintf(text + used, size - used, power > 1 ? "%s^%d" : "%s", name, power);
}
