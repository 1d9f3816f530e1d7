/* Any explicit Runge-Kutta scheme through dx/dt = factor body(x; theta(t)), t from 0 to 1 in
 * `steps` steps, and its discrete adjoint (NUMERICS.md eq. 7, 8 and eq. 15 to 17):
 *     Y_i = x + h sum_{j<i} a_ij k_j,  k_i = factor skip body(Y_i),  x <- x + h sum_i b_i k_i
 *     kbar_i = h (b_i xbar + sum_{j>i} a_ji Ybar_j),  xbar <- xbar + sum_i Ybar_i
 * A slope is not stored: combinations read the body's output through its transform. */
#include "nets/dense_field.h"

#include <assert.h>

double ode_skip(const struct pass *pass, const struct op *op, int cell) {
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
                                   ode_skip(pass, op, frame->cell)};
}

int ode_cell(const struct op *op, const struct run *run, int step, int stage) {
    const struct support s = op->layer->basis->at(op->layer->nodes, step, run->steps,
                                                  run->scheme->c[stage], run->edge);
    assert(s.count == 1);
    return s.node[0];
}

bool ode_moves(const struct tableau *scheme, int stage) {
    bool moves = false;
    for (int j = 0; j < stage; j++) {
        moves |= scheme->av[stage][j] != 0;
    }
    return moves;
}

struct reach ode_reach(const struct op *op, const struct tableau *scheme) {
    const struct chain *body = op->body; /* monomials are differentiated from their values */
    const bool read = !lazy_is_plain(body->out) || op->skip >= 0 ||
                      (body->op_count > 0 && body->ops[body->op_count - 1].kind == OP_MONOMIALS);
    struct reach reach = {.first = -1, .last = -1};
    for (int i = scheme->stages - 1; i >= 0; i--) {
        for (int j = i + 1; j < scheme->stages; j++) {
            reach.input[i] |= reach.stage[j] && scheme->av[j][i] != 0;
        }
        reach.stage[i] = scheme->bv[i] != 0 || reach.input[i];
        reach.slope[i] = reach.stage[i] && read;
        reach.last = reach.stage[i] && reach.last < 0 ? i : reach.last;
        reach.first = reach.stage[i] ? i : reach.first;
    }
    return reach;
}

/* One step of an ODE operation, forward or back. */
struct step {
    struct pass *pass;
    const struct op *op;
    const struct body_state *state;
    const struct tableau *scheme;
    int index;
    double h;
    void *x; /* the state it starts from */
};

/* Seats the frames of all stages. */
static void step_begin(const struct step *s, const struct seat *seats) {
    const int buffers = s->op->body->buffer_count, stages = s->scheme->stages;
    for (int i = 0; i < stages; i++) {
        struct frame *frame = s->state->frames[i];
        for (int b = 0; b < buffers; b++) {
            const struct seat *seat = &seats[i * buffers + b];
            frame->buffer[b] =
                seat->at ? (char *)seat->at + (size_t)s->index * seat->stride : s->x;
        }
        const bool each = s->state->visit_count > stages;
        const struct visit *visit = &s->state->visits[(each ? s->index * stages : 0) + i];
        frame->norms = visit->norms;
        frame->cell = visit->cell;
    }
}

/* Y_i; one term: it is the state. */
static struct combination stage_input(const struct step *s, int stage) {
    struct combination sum = {.shape = &s->op->body->buffers[0],
                              .y = s->state->frames[stage]->buffer[0],
                              .count = 1,
                              .terms = {{.x = s->x, .factor = 1.0}}};
    for (int j = 0; j < stage; j++) {
        if (s->scheme->av[stage][j] != 0) {
            sum.terms[sum.count++] = slope_term(s->pass, s->op, s->state->frames[j],
                                                s->h * s->scheme->av[stage][j]);
        }
    }
    return sum;
}

/* The state behind the step. */
static struct combination step_end(const struct step *s, void *next) {
    struct combination sum = {.shape = &s->op->body->buffers[0],
                              .y = next,
                              .count = 1,
                              .terms = {{.x = s->x, .factor = 1.0}}};
    for (int i = 0; i < s->scheme->stages; i++) {
        if (s->scheme->bv[i] != 0) {
            sum.terms[sum.count++] =
                slope_term(s->pass, s->op, s->state->frames[i], s->h * s->scheme->bv[i]);
        }
    }
    return sum;
}

/* The state at the start of a step, for x at 0 and out at 1. */
static void *state_at(const struct body_state *state, const struct run *run, int step, void *x,
                      void *out) {
    const struct seat *seat = &state->state;
    return step == 0            ? x
           : step == run->steps ? out
                                : (char *)seat->at + (size_t)(step - 1) * seat->stride;
}

void ode_forward(struct pass *pass, const struct op *op, struct body_state *state, void *x,
                 void *out) {
    if (state->dense) {
        dense_field_forward(pass, state->dense, x, out);
        return;
    }
    const struct run run = pass_run(pass, op);
    const int stages = run.scheme->stages;
    struct step step = {.pass = pass,
                        .op = op,
                        .state = state,
                        .scheme = run.scheme,
                        .h = 1.0 / run.steps};
    state->x = x;
    struct combination end = {0}; /* of the step before, left to the first stage behind it */
    for (; step.index < run.steps; step.index++) {
        const int visits = state->visit_count > stages ? step.index * stages : 0;
        step.x = state_at(state, &run, step.index, x, out);
        for (int i = 0; i < stages; i++) {
            state->visits[visits + i].cell = ode_cell(op, &run, step.index, i);
        }
        step_begin(&step, state->fore);
        for (int i = 0; i < stages; i++) {
            const struct combination input = i > 0 ? stage_input(&step, i) : end;
            chain_forward(pass, op->body, state->frames[i], input.count > 1 ? &input : NULL);
        }
        end = step_end(&step, state_at(state, &run, step.index + 1, x, out));
    }
    pass_combine(pass, &end);
    if (pass->options.training) {
        for (int n = 0; n < op->body->norm_count; n++) {
            norm_move(pass, &op->body->norms[n], n, state->visits, state->visit_count);
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
    const struct combination scaled = {
        .shape = &op->body->buffers[0],
        .y = kbar,
        .count = 1,
        .terms = {{.x = kbar, .factor = ode_skip(pass, op, frame->cell)}}};
    pass_combine(pass, &scaled);
}

static void run_again(const struct step *s, int stage, enum again again) {
    const struct combination input = stage_input(s, stage);
    s->pass->again = again;
    chain_forward(s->pass, s->op->body, s->state->frames[stage], input.count > 1 ? &input : NULL);
    s->pass->again = AGAIN_NOT;
}

/* kbar_i of eq. 15; Ybar_j of later stages stands in work->ybar. */
static struct combination slope_gradient(const struct step *s, const struct reach *reach,
                                         int stage, const void *xbar,
                                         const struct body_work *work) {
    const double factor = s->h * s->op->layer->factor;
    struct combination sum = {.shape = &s->op->body->buffers[0], .y = work->kbar};
    if (s->scheme->bv[stage] != 0) {
        sum.terms[sum.count++] =
            (struct term){.x = xbar, .factor = factor * s->scheme->bv[stage]};
    }
    for (int j = stage + 1; j < s->scheme->stages; j++) {
        if (s->scheme->av[j][stage] != 0 && reach->stage[j]) {
            sum.terms[sum.count++] =
                (struct term){.x = work->ybar[j], .factor = factor * s->scheme->av[j][stage]};
        }
    }
    return sum;
}

/* xbar of eq. 17, from that of the step behind. */
static struct combination state_gradient(const struct step *s, const struct reach *reach,
                                         const void *xbar, void *next,
                                         const struct body_work *work) {
    struct combination sum = {.shape = &s->op->body->buffers[0],
                              .y = next,
                              .count = 1,
                              .terms = {{.x = xbar, .factor = 1.0}}};
    for (int i = 0; i < s->scheme->stages; i++) {
        if (reach->stage[i]) {
            sum.terms[sum.count++] = (struct term){.x = work->ybar[i], .factor = 1.0};
        }
    }
    return sum;
}

/* What is not kept is computed again: with MEMORY_STEPS first the whole step, whose last stage then
 * stands complete, and always the inner buffers of a stage. The outputs are there by then. */
static void step_backward(const struct step *s, const struct reach *reach, struct body_work *work,
                          const void *xbar, void *next) {
    struct pass *pass = s->pass;
    const struct op *op = s->op;
    const struct combination sum = state_gradient(s, reach, xbar, next, work);
    step_begin(s, s->state->back);
    int complete = -1;
    for (int i = 0; pass->memory == MEMORY_STEPS && i <= reach->last; i++) {
        if (reach->stage[i]) {
            run_again(s, i, reach->slope[i] || reach->input[i] ? AGAIN_ALL : AGAIN_INNER);
            complete = i;
        }
    }
    for (int i = reach->last; i >= 0; i--) {
        if (!reach->stage[i]) {
            continue;
        }
        if (pass->memory != MEMORY_FULL && i != complete) {
            run_again(s, i, AGAIN_INNER);
        }
        struct frame *frame = s->state->frames[i];
        const struct combination slope = slope_gradient(s, reach, i, xbar, work);
        if (op->skip >= 0) {
            pass_combine(pass, &slope);
            skip_backward(pass, op, frame, work->kbar);
        }
        work->work->grad[0] = work->ybar[i];
        chain_backward(pass, op->body, frame, work->work, work->kbar,
                       op->skip >= 0 ? NULL : &slope, next && i == reach->first ? &sum : NULL);
    }
}

void ode_backward(struct pass *pass, const struct op *op, struct body_state *state,
                  struct body_work *work, void *g, void *dx) {
    if (state->dense) {
        dense_field_backward(pass, state->dense, g, dx);
        return;
    }
    const struct run run = pass_run(pass, op);
    struct step step = {.pass = pass,
                        .op = op,
                        .state = state,
                        .scheme = run.scheme,
                        .h = 1.0 / run.steps};
    const struct reach reach = ode_reach(op, run.scheme);
    for (step.index = run.steps - 1; step.index >= 0; step.index--) {
        step.x = state_at(state, &run, step.index, state->x, NULL);
        step_backward(&step, &reach, work, g, step.index > 0 ? g : dx);
    }
}
