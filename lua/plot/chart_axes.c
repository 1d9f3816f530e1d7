#include <string.h>

#include "lua/plot/chart_plot.h"

static void draw_y_axis(struct plot *plot) {
    int x = plot->area.x - 1;
    grid_column(plot->grid, x, plot->area.y, plot->area.height, 0x2502, GRID_FAINT);
    int last_row = -1;
    for (int i = plot->tick_count - 1; i >= 0; i--) {
        const struct tick *tick = &plot->ticks[i];
        int row = chart_plot_row(plot, tick->value);
        if (row < 0 || (!tick->is_major && row == last_row)) {
            continue;
        }
        grid_put(plot->grid, x, plot->area.y + row, 0x2524, GRID_FAINT, 0);
        if (tick->is_major && row != last_row) {
            (void)grid_text_right(plot->grid, x, plot->area.y + row, 12, GRID_FAINT, 0, "%s",
                                  tick->label);
            last_row = row;
        }
    }
}

/* The name of x, as far right as the labels leave room for it. */
static void draw_x_name(struct plot *plot, int y) {
    int length = (int)strlen(plot->chart->x_name), free = 0;
    int left = plot->area.x, right = left + plot->area.width;
    for (int x = right - 1; x >= left; x--) {
        free = grid_at(plot->grid, x, y)->glyph == ' ' ? free + 1 : 0;
        bool is_last = x + free == right; /* needs no blank after it */
        if (free >= length + (is_last ? 1 : 2)) {
            (void)grid_text(plot->grid, x + 1, y, length, GRID_FAINT, 0, "%s", plot->chart->x_name);
            return;
        }
    }
}

static void draw_x_axis(struct plot *plot) {
    int y = plot->area.y + plot->area.height, left = plot->area.x;
    int right = left + plot->area.width;
    grid_put(plot->grid, left - 1, y, 0x2514, GRID_FAINT, 0);
    grid_row(plot->grid, left, y, plot->area.width, 0x2500, GRID_FAINT);
    if (!plot->has_labels) {
        return;
    }
    int used = left - 2;
    struct tick ticks[AXIS_TICKS];
    int most = plot->area.width / 9;
    int count = axis_ticks(&plot->x, most < 2 ? 2 : most, ticks);
    for (int i = 0; i < count; i++) {
        int column = chart_plot_column(plot, ticks[i].value);
        if (column < 0) {
            continue;
        }
        column += left;
        grid_put(plot->grid, column, y, 0x252c, GRID_FAINT, 0);
        int width = (int)strlen(ticks[i].label), from = column - width / 2;
        from = from < left - 1 ? left - 1 : from + width > right ? right - width : from;
        if (ticks[i].is_major && from > used) {
            (void)grid_text(plot->grid, from, y + 1, width, GRID_FAINT, 0, "%s", ticks[i].label);
            used = from + width + 1;
        }
    }
    draw_x_name(plot, y + 1);
}

void chart_axes_draw(struct plot *plot) {
    draw_y_axis(plot);
    draw_x_axis(plot);
}
