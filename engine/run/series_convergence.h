/* A convergence event: errors of a learned field, and of the true one, over step sizes, as they
 * were measured once while a net trained. */
#ifndef CONTINUO_RUN_SERIES_CONVERGENCE_H
#define CONTINUO_RUN_SERIES_CONVERGENCE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

enum { SERIES_CURVES = 16, SERIES_POINTS = 32 };

struct series_convergence {
    double step, epoch;
    double dt;         /* the step trained with */
    double floor;      /* the error that is left as h -> 0 */
    double resolution; /* below which errors mean nothing; nan: not told */
    char trained[32];  /* scheme */
    char verdict[16];  /* "PASS", "FAIL-V", "FAIL-UNDER" */
    int curve_count;
    struct series_curve {
        char scheme[32];
        bool is_true; /* of the true field, else of the learned one */
        int count;
        double h[SERIES_POINTS], error[SERIES_POINTS];
        double slope, interval, expected; /* nan: not told */
    } curves[SERIES_CURVES];
};

/* False when the event has no step or no curve. What is too much for the sizes is left out. */
bool series_convergence_read(struct series_convergence *convergence, const cJSON *event);
/* The error as h -> 0 over that of the trained scheme at its step; nan when it was not measured. */
double series_convergence_ratio(const struct series_convergence *convergence);

#endif
