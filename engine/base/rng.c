/* Philox4x32-10. One block of four words per index: the stream is the upper half of the counter,
 * the seed the key. Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2,
 * 3", SC11, section 4.3 and table 2. */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

uint64_t rng_stream(const char *name) {
    uint64_t hash = 0xCBF29CE484222325U;
    for (; *name; name++) {
        hash ^= (unsigned char)*name;
        hash *= 0x100000001B3U;
    }
    return hash;
}

void rng_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    enum { ROUNDS = 10 };
    const uint64_t multiplier0 = 0xD2511F53U, multiplier1 = 0xCD9E8D57U;
    const uint32_t weyl0 = 0x9E3779B9U, weyl1 = 0xBB67AE85U;
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t left = multiplier0 * c0, right = multiplier1 * c2;
        c0 = (uint32_t)(right >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)right;
        c2 = (uint32_t)(left >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)left;
        k0 += weyl0;
        k1 += weyl1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void block_at(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]) {
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    rng_block(counter, key, out);
}

static uint64_t join(uint32_t low, uint32_t high) {
    return (uint64_t)high << 32 | low;
}

/* The odd multiples of 2^-53 in (0, 1): never 0 and never rounded up to 1. */
static double unit(uint64_t bits) {
    return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

uint32_t rng_bits(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t word[4];
    block_at(seed, stream, index, word);
    return word[0];
}

double rng_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t word[4];
    block_at(seed, stream, index, word);
    return unit(join(word[0], word[1]));
}

/* Box and Muller 1958, the cosine branch. */
double rng_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t word[4];
    block_at(seed, stream, index, word);
    const double radius = sqrt(-2.0 * log(unit(join(word[0], word[1]))));
    return radius * cos(2.0 * M_PI * unit(join(word[2], word[3])));
}

uint64_t rng_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t below) {
    assert(below > 0);
    uint32_t word[4];
    block_at(seed, stream, index, word);
    return (uint64_t)((unsigned __int128)join(word[0], word[1]) * below >> 64);
}

void rng_permutation(uint64_t seed, uint64_t stream, ptrdiff_t *order, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t j = (ptrdiff_t)rng_below(seed, stream, (uint64_t)i, (uint64_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}
