/* UTF-8 validation.
 *
 * The automaton has nine states. A byte's entry in the table holds the next
 * state for each of them, six bits each, and a state is the place of its six
 * bits: a step is one load and one shift, with no branch. Blocks of ASCII at a
 * character's boundary don't enter it.
 *
 *   START --00..7F--> START        --C2..DF--> ONE
 *         --E0--> AFTER_E0  --ED--> AFTER_ED   --other E--> TWO
 *         --F0--> AFTER_F0  --F4--> AFTER_F4   --F1..F3--> THREE
 *   ONE --80..BF--> START    TWO --80..BF--> ONE    THREE --80..BF--> TWO
 *   AFTER_E0 --A0..BF--> ONE    AFTER_ED --80..9F--> ONE
 *   AFTER_F0 --90..BF--> TWO    AFTER_F4 --80..8F--> TWO
 *   everything else --> FAILED, and there it stays */
#include <gust/utf8.h>

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

enum {
    START = 0,
    FAILED = 6,
    ONE = 12,
    TWO = 18,
    THREE = 24,
    AFTER_E0 = 30,
    AFTER_ED = 36,
    AFTER_F0 = 42,
    AFTER_F4 = 48
};

enum { BLOCK = 16 };

/* Where a byte leads: from START, from the states that take any continuation
 * byte, and from the four that take some. */
#define GO(from, to) ((uint64_t)(to) << (from))
#define ENTRY(start, one, two, three, e0, ed, f0, f4)                                              \
    (GO(START, start) | GO(FAILED, FAILED) | GO(ONE, one) | GO(TWO, two) | GO(THREE, three) |      \
     GO(AFTER_E0, e0) | GO(AFTER_ED, ed) | GO(AFTER_F0, f0) | GO(AFTER_F4, f4))
#define LEAD(to) ENTRY(to, FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, FAILED)
#define TAIL(e0, ed, f0, f4) ENTRY(FAILED, START, ONE, TWO, e0, ed, f0, f4)

#define TIMES4(x) x, x, x, x
#define TIMES16(x) TIMES4(x), TIMES4(x), TIMES4(x), TIMES4(x)

static const uint64_t steps[256] = {
    /* 00..7F */
    TIMES16(LEAD(START)), TIMES16(LEAD(START)), TIMES16(LEAD(START)), TIMES16(LEAD(START)),
    TIMES16(LEAD(START)), TIMES16(LEAD(START)), TIMES16(LEAD(START)), TIMES16(LEAD(START)),
    /* 80..8F, 90..9F, A0..BF */
    TIMES16(TAIL(FAILED, ONE, FAILED, TWO)), TIMES16(TAIL(FAILED, ONE, TWO, FAILED)),
    TIMES16(TAIL(ONE, FAILED, TWO, FAILED)), TIMES16(TAIL(ONE, FAILED, TWO, FAILED)),
    /* C0..DF: C0 and C1 would be overlong */
    LEAD(FAILED), LEAD(FAILED), LEAD(ONE), LEAD(ONE), TIMES4(LEAD(ONE)), TIMES4(LEAD(ONE)),
    TIMES4(LEAD(ONE)), TIMES16(LEAD(ONE)),
    /* E0..EF: ED begins the surrogates */
    LEAD(AFTER_E0), LEAD(TWO), LEAD(TWO), LEAD(TWO), TIMES4(LEAD(TWO)), TIMES4(LEAD(TWO)),
    LEAD(TWO), LEAD(AFTER_ED), LEAD(TWO), LEAD(TWO),
    /* F0..FF: F4 90 is above U+10FFFF */
    LEAD(AFTER_F0), LEAD(THREE), LEAD(THREE), LEAD(THREE), LEAD(AFTER_F4), LEAD(FAILED),
    LEAD(FAILED), LEAD(FAILED), TIMES4(LEAD(FAILED)), TIMES4(LEAD(FAILED))};

static uint64_t run(uint64_t state, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        state = steps[p[i]] >> (state & 63);
    }
    return state & 63;
}

#if defined(__SSE2__)
static bool is_ascii_block(const unsigned char *p)
{
    return _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p)) == 0;
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
static bool is_ascii_block(const unsigned char *p)
{
    return vmaxvq_u8(vld1q_u8(p)) < 0x80;
}
#else
static bool is_ascii_block(const unsigned char *p)
{
    uint64_t word[2];
    memcpy(word, p, BLOCK);
    return ((word[0] | word[1]) & UINT64_C(0x8080808080808080)) == 0;
}
#endif

static size_t skip_ascii(const unsigned char *p, size_t n)
{
    size_t at = 0;
    while (n - at >= BLOCK && is_ascii_block(p + at)) {
        at += BLOCK;
    }
    return at;
}

bool gust_utf8_feed(gust_utf8 *u, gust_str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    uint64_t state = u->state;
    size_t at = 0;
    if (bytes.len == 0) {
        return state != FAILED;
    }
    while (bytes.len - at >= BLOCK && state != FAILED) {
        size_t skipped = state == START ? skip_ascii(p + at, bytes.len - at) : 0;
        at += skipped;
        if (bytes.len - at >= BLOCK) {
            state = run(state, p + at, BLOCK);
            at += BLOCK;
        }
    }
    if (state != FAILED) {
        state = run(state, p + at, bytes.len - at);
    }
    u->state = (uint32_t)state;
    return state != FAILED;
}

bool gust_utf8_is_valid(gust_str text)
{
    gust_utf8 u = {0};
    return gust_utf8_feed(&u, text) && gust_utf8_is_complete(&u);
}

/* The bits of a first byte that belong to the code, by length. */
static uint32_t lead_bits(unsigned char lead, size_t n)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    return lead & masks[n];
}

size_t gust_utf8_decode(gust_str text, uint32_t *out_code)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    uint64_t state = START;
    for (size_t n = 1; n <= text.len && n <= 4; n++) {
        state = run(state, p + n - 1, 1);
        if (state == FAILED) {
            return 0;
        }
        if (state == START) {
            uint32_t code = lead_bits(p[0], n);
            for (size_t i = 1; i < n; i++) {
                code = code << 6 | (p[i] & 63);
            }
            *out_code = code;
            return n;
        }
    }
    return 0;
}

static size_t put_multibyte(char *out, uint32_t code, size_t n)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(unsigned char)(0x80 | (code & 63));
        code >>= 6;
    }
    out[0] = (char)(unsigned char)(leads[n] | code);
    return n;
}

size_t gust_utf8_encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return put_multibyte(out, code, code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
}
