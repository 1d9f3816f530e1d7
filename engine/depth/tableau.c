#include "depth/tableau.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"
#include "depth/condition.h"

enum { SCHEMES_MAX = 128, NAME_SIZE = 32 };

/* A rational on the way: what does not fit is marked, not wrapped. */
struct wide {
    __int128 p, q;
    bool overflow;
};

static __int128 gcd(__int128 a, __int128 b) {
    a = a < 0 ? -a : a;
    while (b) {
        const __int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct wide add(struct wide x, struct rational y) {
    const __int128 common = gcd(x.q, y.q);
    const __int128 x_factor = y.q / common, y_factor = x.q / common;
    __int128 left, right;
    struct wide sum = {.overflow = x.overflow};
    sum.overflow |= __builtin_mul_overflow(x.p, x_factor, &left);
    sum.overflow |= __builtin_mul_overflow(y_factor, (__int128)y.p, &right);
    sum.overflow |= __builtin_add_overflow(left, right, &sum.p);
    sum.overflow |= __builtin_mul_overflow(x.q, x_factor, &sum.q);
    if (sum.overflow) {
        return (struct wide){.q = 1, .overflow = true};
    }
    const __int128 shared = gcd(sum.p, sum.q);
    sum.p /= shared;
    sum.q /= shared;
    return sum;
}

/* Brings x to lowest terms with q > 0; 0/0 is an entry nobody gave. False when only q is 0 or the
 * sign cannot be moved. */
static bool normalise(struct rational *x) {
    if (x->q == 0) {
        x->q = 1;
        return x->p == 0;
    }
    if (x->q == INT64_MIN || x->p == INT64_MIN) {
        return false;
    }
    const int64_t shared = (int64_t)gcd(x->p, x->q < 0 ? -x->q : x->q);
    x->p /= x->q < 0 ? -shared : shared;
    x->q = (x->q < 0 ? -x->q : x->q) / shared;
    return true;
}

/* Integers up to 2^53 are exact doubles, so that their quotient is rounded once. */
static double value(struct rational x) {
    const int64_t exact = (int64_t)1 << 53;
    if (x.p <= exact && x.p >= -exact && x.q <= exact) {
        return (double)x.p / (double)x.q;
    }
    return (double)((long double)x.p / (long double)x.q);
}

static bool is_zero(struct rational x) {
    return x.p == 0;
}

static bool are_equal(struct rational x, struct rational y) {
    return x.p == y.p && x.q == y.q;
}

static bool normalise_coefficients(struct tableau *tableau, struct error *error) {
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        for (int j = 0; j < TABLEAU_STAGES_MAX; j++) {
            if (!normalise(&tableau->a[i][j])) {
                return error_set(
                    error, ERROR_VALUE,
                    "scheme \"%s\": a[%d][%d] has the denominator 0, or a number beyond "
                    "64 bits",
                    tableau->name, i + 1, j + 1);
            }
            if (j >= i && !is_zero(tableau->a[i][j])) {
                return error_set(
                    error, ERROR_VALUE,
                    "scheme \"%s\" is not explicit: a[%d][%d] is %lld/%lld; on and above "
                    "the diagonal a must be 0",
                    tableau->name, i + 1, j + 1, (long long)tableau->a[i][j].p,
                    (long long)tableau->a[i][j].q);
            }
        }
        if (!normalise(&tableau->b[i])) {
            return error_set(
                error, ERROR_VALUE,
                "scheme \"%s\": b[%d] has the denominator 0, or a number beyond 64 bits",
                tableau->name, i + 1);
        }
    }
    for (int i = tableau->stages; i < TABLEAU_STAGES_MAX; i++) {
        bool empty = is_zero(tableau->b[i]);
        for (int j = 0; j < i; j++) {
            empty = empty && is_zero(tableau->a[i][j]);
        }
        if (!empty) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\" has %d stages but coefficients of stage %d",
                             tableau->name, tableau->stages, i + 1);
        }
    }
    return true;
}

static bool derive_abscissae(struct tableau *tableau, struct error *error) {
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        struct wide sum = {.q = 1};
        for (int j = 0; j < i; j++) {
            sum = add(sum, tableau->a[i][j]);
        }
        if (sum.overflow || sum.p > INT64_MAX || sum.p < -INT64_MAX || sum.q > INT64_MAX) {
            return error_set(error, ERROR_VALUE,
                             "scheme \"%s\": the sum of row %d of a is a fraction beyond 64 bits; "
                             "give coefficients with a smaller common denominator",
                             tableau->name, i + 1);
        }
        tableau->c[i] = (struct rational){(int64_t)sum.p, (int64_t)sum.q};
    }
    return true;
}

/* Whether the last stage is the state at the end of the step, so that its slope is the first of the
 * next step. */
static bool has_fsal(const struct tableau *tableau) {
    const int last = tableau->stages - 1;
    bool fsal = last > 0 && is_zero(tableau->b[last]);
    for (int j = 0; j < last; j++) {
        fsal = fsal && are_equal(tableau->a[last][j], tableau->b[j]);
    }
    return fsal;
}

static int order_with(const struct tableau *tableau, const struct rational *b) {
    struct tableau other = *tableau;
    memcpy(other.b, b, sizeof other.b);
    int failing;
    return condition_order(&other, &failing);
}

/* The order at every theta: the weights of each power of theta are the conditions' own. */
static int interpolant_order(const struct tableau *tableau) {
    struct tableau power = *tableau;
    for (int order = 1; order <= TABLEAU_DEGREE_MAX; order++) {
        for (int index = tree_first(order); index < tree_first(order + 1); index++) {
            for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
                for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
                    power.b[i] = tableau->weights[i][k];
                }
                const double right =
                    k + 1 == order ? 1 / (double)tree_at(index)->gamma : 0;
                if (fabs(condition_weight(&power, index) - right) > 1e-14) {
                    return order - 1;
                }
            }
        }
    }
    return TABLEAU_DEGREE_MAX;
}

static bool complete_embedded(struct tableau *tableau, struct error *error) {
    while (tableau->error_count < TABLEAU_ERRORS_MAX &&
           tableau->error[tableau->error_count].source) {
        struct tableau_error *const embedded = &tableau->error[tableau->error_count++];
        for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
            const struct rational hat = embedded->bhat[i];
            if (!normalise(&embedded->bhat[i])) {
                return error_set(error, ERROR_VALUE,
                                 "scheme \"%s\": bhat[%d] is %lld/%lld", tableau->name, i + 1,
                                 (long long)hat.p, (long long)hat.q);
            }
            const struct wide e = add((struct wide){tableau->b[i].p, tableau->b[i].q, false},
                                      (struct rational){-embedded->bhat[i].p, embedded->bhat[i].q});
            embedded->e[i] = (double)((long double)e.p / (long double)e.q);
        }
        embedded->order = order_with(tableau, embedded->bhat);
    }
    return true;
}

/* Follows R(z) = sum of the tall trees' weights times z^k to the left until it leaves the unit
 * disc. */
static double real_interval(const struct tableau *tableau) {
    const double step = 1e-4;
    double weight[TABLEAU_STAGES_MAX];
    for (int k = 1; k <= tableau->stages && k <= TREE_ORDER_MAX; k++) {
        weight[k - 1] = condition_weight(tableau, tree_first(k));
    }
    for (int n = 1; n < 1000000; n++) {
        double sum = 1, power = 1;
        for (int k = 1; k <= tableau->stages && k <= TREE_ORDER_MAX; k++) {
            power *= -n * step;
            sum += power * weight[k - 1];
        }
        if (fabs(sum) > 1 + 1e-9) {
            return (n - 1) * step;
        }
    }
    return INFINITY;
}

bool tableau_complete(struct tableau *tableau, struct error *error) {
    assert(tableau->name && tableau->source);
    if (tableau->stages < 1 || tableau->stages > TABLEAU_STAGES_MAX) {
        return error_set(error, ERROR_VALUE,
                         "scheme \"%s\" has %d stages; it must have between 1 and %d",
                         tableau->name, tableau->stages, TABLEAU_STAGES_MAX);
    }
    if (!normalise_coefficients(tableau, error) || !derive_abscissae(tableau, error)) {
        return false;
    }
    int failing;
    tableau->order = condition_order(tableau, &failing);
    if (tableau->order == 0) {
        return error_set(
            error, ERROR_VALUE,
            "scheme \"%s\" is not consistent: the sum of b is %.17g and must be exactly 1",
            tableau->name, condition_weight(tableau, 0));
    }
    tableau->fsal = has_fsal(tableau);
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        for (int j = 0; j < TABLEAU_STAGES_MAX; j++) {
            tableau->av[i][j] = value(tableau->a[i][j]);
        }
        tableau->bv[i] = value(tableau->b[i]);
        tableau->cv[i] = value(tableau->c[i]);
        for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
            if (!normalise(&tableau->weights[i][k])) {
                return error_set(error, ERROR_VALUE,
                                 "scheme \"%s\": dense[%d][%d] has the denominator 0",
                                 tableau->name, i + 1, k + 1);
            }
            tableau->dense[i][k] = value(tableau->weights[i][k]);
        }
    }
    tableau->error_count = 0;
    if (!complete_embedded(tableau, error)) {
        return false;
    }
    tableau->dense_order = interpolant_order(tableau);
    if (tableau->order < TREE_ORDER_MAX) {
        tableau->error_norm = condition_error_norm(tableau, tableau->order + 1);
    }
    tableau->stability = real_interval(tableau);
    return true;
}

int tableau_evaluations(const struct tableau *tableau) {
    return tableau->stages - (tableau->fsal ? 1 : 0);
}

/* ---- registry ------------------------------------------------------------------------------ */

#define SCHEME(...) {__VA_ARGS__},
static struct tableau built_in[] = {
#include "depth/schemes.def"
};
#undef SCHEME

enum { BUILT_IN = sizeof built_in / sizeof *built_in };

/* Entries never change and never go; the count grows after its entry stands. */
static const struct tableau *schemes[SCHEMES_MAX];
static atomic_int scheme_count;
static pthread_once_t completed = PTHREAD_ONCE_INIT;
static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;

static void complete_built_in(void) {
    for (int i = 0; i < BUILT_IN; i++) {
        struct error error;
        if (!tableau_complete(&built_in[i], &error)) {
            assert(!"a built-in scheme is wrong");
            abort();
        }
        schemes[i] = &built_in[i];
    }
    atomic_store(&scheme_count, BUILT_IN);
}

int tableau_count(void) {
    (void)pthread_once(&completed, complete_built_in);
    return atomic_load(&scheme_count);
}

const struct tableau *tableau_at(int index) {
    assert(index >= 0 && index < tableau_count());
    return schemes[index];
}

static const struct tableau *lookup(const char *name) {
    const int count = tableau_count();
    for (int i = 0; i < count; i++) {
        if (strcmp(schemes[i]->name, name) == 0) {
            return schemes[i];
        }
    }
    return NULL;
}

const struct tableau *tableau_find(const char *name, struct error *error) {
    const struct tableau *const found = lookup(name);
    if (found) {
        return found;
    }
    const char *names[SCHEMES_MAX];
    const int count = tableau_count();
    for (int i = 0; i < count; i++) {
        names[i] = schemes[i]->name;
    }
    char quoted[TEXT_QUOTE_SIZE], list[240];
    (void)text_quote(quoted, name);
    const char *const nearest = option_nearest(name, names, count);
    if (nearest) {
        (void)error_set(error, ERROR_VALUE,
                        "scheme %s does not exist; nearest is \"%s\" (see cn.ode.schemes())",
                        quoted, nearest);
    } else {
        (void)error_set(error, ERROR_VALUE,
                        "scheme %s does not exist; there are %s (see cn.ode.schemes())", quoted,
                        text_list(list, sizeof list, names, count));
    }
    return NULL;
}

static bool is_name(const char *name) {
    const size_t len = strlen(name);
    bool good = len > 0 && len < NAME_SIZE && !isdigit((unsigned char)name[0]);
    for (size_t i = 0; i < len; i++) {
        good = good && (isalnum((unsigned char)name[i]) || name[i] == '_');
    }
    return good;
}

static bool have_same_coefficients(const struct tableau *x, const struct tableau *y) {
    bool same = x->stages == y->stages;
    for (int i = 0; i < TABLEAU_STAGES_MAX && same; i++) {
        same = are_equal(x->b[i], y->b[i]);
        for (int j = 0; j < i && same; j++) {
            same = are_equal(x->a[i][j], y->a[i][j]);
        }
    }
    return same;
}

static const struct tableau *append(const struct tableau *tableau, struct error *error) {
    const int count = tableau_count();
    if (count == SCHEMES_MAX) {
        (void)error_set(error, ERROR_STATE,
                        "scheme \"%s\": there are %d schemes and no room for more", tableau->name,
                        count);
        return NULL;
    }
    struct tableau *const copy = malloc(sizeof *copy);
    char *const name = strdup(tableau->name), *const source = strdup(tableau->source);
    if (!copy || !name || !source) {
        free(copy);
        free(name);
        free(source);
        (void)error_set(error, ERROR_MEMORY, "no memory for scheme \"%s\"", tableau->name);
        return NULL;
    }
    *copy = *tableau;
    copy->name = name;
    copy->source = source;
    schemes[count] = copy;
    atomic_store(&scheme_count, count + 1);
    return copy;
}

const struct tableau *tableau_register(const struct tableau *tableau, struct error *error) {
    if (!is_name(tableau->name)) {
        char quoted[TEXT_QUOTE_SIZE];
        (void)error_set(
            error, ERROR_VALUE,
            "%s cannot name a scheme; a name is a word of at most %d letters, digits and "
            "underscores",
            text_quote(quoted, tableau->name), NAME_SIZE - 1);
        return NULL;
    }
    assert(tableau->order > 0);
    (void)pthread_mutex_lock(&registering);
    const struct tableau *entry = lookup(tableau->name);
    if (!entry) {
        entry = append(tableau, error);
    } else if (!have_same_coefficients(entry, tableau)) {
        (void)error_set(error, ERROR_VALUE,
                        "scheme \"%s\" exists with other coefficients (%s); choose another name",
                        tableau->name, entry->source);
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&registering);
    return entry;
}
