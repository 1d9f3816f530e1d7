#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learn/dataset.h"
#include "scratch.h"

TestSuite(dataset_batch, .fini = scratch_remove);

enum { RECORDS = 9, PIXELS = 3072 };

/* CIFAR-10 files with pixels that are hashes of their place. */
static struct dataset *colour_set(void) {
    static uint8_t file[RECORDS * (PIXELS + 1)];
    const char *names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    for (unsigned i = 0; i < 6; i++) {
        for (size_t k = 0; k < sizeof file; k++) {
            file[k] = (uint8_t)(rng_bits(41, i, k) >> 13);
        }
        for (int r = 0; r < RECORDS; r++) {
            file[r * (PIXELS + 1)] %= 10;
        }
        (void)scratch_write(names[i], file, sizeof file);
    }
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "source", "cifar10");
    cJSON_AddStringToObject(config, "dir", scratch_path(""));
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = dataset_create(config, &error);
    cr_assert(set, "%s", error.text);
    cJSON_Delete(config);
    return set;
}

/* One sample the slow way: pad with black by `crop`, cut at (down, right) of the padded image,
 * mirror, scale, normalise. */
static void naive(const uint8_t *image, int crop, int down, int right, bool mirrored, float *x) {
    const double mean[] = {0.4914, 0.4822, 0.4465}, deviation[] = {0.2023, 0.1994, 0.2010};
    int side = 32 + 2 * crop;
    uint8_t *padded = calloc(1, (size_t)(3 * side * side));
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 32; i++) {
            for (int j = 0; j < 32; j++) {
                padded[(c * side + i + crop) * side + j + crop] = image[(c * 32 + i) * 32 + j];
            }
        }
        for (int i = 0; i < 32; i++) {
            for (int j = 0; j < 32; j++) {
                int column = mirrored ? 31 - j : j;
                int byte = padded[(c * side + i + down) * side + column + right];
                x[(c * 32 + i) * 32 + j] = (float)((byte / 255.0 - mean[c]) / deviation[c]);
            }
        }
    }
    free(padded);
}

static double distance(const float *a, const float *b) {
    double most = 0;
    for (int i = 0; i < PIXELS; i++) {
        double here = fabs((double)a[i] - (double)b[i]);
        most = here > most ? here : most;
    }
    return most;
}

Test(dataset_batch, plain_batches_equal_the_naive_twin) {
    struct dataset *set = colour_set();
    cr_assert_eq(set->train.count, 41);
    cr_assert_eq(set->valid.count, 4);
    const ptrdiff_t order[] = {99, 7, 40, 7, 0};
    static float x[4 * PIXELS], wanted[PIXELS];
    dataset_batch(&set->train, order, 1, 4, NULL, 0, 0, x);
    for (int i = 0; i < 4; i++) {
        naive(set->train.bytes + order[1 + i] * PIXELS, 0, 0, 0, false, wanted);
        cr_expect_lt(distance(x + i * PIXELS, wanted), 1e-5);
    }
    dataset_batch(&set->valid, NULL, 1, 2, NULL, 0, 0, x);
    naive(set->bytes + 42 * PIXELS, 0, 0, 0, false, wanted);
    cr_expect_lt(distance(x, wanted), 1e-5);
    dataset_free(set);
}

Test(dataset_batch, values_are_the_floats_torchvision_makes) {
    struct dataset *set = colour_set();
    for (int byte = 0; byte < 256; byte++) {
        float scaled = (float)byte / 255.0F; /* ToTensor, then Normalize, in float32 */
        cr_assert_float_eq(set->of_byte[1][byte], (scaled - 0.4822F) / 0.1994F, 0.0F);
    }
    dataset_free(set);
}

Test(dataset_batch, augmented_samples_are_shifted_and_mirrored_copies_with_black_edges) {
    struct dataset *set = colour_set();
    const struct augment augment = {4, true};
    static float x[PIXELS], wanted[PIXELS];
    bool seen_down[9] = {false}, seen_right[9] = {false}, seen_mirror[2] = {false};
    for (int epoch = 0; epoch < 8; epoch++) {
        for (ptrdiff_t sample = 0; sample < 41; sample += 5) {
            dataset_batch(&set->train, NULL, sample, 1, &augment, 77, epoch, x);
            int found = 0;
            for (int place = 0; place < 162; place++) {
                int down = place / 2 % 9, right = place / 18;
                naive(set->bytes + sample * PIXELS, 4, down, right, place % 2, wanted);
                if (distance(x, wanted) < 1e-5) {
                    found++;
                    seen_down[down] = seen_right[right] = seen_mirror[place % 2] = true;
                }
            }
            cr_expect_eq(found, 1, "sample %td of epoch %d is %d of the 162", sample, epoch, found);
        }
    }
    for (int i = 0; i < 9; i++) {
        cr_expect(seen_down[i] && seen_right[i], "shift %d was not drawn in 72", i - 4);
    }
    cr_expect(seen_mirror[0] && seen_mirror[1]);
    dataset_free(set);
}

Test(dataset_batch, augmentation_is_a_function_of_seed_epoch_and_sample) {
    struct dataset *set = colour_set();
    const struct augment augment = {3, true};
    const ptrdiff_t order[] = {5, 31, 17, 8, 0, 22, 39, 3}, back[] = {3, 39, 22, 0, 8, 17, 31, 5};
    static float a[8 * PIXELS], b[8 * PIXELS];
    dataset_batch(&set->train, order, 0, 8, &augment, 12, 6, a);
    dataset_batch(&set->train, back, 0, 5, &augment, 12, 6, b);
    dataset_batch(&set->train, back, 5, 3, &augment, 12, 6, b + 5 * PIXELS);
    for (int i = 0; i < 8; i++) { /* another order, other batches: the same samples */
        cr_expect_arr_eq(a + i * PIXELS, b + (7 - i) * PIXELS, PIXELS * sizeof(float));
    }
    dataset_batch(&set->train, order, 0, 8, &augment, 13, 6, b);
    cr_expect(memcmp(a, b, sizeof a) != 0, "another seed");
    dataset_batch(&set->train, order, 0, 8, &augment, 12, 7, b);
    cr_expect(memcmp(a, b, sizeof a) != 0, "another epoch");
    dataset_free(set);
}

Test(dataset_batch, mirroring_alone_takes_about_half_and_twice_is_the_image) {
    struct dataset *set = colour_set();
    const struct augment augment = {0, true};
    static float x[PIXELS], plain[PIXELS];
    int mirrored = 0;
    for (int epoch = 0; epoch < 20; epoch++) {
        for (ptrdiff_t sample = 0; sample < 41; sample++) {
            dataset_batch(&set->train, NULL, sample, 1, &augment, 4, epoch, x);
            dataset_batch(&set->train, NULL, sample, 1, NULL, 4, epoch, plain);
            if (memcmp(x, plain, sizeof x) != 0) {
                mirrored++;
                for (int row = 0; row < 96; row++) {
                    for (int j = 0; j < 32; j++) {
                        cr_assert_float_eq(x[row * 32 + j], plain[row * 32 + 31 - j], 0.0F);
                    }
                }
            }
        }
    }
    /* 820 draws: mean 410, deviation 14.3; five of them on each side. */
    cr_expect(mirrored > 338 && mirrored < 482, "%d of 820", mirrored);
    dataset_free(set);
}

Test(dataset_batch, a_crop_larger_than_the_image_can_leave_it_black) {
    struct dataset *set = colour_set();
    const struct augment augment = {100, false};
    static float x[PIXELS];
    int black = 0;
    for (int epoch = 0; epoch < 40; epoch++) {
        dataset_batch(&set->train, NULL, 2, 1, &augment, 9, epoch, x);
        bool all = true;
        for (int i = 0; i < PIXELS; i++) {
            cr_assert(isfinite(x[i]));
            all = all && fabs((double)x[i] - (double)set->of_byte[i / 1024][0]) <= 0;
        }
        black += all;
    }
    cr_expect_gt(black, 20);
    dataset_free(set);
}

Test(dataset_batch, floats_are_augmented_with_zeros) {
    float values[2 * 16];
    for (int i = 0; i < 32; i++) {
        values[i] = 1.0F + (float)i;
    }
    const ptrdiff_t shape[4] = {2, 1, 4, 4};
    const int32_t labels[] = {0, 1};
    struct dataset *set = dataset_from_arrays(values, shape, labels, 2, NULL, 0, 0, 0, NULL);
    cr_assert(set);
    const struct augment augment = {1, false};
    int edges = 0;
    for (int epoch = 0; epoch < 30; epoch++) {
        float x[16];
        dataset_batch(&set->train, NULL, 1, 1, &augment, 2, epoch, x);
        int zeros = 0;
        for (int i = 0; i < 16; i++) {
            zeros += x[i] < 0.5F;
        }
        cr_expect(zeros == 0 || zeros == 4 || zeros == 7, "%d", zeros);
        edges += zeros > 0;
    }
    cr_expect_gt(edges, 10);
    dataset_free(set);
}

/* Whatever a part holds, its batches in doubles are those in floats, and exact where it holds
 * doubles. */
Test(dataset_batch, batches_in_doubles_see_the_same_windows) {
    enum { COUNT = 7, LEN = 2 * 6 * 5 };
    static double values[COUNT * LEN], x[COUNT * LEN];
    static float rounded[COUNT * LEN], floats[COUNT * LEN];
    const ptrdiff_t shape[4] = {COUNT, 2, 6, 5};
    const int32_t labels[COUNT] = {0, 1, 1, 0, 1, 0, 0};
    const struct augment augments[] = {{0, false}, {2, true}, {0, true}, {9, false}};
    const ptrdiff_t order[COUNT] = {3, 1, 0, 6, 2, 5, 4};
    for (int i = 0; i < COUNT * LEN; i++) {
        values[i] = rng_normal(3, 4, (uint64_t)i);
        rounded[i] = (float)values[i];
    }
    struct dataset *doubles = dataset_from_doubles(values, shape, labels, 2, NULL, 0, 0, 0, NULL);
    struct dataset *singles = dataset_from_arrays(rounded, shape, labels, 2, NULL, 0, 0, 0, NULL);
    struct dataset *bytes = colour_set();
    static float pixels[4 * PIXELS];
    static double exact[4 * PIXELS];
    for (int a = 0; a < 4; a++) {
        const struct dataset *const sets[] = {doubles, singles};
        for (int s = 0; s < 2; s++) {
            dataset_batch(&sets[s]->train, order, 0, COUNT, &augments[a], 17, 3, floats);
            dataset_batch_doubles(&sets[s]->train, order, 0, COUNT, &augments[a], 17, 3, x);
            int unequal = 0;
            for (int i = 0; i < COUNT * LEN; i++) {
                cr_assert_eq((float)x[i], floats[i], "augmentation %d, value %d", a, i);
                unequal += x[i] != (double)floats[i];
            }
            cr_expect(s == 0 ? unequal > 0 : unequal == 0);
        }
        dataset_batch(&bytes->train, order, 0, 4, &augments[a], 17, 3, pixels);
        dataset_batch_doubles(&bytes->train, order, 0, 4, &augments[a], 17, 3, exact);
        for (int i = 0; i < 4 * PIXELS; i++) {
            cr_assert_eq(exact[i], (double)pixels[i]);
        }
    }
    dataset_batch_doubles(&doubles->train, NULL, 2, 3, NULL, 0, 0, x);
    cr_expect_arr_eq(x, values + 2 * LEN, 3 * LEN * sizeof(double));
    dataset_free(doubles);
    dataset_free(singles);
    dataset_free(bytes);
}
