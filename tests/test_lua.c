/* The binding in a Lua state of our own: every file of tests/lua, and every example of the help. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/json.h"

static lua_State *open_state(void) {
    lua_State *L = luaL_newstate();
    cr_assert_not_null(L);
    luaL_openlibs(L);
    luaL_requiref(L, "continuo", luaopen_continuo, 0);
    lua_setglobal(L, "cn");
    return L;
}

static int traceback(lua_State *L) {
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static void run_file(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/lua/%s.lua", TESTS_DIR, name);
    lua_State *L = open_state();
    lua_pushcfunction(L, traceback);
    cr_assert_eq(luaL_loadfile(L, path), LUA_OK, "%s", lua_tostring(L, -1));
    cr_assert_eq(lua_pcall(L, 0, 0, 1), LUA_OK, "%s", lua_tostring(L, -1));
    cr_assert_eq(lua_gettop(L), 1);
    lua_close(L);
}

TestSuite(lua, .timeout = 120);

Test(lua, arrays_carry_numbers_and_refuse_what_they_cannot) {
    run_file("array");
}

Test(lua, fields_written_in_lua_are_solved_on_exact_grids) {
    run_file("ode");
}

Test(lua, schemes_of_ones_own_are_verified_and_go_everywhere) {
    run_file("tableau");
}

Test(lua, steps_are_chosen_and_states_between_them_known) {
    run_file("solve");
}

Test(lua, systems_are_objects_with_their_solutions) {
    run_file("system");
}

Test(lua, trajectories_become_data_sets_in_doubles) {
    run_file("trajectory");
}

static void keep_warning(void *text, const char *piece, int more) {
    (void)more;
    (void)strncat(text, piece, 511 - strlen(text));
}

Test(lua, states_alone_do_not_tell_a_field_that_reads_time) {
    static char text[512];
    lua_State *L = open_state();
    lua_setwarnf(L, keep_warning, text);
    cr_assert_eq(luaL_dostring(L, "cn.data.system{ system = 'lorenz', count = 10, t1 = 1 }\n"
                                  "cn.data.system{ system = 'duffing', count = 10, t1 = 1,"
                                  " times = 'given' }"),
                 LUA_OK, "%s", lua_tostring(L, -1));
    cr_expect_str_eq(text, "");
    cr_assert_eq(luaL_dostring(L, "cn.data.system{ system = 'duffing', count = 10, t1 = 1 }"),
                 LUA_OK);
    cr_expect(strstr(text, "note: the field of system duffing depends on time"), "%s", text);
    lua_close(L);
}

Test(lua, data_sets_come_in_parts_that_keep_them_alive) {
    run_file("data");
}

Test(lua, nets_run_save_load_and_refuse) {
    run_file("net");
}

Test(lua, nets_written_layer_by_layer_have_exact_gradients) {
    run_file("stack");
}

Test(lua, convergence_tests_judge_fields_and_nets) {
    run_file("convergence");
}

Test(lua, nets_that_are_fields_learn_what_their_scheme_sees) {
    run_file("dynamics");
}

Test(lua, jobs_train_pause_stop_and_leave_nets_alone) {
    run_file("train");
}

Test(lua, studies_agree_with_single_evaluations) {
    run_file("study");
}

Test(lua, closing_the_state_stops_what_still_trains) {
    char folder[] = "/tmp/continuo-lua-XXXXXX", code[640], command[80];
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(code, sizeof code,
                   "cn.train{ net = cn.net.mlp{ input = {2}, outputs = 2 }, data = cn.data.rings{},"
                   " epochs = 1e6, runs = '%s' }\n"
                   "cn.train{ net = cn.net.mlp{ input = {2}, outputs = 2 }, data = cn.data.rings{},"
                   " epochs = 1e6, runs = '%s' }:pause()",
                   folder, folder);
    lua_State *L = open_state();
    cr_assert_eq(luaL_dostring(L, code), LUA_OK, "%s", lua_tostring(L, -1));
    lua_close(L);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* Examples are read by people: each must run as it stands. */
Test(lua, every_example_of_the_binding_runs) {
    char folder[] = "/tmp/continuo-lua-XXXXXX", command[80];
    int ran = 0;
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(setenv("TMPDIR", folder, 1), 0);
    for (int i = 0; i < help_count() || i == 0; i++) {
        lua_State *L = open_state();
        (void)luaL_dostring(L, "print = function() end");
        const struct help_entry *entry = help_at(i);
        if (entry->example && strcmp(entry->group, "prompt") != 0) {
            const int status = luaL_dostring(L, entry->example);
            cr_assert_eq(status, LUA_OK, "%s: %s", entry->name,
                         status == LUA_OK ? "" : lua_tostring(L, -1));
            ran++;
        }
        lua_close(L);
    }
    cr_assert_gt(ran, 10);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* The JSON text of a Lua expression, or the refusal with a '!' in front; the caller frees it. */
static char *convert(const char *expression) {
    char code[512];
    struct error error;
    lua_State *L = luaL_newstate();
    (void)snprintf(code, sizeof code, "return %s", expression);
    cr_assert_eq(luaL_dostring(L, code), LUA_OK, "%s", lua_tostring(L, -1));
    const int top = lua_gettop(L);
    cJSON *json = json_from_lua(L, -1, "call", NULL, &error);
    cr_assert_eq(lua_gettop(L), top);
    char *text = json ? cJSON_PrintUnformatted(json) : malloc(sizeof error.text + 1);
    if (!json) {
        (void)snprintf(text, sizeof error.text + 1, "!%s", error.text);
    }
    cJSON_Delete(json);
    lua_close(L);
    return text;
}

static void converts(const char *expression, const char *expected) {
    char *text = convert(expression);
    cr_expect_str_eq(text, expected);
    free(text);
}

Test(lua, tables_become_lists_or_objects) {
    converts("{ 1, 2.5, 'x', true, { -3 } }", "[1,2.5,\"x\",true,[-3]]");
    converts("{ a = { b = { 1, { c = false } } } }", "{\"a\":{\"b\":[1,{\"c\":false}]}}");
    converts("{}", "{}");
    converts("{ 1e300 }", "[1e+300]");
}

Test(lua, what_json_cannot_hold_is_refused_with_its_path) {
    converts("{ a = { b = { [2] = 1, [7] = 1 } } }",
             "!call: a.b is a list with holes: positions must be 1, 2, 3, ...");
    converts("{ a = { 1, nil, 3 } }", "!call: a[2] is missing: a list has no holes");
    converts("{ a = { 1, b = 2 } }",
             "!call: a mixes names and positions: write either { a = 1 } or { 1, 2 }");
    converts("{ a = { [true] = 1 } }", "!call: a has a key that is neither a name nor a position");
    converts("{ a = { 0/0 } }", "!call: a[1] is not a number (nan)");
    converts("{ a = 1/0 }", "!call: a is infinite");
    converts("{ a = 9007199254740993 }",
             "!call: a is an integer beyond 2^53 that cannot be kept exactly");
    converts("{ a = { 'x\\0y' } }", "!call: a[1] is text with a zero byte in it");
    converts("(function() local t = {} t.a = { t } return t end)()",
             "!call: a[1] contains itself");
    converts("(function() local t = {} for i = 1, 40 do t = { t } end return t end)()",
             "!call: [1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]"
             "[1][1][1][1][1][1][1] is nested too deeply");
    converts("{ a = function() end }", "!call: a is a function, which cannot be an option");
}

Test(lua, json_comes_back_as_it_went) {
    lua_State *L = luaL_newstate();
    cJSON *json = cJSON_Parse("{\"a\":[1,2.5,\"x\",true],\"b\":null,\"c\":{}}");
    json_to_lua(L, json);
    cJSON_Delete(json);
    lua_getfield(L, -1, "a");
    lua_rawgeti(L, -1, 1);
    cr_expect(lua_isinteger(L, -1));
    lua_rawgeti(L, -2, 2);
    cr_expect_float_eq(lua_tonumber(L, -1), 2.5, 0);
    lua_settop(L, 1);
    lua_getfield(L, -1, "b");
    cr_expect(lua_isnil(L, -1));
    lua_close(L);
}

/* ---- a Lua that runs out of memory --------------------------------------------------------- */

struct allowance {
    size_t left; /* allocations until one fails */
};

static void *allocate(void *context, void *block, size_t old, size_t size) {
    struct allowance *allowance = context;
    (void)old;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (allowance->left == 0) {
        return NULL;
    }
    allowance->left--;
    return realloc(block, size);
}

/* Whatever allocation fails, objects are found by __gc: the sanitizers see leaks. */
Test(lua, running_out_of_memory_leaks_nothing) {
    static const char code[] =
        "local a = cn.array.new{ {1, 2}, {3, 4} }\n"
        "local d = cn.data.memory{ x = a, labels = {0, 1}, test = 1 }\n"
        "local n = cn.net.mlp{ input = {2}, outputs = 2 }\n"
        "return n:forward(a), n:evaluate(d.test), tostring(n), cn.ode.tableau 'rk4'\n";
    bool done = false;
    for (size_t allowed = 0; !done && allowed < 4000; allowed += allowed < 300 ? 7 : 31) {
        struct allowance allowance = {SIZE_MAX};
        lua_State *L = lua_newstate(allocate, &allowance);
        luaL_openlibs(L);
        luaL_requiref(L, "continuo", luaopen_continuo, 0);
        lua_setglobal(L, "cn");
        lua_gc(L, LUA_GCSTOP);
        allowance.left = allowed;
        int status = luaL_loadstring(L, code);
        if (status == LUA_OK) {
            status = lua_pcall(L, 0, LUA_MULTRET, 0);
        }
        cr_assert(status == LUA_OK || status == LUA_ERRMEM, "%s", lua_tostring(L, -1));
        done = status == LUA_OK;
        allowance.left = SIZE_MAX;
        lua_close(L);
    }
    cr_assert(done);
}
