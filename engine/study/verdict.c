#include "study/verdict.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

const char *const finding_names[] = {"pass", "fail", "open", NULL};

__attribute__((format(printf, 2, 3))) static void say(struct finding *finding, const char *format,
                                                      ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

static double accuracy(const struct verdict_score *score) {
    return (double)score->correct / (double)score->count;
}

static const double normal_97_5 = 1.959964; /* 95 % lie within so many deviations */

/* Whether guessing among `classes` explains the score. */
static bool is_guess(const struct verdict_score *score, int classes) {
    const double p = 1.0 / classes;
    return accuracy(score) <= p + normal_97_5 * sqrt(p * (1 - p) / (double)score->count);
}

static double variance(const struct verdict_score *score) {
    const double n = (double)score->count + 2, p = ((double)score->correct + 1) / n;
    return p * (1 - p) / n;
}

double verdict_interval(const struct verdict_score *one, const struct verdict_score *other) {
    assert(one->count > 0 && other->count > 0);
    return normal_97_5 * sqrt(variance(one) + variance(other));
}

static const char *no_order_because(enum order_status status) {
    switch (status) {
    case ORDER_FEW:
        return "too few grids";
    case ORDER_FLOOR:
        return "its errors stand at the floor of round-off";
    case ORDER_DIVERGED:
        return "its solutions are not finite";
    case ORDER_BENT:
        return "its local slopes do not settle; take more steps";
    case ORDER_FITTED:
        break;
    }
    return "";
}

/* Fails by the first scheme that shows a wrong order, passes by one that shows its own. */
static void decide_order(const struct verdict_input *input, struct finding *finding) {
    const struct verdict_order *wrong = NULL, *unknown = NULL, *right = NULL;
    int right_count = 0;
    for (int i = 0; i < input->order_count; i++) {
        const struct verdict_order *const order = &input->orders[i];
        if (order->fit.status != ORDER_FITTED) {
            unknown = unknown ? unknown : order;
        } else if (order_confirmed(&order->fit, &order->expected, order->scheme)) {
            right = order;
            right_count++;
        } else {
            wrong = wrong ? wrong : order;
        }
    }
    if (wrong) {
        finding->state = FINDING_FAIL;
        say(finding, "%s converges with order %.2f +- %.2f where %d is expected%s%s",
            wrong->scheme->name, wrong->fit.slope, wrong->fit.interval, wrong->expected.order,
            wrong->expected.reason[0] ? " because " : "", wrong->expected.reason);
    } else if (right) {
        finding->state = FINDING_PASS;
        say(finding, "%d of %d schemes converge%s with the expected order (%s: %.2f)", right_count,
            input->order_count, right_count == 1 ? "s" : "", right->scheme->name, right->fit.slope);
    } else if (unknown) {
        finding->state = FINDING_OPEN;
        say(finding, "%s shows no order: %s", unknown->scheme->name,
            no_order_because(unknown->fit.status));
    } else {
        finding->state = FINDING_OPEN;
        say(finding, "the order was not measured");
    }
}

static void decide_limit(const struct verdict_input *input, struct verdict *verdict) {
    const struct verdict_score *const trained = &input->trained, *const limit = &input->limit;
    struct finding *const finding = &verdict->limit;
    if (trained->count == 0 || limit->count == 0) {
        finding->state = FINDING_OPEN;
        say(finding, "the accuracy as trained or in the limit was not measured");
        return;
    }
    verdict->gap = accuracy(trained) - accuracy(limit);
    verdict->interval = verdict_interval(trained, limit);
    if (input->classes > 1 && is_guess(trained, input->classes)) {
        finding->state = FINDING_OPEN;
        say(finding, "accuracy as trained (%s, N = %d) is %.2f %%, no better than a guess among %d",
            trained->scheme, trained->steps, 100 * accuracy(trained), input->classes);
        return;
    }
    finding->state = fabs(verdict->gap) <= verdict->interval ? FINDING_PASS : FINDING_FAIL;
    say(finding,
        "accuracy is %.2f %% as trained (%s, N = %d) and %.2f %% in the limit (%s, N = %d), a "
        "difference of %+.2f where chance explains %.2f",
        100 * accuracy(trained), trained->scheme, trained->steps, 100 * accuracy(limit),
        limit->scheme, limit->steps, -100 * verdict->gap, 100 * verdict->interval);
}

/* The widest difference between two schemes, measured by its own interval. */
static void decide_agreement(const struct verdict_input *input, struct finding *finding) {
    const struct verdict_score *least = NULL, *most = NULL;
    for (int i = 0; i < input->fine_count; i++) {
        const struct verdict_score *const score = &input->fine[i];
        assert(score->count > 0);
        least = !least || accuracy(score) < accuracy(least) ? score : least;
        most = !most || accuracy(score) > accuracy(most) ? score : most;
    }
    if (input->fine_count < 2) {
        finding->state = FINDING_OPEN;
        say(finding, "agreement needs two schemes at small steps");
        return;
    }
    const double gap = accuracy(most) - accuracy(least), interval = verdict_interval(most, least);
    if (gap <= interval) {
        finding->state = FINDING_PASS;
        say(finding,
            "%d schemes agree at small steps within %.2f points where chance explains %.2f",
            input->fine_count, 100 * gap, 100 * interval);
    } else {
        finding->state = FINDING_FAIL;
        say(finding,
            "at small steps %s (N = %d) has %.2f %% and %s (N = %d) %.2f %%: no common limit at "
            "this "
            "step size",
            least->scheme, least->steps, 100 * accuracy(least), most->scheme, most->steps,
            100 * accuracy(most));
    }
}

/* The limit first: it is what the others serve. Findings that pass are named, others explained. */
static void summarise(struct verdict *verdict) {
    const char *lead = "continuous in depth";
    if (verdict->limit.state == FINDING_FAIL) {
        lead = "not continuous in depth";
    } else if (verdict->state == FINDING_FAIL) {
        lead = "not shown to be continuous in depth";
    } else if (verdict->state == FINDING_OPEN) {
        lead = "undecided";
    }
    const bool order = verdict->order.state == FINDING_PASS;
    const bool agreement = verdict->agreement.state == FINDING_PASS;
    (void)snprintf(verdict->text, sizeof verdict->text,
                   "%s: limit %s (%s); order %s%s%s%s; agreement %s%s%s%s", lead,
                   finding_names[verdict->limit.state], verdict->limit.text,
                   finding_names[verdict->order.state], order ? "" : " (",
                   order ? "" : verdict->order.text, order ? "" : ")",
                   finding_names[verdict->agreement.state], agreement ? "" : " (",
                   agreement ? "" : verdict->agreement.text, agreement ? "" : ")");
}

void verdict_decide(const struct verdict_input *input, struct verdict *verdict) {
    *verdict = (struct verdict){.gap = NAN, .interval = NAN};
    decide_order(input, &verdict->order);
    decide_limit(input, verdict);
    decide_agreement(input, &verdict->agreement);
    const struct finding *const all[] = {&verdict->limit, &verdict->order, &verdict->agreement};
    bool fails = false, is_open = false;
    for (int i = 0; i < 3; i++) {
        fails = fails || all[i]->state == FINDING_FAIL;
        is_open = is_open || all[i]->state == FINDING_OPEN;
    }
    verdict->state = fails ? FINDING_FAIL : is_open ? FINDING_OPEN : FINDING_PASS;
    summarise(verdict);
}
