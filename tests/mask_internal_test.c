/* Masking: every length from 0 to 70 at every alignment, against a loop of one
 * byte at a time, with the bytes around it watched and with pages around it that
 * may not be touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "websocket/mask_internal.h"

enum { LEN_MAX = 70, CANARY = 0x5c };

static const unsigned char keys[][4] = {
    {0x37, 0xfa, 0x21, 0x3d}, {0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1}, {1, 0, 0, 0},
    {0x80, 0, 0x7f, 0x80},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static uint32_t mask_of(const unsigned char *key)
{
    uint32_t mask;

    memcpy(&mask, key, 4);
    return mask;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 29 + 7);
}

static void fill(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)pattern(i);
    }
}

static void assert_masked(const char *data, size_t len, const unsigned char *key, size_t offset)
{
    for (size_t i = 0; i < len; i++) {
        assert_int_equal((unsigned char)data[i], pattern(i) ^ key[(offset + i) % 4]);
    }
}

/* Four pages that may be used, between two that may not. */
static char *guarded_pages(size_t *out_size)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE), size = 4 * guard;
    int zero = open("/dev/zero", O_RDWR);
    char *pages;

    assert_true(zero >= 0);
    pages = mmap(NULL, size + 2 * guard, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    close(zero);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages, guard, PROT_NONE), 0);
    assert_int_equal(mprotect(pages + guard + size, guard, PROT_NONE), 0);
    *out_size = size;
    *out_size = size;
    return pages + guard;
}

static void free_guarded(char *pages, size_t size)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);

    assert_int_equal(munmap(pages - guard, size + 2 * guard), 0);
}

/* The three functions on `len` bytes at `at`. */
static void check_at(char *at, size_t len, const unsigned char *key, size_t offset)
{
    uint32_t mask = mask_of(key);
    char copy[LEN_MAX];
    bool ascii = true;

    fill(at, len);
    gust__ws_mask_copy(copy, at, len, mask, offset);
    gust__ws_mask(at, len, mask, offset);
    assert_masked(at, len, key, offset);
    assert_masked(copy, len, key, offset);
    for (size_t i = 0; i < len; i++) {
        ascii = ascii && (unsigned char)at[i] < 0x80;
    }
    fill(at, len);
    assert_int_equal(gust__ws_mask_text(at, len, mask, offset), ascii);
    assert_masked(at, len, key, offset);
}

static void test_mask__ends_exactly_at_a_guard_page(void **state)
{
    size_t size;
    char *pages = guarded_pages(&size);

    (void)state;
    for (size_t k = 0; k < KEYS; k++) {
        for (size_t len = 0; len <= LEN_MAX; len++) {
            for (size_t offset = 0; offset < 5; offset++) {
                check_at(pages + size - len, len, keys[k], offset);
                check_at(pages, len, keys[k], offset);
            }
        }
    }
    free_guarded(pages, size);
}

static void test_mask__all_alignments_and_lengths(void **state)
{
    size_t size;
    char *pages = guarded_pages(&size);

    (void)state;
    for (size_t align = 1; align <= 16; align++) {
        for (size_t len = 0; len <= LEN_MAX; len++) {
            memset(pages, CANARY, 128);
            check_at(pages + align, len, keys[0], align % 4);
            for (size_t i = 0; i < 128; i++) {
                if (i < align || i >= align + len) {
                    assert_int_equal(pages[i], CANARY);
                }
            }
        }
    }
    free_guarded(pages, size);
}

static void check_long(char *end, size_t len)
{
    char *at = end - len;

    fill(at, len);
    gust__ws_mask(at, len, mask_of(keys[0]), len);
    assert_masked(at, len, keys[0], len);
    memset(at, 'a', len);
    assert_true(gust__ws_mask_text(at, len, 0, 0));
    for (size_t i = 0; i < len; i += i < 130 || len - i < 130 ? 1 : 64) {
        at[i] = (char)0x80;
        assert_false(gust__ws_mask_text(at, len, 0, 0));
        at[i] = 'a';
    }
}

/* Where the blocks, and the wider blocks, take over. */
static void test_mask__long_runs(void **state)
{
    size_t size;
    char *pages = guarded_pages(&size);

    (void)state;
    for (size_t len = LEN_MAX; len < 400; len++) {
        check_long(pages + size, len);
    }
    for (size_t len = 4090; len < 4300; len++) {
        check_long(pages + size, len);
    }
    check_long(pages + size, size);
    free_guarded(pages, size);
}

/* A payload that comes in two pieces, with the mask turned in between. */
static void test_mask__rotates_across_pieces(void **state)
{
    char data[LEN_MAX];

    (void)state;
    for (size_t cut = 0; cut <= LEN_MAX; cut++) {
        uint32_t mask = mask_of(keys[0]);
        fill(data, LEN_MAX);
        gust__ws_mask(data, cut, mask, 0);
        gust__ws_mask(data + cut, LEN_MAX - cut, gust__ws_mask_rotate(mask, cut), 0);
        assert_masked(data, LEN_MAX, keys[0], 0);
    }
}

/* One byte above 0x7f, wherever it is, is seen. */
static void test_mask_text__sees_each_high_bit(void **state)
{
    char data[200];

    (void)state;
    for (size_t len = 1; len < sizeof(data); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(data, 'a', len);
            data[at] = (char)0x80;
            assert_false(gust__ws_mask_text(data, len, 0, 0));
            assert_true((unsigned char)data[at] == 0x80);
        }
        memset(data, 0x7f, len);
        assert_true(gust__ws_mask_text(data, len, 0, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask__ends_exactly_at_a_guard_page),
        cmocka_unit_test(test_mask__all_alignments_and_lengths),
        cmocka_unit_test(test_mask__long_runs),
        cmocka_unit_test(test_mask__rotates_across_pieces),
        cmocka_unit_test(test_mask_text__sees_each_high_bit),
    };
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
