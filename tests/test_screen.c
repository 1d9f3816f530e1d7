#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/plain.h"
#include "app/term.h"
#include "screen_setup.h"

TestSuite(screen, .init = begin, .fini = end);

static void add_two(int until) {
    add(fake_run(scratch_path(""), "fm-euler", true, until));
    add(fake_run(scratch_path(""), "fm-rk4", false, until));
}

Test(screen, frame_of_80x24_shows_two_runs_and_four_panels) {
    add_two(900);
    const char *text = draw(80, 24);
    static const char *const expected[] = {
        "\u25cf fm-euler  running  epoch 2.09/3  step  900/1290  14.3/s  ETA 27 s\n",
        "\u25a0 fm-rk4    running",
        "\u2500 1 loss \u2500",
        "mean over 30 steps  log y",
        "2 same weights \u2500",
        "% of 1000 \u2500\n",
        "3 progress",
        "4 log",
        "[87.8]",
        "[88.0]",
        "!! trained point sits 13.9\n",
        "points above its own ODE limit\n",
        "ok trained point is within 0.0\n",
        "accuracy, %  \u25cf 87.8  \u25a0 88.0",
        " ? keys  q leave",
        NULL};
    expect_all(text, expected);
    int lines = 0;
    for (const char *c = text; *c; c++) {
        lines += *c == '\n';
    }
    cr_expect_eq(lines, 24);
}

Test(screen, frame_of_160x50_has_room_for_names_charts_and_whole_sentences) {
    add_two(FAKE_STEPS);
    static const char *const expected[] = {
        "done",
        "in 1m30s",
        "1805 images/s",
        "valid 8",
        "euler 1",
        "rk4 1",
        "\u25cf fm-euler  trained euler 1",
        "\u25a0 fm-rk4  trained rk4 1",
        "midpoint",
        "!! trained point sits 13.9 points above its own ODE limit",
        "ok trained point is within 0.0 of its own ODE limit",
        "accuracy, % of 1000 images",
        "acc, %  \u25cf",
        " rate  \u25cf",
        " norm  \u25cf",
        "fm-euler 0.2",
        "fm-rk4 0.",
        "trained",
        NULL};
    expect_all(draw(160, 50), expected);
}

Test(screen, small_frame_has_one_line_a_run) {
    add_two(900);
    static const char *const at_50[] = {"\u25cf fm-euler 70% loss 0.", " acc 87.8 !! +13.9\n",
                                        "\u25a0 fm-rk4 70% loss 0.", " acc 88.0 ok +0.0\n", NULL};
    expect_all(draw(50, 10), at_50);
    static const char *const at_40[] = {"\u25cf fm-euler 70% acc 87.8 !! +13.9\n", NULL};
    expect_all(draw(40, 10), at_40);
    expect_all(draw(40, 2), at_40);
}

Test(screen, ascii_frame_has_nothing_but_ascii) {
    add_two(900);
    scene->kind = CANVAS_ASCII;
    const char *text = draw(80, 24);
    for (const char *c = text; *c; c++) {
        cr_assert((*c >= ' ' && *c < 0x7f) || *c == '\n', "byte %02x", (unsigned char)*c);
    }
    static const char *const expected[] = {" * fm-euler", " o fm-rk4",  "- 1 loss -",
                                           "[87.8]",      "!! trained", NULL};
    expect_all(text, expected);
}

Test(screen, curves_are_braille_in_the_colour_of_their_run) {
    add_two(900);
    (void)draw(80, 24);
    cr_expect_gt(count_glyphs(0x2801, 0x28ff, GRID_LINE), 20);
    cr_expect_gt(count_glyphs(0x2801, 0x28ff, GRID_LINE + 1), 20);
    cr_expect_eq(count_glyphs(0x2800, 0x2800, -1), 0, "no empty braille");
    (void)scene_key(scene, 'b');
    (void)draw(80, 24);
    cr_expect_eq(count_glyphs(0x2800, 0x28ff, -1), 0);
    cr_expect_gt(count_glyphs(0x2580, 0x2588, GRID_LINE), 10);
}

Test(screen, mono_frame_tells_runs_apart_by_markers) {
    add_two(900);
    (void)draw(80, 24);
    int with_colour = count_glyphs(grid_marker(1), grid_marker(1), -1);
    scene->is_mono = true;
    (void)draw(80, 24);
    cr_expect_gt(count_glyphs(grid_marker(1), grid_marker(1), -1), with_colour);
}

Test(screen, verdict_is_said_in_words_as_well_as_in_colour) {
    add_two(900);
    (void)draw(80, 24);
    bool is_found = false;
    for (int i = 0; i + 1 < grid.width * grid.height; i++) {
        bool is_sign = grid.cells[i].glyph == '!' && grid.cells[i + 1].glyph == '!';
        is_found |=
            is_sign && grid.cells[i].colour == GRID_ALARM && (grid.cells[i].attributes & GRID_BOLD);
    }
    cr_expect(is_found);
}

Test(screen, queued_run_waits_visibly) {
    add(fake_run(scratch_path(""), "waits", true, 0));
    static const char *const expected[] = {"waits  queued", "waiting for the first step",
                                           "No probes.", NULL};
    expect_all(draw(80, 24), expected);
}

Test(screen, divergence_is_said_and_marked) {
    const char *path = fake_run(scratch_path(""), "wild", false, 50);
    fake_append(path, "{\"kind\":\"step\",\"step\":51,\"loss\":\"nan\",\"grad_norm\":\"inf\"}");
    fake_append(path, "{\"kind\":\"state\",\"seconds\":3,\"state\":\"diverged\",\"text\":"
                      "\"diverged at step 51: the loss is nan\"}");
    add(path);
    static const char *const expected[] = {"wild  diverged", "diverged at step 51: the loss is nan",
                                           "!", NULL};
    expect_all(draw(80, 24), expected);
    cr_expect_gt(count_glyphs('!', '!', GRID_ALARM), 0);
}

Test(screen, frame_follows_a_run_that_grows) {
    const char *path = fake_run(scratch_path(""), "grows", false, 10);
    add(path);
    cr_expect_not(scene_update(scene), "nothing new");
    fake_append(path, "{\"kind\":\"step\",\"step\":11,\"epoch\":0.5,\"seconds\":0.8,\"loss\":1.5}");
    fake_append(path, "{\"kind\":\"note\",\"seconds\":0.8,\"text\":\"something new\"}");
    cr_expect(scene_update(scene));
    static const char *const expected[] = {"step   11/1290", "something new", NULL};
    expect_all(draw(80, 24), expected);
}

Test(screen, sweep_on_the_test_part_takes_the_place_of_probes) {
    const char *path = fake_run(scratch_path(""), "swept", true, FAKE_STEPS);
    fake_append(path, "{\"kind\":\"sweep\",\"part\":\"test\",\"scheme\":\"euler\",\"steps\":1,"
                      "\"loss\":0.3,\"accuracy\":0.8612,\"count\":10000}");
    fake_append(path, "{\"kind\":\"sweep\",\"part\":\"test\",\"scheme\":\"rk4\",\"steps\":64,"
                      "\"loss\":0.3,\"accuracy\":0.7001,\"count\":10000}");
    add(path);
    struct table table;
    cr_assert(track_table(scene->tracks[0], &table));
    cr_expect(table.is_sweep);
    cr_expect_eq(table.images, 10000);
    struct gap gap = track_gap(scene->tracks[0], &table);
    cr_expect_float_eq(gap.points, 16.11, 1e-9);
    cr_expect(gap.is_alarm);
    static const char *const expected[] = {"[86.1]", "70.0", "64", "% of 10000", NULL};
    expect_all(draw(160, 50), expected);
}

Test(screen, trained_cell_follows_a_controller) {
    const char *path = fake_run(scratch_path(""), "steered", true, 430);
    fake_append(path, "{\"kind\":\"control\",\"step\":430,\"epoch\":1,\"from\":1,\"to\":4}");
    char line[200];
    for (int step = 431; step <= 500; step++) {
        (void)snprintf(
            line, sizeof line,
            "{\"kind\":\"step\",\"step\":%d,\"epoch\":%.4g,\"seconds\":%.4g,\"loss\":0.5}", step,
            step / 430.0, 0.07 * step);
        fake_append(path, line);
    }
    static const double accuracies[] = {0.878, 0.811, 0.7737};
    for (int i = 0; i < 3; i++) {
        (void)snprintf(
            line, sizeof line,
            "{\"kind\":\"probe\",\"step\":500,\"epoch\":1.16,\"seconds\":35,\"scheme\":\"euler\","
            "\"steps\":%d,\"accuracy\":%g,\"count\":1000}",
            1 << i, accuracies[i]);
        fake_append(path, line);
    }
    add(path);
    static const char *const expected[] = {"[77.4]", "trained euler 4", "valid 77.4 %",
                                           "steps",  "1\u21924",        NULL};
    const char *text = draw(160, 50);
    expect_all(text, expected);
    cr_expect_null(strstr(text, "[87.8]"), "%s", text);
    const struct trace *accuracy = &scene->tracks[0]->accuracy;
    cr_expect_float_eq(accuracy->y[0], 87.8, 1e-9, "of step 100, when one step was trained");
}

Test(screen, gap_within_two_standard_errors_is_no_alarm) {
    const char *path = fake_run(scratch_path(""), "close", true, 100);
    for (int i = 0; i < 2; i++) {
        char line[200];
        (void)snprintf(line, sizeof line,
                       "{\"kind\":\"sweep\",\"scheme\":\"%s\",\"steps\":%d,"
                       "\"accuracy\":%.4f,\"count\":400}",
                       i ? "rk4" : "euler", i ? 16 : 1, i ? 0.86 : 0.90);
        fake_append(path, line);
    }
    add(path);
    struct table table;
    (void)track_table(scene->tracks[0], &table);
    struct gap gap = track_gap(scene->tracks[0], &table);
    cr_expect_float_eq(gap.margin, 200 * sqrt((0.09 + 0.1204) / 400), 1e-9);
    cr_expect_not(gap.is_alarm, "4 points of 400 images");
}

Test(screen, gap_compares_weights_of_one_moment) {
    const char *path = fake_run(scratch_path(""), "moving", true, 99);
    static const struct {
        int step, steps;
        const char *scheme;
        double accuracy;
    } probes[] = {{90, 1, "midpoint", 0.44},
                  {100, 1, "euler", 0.50},
                  {150, 16, "rk4", 0.55},
                  {200, 1, "euler", 0.70}};
    add(path);
    struct table table;
    char text[80];
    static const char *const told[] = {"own ODE limit not measured yet",
                                       "trained point sits 6.0 points above midpoint 1",
                                       "trained point sits 6.0 points above midpoint 1",
                                       "trained point sits 5.0 points above its own ODE limit"};
    for (int i = 0; i < 4; i++) {
        char line[200];
        (void)snprintf(line, sizeof line,
                       "{\"kind\":\"probe\",\"step\":%d,\"scheme\":\"%s\","
                       "\"steps\":%d,\"accuracy\":%.3f,\"count\":4000}",
                       probes[i].step, probes[i].scheme, probes[i].steps, probes[i].accuracy);
        fake_append(path, line);
        (void)scene_update(scene);
        cr_assert(track_table(scene->tracks[0], &table));
        struct gap gap = track_gap(scene->tracks[0], &table);
        track_gap_text(scene->tracks[0], &gap, text, sizeof text);
        cr_expect_str_eq(text, told[i]);
        (void)draw(80, 24);
    }
}

Test(screen, cell_of_older_weights_says_so_until_it_is_measured_again) {
    const char *path = fake_run(scratch_path(""), "ages", true, 99);
    static const char probe[] = "{\"kind\":\"probe\",\"step\":%d,\"scheme\":\"%s\",\"steps\":%d,"
                                "\"accuracy\":%.3f,\"count\":1000}";
    char line[200];
    (void)snprintf(line, sizeof line, probe, 50, "rk4", 16, 0.614);
    fake_append(path, line);
    (void)snprintf(line, sizeof line, probe, 60, "rk4", 8, 0.623);
    fake_append(path, line);
    for (int step = 100; step <= 600; step++) {
        (void)snprintf(line, sizeof line, "{\"kind\":\"step\",\"step\":%d,\"loss\":0.5}", step);
        fake_append(path, line);
    }
    (void)snprintf(line, sizeof line, probe, 590, "euler", 1, 0.878);
    fake_append(path, line);
    add(path);
    static const char *const sizes[] = {"~61.4", "~62.3", "[87.8]", "~ old weights, from step 50",
                                        NULL};
    expect_all(draw(80, 24), sizes);
    expect_all(draw(160, 50), sizes);
    cr_expect_eq(count_glyphs(0x2581, 0x2588, GRID_FAINT), 2, "their bars are faint too");
    (void)snprintf(line, sizeof line, probe, 600, "rk4", 16, 0.739);
    fake_append(path, line);
    (void)scene_update(scene);
    const char *text = draw(80, 24);
    cr_expect_null(strstr(text, "~73.9"), "%s", text);
    cr_expect_not_null(strstr(text, "from step 60"), "%s", text);
}

Test(screen, smoothed_constant_is_that_constant_and_span_zero_is_the_data) {
    const char *path = fake_run(scratch_path(""), "even", true, 0);
    for (int step = 1; step <= 60; step++) {
        char line[100];
        (void)snprintf(line, sizeof line, "{\"kind\":\"step\",\"step\":%d,\"loss\":2.385}", step);
        fake_append(path, line);
    }
    add(path);
    const struct track *track = scene->tracks[0];
    for (int i = 0; i < 60; i++) {
        cr_assert_float_eq(track->smooth_loss.y[i], 2.385, 1e-12, "from the first point on");
    }
    track_set(scene->tracks[0], TRACK_STEP, 0);
    cr_expect_eq(track->smooth_loss.count, 60);
    cr_expect_eq(track->smooth_loss.y[7], 2.385);
}

Test(screen, speed_and_time_left_come_from_the_last_seconds) {
    add(fake_run(scratch_path(""), "timed", true, 900));
    cr_expect_float_eq(track_speed(scene->tracks[0]), 1 / 0.07, 0.05);
    cr_expect_float_eq(track_left(scene->tracks[0]), 390 * 0.07, 0.1);
}

Test(screen, keys_change_what_is_shown) {
    add_two(900);
    static const struct {
        const char *keys, *shown;
    } cases[] = {
        {"s", "mean over 100 steps  log y"},
        {"sss", "mean over 10 steps"},
        {"l", "mean over 10 steps \u2500"},
        {"L", "mean over 10 steps  log x"},
        {"L1", "1 loss"},
        {"1t", "epoch 3\u2502"},
        {"t", "seconds"},
        {"tm", "learning rate"},
        {"m", "gradient norm"},
        {"?", "scroll the log"},
        {"?o", "Space shows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (const char *key = cases[i].keys; *key; key++) {
            cr_assert_eq(scene_key(scene, *key), SCENE_NOTHING);
        }
        const char *text = draw(80, 24);
        cr_expect_not_null(strstr(text, cases[i].shown), "after \"%s\": \"%s\" is missing in\n%s",
                           cases[i].keys, cases[i].shown, text);
    }
}

Test(screen, zoomed_panel_has_the_screen_to_itself) {
    add_two(900);
    for (int key = '1'; key <= '4'; key++) {
        (void)scene_key(scene, key);
        const char *text = draw(80, 24);
        int titles = !!strstr(text, " 1 loss ") + !!strstr(text, " 2 same ") +
                     !!strstr(text, " 3 progress ") + !!strstr(text, " 4 log ");
        cr_expect_eq(titles, 1, "%s", text);
    }
    (void)scene_key(scene, TERM_KEY_ESCAPE);
    cr_expect_not_null(strstr(draw(80, 24), " 1 loss "));
}

Test(screen, cursor_reads_every_run_and_moves_point_by_point) {
    add_two(900);
    (void)scene_key(scene, 'x');
    cr_assert(scene->has_cursor);
    cr_expect_eq(scene->cursor, 900);
    for (int i = 0; i < 3; i++) {
        (void)scene_key(scene, TERM_KEY_LEFT);
    }
    cr_expect_eq(scene->cursor, 897);
    cr_expect_not_null(strstr(draw(80, 24), " step 897  \u25cf 0.2"));
    (void)scene_key(scene, TERM_KEY_HOME);
    cr_expect_eq(scene->cursor, 1);
    (void)scene_key(scene, TERM_KEY_LEFT);
    cr_expect_eq(scene->cursor, 1);
    (void)scene_key(scene, TERM_KEY_END);
    cr_expect_eq(scene->cursor, 900);
}

Test(screen, range_zooms_pans_and_comes_back) {
    add_two(900);
    double lo, hi;
    scene_range(scene, PANEL_LOSS, &lo, &hi);
    cr_expect(lo == 0 && hi >= 900);
    double whole = hi;
    (void)scene_key(scene, '+');
    (void)scene_key(scene, '+');
    scene_range(scene, PANEL_LOSS, &lo, &hi);
    cr_expect_float_eq(hi - lo, whole / 4, 1e-9);
    (void)scene_key(scene, '>');
    double moved;
    scene_range(scene, PANEL_LOSS, &moved, &hi);
    cr_expect_gt(moved, lo);
    for (int i = 0; i < 30; i++) {
        (void)scene_key(scene, '<');
    }
    scene_range(scene, PANEL_LOSS, &lo, &hi);
    cr_expect(fabs(lo) < 1e-9 && fabs(hi - whole / 4) < 1e-9, "stops at the start");
    for (int i = 0; i < 60; i++) {
        (void)scene_key(scene, '+');
    }
    (void)draw(80, 24);
    (void)scene_key(scene, '0');
    cr_expect_not(scene->has_range);
}

Test(screen, picker_shows_other_runs_of_the_folder) {
    const char *first = fake_run(scratch_path(""), "first", true, 100);
    (void)fake_run(scratch_path(""), "second", false, 100);
    (void)snprintf(scene->runs, sizeof scene->runs, "%s", scratch_path(""));
    add(first);
    (void)scene_key(scene, 'o');
    cr_expect_eq(scene->listed_count, 2);
    (void)draw(80, 24);
    (void)scene_key(scene, ' '); /* the newest: second */
    (void)scene_key(scene, TERM_KEY_DOWN);
    (void)scene_key(scene, ' ');
    (void)scene_key(scene, TERM_KEY_ESCAPE);
    cr_expect_eq(scene->count, 2);
    cr_expect_str_eq(scene_shown(scene, 0)->series->name, "second");
    cr_expect_null(scene_shown(scene, 1), "first is hidden");
    cr_expect_neq(scene->tracks[0]->style, scene->tracks[1]->style);
}

Test(screen, pause_and_stop_are_offered_only_where_somebody_can_be_asked) {
    add_two(900);
    cr_expect_eq(scene_key(scene, 'p'), SCENE_NOTHING);
    cr_expect_eq(scene_key(scene, 'S'), SCENE_NOTHING);
    cr_expect_null(strstr(draw(80, 24), "p pause"));
    scene->can_pause = scene->can_stop = true;
    cr_expect_not_null(strstr(draw(80, 24), "p pause"));
    cr_expect_eq(scene_key(scene, 'p'), SCENE_PAUSE);
    cr_expect_eq(scene_key(scene, 'S'), SCENE_STOP);
    for (int i = 0; i < 2; i++) {
        fake_append(scene->tracks[i]->series->path,
                    "{\"kind\":\"state\",\"seconds\":9,\"state\":\"paused\"}");
    }
    (void)scene_update(scene);
    cr_expect_eq(scene_key(scene, 'p'), SCENE_RESUME);
    cr_expect_not_null(strstr(draw(80, 24), "p resume"));
    cr_expect_eq(scene_key(scene, 'q'), SCENE_LEAVE);
}

Test(screen, every_size_and_every_overlay_is_drawn_without_harm) {
    add_two(FAKE_STEPS);
    add(fake_run(scratch_path(""), "waits", true, 0));
    for (int width = 1; width < 200; width += 13) {
        for (int height = 1; height < 60; height += 5) {
            for (int zoomed = -1; zoomed < SCENE_PANELS; zoomed++) {
                scene->zoomed = zoomed;
                scene->kind = (enum canvas_kind)(width % 3);
                scene->overlay = (enum scene_overlay)(height % 3);
                scene->has_cursor = width % 2;
                scene->cursor = 500;
                (void)draw(width, height);
            }
        }
    }
}

Test(screen, thirteenth_run_is_refused_with_a_way_out) {
    const char *root = scratch_path("");
    for (int i = 0; i < SCENE_TRACKS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "run%d", i);
        add(fake_run(root, name, true, 10));
    }
    (void)draw(80, 24);
    struct error error;
    cr_expect_not(scene_add(scene, fake_run(root, "more", true, 10), &error));
    cr_expect_not_null(strstr(error.text, "continuo watch"), "%s", error.text);
    cr_expect_not(scene_add(scene, "/nonexistent", &error));
}

Test(screen, plain_lines_tell_progress_evaluations_probes_and_states) {
    static char text[1 << 16];
    FILE *file = fmemopen(text, sizeof text, "w");
    struct plain *plain = plain_create(file);
    const char *path = fake_run(scratch_path(""), "fm-euler", true, 900);
    struct error error;
    cr_assert(plain_add(plain, path, &error));
    cr_assert(plain_add(plain, path, &error));
    plain_tick(plain);
    plain_tick(plain);
    cr_expect_not(plain_is_over(plain));
    fake_append(path, "{\"kind\":\"state\",\"seconds\":90.3,\"state\":\"done\"}");
    plain_tick(plain);
    cr_expect(plain_is_over(plain));
    (void)fclose(file);
    static const char *const expected[] = {
        "fm-euler           0.0 s  queued\n",
        "step 900/1290  epoch 2.09  loss 0.2",
        "probe  step 900  euler 1: 87.8 %  rk4 16: 73.9 %  !! trained point sits 13.9 points above",
        "valid  epoch 1  loss 0.4100  accuracy 85.30 % of 5000\n",
        "   90.3 s  done\n",
        NULL};
    expect_all(text, expected);
    const char *first = strstr(text, "step 900/1290");
    cr_expect_null(strstr(first + 1, "step 900/1290"), "at most every ten seconds");
    plain_free(plain);
}
