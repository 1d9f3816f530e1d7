#include <stdio.h> /* before Readline's headers, which need FILE */

#include "app/edit.h"

#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "app/complete.h"

enum { LISTED_MOST = 16, NAME_WIDTH_MOST = 30 };

static lua_State *lua;
static const char *pending = "";
static struct completions found; /* of the completion being made */

static bool active;
static enum edit_event event;
static char *line_read;
static char *aside; /* the line when F2 was pressed */
static int aside_point;

/* ---- completion ---------------------------------------------------------------------------- */

/* Called before Readline cuts out the word: the candidates decide where it begins. */
static char *break_characters(void) {
    static char in_code[] = " \t\n\"'`!@#$%^&*()-=+[]{}|;:,.<>/?~\\";
    static char in_string[] = "\"'";
    size_t before = strlen(pending), here = (size_t)rl_point;
    complete_release(&found);
    char *text = malloc(before + here + 1);
    if (text) {
        memcpy(text, pending, before);
        memcpy(text + before, rl_line_buffer, here);
        text[before + here] = '\0';
        complete_find(lua, text, before + here, &found);
        free(text);
    }
    return found.in_string ? in_string : in_code;
}

static char **attempt(const char *word, int start, int end) {
    (void)word;
    (void)start;
    (void)end;
    rl_attempted_completion_over = 1; /* never file names of Readline's own */
    if (found.count == 0) {
        return NULL;
    }
    char **matches = calloc((size_t)found.count + 2, sizeof *matches);
    if (!matches) {
        return NULL;
    }
    size_t common = strlen(found.items[0].name);
    for (int i = 0; i < found.count; i++) {
        matches[i + 1] = strdup(found.items[i].name);
        size_t same = 0;
        while (same < common && found.items[i].name[same] == found.items[0].name[same]) {
            same++;
        }
        common = same;
    }
    matches[0] = strndup(found.items[0].name, common);
    if (found.count == 1) { /* one match is the replacement itself */
        free(matches[1]);
        matches[1] = NULL;
    }
    rl_completion_append_character = found.count == 1 ? found.items[0].suffix : '\0';
    rl_completion_suppress_quote = 1;
    return matches;
}

/* A short list with what each is, a long one in columns. */
static void display(char **matches, int count, int widest) {
    int height, width;
    rl_get_screen_size(&height, &width);
    bool documented = false;
    for (int i = 0; i < found.count; i++) {
        documented |= found.items[i].doc != NULL;
    }
    if (!documented || count > LISTED_MOST || count > height - 3) {
        rl_display_match_list(matches, count, widest);
        rl_forced_update_display();
        return;
    }
    int column = widest < NAME_WIDTH_MOST ? widest : NAME_WIDTH_MOST;
    rl_crlf();
    for (int i = 0; i < found.count; i++) {
        const char *doc = found.items[i].doc ? found.items[i].doc : "";
        (void)fprintf(rl_outstream, "%-*s  %.*s\n", column, found.items[i].name,
                      width - column - 3 > 0 ? width - column - 3 : 0, doc);
    }
    rl_on_new_line();
    rl_redisplay();
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void release_terminal(void) {
    if (active) {
        active = false;
        rl_callback_handler_remove();
    }
}

static void on_line(char *line) {
    event = line ? EDIT_LINE : EDIT_END;
    line_read = line;
    release_terminal();
}

static int on_screen_key(int count, int key) {
    (void)count;
    (void)key;
    aside = rl_copy_text(0, rl_end);
    aside_point = rl_point;
    event = EDIT_SCREEN;
    return 0;
}

static int restore_line(void) {
    if (aside) {
        rl_insert_text(aside);
        rl_point = aside_point;
        free(aside);
        aside = NULL;
    }
    return 0;
}

void edit_open(lua_State *L) {
    lua = L;
    rl_change_environment = 0; /* or ncurses would never see a resize */
    (void)unsetenv("LINES");
    (void)unsetenv("COLUMNS");
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_readline_name = "continuo";
    rl_completer_quote_characters = NULL;
    rl_completion_word_break_hook = break_characters;
    rl_attempted_completion_function = attempt;
    rl_completion_display_matches_hook = display;
    rl_startup_hook = restore_line;
    rl_sort_completion_matches = 0;
    (void)rl_variable_bind("show-all-if-ambiguous", "on");
    (void)rl_variable_bind("enable-bracketed-paste", "on");
    (void)rl_initialize();
    (void)rl_bind_keyseq("\\eOQ", on_screen_key);
    (void)rl_bind_keyseq("\\e[12~", on_screen_key);
    (void)rl_bind_keyseq("\\e[[B", on_screen_key); /* the Linux console */
    (void)rl_bind_keyseq("\\e[A", rl_history_search_backward);
    (void)rl_bind_keyseq("\\eOA", rl_history_search_backward);
    (void)rl_bind_keyseq("\\e[B", rl_history_search_forward);
    (void)rl_bind_keyseq("\\eOB", rl_history_search_forward);
}

void edit_set_pending(const char *text) {
    pending = text ? text : "";
}

void edit_start(const char *prompt) {
    event = EDIT_NONE;
    line_read = NULL;
    active = true;
    rl_reset_screen_size(); /* it may have changed while a chunk or the screen was up */
    rl_callback_handler_install(prompt, on_line);
    if (aside) { /* the start-up hook runs before the first display; show the line now */
        (void)restore_line();
        rl_redisplay();
    }
}

void edit_stop(void) {
    release_terminal();
}

enum edit_event edit_read(char **line) {
    event = EDIT_NONE;
    rl_callback_read_char();
    if (event == EDIT_SCREEN) {
        rl_replace_line("", 1);
        rl_clear_visible_line();
        release_terminal();
    }
    *line = line_read;
    line_read = NULL;
    return event;
}

/* ---- while typing -------------------------------------------------------------------------- */

static bool is_plain_typing(void) {
    return !RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG);
}

void edit_set_prompt(const char *prompt) {
    if (active && is_plain_typing()) {
        rl_clear_visible_line();
        (void)rl_set_prompt(prompt);
        rl_forced_update_display();
    }
}

void edit_say(const char *text) {
    if (active) {
        rl_clear_visible_line();
        (void)fprintf(rl_outstream, "%s\n", text);
        rl_forced_update_display();
    } else {
        (void)printf("%s\n", text);
    }
    (void)fflush(stdout);
}

void edit_clear(void) {
    if (!active) {
        return;
    }
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_point = rl_end; /* the ^C stands behind all that was typed */
    rl_redisplay();
    (void)fputs("^C", rl_outstream);
    rl_crlf();
    rl_replace_line("", 1);
    release_terminal();
}

void edit_resize(void) {
    if (active) {
        rl_resize_terminal();
    }
}

void edit_suspend(void) {
    bool was = active;
    if (was && rl_deprep_term_function) {
        rl_deprep_term_function();
    }
    (void)raise(SIGSTOP);
    if (was) {
        if (rl_prep_term_function) {
            rl_prep_term_function(1);
        }
        rl_forced_update_display();
    }
}

void edit_size(int *width, int *height) {
    rl_reset_screen_size();
    rl_get_screen_size(height, width);
}
