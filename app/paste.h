/* Text copied from a session of this program, made ready to run again. */
#ifndef CONTINUO_APP_PASTE_H
#define CONTINUO_APP_PASTE_H

/* Takes the prompts of `program` off the beginnings of lines, in place: "continuo> ",
 * "continuo[1 52%]> ", and the "        > " of continued lines. Only when the first line has one;
 * other text is left alone. */
void paste_strip_prompts(char *text, const char *program);

#endif
