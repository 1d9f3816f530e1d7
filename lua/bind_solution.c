/* Solutions in Lua: tables of numbers, and of those made with dense = true the state at any time. */
#include <stdio.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "ode/solve.h"

static const char dense_name[] = "continuo.dense";
static const char solution_name[] = "continuo.solution";

/* User values: 1 what the field is made of, 2 the solution's box, 3 its scheme. */
struct dense_box {
    struct solution *solution;
    ptrdiff_t sample;
    bool busy; /* asked and not yet answered */
};

static void push_numbers(lua_State *L, const double *list, ptrdiff_t len) {
    lua_createtable(L, len < 1 << 20 ? (int)len : 0, 0);
    for (ptrdiff_t i = 0; i < len; i++) {
        lua_pushnumber(L, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes { t=, h=, error=, worst=, accepted= }, lists as long as there were attempts. */
static void push_trace(lua_State *L, const struct solution_sample *sample) {
    static const char *const names[] = {"t", "h", "error", "worst", "accepted"};
    const int room = sample->attempts < 1 << 20 ? (int)sample->attempts : 0;
    lua_createtable(L, 0, 5);
    for (int i = 0; i < 5; i++) {
        lua_createtable(L, room, 0);
        for (ptrdiff_t a = 0; a < sample->attempts; a++) {
            const struct solution_attempt *const attempt = &sample->attempt[a];
            if (i == 4) {
                lua_pushboolean(L, attempt->accepted);
            } else if (i == 3) {
                lua_pushinteger(L, attempt->worst + 1);
            } else {
                lua_pushnumber(L, i == 0 ? attempt->t : i == 1 ? attempt->h : attempt->error);
            }
            lua_rawseti(L, -2, a + 1);
        }
        lua_setfield(L, -2, names[i]);
    }
}

void solution_push(lua_State *L, struct solution *solution, ptrdiff_t index,
                   const struct solve_options *o, int field, int box) {
    const struct solution_sample *const sample = &solution->sample[index];
    char text[480];
    lua_createtable(L, 0, 8);
    luaL_setmetatable(L, solution_name);
    push_numbers(L, sample->t, sample->saved);
    lua_setfield(L, -2, "t");
    lua_createtable(L, sample->saved < 1 << 20 ? (int)sample->saved : 0, 0);
    for (ptrdiff_t i = 0; i < sample->saved; i++) {
        push_numbers(L, sample->y + i * solution->n, solution->n);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "y");
    lua_pushinteger(L, sample->evaluations);
    lua_setfield(L, -2, "evaluations");
    lua_pushstring(L, o->adams ? o->adams->name : o->scheme->name);
    lua_setfield(L, -2, "scheme");
    lua_pushstring(L, solution_status_names[sample->status]);
    lua_setfield(L, -2, "status");
    if (sample->status != SOLUTION_DONE) {
        (void)solution_sentence(solution, index, text, sizeof text);
        lua_pushstring(L, text);
        lua_setfield(L, -2, "message");
    }
    lua_pushinteger(L, sample->accepted);
    lua_setfield(L, -2, "accepted");
    if (o->steps == 0) {
        lua_pushinteger(L, sample->rejected);
        lua_setfield(L, -2, "rejected");
        lua_pushstring(L, o->together ? "together" : "each");
        lua_setfield(L, -2, "control");
        if (o->trace) {
            push_trace(L, sample);
            lua_setfield(L, -2, "trace");
        }
    }
    if (o->dense || o->interpolate) {
        lua_pushstring(L, interpolant_names[solution->interpolant]);
        lua_setfield(L, -2, "interpolant");
        lua_pushinteger(L, solution->order);
        lua_setfield(L, -2, "order");
    }
    if (o->dense) {
        struct dense_box *const dense = lua_newuserdatauv(L, sizeof *dense, 3);
        *dense = (struct dense_box){.solution = solution, .sample = index};
        luaL_setmetatable(L, dense_name);
        lua_pushvalue(L, field);
        lua_setiuservalue(L, -2, 1);
        lua_pushvalue(L, box);
        lua_setiuservalue(L, -2, 2);
        (void)lua_getfield(L, 1, "scheme"); /* of the options: may own its coefficients */
        lua_setiuservalue(L, -2, 3);
        lua_setfield(L, -2, "dense");
    }
}

/* ---- states at any time -------------------------------------------------------------------- */

static struct dense_box *dense_of(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "dense");
    lua_rawget(L, 1);
    struct dense_box *const dense = luaL_testudata(L, -1, dense_name);
    if (!dense) {
        bind_refuse(L, "solution:at: this solution has no states between those that were saved; "
                       "solve with dense = true");
    }
    return dense;
}

/* Pushes the state at time t. */
static void push_at(lua_State *L, struct dense_box *dense, struct field_source *source, double t,
                    double *y) {
    struct error error;
    if (dense->busy) { /* its field asks for its own past: there is one room to step in */
        bind_refuse(L, "solution:at: this solution is asked while it is being asked, by its field");
    }
    dense->busy = true;
    const bool fine = solution_at(dense->solution, dense->sample,
                                  source->L ? &source->field : NULL, t, y, &error);
    dense->busy = false;
    field_raise(L, source, NULL);
    if (!fine) {
        bind_refuse(L, "solution:at: %s", error.text);
    }
    push_numbers(L, y, dense->solution->n);
}

static int solution_at_call(lua_State *L) {
    lua_settop(L, 2);
    struct dense_box *const dense = dense_of(L); /* solution, t, dense */
    const ptrdiff_t n = dense->solution->n;
    struct field_source source = {.call = "solution:at"};
    lua_getiuservalue(L, 3, 1);
    if (lua_type(L, 4) == LUA_TFUNCTION) {
        field_function(L, 4, "solution:at", n, &source);
    }
    double *const y = bind_memory(L, n, sizeof *y);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        push_at(L, dense, &source, lua_tonumber(L, 2), y);
        return bind_done(L, 1);
    }
    const struct array *const times = array_from(L, 2, "solution:at: t");
    if (times->rank != 1) {
        bind_refuse(L, "solution:at: t must be a number or a list of numbers");
    }
    lua_createtable(L, times->len < 1 << 20 ? (int)times->len : 0, 0);
    for (ptrdiff_t i = 0; i < times->len; i++) {
        push_at(L, dense, &source, times->values[i], y);
        lua_rawseti(L, -2, i + 1);
    }
    return bind_done(L, 1);
}

static int solution_tostring(lua_State *L) {
    lua_settop(L, 1);
    lua_getfield(L, 1, "scheme");
    lua_getfield(L, 1, "t");
    lua_getfield(L, 1, "evaluations");
    lua_getfield(L, 1, "accepted");
    lua_getfield(L, 1, "rejected");
    lua_getfield(L, 1, "message");
    const lua_Integer saved = lua_type(L, 3) == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, 3) : 0;
    lua_pushfstring(L, "solution by %s: %I state%s saved, %I steps", lua_tostring(L, 2), saved,
                    saved == 1 ? "" : "s", lua_tointeger(L, 5));
    if (!lua_isnil(L, 6)) {
        lua_pushfstring(L, " and %I rejected", lua_tointeger(L, 6));
    } else {
        lua_pushliteral(L, "");
    }
    lua_pushfstring(L, ", %I evaluations%s%s", lua_tointeger(L, 4), lua_isnil(L, 7) ? "" : "\n",
                    lua_isnil(L, 7) ? "" : lua_tostring(L, 7));
    lua_concat(L, 3);
    return 1;
}

/* ---- help ---------------------------------------------------------------------------------- */

static const struct help_entry entries[] = {
    {.name = "solution",
     .group = "ode",
     .signature = "solution.t, solution.y, solution.evaluations, ...",
     .line = "what cn.ode.solve found, and how",
     .text =
         "Fields: t, the saved times; y, the states there, n numbers each; evaluations, how often "
         "the field was evaluated; scheme; accepted, the number of steps; status: \"done\", or "
         "\"step limit\", \"step underflow\", \"non-finite\", \"stiff\" with a sentence in "
         "message.\n\n"
         "Of chosen steps also: rejected; control (\"each\" sample for itself or all "
         "\"together\"); trace = { t=, h=, error=, worst=, accepted= }, lists with an entry for "
         "every attempted step, where error is in units of what is allowed and worst the component "
         "with most of it.\n\n"
         "With interpolate or dense: interpolant, and the order its values converge with.",
     .example = "s = cn.ode.solve{ system = \"van_der_pol\", t1 = 10, rtol = 1e-6 }\n"
                "print(s, s.status, s.trace.h[1], s.trace.error[1])\n"
                "assert(#s.trace.h == s.accepted + s.rejected)"},
    {.name = "solution:at",
     .group = "ode",
     .signature = "solution:at(t) -> state, or solution:at{ t1, t2, .. } -> { state, .. }",
     .line = "the state at any time of a solution made with dense = true",
     .text = "Its values converge with the order solution.order, by the interpolant "
             "solution.interpolant: \"own\" and \"hermite\" are polynomials, \"again\" takes the "
             "step that holds t again, as long as it has to be, and calls f. Refused: times that "
             "were not reached.",
     .example = "s = cn.ode.solve{ f = function(t, y) return { y[2], -y[1] } end, y0 = { 0, 1 },\n"
                "                  t1 = 3, rtol = 1e-9, dense = true }\n"
                "assert(math.abs(s:at(1.234)[1] - math.sin(1.234)) < 1e-7)"},
};

static const luaL_Reg methods[] = {{"at", solution_at_call}, {NULL, NULL}};

void bind_solution_open(lua_State *L) {
    luaL_newmetatable(L, dense_name);
    lua_pop(L, 1);
    if (luaL_newmetatable(L, solution_name)) {
        luaL_newlib(L, methods);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__methods");
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, solution_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
}
