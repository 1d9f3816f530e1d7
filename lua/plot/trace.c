#include "lua/plot/trace.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 64 };

void trace_free(struct trace *trace) {
    free(trace->x);
    free(trace->y);
    free(trace->block_lo);
    free(trace->block_hi);
    free(trace->gaps);
    *trace = (struct trace){0};
}

void trace_clear(struct trace *trace) {
    trace->count = 0;
    trace->gap_count = 0;
}

static void reserve(struct trace *trace) {
    if (trace->count < trace->capacity) {
        return;
    }
    size_t capacity = trace->capacity ? (size_t)trace->capacity * 2 : 4 * BLOCK;
    trace->x = realloc(trace->x, capacity * sizeof *trace->x);
    trace->y = realloc(trace->y, capacity * sizeof *trace->y);
    trace->block_lo = realloc(trace->block_lo, capacity / BLOCK * sizeof *trace->block_lo);
    trace->block_hi = realloc(trace->block_hi, capacity / BLOCK * sizeof *trace->block_hi);
    trace->gaps = realloc(trace->gaps, capacity * sizeof *trace->gaps);
    if (!trace->gaps || !trace->x || !trace->y || !trace->block_lo || !trace->block_hi) {
        abort();
    }
    trace->capacity = (ptrdiff_t)capacity;
}

static void include(double y, bool positive, double *lo, double *hi) {
    if (isfinite(y) && (!positive || y > 0)) {
        *lo = y < *lo ? y : *lo;
        *hi = y > *hi ? y : *hi;
    }
}

void trace_add(struct trace *trace, double x, double y) {
    if (!isfinite(x)) {
        return;
    }
    if (trace->count > 0 && x < trace->x[trace->count - 1]) {
        trace->count = trace_from(trace, x);
        while (trace->gap_count > 0 && trace->gaps[trace->gap_count - 1] >= trace->count) {
            trace->gap_count--;
        }
    }
    reserve(trace);
    if (!isfinite(y)) {
        trace->gaps[trace->gap_count++] = trace->count;
    }
    trace->x[trace->count] = x;
    trace->y[trace->count] = y;
    trace->count++;
    if (trace->count % BLOCK == 0) {
        double lo = (double)INFINITY, hi = -(double)INFINITY;
        for (ptrdiff_t i = trace->count - BLOCK; i < trace->count; i++) {
            include(trace->y[i], false, &lo, &hi);
        }
        trace->block_lo[trace->count / BLOCK - 1] = lo;
        trace->block_hi[trace->count / BLOCK - 1] = hi;
    }
}

static ptrdiff_t search(const struct trace *trace, double x, bool after) {
    ptrdiff_t low = 0, high = trace->count;
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        bool is_before = after ? trace->x[middle] <= x : trace->x[middle] < x;
        if (is_before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

ptrdiff_t trace_from(const struct trace *trace, double x) {
    return search(trace, x, false);
}

ptrdiff_t trace_after(const struct trace *trace, double x) {
    return search(trace, x, true);
}

bool trace_extent(const struct trace *trace, ptrdiff_t first, ptrdiff_t last, bool positive,
                  double *lo, double *hi) {
    *lo = (double)INFINITY;
    *hi = -(double)INFINITY;
    ptrdiff_t i = first;
    while (i < last) {
        ptrdiff_t block = i / BLOCK;
        bool is_whole = i % BLOCK == 0 && i + BLOCK <= last;
        if (is_whole && (!positive || trace->block_lo[block] > 0)) {
            *lo = trace->block_lo[block] < *lo ? trace->block_lo[block] : *lo;
            *hi = trace->block_hi[block] > *hi ? trace->block_hi[block] : *hi;
            i += BLOCK;
        } else {
            include(trace->y[i], positive, lo, hi);
            i++;
        }
    }
    return *lo <= *hi;
}
