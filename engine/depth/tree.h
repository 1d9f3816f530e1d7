/* Rooted trees, the index set of Runge-Kutta order conditions (Butcher 1963, "Coefficients for the
 * study of Runge-Kutta integration processes", J. Austral. Math. Soc. 3: 185-201). Generated, never
 * listed: a tree is a smaller tree (left) with one more child grafted to its root (right), and each
 * tree arises once, by its last child. */
#ifndef CONTINUO_DEPTH_TREE_H
#define CONTINUO_DEPTH_TREE_H

#include <stddef.h>
#include <stdint.h>

enum { TREE_ORDER_MAX = 10, TREE_COUNT_MAX = 1205 };

struct tree {
    int order;       /* vertices */
    int left, right; /* indices of smaller trees; -1 for the single vertex */
    int repeats;     /* how often `right` hangs from the root */
    int64_t gamma;   /* density: the exact solution's weight is 1/gamma */
    int64_t sigma;   /* symmetry: number of automorphisms */
};

/* All trees up to TREE_ORDER_MAX vertices in ascending order, index 0..TREE_COUNT_MAX-1. */
const struct tree *tree_at(int index);

/* Index of the first tree with `order` vertices, order in 1..TREE_ORDER_MAX + 1. */
int tree_first(int order);

/* Writes the tree as nested brackets, "." a leaf, "[.,[.]]" a root with a leaf and a branch.
 * Returns the length wanted, as snprintf does. */
int tree_text(int index, char *out, size_t size);

enum { TREE_TEXT_SIZE = 32 }; /* holds the text of any tree */

#endif
