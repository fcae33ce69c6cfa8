/* SipHash-1-3, the process's key, and the fixed 128-bit hash. */
#define _DEFAULT_SOURCE /* getentropy(3) is not in POSIX.1-2008 */
#include <gust/hash.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#if __has_include(<sys/random.h>) /* where macOS and illumos declare it */
#include <sys/random.h>
#endif

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <gust/errors.h>

#include "util/mul128_internal.h"

/* --- bytes as little-endian words, on every machine --------------------------- */

/* Spelled out: compilers see one load in it, but not in a loop. */
static inline uint64_t load64(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static inline uint64_t load32(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* n < 8 bytes, zeros above them. Loads that overlap, instead of a loop. */
static inline uint64_t load_rest(const unsigned char *p, size_t n)
{
    if (n >= 4) {
        return load32(p) | load32(p + n - 4) << (8 * (n - 4));
    }
    if (n == 0) {
        return 0;
    }
    return (uint64_t)p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) |
           (uint64_t)p[n - 1] << (8 * (n - 1));
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* --- SipHash-1-3 ---------------------------------------------------------------- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t gust_siphash(const uint8_t key[16], gust_str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    uint64_t k0 = load64(key);
    uint64_t k1 = load64(key + 8);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t left = bytes.len;
    for (; left >= 8; left -= 8, p += 8) {
        sip_word(&s, load64(p));
    }
    sip_word(&s, (uint64_t)(bytes.len & 0xff) << 56 | load_rest(p, left));
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- the process's key ------------------------------------------------------------ */

static pthread_mutex_t key_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool key_is_drawn;
static uint8_t process_key[16];

static int draw_key(void)
{
    int status = 0;
    pthread_mutex_lock(&key_lock);
    if (!atomic_load_explicit(&key_is_drawn, memory_order_relaxed)) {
        if (getentropy(process_key, sizeof(process_key)) == 0) {
            atomic_store_explicit(&key_is_drawn, true, memory_order_release);
        } else {
            status = -errno;
        }
    }
    pthread_mutex_unlock(&key_lock);
    return status;
}

int gust_hash_key(uint8_t out_key[16])
{
    if (!atomic_load_explicit(&key_is_drawn, memory_order_acquire)) {
        GUST_TRY(draw_key());
    }
    memcpy(out_key, process_key, sizeof(process_key));
    return 0;
}

/* --- the fixed hash ------------------------------------------------------------------
 *
 * A lane is two words. A step takes two words of input: their product with the
 * lane, 128 bits wide, is folded over the words and the lane crosswise. The
 * words are also added as they are, so that a factor of 0 loses nothing. Long
 * texts run four lanes side by side, for the multiplier's latency. The end is
 * invertible: it can't make two lanes equal that were not. */

struct lane {
    uint64_t x, y;
};

/* Odd, half of the bits set: fractional digits of square roots of small primes. */
#define K0 UINT64_C(0x6a09e667f3bcc909)
#define K1 UINT64_C(0xbb67ae8584caa73b)
#define K2 UINT64_C(0x3c6ef372fe94f82b)
#define K3 UINT64_C(0xa54ff53a5f1d36f1)
#define K4 UINT64_C(0x510e527fade682d1)

static inline struct lane step(struct lane s, uint64_t a, uint64_t b)
{
    uint64_t high;
    uint64_t low = gust__mul128(s.x ^ a, (s.y + b) ^ K4, &high);
    return (struct lane){low ^ (s.y + rotate(b, 23)), high ^ (s.x + rotate(a, 41))};
}

static inline struct lane step_bytes(struct lane s, const unsigned char *p)
{
    return step(s, load64(p), load64(p + 8));
}

/* Four lanes over n >= 64 bytes; *p is moved behind the last whole 64. */
static struct lane run_wide(struct lane s, const unsigned char **p, size_t n)
{
    struct lane t = {K1, K2};
    struct lane u = {K2, K3};
    struct lane v = {K3, K0};
    const unsigned char *at = *p;
    for (; n >= 64; n -= 64, at += 64) {
        s = step_bytes(s, at);
        t = step_bytes(t, at + 16);
        u = step_bytes(u, at + 32);
        v = step_bytes(v, at + 48);
    }
    *p = at;
    return step(step(step(s, t.x, t.y), u.x, u.y), v.x, v.y);
}

static struct lane run_rest(struct lane s, const unsigned char *p, size_t n)
{
    for (; n >= 16; n -= 16, p += 16) {
        s = step_bytes(s, p);
    }
    if (n >= 8) {
        s = step(s, load64(p), load_rest(p + 8, n - 8));
    } else if (n > 0) {
        s = step(s, load_rest(p, n), 0);
    }
    return s;
}

/* A permutation of 64 bits in which each bit of the input moves half of the output. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * K3;
    x = (x ^ x >> 29) * K0;
    return x ^ x >> 32;
}

gust_hash128_value gust_hash128(gust_str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    struct lane s = {K0, K1 ^ (uint64_t)bytes.len};
    if (bytes.len >= 64) {
        s = run_wide(s, &p, bytes.len);
    }
    s = run_rest(s, p, bytes.len < 64 ? bytes.len : bytes.len % 64);
    s.x = mix(s.x + s.y);
    s.y = mix(s.y ^ s.x);
    s.x += rotate(s.y, 32);
    return (gust_hash128_value){.high = s.x, .low = s.y};
}

/* --- hexadecimal digits ---------------------------------------------------------------- */

#ifdef __SSE2__

/* Sixteen values below 16 to their digits. */
static inline __m128i to_digits(__m128i nibbles)
{
    __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    __m128i skip = _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10));
    return _mm_add_epi8(nibbles, _mm_add_epi8(skip, _mm_set1_epi8('0')));
}

void gust_hash128_hex(char out[32], gust_hash128_value value)
{
    __m128i bytes = _mm_set_epi64x((long long)__builtin_bswap64(value.low),
                                   (long long)__builtin_bswap64(value.high));
    __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(15));
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
    __m128i first = to_digits(_mm_unpacklo_epi8(high, low));
    __m128i second = to_digits(_mm_unpackhi_epi8(high, low));
    _mm_storeu_si128((__m128i *)(void *)out, first);
    _mm_storeu_si128((__m128i *)(void *)(out + 16), second);
}

#else

/* Eight digits at once: a nibble into each byte of a word, then to its digit. */
static void put_hex(char *out, uint32_t value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = value;
    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (v + ones * 6) >> 4 & ones; /* 1 where the nibble is above 9 */
    v += ones * '0' + letters * ('a' - '0' - 10);
    out[0] = (char)(v >> 56);
    out[1] = (char)(v >> 48);
    out[2] = (char)(v >> 40);
    out[3] = (char)(v >> 32);
    out[4] = (char)(v >> 24);
    out[5] = (char)(v >> 16);
    out[6] = (char)(v >> 8);
    out[7] = (char)v;
}

void gust_hash128_hex(char out[32], gust_hash128_value value)
{
    put_hex(out, (uint32_t)(value.high >> 32));
    put_hex(out + 8, (uint32_t)value.high);
    put_hex(out + 16, (uint32_t)(value.low >> 32));
    put_hex(out + 24, (uint32_t)value.low);
}

#endif
