/* A dense field of two layers, W2 act(W1 x + b1) + b2, its vector-Jacobian product and its weight
 * gradients: what is not finite stays in its row, or goes with its feature. */
#include "finite.h"

enum { IN_X, IN_G, IN_W1, IN_B1, IN_W2, IN_B2 };

/* Outputs, plain: the value (rows, n), the gradient by x (rows, n), those by W1, b1, W2, b2. */
enum part { VALUE, BACK, DW1, DB1, DW2, DB2, PARTS };

struct spot {
    enum part part;
    ptrdiff_t row, column; /* of a bias: its entry is the row */
};

/* n features outside, m hidden ones. */
static ptrdiff_t part_len(const struct probe *p, enum part part) {
    const ptrdiff_t n = p->features_in, m = p->features_out;
    const ptrdiff_t lens[PARTS] = {p->rows * n, p->rows * n, m * n, m, n * m, n};
    return lens[part];
}

static struct spot spot_of(const struct probe *p, ptrdiff_t index) {
    const ptrdiff_t columns[PARTS] = {p->features_in, p->features_in, p->features_in, 1,
                                      p->features_out, 1};
    int part = 0;
    while (index >= part_len(p, (enum part)part)) {
        index -= part_len(p, (enum part)part++);
    }
    return (struct spot){(enum part)part, index / columns[part], index % columns[part]};
}

/* The first `features` of each row of blocks. */
static double *read_rows(const struct kernels *k, double *out, const void *reals, ptrdiff_t rows,
                         ptrdiff_t features) {
    const ptrdiff_t len = blocks_of(features) * BLOCK;
    double *values = doubles_of(k, reals, rows * len);
    for (ptrdiff_t i = 0; i < rows * features; i++) {
        out[i] = values[i / features * len + i % features];
    }
    free(values);
    return out + rows * features;
}

static void *packed_of(const struct kernels *k, const void *w, ptrdiff_t out, ptrdiff_t in,
                       int transposed) {
    void *packed = unset_reals(k, blocks_of(out) * blocks_of(in) * BLOCK * BLOCK);
    k->pack(packed, w, out, in, 1, transposed);
    return packed;
}

static void field_run(const struct kernels *k, const struct probe *p, void *const *in,
                      double *out) {
    const ptrdiff_t n = p->features_in, m = p->features_out, rows = p->rows;
    const ptrdiff_t row_len = blocks_of(n) * BLOCK;
    void *packed[4];
    for (int i = 0; i < 4; i++) {
        packed[i] = i < 2 ? packed_of(k, in[IN_W1], m, n, i) : packed_of(k, in[IN_W2], n, m, i - 2);
    }
    struct field_layer layers[2] = {
        {.in = n, .out = m, .act = p->t.act, .forward = packed[0], .backward = packed[1]},
        {.in = m, .out = n, .forward = packed[2], .backward = packed[3]}};
    layers[0].bias = in[IN_B1];
    layers[1].bias = in[IN_B2];
    struct field f = {.in = n, .count = 2, .layers = layers};
    k->field_plan(&f);
    char *trace = unset_reals(k, f.trace_len * rows), *back = unset_reals(k, f.back_len * rows);
    void *dx = unset_reals(k, rows * row_len), *gradient = unset_reals(k, f.gradient_len);
    memcpy(trace, in[IN_X], (size_t)(rows * row_len) * k->real_size);
    memcpy(back + (size_t)(layers[1].back_at * rows) * k->real_size, in[IN_G],
           (size_t)(rows * row_len) * k->real_size);
    k->field_value(&f, trace, rows);
    out = read_rows(k, out, trace + (size_t)(layers[1].value_at * rows) * k->real_size, rows, n);
    k->field_back(&f, trace, back, dx, rows);
    out = read_rows(k, out, dx, rows, n);
    k->set(gradient, 0.0, f.gradient_len);
    k->field_weights(&f, gradient, trace, back, rows, 1);
    for (int i = 0; i < 2; i++) {
        void *dw = unset_reals(k, m * n), *dbias = unset_reals(k, layers[i].out);
        k->set(dw, 0.0, m * n);
        k->set(dbias, 0.0, layers[i].out);
        k->field_gradient(&f, i, gradient, 1, f.gradient_len, dw, dbias);
        read_out(k, out, dw, m * n);
        read_out(k, out + m * n, dbias, layers[i].out);
        out += m * n + layers[i].out;
        free(dw);
        free(dbias);
    }
    void *const all[] = {trace, back, dx, gradient, packed[0], packed[1], packed[2], packed[3]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

/* A state spoils its own row of value and gradient by x, and, through the slopes of its row, all
 * weight gradients but that of b2, which sums what was handed in. */
static bool from_state(const struct spot *to, ptrdiff_t row) {
    return to->part <= BACK ? to->row == row : to->part != DB2;
}

static bool from_gradient(const struct spot *to, ptrdiff_t row, ptrdiff_t feature) {
    switch (to->part) {
    case VALUE:
        return false;
    case BACK:
        return to->row == row;
    case DW1:
    case DB1:
        return true;
    default:
        return to->row == feature;
    }
}

/* A hidden feature of all rows: by its weights or its bias. */
static bool from_hidden(const struct spot *to, ptrdiff_t hidden) {
    switch (to->part) {
    case DW1:
    case DB1:
        return to->row == hidden;
    case DW2:
        return to->column == hidden;
    default:
        return to->part != DB2;
    }
}

/* A weight of W2 between a hidden feature and an output. */
static bool from_second(const struct spot *to, ptrdiff_t feature, ptrdiff_t hidden) {
    switch (to->part) {
    case VALUE:
        return to->column == feature;
    case BACK:
        return true;
    case DW1:
    case DB1:
        return to->row == hidden;
    default:
        return false;
    }
}

static enum reach field_reach(const struct probe *p, const struct poisoned *from, ptrdiff_t out) {
    const ptrdiff_t n = p->features_in, m = p->features_out, row_len = blocks_of(n) * BLOCK;
    const ptrdiff_t row = from->index / row_len, feature = from->index % row_len;
    const struct spot to = spot_of(p, out);
    bool reached = false;
    switch (from->input) {
    case IN_X:
    case IN_G:
        if (feature >= n) {
            return MAY;
        }
        reached = from->input == IN_X ? from_state(&to, row) : from_gradient(&to, row, feature);
        break;
    case IN_W1:
        reached = from_hidden(&to, from->index / n);
        break;
    case IN_B1:
        reached = from->index < m && from_hidden(&to, from->index);
        break;
    case IN_W2:
        reached = from_second(&to, from->index / m, from->index % m);
        break;
    default:
        reached = to.part == VALUE && to.column == from->index;
    }
    /* activations saturate at infinity, and their slopes vanish there */
    return !reached ? NEVER : isnan(from->poison) ? MUST : MAY;
}

Test(field_finite, rows_and_features_of_a_dense_field_keep_it_to_themselves) {
    static const ptrdiff_t sizes[][3] = {
        {1, 2, 5}, {7, 3, 19}, {9, 17, 2}, {4, 2, 64}, {3, 20, 33}};
    for (int n = 0; n < 5; n++) {
        for (int act = ACT_RELU; activation_names[act]; act++) {
            struct probe p = {.what = activation_names[act], .run = field_run};
            p.rows = sizes[n][0];
            p.features_in = sizes[n][1];
            p.features_out = sizes[n][2];
            p.t.act = (enum activation)act;
            p.reach = field_reach;
            for (int part = 0; part < PARTS; part++) {
                p.out_len += part_len(&p, (enum part)part);
            }
            const ptrdiff_t row_len = blocks_of(p.features_in) * BLOCK;
            const ptrdiff_t hidden_len = blocks_of(p.features_out) * BLOCK;
            add_random(&p, REALS, p.rows * row_len);
            add_random(&p, REALS, p.rows * row_len);
            add_random(&p, REALS, p.features_in * p.features_out);
            add_random(&p, REALS, hidden_len);
            add_random(&p, REALS, p.features_in * p.features_out);
            add_random(&p, REALS, row_len);
            check(&p);
        }
    }
}
