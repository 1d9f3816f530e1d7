/* A string that grows, and paragraphs folded to a width. Never fails loudly: when memory runs out
 * the text ends early and `failed` is set. */
#ifndef CONTINUO_LUA_BUFFER_H
#define CONTINUO_LUA_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *bytes; /* NUL-terminated once anything was added */
    size_t len, capacity;
    bool failed;
};

void buffer_add(struct buffer *buffer, const char *text);
void buffer_add_bytes(struct buffer *buffer, const char *bytes, size_t len);
void buffer_addf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_repeat(struct buffer *buffer, char c, int count);

/* Adds text folded at `width` columns, every line behind `indent` spaces. Empty lines separate
 * paragraphs; lines that begin with a space are kept as they are. Ends in a newline. */
void buffer_fold(struct buffer *buffer, const char *text, int indent, int width);

void buffer_release(struct buffer *buffer);
char *buffer_take(struct buffer *buffer); /* the string, now the caller's to free; NULL: failed */

/* Columns of UTF-8 text on a terminal: one a code point, which holds for what is printed here. */
int buffer_columns(const char *text, size_t len);

#endif
