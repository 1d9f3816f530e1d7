/* cn.ode: schemes as objects that print themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "depth/condition.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "ode/adams.h"

static const char tableau_name[] = "continuo.tableau";
static const char schemes_name[] = "continuo.schemes";

struct tableau_box {
    const struct tableau *tableau; /* a registered one, or the one below */
    struct tableau own;
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

/* ---- printing ------------------------------------------------------------------------------ */

enum { ENTRY_SIZE = 48 };

/* A coefficient to read: fractions as given, and short decimals; long ones to ten digits. */
static void entry_text(const char *text, double value, char out[ENTRY_SIZE]) {
    if (!text) {
        (void)strcpy(out, "0");
    } else if (strlen(text) <= (strchr(text, '/') ? 40 : 20)) {
        (void)snprintf(out, ENTRY_SIZE, "%s", text);
    } else {
        (void)snprintf(out, ENTRY_SIZE, "%.10g", value);
    }
}

/* An abscissa as a fraction where it is a small one. */
static void abscissa_text(const struct tableau *t, int i, char out[ENTRY_SIZE]) {
    if (t->c[i].q == 1) {
        (void)snprintf(out, ENTRY_SIZE, "%lld", (long long)t->c[i].p);
    } else if (t->c[i].q < 1000) {
        (void)snprintf(out, ENTRY_SIZE, "%lld/%lld", (long long)t->c[i].p, (long long)t->c[i].q);
    } else {
        (void)snprintf(out, ENTRY_SIZE, "%.10g", t->cv[i]);
    }
}

/* The lines under the head: stages, b, and bhat or e of the embedded formulas. */
static int lines(const struct tableau *t) {
    return t->stages + 1 + t->error_count;
}

static void line_label(const struct tableau *t, int line, char out[ENTRY_SIZE]) {
    if (line < t->stages) {
        abscissa_text(t, line, out);
    } else if (line == t->stages) {
        (void)strcpy(out, "b");
    } else {
        (void)strcpy(out, t->error[line - t->stages - 1].by_difference ? "e" : "bhat");
    }
}

static void line_entry(const struct tableau *t, int line, int j, char out[ENTRY_SIZE]) {
    if (line < t->stages) {
        entry_text(t->a[line][j], t->av[line][j], out);
        if (j >= line) {
            out[0] = '\0';
        }
    } else if (line == t->stages) {
        entry_text(t->b[j], t->bv[j], out);
    } else {
        const struct tableau_error *const embedded = &t->error[line - t->stages - 1];
        const double e = embedded->e[j];
        entry_text(embedded->given[j], embedded->by_difference ? e : t->bv[j] - e, out);
    }
}

static void add_matrix(luaL_Buffer *buffer, const struct tableau *t) {
    int width[TABLEAU_STAGES_MAX] = {0}, label_width = 0, total = 0;
    char text[ENTRY_SIZE];
    for (int line = 0; line < lines(t); line++) {
        line_label(t, line, text);
        label_width = (int)strlen(text) > label_width ? (int)strlen(text) : label_width;
        for (int j = 0; j < t->stages; j++) {
            line_entry(t, line, j, text);
            width[j] = (int)strlen(text) > width[j] ? (int)strlen(text) : width[j];
        }
    }
    for (int j = 0; j < t->stages; j++) {
        total += width[j] + 1;
    }
    for (int line = 0; line < lines(t); line++) {
        char padded[2 * ENTRY_SIZE];
        if (line >= t->stages) {
            for (int n = 0; line <= t->stages + 1 && n < label_width + 3 + total; n++) {
                luaL_addchar(buffer, n == label_width + 2 ? '+' : n == 0 ? ' ' : '-');
            }
            luaL_addstring(buffer, line <= t->stages + 1 ? "\n" : "");
        }
        line_label(t, line, text);
        (void)snprintf(padded, sizeof padded, " %*s |", label_width, text);
        luaL_addstring(buffer, padded);
        for (int j = 0; j < (line < t->stages ? line : t->stages); j++) {
            line_entry(t, line, j, text);
            (void)snprintf(padded, sizeof padded, " %*s", width[j], text);
            luaL_addstring(buffer, padded);
        }
        luaL_addchar(buffer, '\n');
    }
}

static void add_interpolant(luaL_Buffer *buffer, const struct tableau *t) {
    char text[ENTRY_SIZE], line[128];
    (void)snprintf(line, sizeof line, "interpolant of order %d, weights by powers of theta:\n",
                   t->dense_order);
    luaL_addstring(buffer, t->dense_order > 0 ? line : "");
    for (int i = 0; i < t->stages && t->dense_order > 0; i++) {
        (void)snprintf(line, sizeof line, " b%d(theta):", i + 1);
        luaL_addstring(buffer, line);
        bool any = false;
        for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
            if (t->dense[i][k] != 0) {
                entry_text(t->interpolant[i][k], t->dense[i][k], text);
                (void)snprintf(line, sizeof line, "%s %s theta^%d", any ? "," : "", text, k + 1);
                luaL_addstring(buffer, line);
                any = true;
            }
        }
        luaL_addstring(buffer, any ? "\n" : " 0\n");
    }
}

/* "5(4)", "8(5, 3)", "4". */
static const char *orders_text(const struct tableau *t, char *out, size_t size) {
    int len = snprintf(out, size, "%d", t->order);
    for (int k = 0; k < t->error_count; k++) {
        len += snprintf(out + len, size - (size_t)len, "%s%d%s", k ? ", " : "(", t->error[k].order,
                        k == t->error_count - 1 ? ")" : "");
    }
    return out;
}

static int tableau_tostring(lua_State *L) {
    const struct tableau *t = check(L);
    char line[512], orders[32];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "scheme %s: order %s, %d stage%s%s\nerror norm %.3e, stable on the real axis "
                   "down to %.4f\n",
                   t->name, orders_text(t, orders, sizeof orders), t->stages,
                   t->stages == 1 ? "" : "s", t->fsal ? ", first same as last" : "", t->error_norm,
                   -t->stability);
    luaL_addstring(&buffer, line);
    add_matrix(&buffer, t);
    add_interpolant(&buffer, t);
    for (int k = 0; k < t->error_count; k++) {
        const struct tableau_error *const e = &t->error[k];
        (void)snprintf(line, sizeof line, "embedded %s%s%sof order %d: %.300s\n",
                       e->name[0] ? "\"" : "", e->name, e->name[0] ? "\" " : "", e->order,
                       e->source);
        luaL_addstring(&buffer, line);
    }
    (void)snprintf(line, sizeof line, "source: %.400s", t->source);
    luaL_addstring(&buffer, line);
    luaL_pushresult(&buffer);
    return 1;
}

/* ---- a scheme from Lua --------------------------------------------------------------------- */

/* Its user value is the list of its texts, so that they live as long. */
static struct tableau_box *push_tableau(lua_State *L) {
    struct tableau_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    memset(box, 0, sizeof *box);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, tableau_name);
    return box;
}

enum { OPTIONS_AT = 1, BOX_AT = 2 };

/* Pops the text on top, which the box keeps from then on. */
static const char *keep(lua_State *L) {
    const char *text = lua_tostring(L, -1);
    lua_getiuservalue(L, BOX_AT, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    return text;
}

/* Pops a coefficient: a text as it stands; a number by its shortest digits, or all 17 where it is
 * no decimal of 15. */
static const char *pop_coefficient(lua_State *L, const char *what) {
    if (lua_isinteger(L, -1)) {
        (void)lua_tostring(L, -1); /* turns it into its text */
    } else if (lua_type(L, -1) == LUA_TNUMBER) {
        const double value = (double)lua_tonumber(L, -1);
        char text[64];
        (void)snprintf(text, sizeof text, "%.15g", value);
        if (strtod(text, NULL) < value || strtod(text, NULL) > value) {
            (void)snprintf(text, sizeof text, "%.17g", value);
        }
        lua_pop(L, 1);
        lua_pushstring(L, text);
    } else if (lua_type(L, -1) != LUA_TSTRING) {
        bind_refuse(L, "cn.ode.tableau: %s must be a number or a text such as \"1/3\", not a %s",
                    what, luaL_typename(L, -1));
    }
    return keep(L);
}

/* Reads the list on top, of `count` coefficients. */
static void read_list(lua_State *L, const char *what, int count, const char **list) {
    if (lua_type(L, -1) != LUA_TTABLE || (int)lua_rawlen(L, -1) != count) {
        bind_refuse(L, "cn.ode.tableau: %s must be a list of %d coefficient%s", what, count,
                    count == 1 ? "" : "s");
    }
    for (int j = 0; j < count; j++) {
        char where[96];
        lua_rawgeti(L, -1, j + 1);
        (void)snprintf(where, sizeof where, "%s[%d]", what, j + 1);
        list[j] = pop_coefficient(L, where);
    }
}

static void read_rows(lua_State *L, struct tableau *t) {
    if (lua_getfield(L, OPTIONS_AT, "a") != LUA_TTABLE || (int)lua_rawlen(L, -1) != t->stages) {
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
    lua_pop(L, 1);
}

/* bhat, or e = b - bhat. */
static void read_embedded(lua_State *L, struct tableau *t) {
    const bool bhat = lua_getfield(L, OPTIONS_AT, "bhat") != LUA_TNIL;
    const bool e = lua_getfield(L, OPTIONS_AT, "e") != LUA_TNIL;
    if (bhat && e) {
        bind_refuse(L, "cn.ode.tableau: give \"bhat\" or \"e\" = b - bhat, not both");
    }
    if (bhat || e) {
        lua_settop(L, e ? -1 : -2);
        t->error[0] = (struct tableau_error){.name = "", .source = t->source, .by_difference = e};
        read_list(L, e ? "e" : "bhat", t->stages, t->error[0].given);
    }
    lua_settop(L, BOX_AT);
}

/* dense[i] lists the factors of theta, theta^2, .. in b_i(theta). */
static void read_dense(lua_State *L, struct tableau *t) {
    if (lua_getfield(L, OPTIONS_AT, "dense") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TTABLE || (int)lua_rawlen(L, -1) != t->stages) {
            bind_refuse(L, "cn.ode.tableau: dense must be a list of %d rows, one a stage",
                        t->stages);
        }
        for (int i = 0; i < t->stages; i++) {
            char where[32];
            const int kind = lua_rawgeti(L, -1, i + 1);
            const size_t count = kind == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
            (void)snprintf(where, sizeof where, "dense[%d]", i + 1);
            if (count > TABLEAU_DEGREE_MAX) {
                bind_refuse(L, "cn.ode.tableau: %s has %zu entries; at most theta^%d is possible",
                            where, count, (int)TABLEAU_DEGREE_MAX);
            }
            read_list(L, where, (int)count, t->interpolant[i]);
            lua_pop(L, 1);
        }
    }
    lua_settop(L, BOX_AT);
}

/* Holds the scheme to an order stated under `key`. */
static void require_order(lua_State *L, const struct tableau *t, const char *key, int weights) {
    int is_integer;
    if (lua_getfield(L, OPTIONS_AT, key) != LUA_TNIL) {
        const lua_Integer order = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer || order < 1 || order > 10) {
            bind_refuse(L, "cn.ode.tableau: \"%s\" must be a whole number from 1 to 10", key);
        }
        struct error error;
        if (weights > CONDITION_STEP && t->error_count == 0) {
            bind_refuse(L, "cn.ode.tableau: \"%s\" is of an embedded formula; give its \"bhat\"",
                        key);
        }
        if (!condition_require(t, weights, (int)order, &error)) {
            bind_refuse(L, "cn.ode.tableau: %s", error.text);
        }
        const int reached = weights == CONDITION_STEP ? t->order : t->error[0].order;
        if (reached != order) {
            bind_refuse(L, "cn.ode.tableau: \"%s\" is %d, but scheme \"%s\" has %d", key,
                        (int)order, t->name, reached);
        }
    }
    lua_settop(L, BOX_AT);
}

static void check_keys(lua_State *L) {
    static const char *const known[] = {"name",  "source",        "a", "b", "bhat", "e", "dense",
                                        "order", "embedded_order"};
    enum { KNOWN = sizeof known / sizeof *known };
    for (lua_pushnil(L); lua_next(L, OPTIONS_AT); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool found = false;
        for (int i = 0; i < KNOWN; i++) {
            found = found || !strcmp(key, known[i]);
        }
        if (!found) {
            const char *nearest = option_nearest(key, known, KNOWN);
            bind_refuse(L, "cn.ode.tableau: unknown option \"%.60s\"; %s%s", key,
                        nearest ? "nearest is " : "see help(\"cn.ode.tableau\")",
                        nearest ? nearest : "");
        }
    }
}

/* The text under `key`, kept, or `fallback`. */
static const char *read_text(lua_State *L, const char *key, const char *fallback, size_t longest) {
    if (lua_getfield(L, OPTIONS_AT, key) == LUA_TNIL) {
        lua_pop(L, 1);
        return fallback;
    }
    if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) > longest) {
        bind_refuse(L, "cn.ode.tableau: \"%s\" must be a text of at most %zu letters", key,
                    longest);
    }
    return keep(L);
}

/* From { name=, source=, a = { {}, {"1/2"} }, b = { 0, 1 }, ... }. */
static int tableau_make(lua_State *L) {
    check_keys(L);
    struct tableau_box *box = push_tableau(L); /* options, box */
    struct tableau *t = &box->own;
    const char *const name = read_text(L, "name", NULL, 63);
    t->name = name ? name : "unnamed";
    t->source = read_text(L, "source", "given at the prompt or in a script", 300);
    lua_getfield(L, OPTIONS_AT, "b");
    size_t stages = lua_type(L, -1) == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (stages < 1 || stages > TABLEAU_STAGES_MAX) {
        bind_refuse(L, "cn.ode.tableau: b must be a list of 1 to %d weights, one a stage",
                    (int)TABLEAU_STAGES_MAX);
    }
    t->stages = (int)stages;
    read_list(L, "b", t->stages, t->b);
    lua_pop(L, 1);
    read_rows(L, t);
    read_embedded(L, t);
    read_dense(L, t);
    struct error error;
    if (!tableau_complete(t, &error)) {
        bind_refuse(L, "cn.ode.tableau: %s", error.text);
    }
    require_order(L, t, "order", CONDITION_STEP);
    require_order(L, t, "embedded_order", CONDITION_EMBEDDED);
    box->tableau = name ? tableau_register(t, &error) : t;
    if (!box->tableau) {
        bind_refuse(L, "cn.ode.tableau: %s", error.text);
    }
    lua_settop(L, BOX_AT);
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

/* ---- fields -------------------------------------------------------------------------------- */

static void push_row(lua_State *L, const double *row, int count) {
    lua_createtable(L, count, 0);
    for (int j = 0; j < count; j++) {
        lua_pushnumber(L, row[j]);
        lua_rawseti(L, -2, j + 1);
    }
}

static void push_texts(lua_State *L, const char *const *row, int count) {
    lua_createtable(L, count, 0);
    for (int j = 0; j < count; j++) {
        lua_pushstring(L, row[j] ? row[j] : "0");
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
        push_row(L, t->av[i], i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int get_b(lua_State *L) {
    push_row(L, check(L)->bv, check(L)->stages);
    return 1;
}

static int get_c(lua_State *L) {
    push_row(L, check(L)->cv, check(L)->stages);
    return 1;
}

static int get_evaluations(lua_State *L) {
    lua_pushinteger(L, tableau_evaluations(check(L)));
    return 1;
}

static int get_error_norm(lua_State *L) {
    lua_pushnumber(L, check(L)->error_norm);
    return 1;
}

static int get_stability(lua_State *L) {
    lua_pushnumber(L, check(L)->stability);
    return 1;
}

static int get_dense_order(lua_State *L) {
    lua_pushinteger(L, check(L)->dense_order);
    return 1;
}

static int get_dense(lua_State *L) {
    const struct tableau *t = check(L);
    const int rows = t->dense_order > 0 ? t->stages : 0;
    lua_createtable(L, rows, 0);
    for (int i = 0; i < rows; i++) {
        push_row(L, t->dense[i], TABLEAU_DEGREE_MAX);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int get_embedded(lua_State *L) {
    const struct tableau *t = check(L);
    lua_createtable(L, t->error_count, 0);
    for (int k = 0; k < t->error_count; k++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, t->error[k].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, t->error[k].source);
        lua_setfield(L, -2, "source");
        lua_pushinteger(L, t->error[k].order);
        lua_setfield(L, -2, "order");
        push_row(L, t->error[k].e, t->stages);
        lua_setfield(L, -2, "e");
        lua_rawseti(L, -2, k + 1);
    }
    return 1;
}

/* The coefficients as they were given, as texts. */
static int get_given(lua_State *L) {
    const struct tableau *t = check(L);
    lua_createtable(L, 0, 2);
    lua_createtable(L, t->stages, 0);
    for (int i = 0; i < t->stages; i++) {
        push_texts(L, t->a[i], i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "a");
    push_texts(L, t->b, t->stages);
    lua_setfield(L, -2, "b");
    return 1;
}

/* ---- the registry -------------------------------------------------------------------------- */

static int schemes_tostring(lua_State *L) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "scheme        order     stages  fsal  error norm  interval  source");
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *t = tableau_at(i);
        char line[512], orders[32];
        (void)snprintf(line, sizeof line, "\n%-12s  %-8s  %6d  %-4s  %10.3e  %8.4f  %.400s",
                       t->name, orders_text(t, orders, sizeof orders), t->stages,
                       t->fsal ? "yes" : "no", t->error_norm, t->stability, t->source);
        luaL_addstring(&buffer, line);
    }
    for (int k = ADAMS_LEAST; k <= ADAMS_MOST; k++) {
        const struct adams *a = adams_at(k);
        char line[512];
        (void)snprintf(line, sizeof line,
                       "\n%-12s  %-8d  %6d  %-4s  %10s  %8.4f  %.300s; cn.ode.solve in equal steps, "
                       "begun by %s",
                       a->name, a->order, 1, "no", "-", a->stability, a->source, a->starter->name);
        luaL_addstring(&buffer, line);
    }
    luaL_addstring(
        &buffer,
        "\norder p(q): steps of order p, embedded formulas of order q; error norm: of the "
        "conditions of order p + 1;\ninterval: |R(z)| <= 1 for real z from -interval to 0");
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

static const struct help_argument tableau_arguments[] = {
    {"a", "the matrix as rows: { {}, { a21 }, { a31, a32 }, ... }"},
    {"b", "the weights, one a stage"},
    {"name", "a word to register it by; absent: it is not registered"},
    {"source", "where it is from"},
    {"bhat", "the weights of an embedded formula, for step control"},
    {"e", "or b - bhat instead"},
    {"dense", "for every stage the factors of theta, theta^2, ... of an interpolant"},
    {"order", "the order it is said to have; refused when it has another"},
    {"embedded_order", "likewise, of bhat"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.ode.schemes",
     .group = "ode",
     .signature = "cn.ode.schemes() -> { name, ... }",
     .line = "the names of all schemes; prints itself as a table of what is known of them",
     .text = "The table has for every scheme its order and those of its embedded formulas, stages, "
             "whether the last is the next step's first, the principal error norm, the real "
             "interval of stability and the source. All but the source is computed from the "
             "coefficients: orders by the conditions of rooted trees, exactly for fractions and to "
             "the published digits for decimals.",
     .example = "print(cn.ode.schemes())\nassert(cn.ode.schemes()[1] == \"euler\")"},
    {.name = "cn.ode.tableau",
     .group = "ode",
     .signature = "cn.ode.tableau(name) or cn.ode.tableau{ name=, a=, b=, bhat= } -> tableau",
     .line = "a Runge-Kutta scheme as an object that prints its Butcher tableau",
     .text =
         "Fields: name, source, stages, order, fsal, evaluations (of a step but the first), "
         "error_norm, stability, a, b, c, embedded (a list of { name=, source=, order=, e= }), "
         "dense_order, dense, given (a and b as texts). A scheme of your own is given by its rows: "
         "a = { {}, {\"1/2\"} }, b = { 0, 1 }. Coefficients are whole numbers, texts \"p/q\", "
         "decimals as texts or numbers; a decimal of up to 15 digits is meant exactly, a longer "
         "one to ten units of its last digit. Orders are computed from them. With a name the "
         "scheme is registered, and every scheme option takes that name from then on; without, it "
         "can be given to cn.ode.solve as scheme. Refused: what does not keep the order it "
         "states, with the rooted tree whose condition fails; a name that is taken; rows of the "
         "wrong length; weights that do not add up to one.",
     .example = "print(cn.ode.tableau \"dopri54\")\n"
                "r = cn.ode.tableau{ name = \"ralston\", a = { {}, {\"2/3\"} },\n"
                "                    b = {\"1/4\", \"3/4\"}, bhat = { 1, 0 }, order = 2 }\n"
                "assert(r.order == 2 and r.embedded[1].order == 1)",
     .arguments = tableau_arguments},
};

static int box_close(lua_State *L) {
    check(L); /* the memory is Lua's */
    return 0;
}

static const luaL_Reg getters[] = {{"name", get_name},
                                   {"source", get_source},
                                   {"stages", get_stages},
                                   {"order", get_order},
                                   {"fsal", get_fsal},
                                   {"evaluations", get_evaluations},
                                   {"error_norm", get_error_norm},
                                   {"stability", get_stability},
                                   {"a", get_a},
                                   {"b", get_b},
                                   {"c", get_c},
                                   {"embedded", get_embedded},
                                   {"dense_order", get_dense_order},
                                   {"dense", get_dense},
                                   {"given", get_given},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__tostring", tableau_tostring}, {"__close", box_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"schemes", ode_schemes}, {"tableau", ode_tableau}, {NULL, NULL}};

static const struct bind_type type = {tableau_name, NULL, getters, meta, NULL};

void bind_tableau_open(lua_State *L) {
    bind_type(L, &type);
    luaL_newmetatable(L, schemes_name);
    lua_pushcfunction(L, schemes_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "ode");
}
