/* Lists of header fields: what may go in, order, case, and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <gust/headers.h>
#include <gust/errors.h>
#include <gust/httpnames.h>

#include "tests/support/alloc_sweep.h"

static gust_arena_pool *pool;
static gust_arena arena;
static gust_headers h;

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    if (gust_arena_pool_new(4096, 4, &pool) != 0) {
        return -1;
    }
    gust_arena_init(&arena, pool, 0);
    gust_headers_init(&h, &arena);
    return 0;
}

static int after(void **state)
{
    (void)state;
    gust_arena_deinit(&arena);
    gust_arena_pool_free(pool);
    alloc_count_end();
    return 0;
}

static void add(const char *name, const char *value)
{
    assert_int_equal(gust_headers_add(&h, gust_str_from(name), gust_str_from(value)), 0);
}

/* "Name: value\n" of all. */
static const char *text(void)
{
    static char out[4096];
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < h.count; i++) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s: %.*s\n",
                                GUST_FMT(h.items[i].name), GUST_FMT(h.items[i].value));
    }
    return out;
}

static void test_add__keeps_order_spelling_and_repeats(void **state)
{
    (void)state;
    add("X-b", "1");
    add("SET-cookie", "a");
    add("x-B", "2");
    add("Set-Cookie", "");
    assert_string_equal(text(), "X-b: 1\nSET-cookie: a\nx-B: 2\nSet-Cookie: \n");
    assert_int_equal(h.items[1].id, GUST_HTTP_SET_COOKIE);
    assert_int_equal(h.items[0].id, 0);
}

/* H12 */
static void test_get__first_in_any_case(void **state)
{
    (void)state;
    add("X-One", "1");
    add("x-one", "2");
    assert_true(gust_str_eq(gust_headers_get(&h, GUST_STR("X-ONE")), GUST_STR("1")));
    assert_null(gust_headers_get(&h, GUST_STR("X-On")).ptr);
    add("Empty", "");
    assert_non_null(gust_headers_get(&h, GUST_STR("empty")).ptr);
    assert_int_equal(gust_headers_get(&h, GUST_STR("empty")).len, 0);
}

static void test_set__replaces_all_of_that_name(void **state)
{
    (void)state;
    add("A", "1");
    add("B", "2");
    add("a", "3");
    assert_int_equal(gust_headers_set(&h, GUST_STR("A"), GUST_STR("4")), 0);
    assert_string_equal(text(), "B: 2\nA: 4\n");
    assert_int_equal(gust_headers_set(&h, GUST_STR("C"), GUST_STR("5")), 0);
    assert_string_equal(text(), "B: 2\nA: 4\nC: 5\n");
}

static void test_set__from_its_own_memory(void **state)
{
    (void)state;
    add("A", "1");
    assert_int_equal(gust_headers_set(&h, h.items[0].name, h.items[0].value), 0);
    assert_string_equal(text(), "A: 1\n");
}

static void test_remove__all_or_none(void **state)
{
    (void)state;
    add("A", "1");
    add("B", "2");
    add("a", "3");
    gust_headers_remove(&h, GUST_STR("x"));
    assert_int_equal(h.count, 3);
    gust_headers_remove(&h, GUST_STR("A"));
    assert_string_equal(text(), "B: 2\n");
    gust_headers_remove(&h, GUST_STR("b"));
    assert_int_equal(h.count, 0);
    gust_headers_remove(&h, GUST_STR("b"));
}

static void test_add__copies(void **state)
{
    char name[] = "Name", value[] = "value";
    (void)state;
    add(name, value);
    memset(name, 'x', 4);
    memset(value, 'x', 5);
    assert_string_equal(text(), "Name: value\n");
}

static void test_add_borrowed__does_not_copy(void **state)
{
    static const char value[] = "value";
    (void)state;
    assert_int_equal(gust_headers_add_borrowed(&h, GUST_STR("Name"), gust_str_make(value, 5)), 0);
    assert_ptr_equal(h.items[0].value.ptr, value);
    assert_int_equal(gust_headers_add_borrowed(&h, GUST_STR("N\n"), GUST_STR("v")), GUST_EHEADER);
    assert_int_equal(gust_headers_add_borrowed(&h, GUST_STR("N"), GUST_STR("\r")), GUST_EHEADER);
    assert_int_equal(h.count, 1);
}

/* H11, S5: many, and each as cheap as the last. */
static void test_add__many_of_one_name(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        add("X-Many", "v");
    }
    assert_int_equal(h.count, 10000);
    gust_headers_remove(&h, GUST_STR("x-many"));
    assert_int_equal(h.count, 0);
}

/* No name means anything to the list. */
static void test_names__odd_ones(void **state)
{
    char long_name[8193];
    (void)state;
    memset(long_name, 'n', 8192);
    long_name[8192] = '\0';
    add("__proto__", "1");
    add("constructor", "2");
    add(long_name, "3");
    assert_true(gust_str_eq(gust_headers_get(&h, gust_str_from(long_name)), GUST_STR("3")));
    assert_true(gust_str_eq(gust_headers_get(&h, GUST_STR("__proto__")), GUST_STR("1")));
}

/* ---- what may go in: S2.1, H03, H10 ------------------------------------------ */

static bool is_token(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void try_all(gust_str name, gust_str value, int want)
{
    size_t count = h.count;
    assert_int_equal(gust_headers_add(&h, name, value), want);
    assert_int_equal(h.count, count + (want == 0));
    assert_int_equal(gust_headers_add_borrowed(&h, name, value), want);
    assert_int_equal(gust_headers_set(&h, name, value), want);
    assert_int_equal(h.count, want == 0 ? count + 1 : count);
    if (want == 0) {
        gust_headers_remove(&h, name);
    }
}

/* Each byte at the first, a middle and the last place, in strings of lengths
 * around the words and vectors that are looked at together. */
static void test_bytes__each_at_each_place(void **state)
{
    static const size_t lengths[] = {1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 65};
    char bytes[65];
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool good_value = c == '\t' || (c >= 0x20 && c != 0x7f);
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            for (size_t at = 0; at < lengths[i]; at++) {
                gust_str s = gust_str_make(bytes, lengths[i]);
                memset(bytes, 'a', sizeof(bytes));
                bytes[at] = (char)c;
                assert_int_equal(gust_header_name_is_valid(s), is_token(c));
                assert_int_equal(gust_header_value_is_valid(s), good_value);
                if (at == 0 || at == lengths[i] / 2 || at == lengths[i] - 1) {
                    try_all(s, GUST_STR("v"), is_token(c) ? 0 : GUST_EHEADER);
                    try_all(GUST_STR("N"), s, good_value ? 0 : GUST_EHEADER);
                }
            }
        }
    }
    assert_int_equal(h.count, 0);
}

/* All pairs of bytes in one word: what the quick test lets by must be good. */
static void test_bytes__pairs_in_one_word(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char bytes[8] = {'x', (char)a, (char)b, 'x', 'x', 'x', 'x', 'x'};
            bool good = (a == '\t' || (a >= 0x20 && a != 0x7f)) &&
                        (b == '\t' || (b >= 0x20 && b != 0x7f));
            assert_int_equal(gust_header_value_is_valid(gust_str_make(bytes, 8)), good);
        }
    }
}

static void test_names_and_values__empty(void **state)
{
    (void)state;
    try_all(GUST_STR(""), GUST_STR("v"), GUST_EHEADER);
    try_all(GUST_STR("N"), GUST_STR(""), 0);
    assert_false(gust_header_name_is_valid(GUST_STR("")));
    assert_true(gust_header_value_is_valid(GUST_STR("")));
    assert_true(gust_header_value_is_valid(gust_str_make(NULL, 0)));
}

/* ---- memory ------------------------------------------------------------------ */

static void test_zeroed__empty_and_can_not_grow(void **state)
{
    gust_headers none = {0};
    (void)state;
    assert_null(gust_headers_get(&none, GUST_STR("A")).ptr);
    gust_headers_remove(&none, GUST_STR("A"));
    assert_int_equal(gust_headers_add(&none, GUST_STR("A"), GUST_STR("b")), -ENOMEM);
    assert_int_equal(gust_headers_add_borrowed(&none, GUST_STR("A"), GUST_STR("b")), -ENOMEM);
    assert_int_equal(gust_headers_set(&none, GUST_STR("A"), GUST_STR("b")), -ENOMEM);
    assert_int_equal(none.count, 0);
}

static int build(void *user)
{
    gust_arena_pool *p;
    gust_arena a;
    gust_headers list;
    char value[600];
    int status = 0;
    (void)user;
    memset(value, 'v', sizeof(value));
    GUST_TRY(gust_arena_pool_new(4096, 4, &p));
    gust_arena_init(&a, p, 0);
    gust_headers_init(&list, &a);
    for (int i = 0; i < 40 && status == 0; i++) {
        size_t count = list.count;
        status = i % 3 == 2 ? gust_headers_set(&list, GUST_STR("X"), gust_str_make(value, 600))
                            : gust_headers_add(&list, GUST_STR("X"), gust_str_make(value, 600));
        /* what failed has changed nothing */
        if (status != 0 && list.count != count) {
            status = GUST_ESTATE;
        }
    }
    gust_arena_deinit(&a);
    gust_arena_pool_free(p);
    return status;
}

static void test_memory__each_allocation_fails(void **state)
{
    (void)state;
    alloc_sweep(build, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_add__keeps_order_spelling_and_repeats),
        CASE(test_get__first_in_any_case),
        CASE(test_set__replaces_all_of_that_name),
        CASE(test_set__from_its_own_memory),
        CASE(test_remove__all_or_none),
        CASE(test_add__copies),
        CASE(test_add_borrowed__does_not_copy),
        CASE(test_add__many_of_one_name),
        CASE(test_names__odd_ones),
        CASE(test_bytes__each_at_each_place),
        CASE(test_bytes__pairs_in_one_word),
        CASE(test_names_and_values__empty),
        CASE(test_zeroed__empty_and_can_not_grow),
        cmocka_unit_test(test_memory__each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
