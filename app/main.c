/* continuo: a workbench for continuous-in-depth nets. Reads the command line and hands over. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/check.h"
#include "app/jobs.h"
#include "app/repl.h"
#include "app/script.h"
#include "app/term.h"
#include "app/version.h"
#include "app/watch.h"
#include "base/option.h"
#include "base/text.h"
#include "lua/state.h"

enum { STATUS_ERROR = 1, STATUS_USAGE = 2, NAMES_MOST = 256 };

/* ---- what the command line can say --------------------------------------------------------- */

enum command { COMMAND_PROMPT, COMMAND_RUN, COMMAND_WATCH, COMMAND_CHECK };

/* The one table of usage: --help prints it, unknown words are compared with it. */
static const struct {
    const char *name, *usage, *help;
} commands[] = {
    {"", "continuo", "the prompt; a script when standard input is no terminal"},
    {"run", "continuo run FILE.lua [ARGS]",
     "runs an experiment: live screen on a terminal, plain lines elsewhere; FILE may be -"},
    {"watch", "continuo watch [RUN...]", "shows runs, also of other processes; the newest"},
    {"check", "continuo check RUN...", "the verdict on each run, measured when none was recorded"},
};

struct choice {
    bool plain, once, no_init, quiet, help, version, from_stdin;
    const char *code;      /* of -e */
    const char *runs;      /* of --runs */
    enum term_colour colour;
    enum command command;
    int first;             /* of the command's arguments */
};

enum flag { FLAG_E, FLAG_PLAIN, FLAG_ONCE, FLAG_RUNS, FLAG_NORC, FLAG_QUIET, FLAG_COLOR, FLAG_VERSION,
            FLAG_HELP };

static const struct {
    const char *name, *short_name, *value, *help;
    enum flag flag;
} flags[] = {
    {"-e", NULL, "CODE", "runs a chunk of Lua; an expression prints its values", FLAG_E},
    {"--plain", NULL, NULL, "run, watch: progress lines, never a screen", FLAG_PLAIN},
    {"--once", NULL, NULL, "watch: prints one frame and leaves", FLAG_ONCE},
    {"--runs", NULL, "FOLDER", "watch, check: where runs are (default: runs)", FLAG_RUNS},
    {"--norc", NULL, NULL, "prompt: without the user's init.lua", FLAG_NORC},
    {"--quiet", "-q", NULL, "prompt: without the banner", FLAG_QUIET},
    {"--color", NULL, "WHEN", "auto, always or never; NO_COLOR is honoured", FLAG_COLOR},
    {"--version", "-v", NULL, "versions of the program and its libraries", FLAG_VERSION},
    {"--help", "-h", NULL, "this text", FLAG_HELP},
};
enum {
    COMMANDS = sizeof commands / sizeof *commands,
    FLAGS = sizeof flags / sizeof *flags,
    HELP_COLUMN = 20,
};

static void print_help(void) {
    (void)printf("continuo %s: continuous-in-depth neural networks at a Lua prompt\n\n",
                 CONTINUO_VERSION);
    for (int i = 0; i < COMMANDS; i++) {
        (void)printf("  %s\n      %s\n", commands[i].usage, commands[i].help);
    }
    (void)printf("\n");
    for (int i = 0; i < FLAGS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s%s%s%s%s", flags[i].short_name ? flags[i].short_name : "",
                       flags[i].short_name ? ", " : "", flags[i].name, flags[i].value ? " " : "",
                       flags[i].value ? flags[i].value : "");
        (void)printf("  %-*s%s\n", HELP_COLUMN, name, flags[i].help);
    }
    (void)printf("\nExit status: 0 fine, 1 an error, 2 wrong usage, 3 a check failed, 128 + the "
                 "number of a signal.\n"
                 "At the prompt, help() goes on; help \"interrupt\" tells what ^C does.\n");
}

static int usage(const char *text) {
    (void)fprintf(stderr, "continuo: %s; continuo --help lists what there is\n", text);
    return STATUS_USAGE;
}

static int unknown(const char *kind, const char *word) {
    const char *names[COMMANDS + FLAGS];
    int count = 0;
    for (int i = 1; i < COMMANDS; i++) {
        names[count++] = commands[i].name;
    }
    for (int i = 0; i < FLAGS; i++) {
        names[count++] = flags[i].name;
    }
    char quoted[TEXT_QUOTE_SIZE], text[256];
    const char *nearest = option_nearest(word, names, count);
    size_t len = strlen(word);
    if (len > 4 && strcmp(word + len - 4, ".lua") == 0) {
        (void)snprintf(text, sizeof text, "unknown %s %s; to run a script: continuo run FILE.lua",
                       kind, text_quote(quoted, word));
    } else {
        (void)snprintf(text, sizeof text, "unknown %s %s%s%s%s", kind, text_quote(quoted, word),
                       nearest ? "; nearest is \"" : "", nearest ? nearest : "",
                       nearest ? "\"" : "");
    }
    return usage(text);
}

/* ---- reading it ---------------------------------------------------------------------------- */

static int find_flag(const char *word) {
    for (int i = 0; i < FLAGS; i++) {
        if (strcmp(word, flags[i].name) == 0 ||
            (flags[i].short_name && strcmp(word, flags[i].short_name) == 0)) {
            return i;
        }
    }
    return -1;
}

static bool set_colour(struct choice *choice, const char *when) {
    static const char *const names[] = {
        [TERM_COLOUR_AUTO] = "auto", [TERM_COLOUR_ALWAYS] = "always", [TERM_COLOUR_NEVER] = "never"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(when, names[i]) == 0) {
            choice->colour = (enum term_colour)i;
            return true;
        }
    }
    return false;
}

/* Takes the flag at words[*at] and its value; 0, or the status to leave with. */
static int take_flag(struct choice *choice, char **words, int count, int *at) {
    char *equals = strncmp(words[*at], "--", 2) == 0 ? strchr(words[*at], '=') : NULL;
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s",
                   equals ? (int)(equals - words[*at]) : (int)sizeof word - 1, words[*at]);
    int index = find_flag(word);
    if (index < 0) {
        return unknown("option", word);
    }
    const char *value = equals ? equals + 1 : NULL;
    if (flags[index].value && !value) {
        if (*at + 1 >= count) {
            char text[128];
            (void)snprintf(text, sizeof text, "option \"%s\" needs its %s", flags[index].name,
                           flags[index].value);
            return usage(text);
        }
        value = words[++*at];
    } else if (!flags[index].value && value) {
        char text[128];
        (void)snprintf(text, sizeof text, "option \"%s\" takes no value", flags[index].name);
        return usage(text);
    }
    switch (flags[index].flag) {
    case FLAG_E:
        choice->code = value;
        break;
    case FLAG_PLAIN:
        choice->plain = true;
        break;
    case FLAG_ONCE:
        choice->once = true;
        break;
    case FLAG_RUNS:
        choice->runs = value;
        break;
    case FLAG_NORC:
        choice->no_init = true;
        break;
    case FLAG_QUIET:
        choice->quiet = true;
        break;
    case FLAG_COLOR:
        if (!set_colour(choice, value)) {
            return usage("\"--color\" is auto, always or never");
        }
        break;
    case FLAG_VERSION:
        choice->version = true;
        break;
    case FLAG_HELP:
        choice->help = true;
        break;
    }
    return 0;
}

static int find_command(const char *word) {
    for (int i = 1; i < COMMANDS; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Moves the words that are no flags to words[1..*count) in their order, behind -e and run what
 * belongs to the script stays untouched (except --plain). 0, or the status to leave with. */
static int read_words(struct choice *choice, char **words, int *count) {
    int kept = 1;
    bool script = false, rest = false; /* rest: everything else is an argument */
    for (int i = 1; i < *count; i++) {
        bool dash = words[i][0] == '-' && words[i][1] != '\0' && !rest;
        if (dash && strcmp(words[i], "--") == 0) {
            rest = true;
            continue;
        }
        if (dash && (!script || strcmp(words[i], "--plain") == 0)) {
            int status = take_flag(choice, words, *count, &i);
            if (status) {
                return status;
            }
            script = script || choice->code;
            continue;
        }
        int command = kept == 1 && !rest && !choice->code ? find_command(words[i]) : -1;
        if (kept == 1 && !choice->code && command < 0) {
            if (strcmp(words[i], "-") != 0) {
                return unknown("command", words[i]);
            }
            choice->from_stdin = true;
            script = true;
        } else if (command >= 0) {
            choice->command = (enum command)command;
        } else if (choice->command == COMMAND_RUN) {
            script = true;
        }
        words[kept++] = words[i];
    }
    words[kept] = NULL;
    *count = kept;
    return 0;
}

/* ---- doing it ------------------------------------------------------------------------------ */

static int with_state(const struct choice *choice, char **words, int count) {
    struct error error;
    lua_State *L = state_create(&error);
    if (!L) {
        (void)fprintf(stderr, "continuo: %s\n", error.text);
        return STATUS_ERROR;
    }
    int status;
    if (choice->code) {
        state_set_arguments(L, words, count, 0);
        status = script_run_text(L, choice->code, choice->plain);
    } else if (choice->command == COMMAND_RUN) {
        state_set_arguments(L, words, count, 2);
        status = script_run(L, words[2], choice->plain);
    } else if (choice->from_stdin || !isatty(STDIN_FILENO)) {
        state_set_arguments(L, words, count, choice->from_stdin ? 1 : 0);
        status = script_run(L, "-", choice->plain);
    } else {
        state_set_arguments(L, words, count, 0);
        status = repl_run(L, !choice->no_init, choice->quiet);
    }
    (void)fflush(stdout);
    state_close(L);
    return status;
}

int main(int count, char **words) {
    struct choice choice = {.runs = "runs"};
    int status = read_words(&choice, words, &count);
    if (status) {
        return status;
    }
    if (choice.help) {
        print_help();
        return 0;
    }
    if (choice.version) {
        version_print(stdout);
        return 0;
    }
    (void)atexit(jobs_stop); /* os.exit in a script: workers end before their libraries do */
    term_guard();
    term_set_colour(choice.colour);
    if (choice.command == COMMAND_WATCH) {
        return watch_run(choice.runs, (const char *const *)words + 2, count - 2, choice.once,
                         choice.plain);
    }
    if (choice.command == COMMAND_CHECK) {
        if (count < 3) {
            return usage("check takes the names of runs");
        }
        return check_run(choice.runs, (const char *const *)words + 2, count - 2);
    }
    if (choice.command == COMMAND_RUN && count < 3) {
        return usage("run takes a script: continuo run FILE.lua");
    }
    return with_state(&choice, words, count);
}
