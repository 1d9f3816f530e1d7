/* What cn.order and cn.verdict share where there is a true field or a trajectory to compare with:
 * reading what is tested and against what, and measuring. */
#ifndef CONTINUO_LUA_CONVERGENCE_H
#define CONTINUO_LUA_CONVERGENCE_H

#include "lua/bind.h"
#include "lua/help.h"
#include "study/convergence_data.h"

/* Whether the options at stack position 1 name a truth: system, f or trajectory; or, for
 * `from_data`, data made from a built-in system. */
bool convergence_wanted(lua_State *L, bool from_data);

/* The first is shared with cn.order's own; the last is cn.verdict's. */
extern const struct option convergence_options_table[];
extern const int convergence_options_count;
enum { CONVERGENCE_SHARED = 1 };

struct convergence_report {
    struct convergence_problem *problem;
    struct convergence *truth, *learned; /* of the true field and of the tested one; or NULL */
    const struct tableau *trained;       /* the scheme that the verdict is on */
    double noise;                        /* e0; nan: unknown */
    double target;                       /* nan: the default */
    struct job *job;                     /* that trained the net, or NULL */
};

/* Reads the table at 1 and measures; `seeds`: the options target and seeds, of cn.verdict, are
 * taken too. Pushes what holds the report. Raises whatever is wrong, and for ^C. */
const struct convergence_report *convergence_report(lua_State *L, const char *call, bool seeds);

#endif
