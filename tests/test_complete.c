/* Completion by meaning, without a terminal. '|' in a line marks the cursor. */
#include <criterion/criterion.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/complete.h"
#include "app/context.h"
#include "lua/state.h"
#include "scratch.h"

static lua_State *L;
static struct completions found;

static void begin(void) {
    struct error error;
    L = state_create(&error);
    cr_assert_not_null(L);
}

static void end(void) {
    complete_release(&found);
    state_close(L);
    scratch_remove();
}

TestSuite(complete, .init = begin, .fini = end);

static void run(const char *code) {
    cr_assert_eq(luaL_dostring(L, code), LUA_OK, "%s", lua_tostring(L, -1));
}

static void at(const char *line) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s", line);
    char *cursor = strrchr(text, '|');
    cr_assert_not_null(cursor);
    memmove(cursor, cursor + 1, strlen(cursor));
    complete_release(&found);
    complete_find(L, text, (size_t)(cursor - text), &found);
}

static const struct completion *offered(const char *name) {
    for (int i = 0; i < found.count; i++) {
        if (strcmp(found.items[i].name, name) == 0) {
            return &found.items[i];
        }
    }
    return NULL;
}

static void expect(const char *line, const char *name, char suffix) {
    at(line);
    const struct completion *item = offered(name);
    cr_assert_not_null(item, "%s: %s is not offered (%d others)", line, name, found.count);
    cr_assert_eq(item->suffix, suffix, "%s: %s has suffix '%c'", line, name, item->suffix);
}

static void refuse(const char *line, const char *name) {
    at(line);
    cr_assert_null(offered(name), "%s: %s is offered", line, name);
}

Test(complete, globals_and_keywords) {
    expect("prin|", "print", '(');
    expect("x = stri|", "string", '.');
    expect("whi|", "while", '\0');
    expect("c|", "cn", '.');
    refuse("prin|", "string");
}

Test(complete, fields_along_a_path) {
    expect("cn.tr|", "train", '{');
    expect("cn.net.con|", "continuous", '{');
    expect("f(cn.net.con|", "continuous", '{');
    expect("x = 3 + math.flo|", "floor", '(');
    refuse("math.|", "print");
}

Test(complete, methods_of_strings_and_objects) {
    run("s = 'text' m = cn.net.mlp{ input = {2}, outputs = 2 }");
    expect("s:up|", "upper", '(');
    expect("m:ev|", "evaluate", '(');
    expect("m.|", "count", '\0');
    refuse("m:|", "count");
}

Test(complete, never_runs_an_index_function) {
    run("ran = false t = setmetatable({known = 1}, {__index = function() ran = true end})");
    expect("t.kn|", "known", '\0');
    at("t.other.de|");
    cr_assert_eq(found.count, 0);
    run("assert(not ran)");
}

Test(complete, follows_index_tables_and_complete) {
    run("base = {turn = print} t = setmetatable({}, {__index = setmetatable({}, {__index = base})})");
    expect("t.tu|", "turn", '(');
    run("o = setmetatable({}, {__complete = function(o, p) return {'alpha', 'alias', 'beta'} end})");
    expect("o.al|", "alias", '\0');
    refuse("o.al|", "beta");
    run("o = setmetatable({}, {__complete = function() error 'no' end})");
    at("o.a|");
    cr_assert_eq(found.count, 0);
}

Test(complete, options_of_a_call) {
    expect("cn.train{ ep|", "epochs", '=');
    expect("cn.train{ n|", "net", '=');
    expect("cn.train{ net = m,\n  ba|", "batch", '=');
    expect("cn.train({ ep|", "epochs", '=');
    expect("cn.train{ optimizer = cn.optim.sgd{ mom|", "momentum", '=');
    expect("cn.train{ optimizer = cn.optim.sgd{ lr = 1 }, ep|", "epochs", '=');
    cr_assert_not_null(offered("epochs")->doc);
    refuse("cn.train{ epochs = ma|", "margin");
    expect("cn.train{ epochs = ma|", "math", '.');
}

Test(complete, values_of_an_option) {
    expect("cn.net.continuous{ scheme = \"rk|", "rk4", '"');
    expect("cn.net.continuous{ scheme='eu|", "euler", '\'');
    expect("cn.sweep{ schemes = {\"euler\", \"mid|", "midpoint", '"');
    expect("cn.net.continuous{ basis = \"pie|", "piecewise_constant", '"');
    expect("cn.net.continuous{ unit = \"p|", "pre", '"');
    expect("m:to \"f|", "f64", '"');
    refuse("cn.net.continuous{ scheme = \"rk|", "euler");
}

Test(complete, names_in_help) {
    expect("help \"cn.tr|", "cn.train", '"');
    expect("help(\"crit|", "critical step", '"');
    expect("?tra|", "train", '\0');
    expect("??sche|", "schemes", '\0');
}

Test(complete, files_and_runs_in_strings) {
    (void)scratch_write("model 17.safetensors", "x", 1);
    char folder[256], line[512];
    (void)snprintf(folder, sizeof folder, "%s", scratch_path("weights"));
    cr_assert_eq(mkdir(folder, 0700), 0);
    (void)snprintf(line, sizeof line, "cn.load \"%s/|", scratch_path(""));
    at(line);
    cr_assert_not_null(offered(scratch_path("model 17.safetensors")));
    cr_assert_eq(offered(folder)->suffix, '/');
    cr_assert_eq(chdir(scratch_path("")), 0);
    cr_assert_eq(mkdir("runs", 0700), 0);
    cr_assert_eq(mkdir("runs/2026-03-02T091412-fm-rk4-7c1e", 0700), 0);
    expect("cn.run \"fm|", "fm-rk4", '"');
    cr_assert_eq(chdir("/"), 0);
}

Test(complete, nothing_in_comments_and_long_strings) {
    at("x = 1 -- prin|");
    cr_assert_eq(found.count, 0);
    at("x = [[ prin|");
    cr_assert_eq(found.count, 0);
    at("--[[ prin|");
    cr_assert_eq(found.count, 0);
    expect("--[[ note ]] prin|", "print", '(');
    expect("x = 'it''s' prin|", "print", '(');
}

Test(complete, survives_anything) {
    static const char *const lines[] = {"|", "}}}))|", "((((((((((((((((((((((((((((((((((((((({|",
                                        "a.b:c.d..e|", "..|", "\"\\|", "x[\"a|", "[==[ ]=] |",
                                        "\xff\xfe.|", "?|", "?? |", "cn.|", ":|"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        at(lines[i]);
    }
}

Test(complete, context_of_a_nested_call) {
    static const char line[] = "t = f(1, cn.train{ net = m, schedule = g{ at = {3, \"x\"}, gam";
    struct context context;
    context_read(line, sizeof line - 1, &context);
    cr_assert_str_eq(context.callee, "g");
    cr_assert(context.at_key);
    cr_assert_eq(context.start, sizeof line - 1 - 3);
}
