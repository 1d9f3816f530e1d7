#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/pool.h"

enum { CHUNKS_MAX = 777 };

struct tally {
    atomic_int calls[CHUNKS_MAX];
    atomic_int of_worker[256];
    int threads;
    atomic_bool worker_out_of_range;
};

static void count_call(void *context, int chunk, int worker) {
    struct tally *const tally = context;
    atomic_fetch_add(&tally->calls[chunk], 1);
    if (worker < 0 || worker >= tally->threads) {
        atomic_store(&tally->worker_out_of_range, true);
    } else {
        atomic_fetch_add(&tally->of_worker[worker], 1);
    }
}

static struct tally tally;

Test(pool, every_chunk_runs_exactly_once_for_any_number_of_threads) {
    const int threads[] = {1, 2, 3, 5, 16};
    const int chunks[] = {0, 1, 2, 3, 7, 64, CHUNKS_MAX};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        struct error error;
        struct pool *const pool = pool_create(threads[t], &error);
        cr_assert(pool, "%s", error.text);
        cr_expect_eq(pool_threads(pool), threads[t]);
        for (int round = 0; round < 40; round++) {
            for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                memset(&tally, 0, sizeof tally);
                tally.threads = threads[t];
                pool_run(pool, chunks[c], count_call, &tally);
                for (int i = 0; i < CHUNKS_MAX; i++) {
                    cr_assert_eq(tally.calls[i], i < chunks[c]);
                }
                cr_assert(!tally.worker_out_of_range);
            }
        }
        pool_free(pool);
    }
}

Test(pool, no_pool_runs_the_chunks_in_order) {
    memset(&tally, 0, sizeof tally);
    tally.threads = 1;
    pool_run(NULL, 12, count_call, &tally);
    cr_expect_eq(tally.of_worker[0], 12);
    cr_expect_eq(pool_threads(NULL), 1);
    pool_free(NULL);
}

/* Two chunks that wait for each other end only when two threads run them. */
static void meet(void *context, int chunk, int worker) {
    atomic_int *const arrived = context;
    (void)chunk;
    (void)worker;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2) {
        (void)usleep(10);
    }
}

Test(pool, chunks_run_at_the_same_time, .timeout = 60) {
    struct pool *const pool = pool_create(2, NULL);
    for (int i = 0; i < 20; i++) {
        atomic_int arrived = 0;
        pool_run(pool, 2, meet, &arrived);
        (void)usleep(i % 2 ? 2000 : 0); /* wake from sleep, and from a spin */
    }
    pool_free(pool);
}

/* Ends only when a worker runs it: the caller sets `done` before it comes to help. */
static void wait_for_flag(void *context, int chunk, int worker) {
    (void)chunk;
    atomic_int *const flags = context;
    atomic_store(&flags[0], worker);
    while (!atomic_load(&flags[1])) {
        (void)usleep(10);
    }
}

Test(pool, a_run_in_two_halves_goes_on_while_the_caller_does_something_else, .timeout = 60) {
    struct pool *const pool = pool_create(2, NULL);
    for (int i = 0; i < 20; i++) {
        atomic_int flags[2] = {0, 0};
        pool_begin(pool, 1, wait_for_flag, flags);
        while (atomic_load(&flags[0]) != 1) {
            (void)usleep(10);
        }
        atomic_store(&flags[1], 1);
        pool_end(pool);
        (void)usleep(i % 2 ? 2000 : 0);
    }
    pool_free(pool);
}

Test(pool, the_second_half_does_what_no_worker_has_taken) {
    const int threads[] = {1, 2, 3};
    for (int t = 0; t < 3; t++) {
        struct pool *const pool = pool_create(threads[t], NULL);
        for (int round = 0; round < 300; round++) {
            memset(&tally, 0, sizeof tally);
            tally.threads = threads[t];
            pool_begin(pool, round % 7, count_call, &tally);
            pool_end(pool);
            for (int i = 0; i < 7; i++) {
                cr_assert_eq(tally.calls[i], i < round % 7);
            }
            cr_assert(!tally.worker_out_of_range);
        }
        pool_run(pool, 3, count_call, &tally);
        pool_free(pool);
    }
}

static void *run_from_here(void *argument) {
    memset(&tally, 0, sizeof tally);
    tally.threads = pool_threads(argument);
    pool_run(argument, 50, count_call, &tally);
    return NULL;
}

Test(pool, threads_take_turns_with_one_pool) {
    struct pool *const pool = pool_create(3, NULL);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, run_from_here, pool), 0);
        (void)pthread_join(thread, NULL);
        for (int chunk = 0; chunk < 50; chunk++) {
            cr_expect_eq(tally.calls[chunk], 1);
        }
    }
    pool_free(pool);
}

static void run_again(void *context, int chunk, int worker) {
    (void)chunk;
    (void)worker;
    pool_run(context, 2, meet, NULL);
}

Test(pool, entering_a_pool_from_its_own_chunk_is_a_programming_error, .signal = SIGABRT) {
    struct pool *const pool = pool_create(2, NULL);
    pool_run(pool, 2, run_again, pool);
}

Test(pool, impossible_numbers_of_threads_are_refused) {
    struct error error;
    cr_expect_null(pool_create(0, &error));
    cr_expect_eq(error.code, ERROR_VALUE);
    cr_expect_str_eq(error.text, "the number of threads is 0; it must be between 1 and 256");
    cr_expect_null(pool_create(257, &error));
    cr_expect_str_eq(error.text, "the number of threads is 257; it must be between 1 and 256");
}

static pthread_t main_thread;
static atomic_int interrupts, elsewhere;

static void on_interrupt(int number) {
    (void)number;
    atomic_fetch_add(pthread_equal(pthread_self(), main_thread) ? &interrupts : &elsewhere, 1);
}

static void raise_in_process(void *context, int chunk, int worker) {
    (void)context;
    (void)chunk;
    (void)worker;
    (void)kill(getpid(), SIGINT);
    (void)usleep(100);
}

Test(pool, interrupts_are_left_to_the_caller, .timeout = 60) {
    main_thread = pthread_self();
    const struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    struct pool *const pool = pool_create(4, NULL);
    pool_run(pool, 40, raise_in_process, NULL);
    pool_free(pool);
    cr_expect_gt(interrupts, 0);
    cr_expect_eq(elsewhere, 0);
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_expect(!sigismember(&mask, SIGINT), "the caller's own mask is as it was");
}

static void nothing(void *context, int chunk, int worker) {
    (void)context;
    (void)chunk;
    (void)worker;
}

static double process_seconds(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Threads that wait for the next run soon sleep: eight of them, in a fifth of a second. */
Test(pool, threads_that_wait_take_no_time) {
    struct pool *const pool = pool_create(9, NULL);
    pool_run(pool, 50, nothing, NULL);
    (void)usleep(50000);
    const double before = process_seconds();
    (void)usleep(200000);
    const double after = process_seconds();
    cr_expect_lt(after - before, 0.02);
    pool_free(pool);
}

/* A generous bound, for a busy machine: a run is far cheaper than a sleep and wake each. */
Test(pool, an_empty_run_costs_microseconds) {
    struct pool *const pool = pool_create(2, NULL);
    double best = 1;
    for (int trial = 0; trial < 5; trial++) {
        struct timespec from, to;
        (void)clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < 1000; i++) {
            pool_run(pool, 8, nothing, NULL);
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &to);
        const double seconds =
            (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = seconds / 1000 < best ? seconds / 1000 : best;
    }
    cr_expect_lt(best, 200e-6);
    pool_free(pool);
}
