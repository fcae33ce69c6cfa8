/* gust_buf: growth, the maximum, and that a failure changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/buf.h>
#include <gust/errors.h>

#include "tests/support/alloc_sweep.h"

static void expect(const gust_buf *b, const char *text)
{
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(b->len > 0 ? b->ptr : "", text, b->len);
    assert_true(b->len <= b->cap && b->cap <= b->max);
    assert_int_equal(b->ptr == NULL, b->cap == 0);
}

static void test_append__grows_by_doubling(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, SIZE_MAX);
    size_t moves = 0;
    for (int i = 0; i < 100000; i++) {
        size_t cap = b.cap;
        assert_int_equal(gust_buf_append_byte(&b, (char)i), 0);
        moves += b.cap != cap;
    }
    assert_true(moves < 20);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.ptr[i], (char)i);
    }
    gust_buf_deinit(&b);
    expect(&b, "");
}

static void test_append__all_or_nothing_at_the_maximum(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, 5);
    assert_int_equal(gust_buf_append(&b, GUST_STR("abc")), 0);
    assert_int_equal(gust_buf_append(&b, GUST_STR("def")), GUST_EBUFFERFULL);
    expect(&b, "abc");
    assert_int_equal(gust_buf_append(&b, GUST_STR("de")), 0);
    expect(&b, "abcde");
    assert_int_equal(gust_buf_append_byte(&b, 'f'), GUST_EBUFFERFULL);
    assert_int_equal(gust_buf_append(&b, GUST_STR("")), 0);
    assert_int_equal(gust_buf_reserve(&b, SIZE_MAX), GUST_EBUFFERFULL);
    expect(&b, "abcde");
    gust_buf_deinit(&b);
}

static void test_zeroed__is_empty_and_full(void **state)
{
    (void)state;
    gust_buf b = {0};
    assert_int_equal(gust_buf_append(&b, gust_str_make(NULL, 0)), 0);
    assert_int_equal(gust_buf_reserve(&b, 0), 0);
    assert_int_equal(gust_buf_append_byte(&b, 'a'), GUST_EBUFFERFULL);
    assert_int_equal(gust_buf_appendf(&b, "%s", ""), 0);
    assert_int_equal(gust_buf_appendf(&b, "%s", "a"), GUST_EBUFFERFULL);
    gust_buf_consume(&b, 3);
    gust_buf_reset(&b);
    gust_buf_deinit(&b);
    expect(&b, "");
}

/* Every length around the first capacity, with every maximum around the length. */
static void test_appendf__exact_at_each_length_and_maximum(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', sizeof(text));
    for (int n = 0; n < 140; n++) {
        for (int room = -1; room <= 2; room++) {
            gust_buf b;
            gust_buf_init(&b, (size_t)(3 + n + room < 3 ? 3 : 3 + n + room));
            assert_int_equal(gust_buf_append(&b, GUST_STR("abc")), 0);
            int status = gust_buf_appendf(&b, "%.*s", n, text);
            bool fits = (size_t)(3 + n) <= b.max;
            assert_int_equal(status, fits ? 0 : GUST_EBUFFERFULL);
            assert_int_equal(b.len, fits ? 3 + n : 3);
            assert_memory_equal(b.ptr, "abc", 3);
            assert_memory_equal(b.ptr + 3, text, b.len - 3);
            gust_buf_deinit(&b);
        }
    }
}

static void test_appendf__formats_behind_what_is_there(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, 1000);
    assert_int_equal(gust_buf_appendf(&b, "%d-%s;", 7, "x"), 0);
    assert_int_equal(gust_buf_appendf(&b, "%5.2f", 1.5), 0);
    expect(&b, "7-x; 1.50");
    gust_buf_deinit(&b);
}

static void test_consume__drops_from_the_front(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, 100);
    assert_int_equal(gust_buf_append(&b, GUST_STR("abcdef")), 0);
    gust_buf_consume(&b, 0);
    expect(&b, "abcdef");
    gust_buf_consume(&b, 2);
    expect(&b, "cdef");
    gust_buf_consume(&b, 4);
    expect(&b, "");
    assert_int_equal(gust_buf_append(&b, GUST_STR("xy")), 0);
    gust_buf_consume(&b, 99);
    expect(&b, "");
    gust_buf_deinit(&b);
}

static void test_take__hands_the_memory_over(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_buf b;
    gust_buf_init(&b, 100);
    assert_int_equal(gust_buf_append(&b, GUST_STR("abc")), 0);
    size_t len = 0;
    char *bytes = gust_buf_take(&b, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "abc", 3);
    expect(&b, "");
    assert_int_equal(gust_buf_append(&b, GUST_STR("de")), 0);
    gust_buf_reset(&b);
    assert_null(gust_buf_take(&b, &len));
    assert_int_equal(len, 0);
    gust_free(bytes);
    alloc_count_end();
}

static void test_peek__borrows(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, 100);
    assert_int_equal(gust_buf_peek(&b).len, 0);
    assert_int_equal(gust_buf_append(&b, GUST_STR("abc")), 0);
    assert_ptr_equal(gust_buf_peek(&b).ptr, b.ptr);
    gust_buf_deinit(&b);
}

static int append_all_ways(void *user)
{
    gust_buf b;
    (void)user;
    gust_buf_init(&b, 703);
    int status = gust_buf_append(&b, GUST_STR("abc"));
    size_t before = b.len;
    if (status == 0) {
        status = gust_buf_appendf(&b, "%300d", 1); /* grows */
    }
    if (status == 0) {
        before = b.len;
        status = gust_buf_appendf(&b, "%400d", 2); /* ends at the maximum */
    }
    if (status == 0) {
        before = b.len;
    }
    assert_int_equal(b.len, before);
    gust_buf_deinit(&b);
    return status;
}

static void test_append__sweep(void **state)
{
    (void)state;
    alloc_sweep(append_all_ways, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append__grows_by_doubling),
        cmocka_unit_test(test_append__all_or_nothing_at_the_maximum),
        cmocka_unit_test(test_zeroed__is_empty_and_full),
        cmocka_unit_test(test_appendf__exact_at_each_length_and_maximum),
        cmocka_unit_test(test_appendf__formats_behind_what_is_there),
        cmocka_unit_test(test_consume__drops_from_the_front),
        cmocka_unit_test(test_take__hands_the_memory_over),
        cmocka_unit_test(test_peek__borrows),
        cmocka_unit_test(test_append__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
