/* What was typed, kept between sessions in $XDG_STATE_HOME/continuo/history (readable by its owner
 * only): timestamped, a chunk of several lines as one entry, each added at once under a lock, so
 * that sessions side by side keep each other's. */
#ifndef CONTINUO_APP_HISTORY_H
#define CONTINUO_APP_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

/* Loads the file into Readline's history. When it cannot be used the session goes on without. */
void history_open(void);
/* Adds a chunk, to Readline's list and to the file; not one equal to the last. */
void history_keep(const char *chunk);

/* Writes "<base>/continuo/<name>" to path, base from the environment variable or ~/fallback; with
 * make, folders are created. False when there is no home or no room. */
bool history_user_path(const char *variable, const char *fallback, const char *name, bool make,
                       char *path, size_t size);

#endif
