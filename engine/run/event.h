/* One event as one line of JSON, as docs/RUNS.md lists them: built field by field in a buffer of
 * fixed size, so that writing one allocates nothing and cannot fail. Texts that do not fit are
 * cut; the line stays whole JSON. */
#ifndef CONTINUO_RUN_EVENT_H
#define CONTINUO_RUN_EVENT_H

#include <stddef.h>

enum { EVENT_SIZE = 16384 };

struct event {
    size_t len; /* bytes of text, without the closing zero */
    char text[EVENT_SIZE];
};

void event_begin(struct event *event, const char *kind);
void event_number(struct event *event, const char *key, double value); /* %.9g, or "nan", "inf" */
void event_numbers(struct event *event, const char *key, const double *values, int count);
void event_text(struct event *event, const char *key, const char *value);
void event_flag(struct event *event, const char *key, int value); /* true or false */
/* A nested value, given as JSON text; asserts that it fits. */
void event_json(struct event *event, const char *key, const char *json);
void event_end(struct event *event); /* closes the object and the line */

#endif
