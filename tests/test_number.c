#include <criterion/criterion.h>
#include <string.h>

#include "depth/number.h"

Test(number, fractions_and_decimals_are_numbers_and_nothing_else_is) {
    static const char *const good[] = {"0",    "-7",     "+12",  "1/3", "-22/7",  "0.5",
                                       "-.25", "1.5e-3", "2E+5", "3.",  "007/08", "1e99"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect(number_valid(good[i]), "%s", good[i]);
    }
    static const char *const bad[] = {
        "",      "-",  ".",  "1/0",  "1/",  "/2",  "1/2/3", "1.5/2", "1e",   "1e+",   "e5",
        "1e100", "1 ", " 1", "0x10", "nan", "inf", "1,5",   "--1",   "1/-2", "1/2e3", "1..2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(!number_valid(bad[i]), "%s", bad[i]);
    }
    char text[NUMBER_TEXT_MAX + 1];
    memset(text, '1', sizeof text);
    text[NUMBER_TEXT_MAX] = '\0';
    cr_expect(!number_valid(text));
    text[NUMBER_TEXT_MAX - 1] = '\0';
    cr_expect(number_valid(text));
}

Test(number, decimals_of_more_than_15_digits_are_rounded) {
    static const struct {
        const char *text;
        bool rounded;
    } known[] = {{"0.123456789012345", false},
                 {"0.1234567890123456", true},
                 {"0.000123456789012345", false},
                 {"-12.34567890123456e-7", true},
                 {"1234567890123456789/3", false},
                 {"1234567890123456789", false},
                 {NULL, false},
                 {"1.2345678901234567e30", false}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        cr_expect_eq(number_rounded(known[i].text), known[i].rounded, "%s", known[i].text);
    }
}

static void expect_inside(const char *text, _Float128 value, double radius_most) {
    const struct ball ball = number_ball(text);
    const _Float128 off = ball.mid - value;
    cr_expect(off <= ball.radius && -off <= ball.radius, "%s is off by %g", text, (double)off);
    cr_expect_leq((double)ball.radius, radius_most, "%s: %g", text, (double)ball.radius);
}

Test(number, balls_hold_the_number_and_are_small) {
    expect_inside("1/3", 1 / (_Float128)3, 1e-33);
    expect_inside("-22/7", -22 / (_Float128)7, 1e-32);
    expect_inside("-1.5e-3", -0.0015F128, 1e-35);
    expect_inside("25e2", 2500, 1e-30);
    expect_inside("9007199254740993", 9007199254740993, 1e-17);
    expect_inside(NULL, 0, 0);
    expect_inside("0.3333333333333333333333333333333333333333", 1 / (_Float128)3, 1e-33);
    expect_inside("123456789012345678901234567890123456789012345/"
                  "123456789012345678901234567890123456789012344",
                  1, 1e-30);
    /* Ten units of the last digit given. */
    const struct ball ball = number_ball("0.1234567890123456");
    cr_expect_float_eq((double)ball.radius, 1e-15, 1e-20);
    expect_inside("2.7182818284590452", 2.718281828459045235360287471352662F128, 1.01e-15);
}

Test(number, what_is_done_with_balls_stays_inside) {
    struct ball sum = {0, 0}, product = {1, 0};
    for (int i = 0; i < 99; i++) {
        sum = ball_add(sum, number_ball("1/99"));
        product = ball_multiply(product, number_ball(i % 2 ? "3/7" : "7/3"));
    }
    product = ball_multiply(product, number_ball("3/7"));
    const _Float128 off = sum.mid - 1, rest = product.mid - 1;
    cr_expect(off <= sum.radius && -off <= sum.radius && sum.radius < 1e-31F128);
    cr_expect(rest <= product.radius && -rest <= product.radius && product.radius < 1e-31F128);
    cr_expect_gt((double)sum.radius, 0);
}

Test(number, residues_agree_for_all_ways_to_write_a_number) {
    const uint64_t prime = 4611686018427387847; /* 2^62 - 57 */
    static const char *const ways[][2] = {
        {"1/8", "0.125"},
        {"-3/4", "-75e-2"},
        {"10/30", "1/3"},
        {"1e3", "1000"},
        {"0.0", "0"},
        {"-7/1", "-7"},
        {"12345678901234567890123/2", "6172839450617283945061.5"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        uint64_t x, y;
        cr_assert(number_residue(ways[i][0], prime, &x) && number_residue(ways[i][1], prime, &y));
        cr_expect_eq(x, y, "%s and %s", ways[i][0], ways[i][1]);
    }
    uint64_t third, negative;
    cr_assert(number_residue("1/3", prime, &third) && number_residue("-1/3", prime, &negative));
    cr_expect_eq(residue_multiply(third, 3, prime), 1);
    cr_expect_eq(third + negative, prime);
    cr_expect(!number_residue("1/4611686018427387847", prime, &third));
    cr_expect_eq(residue_power(3, prime - 1, prime), 1);
}

Test(number, denominators_are_known_up_to_63_bits) {
    double bits;
    cr_expect_eq(number_denominator("5/12", &bits), 12);
    cr_expect_eq(number_denominator("-1.5e-3", &bits), 10000);
    cr_expect_eq(number_denominator("15", &bits), 1);
    cr_expect_eq(bits, 0);
    cr_expect_eq(number_denominator("1/9223372036854775807", &bits), INT64_MAX);
    cr_expect_eq(number_denominator("1/9223372036854775808", &bits), 0);
    cr_expect(bits >= 63 && bits < 67);
    cr_expect_eq(number_denominator("1e-30", &bits), 0);
    cr_expect(bits >= 99.6 && bits < 100);
}
