/* Whole files into memory. (Files are written through base/aside.h.) */
#ifndef CONTINUO_BASE_FILE_H
#define CONTINUO_BASE_FILE_H

#include <stddef.h>

#include "base/error.h"

/* The content of `path` in memory the caller frees; *size is its length in bytes, and a zero byte
 * follows it. NULL with *error set when it cannot be read, is a folder, or is larger than `limit`
 * bytes. */
char *file_read(const char *path, size_t limit, size_t *size, struct error *error);

#endif
