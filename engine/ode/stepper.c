#include "ode/stepper.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 }; /* reals of a sum that stay in registers or the nearest cache */

double grid_time(const struct grid *grid, ptrdiff_t step, struct rational c) {
    const __int128 p = (__int128)step * c.q + c.p, q = (__int128)grid->steps * c.q;
    return p == q ? grid->t1 : grid->t0 + (grid->t1 - grid->t0) * ((double)p / (double)q);
}

int stepper_attempt_cost(const struct tableau *scheme) {
    return scheme->stages - 1;
}

int stepper_step_cost(const struct tableau *scheme) {
    return scheme->stages - 1 - (scheme->fsal ? 1 : 0);
}

bool stepper_init(struct stepper *stepper, const struct tableau *scheme,
                  const struct ode_field *field, ptrdiff_t room, bool compensated,
                  struct error *error) {
    assert(room > 0 && field->n > 0);
    *stepper = (struct stepper){
        .scheme = scheme, .field = *field, .n = field->n, .room = room, .rows = room};
    const size_t states = (size_t)scheme->stages + 6 + (compensated ? 2 : 0);
    size_t row, reals, bytes;
    bool fits = !__builtin_mul_overflow((size_t)field->n, states, &row) &&
                !__builtin_add_overflow(row, 4, &row) &&
                !__builtin_mul_overflow(row, (size_t)room, &reals) &&
                !__builtin_mul_overflow(reals, sizeof(double), &bytes) && bytes <= PTRDIFF_MAX;
    stepper->memory = fits ? calloc(reals, sizeof(double)) : NULL;
    if (!stepper->memory) {
        return error_set(error, ERROR_MEMORY,
                         "no memory for %td states of %td numbers under scheme \"%s\"", room,
                         field->n, scheme->name);
    }
    double *at = stepper->memory;
    double **const singles[] = {&stepper->t, &stepper->h, &stepper->end, &stepper->times};
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        *singles[i] = at;
        at += room;
    }
    double **const rows[] = {&stepper->y,      &stepper->next,  &stepper->stage,
                             &stepper->gather, &stepper->slope, &stepper->spread};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *rows[i] = at;
        at += room * field->n;
    }
    stepper->k = at;
    if (compensated) {
        stepper->lost = at + scheme->stages * room * field->n;
        stepper->next_lost = stepper->lost + room * field->n;
    }
    return true;
}

void stepper_release(struct stepper *stepper) {
    free(stepper->memory);
    *stepper = (struct stepper){0};
}

/* sum (count) = sum_i weights_i k_i at the reals from `first` on, one pass over each k. */
static void sum_block(const struct stepper *s, const double *weights, ptrdiff_t first,
                      ptrdiff_t count, double sum[BLOCK]) {
    for (ptrdiff_t e = 0; e < count; e++) {
        sum[e] = 0;
    }
    for (int i = 0; i < s->scheme->stages; i++) {
        const double weight = weights[i];
        const double *const k = stepper_stage(s, i) + first;
        if (weight == 0) {
            continue;
        }
        for (ptrdiff_t e = 0; e < count; e++) {
            sum[e] += weight * k[e];
        }
    }
}

void stepper_sum(const struct stepper *s, const double *weights, double *out) {
    const ptrdiff_t len = s->rows * s->n;
    for (ptrdiff_t first = 0; first < len; first += BLOCK) {
        const ptrdiff_t count = len - first < BLOCK ? len - first : BLOCK;
        double sum[BLOCK];
        sum_block(s, weights, first, count, sum);
        for (ptrdiff_t e = 0; e < count; e++) {
            out[first + e] = s->spread[first + e] * sum[e];
        }
    }
}

/* out = y + h sum_i weights_i k_i, what was lost before added to the increment; with `lost_out` not
 * NULL it gets what rounding takes now (NUMERICS.md eq. 89). */
static void combine(const struct stepper *s, const double *weights, double *out, double *lost_out) {
    const ptrdiff_t len = s->rows * s->n;
    for (ptrdiff_t first = 0; first < len; first += BLOCK) {
        const ptrdiff_t count = len - first < BLOCK ? len - first : BLOCK;
        const double *const y = s->y + first, *const h = s->spread + first;
        double sum[BLOCK];
        sum_block(s, weights, first, count, sum);
        if (!s->lost) {
            for (ptrdiff_t e = 0; e < count; e++) {
                out[first + e] = y[e] + h[e] * sum[e];
            }
            continue;
        }
        for (ptrdiff_t e = 0; e < count; e++) {
            const double step = s->lost[first + e] + h[e] * sum[e];
            const double total = y[e] + step;
            const double part = total - y[e];
            out[first + e] = total;
            if (lost_out) {
                lost_out[first + e] = (y[e] - (total - part)) + (step - part);
            }
        }
    }
}

/* The time of a stage in every row. The end of a step is what it was planned to be, exactly. */
static void stage_times(struct stepper *s, int i, const struct grid *grid, ptrdiff_t step) {
    const struct rational c = s->scheme->c[i];
    const bool at_end = c.p == c.q;
    if (grid && !at_end) {
        const double t = grid_time(grid, step, c);
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            s->times[r] = t;
        }
        return;
    }
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        s->times[r] = at_end ? s->end[r] : s->t[r] + s->scheme->cv[i] * s->h[r];
    }
}

static bool evaluate(const struct stepper *s, ptrdiff_t rows, const double *t, const double *y,
                     double *dy) {
    return s->field.value(s->field.context, rows, t, y, dy);
}

static void spread_steps(struct stepper *s) {
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        for (ptrdiff_t e = 0; e < s->n; e++) {
            s->spread[r * s->n + e] = s->h[r];
        }
    }
}

void stepper_combine(struct stepper *s, const double *weights) {
    spread_steps(s);
    combine(s, weights, s->next, s->next_lost);
    s->ended = false;
}

bool stepper_step(struct stepper *s, const struct grid *grid, ptrdiff_t step) {
    const struct tableau *const scheme = s->scheme;
    spread_steps(s);
    const int last = scheme->stages - (scheme->fsal ? 1 : 0);
    for (int i = 1; i < last; i++) {
        combine(s, scheme->av[i], s->stage, NULL);
        stage_times(s, i, grid, step);
        if (!evaluate(s, s->rows, s->times, s->stage, stepper_stage(s, i))) {
            return false;
        }
    }
    combine(s, scheme->bv, s->next, s->next_lost);
    return true;
}

bool stepper_attempt(struct stepper *s, const struct grid *grid, ptrdiff_t step) {
    s->ended = s->scheme->fsal;
    return stepper_step(s, grid, step) &&
           (!s->ended ||
            evaluate(s, s->rows, s->end, s->next, stepper_stage(s, s->scheme->stages - 1)));
}

/* out (rows, n) = f(t, y) in the rows `wanted`, asked together. The number of them, -1: the field
 * stopped. */
static ptrdiff_t evaluate_rows(struct stepper *s, const bool *wanted, const double *t,
                               const double *y, double *out) {
    const size_t size = (size_t)s->n * sizeof(double);
    ptrdiff_t count = 0;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        if (wanted[r]) {
            memcpy(s->stage + count * s->n, y + r * s->n, size);
            s->times[count++] = t[r];
        }
    }
    if (count > 0 && !evaluate(s, count, s->times, s->stage, s->gather)) {
        return -1;
    }
    ptrdiff_t from = 0;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        if (wanted[r]) {
            memcpy(out + r * s->n, s->gather + from++ * s->n, size);
        }
    }
    return count;
}

bool stepper_begin(struct stepper *s) {
    return evaluate(s, s->rows, s->t, s->y, s->k);
}

bool stepper_begin_rows(struct stepper *s, const bool *wanted) {
    return evaluate_rows(s, wanted, s->t, s->y, s->k) >= 0;
}

int stepper_slopes(struct stepper *s, const bool *wanted) {
    if (s->ended) {
        memcpy(s->slope, stepper_stage(s, s->scheme->stages - 1),
               (size_t)(s->rows * s->n) * sizeof(double));
        return 0;
    }
    const ptrdiff_t count = evaluate_rows(s, wanted, s->end, s->next, s->slope);
    return count < 0 ? -1 : count > 0;
}

static void copy_row(double *list, ptrdiff_t n, ptrdiff_t to, const double *from_list,
                     ptrdiff_t from) {
    memcpy(list + to * n, from_list + from * n, (size_t)n * sizeof(double));
}

void stepper_advance(struct stepper *s, const bool *wanted) {
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        if (!wanted[r]) {
            continue;
        }
        s->t[r] = s->end[r];
        copy_row(s->y, s->n, r, s->next, r);
        copy_row(s->k, s->n, r, s->slope, r);
        if (s->lost) {
            copy_row(s->lost, s->n, r, s->next_lost, r);
        }
    }
}

void stepper_move(struct stepper *s, ptrdiff_t to, ptrdiff_t from) {
    if (to == from) {
        return;
    }
    s->t[to] = s->t[from];
    s->h[to] = s->h[from];
    s->end[to] = s->end[from];
    copy_row(s->y, s->n, to, s->y, from);
    copy_row(s->k, s->n, to, s->k, from);
    if (s->lost) {
        copy_row(s->lost, s->n, to, s->lost, from);
    }
}
