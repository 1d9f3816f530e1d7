#include "learn/loss.h"

#include <assert.h>

bool loss_init(struct loss *loss, const struct net *net, const struct dataset *set,
               double smoothing, struct error *error) {
    const ptrdiff_t *want = net->input, *have = set->shape;
    if (want[0] != have[0] || want[1] != have[1] || want[2] != have[2]) {
        return error_set(error, ERROR_VALUE,
                         "the net takes samples of %td x %td x %td and data set \"%s\" has %td x "
                         "%td x %td; build the net with input = {%td, %td, %td}",
                         want[0], want[1], want[2], set->name, have[0], have[1], have[2], have[0],
                         have[1], have[2]);
    }
    bool regression = set->classes == 0;
    if (net->outputs != set->outputs) {
        return error_set(error, ERROR_VALUE,
                         "the net gives %d outputs and data set \"%s\" has %d %s; build the net "
                         "with %d",
                         net->outputs, set->name, set->outputs,
                         regression ? "target values" : "classes", set->outputs);
    }
    if (regression && smoothing > 0) {
        return error_set(error, ERROR_VALUE,
                         "label_smoothing = %g needs labels and data set \"%s\" has targets; leave "
                         "it out",
                         smoothing, set->name);
    }
    *loss = (struct loss){.kernels = net->kernels,
                          .regression = regression,
                          .outputs = net->outputs,
                          .smoothing = smoothing};
    return true;
}

double loss_sum(const struct loss *loss, const void *z, ptrdiff_t count,
                const struct answers *answers, void *dz, ptrdiff_t *correct) {
    ptrdiff_t hits = 0;
    double sum;
    if (loss->regression) {
        assert(answers->targets);
        sum = loss->kernels->squared_error(dz, z, answers->targets, count, loss->outputs);
    } else {
        assert(answers->labels);
        sum = loss->kernels->cross_entropy(dz, z, answers->labels, count, loss->outputs,
                                           loss->smoothing, &hits);
    }
    if (correct) {
        *correct = hits;
    }
    return sum;
}
