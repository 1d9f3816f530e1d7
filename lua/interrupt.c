#include "lua/interrupt.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static volatile bool raised;          /* sticky: until interrupt_clear */
static lua_State *volatile running;   /* the state whose code runs just now; NULL: not ours */
static pthread_t main_thread;
static struct sigaction before_watch;

/* Raises in whatever Lua code runs next, and stays installed: a pcall that catches the error meets
 * the next one at its next instruction. Hooks left behind in sleeping coroutines remove
 * themselves. */
static void stop_hook(lua_State *L, lua_Debug *record) {
    (void)record;
    if (!raised) {
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    luaL_error(L, "interrupted");
}

static void arm(lua_State *L) {
    lua_sethook(L, stop_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* First the pointer, then the flag: a signal in between is seen by one side or the other. */
static void enter(lua_State *L) {
    running = L;
    if (raised) {
        arm(L);
    }
}

lua_State *interrupt_enter(lua_State *L) {
    lua_State *before = running;
    if (L) {
        enter(L);
    }
    running = L;
    return before;
}

void interrupt_raise(void) {
    lua_State *L = running;
    raised = true;
    if (L) {
        arm(L);
    }
}

bool interrupt_pending(void) {
    return raised;
}

const volatile bool *interrupt_flag(void) {
    return &raised;
}

void interrupt_clear(void) {
    lua_State *L = running;
    raised = false;
    if (L) {
        lua_sethook(L, NULL, 0, 0);
    }
}

/* ---- coroutines that say who is running --------------------------------------------------- */

/* Resumes co with the top `count` values of L; leaves its results, or one error value, on L and
 * returns how many, or -1 for an error. Same refusals as the standard library. */
static int resume(lua_State *L, lua_State *co, int count) {
    int results = 0;
    if (!lua_checkstack(co, count)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, count);
    enter(co);
    int status = lua_resume(co, L, count, &results);
    enter(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int coroutine_resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int count = resume(L, co, lua_gettop(L) - 1);
    bool fine = count >= 0;
    lua_pushboolean(L, fine);
    lua_insert(L, fine ? -(count + 1) : -2);
    return fine ? count + 1 : 2;
}

static int close_coroutine(lua_State *L, lua_State *co) {
    enter(co);
    int status = lua_resetthread(co);
    enter(L);
    return status;
}

static int wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count = resume(L, co, lua_gettop(L));
    if (count >= 0) {
        return count;
    }
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        if (close_coroutine(L, co) != LUA_OK) {
            lua_xmove(co, L, 1);
        }
        if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
            luaL_where(L, 1);
            lua_insert(L, -2);
            lua_concat(L, 2);
        }
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int coroutine_close(lua_State *L) {
    lua_State *co = check_coroutine(L);
    lua_Debug record;
    int status = lua_status(co);
    bool asleep = status != LUA_OK || !lua_getstack(co, 0, &record); /* suspended or dead */
    if (co == L || !asleep) {
        return luaL_error(L, "cannot close a %s coroutine", co == L ? "running" : "normal");
    }
    if (close_coroutine(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

void interrupt_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {"close", coroutine_close}, {0}};
    main_thread = pthread_self();
    running = L;
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}

/* ---- the signal --------------------------------------------------------------------------- */

/* The kernel may deliver to a thread that a library started; Lua belongs to the main one. */
static void handle(int number) {
    if (running && !pthread_equal(pthread_self(), main_thread)) {
        pthread_kill(main_thread, number);
        return;
    }
    interrupt_raise();
}

static void set_handler(struct sigaction *before) {
    struct sigaction action = {.sa_handler = handle};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, before);
}

void interrupt_install(void) {
    set_handler(NULL);
}

static int watches; /* that are under way: a field from Lua may call the engine again */

const volatile bool *interrupt_watch(void) {
    if (!running && watches == 0) {
        raised = false;
        set_handler(&before_watch);
    }
    watches++;
    return &raised;
}

bool interrupt_unwatch(void) {
    bool came = raised;
    watches--;
    if (!running && watches == 0) {
        sigaction(SIGINT, &before_watch, NULL);
        raised = false;
    }
    return came;
}
