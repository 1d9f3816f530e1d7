/* What a run folder says before the first step: config.json, meta.json, the start event and, where
 * it is due, a warning. */
#ifndef CONTINUO_RUN_PREAMBLE_H
#define CONTINUO_RUN_PREAMBLE_H

#include "run/worker.h"

/* Writes config.json and meta.json; false with *error set when the disk refuses. */
bool preamble_files(struct job *job, struct error *error);

/* Writes the start event, and a note when the trained steps do not align with the cells of the
 * weights: allowed, but seldom meant. */
void preamble_events(struct job *job);

#endif
