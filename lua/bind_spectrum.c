/* cn.ode.spectrum: the eigenvalues of a linear or linearised field, those of the system it stands
 * for, and those that a one-step fit inside a scheme learns instead. */
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/plot_text.h"
#include "nets/net_field.h"
#include "ode/system.h"
#include "study/convergence_data.h"
#include "study/spectrum.h"

static const char spectrum_name[] = "continuo.spectrum";
static const char call[] = "cn.ode.spectrum";

struct options {
    double dt, t;
    char scheme[OPTION_TEXT_SIZE];
};

#define FIELD(field) .offset = offsetof(struct options, field)

static const struct option options_table[] = {
    {.name = "dt",
     .kind = OPTION_NUMBER,
     FIELD(dt),
     .fallback = "0",
     .least = 0,
     .most = 1e12,
     .help = "the step; absent: the net's"},
    {.name = "scheme",
     .kind = OPTION_TEXT,
     FIELD(scheme),
     .fallback = "",
     .help = "a scheme, \"backward_euler\" or \"trapezoid\"; absent: the net's"},
    {.name = "t", .kind = OPTION_NUMBER, FIELD(t), .fallback = "0", .help = "time of the state y"},
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

enum set { LEARNED, PREDICTED, EXACT, SETS };
static const char *const set_names[SETS] = {"learned", "predicted", "exact"};

struct spectrum {
    struct options options;
    struct stability stability;
    int n, count[SETS];
    double complex value[SETS][SPECTRUM_N_MAX];
};

/* ---- what is read -------------------------------------------------------------------------- */

static void set_size(lua_State *L, struct spectrum *s, ptrdiff_t n, const char *what) {
    if (n < 1 || n > SPECTRUM_N_MAX) {
        bind_refuse(L, "%s: %s has %td numbers in a state; eigenvalues are found of 1 to %d", call,
                    what, n, (int)SPECTRUM_N_MAX);
    }
    if (s->n != 0 && s->n != n) {
        bind_refuse(L, "%s: %s has states of %td numbers, the other one of %d", call, what, n,
                    s->n);
    }
    s->n = (int)n;
}

static void find(lua_State *L, struct spectrum *s, enum set set, const double *a) {
    struct error error;
    if (!spectrum_eigenvalues(s->n, a, s->value[set], &error)) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    s->count[set] = s->n;
}

/* The state at which a field is linearised: y, or that of the system, or 0. */
static const double *read_state(lua_State *L, const struct spectrum *s,
                                const struct system *system) {
    if (lua_getfield(L, 1, "y") == LUA_TNIL) {
        return system ? system->y0 : bind_memory(L, s->n, sizeof(double));
    }
    const struct array *const y = array_from(L, -1, "cn.ode.spectrum: \"y\"");
    if (y->rank != 1 || y->len != s->n) {
        bind_refuse(L, "%s: \"y\" must be a state of %d numbers", call, s->n);
    }
    return y->values;
}

static void find_field(lua_State *L, struct spectrum *s, enum set set,
                       const struct ode_field *field, const double *y) {
    struct error error;
    double a[SPECTRUM_N_MAX * SPECTRUM_N_MAX];
    if (!spectrum_jacobian(field, s->options.t, y, a, &error)) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    find(L, s, set, a);
}

static void read_matrix(lua_State *L, struct spectrum *s) {
    const struct array *const a = array_from(L, -1, "cn.ode.spectrum: \"matrix\"");
    if (a->rank != 2 || a->shape[0] != a->shape[1]) {
        bind_refuse(L, "%s: \"matrix\" must be a square list of rows", call);
    }
    set_size(L, s, a->shape[0], "\"matrix\"");
    find(L, s, LEARNED, a->values);
}

static void fields_release(void *fields) {
    convergence_fields_free(fields);
}

/* The field of the net, whose step and scheme are taken where none are given. */
static struct convergence_fields *read_net(lua_State *L, struct spectrum *s) {
    bind_object(L, 1, call, "net", "continuo.net",
                "a net, such as cn.net.dynamics{ ... } makes");
    const int index = lua_gettop(L);
    if (net_ode_count(net_check(L, index)->net) == 0) {
        bind_refuse(L, "%s: this net has no ODE block, so it is no field", call);
    }
    const struct net *const net = net_use(L, index, -1);
    const struct manifestation trained = net_trained(net);
    const double own = convergence_data_step(net, 0);
    s->options.dt = s->options.dt > 0 ? s->options.dt : own;
    if (!(s->options.dt > 0)) {
        bind_refuse(L, "%s: \"dt\" is missing: what the net's step stands for in time", call);
    }
    if (!s->options.scheme[0]) {
        (void)snprintf(s->options.scheme, sizeof s->options.scheme, "%s", trained.scheme->name);
    }
    set_size(L, s, net->input[0] * net->input[1] * net->input[2], "the net");
    struct error error;
    struct bind_box *const box = bind_box(L, fields_release);
    struct convergence_fields *const fields = box->pointer =
        convergence_fields(net, s->n, s->options.dt * trained.steps, 1, &error);
    if (!fields) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    return fields;
}

static bool given(lua_State *L, const char *key) {
    const bool is = lua_getfield(L, 1, key) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* What a step of the scheme fits in place of the exact eigenvalues. */
static void predict(lua_State *L, struct spectrum *s) {
    struct error error;
    for (int i = 0; i < s->count[EXACT]; i++) {
        if (!spectrum_learned(&s->stability, s->value[EXACT][i], s->options.dt,
                              &s->value[PREDICTED][i], &error)) {
            bind_note(L, "%s: %s", call, error.text);
            s->count[PREDICTED] = 0;
            return;
        }
    }
    s->count[PREDICTED] = s->count[EXACT];
}

static void read_all(lua_State *L, struct spectrum *s) {
    const struct system *system = NULL;
    struct convergence_fields *fields = NULL;
    struct error error;
    if (given(L, "matrix") == given(L, "net") && (given(L, "net") || !given(L, "system"))) {
        bind_refuse(L, "%s: give one of \"net\" and \"matrix\", and \"system\" to compare with",
                    call);
    }
    if (given(L, "net")) {
        fields = read_net(L, s);
    } else if (given(L, "matrix")) {
        lua_getfield(L, 1, "matrix");
        read_matrix(L, s);
    }
    if (given(L, "system")) {
        lua_getfield(L, 1, "system");
        system = system_from(L, lua_gettop(L), call);
        set_size(L, s, system->type->n, "the system");
    }
    if (!(s->options.dt > 0) || !s->options.scheme[0]) {
        bind_refuse(L, "%s: \"%s\" is missing", call, s->options.dt > 0 ? "scheme" : "dt");
    }
    if (!stability_find(s->options.scheme, &s->stability, &error)) {
        bind_refuse(L, "%s: %s", call, error.text);
    }
    const double *const y = read_state(L, s, system);
    if (fields) {
        find_field(L, s, LEARNED, &fields->fields[0], y);
    }
    if (system) {
        const struct ode_field field = system_field(system);
        find_field(L, s, EXACT, &field, y);
        predict(L, s);
    }
}

/* ---- what comes back ----------------------------------------------------------------------- */

static void push_values(lua_State *L, const double complex *values, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushnumber(L, creal(values[i]));
        lua_rawseti(L, -2, 1);
        lua_pushnumber(L, cimag(values[i]));
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i + 1);
    }
}

static double growth(const void *stability, double re, double im) {
    const double modulus = cabs(stability_at(stability, CMPLX(re, im)));
    return isnan(modulus) ? (double)INFINITY : modulus;
}

static void push_drawing(lua_State *L, const struct spectrum *s) {
    enum { WIDTH = 79 };
    static const int styles[SETS] = {0, 3, 5}; /* a disc, a diamond, a ring */
    double z[SETS][SPECTRUM_N_MAX][2];
    struct plane plane = {
        .kind = plot_text_kind(), .growth = growth, .scheme = &s->stability};
    for (int set = 0; set < SETS; set++) {
        if (s->count[set] == 0) {
            continue;
        }
        for (int i = 0; i < s->count[set]; i++) {
            z[set][i][0] = s->options.dt * creal(s->value[set][i]);
            z[set][i][1] = s->options.dt * cimag(s->value[set][i]);
        }
        plane.sets[plane.count++] = (struct plane_set){.name = set_names[set],
                                                       .style = styles[set],
                                                       .count = s->count[set],
                                                       .z = (const double(*)[2])z[set]};
    }
    plot_text_plane(L, &plane, WIDTH, 0);
}

static void add_value(luaL_Buffer *buffer, const struct spectrum *s, enum set set, int i) {
    char line[64], text[48] = "";
    if (i < s->count[set]) {
        (void)snprintf(text, sizeof text, "%.8f%+.8fi", creal(s->value[set][i]),
                       cimag(s->value[set][i]));
    }
    (void)snprintf(line, sizeof line, " %25s", text);
    luaL_addstring(buffer, line);
}

static void push_text(lua_State *L, const struct spectrum *s) {
    char line[160];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "eigenvalues, scheme %.40s, dt = %.6g; predicted: what one step fits\n",
                   s->options.scheme, s->options.dt);
    luaL_addstring(&buffer, line);
    for (int set = 0; set < SETS; set++) {
        (void)snprintf(line, sizeof line, " %25s", set_names[set]);
        luaL_addstring(&buffer, line);
    }
    for (int i = 0; i < s->n; i++) {
        luaL_addstring(&buffer, "\n");
        for (int set = 0; set < SETS; set++) {
            add_value(&buffer, s, (enum set)set, i);
        }
    }
    luaL_pushresult(&buffer);
}

static int spectrum_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "text");
    lua_pushliteral(L, "\n");
    lua_getfield(L, 1, "plot");
    if (lua_isstring(L, 2) && lua_isstring(L, 4)) {
        lua_concat(L, 3);
    } else {
        lua_pushliteral(L, "spectrum");
    }
    return 1;
}

static void push_spectrum(lua_State *L, const struct spectrum *s) {
    enum { POINTS = 257 };
    double complex boundary[POINTS];
    lua_createtable(L, 0, 10);
    for (int set = 0; set < SETS; set++) {
        if (s->count[set] > 0) {
            push_values(L, s->value[set], s->count[set]);
            lua_setfield(L, -2, set_names[set]);
        }
    }
    push_values(L, boundary, stability_boundary(&s->stability, POINTS, boundary));
    lua_setfield(L, -2, "boundary");
    lua_createtable(L, s->stability.p_degree + 1, 0);
    for (int k = 0; k <= s->stability.p_degree; k++) {
        lua_pushnumber(L, s->stability.p[k]);
        lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "polynomial");
    double worst = 0;
    for (int i = 0; i < s->count[LEARNED] && s->count[PREDICTED] > 0; i++) {
        worst = fmax(worst, cabs(s->value[LEARNED][i] - s->value[PREDICTED][i]));
    }
    if (s->count[LEARNED] > 0 && s->count[PREDICTED] > 0) {
        lua_pushnumber(L, worst);
        lua_setfield(L, -2, "difference");
    }
    lua_pushstring(L, s->options.scheme);
    lua_setfield(L, -2, "scheme");
    lua_pushnumber(L, s->options.dt);
    lua_setfield(L, -2, "dt");
    push_text(L, s);
    lua_setfield(L, -2, "text");
    push_drawing(L, s);
    lua_setfield(L, -2, "plot");
    luaL_setmetatable(L, spectrum_name);
}

static int spectrum_call(lua_State *L) {
    static const char *const objects[] = {"net", "matrix", "system", "y", NULL};
    struct spectrum s = {.n = 0};
    lua_settop(L, 1);
    bind_table(L, 1, call);
    luaL_checkstack(L, 20, call);
    bind_options(L, options_table, OPTIONS, call, bind_json(L, 1, call, objects), objects,
                 &s.options);
    read_all(L, &s);
    push_spectrum(L, &s);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int option_sets(struct help_options *sets) {
    sets[0] = (struct help_options){options_table, OPTIONS};
    return 1;
}

static const struct help_argument arguments[] = {
    {"net", "a net that is one ODE block: the eigenvalues of its Jacobian at y"},
    {"matrix", "instead of a net: rows of y' = A y"},
    {"system", "a built-in system: the exact ones, of its Jacobian at y"},
    {"y", "the state to linearise at; absent: the system's y0, or 0"},
    {0}};

static const struct help_entry entries[] = {
    {.name = "cn.ode.spectrum",
     .group = "ode",
     .signature = "cn.ode.spectrum{ net= | matrix=, system=, scheme=, dt=, y= } -> { learned=, "
                  "predicted=, exact=, boundary=, plot= }",
     .line = "eigenvalues: learned, exact, and what a scheme makes one learn",
     .text = "Lists of { re, im }, by descending imaginary part. A fit that is exact in one step "
             "of the scheme has mu with R(dt mu) = exp(dt lambda) instead of lambda, R the "
             "stability function: predicted. difference is the largest distance of learned from "
             "predicted; polynomial holds R's coefficients (of an implicit scheme its "
             "numerator's), boundary points z with |R(z)| = 1 about 0, plot the drawing of all of "
             "it. Exact for linear fields; others are linearised at y.",
     .example = "re, im = (math.cos(0.1) - 1) / 0.1, math.sin(0.1) / 0.1\n"
                "s = cn.ode.spectrum{ matrix = { { re, im }, { -im, re } }, scheme = \"euler\",\n"
                "                     dt = 0.1, system = \"oscillator\" }\n"
                "print(s)\nassert(s.difference < 1e-12)",
     .arguments = arguments,
     .options = option_sets},
};

void bind_spectrum_open(lua_State *L) {
    luaL_newmetatable(L, spectrum_name);
    lua_pushcfunction(L, spectrum_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_getfield(L, -1, "ode"); /* made by bind_tableau_open */
    lua_pushcfunction(L, spectrum_call);
    lua_setfield(L, -2, "spectrum");
    lua_pop(L, 1);
}
