/* net:profile: where the time of a step goes, kernel by kernel. */
#include <stdio.h>

#include "lua/bind.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "nets/net.h"
#include "study/profile.h"

static const char profile_name[] = "continuo.profile";
static const char call_name[] = "net:profile";

struct call_options {
    ptrdiff_t batch, repeats, threads, steps;
    int kind, edge, memory, precision;
    char scheme[OPTION_TEXT_SIZE];
};

enum { KIND_TRAIN, KIND_FORWARD };
static const char *const kind_choices[] = {"train", "forward", NULL};

#define FIELD(field) .offset = offsetof(struct call_options, field)

static const struct option options_table[] = {
    {.name = "batch",
     .kind = OPTION_INTEGER,
     FIELD(batch),
     .fallback = "128",
     .least = 1,
     .most = 1e9,
     .help = "samples of a step"},
    {.name = "kind",
     .kind = OPTION_CHOICE,
     FIELD(kind),
     .fallback = "train",
     .choices = kind_choices,
     .help = "train: forward, loss and backward; forward: with stored statistics, as in use"},
    {.name = "repeats",
     .kind = OPTION_INTEGER,
     FIELD(repeats),
     .fallback = "5",
     .least = 1,
     .most = 1e6,
     .help = "measured steps, of which the fastest is shown"},
    {.name = "threads",
     .kind = OPTION_INTEGER,
     FIELD(threads),
     .fallback = "0",
     .least = 1,
     .most = 256,
     .help = "absent: cn.threads()"},
    {.name = "scheme",
     .kind = OPTION_TEXT,
     FIELD(scheme),
     .fallback = "",
     .help = "scheme of every ODE block, see cn.ode.schemes(); absent: as configured"},
    {.name = "steps",
     .kind = OPTION_INTEGER,
     FIELD(steps),
     .fallback = "0",
     .least = 1,
     .most = 1e6,
     .help = "steps of every ODE block; absent: as configured"},
    {.name = "edge",
     .kind = OPTION_CHOICE,
     FIELD(edge),
     .fallback = "own",
     .choices = how_edges,
     .help = "which cell a stage at the end of a step reads; own: as configured"},
    {.name = "memory",
     .kind = OPTION_CHOICE,
     FIELD(memory),
     .fallback = "auto",
     .choices = memory_names,
     .help = "what a training step keeps of ODE blocks, as in cn.train"},
    {.name = "precision",
     .kind = OPTION_CHOICE,
     FIELD(precision),
     .fallback = "own",
     .choices = how_precisions,
     .help = "f32 or f64; own: the net's"},
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

/* ---- the result ---------------------------------------------------------------------------- */

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, ptrdiff_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static double ratio(double part, double whole) {
    return whole > 0.0 ? part / whole : 0.0;
}

static void push_row(lua_State *L, const struct profile *profile, int kernel) {
    const struct meter_count *count = &profile->counts[kernel];
    const double threads = profile->threads;
    lua_createtable(L, 0, 7);
    set_text(L, "kernel", meter_names[kernel]);
    set_integer(L, "calls", (ptrdiff_t)count->calls);
    set_number(L, "ms", 1e3 * count->seconds / threads);
    set_number(L, "share", ratio(count->seconds, threads * profile->seconds));
    set_number(L, "gflops", 1e-9 * ratio(count->flops, count->seconds));
    set_number(L, "gbytes", 1e-9 * ratio(count->bytes, count->seconds));
    set_number(L, "peak", ratio(threads * ratio(count->flops, count->seconds), profile->peak));
}

/* Pushes the rows, the longest first, and the numbers of the whole step. */
static void push_profile(lua_State *L, const struct profile *profile,
                         const struct call_options *options) {
    bool shown[METER_KERNELS] = {false};
    lua_createtable(L, METER_KERNELS, 12);
    for (int row = 1;; row++) {
        int next = -1;
        for (int k = 0; k < METER_KERNELS; k++) {
            if (!shown[k] && profile->counts[k].calls > 0.0 &&
                (next < 0 || profile->counts[k].seconds > profile->counts[next].seconds)) {
                next = k;
            }
        }
        if (next < 0) {
            break;
        }
        shown[next] = true;
        push_row(L, profile, next);
        lua_rawseti(L, -2, row);
    }
    const double convolution = ratio(profile->convolution, profile->seconds);
    set_text(L, "kind", kind_choices[options->kind]);
    set_text(L, "kernels", profile->table);
    if (options->kind == KIND_TRAIN) {
        set_text(L, "memory", memory_names[profile->memory]);
    }
    set_integer(L, "batch", options->batch);
    set_integer(L, "threads", profile->threads);
    set_number(L, "ms", 1e3 * profile->seconds);
    set_number(L, "images", ratio((double)options->batch, profile->seconds));
    set_number(L, "outside",
               1.0 - ratio(profile->kernels, profile->threads * profile->seconds));
    set_number(L, "peak_gflops", 1e-9 * profile->peak / profile->threads);
    set_number(L, "convolution_gflops", 1e-9 * convolution);
    set_number(L, "convolution", ratio(convolution, profile->peak));
    luaL_setmetatable(L, profile_name);
}

static double number_of(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    const double value = (double)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Good as long as the table holds it. */
static const char *text_of(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text ? text : "";
}

/* The row at `row` of the stack as a line. */
static void row_text(lua_State *L, int row, char *line, size_t size) {
    (void)snprintf(line, size, "\n%-16s %8.0f %9.3f %6.1f %9.1f %8.1f %7.1f",
                   text_of(L, row, "kernel"), number_of(L, row, "calls"), number_of(L, row, "ms"),
                   100 * number_of(L, row, "share"), number_of(L, row, "gflops"),
                   number_of(L, row, "gbytes"), 100 * number_of(L, row, "peak"));
}

static int profile_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const double ms = number_of(L, 1, "ms"), outside = number_of(L, 1, "outside");
    const int threads = (int)number_of(L, 1, "threads");
    char line[240];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    (void)snprintf(line, sizeof line,
                   "%s, batch %.0f, %d thread%s, %s: at best %.1f GFLOP/s a thread\n"
                   "%-16s %8s %9s %6s %9s %8s %7s",
                   text_of(L, 1, "kind"), number_of(L, 1, "batch"), threads,
                   threads == 1 ? "" : "s", text_of(L, 1, "kernels"),
                   number_of(L, 1, "peak_gflops"), "kernel", "calls", "ms", "%", "GFLOP/s", "GB/s",
                   "% peak");
    luaL_addstring(&buffer, line);
    const lua_Integer rows = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer i = 1; i <= rows; i++) {
        lua_rawgeti(L, 1, i);
        row_text(L, lua_gettop(L), line, sizeof line);
        lua_pop(L, 1);
        luaL_addstring(&buffer, line);
    }
    (void)snprintf(line, sizeof line, "\n%-16s %8s %9.3f %6.1f\n%.3f ms a step, %.0f images/s",
                   "outside", "", outside * ms, 100 * outside, ms, number_of(L, 1, "images"));
    luaL_addstring(&buffer, line);
    const double convolution = number_of(L, 1, "convolution_gflops");
    if (convolution > 0) {
        (void)snprintf(line, sizeof line,
                       "\nconvolutions at %.1f GFLOP/s, %.1f %% of the peak of %d thread%s",
                       convolution, 100 * number_of(L, 1, "convolution"), threads,
                       threads == 1 ? "" : "s");
        luaL_addstring(&buffer, line);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* ---- the call ------------------------------------------------------------------------------ */

static void pool_release(void *pool) {
    pool_free(pool);
}

/* A pool of so many threads, boxed and pushed; 0: that of cn.threads(). */
static struct pool *pool_of(lua_State *L, ptrdiff_t threads) {
    struct error error;
    if (threads == 0 || threads == bind_threads(L)) {
        return bind_pool(L);
    }
    struct bind_box *box = bind_box(L, pool_release);
    box->pointer = threads > 1 ? pool_create((int)threads, &error) : NULL;
    if (threads > 1 && !box->pointer) {
        bind_refuse(L, "%s: %s", call_name, error.text);
    }
    return box->pointer;
}

int net_profile(lua_State *L) {
    struct call_options options;
    struct profile result;
    struct error error;
    lua_settop(L, 2);
    net_check(L, 1);
    bind_options(L, options_table, OPTIONS, call_name, bind_json(L, 2, call_name, NULL), NULL,
                 &options);
    struct profile_options plan = {.batch = options.batch,
                                   .repeats = (int)options.repeats,
                                   .train = options.kind == KIND_TRAIN,
                                   .how = {.steps = (int)options.steps, .edge = options.edge - 1},
                                   .memory = (enum memory)options.memory,
                                   .seed = 1};
    if (options.scheme[0] && !(plan.how.scheme = tableau_find(options.scheme, &error))) {
        bind_refuse(L, "%s: %s", call_name, error.text);
    }
    how_fits(L, call_name, net_check(L, 1)->net, &plan.how);
    plan.pool = pool_of(L, options.threads);
    const struct net *net = net_use(L, 1, options.precision - 1);
    plan.stop = interrupt_watch();
    const bool ok = profile_run(net, &plan, &result, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!ok) {
        bind_refuse(L, "%s: %s", call_name, error.text);
    }
    push_profile(L, &result, &options);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int option_sets(struct help_options *sets) {
    sets[0] = (struct help_options){options_table, OPTIONS};
    return 1;
}

static const struct help_entry entries[] = {
    {.name = "net:profile",
     .group = "nets",
     .signature = "net:profile{ batch=, kind=, threads=, scheme=, steps= } -> rows",
     .line = "where the time of a step goes, kernel by kernel",
     .text =
         "Runs a copy of the net on random samples; the net stays as it is. rows[i] has kernel, "
         "calls, ms and share (of the step: summed over the threads, divided by their number), "
         "and, while the kernel runs on one thread, gflops, gbytes (1e9 bytes/s, every array "
         "counted once) and peak, the share of what multiply-adds in registers reach there with "
         "the same kernels. Convolutions are counted as the direct sum, so Winograd's algorithm "
         "may pass 1.\n\n"
         "rows.ms is the fastest step, rows.images its samples a second, rows.outside the share "
         "of time that no kernel used (waiting for other threads, per-channel work), "
         "rows.peak_gflops the peak of a thread, rows.convolution_gflops the convolutions' flops "
         "over the whole step and rows.convolution its share of the peak of all threads. A step "
         "of kind \"train\" packs the weights and runs forward, loss and backward, without "
         "optimiser and data; rows.memory says what it kept, and what it ran again counts again. "
         "Nothing else should run meanwhile: other work on the machine shows as slow kernels.",
     .example = "net = cn.net.continuous{ input = {1, 14, 14}, classes = 10, width = 8 }\n"
                "rows = net:profile{ batch = 16, repeats = 2 }\n"
                "print(rows)\n"
                "print(rows[1].kernel, rows[1].share, rows.images)",
     .options = option_sets},
};

void bind_profile_open(lua_State *L) {
    luaL_newmetatable(L, profile_name);
    lua_pushcfunction(L, profile_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    help_register(entries, sizeof entries / sizeof *entries);
}
