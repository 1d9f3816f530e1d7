#include "learn/line_search.h"

#include <assert.h>
#include <math.h>

/* c1, c2 as Nocedal and Wright recommend for quasi-Newton directions (their section 3.1). */
static const double decrease = 1e-4, curvature = 0.9;

struct point {
    double at, value, slope;
};

static struct point visit(const struct line *line, double at, struct line_end *end) {
    struct point p = {.at = at};
    p.value = line->value(line->context, at, &p.slope);
    end->evaluations++;
    end->is_last = false;
    return p;
}

static bool is_finite(const struct point *p) {
    return isfinite(p->value) && isfinite(p->slope);
}

static bool decreases(const struct line *line, const struct point *p) {
    return is_finite(p) && p->value <= line->value0 + decrease * p->at * line->slope0;
}

static bool is_flat(const struct line *line, const struct point *p) {
    return fabs(p->slope) <= -curvature * line->slope0;
}

static void keep(struct line_end *end, const struct point *p, bool found) {
    end->at = p->at;
    end->value = p->value;
    end->slope = p->slope;
    end->found = found;
    end->is_last = true;
}

/* The minimum of the cubic through both values and slopes; NaN where there is none. */
static double cubic(const struct point *a, const struct point *b) {
    if (!is_finite(a) || !is_finite(b)) {
        return (double)NAN;
    }
    const double d1 = a->slope + b->slope - 3 * (a->value - b->value) / (a->at - b->at);
    const double d2 = copysign(sqrt(d1 * d1 - a->slope * b->slope), b->at - a->at);
    return b->at - (b->at - a->at) * (b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2);
}

/* `at` drawn into [least, most]; their middle when it is not a number. */
static double between(double at, double least, double most) {
    return isnan(at) ? 0.5 * (least + most) : fmin(fmax(at, least), most);
}

/* Algorithm 3.6: `low` decreases enough and slopes towards `high`. */
static void zoom(const struct line *line, struct point low, struct point high,
                 struct line_end *end) {
    while (end->evaluations < line->evaluations) {
        const double left = fmin(low.at, high.at), right = fmax(low.at, high.at);
        const double margin = 0.1 * (right - left);
        const double at = between(cubic(&low, &high), left + margin, right - margin);
        if (!(at > left && at < right)) {
            return; /* nothing lies between */
        }
        const struct point p = visit(line, at, end);
        if (!decreases(line, &p) || p.value >= low.value) {
            high = p;
            continue;
        }
        keep(end, &p, is_flat(line, &p));
        if (end->found) {
            return;
        }
        if (p.slope * (high.at - low.at) >= 0) {
            high = low;
        }
        low = p;
    }
}

/* Algorithm 3.5. */
struct line_end line_search(const struct line *line) {
    assert(line->slope0 < 0 && line->first > 0 && line->evaluations >= 1);
    struct line_end end = {.value = line->value0, .slope = line->slope0};
    struct point before = {0, line->value0, line->slope0};
    double next = line->first;
    while (end.evaluations < line->evaluations) {
        const struct point p = visit(line, next, &end);
        if (!decreases(line, &p) || (before.at > 0 && p.value >= before.value)) {
            zoom(line, before, p, &end);
            return end;
        }
        keep(&end, &p, is_flat(line, &p));
        if (end.found) {
            return end;
        }
        if (p.slope >= 0) {
            zoom(line, p, before, &end);
            return end;
        }
        next = between(cubic(&before, &p), 2 * p.at, 10 * p.at);
        before = p;
    }
    return end;
}
