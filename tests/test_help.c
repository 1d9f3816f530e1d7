/* The registry of help: complete entries, examples that run, pages that fit. */
#include <criterion/criterion.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/help.h"
#include "lua/state.h"
#include "scratch.h"

enum { WIDTH = 80 };

static lua_State *open_state(void) {
    struct error error;
    lua_State *L = state_create(&error);
    cr_assert_not_null(L);
    cr_assert_eq(luaL_dostring(L, "printed = {} print = function(...) for i = 1, select('#', ...) "
                                  "do printed[#printed + 1] = tostring((select(i, ...))) end end"),
                 LUA_OK);
    return L;
}

TestSuite(help, .fini = scratch_remove, .timeout = 240);

Test(help, every_entry_says_what_it_is) {
    lua_State *L = open_state();
    cr_assert_gt(help_count(), 40);
    for (int i = 0; i < help_count(); i++) {
        const struct help_entry *entry = help_at(i);
        cr_assert(entry->name && entry->name[0]);
        cr_assert(entry->group && entry->group[0], "%s has no group", entry->name);
        cr_assert(entry->line && entry->line[0], "%s has no line", entry->name);
        size_t len = strlen(entry->line);
        cr_assert_neq(entry->line[len - 1], '.', "the line of %s ends in a full stop", entry->name);
        cr_assert(entry->signature && (entry->signature[0] || strcmp(entry->group, "topics") == 0),
                  "%s has no signature", entry->name);
        cr_assert_eq(help_find(entry->name), entry, "%s is there twice", entry->name);
    }
    state_close(L);
}

Test(help, every_function_of_the_library_has_help) {
    lua_State *L = open_state();
    int status = luaL_dostring(
        L, "local missing = {} "
           "local function walk(t, path) for k, v in pairs(t) do local name = path .. '.' .. k "
           "if type(v) == 'table' and not getmetatable(v) then walk(v, name) "
           "elseif type(v) == 'function' and not pcall(help, v) then missing[#missing + 1] = name "
           "end end end walk(cn, 'cn') return table.concat(missing, ' ')");
    cr_assert_eq(status, LUA_OK, "%s", lua_tostring(L, -1));
    cr_assert_str_eq(lua_tostring(L, -1), "");
    state_close(L);
}

Test(help, every_described_name_exists) {
    lua_State *L = open_state();
    for (int i = 0; i < help_count(); i++) {
        const char *name = help_at(i)->name;
        if (strncmp(name, "cn.", 3) == 0) {
            char code[160];
            (void)snprintf(code, sizeof code, "assert(%s ~= nil)", name);
            cr_assert_eq(luaL_dostring(L, code), LUA_OK, "%s has help but does not exist", name);
        }
    }
    state_close(L);
}

Test(help, every_example_runs_by_itself) {
    lua_State *first = open_state();
    cr_assert_eq(chdir(scratch_path("")), 0);
    for (int i = 0; i < help_count(); i++) {
        const struct help_entry *entry = help_at(i);
        if (!entry->example) {
            continue;
        }
        lua_State *L = open_state();
        bool fine = state_load(L, entry->example, strlen(entry->example), "example") == STATE_LOADED &&
                    state_call(L, 0, 0);
        cr_expect(fine, "example of %s: %s", entry->name, fine ? "" : lua_tostring(L, -1));
        state_close(L);
    }
    state_close(first);
    cr_assert_eq(chdir("/"), 0);
}

Test(help, pages_fit_the_width) {
    lua_State *L = open_state();
    for (int i = 0; i < help_count(); i++) {
        char *page = help_page(help_at(i), WIDTH);
        cr_assert_not_null(page);
        size_t example = help_at(i)->example ? strlen(help_at(i)->example) : 0;
        const char *stop = example ? strstr(page, "\nExample\n") : page + strlen(page);
        for (const char *at = page; at < stop;) {
            int len = (int)strcspn(at, "\n");
            cr_expect_leq(len, WIDTH + 8, "%s: %.*s", help_at(i)->name, len, at);
            at += len + (at[len] == '\n');
        }
        free(page);
    }
    state_close(L);
}

Test(help, options_are_printed_with_default_and_meaning) {
    lua_State *L = open_state();
    char *page = help_page(help_find("cn.train"), WIDTH);
    cr_assert_not_null(strstr(page, "\nOptions\n"));
    cr_assert_not_null(strstr(page, "  epochs"));
    cr_assert_not_null(strstr(page, "  batch ="));
    free(page);
    state_close(L);
}

Test(help, finds_things_by_value_and_by_name) {
    lua_State *L = open_state();
    static const char *const same[] = {
        "help(cn.train)", "help 'cn.train'", "help 'train'",
        "local m = cn.net.mlp{ input = {2}, outputs = 2 } help(m)",
        "local m = cn.net.mlp{ input = {2}, outputs = 2 } help(m.evaluate)",
        "m = cn.net.mlp{ input = {2}, outputs = 2 } help 'm.evaluate'", "help 'critical step'",
        "help()", "apropos 'scheme'"};
    static const char *const begins[] = {"cn.train{", "cn.train{", "cn.train{", "net", "net:evaluate",
                                         "net:evaluate", "critical step", "continuo:", "  "};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        cr_assert_eq(luaL_dostring(L, same[i]), LUA_OK, "%s: %s", same[i], lua_tostring(L, -1));
        cr_assert_eq(luaL_dostring(L, "return table.remove(printed)"), LUA_OK);
        const char *text = lua_tostring(L, -1);
        cr_assert_eq(strncmp(text, begins[i], strlen(begins[i])), 0, "%s gives %.40s", same[i],
                     text);
        lua_settop(L, 0);
    }
    state_close(L);
}

Test(help, unknown_names_are_answered_with_the_nearest) {
    lua_State *L = open_state();
    cr_assert_neq(luaL_dostring(L, "help 'cn.trian'"), LUA_OK);
    cr_assert_not_null(strstr(lua_tostring(L, -1), "nearest is \"cn.train\""));
    cr_assert_neq(luaL_dostring(L, "help 'manifestaton'"), LUA_OK);
    cr_assert_not_null(strstr(lua_tostring(L, -1), "nearest is \"manifestation\""));
    cr_assert_neq(luaL_dostring(L, "help(17)"), LUA_OK);
    cr_assert_neq(luaL_dostring(L, "apropos 'zzyzx'"), LUA_OK);
    state_close(L);
}
