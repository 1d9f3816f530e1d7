/* Progress as plain lines, for pipes, logs and --plain: one line every ten seconds and run at most,
 * and one for each evaluation, set of probes, and change of state. */
#ifndef CONTINUO_APP_PLAIN_H
#define CONTINUO_APP_PLAIN_H

#include <stdio.h>

#include "base/error.h"

struct plain;

/* Lines go to `file`, which is borrowed. */
struct plain *plain_create(FILE *file);
void plain_free(struct plain *plain); /* NULL is fine */
/* Follows one more run; one already followed is no error. */
bool plain_add(struct plain *plain, const char *path, struct error *error);
/* Reads what is new and prints what is due. Never blocks; call it about ten times a second. */
void plain_tick(struct plain *plain);
bool plain_is_over(const struct plain *plain); /* every run is over, and has been said to be */

#endif
