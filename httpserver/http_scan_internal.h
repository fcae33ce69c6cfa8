/* Finding the first byte that does not belong: names, targets, values.
 *
 * What it does: each gust__scan_* looks at data from `at` on and returns the
 * first byte that may end or spoil the word. A stop is a hint: the caller looks
 * at the byte and, if it belongs after all, scans on behind it. What a scan must
 * never do is pass a byte that does not belong. With that freedom the vector
 * forms test a few ranges instead of the whole table.
 *
 * Relies on: GUST__HTTP_PADDING readable bytes behind `end`; see
 * http_parse_internal.h.
 *
 * Three forms of one block test: SSE2 (every x86-64), NEON (every arm64), and
 * eight bytes in an integer, which GUST_NO_SIMD takes everywhere; the tests run
 * it beside the others and beside the plain table on the same input. pcmpestri (picohttpparser) was
 * not taken: it needs SSE4.2, and is no faster than compare and movemask. */
#ifndef GUST_HTTP_SCAN_INTERNAL_H
#define GUST_HTTP_SCAN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(GUST_NO_SIMD) && defined(__SSE2__)
#include <emmintrin.h>
#define GUST__SCAN_SSE2 1
#elif !defined(GUST_NO_SIMD) && defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define GUST__SCAN_NEON 1
#endif

/* What each byte may be part of. */
enum {
    GUST__CHAR_TOKEN = 1,   /* tchar (RFC 9110 5.6.2) */
    GUST__CHAR_TARGET = 2,  /* 0x21-0x7E, 0x80-0xFF without '#' (http.md P8, P9) */
    GUST__CHAR_VALUE = 4,   /* HTAB, 0x20-0x7E, 0x80-0xFF (H6) */
    GUST__CHAR_HOST = 8,    /* unreserved and sub-delims without ',' (O6) */
    GUST__CHAR_QUOTED = 16, /* qdtext */
    GUST__CHAR_HEX = 32,
    GUST__CHAR_PLAIN = 64 /* letters, digits, '-', '.': most of all names */
};

extern const uint8_t gust__char_class[256];

static inline bool gust__char_is(char c, int classes)
{
    return (gust__char_class[(uint8_t)c] & classes) != 0;
}

static inline uint64_t gust__load64(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline bool gust__is_big_endian(void)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

/* The first byte that is in none of the classes; exact, one byte at a time. */
static inline const char *gust__scan_class(const char *at, const char *end, int classes)
{
    while (at < end && gust__char_is(*at, classes)) {
        at++;
    }
    return at;
}

/* ---- One block: a mask whose lowest bit tells the first byte to stop at ---- */

#if defined(GUST__SCAN_SSE2)

#define GUST__SCAN_BLOCK 16
typedef uint32_t gust__scan_mask;

static inline unsigned gust__scan_first(gust__scan_mask mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static inline __m128i gust__scan_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* 0xFF where low <= x <= low + span, unsigned. */
static inline __m128i gust__scan_range(__m128i x, char low, char span)
{
    __m128i y = _mm_sub_epi8(x, _mm_set1_epi8(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(y, _mm_set1_epi8(span)), y);
}

static inline gust__scan_mask gust__stops_plain(const char *at)
{
    __m128i x = gust__scan_load(at);
    __m128i letter = gust__scan_range(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 25);
    __m128i digit = gust__scan_range(x, '-', '9' - '-'); /* - . / 0-9 */
    __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('/'));
    __m128i good = _mm_or_si128(letter, _mm_andnot_si128(slash, digit));
    return (gust__scan_mask)_mm_movemask_epi8(good) ^ 0xffffu;
}

static inline gust__scan_mask gust__stops_colon(const char *at)
{
    __m128i colon = _mm_cmpeq_epi8(gust__scan_load(at), _mm_set1_epi8(':'));
    return (gust__scan_mask)_mm_movemask_epi8(colon);
}

static inline gust__scan_mask gust__stops_target(const char *at)
{
    __m128i x = gust__scan_load(at);
    __m128i bad = gust__scan_range(x, 0, 0x20);
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(x, _mm_set1_epi8('#')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(x, _mm_set1_epi8('?')));
    return (gust__scan_mask)_mm_movemask_epi8(bad);
}

static inline gust__scan_mask gust__stops_value(const char *at)
{
    __m128i x = gust__scan_load(at);
    __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
    __m128i bad = _mm_andnot_si128(tab, gust__scan_range(x, 0, 0x1f));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
    return (gust__scan_mask)_mm_movemask_epi8(bad);
}

#elif defined(GUST__SCAN_NEON)

#define GUST__SCAN_BLOCK 16
typedef uint64_t gust__scan_mask; /* four bits a byte */

static inline unsigned gust__scan_first(gust__scan_mask mask)
{
    return (unsigned)__builtin_ctzll(mask) >> 2;
}

static inline uint8x16_t gust__scan_load(const char *at)
{
    return vld1q_u8((const uint8_t *)at);
}

static inline gust__scan_mask gust__scan_gather(uint8x16_t bad)
{
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(bad), 4);
    return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
}

static inline uint8x16_t gust__scan_range(uint8x16_t x, uint8_t low, uint8_t span)
{
    return vcleq_u8(vsubq_u8(x, vdupq_n_u8(low)), vdupq_n_u8(span));
}

static inline gust__scan_mask gust__stops_plain(const char *at)
{
    uint8x16_t x = gust__scan_load(at);
    uint8x16_t letter = gust__scan_range(vorrq_u8(x, vdupq_n_u8(0x20)), 'a', 25);
    uint8x16_t digit = gust__scan_range(x, '-', '9' - '-'); /* - . / 0-9 */
    uint8x16_t slash = vceqq_u8(x, vdupq_n_u8('/'));
    return gust__scan_gather(vmvnq_u8(vorrq_u8(letter, vbicq_u8(digit, slash))));
}

static inline gust__scan_mask gust__stops_colon(const char *at)
{
    return gust__scan_gather(vceqq_u8(gust__scan_load(at), vdupq_n_u8(':')));
}

static inline gust__scan_mask gust__stops_target(const char *at)
{
    uint8x16_t x = gust__scan_load(at);
    uint8x16_t bad = vcleq_u8(x, vdupq_n_u8(0x20));
    bad = vorrq_u8(bad, vceqq_u8(x, vdupq_n_u8(0x7f)));
    bad = vorrq_u8(bad, vceqq_u8(x, vdupq_n_u8('#')));
    bad = vorrq_u8(bad, vceqq_u8(x, vdupq_n_u8('?')));
    return gust__scan_gather(bad);
}

static inline gust__scan_mask gust__stops_value(const char *at)
{
    uint8x16_t x = gust__scan_load(at);
    uint8x16_t tab = vceqq_u8(x, vdupq_n_u8('\t'));
    uint8x16_t bad = vbicq_u8(vcleq_u8(x, vdupq_n_u8(0x1f)), tab);
    bad = vorrq_u8(bad, vceqq_u8(x, vdupq_n_u8(0x7f)));
    return gust__scan_gather(bad);
}

#else

#define GUST__SCAN_BLOCK 8
typedef uint64_t gust__scan_mask; /* the high bit of each byte */

static inline unsigned gust__scan_first(gust__scan_mask mask)
{
    return (unsigned)__builtin_ctzll(mask) >> 3;
}

static inline uint64_t gust__scan_load(const char *at)
{
    uint64_t word = gust__load64(at);
    return gust__is_big_endian() ? __builtin_bswap64(word) : word;
}

#define GUST__EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* High bits where a byte is < n (n <= 0x80). A borrow makes false ones, but
 * only behind the first true one, where nobody looks. */
static inline uint64_t gust__scan_less(uint64_t x, uint8_t n)
{
    return (x - GUST__EACH(n)) & ~x & GUST__EACH(0x80);
}

static inline uint64_t gust__scan_equal(uint64_t x, uint8_t byte)
{
    return gust__scan_less(x ^ GUST__EACH(byte), 1);
}

/* These lie in too many ranges for this; names are short. */
static inline gust__scan_mask gust__stops_plain(const char *at)
{
    gust__scan_mask first = 0x80;
    for (unsigned i = 0; i < GUST__SCAN_BLOCK; i++, first <<= 8) {
        if (!gust__char_is(at[i], GUST__CHAR_PLAIN)) {
            return first;
        }
    }
    return 0;
}

static inline gust__scan_mask gust__stops_colon(const char *at)
{
    return gust__scan_equal(gust__scan_load(at), ':');
}

static inline gust__scan_mask gust__stops_target(const char *at)
{
    uint64_t x = gust__scan_load(at);
    return gust__scan_less(x, 0x21) | gust__scan_equal(x, 0x7f) | gust__scan_equal(x, '#') |
           gust__scan_equal(x, '?');
}

static inline gust__scan_mask gust__stops_value(const char *at)
{
    uint64_t x = gust__scan_load(at);
    return gust__scan_less(x, 0x20) | gust__scan_equal(x, 0x7f);
}

#endif

/* ---- The scans ------------------------------------------------------------
 *
 * From `at`, which must be before `end`, to the first byte that the block test
 * marks; where there is none, to a place from end to end + GUST__SCAN_BLOCK - 1. */

#define GUST__SCAN(name, stops)                                                                    \
    static inline const char *name(const char *at, const char *end)                                \
    {                                                                                              \
        do {                                                                                       \
            gust__scan_mask mask = stops(at);                                                      \
            if (mask != 0) {                                                                       \
                return at + gust__scan_first(mask);                                                \
            }                                                                                      \
            at += GUST__SCAN_BLOCK;                                                                \
        } while (at < end);                                                                        \
        return at;                                                                                 \
    }

/* Stops at all but letters, digits, '-' and '.'. */
GUST__SCAN(gust__scan_plain, gust__stops_plain)
/* Stops at ':' and passes all else. */
GUST__SCAN(gust__scan_colon, gust__stops_colon)
/* Stops at least at SP, controls, DEL, '#' and '?'. */
GUST__SCAN(gust__scan_target, gust__stops_target)
/* Stops at least at controls but HTAB, and DEL. */
GUST__SCAN(gust__scan_value, gust__stops_value)

#undef GUST__SCAN

#endif
