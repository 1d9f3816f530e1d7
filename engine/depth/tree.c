#include "depth/tree.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct tree trees[TREE_COUNT_MAX];
static int first[TREE_ORDER_MAX + 2]; /* by order; first[order + 1] is where they end */
static pthread_once_t generated = PTHREAD_ONCE_INIT;

/* Hangs `right` from the root of `left`. Density and symmetry follow Hairer, Norsett, Wanner,
 * Solving Ordinary Differential Equations I, 2nd ed. 1993, section II.2: gamma is the product of
 * the orders of all subtrees, sigma counts equal children at every vertex. NUMERICS.md eq. 11. */
static struct tree graft(int left, int right) {
    const struct tree *const l = &trees[left], *const r = &trees[right];
    struct tree tree = {.order = l->order + r->order, .left = left, .right = right};
    tree.repeats = l->right == right ? l->repeats + 1 : 1;
    tree.gamma = l->gamma / l->order * r->gamma * tree.order;
    tree.sigma = l->sigma * r->sigma * tree.repeats;
    return tree;
}

static void generate(void) {
    trees[0] = (struct tree){.order = 1, .left = -1, .right = -1, .gamma = 1, .sigma = 1};
    first[1] = 0;
    int count = 1;
    for (int order = 2; order <= TREE_ORDER_MAX; order++) {
        first[order] = count;
        for (int left = 0; left < first[order]; left++) {
            const int rest = order - trees[left].order;
            const int end = rest + 1 < order ? first[rest + 1] : first[order];
            for (int right = first[rest]; right < end; right++) {
                /* Children ascend, so that a set of children is met in one order only. */
                if (trees[left].right <= right) {
                    assert(count < TREE_COUNT_MAX);
                    trees[count++] = graft(left, right);
                }
            }
        }
    }
    assert(count == TREE_COUNT_MAX);
    first[TREE_ORDER_MAX + 1] = count;
}

const struct tree *tree_at(int index) {
    (void)pthread_once(&generated, generate);
    assert(index >= 0 && index < TREE_COUNT_MAX);
    return &trees[index];
}

int tree_first(int order) {
    (void)pthread_once(&generated, generate);
    assert(order >= 1 && order <= TREE_ORDER_MAX + 1);
    return first[order];
}

struct sink {
    char *out;
    size_t size;
    int len;
};

static void put(struct sink *sink, char c) {
    if ((size_t)sink->len + 1 < sink->size) {
        sink->out[sink->len] = c;
    }
    sink->len++;
}

static void put_tree(struct sink *sink, int index);

static void put_children(struct sink *sink, int index) {
    const struct tree *const tree = tree_at(index);
    if (tree->left < 0) {
        return;
    }
    if (tree_at(tree->left)->left >= 0) {
        put_children(sink, tree->left);
        put(sink, ',');
    }
    put_tree(sink, tree->right);
}

static void put_tree(struct sink *sink, int index) {
    if (tree_at(index)->left < 0) {
        put(sink, '.');
        return;
    }
    put(sink, '[');
    put_children(sink, index);
    put(sink, ']');
}

int tree_text(int index, char *out, size_t size) {
    struct sink sink = {.out = out, .size = size};
    put_tree(&sink, index);
    if (size > 0) {
        out[(size_t)sink.len < size ? (size_t)sink.len : size - 1] = '\0';
    }
    return sink.len;
}
