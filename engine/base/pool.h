/* A pool of threads that runs a function over fixed chunks. Work is cut by the caller, never by
 * the number of threads, so that results are the same bits for any number of them. One thread
 * calls pool_run at a time; it takes part as worker 0. */
#ifndef CONTINUO_BASE_POOL_H
#define CONTINUO_BASE_POOL_H

#include "base/error.h"

struct pool;

typedef void pool_function(void *context, int chunk, int worker);

/* Starts threads - 1 workers; threads in 1..256. NULL with *error set when they cannot start. */
struct pool *pool_create(int threads, struct error *error);
void pool_free(struct pool *pool);

int pool_threads(const struct pool *pool); /* 1 for NULL */

/* Calls function(context, chunk, worker) once for each chunk in 0..chunks-1, worker in
 * 0..pool_threads-1, and returns when all are done. A NULL pool runs them in order. */
void pool_run(struct pool *pool, int chunks, pool_function *function, void *context);

/* The same in two halves: begin hands the chunks to the workers and returns, end does what none of
 * them has taken yet and returns when all are done. Every begin has its end, by any thread; in
 * between the pool takes nothing else. Not for NULL. */
void pool_begin(struct pool *pool, int chunks, pool_function *function, void *context);
void pool_end(struct pool *pool);

#endif
