#include "lua/convergence_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/plot_text.h"

static const char study_name[] = "continuo.convergence";
enum { PLOT_WIDTH = 79 };

static void set_numbers(lua_State *L, const char *name, const double *numbers, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double number) {
    if (!isnan(number)) {
        lua_pushnumber(L, number);
        lua_setfield(L, -2, name);
    }
}

static void push_curve(lua_State *L, const struct convergence *c,
                       const struct convergence_curve *curve, bool is_true) {
    char text[320];
    lua_createtable(L, 0, 14);
    lua_pushstring(L, curve->scheme->name);
    lua_setfield(L, -2, "scheme");
    lua_pushboolean(L, is_true);
    lua_setfield(L, -2, "truth");
    set_number(L, "slope", curve->fit.slope);
    set_number(L, "order", curve->fit.slope);
    set_number(L, "interval", curve->fit.interval);
    set_number(L, "gap", curve->gap);
    lua_pushinteger(L, curve->expected.order);
    lua_setfield(L, -2, "expected");
    lua_pushboolean(L, convergence_confirms(curve));
    lua_setfield(L, -2, "confirmed");
    order_sentence(&curve->fit, c->h, c->grid_count, text, sizeof text);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "text");
    set_numbers(L, "h", c->h, c->grid_count);
    set_numbers(L, "error", curve->error, c->grid_count);
    set_numbers(L, "rms", curve->rms, c->grid_count);
    set_numbers(L, "self", curve->self, c->grid_count - 1);
    set_numbers(L, "slopes", curve->fit.local, c->grid_count - 2);
}

/* Sets t[scheme] of the table on top, and appends each curve to the list at `list`. */
static void set_curves(lua_State *L, const struct convergence *c, bool is_true, int list) {
    for (int i = 0; i < c->curve_count; i++) {
        push_curve(L, c, &c->curve[i], is_true);
        lua_pushvalue(L, -1);
        lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        lua_setfield(L, -2, c->curve[i].scheme->name);
    }
}

/* A step as a multiple of dt: "1/64", "16". */
static const char *multiple(int j, char text[16]) {
    (void)snprintf(text, 16, j < 0 ? "1/%d" : "%d", 1 << (j < 0 ? -j : j));
    return text;
}

enum { COLUMNS = 5 }; /* schemes beside each other in 80 columns */

static void add_block(luaL_Buffer *buffer, const struct convergence *c,
                      const struct tableau *trained, int first) {
    const int last = first + COLUMNS < c->curve_count ? first + COLUMNS : c->curve_count;
    char line[128], text[32];
    (void)snprintf(line, sizeof line, "\n%10s %6s", "h", "h/dt");
    luaL_addstring(buffer, line);
    for (int i = first; i < last; i++) {
        (void)snprintf(line, sizeof line, " %11.11s", c->curve[i].scheme->name);
        luaL_addstring(buffer, line);
    }
    for (int k = 0; k < c->grid_count; k++) {
        (void)snprintf(line, sizeof line, "\n%10.4g %6s", c->h[k],
                       multiple(c->trained - k, text));
        luaL_addstring(buffer, line);
        for (int i = first; i < last; i++) {
            const bool own = k == c->trained && c->curve[i].scheme == trained;
            (void)snprintf(text, sizeof text, own ? "[%.2e]" : "%.2e ", c->curve[i].error[k]);
            (void)snprintf(line, sizeof line, " %11s", text);
            luaL_addlstring(buffer, line, strlen(line) - (i + 1 == last && !own));
        }
    }
    (void)snprintf(line, sizeof line, "\n%-17s", "  order");
    luaL_addstring(buffer, line);
    for (int i = first; i < last; i++) {
        const struct convergence_curve *const curve = &c->curve[i];
        (void)snprintf(text, sizeof text, "%.2f of %d", curve->fit.slope, curve->expected.order);
        (void)snprintf(line, sizeof line, " %11s",
                       curve->fit.status == ORDER_FITTED ? text : "none");
        luaL_addstring(buffer, line);
    }
}

static void add_table(luaL_Buffer *buffer, const struct convergence *c, const char *what,
                      const struct tableau *trained) {
    luaL_addstring(buffer, "\n");
    luaL_addstring(buffer, what);
    for (int first = 0; first < c->curve_count; first += COLUMNS) {
        add_block(buffer, c, trained, first);
    }
}

static void push_text(lua_State *L, const struct convergence_report *report) {
    const struct convergence_problem *const problem = report->problem;
    char line[200];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "error at t = %.6g from %td state%s at t = %.6g (of size %.3g, seen from %.0e)",
                   problem->t1, problem->count, problem->count == 1 ? "" : "s", problem->t0,
                   problem->size, problem->resolution);
    luaL_addstring(&buffer, line);
    if (report->learned) {
        (void)snprintf(line, sizeof line,
                       "learned field, trained with %s at dt = %.6g (in brackets)",
                       report->trained->name, problem->dt);
        add_table(&buffer, report->learned, line, report->trained);
    }
    if (report->truth) {
        add_table(&buffer, report->truth, "true field", report->learned ? NULL : report->trained);
    }
    if (problem->left_out > 0) {
        (void)snprintf(line, sizeof line, "\n%d larger steps do not divide the time",
                       problem->left_out);
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
}

static int study_tostring(lua_State *L) {
    if (!luaL_getmetafield(L, 1, "text")) {
        lua_pushliteral(L, "convergence");
    }
    return 1;
}

void convergence_table_push(lua_State *L, const struct convergence_report *report) {
    const struct convergence *const own = report->learned ? report->learned : report->truth;
    lua_newtable(L); /* list of all curves */
    const int list = lua_gettop(L);
    lua_newtable(L);
    const int table = lua_gettop(L);
    set_curves(L, own, !report->learned, list);
    lua_newtable(L); /* meta */
    lua_pushstring(L, study_name);
    lua_setfield(L, -2, "__name");
    push_text(L, report);
    lua_setfield(L, -2, "text");
    lua_pushcfunction(L, study_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_newtable(L); /* index */
    plot_text_convergence(L, report->learned, report->truth, report->trained, PLOT_WIDTH, 0);
    lua_setfield(L, -2, "plot");
    set_number(L, "dt", own->dt);
    set_number(L, "t0", report->problem->t0);
    set_number(L, "t1", report->problem->t1);
    set_number(L, "limit", own->floor);
    set_number(L, "resolution", own->resolution);
    set_number(L, "size", own->size);
    set_number(L, "seconds", own->seconds);
    set_number(L, "evaluations", own->cost);
    lua_pushstring(L, report->trained->name);
    lua_setfield(L, -2, "trained");
    if (report->learned && report->truth) {
        lua_newtable(L);
        set_curves(L, report->truth, true, list);
        lua_setfield(L, -2, "truth");
    }
    lua_pushvalue(L, list);
    lua_setfield(L, -2, "curves");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, table);
    lua_remove(L, list);
}
