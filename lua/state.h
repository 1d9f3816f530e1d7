/* The Lua state of the workbench: standard libraries, the global cn, help, ^C that stops any Lua
 * code, and calls whose errors come back as reports (report.h). Main thread only. */
#ifndef CONTINUO_LUA_STATE_H
#define CONTINUO_LUA_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* NULL with *error set when there is no memory or the library does not open. */
lua_State *state_create(struct error *error);
void state_close(lua_State *L); /* NULL is fine */

/* Sets the global `arg` as the lua program does: arguments[script] is arg[0], what follows
 * 1, 2, ..., what precedes -1, -2, ... */
void state_set_arguments(lua_State *L, char *const *arguments, int count, int script);

/* Reading an undefined global becomes an error in chunks whose name begins with `prefix` (kept,
 * not copied): the prompt's. Everything else, modules too, keeps Lua's nil. */
void state_be_strict(lua_State *L, const char *prefix);

enum state_load { STATE_LOADED, STATE_INCOMPLETE, STATE_REFUSED };
/* Compiles text under the name and pushes the function, or the report. INCOMPLETE: the error is
 * that the text ends too early, so more lines could complete it. */
enum state_load state_load(lua_State *L, const char *text, size_t len, const char *name);
/* Compiles text as an expression whose values are its results. False, nothing pushed, when it is
 * none; *incomplete (may be NULL) then tells whether more lines could make it one. */
bool state_load_expression(lua_State *L, const char *text, size_t len, const char *name,
                           bool *incomplete);
/* state_load from a file of source text; "-" is standard input. Never INCOMPLETE. */
enum state_load state_load_file(lua_State *L, const char *path);

/* Calls the function below `arguments` values; leaves its results (LUA_MULTRET: all) and returns
 * true, or leaves the report, a string, and returns false. */
bool state_call(lua_State *L, int arguments, int results);

#endif
