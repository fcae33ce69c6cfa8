/* Stopping: gracefully with idle, active and slow connections, at once, and from
 * inside the delegate. */
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
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct http_site site;
static struct http_peer peer, other;
static int told;       /* how often the shutdown's end was */
static size_t aborted; /* and with what */

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    told = 0;
    aborted = 999;
    http_site_start(&site, NULL);
    other = (struct http_peer){.site = &site};
    return 0;
}

static int after(void **state)
{
    (void)state;
    http_peer_close(&peer);
    http_peer_close(&other);
    http_site_stop(&site);
    alloc_count_end();
    return 0;
}

static void say(struct http_peer *p, const char *text)
{
    assert_int_equal(http_peer_say(p, text), 0);
    http_site_turn(&site, 6);
}

static void open_and_say(struct http_peer *p, const char *text)
{
    assert_int_equal(http_peer_open(p, &site), 0);
    say(p, text);
}

static void over(gust_httpserver *server, size_t count, void *user)
{
    assert_ptr_equal(user, &site);
    assert_ptr_equal(server, site.server);
    told++;
    aborted = count;
}

static void shut_down(gust_time grace)
{
    assert_int_equal(gust_httpserver_shutdown(site.server, grace, over, &site), 0);
    assert_int_equal(told, 0); /* never inside the call */
}

/* ---- gracefully -------------------------------------------------------------- */

static void test_shutdown__nobody_is_there(void **state)
{
    (void)state;
    shut_down(0);
    http_site_turn(&site, 2);
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
}

static void test_shutdown__idle_connections_are_closed(void **state)
{
    (void)state;
    open_and_say(&peer, GET);
    assert_int_equal(http_peer_open(&other, &site), 0); /* never said a word */
    shut_down(0);
    http_site_turn(&site, 6);
    assert_true(peer.ended);
    assert_true(other.ended);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
    http_site_pass(&site, GUST_SECONDS(60));
    assert_int_equal(told, 1);
}

static void test_shutdown__running_request_ends_with_close(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    shut_down(0);
    http_site_pass(&site, GUST_SECONDS(20));
    assert_int_equal(told, 0);
    assert_int_equal(http_site_answer(site.req, 200, "done"), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
}

static void test_shutdown__says_close(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    shut_down(0);
    assert_int_equal(http_site_answer(site.req, 200, "done"), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
}

/* Its head is out already and did not say so. */
static void test_shutdown__answer_that_had_begun(void **state)
{
    gust_response response = {.status = 200};
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    assert_int_equal(gust_request_write_headers(site.req, &response, GUST_STR("half")), 0);
    http_site_turn(&site, 4);
    shut_down(0);
    http_site_turn(&site, 4);
    assert_false(peer.ended);
    assert_int_equal(gust_request_write(site.req, GUST_STR("rest"), NULL, NULL), 0);
    assert_int_equal(gust_request_finish(site.req), 0);
    http_site_pass(&site, GUST_SECONDS(1));
    assert_true(peer.ended);
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
    assert_non_null(strstr(peer.text, "4\r\nrest\r\n0\r\n\r\n"));
}

/* What was sent before we closed is served: one, which says close. */
static void test_shutdown__pipelined_request_behind_a_running_one(void **state)
{
    gust_response response = {.status = 200};
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET GET GET);
    assert_int_equal(gust_request_write_headers(site.req, &response, GUST_STR("")), 0);
    shut_down(0);
    assert_int_equal(gust_request_finish(site.req), 0);
    http_site_turn(&site, 4);
    assert_int_equal(site.heads, 2);
    assert_int_equal(http_site_answer(site.req, 200, "second"), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_non_null(strstr(peer.text, "Connection: close\r\n"));
    assert_int_equal(site.heads, 2);
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(told, 1);
}

static void test_shutdown__request_in_the_middle_of_its_head(void **state)
{
    (void)state;
    open_and_say(&peer, "GET / HTTP/1.1\r\n");
    shut_down(0);
    http_site_turn(&site, 4);
    assert_false(peer.ended);
    say(&peer, "Host: a\r\n\r\n");
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
}

static void test_shutdown__upload_in_the_middle(void **state)
{
    (void)state;
    open_and_say(&peer, POST "Content-Length: 4\r\n\r\nab");
    shut_down(0);
    http_site_turn(&site, 4);
    say(&peer, "cd");
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_int_equal(site.gones, 0);
}

/* An empty line behind the last request is no request. */
static void test_shutdown__idle_but_for_a_line_end(void **state)
{
    (void)state;
    open_and_say(&peer, GET "\r\n");
    shut_down(0);
    http_site_turn(&site, 4);
    assert_true(peer.ended);
    assert_int_equal(told, 1);
}

static void test_shutdown__answer_still_on_its_way(void **state)
{
    static char body[1000000];
    gust_response response = {.status = 200};
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    http_peer_stall(&peer, true);
    assert_int_equal(gust_request_respond(site.req, &response, gust_str_make(body, sizeof(body))),
                     0);
    http_site_turn(&site, 4);
    shut_down(GUST_SECONDS(1000));
    http_site_pass(&site, GUST_SECONDS(100));
    assert_int_equal(told, 0);
    http_peer_stall(&peer, false);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_true(peer.len > sizeof(body));
    http_site_turn(&site, 4);
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
}

/* ---- grace ------------------------------------------------------------------- */

static void test_grace__over_with_two_at_work(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    site.on_gone = NULL;
    open_and_say(&peer, GET);
    open_and_say(&other, "GET / HTTP/1.1\r\n");
    shut_down(GUST_SECONDS(5));
    assert_int_equal(gust_httpserver_shutdown(site.server, 0, over, &site), -EBUSY);
    http_site_pass(&site, GUST_MILLIS(4999));
    assert_int_equal(told, 0);
    http_site_pass(&site, GUST_MILLIS(2));
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 2);
    http_site_turn(&site, 4);
    assert_true(peer.ended);
    assert_true(other.ended);
    assert_int_equal(site.gones, 1);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

/* A client that only has to close is not aborted work. */
static void test_grace__lingering_does_not_count(void **state)
{
    (void)state;
    open_and_say(&peer, "bad\r\n\r\n");
    shut_down(GUST_SECONDS(1));
    http_site_pass(&site, GUST_MILLIS(1100));
    assert_int_equal(told, 1);
    assert_int_equal(aborted, 0);
}

static void test_grace__default(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    shut_down(0);
    http_site_pass(&site, GUST_SECONDS(29));
    assert_int_equal(told, 0);
    http_site_pass(&site, GUST_SECONDS(2));
    assert_int_equal(aborted, 1);
}

/* ---- over sockets ------------------------------------------------------------ */

static void restart_on_socket(void)
{
    http_site_stop(&site);
    memset(&site, 0, sizeof(site));
    site.real_time = true;
    assert_int_equal(http_site_init(&site, NULL, &http_site_delegate, NULL), 0);
    assert_int_equal(gust_httpserver_listen(site.server, 0, "127.0.0.1"), 0);
    assert_int_equal(http_peer_connect(&peer, &site), 0);
    say(&peer, GET);
    http_site_until(&site, &site.finishes, 1);
}

static void test_stop__accepts_no_more_and_serves_on(void **state)
{
    (void)state;
    restart_on_socket();
    gust_httpserver_stop(site.server);
    gust_httpserver_stop(site.server);
    assert_int_equal(gust_httpserver_port(site.server), 0);
    say(&peer, GET);
    http_site_until(&site, &site.finishes, 2);
    http_site_pass(&site, GUST_MILLIS(10));
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_false(peer.ended);
}

static void test_shutdown__stops_listening(void **state)
{
    (void)state;
    restart_on_socket();
    shut_down(0);
    assert_int_equal(gust_httpserver_port(site.server), 0);
    assert_int_equal(http_peer_wait(&peer), 0);
    http_site_until(&site, &told, 1);
}

/* ---- at once, and from inside ------------------------------------------------ */

static void test_close_all__whatever_they_do(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    open_and_say(&other, POST "Content-Length: 4\r\n\r\nab");
    gust_httpserver_close_all_connections(site.server);
    gust_httpserver_close_all_connections(site.server);
    assert_int_equal(site.gones, 0);
    http_site_turn(&site, 4);
    assert_true(peer.ended);
    assert_true(other.ended);
    assert_int_equal(site.gones, 2);
    assert_int_equal(site.closes, 2);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static int shut_down_in_head(struct http_site *s, gust_request *req)
{
    (void)req;
    assert_int_equal(gust_httpserver_shutdown(s->server, 0, over, s), 0);
    return 0;
}

static int close_all_in_head(struct http_site *s, gust_request *req)
{
    (void)req;
    gust_httpserver_close_all_connections(s->server);
    return 0;
}

static int stream(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_stream_body(req);
    return 0;
}

static int close_all_in_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)chunk;
    return close_all_in_head(s, req);
}

static void test_shutdown__inside_headers_received(void **state)
{
    (void)state;
    site.on_head = shut_down_in_head;
    open_and_say(&peer, GET);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(told, 1);
}

static void test_close_all__inside_the_delegate(void **state)
{
    (void)state;
    site.on_head = close_all_in_head;
    open_and_say(&peer, GET);
    assert_true(peer.ended);
    assert_int_equal(peer.len, 0);
    http_peer_close(&peer);
    open_and_say(&peer, POST "Content-Length: 4\r\n\r\nab");
    assert_true(peer.ended);
    assert_int_equal(site.gones, 1);
    http_peer_close(&peer);
    site.on_head = stream;
    site.on_data = close_all_in_data;
    site.trace_len = 0;
    open_and_say(&peer, POST "Content-Length: 4\r\n\r\nabcd");
    assert_true(peer.ended);
    assert_string_equal(site.trace, "head data(4) gone close ");
}

static void free_when_over(gust_httpserver *server, size_t count, void *user)
{
    over(server, count, user);
    gust_httpserver_free(server);
    site.server = NULL;
}

static void test_shutdown__frees_the_server_when_over(void **state)
{
    (void)state;
    open_and_say(&peer, GET);
    assert_int_equal(gust_httpserver_shutdown(site.server, 0, free_when_over, &site), 0);
    http_site_turn(&site, 4);
    assert_int_equal(told, 1);
    assert_null(site.server);
}

static void test_free__cancels_a_shutdown(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_and_say(&peer, GET);
    shut_down(GUST_SECONDS(5));
    gust_httpserver_free(site.server);
    site.server = NULL;
    http_site_pass(&site, GUST_SECONDS(10));
    assert_int_equal(told, 0);
    assert_int_equal(site.gones, 1);
    gust_httpserver_free(NULL);
}

static void test_loop_freed_first__nothing_is_lost(void **state)
{
    (void)state;
    open_and_say(&peer, GET);
    open_and_say(&other, "GET / HT");
    http_peer_close(&peer);
    http_peer_leave(&other);
    gust_httpserver_free(site.server);
    site.server = NULL;
    http_peer_close(&other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_shutdown__nobody_is_there),
        CASE(test_shutdown__idle_connections_are_closed),
        CASE(test_shutdown__running_request_ends_with_close),
        CASE(test_shutdown__says_close),
        CASE(test_shutdown__answer_that_had_begun),
        CASE(test_shutdown__pipelined_request_behind_a_running_one),
        CASE(test_shutdown__request_in_the_middle_of_its_head),
        CASE(test_shutdown__upload_in_the_middle),
        CASE(test_shutdown__idle_but_for_a_line_end),
        CASE(test_shutdown__answer_still_on_its_way),
        CASE(test_grace__over_with_two_at_work),
        CASE(test_grace__lingering_does_not_count),
        CASE(test_grace__default),
        CASE(test_stop__accepts_no_more_and_serves_on),
        CASE(test_shutdown__stops_listening),
        CASE(test_close_all__whatever_they_do),
        CASE(test_shutdown__inside_headers_received),
        CASE(test_close_all__inside_the_delegate),
        CASE(test_shutdown__frees_the_server_when_over),
        CASE(test_free__cancels_a_shutdown),
        CASE(test_loop_freed_first__nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
