#include "run/event.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Every field leaves room for the end of the line. */
enum { TAIL = 8 };

static void add(struct event *event, const char *text, size_t len) {
    assert(event->len + len + TAIL <= EVENT_SIZE);
    memcpy(event->text + event->len, text, len);
    event->len += len;
    event->text[event->len] = '\0';
}

static void add_key(struct event *event, const char *key) {
    add(event, ",\"", 2);
    add(event, key, strlen(key));
    add(event, "\":", 2);
}

void event_begin(struct event *event, const char *kind) {
    event->len = 0;
    add(event, "{\"kind\":\"", 9);
    add(event, kind, strlen(kind));
    add(event, "\"", 1);
}

static void add_number(struct event *event, double value) {
    char text[40];
    int len;
    if (isnan(value)) {
        len = snprintf(text, sizeof text, "\"nan\"");
    } else if (isinf(value)) {
        len = snprintf(text, sizeof text, value > 0 ? "\"inf\"" : "\"-inf\"");
    } else {
        len = snprintf(text, sizeof text, "%.9g", value);
    }
    add(event, text, (size_t)len);
}

void event_number(struct event *event, const char *key, double value) {
    add_key(event, key);
    add_number(event, value);
}

void event_numbers(struct event *event, const char *key, const double *values, int count) {
    add_key(event, key);
    for (int i = 0; i < count; i++) {
        add(event, i ? "," : "[", 1);
        add_number(event, values[i]);
    }
    add(event, count ? "]" : "[]", count ? 1 : 2);
}

void event_text(struct event *event, const char *key, const char *value) {
    add_key(event, key);
    add(event, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        char code[8];
        int len;
        if (*at == '"' || *at == '\\') {
            len = snprintf(code, sizeof code, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            len = snprintf(code, sizeof code, "\\u%04x", *at);
        } else {
            len = snprintf(code, sizeof code, "%c", *at);
        }
        /* Room is kept for the quote and for what may follow a text; a character of several bytes
         * is not begun where it could not end. */
        if (event->len + (size_t)len + 256 > EVENT_SIZE && (*at & 0xc0) != 0x80) {
            break;
        }
        add(event, code, (size_t)len);
    }
    add(event, "\"", 1);
}

void event_flag(struct event *event, const char *key, int value) {
    add_key(event, key);
    add(event, value ? "true" : "false", value ? 4 : 5);
}

void event_json(struct event *event, const char *key, const char *json) {
    add_key(event, key);
    add(event, json, strlen(json));
}

void event_end(struct event *event) {
    add(event, "}\n", 2);
}
