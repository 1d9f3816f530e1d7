/* The terminal is given back as it was found, whatever ends the process. The live screen runs on a
 * pseudo-terminal in a child; its bytes and the terminal's modes are looked at from here. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/screen.h"
#include "app/term.h"
#include "app/watch.h"
#include "fake_run.h"
#include "pseudo.h"
#include "scratch.h"

static const char ENTERED[] = "\033[?1049h", LEFT[] = "\033[?1049l";

static struct pseudo pty;
static const char *run_path;

static void begin(void) {
    (void)setenv("TERM", "xterm-256color", 1);
    (void)setenv("LC_ALL", "C.UTF-8", 1);
    (void)unsetenv("NO_COLOR");
    run_path = fake_run(scratch_path(""), "fm-euler", true, 900);
}

TestSuite(term, .init = begin, .fini = scratch_remove, .timeout = 120);

static int watch(void) {
    return watch_run("runs", &run_path, 1, false, false);
}

static void start(int (*run)(void)) {
    pseudo_start(&pty, 80, 24, run);
    cr_assert(pseudo_expect(&pty, 0, "fm-euler"), "%s", pty.output);
    cr_assert(pseudo_expect(&pty, 0, ENTERED));
    cr_assert_not(pseudo_is_restored(&pty), "the screen has set modes of its own");
}

ParameterizedTestParameters(term, every_fatal_signal_gives_the_terminal_back) {
    static int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGHUP, SIGQUIT, SIGTERM};
    return cr_make_param_array(int, signals, sizeof signals / sizeof signals[0]);
}

ParameterizedTest(int *number, term, every_fatal_signal_gives_the_terminal_back, .init = begin,
                  .fini = scratch_remove) {
    start(watch);
    size_t before = pty.length;
    cr_assert_eq(kill(pty.child, *number), 0);
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(WIFSIGNALED(pty.status) && WTERMSIG(pty.status) == *number,
              "ends by the signal itself, status %x", (unsigned)pty.status);
    cr_expect_not_null(strstr(pty.output + before, LEFT), "signal %d", *number);
    cr_expect_not_null(strstr(pty.output + before, "\033[?25h"), "the cursor is seen again");
    cr_expect_not_null(strstr(pty.output + before, run_path), "the rescue line names the run");
    cr_expect(pseudo_is_restored(&pty), "signal %d", *number);
    pseudo_close(&pty);
}

Test(term, leaving_by_key_gives_the_terminal_back) {
    start(watch);
    pseudo_type(&pty, "q");
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(WIFEXITED(pty.status) && WEXITSTATUS(pty.status) == 0);
    cr_expect_not_null(strstr(pty.output, LEFT));
    cr_expect(pseudo_is_restored(&pty));
    pseudo_close(&pty);
}

Test(term, interrupt_of_a_watcher_leaves_with_130) {
    start(watch);
    pseudo_type(&pty, "\003");
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(WIFEXITED(pty.status) && WEXITSTATUS(pty.status) == 130, "%x", (unsigned)pty.status);
    cr_expect_not_null(strstr(pty.output, LEFT));
    cr_expect(pseudo_is_restored(&pty));
    pseudo_close(&pty);
}

/* A shell with one job: a process group whose parent is in the same session can be stopped. When
 * the job stops, the shell says so, waits a second, and puts it into the foreground again. */
static int shell(void) {
    (void)signal(SIGTTOU, SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        (void)setpgid(0, 0);
        (void)tcsetpgrp(STDIN_FILENO, getpid());
        (void)signal(SIGTTOU, SIG_DFL);
        _exit(watch());
    }
    int status;
    (void)waitpid(job, &status, WUNTRACED);
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP) {
        (void)tcsetpgrp(STDIN_FILENO, getpgrp());
        static const char text[] = "[1]+ Stopped\n";
        (void)!write(STDOUT_FILENO, text, sizeof text - 1);
        (void)sleep(1);
        (void)tcsetpgrp(STDIN_FILENO, job);
        (void)kill(-job, SIGCONT);
        (void)waitpid(job, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

Test(term, suspended_process_gives_the_terminal_back_and_takes_it_again) {
    start(shell);
    pseudo_type(&pty, "\032");
    cr_assert(pseudo_expect(&pty, 0, "[1]+ Stopped"), "%s", pty.output);
    cr_expect_not_null(strstr(pty.output, LEFT));
    cr_expect_not_null(strstr(pty.output, "fg goes on"));
    cr_expect(pseudo_is_restored(&pty));
    size_t before = pty.length;
    cr_expect(pseudo_expect(&pty, before, ENTERED));
    cr_expect(pseudo_expect(&pty, before, "fm-euler"), "drawn anew");
    pseudo_type(&pty, "q");
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(WIFEXITED(pty.status) && WEXITSTATUS(pty.status) == 0, "%x", (unsigned)pty.status);
    cr_expect(pseudo_is_restored(&pty));
    pseudo_close(&pty);
}

Test(term, resized_terminal_gets_a_frame_of_its_size) {
    start(watch);
    size_t before = pty.length;
    pseudo_resize(&pty, 160, 50);
    cr_expect(pseudo_expect(&pty, before, "1805 images/s"), "the wide header");
    before = pty.length;
    pseudo_resize(&pty, 40, 8);
    cr_expect(pseudo_expect(&pty, before, "+13.9"), "one line a run");
    before = pty.length;
    pseudo_resize(&pty, 80, 24);
    cr_expect(pseudo_expect(&pty, before, "same weights"));
    pseudo_type(&pty, "q");
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(pseudo_is_restored(&pty));
    pseudo_close(&pty);
}

/* The order of columns and lines of the environment must not keep the screen from resizing. */
static int watch_with_lines(void) {
    (void)setenv("LINES", "24", 1);
    (void)setenv("COLUMNS", "80", 1);
    return watch();
}

Test(term, lines_and_columns_of_the_environment_are_not_believed) {
    start(watch_with_lines);
    size_t before = pty.length;
    pseudo_resize(&pty, 160, 50);
    cr_expect(pseudo_expect(&pty, before, "1805 images/s"));
    pseudo_close(&pty);
}

/* Opens the screen twice, prints behind its back, and lets it be closed by exit. */
static int print_behind(void) {
    for (int round = 0; round < 2; round++) {
        struct error error;
        struct screen *screen = screen_open(NULL, &error);
        if (!screen || !screen_add(screen, run_path, &error)) {
            return 1;
        }
        (void)fprintf(stderr, "a warning of round %d\n", round);
        (void)printf("a result of round %d\n", round);
        double end = pseudo_seconds() + 0.6;
        while (pseudo_seconds() < end) {
            struct pollfd file = {.fd = screen_fd(screen), .events = POLLIN};
            (void)poll(&file, 1, 100);
            (void)screen_tick(screen);
        }
        if (round == 0) {
            screen_close(screen);
            (void)printf("between\n");
            (void)fflush(stdout);
        }
    }
    exit(7);
}

Test(term, output_behind_the_screen_is_shown_and_kept) {
    start(print_behind);
    cr_assert(pseudo_wait(&pty, 0));
    cr_expect(WIFEXITED(pty.status) && WEXITSTATUS(pty.status) == 7, "%x", (unsigned)pty.status);
    const char *left = strstr(pty.output, LEFT);
    cr_assert_not_null(left);
    const char *shown = strstr(pty.output, "a warning of round 0");
    cr_expect(shown && shown < left, "in the log panel");
    const char *kept = strstr(left, "a warning of round 0");
    cr_expect_not_null(kept, "on the terminal afterwards");
    cr_expect_not_null(strstr(left, "a result of round 0"));
    const char *between = strstr(left, "between");
    cr_expect(between && between > kept);
    cr_assert_not_null(between);
    const char *again = strstr(between, ENTERED);
    cr_assert_not_null(again, "entered a second time");
    left = strstr(again, LEFT);
    cr_assert_not_null(left, "exit() closes the screen");
    cr_expect_not_null(strstr(left, "a result of round 1"));
    cr_expect(pseudo_is_restored(&pty));
    pseudo_close(&pty);
}

static int open_and_tell(void) {
    struct error error;
    struct screen *screen = screen_open(NULL, &error);
    (void)printf("%s\n", screen ? "opened" : error.text);
    (void)fflush(stdout);
    screen_close(screen);
    return screen ? 0 : 9;
}

Test(term, terminal_that_cannot_show_a_screen_is_refused_with_a_way_out) {
    static const char *const types[] = {"dumb", "no-such-terminal"};
    for (int i = 0; i < 2; i++) {
        (void)setenv("TERM", types[i], 1);
        pseudo_start(&pty, 80, 24, open_and_tell);
        cr_assert(pseudo_wait(&pty, 0));
        cr_expect(WIFEXITED(pty.status) && WEXITSTATUS(pty.status) == 9, "%s", pty.output);
        cr_expect_not_null(strstr(pty.output, types[i]), "%s", pty.output);
        cr_expect_not_null(strstr(pty.output, "--plain"));
        cr_expect(pseudo_is_restored(&pty));
        pseudo_close(&pty);
    }
}

Test(term, process_without_a_terminal_is_refused_with_a_way_out) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        (void)dup2(ends[1], STDOUT_FILENO);
        _exit(open_and_tell());
    }
    int status;
    char text[500] = "";
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    cr_expect_not_null(strstr(text, "there is no terminal"), "%s", text);
}

Test(term, mono_by_no_color_and_ascii_by_locale) {
    (void)setenv("NO_COLOR", "1", 1);
    (void)setenv("LC_ALL", "C", 1);
    start(watch);
    pseudo_read(&pty, 300);
    cr_expect_null(strstr(pty.output, "\033[38;5;"), "no colours");
    for (size_t i = 0; i < pty.length; i++) {
        cr_assert_eq(pty.output[i] & 0x80, 0, "nothing but ASCII");
    }
    pseudo_type(&pty, "q");
    cr_assert(pseudo_wait(&pty, 0));
    pseudo_close(&pty);
}

Test(term, frame_on_a_pipe_has_no_escape_codes) {
    static char text[1 << 16];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)setenv("COLUMNS", "100", 1);
        (void)setenv("LINES", "30", 1);
        _exit(watch_run("runs", &run_path, 1, true, false));
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ssize_t count = read(ends[0], text, sizeof text - 1);
    cr_assert_gt(count, 0);
    cr_expect_null(memchr(text, 27, (size_t)count));
    cr_expect_not_null(strstr(text, "trained point sits 13.9"));
    int lines = 0;
    for (ssize_t i = 0; i < count; i++) {
        lines += text[i] == '\n';
    }
    cr_expect_eq(lines, 30);
}
