/* Checkpoints: <step>.safetensors holds the net (run/model_file.h) and <step>.state.safetensors
 * what else training needs to go on bit for bit: the step and the optimiser's memory. Both are
 * written aside, synced and renamed, the state first: a net on the disk has its state. */
#ifndef CONTINUO_RUN_CHECKPOINT_H
#define CONTINUO_RUN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "learn/train.h"
#include "nets/net.h"

/* Writes the pair into `folder` and the net's file name ("000430.safetensors") to name (size
 * bytes). False with *error set when the disk refuses. */
bool checkpoint_save(const struct net *net, struct train *train, const char *folder, char *name,
                     size_t size, struct error *error);

/* Sets net's values and train's state from a pair, given the path of the net's file. False with
 * *error set, and nothing changed, when a file is missing or not of this net, optimiser and
 * precision. */
bool checkpoint_load(struct net *net, struct train *train, const char *path, struct error *error);

/* Removes the pair of a step; what is missing is fine. */
void checkpoint_remove(const char *folder, ptrdiff_t step);

#endif
