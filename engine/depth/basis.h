/* Weights as functions of depth: theta(t) = sum_a phi_a(t) theta_a over the nodes of a basis.
 * A depth is never a float: it is the stage abscissa c = p/q of step i of N (0-based), and the
 * cell it falls into is integer arithmetic (NUMERICS.md eq. 3 to 5). */
#ifndef CONTINUO_DEPTH_BASIS_H
#define CONTINUO_DEPTH_BASIS_H

#include <stdbool.h>

#include "depth/tableau.h"

/* What a stage at c = 1 reads: the left limit of its own step (open, default), or whatever cell
 * begins there (closed, as published implementations do in float32). */
enum edge { EDGE_OPEN, EDGE_CLOSED };
extern const char *const edge_names[]; /* "open", "closed", NULL */

enum { SUPPORT_MAX = 4 };

struct support {
    int count;
    int node[SUPPORT_MAX];
    double weight[SUPPORT_MAX];
};

struct basis {
    const char *name;
    const char *help;
    bool (*valid)(int nodes, struct error *error);
    /* Into how many equal pieces of depth theta is smooth. */
    int (*pieces)(int nodes);
    /* Which nodes theta reads at stage abscissa c of step `step` of `steps`, and how much. A depth
     * outside [0, 1] (c outside [0, 1] in a first or last step) reads the nearest node. */
    struct support (*at)(int nodes, int step, int steps, struct rational c, enum edge edge);
};

const struct basis *basis_find(const char *name, struct error *error);
int basis_count(void);
const struct basis *basis_entry(int index);

/* Whether `steps` steps align with the breakpoints of `nodes` nodes (every step lies in one
 * cell): what the stated order of a scheme needs. NUMERICS.md eq. 6. */
bool basis_aligned(const struct basis *basis, int nodes, int steps);

#endif
