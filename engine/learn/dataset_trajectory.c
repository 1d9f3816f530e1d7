/* Trajectories a user has: from files, CSV or NumPy's, or from memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/npy.h"
#include "base/text.h"
#include "learn/dataset_build.h"

static const char call[] = "cn.data.trajectory";
static const char *const times_names[] = {"uniform", "given", NULL};
enum times { TIMES_UNIFORM, TIMES_GIVEN };

struct trajectory_options {
    cJSON *file;
    char name[OPTION_TEXT_SIZE];
    double dt;
    int times;
    struct windows windows;
};

#define FIELD(name) offsetof(struct trajectory_options, name)
/* clang-format off */
static const struct option trajectory_options[] = {
    {"file", OPTION_JSON, FIELD(file), "", 0, 0, NULL,
     "a .csv or .npy file, or a list of them: columns t and the state's values"},
    {"name", OPTION_TEXT, FIELD(name), "", 0, 0, NULL, "of the data set; absent: the file's"},
    {"dt", OPTION_NUMBER, FIELD(dt), "0", 0, 1e300, NULL,
     "the interval; needed without times, and where times are rounded by up to a twentieth of it"},
    {"times", OPTION_CHOICE, FIELD(times), "uniform", 0, 0, times_names,
     "uniform: at equal intervals; given: samples hold t and dt behind the state"},
    WINDOWS_OPTIONS(struct trajectory_options),
};
/* clang-format on */
enum { OPTION_COUNT = sizeof trajectory_options / sizeof *trajectory_options };

/* What times are told with: a place in a file or in a list. */
struct place {
    const char *file;       /* or NULL: in memory */
    const ptrdiff_t *lines; /* of rows, or NULL */
};

static const char *where(const struct place *place, ptrdiff_t row, char *text, size_t size) {
    (void)snprintf(text, size, "%s%s%s %td", place->file ? place->file : "",
                   place->file ? ", " : "", place->lines ? "line" : "row",
                   place->lines ? place->lines[row] : row + 1);
    return text;
}

static bool check_rising(const struct trajectory *one, const struct place *place,
                         struct error *error) {
    char text[400];
    if (one->rows < 2) {
        return error_set(error, ERROR_VALUE, "%s: %s%shas %td row; a trajectory needs two at least",
                         call, place->file ? place->file : "y", place->file ? " " : " ", one->rows);
    }
    for (ptrdiff_t k = 1; k < one->rows; k++) {
        if (!(one->t[k] > one->t[k - 1] && isfinite(one->t[k]))) {
            return error_set(error, ERROR_VALUE,
                             "%s: times must rise, but at %s t is %.12g, and %.12g before it", call,
                             where(place, k, text, sizeof text), one->t[k], one->t[k - 1]);
        }
    }
    return true;
}

/* Equal intervals, to a millionth, or to a twentieth of dt when that is given; *dt 0: to be found
 * from the first trajectory. */
static bool check_uniform(const struct trajectory *one, const struct place *place, bool told,
                          double *dt, struct error *error) {
    char text[400];
    if (!(*dt > 0)) {
        *dt = (one->t[one->rows - 1] - one->t[0]) / (double)(one->rows - 1);
    }
    for (ptrdiff_t k = 1; k < one->rows; k++) {
        const double want = one->t[0] + (double)k * *dt;
        if (fabs(one->t[k] - want) > (told ? 0.05 : 1e-6) * *dt) {
            return error_set(
                error, ERROR_VALUE,
                "%s: times are not uniform: at %s t is %.12g, and %.12g with intervals of %.9g; "
                "give times = \"given\", or dt = when times are rounded",
                call, where(place, k, text, sizeof text), one->t[k], want, *dt);
        }
    }
    return true;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Sets trajectory `index` of the set from rows of t and y. */
static bool set_rows(struct trajectories *set, ptrdiff_t index, ptrdiff_t rows, ptrdiff_t columns,
                     const double *values, struct error *error) {
    struct trajectory *one = &set->list[index];
    one->rows = rows;
    one->t = malloc((size_t)rows * sizeof *one->t);
    one->y = malloc((size_t)(rows * set->n) * sizeof *one->y);
    if (!one->t || !one->y) {
        return error_set(error, ERROR_MEMORY, "no memory for %td states", rows);
    }
    for (ptrdiff_t k = 0; k < rows; k++, values += columns) {
        one->t[k] = values[0];
        memcpy(one->y + k * set->n, values + 1, (size_t)set->n * sizeof *one->y);
    }
    return true;
}

/* Makes room for `more` trajectories of `columns` - 1 values a state. */
static bool extend(struct trajectories *set, const char *path, ptrdiff_t more, ptrdiff_t columns,
                   struct error *error) {
    if (columns < 2) {
        return error_set(error, ERROR_FORMAT,
                         "%s: %s has %td column; the first is t, the values of the state follow",
                         call, path, columns);
    }
    if (set->count > 0 && columns != set->n + 1) {
        return error_set(error, ERROR_FORMAT, "%s: %s has %td columns, and the file before it %td",
                         call, path, columns, set->n + 1);
    }
    struct trajectory *list = realloc(set->list, (size_t)(set->count + more) * sizeof *set->list);
    if (!list) {
        return error_set(error, ERROR_MEMORY, "no memory for %td trajectories", more);
    }
    memset(list + set->count, 0, (size_t)more * sizeof *list);
    set->list = list;
    set->count += more;
    set->n = columns - 1;
    return true;
}

static double element(const struct npy *array, ptrdiff_t i) {
    switch (array->type) {
    case NPY_F4:
        return (double)((const float *)array->data)[i];
    case NPY_F8:
        return ((const double *)array->data)[i];
    case NPY_I8:
        return (double)((const int64_t *)array->data)[i];
    case NPY_I4:
        return (double)((const int32_t *)array->data)[i];
    case NPY_U1:
        break;
    }
    return (double)((const uint8_t *)array->data)[i];
}

static bool read_npy(const char *path, struct trajectories *set, struct error *error) {
    struct npy array;
    if (!npy_read(path, &array, error)) {
        return false;
    }
    double *values = NULL;
    bool good =
        (array.rank == 2 || array.rank == 3) ||
        error_set(error, ERROR_FORMAT,
                  "%s: %s has %d dimensions; it must be (rows, 1 + n) or (trajectories, rows, "
                  "1 + n), t in the first column",
                  call, path, array.rank);
    const ptrdiff_t *shape = array.shape + (array.rank == 3);
    const ptrdiff_t more = array.rank == 3 ? array.shape[0] : 1, first = set->count;
    good = good && (array.len > 0 || error_set(error, ERROR_FORMAT, "%s: %s is empty", call, path));
    good = good && extend(set, path, more, shape[1], error);
    if (good) {
        values = malloc((size_t)array.len * sizeof *values);
        good = values || error_set(error, ERROR_MEMORY, "no memory for %s", path);
    }
    for (ptrdiff_t i = 0; good && i < array.len; i++) {
        values[i] = element(&array, i);
        good = isfinite(values[i]) ||
               error_set(error, ERROR_FORMAT, "%s: %s, row %td: column %td is not finite", call,
                         path, i / shape[1] % shape[0] + 1, i % shape[1] + 1);
    }
    for (ptrdiff_t i = 0; good && i < more; i++) {
        good =
            set_rows(set, first + i, shape[0], shape[1], values + i * shape[0] * shape[1], error) &&
            check_rising(&set->list[first + i], &(struct place){.file = path}, error);
    }
    free(values);
    npy_release(&array);
    return good;
}

/* Adds the trajectories of a file; those of a CSV are checked here, where their lines are known. */
static bool read_file(const char *path, const struct trajectory_options *o, double *dt,
                      struct trajectories *set, struct error *error) {
    const size_t len = strlen(path);
    const ptrdiff_t first = set->count;
    struct csv csv = {0};
    struct place place = {.file = path};
    bool good;
    if (len > 4 && !strcmp(path + len - 4, ".npy")) {
        good = read_npy(path, set, error);
    } else {
        good = csv_read(path, &csv, error) && extend(set, path, 1, csv.columns, error) &&
               set_rows(set, first, csv.rows, csv.columns, csv.values, error);
        place.lines = csv.lines;
        good = good && check_rising(&set->list[first], &place, error);
    }
    for (ptrdiff_t i = first; good && o->times == TIMES_UNIFORM && i < set->count; i++) {
        good = check_uniform(&set->list[i], &place, o->dt > 0, dt, error);
    }
    csv_release(&csv);
    return good;
}

static bool hash_file(const char *path, struct sha256 *hash, struct error *error) {
    char buffer[1 << 14];
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        return error_set(error, ERROR_FILE, "%s: cannot open %s", call, path);
    }
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, stream)) > 0;) {
        sha256_update(hash, buffer, got);
    }
    (void)fclose(stream);
    return true;
}

/* ---- data sets ----------------------------------------------------------------------------- */

static bool read_options(const cJSON *config, struct trajectory_options *o, struct error *error) {
    static const char *const ignored[] = {"source", NULL};
    if (!option_read(trajectory_options, OPTION_COUNT, call, config, ignored, o, error)) {
        return false;
    }
    o->windows.given = o->times == TIMES_GIVEN;
    o->windows.stride = 1;
    return true;
}

/* The data set of trajectories that have been checked; dt 0: intervals differ. */
static struct dataset *finish(struct trajectory_options *o, struct trajectories *set, double dt,
                              struct error *error) {
    struct dataset *data = dataset_from_trajectories(call, o->name[0] ? o->name : "trajectory", set,
                                                     &o->windows, error);
    if (data) {
        o->dt = dt;
        data->config = option_write(trajectory_options, OPTION_COUNT, o);
        cJSON_AddStringToObject(data->config, "source", "trajectory");
    }
    return data;
}

/* The name of a data set that was given none: its file's, without folders and ending. */
static void name_of_file(const char *path, char name[OPTION_TEXT_SIZE]) {
    const char *slash = strrchr(path, '/');
    (void)snprintf(name, OPTION_TEXT_SIZE, "%.60s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot > name) {
        *dot = '\0';
    }
}

static struct dataset *create(const cJSON *config, struct error *error) {
    struct trajectory_options o;
    struct trajectories set = {0};
    struct dataset *data = NULL;
    struct sha256 hash;
    if (!read_options(config, &o, error)) {
        return NULL;
    }
    const cJSON *file = cJSON_IsArray(o.file) ? o.file->child : o.file;
    bool good = file || error_set(error, ERROR_VALUE,
                                  "%s: give a \"file\", or \"y\" and \"t\" (a data set made of "
                                  "those is stored nowhere; make it again)",
                                  call);
    double dt = o.dt;
    sha256_begin(&hash);
    for (const cJSON *item = file; good && item; item = cJSON_IsArray(o.file) ? item->next : NULL) {
        good =
            cJSON_IsString(item) ||
            error_set(error, ERROR_VALUE, "%s: \"file\" must be a text or a list of texts", call);
        good = good && read_file(item->valuestring, &o, &dt, &set, error) &&
               hash_file(item->valuestring, &hash, error);
    }
    if (good) {
        if (!o.name[0]) {
            name_of_file(file->valuestring, o.name);
        }
        data = finish(&o, &set, o.times == TIMES_UNIFORM ? dt : 0, error);
    }
    if (data) {
        sha256_end(&hash, data->digest);
    }
    trajectories_release(&set);
    return data;
}

struct dataset *dataset_from_states(const double *t, const double *y, ptrdiff_t count,
                                    ptrdiff_t rows, ptrdiff_t n, const cJSON *config,
                                    struct error *error) {
    struct trajectory_options o;
    struct trajectories set = {0};
    struct dataset *data = NULL;
    if (!read_options(config, &o, error) || !trajectories_init(&set, count, rows, n, error)) {
        return NULL;
    }
    bool good = !o.file || error_set(error, ERROR_VALUE,
                                     "%s: give a \"file\", or \"y\" and \"t\", not both", call);
    good = good && (t || o.dt > 0 ||
                    error_set(error, ERROR_VALUE,
                              "%s: \"t\" is missing: the times of the states, or dt =", call));
    double dt = o.dt;
    for (ptrdiff_t i = 0; good && i < count; i++) {
        struct trajectory *one = &set.list[i];
        for (ptrdiff_t k = 0; k < rows; k++) {
            one->t[k] = t ? t[k] : (double)k * o.dt;
        }
        memcpy(one->y, y + i * rows * n, (size_t)(rows * n) * sizeof *y);
        for (ptrdiff_t k = 0; good && k < rows * n; k++) {
            good = isfinite(one->y[k]) ||
                   error_set(error, ERROR_VALUE, "%s: y, row %td: value %td is not finite", call,
                             k / n + 1, k % n + 1);
        }
        const struct place place = {0};
        good = good && check_rising(one, &place, error) &&
               (o.times == TIMES_GIVEN || check_uniform(one, &place, o.dt > 0, &dt, error));
    }
    if (good) {
        data = finish(&o, &set, o.times == TIMES_UNIFORM ? dt : 0, error);
    }
    if (data) {
        struct sha256 hash;
        sha256_begin(&hash);
        sha256_update(&hash, y, (size_t)(count * rows * n) * sizeof *y);
        sha256_end(&hash, data->digest);
    }
    trajectories_release(&set);
    return data;
}

const struct source source_trajectory = {
    "trajectory", "windows of successive states of trajectories, from files or memory",
    trajectory_options, OPTION_COUNT, create};
