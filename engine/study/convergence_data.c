#include "study/convergence_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* States that the data's own seed does not draw. */
static void draw(struct convergence_data *data, const cJSON *config, const cJSON *ranges) {
    const ptrdiff_t n = data->system.type->n;
    const uint64_t seed = (uint64_t)number_of(config, "seed");
    data->count = CONVERGENCE_STATES;
    for (ptrdiff_t k = 0; k < data->count * n; k++) {
        const cJSON *const range = cJSON_GetArrayItem(ranges, (int)(k % n));
        const double low = cJSON_GetNumberValue(cJSON_GetArrayItem(range, 0));
        const double high = cJSON_GetNumberValue(cJSON_GetArrayItem(range, 1));
        const double u = rng_uniform(seed, rng_stream("convergence/y0"), (uint64_t)k);
        data->y0[k] = low + (high - low) * u;
    }
}

bool convergence_data_read(struct convergence_data *data, const struct dataset *set) {
    const cJSON *const system = cJSON_GetObjectItemCaseSensitive(set->config, "system");
    const cJSON *const ranges = cJSON_GetObjectItemCaseSensitive(set->config, "ranges");
    const cJSON *const y0 = cJSON_GetObjectItemCaseSensitive(set->config, "y0");
    struct error error;
    *data = (struct convergence_data){.interval = number_of(set->config, "dt"), .count = 1};
    if (!cJSON_IsObject(system) || !(data->interval > 0) ||
        !system_read(&data->system, system, "system", NULL, &error)) {
        return false;
    }
    const ptrdiff_t n = data->system.type->n;
    memcpy(data->y0, data->system.y0, (size_t)n * sizeof *data->y0);
    if (cJSON_IsArray(ranges)) {
        draw(data, set->config, ranges);
    } else if (cJSON_IsArray(y0) && cJSON_IsArray(y0->child)) {
        data->count = 0;
        for (const cJSON *state = y0->child; state && data->count < CONVERGENCE_STATES;
             state = state->next, data->count++) {
            for (ptrdiff_t i = 0; i < n; i++) {
                data->y0[data->count * n + i] =
                    cJSON_GetNumberValue(cJSON_GetArrayItem(state, (int)i));
            }
        }
    }
    return true;
}

double convergence_data_end(double t0, double t1, double dt, int coarsest) {
    const double part = 5;
    const double steps = fmax(1, floor((t1 - t0) / part / dt * (1 + 1e-12)));
    double unit = 1;
    for (int i = 0; i < coarsest && 2 * unit <= steps; i++) {
        unit *= 2;
    }
    return t0 + floor(steps / unit) * unit * dt;
}

double convergence_data_step(const struct net *net, double interval) {
    const double own = number_of(net->config, "dt");
    return (own > 0 ? own : interval) / net_trained(net).steps;
}

/* ---- the field of a net -------------------------------------------------------------------- */

static bool check_net(const struct net *net, struct error *error) {
    return net_field_whole(net) ||
           error_set(error, ERROR_VALUE,
                     "this net is not one ODE block with one node and nothing else, so it is "
                     "no field that could be compared with a system; nets of dynamics are");
}

static bool check_states(ptrdiff_t own, ptrdiff_t n, struct error *error) {
    return own == n ||
           error_set(error, ERROR_VALUE, "states of the net have %td numbers, but %td are needed",
                     own, n);
}

struct convergence_fields *convergence_fields(const struct net *net, ptrdiff_t n, double interval,
                                              int count, struct error *error) {
    if (!check_net(net, error)) {
        return NULL;
    }
    struct convergence_fields *const f = calloc(1, sizeof *f);
    if (f) {
        f->nets = calloc((size_t)count, sizeof(struct net_field *));
        f->fields = calloc((size_t)count, sizeof *f->fields);
    }
    if (!f || !f->nets || !f->fields) {
        convergence_fields_free(f);
        (void)error_set(error, ERROR_MEMORY, "no memory for the field of a net");
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        struct net_field *const field = f->nets[i] = net_field_create(net, 0, error);
        f->count += field != NULL;
        if (!field || !check_states(net_field_ode(field).n, n, error)) {
            convergence_fields_free(f);
            return NULL;
        }
        if (!net_field_physical(field) && interval > 0) {
            net_field_span(field, interval);
        }
        f->fields[i] = net_field_ode(field);
        f->kinked = net_field_kinked(field);
    }
    return f;
}

void convergence_fields_free(struct convergence_fields *f) {
    if (f) {
        for (int i = 0; i < f->count; i++) {
            net_field_free(f->nets[i]);
        }
        free(f->nets);
        free(f->fields);
        free(f);
    }
}
