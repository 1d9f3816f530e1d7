#include "run/series.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "run/event_field.h"

/* Invariant: bytes [0, length) of buffer are the file's bytes right before `offset`, and hold no
 * newline: they are the torn last line, completed by a later read. */
struct series_tail {
    int fd; /* -1 until metrics.jsonl exists */
    off_t offset;
    char *buffer;
    size_t length, capacity;
    bool skipping; /* inside a line too long to be an event */
};

enum { LINE_MAX_BYTES = 1 << 20, READ_BYTES = 1 << 16, JSON_FILE_MAX_BYTES = 16 << 20 };

/* Makes room for one element more than count; capacities are 16, 32, 64, ... The application ends
 * when a few megabytes of records find no memory. */
static void *grow(void *array, ptrdiff_t count, size_t size) {
    bool is_full = count == 0 || (count >= 16 && (count & (count - 1)) == 0);
    if (!is_full) {
        return array;
    }
    void *larger = realloc(array, (count == 0 ? 16 : (size_t)count * 2) * size);
    if (!larger) {
        abort();
    }
    return larger;
}

/* Copies text up to size - 1 bytes, not cutting inside a UTF-8 sequence, control bytes as blanks:
 * a run folder is foreign text that ends on a terminal. */
static void copy_text(char *target, size_t size, const char *text) {
    size_t length = strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        target[i] = byte < 0x20 || byte == 0x7f ? ' ' : text[i];
    }
    target[length] = 0;
}

static int scheme_index(struct series *series, const char *name) {
    for (int i = 0; i < series->scheme_count; i++) {
        if (strcmp(series->schemes[i], name) == 0) {
            return i;
        }
    }
    int most = (int)(sizeof series->schemes / sizeof series->schemes[0]);
    if (name[0] == 0 || series->scheme_count == most) {
        return -1;
    }
    copy_text(series->schemes[series->scheme_count], sizeof series->schemes[0], name);
    return series->scheme_count++;
}

static void add_note(struct series *series, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_note(struct series *series, const char *format, ...) {
    char line[600];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    series->notes = grow(series->notes, series->note_count, sizeof series->notes[0]);
    copy_text(series->notes[series->note_count], sizeof series->notes[0], line);
    series->note_count++;
}

static void tell_waiting(struct series *series) {
    if (series->eval_waiting[0]) {
        add_note(series, "%s", series->eval_waiting);
        series->eval_waiting[0] = 0;
    }
}

/* "  35.1 s  " or, where the event has no time, blanks of the same width. */
static const char *when(const cJSON *event, char text[24]) {
    double seconds = event_field_number(event, "seconds");
    if (isfinite(seconds)) {
        (void)snprintf(text, 24, "%7.1f s  ", seconds);
    } else {
        (void)snprintf(text, 24, "%11s", "");
    }
    return text;
}

static bool read_start(struct series *series, const cJSON *event) {
    series->steps_total = event_field_number(event, "steps");
    series->epochs_total = event_field_number(event, "epochs");
    series->parameters = event_field_number(event, "parameters");
    series->nodes = event_field_count(event, "nodes");
    const char *memory = event_field_text(event, "memory");
    if (memory[0]) {
        char bytes[MEMORY_TEXT_SIZE];
        add_note(series, "%11smemory: %s, %s", "", memory,
                 memory_text(bytes, event_field_number(event, "bytes")));
    }
    const cJSON *trained = cJSON_GetObjectItemCaseSensitive(event, "trained");
    copy_text(series->trained_scheme, sizeof series->trained_scheme,
              event_field_text(trained, "scheme"));
    series->trained_steps = series->trained_first = event_field_count(trained, "steps");
    const cJSON *probe = cJSON_GetObjectItemCaseSensitive(event, "probe");
    const cJSON *item = NULL;
    series->probe_scheme_count = 0;
    series->probe_step_count = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(probe, "schemes")) {
        int index = cJSON_IsString(item) ? scheme_index(series, item->valuestring) : -1;
        if (index >= 0 && series->probe_scheme_count < 8) {
            series->probe_schemes[series->probe_scheme_count++] = index;
        }
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(probe, "steps")) {
        double value = event_field_value(item);
        if (value >= 1 && value <= 1e6 && series->probe_step_count < 16) {
            int place = series->probe_step_count++;
            while (place > 0 && series->probe_steps[place - 1] > (int)value) {
                series->probe_steps[place] = series->probe_steps[place - 1];
                place--;
            }
            series->probe_steps[place] = (int)value;
        }
    }
    double count = event_field_number(probe, "count");
    series->probe_images = isfinite(count) ? count : 0;
    return true;
}

/* The losses of the step that comes next; how many there are is what the first step says. */
static void read_losses(struct series *series, const cJSON *losses) {
    enum { LOSSES_MOST = 64 };
    if (series->step_count == 0) {
        const int count = cJSON_GetArraySize(losses);
        series->loss_count = count <= LOSSES_MOST ? count : LOSSES_MOST;
    }
    const size_t size = sizeof series->losses[0] * (size_t)series->loss_count;
    if (size > 0) {
        series->losses = grow(series->losses, series->step_count, size);
    }
    for (int i = 0; i < series->loss_count; i++) {
        series->losses[series->step_count * series->loss_count + i] =
            event_field_value(cJSON_GetArrayItem(losses, i));
    }
}

static bool read_step(struct series *series, const cJSON *event) {
    struct series_step step = {
        .step = event_field_number(event, "step"),
        .epoch = event_field_number(event, "epoch"),
        .seconds = event_field_number(event, "seconds"),
        .loss = event_field_number(event, "loss"),
        .rate = event_field_number(event, "rate"),
        .grad_norm = event_field_number(event, "grad_norm"),
        .images_per_second = event_field_number(event, "images_per_second"),
        .evaluations = event_field_number(event, "evaluations"),
    };
    if (!isfinite(step.step)) {
        return false;
    }
    read_losses(series, cJSON_GetObjectItemCaseSensitive(event, "losses"));
    series->steps = grow(series->steps, series->step_count, sizeof step);
    series->steps[series->step_count++] = step;
    series->nonfinite += !isfinite(step.loss);
    return true;
}

/* Small epochs end many times a second: of their evaluations one in a second is told, and the last
 * one, which waits for what is told next of the run's state. */
static void tell_eval(struct series *series, const cJSON *event, const struct series_eval *eval) {
    enum { APART_SECONDS = 1 };
    char time[24], accuracy[40] = "";
    if (isfinite(eval->accuracy)) {
        (void)snprintf(accuracy, sizeof accuracy, "  accuracy %.2f %%", 100 * eval->accuracy);
    }
    (void)snprintf(series->eval_waiting, sizeof series->eval_waiting,
                   accuracy[0] ? "%s%s  epoch %.3g  loss %.4f%s of %.0f"
                               : "%s%s  epoch %.3g  loss %.4g%s of %.0f",
                   when(event, time), event_field_text(event, "part"), eval->epoch, eval->loss,
                   accuracy, eval->count);
    if (!(eval->seconds - series->eval_told < APART_SECONDS)) {
        tell_waiting(series);
        series->eval_told = eval->seconds;
    }
}

static bool read_eval(struct series *series, const cJSON *event) {
    struct series_eval eval = {
        .step = event_field_number(event, "step"),
        .epoch = event_field_number(event, "epoch"),
        .seconds = event_field_number(event, "seconds"),
        .loss = event_field_number(event, "loss"),
        .accuracy = event_field_number(event, "accuracy"),
        .count = event_field_number(event, "count"),
        .valid = strcmp(event_field_text(event, "part"), "valid") == 0,
    };
    if (!isfinite(eval.step)) {
        return false;
    }
    series->evals = grow(series->evals, series->eval_count, sizeof eval);
    series->evals[series->eval_count++] = eval;
    tell_eval(series, event, &eval);
    return true;
}

static bool read_probe(struct series *series, const cJSON *event, bool sweep) {
    struct series_probe probe = {
        .step = event_field_number(event, "step"),
        .epoch = event_field_number(event, "epoch"),
        .seconds = event_field_number(event, "seconds"),
        .loss = event_field_number(event, "loss"),
        .accuracy = event_field_number(event, "accuracy"),
        .count = event_field_number(event, "count"),
        .scheme = scheme_index(series, event_field_text(event, "scheme")),
        .steps = event_field_count(event, "steps"),
    };
    if (probe.scheme < 0 || probe.steps < 1 || (!sweep && !isfinite(probe.step))) {
        return false;
    }
    if (sweep) {
        series->sweeps = grow(series->sweeps, series->sweep_count, sizeof probe);
        series->sweeps[series->sweep_count++] = probe;
    } else {
        series->probes = grow(series->probes, series->probe_count, sizeof probe);
        series->probes[series->probe_count++] = probe;
    }
    return true;
}

/* The latest drawing is kept, and of every one how far the limit lies from the trained point. */
static bool read_convergence(struct series *series, const cJSON *event) {
    struct series_convergence *latest = malloc(sizeof *latest);
    if (!latest) {
        abort();
    }
    if (!series_convergence_read(latest, event)) {
        free(latest);
        return false;
    }
    const char *former = series->convergence ? series->convergence->verdict : "";
    double ratio = series_convergence_ratio(latest);
    if (strcmp(former, latest->verdict) != 0) {
        char time[24], why[80] = "";
        if (isfinite(ratio)) {
            (void)snprintf(why, sizeof why, ": the error as h -> 0 is %.3g times that at dt",
                           ratio);
        }
        add_note(series, "%sconvergence %s%s", when(event, time), latest->verdict, why);
    }
    series->ratios = grow(series->ratios, series->ratio_count, sizeof *series->ratios);
    series->ratios[series->ratio_count++] = (struct series_ratio){
        latest->step, latest->epoch, event_field_number(event, "seconds"), ratio};
    free(series->convergence);
    series->convergence = latest;
    return true;
}

/* Decisions to stay are in the file for who looks for them; what is told is what was changed. */
static bool read_control(struct series *series, const cJSON *event) {
    struct series_control control = {
        .step = event_field_number(event, "step"),
        .epoch = event_field_number(event, "epoch"),
        .from = event_field_count(event, "from"),
        .to = event_field_count(event, "to"),
    };
    if (!isfinite(control.step) || control.from < 1 || control.to < 1) {
        return false;
    }
    struct series_decision decision = {.step = control.step,
                                       .epoch = control.epoch,
                                       .value = event_field_number(event, "value"),
                                       .threshold = event_field_number(event, "threshold"),
                                       .from = control.from,
                                       .to = control.to};
    copy_text(decision.rule, sizeof decision.rule, event_field_text(event, "rule"));
    copy_text(decision.text, sizeof decision.text, event_field_text(event, "text"));
    series->decisions = grow(series->decisions, series->decision_count, sizeof decision);
    series->decisions[series->decision_count++] = decision;
    if (control.from == control.to) {
        return true;
    }
    series->controls = grow(series->controls, series->control_count, sizeof control);
    series->controls[series->control_count++] = control;
    series->trained_steps = control.to;
    char time[24];
    const char *text = event_field_text(event, "text");
    add_note(series, "%sstep %.0f  N %d -> %d%s%s", when(event, time), control.step, control.from,
             control.to, text[0] ? ": " : "", text);
    return true;
}

static bool read_state(struct series *series, const cJSON *event) {
    const char *state = event_field_text(event, "state");
    if (!state[0]) {
        return false;
    }
    tell_waiting(series);
    copy_text(series->state, sizeof series->state, state);
    copy_text(series->text, sizeof series->text, event_field_text(event, "text"));
    char time[24];
    add_note(series, "%s%s%s%s", when(event, time), series->state, series->text[0] ? ": " : "",
             series->text);
    return true;
}

/* Small epochs end many times a second: of their checkpoints one in ten seconds is told. */
static bool read_checkpoint(struct series *series, const cJSON *event) {
    enum { APART_SECONDS = 10 };
    const char *path = event_field_text(event, "path");
    double now = series->step_count ? series->steps[series->step_count - 1].seconds : 0;
    bool is_final = strstr(path, "final") != NULL;
    if (is_final || !(now - series->checkpoint_told < APART_SECONDS)) {
        char time[24];
        add_note(series, "%scheckpoint %s", when(event, time), path);
        series->checkpoint_told = now;
    }
    return true;
}

static bool read_event(struct series *series, const cJSON *event) {
    char time[24];
    const char *kind = event_field_text(event, "kind");
    if (strcmp(kind, "step") == 0) {
        return read_step(series, event);
    }
    if (strcmp(kind, "start") == 0) {
        return read_start(series, event);
    }
    if (strcmp(kind, "eval") == 0) {
        return read_eval(series, event);
    }
    if (strcmp(kind, "probe") == 0 || strcmp(kind, "sweep") == 0) {
        return read_probe(series, event, kind[0] == 's');
    }
    if (strcmp(kind, "convergence") == 0) {
        return read_convergence(series, event);
    }
    if (strcmp(kind, "control") == 0) {
        return read_control(series, event);
    }
    if (strcmp(kind, "state") == 0) {
        return read_state(series, event);
    }
    if (strcmp(kind, "verdict") == 0) {
        series->verdict_pass = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(event, "pass"));
        copy_text(series->verdict, sizeof series->verdict, event_field_text(event, "text"));
        const char *word = series_verdict_is_named(series) ? ""
                           : series->verdict_pass          ? "PASS: "
                                                           : "FAIL: ";
        add_note(series, "%sverdict %s%s", when(event, time), word, series->verdict);
        return true;
    }
    if (strcmp(kind, "checkpoint") == 0) {
        return read_checkpoint(series, event);
    }
    if (strcmp(kind, "note") == 0) {
        add_note(series, "%s%s", when(event, time), event_field_text(event, "text"));
        return true;
    }
    return false;
}

static void read_line(struct series *series, const char *line, size_t length) {
    if (length == 0 || (length == 1 && line[0] == '\r')) {
        return;
    }
    cJSON *event = cJSON_ParseWithLength(line, length);
    if (!cJSON_IsObject(event) || !read_event(series, event)) {
        series->foreign++;
    }
    cJSON_Delete(event);
}

/* Cuts the buffer into lines and keeps the torn rest. */
static bool read_lines(struct series *series) {
    struct series_tail *tail = series->tail;
    size_t start = 0;
    bool any = false;
    for (;;) {
        char *end = memchr(tail->buffer + start, '\n', tail->length - start);
        if (!end) {
            break;
        }
        size_t length = (size_t)(end - tail->buffer) - start;
        if (tail->skipping) {
            series->foreign++;
            tail->skipping = false;
        } else {
            read_line(series, tail->buffer + start, length);
        }
        any = true;
        start += length + 1;
    }
    tail->length -= start;
    memmove(tail->buffer, tail->buffer + start, tail->length);
    if (tail->length > LINE_MAX_BYTES) {
        tail->length = 0;
        tail->skipping = true;
    }
    return any;
}

/* The JSON object in folder/name, NULL when it is missing, too large, or not (yet) whole. */
static cJSON *read_object(const char *folder, const char *name) {
    char path[640];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    cJSON *object = NULL;
    struct stat status;
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= JSON_FILE_MAX_BYTES) {
        size_t size = (size_t)status.st_size;
        char *text = malloc(size);
        if (text && fread(text, 1, size, file) == size) {
            object = cJSON_ParseWithLength(text, size);
        }
        free(text);
    }
    (void)fclose(file);
    if (object && !cJSON_IsObject(object)) {
        cJSON_Delete(object);
        object = NULL;
    }
    return object;
}

static void read_objects(struct series *series) {
    if (!series->config) {
        series->config = read_object(series->path, "config.json");
        const char *name = event_field_text(series->config, "name");
        if (name[0]) {
            copy_text(series->name, sizeof series->name, name);
        }
    }
    if (!series->meta) {
        series->meta = read_object(series->path, "meta.json");
    }
}

struct series *series_open(const char *path, struct error *error) {
    struct stat status;
    if (strlen(path) >= sizeof((struct series *)0)->path) {
        error_set(error, ERROR_VALUE,
                  "the path of the run folder \"%.60s...\" is longer than 511 "
                  "bytes; move the runs to a shorter place",
                  path);
        return NULL;
    }
    if (stat(path, &status) != 0) {
        error_set(error, ERROR_FILE, "the run folder \"%s\" cannot be opened: %s", path,
                  strerror(errno));
        return NULL;
    }
    if (!S_ISDIR(status.st_mode) || !series_is_run(path)) {
        error_set(error, ERROR_FORMAT,
                  "\"%s\" is not a run folder: it has neither config.json nor "
                  "metrics.jsonl",
                  path);
        return NULL;
    }
    struct series *series = calloc(1, sizeof *series);
    struct series_tail *tail = calloc(1, sizeof *tail);
    char *buffer = malloc(READ_BYTES);
    if (!series || !tail || !buffer) {
        free(series);
        free(tail);
        free(buffer);
        error_set(error, ERROR_MEMORY, "there is no memory to open the run folder \"%s\"", path);
        return NULL;
    }
    *tail = (struct series_tail){.fd = -1, .buffer = buffer, .capacity = READ_BYTES};
    series->tail = tail;
    series->steps_total = series->epochs_total = series->parameters = (double)NAN;
    series->checkpoint_told = series->eval_told = -(double)INFINITY;
    (void)snprintf(series->path, sizeof series->path, "%s", path);
    size_t length = strlen(series->path);
    while (length > 1 && series->path[length - 1] == '/') {
        series->path[--length] = 0;
    }
    char name[sizeof series->name];
    series_split(series->path, name, sizeof name, series->id, sizeof series->id);
    copy_text(series->name, sizeof series->name, name);
    (void)snprintf(series->state, sizeof series->state, "queued");
    (void)series_update(series);
    return series;
}

bool series_update(struct series *series) {
    struct series_tail *tail = series->tail;
    read_objects(series);
    if (tail->fd < 0) {
        char path[640];
        (void)snprintf(path, sizeof path, "%s/metrics.jsonl", series->path);
        tail->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (tail->fd < 0) {
            return false;
        }
    }
    bool any = false;
    for (;;) {
        if (tail->capacity - tail->length < READ_BYTES) {
            tail->capacity = tail->length + 2 * (size_t)READ_BYTES;
            tail->buffer = realloc(tail->buffer, tail->capacity);
            if (!tail->buffer) {
                abort();
            }
        }
        ssize_t count = pread(tail->fd, tail->buffer + tail->length, READ_BYTES, tail->offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return any;
        }
        tail->offset += count;
        tail->length += (size_t)count;
        any |= read_lines(series);
    }
}

void series_close(struct series *series) {
    if (!series) {
        return;
    }
    if (series->tail->fd >= 0) {
        (void)close(series->tail->fd);
    }
    free(series->tail->buffer);
    free(series->tail);
    cJSON_Delete(series->config);
    cJSON_Delete(series->meta);
    free(series->steps);
    free(series->losses);
    free(series->decisions);
    free(series->evals);
    free(series->probes);
    free(series->sweeps);
    free(series->convergence);
    free(series->ratios);
    free(series->controls);
    free(series->notes);
    free(series);
}

int series_steps_at(const struct series *series, double step) {
    ptrdiff_t low = 0, high = series->control_count; /* the first decision made at step or behind */
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if (series->controls[middle].step < step) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? series->controls[low - 1].to : series->trained_first;
}

bool series_verdict_is_named(const struct series *series) {
    return strncmp(series->verdict, "PASS", 4) == 0 || strncmp(series->verdict, "FAIL", 4) == 0 ||
           strncmp(series->verdict, "OPEN", 4) == 0;
}

bool series_is_over(const struct series *series) {
    static const char *const over[] = {"done", "stopped", "failed", "diverged"};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        if (strcmp(series->state, over[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool series_is_lost(const struct series *series) {
    if (series_is_over(series)) {
        return false;
    }
    char host[256] = "";
    double pid = event_field_number(series->meta, "pid");
    if (gethostname(host, sizeof host - 1) != 0 ||
        strcmp(host, event_field_text(series->meta, "host")) != 0 || !(pid >= 1 && pid <= 1e9)) {
        return false;
    }
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}
