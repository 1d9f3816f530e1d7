/* Panel 4: what the runs have said, the newest line at the foot. */
#include <stdio.h>

#include "app/panel.h"

static void note(const struct scene *scene, int room, char *text, size_t size) {
    (void)room;
    if (scene->log_back > 0) {
        (void)snprintf(text, size, "%d lines back", scene->log_back);
    } else {
        text[0] = 0;
    }
}

static void draw(const struct scene *scene, struct grid *grid, struct rect rect) {
    int kept = scene->log_count < SCENE_LOG ? scene->log_count : SCENE_LOG;
    int rows = kept < rect.height ? kept : rect.height;
    int back = scene->log_back < kept - rows ? scene->log_back : kept - rows;
    for (int row = 0; row < rows; row++) {
        int at = scene->log_count - back - rows + row;
        const struct scene_line *line = &scene->log[at % SCENE_LOG];
        if (line->style >= 0) {
            grid_put(grid, rect.x + 1, rect.y + row, grid_marker(line->style),
                     GRID_LINE + line->style % GRID_STYLES, 0);
        }
        (void)grid_text(grid, rect.x + 3, rect.y + row, rect.width - 4, GRID_TEXT, 0, "%s",
                        line->text);
    }
}

const struct panel panel_log = {
    .title = "log",
    .short_title = "log",
    .note = note,
    .draw = draw,
};
