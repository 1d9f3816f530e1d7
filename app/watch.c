#include "app/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/frame.h"
#include "app/plain.h"
#include "app/scene.h"
#include "app/screen.h"
#include "app/term.h"
#include "run/series.h"

enum { PATH_SIZE = 512 };

static volatile sig_atomic_t is_interrupted;

static void handle_interrupt(int number) {
    (void)number;
    is_interrupted = 1;
}

/* Finds run `index` of the names, or the newest when there are none. Says what is wrong. */
static bool find(const char *runs, const char *const *names, int count, int index,
                 char path[PATH_SIZE]) {
    struct error error;
    if (!series_find(runs, count ? names[index] : NULL, path, PATH_SIZE, &error)) {
        (void)fprintf(stderr, "continuo watch: %s\n", error.text);
        return false;
    }
    return true;
}

/* A number from the environment, within what a screen can be. */
static int size_from(const char *variable, int fallback) {
    const char *text = getenv(variable);
    long value = text ? strtol(text, NULL, 10) : 0;
    return value >= 1 && value <= 1000 ? (int)value : fallback;
}

static int show_once(const char *runs, const char *const *names, int count) {
    struct scene *scene = scene_create();
    scene->is_ascii = !term_traits()->utf8;
    scene->is_mono = true;
    scene->kind = scene->is_ascii ? CANVAS_ASCII : CANVAS_BRAILLE;
    int status = 0;
    for (int i = 0; i == 0 || i < count; i++) {
        char path[PATH_SIZE];
        struct error error;
        if (!find(runs, names, count, i, path)) {
            status = 1;
        } else if (!scene_add(scene, path, &error)) {
            (void)fprintf(stderr, "continuo watch: %s\n", error.text);
            status = 1;
        }
    }
    if (status == 0) {
        struct winsize size = {0};
        struct grid grid = {0};
        bool is_terminal =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 1;
        int width = size_from("COLUMNS", is_terminal ? size.ws_col : 80);
        int height = size_from("LINES", is_terminal ? size.ws_row - 1 : 24); /* and the prompt */
        grid_resize(&grid, width, height + 1);
        frame_draw(scene, &grid);
        grid.height = height; /* without the keys */
        grid_write(&grid, stdout);
        status = fflush(stdout) == 0 ? 0 : 1;
        grid_free(&grid);
    }
    scene_free(scene);
    return status;
}

static int print_lines(const char *runs, const char *const *names, int count) {
    struct plain *plain = plain_create(stdout);
    int status = 0;
    for (int i = 0; status == 0 && (i == 0 || i < count); i++) {
        char path[PATH_SIZE];
        struct error error;
        if (!find(runs, names, count, i, path)) {
            status = 1;
        } else if (!plain_add(plain, path, &error)) {
            (void)fprintf(stderr, "continuo watch: %s\n", error.text);
            status = 1;
        }
    }
    while (status == 0 && !is_interrupted) {
        plain_tick(plain);
        if (plain_is_over(plain)) {
            break;
        }
        (void)poll(NULL, 0, 100);
    }
    plain_free(plain);
    return is_interrupted ? 128 + SIGINT : status;
}

static int show_live(struct screen *screen, const char *runs, const char *const *names, int count) {
    char problem[600] = "";
    screen_set_runs(screen, runs);
    for (int i = 0; !problem[0] && (i == 0 || i < count); i++) {
        char path[PATH_SIZE];
        struct error error;
        if (!series_find(runs, count ? names[i] : NULL, path, sizeof path, &error) ||
            !screen_add(screen, path, &error)) {
            (void)snprintf(problem, sizeof problem, "%s", error.text);
        }
    }
    while (!problem[0] && !is_interrupted) {
        struct pollfd file = {.fd = screen_fd(screen), .events = POLLIN};
        if (poll(&file, 1, -1) < 0 && errno != EINTR) {
            break;
        }
        if (screen_tick(screen) == SCREEN_LEAVE) {
            break;
        }
    }
    screen_close(screen);
    if (problem[0]) {
        (void)fprintf(stderr, "continuo watch: %s\n", problem);
        return 1;
    }
    return is_interrupted ? 128 + SIGINT : 0;
}

int watch_run(const char *runs, const char *const *names, int count, bool once, bool plain) {
    term_guard();
    if (once) {
        return show_once(runs, names, count);
    }
    struct sigaction action = {.sa_handler = handle_interrupt}, former;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, &former);
    is_interrupted = 0;
    int status;
    struct error error;
    char path[PATH_SIZE];
    bool wants_screen = !plain && isatty(STDOUT_FILENO);
    if (!find(runs, names, count, 0, path)) {
        status = 1;
    } else {
        struct screen *screen = wants_screen ? screen_open(NULL, &error) : NULL;
        if (wants_screen && !screen) {
            (void)fprintf(stderr, "continuo watch: %s\n", error.text);
        }
        status = screen ? show_live(screen, runs, names, count) : print_lines(runs, names, count);
    }
    (void)sigaction(SIGINT, &former, NULL);
    return status;
}
