/* Base64: RFC 4648's vectors, all short inputs, and everything that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/base64.h>
#include <gust/errors.h>

struct row {
    const char *plain;
    const char *text;
};

static const struct row rows[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
    {"Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
};

static void test_vectors__both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        gust_str plain = gust_str_from(rows[i].plain);
        size_t n = gust_base64_encode(out, plain);
        assert_int_equal(n, strlen(rows[i].text));
        assert_int_equal(n, GUST_BASE64_SIZE(plain.len));
        assert_memory_equal(out, rows[i].text, n);
        size_t len = 99;
        assert_int_equal(gust_base64_decode(out, gust_str_make(out, n), &len), 0);
        assert_int_equal(len, plain.len);
        assert_memory_equal(out, plain.ptr, len);
    }
}

/* One and two bytes of every value, and three of many. */
static void test_round_trip__all_short_inputs(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 0x1000000; v += v < 0x20000 ? 1 : 977) {
        char in[3] = {(char)(unsigned char)v, (char)(unsigned char)(v >> 8),
                      (char)(unsigned char)(v >> 16)};
        size_t len = v < 0x100 ? 1 : v < 0x10000 ? 2 : 3;
        char text[4];
        char back[3];
        size_t n = 0;
        assert_int_equal(gust_base64_encode(text, gust_str_make(in, len)), 4);
        assert_int_equal(gust_base64_decode(back, gust_str_make(text, 4), &n), 0);
        assert_int_equal(n, len);
        assert_memory_equal(back, in, len);
    }
}

static void expect_refused(gust_str text)
{
    char out[64];
    size_t len = 4711;
    assert_int_equal(gust_base64_decode(out, text, &len), -EINVAL);
    assert_int_equal(len, 4711);
}

static void test_decode__refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",   "Zm8",    "Zg==Zg==", "Zg=a",    "Z===", "====",   "=Zg=",
        "Zh==", "Zk==", "Zm9=",  "Zm+=",   "Zm9v ",    " Zm9v",   "Zm 9", "Zm9v\n", "Zm9\n",
        "Zm-v", "Zm_v", "Zm9v=", "Zm9v==", "Zm9v====", "Zm9vZg=", "A=AA",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_refused(gust_str_from(bad[i]));
    }
    expect_refused(GUST_STR("Zm\0v"));
}

/* Of the 64 digits that may stand before the padding, those without spare bits. */
static void test_decode__spare_bits_are_zero(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 64; i++) {
        char one[4] = {'Z', alphabet[i], '=', '='};
        char two[4] = {'Z', 'm', alphabet[i], '='};
        char out[3];
        size_t len;
        assert_int_equal(gust_base64_decode(out, gust_str_make(one, 4), &len),
                         i % 16 == 0 ? 0 : -EINVAL);
        assert_int_equal(gust_base64_decode(out, gust_str_make(two, 4), &len),
                         i % 4 == 0 ? 0 : -EINVAL);
    }
}

static void test_decode__every_byte_in_every_place(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool digit = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567"
                                      "89+/",
                                      c) != NULL;
        for (int place = 0; place < 4; place++) {
            char text[8] = "QQQQQQQQ";
            text[place] = (char)c;
            char out[6];
            size_t len;
            assert_int_equal(gust_base64_decode(out, gust_str_make(text, 8), &len),
                             digit ? 0 : -EINVAL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors__both_ways),
        cmocka_unit_test(test_round_trip__all_short_inputs),
        cmocka_unit_test(test_decode__refuses_what_is_not_canonical),
        cmocka_unit_test(test_decode__spare_bits_are_zero),
        cmocka_unit_test(test_decode__every_byte_in_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
