#include "study/gradient_check.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

struct check {
    const struct gradient_options *options;
    struct net *net; /* a copy, in f64 */
    struct pass *pass;
    double *x; /* (batch, C, H, W) */
    double *r; /* (batch, outputs) */
    ptrdiff_t outputs_len;
    double f; /* r . y, undisturbed */
};

int gradient_rows(const struct net *net) {
    int count = 0;
    for (int p = 0; p < net->parameter_count; p++) {
        count += net->parameters[p].trainable ? 1 : 0;
    }
    return count;
}

static double run(struct check *check) {
    net_touch(check->net);
    const double *y = pass_forward(check->pass, check->x, check->options->batch);
    double sum = 0;
    for (ptrdiff_t i = 0; i < check->outputs_len; i++) {
        sum += check->r[i] * y[i];
    }
    return sum;
}

static bool prepare(struct check *check, const struct net *net, struct error *error) {
    const struct gradient_options *options = check->options;
    const struct pass_options plan = {.batch = options->batch,
                                      .training = options->training,
                                      .gradients = true,
                                      .how = options->how,
                                      .memory = options->memory,
                                      .pool = options->pool};
    check->net = net_clone(net, PRECISION_F64, error);
    if (!check->net) {
        return false;
    }
    const ptrdiff_t len = options->batch * net->input[0] * net->input[1] * net->input[2];
    check->outputs_len = options->batch * net->outputs;
    check->x = calloc((size_t)len, sizeof *check->x);
    check->r = calloc((size_t)check->outputs_len, sizeof *check->r);
    if (!check->x || !check->r) {
        return error_set(error, ERROR_MEMORY, "no memory for %td samples", options->batch);
    }
    for (ptrdiff_t i = 0; i < len; i++) {
        check->x[i] = rng_normal(options->seed, rng_stream("gradient_check.x"), (uint64_t)i);
    }
    for (ptrdiff_t i = 0; i < check->outputs_len; i++) {
        check->r[i] = rng_normal(options->seed, rng_stream("gradient_check.r"), (uint64_t)i);
    }
    check->pass = pass_create(check->net, &plan, error);
    return check->pass != NULL;
}

/* f at the weight moved by `by`; the weight is put back. */
static double moved(struct check *check, double *weight, double by) {
    const double kept = *weight;
    *weight = kept + by;
    const double f = run(check);
    *weight = kept;
    return f;
}

/* Whether f bends sharply inside (w - h, w + h): the one-sided slopes differ by far more than they
 * do for half the interval, as at a kink, instead of shrinking with it. */
static bool is_kink(struct check *check, double *weight, double h, double left, double right,
                    double noise) {
    const double gap = fabs(right - left);
    if (gap <= 1e-5 * fmax(fabs(left), fabs(right)) + 8 * noise) {
        return false;
    }
    const double half_right = (moved(check, weight, h / 2) - check->f) / (h / 2);
    const double half_left = (check->f - moved(check, weight, -h / 2)) / (h / 2);
    const double half_gap = fabs(half_right - half_left);
    return half_gap > 0.75 * gap || half_gap < 0.25 * gap - 8 * noise;
}

static void check_parameter(struct check *check, const struct parameter *parameter,
                            struct gradient_row *row) {
    const struct gradient_options *options = check->options;
    double *values = net_value(check->net, parameter);
    const double *grads = net_grad(check->net, parameter);
    const uint64_t stream = rng_stream(parameter->name);
    double largest = 0;
    for (ptrdiff_t i = 0; i < parameter->len; i++) {
        largest = fmax(largest, fabs(grads[i]));
    }
    *row = (struct gradient_row){.len = parameter->len};
    memcpy(row->name, parameter->name, sizeof row->name);
    const ptrdiff_t wanted = options->entries < parameter->len ? options->entries : parameter->len;
    for (ptrdiff_t n = 0; n < wanted && !(options->stop && *options->stop); n++) {
        /* One entry from each of `wanted` equal stretches: spread, and never the same twice. */
        const ptrdiff_t low = parameter->len * n / wanted, high = parameter->len * (n + 1) / wanted;
        const ptrdiff_t entry =
            low + (ptrdiff_t)rng_below(options->seed, stream, (uint64_t)n, (uint64_t)(high - low));
        const double h = cbrt(DBL_EPSILON) * fmax(1, fabs(values[entry]));
        const double noise = DBL_EPSILON * fmax(1, fabs(check->f)) * 8 / h;
        const double up = moved(check, &values[entry], h), down = moved(check, &values[entry], -h);
        const double right = (up - check->f) / h, left = (check->f - down) / h;
        const double difference = (up - down) / (2 * h);
        if (is_kink(check, &values[entry], h, left, right, noise)) {
            row->kinks++;
            continue;
        }
        const double scale =
            fmax(fmax(fabs(grads[entry]), fabs(difference)), fmax(1e-3 * largest, noise * 1e4));
        const double error = fabs(grads[entry] - difference) / scale;
        row->checked++;
        if (row->checked == 1 || !(error <= row->worst)) {
            row->worst = error;
            row->entry = entry;
            row->exact = grads[entry];
            row->difference = difference;
        }
    }
}

bool gradient_check(const struct net *net, const struct gradient_options *options,
                    struct gradient_row *rows, struct error *error) {
    struct check check = {.options = options};
    bool ok = false;
    assert(options->batch > 0 && options->entries > 0);
    if (!prepare(&check, net, error)) {
        goto done;
    }
    check.f = run(&check);
    check.net->kernels->set(check.net->grads, 0, check.net->trainable_len);
    pass_backward(check.pass, check.r);
    for (int p = 0; p < net->parameter_count; p++) {
        if (check.net->parameters[p].trainable) {
            check_parameter(&check, &check.net->parameters[p], rows++);
        }
    }
    ok = !(options->stop && *options->stop) ||
         error_set(error, ERROR_STATE, "the gradient check was stopped");
done:
    pass_free(check.pass);
    free(check.x);
    free(check.r);
    net_free(check.net);
    return ok;
}
