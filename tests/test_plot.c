/* Charts of convergence and of the complex plane, and what is put over lines. */
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "lua/plot/chart.h"
#include "lua/plot/loglog.h"
#include "lua/plot/plane.h"

static struct grid grid;

static void begin(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static void end(void) {
    grid_free(&grid);
}

TestSuite(plot, .init = begin, .fini = end);

static const char *text_of(void) {
    static char text[65536];
    FILE *file = fmemopen(text, sizeof text, "w");
    grid_write(&grid, file);
    (void)fclose(file);
    return text;
}

static int count_of(uint32_t from, uint32_t to, int colour) {
    int count = 0;
    for (int i = 0; i < grid.width * grid.height; i++) {
        const struct cell *cell = &grid.cells[i];
        count += cell->glyph >= from && cell->glyph <= to && (colour < 0 || cell->colour == colour);
    }
    return count;
}

/* The box of the cells of a glyph range and colour. */
static struct rect box_of(uint32_t from, uint32_t to, int colour) {
    int left = grid.width, right = -1, top = grid.height, bottom = -1;
    for (int y = 0; y < grid.height; y++) {
        for (int x = 0; x < grid.width; x++) {
            const struct cell *cell = grid_at(&grid, x, y);
            if (cell->glyph >= from && cell->glyph <= to && cell->colour == colour) {
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y > bottom ? y : bottom;
            }
        }
    }
    return (struct rect){left, top, right - left + 1, bottom - top + 1};
}

enum { BRAILLE = 0x2801, BRAILLE_LAST = 0x28ff };

/* ---- what is put over lines ---------------------------------------------------------------- */

static struct chart make_chart(void) {
    return (struct chart){.floor_y = (double)NAN,
                          .ceil_y = (double)NAN,
                          .x_lo = 1,
                          .x_hi = 1000,
                          .scale_x = AXIS_LOG,
                          .scale_y = AXIS_LOG,
                          .x_name = "h"};
}

Test(plot, dotted_line_lies_behind_and_loses_every_second_dot_whatever_its_slope) {
    for (int slope = 0; slope < 3; slope++) {
        struct canvas canvas = {0};
        canvas_resize(&canvas, CANVAS_ASCII, 41, 41);
        grid_resize(&grid, 41, 41);
        canvas.pens[0] = (struct canvas_pen){GRID_BAND, '.', 1};
        canvas.pens[CANVAS_BANDS] = (struct canvas_pen){GRID_LINE, '*', 0};
        canvas_line(&canvas, 0, 0, 0, slope == 2 ? 10 : 40, slope == 0 ? 10 : 40);
        canvas_line(&canvas, CANVAS_BANDS, 0, 20, 40, 20);
        canvas_lay(&canvas, &grid, 0, 0);
        cr_expect_eq(count_of('*', '*', GRID_LINE), 41, "nothing shows through");
        const int dots = count_of('.', '.', GRID_BAND);
        cr_expect(dots >= 20 && dots <= 21, "%d dots of slope %d", dots, slope);
        canvas_free(&canvas);
    }
}

Test(plot, marks_are_rules_under_the_lines_with_labels_that_hide_nothing) {
    struct trace trace = {0};
    for (int i = 0; i <= 30; i++) {
        trace_add(&trace, pow(10, 0.1 * i), pow(10, -0.1 * i));
    }
    struct chart chart = make_chart();
    chart.count = 1;
    chart.lines[0] = (struct chart_line){.line = &trace};
    grid_resize(&grid, 60, 16);
    chart_draw(&grid, (struct rect){0, 0, 60, 16}, &chart);
    const int bare = count_of(BRAILLE, BRAILLE_LAST, GRID_LINE);
    chart.mark_count = 4;
    chart.marks[0] = (struct chart_mark){.at = 31.7, .colour = GRID_GOOD, .label = "here"};
    chart.marks[1] =
        (struct chart_mark){.at = 0.0133, .is_level = true, .colour = GRID_GOOD, .label = "low"};
    chart.marks[2] = (struct chart_mark){.at = 1e5, .colour = GRID_GOOD, .label = "outside"};
    chart.marks[3] =
        (struct chart_mark){.at = (double)NAN, .colour = GRID_GOOD, .label = "nowhere"};
    grid_resize(&grid, 60, 16);
    chart_draw(&grid, (struct rect){0, 0, 60, 16}, &chart);
    const char *text = text_of();
    cr_expect_eq(count_of(BRAILLE, BRAILLE_LAST, GRID_LINE), bare, "%s", text);
    cr_expect_geq(count_of(0x2506, 0x2506, GRID_GOOD), 10, "%s", text);
    cr_expect_geq(count_of(0x2504, 0x2504, GRID_GOOD), 40, "%s", text);
    cr_expect_not_null(strstr(text, "\u2506here"), "%s", text);
    cr_expect_not_null(strstr(text, "low"), "%s", text);
    cr_expect_null(strstr(text, "outside"));
    cr_expect_null(strstr(text, "nowhere"));
    trace_free(&trace);
}

Test(plot, labels_of_marks_close_to_each_other_do_not_run_together) {
    struct trace trace = {0};
    trace_add(&trace, 1, 1e-3);
    trace_add(&trace, 1000, 1e-3);
    struct chart chart = make_chart();
    chart.count = 1;
    chart.lines[0] = (struct chart_line){.line = &trace};
    for (int i = 0; i < 6; i++) {
        struct chart_mark *mark = &chart.marks[chart.mark_count++];
        *mark = (struct chart_mark){.at = 30 * pow(1.12, i), .colour = GRID_GOOD};
        (void)snprintf(mark->label, sizeof mark->label, "%d>%d", 10 + i, 11 + i);
    }
    grid_resize(&grid, 60, 16);
    chart_draw(&grid, (struct rect){0, 0, 60, 16}, &chart);
    const char *text = text_of();
    for (int i = 0; i < 6; i++) {
        const char *at = strstr(text, chart.marks[i].label);
        cr_assert_not_null(at, "%s in\n%s", chart.marks[i].label, text);
        const char after = at[5], before = at > text ? at[-1] : ' ';
        cr_expect(!(after >= '0' && after <= '9') && !(before >= '0' && before <= '9'), "%s", text);
    }
    trace_free(&trace);
}

Test(plot, slope_triangle_has_the_slope_of_its_order_and_hides_nothing) {
    struct trace trace = {0};
    for (int i = 0; i <= 12; i++) {
        trace_add(&trace, pow(10, 0.25 * i), 1e-6 * pow(10, 0.5 * i));
    }
    struct chart chart = make_chart();
    chart.count = 1;
    chart.lines[0] = (struct chart_line){.line = &trace};
    grid_resize(&grid, 70, 24);
    chart_draw(&grid, (struct rect){0, 0, 70, 24}, &chart);
    const int bare = count_of(BRAILLE, BRAILLE_LAST, GRID_LINE);
    cr_expect_eq(count_of(BRAILLE, BRAILLE_LAST, GRID_FAINT), 0);
    chart.triangle_order = 2;
    grid_resize(&grid, 70, 24);
    chart_draw(&grid, (struct rect){0, 0, 70, 24}, &chart);
    const char *text = text_of();
    cr_expect_eq(count_of(BRAILLE, BRAILLE_LAST, GRID_LINE), bare, "%s", text);
    /* On these axes a line of slope 2 goes from corner to corner: so does the hypotenuse. */
    const struct rect line = box_of(BRAILLE, BRAILLE_LAST, GRID_LINE);
    const struct rect triangle = box_of(BRAILLE, BRAILLE_LAST, GRID_FAINT);
    const double wanted = (double)line.height / line.width;
    cr_expect_geq(triangle.width, 4, "%s", text);
    cr_expect_float_eq((double)triangle.height / triangle.width, wanted, 1.3 / triangle.width, "%s",
                       text);
    cr_expect_not_null(strstr(text, "\u28b82"), "the order at its side\n%s", text);
    trace_free(&trace);
}

/* ---- convergence --------------------------------------------------------------------------- */

static const double steps[] = {0.0125, 0.4, 0.1, 0.025, 0.2, 0.05}; /* in no order */
enum { STEPS = sizeof steps / sizeof steps[0] };

Test(plot, curves_of_the_true_field_share_the_style_and_lie_dim_behind) {
    double learned[STEPS], truth[STEPS];
    for (int i = 0; i < STEPS; i++) {
        learned[i] = 0.02 + pow(steps[i], 2);
        truth[i] = pow(steps[i], 2);
    }
    struct loglog loglog = {.dt = 0.1, .limit = 0.02, .resolution = 1e-14, .count = 3};
    loglog.curves[0] =
        (struct loglog_curve){"midpoint", true, true, STEPS, steps, truth, 2.003, 0.004, 2};
    loglog.curves[1] =
        (struct loglog_curve){"midpoint", false, true, STEPS, steps, learned, 1.94, 0.12, 2};
    loglog.curves[2] = (struct loglog_curve){"euler", true, false, STEPS, steps, steps, 1, 0, 1};
    static const int widths[] = {40, 70};
    for (int i = 0; i < 2; i++) {
        grid_resize(&grid, widths[i], loglog_rows(&loglog, widths[i]));
        loglog_draw(&grid, (struct rect){0, 0, grid.width, grid.height}, &loglog);
        const char *text = text_of();
        cr_expect_gt(count_of(BRAILLE, BRAILLE_LAST, GRID_BAND), 5, "%s", text);
        cr_expect_gt(count_of(BRAILLE, BRAILLE_LAST, GRID_LINE), 5, "%s", text);
        cr_expect_gt(count_of(BRAILLE, BRAILLE_LAST, GRID_LINE + 1), 5,
                     "a true field alone is drawn as one\n%s", text);
        cr_expect_not_null(strstr(text, "1.94\u00b10.12 (2)"), "%s", text);
        cr_expect_not_null(strstr(text, "2.00"), "the true field's slope\n%s", text);
        cr_expect_not_null(strstr(text, "limit 0.0200"), "%s", text);
        cr_expect_null(strstr(text, "round-off"), "far below: left out\n%s", text);
    }
    loglog.resolution = 3e-4;
    grid_resize(&grid, 70, 20);
    loglog_draw(&grid, (struct rect){0, 0, 70, 20}, &loglog);
    cr_expect_not_null(strstr(text_of(), "round-off 3.00e-04"), "%s", text_of());
}

Test(plot, labels_beside_the_plot_stand_in_the_order_of_their_ends) {
    static const char *const names[] = {"euler", "midpoint", "heun2", "ralston2", "rk4"};
    static const double ends[] = {3, 0.7, 1.1, 0.9, 1e-4};
    double errors[5][2];
    struct loglog loglog = {.dt = (double)NAN, .limit = (double)NAN, .resolution = (double)NAN};
    static const double h[] = {0.1, 0.2};
    for (int i = 0; i < 5; i++) {
        errors[i][0] = 0.3 * ends[i];
        errors[i][1] = ends[i];
        loglog.curves[loglog.count++] = (struct loglog_curve){.name = names[i],
                                                              .is_trained = i == 0,
                                                              .count = 2,
                                                              .h = h,
                                                              .error = errors[i],
                                                              .slope = 1,
                                                              .interval = (double)NAN,
                                                              .expected = (double)NAN};
    }
    grid_resize(&grid, 72, 14);
    loglog_draw(&grid, (struct rect){0, 0, 72, 14}, &loglog);
    static const int wanted[] = {0, 2, 3, 1, 4};
    const char *text = text_of(), *at = text;
    for (int i = 0; i < 5; i++) {
        at = strstr(at, names[wanted[i]]);
        cr_assert_not_null(at, "%s is not in its place:\n%s", names[wanted[i]], text);
    }
}

Test(plot, convergence_of_nothing_that_can_be_drawn_is_no_harm) {
    static const double none[] = {(double)NAN, 0, -1, (double)INFINITY, 0, 0};
    struct loglog loglog = {
        .dt = (double)NAN, .limit = (double)NAN, .resolution = (double)INFINITY, .count = 2};
    loglog.curves[0] = (struct loglog_curve){"euler", false,       true,        STEPS,      steps,
                                             none,    (double)NAN, (double)NAN, (double)NAN};
    loglog.curves[1] =
        (struct loglog_curve){"rk4", false, false, STEPS, none, steps, 4, (double)NAN, 4};
    for (int width = 1; width < 90; width += 3) {
        for (int height = 1; height < 30; height += 2) {
            for (int kind = 0; kind < 3; kind++) {
                loglog.kind = (enum canvas_kind)kind;
                grid_resize(&grid, width, height);
                loglog_draw(&grid, (struct rect){0, 0, width, height}, &loglog);
            }
        }
    }
    grid_resize(&grid, 70, 20);
    loglog_draw(&grid, (struct rect){0, 0, 70, 20}, &loglog);
    cr_expect_eq(count_of('!', '!', GRID_ALARM), 2, "nan and inf\n%s", text_of());
    cr_expect_eq(count_of(0x2193, 0x2193, GRID_LINE), 4, "zeros\n%s", text_of());
}

/* ---- the complex plane --------------------------------------------------------------------- */

/* |1 + z|: stable on the disc of radius 1 about -1. */
static double euler(const void *scheme, double re, double im) {
    (void)scheme;
    return hypot(1 + re, im);
}

/* |1 / (1 - z)|: stable everywhere but on a disc. */
static double implicit(const void *scheme, double re, double im) {
    (void)scheme;
    return 1 / hypot(1 - re, im);
}

static double never(const void *scheme, double re, double im) {
    (void)scheme;
    return re < 0 ? 2 + im * im : 2;
}

Test(plot, region_is_a_circle_where_it_is_one_and_marks_stand_in_their_place) {
    static const double middle[][2] = {{-1, 0}}, corner[][2] = {{-1, 1}, {-1, -1}};
    struct plane plane = {
        .growth = euler, .count = 2, .sets = {{"learned", 0, 1, middle}, {"exact", 5, 2, corner}}};
    const struct plane_window window = plane_whole(&plane);
    cr_expect(window.re_lo < -2 && window.re_lo > -2.3 && window.re_hi > 0 && window.re_hi < 0.3);
    cr_expect(window.im_lo < -1 && window.im_lo > -1.3 && window.im_hi > 1 && window.im_hi < 1.3);
    grid_resize(&grid, 70, 24);
    plane_draw_window(&grid, (struct rect){0, 0, 70, 24}, &plane, &window);
    const struct rect circle = box_of(BRAILLE, BRAILLE_LAST, GRID_FAINT);
    cr_expect_leq(abs(circle.width - 2 * circle.height), 2, "%d x %d\n%s", circle.width,
                  circle.height, text_of());
    cr_expect_geq(circle.height, 17, "as large as fits\n%s", text_of());
    const struct rect mark = box_of(grid_marker(0), grid_marker(0), GRID_LINE);
    cr_expect_leq(abs(2 * mark.x - 2 * circle.x - circle.width), 2, "%s", text_of());
    cr_expect_leq(abs(2 * mark.y - 2 * circle.y - circle.height), 2, "%s", text_of());
    const struct rect pair = box_of(grid_marker(5), grid_marker(5), GRID_LINE + 5);
    cr_expect_leq(abs(pair.height - circle.height), 2, "on the rim\n%s", text_of());
    cr_expect_eq(pair.width, 1);
}

Test(plot, stable_side_of_the_outline_is_named) {
    double (*const growths[])(const void *, double, double) = {euler, implicit};
    for (int i = 0; i < 2; i++) {
        const struct plane plane = {.growth = growths[i]};
        const struct plane_window window = {-2.2, 2.2, -1.5, 1.5};
        grid_resize(&grid, 72, 24);
        plane_draw_window(&grid, (struct rect){0, 0, 72, 24}, &plane, &window);
        const char *text = text_of(), *word = strstr(text, "stable");
        cr_assert_not_null(word, "%s", text);
        const struct rect circle = box_of(BRAILLE, BRAILLE_LAST, GRID_FAINT);
        const struct rect first = box_of('b', 'b', GRID_FAINT);
        const bool is_inside = first.x > circle.x && first.x < circle.x + circle.width &&
                               first.y > circle.y && first.y < circle.y + circle.height;
        cr_expect_eq(is_inside, i == 0, "%s", text);
    }
}

Test(plot, eigenvalues_too_close_for_the_whole_are_drawn_once_more) {
    static const double learned[][2] = {{-0.0049958, -0.0998334}, {-0.0049958, 0.0998334}};
    static const double exact[][2] = {{0, 0.1}, {0, -0.1}, {(double)NAN, 1}};
    struct plane plane = {
        .growth = euler, .count = 2, .sets = {{"learned", 0, 2, learned}, {"exact", 5, 3, exact}}};
    struct plane_window window;
    cr_assert(plane_close(&plane, &window));
    cr_expect(window.re_lo < -0.0049958 && window.re_hi > 0 && window.re_hi - window.re_lo < 0.02);
    cr_expect(window.im_lo < 0.0998334 && window.im_hi > 0.1 && window.im_lo > 0.09);
    grid_resize(&grid, 72, 22);
    plane_draw(&grid, (struct rect){0, 0, 72, 22}, &plane);
    const char *text = text_of();
    cr_expect_not_null(strstr(text, "learned    -0.0049958 \u00b1 0.0998334i  |R| 1\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "exact      0 \u00b1 0.1i  |R| 1.00499"), "%s", text);
    cr_expect_eq(count_of(grid_marker(5), grid_marker(5), -1), 2, "once, and in its row\n%s", text);
    cr_expect_eq(count_of(grid_marker(0), grid_marker(0), -1), 4,
                 "twice in the whole, once near, and in its row\n%s", text);
    cr_expect_null(strstr(text, "under"), "%s", text);
    static const double same[][2] = {{-0.00499583, 0.09983342},
                                     {-0.00499583, -0.09983342000000001}};
    plane.sets[plane.count++] = (struct plane_set){"predicted", 3, 2, same};
    grid_resize(&grid, 72, 22);
    plane_draw(&grid, (struct rect){0, 0, 72, 22}, &plane);
    text = text_of();
    cr_expect_not_null(strstr(text, "predicted  under \u25cf  -0.00499583 \u00b1 0.0998334i"),
                       "conjugate up to rounding, hidden by the learned ones\n%s", text);
    plane.count = 1;
    cr_expect_not(plane_close(&plane, &window), "nothing to tell apart");
    plane.sets[0].count = 0;
    cr_expect_not(plane_close(&plane, &window));
}

Test(plot, plane_of_any_region_size_and_kind_is_drawn_without_harm) {
    static const double points[][2] = {{-30, 7}, {(double)INFINITY, 0}, {0, 0}, {2, -90}};
    double (*const growths[])(const void *, double, double) = {euler, implicit, never};
    for (int i = 0; i < 3; i++) {
        struct plane plane = {
            .growth = growths[i], .count = 1, .sets = {{"learned", 0, 4, points}}};
        const struct plane_window window = plane_whole(&plane);
        cr_expect(window.re_lo < -30 && window.re_hi > 2 && window.im_lo < -90 && window.im_hi > 7);
        for (int width = 1; width < 100; width += 11) {
            for (int height = 1; height < 50; height += 6) {
                plane.kind = (enum canvas_kind)((width + height) % 3);
                grid_resize(&grid, width, height);
                plane_draw(&grid, (struct rect){0, 0, width, height}, &plane);
            }
        }
    }
}
