/* A scratch folder for a test that needs files: made on first use, removed by scratch_remove. */
#ifndef CONTINUO_TESTS_SCRATCH_H
#define CONTINUO_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[64];

/* The path of a file in the folder; valid for the next eight calls. */
__attribute__((unused)) static const char *scratch_path(const char *name) {
    static char paths[8][192];
    static int turn;
    if (!scratch_folder[0]) {
        (void)strcpy(scratch_folder, "/tmp/continuo-scratch-XXXXXX");
        cr_assert(mkdtemp(scratch_folder) != NULL);
    }
    char *path = paths[turn++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s%s%s", scratch_folder, name[0] ? "/" : "", name);
    return path;
}

__attribute__((unused)) static const char *scratch_write(const char *name, const void *bytes,
                                                         size_t size) {
    const char *path = scratch_path(name);
    FILE *stream = fopen(path, "wb");
    cr_assert(stream != NULL);
    cr_assert_eq(fwrite(bytes, 1, size, stream), size);
    cr_assert_eq(fclose(stream), 0);
    return path;
}

/* Entries of the folder, itself not counted. */
__attribute__((unused)) static int scratch_entries;
__attribute__((unused)) static int scratch_count_one(const char *path, const struct stat *status,
                                                     int kind, struct FTW *where) {
    (void)path, (void)status, (void)kind;
    scratch_entries += where->level > 0;
    return 0;
}
__attribute__((unused)) static int scratch_count(void) {
    scratch_entries = 0;
    (void)nftw(scratch_path(""), scratch_count_one, 8, FTW_PHYS);
    return scratch_entries;
}

static int scratch_remove_one(const char *path, const struct stat *status, int kind,
                              struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

/* For Test(..., .fini = scratch_remove). */
static void scratch_remove(void) {
    if (scratch_folder[0]) {
        (void)nftw(scratch_folder, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
}

#endif
