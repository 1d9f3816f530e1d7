#include "run/preamble.h"

#include <stdio.h>

#include "base/memory.h"
#include "depth/basis.h"
#include "run/machine.h"

static cJSON *copy_or_null(const cJSON *value) {
    return value ? cJSON_Duplicate(value, true) : cJSON_CreateNull();
}

/* Everything resolved: what would make the same run again. */
static bool write_config(struct job *job, struct error *error) {
    cJSON *config = cJSON_CreateObject();
    cJSON *train = copy_or_null(train_config(job->train));
    cJSON *own = option_write(job_options_table, job_options_count, &job->options);
    cJSON_DeleteItemFromObjectCaseSensitive(own, "name");
    cJSON_DeleteItemFromObjectCaseSensitive(own, "probe");
    cJSON_AddItemToObject(train, "probe", probe_config(&job->probe));
    cJSON_DeleteItemFromObjectCaseSensitive(own, "convergence");
    cJSON_AddItemToObject(train, "convergence", dynamics_config(job->dynamics));
    while (own && own->child) {
        cJSON *item = cJSON_DetachItemViaPointer(own, own->child);
        cJSON_AddItemToObject(train, item->string, item);
    }
    cJSON_Delete(own);
    cJSON_AddStringToObject(config, "name", job->options.name);
    cJSON_AddItemToObject(config, "net", copy_or_null(job->net->config));
    cJSON_AddItemToObject(config, "data", copy_or_null(job->data->config));
    cJSON_AddItemToObject(config, "train", train);
    bool good = record_json(job->record, "config.json", config, error);
    cJSON_Delete(config);
    return good;
}

static bool write_meta(struct job *job, struct error *error) {
    cJSON *meta = machine_facts();
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(train_config(job->train), "seed");
    cJSON_AddStringToObject(meta, "kernels", job->net->kernels->name);
    cJSON_AddNumberToObject(meta, "threads", pool_threads(job->pool));
    cJSON_AddItemToObject(meta, "seed", copy_or_null(seed));
    if (job->data->digest[0]) {
        cJSON_AddStringToObject(meta, "data_sha256", job->data->digest);
    }
    bool good = record_json(job->record, "meta.json", meta, error);
    cJSON_Delete(meta);
    return good;
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void write_start(struct job *job) {
    const cJSON *config = train_config(job->train);
    struct event event;
    char json[1024];
    event_begin(&event, "start");
    event_number(&event, "steps", (double)train_steps(job->train));
    event_number(&event, "epochs", number_of(config, "epochs"));
    event_number(&event, "batch", number_of(config, "batch"));
    event_number(&event, "parameters", (double)job->net->trainable_len);
    event_text(&event, "memory", memory_names[train_memory(job->train)]);
    event_number(&event, "bytes", (double)train_bytes(job->train));
    if (net_ode_count(job->net) > 0) {
        struct manifestation how = net_trained(job->net);
        (void)snprintf(json, sizeof json, "{\"scheme\":\"%s\",\"steps\":%d}", how.scheme->name,
                       how.steps);
        event_json(&event, "trained", json);
        event_number(&event, "nodes", net_ode_nodes(job->net, 0));
    }
    if (job->probe.cell_count > 0) {
        const struct probe *probe = &job->probe;
        int len = snprintf(json, sizeof json, "{\"schemes\":[");
        for (int i = 0; i < probe->scheme_count; i++) {
            len += snprintf(json + len, sizeof json - (size_t)len, "%s\"%.31s\"", i ? "," : "",
                            probe->schemes[i]->name);
        }
        len += snprintf(json + len, sizeof json - (size_t)len, "],\"steps\":[");
        for (int i = 0; i < probe->step_count; i++) {
            len += snprintf(json + len, sizeof json - (size_t)len, "%s%d", i ? "," : "",
                            probe->steps[i]);
        }
        (void)snprintf(json + len, sizeof json - (size_t)len, "],\"count\":%td}", probe->samples);
        event_json(&event, "probe", json);
    }
    event_end(&event);
    (void)record_event(job->record, &event, true);
    char bytes[MEMORY_TEXT_SIZE];
    (void)snprintf(json, sizeof json, "memory: %s, %s", memory_names[train_memory(job->train)],
                   memory_text(bytes, (double)train_bytes(job->train)));
    record_log(job->record, 0, json);
}

/* Says what is allowed but seldom meant: steps that do not end at the borders of the cells. */
static void write_warning(struct job *job) {
    if (net_ode_count(job->net) == 0) {
        return;
    }
    struct manifestation how = net_trained(job->net);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(job->net->config, "basis");
    const struct basis *basis = cJSON_IsString(name) ? basis_find(name->valuestring, NULL) : NULL;
    int nodes = net_ode_nodes(job->net, 0);
    if (basis && !basis_aligned(basis, nodes, how.steps)) {
        struct event event;
        char text[200];
        (void)snprintf(text, sizeof text,
                       "steps = %d do not align with nodes = %d: steps cross the borders of cells "
                       "and the scheme loses its order",
                       how.steps, nodes);
        event_begin(&event, "note");
        event_number(&event, "seconds", 0);
        event_text(&event, "text", text);
        event_end(&event);
        (void)record_event(job->record, &event, true);
        record_log(job->record, 0, text);
    }
}

bool preamble_files(struct job *job, struct error *error) {
    return write_config(job, error) && write_meta(job, error);
}

void preamble_events(struct job *job) {
    write_start(job);
    write_warning(job);
}
