#include "app/paste.h"

#include <stddef.h>
#include <string.h>

/* Length of a prompt at the beginning of the line, or 0. */
static size_t prompt_len(const char *line, const char *program) {
    size_t len = strlen(program);
    if (strncmp(line, program, len) != 0) {
        return 0;
    }
    if (line[len] == '[') {
        size_t label = strcspn(line + len, "]\n");
        if (line[len + label] != ']') {
            return 0;
        }
        len += label + 1;
    }
    return line[len] == '>' ? len + 1 + (line[len + 1] == ' ') : 0;
}

/* Length of the prompt of a continued line, or 0. */
static size_t continuation_len(const char *line, size_t least) {
    size_t spaces = strspn(line, " ");
    return spaces >= least && line[spaces] == '>' ? spaces + 1 + (line[spaces + 1] == ' ') : 0;
}

void paste_strip_prompts(char *text, const char *program) {
    char *from = text, *to = text;
    if (prompt_len(text, program) == 0) {
        return;
    }
    while (*from) {
        size_t prompt = prompt_len(from, program);
        if (prompt == 0) {
            prompt = continuation_len(from, strlen(program));
        }
        from += prompt;
        size_t len = strcspn(from, "\n");
        len += from[len] == '\n';
        memmove(to, from, len);
        to += len;
        from += len;
    }
    *to = '\0';
}
