#include "lua/plot_text.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/bind.h"

static bool names_utf8(const char *text) {
    return text && (strstr(text, "UTF-8") || strstr(text, "utf8"));
}

enum canvas_kind plot_text_kind(void) {
    if (names_utf8(nl_langinfo(CODESET))) {
        return CANVAS_BRAILLE;
    }
    /* A stock Lua leaves the locale as C; its terminal is the environment's all the same. */
    const char *current = setlocale(LC_CTYPE, NULL);
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3 && current && strcmp(current, "C") == 0; i++) {
        const char *value = getenv(variables[i]);
        if (value && value[0]) {
            return names_utf8(value) ? CANVAS_BRAILLE : CANVAS_ASCII;
        }
    }
    return CANVAS_ASCII;
}

/* The rows of the grid as text, allocated; without empty rows at the end and the last newline. */
static char *text_of(const struct grid *grid) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file) {
        abort();
    }
    grid_write(grid, file);
    if (fclose(file) != 0) {
        abort();
    }
    while (size > 0 && text[size - 1] == '\n') {
        text[--size] = 0;
    }
    return text;
}

/* Pushes the text of a drawing; nothing is lost when pushing raises. */
static void push(lua_State *L, int width, int height, bool is_ascii,
                 void (*draw)(struct grid *grid, struct rect rect, const void *subject),
                 const void *subject) {
    struct bind_box *box = bind_box(L, free);
    struct grid grid = {.ascii = is_ascii};
    grid_resize(&grid, width, height);
    draw(&grid, (struct rect){0, 0, width, height}, subject);
    box->pointer = text_of(&grid);
    grid_free(&grid);
    lua_pushstring(L, box->pointer);
    lua_replace(L, -2);
}

static void draw_loglog(struct grid *grid, struct rect rect, const void *subject) {
    loglog_draw(grid, rect, subject);
}

static void draw_plane(struct grid *grid, struct rect rect, const void *subject) {
    plane_draw(grid, rect, subject);
}

void plot_text_loglog(lua_State *L, const struct loglog *loglog, int width, int height) {
    push(L, width, height ? height : loglog_rows(loglog, width), loglog->kind == CANVAS_ASCII,
         draw_loglog, loglog);
}

static void add_curves(struct loglog *loglog, const struct convergence *convergence, bool is_true,
                       const struct tableau *trained) {
    for (int i = 0; i < convergence->curve_count && loglog->count < LOGLOG_CURVES; i++) {
        const struct convergence_curve *curve = &convergence->curve[i];
        loglog->curves[loglog->count++] =
            (struct loglog_curve){.name = curve->scheme->name,
                                  .is_true = is_true,
                                  .is_trained = curve->scheme == trained,
                                  .count = convergence->grid_count,
                                  .h = convergence->h,
                                  .error = curve->error,
                                  .slope = curve->fit.slope,
                                  .interval = curve->fit.interval,
                                  .expected = curve->expected.order};
    }
}

void plot_text_convergence(lua_State *L, const struct convergence *learned,
                           const struct convergence *truth, const struct tableau *trained,
                           int width, int height) {
    const struct convergence *first = learned ? learned : truth;
    struct loglog loglog = {.kind = plot_text_kind(),
                            .is_mono = true,
                            .dt = trained ? first->dt : (double)NAN,
                            .limit = learned ? learned->floor : (double)NAN,
                            .resolution = first->resolution};
    if (learned) {
        add_curves(&loglog, learned, false, trained);
    }
    if (truth) {
        add_curves(&loglog, truth, true, trained);
    }
    plot_text_loglog(L, &loglog, width, height);
}

void plot_text_plane(lua_State *L, const struct plane *plane, int width, int height) {
    enum { USUAL = 20 };
    push(L, width, height ? height : USUAL + plane->count, plane->kind == CANVAS_ASCII, draw_plane,
         plane);
}
