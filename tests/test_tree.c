#include <criterion/criterion.h>
#include <string.h>

#include "depth/tree.h"

Test(tree, orders_hold_as_many_trees_as_there_are) {
    /* The number of rooted trees, OEIS A000081. */
    static const int known[TREE_ORDER_MAX] = {1, 1, 2, 4, 9, 20, 48, 115, 286, 719};
    for (int order = 1; order <= TREE_ORDER_MAX; order++) {
        cr_expect_eq(tree_first(order + 1) - tree_first(order), known[order - 1]);
        for (int i = tree_first(order); i < tree_first(order + 1); i++) {
            cr_assert_eq(tree_at(i)->order, order);
        }
    }
    cr_expect_eq(tree_first(TREE_ORDER_MAX + 1), TREE_COUNT_MAX);
}

Test(tree, no_tree_occurs_twice) {
    static char text[TREE_COUNT_MAX][TREE_TEXT_SIZE];
    for (int i = 0; i < TREE_COUNT_MAX; i++) {
        cr_assert_lt(tree_text(i, text[i], TREE_TEXT_SIZE), TREE_TEXT_SIZE);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(text[i], text[j]);
        }
    }
}

Test(tree, small_trees_have_their_known_density_and_symmetry) {
    /* Hairer, Norsett, Wanner 1993, table II.2.1. */
    static const struct {
        const char *text;
        int64_t gamma, sigma;
    } known[] = {
        {".", 1, 1},        {"[.]", 2, 1},      {"[[.]]", 6, 1},   {"[.,.]", 3, 2},
        {"[[[.]]]", 24, 1}, {"[[.,.]]", 12, 2}, {"[.,[.]]", 8, 1}, {"[.,.,.]", 4, 6},
    };
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        char text[TREE_TEXT_SIZE];
        (void)tree_text(i, text, sizeof text);
        cr_expect_str_eq(text, known[i].text);
        cr_expect_eq(tree_at(i)->gamma, known[i].gamma, "%s", text);
        cr_expect_eq(tree_at(i)->sigma, known[i].sigma, "%s", text);
    }
}

/* n! / (gamma sigma) counts the ways to grow a tree vertex by vertex; all trees of n vertices
 * together grow in (n - 1)! ways. */
Test(tree, densities_and_symmetries_count_all_growing_trees) {
    int64_t factorial = 1;
    for (int order = 1; order <= TREE_ORDER_MAX; order++) {
        const int64_t ways = factorial; /* (order - 1)! */
        factorial *= order;
        int64_t sum = 0;
        for (int i = tree_first(order); i < tree_first(order + 1); i++) {
            const int64_t product = tree_at(i)->gamma * tree_at(i)->sigma;
            cr_assert_eq(factorial % product, 0);
            sum += factorial / product;
        }
        cr_expect_eq(sum, ways);
    }
}

Test(tree, a_text_that_does_not_fit_is_cut_and_its_length_told) {
    char text[4] = "###";
    cr_expect_eq(tree_text(4, text, sizeof text), 7);
    cr_expect_str_eq(text, "[[[");
    cr_expect_eq(tree_text(4, NULL, 0), 7);
}
