/* JSON: what the reader takes and refuses (after JSONTestSuite's y_ and n_ cases),
 * its limits, look-ups; what the writer writes, and its mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/json.h>

#include "tests/support/alloc_sweep.h"

/* The text in memory of exactly its size: a byte too far is found. */
static int parse(gust_str text, gust_arena *arena, const gust_json_limits *limits,
                 const gust_json **out, size_t *at)
{
    char *exact = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(exact);
    memcpy(exact, text.ptr, text.len);
    int status = gust_json_parse(gust_str_make(exact, text.len), arena, limits, out, at);
    memset(exact, 0x55, text.len); /* the tree does not refer to it */
    free(exact);
    return status;
}

static void write_text(const gust_json *value, unsigned flags, gust_buf *out)
{
    gust_json_writer w;
    gust_json_writer_init(&w, out, flags);
    gust_json_value(&w, value);
    assert_int_equal(gust_json_writer_finish(&w), 0);
}

/* --- reading ---------------------------------------------------------------------------- */

/* Text, and what the writer makes of it. */
static const struct {
    gust_str text;
    const char *written;
} good[] = {
    {GUST_STR_INIT("null"), "null"},
    {GUST_STR_INIT(" \t\r\ntrue \t\r\n"), "true"},
    {GUST_STR_INIT("false"), "false"},
    {GUST_STR_INIT("0"), "0"},
    {GUST_STR_INIT("-0"), "0"},
    {GUST_STR_INIT("-0.0"), "-0.0"},
    {GUST_STR_INIT("-1"), "-1"},
    {GUST_STR_INIT("123"), "123"},
    {GUST_STR_INIT("9223372036854775807"), "9223372036854775807"},
    {GUST_STR_INIT("-9223372036854775808"), "-9223372036854775808"},
    {GUST_STR_INIT("9223372036854775808"), "9.223372036854776e+18"},
    {GUST_STR_INIT("-9223372036854775809"), "-9.223372036854776e+18"},
    {GUST_STR_INIT("[20e1]"), "[200.0]"},
    {GUST_STR_INIT("[1E22]"), "[1e+22]"},
    {GUST_STR_INIT("[1E-2]"), "[0.01]"},
    {GUST_STR_INIT("[1E+2]"), "[100.0]"},
    {GUST_STR_INIT("[123.456e78]"), "[1.23456e+80]"},
    {GUST_STR_INIT("[0e1]"), "[0.0]"},
    {GUST_STR_INIT("[0e+1]"), "[0.0]"},
    {GUST_STR_INIT("[1e-400]"), "[0.0]"},
    {GUST_STR_INIT("[-0.000000000000000000000000000000000000000000000000000000000000000000001]"),
     "[-1e-69]"},
    {GUST_STR_INIT("[]"), "[]"},
    {GUST_STR_INIT("[[] ]"), "[[]]"},
    {GUST_STR_INIT("{}"), "{}"},
    {GUST_STR_INIT("{ }"), "{}"},
    {GUST_STR_INIT("[null, 1, \"1\", {}]"), "[null, 1, \"1\", {}]"},
    {GUST_STR_INIT("[1\n,null\r,\t2]"), "[1, null, 2]"},
    {GUST_STR_INIT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"), "{\"asd\": \"sdf\", \"dfg\": \"fgh\"}"},
    {GUST_STR_INIT("{\"a\":\"b\",\"a\":\"c\"}"), "{\"a\": \"c\"}"},
    {GUST_STR_INIT("{\"a\":1,\"b\":2,\"a\":3}"), "{\"a\": 3, \"b\": 2}"},
    {GUST_STR_INIT("{\"\":0}"), "{\"\": 0}"},
    {GUST_STR_INIT("{\"foo\\u0000bar\": 42}"), "{\"foo\\u0000bar\": 42}"},
    {GUST_STR_INIT("{\"x\":[{\"id\": \"x\"}], \"id\": \"y\"}"),
     "{\"x\": [{\"id\": \"x\"}], \"id\": \"y\"}"},
    {GUST_STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {GUST_STR_INIT("\"\\u0060\\u012a\\u12AB\\u00e9\""), "\"`\\u012a\\u12ab\\u00e9\""},
    {GUST_STR_INIT("\"\\uD801\\udc37\""), "\"\\ud801\\udc37\""},
    {GUST_STR_INIT("\"\\ud83d\\ude39\\ud83d\\udc8d\""), "\"\\ud83d\\ude39\\ud83d\\udc8d\""},
    {GUST_STR_INIT("\"\\uDBFF\\uDFFF\""), "\"\\udbff\\udfff\""},
    {GUST_STR_INIT("\"\\uFFFF\\uFDD0\""), "\"\\uffff\\ufdd0\""},
    {GUST_STR_INIT("\"\\\\u0000\""), "\"\\\\u0000\""},
    {GUST_STR_INIT("\"\\\\a\""), "\"\\\\a\""},
    {GUST_STR_INIT("\"a/*b*/c\""), "\"a/*b*/c\""},
    {GUST_STR_INIT("\"\x7f\""), "\"\\u007f\""},
    {GUST_STR_INIT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), "\"\\u00e9\\u20ac\\ud83d\\ude00\""},
    {GUST_STR_INIT("\"</script>\""), "\"<\\/script>\""},
    {GUST_STR_INIT("\"\\u0022\\u0008\""), "\"\\\"\\b\""},
};

static void test_parse__good_texts_and_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        gust_arena a = {0};
        const gust_json *value = NULL;
        if (parse(good[i].text, &a, NULL, &value, NULL) != 0) {
            fail_msg("refused: %.*s", GUST_FMT(good[i].text));
        }
        gust_buf out;
        gust_buf_init(&out, 10000);
        write_text(value, 0, &out);
        assert_int_equal(gust_buf_append_byte(&out, '\0'), 0);
        assert_string_equal(out.ptr, good[i].written);
        gust_buf_deinit(&out);
        gust_arena_deinit(&a);
    }
}

/* Text, where it goes wrong, how. */
static const struct {
    gust_str text;
    size_t at;
    int status;
} bad[] = {
    {GUST_STR_INIT(""), 0, GUST_ESYNTAX},
    {GUST_STR_INIT(" "), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[1 true]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[a]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[\"\": 1]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[\"\"],"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[,1]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[1,,2]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[\"x\"]]"), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("[\"\",]"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[\"x\""), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[x"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[3[4]]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[1:2]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[,]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[-]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[   , \"\"]"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[1,"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[{}"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("["), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("]"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("}"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("[}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[\v1]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[\f]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("nul"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("nulll"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[fals]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[tru]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("True"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("NaN"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("[Infinity]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[-Infinity]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[++1]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[+1]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[-01]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[012]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[-1.0.]"), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("[.5]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("[-.5]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[1.]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[1.e1]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[0e]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[0e+]"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[1eE2]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[1e+-2]"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("[0x42]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("[1 000]"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("[1+2]"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("- 1"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"x\", null}"), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"x\"::\"b\"}"), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("{key: 1}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\" \"b\"}"), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("{:\"b\"}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\""), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":"), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":1,}"), 7, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":1,,}"), 7, GUST_ESYNTAX},
    {GUST_STR_INIT("{1:1}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{'a':0}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{null:null}"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":\"b\"}/**/"), 9, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":\"b\"}#"), 9, GUST_ESYNTAX},
    {GUST_STR_INIT("{\"a\":\"a\" 123}"), 9, GUST_ESYNTAX},
    {GUST_STR_INIT("\""), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("\"a"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\"), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\\""), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\a\""), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\x00\""), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\'\""), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\\0\""), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\u\""), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\u00A\""), 6, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\u00g0\""), 5, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\u+123\""), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\uD834\\u\""), 9, GUST_ESYNTAX},
    {GUST_STR_INIT("\"new\nline\""), 4, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\t\""), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("\"a\0b\""), 2, GUST_ESYNTAX},
    {GUST_STR_INIT("\"a\"\0"), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("'x'"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\" \"\""), 3, GUST_ESYNTAX},
    {GUST_STR_INIT("\xef\xbb\xbf{}"), 0, GUST_ESYNTAX},
    {GUST_STR_INIT("[\xe2\x81\xa0]"), 1, GUST_ESYNTAX},
    {GUST_STR_INIT("\"\\uD800\""), 7, GUST_EUTF8},
    {GUST_STR_INIT("\"\\uDC00\""), 7, GUST_EUTF8},
    {GUST_STR_INIT("\"\\uDC00\\uDC00\""), 7, GUST_EUTF8},
    {GUST_STR_INIT("\"\\uD800\\n\""), 8, GUST_EUTF8},
    {GUST_STR_INIT("\"\\uD800\\u0041\""), 13, GUST_EUTF8},
    {GUST_STR_INIT("\"\\uD800\\uD800\""), 13, GUST_EUTF8},
    {GUST_STR_INIT("\"ab\xff\""), 3, GUST_EUTF8},
    {GUST_STR_INIT("\"\xed\xa0\x80\""), 1, GUST_EUTF8},
    {GUST_STR_INIT("\"\xc0\xaf\""), 1, GUST_EUTF8},
    {GUST_STR_INIT("[\xe9]"), 1, GUST_EUTF8},
    {GUST_STR_INIT("{\"\xf0\x9f\x87\":0}"), 2, GUST_EUTF8},
    {GUST_STR_INIT("[1e400]"), 1, GUST_ETOOBIG},
    {GUST_STR_INIT("[0, -1e+9999]"), 4, GUST_ETOOBIG},
};

static void test_parse__bad_texts_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gust_arena a = {0};
        const gust_json *value = NULL;
        size_t at = 4711;
        int status = parse(bad[i].text, &a, NULL, &value, &at);
        if (status != bad[i].status || at != bad[i].at || value != NULL) {
            fail_msg("%.*s: %s at %zu", GUST_FMT(bad[i].text), gust_err_name(status), at);
        }
        gust_arena_deinit(&a);
    }
}

static const char document[] =
    "{\"a\": [1, -2.5e3, true, null, {\"deep\": [[], {}]}], \"text\\u00e9\": \"\xc3\xa9 "
    "\\ud83d\\ude00"
    "\", \"k1\": 1, \"k2\": 2, \"k3\": 3, \"k4\": 4, \"k5\": 5, \"k6\": 6, \"k7\": 7}";

static void test_parse__no_prefix_is_a_document(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(document) - 1; n++) {
        gust_arena a = {0};
        const gust_json *value = NULL;
        assert_true(parse(gust_str_make(document, n), &a, NULL, &value, NULL) < 0);
        gust_arena_deinit(&a);
    }
}

/* Any byte at any place: it may be JSON or not, but nothing else happens, and
 * what is taken can be written and read again. */
static void test_parse__any_byte_at_any_place(void **state)
{
    (void)state;
    char text[sizeof(document)];
    for (size_t at = 0; at < sizeof(document) - 1; at++) {
        for (int c = 0; c < 256; c++) {
            gust_arena a = {0};
            const gust_json *value = NULL;
            memcpy(text, document, sizeof(text));
            text[at] = (char)c;
            if (parse(gust_str_make(text, sizeof(text) - 1), &a, NULL, &value, NULL) == 0) {
                gust_buf out;
                gust_buf_init(&out, 10000);
                write_text(value, GUST_JSON_COMPACT, &out);
                assert_int_equal(parse(gust_buf_peek(&out), &a, NULL, &value, NULL), 0);
                gust_buf_deinit(&out);
            }
            gust_arena_deinit(&a);
        }
    }
}

/* --- limits --------------------------------------------------------------------------------- */

static int parse_nested(char open, char close, size_t depth, const gust_json_limits *limits)
{
    char *text = malloc(6 * depth + 1);
    size_t n = 0;
    for (size_t i = 0; i < depth; i++) {
        text[n++] = open;
        if (open == '{' && i + 1 < depth) {
            n += (size_t)snprintf(text + n, 6, "\"a\":");
        }
    }
    for (size_t i = 0; i < depth; i++) {
        text[n++] = close;
    }
    gust_arena a = {0};
    const gust_json *value;
    int status = parse(gust_str_make(text, n), &a, limits, &value, NULL);
    gust_arena_deinit(&a);
    free(text);
    return status;
}

static void test_limits__depth(void **state)
{
    (void)state;
    const gust_json_limits two = {.max_depth = 2};
    const gust_json_limits many = {.max_depth = 100000};
    assert_int_equal(parse_nested('[', ']', 128, NULL), 0);
    assert_int_equal(parse_nested('[', ']', 129, NULL), GUST_ETOOBIG);
    assert_int_equal(parse_nested('{', '}', 128, NULL), 0);
    assert_int_equal(parse_nested('{', '}', 129, NULL), GUST_ETOOBIG);
    assert_int_equal(parse_nested('[', ']', 2, &two), 0);
    assert_int_equal(parse_nested('[', ']', 3, &two), GUST_ETOOBIG);
    assert_int_equal(parse_nested('[', ']', 100000, &many), 0);
}

static int parse_text(const char *text, const gust_json_limits *limits, size_t *at)
{
    gust_arena a = {0};
    const gust_json *value;
    int status = parse(gust_str_from(text), &a, limits, &value, at);
    gust_arena_deinit(&a);
    return status;
}

static void test_limits__bytes_members_values(void **state)
{
    (void)state;
    size_t at = 0;
    const gust_json_limits bytes = {.max_bytes = 6};
    assert_int_equal(parse_text("[1, 2]", &bytes, NULL), 0);
    assert_int_equal(parse_text("[1, 2] ", &bytes, &at), GUST_ETOOBIG);
    assert_int_equal(at, 6);
    const gust_json_limits members = {.max_members = 2};
    assert_int_equal(parse_text("{\"a\":1,\"b\":2}", &members, NULL), 0);
    assert_int_equal(parse_text("[{\"a\":1,\"b\":2},{\"a\":{\"c\":1,\"d\":1}}]", &members, NULL),
                     0);
    assert_int_equal(parse_text("{\"a\":1,\"b\":2,\"a\":3}", &members, &at), GUST_ETOOBIG);
    assert_int_equal(at, 13);
    const gust_json_limits values = {.max_values = 3};
    assert_int_equal(parse_text("[1,2]", &values, NULL), 0);
    assert_int_equal(parse_text("[1,2,3]", &values, NULL), GUST_ETOOBIG);
    assert_int_equal(parse_text("[[[]]]", &values, NULL), 0);
}

static void test_limits__the_arenas_maximum_is_one(void **state)
{
    (void)state;
    gust_arena a;
    const gust_json *value = NULL;
    gust_arena_init(&a, NULL, 500);
    assert_int_equal(parse(gust_str_make(document, sizeof(document) - 1), &a, NULL, &value, NULL),
                     -ENOMEM);
    assert_null(value);
    gust_arena_deinit(&a);
}

/* --- look-ups ----------------------------------------------------------------------------------- */

static void test_get__nested_and_absent(void **state)
{
    (void)state;
    gust_arena a = {0};
    const gust_json *v = NULL;
    assert_int_equal(parse(gust_str_make(document, sizeof(document) - 1), &a, NULL, &v, NULL), 0);
    assert_true(gust_json_is(v, GUST_JSON_OBJECT));
    assert_int_equal(v->count, 9);
    const gust_json *list = gust_json_get(v, "a");
    assert_int_equal(gust_json_as_int(gust_json_at(list, 0), 0), 1);
    assert_true(gust_json_as_double(gust_json_at(list, 1), 0) == -2500.0);
    assert_true(gust_json_as_double(gust_json_at(list, 0), 0) == 1.0);
    assert_int_equal(gust_json_as_int(gust_json_at(list, 1), 7), 7);
    assert_true(gust_json_as_bool(gust_json_at(list, 2), false));
    assert_true(gust_json_is(gust_json_at(list, 3), GUST_JSON_NULL));
    assert_null(gust_json_at(list, 5));
    assert_null(gust_json_at(v, 0));
    const gust_json *deep = gust_json_get(gust_json_at(list, 4), "deep");
    assert_true(gust_json_is(gust_json_at(deep, 1), GUST_JSON_OBJECT));
    gust_str text = gust_json_as_str(gust_json_get(v, "text\xc3\xa9"), GUST_STR("?"));
    assert_true(gust_str_eq(text, GUST_STR("\xc3\xa9 \xf0\x9f\x98\x80")));
    assert_int_equal(text.ptr[text.len], '\0');
    assert_null(gust_json_get(v, "text"));
    assert_null(gust_json_get(list, "a"));
    assert_null(gust_json_get(gust_json_get(v, "no"), "such"));
    assert_true(gust_str_eq(gust_json_as_str(list, GUST_STR("?")), GUST_STR("?")));
    assert_false(gust_json_as_bool(NULL, false));
    gust_arena_deinit(&a);
}

/* Objects of every size around that of the index, each name twice: the last
 * value at the first one's place. */
static void test_get__in_objects_of_all_sizes(void **state)
{
    (void)state;
    static char text[200000];
    for (int size = 0; size < 5000; size += size < 40 ? 1 : 1009) {
        size_t n = 0;
        text[n++] = '{';
        for (int i = 0; i < 2 * size; i++) {
            n += (size_t)snprintf(text + n, 40, "%s\"name%d\":%d", i > 0 ? "," : "", i % size,
                                  i < size ? -1 : i);
        }
        text[n++] = '}';
        gust_arena a = {0};
        const gust_json *v = NULL;
        assert_int_equal(parse(gust_str_make(text, n), &a, NULL, &v, NULL), 0);
        assert_int_equal(v->count, size);
        for (int i = 0; i < size; i++) {
            char name[32];
            snprintf(name, sizeof(name), "name%d", i);
            assert_int_equal(gust_json_as_int(gust_json_get(v, name), 0), size + i);
            assert_true(gust_str_eq(v->as.object.members[i].name, gust_str_from(name)));
        }
        assert_null(gust_json_get(v, "name"));
        gust_arena_deinit(&a);
    }
}

/* --- writing ------------------------------------------------------------------------------------- */

static void write_sample(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_member_str(w, "name", GUST_STR("</\xc3\xa9&\xe2\x80\xa8>"));
    gust_json_member_int(w, "id", -7);
    gust_json_member_bool(w, "on", true);
    gust_json_key(w, GUST_STR("list"));
    gust_json_begin_array(w);
    gust_json_null(w);
    gust_json_double(w, 0.1);
    gust_json_uint(w, UINT64_MAX);
    gust_json_begin_array(w);
    gust_json_end_array(w);
    gust_json_begin_object(w);
    gust_json_end_object(w);
    gust_json_end_array(w);
    gust_json_key(w, GUST_STR("raw"));
    gust_json_raw(w, GUST_STR("{ }"));
    gust_json_end_object(w);
}

static void expect_sample(unsigned flags, const char *text)
{
    gust_buf out;
    gust_json_writer w;
    gust_buf_init(&out, 10000);
    gust_json_writer_init(&w, &out, flags);
    write_sample(&w);
    assert_int_equal(gust_json_writer_finish(&w), 0);
    assert_int_equal(gust_buf_append_byte(&out, '\0'), 0);
    assert_string_equal(out.ptr, text);
    gust_buf_deinit(&out);
}

static void test_writer__layouts(void **state)
{
    (void)state;
    expect_sample(0, "{\"name\": \"<\\/\\u00e9&\\u2028>\", \"id\": -7, \"on\": true, \"list\": "
                     "[null, 0.1, 18446744073709551615, [], {}], \"raw\": { }}");
    expect_sample(GUST_JSON_COMPACT | GUST_JSON_RAW_UTF8,
                  "{\"name\":\"<\\/\xc3\xa9&\xe2\x80\xa8>\",\"id\":-7,\"on\":true,\"list\":"
                  "[null,0.1,18446744073709551615,[],{}],\"raw\":{ }}");
    expect_sample(GUST_JSON_HTML | GUST_JSON_RAW_UTF8,
                  "{\"name\": \"\\u003c/\xc3\xa9\\u0026\\u2028\\u003e\", \"id\": -7, \"on\": true, "
                  "\"list\": [null, 0.1, 18446744073709551615, [], {}], \"raw\": { }}");
    expect_sample(GUST_JSON_PRETTY, "{\n"
                                    "    \"name\": \"<\\/\\u00e9&\\u2028>\",\n"
                                    "    \"id\": -7,\n"
                                    "    \"on\": true,\n"
                                    "    \"list\": [\n"
                                    "        null,\n"
                                    "        0.1,\n"
                                    "        18446744073709551615,\n"
                                    "        [],\n"
                                    "        {}\n"
                                    "    ],\n"
                                    "    \"raw\": { }\n"
                                    "}");
}

static void test_writer__every_ascii_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 128; c++) {
        char byte = (char)c;
        char expected[16];
        static const char named[] = "\"\\\b\f\n\r\t";
        static const char letters[] = "\"\\bfnrt";
        const char *hit = c != 0 ? strchr(named, c) : NULL;
        if (hit != NULL) {
            snprintf(expected, sizeof(expected), "\"\\%c\"", letters[hit - named]);
        } else {
            snprintf(expected, sizeof(expected), c < 0x20 || c == 0x7f ? "\"\\u%04x\"" : "\"%c\"",
                     c);
        }
        gust_buf out;
        gust_json_writer w;
        gust_buf_init(&out, 100);
        gust_json_writer_init(&w, &out, 0);
        gust_json_str(&w, gust_str_make(&byte, 1));
        assert_int_equal(gust_json_writer_finish(&w), 0);
        assert_int_equal(out.len, strlen(expected));
        assert_memory_equal(out.ptr, expected, out.len);
        gust_buf_deinit(&out);
    }
}

typedef void wrong_fn(gust_json_writer *w);

static void value_without_key(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_int(w, 1);
    gust_json_end_object(w);
}

static void key_in_array(gust_json_writer *w)
{
    gust_json_begin_array(w);
    gust_json_key(w, GUST_STR("a"));
    gust_json_end_array(w);
}

static void two_keys(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_key(w, GUST_STR("a"));
    gust_json_key(w, GUST_STR("b"));
    gust_json_int(w, 1);
    gust_json_end_object(w);
}

static void key_without_value(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_key(w, GUST_STR("a"));
    gust_json_end_object(w);
}

static void wrong_end(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_end_array(w);
}

static void end_only(gust_json_writer *w)
{
    gust_json_end_array(w);
}

static void key_outside(gust_json_writer *w)
{
    gust_json_key(w, GUST_STR("a"));
}

static void two_values(gust_json_writer *w)
{
    gust_json_null(w);
    gust_json_null(w);
}

static void not_ended(gust_json_writer *w)
{
    gust_json_begin_array(w);
}

static void nothing(gust_json_writer *w)
{
    (void)w;
}

static void too_deep(gust_json_writer *w)
{
    for (int i = 0; i < GUST_JSON_MAX_OPEN + 1; i++) {
        gust_json_begin_array(w);
    }
    for (int i = 0; i < GUST_JSON_MAX_OPEN + 1; i++) {
        gust_json_end_array(w);
    }
}

static void deep_enough(gust_json_writer *w)
{
    for (int i = 0; i < GUST_JSON_MAX_OPEN / 2; i++) {
        gust_json_begin_array(w);
        gust_json_begin_object(w);
        gust_json_key(w, GUST_STR("k"));
    }
    gust_json_null(w);
    for (int i = 0; i < GUST_JSON_MAX_OPEN / 2; i++) {
        gust_json_end_object(w);
        gust_json_end_array(w);
    }
}

static void bad_utf8(gust_json_writer *w)
{
    gust_json_begin_array(w);
    gust_json_str(w, GUST_STR("abc\xc3"));
    gust_json_end_array(w);
}

static void bad_utf8_key(gust_json_writer *w)
{
    gust_json_begin_object(w);
    gust_json_key(w, GUST_STR("\xed\xa0\x80"));
    gust_json_null(w);
    gust_json_end_object(w);
}

static void not_a_number(gust_json_writer *w)
{
    gust_json_begin_array(w);
    gust_json_double(w, strtod("nan", NULL));
    gust_json_end_array(w);
}

static void infinite(gust_json_writer *w)
{
    gust_json_double(w, strtod("-inf", NULL));
}

static void test_writer__mistakes_stay_until_the_end(void **state)
{
    (void)state;
    static const struct {
        wrong_fn *fn;
        int status;
    } rows[] = {
        {value_without_key, GUST_ESTATE},
        {key_in_array, GUST_ESTATE},
        {two_keys, GUST_ESTATE},
        {key_without_value, GUST_ESTATE},
        {wrong_end, GUST_ESTATE},
        {end_only, GUST_ESTATE},
        {key_outside, GUST_ESTATE},
        {two_values, GUST_ESTATE},
        {not_ended, GUST_ESTATE},
        {nothing, GUST_ESTATE},
        {too_deep, GUST_ESTATE},
        {deep_enough, 0},
        {bad_utf8, GUST_EUTF8},
        {bad_utf8_key, GUST_EUTF8},
        {not_a_number, -EDOM},
        {infinite, -EDOM},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned flags = 0; flags < 16; flags++) {
            gust_buf out;
            gust_json_writer w;
            gust_buf_init(&out, 1000000);
            gust_json_writer_init(&w, &out, flags);
            rows[i].fn(&w);
            assert_int_equal(gust_json_writer_finish(&w), rows[i].status);
            if (rows[i].status != 0 && rows[i].status != GUST_ESTATE) {
                gust_json_null(&w);
                assert_int_equal(gust_json_writer_finish(&w), rows[i].status);
            }
            gust_buf_deinit(&out);
        }
    }
}

/* A buffer of every size: too small ones say so, at whatever place they end. */
static void test_writer__buffer_of_every_size(void **state)
{
    (void)state;
    size_t whole = 0;
    for (size_t max = 0; max < 200; max++) {
        gust_buf out;
        gust_json_writer w;
        gust_buf_init(&out, max);
        gust_json_writer_init(&w, &out, 0);
        write_sample(&w);
        int status = gust_json_writer_finish(&w);
        whole = status == 0 && whole == 0 ? max : whole;
        assert_int_equal(status, whole != 0 ? 0 : GUST_EBUFFERFULL);
        gust_buf_deinit(&out);
    }
    assert_in_range(whole, 100, 150);
}

/* --- memory ------------------------------------------------------------------------------------------ */

static int read_and_write(void *user)
{
    (void)user;
    gust_arena a = {0};
    gust_buf out;
    gust_json_writer w;
    const gust_json *v = NULL;
    gust_buf_init(&out, 100000);
    int status = gust_json_parse(gust_str_make(document, sizeof(document) - 1), &a, NULL, &v, NULL);
    if (status == 0) {
        gust_json_writer_init(&w, &out, GUST_JSON_PRETTY);
        gust_json_value(&w, v);
        status = gust_json_writer_finish(&w);
    }
    gust_buf_deinit(&out);
    gust_arena_deinit(&a);
    return status;
}

static void test_json__sweep(void **state)
{
    (void)state;
    alloc_sweep(read_and_write, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse__good_texts_and_what_they_are),
        cmocka_unit_test(test_parse__bad_texts_and_where),
        cmocka_unit_test(test_parse__no_prefix_is_a_document),
        cmocka_unit_test(test_parse__any_byte_at_any_place),
        cmocka_unit_test(test_limits__depth),
        cmocka_unit_test(test_limits__bytes_members_values),
        cmocka_unit_test(test_limits__the_arenas_maximum_is_one),
        cmocka_unit_test(test_get__nested_and_absent),
        cmocka_unit_test(test_get__in_objects_of_all_sizes),
        cmocka_unit_test(test_writer__layouts),
        cmocka_unit_test(test_writer__every_ascii_byte),
        cmocka_unit_test(test_writer__mistakes_stay_until_the_end),
        cmocka_unit_test(test_writer__buffer_of_every_size),
        cmocka_unit_test(test_json__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
