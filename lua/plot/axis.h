/* An axis: a range of values, linear or logarithmic, its ticks at round numbers and their labels.
 */
#ifndef CONTINUO_PLOT_AXIS_H
#define CONTINUO_PLOT_AXIS_H

#include <stdbool.h>

enum axis_scale {
    AXIS_LINEAR,
    AXIS_LOG,
    AXIS_LOG2, /* ticks at powers of two: step counts */
};

struct axis {
    enum axis_scale scale;
    double lo, hi; /* lo < hi; both > 0 unless linear */
};

struct tick {
    double value;
    bool is_major; /* has a label */
    char label[16];
};

enum { AXIS_TICKS = 64 };

/* Widens lo..hi to round bounds that leave about `most` labels. lo == hi is widened too. */
struct axis axis_fit(enum axis_scale scale, double lo, double hi, int most);
/* 0 at lo, 1 at hi; nan where the axis has no place for the value. */
double axis_place(const struct axis *axis, double value);
double axis_value(const struct axis *axis, double place);
/* Ticks in ascending order, at most `most` of them major. Returns how many. */
int axis_ticks(const struct axis *axis, int most, struct tick ticks[AXIS_TICKS]);
/* The end of an axis that has to hold `value` and will hold `total` in the end (nan: unknown): the
 * next round number, so that the axis grows seldom and never scrolls. */
double axis_grown(double value, double total);

#endif
