/* A run folder that is being written (docs/RUNS.md): who reads it reads it from the disk. All
 * functions on a record may be called from several threads. */
#ifndef CONTINUO_RUN_RECORD_H
#define CONTINUO_RUN_RECORD_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/error.h"
#include "run/event.h"

enum { RECORD_PATH_SIZE = 512, RECORD_NAME_SIZE = 64 };

struct record;

/* Makes runs/<time>-<name>-<id>/ with its empty files; `runs` and its parents are made when they
 * are missing. In the folder's name, what is not a letter, a digit, '.' or '_' becomes '-'. NULL
 * with *error set when the folder cannot be made or written; nothing half-made is left. */
struct record *record_create(const char *runs, const char *name, struct error *error);
void record_free(struct record *record); /* flushes and closes; the folder stays */

/* Frees a record whose run will not take place, and removes its folder. */
void record_discard(struct record *record);

const char *record_path(const struct record *record); /* runs/<time>-<name>-<id> */
const char *record_name(const struct record *record); /* as it was given */
const char *record_id(const struct record *record);   /* four hexadecimal digits */

/* Writes a whole file of the folder: JSON indented, or text as it is. */
bool record_json(struct record *record, const char *file, const cJSON *value, struct error *error);
bool record_text(struct record *record, const char *file, const char *text, struct error *error);

/* Appends an event to metrics.jsonl. It reaches the file at once when `now`, else within 0.2 s of
 * the last flush, at the first event behind that. Returns whether the file was flushed. */
bool record_event(struct record *record, const struct event *event, bool now);

void record_flush(struct record *record); /* before a wait of unknown length */

/* Appends a line "   12.3  text" to log.txt. */
void record_log(struct record *record, double seconds, const char *text);

/* The first refusal of the disk to take events or log lines, as a sentence; "" when none. Copies
 * at most size bytes. */
void record_trouble(struct record *record, char *text, size_t size);

#endif
