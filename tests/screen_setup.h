/* A scene and the grid its frames are drawn into, for the tests of what the screen shows. */
#ifndef CONTINUO_TESTS_SCREEN_SETUP_H
#define CONTINUO_TESTS_SCREEN_SETUP_H

#include <criterion/criterion.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "app/frame.h"
#include "app/scene.h"
#include "fake_run.h"
#include "scratch.h"

static struct scene *scene;
static struct grid grid;

static inline void begin(void) {
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    scene = scene_create();
}

static inline void end(void) {
    scene_free(scene);
    grid_free(&grid);
    scratch_remove();
}

static inline const char *draw(int width, int height) {
    static char text[1 << 18];
    grid_resize(&grid, width, height);
    frame_draw(scene, &grid);
    FILE *file = fmemopen(text, sizeof text, "w");
    grid_write(&grid, file);
    (void)fclose(file);
    return text;
}

static inline void add(const char *path) {
    struct error error;
    cr_assert(scene_add(scene, path, &error), "%s", error.text);
}

static inline void expect_all(const char *text, const char *const *parts) {
    for (; *parts; parts++) {
        cr_expect_not_null(strstr(text, *parts), "\"%s\" is missing in\n%s", *parts, text);
    }
}

static inline int count_glyphs(uint32_t from, uint32_t to, int colour) {
    int count = 0;
    for (int i = 0; i < grid.width * grid.height; i++) {
        const struct cell *cell = &grid.cells[i];
        count += cell->glyph >= from && cell->glyph <= to && (colour < 0 || cell->colour == colour);
    }
    return count;
}

#endif
