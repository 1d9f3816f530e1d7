#include "lua/state.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/inspect.h"
#include "lua/interrupt.h"
#include "lua/report.h"

/* ---- making it ----------------------------------------------------------------------------- */

/* Warnings are notes of the library ("N does not align with K") and warn() of scripts; they go to
 * standard error, where results do not. */
static void warn(void *context, const char *text, int more) {
    bool *inside = context;
    if (!*inside && !more && *text == '@') { /* control messages of warn() */
        return;
    }
    (void)fputs(text, stderr);
    if (!more) {
        (void)fputc('\n', stderr);
    }
    *inside = more != 0;
}

static int open_all(lua_State *L) {
    luaL_openlibs(L);
    interrupt_open(L);
    help_open(L);
    luaL_requiref(L, "continuo", luaopen_continuo, 0);
    lua_setglobal(L, "cn");
    return 0;
}

lua_State *state_create(struct error *error) {
    static bool inside_warning;
    lua_State *L = luaL_newstate();
    if (!L) {
        error_set(error, ERROR_MEMORY, "no memory for a Lua state");
        return NULL;
    }
    lua_setwarnf(L, warn, &inside_warning);
    lua_pushcfunction(L, open_all);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        error_set(error, ERROR_STATE, "the library does not open: %s", text ? text : "no reason");
        lua_close(L);
        return NULL;
    }
    return L;
}

void state_close(lua_State *L) {
    if (L) {
        lua_close(L);
    }
}

void state_set_arguments(lua_State *L, char *const *arguments, int count, int script) {
    lua_createtable(L, count - script, script);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

/* ---- strict globals ------------------------------------------------------------------------ */

/* __index of the global table. Only the code that reads decides: a module that asks whether a
 * global exists must get its nil. */
static int undefined_global(lua_State *L) {
    const char *prefix = lua_touserdata(L, lua_upvalueindex(1));
    lua_Debug caller;
    if (lua_type(L, 2) != LUA_TSTRING || !lua_getstack(L, 1, &caller) ||
        !lua_getinfo(L, "S", &caller) || caller.source[0] != '=' ||
        strncmp(caller.source + 1, prefix, strlen(prefix)) != 0) {
        lua_pushnil(L);
        return 1;
    }
    const char *name = lua_tostring(L, 2);
    if (inspect_nearest(L, 1, name)) {
        return luaL_error(L, "\"%s\" is not defined; did you mean \"%s\"?", name,
                          lua_tostring(L, -1));
    }
    return luaL_error(L, "\"%s\" is not defined", name);
}

void state_be_strict(lua_State *L, const char *prefix) {
    lua_pushglobaltable(L);
    lua_createtable(L, 0, 1);
    lua_pushlightuserdata(L, (void *)prefix);
    lua_pushcclosure(L, undefined_global, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* ---- loading ------------------------------------------------------------------------------- */

static bool ends_early(const char *message) {
    static const char mark[] = "near <eof>";
    size_t len = message ? strlen(message) : 0;
    return len >= sizeof mark - 1 && strcmp(message + len - (sizeof mark - 1), mark) == 0;
}

enum state_load state_load(lua_State *L, const char *text, size_t len, const char *name) {
    lua_pushfstring(L, "=%s", name);
    int status = luaL_loadbufferx(L, text, len, lua_tostring(L, -1), "t");
    lua_remove(L, -2);
    if (status == LUA_OK) {
        report_keep_source(L, name, text, len);
        return STATE_LOADED;
    }
    bool early = status == LUA_ERRSYNTAX && ends_early(lua_tostring(L, -1));
    report_keep_source(L, name, text, len);
    report_syntax(L);
    return early ? STATE_INCOMPLETE : STATE_REFUSED;
}

bool state_load_expression(lua_State *L, const char *text, size_t len, const char *name,
                           bool *incomplete) {
    lua_pushfstring(L, "=%s", name);
    lua_pushliteral(L, "return ");
    lua_pushlstring(L, text, len);
    lua_concat(L, 2);
    size_t full;
    const char *code = lua_tolstring(L, -1, &full);
    int status = luaL_loadbufferx(L, code, full, lua_tostring(L, -2), "t");
    lua_remove(L, -2);
    lua_remove(L, -2);
    if (status == LUA_OK) {
        report_keep_source(L, name, text, len);
        return true;
    }
    if (incomplete) {
        *incomplete = status == LUA_ERRSYNTAX && ends_early(lua_tostring(L, -1));
    }
    lua_pop(L, 1);
    return false;
}

static enum state_load load_standard_input(lua_State *L) {
    luaL_Buffer buffer;
    size_t got;
    luaL_buffinit(L, &buffer);
    do {
        char *room = luaL_prepbuffer(&buffer);
        got = fread(room, 1, LUAL_BUFFERSIZE, stdin);
        luaL_addsize(&buffer, got);
    } while (got > 0);
    luaL_pushresult(&buffer);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    size_t shebang = len > 0 && text[0] == '#' ? strcspn(text, "\n") : 0;
    enum state_load result = state_load(L, text + shebang, len - shebang, "stdin");
    lua_remove(L, -2);
    return result == STATE_INCOMPLETE ? STATE_REFUSED : result;
}

enum state_load state_load_file(lua_State *L, const char *path) {
    if (strcmp(path, "-") == 0) {
        return load_standard_input(L);
    }
    FILE *file = fopen(path, "re");
    int failure = file ? 0 : errno;
    if (file && fgetc(file) == EOF && ferror(file)) {
        failure = errno; /* a folder opens, but cannot be read */
    }
    if (file) {
        (void)fclose(file);
    }
    if (failure) {
        lua_pushfstring(L, "error: cannot read the script \"%s\": %s", path, strerror(failure));
        return STATE_REFUSED;
    }
    int status = luaL_loadfilex(L, path, "t");
    if (status != LUA_OK) {
        report_syntax(L);
        return STATE_REFUSED;
    }
    return STATE_LOADED;
}

bool state_call(lua_State *L, int arguments, int results) {
    int base = lua_gettop(L) - arguments;
    lua_pushcfunction(L, report_handler);
    lua_insert(L, base);
    int status = lua_pcall(L, arguments, results, base);
    lua_remove(L, base);
    if (status == LUA_OK) {
        return true;
    }
    if (status != LUA_ERRRUN && lua_type(L, -1) == LUA_TSTRING) { /* no report could be made */
        lua_pushfstring(L, "error: %s", lua_tostring(L, -1));
        lua_replace(L, -2);
    }
    return false;
}
