/* The owner of the terminal. Between term_enter and term_leave ncurses has it, otherwise Readline
 * or nobody. Whatever ends the process, except SIGKILL, the terminal is given back as it was found:
 * atexit for the orderly ends, handlers for SEGV BUS ABRT FPE ILL HUP QUIT TERM for the others.
 * State is process-wide: there is one terminal. */
#ifndef CONTINUO_APP_TERM_H
#define CONTINUO_APP_TERM_H

#include <stdbool.h>
#include <stddef.h>

#include "lua/plot/grid.h"
#include "base/error.h"

enum term_colour { TERM_COLOUR_AUTO, TERM_COLOUR_ALWAYS, TERM_COLOUR_NEVER };

struct term_traits {
    bool utf8;   /* the locale can write braille dots and lines */
    int colours; /* 0: mono (also by NO_COLOR), 8, 256 */
};

enum term_key { /* beyond characters */
                TERM_KEY_NONE = 0,
                TERM_KEY_LEFT = 0x110000,
                TERM_KEY_RIGHT,
                TERM_KEY_UP,
                TERM_KEY_DOWN,
                TERM_KEY_PAGE_UP,
                TERM_KEY_PAGE_DOWN,
                TERM_KEY_HOME,
                TERM_KEY_END,
                TERM_KEY_BACKTAB,
                TERM_KEY_REDRAW, /* no key: the screen has to be drawn anew */
                TERM_KEY_ESCAPE = 27,
};

/* Remembers the terminal's modes and guards them until the process ends. Called at the start of
 * main, before Readline; also sets LC_CTYPE (and no other locale category). Again: no effect. */
void term_guard(void);
/* Overrides what NO_COLOR and TERM say; before term_enter. */
void term_set_colour(enum term_colour colour);
/* What the terminal and locale can show; known after term_guard or term_enter. */
const struct term_traits *term_traits(void);

/* Opens the screen on /dev/tty. False with *error set when there is no terminal or it cannot move
 * its cursor. While the screen is up, standard output and error (where they are terminals) are
 * caught: term_read_caught gives their text, and term_leave writes it to where it belonged. */
bool term_enter(struct error *error);
void term_leave(void); /* no effect when not entered */
bool term_is_entered(void);

/* Readable on a key, a resize, ^Z or continue, and ten times a second. -1 when not entered. */
int term_fd(void);
/* The next key (a character, or one of enum term_key), TERM_KEY_NONE when there is none. Handles
 * suspension: ^Z gives the terminal back, stops the process, and takes the terminal again. */
int term_key(void);
bool term_is_gone(void); /* the terminal hung up */
void term_size(int *width, int *height);
/* Draws the cells that differ from the last grid shown. False, nothing drawn, while the terminal
 * is still busy with the last frame. */
bool term_show(const struct grid *grid);
size_t term_read_caught(char *text, size_t size); /* bytes new since the last call, not a string */

/* A line that goes to standard error when a signal ends the process with the screen up: where the
 * run folder is. Copied, cut at 500 bytes. */
void term_set_rescue(const char *line);

#endif
