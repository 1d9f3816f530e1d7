/* Finding and reading the files of data sets. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learn/dataset_build.h"

/* ---- finding ---- */

struct search {
    const char *const *marks;
    const char *nested;
    char *folder;
    size_t size;
    char tried[300]; /* the folders looked into, for the error */
};

static bool has_mark(const struct search *search) {
    for (int i = 0; search->marks[i]; i++) {
        char path[1100];
        (void)snprintf(path, sizeof path, "%s/%s", search->folder, search->marks[i]);
        if (access(path, F_OK) == 0) {
            return true;
        }
    }
    return false;
}

static void note_tried(struct search *search) {
    size_t used = strlen(search->tried);
    (void)snprintf(search->tried + used, sizeof search->tried - used, "%s%s", used ? " or " : "",
                   search->folder);
}

/* Whether root/name (name may be "") or its nested folder fits; search->folder is then set. */
static bool look_into(struct search *search, const char *root, const char *name) {
    int len = snprintf(search->folder, search->size, "%s%s%s", root, name[0] ? "/" : "", name);
    if (len < 0 || (size_t)len >= search->size) {
        return false;
    }
    if (has_mark(search)) {
        return true;
    }
    note_tried(search);
    if (search->nested) {
        size_t used = (size_t)len;
        int more = snprintf(search->folder + used, search->size - used, "/%s", search->nested);
        return more > 0 && used + (size_t)more < search->size && has_mark(search);
    }
    return false;
}

static bool look_at_home(struct search *search, const char *name) {
    char root[512];
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/') { /* the specification has relative ones ignored */
        (void)snprintf(root, sizeof root, "%s/continuo", data);
    } else if (home && home[0]) {
        (void)snprintf(root, sizeof root, "%s/.local/share/continuo", home);
    } else {
        return false;
    }
    return look_into(search, root, name);
}

bool dataset_folder(const char *name, const char *dir, const char *system, const char *nested,
                    const char *const *marks, const char *advice, char *folder, size_t size,
                    struct error *error) {
    struct search search = {.marks = marks, .nested = nested, .folder = folder, .size = size};
    const char *root = getenv("CONTINUO_DATA");
    bool found;
    const char *origin = "";
    if (dir[0]) {
        origin = "dir=";
        found = look_into(&search, dir, "");
    } else if (root && root[0]) {
        origin = "CONTINUO_DATA";
        found = look_into(&search, root, name) || look_into(&search, root, "");
    } else {
        found = look_at_home(&search, name) || (system && look_into(&search, system, ""));
    }
    if (found) {
        return true;
    }
    return error_set(error, ERROR_FILE, "data set %s: no %s in %s%s%s; %s", name, marks[0],
                     search.tried, origin[0] ? ", from " : "", origin, advice);
}

bool dataset_path(const char *folder, const char *const *names, char *path, size_t size,
                  struct error *error) {
    for (int i = 0; names[i]; i++) {
        int len = snprintf(path, size, "%s/%s", folder, names[i]);
        if (len < 0 || (size_t)len >= size) {
            return error_set(error, ERROR_VALUE, "%s/%s is too long a path; at most %zu bytes",
                             folder, names[i], size - 1);
        }
        if (access(path, F_OK) == 0) {
            return true;
        }
    }
    (void)snprintf(path, size, "%s/%s", folder, names[0]);
    return true;
}

/* ---- reading ---- */

/* Adds the bytes as they stand on disk to the hash. */
static bool hash_file(const char *path, struct sha256 *hash, struct error *error) {
    FILE *stream = fopen(path, "rbe");
    bool good = stream != NULL;
    uint8_t bytes[65536];
    for (size_t got; good && (got = fread(bytes, 1, sizeof bytes, stream)) > 0;) {
        sha256_update(hash, bytes, got);
    }
    good = good && !ferror(stream);
    int reason = errno;
    if (stream) {
        (void)fclose(stream);
    }
    return good || error_set(error, ERROR_FILE, "%s cannot be read: %s", path, strerror(reason));
}

bool data_file_open(struct data_file *file, const char *path, const char *kind, struct sha256 *hash,
                    struct error *error) {
    *file = (struct data_file){.path = path, .kind = kind};
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_set(error, ERROR_FILE, "%s, %s, cannot be read: %s", path, kind,
                         strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, ERROR_FILE, "%s is %s, where %s was expected", path,
                         S_ISDIR(status.st_mode) ? "a folder" : "not a regular file", kind);
    }
    if (status.st_size == 0) {
        return error_set(error, ERROR_FORMAT, "%s is empty, where %s was expected; fetch it again",
                         path, kind);
    }
    file->disk_size = (uint64_t)status.st_size;
    if (!hash_file(path, hash, error)) {
        return false;
    }
    file->stream = gzopen(path, "rbe");
    if (!file->stream || gzbuffer(file->stream, 1 << 17) != 0) {
        data_file_close(file);
        return error_set(error, ERROR_FILE, "%s cannot be read: %s", path, strerror(errno));
    }
    file->gzipped = !gzdirect(file->stream);
    return true;
}

/* Says why fewer bytes came than were expected. */
static bool refuse_short(const struct data_file *file, struct error *error) {
    int reason;
    const char *text = gzerror(file->stream, &reason);
    if (reason == Z_DATA_ERROR) {
        return error_set(error, ERROR_FORMAT,
                         "%s is corrupt: its gzip data are damaged after %" PRId64
                         " bytes (expected %s); fetch it again",
                         file->path, (int64_t)gztell(file->stream), file->kind);
    }
    if (reason == Z_ERRNO || reason == Z_MEM_ERROR) {
        return error_set(error, ERROR_FILE, "%s cannot be read: %s", file->path,
                         reason == Z_ERRNO ? strerror(errno) : text);
    }
    return error_set(error, ERROR_FORMAT,
                     "%s is truncated: it ends after %" PRId64
                     " bytes%s, which is too short for %s; fetch it again",
                     file->path, (int64_t)gztell(file->stream),
                     file->gzipped ? " (uncompressed)" : "", file->kind);
}

bool data_file_read(struct data_file *file, void *target, size_t size, struct error *error) {
    const size_t most = 1 << 24; /* bytes a call; gzread counts in unsigned ints */
    uint8_t scrap[65536];
    for (size_t done = 0; done < size;) {
        size_t room = target ? most : sizeof scrap;
        size_t part = size - done < room ? size - done : room;
        void *place = target ? (uint8_t *)target + done : scrap;
        int got = gzread(file->stream, place, (unsigned)part);
        if (got != (int)part) {
            return refuse_short(file, error);
        }
        done += part;
    }
    return true;
}

bool data_file_end(struct data_file *file, struct error *error) {
    uint8_t byte;
    int64_t at = (int64_t)gztell(file->stream);
    int got = gzread(file->stream, &byte, 1);
    if (got > 0) {
        return error_set(error, ERROR_FORMAT,
                         "%s goes on after the %" PRId64
                         " bytes its header announces for %s; fetch it again",
                         file->path, at, file->kind);
    }
    int reason;
    (void)gzerror(file->stream, &reason);
    if (got < 0 || (reason != Z_OK && reason != Z_STREAM_END)) { /* the checksum at the end */
        return refuse_short(file, error);
    }
    return true;
}

void data_file_close(struct data_file *file) {
    if (file->stream) {
        (void)gzclose_r(file->stream);
        file->stream = NULL;
    }
}
