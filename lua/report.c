#include "lua/report.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/buffer.h"
#include "lua/inspect.h"
#include "lua/interrupt.h"
#include "lua/printer.h"

enum {
    FRAMES_MOST = 6,        /* callers shown */
    LINE_MOST = 100,        /* columns of a source line shown */
    LOOK_AHEAD = 40,        /* lines a call may span: where the word in question is looked for */
    SOURCE_MOST = 4 << 20,  /* bytes of a source file read for a report */
    WORD_SIZE = 128,
};
static const char *const sources_key = "continuo.sources";

void report_keep_source(lua_State *L, const char *name, const char *text, size_t len) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, sources_key);
    lua_pushlstring(L, text, len);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* ---- source text --------------------------------------------------------------------------- */

/* Pushes the source of a chunk: `source` as in lua_Debug, or the name messages use. Pushes nil
 * when it is not to be had. */
static const char *push_source(lua_State *L, const char *source) {
    bool is_file = *source == '@';
    source += *source == '@' || *source == '=';
    luaL_getsubtable(L, LUA_REGISTRYINDEX, sources_key);
    lua_getfield(L, -1, source);
    lua_remove(L, -2);
    if (lua_isstring(L, -1)) {
        return lua_tostring(L, -1);
    }
    FILE *file = is_file || strchr(source, '.') ? fopen(source, "re") : NULL;
    char *bytes = file ? malloc(SOURCE_MOST) : NULL;
    if (bytes) {
        size_t len = fread(bytes, 1, SOURCE_MOST, file);
        lua_pop(L, 1);
        lua_pushlstring(L, bytes, len);
        free(bytes);
    }
    if (file) {
        (void)fclose(file);
    }
    return lua_tostring(L, -1);
}

struct line {
    const char *text;
    size_t len;
};

static struct line find_line(const char *source, int number) {
    for (int i = 1; source && i < number; i++) {
        source = strchr(source, '\n');
        source += source != NULL;
    }
    return (struct line){source, source ? strcspn(source, "\r\n") : 0};
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Column of `word` as a whole word in the line, the last one when `last`; behind one of the
 * characters `behind` unless that is NULL. -1: not there. */
static int find_word(struct line line, const char *word, const char *behind, bool last) {
    size_t len = strlen(word);
    int found = -1;
    for (size_t i = 0; line.text && len > 0 && i + len <= line.len; i++) {
        const char *at = line.text + i;
        if (strncmp(at, word, len) != 0 || (in_word(*word) && i > 0 && in_word(at[-1])) ||
            (in_word(word[len - 1]) && i + len < line.len && in_word(at[len])) ||
            (behind && (i == 0 || !strchr(behind, at[-1])))) {
            continue;
        }
        found = (int)i;
        if (!last) {
            break;
        }
    }
    return found;
}

static void add_source_line(struct buffer *out, struct line line, int number) {
    buffer_addf(out, "%6d | ", number);
    for (size_t i = 0; i < line.len && i < LINE_MOST; i++) {
        char c = line.text[i];
        buffer_add_bytes(out, (unsigned char)c < ' ' ? " " : &c, 1);
    }
    buffer_add(out, "\n");
}

/* Two lines of source and a mark under columns column..column+len of the second. */
static void add_excerpt(struct buffer *out, const char *source, int number, int column, int len,
                        bool before) {
    struct line line = find_line(source, number);
    if (!line.text) {
        return;
    }
    if (before && number > 1) {
        struct line previous = find_line(source, number - 1);
        if (previous.len > 0) {
            add_source_line(out, previous, number - 1);
        }
    }
    add_source_line(out, line, number);
    if (column < 0) {
        column = (int)strspn(line.text, " \t");
        len = (int)line.len - column;
    }
    if (before && column + len <= LINE_MOST && len > 0) {
        buffer_add(out, "       | ");
        buffer_repeat(out, ' ', buffer_columns(line.text, (size_t)column));
        buffer_repeat(out, '^', buffer_columns(line.text + column, (size_t)len));
        buffer_add(out, "\n");
    }
}

/* ---- the word in question ------------------------------------------------------------------ */

struct subject {
    char word[WORD_SIZE];
    bool global, member; /* member: a field or method */
    bool quoted;         /* an option or value that the message quotes */
};

/* Copies what stands in `text` up to `end` into the subject; false when it is no short word. */
static bool take_word(struct subject *subject, const char *text, char end) {
    const char *stop = strchr(text, end);
    if (!stop || stop == text || (size_t)(stop - text) >= sizeof subject->word) {
        return false;
    }
    memcpy(subject->word, text, (size_t)(stop - text));
    subject->word[stop - text] = '\0';
    return true;
}

static struct subject find_subject(const char *message) {
    static const char *const kinds[] = {"(global '", "(field '",   "(method '",  "(local '",
                                        "(upvalue '", "(constant '", " to '"};
    struct subject subject = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *at = strstr(message, kinds[i]);
        if (at && take_word(&subject, at + strlen(kinds[i]), '\'')) {
            subject.global = i == 0;
            subject.member = i == 1 || i == 2;
            return subject;
        }
    }
    const char *quote = strchr(message, '"');
    subject.quoted = quote && take_word(&subject, quote + 1, '"');
    return subject;
}

/* Pushes the value of a variable of the frame: local, upvalue or global. */
static bool push_variable(lua_State *L, lua_Debug *frame, const char *name) {
    const char *found;
    bool have = false;
    for (int i = 1; (found = lua_getlocal(L, frame, i)) != NULL; i++) {
        if (strcmp(found, name) == 0) { /* the last one hides the others */
            if (have) {
                lua_remove(L, -2);
            }
            have = true;
        } else {
            lua_pop(L, 1);
        }
    }
    if (have) {
        return true;
    }
    lua_getinfo(L, "f", frame);
    for (int i = 1; (found = lua_getupvalue(L, -1, i)) != NULL; i++) {
        if (strcmp(found, name) == 0) {
            lua_remove(L, -2);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_pushglobaltable(L);
    have = inspect_get(L, -1, name);
    lua_remove(L, have ? -2 : -1);
    return have;
}

/* Pushes the object whose member stands at `column` of the line: "cn.net" of "cn.net.continous".
 * False, nothing pushed, when it is not a plain path of names. */
static bool push_owner(lua_State *L, lua_Debug *frame, struct line line, int column) {
    int end = column - 1, start = end;
    while (start > 0 && (in_word(line.text[start - 1]) || strchr(".:", line.text[start - 1]))) {
        start--;
    }
    char path[WORD_SIZE];
    if (end <= start || (size_t)(end - start) >= sizeof path ||
        (start > 0 && strchr(")]}\"'", line.text[start - 1]))) {
        return false;
    }
    memcpy(path, line.text + start, (size_t)(end - start));
    path[end - start] = '\0';
    size_t first = strcspn(path, ".:");
    char rest[WORD_SIZE];
    memcpy(rest, path + first, strlen(path + first) + 1);
    path[first] = '\0';
    if (!push_variable(L, frame, path)) {
        return false;
    }
    if (rest[0]) {
        bool found = inspect_path(L, lua_gettop(L), rest, strlen(rest));
        lua_remove(L, found ? -2 : -1);
        return found;
    }
    return true;
}

/* Adds "; did you mean ...?" for an undefined global, field or method. */
static void add_suggestion(lua_State *L, struct buffer *out, lua_Debug *frame,
                           const struct subject *subject, struct line line, int column) {
    bool have = false;
    if (subject->global) {
        lua_pushglobaltable(L);
        have = true;
    } else if (subject->member && column > 0) {
        have = push_owner(L, frame, line, column);
    }
    if (!have) {
        return;
    }
    if (!inspect_get(L, -1, subject->word)) {
        if (inspect_nearest(L, -1, subject->word)) {
            buffer_addf(out, "; did you mean '%s'?", lua_tostring(L, -1));
            lua_pop(L, 1);
        }
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- frames -------------------------------------------------------------------------------- */

static const char *place_name(const char *source, const char *short_source) {
    return *source == '@' || *source == '=' ? source + 1 : short_source;
}

/* Splits "name:line: message"; returns the message, or NULL when there is no such beginning. */
static const char *split_position(const char *text, char *name, size_t size, int *line) {
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        char *end;
        long number = strtol(colon + 1, &end, 10);
        if (end > colon + 1 && strncmp(end, ": ", 2) == 0 && (size_t)(colon - text) < size &&
            !memchr(text, '\n', (size_t)(colon - text))) {
            memcpy(name, text, (size_t)(colon - text));
            name[colon - text] = '\0';
            *line = (int)number;
            return end + 2;
        }
    }
    return NULL;
}

static void describe_function(struct buffer *out, const lua_Debug *frame) {
    if (strcmp(frame->what, "main") == 0) {
        return;
    }
    if (frame->name) {
        bool meta = strcmp(frame->namewhat, "metamethod") == 0;
        buffer_addf(out, ", in %s '%s'", meta ? "metamethod" : "function", frame->name);
    } else {
        buffer_addf(out, ", in the function of line %d", frame->linedefined);
    }
}

/* Adds the callers of `level`, one place and one line each. */
static void add_callers(lua_State *L, struct buffer *out, int level) {
    lua_Debug frame, last = {0};
    int shown = 0, more = 0;
    for (level++; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sln", &frame);
        if (frame.currentline <= 0) {
            continue;
        }
        bool again = frame.source == last.source && frame.currentline == last.currentline;
        last = frame;
        if (again || shown++ >= FRAMES_MOST) { /* recursion, or far away */
            more++;
            continue;
        }
        buffer_addf(out, "  called from %s, line %d",
                    place_name(frame.source, frame.short_src), frame.currentline);
        describe_function(out, &frame);
        buffer_add(out, "\n");
        add_excerpt(out, push_source(L, frame.source), frame.currentline, -1, 0, false);
        lua_pop(L, 1);
    }
    if (more) {
        buffer_addf(out, "  and %d more callers\n", more);
    }
}

/* The level of the Lua function the message blames: the one its position names, else the first. */
static int blamed_level(lua_State *L, const char *name, int line, lua_Debug *frame) {
    int first = -1;
    for (int level = 1; lua_getstack(L, level, frame); level++) {
        lua_getinfo(L, "Sln", frame);
        if (frame->currentline > 0) {
            if (!name || (frame->currentline == line && strcmp(frame->short_src, name) == 0)) {
                return level;
            }
            first = first < 0 ? level : first;
        }
    }
    return name ? -1 : first;
}

/* Where the word stands: in the line itself or, for calls that span lines, in one of the next. */
static int locate(const char *source, int *number, const struct subject *subject) {
    int column = -1;
    for (int i = 0; subject->word[0] && i <= (subject->quoted ? LOOK_AHEAD : 0); i++) {
        struct line line = find_line(source, *number + i);
        if (!line.text) {
            break;
        }
        column = find_word(line, subject->word, subject->member ? ".:" : NULL, false);
        if (column >= 0) {
            *number += i;
            break;
        }
    }
    return column;
}

/* Without a better word: the C function that raised, such as error. */
static void take_raiser(lua_State *L, struct subject *subject, int level) {
    lua_Debug frame;
    if (lua_getstack(L, level, &frame) && lua_getinfo(L, "n", &frame) && frame.name) {
        (void)snprintf(subject->word, sizeof subject->word, "%s", frame.name);
    }
}

static void add_report(lua_State *L, struct buffer *out, const char *text) {
    char name[256] = "";
    int number = 0;
    const char *message = split_position(text, name, sizeof name, &number);
    lua_Debug frame;
    int level = blamed_level(L, message ? name : NULL, number, &frame);
    if (interrupt_pending()) {
        message = "interrupted";
        level = blamed_level(L, NULL, 0, &frame);
    } else if (!message) {
        message = text;
    }
    char again[sizeof name]; /* a coroutine's error comes with its position twice */
    int again_number;
    const char *inner = split_position(message, again, sizeof again, &again_number);
    if (inner && strcmp(again, name) == 0 && again_number == number) {
        message = inner;
    }
    const char *place = level > 0 ? place_name(frame.source, frame.short_src) : name;
    if (level > 0) {
        number = frame.currentline;
    }
    const char *source = number > 0 ? push_source(L, level > 0 ? frame.source : name) : NULL;
    struct subject subject = find_subject(message);
    if (!subject.word[0] && level > 1) {
        take_raiser(L, &subject, level - 1);
    }
    int line_number = number;
    int column = locate(source, &line_number, &subject);
    buffer_addf(out, "%s%s", interrupt_pending() ? "" : "error: ", message);
    if (level > 0) {
        add_suggestion(L, out, &frame, &subject, find_line(source, line_number), column);
    }
    buffer_add(out, "\n");
    if (number > 0) {
        buffer_addf(out, "  %s, line %d", place, line_number);
        if (level > 0) {
            describe_function(out, &frame);
        }
        buffer_add(out, "\n");
        add_excerpt(out, source, line_number, column, (int)strlen(subject.word), true);
        lua_pop(L, 1);
    }
    if (level > 0 && !interrupt_pending()) {
        add_callers(L, out, level);
    }
}

int report_handler(lua_State *L) {
    luaL_checkstack(L, 32, NULL);
    if (lua_type(L, 1) != LUA_TSTRING) {
        printer_push(L, 1, 80, 12);
        lua_replace(L, 1);
    }
    struct buffer out = {0};
    add_report(L, &out, lua_tostring(L, 1));
    lua_pushlstring(L, out.bytes ? out.bytes : "", out.len - (out.len > 0));
    buffer_release(&out);
    return 1;
}

void report_syntax(lua_State *L) {
    char name[256];
    int number = 0, column = -1;
    size_t len = 0;
    const char *text = lua_tostring(L, -1);
    const char *message = split_position(text ? text : "", name, sizeof name, &number);
    if (!message) {
        lua_pushfstring(L, "error: %s", text ? text : "the chunk does not compile");
        lua_replace(L, -2);
        return;
    }
    const char *source = push_source(L, name);
    const char *near = strstr(message, " near ");
    struct line line = find_line(source, number);
    struct subject subject = {0};
    if (near && near[6] == '\'' && take_word(&subject, near + 7, '\'')) {
        column = find_word(line, subject.word, NULL, true);
        len = strlen(subject.word);
    } else if (near && strncmp(near + 6, "<eof>", 5) == 0) {
        column = (int)line.len;
        len = 1;
    }
    struct buffer out = {0};
    buffer_addf(&out, "error: %s\n  %s, line %d\n", message, name, number);
    add_excerpt(&out, source, number, column, (int)len, true);
    lua_pushlstring(L, out.bytes ? out.bytes : "", out.len - (out.len > 0));
    buffer_release(&out);
    lua_replace(L, -3);
    lua_pop(L, 1);
}
