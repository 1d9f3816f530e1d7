#include "run/worker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "run/checkpoint.h"
#include "run/model_file.h"
#include "run/queue.h"

double worker_seconds(struct job *job) {
    pthread_mutex_lock(&job->mutex);
    double seconds = 0;
    if (job->began > 0) {
        double now = job->pause_began > 0 ? job->pause_began : clock_seconds();
        seconds = now - job->began - job->paused;
    }
    pthread_mutex_unlock(&job->mutex);
    return seconds;
}

static void send(struct job *job, struct event *event, bool now) {
    event_end(event);
    if (record_event(job->record, event, now)) {
        queue_wake();
    }
}

void worker_state(struct job *job, enum job_state state, const char *text) {
    double seconds = worker_seconds(job);
    struct event event;
    event_begin(&event, "state");
    event_number(&event, "seconds", seconds);
    event_text(&event, "state", job_state_names[state]);
    if (text[0]) {
        event_text(&event, "text", text);
    }
    event_end(&event);
    (void)record_event(job->record, &event, true);
    char line[sizeof job->message + 16];
    (void)snprintf(line, sizeof line, "%s%s%s", job_state_names[state], text[0] ? ": " : "", text);
    record_log(job->record, seconds, line);
    pthread_mutex_lock(&job->mutex);
    (void)snprintf(job->message, sizeof job->message, "%s", text);
    pthread_mutex_unlock(&job->mutex);
    atomic_store(&job->state, (int)state);
    queue_wake();
}

static void note(struct job *job, const char *text) {
    struct event event;
    double seconds = worker_seconds(job);
    event_begin(&event, "note");
    event_number(&event, "seconds", seconds);
    event_text(&event, "text", text);
    send(job, &event, true);
    record_log(job->record, seconds, text);
}

/* ---- what is written ---------------------------------------------------------------------- */

static void write_checkpoint(struct job *job) {
    char folder[RECORD_PATH_SIZE + 16], name[64], path[96];
    struct error error;
    ptrdiff_t step = train_position(job->train);
    (void)snprintf(folder, sizeof folder, "%s/checkpoints", record_path(job->record));
    if (!checkpoint_save(job->net, job->train, folder, name, sizeof name, &error)) {
        note(job, error.text);
        return;
    }
    (void)snprintf(path, sizeof path, "checkpoints/%s", name);
    struct event event;
    event_begin(&event, "checkpoint");
    event_number(&event, "step", (double)step);
    event_text(&event, "path", path);
    send(job, &event, true);
    /* The oldest of the kept ones makes room; a step written again takes no second place. */
    if (job->kept[0] != step) {
        if (job->kept[CHECKPOINTS_KEPT - 1] > 0) {
            checkpoint_remove(folder, job->kept[CHECKPOINTS_KEPT - 1]);
        }
        memmove(job->kept + 1, job->kept, (CHECKPOINTS_KEPT - 1) * sizeof job->kept[0]);
        job->kept[0] = step;
    }
}

static bool write_net(struct job *job, const char *file, struct error *error) {
    char path[RECORD_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/checkpoints/%s", record_path(job->record), file);
    return model_save(job->net, path, error);
}

enum { STEPS_WRITTEN = 20000 }; /* of a run, about: long runs of tiny steps write every n-th */

static bool is_written(const struct job *job, const struct step_report *report) {
    const ptrdiff_t steps = train_steps(job->train), every = (steps - 1) / STEPS_WRITTEN + 1;
    return report->step % every == 0 || report->step == 1 || report->step == steps ||
           !report->finite;
}

static void write_step(struct job *job, const struct step_report *report) {
    if (!is_written(job, report)) {
        return;
    }
    struct event event;
    event_begin(&event, "step");
    event_number(&event, "step", (double)report->step);
    event_number(&event, "epoch", report->epoch);
    event_number(&event, "seconds", worker_seconds(job));
    event_number(&event, "loss", report->loss);
    if (report->loss_count > 0) {
        event_numbers(&event, "losses", report->losses, report->loss_count);
    }
    event_number(&event, "rate", report->rate);
    event_number(&event, "grad_norm", report->grad_norm);
    if (optim_kind(train_optim(job->train))->searches) {
        event_number(&event, "evaluations", report->evaluations);
    }
    event_number(&event, "images_per_second", (double)report->count / report->seconds);
    /* The first step is shown at once. */
    send(job, &event, report->step == 1 || !report->finite);
}

static double epoch_now(const struct job *job) {
    return (double)train_position(job->train) / (double)train_steps_per_epoch(job->train);
}

/* Regression has no accuracy. */
static void add_result(const struct job *job, struct event *event,
                       const struct evaluation *result) {
    event_number(event, "loss", result->loss);
    if (job->data->classes > 0) {
        event_number(event, "accuracy", result->accuracy);
    }
    event_number(event, "count", (double)result->count);
}

/* ---- the control word --------------------------------------------------------------------- */

/* Waits while the job is to pause; false when it is to stop. */
static bool obey(struct job *job) {
    pthread_mutex_lock(&job->mutex);
    bool pause = job->command == COMMAND_PAUSE;
    pthread_mutex_unlock(&job->mutex);
    if (pause) {
        if (train_position(job->train) > 0 && train_position(job->train) != job->kept[0]) {
            write_checkpoint(job);
        }
        pthread_mutex_lock(&job->mutex);
        job->pause_began = clock_seconds();
        pthread_mutex_unlock(&job->mutex);
        char text[64];
        (void)snprintf(text, sizeof text, "at step %td of %td", train_position(job->train),
                       train_steps(job->train));
        worker_state(job, JOB_PAUSED, text);
        pthread_mutex_lock(&job->mutex);
        while (job->command == COMMAND_PAUSE) {
            pthread_cond_wait(&job->changed, &job->mutex);
        }
        job->paused += clock_seconds() - job->pause_began;
        job->pause_began = 0;
        pause = job->command == COMMAND_RUN;
        pthread_mutex_unlock(&job->mutex);
        if (pause) {
            worker_state(job, JOB_RUNNING, "");
        }
    }
    pthread_mutex_lock(&job->mutex);
    bool go = job->command != COMMAND_STOP;
    pthread_mutex_unlock(&job->mutex);
    return go;
}

/* Holds the net against snapshots. Those that wait go first, those that come later wait until it is
 * let go: neither side can starve the other. */
static void hold(struct job *job) {
    pthread_mutex_lock(&job->mutex);
    ptrdiff_t asked = job->asked;
    while (job->served < asked) {
        pthread_cond_wait(&job->changed, &job->mutex);
    }
    job->stepping = true;
    pthread_mutex_unlock(&job->mutex);
}

/* With the seconds of a step in between; 0: none was made. */
static void let_go(struct job *job, double seconds) {
    pthread_mutex_lock(&job->mutex);
    job->stepping = false;
    if (seconds > 0) {
        job->step_seconds[job->step_count++ % STEP_SECONDS_KEPT] = seconds;
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
}

static bool step(struct job *job, struct step_report *report) {
    hold(job);
    bool stepped = train_step(job->train, report);
    let_go(job, stepped ? report->seconds : 0);
    return stepped;
}

/* ---- steering ------------------------------------------------------------------------------ */

static void write_control(struct job *job, const struct steering_decision *decision) {
    struct event event;
    char line[sizeof decision->text + 80];
    event_begin(&event, "control");
    event_number(&event, "step", (double)decision->step);
    event_number(&event, "epoch", epoch_now(job));
    event_number(&event, "seconds", worker_seconds(job));
    event_number(&event, "from", decision->from);
    event_number(&event, "to", decision->to);
    event_text(&event, "rule", steering_rule_names[decision->rule]);
    event_number(&event, "value", decision->value);
    event_number(&event, "threshold", decision->threshold);
    event_text(&event, "text", decision->text);
    send(job, &event, true);
    (void)snprintf(line, sizeof line, "step %td: N %d -> %d: %s", decision->step, decision->from,
                   decision->to, decision->text);
    record_log(job->record, worker_seconds(job), line);
}

/* Waits, at most so many seconds, until the question is answered or there is another order. */
static void wait_for_answer(struct job *job, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const double whole = floor(seconds);
    until.tv_sec += (time_t)whole;
    until.tv_nsec += (long)((seconds - whole) * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (job->asks && job->command == COMMAND_RUN &&
           pthread_cond_timedwait(&job->changed, &job->mutex, &until) == 0) {
    }
}

/* Asks whoever serves the job (job_question) what to do; false when the job is to stop, which
 * leaves everything as it is. */
static bool ask(struct job *job, struct steering_decision *decision) {
    const double began = worker_seconds(job), patience = train_patience(job->train);
    int steps = 0;
    char text[sizeof job->answer_text] = "";
    bool answered = false, go = true;
    pthread_mutex_lock(&job->mutex);
    job->question = *decision;
    job->asks = true;
    pthread_mutex_unlock(&job->mutex);
    record_flush(job->record);
    queue_wake();
    while (go && !answered) {
        const double left = patience - (worker_seconds(job) - began);
        pthread_mutex_lock(&job->mutex);
        if (left > 0) {
            wait_for_answer(job, left);
        }
        answered = !job->asks;
        steps = answered ? job->answer : 0;
        (void)snprintf(text, sizeof text, "%s", answered ? job->answer_text : "");
        pthread_mutex_unlock(&job->mutex);
        if (!answered && left <= 0) {
            break;
        }
        go = obey(job);
    }
    pthread_mutex_lock(&job->mutex);
    if (!answered && !job->asks) { /* in the last moment */
        answered = true;
        steps = job->answer;
        (void)snprintf(text, sizeof text, "%s", job->answer_text);
    }
    job->asks = false;
    pthread_mutex_unlock(&job->mutex);
    if (!answered) {
        (void)snprintf(text, sizeof text, "kept: %s",
                       go ? "nobody answered in time" : "the job was stopped before an answer");
    }
    hold(job);
    train_answer(job->train, decision, steps, text[0] ? text : NULL);
    let_go(job, 0);
    return go;
}

/* Makes the decision that is due, if one is; false when the job is to stop. */
static bool control(struct job *job) {
    struct steering_decision decision;
    if (!train_control_due(job->train)) {
        return true;
    }
    hold(job);
    train_control(job->train, &decision);
    let_go(job, 0);
    const bool go = !decision.asks || ask(job, &decision);
    write_control(job, &decision);
    return go;
}

/* ---- evaluations -------------------------------------------------------------------------- */

/* Evaluates until it is not interrupted; false when the job is to stop or the evaluation failed,
 * which is then noted. */
static bool evaluate_part(struct job *job, ptrdiff_t count, const struct manifestation *how,
                          struct evaluation *result) {
    for (;;) {
        struct error error;
        if (evaluate(job->net, &job->data->valid, 0, count, how, job->pool, &job->interrupt, result,
                     NULL, &error)) {
            return true;
        }
        if (error.code != ERROR_STATE) {
            note(job, error.text);
            return false;
        }
        if (!obey(job)) {
            return false;
        }
    }
}

/* Runs the cells that are due; false when the job is to stop. */
static bool run_probes(struct job *job, bool last) {
    for (;;) {
        if (!obey(job)) {
            return false;
        }
        ptrdiff_t at = train_position(job->train);
        int cell = probe_next(&job->probe, at, worker_seconds(job), last);
        if (cell < 0) {
            return true;
        }
        const struct probe_cell *due = &job->probe.cells[cell];
        const struct manifestation how = {.scheme = due->scheme, .steps = due->steps, .edge = -1};
        struct evaluation result;
        if (!evaluate_part(job, job->probe.samples, &how, &result)) {
            job->probe.cell_count = obey(job) ? 0 : job->probe.cell_count;
            continue;
        }
        double seconds = worker_seconds(job);
        probe_done(&job->probe, cell, at, seconds, result.seconds);
        struct event event;
        event_begin(&event, "probe");
        event_number(&event, "step", (double)at);
        event_number(&event, "epoch", epoch_now(job));
        event_number(&event, "seconds", seconds);
        event_text(&event, "scheme", how.scheme->name);
        event_number(&event, "steps", how.steps);
        add_result(job, &event, &result);
        send(job, &event, true);
    }
}

static void write_test(struct job *job, double seconds) {
    struct event event;
    dynamics_event(job->dynamics, &event);
    event_number(&event, "step", (double)train_position(job->train));
    event_number(&event, "epoch", epoch_now(job));
    event_number(&event, "seconds", seconds);
    send(job, &event, true);
}

/* Tests the convergence of learned dynamics if that is due; false when the job is to stop. */
static bool run_dynamics(struct job *job, bool last) {
    const ptrdiff_t at = train_position(job->train);
    struct error error;
    while (job->dynamics && dynamics_due(job->dynamics, at, worker_seconds(job), last)) {
        if (dynamics_test(job->dynamics, job->net, at, worker_seconds(job), job->pool,
                          &job->interrupt, &error)) {
            write_test(job, worker_seconds(job));
        } else if (error.code != ERROR_STATE) {
            note(job, error.text);
            dynamics_free(job->dynamics);
            job->dynamics = NULL;
        } else if (!obey(job)) {
            return false;
        }
    }
    return true;
}

/* The verdict on the net as it was trained. */
static void write_verdict(struct job *job) {
    const struct verdict_dynamics *verdict = dynamics_verdict(job->dynamics);
    struct event event;
    event_begin(&event, "verdict");
    event_text(&event, "text", verdict->text);
    event_flag(&event, "pass", verdict->state == DYNAMICS_PASS);
    send(job, &event, true);
    record_log(job->record, worker_seconds(job), verdict->text);
}

/* The whole validation part as trained, and the best net so far; false when to stop. */
static bool validate(struct job *job) {
    struct evaluation result;
    if (job->data->valid.count == 0) {
        return true;
    }
    if (!evaluate_part(job, 0, NULL, &result)) {
        return obey(job);
    }
    job->evaluated = train_position(job->train);
    struct event event;
    event_begin(&event, "eval");
    event_number(&event, "step", (double)job->evaluated);
    event_number(&event, "epoch", epoch_now(job));
    event_number(&event, "seconds", worker_seconds(job));
    event_text(&event, "part", "valid");
    add_result(job, &event, &result);
    send(job, &event, true);
    char line[160], accuracy[40] = "";
    if (job->data->classes > 0) {
        (void)snprintf(accuracy, sizeof accuracy, ", accuracy %.2f %%", 100 * result.accuracy);
    }
    (void)snprintf(line, sizeof line,
                   accuracy[0] ? "epoch %.4g: loss %.4f%s on %td samples"
                               : "epoch %.4g: loss %.4g%s on %td samples",
                   epoch_now(job), result.loss, accuracy, result.count);
    record_log(job->record, worker_seconds(job), line);
    double merit = job->data->classes > 0 ? result.accuracy : -result.loss;
    if (merit > job->best) {
        struct error error;
        job->best = merit;
        if (!write_net(job, "best.safetensors", &error)) {
            note(job, error.text);
        }
    }
    return true;
}

enum { EPOCHS_CHECKPOINTED = 100, EPOCHS_VALIDATED = 1000 }; /* of a run, at most */

/* How many epochs lie between two of at most `most` of a run. */
static double sparing(const struct job *job, double most) {
    const double steps = (double)train_steps(job->train);
    const double epochs = steps / (double)train_steps_per_epoch(job->train);
    return fmax(1, ceil(epochs / most));
}

static double checkpoint_every(const struct job *job) {
    const double every = job->options.checkpoint_every;
    return every < 0 ? sparing(job, EPOCHS_CHECKPOINTED) : every;
}

/* The first multiple of `every` behind `epoch`. */
static double next_multiple(double epoch, double every) {
    return every > 0 ? (floor(epoch / every) + 1) * every : 0;
}

/* What an epoch ends with. An order to stop is obeyed later. */
static void end_epoch(struct job *job) {
    const double every = checkpoint_every(job);
    if (every > 0 && epoch_now(job) >= job->next_checkpoint) {
        write_checkpoint(job);
        job->next_checkpoint = next_multiple(epoch_now(job), every);
    }
    const bool last = train_position(job->train) >= train_steps(job->train);
    if (last || fmod(round(epoch_now(job)), sparing(job, EPOCHS_VALIDATED)) == 0) {
        (void)validate(job);
    }
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* Steps to the end; returns the state that the job ends in and writes why to text. */
static enum job_state train_on(struct job *job, char *text, size_t size) {
    double limit = job->options.seconds;
    struct step_report report;
    for (;;) {
        if (!obey(job) || !run_probes(job, false) || !run_dynamics(job, false)) {
            (void)snprintf(text, size, "at step %td of %td", train_position(job->train),
                           train_steps(job->train));
            return JOB_STOPPED;
        }
        if (limit > 0 && worker_seconds(job) >= limit) {
            (void)snprintf(text, size, "%.4g seconds are over at step %td of %td", limit,
                           train_position(job->train), train_steps(job->train));
            return JOB_DONE;
        }
        if (!control(job)) {
            continue; /* the order to stop is obeyed above */
        }
        if (!step(job, &report)) {
            return JOB_DONE;
        }
        write_step(job, &report);
        if (!report.finite) {
            bool loss = !isfinite(report.loss);
            (void)snprintf(text, size,
                           "diverged at step %td: %s is not finite (%g); the weights are those "
                           "before it; try a lower lr or clip",
                           report.step, loss ? "the loss" : "the gradient",
                           loss ? report.loss : report.grad_norm);
            return JOB_DIVERGED;
        }
        if (report.epoch_end) {
            end_epoch(job);
        }
    }
}

static void finish(struct job *job, enum job_state state, const char *text) {
    struct error error;
    char said[sizeof job->message];
    (void)snprintf(said, sizeof said, "%s", text);
    if (state == JOB_DONE) {
        if (job->evaluated != train_position(job->train)) {
            (void)validate(job);
        }
        (void)run_probes(job, true);
        if (run_dynamics(job, true) && job->dynamics) {
            write_verdict(job);
        }
    }
    if (train_position(job->train) != job->kept[0]) {
        write_checkpoint(job);
    }
    if (!write_net(job, "final.safetensors", &error)) {
        (void)snprintf(said, sizeof said, "%s", error.text);
        state = JOB_FAILED;
    } else {
        struct event event;
        event_begin(&event, "checkpoint");
        event_number(&event, "step", (double)train_position(job->train));
        event_text(&event, "path", "checkpoints/final.safetensors");
        send(job, &event, true);
    }
    if (!said[0]) {
        record_trouble(job->record, said, sizeof said);
    }
    worker_state(job, state, said);
}

void worker_run(struct job *job) {
    if (!queue_wait(job)) {
        worker_state(job, JOB_STOPPED, "before its turn came");
        return;
    }
    pthread_mutex_lock(&job->mutex);
    job->began = clock_seconds();
    pthread_mutex_unlock(&job->mutex);
    job->next_checkpoint = next_multiple(epoch_now(job), checkpoint_every(job));
    worker_state(job, JOB_RUNNING, "");
    char text[sizeof job->message] = "";
    enum job_state state = train_on(job, text, sizeof text);
    finish(job, state, text);
}
