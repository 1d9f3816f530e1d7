#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/machine.h"
#include "run/record.h"

static char folder[64];

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/continuo-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(record, .init = make_folder, .fini = remove_folder);

static char *read_file(const struct record *record, const char *file) {
    static char text[1 << 20];
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", record_path(record), file);
    FILE *stream = fopen(path, "r");
    cr_assert_not_null(stream, "%s", path);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    (void)fclose(stream);
    return text;
}

static struct record *create(const char *runs, const char *name) {
    struct error error = {0};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, runs);
    struct record *record = record_create(path, name, &error);
    cr_assert_not_null(record, "%s", error.text);
    return record;
}

Test(record, a_folder_has_time_name_and_id_and_its_parents_are_made) {
    struct record *record = create("a/b/runs", "fm rk4/../x");
    const char *base = strrchr(record_path(record), '/') + 1;
    int year, month, day, clock, end = 0;
    cr_assert_eq(sscanf(base, "%4d-%2d-%2dT%6d-fm-rk4-..-x-%n", &year, &month, &day, &clock, &end),
                 4);
    cr_assert(end > 0, "%s", base);
    cr_assert_str_eq(base + end, record_id(record));
    cr_assert_eq(strlen(record_id(record)), 4);
    cr_assert_eq(strspn(record_id(record), "0123456789abcdef"), 4);
    cr_assert_str_eq(record_name(record), "fm rk4/../x");
    record_free(record);
}

Test(record, two_runs_of_one_second_and_name_have_two_folders) {
    enum { RUNS = 24 };
    struct record *records[RUNS];
    for (int i = 0; i < RUNS; i++) {
        records[i] = create("runs", "same");
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(record_path(records[i]), record_path(records[j]));
        }
    }
    for (int i = 0; i < RUNS; i++) {
        record_free(records[i]);
    }
}

static void refuses(const char *runs, const char *name, const char *part) {
    struct error error = {0};
    cr_assert_null(record_create(runs, name, &error), "%s", runs);
    cr_assert_not_null(strstr(error.text, part), "\"%s\" lacks \"%s\"", error.text, part);
    cr_assert_null(strchr(error.text, '\n'));
}

Test(record, a_folder_that_cannot_be_made_is_refused_in_a_sentence) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/file", folder);
    FILE *stream = fopen(path, "w");
    (void)fclose(stream);
    refuses(path, "x", "give runs = a folder you may write to");
    (void)snprintf(path, sizeof path, "%s/file/runs", folder);
    refuses(path, "x", path);
    refuses("/proc/continuo", "x", "/proc/continuo");
    refuses("", "x", "0 bytes");
    refuses(folder, "", "0 bytes");
    refuses(folder, "a name that is much longer than the sixty-three bytes which a name may have",
            "must have 1 to 63");
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    refuses(path, "x", "511");
}

Test(record, a_discarded_run_leaves_no_folder) {
    struct error error = {0};
    struct record *record = create("runs", "gone");
    char path[RECORD_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s", record_path(record));
    cr_assert(record_text(record, "commands.lua", "x = 1", &error));
    record_discard(record);
    struct stat status;
    cr_assert_neq(stat(path, &status), 0);
}

Test(record, events_are_json_lines_with_all_kinds_of_values) {
    struct record *record = create("runs", "lines");
    struct event event;
    event_begin(&event, "note");
    event_number(&event, "pi", 3.14159265358979);
    event_number(&event, "whole", 430);
    event_number(&event, "nan", NAN);
    event_number(&event, "inf", (double)INFINITY);
    event_number(&event, "less", -(double)INFINITY);
    event_flag(&event, "pass", 0);
    event_json(&event, "trained", "{\"steps\":4}");
    event_text(&event, "text", "a \"quoted\" \\ line\nwith \x01 and \xc3\xa9");
    event_end(&event);
    cr_assert(record_event(record, &event, true));
    cr_assert_str_eq(read_file(record, "metrics.jsonl"),
                     "{\"kind\":\"note\",\"pi\":3.14159265,\"whole\":430,\"nan\":\"nan\","
                     "\"inf\":\"inf\",\"less\":\"-inf\",\"pass\":false,\"trained\":{\"steps\":4},"
                     "\"text\":\"a \\\"quoted\\\" \\\\ line\\u000awith \\u0001 and \xc3\xa9\"}\n");
    record_free(record);
}

Test(record, a_text_that_does_not_fit_is_cut_and_the_line_stays_whole) {
    static char text[3 * EVENT_SIZE];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof text - 3; i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 4);
        }
        struct event event;
        event_begin(&event, "note");
        event_text(&event, "text", text);
        event_number(&event, "after", 7);
        event_end(&event);
        cJSON *parsed = cJSON_Parse(event.text);
        cr_assert_not_null(parsed);
        const char *cut = cJSON_GetObjectItem(parsed, "text")->valuestring;
        cr_assert_eq((strlen(cut) - shift) % 3, 0);
        cr_assert_eq(cJSON_GetObjectItem(parsed, "after")->valueint, 7);
        cJSON_Delete(parsed);
    }
}

Test(record, events_reach_the_file_within_a_fifth_of_a_second_or_at_once) {
    struct record *record = create("runs", "flush");
    struct event event;
    event_begin(&event, "step");
    event_end(&event);
    cr_assert_not(record_event(record, &event, false));
    cr_assert_str_eq(read_file(record, "metrics.jsonl"), "");
    (void)usleep(210000);
    cr_assert(record_event(record, &event, false));
    cr_assert_eq(strlen(read_file(record, "metrics.jsonl")), 2 * event.len);
    cr_assert_not(record_event(record, &event, false));
    cr_assert(record_event(record, &event, true));
    cr_assert_eq(strlen(read_file(record, "metrics.jsonl")), 4 * event.len);
    record_free(record);
}

static void *write_many(void *context) {
    for (int i = 0; i < 500; i++) {
        struct event event;
        event_begin(&event, "step");
        event_number(&event, "step", i);
        event_end(&event);
        (void)record_event(context, &event, false);
    }
    return NULL;
}

Test(record, events_of_two_threads_do_not_mix_within_a_line) {
    struct record *record = create("runs", "threads");
    pthread_t other;
    cr_assert_eq(pthread_create(&other, NULL, write_many, record), 0);
    (void)write_many(record);
    pthread_join(other, NULL);
    struct event event;
    event_begin(&event, "note");
    event_end(&event);
    (void)record_event(record, &event, true);
    int lines = 0;
    for (char *line = strtok(read_file(record, "metrics.jsonl"), "\n"); line;
         line = strtok(NULL, "\n")) {
        cJSON *parsed = cJSON_Parse(line);
        cr_assert_not_null(parsed, "%s", line);
        cJSON_Delete(parsed);
        lines++;
    }
    cr_assert_eq(lines, 1001);
    record_free(record);
}

Test(record, files_are_written_whole_and_end_in_a_newline) {
    struct error error = {0};
    struct record *record = create("runs", "files");
    cr_assert(record_text(record, "commands.lua", "x = 1", &error));
    cr_assert_str_eq(read_file(record, "commands.lua"), "x = 1\n");
    cJSON *value = cJSON_Parse("{\"name\":\"files\"}");
    cr_assert(record_json(record, "config.json", value, &error));
    cJSON *again = cJSON_Parse(read_file(record, "config.json"));
    cr_assert(cJSON_Compare(value, again, true));
    record_log(record, 12.34, "said");
    cr_assert_str_eq(read_file(record, "log.txt"), "     12.3  said\n");
    cJSON_Delete(value);
    cJSON_Delete(again);
    char trouble[64];
    record_trouble(record, trouble, sizeof trouble);
    cr_assert_str_eq(trouble, "");
    record_free(record);
}

Test(record, the_facts_of_the_machine_are_there) {
    cJSON *facts = machine_facts();
    cr_assert_not_null(facts);
    cr_assert_eq(cJSON_GetObjectItem(facts, "pid")->valueint, (int)getpid());
    cr_assert(cJSON_IsString(cJSON_GetObjectItem(facts, "version")));
    cr_assert_eq(strlen(cJSON_GetObjectItem(facts, "started")->valuestring), 24);
    cr_assert(cJSON_IsString(cJSON_GetObjectItem(facts, "host")));
    cr_assert(cJSON_GetArraySize(cJSON_GetObjectItem(facts, "argv")) > 0);
    cr_assert_not_null(cJSON_GetObjectItem(facts, "cpu"));
    cJSON_Delete(facts);
}

Test(record, the_state_of_git_is_asked_for_and_may_be_missing) {
    cr_assert_eq(chdir(folder), 0);
    cJSON *facts = machine_facts();
    cr_assert(cJSON_IsNull(cJSON_GetObjectItem(facts, "git")));
    cJSON_Delete(facts);
    if (system("git init -q . 2>/dev/null && echo a > a && git add a && "
               "git -c user.name=n -c user.email=e commit -q -m a") != 0) {
        return; /* no git here */
    }
    facts = machine_facts();
    cJSON *git = cJSON_GetObjectItem(facts, "git");
    cr_assert_eq(strlen(cJSON_GetObjectItem(git, "commit")->valuestring), 40);
    cr_assert(cJSON_IsFalse(cJSON_GetObjectItem(git, "dirty")));
    cJSON_Delete(facts);
    cr_assert_eq(system("echo b > a"), 0);
    facts = machine_facts();
    git = cJSON_GetObjectItem(facts, "git");
    cr_assert(cJSON_IsTrue(cJSON_GetObjectItem(git, "dirty")));
    cJSON_Delete(facts);
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", getenv("PATH"));
    cr_assert_eq(setenv("PATH", "", 1), 0);
    facts = machine_facts();
    cr_assert_eq(setenv("PATH", path, 1), 0);
    cr_assert(cJSON_IsNull(cJSON_GetObjectItem(facts, "git")));
    cJSON_Delete(facts);
}
