/* ^C that always gives the prompt back. The signal handler sets a sticky flag and puts a hook on
 * the Lua state that is running just now, also inside a coroutine; the hook raises again and again
 * until the flag is cleared, so no pcall in a script can swallow it. There is never a permanent
 * hook, and nothing ever jumps across engine code: long engine calls poll interrupt_flag.
 *
 * A binding brackets a long engine call like this, in any host (under a stock lua5.4 the bracket
 * installs the handler for the time of the call):
 *
 *     const volatile bool *stop = interrupt_watch();
 *     bool ok = evaluate(..., stop, ...);
 *     if (interrupt_unwatch()) { release(...); return luaL_error(L, "interrupted"); }
 */
#ifndef CONTINUO_LUA_INTERRUPT_H
#define CONTINUO_LUA_INTERRUPT_H

#include <stdbool.h>

struct lua_State;

/* Replaces coroutine.resume, wrap and close in L by equals that keep track of the running state,
 * and makes L the state that interrupt_raise stops. */
void interrupt_open(struct lua_State *L);

/* What a SIGINT handler calls; async-signal-safe. */
void interrupt_raise(void);
/* Whether ^C has come since the last clear. */
bool interrupt_pending(void);
/* Forgets it, removing hooks: the next chunk runs. */
void interrupt_clear(void);
/* Installs interrupt_raise as the handler of SIGINT (scripts, -e). */
void interrupt_install(void);

/* Makes L the state that interrupt_raise stops, while C calls it; returns the one before. */
struct lua_State *interrupt_enter(struct lua_State *L);

const volatile bool *interrupt_flag(void);

const volatile bool *interrupt_watch(void);
bool interrupt_unwatch(void); /* true: ^C came during the call */

#endif
