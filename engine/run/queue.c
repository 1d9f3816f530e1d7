#include "run/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
    pthread_mutex_t mutex; /* taken before a job's own, never behind it */
    pthread_cond_t turn;   /* a job is over, or was told to stop */
    struct job **jobs;     /* in order of start */
    int count;
} registry = {.mutex = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};

static atomic_int wake_fd = -1;

int job_wake_fd(void) {
    if (atomic_load(&wake_fd) < 0) {
        atomic_store(&wake_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    }
    return atomic_load(&wake_fd);
}

void queue_wake(void) {
    const uint64_t one = 1;
    int fd = atomic_load(&wake_fd);
    if (fd >= 0) {
        /* Full means that a wake-up is pending already. */
        ssize_t written = write(fd, &one, sizeof one);
        (void)written;
    }
}

static bool is_told_to_stop(struct job *job) {
    pthread_mutex_lock(&job->mutex);
    bool stop = job->command == COMMAND_STOP;
    pthread_mutex_unlock(&job->mutex);
    return stop;
}

bool queue_wait(struct job *job) {
    bool stop;
    pthread_mutex_lock(&registry.mutex);
    for (;;) {
        bool first = true;
        for (int i = 0; i < registry.count && registry.jobs[i] != job; i++) {
            first = first && job_is_over(registry.jobs[i]);
        }
        stop = is_told_to_stop(job);
        if (first || stop) {
            break;
        }
        pthread_cond_wait(&registry.turn, &registry.mutex);
    }
    pthread_mutex_unlock(&registry.mutex);
    return !stop;
}

void queue_turn(void) {
    pthread_mutex_lock(&registry.mutex);
    pthread_cond_broadcast(&registry.turn);
    pthread_mutex_unlock(&registry.mutex);
}

bool queue_add(struct job *job, struct error *error) {
    pthread_mutex_lock(&registry.mutex);
    struct job **longer =
        realloc(registry.jobs, ((size_t)registry.count + 1) * sizeof *registry.jobs);
    if (longer) {
        registry.jobs = longer;
        registry.jobs[registry.count++] = job;
    }
    pthread_mutex_unlock(&registry.mutex);
    return longer || error_set(error, ERROR_MEMORY, "no memory for one more job");
}

void queue_remove(const struct job *job) {
    pthread_mutex_lock(&registry.mutex);
    int kept = 0;
    for (int i = 0; i < registry.count; i++) {
        if (registry.jobs[i] != job) {
            registry.jobs[kept++] = registry.jobs[i];
        }
    }
    registry.count = kept;
    pthread_cond_broadcast(&registry.turn);
    pthread_mutex_unlock(&registry.mutex);
}

int job_count(void) {
    return registry.count;
}

struct job *job_at(int index) {
    assert(index >= 0 && index < registry.count);
    return registry.jobs[index];
}
