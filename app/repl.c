#include "app/repl.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/edit.h"
#include "app/history.h"
#include "app/jobs.h"
#include "app/paste.h"
#include "app/signals.h"
#include "app/version.h"
#include "app/view.h"
#include "lua/buffer.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "lua/printer.h"
#include "lua/report.h"
#include "lua/state.h"
#include "run/job.h"

enum {
    LAST_VALUES = 9,      /* _1 .. _9 */
    LABEL_SIZE = 64,
    PROGRESS_TICK = 500,  /* milliseconds between looks at a running job */
    STATUS_INTERRUPTED = 130,
};
static const char program[] = "continuo";
static const char chunk_prefix[] = "prompt"; /* of chunk names: "prompt 12" */

struct repl {
    lua_State *L;
    struct buffer chunk; /* lines typed so far of an unfinished chunk */
    int number;          /* of the chunk */
    bool leave, warned_local, warned_jobs;
    bool paused_by_interrupt; /* the next ^C in time stops the job, the one after quits */
    int status;
    char prompt[LABEL_SIZE + 16];
};

/* ---- values -------------------------------------------------------------------------------- */

/* _ and _1 become the value at `index`, _2 what _1 was, and so on. */
static void remember(lua_State *L, int index) {
    char name[8];
    index = lua_absindex(L, index);
    lua_pushglobaltable(L);
    for (int i = LAST_VALUES; i > 1; i--) {
        (void)snprintf(name, sizeof name, "_%d", i - 1);
        lua_pushstring(L, name);
        lua_rawget(L, -2);
        (void)snprintf(name, sizeof name, "_%d", i);
        lua_pushstring(L, name);
        lua_insert(L, -2);
        lua_rawset(L, -3);
    }
    for (int i = 0; i < 2; i++) {
        lua_pushstring(L, i ? "_1" : "_");
        lua_pushvalue(L, index);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
}

/* Called protected, because an object's own printing may raise. */
static int print_values(lua_State *L) {
    int width, height;
    edit_size(&width, &height);
    for (int i = 1; i <= lua_gettop(L); i++) {
        printer_push(L, i, width, height - 2);
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        (void)fwrite(text, 1, len, stdout);
        (void)fputc('\n', stdout);
        lua_pop(L, 1);
    }
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

/* Prints what is on top of the stack: a report, or why a wait was given up. */
static void print_failure(lua_State *L, bool gave_up) {
    const char *text = lua_tostring(L, -1);
    if (gave_up && text) {
        const char *end = strchr(text, '\n');
        text += strncmp(text, "error: ", 7) == 0 ? 7 : 0;
        (void)fflush(stdout);
        (void)fprintf(stderr, "%.*s\n", end ? (int)(end - text) : (int)strlen(text), text);
    } else {
        (void)fflush(stdout);
        (void)fprintf(stderr, "%s\n", text ? text : "error");
    }
}

/* Calls the function below `arguments` values with ^C stopping it. */
static bool call(lua_State *L, int arguments, int results) {
    signals_lend(true); /* ^Z stops the program, a resize is the screen's */
    interrupt_clear();
    signals_forget();
    (void)view_was_left();
    signals_set_running(true);
    bool fine = state_call(L, arguments, results);
    signals_set_running(false);
    interrupt_clear();
    signals_lend(false);
    (void)signals_take(); /* that ^C was for the chunk, not for the next line */
    return fine;
}

/* Runs the function on top of the stack; prints its values unless `hide`. */
static void run(struct repl *repl, bool hide) {
    lua_State *L = repl->L;
    int base = lua_gettop(L) - 1;
    repl->paused_by_interrupt = false;
    if (!call(L, 0, LUA_MULTRET)) {
        bool gave_up = view_was_left();
        repl->paused_by_interrupt = gave_up && signals_streak() > 0;
        print_failure(L, gave_up);
        lua_settop(L, base);
        return;
    }
    int count = lua_gettop(L) - base;
    if (count > 0) {
        remember(L, base + 1);
        if (!hide) {
            lua_pushcfunction(L, print_values);
            lua_insert(L, base + 1);
            if (!call(L, count, 0)) {
                print_failure(L, false);
            }
        }
    }
    (void)fflush(stdout);
    lua_settop(L, base);
}

static bool ends_in_semicolon(const char *text) {
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    return len > 0 && text[len - 1] == ';';
}

static void warn_local(struct repl *repl, const char *text) {
    if (!repl->warned_local && strncmp(text, "local ", 6) == 0 && !strchr(text, '\n')) {
        repl->warned_local = true;
        (void)fprintf(stderr, "note: a local is gone at the next line; leave \"local\" out to "
                              "keep the value\n");
    }
}

/* "?name" and "??word": calls help or apropos with the rest of the line. */
static void run_help(struct repl *repl, const char *text) {
    lua_State *L = repl->L;
    bool search = text[1] == '?';
    const char *word = text + (search ? 2 : 1);
    word += strspn(word, " \t\"'");
    size_t len = strlen(word);
    while (len > 0 && strchr(" \t\n\"'()", word[len - 1])) {
        len--;
    }
    int base = lua_gettop(L);
    lua_getglobal(L, search ? "apropos" : "help");
    lua_pushlstring(L, word, len);
    int arguments = len > 0 ? 1 : 0;
    lua_settop(L, base + 1 + arguments);
    if (!call(L, arguments, 0)) {
        const char *report = lua_tostring(L, -1);
        (void)fprintf(stderr, "%.*s\n", (int)strcspn(report ? report : "", "\n"),
                      report ? report : "");
    }
    (void)fflush(stdout);
    lua_settop(L, base);
}

/* ---- chunks -------------------------------------------------------------------------------- */

static bool is_word(const char *text, const char *word) {
    size_t len = strlen(word);
    return strncmp(text, word, len) == 0 && text[len + strspn(text + len, " \t\r\n()")] == '\0';
}

/* Leaves, or says once that jobs would be stopped. */
static void want_leave(struct repl *repl) {
    if (jobs_unfinished() > 0 && !repl->warned_jobs) {
        repl->warned_jobs = true;
        edit_say("a job is not over; leave again to stop it at its next batch and keep its "
                 "weights");
        return;
    }
    repl->leave = true;
}

/* Tries the chunk as it stands. True when it is finished: run, refused, or a command. */
static bool try_chunk(struct repl *repl) {
    const char *text = repl->chunk.bytes ? repl->chunk.bytes : "";
    const char *start = text + strspn(text, " \t\r\n");
    size_t len = strlen(text);
    bool incomplete = false;
    if (*start == '\0') {
        return true;
    }
    if (*start == '?') {
        history_keep(text);
        run_help(repl, start);
        return true;
    }
    if (is_word(start, "exit") || is_word(start, "quit")) {
        want_leave(repl);
        return true;
    }
    char name[32];
    (void)snprintf(name, sizeof name, "%s %d", chunk_prefix, repl->number + 1);
    if (state_load_expression(repl->L, text, len, name, &incomplete)) {
        repl->number++;
        history_keep(text);
        run(repl, ends_in_semicolon(text));
        return true;
    }
    enum state_load result = state_load(repl->L, text, len, name);
    if (result == STATE_INCOMPLETE || (result == STATE_REFUSED && incomplete)) {
        lua_pop(repl->L, 1);
        return false;
    }
    repl->number++;
    history_keep(text);
    if (result == STATE_LOADED) {
        warn_local(repl, start);
        run(repl, false);
    } else {
        print_failure(repl->L, false);
        lua_pop(repl->L, 1);
    }
    return true;
}

static void take_line(struct repl *repl, char *line) {
    paste_strip_prompts(line, program);
    if (repl->chunk.len > 0) {
        buffer_add(&repl->chunk, "\n");
    }
    buffer_add(&repl->chunk, line);
    repl->warned_jobs = repl->warned_jobs && line[0] == '\0';
    free(line);
    if (try_chunk(repl)) {
        buffer_release(&repl->chunk);
    }
    edit_set_pending(repl->chunk.bytes);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void make_prompt(struct repl *repl) {
    char label[LABEL_SIZE];
    jobs_label(label, sizeof label);
    int width = snprintf(repl->prompt, sizeof repl->prompt, "%s%s> ", program, label);
    if (repl->chunk.len > 0) { /* the second and later lines of a chunk */
        (void)snprintf(repl->prompt, sizeof repl->prompt, "%*s> ", width - 2, "");
    }
}

static void refresh_prompt(struct repl *repl) {
    char before[sizeof repl->prompt];
    memcpy(before, repl->prompt, sizeof before);
    make_prompt(repl);
    if (strcmp(before, repl->prompt) != 0) {
        edit_set_prompt(repl->prompt);
    }
}

/* ^C at the prompt clears the line; soon after one that paused a job it stops the job, then the
 * program. */
static void interrupt(struct repl *repl) {
    edit_clear();
    buffer_release(&repl->chunk);
    edit_set_pending("");
    repl->warned_jobs = false;
    struct job *job = jobs_current();
    if (!repl->paused_by_interrupt || !job) {
        signals_forget();
        return;
    }
    if (signals_streak() >= 3) {
        repl->leave = true;
        repl->status = STATUS_INTERRUPTED;
    } else if (signals_streak() == 2) {
        job_stop(job);
        (void)printf("job %d stops at its next batch, weights are kept; ^C again quits\n",
                     jobs_number(job));
    } else {
        repl->paused_by_interrupt = false;
    }
}

static void show_screen(void) {
    struct error error;
    signals_lend(true);
    bool fine = view_show_current(&error);
    signals_set_running(false);
    signals_lend(false);
    if (!fine) {
        (void)fprintf(stderr, "%s\n", error.text);
    }
}

static void serve_keys(struct repl *repl) {
    char *line = NULL;
    switch (edit_read(&line)) {
    case EDIT_LINE:
        take_line(repl, line);
        break;
    case EDIT_END:
        (void)printf("\n");
        if (repl->chunk.len > 0) {
            buffer_release(&repl->chunk);
            edit_set_pending("");
        } else {
            want_leave(repl);
        }
        break;
    case EDIT_SCREEN:
        show_screen();
        break;
    case EDIT_NONE:
        return;
    }
    jobs_tick(edit_say);
    if (!repl->leave) {
        make_prompt(repl);
        edit_start(repl->prompt);
    }
}

static void serve_signals(struct repl *repl) {
    struct signals came = signals_take();
    if (came.interrupts > 0) {
        interrupt(repl);
        if (!repl->leave) {
            make_prompt(repl);
            edit_start(repl->prompt);
        }
    }
    if (came.suspend) {
        edit_suspend();
    }
    if (came.resized || came.continued) {
        edit_resize();
    }
}

static void loop(struct repl *repl) {
    make_prompt(repl);
    edit_start(repl->prompt);
    while (!repl->leave) {
        struct pollfd descriptors[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = signals_fd(), .events = POLLIN},
            {.fd = job_wake_fd(), .events = POLLIN},
        };
        int ready = poll(descriptors, 3, jobs_current() ? PROGRESS_TICK : -1);
        if (ready < 0 && errno != EINTR) {
            break;
        }
        if (ready > 0 && descriptors[1].revents) {
            serve_signals(repl);
        } else if (ready > 0 && descriptors[0].revents) {
            serve_keys(repl);
        }
        if (!repl->leave && (ready == 0 || descriptors[2].revents)) {
            jobs_tick(edit_say);
            jobs_answer();
            refresh_prompt(repl);
        }
    }
    edit_stop();
}

/* ---- the start ----------------------------------------------------------------------------- */

/* ui(): F2 as a function. */
static int call_ui(lua_State *L) {
    struct error error;
    if (!view_show_current(&error)) {
        return luaL_error(L, "%s", error.text);
    }
    return 0;
}

static void run_init(lua_State *L) {
    char path[1024];
    if (history_user_path("XDG_CONFIG_HOME", ".config", "init.lua", false, path, sizeof path) &&
        access(path, F_OK) == 0) {
        if (state_load_file(L, path) != STATE_LOADED || !call(L, 0, 0)) {
            print_failure(L, false);
        }
        lua_settop(L, 0);
    }
}

int repl_run(lua_State *L, bool init, bool quiet) {
    struct repl repl = {.L = L};
    signals_open(3);
    signals_lend(false);
    view_open(true, false);
    edit_open(L);
    history_open();
    lua_register(L, "ui", call_ui);
    if (!quiet) {
        version_banner(stdout);
    }
    if (init) {
        run_init(L);
    }
    state_be_strict(L, chunk_prefix);
    loop(&repl);
    buffer_release(&repl.chunk);
    signals_lend(true);
    if (jobs_unfinished() > 0) {
        (void)printf("stopping at the next batch; weights are kept\n");
        (void)fflush(stdout);
    }
    jobs_stop();
    return repl.status;
}
