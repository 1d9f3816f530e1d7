/* Threads that wait for chunks. The one shared number is `remaining`: whoever lowers it from r to
 * r - 1 owns chunk (chunks - r), and only then reads what the run is. A run cannot end before its
 * owned chunks are done, so what an owner reads stands still; a thread that looks too late finds
 * nothing to own, or owns a chunk of the next run. pool_run therefore never waits for a thread
 * that has nothing to do.
 *
 * Waiting is a short spin, because the next run mostly follows at once, then a sleep; no spin where
 * threads outnumber cores or the caller has work of its own. */
#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    THREADS_MAX = 256,
    SPIN_NANOSECONDS = 20000, /* about the price of one sleep and wake */
    SPIN_PAUSES = 32,         /* between looks at the clock */
    CACHE_LINE = 64,
};

struct worker {
    struct pool *pool;
    int index;
    pthread_t thread;
};

struct pool {
    int threads;
    atomic_llong spin; /* nanoseconds a thread looks for work before it sleeps */
    struct worker *workers; /* 1..threads-1; entry 0 is whoever calls pool_run */

    pool_function *function;
    void *context;
    int chunks;
    atomic_bool busy;

    _Alignas(CACHE_LINE) atomic_int remaining;
    _Alignas(CACHE_LINE) atomic_int done;

    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    pthread_cond_t work, finished;
    atomic_int sleepers;
    atomic_bool caller_sleeps;
    atomic_bool stop;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool has_work(struct pool *pool) {
    return atomic_load(&pool->remaining) > 0 || atomic_load(&pool->stop);
}

static bool is_finished(struct pool *pool, int chunks) {
    return atomic_load(&pool->done) == chunks;
}

/* Owns and runs chunks until none is left. */
static void work(struct pool *pool, int worker) {
    int remaining = atomic_load(&pool->remaining);
    while (remaining > 0) {
        if (!atomic_compare_exchange_weak(&pool->remaining, &remaining, remaining - 1)) {
            continue;
        }
        const int chunks = pool->chunks;
        pool->function(pool->context, chunks - remaining, worker);
        /* From this addition on the run may be over and the fields belong to the next one. */
        const bool last = atomic_fetch_add(&pool->done, 1) + 1 == chunks;
        if (last && atomic_load(&pool->caller_sleeps)) {
            (void)pthread_mutex_lock(&pool->lock);
            (void)pthread_cond_signal(&pool->finished);
            (void)pthread_mutex_unlock(&pool->lock);
        }
        remaining = atomic_load(&pool->remaining);
    }
}

static void wait_for_work(struct pool *pool) {
    const int64_t give_up = now() + atomic_load(&pool->spin);
    do {
        for (int i = 0; i < SPIN_PAUSES; i++) {
            if (has_work(pool)) {
                return;
            }
            relax();
        }
    } while (now() < give_up);
    (void)pthread_mutex_lock(&pool->lock);
    /* Announced before looking again; pool_run offers work before it counts sleepers. */
    (void)atomic_fetch_add(&pool->sleepers, 1);
    while (!has_work(pool)) {
        (void)pthread_cond_wait(&pool->work, &pool->lock);
    }
    (void)atomic_fetch_sub(&pool->sleepers, 1);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void wait_until_finished(struct pool *pool, int chunks) {
    if (is_finished(pool, chunks)) {
        return;
    }
    const int64_t give_up = now() + atomic_load(&pool->spin);
    do {
        for (int i = 0; i < SPIN_PAUSES; i++) {
            if (is_finished(pool, chunks)) {
                return;
            }
            relax();
        }
    } while (now() < give_up);
    (void)pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!is_finished(pool, chunks)) {
        (void)pthread_cond_wait(&pool->finished, &pool->lock);
    }
    atomic_store(&pool->caller_sleeps, false);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument) {
    const struct worker *const worker = argument;
    while (!atomic_load(&worker->pool->stop)) {
        work(worker->pool, worker->index);
        wait_for_work(worker->pool);
    }
    return NULL;
}

/* Signals sent to the process are for the thread that owns the terminal; faults stay here. */
static void asynchronous_signals(sigset_t *set) {
    (void)sigfillset(set);
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        (void)sigdelset(set, faults[i]);
    }
}

/* A thread that spins helps only while no other one waits for its core. */
static int64_t spin_of(int threads) {
    cpu_set_t cores;
    const bool known = sched_getaffinity(0, sizeof cores, &cores) == 0;
    return known && threads > CPU_COUNT(&cores) ? 0 : SPIN_NANOSECONDS;
}

/* Starts the workers; pool->threads counts those that run (and the caller). */
static int start_workers(struct pool *pool, int threads) {
    sigset_t blocked, before;
    asynchronous_signals(&blocked);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int status = 0;
    while (status == 0 && pool->threads < threads) {
        struct worker *const worker = &pool->workers[pool->threads];
        worker->pool = pool;
        worker->index = pool->threads;
        status = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (status == 0) {
            pool->threads++;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

struct pool *pool_create(int threads, struct error *error) {
    if (threads < 1 || threads > THREADS_MAX) {
        (void)error_set(error, ERROR_VALUE,
                        "the number of threads is %d; it must be between 1 and %d", threads,
                        THREADS_MAX);
        return NULL;
    }
    struct pool *const pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    struct worker *const workers = calloc((size_t)threads, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        (void)error_set(error, ERROR_MEMORY, "no memory for a pool of %d threads", threads);
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    pool->workers = workers;
    pool->threads = 1;
    atomic_store(&pool->spin, spin_of(threads));
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->finished, NULL);
    const int status = start_workers(pool, threads);
    if (status != 0) {
        const int started = pool->threads;
        pool_free(pool);
        (void)error_set(error, ERROR_MEMORY,
                        "cannot start %d threads: number %d was refused (%s); use fewer", threads,
                        started + 1, strerror(status));
        return NULL;
    }
    return pool;
}

void pool_free(struct pool *pool) {
    if (!pool) {
        return;
    }
    assert(!atomic_load(&pool->busy));
    (void)pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->threads; i++) {
        (void)pthread_join(pool->workers[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&pool->finished);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

int pool_threads(const struct pool *pool) {
    return pool ? pool->threads : 1;
}

/* Offers the chunks to the workers and wakes as many sleeping ones as are `wanted`. */
static void offer(struct pool *pool, int chunks, int wanted) {
    atomic_store(&pool->remaining, chunks);
    if (atomic_load(&pool->sleepers) == 0) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    if (atomic_load(&pool->sleepers) > wanted) {
        for (; wanted > 0; wanted--) {
            (void)pthread_cond_signal(&pool->work);
        }
    } else {
        (void)pthread_cond_broadcast(&pool->work);
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

static void enter(struct pool *pool) {
    const bool entered = atomic_exchange(&pool->busy, true);
    assert(!entered && "a pool is used by one thread at a time, and not from inside a chunk");
    (void)entered;
}

/* `helpers`: workers that are of use. */
static void begin(struct pool *pool, int chunks, pool_function *function, void *context,
                  int helpers) {
    enter(pool);
    pool->function = function;
    pool->context = context;
    pool->chunks = chunks;
    atomic_store(&pool->done, 0);
    offer(pool, chunks, helpers);
}

void pool_begin(struct pool *pool, int chunks, pool_function *function, void *context) {
    assert(chunks >= 0);
    atomic_store(&pool->spin, 0); /* the caller is busy: what comes next comes late */
    begin(pool, chunks, function, context, chunks);
}

void pool_end(struct pool *pool) {
    assert(atomic_load(&pool->busy));
    work(pool, 0);
    wait_until_finished(pool, pool->chunks);
    atomic_store(&pool->busy, false);
}

void pool_run(struct pool *pool, int chunks, pool_function *function, void *context) {
    assert(chunks >= 0);
    if (pool && pool->threads > 1 && chunks > 1) {
        begin(pool, chunks, function, context, chunks - 1);
        pool_end(pool);
        return;
    }
    if (pool) {
        enter(pool);
    }
    for (int chunk = 0; chunk < chunks; chunk++) {
        function(context, chunk, 0);
    }
    if (pool) {
        atomic_store(&pool->busy, false);
    }
}
