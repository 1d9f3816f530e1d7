/* The schemes and numbers of steps a study runs over, read from lists in options. */
#ifndef CONTINUO_LUA_STUDY_GRID_H
#define CONTINUO_LUA_STUDY_GRID_H

#include <cjson/cJSON.h>
#include <lua.h>

#include "depth/tableau.h"

enum { STUDY_GRID_SCHEMES_MAX = 32, STUDY_GRID_STEPS_MAX = 64, STUDY_GRID_STEPS_MOST = 1000000 };

struct study_grid {
    int scheme_count, step_count;
    const struct tableau *schemes[STUDY_GRID_SCHEMES_MAX + 1]; /* one more: the trained one */
    int steps[STUDY_GRID_STEPS_MAX + 1];                       /* rising */
};

/* Add what is not there yet. */
void study_grid_add_scheme(struct study_grid *grid, const struct tableau *scheme);
void study_grid_add_steps(struct study_grid *grid, int steps);

/* Add the entries of a list; raise a sentence beginning with `call` when it is none or holds
 * something else. */
void study_grid_read_schemes(lua_State *L, const char *call, const cJSON *list,
                             struct study_grid *grid);
void study_grid_read_steps(lua_State *L, const char *call, const cJSON *list,
                           struct study_grid *grid);

#endif
