/* gust_arena: alignment, blocks, the pool, hooks, the maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/arena.h>
#include <gust/errors.h>

#include "tests/support/alloc_sweep.h"

static void expect_aligned(const void *ptr)
{
    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr % 16, 0);
}

/* Sizes of all kinds, each filled with its own byte: nothing overlaps. */
static void fill_and_check(gust_arena *a)
{
    enum { N = 400 };
    static unsigned char *ptrs[N];
    static size_t sizes[N];
    for (size_t i = 0; i < N; i++) {
        sizes[i] = i % 50 == 49 ? 9000 : 1 + i * i % 300;
        ptrs[i] = gust_arena_alloc(a, sizes[i]);
        expect_aligned(ptrs[i]);
        memset(ptrs[i], (int)i & 0xff, sizes[i]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(ptrs[i][j], i & 0xff);
        }
    }
}

static void test_alloc__aligned_and_apart(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena a = {0};
    fill_and_check(&a);
    gust_arena_deinit(&a);
    fill_and_check(&a);
    gust_arena_deinit(&a);
    assert_int_equal(a.total, 0);
    alloc_count_end();
}

static void test_alloc__refuses_nothing_and_too_much(void **state)
{
    (void)state;
    gust_arena a = {0};
    assert_null(gust_arena_alloc(&a, 0));
    assert_non_null(gust_arena_alloc(&a, 1));
    assert_null(gust_arena_alloc(&a, 0));
    for (size_t i = 0; i < 64; i++) {
        assert_null(gust_arena_alloc(&a, SIZE_MAX - i));
    }
    gust_arena_deinit(&a);
}

static void test_alloc__large_one_leaves_the_block_in_use(void **state)
{
    (void)state;
    gust_arena a = {0};
    char *first = gust_arena_alloc(&a, 16);
    expect_aligned(gust_arena_alloc(&a, 100000));
    assert_ptr_equal(gust_arena_alloc(&a, 16), first + 16);
    gust_arena_deinit(&a);
}

static void test_calloc__zeroes(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena a = {0};
    const char *bytes = gust_arena_calloc(&a, 300);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_null(gust_arena_calloc(&a, 0));
    gust_arena_deinit(&a);
    alloc_count_end();
}

static void test_copy__with_a_nul_behind(void **state)
{
    (void)state;
    gust_arena a = {0};
    gust_str s = gust_arena_copy(&a, GUST_STR("a\0b"));
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.ptr, "a\0b", 4);
    gust_str empty = gust_arena_copy(&a, gust_str_make(NULL, 0));
    assert_string_equal(empty.ptr, "");
    assert_int_equal(empty.len, 0);
    assert_null(gust_arena_copy(&a, gust_str_make("x", SIZE_MAX)).ptr);
    gust_arena_deinit(&a);
}

/* At every distance from the end of a block, text shorter and longer than it. */
static void test_printf__at_each_place_in_a_block(void **state)
{
    (void)state;
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(512, 4, &pool), 0);
    for (size_t used = 16; used <= 496; used += 16) {
        for (int n = 0; n < 40; n++) {
            gust_arena a;
            gust_arena_init(&a, pool, 0);
            char *before = gust_arena_alloc(&a, used);
            memset(before, 'b', used);
            gust_str s = gust_arena_printf(&a, "%0*d", n, 7);
            char *after = gust_arena_alloc(&a, 16);
            memset(after, 'c', 16);
            assert_int_equal(s.len, n == 0 ? 1 : n);
            assert_int_equal(strlen(s.ptr), s.len);
            assert_int_equal(s.ptr[s.len - 1], '7');
            assert_int_equal(before[used - 1], 'b');
            gust_arena_deinit(&a);
        }
    }
    gust_arena_pool_free(pool);
}

/* --- the pool -------------------------------------------------------------------------- */

static void use(gust_arena_pool *pool, int blocks)
{
    gust_arena a;
    gust_arena_init(&a, pool, 0);
    for (int i = 0; i < blocks; i++) {
        memset(gust_arena_alloc(&a, 1008), i, 1008);
    }
    gust_arena_deinit(&a);
}

static void test_pool__warm_makes_no_malloc(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(1024, 3, &pool), 0);
    use(pool, 3);
    size_t calls = alloc_count_calls();
    use(pool, 3);
    use(pool, 1);
    assert_int_equal(alloc_count_calls(), calls);
    gust_arena_pool_free(pool);
    alloc_count_end();
}

static void test_pool__keeps_no_more_than_it_is_told(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(1024, 2, &pool), 0);
    use(pool, 10);
    assert_int_equal(alloc_count_live(), 1 + 2);
    gust_arena_pool_free(pool);
    gust_arena_pool_free(NULL);
    alloc_count_end();
}

static void test_pool__does_not_keep_large_blocks(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(1024, 2, &pool), 0);
    gust_arena a;
    gust_arena_init(&a, pool, 0);
    assert_non_null(gust_arena_alloc(&a, 5000));
    gust_arena_deinit(&a);
    assert_int_equal(alloc_count_live(), 1);
    gust_arena_pool_free(pool);
    alloc_count_end();
}

static void test_pool__odd_sizes_are_rounded(void **state)
{
    (void)state;
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(511, 1, &pool), -EINVAL);
    assert_int_equal(gust_arena_pool_new(SIZE_MAX, 1, &pool), -EINVAL);
    assert_null(pool);
    assert_int_equal(gust_arena_pool_new(1001, 1, &pool), 0);
    gust_arena a;
    gust_arena_init(&a, pool, 0);
    fill_and_check(&a);
    gust_arena_deinit(&a);
    gust_arena_pool_free(pool);
}

/* --- the maximum ------------------------------------------------------------------------- */

static void test_max__is_never_exceeded(void **state)
{
    (void)state;
    gust_arena_pool *pool = NULL;
    assert_int_equal(gust_arena_pool_new(1024, 2, &pool), 0);
    for (size_t max = 1; max < 6000; max += 97) {
        gust_arena a;
        gust_arena_init(&a, pool, max);
        while (gust_arena_alloc(&a, 200) != NULL) {
            assert_true(a.total <= max);
        }
        assert_true(max - a.total < 200 + 24);
        assert_null(gust_arena_alloc(&a, max));
        gust_arena_deinit(&a);
    }
    gust_arena_pool_free(pool);
}

/* --- hooks ----------------------------------------------------------------------------------- */

struct trace {
    char text[16];
    size_t len;
    gust_arena *arena; /* a hook may use it */
};

static void hook_a(void *user)
{
    struct trace *t = user;
    t->text[t->len++] = 'a';
}

static void hook_b(void *user)
{
    struct trace *t = user;
    t->text[t->len++] = 'b';
    memset(gust_arena_alloc(t->arena, 3000), 1, 3000);
    assert_int_equal(gust_arena_on_cleanup(t->arena, hook_a, t), 0);
}

static void test_hooks__newest_first_and_may_add_more(void **state)
{
    (void)state;
    alloc_count_begin();
    gust_arena a = {0};
    struct trace t = {.arena = &a};
    assert_int_equal(gust_arena_on_cleanup(&a, hook_a, &t), 0);
    assert_int_equal(gust_arena_on_cleanup(&a, hook_b, &t), 0);
    assert_int_equal(gust_arena_on_cleanup(&a, hook_a, &t), 0);
    gust_arena_deinit(&a);
    assert_string_equal(t.text, "abaa");
    gust_arena_deinit(&a);
    assert_string_equal(t.text, "abaa");
    alloc_count_end();
}

static int everything(void *user)
{
    (void)user;
    gust_arena_pool *pool = NULL;
    if (gust_arena_pool_new(600, 1, &pool) != 0) {
        return -ENOMEM;
    }
    gust_arena a;
    struct trace t = {.arena = &a};
    gust_arena_init(&a, pool, 0);
    bool ok = gust_arena_on_cleanup(&a, hook_a, &t) == 0;
    size_t registered = ok;
    ok = ok && gust_arena_copy(&a, GUST_STR("abc")).ptr != NULL;
    ok = ok && gust_arena_calloc(&a, 2000) != NULL;
    ok = ok && gust_arena_printf(&a, "%900d", 1).ptr != NULL;
    ok = ok && gust_arena_alloc(&a, 580) != NULL;
    gust_arena_deinit(&a);
    gust_arena_pool_free(pool);
    assert_int_equal(t.len, registered);
    return ok ? 0 : -ENOMEM;
}

static void test_arena__sweep(void **state)
{
    (void)state;
    alloc_sweep(everything, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc__aligned_and_apart),
        cmocka_unit_test(test_alloc__refuses_nothing_and_too_much),
        cmocka_unit_test(test_alloc__large_one_leaves_the_block_in_use),
        cmocka_unit_test(test_calloc__zeroes),
        cmocka_unit_test(test_copy__with_a_nul_behind),
        cmocka_unit_test(test_printf__at_each_place_in_a_block),
        cmocka_unit_test(test_pool__warm_makes_no_malloc),
        cmocka_unit_test(test_pool__keeps_no_more_than_it_is_told),
        cmocka_unit_test(test_pool__does_not_keep_large_blocks),
        cmocka_unit_test(test_pool__odd_sizes_are_rounded),
        cmocka_unit_test(test_max__is_never_exceeded),
        cmocka_unit_test(test_hooks__newest_first_and_may_add_more),
        cmocka_unit_test(test_arena__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
