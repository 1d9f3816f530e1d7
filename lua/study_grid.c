#include "lua/study_grid.h"

#include <math.h>
#include <string.h>

#include "lua/bind.h"

void study_grid_add_scheme(struct study_grid *grid, const struct tableau *scheme) {
    for (int i = 0; i < grid->scheme_count; i++) {
        if (grid->schemes[i] == scheme) {
            return;
        }
    }
    grid->schemes[grid->scheme_count++] = scheme;
}

/* Keeps the numbers rising. */
void study_grid_add_steps(struct study_grid *grid, int steps) {
    int at = 0;
    while (at < grid->step_count && grid->steps[at] < steps) {
        at++;
    }
    if (at < grid->step_count && grid->steps[at] == steps) {
        return;
    }
    memmove(&grid->steps[at + 1], &grid->steps[at],
            (size_t)(grid->step_count - at) * sizeof grid->steps[0]);
    grid->steps[at] = steps;
    grid->step_count++;
}

static int list_length(lua_State *L, const cJSON *list, const char *call, const char *name,
                       int most, const char *example) {
    const int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count < 1 || count > most) {
        bind_refuse(L, "%s: \"%s\" must be a list of 1 to %d entries, such as %s", call, name, most,
                    example);
    }
    return count;
}

void study_grid_read_schemes(lua_State *L, const char *call, const cJSON *list,
                             struct study_grid *grid) {
    struct error error;
    list_length(L, list, call, "schemes", STUDY_GRID_SCHEMES_MAX, "{ \"euler\", \"rk4\" }");
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!cJSON_IsString(item)) {
            bind_refuse(L, "%s: \"schemes\" must hold names of schemes (see cn.ode.schemes())",
                        call);
        }
        const struct tableau *scheme = tableau_find(item->valuestring, &error);
        if (!scheme) {
            bind_refuse(L, "%s: %s", call, error.text);
        }
        study_grid_add_scheme(grid, scheme);
    }
}

void study_grid_read_steps(lua_State *L, const char *call, const cJSON *list,
                           struct study_grid *grid) {
    const int count = list_length(L, list, call, "steps", STUDY_GRID_STEPS_MAX, "{ 1, 2, 4, 8 }");
    for (int i = 0; i < count; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        const double steps = cJSON_IsNumber(item) ? item->valuedouble : 0;
        if (!(steps >= 1 && steps <= STUDY_GRID_STEPS_MOST && steps == floor(steps))) {
            bind_refuse(L, "%s: entry %d of \"steps\" is %g; steps are whole numbers from 1 to %d",
                        call, i + 1, steps, (int)STUDY_GRID_STEPS_MOST);
        }
        study_grid_add_steps(grid, (int)steps);
    }
}
