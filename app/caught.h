/* What is printed on standard output and error while the screen has the terminal: a library's
 * warning, a script's print. Kept in memory, readable at once, and written to where it belonged in
 * the end. State is process-wide. */
#ifndef CONTINUO_APP_CAUGHT_H
#define CONTINUO_APP_CAUGHT_H

#include <stddef.h>

/* Catches those of the two that are terminals. */
void caught_begin(void);
void caught_end(void);
/* Bytes new since the last call, not a string; returns how many. */
size_t caught_read(char *text, size_t size);

/* Async-signal-safe, for the way out of a fatal signal. */
int caught_error(void);      /* the descriptor where standard error belongs */
void caught_write(int file); /* all that was caught */
void caught_put(int file, const char *bytes, size_t count);

#endif
