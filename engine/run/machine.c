#include "run/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

/* Reads the pipe to its end or until the deadline; returns whether the end was reached. */
static bool drain(int fd, double deadline, char *out, size_t size) {
    size_t len = 0;
    for (;;) {
        double left = deadline - clock_seconds();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left * 1000) + 1) : 0;
        if (ready == 0 || (ready < 0 && errno != EINTR)) {
            return false;
        }
        char chunk[512];
        ssize_t got = ready > 0 ? read(fd, chunk, sizeof chunk) : -1;
        if (got == 0) {
            out[len] = '\0';
            return true;
        }
        for (ssize_t i = 0; i < got && len + 1 < size; i++) {
            out[len++] = chunk[i];
        }
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
    }
}

static bool spawn(char *const arguments[], int output, pid_t *child) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&files) != 0) {
        return false;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return false;
    }
    sigset_t none;
    sigemptyset(&none);
    /* A group of its own: ^C at the terminal is not meant for it. */
    bool good = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                posix_spawn_file_actions_adddup2(&files, output, 1) == 0 &&
                posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0) == 0 &&
                posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
                posix_spawnattr_setflags(&attributes,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP) == 0 &&
                posix_spawnp(child, arguments[0], &files, &attributes, arguments, environ) == 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return good;
}

/* The output of a command, when it ended well and before the deadline. */
static bool ask(char *const arguments[], double deadline, char *out, size_t size) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t child = 0;
    bool started = spawn(arguments, ends[1], &child);
    close(ends[1]);
    bool good = started && drain(ends[0], deadline, out, size);
    close(ends[0]);
    if (!started) {
        return false;
    }
    if (!good) {
        kill(child, SIGKILL);
    }
    int status = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    return good && ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static cJSON *git_facts(void) {
    char *commit_command[] = {"git", "--no-optional-locks", "rev-parse", "HEAD", NULL};
    char *status_command[] = {"git",         "--no-optional-locks",  "status",
                              "--porcelain", "--untracked-files=no", NULL};
    char commit[128], changes[64];
    double deadline = clock_seconds() + 2;
    if (!ask(commit_command, deadline, commit, sizeof commit)) {
        return cJSON_CreateNull();
    }
    commit[strcspn(commit, "\n")] = '\0';
    cJSON *git = cJSON_CreateObject();
    cJSON_AddStringToObject(git, "commit", commit);
    if (ask(status_command, deadline, changes, sizeof changes)) {
        cJSON_AddBoolToObject(git, "dirty", changes[0] != '\0');
    } else {
        cJSON_AddNullToObject(git, "dirty");
    }
    return git;
}

static cJSON *cpu_name(void) {
    FILE *stream = fopen("/proc/cpuinfo", "re");
    cJSON *name = NULL;
    char line[256];
    while (stream && !name && fgets(line, sizeof line, stream)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            char *text = colon + 1 + strspn(colon + 1, " \t");
            text[strcspn(text, "\n")] = '\0';
            name = cJSON_CreateString(text);
        }
    }
    if (stream) {
        (void)fclose(stream);
    }
    return name ? name : cJSON_CreateNull();
}

static cJSON *command_line(void) {
    cJSON *list = cJSON_CreateArray();
    FILE *stream = fopen("/proc/self/cmdline", "re");
    char *argument = NULL;
    size_t size = 0;
    while (stream && getdelim(&argument, &size, '\0', stream) > 0) {
        cJSON_AddItemToArray(list, cJSON_CreateString(argument));
    }
    free(argument);
    if (stream) {
        (void)fclose(stream);
    }
    return list;
}

cJSON *machine_facts(void) {
    cJSON *facts = cJSON_CreateObject();
    if (!facts) {
        return NULL;
    }
    char host[128] = "", started[40];
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    (void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%S%z", &local);
    cJSON_AddStringToObject(facts, "version", CONTINUO_VERSION);
    cJSON_AddStringToObject(facts, "started", started);
    cJSON_AddStringToObject(facts, "host", host);
    cJSON_AddNumberToObject(facts, "pid", (double)getpid());
    cJSON_AddItemToObject(facts, "cpu", cpu_name());
    cJSON_AddItemToObject(facts, "git", git_facts());
    cJSON_AddItemToObject(facts, "argv", command_line());
    return facts;
}
