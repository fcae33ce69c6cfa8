/* gust_shared: the count, also from several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include <gust/errors.h>
#include <gust/shared.h>

#include "tests/support/alloc_sweep.h"

static void test_new__copies(void **state)
{
    (void)state;
    alloc_count_begin();
    char text[] = "a\0b";
    gust_shared *s = NULL;
    assert_int_equal(gust_shared_new(gust_str_make(text, 3), &s), 0);
    text[0] = 'x';
    assert_int_equal(gust_shared_bytes(s).len, 3);
    assert_memory_equal(gust_shared_bytes(s).ptr, "a\0b", 3);
    gust_shared_unref(s);
    gust_shared_unref(NULL);
    alloc_count_end();
}

static void test_new_uninit__is_filled_by_the_caller(void **state)
{
    (void)state;
    gust_shared *s = NULL;
    char *bytes = NULL;
    assert_int_equal(gust_shared_new_uninit(1000, &bytes, &s), 0);
    memset(bytes, 'q', 1000);
    assert_ptr_equal(gust_shared_bytes(s).ptr, bytes);
    assert_int_equal(gust_shared_bytes(s).len, 1000);
    gust_shared_unref(s);
    assert_int_equal(gust_shared_new_uninit(SIZE_MAX, &bytes, &s), -ENOMEM);
    assert_int_equal(gust_shared_new(gust_str_make(NULL, 0), &s), 0);
    assert_int_equal(gust_shared_bytes(s).len, 0);
    gust_shared_unref(s);
}

static void test_unref__the_last_one_frees(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_shared *s = NULL;
    assert_int_equal(gust_shared_new(GUST_STR("abc"), &s), 0);
    assert_ptr_equal(gust_shared_ref(s), s);
    gust_shared_unref(s);
    assert_int_equal(alloc_count_live(), 1);
    assert_memory_equal(gust_shared_bytes(s).ptr, "abc", 3);
    gust_shared_unref(s);
    assert_int_equal(alloc_count_live(), 0);
    alloc_count_end();
}

static void *ref_and_unref(void *user)
{
    gust_shared *s = user;
    for (int i = 0; i < 100000; i++) {
        gust_shared_unref(gust_shared_ref(s));
    }
    gust_shared_unref(s);
    return NULL;
}

static void test_count__is_atomic(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_shared *s = NULL;
    assert_int_equal(gust_shared_new(GUST_STR("abc"), &s), 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        gust_shared_ref(s);
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, s), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(alloc_count_live(), 1);
    gust_shared_unref(s);
    alloc_count_end();
}

static int make_one(void *user)
{
    (void)user;
    gust_shared *s = NULL;
    int status = gust_shared_new(GUST_STR("abc"), &s);
    assert_int_equal(s == NULL, status != 0);
    gust_shared_unref(s);
    return status;
}

static void test_shared__sweep(void **state)
{
    (void)state;
    alloc_sweep(make_one, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new__copies),
        cmocka_unit_test(test_new_uninit__is_filled_by_the_caller),
        cmocka_unit_test(test_unref__the_last_one_frees),
        cmocka_unit_test(test_count__is_atomic),
        cmocka_unit_test(test_shared__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
