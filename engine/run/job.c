#include "run/job.h"

#include <assert.h>
#include <float.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/checkpoint.h"
#include "run/preamble.h"
#include "run/queue.h"
#include "run/worker.h"

const char *const job_state_names[] = {"queued",  "running", "paused",   "done",
                                       "stopped", "failed",  "diverged", NULL};

const struct option job_options_table[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct job_options, name),
     .fallback = "",
     .help = "of the run, part of its folder's name; default from the net and its scheme"},
    {.name = "probe",
     .kind = OPTION_JSON,
     .offset = offsetof(struct job_options, probe),
     .fallback = "",
     .help = "{ schemes, steps, samples, every, share }: the same weights under other schemes and "
             "steps while they train; false: none"},
    {.name = "convergence",
     .kind = OPTION_JSON,
     .offset = offsetof(struct job_options, convergence),
     .fallback = "",
     .help = "{ schemes, t1, target, finest, coarsest, share }: tests of a net that learns a "
             "system's dynamics while it trains; false: none"},
    {.name = "seconds",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct job_options, seconds),
     .fallback = "0",
     .least = 0,
     .most = DBL_MAX,
     .help = "end after so many seconds, pauses not counted; 0: no limit"},
    {.name = "runs",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct job_options, runs),
     .fallback = "runs",
     .help = "folder in which the run folder is made"},
    {.name = "checkpoint_every",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct job_options, checkpoint_every),
     .fallback = "-1",
     .least = -1,
     .most = DBL_MAX,
     .help = "epochs between checkpoints; -1: one, more where that would be over a hundred of "
             "them; 0: only at a pause and at the end"},
    {.name = "resume",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct job_options, resume),
     .fallback = "",
     .help = "a checkpoint, runs/NAME/checkpoints/STEP.safetensors, to go on from, bit for bit"},
};
const int job_options_count = (int)(sizeof job_options_table / sizeof job_options_table[0]);

/* ---- start -------------------------------------------------------------------------------- */

static const struct option *find_option(const struct option *options, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Splits the options in two objects; false when a key is in neither table. */
static bool split_options(const cJSON *options, cJSON *train, cJSON *job, struct error *error) {
    enum { NAMES_MAX = 64 };
    const char *names[NAMES_MAX];
    int count = 0;
    assert(train_options_count + job_options_count <= NAMES_MAX);
    for (int i = 0; i < train_options_count; i++) {
        names[count++] = train_options_table[i].name;
    }
    for (int i = 0; i < job_options_count; i++) {
        names[count++] = job_options_table[i].name;
    }
    const cJSON *entry;
    cJSON_ArrayForEach(entry, options) {
        const char *key = entry->string ? entry->string : "";
        bool of_train = find_option(train_options_table, train_options_count, key);
        if (!of_train && !find_option(job_options_table, job_options_count, key)) {
            const char *nearest = option_nearest(key, names, count);
            return error_set(error, ERROR_VALUE, "train: unknown option \"%.60s\"%s%s%s", key,
                             nearest ? "; nearest is \"" : "; see help(cn.train)",
                             nearest ? nearest : "", nearest ? "\"" : "");
        }
        cJSON *copy = cJSON_Duplicate(entry, true);
        if (!copy || !cJSON_AddItemToObject(of_train ? train : job, key, copy)) {
            cJSON_Delete(copy);
            return error_set(error, ERROR_MEMORY, "no memory for the options of a job");
        }
    }
    return true;
}

static void default_name(struct job *job) {
    const cJSON *family = cJSON_GetObjectItemCaseSensitive(job->net->config, "family");
    const char *kind = cJSON_IsString(family) ? family->valuestring : "net";
    if (net_ode_count(job->net) > 0) {
        struct manifestation how = net_trained(job->net);
        (void)snprintf(job->options.name, RECORD_NAME_SIZE, "%.40s-%d", how.scheme->name,
                       how.steps);
    } else {
        (void)snprintf(job->options.name, RECORD_NAME_SIZE, "%.40s", kind);
    }
}

static bool plan_probe(struct job *job, struct error *error) {
    if (net_ode_count(job->net) == 0) {
        if (cJSON_IsObject(job->options.probe)) {
            return error_set(error, ERROR_VALUE,
                             "probe asks for other schemes and this net has no ODE block; leave "
                             "it out");
        }
        return true;
    }
    struct manifestation how = net_trained(job->net);
    if (!probe_init(&job->probe, job->options.probe, how.scheme, how.steps,
                    net_ode_nodes(job->net, 0), error)) {
        return false;
    }
    ptrdiff_t valid = job->data->valid.count;
    if (valid == 0) {
        job->probe.cell_count = 0;
    } else if (job->probe.samples > valid) {
        job->probe.samples = valid;
    }
    return true;
}

static bool plan(struct job *job, const cJSON *options, int threads, struct error *error) {
    cJSON *train = cJSON_CreateObject(), *own = cJSON_CreateObject();
    bool good = train && own && split_options(options, train, own, error) &&
                option_read(job_options_table, job_options_count, "train", own, NULL, &job->options,
                            error) &&
                plan_probe(job, error) &&
                dynamics_create(job->net, job->data, job->options.convergence, &job->dynamics,
                                error);
    if (job->dynamics && !job->options.probe) { /* they show more of such a net */
        job->probe.cell_count = 0;
    }
    job->options.probe = job->options.convergence = NULL;
    if (good) {
        job->pool = pool_create(threads, error);
        good = job->pool != NULL;
    }
    if (good) {
        job->train = train_begin(job->net, job->data, train, job->pool, error);
        good = job->train != NULL;
    }
    cJSON_Delete(train);
    cJSON_Delete(own);
    return good;
}

static bool open_record(struct job *job, const char *commands, struct error *error) {
    job->record = record_create(job->options.runs, job->options.name, error);
    if (!job->record) {
        return false;
    }
    if (!preamble_files(job, error) ||
        (commands && !record_text(job->record, "commands.lua", commands, error))) {
        record_discard(job->record);
        job->record = NULL;
        return false;
    }
    preamble_events(job);
    worker_state(job, JOB_QUEUED, "");
    return true;
}

static void *run_thread(void *context) {
    worker_run(context);
    queue_turn();
    return NULL;
}

/* The pool's threads and the job's inherit a mask that blocks every signal: the main thread alone
 * hears them. */
static bool start_threads(struct job *job, struct error *error) {
    if (!queue_add(job, error)) {
        return false;
    }
    int refused = pthread_create(&job->thread, NULL, run_thread, job);
    if (refused) {
        queue_remove(job);
        return error_set(error, ERROR_STATE, "no thread can be started for the job: %s",
                         strerror(refused));
    }
    return true;
}

static void release(struct job *job) {
    train_end(job->train);
    dynamics_free(job->dynamics);
    pool_free(job->pool);
    record_free(job->record);
    pthread_mutex_destroy(&job->mutex);
    pthread_cond_destroy(&job->changed);
    free(job);
}

struct job *job_start(struct net *net, const struct dataset *data, const cJSON *options,
                      int threads, const char *commands, struct error *error) {
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        error_set(error, ERROR_MEMORY, "no memory for a job");
        return NULL;
    }
    job->net = net;
    job->data = data;
    job->evaluated = -1;
    job->best = -DBL_MAX;
    pthread_mutex_init(&job->mutex, NULL);
    pthread_cond_init(&job->changed, NULL);
    (void)job_wake_fd();

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = plan(job, options, threads, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good && !job->options.name[0]) {
        default_name(job);
    }
    if (good && job->options.resume[0]) {
        good = checkpoint_load(net, job->train, job->options.resume, error);
    }
    good = good && open_record(job, commands, error);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    good = good && start_threads(job, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!good) {
        release(job);
        return NULL;
    }
    return job;
}

/* ---- control and queries ------------------------------------------------------------------ */

static void command(struct job *job, enum command command) {
    pthread_mutex_lock(&job->mutex);
    /* A job that is to stop is not called back. */
    if (job->command != COMMAND_STOP) {
        job->command = command;
        __atomic_store_n(&job->interrupt, command != COMMAND_RUN, __ATOMIC_RELAXED);
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    queue_turn();
}

void job_pause(struct job *job) {
    command(job, COMMAND_PAUSE);
}

void job_resume(struct job *job) {
    command(job, COMMAND_RUN);
}

void job_stop(struct job *job) {
    command(job, COMMAND_STOP);
}

enum job_state job_state(const struct job *job) {
    return (enum job_state)atomic_load(&job->state);
}

bool job_is_over(const struct job *job) {
    return job_state(job) >= JOB_DONE;
}

void job_join(struct job *job) {
    if (!job->joined) {
        pthread_join(job->thread, NULL);
        job->joined = true;
    }
}

void job_free(struct job *job) {
    if (!job) {
        return;
    }
    job_stop(job);
    job_join(job);
    queue_remove(job);
    release(job);
}

const char *job_path(const struct job *job) {
    return record_path(job->record);
}

const char *job_name(const struct job *job) {
    return job->options.name;
}

const char *job_message(const struct job *job) {
    return job_is_over(job) ? job->message : "";
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double job_step_seconds(const struct job *job) {
    /* Locking is no change of the job. */
    pthread_mutex_t *mutex = (pthread_mutex_t *)&job->mutex;
    double sorted[STEP_SECONDS_KEPT];
    pthread_mutex_lock(mutex);
    ptrdiff_t count = job->step_count < STEP_SECONDS_KEPT ? job->step_count : STEP_SECONDS_KEPT;
    memcpy(sorted, job->step_seconds, (size_t)count * sizeof sorted[0]);
    pthread_mutex_unlock(mutex);
    if (count == 0) {
        return 0;
    }
    qsort(sorted, (size_t)count, sizeof sorted[0], by_size);
    return 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]);
}

enum memory job_memory(const struct job *job) {
    return train_memory(job->train);
}

size_t job_bytes(const struct job *job) {
    return train_bytes(job->train);
}

struct net *job_net(struct job *job) {
    return job->net;
}

struct net *job_snapshot(struct job *job, enum precision precision, struct error *error) {
    pthread_mutex_lock(&job->mutex);
    job->asked++;
    while (job->stepping) {
        pthread_cond_wait(&job->changed, &job->mutex);
    }
    struct net *copy = net_clone(job->net, precision, error);
    job->served++;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return copy;
}

void job_event(struct job *job, const struct event *event) {
    (void)record_event(job->record, event, true);
    queue_wake();
}

double job_seconds(const struct job *job) {
    return worker_seconds((struct job *)job);
}

bool job_question(struct job *job, struct steering_decision *question) {
    pthread_mutex_lock(&job->mutex);
    const bool asks = job->asks;
    if (asks) {
        *question = job->question;
    }
    pthread_mutex_unlock(&job->mutex);
    return asks;
}

void job_answer(struct job *job, ptrdiff_t step, int steps, const char *text) {
    pthread_mutex_lock(&job->mutex);
    if (job->asks && job->question.step == step) {
        job->answer = steps;
        (void)snprintf(job->answer_text, sizeof job->answer_text, "%s", text ? text : "");
        job->asks = false;
    }
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
}
