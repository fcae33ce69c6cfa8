/* The checks of the opening handshake, row by row; origins; lists; the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <gust/errors.h>

#include "websocket/handshake_internal.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define MISSING "Missing/Invalid WebSocket headers"
#define NOT_WEBSOCKET "Can \"Upgrade\" only to \"WebSocket\"."
#define NOT_UPGRADE "\"Connection\" must be \"Upgrade\"."

/* --- the request --- */

/* A request that passes, but for one field: its name, and a value (NULL: absent). */
struct request_row {
    const char *name;
    const char *field, *value;
    int status;
    const char *text;
};

static const struct request_row request_rows[] = {
    {"as it should be", NULL, NULL, 0, NULL},

    {"1: POST", "method", "POST", 405, "Method Not Allowed"},
    {"1: get", "method", "get", 405, "Method Not Allowed"},
    {"1: HEAD", "method", "HEAD", 405, "Method Not Allowed"},
    {"2: HTTP/1.0", "http", "10", 400, "WebSocket needs HTTP/1.1"},
    {"2: HTTP/0.9", "http", "09", 400, "WebSocket needs HTTP/1.1"},
    {"2: HTTP/2.0", "http", "20", 400, "WebSocket needs HTTP/1.1"},
    {"3: no Upgrade", "upgrade", NULL, 400, NOT_WEBSOCKET},
    {"3: another protocol", "upgrade", "h2c", 400, NOT_WEBSOCKET},
    {"3: only a part of the word", "upgrade", "websockets", 400, NOT_WEBSOCKET},
    {"3: empty", "upgrade", "", 400, NOT_WEBSOCKET},
    {"3: without case", "upgrade", "WebSocket", 0, NULL},
    {"3: in a list", "upgrade", "h2c,\twebsocket ", 0, NULL},
    {"4: no Connection", "connection", NULL, 400, NOT_UPGRADE},
    {"4: keep-alive", "connection", "keep-alive", 400, NOT_UPGRADE},
    {"4: in a list", "connection", "keep-alive, Upgrade", 0, NULL},
    {"4: without case", "connection", "UPGRADE", 0, NULL},
    {"5: no Origin", "origin", NULL, 0, NULL},
    {"5: the same", "origin", "http://example.org", 0, NULL},
    {"5: another", "origin", "http://example.com", 403, "Cross origin websockets not allowed"},
    {"5: null", "origin", "null", 403, "Cross origin websockets not allowed"},
    {"5: empty", "origin", "", 403, "Cross origin websockets not allowed"},
    {"6: no version", "version", NULL, 426, "Upgrade Required"},
    {"6: version 12", "version", "12", 426, "Upgrade Required"},
    {"6: version 8, which Tornado takes", "version", "8", 426, "Upgrade Required"},
    {"6: version 130", "version", "130", 426, "Upgrade Required"},
    {"6: version 013", "version", "013", 426, "Upgrade Required"},
    {"6: twice", "version", "13,13", 426, "Upgrade Required"},
    {"7: no Host, no Origin", "host", NULL, 400, MISSING},
    {"7: empty Host", "host", "", 400, MISSING},
    {"8: no key", "key", NULL, 400, MISSING},
    {"8: abc", "key", "abc", 400, MISSING},
    {"8: !!!!", "key", "!!!!", 400, MISSING},
    {"8: 15 bytes", "key", "dGhlIHNhbXBsZSBub25j", 400, MISSING},
    {"8: 17 bytes", "key", "dGhlIHNhbXBsZSBub25jZWU=", 400, MISSING},
    {"8: bits that should be zero", "key", "dGhlIHNhbXBsZSBub25jZR==", 400, MISSING},
    {"8: a blank in it", "key", "dGhlIHNhbXBs SBub25jZQ==", 400, MISSING},
    {"8: an early =", "key", "dGhlIHNhbXBsZSBub25j===Q", 400, MISSING},
    {"8: twice", "key", KEY "," KEY, 400, MISSING},
    {"9: a body", "body", "", 400, "A WebSocket request has no body"},
    {"protocol: two tokens", "protocol", "chat, superchat", 0, NULL},
    {"protocol: empty", "protocol", "", 400, MISSING},
    {"protocol: commas only", "protocol", ", ,", 400, MISSING},
    {"protocol: two words", "protocol", "chat super chat", 400, MISSING},
    {"protocol: a backslash", "protocol", "chat\\", 400, MISSING},
};

static struct gust__ws_request good_request(void)
{
    return (struct gust__ws_request){
        .method = GUST_STR("GET"),
        .version_major = 1,
        .version_minor = 1,
        .host = GUST_STR("example.org"),
        .upgrade = GUST_STR("websocket"),
        .connection = GUST_STR("Upgrade"),
        .key = GUST_STR(KEY),
        .version = GUST_STR("13"),
    };
}

/* Set the named field; false where the name is none of a string. */
static bool set_field(struct gust__ws_request *r, const char *field, const char *value)
{
    const struct {
        const char *name;
        gust_str *field;
    } fields[] = {
        {"method", &r->method},         {"host", &r->host},         {"upgrade", &r->upgrade},
        {"connection", &r->connection}, {"origin", &r->origin},     {"key", &r->key},
        {"version", &r->version},       {"protocol", &r->protocol},
    };

    for (size_t i = 0; i < COUNT(fields); i++) {
        if (strcmp(fields[i].name, field) == 0) {
            *fields[i].field = gust_str_from(value);
            return true;
        }
    }
    return false;
}

static void apply(struct gust__ws_request *r, const struct request_row *row)
{
    if (row->field == NULL || set_field(r, row->field, row->value)) {
        return;
    }
    if (strcmp(row->field, "http") == 0) {
        r->version_major = row->value[0] - '0';
        r->version_minor = row->value[1] - '0';
    } else {
        assert_string_equal(row->field, "body");
        r->has_body = true;
    }
}

static void test_request_rows__status_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(request_rows); i++) {
        const struct request_row *row = &request_rows[i];
        struct gust__ws_request r = good_request();
        struct gust__ws_refusal refusal = {0};
        apply(&r, row);
        if (gust__ws_handshake_check(&r, &refusal) != row->status) {
            fail_msg("%s: %d", row->name, refusal.status);
        }
        assert_int_equal(refusal.status, row->status);
        if (row->status != 0) {
            assert_string_equal(refusal.text, row->text);
        }
    }
}

static void test_refusal__carries_its_header(void **state)
{
    struct gust__ws_request r = good_request();
    struct gust__ws_refusal refusal;

    (void)state;
    r.version = GUST_STR("8");
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 426);
    assert_string_equal(refusal.header_name, "Sec-WebSocket-Version");
    assert_string_equal(refusal.header_value, "13");
    r.method = GUST_STR("PUT");
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 405);
    assert_string_equal(refusal.header_name, "Allow");
    assert_string_equal(refusal.header_value, "GET");
    r = good_request();
    r.has_body = true;
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 400);
    assert_null(refusal.header_name);
}

/* With everything wrong, mending one thing after the other brings out the checks
 * in their order. */
static void test_request__first_failing_check_decides(void **state)
{
    static const struct {
        const char *field, *value; /* what is mended after this verdict */
        int status;
        const char *text;
    } steps[] = {
        {"method", "GET", 405, "Method Not Allowed"},
        {"http", "11", 400, "WebSocket needs HTTP/1.1"},
        {"upgrade", "websocket", 400, NOT_WEBSOCKET},
        {"connection", "upgrade", 400, NOT_UPGRADE},
        {"origin", NULL, 403, "Cross origin websockets not allowed"},
        {"version", "13", 426, "Upgrade Required"},
        {"host", "example.org", 400, MISSING},
        {"key", KEY, 400, MISSING},
    };
    struct gust__ws_request r = {.origin = GUST_STR("null"), .has_body = true};
    struct gust__ws_refusal refusal;

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct request_row mend = {"", steps[i].field, steps[i].value, 0, NULL};
        assert_int_equal(gust__ws_handshake_check(&r, &refusal), steps[i].status);
        assert_string_equal(refusal.text, steps[i].text);
        apply(&r, &mend);
    }
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 400);
    assert_string_equal(refusal.text, "A WebSocket request has no body");
    r.has_body = false;
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 0);
}

static bool record_origin(gust_str origin, gust_str host, void *user)
{
    int *calls = user;

    (*calls)++;
    assert_true(gust_str_eq(host, GUST_STR("example.org")));
    return gust_str_eq(origin, GUST_STR("app://trusted"));
}

static void test_check_origin__asked_only_with_an_origin(void **state)
{
    struct gust__ws_request r = good_request();
    struct gust__ws_refusal refusal;
    int calls = 0;

    (void)state;
    r.check_origin = record_origin;
    r.user = &calls;
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 0);
    assert_int_equal(calls, 0);
    r.origin = GUST_STR("app://trusted");
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 0);
    assert_int_equal(calls, 1);
    r.origin = GUST_STR("http://example.org"); /* its word counts, not ours */
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 403);
    r.upgrade = GUST_STR("h2c");
    assert_int_equal(gust__ws_handshake_check(&r, &refusal), 400);
    assert_int_equal(calls, 2);
}

/* --- origins --- */

struct origin_row {
    const char *origin, *host;
    bool same;
};

static const struct origin_row origin_rows[] = {
    {"http://example.org", "example.org", true},
    {"https://example.org", "example.org", true},
    {"http://example.org:8888", "example.org:8888", true},
    {"http://example.org:8888/a/path", "example.org:8888", true},
    {"http://example.org/", "example.org", true},
    {"HTTP://Example.ORG", "eXample.org", true},
    {"http://example.org:80", "example.org", true},
    {"http://example.org", "example.org:80", true},
    {"https://example.org:443", "example.org", true},
    {"https://example.org", "example.org:443", true},
    {"https://example.org:80", "example.org", false},
    {"http://example.org", "example.org:443", false},
    {"http://example.org:0080", "example.org", true},
    {"http://example.org", "example.org:8888", false},
    {"http://example.org:8888", "example.org", false},
    {"http://sub.example.org", "example.org", false},
    {"http://example.org", "sub.example.org", false},
    {"http://evilexample.org", "example.org", false},
    {"http://example.org.evil.net", "example.org", false},
    {"http://example.org@evil.net", "example.org", false},
    {"http://evil.net@example.org", "example.org", false},
    {"http://evil.net#example.org", "example.org", false},
    {"http://evil.net?example.org", "example.org", false},
    {"http://evil.net\\example.org", "example.org", false},
    {"http:// example.org", "example.org", false},
    {"http://*", "*", false},
    {"example.org", "example.org", false},
    {"//example.org", "example.org", false},
    {"://example.org", "example.org", false},
    {"null", "null", false},
    {"null", "example.org", false},
    {"", "", false},
    {"http://", "", false},
    {"http://example.org", "", false},
    {"http://example.org:", "example.org:", false},
    {"http://example.org:x", "example.org:x", false},
    {"http://example.org:65536", "example.org:65536", false},
    {"http://example.org:65535", "example.org:65535", true},
    {"http://example.org:+80", "example.org", false},
    {"file://example.org", "example.org", false},
    {"chrome-extension://example", "example", false},
    {"ws://example.org", "example.org:80", true},
    {"wss://example.org", "example.org:443", true},
    {"http://127.0.0.1:8888", "127.0.0.1:8888", true},
    {"http://[::1]:8888", "[::1]:8888", true},
    {"http://[::FFFF]", "[::ffff]:80", true},
    {"http://[::1", "[::1", false},
    {"http://[::1]x", "[::1]x", false},
    {"http://[]", "[]", false},
    {"http://[::1]", "::1", false},
    {"http://my-host_9.example.org", "my-host_9.example.org", true},
    {"http://-", "-", true},
    {"http://example.org:*", "example.org:*", false},
};

static void test_origin_rows__same_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(origin_rows); i++) {
        const struct origin_row *row = &origin_rows[i];
        if (gust__ws_origin_is_same(gust_str_from(row->origin), gust_str_from(row->host)) !=
            row->same) {
            fail_msg("%s at %s", row->origin, row->host);
        }
    }
    assert_false(gust__ws_origin_is_same(gust_str_make(NULL, 0), gust_str_make(NULL, 0)));
    assert_false(gust__ws_origin_is_same(GUST_STR("http://a"), gust_str_make(NULL, 0)));
}

static const struct origin_row pattern_rows[] = {
    {"http://example.org", "example.org", true},
    {"https://example.org", "EXAMPLE.org", true},
    {"https://example.org", "https://example.org", true},
    {"http://example.org", "https://example.org", false},
    {"http://example.org:8080", "example.org", false},
    {"http://example.org:8080", "example.org:8080", true},
    {"http://example.org:8080", "example.org:*", true},
    {"http://example.org", "example.org:*", true},
    {"https://example.org:443", "example.org", true},
    {"http://example.org", "example.org:80", true},
    {"https://a.example.org", "*.example.org", true},
    {"https://A.B.Example.org", "*.example.org", true},
    {"https://example.org", "*.example.org", false},
    {"https://evilexample.org", "*.example.org", false},
    {"https://.example.org", "*.example.org", false},
    {"https://a..example.org", "*.example.org", false},
    {"https://a.example.org.net", "*.example.org", false},
    {"https://a.example.org:8443", "https://*.example.org:8443", true},
    {"https://a.example.org", "*.", false},
    {"https://a.example.org", "*", false},
    {"https://a.example.org", "a.*.org", false},
    {"capacitor://localhost", "localhost", false},
    {"capacitor://localhost", "capacitor://localhost", true},
    {"http://[::1]:9", "[::1]:9", true},
    {"null", "null", false},
    {"null", "*", false},
    {"http://*.example.org", "*.example.org", false},
    {"http://example.org:8080", "example.org:x", false},
    {"http://example.org:*", "example.org:*", false},
    {"http://a.", "*.", false},
    {"http://a", "*.example.org", false},
    {"http://xexample.org", "*.example.org", false},
    {"http://example.org", "", false},
    {"http://example.org", "https://", false},
};

static void test_pattern_rows__whole_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pattern_rows); i++) {
        const struct origin_row *row = &pattern_rows[i];
        if (gust__ws_origin_matches(gust_str_from(row->origin), gust_str_from(row->host)) !=
            row->same) {
            fail_msg("%s against %s", row->origin, row->host);
        }
    }
}

/* --- the key --- */

static void test_accept_key__the_vector_of_the_rfc(void **state)
{
    char out[GUST__WS_ACCEPT_LEN + 1] = {0};

    (void)state;
    out[GUST__WS_ACCEPT_LEN] = '!';
    assert_int_equal(gust__ws_accept_key(GUST_STR(KEY), out), 0);
    assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=!", sizeof(out));
    assert_int_equal(gust__ws_accept_key(GUST_STR("abc"), out), -EINVAL);
    assert_int_equal(gust__ws_accept_key(gust_str_make(NULL, 0), out), -EINVAL);
    assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=!", sizeof(out));
}

/* --- lists --- */

static void test_list__items_without_blanks_and_gaps(void **state)
{
    static const char *const want[] = {"a", "b c", "d"};
    gust_str rest = GUST_STR(" , a ,,\tb c\t, ,d,"), item;

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_true(gust__ws_list_next(&rest, &item));
        assert_true(gust_str_eq(item, gust_str_from(want[i])));
    }
    assert_false(gust__ws_list_next(&rest, &item));
    assert_false(gust__ws_list_next(&rest, &item));
}

static void test_list__has_and_tokens(void **state)
{
    (void)state;
    assert_true(gust__ws_list_has(GUST_STR("bad,good"), GUST_STR("GOOD")));
    assert_false(gust__ws_list_has(GUST_STR("bad,goodish"), GUST_STR("good")));
    assert_false(gust__ws_list_has(gust_str_make(NULL, 0), GUST_STR("good")));
    assert_true(gust__ws_list_is_tokens(GUST_STR("chat.v1, a_b!#$%&'*+-^`|~09AZaz")));
    assert_false(gust__ws_list_is_tokens(GUST_STR("a, b c")));
    assert_false(gust__ws_list_is_tokens(GUST_STR("a\"b\"")));
    assert_false(gust__ws_list_is_tokens(GUST_STR("caf\xc3\xa9")));
    assert_false(gust__ws_list_is_tokens(gust_str_make("a\0b", 3)));
    assert_false(gust__ws_list_is_tokens(gust_str_make(NULL, 0)));
}

/* Hostile lists of 1 MiB. What is linear takes milliseconds for all of them,
 * what is quadratic many minutes. */
static void test_list__linear_in_its_length(void **state)
{
    static const char fills[] = " \t,\\;\"=";
    enum { LEN = 1 << 20 };
    char *bytes = malloc(LEN);
    clock_t start = clock();

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i + 1 < sizeof(fills); i++) {
        gust_str list = gust_str_make(bytes, LEN);
        memset(bytes, fills[i], LEN);
        assert_false(gust__ws_list_has(list, GUST_STR("upgrade")));
        assert_false(gust__ws_list_is_tokens(list));
        assert_false(gust__ws_origin_is_same(list, list));
        assert_false(gust__ws_origin_matches(list, list));
    }
    for (size_t i = 0; i < LEN; i++) {
        bytes[i] = i % 2 == 0 ? 'a' : ',';
    }
    assert_true(gust__ws_list_is_tokens(gust_str_make(bytes, LEN)));
    assert_false(gust__ws_list_has(gust_str_make(bytes, LEN), GUST_STR("b")));
    assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_rows__status_and_text),
        cmocka_unit_test(test_refusal__carries_its_header),
        cmocka_unit_test(test_request__first_failing_check_decides),
        cmocka_unit_test(test_check_origin__asked_only_with_an_origin),
        cmocka_unit_test(test_origin_rows__same_or_not),
        cmocka_unit_test(test_pattern_rows__whole_labels),
        cmocka_unit_test(test_accept_key__the_vector_of_the_rfc),
        cmocka_unit_test(test_list__items_without_blanks_and_gaps),
        cmocka_unit_test(test_list__has_and_tokens),
        cmocka_unit_test(test_list__linear_in_its_length),
    };
    return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
