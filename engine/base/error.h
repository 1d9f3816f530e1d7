/* An error is a sentence for the user: it names the object, the values and the way out.
 * Functions a user can make fail return bool (or NULL) and fill a struct error; what only a
 * programmer can get wrong is an assert. Every error passes through error_set. */
#ifndef CONTINUO_BASE_ERROR_H
#define CONTINUO_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE,
    ERROR_VALUE,  /* an option or argument that cannot be */
    ERROR_FILE,   /* the operating system refused: missing, unreadable, unwritable, full */
    ERROR_FORMAT, /* a file is not what it should be: foreign, truncated, corrupt */
    ERROR_MEMORY, /* no memory for a plan */
    ERROR_STATE,  /* the object cannot do this now */
};

struct error {
    enum error_code code;
    char text[480]; /* starts lower-case, no newline, no final full stop */
};

/* Fills *error (which may be NULL) from a printf format; always returns false. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
