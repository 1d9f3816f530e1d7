#include "app/complete.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/context.h"
#include "depth/basis.h"
#include "depth/tableau.h"
#include "kernels/kernels.h"
#include "learn/dataset.h"
#include "lua/help.h"
#include "lua/inspect.h"

enum { STAMP_LEN = 18, ID_LEN = 5 }; /* "2026-03-02T091412-" and "-7c1e" around a run's name */
static const char runs_folder[] = "runs";

static const char *const keywords[] = {
    "and",   "break", "do",  "else", "elseif", "end",    "false", "for",  "function", "goto", "if",
    "in",    "local", "nil", "not",  "or",     "repeat", "return", "then", "true",    "until",
    "while"};

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add(struct completions *found, const char *name, char suffix, const char *doc) {
    if (found->count == found->capacity) {
        int capacity = found->capacity * 2 + 32;
        struct completion *items = realloc(found->items, (size_t)capacity * sizeof *items);
        if (!items) {
            return;
        }
        found->items = items;
        found->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy) {
        found->items[found->count++] = (struct completion){copy, suffix, doc};
    }
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct completion *)a)->name, ((const struct completion *)b)->name);
}

static void sort_once(struct completions *found) {
    int kept = 0;
    if (found->count > 0) {
        qsort(found->items, (size_t)found->count, sizeof *found->items, compare);
    }
    for (int i = 0; i < found->count; i++) {
        if (kept > 0 && strcmp(found->items[kept - 1].name, found->items[i].name) == 0) {
            free(found->items[i].name);
        } else {
            found->items[kept++] = found->items[i];
        }
    }
    found->count = kept;
}

/* ---- names --------------------------------------------------------------------------------- */

struct names {
    struct completions *found;
    bool only_methods;
};

static void add_name(void *context, lua_State *L, const char *name) {
    struct names *names = context;
    int type = lua_type(L, -1);
    const struct help_entry *entry = help_of_value(L, -1);
    char suffix = '\0';
    if (type == LUA_TFUNCTION) {
        const char *bracket = entry && entry->signature ? strpbrk(entry->signature, "({") : NULL;
        suffix = bracket ? *bracket : '(';
    } else if (names->only_methods) {
        return;
    } else if (type == LUA_TTABLE) {
        suffix = '.';
    }
    add(names->found, name, suffix, entry ? entry->line : NULL);
}

static void add_globals(lua_State *L, const char *word, struct completions *found) {
    struct names names = {found, false};
    lua_pushglobaltable(L);
    inspect_names(L, -1, word, add_name, &names);
    lua_pop(L, 1);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords && word[0]; i++) {
        if (begins(keywords[i], word)) {
            add(found, keywords[i], '\0', NULL);
        }
    }
}

static void add_members(lua_State *L, const struct context *context, const char *word,
                        struct completions *found) {
    struct names names = {found, context->separator == ':'};
    lua_pushglobaltable(L);
    if (context->path[0] &&
        inspect_path(L, lua_gettop(L), context->path, strlen(context->path))) {
        inspect_names(L, -1, word, add_name, &names);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The help entry of what is called: by its name, or by the value the path leads to. */
static const struct help_entry *find_callee(lua_State *L, const char *callee) {
    const struct help_entry *entry = callee[0] ? help_find(callee) : NULL;
    if (!entry && callee[0]) {
        lua_pushglobaltable(L);
        if (inspect_path(L, lua_gettop(L), callee, strlen(callee))) {
            entry = help_of_value(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return entry;
}

static void add_options(const struct help_entry *entry, const char *word,
                        struct completions *found) {
    for (const struct help_argument *a = entry->arguments; a && a->name; a++) {
        if (begins(a->name, word) && inspect_is_name(a->name)) {
            add(found, a->name, '=', a->help);
        }
    }
    struct help_options sets[HELP_SETS_MAX];
    int count = entry->options ? entry->options(sets) : 0;
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < sets[s].count; i++) {
            if (begins(sets[s].options[i].name, word)) {
                add(found, sets[s].options[i].name, '=', sets[s].options[i].help);
            }
        }
    }
}

static const struct option *find_option(const struct help_entry *entry, const char *key) {
    struct help_options sets[HELP_SETS_MAX];
    int count = entry && entry->options ? entry->options(sets) : 0;
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < sets[s].count; i++) {
            if (strcmp(sets[s].options[i].name, key) == 0) {
                return &sets[s].options[i];
            }
        }
    }
    return NULL;
}

static void add_help_names(const char *word, char quote, struct completions *found) {
    for (int i = 0; i < help_count(); i++) {
        const struct help_entry *entry = help_at(i);
        const char *last = entry->name;
        for (const char *c = entry->name; *c; c++) {
            last = *c == '.' || *c == ':' ? c + 1 : last;
        }
        if (begins(entry->name, word)) {
            add(found, entry->name, quote, entry->line);
        } else if (word[0] && begins(last, word)) {
            add(found, last, quote, entry->line);
        }
    }
}

/* ---- inside strings ------------------------------------------------------------------------ */

static void add_schemes(const char *word, char quote, struct completions *found) {
    for (int i = 0; i < tableau_count(); i++) {
        if (begins(tableau_at(i)->name, word)) {
            add(found, tableau_at(i)->name, quote, tableau_at(i)->source);
        }
    }
}

static void add_bases(const char *word, char quote, struct completions *found) {
    for (int i = 0; i < basis_count(); i++) {
        if (begins(basis_entry(i)->name, word)) {
            add(found, basis_entry(i)->name, quote, basis_entry(i)->help);
        }
    }
}

static void add_sources(const char *word, char quote, struct completions *found) {
    for (int i = 0; i < source_count(); i++) {
        if (begins(source_at(i)->name, word)) {
            add(found, source_at(i)->name, quote, source_at(i)->help);
        }
    }
}

static void add_list(const char *const *list, const char *word, char quote,
                     struct completions *found) {
    for (; *list; list++) {
        if (begins(*list, word)) {
            add(found, *list, quote, NULL);
        }
    }
}

/* Names of runs: their folders without time and id. */
static void add_runs(const char *word, char quote, struct completions *found) {
    DIR *folder = opendir(runs_folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        size_t len = strlen(entry->d_name);
        if (len > STAMP_LEN + ID_LEN && entry->d_name[STAMP_LEN - 1] == '-') {
            char name[256];
            (void)snprintf(name, sizeof name, "%.*s", (int)(len - STAMP_LEN - ID_LEN),
                           entry->d_name + STAMP_LEN);
            if (begins(name, word)) {
                add(found, name, quote, NULL);
            }
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
}

static void add_files(const char *word, char quote, struct completions *found) {
    char folder[1024] = ".";
    const char *slash = strrchr(word, '/');
    size_t head = slash ? (size_t)(slash - word) + 1 : 0;
    if (head >= sizeof folder) {
        return;
    }
    if (head > 0) {
        memcpy(folder, word, head);
        folder[head] = '\0';
    }
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        const char *name = entry->d_name;
        char path[2048];
        struct stat status;
        if (!begins(name, word + head) || (name[0] == '.' && word[head] != '.')) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
        (void)snprintf(path, sizeof path, "%.*s%s", (int)head, word, name);
        add(found, path, is_folder ? '/' : quote, NULL);
    }
    if (entries) {
        (void)closedir(entries);
    }
}

static bool ends_in(const char *path, const char *word) {
    size_t path_len = strlen(path), len = strlen(word);
    return path_len >= len && strcmp(path + path_len - len, word) == 0 &&
           (path_len == len || path[path_len - len - 1] == '.' || path[path_len - len - 1] == ':');
}

static void add_values(lua_State *L, const struct context *context, const char *word,
                       struct completions *found) {
    const char *callee = context->callee, *key = context->key;
    const struct option *option = key[0] ? find_option(find_callee(L, callee), key) : NULL;
    if (option && option->kind == OPTION_CHOICE && option->choices) {
        add_list(option->choices, word, context->quote, found);
    } else if (strcmp(key, "scheme") == 0 || strcmp(key, "schemes") == 0) {
        add_schemes(word, context->quote, found);
    } else if (strcmp(key, "basis") == 0) {
        add_bases(word, context->quote, found);
    } else if (strcmp(key, "source") == 0) {
        add_sources(word, context->quote, found);
    } else if (strcmp(key, "precision") == 0 || ends_in(callee, "to")) {
        add_list(precision_names, word, context->quote, found);
    } else if (ends_in(callee, "help") || ends_in(callee, "apropos")) {
        add_help_names(word, context->quote, found);
    } else {
        if (strcmp(key, "run") == 0 || strcmp(key, "resume") == 0 || ends_in(callee, "run") ||
            ends_in(callee, "runs") || ends_in(callee, "resume") || ends_in(callee, "ui")) {
            add_runs(word, context->quote, found);
        }
        add_files(word, context->quote, found);
    }
}

/* ---- all ----------------------------------------------------------------------------------- */

void complete_find(lua_State *L, const char *text, size_t point, struct completions *found) {
    struct context context;
    *found = (struct completions){.start = point};
    if (text[0] == '?') {
        found->start = text[1] == '?' ? 2 : 1;
        char *word = strndup(text + found->start, point - found->start);
        if (word && point >= found->start) {
            add_help_names(word, '\0', found);
        }
        free(word);
        sort_once(found);
        return;
    }
    context_read(text, point, &context);
    if (context.nothing) {
        return;
    }
    found->start = context.start;
    found->in_string = context.quote != '\0';
    char *word = strndup(text + context.start, point - context.start);
    if (!word) {
        return;
    }
    if (context.quote) {
        add_values(L, &context, word, found);
    } else if (context.separator) {
        add_members(L, &context, word, found);
    } else {
        const struct help_entry *entry =
            context.at_key ? find_callee(L, context.callee) : NULL;
        if (entry) {
            add_options(entry, word, found);
        }
        if (found->count == 0) {
            add_globals(L, word, found);
        }
    }
    free(word);
    sort_once(found);
}

void complete_release(struct completions *found) {
    for (int i = 0; i < found->count; i++) {
        free(found->items[i].name);
    }
    free(found->items);
    *found = (struct completions){0};
}
