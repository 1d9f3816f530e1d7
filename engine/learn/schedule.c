#include "learn/schedule.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define WARMUP                                                                                     \
    {                                                                                              \
        .name = "warmup", .kind = OPTION_NUMBER, .offset = offsetof(struct schedule, warmup),      \
        .fallback = "0", .least = 0, .most = DBL_MAX,                                              \
        .help = "epochs in which the rate rises linearly from near 0"                              \
    }

static const struct option constant_options[] = {WARMUP};

static const struct option step_options[] = {
    {.name = "at",
     .kind = OPTION_JSON,
     .offset = offsetof(struct schedule, at_json),
     .help = "list of rising epochs; {2} multiplies the rate when two epochs are done"},
    {.name = "factor",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, factor),
     .fallback = "0.1",
     .least = DBL_MIN,
     .most = DBL_MAX,
     .help = "what the rate is multiplied by at each of them"},
    WARMUP,
};

static const struct option cosine_options[] = {
    WARMUP,
    {.name = "floor",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, floor),
     .fallback = "0",
     .least = 0,
     .most = DBL_MAX,
     .help = "rate at the end"},
};

static const struct option one_cycle_options[] = {
    {.name = "peak",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, peak),
     .fallback = "0",
     .least = 0,
     .most = DBL_MAX,
     .help = "highest rate; 0: the optimiser's lr"},
    {.name = "warmup",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, warmup),
     .fallback = "0.3",
     .least = 0,
     .most = 1,
     .help = "share of all steps in which the rate rises, 0 to 1"},
    {.name = "start",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, start),
     .fallback = "0.04",
     .least = 0,
     .most = 1,
     .help = "rate of the first step, as a share of the peak"},
    {.name = "end",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct schedule, end),
     .fallback = "4e-6",
     .least = 0,
     .most = 1,
     .help = "rate of the last step, as a share of the peak"},
};

#define OPTIONS(table) .options = (table), .option_count = (int)(sizeof(table) / sizeof(table)[0])

enum { CONSTANT, STEP, COSINE, ONE_CYCLE, KIND_COUNT };

static const struct schedule_kind kinds[KIND_COUNT] = {
    [CONSTANT] = {.name = "constant", .help = "the optimiser's lr", OPTIONS(constant_options)},
    [STEP] = {.name = "step", .help = "drops by a factor at given epochs", OPTIONS(step_options)},
    [COSINE] = {.name = "cosine", .help = "half a cosine down to a floor", OPTIONS(cosine_options)},
    [ONE_CYCLE] = {.name = "one_cycle",
                   .help = "up to a peak and down to nearly nothing",
                   OPTIONS(one_cycle_options)},
};

int schedule_count(void) {
    return KIND_COUNT;
}

const struct schedule_kind *schedule_at(int index) {
    assert(index >= 0 && index < KIND_COUNT);
    return &kinds[index];
}

static const struct schedule_kind *find(const cJSON *config, struct error *error) {
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(config, "kind");
    if (!cJSON_IsString(kind)) {
        error_set(error, ERROR_VALUE,
                  "schedule wants an object with a \"kind\", such as "
                  "schedule.step{ at = {30, 60}, factor = 0.1 }");
        return NULL;
    }
    const char *names[KIND_COUNT];
    for (int i = 0; i < KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        if (strcmp(kind->valuestring, names[i]) == 0) {
            return &kinds[i];
        }
    }
    const char *nearest = option_nearest(kind->valuestring, names, KIND_COUNT);
    error_set(error, ERROR_VALUE, "schedule \"%.60s\" does not exist; %s%s%s", kind->valuestring,
              nearest ? "nearest is \"" : "there are constant, step, cosine and one_cycle",
              nearest ? nearest : "", nearest ? "\"" : "");
    return NULL;
}

static bool read_drops(struct schedule *schedule, struct error *error) {
    const cJSON *at = schedule->at_json;
    if (!cJSON_IsArray(at)) {
        return error_set(error, ERROR_VALUE,
                         "schedule.step: at wants a list of epochs, such as at = {30, 60, 90}");
    }
    if (cJSON_GetArraySize(at) > SCHEDULE_DROPS_MAX) {
        return error_set(error, ERROR_VALUE, "schedule.step: at has %d epochs; at most %d are kept",
                         cJSON_GetArraySize(at), SCHEDULE_DROPS_MAX);
    }
    const cJSON *entry;
    double last = 0;
    cJSON_ArrayForEach(entry, at) {
        if (!cJSON_IsNumber(entry) || !(entry->valuedouble > 0)) {
            return error_set(error, ERROR_VALUE,
                             "schedule.step: entry %d of at is not a positive number of epochs",
                             schedule->drop_count + 1);
        }
        if (entry->valuedouble <= last) {
            return error_set(error, ERROR_VALUE,
                             "schedule.step: at must rise, but %g follows %g; sort the list",
                             entry->valuedouble, last);
        }
        last = entry->valuedouble;
        schedule->drops[schedule->drop_count++] = last;
    }
    return true;
}

bool schedule_read(struct schedule *schedule, const cJSON *config, struct error *error) {
    static const char *const kind_key[] = {"kind", NULL};
    *schedule = (struct schedule){.kind = config ? find(config, error) : &kinds[CONSTANT]};
    if (!schedule->kind) {
        return false;
    }
    char call[64] = "schedule.";
    strncat(call, schedule->kind->name, sizeof call - strlen(call) - 1);
    if (!option_read(schedule->kind->options, schedule->kind->option_count, call, config, kind_key,
                     schedule, error)) {
        return false;
    }
    bool good = schedule->kind != &kinds[STEP] || read_drops(schedule, error);
    schedule->at_json = NULL;
    return good;
}

cJSON *schedule_config(const struct schedule *schedule) {
    struct schedule copy = *schedule;
    copy.at_json = cJSON_CreateDoubleArray(schedule->drops, schedule->drop_count);
    cJSON *config = option_write(schedule->kind->options, schedule->kind->option_count, &copy);
    cJSON_Delete(copy.at_json);
    if (config && !cJSON_AddStringToObject(config, "kind", schedule->kind->name)) {
        cJSON_Delete(config);
        return NULL;
    }
    return config;
}

/* From `from` at u = 0 to `to` at u = 1. */
static double half_cosine(double from, double to, double u) {
    return to + (from - to) * 0.5 * (1 + cos(M_PI * u));
}

static double one_cycle(const struct schedule *s, double peak, ptrdiff_t step, ptrdiff_t steps) {
    double last = (double)(steps - 1);
    double top = fmin(fmax(s->warmup * (double)steps - 1, 0), last);
    double now = (double)step;
    if (now < top) {
        return half_cosine(s->start * peak, peak, now / top);
    }
    return last > top ? half_cosine(peak, s->end * peak, (now - top) / (last - top)) : peak;
}

double schedule_rate(const struct schedule *schedule, double lr, ptrdiff_t step, ptrdiff_t steps,
                     ptrdiff_t steps_per_epoch) {
    assert(step >= 0 && step < steps && steps_per_epoch > 0);
    if (schedule->kind == &kinds[ONE_CYCLE]) {
        return one_cycle(schedule, schedule->peak > 0 ? schedule->peak : lr, step, steps);
    }
    double now = (double)step, warm = schedule->warmup * (double)steps_per_epoch;
    double ramp = now + 1 < warm ? (now + 1) / warm : 1;
    if (schedule->kind == &kinds[COSINE]) {
        /* The first step behind the warm-up has u = 0; u = 1 is one step past the last. */
        double length = (double)steps - warm;
        double u = length > 0 ? fmin(fmax((now - warm) / length, 0), 1) : 0;
        return ramp * half_cosine(lr, schedule->floor, u);
    }
    double rate = lr;
    for (int i = 0; i < schedule->drop_count; i++) {
        /* Whole epochs divide exactly, so a drop at 2 falls on the first step of the third. */
        if (schedule->drops[i] <= now / (double)steps_per_epoch) {
            rate *= schedule->factor;
        }
    }
    return ramp * rate;
}
