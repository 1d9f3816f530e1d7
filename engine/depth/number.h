/* A coefficient as it is published: text, either a whole number, a fraction "p/q" or a decimal
 * "-1.5e-3", of any length. A fraction, or a decimal of at most NUMBER_EXACT_DIGITS significant
 * digits, is meant exactly; a longer decimal is rounded and known to ten units of its last digit,
 * which covers a double printed with 17 digits. NULL is 0. */
#ifndef CONTINUO_DEPTH_NUMBER_H
#define CONTINUO_DEPTH_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 256, NUMBER_EXACT_DIGITS = 15 };

/* A number known to +-radius. Every operation widens the radius by its own rounding, so that what
 * is computed from the exact value lies inside. */
struct ball {
    _Float128 mid, radius;
};

struct ball ball_add(struct ball x, struct ball y);
struct ball ball_multiply(struct ball x, struct ball y);

/* Whether the text is a number of that form: shorter than NUMBER_TEXT_MAX, q > 0, exponent within
 * +-99. The functions below take no other. */
bool number_valid(const char *text);

/* Whether the text is a decimal that was rounded. */
bool number_rounded(const char *text);

struct ball number_ball(const char *text);

/* What the text says modulo a prime below 2^62 (a rounded decimal taken as it stands). False when
 * the prime divides the denominator. */
bool number_residue(const char *text, uint64_t prime, uint64_t *residue);

/* The denominator the text shows (q, or a power of ten): itself where it is below 2^63, else 0, and
 * at most *bits bits in either case. */
int64_t number_denominator(const char *text, double *bits);

/* x y modulo `prime`, and x^exponent. */
uint64_t residue_multiply(uint64_t x, uint64_t y, uint64_t prime);
uint64_t residue_power(uint64_t x, uint64_t exponent, uint64_t prime);

#endif
