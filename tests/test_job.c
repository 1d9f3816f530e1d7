#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learn_setup.h"
#include "run/job.h"
#include "run/model_file.h"
#include "run/series.h"

static char folder[64];

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/continuo-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(job, .init = make_folder, .fini = remove_folder, .timeout = 60);

/* Starts a job with the options in `json` and the folder of this test. */
static struct job *start_in(struct net *net, const struct dataset *data, const char *json,
                            int threads, struct error *error) {
    cJSON *options = cJSON_Parse(json);
    cr_assert_not_null(options, "%s", json);
    if (!cJSON_GetObjectItem(options, "runs")) {
        cJSON_AddStringToObject(options, "runs", folder);
    }
    struct job *job = job_start(net, data, options, threads, "-- commands\n", error);
    cJSON_Delete(options);
    return job;
}

static struct job *start(struct net *net, const struct dataset *data, const char *json,
                         int threads) {
    struct error error = {0};
    struct job *job = start_in(net, data, json, threads, &error);
    cr_assert_not_null(job, "%s", error.text);
    return job;
}

static void wait_for(const struct job *job, enum job_state state) {
    for (int i = 0; i < 20000 && job_state(job) != state; i++) {
        cr_assert(!job_is_over(job) || job_state(job) == state, "%s: %s",
                  job_state_names[job_state(job)], job_message(job));
        (void)usleep(1000);
    }
    cr_assert_eq(job_state(job), state);
}

static struct series *read_run(const struct job *job) {
    struct error error = {0};
    struct series *series = series_open(job_path(job), &error);
    cr_assert_not_null(series, "%s", error.text);
    (void)series_update(series);
    return series;
}

static bool exists(const struct job *job, const char *file) {
    char path[1024];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/%s", job_path(job), file);
    return stat(path, &status) == 0;
}

/* One of a step, with its state. */
static bool has_checkpoint(const struct job *job) {
    char path[1024];
    bool has = false;
    (void)snprintf(path, sizeof path, "%s/checkpoints", job_path(job));
    DIR *directory = opendir(path);
    cr_assert_not_null(directory, "%s", path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        has = has || strstr(entry->d_name, ".state.safetensors");
    }
    closedir(directory);
    return has;
}

/* A job that would take minutes. */
#define LONG "{\"epochs\":100000,\"batch\":50,\"probe\":false,\"checkpoint_every\":0}"

Test(job, a_run_writes_its_folder_and_every_event) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data,
                            "{\"epochs\":3,\"batch\":100,\"name\":\"three\",\"probe\":{\"schemes\":"
                            "[\"euler\",\"rk4\"],\"steps\":[1,2],\"samples\":60,\"every\":10}}",
                            2);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_DONE, "%s", job_message(job));
    cr_assert_str_eq(job_message(job), "");
    cr_assert_str_eq(job_name(job), "three");
    cr_assert(job_step_seconds(job) > 0);
    cr_assert(job_seconds(job) > 0);
    static const char *const files[] = {"config.json",
                                        "meta.json",
                                        "metrics.jsonl",
                                        "log.txt",
                                        "commands.lua",
                                        "checkpoints/000021.safetensors",
                                        "checkpoints/000021.state.safetensors",
                                        "checkpoints/best.safetensors",
                                        "checkpoints/final.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        cr_assert(exists(job, files[i]), "%s", files[i]);
    }
    struct series *series = read_run(job);
    cr_assert_str_eq(series->name, "three");
    cr_assert_float_eq(series->steps_total, 21, 0);
    cr_assert_float_eq(series->parameters, (double)net->trainable_len, 0);
    cr_assert_str_eq(series->trained_scheme, "midpoint");
    cr_assert_eq(series->trained_steps, 2);
    cr_assert_eq(series->step_count, 21);
    cr_assert_eq(series->eval_count, 3);
    cr_assert_eq(series->probe_count, 4 * 4); /* at steps 0, 10, 20 and behind the last */
    cr_assert_str_eq(series->state, "done");
    for (ptrdiff_t i = 0; i < series->step_count; i++) {
        cr_assert_float_eq(series->steps[i].step, (double)(i + 1), 0);
        cr_assert(i == 0 || series->steps[i].seconds >= series->steps[i - 1].seconds);
    }
    for (ptrdiff_t i = 0; i < series->probe_count; i++) {
        cr_assert_float_eq(series->probes[i].step, i < 12 ? 10.0 * (double)(i / 4) : 21, 0);
        cr_assert_float_eq(series->probes[i].count, 60, 0);
    }
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, a_run_of_many_steps_writes_every_nth) {
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"hidden\":4}");
    struct dataset *data = setup_data("{\"source\":\"rings\",\"count\":8,\"test\":2,\"valid\":1}");
    struct job *job = start(net, data,
                            "{\"epochs\":5001,\"batch\":1,\"probe\":false,"
                            "\"checkpoint_every\":0}",
                            1);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_DONE, "%s", job_message(job));
    struct series *series = read_run(job);
    const double total = series->steps_total, every = ceil(total / 20000);
    cr_assert_geq(every, 2);
    cr_assert_leq(series->step_count, 20002);
    cr_assert_geq(series->step_count, (ptrdiff_t)(total / every));
    cr_assert_float_eq(series->steps[0].step, 1, 0);
    cr_assert_float_eq(series->steps[1].step, every, 0);
    cr_assert_float_eq(series->steps[2].step, 2 * every, 0);
    cr_assert_float_eq(series->steps[series->step_count - 1].step, total, 0);
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, a_run_of_many_epochs_is_sparing_with_files) {
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"hidden\":4}");
    struct dataset *data = setup_data("{\"source\":\"rings\",\"count\":8,\"test\":2,\"valid\":1}");
    struct job *job = start(net, data, "{\"epochs\":2500,\"batch\":8,\"probe\":false}", 1);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_DONE, "%s", job_message(job));
    struct series *series = read_run(job);
    cr_assert_eq(series->eval_count, 834); /* every third epoch, and the last */
    cr_assert(exists(job, "checkpoints/002475.safetensors"));
    cr_assert(!exists(job, "checkpoints/002499.safetensors"));
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, probes_and_evaluations_do_not_change_what_is_learned) {
    struct dataset *data = setup_images();
    struct net *plain = setup_net(SETUP_IMAGE_NET), *probed = setup_net(SETUP_IMAGE_NET);
    struct job *one = start(plain, data, "{\"epochs\":3,\"batch\":30,\"probe\":false}", 1);
    struct job *other = start(
        probed, data, "{\"epochs\":3,\"batch\":30,\"probe\":{\"steps\":[1,2,4],\"every\":2}}", 2);
    job_join(other);
    cr_assert_eq(job_state(one), JOB_DONE);
    cr_assert_eq(
        memcmp(plain->values, probed->values, (size_t)plain->value_len * plain->kernels->real_size),
        0);
    job_free(one);
    job_free(other);
    net_free(plain);
    net_free(probed);
    dataset_free(data);
}

Test(job, the_final_file_and_the_best_one_are_models) {
    struct error error = {0};
    struct dataset *data = setup_images();
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct job *job = start(net, data, "{\"epochs\":2,\"batch\":30}", 1);
    job_join(job);
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/checkpoints/final.safetensors", job_path(job));
    struct net *loaded = model_load(path, &error);
    cr_assert_not_null(loaded, "%s", error.text);
    cr_assert_eq(
        memcmp(net->values, loaded->values, (size_t)net->value_len * net->kernels->real_size), 0);
    net_free(loaded);
    (void)snprintf(path, sizeof path, "%s/checkpoints/best.safetensors", job_path(job));
    loaded = model_load(path, &error);
    cr_assert_not_null(loaded, "%s", error.text);
    net_free(loaded);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, pause_holds_the_job_and_cuts_the_time_out) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, LONG, 2);
    wait_for(job, JOB_RUNNING);
    while (job_step_seconds(job) <= 0) {
        (void)usleep(1000);
    }
    job_pause(job);
    wait_for(job, JOB_PAUSED);
    double seconds = job_seconds(job);
    struct series *series = read_run(job);
    ptrdiff_t steps = series->step_count;
    cr_assert(steps > 0);
    (void)usleep(150000);
    (void)series_update(series);
    cr_assert_eq(series->step_count, steps, "a paused job went on");
    cr_assert_str_eq(series->state, "paused");
    cr_assert_float_eq(job_seconds(job), seconds, 0);
    cr_assert(has_checkpoint(job));
    job_resume(job);
    wait_for(job, JOB_RUNNING);
    cr_assert(job_seconds(job) < seconds + 0.1);
    job_stop(job);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_STOPPED);
    (void)series_update(series);
    cr_assert(series->step_count >= steps);
    cr_assert_str_eq(series->state, "stopped");
    cr_assert(exists(job, "checkpoints/final.safetensors"));
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, a_paused_job_can_be_stopped) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, LONG, 1);
    job_pause(job);
    wait_for(job, JOB_PAUSED);
    job_stop(job);
    job_resume(job); /* too late */
    job_join(job);
    cr_assert_eq(job_state(job), JOB_STOPPED);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, pause_takes_effect_within_a_probe) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data("{\"source\":\"rings\",\"count\":300,\"valid\":5000}");
    /* The first grid alone takes half a minute. */
    struct job *job =
        start(net, data,
              "{\"epochs\":1,\"batch\":100,\"probe\":{\"schemes\":[\"rk4\"],\"steps\":"
              "[2000,3000],\"every\":1,\"samples\":5000}}",
              2);
    wait_for(job, JOB_RUNNING);
    (void)usleep(50000);
    job_pause(job);
    wait_for(job, JOB_PAUSED);
    cr_assert(job_step_seconds(job) <= 0, "the grid was over before the pause");
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, jobs_run_one_at_a_time_in_order) {
    struct net *a = setup_net(SETUP_MLP), *b = setup_net(SETUP_MLP), *c = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *first = start(a, data, LONG, 1);
    struct job *second = start(b, data, LONG, 1);
    struct job *third = start(c, data, "{\"epochs\":1,\"probe\":false}", 1);
    cr_assert_eq(job_count(), 3);
    cr_assert_eq(job_at(0), first);
    cr_assert_eq(job_at(2), third);
    wait_for(first, JOB_RUNNING);
    (void)usleep(50000);
    cr_assert_eq(job_state(second), JOB_QUEUED);
    cr_assert_eq(job_state(third), JOB_QUEUED);
    job_stop(second); /* leaves the queue at once */
    job_join(second);
    cr_assert_eq(job_state(second), JOB_STOPPED);
    cr_assert_str_eq(job_message(second), "before its turn came");
    cr_assert_eq(job_state(third), JOB_QUEUED);
    job_stop(first);
    job_join(third);
    cr_assert_eq(job_state(first), JOB_STOPPED);
    cr_assert_eq(job_state(third), JOB_DONE);
    job_free(first);
    cr_assert_eq(job_count(), 2);
    cr_assert_eq(job_at(0), second);
    job_free(third);
    job_free(second);
    cr_assert_eq(job_count(), 0);
    net_free(a);
    net_free(b);
    net_free(c);
    dataset_free(data);
}

Test(job, a_snapshot_is_a_whole_net_of_some_step) {
    struct error error = {0};
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, LONG, 2);
    wait_for(job, JOB_RUNNING);
    double last = NAN;
    int changes = 0;
    for (int i = 0; i < 2000 && changes < 6; i++) {
        struct net *copy = job_snapshot(job, PRECISION_F64, &error);
        cr_assert_not_null(copy, "%s", error.text);
        cr_assert_eq(copy->kernels->precision, PRECISION_F64);
        struct evaluation result;
        cr_assert(evaluate(copy, &data->valid, 0, 0, NULL, NULL, NULL, &result, NULL, &error));
        cr_assert(result.finite);
        changes += result.loss < last || result.loss > last;
        last = result.loss;
        net_free(copy);
    }
    cr_assert_eq(changes, 6);
    job_stop(job);
    job_join(job);
    struct net *copy = job_snapshot(job, PRECISION_F32, &error);
    cr_assert_eq(
        memcmp(copy->values, net->values, (size_t)net->value_len * net->kernels->real_size), 0);
    net_free(copy);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, a_resumed_run_ends_in_the_same_bytes_as_one_that_was_never_interrupted) {
    static const char *const optimizers[] = {
        "{\"kind\":\"sgd\",\"lr\":0.05,\"momentum\":0.9,\"nesterov\":true}", "{\"kind\":\"adam\"}",
        "{\"kind\":\"lbfgs\",\"history\":4},\"schemes\":[\"euler\",\"midpoint\"]",
        "{\"kind\":\"sgd\",\"lr\":0.05},\"control\":{\"rule\":\"distance\",\"every\":3,"
        "\"threshold\":0.02,\"most\":9}"};
    struct dataset *data = setup_images();
    for (int i = 0; i < 4; i++) {
        char json[1024], resume[1200], path[512] = "";
        (void)snprintf(json, sizeof json,
                       "{\"epochs\":6,\"batch\":30,\"probe\":false,\"optimizer\":%s,\"augment\":{"
                       "\"crop\":1,\"flip\":true},\"schedule\":{\"kind\":\"one_cycle\"}",
                       optimizers[i]);
        size_t len = strlen(json);
        (void)snprintf(json + len, sizeof json - len, "}");
        struct net *whole = setup_net(SETUP_IMAGE_NET), *rest = setup_net(SETUP_IMAGE_NET);
        struct job *job = start(whole, data, json, 2);
        job_join(job);
        cr_assert_eq(job_state(job), JOB_DONE, "%s", job_message(job));
        /* Epochs of four steps: checkpoints of steps 16, 20 and 24 are kept. */
        cr_assert_not(exists(job, "checkpoints/000012.safetensors"));
        cr_assert_not(exists(job, "checkpoints/000012.state.safetensors"));
        (void)snprintf(path, sizeof path, "%s/checkpoints/000016.safetensors", job_path(job));
        (void)snprintf(resume, sizeof resume, "%.*s,\"resume\":\"%s\"}", (int)len, json, path);
        struct job *again = start(rest, data, resume, 1);
        job_join(again);
        cr_assert_eq(job_state(again), JOB_DONE, "%s", job_message(again));
        cr_assert_eq(memcmp(whole->values, rest->values,
                            (size_t)whole->value_len * whole->kernels->real_size),
                     0);
        struct series *series = read_run(again);
        cr_assert_eq(series->step_count, 8);
        if (i == 3) { /* before steps 19 and 22, where the whole run had 5 */
            struct series *former = read_run(job);
            cr_assert_eq(former->decision_count, 7);
            cr_assert_gt(former->control_count, 0);
            cr_assert_eq(series->decision_count, 2);
            for (int d = 0; d < 2; d++) {
                const struct series_decision *x = &former->decisions[5 + d],
                                             *y = &series->decisions[d];
                cr_assert_eq(y->step, 18 + 3 * d);
                cr_assert(x->from == y->from && x->to == y->to && x->value == y->value);
                cr_assert_neq(y->from, 2, "the number of steps was restored");
                cr_assert_str_eq(y->rule, "distance");
            }
            series_close(former);
        }
        cr_assert_float_eq(series->steps[0].step, 17, 0);
        series_close(series);
        /* The files, too, are equal byte for byte. */
        char command[2048];
        (void)snprintf(command, sizeof command,
                       "cmp -s '%s/checkpoints/final.safetensors' "
                       "'%s/checkpoints/final.safetensors' && "
                       "cmp -s '%s/checkpoints/000024.state.safetensors' "
                       "'%s/checkpoints/000024.state.safetensors'",
                       job_path(job), job_path(again), job_path(job), job_path(again));
        cr_assert_eq(system(command), 0);
        job_free(job);
        job_free(again);
        net_free(whole);
        net_free(rest);
    }
    dataset_free(data);
}

Test(job, divergence_ends_the_job_and_keeps_the_weights) {
    struct net *net = setup_net(SETUP_IMAGE_NET);
    struct dataset *data = setup_images();
    struct job *job = start(net, data,
                            "{\"epochs\":90,\"batch\":25,\"probe\":false,\"optimizer\":{\"kind\":"
                            "\"sgd\",\"lr\":1e30}}",
                            2);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_DIVERGED);
    cr_assert_not_null(strstr(job_message(job), "diverged at step"), "%s", job_message(job));
    struct series *series = read_run(job);
    cr_assert_str_eq(series->state, "diverged");
    series_close(series);
    const float *values = net->values;
    for (ptrdiff_t i = 0; i < net->value_len; i++) {
        cr_assert(isfinite(values[i]));
    }
    cr_assert(exists(job, "checkpoints/final.safetensors"));
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, a_limit_in_seconds_ends_it_in_time) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job =
        start(net, data, "{\"epochs\":100000,\"batch\":50,\"seconds\":0.4,\"probe\":false}", 1);
    job_join(job);
    cr_assert_eq(job_state(job), JOB_DONE);
    cr_assert_not_null(strstr(job_message(job), "0.4 seconds are over at step"), "%s",
                       job_message(job));
    cr_assert(job_seconds(job) > 0.39 && job_seconds(job) < 5);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, the_descriptor_wakes_who_waits) {
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, "{\"epochs\":5,\"batch\":50}", 1);
    while (!job_is_over(job)) {
        struct pollfd wait = {.fd = job_wake_fd(), .events = POLLIN};
        cr_assert_eq(poll(&wait, 1, 10000), 1, "no word from the job");
        uint64_t count;
        cr_assert_eq(read(job_wake_fd(), &count, sizeof count), (ssize_t)sizeof count);
    }
    job_free(job);
    net_free(net);
    dataset_free(data);
}

Test(job, steps_that_do_not_align_with_the_cells_are_said_not_refused) {
    struct net *net = setup_net("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"nodes\":4,"
                                "\"steps\":6}");
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, "{\"epochs\":0.1,\"probe\":false}", 1);
    job_join(job);
    struct series *series = read_run(job);
    bool said = false;
    for (ptrdiff_t i = 0; i < series->note_count; i++) {
        said = said || strstr(series->notes[i], "steps = 6 do not align with nodes = 4");
    }
    cr_assert(said);
    series_close(series);
    job_free(job);
    net_free(net);
    dataset_free(data);
}

static int entries(const char *path) {
    DIR *stream = opendir(path);
    cr_assert_not_null(stream);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(stream);
    return count;
}

Test(job, what_cannot_be_is_refused_before_anything_is_left_behind) {
    static const char *const bad[][2] = {
        {"{\"bacth\":3}", "nearest is \"batch\""},
        {"{\"prob\":{}}", "nearest is \"probe\""},
        {"{\"wombat\":1}", "unknown option \"wombat\""},
        {"{\"probe\":{\"schemes\":[\"rk5\"]}}", "rk4"},
        {"{\"probe\":{\"steps\":[0]}}", "whole number"},
        {"{\"seconds\":-1}", "seconds"},
        {"{\"name\":7}", "name"},
        {"{\"optimizer\":{\"kind\":\"adm\"}}", "nearest is \"adam\""},
        {"{\"runs\":\"/proc/continuo\"}", "give runs = a folder you may write to"},
        {"{\"runs\":\"/dev/null/x\"}", "/dev/null"},
        {"{\"resume\":\"/nowhere/000001.safetensors\"}", "/nowhere"},
        {"{\"resume\":\"000001\"}", "not a checkpoint"},
    };
    struct net *net = setup_net(SETUP_MLP);
    struct dataset *data = setup_data(SETUP_RINGS), *images = setup_images();
    size_t size = (size_t)net->value_len * net->kernels->real_size;
    void *before = malloc(size);
    memcpy(before, net->values, size);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        cr_assert_null(start_in(net, data, bad[i][0], 1, &error), "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.text, bad[i][1]), "%s: \"%s\" lacks \"%s\"", bad[i][0],
                           error.text, bad[i][1]);
        cr_assert_null(strchr(error.text, '\n'));
    }
    struct error error = {0};
    cr_assert_null(start_in(net, images, "{}", 1, &error));
    cr_assert_not_null(strstr(error.text, "12 x 12"), "%s", error.text);
    cr_assert_eq(job_count(), 0);
    cr_assert_eq(entries(folder), 0);
    cr_assert_eq(memcmp(before, net->values, size), 0);
    free(before);
    net_free(net);
    dataset_free(data);
    dataset_free(images);
}

Test(job, a_checkpoint_of_another_training_is_refused) {
    struct net *net = setup_net(SETUP_MLP), *other = setup_net("{\"family\":\"mlp\",\"input\":[2],"
                                                               "\"outputs\":2,\"hidden\":9}");
    struct dataset *data = setup_data(SETUP_RINGS);
    struct job *job = start(net, data, "{\"epochs\":2,\"batch\":100,\"probe\":false}", 1);
    job_join(job);
    char path[700], json[1024];
    struct error error = {0};
    (void)snprintf(path, sizeof path, "%s/checkpoints/000014.safetensors", job_path(job));
    (void)snprintf(json, sizeof json, "{\"epochs\":1,\"batch\":100,\"resume\":\"%s\"}", path);
    cr_assert_null(start_in(net, data, json, 1, &error));
    cr_assert_not_null(strstr(error.text, "step 14 and this training has 7"), "%s", error.text);
    (void)snprintf(json, sizeof json,
                   "{\"epochs\":4,\"optimizer\":{\"kind\":\"adam\"},\"batch\":100,"
                   "\"resume\":\"%s\"}",
                   path);
    cr_assert_null(start_in(net, data, json, 1, &error));
    cr_assert_not_null(strstr(error.text, "\"sgd\""), "%s", error.text);
    (void)snprintf(json, sizeof json, "{\"epochs\":4,\"batch\":100,\"resume\":\"%s\"}", path);
    cr_assert_null(start_in(other, data, json, 1, &error));
    cr_assert(error.text[0]);
    /* The final file has no state beside it. */
    (void)snprintf(json, sizeof json,
                   "{\"epochs\":4,\"batch\":100,\"resume\":\"%s/checkpoints/final.safetensors\"}",
                   job_path(job));
    cr_assert_null(start_in(net, data, json, 1, &error));
    cr_assert_not_null(strstr(error.text, "final.state.safetensors"), "%s", error.text);
    job_free(job);
    net_free(net);
    net_free(other);
    dataset_free(data);
}
