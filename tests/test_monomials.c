/* Tables of monomials, and their kernels in every variant against products written out from
 * exponents. */
#include <string.h>

#include "kernel_setup.h"
#include "nets/monomials.h"

struct shape {
    ptrdiff_t in;
    int degree;
    ptrdiff_t rows;
};
static const struct shape shapes[] = {{1, 1, 1}, {1, 7, 5},  {2, 3, 8},  {2, 5, 33}, {3, 4, 7},
                                      {4, 2, 2}, {5, 3, 13}, {15, 1, 3}, {16, 2, 4}, {17, 2, 9}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static struct monomials table_of(ptrdiff_t in, int degree) {
    struct monomials m;
    struct error error = {0};
    cr_assert(monomials_init(&m, in, degree, &error), "%s", error.text);
    return m;
}

/* How often a feature is a factor of a monomial. */
static int exponent(const struct monomials *m, ptrdiff_t k, ptrdiff_t feature) {
    int times = 0;
    for (; k > 0; k = m->parent[k]) {
        times += m->feature[k] == feature;
    }
    return times;
}

static double power(double x, int exponent) {
    double y = 1.0;
    for (; exponent > 0; exponent--) {
        y *= x;
    }
    return y;
}

/* Product of powers; the derivative by feature `by` unless that is -1. */
static double monomial(const struct monomials *m, ptrdiff_t k, const double *x, ptrdiff_t by) {
    double y = 1.0;
    for (ptrdiff_t i = 0; i < m->in; i++) {
        const int e = exponent(m, k, i);
        y *= i != by ? power(x[i], e) : e == 0 ? 0.0 : e * power(x[i], e - 1);
    }
    return y;
}

Test(monomials, every_product_is_there_once_in_graded_order) {
    for (int s = 0; s < SHAPES; s++) {
        struct monomials m = table_of(shapes[s].in, shapes[s].degree);
        int before = 0;
        ptrdiff_t of_degree = 1; /* how many there are of degree 0, 1, .. */
        for (ptrdiff_t k = 1, expected = 0; k < m.count; k++) {
            int degree = 0;
            for (ptrdiff_t i = 0; i < m.in; i++) {
                degree += exponent(&m, k, i);
            }
            if (degree > before) { /* (in + d - 1) over d products of exactly d features */
                cr_expect_eq(degree, before + 1);
                cr_expect_eq(expected, before ? of_degree : 0);
                of_degree = of_degree * (m.in + degree - 1) / degree;
                before = degree;
                expected = 0;
            }
            expected++;
            for (ptrdiff_t other = 1; other < k; other++) {
                bool same = true;
                for (ptrdiff_t i = 0; i < m.in; i++) {
                    same = same && exponent(&m, k, i) == exponent(&m, other, i);
                }
                cr_assert_not(same, "%td and %td", other, k);
            }
            cr_assert(m.parent[k] < k && m.feature[k] < m.in);
        }
        cr_expect_eq(before, shapes[s].degree);
        monomials_release(&m);
    }
    struct monomials m = table_of(3, 2); /* 1, x, y, z, xx, xy, xz, yy, yz, zz */
    static const int32_t parents[] = {0, 0, 0, 1, 1, 1, 2, 2, 3};
    static const int32_t features[] = {0, 1, 2, 0, 1, 2, 1, 2, 2};
    cr_assert_eq(m.count, 10);
    cr_expect_arr_eq(m.parent + 1, parents, sizeof parents);
    cr_expect_arr_eq(m.feature + 1, features, sizeof features);
    monomials_release(&m);
}

Test(monomials, too_many_are_refused) {
    struct monomials m;
    struct error error = {0};
    cr_expect_not(monomials_init(&m, 50, 4, &error));
    cr_expect(strstr(error.text, "more than 10000 monomials of degree 4 or less in 50 features"),
              "%s", error.text);
    cr_expect_not(monomials_init(&m, PTRDIFF_MAX / 2, 3, &error));
    cr_expect(monomials_init(&m, 9999, 1, &error));
    cr_expect_eq(m.count, 10000);
    monomials_release(&m);
}

/* Rows of features, each padded to blocks with `padding`. */
static void *rows_of(const struct kernels *k, const double *values, ptrdiff_t rows,
                     ptrdiff_t features, double padding) {
    const ptrdiff_t len = blocks_of(features) * BLOCK;
    double *padded = memory((size_t)(rows * len) * sizeof *padded);
    for (ptrdiff_t i = 0; i < rows * len; i++) {
        padded[i] = i % len < features ? values[i / len * features + i % len] : padding;
    }
    void *reals = reals_of(k, padded, rows * len);
    free(padded);
    return reals;
}

struct images { /* what the kernels make of x and dy, as doubles with padding */
    double *y, *dx;
};

static struct images run(const struct kernels *k, const struct monomials *m, const double *x,
                         const double *dy, ptrdiff_t rows) {
    const ptrdiff_t x_len = blocks_of(m->in) * BLOCK * rows;
    const ptrdiff_t y_len = blocks_of(m->count) * BLOCK * rows;
    void *xs = rows_of(k, x, rows, m->in, NAN), *dys = rows_of(k, dy, rows, m->count, NAN);
    void *y = unset_reals(k, y_len), *dx = unset_reals(k, x_len);
    k->monomials(y, xs, m, rows);
    k->monomials_back(dx, dys, xs, y, m, rows);
    const struct images images = {doubles_of(k, y, y_len), doubles_of(k, dx, x_len)};
    free(xs);
    free(dys);
    free(y);
    free(dx);
    return images;
}

static void check(const struct kernels *k, const struct shape *s) {
    struct monomials m = table_of(s->in, s->degree);
    const ptrdiff_t x_row = blocks_of(m.in) * BLOCK, y_row = blocks_of(m.count) * BLOCK;
    double *x = random_doubles(s->rows * m.in, -1.7, 1.7);
    double *dy = random_doubles(s->rows * m.count, -1.0, 1.0);
    const struct images ours = run(k, &m, x, dy, s->rows);
    const double epsilon = epsilon_of(k);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const double *at = x + r * m.in;
        for (ptrdiff_t j = 0; j < y_row; j++) {
            const double exact = j < m.count ? monomial(&m, j, at, -1) : 0.0;
            cr_assert(is_near(ours.y[r * y_row + j], exact, s->degree * epsilon * fabs(exact)),
                      "%s: monomial %td of row %td is %.17g, not %.17g", k->name, j, r,
                      ours.y[r * y_row + j], exact);
        }
        for (ptrdiff_t i = 0; i < x_row; i++) {
            double exact = 0.0, bound = 0.0;
            for (ptrdiff_t j = 0; i < m.in && j < m.count; j++) {
                const double term = dy[r * m.count + j] * monomial(&m, j, at, i);
                exact += term;
                bound += fabs(term);
            }
            /* sums of at most count terms, nested over degrees */
            bound *= (double)(m.count + 3 * s->degree) * epsilon;
            cr_assert(is_near(ours.dx[r * x_row + i], exact, bound),
                      "%s: gradient by feature %td of row %td is %.17g, not %.17g", k->name, i, r,
                      ours.dx[r * x_row + i], exact);
        }
    }
    free(ours.y);
    free(ours.dx);
    free(x);
    free(dy);
    monomials_release(&m);
}

Test(monomials, kernels_agree_with_products_of_powers_and_their_derivatives) {
    for (int v = 0; table(v); v++) {
        for (int s = 0; s < SHAPES; s++) {
            check(table(v), &shapes[s]);
        }
    }
}

/* A feature that is not finite spoils the monomials it is a factor of, and no others; its row, and
 * no other. */
Test(monomials, what_is_not_finite_passes_through) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    enum { IN = 3, ROWS = 5, SPOILT = 2 };
    struct monomials m = table_of(IN, 3);
    const ptrdiff_t y_row = blocks_of(m.count) * BLOCK;
    for (int v = 0; table(v); v++) {
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            double *x = random_doubles(ROWS * IN, 0.5, 1.7);
            double *dy = random_doubles(ROWS * m.count, 0.1, 1.0);
            x[SPOILT * IN + 1] = bad[b];
            const struct images ours = run(table(v), &m, x, dy, ROWS);
            for (ptrdiff_t r = 0; r < ROWS; r++) {
                for (ptrdiff_t j = 0; j < m.count; j++) {
                    const double exact = monomial(&m, j, x + r * IN, -1);
                    const double y = ours.y[r * y_row + j];
                    const bool spoilt = r == SPOILT && exponent(&m, j, 1) > 0;
                    cr_expect_eq(isfinite(y), !spoilt, "%s", table(v)->name);
                    cr_expect(!spoilt || (isnan(exact) ? isnan(y) : y == exact),
                              "%s: %g becomes %g, not %g", table(v)->name, bad[b], y, exact);
                }
                for (ptrdiff_t i = 0; i < IN; i++) {
                    cr_expect_eq(isfinite(ours.dx[r * BLOCK + i]), r != SPOILT);
                }
            }
            free(ours.y);
            free(ours.dx);
            free(x);
            free(dy);
        }
    }
    monomials_release(&m);
}
