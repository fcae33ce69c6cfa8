/* gust_str: comparing, finding, cutting, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/str.h>

#define S(literal) GUST_STR(literal)

static const gust_str nothing = {NULL, 0};

static void test_eq__same_bytes_only(void **state)
{
    (void)state;
    assert_true(gust_str_eq(S("a\0b"), S("a\0b")));
    assert_false(gust_str_eq(S("a\0b"), S("a\0c")));
    assert_false(gust_str_eq(S("ab"), S("abc")));
    assert_true(gust_str_eq(nothing, S("")));
    assert_true(gust_str_eq(gust_str_from(NULL), nothing));
}

static int ascii_letter_of(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static void test_case_eq__ascii_letters_and_nothing_else(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char x = (char)a;
            char y = (char)b;
            bool same = gust_str_case_eq(gust_str_make(&x, 1), gust_str_make(&y, 1));
            assert_int_equal(same, ascii_letter_of(a) == ascii_letter_of(b));
        }
    }
    assert_true(gust_str_case_eq(S("Content-Length"), S("cONTENT-lENGTH")));
    assert_false(gust_str_case_eq(S("a"), S("ab")));
    assert_true(gust_str_case_eq(nothing, nothing));
}

static void test_starts_and_ends_with__table(void **state)
{
    (void)state;
    assert_true(gust_str_starts_with(S("abc"), S("ab")));
    assert_true(gust_str_starts_with(S("abc"), S("")));
    assert_true(gust_str_starts_with(nothing, nothing));
    assert_false(gust_str_starts_with(S("ab"), S("abc")));
    assert_false(gust_str_starts_with(S("abc"), S("b")));
    assert_true(gust_str_ends_with(S("abc"), S("bc")));
    assert_true(gust_str_ends_with(S("abc"), S("abc")));
    assert_true(gust_str_ends_with(nothing, S("")));
    assert_false(gust_str_ends_with(S("bc"), S("abc")));
    assert_false(gust_str_ends_with(S("abc"), S("b")));
}

static void test_cmp__bytes_then_length(void **state)
{
    (void)state;
    assert_true(gust_str_cmp(S("a"), S("b")) < 0);
    assert_true(gust_str_cmp(S("b"), S("abc")) > 0);
    assert_true(gust_str_cmp(S("ab"), S("abc")) < 0);
    assert_true(gust_str_cmp(S("\xff"), S("a")) > 0);
    assert_int_equal(gust_str_cmp(S("abc"), S("abc")), 0);
    assert_true(gust_str_cmp(nothing, S("a")) < 0);
    assert_int_equal(gust_str_cmp(nothing, S("")), 0);
}

static size_t slow_find(gust_str s, gust_str needle)
{
    for (size_t at = 0; at + needle.len <= s.len; at++) {
        if (memcmp(s.ptr + at, needle.ptr, needle.len) == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* All texts of up to 8 letters of two, all needles of up to 4. */
static void test_find__as_the_slow_way(void **state)
{
    (void)state;
    char text[8];
    char needle[4];
    for (unsigned t = 0; t < 256; t++) {
        for (unsigned i = 0; i < 8; i++) {
            text[i] = (t >> i & 1) != 0 ? 'a' : 'b';
        }
        for (unsigned n = 0; n < 16 * 4; n++) {
            for (unsigned i = 0; i < 4; i++) {
                needle[i] = (n >> i & 1) != 0 ? 'a' : 'b';
            }
            gust_str wanted = gust_str_make(needle, n / 16 + 1);
            for (size_t len = 0; len <= 8; len++) {
                gust_str s = gust_str_make(text, len);
                assert_int_equal(gust_str_find(s, wanted), slow_find(s, wanted));
            }
        }
    }
}

static void test_find__edges(void **state)
{
    (void)state;
    assert_int_equal(gust_str_find(S("abc"), S("")), 0);
    assert_int_equal(gust_str_find(nothing, nothing), 0);
    assert_int_equal(gust_str_find(nothing, S("a")), SIZE_MAX);
    assert_int_equal(gust_str_find(S("x\0y"), S("\0y")), 1);
    assert_int_equal(gust_str_find_byte(S("abcb"), 'b'), 1);
    assert_int_equal(gust_str_find_byte(S("abc"), 'x'), SIZE_MAX);
    assert_int_equal(gust_str_find_byte(nothing, 'x'), SIZE_MAX);
    assert_int_equal(gust_str_find_byte(S("a\xff"), (char)0xff), 1);
}

static void test_trim__blanks_and_tabs_only(void **state)
{
    (void)state;
    assert_true(gust_str_eq(gust_str_trim(S(" \t a b\t ")), S("a b")));
    assert_true(gust_str_eq(gust_str_trim(S("\r\na\v")), S("\r\na\v")));
    assert_int_equal(gust_str_trim(S(" \t ")).len, 0);
    assert_int_equal(gust_str_trim(nothing).len, 0);
}

static void test_skip__never_beyond_the_end(void **state)
{
    (void)state;
    gust_str s = S("abc");
    assert_true(gust_str_eq(gust_str_skip(s, 1), S("bc")));
    assert_ptr_equal(gust_str_skip(s, 3).ptr, s.ptr + 3);
    assert_ptr_equal(gust_str_skip(s, SIZE_MAX).ptr, s.ptr + 3);
    assert_int_equal(gust_str_skip(nothing, 5).len, 0);
}

static void expect_pieces(const char *list, const char *joined)
{
    gust_str rest = gust_str_from(list);
    gust_str piece;
    char out[64];
    size_t n = 0;
    while (gust_str_split(&rest, ',', &piece)) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "<%.*s>", GUST_FMT(piece));
    }
    out[n] = '\0';
    assert_string_equal(out, joined);
    assert_null(rest.ptr);
}

static void test_split__every_piece_also_the_empty_ones(void **state)
{
    (void)state;
    expect_pieces("a,b", "<a><b>");
    expect_pieces("a,,b", "<a><><b>");
    expect_pieces(",", "<><>");
    expect_pieces("a,", "<a><>");
    expect_pieces("", "<>");
    expect_pieces(NULL, "");
}

struct number_row {
    const char *text;
    uint64_t max;
    int status;
    uint64_t value;
};

static void test_to_u64__table(void **state)
{
    (void)state;
    static const struct number_row rows[] = {
        {"0", UINT64_MAX, 0, 0},
        {"000", 0, 0, 0},
        {"007", 7, 0, 7},
        {"8", 7, -ERANGE, 0},
        {"10", 9, -ERANGE, 0},
        {"255", 255, 0, 255},
        {"256", 255, -ERANGE, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
        {"9223372036854775807", INT64_MAX, 0, INT64_MAX},
        {"9223372036854775808", INT64_MAX, -ERANGE, 0},
        {"", 9, -EINVAL, 0},
        {"+1", 9, -EINVAL, 0},
        {"-1", 9, -EINVAL, 0},
        {" 1", 9, -EINVAL, 0},
        {"1 ", 9, -EINVAL, 0},
        {"1_0", 99, -EINVAL, 0},
        {"0x1", 99, -EINVAL, 0},
        {"99x", 9, -EINVAL, 0},
        {"1/", 9, -EINVAL, 0},
        {"1:", 9, -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 4711;
        assert_int_equal(gust_str_to_u64(gust_str_from(rows[i].text), rows[i].max, &value),
                         rows[i].status);
        assert_int_equal(value, rows[i].status == 0 ? rows[i].value : 4711);
    }
}

static void expect_decimal(uint64_t value)
{
    char expected[24];
    char out[20];
    int n = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
    assert_int_equal(gust_u64_to_dec(out, value), n);
    assert_memory_equal(out, expected, (size_t)n);
    uint64_t back = 0;
    assert_int_equal(gust_str_to_u64(gust_str_make(out, (size_t)n), UINT64_MAX, &back), 0);
    assert_int_equal(back, value);
}

static void test_to_dec__as_printf(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        expect_decimal(i);
    }
    for (unsigned shift = 0; shift < 64; shift++) {
        expect_decimal((UINT64_C(1) << shift) - 1);
        expect_decimal(UINT64_C(1) << shift);
    }
    for (uint64_t p = 1; p < UINT64_MAX / 10; p *= 10) {
        expect_decimal(p - 1);
        expect_decimal(p);
    }
    expect_decimal(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eq__same_bytes_only),
        cmocka_unit_test(test_case_eq__ascii_letters_and_nothing_else),
        cmocka_unit_test(test_starts_and_ends_with__table),
        cmocka_unit_test(test_cmp__bytes_then_length),
        cmocka_unit_test(test_find__as_the_slow_way),
        cmocka_unit_test(test_find__edges),
        cmocka_unit_test(test_trim__blanks_and_tabs_only),
        cmocka_unit_test(test_skip__never_beyond_the_end),
        cmocka_unit_test(test_split__every_piece_also_the_empty_ones),
        cmocka_unit_test(test_to_u64__table),
        cmocka_unit_test(test_to_dec__as_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
