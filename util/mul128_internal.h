/* The whole product of two 64-bit words. */
#ifndef GUST_MUL128_INTERNAL_H
#define GUST_MUL128_INTERNAL_H

#include <stdint.h>

/* Four products of half words: for machines without 128-bit integers, and for
 * the test that compares. */
static inline uint64_t gust__mul128_portable(uint64_t a, uint64_t b, uint64_t *out_high)
{
    uint64_t a0 = a & 0xffffffff;
    uint64_t a1 = a >> 32;
    uint64_t b0 = b & 0xffffffff;
    uint64_t b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t mid = a1 * b0 + (low >> 32);
    uint64_t other = a0 * b1 + (mid & 0xffffffff);
    *out_high = a1 * b1 + (mid >> 32) + (other >> 32);
    return other << 32 | (low & 0xffffffff);
}

/* Returns the low word. */
static inline uint64_t gust__mul128(uint64_t a, uint64_t b, uint64_t *out_high)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *out_high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    return gust__mul128_portable(a, b, out_high);
#endif
}

#endif
