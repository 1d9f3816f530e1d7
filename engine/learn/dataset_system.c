/* Trajectories of a built-in system, by its closed form or reference. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "learn/dataset_build.h"
#include "ode/system.h"

static const char call[] = "cn.data.system";
static const char *const times_names[] = {"uniform", "given", "irregular", NULL};
enum times { TIMES_UNIFORM, TIMES_GIVEN, TIMES_IRREGULAR };

struct system_data_options {
    cJSON *system, *y0, *ranges;
    ptrdiff_t trajectories, count;
    double dt, spread;
    int times;
    struct windows windows;
};

#define FIELD(name) offsetof(struct system_data_options, name)
/* clang-format off */
static const struct option system_data_options[] = {
    {"system", OPTION_JSON, FIELD(system), NULL, 0, 0, NULL,
     "name of a built-in system, or a table { name = ... }; its parameters may stand here, too"},
    {"y0", OPTION_JSON, FIELD(y0), "", 0, 0, NULL,
     "initial state, or a list of them, one a trajectory; absent: the system's"},
    {"ranges", OPTION_JSON, FIELD(ranges), "", 0, 0, NULL,
     "{ {low, high}, ... }: initial states are drawn evenly from there"},
    {"trajectories", OPTION_INTEGER, FIELD(trajectories), "1", 1, 1e6, NULL,
     "how many, with ranges"},
    {"count", OPTION_INTEGER, FIELD(count), "0", 2, 1e9, NULL,
     "states of a trajectory, both ends included; absent: from dt, or 1000"},
    {"dt", OPTION_NUMBER, FIELD(dt), "0", 1e-300, 1e300, NULL,
     "the interval between states; absent: from t0, t1 and count"},
    {"times", OPTION_CHOICE, FIELD(times), "uniform", 0, 0, times_names,
     "uniform: equal intervals; given: the same, and samples hold t and dt behind the state; "
     "irregular: random intervals, given as well"},
    {"spread", OPTION_NUMBER, FIELD(spread), "0.5", 0, 0.99, NULL,
     "random intervals lie between dt (1 - spread) and dt (1 + spread)"},
    WINDOWS_OPTIONS(struct system_data_options),
};
/* clang-format on */
enum { OPTION_COUNT = sizeof system_data_options / sizeof *system_data_options };

/* ---- options ------------------------------------------------------------------------------- */

static bool is_own(const char *key) {
    bool own = !strcmp(key, "source");
    for (int i = 0; i < OPTION_COUNT; i++) {
        own = own || !strcmp(key, system_data_options[i].name);
    }
    return own;
}

/* Refuses a key that neither the data set nor the system has. */
static bool check_keys(const cJSON *config, const struct system_type *type, struct error *error) {
    struct option table[SYSTEM_OPTIONS_MAX];
    const char *names[OPTION_COUNT + SYSTEM_OPTIONS_MAX];
    const int count = system_options(type, table);
    for (int i = 0; i < OPTION_COUNT + count; i++) {
        names[i] = i < OPTION_COUNT ? system_data_options[i].name : table[i - OPTION_COUNT].name;
    }
    for (const cJSON *item = config->child; item; item = item->next) {
        bool known = is_own(item->string);
        for (int i = 0; i < count; i++) {
            known = known || !strcmp(item->string, table[i].name);
        }
        if (!known) {
            char quoted[TEXT_QUOTE_SIZE], list[240];
            const char *nearest = option_nearest(item->string, names, OPTION_COUNT + count);
            return error_set(error, ERROR_VALUE, "%s: unknown option %s; %s%s%s", call,
                             text_quote(quoted, item->string), nearest ? "nearest is \"" : "",
                             nearest ? nearest : "system ",
                             nearest ? "\""
                                     : text_list(list, sizeof list, names + OPTION_COUNT, count));
        }
    }
    return true;
}

/* The system, from "system" and the parameters that stand beside it. */
static bool read_system(const cJSON *config, const cJSON *given, struct system *system,
                        struct error *error) {
    cJSON *merged = NULL;
    if (cJSON_IsString(given)) {
        merged = cJSON_CreateObject();
        cJSON_AddStringToObject(merged, "name", given->valuestring);
    } else if (cJSON_IsObject(given)) {
        merged = cJSON_Duplicate(given, true);
    } else {
        return error_set(error, ERROR_VALUE,
                         "%s: \"system\" must be the name of a system such as \"pendulum\" or a "
                         "table { name = \"pendulum\", ... }",
                         call);
    }
    for (const cJSON *item = config->child; item; item = item->next) {
        const bool state =
            !strcmp(item->string, "y0") && cJSON_IsArray(item) && !cJSON_IsArray(item->child);
        if (!is_own(item->string) || state) {
            cJSON_DeleteItemFromObjectCaseSensitive(merged, item->string);
            cJSON_AddItemToObject(merged, item->string, cJSON_Duplicate(item, true));
        }
    }
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(merged, "name");
    const struct system_type *type =
        cJSON_IsString(name) ? system_find(name->valuestring, error) : NULL;
    const bool good = (type || !cJSON_IsString(name)) &&
                      (!type || check_keys(config, type, error)) &&
                      system_read(system, merged, call, NULL, error);
    cJSON_Delete(merged);
    return good;
}

/* Resolves t1, dt and count from those of them that are given. */
static bool read_times(const cJSON *config, struct system *system, struct system_data_options *o,
                       struct error *error) {
    const bool has_t1 = cJSON_HasObjectItem(config, "t1") ||
                        cJSON_HasObjectItem(cJSON_GetObjectItem(config, "system"), "t1");
    if (!(system->t1 > system->t0)) {
        return error_set(error, ERROR_VALUE, "%s: \"t1\" = %.12g must come behind \"t0\" = %.12g",
                         call, system->t1, system->t0);
    }
    const double span = system->t1 - system->t0;
    if (o->dt > 0 && o->count > 0) {
        const double reached = (double)(o->count - 1) * o->dt;
        if (has_t1 && fabs(reached - span) > 1e-9 * span) {
            return error_set(error, ERROR_VALUE,
                             "%s: %td states at intervals of %.12g span %.12g, but t1 - t0 is "
                             "%.12g; leave out one of \"count\", \"dt\" and \"t1\"",
                             call, o->count, o->dt, reached, span);
        }
    } else if (o->dt > 0) {
        const double intervals = floor(span / o->dt * (1 + 1e-12));
        if (intervals < 1 || intervals > 1e9) {
            return error_set(error, ERROR_VALUE,
                             "%s: intervals of %.12g do not fit in t1 - t0 = %.12g", call, o->dt,
                             span);
        }
        o->count = (ptrdiff_t)intervals + 1;
    } else {
        o->count = o->count ? o->count : 1000;
        o->dt = span / (double)(o->count - 1);
        return true;
    }
    system->t1 = system->t0 + (double)(o->count - 1) * o->dt;
    return true;
}

/* ---- initial states ------------------------------------------------------------------------ */

/* The numbers of a JSON list of exactly n. */
static bool read_numbers(const cJSON *list, ptrdiff_t n, double *numbers) {
    bool good = cJSON_IsArray(list) && cJSON_GetArraySize(list) == n;
    const cJSON *item = good ? list->child : NULL;
    for (ptrdiff_t i = 0; good && i < n; i++, item = item->next) {
        good = cJSON_IsNumber(item) && isfinite(item->valuedouble);
        numbers[i] = good ? item->valuedouble : 0;
    }
    return good;
}

static bool is_list_of_states(const cJSON *y0) {
    return cJSON_IsArray(y0) && cJSON_IsArray(y0->child);
}

/* How many trajectories are asked for; 0 with *error set. */
static ptrdiff_t trajectory_count(const struct system_data_options *o, struct error *error) {
    if (o->ranges && o->y0) {
        (void)error_set(error, ERROR_VALUE, "%s: give \"y0\" or \"ranges\", not both", call);
        return 0;
    }
    if (o->trajectories > 1 && !o->ranges) {
        (void)error_set(error, ERROR_VALUE,
                        "%s: \"trajectories\" = %td needs \"ranges\" to draw initial states from",
                        call, o->trajectories);
        return 0;
    }
    return is_list_of_states(o->y0) ? cJSON_GetArraySize(o->y0) : o->trajectories;
}

/* The first state of every trajectory. */
static bool set_starts(const struct system *system, const struct system_data_options *o,
                       struct trajectories *set, struct error *error) {
    const ptrdiff_t n = set->n;
    const uint64_t stream = rng_stream("trajectory/y0");
    const cJSON *item = is_list_of_states(o->y0) ? o->y0->child : NULL;
    double ranges[SYSTEM_N_MAX][2];
    bool good = !o->ranges || (cJSON_IsArray(o->ranges) && cJSON_GetArraySize(o->ranges) == n);
    for (ptrdiff_t i = 0; good && o->ranges && i < n; i++) {
        good = read_numbers(cJSON_GetArrayItem(o->ranges, (int)i), 2, ranges[i]) &&
               ranges[i][0] <= ranges[i][1];
    }
    if (!good) {
        return error_set(error, ERROR_VALUE,
                         "%s: \"ranges\" must be a list of %td pairs {low, high}, one a component "
                         "of system %s",
                         call, n, system->type->name);
    }
    for (ptrdiff_t k = 0; k < set->count; k++) {
        double *y = set->list[k].y;
        memcpy(y, system->y0, (size_t)n * sizeof *y);
        for (ptrdiff_t i = 0; o->ranges && i < n; i++) {
            const double u =
                rng_uniform((uint64_t)o->windows.seed, stream, ((uint64_t)k << 3) + (uint64_t)i);
            y[i] = ranges[i][0] + (ranges[i][1] - ranges[i][0]) * u;
        }
        if (item && !read_numbers(item, n, y)) {
            return error_set(error, ERROR_VALUE,
                             "%s: entry %td of \"y0\" must be a list of the %td values of a state "
                             "of system %s",
                             call, k + 1, n, system->type->name);
        }
        item = item ? item->next : NULL;
    }
    return true;
}

/* ---- trajectories -------------------------------------------------------------------------- */

/* Intervals change from window to window, for those of one window have to be equal. */
static void set_times(const struct system *system, const struct system_data_options *o,
                      ptrdiff_t trajectory, struct trajectory *one) {
    const uint64_t stream = rng_stream("trajectory/times");
    one->t[0] = system->t0;
    for (ptrdiff_t k = 1; k < one->rows; k++) {
        one->t[k] = system->t0 + (double)k * o->dt;
        if (o->times == TIMES_IRREGULAR) {
            const uint64_t index =
                ((uint64_t)trajectory << 40) + (uint64_t)((k - 1) / o->windows.intervals);
            const double u = rng_uniform((uint64_t)o->windows.seed, stream, index);
            one->t[k] = one->t[k - 1] + o->dt * (1 + o->spread * (2 * u - 1));
        }
    }
}

static bool run(const struct system *system, const struct system_data_options *o,
                struct trajectories *set, struct error *error) {
    for (ptrdiff_t k = 0; k < set->count; k++) {
        struct trajectory *one = &set->list[k];
        set_times(system, o, k, one);
        if (!system_trajectory(system, one->y, one->t[0], one->rows - 1, one->t + 1,
                               one->y + set->n, NULL, error)) {
            return false;
        }
    }
    return true;
}

static struct dataset *finish(const struct system *system, struct system_data_options *o,
                              struct trajectories *set, struct error *error) {
    struct dataset *data =
        dataset_from_trajectories(call, system->type->name, set, &o->windows, error);
    if (data) {
        data->config = option_write(system_data_options, OPTION_COUNT, o);
        cJSON_ReplaceItemInObjectCaseSensitive(data->config, "system", system_write(system));
        cJSON_AddStringToObject(data->config, "source", "system");
    }
    return data;
}

static struct dataset *create(const cJSON *config, struct error *error) {
    struct system_data_options o;
    struct system system;
    struct trajectories set = {0};
    static const char *const ignored[] = {"source", NULL};
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(config, "system");
    if (!given) { /* says so, or which other key cannot be */
        (void)option_read(system_data_options, OPTION_COUNT, call, config, ignored, &o, error);
        return NULL;
    }
    if (!read_system(config, given, &system, error)) {
        return NULL;
    }
    /* The parameters beside the options have been read and checked. */
    cJSON *rest = cJSON_Duplicate(config, true);
    for (cJSON *item = rest->child, *next; item; item = next) {
        next = item->next;
        if (!is_own(item->string)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(rest, item));
        }
    }
    struct dataset *data = NULL;
    bool good = option_read(system_data_options, OPTION_COUNT, call, rest, ignored, &o, error) &&
                read_times(config, &system, &o, error);
    good = good &&
           (!o.y0 || cJSON_IsArray(o.y0) ||
            error_set(error, ERROR_VALUE,
                      "%s: \"y0\" must be a state, a list of numbers, or a list of states", call));
    const ptrdiff_t count = good ? trajectory_count(&o, error) : 0;
    if (good && count > 0 && trajectories_init(&set, count, o.count, system.type->n, error)) {
        o.windows.given = o.times != TIMES_UNIFORM;
        o.windows.stride = o.times == TIMES_IRREGULAR ? o.windows.intervals : 1;
        if (set_starts(&system, &o, &set, error) && run(&system, &o, &set, error)) {
            data = finish(&system, &o, &set, error);
        }
        trajectories_release(&set);
    }
    cJSON_Delete(rest);
    return data;
}

const struct source source_system = {
    "system", "windows of successive states of a built-in system of differential equations",
    system_data_options, OPTION_COUNT, create};
