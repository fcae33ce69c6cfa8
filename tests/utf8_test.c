/* UTF-8: every text of one to three bytes, the edges of four, at each place
 * among ASCII, whole, in two pieces and byte by byte, against a validator that
 * is written as the RFC's table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/utf8.h>

/* --- the reference: RFC 3629 4, spelled out ----------------------------------------- */

struct form {
    unsigned char low[4], high[4]; /* of each byte */
    size_t len;
};

static const struct form forms[] = {
    {{0x00}, {0x7f}, 1},
    {{0xc2, 0x80}, {0xdf, 0xbf}, 2},
    {{0xe0, 0xa0, 0x80}, {0xe0, 0xbf, 0xbf}, 3},
    {{0xe1, 0x80, 0x80}, {0xec, 0xbf, 0xbf}, 3},
    {{0xed, 0x80, 0x80}, {0xed, 0x9f, 0xbf}, 3},
    {{0xee, 0x80, 0x80}, {0xef, 0xbf, 0xbf}, 3},
    {{0xf0, 0x90, 0x80, 0x80}, {0xf0, 0xbf, 0xbf, 0xbf}, 4},
    {{0xf1, 0x80, 0x80, 0x80}, {0xf3, 0xbf, 0xbf, 0xbf}, 4},
    {{0xf4, 0x80, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf}, 4},
};

/* How many bytes of p follow the form, at most n. */
static size_t matching(const struct form *f, const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < f->len && i < n && p[i] >= f->low[i] && p[i] <= f->high[i]) {
        i++;
    }
    return i;
}

/* Sets *bad to the first byte that can't be, n where there is none. Returns
 * whether the text ends with a character's end. */
static bool reference(const unsigned char *p, size_t n, size_t *bad)
{
    size_t at = 0;
    while (at < n) {
        size_t best = 0;
        bool whole = false;
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
            size_t m = matching(&forms[i], p + at, n - at);
            best = m > best ? m : best;
            whole = whole || m == forms[i].len;
        }
        if (!whole) {
            *bad = at + best;
            return false;
        }
        at += best;
    }
    *bad = n;
    return true;
}

/* --- comparing ------------------------------------------------------------------------- */

static gust_str str_of(const unsigned char *p, size_t n)
{
    return gust_str_make((const char *)p, n);
}

static void check_whole(const unsigned char *p, size_t n)
{
    size_t bad;
    bool complete = reference(p, n, &bad);
    gust_utf8 u = {0};
    bool ok = gust_utf8_feed(&u, str_of(p, n));
    if (ok != (bad == n) || gust_utf8_is_complete(&u) != complete ||
        gust_utf8_is_valid(str_of(p, n)) != complete) {
        fail_msg("%zu bytes %02x %02x %02x %02x: ok %d, first bad %zu", n, p[0], p[1], p[2], p[3],
                 ok, bad);
    }
}

/* The failure comes with the first impossible byte, and stays. */
static void check_bytewise(const unsigned char *p, size_t n)
{
    size_t bad;
    bool complete = reference(p, n, &bad);
    gust_utf8 u = {0};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(gust_utf8_feed(&u, str_of(p + i, 1)), i < bad);
    }
    assert_int_equal(gust_utf8_is_complete(&u), complete);
    assert_int_equal(gust_utf8_feed(&u, gust_str_make(NULL, 0)), bad == n);
}

static void check_splits(const unsigned char *p, size_t n)
{
    size_t bad;
    bool complete = reference(p, n, &bad);
    for (size_t cut = 0; cut <= n; cut++) {
        gust_utf8 u = {0};
        assert_int_equal(gust_utf8_feed(&u, str_of(p, cut)), cut <= bad);
        assert_int_equal(gust_utf8_feed(&u, str_of(p + cut, n - cut)), bad == n);
        assert_int_equal(gust_utf8_is_complete(&u), complete);
    }
}

static void test_feed__every_text_of_one_to_three_bytes(void **state)
{
    (void)state;
    unsigned char p[4] = {0};
    for (unsigned v = 0; v < 0x1000000; v++) {
        p[0] = (unsigned char)(v >> 16);
        p[1] = (unsigned char)(v >> 8);
        p[2] = (unsigned char)v;
        check_whole(p, 3);
        if (p[2] == 0) {
            check_whole(p, 2);
            check_bytewise(p, 2);
        }
        if (v % 0x10000 == 0) {
            check_bytewise(p, 1);
        }
    }
}

/* Bytes at, and on both sides of, every border of the table. */
static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x81, 0x8e, 0x8f, 0x90, 0x91, 0x9e,
                                      0x9f, 0xa0, 0xa1, 0xbe, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                      0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
                                      0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
enum { EDGES = sizeof(edges) };

static void test_feed__four_bytes_at_the_borders(void **state)
{
    (void)state;
    unsigned char p[5] = {0, 0, 0, 0, 'x'};
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned second = 0; second < 256; second++) {
            for (unsigned rest = 0; rest < EDGES * EDGES; rest++) {
                p[0] = (unsigned char)lead;
                p[1] = (unsigned char)second;
                p[2] = edges[rest / EDGES];
                p[3] = edges[rest % EDGES];
                if (lead >= 0xee) {
                    check_whole(p, 4);
                }
            }
        }
    }
    for (unsigned i = 0; i < EDGES * EDGES * EDGES * EDGES; i += 7) {
        p[0] = edges[i % EDGES];
        p[1] = edges[i / EDGES % EDGES];
        p[2] = edges[i / EDGES / EDGES % EDGES];
        p[3] = edges[i / EDGES / EDGES / EDGES];
        check_bytewise(p, 5);
    }
}

static const char *const pieces[] = {
    "\xc3\xa9",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xed\x9f\xbf",
    "\xf4\x8f\xbf\xbf", /* good */
    "\xef\xbf\xbe",
    "\xef\xbf\xbf", /* not characters, but valid */
    "\xc0\x80",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xe0\x9f\xbf",
    "\xff",
    "\x80", /* bad */
    "\xc3",
    "\xe2\x82",
    "\xf0\x9f\x98", /* cut */
};
enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };

/* Each piece at each place of a text of ASCII: blocks before, across and behind. */
static void test_feed__at_each_place_among_ascii(void **state)
{
    (void)state;
    unsigned char text[120];
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = strlen(pieces[i]);
        for (size_t at = 0; at + len <= sizeof(text); at++) {
            memset(text, 'a', sizeof(text));
            memcpy(text + at, pieces[i], len);
            check_whole(text, sizeof(text));
            check_whole(text, at + len);
            check_whole(text + 1, sizeof(text) - 1);
            if (at % 5 == 0) {
                check_splits(text, at + len);
                check_splits(text, sizeof(text));
            }
        }
    }
}

/* Valid text with runs of all kinds, then the same with one byte changed. */
static void test_feed__random_texts(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 3000; round++) {
        unsigned char text[200];
        size_t n = 0;
        while (n < 150) {
            seed = seed * 1103515245U + 12345U;
            unsigned kind = seed >> 16;
            const char *piece = kind % 3 == 0 ? "0123456789abcdefgh" : pieces[kind % 7];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        assert_true(gust_utf8_is_valid(str_of(text, n)));
        seed = seed * 1103515245U + 12345U;
        text[(seed >> 16) % n] = (unsigned char)(seed >> 8);
        check_whole(text, n);
        if (round % 16 == 0) {
            check_bytewise(text, n);
            check_splits(text, n);
        }
    }
}

static void test_failed__stays_so_whatever_follows(void **state)
{
    (void)state;
    gust_utf8 u = {0};
    assert_false(gust_utf8_feed(&u, GUST_STR("abc\xff")));
    assert_false(gust_utf8_feed(&u, GUST_STR("good text that is longer than one block")));
    assert_false(gust_utf8_is_complete(&u));
}

static void test_encode_and_decode__every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110010; code++) {
        char out[4];
        size_t n = gust_utf8_encode(out, code);
        bool exists = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        assert_int_equal(n > 0, exists);
        if (exists) {
            uint32_t back = 0;
            assert_true(gust_utf8_is_valid(gust_str_make(out, n)));
            assert_int_equal(gust_utf8_decode(gust_str_make(out, n), &back), n);
            assert_int_equal(back, code);
            assert_int_equal(gust_utf8_decode(gust_str_make(out, n - 1), &back), 0);
        }
    }
}

static void test_decode__first_character_only(void **state)
{
    (void)state;
    uint32_t code = 0;
    assert_int_equal(gust_utf8_decode(GUST_STR("\xe2\x82\xac\xff"), &code), 3);
    assert_int_equal(code, 0x20ac);
    assert_int_equal(gust_utf8_decode(GUST_STR(""), &code), 0);
    assert_int_equal(gust_utf8_decode(GUST_STR("\xc0\x80"), &code), 0);
    assert_int_equal(gust_utf8_decode(GUST_STR("\xa9"), &code), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feed__every_text_of_one_to_three_bytes),
        cmocka_unit_test(test_feed__four_bytes_at_the_borders),
        cmocka_unit_test(test_feed__at_each_place_among_ascii),
        cmocka_unit_test(test_feed__random_texts),
        cmocka_unit_test(test_failed__stays_so_whatever_follows),
        cmocka_unit_test(test_encode_and_decode__every_code_point),
        cmocka_unit_test(test_decode__first_character_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
