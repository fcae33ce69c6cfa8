/* Answers before the body is there: 100 (Continue), refusals, errors of the
 * delegate. */
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

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
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

static int wait_in_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)s;
    (void)req;
    (void)chunk;
    return GUST_PENDING;
}

static int wait_in_head(struct http_site *s, gust_request *req)
{
    (void)s;
    (void)req;
    return GUST_PENDING;
}

/* ---- 100 (Continue) ---------------------------------------------------------- */

#define EXPECT "Expect: 100-continue\r\n"

/* S21, E1 */
static void test_expect__100_then_the_answer(void **state)
{
    (void)state;
    site.on_finish = echo;
    open_peer();
    say(POST EXPECT "Content-Length: 5\r\n\r\n");
    assert_string_equal(peer.text, CONTINUE);
    say("hello");
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_int_equal(http_peer_status(&peer, 1), 200);
    say(POST "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_int_equal(http_peer_status(&peer, 2), 100);
    say("0\r\n\r\n");
    assert_int_equal(http_peer_answers(&peer), 4);
}

/* E4 */
static void test_expect__body_is_there_already(void **state)
{
    (void)state;
    open_peer();
    say(POST EXPECT "Content-Length: 5\r\n\r\nh");
    assert_int_equal(peer.len, 0);
    say("ello");
    assert_int_equal(http_peer_status(&peer, 0), 200);
}

/* E2 */
static void test_expect__nothing_to_wait_for(void **state)
{
    (void)state;
    open_peer();
    say(POST EXPECT "\r\n");
    say(POST EXPECT "Content-Length: 0\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_int_equal(http_peer_status(&peer, 1), 200);
    say("POST / HTTP/1.0\r\n" EXPECT "Content-Length: 2\r\n\r\n");
    assert_int_equal(http_peer_answers(&peer), 2);
    say("ab");
    assert_int_equal(http_peer_status(&peer, 2), 200);
    assert_int_equal(http_peer_answers(&peer), 3);
}

/* E3 */
static void test_expect__anything_else_is_417(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, POST "Expect: miracles\r\nContent-Length: 5\r\n\r\nhello" GET);
    assert_int_equal(http_peer_status(&peer, 0), 417);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(site.heads, 0);
}

static int refuse_head(struct http_site *s, gust_request *req)
{
    (void)s;
    assert_int_equal(http_site_answer(req, 403, "no"), 0);
    return 0;
}

/* E5: the peer may send the body or not, so nothing behind it can be read. */
static void test_expect__refused_early(void **state)
{
    (void)state;
    site.on_head = refuse_head;
    http_peer_ask(&peer, &site, POST EXPECT "Content-Length: 5\r\n\r\n");
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    assert_int_equal(site.finishes, 0);
    assert_int_equal(site.gones, 0);
}

/* A limit is seen before the peer is asked to go on. */
static void test_expect__too_large_is_never_asked_for(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, POST EXPECT "Content-Length: 999999999\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 413);
    assert_int_equal(http_peer_answers(&peer), 1);
}

static void test_expect__held_until_resume(void **state)
{
    (void)state;
    site.on_head = wait_in_head;
    open_peer();
    say(POST EXPECT "Content-Length: 5\r\n\r\n");
    assert_int_equal(peer.len, 0);
    gust_request_resume(site.req);
    http_site_turn(&site, 4);
    assert_string_equal(peer.text, CONTINUE);
    say("hello");
    assert_int_equal(http_peer_status(&peer, 1), 200);
    say(POST EXPECT "Content-Length: 5\r\n\r\nhe"); /* does not wait for it after all */
    gust_request_resume(site.req);
    http_site_turn(&site, 4);
    say("llo");
    assert_int_equal(http_peer_answers(&peer), 3);
}

/* ---- early answers ----------------------------------------------------------- */

/* At most 64 KiB: read, and the connection goes on. */
static void test_early__drained_to_its_last_byte(void **state)
{
    static char body[65536];
    (void)state;
    memset(body, 'x', sizeof(body));
    site.on_head = refuse_head;
    for (size_t step = 1000; step <= 65536; step += 64536) {
        open_peer();
        say(POST "Content-Length: 65536\r\n\r\n");
        site.on_head = NULL;
        assert_int_equal(http_peer_feed(&peer, body, 65535, step, step), 0);
        say("y" GET);
        assert_int_equal(http_peer_answers(&peer), 2);
        assert_int_equal(http_peer_status(&peer, 0), 403);
        assert_int_equal(http_peer_status(&peer, 1), 200);
        assert_int_equal(site.gones, 0);
        http_peer_close(&peer);
        site.on_head = refuse_head;
    }
    assert_int_equal(site.finishes, 2);
}

static void check_early_end(const char *head)
{
    site.on_head = refuse_head;
    open_peer();
    say(head);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(gust_httpserver_connections(site.server), 1); /* still reads */
    assert_int_equal(http_peer_say(&peer, "0\r\n\r\n" GET), 0);
    http_site_turn(&site, 4);
    assert_int_equal(site.heads, 1);
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
    site.heads = 0;
}

static void test_early__large_or_chunked_body_ends_it(void **state)
{
    (void)state;
    check_early_end(POST "Content-Length: 65537\r\n\r\n");
    check_early_end(CHUNKED "3\r\nabc\r\n");
    check_early_end(POST EXPECT "Content-Length: 5\r\n\r\n");
    assert_int_equal(site.gones, 0);
    assert_int_equal(site.finishes, 0);
}

/* The same while the body is being streamed, inside and outside of its function. */
static int refuse_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)chunk;
    return refuse_head(s, req);
}

static void test_early__in_data_received(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.chunk_size = 4});
    site.on_head = stream;
    site.on_data = refuse_data;
    open_peer();
    say(POST "Content-Length: 12\r\n\r\n0123456789");
    assert_int_equal(site.pieces, 1);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    site.on_head = NULL;
    say("01" GET);
    assert_int_equal(http_peer_answers(&peer), 2);
    site.on_head = stream;
    say(CHUNKED "5\r\nhello\r\n");
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_answers(&peer), 3);
}

static void check_answer_while_waiting(const char *head, const char *rest, bool goes_on)
{
    restart(&(gust_httpserver_options){.chunk_size = 4});
    site.on_head = stream;
    site.on_data = wait_in_data;
    open_peer();
    say(head);
    assert_int_equal(site.pieces, 1);
    assert_int_equal(http_site_answer(site.req, 403, "no"), 0);
    gust_request_resume(site.req); /* too late, but in the same callback */
    http_site_turn(&site, 6);
    site.on_head = NULL;
    say(rest);
    assert_int_equal(http_peer_answers(&peer), goes_on ? 2 : 1);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    assert_int_equal(site.finishes, goes_on);
    assert_int_equal(site.gones, 0);
    http_peer_close(&peer);
}

static void test_early__while_the_body_waits(void **state)
{
    (void)state;
    check_answer_while_waiting(POST "Content-Length: 12\r\n\r\n0123456789", "01" GET, true);
    check_answer_while_waiting(POST "Content-Length: 12\r\n\r\n0123456789ab" GET, "", true);
    check_answer_while_waiting(CHUNKED "5\r\nhello\r\n", "0\r\n\r\n" GET, false);
}

/* The server goes before the callback that resume asked for. */
static void resume_answer_and_free(gust_ioloop *loop, void *user)
{
    (void)loop;
    (void)user;
    gust_request_resume(site.req);
    assert_int_equal(http_site_answer(site.req, 403, "no"), 0);
    gust_httpserver_free(site.server);
    site.server = NULL;
}

static void test_early__server_freed_before_it_resumes(void **state)
{
    (void)state;
    site.on_head = stream;
    site.on_data = wait_in_data;
    open_peer();
    say(CHUNKED "5\r\nhello\r\n");
    assert_int_equal(gust_ioloop_add_callback(site.loop, resume_answer_and_free, NULL), 0);
    http_site_turn(&site, 6);
    assert_true(peer.ended);
}

static void test_early__while_the_body_is_held(void **state)
{
    (void)state;
    site.on_head = wait_in_head;
    open_peer();
    say(POST "Content-Length: 5\r\n\r\nhel");
    assert_int_equal(http_site_answer(site.req, 403, "no"), 0);
    site.on_head = NULL;
    http_site_turn(&site, 4);
    say("lo" GET);
    assert_int_equal(http_peer_answers(&peer), 2);
    site.on_head = wait_in_head;
    say(CHUNKED);
    assert_int_equal(http_site_answer(site.req, 403, "no"), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_answers(&peer), 3);
}

/* ---- errors of the delegate -------------------------------------------------- */

static int fail_head(struct http_site *s, gust_request *req)
{
    (void)req;
    return s->user != NULL ? -EIO : 404;
}

static int fail_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)s;
    (void)req;
    (void)chunk;
    return -EIO;
}

static void check_failure(const char *text, const char *trace)
{
    site.trace_len = site.log_len = 0;
    http_peer_ask(&peer, &site, text);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_string_equal(peer.text, "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n"
                                   "Content-Length: 0\r\n\r\n");
    assert_memory_equal(site.log, "[E] Uncaught error in a delegate: ", 34);
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_string_equal(site.trace, trace);
}

static void test_delegate_fails__500_and_end(void **state)
{
    (void)state;
    site.on_head = fail_head;
    check_failure(GET GET, "head gone close ");
    site.user = &site;
    check_failure(POST "Content-Length: 2\r\n\r\n", "head gone close ");
    site.on_head = stream;
    site.on_data = fail_data;
    check_failure(POST "Content-Length: 2\r\n\r\nab", "head data(2) gone close ");
    check_failure(CHUNKED "1\r\na\r\n", "head data(1) gone close ");
}

static void finish_with_echo(gust_request *req, void *user)
{
    echo(user, req);
}

/* Without on_connection_close nobody would finish what finish never heard of. */
static int refuse_all(gust_request *req, void *user)
{
    (void)req;
    (void)user;
    return -EIO;
}

static void test_delegate_fails__without_on_connection_close(void **state)
{
    static const gust_http_delegate delegate = {
        .name = "short", .headers_received = refuse_all, .finish = finish_with_echo};
    (void)state;
    http_site_stop(&site);
    assert_int_equal(http_site_init(&site, NULL, &delegate, NULL), 0);
    http_peer_ask(&peer, &site, GET);
    assert_int_equal(http_peer_status(&peer, 0), 500);
    http_peer_close(&peer);
    http_peer_ask(&peer, &site, POST "Content-Length: 2\r\n\r\na");
    assert_int_equal(http_peer_status(&peer, 0), 500);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_expect__100_then_the_answer),
        CASE(test_expect__body_is_there_already),
        CASE(test_expect__nothing_to_wait_for),
        CASE(test_expect__anything_else_is_417),
        CASE(test_expect__refused_early),
        CASE(test_expect__too_large_is_never_asked_for),
        CASE(test_expect__held_until_resume),
        CASE(test_early__drained_to_its_last_byte),
        CASE(test_early__large_or_chunked_body_ends_it),
        CASE(test_early__in_data_received),
        CASE(test_early__while_the_body_waits),
        CASE(test_early__server_freed_before_it_resumes),
        CASE(test_early__while_the_body_is_held),
        CASE(test_delegate_fails__500_and_end),
        CASE(test_delegate_fails__without_on_connection_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
