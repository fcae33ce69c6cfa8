/* Doubles and their text: a table, both ways; numbers exactly between two
 * doubles; and a few hundred thousand random ones against the C library. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>

#include "util/decimal_internal.h"

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* Text, the bits of its double, and what Python prints for that. */
static const struct {
    const char *text;
    uint64_t bits;
    const char *shortest;
} rows[] = {
    {"0.0", UINT64_C(0x0000000000000000), "0.0"},
    {"-0.0", UINT64_C(0x8000000000000000), "-0.0"},
    {"1.0", UINT64_C(0x3ff0000000000000), "1.0"},
    {"-1.0", UINT64_C(0xbff0000000000000), "-1.0"},
    {"0.1", UINT64_C(0x3fb999999999999a), "0.1"},
    {"0.2", UINT64_C(0x3fc999999999999a), "0.2"},
    {"0.3", UINT64_C(0x3fd3333333333333), "0.3"},
    {"0.5", UINT64_C(0x3fe0000000000000), "0.5"},
    {"1.5", UINT64_C(0x3ff8000000000000), "1.5"},
    {"100.0", UINT64_C(0x4059000000000000), "100.0"},
    {"123456789.0", UINT64_C(0x419d6f3454000000), "123456789.0"},
    {"1e15", UINT64_C(0x430c6bf526340000), "1000000000000000.0"},
    {"9999999999999998.0", UINT64_C(0x4341c37937e07fff), "9999999999999998.0"},
    {"1e16", UINT64_C(0x4341c37937e08000), "1e+16"},
    {"1e17", UINT64_C(0x4376345785d8a000), "1e+17"},
    {"1e21", UINT64_C(0x444b1ae4d6e2ef50), "1e+21"},
    {"1e22", UINT64_C(0x4480f0cf064dd592), "1e+22"},
    {"1e23", UINT64_C(0x44b52d02c7e14af6), "1e+23"},
    {"1e-4", UINT64_C(0x3f1a36e2eb1c432d), "0.0001"},
    {"1e-5", UINT64_C(0x3ee4f8b588e368f1), "1e-05"},
    {"1.2e-5", UINT64_C(0x3ee92a737110e454), "1.2e-05"},
    {"123456.789e-10", UINT64_C(0x3ee9e409301b5a02), "1.23456789e-05"},
    {"3.141592653589793", UINT64_C(0x400921fb54442d18), "3.141592653589793"},
    {"2.718281828459045", UINT64_C(0x4005bf0a8b145769), "2.718281828459045"},
    {"1.7976931348623157e308", UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
    {"1.7976931348623158e308", UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
    {"2.2250738585072014e-308", UINT64_C(0x0010000000000000), "2.2250738585072014e-308"},
    {"2.2250738585072011e-308", UINT64_C(0x000fffffffffffff), "2.225073858507201e-308"},
    {"2.225073858507201e-308", UINT64_C(0x000fffffffffffff), "2.225073858507201e-308"},
    {"5e-324", UINT64_C(0x0000000000000001), "5e-324"},
    {"4.9e-324", UINT64_C(0x0000000000000001), "5e-324"},
    {"2.5e-324", UINT64_C(0x0000000000000001), "5e-324"},
    {"2.4703282292062328e-324", UINT64_C(0x0000000000000001), "5e-324"},
    {"2.4703282292062327e-324", UINT64_C(0x0000000000000000), "0.0"},
    {"1e-323", UINT64_C(0x0000000000000002), "1e-323"},
    {"1e-400", UINT64_C(0x0000000000000000), "0.0"},
    {"0e400", UINT64_C(0x0000000000000000), "0.0"},
    {"0.000e-999999999999", UINT64_C(0x0000000000000000), "0.0"},
    {"9007199254740992", UINT64_C(0x4340000000000000), "9007199254740992.0"},
    {"9007199254740993", UINT64_C(0x4340000000000000), "9007199254740992.0"},
    {"9007199254740994", UINT64_C(0x4340000000000001), "9007199254740994.0"},
    {"9007199254740995", UINT64_C(0x4340000000000002), "9007199254740996.0"},
    {"18446744073709551615", UINT64_C(0x43f0000000000000), "1.8446744073709552e+19"},
    {"18446744073709551616", UINT64_C(0x43f0000000000000), "1.8446744073709552e+19"},
    {"123456789012345678901234567890", UINT64_C(0x45f8ee90ff6c373e), "1.2345678901234568e+29"},
    {"0.000001", UINT64_C(0x3eb0c6f7a0b5ed8d), "1e-06"},
    {"0.0000001", UINT64_C(0x3e7ad7f29abcaf48), "1e-07"},
    {"1E5", UINT64_C(0x40f86a0000000000), "100000.0"},
    {"1e+5", UINT64_C(0x40f86a0000000000), "100000.0"},
    {"1e05", UINT64_C(0x40f86a0000000000), "100000.0"},
    {"12e-1", UINT64_C(0x3ff3333333333333), "1.2"},
    {"8.5e-17", UINT64_C(0x3c987fe49aab41e0), "8.5e-17"},
    {"6.02214076e23", UINT64_C(0x44dfe185ca57c517), "6.02214076e+23"},
    {"1.6e-19", UINT64_C(0x3c079ca10c924223), "1.6e-19"},
    {"299792458.0", UINT64_C(0x41b1de784a000000), "299792458.0"},
    {"4.35", UINT64_C(0x4011666666666666), "4.35"},
    {"0.000035", UINT64_C(0x3f02599ed7c6fbd2), "3.5e-05"},
    {"2.5", UINT64_C(0x4004000000000000), "2.5"},
    {"1152921504606846976", UINT64_C(0x43b0000000000000), "1.152921504606847e+18"},
    {"9.5367431640625e-07", UINT64_C(0x3eb0000000000000), "9.5367431640625e-07"},
    {"5.764607523034235e39", UINT64_C(0x4830f0cf064dd592), "5.764607523034235e+39"},
    {"1.152921504606847e40", UINT64_C(0x4840f0cf064dd592), "1.152921504606847e+40"},
    {"4.8726570057699355e-277", UINT64_C(0x0691467046458e73), "4.872657005769936e-277"},
    {"7.0420557077594588669468784357561207962098443483187940792729600000e+59",
     UINT64_C(0x4c5c0bee4d8e1912), "7.042055707759459e+59"},
    {"100000000000000016777215", UINT64_C(0x44b52d02c7e14af7), "1.0000000000000001e+23"},
    {"100000000000000016777216", UINT64_C(0x44b52d02c7e14af8), "1.0000000000000003e+23"},
    {"1.00000000000000011102230246251565404236316680908203125", UINT64_C(0x3ff0000000000000),
     "1.0"},
    {"1.00000000000000011102230246251565404236316680908203124", UINT64_C(0x3ff0000000000000),
     "1.0"},
    {"1.00000000000000011102230246251565404236316680908203126", UINT64_C(0x3ff0000000000001),
     "1.0000000000000002"},
    {"2.22507385850720113605740979670913197593481954635164564e-308", UINT64_C(0x000fffffffffffff),
     "2.225073858507201e-308"},
    {"6.9294956446009195e15", UINT64_C(0x43389e56ee5e7a58), "6929495644600920.0"},
    {"3.7455744005952583e15", UINT64_C(0x432a9d28ff412a75), "3745574400595258.5"},
    {"89255.0e-22", UINT64_C(0x3c6494af6ce5221f), "8.9255e-18"},
    {"104110013277974872254e-225", UINT64_C(0x1560b661a31987ae), "1.0411001327797486e-205"},
};

static void test_rows__both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double value = -1;
        assert_int_equal(gust__text_to_double(gust_str_from(rows[i].text), &value), 0);
        if (bits_of(value) != rows[i].bits) {
            fail_msg("%s gives %016llx", rows[i].text, (unsigned long long)bits_of(value));
        }
        char out[GUST__DOUBLE_TEXT_MAX + 1] = {0};
        size_t n = gust__double_to_text(out, value);
        assert_int_equal(n, strlen(rows[i].shortest));
        assert_string_equal(out, rows[i].shortest);
    }
}

static void test_parse__beyond_the_largest_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"1.7976931348623159e308",
                                      "1e309",
                                      "1.797693134862315808e308",
                                      "-1e400",
                                      "1e99999999999999999999",
                                      "99999e304",
                                      "10000000000000000000000e999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double value = 7;
        assert_int_equal(gust__text_to_double(gust_str_from(bad[i]), &value), GUST_ETOOBIG);
        assert_true(value == 7);
    }
}

/* Zeros do not matter, wherever they stand. */
static void test_parse__thousands_of_zeros(void **state)
{
    (void)state;
    static char text[9000];
    double value;
    for (int zeros = 0; zeros < 4000; zeros += 37) {
        memset(text, '0', sizeof(text));
        text[1] = '.';
        int n = zeros + 2;
        n += snprintf(text + n, 64, "125e%d", zeros);
        assert_int_equal(gust__text_to_double(gust_str_make(text, (size_t)n), &value), 0);
        assert_true(value == 0.125);
        memset(text, '0', sizeof(text));
        memcpy(text, "125", 3);
        n = zeros + 3;
        n += snprintf(text + n, 64, "e-%d", zeros + 3);
        assert_int_equal(gust__text_to_double(gust_str_make(text, (size_t)n), &value), 0);
        assert_true(value == 0.125);
    }
}

/* --- against the C library -------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void check_text(const char *text)
{
    double expected = strtod(text, NULL);
    double value = 0;
    int status = gust__text_to_double(gust_str_from(text), &value);
    bool overflows = expected - expected != 0;
    if (status != (overflows ? GUST_ETOOBIG : 0) ||
        (!overflows && bits_of(value) != bits_of(expected))) {
        fail_msg("%s: %d, %a instead of %a", text, status, value, expected);
    }
}

/* The text reads back, and with one digit less it would not. */
static void check_shortest(double value)
{
    char out[GUST__DOUBLE_TEXT_MAX + 1] = {0};
    char shorter[64];
    size_t n = gust__double_to_text(out, value);
    assert_true(n <= 25 && strlen(out) == n);
    assert_true(bits_of(strtod(out, NULL)) == bits_of(value));
    int digits = 0;
    for (const char *p = out; *p != '\0' && *p != 'e'; p++) {
        digits += *p >= '0' && *p <= '9' && (digits > 0 || *p != '0');
    }
    for (const char *p = strchr(out, 'e') != NULL ? strchr(out, 'e') : out + n; p-- > out;) {
        if (*p != '0' && *p != '.') {
            break;
        }
        digits -= *p == '0';
    }
    if (digits > 1) {
        snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
        assert_true(bits_of(strtod(shorter, NULL)) != bits_of(value));
    }
}

static bool is_finite(double value)
{
    return value - value == 0;
}

static void test_random_bits__shortest_and_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 150000; i++) {
        uint64_t bits = next_random(&seed);
        bits = i % 8 == 0 ? bits >> 12 : bits; /* some without an exponent */
        double value = double_of(bits);
        if (!is_finite(value)) {
            continue;
        }
        check_shortest(value);
        char text[64];
        snprintf(text, sizeof(text), "%.*e", i % 25, value);
        check_text(text);
    }
}

static void test_powers_of_two__and_their_neighbours(void **state)
{
    (void)state;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        uint64_t bits = exponent << 52;
        check_shortest(double_of(bits));
        check_shortest(double_of(bits + 1));
        if (bits > 0) {
            check_shortest(double_of(bits - 1));
        }
    }
}

static void test_random_digits__with_any_exponent(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 100000; i++) {
        char text[128];
        uint64_t a = next_random(&seed);
        uint64_t b = next_random(&seed);
        int exponent = (int)(next_random(&seed) % 720) - 380;
        int shift = (int)(a % 61);
        switch (i % 3) {
        case 0:
            snprintf(text, sizeof(text), "%llue%d", (unsigned long long)(a >> shift), exponent);
            break;
        case 1:
            snprintf(text, sizeof(text), "%llu.%llue%d", (unsigned long long)(a >> shift),
                     (unsigned long long)b, exponent);
            break;
        default:
            snprintf(text, sizeof(text), "0.%llu%llu", (unsigned long long)a,
                     (unsigned long long)b);
        }
        check_text(text);
    }
}

/* Exactly half way between two doubles, and a hair beside: the even one, the
 * lower one, the upper one. */
static void test_half_way__all_digits_count(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = next_random(&seed) >> 1;
        bits = i % 4 == 0 ? bits >> 10 : bits;
        bits = i % 4 == 1 ? (UINT64_C(1023) + bits % 60) << 52 | bits >> 12 : bits;
        double below = double_of(bits);
        if (!is_finite(double_of(bits + 1))) {
            continue;
        }
        /* In the middle of two doubles, with all of its digits. */
        long double middle = ((long double)below + (long double)double_of(bits + 1)) / 2;
        static char text[1400];
        int n = snprintf(text, sizeof(text), "%.1100Le", middle);
        char *e = strchr(text, 'e');
        assert_non_null(e);
        assert_true(n > 0 && n < (int)sizeof(text));
        check_text(text);
        e[-1] = '1';
        check_text(text);
        double value;
        assert_int_equal(gust__text_to_double(gust_str_from(text), &value), 0);
        if (LDBL_MANT_DIG > DBL_MANT_DIG) { /* else the middle is one of them */
            assert_true(bits_of(value) == bits + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__both_ways),
        cmocka_unit_test(test_parse__beyond_the_largest_is_refused),
        cmocka_unit_test(test_parse__thousands_of_zeros),
        cmocka_unit_test(test_random_bits__shortest_and_back),
        cmocka_unit_test(test_powers_of_two__and_their_neighbours),
        cmocka_unit_test(test_random_digits__with_any_exponent),
        cmocka_unit_test(test_half_way__all_digits_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
