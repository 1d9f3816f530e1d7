/* cn.order: with which order does the hidden state of a net converge, and how does the error of a
 * field fall with the step where the truth is known? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "learn/dataset.h"
#include "lua/bind.h"
#include "lua/convergence_table.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "lua/study_grid.h"
#include "nets/net.h"
#include "study/order_study.h"

static const char order_name[] = "continuo.order";

struct order_options {
    cJSON *schemes, *steps;
    ptrdiff_t samples, block, reference_steps, seed;
    bool as_given;
    int edge;
};

#define FIELD(field) .offset = offsetof(struct order_options, field)

static const struct option options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     FIELD(schemes),
     .fallback = "",
     .help = "list of schemes; absent: euler, midpoint and rk4"},
    {.name = "steps",
     .kind = OPTION_JSON,
     FIELD(steps),
     .fallback = "",
     .help = "list of numbers of steps; absent: 2, 4, ... 64 times the nodes"},
    {.name = "samples",
     .kind = OPTION_INTEGER,
     FIELD(samples),
     .fallback = "2",
     .least = 1,
     .most = 4096,
     .help = "how many samples the states are of"},
    {.name = "block",
     .kind = OPTION_INTEGER,
     FIELD(block),
     .fallback = "0",
     .least = 1,
     .most = 8,
     .help = "behind which ODE block, counted from 1, the state is taken; absent: the last"},
    {.name = "edge",
     .kind = OPTION_CHOICE,
     FIELD(edge),
     .fallback = "own",
     .choices = how_edges,
     .help = "which cell a stage at the end of a step reads; own: as configured"},
    {.name = "as_given",
     .kind = OPTION_BOOLEAN,
     FIELD(as_given),
     .fallback = "false",
     .help = "keep steps that do not align with the nodes, instead of raising them"},
    {.name = "reference_steps",
     .kind = OPTION_INTEGER,
     FIELD(reference_steps),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "at least; absent: eight times the most of steps"},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     FIELD(seed),
     .fallback = "1",
     .least = 0,
     .most = 9007199254740992.0,
     .help = "of the normal samples taken when no data are given"},
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

static void study_release(void *study) {
    order_study_free(study);
}

/* Samples as doubles, boxed and pushed: of the part, or normal ones. */
static const double *push_samples(lua_State *L, const char *call, const struct net *net,
                                  const struct part *part, const struct order_options *options) {
    const ptrdiff_t len = net->input[0] * net->input[1] * net->input[2];
    double *x = bind_memory(L, options->samples * len, sizeof *x);
    if (!part) {
        for (ptrdiff_t i = 0; i < options->samples * len; i++) {
            x[i] = rng_normal((uint64_t)options->seed, rng_stream("order.samples"), (uint64_t)i);
        }
        return x;
    }
    const ptrdiff_t *shape = part->set->shape;
    if (memcmp(shape, net->input, 3 * sizeof *shape) != 0) {
        bind_refuse(L, "%s: the net reads %td x %td x %td, but samples of %s are %td x %td x %td",
                    call, net->input[0], net->input[1], net->input[2], part->set->name, shape[0],
                    shape[1], shape[2]);
    }
    if (options->samples > part->count) {
        bind_refuse(L, "%s: %td samples are asked for, but the %s part has %td", call,
                    options->samples, part->name, part->count);
    }
    float *values = bind_memory(L, options->samples * len, sizeof *values);
    dataset_batch(part, NULL, 0, options->samples, NULL, 0, 0, values);
    for (ptrdiff_t i = 0; i < options->samples * len; i++) {
        x[i] = (double)values[i];
    }
    return x;
}

static void read_grid(lua_State *L, const char *call, const struct net *net,
                      const struct order_options *options, struct study_grid *grid) {
    static const char *const usual[] = {"euler", "midpoint", "rk4"};
    if (options->schemes) {
        study_grid_read_schemes(L, call, options->schemes, grid);
    }
    for (int i = 0; i < 3 && !options->schemes; i++) {
        study_grid_add_scheme(grid, tableau_find(usual[i], NULL));
    }
    if (options->steps) {
        study_grid_read_steps(L, call, options->steps, grid);
    }
    for (int times = 2; times <= 64 && !options->steps; times *= 2) {
        study_grid_add_steps(grid, times * net_ode_nodes(net, 0));
    }
}

/* ---- results ------------------------------------------------------------------------------- */

static void push_numbers(lua_State *L, const char *name, const double *numbers, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, name);
}

static void push_curve(lua_State *L, const struct order_curve *curve) {
    char text[320];
    lua_createtable(L, 0, 10);
    if (curve->fit.status == ORDER_FITTED) {
        lua_pushnumber(L, curve->fit.slope);
        lua_setfield(L, -2, "order");
        lua_pushnumber(L, curve->fit.interval);
        lua_setfield(L, -2, "interval");
    }
    lua_pushinteger(L, curve->expected.order);
    lua_setfield(L, -2, "expected");
    lua_pushstring(L, curve->expected.reason);
    lua_setfield(L, -2, "reason");
    lua_pushboolean(L, order_confirmed(&curve->fit, &curve->expected, curve->scheme));
    lua_setfield(L, -2, "confirmed");
    lua_pushboolean(L, curve->aligned);
    lua_setfield(L, -2, "aligned");
    order_sentence(&curve->fit, curve->h, curve->count, text, sizeof text);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "text");
    push_numbers(L, "h", curve->h, curve->count);
    push_numbers(L, "error", curve->error, curve->count);
    push_numbers(L, "slopes", curve->fit.local, curve->count - 1);
    lua_createtable(L, curve->count, 0);
    for (int i = 0; i < curve->count; i++) {
        lua_pushinteger(L, curve->steps[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "steps");
}

static void add_curve_text(luaL_Buffer *buffer, const struct order_curve *curve) {
    char line[480], text[320];
    (void)snprintf(line, sizeof line, "\n%-12s", curve->scheme->name);
    luaL_addstring(buffer, line);
    for (int i = 0; i < curve->count; i++) {
        (void)snprintf(line, sizeof line, " %9.2e", curve->error[i]);
        luaL_addstring(buffer, line);
    }
    order_sentence(&curve->fit, curve->h, curve->count, text, sizeof text);
    (void)snprintf(line, sizeof line, "\n    %s; expected %d%s%s%s", text, curve->expected.order,
                   curve->expected.reason[0] ? " (" : "", curve->expected.reason,
                   curve->expected.reason[0] ? ")" : "");
    luaL_addstring(buffer, line);
}

static void push_text(lua_State *L, const struct order_study *study) {
    char line[320];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "relative error of the state behind block %d, %td sample%s, f64, against %s in "
                   "%d steps (floor %.0e)\n%-12s",
                   study->block + 1, study->samples, study->samples == 1 ? "" : "s",
                   study->reference->name, study->reference_steps, study->floor, "steps");
    luaL_addstring(&buffer, line);
    for (int i = 0; study->curve_count > 0 && i < study->curves[0].count; i++) {
        (void)snprintf(line, sizeof line, " %9d", study->curves[0].steps[i]);
        luaL_addstring(&buffer, line);
    }
    for (int i = 0; i < study->curve_count; i++) {
        add_curve_text(&buffer, &study->curves[i]);
    }
    if (study->raised > 0) {
        (void)snprintf(line, sizeof line,
                       "\n%d numbers of steps were raised to align with the nodes of the weights",
                       study->raised);
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
}

static int order_tostring(lua_State *L) {
    if (!luaL_getmetafield(L, 1, "text")) {
        lua_pushliteral(L, "order");
    }
    return 1;
}

/* Pushes t[scheme]; what is said of the whole study is behind __index. */
static void push_study(lua_State *L, const struct order_study *study) {
    lua_newtable(L);
    for (int i = 0; i < study->curve_count; i++) {
        push_curve(L, &study->curves[i]);
        lua_setfield(L, -2, study->curves[i].scheme->name);
    }
    lua_newtable(L); /* t, meta */
    lua_pushstring(L, order_name);
    lua_setfield(L, -2, "__name");
    push_text(L, study);
    lua_setfield(L, -2, "text");
    lua_pushcfunction(L, order_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_createtable(L, 0, 5); /* t, meta, index */
    lua_pushinteger(L, study->block + 1);
    lua_setfield(L, -2, "block");
    lua_pushinteger(L, study->samples);
    lua_setfield(L, -2, "samples");
    lua_pushnumber(L, study->floor);
    lua_setfield(L, -2, "floor");
    lua_pushstring(L, study->reference->name);
    lua_setfield(L, -2, "reference");
    lua_pushinteger(L, study->reference_steps);
    lua_setfield(L, -2, "reference_steps");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static int order_call(lua_State *L) {
    static const char call[] = "cn.order";
    static const char *const objects[] = {"net", "data", NULL};
    const struct manifestation asked = {.scheme = tableau_at(0), .edge = -1};
    struct order_options options;
    struct study_grid grid = {0};
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    if (convergence_wanted(L, false)) {
        convergence_table_push(L, convergence_report(L, call, false));
        return bind_done(L, 1);
    }
    bind_object(L, 1, call, "net", "continuo.net",
                "a net, such as cn.net.continuous{ ... } makes"); /* 2 */
    how_fits(L, call, net_check(L, 2)->net, &asked);
    lua_getfield(L, 1, "data"); /* 3 */
    const struct part *part =
        lua_isnil(L, 3) ? NULL : part_check(L, 3, "cn.order: \"data\"", "test");
    bind_options(L, options_table, OPTIONS, call, bind_json(L, 1, call, objects), objects,
                 &options);
    read_grid(L, call, net_check(L, 2)->net, &options, &grid);
    struct pool *pool = bind_pool(L);
    const struct net *net = net_use(L, 2, -1);
    const double *x = push_samples(L, call, net, part, &options);
    const struct order_study_options plan = {.schemes = grid.schemes,
                                             .scheme_count = grid.scheme_count,
                                             .steps = grid.steps,
                                             .step_count = grid.step_count,
                                             .block = (int)options.block - 1,
                                             .edge = options.edge - 1,
                                             .as_given = options.as_given,
                                             .reference_steps = (int)options.reference_steps,
                                             .pool = pool,
                                             .stop = interrupt_flag()};
    struct bind_box *box = bind_box(L, study_release);
    (void)interrupt_watch();
    struct order_study *study = box->pointer = order_study(net, x, options.samples, &plan, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!study) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    push_study(L, study);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int option_sets(struct help_options *sets) {
    sets[0] = (struct help_options){options_table, OPTIONS};
    sets[1] = (struct help_options){convergence_options_table + CONVERGENCE_SHARED,
                                    convergence_options_count - CONVERGENCE_SHARED - 1};
    return 2;
}

static const struct help_argument arguments[] = {
    {"net", "a net with ODE blocks (required where there is no truth)"},
    {"data", "a part or a data set (its test part) to take samples of; absent: normal ones"},
    {"system", "the truth: a system that is built in, its name, or a table { name = .. }"},
    {"f", "the truth: a function f(t, y, dy), integrated until more steps change nothing"},
    {"trajectory", "the truth: samples { t = {..}, y = { {..}, .. } } of one solution"},
    {"learned", "the field that is tested: a function f(t, y, dy); absent: the net's, or else "
                "the true one itself"},
    {"y0", "where there is a truth: the state to begin at, or a list of states; absent: the "
           "system's"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.order",
     .group = "study",
     .signature = "cn.order{ net=, data=, schemes={..}, steps={..}, block= } or "
                  "cn.order{ system=, net=, dt=, t1=, y0=, schemes={..} } -> t",
     .line = "with which order states converge as steps shrink",
     .text = "Of a net and samples: t[scheme] has order (the observed slope; nil when there is "
             "none), interval (95 %), expected and reason, confirmed, text, and the lists steps, "
             "h, error (relative, of the state behind the block) and slopes; printed, t is a table. Computed in f64 "
             "against a much finer reference; errors near its floor are left out. Steps that do "
             "not align with the nodes of the weights are raised unless as_given. A field with "
             "kinks (relu) lets no scheme be better than order 2 or so; edge = \"closed\" with "
             "several nodes gives order 1.\n\n"
             "With system, f or trajectory, the convergence test of dynamics: the field is solved "
             "with steps h = dt 2^j, j = finest .. coarsest, and t[scheme] has the lists h, error "
             "(distance from the truth at t1, root mean square over the initial states), rms (over "
             "all times that the steps have in common), self (|y_h - y_h/2|), to which order is "
             "fitted (over h >= dt where that fits), interval, expected, confirmed (within 0.3), "
             "and gap, how far the limit is from rk4's. t.limit is the error of rk4 at the "
             "smallest step, t.truth the same table of the true field, t.plot the curves as a "
             "drawing in text, and t.curves their list for cn.plot.convergence. A field that has "
             "learned the error of its scheme is right at dt alone; cn.verdict decides.",
     .example = "t = cn.order{ net = cn.net.mlp{ input = {2}, outputs = 2, act = \"tanh\" } }\n"
                "print(t)\nassert(math.abs(t.euler.order - 1) < 0.2)\n"
                "t = cn.order{ system = \"pendulum\", dt = 0.01, t1 = 1.92 }\n"
                "print(t)\nassert(t.rk4.confirmed and t.euler.error[5] > 0.1)",
     .arguments = arguments,
     .options = option_sets},
};

void bind_order_open(lua_State *L) {
    help_register(entries, sizeof entries / sizeof *entries);
    lua_pushcfunction(L, order_call);
    lua_setfield(L, -2, "order");
}
