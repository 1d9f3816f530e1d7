/* cn.data.system and cn.data.trajectory: data sets of successive states. */
#include <string.h>

#include "learn/dataset.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "ode/system.h"

/* Pushes the data set, or raises. */
static int push_made(lua_State *L, struct data_box *box, const struct error *error) {
    if (!box->set) {
        bind_raise(L, error);
    }
    data_weigh(L, box->set);
    return bind_done(L, 1);
}

/* The options but `skip` as JSON of this source. */
static cJSON *read_config(lua_State *L, const char *call, const char *source,
                          const char *const *skip) {
    lua_settop(L, 1);
    bind_table(L, 1, call);
    cJSON *config = bind_json(L, 1, call, skip);
    if (cJSON_HasObjectItem(config, "source")) {
        bind_refuse(L, "%s: unknown option \"source\"; the name of the call says it", call);
    }
    cJSON_AddStringToObject(config, "source", source);
    return config;
}

/* A field that reads t cannot be told from states alone. */
static void note_time(lua_State *L, const cJSON *config) {
    const char *times = cJSON_GetStringValue(cJSON_GetObjectItem(config, "times"));
    const cJSON *system = cJSON_GetObjectItem(config, "system");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(system, "name"));
    const struct system_type *type = system_find(name, NULL);
    if (!type->autonomous && !strcmp(times, "uniform")) {
        bind_note(L,
                  "the field of system %s depends on time, which samples do not hold; times = "
                  "\"given\" puts t and dt behind the state",
                  name);
    }
}

static int system_call(lua_State *L) {
    static const char call[] = "cn.data.system";
    static const char *const skip[] = {"system", NULL};
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    lua_getfield(L, 1, "system");
    const struct system *object = system_test(L, -1); /* the options at 1 keep it */
    lua_settop(L, 1);
    cJSON *config = read_config(L, call, "system", object ? skip : NULL);
    if (object) {
        cJSON_AddItemToObject(config, "system", system_write(object));
    }
    struct data_box *box = data_push(L);
    box->set = dataset_create(config, &error);
    if (box->set) {
        note_time(L, box->set->config);
    }
    return push_made(L, box, &error);
}

static int trajectory_call(lua_State *L) {
    static const char call[] = "cn.data.trajectory";
    static const char *const objects[] = {"t", "y", NULL};
    struct error error;
    cJSON *config = read_config(L, call, "trajectory", objects);
    lua_getfield(L, 1, "t");
    lua_getfield(L, 1, "y");
    const bool has_t = !lua_isnil(L, -2), has_y = !lua_isnil(L, -1);
    const int place = lua_gettop(L);
    if (!has_y) {
        if (has_t) {
            bind_refuse(L, "%s: \"t\" needs \"y\", the states at those times", call);
        }
        struct data_box *box = data_push(L);
        box->set = dataset_create(config, &error);
        return push_made(L, box, &error);
    }
    const struct array *y = array_from(L, place, "cn.data.trajectory: \"y\"");
    const struct array *t = has_t ? array_from(L, place - 1, "cn.data.trajectory: \"t\"") : NULL;
    const bool many = y->rank == 3;
    if (y->rank < 1 || y->rank > 3 || y->len == 0) {
        bind_refuse(L,
                    "%s: \"y\" must have 1 to 3 dimensions, (states, values) or (trajectories, "
                    "states, values), not %d",
                    call, y->rank);
    }
    const ptrdiff_t rows = y->shape[many], n = y->rank == 1 ? 1 : y->shape[many + 1];
    if (t && (t->rank != 1 || t->len != rows)) {
        bind_refuse(L, "%s: \"t\" must be a list of %td times, one a state, not of %td", call, rows,
                    t->len);
    }
    struct data_box *box = data_push(L);
    box->set = dataset_from_states(t ? t->values : NULL, y->values, many ? y->shape[0] : 1, rows, n,
                                   config, &error);
    return push_made(L, box, &error);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int sets_of(const char *name, struct help_options *sets) {
    for (int i = 0; i < source_count(); i++) {
        if (!strcmp(source_at(i)->name, name)) {
            sets[0] = (struct help_options){source_at(i)->options, source_at(i)->option_count};
            return 1;
        }
    }
    return 0;
}

static int system_sets(struct help_options *sets) {
    return sets_of("system", sets);
}

static int trajectory_sets(struct help_options *sets) {
    return sets_of("trajectory", sets);
}

static const struct help_argument trajectory_arguments[] = {
    {"y", "array or nested table (states, values) or (trajectories, states, values), as "
          "cn.ode.solve gives; instead of a file"},
    {"t", "list of times, one a state; absent: 0, dt, 2 dt ..."},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.data.system",
     .group = "data",
     .signature = "cn.data.system{ system=, dt= | count=, intervals=, ... } -> data",
     .line = "successive states of a built-in system, to learn its dynamics from",
     .text =
         "A sample's input is a state of n values, its target the states after 1, 2 ... "
         "`intervals` intervals, n values each; with times \"given\" or \"irregular\" t and dt "
         "stand behind the state. All are doubles, from the closed form or a reference to 1e-12 "
         "(chaotic systems: from state to state). Parameters of the system, y0, t0 and t1 may "
         "stand among the options.\n\n"
         "With several trajectories (y0 a list of states, or ranges) the validation and test parts "
         "are whole trajectories, the last ones, so of initial states that no training has seen; "
         "with one they are its last intervals. data.config.dt is the interval.",
     .example =
         "d = cn.data.system{ system = \"pendulum\", t1 = 10, count = 1000 }\n"
         "print(d)\nassert(d.outputs == 2 and #d.train + #d.valid == 999)\n"
         "w = cn.data.system{ system = \"lotka_volterra\", dt = 0.1, t1 = 2, intervals = 4,\n"
         "                    ranges = { {1, 2}, {0.5, 1} }, trajectories = 5 }\n"
         "assert(w.outputs == 8 and #w.valid == 17)",
     .options = system_sets},
    {.name = "cn.data.trajectory",
     .group = "data",
     .signature = "cn.data.trajectory{ file= | y=, t=, intervals=, ... } -> data",
     .line = "successive states of trajectories of your own, from files or tables",
     .text =
         "A .csv file has a row a line, t in its first column and the state's values in the "
         "others, separated by commas, semicolons or blanks; the first line may be a heading and "
         "lines that begin with # are passed over. A .npy file has the same columns, in shape "
         "(rows, 1 + n) or (trajectories, rows, 1 + n). A list of files is a list of "
         "trajectories. Samples and parts are those of cn.data.system.\n\n"
         "Refused, with file and line: times that do not rise, that are not uniform (unless times "
         "= \"given\"), rows of different length, what is no finite number.",
     .example = "s = cn.ode.solve{ f = function(t, y, dy) dy[1], dy[2] = y[2], -y[1] end,\n"
                "                  y0 = {0, 1}, t1 = 6, steps = 60 }\n"
                "d = cn.data.trajectory{ t = s.t, y = s.y }\nprint(d)\n"
                "assert(d.outputs == 2 and math.abs(d.config.dt - 0.1) < 1e-12)",
     .arguments = trajectory_arguments,
     .options = trajectory_sets},
};

void bind_trajectory_open(lua_State *L) {
    help_register(entries, sizeof entries / sizeof *entries);
    lua_getfield(L, -1, "data"); /* made by bind_data_open */
    lua_pushcfunction(L, system_call);
    lua_setfield(L, -2, "system");
    lua_pushcfunction(L, trajectory_call);
    lua_setfield(L, -2, "trajectory");
    lua_pop(L, 1);
}
