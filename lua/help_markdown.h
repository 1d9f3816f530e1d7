/* The whole help as one page of Markdown: docs/LUA.md is its output. */
#ifndef CONTINUO_LUA_HELP_MARKDOWN_H
#define CONTINUO_LUA_HELP_MARKDOWN_H

/* Allocated; the caller frees it. NULL when out of memory. */
char *help_markdown(void);

#endif
