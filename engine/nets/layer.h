/* Layers as data: what a net is built from before it is planned. Layers that keep their shape serve
 * in the body of an ODE layer as they do anywhere else; their parameters then get a leading axis,
 * the nodes of the basis in depth. */
#ifndef CONTINUO_NETS_LAYER_H
#define CONTINUO_NETS_LAYER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "depth/basis.h"
#include "depth/tableau.h"
#include "kernels/kernels.h"

enum layer_kind {
    LAYER_CONV,     /* 3x3 or 1x1, zero border, stride 1 or 2 */
    LAYER_DENSE,    /* (F) -> (out) */
    LAYER_NORM,     /* batch normalisation per channel */
    LAYER_ACT,      /* activation */
    LAYER_POOL,     /* mean over all pixels */
    LAYER_FLATTEN,  /* (C, H, W) -> (C H W) in plain order */
    LAYER_MONOMIALS, /* (F) -> products of at most `degree` features (kernels.h) */
    LAYER_RESIDUAL, /* y = D(x) + factor body(x); D is the identity or a 1x1 convolution */
    LAYER_ODE,      /* dx/dt = factor body(x; theta(t)), t from 0 to 1 */
};

/* How running statistics of a norm inside an ODE layer move (NUMERICS.md eq. 26 and eq. 24). */
enum norm_update { NORM_STATEFUL, NORM_VISIT };
extern const char *const norm_update_names[]; /* "stateful", "visit", NULL */
/* How a layer is computed: 0, as is fastest; 1, `direct`. */
extern const char *const convolution_names[]; /* "auto", "direct", NULL */
extern const char *const field_names[];       /* "auto", "layers", NULL */

enum { LAYER_NAME_SIZE = 48 };

struct layers {
    int count, capacity;
    struct layer *list;
};

struct layer {
    enum layer_kind kind;
    char name[LAYER_NAME_SIZE]; /* prefix of its parameters: "block1.conv1" */
    ptrdiff_t out;              /* conv, dense: channels or features out */
    int degree;                 /* monomials */
    int kernel, stride;         /* conv; residual: stride of its 1x1 convolution */
    bool direct; /* conv: by the direct sum even where Winograd's algorithm is faster; ode: layer by
                    layer even where samples could go through all steps (dense_field.h) */
    bool bias;
    bool bias_zero;   /* bias starts at zero; else as PyTorch draws it */
    bool weight_zero; /* dense: so do the weights */
    bool down;        /* residual: has the 1x1 convolution `name`.down */
    enum activation act;
    enum norm_update update;
    double momentum; /* norm: weight of the batch in the running statistics */
    double factor; /* residual, ode */
    struct layers body;
    const struct tableau *scheme; /* ode, and the following */
    int steps, nodes; /* steps of one interval */
    int intervals;    /* that many one behind another, each from t = 0 to 1; more than one: the state
                         behind each of them is an output (dense_field.h alone) */
    const struct basis *basis;
    enum edge edge;
    bool paced; /* samples carry t and dt behind the state, and dt multiplies the body */
    bool timed; /* paced: the body reads the time behind the state */
    bool skip; /* a trainable scalar per node, `name`.skip, multiplies the body */
};

/* Appends a layer named `prefix` "." `name` (or `name` when prefix is "") and returns it. The
 * pointer is valid until the next append to the same list. */
struct layer *layers_add(struct layers *layers, enum layer_kind kind, const char *prefix,
                         const char *name);
void layers_free(struct layers *layers);

/* Builds the layers of a configuration; the resolved configuration is returned in *resolved, the
 * shape of one sample in input, zero channels appended to it in *augment. */
bool family_build(const cJSON *config, struct layers *layers, ptrdiff_t input[3],
                  ptrdiff_t *augment, cJSON **resolved, struct error *error);

#endif
