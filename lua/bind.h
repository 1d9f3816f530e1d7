/* What the files of the binding share. The rules that keep C and Lua apart:
 *
 * - A C object that Lua owns sits in a userdata made BEFORE the object is acquired (bind_box for
 *   temporaries, the types below for what users see), so whatever raises, __gc finds it.
 * - Between acquiring and storing nothing is called that can raise; nothing ever raises across
 *   engine code, which calls Lua through the function of a field alone, protected, on the thread
 *   that called the engine (bind_field.c).
 * - An object referred to by another is kept alive by a user value: part -> data, job -> net and
 *   data. A job that is not over is also held by the registry: dropping the variable does not
 *   stop a training.
 * - Main thread only. While a job trains a net, calls on that net work on a snapshot. */
#ifndef CONTINUO_LUA_BIND_H
#define CONTINUO_LUA_BIND_H

#include <cjson/cJSON.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "ode/field.h"

struct dataset;
struct evaluation;
struct job;
struct manifestation;
struct net;
struct part;
struct series;
struct solution;
struct solve_options;
struct system;
struct tableau;

/* ---- helpers (bind.c) ---------------------------------------------------------------------- */

/* A temporary: pushes a userdata that calls release(pointer) when it is collected or closed. */
struct bind_box {
    void *pointer;
    void (*release)(void *pointer);
};
struct bind_box *bind_box(lua_State *L, void (*release)(void *pointer));
void bind_box_empty(struct bind_box *box); /* releases now */
/* Releases every box on the stack now, instead of when they are collected, and returns `results`:
 * how a call that made some returns. */
int bind_done(lua_State *L, int results);
/* Tells the collector of memory that it does not see, so that objects with much of it are
 * collected in time. */
void bind_weigh(lua_State *L, size_t bytes);
/* Zeroed memory in such a box, pushed; raises when there is none. */
void *bind_memory(lua_State *L, ptrdiff_t count, size_t size);

/* Raises the error's text, with the script's position in front. */
_Noreturn void bind_raise(lua_State *L, const struct error *error);
_Noreturn void bind_refuse(lua_State *L, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A type users see: metatable `name` ("continuo.net") with methods, computed fields (a getter gets
 * the object at 1 and pushes one value) and metamethods. A key that is neither method nor field is
 * refused by naming the nearest. The lists may be NULL. When `index` is not NULL it is asked
 * first: it may push a value for the key at 2 and return true. */
struct bind_type {
    const char *name;
    const luaL_Reg *methods, *getters, *meta;
    bool (*index)(lua_State *L);
};
void bind_type(lua_State *L, const struct bind_type *type);

/* Raises unless the value at `index` is a table: "cn.train takes a table of options: ...". */
void bind_table(lua_State *L, int index, const char *call);
/* The options at `index` as JSON, boxed and pushed. nil or nothing: NULL (a box is pushed all the
 * same). Raises for anything that cannot be an option. */
cJSON *bind_json(lua_State *L, int index, const char *call, const char *const *skip);
/* Reads options by a table of the engine's; raises when they are refused. `objects` (may be NULL)
 * are the other names the call takes, for naming the nearest. */
void bind_options(lua_State *L, const struct option *options, int count, const char *call,
                  const cJSON *json, const char *const *objects, void *target);
/* Pushes the object of type `type` found in field `name` of the table at `index`; raises when it
 * is missing or something else. `what` describes it: "a net, from cn.net.continuous{...}". */
void *bind_object(lua_State *L, int index, const char *call, const char *name, const char *type,
                  const char *what);
/* A whole number at least `least` from argument `index`; raises otherwise. */
ptrdiff_t bind_integer(lua_State *L, int index, const char *call, const char *name,
                       ptrdiff_t least);

/* The pool of the main thread, of cn.threads(n) threads. */
struct pool *bind_pool(lua_State *L);
int bind_threads(lua_State *L);
int bind_threads_call(lua_State *L); /* cn.threads */

/* Says something that is worth knowing and no error, as a Lua warning: "note: ...". */
void bind_note(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- arrays (bind_array.c) ----------------------------------------------------------------- */

enum { ARRAY_RANK_MAX = 8 };

/* Values are doubles in row-major order inside the userdata, or in the one it is a view of (user
 * value 1). `precision` is what they were and what they are written as. */
struct array {
    int rank;
    ptrdiff_t shape[ARRAY_RANK_MAX];
    ptrdiff_t len; /* reals */
    enum precision precision;
    double *values;
};
/* Pushes an array of zeros; raises when the shape is too large. */
struct array *array_new(lua_State *L, int rank, const ptrdiff_t *shape, enum precision precision);
struct array *array_test(lua_State *L, int index); /* or NULL */
/* The array at `index`, or a new one from the nested table of numbers there; pushed. Raises a
 * sentence beginning with `what` when it is neither or not rectangular. */
struct array *array_from(lua_State *L, int index, const char *what);

/* ---- objects ------------------------------------------------------------------------------- */

struct data_box {
    struct dataset *set; /* NULL: closed */
};
struct part_box {
    const struct part *part; /* of the data set in user value 1 */
};
struct net_box {
    struct net *net; /* NULL: closed */
    struct job *job; /* that trains it or has, as long as the job object lives; else NULL */
};
struct job_box {
    struct job *job;       /* NULL: closed; user values: 1 net, 2 data, 3 history */
    struct series *series; /* of its run folder, once somebody has asked */
    bool pausing;          /* asked to pause and not yet to go on */
};

struct data_box *data_check(lua_State *L, int index); /* raises when it is closed */
/* Pushes an empty box for a data set, to be filled, and tells the collector of it when it is. */
struct data_box *data_push(lua_State *L);
void data_weigh(lua_State *L, const struct dataset *set);
/* The part at `index`, or the `fallback` part ("test") of the data set there; raises otherwise. */
const struct part *part_check(lua_State *L, int index, const char *call, const char *fallback);
/* Pushes a part of the data set at `index`. */
void part_push(lua_State *L, int index, const struct part *part);

struct net_box *net_check(lua_State *L, int index); /* raises when it is closed */
/* Pushes an empty box for a net, to be filled. */
struct net_box *net_push(lua_State *L);
/* The job that is training the net now, or NULL. */
struct job *net_training(const struct net_box *box);
/* The net at `index` as it can be worked on now: itself, a snapshot when a job is training it, or
 * a copy in another precision. Pushes what owns the copy. precision -1: as it is. */
struct net *net_use(lua_State *L, int index, int precision);
int net_profile(lua_State *L); /* net:profile, in bind_profile.c */
/* Raises when a job is training the net: `verb` says what cannot be done now ("change"). */
void net_refuse_training(lua_State *L, const struct net_box *box, const char *verb);
/* A note when `steps` do not align with the nodes of some ODE block; false: they do. */
bool net_misaligned(const struct net *net, const struct manifestation *how, char *text,
                    size_t size);

/* How the net is to be run, and on what: the options every evaluation shares. */
struct how_options {
    char scheme[OPTION_TEXT_SIZE];
    ptrdiff_t steps;        /* 0: as trained */
    int edge, precision;    /* 0: as trained, else 1 + the engine's value */
    ptrdiff_t first, count; /* 1-based; count 0: to the end */
};
extern const char *const how_edges[], *const how_precisions[]; /* 0: "own" */
extern const struct option how_options_table[];
extern const int how_options_count;
/* Reads them from argument `index` (nil: none) and resolves the scheme; pushes one box. */
void how_read(lua_State *L, int index, const char *call, struct how_options *options,
              struct manifestation *how);
/* Raises when options ask for a scheme or steps of a net without ODE blocks. */
void how_fits(lua_State *L, const char *call, const struct net *net,
              const struct manifestation *how);
/* Raises unless first..first+count lies in the part; resolves count 0. */
void how_range(lua_State *L, const char *call, const struct part *part,
               struct how_options *options);
/* Pushes { accuracy=, loss=, count=, seconds=, evaluations= }, which prints itself. Accuracy is
 * left out for regression. */
void evaluation_push(lua_State *L, const struct evaluation *evaluation, bool classes);

/* A scheme's name, or a tableau object, at `index`; raises a sentence beginning with `call`. */
const struct tableau *tableau_from(lua_State *L, int index, const char *call);

/* A vector field from Lua, and what it is made of. It stays where it is while it is in use: the
 * field of a function points into it. */
struct field_source {
    struct ode_field field;      /* n is 0 for a function, until the caller knows */
    const struct system *system; /* or NULL */
    bool timed;                  /* a system or net, which has times of its own: */
    double t0, t1;
    double *breaks; /* rising times at which it jumps; or NULL */
    ptrdiff_t break_count;
    int place; /* on the stack: what keeps the field alive */
    const char *call;            /* of a function, and what came of it: */
    lua_State *L;
    bool raised; /* an error, which is on top of the stack */
    struct error error;
};
/* From the option f, system, or net (with block) of the table at `index`; raises unless there is
 * just one. A net is copied as it stands. Pushes what it needs. Only the thread L, and only while
 * this C function runs. */
void field_from(lua_State *L, int index, const char *call, struct field_source *source);
/* From the function at `index`, for states of n numbers. */
void field_function(lua_State *L, int index, const char *call, ptrdiff_t n,
                    struct field_source *source);
/* Raises what a function raised, or did not give, after the engine came back; `box` (may be NULL)
 * is emptied first. Call it before anything is pushed. Returns when nothing happened. */
void field_raise(lua_State *L, struct field_source *source, struct bind_box *box);

/* Pushes the solution of one sample as a table. Stack positions: `field` is what keeps the field
 * alive, `box` owns the solution; a dense one refers to both. */
void solution_push(lua_State *L, struct solution *solution, ptrdiff_t index,
                   const struct solve_options *options, int field, int box);

/* The built-in system at `index`: an object of cn.ode.system, a name, or a table { name=, ... };
 * pushes the object. It becomes an ode_field by system_field. */
const struct system *system_from(lua_State *L, int index, const char *call);
/* The system object at `index`, or NULL. */
const struct system *system_test(lua_State *L, int index);

struct job_box *job_check(lua_State *L, int index); /* raises when it is closed */
enum { JOB_NET = 1, JOB_DATA, JOB_HISTORY, JOB_DECIDE }; /* user values of a job object */
/* Pushes the list of the job objects that are not over. */
void train_push_jobs(lua_State *L);

/* Each adds its types, help entries and fields of cn (a table at the top of the stack). */
void bind_array_open(lua_State *L);
void bind_how_open(lua_State *L);
void bind_data_open(lua_State *L);
void bind_trajectory_open(lua_State *L);
void bind_net_open(lua_State *L);
void bind_train_open(lua_State *L);
void bind_spec_open(lua_State *L);
void bind_tableau_open(lua_State *L);
void bind_solve_open(lua_State *L);
void bind_solution_open(lua_State *L);
void bind_system_open(lua_State *L);
void bind_sweep_open(lua_State *L);
void bind_gradient_open(lua_State *L);
void bind_spectrum_open(lua_State *L);
void bind_order_open(lua_State *L);
void bind_verdict_open(lua_State *L);
void bind_profile_open(lua_State *L);
void bind_plot_open(lua_State *L);

/* The module. Exported from the shared object; the workbench calls it by luaL_requiref. */
int luaopen_continuo(lua_State *L);

#endif
