/* cn.ode.solve: reads what is to be solved and how, and hands it to the engine. */
#include "ode/solve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "ode/system.h"

static const char call[] = "cn.ode.solve";

enum { SAVE_MAX = 1 << 20 };

/* ---- options ------------------------------------------------------------------------------- */

struct solve_call {
    double t0, t1;
    ptrdiff_t steps, limit, stiff_after;
    cJSON *rtol, *atol, *save_at, *breaks;
    char estimate[OPTION_TEXT_SIZE];
    int control, norm, interpolant;
    bool together, interpolate, dense, trace, compensated;
    double first, longest;
};

#define AT(field) .offset = offsetof(struct solve_call, field)
static const struct option options_table[] = {
    {.name = "t0",
     .kind = OPTION_NUMBER,
     AT(t0),
     .fallback = "0",
     .help = "time at which y = y0; of a system or net: its own"},
    {.name = "t1",
     .kind = OPTION_NUMBER,
     AT(t1),
     .help = "time to end at, another than t0; may lie before it; of a system or net: its own"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     AT(steps),
     .fallback = "0",
     .least = 1,
     .most = 1e12,
     .help = "number of equal steps from t0 to t1; without it steps are chosen by rtol and atol"},
    {.name = "rtol",
     .kind = OPTION_JSON,
     AT(rtol),
     .fallback = "",
     .help = "error allowed in a step relative to the state, a number or one for each component; "
             "1e-6 if only atol is given"},
    {.name = "atol",
     .kind = OPTION_JSON,
     AT(atol),
     .fallback = "",
     .help = "the same as an absolute number, or one for each component; 1e-9 if only rtol is "
             "given"},
    {.name = "save_at",
     .kind = OPTION_JSON,
     AT(save_at),
     .fallback = "",
     .help = "times from t0 towards t1; absent: t0 and every step"},
    {.name = "breaks",
     .kind = OPTION_JSON,
     AT(breaks),
     .fallback = "",
     .help = "rising times at which f jumps: a step ends there and asks for f just before; of a net: "
             "the borders of its cells of depth"},
    {.name = "interpolate",
     .kind = OPTION_BOOLEAN,
     AT(interpolate),
     .fallback = "false",
     .help = "save_at between the steps; else every time is the end of a step: equal steps refuse "
             "others, chosen ones are shortened"},
    {.name = "interpolant",
     .kind = OPTION_CHOICE,
     AT(interpolant),
     .fallback = "auto",
     .choices = interpolant_names,
     .help = "states between the steps: the scheme's own polynomial, the cubic hermite one, a step "
             "of that length taken again; auto: the cheapest of the scheme's order"},
    {.name = "dense",
     .kind = OPTION_BOOLEAN,
     AT(dense),
     .fallback = "false",
     .help = "keep what solution:at(t) needs"},
    {.name = "control",
     .kind = OPTION_CHOICE,
     AT(control),
     .fallback = "pi",
     .choices = control_names,
     .help = "controller of the step"},
    {.name = "norm",
     .kind = OPTION_CHOICE,
     AT(norm),
     .fallback = "rms",
     .choices = control_norm_names,
     .help = "of the error over the components"},
    {.name = "estimate",
     .kind = OPTION_TEXT,
     AT(estimate),
     .fallback = "",
     .help = "name of the error estimate, of a scheme with several; empty: its first"},
    {.name = "together",
     .kind = OPTION_BOOLEAN,
     AT(together),
     .fallback = "false",
     .help = "all samples take the step that the worst one needs; false: each its own"},
    {.name = "first",
     .kind = OPTION_NUMBER,
     AT(first),
     .fallback = "0",
     .least = 0,
     .most = 1e300,
     .help = "length of the first step; 0: chosen"},
    {.name = "longest",
     .kind = OPTION_NUMBER,
     AT(longest),
     .fallback = "0",
     .least = 0,
     .most = 1e300,
     .help = "length no step exceeds; 0: none"},
    {.name = "limit",
     .kind = OPTION_INTEGER,
     AT(limit),
     .fallback = "100000",
     .least = 1,
     .most = 1e12,
     .help = "chosen steps to attempt at most, rejected ones included"},
    {.name = "stiff_after",
     .kind = OPTION_INTEGER,
     AT(stiff_after),
     .fallback = "1000",
     .least = 0,
     .most = 1e12,
     .help = "accepted steps after which the solution stops where it is likely stiff; 0: never"},
    {.name = "trace",
     .kind = OPTION_BOOLEAN,
     AT(trace),
     .fallback = "true",
     .help = "keep every attempted step, of chosen steps"},
    {.name = "compensated",
     .kind = OPTION_BOOLEAN,
     AT(compensated),
     .fallback = "false",
     .help = "add what rounding takes from the state in the next step"},
};
#undef AT
enum { OPTIONS = sizeof options_table / sizeof *options_table };

static const char *const objects[] = {"f",  "system",  "net",    "block",
                                      "y0", "samples", "scheme", NULL};

/* A list of tolerances, one a component, in memory of Lua's. */
static const double *read_tolerance(lua_State *L, const cJSON *json, const char *name,
                                    double fallback, ptrdiff_t n) {
    double *const list = bind_memory(L, n, sizeof *list);
    const bool each = cJSON_IsArray(json);
    if (json && !each && !cJSON_IsNumber(json)) {
        bind_refuse(L, "%s: \"%s\" must be a number, or a list of %td", call, name, n);
    }
    if (each && cJSON_GetArraySize(json) != n) {
        bind_refuse(L, "%s: \"%s\" is a list of %d, but the state has %td component%s", call, name,
                    cJSON_GetArraySize(json), n, n == 1 ? "" : "s");
    }
    const cJSON *item = each ? json->child : NULL;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (each && !cJSON_IsNumber(item)) {
            bind_refuse(L, "%s: %s[%td] is no number", call, name, i + 1);
        }
        list[i] = each ? item->valuedouble : json ? json->valuedouble : fallback;
        item = each ? item->next : NULL;
    }
    return list;
}

/* The list of times of option `name`, in memory of Lua's, and its length. */
static double *read_times(lua_State *L, const cJSON *json, const char *name, ptrdiff_t *count) {
    const int len = cJSON_IsArray(json) ? cJSON_GetArraySize(json) : 0;
    if (len == 0 || len > SAVE_MAX) {
        bind_refuse(L, "%s: %s must be a list of 1 to %d times", call, name, (int)SAVE_MAX);
    }
    double *const list = bind_memory(L, len, sizeof *list);
    *count = 0;
    for (const cJSON *item = json->child; item; item = item->next) {
        if (!cJSON_IsNumber(item)) {
            bind_refuse(L, "%s: %s[%td] is no number", call, name, *count + 1);
        }
        list[(*count)++] = item->valuedouble;
    }
    return list;
}

static int read_estimate(lua_State *L, const struct tableau *scheme, const char *name) {
    if (!name[0] || !scheme) {
        return 0;
    }
    char list[200] = "";
    for (int i = 0; i < scheme->error_count; i++) {
        if (strcmp(scheme->error[i].name, name) == 0) {
            return i;
        }
        const size_t len = strlen(list);
        (void)snprintf(list + len, sizeof list - len, "%s\"%s\"", i ? ", " : "",
                       scheme->error[i].name);
    }
    bind_refuse(L, "%s: scheme \"%s\" has no error estimate \"%.60s\"; it has %s", call,
                scheme->name, name, list[0] ? list : "none");
}

/* The scheme at the field of that name: a Runge-Kutta scheme or the name of an Adams formula. */
static void read_scheme(lua_State *L, bool even, struct solve_options *o) {
    lua_getfield(L, 1, "scheme");
    if (lua_isnil(L, -1)) {
        lua_pushstring(L, even ? "rk4" : "dopri54");
        lua_replace(L, -2);
    }
    o->adams = lua_type(L, -1) == LUA_TSTRING ? adams_find(lua_tostring(L, -1)) : NULL;
    o->scheme = o->adams ? NULL : tableau_from(L, -1, call); /* an object stays in the options */
    lua_pop(L, 1);
}

/* The states to begin with, (count, n); pushes them. */
static const double *read_states(lua_State *L, struct field_source *source, ptrdiff_t *count) {
    const bool many = lua_getfield(L, 1, "samples") != LUA_TNIL;
    const struct array *states;
    if (many) {
        if (lua_getfield(L, 1, "y0") != LUA_TNIL) {
            bind_refuse(L, "%s: \"y0\" and \"samples\" are both given; it takes one of them", call);
        }
        lua_pop(L, 1);
        states = array_from(L, -1, "cn.ode.solve: \"samples\"");
        if (states->rank != 2 || states->len < 1) {
            bind_refuse(L, "%s: \"samples\" must be a list of states, each a list of n numbers",
                        call);
        }
    } else {
        lua_getfield(L, 1, "y0");
        if (lua_isnil(L, -1) && source->system) {
            *count = 0;
            return source->system->y0;
        }
        states = array_from(L, -1, "cn.ode.solve: \"y0\"");
        if (states->rank != 1 || states->len < 1) {
            bind_refuse(L,
                        "%s: \"y0\" must be a list of at least one number; many states at once go "
                        "into samples = { {..}, {..} }",
                        call);
        }
    }
    const ptrdiff_t n = states->shape[many ? 1 : 0];
    if (source->field.n != 0 && source->field.n != n) {
        bind_refuse(L, "%s: %s %td numbers, but the state of %s has %td", call,
                    many ? "the states of \"samples\" have" : "\"y0\" has", n, source->field.name,
                    source->field.n);
    }
    source->field.n = n;
    *count = many ? states->shape[0] : 0;
    return states->values;
}

/* ---- the call ------------------------------------------------------------------------------ */

static void release_solution(void *solution) {
    solution_free(solution);
}

/* Tells of what did not end well, one sentence for all samples. */
static void tell(lua_State *L, const struct solution *solution) {
    char text[480];
    if (solution->crossed > 0) {
        bind_note(L,
                  "%s: %td of the times at which the field jumps lie within the equal steps, which "
                  "costs the scheme its order; steps should end there",
                  call, solution->crossed);
    }
    for (ptrdiff_t i = 0; i < solution->count; i++) {
        if (solution->sample[i].status != SOLUTION_DONE) {
            (void)solution_sentence(solution, i, text, sizeof text);
            if (solution->count == 1) {
                bind_note(L, "%s: %s", call, text);
            } else {
                bind_note(L, "%s: sample %td %s", call, i + 1, text);
            }
            return;
        }
    }
}

/* Pushes what cn.ode.solve returns. */
static void push_result(lua_State *L, struct solution *solution, ptrdiff_t count,
                        const struct solve_options *o, int field, int box) {
    if (count == 0) {
        solution_push(L, solution, 0, o, field, box);
        return;
    }
    ptrdiff_t most = 0;
    lua_createtable(L, count < 1 << 20 ? (int)count : 0, 1);
    for (ptrdiff_t i = 0; i < count; i++) {
        solution_push(L, solution, i, o, field, box);
        lua_rawseti(L, -2, i + 1);
        most = solution->sample[i].evaluations > most ? solution->sample[i].evaluations : most;
    }
    lua_pushinteger(L, most);
    lua_setfield(L, -2, "evaluations");
}

/* Reads everything but the field and the states. Pushes what it needs. */
static void read_options(lua_State *L, const struct field_source *source, struct solve_options *o) {
    struct solve_call c;
    cJSON *json = bind_json(L, 1, call, objects);
    if (source->timed) {
        json->type = cJSON_Object; /* a table without options may have been taken for a list */
        if (!cJSON_HasObjectItem(json, "t0")) {
            cJSON_AddNumberToObject(json, "t0", source->t0);
        }
        if (!cJSON_HasObjectItem(json, "t1")) {
            cJSON_AddNumberToObject(json, "t1", source->t1);
        }
    }
    bind_options(L, options_table, OPTIONS, call, json, objects, &c);
    if (!(c.t0 < c.t1 || c.t0 > c.t1)) {
        bind_refuse(L, "%s: \"t0\" and \"t1\" are both %.12g; there is nothing to solve", call,
                    c.t0);
    }
    const char *const asked = c.rtol ? "rtol" : c.atol ? "atol" : NULL;
    if (c.steps > 0 && asked) {
        bind_refuse(L,
                    "%s: \"%s\" asks for step control and steps = %td for equal steps; give one of "
                    "them",
                    call, asked, c.steps);
    }
    if (c.steps == 0 && !asked) {
        bind_refuse(L, "%s: \"steps\" is missing: give steps = N for equal steps, or rtol = 1e-6 "
                       "for steps chosen by the error",
                    call);
    }
    *o = solve_defaults();
    read_scheme(L, c.steps > 0, o);
    o->t0 = c.t0;
    o->t1 = c.t1;
    o->steps = c.steps;
    o->control = (enum control)c.control;
    o->norm = (enum control_norm)c.norm;
    o->estimate = read_estimate(L, o->scheme, c.estimate);
    o->together = c.together;
    o->first = c.first;
    o->longest = c.longest;
    o->limit = c.limit;
    o->stiff_after = c.stiff_after;
    o->interpolate = c.interpolate;
    o->interpolant = (enum interpolant)c.interpolant;
    o->dense = c.dense;
    o->trace = c.trace && c.steps == 0;
    o->compensated = c.compensated;
    if (c.steps == 0) {
        o->rtol = read_tolerance(L, c.rtol, "rtol", 1e-6, source->field.n);
        o->atol = read_tolerance(L, c.atol, "atol", 1e-9, source->field.n);
    }
    if (c.save_at) {
        o->save_at = read_times(L, c.save_at, "save_at", &o->saves);
    }
    o->breaks = source->breaks;
    o->break_count = source->break_count;
    if (c.breaks) {
        o->breaks = read_times(L, c.breaks, "breaks", &o->break_count);
    }
}

static int ode_solve(lua_State *L) {
    struct field_source source;
    struct solve_options options;
    struct error error;
    ptrdiff_t count;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    struct bind_box *const box = bind_box(L, release_solution); /* outlives the call if dense */
    const int box_place = lua_gettop(L);
    field_from(L, 1, call, &source);
    const double *const y0 = read_states(L, &source, &count);
    read_options(L, &source, &options);
    luaL_checkstack(L, 16, call);
    options.stop = interrupt_watch();
    struct solution *const solution =
        solve(&source.field, count > 0 ? count : 1, y0, &options, &error);
    box->pointer = solution;
    const bool interrupted = interrupt_unwatch();
    field_raise(L, &source, box);
    if (!solution) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    if (interrupted) {
        bind_box_empty(box);
        return luaL_error(L, "interrupted");
    }
    tell(L, solution);
    push_result(L, solution, count, &options, source.place, box_place);
    if (options.dense) {
        lua_pushnil(L); /* solution and field live on in what is returned */
        lua_copy(L, -1, source.place);
        lua_replace(L, box_place);
    }
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int option_sets(struct help_options *sets) {
    sets[0] = (struct help_options){options_table, OPTIONS};
    return 1;
}

static const struct help_argument arguments[] = {
    {"f", "function f(t, y, dy): reads the table y, fills dy, or returns a table"},
    {"system", "instead of f: a system that is built in, its name, or a table { name = .. }"},
    {"net", "instead of f: a net, whose ODE block is the field, as it stands; its body must be of "
            "dense layers and activations; t runs from 0 to its dt, or to 1"},
    {"block", "number of the net's ODE block; default 1"},
    {"y0", "the state at t0: a list of n numbers; of a system: its own"},
    {"samples", "instead of y0: many states, a list of lists; a list of solutions comes back"},
    {"scheme", "name of a scheme, \"adams2\" to \"adams5\" (equal steps), or a tableau; default "
               "\"rk4\" for equal steps, \"dopri54\" for chosen ones"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.ode.solve",
     .group = "ode",
     .signature = "cn.ode.solve{ f= | system= | net=, y0=, t0=, t1=, scheme=, steps= | rtol=, atol=, "
                  "save_at=, ... } -> solution",
     .line = "solves y' = f(t, y) in equal steps or in steps chosen by their error",
     .text =
         "The solution is a table with the saved times t, the states y and more: see "
         "help \"solution\". With samples a list of solutions comes back, whose field evaluations "
         "is the most of any sample.\n\n"
         "Equal steps: step i of N begins at t0 + (t1 - t0) i / N exactly; there are N steps, "
         "never N + 1. Values that overflow come back as inf or nan.\n\n"
         "Chosen steps need a scheme with an error estimate. A step is accepted when the norm of "
         "its estimated error is at most 1 in units of atol + rtol |y|. Times of save_at are hit "
         "exactly, or with interpolate = true read from an interpolant of the stated order. Each "
         "sample has steps of its own and the same bits as alone, or all go together.\n\n"
         "What stops early is no error: status says why, message says it in a sentence, which is "
         "also a warning, and t and y hold what was reached.\n\n"
         "Refused: a function that leaves an entry of dy unset, times of save_at that are not on "
         "the grid of equal steps, rtol and atol for a scheme without an error estimate.",
     .example = "s = cn.ode.solve{ f = function(t, y, dy) dy[1] = -y[1] end,\n"
                "                  y0 = {1}, t1 = 1, steps = 10 }\n"
                "print(s.t[11], s.y[11][1])\nassert(math.abs(s.y[11][1] - math.exp(-1)) < 1e-6)\n"
                "s = cn.ode.solve{ system = \"lotka_volterra\", t1 = 5, rtol = 1e-8 }\n"
                "print(s, #s.t)",
     .arguments = arguments,
     .options = option_sets},
};

void bind_solve_open(lua_State *L) {
    bind_solution_open(L);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_getfield(L, -1, "ode"); /* made by bind_tableau_open */
    lua_pushcfunction(L, ode_solve);
    lua_setfield(L, -2, "solve");
    lua_pop(L, 1);
}
