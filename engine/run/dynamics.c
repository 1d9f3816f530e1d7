#include "run/dynamics.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "study/convergence_data.h"

/* Seconds granted at the very start, and the least time between two tests. */
static const double first_grant = 0.5, pause = 0.25;

struct settings {
    cJSON *schemes, *target, *t1;
    ptrdiff_t finest, coarsest;
    double share;
};

const struct option dynamics_options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     .offset = offsetof(struct settings, schemes),
     .fallback = "",
     .help = "list of schemes; default euler, midpoint, heun2, rk4 and the trained one"},
    {.name = "t1",
     .kind = OPTION_JSON,
     .offset = offsetof(struct settings, t1),
     .fallback = "",
     .help = "when errors are taken; default about a fifth of the time customary for the system"},
    {.name = "target",
     .kind = OPTION_JSON,
     .offset = offsetof(struct settings, target),
     .fallback = "",
     .help = "an error above it is an unfinished fit; default a tenth of the solution's size"},
    {.name = "finest",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, finest),
     .fallback = "-6",
     .least = -16,
     .most = 0,
     .help = "the smallest step is dt 2^finest"},
    {.name = "coarsest",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, coarsest),
     .fallback = "4",
     .least = 0,
     .most = 7,
     .help = "the largest step is dt 2^coarsest"},
    {.name = "share",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct settings, share),
     .fallback = "0.07",
     .least = 0,
     .most = 0.9,
     .help = "share of the time tests may take; 0: one at the end alone"},
};
const int dynamics_options_count =
    (int)(sizeof dynamics_options_table / sizeof dynamics_options_table[0]);

struct dynamics {
    struct convergence_data data;
    struct convergence_problem *problem;
    int scheme_count;
    const struct tableau *schemes[CONVERGENCE_SCHEMES_MAX], *trained;
    double target; /* nan: the default */
    int finest, coarsest;
    double share;
    bool has_truth; /* curves of the true field, which do not change */
    struct convergence truth, learned;
    struct verdict_dynamics verdict;
    double evaluation;   /* seconds, of the field on one state */
    double spent, when;  /* seconds on all tests; of the run, at the last one */
    ptrdiff_t at_step;   /* of the last test; -1: none yet */
};

/* ---- planning ------------------------------------------------------------------------------ */

static bool add_scheme(struct dynamics *d, const struct tableau *scheme, struct error *error) {
    for (int i = 0; i < d->scheme_count; i++) {
        if (d->schemes[i] == scheme) {
            return true;
        }
    }
    if (d->scheme_count == CONVERGENCE_SCHEMES_MAX) {
        return error_set(error, ERROR_VALUE, "convergence: at most %d schemes are compared",
                         CONVERGENCE_SCHEMES_MAX);
    }
    d->schemes[d->scheme_count++] = scheme;
    return true;
}

static bool read_schemes(struct dynamics *d, const cJSON *list, struct error *error) {
    static const char *const usual[] = {"euler", "midpoint", "heun2", "rk4"};
    for (int i = 0; i < 4 && !list; i++) {
        (void)add_scheme(d, tableau_find(usual[i], NULL), error);
    }
    if (list && (!cJSON_IsArray(list) || !list->child)) {
        return error_set(error, ERROR_VALUE,
                         "convergence: schemes wants a list of names, such as {\"euler\"}");
    }
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next) {
        const char *const name = cJSON_GetStringValue(item);
        const struct tableau *const scheme = name ? tableau_find(name, error) : NULL;
        if (!name) {
            return error_set(error, ERROR_VALUE, "convergence: an entry of schemes is no name");
        }
        if (!scheme || !add_scheme(d, scheme, error)) {
            return false;
        }
    }
    return add_scheme(d, d->trained, error);
}

/* A positive number, or nan when it is not given. */
static bool read_positive(const cJSON *item, const char *name, double *number,
                          struct error *error) {
    *number = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    return !item || *number > 0 ||
           error_set(error, ERROR_VALUE, "convergence: %s must be a positive number", name);
}

static bool read_settings(struct dynamics *d, const cJSON *config, double *t1,
                          struct error *error) {
    struct settings settings;
    if (!option_read(dynamics_options_table, dynamics_options_count, "convergence",
                     cJSON_IsObject(config) ? config : NULL, NULL, &settings, error)) {
        return false;
    }
    d->finest = (int)settings.finest;
    d->coarsest = (int)settings.coarsest;
    d->share = settings.share;
    return read_schemes(d, settings.schemes, error) &&
           read_positive(settings.target, "target", &d->target, error) &&
           read_positive(settings.t1, "t1", t1, error);
}

/* What one evaluation of the field takes: tries some. */
static void time_field(struct dynamics *d, const struct ode_field *field) {
    enum { TRIES = 64 };
    double dy[CONVERGENCE_STATES * SYSTEM_N_MAX], t[CONVERGENCE_STATES];
    for (ptrdiff_t i = 0; i < d->data.count; i++) {
        t[i] = d->data.system.t0;
    }
    const double began = clock_seconds();
    for (int i = 0; i < TRIES; i++) {
        (void)field->value(field->context, d->data.count, t, d->data.y0, dy);
    }
    d->evaluation = (clock_seconds() - began) / (TRIES * (double)d->data.count);
}

static bool plan(struct dynamics *d, const struct net *net, const cJSON *config,
                 struct error *error) {
    const struct system *const system = &d->data.system;
    double t1;
    d->trained = net_trained(net).scheme;
    if (!read_settings(d, config, &t1, error)) {
        return false;
    }
    struct convergence_fields *const fields =
        convergence_fields(net, system->type->n, d->data.interval, 1, error);
    if (!fields) {
        return false;
    }
    time_field(d, fields->fields);
    convergence_fields_free(fields);
    const double dt = convergence_data_step(net, d->data.interval);
    const struct convergence_options options = {
        .dt = dt,
        .t0 = system->t0,
        .t1 = isnan(t1) ? convergence_data_end(system->t0, system_end(system), dt, d->coarsest)
                        : t1,
        .n = system->type->n,
        .count = d->data.count,
        .y0 = d->data.y0,
        .finest = d->finest,
        .coarsest = d->coarsest};
    const struct truth truth = truth_system(system);
    d->problem = convergence_problem(&options, &truth, error);
    return d->problem != NULL;
}

bool dynamics_create(const struct net *net, const struct dataset *set, const cJSON *config,
                     struct dynamics **made, struct error *error) {
    *made = NULL;
    struct dynamics *const d = cJSON_IsFalse(config) ? NULL : calloc(1, sizeof *d);
    if (!d) {
        return cJSON_IsFalse(config) || error_set(error, ERROR_MEMORY, "no memory for a test");
    }
    d->at_step = -1;
    const bool fits = net_ode_count(net) > 0 && convergence_data_read(&d->data, set);
    if (fits && plan(d, net, config, error)) {
        *made = d;
        return true;
    }
    dynamics_free(d);
    if (!config) {
        return true;
    }
    return !fits ? error_set(error, ERROR_VALUE,
                             "convergence asks for tests of learned dynamics, but the data are not "
                             "of a system, or the net has no ODE block; leave it out")
                 : false;
}

void dynamics_free(struct dynamics *d) {
    if (d) {
        convergence_problem_free(d->problem);
        free(d);
    }
}

cJSON *dynamics_config(const struct dynamics *d) {
    if (!d) {
        return cJSON_CreateFalse();
    }
    const char *names[CONVERGENCE_SCHEMES_MAX];
    for (int i = 0; i < d->scheme_count; i++) {
        names[i] = d->schemes[i]->name;
    }
    struct settings settings = {.schemes = cJSON_CreateStringArray(names, d->scheme_count),
                                .t1 = cJSON_CreateNumber(d->problem->t1),
                                .target = isnan(d->target) ? NULL : cJSON_CreateNumber(d->target),
                                .finest = d->finest,
                                .coarsest = d->coarsest,
                                .share = d->share};
    cJSON *config = option_write(dynamics_options_table, dynamics_options_count, &settings);
    cJSON_Delete(settings.schemes);
    cJSON_Delete(settings.t1);
    cJSON_Delete(settings.target);
    return config;
}

/* ---- testing ------------------------------------------------------------------------------- */

bool dynamics_due(const struct dynamics *d, ptrdiff_t step, double seconds, bool last) {
    if (d->at_step == step) {
        return false;
    }
    if (last) {
        return true;
    }
    const double cost =
        d->evaluation * convergence_cost(d->problem, d->schemes, d->scheme_count);
    return d->share > 0 && d->spent + cost <= first_grant + d->share * seconds &&
           (d->at_step < 0 || seconds >= d->when + pause);
}

bool dynamics_test(struct dynamics *d, const struct net *net, ptrdiff_t step, double seconds,
                   struct pool *pool, const volatile bool *stop, struct error *error) {
    const double began = clock_seconds();
    const struct ode_field truth = system_field(&d->data.system);
    const int threads = pool_threads(pool);
    struct convergence_fields *const fields =
        convergence_fields(net, truth.n, d->data.interval, threads, error);
    bool good = fields && convergence_measure(d->problem, fields->fields, fields->kinked,
                                              d->schemes, d->scheme_count, pool, stop,
                                              &d->learned, error);
    if (good && !d->has_truth) {
        /* The learned field's places serve for the true one's, which any thread may call. */
        for (int i = 0; i < threads; i++) {
            fields->fields[i] = truth;
        }
        good = d->has_truth =
            convergence_measure(d->problem, fields->fields, false, d->schemes, d->scheme_count,
                                pool, stop, &d->truth, error);
    }
    convergence_fields_free(fields);
    if (!good) {
        return false;
    }
    const struct verdict_dynamics_options options = {d->trained, NAN, d->target};
    verdict_dynamics(&d->learned, &options, &d->verdict);
    d->evaluation = d->learned.seconds / d->learned.cost;
    d->spent += clock_seconds() - began;
    d->when = seconds;
    d->at_step = step;
    return true;
}

const struct verdict_dynamics *dynamics_verdict(const struct dynamics *d) {
    return &d->verdict;
}

/* ---- the event ----------------------------------------------------------------------------- */

struct text {
    size_t len;
    char text[EVENT_SIZE - 1024]; /* room is left for the rest of the event */
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(text->text + text->len, sizeof text->text - text->len, format,
                              arguments);
    va_end(arguments);
    text->len += (size_t)len;
    assert(text->len < sizeof text->text);
}

static void add_number(struct text *text, double number) {
    if (isfinite(number)) {
        add(text, "%.6g", number);
    } else {
        add(text, isnan(number) ? "\"nan\"" : number > 0 ? "\"inf\"" : "\"-inf\"");
    }
}

static void add_list(struct text *text, const char *key, const double *numbers, int count) {
    add(text, ",\"%s\":[", key);
    for (int i = 0; i < count; i++) {
        add(text, i ? "," : "");
        add_number(text, numbers[i]);
    }
    add(text, "]");
}

static void add_curves(struct text *text, const struct convergence *convergence, bool is_true) {
    for (int i = 0; i < convergence->curve_count; i++) {
        const struct convergence_curve *const curve = &convergence->curve[i];
        add(text, "%s{\"scheme\":\"%.31s\",\"true\":%s", text->len > 1 ? "," : "",
            curve->scheme->name, is_true ? "true" : "false");
        add_list(text, "h", convergence->h, convergence->grid_count);
        add_list(text, "error", curve->error, convergence->grid_count);
        if (curve->fit.status == ORDER_FITTED) {
            add(text, ",\"slope\":");
            add_number(text, curve->fit.slope);
            add(text, ",\"interval\":");
            add_number(text, curve->fit.interval);
        }
        add(text, ",\"expected\":%d}", curve->expected.order);
    }
}

void dynamics_event(const struct dynamics *d, struct event *event) {
    struct text curves = {.len = 1, .text = "["};
    add_curves(&curves, &d->learned, false);
    add_curves(&curves, &d->truth, true);
    add(&curves, "]");
    event_begin(event, "convergence");
    event_number(event, "dt", d->problem->dt);
    event_text(event, "trained", d->trained->name);
    event_text(event, "verdict", dynamics_state_names[d->verdict.state]);
    event_number(event, "floor", d->learned.floor);
    event_number(event, "resolution", d->learned.resolution);
    event_json(event, "curves", curves.text);
}
