/* A family of nets: a table of options, and what turns them into layers. One entry in family.c's
 * registry each. */
#ifndef CONTINUO_NETS_FAMILY_H
#define CONTINUO_NETS_FAMILY_H

#include "nets/layer.h"
#include "nets/net.h"

/* As family_build (layer.h), for one family. */
typedef bool family_builder(const cJSON *config, struct layers *layers, ptrdiff_t *input,
                            ptrdiff_t *augment, cJSON **resolved, struct error *error);

extern const struct family family_dynamics;
family_builder family_dynamics_build;

#endif
