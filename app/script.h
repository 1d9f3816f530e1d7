/* Lua without a prompt: a file, standard input, or a chunk of the command line. */
#ifndef CONTINUO_APP_SCRIPT_H
#define CONTINUO_APP_SCRIPT_H

#include <lua.h>
#include <stdbool.h>

/* Runs a file ("-": standard input) with the values of `arg` as arguments; returns the exit
 * status: 0, 1 for an error (reported on standard error), 130 after ^C. */
int script_run(lua_State *L, const char *path, bool plain);
/* Runs the text after -e; an expression that is no statement prints its values. */
int script_run_text(lua_State *L, const char *text, bool plain);

#endif
