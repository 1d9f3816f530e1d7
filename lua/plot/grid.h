/* A grid of character cells: what a frame is drawn into. It knows nothing of a terminal: term_show
 * puts it on one, grid_write dumps it as text, tests read it. */
#ifndef CONTINUO_PLOT_GRID_H
#define CONTINUO_PLOT_GRID_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { GRID_STYLES = 6 };

/* Meanings, not hues; term.c says which hue a terminal gives them. */
enum grid_colour {
    GRID_TEXT,
    GRID_FAINT,
    GRID_GOOD,
    GRID_ALARM,
    GRID_LINE,                           /* the line of a series: GRID_LINE + style */
    GRID_BAND = GRID_LINE + GRID_STYLES, /* its band: the same hue, darker */
    GRID_HEAT = GRID_BAND + GRID_STYLES, /* GRID_HEAT + level */
    GRID_COLOURS = GRID_HEAT + 8,
};

enum grid_attribute { GRID_BOLD = 1, GRID_REVERSE = 2 };

struct cell {
    uint32_t glyph; /* a Unicode character of width 1; never 0 */
    uint8_t colour, attributes;
};

struct rect {
    int x, y, width, height;
};

struct grid {
    int width, height;
    bool ascii; /* lines, dots and marks are put as their nearest ASCII */
    struct cell *cells;
};

/* Makes a grid of blanks; the former content is gone. Start from a zeroed struct. */
void grid_resize(struct grid *grid, int width, int height);
void grid_clear(struct grid *grid);
void grid_free(struct grid *grid);

/* Everything outside the grid is cut off. */
void grid_put(struct grid *grid, int x, int y, uint32_t glyph, int colour, int attributes);
const struct cell *grid_at(const struct grid *grid, int x, int y);

/* Writes UTF-8 text into at most `most` columns from x. Returns the columns used. */
int grid_text(struct grid *grid, int x, int y, int most, int colour, int attributes,
              const char *format, ...) __attribute__((format(printf, 7, 8)));
/* The same, ending before column `end`. */
int grid_text_right(struct grid *grid, int end, int y, int most, int colour, int attributes,
                    const char *format, ...) __attribute__((format(printf, 7, 8)));
void grid_row(struct grid *grid, int x, int y, int width, uint32_t glyph, int colour);
void grid_column(struct grid *grid, int x, int y, int height, uint32_t glyph, int colour);
/* Adds attributes to a row of cells. */
void grid_mark(struct grid *grid, int x, int y, int width, int attributes);
void grid_blank(struct grid *grid, struct rect rect);

/* The columns that UTF-8 text takes. */
int grid_columns(const char *text);
/* The glyph as UTF-8; returns its bytes. */
int grid_encode(uint32_t glyph, char bytes[4]);
/* Writes the rows as lines of UTF-8 text without blanks at their ends. */
void grid_write(const struct grid *grid, FILE *file);

/* The mark of a series' style, and the letter that draws its line on the ASCII canvas. */
uint32_t grid_marker(int style);
char grid_letter(int style);

#endif
