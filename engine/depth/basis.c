#include "depth/basis.h"

#include <assert.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"

const char *const edge_names[] = {"open", "closed", NULL};

static bool constant_valid(int nodes, struct error *error) {
    if (nodes < 1) {
        return error_set(error, ERROR_VALUE,
                         "basis \"piecewise_constant\" cannot have %d nodes; it needs at least 1",
                         nodes);
    }
    return true;
}

static int constant_pieces(int nodes) {
    return nodes;
}

/* The depth is (step q + p) / (steps q), so its cell is a quotient of integers; 128 bits hold the
 * products for any int and any c. At c = 1 the open rule asks for the cell that ends there: the
 * largest integer below nodes (step + 1) / steps. NUMERICS.md eq. 4, 5. */
static struct support constant_at(int nodes, int step, int steps, struct rational c,
                                  enum edge edge) {
    assert(nodes > 0 && steps > 0 && step >= 0 && step < steps && c.q > 0);
    __int128 above = (__int128)nodes * ((__int128)step * c.q + c.p);
    const __int128 below = (__int128)steps * c.q;
    if (c.p == c.q && edge == EDGE_OPEN) {
        above -= c.q; /* c = 1/1 in lowest terms; right for any p = q */
    }
    __int128 cell = above / below - (above % below < 0);
    cell = cell < 0 ? 0 : cell > nodes - 1 ? nodes - 1 : cell;
    return (struct support){.count = 1, .node = {(int)cell}, .weight = {1.0}};
}

static const struct basis bases[] = {
    {
        .name = "piecewise_constant",
        .help = "one set of weights per cell of depth, K cells of equal length",
        .valid = constant_valid,
        .pieces = constant_pieces,
        .at = constant_at,
    },
};

int basis_count(void) {
    return (int)(sizeof bases / sizeof *bases);
}

const struct basis *basis_entry(int index) {
    assert(index >= 0 && index < basis_count());
    return &bases[index];
}

const struct basis *basis_find(const char *name, struct error *error) {
    const char *names[sizeof bases / sizeof *bases];
    for (int i = 0; i < basis_count(); i++) {
        names[i] = bases[i].name;
        if (strcmp(bases[i].name, name) == 0) {
            return &bases[i];
        }
    }
    char quoted[TEXT_QUOTE_SIZE], list[160];
    const char *const nearest = option_nearest(name, names, basis_count());
    (void)text_quote(quoted, name);
    (void)error_set(
        error, ERROR_VALUE, "basis %s does not exist; %s %s", quoted,
        nearest ? "nearest is" : "there are",
        text_list(list, sizeof list, nearest ? &nearest : names, nearest ? 1 : basis_count()));
    return NULL;
}

bool basis_aligned(const struct basis *basis, int nodes, int steps) {
    return steps % basis->pieces(nodes) == 0;
}
