#include "base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool aside_open(struct aside *aside, const char *path, struct error *error) {
    static atomic_uint opened; /* distinguishes files of one process */
    aside->stream = NULL;
    if (!path[0]) {
        return error_set(error, ERROR_VALUE, "a file name is empty; give the path to write to");
    }
    if (strlen(path) >= sizeof aside->path) {
        return error_set(error, ERROR_VALUE, "a path of %zu characters is too long; at most %zu",
                         strlen(path), sizeof aside->path - 1);
    }
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return error_set(error, ERROR_FILE, "%s is %s and cannot be replaced by a file", path,
                         S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
    }
    (void)strcpy(aside->path, path);
    (void)snprintf(aside->name, sizeof aside->name, "%s.%ld-%u.aside", path, (long)getpid(),
                   atomic_fetch_add(&opened, 1));
    int descriptor = open(aside->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        return error_set(error, ERROR_FILE, "%s cannot be written: %s", path, strerror(errno));
    }
    aside->stream = fdopen(descriptor, "wb");
    if (!aside->stream) {
        (void)error_set(error, ERROR_FILE, "%s cannot be written: %s", path, strerror(errno));
        (void)close(descriptor);
        (void)unlink(aside->name);
        return false;
    }
    return true;
}

/* Makes the new name durable. A file system that cannot sync a folder is no reason to fail. */
static void sync_folder(const char *path) {
    char folder[sizeof((struct aside *)0)->path];
    (void)strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash == folder) {
        slash[1] = '\0';
    } else if (slash) {
        *slash = '\0';
    } else {
        (void)strcpy(folder, ".");
    }
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        (void)close(descriptor);
    }
}

bool aside_commit(struct aside *aside, struct error *error) {
    errno = 0;
    bool good =
        fflush(aside->stream) == 0 && !ferror(aside->stream) && fsync(fileno(aside->stream)) == 0;
    int reason = errno;
    if (fclose(aside->stream) != 0 && good) {
        good = false;
        reason = errno;
    }
    aside->stream = NULL;
    if (good && rename(aside->name, aside->path) != 0) {
        good = false;
        reason = errno;
    }
    if (!good) {
        (void)unlink(aside->name);
        return error_set(error, ERROR_FILE,
                         "%s could not be written whole: %s; it was left as it "
                         "was",
                         aside->path, strerror(reason ? reason : EIO));
    }
    sync_folder(aside->path);
    return true;
}

void aside_abandon(struct aside *aside) {
    if (aside->stream) {
        (void)fclose(aside->stream);
        aside->stream = NULL;
        (void)unlink(aside->name);
    }
}
