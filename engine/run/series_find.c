/* Run folders by what people call them: their list, and the one that a name, an id, a prefix or a
 * path means. */
#include "run/series.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_file(const char *folder, const char *name) {
    char path[1400];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool series_is_run(const char *folder) {
    return is_file(folder, "config.json") || is_file(folder, "metrics.jsonl");
}

void series_split(const char *folder, char *name, size_t name_size, char *id, size_t id_size) {
    const char *base = strrchr(folder, '/');
    base = base && base[1] ? base + 1 : folder;
    size_t length = strlen(base);
    enum { TIME_LENGTH = 17, ID_LENGTH = 4 };
    id[0] = 0;
    (void)snprintf(name, name_size, "%s", base);
    if (length < TIME_LENGTH + 1 + 1 + ID_LENGTH || base[10] != 'T' || base[TIME_LENGTH] != '-' ||
        base[length - ID_LENGTH - 1] != '-') {
        return;
    }
    (void)snprintf(id, id_size, "%s", base + length - ID_LENGTH);
    (void)snprintf(name, name_size, "%s", base + TIME_LENGTH + 1);
    size_t name_length = length - TIME_LENGTH - 1 - ID_LENGTH - 1;
    if (name_length < name_size) {
        name[name_length] = 0;
    }
}

/* Newest first. Names start with the time, to the second; what ties is newer by its clock. */
struct listed {
    char name[256];
    struct timespec changed;
};

static int compare_listed(const void *left, const void *right) {
    const struct listed *a = left, *b = right;
    enum { TIME_LENGTH = 17 };
    int order = strncmp(b->name, a->name, TIME_LENGTH);
    if (order == 0 && a->changed.tv_sec != b->changed.tv_sec) {
        order = a->changed.tv_sec < b->changed.tv_sec ? 1 : -1;
    }
    if (order == 0 && a->changed.tv_nsec != b->changed.tv_nsec) {
        order = a->changed.tv_nsec < b->changed.tv_nsec ? 1 : -1;
    }
    return order ? order : strcmp(b->name, a->name);
}

int series_list(const char *runs, char (**names)[256], int limit) {
    *names = NULL;
    DIR *directory = opendir(runs);
    if (!directory) {
        return 0;
    }
    struct listed *found = NULL;
    ptrdiff_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[1300];
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || length >= sizeof found->name || strlen(runs) > 1000) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", runs, entry->d_name);
        struct stat status;
        if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode) || !series_is_run(path)) {
            continue;
        }
        bool is_full = (count & (count - 1)) == 0; /* capacities are powers of two */
        if (is_full) {
            found = realloc(found, (count ? 2 * (size_t)count : 1) * sizeof *found);
            if (!found) {
                abort();
            }
        }
        memcpy(found[count].name, entry->d_name, length + 1);
        found[count].changed = status.st_mtim;
        count++;
    }
    (void)closedir(directory);
    if (count > 0) {
        qsort(found, (size_t)count, sizeof *found, compare_listed);
    }
    int listed = count < limit ? (int)count : limit;
    if (listed > 0) {
        *names = malloc((size_t)listed * sizeof **names);
        if (!*names) {
            abort();
        }
        for (int i = 0; i < listed; i++) {
            memcpy((*names)[i], found[i].name, sizeof **names);
        }
    }
    free(found);
    return listed;
}

static bool write_path(const char *runs, const char *name, char *path, size_t size,
                       struct error *error) {
    int length =
        runs ? snprintf(path, size, "%s/%s", runs, name) : snprintf(path, size, "%s", name);
    if (length < 0 || (size_t)length >= size) {
        return error_set(error, ERROR_VALUE, "the path of run \"%.60s\" is longer than %zu bytes",
                         name, size - 1);
    }
    return true;
}

/* How well a run folder answers to text: 3 its name or id, 2 its folder's name, 1 a prefix. */
static int match(const char *folder, const char *text) {
    char name[256], id[8];
    series_split(folder, name, sizeof name, id, sizeof id);
    if (strcmp(name, text) == 0 || strcmp(id, text) == 0) {
        return 3;
    }
    if (strcmp(folder, text) == 0) {
        return 2;
    }
    size_t length = strlen(text);
    return strncmp(name, text, length) == 0 || strncmp(folder, text, length) == 0 ||
                   strncmp(id, text, length) == 0
               ? 1
               : 0;
}

bool series_find(const char *runs, const char *text, char *path, size_t size, struct error *error) {
    bool any = !text || !text[0];
    if (!any && series_is_run(text)) {
        return write_path(NULL, text, path, size, error);
    }
    enum { MOST = 100000 };
    char(*names)[256];
    int count = series_list(runs, &names, MOST);
    if (count == 0) {
        return error_set(error, ERROR_FILE,
                         "there are no runs in the folder \"%s\"; start one with "
                         "cn.train{...}, or name a run's folder",
                         runs);
    }
    int best = 0, place = any ? 0 : -1, ties = 0;
    char first[64] = "", second[64] = "";
    for (int i = 0; !any && i < count; i++) {
        int quality = match(names[i], text);
        if (quality > best) {
            best = quality;
            place = i;
            ties = 0;
        } else if (quality == best && quality == 1) {
            ties++;
            (void)snprintf(second, sizeof second, "%.63s", names[i]);
        }
    }
    bool ok = false;
    if (place < 0) {
        (void)snprintf(first, sizeof first, "%.63s", names[0]);
        error_set(error, ERROR_VALUE,
                  "no run in \"%s\" has the name, id or folder \"%s\"; the "
                  "newest of %d is \"%s\"",
                  runs, text, count, first);
    } else if (ties > 0 && best == 1) {
        (void)snprintf(first, sizeof first, "%.63s", names[place]);
        error_set(error, ERROR_VALUE,
                  "\"%s\" begins %d runs in \"%s\", among them \"%s\" and "
                  "\"%s\"; write more of it",
                  text, ties + 1, runs, first, second);
    } else {
        ok = write_path(runs, names[place], path, size, error);
    }
    free(names);
    return ok;
}
