/* A trace: points (x, y) in order of x that only grow at the end. Keeps least and greatest y of
 * every 64 points, so that a chart of any width reads each column's extent without looking at all
 * points again, and no peak is lost to sampling. */
#ifndef CONTINUO_PLOT_TRACE_H
#define CONTINUO_PLOT_TRACE_H

#include <stdbool.h>
#include <stddef.h>

struct trace {
    double *x, *y;               /* y may be nan or infinite: a gap */
    double *block_lo, *block_hi; /* of points 64 b .. 64 b + 63; lo > hi: none is finite */
    ptrdiff_t count, capacity;
    ptrdiff_t *gaps; /* indices of the points whose y is not finite, ascending */
    ptrdiff_t gap_count;
};

/* Start from a zeroed struct. */
void trace_free(struct trace *trace);
void trace_clear(struct trace *trace);
/* Appends a point. An x before the last one (a resumed run does some steps again) first takes away
 * all points at x and after. A point whose x is not finite is passed over. */
void trace_add(struct trace *trace, double x, double y);

/* The first index whose x is not below / is above the given one. */
ptrdiff_t trace_from(const struct trace *trace, double x);
ptrdiff_t trace_after(const struct trace *trace, double x);
/* Least and greatest finite y of the points first .. last - 1; false when there is none. With
 * positive, only y > 0 counts. */
bool trace_extent(const struct trace *trace, ptrdiff_t first, ptrdiff_t last, bool positive,
                  double *lo, double *hi);

#endif
