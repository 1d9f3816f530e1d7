/* Nets written layer by layer (cn.net.stack). */
#ifndef CONTINUO_NETS_STACK_H
#define CONTINUO_NETS_STACK_H

#include <cjson/cJSON.h>

#include "base/error.h"
#include "nets/layer.h"

/* Appends the layers of a list of {"layer": kind, ...options}; `prefix` goes before their names.
 * False with *error set (which layer, what it has, what it may have). */
bool stack_layers(const cJSON *list, const char *prefix, struct layers *layers,
                  struct error *error);

#endif
