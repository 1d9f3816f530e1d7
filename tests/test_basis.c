#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>

#include "depth/basis.h"

static const struct basis *constant(void) {
    return basis_find("piecewise_constant", NULL);
}

static int cell(int nodes, int step, int steps, struct rational c, enum edge edge) {
    const struct support support = constant()->at(nodes, step, steps, c, edge);
    cr_assert_eq(support.count, 1);
    cr_assert_eq(support.weight[0], 1.0);
    return support.node[0];
}

static const struct rational abscissae[] = {{0, 1},   {1, 2}, {1, 3}, {2, 3}, {3, 4},
                                            {12, 13}, {8, 9}, {1, 4}, {1, 1}};
enum { ABSCISSAE = sizeof abscissae / sizeof *abscissae };

/* By comparing fractions alone: cell k is the last whose left end k/K is not above the depth
 * (open at c = 1: the last whose left end is below it). */
static int searched_cell(int nodes, int step, int steps, struct rational c, enum edge edge) {
    const long long above = step * c.q + c.p, below = steps * c.q;
    int found = 0;
    for (int k = 0; k < nodes; k++) {
        const long long left = k * below, depth = above * nodes;
        if (left < depth || (left == depth && !(c.p == c.q && edge == EDGE_OPEN))) {
            found = k;
        }
    }
    return found;
}

Test(basis, cells_are_those_found_by_comparing_fractions) {
    for (int nodes = 1; nodes <= 40; nodes++) {
        for (int steps = 1; steps <= 48; steps++) {
            for (int step = 0; step < steps; step++) {
                for (int i = 0; i < ABSCISSAE; i++) {
                    for (int edge = EDGE_OPEN; edge <= EDGE_CLOSED; edge++) {
                        const int got = cell(nodes, step, steps, abscissae[i], (enum edge)edge);
                        cr_assert_eq(
                            got, searched_cell(nodes, step, steps, abscissae[i], (enum edge)edge));
                    }
                }
            }
        }
    }
}

Test(basis, an_aligned_step_reads_its_own_cell_at_every_stage_when_open) {
    for (int nodes = 1; nodes <= 128; nodes++) {
        for (int pieces = 1; pieces <= 3; pieces++) {
            const int steps = nodes * pieces;
            for (int step = 0; step < steps; step++) {
                for (int i = 0; i < ABSCISSAE; i++) {
                    cr_assert_eq(cell(nodes, step, steps, abscissae[i], EDGE_OPEN), step / pieces);
                }
                const int end = cell(nodes, step, steps, (struct rational){1, 1}, EDGE_CLOSED);
                const int next = (step + 1) / pieces;
                cr_assert_eq(end, next < nodes ? next : nodes - 1);
            }
        }
    }
}

Test(basis, the_largest_numbers_do_not_overflow) {
    const struct rational late = {INT64_MAX - 1, INT64_MAX}, early = {1, INT64_MAX};
    const int most = INT_MAX;
    for (int edge = EDGE_OPEN; edge <= EDGE_CLOSED; edge++) {
        cr_expect_eq(cell(most, most - 1, most, late, (enum edge)edge), most - 1);
        cr_expect_eq(cell(most, most - 1, most, early, (enum edge)edge), most - 1);
        cr_expect_eq(cell(most, 0, 1, late, (enum edge)edge), most - 1);
        cr_expect_eq(cell(most, 0, 1, early, (enum edge)edge), 0);
        cr_expect_eq(cell(1, most - 1, most, late, (enum edge)edge), 0);
    }
}

Test(basis, abscissae_outside_the_step_read_where_they_are_and_stay_inside_the_block) {
    cr_expect_eq(cell(4, 0, 4, (struct rational){-1, 2}, EDGE_OPEN), 0);
    cr_expect_eq(cell(4, 2, 4, (struct rational){-1, 2}, EDGE_OPEN), 1);
    cr_expect_eq(cell(4, 2, 4, (struct rational){3, 2}, EDGE_OPEN), 3);
    cr_expect_eq(cell(4, 3, 4, (struct rational){3, 2}, EDGE_OPEN), 3);
}

Test(basis, steps_align_when_they_are_a_multiple_of_the_cells) {
    for (int nodes = 1; nodes <= 24; nodes++) {
        for (int steps = 1; steps <= 48; steps++) {
            bool aligned = true; /* by definition: no step starts in one cell and ends in another */
            for (int step = 0; step < steps; step++) {
                aligned =
                    aligned && cell(nodes, step, steps, (struct rational){0, 1}, EDGE_OPEN) ==
                                   cell(nodes, step, steps, (struct rational){1, 1}, EDGE_OPEN);
            }
            cr_assert_eq(basis_aligned(constant(), nodes, steps), aligned);
        }
    }
}

/* ---- what the edge rule is for: x' = theta(t) x, x(0) = 1, theta = 1, -2, 1/2, 3 --------------
 */

static double solve(const struct tableau *scheme, int steps, enum edge edge) {
    static const double theta[4] = {1, -2, 0.5, 3};
    double x = 1;
    for (int step = 0; step < steps; step++) {
        double k[TABLEAU_STAGES_MAX], sum = 0;
        for (int i = 0; i < scheme->stages; i++) {
            double y = x;
            for (int j = 0; j < i; j++) {
                y += scheme->av[i][j] * k[j] / steps;
            }
            k[i] = theta[cell(4, step, steps, scheme->c[i], edge)] * y;
        }
        for (int i = 0; i < scheme->stages; i++) {
            sum += scheme->bv[i] * k[i];
        }
        x += sum / steps;
    }
    return x;
}

/* log2 of the ratio of errors at the coarsest and the finest of the grids, by halving. */
static double observed_order(const char *scheme, int coarsest, int finest, enum edge edge) {
    const struct tableau *const tableau = tableau_find(scheme, NULL);
    const double exact = exp((1 - 2 + 0.5 + 3) / 4);
    const double coarse = fabs(solve(tableau, coarsest, edge) - exact);
    const double fine = fabs(solve(tableau, finest, edge) - exact);
    return log(coarse / fine) / log((double)finest / coarsest);
}

Test(basis, open_edges_keep_the_order_and_closed_ones_lose_it) {
    const struct tableau *const rk4 = tableau_find("rk4", NULL);
    const double exact = exp(0.625);
    /* Known errors of this equation at 4 and 128 steps. */
    cr_expect_float_eq(fabs(solve(rk4, 4, EDGE_OPEN) - exact), 1.3e-3, 5e-5);
    cr_expect_float_eq(fabs(solve(rk4, 128, EDGE_OPEN) - exact), 3.0e-9, 5e-11);
    cr_expect_float_eq(fabs(solve(rk4, 4, EDGE_CLOSED) - exact), 1.2e-1, 5e-3);
    cr_expect_float_eq(fabs(solve(rk4, 128, EDGE_CLOSED) - exact), 4.8e-3, 5e-5);
    const double open = observed_order("rk4", 32, 128, EDGE_OPEN);
    const double closed = observed_order("rk4", 32, 128, EDGE_CLOSED);
    cr_expect_float_eq(open, 3.96, 0.04, "%g", open);
    cr_expect_float_eq(closed, 0.99, 0.02, "%g", closed);
}

Test(basis, schemes_without_a_stage_at_the_end_need_no_edge_rule) {
    static const char *const inner[] = {"euler", "midpoint", "ralston2", "heun3", "ralston3"};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        const struct tableau *const scheme = tableau_find(inner[i], NULL);
        cr_expect_eq(solve(scheme, 12, EDGE_OPEN), solve(scheme, 12, EDGE_CLOSED));
        const double order = observed_order(inner[i], 256, 1024, EDGE_OPEN);
        cr_expect_float_eq(order, scheme->order, 0.1, "%s: %g", inner[i], order);
    }
}

Test(basis, unaligned_steps_lose_the_order_whatever_the_edge) {
    const double order = observed_order("rk4", 33, 4 * 33 - 1, EDGE_OPEN);
    cr_expect_lt(order, 2, "%g", order);
}

Test(basis, unknown_names_and_impossible_node_counts_are_refused) {
    struct error error;
    cr_expect_null(basis_find("piecewise_constnt", &error));
    cr_expect_str_eq(error.text, "basis \"piecewise_constnt\" does not exist; nearest is "
                                 "\"piecewise_constant\"");
    cr_expect_null(basis_find("wavelet", &error));
    cr_expect_str_eq(error.text,
                     "basis \"wavelet\" does not exist; there are \"piecewise_constant\"");
    cr_expect(!constant()->valid(0, &error));
    cr_expect_str_eq(error.text,
                     "basis \"piecewise_constant\" cannot have 0 nodes; it needs at least 1");
    cr_expect(constant()->valid(1, &error));
}
