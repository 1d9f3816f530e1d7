#include "learn/flat.h"

struct flat flat_of(ptrdiff_t n) {
    struct flat flat = {.n = n, .piece = FLAT_PIECE};
    if (n > (ptrdiff_t)FLAT_PIECE * FLAT_PIECES) {
        flat.piece = ((n - 1) / FLAT_PIECES / 64 + 1) * 64; /* whole lines of the cache */
    }
    flat.pieces = (int)((n + flat.piece - 1) / flat.piece);
    return flat;
}

ptrdiff_t flat_piece(const struct flat *flat, int piece, ptrdiff_t *len) {
    const ptrdiff_t first = piece * flat->piece, left = flat->n - first;
    *len = left < flat->piece ? left : flat->piece;
    return first;
}

struct work {
    const struct kernels *kernels;
    struct flat flat;
    void *x;
    const void *other;
    double factor;
    double *sums; /* a piece each */
};

static void *piece_of(const struct work *work, int piece, ptrdiff_t *len) {
    return (char *)work->x +
           flat_piece(&work->flat, piece, len) * (ptrdiff_t)work->kernels->real_size;
}

static void set_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct work *work = context;
    ptrdiff_t len;
    void *x = piece_of(work, piece, &len);
    work->kernels->set(x, work->factor, len);
}

static void scale_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct work *work = context;
    ptrdiff_t len;
    void *x = piece_of(work, piece, &len);
    work->kernels->scale(x, work->factor, len);
}

static void sum_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct work *work = context;
    ptrdiff_t len;
    const void *x = piece_of(work, piece, &len);
    work->sums[piece] = work->kernels->sum_squares(x, len);
}

static const void *other_piece(const struct work *work, int piece) {
    ptrdiff_t len;
    return (const char *)work->other +
           flat_piece(&work->flat, piece, &len) * (ptrdiff_t)work->kernels->real_size;
}

static void inner_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct work *work = context;
    ptrdiff_t len;
    const void *x = piece_of(work, piece, &len);
    work->sums[piece] = work->kernels->inner(x, other_piece(work, piece), len);
}

static void add_piece(void *context, int piece, int worker) {
    (void)worker;
    const struct work *work = context;
    ptrdiff_t len;
    void *y = piece_of(work, piece, &len);
    work->kernels->add_scaled(y, other_piece(work, piece), work->factor, len);
}

/* Runs `function` on the pieces and returns the sum, in their order, of what each has left. */
static double sum_pieces(struct work *work, struct pool *pool, pool_function *function) {
    double sums[FLAT_PIECES], sum = 0.0;
    work->sums = sums;
    pool_run(pool, work->flat.pieces, function, work);
    for (int piece = 0; piece < work->flat.pieces; piece++) {
        sum += sums[piece];
    }
    return sum;
}

void flat_set(const struct kernels *kernels, struct pool *pool, void *x, double value,
              ptrdiff_t n) {
    struct work work = {.kernels = kernels, .flat = flat_of(n), .x = x, .factor = value};
    pool_run(pool, work.flat.pieces, set_piece, &work);
}

void flat_scale(const struct kernels *kernels, struct pool *pool, void *x, double factor,
                ptrdiff_t n) {
    struct work work = {.kernels = kernels, .flat = flat_of(n), .x = x, .factor = factor};
    pool_run(pool, work.flat.pieces, scale_piece, &work);
}

double flat_sum_squares(const struct kernels *kernels, struct pool *pool, const void *x,
                        ptrdiff_t n) {
    struct work work = {.kernels = kernels, .flat = flat_of(n), .x = (void *)x};
    return sum_pieces(&work, pool, sum_piece);
}

double flat_inner(const struct kernels *kernels, struct pool *pool, const void *x, const void *y,
                  ptrdiff_t n) {
    struct work work = {.kernels = kernels, .flat = flat_of(n), .x = (void *)x, .other = y};
    return sum_pieces(&work, pool, inner_piece);
}

void flat_add_scaled(const struct kernels *kernels, struct pool *pool, void *y, const void *x,
                     double factor, ptrdiff_t n) {
    struct work work = {
        .kernels = kernels, .flat = flat_of(n), .x = y, .other = x, .factor = factor};
    pool_run(pool, work.flat.pieces, add_piece, &work);
}
