#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/dataset.h"
#include "scratch.h"

TestSuite(dataset, .fini = scratch_remove);

static struct dataset *make(const char *json, struct error *error) {
    cJSON *config = cJSON_Parse(json);
    cr_assert(config, "%s", json);
    struct dataset *set = dataset_create(config, error);
    cJSON_Delete(config);
    return set;
}

static struct dataset *expect(const char *json) {
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = make(json, &error);
    cr_assert(set, "%s: %s", json, error.text);
    return set;
}

static void expect_refusal(const char *json, enum error_code code, const char *words) {
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = make(json, &error);
    cr_assert_null(set, "%s was accepted", json);
    cr_expect_eq(error.code, code, "%s: code %d", json, error.code);
    cr_expect(strstr(error.text, words), "%s: \"%s\" lacks \"%s\"", json, error.text, words);
}

static void skip_without_fashion(void) {
    if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", F_OK) != 0) {
        cr_skip_test("Debian's package dataset-fashion-mnist is not installed");
    }
    (void)unsetenv("CONTINUO_DATA");
    (void)setenv("XDG_DATA_HOME", scratch_path(""), 1); /* nothing of the user's is read */
}

static long byte_sum(const struct part *part, ptrdiff_t sample) {
    ptrdiff_t len = part->set->shape[0] * part->set->shape[1] * part->set->shape[2];
    long sum = 0;
    for (ptrdiff_t i = 0; i < len; i++) {
        sum += part->bytes[(part->first + sample) * len + i];
    }
    return sum;
}

/* ---- Fashion-MNIST: expected values were taken from the files by a few lines of Python ---- */

Test(dataset, fashion_mnist_has_its_counts_labels_and_pixels) {
    skip_without_fashion();
    struct dataset *set = expect("{\"source\":\"fashion_mnist\"}");
    cr_expect_str_eq(set->name, "fashion_mnist");
    cr_expect_eq(set->train.count, 55000);
    cr_expect_eq(set->valid.count, 5000);
    cr_expect_eq(set->test.count, 10000);
    cr_expect_eq(set->shape[0], 1);
    cr_expect_eq(set->shape[1], 28);
    cr_expect_eq(set->shape[2], 28);
    cr_expect_eq(set->classes, 10);
    cr_expect_eq(set->outputs, 10);
    cr_expect_str_eq(set->class_names[9], "ankle boot");
    cr_expect_eq(strlen(set->digest), 64);

    const int32_t train[] = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9};
    const int32_t valid[] = {0, 8, 0, 6, 5, 8, 0, 4, 7, 8, 6, 7};
    const int32_t test[] = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5};
    int32_t labels[12];
    dataset_labels(&set->train, NULL, 0, 12, labels);
    cr_expect_arr_eq(labels, train, sizeof train);
    dataset_labels(&set->valid, NULL, 0, 12, labels);
    cr_expect_arr_eq(labels, valid, sizeof valid);
    dataset_labels(&set->test, NULL, 0, 12, labels);
    cr_expect_arr_eq(labels, test, sizeof test);

    cr_expect_eq(byte_sum(&set->train, 0), 76247);
    cr_expect_eq(byte_sum(&set->train, 54999), 103694);
    cr_expect_eq(byte_sum(&set->valid, 0), 89180);
    cr_expect_eq(byte_sum(&set->valid, 4999), 16684);
    cr_expect_eq(byte_sum(&set->test, 0), 33456);
    cr_expect_eq(byte_sum(&set->test, 9999), 24390);
    const uint8_t row_14[] = {0,   0,   1,   4,   6,   7,   2,   0,   0,   0,   0,   0,   237, 226,
                              217, 223, 222, 219, 222, 221, 216, 223, 229, 215, 218, 255, 77,  0};
    cr_expect_arr_eq(set->train.bytes + 14 * 28, row_14, sizeof row_14);

    long all = 0;
    for (ptrdiff_t i = 0; i < set->test.count; i++) {
        all += byte_sum(&set->test, i);
    }
    cr_expect_eq(all, 573469082);
    int of_class[10] = {0};
    for (ptrdiff_t i = 0; i < set->train.count + set->valid.count; i++) {
        of_class[set->labels[i]]++;
    }
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(of_class[i], 6000);
    }

    float x[784];
    dataset_batch(&set->train, NULL, 0, 1, NULL, 0, 0, x);
    cr_expect_float_eq(x[14 * 28 + 25], 1.0F, 0.0F, "255 is 1");
    cr_expect_float_eq(x[0], -1.0F, 0.0F, "0 is -1");
    cr_expect_float_eq(x[14 * 28 + 12], (237.0F / 255.0F - 0.5F) / 0.5F, 0.0F);
    dataset_free(set);
}

Test(dataset, limit_counts_before_the_validation_part_is_taken_off) {
    skip_without_fashion();
    struct dataset *set = expect("{\"source\":\"fashion_mnist\",\"limit\":6000}");
    cr_expect_eq(set->train.count, 5500);
    cr_expect_eq(set->valid.count, 500);
    cr_expect_eq(set->test.count, 10000);
    cr_expect_eq(byte_sum(&set->test, 9999), 24390);
    cr_expect_eq(set->train.labels[set->train.first + 3], 3);
    dataset_free(set);
    set = expect("{\"source\":\"fashion_mnist\",\"valid\":0}");
    cr_expect_eq(set->train.count, 60000);
    cr_expect_eq(set->valid.count, 0);
    cr_expect_eq(byte_sum(&set->train, 59999), 16684);
    dataset_free(set);
    set = expect("{\"source\":\"fashion_mnist\",\"limit\":7,\"valid\":3}");
    cr_expect_eq(set->train.count, 4);
    cr_expect_eq(set->valid.count, 3);
    dataset_free(set);
    set = expect("{\"source\":\"fashion_mnist\",\"limit\":2}");
    cr_expect_eq(set->valid.count, 1, "at least one of two is held out");
    dataset_free(set);
    set = expect("{\"source\":\"fashion_mnist\",\"limit\":1}");
    cr_expect_eq(set->train.count, 1);
    cr_expect_eq(set->valid.count, 0);
    dataset_free(set);
}

Test(dataset, limits_and_parts_that_cannot_be_are_refused) {
    skip_without_fashion();
    expect_refusal("{\"source\":\"fashion_mnist\",\"limit\":60001}", ERROR_VALUE,
                   "limit = 60001 is more than the 60000 training images");
    expect_refusal("{\"source\":\"fashion_mnist\",\"limit\":0}", ERROR_VALUE,
                   "\"limit\" is 0; it must be between 1");
    expect_refusal("{\"source\":\"fashion_mnist\",\"limit\":-3}", ERROR_VALUE, "-3");
    expect_refusal("{\"source\":\"fashion_mnist\",\"limit\":2.5}", ERROR_VALUE, "limit");
    expect_refusal("{\"source\":\"fashion_mnist\",\"valid\":60000}", ERROR_VALUE,
                   "holds out every one of 60000");
    expect_refusal("{\"source\":\"fashion_mnist\",\"limt\":10}", ERROR_VALUE,
                   "nearest is \"limit\"");
}

Test(dataset, a_resolved_configuration_makes_the_same_set_again) {
    skip_without_fashion();
    struct dataset *set = expect("{\"source\":\"fashion_mnist\",\"limit\":120}");
    struct error error = {ERROR_NONE, ""};
    struct dataset *again = dataset_create(set->config, &error);
    cr_assert(again, "%s", error.text);
    cr_expect(cJSON_Compare(set->config, again->config, true));
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(set->config, "dir")),
                     "/usr/share/datasets/fashion-mnist");
    cr_expect_str_eq(set->digest, again->digest);
    cr_expect_arr_eq(set->bytes, again->bytes, (size_t)(10120 * 784));
    dataset_free(again);
    dataset_free(set);
}

Test(dataset, missing_data_say_where_they_were_looked_for_and_the_way_out) {
    (void)unsetenv("CONTINUO_DATA");
    (void)setenv("XDG_DATA_HOME", scratch_path("home"), 1);
    expect_refusal("{\"source\":\"fashion_mnist\",\"dir\":\"/no/such/place\"}", ERROR_FILE,
                   "in /no/such/place, from dir=; install Debian's package dataset-fashion-mnist, "
                   "or point dir= or CONTINUO_DATA at the four files");
    expect_refusal("{\"source\":\"cifar10\"}", ERROR_FILE,
                   "/home/continuo/cifar10; run "
                   "scripts/get-data cifar10");
    (void)setenv("CONTINUO_DATA", "/no/data", 1);
    expect_refusal("{\"source\":\"fashion_mnist\"}", ERROR_FILE,
                   "in /no/data/fashion_mnist or /no/data, from CONTINUO_DATA; install");
    expect_refusal("{\"source\":\"mnist\"}", ERROR_FILE, "run scripts/get-data mnist");
    expect_refusal("{\"source\":\"cifar100\"}", ERROR_FILE, "no train.bin in /no/data/cifar100");
}

/* ---- registry ---- */

Test(dataset, every_source_has_help_and_documented_options) {
    cr_assert_geq(source_count(), 7);
    for (int i = 0; i < source_count(); i++) {
        const struct source *source = source_at(i);
        cr_expect(source->help && source->help[0], "%s", source->name);
        cr_expect_gt(source->option_count, 0);
        for (int k = 0; k < source->option_count; k++) {
            cr_expect(source->options[k].help && source->options[k].help[0], "%s.%s", source->name,
                      source->options[k].name);
        }
        char json[128];
        (void)snprintf(json, sizeof json, "{\"source\":\"%s\",\"kolour\":1}", source->name);
        expect_refusal(json, ERROR_VALUE, "kolour");
    }
}

Test(dataset, an_unknown_source_is_refused_with_the_nearest) {
    expect_refusal("{\"source\":\"fasion_mnist\"}", ERROR_VALUE, "nearest is \"fashion_mnist\"");
    expect_refusal("{\"source\":\"qqqqqqqqqq\"}", ERROR_VALUE, "there are \"fashion_mnist\"");
    expect_refusal("{\"dir\":\"x\"}", ERROR_VALUE, "needs a \"source\"");
    expect_refusal("{\"source\":\"memory\"}", ERROR_STATE, "arrays");
}

/* ---- memory ---- */

static const ptrdiff_t shape[4] = {11, 2, 1, 3};
static const int32_t labels_of_11[11] = {3, 0, 1, 2, 2, 1, 0, 3, 1, 1, 2};

static void fill(float *values) {
    for (int i = 0; i < 66; i++) {
        values[i] = (float)sin(1.7 * i) * 3.1F;
    }
}

Test(dataset, arrays_are_copied_and_cut_from_the_end) {
    float values[66], kept[66], x[66];
    fill(values);
    memcpy(kept, values, sizeof values);
    struct error error = {ERROR_NONE, ""};
    struct dataset *set =
        dataset_from_arrays(values, shape, labels_of_11, 4, NULL, 0, 2, 3, &error);
    cr_assert(set, "%s", error.text);
    memset(values, 0, sizeof values);
    cr_expect_eq(set->train.count, 6);
    cr_expect_eq(set->valid.count, 2);
    cr_expect_eq(set->test.count, 3);
    cr_expect_eq(set->classes, 4);
    dataset_batch(&set->train, NULL, 0, 6, NULL, 0, 0, x);
    dataset_batch(&set->valid, NULL, 0, 2, NULL, 0, 0, x + 36);
    dataset_batch(&set->test, NULL, 0, 3, NULL, 0, 0, x + 48);
    cr_expect_arr_eq(x, kept, sizeof kept, "floats are neither scaled nor normalised");
    int32_t labels[3];
    dataset_labels(&set->test, NULL, 0, 3, labels);
    cr_expect_arr_eq(labels, labels_of_11 + 8, sizeof labels);
    dataset_free(set);
}

Test(dataset, targets_make_a_regression) {
    float values[66], targets[22];
    double found[4];
    fill(values);
    for (int i = 0; i < 22; i++) {
        targets[i] = (float)cos(0.3 * i);
    }
    struct error error = {ERROR_NONE, ""};
    struct dataset *set = dataset_from_arrays(values, shape, NULL, 0, targets, 2, 2, 3, &error);
    cr_assert(set, "%s", error.text);
    cr_expect_eq(set->classes, 0);
    cr_expect_eq(set->outputs, 2);
    cr_expect_null(set->train.labels);
    const ptrdiff_t order[] = {1, 0};
    dataset_targets(&set->valid, order, 0, 2, PRECISION_F64, found);
    const double wanted[] = {(double)targets[14], (double)targets[15], (double)targets[12],
                             (double)targets[13]};
    cr_expect_arr_eq(found, wanted, sizeof wanted);
    dataset_free(set);
}

static void expect_array_refusal(const float *values, const ptrdiff_t extents[4],
                                 const int32_t *labels, int classes, const float *targets,
                                 int outputs, ptrdiff_t valid, ptrdiff_t test, const char *words) {
    struct error error = {ERROR_NONE, ""};
    cr_expect_null(dataset_from_arrays(values, extents, labels, classes, targets, outputs, valid,
                                       test, &error));
    cr_expect(strstr(error.text, words), "\"%s\" lacks \"%s\"", error.text, words);
}

Test(dataset, arrays_that_do_not_make_a_set_are_refused) {
    float values[66], targets[22] = {0};
    fill(values);
    const ptrdiff_t nothing[4] = {0, 2, 1, 3};
    expect_array_refusal(values, nothing, labels_of_11, 4, NULL, 0, 0, 0, "(0, 2, 1, 3)");
    expect_array_refusal(values, shape, labels_of_11, 3, NULL, 0, 2, 3,
                         "label 1 is 3; with classes = 3 labels are 0 to 2");
    expect_array_refusal(values, shape, labels_of_11, 4, targets, 2, 2, 3, "not both");
    expect_array_refusal(values, shape, NULL, 4, NULL, 0, 2, 3, "labels");
    expect_array_refusal(values, shape, NULL, 0, targets, 0, 2, 3, "at least 1");
    expect_array_refusal(values, shape, labels_of_11, 4, NULL, 0, 8, 3, "valid = 8 and test = 3");
    expect_array_refusal(values, shape, labels_of_11, 4, NULL, 0, -1, 3, "valid = -1");
    expect_array_refusal(values, shape, labels_of_11, 0, NULL, 0, 2, 3, "classes = 0");
    values[20] = NAN;
    expect_array_refusal(values, shape, labels_of_11, 4, NULL, 0, 2, 3,
                         "sample 4 is not finite (element 3)");
}

/* ---- drawn points ---- */

Test(dataset, rings_lie_at_their_radii) {
    struct dataset *set = expect("{\"source\":\"rings\",\"count\":2400,\"seed\":5}");
    cr_expect_eq(set->train.count, 2400);
    cr_expect_eq(set->valid.count, 200);
    cr_expect_eq(set->test.count, 1000);
    cr_expect_eq(set->classes, 2);
    cr_expect_eq(set->shape[0], 2);
    int in_ring[3] = {0};
    for (ptrdiff_t i = 0; i < 3600; i++) {
        double radius = hypot((double)set->floats[2 * i], (double)set->floats[2 * i + 1]);
        int ring = radius < 0.2 ? 0 : radius < 0.35 ? 1 : 2;
        const double least[] = {0.1, 0.25, 0.4};
        cr_assert(radius > least[ring] - 1e-6 && radius < least[ring] + 0.05 + 1e-6, "%g", radius);
        cr_assert_eq(set->labels[i], ring == 1);
        in_ring[ring]++;
    }
    cr_expect_eq(in_ring[0], 900);
    cr_expect_eq(in_ring[1], 1800);
    cr_expect_eq(in_ring[2], 900);
    dataset_free(set);
}

Test(dataset, drawn_sets_depend_on_the_seed_and_grow_without_moving) {
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "spirals" : "rings";
        char json[160];
        (void)snprintf(json, sizeof json, "{\"source\":\"%s\",\"count\":48,\"seed\":7}", name);
        struct dataset *small = expect(json);
        (void)snprintf(json, sizeof json, "{\"source\":\"%s\",\"count\":96,\"seed\":7}", name);
        struct dataset *large = expect(json);
        (void)snprintf(json, sizeof json, "{\"source\":\"%s\",\"count\":48,\"seed\":8}", name);
        struct dataset *other = expect(json);
        size_t size = 48 * 2 * sizeof(float);
        cr_expect_arr_eq(small->floats, large->floats, size);
        cr_expect_arr_eq(small->floats + 2 * small->test.first,
                         large->floats + 2 * large->test.first, 1000 * 2 * sizeof(float));
        cr_expect(memcmp(small->floats, other->floats, size) != 0);
        cr_expect(memcmp(small->floats, small->floats + 2 * small->test.first, size) != 0);
        dataset_free(small);
        dataset_free(large);
        dataset_free(other);
    }
}

Test(dataset, arms_of_a_spiral_without_noise_are_each_other_turned_by_half) {
    struct dataset *set =
        expect("{\"source\":\"spirals\",\"count\":400,\"noise\":0,\"turns\":2,\"seed\":3}");
    for (ptrdiff_t i = 0; i < 400; i++) {
        double x = (double)set->floats[2 * i], y = (double)set->floats[2 * i + 1];
        double along = (hypot(x, y) - 0.05) / 0.95;
        double angle = 4 * M_PI * along + M_PI * set->labels[i];
        cr_assert(along >= 0 && along <= 1.0001);
        cr_assert_float_eq(remainder(atan2(y, x) - angle, 2 * M_PI), 0, 1e-4);
    }
    dataset_free(set);
}

Test(dataset, drawn_sets_refuse_what_cannot_be) {
    expect_refusal("{\"source\":\"rings\",\"count\":0}", ERROR_VALUE, "count");
    expect_refusal("{\"source\":\"rings\",\"noise\":-0.5}", ERROR_VALUE, "noise");
    expect_refusal("{\"source\":\"spirals\",\"test\":-1}", ERROR_VALUE, "test");
    expect_refusal("{\"source\":\"spirals\",\"turn\":1}", ERROR_VALUE, "nearest is \"turns\"");
}
