/* cn.ode: schemes as objects that print themselves. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "depth/tableau.h"
#include "lua/bind.h"
#include "lua/help.h"

static const char tableau_name[] = "continuo.tableau";
static const char schemes_name[] = "continuo.schemes";

struct tableau_box {
    const struct tableau *tableau; /* a registered one, or the one below */
    struct tableau own;
    char name[64];
};

/* ---- tableaux ------------------------------------------------------------------------------ */

static const struct tableau *check(lua_State *L) {
    return ((struct tableau_box *)luaL_checkudata(L, 1, tableau_name))->tableau;
}

const struct tableau *tableau_from(lua_State *L, int index, const char *call) {
    struct tableau_box *box = luaL_testudata(L, index, tableau_name);
    if (box) {
        return box->tableau;
    }
    if (lua_type(L, index) != LUA_TSTRING) {
        bind_refuse(L, "%s: \"scheme\" must be a name such as \"rk4\" or a tableau, not a %s", call,
                    luaL_typename(L, index));
    }
    struct error error;
    const struct tableau *tableau = tableau_find(lua_tostring(L, index), &error);
    if (!tableau) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    return tableau;
}

static const char *rational_text(struct rational r, char *text, size_t size) {
    (void)snprintf(text, size, r.q == 1 ? "%lld" : "%lld/%lld", (long long)r.p, (long long)r.q);
    return text;
}

static int tableau_tostring(lua_State *L) {
    const struct tableau *t = check(L);
    char text[64], line[512];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line, "scheme %s: order %d, %d stage%s%s\n", t->name, t->order,
                   t->stages, t->stages == 1 ? "" : "s", t->fsal ? ", first same as last" : "");
    luaL_addstring(&buffer, line);
    for (int i = 0; i <= t->stages; i++) {
        bool last = i == t->stages;
        (void)snprintf(line, sizeof line, "%8s |",
                       last ? "" : rational_text(t->c[i], text, sizeof text));
        luaL_addstring(&buffer, line);
        for (int j = 0; j < (last ? t->stages : i); j++) {
            (void)snprintf(line, sizeof line, " %8s",
                           rational_text(last ? t->b[j] : t->a[i][j], text, sizeof text));
            luaL_addstring(&buffer, line);
        }
        luaL_addstring(&buffer, "\n");
        if (i == t->stages - 1) {
            luaL_addstring(&buffer, " --------+");
            for (int j = 0; j < t->stages; j++) {
                luaL_addstring(&buffer, "---------");
            }
            luaL_addstring(&buffer, "\n");
        }
    }
    (void)snprintf(line, sizeof line, "source: %s", t->source && t->source[0] ? t->source : "none");
    luaL_addstring(&buffer, line);
    luaL_pushresult(&buffer);
    return 1;
}

static struct tableau_box *push_tableau(lua_State *L) {
    struct tableau_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    luaL_setmetatable(L, tableau_name);
    return box;
}

/* A coefficient: a whole number, a text "p/q", or a float that is a fraction over a power of 2. */
static struct rational read_rational(lua_State *L, const char *what) {
    struct rational r = {0, 1};
    if (lua_type(L, -1) == LUA_TSTRING) {
        const char *text = lua_tostring(L, -1);
        char *end;
        r.p = strtoll(text, &end, 10);
        bool good = end != text;
        if (good && *end == '/') {
            const char *under = end + 1;
            r.q = strtoll(under, &end, 10);
            good = end != under;
        }
        if (good && *end == '\0' && r.q > 0) {
            return r;
        }
    } else if (lua_type(L, -1) == LUA_TNUMBER) {
        double value = (double)lua_tonumber(L, -1);
        while (r.q < (1 << 20) && value != floor(value)) {
            value *= 2;
            r.q *= 2;
        }
        if (value == floor(value) && fabs(value) < 1e15) {
            r.p = (int64_t)value;
            return r;
        }
    }
    bind_refuse(L,
                "cn.ode.tableau: %s must be a whole number or a fraction written as text, such "
                "as \"1/3\", not %s",
                what, luaL_tolstring(L, -1, NULL));
}

static void read_list(lua_State *L, const char *what, int count, struct rational *list) {
    if (lua_type(L, -1) != LUA_TTABLE || (int)lua_rawlen(L, -1) != count) {
        bind_refuse(L, "cn.ode.tableau: %s must be a list of %d coefficient%s", what, count,
                    count == 1 ? "" : "s");
    }
    for (int j = 0; j < count; j++) {
        char where[96];
        lua_rawgeti(L, -1, j + 1);
        (void)snprintf(where, sizeof where, "%s[%d]", what, j + 1);
        list[j] = read_rational(L, where);
        lua_pop(L, 1);
    }
}

/* From { name=, source=, a = { {}, {"1/2"} }, b = { 0, 1 } }. */
static int tableau_make(lua_State *L) {
    static const char *const known[] = {"name", "source", "a", "b"};
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool found = false;
        for (int i = 0; i < 4; i++) {
            found = found || !strcmp(key, known[i]);
        }
        if (!found) {
            const char *nearest = option_nearest(key, known, 4);
            bind_refuse(L, "cn.ode.tableau: unknown option \"%.60s\"; %s%s", key,
                        nearest ? "nearest is " : "it takes name, source, a and b",
                        nearest ? nearest : "");
        }
    }
    struct tableau_box *box = push_tableau(L); /* options, box */
    struct tableau *t = &box->own;
    lua_getfield(L, 1, "name");
    const bool named = !lua_isnil(L, -1);
    if (named && (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) >= sizeof box->name)) {
        bind_refuse(L, "cn.ode.tableau: \"name\" must be a text of at most %zu letters",
                    sizeof box->name - 1);
    }
    (void)snprintf(box->name, sizeof box->name, "%s", named ? lua_tostring(L, -1) : "unnamed");
    lua_getfield(L, 1, "b");
    size_t stages = lua_type(L, -1) == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (stages < 1 || stages > TABLEAU_STAGES_MAX) {
        bind_refuse(L, "cn.ode.tableau: b must be a list of 1 to %d weights, one a stage",
                    (int)TABLEAU_STAGES_MAX);
    }
    t->stages = (int)stages;
    t->name = box->name;
    t->source = "given at the prompt or in a script";
    read_list(L, "b", t->stages, t->b);
    lua_getfield(L, 1, "a");
    if (lua_type(L, -1) != LUA_TTABLE || lua_rawlen(L, -1) != stages) {
        bind_refuse(L,
                    "cn.ode.tableau: a must be a list of %d rows, the first one empty: "
                    "a = { {}, {\"1/2\"} }",
                    t->stages);
    }
    for (int i = 0; i < t->stages; i++) {
        char where[32];
        lua_rawgeti(L, -1, i + 1);
        (void)snprintf(where, sizeof where, "a[%d]", i + 1);
        read_list(L, where, i, t->a[i]);
        lua_pop(L, 1);
    }
    struct error error;
    if (!tableau_complete(t, &error)) {
        bind_refuse(L, "cn.ode.tableau: %s", error.text);
    }
    box->tableau = named ? tableau_register(t, &error) : t;
    if (!box->tableau) {
        bind_refuse(L, "cn.ode.tableau: %s", error.text);
    }
    lua_settop(L, 2);
    return 1;
}

static int ode_tableau(lua_State *L) {
    if (lua_type(L, 1) == LUA_TTABLE) {
        lua_settop(L, 1);
        return tableau_make(L);
    }
    const struct tableau *tableau = tableau_from(L, 1, "cn.ode.tableau");
    struct tableau_box *box = push_tableau(L);
    box->tableau = tableau;
    return 1;
}

static void push_row(lua_State *L, const struct rational *row, int count) {
    lua_createtable(L, count, 0);
    for (int j = 0; j < count; j++) {
        lua_pushnumber(L, (double)row[j].p / (double)row[j].q);
        lua_rawseti(L, -2, j + 1);
    }
}

static int get_name(lua_State *L) {
    lua_pushstring(L, check(L)->name);
    return 1;
}

static int get_source(lua_State *L) {
    lua_pushstring(L, check(L)->source);
    return 1;
}

static int get_stages(lua_State *L) {
    lua_pushinteger(L, check(L)->stages);
    return 1;
}

static int get_order(lua_State *L) {
    lua_pushinteger(L, check(L)->order);
    return 1;
}

static int get_fsal(lua_State *L) {
    lua_pushboolean(L, check(L)->fsal);
    return 1;
}

static int get_a(lua_State *L) {
    const struct tableau *t = check(L);
    lua_createtable(L, t->stages, 0);
    for (int i = 0; i < t->stages; i++) {
        push_row(L, t->a[i], i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int get_b(lua_State *L) {
    push_row(L, check(L)->b, check(L)->stages);
    return 1;
}

static int get_c(lua_State *L) {
    push_row(L, check(L)->c, check(L)->stages);
    return 1;
}

/* ---- the registry -------------------------------------------------------------------------- */

static int schemes_tostring(lua_State *L) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "scheme       order  stages  source");
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *t = tableau_at(i);
        char line[256];
        (void)snprintf(line, sizeof line, "\n%-12s %5d  %6d  %.200s", t->name, t->order, t->stages,
                       t->source);
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int ode_schemes(lua_State *L) {
    lua_createtable(L, tableau_count(), 0);
    for (int i = 0; i < tableau_count(); i++) {
        lua_pushstring(L, tableau_at(i)->name);
        lua_rawseti(L, -2, i + 1);
    }
    luaL_setmetatable(L, schemes_name);
    return 1;
}

/* ---- help ---------------------------------------------------------------------------------- */

static const struct help_entry entries[] = {
    {.name = "cn.ode.schemes",
     .group = "ode",
     .signature = "cn.ode.schemes() -> { name, ... }",
     .line = "the names of all schemes; prints itself with orders and sources",
     .example = "print(cn.ode.schemes())\nassert(cn.ode.schemes()[1] == \"euler\")"},
    {.name = "cn.ode.tableau",
     .group = "ode",
     .signature = "cn.ode.tableau(name) or cn.ode.tableau{ name=, a=, b= } -> tableau",
     .line = "a Runge-Kutta scheme as an object that prints its Butcher tableau",
     .text =
         "Fields: name, source, stages, order, fsal, a, b, c. Order and abscissae are computed "
         "from the coefficients in exact rationals. A scheme of your own is given by its rows: "
         "a = { {}, {\"1/2\"} }, b = { 0, 1 }; coefficients are whole numbers, texts \"p/q\", or "
         "floats that are fractions over a power of two. With a name it is registered, and "
         "every scheme option takes that name from then on; without, it can be given to "
         "cn.ode.solve as scheme. Refused: a name that is taken, rows of the wrong length, weights "
         "that do not add up to one.",
     .example = "print(cn.ode.tableau \"rk4\")\n"
                "r = cn.ode.tableau{ name = \"ralston\", a = { {}, {\"2/3\"} }, "
                "b = {\"1/4\", \"3/4\"} }\nassert(r.order == 2)"},
};

static int box_close(lua_State *L) {
    check(L); /* the memory is Lua's */
    return 0;
}

static const luaL_Reg getters[] = {
    {"name", get_name},   {"source", get_source}, {"stages", get_stages},
    {"order", get_order}, {"fsal", get_fsal},     {"a", get_a},
    {"b", get_b},         {"c", get_c},           {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__tostring", tableau_tostring}, {"__close", box_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"schemes", ode_schemes}, {"tableau", ode_tableau}, {NULL, NULL}};

static const struct bind_type type = {tableau_name, NULL, getters, meta, NULL};

void bind_ode_open(lua_State *L) {
    bind_type(L, &type);
    luaL_newmetatable(L, schemes_name);
    lua_pushcfunction(L, schemes_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "ode");
}
