/* The prompt: reads chunks, runs them, prints their values; meanwhile tells what jobs do. */
#ifndef CONTINUO_APP_REPL_H
#define CONTINUO_APP_REPL_H

#include <lua.h>
#include <stdbool.h>

/* Runs until the user leaves; returns the exit status. init: run the user's init.lua first;
 * quiet: no banner. */
int repl_run(lua_State *L, bool init, bool quiet);

#endif
