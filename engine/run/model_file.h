/* A net in a file: a safetensors file of its parameters and running statistics under their names,
 * in the net's precision, with its resolved configuration as JSON under "continuo" in the metadata.
 * What was saved and loaded predicts the same bits. */
#ifndef CONTINUO_RUN_MODEL_FILE_H
#define CONTINUO_RUN_MODEL_FILE_H

#include "base/error.h"
#include "nets/net.h"

/* Writes the net, whole or not at all. False with *error set when the disk refuses. */
bool model_save(const struct net *net, const char *path, struct error *error);

/* Builds the net a file describes and gives it the file's values. NULL with *error set when the
 * file is missing, damaged, no model of continuo's, or does not have exactly the tensors its
 * configuration asks for. */
struct net *model_load(const char *path, struct error *error);

/* Gives an existing net the values in a file written for the same configuration of shapes. False
 * with *error set, the net as it was, when names, shapes or types differ. */
bool model_read_values(struct net *net, const char *path, struct error *error);

#endif
