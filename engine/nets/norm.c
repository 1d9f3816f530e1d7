/* Batch normalisation, the part that is per channel: statistics to transforms, sums to gradients,
 * running statistics. NUMERICS.md, "Batch normalisation". */
#include "nets/pass.h"

#include <math.h>

static const double norm_epsilon = 1e-5; /* PyTorch's default */

static double *channel_row(const struct pass *pass, int row) {
    return pass->channel + row * pass->channel_stride;
}

static void *cell_value(const struct pass *pass, int parameter, int cell, ptrdiff_t channels) {
    const struct net *net = pass->net;
    return at(pass, net->values, net->parameters[parameter].offset + cell * channels);
}

/* Chunk partials (mean, sum of squared deviations) merged in order (NUMERICS.md eq. 21). */
static void merge_partials(struct pass *pass, ptrdiff_t padded, ptrdiff_t pixels, double *mean,
                           double *square) {
    for (ptrdiff_t c = 0; c < padded; c++) {
        double n = 0.0, m = 0.0, s = 0.0;
        for (int chunk = 0; chunk < pass_chunks(pass); chunk++) {
            ptrdiff_t first, last;
            chunk_range(pass, chunk, &first, &last);
            const double *part = pass->partial + chunk * pass->partial_stride;
            const double added = (double)((last - first) * pixels), delta = part[c] - m;
            m += delta * added / (n + added);
            s += part[padded + c] + delta * delta * n * added / (n + added);
            n += added;
        }
        mean[c] = m;
        square[c] = s;
    }
}

void norm_forward(struct pass *pass, const struct norm *norm, struct norm_state *state, int cell,
                  ptrdiff_t pixels) {
    const struct kernels *k = pass->k;
    const ptrdiff_t n = norm->channels, padded = norm->padded;
    double *mean = channel_row(pass, 0), *var = channel_row(pass, 1), *gamma = channel_row(pass, 2),
           *beta = channel_row(pass, 3), *rstd = channel_row(pass, 4);
    k->to_doubles(gamma, cell_value(pass, norm->gamma, cell, n), n);
    k->to_doubles(beta, cell_value(pass, norm->beta, cell, n), n);
    if (pass->options.training) {
        merge_partials(pass, padded, pixels, mean, var);
        const double count = (double)(pass->count * pixels);
        for (ptrdiff_t c = 0; c < n; c++) {
            state->batch_mean[c] = mean[c];
            state->batch_var[c] = count > 1.0 ? var[c] / (count - 1.0) : 0.0;
            var[c] /= count;
        }
    } else {
        k->to_doubles(mean, cell_value(pass, norm->mean, cell, n), n);
        k->to_doubles(var, cell_value(pass, norm->var, cell, n), n);
    }
    for (ptrdiff_t c = 0; c < padded; c++) { /* padding channels stay zero */
        const bool real = c < n;
        rstd[c] = real ? 1.0 / sqrt(var[c] + norm_epsilon) : 0.0;
        gamma[c] = real ? gamma[c] * rstd[c] : 0.0;
        beta[c] = real ? beta[c] - mean[c] * gamma[c] : 0.0;
        mean[c] = real ? mean[c] : 0.0;
    }
    k->from_doubles(state->scale, gamma, padded);
    k->from_doubles(state->shift, beta, padded);
    k->from_doubles(state->mean, mean, padded);
    k->from_doubles(state->rstd, rstd, padded);
}

static void add_gradient(struct pass *pass, int parameter, int cell, ptrdiff_t n,
                         const double *gradient) {
    const struct net *net = pass->net;
    void *target = at(pass, net->grads, net->parameters[parameter].offset + cell * n);
    double *sum = channel_row(pass, 7);
    pass->k->to_doubles(sum, target, n);
    for (ptrdiff_t c = 0; c < n; c++) {
        sum[c] += gradient[c];
    }
    pass->k->from_doubles(target, sum, n);
}

void norm_backward(struct pass *pass, const struct norm *norm, struct norm_state *state, int cell,
                   ptrdiff_t pixels) {
    const ptrdiff_t padded = norm->padded;
    double *sum_g = channel_row(pass, 0), *sum_gx = channel_row(pass, 1);
    for (ptrdiff_t c = 0; c < padded; c++) {
        sum_g[c] = sum_gx[c] = 0.0;
        for (int chunk = 0; chunk < pass_chunks(pass); chunk++) {
            const double *part = pass->partial + chunk * pass->partial_stride;
            sum_g[c] += part[c];
            sum_gx[c] += part[padded + c];
        }
    }
    add_gradient(pass, norm->beta, cell, norm->channels, sum_g);
    add_gradient(pass, norm->gamma, cell, norm->channels, sum_gx);
    const double share = pass->options.training ? 1.0 / (double)(pass->count * pixels) : 0.0;
    for (ptrdiff_t c = 0; c < padded; c++) {
        sum_g[c] *= share;
        sum_gx[c] *= share;
    }
    pass->k->from_doubles(state->m1, sum_g, padded);
    pass->k->from_doubles(state->m2, sum_gx, padded);
}

/* One EMA step per visit, as separate norms in PyTorch do. NUMERICS.md eq. 24. */
static void move_by_visit(const struct norm *norm, int index, const struct visit *visits,
                          int count, int cell, double *mean, double *var) {
    for (int v = 0; v < count; v++) {
        const struct norm_state *state = &visits[v].norms[index];
        for (ptrdiff_t c = 0; visits[v].cell == cell && c < norm->channels; c++) {
            mean[c] += norm->layer->momentum * (state->batch_mean[c] - mean[c]);
            var[c] += norm->layer->momentum * (state->batch_var[c] - var[c]);
        }
    }
}

/* One step per batch: each visit proposes an EMA step, the proposals are projected onto the basis;
 * for cells that is their mean, of means and of log-variances. NUMERICS.md eq. 26. */
static void move_stateful(const struct norm *norm, int index, const struct visit *visits,
                          int count, int cell, double *mean, double *var) {
    for (ptrdiff_t c = 0; c < norm->channels; c++) {
        double sum = 0.0, log_sum = 0.0;
        int seen = 0;
        for (int v = 0; v < count; v++) {
            if (visits[v].cell == cell) {
                const struct norm_state *state = &visits[v].norms[index];
                sum += mean[c] + norm->layer->momentum * (state->batch_mean[c] - mean[c]);
                log_sum += log(var[c] + norm->layer->momentum * (state->batch_var[c] - var[c]));
                seen++;
            }
        }
        if (seen) {
            mean[c] = sum / seen;
            var[c] = exp(log_sum / seen);
        }
    }
}

void norm_move(struct pass *pass, const struct norm *norm, int index, const struct visit *visits,
               int count) {
    const struct kernels *k = pass->k;
    const ptrdiff_t n = norm->channels;
    double *mean = channel_row(pass, 0), *var = channel_row(pass, 1);
    for (int cell = 0; cell < norm->cells; cell++) {
        k->to_doubles(mean, cell_value(pass, norm->mean, cell, n), n);
        k->to_doubles(var, cell_value(pass, norm->var, cell, n), n);
        const bool visit = norm->layer->update == NORM_VISIT;
        (visit ? move_by_visit : move_stateful)(norm, index, visits, count, cell, mean, var);
        k->from_doubles(cell_value(pass, norm->mean, cell, n), mean, n);
        k->from_doubles(cell_value(pass, norm->var, cell, n), var, n);
    }
}
