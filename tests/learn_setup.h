/* Small nets and data sets for tests of learning and of jobs. */
#ifndef CONTINUO_TESTS_LEARN_SETUP_H
#define CONTINUO_TESTS_LEARN_SETUP_H

#include <criterion/criterion.h>
#include <string.h>

#include "learn/dataset.h"
#include "nets/net.h"

static inline struct net *setup_net(const char *json) {
    struct error error = {0};
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    struct net *net = net_create(config, &error);
    cr_assert_not_null(net, "%s", error.text);
    cJSON_Delete(config);
    return net;
}

static inline struct dataset *setup_data(const char *json) {
    struct error error = {0};
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    struct dataset *data = dataset_create(config, &error);
    cr_assert_not_null(data, "%s", error.text);
    cJSON_Delete(config);
    return data;
}

#define SETUP_MLP                                                                                  \
    "{\"family\":\"mlp\",\"input\":[2],\"outputs\":2,\"hidden\":24,\"augment\":2,\"steps\":2,"     \
    "\"eps\":4,\"scheme\":\"midpoint\",\"seed\":5}"
#define SETUP_RINGS "{\"source\":\"rings\",\"count\":700,\"test\":150,\"valid\":100,\"seed\":3}"

/* 12 x 12 images in three classes: bright left, right or centre, with noise. */
static inline struct dataset *setup_images(void) {
    enum { COUNT = 150, SIDE = 12 };
    static float values[COUNT * SIDE * SIDE];
    static int32_t labels[COUNT];
    const ptrdiff_t shape[4] = {COUNT, 1, SIDE, SIDE};
    uint32_t noise = 12345;
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % 3;
        for (int j = 0; j < SIDE * SIDE; j++) {
            noise = noise * 1664525u + 1013904223u;
            float bright = (j % SIDE) / 4 == labels[i] ? 1.25f : -0.5f;
            values[i * SIDE * SIDE + j] = bright + (float)(noise >> 8) / 16777216.0f;
        }
    }
    struct error error = {0};
    struct dataset *data = dataset_from_arrays(values, shape, labels, 3, NULL, 3, 30, 20, &error);
    cr_assert_not_null(data, "%s", error.text);
    return data;
}

#define SETUP_IMAGE_NET                                                                            \
    "{\"family\":\"continuous\",\"input\":[1,12,12],\"classes\":3,\"width\":4,\"nodes\":2,"        \
    "\"scheme\":\"euler\",\"seed\":7}"

#endif
