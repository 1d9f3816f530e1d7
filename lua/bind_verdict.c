/* cn.verdict: is a trained net the discretisation of something continuous? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn/dataset.h"
#include "lua/bind.h"
#include "lua/convergence_table.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "lua/study_grid.h"
#include "nets/net.h"
#include "run/job.h"
#include "study/verdict_dynamics.h"
#include "study/verdict_measure.h"

static const char verdict_name[] = "continuo.verdict";

struct call_options {
    cJSON *schemes;
    ptrdiff_t samples, agreement_samples, order_samples, steps;
    bool order;
};

#define FIELD(field) .offset = offsetof(struct call_options, field)

static const struct option options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     FIELD(schemes),
     .fallback = "",
     .help = "list of schemes; absent: euler, midpoint, rk4 and the trained one"},
    {.name = "samples",
     .kind = OPTION_INTEGER,
     FIELD(samples),
     .fallback = "0",
     .least = 1,
     .most = 1e15,
     .help = "the first so many samples of the part, for accuracies; absent: all"},
    {.name = "agreement_samples",
     .kind = OPTION_INTEGER,
     FIELD(agreement_samples),
     .fallback = "0",
     .least = 1,
     .most = 1e15,
     .help = "of these, so many for the agreement of schemes; absent: up to 2000"},
    {.name = "order",
     .kind = OPTION_BOOLEAN,
     FIELD(order),
     .fallback = "true",
     .help = "measure the order of the hidden state too (in f64: the dear part)"},
    {.name = "order_samples",
     .kind = OPTION_INTEGER,
     FIELD(order_samples),
     .fallback = "1",
     .least = 1,
     .most = 4096,
     .help = "samples whose states show the order"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     FIELD(steps),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "that stand for the limit; absent: four times the trained ones, at least 16"},
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

/* ---- cells of a sweep ---------------------------------------------------------------------- */

/* Raises unless the sweep at `index` is of this net (at stack position 2), as it is now, and of
 * this part. */
static void check_sweep(lua_State *L, int index, const char *call, const struct part *part) {
    if (!lua_getmetatable(L, index) || lua_getfield(L, -1, "swept_net") != LUA_TUSERDATA) {
        bind_refuse(L, "%s: \"sweep\" must be what cn.sweep gives", call);
    }
    lua_getfield(L, -2, "swept_part"); /* meta, net, part */
    if (!lua_rawequal(L, -2, 2) || lua_touserdata(L, -1) != (const void *)part) {
        bind_refuse(L, "%s: \"sweep\" is of another net or another part of data", call);
    }
    lua_getfield(L, -3, "swept_version");
    if (lua_tointeger(L, -1) != (lua_Integer)net_check(L, 2)->net->version) {
        bind_refuse(L, "%s: the net's weights have changed since \"sweep\"; sweep again", call);
    }
    lua_pop(L, 4);
}

/* Fills one cell from the table on top: what net:evaluate gave. */
static void read_cell(lua_State *L, const char *call, ptrdiff_t count, struct sweep_cell *cell) {
    lua_getfield(L, -1, "count");
    lua_getfield(L, -2, "correct");
    cell->result.count = (ptrdiff_t)lua_tointeger(L, -2);
    cell->result.correct = (ptrdiff_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    if (cell->result.count != count) {
        bind_refuse(L, "%s: \"sweep\" is of %td samples, the verdict of %td", call,
                    cell->result.count, count);
    }
}

/* The cells of the sweep at `index`; pushes their memory. */
static const struct sweep_cell *read_sweep(lua_State *L, int index, const char *call,
                                           ptrdiff_t samples, int *count) {
    lua_getfield(L, index, "schemes");
    lua_getfield(L, index, "steps");
    const int steps_at = lua_gettop(L), schemes_at = steps_at - 1;
    const int scheme_count = (int)lua_rawlen(L, schemes_at), steps = (int)lua_rawlen(L, steps_at);
    struct sweep_cell *cells = bind_memory(L, (ptrdiff_t)scheme_count * steps, sizeof *cells);
    *count = 0;
    for (int i = 1; i <= scheme_count; i++) {
        lua_rawgeti(L, schemes_at, i);
        const struct tableau *scheme = tableau_from(L, -1, call);
        lua_gettable(L, index);
        for (int s = 1; s <= steps; s++) {
            struct sweep_cell *cell = &cells[*count];
            lua_rawgeti(L, steps_at, s);
            cell->scheme = scheme;
            cell->steps = (int)lua_tointeger(L, -1);
            lua_gettable(L, -2); /* t[scheme][steps] */
            read_cell(L, call, samples, cell);
            lua_pop(L, 1);
            ++*count;
        }
        lua_pop(L, 1);
    }
    return cells;
}

/* ---- results ------------------------------------------------------------------------------- */

static void push_finding(lua_State *L, const char *name, const struct finding *finding) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, finding_names[finding->state]);
    lua_setfield(L, -2, "state");
    lua_pushstring(L, finding->text);
    lua_setfield(L, -2, "text");
    lua_setfield(L, -2, name);
}

static void push_score(lua_State *L, const char *name, const struct verdict_score *score) {
    if (score->count == 0) {
        return;
    }
    lua_createtable(L, 0, 4);
    lua_pushstring(L, score->scheme);
    lua_setfield(L, -2, "scheme");
    lua_pushinteger(L, score->steps);
    lua_setfield(L, -2, "steps");
    lua_pushnumber(L, (double)score->correct / (double)score->count);
    lua_setfield(L, -2, "accuracy");
    lua_pushinteger(L, score->count);
    lua_setfield(L, -2, "count");
    lua_setfield(L, -2, name);
}

static void push_report(lua_State *L, const struct verdict_report *report) {
    const struct verdict *verdict = &report->verdict;
    lua_createtable(L, 0, 10);
    lua_pushstring(L, finding_names[verdict->state]);
    lua_setfield(L, -2, "state");
    lua_pushboolean(L, verdict->state == FINDING_PASS);
    lua_setfield(L, -2, "pass");
    lua_pushstring(L, verdict->text);
    lua_setfield(L, -2, "text");
    push_finding(L, "order", &verdict->order);
    push_finding(L, "limit", &verdict->limit);
    push_finding(L, "agreement", &verdict->agreement);
    push_score(L, "trained", &report->input.trained);
    push_score(L, "small", &report->input.limit);
    if (!isnan(verdict->gap)) {
        lua_pushnumber(L, verdict->gap);
        lua_setfield(L, -2, "gap");
        lua_pushnumber(L, verdict->interval);
        lua_setfield(L, -2, "interval");
    }
    luaL_setmetatable(L, verdict_name);
}

static int verdict_tostring(lua_State *L) {
    static const char *const names[] = {"order", "limit", "agreement"};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "state");
    lua_pushfstring(L, "verdict: %s", lua_tostring(L, 2));
    for (int i = 0; i < 3; i++) {
        char line[320];
        lua_getfield(L, 1, names[i]);
        if (lua_type(L, -1) != LUA_TTABLE) {
            lua_pop(L, 1);
            continue;
        }
        lua_getfield(L, -1, "state");
        lua_getfield(L, -2, "text");
        (void)snprintf(line, sizeof line, "\n  %c %-10s %-5s %s", 'A' + i, names[i],
                       lua_tostring(L, -2), lua_tostring(L, -1));
        lua_pop(L, 3);
        lua_pushstring(L, line);
        lua_concat(L, 2);
    }
    return 1;
}

static void write_down(struct job *job, const char *text, bool pass) {
    struct event event;
    if (job) {
        event_begin(&event, "verdict");
        event_text(&event, "text", text);
        event_flag(&event, "pass", pass);
        event_end(&event);
        job_event(job, &event);
    }
}

/* ---- of dynamics --------------------------------------------------------------------------- */

static const char dynamics_name[] = "continuo.verdict_dynamics";

static void set_number(lua_State *L, const char *name, double number) {
    if (!isnan(number)) {
        lua_pushnumber(L, number);
        lua_setfield(L, -2, name);
    }
}

static int dynamics_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    enum { WIDTH = 79 };
    lua_settop(L, 1);
    lua_getfield(L, 1, "text");
    lua_getfield(L, 1, "order");
    const char *text = lua_tostring(L, 2), *const table = luaL_tolstring(L, 3, NULL);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t len = text ? strlen(text) : 0; len > WIDTH;) {
        size_t line = WIDTH; /* up to the last blank that fits */
        while (line > 0 && text[line] != ' ') {
            line--;
        }
        line = line > 0 ? line : WIDTH;
        luaL_addlstring(&buffer, text, line);
        luaL_addchar(&buffer, '\n');
        text += line + (text[line] == ' ');
        len = strlen(text);
    }
    luaL_addstring(&buffer, text ? text : "");
    luaL_addchar(&buffer, '\n');
    luaL_addstring(&buffer, table);
    luaL_pushresult(&buffer);
    return 1;
}

/* The convergence test where there is a truth. */
static int verdict_of_dynamics(lua_State *L, const char *call) {
    const struct convergence_report *const report = convergence_report(L, call, true);
    const struct convergence *const own = report->learned ? report->learned : report->truth;
    struct verdict_dynamics verdict;
    verdict_dynamics(own,
                     &(struct verdict_dynamics_options){report->trained, report->noise,
                                                        report->target},
                     &verdict);
    write_down(report->job, verdict.text, verdict.state == DYNAMICS_PASS);
    lua_createtable(L, 0, 16);
    lua_pushstring(L, dynamics_state_names[verdict.state]);
    lua_setfield(L, -2, "state");
    lua_pushboolean(L, verdict.state == DYNAMICS_PASS);
    lua_setfield(L, -2, "pass");
    lua_pushstring(L, verdict.text);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, report->trained->name);
    lua_setfield(L, -2, "trained");
    set_number(L, "dt", own->dt);
    set_number(L, "error", verdict.trained);
    set_number(L, "worst", verdict.worst);
    set_number(L, "worst_h", verdict.worst_h);
    set_number(L, "limit", verdict.floor);
    set_number(L, "ratio", verdict.ratio);
    set_number(L, "noise", verdict.noise);
    set_number(L, "target", verdict.target);
    set_number(L, "allowed", verdict.allowed);
    set_number(L, "gap", verdict.gap);
    lua_pushboolean(L, verdict.agree);
    lua_setfield(L, -2, "agree");
    convergence_table_push(L, report);
    lua_setfield(L, -2, "order");
    luaL_setmetatable(L, dynamics_name);
    return bind_done(L, 1);
}

static void report_release(void *report) {
    verdict_report_free(report);
}

static int verdict_call(lua_State *L) {
    static const char call[] = "cn.verdict";
    static const char *const objects[] = {"net", "data", "sweep", NULL};
    struct call_options options;
    struct study_grid grid = {0};
    struct verdict_options plan = {0};
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    if (convergence_wanted(L, true)) {
        return verdict_of_dynamics(L, call);
    }
    bind_object(L, 1, call, "net", "continuo.net",
                "a net, such as cn.net.continuous{ ... } makes"); /* 2 */
    net_check(L, 2);
    lua_getfield(L, 1, "data"); /* 3 */
    if (lua_isnil(L, 3)) {
        bind_refuse(L, "%s: \"data\" is missing (a data set, whose test part is used, or a part)",
                    call);
    }
    const struct part *part = part_check(L, 3, "cn.verdict: \"data\"", "test");
    lua_getfield(L, 1, "sweep"); /* 4 */
    bind_options(L, options_table, OPTIONS, call, bind_json(L, 1, call, objects), objects,
                 &options);
    struct how_options range = {.first = 1, .count = options.samples};
    how_range(L, call, part, &range);
    if (options.schemes) {
        study_grid_read_schemes(L, call, options.schemes, &grid);
        plan.schemes = grid.schemes;
        plan.scheme_count = grid.scheme_count;
        if (grid.scheme_count >= VERDICT_SCHEMES_MAX) {
            bind_refuse(L, "%s: at most %d schemes are compared, not %d", call,
                        VERDICT_SCHEMES_MAX - 1, grid.scheme_count);
        }
    }
    if (!lua_isnil(L, 4)) {
        check_sweep(L, 4, call, part);
        plan.known = read_sweep(L, 4, call, range.count, &plan.known_count);
    }
    plan.count = range.count;
    plan.agreement_count = options.agreement_samples;
    plan.order_count = options.order ? options.order_samples : 0;
    plan.steps = (int)options.steps;
    plan.pool = bind_pool(L);
    struct net *net = net_use(L, 2, -1);
    struct bind_box *box = bind_box(L, report_release);
    plan.stop = interrupt_watch();
    const struct verdict_report *report = box->pointer = verdict_measure(net, part, &plan, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!report) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    write_down(net_check(L, 2)->job, report->verdict.text,
               report->verdict.state == FINDING_PASS);
    push_report(L, report);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int option_sets(struct help_options *sets) {
    sets[0] = (struct help_options){options_table, OPTIONS};
    sets[1] = (struct help_options){convergence_options_table + CONVERGENCE_SHARED,
                                    convergence_options_count - CONVERGENCE_SHARED};
    return 2;
}

static const struct help_argument arguments[] = {
    {"net", "a trained net with ODE blocks (required)"},
    {"data", "a data set, whose test part is used, or a part (required where there is no truth)"},
    {"sweep", "what cn.sweep gave for the same net, part and samples; saves running them again"},
    {"system", "the truth of learned dynamics; or f, or trajectory, and y0 and learned, as in "
               "cn.order"},
    {"f", "the true field, a function"},
    {"trajectory", "samples of the truth"},
    {"learned", "the field that is judged, a function, instead of a net's"},
    {"seeds", "nets like net, of other seeds: how they spread is forgiven"},
    {"y0", "states to begin at"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.verdict",
     .group = "study",
     .signature = "cn.verdict{ net=, data=, sweep=, samples=, schemes= } -> { state=, pass=, "
                  "text=, order=, limit=, agreement=, gap= } or cn.verdict{ system=, net=, dt=, "
                  "t1=, y0=, seeds=, target= } -> { state=, pass=, text=, error=, limit=, order= }",
     .line = "is a trained net the discretisation of something continuous?",
     .text = "state is \"pass\", \"fail\" or \"open\". Three findings, each with state and text: "
             "order (A), the hidden state converges with the scheme's order; limit (B), the "
             "accuracy as trained (trained) and with small steps (small) differ by no more than "
             "chance (gap, interval: 95 %); agreement (C), at small steps all schemes are equally "
             "accurate. A alone passes every smooth net; B is what tells an ODE from a network "
             "that only looks like one (Ott et al. 2021). When a job trained the net, the verdict "
             "is also written into its run folder. ^C gives the prompt back.\n\n"
             "With system, f or trajectory, or data of a built-in system, the convergence test of "
             "learned dynamics (after Krishnapriyan et al. 2023): state is \"PASS\", \"FAIL-V\" "
             "(the error at dt, error, is less than half of that at a smaller step, worst, or in "
             "the limit, limit: the field has learned the error of its scheme), \"FAIL-UNDER\" "
             "(error and limit are above target: train on) or \"OPEN\" (steps are too coarse to "
             "tell). order is what cn.order gives. Differences up to noise, the spread of fits "
             "from other seeds, are forgiven where it is known.",
     .example = "v = cn.verdict{ net = cn.net.mlp{ input = {2}, outputs = 2 },\n"
                "                data = cn.data.spirals{}.valid, order = false }\nprint(v)\n"
                "-- what a linear fit inside Euler's scheme learns of the oscillator\n"
                "re, im = (math.cos(0.1) - 1) / 0.1, math.sin(0.1) / 0.1\n"
                "v = cn.verdict{ system = \"oscillator\", trained = \"euler\", dt = 0.1, "
                "t1 = 1.6,\n"
                "    learned = function(t, y)\n"
                "        return { re * y[1] + im * y[2], re * y[2] - im * y[1] }\n"
                "    end }\nprint(v)\nassert(v.state == \"FAIL-V\")",
     .arguments = arguments,
     .options = option_sets},
};

void bind_verdict_open(lua_State *L) {
    luaL_newmetatable(L, verdict_name);
    lua_pushcfunction(L, verdict_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    luaL_newmetatable(L, dynamics_name);
    lua_pushcfunction(L, dynamics_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_pushcfunction(L, verdict_call);
    lua_setfield(L, -2, "verdict");
}
