#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct gap { /* between two places that are taken; gaps never touch */
    size_t at, size;
};

/* Sizes that no machine has stay where they are instead of wrapping around to small ones. */
static size_t round_up(size_t size) {
    return size > SIZE_MAX - ARENA_ALIGNMENT
               ? SIZE_MAX
               : (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

/* Without a stretch, places begin at 64, so that none is NULL. */
static void *place_of(const struct arena *arena, size_t at) {
    return arena->start ? arena->start + at : (void *)(uintptr_t)(ARENA_ALIGNMENT + at);
}

static size_t offset_of(const struct arena *arena, const void *place) {
    return (uintptr_t)place - (arena->start ? (uintptr_t)arena->start : ARENA_ALIGNMENT);
}

static void remove_gap(struct arena *arena, int index) {
    arena->gap_count--;
    memmove(arena->gaps + index, arena->gaps + index + 1,
            (size_t)(arena->gap_count - index) * sizeof *arena->gaps);
}

static void insert_gap(struct arena *arena, int index, struct gap gap) {
    if (arena->gap_count == arena->gap_capacity) {
        arena->gap_capacity = arena->gap_capacity ? 2 * arena->gap_capacity : 16;
        arena->gaps = realloc(arena->gaps, (size_t)arena->gap_capacity * sizeof *arena->gaps);
        if (!arena->gaps) {
            abort(); /* a few hundred bytes */
        }
    }
    memmove(arena->gaps + index + 1, arena->gaps + index,
            (size_t)(arena->gap_count - index) * sizeof *arena->gaps);
    arena->gaps[index] = gap;
    arena->gap_count++;
}

void *arena_take(struct arena *arena, size_t size) {
    size = round_up(size);
    for (int i = 0; i < arena->gap_count; i++) {
        struct gap *gap = &arena->gaps[i];
        if (gap->size >= size) {
            const size_t at = gap->at;
            gap->at += size;
            gap->size -= size;
            if (gap->size == 0) {
                remove_gap(arena, i);
            }
            return place_of(arena, at);
        }
    }
    if (size > SIZE_MAX - arena->end || arena->most == SIZE_MAX) {
        arena->most = SIZE_MAX; /* and from now on all places are the same */
        return place_of(arena, 0);
    }
    const size_t at = arena->end;
    arena->end += size;
    arena->most = arena->end > arena->most ? arena->end : arena->most;
    return place_of(arena, at);
}

void arena_give(struct arena *arena, void *place, size_t size) {
    size = round_up(size);
    if (!place || size == 0 || arena->most == SIZE_MAX) {
        return;
    }
    struct gap gap = {offset_of(arena, place), size};
    assert(gap.at + gap.size <= arena->end);
    int i = 0;
    while (i < arena->gap_count && arena->gaps[i].at < gap.at) {
        i++;
    }
    assert(i == arena->gap_count || gap.at + gap.size <= arena->gaps[i].at);
    assert(i == 0 || arena->gaps[i - 1].at + arena->gaps[i - 1].size <= gap.at);
    if (i < arena->gap_count && arena->gaps[i].at == gap.at + gap.size) {
        gap.size += arena->gaps[i].size;
        remove_gap(arena, i);
    }
    if (i > 0 && arena->gaps[i - 1].at + arena->gaps[i - 1].size == gap.at) {
        gap.at = arena->gaps[i - 1].at;
        gap.size += arena->gaps[i - 1].size;
        remove_gap(arena, --i);
    }
    if (gap.at + gap.size == arena->end) {
        arena->end = gap.at;
    } else {
        insert_gap(arena, i, gap);
    }
}

void arena_release(struct arena *arena) {
    free(arena->gaps);
    *arena = (struct arena){0};
}
