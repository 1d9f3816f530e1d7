/* Reading, defaulting and writing options from one table. Every refusal is a sentence with the
 * call, the option, what was given and what would be accepted. */
#include "base/option.h"

#include <assert.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { NAME_MAX_LEN = 63, GIVEN_SIZE = TEXT_QUOTE_SIZE + 32 };

/* Doubles hold every integer up to here. */
static const double integer_most = 9007199254740992.0;

/* Optimal string alignment distance (insert, delete, replace, swap neighbours), letters compared
 * without case. Both lengths are at most NAME_MAX_LEN. */
static int edit_distance(const char *a, const char *b) {
    const int a_len = (int)strlen(a), b_len = (int)strlen(b);
    int row[3][NAME_MAX_LEN + 1];
    int *before = row[0], *last = row[1], *now = row[2];
    for (int j = 0; j <= b_len; j++) {
        last[j] = j;
    }
    for (int i = 1; i <= a_len; i++) {
        now[0] = i;
        const int ca = tolower((unsigned char)a[i - 1]);
        for (int j = 1; j <= b_len; j++) {
            const int cb = tolower((unsigned char)b[j - 1]);
            int best = last[j - 1] + (ca != cb);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
        int *const spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const char *option_nearest(const char *name, const char *const *names, int count) {
    const size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_LEN) {
        return NULL;
    }
    const int limit = len < 2 ? 0 : len < 5 ? 1 : len < 9 ? 2 : (int)(len / 3);
    const char *best = NULL;
    int best_distance = limit + 1;
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_MAX_LEN) {
            continue;
        }
        int distance = edit_distance(name, names[i]);
        /* A word begun ("optim") or drawn out is near however long the rest is. */
        const size_t other = strlen(names[i]);
        const size_t common = len < other ? len : other;
        if (distance > 1 && common >= 3 && strncmp(name, names[i], common) == 0) {
            distance = limit > 1 ? 2 : 1;
        }
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

static const struct option *find(const struct option *options, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool is_listed(const char *const *names, const char *name) {
    for (; names && *names; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

static void *field(const struct option *option, void *target) {
    return (char *)target + option->offset;
}

/* What was given, as part of a sentence. */
static const char *given(char out[GIVEN_SIZE], const cJSON *value) {
    if (cJSON_IsString(value)) {
        char quoted[TEXT_QUOTE_SIZE];
        (void)snprintf(out, GIVEN_SIZE, "the text %s", text_quote(quoted, value->valuestring));
    } else if (cJSON_IsNumber(value)) {
        (void)snprintf(out, GIVEN_SIZE, "%.12g", value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        (void)snprintf(out, GIVEN_SIZE, "%s", cJSON_IsTrue(value) ? "true" : "false");
    } else if (cJSON_IsArray(value)) {
        (void)snprintf(out, GIVEN_SIZE, "a list of %d", cJSON_GetArraySize(value));
    } else if (cJSON_IsNull(value)) {
        (void)snprintf(out, GIVEN_SIZE, "nothing");
    } else {
        (void)snprintf(out, GIVEN_SIZE, "a table");
    }
    return out;
}

static bool refuse_type(const struct option *option, const char *call, const char *wanted,
                        const cJSON *value, struct error *error) {
    char what[GIVEN_SIZE];
    return error_set(error, ERROR_VALUE, "%s: \"%s\" must be %s, not %s (%s)", call, option->name,
                     wanted, given(what, value), option->help);
}

/* The range of an option as words: "between 1 and 64", "at least 0", "more than 0". */
static void range_words(const struct option *option, char *out, size_t size) {
    const bool low = isfinite(option->least) && option->least > -DBL_MAX;
    const bool high = isfinite(option->most) && option->most < DBL_MAX && option->most < INT64_MAX;
    const bool above_zero = option->least > 0 && option->least <= DBL_MIN;
    if (low && high && above_zero) {
        (void)snprintf(out, size, "more than 0 and at most %.12g", option->most);
    } else if (low && high) {
        (void)snprintf(out, size, "between %.12g and %.12g", option->least, option->most);
    } else if (above_zero) {
        (void)snprintf(out, size, "more than 0");
    } else if (low) {
        (void)snprintf(out, size, "at least %.12g", option->least);
    } else {
        (void)snprintf(out, size, "at most %.12g", option->most);
    }
}

static bool check_range(const struct option *option, const char *call, double value,
                        struct error *error) {
    const bool ranged =
        option->least < 0 || option->least > 0 || option->most < 0 || option->most > 0;
    if (!ranged || (value >= option->least && value <= option->most)) {
        return true;
    }
    char words[80];
    range_words(option, words, sizeof words);
    return error_set(error, ERROR_VALUE, "%s: \"%s\" is %.12g; it must be %s (%s)", call,
                     option->name, value, words, option->help);
}

static bool read_number(const struct option *option, const char *call, const cJSON *value,
                        void *target, struct error *error) {
    const bool whole = option->kind == OPTION_INTEGER;
    const char *const wanted = whole ? "a whole number" : "a number";
    if (!cJSON_IsNumber(value)) {
        return refuse_type(option, call, wanted, value, error);
    }
    const double number = value->valuedouble;
    if (!isfinite(number)) {
        return refuse_type(option, call, whole ? wanted : "a finite number", value, error);
    }
    if (whole &&
        (number < floor(number) || number > floor(number) || fabs(number) > integer_most)) {
        return refuse_type(option, call, wanted, value, error);
    }
    if (!check_range(option, call, number, error)) {
        return false;
    }
    if (whole) {
        const ptrdiff_t integer = (ptrdiff_t)number;
        memcpy(field(option, target), &integer, sizeof integer);
    } else {
        memcpy(field(option, target), &number, sizeof number);
    }
    return true;
}

static bool read_text(const struct option *option, const char *call, const cJSON *value,
                      void *target, struct error *error) {
    if (!cJSON_IsString(value)) {
        return refuse_type(option, call, "a text", value, error);
    }
    const size_t len = strlen(value->valuestring);
    if (len >= OPTION_TEXT_SIZE) {
        return error_set(error, ERROR_VALUE,
                         "%s: \"%s\" is a text of %zu bytes; at most %d are possible (%s)", call,
                         option->name, len, OPTION_TEXT_SIZE - 1, option->help);
    }
    memcpy(field(option, target), value->valuestring, len + 1);
    return true;
}

static int choice_count(const struct option *option) {
    int count = 0;
    while (option->choices[count]) {
        count++;
    }
    return count;
}

static bool read_choice(const struct option *option, const char *call, const cJSON *value,
                        void *target, struct error *error) {
    char list[200];
    const int count = choice_count(option);
    (void)text_list(list, sizeof list, option->choices, count);
    if (!cJSON_IsString(value)) {
        char wanted[sizeof list + 16];
        (void)snprintf(wanted, sizeof wanted, "one of %s", list);
        return refuse_type(option, call, wanted, value, error);
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(option->choices[i], value->valuestring) == 0) {
            memcpy(field(option, target), &i, sizeof i);
            return true;
        }
    }
    char quoted[TEXT_QUOTE_SIZE];
    (void)text_quote(quoted, value->valuestring);
    const char *const nearest = option_nearest(value->valuestring, option->choices, count);
    return error_set(error, ERROR_VALUE, "%s: \"%s\" cannot be %s; it is one of %s%s%s%s", call,
                     option->name, quoted, list, nearest ? "; nearest is \"" : "",
                     nearest ? nearest : "", nearest ? "\"" : "");
}

static bool read_value(const struct option *option, const char *call, const cJSON *value,
                       void *target, struct error *error) {
    switch (option->kind) {
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        return read_number(option, call, value, target, error);
    case OPTION_BOOLEAN:
        if (!cJSON_IsBool(value)) {
            return refuse_type(option, call, "true or false", value, error);
        }
        *(bool *)field(option, target) = cJSON_IsTrue(value);
        return true;
    case OPTION_TEXT:
        return read_text(option, call, value, target, error);
    case OPTION_CHOICE:
        return read_choice(option, call, value, target, error);
    case OPTION_JSON:
        memcpy(field(option, target), &value, sizeof value);
        return true;
    }
    assert(!"an option has a kind that does not exist");
    return false;
}

/* Defaults are written by programmers: what does not parse is an assert. */
static void fill_fallback(const struct option *option, void *target) {
    const char *const text = option->fallback;
    char *end = NULL;
    switch (option->kind) {
    case OPTION_INTEGER: {
        const ptrdiff_t integer = (ptrdiff_t)strtoll(text, &end, 10);
        assert(end != text && *end == '\0');
        memcpy(field(option, target), &integer, sizeof integer);
        break;
    }
    case OPTION_NUMBER: {
        const double number = strtod(text, &end);
        assert(end != text && *end == '\0');
        memcpy(field(option, target), &number, sizeof number);
        break;
    }
    case OPTION_BOOLEAN:
        assert(strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
        *(bool *)field(option, target) = strcmp(text, "true") == 0;
        break;
    case OPTION_TEXT:
        assert(strlen(text) < OPTION_TEXT_SIZE);
        (void)strcpy(field(option, target), text);
        break;
    case OPTION_CHOICE: {
        int index = 0;
        while (option->choices[index] && strcmp(option->choices[index], text) != 0) {
            index++;
        }
        assert(option->choices[index]);
        memcpy(field(option, target), &index, sizeof index);
        break;
    }
    case OPTION_JSON: {
        assert(*text == '\0');
        const cJSON *const absent = NULL;
        memcpy(field(option, target), &absent, sizeof absent);
        break;
    }
    }
}

static bool refuse_unknown(const struct option *options, int count, const char *call,
                           const char *key, struct error *error) {
    enum { NAMES_MAX = 128 };
    const char *names[NAMES_MAX];
    assert(count <= NAMES_MAX);
    for (int i = 0; i < count; i++) {
        names[i] = options[i].name;
    }
    char quoted[TEXT_QUOTE_SIZE];
    (void)text_quote(quoted, key);
    const char *const nearest = option_nearest(key, names, count);
    if (nearest) {
        return error_set(error, ERROR_VALUE, "%s: unknown option %s; nearest is \"%s\"", call,
                         quoted, nearest);
    }
    char list[320];
    return error_set(error, ERROR_VALUE, "%s: unknown option %s; it takes %s", call, quoted,
                     count ? text_list(list, sizeof list, names, count) : "none");
}

bool option_read(const struct option *options, int count, const char *call, const cJSON *object,
                 const char *const *ignored, void *target, struct error *error) {
    /* An empty table has no keys to tell whether it is a list. */
    const bool empty = !object || (cJSON_IsArray(object) && !object->child);
    if (!empty && !cJSON_IsObject(object)) {
        char what[GIVEN_SIZE];
        return error_set(error, ERROR_VALUE, "%s: takes a table of named options, not %s", call,
                         given(what, object));
    }
    for (const cJSON *value = empty ? NULL : object->child; value; value = value->next) {
        if (!find(options, count, value->string) && !is_listed(ignored, value->string)) {
            return refuse_unknown(options, count, call, value->string, error);
        }
    }
    for (int i = 0; i < count; i++) {
        const struct option *const option = &options[i];
        const cJSON *const value =
            empty ? NULL : cJSON_GetObjectItemCaseSensitive(object, option->name);
        if (value && !cJSON_IsNull(value)) {
            if (!read_value(option, call, value, target, error)) {
                return false;
            }
        } else if (option->fallback) {
            fill_fallback(option, target);
        } else {
            return error_set(error, ERROR_VALUE, "%s: \"%s\" is missing (%s)", call, option->name,
                             option->help);
        }
    }
    return true;
}

static cJSON *write_value(const struct option *option, const void *source) {
    const void *const at = (const char *)source + option->offset;
    switch (option->kind) {
    case OPTION_INTEGER:
        return cJSON_CreateNumber((double)*(const ptrdiff_t *)at);
    case OPTION_NUMBER:
        return cJSON_CreateNumber(*(const double *)at);
    case OPTION_BOOLEAN:
        return cJSON_CreateBool(*(const bool *)at);
    case OPTION_TEXT:
        return cJSON_CreateString(at);
    case OPTION_CHOICE: {
        const int index = *(const int *)at;
        assert(index >= 0 && index < choice_count(option));
        return cJSON_CreateString(option->choices[index]);
    }
    case OPTION_JSON: {
        const cJSON *const value = *(cJSON *const *)at;
        return value ? cJSON_Duplicate(value, true) : cJSON_CreateNull();
    }
    }
    return NULL;
}

cJSON *option_write(const struct option *options, int count, const void *source) {
    cJSON *const object = cJSON_CreateObject();
    for (int i = 0; object && i < count; i++) {
        cJSON *const value = write_value(&options[i], source);
        if (!value || !cJSON_AddItemToObject(object, options[i].name, value)) {
            cJSON_Delete(value);
            cJSON_Delete(object);
            return NULL;
        }
    }
    return object;
}
