/* cn.data: data sets and their parts. A part holds its data set alive. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn/dataset.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/json.h"

static const char data_name[] = "continuo.data";
static const char part_name[] = "continuo.part";

enum { LABELS_MAX = 1 << 20 };

/* ---- data sets ----------------------------------------------------------------------------- */

struct data_box *data_check(lua_State *L, int index) {
    struct data_box *box = luaL_checkudata(L, index, data_name);
    if (!box->set) {
        bind_refuse(L, "this data set is closed");
    }
    return box;
}

static const struct dataset *check(lua_State *L) {
    return data_check(L, 1)->set;
}

struct data_box *data_push(lua_State *L) {
    struct data_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->set = NULL;
    luaL_setmetatable(L, data_name);
    return box;
}

static int data_collect(lua_State *L) {
    struct data_box *box = luaL_checkudata(L, 1, data_name);
    struct dataset *set = box->set;
    box->set = NULL;
    dataset_free(set);
    return 0;
}

/* Jobs and parts point into the set, so leaving a scope gives up nothing that may be in use. */
static int data_close(lua_State *L) {
    luaL_checkudata(L, 1, data_name);
    return 0;
}

static void shape_text(const struct dataset *set, char *text, size_t size) {
    (void)snprintf(text, size, "%td x %td x %td", set->shape[0], set->shape[1], set->shape[2]);
}

/* What a data set of windows of states says of itself. */
static void windows_text(const struct dataset *set, char *line, size_t size) {
    const cJSON *config = set->config;
    const double m = cJSON_GetNumberValue(cJSON_GetObjectItem(config, "intervals"));
    const double dt = cJSON_GetNumberValue(cJSON_GetObjectItem(config, "dt"));
    const char *times = cJSON_GetStringValue(cJSON_GetObjectItem(config, "times"));
    const bool given = times && strcmp(times, "uniform") != 0;
    char what[60] = "pairs of states", interval[60] = "";
    if (m > 1) {
        (void)snprintf(what, sizeof what, "windows of %g intervals", m);
    }
    if (dt > 0) {
        (void)snprintf(interval, sizeof interval, ", dt %s %.9g",
                       times && !strcmp(times, "irregular") ? "about" : "=", dt);
    }
    (void)snprintf(line, size,
                   "data %s: %td train, %td valid, %td test %s of %td values%s%s; inputs %td, "
                   "outputs %d%s%.16s",
                   set->name, set->train.count, set->valid.count, set->test.count, what,
                   set->shape[0] - (given ? 2 : 0), interval, given ? ", t and dt given" : "",
                   set->shape[0], set->outputs, set->digest[0] ? "; sha256 " : "", set->digest);
}

static int data_tostring(lua_State *L) {
    const struct data_box *box = luaL_checkudata(L, 1, data_name);
    const struct dataset *set = box->set;
    char shape[80], line[400];
    if (!set) {
        lua_pushliteral(L, "data (closed)");
        return 1;
    }
    if (cJSON_HasObjectItem(set->config, "intervals")) {
        windows_text(set, line, sizeof line);
        lua_pushstring(L, line);
        return 1;
    }
    shape_text(set, shape, sizeof shape);
    (void)snprintf(
        line, sizeof line,
        "data %s: %td train, %td valid, %td test; %s (channels x height x width), %d %s%s%.16s",
        set->name, set->train.count, set->valid.count, set->test.count, shape,
        set->classes > 0 ? set->classes : set->outputs, set->classes > 0 ? "classes" : "outputs",
        set->digest[0] ? "; sha256 " : "", set->digest);
    lua_pushstring(L, line);
    return 1;
}

/* ---- parts --------------------------------------------------------------------------------- */

static const struct part *check_part(lua_State *L) {
    return ((const struct part_box *)luaL_checkudata(L, 1, part_name))->part;
}

void part_push(lua_State *L, int index, const struct part *part) {
    index = lua_absindex(L, index);
    struct part_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    box->part = part;
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, part_name);
}

const struct part *part_check(lua_State *L, int index, const char *call, const char *fallback) {
    const struct part_box *box = luaL_testudata(L, index, part_name);
    if (box) {
        return box->part;
    }
    if (luaL_testudata(L, index, data_name)) {
        const struct dataset *set = data_check(L, index)->set;
        return !strcmp(fallback, "test")    ? &set->test
               : !strcmp(fallback, "valid") ? &set->valid
                                            : &set->train;
    }
    bind_refuse(L, "%s takes a part of a data set such as data.test, not %s%s", call,
                lua_isnoneornil(L, index) ? "nothing" : "a ",
                lua_isnoneornil(L, index) ? "" : luaL_typename(L, index));
}

static int part_tostring(lua_State *L) {
    const struct part *part = check_part(L);
    char shape[80], line[240];
    shape_text(part->set, shape, sizeof shape);
    (void)snprintf(line, sizeof line, "%s part of %s: %td samples of %s, %d %s", part->name,
                   part->set->name, part->count, shape,
                   part->set->classes > 0 ? part->set->classes : part->set->outputs,
                   part->set->classes > 0 ? "classes" : "outputs");
    lua_pushstring(L, line);
    return 1;
}

static int part_len(lua_State *L) {
    lua_pushinteger(L, check_part(L)->count);
    return 1;
}

static int part_get_name(lua_State *L) {
    lua_pushstring(L, check_part(L)->name);
    return 1;
}

static int part_get_data(lua_State *L) {
    check_part(L);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

struct range_options {
    ptrdiff_t first, count;
};
static const struct option range_options_table[] = {
    {.name = "first",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct range_options, first),
     .fallback = "1",
     .least = 1,
     .most = 1e15,
     .help = "first sample, counted from 1"},
    {.name = "count",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct range_options, count),
     .fallback = "0",
     .least = 1,
     .most = 1e15,
     .help = "samples; absent: to the end"},
};
enum { RANGE_OPTIONS = sizeof range_options_table / sizeof *range_options_table };

/* The samples asked for, first counted from 0; pushes one box. */
static struct range_options read_range(lua_State *L, const char *call, const struct part *part) {
    struct range_options range;
    lua_settop(L, 2);
    const cJSON *json = bind_json(L, 2, call, NULL);
    bind_options(L, range_options_table, RANGE_OPTIONS, call, json, NULL, &range);
    if (range.first > part->count || range.count > part->count - range.first + 1) {
        bind_refuse(L, "%s: samples %td to %td are asked for, but the %s part has %td", call,
                    range.first, range.first + (range.count ? range.count : 1) - 1, part->name,
                    part->count);
    }
    range.first--;
    range.count = range.count ? range.count : part->count - range.first;
    return range;
}

/* part:inputs{ first=, count= } -> array (count, C, H, W), as a net gets them. */
static int part_inputs(lua_State *L) {
    const struct part *part = check_part(L);
    struct range_options range = read_range(L, "part:inputs", part);
    const ptrdiff_t *s = part->set->shape;
    ptrdiff_t shape[4] = {range.count, s[0], s[1], s[2]};
    struct array *array = array_new(L, 4, shape, part->doubles ? PRECISION_F64 : PRECISION_F32);
    dataset_batch_doubles(part, NULL, range.first, range.count, NULL, 0, 0, array->values);
    return bind_done(L, 1);
}

/* part:labels{ first=, count= } -> { class, ... }, classes counted from 0. */
static int part_labels(lua_State *L) {
    const struct part *part = check_part(L);
    struct range_options range = read_range(L, "part:labels", part);
    if (!part->labels) {
        bind_refuse(L, "part:labels: this data set has targets, not labels; see part:targets()");
    }
    int32_t *labels = bind_memory(L, range.count, sizeof *labels);
    dataset_labels(part, NULL, range.first, range.count, labels);
    lua_createtable(L, range.count < LABELS_MAX ? (int)range.count : 0, 0);
    for (ptrdiff_t i = 0; i < range.count; i++) {
        lua_pushinteger(L, labels[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return bind_done(L, 1);
}

/* part:targets{ first=, count= } -> array (count, outputs). */
static int part_targets(lua_State *L) {
    const struct part *part = check_part(L);
    struct range_options range = read_range(L, "part:targets", part);
    if (!part->targets) {
        bind_refuse(L, "part:targets: this data set has labels, not targets; see part:labels()");
    }
    ptrdiff_t shape[2] = {range.count, part->set->outputs};
    const enum precision precision = part->doubles ? PRECISION_F64 : PRECISION_F32;
    struct array *array = array_new(L, 2, shape, precision);
    dataset_targets(part, NULL, range.first, range.count, precision, array->values);
    return bind_done(L, 1);
}

/* ---- fields of data sets ------------------------------------------------------------------- */

static int get_train(lua_State *L) {
    part_push(L, 1, &check(L)->train);
    return 1;
}

static int get_valid(lua_State *L) {
    part_push(L, 1, &check(L)->valid);
    return 1;
}

static int get_test(lua_State *L) {
    part_push(L, 1, &check(L)->test);
    return 1;
}

static int get_name(lua_State *L) {
    lua_pushstring(L, check(L)->name);
    return 1;
}

static int get_digest(lua_State *L) {
    lua_pushstring(L, check(L)->digest);
    return 1;
}

static int get_classes(lua_State *L) {
    lua_pushinteger(L, check(L)->classes);
    return 1;
}

static int get_outputs(lua_State *L) {
    lua_pushinteger(L, check(L)->outputs);
    return 1;
}

static int get_config(lua_State *L) {
    json_to_lua(L, check(L)->config);
    return 1;
}

static int get_shape(lua_State *L) {
    const struct dataset *set = check(L);
    lua_createtable(L, 3, 0);
    for (int d = 0; d < 3; d++) {
        lua_pushinteger(L, set->shape[d]);
        lua_rawseti(L, -2, d + 1);
    }
    return 1;
}

static int get_class_names(lua_State *L) {
    const struct dataset *set = check(L);
    if (!set->class_names) {
        return 0;
    }
    lua_createtable(L, set->classes, 0);
    for (int c = 0; c < set->classes; c++) {
        lua_pushstring(L, set->class_names[c]);
        lua_rawseti(L, -2, c + 1);
    }
    return 1;
}

/* ---- making -------------------------------------------------------------------------------- */

void data_weigh(lua_State *L, const struct dataset *set) {
    const ptrdiff_t samples = set->train.count + set->valid.count + set->test.count;
    const size_t values = (size_t)(samples * set->shape[0] * set->shape[1] * set->shape[2]);
    bind_weigh(L, values * (set->bytes    ? sizeof(uint8_t)
                            : set->floats ? sizeof(float)
                                          : sizeof(double)));
}

/* Upvalue: index of the source. */
static int source_call(lua_State *L) {
    const struct source *source = source_at((int)lua_tointeger(L, lua_upvalueindex(1)));
    char call[64];
    struct error error;
    (void)snprintf(call, sizeof call, "cn.data.%s", source->name);
    lua_settop(L, 1);
    cJSON *config = bind_json(L, 1, call, NULL);
    struct bind_box *holder = lua_touserdata(L, 2);
    if (!config) {
        holder->pointer = config = cJSON_CreateObject();
    }
    if (cJSON_HasObjectItem(config, "source")) {
        bind_refuse(L, "%s: unknown option \"source\"; the name of the call says it", call);
    }
    cJSON_AddStringToObject(config, "source", source->name);
    struct data_box *box = data_push(L);
    box->set = dataset_create(config, &error);
    if (!box->set) {
        bind_raise(L, &error);
    }
    data_weigh(L, box->set);
    return bind_done(L, 1);
}

struct memory_options {
    ptrdiff_t classes, valid, test;
};
static const struct option memory_options_table[] = {
    {.name = "classes",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct memory_options, classes),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "number of classes; absent: the largest label and one"},
    {.name = "valid",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct memory_options, valid),
     .fallback = "0",
     .least = 0,
     .most = 1e15,
     .help = "samples of the validation part, before the test samples"},
    {.name = "test",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct memory_options, test),
     .fallback = "0",
     .least = 0,
     .most = 1e15,
     .help = "samples of the test part, the last ones"},
};
enum { MEMORY_OPTIONS = sizeof memory_options_table / sizeof *memory_options_table };

/* The shape (count, C, H, W) that an array of rank 2, 3 or 4 stands for. */
static void image_shape(lua_State *L, const struct array *x, ptrdiff_t shape[4]) {
    const ptrdiff_t *s = x->shape;
    switch (x->rank) {
    case 2:
        memcpy(shape, (ptrdiff_t[4]){s[0], s[1], 1, 1}, 4 * sizeof *shape);
        return;
    case 3:
        memcpy(shape, (ptrdiff_t[4]){s[0], 1, s[1], s[2]}, 4 * sizeof *shape);
        return;
    case 4:
        memcpy(shape, s, 4 * sizeof *shape);
        return;
    default:
        bind_refuse(L,
                    "cn.data.memory: \"x\" must have 2, 3 or 4 dimensions: (count, features), "
                    "(count, height, width) or (count, channels, height, width), not %d",
                    x->rank);
    }
}

/* Floats equal to the array's values, boxed and pushed. */
static float *push_floats(lua_State *L, const struct array *array) {
    float *values = bind_memory(L, array->len, sizeof *values);
    for (ptrdiff_t i = 0; i < array->len; i++) {
        values[i] = (float)array->values[i];
    }
    return values;
}

/* Labels as integers, boxed and pushed; *classes becomes the largest and one when it is 0. */
static int32_t *push_labels(lua_State *L, const struct array *array, ptrdiff_t *classes) {
    int32_t *labels = bind_memory(L, array->len, sizeof *labels);
    double most = 0;
    for (ptrdiff_t i = 0; i < array->len; i++) {
        double label = array->values[i];
        if (!(label >= 0 && label < 1e6 && label == floor(label))) {
            bind_refuse(L, "cn.data.memory: label %td is %g; labels are whole numbers from 0",
                        i + 1, label);
        }
        labels[i] = (int32_t)label;
        most = fmax(most, label);
    }
    *classes = *classes ? *classes : (ptrdiff_t)most + 1;
    return labels;
}

static int memory_call(lua_State *L) {
    static const char call[] = "cn.data.memory";
    static const char *const objects[] = {"x", "labels", "targets", NULL};
    struct memory_options options;
    struct error error;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    bind_options(L, memory_options_table, MEMORY_OPTIONS, call, bind_json(L, 1, call, objects),
                 objects, &options);
    lua_getfield(L, 1, "x");
    const struct array *x = array_from(L, -1, "cn.data.memory: \"x\"");
    ptrdiff_t shape[4];
    image_shape(L, x, shape);
    lua_getfield(L, 1, "labels");
    lua_getfield(L, 1, "targets");
    const bool has_labels = !lua_isnil(L, -2), has_targets = !lua_isnil(L, -1);
    const int32_t *labels = NULL;
    const struct array *targets = NULL;
    if (has_labels) {
        const struct array *given = array_from(L, -2, "cn.data.memory: \"labels\"");
        if (given->rank != 1 || given->len != shape[0]) {
            bind_refuse(L, "%s: %td samples in \"x\" but %td labels", call, shape[0], given->len);
        }
        labels = push_labels(L, given, &options.classes);
    } else if (has_targets) {
        targets = array_from(L, -1, "cn.data.memory: \"targets\"");
        if (targets->rank < 1 || targets->rank > 2 || targets->shape[0] != shape[0]) {
            bind_refuse(L,
                        "%s: \"targets\" must be (count, outputs) with as many rows as \"x\", "
                        "%td, not %td",
                        call, shape[0], targets->rank ? targets->shape[0] : 1);
        }
    }
    if (has_labels && has_targets) {
        bind_refuse(L, "%s: give \"labels\" (classification) or \"targets\" (regression), not both",
                    call);
    }
    const int classes = (int)options.classes;
    const int outputs = targets && targets->rank == 2 ? (int)targets->shape[1] : 1;
    const bool single =
        x->precision == PRECISION_F32 && (!targets || targets->precision == PRECISION_F32);
    const float *floats = single ? push_floats(L, x) : NULL;
    const float *float_targets = single && targets ? push_floats(L, targets) : NULL;
    struct data_box *box = data_push(L);
    box->set = single ? dataset_from_arrays(floats, shape, labels, classes, float_targets, outputs,
                                            options.valid, options.test, &error)
                      : dataset_from_doubles(x->values, shape, labels, classes,
                                             targets ? targets->values : NULL, outputs,
                                             options.valid, options.test, &error);
    if (!box->set) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    data_weigh(L, box->set);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int source_sets(const char *name, struct help_options *sets) {
    for (int i = 0; i < source_count(); i++) {
        if (!strcmp(source_at(i)->name, name)) {
            sets[0] = (struct help_options){source_at(i)->options, source_at(i)->option_count};
            return 1;
        }
    }
    return 0;
}

#define SETS(source)                                                                               \
    static int source##_sets(struct help_options *sets) {                                          \
        return source_sets(#source, sets);                                                         \
    }
SETS(fashion_mnist)
SETS(mnist)
SETS(idx)
SETS(cifar10)
SETS(cifar100)
SETS(spirals)
SETS(rings)

static int memory_sets(struct help_options *sets) {
    sets[0] = (struct help_options){memory_options_table, MEMORY_OPTIONS};
    return 1;
}

static int range_sets(struct help_options *sets) {
    sets[0] = (struct help_options){range_options_table, RANGE_OPTIONS};
    return 1;
}

static const struct help_argument memory_arguments[] = {
    {"x", "array or nested table: (count, features), (count, height, width) or (count, channels, "
          "height, width) (required)"},
    {"labels", "list of classes counted from 0, one a sample"},
    {"targets", "array (count, outputs) to regress on, instead of labels"},
    {0}};

static const char split_text[] =
    "Test data never steer anything: the validation part is held out of the training images, by "
    "default the last 5,000 of 60,000 (in proportion otherwise). Images are kept as bytes and "
    "normalised per channel when a batch is made. A missing, truncated, foreign or corrupt file "
    "is refused by name.";

static const struct help_entry entries[] = {
    {.name = "data",
     .group = "data",
     .signature = "data.train, data.valid, data.test",
     .line = "a data set in memory, in three parts",
     .text = "Further fields: name, shape { channels, height, width }, classes, outputs, "
             "class_names, config, digest. A data set lives as long as anything uses it.",
     .example = "d = cn.data.spirals{}\nprint(d)\nassert(#d.train > #d.valid)"},
    {.name = "part",
     .group = "data",
     .signature = "#part, part:inputs{...}, part:labels{...}",
     .line = "the training, validation or test samples of a data set",
     .text = "Fields: name, data, count.",
     .example = "p = cn.data.rings{}.train\nassert(#p:labels{ count = 3 } == 3)"},
    {.name = "part:inputs",
     .group = "data",
     .signature = "part:inputs{ first=, count= } -> array (count, C, H, W)",
     .line = "samples as a net gets them: scaled to 0..1 and normalised",
     .options = range_sets},
    {.name = "part:labels",
     .group = "data",
     .signature = "part:labels{ first=, count= } -> { class, ... }",
     .line = "the classes of samples, counted from 0",
     .options = range_sets},
    {.name = "part:targets",
     .group = "data",
     .signature = "part:targets{ first=, count= } -> array (count, outputs)",
     .line = "the targets of samples, for regression",
     .options = range_sets},
    {.name = "cn.data.fashion_mnist",
     .group = "data",
     .signature = "cn.data.fashion_mnist{ dir=, limit= } -> data",
     .line = "Fashion-MNIST: 60,000 + 10,000 grey images of clothing, 28 x 28",
     .text = split_text,
     .options = fashion_mnist_sets},
    {.name = "cn.data.mnist",
     .group = "data",
     .signature = "cn.data.mnist{ dir=, limit= } -> data",
     .line = "MNIST: 60,000 + 10,000 handwritten digits, 28 x 28",
     .text = split_text,
     .options = mnist_sets},
    {.name = "cn.data.idx",
     .group = "data",
     .signature = "cn.data.idx{ train_images=, train_labels=, test_images=, test_labels= } -> data",
     .line = "images and labels from four IDX files, gzipped or not",
     .text = split_text,
     .options = idx_sets},
    {.name = "cn.data.cifar10",
     .group = "data",
     .signature = "cn.data.cifar10{ dir=, limit= } -> data",
     .line = "CIFAR-10: 50,000 + 10,000 colour images, 32 x 32",
     .text = split_text,
     .options = cifar10_sets},
    {.name = "cn.data.cifar100",
     .group = "data",
     .signature = "cn.data.cifar100{ dir=, limit= } -> data",
     .line = "CIFAR-100: 50,000 + 10,000 colour images, 32 x 32, 100 classes",
     .text = split_text,
     .options = cifar100_sets},
    {.name = "cn.data.spirals",
     .group = "data",
     .signature = "cn.data.spirals{ ... } -> data",
     .line = "points of the plane on spiral arms, one class an arm",
     .example = "print(cn.data.spirals{}.train)",
     .options = spirals_sets},
    {.name = "cn.data.rings",
     .group = "data",
     .signature = "cn.data.rings{ ... } -> data",
     .line = "points of the plane in concentric rings, the middle one a class of its own",
     .example = "print(cn.data.rings{}.train)",
     .options = rings_sets},
    {.name = "cn.data.memory",
     .group = "data",
     .signature = "cn.data.memory{ x=, labels= | targets=, classes=, valid=, test= } -> data",
     .line = "a data set from arrays or tables of numbers",
     .text = "Values are copied, as floats when every array is of precision f32 and as doubles "
             "otherwise, and given to nets as they are, without normalisation: exact to nets of "
             "precision f64, rounded to floats to those of f32. "
             "The last `test` samples are the test part, the `valid` before them the validation "
             "part. Refused: labels that are no whole numbers from 0, counts that do not match, "
             "values that are not finite.",
     .example =
         "d = cn.data.memory{ x = { {0, 1}, {1, 0}, {1, 1} }, labels = {0, 1, 1}, test = 1 }\n"
         "assert(#d.test == 1 and d.classes == 2)",
     .arguments = memory_arguments,
     .options = memory_sets},
};

static const luaL_Reg data_getters[] = {{"train", get_train},
                                        {"valid", get_valid},
                                        {"test", get_test},
                                        {"name", get_name},
                                        {"shape", get_shape},
                                        {"classes", get_classes},
                                        {"outputs", get_outputs},
                                        {"config", get_config},
                                        {"digest", get_digest},
                                        {"class_names", get_class_names},
                                        {NULL, NULL}};
static const luaL_Reg data_meta[] = {
    {"__gc", data_collect}, {"__close", data_close}, {"__tostring", data_tostring}, {NULL, NULL}};
static const luaL_Reg part_methods[] = {
    {"inputs", part_inputs}, {"labels", part_labels}, {"targets", part_targets}, {NULL, NULL}};
static const luaL_Reg part_getters[] = {
    {"name", part_get_name}, {"count", part_len}, {"data", part_get_data}, {NULL, NULL}};
static int part_close(lua_State *L) {
    check_part(L); /* a part owns nothing */
    return 0;
}
static const luaL_Reg part_meta[] = {
    {"__len", part_len}, {"__tostring", part_tostring}, {"__close", part_close}, {NULL, NULL}};

static const struct bind_type data_type = {data_name, NULL, data_getters, data_meta, NULL};
static const struct bind_type part_type = {part_name, part_methods, part_getters, part_meta, NULL};

void bind_data_open(lua_State *L) {
    bind_type(L, &data_type);
    bind_type(L, &part_type);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_newtable(L);
    for (int i = 0; i < source_count(); i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, source_call, 1);
        lua_setfield(L, -2, source_at(i)->name);
    }
    lua_pushcfunction(L, memory_call);
    lua_setfield(L, -2, "memory");
    lua_setfield(L, -2, "data");
}
