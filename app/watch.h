/* `continuo watch [RUN...] [--once]`: the live screen on runs of this or any other process. */
#ifndef CONTINUO_APP_WATCH_H
#define CONTINUO_APP_WATCH_H

#include <stdbool.h>

/* Follows `count` runs found under the folder `runs` by name, id, prefix or folder; the newest when
 * count is 0. once: writes one frame as plain text to standard output, COLUMNS x LINES if set, else
 * as large as the terminal, else 80x24. plain, or no terminal: progress lines on standard output
 * until every run is over. Returns the exit status: 0, 1 (said on standard error), 128 + signal. */
int watch_run(const char *runs, const char *const *names, int count, bool once, bool plain);

#endif
