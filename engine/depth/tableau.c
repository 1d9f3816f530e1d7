#include "depth/tableau.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "depth/condition.h"
#include "depth/number.h"

/* ---- what is given ------------------------------------------------------------------------- */

static bool refuse_text(const struct tableau *tableau, const char *where, const char *text,
                        struct error *error) {
    return error_set(error, ERROR_VALUE,
                     "scheme \"%s\": %s is \"%.40s\"; a coefficient is a whole number, a fraction "
                     "such as 1/3 or a decimal such as -1.5e-3",
                     tableau->name, where, text);
}

static bool is_zero(const char *text) {
    return number_ball(text).mid == 0;
}

/* Checks the texts of one list of weights of all stages. */
static bool check_weights(const struct tableau *tableau, const char *name, const char *const *texts,
                          struct error *error) {
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        char where[64];
        (void)snprintf(where, sizeof where, "%s[%d]", name, i + 1);
        if (texts[i] && !number_valid(texts[i])) {
            return refuse_text(tableau, where, texts[i], error);
        }
        if (i >= tableau->stages && !is_zero(texts[i])) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\" has %d stage%s but %s is %s, of stage %d",
                             tableau->name, tableau->stages, tableau->stages == 1 ? "" : "s", where,
                             texts[i], i + 1);
        }
    }
    return true;
}

static bool check_matrix(const struct tableau *tableau, struct error *error) {
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "a[%d]", i + 1);
        for (int j = 0; j < TABLEAU_STAGES_MAX; j++) {
            const char *const text = tableau->a[i][j];
            char where[64];
            (void)snprintf(where, sizeof where, "a[%d][%d]", i + 1, j + 1);
            if (text && !number_valid(text)) {
                return refuse_text(tableau, where, text, error);
            }
            if (j >= i && !is_zero(text)) {
                return error_set(error, ERROR_VALUE,
                                 "scheme \"%s\" is not explicit: %s is %s; on and above the "
                                 "diagonal a must be 0",
                                 tableau->name, where, text);
            }
            if (i >= tableau->stages && !is_zero(text)) {
                return error_set(error, ERROR_VALUE,
                                 "scheme \"%s\" has %d stage%s but %s is %s, of stage %d",
                                 tableau->name, tableau->stages, tableau->stages == 1 ? "" : "s",
                                 where, text, i + 1);
            }
        }
    }
    return true;
}

static bool check_given(const struct tableau *tableau, struct error *error) {
    bool good = check_matrix(tableau, error) && check_weights(tableau, "b", tableau->b, error);
    for (int k = 0; k < TABLEAU_ERRORS_MAX && good; k++) {
        good = check_weights(tableau, tableau->error[k].by_difference ? "e" : "bhat",
                             tableau->error[k].given, error);
    }
    for (int k = 0; k < TABLEAU_DEGREE_MAX && good; k++) {
        const char *column[TABLEAU_STAGES_MAX];
        char name[32];
        (void)snprintf(name, sizeof name, "dense, power %d,", k + 1);
        for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
            column[i] = tableau->interpolant[i][k];
        }
        good = check_weights(tableau, name, column, error);
    }
    return good;
}

/* ---- what follows from it ------------------------------------------------------------------ */

static bool agree(struct ball x, struct ball y) {
    y.mid = -y.mid;
    const struct ball rest = ball_add(x, y);
    return rest.mid <= rest.radius && -rest.mid <= rest.radius;
}

/* The simplest convergent of x's continued fraction that x cannot be told from, or the last one
 * with a denominator up to 2^53: within 2^-53 of x times its own denominator. False when |x| is
 * beyond 2^53. */
static bool nearest_fraction(struct ball x, struct rational *fraction) {
    const _Float128 most = 0x1p53F128, slack = 0x1p-106F128;
    const bool negative = x.mid < 0;
    const _Float128 size = negative ? -x.mid : x.mid;
    _Float128 rest = size;
    int64_t p = 1, q = 0, p_before = 0, q_before = 1;
    while (rest < most) {
        const int64_t whole = (int64_t)rest;
        if ((_Float128)whole * q + q_before > most || (_Float128)whole * p + p_before > most) {
            break;
        }
        const int64_t p_next = whole * p + p_before, q_next = whole * q + q_before;
        p_before = p;
        q_before = q;
        p = p_next;
        q = q_next;
        const _Float128 off = size - (_Float128)p / (_Float128)q;
        if (off <= x.radius + slack && -off <= x.radius + slack) {
            break;
        }
        rest = 1 / (rest - whole);
    }
    *fraction = (struct rational){negative ? -p : p, q};
    return q > 0;
}

static bool derive_abscissae(struct tableau *tableau, struct error *error) {
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        struct ball sum = {0, 0};
        for (int j = 0; j < i; j++) {
            sum = ball_add(sum, number_ball(tableau->a[i][j]));
        }
        tableau->cv[i] = (double)sum.mid;
        if (!nearest_fraction(sum, &tableau->c[i])) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\": the sum of row %d of a is %g; an abscissa must lie "
                             "within +-2^53",
                             tableau->name, i + 1, tableau->cv[i]);
        }
    }
    return true;
}

/* Whether the last stage is the state at the end of the step, so that its slope is the first of the
 * next step. */
static bool has_fsal(const struct tableau *tableau) {
    const int last = tableau->stages - 1;
    bool fsal = last > 0 && is_zero(tableau->b[last]);
    for (int j = 0; j < last; j++) {
        fsal = fsal && agree(number_ball(tableau->a[last][j]), number_ball(tableau->b[j]));
    }
    return fsal;
}

static bool derive_embedded(struct tableau *tableau, struct error *error) {
    int count = 0;
    while (count < TABLEAU_ERRORS_MAX && tableau->error[count].source) {
        struct tableau_error *const embedded = &tableau->error[count];
        bool always_zero = true;
        for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
            struct ball e = number_ball(embedded->given[i]);
            if (!embedded->by_difference) {
                e.mid = -e.mid;
                e = ball_add(number_ball(tableau->b[i]), e);
            }
            embedded->e[i] = e.mid <= e.radius && -e.mid <= e.radius ? 0 : (double)e.mid;
            always_zero = always_zero && embedded->e[i] == 0;
        }
        if (always_zero) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\": the embedded formula is b itself, and its error "
                             "estimate always 0",
                             tableau->name);
        }
        int failing;
        embedded->order = condition_order(tableau, CONDITION_EMBEDDED + count, &failing);
        if (embedded->order == 0) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\": the embedded formula is not consistent: the sum of "
                             "bhat must be 1 and is "
                             "off by %.3g",
                             tableau->name,
                             condition_residual(tableau, CONDITION_EMBEDDED + count, 0));
        }
        count++;
    }
    tableau->error_count = count;
    return true;
}

static bool derive_interpolant(struct tableau *tableau, struct error *error) {
    bool any = false, meets = true;
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        struct ball end = {0, 0};
        for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
            const struct ball power = number_ball(tableau->interpolant[i][k]);
            tableau->dense[i][k] = (double)power.mid;
            any = any || power.mid != 0;
            end = ball_add(end, power);
        }
        meets = meets && agree(end, number_ball(tableau->b[i]));
    }
    tableau->dense_order = 0;
    if (!any) {
        return true;
    }
    int failing;
    tableau->dense_order = condition_order(tableau, CONDITION_DENSE, &failing);
    if (!meets || tableau->dense_order == 0) {
        return error_set(error, ERROR_VALUE, "scheme \"%s\": the interpolant %s", tableau->name,
                         meets ? "is not consistent: its weights must add up to theta"
                               : "does not end in b: at theta = 1 its weights must be b");
    }
    return true;
}

/* R(z) = 1 + sum_k z^k b A^(k-1) 1 at z = -x, by Horner's rule on the stages. */
static double growth(const struct tableau *tableau, double x) {
    double k[TABLEAU_STAGES_MAX], sum = 0;
    for (int i = 0; i < tableau->stages; i++) {
        double y = 1;
        for (int j = 0; j < i; j++) {
            y += tableau->av[i][j] * k[j];
        }
        k[i] = -x * y;
        sum += tableau->bv[i] * k[i];
    }
    return 1 + sum;
}

/* The first x at which |R(-x)| > 1, to a rounding. NUMERICS.md eq. 72. It exists: R is a polynomial
 * of degree 1 to 16 with R(0) = R'(0) = 1, and no such R stays within +-1 beyond 2 16^2. */
static double real_interval(const struct tableau *tableau) {
    const double step = 1e-3, slack = 1e-10;
    double inside = 0;
    while (inside < 2.0 * TABLEAU_STAGES_MAX * TABLEAU_STAGES_MAX &&
           fabs(growth(tableau, inside + step)) <= 1 + slack) {
        inside += step;
    }
    double outside = inside + step;
    while (outside - inside > 1e-12 * outside) {
        const double middle = inside + (outside - inside) / 2;
        if (fabs(growth(tableau, middle)) <= 1 + slack) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return inside;
}

bool tableau_complete(struct tableau *tableau, struct error *error) {
    assert(tableau->name && tableau->source);
    if (tableau->stages < 1 || tableau->stages > TABLEAU_STAGES_MAX) {
        return error_set(error, ERROR_VALUE,
                         "scheme \"%s\" has %d stages; it must have between 1 and %d",
                         tableau->name, tableau->stages, TABLEAU_STAGES_MAX);
    }
    if (!check_given(tableau, error) || !derive_abscissae(tableau, error)) {
        return false;
    }
    int failing;
    tableau->order = condition_order(tableau, CONDITION_STEP, &failing);
    if (tableau->order == 0) {
        return error_set(
            error, ERROR_VALUE,
            "scheme \"%s\" is not consistent: the sum of b must be 1 and is off by %.3g",
            tableau->name, condition_residual(tableau, CONDITION_STEP, 0));
    }
    tableau->fsal = has_fsal(tableau);
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        for (int j = 0; j < TABLEAU_STAGES_MAX; j++) {
            tableau->av[i][j] = (double)number_ball(tableau->a[i][j]).mid;
        }
        tableau->bv[i] = (double)number_ball(tableau->b[i]).mid;
    }
    if (!derive_embedded(tableau, error) || !derive_interpolant(tableau, error)) {
        return false;
    }
    tableau->error_norm = tableau->order < TREE_ORDER_MAX
                              ? condition_error_norm(tableau, tableau->order + 1)
                              : (double)NAN;
    tableau->stability = real_interval(tableau);
    return true;
}

int tableau_evaluations(const struct tableau *tableau) {
    return tableau->stages - (tableau->fsal ? 1 : 0);
}
