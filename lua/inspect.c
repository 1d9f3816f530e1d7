#include "lua/inspect.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

enum { CHAIN_MAX = 16, STACK_NEED = 12 };

static const char *const keywords[] = {
    "and",   "break", "do",  "else", "elseif", "end",    "false", "for",  "function", "goto", "if",
    "in",    "local", "nil", "not",  "or",     "repeat", "return", "then", "true",    "until",
    "while"};

bool inspect_is_name(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') {
        return false;
    }
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_') {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(name, keywords[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Pushes field `key` of the table on top of the stack, read raw; or nothing. */
static bool raw_field(lua_State *L, const char *key) {
    lua_pushstring(L, key);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    return true;
}

/* Replaces the value on top by the table its fields are continued in: a metatable's __index or
 * __methods. Pops it and returns false at the end of the chain. */
static bool step(lua_State *L) {
    if (lua_getmetatable(L, -1)) {
        lua_replace(L, -2);
        if (raw_field(L, "__index")) {
            if (lua_istable(L, -1)) {
                lua_replace(L, -2);
                return true;
            }
            lua_pop(L, 1);
        }
        if (raw_field(L, "__methods")) {
            lua_replace(L, -2);
            return true;
        }
    }
    lua_pop(L, 1);
    return false;
}

bool inspect_get(lua_State *L, int index, const char *key) {
    if (!lua_checkstack(L, STACK_NEED)) {
        return false;
    }
    lua_pushvalue(L, index);
    for (int depth = 0; depth < CHAIN_MAX; depth++) {
        if (lua_istable(L, -1) && raw_field(L, key)) {
            lua_replace(L, -2);
            return true;
        }
        if (!step(L)) {
            return false;
        }
    }
    lua_pop(L, 1);
    return false;
}

/* Reads one step of a path behind `at`: a name behind '.' or ':', or an index in brackets. Sets
 * *next behind it. False when there is none. On success the field's value replaces the top. */
static bool path_step(lua_State *L, const char *path, size_t len, size_t at, size_t *next) {
    if (path[at] == '[') {
        char *end;
        long number = strtol(path + at + 1, &end, 10);
        *next = (size_t)(end - path) + 1;
        if (*next > len || *end != ']' || !lua_istable(L, -1) || end == path + at + 1) {
            return false;
        }
        lua_rawgeti(L, -1, number);
        lua_replace(L, -2);
        return !lua_isnil(L, -1);
    }
    char name[128];
    size_t from = at + (path[at] == '.' || path[at] == ':'), end = from;
    while (end < len && (isalnum((unsigned char)path[end]) || path[end] == '_')) {
        end++;
    }
    if (end == from || end - from >= sizeof name) {
        return false;
    }
    memcpy(name, path + from, end - from);
    name[end - from] = '\0';
    *next = end;
    if (!inspect_get(L, -1, name)) {
        return false;
    }
    lua_replace(L, -2);
    return true;
}

bool inspect_path(lua_State *L, int root, const char *path, size_t len) {
    if (len == 0 || !lua_checkstack(L, STACK_NEED)) {
        return false;
    }
    lua_pushvalue(L, root);
    for (size_t at = 0; at < len;) {
        if ((at > 0 && !strchr(".:[", path[at])) || !path_step(L, path, len, at, &at)) {
            lua_pop(L, 1);
            return false;
        }
    }
    return true;
}

/* Names listed by the value's own __complete(object, prefix), which returns a table of strings. */
static void own_names(lua_State *L, int index, const char *prefix, inspect_visit *visit,
                      void *context) {
    if (luaL_getmetafield(L, index, "__complete") == LUA_TNIL) {
        return;
    }
    lua_pushvalue(L, index);
    lua_pushstring(L, prefix);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_istable(L, -1)) {
        size_t count = lua_rawlen(L, -1);
        for (size_t i = 1; i <= count; i++) {
            if (lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING) {
                const char *name = lua_tostring(L, -1);
                if (strncmp(name, prefix, strlen(prefix)) == 0) {
                    lua_pushnil(L);
                    visit(context, L, name);
                    lua_pop(L, 1);
                }
            }
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* The computed fields ("__getters") of the object at `index`: listed, never computed. */
static void computed_names(lua_State *L, int index, const char *prefix, inspect_visit *visit,
                           void *context) {
    int type = luaL_getmetafield(L, index, "__getters");
    if (type == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            if (lua_type(L, -2) == LUA_TSTRING &&
                strncmp(lua_tostring(L, -2), prefix, strlen(prefix)) == 0) {
                lua_pushnil(L);
                visit(context, L, lua_tostring(L, -3));
                lua_pop(L, 1);
            }
        }
    }
    if (type != LUA_TNIL) {
        lua_pop(L, 1);
    }
}

void inspect_names(lua_State *L, int index, const char *prefix, inspect_visit *visit,
                   void *context) {
    if (!lua_checkstack(L, STACK_NEED)) {
        return;
    }
    index = lua_absindex(L, index);
    own_names(L, index, prefix, visit, context);
    computed_names(L, index, prefix, visit, context);
    lua_pushvalue(L, index);
    for (int depth = 0; depth < CHAIN_MAX; depth++) {
        if (lua_istable(L, -1)) {
            for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
                if (lua_type(L, -2) == LUA_TSTRING) {
                    const char *name = lua_tostring(L, -2);
                    bool hidden = strncmp(name, "__", 2) == 0 && strncmp(prefix, "__", 2) != 0;
                    if (!hidden && strncmp(name, prefix, strlen(prefix)) == 0 &&
                        inspect_is_name(name)) {
                        visit(context, L, name);
                    }
                }
            }
        }
        if (!step(L)) {
            return;
        }
    }
    lua_pop(L, 1);
}

struct names { /* copies: those of __complete may be collected */
    char **items;
    int count, capacity;
};

static void collect(void *context, lua_State *L, const char *name) {
    struct names *names = context;
    (void)L;
    if (names->count == names->capacity) {
        int capacity = names->capacity * 2 + 64;
        char **items = realloc(names->items, (size_t)capacity * sizeof *items);
        if (!items) {
            return;
        }
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy) {
        names->items[names->count++] = copy;
    }
}

bool inspect_nearest(lua_State *L, int index, const char *name) {
    struct names names = {0};
    inspect_names(L, index, "", collect, &names);
    const char *nearest =
        option_nearest(name, (const char *const *)names.items, names.count);
    if (nearest) {
        lua_pushstring(L, nearest);
    }
    for (int i = 0; i < names.count; i++) {
        free(names.items[i]);
    }
    free(names.items);
    return nearest != NULL;
}
