/* cn.ode.system: built-in systems as objects that print themselves. */
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/json.h"
#include "ode/system.h"

static const char system_name[] = "continuo.system";
static const char systems_name[] = "continuo.systems";

const struct system *system_test(lua_State *L, int index) {
    return luaL_testudata(L, index, system_name);
}

static const struct system *check(lua_State *L) {
    return luaL_checkudata(L, 1, system_name);
}

static void push_system(lua_State *L, const struct system *system) {
    struct system *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = *system;
    luaL_setmetatable(L, system_name);
}

const struct system *system_from(lua_State *L, int index, const char *call) {
    const struct system *given = system_test(L, index);
    if (given) {
        lua_pushvalue(L, index);
        return given;
    }
    struct system system;
    struct error error;
    if (lua_type(L, index) == LUA_TSTRING) {
        struct bind_box *box = bind_box(L, (void (*)(void *))cJSON_Delete);
        cJSON *json = box->pointer = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "name", lua_tostring(L, index));
        if (!system_read(&system, json, call, NULL, &error)) {
            bind_refuse(L, "%s: %s", call, error.text);
        }
        bind_box_empty(box);
        lua_pop(L, 1);
    } else if (lua_type(L, index) == LUA_TTABLE) {
        cJSON *json = bind_json(L, index, call, NULL);
        if (!system_read(&system, json, call, NULL, &error)) {
            bind_raise(L, &error);
        }
        bind_box_empty(lua_touserdata(L, -1));
        lua_pop(L, 1);
    } else {
        bind_refuse(L,
                    "%s: a system is a name such as \"pendulum\", a table { name = \"pendulum\", "
                    "... } or an object of cn.ode.system, not %s",
                    call, luaL_typename(L, index));
    }
    push_system(L, &system);
    return lua_touserdata(L, -1);
}

static int ode_system(lua_State *L) {
    (void)system_from(L, 1, "cn.ode.system");
    return 1;
}

/* ---- printing ------------------------------------------------------------------------------ */

static int system_tostring(lua_State *L) {
    const struct system *s = check(L);
    const struct system_type *type = s->type;
    char text[160];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(text, sizeof text, "system %s: ", type->name);
    luaL_addstring(&buffer, text);
    luaL_addstring(&buffer, type->help);
    for (int i = 0; i < type->option_count; i++) {
        (void)snprintf(text, sizeof text, "\n  %-10s %-12.10g %.120s", type->options[i].name,
                       s->parameters[i], type->options[i].help);
        luaL_addstring(&buffer, text);
    }
    luaL_addstring(&buffer, "\n  state at t0 = ");
    (void)snprintf(text, sizeof text, "%.10g:", s->t0);
    luaL_addstring(&buffer, text);
    for (ptrdiff_t i = 0; i < type->n; i++) {
        (void)snprintf(text, sizeof text, "%s %s = %.10g", i ? "," : "", type->components[i],
                       s->y0[i]);
        luaL_addstring(&buffer, text);
    }
    (void)snprintf(text, sizeof text, "; t1 = %.10g\n  solution: %s%s\n  source: ", s->t1,
                   type->exact ? "closed form" : "reference by integration, to 1e-12",
                   type->chaotic ? " for a limited time: chaotic" : "");
    luaL_addstring(&buffer, text);
    luaL_addstring(&buffer, type->source);
    luaL_pushresult(&buffer);
    return 1;
}

static int systems_tostring(lua_State *L) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "system              n  time     solution     what");
    for (int i = 0; i < system_count(); i++) {
        const struct system_type *type = system_at(i);
        char line[256];
        (void)snprintf(line, sizeof line, "\n%-18s %2td  %-7s  %-11s  %.180s", type->name, type->n,
                       type->autonomous ? "-" : "in f", type->exact ? "closed form" : "reference",
                       type->help);
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int ode_systems(lua_State *L) {
    lua_createtable(L, system_count(), 0);
    for (int i = 0; i < system_count(); i++) {
        lua_pushstring(L, system_at(i)->name);
        lua_rawseti(L, -2, i + 1);
    }
    luaL_setmetatable(L, systems_name);
    return 1;
}

/* ---- fields -------------------------------------------------------------------------------- */

static void push_state(lua_State *L, const double *y, ptrdiff_t n) {
    lua_createtable(L, (int)n, 0);
    for (ptrdiff_t i = 0; i < n; i++) {
        lua_pushnumber(L, y[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static int get_name(lua_State *L) {
    lua_pushstring(L, check(L)->type->name);
    return 1;
}

static int get_help(lua_State *L) {
    lua_pushstring(L, check(L)->type->help);
    return 1;
}

static int get_source(lua_State *L) {
    lua_pushstring(L, check(L)->type->source);
    return 1;
}

static int get_n(lua_State *L) {
    lua_pushinteger(L, check(L)->type->n);
    return 1;
}

static int get_y0(lua_State *L) {
    push_state(L, check(L)->y0, check(L)->type->n);
    return 1;
}

static int get_t0(lua_State *L) {
    lua_pushnumber(L, check(L)->t0);
    return 1;
}

static int get_t1(lua_State *L) {
    lua_pushnumber(L, check(L)->t1);
    return 1;
}

static int get_autonomous(lua_State *L) {
    lua_pushboolean(L, check(L)->type->autonomous);
    return 1;
}

static int get_chaotic(lua_State *L) {
    lua_pushboolean(L, check(L)->type->chaotic);
    return 1;
}

static int get_components(lua_State *L) {
    const struct system_type *type = check(L)->type;
    lua_createtable(L, (int)type->n, 0);
    for (ptrdiff_t i = 0; i < type->n; i++) {
        lua_pushstring(L, type->components[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int get_parameters(lua_State *L) {
    const struct system *s = check(L);
    lua_createtable(L, 0, s->type->option_count);
    for (int i = 0; i < s->type->option_count; i++) {
        lua_pushnumber(L, s->parameters[i]);
        lua_setfield(L, -2, s->type->options[i].name);
    }
    return 1;
}

/* ---- methods ------------------------------------------------------------------------------- */

static double read_time(lua_State *L, int index, const char *call, const char *name) {
    int is;
    const double t = (double)lua_tonumberx(L, index, &is);
    if (!is || t - t != 0) {
        bind_refuse(L, "%s: \"%s\" must be a finite number, not %s", call, name,
                    luaL_tolstring(L, index, NULL));
    }
    return t;
}

/* A state from a list or an array at `index`; pushes what holds it. */
static const double *read_state(lua_State *L, int index, const char *call, ptrdiff_t n) {
    char what[80];
    (void)snprintf(what, sizeof what, "%s: the state", call);
    const struct array *array = array_from(L, index, what);
    if (array->rank != 1 || array->len != n) {
        bind_refuse(L, "%s: the state must be a list of %td numbers, not of %td", call, n,
                    array->len);
    }
    return array->values;
}

static int system_field_call(lua_State *L) {
    static const char call[] = "system:field";
    const struct system *s = check(L);
    lua_settop(L, 3);
    const double t = read_time(L, 2, call, "t");
    double dy[SYSTEM_N_MAX];
    s->type->value(s->parameters, 1, &t, read_state(L, 3, call, s->type->n), dy);
    push_state(L, dy, s->type->n);
    return 1;
}

static int system_exact_call(lua_State *L) {
    static const char call[] = "system:exact";
    const struct system *s = check(L);
    lua_settop(L, 4);
    const double t = read_time(L, 2, call, "t");
    const double *y0 = lua_isnil(L, 3) ? s->y0 : read_state(L, 3, call, s->type->n);
    const double t0 = lua_isnil(L, 4) ? s->t0 : read_time(L, 4, call, "t0");
    double y[SYSTEM_N_MAX];
    if (!system_exact(s, y0, t0, t, y)) {
        bind_refuse(L, "%s: no closed form is known of system %s%s; ask system:reference", call,
                    s->type->name, s->type->exact ? " from this state" : "");
    }
    push_state(L, y, s->type->n);
    return 1;
}

static int system_invariant_call(lua_State *L) {
    static const char call[] = "system:invariant";
    const struct system *s = check(L);
    lua_settop(L, 2);
    if (!s->type->invariant) {
        bind_refuse(L, "%s: system %s has no invariant that is known", call, s->type->name);
    }
    lua_pushnumber(L, s->type->invariant(s->parameters, read_state(L, 2, call, s->type->n)));
    return 1;
}

struct reference_options {
    cJSON *times, *y0;
    double t0;
};
static const struct option reference_options_table[] = {
    {.name = "times",
     .kind = OPTION_JSON,
     .offset = offsetof(struct reference_options, times),
     .fallback = "",
     .help = "list of times that go one way from t0, or one time; absent: t1"},
    {.name = "y0",
     .kind = OPTION_JSON,
     .offset = offsetof(struct reference_options, y0),
     .fallback = "",
     .help = "the state at t0; absent: the system's"},
    {.name = "t0",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct reference_options, t0),
     .fallback = "0",
     .help = "time at which y = y0; absent: the system's"},
};
enum { REFERENCE_OPTIONS = sizeof reference_options_table / sizeof *reference_options_table };

/* Numbers of a JSON list, or of one number, boxed and pushed. */
static double *push_numbers(lua_State *L, const char *call, const char *name, const cJSON *json,
                            ptrdiff_t *count) {
    const bool list = cJSON_IsArray(json);
    *count = list ? cJSON_GetArraySize(json) : 1;
    double *numbers = bind_memory(L, *count, sizeof *numbers);
    const cJSON *item = list ? json->child : json;
    for (ptrdiff_t i = 0; i < *count; i++, item = item->next) {
        if (!cJSON_IsNumber(item)) {
            bind_refuse(L, "%s: \"%s\" must be a list of numbers; entry %td is none", call, name,
                        i + 1);
        }
        numbers[i] = item->valuedouble;
    }
    return numbers;
}

static int system_reference_call(lua_State *L) {
    static const char call[] = "system:reference";
    const struct system *s = check(L);
    struct reference_options options;
    struct error error;
    ptrdiff_t count = 1, n = s->type->n, given = n;
    lua_settop(L, 2);
    const cJSON *json = bind_json(L, 2, call, NULL);
    bind_options(L, reference_options_table, REFERENCE_OPTIONS, call, json, NULL, &options);
    const double t0 = cJSON_HasObjectItem(json, "t0") ? options.t0 : s->t0;
    const double *times =
        options.times ? push_numbers(L, call, "times", options.times, &count) : &s->t1;
    const double *y0 = options.y0 ? push_numbers(L, call, "y0", options.y0, &given) : s->y0;
    if (given != n) {
        bind_refuse(L, "%s: \"y0\" of system %s must be a list of %td numbers, not of %td", call,
                    s->type->name, n, given);
    }
    const double way = count > 0 ? times[count - 1] - t0 : 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        if ((times[i] - (i ? times[i - 1] : t0)) * way < 0) {
            bind_refuse(L,
                        "%s: \"times\" must go one way from t0 = %.12g, but entry %td, %.12g, "
                        "goes back",
                        call, t0, i + 1, times[i]);
        }
    }
    const ptrdiff_t shape[2] = {count, n};
    struct array *array = array_new(L, 2, shape, PRECISION_F64);
    if (!system_reference(s, y0, t0, count, times, array->values, &error)) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int reference_sets(struct help_options *sets) {
    sets[0] = (struct help_options){reference_options_table, REFERENCE_OPTIONS};
    return 1;
}

static const struct help_entry entries[] = {
    {.name = "cn.ode.system",
     .group = "ode",
     .signature = "cn.ode.system(name) or cn.ode.system{ name=, y0=, t0=, t1=, ... } -> system",
     .line = "a built-in system of ordinary differential equations, as an object",
     .text = "The table takes the system's parameters by name, as print(system) shows them, and "
             "another initial state y0 or other times t0 and t1 than the customary ones. Whatever "
             "takes a system also takes its name or such a table. cn.ode.systems() lists them.",
     .example = "p = cn.ode.system \"pendulum\"\nprint(p)\n"
                "m = cn.ode.system{ name = \"pendulum\", gravity = 1.62, y0 = {1, 0} }\n"
                "assert(m.parameters.gravity == 1.62 and m.n == 2)"},
    {.name = "cn.ode.systems",
     .group = "ode",
     .signature = "cn.ode.systems() -> { name, ... }",
     .line = "the names of all built-in systems; prints itself as a table",
     .example = "print(cn.ode.systems())\nassert(cn.ode.systems()[1] == \"oscillator\")"},
    {.name = "system",
     .group = "ode",
     .signature = "system.n, system.y0, system:field(t, y), system:reference{...}",
     .line = "a built-in system, from cn.ode.system",
     .text = "Fields: name, help, source, n (reals of a state), components (their names), "
             "parameters, y0, t0, t1, autonomous, chaotic.",
     .example = "s = cn.ode.system \"lorenz\"\nassert(s.n == 3 and s.chaotic and s.autonomous)"},
    {.name = "system:field",
     .group = "ode",
     .signature = "system:field(t, y) -> { dy, ... }",
     .line = "the derivative of state y at time t",
     .example = "dy = cn.ode.system \"oscillator\":field(0, {3, 4})\n"
                "assert(dy[1] == 4 and dy[2] == -3)"},
    {.name = "system:exact",
     .group = "ode",
     .signature = "system:exact(t [, y0 [, t0]]) -> { y, ... }",
     .line = "the solution at time t by its closed form",
     .text = "To about the precision of doubles. Refused for systems without a closed form; "
             "system:reference has a solution of all of them.",
     .example = "y = cn.ode.system \"oscillator\":exact(2)\n"
                "assert(math.abs(y[1] - math.sin(2)) < 1e-15)"},
    {.name = "system:reference",
     .group = "ode",
     .signature = "system:reference{ times=, y0=, t0= } -> array (count, n)",
     .line = "the solution at given times, to 1e-12",
     .text = "By a closed form where one is known, otherwise integrated in long doubles by two "
             "extrapolation schemes of different order, which have to agree to 1e-12 of the "
             "state's largest component (or of 1). Times up to which they do not, as late times "
             "of a chaotic system, are refused by name.",
     .example = "s = cn.ode.system \"arenstorf\"\n"
                "y = s:reference{ times = {1, s.t1} }\n"
                "assert(math.abs(y[2][1] - s.y0[1]) < 1e-10)",
     .options = reference_sets},
    {.name = "system:invariant",
     .group = "ode",
     .signature = "system:invariant(y) -> number",
     .line = "what solutions keep: energy, or a constant of the motion",
     .text = "Refused for systems that have none that is known.",
     .example = "s = cn.ode.system \"lotka_volterra\"\n"
                "y = s:reference{ times = 7 }[1]\n"
                "assert(math.abs(s:invariant(y) - s:invariant(s.y0)) < 1e-12)"},
};

static int system_close(lua_State *L) {
    check(L); /* the memory is Lua's */
    return 0;
}

static const luaL_Reg methods[] = {{"field", system_field_call},
                                   {"exact", system_exact_call},
                                   {"reference", system_reference_call},
                                   {"invariant", system_invariant_call},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"name", get_name},
                                   {"help", get_help},
                                   {"source", get_source},
                                   {"n", get_n},
                                   {"components", get_components},
                                   {"parameters", get_parameters},
                                   {"y0", get_y0},
                                   {"t0", get_t0},
                                   {"t1", get_t1},
                                   {"autonomous", get_autonomous},
                                   {"chaotic", get_chaotic},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__tostring", system_tostring}, {"__close", system_close}, {NULL, NULL}};
static const struct bind_type type = {system_name, methods, getters, meta, NULL};

void bind_system_open(lua_State *L) {
    bind_type(L, &type);
    luaL_newmetatable(L, systems_name);
    lua_pushcfunction(L, systems_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_getfield(L, -1, "ode"); /* made by bind_tableau_open */
    lua_pushcfunction(L, ode_system);
    lua_setfield(L, -2, "system");
    lua_pushcfunction(L, ode_systems);
    lua_setfield(L, -2, "systems");
    lua_pop(L, 1);
}
