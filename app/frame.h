/* A frame of the live screen, drawn into a grid of any size: designed for 80x24, uses what is more,
 * and below 60x16 says one line a run. */
#ifndef CONTINUO_APP_FRAME_H
#define CONTINUO_APP_FRAME_H

#include "app/scene.h"

enum { FRAME_LEAST_WIDTH = 60, FRAME_LEAST_HEIGHT = 16 };

void frame_draw(const struct scene *scene, struct grid *grid);

#endif
