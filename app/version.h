/* What this program is made of. */
#ifndef CONTINUO_APP_VERSION_H
#define CONTINUO_APP_VERSION_H

#include <stdio.h>

void version_print(FILE *file);  /* --version: one library a line */
void version_banner(FILE *file); /* two lines at the start of the prompt */

#endif
