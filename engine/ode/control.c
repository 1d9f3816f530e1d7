#include "ode/control.h"

#include <float.h>
#include <math.h>

const char *const control_names[] = {"i", "pi", "pid", NULL};
const char *const control_norm_names[] = {"rms", "max", NULL};

/* Of Hairer, Norsett and Wanner 1993, section II.4 and the code DOPRI5: a little less than the
 * estimate asks for, and no step more than 10 times or less than a fifth of the one before. */
static const double safety = 0.9, factor_least = 0.2, factor_most = 10;
/* An error that happens to be tiny says little: Hairer's bound on what is remembered. */
static const double remembered_least = 1e-4;

enum { STIFF_STEPS = 15, CALM_STEPS = 6 };
static const double stiff_share = 0.95; /* of the real interval */

double control_norm(enum control_norm norm, ptrdiff_t n, const double *error, const double *y,
                    const double *next, const double *rtol, const double *atol, ptrdiff_t *worst) {
    double sum = 0, most = -1;
    ptrdiff_t largest = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double allowed = atol[i] + rtol[i] * fmax(fabs(y[i]), fabs(next[i]));
        const double part = error[i] == 0 ? 0 : fabs(error[i]) / allowed;
        if (!isfinite(next[i]) || !isfinite(part)) {
            *worst = i;
            return INFINITY;
        }
        if (part > most) {
            most = part;
            largest = i;
        }
        sum += part * part;
    }
    *worst = largest;
    return norm == CONTROL_MAX ? most : sqrt(sum / (double)n);
}

bool control_is_pair(const struct tableau *scheme) {
    return scheme->error_count == 2 && scheme->error[0].order != scheme->error[1].order;
}

int control_exponent(const struct tableau *scheme, int estimate) {
    if (control_is_pair(scheme)) {
        return 2 * (scheme->error[0].order + 1) - (scheme->error[1].order + 1);
    }
    const int embedded = scheme->error[estimate].order;
    return (embedded < scheme->order ? embedded : scheme->order) + 1;
}

double control_pair(double high, double low) {
    return high == 0 ? 0 : high * high / sqrt(high * high + 0.01 * low * low);
}

/* Exponents of the errors of this step and the two before it, times the exponent of the estimate:
 * the elementary controller; Gustafsson 1991; Kennedy, Carpenter and Lewis 2000. */
static const double gains[][3] = {
    [CONTROL_I] = {1, 0, 0}, [CONTROL_PI] = {0.7, -0.4, 0}, [CONTROL_PID] = {0.49, -0.34, 0.10}};

double control_factor(enum control control, int exponent, double error,
                      struct control_memory *memory) {
    if (!(error <= 1)) {
        memory->rejected = true;
        const double factor = isfinite(error) ? safety * pow(error, -1.0 / exponent) : 0;
        return fmax(factor, factor_least);
    }
    const double *gain = gains[control];
    if (memory->last == 0) { /* the first step has no past */
        gain = gains[CONTROL_I];
    } else if (control == CONTROL_PID && memory->before == 0) {
        gain = gains[CONTROL_PI];
    }
    /* what is aimed at is the same for all controllers, an error of safety^exponent; an error of 0
     * counts as one that asks for the longest step */
    const double logs[] = {log(fmax(error, pow(factor_most, -exponent))),
                           gain[1] != 0 ? log(memory->last) : 0,
                           gain[2] != 0 ? log(memory->before) : 0};
    double power = 0;
    for (int i = 0; i < 3; i++) {
        power += gain[i] * (log(safety) - logs[i] / exponent);
    }
    const double most = memory->rejected ? 1 : factor_most;
    memory->before = memory->last;
    memory->last = fmax(error, remembered_least);
    memory->rejected = false;
    return fmin(fmax(exp(power), factor_least), most);
}

/* ---- the first step ------------------------------------------------------------------------ */

static double size_of(enum control_norm norm, ptrdiff_t n, const double *x, const double *less,
                      const double *y, const double *rtol, const double *atol) {
    double sum = 0, most = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double value = x[i] - (less ? less[i] : 0);
        const double part = value == 0 ? 0 : fabs(value) / (atol[i] + rtol[i] * fabs(y[i]));
        sum += part * part;
        most = fmax(most, part);
    }
    return norm == CONTROL_MAX ? most : sqrt(sum / (double)n);
}

double control_trial(enum control_norm norm, ptrdiff_t n, const double *y, const double *f,
                     const double *rtol, const double *atol) {
    const double state = size_of(norm, n, y, NULL, y, rtol, atol);
    const double slope = size_of(norm, n, f, NULL, y, rtol, atol);
    const double trial = 0.01 * state / slope;
    return state < 1e-5 || slope < 1e-5 || !(isfinite(trial) && trial > 0) ? 1e-6 : trial;
}

double control_first(enum control_norm norm, ptrdiff_t n, const double *y, const double *f,
                     const double *f_euler, double trial, int order, const double *rtol,
                     const double *atol) {
    const double slope = size_of(norm, n, f, NULL, y, rtol, atol);
    const double bend = size_of(norm, n, f_euler, f, y, rtol, atol) / trial;
    const double most = fmax(slope, bend);
    const double length =
        most <= 1e-15 ? fmax(1e-6, 1e-3 * trial) : pow(0.01 / most, 1.0 / (order + 1));
    return isfinite(length) && length > 0 ? fmin(100 * trial, length) : trial;
}

double control_least(double t, double t0, double t1) {
    return fmax(16 * DBL_EPSILON * fabs(t), DBL_EPSILON * DBL_EPSILON * fabs(t1 - t0));
}

/* ---- stiffness ----------------------------------------------------------------------------- */

/* The state of stage i, or at the end of the step, is y + h sum_j row(i, j) k_j. */
static double row(const struct tableau *scheme, int i, int j) {
    return i == scheme->stages ? scheme->bv[j] : j < i ? scheme->av[i][j] : 0;
}

static double abscissa(const struct tableau *scheme, int i) {
    return i == scheme->stages ? 1 : scheme->cv[i];
}

bool control_probe(const struct tableau *scheme, struct control_probe *probe) {
    *probe = (struct control_probe){0};
    /* a last stage that is the end of the step stands for it */
    const int count = scheme->stages - (scheme->fsal ? 1 : 0);
    const int end = scheme->stages, last = count - 1;
    if (count < 2) {
        return false;
    }
    int first = -1, second = -1; /* the last two at one time */
    for (int i = 1; i <= count; i++) {
        for (int j = 1; j < i; j++) {
            const int later = i == count ? end : i;
            if (abscissa(scheme, later) == abscissa(scheme, j)) {
                first = j;
                second = later;
            }
        }
    }
    if (first >= 0) {
        probe->slope[second] = 1;
        probe->slope[first] = -1;
    } else {
        const double a = abscissa(scheme, last - 1), b = abscissa(scheme, last);
        if (a == b) {
            return false;
        }
        probe->slope[end] = b - a;
        probe->slope[last] = a - 1;
        probe->slope[last - 1] = 1 - b;
    }
    for (int j = 0; j < scheme->stages; j++) {
        for (int i = 0; i <= end; i++) {
            probe->state[j] += probe->slope[i] == 0 ? 0 : probe->slope[i] * row(scheme, i, j);
        }
    }
    return true;
}

bool control_is_stiff(struct control_stiff *count, double reach, double interval) {
    if (reach > stiff_share * interval) {
        count->calm = 0;
        count->stiff++;
    } else if (count->stiff > 0 && ++count->calm == CALM_STEPS) {
        *count = (struct control_stiff){0, 0};
    }
    return count->stiff >= STIFF_STEPS;
}
