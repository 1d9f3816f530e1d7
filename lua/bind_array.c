/* Arrays of numbers as Lua sees them. The values live in the userdata, so Lua's collector knows
 * what they weigh; a view a[i] holds the array it looks into. Arithmetic is not the business of
 * arrays here: they carry numbers between files, scripts and nets. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/npy.h"
#include "lua/bind.h"
#include "lua/help.h"

static const char array_name[] = "continuo.array";

enum { SHOWN_ROWS = 8, SHOWN_COLUMNS = 8, SHAPE_TEXT = 160 };

/* ---- making -------------------------------------------------------------------------------- */

struct array *array_new(lua_State *L, int rank, const ptrdiff_t *shape, enum precision precision) {
    ptrdiff_t len = 1, bytes;
    for (int d = 0; d < rank; d++) {
        if (__builtin_mul_overflow(len, shape[d], &len)) {
            bind_refuse(L, "an array of this shape has too many values");
        }
    }
    if (__builtin_mul_overflow(len, (ptrdiff_t)sizeof(double), &bytes) ||
        bytes > PTRDIFF_MAX - (ptrdiff_t)sizeof(struct array)) {
        bind_refuse(L, "an array of this shape has too many values");
    }
    struct array *array = lua_newuserdatauv(L, sizeof *array + (size_t)bytes, 1);
    *array = (struct array){.rank = rank, .len = len, .precision = precision};
    for (int d = 0; d < rank; d++) {
        array->shape[d] = shape[d];
    }
    array->values = (double *)(array + 1);
    memset(array->values, 0, (size_t)bytes);
    luaL_setmetatable(L, array_name);
    return array;
}

struct array *array_test(lua_State *L, int index) {
    return luaL_testudata(L, index, array_name);
}

static struct array *check(lua_State *L) {
    return luaL_checkudata(L, 1, array_name);
}

struct nest { /* the shape of nested tables, and where the next value goes */
    const char *what;
    int rank;
    ptrdiff_t shape[ARRAY_RANK_MAX];
    double *next;
};

/* The shape, from the first entry of every level. */
static void nest_shape(lua_State *L, int index, struct nest *nest) {
    lua_pushvalue(L, index);
    while (lua_type(L, -1) == LUA_TTABLE) {
        if (nest->rank == ARRAY_RANK_MAX) {
            bind_refuse(L, "%s is nested more than %d deep", nest->what, (int)ARRAY_RANK_MAX);
        }
        nest->shape[nest->rank++] = (ptrdiff_t)lua_rawlen(L, -1);
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    lua_pop(L, 1);
}

static void nest_read(lua_State *L, struct nest *nest, int level) {
    luaL_checkstack(L, 4, "arrays nested too deeply");
    ptrdiff_t count = (ptrdiff_t)lua_rawlen(L, -1);
    if (count != nest->shape[level]) {
        bind_refuse(L, "%s is not rectangular: at depth %d one list has %td entries, the first %td",
                    nest->what, level + 1, count, nest->shape[level]);
    }
    for (ptrdiff_t i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, -1, i);
        bool leaf = level + 1 == nest->rank;
        if (type != (leaf ? LUA_TNUMBER : LUA_TTABLE)) {
            bind_refuse(L, "%s: entry %td at depth %d is a %s where a %s belongs", nest->what, i,
                        level + 1, luaL_typename(L, -1), leaf ? "number" : "list");
        }
        if (leaf) {
            *nest->next++ = (double)lua_tonumber(L, -1);
        } else {
            nest_read(L, nest, level + 1);
        }
        lua_pop(L, 1);
    }
}

struct array *array_from(lua_State *L, int index, const char *what) {
    struct array *array = array_test(L, index);
    index = lua_absindex(L, index);
    if (array) {
        lua_pushvalue(L, index);
        return array;
    }
    if (lua_type(L, index) != LUA_TTABLE) {
        bind_refuse(L, "%s must be an array or a table of numbers, not %s%s", what,
                    lua_isnoneornil(L, index) ? "nothing" : "a ",
                    lua_isnoneornil(L, index) ? "" : luaL_typename(L, index));
    }
    struct nest nest = {.what = what};
    nest_shape(L, index, &nest);
    array = array_new(L, nest.rank, nest.shape, PRECISION_F64);
    nest.next = array->values;
    lua_pushvalue(L, index);
    nest_read(L, &nest, 0);
    lua_pop(L, 1);
    return array;
}

/* A view of `array` (at `index`) from value `first`. */
static struct array *push_view(lua_State *L, int index, const struct array *array, int rank,
                               const ptrdiff_t *shape, ptrdiff_t first) {
    index = lua_absindex(L, index);
    struct array *view = lua_newuserdatauv(L, sizeof *view, 1);
    *view = (struct array){.rank = rank, .len = 1, .precision = array->precision};
    for (int d = 0; d < rank; d++) {
        view->shape[d] = shape[d];
        view->len *= shape[d];
    }
    view->values = array->values + first;
    luaL_setmetatable(L, array_name);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    return view;
}

/* ---- text ---------------------------------------------------------------------------------- */

static const char *shape_text(const struct array *array, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < array->rank && used < size; d++) {
        int more = snprintf(text + used, size - used, d ? " x %td" : "%td", array->shape[d]);
        used += more > 0 ? (size_t)more : 0;
    }
    return text;
}

static ptrdiff_t nan_count(const struct array *array) {
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < array->len; i++) {
        count += isnan(array->values[i]) ? 1 : 0;
    }
    return count;
}

/* Least, mean and largest of the values that are numbers; NaN when there are none. */
static void statistics(const struct array *array, double *least, double *mean, double *most) {
    ptrdiff_t count = 0;
    double sum = 0;
    *least = *most = *mean = (double)NAN;
    for (ptrdiff_t i = 0; i < array->len; i++) {
        double value = array->values[i];
        if (isnan(value)) {
            continue;
        }
        *least = count == 0 || value < *least ? value : *least;
        *most = count == 0 || value > *most ? value : *most;
        sum += value;
        count++;
    }
    if (count > 0) {
        *mean = sum / (double)count;
    }
}

/* Rows of the last dimension, the first few of each. */
static void add_rows(luaL_Buffer *buffer, const struct array *array) {
    ptrdiff_t columns = array->rank > 0 ? array->shape[array->rank - 1] : 1;
    ptrdiff_t rows = columns > 0 ? array->len / columns : 0;
    char text[48];
    for (ptrdiff_t r = 0; r < rows && r < SHOWN_ROWS; r++) {
        luaL_addstring(buffer, "\n ");
        for (ptrdiff_t c = 0; c < columns && c < SHOWN_COLUMNS; c++) {
            const double value = array->values[r * columns + c];
            if (isnan(value)) { /* without the sign printf shows */
                (void)snprintf(text, sizeof text, " %10s", "nan");
            } else {
                (void)snprintf(text, sizeof text, " %10.5g", value);
            }
            luaL_addstring(buffer, text);
        }
        luaL_addstring(buffer, columns > SHOWN_COLUMNS ? " ..." : "");
    }
    if (rows > SHOWN_ROWS) {
        (void)snprintf(text, sizeof text, "\n  ... %td more rows", rows - SHOWN_ROWS);
        luaL_addstring(buffer, text);
    }
}

static int array_tostring(lua_State *L) {
    const struct array *array = check(L);
    char shape[SHAPE_TEXT], line[SHAPE_TEXT + 120];
    double least, mean, most;
    ptrdiff_t nans = nan_count(array);
    statistics(array, &least, &mean, &most);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line, "array %s %s",
                   array->rank ? shape_text(array, shape, SHAPE_TEXT) : "scalar",
                   precision_names[array->precision]);
    luaL_addstring(&buffer, line);
    if (array->len > 0) {
        (void)snprintf(line, sizeof line, "  min %.5g  mean %.5g  max %.5g", least, mean, most);
        luaL_addstring(&buffer, line);
    }
    if (nans > 0) {
        (void)snprintf(line, sizeof line, "  %td NaN", nans);
        luaL_addstring(&buffer, line);
    }
    add_rows(&buffer, array);
    luaL_pushresult(&buffer);
    return 1;
}

/* ---- methods ------------------------------------------------------------------------------- */

static int array_shape(lua_State *L) {
    const struct array *array = check(L);
    lua_createtable(L, array->rank, 0);
    for (int d = 0; d < array->rank; d++) {
        lua_pushinteger(L, array->shape[d]);
        lua_rawseti(L, -2, d + 1);
    }
    return 1;
}

static int array_data(lua_State *L) {
    const struct array *array = check(L);
    lua_createtable(L, array->len < INT32_MAX ? (int)array->len : 0, 0);
    for (ptrdiff_t i = 0; i < array->len; i++) {
        lua_pushnumber(L, array->values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int array_min(lua_State *L) {
    double least, mean, most;
    statistics(check(L), &least, &mean, &most);
    lua_pushnumber(L, least);
    return 1;
}

static int array_mean(lua_State *L) {
    double least, mean, most;
    statistics(check(L), &least, &mean, &most);
    lua_pushnumber(L, mean);
    return 1;
}

static int array_max(lua_State *L) {
    double least, mean, most;
    statistics(check(L), &least, &mean, &most);
    lua_pushnumber(L, most);
    return 1;
}

static int array_nans(lua_State *L) {
    lua_pushinteger(L, nan_count(check(L)));
    return 1;
}

static bool same_shape(const struct array *a, const struct array *b) {
    return a->rank == b->rank && !memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]);
}

static int array_eq(lua_State *L) {
    const struct array *a = array_test(L, 1), *b = array_test(L, 2);
    lua_pushboolean(L, a && b && same_shape(a, b) &&
                           !memcmp(a->values, b->values, (size_t)a->len * sizeof(double)));
    return 1;
}

static int array_difference(lua_State *L) {
    lua_settop(L, 2);
    const struct array *a = check(L);
    const struct array *b = array_from(L, 2, "array:difference: the other array");
    char mine[SHAPE_TEXT], other[SHAPE_TEXT];
    if (!same_shape(a, b)) {
        bind_refuse(L, "array:difference: shapes differ: %s and %s",
                    shape_text(a, mine, sizeof mine), shape_text(b, other, sizeof other));
    }
    double most = 0;
    for (ptrdiff_t i = 0; i < a->len; i++) {
        double d = fabs(a->values[i] - b->values[i]);
        most = d > most || isnan(d) ? d : most;
        if (isnan(d)) {
            break;
        }
    }
    lua_pushnumber(L, most);
    return 1;
}

/* The shape in the table at `index`, for `call`. */
static int read_shape(lua_State *L, int index, const char *call, ptrdiff_t *shape) {
    if (lua_type(L, index) != LUA_TTABLE) {
        bind_refuse(L, "%s: the shape must be a table of whole numbers such as { 2, 3 }", call);
    }
    int rank = (int)lua_rawlen(L, index);
    if (rank < 1 || rank > ARRAY_RANK_MAX) {
        bind_refuse(L, "%s: a shape has 1 to %d extents, not %d", call, (int)ARRAY_RANK_MAX, rank);
    }
    for (int d = 0; d < rank; d++) {
        lua_rawgeti(L, index, d + 1);
        shape[d] = bind_integer(L, -1, call, "shape", 0);
        lua_pop(L, 1);
    }
    return rank;
}

static int array_reshape(lua_State *L) {
    const struct array *array = check(L);
    ptrdiff_t shape[ARRAY_RANK_MAX], len = 1;
    int rank = read_shape(L, 2, "array:reshape", shape);
    for (int d = 0; d < rank; d++) {
        if (__builtin_mul_overflow(len, shape[d], &len)) {
            len = -1;
            break;
        }
    }
    if (len != array->len) {
        bind_refuse(L, "array:reshape: the array has %td values, the shape asks for %td",
                    array->len, len);
    }
    push_view(L, 1, array, rank, shape, 0);
    return 1;
}

static int array_save(lua_State *L) {
    const struct array *array = check(L);
    const char *path = luaL_checkstring(L, 2);
    const bool single = array->precision == PRECISION_F32;
    struct npy npy = {.type = single ? NPY_F4 : NPY_F8, .rank = array->rank, .data = array->values};
    struct error error;
    memcpy(npy.shape, array->shape, sizeof npy.shape);
    if (single) {
        float *values = npy.data = bind_memory(L, array->len, sizeof(float));
        for (ptrdiff_t i = 0; i < array->len; i++) {
            values[i] = (float)array->values[i];
        }
    }
    if (!npy_write(path, &npy, &error)) {
        bind_raise(L, &error);
    }
    bind_done(L, 0);
    lua_settop(L, 1);
    return 1;
}

static int array_copy(lua_State *L) {
    const struct array *array = check(L);
    struct array *copy = array_new(L, array->rank, array->shape, array->precision);
    memcpy(copy->values, array->values, (size_t)array->len * sizeof(double));
    return 1;
}

/* ---- indexing ------------------------------------------------------------------------------ */

static ptrdiff_t check_position(lua_State *L, const struct array *array, int index) {
    if (array->rank == 0) {
        bind_refuse(L, "a scalar array has no entries");
    }
    ptrdiff_t position = bind_integer(L, index, "array", "index", 1);
    if (position > array->shape[0]) {
        bind_refuse(L, "array index %td is beyond the first extent, %td", position,
                    array->shape[0]);
    }
    return position - 1;
}

static bool index_array(lua_State *L) {
    if (lua_type(L, 2) != LUA_TNUMBER) {
        return false;
    }
    const struct array *array = check(L);
    ptrdiff_t position = check_position(L, array, 2);
    if (array->rank == 1) {
        lua_pushnumber(L, array->values[position]);
    } else {
        push_view(L, 1, array, array->rank - 1, array->shape + 1,
                  position * (array->len / array->shape[0]));
    }
    return true;
}

static double rounded(const struct array *array, double value) {
    return array->precision == PRECISION_F32 ? (double)(float)value : value;
}

static int array_newindex(lua_State *L) {
    struct array *array = check(L);
    if (lua_type(L, 2) != LUA_TNUMBER) {
        bind_refuse(L, "an array is set by position, a[i] = number, not by a %s",
                    luaL_typename(L, 2));
    }
    ptrdiff_t position = check_position(L, array, 2);
    ptrdiff_t row = array->len / array->shape[0];
    if (lua_type(L, 3) == LUA_TNUMBER) {
        for (ptrdiff_t i = 0; i < row; i++) {
            array->values[position * row + i] = rounded(array, (double)lua_tonumber(L, 3));
        }
        return 0;
    }
    const struct array *source = array_from(L, 3, "the value of a row");
    if (source->len != row) {
        bind_refuse(L, "a row of this array has %td values, not %td", row, source->len);
    }
    for (ptrdiff_t i = 0; i < row; i++) {
        array->values[position * row + i] = rounded(array, source->values[i]);
    }
    return 0;
}

static int array_len(lua_State *L) {
    const struct array *array = check(L);
    lua_pushinteger(L, array->rank ? array->shape[0] : 1);
    return 1;
}

static int array_close(lua_State *L) {
    check(L); /* the memory is Lua's */
    return 0;
}

/* ---- cn.array ------------------------------------------------------------------------------ */

static enum precision read_precision(lua_State *L, int index, const char *call) {
    if (lua_isnoneornil(L, index)) {
        return PRECISION_F64;
    }
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    for (int p = 0; precision_names[p]; p++) {
        if (!strcmp(name, precision_names[p])) {
            return (enum precision)p;
        }
    }
    bind_refuse(L, "%s: the precision must be \"f32\" or \"f64\", not %s", call,
                luaL_tolstring(L, index, NULL));
}

static int new_array(lua_State *L) {
    lua_settop(L, 3);
    enum precision precision = read_precision(L, 3, "cn.array.new");
    const struct array *source = array_from(L, 1, "cn.array.new: the argument");
    ptrdiff_t shape[ARRAY_RANK_MAX], len = 1;
    int rank = source->rank;
    memcpy(shape, source->shape, sizeof shape);
    if (!lua_isnoneornil(L, 2)) {
        rank = read_shape(L, 2, "cn.array.new", shape);
        for (int d = 0; d < rank && !__builtin_mul_overflow(len, shape[d], &len); d++) {
        }
        if (len != source->len) {
            bind_refuse(L, "cn.array.new: %td values do not fill a shape of %td", source->len, len);
        }
    }
    struct array *array = array_new(L, rank, shape, precision);
    for (ptrdiff_t i = 0; i < array->len; i++) {
        array->values[i] = rounded(array, source->values[i]);
    }
    return 1;
}

static int new_zeros(lua_State *L) {
    ptrdiff_t shape[ARRAY_RANK_MAX];
    lua_settop(L, 2);
    enum precision precision = read_precision(L, 2, "cn.array.zeros");
    int rank = read_shape(L, 1, "cn.array.zeros", shape);
    array_new(L, rank, shape, precision);
    return 1;
}

static void file_release(void *file) {
    npy_release(file);
    free(file);
}

static double file_value(const struct npy *file, ptrdiff_t i) {
    switch (file->type) {
    case NPY_F4:
        return (double)((const float *)file->data)[i];
    case NPY_F8:
        return ((const double *)file->data)[i];
    case NPY_I8:
        return (double)((const int64_t *)file->data)[i];
    case NPY_I4:
        return (double)((const int32_t *)file->data)[i];
    case NPY_U1:
        return (double)((const uint8_t *)file->data)[i];
    }
    return 0;
}

static int load_array(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct bind_box *box = bind_box(L, file_release);
    struct npy *file = box->pointer = calloc(1, sizeof *file);
    struct error error;
    if (!file) {
        bind_refuse(L, "no memory to read %s", path);
    }
    if (!npy_read(path, file, &error)) {
        bind_raise(L, &error);
    }
    struct array *array =
        array_new(L, file->rank, file->shape, file->type == NPY_F4 ? PRECISION_F32 : PRECISION_F64);
    for (ptrdiff_t i = 0; i < array->len; i++) {
        array->values[i] = file_value(file, i);
    }
    bind_box_empty(box);
    return 1;
}

static const struct help_entry entries[] = {
    {.name = "array",
     .group = "arrays",
     .signature = "a[i], #a, a:shape(), a:data(), ...",
     .line = "numbers with a shape, row-major, counted from 1",
     .text = "a[i] is a number when a has one dimension, otherwise a view of row i that shares "
             "a's memory; a[i] = number or row writes. #a is the first extent. Values are kept as "
             "doubles; precision (f32 or f64) is what they were computed in and what a file gets. "
             "a == b compares shape and bits.",
     .example = "a = cn.array.new{ {1.5, 2}, {3, 4} }\nassert(a[2][1] == 3 and #a == 2)"},
    {.name = "cn.array.new",
     .group = "arrays",
     .signature = "cn.array.new(values [, shape [, precision]]) -> array",
     .line = "an array from nested tables of numbers, or from an array",
     .text = "values is a rectangular nest of tables up to 8 deep, or an array, which is copied. "
             "With shape the values are read in row-major order into that shape. Refused: ragged "
             "tables, entries that are no numbers, a shape of another size.",
     .example = "a = cn.array.new({1, 2, 3, 4, 5, 6}, {2, 3})\nassert(a[2][3] == 6)"},
    {.name = "cn.array.zeros",
     .group = "arrays",
     .signature = "cn.array.zeros(shape [, precision]) -> array",
     .line = "an array of zeros",
     .text = "shape is a table of 1 to 8 extents.",
     .example = "assert(cn.array.zeros{ 3, 4 }:max() == 0)"},
    {.name = "cn.array.load",
     .group = "arrays",
     .signature = "cn.array.load(path) -> array",
     .line = "reads a NumPy .npy file",
     .text = "Types f4, f8, i8, i4 and u1, C or Fortran order. "
             "Refused with a sentence: a missing, truncated or foreign file, object arrays.",
     .example = "p = os.tmpname()\ncn.array.new{1, 2}:save(p)\n"
                "assert(cn.array.load(p)[2] == 2)\nos.remove(p)"},
    {.name = "array:shape",
     .group = "arrays",
     .signature = "a:shape() -> { extent, ... }",
     .line = "the extents, as a table"},
    {.name = "array:data",
     .group = "arrays",
     .signature = "a:data() -> { number, ... }",
     .line = "all values in row-major order, as a flat table"},
    {.name = "array:save",
     .group = "arrays",
     .signature = "a:save(path) -> a",
     .line = "writes a NumPy .npy file, whole or not at all",
     .text = "In the array's precision: f4 or f8, C order, version 1.0."},
    {.name = "array:min",
     .group = "arrays",
     .signature = "a:min() -> number",
     .line = "the least value, NaN left out"},
    {.name = "array:mean",
     .group = "arrays",
     .signature = "a:mean() -> number",
     .line = "the mean of the values, NaN left out"},
    {.name = "array:max",
     .group = "arrays",
     .signature = "a:max() -> number",
     .line = "the largest value, NaN left out"},
    {.name = "array:nans",
     .group = "arrays",
     .signature = "a:nans() -> integer",
     .line = "how many values are NaN"},
    {.name = "array:difference",
     .group = "arrays",
     .signature = "a:difference(b) -> number",
     .line = "the largest |a - b|; NaN when any difference is",
     .text = "Shapes must be equal."},
    {.name = "array:reshape",
     .group = "arrays",
     .signature = "a:reshape(shape) -> array",
     .line = "the same memory under another shape of the same size"},
    {.name = "array:copy",
     .group = "arrays",
     .signature = "a:copy() -> array",
     .line = "an array of its own with equal values"},
};

static int array_precision(lua_State *L) {
    lua_pushstring(L, precision_names[check(L)->precision]);
    return 1;
}

static const luaL_Reg methods[] = {{"shape", array_shape},
                                   {"data", array_data},
                                   {"save", array_save},
                                   {"min", array_min},
                                   {"mean", array_mean},
                                   {"max", array_max},
                                   {"nans", array_nans},
                                   {"copy", array_copy},
                                   {"reshape", array_reshape},
                                   {"difference", array_difference},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"precision", array_precision}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__tostring", array_tostring}, {"__newindex", array_newindex},
                                {"__len", array_len},           {"__eq", array_eq},
                                {"__close", array_close},       {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"new", new_array}, {"zeros", new_zeros}, {"load", load_array}, {NULL, NULL}};

static const struct bind_type type = {array_name, methods, getters, meta, index_array};

void bind_array_open(lua_State *L) {
    bind_type(L, &type);
    help_register(entries, sizeof entries / sizeof *entries);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "array");
}
