#include "nets/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const norm_update_names[] = {"stateful", "visit", NULL};
const char *const convolution_names[] = {"auto", "direct", NULL};
const char *const field_names[] = {"auto", "layers", NULL};

struct layer *layers_add(struct layers *layers, enum layer_kind kind, const char *prefix,
                         const char *name) {
    if (layers->count == layers->capacity) {
        layers->capacity = layers->capacity ? 2 * layers->capacity : 8;
        layers->list = realloc(layers->list, (size_t)layers->capacity * sizeof *layers->list);
        if (!layers->list) {
            abort(); /* a few hundred bytes: nothing useful can be done without them */
        }
    }
    struct layer *layer = &layers->list[layers->count++];
    memset(layer, 0, sizeof *layer);
    layer->kind = kind;
    layer->kernel = layer->stride = layer->nodes = layer->steps = layer->intervals = 1;
    layer->factor = 1.0;
    layer->momentum = 0.1; /* PyTorch's default */
    (void)snprintf(layer->name, sizeof layer->name, "%s%s%s", prefix, *prefix ? "." : "", name);
    return layer;
}

void layers_free(struct layers *layers) {
    for (int i = 0; i < layers->count; i++) {
        layers_free(&layers->list[i].body);
    }
    free(layers->list);
    *layers = (struct layers){0};
}
