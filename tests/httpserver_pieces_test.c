/* Responses in pieces, large ones, those whose bytes are given away, and what is
 * told of writes. */
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

/* ---- pieces ------------------------------------------------------------------ */

static void stream(gust_request *req)
{
    gust_response response = {.status = 200, .content_type = GUST_STR("a/b")};
    char large[0x12345];
    memset(large, 'l', sizeof(large));
    assert_int_equal(gust_request_write(req, GUST_STR("x"), NULL, NULL), GUST_ESTATE);
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("first")), 0);
    assert_true(gust_request_headers_sent(req));
    assert_int_equal(gust_request_write_headers(req, &response, NONE), GUST_ESTATE);
    assert_int_equal(gust_request_respond(req, &response, NONE), GUST_ESTATE);
    assert_int_equal(gust_request_write(req, NONE, NULL, NULL), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("0123456789abcdef"), NULL, NULL), 0);
    assert_int_equal(gust_request_write(req, gust_str_make(large, sizeof(large)), NULL, NULL), 0);
    gust_request_flush(req);
    assert_int_equal(gust_request_finish(req), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("x"), NULL, NULL), GUST_ESTATE);
}

static void test_pieces__chunked(void **state)
{
    static const char begin_text[] = "HTTP/1.1 200 OK\r\n" OURS
                                     "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "5\r\nfirst\r\n10\r\n0123456789abcdef\r\n12345\r\nl";
    (void)state;
    ask(GET GET, stream);
    assert_memory_equal(peer.text, begin_text, sizeof(begin_text) - 1);
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_string_equal(peer.text + peer.len - 10, "lll\r\n0\r\n\r\n");
    assert_false(peer.ended);
}

/* N12 */
static void test_pieces__http_10_ended_by_closing(void **state)
{
    static const char begin_text[] = "HTTP/1.1 200 OK\r\n" OURS
                                     "Content-Type: a/b\r\nConnection: close\r\n\r\n"
                                     "first0123456789abcdefl";
    (void)state;
    ask(GET_10_KEEP, stream);
    assert_memory_equal(peer.text, begin_text, sizeof(begin_text) - 1);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_string_equal(peer.text + peer.len - 4, "llll");
    ask(GET_10, stream);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_field_count(&peer, "Connection"), 0);
    assert_string_equal(peer.text + peer.len - 4, "llll");
}

static void stream_nothing(gust_request *req)
{
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_pieces__none(void **state)
{
    (void)state;
    ask(GET, stream_nothing);
    assert_sent("HTTP/1.1 200 OK\r\n" OURS "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true);
}

static void stream_204(gust_request *req)
{
    gust_response response = {.status = 204};
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("x")), GUST_ELENGTH);
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("x"), NULL, NULL), GUST_ELENGTH);
    assert_true(gust_request_is_connected(req));
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_pieces__of_a_204(void **state)
{
    (void)state;
    ask(GET GET, stream_204);
    assert_sent("HTTP/1.1 204 No Content\r\n" OURS "\r\nHTTP/1.1 204 No Content\r\n" OURS "\r\n",
                true);
}

static const char *later_piece;

static void stream_counted(gust_request *req)
{
    gust_response response = {.status = 200, .headers = &list};
    begin(req);
    add("Content-Length", "10");
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("01234567890")),
                     GUST_ELENGTH);
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("012345")), 0);
    int status = gust_request_write(req, gust_str_from(later_piece), NULL, NULL);
    assert_int_equal(status, strlen(later_piece) > 4 ? GUST_ELENGTH : 0);
    assert_int_equal(gust_request_is_connected(req), status == 0);
    int end = gust_request_finish(req);
    assert_int_equal(end, strlen(later_piece) < 4 ? GUST_ELENGTH : 0);
}

static void test_pieces__counted(void **state)
{
    (void)state;
    later_piece = "6789";
    ask(GET GET, stream_counted);
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_false(peer.ended);
    later_piece = "6789x"; /* more than announced: ended, and not a byte too many */
    ask(GET GET, stream_counted);
    assert_true(peer.ended);
    assert_null(strstr(peer.text, "x"));
    later_piece = "678"; /* less: ended */
    ask(GET GET, stream_counted);
    assert_true(peer.ended);
    assert_int_equal(http_peer_answers(&peer), 0);
}

static void unanswered(gust_request *req)
{
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_finish__without_an_answer(void **state)
{
    (void)state;
    ask(GET GET, unanswered);
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_memory_equal(peer.text, "HTTP/1.1 500 Internal Server Error\r\n", 36);
    assert_string_equal(http_peer_field(&peer, "Content-Length"), "0");
}

/* ---- callbacks of writes ----------------------------------------------------- */

static gust_request *kept;
static int written;        /* how often it was told */
static int written_status; /* the last */

static void on_written(gust_request *req, int status, void *user)
{
    assert_ptr_equal(req, kept);
    assert_ptr_equal(user, &written);
    written++;
    written_status = status;
}

static void write_and_keep(gust_request *req)
{
    gust_response response = {.status = 200};
    kept = req;
    written = 0;
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    assert_int_equal(gust_request_write(req, GUST_STR("a"), on_written, &written), 0);
    assert_int_equal(gust_request_write(req, NONE, on_written, &written), 0);
    assert_int_equal(written, 0);
}

static void write_and_finish(gust_request *req)
{
    write_and_keep(req);
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_written__told_once_sent(void **state)
{
    (void)state;
    ask(GET, write_and_keep);
    assert_int_equal(written, 2);
    assert_int_equal(written_status, 0);
    assert_int_equal(gust_request_finish(kept), 0);
    http_site_turn(&site, 4);
    assert_int_equal(written, 2);
}

static void test_written__not_after_the_end(void **state)
{
    (void)state;
    ask(GET GET, write_and_finish);
    assert_int_equal(written, 0);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void test_written__client_is_gone(void **state)
{
    (void)state;
    site.on_gone = http_site_later;
    ask(GET, write_and_keep);
    http_peer_leave(&peer);
    http_site_turn(&site, 4);
    gust_httpserver_close_all_connections(site.server);
    http_site_turn(&site, 4);
    written = 0;
    assert_int_equal(gust_request_write(kept, GUST_STR("b"), on_written, &written), 0);
    assert_int_equal(written, 0);
    http_site_turn(&site, 4);
    assert_int_equal(written, 1);
    assert_int_equal(written_status, GUST_ECLOSED);
    assert_int_equal(gust_request_write(kept, GUST_STR("c"), on_written, &written), 0);
    assert_int_equal(gust_request_finish(kept), 0);
    http_site_turn(&site, 4);
    assert_int_equal(written, 1);
}

/* Everything ends in the turn in which the callback was asked for. */
static void write_to_nobody(gust_request *req)
{
    gust_response response = {.status = 200};
    kept = req;
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    gust_httpserver_free(site.server);
    site.server = NULL;
    assert_int_equal(gust_request_write(req, GUST_STR("a"), on_written, &written), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_written__server_freed_meanwhile(void **state)
{
    (void)state;
    written = 0;
    ask(GET, write_to_nobody);
    assert_int_equal(written, 0);
    assert_int_equal(site.closes, 1);
}

/* Without memory for the callback nothing may be sent: nobody could tell whether
 * the piece is out. */
static void write_without_memory(gust_request *req)
{
    gust_response response = {.status = 200};
    written = 0;
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    alloc_count_fail_at(1, true);
    assert_int_equal(gust_request_write(req, GUST_STR("a"), on_written, &written), -ENOMEM);
    alloc_count_fail_at(0, false);
    assert_false(gust_request_is_connected(req));
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_written__no_memory_to_tell(void **state)
{
    (void)state;
    ask(GET GET, write_without_memory);
    assert_true(peer.ended);
    assert_int_equal(http_peer_answers(&peer), 0);
    assert_int_equal(written, 0);
}

static void write_many(gust_request *req)
{
    gust_response response = {.status = 200};
    kept = req;
    written = 0;
    assert_int_equal(gust_request_write_headers(req, &response, NONE), 0);
    for (int i = 0; i < 70000; i++) {
        assert_int_equal(gust_request_write(req, NONE, on_written, &written), 0);
    }
}

static void test_written__many_at_once(void **state)
{
    (void)state;
    ask(GET, write_many);
    assert_int_equal(written, 70000);
    assert_int_equal(gust_request_finish(kept), 0);
}

/* ---- broken off ---------------------------------------------------------------- */

static void break_off(gust_request *req)
{
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("half")), 0);
    gust_request_abort(req);
    gust_request_abort(req);
    assert_false(gust_request_is_connected(req));
    assert_int_equal(gust_request_write(req, GUST_STR("more"), NULL, NULL), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

static void break_off_unbegun(gust_request *req)
{
    gust_request_abort(req);
    assert_int_equal(gust_request_finish(req), 0);
}

static void break_off_later(gust_request *req)
{
    gust_response response = {.status = 200};
    kept = req;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("half")), 0);
    gust_request_abort(req);
}

static void test_abort__what_was_written_and_no_end(void **state)
{
    (void)state;
    site.on_gone = http_site_later;
    ask(GET GET, break_off);
    assert_true(peer.ended);
    assert_string_equal(peer.text + peer.len - 9, "4\r\nhalf\r\n");
    assert_int_equal(site.finishes, 1);
    ask(GET GET, break_off_unbegun);
    assert_true(peer.ended);
    assert_int_equal(peer.len, 0);
    site.gones = 0;
    ask(GET GET, break_off_later);
    assert_true(peer.ended);
    assert_string_equal(peer.text + peer.len - 9, "4\r\nhalf\r\n");
    assert_int_equal(site.gones, 1);
    assert_int_equal(gust_request_finish(kept), 0);
}

/* ---- large ------------------------------------------------------------------- */

static size_t large_len;

static void large_fields(gust_request *req)
{
    char value[1000];
    begin(req);
    memset(value, 'v', sizeof(value));
    for (size_t left = large_len; left > 0;) {
        size_t n = left < sizeof(value) ? left : sizeof(value);
        assert_int_equal(gust_headers_add(&list, GUST_STR("X-L"), gust_str_make(value, n)), 0);
        left -= n;
    }
    assert_int_equal(respond(req, 200, "body"), 0);
}

/* Around the 2 KiB that are formatted in place. */
static void test_large__heads(void **state)
{
    (void)state;
    for (large_len = 1500; large_len < 2200; large_len++) {
        ask(GET GET, large_fields);
        assert_int_equal(http_peer_answers(&peer), 2);
        assert_int_equal(peer.len % 2, 0);
        assert_memory_equal(peer.text, peer.text + peer.len / 2, peer.len / 2);
        assert_memory_equal(peer.text + peer.len - 8, "\r\n\r\nbody", 8);
    }
    large_len = 300000;
    ask(GET, large_fields);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.len > 300000);
}

static char large_body[2000000];

static void large_copied(gust_request *req)
{
    gust_response response = {.status = 200, .content_type = GUST_STR("text/plain")};
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(large_body, large_len)), 0);
}

static void assert_large_body(void)
{
    struct http_answer a;
    assert_true(http_answer_read(peer.text, false, &a));
    assert_int_equal(a.body_len, large_len);
    assert_memory_equal(a.body, large_body, large_len);
    assert_true(a.end == peer.text + peer.len);
}

static void test_large__bodies(void **state)
{
    static const size_t lengths[] = {4095, 8192, 8193, 16384, 65536, 2000000};
    (void)state;
    for (large_len = 1700; large_len < 2100; large_len++) {
        ask(GET, large_copied);
        assert_large_body();
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        large_len = lengths[i];
        ask(GET, large_copied);
        http_site_turn(&site, 200);
        assert_large_body();
    }
}

/* ---- bodies that are given away ---------------------------------------------- */

static int freed;
static int own_status;
static int want_code;

static void free_body(void *user)
{
    assert_ptr_equal(user, &freed);
    freed++;
}

static void adopted(gust_request *req)
{
    gust_response response = {.status = own_status, .content_type = GUST_STR("text/plain")};
    freed = 0;
    gust_str body = gust_str_make(large_body, large_len);
    assert_int_equal(gust_request_respond_adopt(req, &response, body, free_body, &freed),
                     want_code);
    if (want_code != 0) {
        assert_int_equal(freed, 1);
        unanswered(req);
    }
}

static void test_adopt__freed_exactly_once(void **state)
{
    static const size_t lengths[] = {0, 1, 1800, 8192, 8193, 2000000};
    (void)state;
    own_status = 200;
    want_code = 0;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        large_len = lengths[i];
        ask(GET, adopted);
        http_site_turn(&site, 200);
        assert_int_equal(freed, 1);
        assert_large_body();
        ask(HEAD, adopted);
        assert_int_equal(freed, 1);
        assert_memory_equal(peer.text + peer.len - 4, "\r\n\r\n", 4);
    }
}

static void test_adopt__refused(void **state)
{
    (void)state;
    large_len = 100;
    own_status = 204;
    want_code = GUST_ELENGTH;
    ask(GET, adopted);
    assert_int_equal(http_peer_status(&peer, 0), 500);
    own_status = 10;
    want_code = -EINVAL;
    ask(GET, adopted);
    assert_int_equal(http_peer_status(&peer, 0), 500);
    assert_int_equal(freed, 1);
}

static void keep_request(gust_request *req)
{
    kept = req;
}

static void test_adopt__client_is_gone_before_and_meanwhile(void **state)
{
    (void)state;
    site.on_gone = http_site_later;
    own_status = 200;
    want_code = 0;
    large_len = 2000000;
    ask(GET, keep_request);
    http_peer_leave(&peer);
    http_site_turn(&site, 4);
    gust_httpserver_close_all_connections(site.server);
    http_site_turn(&site, 4);
    adopted(kept);
    assert_int_equal(freed, 1);
    http_site_turn(&site, 4);
    ask(GET, keep_request);
    http_peer_stall(&peer, true);
    adopted(kept);
    http_site_turn(&site, 4);
    assert_int_equal(freed, 0);
    http_peer_leave(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(freed, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_pieces__chunked),
        CASE(test_pieces__http_10_ended_by_closing),
        CASE(test_pieces__none),
        CASE(test_pieces__of_a_204),
        CASE(test_pieces__counted),
        CASE(test_finish__without_an_answer),
        CASE(test_written__told_once_sent),
        CASE(test_written__not_after_the_end),
        CASE(test_written__client_is_gone),
        CASE(test_written__server_freed_meanwhile),
        CASE(test_written__no_memory_to_tell),
        CASE(test_abort__what_was_written_and_no_end),
        CASE(test_written__many_at_once),
        CASE(test_large__heads),
        CASE(test_large__bodies),
        CASE(test_adopt__freed_exactly_once),
        CASE(test_adopt__refused),
        CASE(test_adopt__client_is_gone_before_and_meanwhile),
    };
    for (size_t i = 0; i < sizeof(large_body); i++) {
        large_body[i] = (char)('a' + i % 23);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
