/* Looks at Lua values without running code of theirs: fields are read raw and through __index
 * tables, never through __index functions. Completion, help and "did you mean" stand on this. */
#ifndef CONTINUO_LUA_INSPECT_H
#define CONTINUO_LUA_INSPECT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Pushes the field `key` of the value at `index`. False, nothing pushed, when there is none. A
 * type's methods are also found in its metatable's "__methods" table. */
bool inspect_get(lua_State *L, int index, const char *key);

/* Pushes the value of a path such as "cn.net.continuous", "job:wait" or "runs[2].name", read from
 * the table at `root`. False, nothing pushed, when it leads nowhere. */
bool inspect_path(lua_State *L, int root, const char *path, size_t len);

/* Calls visit once for each name that is a string key of the value at `index` (also through
 * __index tables), begins with `prefix`, and can be written behind a dot; for each computed field
 * in a "__getters" table of its type; and for each name that a __complete(object, prefix)
 * metamethod lists (called protected). The value of the field is on top of the stack during the
 * call (nil for the latter two). visit must not raise. */
typedef void inspect_visit(void *context, lua_State *L, const char *name);
void inspect_names(lua_State *L, int index, const char *prefix, inspect_visit *visit,
                   void *context);

/* The field name of the value at `index` nearest to a misspelt one, pushed as a string. False,
 * nothing pushed, when none is near. */
bool inspect_nearest(lua_State *L, int index, const char *name);

/* Whether a name can be written behind a dot. */
bool inspect_is_name(const char *name);

#endif
