/* Tables of numbers in text files: a row a line, fields separated by commas, semicolons or blanks,
 * whichever the first line uses. A first line that is not of numbers is a heading; empty lines and
 * lines that begin with '#' are passed over. */
#ifndef CONTINUO_BASE_CSV_H
#define CONTINUO_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct csv {
    ptrdiff_t rows, columns;
    double *values;   /* (rows, columns), finite */
    ptrdiff_t *lines; /* (rows): where each stands in the file, counted from 1 */
};

/* Fills *csv. False with *error set, nothing to release, when the file cannot be read, has no
 * numbers, rows of different length, or a field that is no finite number: which file, which line,
 * what stands there. */
bool csv_read(const char *path, struct csv *csv, struct error *error);
void csv_release(struct csv *csv);

#endif
