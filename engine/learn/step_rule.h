/* When a net in training takes more or fewer steps: the rules of Ott et al. 2021 (algorithm 2) in
 * numbers, without nets. Steps are h = 1 / N, so that what is said of h is rounded to the next
 * whole N that is not coarser. NUMERICS.md eq. 115 to 119. */
#ifndef CONTINUO_LEARN_STEP_RULE_H
#define CONTINUO_LEARN_STEP_RULE_H

struct step_rule {
    double threshold; /* of the difference between the training and the test scheme */
    double margin;    /* times smaller is the nominal error of the test scheme, 50 as published */
    double growth;    /* of h at most, when both agree, 1.1 as published */
    int most;         /* steps, 500 as published */
};

/* Steps of a test scheme of order `test_order` > `order` that make its nominal error h^p at least
 * `margin` times smaller than that of `steps` steps of the trained one: as many where that is so
 * already, otherwise ceil of 1 / (h^p / margin)^(1 / p'). */
int step_rule_test_steps(const struct step_rule *rule, int order, int test_order, int steps);

/* The N of h * growth, at most h = 1: ceil(N / growth). As many as there are when no whole N lies
 * in between, as for N <= 10 and growth 1.1. */
int step_rule_coarser(const struct step_rule *rule, int steps);
/* The N of h / 2; beyond `most` the mean of N and `most`, and there it stays. */
int step_rule_finer(const struct step_rule *rule, int steps);

enum step_reason {
    STEP_FINER,    /* the schemes differ: more steps */
    STEP_LIMIT,    /* the schemes differ, and there are `most` steps already */
    STEP_COARSER,  /* they agree, with fewer steps too */
    STEP_NEEDED,   /* they agree, but not with fewer steps */
    STEP_COARSEST, /* they agree, and no fewer steps are allowed */
};

/* The number of steps to go on with. `difference` is that of `steps` steps, differs(context, n)
 * that of n steps, asked at most once; not a number counts as too large. */
int step_rule_decide(const struct step_rule *rule, int steps, double difference,
                     double (*differs)(void *context, int steps), void *context,
                     enum step_reason *reason);

/* The first step of Hairer, Norsett, Wanner 1993 (section II.4) as Ott et al. use it. With d0 the
 * mean norm of states and d1 that of slopes there: a first guess; with d2 the mean norm of the
 * slope's change over it, divided by it, and the order of the scheme: h. */
double step_rule_guess(double d0, double d1);
double step_rule_start(double guess, double d1, double d2, int order);
/* ceil(1 / h), from 1 to `most`. */
int step_rule_steps(const struct step_rule *rule, double h);

#endif
