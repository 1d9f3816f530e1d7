/* cn.sweep. A study of a net that is being trained works on a snapshot; a sweep is also written
 * into the run folder of the job that trained the net. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn/dataset.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/host.h"
#include "lua/interrupt.h"
#include "lua/study_grid.h"
#include "nets/net.h"
#include "run/job.h"
#include "study/sweep.h"

/* ---- sweep: options ------------------------------------------------------------------------ */

struct study_options {
    cJSON *schemes, *steps;
    ptrdiff_t samples;
    int edge, precision;
};


static const struct option sweep_options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     .offset = offsetof(struct study_options, schemes),
     .fallback = "",
     .help = "list of schemes; absent: euler, midpoint, rk4 and the trained one"},
    {.name = "steps",
     .kind = OPTION_JSON,
     .offset = offsetof(struct study_options, steps),
     .fallback = "",
     .help = "list of numbers of steps; absent: 1, 2, 4, 8, 16 and the trained one"},
    {.name = "samples",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct study_options, samples),
     .fallback = "0",
     .least = 1,
     .most = 1e15,
     .help = "the first so many samples of the part; absent: all"},
    {.name = "edge",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct study_options, edge),
     .fallback = "own",
     .choices = how_edges,
     .help = "which cell a stage at the end of a step reads; own: as trained"},
    {.name = "precision",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct study_options, precision),
     .fallback = "own",
     .choices = how_precisions,
     .help = "f32 or f64; own: the net's"},
};
enum { SWEEP_OPTIONS = sizeof sweep_options_table / sizeof *sweep_options_table };

static void read_grid(lua_State *L, const char *call, const struct net *net,
                      const struct study_options *options, struct study_grid *grid) {
    static const char *const usual[] = {"euler", "midpoint", "rk4"};
    const struct manifestation trained = net_trained(net);
    if (options->schemes) {
        study_grid_read_schemes(L, call, options->schemes, grid);
    } else {
        for (int i = 0; i < 3; i++) {
            study_grid_add_scheme(grid, tableau_find(usual[i], NULL));
        }
        study_grid_add_scheme(grid, trained.scheme);
    }
    if (options->steps) {
        study_grid_read_steps(L, call, options->steps, grid);
    } else {
        for (int steps = 1; steps <= 16; steps *= 2) {
            study_grid_add_steps(grid, steps);
        }
        study_grid_add_steps(grid, trained.steps);
    }
}

/* ---- sweep: running ------------------------------------------------------------------------ */

struct witness { /* of a sweep: where its cells are written down */
    struct job *job;
    const char *part;
};

static void write_cell(void *context, const struct sweep_cell *cell, int done, int count) {
    const struct witness *witness = context;
    struct event event;
    if (host_get()->progress) {
        host_get()->progress("sweep", done, count);
    }
    if (!witness->job) {
        return;
    }
    event_begin(&event, "sweep");
    event_text(&event, "part", witness->part);
    event_text(&event, "scheme", cell->scheme->name);
    event_number(&event, "steps", cell->steps);
    event_number(&event, "loss", cell->result.loss);
    event_number(&event, "accuracy", cell->result.accuracy);
    event_number(&event, "count", (double)cell->result.count);
    event_end(&event);
    job_event(witness->job, &event);
}

/* A cell of the printed table, 9 columns: in brackets as trained. */
static void cell_text(const struct sweep_cell *cell, bool classes, bool trained, char *text,
                      size_t size) {
    char number[32];
    if (!cell->result.finite) {
        (void)snprintf(number, sizeof number, "diverged");
    } else {
        (void)snprintf(number, sizeof number, classes ? "%.2f" : "%.4g",
                       classes ? 100 * cell->result.accuracy : cell->result.loss);
    }
    (void)snprintf(text, size, trained ? "[%s]" : "%s ", number);
}

/* Pushes the table as text. */
static void push_text(lua_State *L, const struct study_grid *grid, const struct sweep_cell *cells,
                      const struct part *part, const struct net *net) {
    const struct manifestation trained = net_trained(net);
    const bool classes = part->set->classes > 0;
    char line[320], text[48];
    bool crossed = false;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "%s on %td %s samples, trained with %s in %d step%s (in brackets)\n%-12s",
                   classes ? "accuracy in %" : "loss", cells[0].result.count, part->name,
                   trained.scheme->name, trained.steps, trained.steps == 1 ? "" : "s", "steps");
    luaL_addstring(&buffer, line);
    for (int s = 0; s < grid->step_count; s++) {
        const bool aligned = cells[s].aligned;
        crossed = crossed || !aligned;
        (void)snprintf(line, sizeof line, " %9d%s", grid->steps[s], aligned ? " " : "~");
        luaL_addstring(&buffer, line);
    }
    for (int i = 0; i < grid->scheme_count; i++) {
        (void)snprintf(line, sizeof line, "\n%-12s", grid->schemes[i]->name);
        luaL_addstring(&buffer, line);
        for (int s = 0; s < grid->step_count; s++) {
            const struct sweep_cell *cell = &cells[i * grid->step_count + s];
            cell_text(cell, classes, cell->scheme == trained.scheme && cell->steps == trained.steps,
                      text, sizeof text);
            (void)snprintf(line, sizeof line, " %10s", text);
            luaL_addstring(&buffer, line);
        }
    }
    if (crossed) {
        (void)snprintf(line, sizeof line,
                       "\n~ so many steps do not align with the %d nodes of the weights",
                       net_ode_nodes(net, 0));
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
}

static int sweep_tostring(lua_State *L) {
    if (!luaL_getmetafield(L, 1, "text")) {
        lua_pushliteral(L, "sweep");
    }
    return 1;
}

/* With the net at stack position 2, pushes t[scheme][steps] = { accuracy=, ... }; t.trained,
 * t.schemes, t.steps, t.part are behind
 * __index, so that pairs(t) runs over schemes alone. */
static void push_sweep(lua_State *L, const struct study_grid *grid, const struct sweep_cell *cells,
                       const struct part *part, const struct net *net) {
    const struct manifestation trained = net_trained(net);
    lua_newtable(L);
    for (int i = 0; i < grid->scheme_count; i++) {
        lua_newtable(L);
        for (int s = 0; s < grid->step_count; s++) {
            const struct sweep_cell *cell = &cells[i * grid->step_count + s];
            evaluation_push(L, &cell->result, part->set->classes > 0);
            lua_pushboolean(L, cell->aligned);
            lua_setfield(L, -2, "aligned");
            lua_rawseti(L, -2, grid->steps[s]);
        }
        lua_setfield(L, -2, grid->schemes[i]->name);
    }
    lua_newtable(L); /* t, meta */
    lua_pushliteral(L, "continuo.sweep");
    lua_setfield(L, -2, "__name");
    push_text(L, grid, cells, part, net);
    lua_setfield(L, -2, "text");
    lua_pushcfunction(L, sweep_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushlightuserdata(L, (void *)part); /* for cn.verdict: what was swept */
    lua_setfield(L, -2, "swept_part");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "swept_net");
    lua_pushinteger(L, (lua_Integer)((struct net_box *)lua_touserdata(L, 2))->net->version);
    lua_setfield(L, -2, "swept_version");
    lua_newtable(L); /* t, meta, index */
    lua_createtable(L, 0, 2);
    lua_pushstring(L, trained.scheme->name);
    lua_setfield(L, -2, "scheme");
    lua_pushinteger(L, trained.steps);
    lua_setfield(L, -2, "steps");
    lua_setfield(L, -2, "trained");
    lua_createtable(L, grid->scheme_count, 0);
    for (int i = 0; i < grid->scheme_count; i++) {
        lua_pushstring(L, grid->schemes[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "schemes");
    lua_createtable(L, grid->step_count, 0);
    for (int s = 0; s < grid->step_count; s++) {
        lua_pushinteger(L, grid->steps[s]);
        lua_rawseti(L, -2, s + 1);
    }
    lua_setfield(L, -2, "steps");
    lua_pushstring(L, part->name);
    lua_setfield(L, -2, "part");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static int sweep_call(lua_State *L) {
    static const char call[] = "cn.sweep";
    static const char *const objects[] = {"net", "data", NULL};
    struct study_options options;
    struct study_grid grid = {0};
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    bind_object(L, 1, call, "net", "continuo.net",
                "a net, such as cn.net.continuous{ ... } makes"); /* 2 */
    const struct net_box *box = net_check(L, 2);
    lua_getfield(L, 1, "data"); /* 3 */
    if (lua_isnil(L, 3)) {
        bind_refuse(L, "%s: \"data\" is missing (a data set, whose test part is used, or a part)",
                    call);
    }
    const struct part *part = part_check(L, 3, "cn.sweep: \"data\"", "test");
    bind_options(L, sweep_options_table, SWEEP_OPTIONS, call, bind_json(L, 1, call, objects),
                 objects, &options);
    const struct manifestation none = {.scheme = tableau_at(0), .edge = -1};
    how_fits(L, call, box->net, &none);
    struct how_options range = {.first = 1, .count = options.samples};
    how_range(L, call, part, &range);
    read_grid(L, call, box->net, &options, &grid);
    struct sweep_cell *cells = bind_memory(L, grid.scheme_count * grid.step_count, sizeof *cells);
    struct pool *pool = bind_pool(L);
    struct net *net = net_use(L, 2, options.precision - 1);
    const struct sweep_options plan = {.scheme_count = grid.scheme_count,
                                       .step_count = grid.step_count,
                                       .schemes = grid.schemes,
                                       .steps = grid.steps,
                                       .count = range.count,
                                       .edge = options.edge - 1};
    struct witness witness = {box->job, part->name};
    const volatile bool *stop = interrupt_watch();
    if (host_get()->progress) {
        host_get()->progress("sweep", 0, grid.scheme_count * grid.step_count);
    }
    const bool ok = sweep(net, part, &plan, pool, write_cell, &witness, stop, cells, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!ok) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    push_sweep(L, &grid, cells, part, net);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int sweep_sets(struct help_options *sets) {
    sets[0] = (struct help_options){sweep_options_table, SWEEP_OPTIONS};
    return 1;
}

static const struct help_argument sweep_arguments[] = {
    {"net", "a net with ODE blocks (required)"},
    {"data", "a data set, whose test part is used, or a part (required)"},
    {0}};
static const struct help_entry entries[] = {
    {.name = "cn.sweep",
     .group = "study",
     .signature = "cn.sweep{ net=, data=, schemes={..}, steps={..}, samples= } -> t",
     .line = "the accuracy of the same weights under other schemes and numbers of steps",
     .text = "t[scheme][steps] is what net:evaluate gives (accuracy 0 to 1, loss, count, seconds, "
             "evaluations); printed, t is a table of percentages with the trained cell in "
             "brackets. Steps marked ~ do not align with the nodes of the weights. t.trained, "
             "t.schemes, t.steps and t.part say what was swept. When a job trained the net, the "
             "cells are also written into its run folder. ^C gives the prompt back.\n\n"
             "A net that is an ODE keeps its accuracy as steps grow; one trained inside Euler "
             "with few steps falls (Queiruga et al. 2020, section 5; Ott et al. 2021).",
     .example = "t = cn.sweep{ net = cn.net.mlp{ input = {2}, outputs = 2 },\n"
                "              data = cn.data.spirals{}.valid, steps = {1, 2} }\n"
                "print(t, t.rk4[2].accuracy)",
     .arguments = sweep_arguments,
     .options = sweep_sets},
};

void bind_sweep_open(lua_State *L) {
    help_register(entries, sizeof entries / sizeof *entries);
    lua_pushcfunction(L, sweep_call);
    lua_setfield(L, -2, "sweep");
}
