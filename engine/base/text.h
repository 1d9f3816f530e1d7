/* Pieces of sentences: user-supplied text made safe to print, and lists of names. */
#ifndef CONTINUO_BASE_TEXT_H
#define CONTINUO_BASE_TEXT_H

#include <stddef.h>

enum { TEXT_QUOTE_SIZE = 80 };

/* Writes `text` in double quotes to out (TEXT_QUOTE_SIZE bytes): control characters become '?',
 * and what does not fit is cut at a character (UTF-8) and ends in "...". Returns out. */
const char *text_quote(char out[TEXT_QUOTE_SIZE], const char *text);

/* Writes `count` names, quoted and separated by ", ", to out; a list that does not fit ends in
 * "...". size is at least 8. Returns out. */
const char *text_list(char *out, size_t size, const char *const *names, int count);

#endif
