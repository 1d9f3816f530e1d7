#include "learn/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "learn/dataset_build.h"

static const struct source *const registry[] = {
    &source_fashion_mnist, &source_mnist,   &source_idx,   &source_cifar10,
    &source_cifar100,      &source_spirals, &source_rings, &source_system,
    &source_trajectory,
};
enum { REGISTRY_COUNT = sizeof registry / sizeof registry[0] };

int source_count(void) {
    return REGISTRY_COUNT;
}

const struct source *source_at(int index) {
    assert(index >= 0 && index < REGISTRY_COUNT);
    return registry[index];
}

struct dataset *dataset_create(const cJSON *config, struct error *error) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, "source");
    const char *name = cJSON_GetStringValue(item);
    if (!name) {
        (void)error_set(error, ERROR_VALUE,
                        "a data set needs a \"source\", for example \"fashion_mnist\"");
        return NULL;
    }
    const char *names[REGISTRY_COUNT];
    for (int i = 0; i < REGISTRY_COUNT; i++) {
        names[i] = registry[i]->name;
        if (strcmp(names[i], name) == 0) {
            return registry[i]->create(config, error);
        }
    }
    if (strcmp(name, "memory") == 0) {
        (void)error_set(error, ERROR_STATE,
                        "this data set was made of arrays in memory, which are stored nowhere; "
                        "make it again from its arrays");
        return NULL;
    }
    char quoted[TEXT_QUOTE_SIZE], list[200];
    const char *nearest = option_nearest(name, names, REGISTRY_COUNT);
    (void)error_set(error, ERROR_VALUE, "data set %s does not exist; %s%s%sthere are %s",
                    text_quote(quoted, name), nearest ? "nearest is \"" : "",
                    nearest ? nearest : "", nearest ? "\"; " : "",
                    text_list(list, sizeof list, names, REGISTRY_COUNT));
    return NULL;
}

bool dataset_divide(struct division *division, const char *call, ptrdiff_t images, ptrdiff_t test,
                    ptrdiff_t limit, ptrdiff_t valid, struct error *error) {
    if (limit > images) {
        return error_set(error, ERROR_VALUE,
                         "%s: limit = %td is more than the %td training images there are; leave "
                         "it out to take all",
                         call, limit, images);
    }
    ptrdiff_t used = limit ? limit : images;
    if (valid < 0) {
        valid = (used + 6) / 12; /* 5,000 of 60,000, to the nearest */
        valid = valid == 0 && used > 1 ? 1 : valid;
    }
    if (valid >= used) {
        return error_set(error, ERROR_VALUE,
                         "%s: valid = %td holds out every one of %td training images; give less "
                         "than %td",
                         call, valid, used, used);
    }
    *division = (struct division){.train = used - valid, .valid = valid, .test = test};
    return true;
}

struct dataset *dataset_new(const char *name, const ptrdiff_t shape[3], enum dataset_store store,
                            const struct division *division, int classes, int outputs,
                            struct error *error) {
    struct dataset *set = calloc(1, sizeof *set);
    ptrdiff_t count = division->train + division->valid + division->test;
    ptrdiff_t len, reals;
    bool fits = !__builtin_mul_overflow(shape[0], shape[1], &len) &&
                !__builtin_mul_overflow(len, shape[2], &len) &&
                !__builtin_mul_overflow(len, count, &len) &&
                !__builtin_mul_overflow((ptrdiff_t)outputs, count, &reals);
    if (set && fits) {
        if (store == STORE_BYTES) {
            set->bytes = malloc((size_t)len + 1);
        } else if (store == STORE_FLOATS) {
            set->floats = calloc((size_t)len + 1, sizeof *set->floats);
        } else {
            set->doubles = calloc((size_t)len + 1, sizeof *set->doubles);
        }
        if (outputs > 0) {
            set->targets = calloc((size_t)reals + 1, sizeof *set->targets);
        } else {
            set->labels = calloc((size_t)count + 1, sizeof *set->labels);
        }
    }
    if (!set || !(set->bytes || set->floats || set->doubles) || !(set->targets || set->labels)) {
        (void)error_set(error, ERROR_MEMORY, "no memory for %td samples of %td x %td x %td (%s)",
                        count, shape[0], shape[1], shape[2], name);
        dataset_free(set);
        return NULL;
    }
    (void)snprintf(set->name, sizeof set->name, "%s", name);
    memcpy(set->shape, shape, sizeof set->shape);
    set->classes = classes;
    set->outputs = outputs > 0 ? outputs : classes;
    struct part *parts[] = {&set->train, &set->valid, &set->test};
    const char *const names[] = {"train", "valid", "test"};
    const ptrdiff_t counts[] = {division->train, division->valid, division->test};
    ptrdiff_t first = 0;
    for (int i = 0; i < 3; i++) {
        *parts[i] = (struct part){.set = set,
                                  .name = names[i],
                                  .count = counts[i],
                                  .first = first,
                                  .bytes = set->bytes,
                                  .floats = set->floats,
                                  .doubles = set->doubles,
                                  .labels = set->labels,
                                  .targets = set->targets};
        first += counts[i];
    }
    const double zero[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    dataset_normalise(set, zero, one);
    return set;
}

void dataset_normalise(struct dataset *set, const double *mean, const double *deviation) {
    ptrdiff_t channels = set->shape[0] < 3 ? set->shape[0] : 3;
    assert(!set->bytes || set->shape[0] <= 3);
    for (ptrdiff_t c = 0; c < 3; c++) {
        set->mean[c] = (float)mean[c < channels ? c : channels - 1];
        set->deviation[c] = (float)deviation[c < channels ? c : channels - 1];
        for (int byte = 0; byte < 256; byte++) { /* in floats, in the order torchvision has it */
            set->of_byte[c][byte] = ((float)byte / 255.0F - set->mean[c]) / set->deviation[c];
        }
    }
}

void dataset_free(struct dataset *set) {
    if (set) {
        free(set->bytes);
        free(set->floats);
        free(set->doubles);
        free(set->labels);
        free(set->targets);
        cJSON_Delete(set->config);
        free(set);
    }
}
