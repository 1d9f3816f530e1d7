#include "lua/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct buffer *buffer, size_t more) {
    size_t want = buffer->len + more + 1;
    if (buffer->failed) {
        return false;
    }
    if (want > buffer->capacity) {
        size_t capacity = buffer->capacity * 2 > want ? buffer->capacity * 2 : want + 64;
        char *bytes = realloc(buffer->bytes, capacity);
        if (!bytes) {
            buffer->failed = true;
            return false;
        }
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return true;
}

void buffer_add_bytes(struct buffer *buffer, const char *bytes, size_t len) {
    if (reserve(buffer, len)) {
        memcpy(buffer->bytes + buffer->len, bytes, len);
        buffer->len += len;
        buffer->bytes[buffer->len] = '\0';
    }
}

void buffer_add(struct buffer *buffer, const char *text) {
    buffer_add_bytes(buffer, text, strlen(text));
}

void buffer_addf(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len >= 0 && reserve(buffer, (size_t)len)) {
        (void)vsnprintf(buffer->bytes + buffer->len, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    }
    va_end(again);
}

void buffer_repeat(struct buffer *buffer, char c, int count) {
    if (count > 0 && reserve(buffer, (size_t)count)) {
        memset(buffer->bytes + buffer->len, c, (size_t)count);
        buffer->len += (size_t)count;
        buffer->bytes[buffer->len] = '\0';
    }
}

int buffer_columns(const char *text, size_t len) {
    int columns = 0;
    for (size_t i = 0; i < len; i++) {
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return columns;
}

/* Adds one paragraph, which ends at text + len. */
static void fold_paragraph(struct buffer *buffer, const char *text, size_t len, int indent,
                           int width) {
    int column = 0;
    for (size_t at = 0; at < len;) {
        size_t from = at + strspn(text + at, " \n");
        size_t word = from < len ? strcspn(text + from, " \n") : 0;
        if (word == 0 || from >= len) {
            break;
        }
        int columns = buffer_columns(text + from, word);
        if (column == 0) {
            buffer_repeat(buffer, ' ', indent);
            column = indent;
        } else if (column + 1 + columns > width) {
            buffer_add(buffer, "\n");
            buffer_repeat(buffer, ' ', indent);
            column = indent;
        } else {
            buffer_add(buffer, " ");
            column++;
        }
        buffer_add_bytes(buffer, text + from, word);
        column += columns;
        at = from + word;
    }
    buffer_add(buffer, "\n");
}

void buffer_fold(struct buffer *buffer, const char *text, int indent, int width) {
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0) {
            buffer_add(buffer, "\n");
        } else if (*text == ' ') {
            buffer_repeat(buffer, ' ', indent);
            buffer_add_bytes(buffer, text, len);
            buffer_add(buffer, "\n");
        } else {
            while (text[len] == '\n' && text[len + 1] != '\n' && text[len + 1] != ' ' &&
                   text[len + 1] != '\0') {
                len += 1 + strcspn(text + len + 1, "\n");
            }
            fold_paragraph(buffer, text, len, indent, width);
        }
        text += len + (text[len] == '\n');
    }
}

void buffer_release(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

char *buffer_take(struct buffer *buffer) {
    char *bytes = buffer->bytes;
    if (buffer->failed) {
        free(bytes);
        bytes = NULL;
    } else if (!bytes) {
        bytes = calloc(1, 1);
    }
    *buffer = (struct buffer){0};
    return bytes;
}
