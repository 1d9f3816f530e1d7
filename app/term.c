#define NCURSES_WIDECHAR 1
#include "app/term.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "app/caught.h"
#include "app/palette.h"

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
                                    SIGILL,  SIGHUP, SIGQUIT, SIGTERM};
static const int lent_signals[] = {SIGWINCH, SIGTSTP, SIGCONT};

enum {
    FATAL = sizeof fatal_signals / sizeof fatal_signals[0],
    LENT = sizeof lent_signals / sizeof lent_signals[0]
};

static struct {
    bool is_guarded, is_entered, is_gone;
    enum term_colour wanted;
    struct term_traits traits;

    int tty;              /* /dev/tty, -1: none */
    struct termios modes; /* as found: at the start, and again at each term_enter */
    char reset[256];      /* gives the screen back; built from terminfo */
    size_t reset_length;
    char rescue[500];

    SCREEN *screen;
    FILE *in, *out;
    WINDOW *keys; /* keys are read from a pad that is never drawn, so that reading draws nothing */
    struct grid shown;
    int wake[2], timer, events;
    struct sigaction former[LENT];
} term = {.tty = -1, .wake = {-1, -1}, .timer = -1, .events = -1};

static volatile sig_atomic_t is_suspending;

/* ---- giving the terminal back; everything here is async-signal-safe ---- */

static void handle_fatal(int number) {
    int error = errno;
    bool is_ours = term.tty >= 0 && tcgetpgrp(term.tty) == getpgrp();
    if (is_ours) {
        struct termios modes;
        bool is_changed =
            tcgetattr(term.tty, &modes) == 0 && memcmp(&modes, &term.modes, sizeof modes) != 0;
        if (term.is_entered) {
            caught_put(term.tty, term.reset, term.reset_length);
        } else if (is_changed) { /* Readline had it */
            static const char paste_off[] = "\033[?2004l\r\n";
            caught_put(term.tty, paste_off, sizeof paste_off - 1);
        }
        (void)tcsetattr(term.tty, TCSANOW, &term.modes);
    }
    if (term.is_entered) {
        caught_write(caught_error());
        caught_put(caught_error(), term.rescue, strlen(term.rescue));
    }
    errno = error;
    (void)raise(number); /* SA_RESETHAND: the default action now */
}

/* ---- the guard ---- */

static bool is_plain_type(const char *type) {
    static const char *const plain[] = {"linux", "dumb", "vt52",   "vt100",  "vt102",
                                        "vt220", "ansi", "cons25", "unknown"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(type, plain[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void find_traits(void) {
    const char *type = getenv("TERM");
    term.traits.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 && wcwidth(0x28ff) == 1 &&
                       !is_plain_type(type ? type : "");
}

void term_guard(void) {
    if (term.is_guarded) {
        return;
    }
    term.is_guarded = true;
    (void)setlocale(LC_CTYPE, "");
    find_traits();
    term.tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (term.tty >= 0 && tcgetattr(term.tty, &term.modes) != 0) {
        (void)close(term.tty);
        term.tty = -1;
    }
    static char stack_bytes[64 * 1024];
    stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
    (void)sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handle_fatal,
                               .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND | SA_NODEFER)};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < FATAL; i++) {
        struct sigaction former;
        bool is_ignored = sigaction(fatal_signals[i], NULL, &former) == 0 &&
                          former.sa_handler == SIG_IGN; /* nohup */
        if (!is_ignored) {
            (void)sigaction(fatal_signals[i], &action, NULL);
        }
    }
    (void)atexit(term_leave);
}

void term_set_colour(enum term_colour colour) {
    term.wanted = colour;
}

const struct term_traits *term_traits(void) {
    return &term.traits;
}

void term_set_rescue(const char *line) {
    (void)snprintf(term.rescue, sizeof term.rescue, "%s", line);
}

/* ---- entering and leaving ---- */

static void handle_lent(int number) {
    int error = errno;
    if (number == SIGTSTP) {
        is_suspending = 1;
    }
    char byte = 1;
    if (write(term.wake[1], &byte, 1) < 0) { /* full: a wake-up is under way already */
    }
    errno = error;
}

static void take_signals(void) {
    struct sigaction action = {.sa_handler = handle_lent};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < LENT; i++) {
        (void)sigaction(lent_signals[i], &action, &term.former[i]);
    }
}

static void give_signals(void) {
    for (int i = 0; i < LENT; i++) {
        (void)sigaction(lent_signals[i], &term.former[i], NULL);
    }
}

/* Appends a terminfo string without its delays ("$<5>"). */
static void add_reset(const char *name) {
    const char *text = tigetstr(name);
    if (!text || text == (char *)-1) {
        return;
    }
    while (*text && term.reset_length < sizeof term.reset - 1) {
        if (text[0] == '$' && text[1] == '<' && strchr(text, '>')) {
            text = strchr(text, '>') + 1;
        } else {
            term.reset[term.reset_length++] = *text++;
        }
    }
}

static bool open_events(void) {
    term.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    term.events = epoll_create1(EPOLL_CLOEXEC);
    if (pipe2(term.wake, O_CLOEXEC | O_NONBLOCK) != 0 || term.timer < 0 || term.events < 0) {
        return false;
    }
    enum { FRAME_NANOSECONDS = 100 * 1000 * 1000 };
    struct itimerspec tenth = {{0, FRAME_NANOSECONDS}, {0, FRAME_NANOSECONDS}};
    int files[] = {fileno(term.in), term.wake[0], term.timer};
    for (int i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = files[i]};
        if (epoll_ctl(term.events, EPOLL_CTL_ADD, files[i], &event) != 0) {
            return false;
        }
    }
    return timerfd_settime(term.timer, 0, &tenth, NULL) == 0;
}

/* The first time: /dev/tty, ncurses, terminfo, descriptors. All of it stays until the process ends.
 */
static bool start(struct error *error) {
    const char *type = getenv("TERM");
    term.in = fopen("/dev/tty", "re");
    term.out = fopen("/dev/tty", "we");
    if (!term.in || !term.out) {
        error_set(error, ERROR_STATE,
                  "there is no terminal for the live screen; --plain prints "
                  "progress lines instead");
        goto fail;
    }
    /* ncurses would believe these rather than the terminal, and miss every resize. */
    (void)unsetenv("LINES");
    (void)unsetenv("COLUMNS");
    (void)set_escdelay(25);
    term.screen = newterm(NULL, term.out, term.in);
    if (!term.screen) {
        error_set(error, ERROR_STATE,
                  "the terminal type \"%s\" is not known here; set TERM to one "
                  "that is (xterm-256color, screen, vt100), or use --plain",
                  type ? type : "");
        goto fail;
    }
    const char *address = tigetstr("cup");
    if (!address || address == (char *)-1) {
        (void)endwin();
        delscreen(term.screen);
        term.screen = NULL;
        error_set(error, ERROR_STATE,
                  "a terminal of type \"%s\" cannot move its cursor, so there "
                  "is no live screen on it; use --plain, or set TERM",
                  type ? type : "");
        goto fail;
    }
    if (!open_events()) {
        (void)endwin();
        error_set(error, ERROR_STATE, "the live screen cannot watch the terminal: %s",
                  strerror(errno));
        goto fail;
    }
    term.reset_length = 0;
    static const char *const resets[] = {"rmkx", "cnorm", "sgr0", "op", "rmcup"};
    for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
        add_reset(resets[i]);
    }
    if (!tigetstr("rmcup")) { /* no second screen: at least below what was drawn */
        term.reset_length += (size_t)snprintf(term.reset + term.reset_length, 3, "\r\n");
    }
    term.traits.colours = palette_start(term.wanted);
    term.keys = newpad(1, 1);
    (void)keypad(term.keys, TRUE);
    (void)nodelay(term.keys, TRUE);
    (void)leaveok(stdscr, TRUE);
    return true;
fail:
    if (term.in) {
        (void)fclose(term.in);
    }
    if (term.out) {
        (void)fclose(term.out);
    }
    term.in = term.out = NULL;
    return false;
}

static void set_modes(void) {
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)curs_set(0);
}

bool term_enter(struct error *error) {
    term_guard();
    if (term.is_entered) {
        return true;
    }
    if (term.tty < 0 || tcgetattr(term.tty, &term.modes) != 0) {
        return error_set(error, ERROR_STATE,
                         "there is no terminal for the live screen; --plain "
                         "prints progress lines instead");
    }
    take_signals();
    if (!term.screen) {
        if (!start(error)) {
            (void)tcsetattr(term.tty, TCSADRAIN, &term.modes);
            give_signals();
            return false;
        }
    } else {
        (void)def_shell_mode();
        (void)reset_prog_mode();
    }
    set_modes();
    term.is_entered = true;
    term.is_gone = false;
    term.shown.width = 0; /* nothing is on the screen yet */
    caught_begin();
    return true;
}

void term_leave(void) {
    if (!term.is_entered) {
        return;
    }
    (void)curs_set(1);
    (void)endwin();
    (void)tcsetattr(term.tty, TCSADRAIN, &term.modes);
    term.is_entered = false;
    caught_end();
    give_signals();
}

bool term_is_entered(void) {
    return term.is_entered;
}

/* ^Z: as if the screen had been left; the jobs of this process stand still with it. */
static void suspend(void) {
    is_suspending = 0;
    (void)endwin();
    (void)tcsetattr(term.tty, TCSADRAIN, &term.modes);
    caught_end();
    struct sigaction action = {.sa_handler = SIG_DFL}, former;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTSTP, &action, &former);
    static const char text[] = "continuo is suspended, its jobs with it; fg goes on\n";
    caught_put(STDERR_FILENO, text, sizeof text - 1);
    (void)raise(SIGTSTP);
    (void)sigaction(SIGTSTP, &former, NULL);
    (void)tcgetattr(term.tty, &term.modes);
    caught_begin();
    (void)def_shell_mode();
    (void)reset_prog_mode();
    set_modes();
    term.shown.width = 0;
}

/* ---- keys, size, frames ---- */

int term_fd(void) {
    return term.is_entered ? term.events : -1;
}

bool term_is_gone(void) {
    return term.is_gone;
}

static void drain(void) {
    char bytes[64];
    uint64_t ticks;
    while (read(term.wake[0], bytes, sizeof bytes) > 0) {
    }
    while (read(term.timer, &ticks, sizeof ticks) > 0) {
    }
}

int term_key(void) {
    if (!term.is_entered) {
        return TERM_KEY_NONE;
    }
    drain();
    if (is_suspending) {
        suspend();
        return TERM_KEY_REDRAW;
    }
    struct pollfd file = {.fd = fileno(term.in), .events = POLLIN};
    bool has_input = poll(&file, 1, 0) > 0;
    term.is_gone |= has_input && (file.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    int key = wgetch(term.keys);
    static const struct {
        int from, to;
    } keys[] = {
        {KEY_LEFT, TERM_KEY_LEFT}, {KEY_RIGHT, TERM_KEY_RIGHT},   {KEY_UP, TERM_KEY_UP},
        {KEY_DOWN, TERM_KEY_DOWN}, {KEY_PPAGE, TERM_KEY_PAGE_UP}, {KEY_NPAGE, TERM_KEY_PAGE_DOWN},
        {KEY_HOME, TERM_KEY_HOME}, {KEY_END, TERM_KEY_END},       {KEY_BTAB, TERM_KEY_BACKTAB},
        {KEY_ENTER, '\n'},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (key == keys[i].from) {
            return keys[i].to;
        }
    }
    return key > 0 && key < 0x80 ? key : TERM_KEY_NONE;
}

/* Asks the terminal itself: cheaper to reason about than who got SIGWINCH. */
void term_size(int *width, int *height) {
    struct winsize size;
    if (ioctl(term.tty, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0 &&
        (size.ws_col != COLS || size.ws_row != LINES)) {
        (void)resizeterm(size.ws_row, size.ws_col);
        term.shown.width = 0;
    }
    *width = COLS;
    *height = LINES;
}

bool term_show(const struct grid *grid) {
    int backlog = 0;
    enum { MOST_BACKLOG = 4096 }; /* bytes the terminal has not taken yet */
    if (ioctl(term.tty, TIOCOUTQ, &backlog) == 0 && backlog > MOST_BACKLOG) {
        return false;
    }
    bool is_new = grid->width != term.shown.width || grid->height != term.shown.height;
    if (is_new) {
        grid_resize(&term.shown, grid->width, grid->height);
        (void)werase(stdscr);
        (void)touchwin(stdscr);
    }
    for (int y = 0; y < grid->height && y < LINES; y++) {
        for (int x = 0; x < grid->width && x < COLS; x++) {
            int i = y * grid->width + x;
            const struct cell *cell = &grid->cells[i];
            if (is_new ? cell->glyph != ' ' || cell->attributes
                       : memcmp(cell, &term.shown.cells[i], sizeof *cell) != 0) {
                palette_put(x, y, cell);
                term.shown.cells[i] = *cell;
            }
        }
    }
    (void)wnoutrefresh(stdscr);
    (void)doupdate();
    return true;
}

size_t term_read_caught(char *text, size_t size) {
    return term.is_entered ? caught_read(text, size) : 0;
}
