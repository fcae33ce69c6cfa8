/* SipHash against an independent computation, the process's key, and the
 * fixed hash: its values, and how well one changed bit spreads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include <gust/hash.h>

#include "util/mul128_internal.h"

/* --- SipHash-1-3 ---------------------------------------------------------------------- */

/* Key 00..0f over the empty text, 00, 0001, ...: computed by a program of its own
 * that agrees with CPython 3.11, whose hash() is SipHash-1-3 too. */
static void test_siphash__values(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        UINT64_C(0xabac0158050fc4dc), UINT64_C(0xc9f49bf37d57ca93), UINT64_C(0x82cb9b024dc7d44d),
        UINT64_C(0x8bf80ab8e7ddf7fb), UINT64_C(0xcf75576088d38328), UINT64_C(0xdef9d52f49533b67),
        UINT64_C(0xc50d2b50c59f22a7), UINT64_C(0xd3927d989bb11140), UINT64_C(0x369095118d299a8e),
        UINT64_C(0x25a48eb36c063de4), UINT64_C(0x79de85ee92ff097f), UINT64_C(0x70c118c1f94dc352),
        UINT64_C(0x78a384b157b4d9a2), UINT64_C(0x306f760c1229ffa7), UINT64_C(0x605aa111c0f95d34),
        UINT64_C(0xd320d86d2a519956), UINT64_C(0xcc4fdd1a7d908b66), UINT64_C(0x9cf2689063dbd80c),
        UINT64_C(0x8ffc389cb473e63e), UINT64_C(0xf21f9de58d297d1c), UINT64_C(0xc0dc2f46a6cce040),
        UINT64_C(0xb992abfe2b45f844), UINT64_C(0x7ffe7b9ba320872e), UINT64_C(0x525a0e7fdae6c123),
        UINT64_C(0xf464aeb267349c8c), UINT64_C(0x45cd5928705b0979), UINT64_C(0x3a3e35e3ca9913a5),
        UINT64_C(0xa91dc74e4ade3b35), UINT64_C(0xfb0bed02ef6cd00d), UINT64_C(0x88d93cb44ab1e1f4),
        UINT64_C(0x540f11d643c5e663), UINT64_C(0x2370dd1f8c21d1bc), UINT64_C(0x81157b6c16a7b60d),
        UINT64_C(0x4d54b9e57a8ff9bf), UINT64_C(0x759f12781f2a753e), UINT64_C(0xcea1a3bebf186b91),
        UINT64_C(0x2cf508d3ada26206), UINT64_C(0xb6101c2da3c33057), UINT64_C(0xb3f47496ae3a36a1),
        UINT64_C(0x626b57547b108392), UINT64_C(0xc1d2363299e41531), UINT64_C(0x667cc1923f1ad944),
        UINT64_C(0x65704ffec8138825), UINT64_C(0x24f280d1c28949a6), UINT64_C(0xc2ca1cedfaf8876b),
        UINT64_C(0xc2164bfc9f042196), UINT64_C(0xa16e9c9368b1d623), UINT64_C(0x49fb169c8b5114fd),
        UINT64_C(0x9f3143f8df074c46), UINT64_C(0xc6fdaf2412cc86b3), UINT64_C(0x7eaf49d10a52098f),
        UINT64_C(0x1cf313559d292f9a), UINT64_C(0xc44a30dda2f41f12), UINT64_C(0x36fae98943a71ed0),
        UINT64_C(0x318fb34c73f0bce6), UINT64_C(0xa27abf3670a7e980), UINT64_C(0xb4bcc0db243c6d75),
        UINT64_C(0x23f8d852fdb71513), UINT64_C(0x8f035f4da67d8a08), UINT64_C(0xd89cd0e5b7e8f148),
        UINT64_C(0xf6f4e6bcf7a644ee), UINT64_C(0xaec59ad80f1837f2), UINT64_C(0xc3b2f6154b6694e0),
        UINT64_C(0x9d199062b7bbb3a8),
    };
    uint8_t key[16];
    char text[64];
    for (int i = 0; i < 64; i++) {
        text[i] = (char)i;
        key[i % 16] = (uint8_t)(i % 16);
    }
    for (size_t n = 0; n < sizeof(values) / sizeof(values[0]); n++) {
        assert_true(gust_siphash(key, gust_str_make(text, n)) == values[n]);
    }
}

static void test_siphash__depends_on_every_bit_of_the_key(void **state)
{
    (void)state;
    uint8_t key[16] = {0};
    uint64_t zero = gust_siphash(key, GUST_STR("name"));
    for (int bit = 0; bit < 128; bit++) {
        memset(key, 0, sizeof(key));
        key[bit / 8] = (uint8_t)(1 << bit % 8);
        assert_true(gust_siphash(key, GUST_STR("name")) != zero);
    }
}

static void test_key__stays_and_differs_between_processes(void **state)
{
    (void)state;
    int ends[2];
    uint8_t other[16];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork(); /* before the first draw of this process */
    assert_true(child >= 0);
    if (child == 0) {
        uint8_t mine[16];
        bool ok = gust_hash_key(mine) == 0 && write(ends[1], mine, 16) == 16;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(read(ends[0], other, 16), 16);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    uint8_t first[16];
    uint8_t again[16];
    assert_int_equal(gust_hash_key(first), 0);
    assert_int_equal(gust_hash_key(again), 0);
    assert_memory_equal(first, again, 16);
    assert_memory_not_equal(first, other, 16);
}

/* --- the product ------------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void test_mul128__portable_is_the_same(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        uint64_t a = next_random(&seed) >> (i % 64);
        uint64_t b = next_random(&seed) >> (i / 64 % 64);
        a = i % 100 == 0 ? UINT64_MAX : a;
        b = i % 300 == 0 ? UINT64_MAX : b;
        uint64_t high;
        uint64_t high_portable;
        uint64_t low = gust__mul128(a, b, &high);
        assert_true(gust__mul128_portable(a, b, &high_portable) == low);
        assert_true(high == high_portable);
    }
}

/* --- the fixed hash ------------------------------------------------------------------------ */

static void fill(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(unsigned char)(i * 131 + i / 256 * 7);
    }
}

/* An ETag must not change with the machine or the version. */
static void test_hash128__values_never_change(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *hex;
    } rows[] = {
        {0, "861c560ef31f2f24f9c24273cd0ad6c4"},    {1, "959b6c8657dbde9d6eebc6d658a2b2fc"},
        {7, "09f433df2d25fc6f04c21cbee979c93b"},    {8, "c5837f19ffa3b8c32d1719e985d19ad3"},
        {15, "12be41cc5f6fe071374dc006f81174ee"},   {16, "541b123f9d09b0978309263be4325bf2"},
        {17, "0b724a3523274d9e487abc53f671670f"},   {31, "078da30dd25eebe6128ff2b6fa0b69f9"},
        {63, "d2a0601fd73b11ceb8076347eeb76aea"},   {64, "ab8e9c9bd7bbc6072f6f4ba0e918c71d"},
        {65, "375b4faceca2e564e136e830c11e548c"},   {127, "0ca110a4abe11dc148abd66d35e6064d"},
        {128, "3cc4855ad1df305ea5e97f3e5080220d"},  {1000, "ca2095c8b5d3e26e96cca5131fe59b2a"},
        {4999, "ae5200aa831250bed3c55b171949e3a7"},

    };
    static char text[5000];
    fill(text, sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char hex[33] = {0};
        gust_hash128_hex(hex, gust_hash128(gust_str_make(text, rows[i].len)));
        assert_string_equal(hex, rows[i].hex);
    }
}

static void test_hash128__same_at_every_alignment(void **state)
{
    (void)state;
    char text[200];
    char moved[220];
    fill(text, sizeof(text));
    for (size_t n = 0; n <= sizeof(text); n++) {
        gust_hash128_value value = gust_hash128(gust_str_make(text, n));
        for (size_t shift = 0; shift < 16; shift++) {
            memset(moved, 0x55, sizeof(moved));
            memcpy(moved + shift, text, n);
            gust_hash128_value other = gust_hash128(gust_str_make(moved + shift, n));
            assert_true(other.high == value.high && other.low == value.low);
        }
    }
}

/* Zeros are the hard case: only the length differs. */
static void test_hash128__lengths_of_zeros_differ(void **state)
{
    (void)state;
    static char zeros[600];
    static gust_hash128_value values[600];
    for (size_t n = 0; n < 600; n++) {
        values[n] = gust_hash128(gust_str_make(zeros, n));
        for (size_t m = 0; m < n; m++) {
            assert_true(values[n].high != values[m].high && values[n].low != values[m].low);
        }
    }
}

static int bits_of(uint64_t x)
{
    int n = 0;
    for (; x != 0; x &= x - 1) {
        n++;
    }
    return n;
}

static bool bit_of(gust_hash128_value v, int bit)
{
    return ((bit < 64 ? v.low >> bit : v.high >> (bit - 64)) & 1) != 0;
}

enum { TRIALS = 400 };

/* Flip one bit of random texts: each bit of the result changes half of the time.
 * Of 400 trials 60 more or less are six standard deviations. (Texts of one byte
 * are too few to ask this of.) */
static void check_avalanche(size_t len, size_t bit, uint64_t *seed)
{
    int changes[128] = {0};
    for (int trial = 0; trial < TRIALS; trial++) {
        char text[300];
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)next_random(seed);
        }
        gust_hash128_value a = gust_hash128(gust_str_make(text, len));
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        gust_hash128_value b = gust_hash128(gust_str_make(text, len));
        gust_hash128_value d = {a.high ^ b.high, a.low ^ b.low};
        assert_in_range(bits_of(d.high) + bits_of(d.low), 20, 108);
        for (int i = 0; i < 128; i++) {
            changes[i] += bit_of(d, i);
        }
    }
    for (int i = 0; i < 128; i++) {
        assert_in_range(changes[i], TRIALS * 35 / 100, TRIALS * 65 / 100);
    }
}

static void test_hash128__one_bit_moves_half_of_the_result(void **state)
{
    (void)state;
    static const size_t lengths[] = {3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 257};
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t bits = lengths[i] * 8;
        size_t step = bits < 64 ? 1 : bits / 41;
        for (size_t bit = 0; bit < bits; bit += step) {
            check_avalanche(lengths[i], bit, &seed);
        }
    }
}

/* A million texts that are all alike: counters in zeros of all lengths. */
static int compare_values(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void test_hash128__similar_texts_do_not_collide(void **state)
{
    (void)state;
    enum { N = 200000 };
    static uint64_t lows[N];
    static uint64_t highs[N];
    for (uint32_t i = 0; i < N; i++) {
        char text[80] = {0};
        memcpy(text + i % 64, &i, sizeof(i));
        text[79] = (char)(i % 64); /* where it lies: no two are the same */
        gust_hash128_value v = gust_hash128(gust_str_make(text, sizeof(text)));
        lows[i] = v.low;
        highs[i] = v.high;
    }
    qsort(lows, N, sizeof(lows[0]), compare_values);
    qsort(highs, N, sizeof(highs[0]), compare_values);
    for (size_t i = 1; i < N; i++) {
        assert_true(lows[i] != lows[i - 1] && highs[i] != highs[i - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key__stays_and_differs_between_processes),
        cmocka_unit_test(test_siphash__values),
        cmocka_unit_test(test_siphash__depends_on_every_bit_of_the_key),
        cmocka_unit_test(test_mul128__portable_is_the_same),
        cmocka_unit_test(test_hash128__values_never_change),
        cmocka_unit_test(test_hash128__same_at_every_alignment),
        cmocka_unit_test(test_hash128__lengths_of_zeros_differ),
        cmocka_unit_test(test_hash128__one_bit_moves_half_of_the_result),
        cmocka_unit_test(test_hash128__similar_texts_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
