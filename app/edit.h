/* The line being typed: Readline by its callback interface, so that one poll loop serves keys,
 * signals and jobs. Between edit_start and edit_stop Readline has the terminal. */
#ifndef CONTINUO_APP_EDIT_H
#define CONTINUO_APP_EDIT_H

#include <lua.h>

/* Sets Readline up: keys, completion against L, no signal handlers, no LINES and COLUMNS. */
void edit_open(lua_State *L);
/* What has been typed on earlier lines of the same chunk, for completion; borrowed. */
void edit_set_pending(const char *text);

void edit_start(const char *prompt); /* takes up a line put aside by F2 */
void edit_stop(void);

enum edit_event {
    EDIT_NONE,
    EDIT_LINE,   /* *line is the user's, to be freed; Readline has let go of the terminal */
    EDIT_END,    /* ^D on an empty line; likewise */
    EDIT_SCREEN, /* F2; likewise, the line is put aside */
};
/* Takes the bytes that wait on standard input. */
enum edit_event edit_read(char **line);

void edit_set_prompt(const char *prompt); /* while typing */
void edit_say(const char *text);          /* prints a line above the prompt */
void edit_clear(void);                    /* ^C: gives the line up; call edit_start again */
void edit_resize(void);
void edit_suspend(void); /* ^Z: gives the terminal back, stops the process, takes it again */

void edit_size(int *width, int *height);

#endif
