/* How connections end: by the client, in the middle of things, half of it, after
 * an error, after an early answer; and clients that send more than is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define BAD_REQUEST "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define UPLOAD 3000000

static struct http_site site;
static struct http_peer peer;
static char upload[UPLOAD];

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
    http_site_turn(&site, 6);
}

/* Send, end our side, and see what comes. */
static void say_and_end(const char *text)
{
    open_peer();
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_peer_end(&peer);
    http_site_turn(&site, 8);
}

static void close_peer(void)
{
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
    site.heads = site.finishes = site.gones = site.closes = 0;
    site.trace_len = site.log_len = 0;
    site.trace[0] = site.log[0] = '\0';
}

/* ---- half-open --------------------------------------------------------------- */

/* N14 */
static void test_half_open__answered_and_closed(void **state)
{
    (void)state;
    say_and_end(GET);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.ended);
    assert_string_equal(site.trace, "head finish close ");
}

static void test_half_open__pipelined_are_all_answered(void **state)
{
    (void)state;
    say_and_end(GET GET POST "Content-Length: 2\r\n\r\nab" GET);
    assert_int_equal(http_peer_answers(&peer), 4);
    assert_true(peer.ended);
    assert_int_equal(site.gones, 0);
}

static void test_half_open__answered_later(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    site.on_gone = http_site_later;
    say_and_end(GET);
    assert_string_equal(site.trace, "head finish gone ");
    http_site_pass(&site, GUST_SECONDS(100));
    assert_true(gust_request_is_connected(site.req));
    assert_int_equal(http_site_answer(site.req, 200, "late"), 0);
    http_site_turn(&site, 6);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.ended);
}

static void test_half_open__pipelined_and_answered_later(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    site.on_gone = http_site_later;
    say_and_end(GET GET GET);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(site.finishes, i);
        assert_int_equal(http_site_answer(site.req, 200, "late"), 0);
        http_site_turn(&site, 6);
        assert_int_equal(http_peer_answers(&peer), i);
    }
    assert_true(peer.ended);
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

static void check_half_open_while_waiting(const char *text, size_t chunk_size)
{
    restart(&(gust_httpserver_options){.chunk_size = chunk_size});
    site.on_head = stream;
    site.on_data = wait_in_data;
    say_and_end(text);
    for (int i = 0; i < 8 && site.finishes == 0; i++) {
        assert_int_equal(site.gones, 0);
        gust_request_resume(site.req);
        http_site_turn(&site, 6);
    }
    assert_int_equal(site.finishes, 1);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.ended);
    close_peer();
}

/* The whole message came before the end, whoever takes how long to read it. */
static void test_half_open__while_the_body_waits(void **state)
{
    (void)state;
    check_half_open_while_waiting(POST "Content-Length: 8\r\n\r\n01234567", 4);
    check_half_open_while_waiting(POST "Content-Length: 8\r\n\r\n01234567", 100);
    check_half_open_while_waiting(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 100);
}

static void test_half_open__while_held(void **state)
{
    static const char *const texts[] = {GET, POST "Content-Length: 2\r\n\r\nab",
                                        CHUNKED "1\r\na\r\n0\r\n\r\n"};
    (void)state;
    site.on_head = wait_in_head;
    for (size_t i = 0; i < 3; i++) {
        say_and_end(texts[i]);
        assert_string_equal(site.trace, "head ");
        gust_request_resume(site.req);
        http_site_turn(&site, 6);
        assert_string_equal(site.trace, "head finish close ");
        assert_int_equal(http_peer_answers(&peer), 1);
        close_peer();
    }
}

static void test_half_open__message_that_will_never_be_whole(void **state)
{
    (void)state;
    site.on_head = stream;
    site.on_data = wait_in_data;
    say_and_end(POST "Content-Length: 8\r\n\r\n0123");
    assert_string_equal(site.trace, "head data(4) gone close ");
    assert_true(peer.ended);
    close_peer();
    site.on_head = wait_in_head;
    say_and_end(POST "Content-Length: 8\r\n\r\n");
    assert_string_equal(site.trace, "head gone close ");
    close_peer();
    say_and_end(POST "Content-Length: 8\r\n\r\n01");
    assert_string_equal(site.trace, "head ");
    gust_request_resume(site.req);
    http_site_turn(&site, 6);
    assert_string_equal(site.trace, "head gone close ");
}

static void test_half_open__switched_off(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.no_half_open = true});
    site.on_finish = http_site_later;
    say_and_end(GET);
    assert_string_equal(site.trace, "head finish gone close ");
    assert_true(peer.ended);
    assert_int_equal(peer.len, 0);
}

/* ---- in the middle ----------------------------------------------------------- */

/* F13, C10 */
static void test_end__inside_a_head_or_a_body(void **state)
{
    static const char *const heads[] = {"G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"};
    static const char *const bodies[] = {POST "Content-Length: 3\r\n\r\n",
                                         POST "Content-Length: 3\r\n\r\nab", CHUNKED,
                                         CHUNKED "3\r\nabc\r\n", CHUNKED "0\r\nA: b\r\n"};
    (void)state;
    for (int way = 0; way < 2; way++) {
        for (size_t i = 0; i < 8; i++) {
            if (way == 0) {
                say_and_end(i < 3 ? heads[i] : bodies[i - 3]);
            } else {
                open_peer();
                say(i < 3 ? heads[i] : bodies[i - 3]);
                http_peer_leave(&peer);
                http_site_turn(&site, 6);
            }
            assert_int_equal(peer.len, 0);
            assert_string_equal(site.trace, i < 3 ? "close " : "head gone close ");
            assert_string_equal(site.log, "");
            close_peer();
        }
    }
}

/* P07 */
static void answer_large(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(upload, 512 * 1024)), 0);
}

static void test_end__client_leaves_during_a_download(void **state)
{
    (void)state;
    site.on_finish = answer_large;
    open_peer();
    http_peer_stall(&peer, true);
    say(GET);
    http_peer_leave(&peer);
    http_site_turn(&site, 6);
    assert_string_equal(site.trace, "head finish close ");
    assert_string_equal(site.log, "");
}

/* ---- errors ------------------------------------------------------------------ */

/* S02, S10 */
static void test_error__static_bytes_one_log_line(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, "asdf\r\n\r\n" GET);
    assert_string_equal(peer.text, BAD_REQUEST);
    assert_string_equal(site.log,
                        "[I] Malformed HTTP message from 0.0.0.0: invalid byte in method\n");
    assert_int_equal(site.heads, 0);
}

/* S1.5, with the second request in time of its own */
static void test_error__later_requests_are_not_looked_at(void **state)
{
    (void)state;
    open_peer();
    say("bad\r\n\r\n");
    assert_true(peer.ended);
    say(GET);
    http_site_pass(&site, GUST_SECONDS(1));
    say(GET);
    assert_string_equal(peer.text, BAD_REQUEST);
    assert_int_equal(site.heads, 0);
}

static void test_error__behind_good_requests(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, GET GET "bad\r\n\r\n" GET);
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_int_equal(http_peer_status(&peer, 2), 400);
    assert_int_equal(site.heads, 2);
}

static int begin_answer(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    gust_request_stream_body(req);
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("partial")), 0);
    return 0;
}

/* N11 */
static void test_error__never_inside_an_answer(void **state)
{
    (void)state;
    site.on_head = begin_answer;
    open_peer();
    say(CHUNKED "1\r\na\r\n");
    assert_non_null(strstr(peer.text, "7\r\npartial\r\n"));
    say("zz\r\n");
    assert_true(peer.ended);
    assert_non_null(strstr(peer.text, "7\r\npartial\r\n"));
    assert_null(strstr(peer.text, "400"));
    assert_null(strstr(peer.text, "0\r\n\r\n"));
    assert_string_equal(site.trace, "head data(1) gone close ");
}

/* A body that is too large where the answer has begun. */
static int begin_limited_answer(struct http_site *s, gust_request *req)
{
    gust_request_set_max_body_size(req, 10);
    return begin_answer(s, req);
}

static void test_error__too_large_behind_a_begun_answer(void **state)
{
    (void)state;
    site.on_head = begin_limited_answer;
    open_peer();
    say(CHUNKED "b\r\n");
    assert_true(peer.ended);
    assert_null(strstr(peer.text, "413"));
    assert_int_equal(site.gones, 1);
}

/* 1xx is no answer yet. */
static int send_hints(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 103};
    (void)s;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
    return 0;
}

static void test_error__behind_hints_is_answered(void **state)
{
    (void)state;
    site.on_head = send_hints;
    http_peer_ask(&peer, &site, CHUNKED "zz\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 103);
    assert_int_equal(http_peer_status(&peer, 1), 400);
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
}

static int refuse_head(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 403};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(upload, 100000)), 0);
    return 0;
}

/* Until all that the client has said is on its way, and a while longer. */
static void let_it_send(void)
{
    for (int i = 0; i < 1000 && gust_iostream_is_writing(peer.s); i++) {
        http_site_pass(&site, GUST_MILLIS(1));
    }
    assert_false(gust_iostream_is_writing(peer.s));
    http_site_pass(&site, GUST_MILLIS(30));
}

/* Send a 3 MB body and read the answer whenever it comes, or only when all is sent. */
static void check_early_answer(const char *head, bool reads_last)
{
    restart_on_socket();
    site.on_head = refuse_head;
    http_peer_stall(&peer, reads_last);
    assert_int_equal(http_peer_say(&peer, head), 0);
    assert_int_equal(http_peer_send(&peer, upload, sizeof(upload)), 0);
    if (reads_last) {
        let_it_send();
    }
    http_peer_stall(&peer, false);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.len > 100000);
    assert_false(peer.gone); /* its end was seen, and no reset */
    http_peer_close(&peer);
    http_site_until(&site, &site.closes, 1);
}

/* N15 */
static void test_early_answer__to_3_mb_is_read_whole(void **state)
{
    (void)state;
    check_early_answer(POST "Content-Length: 3000000\r\n\r\n", false);
    check_early_answer(POST "Content-Length: 3000000\r\n\r\n", true);
    check_early_answer(CHUNKED "2dc6c0\r\n", true);
}

static void test_too_large__413_to_3_mb_is_read_whole(void **state)
{
    (void)state;
    restart_on_socket();
    http_peer_stall(&peer, true);
    assert_int_equal(http_peer_say(&peer, POST "Content-Length: 99999999\r\n\r\n"), 0);
    assert_int_equal(http_peer_send(&peer, upload, sizeof(upload)), 0);
    let_it_send();
    http_peer_stall(&peer, false);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_status(&peer, 0), 413);
    assert_false(peer.gone);
}

/* A client that was to keep its connection may send on while we end it. */
static void close_after(struct http_site *s, gust_request *req)
{
    gust_request_set_close(req);
    http_site_hello(s, req);
}

static void test_last_answer__is_not_lost_to_a_reset(void **state)
{
    (void)state;
    restart_on_socket();
    site.on_finish = close_after;
    http_peer_stall(&peer, true);
    assert_int_equal(http_peer_say(&peer, GET), 0);
    assert_int_equal(http_peer_send(&peer, upload, 1000000), 0); /* pipelined, so to say */
    let_it_send();
    http_peer_stall(&peer, false);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    assert_false(peer.gone);
}

/* A reset, in each state. */
static void reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
}

static void test_reset__in_each_state(void **state)
{
    static const char *const texts[] = {"", "GET / HT", GET, POST "Content-Length: 3\r\n\r\na",
                                        "bad\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        restart_on_socket();
        site.on_finish = http_site_later;
        assert_int_equal(http_peer_say(&peer, texts[i]), 0);
        http_site_pass(&site, GUST_MILLIS(5));
        if (i == 2 || i == 3) {
            http_site_until(&site, &site.heads, 1);
        }
        reset(gust_iostream_fd(peer.s));
        http_peer_close(&peer);
        http_site_until(&site, &site.closes, 1);
        assert_int_equal(site.gones, i == 2 || i == 3);
        assert_int_equal(gust_httpserver_connections(site.server), 0);
    }
}

/* S10: no address, so 0.0.0.0; add_socket. */
static void test_unix_socket__served_like_another(void **state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char answer[200];
    (void)state;
    snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/gust-test-%ld", (long)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(gust_httpserver_add_socket(site.server, fd), 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    unlink(to.sun_path);
    assert_int_equal(send(client, "garbage\r\n\r\n", 11, 0), 11);
    http_site_turn(&site, 8);
    ssize_t n = recv(client, answer, sizeof(answer), MSG_DONTWAIT);
    assert_int_equal(n, strlen(BAD_REQUEST));
    assert_memory_equal(answer, BAD_REQUEST, (size_t)n);
    assert_int_equal(recv(client, answer, sizeof(answer), MSG_DONTWAIT), 0);
    assert_memory_equal(site.log, "[I] Malformed HTTP message from 0.0.0.0: ", 41);
    close(client);
    http_site_turn(&site, 4);
    assert_int_equal(site.closes, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_half_open__answered_and_closed),
        CASE(test_half_open__pipelined_are_all_answered),
        CASE(test_half_open__answered_later),
        CASE(test_half_open__pipelined_and_answered_later),
        CASE(test_half_open__while_the_body_waits),
        CASE(test_half_open__while_held),
        CASE(test_half_open__message_that_will_never_be_whole),
        CASE(test_half_open__switched_off),
        CASE(test_end__inside_a_head_or_a_body),
        CASE(test_end__client_leaves_during_a_download),
        CASE(test_error__static_bytes_one_log_line),
        CASE(test_error__later_requests_are_not_looked_at),
        CASE(test_error__behind_good_requests),
        CASE(test_error__never_inside_an_answer),
        CASE(test_error__too_large_behind_a_begun_answer),
        CASE(test_error__behind_hints_is_answered),
        CASE(test_early_answer__to_3_mb_is_read_whole),
        CASE(test_too_large__413_to_3_mb_is_read_whole),
        CASE(test_last_answer__is_not_lost_to_a_reset),
        CASE(test_reset__in_each_state),
        CASE(test_unix_socket__served_like_another),
    };
    memset(upload, 'u', sizeof(upload));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
