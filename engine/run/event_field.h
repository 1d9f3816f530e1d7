/* The fields of an event that was read: event.h writes them. */
#ifndef CONTINUO_RUN_EVENT_FIELD_H
#define CONTINUO_RUN_EVENT_FIELD_H

#include <cjson/cJSON.h>

/* A number, or one of the texts "inf" and "-inf"; nan for anything else, and for NULL. */
double event_field_value(const cJSON *item);
double event_field_number(const cJSON *object, const char *key);
/* The number under key as a small count; 0 when it is none. */
int event_field_count(const cJSON *object, const char *key);
/* The text under key, as long as the object lives; "" when it is none. */
const char *event_field_text(const cJSON *object, const char *key);

#endif
