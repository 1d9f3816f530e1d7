#include "learn/train.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "learn/flat.h"
#include "learn/loader.h"
#include "learn/loss.h"
#include "learn/mixture.h"
#include "learn/schedule.h"

struct train {
    struct net *net;
    const struct dataset *data;
    struct train_options options; /* its JSON pointers are not kept */
    struct train_augment augment;
    bool augments;
    cJSON *config;
    struct schedule schedule;
    struct optim *optim;
    struct loss loss;
    struct pool *pool;
    struct mixture *mixture;
    bool listed; /* schemes were asked for */
    struct loader *loader;
    struct steering *steering; /* or NULL */
    ptrdiff_t position, steps, per_epoch;
    ptrdiff_t steered; /* position of the last decision; -1: none */
    bool ended; /* by a step that was not finite */

    void *running; /* running statistics before the step, value_len - trainable_len */
    void *moved;   /* likewise, after its first evaluation */
};

static bool read_augment(struct train *train, struct error *error) {
    const cJSON *augment = train->options.augment;
    if (!augment) {
        return true;
    }
    if (!option_read(augment_options_table, augment_options_count, "augment", augment, NULL,
                     &train->augment, error)) {
        return false;
    }
    const ptrdiff_t *shape = train->data->shape;
    ptrdiff_t crop = train->augment.crop;
    if (crop >= shape[1] || crop >= shape[2]) {
        if (crop > 0) {
            return error_set(error, ERROR_VALUE,
                             "augment: crop = %td would shift images of %td x %td out of sight; "
                             "give less",
                             crop, shape[1], shape[2]);
        }
    }
    train->augments = true;
    return true;
}

static bool put(cJSON *object, const char *key, cJSON *value) {
    if (!value || !cJSON_ReplaceItemInObjectCaseSensitive(object, key, value)) {
        cJSON_Delete(value);
        return false;
    }
    return true;
}

static bool resolve(struct train *train, struct error *error) {
    train->config = option_write(train_options_table, train_options_count, &train->options);
    bool good = train->config && put(train->config, "optimizer", optim_config(train->optim)) &&
                put(train->config, "schedule", schedule_config(&train->schedule)) &&
                (!train->steering || put(train->config, "control", steering_config(train->steering))) &&
                (!train->options.schemes ||
                 put(train->config, "schemes", mixture_config(train->mixture))) &&
                (!train->augments ||
                 put(train->config, "augment",
                     option_write(augment_options_table, augment_options_count, &train->augment)));
    train->options.optimizer = train->options.schedule = train->options.augment = NULL;
    train->listed = train->options.schemes != NULL;
    train->options.schemes = train->options.control = NULL;
    return good || error_set(error, ERROR_MEMORY, "no memory for the options of training");
}

static bool make_loader(struct train *train, struct error *error) {
    const struct loader_plan plan = {
        .part = &train->data->train,
        .kernels = train->net->kernels,
        .batch = train->options.batch,
        .seed = (uint64_t)train->options.seed,
        .augment = {.crop = (int)train->augment.crop, .flip = train->augment.flip}};
    train->loader = loader_create(&plan, error);
    return train->loader != NULL;
}

static bool make_mixture(struct train *train, struct pool *pool, struct error *error) {
    const struct mixture_plan plan = {.schemes = train->options.schemes,
                                      .batch = train->options.batch,
                                      .memory = (enum memory)train->options.memory,
                                      .pool = pool};
    const struct net *net = train->net;
    train->mixture = mixture_create(train->net, &plan, error);
    const size_t size = (size_t)(net->value_len - net->trainable_len) * net->kernels->real_size;
    train->running = malloc(size + 1);
    train->moved = malloc(size + 1);
    return train->mixture && ((train->running && train->moved) ||
                              error_set(error, ERROR_MEMORY, "no memory for running statistics"));
}

static bool make_steering(struct train *train, struct error *error) {
    train->steered = -1;
    if (!train->options.control) {
        return true;
    }
    train->steering = steering_create(train->net, &train->loss, train->options.control,
                                      train->options.batch, train->pool, error);
    return train->steering != NULL;
}

static bool plan(struct train *train, const cJSON *options, struct pool *pool,
                 struct error *error) {
    struct net *net = train->net;
    const struct part *part = &train->data->train;
    if (!option_read(train_options_table, train_options_count, "train", options, NULL,
                     &train->options, error) ||
        !loss_init(&train->loss, net, train->data, train->options.label_smoothing, error)) {
        return false;
    }
    if (part->count == 0) {
        return error_set(error, ERROR_VALUE, "the training part of data set \"%s\" is empty",
                         train->data->name);
    }
    if (train->options.batch > part->count) {
        train->options.batch = part->count;
    }
    if (!read_augment(train, error) || !make_loader(train, error)) {
        return false;
    }
    train->per_epoch = loader_per_epoch(train->loader);
    double steps = round(train->options.epochs * (double)train->per_epoch);
    if (steps > 1e15) {
        return error_set(error, ERROR_VALUE, "train: %g epochs are %g steps, which is too many",
                         train->options.epochs, steps);
    }
    train->steps = steps < 1 ? 1 : (ptrdiff_t)steps;
    if (!schedule_read(&train->schedule, train->options.schedule, error)) {
        return false;
    }
    train->optim = optim_create(train->options.optimizer, net->kernels, net->trainable_len, error);
    if (train->optim && optim_kind(train->optim)->searches && train->options.clip > 0) {
        return error_set(error, ERROR_VALUE,
                         "train: clip = %g cannot be with optimizer \"%s\", whose line search needs "
                         "the gradient as it is; leave it out",
                         train->options.clip, optim_kind(train->optim)->name);
    }
    /* A controller gives all blocks the same steps before passes are planned for them. */
    return train->optim && make_steering(train, error) && make_mixture(train, pool, error) &&
           resolve(train, error);
}

struct train *train_begin(struct net *net, const struct dataset *data, const cJSON *options,
                          struct pool *pool, struct error *error) {
    struct train *train = calloc(1, sizeof *train);
    if (!train) {
        error_set(error, ERROR_MEMORY, "no memory to train");
        return NULL;
    }
    train->net = net;
    train->data = data;
    train->pool = pool;
    if (!plan(train, options, pool, error)) {
        train_end(train);
        return NULL;
    }
    return train;
}

void train_end(struct train *train) {
    if (!train) {
        return;
    }
    loader_free(train->loader);
    mixture_free(train->mixture);
    steering_free(train->steering);
    optim_free(train->optim);
    cJSON_Delete(train->config);
    free(train->running);
    free(train->moved);
    free(train);
}

static void *running_values(const struct train *train, size_t *size) {
    const struct net *net = train->net;
    size_t real = net->kernels->real_size;
    *size = (size_t)(net->value_len - net->trainable_len) * real;
    return (char *)net->values + (size_t)net->trainable_len * real;
}

/* Sets the losses of report and its grad_norm, and net->grads; returns whether all is finite. */
static bool differentiate(struct train *train, const struct batch *batch,
                          struct step_report *report) {
    struct net *net = train->net;
    struct mixture_result result;
    const bool good = mixture_run(train->mixture, &train->loss, batch, &result);
    report->loss = result.loss;
    memcpy(report->losses, result.losses, sizeof report->losses);
    report->evaluations = 1;
    report->grad_norm = (double)NAN;
    if (!good) {
        return false;
    }
    report->grad_norm =
        sqrt(flat_sum_squares(net->kernels, train->pool, net->grads, net->trainable_len));
    return isfinite(report->grad_norm);
}

/* What an optimiser that searches evaluates. */
struct search {
    struct train *train;
    const struct batch *batch;
};

static double evaluate_search(void *context) {
    const struct search *search = context;
    struct train *train = search->train;
    struct mixture_result result;
    net_touch(train->net);
    (void)mixture_run(train->mixture, &train->loss, search->batch, &result);
    return result.loss;
}

/* Running statistics are those of the evaluation the step began with. */
static bool search(struct train *train, const struct batch *batch, struct step_report *report) {
    struct search context = {train, batch};
    const struct lbfgs_problem problem = {.w = train->net->values,
                                          .g = train->net->grads,
                                          .loss = evaluate_search,
                                          .context = &context};
    size_t size;
    void *running = running_values(train, &size);
    memcpy(train->moved, running, size);
    const struct lbfgs_outcome outcome =
        optim_search(train->optim, train->pool, &problem, report->loss, report->rate);
    const bool good = outcome.stop != LBFGS_NOT_FINITE;
    memcpy(running, good ? train->moved : train->running, size);
    net_touch(train->net);
    report->evaluations += outcome.evaluations;
    report->grad_norm = good ? report->grad_norm : (double)NAN;
    return good;
}

static void update(struct train *train, const struct step_report *report) {
    struct net *net = train->net;
    if (train->options.clip > 0) {
        /* As torch.nn.utils.clip_grad_norm_ has it, with its 1e-6 against division by zero.
         * NUMERICS.md eq. 38. */
        double factor = train->options.clip / (report->grad_norm + 1e-6);
        if (factor < 1) {
            flat_scale(net->kernels, train->pool, net->grads, factor, net->trainable_len);
        }
    }
    optim_step(train->optim, train->pool, net->values, net->grads, report->rate);
    net_touch(net);
}

/* ---- the number of steps --------------------------------------------------------------------- */

bool train_set_steps(struct train *train, int steps, struct error *error) {
    const int before = net_trained(train->net).steps;
    struct error ignored;
    if (steps == before) {
        return true;
    }
    if (!net_set_steps(train->net, steps, error)) {
        return false;
    }
    if (!mixture_replan(train->mixture, error)) {
        (void)net_set_steps(train->net, before, &ignored);
        return false;
    }
    return true;
}

static void apply(struct train *train, struct steering_decision *decision) {
    struct error error;
    if (!decision->asks && !train_set_steps(train, decision->to, &error)) {
        decision->to = decision->from;
        (void)snprintf(decision->text, sizeof decision->text, "kept: %.190s", error.text);
    }
}

static bool is_over(const struct train *train) {
    return train->ended || train->position >= train->steps;
}

bool train_control_due(const struct train *train) {
    return train->steering && !is_over(train) && train->steered != train->position &&
           steering_due(train->steering, train->position);
}

void train_control(struct train *train, struct steering_decision *decision) {
    assert(train_control_due(train));
    train->steered = train->position;
    steering_look(train->steering, loader_take(train->loader, train->position), train->position,
                  decision);
    apply(train, decision);
}

void train_answer(struct train *train, struct steering_decision *decision, int steps,
                  const char *text) {
    assert(decision->asks);
    steering_answer(train->steering, decision, steps, text);
    apply(train, decision);
}

double train_patience(const struct train *train) {
    return steering_patience(train->steering);
}

/* ---- a step -------------------------------------------------------------------------------- */

bool train_step(struct train *train, struct step_report *report) {
    if (is_over(train)) {
        return false;
    }
    if (train_control_due(train)) {
        struct steering_decision decision;
        train_control(train, &decision);
    }
    double began = clock_seconds();
    const struct batch *batch = loader_take(train->loader, train->position);

    size_t running_size;
    void *running = running_values(train, &running_size);
    memcpy(train->running, running, running_size);
    *report = (struct step_report){
        .step = train->position + 1,
        .epoch = (double)(train->position + 1) / (double)train->per_epoch,
        .count = batch->count,
        .loss_count = train->listed ? mixture_count(train->mixture) : 0,
        .epoch_end = (train->position + 1) % train->per_epoch == 0,
        .rate = schedule_rate(&train->schedule, optim_rate(train->optim), train->position,
                              train->steps, train->per_epoch)};
    report->finite = differentiate(train, batch, report);
    if (!report->finite) {
        memcpy(running, train->running, running_size);
        net_touch(train->net);
    } else if (optim_kind(train->optim)->searches) {
        report->finite = search(train, batch, report);
    } else {
        update(train, report);
    }
    train->position += report->finite;
    train->ended = !report->finite;
    report->seconds = clock_seconds() - began;
    return true;
}

bool train_is_steered(const struct train *train) {
    return train->steering != NULL;
}

ptrdiff_t train_steps(const struct train *train) {
    return train->steps;
}

ptrdiff_t train_steps_per_epoch(const struct train *train) {
    return train->per_epoch;
}

enum memory train_memory(const struct train *train) {
    return pass_memory(mixture_pass(train->mixture));
}

size_t train_bytes(const struct train *train) {
    return mixture_bytes(train->mixture);
}

const cJSON *train_config(const struct train *train) {
    return train->config;
}

ptrdiff_t train_position(const struct train *train) {
    return train->position;
}

void train_seek(struct train *train, ptrdiff_t position) {
    assert(position >= 0 && position <= train->steps);
    train->position = position;
    train->steered = -1;
    train->ended = false;
}

struct optim *train_optim(struct train *train) {
    return train->optim;
}
