/* Printed values: what fits stands in a line, what does not is cut and says so. */
#include <criterion/criterion.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lua/printer.h"
#include "lua/state.h"

static lua_State *L;

static void begin(void) {
    struct error error;
    L = state_create(&error);
    cr_assert_not_null(L);
}

static void end(void) {
    state_close(L);
}

TestSuite(printer, .init = begin, .fini = end);

static const char *print(const char *code, int width, int height) {
    cr_assert_eq(luaL_dostring(L, code), LUA_OK, "%s", lua_tostring(L, -1));
    printer_push(L, -1, width, height);
    return lua_tostring(L, -1);
}

static int widest(const char *text) {
    int most = 0;
    while (*text) {
        int len = (int)strcspn(text, "\n");
        most = len > most ? len : most;
        text += len + (text[len] == '\n');
    }
    return most;
}

static int lines(const char *text) {
    int count = 1;
    for (; *text; text++) {
        count += *text == '\n';
    }
    return count;
}

Test(printer, scalars_are_written_as_source) {
    cr_assert_str_eq(print("return 2.385", 80, 20), "2.385");
    cr_assert_str_eq(print("return -17", 80, 20), "-17");
    cr_assert_str_eq(print("return nil", 80, 20), "nil");
    cr_assert_str_eq(print("return false", 80, 20), "false");
    cr_assert_str_eq(print("return 'a\\\"b\\0\\t'", 80, 20), "\"a\\\"b\\000\\t\"");
}

Test(printer, text_of_several_lines_is_left_readable) {
    cr_assert_str_eq(print("return 'first\\nsecond\\n'", 80, 20), "first\nsecond");
}

Test(printer, a_small_table_takes_one_line_with_sorted_keys) {
    cr_assert_str_eq(print("return {3, 1, b = 'x', a = {true}, [2.5] = 4}", 80, 20),
                     "{3, 1, [2.5] = 4, a = {true}, b = \"x\"}");
}

Test(printer, a_wide_table_takes_a_line_for_each_key) {
    const char *text = print("return {accuracy = 0.8812, loss = 0.3611, seconds = 17.25}", 30, 20);
    cr_assert_str_eq(text, "{\n  accuracy = 0.8812,\n  loss     = 0.3611,\n"
                           "  seconds  = 17.25,\n}");
}

Test(printer, a_table_inside_itself_is_a_cycle) {
    const char *text = print("local t = {n = 1} t.self = t t.list = {t} return t", 80, 20);
    cr_assert_str_eq(text, "{list = {<cycle>}, n = 1, self = <cycle>}");
}

Test(printer, a_shared_table_is_no_cycle) {
    cr_assert_str_eq(print("local s = {7} return {s, s}", 80, 20), "{{7}, {7}}");
}

Test(printer, long_lists_fit_the_screen_and_say_what_is_missing) {
    const char *text =
        print("local t = {} for i = 1, 100000 do t[i] = i * 0.37 end return t", 60, 12);
    cr_assert_leq(widest(text), 60);
    cr_assert_leq(lines(text), 13);
    cr_assert_not_null(strstr(text, "more"));
}

Test(printer, deep_and_wide_tables_end) {
    const char *text = print("local function f(n) if n == 0 then return 1 end local t = {} "
                             "for i = 1, 6 do t['key' .. i] = f(n - 1) end return t end return f(6)",
                             80, 20);
    cr_assert_leq(lines(text), 40);
}

Test(printer, objects_print_themselves) {
    cr_assert_str_eq(
        print("return setmetatable({}, {__tostring = function() return 'net of 3' end})", 80, 20),
        "net of 3");
    cr_assert_str_eq(print("return setmetatable({}, {__repr = function(o, w, h) return w .. 'x' .. h "
                           "end})",
                           77, 19),
                     "77x19");
}

Test(printer, an_error_in_an_object_does_not_escape) {
    const char *text =
        print("return {setmetatable({}, {__tostring = function() error('broken', 0) end})}", 80, 20);
    cr_assert_str_eq(text, "{<table: broken>}");
}

Test(printer, functions_with_help_are_named) {
    cr_assert_str_eq(print("return help", 80, 20), "<function help>");
}
