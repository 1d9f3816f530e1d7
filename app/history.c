#include "app/history.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <readline/history.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES_MOST = 20000, PATH_SIZE = 1024 };

static char file_path[PATH_SIZE]; /* "" when there is no file to write */

static bool make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool fine = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!fine) {
            return false;
        }
    }
    return true;
}

bool history_user_path(const char *variable, const char *fallback, const char *name, bool make,
                       char *path, size_t size) {
    const char *base = getenv(variable), *home = getenv("HOME");
    int len;
    if (base && base[0] == '/') {
        len = snprintf(path, size, "%s/continuo/%s", base, name);
    } else if (home && home[0] == '/') {
        len = snprintf(path, size, "%s/%s/continuo/%s", home, fallback, name);
    } else {
        return false;
    }
    return len > 0 && (size_t)len < size && (!make || make_folders(path));
}

/* Opens the file, private and locked; -1 when it cannot be. */
static int lock(void) {
    int fd = file_path[0] ? open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

void history_open(void) {
    using_history();
    history_write_timestamps = 1; /* without, entries of several lines come back torn */
    history_comment_char = '#';
    history_multiline_entries = 1;
    stifle_history(ENTRIES_MOST);
    if (!history_user_path("XDG_STATE_HOME", ".local/state", "history", true, file_path,
                           sizeof file_path)) {
        file_path[0] = '\0';
        return;
    }
    int fd = lock();
    if (fd >= 0) {
        (void)fchmod(fd, 0600);
        (void)read_history(file_path);
        (void)close(fd);
    }
}

void history_keep(const char *chunk) {
    size_t len = strlen(chunk);
    while (len > 0 && strchr(" \t\r\n", chunk[len - 1])) {
        len--;
    }
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (len == 0 ||
        (last && strlen(last->line) == len && strncmp(last->line, chunk, len) == 0)) {
        return;
    }
    char *entry = strndup(chunk, len);
    if (!entry) {
        return;
    }
    add_history(entry);
    free(entry);
    int fd = lock();
    if (fd >= 0) {
        (void)append_history(1, file_path);
        (void)close(fd);
    }
}
