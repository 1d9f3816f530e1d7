#include "ode/adjoint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ode/stepper.h"

struct room { /* arrays of a run; len = count * n */
    const struct adjoint *adjoint;
    ptrdiff_t len;
    struct grid grid;
    double h;
    double *memory;
    double *times; /* (count) */
    double *y, *k, *stage; /* (len), (stages, len), (stages, len) */
    double *a, *pulled;    /* (len), (stages, len): adjoint, and a^T df/dy of the stages */
    double *part;          /* (len) the adjoint of a stage */
};

static bool room_init(struct room *room, const struct adjoint *adjoint, bool reverse,
                      struct error *error) {
    const ptrdiff_t stages = adjoint->scheme->stages;
    assert(adjoint->steps > 0 && adjoint->count > 0 && adjoint->field->n > 0);
    *room = (struct room){.adjoint = adjoint,
                          .grid = {reverse ? adjoint->t1 : adjoint->t0,
                                   reverse ? adjoint->t0 : adjoint->t1, adjoint->steps}};
    room->h = (room->grid.t1 - room->grid.t0) / (double)adjoint->steps;
    size_t len = 0, reals = 0, bytes = 0;
    const bool fits =
        !__builtin_mul_overflow((size_t)adjoint->count, (size_t)adjoint->field->n, &len) &&
        !__builtin_mul_overflow(len, (size_t)(3 * stages + 3), &reals) &&
        !__builtin_add_overflow(reals, (size_t)adjoint->count, &reals) &&
        !__builtin_mul_overflow(reals, sizeof(double), &bytes) && bytes <= PTRDIFF_MAX;
    room->memory = fits ? calloc(reals, sizeof(double)) : NULL;
    if (!room->memory) {
        return error_set(error, ERROR_MEMORY, "no memory for the gradient of %td states",
                         adjoint->count);
    }
    room->len = (ptrdiff_t)len;
    room->times = room->memory;
    room->y = room->times + adjoint->count;
    room->a = room->y + len;
    room->part = room->a + len;
    room->k = room->part + len;
    room->stage = room->k + (size_t)stages * len;
    room->pulled = room->stage + (size_t)stages * len;
    return true;
}

static void set_times(const struct room *room, ptrdiff_t step, int i) {
    const double t = grid_time(&room->grid, step, room->adjoint->scheme->c[i]);
    for (ptrdiff_t s = 0; s < room->adjoint->count; s++) {
        room->times[s] = t;
    }
}

/* out = base + h sum_(j < count) weights_j v_j. */
static void combine(const struct room *room, const double *base, const double *weights, int count,
                    const double *v, double *out) {
    for (ptrdiff_t e = 0; e < room->len; e++) {
        double sum = 0;
        for (int j = 0; j < count; j++) {
            sum += weights[j] * v[j * room->len + e];
        }
        out[e] = base[e] + room->h * sum;
    }
}

static bool stopped(const struct room *room, struct error *error) {
    return error_set(error, ERROR_STATE, "the field %s stopped", room->adjoint->field->name);
}

/* Stages (into `stage`) and slopes of the step that begins at y. */
static bool compute_stages(const struct room *room, ptrdiff_t step, const double *y,
                           double *stage) {
    const struct adjoint *const adjoint = room->adjoint;
    const struct tableau *const scheme = adjoint->scheme;
    for (int i = 0; i < scheme->stages; i++) {
        combine(room, y, scheme->av[i], i, room->k, stage + i * room->len);
        set_times(room, step, i);
        if (!adjoint->field->value(adjoint->field->context, adjoint->count, room->times,
                                   stage + i * room->len, room->k + i * room->len)) {
            return false;
        }
    }
    return true;
}

static bool forward(const struct room *room, const double *y0, double *starts, double *stages,
                    double *y1) {
    const struct tableau *const scheme = room->adjoint->scheme;
    memcpy(room->y, y0, (size_t)room->len * sizeof *y0);
    for (ptrdiff_t step = 0; step < room->adjoint->steps; step++) {
        if (starts) {
            memcpy(starts + step * room->len, room->y, (size_t)room->len * sizeof *y0);
        }
        double *const stage =
            stages ? stages + step * scheme->stages * room->len : room->stage;
        if (!compute_stages(room, step, room->y, stage)) {
            return false;
        }
        combine(room, room->y, scheme->bv, scheme->stages, room->k, room->y);
    }
    memcpy(y1, room->y, (size_t)room->len * sizeof *y0);
    return true;
}

bool adjoint_forward(const struct adjoint *adjoint, const double *y0, double *y1,
                     struct error *error) {
    struct room room;
    if (!room_init(&room, adjoint, false, error)) {
        return false;
    }
    const bool good = forward(&room, y0, NULL, NULL, y1) || stopped(&room, error);
    free(room.memory);
    return good;
}

/* ---- the discrete one ---------------------------------------------------------------------- */

/* a at the end of a step becomes a at its begin, through the stages from the last. */
static bool step_back(const struct room *room, ptrdiff_t step, const double *stage) {
    const struct adjoint *const adjoint = room->adjoint;
    const struct tableau *const scheme = adjoint->scheme;
    const ptrdiff_t len = room->len;
    bool used[TABLEAU_STAGES_MAX];
    for (int i = scheme->stages - 1; i >= 0; i--) {
        used[i] = scheme->bv[i] != 0;
        for (int j = i + 1; j < scheme->stages; j++) {
            used[i] = used[i] || (used[j] && scheme->av[j][i] != 0);
        }
        if (!used[i]) {
            continue; /* nothing reads its slope */
        }
        for (ptrdiff_t e = 0; e < len; e++) {
            double sum = scheme->bv[i] * room->a[e];
            for (int j = i + 1; j < scheme->stages; j++) {
                sum += used[j] ? scheme->av[j][i] * room->pulled[j * len + e] : 0;
            }
            room->part[e] = room->h * sum;
        }
        set_times(room, step, i);
        if (!adjoint->field->pull(adjoint->field->context, adjoint->count, room->times,
                                  stage + i * len, room->part, room->pulled + i * len, 1)) {
            return false;
        }
    }
    for (ptrdiff_t e = 0; e < len; e++) {
        for (int i = 0; i < scheme->stages; i++) {
            room->a[e] += used[i] ? room->pulled[i * len + e] : 0;
        }
    }
    return true;
}

bool adjoint_discrete(const struct adjoint *adjoint, enum adjoint_keep keep, const double *y0,
                      const double *a1, double *y1, double *a0, struct error *error) {
    assert(adjoint->field->pull);
    struct room room;
    if (!room_init(&room, adjoint, false, error)) {
        return false;
    }
    const bool stored = keep == ADJOINT_STORED;
    const ptrdiff_t stages = adjoint->scheme->stages, each = (stored ? stages : 1) * room.len;
    size_t reals, bytes;
    const bool fits = !__builtin_mul_overflow((size_t)each, (size_t)adjoint->steps, &reals) &&
                      !__builtin_mul_overflow(reals, sizeof(double), &bytes) &&
                      bytes <= PTRDIFF_MAX;
    double *const kept = fits ? malloc(bytes) : NULL;
    bool good = kept || error_set(error, ERROR_MEMORY,
                                  "no memory to keep %td steps of %td states%s", adjoint->steps,
                                  adjoint->count, stored ? " with their stages" : "");
    if (good) {
        good = forward(&room, y0, stored ? NULL : kept, stored ? kept : NULL, y1) ||
               stopped(&room, error);
        memcpy(room.a, a1, (size_t)room.len * sizeof *a1);
    }
    for (ptrdiff_t step = adjoint->steps - 1; step >= 0 && good; step--) {
        const double *const begin = kept + step * each;
        good = ((stored || compute_stages(&room, step, begin, room.stage)) &&
                step_back(&room, step, stored ? begin : room.stage)) ||
               stopped(&room, error);
    }
    if (good) {
        memcpy(a0, room.a, (size_t)room.len * sizeof *a0);
    }
    free(kept);
    free(room.memory);
    return good;
}

/* ---- the continuous one -------------------------------------------------------------------- */

/* One step of y' = f, a' = -a^T df/dy from t1 towards t0; the parameters' gradient is the integral
 * of a^T df/dtheta, by the same weights. */
static bool step_continuous(const struct room *room, ptrdiff_t step) {
    const struct adjoint *const adjoint = room->adjoint;
    const struct ode_field *const field = adjoint->field;
    const struct tableau *const scheme = adjoint->scheme;
    const ptrdiff_t len = room->len;
    for (int i = 0; i < scheme->stages; i++) {
        double *const stage = room->stage + i * len, *const pulled = room->pulled + i * len;
        combine(room, room->y, scheme->av[i], i, room->k, stage);
        combine(room, room->a, scheme->av[i], i, room->pulled, room->part);
        set_times(room, step, i);
        if (!field->value(field->context, adjoint->count, room->times, stage, room->k + i * len) ||
            !field->pull(field->context, adjoint->count, room->times, stage, room->part, pulled,
                         -room->h * scheme->bv[i])) {
            return false;
        }
        for (ptrdiff_t e = 0; e < len; e++) {
            pulled[e] = -pulled[e];
        }
    }
    combine(room, room->y, scheme->bv, scheme->stages, room->k, room->y);
    combine(room, room->a, scheme->bv, scheme->stages, room->pulled, room->a);
    return true;
}

bool adjoint_continuous(const struct adjoint *adjoint, const double *y1, const double *a1,
                        double *y0, double *a0, struct error *error) {
    assert(adjoint->field->pull);
    struct room room;
    if (!room_init(&room, adjoint, true, error)) {
        return false;
    }
    const size_t size = (size_t)room.len * sizeof *y1;
    bool good = true;
    memcpy(room.y, y1, size);
    memcpy(room.a, a1, size);
    for (ptrdiff_t step = 0; step < adjoint->steps && good; step++) {
        good = step_continuous(&room, step) || stopped(&room, error);
    }
    if (good) {
        memcpy(y0, room.y, size);
        memcpy(a0, room.a, size);
    }
    free(room.memory);
    return good;
}
