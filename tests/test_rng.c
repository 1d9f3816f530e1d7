#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

/* The known answers published with Random123 (kat_vectors, philox4x32 10). */
Test(rng, blocks_equal_the_published_answers) {
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        rng_block(known[i].counter, known[i].key, out);
        cr_expect_arr_eq(out, known[i].answer, sizeof out);
    }
}

Test(rng, seed_stream_and_index_each_matter_in_all_their_bits) {
    const uint64_t seed = 0x0123456789ABCDEF, stream = 0xFEDCBA9876543210,
                   index = 0x55AA55AA33CC33CC;
    const uint32_t base = rng_bits(seed, stream, index);
    int equal = 0;
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t flip = (uint64_t)1 << bit;
        equal += rng_bits(seed ^ flip, stream, index) == base;
        equal += rng_bits(seed, stream ^ flip, index) == base;
        equal += rng_bits(seed, stream, index ^ flip) == base;
    }
    cr_expect_eq(equal, 0);
}

/* FNV-1a's published values. */
Test(rng, streams_are_fnv_1a_of_their_names) {
    cr_expect_eq(rng_stream(""), 0xcbf29ce484222325);
    cr_expect_eq(rng_stream("a"), 0xaf63dc4c8601ec8c);
    cr_expect_eq(rng_stream("foobar"), 0x85944171f73967e8);
}

enum { DRAWS = 200000 };

/* Bounds are five standard deviations of each estimate. */
Test(rng, uniform_numbers_have_the_moments_of_the_uniform_distribution) {
    const uint64_t stream = rng_stream("uniform test");
    double sum = 0, square = 0, lag = 0, last = 0.5, least = 1, most = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const double x = rng_uniform(17, stream, i);
        least = fmin(least, x);
        most = fmax(most, x);
        sum += x;
        square += (x - 0.5) * (x - 0.5);
        lag += (x - 0.5) * (last - 0.5);
        last = x;
    }
    const double root = sqrt(DRAWS);
    cr_expect_float_eq(sum / DRAWS, 0.5, 5 * sqrt(1.0 / 12) / root);
    cr_expect_float_eq(square / DRAWS, 1.0 / 12, 5 * sqrt(1.0 / 180) / root);
    cr_expect_float_eq(lag / DRAWS, 0, 5.0 / 12 / root);
    cr_expect(least > 0 && least < 1e-4 && most < 1 && most > 1 - 1e-4);
}

Test(rng, normal_numbers_have_the_moments_of_the_normal_distribution) {
    const uint64_t stream = rng_stream("normal test");
    double moment[5] = {0};
    int beyond = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const double x = rng_normal(29, stream, i);
        double power = 1;
        for (int k = 1; k < 5; k++) {
            power *= x;
            moment[k] += power / DRAWS;
        }
        beyond += fabs(x) > 3;
    }
    const double root = sqrt(DRAWS);
    cr_expect_float_eq(moment[1], 0, 5 / root);
    cr_expect_float_eq(moment[2], 1, 5 * sqrt(2) / root);
    cr_expect_float_eq(moment[3], 0, 5 * sqrt(15) / root);
    cr_expect_float_eq(moment[4], 3, 5 * sqrt(96) / root);
    const double expected = DRAWS * erfc(3 / sqrt(2));
    cr_expect_float_eq(beyond, expected, 5 * sqrt(expected));
}

Test(rng, integers_below_a_bound_are_even_and_reach_both_ends) {
    enum { BELOW = 7 };
    int count[BELOW] = {0};
    for (uint64_t i = 0; i < 70000; i++) {
        const uint64_t x = rng_below(5, 11, i, BELOW);
        cr_assert_lt(x, BELOW);
        count[x]++;
    }
    double chi_square = 0;
    for (int i = 0; i < BELOW; i++) {
        chi_square += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000.0;
    }
    cr_expect_lt(chi_square, 27.9); /* six degrees of freedom, one in ten thousand */
    cr_expect_eq(rng_below(5, 11, 3, 1), 0);
    cr_expect_lt(rng_below(5, 11, 3, UINT64_MAX), UINT64_MAX);
}

Test(rng, a_permutation_holds_every_number_once) {
    static ptrdiff_t order[1001];
    static int seen[1001];
    const ptrdiff_t counts[] = {0, 1, 2, 3, 64, 1001};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (ptrdiff_t i = 0; i < 1001; i++) {
            order[i] = -1;
            seen[i] = 0;
        }
        rng_permutation(3, rng_stream("shuffle"), order, counts[k]);
        for (ptrdiff_t i = 0; i < counts[k]; i++) {
            cr_assert(order[i] >= 0 && order[i] < counts[k]);
            seen[order[i]]++;
        }
        for (ptrdiff_t i = 0; i < 1001; i++) {
            cr_expect_eq(seen[i], i < counts[k]);
            cr_expect(i < counts[k] || order[i] == -1);
        }
    }
}

Test(rng, all_permutations_are_equally_likely) {
    int count[4][4][4] = {{{0}}};
    const int trials = 24000;
    for (int seed = 0; seed < trials; seed++) {
        ptrdiff_t order[4];
        rng_permutation((uint64_t)seed, 99, order, 4);
        count[order[0]][order[1]][order[2]]++;
    }
    double chi_square = 0;
    int kinds = 0;
    for (int i = 0; i < 64; i++) {
        const int n = count[i / 16][i / 4 % 4][i % 4];
        const int a = i / 16, b = i / 4 % 4, c = i % 4;
        if (a == b || b == c || a == c) {
            cr_expect_eq(n, 0);
            continue;
        }
        kinds++;
        chi_square += (n - 1000.0) * (n - 1000.0) / 1000.0;
    }
    cr_expect_eq(kinds, 24);
    cr_expect_lt(chi_square, 56.0); /* 23 degrees of freedom, 1.4 in ten thousand */
}
