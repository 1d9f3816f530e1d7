/* Drawings as text, for what calls print: at the prompt, in scripts and in pipes, without colour.
 * Braille where the locale has UTF-8, else ASCII. */
#ifndef CONTINUO_LUA_PLOT_TEXT_H
#define CONTINUO_LUA_PLOT_TEXT_H

#include <lua.h>

#include "lua/plot/loglog.h"
#include "lua/plot/plane.h"
#include "study/convergence.h"

/* What the locale can show; that of the environment when the program has set none. */
enum canvas_kind plot_text_kind(void);

/* Push the drawing as a string of lines, the last one without its newline. Columns and rows; rows
 * 0: as many as it needs. */
void plot_text_loglog(lua_State *L, const struct loglog *loglog, int width, int height);
/* The same of a convergence test: of a learned field, with the true field's (may be NULL) behind;
 * of the true one alone when `learned` is NULL. `trained` (may be NULL) is the scheme trained with.
 */
void plot_text_convergence(lua_State *L, const struct convergence *learned,
                           const struct convergence *truth, const struct tableau *trained,
                           int width, int height);
void plot_text_plane(lua_State *L, const struct plane *plane, int width, int height);

#endif
