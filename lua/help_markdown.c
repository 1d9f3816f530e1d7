#include "lua/help_markdown.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "lua/buffer.h"
#include "lua/help.h"

static const struct {
    const char *group, *title;
} sections[] = {
    {"data", "Data"},       {"nets", "Nets"},     {"train", "Training"}, {"study", "Studies"},
    {"ode", "ODE solving"}, {"arrays", "Arrays"}, {"prompt", "Prompt"},  {"topics", "Topics"},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

/* Text of a table's cell: '|' would end it. */
static void add_cell(struct buffer *out, const char *text) {
    for (; *text; text++) {
        buffer_add_bytes(out, *text == '|' ? "\\|" : text, *text == '|' ? 2 : 1);
    }
}

/* Prose: what Markdown would take for a tag or emphasis is kept as it is. */
static void add_prose(struct buffer *out, const char *text) {
    for (; *text; text++) {
        if (strchr("<>*_", *text)) {
            buffer_add(out, "\\");
        }
        buffer_add_bytes(out, text, 1);
    }
}

static void add_row(struct buffer *out, const char *name, const char *fallback, const char *text) {
    buffer_addf(out, "| `%s` | ", name);
    if (fallback) {
        buffer_add(out, fallback[0] ? "`" : "");
        add_cell(out, fallback);
        buffer_add(out, fallback[0] ? "`" : "");
    } else {
        buffer_add(out, "required");
    }
    buffer_add(out, " | ");
    add_cell(out, text);
}

static void add_option(struct buffer *out, const struct option *option) {
    add_row(out, option->name, option->fallback, option->help);
    for (int i = 0; option->kind == OPTION_CHOICE && option->choices[i]; i++) {
        buffer_addf(out, i ? ", `%s`" : ": `%s`", option->choices[i]);
    }
    buffer_add(out, " |\n");
}

static void add_options(struct buffer *out, const struct help_entry *entry) {
    if (!entry->arguments && !entry->options) {
        return;
    }
    buffer_add(out, "\n| option | default | meaning |\n|---|---|---|\n");
    for (const struct help_argument *a = entry->arguments; a && a->name; a++) {
        add_row(out, a->name, "", a->help);
        buffer_add(out, " |\n");
    }
    struct help_options sets[HELP_SETS_MAX];
    const int count = entry->options ? entry->options(sets) : 0;
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < sets[s].count; i++) {
            add_option(out, &sets[s].options[i]);
        }
    }
}

static void add_entry(struct buffer *out, const struct help_entry *entry) {
    const bool topic = !entry->signature || !entry->signature[0];
    buffer_addf(out, topic ? "\n### %s\n\n" : "\n### `%s`\n\n", entry->name);
    if (!topic) {
        buffer_addf(out, "```\n%s\n```\n\n", entry->signature);
    }
    buffer_addf(out, "%c", toupper((unsigned char)entry->line[0]));
    add_prose(out, entry->line + 1);
    buffer_add(out, ".\n");
    if (entry->text && entry->text[0]) {
        buffer_add(out, "\n");
        add_prose(out, entry->text);
        buffer_add(out, "\n");
    }
    add_options(out, entry);
    if (entry->example && entry->example[0]) {
        const bool ended = entry->example[strlen(entry->example) - 1] == '\n';
        buffer_addf(out, "\n```lua\n%s%s```\n", entry->example, ended ? "" : "\n");
    }
}

char *help_markdown(void) {
    struct buffer out = {0};
    buffer_add(&out,
               "# What can be typed\n\nWritten by `cn.help_markdown()` from the help of the "
               "program: change the help, not this page.\n`cn` is a global at the prompt and "
               "in scripts, and what `require \"continuo\"` returns under a stock Lua 5.4.\n");
    for (int s = 0; s < SECTIONS; s++) {
        bool heading = false;
        for (int i = 0; i < help_count(); i++) {
            const struct help_entry *entry = help_at(i);
            if (strcmp(entry->group, sections[s].group) != 0) {
                continue;
            }
            if (!heading) {
                buffer_addf(&out, "\n## %s\n", sections[s].title);
                heading = true;
            }
            add_entry(&out, entry);
        }
    }
    return buffer_take(&out);
}
