/* What the files of the binding share: boxes, errors, types, options, the pool. */
#include "lua/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/json.h"

static const char box_name[] = "continuo.box";
static const char pool_key; /* its address is the registry key */

enum { THREADS_MAX = 256, NAMES_MAX = 64 };

/* ---- boxes --------------------------------------------------------------------------------- */

void bind_box_empty(struct bind_box *box) {
    void *pointer = box->pointer;
    box->pointer = NULL;
    if (pointer) {
        box->release(pointer);
    }
}

static int box_collect(lua_State *L) {
    bind_box_empty(lua_touserdata(L, 1));
    return 0;
}

struct bind_box *bind_box(lua_State *L, void (*release)(void *pointer)) {
    struct bind_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct bind_box){NULL, release};
    if (luaL_newmetatable(L, box_name)) {
        lua_pushcfunction(L, box_collect);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, box_collect);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    return box;
}

int bind_done(lua_State *L, int results) {
    for (int i = lua_gettop(L); i >= 1; i--) {
        struct bind_box *box = luaL_testudata(L, i, box_name);
        if (box) {
            bind_box_empty(box);
        }
    }
    return results;
}

void bind_weigh(lua_State *L, size_t bytes) {
    enum { STEP_MOST = 1 << 20 }; /* KB */
    const size_t kilobytes = bytes / 1024;
    lua_gc(L, LUA_GCSTEP, kilobytes < STEP_MOST ? (int)kilobytes : (int)STEP_MOST);
}

void *bind_memory(lua_State *L, ptrdiff_t count, size_t size) {
    struct bind_box *box = bind_box(L, free);
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) {
        bytes = SIZE_MAX;
    } else {
        box->pointer = calloc(bytes ? bytes : 1, 1);
    }
    if (!box->pointer) {
        bind_refuse(L, "no memory for %td values of %zu bytes", count, size);
    }
    return box->pointer;
}

/* ---- errors -------------------------------------------------------------------------------- */

void bind_raise(lua_State *L, const struct error *error) {
    luaL_error(L, "%s", error->text);
    abort(); /* luaL_error does not return */
}

void bind_refuse(lua_State *L, const char *format, ...) {
    struct error error;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error.text, sizeof error.text, format, arguments);
    va_end(arguments);
    bind_raise(L, &error);
}

void bind_note(lua_State *L, const char *format, ...) {
    char text[480];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lua_warning(L, "note: ", 1);
    lua_warning(L, text, 0);
}

/* ---- types --------------------------------------------------------------------------------- */

static const char *short_name(const char *name) {
    return strncmp(name, "continuo.", 9) ? name : name + 9;
}

/* The names in the tables at upvalues 1 and 2 of the running function, at most NAMES_MAX. */
static int member_names(lua_State *L, const char **names) {
    int count = 0;
    for (int up = 1; up <= 2; up++) {
        for (lua_pushnil(L); lua_next(L, lua_upvalueindex(up)); lua_pop(L, 1)) {
            if (count < NAMES_MAX) {
                names[count++] = lua_tostring(L, -2);
            }
        }
    }
    return count;
}

/* Upvalues: methods, getters, type name, the type's own index function as light userdata. */
static int type_index(lua_State *L) {
    const struct bind_type *type = lua_touserdata(L, lua_upvalueindex(3));
    luaL_checkudata(L, 1, type->name);
    if (type->index && type->index(L)) {
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        return 1;
    }
    if (lua_type(L, 2) != LUA_TSTRING) {
        bind_refuse(L, "a %s has named fields, not a %s as key", short_name(type->name),
                    luaL_typename(L, 2));
    }
    const char *names[NAMES_MAX];
    int count = member_names(L, names);
    const char *nearest = option_nearest(lua_tostring(L, 2), names, count);
    bind_refuse(L, "a %s has no field \"%.60s\"%s%s%s", short_name(type->name), lua_tostring(L, 2),
                nearest ? "; nearest is \"" : "", nearest ? nearest : "", nearest ? "\"" : "");
}

static int type_newindex(lua_State *L) {
    const struct bind_type *type = lua_touserdata(L, lua_upvalueindex(1));
    bind_refuse(L, "the fields of a %s cannot be set", short_name(type->name));
}

static void push_functions(lua_State *L, const luaL_Reg *list) {
    lua_newtable(L);
    if (list) {
        luaL_setfuncs(L, list, 0);
    }
}

void bind_type(lua_State *L, const struct bind_type *type) {
    if (!luaL_newmetatable(L, type->name)) {
        lua_pop(L, 1);
        return;
    }
    push_functions(L, type->methods); /* meta, methods */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__methods"); /* for completion and help */
    push_functions(L, type->getters);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "__getters");
    lua_pushlightuserdata(L, (void *)type); /* meta, methods, getters, type */
    lua_pushcclosure(L, type_index, 3);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, (void *)type);
    lua_pushcclosure(L, type_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    if (type->meta) {
        luaL_setfuncs(L, type->meta, 0);
    }
    lua_pop(L, 1);
}

/* ---- options ------------------------------------------------------------------------------- */

void bind_table(lua_State *L, int index, const char *call) {
    if (lua_type(L, index) == LUA_TTABLE) {
        return;
    }
    bind_refuse(L, "%s takes one table of options, %s{ ... }, not %s%s", call, call,
                lua_isnoneornil(L, index) ? "nothing" : "a ",
                lua_isnoneornil(L, index) ? "" : luaL_typename(L, index));
}

static void json_release(void *json) {
    cJSON_Delete(json);
}

cJSON *bind_json(lua_State *L, int index, const char *call, const char *const *skip) {
    index = lua_absindex(L, index);
    struct bind_box *box = bind_box(L, json_release);
    if (lua_isnoneornil(L, index)) {
        return NULL;
    }
    bind_table(L, index, call);
    struct error error;
    box->pointer = json_from_lua(L, index, call, skip, &error);
    if (!box->pointer) {
        bind_raise(L, &error);
    }
    return box->pointer;
}

/* Refuses the first key that is no option, by the nearest of options and objects. */
static void refuse_unknown(lua_State *L, const struct option *options, int count, const char *call,
                           const cJSON *json, const char *const *objects) {
    const char *names[NAMES_MAX];
    int known = 0;
    for (int i = 0; i < count && known < NAMES_MAX; i++) {
        names[known++] = options[i].name;
    }
    for (; *objects && known < NAMES_MAX; objects++) {
        names[known++] = *objects;
    }
    for (const cJSON *item = json ? json->child : NULL; item && item->string; item = item->next) {
        int found = 0;
        while (found < count && strcmp(options[found].name, item->string) != 0) {
            found++;
        }
        const char *nearest = found < count ? NULL : option_nearest(item->string, names, known);
        if (nearest) {
            bind_refuse(L, "%s: unknown option \"%.60s\"; nearest is \"%s\"", call, item->string,
                        nearest);
        }
    }
}

void bind_options(lua_State *L, const struct option *options, int count, const char *call,
                  const cJSON *json, const char *const *objects, void *target) {
    struct error error;
    if (objects) {
        refuse_unknown(L, options, count, call, json, objects);
    }
    if (!option_read(options, count, call, json, NULL, target, &error)) {
        bind_raise(L, &error);
    }
}

void *bind_object(lua_State *L, int index, const char *call, const char *name, const char *type,
                  const char *what) {
    lua_pushstring(L, name);
    lua_rawget(L, lua_absindex(L, index));
    void *object = luaL_testudata(L, -1, type);
    if (!object) {
        const char *got = luaL_typename(L, -1);
        if (luaL_getmetafield(L, -1, "__name") == LUA_TSTRING) {
            got = short_name(lua_tostring(L, -1));
        }
        if (!strcmp(got, "nil")) {
            bind_refuse(L, "%s: \"%s\" is missing (%s)", call, name, what);
        }
        bind_refuse(L, "%s: \"%s\" must be %s, not a %s", call, name, what, got);
    }
    return object;
}

ptrdiff_t bind_integer(lua_State *L, int index, const char *call, const char *name,
                       ptrdiff_t least) {
    int whole;
    lua_Integer value = lua_tointegerx(L, index, &whole);
    if (!whole || lua_type(L, index) != LUA_TNUMBER) {
        bind_refuse(L, "%s: \"%s\" must be a whole number, not %s", call, name,
                    luaL_tolstring(L, index, NULL));
    }
    if (value < least) {
        bind_refuse(L, "%s: \"%s\" is %lld; it must be at least %td", call, name, (long long)value,
                    least);
    }
    return (ptrdiff_t)value;
}

/* ---- threads ------------------------------------------------------------------------------- */

struct pool_box {
    struct pool *pool; /* NULL until it is needed, or with one thread */
    int threads;
};

static int pool_collect(lua_State *L) {
    struct pool_box *box = lua_touserdata(L, 1);
    pool_free(box->pool);
    box->pool = NULL;
    box->threads = 1;
    return 0;
}

static struct pool_box *pool_box(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pool_key) == LUA_TNIL) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        struct pool_box *box = lua_newuserdatauv(L, sizeof *box, 0);
        *box = (struct pool_box){NULL, cores < 1 ? 1 : cores > 256 ? 256 : (int)cores};
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, pool_collect);
        lua_setfield(L, -2, "__gc");
        lua_setmetatable(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pool_key);
        lua_pop(L, 1);
        return box;
    }
    struct pool_box *box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return box;
}

struct pool *bind_pool(lua_State *L) {
    struct pool_box *box = pool_box(L);
    struct error error;
    if (!box->pool && box->threads > 1 && !(box->pool = pool_create(box->threads, &error))) {
        bind_raise(L, &error);
    }
    return box->pool;
}

int bind_threads(lua_State *L) {
    return pool_box(L)->threads;
}

int bind_threads_call(lua_State *L) {
    struct pool_box *box = pool_box(L);
    if (!lua_isnoneornil(L, 1)) {
        ptrdiff_t threads = bind_integer(L, 1, "cn.threads", "n", 1);
        if (threads > THREADS_MAX) {
            bind_refuse(L, "cn.threads: \"n\" is %td; it must be at most %d", threads,
                        (int)THREADS_MAX);
        }
        if (threads != box->threads) {
            pool_free(box->pool);
            box->pool = NULL;
            box->threads = (int)threads;
        }
    }
    lua_pushinteger(L, box->threads);
    return 1;
}
