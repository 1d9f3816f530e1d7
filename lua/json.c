/* Lua values to JSON and back. The walk downwards uses raw access only and allocates nothing in
 * Lua, so it cannot raise while it owns JSON; where it stands is a chain of links on the C stack,
 * which also finds cycles. */
#include "lua/json.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { JSON_DEPTH_MAX = 32, JSON_PATH_SIZE = 160 };
static const double json_integer_max = 9007199254740992.0; /* 2^53 */

struct link {
    const struct link *parent;
    const void *table; /* whose entry this is */
    const char *name;  /* NULL: a position */
    lua_Integer position;
    int depth;
};

struct walk {
    lua_State *L;
    const char *call;
    const char *const *skip;
    struct error *error;
};

static size_t path_write(const struct link *link, char *path, size_t size) {
    if (!link) {
        return 0;
    }
    size_t used = path_write(link->parent, path, size);
    int more;
    if (used >= size) {
        return used;
    }
    if (link->name) {
        more = snprintf(path + used, size - used, used ? ".%s" : "%s", link->name);
    } else {
        more = snprintf(path + used, size - used, "[%lld]", (long long)link->position);
    }
    return more > 0 ? used + (size_t)more : used;
}

static cJSON *refuse(const struct walk *walk, const struct link *link, const char *why) {
    char path[JSON_PATH_SIZE] = "";
    path_write(link, path, sizeof path);
    error_set(walk->error, ERROR_VALUE, "%s: %s %s", walk->call, path[0] ? path : "the value", why);
    return NULL;
}

static cJSON *out_of_memory(const struct walk *walk) {
    error_set(walk->error, ERROR_MEMORY, "%s: no memory for the options", walk->call);
    return NULL;
}

static bool is_skipped(const struct walk *walk, const struct link *link, const char *name) {
    if (link || !walk->skip) {
        return false;
    }
    for (const char *const *s = walk->skip; *s; s++) {
        if (!strcmp(*s, name)) {
            return true;
        }
    }
    return false;
}

static cJSON *convert(const struct walk *walk, int index, const struct link *link);

static cJSON *convert_number(const struct walk *walk, int index, const struct link *link) {
    double value = (double)lua_tonumber(walk->L, index);
    if (!isfinite(value)) {
        return refuse(walk, link, isnan(value) ? "is not a number (nan)" : "is infinite");
    }
    if (lua_isinteger(walk->L, index) && (lua_Integer)value != lua_tointeger(walk->L, index)) {
        return refuse(walk, link, "is an integer beyond 2^53 that cannot be kept exactly");
    }
    cJSON *json = cJSON_CreateNumber(value);
    return json ? json : out_of_memory(walk);
}

static cJSON *convert_list(const struct walk *walk, int index, const struct link *link) {
    lua_State *L = walk->L;
    cJSON *list = cJSON_CreateArray();
    if (!list) {
        return out_of_memory(walk);
    }
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i); /* value */
        struct link here = {link, lua_topointer(L, index), NULL, i, link ? link->depth + 1 : 1};
        cJSON *item = lua_isnil(L, -1) ? refuse(walk, &here, "is missing: a list has no holes")
                                       : convert(walk, lua_gettop(L), &here);
        lua_pop(L, 1);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

static cJSON *convert_object(const struct walk *walk, int index, const struct link *link) {
    lua_State *L = walk->L;
    cJSON *object = cJSON_CreateObject();
    if (!object) {
        return out_of_memory(walk);
    }
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) { /* key, value */
        const char *name = lua_tostring(L, -2); /* a string already: keys were checked */
        if (is_skipped(walk, link, name)) {
            continue;
        }
        struct link here = {link, lua_topointer(L, index), name, 0, link ? link->depth + 1 : 1};
        cJSON *item = convert(walk, lua_gettop(L), &here);
        if (!item) {
            lua_pop(L, 2);
            cJSON_Delete(object);
            return NULL;
        }
        if (!cJSON_AddItemToObject(object, name, item)) {
            lua_pop(L, 2);
            cJSON_Delete(item);
            cJSON_Delete(object);
            return out_of_memory(walk);
        }
    }
    return object;
}

static cJSON *convert_table(const struct walk *walk, int index, const struct link *link) {
    lua_State *L = walk->L;
    const void *self = lua_topointer(L, index);
    for (const struct link *l = link; l; l = l->parent) {
        if (l->table == self) {
            return refuse(walk, link, "contains itself");
        }
    }
    if ((link && link->depth >= JSON_DEPTH_MAX) || !lua_checkstack(L, 8)) {
        return refuse(walk, link, "is nested too deeply");
    }
    lua_Integer positions = 0, names = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            names++;
        } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                   (lua_Unsigned)lua_tointeger(L, -2) <= lua_rawlen(L, index)) {
            positions++;
        } else if (lua_type(L, -2) == LUA_TNUMBER) {
            lua_pop(L, 2);
            return refuse(walk, link, "is a list with holes: positions must be 1, 2, 3, ...");
        } else {
            lua_pop(L, 2);
            return refuse(walk, link, "has a key that is neither a name nor a position");
        }
    }
    if (positions && names) {
        return refuse(walk, link, "mixes names and positions: write either { a = 1 } or { 1, 2 }");
    }
    return positions ? convert_list(walk, index, link) : convert_object(walk, index, link);
}

static cJSON *convert_userdata(const struct walk *walk, int index, const struct link *link) {
    lua_State *L = walk->L;
    char why[96];
    const char *name = "object";
    if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
        name = lua_tostring(L, -1);
        name = strncmp(name, "continuo.", 9) ? name : name + 9;
    } else {
        lua_pushnil(L);
    }
    (void)snprintf(why, sizeof why, "is an object (%.40s), which cannot be an option here", name);
    lua_pop(L, 1);
    return refuse(walk, link, why);
}

static cJSON *convert(const struct walk *walk, int index, const struct link *link) {
    lua_State *L = walk->L;
    cJSON *json = NULL;
    char why[64];
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        json = cJSON_CreateNull();
        break;
    case LUA_TBOOLEAN:
        json = cJSON_CreateBool(lua_toboolean(L, index));
        break;
    case LUA_TSTRING:
        if (strlen(lua_tostring(L, index)) != lua_rawlen(L, index)) {
            return refuse(walk, link, "is text with a zero byte in it");
        }
        json = cJSON_CreateString(lua_tostring(L, index));
        break;
    case LUA_TNUMBER:
        return convert_number(walk, index, link);
    case LUA_TTABLE:
        return convert_table(walk, index, link);
    case LUA_TUSERDATA:
        if (!lua_checkstack(L, 8)) {
            return out_of_memory(walk);
        }
        return convert_userdata(walk, index, link);
    default:
        (void)snprintf(why, sizeof why, "is a %s, which cannot be an option",
                       luaL_typename(L, index));
        return refuse(walk, link, why);
    }
    return json ? json : out_of_memory(walk);
}

cJSON *json_from_lua(lua_State *L, int index, const char *call, const char *const *skip,
                     struct error *error) {
    struct walk walk = {L, call, skip, error};
    if (!lua_checkstack(L, 8)) {
        return out_of_memory(&walk);
    }
    return convert(&walk, lua_absindex(L, index), NULL);
}

void json_to_lua(lua_State *L, const cJSON *json) {
    luaL_checkstack(L, 4, "JSON nested too deeply");
    if (cJSON_IsNumber(json)) {
        double value = json->valuedouble;
        if (fabs(value) <= json_integer_max && value == floor(value)) {
            lua_pushinteger(L, (lua_Integer)value);
        } else {
            lua_pushnumber(L, value);
        }
    } else if (cJSON_IsBool(json)) {
        lua_pushboolean(L, cJSON_IsTrue(json));
    } else if (cJSON_IsString(json)) {
        lua_pushstring(L, json->valuestring);
    } else if (cJSON_IsArray(json) || cJSON_IsObject(json)) {
        lua_Integer position = 0;
        lua_newtable(L);
        for (const cJSON *item = json->child; item; item = item->next) {
            json_to_lua(L, item);
            if (cJSON_IsArray(json)) {
                lua_rawseti(L, -2, ++position);
            } else {
                lua_setfield(L, -2, item->string);
            }
        }
    } else {
        lua_pushnil(L);
    }
}
