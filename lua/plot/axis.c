#include "lua/plot/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Below this ratio a logarithmic axis is labelled at equal differences, like a linear one. */
static const double NARROW = 5;
/* Rounding slack of tick positions, in steps. */
static const double SLACK = 1e-9;

/* The least of 1, 2, 2.5, 5 times a power of ten that is not below `least`. */
static double nice_step(double least) {
    static const double nice[] = {1, 2, 2.5, 5, 10};
    double power = pow(10, floor(log10(least)));
    for (int i = 0; i < 5; i++) {
        if (nice[i] * power >= least * (1 - SLACK)) {
            return nice[i] * power;
        }
    }
    return 10 * power;
}

static bool is_narrow(const struct axis *axis) {
    return axis->scale == AXIS_LINEAR || (axis->scale == AXIS_LOG && axis->hi < NARROW * axis->lo);
}

struct axis axis_fit(enum axis_scale scale, double lo, double hi, int most) {
    struct axis axis = {scale, lo, hi};
    most = most < 2 ? 2 : most;
    if (scale == AXIS_LOG2) {
        axis.lo = exp2(floor(log2(lo)));
        axis.hi = exp2(ceil(log2(hi)));
        if (axis.hi <= axis.lo) {
            axis.hi = 2 * axis.lo;
        }
        return axis;
    }
    if (hi - lo <= 1e-12 * fabs(hi)) {
        double room = hi == 0 ? 1 : fabs(hi) * 0.1;
        axis.lo = lo -= room;
        axis.hi = hi += room;
    }
    if (is_narrow(&axis)) {
        double step = nice_step((hi - lo) / (most < 5 ? 5 : most));
        double from = floor(lo / step + SLACK) * step, to = ceil(hi / step - SLACK) * step;
        axis.lo = scale == AXIS_LOG && from <= 0 ? lo : fmin(from, lo);
        axis.hi = fmax(to, hi);
        return axis;
    }
    /* Beyond four decades whole decades only, else the nearest of these. */
    static const double nice[] = {1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    enum { NICE = sizeof nice / sizeof nice[0] };
    int every = hi > 1e4 * lo ? NICE - 1 : 1;
    double power = pow(10, floor(log10(lo)));
    for (int i = 0; i < NICE; i += every) {
        axis.lo = nice[i] * power <= lo * (1 + SLACK) ? nice[i] * power : axis.lo;
    }
    power = pow(10, floor(log10(hi)));
    for (int i = NICE - 1; i >= 0; i -= every) {
        axis.hi = nice[i] * power >= hi * (1 - SLACK) ? nice[i] * power : axis.hi;
    }
    return axis;
}

double axis_place(const struct axis *axis, double value) {
    if (axis->scale == AXIS_LINEAR) {
        return (value - axis->lo) / (axis->hi - axis->lo);
    }
    return value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : (double)NAN;
}

double axis_value(const struct axis *axis, double place) {
    if (axis->scale == AXIS_LINEAR) {
        return axis->lo + place * (axis->hi - axis->lo);
    }
    return axis->lo * pow(axis->hi / axis->lo, place);
}

static int add(struct tick *ticks, int count, double value, bool is_major, const char *format,
               int digits) {
    if (count < AXIS_TICKS) {
        value = value == 0 ? 0 : value; /* no "-0" */
        ticks[count] = (struct tick){.value = value, .is_major = is_major};
        if (is_major) {
            (void)snprintf(ticks[count].label, sizeof ticks[count].label, format, digits, value);
        }
        count++;
    }
    return count;
}

static int linear_ticks(const struct axis *axis, int most, struct tick *ticks) {
    double step = nice_step((axis->hi - axis->lo) / (most > 1 ? most : 1));
    double first = ceil(axis->lo / step - SLACK), last = floor(axis->hi / step + SLACK);
    while (last - first + 1 > most && most >= 2) {
        step = nice_step(step * 1.01);
        first = ceil(axis->lo / step - SLACK);
        last = floor(axis->hi / step + SLACK);
    }
    double largest = fmax(fabs(axis->lo), fabs(axis->hi));
    int decimals = (int)fmax(0, -floor(log10(step) + SLACK));
    double scaled = step * pow(10, decimals);
    decimals += fabs(scaled - round(scaled)) > 1e-6; /* steps of 2.5 */
    bool is_plain = largest < 1e6 && decimals <= 5;
    int count = 0;
    for (double i = first; i <= last; i++) {
        double value = i * step;
        count = is_plain ? add(ticks, count, value, true, "%.*f", decimals)
                         : add(ticks, count, value, true, "%.*g", 3);
    }
    return count;
}

/* Labels of decades as "1e-3", but for 1 and 10, where some would be long otherwise. */
static void write_powers(struct tick *ticks, int count) {
    bool is_long = false;
    for (int i = 0; i < count; i++) {
        double power = log10(ticks[i].value);
        if (ticks[i].is_major && fabs(power - round(power)) > SLACK) {
            return; /* 2 and 5 are labelled too: there are few decades */
        }
        is_long |= ticks[i].is_major && (power < -3.5 || power > 2.5);
    }
    for (int i = 0; i < count && is_long; i++) {
        int power = (int)lround(log10(ticks[i].value));
        if (ticks[i].is_major && power != 0 && power != 1) {
            (void)snprintf(ticks[i].label, sizeof ticks[i].label, "1e%d", power);
        }
    }
}

static int log_ticks(const struct axis *axis, int most, struct tick *ticks) {
    int low = (int)floor(log10(axis->lo) + SLACK), high = (int)ceil(log10(axis->hi) - SLACK);
    /* Labels: at 1, 2, 5 when there is room, else at decades, else at every so many decades. */
    int labels = 0, decades = 0;
    for (int decade = low; decade <= high; decade++) {
        for (int digit = 1; digit < 10; digit++) {
            double value = digit * pow(10, decade);
            bool inside = value >= axis->lo * (1 - SLACK) && value <= axis->hi * (1 + SLACK);
            labels += inside && (digit == 1 || digit == 2 || digit == 5);
            decades += inside && digit == 1;
        }
    }
    bool has_fives = labels <= most + 1;
    int every = 1;
    while ((decades - 1) / every + 1 > (most > 1 ? most : 2)) {
        every++;
    }
    int count = 0;
    for (int decade = low; decade <= high; decade++) {
        for (int digit = 1; digit < (every > 1 ? 2 : 10); digit++) {
            double value = digit * pow(10, decade);
            if (value < axis->lo * (1 - SLACK) || value > axis->hi * (1 + SLACK)) {
                continue;
            }
            bool is_major = (digit == 1 && (decade - low) % every == 0) ||
                            (has_fives && (digit == 2 || digit == 5));
            count = add(ticks, count, value, is_major, "%.*g", 3);
        }
    }
    write_powers(ticks, count);
    return count;
}

int axis_ticks(const struct axis *axis, int most, struct tick ticks[AXIS_TICKS]) {
    if (axis->scale == AXIS_LOG2) {
        int low = (int)lround(log2(axis->lo)), high = (int)lround(log2(axis->hi));
        int every = 1, count = 0;
        while ((high - low) / every + 1 > (most > 1 ? most : 2)) {
            every++;
        }
        for (int power = low; power <= high; power++) {
            bool is_major = (power - low) % every == 0;
            count = add(ticks, count, exp2(power), is_major, "%.*g", 6);
        }
        return count;
    }
    return is_narrow(axis) ? linear_ticks(axis, most, ticks) : log_ticks(axis, most, ticks);
}

double axis_grown(double value, double total) {
    if (isfinite(total) && value >= total) {
        return value > total ? axis_grown(value, (double)NAN) : total;
    }
    if (isfinite(total)) {
        value = fmax(value, total / 50); /* the first steps do not rush through small axes */
    }
    if (!(value > 0)) {
        return 10;
    }
    static const double nice[] = {1, 1.5, 2, 3, 4, 6, 8, 10};
    double power = pow(10, floor(log10(value))), end = 10 * power;
    for (int i = 0; i < 8; i++) {
        if (nice[i] * power > value) {
            end = nice[i] * power;
            break;
        }
    }
    /* Close to the end of the run the last growth goes all the way. */
    return isfinite(total) && end * 1.25 >= total ? total : end;
}
