#include "study/sweep.h"

int sweep_misaligned(const struct net *net, int steps) {
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(net->config, "basis");
    const struct basis *basis = cJSON_IsString(name) ? basis_find(name->valuestring, NULL) : NULL;
    for (int block = 0; basis && block < net_ode_count(net); block++) {
        const int nodes = net_ode_nodes(net, block);
        if (!basis_aligned(basis, nodes, steps)) {
            return nodes;
        }
    }
    return 0;
}

static bool check(const struct net *net, const struct sweep_options *options, struct error *error) {
    if (net_ode_count(net) == 0) {
        return error_set(error, ERROR_VALUE,
                         "the net has no ODE block, so there is nothing to sweep: schemes and "
                         "steps are of ODE blocks");
    }
    if (options->scheme_count < 1 || options->step_count < 1) {
        return error_set(error, ERROR_VALUE,
                         "a sweep needs at least one scheme and one number of steps, not %d and %d",
                         options->scheme_count, options->step_count);
    }
    for (int i = 0; i < options->step_count; i++) {
        if (options->steps[i] < 1) {
            return error_set(error, ERROR_VALUE,
                             "entry %d of steps is %d; a block takes at least 1 step", i + 1,
                             options->steps[i]);
        }
    }
    return true;
}

bool sweep(struct net *net, const struct part *part, const struct sweep_options *options,
           struct pool *pool, sweep_progress *progress, void *context, const volatile bool *stop,
           struct sweep_cell *cells, struct error *error) {
    if (!check(net, options, error)) {
        return false;
    }
    const int count = options->scheme_count * options->step_count;
    for (int i = 0; i < count; i++) {
        struct sweep_cell *cell = &cells[i];
        cell->scheme = options->schemes[i / options->step_count];
        cell->steps = options->steps[i % options->step_count];
        cell->aligned = sweep_misaligned(net, cell->steps) == 0;
        const struct manifestation how = {cell->scheme, cell->steps, options->edge};
        if (stop && *stop) {
            return error_set(error, ERROR_STATE, "the sweep was stopped after %d of %d cells", i,
                             count);
        }
        if (!evaluate(net, part, options->first, options->count, &how, pool, stop, &cell->result,
                      NULL, error)) {
            return false;
        }
        if (progress) {
            progress(context, cell, i + 1, count);
        }
    }
    return true;
}
