/* A net: layers planned from a configuration, and the parameters they read.
 *
 * The configuration is a JSON object {"family": "continuous", ...options}; every option resolved,
 * it is what is stored with the weights, so a file rebuilds its net. Parameters stand in plain
 * row-major order (PyTorch's index order) in one array: trainable ones first, running statistics
 * behind them, so that optimisers and checkpoints are flat loops.
 *
 * Whoever writes `values` calls net_touch before the net runs again. */
#ifndef CONTINUO_NETS_NET_H
#define CONTINUO_NETS_NET_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/option.h"
#include "base/pool.h"
#include "depth/basis.h"
#include "depth/tableau.h"
#include "kernels/kernels.h"

enum { NET_RANK_MAX = 5, NET_BLOCKS_MAX = 8, NET_STEPS_MAX = 100000 };

struct parameter {
    char name[64];
    int rank;
    ptrdiff_t shape[NET_RANK_MAX];
    ptrdiff_t len;    /* reals */
    ptrdiff_t offset; /* reals, into values; trainable: into grads too */
    bool trainable;   /* false: running statistics */
};

struct net {
    const struct kernels *kernels; /* of its precision; kernels->real_size is 4 or 8 bytes */
    cJSON *config;                 /* resolved; with "family" and "precision" */
    ptrdiff_t input[3];            /* channels, height, width of one sample */
    int outputs;                   /* classes, or values, of one sample */
    int parameter_count;
    struct parameter *parameters;
    ptrdiff_t trainable_len, value_len; /* reals */
    void *values, *grads;
    uint64_t version; /* of values; see net_touch */
    struct plan *plan;
};

/* Everything a user can get wrong about a net is refused here, in a sentence. The configuration
 * is copied. Weights are drawn from its "seed". */
struct net *net_create(const cJSON *config, struct error *error);
struct net *net_clone(const struct net *net, enum precision precision, struct error *error);
void net_free(struct net *net);

void net_touch(struct net *net);

const struct parameter *net_parameter(const struct net *net, const char *name); /* or NULL */
void *net_value(const struct net *net, const struct parameter *parameter);
void *net_grad(const struct net *net, const struct parameter *parameter); /* NULL: not trainable */

/* Option tables of the families, for help, completion and errors. */
struct family {
    const char *name; /* "continuous", "residual", "mlp", "dynamics", "stack" */
    const char *help;
    const struct option *options;
    int option_count;
};
int family_count(void);
const struct family *family_at(int index);

/* A net whose one ODE block begins with monomials: how many they are (other nets: 0), and their
 * names, "1", "x1", "x1^2 x2 t", in the order of the inputs of the layer that reads them. */
enum { NET_TERM_SIZE = 128 };
int net_term_count(const struct net *net);
void net_term_name(const struct net *net, int term, char name[NET_TERM_SIZE]);

/* How the same weights are run: another scheme, another number of steps in every ODE block.
 * NULL / 0 / -1: as the net is configured. */
struct manifestation {
    const struct tableau *scheme;
    int steps; /* at most NET_STEPS_MAX */
    int edge; /* enum edge, or -1 */
};
struct manifestation net_trained(const struct net *net); /* as configured, resolved */
/* Makes `steps` the number the net is configured with, in every ODE block: what is trained, stored
 * and evaluated from now on. Scales of stitches stay (NUMERICS.md eq. 42). False with *error set
 * for nets whose configuration has no number of steps. No pass that was planned with the former
 * number (steps 0) may run again. */
bool net_set_steps(struct net *net, int steps, struct error *error);
int net_ode_count(const struct net *net);                /* number of ODE blocks */
int net_ode_nodes(const struct net *net, int block);     /* K of a block */

/* Writes a table of layers (name, output shape, parameters) to text; returns the length wanted. */
int net_describe(const struct net *net, char *text, size_t size);

/* ---- running it ---------------------------------------------------------------------------
 * A pass is the workspace for running a net on up to `batch` samples: all memory is taken when
 * it is created. A training pass keeps what the backward pass needs and uses batch statistics;
 * otherwise stored statistics are used and every sample is independent of the others. */
struct pass;

/* What a pass with gradients keeps of its ODE blocks; what it does not keep is computed again in
 * pass_backward, to the same bits. NUMERICS.md, "Discrete adjoint". */
enum memory {
    MEMORY_AUTO,   /* the first of the following that fits into `room` */
    MEMORY_FULL,   /* everything */
    MEMORY_STAGES, /* states at the starts of steps and the slopes of stages */
    MEMORY_STEPS,  /* states at the starts of steps */
};
extern const char *const memory_names[]; /* "auto", "full", "stages", "steps", NULL */

struct pass_options {
    ptrdiff_t batch;
    bool training;           /* batch statistics, and updates of the running ones */
    bool gradients;          /* keep what pass_backward needs */
    struct manifestation how;
    enum memory memory;
    size_t room;       /* bytes MEMORY_AUTO takes before it keeps less; 0: half of the machine's */
    struct pool *pool; /* NULL: serial */
};
struct pass *pass_create(struct net *net, const struct pass_options *options, struct error *error);
void pass_free(struct pass *pass);

/* Runs the first `count` samples of x (count, C, H, W), reals of the net's precision. Returns the
 * outputs (count, outputs), reals, valid until the next call. Training passes also move the
 * running statistics. */
const void *pass_forward(struct pass *pass, const void *x, ptrdiff_t count);

/* ADDS the gradient of the loss to net->grads, given its gradient by the outputs (count, outputs)
 * of the last pass_forward. Once for each of them: it works in the memory of what it undoes. */
void pass_backward(struct pass *pass, const void *doutputs);

/* Evaluations of the vector field per sample (sum over ODE blocks) of one forward pass. */
ptrdiff_t pass_evaluations(const struct pass *pass);

/* The state behind ODE block `block` (0-based) of the last forward pass, which no pass_backward
 * followed, plain (count, C, H, W), into reals the caller owns. For convergence studies. */
ptrdiff_t pass_state_len(const struct pass *pass, int block); /* C*H*W */
void pass_state(const struct pass *pass, int block, void *state);

size_t pass_bytes(const struct pass *pass);        /* memory it holds */
enum memory pass_memory(const struct pass *pass); /* what it keeps; never MEMORY_AUTO */

#endif
