#include "base/text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *text_quote(char out[TEXT_QUOTE_SIZE], const char *text) {
    const size_t room = TEXT_QUOTE_SIZE - sizeof "\"...\"" - 1;
    size_t len = strlen(text);
    const bool cut = len > room;
    if (cut) {
        len = room;
        /* Step back over continuation bytes, so that no character is torn. */
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    char *end = out;
    *end++ = '"';
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        *end++ = c < 0x20 || c == 0x7F ? '?' : (char)c;
    }
    (void)strcpy(end, cut ? "...\"" : "\"");
    return out;
}

const char *text_list(char *out, size_t size, const char *const *names, int count) {
    assert(size >= 8);
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < count; i++) {
        const size_t need = strlen(names[i]) + 2 + (i > 0 ? 2 : 0);
        const size_t reserve = i + 1 < count ? sizeof ", ..." : 1;
        if (used + need + reserve > size) {
            (void)snprintf(out + used, size - used, "%s...", i > 0 ? ", " : "");
            return out;
        }
        (void)snprintf(out + used, size - used, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
        used += need;
    }
    return out;
}
