/* cn.plot: drawings in text. */
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/plot_text.h"
#include "ode/adams_growth.h"
#include "ode/stability.h"
#include "study/spectrum.h"

static const char plot_name[] = "continuo.plot";

enum { DOTS_AUTO, DOTS_BRAILLE, DOTS_BLOCKS, DOTS_ASCII };
static const char *const dots_choices[] = {"auto", "braille", "blocks", "ascii", NULL};

/* ---- what all have in common --------------------------------------------------------------- */

struct plot_options {
    ptrdiff_t width, height;
    int dots;
    double step, dt, limit, resolution;
    char trained[OPTION_TEXT_SIZE];
};

#define FIELD(field) .offset = offsetof(struct plot_options, field)
#define SIZE_OPTIONS                                                                               \
    {.name = "width",                                                                              \
     .kind = OPTION_INTEGER,                                                                       \
     FIELD(width),                                                                                 \
     .fallback = "72",                                                                             \
     .least = 24,                                                                                  \
     .most = 400,                                                                                  \
     .help = "columns"},                                                                           \
        {.name = "height",                                                                         \
         .kind = OPTION_INTEGER,                                                                   \
         FIELD(height),                                                                            \
         .fallback = "0",                                                                          \
         .least = 8,                                                                               \
         .most = 200,                                                                              \
         .help = "rows; absent: what the drawing needs"},                                          \
    {                                                                                              \
        .name = "dots", .kind = OPTION_CHOICE, FIELD(dots), .fallback = "auto",                    \
        .choices = dots_choices, .help = "auto: braille where the locale has UTF-8, else ascii"    \
    }

static enum canvas_kind kind_of(int dots) {
    return dots == DOTS_BRAILLE  ? CANVAS_BRAILLE
           : dots == DOTS_BLOCKS ? CANVAS_BLOCK
           : dots == DOTS_ASCII  ? CANVAS_ASCII
                                 : plot_text_kind();
}

static int plot_tostring(lua_State *L) {
    if (lua_getfield(L, 1, "text") != LUA_TSTRING) {
        lua_pushliteral(L, "plot");
    }
    return 1;
}

/* Pops the text and pushes { text = }, which prints itself. */
static void push_plot(lua_State *L) {
    lua_createtable(L, 0, 4);
    lua_insert(L, -2);
    lua_setfield(L, -2, "text");
    luaL_setmetatable(L, plot_name);
}

/* The numbers in field `name` of the table on top: a list or an array of one dimension, kept by
 * what is pushed. NULL (nothing pushed) when there are none. */
static const struct array *list_field(lua_State *L, const char *call, const char *name) {
    char what[100];
    if (lua_getfield(L, -1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    (void)snprintf(what, sizeof what, "%s: \"%s\"", call, name);
    const struct array *array = array_from(L, -1, what);
    if (array->rank != 1) {
        bind_refuse(L, "%s must be a list of numbers, not an array of %d dimensions", what,
                    array->rank);
    }
    lua_replace(L, -2);
    return array;
}

static double number_field(lua_State *L, const char *name) {
    double value = (double)NAN;
    if (lua_getfield(L, -1, name) == LUA_TNUMBER) {
        value = (double)lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return value;
}

/* Goes to entry `index` of the list in the table at `list`: pushes it, a table. False at the end.
 */
static bool entry(lua_State *L, int list, int index, const char *call, const char *what) {
    const int type = lua_rawgeti(L, list, index);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (type != LUA_TTABLE) {
        bind_refuse(L, "%s: %s %d must be a table such as { h = {..}, error = {..} }, not a %s",
                    call, what, index, luaL_typename(L, -1));
    }
    luaL_checkstack(L, 8, "curves");
    return true;
}

/* ---- cn.plot.convergence ------------------------------------------------------------------- */

static const struct option convergence_options[] = {
    {.name = "dt",
     .kind = OPTION_NUMBER,
     FIELD(dt),
     .fallback = "0",
     .least = 0,
     .most = INFINITY,
     .help = "the step trained with, to be marked"},
    {.name = "trained",
     .kind = OPTION_TEXT,
     FIELD(trained),
     .fallback = "",
     .help = "the scheme trained with: drawn over the others, with a slope triangle"},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     FIELD(limit),
     .fallback = "0",
     .least = 0,
     .most = INFINITY,
     .help = "the error left as h goes to 0, to be marked"},
    {.name = "resolution",
     .kind = OPTION_NUMBER,
     FIELD(resolution),
     .fallback = "0",
     .least = 0,
     .most = INFINITY,
     .help = "below which errors are round-off, to be marked"},
    SIZE_OPTIONS,
};
enum { CONVERGENCE_OPTIONS = sizeof convergence_options / sizeof *convergence_options };

/* Reads the curve on top; what it keeps alive stays pushed. */
static void read_curve(lua_State *L, const char *call, int index, struct loglog_curve *curve) {
    const int table = lua_gettop(L);
    lua_getfield(L, table, "scheme");
    curve->name = luaL_optstring(L, -1, "");
    if (!curve->name[0]) {
        bind_refuse(L, "%s: curve %d has no \"scheme\", a name", call, index);
    }
    lua_getfield(L, table, "truth");
    curve->is_true = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, table);
    curve->slope = number_field(L, "slope");
    curve->interval = number_field(L, "interval");
    curve->expected = number_field(L, "expected");
    const struct array *h = list_field(L, call, "h");
    lua_pushvalue(L, table);
    const struct array *error = list_field(L, call, "error");
    if (!h || !error || h->len != error->len || h->len > LOGLOG_POINTS) {
        bind_refuse(L,
                    "%s: curve %d needs lists \"h\" and \"error\" of one length, at most %d, not "
                    "of %td and %td",
                    call, index, LOGLOG_POINTS, h ? h->len : 0, error ? error->len : 0);
    }
    curve->count = (int)h->len;
    curve->h = h->values;
    curve->error = error->values;
}

static int convergence_call(lua_State *L) {
    static const char call[] = "cn.plot.convergence";
    static const char *const objects[] = {"curves", NULL};
    struct plot_options options;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    bind_options(L, convergence_options, CONVERGENCE_OPTIONS, call, bind_json(L, 1, call, objects),
                 objects, &options);
    struct loglog loglog = {.kind = kind_of(options.dots),
                            .is_mono = true,
                            .dt = options.dt,
                            .limit = options.limit,
                            .resolution = options.resolution};
    if (lua_getfield(L, 1, "curves") != LUA_TTABLE) {
        bind_refuse(L, "%s: \"curves\" must be a list of { scheme =, h = {..}, error = {..} }",
                    call);
    }
    const int list = lua_gettop(L);
    for (int i = 1; entry(L, list, i, call, "curve"); i++) {
        if (loglog.count == LOGLOG_CURVES) {
            bind_refuse(L, "%s draws at most %d curves", call, LOGLOG_CURVES);
        }
        struct loglog_curve *curve = &loglog.curves[loglog.count++];
        read_curve(L, call, i, curve);
        curve->is_trained = strcmp(curve->name, options.trained) == 0;
    }
    plot_text_loglog(L, &loglog, (int)options.width, (int)options.height);
    push_plot(L);
    return bind_done(L, 1);
}

/* ---- cn.plot.region ------------------------------------------------------------------------ */

static const struct option region_options[] = {
    {.name = "step",
     .kind = OPTION_NUMBER,
     FIELD(step),
     .fallback = "1",
     .least = 1e-300,
     .most = 1e300,
     .help = "h: eigenvalues lambda are drawn at h lambda"},
    SIZE_OPTIONS,
};
enum { REGION_OPTIONS = sizeof region_options / sizeof *region_options };

/* Their styles: a disc, a diamond, a ring. */
enum { LEARNED = 0, PREDICTED = 3, EXACT = 5 };

static double growth(const void *stability, double re, double im) {
    const double modulus = cabs(stability_at(stability, CMPLX(re, im)));
    return isnan(modulus) ? (double)INFINITY : modulus;
}

static double growth_of_adams(const void *formula, double re, double im) {
    return adams_growth(formula, re, im);
}

/* Reads eigenvalues { re, im } (or plain reals) from field `name` of the options at 1; times the
 * step. What it keeps alive stays pushed. */
static void read_set(lua_State *L, const char *call, const char *name, double step, int style,
                     struct plane *plane) {
    char what[100];
    if (lua_getfield(L, 1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    (void)snprintf(what, sizeof what, "%s: \"%s\"", call, name);
    const struct array *array = array_from(L, -1, what);
    const bool is_pairs = array->rank == 2 && array->shape[1] == 2;
    if (!is_pairs && array->rank != 1) {
        bind_refuse(L, "%s must be a list of pairs { re, im } or of real numbers", what);
    }
    const ptrdiff_t count = is_pairs ? array->shape[0] : array->len;
    if (count > PLANE_POINTS) {
        bind_refuse(L, "%s has %td eigenvalues; at most %d are drawn", what, count, PLANE_POINTS);
    }
    double(*z)[2] = bind_memory(L, count, sizeof *z);
    for (ptrdiff_t i = 0; i < count; i++) {
        z[i][0] = step * array->values[is_pairs ? 2 * i : i];
        z[i][1] = is_pairs ? step * array->values[2 * i + 1] : 0;
    }
    plane->sets[plane->count++] = (struct plane_set){
        .name = name, .style = style, .count = (int)count, .z = (const double(*)[2])z};
}

/* What one step fits exactly instead of the exact eigenvalues, where there is no such set yet: mu
 * with R(step mu) = exp(step lambda). What it keeps alive stays pushed. */
static void predict(lua_State *L, const struct stability *stability, double step,
                    struct plane *plane) {
    const struct plane_set *exact = NULL;
    for (int i = 0; i < plane->count; i++) {
        if (strcmp(plane->sets[i].name, "predicted") == 0) {
            return;
        }
        exact = strcmp(plane->sets[i].name, "exact") == 0 ? &plane->sets[i] : exact;
    }
    if (!exact) {
        return;
    }
    double(*z)[2] = bind_memory(L, exact->count, sizeof *z);
    int count = 0;
    for (int i = 0; i < exact->count; i++) {
        struct error error;
        double complex mu;
        const double complex lambda = CMPLX(exact->z[i][0], exact->z[i][1]) / step;
        if (spectrum_learned(stability, lambda, step, &mu, &error)) {
            z[count][0] = step * creal(mu);
            z[count++][1] = step * cimag(mu);
        }
    }
    plane->sets[plane->count++] = (struct plane_set){
        .name = "predicted", .style = PREDICTED, .count = count, .z = (const double(*)[2])z};
}

static void push_pair(lua_State *L, double first, double second) {
    lua_createtable(L, 2, 0);
    lua_pushnumber(L, first);
    lua_rawseti(L, -2, 1);
    lua_pushnumber(L, second);
    lua_rawseti(L, -2, 2);
}

/* Sets in the table on top the eigenvalues of each set, and in its field growth their |R|. */
static void set_values(lua_State *L, const struct plane *plane, double step) {
    lua_createtable(L, 0, plane->count); /* plot, growth */
    for (int i = 0; i < plane->count; i++) {
        const struct plane_set *set = &plane->sets[i];
        lua_createtable(L, set->count, 0); /* plot, growth, list of |R| */
        lua_createtable(L, set->count, 0); /* plot, growth, list of |R|, list of values */
        for (int j = 0; j < set->count; j++) {
            lua_pushnumber(L, plane->growth(plane->scheme, set->z[j][0], set->z[j][1]));
            lua_rawseti(L, -3, j + 1);
            push_pair(L, set->z[j][0] / step, set->z[j][1] / step);
            lua_rawseti(L, -2, j + 1);
        }
        lua_setfield(L, -4, set->name);
        lua_setfield(L, -2, set->name);
    }
    lua_setfield(L, -2, "growth");
}

static int region_call(lua_State *L) {
    static const char call[] = "cn.plot.region";
    static const char *const objects[] = {"scheme", "learned", "predicted", "exact", NULL};
    struct plot_options options;
    lua_settop(L, 1);
    bind_table(L, 1, call);
    bind_options(L, region_options, REGION_OPTIONS, call, bind_json(L, 1, call, objects), objects,
                 &options);
    struct plane plane = {.kind = kind_of(options.dots)};
    struct stability stability;
    const bool has_name = lua_getfield(L, 1, "scheme") == LUA_TSTRING;
    const struct adams *formula = has_name ? adams_find(lua_tostring(L, -1)) : NULL;
    if (formula) {
        plane.growth = growth_of_adams;
        plane.scheme = formula;
    } else {
        struct error error;
        if (!has_name) {
            stability = stability_of(tableau_from(L, lua_gettop(L), call));
        } else if (!stability_find(lua_tostring(L, -1), &stability, &error)) {
            bind_refuse(L, "%s: %s", call, error.text);
        }
        plane.growth = growth;
        plane.scheme = &stability;
    }
    static const int styles[] = {LEARNED, PREDICTED, EXACT};
    for (int i = 0; i < 3; i++) {
        read_set(L, call, objects[1 + i], options.step, styles[i], &plane);
    }
    if (!formula) {
        predict(L, &stability, options.step, &plane);
    }
    plot_text_plane(L, &plane, (int)options.width, (int)options.height);
    push_plot(L);
    set_values(L, &plane, options.step);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int convergence_sets(struct help_options *sets) {
    sets[0] = (struct help_options){convergence_options, CONVERGENCE_OPTIONS};
    return 1;
}

static int region_sets(struct help_options *sets) {
    sets[0] = (struct help_options){region_options, REGION_OPTIONS};
    return 1;
}

static const struct help_argument convergence_arguments[] = {
    {"curves", "list of { scheme =, h = {..}, error = {..}, truth =, slope =, interval =, "
               "expected = } (required)"},
    {0}};

static const struct help_argument region_arguments[] = {
    {"scheme", "a name, of Adams-Bashforth formulas too, \"backward_euler\", \"trapezoid\", or a "
               "tableau (required)"},
    {"learned", "eigenvalues: a list of { re, im }, or of real numbers"},
    {"predicted", "eigenvalues, likewise; absent: what one step fits, from exact"},
    {"exact", "eigenvalues, likewise"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.plot.convergence",
     .group = "plot",
     .signature = "cn.plot.convergence{ curves={..}, dt=, trained=, limit=, width= } -> plot",
     .line = "error over step size on logarithmic axes, as text",
     .text = "A curve has lists h and error of one length; slope, interval and expected (an order) "
             "are written at its end. A curve with truth = true lies dotted behind the one of the "
             "same scheme. Errors of zero are arrows on the x axis, errors that are not finite "
             "are \"!\". The plot prints itself; plot.text is the string.",
     .example = "h = { 0.4, 0.2, 0.1, 0.05, 0.025 }\n"
                "e1, e2 = {}, {}\n"
                "for i, step in ipairs(h) do e1[i], e2[i] = step, step^2 / 3 end\n"
                "print(cn.plot.convergence{ dt = 0.1, curves = {\n"
                "    { scheme = \"euler\", h = h, error = e1, slope = 1, expected = 1 },\n"
                "    { scheme = \"midpoint\", h = h, error = e2, slope = 2, expected = 2 } } })",
     .arguments = convergence_arguments,
     .options = convergence_sets},
    {.name = "cn.plot.region",
     .group = "plot",
     .signature = "cn.plot.region{ scheme=, step=, learned=, predicted=, exact= } -> plot",
     .line = "eigenvalues on a scheme's region of stability, as text",
     .text =
         "Draws where |R(z)| = 1, R(z) being what one step makes of y' = lambda y with z = h "
         "lambda, and eigenvalues times the step in that plane; those too near to each other to "
         "be told apart once more beside it.\n\n"
         "A field that is fitted to exact data in one step of the scheme has the eigenvalues mu "
         "with R(h mu) = exp(h lambda): they are drawn as predicted when exact is given and "
         "predicted is not. The mu of an oscillation lie on the outline: that is how the "
         "scheme's error becomes a part of what is learned.\n\n"
         "The plot prints itself; plot.text is the string. plot.learned, plot.predicted and "
         "plot.exact are lists of { re, im }, plot.growth has lists of the same names with "
         "|R|.",
     .example =
         "print(cn.plot.region{ scheme = \"euler\", step = 0.1, exact = { { 0, 1 }, { 0, -1 } },\n"
         "    learned = { { -0.049958, 0.998334 }, { -0.049958, -0.998334 } } })",
     .arguments = region_arguments,
     .options = region_sets},
};

void bind_plot_open(lua_State *L) {
    luaL_newmetatable(L, plot_name);
    lua_pushcfunction(L, plot_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, convergence_call);
    lua_setfield(L, -2, "convergence");
    lua_pushcfunction(L, region_call);
    lua_setfield(L, -2, "region");
    lua_setfield(L, -2, "plot");
    help_register(entries, sizeof entries / sizeof *entries);
}
