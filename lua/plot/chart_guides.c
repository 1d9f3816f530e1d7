#include <math.h>
#include <string.h>

#include "lua/plot/chart_plot.h"

enum { RULE_DOWN = 0x2506, RULE_ACROSS = 0x2504, TO_ZERO = 0x2193 };

/* ---- marks --------------------------------------------------------------------------------- */

void chart_guides_draw_marks(struct plot *plot) {
    for (int i = 0; i < plot->chart->mark_count; i++) {
        const struct chart_mark *mark = &plot->chart->marks[i];
        if (mark->is_level) {
            int row = chart_plot_row(plot, mark->at);
            for (int column = 0; row >= 0 && column < plot->area.width; column++) {
                grid_put(plot->grid, plot->area.x + column, plot->area.y + row, RULE_ACROSS,
                         mark->colour, 0);
            }
        } else {
            int column = chart_plot_column(plot, mark->at);
            for (int row = 0; column >= 0 && row < plot->area.height; row++) {
                grid_put(plot->grid, plot->area.x + column, plot->area.y + row, RULE_DOWN,
                         mark->colour, 0);
            }
        }
    }
}

/* Whether nothing but rules stands in the cells, counted from the corner of the area. */
static bool is_free(const struct plot *plot, int column, int row, int width) {
    if (column < 0 || row < 0 || column + width > plot->area.width || row >= plot->area.height) {
        return false;
    }
    for (int i = 0; i < width; i++) {
        uint32_t glyph = grid_at(plot->grid, plot->area.x + column + i, plot->area.y + row)->glyph;
        bool is_rule = plot->grid->ascii ? glyph == ':' || glyph == '-'
                                         : glyph == RULE_DOWN || glyph == RULE_ACROSS;
        if (glyph != ' ' && !is_rule) {
            return false;
        }
    }
    return true;
}

/* Beside its rule, in the first row from the top that is free, a blank between it and others. */
static void label_column(struct plot *plot, const struct chart_mark *mark, int width) {
    int column = chart_plot_column(plot, mark->at);
    for (int row = 0; column >= 0 && row < plot->area.height; row++) {
        /* with the cell of the rule, which another label may have taken, and the one behind */
        int right = column + 1, left = column - width;
        bool is_last = right + width == plot->area.width, is_first = left == 0;
        bool has_right = is_free(plot, column, row, 1 + width + !is_last);
        if (has_right || is_free(plot, left - !is_first, row, !is_first + width + 1)) {
            (void)grid_text(plot->grid, plot->area.x + (has_right ? right : left),
                            plot->area.y + row, width, mark->colour, 0, "%s", mark->label);
            return;
        }
    }
}

/* On its rule, over or under it, as far left as there is room. */
static void label_level(struct plot *plot, const struct chart_mark *mark, int width) {
    static const int offsets[] = {0, -1, 1, -2, 2};
    int row = chart_plot_row(plot, mark->at);
    for (int column = 1; row >= 0 && column + width <= plot->area.width; column++) {
        for (int i = 0; i < 5; i++) {
            if (is_free(plot, column, row + offsets[i], width)) {
                (void)grid_text(plot->grid, plot->area.x + column, plot->area.y + row + offsets[i],
                                width, mark->colour, 0, "%s", mark->label);
                return;
            }
        }
    }
}

void chart_guides_draw_mark_labels(struct plot *plot) {
    for (int i = 0; i < plot->chart->mark_count; i++) {
        const struct chart_mark *mark = &plot->chart->marks[i];
        int width = grid_columns(mark->label);
        if (width > 0 && mark->is_level) {
            label_level(plot, mark, width);
        } else if (width > 0) {
            label_column(plot, mark, width);
        }
    }
}

/* ---- signs on the x axis ------------------------------------------------------------------- */

void chart_guides_draw_gaps(struct plot *plot, const struct chart_line *line) {
    const struct trace *trace = line->band ? line->band : line->line;
    int y = plot->area.y + plot->area.height;
    for (ptrdiff_t i = 0; trace && i < trace->gap_count; i++) {
        int column = chart_plot_column(plot, trace->x[trace->gaps[i]]);
        if (column >= 0) {
            grid_put(plot->grid, plot->area.x + column, y, '!', GRID_ALARM, GRID_BOLD);
        }
    }
    if (!trace || !line->is_pointed || plot->y.scale == AXIS_LINEAR) {
        return;
    }
    for (ptrdiff_t i = 0; i < trace->count; i++) {
        int column = chart_plot_column(plot, trace->x[i]);
        if (trace->y[i] <= 0 && isfinite(trace->y[i]) && column >= 0) {
            grid_put(plot->grid, plot->area.x + column, y, TO_ZERO,
                     GRID_LINE + line->style % GRID_STYLES, GRID_BOLD);
        }
    }
}

/* ---- the cursor ---------------------------------------------------------------------------- */

void chart_guides_draw_cursor(struct plot *plot) {
    int column = plot->chart->has_cursor ? chart_plot_column(plot, plot->chart->cursor) : -1;
    for (int row = 0; column >= 0 && row < plot->area.height; row++) {
        int x = plot->area.x + column, y = plot->area.y + row;
        const struct cell *cell = grid_at(plot->grid, x, y);
        bool is_line = cell->colour >= GRID_LINE && cell->colour < GRID_LINE + GRID_STYLES;
        if (is_line && cell->glyph != ' ') {
            grid_mark(plot->grid, x, y, 1, GRID_REVERSE);
        } else {
            grid_put(plot->grid, x, y, RULE_DOWN, GRID_TEXT, 0);
        }
    }
}

/* ---- the slope triangle -------------------------------------------------------------------- */

/* A triangle of so many cells with its right angle at the lower right corner. */
struct triangle {
    int columns, rows;
    int column, row; /* of its upper left corner */
};

/* The leftmost column of the triangle in its row i. */
static int edge_of(const struct triangle *triangle, int i) {
    return (triangle->rows - 1 - i) * triangle->columns / triangle->rows;
}

static bool fits(const struct plot *plot, const struct triangle *triangle, int label) {
    for (int i = 0; i < triangle->rows; i++) {
        int from = edge_of(triangle, i);
        if (!is_free(plot, triangle->column + from, triangle->row + i,
                     triangle->columns - from + label)) {
            return false;
        }
    }
    return true;
}

/* The free place nearest to (column, row), of the triangle's middle. */
static bool find_place(const struct plot *plot, int column, int row, int label,
                       struct triangle *triangle) {
    int best = -1, best_column = 0, best_row = 0;
    for (int y = 0; y + triangle->rows <= plot->area.height; y++) {
        for (int x = 0; x + triangle->columns + label <= plot->area.width; x++) {
            int across = x + triangle->columns / 2 - column, down = y + triangle->rows / 2 - row;
            int distance = across * across + 4 * down * down; /* cells are twice as high as wide */
            triangle->column = x;
            triangle->row = y;
            if ((best < 0 || distance < best) && fits(plot, triangle, label)) {
                best = distance;
                best_column = x;
                best_row = y;
            }
        }
    }
    triangle->column = best_column;
    triangle->row = best_row;
    return best >= 0;
}

/* The middle of the coarser half of the line, in cells. */
static bool aim(const struct plot *plot, const struct trace *trace, int *column, int *row) {
    for (ptrdiff_t i = trace->count * 3 / 4; i >= 0 && i < trace->count; i--) {
        if (chart_plot_cell(plot, trace->x[i], trace->y[i], column, row)) {
            return true;
        }
    }
    return false;
}

static void lay_triangle(struct plot *plot, const struct triangle *triangle, double rise) {
    struct canvas canvas = {0};
    canvas_resize(&canvas, plot->chart->kind, triangle->columns, triangle->rows);
    canvas.pens[CANVAS_BANDS] = (struct canvas_pen){GRID_FAINT, '.', 0};
    double right = canvas.width - 1, foot = canvas.height - 1, top = fmax(0, foot - rise);
    canvas_line(&canvas, CANVAS_BANDS, 0, foot, right, foot);
    canvas_line(&canvas, CANVAS_BANDS, right, foot, right, top);
    canvas_line(&canvas, CANVAS_BANDS, 0, foot, right, top);
    canvas_lay(&canvas, plot->grid, plot->area.x + triangle->column, plot->area.y + triangle->row);
    canvas_free(&canvas);
}

void chart_guides_draw_triangle(struct plot *plot) {
    const struct chart *chart = plot->chart;
    double order = chart->triangle_order;
    int column, row;
    if (!(order > 0) || plot->x.scale == AXIS_LINEAR || plot->y.scale == AXIS_LINEAR ||
        chart->triangle_line >= chart->count ||
        !aim(plot, chart->lines[chart->triangle_line].line, &column, &row)) {
        return;
    }
    /* Dots up for one dot to the right. */
    double slope = order * log(plot->x.hi / plot->x.lo) / (plot->canvas.width - 1) *
                   (plot->canvas.height - 1) / log(plot->y.hi / plot->y.lo);
    int across = plot->canvas.width / plot->canvas.columns;
    int down = plot->canvas.height / plot->canvas.rows;
    char label[16];
    int length = snprintf(label, sizeof label, "%.3g", order);
    for (int columns = 10; columns >= 4; columns -= 2) {
        double rise = slope * (across * columns - 1);
        struct triangle triangle = {.columns = columns, .rows = (int)ceil((rise + 1) / down)};
        if (triangle.rows > plot->area.height / 2 || rise < down ||
            !find_place(plot, column, row, length, &triangle)) {
            continue;
        }
        lay_triangle(plot, &triangle, rise);
        (void)grid_text(plot->grid, plot->area.x + triangle.column + columns,
                        plot->area.y + triangle.row + triangle.rows / 2, length, GRID_FAINT, 0,
                        "%s", label);
        return;
    }
}
