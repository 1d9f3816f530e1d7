#include "nets/layout.h"

#include <stdint.h>

#include "base/arena.h"
#include "nets/dense_field.h"

struct layout {
    const struct pass *pass;
    struct arena arena;
};

/* Where the parts of a body stand that are not kept, while it runs. */
struct bench {
    void *buffer[CHAIN_MAX];       /* the same for all stages of a step */
    void *out[TABLEAU_STAGES_MAX]; /* its output, of which a step needs all at once */
};

static size_t times(size_t a, size_t b) {
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static size_t plus(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t bytes_of(const struct layout *l, const struct buffer *buffer) {
    const size_t size =
        times(times((size_t)l->pass->options.batch, (size_t)buffer->len), l->pass->k->real_size);
    return size > SIZE_MAX - ARENA_ALIGNMENT
               ? SIZE_MAX
               : (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static void *take(struct layout *l, const struct buffer *buffer) {
    return arena_take(&l->arena, bytes_of(l, buffer));
}

static void give(struct layout *l, void *place, const struct buffer *buffer) {
    arena_give(&l->arena, place, bytes_of(l, buffer));
}

/* Whether buffer `b` of a stage outlives the forward pass. */
static bool keeps(const struct layout *l, const struct op *op, const struct reach *reach,
                  int stage, int b) {
    const bool out = b == op->body->out.buffer;
    if (!l->pass->options.gradients || !reach->stage[stage]) {
        return false;
    }
    switch (l->pass->memory) {
    case MEMORY_FULL:
        return b == 0 || !out || reach->slope[stage];
    case MEMORY_STAGES:
        return out && (reach->slope[stage] || reach->input[stage]);
    default:
        return false;
    }
}

/* The state itself, where it is the stage's input, stands elsewhere. */
static bool has_seat(const struct tableau *scheme, int stage, int b) {
    return b > 0 || ode_moves(scheme, stage);
}

static void bench_take(struct layout *l, const struct op *op, const struct tableau *scheme,
                       bool back, struct bench *bench) {
    const struct chain *body = op->body;
    const struct reach reach = ode_reach(op, scheme);
    for (int i = 0; i < scheme->stages; i++) {
        const bool read = reach.slope[i] || reach.input[i];
        for (int b = 0; b < body->buffer_count && (reach.stage[i] || !back); b++) {
            if (!has_seat(scheme, i, b) || keeps(l, op, &reach, i, b)) {
                continue;
            }
            if (b != body->out.buffer) {
                bench->buffer[b] =
                    bench->buffer[b] ? bench->buffer[b] : take(l, &body->buffers[b]);
            } else if (!back || (read && l->pass->memory == MEMORY_STEPS)) {
                bench->out[i] = take(l, &body->buffers[b]);
            }
        }
    }
}

static void bench_give(struct layout *l, const struct chain *body, struct bench *bench) {
    for (int b = 0; b < body->buffer_count; b++) {
        give(l, bench->buffer[b], &body->buffers[b]);
    }
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        give(l, bench->out[i], &body->buffers[body->out.buffer]);
    }
}

/* spare: for an output that is passed along and not read. */
static void seat_stages(const struct layout *l, const struct op *op, const struct tableau *scheme,
                        const struct body_state *state, const struct bench *bench, void *spare,
                        struct seat *seats) {
    const struct chain *body = op->body;
    const struct reach reach = ode_reach(op, scheme);
    uintptr_t kept = (uintptr_t)state->kept.at;
    for (int i = 0; i < scheme->stages; i++) {
        for (int b = 0; b < body->buffer_count; b++) {
            struct seat *seat = &seats[i * body->buffer_count + b];
            void *shared = b == body->out.buffer ? bench->out[i] : bench->buffer[b];
            if (!has_seat(scheme, i, b)) {
                *seat = (struct seat){0};
            } else if (keeps(l, op, &reach, i, b)) {
                *seat = (struct seat){(void *)kept, state->kept.stride};
                kept += bytes_of(l, &body->buffers[b]);
            } else {
                *seat = (struct seat){shared ? shared : spare, 0};
            }
        }
    }
}

static size_t kept_in_step(const struct layout *l, const struct op *op,
                           const struct tableau *scheme) {
    const struct reach reach = ode_reach(op, scheme);
    size_t bytes = 0;
    for (int i = 0; i < scheme->stages; i++) {
        for (int b = 0; b < op->body->buffer_count; b++) {
            if (has_seat(scheme, i, b) && keeps(l, op, &reach, i, b)) {
                bytes = plus(bytes, bytes_of(l, &op->body->buffers[b]));
            }
        }
    }
    return bytes;
}

static void dense_fore(struct layout *l, struct body_state *state) {
    const size_t kept = dense_field_kept(l->pass, state->dense);
    const size_t room = dense_field_room(l->pass, state->dense, false);
    state->kept = (struct seat){.at = kept ? arena_take(&l->arena, kept) : NULL, .stride = kept};
    void *place = room ? arena_take(&l->arena, room) : NULL;
    dense_field_seat(state->dense, false, state->kept.at, place);
    arena_give(&l->arena, place, room);
}

static void dense_back(struct layout *l, const struct op *op, struct body_state *state,
                       void **dx) {
    const size_t room = dense_field_room(l->pass, state->dense, true);
    void *place = arena_take(&l->arena, room);
    if (dx) {
        *dx = take(l, ode_state(op));
    }
    dense_field_seat(state->dense, true, state->kept.at, place);
    arena_give(&l->arena, place, room);
    arena_give(&l->arena, state->kept.at, state->kept.stride);
}

/* Without gradients the states are one after another in the output's place. */
static void ode_fore(struct layout *l, const struct op *op, struct body_state *state, void *out) {
    const struct run run = pass_run(l->pass, op);
    const size_t state_size = bytes_of(l, &op->body->buffers[0]);
    state->state = (struct seat){.at = out};
    state->kept = (struct seat){.stride = kept_in_step(l, op, run.scheme)};
    if (l->pass->options.gradients) {
        state->state.stride = state_size;
        state->state.at = arena_take(&l->arena, times((size_t)run.steps - 1, state_size));
        state->kept.at = arena_take(&l->arena, times((size_t)run.steps, state->kept.stride));
    }
    struct bench bench = {0};
    bench_take(l, op, run.scheme, false, &bench);
    seat_stages(l, op, run.scheme, state, &bench, NULL, state->fore);
    bench_give(l, op->body, &bench);
}

/* Inside a body that runs many times, two places serve all gradients by turns: that of the slope,
 * which comes first, and another. */
static void seat_gradients(struct layout *l, const struct chain *body, struct body_work *work,
                           size_t size[2], void *place[2]) {
    int turn[CHAIN_MAX], now = 0;
    size[0] = bytes_of(l, &body->buffers[body->out.buffer]);
    size[1] = 0;
    for (int i = body->op_count - 1; i >= 0; i--) {
        const struct op *op = &body->ops[i];
        if (op->kind == OP_MOMENTS || op->kind == OP_STORE) {
            continue; /* these pass a gradient on where it is */
        }
        const int in = op->in.buffer;
        const size_t bytes = in > 0 ? bytes_of(l, &body->buffers[in]) : 0;
        turn[in] = now = 1 - now;
        size[now] = bytes > size[now] ? bytes : size[now];
    }
    for (int p = 0; p < 2; p++) {
        place[p] = size[p] ? arena_take(&l->arena, size[p]) : NULL;
    }
    work->kbar = place[0];
    for (int i = 0; i < body->op_count; i++) {
        const struct op *op = &body->ops[i];
        if (op->kind != OP_MOMENTS && op->kind != OP_STORE && op->in.buffer > 0) {
            work->work->grad[op->in.buffer] = place[turn[op->in.buffer]];
        }
    }
}

static void ode_back(struct layout *l, const struct op *op, struct body_state *state,
                     struct body_work *work, void **dx) {
    const struct run run = pass_run(l->pass, op);
    const struct chain *body = op->body;
    const struct buffer *in = &body->buffers[0];
    const struct reach reach = ode_reach(op, run.scheme);
    struct bench bench = {0};
    size_t size[2];
    void *place[2];
    bench_take(l, op, run.scheme, true, &bench);
    seat_gradients(l, body, work, size, place);
    seat_stages(l, op, run.scheme, state, &bench, work->kbar, state->back);
    for (int i = reach.last; i >= 0; i--) {
        if (reach.stage[i]) { /* behind it, nobody reads this stage's output again */
            work->ybar[i] = take(l, in);
            give(l, bench.out[i], &body->buffers[body->out.buffer]);
            bench.out[i] = NULL;
        }
    }
    if (dx) { /* written while the last stage is undone */
        *dx = take(l, in);
    }
    for (int p = 0; p < 2; p++) {
        arena_give(&l->arena, place[p], size[p]);
    }
    bench_give(l, body, &bench);
    for (int i = 0; i <= reach.last; i++) {
        give(l, reach.stage[i] ? work->ybar[i] : NULL, in);
    }
    arena_give(&l->arena, state->kept.at, times((size_t)run.steps, state->kept.stride));
    arena_give(&l->arena, state->state.at,
               times((size_t)run.steps - 1, state->state.stride));
}

/* Whether a buffer is the state behind an ODE block, which pass_state asks for afterwards. */
static bool is_state(const struct chain *chain, int buffer) {
    bool is = false;
    for (int i = 0; i < chain->op_count; i++) {
        is = is || (chain->ops[i].out == buffer && chain->ops[i].kind == OP_ODE);
    }
    return is;
}

/* Whether anybody reads what an operation reads after it. */
static bool is_read_later(const struct chain *chain, int index) {
    const int buffer = chain->ops[index].in.buffer;
    bool read = buffer == chain->out.buffer || is_state(chain, buffer);
    for (int i = index + 1; i < chain->op_count; i++) {
        read = read || chain->ops[i].in.buffer == buffer;
    }
    return read;
}

/* first: the first buffer that is the chain's own. */
static void chain_fore(struct layout *l, const struct chain *chain, struct frame *frame,
                       int first) {
    for (int i = 0; i < chain->op_count; i++) {
        const struct op *op = &chain->ops[i];
        const int in = op->in.buffer;
        const bool gone =
            !l->pass->options.gradients && in >= first && !is_read_later(chain, i);
        if (op->out >= 0) {
            frame->buffer[op->out] = take(l, &chain->buffers[op->out]);
        }
        if (op->kind == OP_ODE && frame->bodies[op->index].dense) {
            dense_fore(l, &frame->bodies[op->index]);
        } else if (op->kind == OP_ODE) {
            ode_fore(l, op, &frame->bodies[op->index], frame->buffer[op->out]);
        } else if (op->kind == OP_RESIDUAL) {
            struct frame *body = frame->bodies[op->index].frames[0];
            const int out = op->body->out.buffer;
            body->buffer[0] = frame->buffer[in];
            chain_fore(l, op->body, body, 1);
            if (!l->pass->options.gradients && out > 0 && !is_state(op->body, out)) {
                give(l, body->buffer[out], &op->body->buffers[out]);
            }
        }
        if (gone) {
            give(l, frame->buffer[in], &chain->buffers[in]);
        }
    }
}

static void chain_back(struct layout *l, const struct chain *chain, struct frame *frame,
                       struct work *work, bool want_input);

static void residual_back(struct layout *l, const struct op *op, struct frame *body,
                          struct body_work *work, struct work *around, bool want) {
    const struct buffer *in = &op->body->buffers[0];
    const struct buffer *out = &op->body->buffers[op->body->out.buffer];
    work->kbar = take(l, out);
    work->xbar = work->work->grad[0] = take(l, in);
    chain_back(l, op->body, body, work->work, false);
    give(l, work->kbar, out);
    if (want) {
        around->grad[op->in.buffer] = take(l, in);
    }
    work->path = around->grad[op->in.buffer]; /* the two paths are added up in place */
    give(l, work->xbar, in);
}

/* The gradient by the chain's output is somebody else's, and that by its input unless
 * want_input. */
static void chain_back(struct layout *l, const struct chain *chain, struct frame *frame,
                       struct work *work, bool want_input) {
    void *g = NULL;
    const struct buffer *g_shape = NULL;
    for (int i = chain->op_count - 1; i >= 0; i--) {
        const struct op *op = &chain->ops[i];
        const int in = op->in.buffer;
        const bool want = in > 0 || want_input;
        if (op->kind == OP_MOMENTS) {
            continue;
        }
        if (want && !op->body && op->kind != OP_STORE) {
            work->grad[in] = take(l, &chain->buffers[in]);
        }
        if (op->kind != OP_RESIDUAL) { /* an ODE's is read only before its steps are undone */
            give(l, frame->buffer[op->out], &chain->buffers[op->out]);
        }
        if (op->kind == OP_STORE) {
            continue;
        }
        if (op->kind == OP_ODE && frame->bodies[op->index].dense) {
            dense_back(l, op, &frame->bodies[op->index], want ? &work->grad[in] : NULL);
        } else if (op->kind == OP_ODE) {
            ode_back(l, op, &frame->bodies[op->index], &work->bodies[op->index],
                     want ? &work->grad[in] : NULL);
        } else if (op->kind == OP_RESIDUAL) {
            residual_back(l, op, frame->bodies[op->index].frames[0], &work->bodies[op->index],
                          work, want);
            give(l, frame->buffer[op->out], &chain->buffers[op->out]);
        }
        if (g) {
            give(l, g, g_shape);
        }
        g = want ? work->grad[in] : NULL;
        g_shape = &chain->buffers[in];
    }
    if (want_input && !work->grad[0]) { /* an input that is stored first */
        work->grad[0] = take(l, &chain->buffers[0]);
    }
    if (g) {
        give(l, g, g_shape);
    }
}

static bool wants_input_gradient(const struct chain *chain) {
    for (int n = 0; n < chain->norm_count; n++) {
        if (chain->norms[n].of.buffer == 0) { /* its sums want it */
            return true;
        }
    }
    return false;
}

size_t layout_place(struct pass *pass, void *start) {
    struct layout l = {.pass = pass, .arena = {.start = start}};
    const struct chain *chain = pass->net->plan->chain;
    pass->frame->buffer[0] = take(&l, &chain->buffers[0]);
    chain_fore(&l, chain, pass->frame, 0);
    if (pass->options.gradients) {
        pass->work->grad[0] = NULL;
        pass->doutputs = take(&l, &chain->buffers[chain->out.buffer]);
        chain_back(&l, chain, pass->frame, pass->work, wants_input_gradient(chain));
    }
    const size_t most = l.arena.most;
    arena_release(&l.arena);
    return most;
}
