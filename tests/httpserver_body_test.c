/* Bodies of requests: buffered and streamed, counted and chunked, pauses, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static struct http_site site;
static struct http_peer peer;
static char got[200000]; /* what data_received got */
static size_t got_len;
static size_t pieces[64];
static size_t piece_count;

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    got_len = piece_count = 0;
    http_site_start(&site, NULL);
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

static void restart(const gust_httpserver_options *options)
{
    http_site_stop(&site);
    http_site_start(&site, options);
    got_len = piece_count = 0;
}

static void open_peer(void)
{
    assert_int_equal(http_peer_open(&peer, &site), 0);
}

static void say(const char *text)
{
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_site_turn(&site, 8);
}

static void echo(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_request_body(req)), 0);
}

static int stream(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_stream_body(req);
    return 0;
}

static int gather(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)s;
    (void)req;
    assert_true(got_len + chunk.len < sizeof(got));
    memcpy(got + got_len, chunk.ptr, chunk.len);
    got_len += chunk.len;
    got[got_len] = '\0';
    if (piece_count < 64) {
        pieces[piece_count] = chunk.len;
    }
    piece_count++;
    return 0;
}

/* The first answer's body. */
static void assert_answered(int status, const char *body)
{
    struct http_answer a;
    assert_true(http_answer_read(peer.text, false, &a));
    assert_int_equal(a.status, status);
    assert_int_equal(a.body_len, strlen(body));
    assert_memory_equal(a.body, body, a.body_len);
}

/* ---- buffered ---------------------------------------------------------------- */

static void test_buffered__in_every_cut(void **state)
{
    static const char text[] = POST "Content-Length: 11\r\n\r\nhello\r\nwxyz" GET;
    (void)state;
    site.on_finish = echo;
    for (size_t first = 1; first < sizeof(text); first++) {
        open_peer();
        assert_int_equal(http_peer_feed(&peer, text, sizeof(text) - 1, first, 0), 0);
        http_site_turn(&site, 6);
        assert_answered(200, "hello\r\nwxyz");
        assert_int_equal(http_peer_answers(&peer), 2);
        http_peer_close(&peer);
    }
    open_peer();
    assert_int_equal(http_peer_feed(&peer, text, sizeof(text) - 1, 1, 1), 0);
    http_site_turn(&site, 6);
    assert_answered(200, "hello\r\nwxyz");
    assert_int_equal(http_peer_answers(&peer), 2);
}

/* S20 */
static void test_chunked__put_together(void **state)
{
    (void)state;
    site.on_finish = echo;
    open_peer();
    say(POST "Transfer-Encoding: Chunked\r\n\r\n4\r\nfoo=\r\n3\r\nbar\r\n0\r\n\r\n" GET);
    assert_answered(200, "foo=bar");
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_string_equal(site.trace, "head finish head finish ");
}

static void test_empty_bodies__are_whole_at_once(void **state)
{
    (void)state;
    site.on_finish = echo;
    open_peer();
    say(POST "Content-Length: 0\r\n\r\n" CHUNKED "0\r\n\r\n" POST "\r\n");
    assert_answered(200, "");
    assert_int_equal(http_peer_answers(&peer), 3);
}

static char *make_upload(size_t body, const char *head, size_t *out_len)
{
    char *text = malloc(body + 300);
    assert_non_null(text);
    int n = snprintf(text, 300, "%sContent-Length: %zu\r\n\r\n", head, body);
    for (size_t i = 0; i < body; i++) {
        text[(size_t)n + i] = (char)('a' + i % 23);
    }
    *out_len = (size_t)n + body;
    text[*out_len] = '\0';
    return text;
}

static void test_buffered__large(void **state)
{
    size_t len;
    char *text = make_upload(3000000, POST "Connection: close\r\n", &len);
    (void)state;
    site.on_finish = echo;
    open_peer();
    assert_int_equal(http_peer_send(&peer, text, len), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_true(peer.len > 3000000);
    assert_memory_equal(peer.text + peer.len - 3000000, text + len - 3000000, 3000000);
    free(text);
}

/* ---- streamed ---------------------------------------------------------------- */

/* B04 */
static void test_streamed__pieces_of_chunk_size(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.chunk_size = 16});
    site.on_head = stream;
    site.on_data = gather;
    open_peer();
    say(POST "Content-Length: 50\r\n\r\n01234567890123456789012345678901234567890123456789");
    assert_string_equal(site.trace, "head data(16) data(16) data(16) data(2) finish ");
    assert_string_equal(got, "01234567890123456789012345678901234567890123456789");
    assert_answered(200, "hello");
}

/* B05 */
static void test_streamed__chunk_borders_show(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.chunk_size = 16});
    site.on_head = stream;
    open_peer();
    say(CHUNKED "14\r\n01234567890123456789\r\n1e\r\n012345678901234567890123456789\r\n0\r\n\r\n");
    assert_string_equal(site.trace, "head data(16) data(4) data(16) data(14) finish ");
    assert_int_equal(http_peer_answers(&peer), 1);
}

static int gather_and_wait(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)gather(s, req, chunk);
    return GUST_PENDING;
}

/* The same with a pause after each piece. */
static void test_streamed__paused_after_each_piece(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.chunk_size = 16});
    site.on_head = stream;
    site.on_data = gather_and_wait;
    open_peer();
    say(CHUNKED
        "14\r\n01234567890123456789\r\n1e\r\n012345678901234567890123456789\r\n0\r\n\r\n" GET);
    static const size_t want[] = {16, 4, 16, 14};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(piece_count, i + 1);
        assert_int_equal(pieces[i], want[i]);
        assert_int_equal(site.finishes, 0);
        http_site_pass(&site, GUST_SECONDS(100)); /* the peer is not to blame */
        assert_int_equal(piece_count, i + 1);
        gust_request_resume(site.req);
        gust_request_resume(site.req);        /* once is enough */
        assert_int_equal(piece_count, i + 1); /* never inside the call */
        http_site_turn(&site, 8);
    }
    assert_int_equal(got_len, 50);
    assert_int_equal(site.finishes, 2);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void test_streamed__paused_in_every_cut(void **state)
{
    static const char text[] = POST "Content-Length: 9\r\n\r\n012345678" GET;
    (void)state;
    restart(&(gust_httpserver_options){.chunk_size = 2});
    site.on_head = stream;
    site.on_data = gather_and_wait;
    for (size_t first = 1; first < sizeof(text); first++) {
        open_peer();
        got_len = 0;
        site.finishes = 0;
        assert_int_equal(http_peer_feed(&peer, text, sizeof(text) - 1, first, 0), 0);
        http_site_turn(&site, 4);
        for (int i = 0; i < 9 && site.finishes < 2; i++) {
            gust_request_resume(site.req);
            http_site_turn(&site, 4);
        }
        assert_string_equal(got, "012345678");
        assert_int_equal(http_peer_answers(&peer), 2);
        http_peer_close(&peer);
    }
}

/* While the delegate waits no more is read than the buffer of one read. */
static void test_streamed__paused_peer_is_held_back(void **state)
{
    size_t len;
    char *text = make_upload(2000000, POST, &len);
    (void)state;
    site.on_head = stream;
    site.on_data = gather_and_wait;
    open_peer();
    assert_int_equal(http_peer_send(&peer, text, len), 0);
    http_site_turn(&site, 100);
    assert_int_equal(piece_count, 1);
    assert_true(gust_iostream_write_queue_size(peer.s) > 1700000);
    http_peer_close(&peer);
    free(text);
}

static int wait_in_head(struct http_site *s, gust_request *req)
{
    if (s->user != NULL) {
        gust_request_stream_body(req);
    }
    return GUST_PENDING;
}

static void test_held__in_headers_received(void **state)
{
    static const char *const bodies[] = {POST "Content-Length: 5\r\n\r\n", "hello", CHUNKED,
                                         "5\r\nhello\r\n0\r\n\r\n"};
    (void)state;
    site.on_head = wait_in_head;
    site.on_data = gather;
    site.on_finish = echo;
    for (size_t i = 0; i < 4; i++) {
        open_peer();
        site.user = i < 2 ? NULL : &site; /* buffered, streamed */
        site.trace_len = got_len = 0;
        say(bodies[i % 2 * 2]);
        http_site_pass(&site, GUST_SECONDS(1000));
        say(bodies[i % 2 * 2 + 1]);
        assert_string_equal(site.trace, "head ");
        gust_request_resume(site.req);
        gust_request_resume(site.req);
        assert_string_equal(site.trace, "head ");
        http_site_turn(&site, 4);
        assert_string_equal(site.trace, i < 2 ? "head finish " : "head data(5) finish ");
        assert_answered(200, i < 2 ? "hello" : "");
        http_peer_close(&peer);
        http_site_turn(&site, 4);
    }
}

static void test_held__without_a_body(void **state)
{
    (void)state;
    site.on_head = wait_in_head;
    open_peer();
    say(GET GET);
    assert_string_equal(site.trace, "head ");
    gust_request_resume(site.req);
    http_site_turn(&site, 4);
    assert_string_equal(site.trace, "head finish head ");
    gust_request_resume(site.req);
    http_site_turn(&site, 4);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static int answer_and_wait(struct http_site *s, gust_request *req)
{
    (void)s;
    assert_int_equal(http_site_answer(req, 403, "no"), 0);
    return GUST_PENDING;
}

static int answer_and_wait_in_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)chunk;
    return answer_and_wait(s, req);
}

static int answer_and_fail_in_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)chunk;
    (void)answer_and_wait(s, req);
    return -EIO;
}

/* What is returned after the answer does not count. */
static void test_answered__then_pending_or_failed(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        restart(NULL);
        site.on_head = i == 0 ? answer_and_wait : stream;
        site.on_data = i == 1 ? answer_and_wait_in_data : answer_and_fail_in_data;
        open_peer();
        say(POST "Content-Length: 8\r\n\r\nhalf");
        site.on_head = NULL;
        say("half" GET);
        assert_int_equal(http_peer_answers(&peer), 2);
        assert_int_equal(http_peer_status(&peer, 0), 403);
        assert_int_equal(http_peer_status(&peer, 1), 200);
        assert_false(peer.ended);
        http_peer_close(&peer);
    }
}

/* ---- limits ------------------------------------------------------------------ */

#define LIMIT 4096

static int raise_limit(struct http_site *s, gust_request *req)
{
    (void)s;
    if (gust_str_eq(gust_request_path(req), GUST_STR("/raised"))) {
        gust_request_set_max_body_size(req, 10240);
    }
    return 0;
}

static int raise_and_stream(struct http_site *s, gust_request *req)
{
    gust_request_stream_body(req);
    gust_request_set_max_body_size(req, LIMIT);
    return raise_limit(s, req);
}

static char request[70000];

/* A request with a body of `size` bytes, counted or in chunks of 1024. */
static void ask_upload(const char *path, size_t size, bool chunked, const char *more)
{
    size_t at = (size_t)snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: a\r\n", path);
    if (!chunked) {
        at += (size_t)snprintf(request + at, sizeof(request) - at,
                               "Content-Length: %zu\r\n\r\n%0*d", size, (int)size, 0);
    } else {
        at += (size_t)snprintf(request + at, sizeof(request) - at,
                               "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t i = 0; i < size / 1024; i++) {
            at += (size_t)snprintf(request + at, sizeof(request) - at, "400\r\n%01024d\r\n", 0);
        }
        at += (size_t)snprintf(request + at, sizeof(request) - at, "0\r\n\r\n");
    }
    snprintf(request + at, sizeof(request) - at, "%s", more);
    say(request);
}

/* B06-B09 */
static void check_limits(bool streamed, bool chunked)
{
    restart(&(gust_httpserver_options){.max_body_size = LIMIT});
    site.on_head = streamed ? raise_and_stream : raise_limit;
    open_peer();
    ask_upload("/", LIMIT, chunked, ""); /* B06 */
    assert_int_equal(http_peer_status(&peer, 0), 200);
    ask_upload("/raised", 10240, chunked, ""); /* B08 */
    assert_int_equal(http_peer_status(&peer, 1), 200);
    assert_int_equal(site.finishes, 2);
    ask_upload("/", 10240, chunked, GET); /* B07, B09 */
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 2), 413);
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_int_equal(site.finishes, 2);
    assert_int_equal(site.gones, 1);
    http_peer_close(&peer);
    open_peer();
    ask_upload("/raised", 10240 + 1024, chunked, GET);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 413);
    http_peer_close(&peer);
}

static void test_limits__buffered(void **state)
{
    (void)state;
    check_limits(false, false);
    check_limits(false, true);
}

static void test_limits__streamed(void **state)
{
    (void)state;
    check_limits(true, false);
    check_limits(true, true);
}

static void test_limits__streamed_body_has_none(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.max_body_size = 100});
    site.on_head = stream;
    open_peer();
    ask_upload("/", 10240, false, "");
    ask_upload("/", 10240, true, "");
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_int_equal(site.finishes, 2);
}

static int no_limit(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_set_max_body_size(req, -1);
    return 0;
}

static int no_body(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_set_max_body_size(req, 0);
    return 0;
}

static void test_limits__none_and_nothing(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.max_body_size = 100});
    site.on_head = no_limit;
    open_peer();
    ask_upload("/", 10240, false, "");
    ask_upload("/", 10240, true, "");
    assert_int_equal(http_peer_answers(&peer), 2);
    site.on_head = no_body;
    ask_upload("/", 0, true, GET);
    assert_int_equal(http_peer_answers(&peer), 4);
    ask_upload("/", 1, false, GET);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 4), 413);
    assert_int_equal(http_peer_answers(&peer), 5);
}

static int stream_after_limit(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_set_max_body_size(req, 10);
    gust_request_stream_body(req);
    return 0;
}

static void test_limits__set_before_streaming_stays(void **state)
{
    (void)state;
    site.on_head = stream_after_limit;
    open_peer();
    ask_upload("/", 11, false, "");
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 413);
    assert_int_equal(site.pieces, 0);
}

/* A delegate without data_received asks for pieces: it gets the whole, limited. */
static void finish_with_echo(gust_request *req, void *user)
{
    echo(user, req);
}

static int stream_anyway(gust_request *req, void *user)
{
    (void)user;
    gust_request_stream_body(req);
    return 0;
}

static void test_stream_body__without_data_received__is_buffered(void **state)
{
    static const gust_http_delegate delegate = {
        .name = "no pieces", .headers_received = stream_anyway, .finish = finish_with_echo};
    gust_httpserver_options options = {.max_body_size = 100};
    (void)state;
    http_site_stop(&site);
    assert_int_equal(http_site_init(&site, &options, &delegate, NULL), 0);
    open_peer();
    say(POST "Content-Length: 5\r\n\r\nhello");
    assert_answered(200, "hello");
    ask_upload("/", 101, false, "");
    assert_int_equal(http_peer_status(&peer, 1), 413);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_buffered__in_every_cut),
        CASE(test_chunked__put_together),
        CASE(test_empty_bodies__are_whole_at_once),
        CASE(test_buffered__large),
        CASE(test_streamed__pieces_of_chunk_size),
        CASE(test_streamed__chunk_borders_show),
        CASE(test_streamed__paused_after_each_piece),
        CASE(test_streamed__paused_in_every_cut),
        CASE(test_streamed__paused_peer_is_held_back),
        CASE(test_held__in_headers_received),
        CASE(test_held__without_a_body),
        CASE(test_answered__then_pending_or_failed),
        CASE(test_limits__buffered),
        CASE(test_limits__streamed),
        CASE(test_limits__streamed_body_has_none),
        CASE(test_limits__none_and_nothing),
        CASE(test_limits__set_before_streaming_stays),
        CASE(test_stream_body__without_data_received__is_buffered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
