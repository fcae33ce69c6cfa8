/* Fields of a response: what may stand in them, and the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/headers.h>
#include <gust/httpnames.h>

/* ---- what may stand in a field ------------------------------------------------------ */

/* A copy with nothing readable behind it, for the sanitizer. */
static bool value_is_valid(const char *bytes, size_t len)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    bool valid = gust_header_value_is_valid(gust_str_make(exact, len));
    free(exact);
    return valid;
}

static void test_value__each_byte_at_each_place(void **state)
{
    (void)state;
    char text[70];
    for (size_t len = 1; len <= sizeof(text); len += len < 36 ? 1 : 11) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'v', sizeof(text));
                text[at] = (char)byte;
                bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
                assert_int_equal(value_is_valid(text, len), allowed);
            }
        }
    }
}

static void test_value__tabs_hide_nothing(void **state)
{
    (void)state;
    char text[48];
    memset(text, '\t', sizeof(text));
    assert_true(value_is_valid(text, sizeof(text)));
    for (size_t at = 0; at < sizeof(text); at++) {
        text[at] = '\n';
        assert_false(value_is_valid(text, sizeof(text)));
        text[at] = '\t';
    }
    assert_true(gust_header_value_is_valid(gust_str_make(NULL, 0)));
}

static void test_name__token_bytes_only(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char name[3] = {'x', (char)byte, 'y'};
        bool allowed = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') ||
                       (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
        assert_int_equal(gust_header_name_is_valid(gust_str_make(name, 3)), allowed);
        assert_int_equal(gust_header_name_is_valid(gust_str_make(name + 1, 1)), allowed);
    }
    assert_false(gust_header_name_is_valid(GUST_STR("")));
    assert_false(gust_header_name_is_valid(gust_str_make(NULL, 0)));
}

/* ---- the list -------------------------------------------------------------------------- */

static void assert_field(const gust_headers *h, size_t i, const char *name, const char *value)
{
    assert_true(i < h->count);
    assert_true(gust_str_eq(h->items[i].name, gust_str_from(name)));
    assert_true(gust_str_eq(h->items[i].value, gust_str_from(value)));
}

static void test_list__order_spelling_and_replacing(void **state)
{
    (void)state;
    gust_arena arena = {0};
    gust_headers h;
    gust_headers_init(&h, &arena);
    char value[] = "1";
    assert_int_equal(gust_headers_add(&h, GUST_STR("X-A"), gust_str_from(value)), 0);
    value[0] = '9'; /* it was copied */
    assert_int_equal(gust_headers_add(&h, GUST_STR("Vary"), GUST_STR("Cookie")), 0);
    assert_int_equal(gust_headers_add_borrowed(&h, GUST_STR("x-a"), GUST_STR("2")), 0);
    assert_int_equal(h.count, 3);
    assert_field(&h, 0, "X-A", "1");
    assert_field(&h, 2, "x-a", "2");
    assert_int_equal(h.items[1].id, GUST_HTTP_VARY);
    assert_int_equal(h.items[0].id, GUST_HTTP_OTHER_NAME);
    assert_true(gust_str_eq(gust_headers_get(&h, GUST_STR("x-A")), GUST_STR("1")));
    assert_int_equal(gust_headers_set(&h, GUST_STR("X-a"), GUST_STR("3")), 0);
    assert_int_equal(h.count, 2);
    assert_field(&h, 0, "Vary", "Cookie");
    assert_field(&h, 1, "X-a", "3");
    gust_headers_remove(&h, GUST_STR("VARY"));
    assert_int_equal(h.count, 1);
    assert_null(gust_headers_get(&h, GUST_STR("Vary")).ptr);
    gust_arena_deinit(&arena);
}

static void test_list__what_is_refused_changes_nothing(void **state)
{
    (void)state;
    gust_arena arena = {0};
    gust_headers h;
    gust_headers_init(&h, &arena);
    assert_int_equal(gust_headers_add(&h, GUST_STR("A"), GUST_STR("1")), 0);
    assert_int_equal(gust_headers_add(&h, GUST_STR("B"), GUST_STR("1\r\nX: 2")), GUST_EHEADER);
    assert_int_equal(gust_headers_set(&h, GUST_STR("A"), GUST_STR("\n")), GUST_EHEADER);
    assert_int_equal(gust_headers_set(&h, GUST_STR("A "), GUST_STR("2")), GUST_EHEADER);
    assert_int_equal(gust_headers_add_borrowed(&h, GUST_STR(""), GUST_STR("2")), GUST_EHEADER);
    assert_int_equal(h.count, 1);
    assert_field(&h, 0, "A", "1");
    gust_headers none = {0};
    assert_int_equal(gust_headers_add(&none, GUST_STR("A"), GUST_STR("1")), -ENOMEM);
    assert_null(gust_headers_get(&none, GUST_STR("A")).ptr);
    gust_arena_deinit(&arena);
}

static void test_list__grows(void **state)
{
    (void)state;
    gust_arena arena = {0};
    gust_headers h;
    gust_headers_init(&h, &arena);
    for (char i = 'a'; i <= 'z'; i++) {
        assert_int_equal(gust_headers_add(&h, gust_str_make(&i, 1), gust_str_make(&i, 1)), 0);
    }
    assert_int_equal(h.count, 26);
    assert_field(&h, 0, "a", "a");
    assert_field(&h, 25, "z", "z");
    gust_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value__each_byte_at_each_place),
        cmocka_unit_test(test_value__tabs_hide_nothing),
        cmocka_unit_test(test_name__token_bytes_only),
        cmocka_unit_test(test_list__order_spelling_and_replacing),
        cmocka_unit_test(test_list__what_is_refused_changes_nothing),
        cmocka_unit_test(test_list__grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
