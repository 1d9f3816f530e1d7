/* A file written aside: the bytes go to a neighbour of the wanted path and take its name only when
 * all of them are on the disk. Whoever opens the path sees the old file or the new one, whole. */
#ifndef CONTINUO_BASE_ASIDE_H
#define CONTINUO_BASE_ASIDE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct aside {
    FILE *stream;    /* write here; errors are collected by aside_commit */
    char path[1024]; /* the name it will take */
    char name[1100]; /* the name it has meanwhile, in the same folder */
};

/* Opens a file aside of `path`. False with *error set (ERROR_FILE) when the folder is missing or
 * not writable, or when `path` is something else than a regular file. */
bool aside_open(struct aside *aside, const char *path, struct error *error);

/* Flushes, syncs file and folder, renames, closes. False with *error set when the disk refuses;
 * the old file then stands as it was and nothing is left behind. */
bool aside_commit(struct aside *aside, struct error *error);

/* Closes and removes what was written. */
void aside_abandon(struct aside *aside);

#endif
