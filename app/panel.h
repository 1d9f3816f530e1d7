/* A panel of the live screen: a title and something drawn under it. One file each. */
#ifndef CONTINUO_APP_PANEL_H
#define CONTINUO_APP_PANEL_H

#include "app/scene.h"

struct panel {
    const char *title, *short_title; /* short: where the note needs the room */
    /* What stands at the right of the title: settings, units. May leave the text empty; says less
     * when there are less than `room` columns. */
    void (*note)(const struct scene *scene, int room, char *text, size_t size);
    void (*draw)(const struct scene *scene, struct grid *grid, struct rect rect);
};

extern const struct panel panel_loss, panel_sweep, panel_convergence, panel_metrics, panel_log;

#endif
