#include "lua/convergence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/interrupt.h"
#include "lua/study_grid.h"
#include "nets/net.h"
#include "ode/system.h"

struct options {
    cJSON *schemes;
    double dt, t0, t1;
    ptrdiff_t finest, coarsest;
    char trained[OPTION_TEXT_SIZE];
    cJSON *target;
};

#define FIELD(field) .offset = offsetof(struct options, field)

const struct option convergence_options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     FIELD(schemes),
     .fallback = "",
     .help = "list of schemes; absent: euler, midpoint, heun2, rk4 and the trained one"},
    {.name = "dt",
     .kind = OPTION_NUMBER,
     FIELD(dt),
     .fallback = "0",
     .least = 0,
     .most = 1e12,
     .help = "the step of the training, about which h goes; absent: the net's"},
    {.name = "trained",
     .kind = OPTION_TEXT,
     FIELD(trained),
     .fallback = "",
     .help = "the scheme of the training; absent: the net's, or else the first of schemes"},
    {.name = "t0",
     .kind = OPTION_NUMBER,
     FIELD(t0),
     .fallback = "0",
     .help = "time of the initial states; absent: the system's, or 0"},
    {.name = "t1",
     .kind = OPTION_NUMBER,
     FIELD(t1),
     .fallback = "0",
     .help = "the end, a whole number of dt behind t0; absent: about a fifth of the "
             "time customary for the system"},
    {.name = "finest",
     .kind = OPTION_INTEGER,
     FIELD(finest),
     .fallback = "-6",
     .least = -16,
     .most = 0,
     .help = "the smallest step is dt 2^finest"},
    {.name = "coarsest",
     .kind = OPTION_INTEGER,
     FIELD(coarsest),
     .fallback = "4",
     .least = 0,
     .most = 7,
     .help = "the largest step is dt 2^coarsest, as far as steps divide t1 - t0"},
    {.name = "target",
     .kind = OPTION_JSON,
     FIELD(target),
     .fallback = "",
     .help = "cn.verdict: an error above it is an unfinished fit; absent: a tenth of the size of "
             "the solution"},
};
const int convergence_options_count =
    sizeof convergence_options_table / sizeof *convergence_options_table;

static bool has(lua_State *L, const char *key) {
    const bool is = lua_getfield(L, 1, key) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* What the option data is made of; false when it is not of a built-in system. */
static bool read_data(lua_State *L, struct convergence_data *data) {
    const bool given = lua_getfield(L, 1, "data") == LUA_TUSERDATA;
    const bool is =
        given && convergence_data_read(
                     data, part_check(L, lua_gettop(L), "\"data\"", "test")->set);
    lua_settop(L, 1);
    return is;
}

bool convergence_wanted(lua_State *L, bool from_data) {
    struct convergence_data data;
    return lua_type(L, 1) == LUA_TTABLE &&
           (has(L, "system") || has(L, "f") || has(L, "trajectory") ||
            (from_data && read_data(L, &data)));
}

/* ---- what is read -------------------------------------------------------------------------- */

struct reading {
    const char *call;
    struct options options;
    const cJSON *json;
    struct convergence_data data; /* where the truth is that of data */
    struct field_source true_field, learned;
    bool has_field, has_learned;
    const struct net *net; /* or NULL */
    struct convergence_fields *fields; /* of the net */
    struct ode_field *seeds;           /* fields of the net and of its other seeds */
    int seed_count;
    struct truth truth;
    ptrdiff_t n, count;
    const double *y0;
    struct study_grid grid;
    struct pool *pool;
    struct convergence_report *report;
};

/* A field from Lua that was called raised, or gave no numbers: raise that. */
static void raise_fields(lua_State *L, struct reading *r) {
    field_raise(L, &r->true_field, NULL);
    field_raise(L, &r->learned, NULL);
}

/* Lists t and y of the trajectory on top; pushes what holds them. */
static void read_trajectory(lua_State *L, struct reading *r) {
    const int table = lua_gettop(L);
    if (lua_type(L, table) != LUA_TTABLE) {
        bind_refuse(L,
                    "%s: \"trajectory\" must be { t = {..}, y = { {..}, .. } }, as cn.ode.solve "
                    "gives, not a %s",
                    r->call, luaL_typename(L, table));
    }
    lua_getfield(L, table, "t");
    char what[80];
    (void)snprintf(what, sizeof what, "%s: \"t\" of the trajectory", r->call);
    const struct array *const t = array_from(L, -1, what);
    lua_getfield(L, table, "y");
    (void)snprintf(what, sizeof what, "%s: \"y\" of the trajectory", r->call);
    const struct array *const y = array_from(L, -1, what);
    if (t->rank != 1 || y->rank != 2 || t->len != y->shape[0] || t->len < 2) {
        bind_refuse(L, "%s: a trajectory has a list t of at least two times and a list y of as "
                       "many states",
                    r->call);
    }
    for (ptrdiff_t i = 1; i < t->len; i++) {
        if (!(t->values[i] > t->values[i - 1])) {
            bind_refuse(L, "%s: times of a trajectory must rise, but entry %td, %.12g, does not",
                        r->call, i + 1, t->values[i]);
        }
    }
    r->truth = truth_samples(t->len, t->values, y->values, y->shape[1]);
    r->n = y->shape[1];
    r->y0 = y->values;
    r->count = 1;
}

/* The truth, and the initial states where they are its own. */
static void read_truth(lua_State *L, struct reading *r) {
    const bool trajectory = has(L, "trajectory");
    if (trajectory && (has(L, "system") || has(L, "f"))) {
        bind_refuse(L, "%s: \"trajectory\" and a field are both given; the truth is one of them",
                    r->call);
    }
    if (trajectory) {
        lua_getfield(L, 1, "trajectory");
        read_trajectory(L, r);
        return;
    }
    r->has_field = true;
    if (r->data.count > 0) {
        r->true_field = (struct field_source){.field = system_field(&r->data.system),
                                              .system = &r->data.system};
        r->truth = truth_system(&r->data.system);
        r->n = r->truth.n;
        r->y0 = r->data.y0;
        r->count = r->data.count;
        return;
    }
    /* Of the fields that the call names, the true one. */
    lua_createtable(L, 0, 2);
    const int named = lua_gettop(L);
    for (int i = 0; i < 2; i++) {
        lua_getfield(L, 1, i ? "system" : "f");
        lua_setfield(L, named, i ? "system" : "f");
    }
    field_from(L, named, r->call, &r->true_field);
    if (r->true_field.system) {
        r->truth = truth_system(r->true_field.system);
        r->n = r->truth.n;
        r->y0 = r->true_field.system->y0;
        r->count = 1;
    }
}

/* The option y0: a state or a list of states. */
static void read_states(lua_State *L, struct reading *r) {
    char what[80];
    if (lua_getfield(L, 1, "y0") == LUA_TNIL) {
        if (!r->y0) {
            bind_refuse(L, "%s: \"y0\" is missing: the state to begin at, or a list of states",
                        r->call);
        }
        return;
    }
    (void)snprintf(what, sizeof what, "%s: \"y0\"", r->call);
    const struct array *const y0 = array_from(L, -1, what);
    const ptrdiff_t n = y0->rank > 0 ? y0->shape[y0->rank - 1] : 0;
    if (y0->rank < 1 || y0->rank > 2 || y0->len < 1 || (r->n != 0 && n != r->n)) {
        bind_refuse(L, "%s must be a state of %td numbers, or a list of such", what,
                    r->n ? r->n : n);
    }
    r->n = n;
    r->y0 = y0->values;
    r->count = y0->rank == 2 ? y0->shape[0] : 1;
}

static void fields_release(void *fields) {
    convergence_fields_free(fields);
}

/* The field of a net, `count` times over; pushes what holds it. */
static struct convergence_fields *push_fields(lua_State *L, const struct reading *r,
                                              const struct net *net, int count) {
    struct error error;
    struct bind_box *const box = bind_box(L, fields_release);
    struct convergence_fields *const fields = box->pointer = convergence_fields(
        net, r->n, r->options.dt * net_trained(net).steps, count, &error);
    if (!fields) {
        bind_refuse(L, "%s: %s", r->call, error.text);
    }
    return fields;
}

static void read_net(lua_State *L, struct reading *r) {
    lua_pop(L, 1);
    bind_object(L, 1, r->call, "net", "continuo.net",
                "a net, such as cn.net.dynamics{ ... } makes");
    const int index = lua_gettop(L);
    if (net_ode_count(net_check(L, index)->net) == 0) {
        bind_refuse(L, "%s: this net has no ODE block, so it is no field", r->call);
    }
    r->report->job = net_check(L, index)->job;
    r->net = net_use(L, index, -1);
    if (!(r->options.dt > 0)) {
        r->options.dt = convergence_data_step(r->net, r->data.interval);
    }
    if (!(r->options.dt > 0)) {
        bind_refuse(L, "%s: \"dt\" is missing: what the net's step stands for in time", r->call);
    }
    r->fields = push_fields(L, r, r->net, pool_threads(r->pool));
    r->has_learned = true;
}

/* The option seeds: nets like this one, of other seeds. */
static void read_seeds(lua_State *L, struct reading *r) {
    if (lua_getfield(L, 1, "seeds") == LUA_TNIL) {
        return;
    }
    const int list = lua_gettop(L);
    const int count = lua_type(L, list) == LUA_TTABLE ? (int)lua_rawlen(L, list) : 0;
    if (count < 1 || !r->net) {
        bind_refuse(L, "%s: \"seeds\" must be a list of nets that differ from net by their seed",
                    r->call);
    }
    luaL_checkstack(L, 3 * count + 20, r->call);
    r->seeds = bind_memory(L, count + 1, sizeof *r->seeds);
    r->seeds[r->seed_count++] = r->fields->fields[0];
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, list, i);
        const int index = lua_gettop(L);
        if (!luaL_testudata(L, index, "continuo.net") ||
            net_ode_count(net_check(L, index)->net) == 0) {
            bind_refuse(L, "%s: entry %d of \"seeds\" is no net with an ODE block", r->call, i);
        }
        r->seeds[r->seed_count++] =
            push_fields(L, r, net_use(L, index, -1), 1)->fields[0];
    }
}

/* The field that is tested, unless it is the true one: a net's or a function. */
static void read_learned(lua_State *L, struct reading *r) {
    if (lua_getfield(L, 1, "net") != LUA_TNIL) {
        if (has(L, "learned")) {
            bind_refuse(L, "%s: \"net\" and \"learned\" are both given; one field is tested",
                        r->call);
        }
        read_net(L, r);
        return;
    }
    lua_pop(L, 1);
    if (lua_getfield(L, 1, "learned") == LUA_TNIL) {
        return;
    }
    if (lua_type(L, -1) != LUA_TFUNCTION) {
        bind_refuse(L, "%s: \"learned\" must be a function f(t, y, dy) that fills dy, not a %s",
                    r->call, luaL_typename(L, -1));
    }
    field_function(L, lua_gettop(L), r->call, r->n, &r->learned);
    r->learned.field.name = "learned";
    r->has_learned = true;
}

static void read_schemes(lua_State *L, struct reading *r) {
    static const char *const usual[] = {"euler", "midpoint", "heun2", "rk4"};
    struct error error;
    const struct tableau *trained = NULL;
    if (r->options.schemes) {
        study_grid_read_schemes(L, r->call, r->options.schemes, &r->grid);
    }
    for (int i = 0; i < 4 && !r->options.schemes; i++) {
        study_grid_add_scheme(&r->grid, tableau_find(usual[i], NULL));
    }
    if (r->options.trained[0] && !(trained = tableau_find(r->options.trained, &error))) {
        bind_refuse(L, "%s: %s", r->call, error.text);
    }
    r->report->trained = trained  ? trained
                         : r->net ? net_trained(r->net).scheme
                                  : r->grid.schemes[0];
    study_grid_add_scheme(&r->grid, r->report->trained);
    if (r->grid.scheme_count > CONVERGENCE_SCHEMES_MAX) {
        bind_refuse(L, "%s: at most %d schemes are compared, not %d", r->call,
                    CONVERGENCE_SCHEMES_MAX, r->grid.scheme_count);
    }
}

static void read_times(lua_State *L, struct reading *r) {
    struct options *const o = &r->options;
    const struct system *const system = r->true_field.system;
    const bool sampled = r->truth.times != NULL;
    if (!(o->dt > 0)) {
        bind_refuse(L, "%s: \"dt\" is missing: the step of the training, about which h goes",
                    r->call);
    }
    if (!cJSON_HasObjectItem(r->json, "t0")) {
        o->t0 = system ? system->t0 : sampled ? r->truth.times[0] : 0;
    }
    if (!cJSON_HasObjectItem(r->json, "t1")) {
        if (!system && !sampled) {
            bind_refuse(L, "%s: \"t1\" is missing: the time at which errors are taken", r->call);
        }
        const double last = sampled ? r->truth.times[r->truth.samples - 1] : system_end(system);
        o->t1 = convergence_data_end(o->t0, last, o->dt, (int)o->coarsest);
    }
}

static void read_target(lua_State *L, struct reading *r, bool seeds) {
    const cJSON *const target = r->options.target;
    r->report->target = NAN;
    if (!target) {
        return;
    }
    if (!seeds) {
        bind_refuse(L, "%s: \"target\" belongs to cn.verdict", r->call);
    }
    if (!cJSON_IsNumber(target) || !(target->valuedouble > 0)) {
        bind_refuse(L, "%s: \"target\" must be a positive number, an error", r->call);
    }
    r->report->target = target->valuedouble;
}

/* ---- measuring ----------------------------------------------------------------------------- */

static void report_release(void *pointer) {
    struct convergence_report *const report = pointer;
    convergence_problem_free(report->problem);
    free(report->truth);
    free(report->learned);
    free(report);
}

/* Measures a field, one a thread of the pool. */
static struct convergence *measure_fields(const struct reading *r, const struct ode_field *fields,
                                          bool kinked, struct pool *pool,
                                          const volatile bool *stop, struct error *error) {
    struct convergence *const convergence = malloc(sizeof *convergence);
    const bool good =
        (convergence || error_set(error, ERROR_MEMORY, "no memory for a test")) &&
        convergence_measure(r->report->problem, fields, kinked, r->grid.schemes,
                            r->grid.scheme_count, pool, stop, convergence, error);
    if (!good) {
        free(convergence);
    }
    return good ? convergence : NULL;
}

/* A function, which this thread alone calls, or a system, which any may call at once. */
static struct convergence *measure(const struct reading *r, const struct ode_field *field,
                                   bool is_function, const volatile bool *stop,
                                   struct error *error) {
    struct pool *const pool = is_function ? NULL : r->pool;
    const int count = pool_threads(pool);
    struct ode_field *const fields = malloc((size_t)count * sizeof *fields);
    if (!fields) {
        (void)error_set(error, ERROR_MEMORY, "no memory for a test");
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        fields[i] = *field;
    }
    struct convergence *const convergence = measure_fields(r, fields, false, pool, stop, error);
    free(fields);
    return convergence;
}

static struct convergence *measure_learned(const struct reading *r, const volatile bool *stop,
                                           struct error *error) {
    return r->fields ? measure_fields(r, r->fields->fields, r->fields->kinked, r->pool, stop, error)
                     : measure(r, &r->learned.field, true, stop, error);
}

static bool measure_all(struct reading *r, const volatile bool *stop, struct error *error) {
    struct convergence_report *const report = r->report;
    const struct convergence_options options = {.dt = r->options.dt,
                                                .t0 = r->options.t0,
                                                .t1 = r->options.t1,
                                                .n = r->n,
                                                .count = r->count,
                                                .y0 = r->y0,
                                                .finest = (int)r->options.finest,
                                                .coarsest = (int)r->options.coarsest};
    if (r->has_field && !r->true_field.system) {
        r->truth = truth_field(&r->true_field.field);
    }
    report->problem = convergence_problem(&options, &r->truth, error);
    if (!report->problem) {
        return false;
    }
    if (r->has_learned) {
        report->learned = measure_learned(r, stop, error);
        if (!report->learned ||
            (r->seed_count > 1 && !convergence_noise(report->problem, r->seeds, r->seed_count,
                                                     report->trained, stop, &report->noise,
                                                     error))) {
            return false;
        }
    }
    if (r->has_field) {
        report->truth =
            measure(r, &r->true_field.field, !r->true_field.system, stop, error);
        return report->truth != NULL;
    }
    return true;
}

const struct convergence_report *convergence_report(lua_State *L, const char *call, bool seeds) {
    static const char *const objects[] = {"system", "f",     "trajectory", "data", "learned",
                                          "net",    "seeds", "y0",         NULL};
    struct reading r = {.call = call};
    struct error error;
    bind_table(L, 1, call);
    if (!convergence_wanted(L, false)) {
        (void)read_data(L, &r.data);
    }
    struct bind_box *const box = bind_box(L, report_release);
    r.report = box->pointer = calloc(1, sizeof *r.report);
    if (!r.report) {
        bind_refuse(L, "%s: no memory", call);
    }
    r.report->noise = NAN;
    luaL_checkstack(L, 40, call);
    r.json = bind_json(L, 1, call, objects);
    bind_options(L, convergence_options_table, convergence_options_count, call, r.json, objects,
                 &r.options);
    if (!seeds && has(L, "seeds")) {
        bind_refuse(L, "%s: \"seeds\" belongs to cn.verdict", call);
    }
    read_target(L, &r, seeds);
    r.pool = bind_pool(L);
    read_truth(L, &r);
    read_states(L, &r);
    r.true_field.field.n = r.has_field ? r.n : 0;
    read_learned(L, &r);
    read_seeds(L, &r);
    if (!r.has_field && !r.has_learned) {
        bind_refuse(L, "%s: nothing to test: give net = or learned =", call);
    }
    read_schemes(L, &r);
    read_times(L, &r);
    const bool good = measure_all(&r, interrupt_watch(), &error);
    const bool interrupted = interrupt_unwatch();
    raise_fields(L, &r);
    if (interrupted) {
        luaL_error(L, "interrupted");
    }
    if (!good) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    return r.report;
}
