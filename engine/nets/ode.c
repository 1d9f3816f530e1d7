/* Any explicit Runge-Kutta scheme through dx/dt = factor body(x; theta(t)), t from 0 to 1 in
 * `steps` steps, and its discrete adjoint (NUMERICS.md eq. 7, 8 and eq. 15 to 17):
 *     Y_i = x + h sum_{j<i} a_ij k_j,  k_i = factor skip body(Y_i),  x <- x + h sum_i b_i k_i
 *     kbar_i = h (b_i xbar + sum_{j>i} a_ji Ybar_j),  xbar <- xbar + sum_i Ybar_i
 * A slope is not stored: combinations read the body's output through its transform. */
#include "nets/pass.h"

#include <assert.h>

static double skip_scalar(const struct pass *pass, const struct op *op, int cell) {
    if (op->skip < 0) {
        return 1.0;
    }
    double value;
    const struct net *net = pass->net;
    pass->k->to_doubles(&value, at(pass, net->values, net->parameters[op->skip].offset + cell), 1);
    return value;
}

static struct term slope_term(const struct pass *pass, const struct op *op,
                              const struct frame *frame, double coefficient) {
    const struct chain *body = op->body;
    return (struct term){.x = frame->buffer[body->out.buffer],
                         .transform = lazy_transform(body, frame, body->out),
                         .factor = coefficient * op->layer->factor *
                                   skip_scalar(pass, op, frame->cell)};
}

static int stage_cell(const struct op *op, const struct run *run, int step, int stage) {
    const struct support s = op->layer->basis->at(op->layer->nodes, step, run->steps,
                                                  run->scheme->c[stage], run->edge);
    assert(s.count == 1);
    return s.node[0];
}

void ode_forward(struct pass *pass, const struct op *op, struct body_state *state, void *x,
                 void *out) {
    const struct run run = pass_run(pass, op);
    const struct tableau *t = run.scheme;
    const struct buffer *shape = &op->body->buffers[0];
    const double h = 1.0 / run.steps;
    struct term terms[TABLEAU_STAGES_MAX + 1];
    const bool keep = pass->options.gradients || pass->options.training;
    for (int step = 0; step < run.steps; step++) {
        struct frame **frames = state->frames + (keep ? step * t->stages : 0);
        void *next = keep && step + 1 < run.steps ? state->states[step + 1] : out;
        if (keep) {
            state->states[step] = x;
        }
        terms[0] = (struct term){.x = x, .factor = 1.0};
        for (int i = 0; i < t->stages; i++) {
            int count = 1;
            for (int j = 0; j < i; j++) {
                if (t->a[i][j].p != 0) {
                    terms[count++] = slope_term(pass, op, frames[j], h * t->av[i][j]);
                }
            }
            frames[i]->cell = stage_cell(op, &run, step, i);
            if (count == 1) {
                frames[i]->buffer[0] = x;
            } else {
                frames[i]->buffer[0] = state->states[run.steps + 1 + (keep ? step * t->stages : 0) + i];
                pass_combine(pass, shape, frames[i]->buffer[0], count, terms);
            }
            chain_forward(pass, op->body, frames[i]);
        }
        int count = 1;
        for (int i = 0; i < t->stages; i++) {
            if (t->b[i].p != 0) {
                terms[count++] = slope_term(pass, op, frames[i], h * t->bv[i]);
            }
        }
        pass_combine(pass, shape, next, count, terms);
        x = next;
    }
    if (pass->options.training) {
        for (int n = 0; n < op->body->norm_count; n++) {
            norm_move(pass, &op->body->norms[n], n, state->frames, run.steps * t->stages);
        }
    }
}

struct dot {
    struct pass *pass;
    const struct op *op;
    const struct frame *frame;
    const void *g;
};

static void dot_chunk(void *context, int chunk, int worker) {
    (void)worker;
    const struct dot *d = context;
    struct pass *pass = d->pass;
    const struct buffer *shape = &d->op->body->buffers[0];
    const struct lazy out = d->op->body->out;
    const struct transform t = lazy_transform(d->op->body, d->frame, out);
    double sum = 0.0;
    ptrdiff_t first, last;
    chunk_range(pass, chunk, &first, &last);
    for (ptrdiff_t i = first; i < last; i++) {
        sum += pass->k->dot(at_const(pass, d->g, i * shape->len),
                            at(pass, d->frame->buffer[out.buffer], i * shape->len), shape->extent,
                            &t);
    }
    pass->partial[chunk * pass->partial_stride] = sum;
}

/* d loss / d skip = <kbar / skip, body(Y)>; kbar without skip comes in, with skip goes out.
 * NUMERICS.md eq. 18. */
static void skip_backward(struct pass *pass, const struct op *op, const struct frame *frame,
                          void *kbar) {
    struct dot d = {pass, op, frame, kbar};
    pass_parallel(pass, 1e9, dot_chunk, &d);
    const struct net *net = pass->net;
    void *target = at(pass, net->grads, net->parameters[op->skip].offset + frame->cell);
    double sum;
    pass->k->to_doubles(&sum, target, 1);
    for (int c = 0; c < pass_chunks(pass); c++) {
        sum += pass->partial[c * pass->partial_stride];
    }
    pass->k->from_doubles(target, &sum, 1);
    const struct term scaled = {.x = kbar, .factor = skip_scalar(pass, op, frame->cell)};
    pass_combine(pass, &op->body->buffers[0], kbar, 1, &scaled);
}

void ode_backward(struct pass *pass, const struct op *op, struct body_state *state,
                  struct body_work *work, const void *g, void *dx) {
    const struct run run = pass_run(pass, op);
    const struct tableau *t = run.scheme;
    const struct buffer *shape = &op->body->buffers[0];
    const double h = 1.0 / run.steps, factor = op->layer->factor;
    struct term terms[TABLEAU_STAGES_MAX + 1];
    const void *xbar = g;
    for (int step = run.steps - 1; step >= 0; step--) {
        bool reached[TABLEAU_STAGES_MAX] = {false};
        for (int i = t->stages - 1; i >= 0; i--) {
            struct frame *frame = state->frames[step * t->stages + i];
            int count = 0;
            if (t->b[i].p != 0) {
                terms[count++] = (struct term){.x = xbar, .factor = h * factor * t->bv[i]};
            }
            for (int j = i + 1; j < t->stages; j++) {
                if (t->a[j][i].p != 0 && reached[j]) {
                    terms[count++] =
                        (struct term){.x = work->ybar[j], .factor = h * factor * t->av[j][i]};
                }
            }
            reached[i] = count > 0;
            if (!reached[i]) {
                continue;
            }
            pass_combine(pass, shape, work->kbar, count, terms);
            if (op->skip >= 0) {
                skip_backward(pass, op, frame, work->kbar);
            }
            work->work->grad[0] = work->ybar[i];
            chain_backward(pass, op->body, frame, work->work, work->kbar);
        }
        int count = 0;
        terms[count++] = (struct term){.x = xbar, .factor = 1.0};
        for (int i = 0; i < t->stages; i++) {
            if (reached[i]) {
                terms[count++] = (struct term){.x = work->ybar[i], .factor = 1.0};
            }
        }
        void *next = step == 0 && dx ? dx : work->xbar;
        pass_combine(pass, shape, next, count, terms);
        xbar = next;
    }
}
