#include "run/event_field.h"

#include <math.h>
#include <string.h>

double event_field_value(const cJSON *item) {
    if (cJSON_IsNumber(item)) {
        return item->valuedouble;
    }
    if (cJSON_IsString(item)) {
        const char *text = item->valuestring;
        if (strcmp(text, "inf") == 0) {
            return (double)INFINITY;
        }
        if (strcmp(text, "-inf") == 0) {
            return -(double)INFINITY;
        }
    }
    return (double)NAN;
}

double event_field_number(const cJSON *object, const char *key) {
    return event_field_value(cJSON_GetObjectItemCaseSensitive(object, key));
}

int event_field_count(const cJSON *object, const char *key) {
    double value = event_field_number(object, key);
    return value >= 0 && value <= 1e9 ? (int)value : 0;
}

const char *event_field_text(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}
