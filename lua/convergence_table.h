/* A convergence test as a table of Lua that prints itself: what cn.order gives and cn.verdict
 * holds. */
#ifndef CONTINUO_LUA_CONVERGENCE_TABLE_H
#define CONTINUO_LUA_CONVERGENCE_TABLE_H

#include "lua/convergence.h"

void convergence_table_push(lua_State *L, const struct convergence_report *report);

#endif
