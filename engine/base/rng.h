/* Counter-based random numbers (Philox4x32-10; Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). A number is a pure function of (seed, stream, index): no state to save, the
 * same for any number of threads. A stream is one purpose: rng_stream("shuffle"). */
#ifndef CONTINUO_BASE_RNG_H
#define CONTINUO_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* A stream id from a name (FNV-1a, 64 bit). */
uint64_t rng_stream(const char *name);

/* The generator itself: ten rounds of Philox4x32 on a counter. */
void rng_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint32_t rng_bits(uint64_t seed, uint64_t stream, uint64_t index);
double rng_uniform(uint64_t seed, uint64_t stream, uint64_t index); /* in (0, 1), 53 bits */
double rng_normal(uint64_t seed, uint64_t stream, uint64_t index);  /* mean 0, deviation 1 */

/* An integer in [0, below), below > 0, without bias worth measuring (multiply-shift of 64 bits). */
uint64_t rng_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t below);

/* Fills order[0..count) with a permutation of 0..count-1 (Fisher-Yates). */
void rng_permutation(uint64_t seed, uint64_t stream, ptrdiff_t *order, ptrdiff_t count);

#endif
