/* A terminal for tests: a pseudo-terminal, a function run on it in a child process, and what the
 * child has written. */
#ifndef CONTINUO_TESTS_PSEUDO_H
#define CONTINUO_TESTS_PSEUDO_H

#include <criterion/criterion.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

struct pseudo {
    int master, slave; /* the slave stays open here, so that its modes outlive the child */
    pid_t child;
    struct termios before;
    char output[1 << 20];
    size_t length;
    int status; /* of the child, once pseudo_wait has seen it end */
};

/* Starts run() on a terminal of the size; its result is the child's exit status. */
static inline void pseudo_start(struct pseudo *pty, int width, int height, int (*run)(void)) {
    struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
    memset(pty, 0, sizeof *pty);
    cr_assert_eq(openpty(&pty->master, &pty->slave, NULL, NULL, &size), 0);
    cr_assert_eq(tcgetattr(pty->slave, &pty->before), 0);
    pty->child = fork();
    cr_assert_geq(pty->child, 0);
    if (pty->child == 0) {
        (void)close(pty->master);
        (void)login_tty(pty->slave);
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        for (int number = 1; number < NSIG; number++) { /* a tests' runner may ignore some */
            (void)signal(number, SIG_DFL);
        }
        _exit(run());
    }
}

static inline double pseudo_seconds(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Reads for some milliseconds, or until nothing comes any more after the child's end. */
static inline void pseudo_read(struct pseudo *pty, int milliseconds) {
    struct pollfd file = {.fd = pty->master, .events = POLLIN};
    double end = pseudo_seconds() + milliseconds / 1000.0;
    while (pseudo_seconds() < end && poll(&file, 1, 10) >= 0) {
        size_t room = sizeof pty->output - 1 - pty->length;
        ssize_t count =
            file.revents & POLLIN ? read(pty->master, pty->output + pty->length, room) : 0;
        pty->length += count > 0 ? (size_t)count : 0;
        pty->output[pty->length] = 0;
    }
}

/* Reads until text has been written since position `from`; false after thirty seconds. */
static inline bool pseudo_expect(struct pseudo *pty, size_t from, const char *text) {
    double end = pseudo_seconds() + 30;
    while (!memmem(pty->output + from, pty->length - from, text, strlen(text))) {
        if (pseudo_seconds() > end) {
            return false;
        }
        pseudo_read(pty, 20);
    }
    return true;
}

static inline void pseudo_type(struct pseudo *pty, const char *keys) {
    cr_assert_eq(write(pty->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static inline void pseudo_resize(struct pseudo *pty, int width, int height) {
    struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
    cr_assert_eq(ioctl(pty->master, TIOCSWINSZ, &size), 0);
}

/* Waits until the child has ended (or, with WUNTRACED, stopped); false after thirty seconds. */
static inline bool pseudo_wait(struct pseudo *pty, int options) {
    double end = pseudo_seconds() + 30;
    for (;;) {
        pid_t done = waitpid(pty->child, &pty->status, options | WNOHANG);
        pseudo_read(pty, 20);
        if (done == pty->child) {
            return true;
        }
        if (pseudo_seconds() > end) {
            return false;
        }
    }
}

/* Whether the terminal's modes are those of the beginning. */
static inline bool pseudo_is_restored(const struct pseudo *pty) {
    struct termios now;
    cr_assert_eq(tcgetattr(pty->slave, &now), 0);
    return now.c_iflag == pty->before.c_iflag && now.c_oflag == pty->before.c_oflag &&
           now.c_cflag == pty->before.c_cflag && now.c_lflag == pty->before.c_lflag &&
           memcmp(now.c_cc, pty->before.c_cc, sizeof now.c_cc) == 0;
}

static inline void pseudo_close(struct pseudo *pty) {
    (void)kill(pty->child, SIGKILL);
    (void)waitpid(pty->child, NULL, WNOHANG);
    (void)close(pty->master);
    (void)close(pty->slave);
}

#endif
