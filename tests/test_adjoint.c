/* Gradients through solutions of a field with parameters, nonlinear and driven by time. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "ode/adjoint.h"

enum { N = 3, COUNT = 2, PARAMETERS = N * N + N };

struct model { /* y' = tanh(A y + b cos(1.7 t)) */
    double theta[PARAMETERS], grads[PARAMETERS];
    int left; /* calls it answers; negative: all */
};

static bool answers(struct model *m) {
    return m->left < 0 || m->left-- > 0;
}

static double inner(const struct model *m, double t, const double *y, int i) {
    double sum = m->theta[N * N + i] * cos(1.7 * t);
    for (int j = 0; j < N; j++) {
        sum += m->theta[N * i + j] * y[j];
    }
    return sum;
}

static bool value(void *context, ptrdiff_t count, const double *t, const double *y, double *dy) {
    for (ptrdiff_t s = 0; s < count; s++) {
        for (int i = 0; i < N; i++) {
            dy[s * N + i] = tanh(inner(context, t[s], y + s * N, i));
        }
    }
    return answers(context);
}

static bool pull(void *context, ptrdiff_t count, const double *t, const double *y, const double *a,
                 double *ybar, double scale) {
    struct model *m = context;
    for (ptrdiff_t s = 0; s < count; s++) {
        memset(ybar + s * N, 0, N * sizeof *ybar);
        for (int i = 0; i < N; i++) {
            const double u = tanh(inner(m, t[s], y + s * N, i)), v = a[s * N + i] * (1 - u * u);
            for (int j = 0; j < N; j++) {
                ybar[s * N + j] += v * m->theta[N * i + j];
                m->grads[N * i + j] += scale * v * y[s * N + j];
            }
            m->grads[N * N + i] += scale * v * cos(1.7 * t[s]);
        }
    }
    return answers(m);
}

static struct model make(void) {
    struct model m = {.left = -1};
    for (int i = 0; i < PARAMETERS; i++) {
        m.theta[i] = rng_normal(3, rng_stream("theta"), (uint64_t)i);
    }
    return m;
}

static const double begin[COUNT * N] = {0.31, -0.72, 1.13, -0.44, 0.91, 0.27};
static const double a1[COUNT * N] = {0.83, -0.29, 0.57, 1.21, -0.64, 0.38};

static struct ode_field field_of(struct model *m) {
    return (struct ode_field){"model", N, value, pull, m};
}

/* a1 . y(t1). */
static double objective(const struct adjoint *adjoint, const double *start) {
    double y1[COUNT * N], sum = 0;
    struct error error;
    cr_assert(adjoint_forward(adjoint, start, y1, &error), "%s", error.text);
    for (int i = 0; i < COUNT * N; i++) {
        sum += a1[i] * y1[i];
    }
    return sum;
}

/* Central differences of a smooth function, extrapolated twice: error about h^6. h is large, since
 * the weights of some schemes are hundreds of either sign and lose as many digits. */
static double difference(const struct adjoint *adjoint, double *at, const double *start) {
    const double kept = *at, h = 8e-3;
    double d[3];
    for (int i = 0; i < 3; i++) {
        const double step = h / (1 << i);
        *at = kept + step;
        const double up = objective(adjoint, start);
        *at = kept - step;
        d[i] = (up - objective(adjoint, start)) / (2 * step);
        *at = kept;
    }
    const double coarse = d[1] + (d[1] - d[0]) / 3, fine = d[2] + (d[2] - d[1]) / 3;
    return fine + (fine - coarse) / 15;
}

Test(adjoint, the_discrete_gradient_equals_finite_differences_for_every_scheme) {
    for (int k = 0; k < tableau_count(); k++) {
        struct model m = make();
        const struct ode_field field = field_of(&m);
        const struct adjoint adjoint = {&field, tableau_at(k), 0.2, 1.5, 7, COUNT};
        double y1[COUNT * N], a0[COUNT * N], start[COUNT * N];
        struct error error;
        cr_assert(adjoint_discrete(&adjoint, ADJOINT_STORED, begin, a1, y1, a0, &error), "%s",
                  error.text);
        memcpy(start, begin, sizeof start);
        for (int i = 0; i < COUNT * N; i++) {
            const double found = difference(&adjoint, &start[i], start);
            cr_assert_float_eq(a0[i], found, 1e-9 * fmax(1, fabs(found)), "%s, y0[%d]: %g",
                               tableau_at(k)->name, i, a0[i] - found);
        }
        for (int i = 0; i < PARAMETERS; i++) {
            const double found = difference(&adjoint, &m.theta[i], begin);
            cr_assert_float_eq(m.grads[i], found, 1e-9 * fmax(1, fabs(found)), "%s, %d: %g",
                               tableau_at(k)->name, i, m.grads[i] - found);
        }
    }
}

Test(adjoint, stages_computed_again_give_the_same_bits) {
    for (int k = 0; k < tableau_count(); k++) {
        struct model one = make(), other = make();
        const struct ode_field field = field_of(&one), again = field_of(&other);
        const struct adjoint stored = {&field, tableau_at(k), 0, 2, 11, COUNT};
        const struct adjoint recomputed = {&again, tableau_at(k), 0, 2, 11, COUNT};
        double y1[2][COUNT * N], a0[2][COUNT * N];
        struct error error;
        cr_assert(adjoint_discrete(&stored, ADJOINT_STORED, begin, a1, y1[0], a0[0], &error));
        cr_assert(
            adjoint_discrete(&recomputed, ADJOINT_RECOMPUTED, begin, a1, y1[1], a0[1], &error));
        cr_assert_arr_eq(y1[0], y1[1], sizeof y1[0]);
        cr_assert_arr_eq(a0[0], a0[1], sizeof a0[0]);
        cr_assert_arr_eq(one.grads, other.grads, sizeof one.grads);
    }
}

/* |continuous - discrete| over both gradients, with `steps` steps. */
static double apart(const struct tableau *scheme, ptrdiff_t steps) {
    struct model one = make(), other = make();
    const struct ode_field field = field_of(&one), reverse = field_of(&other);
    const struct adjoint discrete = {&field, scheme, 0, 2, steps, COUNT};
    const struct adjoint continuous = {&reverse, scheme, 0, 2, steps, COUNT};
    double y1[COUNT * N], back[COUNT * N], a0[2][COUNT * N], sum = 0;
    struct error error;
    cr_assert(adjoint_discrete(&discrete, ADJOINT_RECOMPUTED, begin, a1, y1, a0[0], &error));
    cr_assert(adjoint_continuous(&continuous, y1, a1, back, a0[1], &error));
    for (int i = 0; i < COUNT * N; i++) {
        sum += pow(a0[0][i] - a0[1][i], 2);
    }
    for (int i = 0; i < PARAMETERS; i++) {
        sum += pow(one.grads[i] - other.grads[i], 2);
    }
    return sqrt(sum);
}

Test(adjoint, the_continuous_gradient_converges_to_the_discrete_one_with_the_scheme_s_order) {
    static const struct {
        const char *name;
        ptrdiff_t steps;
        int more; /* of heun2 the terms of order 2 are the same and cancel */
    } rows[] = {{"euler", 512, 0}, {"midpoint", 128, 0}, {"heun2", 128, 1},  {"kutta3", 64, 0},
                {"bs32", 64, 0},   {"rk4", 32, 0},       {"rk4_38", 32, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tableau *const scheme = tableau_find(rows[i].name, NULL);
        double error[5];
        for (int k = 0; k < 5; k++) {
            error[k] = apart(scheme, rows[i].steps << k);
        }
        const double slope = log2(error[0] / error[4]) / 4;
        cr_assert_float_eq(slope, scheme->order + rows[i].more, 0.1, "%s: %.3f (%.2e .. %.2e)",
                           rows[i].name, slope, error[0], error[4]);
    }
}

Test(adjoint, going_back_comes_back_to_the_beginning) {
    struct model m = make();
    const struct ode_field field = field_of(&m);
    const struct adjoint adjoint = {&field, tableau_find("rk4", NULL), 0.3, 1.9, 200, COUNT};
    double y1[COUNT * N], back[COUNT * N], a0[COUNT * N];
    struct error error;
    cr_assert(adjoint_forward(&adjoint, begin, y1, &error));
    cr_assert(adjoint_continuous(&adjoint, y1, a1, back, a0, &error));
    for (int i = 0; i < COUNT * N; i++) {
        cr_assert_float_eq(back[i], begin[i], 1e-9);
    }
    const struct adjoint reversed = {&field, adjoint.scheme, 1.9, 0.3, 200, COUNT};
    cr_assert(adjoint_forward(&reversed, y1, back, &error));
    for (int i = 0; i < COUNT * N; i++) {
        cr_assert_float_eq(back[i], begin[i], 1e-9);
    }
}

Test(adjoint, gradients_add_to_what_is_there_and_a_stopped_field_is_an_error) {
    struct model m = make(), twice = make();
    const struct ode_field field = field_of(&m), other = field_of(&twice);
    const struct adjoint adjoint = {&field, tableau_find("rk4", NULL), 0, 1, 4, COUNT};
    const struct adjoint again = {&other, tableau_find("rk4", NULL), 0, 1, 4, COUNT};
    double y1[COUNT * N], a0[COUNT * N];
    struct error error;
    cr_assert(adjoint_discrete(&adjoint, ADJOINT_STORED, begin, a1, y1, a0, &error));
    for (int i = 0; i < 2; i++) {
        cr_assert(adjoint_discrete(&again, ADJOINT_STORED, begin, a1, y1, a0, &error));
    }
    for (int i = 0; i < PARAMETERS; i++) {
        cr_assert_float_eq(twice.grads[i], 2 * m.grads[i], 1e-13);
    }
    for (int left = 0; left < 32; left++) {
        m.left = left; /* 4 steps of 4 stages, forward and back */
        cr_assert_not(adjoint_discrete(&adjoint, ADJOINT_STORED, begin, a1, y1, a0, &error));
        cr_assert(strstr(error.text, "model stopped"), "%s", error.text);
        m.left = left;
        cr_assert_not(adjoint_continuous(&adjoint, y1, a1, y1, a0, &error));
    }
    const struct adjoint huge = {&field, adjoint.scheme, 0, 1, PTRDIFF_MAX / 4, COUNT};
    m.left = 0;
    cr_assert_not(adjoint_discrete(&huge, ADJOINT_STORED, begin, a1, y1, a0, &error));
    cr_assert_eq(error.code, ERROR_MEMORY);
}
