/* Vector fields from Lua: a function f(t, y, dy), a built-in system, an ODE block of a net. The
 * engine calls a function through lua_pcall, so that nothing jumps across it; what was raised is
 * kept on the stack and raised again when the engine has come back. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "nets/net_field.h"
#include "ode/system.h"

enum { SLOTS = 12 }; /* of the stack, while the function is called */

/* What one call of the engine asks of a function. */
struct inquiry {
    struct field_source *source;
    ptrdiff_t count;
    const double *t, *y;
    double *dy;
};

static bool refuse(struct field_source *source, double t, ptrdiff_t i, const char *got) {
    if (i < 0) {
        return error_set(&source->error, ERROR_VALUE,
                         "%s: f must fill its third argument or return a table, not a %s",
                         source->call, got);
    }
    return error_set(&source->error, ERROR_VALUE, "%s: f gave no number for dy[%td] at t = %g but %s",
                     source->call, i + 1, t, got);
}

/* dy (n) from the function for one state; the stack holds f, y and dy at 2, 3 and 4. */
static bool ask(lua_State *L, struct field_source *source, double t, const double *y, double *dy) {
    const ptrdiff_t n = source->field.n;
    for (ptrdiff_t i = 0; i < n; i++) {
        lua_pushnumber(L, y[i]);
        lua_rawseti(L, 3, i + 1);
        lua_pushnil(L);
        lua_rawseti(L, 4, i + 1);
    }
    lua_pushvalue(L, 2);
    lua_pushnumber(L, t);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 4);
    lua_call(L, 3, 1);
    if (lua_isnil(L, -1)) {
        lua_pushvalue(L, 4);
    } else if (lua_type(L, -1) != LUA_TTABLE) {
        return refuse(source, t, -1, luaL_typename(L, -1));
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        lua_rawgeti(L, -1, i + 1);
        if (lua_type(L, -1) != LUA_TNUMBER) {
            return refuse(source, t, i, luaL_typename(L, -1));
        }
        dy[i] = (double)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, 4);
    return true;
}

/* The protected part. Arguments: the inquiry, f, and the tables y and dy. */
static int ask_all(lua_State *L) {
    const struct inquiry *const inquiry = lua_touserdata(L, 1);
    const ptrdiff_t n = inquiry->source->field.n;
    bool fine = true;
    for (ptrdiff_t i = 0; fine && i < inquiry->count; i++) {
        fine = ask(L, inquiry->source, inquiry->t[i], inquiry->y + i * n, inquiry->dy + i * n);
    }
    lua_pushboolean(L, fine);
    return 1;
}

static bool function_value(void *context, ptrdiff_t count, const double *t, const double *y,
                           double *dy) {
    struct field_source *const source = context;
    lua_State *const L = source->L;
    if (source->raised || source->error.code != ERROR_NONE) {
        return false; /* what came first is what is raised */
    }
    struct inquiry inquiry = {source, count, t, y, dy};
    lua_pushcfunction(L, ask_all);
    lua_pushlightuserdata(L, &inquiry);
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, source->place + i);
    }
    source->raised = lua_pcall(L, 4, 1, 0) != LUA_OK;
    if (source->raised) {
        return false; /* the error stays on the stack */
    }
    const bool fine = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return fine;
}

void field_function(lua_State *L, int index, const char *call, ptrdiff_t n,
                    struct field_source *source) {
    lua_pushvalue(L, index);
    lua_newtable(L);
    lua_newtable(L);
    luaL_checkstack(L, SLOTS, call);
    *source = (struct field_source){
        .call = call,
        .L = L,
        .place = lua_gettop(L) - 2,
        .field = {.name = "f", .n = n, .value = function_value, .context = source}};
}

static void release_net_field(void *field) {
    net_field_free(field);
}

/* The block of the net on top of the stack, which a box takes the place of. */
static void field_net(lua_State *L, int index, const char *call, struct field_source *source) {
    if (!luaL_testudata(L, -1, "continuo.net")) {
        bind_refuse(L, "%s: \"net\" must be a net, from cn.net.dynamics{...} or its like, not a %s",
                    call, luaL_typename(L, -1));
    }
    ptrdiff_t block = 1;
    if (lua_getfield(L, index, "block") != LUA_TNIL) {
        block = bind_integer(L, -1, call, "block", 1);
    }
    lua_pop(L, 1);
    struct error error;
    const int place = lua_gettop(L);
    struct bind_box *const box = bind_box(L, release_net_field);
    const struct net *const net = net_use(L, place, -1);
    box->pointer = net_field_create(net, block < INT_MAX ? (int)block - 1 : INT_MAX - 1, &error);
    if (!box->pointer) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    source->field = net_field_ode(box->pointer);
    source->timed = true;
    source->t1 = net_field_time(box->pointer);
    lua_pushvalue(L, place + 1);
    lua_replace(L, place);
    lua_settop(L, place);
    source->place = place;
    source->break_count = net_field_cells(box->pointer) - 1;
    if (source->break_count > 0) {
        source->breaks = bind_memory(L, source->break_count, sizeof *source->breaks);
        for (int i = 0; i < source->break_count; i++) {
            source->breaks[i] = net_field_border(box->pointer, i + 1);
        }
    }
}

static const char *const keys[] = {"f", "system", "net"};
enum { KEYS = sizeof keys / sizeof *keys };

void field_from(lua_State *L, int index, const char *call, struct field_source *source) {
    int given = -1;
    *source = (struct field_source){.call = call};
    for (int i = 0; i < KEYS; i++) {
        if (lua_getfield(L, index, keys[i]) != LUA_TNIL) {
            if (given >= 0) {
                bind_refuse(L, "%s: \"%s\" and \"%s\" are both given; it takes one field", call,
                            keys[given], keys[i]);
            }
            given = i;
        }
        lua_pop(L, 1);
    }
    lua_getfield(L, index, keys[given < 0 ? 0 : given]);
    if (given == 2) {
        field_net(L, index, call, source);
        return;
    }
    if (given == 1) {
        source->system = system_from(L, lua_gettop(L), call);
        lua_replace(L, -2);
        source->field = system_field(source->system);
        source->timed = true;
        source->t0 = source->system->t0;
        source->t1 = source->system->t1;
        source->place = lua_gettop(L);
        return;
    }
    if (lua_type(L, -1) != LUA_TFUNCTION) {
        bind_refuse(L,
                    "%s: \"f\" must be a function f(t, y, dy) that fills dy, not %s; or give "
                    "system = or net =",
                    call, luaL_typename(L, -1));
    }
    field_function(L, lua_gettop(L), call, 0, source);
}

void field_raise(lua_State *L, struct field_source *source, struct bind_box *box) {
    if (source->raised) { /* the error is on top */
        if (box) {
            bind_box_empty(box);
        }
        lua_error(L);
    }
    if (source->error.code != ERROR_NONE) {
        if (box) {
            bind_box_empty(box);
        }
        bind_raise(L, &source->error);
    }
}
