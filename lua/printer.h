/* Prints Lua values for people: nested tables fitted to the screen, safe with cycles; objects by
 * their own __repr(object, width, height) or __tostring. Not a serialiser: long values are cut and
 * say so. */
#ifndef CONTINUO_LUA_PRINTER_H
#define CONTINUO_LUA_PRINTER_H

#include <lua.h>

/* Pushes the text (no newline at its end) of the value at `index`, at most `width` columns wide
 * and about `height` lines high. An error in an object's own metamethod becomes part of the text. */
void printer_push(lua_State *L, int index, int width, int height);

#endif
