#include "study/verdict_measure.h"

#include <assert.h>
#include <stdlib.h>

enum { LIMIT_STEPS = 16, LIMIT_FACTOR = 4, AGREEMENT_SAMPLES = 2000, ORDER_GRIDS = 5 };

/* One measurement under way. */
struct session {
    struct net *net;
    const struct part *part;
    const struct verdict_options *options;
    struct manifestation trained;
    const struct tableau *schemes[VERDICT_SCHEMES_MAX];
    int scheme_count;
    int multiple; /* of steps that align */
    int steps;    /* of the limit */
    ptrdiff_t count;
};

static int raise(long long steps, int multiple) {
    return (int)((steps + multiple - 1) / multiple * multiple);
}

static void add_scheme(struct session *session, const struct tableau *scheme) {
    for (int i = 0; i < session->scheme_count; i++) {
        if (session->schemes[i] == scheme) {
            return;
        }
    }
    session->schemes[session->scheme_count++] = scheme;
}

/* The scheme of the limit: the highest order studied. */
static const struct tableau *best(const struct session *session) {
    const struct tableau *scheme = session->schemes[0];
    for (int i = 1; i < session->scheme_count; i++) {
        if (session->schemes[i]->order > scheme->order) {
            scheme = session->schemes[i];
        }
    }
    return scheme;
}

static bool prepare(struct session *session, struct error *error) {
    const struct verdict_options *const options = session->options;
    if (net_ode_count(session->net) == 0) {
        return error_set(error, ERROR_VALUE,
                         "this net has no ODE block, so its depth is not to be refined");
    }
    session->multiple = order_study_alignment(session->net);
    if (session->multiple == 0) {
        return error_set(error, ERROR_VALUE,
                         "no feasible number of steps aligns with the nodes of all blocks");
    }
    if (options->scheme_count < 0 || options->scheme_count >= VERDICT_SCHEMES_MAX) {
        return error_set(error, ERROR_VALUE, "a verdict compares up to %d schemes, not %d",
                         VERDICT_SCHEMES_MAX - 1, options->scheme_count);
    }
    if (options->first < 0 || options->count < 0 || options->steps < 0 ||
        options->first + options->count > session->part->count ||
        options->first >= session->part->count) {
        return error_set(error, ERROR_VALUE,
                         "a verdict cannot take samples %td to %td of %td in the %s part",
                         options->first + 1, options->first + options->count, session->part->count,
                         session->part->name);
    }
    session->trained = net_trained(session->net);
    session->count = options->count ? options->count : session->part->count - options->first;
    if (options->schemes) {
        for (int i = 0; i < options->scheme_count; i++) {
            add_scheme(session, options->schemes[i]);
        }
    } else {
        static const char *const names[] = {"euler", "midpoint", "rk4"};
        for (int i = 0; i < 3; i++) {
            add_scheme(session, tableau_find(names[i], NULL));
        }
    }
    add_scheme(session, session->trained.scheme);
    const long long wanted = options->steps ? options->steps
                             : LIMIT_FACTOR * session->trained.steps > LIMIT_STEPS
                                 ? LIMIT_FACTOR * session->trained.steps
                                 : LIMIT_STEPS;
    session->steps = raise(wanted, session->multiple);
    return true;
}

/* Fills *score, from what is known or by running the net. */
static bool score(const struct session *session, const struct tableau *scheme, int steps,
                  ptrdiff_t count, struct verdict_score *result, struct error *error) {
    const struct verdict_options *const options = session->options;
    *result = (struct verdict_score){.scheme = scheme->name, .steps = steps, .count = count};
    for (int i = 0; i < options->known_count; i++) {
        const struct sweep_cell *const cell = &options->known[i];
        if (cell->scheme == scheme && cell->steps == steps && cell->result.count == count) {
            result->correct = cell->result.correct;
            return true;
        }
    }
    const struct manifestation how = {.scheme = scheme, .steps = steps, .edge = -1};
    struct evaluation evaluation;
    if (!evaluate(session->net, session->part, options->first, count, &how, options->pool,
                  options->stop, &evaluation, NULL, error)) {
        return false;
    }
    result->correct = evaluation.correct;
    return true;
}

/* As trained, in the limit, and every scheme with equally many evaluations of the field. */
static bool measure_scores(const struct session *session, struct verdict_report *report,
                           struct error *error) {
    struct verdict_input *const input = &report->input;
    input->classes = session->part->set->classes;
    if (input->classes == 0) {
        return true;
    }
    if (!score(session, session->trained.scheme, session->trained.steps, session->count,
               &input->trained, error) ||
        !score(session, best(session), session->steps, session->count, &input->limit, error)) {
        return false;
    }
    int most = 0;
    for (int i = 0; i < session->scheme_count; i++) {
        const int stages = tableau_evaluations(session->schemes[i]);
        most = stages > most ? stages : most;
    }
    ptrdiff_t count =
        session->options->agreement_count ? session->options->agreement_count : AGREEMENT_SAMPLES;
    count = count < session->count ? count : session->count;
    for (int i = 0; i < session->scheme_count; i++) {
        const struct tableau *const scheme = session->schemes[i];
        const long long steps = (long long)session->steps * most / tableau_evaluations(scheme);
        if (!score(session, scheme, raise(steps, session->multiple), count, &report->fine[i],
                   error)) {
            return false;
        }
        input->fine_count++;
    }
    return true;
}

/* The first samples of the part as doubles; the caller frees them. */
static double *read_samples(const struct session *session, ptrdiff_t count, struct error *error) {
    const ptrdiff_t *const shape = session->part->set->shape;
    const ptrdiff_t len = count * shape[0] * shape[1] * shape[2];
    double *const doubles = malloc((size_t)len * sizeof *doubles);
    if (!doubles) {
        (void)error_set(error, ERROR_MEMORY, "no memory for %td samples", count);
        return NULL;
    }
    dataset_batch_doubles(session->part, NULL, session->options->first, count, NULL, 0, 0, doubles);
    return doubles;
}

static bool measure_order(const struct session *session, struct verdict_report *report,
                          struct error *error) {
    const struct verdict_options *const options = session->options;
    if (options->order_count == 0) {
        return true;
    }
    const ptrdiff_t count =
        options->order_count < session->count ? options->order_count : session->count;
    double *const x = read_samples(session, count, error);
    if (!x) {
        return false;
    }
    int steps[ORDER_GRIDS] = {raise(4, session->multiple)};
    for (int i = 1; i < ORDER_GRIDS; i++) {
        steps[i] = 2 * steps[i - 1];
    }
    const struct order_study_options study = {
        .schemes = session->schemes,
        .scheme_count = session->scheme_count,
        .steps = steps,
        .step_count = ORDER_GRIDS,
        .block = -1,
        .edge = -1,
        .pool = options->pool,
        .stop = options->stop,
    };
    report->study = order_study(session->net, x, count, &study, error);
    free(x);
    if (!report->study) {
        return false;
    }
    for (int i = 0; i < report->study->curve_count; i++) {
        const struct order_curve *const curve = &report->study->curves[i];
        report->orders[i] = (struct verdict_order){curve->scheme, curve->fit, curve->expected};
    }
    report->input.order_count = report->study->curve_count;
    return true;
}

struct verdict_report *verdict_measure(struct net *net, const struct part *part,
                                       const struct verdict_options *options, struct error *error) {
    struct session session = {.net = net, .part = part, .options = options};
    if (!prepare(&session, error)) {
        return NULL;
    }
    struct verdict_report *const report = calloc(1, sizeof *report);
    if (!report) {
        (void)error_set(error, ERROR_MEMORY, "no memory for a verdict");
        return NULL;
    }
    report->input.orders = report->orders;
    report->input.fine = report->fine;
    if (!measure_scores(&session, report, error) || !measure_order(&session, report, error)) {
        verdict_report_free(report);
        return NULL;
    }
    verdict_decide(&report->input, &report->verdict);
    return report;
}

void verdict_report_free(struct verdict_report *report) {
    if (report) {
        order_study_free(report->study);
        free(report);
    }
}
