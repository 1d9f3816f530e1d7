/* Text in several rows of a panel. */
#ifndef CONTINUO_APP_WRAP_H
#define CONTINUO_APP_WRAP_H

#include "lua/plot/grid.h"

/* Writes text into at most rect.height rows of the width, broken at blanks. Returns the rows
 * used. */
int wrap_draw(struct grid *grid, struct rect rect, int colour, int attributes, const char *text);
/* The rows it takes in a width. */
int wrap_rows(const char *text, int width);

#endif
