/* The lines at the head of a frame: a run each, its numbers in columns. */
#ifndef CONTINUO_APP_HEADER_H
#define CONTINUO_APP_HEADER_H

#include "app/scene.h"

/* Draws one line for each run shown, as many as fit `rows`; what is least needed is left out where
 * the grid is narrow. */
void header_draw(const struct scene *scene, struct grid *grid, int rows);
/* The same in one short line, for screens too small for panels. */
void header_brief(const struct track *track, struct grid *grid, int y);

#endif
