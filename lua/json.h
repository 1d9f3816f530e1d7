/* Lua values to JSON and back. Options written as Lua tables become JSON objects, which the
 * engine's option tables read (base/option.h): what is allowed is decided in one place. */
#ifndef CONTINUO_LUA_JSON_H
#define CONTINUO_LUA_JSON_H

#include <cjson/cJSON.h>
#include <lua.h>

#include "base/error.h"

/* A new JSON value equal to the Lua value at `index`; the caller owns it. A table with positions
 * 1..n is an array, one with names an object, an empty one an object. `call` names the call in
 * errors. Entries of the outermost table whose name is in `skip` (NULL-terminated, may be NULL)
 * are passed over. NULL with *error naming the key path when something has no JSON equal: a
 * function, a thread, an object, a cycle, a mixture of names and positions, a list with holes, a
 * number that is not finite or an integer beyond 2^53. Raises nothing and runs no metamethod. */
cJSON *json_from_lua(lua_State *L, int index, const char *call, const char *const *skip,
                     struct error *error);

/* Pushes the Lua equal of a JSON value: whole numbers as integers, null as nil. Needs no more than
 * the JSON value; may raise when memory runs out. */
void json_to_lua(lua_State *L, const cJSON *json);

#endif
