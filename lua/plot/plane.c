#include "lua/plot/plane.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/plot/chart_plot.h"

/* Rounding at the edge of a region, such as on the imaginary axis. */
static const double STABLE = 1 + 1e-9;

static bool is_stable(const struct plane *plane, double re, double im) {
    return plane->growth(plane->scheme, re, im) <= STABLE;
}

static bool is_point(const double z[2]) {
    return isfinite(z[0]) && isfinite(z[1]);
}

static void include(struct plane_window *window, double re, double im) {
    window->re_lo = fmin(window->re_lo, re);
    window->re_hi = fmax(window->re_hi, re);
    window->im_lo = fmin(window->im_lo, im);
    window->im_hi = fmax(window->im_hi, im);
}

/* ---- windows ------------------------------------------------------------------------------- */

enum { CELLS = 192 }; /* of the grid on which a region is followed, along each axis */

/* The cells connected with the one left of 0, by their corners; false when they reach the edge. */
static bool follow(const struct plane *plane, double step, struct plane_window *window) {
    static const int moves[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    unsigned char seen[CELLS][CELLS] = {{0}};
    short stack[CELLS * CELLS][2];
    int count = 0;
    /* 0 lies at three quarters of the real axis and in the middle of the imaginary one */
    const int zero_x = CELLS * 3 / 4, zero_y = CELLS / 2;
    stack[count][0] = (short)(zero_x - 1);
    stack[count++][1] = (short)zero_y;
    seen[zero_x - 1][zero_y] = 1;
    while (count > 0) {
        const int x = stack[--count][0], y = stack[count][1];
        const double re = (x - zero_x) * step, im = (y - zero_y) * step;
        if (!is_stable(plane, re, im)) {
            continue;
        }
        if (x == 0 || y == 0 || x == CELLS - 1 || y == CELLS - 1) {
            return false;
        }
        include(window, re, im);
        for (int i = 0; i < 4; i++) {
            const int to_x = x + moves[i][0], to_y = y + moves[i][1];
            if (!seen[to_x][to_y]) {
                seen[to_x][to_y] = 1;
                stack[count][0] = (short)to_x;
                stack[count++][1] = (short)to_y;
            }
        }
    }
    return true;
}

struct plane_window plane_whole(const struct plane *plane) {
    const struct plane_window origin = {-0.1, 0.1, -0.1, 0.1}, unbounded = {-3, 3, -3, 3};
    struct plane_window window = origin;
    double step = 0.02;
    for (int doubling = 0; !follow(plane, step, &window); doubling++) {
        step *= 2;
        window = doubling < 8 ? origin : unbounded;
        if (doubling == 8) {
            break;
        }
    }
    for (int i = 0; i < plane->count; i++) {
        for (int j = 0; j < plane->sets[i].count; j++) {
            if (is_point(plane->sets[i].z[j])) {
                include(&window, plane->sets[i].z[j][0], plane->sets[i].z[j][1]);
            }
        }
    }
    const double across = 0.04 * (window.re_hi - window.re_lo);
    const double down = 0.04 * (window.im_hi - window.im_lo);
    return (struct plane_window){window.re_lo - across, window.re_hi + across, window.im_lo - down,
                                 window.im_hi + down};
}

/* The point of the set nearest to z; NULL when it has none. */
static const double *nearest(const struct plane_set *set, const double z[2]) {
    const double *best = NULL;
    for (int i = 0; i < set->count; i++) {
        const double *point = set->z[i];
        if (is_point(point) && (!best || hypot(point[0] - z[0], point[1] - z[1]) <
                                             hypot(best[0] - z[0], best[1] - z[1]))) {
            best = point;
        }
    }
    return best;
}

bool plane_close(const struct plane *plane, struct plane_window *window) {
    const double *first = NULL;
    for (int i = 0; i < plane->count && !first; i++) {
        for (int j = 0; j < plane->sets[i].count && !first; j++) {
            const double *z = plane->sets[i].z[j];
            first = is_point(z) && z[1] >= 0 ? z : NULL;
        }
    }
    if (!first) {
        return false;
    }
    *window = (struct plane_window){first[0], first[0], first[1], first[1]};
    for (int i = 0; i < plane->count; i++) {
        const double *z = nearest(&plane->sets[i], first);
        if (z) {
            include(window, z[0], z[1]);
        }
    }
    const double size = fmax(window->re_hi - window->re_lo, window->im_hi - window->im_lo);
    if (!(size > 1e-12 * hypot(first[0], first[1]))) {
        return false;
    }
    enum { AROUND = 2 }; /* sizes on each side, so that the outline is seen to go on */
    include(window, window->re_lo - size / AROUND, window->im_lo - size / AROUND);
    include(window, window->re_hi + size / AROUND, window->im_hi + size / AROUND);
    return true;
}

/* ---- one window ---------------------------------------------------------------------------- */

/* The axis from lo to hi, longer on both sides so that it shows `length`. */
static struct axis widened(double lo, double hi, double length) {
    const double middle = 0.5 * (lo + hi);
    return (struct axis){AXIS_LINEAR, middle - 0.5 * length, middle + 0.5 * length};
}

/* Places the area; false when the rectangle is too small. */
static bool arrange(struct plot *plot, struct rect rect, const struct plane_window *window) {
    if (rect.width < 16 || rect.height < 5) {
        return false;
    }
    plot->has_labels = true;
    const int rows = rect.height - 2, most = rows / 3 < 2 ? 2 : rows / 3;
    int widest = 3;
    for (int round = 0; round < 2; round++) { /* the labels' width changes the axis a little */
        const int columns = rect.width - widest - 2;
        const double wide = window->re_hi - window->re_lo, high = window->im_hi - window->im_lo;
        const double column = fmax(wide / columns, high / (2 * rows));
        plot->x = widened(window->re_lo, window->re_hi, column * columns);
        plot->y = widened(window->im_lo, window->im_hi, 2 * column * rows);
        plot->area = (struct rect){rect.x + widest + 2, rect.y, columns, rows};
        plot->tick_count = axis_ticks(&plot->y, most, plot->ticks);
        for (int i = 0; i < plot->tick_count; i++) {
            const int width = (int)strlen(plot->ticks[i].label);
            widest = width > widest ? width : widest;
        }
    }
    return plot->area.width >= 8;
}

static void draw_outline(struct plot *plot, const struct plane *plane) {
    struct canvas *canvas = &plot->canvas;
    /* row by row, with the row before: whether each dot is stable */
    unsigned char rows[2][2 * 512];
    const int width = canvas->width < 2 * 512 ? canvas->width : 2 * 512;
    canvas->pens[CANVAS_BANDS] = (struct canvas_pen){GRID_FAINT, '.', 0};
    for (int y = 0; y < canvas->height; y++) {
        unsigned char *row = rows[y % 2], *before = rows[(y + 1) % 2];
        const double im = axis_value(&plot->y, 1 - (double)y / (canvas->height - 1));
        for (int x = 0; x < width; x++) {
            const double re = axis_value(&plot->x, (double)x / (canvas->width - 1));
            row[x] = is_stable(plane, re, im);
            if (x > 0 && row[x] != row[x - 1]) {
                canvas_dot(canvas, CANVAS_BANDS, row[x] ? x : x - 1, y);
            }
            if (y > 0 && row[x] != before[x]) {
                canvas_dot(canvas, CANVAS_BANDS, x, row[x] ? y : y - 1);
            }
        }
    }
    canvas_lay(canvas, plot->grid, plot->area.x, plot->area.y);
}

/* Says which side of the outline is the stable one: in the longest run of free cells on it. */
static void draw_word(struct plot *plot, const struct plane *plane) {
    static const char word[] = "stable";
    enum { LENGTH = sizeof word - 1 };
    int longest = 0, at_x = 0, at_y = 0;
    for (int y = 0; y < plot->area.height; y++) {
        const double im = axis_value(&plot->y, 1 - (y + 0.5) / plot->area.height);
        int run = 0;
        for (int x = 0; x < plot->area.width; x++) {
            const double re = axis_value(&plot->x, (x + 0.5) / plot->area.width);
            const bool is_free =
                grid_at(plot->grid, plot->area.x + x, plot->area.y + y)->glyph == ' ';
            run = is_free && is_stable(plane, re, im) ? run + 1 : 0;
            if (run > longest) {
                longest = run;
                at_x = x + 1 - run;
                at_y = y;
            }
        }
    }
    if (longest >= LENGTH + 2) {
        (void)grid_text(plot->grid, plot->area.x + at_x + (longest - LENGTH) / 2,
                        plot->area.y + at_y, LENGTH, GRID_FAINT, 0, "%s", word);
    }
}

static void draw_marks(struct plot *plot, const struct plane *plane) {
    for (int i = plane->count - 1; i >= 0; i--) {
        const struct plane_set *set = &plane->sets[i];
        for (int j = 0; j < set->count; j++) {
            int column, row;
            if (is_point(set->z[j]) &&
                chart_plot_cell(plot, set->z[j][0], set->z[j][1], &column, &row)) {
                grid_put(plot->grid, plot->area.x + column, plot->area.y + row,
                         grid_marker(set->style), GRID_LINE + set->style % GRID_STYLES, GRID_BOLD);
            }
        }
    }
}

void plane_draw_window(struct grid *grid, struct rect rect, const struct plane *plane,
                       const struct plane_window *window) {
    const struct chart chart = {.kind = plane->kind,
                                .x_name = "Re",
                                .marks = {{.at = 0, .colour = GRID_FAINT},
                                          {.at = 0, .is_level = true, .colour = GRID_FAINT}},
                                .mark_count = 2};
    struct plot plot = {.grid = grid, .chart = &chart};
    if (!arrange(&plot, rect, window)) {
        return;
    }
    canvas_resize(&plot.canvas, plane->kind, plot.area.width, plot.area.height);
    chart_axes_draw(&plot);
    chart_guides_draw_marks(&plot);
    draw_outline(&plot, plane);
    draw_marks(&plot, plane);
    (void)grid_text(grid, plot.area.x, plot.area.y, 2, GRID_FAINT, 0, "Im");
    draw_word(&plot, plane);
    canvas_free(&plot.canvas);
}

/* ---- the drawing --------------------------------------------------------------------------- */

/* Eigenvalues that were computed are conjugate, or real, up to rounding. */
static double rounding_of(const double z[2]) {
    return 1e-10 * hypot(z[0], z[1]);
}

static bool is_real(const double z[2]) {
    return fabs(z[1]) <= rounding_of(z);
}

/* Whether the set holds the conjugate of its point. */
static bool has_conjugate(const struct plane_set *set, int index) {
    const double *z = set->z[index];
    for (int i = 0; i < set->count && !is_real(z); i++) {
        if (hypot(set->z[i][0] - z[0], set->z[i][1] + z[1]) <= rounding_of(z)) {
            return true;
        }
    }
    return false;
}

/* "-0.00500 \u00b1 0.0998i  |R| 1.0000": a conjugate pair is one, with its sign. */
static int write_value(const struct plane *plane, const struct plane_set *set, int index,
                       bool is_ascii, char *text, size_t size) {
    const double *z = set->z[index];
    char imaginary[40] = "";
    if (!is_real(z)) {
        const char *pair = is_ascii ? "+-" : "\u00b1";
        const char *sign = has_conjugate(set, index) ? pair : z[1] < 0 ? "-" : "+";
        (void)snprintf(imaginary, sizeof imaginary, " %s %.6gi", sign, fabs(z[1]));
    }
    return snprintf(text, size, "%.6g%s  |R| %.6g", z[0], imaginary,
                    plane->growth(plane->scheme, z[0], z[1]));
}

/* The first earlier set that has a point within `near` of each of this one's; -1: none. */
static int covered_by(const struct plane *plane, int index, double near) {
    const struct plane_set *set = &plane->sets[index];
    for (int i = 0; i < index && set->count > 0; i++) {
        bool is_covered = true;
        for (int j = 0; j < set->count && is_covered; j++) {
            const double *z = nearest(&plane->sets[i], set->z[j]);
            is_covered = z && hypot(z[0] - set->z[j][0], z[1] - set->z[j][1]) <= near;
        }
        if (is_covered) {
            return i;
        }
    }
    return -1;
}

/* A row per set: marker, name, values; of a conjugate pair the upper one. A set that lies under an
 * earlier one in every window says so; `near` is how far apart that is. */
static void draw_rows(struct grid *grid, struct rect rect, const struct plane *plane, double near) {
    const int end = rect.x + rect.width;
    for (int i = 0; i < plane->count && i < rect.height; i++) {
        const struct plane_set *set = &plane->sets[i];
        const int colour = GRID_LINE + set->style % GRID_STYLES, y = rect.y + i;
        grid_put(grid, rect.x, y, grid_marker(set->style), colour, GRID_BOLD);
        (void)grid_text(grid, rect.x + 2, y, 10, colour, GRID_BOLD, "%s", set->name);
        int x = rect.x + 13;
        const int cover = covered_by(plane, i, near);
        if (cover >= 0) {
            const struct plane_set *over = &plane->sets[cover];
            x += grid_text(grid, x, y, end - x, GRID_FAINT, 0, "under ");
            grid_put(grid, x, y, grid_marker(over->style), GRID_LINE + over->style % GRID_STYLES,
                     GRID_BOLD);
            x += 3;
        }
        for (int j = 0; j < set->count; j++) {
            if (set->z[j][1] < 0 && has_conjugate(set, j)) {
                continue;
            }
            char text[120];
            const int length = write_value(plane, set, j, grid->ascii, text, sizeof text);
            if (x + length > end) {
                grid_put(grid, x < end ? x : end - 1, y, 0x2026, GRID_FAINT, 0);
                break;
            }
            x += 3 + grid_text(grid, x, y, end - x, GRID_TEXT, 0, "%s", text);
        }
    }
}

void plane_draw(struct grid *grid, struct rect rect, const struct plane *plane) {
    enum { BESIDE = 64, LEAST_ROWS = 8 };
    const struct plane_window whole = plane_whole(plane);
    struct plane_window near;
    int rows = plane->count < rect.height - LEAST_ROWS ? plane->count : rect.height - LEAST_ROWS;
    rows = rows < 0 ? 0 : rows;
    struct rect area = {rect.x, rect.y, rect.width, rect.height - rows};
    /* Marks closer than a few cells of the whole are drawn once more. */
    const bool has_near =
        plane_close(plane, &near) && near.re_hi - near.re_lo < 0.3 * (whole.re_hi - whole.re_lo);
    struct rect second = area;
    const bool is_beside = has_near && area.width >= BESIDE;
    const bool is_beneath = has_near && !is_beside && area.height >= 4 * LEAST_ROWS;
    if (is_beside) {
        area.width = rect.width / 2;
        second.x += area.width + 1;
        second.width -= area.width + 1;
    } else if (is_beneath) {
        area.height /= 2;
        second.y += area.height;
        second.height -= area.height;
    }
    plane_draw_window(grid, area, plane, &whole);
    if (is_beside || is_beneath) {
        plane_draw_window(grid, second, plane, &near);
    }
    const struct plane_window *closest = is_beside || is_beneath ? &near : &whole;
    draw_rows(grid, (struct rect){rect.x, rect.y + rect.height - rows, rect.width, rows}, plane,
              0.01 * (closest->re_hi - closest->re_lo));
}
