/* cn.optim and cn.schedule: specifications for cn.train, checked where they are written. */
#include <stdio.h>
#include <string.h>

#include "learn/optim.h"
#include "learn/schedule.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/json.h"

static const char spec_name[] = "continuo.spec";

/* Raises unless the options can be read by the table; their values go nowhere. */
static void check_options(lua_State *L, const struct option *options, int count, const char *call,
                          const cJSON *json) {
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        const size_t end = options[i].offset + OPTION_TEXT_SIZE;
        size = end > size ? end : size;
    }
    void *scratch = bind_memory(L, (ptrdiff_t)size, 1);
    bind_options(L, options, count, call, json, NULL, scratch);
    lua_pop(L, 1);
}

/* What a specification is: the options given, as a table with "kind", which prints itself. */
static int push_spec(lua_State *L, const struct option *options, int count, const char *group,
                     const char *kind) {
    char call[64];
    struct error error;
    (void)snprintf(call, sizeof call, "cn.%s.%s", group, kind);
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    cJSON *json = bind_json(L, 1, call, NULL);
    if (cJSON_HasObjectItem(json, "kind")) {
        bind_refuse(L, "%s: unknown option \"kind\"; the name of the call says it", call);
    }
    check_options(L, options, count, call, json);
    cJSON_AddStringToObject(json, "kind", kind);
    struct schedule schedule;
    if (!strcmp(group, "schedule") && !schedule_read(&schedule, json, &error)) {
        bind_refuse(L, "cn.%s", error.text);
    }
    json_to_lua(L, json);
    luaL_setmetatable(L, spec_name);
    return 1;
}

static int optim_call(lua_State *L) {
    const struct optim_kind *kind = optim_at((int)lua_tointeger(L, lua_upvalueindex(1)));
    return push_spec(L, kind->options, kind->option_count, "optim", kind->name);
}

static int schedule_call(lua_State *L) {
    const struct schedule_kind *kind = schedule_at((int)lua_tointeger(L, lua_upvalueindex(1)));
    return push_spec(L, kind->options, kind->option_count, "schedule", kind->name);
}

/* Adds a value as Lua would write it; specifications hold numbers, truths and lists of numbers. */
static void add_value(luaL_Buffer *buffer, const cJSON *value) {
    char text[64];
    if (cJSON_IsArray(value)) {
        luaL_addstring(buffer, "{");
        for (const cJSON *item = value->child; item; item = item->next) {
            add_value(buffer, item);
            luaL_addstring(buffer, item->next ? ", " : "");
        }
        luaL_addstring(buffer, "}");
    } else if (cJSON_IsNumber(value)) {
        (void)snprintf(text, sizeof text, "%.9g", value->valuedouble);
        luaL_addstring(buffer, text);
    } else {
        luaL_addstring(buffer, cJSON_IsString(value) ? value->valuestring
                               : cJSON_IsTrue(value) ? "true"
                                                     : "false");
    }
}

/* "sgd{ lr = 0.1, momentum = 0.9 }". */
static int spec_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    const cJSON *json = bind_json(L, 1, "the specification", NULL);
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(json, "kind");
    bool any = false;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, cJSON_IsString(kind) ? kind->valuestring : "?");
    luaL_addstring(&buffer, "{");
    for (const cJSON *item = json->child; item; item = item->next) {
        if (item != kind) {
            luaL_addstring(&buffer, any ? ", " : " ");
            luaL_addstring(&buffer, item->string);
            luaL_addstring(&buffer, " = ");
            add_value(&buffer, item);
            any = true;
        }
    }
    luaL_addstring(&buffer, any ? " }" : "}");
    luaL_pushresult(&buffer);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

#define OPTIM_SETS(index, name)                                                                    \
    static int name##_sets(struct help_options *sets) {                                            \
        sets[0] = (struct help_options){optim_at(index)->options, optim_at(index)->option_count};  \
        return 1;                                                                                  \
    }
OPTIM_SETS(0, sgd)
OPTIM_SETS(1, adam)
OPTIM_SETS(2, adamw)
OPTIM_SETS(3, lbfgs)

#define SCHEDULE_SETS(index, name)                                                                 \
    static int name##_sets(struct help_options *sets) {                                            \
        sets[0] =                                                                                  \
            (struct help_options){schedule_at(index)->options, schedule_at(index)->option_count};  \
        return 1;                                                                                  \
    }
SCHEDULE_SETS(0, constant)
SCHEDULE_SETS(1, step)
SCHEDULE_SETS(2, cosine)
SCHEDULE_SETS(3, one_cycle)

static const struct help_entry entries[] = {
    {.name = "cn.optim.sgd",
     .group = "train",
     .signature = "cn.optim.sgd{ lr=, momentum=, weight_decay=, nesterov= }",
     .line = "stochastic gradient descent with momentum",
     .text = "As in PyTorch: g + weight_decay w into the velocity, w - rate v.",
     .example = "o = cn.optim.sgd{ lr = 0.1, momentum = 0.9 }\nassert(o.kind == \"sgd\")",
     .options = sgd_sets},
    {.name = "cn.optim.adam",
     .group = "train",
     .signature = "cn.optim.adam{ lr=, beta1=, beta2= }",
     .line = "adaptive moments, decay coupled to the gradient",
     .options = adam_sets},
    {.name = "cn.optim.adamw",
     .group = "train",
     .signature = "cn.optim.adamw{ lr=, weight_decay=, ... }",
     .line = "adaptive moments, decay apart from the gradient",
     .options = adamw_sets},
    {.name = "cn.optim.lbfgs",
     .group = "train",
     .signature = "cn.optim.lbfgs{ history=, lr=, max_iterations=, line_search= }",
     .line = "quasi-Newton steps with limited memory",
     .text = "For losses that are the same in every step: batch = the whole training part, or a "
             "large share of it. One training step is max_iterations iterations on its batch, each "
             "with as many losses and gradients as its line search asks for; history[i] of the "
             "job has them as evaluations. The pairs a direction is made of belong to one batch "
             "each, so that large random batches work too. Batch statistics move once a step. "
             "When a search finds nothing lower the pairs are forgotten, and the next step goes "
             "down the gradient.",
     .example = "o = cn.optim.lbfgs{ history = 5 }\nassert(o.kind == \"lbfgs\")",
     .options = lbfgs_sets},
    {.name = "cn.schedule.constant",
     .group = "train",
     .signature = "cn.schedule.constant{ warmup= }",
     .line = "the optimiser's rate throughout",
     .options = constant_sets},
    {.name = "cn.schedule.step",
     .group = "train",
     .signature = "cn.schedule.step{ at={ epoch, ... }, factor= }",
     .line = "the rate drops by a factor at given epochs",
     .example = "s = cn.schedule.step{ at = {2}, factor = 0.1 }\nassert(s.at[1] == 2)",
     .options = step_sets},
    {.name = "cn.schedule.cosine",
     .group = "train",
     .signature = "cn.schedule.cosine{ warmup=, floor= }",
     .line = "half a cosine from the optimiser's rate down to a floor",
     .options = cosine_sets},
    {.name = "cn.schedule.one_cycle",
     .group = "train",
     .signature = "cn.schedule.one_cycle{ peak=, warmup= }",
     .line = "up to a peak, then down to nearly nothing",
     .options = one_cycle_sets},
};

void bind_spec_open(lua_State *L) {
    luaL_newmetatable(L, spec_name);
    lua_pushcfunction(L, spec_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_newtable(L);
    for (int i = 0; i < optim_count(); i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, optim_call, 1);
        lua_setfield(L, -2, optim_at(i)->name);
    }
    lua_setfield(L, -2, "optim");
    lua_newtable(L);
    for (int i = 0; i < schedule_count(); i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, schedule_call, 1);
        lua_setfield(L, -2, schedule_at(i)->name);
    }
    lua_setfield(L, -2, "schedule");
}
