#include "study/verdict_dynamics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

const char *const dynamics_state_names[] = {"PASS", "FAIL-V", "FAIL-UNDER", "OPEN", NULL};

static const double growth = 2;           /* an error may differ by this factor and be the same */
static const double floor_part = 0.1;     /* limits may differ by this part of the floor */
static const double order_tolerance = 0.3;
static const double target_part = 0.1;    /* of the size of the solution */
static const double seen = 30;            /* differences this near the resolution are not seen */

static const struct convergence_curve *curve_of(const struct convergence *convergence,
                                                const struct tableau *scheme) {
    for (int i = 0; i < convergence->curve_count; i++) {
        if (convergence->curve[i].scheme == scheme) {
            return &convergence->curve[i];
        }
    }
    return NULL;
}

/* What the limit of a scheme may be off the reference's. Where it still moves by more than the
 * floor's part, it may be off by as much as it moved last, if the scheme moves with its own order
 * or a higher one. */
static double gap_allowed(const struct convergence *convergence, double noise,
                          const struct convergence_curve *curve) {
    const double least = fmax(fmax(floor_part * convergence->floor, noise),
                              seen * convergence->resolution);
    const bool settles = curve->tail >= curve->expected.order - order_tolerance;
    return settles ? fmax(least, curve->spread) : least;
}

static void decide_agreement(const struct convergence *convergence, double noise,
                             struct verdict_dynamics *verdict) {
    double farthest = -1;
    verdict->agree = true;
    for (int i = 0; i < convergence->curve_count; i++) {
        const struct convergence_curve *const curve = &convergence->curve[i];
        const double allowed = gap_allowed(convergence, noise, curve);
        const double gap = i == convergence->reference ? curve->spread : curve->gap;
        const double part = gap / allowed;
        verdict->agree = verdict->agree && gap <= allowed;
        if (!(part <= farthest)) {
            farthest = part;
            verdict->gap = gap;
            verdict->gap_allowed = allowed;
            verdict->farthest = curve->scheme;
        }
    }
}

static void decide(struct verdict_dynamics *verdict) {
    const bool fitted = fmin(verdict->trained, verdict->floor) <= verdict->target;
    const bool grows = !(verdict->worst <= verdict->allowed);
    const bool wild = grows && !(verdict->trained <= verdict->target);
    if (!fitted) {
        verdict->state = DYNAMICS_FAIL_UNDER;
    } else if (!(verdict->floor <= verdict->allowed) || (grows && !wild)) {
        verdict->state = DYNAMICS_FAIL_V;
    } else if (wild) { /* right in the limit, and not yet on the way there at dt */
        verdict->state = DYNAMICS_OPEN;
    } else {
        verdict->state = verdict->agree ? DYNAMICS_PASS : DYNAMICS_OPEN;
    }
}

static void say(const struct convergence *convergence,
                const struct verdict_dynamics_options *options, struct verdict_dynamics *verdict) {
    const char *const trained = options->trained->name;
    const char *const reference = convergence->curve[convergence->reference].scheme->name;
    const double finest = convergence->h[convergence->grid_count - 1];
    char *const text = verdict->text;
    const size_t size = sizeof verdict->text;
    char noise[64] = "the spread of other seeds is unknown";
    if (!isnan(verdict->noise)) {
        (void)snprintf(noise, sizeof noise, "other seeds spread by %.2g", verdict->noise);
    }
    switch (verdict->state) {
    case DYNAMICS_PASS:
        (void)snprintf(text, size,
                       "PASS: the error is %.3g with %s at the step of training, %.4g, at most "
                       "%.3g at smaller steps, and %.3g in the limit (%s, h = %.3g), which all "
                       "schemes share; %s",
                       verdict->trained, trained, convergence->dt, verdict->worst, verdict->floor,
                       reference, finest, noise);
        break;
    case DYNAMICS_FAIL_V:
        (void)snprintf(text, size,
                       "FAIL-V: the error is %.3g with %s at the step of training, %.4g, but %.3g "
                       "at h = %.3g and %.3g in the limit (%s, h = %.3g), %.3g times as much, above "
                       "the %.3g that is allowed: the field has learned the scheme's error; %s",
                       verdict->trained, trained, convergence->dt, verdict->worst,
                       verdict->worst_h, verdict->floor, reference, finest,
                       fmax(verdict->worst, verdict->floor) / verdict->trained, verdict->allowed,
                       noise);
        break;
    case DYNAMICS_FAIL_UNDER:
        (void)snprintf(text, size,
                       "FAIL-UNDER: the error is %.3g with %s at the step of training, %.4g, and "
                       "%.3g in the limit, both above the target %.3g: train on",
                       verdict->trained, trained, convergence->dt, verdict->floor,
                       verdict->target);
        break;
    case DYNAMICS_OPEN:
        if (!(verdict->worst <= verdict->allowed)) {
            (void)snprintf(text, size,
                           "OPEN: the error is %.3g in the limit, but %.3g with %s at the step of "
                           "training, %.4g, and %.3g at h = %.3g: the scheme does not converge "
                           "from there: train with smaller steps, or end earlier",
                           verdict->floor, verdict->trained, trained, convergence->dt,
                           verdict->worst, verdict->worst_h);
            break;
        }
        (void)snprintf(text, size,
                       "OPEN: the error is %.3g with %s at the step of training, %.4g, and %.3g in "
                       "the limit (%s), but %s is still %.2g off it at h = %.3g, where %.2g is "
                       "allowed: take smaller steps",
                       verdict->trained, trained, convergence->dt, verdict->floor, reference,
                       verdict->farthest->name, verdict->gap, finest, verdict->gap_allowed);
        break;
    }
}

void verdict_dynamics(const struct convergence *convergence,
                      const struct verdict_dynamics_options *options,
                      struct verdict_dynamics *verdict) {
    const struct convergence_curve *const curve = curve_of(convergence, options->trained);
    assert(curve);
    const double noise = isnan(options->noise) ? 0 : options->noise;
    *verdict = (struct verdict_dynamics){
        .trained = curve->error[convergence->trained],
        .floor = convergence->floor,
        .noise = options->noise,
        .target = isnan(options->target) ? target_part * convergence->size : options->target,
    };
    for (int i = convergence->trained; i < convergence->grid_count; i++) {
        if (!(curve->error[i] <= verdict->worst)) {
            verdict->worst = curve->error[i];
            verdict->worst_h = convergence->h[i];
        }
    }
    verdict->ratio = verdict->floor / verdict->trained;
    verdict->allowed = growth * fmax(fmax(verdict->trained, noise), convergence->resolution);
    decide_agreement(convergence, noise, verdict);
    decide(verdict);
    say(convergence, options, verdict);
}
