#include "lua/plot/canvas.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int x, y;
} dots_of[] = {[CANVAS_BRAILLE] = {2, 4}, [CANVAS_BLOCK] = {1, 2}, [CANVAS_ASCII] = {1, 1}};

void canvas_resize(struct canvas *canvas, enum canvas_kind kind, int columns, int rows) {
    columns = columns < 1 ? 1 : columns;
    rows = rows < 1 ? 1 : rows;
    size_t size = (size_t)columns * (size_t)rows * CANVAS_PENS;
    if (columns != canvas->columns || rows != canvas->rows || !canvas->bits) {
        free(canvas->bits);
        canvas->bits = malloc(size);
        if (!canvas->bits) {
            abort();
        }
    }
    memset(canvas->bits, 0, size);
    canvas->kind = kind;
    canvas->columns = columns;
    canvas->rows = rows;
    canvas->width = columns * dots_of[kind].x;
    canvas->height = rows * dots_of[kind].y;
}

void canvas_free(struct canvas *canvas) {
    free(canvas->bits);
    canvas->bits = NULL;
}

void canvas_dot(struct canvas *canvas, int pen, int x, int y) {
    assert(pen >= 0 && pen < CANVAS_PENS);
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height) {
        return;
    }
    /* bits in the order of U+2800..U+28FF */
    static const uint8_t braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    int across = dots_of[canvas->kind].x, down = dots_of[canvas->kind].y;
    int cell = y / down * canvas->columns + x / across;
    int bit = canvas->kind == CANVAS_BRAILLE ? braille[y % 4][x % 2] : 1 << (y % down);
    canvas->bits[cell * CANVAS_PENS + pen] |= (uint8_t)bit;
}

/* Cuts the segment to lo <= value <= hi in one coordinate, moving the other along. */
static bool clip(double *a, double *b, double *other_a, double *other_b, double lo, double hi) {
    for (int end = 0; end < 2; end++) {
        double *p = end ? b : a, *q = end ? a : b, *other_p = end ? other_b : other_a,
               *other_q = end ? other_a : other_b;
        double bound = *p < lo ? lo : hi;
        if (*p >= lo && *p <= hi) {
            continue;
        }
        if ((*p < lo && *q < lo) || (*p > hi && *q > hi)) {
            return false;
        }
        *other_p += (*other_q - *other_p) * ((bound - *p) / (*q - *p));
        *p = bound;
    }
    return true;
}

void canvas_line(struct canvas *canvas, int pen, double x0, double y0, double x1, double y1) {
    if (!isfinite(x0) || !isfinite(y0) || !isfinite(x1) || !isfinite(y1) ||
        !clip(&x0, &x1, &y0, &y1, 0, canvas->width - 1) ||
        !clip(&y0, &y1, &x0, &x1, 0, canvas->height - 1)) {
        return;
    }
    double run = x1 - x0, rise = y1 - y0;
    double length = fabs(run) > fabs(rise) ? fabs(run) : fabs(rise);
    int count = (int)ceil(length);
    int dash = canvas->pens[pen].dash;
    /* A dashed line loses dots only where it runs rather level: a steep fall stays to be seen. A
     * dotted one loses them everywhere. */
    bool is_level = fabs(rise) <= fabs(run), is_dashed = dash > 1 && is_level;
    for (int i = 0; i <= count; i++) {
        double part = count ? (double)i / count : 0;
        int x = (int)lround(x0 + part * run), y = (int)lround(y0 + part * rise);
        bool is_off = dash == 1   ? (is_level ? x : y) % 2 != 0
                      : is_dashed ? x % (dash + dash / 3) >= dash
                                  : false;
        if (!is_off) {
            canvas_dot(canvas, pen, x, y);
        }
    }
}

void canvas_shade(struct canvas *canvas, int pen, int x, int y0, int y1) {
    int from = y0 < y1 ? y0 : y1, to = y0 < y1 ? y1 : y0;
    from = from < 0 ? 0 : from;
    to = to >= canvas->height ? canvas->height - 1 : to;
    for (int y = from; y <= to; y++) {
        if (canvas->kind == CANVAS_ASCII || (x + y) % 2 == 0) {
            canvas_dot(canvas, pen, x, y);
        }
    }
}

static int count_bits(uint8_t bits) {
    int count = 0;
    for (; bits; bits &= (uint8_t)(bits - 1)) {
        count++;
    }
    return count;
}

/* The union of the dots of pens first .. last - 1, and the pen with most of them. */
static uint8_t settle(const uint8_t *bits, int first, int last, int *winner) {
    uint8_t all = 0;
    int most = 0;
    for (int pen = first; pen < last; pen++) {
        int count = count_bits(bits[pen]);
        if (count > most) {
            most = count;
            *winner = pen;
        }
        all |= bits[pen];
    }
    return all;
}

void canvas_lay(const struct canvas *canvas, struct grid *grid, int x, int y) {
    static const uint32_t blocks[4] = {' ', 0x2580, 0x2584, 0x2588};
    for (int row = 0; row < canvas->rows; row++) {
        for (int column = 0; column < canvas->columns; column++) {
            const uint8_t *bits = canvas->bits + (row * canvas->columns + column) * CANVAS_PENS;
            int pen = 0;
            uint8_t all = settle(bits, CANVAS_BANDS, CANVAS_PENS, &pen);
            if (!all) {
                all = settle(bits, 0, CANVAS_BANDS, &pen);
            }
            if (!all) {
                continue;
            }
            uint32_t glyph = 0x2800u + all;
            if (canvas->kind == CANVAS_BLOCK) {
                glyph = blocks[all & 3];
            } else if (canvas->kind == CANVAS_ASCII) {
                glyph = (uint32_t)canvas->pens[pen].letter;
            }
            grid_put(grid, x + column, y + row, glyph, canvas->pens[pen].colour, 0);
        }
    }
}
