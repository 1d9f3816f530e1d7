#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "learn/schedule.h"

static struct schedule make(const char *json) {
    struct schedule schedule;
    struct error error = {0};
    cJSON *config = json ? cJSON_Parse(json) : NULL;
    cr_assert(!json || config, "%s", json);
    cr_assert(schedule_read(&schedule, config, &error), "%s", error.text);
    cJSON_Delete(config);
    return schedule;
}

Test(schedule, constant_is_the_optimisers_rate) {
    struct schedule schedule = make(NULL);
    for (ptrdiff_t step = 0; step < 70; step++) {
        cr_assert_float_eq(schedule_rate(&schedule, 0.0371, step, 70, 7), 0.0371, 0);
    }
}

Test(schedule, step_drops_at_the_first_step_behind_the_epoch) {
    struct schedule schedule = make("{\"kind\":\"step\",\"at\":[2,3],\"factor\":0.2}");
    /* 469 steps an epoch, as 60,000 images in batches of 128 have. */
    cr_assert_float_eq(schedule_rate(&schedule, 0.1, 0, 1876, 469), 0.1, 1e-17);
    cr_assert_float_eq(schedule_rate(&schedule, 0.1, 2 * 469 - 1, 1876, 469), 0.1, 1e-17);
    cr_assert_float_eq(schedule_rate(&schedule, 0.1, 2 * 469, 1876, 469), 0.02, 1e-17);
    cr_assert_float_eq(schedule_rate(&schedule, 0.1, 3 * 469 - 1, 1876, 469), 0.02, 1e-17);
    cr_assert_float_eq(schedule_rate(&schedule, 0.1, 3 * 469, 1876, 469), 0.004, 1e-17);
}

Test(schedule, step_hits_whole_epochs_exactly_for_any_number_of_steps) {
    struct schedule schedule = make("{\"kind\":\"step\",\"at\":[7],\"factor\":0.5}");
    for (ptrdiff_t per_epoch = 1; per_epoch < 500; per_epoch++) {
        cr_assert_float_eq(schedule_rate(&schedule, 1, 7 * per_epoch - 1, 9000, per_epoch), 1, 0);
        cr_assert_float_eq(schedule_rate(&schedule, 1, 7 * per_epoch, 9000, per_epoch), 0.5, 0);
    }
}

Test(schedule, warm_up_ramps_linearly_and_ends_at_the_full_rate) {
    struct schedule schedule = make("{\"kind\":\"constant\",\"warmup\":0.5}");
    for (ptrdiff_t step = 0; step < 10; step++) {
        cr_assert_float_eq(schedule_rate(&schedule, 0.8, step, 60, 20),
                           0.8 * (double)(step + 1) / 10, 1e-15);
    }
    cr_assert_float_eq(schedule_rate(&schedule, 0.8, 10, 60, 20), 0.8, 0);
}

Test(schedule, cosine_starts_full_passes_the_middle_and_nears_the_floor) {
    struct schedule schedule = make("{\"kind\":\"cosine\",\"warmup\":2,\"floor\":0.01}");
    /* Warm-up ends at step 20 of 120: u = 0 at 20, 1/2 at 70. */
    cr_assert_float_eq(schedule_rate(&schedule, 0.31, 20, 120, 10), 0.31, 1e-15);
    cr_assert_float_eq(schedule_rate(&schedule, 0.31, 70, 120, 10), 0.16, 1e-15);
    double quarter = 0.01 + 0.3 * 0.5 * (1 + sqrt(0.5));
    cr_assert_float_eq(schedule_rate(&schedule, 0.31, 45, 120, 10), quarter, 1e-15);
    double end = schedule_rate(&schedule, 0.31, 119, 120, 10);
    cr_assert(end > 0.01 && end < 0.0101, "%g", end);
}

Test(schedule, one_cycle_goes_from_start_over_the_peak_to_the_end) {
    struct schedule schedule = make("{\"kind\":\"one_cycle\",\"peak\":0.1}");
    /* PyTorch's OneCycleLR(max_lr=0.1, total_steps=100): rises over steps 0 to 29, falls to 99. */
    cr_assert_float_eq(schedule_rate(&schedule, 7, 0, 100, 10), 0.1 / 25, 1e-15);
    cr_assert_float_eq(schedule_rate(&schedule, 7, 29, 100, 10), 0.1, 1e-15);
    cr_assert_float_eq(schedule_rate(&schedule, 7, 64, 100, 10), 0.5 * (0.1 + 0.1 * 4e-6), 1e-15);
    cr_assert_float_eq(schedule_rate(&schedule, 7, 99, 100, 10), 0.1 * 4e-6, 1e-15);
    for (ptrdiff_t step = 1; step < 100; step++) {
        double before = schedule_rate(&schedule, 7, step - 1, 100, 10);
        double now = schedule_rate(&schedule, 7, step, 100, 10);
        cr_assert(step <= 29 ? now > before : now < before, "step %td", step);
    }
}

Test(schedule, one_cycle_without_a_peak_takes_the_optimisers_rate) {
    struct schedule schedule = make("{\"kind\":\"one_cycle\"}");
    cr_assert_float_eq(schedule_rate(&schedule, 0.77, 29, 100, 10), 0.77, 1e-15);
}

Test(schedule, every_kind_is_finite_and_not_negative_for_any_length) {
    static const char *const kinds[] = {
        "{\"kind\":\"constant\",\"warmup\":3}",
        "{\"kind\":\"step\",\"at\":[1,2.5],\"warmup\":0.3}",
        "{\"kind\":\"cosine\",\"warmup\":5}",
        "{\"kind\":\"one_cycle\",\"warmup\":0}",
        "{\"kind\":\"one_cycle\",\"warmup\":1}",
        "{\"kind\":\"one_cycle\"}",
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct schedule schedule = make(kinds[k]);
        for (ptrdiff_t steps = 1; steps < 12; steps++) {
            for (ptrdiff_t step = 0; step < steps; step++) {
                double rate = schedule_rate(&schedule, 0.3, step, steps, 3);
                cr_assert(isfinite(rate) && rate >= 0 && rate <= 0.3 * (1 + 1e-15),
                          "%s step %td of %td: %g", kinds[k], step, steps, rate);
            }
        }
    }
}

Test(schedule, a_resolved_configuration_reads_back_the_same) {
    static const char *const kinds[] = {
        "{\"kind\":\"constant\",\"warmup\":3}",
        "{\"kind\":\"step\",\"at\":[1,2.5],\"warmup\":0.3}",
        "{\"kind\":\"cosine\",\"floor\":0.001}",
        "{\"kind\":\"one_cycle\",\"peak\":0.4}",
    };
    cr_assert_eq(schedule_count(), (int)(sizeof kinds / sizeof kinds[0]));
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct schedule schedule = make(kinds[k]);
        cJSON *config = schedule_config(&schedule);
        char *text = cJSON_PrintUnformatted(config);
        struct schedule again = make(text);
        for (ptrdiff_t step = 0; step < 30; step++) {
            cr_assert_float_eq(schedule_rate(&schedule, 0.2, step, 30, 7),
                               schedule_rate(&again, 0.2, step, 30, 7), 0);
        }
        cJSON_free(text);
        cJSON_Delete(config);
    }
}

static void refuses(const char *json, const char *part) {
    struct schedule schedule;
    struct error error = {0};
    cJSON *config = cJSON_Parse(json);
    cr_assert_not_null(config, "%s", json);
    cr_assert_not(schedule_read(&schedule, config, &error), "%s", json);
    cr_assert_not_null(strstr(error.text, part), "%s: \"%s\" lacks \"%s\"", json, error.text, part);
    cJSON_Delete(config);
}

Test(schedule, what_cannot_be_is_refused_in_a_sentence) {
    refuses("{\"kind\":\"cosin\"}", "nearest is \"cosine\"");
    refuses("{\"at\":[1]}", "\"kind\"");
    refuses("{\"kind\":\"step\"}", "at");
    refuses("{\"kind\":\"step\",\"at\":3}", "list of epochs");
    refuses("{\"kind\":\"step\",\"at\":[3,2]}", "2 follows 3");
    refuses("{\"kind\":\"step\",\"at\":[-3]}", "entry 1");
    refuses("{\"kind\":\"step\",\"at\":[3],\"factr\":0.1}", "factor");
    refuses("{\"kind\":\"one_cycle\",\"warmup\":30}", "30");
    refuses("{\"kind\":\"cosine\",\"warmup\":-1}", "-1");
}
