/* The real program on a pseudo terminal of 80x24: what a user types and what comes back. The
 * program is the one the environment variable CONTINUO names. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"

enum { SEEN_SIZE = 1 << 18, PATIENCE = 15 /* seconds; a loaded machine is slow */ };

static int terminal = -1;
static pid_t child;
static char seen[SEEN_SIZE]; /* everything the program has written so far */
static size_t seen_len, seen_from; /* expectations look behind seen_from */

static const char *program(void) {
    const char *path = getenv("CONTINUO");
    cr_assert_not_null(path, "the environment variable CONTINUO must name the program");
    return path;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void set_home(void) {
    cr_assert_eq(setenv("HOME", scratch_path(""), 1), 0);
    cr_assert_eq(setenv("XDG_STATE_HOME", scratch_path("state"), 1), 0);
    cr_assert_eq(setenv("XDG_CONFIG_HOME", scratch_path("config"), 1), 0);
    cr_assert_eq(setenv("TERM", "xterm-256color", 1), 0);
    cr_assert_eq(setenv("LC_ALL", "C.UTF-8", 1), 0);
    cr_assert_eq(setenv("INPUTRC", "/dev/null", 1), 0);
    cr_assert_eq(chdir(scratch_path("")), 0);
}

static void start(const char *const *arguments) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    const char *words[16] = {program()};
    for (int i = 0; arguments && arguments[i] && i < 14; i++) {
        words[i + 1] = arguments[i];
    }
    set_home();
    seen_len = seen_from = 0;
    child = forkpty(&terminal, NULL, NULL, &size);
    cr_assert_geq(child, 0);
    if (child == 0) {
        for (int number = 1; number < NSIG; number++) { /* a tests' runner may ignore some */
            (void)signal(number, SIG_DFL);
        }
        (void)execv(words[0], (char *const *)words);
        _exit(127);
    }
}

/* Reads what has come, for at most `seconds`; false at the end. */
static bool take(double seconds) {
    struct pollfd descriptor = {.fd = terminal, .events = POLLIN};
    if (poll(&descriptor, 1, (int)(seconds * 1000)) <= 0) {
        return true;
    }
    ssize_t got = read(terminal, seen + seen_len, sizeof seen - 1 - seen_len);
    if (got <= 0) {
        return false;
    }
    seen_len += (size_t)got;
    seen[seen_len] = '\0';
    return true;
}

/* Waits for text that has not been waited for before. */
static void expect(const char *text) {
    double until = now() + PATIENCE;
    for (;;) {
        seen[seen_len] = '\0';
        char *at = seen_from <= seen_len ? strstr(seen + seen_from, text) : NULL;
        if (at) {
            seen_from = (size_t)(at - seen) + strlen(text);
            return;
        }
        if (now() > until || !take(0.1)) {
            cr_assert(false, "no \"%s\" in: %s", text, seen + seen_from);
        }
    }
}

static void type(const char *text) {
    size_t len = strlen(text);
    cr_assert_eq(write(terminal, text, len), (ssize_t)len);
}

/* Types a line and waits for what it must print, and for the next prompt. */
static void line(const char *text, const char *answer) {
    type(text);
    type("\r");
    if (answer) {
        expect(answer);
    }
    expect("continuo> ");
}

/* ^C, which throws away what was typed ahead, so its end is waited for. */
static void cancel(void) {
    type("\x03");
    expect("^C");
    expect("continuo> ");
}

static struct termios modes; /* of the terminal when the program had ended */

static int leave(void) {
    int status = 0;
    double until = now() + PATIENCE;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now() > until) {
            (void)kill(child, SIGKILL);
            cr_assert(false, "the program does not end; last: %s", seen + seen_from);
        }
        (void)take(0.05);
    }
    while (take(0.05) && now() < until) {
        struct pollfd descriptor = {.fd = terminal, .events = POLLIN};
        if (poll(&descriptor, 1, 20) <= 0 || !(descriptor.revents & POLLIN)) {
            break;
        }
    }
    seen[seen_len] = '\0';
    (void)tcgetattr(terminal, &modes);
    (void)close(terminal);
    child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void quit(void) {
    type("\x04");
    cr_assert_eq(leave(), 0);
}

static void open_prompt(void) {
    start((const char *const[]){"--norc", NULL});
    expect("continuo> ");
}

static void clean(void) {
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    cr_assert_eq(chdir("/"), 0);
    scratch_remove();
}

/* Runs the program with its standard streams as pipes; returns its status. */
static int run(const char *input, const char *const *arguments, char *out, char *err, size_t size) {
    int in_pipe[2], out_file, err_file, status;
    const char *words[16] = {program()};
    for (int i = 0; arguments && arguments[i] && i < 14; i++) {
        words[i + 1] = arguments[i];
    }
    set_home();
    out_file = open(scratch_path("out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    err_file = open(scratch_path("err"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(pipe(in_pipe), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)dup2(in_pipe[0], 0);
        (void)dup2(out_file, 1);
        (void)dup2(err_file, 2);
        (void)close(in_pipe[1]);
        (void)execv(words[0], (char *const *)words);
        _exit(127);
    }
    (void)close(in_pipe[0]);
    (void)signal(SIGPIPE, SIG_IGN);
    if (input && write(in_pipe[1], input, strlen(input)) < 0) {
        cr_assert_eq(errno, EPIPE);
    }
    (void)close(in_pipe[1]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    ssize_t out_len = pread(out_file, out, size - 1, 0), err_len = pread(err_file, err, size - 1, 0);
    out[out_len > 0 ? out_len : 0] = '\0';
    err[err_len > 0 ? err_len : 0] = '\0';
    (void)close(out_file);
    (void)close(err_file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TestSuite(prompt, .fini = clean, .timeout = 120);

/* ---- at the prompt ------------------------------------------------------------------------- */

Test(prompt, prints_values_and_keeps_the_last_ones) {
    open_prompt();
    line("2.385 * 2", "4.77");
    line("_ + 1", "5.77");
    line("_2 * 10", "47.7");
    line("{b = {1, 2}, a = 'x'}", "{a = \"x\", b = {1, 2}}");
    line("1, nil, 'two'", "1\r\nnil\r\n\"two\"");
    line("hidden = 4711; print('shown')", "shown");
    line("string.rep('ab', 3);", NULL);
    cr_assert_null(strstr(seen, "ababab"));
    line("_", "\"ababab\"");
    quit();
}

Test(prompt, a_chunk_may_take_several_lines) {
    open_prompt();
    type("for i = 7, 8 do\r");
    expect("        > ");
    type("print('line', i)\r");
    expect("        > ");
    line("end", "line\t7\r\nline\t8");
    type("{3,\r");
    expect("        > ");
    line("4}", "{3, 4}");
    quit();
}

Test(prompt, history_survives_and_keeps_chunks_whole) {
    open_prompt();
    type("function twice(x)\r");
    expect("        > ");
    type("return 2 * x\r");
    expect("        > ");
    line("end", NULL);
    line("twice(17)", "34");
    quit();
    struct stat status;
    cr_assert_eq(stat(scratch_path("state/continuo/history"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    open_prompt();
    type("\x1b[A\r");
    expect("\"twice\" is not defined");
    expect("continuo> ");
    type("\x1b[A\x1b[A\r"); /* the function, in one piece */
    expect("continuo> ");
    line("twice(19)", "38");
    type("\x12" "twice(17)"); /* ^R */
    expect("twice(17)");
    type("\r");
    expect("34");
    expect("continuo> ");
    quit();
}

Test(prompt, tab_completes_and_lists_with_a_word_on_each) {
    open_prompt();
    type("cn.tr\t");
    expect("cn.train{");
    type("ep\t");
    expect("epochs=");
    cancel();
    type("cn.net.continuous{ scheme = \"rk4\t");
    expect("rk4_38");
    expect("3/8 rule");
    cancel();
    line("m = cn.net.mlp{ input = {2}, outputs = 2 }", NULL);
    type("m:ev\t");
    expect("m:evaluate(");
    cancel();
    quit();
}

Test(prompt, interrupt_clears_the_line_and_the_chunk) {
    open_prompt();
    type("error('never run')");
    expect("never run')");
    cancel();
    type("for i = 1, 2 do\r");
    expect("        > ");
    cancel();
    line("1 + 1", "2");
    cr_assert_null(strstr(seen, "error:"));
    quit();
}

Test(prompt, interrupt_stops_any_loop) {
    static const char *const loops[] = {
        "print('go') while true do end",
        "print('go') while true do pcall(error) end",
        "print('go') coroutine.wrap(function() while true do end end)()",
        "print('go') local f = coroutine.wrap(function() while true do coroutine.yield() end end) "
        "while true do pcall(f) end",
    };
    open_prompt();
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        type(loops[i]);
        type("\r");
        expect("go\r\n");
        struct timespec moment = {.tv_nsec = 50000000};
        (void)nanosleep(&moment, NULL);
        type("\x03");
        expect("interrupted");
        expect("continuo> ");
        line("'alive', 17", "17");
    }
    quit();
}

Test(prompt, errors_show_their_source) {
    open_prompt();
    line("function inner(x) return x.width.y end", NULL);
    line("local r = inner({}) return r",
         "error: attempt to index a nil value (field 'width')");
    cr_assert_not_null(strstr(seen, "     1 | function inner(x) return x.width.y end"));
    cr_assert_not_null(strstr(seen, "^^^^^"));
    cr_assert_not_null(strstr(seen, "called from prompt 2, line 1"));
    line("x = = 3", "unexpected symbol near '='");
    quit();
}

Test(prompt, undefined_globals_are_errors_with_the_nearest_name) {
    open_prompt();
    line("prnit", "\"prnit\" is not defined; did you mean \"print\"?");
    line("cn.trian{}", "did you mean 'train'?");
    line("local gone = 3", "note: a local is gone at the next line");
    line("gone", "\"gone\" is not defined");
    quit();
}

Test(prompt, pasted_text_is_one_chunk_without_its_prompts) {
    open_prompt();
    type("\x1b[200~continuo> total = 0\n"
         "continuo[1 52%]> for i = 1, 4 do\n"
         "               >   total = total + i\n"
         "               > end\n"
         "continuo> print('total', total)\x1b[201~");
    type("\r");
    expect("total\t10");
    expect("continuo> ");
    quit();
}

Test(prompt, help_in_its_forms) {
    open_prompt();
    line("help()", "cn.train");
    line("help(cn.train)", "cn.train{");
    line("?critical step", "training step");
    line("??scheme", "cn.ode.schemes");
    line("?trian", "nearest is \"cn.train\"");
    quit();
}

Test(prompt, runs_the_init_file_unless_told_not_to) {
    set_home();
    cr_assert_eq(mkdir(scratch_path("config"), 0700), 0);
    cr_assert_eq(mkdir(scratch_path("config/continuo"), 0700), 0);
    static const char code[] = "from_init = 'loaded at the start'\n";
    (void)scratch_write("config/continuo/init.lua", code, sizeof code - 1);
    start(NULL);
    expect("continuo> ");
    line("from_init", "loaded at the start");
    quit();
    open_prompt();
    line("from_init", "is not defined");
    quit();
}

Test(prompt, gives_the_terminal_back_as_it_was) {
    struct termios before;
    start((const char *const[]){"--norc", NULL});
    cr_assert_eq(tcgetattr(terminal, &before), 0);
    expect("continuo> ");
    line("1", "1");
    type("exit\r");
    cr_assert_eq(leave(), 0);
    cr_assert_eq(modes.c_lflag, before.c_lflag);
    cr_assert_eq(modes.c_iflag, before.c_iflag);
    cr_assert_eq(modes.c_oflag, before.c_oflag);
    cr_assert_eq(memcmp(modes.c_cc, before.c_cc, sizeof modes.c_cc), 0);
}

/* ---- without a prompt ---------------------------------------------------------------------- */

static char out[1 << 16], err[1 << 16];

Test(prompt, exit_statuses) {
    static const struct {
        const char *arguments[5], *input;
        int status;
        const char *out, *err;
    } cases[] = {
        {{"-e", "print(6 * 7)"}, NULL, 0, "42\n", ""},
        {{"-e", "6 * 7, 'x'"}, NULL, 0, "42\n\"x\"\n", ""},
        {{"-e", ""}, NULL, 0, "", ""},
        {{"-e", "error 'oh'"}, NULL, 1, "", "error: oh\n  command line, line 1"},
        {{"-e", "x = = 1"}, NULL, 1, "", "unexpected symbol"},
        {{"-e", "os.exit(7)"}, NULL, 7, "", ""},
        {{"-e"}, NULL, 2, "", "needs its CODE"},
        {{"--hepl"}, NULL, 2, "", "unknown option \"--hepl\"; nearest is \"--help\""},
        {{"rum", "x.lua"}, NULL, 2, "", "nearest is \"run\""},
        {{"x.lua"}, NULL, 2, "", "continuo run FILE.lua"},
        {{"run"}, NULL, 2, "", "continuo run FILE.lua"},
        {{"run", "no-such.lua"}, NULL, 1, "", "cannot read the script \"no-such.lua\""},
        {{"check"}, NULL, 2, "", "names of runs"},
        {{"check", "nothing"}, NULL, 1, "", "no runs"},
        {{"--plain=3", "run", "x.lua"}, NULL, 2, "", "takes no value"},
        {{"--color=loud"}, NULL, 2, "", "auto, always or never"},
        {{NULL}, "print('from a pipe')\n", 0, "from a pipe\n", ""},
        {{"-"}, "print(arg[0])\n", 0, "-\n", ""},
        {{NULL}, "print(1)\nerror('late')\n", 1, "1\n", "stdin, line 2"},
        {{"run", "-"}, "#!/usr/bin/env continuo\nprint 'script'\n", 0, "script\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = run(cases[i].input, cases[i].arguments, out, err, sizeof out);
        const char *what = cases[i].arguments[0] ? cases[i].arguments[0] : "(pipe)";
        cr_expect_eq(status, cases[i].status, "%zu %s: status %d, %s", i, what, status, err);
        cr_expect_str_eq(out, cases[i].out, "%zu %s: printed %s", i, what, out);
        cr_expect(cases[i].err[0] ? strstr(err, cases[i].err) != NULL : err[0] == '\0',
                  "%zu %s: said %s", i, what, err);
    }
}

Test(prompt, scripts_get_their_arguments) {
    static const char code[] = "print(#arg, arg[0], arg[1], arg[2], ...)\n";
    const char *path = scratch_write("script.lua", code, sizeof code - 1);
    const char *arguments[] = {"run", path, "--width", "3", "--plain", NULL};
    cr_assert_eq(run(NULL, arguments, out, err, sizeof out), 0);
    char expected[256];
    (void)snprintf(expected, sizeof expected, "2\t%s\t--width\t3\t--width\t3\n", path);
    cr_assert_str_eq(out, expected);
}

Test(prompt, a_script_with_a_syntax_error_is_refused) {
    static const char code[] = "local width = 3\nlocal net = {\nprint(width)\n";
    const char *path = scratch_write("broken.lua", code, sizeof code - 1);
    const char *arguments[] = {"run", path, NULL};
    cr_assert_eq(run(NULL, arguments, out, err, sizeof out), 1);
    cr_assert_not_null(strstr(err, "expected"));
    cr_assert_not_null(strstr(err, "     3 | print(width)"));
}

static void write_run(const char *folder, const char *verdict) {
    char name[128], text[1024];
    (void)snprintf(name, sizeof name, "runs/%s", folder);
    cr_assert_eq(mkdir(scratch_path(name), 0700), 0);
    (void)snprintf(name, sizeof name, "runs/%s/config.json", folder);
    int len = snprintf(text, sizeof text, "{\"name\":\"%.6s\",\"data\":{\"source\":\"memory\"}}",
                       folder + strlen("2026-03-02T091412-"));
    (void)scratch_write(name, text, (size_t)len);
    (void)snprintf(name, sizeof name, "runs/%s/metrics.jsonl", folder);
    len = snprintf(text, sizeof text,
                   "{\"kind\":\"start\",\"steps\":10,\"epochs\":1,\"batch\":4,\"parameters\":7}\n"
                   "%s{\"kind\":\"state\",\"seconds\":3.0,\"state\":\"done\",\"text\":\"\"}\n",
                   verdict);
    (void)scratch_write(name, text, (size_t)len);
}

Test(prompt, check_gates_on_the_verdicts) {
    cr_assert_eq(mkdir(scratch_path("runs"), 0700), 0);
    write_run("2026-03-02T091412-fm-rk4-7c1e",
              "{\"kind\":\"verdict\",\"text\":\"agrees\",\"pass\":true}\n");
    write_run("2026-03-02T091413-fm-eul-3f2a",
              "{\"kind\":\"verdict\",\"text\":\"gap 13.9 points\",\"pass\":false}\n");
    write_run("2026-03-02T091414-fm-new-55aa", "");
    write_run("2026-03-02T091415-pend-e-0a1b",
              "{\"kind\":\"convergence\",\"step\":9,\"dt\":0.1,\"trained\":\"euler\",\"verdict\":\"FAIL-V\","
              "\"floor\":0.29,\"curves\":[{\"scheme\":\"euler\",\"h\":[0.1],\"error\":[0.0029]}]}\n");
    const char *learned[] = {"check", "pend-e", NULL};
    cr_assert_eq(run(NULL, learned, out, err, sizeof out), 3, "%s", err);
    cr_assert_not_null(strstr(out, "pend-e               FAIL-V: in the convergence test at step 9 "), "%s", out);
    cr_assert_not_null(strstr(out, "is 100 times that at dt = 0.1"), "%s", out);
    const char *good[] = {"check", "fm-rk4", NULL}, *bad[] = {"check", "fm-rk4", "fm-eul", NULL};
    const char *unjudged[] = {"check", "fm-new", NULL};
    cr_assert_eq(run(NULL, good, out, err, sizeof out), 0, "%s", err);
    cr_assert_not_null(strstr(out, "PASS  agrees"));
    cr_assert_eq(run(NULL, bad, out, err, sizeof out), 3, "%s", err);
    cr_assert_not_null(strstr(out, "FAIL  gap 13.9 points"));
    cr_assert_eq(run(NULL, unjudged, out, err, sizeof out), 1);
    cr_assert_not_null(strstr(err, "no verdict on run fm-new"));
}

Test(prompt, version_and_help_name_what_there_is) {
    cr_assert_eq(run(NULL, (const char *const[]){"--version", NULL}, out, err, sizeof out), 0);
    static const char *const libraries[] = {"continuo", "kernels", "OpenBLAS", "core", "Lua",
                                            "Readline", "ncurses"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        cr_expect_not_null(strstr(out, libraries[i]), "--version does not name %s", libraries[i]);
    }
    cr_assert_eq(run(NULL, (const char *const[]){"--help", NULL}, out, err, sizeof out), 0);
    static const char *const words[] = {"run FILE.lua", "watch", "check", "-e CODE", "--plain",
                                        "--once", "Exit status"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        cr_expect_not_null(strstr(out, words[i]), "--help does not tell of %s", words[i]);
    }
}

Test(prompt, a_looping_script_ends_with_130_on_interrupt) {
    start((const char *const[]){"-e", "print 'go' while true do pcall(error) end", NULL});
    expect("go");
    type("\x03");
    expect("interrupted");
    cr_assert_eq(leave(), 130);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static const char training[] =
    "net = cn.net.mlp{ input = {2}, outputs = 2, hidden = 64, scheme = 'rk4', steps = 8 } "
    "job = cn.train{ net = net, data = cn.data.spirals{}, epochs = 4000, batch = 16, "
    "name = 'long', probe = {} }";

Test(prompt, a_job_runs_behind_the_prompt_pauses_and_resumes) {
    open_prompt();
    type(training);
    type("\r");
    expect("continuo[1 ");
    type("1 + 1\r");
    expect("2\r\n");
    expect("continuo[1 ");
    type("job:wait()\r");
    expect("\x1b[?1049h"); /* the live screen */
    struct timespec moment = {.tv_nsec = 400000000};
    (void)nanosleep(&moment, NULL);
    type("\x03");
    expect("\x1b[?1049l");
    expect("job 1 paused at step");
    expect("continuo[1 =]> ");
    moment = (struct timespec){.tv_sec = 2, .tv_nsec = 200000000};
    (void)nanosleep(&moment, NULL);
    type("job.state\r");
    expect("paused");
    type("job:resume();\r");
    type("\x1bOQ"); /* F2 */
    expect("\x1b[?1049h");
    type("q");
    expect("\x1b[?1049l");
    type("job:stop();\r");
    expect("job 1 stopped");
    expect("continuo> ");
    quit();
}

static const char asking[] =
    "function ask(decide) return cn.train{ net = cn.net.mlp{ input = {2}, outputs = 2 }, "
    "data = cn.data.spirals{}, epochs = 2, name = 'asks', probe = false, "
    "control = { every = 10, patience = 1e6, decide = decide } } end";

Test(prompt, a_job_that_asks_is_answered_while_nobody_types) {
    open_prompt();
    line(asking, NULL);
    type("asked = 0 job = ask(function(info) asked = asked + 1 return 7 end)\r");
    expect("job 1 done");
    expect("continuo> ");
    line("'asked ' .. asked .. ', ' .. job.history.controls[1].to", "asked 3, 7");
    quit();
}

Test(prompt, interrupt_stops_a_function_that_is_asked_and_never_answers) {
    open_prompt();
    line(asking, NULL);
    type("job = ask(function() print 'loops' while true do pcall(error) end end):wait()\r");
    expect("\x1b[?1049h"); /* the live screen */
    struct timespec moment = {.tv_sec = 1};
    (void)nanosleep(&moment, NULL);
    type("\x03");
    expect("\x1b[?1049l");
    expect("job 1 paused at step");
    expect("continuo[1 =]> ");
    type("cn.jobs()[1]:stop();\r");
    expect("job 1 stopped");
    expect("continuo> ");
    quit();
}

Test(prompt, leaving_with_a_job_asks_once_and_keeps_the_weights) {
    open_prompt();
    type(training);
    type("\r");
    expect("continuo[1 ");
    type("while job.state == 'queued' do end print 'runs'\r");
    expect("runs\r\n");
    expect("continuo[1 ");
    type("\x04");
    expect("leave again");
    expect("continuo[1 ");
    type("\x04");
    cr_assert_eq(leave(), 0);
    cr_assert_eq(system("test -s runs/*/checkpoints/final.safetensors"), 0);
}
