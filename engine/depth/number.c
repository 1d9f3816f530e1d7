#include "depth/number.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const _Float128 rounding = 0x1p-112F128; /* twice the unit roundoff of binary128 */

static _Float128 magnitude(_Float128 x) {
    return x < 0 ? -x : x;
}

struct ball ball_add(struct ball x, struct ball y) {
    const _Float128 sum = x.mid + y.mid;
    return (struct ball){sum, x.radius + y.radius + rounding * magnitude(sum)};
}

struct ball ball_multiply(struct ball x, struct ball y) {
    const _Float128 product = x.mid * y.mid;
    return (struct ball){product, magnitude(x.mid) * y.radius + magnitude(y.mid) * x.radius +
                                      x.radius * y.radius + rounding * magnitude(product)};
}

/* Where the parts of a text lie: sign, digits with at most one point, then /digits or an exponent.
 * The value is digits 10^shift / under. */
struct parts {
    bool negative;
    const char *digits, *under; /* under: NULL for 1 */
    int len, under_len;         /* characters, the point included */
    int shift;                  /* exponent less the digits behind the point */
    int significant;
};

static int digits_at(const char *text) {
    int count = 0;
    while (isdigit((unsigned char)text[count])) {
        count++;
    }
    return count;
}

static bool read_exponent(const char **text, int *exponent) {
    const bool negative = (*text)[1] == '-';
    *text += negative || (*text)[1] == '+' ? 2 : 1;
    const int count = digits_at(*text);
    if (count < 1 || count > 2) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        *exponent = 10 * *exponent + ((*text)[i] - '0');
    }
    *exponent = negative ? -*exponent : *exponent;
    *text += count;
    return true;
}

static int significant_digits(const char *digits, int len) {
    int count = 0;
    for (int i = 0; i < len; i++) {
        count += isdigit((unsigned char)digits[i]) && (count > 0 || digits[i] != '0');
    }
    return count;
}

static bool split(const char *text, struct parts *parts) {
    *parts = (struct parts){.negative = text[0] == '-'};
    if (strlen(text) >= NUMBER_TEXT_MAX) {
        return false;
    }
    text += text[0] == '-' || text[0] == '+';
    const int whole = digits_at(text);
    int behind = 0;
    parts->digits = text;
    text += whole;
    const bool point = text[0] == '.';
    if (point) {
        behind = digits_at(text + 1);
        text += 1 + behind;
    }
    parts->len = (int)(text - parts->digits);
    parts->significant = significant_digits(parts->digits, parts->len);
    if (text[0] == '/' && !point) {
        parts->under = text + 1;
        parts->under_len = digits_at(parts->under);
        text = parts->under + parts->under_len;
        if (significant_digits(parts->under, parts->under_len) == 0) {
            return false;
        }
    } else if ((text[0] == 'e' || text[0] == 'E') && !read_exponent(&text, &parts->shift)) {
        return false;
    }
    parts->shift -= behind;
    return whole + behind > 0 && text[0] == '\0';
}

bool number_valid(const char *text) {
    struct parts parts;
    return split(text, &parts);
}

static struct parts parts_of(const char *text) {
    struct parts parts;
    const bool good = split(text, &parts);
    assert(good);
    (void)good;
    return parts;
}

bool number_rounded(const char *text) {
    const struct parts parts = parts_of(text ? text : "0");
    return !parts.under && parts.shift < 0 && parts.significant > NUMBER_EXACT_DIGITS;
}

/* As many digits as fit are exact in 128 bits, and rounded once. */
static struct ball digits_ball(const char *digits, int len) {
    unsigned __int128 exact = 0;
    int i = 0;
    for (; i < len && exact < ((unsigned __int128)1 << 124); i++) {
        if (digits[i] != '.') {
            exact = 10 * exact + (unsigned)(digits[i] - '0');
        }
    }
    const _Float128 nearest = (_Float128)exact;
    struct ball sum = {nearest, exact < ((unsigned __int128)1 << 113) ? 0 : rounding * nearest};
    for (; i < len; i++) {
        if (digits[i] != '.') {
            sum = ball_multiply(sum, (struct ball){10, 0});
            sum = ball_add(sum, (struct ball){digits[i] - '0', 0});
        }
    }
    return sum;
}

static struct ball divide(struct ball x, struct ball y) {
    const _Float128 least = magnitude(y.mid) - y.radius, quotient = x.mid / y.mid;
    return (struct ball){quotient, (x.radius + magnitude(quotient) * y.radius) / least +
                                       rounding * magnitude(quotient)};
}

/* 10^exponent for exponents from 0; up to 48 it is a product of numbers of at most 113 bits. */
static struct ball power_of_ten(int exponent) {
    struct ball power = {1, 0};
    for (int i = 0; i < exponent; i++) {
        power = ball_multiply(power, (struct ball){10, 0});
        power.radius = i < 48 ? 0 : power.radius;
    }
    return power;
}

struct ball number_ball(const char *text) {
    if (!text) {
        return (struct ball){0, 0};
    }
    const struct parts parts = parts_of(text);
    struct ball value = digits_ball(parts.digits, parts.len);
    if (number_rounded(text)) {
        value.radius += 10;
    }
    if (parts.under) {
        value = divide(value, digits_ball(parts.under, parts.under_len));
    } else if (parts.shift < 0) {
        value = divide(value, power_of_ten(-parts.shift));
    } else {
        value = ball_multiply(value, power_of_ten(parts.shift));
    }
    value.mid = parts.negative ? -value.mid : value.mid;
    return value;
}

uint64_t residue_multiply(uint64_t x, uint64_t y, uint64_t prime) {
    return (uint64_t)((unsigned __int128)x * y % prime);
}

uint64_t residue_power(uint64_t x, uint64_t exponent, uint64_t prime) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            result = residue_multiply(result, x, prime);
        }
        x = residue_multiply(x, x, prime);
    }
    return result;
}

static uint64_t digits_residue(const char *digits, int len, uint64_t prime) {
    uint64_t sum = 0;
    for (int i = 0; i < len; i++) {
        if (digits[i] != '.') {
            sum = (residue_multiply(sum, 10, prime) + (uint64_t)(digits[i] - '0')) % prime;
        }
    }
    return sum;
}

bool number_residue(const char *text, uint64_t prime, uint64_t *residue) {
    *residue = 0;
    if (!text) {
        return true;
    }
    const struct parts parts = parts_of(text);
    uint64_t over = digits_residue(parts.digits, parts.len, prime), under = 1;
    if (parts.under) {
        under = digits_residue(parts.under, parts.under_len, prime);
    } else if (parts.shift < 0) {
        under = residue_power(10, (uint64_t)-parts.shift, prime);
    } else {
        over = residue_multiply(over, residue_power(10, (uint64_t)parts.shift, prime), prime);
    }
    over = parts.negative && over > 0 ? prime - over : over;
    *residue = residue_multiply(over, residue_power(under, prime - 2, prime), prime);
    return under != 0;
}

int64_t number_denominator(const char *text, double *bits) {
    const struct parts parts = parts_of(text ? text : "0");
    int64_t denominator = 1;
    bool fits = true;
    const int len = parts.under ? parts.under_len : parts.shift < 0 ? -parts.shift : 0;
    for (int i = 0; i < len; i++) {
        const int digit = parts.under ? parts.under[i] - '0' : 0;
        denominator = parts.under && i == 0 ? 0 : denominator;
        fits = fits && !__builtin_mul_overflow(denominator, (int64_t)10, &denominator) &&
               !__builtin_add_overflow(denominator, (int64_t)digit, &denominator);
    }
    *bits = fits ? log2((double)denominator) : len * log2(10.0);
    return fits ? denominator : 0;
}
