/* Masking by words and vectors.
 *
 * One loop serves the three functions: it XORs from `src` to `dst`, which are
 * the same bytes or don't overlap, and ORs the results together so that a caller
 * can ask for a high bit. The compiler drops the OR where nobody asks.
 *
 * Up to 64 bytes go by 64-bit words, the rest by 16-byte vectors, four at a
 * time. They are the compiler's generic vectors: SSE2 on x86-64, NEON on arm64,
 * pairs of words elsewhere, with one text. Loads and stores pass through
 * memcpy(3), so alignment does not matter.
 *
 * Rejected: a path for AVX2 chosen at run time. It needs one more copy of the
 * loop for one machine and gained nothing that a frame of usual size would see
 * (tests/mask_internal_test.c prints the figures). */
#include "websocket/mask_internal.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

typedef uint64_t vector __attribute__((vector_size(16)));

static inline uint64_t xor_word(char *dst, const char *src, uint64_t mask)
{
    uint64_t word;

    memcpy(&word, src, 8);
    word ^= mask;
    memcpy(dst, &word, 8);
    return word;
}

/* 64 bytes; what was seen is added to *seen. */
static inline void xor_block(char *dst, const char *src, vector mask, vector *seen)
{
    vector v[4];

    memcpy(v, src, sizeof(v));
    v[0] ^= mask;
    v[1] ^= mask;
    v[2] ^= mask;
    v[3] ^= mask;
    memcpy(dst, v, sizeof(v));
    *seen |= (v[0] | v[1]) | (v[2] | v[3]);
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

/* Returns the OR of all bytes written: 0 & HIGH_BITS where they are ASCII. */
static inline uint64_t xor_bytes(char *dst, const char *src, size_t len, uint32_t mask)
{
    uint64_t wide = (uint64_t)mask << 32 | mask;
    uint64_t seen = 0;
    size_t i = 0;

    if (len >= 64) {
        vector all = {0, 0}, masks = {wide, wide};
        for (; len - i >= 64; i += 64) {
            xor_block(dst + i, src + i, masks, &all);
        }
        seen = all[0] | all[1];
    }
    for (; len - i >= 8; i += 8) {
        seen |= xor_word(dst + i, src + i, wide);
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
