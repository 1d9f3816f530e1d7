/* cn.ode: schemes as objects that print themselves, and the solution of fields written in Lua.
 * Stepping counts in integers: step i of N at stage abscissa p/q is at the exact fraction
 * (i q + p) / (N q) of the interval, rounded once (NUMERICS.md eq. 3). */
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

enum { SAVE_MAX = 1 << 20 };

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

/* ---- solving ------------------------------------------------------------------------------- */

struct solve_options {
    double t0, t1;
    ptrdiff_t steps;
    cJSON *save_at;
};

static const struct option solve_options_table[] = {
    {.name = "t0",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct solve_options, t0),
     .fallback = "0",
     .help = "time at which y = y0"},
    {.name = "t1",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct solve_options, t1),
     .help = "time to end at, another than t0; may lie before it"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct solve_options, steps),
     .least = 1,
     .most = 1e12,
     .help = "number of equal steps from t0 to t1"},
    {.name = "save_at",
     .kind = OPTION_JSON,
     .offset = offsetof(struct solve_options, save_at),
     .fallback = "",
     .help = "rising times on the grid of steps; absent: t0 and every step"},
};
enum { SOLVE_OPTIONS = sizeof solve_options_table / sizeof *solve_options_table };

struct solve {
    const struct tableau *scheme;
    struct solve_options options;
    ptrdiff_t n;           /* length of y */
    double *y, *stage, *k; /* n, n, (stages, n) */
    ptrdiff_t saves;       /* entries of `at`; 0: every step */
    ptrdiff_t *at;         /* step numbers, rising */
    ptrdiff_t evaluations;
    int f, y_table, dy_table; /* stack positions */
};

/* t0 + (t1 - t0) p / q, the ends exact. */
static double time_at(const struct solve_options *o, int64_t p, int64_t q) {
    return p == q ? o->t1 : o->t0 + (o->t1 - o->t0) * ((double)p / (double)q);
}

/* k (n) = f(t, y): calls the Lua function, which fills dy or returns a table. May raise. */
static void evaluate_field(lua_State *L, struct solve *s, double t, const double *y, double *k) {
    for (ptrdiff_t i = 0; i < s->n; i++) {
        lua_pushnumber(L, y[i]);
        lua_rawseti(L, s->y_table, i + 1);
        lua_pushnil(L);
        lua_rawseti(L, s->dy_table, i + 1);
    }
    lua_pushvalue(L, s->f);
    lua_pushnumber(L, t);
    lua_pushvalue(L, s->y_table);
    lua_pushvalue(L, s->dy_table);
    lua_call(L, 3, 1);
    if (lua_isnil(L, -1)) {
        lua_pushvalue(L, s->dy_table);
    } else if (lua_type(L, -1) != LUA_TTABLE) {
        bind_refuse(L, "cn.ode.solve: f must fill its third argument or return a table, not a %s",
                    luaL_typename(L, -1));
    }
    for (ptrdiff_t i = 0; i < s->n; i++) {
        lua_rawgeti(L, -1, i + 1);
        if (lua_type(L, -1) != LUA_TNUMBER) {
            bind_refuse(L, "cn.ode.solve: f gave no number for dy[%td] at t = %g but %s", i + 1, t,
                        luaL_typename(L, -1));
        }
        k[i] = (double)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, s->dy_table);
    s->evaluations++;
}

/* One step from y at step number `step`, in place. */
static void take_step(lua_State *L, struct solve *s, ptrdiff_t step) {
    const struct tableau *t = s->scheme;
    const double h = (s->options.t1 - s->options.t0) / (double)s->options.steps;
    const bool reuse = t->fsal && step > 0; /* the last slope of the step before is the first */
    if (reuse) {
        memcpy(s->k, s->k + (t->stages - 1) * s->n, (size_t)s->n * sizeof(double));
    }
    for (int i = reuse ? 1 : 0; i < t->stages; i++) {
        for (ptrdiff_t e = 0; e < s->n; e++) {
            double sum = 0;
            for (int j = 0; j < i; j++) {
                sum += t->av[i][j] * s->k[j * s->n + e];
            }
            s->stage[e] = s->y[e] + h * sum;
        }
        evaluate_field(L, s,
                       time_at(&s->options, step * t->c[i].q + t->c[i].p,
                               (int64_t)s->options.steps * t->c[i].q),
                       s->stage, s->k + i * s->n);
    }
    for (ptrdiff_t e = 0; e < s->n; e++) {
        double sum = 0;
        for (int i = 0; i < t->stages; i++) {
            sum += t->bv[i] * s->k[i * s->n + e];
        }
        s->y[e] += h * sum;
    }
}

/* The step numbers of save_at; raises for a time that is not on the grid. Pushes their memory. */
static void read_saves(lua_State *L, struct solve *s) {
    const struct solve_options *o = &s->options;
    if (!o->save_at) {
        return;
    }
    int count = cJSON_IsArray(o->save_at) ? cJSON_GetArraySize(o->save_at) : 0;
    if (count == 0 || count > SAVE_MAX) {
        bind_refuse(L, "cn.ode.solve: save_at must be a list of 1 to %d times", (int)SAVE_MAX);
    }
    s->at = bind_memory(L, count, sizeof *s->at);
    const double slack = 8 * 2.3e-16 * fmax(fabs(o->t0), fabs(o->t1));
    for (const cJSON *item = o->save_at->child; item; item = item->next) {
        if (!cJSON_IsNumber(item)) {
            bind_refuse(L, "cn.ode.solve: save_at[%td] is no number", s->saves + 1);
        }
        double place = (item->valuedouble - o->t0) / (o->t1 - o->t0) * (double)o->steps;
        double nearest = fmin(fmax(round(place), 0), (double)o->steps);
        double time = time_at(o, (int64_t)nearest, o->steps);
        if (fabs(time - item->valuedouble) > slack) {
            bind_refuse(L,
                        "cn.ode.solve: save_at[%td] = %.12g is not on the grid of %td steps from "
                        "%.12g to %.12g; nearest is %.12g",
                        s->saves + 1, item->valuedouble, o->steps, o->t0, o->t1, time);
        }
        ptrdiff_t step = (ptrdiff_t)nearest;
        if (s->saves > 0 && step <= s->at[s->saves - 1]) {
            bind_refuse(L,
                        "cn.ode.solve: save_at must go from t0 towards t1, but entry %td does "
                        "not come behind entry %td",
                        s->saves + 1, s->saves);
        }
        s->at[s->saves++] = step;
    }
}

/* Appends time and state of `step` to the lists at stack positions `times` and `states`. */
static void save(lua_State *L, const struct solve *s, ptrdiff_t step, int times, int states) {
    lua_Integer row = (lua_Integer)lua_rawlen(L, times) + 1;
    lua_pushnumber(L, time_at(&s->options, step, s->options.steps));
    lua_rawseti(L, times, row);
    lua_createtable(L, s->n < 1 << 20 ? (int)s->n : 0, 0);
    for (ptrdiff_t e = 0; e < s->n; e++) {
        lua_pushnumber(L, s->y[e]);
        lua_rawseti(L, -2, e + 1);
    }
    lua_rawseti(L, states, row);
}

static void run(lua_State *L, struct solve *s, int times, int states) {
    ptrdiff_t next = 0;
    for (ptrdiff_t step = 0;; step++) {
        if (!s->at || (next < s->saves && s->at[next] == step)) {
            save(L, s, step, times, states);
            next++;
        }
        if (step == s->options.steps || (s->at && next == s->saves)) {
            return;
        }
        take_step(L, s, step);
    }
}

/* What cn.ode.solve needs beside its option table; pushes f and the initial state. */
static const double *solve_inputs(lua_State *L, struct solve *s) {
    static const char call[] = "cn.ode.solve";
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "atol" : "rtol";
        if (lua_getfield(L, 1, key) != LUA_TNIL) {
            bind_refuse(L,
                        "%s: \"%s\" asks for step control, which needs a scheme with an embedded "
                        "error estimate; the registered ones step evenly: give steps = N",
                        call, key);
        }
        lua_pop(L, 1);
    }
    lua_getfield(L, 1, "scheme");
    if (lua_isnil(L, -1)) {
        lua_pushliteral(L, "rk4");
        lua_replace(L, -2);
    }
    s->scheme = tableau_from(L, -1, call); /* a tableau object stays in the options at 1 */
    if (lua_getfield(L, 1, "f") != LUA_TFUNCTION) {
        bind_refuse(L, "%s: \"f\" must be a function f(t, y, dy) that fills dy, not %s", call,
                    luaL_typename(L, -1));
    }
    s->f = lua_gettop(L);
    lua_getfield(L, 1, "y0");
    const struct array *y0 = array_from(L, -1, "cn.ode.solve: \"y0\"");
    if (y0->rank != 1 || y0->len < 1) {
        bind_refuse(L, "%s: \"y0\" must be a list of at least one number", call);
    }
    s->n = y0->len;
    return y0->values;
}

static int ode_solve(lua_State *L) {
    static const char call[] = "cn.ode.solve";
    static const char *const objects[] = {"f", "y0", "scheme", "rtol", "atol", NULL};
    struct solve s = {0};
    lua_settop(L, 1);
    bind_table(L, 1, call);
    const double *y0 = solve_inputs(L, &s);
    const cJSON *json = bind_json(L, 1, call, objects);
    bind_options(L, solve_options_table, SOLVE_OPTIONS, call, json, objects, &s.options);
    if (!(s.options.t0 < s.options.t1 || s.options.t0 > s.options.t1)) {
        bind_refuse(L, "%s: \"t0\" and \"t1\" are both %.12g; there is nothing to solve", call,
                    s.options.t0);
    }
    read_saves(L, &s);
    s.y = bind_memory(L, s.n, sizeof(double));
    s.stage = bind_memory(L, s.n, sizeof(double));
    s.k = bind_memory(L, s.n * s.scheme->stages, sizeof(double));
    memcpy(s.y, y0, (size_t)s.n * sizeof(double));
    lua_newtable(L);
    lua_newtable(L);
    int times = lua_gettop(L) - 1, states = lua_gettop(L);
    lua_newtable(L);
    s.y_table = lua_gettop(L);
    lua_newtable(L);
    s.dy_table = lua_gettop(L);
    luaL_checkstack(L, 8, "cn.ode.solve");
    run(L, &s, times, states);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, times);
    lua_setfield(L, -2, "t");
    lua_pushvalue(L, states);
    lua_setfield(L, -2, "y");
    lua_pushinteger(L, s.evaluations);
    lua_setfield(L, -2, "evaluations");
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int solve_sets(struct help_options *sets) {
    sets[0] = (struct help_options){solve_options_table, SOLVE_OPTIONS};
    return 1;
}

static const struct help_argument solve_arguments[] = {
    {"f", "function f(t, y, dy): reads the table y, fills dy, or returns a table (required)"},
    {"y0", "the state at t0: a list of n numbers (required)"},
    {"scheme", "name of a scheme or a tableau; default \"rk4\""},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.ode.solve",
     .group = "ode",
     .signature = "cn.ode.solve{ f=, y0=, t0=, t1=, scheme=, steps= } -> { t=, y=, evaluations= }",
     .line = "solves y' = f(t, y) for a field written in Lua, in equal steps",
     .text = "t is the list of saved times, y the list of states (n numbers each), evaluations how "
             "often f was called. Step i of N begins at t0 + (t1 - t0) i / N exactly; there are N "
             "steps, never N + 1. Values that overflow come back as inf or nan.\n\n"
             "Refused: a function that leaves an entry of dy unset, times in save_at that are not "
             "on the grid, rtol and atol (no scheme with an error estimate is registered).",
     .example = "s = cn.ode.solve{ f = function(t, y, dy) dy[1] = -y[1] end,\n"
                "                  y0 = {1}, t1 = 1, steps = 10 }\n"
                "print(s.t[11], s.y[11][1])\nassert(math.abs(s.y[11][1] - math.exp(-1)) < 1e-6)",
     .arguments = solve_arguments,
     .options = solve_sets},
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
    {"solve", ode_solve}, {"schemes", ode_schemes}, {"tableau", ode_tableau}, {NULL, NULL}};

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
