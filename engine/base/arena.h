/* Places in one stretch of memory for arrays that live for a while: what is given back makes room
 * for what is taken later. An arena holds none of that memory. With no stretch behind it yet it
 * says how much is wanted (`most`); the same calls once more with one behind it give the places. */
#ifndef CONTINUO_BASE_ARENA_H
#define CONTINUO_BASE_ARENA_H

#include <stddef.h>

enum { ARENA_ALIGNMENT = 64 };

struct arena {
    char *start;   /* of the stretch; NULL: places are only told apart */
    size_t end;    /* bytes taken or between taken ones */
    size_t most;   /* the largest `end` so far; SIZE_MAX when no machine has as much */
    int gap_count; /* of the list below, which is in order of place */
    int gap_capacity;
    struct gap *gaps;
};

/* The lowest place that holds `size` bytes. Not NULL. */
void *arena_take(struct arena *arena, size_t size);
/* Takes back what arena_take gave for that size; NULL is nothing. */
void arena_give(struct arena *arena, void *place, size_t size);
void arena_release(struct arena *arena);

#endif
