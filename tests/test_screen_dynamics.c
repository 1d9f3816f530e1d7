/* What the screen shows of runs that learn dynamics. */
#include <criterion/criterion.h>
#include <string.h>

#include "app/term.h"
#include "screen_setup.h"

TestSuite(screen_dynamics, .init = begin, .fini = end);

static const char *add_dynamics(const char *name, bool is_euler, int until, double limit) {
    const char *path = fake_run_of(scratch_path(""), name, is_euler, until, false);
    fake_convergence(path, until - until % 100, is_euler, limit);
    add(path);
    return path;
}

/* The row of the first line of the frame that has the part; -1. */
static int row_of(const char *text, const char *part) {
    const char *at = strstr(text, part);
    int row = at ? 0 : -1;
    for (const char *c = text; at && c < at; c++) {
        row += *c == '\n';
    }
    return row;
}

Test(screen_dynamics, frame_of_80x24_has_curves_slopes_and_the_verdict) {
    (void)add_dynamics("pend-euler", true, 900, 0.2873);
    static const char *const expected[] = {"2 error against step \u2500",
                                           " FAIL-V \u2500\n",
                                           "\u25cf pend-euler  in euler",
                                           "\u2506dt 0.100",
                                           "limit 0.287",
                                           "\u25cf euler      0.99\u00b10.02 (1) true 1.00",
                                           "\u25a0 midpoint   1.97\u00b10.02 (2) true 2.00",
                                           "\u25b2 rk4        3.95\u00b10.02 (4) true 4.01",
                                           "!! FAIL-V  as h -> 0 the error is 204",
                                           "times that at dt",
                                           "step h",
                                           "error as h -> 0 / at dt",
                                           NULL};
    const char *text = draw(80, 24);
    expect_all(text, expected);
    cr_expect_null(strstr(text, "accuracy, %"), "there is none");
    cr_expect_null(strstr(text, "nan"), "%s", text);
    cr_expect_gt(count_glyphs(0x2801, 0x28ff, GRID_BAND), 2, "the true field's own curve");
    cr_expect_gt(count_glyphs(0x2801, 0x28ff, GRID_BAND + 2), 2);
}

Test(screen_dynamics, frame_of_160x50_has_slopes_at_the_ends_and_a_triangle) {
    (void)add_dynamics("pend-euler", true, 900, 0.2873);
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    static const char *const expected[] = {" FAIL-V  PASS \u2500",
                                           "\u25cf euler 0.99\u00b10.02 (1)",
                                           "\u25a0 midpoint 1.97\u00b10.02 (2)",
                                           "\u25b2 rk4 3.95\u00b10.02 (4)",
                                           "dotted: true field, slopes 1.00 2.00 4.01",
                                           "pend-rk4  in rk4, step 900",
                                           "limit 2.10e-04",
                                           "ok PASS  as h -> 0 the error is 0.991 times",
                                           "\u28b84", /* the order at the triangle's side */
                                           NULL};
    const char *text = draw(160, 50);
    expect_all(text, expected);
}

Test(screen_dynamics, ticks_of_the_log_axes_are_powers_of_ten) {
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    (void)scene_key(scene, '2');
    static const char *const expected[] = {"1e-1\u2524", "1e-2\u2524", "1e-4\u2524",
                                           " 0.01 ",     " 0.1 ",      NULL};
    expect_all(draw(100, 40), expected);
    cr_expect_null(strstr(draw(100, 40), "1e-0"), "no padded exponents on axes");
}

Test(screen_dynamics, panel_moves_while_the_run_trains) {
    const char *path = add_dynamics("pend-rk4", false, 500, 0.11);
    static const char *const before[] = {"limit 0.110", "pend-rk4  in rk4, step 500", NULL};
    static const char *const after[] = {"limit 4.70e-04", "step 600", NULL};
    expect_all(draw(160, 50), before);
    fake_convergence(path, 600, false, 4.7e-4);
    cr_expect(scene_update(scene));
    expect_all(draw(160, 50), after);
}

Test(screen_dynamics, run_at_work_is_seen_where_there_is_room_for_one) {
    const char *over = add_dynamics("pend-euler", true, 900, 0.2873);
    fake_append(over, "{\"kind\":\"state\",\"seconds\":90,\"state\":\"done\"}");
    (void)add_dynamics("pend-rk4", false, 500, 2.1e-4);
    (void)scene_update(scene);
    const char *text = draw(80, 24);
    cr_expect_not_null(strstr(text, "pend-rk4  in rk4"), "%s", text);
    cr_expect_null(strstr(text, "pend-euler  in euler"), "%s", text);
    text = draw(160, 50);
    cr_expect_lt(row_of(text, "pend-rk4  in rk4"), row_of(text, "pend-euler  in euler"), "%s",
                 text);
    cr_expect_not_null(strstr(text, "pend-euler  in euler"), "%s", text);
}

Test(screen_dynamics, regression_shows_no_accuracy) {
    const char *path = fake_run_of(scratch_path(""), "probed", true, 450, false);
    fake_append(path,
                "{\"kind\":\"probe\",\"step\":450,\"scheme\":\"euler\",\"steps\":1,\"loss\":3e-5,"
                "\"count\":100}");
    fake_convergence(path, 400, true, 0.2873);
    add(path);
    static const int sizes[][2] = {{80, 24}, {160, 50}, {50, 10}};
    for (int i = 0; i < 3; i++) {
        const char *text = draw(sizes[i][0], sizes[i][1]);
        cr_expect_null(strstr(text, "nan"), "%s", text);
    }
}

Test(screen_dynamics, panel_waits_for_the_first_test) {
    const char *path = fake_run_of(scratch_path(""), "fresh", false, 30, false);
    char name[600];
    (void)snprintf(name, sizeof name, "%s/config.json", path);
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    (void)fputs("{\"name\":\"fresh\",\"net\":{\"family\":\"dynamics\"}}", file);
    (void)fclose(file);
    add(path);
    static const char *const expected[] = {
        "error against step", "waiting for the first convergence", "error as h -> 0 / at dt", NULL};
    expect_all(draw(80, 24), expected);
}

Test(screen_dynamics, small_frame_says_the_verdict) {
    (void)add_dynamics("pend-euler", true, 900, 0.2873);
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    static const char *const expected[] = {"pend-euler 70% loss", " !! FAIL-V\n", " ok PASS\n",
                                           NULL};
    expect_all(draw(55, 10), expected);
}

Test(screen_dynamics, verdict_that_is_open_is_no_alarm) {
    const char *path = fake_run_of(scratch_path(""), "coarse", false, 200, false);
    fake_append(path,
                "{\"kind\":\"convergence\",\"step\":100,\"dt\":0.1,\"trained\":\"rk4\",\"verdict\":"
                "\"OPEN\",\"floor\":0.1,\"curves\":[{\"scheme\":\"rk4\",\"true\":false,"
                "\"h\":[0.1,0.2],\"error\":[0.1,1e-3]}]}");
    add(path);
    const char *text = draw(80, 24);
    cr_expect_not_null(strstr(text, "-- OPEN  the finest steps show no"), "%s", text);
    for (int i = 0; i < grid.width * grid.height; i++) {
        cr_assert_neq(grid.cells[i].colour, GRID_ALARM);
    }
}

Test(screen_dynamics, verdict_has_a_sign_and_weight_beside_its_colour) {
    (void)add_dynamics("pend-euler", true, 900, 0.2873);
    (void)draw(80, 24);
    int bold = 0;
    for (int i = 0; i < grid.width * grid.height; i++) {
        bold += grid.cells[i].colour == GRID_ALARM && grid.cells[i].attributes & GRID_BOLD;
    }
    cr_expect_geq(bold, (int)strlen("FAIL-V!!FAIL-V"));
}

Test(screen_dynamics, ascii_frame_has_nothing_but_ascii) {
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    scene->kind = CANVAS_ASCII;
    for (int width = 80; width <= 160; width += 80) {
        const char *text = draw(width, width / 3);
        for (const char *c = text; *c; c++) {
            cr_assert((*c >= ' ' && *c < 0x7f) || *c == '\n', "byte %02x", (unsigned char)*c);
        }
        cr_expect_not_null(strstr(text, "3.95+-0.02 (4)"), "%s", text);
    }
}

Test(screen_dynamics, errors_of_zero_and_errors_that_are_not_finite_are_signs_on_the_axis) {
    const char *path = fake_run_of(scratch_path(""), "wild", false, 200, false);
    fake_append(path,
                "{\"kind\":\"convergence\",\"step\":100,\"dt\":0.1,\"trained\":\"rk4\",\"verdict\":"
                "\"FAIL-UNDER\",\"floor\":2e-3,\"curves\":[{\"scheme\":\"rk4\",\"true\":false,"
                "\"h\":[0.05,0.1,0.2,0.4,0,-1],\"error\":[0,1e-3,\"nan\",\"inf\",1,1],"
                "\"slope\":\"nan\",\"interval\":\"nan\",\"expected\":4}]}");
    add(path);
    const char *text = draw(80, 24);
    cr_expect_eq(count_glyphs('!', '!', GRID_ALARM), 2 + 2, "two on the axis, two before FAIL");
    cr_expect_eq(count_glyphs(0x2193, 0x2193, GRID_LINE), 1, "%s", text);
    static const char *const expected[] = {"no fit (4)", "FAIL-UNDER", "dt 0.100", NULL};
    expect_all(text, expected);
}

Test(screen_dynamics, decisions_stand_on_the_loss_curve_and_in_the_log) {
    const char *path = fake_run_of(scratch_path(""), "stepped", false, 600, false);
    fake_append(path,
                "{\"kind\":\"control\",\"step\":250,\"epoch\":0.58,\"from\":2,\"to\":4,\"rule\":"
                "\"accuracy\",\"value\":0.2,\"threshold\":0.1,\"text\":\"0.2 > 0.1\"}");
    fake_append(path, "{\"kind\":\"control\",\"step\":300,\"epoch\":0.7,\"from\":4,\"to\":4}");
    fake_append(path,
                "{\"kind\":\"control\",\"step\":450,\"epoch\":1.05,\"from\":4,\"to\":3,\"text\":"
                "\"0.01 < 0.1\"}");
    add(path);
    static const char *const expected[] = {"2\u21924", "4\u21923", "step 250  N 2 -> 4: 0.2 > 0.1",
                                           "step 450  N 4 -> 3: 0.01 < 0.1", NULL};
    for (int unit = 0; unit < TRACK_X_COUNT; unit++) {
        const char *text = draw(80, 24);
        expect_all(text, expected);
        cr_expect_null(strstr(text, "4\u21924"), "one that stays is no mark");
        cr_expect_lt(row_of(text, "2\u21924"), row_of(text, "3 progress"), "on panel 1");
        (void)scene_key(scene, 't');
    }
}

Test(screen_dynamics, of_decisions_close_together_the_largest_is_drawn) {
    const char *path = fake_run_of(scratch_path(""), "restless", false, 600, false);
    char line[200];
    for (int step = 1; step < 600; step += 2) {
        bool is_large = step == 301;
        (void)snprintf(line, sizeof line,
                       "{\"kind\":\"control\",\"step\":%d,\"epoch\":%g,\"from\":%d,\"to\":%d}",
                       step, step / 430.0, is_large ? 20 : 19, is_large ? 80 : 20);
        fake_append(path, line);
    }
    add(path);
    static const int sizes[][2] = {{80, 24}, {160, 50}};
    for (int i = 0; i < 2; i++) {
        const char *text = draw(sizes[i][0], sizes[i][1]);
        cr_expect_not_null(strstr(text, "20\u219280"), "%s", text);
        int row = row_of(text, "1 loss") + 1, rules = 0, last = -9;
        for (int x = 0; x < grid.width; x++) {
            if (grid_at(&grid, x, row)->glyph == 0x2506) {
                cr_expect_geq(x - last, 2, "%s", text);
                last = x;
                rules++;
            }
        }
        cr_expect_geq(rules, 3, "%s", text);
    }
}

Test(screen_dynamics, probes_and_convergence_have_one_panel_and_the_first_run_decides) {
    add(fake_run(scratch_path(""), "fm-euler", true, 900));
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    cr_expect_not_null(strstr(draw(80, 24), "same weights"));
    cr_expect_null(strstr(draw(80, 24), "error against step"));
    scene->tracks[0]->is_shown = false;
    cr_expect_not_null(strstr(draw(80, 24), "error against step"));
}

Test(screen_dynamics, every_size_is_drawn_without_harm) {
    (void)add_dynamics("pend-euler", true, 900, 0.2873);
    (void)add_dynamics("pend-rk4", false, 900, 2.1e-4);
    (void)add_dynamics("pend-rk4-again", false, 200, (double)NAN);
    for (int width = 1; width < 200; width += 9) {
        for (int height = 1; height < 60; height += 4) {
            scene->zoomed = width % 2 ? PANEL_SWEEP : -1;
            scene->kind = (enum canvas_kind)(width % 3);
            scene->is_mono = height % 2;
            (void)draw(width, height);
        }
    }
}
