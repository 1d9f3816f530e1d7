/* Panel 2: the accuracy of the same weights under other schemes and step counts. A table per run,
 * the trained cell in brackets, a bar beside each number, the verdict on the gap beneath; what was
 * measured on weights that have changed a good deal since is faint and has a tilde. Where there is
 * room, accuracy over steps as a chart. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/panel.h"
#include "app/wrap.h"
#include "lua/plot/chart.h"

enum { FIRST_COLUMN = 7, CELL = 8, WIDE_CELL = 10, MOST_BLOCKS = SCENE_TRACKS };

struct block {
    const struct track *track;
    struct table table;
    struct gap gap;
};

static void note(const struct scene *scene, int room, char *text, size_t size) {
    text[0] = 0;
    const struct track *track;
    struct table table;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        if (track_table(track, &table) && table.images > 0) {
            (void)snprintf(text, size, room > 24 ? "accuracy, %% of %.0f images" : "%% of %.0f",
                           table.images);
            return;
        }
    }
}

static int width_of(const struct block *block, int cell) {
    return FIRST_COLUMN + cell * block->table.scheme_count;
}

/* A scheme's name in at most `most` columns. */
static void short_name(const char *name, int most, char text[32]) {
    if ((int)strlen(name) > most && strcmp(name, "midpoint") == 0) {
        name = "midpt";
    }
    (void)snprintf(text, 32, "%.*s", most, name);
}

/* Common to all tables on the screen, so that the bars of two runs can be compared. */
static void heat_range(const struct block *blocks, int count, double *lo, double *hi) {
    enum { LEAST_RANGE = 10 }; /* points: smaller differences are no news */
    *lo = 100;
    *hi = 0;
    for (int i = 0; i < count; i++) {
        const struct table *table = &blocks[i].table;
        for (int row = 0; row < table->step_count; row++) {
            for (int column = 0; column < table->scheme_count; column++) {
                double value = table->accuracy[row][column];
                if (isfinite(value)) {
                    *lo = fmin(*lo, value);
                    *hi = fmax(*hi, value);
                }
            }
        }
    }
    *lo = fmin(*lo, *hi - LEAST_RANGE);
}

/* Whether the weights that the cell was measured on have changed a good deal since. */
static bool is_stale(const struct block *block, int row, int column) {
    double now = track_step(block->track);
    return now - block->table.measured[row][column] > fmax(20, 0.1 * now);
}

/* The training step of the oldest stale cell; nan when there is none. */
static double oldest(const struct block *block) {
    double step = (double)NAN;
    for (int row = 0; row < block->table.step_count; row++) {
        for (int column = 0; column < block->table.scheme_count; column++) {
            if (is_stale(block, row, column)) {
                step = fmin(step, block->table.measured[row][column]);
            }
        }
    }
    return step;
}

static void draw_cell(struct grid *grid, int end, int y, const struct block *block, int row,
                      int column, double lo, double hi) {
    double value = block->table.accuracy[row][column];
    bool is_trained = row == block->table.trained_row && column == block->table.trained_column;
    bool is_old = is_stale(block, row, column), is_faint = is_old || !isfinite(value);
    char number[16], text[24];
    (void)snprintf(number, sizeof number, isfinite(value) ? "%s%.1f" : ".", is_old ? "~" : "",
                   value);
    (void)snprintf(text, sizeof text, is_trained ? "[%s]" : "%s ", number);
    (void)grid_text_right(grid, end - 1, y, 7, is_faint ? GRID_FAINT : GRID_TEXT,
                          is_trained ? GRID_BOLD : 0, "%s", text);
    if (isfinite(value)) {
        int level = (int)lround(7 * (value - lo) / (hi - lo));
        level = level < 0 ? 0 : level > 7 ? 7 : level;
        grid_put(grid, end - 1, y, 0x2581u + (uint32_t)level,
                 is_old ? GRID_FAINT : GRID_HEAT + level, 0);
    }
}

static int gap_rows(const struct block *block, int width) {
    char text[80];
    track_gap_text(block->track, &block->gap, text, sizeof text);
    return (int)strlen(text) + 3 > width ? 2 : 1;
}

static void draw_gap(struct grid *grid, struct rect rect, const struct block *block) {
    char text[80], line[96];
    track_gap_text(block->track, &block->gap, text, sizeof text);
    bool is_alarm = block->gap.is_known && block->gap.is_alarm;
    const char *sign = !block->gap.is_known ? "" : is_alarm ? "!! " : "ok ";
    int colour = !block->gap.is_known ? GRID_FAINT : is_alarm ? GRID_ALARM : GRID_GOOD;
    (void)snprintf(line, sizeof line, "%s%s", sign, text);
    if (rect.height < 2 && (int)strlen(line) > rect.width && block->gap.is_known) {
        (void)snprintf(line, sizeof line, "%s%+.1f points to its ODE limit", sign,
                       block->gap.points);
    }
    (void)wrap_draw(grid, rect, colour, is_alarm ? GRID_BOLD : 0, line);
}

/* Which of `count` rows or columns are shown when there is room for `room` only: the trained one,
 * the last, the first, and of the others as many as fit. Fills chosen in ascending order. */
static int choose(int trained, int count, int room, int chosen[TABLE_STEPS]) {
    bool keep[TABLE_STEPS] = {false};
    int order[TABLE_STEPS + 3] = {trained, count - 1, 0}, kept = 0, found = 0;
    for (int i = 0; i < count; i++) {
        order[3 + i] = count - 1 - i;
    }
    for (int i = 0; i < count + 3 && kept < room; i++) {
        if (order[i] >= 0 && !keep[order[i]]) {
            keep[order[i]] = true;
            kept++;
        }
    }
    for (int i = 0; i < count; i++) {
        if (keep[i]) {
            chosen[found++] = i;
        }
    }
    return found;
}

/* The head: names of the schemes over their columns. */
static void draw_head(struct grid *grid, struct rect rect, const struct block *block, int cell,
                      const int *columns, int count) {
    const struct table *table = &block->table;
    (void)grid_text_right(grid, rect.x + FIRST_COLUMN, rect.y, 5, GRID_FAINT, 0, "steps");
    for (int i = 0; i < count; i++) {
        char name[32];
        short_name(block->track->series->schemes[table->schemes[columns[i]]], cell - 2, name);
        (void)grid_text_right(grid, rect.x + FIRST_COLUMN + cell * (i + 1) - 2, rect.y, cell,
                              GRID_FAINT, 0, "%s", name);
    }
    if (count < table->scheme_count) {
        grid_put(grid, rect.x + FIRST_COLUMN + cell * count - 1, rect.y, 0x2026, GRID_FAINT, 0);
    }
}

static void draw_block(struct grid *grid, struct rect rect, const struct block *block, int cell,
                       double lo, double hi) {
    const struct table *table = &block->table;
    const struct series *series = block->track->series;
    int colour = GRID_LINE + block->track->style % GRID_STYLES, y = rect.y;
    int end = rect.y + rect.height, verdict = gap_rows(block, rect.width);
    if (rect.height < table->step_count + 1 + verdict) {
        verdict = 1;
    }
    bool has_name = rect.height >= table->step_count + 2 + verdict;
    if (has_name) {
        grid_put(grid, rect.x, y, grid_marker(block->track->style), colour, GRID_BOLD);
        int used =
            grid_text(grid, rect.x + 2, y, rect.width - 2, colour, GRID_BOLD, "%s", series->name);
        (void)grid_text(grid, rect.x + 4 + used, y, rect.width - 4 - used, GRID_FAINT, 0,
                        "trained %s %d", series->trained_scheme, series->trained_steps);
        y++;
    } else {
        grid_put(grid, rect.x, y, grid_marker(block->track->style), colour, GRID_BOLD);
    }
    int rows[TABLE_STEPS], columns[TABLE_STEPS];
    int across = choose(table->trained_column, table->scheme_count,
                        (rect.width - FIRST_COLUMN) / cell, columns);
    draw_head(grid, (struct rect){rect.x, y, rect.width, 1}, block, cell, columns, across);
    y++;
    int count = choose(table->trained_row, table->step_count, end - y - verdict, rows);
    for (int i = 0; i < count; i++, y++) {
        (void)grid_text_right(grid, rect.x + FIRST_COLUMN, y, 6, GRID_TEXT, 0, "%d",
                              table->steps[rows[i]]);
        for (int j = 0; j < across; j++) {
            draw_cell(grid, rect.x + FIRST_COLUMN + cell * (j + 1), y, block, rows[i], columns[j],
                      lo, hi);
        }
    }
    draw_gap(grid, (struct rect){rect.x, y, rect.width, end - y < 2 ? end - y : 2}, block);
    y += verdict;
    if (y < end && isfinite(oldest(block))) {
        (void)grid_text(grid, rect.x, y, rect.width, GRID_FAINT, 0, "~ old weights, from step %.0f",
                        oldest(block));
    }
}

/* A letter of the scheme's name that no earlier scheme of the table has taken. */
static char letter_of(const struct series *series, const struct table *table, int column,
                      char letters[TABLE_SCHEMES]) {
    const char *name = series->schemes[table->schemes[column]];
    for (const char *letter = name; *letter; letter++) {
        if (*letter != '_' && !memchr(letters, *letter, (size_t)column)) {
            return *letter;
        }
    }
    return (char)('1' + column);
}

/* Accuracy over steps: colour says the run, the letter says the scheme. */
static void draw_chart(const struct scene *scene, struct grid *grid, struct rect rect,
                       const struct block *blocks, int count) {
    struct chart chart = {
        .kind = scene->kind,
        .is_mono = scene->is_mono,
        .scale_x = scene->log_x[PANEL_SWEEP] ? AXIS_LINEAR : AXIS_LOG2,
        .scale_y = scene->log_y[PANEL_SWEEP] ? AXIS_LOG : AXIS_LINEAR,
        .x_lo = (double)INFINITY,
        .x_hi = 1,
        .floor_y = 0,
        .ceil_y = 100,
        .least_range = 10,
        .x_name = "steps",
    };
    struct trace traces[CHART_LINES];
    memset(traces, 0, sizeof traces);
    for (int i = 0; i < count; i++) {
        const struct table *table = &blocks[i].table;
        const struct series *series = blocks[i].track->series;
        char letters[TABLE_SCHEMES] = {0};
        chart.x_lo = fmin(chart.x_lo, table->steps[0]);
        chart.x_hi = fmax(chart.x_hi, table->steps[table->step_count - 1]);
        for (int column = 0; column < table->scheme_count && chart.count < CHART_LINES - 1;
             column++) {
            letters[column] = letter_of(series, table, column, letters);
            struct trace *trace = &traces[chart.count];
            struct chart_line *line = &chart.lines[chart.count++];
            *line = (struct chart_line){.line = trace,
                                        .style = blocks[i].track->style,
                                        .marker = (uint32_t)letters[column],
                                        .is_pointed = true};
            (void)snprintf(line->label, sizeof line->label, "%.31s",
                           series->schemes[table->schemes[column]]);
            for (int row = 0; row < table->step_count; row++) {
                if (isfinite(table->accuracy[row][column])) {
                    trace_add(trace, table->steps[row], table->accuracy[row][column]);
                }
            }
        }
        if (blocks[i].gap.is_known && chart.count < CHART_LINES) {
            struct trace *trace = &traces[chart.count];
            trace_add(trace, table->steps[table->trained_row], blocks[i].gap.trained);
            chart.lines[chart.count++] = (struct chart_line){.line = trace,
                                                             .style = blocks[i].track->style,
                                                             .is_pointed = true,
                                                             .label = "trained"};
        }
    }
    if (chart.x_lo < chart.x_hi) {
        chart_draw(grid, rect, &chart);
    }
    for (int i = 0; i < CHART_LINES; i++) {
        trace_free(&traces[i]);
    }
}

static void draw(const struct scene *scene, struct grid *grid, struct rect rect) {
    struct block blocks[MOST_BLOCKS];
    int count = 0, widest = 0, tallest = 0;
    const struct track *track;
    for (int i = 0; (track = scene_shown(scene, i)); i++) {
        blocks[count].track = track;
        if (track_table(track, &blocks[count].table)) {
            blocks[count].gap = track_gap(track, &blocks[count].table);
            widest =
                width_of(&blocks[count], CELL) > widest ? width_of(&blocks[count], CELL) : widest;
            int rows = blocks[count].table.step_count;
            tallest = rows > tallest ? rows : tallest;
            count++;
        }
    }
    rect.x++;
    rect.width--;
    if (count == 0) {
        (void)wrap_draw(
            grid, rect, GRID_FAINT, 0,
            "No probes. Give cn.train{...} the option probe = { schemes=, steps= } to see "
            "what the same weights reach under other schemes and steps.");
        return;
    }
    double lo, hi;
    heat_range(blocks, count, &lo, &hi);
    int across = (rect.width + 2) / (widest + 2);
    across = across < 1 ? 1 : across > count ? count : across;
    int down = (count + across - 1) / across;
    while (down > 1 && rect.height / down < 5) { /* the last ones have no room: o hides runs */
        down--;
    }
    int width = (rect.width + 2) / across - 2, cell = CELL;
    width = across == 1 ? rect.width : width;
    int schemes = (widest - FIRST_COLUMN) / CELL;
    if (width >= FIRST_COLUMN + WIDE_CELL * schemes) {
        cell = WIDE_CELL;
    }
    bool any_stale = false;
    for (int i = 0; i < count; i++) {
        any_stale = any_stale || isfinite(oldest(&blocks[i]));
    }
    int full = tallest + 2 + (gap_rows(&blocks[0], width) > 1 ? 2 : 1) + any_stale;
    int height = (rect.height - (down - 1)) / down;
    bool has_chart = rect.height - down * (full + 1) >= 8;
    height = height > full ? full : height;
    for (int i = 0; i < count && i < across * down; i++) {
        struct rect place = {rect.x + i % across * (width + 2), rect.y + i / across * (height + 1),
                             width, height};
        draw_block(grid, place, &blocks[i], cell, lo, hi);
    }
    if (has_chart) {
        int used = down * (height + 1);
        draw_chart(scene, grid,
                   (struct rect){rect.x - 1, rect.y + used, rect.width + 1, rect.height - used},
                   blocks, count);
    }
}

const struct panel panel_sweep = {
    .title = "same weights, other steps",
    .short_title = "same weights",
    .note = note,
    .draw = draw,
};
