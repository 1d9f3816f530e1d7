/* SHA-256 (FIPS 180-4), for naming what was read and written. */
#ifndef CONTINUO_BASE_SHA256_H
#define CONTINUO_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX_SIZE = 65 };

struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
};

void sha256_begin(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t size);

/* Writes 64 lower-case digits and a zero byte. */
void sha256_end(struct sha256 *sha, char hex[SHA256_HEX_SIZE]);

/* The digest of one buffer. */
void sha256_hex(const void *data, size_t size, char hex[SHA256_HEX_SIZE]);

#endif
