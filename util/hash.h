/* Two hash functions for two needs.
 *
 * gust_siphash is keyed: for tables whose keys a peer chooses. With the
 * process's random key nobody outside can make names that collide.
 * gust_hash128 is fast and fixed, the same on every machine and in every
 * version: for ETags and caches. It is not cryptographic: who wants two
 * texts with one hash can make them.
 *
 * Thread: any. */
#ifndef GUST_HASH_H
#define GUST_HASH_H

#include <stdint.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SipHash-1-3 (Aumasson and Bernstein), 64 bits. */
uint64_t gust_siphash(const uint8_t key[16], gust_str bytes);

/* The process's random key: drawn from the kernel at the first call, then the
 * same until the process ends, and in its children.
 *
 * out_key  filled on success
 * Returns 0, or -errno of getentropy(3); the next call tries again. */
int gust_hash_key(uint8_t out_key[16]);

/* 128 bits. To be printed high before low. */
typedef struct gust_hash128_value {
    uint64_t high;
    uint64_t low;
} gust_hash128_value;

/* The fixed hash. Some 10 ns for short texts, several bytes a cycle for long
 * ones. */
gust_hash128_value gust_hash128(gust_str bytes);

/* Write `value` as 32 lower-case hexadecimal digits. No NUL is added. */
void gust_hash128_hex(char out[32], gust_hash128_value value);

#ifdef __cplusplus
}
#endif

#endif
