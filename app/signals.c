#include "app/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lua/interrupt.h"

static int ends[2] = {-1, -1};
static int streak_most;
static volatile sig_atomic_t running, streak;
static volatile double last_interrupt; /* seconds; written by the handler on the main thread */
static pthread_t main_thread;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void on_interrupt(void) {
    double time = now();
    streak = time - last_interrupt <= SIGNAL_AGAIN_SECONDS ? streak + 1 : 1;
    last_interrupt = time;
    if (running) {
        if (streak >= streak_most) {
            static const char text[] = "\nquit: interrupted again\n";
            if (write(STDERR_FILENO, text, sizeof text - 1) < 0) { /* nobody to tell */
            }
            _exit(128 + SIGINT);
        }
        interrupt_raise();
    }
}

static void handle(int number) {
    if (!pthread_equal(pthread_self(), main_thread)) { /* a library's thread got it */
        pthread_kill(main_thread, number);
        return;
    }
    int error = errno;
    if (number == SIGINT) {
        on_interrupt();
    }
    unsigned char byte = (unsigned char)number;
    if (write(ends[1], &byte, 1) < 0) { /* full: as many bytes are waiting already */
    }
    errno = error;
}

static void install(int number, bool ours) {
    struct sigaction action = {.sa_handler = ours ? handle : SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void signals_lend(bool lend) {
    install(SIGWINCH, !lend);
    install(SIGTSTP, !lend);
    install(SIGCONT, !lend);
}

void signals_open(int most) {
    main_thread = pthread_self();
    streak_most = most;
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return;
    }
    install(SIGINT, true);
}

int signals_fd(void) {
    return ends[0];
}

struct signals signals_take(void) {
    struct signals taken = {0};
    unsigned char bytes[64];
    ssize_t got;
    while ((got = read(ends[0], bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            taken.interrupts += bytes[i] == SIGINT;
            taken.resized |= bytes[i] == SIGWINCH;
            taken.suspend |= bytes[i] == SIGTSTP;
            taken.continued |= bytes[i] == SIGCONT;
        }
    }
    return taken;
}

int signals_streak(void) {
    return now() - last_interrupt <= SIGNAL_AGAIN_SECONDS ? streak : 0;
}

void signals_forget(void) {
    last_interrupt = 0;
    streak = 0;
}

void signals_set_running(bool on) {
    running = on;
}
