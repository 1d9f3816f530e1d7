/* Points of the plane in two classes, drawn: no file is needed, and a flow has to work for them.
 * Each is a sample of shape (2, 1, 1). A point depends on its part, its index and the seed alone,
 * so that more training points leave the others, and the test points, as they were. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "learn/dataset_build.h"

struct synthetic_options {
    ptrdiff_t count, test, valid, seed;
    double noise, turns;
};

/* Both sets have these. */
/* clang-format off */
#define FIELD(name) offsetof(struct synthetic_options, name)
#define SHARED_OPTIONS(noise_fallback)                                                             \
    {"count", OPTION_INTEGER, FIELD(count), "2000", 2, 1e8, NULL,                                  \
     "training points, in two classes of equal size"},                                             \
    {"test", OPTION_INTEGER, FIELD(test), "1000", 1, 1e8, NULL, "test points"},                    \
    {"valid", OPTION_INTEGER, FIELD(valid), "-1", -1, 1e8, NULL,                                   \
     "validation points, drawn besides; -1: a twelfth of count"},                                  \
    {"noise", OPTION_NUMBER, FIELD(noise), noise_fallback, 0, 1e3, NULL,                           \
     "standard deviation of what is added to each coordinate"},                                    \
    {"seed", OPTION_INTEGER, FIELD(seed), "0", 0, 0x1p53, NULL, "of the drawing"}
/* clang-format on */

static const struct option rings_options[] = {SHARED_OPTIONS("0")};
static const struct option spirals_options[] = {
    SHARED_OPTIONS("0.02"),
    {"turns", OPTION_NUMBER, offsetof(struct synthetic_options, turns), "1.5", 0.01, 100, NULL,
     "how often each arm goes round"},
};
enum {
    RINGS_COUNT = sizeof rings_options / sizeof rings_options[0],
    SPIRALS_COUNT = sizeof spirals_options / sizeof spirals_options[0]
};

static const char *const ignored[] = {"source", NULL};

/* What one point is drawn with: numbers of its own, by index. */
struct draw {
    uint64_t seed, stream;
    ptrdiff_t point;
};

static double uniform(const struct draw *draw, int index) {
    return rng_uniform(draw->seed, draw->stream, 8 * (uint64_t)draw->point + (uint64_t)index);
}

static double normal(const struct draw *draw, int index) {
    return rng_normal(draw->seed, draw->stream, 8 * (uint64_t)draw->point + (uint64_t)index);
}

typedef void point_function(const struct draw *draw, int label,
                            const struct synthetic_options *options, double xy[2]);

/* Class 1 lies in a ring between two rings of class 0 (Ott et al., "ResNet after all?", ICLR 2021):
 * no continuous flow of the plane alone can separate them linearly. */
static void ring_point(const struct draw *draw, int label, const struct synthetic_options *options,
                       double xy[2]) {
    static const double radii[3][2] = {{0.10, 0.15}, {0.25, 0.30}, {0.40, 0.45}};
    (void)options;
    bool outer = draw->point / 2 % 2; /* half of class 0 */
    const double *range = label == 1 ? radii[1] : radii[outer ? 2 : 0];
    double radius = range[0] + (range[1] - range[0]) * uniform(draw, 0);
    double angle = 2 * M_PI * uniform(draw, 1);
    xy[0] = radius * cos(angle);
    xy[1] = radius * sin(angle);
}

/* Two arms of Archimedes' spiral, one the other turned by half a circle; radius 0.05 to 1. The
 * square root spreads the points evenly along the arm. */
static void spiral_point(const struct draw *draw, int label,
                         const struct synthetic_options *options, double xy[2]) {
    double along = sqrt(uniform(draw, 0));
    double radius = 0.05 + 0.95 * along;
    double angle = 2 * M_PI * options->turns * along + M_PI * label;
    xy[0] = radius * cos(angle);
    xy[1] = radius * sin(angle);
}

static void draw_part(struct dataset *set, const struct part *part, uint64_t stream,
                      const struct synthetic_options *options, point_function *point) {
    for (ptrdiff_t i = 0; i < part->count; i++) {
        struct draw draw = {(uint64_t)options->seed, stream, i};
        int label = (int)(i % 2);
        double xy[2];
        point(&draw, label, options, xy);
        for (int axis = 0; axis < 2; axis++) {
            set->floats[2 * (part->first + i) + axis] =
                (float)(xy[axis] + options->noise * normal(&draw, 4 + 2 * axis));
        }
        set->labels[part->first + i] = label;
    }
}

static struct dataset *create(const char *name, const char *call, const struct option *table,
                              int count, const char *const streams[3], point_function *point,
                              const cJSON *config, struct error *error) {
    struct synthetic_options options = {0};
    if (!option_read(table, count, call, config, ignored, &options, error)) {
        return NULL;
    }
    if (options.valid < 0) {
        options.valid = (options.count + 6) / 12;
        options.valid = options.valid ? options.valid : 1;
    }
    const struct division division = {options.count, options.valid, options.test};
    const ptrdiff_t shape[3] = {2, 1, 1};
    struct dataset *set = dataset_new(name, shape, STORE_FLOATS, &division, 2, 0, error);
    if (set) {
        const struct part *const parts[] = {&set->train, &set->valid, &set->test};
        for (int i = 0; i < 3; i++) {
            draw_part(set, parts[i], rng_stream(streams[i]), &options, point);
        }
        set->config = option_write(table, count, &options);
        cJSON_AddStringToObject(set->config, "source", name);
    }
    return set;
}

static struct dataset *create_rings(const cJSON *config, struct error *error) {
    static const char *const streams[] = {"rings/train", "rings/valid", "rings/test"};
    return create("rings", "cn.data.rings", rings_options, RINGS_COUNT, streams, ring_point, config,
                  error);
}

static struct dataset *create_spirals(const cJSON *config, struct error *error) {
    static const char *const streams[] = {"spirals/train", "spirals/valid", "spirals/test"};
    return create("spirals", "cn.data.spirals", spirals_options, SPIRALS_COUNT, streams,
                  spiral_point, config, error);
}

const struct source source_spirals = {"spirals", "points of the plane on two spiral arms, drawn",
                                      spirals_options, SPIRALS_COUNT, create_spirals};
const struct source source_rings = {
    "rings", "points of the plane in three concentric rings, the middle one a class, drawn",
    rings_options, RINGS_COUNT, create_rings};
