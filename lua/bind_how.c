/* How a net is run when somebody asks: which weights (its own, a snapshot, another precision),
 * which scheme and steps, on which samples; and what an evaluation looks like in Lua. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "learn/evaluate.h"
#include "lua/bind.h"
#include "nets/net.h"
#include "run/job.h"
#include "study/sweep.h"

static const char evaluation_name[] = "continuo.evaluation";

/* ---- options ------------------------------------------------------------------------------- */

const char *const how_edges[] = {"own", "open", "closed", NULL};
const char *const how_precisions[] = {"own", "f32", "f64", NULL};

#define FIELD(field) .offset = offsetof(struct how_options, field)

const struct option how_options_table[] = {
    {.name = "scheme",
     .kind = OPTION_TEXT,
     FIELD(scheme),
     .fallback = "",
     .help = "scheme of every ODE block, see cn.ode.schemes(); absent: as trained"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     FIELD(steps),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "steps of every ODE block; absent: as trained"},
    {.name = "edge",
     .kind = OPTION_CHOICE,
     FIELD(edge),
     .fallback = "own",
     .choices = how_edges,
     .help = "which cell a stage at the end of a step reads; own: as trained"},
    {.name = "precision",
     .kind = OPTION_CHOICE,
     FIELD(precision),
     .fallback = "own",
     .choices = how_precisions,
     .help = "f32 or f64; own: the net's"},
    {.name = "first",
     .kind = OPTION_INTEGER,
     FIELD(first),
     .fallback = "1",
     .least = 1,
     .most = 1e15,
     .help = "first sample, counted from 1"},
    {.name = "count",
     .kind = OPTION_INTEGER,
     FIELD(count),
     .fallback = "0",
     .least = 1,
     .most = 1e15,
     .help = "samples; absent: to the end of the part"},
};
const int how_options_count = sizeof how_options_table / sizeof *how_options_table;

void how_read(lua_State *L, int index, const char *call, struct how_options *options,
              struct manifestation *how) {
    struct error error;
    const cJSON *json = bind_json(L, index, call, NULL);
    bind_options(L, how_options_table, how_options_count, call, json, NULL, options);
    *how = (struct manifestation){.steps = (int)options->steps, .edge = options->edge - 1};
    if (options->scheme[0] && !(how->scheme = tableau_find(options->scheme, &error))) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
}

void how_fits(lua_State *L, const char *call, const struct net *net,
              const struct manifestation *how) {
    if (net_ode_count(net) == 0 && (how->scheme || how->steps || how->edge >= 0)) {
        const cJSON *family = cJSON_GetObjectItemCaseSensitive(net->config, "family");
        bind_refuse(L, "%s: this net (%s) has no ODE block, so it has no scheme, steps or edge",
                    call, cJSON_IsString(family) ? family->valuestring : "unknown family");
    }
}

void how_range(lua_State *L, const char *call, const struct part *part,
               struct how_options *options) {
    if (part->count == 0) {
        bind_refuse(L, "%s: the %s part of %s is empty", call, part->name, part->set->name);
    }
    if (options->first > part->count || options->count > part->count - options->first + 1) {
        bind_refuse(L, "%s: samples %td to %td are asked for, but the %s part has %td", call,
                    options->first, options->first + (options->count ? options->count : 1) - 1,
                    part->name, part->count);
    }
    if (options->count == 0) {
        options->count = part->count - options->first + 1;
    }
}

/* ---- weights ------------------------------------------------------------------------------- */

struct job *net_training(const struct net_box *box) {
    return box->job && !job_is_over(box->job) ? box->job : NULL;
}

/* Copies come and go with every call, in sizes that fragment the heap: pages are given back. */
static void net_release(void *net) {
    net_free(net);
    (void)malloc_trim((size_t)1 << 20);
}

struct net *net_use(lua_State *L, int index, int precision) {
    struct net_box *box = net_check(L, index);
    struct job *job = net_training(box);
    struct bind_box *copy = bind_box(L, net_release);
    struct error error;
    const enum precision own = box->net->kernels->precision;
    const enum precision wanted = precision < 0 ? own : (enum precision)precision;
    if (job) {
        copy->pointer = job_snapshot(job, wanted, &error);
    } else if (wanted != own) {
        copy->pointer = net_clone(box->net, wanted, &error);
    } else {
        return box->net;
    }
    if (!copy->pointer) {
        bind_raise(L, &error);
    }
    return copy->pointer;
}

void net_refuse_training(lua_State *L, const struct net_box *box, const char *verb) {
    const struct job *job = net_training(box);
    if (job) {
        bind_refuse(L,
                    "cannot %s a net while job \"%s\" is training it; job:wait() or job:stop() "
                    "and job:wait() first",
                    verb, job_name(job));
    }
}

bool net_misaligned(const struct net *net, const struct manifestation *how, char *text,
                    size_t size) {
    const int steps = how && how->steps > 0 ? how->steps : net_trained(net).steps;
    const int nodes = net_ode_count(net) > 0 ? sweep_misaligned(net, steps) : 0;
    if (nodes == 0) {
        return false;
    }
    (void)snprintf(text, size,
                   "%d step%s not align with the %d nodes of the weights: some step crosses a "
                   "jump, so orders are not to be expected (take a multiple of %d)",
                   steps, steps == 1 ? " does" : "s do", nodes, nodes);
    return true;
}

/* ---- results ------------------------------------------------------------------------------- */

static double number_field(lua_State *L, const char *name, double fallback) {
    lua_pushstring(L, name);
    double value = lua_rawget(L, 1) == LUA_TNUMBER ? (double)lua_tonumber(L, -1) : fallback;
    lua_pop(L, 1);
    return value;
}

static int evaluation_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    char line[240], accuracy[48] = "";
    const double share = number_field(L, "accuracy", -1);
    if (share >= 0) {
        (void)snprintf(accuracy, sizeof accuracy, "accuracy %.2f %%, ", 100 * share);
    }
    (void)snprintf(line, sizeof line,
                   "%sloss %.4f (%.0f samples, %.2f s, %.0f evaluations of the field a sample)",
                   accuracy, number_field(L, "loss", 0), number_field(L, "count", 0),
                   number_field(L, "seconds", 0), number_field(L, "evaluations", 0));
    lua_pushstring(L, line);
    return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, ptrdiff_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

void evaluation_push(lua_State *L, const struct evaluation *evaluation, bool classes) {
    lua_createtable(L, 0, 7);
    if (classes) {
        set_number(L, "accuracy", evaluation->accuracy);
        set_integer(L, "correct", evaluation->correct);
    }
    set_number(L, "loss", evaluation->loss);
    set_integer(L, "count", evaluation->count);
    set_number(L, "seconds", evaluation->seconds);
    set_integer(L, "evaluations", evaluation->evaluations);
    lua_pushboolean(L, evaluation->finite);
    lua_setfield(L, -2, "finite");
    luaL_setmetatable(L, evaluation_name);
}

void bind_how_open(lua_State *L) {
    luaL_newmetatable(L, evaluation_name);
    lua_pushcfunction(L, evaluation_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}
