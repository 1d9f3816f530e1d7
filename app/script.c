#include "app/script.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "app/jobs.h"
#include "app/signals.h"
#include "app/view.h"
#include "lua/interrupt.h"
#include "lua/printer.h"
#include "lua/state.h"

enum { STATUS_ERROR = 1, STATUS_INTERRUPTED = 130, WIDTH = 80, HEIGHT = 1000 };

/* Pushes arg[1], arg[2], ...; returns how many. */
static int push_arguments(lua_State *L) {
    lua_getglobal(L, "arg");
    int table = lua_gettop(L);
    int count = lua_istable(L, table) ? (int)lua_rawlen(L, table) : 0;
    luaL_checkstack(L, count, "too many arguments");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, table, i);
    }
    lua_remove(L, table);
    return count;
}

/* Ends the jobs the script has left running, tells the report, gives the status. */
static int finish(lua_State *L, bool fine) {
    bool interrupted = interrupt_pending();
    (void)fflush(stdout);
    if (!fine) {
        const char *report = lua_tostring(L, -1);
        (void)fprintf(stderr, "%s\n", report ? report : "error");
    }
    if (jobs_unfinished() > 0) {
        (void)fprintf(stderr, "the script has ended; its jobs stop at their next batch, weights "
                              "are kept (job:wait() waits for them)\n");
    }
    signals_set_running(true); /* ^C does not wait for the last batch */
    jobs_stop();
    signals_set_running(false);
    return fine ? 0 : interrupted ? STATUS_INTERRUPTED : STATUS_ERROR;
}

static void prepare(bool plain) {
    signals_open(2);
    view_open(false, plain);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* results and progress lines in their order */
}

int script_run(lua_State *L, const char *path, bool plain) {
    prepare(plain);
    if (state_load_file(L, path) != STATE_LOADED) {
        return finish(L, false);
    }
    int arguments = push_arguments(L);
    signals_set_running(true);
    bool fine = state_call(L, arguments, 0);
    signals_set_running(false);
    return finish(L, fine);
}

static int print_values(lua_State *L) {
    for (int i = 1; i <= lua_gettop(L); i++) {
        printer_push(L, i, WIDTH, HEIGHT);
        (void)printf("%s\n", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    return 0;
}

int script_run_text(lua_State *L, const char *text, bool plain) {
    static const char name[] = "command line";
    size_t len = strlen(text);
    prepare(plain);
    bool expression = false;
    if (state_load(L, text, len, name) != STATE_LOADED) {
        expression = state_load_expression(L, text, len, name, NULL);
        if (!expression) {
            return finish(L, false);
        }
    }
    signals_set_running(true);
    int base = lua_gettop(L) - 1;
    bool fine = state_call(L, 0, expression ? LUA_MULTRET : 0);
    if (fine && expression) {
        lua_pushcfunction(L, print_values);
        lua_insert(L, base + 1);
        fine = state_call(L, lua_gettop(L) - base - 1, 0);
    }
    signals_set_running(false);
    return finish(L, fine);
}
