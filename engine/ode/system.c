#include "ode/system.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ode/extrapolation.h"
#include "ode/system_build.h"

const double system_reference_tolerance = 1e-12;

static const struct system_type *const registry[] = {
    &system_oscillator,     &system_pendulum,    &system_cartesian_pendulum,
    &system_lotka_volterra, &system_van_der_pol, &system_duffing,
    &system_lorenz,         &system_arenstorf,   &system_double_gyre,
};
enum { REGISTRY_COUNT = sizeof registry / sizeof *registry };

int system_count(void) {
    return REGISTRY_COUNT;
}

const struct system_type *system_at(int index) {
    assert(index >= 0 && index < REGISTRY_COUNT);
    return registry[index];
}

const struct system_type *system_find(const char *name, struct error *error) {
    const char *names[REGISTRY_COUNT];
    for (int i = 0; i < REGISTRY_COUNT; i++) {
        names[i] = registry[i]->name;
        if (!strcmp(names[i], name)) {
            return registry[i];
        }
    }
    char quoted[TEXT_QUOTE_SIZE], list[240];
    const char *nearest = option_nearest(name, names, REGISTRY_COUNT);
    (void)error_set(error, ERROR_VALUE, "system %s does not exist; %s%s%sthere are %s",
                    text_quote(quoted, name), nearest ? "nearest is \"" : "",
                    nearest ? nearest : "", nearest ? "\"; " : "",
                    text_list(list, sizeof list, names, REGISTRY_COUNT));
    return NULL;
}

/* ---- options ------------------------------------------------------------------------------- */

struct reading { /* what the table of system_options fills */
    struct system system;
    cJSON *y0;
};

int system_options(const struct system_type *type, struct option table[SYSTEM_OPTIONS_MAX]) {
    assert(type->option_count <= SYSTEM_PARAMETERS_MAX);
    int count = 0;
    for (; count < type->option_count; count++) {
        table[count] = type->options[count];
        table[count].offset += offsetof(struct reading, system.parameters);
    }
    table[count++] = (struct option){.name = "y0",
                                     .kind = OPTION_JSON,
                                     .offset = offsetof(struct reading, y0),
                                     .fallback = "",
                                     .help = "the state at t0, a list of numbers"};
    table[count++] = (struct option){.name = "t0",
                                     .kind = OPTION_NUMBER,
                                     .offset = offsetof(struct reading, system.t0),
                                     .fallback = "0",
                                     .help = "time at which y = y0"};
    table[count++] = (struct option){.name = "t1",
                                     .kind = OPTION_NUMBER,
                                     .offset = offsetof(struct reading, system.t1),
                                     .fallback = type->t1,
                                     .help = "time to end at, another than t0"};
    return count;
}

/* The initial state from a list of n numbers. */
static bool read_state(const struct system_type *type, const char *call, const cJSON *list,
                       double *y0, struct error *error) {
    const int given = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (given != type->n) {
        char names[80];
        return error_set(error, ERROR_VALUE,
                         "%s: \"y0\" of system %s must be a list of %td numbers (%s), not %s of %d",
                         call, type->name, type->n,
                         text_list(names, sizeof names, type->components, (int)type->n),
                         cJSON_IsArray(list) ? "a list" : "something else", given);
    }
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) {
            return error_set(error, ERROR_VALUE, "%s: \"y0\" entry %d is no finite number", call,
                             i + 1);
        }
        y0[i] = item->valuedouble;
    }
    return true;
}

bool system_read(struct system *system, const cJSON *config, const char *call,
                 const char *const *ignored, struct error *error) {
    enum { IGNORED_MAX = 40 };
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(config, "name");
    if (!cJSON_IsString(name)) {
        return error_set(error, ERROR_VALUE,
                         "%s: a system needs a \"name\", for example \"pendulum\"", call);
    }
    const struct system_type *type = system_find(name->valuestring, error);
    if (!type) {
        return false;
    }
    const char *passed[IGNORED_MAX] = {"name"};
    for (int i = 0; ignored && ignored[i]; i++) {
        assert(i + 2 < IGNORED_MAX);
        passed[i + 1] = ignored[i];
    }
    struct option table[SYSTEM_OPTIONS_MAX];
    struct reading reading = {.system.type = type};
    const int count = system_options(type, table);
    if (!option_read(table, count, call, config, passed, &reading, error)) {
        return false;
    }
    struct system *read = &reading.system;
    if (!(read->t0 < read->t1 || read->t0 > read->t1)) {
        return error_set(error, ERROR_VALUE, "%s: \"t0\" and \"t1\" of system %s are both %.12g",
                         call, type->name, read->t0);
    }
    memcpy(read->y0, type->y0, sizeof read->y0);
    if (reading.y0 && !read_state(type, call, reading.y0, read->y0, error)) {
        return false;
    }
    *system = *read;
    return true;
}

double system_end(const struct system *system) {
    return fmin(system->t1, system->t0 + strtod(system->type->t1, NULL));
}

cJSON *system_write(const struct system *system) {
    struct option table[SYSTEM_OPTIONS_MAX];
    struct reading reading = {.system = *system};
    reading.y0 = cJSON_CreateDoubleArray(system->y0, (int)system->type->n);
    const int count = system_options(system->type, table);
    cJSON *object = reading.y0 ? option_write(table, count, &reading) : NULL;
    cJSON_Delete(reading.y0);
    if (object) {
        cJSON_AddStringToObject(object, "name", system->type->name);
    }
    return object;
}

/* ---- as a field ---------------------------------------------------------------------------- */

static bool field_value(void *context, ptrdiff_t count, const double *t, const double *y,
                        double *dy) {
    const struct system *system = context;
    system->type->value(system->parameters, count, t, y, dy);
    return true;
}

static bool field_pull(void *context, ptrdiff_t count, const double *t, const double *y,
                       const double *a, double *ybar, double scale) {
    const struct system *system = context;
    (void)scale;
    system->type->pull(system->parameters, count, t, y, a, ybar);
    return true;
}

struct ode_field system_field(const struct system *system) {
    return (struct ode_field){.name = system->type->name,
                              .n = system->type->n,
                              .value = field_value,
                              .pull = field_pull,
                              .context = (void *)system};
}

/* ---- solutions ----------------------------------------------------------------------------- */

bool system_exact(const struct system *system, const double *y0, double t0, double t, double *y) {
    const struct system_type *type = system->type;
    return type->exact && type->exact(system->parameters, t0, y0, t, y);
}

static struct extrapolation start(const struct system *system, int columns, const double *y0,
                                  double t0) {
    struct extrapolation e = {.n = (int)system->type->n,
                              .columns = columns,
                              .value = system->type->fine,
                              .context = system->parameters,
                              .t = t0};
    for (int i = 0; i < e.n; i++) {
        e.y[i] = y0[i];
    }
    return e;
}

static bool agree(const struct extrapolation *one, const struct extrapolation *other) {
    long double most = 1, apart = 0;
    for (int i = 0; i < one->n; i++) {
        most = fmaxl(most, fabsl(one->y[i]));
        apart = fmaxl(apart, fabsl(one->y[i] - other->y[i]));
    }
    return apart <= system_reference_tolerance * most;
}

bool system_trajectory(const struct system *system, const double *y0, double t0, ptrdiff_t count,
                       const double *times, double *y, ptrdiff_t *holds, struct error *error) {
    enum { COLUMNS = 9, OTHER_COLUMNS = 7 };
    const ptrdiff_t n = system->type->n;
    ptrdiff_t held = 0;
    while (held < count && !system->type->near &&
           system_exact(system, y0, t0, times[held], y + held * n)) {
        held++;
    }
    if (held < count) { /* a closed form is there for all times or for none */
        struct extrapolation one = start(system, COLUMNS, y0, t0);
        struct extrapolation other = start(system, OTHER_COLUMNS, y0, t0);
        for (ptrdiff_t k = 0; k < count; k++) {
            const bool followed = held == k && extrapolation_to(&other, times[k]);
            if (!extrapolation_to(&one, times[k])) {
                return error_set(error, ERROR_VALUE,
                                 "the solution of system %s cannot be followed beyond t = %.12Lg, "
                                 "and t = %.12g is asked for",
                                 system->type->name, one.t, times[k]);
            }
            held += followed && agree(&one, &other);
            for (ptrdiff_t i = 0; i < n; i++) {
                y[k * n + i] = (double)one.y[i];
            }
        }
    }
    if (holds) {
        *holds = held;
    }
    return true;
}

bool system_reference(const struct system *system, const double *y0, double t0, ptrdiff_t count,
                      const double *times, double *y, struct error *error) {
    ptrdiff_t holds;
    if (!system_trajectory(system, y0, t0, count, times, y, &holds, error)) {
        return false;
    }
    if (holds < count) {
        return error_set(error, ERROR_VALUE,
                         "the reference of system %s does not hold to %g at t = %.12g%s; ask for "
                         "times nearer to t0 = %.12g",
                         system->type->name, system_reference_tolerance, times[holds],
                         system->type->chaotic ? ": small errors grow too much on the way" : "",
                         t0);
    }
    return true;
}
