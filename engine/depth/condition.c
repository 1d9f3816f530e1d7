/* Exactness without large numbers. gamma Phi - 1 is a rational number N / D with D dividing
 * lcm(b's denominators) * lcm(a's denominators)^(order - 1). If N vanishes modulo distinct primes
 * whose product exceeds |N|, it is zero; if it does not vanish modulo one, it is not. So the
 * conditions are evaluated modulo as many 62-bit primes as the bound on |N| asks for: mostly four
 * or five, and nothing can overflow. Rounded decimals cannot meet a condition exactly: there the
 * weights are computed as balls, which hold what every choice of the unknown digits would give. */
#include "depth/condition.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "depth/number.h"

enum {
    PRIME_BITS = 61, /* each prime is larger than 2^61 */
    COLUMNS_MAX = TABLEAU_DEGREE_MAX,
    TEXTS_MAX = TABLEAU_STAGES_MAX * TABLEAU_STAGES_MAX + TABLEAU_STAGES_MAX * COLUMNS_MAX
};

/* A ball wider than this does not tell an order from the next. */
static const _Float128 radius_most = 1e-9F128;

/* Miller and Rabin with the first twelve primes as bases, which decides below 2^64 (Sorenson and
 * Webster 2015, "Strong pseudoprimes to twelve prime bases"). n is odd and above 37. */
static bool is_prime(uint64_t n) {
    static const uint64_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    const int twos = __builtin_ctzll(n - 1);
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        uint64_t x = residue_power(bases[i], (n - 1) >> twos, n);
        bool passes = x == 1 || x == n - 1;
        for (int k = 1; k < twos && !passes; k++) {
            x = residue_multiply(x, x, n);
            passes = x == n - 1;
        }
        if (!passes) {
            return false;
        }
    }
    return true;
}

static uint64_t prime_below(uint64_t n) {
    do {
        n -= 2;
    } while (!is_prime(n));
    return n;
}

/* ---- the weights of one kind --------------------------------------------------------------- */

/* The weights to check as columns of texts, less those of `minus` where an embedded formula is
 * given by b - bhat. Column k of an interpolant belongs to theta^(k + 1); a step's one column to
 * every order. */
struct columns {
    bool dense;
    int count;
    const char *text[COLUMNS_MAX][TABLEAU_STAGES_MAX];
    const char *minus[TABLEAU_STAGES_MAX];
};

static struct columns columns_of(const struct tableau *tableau, int weights) {
    struct columns columns = {.dense = weights == CONDITION_DENSE, .count = 1};
    if (columns.dense) {
        columns.count = TABLEAU_DEGREE_MAX;
        for (int i = 0; i < tableau->stages; i++) {
            for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
                columns.text[k][i] = tableau->interpolant[i][k];
            }
        }
        return columns;
    }
    assert(weights >= CONDITION_STEP && weights < CONDITION_DENSE);
    memcpy(columns.text[0], tableau->b, sizeof tableau->b);
    if (weights >= CONDITION_EMBEDDED) {
        const struct tableau_error *const embedded = &tableau->error[weights - CONDITION_EMBEDDED];
        if (embedded->by_difference) {
            memcpy(columns.minus, embedded->given, sizeof embedded->given);
        } else {
            memcpy(columns.text[0], embedded->given, sizeof embedded->given);
        }
    }
    return columns;
}

/* What column k must give for a tree, times gamma. */
static int wanted(const struct columns *columns, int k, int order) {
    return !columns->dense || k + 1 == order ? 1 : 0;
}

static bool has_rounded(const struct tableau *tableau, const struct columns *columns) {
    bool rounded = false;
    for (int i = 0; i < tableau->stages; i++) {
        for (int j = 0; j < i; j++) {
            rounded = rounded || number_rounded(tableau->a[i][j]);
        }
        for (int k = 0; k < columns->count; k++) {
            rounded = rounded || number_rounded(columns->text[k][i]);
        }
        rounded = rounded || number_rounded(columns->minus[i]);
    }
    return rounded;
}

/* ---- exact: modulo primes ------------------------------------------------------------------ */

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* log2 of a common multiple of the denominators: each is stripped of what the ones before have in
 * common with it, and the rests are multiplied; those beyond 64 bits are multiplied as they are. */
struct multiple {
    int count;
    int64_t factor[TEXTS_MAX];
    double bits;
};

static void multiple_add(struct multiple *multiple, const char *text) {
    double bits;
    int64_t q = number_denominator(text, &bits);
    if (q == 0) {
        multiple->bits += bits;
        return;
    }
    for (int i = 0; i < multiple->count && q > 1; i++) {
        q /= gcd(multiple->factor[i], q);
    }
    if (q > 1) {
        multiple->factor[multiple->count++] = q;
        multiple->bits += log2((double)q);
    }
}

static double magnitude(const char *text) {
    return fabs((double)number_ball(text).mid);
}

/* What a bound on |N| needs: for a tree of n vertices |Phi| is at most sum |b| (max row sum
 * |a|)^(n - 1), and gamma at most n!. */
struct bound {
    double b_sum, a_row_max; /* of magnitudes; a_row_max at least 1 */
    double b_bits, a_bits;
};

static struct bound bound_of(const struct tableau *tableau, const struct columns *columns) {
    struct multiple a = {.count = 0}, b = {.count = 0};
    struct bound bound = {.a_row_max = 1};
    for (int i = 0; i < tableau->stages; i++) {
        double row = 0;
        for (int j = 0; j < i; j++) {
            multiple_add(&a, tableau->a[i][j]);
            row += magnitude(tableau->a[i][j]);
        }
        bound.a_row_max = fmax(bound.a_row_max, row);
        for (int k = 0; k < columns->count; k++) {
            multiple_add(&b, columns->text[k][i]);
            bound.b_sum += magnitude(columns->text[k][i]);
        }
        multiple_add(&b, columns->minus[i]);
        bound.b_sum += magnitude(columns->minus[i]);
    }
    bound.a_bits = a.bits;
    bound.b_bits = b.bits;
    return bound;
}

/* How many primes exceed |N| for every tree of up to `order` vertices. Eight bits cover the
 * rounding of the bound itself. NUMERICS.md eq. 13. */
static int primes_needed(const struct bound *bound, int order) {
    const int edges = order - 1;
    const double size = log2(tgamma(order + 1) * bound->b_sum + 1) + edges * log2(bound->a_row_max);
    const double bits = size + bound->b_bits + edges * bound->a_bits + 8;
    return (int)(bits / PRIME_BITS) + 1;
}

/* The scheme modulo a prime. */
struct residues {
    uint64_t prime;
    uint64_t a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX];
    uint64_t b[COLUMNS_MAX][TABLEAU_STAGES_MAX];
};

/* False when the prime divides a denominator. */
static bool reduce(const struct tableau *tableau, const struct columns *columns,
                   struct residues *residues) {
    const uint64_t prime = residues->prime;
    bool good = true;
    for (int i = 0; i < tableau->stages; i++) {
        for (int j = 0; j < i; j++) {
            good = number_residue(tableau->a[i][j], prime, &residues->a[i][j]) && good;
        }
        uint64_t minus;
        good = number_residue(columns->minus[i], prime, &minus) && good;
        for (int k = 0; k < columns->count; k++) {
            good = number_residue(columns->text[k][i], prime, &residues->b[k][i]) && good;
            residues->b[k][i] = (residues->b[k][i] + (prime - minus)) % prime;
        }
    }
    return good;
}

/* sum x_j y_j; sixteen products of residues below 2^62 fit 128 bits. */
static uint64_t dot(const uint64_t *x, const uint64_t *y, int count, uint64_t prime) {
    unsigned __int128 sum = 0;
    for (int j = 0; j < count; j++) {
        sum += (unsigned __int128)x[j] * y[j];
    }
    return (uint64_t)(sum % prime);
}

/* The first tree in 0..end-1 whose condition does not hold modulo the prime, or end.
 * phi(t)_i = phi(left)_i * sum_j a_ij phi(right)_j; all ones for the single vertex. */
static int first_failing(const struct residues *residues, const struct columns *columns, int stages,
                         int end) {
    _Static_assert(TABLEAU_STAGES_MAX <= 16, "a sum of products would overflow");
    uint64_t phi[TREE_COUNT_MAX][TABLEAU_STAGES_MAX];
    const uint64_t prime = residues->prime;
    for (int index = 0; index < end; index++) {
        const struct tree *const tree = tree_at(index);
        for (int i = 0; i < stages; i++) {
            phi[index][i] =
                tree->left < 0
                    ? 1
                    : residue_multiply(phi[tree->left][i],
                                       dot(residues->a[i], phi[tree->right], i, prime), prime);
        }
        for (int k = 0; k < columns->count; k++) {
            const uint64_t weight = dot(residues->b[k], phi[index], stages, prime);
            const uint64_t right = (uint64_t)wanted(columns, k, tree->order);
            if (residue_multiply(weight, (uint64_t)tree->gamma, prime) != right) {
                return index;
            }
        }
    }
    return end;
}

static int exact_end(const struct tableau *tableau, const struct columns *columns) {
    const struct bound bound = bound_of(tableau, columns);
    struct residues residues = {.prime = ((uint64_t)1 << 62) - 1}; /* primes are searched below */
    int end = TREE_COUNT_MAX;
    /* The first prime finds where the conditions end; the others prove those before. */
    for (int used = 0; end > 0 && used < primes_needed(&bound, tree_at(end - 1)->order);) {
        residues.prime = prime_below(residues.prime);
        if (reduce(tableau, columns, &residues)) {
            end = first_failing(&residues, columns, tableau->stages, end);
            used++;
        }
    }
    return end;
}

/* ---- to the digits given: balls ------------------------------------------------------------ */

/* The scheme as balls, and phi of all trees up to the last one asked for. */
struct balls {
    int stages, known;
    struct ball a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX];
    struct ball b[COLUMNS_MAX][TABLEAU_STAGES_MAX];
    struct ball phi[TREE_COUNT_MAX][TABLEAU_STAGES_MAX];
};

static void balls_init(struct balls *balls, const struct tableau *tableau,
                       const struct columns *columns) {
    balls->stages = tableau->stages;
    balls->known = 0;
    for (int i = 0; i < tableau->stages; i++) {
        for (int j = 0; j < i; j++) {
            balls->a[i][j] = number_ball(tableau->a[i][j]);
        }
        struct ball minus = number_ball(columns->minus[i]);
        minus.mid = -minus.mid;
        for (int k = 0; k < columns->count; k++) {
            balls->b[k][i] = ball_add(number_ball(columns->text[k][i]), minus);
        }
    }
}

static struct ball ball_dot(const struct ball *x, const struct ball *y, int count) {
    struct ball sum = {0, 0};
    for (int j = 0; j < count; j++) {
        if (x[j].mid != 0 || x[j].radius != 0) {
            sum = ball_add(sum, ball_multiply(x[j], y[j]));
        }
    }
    return sum;
}

static struct ball ball_weight(struct balls *balls, int column, int index) {
    for (; balls->known <= index; balls->known++) {
        const struct tree *const tree = tree_at(balls->known);
        for (int i = 0; i < balls->stages; i++) {
            balls->phi[balls->known][i] =
                tree->left < 0 ? (struct ball){1, 0}
                               : ball_multiply(balls->phi[tree->left][i],
                                               ball_dot(balls->a[i], balls->phi[tree->right], i));
        }
    }
    return ball_dot(balls->b[column], balls->phi[index], balls->stages);
}

static struct ball residual(struct balls *balls, int column, int index, int right) {
    const struct ball weight = ball_weight(balls, column, index);
    const _Float128 gamma = (_Float128)tree_at(index)->gamma;
    return ball_add(weight, (struct ball){-right / gamma, 1e-34F128});
}

static int rounded_end(const struct tableau *tableau, const struct columns *columns) {
    struct balls balls;
    balls_init(&balls, tableau, columns);
    for (int index = 0; index < TREE_COUNT_MAX; index++) {
        for (int k = 0; k < columns->count; k++) {
            const struct ball rest =
                residual(&balls, k, index, wanted(columns, k, tree_at(index)->order));
            const _Float128 size = rest.mid < 0 ? -rest.mid : rest.mid;
            if (size > rest.radius || rest.radius > radius_most) {
                return index;
            }
        }
    }
    return TREE_COUNT_MAX;
}

/* ---- what is asked ------------------------------------------------------------------------- */

int condition_order(const struct tableau *tableau, int weights, int *failing) {
    assert(tableau->stages >= 1 && tableau->stages <= TABLEAU_STAGES_MAX);
    const struct columns columns = columns_of(tableau, weights);
    const int end = has_rounded(tableau, &columns) ? rounded_end(tableau, &columns)
                                                   : exact_end(tableau, &columns);
    *failing = end < TREE_COUNT_MAX ? end : -1;
    return end < TREE_COUNT_MAX ? tree_at(end)->order - 1 : TREE_ORDER_MAX;
}

double condition_weight(const struct tableau *tableau, int weights, int index) {
    assert(weights != CONDITION_DENSE);
    const struct columns columns = columns_of(tableau, weights);
    struct balls balls;
    balls_init(&balls, tableau, &columns);
    return (double)ball_weight(&balls, 0, index).mid;
}

double condition_residual(const struct tableau *tableau, int weights, int index) {
    assert(weights != CONDITION_DENSE);
    const struct columns columns = columns_of(tableau, weights);
    struct balls balls;
    balls_init(&balls, tableau, &columns);
    return (double)residual(&balls, 0, index, 1).mid;
}

double condition_error_norm(const struct tableau *tableau, int order) {
    const struct columns columns = columns_of(tableau, CONDITION_STEP);
    struct balls balls;
    balls_init(&balls, tableau, &columns);
    double sum = 0;
    for (int index = tree_first(order); index < tree_first(order + 1); index++) {
        const double error =
            (double)residual(&balls, 0, index, 1).mid / (double)tree_at(index)->sigma;
        sum += error * error;
    }
    return sqrt(sum);
}

bool condition_require(const struct tableau *tableau, int weights, int order, struct error *error) {
    int failing;
    const int reached = condition_order(tableau, weights, &failing);
    if (reached >= order) {
        return true;
    }
    const char *const part = weights == CONDITION_STEP    ? ""
                             : weights == CONDITION_DENSE ? ", interpolant,"
                                                          : ", embedded formula,";
    if (failing < 0) {
        return error_set(error, ERROR_VALUE,
                         "scheme \"%s\"%s: order %d cannot be checked; conditions are generated up "
                         "to order %d",
                         tableau->name, part, order, TREE_ORDER_MAX);
    }
    char text[TREE_TEXT_SIZE];
    (void)tree_text(failing, text, sizeof text);
    const long long gamma = (long long)tree_at(failing)->gamma;
    if (weights == CONDITION_DENSE) {
        return error_set(error, ERROR_VALUE,
                         "scheme \"%s\"%s has order %d, not %d: the weight of tree %s is not "
                         "theta^%d/%lld",
                         tableau->name, part, reached, order, text, tree_at(failing)->order, gamma);
    }
    return error_set(error, ERROR_VALUE,
                     "scheme \"%s\"%s has order %d, not %d: the weight of tree %s is %.12g and "
                     "should be 1/%lld (off by %.2g)",
                     tableau->name, part, reached, order, text,
                     condition_weight(tableau, weights, failing), gamma,
                     condition_residual(tableau, weights, failing));
}
