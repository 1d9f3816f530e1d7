/* A step length along a direction of descent that meets the strong Wolfe conditions
 *     phi(a) <= phi(0) + c1 a phi'(0),   |phi'(a)| <= c2 |phi'(0)|,
 * by bracketing and zooming (Nocedal, Wright 2006, algorithms 3.5 and 3.6), trial points by the
 * minimum of a cubic (their eq. 3.59) kept away from the ends of the bracket. A value that is not
 * finite counts as too large. NUMERICS.md eq. 113, 114. */
#ifndef CONTINUO_LEARN_LINE_SEARCH_H
#define CONTINUO_LEARN_LINE_SEARCH_H

#include <stdbool.h>

struct line {
    double (*value)(void *context, double at, double *slope); /* phi; sets phi' */
    void *context;
    double value0, slope0; /* phi(0); phi'(0) < 0 */
    double first;          /* the first length to try, > 0 */
    int evaluations;       /* at most, >= 1 */
};

struct line_end {
    double at, value, slope; /* of the best length that is known to decrease enough; 0: none */
    int evaluations;
    bool found;   /* both conditions are met there */
    bool is_last; /* it is where `value` was called last */
};

struct line_end line_search(const struct line *line);

#endif
