#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

size_t memory_installed(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)PTRDIFF_MAX;
}

void *memory_aligned(size_t size) {
    const size_t large = (size_t)1 << 21, alignment = size < 2 * large ? 64 : large;
    const size_t rounded = (size + alignment - 1) / alignment * alignment;
    if (rounded < size) {
        return NULL;
    }
    void *block = aligned_alloc(alignment, rounded ? rounded : alignment);
#ifdef MADV_HUGEPAGE
    if (block && alignment == large) { /* a wish: what comes of it does not matter */
        (void)madvise(block, rounded, MADV_HUGEPAGE);
    }
#endif
    return block;
}

const char *memory_text(char out[MEMORY_TEXT_SIZE], double bytes) {
    const double mega = 1e-6 * bytes, number = mega < 999.5 ? mega : 1e-3 * mega;
    const int digits = number < 1.0 ? 2 : number < 9.95 ? 1 : 0;
    (void)snprintf(out, MEMORY_TEXT_SIZE, "%.*f %s", digits, number, mega < 999.5 ? "MB" : "GB");
    return out;
}
