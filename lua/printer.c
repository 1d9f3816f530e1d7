#include "lua/printer.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lua/buffer.h"
#include "lua/help.h"
#include "lua/inspect.h"

enum { DEPTH_MAX = 6, STACK_NEED = 16, WIDTH_LEAST = 20, HEIGHT_LEAST = 3, STRING_MOST = 2000 };
static const char *const box_type = "continuo.printer";

/* One printing. `open` holds the tables being printed, outermost first: a table met again inside
 * itself is a cycle. */
struct printer {
    lua_State *L;
    struct buffer out;
    int width, lines; /* columns, and lines still to be spent */
    int depth;
    bool flat; /* inside add_line: what does not fit fails at once */
    const void *open[DEPTH_MAX];
};

static void add_value(struct printer *printer, int index, int indent, int column);

/* A string as Lua source, so that what was printed can be typed; cut at `most` bytes. */
static void add_quoted(struct buffer *out, const char *text, size_t len, size_t most) {
    size_t shown = len > most ? most : len;
    while (shown < len && shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80) {
        shown--;
    }
    buffer_add(out, "\"");
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            buffer_addf(out, "\\%c", c);
        } else if (c == '\n') {
            buffer_add(out, "\\n");
        } else if (c == '\t') {
            buffer_add(out, "\\t");
        } else if (c < ' ' || c == 127) {
            buffer_addf(out, "\\%03d", c);
        } else {
            buffer_add_bytes(out, text + i, 1);
        }
    }
    buffer_add(out, "\"");
    if (shown < len) {
        buffer_addf(out, "... (%zu bytes)", len);
    }
}

/* Text an object says about itself, by __repr or __tostring. False when it has neither. */
static bool add_own(struct printer *printer, int index, int indent) {
    lua_State *L = printer->L;
    int results = 2;
    if (luaL_getmetafield(L, index, "__repr") != LUA_TNIL) {
        lua_pushvalue(L, index);
        lua_pushinteger(L, printer->width - indent);
        lua_pushinteger(L, printer->lines);
        results = 3;
    } else if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pushvalue(L, index);
        results = 1;
    } else {
        return false;
    }
    bool fine = lua_pcall(L, results, 1, 0) == LUA_OK;
    const char *text = lua_tostring(L, -1);
    if (!fine || !text) {
        buffer_addf(&printer->out, "<%s: %s>", luaL_typename(L, index),
                    fine ? "its __tostring gives no string" : text ? text : "error");
    } else {
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == '\n') {
            len--;
        }
        for (size_t i = 0; i < len; i++) {
            buffer_add_bytes(&printer->out, text + i, 1);
            if (text[i] == '\n') {
                printer->lines--;
                buffer_repeat(&printer->out, ' ', indent);
            }
        }
    }
    lua_pop(L, 1);
    return true;
}

static void add_scalar(struct printer *printer, int index) {
    lua_State *L = printer->L;
    struct buffer *out = &printer->out;
    size_t len;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        buffer_add(out, "nil");
        break;
    case LUA_TBOOLEAN:
        buffer_add(out, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        lua_pushvalue(L, index); /* lua_tostring would turn the value itself into a string */
        buffer_add(out, lua_tostring(L, -1));
        lua_pop(L, 1);
        break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &len);
        add_quoted(out, text, len, printer->depth ? (size_t)printer->width : STRING_MOST);
        break;
    }
    case LUA_TFUNCTION: {
        const struct help_entry *entry = help_of_value(L, index);
        buffer_addf(out, entry ? "<function %s>" : "<function>", entry ? entry->name : "");
        break;
    }
    default:
        if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
            buffer_addf(out, "<%s>", lua_tostring(L, -1));
            lua_pop(L, 1);
        } else {
            buffer_addf(out, "<%s>", luaL_typename(L, index));
        }
    }
}

/* Sorts keys: numbers ascending, then strings by bytes, then the rest by type. */
static int compare_keys(lua_State *L, int a, int b) {
    int type_a = lua_type(L, a), type_b = lua_type(L, b);
    if (type_a != type_b) {
        return type_a == LUA_TNUMBER   ? -1
               : type_b == LUA_TNUMBER ? 1
               : type_a == LUA_TSTRING ? -1
               : type_b == LUA_TSTRING ? 1
                                       : type_a - type_b;
    }
    if (type_a == LUA_TNUMBER) {
        return lua_compare(L, a, b, LUA_OPLT) ? -1 : 1;
    }
    return type_a == LUA_TSTRING ? strcmp(lua_tostring(L, a), lua_tostring(L, b)) : 0;
}

/* Pushes a table of the keys of the table at `index` beside its positions 1..positions, in order;
 * returns how many there are. */
static int push_keys(lua_State *L, int index, lua_Integer positions) {
    int count = 0;
    lua_newtable(L);
    int keys = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_isinteger(L, -2)) {
            lua_Integer key = lua_tointeger(L, -2);
            if (key >= 1 && key <= positions) {
                continue;
            }
        }
        lua_pushvalue(L, -2);
        lua_rawseti(L, keys, ++count);
    }
    /* Heap sort in place: tables of a session are small, but a script may hold large ones. */
    for (int root = count / 2, end = count; end > 1;) {
        if (root > 0) {
            root--;
        } else {
            end--;
            lua_rawgeti(L, keys, 1);
            lua_rawgeti(L, keys, end + 1);
            lua_rawseti(L, keys, 1);
            lua_rawseti(L, keys, end + 1);
        }
        for (int at = root, child; (child = 2 * at + 1) < end; at = child) {
            lua_rawgeti(L, keys, child + 1);
            if (child + 1 < end) {
                lua_rawgeti(L, keys, child + 2);
                if (compare_keys(L, -2, -1) < 0) {
                    lua_remove(L, -2);
                    child++;
                } else {
                    lua_pop(L, 1);
                }
            }
            lua_rawgeti(L, keys, at + 1);
            if (compare_keys(L, -1, -2) >= 0) {
                lua_pop(L, 2);
                break;
            }
            lua_rawseti(L, keys, child + 1);
            lua_rawseti(L, keys, at + 1);
        }
    }
    return count;
}

static void add_key(struct printer *printer, int index) {
    lua_State *L = printer->L;
    if (lua_type(L, index) == LUA_TSTRING && inspect_is_name(lua_tostring(L, index))) {
        buffer_add(&printer->out, lua_tostring(L, index));
        return;
    }
    buffer_add(&printer->out, "[");
    if (lua_istable(L, index)) {
        buffer_add(&printer->out, "<table>");
    } else {
        add_scalar(printer, index);
    }
    buffer_add(&printer->out, "]");
}

/* The table in one line of at most `room` columns. False, nothing added, when it does not fit. */
static bool add_line(struct printer *printer, int index, lua_Integer positions, int keys,
                     int count, int room) {
    lua_State *L = printer->L;
    size_t start = printer->out.len;
    int lines = printer->lines;
    if (positions + count > room) {
        return false;
    }
    buffer_add(&printer->out, "{");
    for (lua_Integer i = 1; i <= positions + count; i++) {
        buffer_add(&printer->out, i > 1 ? ", " : "");
        if (i <= positions) {
            lua_rawgeti(L, index, i);
        } else {
            lua_rawgeti(L, keys, i - positions);
            add_key(printer, lua_gettop(L));
            buffer_add(&printer->out, " = ");
            lua_rawget(L, index);
        }
        add_value(printer, lua_gettop(L), 0, 0);
        lua_pop(L, 1);
        const char *text = printer->out.bytes + start;
        size_t len = printer->out.len - start;
        if (printer->out.failed || buffer_columns(text, len) + 1 > room || memchr(text, '\n', len)) {
            printer->out.len = start;
            printer->lines = lines;
            return false;
        }
    }
    buffer_add(&printer->out, "}");
    return true;
}

/* Numbers, filled into lines. */
static lua_Integer add_filled(struct printer *printer, int index, lua_Integer positions,
                              int indent) {
    lua_State *L = printer->L;
    struct buffer *out = &printer->out;
    int column = printer->width;
    lua_Integer i = 1;
    for (; i <= positions; i++) {
        struct printer one = {.L = L, .width = printer->width};
        if (lua_rawgeti(L, index, i) != LUA_TNUMBER) {
            lua_pop(L, 1);
            break;
        }
        add_scalar(&one, lua_gettop(L));
        lua_pop(L, 1);
        if (column + (int)one.out.len + 2 > printer->width) {
            if (printer->lines <= 2) {
                buffer_release(&one.out);
                break;
            }
            buffer_add(out, "\n");
            buffer_repeat(out, ' ', indent);
            printer->lines--;
            column = indent;
        } else {
            buffer_add(out, " ");
            column++;
        }
        buffer_addf(out, "%s,", one.out.bytes ? one.out.bytes : "");
        column += (int)one.out.len + 1;
        buffer_release(&one.out);
    }
    return i - 1;
}

/* The table with one entry a line, `indent` columns in. */
static void add_block(struct printer *printer, int index, lua_Integer positions, int keys,
                      int count, int indent) {
    lua_State *L = printer->L;
    struct buffer *out = &printer->out;
    int key_width = 0;
    buffer_add(out, "{");
    lua_Integer shown = add_filled(printer, index, positions, indent + 2);
    for (int i = 1; i <= count && count <= printer->lines; i++) {
        lua_rawgeti(L, keys, i);
        if (lua_type(L, -1) == LUA_TSTRING) {
            size_t len = lua_rawlen(L, -1);
            key_width = len <= 24 && (int)len > key_width ? (int)len : key_width;
        }
        lua_pop(L, 1);
    }
    for (; shown < positions + count; shown++) {
        if (printer->lines <= 2 && shown + 1 < positions + count) {
            buffer_add(out, "\n");
            buffer_repeat(out, ' ', indent + 2);
            buffer_addf(out, "... %lld more", (long long)(positions + count - shown));
            break;
        }
        buffer_add(out, "\n");
        buffer_repeat(out, ' ', indent + 2);
        printer->lines--;
        size_t start = out->len;
        if (shown < positions) {
            lua_rawgeti(L, index, shown + 1);
        } else {
            lua_rawgeti(L, keys, shown - positions + 1);
            add_key(printer, lua_gettop(L));
            if (key_width > 0) {
                buffer_repeat(out, ' ', key_width - (int)(out->len - start));
            }
            buffer_add(out, " = ");
            lua_rawget(L, index);
        }
        int column = indent + 2 + (int)(out->len - start);
        add_value(printer, lua_gettop(L), indent + 2, column);
        buffer_add(out, ",");
        lua_pop(L, 1);
    }
    buffer_add(out, "\n");
    buffer_repeat(out, ' ', indent);
    buffer_add(out, "}");
    printer->lines--;
}

static void add_table(struct printer *printer, int index, int indent, int column) {
    lua_State *L = printer->L;
    const void *self = lua_topointer(L, index);
    for (int i = 0; i < printer->depth; i++) {
        if (printer->open[i] == self) {
            buffer_add(&printer->out, "<cycle>");
            return;
        }
    }
    if (printer->depth == DEPTH_MAX || !lua_checkstack(L, STACK_NEED)) {
        buffer_add(&printer->out, "{...}");
        return;
    }
    printer->open[printer->depth++] = self;
    lua_Integer positions = (lua_Integer)lua_rawlen(L, index);
    int count = push_keys(L, index, positions), keys = lua_gettop(L);
    /* Inside add_line indent and column are 0: there only the line as a whole is measured. */
    int room = printer->width - column - 1;
    bool flat = printer->flat;
    printer->flat = true;
    bool fits = add_line(printer, index, positions, keys, count, room);
    printer->flat = flat;
    if (!fits && flat) {
        buffer_add(&printer->out, "\n");
    } else if (!fits) {
        add_block(printer, index, positions, keys, count, indent);
    }
    lua_pop(L, 1);
    printer->depth--;
}

/* Adds the value at absolute `index`; its first line starts at `column`, others at `indent`. */
static void add_value(struct printer *printer, int index, int indent, int column) {
    if (add_own(printer, index, indent)) {
        return;
    }
    if (lua_istable(printer->L, index)) {
        add_table(printer, index, indent, column);
    } else {
        add_scalar(printer, index);
    }
}

static int box_gc(lua_State *L) {
    struct printer *printer = lua_touserdata(L, 1);
    buffer_release(&printer->out);
    return 0;
}

void printer_push(lua_State *L, int index, int width, int height) {
    index = lua_absindex(L, index);
    luaL_checkstack(L, STACK_NEED, NULL);
    struct printer *printer = lua_newuserdatauv(L, sizeof *printer, 0);
    *printer = (struct printer){
        .L = L,
        .width = width < WIDTH_LEAST ? WIDTH_LEAST : width,
        .lines = height < HEIGHT_LEAST ? HEIGHT_LEAST : height,
    };
    if (luaL_newmetatable(L, box_type)) {
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    size_t len = 0;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;
    if (text && memchr(text, '\n', len)) { /* a page of text is for reading */
        buffer_add_bytes(&printer->out, text, len - (text[len - 1] == '\n'));
    } else {
        add_value(printer, index, 0, 0);
    }
    lua_pushlstring(L, printer->out.bytes ? printer->out.bytes : "", printer->out.len);
    lua_replace(L, -2);
}
