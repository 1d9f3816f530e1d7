/* One registry of help. Each binding file describes what it binds in a const array; help(),
 * ?name, completion at the prompt, docs/LUA.md and a test that runs every example read it.
 *
 *     static int train_sets(struct help_options *sets) {
 *         sets[0] = (struct help_options){train_options_table, train_options_count};
 *         sets[1] = (struct help_options){job_options_table, job_options_count};
 *         return 2;
 *     }
 *     static const struct help_argument train_arguments[] = {
 *         {"net", "the net to train (required)"}, {"data", "the data set (required)"}, {0}};
 *     static const struct help_entry entries[] = {{
 *         .name = "cn.train", .group = "train",
 *         .signature = "cn.train{ net=, data=, epochs=, ... } -> job",
 *         .line = "starts training in the background",
 *         .text = "...", .example = "...", .arguments = train_arguments, .options = train_sets}};
 *     help_register(entries, sizeof entries / sizeof *entries);
 */
#ifndef CONTINUO_LUA_HELP_H
#define CONTINUO_LUA_HELP_H

#include <stddef.h>

#include "base/option.h"

struct lua_State;

struct help_options { /* an option table and its length */
    const struct option *options;
    int count;
};

struct help_argument { /* what a call takes beside its options: objects, positional arguments */
    const char *name, *help;
};

enum { HELP_SETS_MAX = 12 };

/* Names: a function "cn.train", a method "net:evaluate", a field "net.count", a type "net" (the
 * name its metatable is registered under, with or without "continuo." in front), a global of the
 * prompt "ui", or, in group "topics", a word to read about: "critical step". */
struct help_entry {
    const char *name;
    const char *group;     /* heading in the overview: "data", "nets", "train", "study", "ode",
                              "arrays", "prompt", "topics"; others follow in order of arrival */
    const char *signature; /* with shapes and results; "" for topics */
    const char *line;      /* one line, lower-case start, no full stop */
    const char *text;      /* paragraphs between empty lines: shapes, units, errors, source; NULL */
    const char *example;   /* a chunk that runs by itself within a second or two; NULL */
    const struct help_argument *arguments; /* up to a NULL name; NULL: none */
    int (*options)(struct help_options *sets); /* fills up to HELP_SETS_MAX, returns how many */
};

/* Adds entries; the array is kept, not copied. Registering the same array again does nothing. */
void help_register(const struct help_entry *entries, int count);

int help_count(void);
const struct help_entry *help_at(int index);
const struct help_entry *help_find(const char *name); /* exact name, or NULL */
/* The exact entry, or the one whose last word (after the last '.' or ':') is `name`, or NULL. */
const struct help_entry *help_lookup(const char *name);
/* The name nearest to a misspelt one, or NULL. */
const char *help_nearest(const char *name);
/* The entry of the Lua value at `index` (function, method, module table, or object), or NULL. */
const struct help_entry *help_of_value(struct lua_State *L, int index);

/* Text for people, `width` columns wide, allocated; the caller frees it. NULL when out of memory. */
char *help_overview(int width);
char *help_page(const struct help_entry *entry, int width);
char *help_search(const char *word, int width); /* entries that mention a word; "" for none */

/* Registers the entries of the prompt itself and the topics, and sets the globals help(x) and
 * apropos(word) in L. */
void help_open(struct lua_State *L);

#endif
