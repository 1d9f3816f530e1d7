#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads to the end of `descriptor`. The size a file reports is a first guess: it may grow while it
 * is read, and what is not a regular file reports none. */
static char *read_all(int descriptor, const char *path, size_t limit, size_t guess, size_t *size,
                      struct error *error) {
    size_t capacity = guess + 1, used = 0;
    char *bytes = malloc(capacity);
    while (bytes) {
        const ssize_t got = read(descriptor, bytes + used, capacity - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            (void)error_set(error, ERROR_FILE, "%s cannot be read: %s", path, strerror(errno));
            free(bytes);
            return NULL;
        }
        used += (size_t)got;
        if (used > limit) {
            (void)error_set(error, ERROR_FORMAT,
                            "%s is larger than the %zu bytes such a file can have", path, limit);
            free(bytes);
            return NULL;
        }
        if (got == 0) {
            bytes[used] = '\0'; /* capacity > used: a full buffer is never followed by an end */
            *size = used;
            return bytes;
        }
        if (used == capacity) {
            capacity *= 2;
            char *const grown = realloc(bytes, capacity);
            if (!grown) {
                free(bytes);
            }
            bytes = grown;
        }
    }
    (void)error_set(error, ERROR_MEMORY, "no memory for the content of %s", path);
    return NULL;
}

char *file_read(const char *path, size_t limit, size_t *size, struct error *error) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        (void)error_set(error, ERROR_FILE, "%s cannot be read: %s", path, strerror(errno));
        if (descriptor >= 0) {
            (void)close(descriptor);
        }
        return NULL;
    }
    char *bytes = NULL;
    if (S_ISDIR(status.st_mode)) {
        (void)error_set(error, ERROR_FILE, "%s is a folder, not a file", path);
    } else if (status.st_size > 0 && (uint64_t)status.st_size > limit) {
        (void)error_set(error, ERROR_FORMAT, "%s has %lld bytes; such a file has at most %zu", path,
                        (long long)status.st_size, limit);
    } else {
        const size_t guess = status.st_size > 0 ? (size_t)status.st_size : 4095;
        bytes = read_all(descriptor, path, limit, guess, size, error);
    }
    (void)close(descriptor);
    return bytes;
}
