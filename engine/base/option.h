/* Options: one table describes what a call accepts. The same table reads the values (from a JSON
 * object, whatever it was written in), fills defaults, refuses unknown keys by naming the nearest
 * known one, and feeds help and completion. */
#ifndef CONTINUO_BASE_OPTION_H
#define CONTINUO_BASE_OPTION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum option_kind {
    OPTION_INTEGER, /* ptrdiff_t */
    OPTION_NUMBER,  /* double */
    OPTION_BOOLEAN, /* bool */
    OPTION_TEXT,    /* char[OPTION_TEXT_SIZE] */
    OPTION_CHOICE,  /* int: index into the NULL-terminated choices */
    OPTION_JSON,    /* cJSON *: any JSON value, borrowed from the object read; NULL when absent */
};

enum { OPTION_TEXT_SIZE = 256 };

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;              /* of the field in the structure to fill */
    const char *fallback;       /* as text ("0.1", "true", "rk4"); NULL: the option is required;
                                   "" leaves text empty and JSON absent */
    double least, most;         /* inclusive range of numbers and integers; 0, 0: any */
    const char *const *choices; /* for OPTION_CHOICE */
    const char *help;           /* one line: meaning, unit, allowed values */
};

/* Fills the structure at `target` from `object` (a JSON object, or NULL for all defaults).
 * `call` names the call in errors. False with *error set, target unspecified, when a key is
 * unknown, of the wrong type, out of range, or a required one is missing. Keys listed in
 * `ignored` (NULL-terminated, may be NULL) are passed over. */
bool option_read(const struct option *options, int count, const char *call, const cJSON *object,
                 const char *const *ignored, void *target, struct error *error);

/* A new JSON object with every option resolved as it stands in `source`; the caller owns it. */
cJSON *option_write(const struct option *options, int count, const void *source);

/* The entry of `names` (count of them) nearest to `name` by edit distance, or NULL when none is
 * near enough to be worth suggesting. */
const char *option_nearest(const char *name, const char *const *names, int count);

#endif
