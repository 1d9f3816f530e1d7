#include "run/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Seconds granted at the very start, so that the screen has cells at once. */
static const double first_grant = 0.5;
/* Granted on top when training is over, so that the whole grid shows the final weights: so many
 * seconds, and a share of the time. */
static const double last_seconds = 10, last_grant = 0.1;

struct settings {
    cJSON *schemes, *steps;
    ptrdiff_t samples, every;
    double share;
};

const struct option probe_options_table[] = {
    {.name = "schemes",
     .kind = OPTION_JSON,
     .offset = offsetof(struct settings, schemes),
     .fallback = "",
     .help = "list of schemes; default euler, midpoint, rk4 and the trained one"},
    {.name = "steps",
     .kind = OPTION_JSON,
     .offset = offsetof(struct settings, steps),
     .fallback = "",
     .help = "list of numbers of steps; default K, 2K, 4K, 8K, 16K and the trained one"},
    {.name = "samples",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, samples),
     .fallback = "256",
     .least = 1,
     .most = 1 << 30,
     .help = "the first so many of the validation part"},
    {.name = "every",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, every),
     .fallback = "0",
     .least = 0,
     .most = 1 << 30,
     .help = "steps from grid to grid; 0: cell by cell, as share allows"},
    {.name = "share",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct settings, share),
     .fallback = "0.07",
     .least = 0,
     .most = 0.9,
     .help = "share of the time probes may take when every = 0"},
};
const int probe_options_count = (int)(sizeof probe_options_table / sizeof probe_options_table[0]);

static bool add_scheme(struct probe *probe, const struct tableau *scheme) {
    for (int i = 0; i < probe->scheme_count; i++) {
        if (probe->schemes[i] == scheme) {
            return true;
        }
    }
    if (probe->scheme_count == PROBE_SCHEMES_MAX) {
        return false;
    }
    probe->schemes[probe->scheme_count++] = scheme;
    return true;
}

/* Keeps steps rising and distinct. */
static bool add_steps(struct probe *probe, int steps) {
    int at = 0;
    while (at < probe->step_count && probe->steps[at] < steps) {
        at++;
    }
    if (at < probe->step_count && probe->steps[at] == steps) {
        return true;
    }
    if (probe->step_count == PROBE_STEPS_MAX) {
        return false;
    }
    memmove(probe->steps + at + 1, probe->steps + at,
            (size_t)(probe->step_count - at) * sizeof probe->steps[0]);
    probe->steps[at] = steps;
    probe->step_count++;
    return true;
}

static bool read_schemes(struct probe *probe, const cJSON *list, struct error *error) {
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0) {
        return error_set(error, ERROR_VALUE,
                         "probe: schemes wants a list of names, such as {\"euler\", \"rk4\"}");
    }
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        if (!cJSON_IsString(entry)) {
            return error_set(error, ERROR_VALUE, "probe: an entry of schemes is not a name");
        }
        const struct tableau *scheme = tableau_find(entry->valuestring, error);
        if (!scheme) {
            return false;
        }
        if (!add_scheme(probe, scheme)) {
            return error_set(error, ERROR_VALUE, "probe: schemes has %d entries; at most %d fit",
                             cJSON_GetArraySize(list), PROBE_SCHEMES_MAX);
        }
    }
    return true;
}

static bool read_steps(struct probe *probe, const cJSON *list, struct error *error) {
    enum { MOST = 100000 };
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0) {
        return error_set(error, ERROR_VALUE,
                         "probe: steps wants a list of numbers of steps, such as {1, 2, 4, 8}");
    }
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        double steps = cJSON_IsNumber(entry) ? entry->valuedouble : 0;
        if (!(steps >= 1 && steps <= MOST) || steps > floor(steps)) {
            return error_set(error, ERROR_VALUE,
                             "probe: an entry of steps is not a whole number between 1 and %d",
                             MOST);
        }
        if (!add_steps(probe, (int)steps)) {
            return error_set(error, ERROR_VALUE, "probe: steps has %d entries; at most %d fit",
                             cJSON_GetArraySize(list), PROBE_STEPS_MAX);
        }
    }
    return true;
}

static double evaluations(const struct probe_cell *cell) {
    return (double)cell->scheme->stages * cell->steps;
}

static int by_cost(const void *a, const void *b) {
    const struct probe_cell *x = a, *y = b;
    double difference = evaluations(x) - evaluations(y);
    if (difference < 0 || difference > 0) {
        return difference < 0 ? -1 : 1;
    }
    return x->steps - y->steps;
}

static void fill_cells(struct probe *probe) {
    for (int i = 0; i < probe->scheme_count; i++) {
        for (int j = 0; j < probe->step_count; j++) {
            probe->cells[probe->cell_count++] = (struct probe_cell){
                .scheme = probe->schemes[i], .steps = probe->steps[j], .at_step = -1};
        }
    }
    qsort(probe->cells, (size_t)probe->cell_count, sizeof probe->cells[0], by_cost);
}

static bool fill_schemes(struct probe *probe, const struct tableau *trained, struct error *error) {
    static const char *const names[] = {"euler", "midpoint", "rk4"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct tableau *scheme = tableau_find(names[i], error);
        if (!scheme || !add_scheme(probe, scheme)) {
            return false;
        }
    }
    return add_scheme(probe, trained);
}

bool probe_init(struct probe *probe, const cJSON *config, const struct tableau *trained_scheme,
                int trained_steps, int nodes, struct error *error) {
    *probe = (struct probe){0};
    if (cJSON_IsFalse(config)) {
        return true;
    }
    struct settings settings;
    if (!option_read(probe_options_table, probe_options_count, "probe",
                     cJSON_IsTrue(config) ? NULL : config, NULL, &settings, error)) {
        return false;
    }
    probe->samples = settings.samples;
    probe->every = settings.every;
    probe->share = settings.share;
    if (settings.schemes ? !read_schemes(probe, settings.schemes, error)
                         : !fill_schemes(probe, trained_scheme, error)) {
        return false;
    }
    if (settings.steps) {
        if (!read_steps(probe, settings.steps, error)) {
            return false;
        }
    } else {
        for (int factor = 1; factor <= 16; factor *= 2) {
            (void)add_steps(probe, factor * (nodes > 0 ? nodes : 1));
        }
        (void)add_steps(probe, trained_steps);
    }
    fill_cells(probe);
    return true;
}

cJSON *probe_config(const struct probe *probe) {
    if (probe->cell_count == 0) {
        return cJSON_CreateFalse();
    }
    const char *names[PROBE_SCHEMES_MAX];
    for (int i = 0; i < probe->scheme_count; i++) {
        names[i] = probe->schemes[i]->name;
    }
    struct settings settings = {.schemes = cJSON_CreateStringArray(names, probe->scheme_count),
                                .steps = cJSON_CreateIntArray(probe->steps, probe->step_count),
                                .samples = probe->samples,
                                .every = probe->every,
                                .share = probe->share};
    cJSON *config = option_write(probe_options_table, probe_options_count, &settings);
    cJSON_Delete(settings.schemes);
    cJSON_Delete(settings.steps);
    return config;
}

/* What a cell will cost: what it did cost, or its share of the evaluations seen so far. */
static double estimate(const struct probe *probe, const struct probe_cell *cell) {
    if (cell->seconds > 0) {
        return cell->seconds;
    }
    double seconds = 0, seen = 0;
    for (int i = 0; i < probe->cell_count; i++) {
        if (probe->cells[i].seconds > 0) {
            seconds += probe->cells[i].seconds;
            seen += evaluations(&probe->cells[i]);
        }
    }
    return seen > 0 ? seconds / seen * evaluations(cell) : 0;
}

/* The first cell in order of cost that was not evaluated at this step, or -1. */
static int first_not_at(const struct probe *probe, ptrdiff_t step) {
    for (int i = 0; i < probe->cell_count; i++) {
        if (probe->cells[i].at_step != step) {
            return i;
        }
    }
    return -1;
}

static int first_unseen(const struct probe *probe) {
    for (int i = 0; i < probe->cell_count; i++) {
        if (probe->cells[i].at_step < 0) {
            return i;
        }
    }
    return -1;
}

/* The cell that is due first by the rule of periods, if its time has come; else -1. */
static int most_due(const struct probe *probe, double seconds) {
    double roots = 0;
    for (int i = 0; i < probe->cell_count; i++) {
        roots += sqrt(probe->cells[i].seconds);
    }
    int best = -1;
    double best_due = seconds;
    for (int i = 0; i < probe->cell_count; i++) {
        const struct probe_cell *cell = &probe->cells[i];
        double due = cell->when + sqrt(cell->seconds) * roots / probe->share;
        if (due <= best_due) {
            best = i;
            best_due = due;
        }
    }
    return best;
}

int probe_next(const struct probe *probe, ptrdiff_t step, double seconds, bool last) {
    if (probe->cell_count == 0) {
        return -1;
    }
    if (probe->every > 0) {
        return last || step % probe->every == 0 ? first_not_at(probe, step) : -1;
    }
    double grant = first_grant + probe->share * seconds +
                   (last ? last_seconds + last_grant * seconds : 0);
    int next = last ? first_not_at(probe, step) : first_unseen(probe);
    if (next < 0 && !last) {
        next = most_due(probe, seconds);
    }
    /* The estimate of the very first cell is 0: something has to be measured. */
    bool affordable = next >= 0 && probe->spent + estimate(probe, &probe->cells[next]) <= grant;
    return affordable ? next : -1;
}

void probe_done(struct probe *probe, int cell, ptrdiff_t step, double seconds, double cost) {
    struct probe_cell *done = &probe->cells[cell];
    /* A cost of 0 would read as never seen. */
    done->seconds = fmax(cost, 1e-9);
    done->when = seconds;
    done->at_step = step;
    probe->spent += cost;
}
