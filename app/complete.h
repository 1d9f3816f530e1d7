/* What could stand at the cursor: names along a path, options inside a call's braces, values of an
 * option inside a string, files, runs, help. Knows Lua's surface only; runs no code of the user's
 * except __complete metamethods. No terminal, no Readline here. */
#ifndef CONTINUO_APP_COMPLETE_H
#define CONTINUO_APP_COMPLETE_H

#include <lua.h>
#include <stddef.h>

struct completion {
    char *name;      /* replaces the word at the cursor */
    char suffix;     /* typed behind a single match: '(', '{', '.', '=', '"', '/', or '\0' */
    const char *doc; /* one line, not owned; NULL: none */
};

struct completions {
    struct completion *items;
    int count, capacity;
    size_t start;  /* where in the text the word begins */
    int in_string; /* the word is what stands behind an open quote */
};

/* Candidates for the word that ends at `point` in the chunk typed so far, sorted, each once. */
void complete_find(lua_State *L, const char *text, size_t point, struct completions *found);
void complete_release(struct completions *found);

#endif
