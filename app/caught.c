#include "app/caught.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory = -1;                      /* a file in memory; -1: nothing is caught */
static int saved_out = -1, saved_error = -1; /* where they belong; -1: not caught */
static off_t position;                       /* of the reader */

void caught_put(int file, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

void caught_write(int file) {
    char bytes[4096];
    off_t offset = 0;
    ssize_t count;
    while (memory >= 0 && (count = pread(memory, bytes, sizeof bytes, offset)) > 0) {
        caught_put(file, bytes, (size_t)count);
        offset += count;
    }
}

int caught_error(void) {
    return saved_error >= 0 ? saved_error : STDERR_FILENO;
}

/* Puts the memory in the place of a descriptor; returns a copy of what it was. */
static int replace(int file) {
    int saved = fcntl(file, F_DUPFD_CLOEXEC, 3);
    if (saved >= 0) {
        (void)dup2(memory, file);
    }
    return saved;
}

void caught_begin(void) {
    (void)fflush(stdout);
    (void)fflush(stderr);
    memory = memfd_create("continuo-output", MFD_CLOEXEC);
    position = 0;
    if (memory < 0) {
        return;
    }
    if (isatty(STDOUT_FILENO)) {
        saved_out = replace(STDOUT_FILENO);
    }
    if (isatty(STDERR_FILENO)) {
        saved_error = replace(STDERR_FILENO);
    }
}

void caught_end(void) {
    (void)fflush(stdout);
    (void)fflush(stderr);
    if (saved_out >= 0) {
        (void)dup2(saved_out, STDOUT_FILENO);
        (void)close(saved_out);
    }
    if (saved_error >= 0) {
        (void)dup2(saved_error, STDERR_FILENO);
        (void)close(saved_error);
    }
    if (memory >= 0) {
        caught_write(saved_error >= 0 ? STDERR_FILENO : STDOUT_FILENO);
        (void)close(memory);
    }
    memory = saved_out = saved_error = -1;
}

size_t caught_read(char *text, size_t size) {
    (void)fflush(stdout);
    ssize_t count = memory >= 0 ? pread(memory, text, size, position) : 0;
    if (count <= 0) {
        return 0;
    }
    position += count;
    return (size_t)count;
}
