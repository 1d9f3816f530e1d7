/* Where in an unfinished chunk of Lua the cursor stands: in a string or not, on which path of
 * names, inside which call and at which of its options. A light lexer, tolerant of anything. */
#ifndef CONTINUO_APP_CONTEXT_H
#define CONTINUO_APP_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { CONTEXT_NAME_SIZE = 160 };

struct context {
    bool nothing;     /* inside a comment or a long string: nothing to complete */
    char quote;       /* the open quote, or '\0' */
    size_t start;     /* of the word, or of what stands behind the quote */
    char separator;   /* '.' or ':' in front of the word; '\0': none */
    char path[CONTEXT_NAME_SIZE];   /* in front of the separator, "" when it is no plain path */
    char callee[CONTEXT_NAME_SIZE]; /* of the innermost open call, "" for none */
    char key[CONTEXT_NAME_SIZE];    /* whose value stands at the cursor, "" for none */
    bool at_key;      /* the word may be an option's name in the callee's braces */
};

/* Reads text[0..point). */
void context_read(const char *text, size_t point, struct context *context);

#endif
