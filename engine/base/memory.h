/* Memory for arrays, and how much there is: what a plan may ask for. Systems that promise more than they have would
 * otherwise let a net be built and kill the program when it is first written to. */
#ifndef CONTINUO_BASE_MEMORY_H
#define CONTINUO_BASE_MEMORY_H

#include <stddef.h>

/* Bytes of memory installed; PTRDIFF_MAX when the system does not say. */
size_t memory_installed(void);

/* At least `size` bytes on a cache line, or NULL; much of it in large pages where the system has them
 * to give: weights and states are streamed, and a page is where streams are cut. Freed by free. */
void *memory_aligned(size_t size);

enum { MEMORY_TEXT_SIZE = 32 };
/* "0.52 MB", "231 MB", "4.1 GB"; returns out. */
const char *memory_text(char out[MEMORY_TEXT_SIZE], double bytes);

#endif
