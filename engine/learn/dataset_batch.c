/* Batches: samples gathered, augmented, scaled and normalised. Runs once a training step, so a
 * byte becomes a value by one look into a table, and augmentation is in the copying. */
#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "learn/dataset.h"

/* Where the pixels of an augmented sample come from: row y, column x of the result is row y + down,
 * column x + right of the image, columns mirrored afterwards. */
struct window {
    ptrdiff_t down, right;
    bool mirrored;
};

static struct window draw_window(const struct augment *augment, uint64_t seed, uint64_t stream,
                                 int epoch, ptrdiff_t sample) {
    struct window window = {0, 0, false};
    uint64_t index = ((uint64_t)epoch << 40) + 4 * (uint64_t)sample;
    if (augment->crop > 0) {
        uint64_t places = 2 * (uint64_t)augment->crop + 1;
        window.down = (ptrdiff_t)rng_below(seed, stream, index, places) - augment->crop;
        window.right = (ptrdiff_t)rng_below(seed, stream, index + 1, places) - augment->crop;
    }
    window.mirrored = augment->flip && rng_bits(seed, stream, index + 2) >> 31;
    return window;
}

static void fill(float *x, float value, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        x[i] = value;
    }
}

static void reverse(float *x, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count / 2; i++) {
        float other = x[count - 1 - i];
        x[count - 1 - i] = x[i];
        x[i] = other;
    }
}

/* Copies `count` pixels of the image at `from` (reals or bytes), as values. */
static inline void copy_pixels(float *restrict x, const struct part *part, ptrdiff_t from,
                               const float *restrict table, ptrdiff_t count) {
    if (part->bytes) {
        const uint8_t *restrict bytes = part->bytes + from;
        for (ptrdiff_t i = 0; i < count; i++) {
            x[i] = table[bytes[i]];
        }
    } else if (part->floats) {
        memcpy(x, part->floats + from, (size_t)count * sizeof *x);
    } else {
        for (ptrdiff_t i = 0; i < count; i++) {
            x[i] = (float)part->doubles[from + i];
        }
    }
}

/* Writes one channel (H, W) of a sample, seen through the window. */
static void copy_channel(float *x, const struct part *part, ptrdiff_t from, const float *table,
                         const struct window *window) {
    ptrdiff_t height = part->set->shape[1], width = part->set->shape[2];
    float black = part->bytes ? table[0] : 0.0F;
    ptrdiff_t left = window->right < 0 ? -window->right : 0;  /* black columns before ... */
    ptrdiff_t behind = window->right > 0 ? window->right : 0; /* ... and behind the image */
    left = left < width ? left : width;
    behind = behind < width ? behind : width;
    for (ptrdiff_t row = 0; row < height; row++, x += width) {
        ptrdiff_t source = row + window->down;
        if (source < 0 || source >= height) {
            fill(x, black, width);
            continue;
        }
        fill(x, black, left);
        copy_pixels(x + left, part, from + source * width + behind, table, width - left - behind);
        fill(x + width - behind, black, behind);
        if (window->mirrored) {
            reverse(x, width);
        }
    }
}

static ptrdiff_t sample_at(const struct part *part, const ptrdiff_t *order, ptrdiff_t i) {
    ptrdiff_t sample = order ? order[i] : i;
    assert(sample >= 0 && sample < part->count);
    return part->first + sample;
}

void dataset_batch(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                   ptrdiff_t count, const struct augment *augment, uint64_t seed, int epoch,
                   float *x) {
    const struct dataset *set = part->set;
    ptrdiff_t channels = set->shape[0], pixels = set->shape[1] * set->shape[2];
    bool windowed = augment && (augment->crop > 0 || augment->flip);
    uint64_t stream = windowed ? rng_stream("augment") : 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t sample = sample_at(part, order, first + i);
        struct window window = {0, 0, false};
        if (windowed) {
            window = draw_window(augment, seed, stream, epoch, sample);
        }
        bool plain = window.down == 0 && window.right == 0 && !window.mirrored;
        for (ptrdiff_t c = 0; c < channels; c++, x += pixels) {
            ptrdiff_t from = (sample * channels + c) * pixels;
            const float *table = set->of_byte[c < 3 ? c : 2];
            if (plain) {
                copy_pixels(x, part, from, table, pixels);
            } else {
                copy_channel(x, part, from, table, &window);
            }
        }
    }
}

static double value_at(const struct part *part, ptrdiff_t at, const float *table) {
    return part->doubles  ? part->doubles[at]
           : part->floats ? (double)part->floats[at]
                          : (double)table[part->bytes[at]];
}

/* One sample, seen through the window. */
static void copy_windowed(double *x, const struct part *part, ptrdiff_t sample,
                          const struct window *window) {
    const ptrdiff_t *shape = part->set->shape;
    const ptrdiff_t height = shape[1], width = shape[2];
    for (ptrdiff_t c = 0; c < shape[0]; c++) {
        const float *table = part->set->of_byte[c < 3 ? c : 2];
        const double black = part->bytes ? (double)table[0] : 0;
        for (ptrdiff_t place = 0; place < height * width; place++) {
            const ptrdiff_t column = place % width, row = place / width + window->down;
            const ptrdiff_t from = (window->mirrored ? width - 1 - column : column) + window->right;
            const bool inside = row >= 0 && row < height && from >= 0 && from < width;
            const ptrdiff_t at = ((sample * shape[0] + c) * height + row) * width + from;
            *x++ = inside ? value_at(part, at, table) : black;
        }
    }
}

void dataset_batch_doubles(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                           ptrdiff_t count, const struct augment *augment, uint64_t seed, int epoch,
                           double *x) {
    const ptrdiff_t *shape = part->set->shape;
    const ptrdiff_t pixels = shape[1] * shape[2], len = shape[0] * pixels;
    const bool windowed = augment && (augment->crop > 0 || augment->flip);
    const uint64_t stream = windowed ? rng_stream("augment") : 0;
    for (ptrdiff_t i = 0; i < count; i++, x += len) {
        const ptrdiff_t sample = sample_at(part, order, first + i);
        if (windowed) {
            const struct window window = draw_window(augment, seed, stream, epoch, sample);
            copy_windowed(x, part, sample, &window);
        } else if (part->doubles) {
            memcpy(x, part->doubles + sample * len, (size_t)len * sizeof *x);
        } else {
            for (ptrdiff_t k = 0; k < len; k++) {
                const ptrdiff_t c = k / pixels;
                x[k] = value_at(part, sample * len + k, part->set->of_byte[c < 3 ? c : 2]);
            }
        }
    }
}

void dataset_labels(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                    ptrdiff_t count, int32_t *labels) {
    assert(part->labels);
    for (ptrdiff_t i = 0; i < count; i++) {
        labels[i] = part->labels[sample_at(part, order, first + i)];
    }
}

void dataset_targets(const struct part *part, const ptrdiff_t *order, ptrdiff_t first,
                     ptrdiff_t count, enum precision precision, double *targets) {
    assert(part->targets);
    const ptrdiff_t outputs = part->set->outputs;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double *from = part->targets + sample_at(part, order, first + i) * outputs;
        for (ptrdiff_t k = 0; k < outputs; k++) {
            *targets++ = precision == PRECISION_F32 ? (double)(float)from[k] : from[k];
        }
    }
}
