#include "base/sha256.h"

#include <string.h>

enum { BLOCK = 64 };

/* FIPS 180-4, section 4.2.2: the first 32 fractional bits of the cube roots of the first primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static void compress(uint32_t state[8], const unsigned char block[BLOCK]) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++) {
        const unsigned char *const at = block + 4 * t;
        w[t] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int t = 16; t < 64; t++) {
        const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        const uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const uint32_t choose = (e & f) ^ (~e & g);
        const uint32_t t1 = h + sum1 + choose + round_constants[t] + w[t];
        const uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + sum0 + majority;
    }
    const uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] += add[i];
    }
}

void sha256_begin(struct sha256 *sha) {
    /* Section 5.3.3: the square roots of the first eight primes. */
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, initial, sizeof initial);
    sha->size = 0;
}

void sha256_update(struct sha256 *sha, const void *data, size_t size) {
    const unsigned char *from = data;
    size_t filled = (size_t)(sha->size % BLOCK);
    sha->size += size;
    while (size > 0) {
        if (filled == 0 && size >= BLOCK) {
            compress(sha->state, from);
            from += BLOCK;
            size -= BLOCK;
            continue;
        }
        const size_t part = size < BLOCK - filled ? size : BLOCK - filled;
        memcpy(sha->block + filled, from, part);
        from += part;
        size -= part;
        filled += part;
        if (filled == BLOCK) {
            compress(sha->state, sha->block);
            filled = 0;
        }
    }
}

void sha256_end(struct sha256 *sha, char hex[SHA256_HEX_SIZE]) {
    const uint64_t bits = sha->size * 8;
    unsigned char padding[BLOCK + 8] = {0x80};
    const size_t filled = (size_t)(sha->size % BLOCK);
    const size_t zeros = filled < 56 ? 56 - filled : 120 - filled;
    for (int i = 0; i < 8; i++) {
        padding[zeros + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    }
    sha256_update(sha, padding, zeros + 8);
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 64; i++) {
        hex[i] = digits[sha->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    }
    hex[64] = '\0';
}

void sha256_hex(const void *data, size_t size, char hex[SHA256_HEX_SIZE]) {
    struct sha256 sha;
    sha256_begin(&sha);
    sha256_update(&sha, data, size);
    sha256_end(&sha, hex);
}
