/* cn.train and jobs. A job object holds its net and data alive; a job that
 * is not over is held by the registry, so that dropping the variable does not stop it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "learn/train.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/host.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "run/job.h"
#include "run/series.h"

static const char job_name_[] = "continuo.job";
static const char history_name[] = "continuo.history";
static const char jobs_key; /* its address: the registry's table of job objects, in order */

enum { COMMANDS_MAX = 1 << 20 };
static const struct timespec tick = {0, 2000000}; /* between looks at a job's state */

/* ---- boxes --------------------------------------------------------------------------------- */

struct job_box *job_check(lua_State *L, int index) {
    struct job_box *box = luaL_checkudata(L, index, job_name_);
    if (!box->job) {
        bind_refuse(L, "this job is closed");
    }
    return box;
}

static struct job *check(lua_State *L) {
    return job_check(L, 1)->job;
}

static int job_collect(lua_State *L) {
    struct job_box *box = luaL_checkudata(L, 1, job_name_);
    struct job *job = box->job;
    box->job = NULL;
    if (!job) {
        return 0;
    }
    lua_getiuservalue(L, 1, JOB_NET);
    struct net_box *net = lua_touserdata(L, -1);
    if (net && net->job == job) {
        net->job = NULL;
    }
    job_free(job);
    series_close(box->series);
    box->series = NULL;
    return 0;
}

/* Leaving a scope stops the training, as leaving it is how a script gives it up. */
static int job_close(lua_State *L) {
    struct job_box *box = luaL_checkudata(L, 1, job_name_);
    if (box->job && !job_is_over(box->job)) {
        job_stop(box->job);
        job_join(box->job);
    }
    return 0;
}

/* Pushes the registry's list of job objects. */
static void push_jobs(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &jobs_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &jobs_key);
    }
}

/* Lets go of the jobs that are over: who still wants one has it. */
void train_push_jobs(lua_State *L) {
    push_jobs(L);
    lua_newtable(L); /* jobs, kept */
    lua_Integer kept = 0, count = (lua_Integer)lua_rawlen(L, -2);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -2, i);
        const struct job_box *box = lua_touserdata(L, -1);
        if (box->job && !job_is_over(box->job)) {
            lua_rawseti(L, -2, ++kept);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_remove(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &jobs_key);
}

/* ---- cn.train ------------------------------------------------------------------------------ */

static void text_release(void *text) {
    free(text);
}

/* The source of the script or chunk that is calling, boxed and pushed; NULL: not to be had. */
static const char *push_commands(lua_State *L) {
    struct bind_box *box = bind_box(L, text_release);
    lua_Debug record;
    for (int level = 1; lua_getstack(L, level, &record); level++) {
        if (!lua_getinfo(L, "S", &record) || !strcmp(record.what, "C")) {
            continue;
        }
        if (record.source[0] == '@') {
            size_t size;
            return box->pointer = file_read(record.source + 1, COMMANDS_MAX, &size, NULL);
        }
        if (record.source[0] != '=') {
            return box->pointer = strdup(record.source);
        }
        if (lua_getfield(L, LUA_REGISTRYINDEX, "continuo.sources") == LUA_TTABLE) {
            lua_getfield(L, -1, record.source + 1); /* kept by the prompt */
            const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
            box->pointer = text ? strdup(text) : NULL;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        return box->pointer;
    }
    return NULL;
}

/* Adds control, but for its function, which is pushed (nil: there is none): `decide` is what "manual"
 * means. */
static void push_control(lua_State *L, const char *call, cJSON *options) {
    static const char *const skip[] = {"decide", NULL};
    struct error error;
    if (lua_getfield(L, 1, "control") == LUA_TNIL) {
        return;
    }
    if (!lua_istable(L, -1)) {
        bind_refuse(L, "%s: \"control\" must be a table, such as { rule = \"ott\", every = 50 }, not "
                       "a %s",
                    call, luaL_typename(L, -1));
    }
    cJSON *control = json_from_lua(L, -1, call, skip, &error);
    if (!control) {
        bind_raise(L, &error);
    }
    cJSON_AddItemToObject(options, "control", control);
    const bool decides = lua_getfield(L, -1, "decide") != LUA_TNIL;
    if (decides && !lua_isfunction(L, -1)) {
        bind_refuse(L, "%s: \"decide\" of control must be a function, not a %s", call,
                    luaL_typename(L, -1));
    }
    if (decides && !cJSON_HasObjectItem(control, "rule")) {
        cJSON_AddStringToObject(control, "rule", "manual");
    }
    const char *rule = cJSON_GetStringValue(cJSON_GetObjectItem(control, "rule"));
    if (decides != (rule && strcmp(rule, "manual") == 0)) {
        bind_refuse(L, decides ? "%s: a rule of control other than \"manual\" takes no function "
                                 "\"decide\"; leave one of them out"
                               : "%s: control with rule = \"manual\" needs a function, as in control "
                                 "= { decide = function(info) return 2 * info.steps end }",
                    call);
    }
}

static int train_call(lua_State *L) {
    static const char call[] = "cn.train";
    static const char *const objects[] = {"net", "data", "control", NULL};
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    struct net_box *net = bind_object(L, 1, call, "net", "continuo.net",
                                      "a net, such as cn.net.continuous{ ... } makes"); /* 2 */
    net_check(L, 2);
    bind_object(L, 1, call, "data", "continuo.data",
                "a data set, such as cn.data.fashion_mnist{ ... } makes"); /* 3 */
    const struct dataset *data = data_check(L, 3)->set;
    net_refuse_training(L, net, "train");
    cJSON *options = bind_json(L, 1, call, objects);
    push_control(L, call, options);
    const int decide = lua_gettop(L);
    const char *commands = push_commands(L);
    const int threads = bind_threads(L);
    train_push_jobs(L);
    const lua_Integer place = (lua_Integer)lua_rawlen(L, -1) + 1;
    struct job_box *box = lua_newuserdatauv(L, sizeof *box, JOB_DECIDE);
    *box = (struct job_box){NULL, NULL, false};
    luaL_setmetatable(L, job_name_);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, JOB_NET);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, JOB_DATA);
    lua_pushvalue(L, decide);
    lua_setiuservalue(L, -2, JOB_DECIDE);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, place);
    box->job = job_start(net->net, data, options, threads, commands, &error);
    if (!box->job) {
        bind_raise(L, &error);
    }
    net->job = box->job;
    return bind_done(L, 1);
}

static int jobs_call(lua_State *L) {
    train_push_jobs(L);
    lua_newtable(L); /* a copy: the registry's list is ours */
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -2); i++) {
        lua_rawgeti(L, -2, i);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* ---- job methods --------------------------------------------------------------------------- */

/* Waits until the job is over, or (paused) until it is at least not running. Raises on ^C. */
static void settle(lua_State *L, const struct job *job, bool paused) {
    const volatile bool *stop = interrupt_watch();
    while (!*stop && !job_is_over(job) && !(paused && job_state(job) != JOB_RUNNING)) {
        nanosleep(&tick, NULL);
    }
    if (interrupt_unwatch()) {
        luaL_error(L, "interrupted");
    }
}

static int job_call_wait(lua_State *L) {
    struct job_box *box = job_check(L, 1);
    struct error error;
    if (box->pausing && job_state(box->job) == JOB_PAUSED) {
        bind_refuse(L, "job:wait: job \"%s\" is paused and would never end; job:resume() first",
                    job_name(box->job));
    }
    if (!host_get()->wait(&box->job, 1, &error)) {
        box->pausing = true;
        bind_raise(L, &error);
    }
    lua_settop(L, 1);
    return 1;
}

static int job_call_pause(lua_State *L) {
    struct job_box *box = job_check(L, 1);
    if (!job_is_over(box->job)) {
        job_pause(box->job);
        box->pausing = true;
        settle(L, box->job, true);
    }
    lua_settop(L, 1);
    return 1;
}

static int job_call_resume(lua_State *L) {
    struct job_box *box = job_check(L, 1);
    job_resume(box->job);
    box->pausing = false;
    for (int ticks = 0; ticks < 50 && job_state(box->job) == JOB_PAUSED; ticks++) {
        nanosleep(&tick, NULL); /* so that what is printed next is true */
    }
    lua_settop(L, 1);
    return 1;
}

static int job_call_stop(lua_State *L) {
    struct job_box *box = job_check(L, 1);
    job_stop(box->job);
    box->pausing = false;
    settle(L, box->job, false);
    lua_settop(L, 1);
    return 1;
}

/* The job's series, read up to now; NULL when the folder cannot be read. */
static struct series *read_series(lua_State *L) {
    struct job_box *box = job_check(L, 1);
    if (!box->series) {
        box->series = series_open(job_path(box->job), NULL);
    }
    if (box->series) {
        series_update(box->series);
    }
    return box->series;
}

static int job_tostring(lua_State *L) {
    struct job_box *box = luaL_checkudata(L, 1, job_name_);
    char line[1000], place[160] = "", bytes[MEMORY_TEXT_SIZE];
    if (!box->job) {
        lua_pushliteral(L, "job (closed)");
        return 1;
    }
    const struct series *series = read_series(L);
    if (series && series->step_count > 0) {
        const struct series_step *last = &series->steps[series->step_count - 1];
        (void)snprintf(place, sizeof place, ", step %.0f of %.0f (epoch %.2f), loss %.4f",
                       last->step, series->steps_total, last->epoch, last->loss);
    }
    const char *message = job_message(box->job);
    (void)snprintf(line, sizeof line, "job %s: %s%s; memory: %s, %s; %s%s%s",
                   job_name(box->job), job_state_names[job_state(box->job)], place,
                   memory_names[job_memory(box->job)],
                   memory_text(bytes, (double)job_bytes(box->job)),
                   job_path(box->job), message[0] ? "\n  " : "", message);
    lua_pushstring(L, line);
    return 1;
}

/* ---- fields -------------------------------------------------------------------------------- */

static int get_state(lua_State *L) {
    lua_pushstring(L, job_state_names[job_state(check(L))]);
    return 1;
}

static int get_path(lua_State *L) {
    lua_pushstring(L, job_path(check(L)));
    return 1;
}

static int get_name(lua_State *L) {
    lua_pushstring(L, job_name(check(L)));
    return 1;
}

static int get_message(lua_State *L) {
    lua_pushstring(L, job_message(check(L)));
    return 1;
}

static int get_step_seconds(lua_State *L) {
    lua_pushnumber(L, job_step_seconds(check(L)));
    return 1;
}

static int get_seconds(lua_State *L) {
    lua_pushnumber(L, job_seconds(check(L)));
    return 1;
}

static int get_memory(lua_State *L) {
    lua_pushstring(L, memory_names[job_memory(check(L))]);
    return 1;
}

static int get_bytes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)job_bytes(check(L)));
    return 1;
}

static int get_net(lua_State *L) {
    check(L);
    lua_getiuservalue(L, 1, JOB_NET);
    return 1;
}

static int get_data(lua_State *L) {
    check(L);
    lua_getiuservalue(L, 1, JOB_DATA);
    return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_step(lua_State *L, double step, double epoch, double seconds, double loss) {
    lua_pushinteger(L, (lua_Integer)step);
    lua_setfield(L, -2, "step");
    set_number(L, "epoch", epoch);
    set_number(L, "seconds", seconds);
    set_number(L, "loss", loss);
}

/* Pushes the list `name` of the table on top, made when it is missing; returns its length. */
static ptrdiff_t push_list(lua_State *L, const char *name) {
    luaL_getsubtable(L, -1, name);
    return (ptrdiff_t)lua_rawlen(L, -1);
}

static void add_steps(lua_State *L, const struct series *series) {
    for (ptrdiff_t i = (ptrdiff_t)lua_rawlen(L, -1); i < series->step_count; i++) {
        const struct series_step *s = &series->steps[i];
        lua_createtable(L, 0, 7);
        set_step(L, s->step, s->epoch, s->seconds, s->loss);
        set_number(L, "rate", s->rate);
        set_number(L, "grad_norm", s->grad_norm);
        set_number(L, "images_per_second", s->images_per_second);
        if (isfinite(s->evaluations)) {
            lua_pushinteger(L, (lua_Integer)s->evaluations);
            lua_setfield(L, -2, "evaluations");
        }
        if (series->loss_count > 0) {
            lua_createtable(L, series->loss_count, 0);
            for (int k = 0; k < series->loss_count; k++) {
                lua_pushnumber(L, series->losses[i * series->loss_count + k]);
                lua_rawseti(L, -2, k + 1);
            }
            lua_setfield(L, -2, "losses");
        }
        lua_rawseti(L, -2, i + 1);
    }
}

static void add_evals(lua_State *L, const struct series *series) {
    for (ptrdiff_t i = push_list(L, "evals"); i < series->eval_count; i++) {
        const struct series_eval *e = &series->evals[i];
        lua_createtable(L, 0, 7);
        set_step(L, e->step, e->epoch, e->seconds, e->loss);
        if (isfinite(e->accuracy)) {
            set_number(L, "accuracy", e->accuracy);
        }
        set_number(L, "count", e->count);
        lua_pushstring(L, e->valid ? "valid" : "test");
        lua_setfield(L, -2, "part");
        lua_rawseti(L, -2, i + 1);
    }
    lua_pop(L, 1);
}

static void add_controls(lua_State *L, const struct series *series) {
    for (ptrdiff_t i = push_list(L, "controls"); i < series->decision_count; i++) {
        const struct series_decision *d = &series->decisions[i];
        lua_createtable(L, 0, 8);
        lua_pushinteger(L, (lua_Integer)d->step);
        lua_setfield(L, -2, "step");
        set_number(L, "epoch", d->epoch);
        lua_pushinteger(L, d->from);
        lua_setfield(L, -2, "from");
        lua_pushinteger(L, d->to);
        lua_setfield(L, -2, "to");
        set_number(L, "value", d->value);
        set_number(L, "threshold", d->threshold);
        lua_pushstring(L, d->rule);
        lua_setfield(L, -2, "rule");
        lua_pushstring(L, d->text);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, i + 1);
    }
    lua_pop(L, 1);
}

static void add_probes(lua_State *L, const struct series *series) {
    for (ptrdiff_t i = push_list(L, "probes"); i < series->probe_count; i++) {
        const struct series_probe *p = &series->probes[i];
        lua_createtable(L, 0, 8);
        set_step(L, p->step, p->epoch, p->seconds, p->loss);
        if (isfinite(p->accuracy)) {
            set_number(L, "accuracy", p->accuracy);
        }
        set_number(L, "count", p->count);
        lua_pushstring(L, series->schemes[p->scheme]);
        lua_setfield(L, -2, "scheme");
        lua_pushinteger(L, p->steps);
        lua_setfield(L, -2, "steps");
        lua_rawseti(L, -2, i + 1);
    }
    lua_pop(L, 1);
}

/* A list of steps, with the lists evals, probes and controls in it; grows with the run. */
static int get_history(lua_State *L) {
    const struct series *series = read_series(L);
    if (lua_getiuservalue(L, 1, JOB_HISTORY) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        luaL_setmetatable(L, history_name);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, JOB_HISTORY);
    }
    if (series) {
        add_steps(L, series);
        add_evals(L, series);
        add_probes(L, series);
        add_controls(L, series);
    }
    return 1;
}

static int history_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const lua_Integer steps = (lua_Integer)lua_rawlen(L, 1);
    const ptrdiff_t evals = push_list(L, "evals");
    lua_pop(L, 1);
    const ptrdiff_t probes = push_list(L, "probes");
    double ends[2] = {0, 0};
    for (int e = 0; e < 2 && steps > 0; e++) {
        lua_rawgeti(L, 1, e ? steps : 1);
        lua_getfield(L, -1, "loss");
        ends[e] = (double)lua_tonumber(L, -1);
    }
    char line[200];
    (void)snprintf(line, sizeof line,
                   "history: %lld steps, loss %.4f -> %.4f; %td evaluations, %td probes",
                   (long long)steps, ends[0], ends[1], evals, probes);
    lua_pushstring(L, line);
    return 1;
}

/* ---- help ---------------------------------------------------------------------------------- */

static int train_sets(struct help_options *sets) {
    sets[0] = (struct help_options){train_options_table, train_options_count};
    sets[1] = (struct help_options){job_options_table, job_options_count};
    return 2;
}

static const struct help_argument train_arguments[] = {
    {"net", "the net to train (required)"}, {"data", "the data set (required)"}, {0}};

static const struct help_entry entries[] = {
    {.name = "cn.train",
     .group = "train",
     .signature = "cn.train{ net=, data=, epochs=, batch=, optimizer=, schedule=, probe=, seed=, "
                  "name= } -> job",
     .line = "starts training in the background",
     .text = "Returns at once; the job writes a run folder (config, metrics, checkpoints) that the "
             "live screen and `continuo watch` read. Jobs run one at a time, in the order they "
             "were started. probe = { schemes = {..}, steps = {..}, samples = n } evaluates the "
             "same weights under other schemes and steps on a slice of the validation part while "
             "they train; false: none.\n\n"
             "The gradient needs the states and slopes that an ODE block went through. memory = "
             "\"full\" keeps all of them and all between; \"stages\" the slopes, and \"steps\" "
             "only the states at the starts of steps, and compute the rest again: less memory, "
             "more time, the same bits. \"auto\" keeps as much as half of the machine's memory holds.\n\n"
             "schemes = { { scheme = \"midpoint\" }, { scheme = \"rk4\", steps = 2, weight = 3 } } "
             "runs every batch through all of them and trains on the sum of the losses, weights "
             "divided by their sum; history[i].losses has each. Steps left out are the net's. "
             "Running statistics move to the weighted mean of where each would have moved "
             "them.\n\n"
             "control = { rule = \"ott\", every = 50 } changes the number of steps of the net's ODE "
             "blocks: twice as many when the accuracies under its scheme and a more accurate one "
             "differ by more than the threshold on the batch, a tenth fewer when they do not; "
             "start = \"net\" begins with the net's own number instead of Hairer's. rule = "
             "\"distance\" compares the states behind the blocks. control = { decide = "
             "function(info) ... end } asks a function, which is called on the main thread while "
             "it waits in job:wait() or at the prompt: it gets step, steps, scheme, loss, accuracy, "
             "test (scheme, steps, loss, accuracy), distance and job, and returns the number of "
             "steps to go on with, and why, or nothing to keep it. Without an answer within "
             "`patience` seconds it is kept. history.controls is the list of decisions (step, epoch, "
             "from, to, rule, value, threshold, text); the net ends with the last number.\n\n"
             "The same net, data, options and seed give the same bits for any number of threads. "
             "Refused: options that do not exist or cannot be, net and data that do not fit each "
             "other, a net that is being trained, an unwritable folder. A loss that is not finite "
             "ends the job as \"diverged\", with the weights before that step.",
     .example = "job = cn.train{ net = cn.net.mlp{ input = {2}, outputs = 2 },\n"
                "                data = cn.data.spirals{}, epochs = 1, name = \"example\",\n"
                "                runs = os.getenv \"TMPDIR\" or \"/tmp\" }:wait()\n"
                "print(job, job.history)\nassert(job.state == \"done\")",
     .arguments = train_arguments,
     .options = train_sets},
    {.name = "cn.jobs",
     .group = "train",
     .signature = "cn.jobs() -> { job, ... }",
     .line = "the jobs that are not over, in order of start",
     .example = "assert(#cn.jobs() == 0)"},
    {.name = "job",
     .group = "train",
     .signature = "job.state, job.history, job.path, ...",
     .line = "a training in the background",
     .text = "Fields: state (queued, running, paused, done, stopped, failed, diverged), message "
             "(why it ended), path (its run folder), name, history, seconds (of the run, pauses "
             "cut out), step_seconds (median of a step), memory and bytes (what steps keep of ODE "
             "blocks, and the memory they work in), net, data. history[i] is step i: step, "
             "epoch, seconds, loss, losses (with several schemes), evaluations (with lbfgs), rate, "
             "grad_norm, images_per_second; history.evals and history.probes are lists with "
             "accuracy, count, part, scheme and steps, history.controls is one of decisions on "
             "the number of steps. A job that runs goes on when no variable holds it."},
    {.name = "job:wait",
     .group = "train",
     .signature = "job:wait() -> job",
     .line = "waits until the job is over",
     .text = "^C pauses the job at its next batch, weights intact, and gives the prompt back; "
             "job:resume() goes on. Refused for a paused job, which would never end."},
    {.name = "job:pause",
     .group = "train",
     .signature = "job:pause() -> job",
     .line = "pauses at the next batch, and returns when it has",
     .text = "A checkpoint is written. A job that has not begun stays queued."},
    {.name = "job:resume",
     .group = "train",
     .signature = "job:resume() -> job",
     .line = "lets a paused job go on"},
    {.name = "job:stop",
     .group = "train",
     .signature = "job:stop() -> job",
     .line = "ends the job at the next batch, weights kept, final checkpoint written"},
};

static const luaL_Reg methods[] = {{"wait", job_call_wait},
                                   {"pause", job_call_pause},
                                   {"resume", job_call_resume},
                                   {"stop", job_call_stop},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"state", get_state},
                                   {"history", get_history},
                                   {"path", get_path},
                                   {"name", get_name},
                                   {"message", get_message},
                                   {"seconds", get_seconds},
                                   {"step_seconds", get_step_seconds},
                                   {"memory", get_memory},
                                   {"bytes", get_bytes},
                                   {"net", get_net},
                                   {"data", get_data},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__gc", job_collect}, {"__close", job_close}, {"__tostring", job_tostring}, {NULL, NULL}};

static const struct bind_type type = {job_name_, methods, getters, meta, NULL};

void bind_train_open(lua_State *L) {
    bind_type(L, &type);
    luaL_newmetatable(L, history_name);
    lua_pushcfunction(L, history_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_pushcfunction(L, train_call);
    lua_setfield(L, -2, "train");
    lua_pushcfunction(L, jobs_call);
    lua_setfield(L, -2, "jobs");
}
