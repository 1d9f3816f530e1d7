/* The skeleton of a pass: frames, and the gradients that go with them, whose tensors layout.c
 * seats; and the states of norms, which are kept of every visit. */
#include "nets/dense_field.h"

enum { NORM_REALS = 6, NORM_DOUBLES = 2 }; /* rows of a norm_state */

static bool body_create(struct pass *pass, const struct op *op, struct body_state *state) {
    const size_t buffers = (size_t)op->body->buffer_count;
    state->count = 1;
    if (op->kind == OP_ODE) {
        const struct run run = pass_run(pass, op);
        const bool each = pass->options.gradients || pass->options.training;
        state->count = run.scheme->stages;
        state->visit_count = run.scheme->stages * (each ? run.steps : 1);
        pass->evaluations += (ptrdiff_t)run.scheme->stages * run.steps * op->layer->intervals;
        if (dense_field_fits(op)) {
            state->count = state->visit_count = 0;
            return (state->dense = dense_field_create(pass, op)) != NULL;
        }
        const size_t size = (size_t)state->count * buffers * sizeof(struct seat);
        state->fore = pass_take_zero(pass, size);
        state->back = pass_take_zero(pass, size);
        if (!state->fore || !state->back) {
            return false;
        }
    }
    state->frames = pass_take_zero(pass, (size_t)state->count * sizeof *state->frames);
    bool ok = state->frames != NULL;
    for (int f = 0; ok && f < state->count; f++) {
        ok = (state->frames[f] = frame_create(pass, op->body)) != NULL;
    }
    return ok;
}

struct frame *frame_create(struct pass *pass, const struct chain *chain) {
    struct frame *frame = pass_take_zero(pass, sizeof *frame);
    if (!frame) {
        return NULL;
    }
    frame->buffer = pass_take_zero(pass, (size_t)chain->buffer_count * sizeof *frame->buffer);
    frame->bodies = pass_take_zero(pass, (size_t)chain->body_count * sizeof *frame->bodies);
    bool ok = frame->buffer && frame->bodies;
    for (int i = 0; ok && i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        ok = !op->body || body_create(pass, op, &frame->bodies[op->index]);
    }
    return ok ? frame : NULL;
}

struct work *frame_work(struct pass *pass, const struct chain *chain) {
    struct work *work = pass_take_zero(pass, sizeof *work);
    if (!work) {
        return NULL;
    }
    work->grad = pass_take_zero(pass, (size_t)chain->buffer_count * sizeof *work->grad);
    work->bodies = pass_take_zero(pass, (size_t)chain->body_count * sizeof *work->bodies);
    bool ok = work->grad && work->bodies;
    for (int i = 0; ok && i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->body && !dense_field_fits(op)) {
            struct body_work *body = &work->bodies[op->index];
            const int stages = op->kind == OP_ODE ? pass_run(pass, op).scheme->stages : 0;
            body->work = frame_work(pass, op->body);
            body->ybar = pass_take_zero(pass, (size_t)stages * sizeof *body->ybar);
            ok = body->work && body->ybar;
        }
    }
    return ok ? work : NULL;
}

static size_t norm_rows_size(const struct pass *pass, const struct norm *norm) {
    return (size_t)norm->padded *
           (NORM_REALS * pass->k->real_size + NORM_DOUBLES * sizeof(double));
}

double frame_norms_bytes(const struct pass *pass, const struct chain *chain,
                         const struct frame *frame) {
    double bytes = 0.0;
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        if (op->kind == OP_ODE) {
            double visit = sizeof(struct visit);
            for (int n = 0; n < op->body->norm_count; n++) {
                visit += (double)(sizeof(struct norm_state) +
                                  norm_rows_size(pass, &op->body->norms[n]));
            }
            bytes += frame->bodies[op->index].visit_count * visit;
        } else if (op->kind == OP_RESIDUAL) {
            bytes += frame_norms_bytes(pass, op->body, frame->bodies[op->index].frames[0]);
        }
    }
    return bytes;
}

/* The norms of a chain, `count` times over. */
static struct norm_state *norms_create(struct pass *pass, const struct chain *chain, int count) {
    size_t rows_size = 0;
    for (int n = 0; n < chain->norm_count; n++) {
        rows_size += norm_rows_size(pass, &chain->norms[n]);
    }
    struct norm_state *states =
        pass_take_zero(pass, (size_t)count * (size_t)chain->norm_count * sizeof *states);
    char *rows = pass_take_zero(pass, (size_t)count * rows_size);
    if (!states || !rows) {
        return NULL;
    }
    for (int i = 0; i < count * chain->norm_count; i++) {
        struct norm_state *s = &states[i];
        const size_t padded = (size_t)chain->norms[i % chain->norm_count].padded;
        void **const reals[NORM_REALS] = {&s->scale, &s->shift, &s->mean,
                                          &s->rstd,  &s->m1,    &s->m2};
        for (int r = 0; r < NORM_REALS; r++, rows += padded * pass->k->real_size) {
            *reals[r] = rows;
        }
        double **const doubles[NORM_DOUBLES] = {&s->batch_mean, &s->batch_var};
        for (int r = 0; r < NORM_DOUBLES; r++, rows += padded * sizeof(double)) {
            *doubles[r] = (double *)(void *)rows;
        }
    }
    return states;
}

bool frame_norms(struct pass *pass, const struct chain *chain, struct frame *frame) {
    bool ok = (frame->norms = norms_create(pass, chain, 1)) != NULL;
    for (int i = 0; ok && i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        struct body_state *state = op->body ? &frame->bodies[op->index] : NULL;
        if (op->kind == OP_ODE) {
            const int count = state->visit_count;
            struct norm_state *norms = norms_create(pass, op->body, count);
            state->visits = pass_take_zero(pass, (size_t)count * sizeof *state->visits);
            ok = norms && state->visits;
            for (int v = 0; ok && v < count; v++) {
                state->visits[v].norms = norms + (ptrdiff_t)v * op->body->norm_count;
            }
        } else if (op->kind == OP_RESIDUAL) {
            ok = frame_norms(pass, op->body, state->frames[0]);
        }
    }
    return ok;
}
