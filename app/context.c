#include "app/context.h"

#include <ctype.h>
#include <string.h>

enum { OPEN_MAX = 32 };

struct open { /* a bracket that is not closed yet */
    char bracket;
    bool call;                       /* directly a call's bracket: its names are the options */
    char callee[CONTEXT_NAME_SIZE];
    char key[CONTEXT_NAME_SIZE];
    bool at_key;
};

/* `name`: text[name..end) is the path of names that ended last, if nothing but space has come
 * since; otherwise name == end. */
struct reader {
    const char *text;
    size_t point, at, name, end;
    struct open open[OPEN_MAX];
    int depth;
};

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static void copy_name(char *out, const struct reader *reader) {
    size_t len = reader->end - reader->name;
    out[0] = '\0';
    if (len < CONTEXT_NAME_SIZE) {
        memcpy(out, reader->text + reader->name, len);
        out[len] = '\0';
    }
}

static struct open *top(struct reader *reader) {
    return &reader->open[reader->depth < OPEN_MAX ? reader->depth : OPEN_MAX - 1];
}

static void forget_name(struct reader *reader) {
    reader->name = reader->end = reader->at;
}

static void push(struct reader *reader, char bracket) {
    struct open outer = *top(reader);
    bool named = reader->end > reader->name;
    reader->depth++;
    struct open *inner = top(reader);
    *inner = (struct open){.bracket = bracket, .at_key = bracket == '{'};
    if (named) {
        copy_name(inner->callee, reader);
        inner->call = true;
    } else if (bracket == '{') { /* f({ ... }), or a list as the value of an option */
        inner->call = outer.bracket == '(' && outer.call;
        memcpy(inner->callee, outer.callee, sizeof outer.callee);
        memcpy(inner->key, outer.key, sizeof outer.key);
    }
}

static void pop(struct reader *reader) {
    reader->depth -= reader->depth > 0;
}

/* Passes over a quoted string. False when the cursor stands in it. */
static bool pass_string(struct reader *reader) {
    char quote = reader->text[reader->at++];
    for (; reader->at < reader->point; reader->at++) {
        char c = reader->text[reader->at];
        if (c == '\\') {
            reader->at++;
        } else if (c == quote || c == '\n') {
            reader->at++;
            return true;
        }
    }
    return false;
}

/* Level of the long bracket "[", "=" * level, "[" at `at`, or -1. */
static int long_bracket(const struct reader *reader, size_t at) {
    int level = 0;
    if (at >= reader->point || reader->text[at] != '[') {
        return -1;
    }
    while (at + 1 < reader->point && reader->text[at + 1] == '=') {
        at++;
        level++;
    }
    return at + 1 < reader->point && reader->text[at + 1] == '[' ? level : -1;
}

static bool pass_long(struct reader *reader, int level) {
    for (size_t i = reader->at + (size_t)level + 2; i < reader->point; i++) {
        size_t equals = 0;
        if (reader->text[i] != ']') {
            continue;
        }
        while (i + 1 + equals < reader->point && reader->text[i + 1 + equals] == '=') {
            equals++;
        }
        if (equals == (size_t)level && i + 1 + equals < reader->point &&
            reader->text[i + 1 + equals] == ']') {
            reader->at = i + equals + 2;
            return true;
        }
    }
    return false;
}

/* False when the cursor stands in it. */
static bool pass_comment(struct reader *reader) {
    reader->at += 2;
    int level = long_bracket(reader, reader->at);
    if (level >= 0) {
        return pass_long(reader, level);
    }
    while (reader->at < reader->point && reader->text[reader->at] != '\n') {
        reader->at++;
    }
    return reader->at < reader->point;
}

/* Reads a name, and joins it to the path when a separator stands between. */
static void read_name(struct reader *reader) {
    size_t start = reader->at;
    while (reader->at < reader->point && in_word(reader->text[reader->at])) {
        reader->at++;
    }
    bool joins = start > 0 && reader->end > reader->name && reader->end == start - 1 &&
                 (reader->text[start - 1] == '.' || reader->text[start - 1] == ':');
    if (!joins) {
        reader->name = start;
    }
    reader->end = reader->at;
}

static void read_mark(struct reader *reader) {
    char c = reader->text[reader->at];
    struct open *open = top(reader);
    bool separator = (c == '.' || c == ':') && reader->end == reader->at;
    if (c == '(' || c == '{') {
        push(reader, c);
    } else if (c == ')' || c == '}') {
        pop(reader);
    } else if ((c == ',' || c == ';') && open->bracket == '{') {
        open->at_key = true;
        if (open->call) {
            open->key[0] = '\0';
        }
    } else if (c == '=' && open->at_key && reader->end > reader->name) {
        copy_name(open->key, reader);
        open->at_key = false;
    } else if (!separator && !isspace((unsigned char)c)) {
        open->at_key = false;
    }
    reader->at++;
    if (!separator && !isspace((unsigned char)c)) {
        forget_name(reader);
    }
}

static void fill(struct reader *reader, struct context *context) {
    struct open *open = top(reader);
    memcpy(context->callee, open->callee, sizeof open->callee);
    memcpy(context->key, open->key, sizeof open->key);
    if (context->quote) {
        if (reader->end > reader->name) { /* f "..." */
            copy_name(context->callee, reader);
            context->key[0] = '\0';
        }
        return;
    }
    context->start = reader->point;
    while (context->start > 0 && in_word(reader->text[context->start - 1])) {
        context->start--;
    }
    char before = context->start > 0 ? reader->text[context->start - 1] : '\0';
    bool member = before == '.' || before == ':';
    if (member && !(before == '.' && context->start > 1 &&
                    reader->text[context->start - 2] == '.')) {
        context->separator = before;
        bool joined = reader->end > reader->name &&
                      (reader->end == reader->point || reader->end == context->start - 1);
        if (joined && reader->name < context->start - 1) {
            reader->end = context->start - 1;
            copy_name(context->path, reader);
        }
    }
    bool first_word = reader->end == reader->name ||
                      (reader->name == context->start && reader->end == reader->point);
    context->at_key = open->at_key && open->call && !context->separator && first_word;
}

void context_read(const char *text, size_t point, struct context *context) {
    struct reader reader = {.text = text, .point = point};
    *context = (struct context){0};
    while (reader.at < point) {
        char c = text[reader.at];
        size_t from = reader.at;
        int level = long_bracket(&reader, reader.at);
        if (c == '"' || c == '\'') {
            if (!pass_string(&reader)) {
                context->quote = c;
                context->start = from + 1;
                break;
            }
            top(&reader)->at_key = false;
            forget_name(&reader);
        } else if (c == '-' && from + 1 < point && text[from + 1] == '-') {
            if (!pass_comment(&reader)) {
                context->nothing = true;
                return;
            }
        } else if (level >= 0) {
            if (!pass_long(&reader, level)) {
                context->nothing = true;
                return;
            }
            forget_name(&reader);
        } else if (in_word(c)) {
            read_name(&reader);
        } else {
            read_mark(&reader);
        }
    }
    fill(&reader, context);
}
