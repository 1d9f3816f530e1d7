/* A canvas of dots finer than cells: braille (2 x 4 dots a cell), half blocks (1 x 2) or plain
 * letters (1 x 1). A pen draws in the colour of one series; the canvas settles which colour a cell
 * takes, and lays the result onto a grid. */
#ifndef CONTINUO_PLOT_CANVAS_H
#define CONTINUO_PLOT_CANVAS_H

#include "lua/plot/grid.h"

enum canvas_kind { CANVAS_BRAILLE, CANVAS_BLOCK, CANVAS_ASCII };

/* Lines hide bands in a cell; of several lines the one with most dots gives the colour, on a tie
 * the lower pen. */
enum { CANVAS_BANDS = 8, CANVAS_LINES = 24, CANVAS_PENS = CANVAS_BANDS + CANVAS_LINES };

struct canvas {
    enum canvas_kind kind;
    int columns, rows; /* cells */
    int width, height; /* dots */
    uint8_t *bits;     /* (rows, columns, pens) */
    struct canvas_pen {
        int colour;
        char letter; /* on the ASCII canvas */
        int dash;    /* 0: solid; 1: every second dot; else dots on, then a third of that off */
    } pens[CANVAS_PENS];
};

/* Makes an empty canvas; start from a zeroed struct. */
void canvas_resize(struct canvas *canvas, enum canvas_kind kind, int columns, int rows);
void canvas_free(struct canvas *canvas);

/* Dot (0, 0) is the upper left one; what lies outside is cut off. */
void canvas_dot(struct canvas *canvas, int pen, int x, int y);
/* A line between two points in dots, however far outside they lie. */
void canvas_line(struct canvas *canvas, int pen, double x0, double y0, double x1, double y1);
/* Every second dot (in a checkered pattern) of column x from y0 to y1: the texture of a band. */
void canvas_shade(struct canvas *canvas, int pen, int x, int y0, int y1);

void canvas_lay(const struct canvas *canvas, struct grid *grid, int x, int y);

#endif
