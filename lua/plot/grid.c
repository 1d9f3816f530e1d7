#include "lua/plot/grid.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* What the panels draw with, and what stands for it where only ASCII can be shown. Markers first:
 * their place is the series' style. */
static const struct {
    uint32_t glyph;
    char ascii;
} glyphs[] = {
    {0x25cf, '*'}, {0x25a0, 'o'}, {0x25b2, '+'},  {0x25c6, 'x'}, {0x25bc, '#'}, {0x25cb, '@'},
    {0x2500, '-'}, {0x2502, '|'}, {0x250c, '+'},  {0x2510, '+'}, {0x2514, '+'}, {0x2518, '+'},
    {0x251c, '+'}, {0x2524, '+'}, {0x252c, '+'},  {0x2534, '+'}, {0x253c, '+'}, {0x2506, ':'},
    {0x2581, '.'}, {0x2582, '.'}, {0x2583, ':'},  {0x2584, '-'}, {0x2585, '='}, {0x2586, '+'},
    {0x2587, '*'}, {0x2588, '#'}, {0x2580, '\''}, {0x2504, '-'}, {0x00b7, '.'}, {0x2026, '~'},
    {0x2190, '<'}, {0x2192, '>'}, {0x2191, '^'},  {0x2193, 'v'}, {0x00d7, 'x'}, {0x00b1, '+'},
    {0x2713, 'v'},
};

enum { GLYPHS = sizeof glyphs / sizeof glyphs[0] };

uint32_t grid_marker(int style) {
    return glyphs[style % GRID_STYLES].glyph;
}

char grid_letter(int style) {
    return glyphs[style % GRID_STYLES].ascii;
}

static bool is_own(uint32_t glyph, char *ascii) {
    for (int i = 0; i < GLYPHS; i++) {
        if (glyphs[i].glyph == glyph) {
            *ascii = glyphs[i].ascii;
            return true;
        }
    }
    *ascii = glyph >= 0x2800 && glyph < 0x2900 ? '.' : '?';
    return glyph >= 0x2800 && glyph < 0x2900;
}

/* One column wide and printable, whatever it was. */
static uint32_t safe_glyph(const struct grid *grid, uint32_t glyph) {
    if (glyph >= 0x20 && glyph < 0x7f) {
        return glyph;
    }
    char ascii;
    bool own = is_own(glyph, &ascii);
    if (grid->ascii) {
        return (uint32_t)ascii;
    }
    return own || (glyph > 0xa0 && wcwidth((wchar_t)glyph) == 1) ? glyph : (uint32_t)'?';
}

void grid_resize(struct grid *grid, int width, int height) {
    width = width < 1 ? 1 : width;
    height = height < 1 ? 1 : height;
    if (width != grid->width || height != grid->height || !grid->cells) {
        free(grid->cells);
        grid->cells = malloc((size_t)width * (size_t)height * sizeof *grid->cells);
        if (!grid->cells) {
            abort();
        }
        grid->width = width;
        grid->height = height;
    }
    grid_clear(grid);
}

void grid_clear(struct grid *grid) {
    for (int i = 0; i < grid->width * grid->height; i++) {
        grid->cells[i] = (struct cell){.glyph = ' '};
    }
}

void grid_free(struct grid *grid) {
    free(grid->cells);
    *grid = (struct grid){0};
}

void grid_put(struct grid *grid, int x, int y, uint32_t glyph, int colour, int attributes) {
    if (x < 0 || y < 0 || x >= grid->width || y >= grid->height) {
        return;
    }
    grid->cells[y * grid->width + x] = (struct cell){
        .glyph = safe_glyph(grid, glyph),
        .colour = (uint8_t)colour,
        .attributes = (uint8_t)attributes,
    };
}

const struct cell *grid_at(const struct grid *grid, int x, int y) {
    static const struct cell outside = {.glyph = ' '};
    bool inside = x >= 0 && y >= 0 && x < grid->width && y < grid->height;
    return inside ? &grid->cells[y * grid->width + x] : &outside;
}

/* The next character of UTF-8 text; advances *text. A byte that is none gives '?'. */
static uint32_t decode(const char **text) {
    const unsigned char *bytes = (const unsigned char *)*text;
    int extra = bytes[0] < 0x80    ? 0
                : bytes[0] >= 0xf0 ? 3
                : bytes[0] >= 0xe0 ? 2
                : bytes[0] >= 0xc0 ? 1
                                   : -1;
    if (extra < 0 || bytes[0] > 0xf4) {
        (*text)++;
        return '?';
    }
    uint32_t glyph = extra == 0 ? bytes[0] : bytes[0] & (0x3fu >> extra);
    for (int i = 1; i <= extra; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            *text += i;
            return '?';
        }
        glyph = glyph << 6 | (bytes[i] & 0x3fu);
    }
    *text += extra + 1;
    return glyph;
}

int grid_columns(const char *text) {
    int columns = 0;
    while (*text) {
        (void)decode(&text);
        columns++;
    }
    return columns;
}

static int put_text(struct grid *grid, int x, int y, int most, int colour, int attributes,
                    const char *text) {
    int columns = 0;
    while (*text && columns < most) {
        grid_put(grid, x + columns, y, decode(&text), colour, attributes);
        columns++;
    }
    return columns;
}

int grid_text(struct grid *grid, int x, int y, int most, int colour, int attributes,
              const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return put_text(grid, x, y, most, colour, attributes, text);
}

int grid_text_right(struct grid *grid, int end, int y, int most, int colour, int attributes,
                    const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int columns = grid_columns(text);
    columns = columns < most ? columns : most;
    return put_text(grid, end - columns, y, columns, colour, attributes, text);
}

void grid_row(struct grid *grid, int x, int y, int width, uint32_t glyph, int colour) {
    for (int i = 0; i < width; i++) {
        grid_put(grid, x + i, y, glyph, colour, 0);
    }
}

void grid_column(struct grid *grid, int x, int y, int height, uint32_t glyph, int colour) {
    for (int i = 0; i < height; i++) {
        grid_put(grid, x, y + i, glyph, colour, 0);
    }
}

void grid_mark(struct grid *grid, int x, int y, int width, int attributes) {
    for (int i = x < 0 ? 0 : x; i < x + width && i < grid->width; i++) {
        if (y >= 0 && y < grid->height) {
            grid->cells[y * grid->width + i].attributes |= (uint8_t)attributes;
        }
    }
}

void grid_blank(struct grid *grid, struct rect rect) {
    for (int row = 0; row < rect.height; row++) {
        grid_row(grid, rect.x, rect.y + row, rect.width, ' ', GRID_TEXT);
    }
}

int grid_encode(uint32_t glyph, char bytes[4]) {
    if (glyph < 0x80) {
        bytes[0] = (char)glyph;
        return 1;
    }
    int extra = glyph < 0x800 ? 1 : glyph < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (char)(lead[extra] | glyph >> (6 * extra));
    for (int i = 1; i <= extra; i++) {
        bytes[i] = (char)(0x80 | (glyph >> (6 * (extra - i)) & 0x3f));
    }
    return extra + 1;
}

void grid_write(const struct grid *grid, FILE *file) {
    for (int y = 0; y < grid->height; y++) {
        int end = grid->width;
        while (end > 0 && grid_at(grid, end - 1, y)->glyph == ' ') {
            end--;
        }
        for (int x = 0; x < end; x++) {
            char bytes[4];
            int count = grid_encode(grid_at(grid, x, y)->glyph, bytes);
            (void)fwrite(bytes, 1, (size_t)count, file);
        }
        (void)fputc('\n', file);
    }
}
