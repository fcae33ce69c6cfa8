/* Masking by words and vectors.
 *
 * One loop serves the three functions: it XORs from `src` to `dst`, which are
 * the same bytes or don't overlap, and ORs the results together so that a caller
 * can ask for a high bit. The compiler drops the OR where nobody asks.
 *
 * Up to 64 bytes go by 64-bit words, longer runs by 16-byte vectors, four at a
 * time, and runs from 4 KiB up by 32-byte ones on an x86-64 that has AVX2. The
 * vectors are the compiler's generic ones: SSE2 on x86-64, NEON on arm64, pairs
 * of words elsewhere, with one text. All loads and stores are memcpy(3), so
 * alignment does not matter.
 *
 * 16 KiB in the cache on a 2020s Xeon: 34 GB/s by words, 52 by vectors, 67 with
 * AVX2 (tests/bench/ws_codec_internal.c); the OR costs nothing, and a pass of its
 * own to look for a high bit more than doubles the time. */
#include "websocket/mask_internal.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

enum { LONG_MIN = 4096 };

typedef uint64_t vector __attribute__((vector_size(16)));

static inline uint64_t xor_word(char *dst, const char *src, uint64_t mask)
{
    uint64_t word;

    memcpy(&word, src, 8);
    word ^= mask;
    memcpy(dst, &word, 8);
    return word;
}

static inline vector load(const char *src)
{
    vector v;

    memcpy(&v, src, sizeof(v));
    return v;
}

static inline void store(char *dst, vector v)
{
    memcpy(dst, &v, sizeof(v));
}

/* 64 bytes. Returns the OR of the four vectors written. */
static inline vector xor_block(char *dst, const char *src, vector mask)
{
    vector a = load(src) ^ mask, b = load(src + 16) ^ mask;
    vector c = load(src + 32) ^ mask, d = load(src + 48) ^ mask;

    store(dst, a);
    store(dst + 16, b);
    store(dst + 32, c);
    store(dst + 48, d);
    return (a | b) | (c | d);
}

/* The last 0 to 7 bytes. */
static inline uint64_t xor_tail(char *dst, const char *src, size_t len, uint32_t mask)
{
    unsigned char bytes[4];
    uint64_t seen = 0;

    if (len & 4) {
        uint32_t word;
        memcpy(&word, src, 4);
        word ^= mask;
        memcpy(dst, &word, 4);
        seen = word;
        src += 4;
        dst += 4;
    }
    memcpy(bytes, &mask, 4);
    for (size_t i = 0; i < (len & 3); i++) {
        unsigned char byte = (unsigned char)((unsigned char)src[i] ^ bytes[i]);
        dst[i] = (char)byte;
        seen |= byte;
    }
    return seen;
}

/* `len` is a multiple of 64, here and below. */
static inline uint64_t xor_blocks(char *dst, const char *src, size_t len, uint64_t mask)
{
    vector masks = {mask, mask}, all = {0, 0};

    for (size_t i = 0; i < len; i += 64) {
        all |= xor_block(dst + i, src + i, masks);
    }
    return all[0] | all[1];
}

#if defined(__x86_64__)
typedef uint64_t wide_vector __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t xor_wide(char *dst, const char *src, size_t len,
                                                         uint64_t mask)
{
    wide_vector masks = {mask, mask, mask, mask}, all = {0, 0, 0, 0}, a, b;

    for (size_t i = 0; i < len; i += 64) {
        memcpy(&a, src + i, 32);
        memcpy(&b, src + i + 32, 32);
        a ^= masks;
        b ^= masks;
        memcpy(dst + i, &a, 32);
        memcpy(dst + i + 32, &b, 32);
        all |= a | b;
    }
    return (all[0] | all[1]) | (all[2] | all[3]);
}

static uint64_t xor_long(char *dst, const char *src, size_t len, uint64_t mask)
{
    return __builtin_cpu_supports("avx2") ? xor_wide(dst, src, len, mask)
                                          : xor_blocks(dst, src, len, mask);
}
#else
static uint64_t xor_long(char *dst, const char *src, size_t len, uint64_t mask)
{
    return xor_blocks(dst, src, len, mask);
}
#endif

/* Returns the OR of all bytes written: 0 & HIGH_BITS where they are ASCII. */
static inline uint64_t xor_bytes(char *dst, const char *src, size_t len, uint32_t mask)
{
    uint64_t words = (uint64_t)mask << 32 | mask, seen = 0;
    size_t i = 0;

    if (len >= 64) {
        i = len & ~(size_t)63;
        seen = len < LONG_MIN ? xor_blocks(dst, src, i, words) : xor_long(dst, src, i, words);
    }
    for (; len - i >= 8; i += 8) {
        seen |= xor_word(dst + i, src + i, words);
    }
    return seen | xor_tail(dst + i, src + i, len - i, mask);
}

void gust__ws_mask(char *data, size_t len, uint32_t mask, size_t offset)
{
    if (mask != 0) {
        (void)xor_bytes(data, data, len, gust__ws_mask_rotate(mask, offset));
    }
}

bool gust__ws_mask_text(char *data, size_t len, uint32_t mask, size_t offset)
{
    return (xor_bytes(data, data, len, gust__ws_mask_rotate(mask, offset)) & HIGH_BITS) == 0;
}

void gust__ws_mask_copy(char *dst, const char *src, size_t len, uint32_t mask, size_t offset)
{
    (void)xor_bytes(dst, src, len, gust__ws_mask_rotate(mask, offset));
}
