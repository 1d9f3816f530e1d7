#define NCURSES_WIDECHAR 1
#include "app/palette.h"

#include <curses.h>
#include <stdlib.h>

static int colours; /* 0, 8 or 256 */

static int hue_256(int colour) {
    static const short hues[GRID_COLOURS] = {
        [GRID_TEXT] = -1,
        [GRID_FAINT] = 245,
        [GRID_GOOD] = 36,
        [GRID_ALARM] = 202,
        /* Okabe and Ito: sky blue, orange, bluish green, reddish purple, yellow, vermilion */
        [GRID_LINE] = 75,
        214,
        36,
        175,
        227,
        166,
        [GRID_BAND] = 24,
        94,
        23,
        96,
        100,
        88,
        /* viridis in eight steps */
        [GRID_HEAT] = 54,
        60,
        24,
        30,
        36,
        77,
        148,
        226,
    };
    return hues[colour];
}

static int hue_8(int colour) {
    static const short hues[GRID_COLOURS] = {
        [GRID_TEXT] = -1,
        [GRID_FAINT] = -1,
        [GRID_GOOD] = COLOR_GREEN,
        [GRID_ALARM] = COLOR_RED,
        [GRID_LINE] = COLOR_CYAN,
        COLOR_YELLOW,
        COLOR_GREEN,
        COLOR_MAGENTA,
        COLOR_BLUE,
        COLOR_RED,
        [GRID_BAND] = COLOR_CYAN,
        COLOR_YELLOW,
        COLOR_GREEN,
        COLOR_MAGENTA,
        COLOR_BLUE,
        COLOR_RED,
        [GRID_HEAT] = COLOR_BLUE,
        COLOR_BLUE,
        COLOR_CYAN,
        COLOR_CYAN,
        COLOR_GREEN,
        COLOR_GREEN,
        COLOR_YELLOW,
        COLOR_YELLOW,
    };
    return hues[colour];
}

int palette_start(enum term_colour wanted) {
    const char *no_colour = getenv("NO_COLOR");
    bool is_unwanted =
        wanted == TERM_COLOUR_NEVER || (wanted == TERM_COLOUR_AUTO && no_colour && no_colour[0]);
    colours = 0;
    if (is_unwanted || !has_colors() || start_color() == ERR || COLOR_PAIRS < GRID_COLOURS) {
        return 0;
    }
    bool has_default = use_default_colors() == OK; /* light backgrounds stay light */
    colours = COLORS >= 256 ? 256 : 8;
    for (int colour = 1; colour < GRID_COLOURS; colour++) {
        int hue = colours == 256 ? hue_256(colour) : hue_8(colour);
        hue = hue < 0 && !has_default ? COLOR_WHITE : hue;
        (void)init_pair((short)colour, (short)hue, has_default ? -1 : COLOR_BLACK);
    }
    return colours;
}

static attr_t attributes_of(const struct cell *cell) {
    attr_t attributes = A_NORMAL;
    bool is_faint = cell->colour == GRID_FAINT;
    bool is_band = cell->colour >= GRID_BAND && cell->colour < GRID_BAND + GRID_STYLES;
    attributes |= cell->attributes & GRID_BOLD ? A_BOLD : 0;
    attributes |= cell->attributes & GRID_REVERSE ? A_REVERSE : 0;
    attributes |= colours < 256 && (is_faint || is_band) ? A_DIM : 0;
    attributes |= colours == 0 && cell->colour == GRID_ALARM ? A_BOLD : 0;
    return attributes;
}

void palette_put(int x, int y, const struct cell *cell) {
    wchar_t text[2] = {(wchar_t)cell->glyph, 0};
    cchar_t glyph;
    short pair = colours ? (short)cell->colour : 0;
    if (setcchar(&glyph, text, attributes_of(cell), pair, NULL) == OK) {
        (void)mvadd_wch(y, x, &glyph);
    }
}
