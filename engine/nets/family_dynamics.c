/* The family "dynamics": a vector field on states, nothing before and nothing behind it. Trained on
 * what lies an interval dt apart, it learns y' = R(y; theta) in physical time: the ODE block goes
 * through dt in `steps` steps, so its factor is dt, or every sample's own. The models are a stack of
 * dense layers, a matrix or a polynomial inside the scheme, and, for comparison, a free matrix for
 * the whole interval. */
#include "nets/family.h"

#include <stdio.h>

#include "base/option.h"
#include "nets/monomials.h"
#include "nets/net.h"

enum { INTERVALS_MOST = 10000 };
enum model { MODEL_MLP, MODEL_LINEAR, MODEL_POLYNOMIAL, MODEL_MATRIX };
static const char *const model_names[] = {"mlp", "linear", "polynomial", "matrix", NULL};
enum { TIMES_UNIFORM, TIMES_GIVEN };
static const char *const times_names[] = {"uniform", "given", NULL};

struct dynamics_options {
    ptrdiff_t state, hidden, layers, degree, steps, intervals, seed;
    int model, act, times, field, precision;
    bool bias, time;
    double dt;
    char scheme[OPTION_TEXT_SIZE];
};
#define DYNAMICS(field) offsetof(struct dynamics_options, field)
static const struct option options[] = {
    {"state", OPTION_INTEGER, DYNAMICS(state), NULL, 1, 100000, NULL,
     "values of a state, as the data set's samples have"},
    {"dt", OPTION_NUMBER, DYNAMICS(dt), "0", 0, 1e300, NULL,
     "time between a sample and its target, as data.config.dt says; where times are given, only "
     "what cn.verdict takes for the interval of the training"},
    {"times", OPTION_CHOICE, DYNAMICS(times), "uniform", 0, 0, times_names,
     "uniform: all intervals are dt; given: samples carry their t and dt behind the state"},
    {"time", OPTION_BOOLEAN, DYNAMICS(time), "false", 0, 0, NULL,
     "the field reads the time too, y' = R(t, y), where times are given"},
    {"model", OPTION_CHOICE, DYNAMICS(model), "mlp", 0, 0, model_names,
     "mlp: dense layers with activations; linear: y' = A y; polynomial: y' = C phi(y), phi all "
     "monomials (net:terms()); matrix: y(t + dt) = M y(t), no differential equation"},
    {"hidden", OPTION_INTEGER, DYNAMICS(hidden), "50", 1, 100000, NULL,
     "mlp: features of a hidden layer"},
    {"layers", OPTION_INTEGER, DYNAMICS(layers), "1", 1, 16, NULL, "mlp: hidden layers"},
    {"act", OPTION_CHOICE, DYNAMICS(act), "tanh", 0, 0, activation_names, "mlp: activation"},
    {"degree", OPTION_INTEGER, DYNAMICS(degree), "2", 1, MONOMIALS_DEGREE_MOST, NULL,
     "polynomial: highest degree of a monomial"},
    {"bias", OPTION_BOOLEAN, DYNAMICS(bias), "true", 0, 0, NULL, "mlp: layers have biases"},
    {"scheme", OPTION_TEXT, DYNAMICS(scheme), "rk4", 0, 0, NULL,
     "Runge-Kutta scheme it is trained in; see cn.ode.schemes()"},
    {"steps", OPTION_INTEGER, DYNAMICS(steps), "1", 1, NET_STEPS_MAX, NULL,
     "steps of the scheme in one interval dt"},
    {"intervals", OPTION_INTEGER, DYNAMICS(intervals), "1", 1, INTERVALS_MOST, NULL,
     "intervals dt that a sample goes through; the states behind all of them are its outputs"},
    {"field", OPTION_CHOICE, DYNAMICS(field), "auto", 0, 0, field_names,
     "auto: the field is solved a few samples at a time; layers: layer by layer"},
    {"seed", OPTION_INTEGER, DYNAMICS(seed), "0", 0, 9e15, NULL, "seed of the initial weights"},
    {"precision", OPTION_CHOICE, DYNAMICS(precision), "f64", 0, 0, precision_names,
     "f32 or f64"},
};
enum { OPTIONS = sizeof options / sizeof *options };

const struct family family_dynamics = {
    "dynamics", "a vector field on states, learned from states an interval apart", options, OPTIONS};

static struct layer *add_dense(struct layers *body, const char *prefix, int index, ptrdiff_t out,
                               bool bias) {
    char name[16];
    (void)snprintf(name, sizeof name, "fc%d", index);
    struct layer *dense = layers_add(body, LAYER_DENSE, prefix, name);
    dense->out = out;
    dense->bias = bias;
    return dense;
}

static void add_field(struct layers *body, const struct dynamics_options *o) {
    for (int i = 0; o->model == MODEL_MLP && i < o->layers; i++) {
        add_dense(body, "block1", i + 1, o->hidden, o->bias);
        layers_add(body, LAYER_ACT, "block1", "act")->act = (enum activation)o->act;
    }
    if (o->model == MODEL_POLYNOMIAL) {
        layers_add(body, LAYER_MONOMIALS, "block1", "monomials")->degree = (int)o->degree;
    }
    const bool mlp = o->model == MODEL_MLP;
    add_dense(body, "block1", mlp ? (int)o->layers + 1 : 1, o->state, mlp && o->bias)->weight_zero =
        o->model == MODEL_POLYNOMIAL;
}

/* What a block alone can do: `what` asks for it. */
static bool check_block(const struct dynamics_options *o, const char *what, struct error *error) {
    if (o->model == MODEL_MATRIX) {
        return error_set(error, ERROR_VALUE,
                         "cn.net.dynamics: model = \"matrix\" has no differential equation and "
                         "goes through one interval dt, so it cannot have %s; use model = "
                         "\"linear\"",
                         what);
    }
    return o->field == 0 || error_set(error, ERROR_VALUE,
                                      "cn.net.dynamics: field = \"layers\" cannot have %s; use "
                                      "field = \"auto\"",
                                      what);
}

static bool check(const struct dynamics_options *o, struct error *error) {
    char what[64];
    (void)snprintf(what, sizeof what, "intervals = %td", o->intervals);
    if ((o->intervals > 1 && !check_block(o, what, error)) ||
        (o->times == TIMES_GIVEN && !check_block(o, "times = \"given\"", error))) {
        return false;
    }
    if (o->times == TIMES_UNIFORM && !(o->dt > 0)) {
        return error_set(error, ERROR_VALUE,
                         "cn.net.dynamics: \"dt\" is missing, the time between a sample and its "
                         "target, such as data.config.dt; or times = \"given\", when samples "
                         "carry it");
    }
    if (o->times == TIMES_UNIFORM && o->time) {
        return error_set(error, ERROR_VALUE,
                         "cn.net.dynamics: time = true reads the time of a sample, which times = "
                         "\"uniform\" does not have; use times = \"given\", here and in the data");
    }
    return true;
}

bool family_dynamics_build(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                           ptrdiff_t *augment, cJSON **resolved, struct error *error) {
    static const char *const ignored[] = {"family", NULL};
    struct dynamics_options o = {0};
    if (!option_read(options, OPTIONS, "cn.net.dynamics", config, ignored, &o, error) ||
        !check(&o, error)) {
        return false;
    }
    const struct tableau *scheme = tableau_find(o.scheme, error);
    const struct basis *basis = scheme ? basis_find("piecewise_constant", error) : NULL;
    if (!basis) {
        return false;
    }
    input[0] = o.state + (o.times == TIMES_GIVEN ? 2 : 0);
    input[1] = input[2] = 1;
    *augment = 0;
    if (o.model == MODEL_MATRIX) {
        add_dense(layers, "", 1, o.state, false);
    } else {
        struct layer *block = layers_add(layers, LAYER_ODE, "", "block1");
        block->factor = o.times == TIMES_GIVEN ? 1.0 : o.dt;
        block->scheme = scheme;
        block->basis = basis;
        block->steps = (int)o.steps;
        block->intervals = (int)o.intervals;
        block->paced = o.times == TIMES_GIVEN;
        block->timed = o.time;
        block->direct = o.field == 1;
        add_field(&block->body, &o);
    }
    *resolved = option_write(options, OPTIONS, &o);
    return true;
}
