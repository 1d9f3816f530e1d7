/* Reports of errors: message, place, source, a mark under the word, what was meant. */
#include <criterion/criterion.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

TestSuite(report, .init = begin, .fini = end);

/* The report of a chunk that fails, to compile or to run. */
static const char *report(const char *code) {
    if (state_load(L, code, strlen(code), "prompt 1") == STATE_LOADED) {
        cr_assert(!state_call(L, 0, 0), "no error in: %s", code);
    }
    return lua_tostring(L, -1);
}

Test(report, marks_the_name_that_is_nil) {
    cr_assert_str_eq(report("local t = {}\nprint(t.width.x)"),
                     "error: attempt to index a nil value (field 'width')\n"
                     "  prompt 1, line 2\n"
                     "     1 | local t = {}\n"
                     "     2 | print(t.width.x)\n"
                     "       |         ^^^^^");
}

Test(report, suggests_globals_fields_and_methods) {
    cr_assert_not_null(strstr(report("prnit(1)"), "did you mean 'print'?"));
    cr_assert_not_null(strstr(report("string.formt('x')"), "did you mean 'format'?"));
    cr_assert_not_null(strstr(report("local s = 'x' s:uper()"), "did you mean 'upper'?"));
    cr_assert_not_null(strstr(report("local own = {width = 3} own.widht.x = 1"), "'width'?"));
}

Test(report, names_the_callers_with_their_lines) {
    const char *text = report("local function inner(x)\n  error('too wide: ' .. x)\nend\n"
                              "local function outer()\n  inner(7)\n  return 1\nend\nouter()\n");
    cr_assert_not_null(strstr(text, "error: too wide: 7\n  prompt 1, line 2, in function 'inner'"));
    cr_assert_not_null(strstr(text, "called from prompt 1, line 5, in function 'outer'"));
    cr_assert_not_null(strstr(text, "     8 | outer()"));
    cr_assert_null(strstr(text, "[C]"));
}

Test(report, folds_recursion) {
    const char *text =
        report("local function f(n) if n == 0 then error('deep') end f(n - 1) end f(50)");
    cr_assert_not_null(strstr(text, "more callers"));
    cr_assert_lt(strlen(text), 800);
}

Test(report, finds_a_quoted_value_on_a_later_line_of_the_call) {
    const char *text = report("local f = function() error('scheme \"rk5\" does not exist', 2) end\n"
                  "f{ steps = 2,\n   scheme = \"rk5\" }\n");
    cr_assert_not_null(strstr(text, "     3 |    scheme = \"rk5\" }\n       |              ^^^"));
}

Test(report, syntax_errors_show_their_line) {
    cr_assert_str_eq(report("x = 1\nx = = 3"), "error: unexpected symbol near '='\n"
                                               "  prompt 1, line 2\n"
                                               "     1 | x = 1\n"
                                               "     2 | x = = 3\n"
                                               "       |     ^");
}

Test(report, reads_source_lines_from_files) {
    char path[] = "/tmp/continuo_report_XXXXXX.lua";
    int fd = mkstemps(path, 4);
    static const char code[] = "#!/usr/bin/env lua\nlocal width = 16\nwidht.x = 1\n";
    cr_assert_eq(write(fd, code, sizeof code - 1), (ssize_t)sizeof code - 1);
    (void)close(fd);
    cr_assert_eq(state_load_file(L, path), STATE_LOADED);
    cr_assert(!state_call(L, 0, 0));
    cr_assert_not_null(strstr(lua_tostring(L, -1), "     3 | widht.x = 1\n       | ^^^^^"));
    (void)unlink(path);
}

Test(report, a_missing_script_is_one_sentence) {
    cr_assert_eq(state_load_file(L, "/no/such/script.lua"), STATE_REFUSED);
    cr_assert_str_eq(lua_tostring(L, -1), "error: cannot read the script \"/no/such/script.lua\": "
                                          "No such file or directory");
    cr_assert_eq(state_load_file(L, "/tmp"), STATE_REFUSED);
    cr_assert_not_null(strstr(lua_tostring(L, -1), "directory"));
}

Test(report, values_that_are_no_text_are_printed) {
    cr_assert_not_null(strstr(report("error{code = 17}"), "error: {code = 17}"));
    cr_assert_not_null(strstr(report("error()"), "error: nil"));
}

Test(report, errors_of_coroutines_say_their_place_once) {
    const char *text = report("local f = coroutine.wrap(function() error('inside') end)\nf()");
    cr_assert_null(strstr(text, "prompt 1:1: prompt"));
    cr_assert_not_null(strstr(text, "inside"));
}

Test(report, unfinished_chunks_are_told_from_wrong_ones) {
    static const char *const unfinished[] = {"for i = 1, 3 do", "x = {", "f(", "x = [[\nabc",
                                             "if true then print(1)"};
    static const char *const wrong[] = {"x = = 1", "end", "for for", "1 2"};
    for (size_t i = 0; i < sizeof unfinished / sizeof *unfinished; i++) {
        cr_assert_eq(state_load(L, unfinished[i], strlen(unfinished[i]), "p"), STATE_INCOMPLETE,
                     "%s", unfinished[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(state_load(L, wrong[i], strlen(wrong[i]), "p"), STATE_REFUSED, "%s", wrong[i]);
    }
    bool more = false;
    cr_assert(!state_load_expression(L, "1 +", 3, "p", &more));
    cr_assert(more);
}

Test(report, strict_globals_hold_for_the_prompt_alone) {
    state_be_strict(L, "prompt");
    cr_assert_not_null(strstr(report("return prnt"), "\"prnt\" is not defined; did you mean"));
    cr_assert_not_null(strstr(report("return zzyzx"), "\"zzyzx\" is not defined"));
    static const char module[] = "return unpack == nil";
    cr_assert_eq(state_load(L, module, strlen(module), "module"), STATE_LOADED);
    cr_assert(state_call(L, 0, 1));
    cr_assert(lua_toboolean(L, -1));
}
