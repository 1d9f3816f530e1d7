/* Help that no function owns: what can be done at the prompt, and words to read about. */
#ifndef CONTINUO_LUA_HELP_TOPICS_H
#define CONTINUO_LUA_HELP_TOPICS_H

void help_topics_register(void);

#endif
