#include "app/wrap.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* Bytes of the first `columns` characters of UTF-8 text. */
static int bytes_of(const char *text, int columns) {
    int bytes = 0;
    while (text[bytes]) {
        bool is_first = ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (is_first && columns-- == 0) {
            break;
        }
        bytes++;
    }
    return bytes;
}

int wrap_draw(struct grid *grid, struct rect rect, int colour, int attributes, const char *text) {
    int row = 0;
    while (*text && row < rect.height && rect.width > 0) {
        int length = (int)strlen(text), most = bytes_of(text, rect.width);
        if (length > most) {
            length = most;
            while (length > 0 && text[length] != ' ') {
                length--;
            }
            length = length ? length : most;
        }
        if (grid) {
            (void)grid_text(grid, rect.x, rect.y + row, rect.width, colour, attributes, "%.*s",
                            length, text);
        }
        text += length;
        text += *text == ' ';
        row++;
    }
    return row;
}

int wrap_rows(const char *text, int width) {
    return wrap_draw(NULL, (struct rect){0, 0, width, INT_MAX}, 0, 0, text);
}
