/* A test under an emulator starts programs under it too. Criterion starts every case by execve of
 * the test's own file, test_prompt starts continuo by execv, and the kernel can run neither; linked
 * into a test, these two go before libc's. EMULATOR: the emulator's words, a list of strings. */
#include <assert.h>
#include <stddef.h>
#include <unistd.h>

enum { WORDS = 64 };

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
