/* The stage loops of ode.c on a tile of samples. NUMERICS.md eq. 7, 8, 15 to 18, 100
 * to 103.
 *
 * Stages that nothing reads (the last one of a pair with first-same-as-last, when no error is
 * estimated) are left out. The traces of a step's stages lie one behind another, so that weight
 * gradients are summed over them in one go. */
#include "nets/dense_tile.h"

/* Every interval reads the cells anew. */
static const int *cells_of(const struct dense_field *d, int step) {
    const int of_interval = d->intervals > 1 ? step % d->run.steps : step;
    return d->cell + (ptrdiff_t)of_interval * d->stages;
}

static void *slot(const struct dense_tile *t, void *slots, int stage) {
    return at(t->pass, slots, stage * t->d->fields[0].trace_len * t->rows);
}
/* The field's value in a slot; k_i without its factor. */
static void *value_of(const struct dense_tile *t, void *trace) {
    const struct field *f = &t->d->fields[0];
    return at(t->pass, trace, f->layers[f->count - 1].value_at * t->rows);
}
/* State and time, behind the state alone. */
static void *timed_of(const struct dense_tile *t, void *trace) {
    return at(t->pass, trace, t->d->len * t->rows);
}
static void *back_of(const struct dense_tile *t, int stage) {
    return at(t->pass, t->backs, stage * t->d->fields[0].back_len * t->rows);
}
static void *ybar_of(const struct dense_tile *t, int stage) {
    return at(t->pass, t->ybars, stage * t->d->len * t->rows);
}

/* Slots for the traces of a step: where they are kept, or room for one step. */
static void *slots_of(const struct dense_tile *t, int step) {
    const struct dense_field *d = t->d;
    const ptrdiff_t steps = t->first * d->steps + step * t->rows;
    return t->keep == KEEP_TRACES ? at(t->pass, d->kept, steps * dense_traces_len(d)) : t->slots;
}
static void *start_of(const struct dense_tile *t, int step) {
    return at(t->pass, t->d->kept, (t->first * t->d->steps + step * t->rows) * t->d->len);
}

/* (step + c) / N: the time of a stage in intervals; rounded once while numbers fit 53 bits. */
static double part_of(const struct dense_field *d, int step, int i) {
    const struct tableau *scheme = d->run.scheme;
    const struct rational c = scheme->c[d->stage[i]];
    int64_t above, below;
    if (__builtin_mul_overflow(c.q, step, &above) || __builtin_add_overflow(above, c.p, &above) ||
        __builtin_mul_overflow(c.q, d->run.steps, &below)) {
        return (step + scheme->cv[d->stage[i]]) / d->run.steps;
    }
    return (double)above / (double)below;
}

/* The slope of a stage whose state stands in its slot: dt R, or R where dt is in the coefficients.
 * No activation is between R and the slope then, so that the way back does not read R itself. */
static void stage_forward(const struct dense_tile *t, int step, int i, int cell, void *trace) {
    const struct dense_field *d = t->d;
    const struct kernels *k = t->pass->k;
    if (d->timed) {
        k->timed(timed_of(t, trace), trace, t->rows, ode_state(d->op)->channels, t->clock,
                 part_of(d, step, i));
    }
    k->field_value(&d->fields[cell], trace, t->rows);
    if (d->paced) {
        k->pace(value_of(t, trace), t->rows, d->len, t->clock);
    }
}

/* Fills the traces of a step from the state in its first slot, and sets next to the state behind
 * it unless that is NULL. */
static void step_forward(const struct dense_tile *t, int step, void *slots, void *next) {
    const struct dense_field *d = t->d;
    const struct kernels *k = t->pass->k;
    const int *cell = cells_of(d, step);
    const void *x[TABLEAU_STAGES_MAX + 1] = {slots};
    double factor[TABLEAU_STAGES_MAX + 1] = {1.0};
    const ptrdiff_t n = d->len * t->rows;
    for (int i = 0; i < d->stages; i++) {
        void *trace = slot(t, slots, i);
        int count = 1;
        for (int j = 0; j < i; j++) {
            if (d->a[i][j] != 0.0) {
                x[count] = value_of(t, slot(t, slots, j));
                factor[count++] = d->a[i][j] * d->skip[cell[j]];
            }
        }
        if (i > 0) {
            k->blend(trace, n, count, x, factor);
        }
        stage_forward(t, step, i, cell[i], trace);
    }
    int count = 1;
    for (int i = 0; next && i < d->stages; i++) {
        if (d->b[i] != 0.0) {
            x[count] = value_of(t, slot(t, slots, i));
            factor[count++] = d->b[i] * d->skip[cell[i]];
        }
    }
    if (next) {
        k->blend(next, n, count, x, factor);
    }
}

/* The states behind an interval, tile by tile, and what the samples' outputs are. */
static void give_states(const struct dense_tile *t, int interval, const void *states, void *out) {
    const struct dense_field *d = t->d;
    const size_t size = (size_t)d->len * t->pass->k->real_size;
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        memcpy(at(t->pass, out, ((t->first + r) * d->intervals + interval) * d->len),
               at_const(t->pass, states, r * d->len), size);
    }
}

void dense_tile_forward(const struct dense_tile *t, const void *x, void *out) {
    const struct dense_field *d = t->d;
    const size_t size = (size_t)(d->len * t->rows) * t->pass->k->real_size;
    const ptrdiff_t from = t->first * d->len;
    void *last = d->intervals > 1 ? t->state : at(t->pass, out, from);
    memcpy(slots_of(t, 0), at_const(t->pass, x, from), size);
    for (int step = 0; step < d->steps; step++) {
        void *slots = slots_of(t, step), *next = step + 1 < d->steps ? slots_of(t, step + 1) : last;
        if (t->keep == KEEP_STARTS) {
            memcpy(start_of(t, step), slots, size);
        }
        step_forward(t, step, slots, next);
        if (d->intervals > 1 && (step + 1) % d->run.steps == 0) {
            give_states(t, step / d->run.steps, next, out);
        }
    }
}

/* Gradients by a stage's slope and by its input. */
static void stage_backward(const struct dense_tile *t, int i, int cell, void *slots,
                           void *xbar) {
    const struct dense_field *d = t->d;
    const struct kernels *k = t->pass->k;
    const struct field *f = &d->fields[cell];
    const ptrdiff_t n = d->len * t->rows;
    void *back = back_of(t, i), *trace = slot(t, slots, i);
    void *kbar = at(t->pass, back, f->layers[f->count - 1].back_at * t->rows);
    const void *x[TABLEAU_STAGES_MAX + 1];
    double factor[TABLEAU_STAGES_MAX + 1];
    int count = 0;
    if (d->b[i] != 0.0) {
        x[count] = xbar;
        factor[count++] = d->b[i];
    }
    for (int j = d->stages - 1; j > i; j--) {
        if (d->a[j][i] != 0.0) {
            x[count] = ybar_of(t, j);
            factor[count++] = d->a[j][i];
        }
    }
    k->blend(kbar, n, count, x, factor);
    if (d->op->skip >= 0) {
        const struct transform plain = {.act = ACT_NONE};
        t->skip_gradient[cell] +=
            k->dot(kbar, value_of(t, trace), (struct extent){1, 1, n / BLOCK}, &plain);
        x[0] = kbar;
        k->blend(kbar, n, 1, x, &d->skip[cell]);
    }
    if (d->paced) {
        k->pace(kbar, t->rows, d->len, t->clock);
    }
    k->field_back(f, trace, back, d->timed ? t->timed : ybar_of(t, i), t->rows);
    if (d->timed) {
        k->timed_back(ybar_of(t, i), t->timed, t->rows, ode_state(d->op)->channels);
    }
}

/* Weight gradients of a step: one sum over neighbouring stages that read the same cell. */
static void step_weights(const struct dense_tile *t, const int *cell, void *slots) {
    const struct dense_field *d = t->d;
    for (int i = 0, count; i < d->stages; i += count) {
        const struct field *f = &d->fields[cell[i]];
        count = 1;
        while (i + count < d->stages && cell[i + count] == cell[i]) {
            count++;
        }
        t->pass->k->field_weights(f, at(t->pass, t->gradient, cell[i] * f->gradient_len),
                                  slot(t, slots, i),
                                  back_of(t, i), t->rows, count);
    }
}

/* xbar += the gradient by the state behind an interval, as an output. */
static void take_gradients(const struct dense_tile *t, int interval, void *xbar, void *g) {
    const struct dense_field *d = t->d;
    for (ptrdiff_t r = 0; r < t->rows; r++) {
        t->pass->k->add(at(t->pass, xbar, r * d->len),
                        at(t->pass, g, ((t->first + r) * d->intervals + interval) * d->len),
                        d->len);
    }
}

void dense_tile_backward(const struct dense_tile *t, void *g, void *dx) {
    const struct dense_field *d = t->d;
    const struct kernels *k = t->pass->k;
    const ptrdiff_t n = d->len * t->rows;
    const size_t size = (size_t)n * k->real_size;
    void *xbar = d->intervals > 1 ? t->state : at(t->pass, g, t->first * d->len);
    const void *x[TABLEAU_STAGES_MAX + 1] = {xbar};
    double factor[TABLEAU_STAGES_MAX + 1] = {1.0};
    for (int i = 0; i < d->stages; i++) {
        x[i + 1] = ybar_of(t, i);
        factor[i + 1] = 1.0;
    }
    if (d->intervals > 1) {
        memset(xbar, 0, size);
    }
    for (int step = d->steps - 1; step >= 0; step--) {
        const int *cell = cells_of(d, step);
        void *slots = slots_of(t, step);
        if (t->keep == KEEP_STARTS) {
            memcpy(slots, start_of(t, step), size);
            step_forward(t, step, slots, NULL);
        }
        if (d->intervals > 1 && (step + 1) % d->run.steps == 0) {
            take_gradients(t, step / d->run.steps, xbar, g);
        }
        for (int i = d->stages - 1; i >= 0; i--) {
            stage_backward(t, i, cell[i], slots, xbar);
        }
        step_weights(t, cell, slots);
        k->blend(xbar, n, d->stages + 1, x, factor);
    }
    if (dx) {
        memcpy(at(t->pass, dx, t->first * d->len), xbar, size);
    }
}
