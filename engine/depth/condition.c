/* Exactness without large numbers. gamma Phi - 1 is a rational number N / D with D dividing
 * lcm(b's denominators) * lcm(a's denominators)^(order - 1). If N vanishes modulo distinct primes
 * whose product exceeds |N|, it is zero; if it does not vanish modulo one, it is not. So the
 * conditions are evaluated modulo as many 63-bit primes as the bound on |N| asks for: mostly four
 * or five, and nothing can overflow. */
#include "depth/condition.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { PRIME_BITS = 62, DENOMINATORS_MAX = TABLEAU_STAGES_MAX * TABLEAU_STAGES_MAX };

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t prime) {
    return (uint64_t)((unsigned __int128)a * b % prime);
}

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t prime) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            result = multiply(result, base, prime);
        }
        base = multiply(base, base, prime);
    }
    return result;
}

/* Miller and Rabin with the first twelve primes as bases, which decides below 2^64 (Sorenson and
 * Webster 2015, "Strong pseudoprimes to twelve prime bases"). n is odd and above 37. */
static bool is_prime(uint64_t n) {
    static const uint64_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    const int twos = __builtin_ctzll(n - 1);
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        uint64_t x = power(bases[i], (n - 1) >> twos, n);
        bool passes = x == 1 || x == n - 1;
        for (int k = 1; k < twos && !passes; k++) {
            x = multiply(x, x, n);
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

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* log2 of a common multiple of the denominators: each is stripped of what the ones before have in
 * common with it, and the rests are multiplied. */
struct multiple {
    int count;
    int64_t factor[DENOMINATORS_MAX];
    double bits;
};

static void multiple_add(struct multiple *multiple, int64_t q) {
    for (int i = 0; i < multiple->count && q > 1; i++) {
        q /= gcd(multiple->factor[i], q);
    }
    if (q > 1) {
        multiple->factor[multiple->count++] = q;
        multiple->bits += log2((double)q);
    }
}

static double magnitude(struct rational x) {
    return fabs((double)x.p) / (double)x.q;
}

/* What a bound on |N| needs: for a tree of n vertices |Phi| is at most sum |b| (max row sum
 * |a|)^(n - 1), and gamma at most n!. */
struct bound {
    double b_sum, a_row_max; /* of magnitudes; a_row_max at least 1 */
    double b_bits, a_bits;
};

static struct bound bound_of(const struct tableau *tableau) {
    struct multiple a = {.count = 0}, b = {.count = 0};
    struct bound bound = {.a_row_max = 1};
    for (int i = 0; i < tableau->stages; i++) {
        double row = 0;
        for (int j = 0; j < i; j++) {
            multiple_add(&a, tableau->a[i][j].q);
            row += magnitude(tableau->a[i][j]);
        }
        multiple_add(&b, tableau->b[i].q);
        bound.b_sum += magnitude(tableau->b[i]);
        bound.a_row_max = fmax(bound.a_row_max, row);
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
    uint64_t a[TABLEAU_STAGES_MAX][TABLEAU_STAGES_MAX], b[TABLEAU_STAGES_MAX];
};

/* False when the prime divides the denominator. */
static bool reduce(struct rational x, uint64_t prime, uint64_t *residue) {
    const uint64_t q = (uint64_t)x.q % prime;
    const __int128 p = x.p % (__int128)prime;
    *residue =
        multiply((uint64_t)(p < 0 ? p + (__int128)prime : p), power(q, prime - 2, prime), prime);
    return q != 0;
}

static bool reduce_tableau(const struct tableau *tableau, struct residues *residues) {
    bool good = true;
    for (int i = 0; i < tableau->stages; i++) {
        for (int j = 0; j < i; j++) {
            good = reduce(tableau->a[i][j], residues->prime, &residues->a[i][j]) && good;
        }
        good = reduce(tableau->b[i], residues->prime, &residues->b[i]) && good;
    }
    return good;
}

/* The first tree in 0..end-1 whose condition does not hold modulo the prime, or end.
 * phi(t)_i = phi(left)_i * sum_j a_ij phi(right)_j; all ones for the single vertex. */
static int first_failing(const struct residues *residues, int stages, int end) {
    uint64_t phi[TREE_COUNT_MAX][TABLEAU_STAGES_MAX];
    const uint64_t prime = residues->prime;
    for (int index = 0; index < end; index++) {
        const struct tree *const tree = tree_at(index);
        uint64_t weight = 0;
        for (int i = 0; i < stages; i++) {
            phi[index][i] = 1;
            if (tree->left >= 0) {
                uint64_t sum = 0;
                for (int j = 0; j < i; j++) {
                    sum = (sum + multiply(residues->a[i][j], phi[tree->right][j], prime)) % prime;
                }
                phi[index][i] = multiply(phi[tree->left][i], sum, prime);
            }
            weight = (weight + multiply(residues->b[i], phi[index][i], prime)) % prime;
        }
        if (multiply(weight, (uint64_t)tree->gamma, prime) != 1) {
            return index;
        }
    }
    return end;
}

int condition_order(const struct tableau *tableau, int *failing) {
    assert(tableau->stages >= 1 && tableau->stages <= TABLEAU_STAGES_MAX);
    const struct bound bound = bound_of(tableau);
    struct residues residues = {.prime = ((uint64_t)1 << 63) - 1}; /* primes are searched below */
    int end = TREE_COUNT_MAX;
    /* The first prime finds where the conditions end; the others prove those before. */
    for (int used = 0; end > 0 && used < primes_needed(&bound, tree_at(end - 1)->order);) {
        residues.prime = prime_below(residues.prime);
        if (reduce_tableau(tableau, &residues)) {
            end = first_failing(&residues, tableau->stages, end);
            used++;
        }
    }
    *failing = end < TREE_COUNT_MAX ? end : -1;
    return end < TREE_COUNT_MAX ? tree_at(end)->order - 1 : TREE_ORDER_MAX;
}

static void stage_weights(const struct tableau *tableau, int index,
                          long double phi[TABLEAU_STAGES_MAX]) {
    const struct tree *const tree = tree_at(index);
    if (tree->left < 0) {
        for (int i = 0; i < tableau->stages; i++) {
            phi[i] = 1;
        }
        return;
    }
    long double right[TABLEAU_STAGES_MAX];
    stage_weights(tableau, tree->left, phi);
    stage_weights(tableau, tree->right, right);
    for (int i = 0; i < tableau->stages; i++) {
        long double sum = 0;
        for (int j = 0; j < i; j++) {
            const struct rational a = tableau->a[i][j];
            sum += (long double)a.p / (long double)a.q * right[j];
        }
        phi[i] *= sum;
    }
}

static long double weight(const struct tableau *tableau, int index) {
    long double phi[TABLEAU_STAGES_MAX], sum = 0;
    stage_weights(tableau, index, phi);
    for (int i = 0; i < tableau->stages; i++) {
        sum += (long double)tableau->b[i].p / (long double)tableau->b[i].q * phi[i];
    }
    return sum;
}

double condition_weight(const struct tableau *tableau, int index) {
    return (double)weight(tableau, index);
}

double condition_error_norm(const struct tableau *tableau, int order) {
    long double sum = 0;
    for (int index = tree_first(order); index < tree_first(order + 1); index++) {
        const struct tree *const tree = tree_at(index);
        const long double error =
            (weight(tableau, index) - 1 / (long double)tree->gamma) / (long double)tree->sigma;
        sum += error * error;
    }
    return (double)sqrtl(sum);
}

bool condition_require(const struct tableau *tableau, int order, struct error *error) {
    int failing;
    const int reached = condition_order(tableau, &failing);
    if (reached >= order) {
        return true;
    }
    if (failing < 0) {
        return error_set(
            error, ERROR_VALUE,
            "scheme \"%s\": order %d cannot be checked; conditions are generated up to "
            "order %d",
            tableau->name, order, TREE_ORDER_MAX);
    }
    char text[TREE_TEXT_SIZE];
    (void)tree_text(failing, text, sizeof text);
    return error_set(
        error, ERROR_VALUE,
        "scheme \"%s\" has order %d, not %d: the weight of tree %s is %.12g and should "
        "be 1/%lld",
        tableau->name, reached, order, text, condition_weight(tableau, failing),
        (long long)tree_at(failing)->gamma);
}
