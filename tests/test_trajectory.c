#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "base/npy.h"
#include "learn/dataset.h"
#include "ode/system.h"
#include "scratch.h"

TestSuite(csv, .fini = scratch_remove);
TestSuite(trajectory, .fini = scratch_remove);

/* ---- CSV ----------------------------------------------------------------------------------- */

static bool read_text(const char *text, struct csv *csv, struct error *error) {
    return csv_read(scratch_write("x.csv", text, strlen(text)), csv, error);
}

Test(csv, commas_semicolons_and_blanks_separate_alike) {
    static const char *const texts[] = {
        "t,x,v\n0,1.5,-2\n0.5, 2.25 ,3e-2\n",
        "\xEF\xBB\xBF\"t\";\"x\";\"v\"\r\n0;1.5;-2\r\n\r\n0.5;2.25;3e-2\r\n",
        "# measured\n0 1.5 -2\n  0.5\t 2.25  3e-2  ",
    };
    static const double want[6] = {0, 1.5, -2, 0.5, 2.25, 3e-2};
    static const ptrdiff_t lines[3][2] = {{2, 3}, {2, 4}, {2, 3}};
    for (int i = 0; i < 3; i++) {
        struct csv csv;
        struct error error = {0};
        cr_assert(read_text(texts[i], &csv, &error), "%s", error.text);
        cr_assert(csv.rows == 2 && csv.columns == 3);
        cr_expect_arr_eq(csv.values, want, sizeof want);
        cr_expect_arr_eq(csv.lines, lines[i], sizeof lines[i]);
        csv_release(&csv);
    }
}

Test(csv, many_rows_are_kept) {
    static char text[60000];
    size_t used = 0;
    for (int i = 0; i < 3000; i++) {
        used += (size_t)sprintf(text + used, "%d,%.3f\n", i, 0.125 * i);
    }
    struct csv csv;
    struct error error = {0};
    cr_assert(read_text(text, &csv, &error), "%s", error.text);
    cr_assert(csv.rows == 3000 && csv.columns == 2);
    for (int i = 0; i < 3000; i++) {
        cr_assert(csv.values[2 * i] == i && csv.values[2 * i + 1] == 0.125 * i);
    }
    csv_release(&csv);
}

Test(csv, what_is_no_table_of_numbers_is_refused_with_its_line) {
    static const struct {
        const char *text, *says;
    } known[] = {
        {"", "no row of numbers"},
        {"t,x\n", "no row of numbers"},
        {"t,x\nu,v\n", "line 2 is not of numbers, nor is the heading above it"},
        {"0,1\n1\n", "line 2 has 1 fields, and line 1 has 2"},
        {"t,x\n0,1\n\n1,2,3\n", "line 4 has 3 fields, and line 2 has 2"},
        {"0,1\n1,x\n", "line 2: field 2 is \"x\", not a number"},
        {"0,1\n1,\n", "line 2: field 2 is \"\", not a number"},
        {"0;1\n1;0,5\n", "line 2: field 2 is \"0,5\", not a number"},
        {"0,1\n1,inf\n", "line 2: field 2 is \"inf\", not finite"},
        {"0,nan\n", "line 1: field 2 is \"nan\", not finite"},
    };
    for (int i = 0; i < (int)(sizeof known / sizeof *known); i++) {
        struct csv csv;
        struct error error = {0};
        cr_expect_not(read_text(known[i].text, &csv, &error), "%s", known[i].text);
        cr_expect(strstr(error.text, known[i].says) && strstr(error.text, "x.csv"), "%s",
                  error.text);
    }
    struct csv csv;
    struct error error = {0};
    cr_expect_not(csv_read(scratch_write("x.csv", "0,1\n1,\0 2\n", 10), &csv, &error));
    cr_expect(strstr(error.text, "zero byte at 6"), "%s", error.text);
}

/* ---- data sets ----------------------------------------------------------------------------- */

static struct dataset *try_make(const char *config, struct error *error) {
    cJSON *json = cJSON_Parse(config);
    cr_assert_not_null(json, "%s", config);
    struct dataset *set = dataset_create(json, error);
    cJSON_Delete(json);
    return set;
}

static struct dataset *make(const char *config) {
    struct error error = {0};
    struct dataset *set = try_make(config, &error);
    cr_assert_not_null(set, "%s", error.text);
    return set;
}

static void refuses(const char *config, const char *says) {
    struct error error = {0};
    cr_expect_null(try_make(config, &error), "%s", config);
    cr_expect(strstr(error.text, says), "%s lacks \"%s\"", error.text, says);
}

static struct system system_of(const struct dataset *set) {
    struct system system;
    struct error error = {0};
    cr_assert(
        system_read(&system, cJSON_GetObjectItem(set->config, "system"), "test", NULL, &error),
        "%s", error.text);
    return system;
}

static double number(const struct dataset *set, const char *key) {
    return cJSON_GetNumberValue(cJSON_GetObjectItem(set->config, key));
}

Test(trajectory, pairs_are_successive_states_of_the_system) {
    struct dataset *set = make("{\"source\":\"system\",\"system\":\"pendulum\",\"gravity\":7.5,"
                               "\"t0\":1,\"t1\":5,\"count\":41,\"valid\":0.25,\"test\":5}");
    const struct system system = system_of(set);
    cr_assert(set->train.count == 25 && set->valid.count == 10 && set->test.count == 5);
    cr_assert(set->shape[0] == 2 && set->outputs == 2 && set->classes == 0);
    cr_expect_str_eq(set->name, "pendulum");
    cr_expect(number(set, "dt") == 0.1 && system.parameters[0] == 7.5);
    for (int k = 0; k < 40; k++) {
        double y[2];
        system_exact(&system, system.y0, 1, 1 + k * 0.1, y);
        cr_expect_arr_eq(set->doubles + 2 * k, k ? y : system.y0, sizeof y);
        system_exact(&system, system.y0, 1, 1 + (k + 1) * 0.1, y);
        cr_expect_arr_eq(set->targets + 2 * k, y, sizeof y);
    }
    dataset_free(set);
}

Test(trajectory, windows_lie_in_one_part) {
    struct dataset *set = make("{\"source\":\"system\",\"system\":\"lotka_volterra\",\"dt\":0.05,"
                               "\"count\":21,\"intervals\":4,\"valid\":6,\"test\":5}");
    /* 9, 6 and 5 intervals. */
    cr_assert(set->train.count == 6 && set->valid.count == 3 && set->test.count == 2);
    cr_assert_eq(set->outputs, 8);
    const struct system system = system_of(set);
    static const int rows[11] = {0, 1, 2, 3, 4, 5, 9, 10, 11, 15, 16};
    double t[20], y[21 * 2];
    struct error error = {0};
    memcpy(y, system.y0, 2 * sizeof *y);
    for (int k = 0; k < 20; k++) {
        t[k] = (k + 1) * 0.05;
    }
    cr_assert(system_reference(&system, system.y0, 0, 20, t, y + 2, &error), "%s", error.text);
    for (int i = 0; i < 11; i++) {
        cr_expect_arr_eq(set->doubles + 2 * i, y + 2 * rows[i], 2 * sizeof *y, "%d", i);
        cr_expect_arr_eq(set->targets + 8 * i, y + 2 * rows[i] + 2, 8 * sizeof *y, "%d", i);
    }
    dataset_free(set);
}

Test(trajectory, random_intervals_are_given_and_lead_from_state_to_state) {
    const char *config = "{\"source\":\"system\",\"system\":\"duffing\",\"dt\":0.1,\"count\":400,"
                         "\"times\":\"irregular\",\"spread\":0.8,\"intervals\":3,\"seed\":5}";
    struct dataset *set = make(config), *again = make(config);
    const struct system system = system_of(set);
    const ptrdiff_t samples = set->train.count + set->valid.count;
    cr_assert(set->shape[0] == 4 && set->outputs == 6 && samples == 133);
    double sum = 0, least = 1, most = 0;
    for (ptrdiff_t i = 0; i < samples; i++) {
        const double *x = set->doubles + 4 * i, t = x[2], dt = x[3];
        double times[3], y[6];
        struct error error = {0};
        for (int k = 0; k < 3; k++) {
            times[k] = t + (k + 1) * dt;
        }
        cr_assert(system_reference(&system, x, t, 3, times, y, &error), "%s", error.text);
        for (int k = 0; k < 6; k++) {
            cr_expect(fabs(y[k] - set->targets[6 * i + k]) < 2e-13);
        }
        sum += dt;
        least = fmin(least, dt);
        most = fmax(most, dt);
    }
    cr_expect(fabs(sum / (double)samples - 0.1) < 0.015);
    cr_expect(least >= 0.02 && least < 0.03 && most <= 0.18 && most > 0.17, "%g %g", least, most);
    cr_expect_arr_eq(set->doubles, again->doubles, (size_t)(4 * samples) * sizeof(double));
    dataset_free(set);
    dataset_free(again);
}

Test(trajectory, held_out_parts_are_initial_states_of_their_own) {
    struct dataset *set =
        make("{\"source\":\"system\",\"system\":{\"name\":\"pendulum\",\"t1\":1},\"dt\":0.25,"
             "\"ranges\":[[-1,2],[0.5,0.5]],\"trajectories\":20,\"valid\":3,\"test\":0.1,"
             "\"seed\":9}");
    cr_assert(set->train.count == 15 * 4 && set->valid.count == 3 * 4 && set->test.count == 2 * 4);
    double least = 2, most = -1;
    for (int k = 0; k < 20; k++) {
        const double *y = set->doubles + k * 4 * 2;
        cr_expect(y[0] > -1 && y[0] < 2 && y[1] == 0.5);
        for (int j = 0; j < k; j++) {
            cr_expect(y[0] != set->doubles[j * 4 * 2]);
        }
        least = fmin(least, y[0]);
        most = fmax(most, y[0]);
    }
    cr_expect(least < -0.5 && most > 1.5);
    dataset_free(set);
    set = make("{\"source\":\"system\",\"system\":\"pendulum\",\"dt\":0.25,\"count\":3,"
               "\"y0\":[[1,2],[3,4],[5,6]]}");
    cr_assert(set->train.count == 4 && set->valid.count == 2);
    cr_expect_arr_eq(set->doubles, ((double[]){1, 2}), 2 * sizeof(double));
    cr_expect_arr_eq(set->doubles + 4, ((double[]){3, 4}), 2 * sizeof(double));
    cr_expect_arr_eq(set->doubles + 8, ((double[]){5, 6}), 2 * sizeof(double));
    dataset_free(set);
}

Test(trajectory, noise_is_of_its_deviation_and_one_a_state) {
    const char *clean_config = "{\"source\":\"system\",\"system\":\"oscillator\",\"count\":5001}";
    struct dataset *clean = make(clean_config);
    struct dataset *noisy = make("{\"source\":\"system\",\"system\":\"oscillator\",\"count\":5001,"
                                 "\"noise\":0.03,\"seed\":12}");
    double sum = 0, square = 0;
    for (int i = 0; i < 9000; i++) {
        const double d = noisy->doubles[i] - clean->doubles[i];
        sum += d;
        square += d * d;
        if (i >= 2) {
            cr_assert_eq(noisy->doubles[i], noisy->targets[i - 2]);
        }
    }
    /* Four standard errors. */
    cr_expect(fabs(sum / 9000) < 4 * 0.03 / sqrt(9000), "%g", sum / 9000);
    cr_expect(fabs(sqrt(square / 9000) / 0.03 - 1) < 4 / sqrt(2.0 * 9000), "%g",
              sqrt(square / 9000));
    dataset_free(clean);
    dataset_free(noisy);
}

Test(trajectory, a_resolved_configuration_makes_the_same_set) {
    static const char *const configs[] = {
        "{\"source\":\"system\",\"system\":\"double_gyre\",\"amplitude\":0.2,\"times\":\"given\","
        "\"dt\":0.3,\"t1\":7,\"noise\":1e-3,\"seed\":4,\"intervals\":2}",
        "{\"source\":\"system\",\"system\":\"pendulum\",\"dt\":0.25,\"ranges\":[[0,1],[0,1]],"
        "\"trajectories\":4,\"t1\":2}",
        "{\"source\":\"system\",\"system\":\"pendulum\",\"y0\":[[1,2],[3,4]],\"count\":7}",
        "{\"source\":\"system\",\"system\":\"pendulum\",\"y0\":[1,2],\"count\":7}",
    };
    for (int i = 0; i < 4; i++) {
        struct dataset *set = make(configs[i]);
        char *text = cJSON_PrintUnformatted(set->config);
        struct dataset *again = make(text);
        cr_assert_eq(again->train.count, set->train.count);
        cr_assert_eq(again->valid.count, set->valid.count);
        const ptrdiff_t samples = set->train.count + set->valid.count;
        cr_expect_arr_eq(set->doubles, again->doubles,
                         (size_t)(samples * set->shape[0]) * sizeof(double));
        cr_expect_arr_eq(set->targets, again->targets,
                         (size_t)(samples * set->outputs) * sizeof(double));
        cJSON_free(text);
        dataset_free(set);
        dataset_free(again);
    }
}

Test(trajectory, what_a_system_cannot_give_is_refused) {
#define SYSTEM "{\"source\":\"system\",\"system\":\"pendulum\","
    refuses("{\"source\":\"system\"}", "\"system\" is missing");
    refuses("{\"source\":\"system\",\"system\":\"pendelum\"}", "nearest is \"pendulum\"");
    refuses(SYSTEM "\"gravty\":1}", "nearest is \"gravity\"");
    refuses(SYSTEM "\"nosie\":1}", "nearest is \"noise\"");
    refuses(SYSTEM "\"dt\":0.3,\"count\":5,\"t1\":7}", "leave out one of");
    refuses(SYSTEM "\"dt\":30}", "do not fit");
    refuses(SYSTEM "\"t0\":5,\"t1\":3}", "must come behind");
    refuses(SYSTEM "\"trajectories\":3}", "needs \"ranges\"");
    refuses(SYSTEM "\"y0\":[1,2],\"ranges\":[[0,1],[0,1]]}", "not both");
    refuses(SYSTEM "\"ranges\":[[0,1]]}", "list of 2 pairs");
    refuses(SYSTEM "\"ranges\":[[0,1],[1,0]]}", "list of 2 pairs");
    refuses(SYSTEM "\"y0\":[1,2,3]}", "list of 2 numbers");
    refuses(SYSTEM "\"y0\":[[1,2],[3]]}", "entry 2 of \"y0\"");
    refuses(SYSTEM "\"y0\":7}", "must be a state");
    refuses(SYSTEM "\"valid\":1.5}", "whole number");
    refuses(SYSTEM "\"count\":11,\"valid\":10}", "take 10 and 0 of 10 intervals");
    refuses(SYSTEM "\"count\":5,\"intervals\":5}", "no window of 5 intervals");
    refuses(SYSTEM "\"times\":\"iregular\"}", "nearest is \"irregular\"");
    refuses("{\"source\":\"system\",\"system\":\"duffing\",\"cubic\":-1,\"y0\":[2,3]}",
            "cannot be followed beyond");
}

/* ---- trajectories of one's own ------------------------------------------------------------- */

static const char *write_csv(const char *name, int rows, double dt, double (*x)(double)) {
    static char text[20000];
    size_t used = (size_t)sprintf(text, "time,x,v\n");
    for (int k = 0; k < rows; k++) {
        used += (size_t)sprintf(text + used, "%.17g,%.17g,%.17g\n", k * dt, x(k * dt), x(-k * dt));
    }
    return scratch_write(name, text, used);
}

Test(trajectory, files_are_trajectories_by_their_columns) {
    char config[2048], first[512], second[512];
    (void)snprintf(first, sizeof first, "%s", write_csv("one.csv", 12, 0.125, exp));
    (void)snprintf(second, sizeof second, "%s", write_csv("two.csv", 5, 0.125, cos));
    (void)snprintf(config, sizeof config,
                   "{\"source\":\"trajectory\",\"file\":[\"%s\",\"%s\"],\"valid\":1}", first,
                   second);
    struct dataset *set = make(config);
    cr_assert(set->train.count == 11 && set->valid.count == 4 && set->shape[0] == 2);
    cr_expect_str_eq(set->name, "one");
    cr_expect_eq(strlen(set->digest), 64);
    cr_expect(number(set, "dt") == 0.125);
    for (int k = 0; k < 11; k++) {
        cr_expect_eq(set->doubles[2 * k], exp(0.125 * k));
        cr_expect_eq(set->targets[2 * k + 1], exp(-0.125 * (k + 1)));
    }
    cr_expect_eq(set->targets[2 * 14], cos(0.5));
    dataset_free(set);

    /* The same numbers from an array, (trajectories, rows, 1 + n). */
    double values[2 * 5 * 3];
    for (int k = 0; k < 10; k++) {
        const double t = k % 5 * 0.125;
        values[3 * k] = t;
        values[3 * k + 1] = k < 5 ? exp(t) : cos(t);
        values[3 * k + 2] = k < 5 ? exp(-t) : cos(-t);
    }
    const struct npy array = {NPY_F8, 3, {2, 5, 3}, 30, values};
    struct error error = {0};
    cr_assert(npy_write(scratch_path("both.npy"), &array, &error), "%s", error.text);
    (void)snprintf(config, sizeof config,
                   "{\"source\":\"trajectory\",\"file\":\"%s\",\"valid\":1,\"times\":\"given\"}",
                   scratch_path("both.npy"));
    set = make(config);
    cr_assert(set->train.count == 4 && set->valid.count == 4 && set->shape[0] == 4);
    cr_expect_arr_eq(set->doubles + 4, ((double[]){exp(0.125), exp(-0.125), 0.125, 0.125}),
                     4 * sizeof(double));
    cr_expect_eq(set->targets[2 * 7], cos(0.5));
    dataset_free(set);
}

static void refuses_text(const char *text, const char *more, const char *says) {
    char config[1024];
    (void)snprintf(config, sizeof config, "{\"source\":\"trajectory\",\"file\":\"%s\"%s}",
                   scratch_write("own.csv", text, strlen(text)), more);
    refuses(config, says);
}

Test(trajectory, files_that_are_no_trajectory_are_refused_with_their_line) {
    refuses("{\"source\":\"trajectory\",\"file\":\"/nowhere/x.csv\"}", "/nowhere/x.csv");
    refuses("{\"source\":\"trajectory\"}", "give a \"file\"");
    refuses("{\"source\":\"trajectory\",\"file\":3}", "a text or a list of texts");
    refuses_text("t,x\n0,1\n# no\n2,2\n1.5,3\n", "", "own.csv, line 5 t is 1.5, and 2 before it");
    refuses_text("t,x\n0,1\n1,2\n2,3\n3.02,3\n", "", "own.csv, line 3 t is 1, and 1.00666");
    refuses_text("0,1\n1,2\n2,3\n3.07,3\n", ",\"dt\":1", "own.csv, line 4 t is 3.07, and 3 with");
    refuses_text("0,1\n", "", "has 1 row");
    refuses_text("0\n1\n", "", "has 1 column");
    refuses_text("0,1\n1,2\n2,x\n", "", "own.csv, line 3: field 2");
    refuses_text("0,1\n1,2\n2.5,3\n3.5,1\n", ",\"times\":\"given\",\"intervals\":2,\"valid\":0",
                 "behind states 1 and 2 of trajectory 1 are 1 and 1.5");
    /* Times rounded to a hundredth pass when dt is told. */
    char config[1024];
    const char *text = "0,1\n0.33,2\n0.67,3\n1,1\n";
    (void)snprintf(config, sizeof config,
                   "{\"source\":\"trajectory\",\"file\":\"%s\",\"valid\":0,"
                   "\"dt\":0.33333333333333333}",
                   scratch_write("own.csv", text, strlen(text)));
    struct error error = {0};
    struct dataset *set = try_make(config, &error);
    cr_assert_not_null(set, "%s", error.text);
    cr_expect(set->train.count == 3 && fabs(number(set, "dt") - 1.0 / 3) < 1e-16);
    dataset_free(set);
}
