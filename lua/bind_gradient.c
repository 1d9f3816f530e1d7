/* cn.gradient_check: one gradient by every method, and against central differences parameter by
 * parameter. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "nets/net.h"
#include "study/gradient_methods.h"

static const char checked_name[] = "continuo.gradient_check";

struct check_options {
    ptrdiff_t batch, entries, seed, steps;
    bool training;
    char scheme[OPTION_TEXT_SIZE];
    int edge, memory;
};

static const struct option check_options_table[] = {
    {.name = "batch",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct check_options, batch),
     .fallback = "3",
     .least = 1,
     .most = 4096,
     .help = "samples of the random batch"},
    {.name = "entries",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct check_options, entries),
     .fallback = "5",
     .least = 1,
     .most = 1e9,
     .help = "entries checked of each parameter, at most"},
    {.name = "training",
     .kind = OPTION_BOOLEAN,
     .offset = offsetof(struct check_options, training),
     .fallback = "true",
     .help = "normalise by statistics of the batch; false: by stored ones"},
    {.name = "scheme",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct check_options, scheme),
     .fallback = "",
     .help = "scheme of every ODE block; absent: as configured"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct check_options, steps),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "steps of every ODE block"},
    {.name = "edge",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct check_options, edge),
     .fallback = "own",
     .choices = how_edges,
     .help = "own: as configured"},
    {.name = "memory",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct check_options, memory),
     .fallback = "auto",
     .choices = memory_names,
     .help = "kept of ODE blocks, as in cn.train"},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct check_options, seed),
     .fallback = "1",
     .least = 0,
     .most = 9007199254740992.0,
     .help = "of batch and entries"},
};
enum { CHECK_OPTIONS = sizeof check_options_table / sizeof *check_options_table };

static int checked_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_Buffer buffer;
    char line[240];
    const lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    lua_settop(L, 1);
    lua_getfield(L, 1, "worst");
    const double worst = (double)lua_tonumber(L, -1);
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line, "%-26s %7s %7s %5s %11s %11s %7s", "parameter", "values",
                   "checked", "kinks", "exact", "difference", "error");
    luaL_addstring(&buffer, line);
    for (lua_Integer i = 1; i <= count; i++) {
        const char *const numbers[] = {"len", "checked", "kinks", "exact", "difference", "error"};
        double values[6];
        lua_rawgeti(L, 1, i);
        for (int n = 0; n < 6; n++) {
            lua_getfield(L, -1, numbers[n]);
            values[n] = (double)lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        lua_getfield(L, -1, "name");
        (void)snprintf(line, sizeof line, "\n%-26s %7.0f %7.0f %5.0f %11.5g %11.5g %7.1e",
                       lua_tostring(L, -1), values[0], values[1], values[2], values[3], values[4],
                       values[5]);
        lua_pop(L, 2);
        luaL_addstring(&buffer, line);
    }
    (void)snprintf(line, sizeof line, "\nlargest relative error %.1e", worst);
    luaL_addstring(&buffer, line);
    lua_getfield(L, 1, "methods_text");
    if (lua_isstring(L, -1)) {
        luaL_addchar(&buffer, '\n');
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* Pushes the comparison of methods as text. */
static void push_methods_text(lua_State *L, const struct gradient_methods *methods,
                              ptrdiff_t batch, double worst) {
    char line[160], note[64];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    if (methods->scheme) {
        (void)snprintf(line, sizeof line, "\n%-24s %10s %9s  of %td samples, %s in %d step%s",
                       "method", "difference", "seconds", batch, methods->scheme->name,
                       methods->steps, methods->steps == 1 ? "" : "s");
    } else {
        (void)snprintf(line, sizeof line, "\n%-24s %10s %9s  of %td samples", "method",
                       "difference", "seconds", batch);
    }
    luaL_addstring(&buffer, line);
    for (int i = 0; i < methods->count; i++) {
        const struct gradient_method *const method = &methods->method[i];
        (void)snprintf(note, sizeof note, "%s",
                       i > 0 && method->same ? "  the same bits" : "");
        if (method->order > 0) {
            (void)snprintf(note, sizeof note, "  order %.2f, of scheme %d",
                           method->observed, method->order);
        }
        (void)snprintf(line, sizeof line, "\n%-24s %10.1e %9.2e%s", method->name,
                       method->difference, method->seconds, note);
        luaL_addstring(&buffer, line);
    }
    (void)snprintf(line, sizeof line, "\n%-24s %10.1e %9s  at most, entry by entry as above",
                   "central differences", worst, "");
    luaL_addstring(&buffer, line);
    if (methods->scheme && !methods->field) {
        luaL_addstring(&buffer, "\nplain loops and the continuous adjoint are for nets that are "
                                "one ODE block of\ndense layers and one interval");
    }
    luaL_pushresult(&buffer);
}

/* Sets the field methods of the table on top. */
static void set_methods(lua_State *L, const struct gradient_methods *methods, ptrdiff_t batch) {
    lua_getfield(L, -1, "worst");
    const double worst = (double)lua_tonumber(L, -1);
    lua_pop(L, 1);
    lua_createtable(L, methods->count, 0);
    for (int i = 0; i < methods->count; i++) {
        const struct gradient_method *const method = &methods->method[i];
        lua_createtable(L, 0, 6);
        lua_pushstring(L, method->name);
        lua_setfield(L, -2, "name");
        lua_pushnumber(L, method->difference);
        lua_setfield(L, -2, "difference");
        lua_pushboolean(L, method->same);
        lua_setfield(L, -2, "same");
        lua_pushnumber(L, method->seconds);
        lua_setfield(L, -2, "seconds");
        if (method->order > 0) {
            lua_pushnumber(L, method->observed);
            lua_setfield(L, -2, "observed");
            lua_pushinteger(L, method->order);
            lua_setfield(L, -2, "order");
        }
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "methods");
    push_methods_text(L, methods, batch, worst);
    lua_setfield(L, -2, "methods_text");
}

static void push_checked(lua_State *L, const struct gradient_row *rows, int count) {
    double worst = 0;
    lua_createtable(L, count, 1);
    for (int i = 0; i < count; i++) {
        const struct gradient_row *row = &rows[i];
        const struct {
            const char *name;
            double value;
        } numbers[] = {
            {"error", row->worst}, {"exact", row->exact}, {"difference", row->difference}};
        const struct {
            const char *name;
            ptrdiff_t value;
        } counts[] = {{"len", row->len},
                      {"checked", row->checked},
                      {"kinks", row->kinks},
                      {"entry", row->entry + 1}};
        lua_createtable(L, 0, 8);
        lua_pushstring(L, row->name);
        lua_setfield(L, -2, "name");
        for (int n = 0; n < 3; n++) {
            lua_pushnumber(L, numbers[n].value);
            lua_setfield(L, -2, numbers[n].name);
        }
        for (int n = 0; n < 4; n++) {
            lua_pushinteger(L, counts[n].value);
            lua_setfield(L, -2, counts[n].name);
        }
        lua_rawseti(L, -2, i + 1);
        worst = !(row->worst <= worst) ? row->worst : worst;
    }
    lua_pushnumber(L, worst);
    lua_setfield(L, -2, "worst");
    luaL_setmetatable(L, checked_name);
}

static int gradient_check_call(lua_State *L) {
    static const char call[] = "cn.gradient_check";
    static const char *const objects[] = {"net", NULL};
    struct check_options options;
    struct gradient_options plan = {0};
    struct gradient_methods methods;
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    bind_object(L, 1, call, "net", "continuo.net",
                "a net, such as cn.net.continuous{ ... } makes"); /* 2 */
    net_check(L, 2);
    bind_options(L, check_options_table, CHECK_OPTIONS, call, bind_json(L, 1, call, objects),
                 objects, &options);
    plan.how = (struct manifestation){.steps = (int)options.steps, .edge = options.edge - 1};
    if (options.scheme[0] && !(plan.how.scheme = tableau_find(options.scheme, &error))) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    how_fits(L, call, net_check(L, 2)->net, &plan.how);
    plan.memory = (enum memory)options.memory;
    plan.pool = bind_pool(L);
    const struct net *net = net_use(L, 2, -1);
    const int count = gradient_rows(net);
    struct gradient_row *rows = bind_memory(L, count, sizeof *rows);
    plan.batch = options.batch;
    plan.entries = options.entries;
    plan.training = options.training;
    plan.seed = (uint64_t)options.seed;
    plan.stop = interrupt_watch();
    const bool ok = gradient_check(net, &plan, rows, &error) &&
                    gradient_methods(net, &plan, &methods, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!ok) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    push_checked(L, rows, count);
    set_methods(L, &methods, plan.batch);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int check_sets(struct help_options *sets) {
    sets[0] = (struct help_options){check_options_table, CHECK_OPTIONS};
    return 1;
}

static const struct help_argument check_arguments[] = {{"net", "the net to check (required)"}, {0}};

static const struct help_entry entries[] = {
    {.name = "cn.gradient_check",
     .group = "study",
     .signature = "cn.gradient_check{ net=, entries=, batch= } -> rows",
     .line = "the gradient against central differences, and by every other method",
     .text = "Works on a copy in f64. rows[i] has name, len, checked, kinks, error (the largest "
             "relative one), and exact and difference there; rows.worst is the largest of all. "
             "Entries at a kink of relu are counted, not compared. Expect 1e-6 or less.\n\n"
             "rows.methods compares whole gradients with the first one: the discrete adjoint under "
             "every policy of what is kept (the same bits), and of a net that is one ODE block of "
             "dense layers the discrete adjoint in plain loops (rounding) and the continuous "
             "adjoint (Chen et al. 2018), which is another gradient: its difference falls with "
             "about the order of the scheme as steps shrink (observed).",
     .example = "net = cn.net.dynamics{ state = 2, dt = 0.1, scheme = \"rk4\", steps = 2 }\n"
                "rows = cn.gradient_check{ net = net }\n"
                "print(rows)\nassert(rows.worst < 1e-5 and rows.methods[3].same)",
     .arguments = check_arguments,
     .options = check_sets},
};

void bind_gradient_open(lua_State *L) {
    luaL_newmetatable(L, checked_name);
    lua_pushcfunction(L, checked_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_pushcfunction(L, gradient_check_call);
    lua_setfield(L, -2, "gradient_check");
}
