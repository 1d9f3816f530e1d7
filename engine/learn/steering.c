#include "learn/steering.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const steering_rule_names[] = {"ott", "distance", "manual", NULL};
enum start { START_AUTO, START_NET, START_HAIRER };
static const char *const start_names[] = {"auto", "net", "hairer", NULL};

struct steering_options {
    int rule, start;
    ptrdiff_t every, most;
    double threshold, margin, growth, patience;
    char scheme[OPTION_TEXT_SIZE];
};

#define FIELD(name) offsetof(struct steering_options, name)
/* clang-format off */
const struct option steering_options_table[] = {
    {"rule", OPTION_CHOICE, FIELD(rule), "ott", 0, 0, steering_rule_names,
     "ott: accuracies on the batch; distance: states behind ODE blocks; manual: decide(info)"},
    {"every", OPTION_INTEGER, FIELD(every), "50", 1, 1e9, NULL, "training steps between decisions"},
    {"threshold", OPTION_NUMBER, FIELD(threshold), "0.1", 0, DBL_MAX, NULL,
     "largest difference between the scheme and the test scheme that is no difference"},
    {"scheme", OPTION_TEXT, FIELD(scheme), "", 0, 0, NULL,
     "test scheme; default the next order: midpoint for euler, rk4 for order 2"},
    {"start", OPTION_CHOICE, FIELD(start), "auto", 0, 0, start_names,
     "first number of steps: the net's, or by Hairer's rule; auto: hairer for ott, else net"},
    {"margin", OPTION_NUMBER, FIELD(margin), "50", 1, 1e9, NULL,
     "times smaller is the test scheme's nominal error"},
    {"growth", OPTION_NUMBER, FIELD(growth), "1.1", 1, 1e3, NULL,
     "factor by which steps grow at most when the schemes agree"},
    {"most", OPTION_INTEGER, FIELD(most), "500", 1, NET_STEPS_MAX, NULL, "steps, at most"},
    {"patience", OPTION_NUMBER, FIELD(patience), "10", 0, 1e9, NULL,
     "manual: seconds to wait for an answer; then all stays as it is"},
};
/* clang-format on */
const int steering_options_count =
    (int)(sizeof steering_options_table / sizeof steering_options_table[0]);

enum { TRAINED, TEST, COARSER, PASSES };

struct steering {
    struct net *net;
    const struct loss *loss;
    struct pool *pool;
    ptrdiff_t batch;
    struct steering_options options;
    struct step_rule rule;
    const struct tableau *test;
    struct pass *passes[PASSES]; /* for `planned` steps; COARSER: NULL where it is not needed */
    int planned;                 /* 0: none */
    const struct batch *under_way;
    void *running;   /* running statistics, while they are put aside */
    void *states[2]; /* behind a block, of all samples */
};

/* ---- planning ------------------------------------------------------------------------------ */

/* The scheme to test one of this order with: of the next order there is, as published for 1 and 2
 * (Ott et al. 2021). */
static const struct tableau *next_scheme(const struct tableau *trained) {
    if (trained->order <= 2) {
        return tableau_find(trained->order == 1 ? "midpoint" : "rk4", NULL);
    }
    const struct tableau *best = NULL;
    for (int i = 0; i < tableau_count(); i++) {
        const struct tableau *t = tableau_at(i);
        if (t->order > trained->order && (!best || t->order < best->order)) {
            best = t;
        }
    }
    return best;
}

static bool find_test(struct steering *steering, struct error *error) {
    const struct tableau *trained = net_trained(steering->net).scheme;
    const char *name = steering->options.scheme;
    steering->test = name[0] ? tableau_find(name, error) : next_scheme(trained);
    if (!steering->test) {
        return name[0] ? false
                       : error_set(error, ERROR_VALUE,
                                   "control: there is no scheme of an order above that of %s, which "
                                   "is %d, to test with",
                                   trained->name, trained->order);
    }
    if (steering->test->order <= trained->order) {
        return error_set(error, ERROR_VALUE,
                         "control: \"scheme\" is %s of order %d; to test %s of order %d it must be "
                         "of a higher one",
                         steering->test->name, steering->test->order, trained->name,
                         trained->order);
    }
    (void)snprintf(steering->options.scheme, sizeof steering->options.scheme, "%s",
                   steering->test->name);
    return true;
}

static bool check(struct steering *steering, struct error *error) {
    struct steering_options *o = &steering->options;
    struct net *net = steering->net;
    if (net_ode_count(net) == 0) {
        return error_set(error, ERROR_VALUE,
                         "control steers the steps of ODE blocks and this net has none; leave it "
                         "out");
    }
    if (o->rule == STEERING_OTT && steering->loss->regression) {
        return error_set(error, ERROR_VALUE,
                         "control: rule = \"ott\" compares accuracies and the data set has target "
                         "values; use rule = \"distance\"");
    }
    const int steps = net_trained(net).steps;
    if (steps > o->most) {
        return error_set(error, ERROR_VALUE,
                         "control: \"most\" is %td and the net has %d steps already; give more",
                         o->most, steps);
    }
    o->start = o->start != START_AUTO ? o->start
               : o->rule == STEERING_OTT ? START_HAIRER
                                         : START_NET;
    steering->rule = (struct step_rule){.threshold = o->threshold,
                                        .margin = o->margin,
                                        .growth = o->growth,
                                        .most = (int)o->most};
    return net_set_steps(net, steps, error) && find_test(steering, error);
}

static size_t running_size(const struct steering *steering) {
    const struct net *net = steering->net;
    return (size_t)(net->value_len - net->trainable_len) * net->kernels->real_size;
}

static struct pass *make_pass(const struct steering *steering, const struct tableau *scheme,
                              int steps, struct error *error) {
    const struct pass_options options = {.batch = steering->batch,
                                         .training = true,
                                         .how = {.scheme = scheme, .steps = steps, .edge = -1},
                                         .pool = steering->pool};
    return pass_create(steering->net, &options, error);
}

static void drop_passes(struct steering *steering) {
    for (int i = 0; i < PASSES; i++) {
        pass_free(steering->passes[i]);
        steering->passes[i] = NULL;
    }
    steering->planned = 0;
}

static bool plan_passes(struct steering *steering, int steps, struct error *error) {
    const struct tableau *trained = net_trained(steering->net).scheme;
    if (steering->planned == steps) {
        return true;
    }
    drop_passes(steering);
    const int test = step_rule_test_steps(&steering->rule, trained->order, steering->test->order,
                                          steps);
    const int coarser = step_rule_coarser(&steering->rule, steps);
    /* The net's own scheme is that of each block. */
    steering->passes[TRAINED] = make_pass(steering, NULL, steps, error);
    steering->passes[TEST] =
        steering->passes[TRAINED]
            ? make_pass(steering, steering->test, test < NET_STEPS_MAX ? test : NET_STEPS_MAX,
                        error)
            : NULL;
    bool good = steering->passes[TEST] != NULL;
    if (good && steering->options.rule != STEERING_MANUAL && coarser < steps) {
        steering->passes[COARSER] = make_pass(steering, NULL, coarser, error);
        good = steering->passes[COARSER] != NULL;
    }
    if (!good) {
        drop_passes(steering);
        return false;
    }
    steering->planned = steps;
    return true;
}

static bool reserve(struct steering *steering, struct error *error) {
    ptrdiff_t most = 1;
    for (int b = 0; b < net_ode_count(steering->net); b++) {
        const ptrdiff_t len = pass_state_len(steering->passes[TRAINED], b);
        most = len > most ? len : most;
    }
    const size_t size = (size_t)(most * steering->batch) * steering->net->kernels->real_size;
    steering->running = malloc(running_size(steering) + 1);
    steering->states[0] = malloc(size);
    steering->states[1] = malloc(size);
    return (steering->running && steering->states[0] && steering->states[1]) ||
           error_set(error, ERROR_MEMORY, "no memory to compare the states of %td samples",
                     steering->batch);
}

struct steering *steering_create(struct net *net, const struct loss *loss, const cJSON *options,
                                 ptrdiff_t batch, struct pool *pool, struct error *error) {
    struct steering *steering = calloc(1, sizeof *steering);
    if (!steering) {
        error_set(error, ERROR_MEMORY, "no memory to steer a training");
        return NULL;
    }
    steering->net = net;
    steering->loss = loss;
    steering->pool = pool;
    steering->batch = batch;
    if (!cJSON_IsObject(options)) {
        error_set(error, ERROR_VALUE,
                  "train: \"control\" must be a table, such as { rule = \"ott\", every = 50 }");
    } else if (option_read(steering_options_table, steering_options_count, "control", options, NULL,
                           &steering->options, error) &&
               check(steering, error) && plan_passes(steering, net_trained(net).steps, error) &&
               reserve(steering, error)) {
        return steering;
    }
    steering_free(steering);
    return NULL;
}

void steering_free(struct steering *steering) {
    if (!steering) {
        return;
    }
    drop_passes(steering);
    free(steering->running);
    free(steering->states[0]);
    free(steering->states[1]);
    free(steering);
}

cJSON *steering_config(const struct steering *steering) {
    return option_write(steering_options_table, steering_options_count, &steering->options);
}

bool steering_due(const struct steering *steering, ptrdiff_t steps) {
    return steps > 0 ? steps % steering->options.every == 0
                     : steering->options.start == START_HAIRER;
}

double steering_patience(const struct steering *steering) {
    return steering->options.patience;
}

/* ---- measuring ----------------------------------------------------------------------------- */

/* A forward pass that leaves the running statistics as they are; returns the outputs. */
static const void *forward(struct steering *steering, struct pass *pass) {
    struct net *net = steering->net;
    void *running = (char *)net->values + (size_t)net->trainable_len * net->kernels->real_size;
    memcpy(steering->running, running, running_size(steering));
    const void *z = pass_forward(pass, steering->under_way->x, steering->under_way->count);
    memcpy(running, steering->running, running_size(steering));
    return z;
}

static void view(struct steering *steering, struct pass *pass, struct steering_view *seen) {
    const struct batch *batch = steering->under_way;
    ptrdiff_t correct;
    const void *z = forward(steering, pass);
    seen->loss = loss_sum(steering->loss, z, batch->count, &batch->answers, NULL, &correct) /
                 (double)batch->count;
    seen->accuracy = (double)correct / (double)batch->count;
}

/* The largest of |x - x'| / |x'| behind the blocks, x' of the test scheme; both have been run. */
static double distance(struct steering *steering, struct pass *pass) {
    const struct kernels *k = steering->net->kernels;
    double most = 0;
    for (int b = 0; b < net_ode_count(steering->net); b++) {
        const ptrdiff_t len = pass_state_len(pass, b) * steering->under_way->count;
        pass_state(pass, b, steering->states[0]);
        pass_state(steering->passes[TEST], b, steering->states[1]);
        const double size = k->sum_squares(steering->states[1], len);
        k->add_scaled(steering->states[0], steering->states[1], -1, len);
        const double apart = sqrt(k->sum_squares(steering->states[0], len) / size);
        if (!(apart <= most)) {
            most = apart;
        }
        if (isnan(most)) {
            break; /* not a number counts as too large */
        }
    }
    return most;
}

struct look {
    struct steering *steering;
    const struct steering_decision *decision;
};

static double difference(struct steering *steering, const struct steering_decision *decision,
                         struct pass *pass, const struct steering_view *seen) {
    return steering->options.rule == STEERING_OTT ? fabs(seen->accuracy - decision->test.accuracy)
                                                  : distance(steering, pass);
}

static double with_fewer(void *context, int steps) {
    const struct look *look = context;
    struct steering_view seen;
    struct pass *pass = look->steering->passes[COARSER];
    (void)steps; /* what the pass was planned for */
    view(look->steering, pass, &seen);
    return difference(look->steering, look->decision, pass, &seen);
}

/* ---- the first number of steps --------------------------------------------------------------- */

/* Three probes of the first block, from its input x with slopes f at its start, as schemes of one
 * step: x + f(x), x + 2 f(x) and x + f(x + h f(x)). Slopes read the weights of depth 0. */
static struct tableau probe_scheme(int stages, double b, double h) {
    struct tableau t = {.name = "probe", .source = "", .stages = stages, .order = 1};
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        t.c[i] = (struct rational){0, 1};
    }
    t.bv[stages - 1] = b;
    t.av[stages - 1][0] = stages > 1 ? h : 0;
    return t;
}

static bool probe(struct steering *steering, const struct tableau *scheme, void *state,
                  struct error *error) {
    struct pass *pass = make_pass(steering, scheme, 1, error);
    if (pass) {
        (void)forward(steering, pass);
        pass_state(pass, 0, state);
        pass_free(pass);
    }
    return pass != NULL;
}

/* The mean over the samples of the norm of each; x (count, len). */
static double mean_norm(const struct steering *steering, const void *x) {
    const struct kernels *k = steering->net->kernels;
    const ptrdiff_t len = pass_state_len(steering->passes[TRAINED], 0);
    const ptrdiff_t count = steering->under_way->count;
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        const char *sample = (const char *)x + (size_t)(i * len) * k->real_size;
        sum += sqrt(k->sum_squares(sample, len));
    }
    return sum / (double)count;
}

static bool first_steps(struct steering *steering, struct steering_decision *decision,
                        struct error *error) {
    const struct kernels *k = steering->net->kernels;
    const ptrdiff_t n =
        pass_state_len(steering->passes[TRAINED], 0) * steering->under_way->count;
    void *one = steering->states[0], *other = steering->states[1];
    struct tableau scheme = probe_scheme(1, 1, 0);
    if (!probe(steering, &scheme, one, error)) { /* x + f */
        return false;
    }
    scheme = probe_scheme(1, 2, 0);
    if (!probe(steering, &scheme, other, error)) { /* x + 2 f */
        return false;
    }
    k->add_scaled(other, one, -1, n); /* f */
    const double d1 = mean_norm(steering, other);
    k->add_scaled(one, other, -1, n); /* x */
    const double d0 = mean_norm(steering, one);
    k->add_scaled(one, other, 1, n);
    const double guess = step_rule_guess(d0, d1);
    scheme = probe_scheme(2, 1, guess);
    if (!probe(steering, &scheme, other, error)) { /* x + f(x + guess f) */
        return false;
    }
    k->add_scaled(other, one, -1, n);
    const double d2 = mean_norm(steering, other) / guess;
    decision->value = step_rule_start(guess, d1, d2, decision->trained.scheme->order);
    decision->to = step_rule_steps(&steering->rule, decision->value);
    (void)snprintf(decision->text, sizeof decision->text,
                   "first step by Hairer's rule: h = %.3g (|x| %.3g, |f| %.3g, |f'| %.3g)",
                   decision->value, d0, d1, d2);
    return true;
}

/* ---- deciding ------------------------------------------------------------------------------ */

static const char *why(enum step_reason reason) {
    switch (reason) {
    case STEP_FINER:
        return "the schemes differ";
    case STEP_LIMIT:
        return "the schemes differ, and there are no more steps to give";
    case STEP_COARSER:
        return "the schemes agree, with fewer steps too";
    case STEP_NEEDED:
        return "the schemes agree, but not with fewer steps";
    case STEP_COARSEST:
        return "the schemes agree, and fewer steps would be too few at once";
    }
    return "";
}

static void decide(struct steering *steering, struct steering_decision *d) {
    view(steering, steering->passes[TRAINED], &d->trained);
    view(steering, steering->passes[TEST], &d->test);
    d->distance = distance(steering, steering->passes[TRAINED]);
    d->value = d->rule == STEERING_OTT ? fabs(d->trained.accuracy - d->test.accuracy) : d->distance;
    if (d->rule == STEERING_MANUAL) {
        d->asks = true;
        return;
    }
    struct look look = {steering, d};
    enum step_reason reason;
    d->to = step_rule_decide(&steering->rule, d->from, d->value, with_fewer, &look, &reason);
    (void)snprintf(d->text, sizeof d->text, "%s %d and %s %d: %s %.3g; %s", d->trained.scheme->name,
                   d->from, d->test.scheme->name, d->test.steps,
                   d->rule == STEERING_OTT ? "accuracies differ by" : "states are apart by",
                   d->value, why(reason));
}

void steering_look(struct steering *steering, const struct batch *batch, ptrdiff_t steps,
                   struct steering_decision *decision) {
    const struct manifestation how = net_trained(steering->net);
    struct error error;
    *decision = (struct steering_decision){.step = steps,
                                           .from = how.steps,
                                           .to = how.steps,
                                           .rule = (enum steering_rule)steering->options.rule,
                                           .value = (double)NAN,
                                           .threshold = steering->rule.threshold};
    steering->under_way = batch;
    if (!plan_passes(steering, how.steps, &error)) {
        (void)snprintf(decision->text, sizeof decision->text, "kept: %.190s", error.text);
        return;
    }
    decision->trained = (struct steering_view){.scheme = how.scheme, .steps = how.steps};
    decision->test = (struct steering_view){
        .scheme = steering->test,
        .steps = step_rule_test_steps(&steering->rule, how.scheme->order, steering->test->order,
                                      how.steps)};
    if (steps > 0) {
        decide(steering, decision);
    } else if (!first_steps(steering, decision, &error)) {
        (void)snprintf(decision->text, sizeof decision->text, "kept: %.190s", error.text);
    }
}

void steering_answer(const struct steering *steering, struct steering_decision *decision,
                     int steps, const char *text) {
    decision->asks = false;
    if (steps > steering->rule.most) {
        (void)snprintf(decision->text, sizeof decision->text,
                       "kept: the answer was %d steps, and there may be %d", steps,
                       steering->rule.most);
        return;
    }
    decision->to = steps > 0 ? steps : decision->from;
    (void)snprintf(decision->text, sizeof decision->text, "%s",
                   text ? text : steps > 0 ? "as was answered" : "kept, as was answered");
}
