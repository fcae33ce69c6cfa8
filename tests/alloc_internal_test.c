/* The allocator seam, growing arrays, checked arithmetic, and the sweep itself:
 * a test tool that finds nothing is worse than none. */
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

#include <gust/alloc.h>
#include <gust/buf.h>
#include <gust/errors.h>

#include "tests/support/alloc_sweep.h"
#include "util/alloc_internal.h"

/* --- the seam ------------------------------------------------------------------------ */

struct counts {
    int mallocs, reallocs, frees;
};

static void *count_malloc(size_t size, void *user)
{
    assert_true(size > 0);
    ((struct counts *)user)->mallocs++;
    return malloc(size);
}

static void *count_realloc(void *ptr, size_t size, void *user)
{
    assert_true(size > 0);
    ((struct counts *)user)->reallocs++;
    return realloc(ptr, size);
}

static void count_free(void *ptr, void *user)
{
    ((struct counts *)user)->frees++;
    free(ptr);
}

static void test_set_allocator__gets_all_calls_until_it_is_reset(void **state)
{
    (void)state;
    struct counts counts = {0, 0, 0};
    const gust_allocator mine = {count_malloc, count_realloc, count_free, &counts};
    gust_set_allocator(&mine);
    void *a = gust__malloc(0);
    void *b = gust__calloc(3, 5);
    b = gust__realloc(b, 0);
    gust__free(a);
    gust__free(b);
    gust__free(NULL);
    gust_set_allocator(NULL);
    gust_free(gust__malloc(8));
    assert_int_equal(counts.mallocs, 2);
    assert_int_equal(counts.reallocs, 1);
    assert_int_equal(counts.frees, 2);
}

static void test_calloc__zeroes_and_refuses_overflow(void **state)
{
    (void)state;
    alloc_count_begin();
    unsigned char *bytes = gust__calloc(10, 10);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(bytes[i], 0);
    }
    gust__free(bytes);
    assert_null(gust__calloc(SIZE_MAX / 2, 3));
    assert_int_equal(alloc_count_calls(), 1);
    alloc_count_end();
}

static void test_sizes__sum_and_product_at_the_edges(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(gust__size_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_false(gust__size_add(SIZE_MAX, 1, &out));
    assert_false(gust__size_add(1, SIZE_MAX, &out));
    assert_false(gust__size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(out == SIZE_MAX);
    assert_true(gust__size_mul(SIZE_MAX / 2, 2, &out));
    assert_true(out == SIZE_MAX - 1);
    assert_true(gust__size_mul(SIZE_MAX, 0, &out));
    assert_true(out == 0);
    assert_true(gust__size_mul(0, SIZE_MAX, &out));
}

static void test_u64_to_size__what_fits(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(gust__u64_to_size(SIZE_MAX, &out));
    assert_true(out == SIZE_MAX);
#if SIZE_MAX < UINT64_MAX
    assert_false(gust__u64_to_size((uint64_t)SIZE_MAX + 1, &out));
#endif
}

static void test_grow__keeps_the_elements(void **state)
{
    (void)state;
    uint32_t *array = NULL;
    size_t cap = 0;
    size_t grown = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        size_t before = cap;
        assert_int_equal(gust__grow((void **)&array, &cap, i + 1, sizeof(*array)), 0);
        assert_true(cap > i);
        grown += cap != before;
        array[i] = i;
    }
    assert_true(grown < 30);
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(array[i], i);
    }
    gust__free(array);
}

static void test_grow__failure_changes_nothing(void **state)
{
    (void)state;
    alloc_count_begin();
    char *array = NULL;
    size_t cap = 0;
    assert_int_equal(gust__grow((void **)&array, &cap, 5, 1), 0);
    char *before = array;
    assert_int_equal(cap, 8);
    assert_int_equal(gust__grow((void **)&array, &cap, 8, 1), 0);
    assert_int_equal(gust__grow((void **)&array, &cap, SIZE_MAX, 16), -ENOMEM);
    alloc_count_fail_at(1, false);
    assert_int_equal(gust__grow((void **)&array, &cap, 9, 1), -ENOMEM);
    assert_ptr_equal(array, before);
    assert_int_equal(cap, 8);
    gust__free(array);
    alloc_count_end();
}

/* --- the tool -------------------------------------------------------------------------- */

struct scenario {
    size_t runs;
    size_t failures;
    int bug; /* which mistake it makes */
};

enum { NO_BUG, LEAK_ON_FAILURE, WRITE_BEHIND, WRITE_BEFORE, WRONG_STATUS, LEAK_ALWAYS };

static int three_blocks(void *user)
{
    struct scenario *s = user;
    s->runs++;
    char *a = gust__malloc(10);
    char *b = a != NULL ? gust__malloc(20) : NULL;
    char *c = b != NULL ? gust__realloc(b, 40) : NULL;
    if (s->bug == WRITE_BEHIND && a != NULL) {
        a[10] = 1;
    }
    if (s->bug == WRITE_BEFORE && a != NULL) {
        memset(a - 1, 1, 1);
    }
    if (c == NULL && s->bug != LEAK_ON_FAILURE) {
        gust__free(b);
    }
    if (s->bug != LEAK_ALWAYS) {
        gust__free(c);
    }
    gust__free(a);
    s->failures += alloc_sweep_has_failed();
    int failure = s->bug == WRONG_STATUS ? -EIO : -ENOMEM;
    return c == NULL ? failure : 0;
}

static void test_sweep__fails_each_allocation_once_and_from_then_on(void **state)
{
    (void)state;
    struct scenario s = {0, 0, NO_BUG};
    alloc_sweep(three_blocks, &s);
    assert_int_equal(s.runs, 1 + 2 * 3);
    assert_int_equal(s.failures, 2 * 3);
}

static void test_sweep__sampled_takes_some(void **state)
{
    (void)state;
    struct scenario s = {0, 0, WRONG_STATUS};
    alloc_sweep_sampled(three_blocks, &s, 2);
    assert_int_equal(s.runs, 1 + 2 * 2);
}

static int heals(void *user)
{
    (void)user;
    void *lost = gust__malloc(1);
    alloc_sweep_heal();
    void *later = gust__malloc(1);
    bool ok = later != NULL;
    gust__free(lost);
    gust__free(later);
    return ok ? 0 : -EIO;
}

static void test_sweep__heal_ends_the_failures(void **state)
{
    (void)state;
    alloc_sweep(heals, NULL);
}

static void sweep_with_bug(void **state)
{
    struct scenario s = {0, 0, *(const int *)*state};
    alloc_sweep(three_blocks, &s);
}

/* A group of one test with the mistake in it, in a child: how did it end? */
static int status_of_bug(int bug)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_prestate(sweep_with_bug, &bug),
        };
        _exit(cmocka_run_group_tests(tests, NULL, NULL));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_sweep__finds_leaks_overruns_and_wrong_codes(void **state)
{
    (void)state;
    assert_int_equal(status_of_bug(NO_BUG), 0);
    for (int bug = LEAK_ON_FAILURE; bug <= LEAK_ALWAYS; bug++) {
        assert_int_not_equal(status_of_bug(bug), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_allocator__gets_all_calls_until_it_is_reset),
        cmocka_unit_test(test_calloc__zeroes_and_refuses_overflow),
        cmocka_unit_test(test_sizes__sum_and_product_at_the_edges),
        cmocka_unit_test(test_u64_to_size__what_fits),
        cmocka_unit_test(test_grow__keeps_the_elements),
        cmocka_unit_test(test_grow__failure_changes_nothing),
        cmocka_unit_test(test_sweep__fails_each_allocation_once_and_from_then_on),
        cmocka_unit_test(test_sweep__sampled_takes_some),
        cmocka_unit_test(test_sweep__heal_ends_the_failures),
        cmocka_unit_test(test_sweep__finds_leaks_overruns_and_wrong_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
