#include <criterion/criterion.h>
#include <math.h>

#include "learn/loss.h"
#include "learn_setup.h"

enum { COUNT = 13, CLASSES = 7 };

static double logit(int i, int k) {
    return 4.31 * sin(1.7 * i + 0.93 * k * k) - 0.37 * k;
}

static int32_t label(int i) {
    return (int32_t)((5 * i + 2) % CLASSES);
}

static double target(int i, int k) {
    return 1.19 * cos(0.31 * i - 1.1 * k);
}

/* The definition, in long double: minus the sum over classes of the smoothed label times the log
 * of the softmax. */
static double naive(double smoothing) {
    long double sum = 0;
    for (int i = 0; i < COUNT; i++) {
        long double total = 0;
        for (int k = 0; k < CLASSES; k++) {
            total += expl((long double)logit(i, k));
        }
        for (int k = 0; k < CLASSES; k++) {
            long double share = (long double)smoothing / CLASSES;
            share += k == label(i) ? 1 - (long double)smoothing : 0;
            sum -= share * (logit(i, k) - logl(total));
        }
    }
    return (double)sum;
}

static struct loss make(const struct kernels *kernels, bool regression, double smoothing) {
    return (struct loss){
        .kernels = kernels, .regression = regression, .outputs = CLASSES, .smoothing = smoothing};
}

struct batch {
    double z[COUNT * CLASSES], dz[COUNT * CLASSES]; /* reals of either size fit */
    int32_t labels[COUNT];
    double targets[COUNT * CLASSES];
};

static struct answers fill(struct batch *batch, const struct kernels *kernels) {
    double z[COUNT * CLASSES];
    for (int i = 0; i < COUNT; i++) {
        batch->labels[i] = label(i);
        for (int k = 0; k < CLASSES; k++) {
            z[i * CLASSES + k] = logit(i, k);
            batch->targets[i * CLASSES + k] = target(i, k);
        }
    }
    kernels->from_doubles(batch->z, z, COUNT * CLASSES);
    return (struct answers){.labels = batch->labels, .targets = batch->targets};
}

Test(loss, cross_entropy_is_its_definition_with_and_without_smoothing) {
    static const double smoothings[] = {0, 0.1, 0.73};
    for (int precision = 0; precision < 2; precision++) {
        const struct kernels *kernels;
        for (int t = 0; (kernels = kernels_at((enum precision)precision, t)) != NULL; t++) {
            for (int s = 0; s < 3; s++) {
                struct batch batch;
                struct answers answers = fill(&batch, kernels);
                struct loss loss = make(kernels, false, smoothings[s]);
                double sum = loss_sum(&loss, batch.z, COUNT, &answers, NULL, NULL);
                double tolerance = precision == PRECISION_F64 ? 1e-13 : 1e-6;
                double want = naive(smoothings[s]);
                cr_assert_float_eq(sum, want, tolerance * want, "%s: %.17g, not %.17g",
                                   kernels->name, sum, want);
            }
        }
    }
}

Test(loss, hits_are_counted_and_set_anew) {
    const struct kernels *kernels = kernels_find(PRECISION_F64);
    struct batch batch;
    struct answers answers = fill(&batch, kernels);
    ptrdiff_t want = 0, correct = 999;
    for (int i = 0; i < COUNT; i++) {
        int best = 0;
        for (int k = 1; k < CLASSES; k++) {
            best = logit(i, k) > logit(i, best) ? k : best;
        }
        want += best == label(i);
    }
    struct loss loss = make(kernels, false, 0);
    (void)loss_sum(&loss, batch.z, COUNT, &answers, NULL, &correct);
    cr_assert_eq(correct, want);
    correct = 999;
    loss = make(kernels, true, 0);
    (void)loss_sum(&loss, batch.z, COUNT, &answers, NULL, &correct);
    cr_assert_eq(correct, 0);
}

static void check_gradient(const struct loss *loss) {
    struct batch batch;
    struct answers answers = fill(&batch, loss->kernels);
    (void)loss_sum(loss, batch.z, COUNT, &answers, batch.dz, NULL);
    const double h = 1e-5;
    for (int i = 0; i < COUNT * CLASSES; i++) {
        double z = batch.z[i];
        batch.z[i] = z + h;
        double above = loss_sum(loss, batch.z, COUNT, &answers, NULL, NULL);
        batch.z[i] = z - h;
        double below = loss_sum(loss, batch.z, COUNT, &answers, NULL, NULL);
        batch.z[i] = z;
        /* Truncation h^2 and round-off eps |loss| / h are both near 1e-10. */
        double difference = (above - below) / (2 * h) / COUNT;
        cr_assert_float_eq(batch.dz[i], difference, 1e-9, "%d: %g, not %g", i, batch.dz[i],
                           difference);
    }
}

Test(loss, gradients_of_the_mean_agree_with_central_differences) {
    const struct kernels *kernels = kernels_find(PRECISION_F64);
    for (int regression = 0; regression < 2; regression++) {
        for (int smoothed = 0; smoothed <= 1 - regression; smoothed++) {
            struct loss loss = make(kernels, regression, smoothed ? 0.17 : 0);
            check_gradient(&loss);
        }
    }
}

Test(loss, squared_error_is_the_mean_over_values_summed_over_samples) {
    const struct kernels *kernels = kernels_find(PRECISION_F64);
    struct batch batch;
    struct answers answers = fill(&batch, kernels);
    struct loss loss = make(kernels, true, 0);
    long double want = 0;
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < CLASSES; k++) {
            long double d = (long double)logit(i, k) - (long double)target(i, k);
            want += d * d / CLASSES;
        }
    }
    cr_assert_float_eq(loss_sum(&loss, batch.z, COUNT, &answers, NULL, NULL), (double)want,
                       1e-13 * (double)want);
}

Test(loss, large_outputs_overflow_nothing_and_lost_ones_are_seen) {
    const struct kernels *kernels = kernels_find(PRECISION_F64);
    struct loss loss = make(kernels, false, 0);
    struct batch batch;
    struct answers answers = fill(&batch, kernels);
    batch.z[3] = 5e4;
    cr_assert(isfinite(loss_sum(&loss, batch.z, COUNT, &answers, NULL, NULL)));
    batch.z[3] = NAN;
    cr_assert_not(isfinite(loss_sum(&loss, batch.z, COUNT, &answers, NULL, NULL)));
    (void)fill(&batch, kernels);
    batch.z[CLASSES * (COUNT - 1) + 2] = (double)INFINITY;
    cr_assert_not(isfinite(loss_sum(&loss, batch.z, COUNT, &answers, NULL, NULL)));
}

static void refuses(const char *net_json, struct dataset *data, double smoothing,
                    const char *part) {
    struct net *net = setup_net(net_json);
    struct loss loss;
    struct error error = {0};
    cr_assert_not(loss_init(&loss, net, data, smoothing, &error));
    cr_assert_not_null(strstr(error.text, part), "\"%s\" lacks \"%s\"", error.text, part);
    net_free(net);
}

Test(loss, nets_and_data_that_do_not_fit_are_refused_with_both_shapes) {
    struct dataset *rings = setup_data(SETUP_RINGS);
    refuses("{\"family\":\"mlp\",\"input\":[3],\"outputs\":2}", rings, 0,
            "the net takes samples of 3 x 1 x 1 and data set \"rings\" has 2 x 1 x 1");
    refuses("{\"family\":\"mlp\",\"input\":[2],\"outputs\":5}", rings, 0,
            "the net gives 5 outputs and data set \"rings\" has 2 classes");
    dataset_free(rings);
    static const float values[12] = {0.3f, 0.1f}, targets[6] = {1.5f};
    const ptrdiff_t shape[4] = {6, 2, 1, 1};
    struct error error = {0};
    struct dataset *plane = dataset_from_arrays(values, shape, NULL, 0, targets, 1, 1, 1, &error);
    cr_assert_not_null(plane, "%s", error.text);
    refuses("{\"family\":\"mlp\",\"input\":[2],\"outputs\":1}", plane, 0.1, "label_smoothing");
    refuses("{\"family\":\"mlp\",\"input\":[2],\"outputs\":2}", plane, 0, "1 target values");
    dataset_free(plane);
}
