#include "ode/solution.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const solution_status_names[] = {"done",  "step limit",  "step underflow", "non-finite",
                                             "stiff", "interrupted", "field",          "memory",
                                             NULL};

void solution_free(struct solution *solution) {
    if (!solution) {
        return;
    }
    for (ptrdiff_t i = 0; solution->sample && i < solution->count; i++) {
        free(solution->sample[i].t);
        free(solution->sample[i].y);
        free(solution->sample[i].attempt);
        free(solution->sample[i].piece);
    }
    free(solution->sample);
    free(solution->last);
    stepper_release(&solution->again);
    free(solution);
}

/* ---- records ------------------------------------------------------------------------------- */

/* Memory for `room` entries of `size` bytes in place of what *list was. */
static bool resize(void *list, ptrdiff_t room, size_t size) {
    void **const place = list;
    size_t bytes;
    void *const memory = __builtin_mul_overflow((size_t)room, size, &bytes) || bytes > PTRDIFF_MAX
                             ? NULL
                             : realloc(*place, bytes);
    if (memory) {
        *place = memory;
    }
    return memory;
}

static ptrdiff_t doubled(ptrdiff_t room) {
    return room ? 2 * room : 16;
}

bool solution_save(const struct solution *solution, struct solution_sample *sample, double t,
                   const double *y) {
    const size_t size = (size_t)solution->n * sizeof(double);
    if (sample->saved == sample->saved_room) {
        const ptrdiff_t room = doubled(sample->saved_room);
        if (!resize(&sample->t, room, sizeof(double)) || !resize(&sample->y, room, size)) {
            return false;
        }
        sample->saved_room = room;
    }
    sample->t[sample->saved] = t;
    memcpy(sample->y + sample->saved * solution->n, y, size);
    sample->saved++;
    return true;
}

bool solution_note(struct solution_sample *sample, const struct solution_attempt *attempt) {
    if (sample->attempts == sample->attempts_room) {
        const ptrdiff_t room = doubled(sample->attempts_room);
        if (!resize(&sample->attempt, room, sizeof *attempt)) {
            return false;
        }
        sample->attempts_room = room;
    }
    sample->attempt[sample->attempts++] = *attempt;
    return true;
}

static int terms_of(const struct solution *solution) {
    return interpolant_terms(solution->interpolant, solution->scheme);
}

static ptrdiff_t piece_len(const struct solution *solution) {
    return 2 + solution->n * (1 + terms_of(solution));
}

double *solution_piece(const struct solution *solution, struct solution_sample *sample) {
    const ptrdiff_t len = piece_len(solution);
    if (sample->pieces == sample->pieces_room) {
        const ptrdiff_t room = doubled(sample->pieces_room);
        if (!resize(&sample->piece, room, (size_t)len * sizeof(double))) {
            return NULL;
        }
        sample->pieces_room = room;
    }
    return sample->piece + len * sample->pieces++;
}

/* ---- states between the steps -------------------------------------------------------------- */

bool solution_within(struct solution *solution, double begin, double end, const double *y,
                     const double *d, double t, double *out) {
    if (t == begin) {
        memcpy(out, y, (size_t)solution->n * sizeof(double));
        return true;
    }
    if (solution->interpolant != INTERPOLANT_AGAIN) {
        const double h = end - begin;
        interpolant_at(solution->n, terms_of(solution), (t - begin) / h, h, y, d, out);
        return true;
    }
    struct stepper *const again = &solution->again;
    const size_t size = (size_t)solution->n * sizeof(double);
    again->t[0] = begin;
    again->h[0] = t - begin;
    again->end[0] = t;
    memcpy(again->y, y, size);
    memcpy(again->k, d, size);
    if (!stepper_step(again, NULL, 0)) {
        return false;
    }
    memcpy(out, again->next, size);
    return true;
}

bool solution_at(struct solution *solution, ptrdiff_t index, const struct ode_field *field,
                 double t, double *out, struct error *error) {
    const struct solution_sample *const sample = &solution->sample[index];
    const ptrdiff_t len = piece_len(solution);
    if (sample->pieces == 0) {
        return error_set(error, ERROR_STATE,
                         "the solution has no states between those that were saved; solve with "
                         "dense = true");
    }
    const double direction = solution->t1 > solution->t0 ? 1 : -1;
    const double *const last = sample->piece + len * (sample->pieces - 1);
    const double end = last[1];
    if (!(direction * (t - sample->piece[0]) >= 0 && direction * (end - t) >= 0)) {
        return error_set(error, ERROR_VALUE,
                         "t = %.12g lies outside of what was solved, from %.12g to %.12g", t,
                         sample->piece[0], end);
    }
    if (t == end) {
        memcpy(out, solution->last + index * solution->n, (size_t)solution->n * sizeof(double));
        return true;
    }
    ptrdiff_t low = 0, high = sample->pieces; /* the last piece that begins at t or before */
    while (high - low > 1) {
        const ptrdiff_t middle = low + (high - low) / 2;
        if (direction * (t - sample->piece[len * middle]) >= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (field) {
        solution->again.field = *field;
    }
    const double *const piece = sample->piece + len * low;
    if (!solution_within(solution, piece[0], piece[1], piece + 2, piece + 2 + solution->n, t,
                         out)) {
        return error_set(error, ERROR_STATE, "the field could not be evaluated again");
    }
    return true;
}

/* ---- sentences ----------------------------------------------------------------------------- */

static int limit_sentence(const struct solution *solution, const struct solution_sample *sample,
                          char *text, size_t size) {
    int len = snprintf(text, size,
                       "stopped at t = %.12g of %.12g: %td steps were attempted, the limit, the "
                       "last of length %.3g",
                       sample->stop, solution->t1, sample->accepted + sample->rejected,
                       sample->step);
    const size_t used = len < 0 ? 0 : (size_t)len < size ? (size_t)len : size;
    len += sample->reach > 0.95 * solution->scheme->stability
               ? snprintf(text + used, size - used,
                          "; h times the spectral radius was %.3g there and \"%s\" is stable up to "
                          "%.3g, so the problem is likely stiff",
                          sample->reach, solution->scheme->name, solution->scheme->stability)
               : snprintf(text + used, size - used,
                          "; raise \"limit\" or loosen the tolerances");
    return len;
}

int solution_sentence(const struct solution *solution, ptrdiff_t index, char *text, size_t size) {
    const struct solution_sample *const sample = &solution->sample[index];
    const double t = sample->stop, t1 = solution->t1;
    switch (sample->status) {
    case SOLUTION_DONE:
        return snprintf(text, size, "%s", "");
    case SOLUTION_LIMIT:
        return limit_sentence(solution, sample, text, size);
    case SOLUTION_UNDERFLOW:
        return snprintf(text, size,
                        "stopped at t = %.17g of %.12g: the step fell to %.3g, where t no longer "
                        "moves, and component %td still errs too much; the solution may be "
                        "singular there, or the tolerances below round-off",
                        t, t1, sample->step, sample->worst + 1);
    case SOLUTION_NONFINITE:
        return snprintf(text, size,
                        sample->rejected || sample->accepted == 0
                            ? "stopped at t = %.12g of %.12g: component %td of the state or its "
                              "slope is not finite, with steps down to the shortest"
                            : "from t = %.12g (of %.12g) on component %td of the state is not "
                              "finite",
                        t, t1, sample->worst + 1);
    case SOLUTION_STIFF:
        return snprintf(text, size,
                        "stopped at t = %.12g of %.12g: for 15 steps h times the spectral radius "
                        "was %.3g and \"%s\" is stable up to %.3g, so the problem is likely stiff; "
                        "stiff_after = 0 goes on all the same, in steps of %.3g",
                        t, t1, sample->reach, solution->scheme->name, solution->scheme->stability,
                        sample->step);
    case SOLUTION_INTERRUPTED:
        return snprintf(text, size, "interrupted at t = %.12g of %.12g", t, t1);
    case SOLUTION_FIELD:
        return snprintf(text, size, "the field could not be evaluated behind t = %.12g", t);
    case SOLUTION_MEMORY:
        return snprintf(text, size,
                        "stopped at t = %.12g of %.12g: there is no memory for more than %td "
                        "saved states and %td steps",
                        t, t1, sample->saved, sample->attempts);
    }
    return 0;
}
