/* What the colours of a grid look like on this terminal: Okabe and Ito's, safe for the
 * colour-blind, where there are 256; the nearest where there are 8; bold, dim and reverse where
 * there are none. */
#ifndef CONTINUO_APP_PALETTE_H
#define CONTINUO_APP_PALETTE_H

#include "lua/plot/grid.h"
#include "app/term.h"

/* Sets the colour pairs of ncurses, which has been started. Returns how many colours there are:
 * 256, 8, or 0 when the terminal has none or they are not wanted. */
int palette_start(enum term_colour wanted);
/* Puts a cell on the standard window of ncurses. */
void palette_put(int x, int y, const struct cell *cell);

#endif
