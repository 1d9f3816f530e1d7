/* What went wrong, for people: the message first, then where, with two lines of source and a mark
 * under the word it is about, then who called; C frames are left out. Undefined names come with
 * the nearest defined one. */
#ifndef CONTINUO_LUA_REPORT_H
#define CONTINUO_LUA_REPORT_H

#include <lua.h>
#include <stddef.h>

/* Keeps the text of a chunk that is in no file, for reports; name as in "=name". */
void report_keep_source(lua_State *L, const char *name, const char *text, size_t len);

/* A message handler for lua_pcall: replaces the error value by the report, a string. */
int report_handler(lua_State *L);

/* Replaces the message of a chunk that does not compile, on top of the stack, by its report. */
void report_syntax(lua_State *L);

#endif
