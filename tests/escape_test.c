/* HTML and URL escaping, and reading queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/escape.h>

#include "tests/support/alloc_sweep.h"

static void expect_html(const char *text, const char *escaped)
{
    gust_buf b;
    gust_buf_init(&b, 1000);
    assert_int_equal(gust_xhtml_escape(&b, gust_str_from(text)), 0);
    assert_int_equal(b.len, strlen(escaped));
    assert_memory_equal(b.len ? b.ptr : "", escaped, b.len);
    gust_buf_deinit(&b);
}

static void test_xhtml_escape__tornado_rows(void **state)
{
    (void)state;
    expect_html("", "");
    expect_html("<foo>", "&lt;foo&gt;");
    expect_html("<>&\"'", "&lt;&gt;&amp;&quot;&#x27;");
    expect_html("&amp;", "&amp;amp;");
    expect_html("<\xc3\xa9>", "&lt;\xc3\xa9&gt;");
    expect_html("plain text\n", "plain text\n");
    expect_html("it's", "it&#x27;s");
}

/* Every byte by itself: five change, the rest, NUL and broken UTF-8 too, passes. */
static void test_xhtml_escape__all_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        gust_buf b;
        gust_buf_init(&b, 100);
        assert_int_equal(gust_xhtml_escape(&b, gust_str_make(&byte, 1)), 0);
        bool special = c != 0 && strchr("&<>\"'", c) != NULL;
        assert_int_equal(b.len > 1, special);
        assert_int_equal(b.ptr[0], special ? '&' : byte);
        gust_buf_deinit(&b);
    }
}

static void expect_url(const char *text, bool plus, const char *escaped)
{
    gust_buf b;
    gust_buf_init(&b, 1000);
    assert_int_equal(gust_url_escape(&b, gust_str_from(text), plus), 0);
    assert_int_equal(b.len, strlen(escaped));
    assert_memory_equal(b.len ? b.ptr : "", escaped, b.len);
    char back[100];
    size_t n = gust_url_unescape(back, gust_buf_peek(&b), plus);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(back, text, n);
    gust_buf_deinit(&b);
}

static void test_url_escape__tornado_rows_and_back(void **state)
{
    (void)state;
    expect_url("\xc3\xa9", true, "%C3%A9");
    expect_url("\xe9", true, "%E9");
    expect_url("+ #%", true, "%2B+%23%25");
    expect_url("+ #%", false, "%2B%20%23%25");
    expect_url("a/b c", true, "a%2Fb+c");
    expect_url("a/b c", false, "a/b%20c");
    expect_url("AZaz09_.-~", true, "AZaz09_.-~");
    expect_url("", true, "");
}

/* Both ways over all bytes; what is unreserved is RFC 3986's set. */
static void test_url_escape__all_bytes(void **state)
{
    (void)state;
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
    for (int c = 0; c < 512; c++) {
        char byte = (char)(c & 255);
        bool plus = c < 256;
        gust_buf b;
        gust_buf_init(&b, 100);
        assert_int_equal(gust_url_escape(&b, gust_str_make(&byte, 1), plus), 0);
        bool stays = (byte != 0 && strchr(unreserved, byte) != NULL) || (!plus && byte == '/');
        assert_int_equal(b.ptr[0] == '%', !stays && !(plus && byte == ' '));
        char back[4];
        assert_int_equal(gust_url_unescape(back, gust_buf_peek(&b), plus), 1);
        assert_int_equal(back[0], byte);
        gust_buf_deinit(&b);
    }
}

static void expect_unescaped(gust_str text, bool plus, gust_str plain)
{
    char out[64];
    char *exact = malloc(text.len); /* a byte too far is found */
    memcpy(exact, text.ptr, text.len);
    assert_int_equal(gust_url_unescape(out, gust_str_make(exact, text.len), plus), plain.len);
    free(exact);
    assert_int_equal(gust_url_unescape(out, text, plus), plain.len);
    assert_memory_equal(out, plain.ptr, plain.len);
    memcpy(out, text.ptr, text.len);
    assert_int_equal(gust_url_unescape(out, gust_str_make(out, text.len), plus), plain.len);
    assert_memory_equal(out, plain.ptr, plain.len);
    gust_arena a = {0};
    gust_str copy;
    assert_int_equal(gust_url_unescape_arena(&a, text, plus, &copy), 0);
    assert_true(gust_str_eq(copy, plain));
    gust_arena_deinit(&a);
}

static void test_url_unescape__bad_escapes_stay(void **state)
{
    (void)state;
    expect_unescaped(GUST_STR("%zz"), true, GUST_STR("%zz"));
    expect_unescaped(GUST_STR("%"), true, GUST_STR("%"));
    expect_unescaped(GUST_STR("%4"), true, GUST_STR("%4"));
    expect_unescaped(GUST_STR("%%41"), true, GUST_STR("%A"));
    expect_unescaped(GUST_STR("%4%41"), true, GUST_STR("%4A"));
    expect_unescaped(GUST_STR("%4g%g4"), true, GUST_STR("%4g%g4"));
    expect_unescaped(GUST_STR("%2541"), true, GUST_STR("%41"));
    expect_unescaped(GUST_STR("a%00b%fF"), true, GUST_STR("a\0b\xff"));
    expect_unescaped(GUST_STR("a+b"), true, GUST_STR("a b"));
    expect_unescaped(GUST_STR("a+b%2B"), false, GUST_STR("a+b+"));
    expect_unescaped(GUST_STR("+%2b+"), true, GUST_STR(" + "));
}

static void test_url_unescape_arena__borrows_plain_text(void **state)
{
    (void)state;
    gust_arena a = {0};
    gust_str text = GUST_STR("plain+text");
    gust_str out;
    assert_int_equal(gust_url_unescape_arena(&a, text, false, &out), 0);
    assert_ptr_equal(out.ptr, text.ptr);
    assert_int_equal(a.total, 0);
    assert_int_equal(gust_url_unescape_arena(&a, text, true, &out), 0);
    assert_ptr_not_equal(out.ptr, text.ptr);
    gust_arena_deinit(&a);
}

static void test_escape__a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    gust_buf b;
    gust_buf_init(&b, 8);
    assert_int_equal(gust_buf_append(&b, GUST_STR("abc")), 0);
    assert_int_equal(gust_xhtml_escape(&b, GUST_STR("x<y>")), GUST_EBUFFERFULL);
    assert_int_equal(gust_url_escape(&b, GUST_STR("x y%z"), false), GUST_EBUFFERFULL);
    assert_int_equal(b.len, 3);
    assert_int_equal(gust_xhtml_escape(&b, GUST_STR("x<")), 0);
    assert_memory_equal(b.ptr, "abcx&lt;", 8);
    gust_buf_deinit(&b);
}

static void expect_query(const char *text, const char *pairs)
{
    gust_query q = gust_query_make(gust_str_from(text));
    gust_str name;
    gust_str value;
    char out[128];
    size_t n = 0;
    while (gust_query_next(&q, &name, &value)) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "<%.*s|%.*s>", GUST_FMT(name),
                              GUST_FMT(value));
    }
    out[n] = '\0';
    assert_string_equal(out, pairs);
    assert_false(gust_query_next(&q, &name, &value));
}

static void test_query__rows(void **state)
{
    (void)state;
    expect_query("a=1&b=2", "<a|1><b|2>");
    expect_query("a=1;a=2", "<a|1;a=2>");
    expect_query("a", "<a|>");
    expect_query("a=", "<a|>");
    expect_query("=b", "<|b>");
    expect_query("=", "<|>");
    expect_query("", "");
    expect_query("&", "");
    expect_query("&&a=1&&b&", "<a|1><b|>");
    expect_query("a=b=c", "<a|b=c>");
    expect_query("%3F=%3F&a+b=+", "<%3F|%3F><a+b|+>");
    expect_query(NULL, "");
}

static int escape_things(void *user)
{
    (void)user;
    gust_buf b;
    gust_arena a = {0};
    gust_str out;
    gust_buf_init(&b, 1000);
    int status = gust_xhtml_escape(&b,
                                   GUST_STR("<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>"
                                            "<bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb>"));
    if (status == 0) {
        status = gust_url_unescape_arena(&a, GUST_STR("%20"), true, &out);
    }
    gust_buf_deinit(&b);
    gust_arena_deinit(&a);
    return status;
}

static void test_escape__sweep(void **state)
{
    (void)state;
    alloc_sweep(escape_things, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xhtml_escape__tornado_rows),
        cmocka_unit_test(test_xhtml_escape__all_bytes),
        cmocka_unit_test(test_url_escape__tornado_rows_and_back),
        cmocka_unit_test(test_url_escape__all_bytes),
        cmocka_unit_test(test_url_unescape__bad_escapes_stay),
        cmocka_unit_test(test_url_unescape_arena__borrows_plain_text),
        cmocka_unit_test(test_escape__a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(test_query__rows),
        cmocka_unit_test(test_escape__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
