/* Signals of the program as bytes on a descriptor, and ^C by the rules of who is at work: it stops
 * Lua code at once (lua/interrupt.h), and counts, because a second and third ^C within two seconds
 * mean more. Handlers only set flags and write a byte. SIGTERM and its like belong to term.h. */
#ifndef CONTINUO_APP_SIGNALS_H
#define CONTINUO_APP_SIGNALS_H

#include <stdbool.h>

enum { SIGNAL_AGAIN_SECONDS = 2 };

/* Installs the handler of INT; signals_lend(false) takes the others. most: the ^C in a row that ends
 * the process at once, with status 130, while Lua or engine code runs that cannot be stopped. */
void signals_open(int most);
/* Gives WINCH, TSTP and CONT back to their defaults (somebody else has the terminal), or takes
 * them again. */
void signals_lend(bool lend);

int signals_fd(void); /* readable when a signal has come */

struct signals { /* what has come since the last call */
    int interrupts;
    bool resized, suspend, continued;
};
struct signals signals_take(void);

/* ^C in a row, each within two seconds of the one before; 0 when the last is older than that. */
int signals_streak(void);
/* Ends the row: the next ^C is a first one. */
void signals_forget(void);
/* Whether ^C is to stop Lua code: while a chunk runs. */
void signals_set_running(bool running);

#endif
