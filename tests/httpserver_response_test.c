/* Whole responses as they go over the wire: heads, framing, what a program may say
 * itself, and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/version.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define GET_10 "GET / HTTP/1.0\r\n\r\n"
#define GET_10_KEEP "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define OURS "Server: Gust/" GUST_VERSION "\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
#define NONE GUST_STR("")

static struct http_site site;
static struct http_peer peer;
static void (*script)(gust_request *req);

static void run_script(struct http_site *s, gust_request *req)
{
    (void)s;
    script(req);
}

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    http_site_start(&site, NULL);
    site.on_finish = run_script;
    return 0;
}

static int after(void **state)
{
    (void)state;
    http_peer_close(&peer);
    http_site_stop(&site);
    alloc_count_end();
    return 0;
}

static void ask(const char *text, void (*fn)(gust_request *req))
{
    http_peer_close(&peer);
    script = fn;
    assert_int_equal(http_peer_open(&peer, &site), 0);
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_site_turn(&site, 10);
}

/* The answer is exactly this, and the connection goes on, or does not. */
static void assert_sent(const char *want, bool goes_on)
{
    assert_string_equal(peer.text, want);
    assert_int_equal(peer.ended, !goes_on);
}

static gust_headers list; /* of the running script */

static void begin(gust_request *req)
{
    gust_headers_init(&list, gust_request_arena(req));
}

static void add(const char *name, const char *value)
{
    assert_int_equal(gust_headers_add(&list, gust_str_from(name), gust_str_from(value)), 0);
}

/* respond() with the list. */
static int respond(gust_request *req, int status, const char *body)
{
    gust_response response = {.status = status, .headers = &list};
    return gust_request_respond(req, &response, gust_str_from(body));
}

/* ---- whole responses --------------------------------------------------------- */

static void plain(gust_request *req)
{
    gust_response response = {.status = 200, .content_type = GUST_STR("text/plain")};
    assert_int_equal(gust_request_respond(req, &response, GUST_STR("hello")), 0);
    assert_true(gust_request_headers_sent(req));
    assert_true(gust_request_is_finished(req));
}

static void bare(gust_request *req)
{
    begin(req);
    assert_int_equal(respond(req, 200, ""), 0);
}

static void not_found(gust_request *req)
{
    begin(req);
    add("X-A", "b");
    add("X-a", "c");
    assert_int_equal(respond(req, 404, "no"), 0);
}

static void test_whole__exact_bytes(void **state)
{
    (void)state;
    ask(GET, plain);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
                "hello",
                true);
    ask(GET, bare);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 0\r\n\r\n", true);
    ask(GET, not_found);
    assert_sent("HTTP/1.1 404 Not Found\r\n" OURS "Content-Length: 2\r\nX-A: b\r\nX-a: c\r\n\r\nno",
                true);
}

static void test_whole__by_version_and_persistence(void **state)
{
    (void)state;
    ask(GET_CLOSE, bare);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 0\r\nConnection: close\r\n\r\n", false);
    ask(GET_10, bare);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 0\r\n\r\n", false);
    ask(GET_10_KEEP, bare);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
                true);
}

/* The quick way and the general one say the same. */
static void general(gust_request *req)
{
    gust_response response = {
        .status = 200, .reason = GUST_STR("OK"), .content_type = GUST_STR("text/plain")};
    assert_int_equal(gust_request_respond(req, &response, GUST_STR("hello")), 0);
}

static void test_whole__both_ways_alike(void **state)
{
    (void)state;
    char first[300];
    ask(GET, plain);
    snprintf(first, sizeof(first), "%s", peer.text);
    ask(GET, general);
    assert_string_equal(peer.text, first);
}

static const char *const types[] = {"text/plain", "text/html; charset=UTF-8", "a", "text/plain"};
static size_t type_index;

static void typed(gust_request *req)
{
    gust_response response = {.status = 200};
    response.content_type = gust_str_from(types[type_index]);
    assert_int_equal(gust_request_respond(req, &response, GUST_STR("x")), 0);
}

static void test_content_type__each_its_own(void **state)
{
    (void)state;
    for (type_index = 0; type_index < 4; type_index++) {
        ask(GET, typed);
        assert_string_equal(http_peer_field(&peer, "Content-Type"), types[type_index]);
        assert_int_equal(http_peer_field_count(&peer, "Content-Type"), 1);
    }
}

static size_t type_len;

static void typed_long(gust_request *req)
{
    char type[2000];
    gust_response response = {.status = 200};
    memset(type, 't', sizeof(type));
    response.content_type = gust_str_make(type, type_len);
    assert_int_equal(gust_request_respond(req, &response, GUST_STR("x")), 0);
}

static void test_content_type__long_ones(void **state)
{
    static const size_t lengths[] = {127, 128, 129, 1500, 2000};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        type_len = lengths[i];
        ask(GET GET, typed_long);
        assert_int_equal(strlen(http_peer_field(&peer, "Content-Type")), type_len);
        assert_int_equal(http_peer_answers(&peer), 2);
    }
}

static void test_date__moves_with_the_clock(void **state)
{
    (void)state;
    ask(GET, plain);
    assert_string_equal(http_peer_field(&peer, "Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    http_site_pass(&site, GUST_MILLIS(999));
    ask(GET, plain);
    assert_string_equal(http_peer_field(&peer, "Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    http_site_pass(&site, GUST_MILLIS(1));
    ask(GET, plain);
    assert_string_equal(http_peer_field(&peer, "Date"), "Thu, 01 Jan 2026 00:00:01 GMT");
    http_site_pass(&site, GUST_SECONDS(86400));
    ask(GET, bare);
    assert_string_equal(http_peer_field(&peer, "Date"), "Fri, 02 Jan 2026 00:00:01 GMT");
}

static void own_reason(gust_request *req)
{
    gust_response response = {.status = 200, .reason = GUST_STR("Very Well")};
    assert_int_equal(gust_request_respond(req, &response, NONE), 0);
}

static void odd_status(gust_request *req)
{
    begin(req);
    assert_int_equal(respond(req, 99, ""), -EINVAL);
    assert_int_equal(respond(req, 1000, ""), -EINVAL);
    assert_int_equal(respond(req, -200, ""), -EINVAL);
    assert_int_equal(respond(req, 100, ""), -EINVAL); /* no end of anything */
    assert_int_equal(respond(req, 799, ""), 0);
}

static void test_status_line(void **state)
{
    (void)state;
    ask(GET, own_reason);
    assert_memory_equal(peer.text, "HTTP/1.1 200 Very Well\r\n", 24);
    ask(GET, odd_status);
    assert_memory_equal(peer.text, "HTTP/1.1 799 Unknown\r\n", 22);
}

/* ---- what a program says itself ---------------------------------------------- */

static void own_names(gust_request *req)
{
    begin(req);
    add("dAtE", "today");
    add("SERVER", "mine");
    assert_int_equal(respond(req, 200, "x"), 0);
}

static void own_date(gust_request *req)
{
    begin(req);
    add("Date", "today");
    assert_int_equal(respond(req, 200, "x"), 0);
}

static void own_server(gust_request *req)
{
    begin(req);
    add("Server", "mine");
    assert_int_equal(respond(req, 404, "x"), 0);
}

static void test_own__date_and_server(void **state)
{
    (void)state;
    ask(GET, own_names);
    assert_sent("HTTP/1.1 200 OK\r\nContent-Length: 1\r\ndAtE: today\r\nSERVER: mine\r\n\r\nx",
                true);
    ask(GET, own_date);
    assert_sent("HTTP/1.1 200 OK\r\nServer: Gust/" GUST_VERSION
                "\r\nContent-Length: 1\r\nDate: today\r\n\r\nx",
                true);
    ask(GET, own_server);
    assert_sent("HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                "Content-Length: 1\r\nServer: mine\r\n\r\nx",
                true);
    http_peer_close(&peer);
    http_site_stop(&site);
    http_site_start(&site, &(gust_httpserver_options){.no_server_header = true});
    site.on_finish = run_script;
    ask(GET, own_date);
    assert_sent("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nDate: today\r\n\r\nx", true);
}

static const char *own_value; /* of Connection, or of Content-Length */
static int own_status;
static int want_code;

static void own_connection(gust_request *req)
{
    begin(req);
    add("Connection", own_value);
    assert_int_equal(respond(req, 200, ""), 0);
}

/* N13 */
static void test_own__connection(void **state)
{
    static const struct {
        const char *request, *value, *lines;
        bool goes_on;
    } rows[] = {
        {GET, "close", "Connection: close\r\n", false},
        {GET, "foo, Close", "Connection: foo, Close\r\n", false},
        {GET, "keep-alive", "Connection: keep-alive\r\n", true},
        {GET, "X-Hop", "Connection: X-Hop\r\n", true},
        {GET_CLOSE, "close", "Connection: close\r\n", false},
        {GET_CLOSE, "X-Hop", "Connection: X-Hop\r\nConnection: close\r\n", false},
        {GET_10_KEEP, "close", "Connection: close\r\n", false},
        {GET_10, "close", "Connection: close\r\n", false},
    };
    char want[300];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        own_value = rows[i].value;
        ask(rows[i].request, own_connection);
        snprintf(want, sizeof(want), "HTTP/1.1 200 OK\r\n" OURS "Content-Length: 0\r\n%s\r\n",
                 rows[i].lines);
        assert_sent(want, rows[i].goes_on);
    }
}

/* S28 */
static void own_length(gust_request *req)
{
    begin(req);
    add("Content-Length", own_value);
    assert_int_equal(respond(req, 200, "0123456789"), want_code);
    if (want_code != 0) {
        assert_false(gust_request_headers_sent(req));
        gust_headers_remove(&list, GUST_STR("Content-Length"));
        assert_int_equal(respond(req, 200, "0123456789"), 0);
    }
}

static void test_own__length_of_a_whole_body(void **state)
{
    static const char *const bad[] = {"foo", "+10",  "1_0", "",   " 10", "10 ",
                                      "0xa", "10.0", "9",   "11", "-10", "99999999999999999999"};
    (void)state;
    own_value = "10";
    want_code = 0;
    ask(GET, own_length);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 10\r\n\r\n0123456789", true);
    want_code = GUST_ELENGTH;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        own_value = bad[i];
        ask(GET, own_length);
        assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 10\r\n\r\n0123456789", true);
    }
}

static void two_lengths(gust_request *req)
{
    begin(req);
    add("Content-Length", "2");
    add("content-length", own_value);
    assert_int_equal(respond(req, 200, "ab"), GUST_ELENGTH);
    gust_headers_set(&list, GUST_STR("Content-Length"), GUST_STR("2"));
    add("Transfer-Encoding", "chunked");
    assert_int_equal(respond(req, 200, "ab"), GUST_EHEADER);
    gust_headers_remove(&list, GUST_STR("transfer-encoding"));
    assert_int_equal(respond(req, 200, "ab"), 0);
}

static void test_own__framing_that_contradicts_itself(void **state)
{
    (void)state;
    own_value = "2";
    ask(GET, two_lengths);
    assert_int_equal(http_peer_field_count(&peer, "Content-Length"), 1);
    own_value = "3";
    ask(GET, two_lengths);
    assert_int_equal(http_peer_field_count(&peer, "Content-Length"), 1);
    assert_int_equal(http_peer_field_count(&peer, "Transfer-Encoding"), 0);
}

/* ---- no body ----------------------------------------------------------------- */

static void bodiless(gust_request *req)
{
    begin(req);
    if (own_value != NULL) {
        add("Content-Length", own_value);
    }
    assert_int_equal(respond(req, own_status, "x"), GUST_ELENGTH);
    assert_int_equal(respond(req, own_status, ""), 0);
}

static void test_204_and_304__have_no_body(void **state)
{
    (void)state;
    own_value = NULL;
    own_status = 204;
    ask(GET GET, bodiless);
    assert_sent("HTTP/1.1 204 No Content\r\n" OURS "\r\nHTTP/1.1 204 No Content\r\n" OURS "\r\n",
                true);
    own_status = 304;
    ask(GET, bodiless);
    assert_sent("HTTP/1.1 304 Not Modified\r\n" OURS "\r\n", true);
    own_value = "42";
    ask(GET, bodiless);
    assert_sent("HTTP/1.1 304 Not Modified\r\n" OURS "Content-Length: 42\r\n\r\n", true);
    own_status = 204; /* RFC 9110 8.6: must not have one */
    ask(GET, bodiless);
    assert_sent("HTTP/1.1 204 No Content\r\n" OURS "\r\n", true);
}

static void head_respond(gust_request *req)
{
    begin(req);
    if (own_value != NULL) {
        add("Content-Length", own_value);
    }
    assert_int_equal(respond(req, 200, "hello"), 0);
}

static void head_stream(gust_request *req)
{
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("dropped")), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("dropped"), NULL, NULL), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

static void head_stream_with_length(gust_request *req)
{
    gust_response response = {.status = 200, .headers = &list};
    begin(req);
    add("Content-Length", "1000");
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("dropped")), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

/* P10 */
static void test_head__counted_and_not_sent(void **state)
{
    (void)state;
    own_value = NULL;
    ask(HEAD GET, head_respond);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 5\r\n\r\n"
                "HTTP/1.1 200 OK\r\n" OURS "Content-Length: 5\r\n\r\nhello",
                true);
    own_value = "5";
    ask(HEAD, head_respond);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 5\r\n\r\n", true);
    own_value = "77"; /* what GET would say may not be known to the program here */
    ask(HEAD, head_respond);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 77\r\n\r\n", true);
    ask(HEAD HEAD, head_stream);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "\r\nHTTP/1.1 200 OK\r\n" OURS "\r\n", true);
    ask(HEAD, head_stream_with_length);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Content-Length: 1000\r\n\r\n", true);
    ask("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head_stream);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Connection: Keep-Alive\r\n\r\n", true);
}

static void hints(gust_request *req)
{
    gust_response response = {.status = 103, .headers = &list};
    begin(req);
    add("Link", "</a>");
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("x")), GUST_ELENGTH);
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    assert_false(gust_request_headers_sent(req));
    response.headers = NULL;
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("x"), NULL, NULL), GUST_ESTATE);
    plain(req);
}

static void test_1xx__before_the_answer(void **state)
{
    (void)state;
    ask(GET, hints);
    assert_sent("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
                "HTTP/1.1 200 OK\r\n" OURS
                "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
                true);
    ask(GET_10, hints); /* RFC 9110 15.2: HTTP/1.0 does not know them */
    assert_int_equal(http_peer_answers(&peer), 1);
    ask(GET_CLOSE, hints);
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_false(strstr(peer.text, "Connection: close") < strstr(peer.text, "200 OK"));
}

/* ---- injection: S2.1 --------------------------------------------------------- */

enum { IN_REASON, IN_TYPE, IN_ETAG, IN_NAME, IN_VALUE, IN_PLACES };
static int inject_where;
static gust_str inject_text;

/* Every string of a program that can come into a head. */
static int try_injection(gust_request *req, bool whole)
{
    gust_response response = {.status = 200, .content_type = GUST_STR("text/plain")};
    int status = 0;
    begin(req);
    switch (inject_where) {
    case IN_REASON: response.reason = inject_text; break;
    case IN_TYPE: response.content_type = inject_text; break;
    case IN_ETAG: response.etag = inject_text; break;
    case IN_NAME: status = gust_headers_add(&list, inject_text, GUST_STR("v")); break;
    default: status = gust_headers_add(&list, GUST_STR("N"), inject_text); break;
    }
    if (status == 0) {
        response.headers = &list;
        status = whole ? gust_request_respond(req, &response, GUST_STR("x"))
                       : gust_request_write_headers(req, &response, GUST_STR("x"));
    }
    return status;
}

static void inject(gust_request *req)
{
    assert_int_equal(try_injection(req, true), GUST_EHEADER);
    assert_int_equal(try_injection(req, false), GUST_EHEADER);
    assert_false(gust_request_headers_sent(req));
    plain(req);
}

static void test_injection__each_byte_at_each_place(void **state)
{
    char text[40];
    char clean[300];
    (void)state;
    ask(GET, plain);
    snprintf(clean, sizeof(clean), "%s", peer.text);
    for (inject_where = 0; inject_where < IN_PLACES; inject_where++) {
        for (int c = 0; c <= 0x20; c++) {
            char byte = (char)(c == 0x20 ? 0x7f : c);
            for (size_t len = 3; len <= 40; len += 37) {
                for (size_t at = 0; at < len && byte != '\t'; at += (len - 1) / 2) {
                    memset(text, 'a', sizeof(text));
                    text[at] = byte;
                    inject_text = gust_str_make(text, len);
                    ask(GET, inject);
                    assert_string_equal(peer.text, clean); /* as if nothing had been tried */
                }
            }
        }
    }
}

static void inject_etag(gust_request *req)
{
    gust_response response = {
        .status = 200, .content_type = GUST_STR("text/plain"), .etag = GUST_STR("\"x\"")};
    assert_int_equal(gust_request_respond(req, &response, GUST_STR("hello")), 0);
}

static void test_etag__is_a_field(void **state)
{
    (void)state;
    ask(GET, inject_etag);
    assert_string_equal(http_peer_field(&peer, "Etag"), "\"x\"");
    ask(GET_CLOSE, inject_etag);
    assert_string_equal(http_peer_field(&peer, "Etag"), "\"x\"");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_whole__exact_bytes),
        CASE(test_whole__by_version_and_persistence),
        CASE(test_whole__both_ways_alike),
        CASE(test_content_type__each_its_own),
        CASE(test_content_type__long_ones),
        CASE(test_date__moves_with_the_clock),
        CASE(test_status_line),
        CASE(test_own__date_and_server),
        CASE(test_own__connection),
        CASE(test_own__length_of_a_whole_body),
        CASE(test_own__framing_that_contradicts_itself),
        CASE(test_204_and_304__have_no_body),
        CASE(test_head__counted_and_not_sent),
        CASE(test_1xx__before_the_answer),
        CASE(test_injection__each_byte_at_each_place),
        CASE(test_etag__is_a_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
