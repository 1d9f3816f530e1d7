/* What a test under an emulator has linked in. It starts programs under the emulator too: Criterion
 * starts every case by execve of the test's own file, test_prompt starts continuo by execv, and the
 * kernel can run neither, so these two go before libc's. And its cases have more time. EMULATOR: the
 * emulator's words, a list of strings. */
#include <assert.h>
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stddef.h>
#include <unistd.h>

enum { WORDS = 64, SLOWER = 10 };

int execve(const char *path, char *const arguments[], char *const environment[]) {
    const char *words[WORDS] = {EMULATOR, path};
    int count = 0;
    while (words[count]) {
        count++;
    }
    for (int i = 1; arguments[0] && arguments[i]; i++) {
        assert(count < WORDS - 1);
        words[count++] = arguments[i];
    }
    return execvpe(words[0], (char *const *)words, environment);
}

int execv(const char *path, char *const arguments[]) {
    return execve(path, arguments, environ);
}

ReportHook(PRE_ALL)(struct criterion_test_set *all) {
    FOREACH_SET(struct criterion_suite_set *set, all->suites) {
        if (set->suite.data) {
            set->suite.data->timeout *= SLOWER;
        }
        FOREACH_SET(struct criterion_test *test, set->tests) {
            test->data->timeout *= SLOWER;
        }
    }
}
