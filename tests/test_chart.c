#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua/plot/axis.h"
#include "lua/plot/canvas.h"
#include "lua/plot/chart.h"
#include "lua/plot/format.h"
#include "lua/plot/grid.h"
#include "lua/plot/trace.h"

static void set_locale(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

TestSuite(chart, .init = set_locale);

/* The grid as text; valid until the next call. */
static const char *text_of(const struct grid *grid) {
    static char text[65536];
    FILE *file = fmemopen(text, sizeof text, "w");
    grid_write(grid, file);
    (void)fclose(file);
    return text;
}

Test(chart, axis_bounds_hold_the_data_and_have_few_round_ticks) {
    static const double ranges[][2] = {{0.334, 2.41}, {-3.7, 11.2}, {83.21, 83.29}, {0, 1e-7},
                                       {5, 5},        {0, 0},       {1e5, 7.3e6},   {-2, -1.5}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (int most = 2; most <= 9; most++) {
            struct axis axis = axis_fit(AXIS_LINEAR, ranges[i][0], ranges[i][1], most);
            double width = axis.hi - axis.lo, range = ranges[i][1] - ranges[i][0];
            cr_expect(axis.lo <= ranges[i][0] && axis.hi >= ranges[i][1] && width > 0);
            cr_expect(range == 0 || width <= 3 * range, "range %zu: %g..%g", i, axis.lo, axis.hi);
            struct tick ticks[AXIS_TICKS];
            int count = axis_ticks(&axis, most, ticks);
            cr_expect(count >= 1 && count <= most, "%d ticks of %d, range %zu", count, most, i);
            for (int j = 0; j < count; j++) {
                cr_expect_float_eq(strtod(ticks[j].label, NULL), ticks[j].value,
                                   1e-3 * width + 1e-12, "%s is not %g", ticks[j].label,
                                   ticks[j].value);
            }
        }
    }
}

Test(chart, log_axis_has_decades_and_minor_ticks) {
    struct axis axis = axis_fit(AXIS_LOG, 0.0131, 47.3, 4);
    cr_expect(axis.lo <= 0.0131 && axis.lo >= 0.01 && axis.hi >= 47.3 && axis.hi <= 50);
    struct tick ticks[AXIS_TICKS];
    int count = axis_ticks(&axis, 4, ticks), major = 0;
    for (int i = 0; i < count; i++) {
        double power = log10(ticks[i].value);
        major += ticks[i].is_major;
        cr_expect_eq(ticks[i].is_major, fabs(power - round(power)) < 1e-9);
    }
    cr_expect_eq(major, 4, "0.01 0.1 1 10");
    cr_expect_gt(count, 25);
    cr_expect_float_eq(axis_place(&axis, sqrt(axis.lo * axis.hi)), 0.5, 1e-12);
    cr_expect(isnan(axis_place(&axis, -1)));
    for (double place = 0; place <= 1; place += 0.1) {
        cr_expect_float_eq(axis_place(&axis, axis_value(&axis, place)), place, 1e-12);
    }
}

Test(chart, axis_of_steps_has_ticks_at_powers_of_two) {
    struct axis axis = axis_fit(AXIS_LOG2, 1, 16, 9);
    struct tick ticks[AXIS_TICKS];
    cr_expect_eq(axis_ticks(&axis, 9, ticks), 5);
    cr_expect_str_eq(ticks[4].label, "16");
}

Test(chart, growing_axis_changes_seldom_and_ends_at_the_total) {
    double end = 0;
    int changes = 0;
    for (double step = 0; step <= 3752; step++) {
        double grown = axis_grown(step, 3752);
        cr_assert(grown >= step && grown <= 3752);
        cr_assert_geq(grown, end, "never shrinks");
        changes += grown != end;
        end = grown;
    }
    cr_expect_eq(end, 3752);
    cr_expect_leq(changes, 24);
    cr_expect_geq(axis_grown(4000, 3752), 4000);
    cr_expect_eq(axis_grown(0, (double)NAN), 10);
}

Test(chart, extent_of_a_trace_is_that_of_all_its_points) {
    struct trace trace = {0};
    srand(7);
    enum { COUNT = 1000 };
    for (int i = 0; i < COUNT; i++) {
        double y = i % 97 == 13 ? (double)NAN : (double)rand() / RAND_MAX - 0.3;
        trace_add(&trace, i, y);
    }
    cr_expect_eq(trace.gap_count, 11);
    for (int round = 0; round < 300; round++) {
        ptrdiff_t first = rand() % COUNT, last = first + rand() % (COUNT - first + 1);
        bool positive = rand() % 2;
        double lo, hi, true_lo = (double)INFINITY, true_hi = -(double)INFINITY;
        for (ptrdiff_t i = first; i < last; i++) {
            if (isfinite(trace.y[i]) && (!positive || trace.y[i] > 0)) {
                true_lo = fmin(true_lo, trace.y[i]);
                true_hi = fmax(true_hi, trace.y[i]);
            }
        }
        bool any = trace_extent(&trace, first, last, positive, &lo, &hi);
        cr_assert_eq(any, true_lo <= true_hi);
        cr_assert(!any || (lo == true_lo && hi == true_hi));
    }
    trace_free(&trace);
}

Test(chart, trace_of_a_resumed_run_replaces_what_is_done_again) {
    struct trace trace = {0};
    for (int i = 1; i <= 200; i++) {
        trace_add(&trace, i, i == 190 ? (double)INFINITY : 100);
    }
    trace_add(&trace, 151, 7.25);
    cr_expect_eq(trace.count, 151);
    cr_expect_eq(trace.gap_count, 0);
    cr_expect_eq(trace.y[150], 7.25);
    double lo, hi;
    cr_expect(trace_extent(&trace, 0, trace.count, false, &lo, &hi));
    cr_expect_eq(lo, 7.25);
    trace_add(&trace, (double)NAN, 1);
    cr_expect_eq(trace.count, 151);
    trace_free(&trace);
}

Test(chart, braille_dots_are_the_bits_of_unicode) {
    struct canvas canvas = {0};
    struct grid grid = {0};
    canvas_resize(&canvas, CANVAS_BRAILLE, 3, 1);
    grid_resize(&grid, 3, 1);
    canvas_dot(&canvas, CANVAS_BANDS, 0, 0);
    canvas_dot(&canvas, CANVAS_BANDS, 1, 3);
    canvas_dot(&canvas, CANVAS_BANDS, 2, 1);
    canvas_dot(&canvas, CANVAS_BANDS, 99, 1);
    canvas_dot(&canvas, CANVAS_BANDS, -1, -1);
    canvas_lay(&canvas, &grid, 0, 0);
    cr_expect_eq(grid_at(&grid, 0, 0)->glyph, 0x2881);
    cr_expect_eq(grid_at(&grid, 1, 0)->glyph, 0x2802);
    cr_expect_eq(grid_at(&grid, 2, 0)->glyph, ' ', "an empty cell stays a blank");
    canvas_free(&canvas);
    grid_free(&grid);
}

Test(chart, line_hides_band_and_the_longer_line_gives_the_colour) {
    struct canvas canvas = {0};
    struct grid grid = {0};
    canvas_resize(&canvas, CANVAS_BRAILLE, 1, 1);
    grid_resize(&grid, 1, 1);
    canvas.pens[0].colour = GRID_BAND;
    canvas.pens[CANVAS_BANDS].colour = GRID_LINE;
    canvas.pens[CANVAS_BANDS + 1].colour = GRID_LINE + 1;
    canvas_shade(&canvas, 0, 0, 0, 3);
    canvas_lay(&canvas, &grid, 0, 0);
    cr_expect_eq(grid_at(&grid, 0, 0)->colour, GRID_BAND);
    canvas_dot(&canvas, CANVAS_BANDS, 1, 3);
    canvas_line(&canvas, CANVAS_BANDS + 1, 0, 1, 1, 1);
    canvas_lay(&canvas, &grid, 0, 0);
    cr_expect_eq(grid_at(&grid, 0, 0)->colour, GRID_LINE + 1);
    cr_expect_eq(grid_at(&grid, 0, 0)->glyph, 0x2892, "without the band's dots");
    canvas_free(&canvas);
    grid_free(&grid);
}

Test(chart, line_from_far_outside_is_cut_where_it_crosses) {
    struct canvas canvas = {0};
    struct grid grid = {0};
    canvas_resize(&canvas, CANVAS_ASCII, 11, 11);
    canvas.pens[CANVAS_BANDS].letter = '*';
    grid_resize(&grid, 11, 11);
    canvas_line(&canvas, CANVAS_BANDS, -1e9, -1e9, 1e9, 1e9);
    canvas_line(&canvas, CANVAS_BANDS, -5, 20, 3, 400);
    canvas_line(&canvas, CANVAS_BANDS, (double)NAN, 0, 1, 1);
    canvas_lay(&canvas, &grid, 0, 0);
    for (int y = 0; y < 11; y++) {
        for (int x = 0; x < 11; x++) {
            cr_expect_eq(grid_at(&grid, x, y)->glyph == '*', x == y, "(%d, %d)", x, y);
        }
    }
    canvas_free(&canvas);
    grid_free(&grid);
}

static struct chart make_chart(enum canvas_kind kind) {
    return (struct chart){
        .kind = kind, .floor_y = (double)NAN, .ceil_y = (double)NAN, .x_hi = 100, .x_name = "step"};
}

Test(chart, peak_of_one_point_in_ten_thousand_is_seen) {
    struct trace trace = {0};
    for (int i = 0; i < 10000; i++) {
        trace_add(&trace, i * 0.01, i == 6173 ? 9 : 1);
    }
    struct chart chart = make_chart(CANVAS_ASCII);
    chart.count = 1;
    chart.lines[0] = (struct chart_line){.line = &trace};
    struct grid grid = {.ascii = true};
    grid_resize(&grid, 60, 12);
    chart_draw(&grid, (struct rect){0, 0, 60, 12}, &chart);
    bool is_high = false;
    for (int x = 10; x < 60; x++) {
        for (int y = 0; y < 2; y++) {
            is_high |= grid_at(&grid, x, y)->glyph == '*';
        }
    }
    cr_expect(is_high, "%s", text_of(&grid));
    trace_free(&trace);
    grid_free(&grid);
}

Test(chart, losses_that_are_not_finite_are_marked_on_the_axis_and_leave_a_gap) {
    struct trace trace = {0};
    for (int i = 0; i <= 40; i++) {
        trace_add(&trace, i * 2.5, i > 15 && i < 25 ? (double)NAN : 3);
    }
    struct chart chart = make_chart(CANVAS_ASCII);
    chart.count = 1;
    chart.lines[0] = (struct chart_line){.line = &trace};
    struct grid grid = {.ascii = true};
    grid_resize(&grid, 50, 10);
    chart_draw(&grid, (struct rect){0, 0, 50, 10}, &chart);
    int marks = 0, dots = 0;
    for (int x = 0; x < 50; x++) {
        marks += grid_at(&grid, x, 8)->glyph == '!' && grid_at(&grid, x, 8)->colour == GRID_ALARM;
        for (int y = 0; y < 8 && x > 5; y++) {
            dots += grid_at(&grid, x, y)->glyph == '*';
            cr_expect(x < 24 || x > 29 || grid_at(&grid, x, y)->glyph != '*');
        }
    }
    cr_expect_geq(marks, 8, "%s", text_of(&grid));
    cr_expect_geq(dots, 25);
    trace_free(&trace);
    grid_free(&grid);
}

Test(chart, labels_stand_at_the_ends_and_never_on_each_other) {
    struct trace traces[4] = {{0}};
    struct chart chart = make_chart(CANVAS_BRAILLE);
    for (int i = 0; i < 4; i++) {
        for (int x = 0; x <= 60; x += 5) {
            trace_add(&traces[i], x, 2 + 0.01 * i);
        }
        struct chart_line *line = &chart.lines[chart.count++];
        *line = (struct chart_line){.line = &traces[i], .style = i};
        (void)snprintf(line->label, sizeof line->label, "label%c", 'A' + i);
    }
    trace_add(&traces[0], 100, 3);
    struct grid grid = {0};
    grid_resize(&grid, 60, 16);
    chart_draw(&grid, (struct rect){0, 0, 60, 16}, &chart);
    const char *text = text_of(&grid);
    for (int i = 0; i < 4; i++) {
        char label[8];
        (void)snprintf(label, sizeof label, "label%c", 'A' + i);
        cr_expect_not_null(strstr(text, label), "%s in\n%s", label, text);
        trace_free(&traces[i]);
    }
    grid_free(&grid);
}

Test(chart, any_size_and_any_data_is_drawn_without_harm) {
    struct trace traces[3] = {{0}};
    for (int i = 0; i < 300; i++) {
        trace_add(&traces[0], i, i % 7 - 3);
        trace_add(&traces[1], i, i % 5 ? (double)INFINITY : 1e300);
    }
    struct grid grid = {0};
    for (int width = 1; width < 70; width += 4) {
        for (int height = 1; height < 20; height += 2) {
            grid_resize(&grid, width, height);
            for (int scale = 0; scale < 4; scale++) {
                struct chart chart = make_chart((enum canvas_kind)(width % 3));
                chart.scale_y = scale & 1 ? AXIS_LOG : AXIS_LINEAR;
                chart.scale_x = scale & 2 ? AXIS_LOG : AXIS_LINEAR;
                chart.x_lo = scale & 2 ? 0.5 : 0;
                chart.is_mono = height % 4 == 1;
                chart.has_cursor = true;
                chart.cursor = 50;
                chart.count = 3;
                for (int i = 0; i < 3; i++) {
                    chart.lines[i] = (struct chart_line){.line = &traces[i],
                                                         .band = &traces[i],
                                                         .style = i,
                                                         .is_pointed = i == 0,
                                                         .label = "name"};
                }
                chart_draw(&grid, (struct rect){0, 0, width, height}, &chart);
            }
        }
    }
    grid_free(&grid);
    for (int i = 0; i < 3; i++) {
        trace_free(&traces[i]);
    }
}

Test(chart, numbers_are_written_with_three_digits_and_units) {
    char text[FORMAT_SIZE];
    static const struct {
        double value;
        const char *text;
    } values[] = {{2.4, "2.40"},
                  {0.3341, "0.334"},
                  {0.05, "0.0500"},
                  {1650.3, "1650"},
                  {0, "0"},
                  {1.2e-5, "1.20e-05"},
                  {99.96, "100"},
                  {(double)NAN, "nan"},
                  {-(double)INFINITY, "-inf"}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cr_expect_str_eq(format_value(values[i].value, text), values[i].text);
    }
    static const struct {
        double seconds;
        const char *text;
    } durations[] = {{0.42, "0.4 s"},  {53.4, "53 s"},  {59.9, "59 s"},    {150, "2m30s"},
                     {3599, "59m59s"}, {3900, "1h05m"}, {273600, "3d04h"}, {(double)NAN, "-"}};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        cr_expect_str_eq(format_duration(durations[i].seconds, text), durations[i].text);
    }
}

Test(chart, text_of_strangers_cannot_break_the_grid) {
    struct grid grid = {0};
    grid_resize(&grid, 20, 1);
    cr_expect_eq(grid_text(&grid, 0, 0, 20, 0, 0, "%s",
                           "a\033[2J\xff\xc3\xa9\xe4\xb8\xad"
                           "b"),
                 9);
    cr_expect_str_eq(text_of(&grid), "a?[2J?\xc3\xa9?b\n");
    grid_free(&grid);
}
