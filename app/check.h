/* `continuo check RUN...`: the verdict recorded in each run, for people and for makefiles. */
#ifndef CONTINUO_APP_CHECK_H
#define CONTINUO_APP_CHECK_H

/* Prints a line for each of `count` runs found under the folder `runs`. Returns the exit status:
 * 0 when all pass, 3 when one fails, 1 (said on standard error) when one cannot be read or has no
 * verdict. */
int check_run(const char *runs, const char *const *names, int count);

#endif
