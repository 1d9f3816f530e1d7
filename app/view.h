/* What the workbench does while jobs are waited for: the live screen where there is a terminal for
 * it, plain lines otherwise, and ^C by the rules of help "interrupt". This is the binding's host
 * (lua/host.h). */
#ifndef CONTINUO_APP_VIEW_H
#define CONTINUO_APP_VIEW_H

#include <stdbool.h>

#include "base/error.h"

/* prompt: there is a prompt to go back to. plain: never a screen. Sets the binding's host. */
void view_open(bool prompt, bool plain);

/* The live screen on the current job or, without one, the newest run; until the user leaves it. */
bool view_show_current(struct error *error);

/* Whether, since the last call, the user gave up waiting: no error worth a traceback. */
bool view_was_left(void);

#endif
