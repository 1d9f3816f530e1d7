#include "study/order_study.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>


enum { REFERENCE_FINER = 8, STEPS_MOST = 1 << 20 };

/* What all runs of a study share. */
struct runs {
    struct net *net; /* the f64 copy */
    const double *x;
    ptrdiff_t count, len; /* samples; reals of all their states */
    int block;
    struct pool *pool;
    const volatile bool *stop;
};

/* Runs all samples and copies the state behind the block to `state` (len doubles). */
static bool run(const struct runs *runs, const struct tableau *scheme, int steps, int edge,
                double *state, struct error *error) {
    if (runs->stop && *runs->stop) {
        return error_set(error, ERROR_STATE, "the order study was stopped");
    }
    const struct pass_options options = {
        .batch = runs->count,
        .how = {.scheme = scheme, .steps = steps, .edge = edge},
        .pool = runs->pool,
    };
    struct pass *const pass = pass_create(runs->net, &options, error);
    if (!pass) {
        return false;
    }
    (void)pass_forward(pass, runs->x, runs->count);
    pass_state(pass, runs->block, state);
    pass_free(pass);
    return true;
}

static double distance(const double *x, const double *y, ptrdiff_t len) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < len; i++) {
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    }
    return sqrt(sum);
}

/* |x|, what errors are relative to; 1 for a state of zeros. */
static double size(const double *x, ptrdiff_t len) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < len; i++) {
        sum += x[i] * x[i];
    }
    return sum > 0 || isnan(sum) ? sqrt(sum) : 1;
}

static int gcd(int a, int b) {
    return b ? gcd(b, a % b) : a;
}

int order_study_alignment(const struct net *net) {
    long long common = 1;
    for (int block = 0; block < net_ode_count(net); block++) {
        const int nodes = net_ode_nodes(net, block);
        common = common / gcd((int)common, nodes) * nodes;
        if (common > STEPS_MOST) {
            return 0;
        }
    }
    return (int)common;
}

static int raise(int steps, int multiple) {
    return (steps + multiple - 1) / multiple * multiple;
}

static int compare(const void *x, const void *y) {
    const int a = *(const int *)x, b = *(const int *)y;
    return (a > b) - (a < b);
}

/* Fills the grids of a study: ascending, each once, raised to alignment unless as given. */
static bool plan_grids(const struct order_study_options *options, int multiple,
                       struct order_study *study, struct order_curve *grids, struct error *error) {
    if (options->step_count < 1 || options->step_count > ORDER_GRIDS_MAX) {
        return error_set(error, ERROR_VALUE,
                         "an order study takes between 1 and %d step counts, not %d",
                         ORDER_GRIDS_MAX, options->step_count);
    }
    int steps[ORDER_GRIDS_MAX];
    for (int i = 0; i < options->step_count; i++) {
        if (options->steps[i] < 1 || options->steps[i] > STEPS_MOST) {
            return error_set(error, ERROR_VALUE,
                             "an order study cannot take %d steps; a number of steps is between 1 "
                             "and %d",
                             options->steps[i], STEPS_MOST);
        }
        steps[i] = options->as_given ? options->steps[i] : raise(options->steps[i], multiple);
        study->raised += steps[i] != options->steps[i];
    }
    qsort(steps, (size_t)options->step_count, sizeof *steps, compare);
    grids->aligned = true;
    for (int i = 0; i < options->step_count; i++) {
        if (i > 0 && steps[i] == steps[i - 1]) {
            continue;
        }
        grids->steps[grids->count] = steps[i];
        grids->h[grids->count] = 1.0 / steps[i];
        grids->aligned = grids->aligned && steps[i] % multiple == 0;
        grids->count++;
    }
    return true;
}

/* A scheme of order 5 at least, and of no less than is studied: of these the one with the fewest
 * evaluations, and then the smallest error coefficients. */
static const struct tableau *best_scheme(const struct order_study_options *options) {
    int order = 5;
    for (int i = 0; i < options->scheme_count; i++) {
        order = options->schemes[i]->order > order ? options->schemes[i]->order : order;
    }
    const struct tableau *best = NULL;
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *const other = tableau_at(i);
        const int fewer = best ? tableau_evaluations(best) - tableau_evaluations(other) : 1;
        if (other->order >= order &&
            (fewer > 0 || (fewer == 0 && other->error_norm < best->error_norm))) {
            best = other;
        }
    }
    return best;
}

/* Computes the reference state, twice as coarse first: their difference tells the error of the
 * finer one. Round-off is taken to grow with the square root of the number of steps.
 * NUMERICS.md eq. 45. */
static bool find_reference(const struct runs *runs, int multiple, struct order_study *study,
                           double *coarser, double *reference, struct error *error) {
    const struct tableau *const scheme = study->reference;
    const int steps = study->reference_steps;
    if (!run(runs, scheme, steps / 2, EDGE_OPEN, coarser, error) ||
        !run(runs, scheme, steps, EDGE_OPEN, reference, error)) {
        return false;
    }
    const double norm = size(reference, runs->len);
    const int order = order_expected(scheme, study->kinked, true, multiple, EDGE_OPEN).order;
    study->reference_error = distance(coarser, reference, runs->len) / norm / (pow(2, order) - 1);
    study->floor = fmax(study->reference_error, DBL_EPSILON * sqrt(steps));
    return true;
}

static bool measure(const struct runs *runs, const struct order_study_options *options,
                    const struct order_curve *grids, int multiple, const double *reference,
                    double *state, struct order_study *study, struct error *error) {
    const double norm = size(reference, runs->len);
    const int edge = options->edge >= 0 ? options->edge : net_trained(runs->net).edge;
    for (int s = 0; s < options->scheme_count; s++) {
        struct order_curve *const curve = &study->curves[study->curve_count];
        *curve = *grids;
        curve->scheme = options->schemes[s];
        for (int i = 0; i < curve->count; i++) {
            if (!run(runs, curve->scheme, curve->steps[i], edge, state, error)) {
                return false;
            }
            curve->error[i] = distance(state, reference, runs->len) / norm;
        }
        order_fit(curve->h, curve->error, curve->count, study->floor, study->kinked, &curve->fit);
        curve->expected =
            order_expected(curve->scheme, study->kinked, curve->aligned, multiple, (enum edge)edge);
        study->curve_count++;
    }
    return true;
}

/* What can be refused before anything is computed. */
static bool check(const struct net *net, ptrdiff_t count, const struct order_study_options *options,
                  struct error *error) {
    const int blocks = net_ode_count(net);
    if (blocks == 0) {
        return error_set(error, ERROR_VALUE,
                         "this net has no ODE block, so there is no step to refine");
    }
    if (options->block < -1 || options->block >= blocks) {
        return error_set(error, ERROR_VALUE, "this net has %d ODE blocks; there is no block %d",
                         blocks, options->block + 1);
    }
    if (count < 1) {
        return error_set(error, ERROR_VALUE, "an order study needs at least 1 sample, not %td",
                         count);
    }
    if (options->scheme_count < 1) {
        return error_set(error, ERROR_VALUE, "an order study needs at least 1 scheme");
    }
    if (order_study_alignment(net) == 0) {
        return error_set(error, ERROR_VALUE,
                         "no number of steps up to %d aligns with the nodes of all blocks",
                         STEPS_MOST);
    }
    return true;
}

static bool has_kink(const struct net *net) {
    const cJSON *const act = cJSON_GetObjectItemCaseSensitive(net->config, "act");
    return cJSON_IsString(act) && strcmp(act->valuestring, "relu") == 0;
}

static bool fill(struct order_study *study, struct runs *runs,
                 const struct order_study_options *options, struct error *error) {
    const int multiple = order_study_alignment(runs->net);
    struct order_curve grids = {.count = 0};
    if (!plan_grids(options, multiple, study, &grids, error)) {
        return false;
    }
    const int finest = grids.steps[grids.count - 1];
    const int wanted =
        options->reference_steps > 0 ? options->reference_steps : REFERENCE_FINER * finest;
    study->reference_steps = raise(wanted, 2 * multiple); /* half of them align too */
    study->curves = calloc((size_t)options->scheme_count, sizeof *study->curves);
    double *const states = malloc(2 * (size_t)runs->len * sizeof *states);
    bool good = study->curves && states;
    if (!good) {
        (void)error_set(error, ERROR_MEMORY, "no memory for an order study of %td samples",
                        runs->count);
    }
    double *const state = states, *const reference = states + runs->len;
    good = good && find_reference(runs, multiple, study, state, reference, error) &&
           measure(runs, options, &grids, multiple, reference, state, study, error);
    free(states);
    return good;
}

/* States have the length the passes say; one is made on a single sample to ask. */
static bool state_len(struct net *net, int block, ptrdiff_t *len, struct error *error) {
    const struct pass_options options = {.batch = 1, .how = {.edge = -1}};
    struct pass *const pass = pass_create(net, &options, error);
    if (!pass) {
        return false;
    }
    *len = pass_state_len(pass, block);
    pass_free(pass);
    return true;
}

struct order_study *order_study(const struct net *net, const double *x, ptrdiff_t count,
                                const struct order_study_options *options, struct error *error) {
    if (!check(net, count, options, error)) {
        return NULL;
    }
    struct net *const copy = net_clone(net, PRECISION_F64, error);
    struct order_study *study = copy ? calloc(1, sizeof *study) : NULL;
    if (!copy || !study) {
        if (copy) {
            (void)error_set(error, ERROR_MEMORY, "no memory for an order study");
        }
        net_free(copy);
        return NULL;
    }
    study->block = options->block >= 0 ? options->block : net_ode_count(net) - 1;
    study->samples = count;
    study->kinked = has_kink(net);
    study->reference = best_scheme(options);
    struct runs runs = {.net = copy,
                        .x = x,
                        .count = count,
                        .block = study->block,
                        .pool = options->pool,
                        .stop = options->stop};
    ptrdiff_t len = 0;
    bool good = state_len(copy, study->block, &len, error);
    runs.len = count * len;
    good = good && fill(study, &runs, options, error);
    net_free(copy);
    if (!good) {
        order_study_free(study);
        return NULL;
    }
    return study;
}

void order_study_free(struct order_study *study) {
    if (study) {
        free(study->curves);
        free(study);
    }
}
