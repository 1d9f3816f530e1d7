#include "run/record.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/aside.h"
#include "base/clock.h"

struct record {
    char path[RECORD_PATH_SIZE], name[RECORD_NAME_SIZE], id[8];
    pthread_mutex_t mutex; /* over all below */
    FILE *metrics, *log;
    double flushed; /* when metrics was flushed last */
    char trouble[sizeof((struct error *)0)->text];
};

static const double flush_seconds = 0.2;

/* Makes a folder and its parents; one that exists is fine. */
static bool make_folders(const char *path, struct error *error) {
    char part[RECORD_PATH_SIZE];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part - 160) {
        return error_set(error, ERROR_VALUE,
                         "the path of the runs folder has %zu bytes; it must have 1 to %zu", len,
                         sizeof part - 161);
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        struct stat status;
        bool is_folder = stat(part, &status) == 0 && S_ISDIR(status.st_mode);
        if (!is_folder && mkdir(part, 0777) != 0 && errno != EEXIST) {
            return error_set(error, ERROR_FILE,
                             "the runs folder \"%.200s\" cannot be made: %s; give runs = a folder "
                             "you may write to",
                             path, strerror(errno));
        }
    }
    return true;
}

static void folder_name(const char *name, char out[RECORD_NAME_SIZE]) {
    size_t len = 0;
    for (; name[len] && len < RECORD_NAME_SIZE - 1; len++) {
        unsigned char c = (unsigned char)name[len];
        bool plain = c < 0x80 && (isalnum(c) || c == '_' || (c == '.' && len > 0));
        out[len] = plain ? (char)c : '-';
    }
    out[len] = '\0';
}

static void draw_id(char id[8]) {
    unsigned char bytes[2] = {0, 0};
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        bytes[0] = (unsigned char)(now.tv_nsec >> 8);
        bytes[1] = (unsigned char)(now.tv_nsec >> 16);
    }
    (void)snprintf(id, 8, "%02x%02x", bytes[0], bytes[1]);
}

static bool make_run_folder(struct record *record, const char *runs, struct error *error) {
    char name[RECORD_NAME_SIZE], stamp[32];
    folder_name(record->name, name);
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H%M%S", &local);
    /* An id that is taken in this second is drawn again; sixteen bits leave room for that. */
    for (int attempt = 0; attempt < 64; attempt++) {
        draw_id(record->id);
        (void)snprintf(record->path, sizeof record->path, "%s/%s-%s-%s", runs, stamp, name,
                       record->id);
        if (mkdir(record->path, 0777) == 0) {
            return true;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    int reason = errno;
    record->path[0] = '\0';
    return error_set(error, ERROR_FILE,
                     "no run folder can be made in \"%.200s\": %s; give runs = a folder you may "
                     "write to",
                     runs, strerror(reason));
}

/* Opens a file of the folder to be appended to. */
static FILE *open_file(const struct record *record, const char *file, struct error *error) {
    char path[RECORD_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", record->path, file);
    FILE *stream = fopen(path, "ae");
    if (!stream) {
        error_set(error, ERROR_FILE, "\"%.300s\" cannot be written: %s", path, strerror(errno));
    }
    return stream;
}

struct record *record_create(const char *runs, const char *name, struct error *error) {
    struct record *record = calloc(1, sizeof *record);
    if (!record) {
        error_set(error, ERROR_MEMORY, "no memory for a run folder");
        return NULL;
    }
    pthread_mutex_init(&record->mutex, NULL);
    if (!name[0] || strlen(name) >= sizeof record->name) {
        error_set(error, ERROR_VALUE, "the name of a run has %zu bytes; it must have 1 to %d",
                  strlen(name), RECORD_NAME_SIZE - 1);
        goto fail;
    }
    memcpy(record->name, name, strlen(name) + 1);
    if (!make_folders(runs, error) || !make_run_folder(record, runs, error)) {
        goto fail;
    }
    char checkpoints[RECORD_PATH_SIZE + 64];
    (void)snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", record->path);
    if (mkdir(checkpoints, 0777) != 0) {
        error_set(error, ERROR_FILE, "\"%.300s\" cannot be made: %s", checkpoints, strerror(errno));
        goto fail;
    }
    record->metrics = open_file(record, "metrics.jsonl", error);
    record->log = record->metrics ? open_file(record, "log.txt", error) : NULL;
    if (!record->log) {
        goto fail;
    }
    record->flushed = clock_seconds();
    return record;
fail:
    record_discard(record);
    return NULL;
}

void record_free(struct record *record) {
    if (!record) {
        return;
    }
    if (record->metrics) {
        (void)fclose(record->metrics);
    }
    if (record->log) {
        (void)fclose(record->log);
    }
    pthread_mutex_destroy(&record->mutex);
    free(record);
}

void record_discard(struct record *record) {
    static const char *const files[] = {"metrics.jsonl", "log.txt",      "config.json",
                                        "meta.json",     "commands.lua", "checkpoints"};
    if (record && record->path[0]) {
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            char path[RECORD_PATH_SIZE + 64];
            (void)snprintf(path, sizeof path, "%s/%s", record->path, files[i]);
            (void)remove(path);
        }
        (void)rmdir(record->path);
    }
    record_free(record);
}

const char *record_path(const struct record *record) {
    return record->path;
}

const char *record_name(const struct record *record) {
    return record->name;
}

const char *record_id(const struct record *record) {
    return record->id;
}

bool record_text(struct record *record, const char *file, const char *text, struct error *error) {
    char path[RECORD_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", record->path, file);
    struct aside aside;
    if (!aside_open(&aside, path, error)) {
        return false;
    }
    (void)fputs(text, aside.stream);
    size_t len = strlen(text);
    if (len == 0 || text[len - 1] != '\n') {
        (void)fputc('\n', aside.stream);
    }
    return aside_commit(&aside, error);
}

bool record_json(struct record *record, const char *file, const cJSON *value, struct error *error) {
    char *text = cJSON_Print(value);
    if (!text) {
        return error_set(error, ERROR_MEMORY, "no memory to write %s", file);
    }
    bool good = record_text(record, file, text, error);
    cJSON_free(text);
    return good;
}

/* Remembers the first failure; called with the mutex held. */
static void check(struct record *record, FILE *stream, const char *file) {
    if (ferror(stream) && !record->trouble[0]) {
        (void)snprintf(record->trouble, sizeof record->trouble,
                       "\"%.200s/%s\" cannot be written any more: %s; training goes on unseen",
                       record->path, file, strerror(errno));
    }
}

bool record_event(struct record *record, const struct event *event, bool now) {
    pthread_mutex_lock(&record->mutex);
    (void)fwrite(event->text, 1, event->len, record->metrics);
    double time = clock_seconds();
    bool flush = now || time - record->flushed >= flush_seconds;
    if (flush) {
        (void)fflush(record->metrics);
        record->flushed = time;
    }
    check(record, record->metrics, "metrics.jsonl");
    pthread_mutex_unlock(&record->mutex);
    return flush;
}

void record_flush(struct record *record) {
    pthread_mutex_lock(&record->mutex);
    (void)fflush(record->metrics);
    record->flushed = clock_seconds();
    check(record, record->metrics, "metrics.jsonl");
    pthread_mutex_unlock(&record->mutex);
}

void record_log(struct record *record, double seconds, const char *text) {
    pthread_mutex_lock(&record->mutex);
    (void)fprintf(record->log, "%9.1f  %s\n", seconds, text);
    (void)fflush(record->log);
    check(record, record->log, "log.txt");
    pthread_mutex_unlock(&record->mutex);
}

void record_trouble(struct record *record, char *text, size_t size) {
    assert(size > 0);
    pthread_mutex_lock(&record->mutex);
    (void)snprintf(text, size, "%s", record->trouble);
    pthread_mutex_unlock(&record->mutex);
}
