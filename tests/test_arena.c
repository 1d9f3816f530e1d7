/* Places in one stretch: apart while both live, low, and used again. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"

enum { LIVE = 40, TURNS = 20000 };

struct live {
    char *place;
    size_t size;
};

/* Takes and gives at random, and writes down the places. */
static size_t play(struct arena *arena, uint64_t seed, char **places) {
    struct live live[LIVE] = {{0}};
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        struct live *l = &live[rng_below(seed, 1, turn, LIVE)];
        if (l->place) {
            arena_give(arena, l->place, l->size);
            l->place = NULL;
            continue;
        }
        l->size = (size_t)rng_below(seed, 2, turn, 5000);
        l->place = arena_take(arena, l->size);
        places[turn] = l->place;
        cr_assert_not_null(l->place);
        cr_assert_eq((uintptr_t)l->place % ARENA_ALIGNMENT, 0);
        for (int i = 0; i < LIVE; i++) {
            const struct live *o = &live[i];
            cr_assert(o == l || !o->place || o->size == 0 || l->size == 0 ||
                          o->place + o->size <= l->place || l->place + l->size <= o->place,
                      "turn %d: two arrays in one place", (int)turn);
        }
    }
    for (int i = 0; i < LIVE; i++) {
        arena_give(arena, live[i].place, live[i].size);
    }
    cr_expect_eq(arena->end, 0, "all was given back");
    cr_expect_eq(arena->gap_count, 0);
    return arena->most;
}

Test(arena, arrays_that_live_at_once_stand_apart_and_all_room_comes_back) {
    static char *places[TURNS];
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct arena arena = {0};
        const size_t most = play(&arena, seed, places);
        cr_expect(most > 0 && most < 2 * LIVE * 5000, "%zu bytes", most);
        arena_release(&arena);
    }
}

Test(arena, the_same_calls_give_the_same_places_in_a_stretch_of_the_counted_size) {
    static char *counted[TURNS], *placed[TURNS];
    struct arena arena = {0};
    const size_t most = play(&arena, 7, counted);
    arena_release(&arena);
    char *stretch = aligned_alloc(ARENA_ALIGNMENT, most);
    cr_assert_not_null(stretch);
    arena.start = stretch;
    cr_expect_eq(play(&arena, 7, placed), most);
    for (int turn = 0; turn < TURNS; turn++) {
        if (placed[turn]) {
            cr_assert_eq((uintptr_t)placed[turn] - (uintptr_t)stretch,
                         (uintptr_t)counted[turn] - ARENA_ALIGNMENT);
            cr_assert(placed[turn] >= stretch && placed[turn] <= stretch + most);
        }
    }
    arena_release(&arena);
    free(stretch);
}

Test(arena, neighbours_given_back_make_room_for_their_sum) {
    struct arena arena = {0};
    char *a[4];
    for (int i = 0; i < 4; i++) {
        a[i] = arena_take(&arena, 640);
    }
    arena_give(&arena, a[0], 640);
    arena_give(&arena, a[2], 640);
    cr_expect_eq(arena.gap_count, 2);
    cr_expect_gt((char *)arena_take(&arena, 1920), a[3], "no gap is large enough");
    arena_give(&arena, a[1], 640);
    cr_expect_eq(arena.gap_count, 1);
    cr_expect_eq((char *)arena_take(&arena, 1920), a[0]);
    cr_expect_eq(arena.gap_count, 0);
    arena_release(&arena);
}

Test(arena, sizes_that_no_machine_has_do_not_wrap_around) {
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX / 2 + 1};
    for (int i = 0; i < 4; i++) {
        struct arena arena = {0};
        (void)arena_take(&arena, 1000);
        (void)arena_take(&arena, huge[i]);
        void *second = arena_take(&arena, huge[i]);
        arena_give(&arena, second, huge[i]);
        (void)arena_take(&arena, 10);
        cr_expect_eq(arena.most, SIZE_MAX);
        arena_release(&arena);
    }
}
