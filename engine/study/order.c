#include "study/order.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

enum { WINDOW_LEAST = 3 };

static const double floor_factor = 30; /* an error this near its floor is not all error */
static const double spread_smooth = 0.1, spread_kinked = 0.5; /* of local slopes in a window */
static const double slope_tolerance = 0.1, slope_tolerance_most = 0.3;

/* The 97.5 % point of Student's t: tabulated to 10 degrees of freedom, then two terms of its
 * expansion about the normal distribution (Abramowitz, Stegun 1964, 26.7.5), right to 1e-3. */
static double student(int freedom) {
    static const double tabulated[] = {12.706, 4.303, 3.182, 2.776, 2.571,
                                       2.447,  2.365, 2.306, 2.262, 2.228};
    assert(freedom >= 1);
    if (freedom <= 10) {
        return tabulated[freedom - 1];
    }
    const double z = 1.959964, n = freedom;
    return z + (z * z * z + z) / (4 * n) + (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n);
}

/* Least squares of log error = log constant + slope log h over the window. */
static void regress(const double *h, const double *error, struct order_fit *fit) {
    double x_mean = 0, y_mean = 0, xx = 0, xy = 0, rest = 0;
    for (int i = fit->first; i < fit->first + fit->count; i++) {
        x_mean += log(h[i]) / fit->count;
        y_mean += log(error[i]) / fit->count;
    }
    for (int i = fit->first; i < fit->first + fit->count; i++) {
        const double x = log(h[i]) - x_mean;
        xx += x * x;
        xy += x * (log(error[i]) - y_mean);
    }
    fit->slope = xy / xx;
    fit->constant = exp(y_mean - fit->slope * x_mean);
    for (int i = fit->first; i < fit->first + fit->count; i++) {
        const double miss = log(error[i]) - y_mean - fit->slope * (log(h[i]) - x_mean);
        rest += miss * miss;
    }
    const int freedom = fit->count - 2;
    fit->interval = student(freedom) * sqrt(rest / freedom / xx);
}

/* The longest run of usable grids that begins at `first` and whose local slopes agree. */
static int run_length(const struct order_fit *fit, int first, int count, double spread) {
    double least = INFINITY, most = -INFINITY;
    int end = first;
    while (end + 1 < count && !isnan(fit->local[end])) {
        least = fmin(least, fit->local[end]);
        most = fmax(most, fit->local[end]);
        if (most - least > spread) {
            break;
        }
        end++;
    }
    return end - first + 1;
}

void order_fit(const double *h, const double *error, int count, double floor, bool kinked,
               struct order_fit *fit) {
    assert(count >= 0 && count <= ORDER_GRIDS_MAX);
    *fit = (struct order_fit){.slope = NAN, .interval = NAN, .constant = NAN};
    bool usable[ORDER_GRIDS_MAX];
    int finite = 0, usable_count = 0;
    for (int i = 0; i < count; i++) {
        assert(h[i] > 0 && (i == 0 || h[i] < h[i - 1]));
        const bool is_finite = isfinite(error[i]);
        usable[i] = is_finite && error[i] > 0 && error[i] > floor_factor * floor;
        finite += is_finite;
        usable_count += usable[i];
    }
    fit->floored = finite - usable_count;
    for (int i = 0; i < count; i++) {
        fit->local[i] = i + 1 < count && usable[i] && usable[i + 1]
                            ? log(error[i] / error[i + 1]) / log(h[i] / h[i + 1])
                            : (double)NAN;
    }
    for (int i = 0; i < count; i++) {
        const int length = run_length(fit, i, count, kinked ? spread_kinked : spread_smooth);
        if (length >= WINDOW_LEAST && length >= fit->count) {
            fit->first = i;
            fit->count = length;
        }
    }
    if (fit->count > 0) {
        fit->status = ORDER_FITTED;
        regress(h, error, fit);
    } else {
        fit->status = count < WINDOW_LEAST          ? ORDER_FEW
                      : finite < WINDOW_LEAST       ? ORDER_DIVERGED
                      : usable_count < WINDOW_LEAST ? ORDER_FLOOR
                                                    : ORDER_BENT;
    }
}

/* Whether a stage at the end of the step has a part in the step's result. */
static bool reads_end(const struct tableau *scheme) {
    for (int i = 0; i < scheme->stages; i++) {
        if (scheme->c[i].p != scheme->c[i].q) {
            continue;
        }
        bool used = scheme->bv[i] != 0;
        for (int j = i + 1; j < scheme->stages; j++) {
            used = used || scheme->av[j][i] != 0;
        }
        if (used) {
            return true;
        }
    }
    return false;
}

struct order_expectation order_expected(const struct tableau *scheme, bool kinked, bool aligned,
                                        int pieces, enum edge edge) {
    if (scheme->order > 1 && !aligned) {
        return (struct order_expectation){1, "the weights jump inside steps"};
    }
    if (scheme->order > 1 && edge == EDGE_CLOSED && pieces > 1 && reads_end(scheme)) {
        return (struct order_expectation){1, "stages at the end of a step read the next weights"};
    }
    if (scheme->order > 2 && kinked) {
        return (struct order_expectation){2, "the activation has a kink"};
    }
    return (struct order_expectation){scheme->order, ""};
}

bool order_confirmed(const struct order_fit *fit, const struct order_expectation *expected,
                     const struct tableau *scheme) {
    if (fit->status != ORDER_FITTED) {
        return false;
    }
    const double slack = fmax(slope_tolerance, fmin(fit->interval, slope_tolerance_most));
    const double least = expected->order - slack, most = scheme->order + slack;
    const double finest = fit->local[fit->first + fit->count - 2];
    return (fit->slope >= least && fit->slope <= most) || (finest >= least && finest <= most);
}

int order_sentence(const struct order_fit *fit, const double *h, int count, char *text,
                   size_t size) {
    char left_out[64] = "";
    if (fit->floored > 0) {
        (void)snprintf(left_out, sizeof left_out, "; %d of %d at the floor", fit->floored, count);
    }
    switch (fit->status) {
    case ORDER_FITTED:
        return snprintf(text, size, "order %.2f +- %.2f over %d grids, h = %.3g to %.3g%s",
                        fit->slope, fit->interval, fit->count, h[fit->first],
                        h[fit->first + fit->count - 1], left_out);
    case ORDER_FEW:
        return snprintf(text, size, "no order: %d grids are fewer than %d", count, WINDOW_LEAST);
    case ORDER_FLOOR:
        return snprintf(text, size,
                        "no order: %d of %d errors stand at the floor; take fewer steps",
                        fit->floored, count);
    case ORDER_DIVERGED:
        return snprintf(text, size, "no order: the solution is not finite; take more steps");
    case ORDER_BENT:
        return snprintf(text, size,
                        "no order: no %d neighbouring grids agree on a slope; take more steps%s",
                        WINDOW_LEAST, left_out);
    }
    return 0;
}
