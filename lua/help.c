#include "lua/help.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "lua/buffer.h"
#include "lua/help_topics.h"
#include "lua/inspect.h"

enum { ARRAYS_MAX = 64, NAMES_MAX = 512, WIDTH_LEAST = 40, NAME_COLUMN = 24, KEY_COLUMN = 22 };

/* The registry: arrays as they were registered. Process-wide, main thread only. */
static struct {
    const struct help_entry *entries;
    int count;
} arrays[ARRAYS_MAX];
static int array_count;

static const char *const group_order[] = {"data",   "nets",   "train",  "study",
                                          "ode",    "arrays", "prompt", "topics"};
enum { GROUPS = sizeof group_order / sizeof *group_order };

void help_register(const struct help_entry *entries, int count) {
    for (int i = 0; i < array_count; i++) {
        if (arrays[i].entries == entries) {
            return;
        }
    }
    if (array_count < ARRAYS_MAX) {
        arrays[array_count].entries = entries;
        arrays[array_count++].count = count;
    }
}

int help_count(void) {
    int count = 0;
    for (int i = 0; i < array_count; i++) {
        count += arrays[i].count;
    }
    return count;
}

const struct help_entry *help_at(int index) {
    for (int i = 0; i < array_count; i++) {
        if (index < arrays[i].count) {
            return arrays[i].entries + index;
        }
        index -= arrays[i].count;
    }
    return NULL;
}

const struct help_entry *help_find(const char *name) {
    for (int i = 0; i < help_count(); i++) {
        if (strcmp(help_at(i)->name, name) == 0) {
            return help_at(i);
        }
    }
    return NULL;
}

static const char *last_word(const char *name) {
    const char *last = name;
    for (const char *c = name; *c; c++) {
        last = *c == '.' || *c == ':' ? c + 1 : last;
    }
    return last;
}

const struct help_entry *help_lookup(const char *name) {
    const struct help_entry *entry = help_find(name);
    for (int i = 0; !entry && i < help_count(); i++) {
        if (strcasecmp(help_at(i)->name, name) == 0 ||
            strcmp(last_word(help_at(i)->name), name) == 0) {
            entry = help_at(i);
        }
    }
    return entry;
}

const char *help_nearest(const char *name) {
    const char *full[NAMES_MAX], *last[NAMES_MAX];
    int count = help_count() < NAMES_MAX ? help_count() : NAMES_MAX;
    for (int i = 0; i < count; i++) {
        full[i] = help_at(i)->name;
        last[i] = last_word(full[i]);
    }
    const char *nearest = option_nearest(name, full, count);
    if (!nearest && (nearest = option_nearest(last_word(name), last, count))) {
        nearest = help_lookup(nearest)->name;
    }
    return nearest;
}

/* ---- from values to entries ---------------------------------------------------------------- */

/* Pushes the metatable of type `name`, registered as it is or behind "continuo.". */
static bool push_type(lua_State *L, const char *name, size_t len) {
    char full[96];
    if (len + 10 > sizeof full) {
        return false;
    }
    (void)snprintf(full, sizeof full, "continuo.%.*s", (int)len, name);
    for (int i = 0; i < 2; i++) {
        if (luaL_getmetatable(L, i ? full + 9 : full) == LUA_TTABLE) {
            return true;
        }
        lua_pop(L, 1);
    }
    return false;
}

/* Pushes the value that an entry describes; false, nothing pushed, when it has none. */
static bool push_described(lua_State *L, const struct help_entry *entry) {
    const char *colon = strchr(entry->name, ':');
    if (!colon) {
        if (strchr(entry->name, ' ') || strcmp(entry->group, "topics") == 0) {
            return false;
        }
        lua_pushglobaltable(L);
        bool found = inspect_path(L, lua_gettop(L), entry->name, strlen(entry->name));
        lua_remove(L, found ? -2 : -1);
        return found;
    }
    if (!push_type(L, entry->name, (size_t)(colon - entry->name))) {
        return false;
    }
    static const char *const places[] = {"__methods", "__index"};
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        lua_pushstring(L, places[i]);
        if (lua_rawget(L, -2) == LUA_TTABLE) {
            found = inspect_get(L, -1, colon + 1);
            lua_remove(L, found ? -2 : -1);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_remove(L, found ? -2 : -1);
    return found;
}

const struct help_entry *help_of_value(lua_State *L, int index) {
    index = lua_absindex(L, index);
    if (!lua_checkstack(L, 16)) {
        return NULL;
    }
    if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
        const struct help_entry *entry = help_find(last_word(lua_tostring(L, -1)));
        lua_pop(L, 1);
        return entry;
    }
    int type = lua_type(L, index);
    if (type != LUA_TFUNCTION && type != LUA_TTABLE) {
        return NULL;
    }
    for (int i = 0; i < help_count(); i++) {
        if (push_described(L, help_at(i))) {
            bool same = lua_rawequal(L, -1, index);
            lua_pop(L, 1);
            if (same) {
                return help_at(i);
            }
        }
    }
    return NULL;
}

/* ---- pages --------------------------------------------------------------------------------- */

/* Adds text folded behind what already stands on the line: `used` columns of it. */
static void add_behind(struct buffer *out, const char *text, int used, int column, int width) {
    struct buffer folded = {0};
    if (used + 1 > column) {
        buffer_add(out, "\n");
        used = 0;
    }
    buffer_fold(&folded, text, column, width);
    if (folded.len > (size_t)column) {
        buffer_repeat(out, ' ', column - used);
        buffer_add(out, folded.bytes + column);
    }
    buffer_release(&folded);
}

static void add_listed(struct buffer *out, const struct help_entry *entry, int width) {
    buffer_addf(out, "  %s", entry->name);
    add_behind(out, entry->line, 2 + buffer_columns(entry->name, strlen(entry->name)),
               NAME_COLUMN, width);
}

char *help_overview(int width) {
    struct buffer out = {0};
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    buffer_fold(&out,
                "continuo: continuous-in-depth nets at a Lua 5.4 prompt. help(cn.train) or ?train "
                "explains one thing, ??word searches, TAB completes, ^C stops or pauses, F2 opens "
                "the live screen, ^D leaves.",
                0, width);
    for (int g = 0; g <= GROUPS; g++) { /* the last round: groups of other names */
        const char *heading = NULL;
        for (int i = 0; i < help_count(); i++) {
            const struct help_entry *entry = help_at(i);
            int rank = 0;
            while (rank < GROUPS && strcmp(entry->group, group_order[rank]) != 0) {
                rank++;
            }
            /* Methods and fields are listed on the page of their type. */
            if (rank != g || strchr(entry->name, ':') ||
                (strchr(entry->name, '.') && strncmp(entry->name, "cn.", 3) != 0)) {
                continue;
            }
            if (!heading || strcmp(heading, entry->group) != 0) {
                heading = entry->group;
                buffer_addf(&out, "\n%s\n", heading);
            }
            add_listed(&out, entry, width);
        }
    }
    return buffer_take(&out);
}

static void add_range(struct buffer *text, const struct option *option) {
    if (option->kind == OPTION_CHOICE && option->choices) {
        for (int i = 0; option->choices[i]; i++) {
            buffer_addf(text, i ? " | %s" : " %s", option->choices[i]);
        }
        buffer_add(text, ".");
    } else if ((option->kind == OPTION_INTEGER || option->kind == OPTION_NUMBER) &&
               (option->least < 0 || option->least > 0 || option->most < 0 || option->most > 0)) {
        buffer_addf(text, option->most >= 1e15 ? " At least %g." : " From %g to %g.",
                    option->least, option->most);
    }
}

static void add_option(struct buffer *out, const struct option *option, int width) {
    static const char *const kinds[] = {
        [OPTION_INTEGER] = "whole number", [OPTION_NUMBER] = "number", [OPTION_BOOLEAN] = "boolean",
        [OPTION_TEXT] = "text",            [OPTION_CHOICE] = "one of", [OPTION_JSON] = "table"};
    struct buffer text = {0};
    bool required = !option->fallback;
    bool plain = required || option->fallback[0] == '\0';
    size_t start = out->len;
    buffer_addf(out, "  %s%s%s", option->name, plain ? "" : " = ", plain ? "" : option->fallback);
    int used = (int)(out->len - start);
    buffer_addf(&text, "%s%s.", option->help, required ? " (required)" : "");
    if (option->kind == OPTION_CHOICE || !plain || required) {
        buffer_addf(&text, " %c%s%s", toupper((unsigned char)kinds[option->kind][0]),
                    kinds[option->kind] + 1, option->kind == OPTION_CHOICE ? ":" : ".");
    }
    add_range(&text, option);
    add_behind(out, text.bytes ? text.bytes : "", used, KEY_COLUMN, width);
    buffer_release(&text);
}

static void add_options(struct buffer *out, const struct help_entry *entry, int width) {
    if (!entry->arguments && !entry->options) {
        return;
    }
    buffer_add(out, "\nOptions\n");
    for (const struct help_argument *a = entry->arguments; a && a->name; a++) {
        struct option as_option = {
            .name = a->name, .kind = OPTION_JSON, .fallback = "", .help = a->help};
        add_option(out, &as_option, width);
    }
    struct help_options sets[HELP_SETS_MAX];
    int count = entry->options ? entry->options(sets) : 0;
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < sets[s].count; i++) {
            add_option(out, &sets[s].options[i], width);
        }
    }
}

/* Entries whose name begins with this one's and goes on with '.' or ':'. */
static void add_members(struct buffer *out, const struct help_entry *entry, int width) {
    size_t len = strlen(entry->name);
    bool heading = false;
    for (int i = 0; i < help_count(); i++) {
        const struct help_entry *member = help_at(i);
        if (strncmp(member->name, entry->name, len) == 0 &&
            (member->name[len] == '.' || member->name[len] == ':')) {
            buffer_add(out, heading ? "" : "\nMembers\n");
            heading = true;
            add_listed(out, member, width);
        }
    }
}

char *help_page(const struct help_entry *entry, int width) {
    struct buffer out = {0};
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    if (entry->signature && entry->signature[0]) {
        buffer_fold(&out, entry->signature, 0, width);
    } else {
        buffer_addf(&out, "%s\n", entry->name);
    }
    struct buffer line = {0};
    buffer_addf(&line, "%c%s.", toupper((unsigned char)entry->line[0]), entry->line + 1);
    buffer_fold(&out, line.bytes ? line.bytes : "", 2, width);
    buffer_release(&line);
    if (entry->text && entry->text[0]) {
        buffer_add(&out, "\n");
        buffer_fold(&out, entry->text, 2, width);
    }
    add_options(&out, entry, width);
    add_members(&out, entry, width);
    if (entry->example && entry->example[0]) {
        buffer_add(&out, "\nExample\n");
        for (const char *at = entry->example; *at;) {
            size_t len = strcspn(at, "\n");
            buffer_addf(&out, "  %.*s\n", (int)len, at);
            at += len + (at[len] == '\n');
        }
    }
    return buffer_take(&out);
}

static bool mentions(const struct help_entry *entry, const char *word) {
    const char *texts[] = {entry->name, entry->signature, entry->line, entry->text, entry->group};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] && strcasestr(texts[i], word)) {
            return true;
        }
    }
    struct help_options sets[HELP_SETS_MAX];
    int count = entry->options ? entry->options(sets) : 0;
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < sets[s].count; i++) {
            if (strcasecmp(sets[s].options[i].name, word) == 0) {
                return true;
            }
        }
    }
    return false;
}

char *help_search(const char *word, int width) {
    struct buffer out = {0};
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    for (int i = 0; i < help_count(); i++) {
        if (mentions(help_at(i), word)) {
            add_listed(&out, help_at(i), width);
        }
    }
    return buffer_take(&out);
}

/* ---- the globals --------------------------------------------------------------------------- */

static int columns(void) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_LEAST;
    return known ? size.ws_col : 80;
}

/* Prints allocated text through Lua's print, which a program may have replaced, and frees it. */
static int print_taken(lua_State *L, char *text) {
    lua_getglobal(L, "print");
    if (text) {
        size_t len = strlen(text);
        lua_pushlstring(L, text, len - (len > 0 && text[len - 1] == '\n'));
    } else {
        lua_pushliteral(L, "no memory for this page");
    }
    free(text);
    lua_call(L, 1, 0);
    return 0;
}

/* help(), help(value), help "name" */
static int call_help(lua_State *L) {
    if (lua_gettop(L) == 0) {
        return print_taken(L, help_overview(columns()));
    }
    const struct help_entry *entry = NULL;
    if (lua_type(L, 1) == LUA_TSTRING) {
        const char *name = lua_tostring(L, 1);
        entry = help_lookup(name);
        if (!entry) {
            lua_pushglobaltable(L); /* a path that names a described value: "m.evaluate" */
            if (inspect_path(L, lua_gettop(L), name, strlen(name))) {
                entry = help_of_value(L, -1);
            }
        }
        if (!entry) {
            char quoted[TEXT_QUOTE_SIZE];
            const char *nearest = help_nearest(name);
            return luaL_error(L, "there is no help for %s%s%s%s; apropos \"word\" searches",
                              text_quote(quoted, name), nearest ? "; nearest is \"" : "",
                              nearest ? nearest : "", nearest ? "\"" : "");
        }
    } else {
        entry = help_of_value(L, 1);
        if (!entry) {
            return luaL_error(L, "there is no help for this %s; help() lists what there is",
                              luaL_typename(L, 1));
        }
    }
    return print_taken(L, help_page(entry, columns()));
}

static int call_apropos(lua_State *L) {
    const char *word = luaL_checkstring(L, 1);
    char *text = help_search(word, columns());
    if (text && !text[0]) {
        free(text);
        char quoted[TEXT_QUOTE_SIZE];
        return luaL_error(L, "nothing in the help mentions %s; help() lists what there is",
                          text_quote(quoted, word));
    }
    return print_taken(L, text);
}

void help_open(lua_State *L) {
    help_topics_register();
    lua_pushcfunction(L, call_help);
    lua_setglobal(L, "help");
    lua_pushcfunction(L, call_apropos);
    lua_setglobal(L, "apropos");
}
