#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"

static const char *const units[] = {"post", "pre", NULL};

struct sample {
    ptrdiff_t width;
    double rate;
    bool shuffle;
    char name[OPTION_TEXT_SIZE];
    int unit;
    cJSON *schedule;
    double momentum;
};

static const struct option table[] = {
    {"width", OPTION_INTEGER, offsetof(struct sample, width), NULL, 1, 4096, NULL, "channels"},
    {"rate", OPTION_NUMBER, offsetof(struct sample, rate), "0.1", DBL_MIN, INFINITY, NULL,
     "learning rate"},
    {"shuffle", OPTION_BOOLEAN, offsetof(struct sample, shuffle), "true", 0, 0, NULL, "new order"},
    {"name", OPTION_TEXT, offsetof(struct sample, name), "run", 0, 0, NULL, "of the run"},
    {"unit", OPTION_CHOICE, offsetof(struct sample, unit), "pre", 0, 0, units, "residual unit"},
    {"schedule", OPTION_JSON, offsetof(struct sample, schedule), "", 0, 0, NULL, "of the rate"},
    {"momentum", OPTION_NUMBER, offsetof(struct sample, momentum), "0", 0, 0.999, NULL, "of SGD"},
};
enum { COUNT = sizeof table / sizeof *table };

/* Reads a text of JSON; the object is returned through *object for the caller to delete. */
static bool read(const char *text, struct sample *sample, struct error *error, cJSON **object) {
    *object = cJSON_Parse(text);
    cr_assert(*object, "the test's own JSON is wrong: %s", text);
    memset(sample, 0x5A, sizeof *sample);
    return option_read(table, COUNT, "cn.sample", *object, NULL, sample, error);
}

static void expect_refusal(const char *text, const char *sentence) {
    struct sample sample;
    struct error error = {0};
    cJSON *object;
    cr_expect(!read(text, &sample, &error, &object), "%s was accepted", text);
    cr_expect_eq(error.code, ERROR_VALUE);
    cr_expect_str_eq(error.text, sentence);
    cJSON_Delete(object);
}

Test(option, values_given_are_read_and_others_get_their_fallback) {
    struct sample sample;
    struct error error;
    cJSON *object;
    cr_assert(read("{\"width\": 48, \"schedule\": {\"kind\": \"step\"}, \"unit\": \"post\"}",
                   &sample, &error, &object));
    cr_expect_eq(sample.width, 48);
    cr_expect_eq(sample.rate, 0.1);
    cr_expect_eq(sample.shuffle, true);
    cr_expect_str_eq(sample.name, "run");
    cr_expect_eq(sample.unit, 0);
    cr_expect_eq(sample.schedule, cJSON_GetObjectItem(object, "schedule"));
    cr_expect_eq(sample.momentum, 0.0);
    cJSON_Delete(object);
}

Test(option, every_kind_is_read) {
    struct sample sample;
    struct error error;
    cJSON *object;
    cr_assert(read("{\"width\": 1, \"rate\": 3.7e-3, \"shuffle\": false, \"name\": \"fm-euler\", "
                   "\"unit\": \"pre\", \"momentum\": 0.999}",
                   &sample, &error, &object));
    cr_expect_eq(sample.rate, 3.7e-3);
    cr_expect_eq(sample.shuffle, false);
    cr_expect_str_eq(sample.name, "fm-euler");
    cr_expect_eq(sample.unit, 1);
    cr_expect_null(sample.schedule);
    cr_expect_eq(sample.momentum, 0.999);
    cJSON_Delete(object);
}

Test(option, unknown_keys_are_refused_with_the_nearest_known_one) {
    expect_refusal("{\"width\": 8, \"momentun\": 0.9}",
                   "cn.sample: unknown option \"momentun\"; nearest is \"momentum\"");
    expect_refusal("{\"width\": 8, \"sched\": 0.9}",
                   "cn.sample: unknown option \"sched\"; nearest is \"schedule\"");
    expect_refusal("{\"Width\": 8}", "cn.sample: unknown option \"Width\"; nearest is \"width\"");
}

Test(option, unknown_keys_like_nothing_list_what_there_is) {
    expect_refusal("{\"width\": 8, \"xylophone\": 1}",
                   "cn.sample: unknown option \"xylophone\"; it takes \"width\", \"rate\", "
                   "\"shuffle\", \"name\", \"unit\", \"schedule\", \"momentum\"");
}

Test(option, wrong_types_are_named_with_what_was_given) {
    expect_refusal("{\"width\": \"wide\"}",
                   "cn.sample: \"width\" must be a whole number, not the text \"wide\" (channels)");
    expect_refusal("{\"width\": 2.5}",
                   "cn.sample: \"width\" must be a whole number, not 2.5 (channels)");
    expect_refusal("{\"width\": 1e17}",
                   "cn.sample: \"width\" must be a whole number, not 1e+17 (channels)");
    expect_refusal("{\"width\": 8, \"rate\": true}",
                   "cn.sample: \"rate\" must be a number, not true (learning rate)");
    expect_refusal("{\"width\": 8, \"shuffle\": 1}",
                   "cn.sample: \"shuffle\" must be true or false, not 1 (new order)");
    expect_refusal("{\"width\": 8, \"name\": [1, 2, 3]}",
                   "cn.sample: \"name\" must be a text, not a list of 3 (of the run)");
    expect_refusal(
        "{\"width\": 8, \"unit\": {\"a\": 1}}",
        "cn.sample: \"unit\" must be one of \"post\", \"pre\", not a table (residual unit)");
}

Test(option, values_out_of_range_are_refused_with_both_bounds) {
    expect_refusal("{\"width\": 0}",
                   "cn.sample: \"width\" is 0; it must be between 1 and 4096 (channels)");
    expect_refusal("{\"width\": 4097}",
                   "cn.sample: \"width\" is 4097; it must be between 1 and 4096 (channels)");
    expect_refusal("{\"width\": 8, \"rate\": 0}",
                   "cn.sample: \"rate\" is 0; it must be more than 0 (learning rate)");
    expect_refusal("{\"width\": 8, \"momentum\": -0.25}",
                   "cn.sample: \"momentum\" is -0.25; it must be between 0 and 0.999 (of SGD)");
}

Test(option, choices_are_listed_and_the_nearest_named) {
    expect_refusal(
        "{\"width\": 8, \"unit\": \"pots\"}",
        "cn.sample: \"unit\" cannot be \"pots\"; it is one of \"post\", \"pre\"; nearest is "
        "\"post\"");
    expect_refusal("{\"width\": 8, \"unit\": \"\"}",
                   "cn.sample: \"unit\" cannot be \"\"; it is one of \"post\", \"pre\"");
}

Test(option, a_missing_required_option_is_named) {
    expect_refusal("{}", "cn.sample: \"width\" is missing (channels)");
    expect_refusal("[]", "cn.sample: \"width\" is missing (channels)");
    expect_refusal("{\"width\": null}", "cn.sample: \"width\" is missing (channels)");
    struct sample sample;
    struct error error;
    cr_expect(!option_read(table, COUNT, "cn.sample", NULL, NULL, &sample, &error));
    cr_expect_str_eq(error.text, "cn.sample: \"width\" is missing (channels)");
}

Test(option, what_is_not_a_table_is_refused) {
    expect_refusal("[1, 2]", "cn.sample: takes a table of named options, not a list of 2");
    expect_refusal("7", "cn.sample: takes a table of named options, not 7");
}

Test(option, numbers_that_are_not_finite_are_refused) {
    cJSON *const object = cJSON_CreateObject();
    struct sample sample;
    struct error error;
    (void)cJSON_AddNumberToObject(object, "width", 4);
    (void)cJSON_AddNumberToObject(object, "rate", NAN);
    cr_expect(!option_read(table, COUNT, "cn.sample", object, NULL, &sample, &error));
    cr_expect(strstr(error.text, "\"rate\" must be a finite number, not "), "%s", error.text);
    cJSON_Delete(object);
}

Test(option, a_text_that_does_not_fit_is_refused_and_the_longest_that_does_is_read) {
    char text[OPTION_TEXT_SIZE + 1];
    memset(text, 'k', sizeof text);
    text[OPTION_TEXT_SIZE] = '\0';
    cJSON *const object = cJSON_CreateObject();
    struct sample sample;
    struct error error;
    (void)cJSON_AddNumberToObject(object, "width", 4);
    (void)cJSON_AddStringToObject(object, "name", text);
    cr_expect(!option_read(table, COUNT, "cn.sample", object, NULL, &sample, &error));
    cr_expect_str_eq(error.text, "cn.sample: \"name\" is a text of 256 bytes; at most 255 are "
                                 "possible (of the run)");
    text[OPTION_TEXT_SIZE - 1] = '\0';
    cJSON_ReplaceItemInObject(object, "name", cJSON_CreateString(text));
    cr_expect(option_read(table, COUNT, "cn.sample", object, NULL, &sample, &error));
    cr_expect_str_eq(sample.name, text);
    cJSON_Delete(object);
}

Test(option, ignored_keys_are_passed_over) {
    const char *const ignored[] = {"family", "precision", NULL};
    cJSON *const object = cJSON_Parse("{\"family\": 3, \"width\": 5, \"precision\": \"f64\"}");
    struct sample sample;
    struct error error;
    cr_expect(option_read(table, COUNT, "cn.sample", object, ignored, &sample, &error));
    cr_expect_eq(sample.width, 5);
    cr_expect(!option_read(table, COUNT, "cn.sample", object, NULL, &sample, &error));
    cJSON_Delete(object);
}

Test(option, what_is_written_reads_back_the_same) {
    struct sample sample, again;
    struct error error;
    cJSON *object;
    cr_assert(read("{\"width\": 37, \"rate\": 0.012345678901234567, \"shuffle\": false, \"name\": "
                   "\"quote \\\" here\", \"unit\": \"post\", \"schedule\": [1, {\"at\": 0.5}]}",
                   &sample, &error, &object));
    cJSON *const written = option_write(table, COUNT, &sample);
    cr_assert(written);
    cr_expect_eq(cJSON_GetArraySize(written), COUNT);
    char *const text = cJSON_PrintUnformatted(written);
    cJSON *const parsed = cJSON_Parse(text);
    cr_assert(option_read(table, COUNT, "cn.sample", parsed, NULL, &again, &error), "%s",
              error.text);
    cr_expect_eq(again.width, 37);
    cr_expect_eq(again.rate, sample.rate);
    cr_expect_eq(again.shuffle, false);
    cr_expect_str_eq(again.name, "quote \" here");
    cr_expect_eq(again.unit, 0);
    cr_expect(cJSON_Compare(again.schedule, sample.schedule, true));
    free(text);
    cJSON_Delete(parsed);
    cJSON_Delete(written);
    cJSON_Delete(object);
}

Test(option, an_absent_json_value_stays_absent_through_writing) {
    struct sample sample, again;
    struct error error;
    cJSON *object;
    cr_assert(read("{\"width\": 3}", &sample, &error, &object));
    cJSON *const written = option_write(table, COUNT, &sample);
    cr_expect(option_read(table, COUNT, "cn.sample", written, NULL, &again, &error));
    cr_expect_null(again.schedule);
    cJSON_Delete(written);
    cJSON_Delete(object);
}

Test(option, nearest_finds_slips_and_refuses_strangers) {
    static const char *const names[] = {"euler", "midpoint", "heun2", "rk4", "rk4_38", "dopri54"};
    enum { NAMES = sizeof names / sizeof *names };
    cr_expect_str_eq(option_nearest("rk5", names, NAMES), "rk4");
    cr_expect_str_eq(option_nearest("uler", names, NAMES), "euler");
    cr_expect_str_eq(option_nearest("eluer", names, NAMES), "euler");
    cr_expect_str_eq(option_nearest("MidPoint", names, NAMES), "midpoint");
    cr_expect_str_eq(option_nearest("dopri", names, NAMES), "dopri54");
    cr_expect_null(option_nearest("leapfrog", names, NAMES));
    cr_expect_null(option_nearest("", names, NAMES));
    cr_expect_null(option_nearest("x", names, NAMES));
    char endless[5000];
    memset(endless, 'e', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    cr_expect_null(option_nearest(endless, names, NAMES));
}

Test(text, quotes_are_safe_to_print_and_bounded) {
    char out[TEXT_QUOTE_SIZE];
    cr_expect_str_eq(text_quote(out, "a\nb\x1b[31m"), "\"a?b?[31m\"");
    char endless[400];
    memset(endless, 'q', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    const size_t len = strlen(text_quote(out, endless));
    cr_expect_lt(len, TEXT_QUOTE_SIZE);
    cr_expect_str_eq(out + len - 5, "q...\"");
    /* Two-byte characters, so that some cut would fall inside one: none does. */
    for (int shift = 0; shift < 2; shift++) {
        char accents[300] = "x";
        for (int i = 0; i < 120; i++) {
            (void)strcat(accents, "\xc3\xa9");
        }
        (void)text_quote(out, accents + shift);
        const char *const dots = strstr(out, "...");
        cr_assert(dots);
        cr_expect_eq((unsigned char)dots[-1], 0xA9);
    }
}

Test(text, lists_that_do_not_fit_say_so) {
    static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
    char out[64];
    cr_expect_str_eq(text_list(out, sizeof out, names, 4),
                     "\"alpha\", \"beta\", \"gamma\", \"delta\"");
    for (size_t size = 8; size < sizeof out; size++) {
        memset(out, '#', sizeof out);
        (void)text_list(out, size, names, 4);
        cr_expect_lt(strlen(out), size);
    }
    cr_expect_str_eq(text_list(out, 24, names, 4), "\"alpha\", \"beta\", ...");
    cr_expect_str_eq(text_list(out, 8, names, 0), "");
}
