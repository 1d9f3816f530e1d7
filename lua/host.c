#include "lua/host.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lua/answer.h"
#include "lua/interrupt.h"
#include "run/job.h"

enum { TICK = 100 }; /* milliseconds: how late ^C may be noticed when its EINTR was lost */

static bool all_over(struct job *const *jobs, int count) {
    for (int i = 0; i < count; i++) {
        if (!job_is_over(jobs[i])) {
            return false;
        }
    }
    return true;
}

/* Under a program that knows nothing of jobs: sleep until they are over or ^C comes. */
static bool wait_silently(struct job *const *jobs, int count, struct error *error) {
    const volatile bool *stop = interrupt_watch();
    while (!*stop && !all_over(jobs, count)) {
        struct pollfd descriptor = {.fd = job_wake_fd(), .events = POLLIN};
        uint64_t wakes;
        if (poll(&descriptor, 1, TICK) > 0 && read(descriptor.fd, &wakes, sizeof wakes) < 0 &&
            errno != EAGAIN && errno != EINTR) {
            break;
        }
        answer_jobs();
    }
    if (interrupt_unwatch() && !all_over(jobs, count)) {
        for (int i = 0; i < count; i++) {
            job_pause(jobs[i]);
        }
        return error_set(error, ERROR_STATE,
                         "interrupted: the job pauses at its next batch; job:resume() goes on");
    }
    return true;
}

static const struct host silent = {.wait = wait_silently};
static const struct host *current = &silent;

void host_set(const struct host *host) {
    current = host ? host : &silent;
}

const struct host *host_get(void) {
    return current;
}
