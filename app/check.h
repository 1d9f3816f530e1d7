/* `continuo check RUN...`: the verdict on each run, for people and for makefiles: the one
 * recorded, or measured now with the run's last weights on its test data. */
#ifndef CONTINUO_APP_CHECK_H
#define CONTINUO_APP_CHECK_H

/* Prints a line for each of `count` runs found under the folder `runs`. Returns the exit status:
 * 0 when all pass, 3 when one fails, 1 (said on standard error) when one cannot be read or
 * judged, 130 after ^C. */
int check_run(const char *runs, const char *const *names, int count);

#endif
