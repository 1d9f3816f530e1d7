/* The module: require "continuo" under a stock lua5.4, and what the workbench preloads. It makes
 * one table, cn, which is the same for every require in a Lua state. */
#include <stdlib.h>

#include "lua/answer.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/help_markdown.h"

static const struct help_entry entries[] = {
    {.name = "cn.threads",
     .group = "study",
     .signature = "cn.threads([n]) -> n",
     .line = "how many threads evaluations, studies and new jobs use",
     .text = "n from 1 to 256; without n the number is only told. By default one for each core. "
             "Results are the same bits for any number. Jobs that have started keep theirs.",
     .example = "n = cn.threads()\nassert(cn.threads(1) == 1)\ncn.threads(n)"},
    {.name = "cn.version",
     .group = "study",
     .signature = "cn.version",
     .line = "the version, a text"},
    {.name = "cn.help_markdown",
     .group = "prompt",
     .signature = "cn.help_markdown() -> text",
     .line = "the whole help as Markdown: what docs/LUA.md holds",
     .example = "assert(#cn.help_markdown() > 1000)"},
};

static int markdown_call(lua_State *L) {
    struct bind_box *box = bind_box(L, free);
    box->pointer = help_markdown();
    if (!box->pointer) {
        bind_refuse(L, "no memory for the help");
    }
    lua_pushstring(L, box->pointer);
    return bind_done(L, 1);
}

__attribute__((visibility("default"))) int luaopen_continuo(lua_State *L) {
    luaL_checkversion(L);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_newtable(L);
    bind_array_open(L);
    bind_how_open(L);
    bind_data_open(L);
    bind_trajectory_open(L);
    bind_net_open(L);
    bind_train_open(L);
    answer_open(L);
    bind_spec_open(L);
    bind_tableau_open(L);
    bind_solve_open(L);
    bind_system_open(L);
    bind_sweep_open(L);
    bind_gradient_open(L);
    bind_spectrum_open(L);
    bind_order_open(L);
    bind_verdict_open(L);
    bind_profile_open(L);
    bind_plot_open(L);
    lua_pushcfunction(L, bind_threads_call);
    lua_setfield(L, -2, "threads");
    lua_pushcfunction(L, markdown_call);
    lua_setfield(L, -2, "help_markdown");
    lua_pushliteral(L, CONTINUO_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
