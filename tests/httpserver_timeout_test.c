/* Time: what is too slow is answered or ended when its time is over, and not
 * before; what is only slow is served. The clock is the test's. */
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
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define BODY_SIZE 6000000

static struct http_site site;
static struct http_peer peer;
static char body[BODY_SIZE];

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

/* Nothing happens for so long and the end comes right behind it. */
static void assert_ends_after(gust_time time)
{
    size_t len = peer.len;
    http_site_pass(&site, time - GUST_MILLIS(2));
    assert_false(peer.ended);
    assert_int_equal(peer.len, len);
    http_site_pass(&site, GUST_MILLIS(4));
    http_site_turn(&site, 6);
    assert_true(peer.ended);
}

static void assert_408(const char *why)
{
    assert_string_equal(peer.text, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                                   "Content-Length: 0\r\n\r\n");
    assert_non_null(strstr(site.log, why));
}

/* ---- idle -------------------------------------------------------------------- */

/* P11 */
static void test_idle__unused_is_closed_silently(void **state)
{
    (void)state;
    open_peer();
    http_site_turn(&site, 2);
    assert_ends_after(GUST_SECONDS(75));
    assert_int_equal(peer.len, 0);
    assert_string_equal(site.log, "");
    assert_string_equal(site.trace, "close ");
}

static void test_idle__counts_from_the_last_answer(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.keepalive_timeout = GUST_SECONDS(5)});
    open_peer();
    for (int i = 1; i <= 3; i++) {
        http_site_pass(&site, GUST_SECONDS(4));
        say(GET);
        assert_int_equal(http_peer_answers(&peer), i);
    }
    assert_ends_after(GUST_SECONDS(5));
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_string_equal(site.log, "");
}

static void test_idle__only_a_line_end_came(void **state)
{
    (void)state;
    open_peer();
    say("\r\n");
    http_site_pass(&site, GUST_SECONDS(76));
    http_site_turn(&site, 4);
    assert_true(peer.ended);
    assert_int_equal(peer.len, 0);
}

static void test_idle__switched_off(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.keepalive_timeout = -1});
    open_peer();
    say(GET);
    http_site_pass(&site, GUST_SECONDS(1000000));
    say(GET);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void test_idle__as_long_as_time__does_not_wrap(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.keepalive_timeout = GUST_NEVER});
    open_peer();
    say(GET);
    http_site_pass(&site, GUST_SECONDS(1000000));
    say(GET);
    assert_int_equal(http_peer_answers(&peer), 2);
}

/* ---- heads ------------------------------------------------------------------- */

static void test_head__408_from_its_first_byte(void **state)
{
    (void)state;
    open_peer();
    http_site_pass(&site, GUST_SECONDS(70)); /* of 75 */
    say("GET / HT");
    assert_ends_after(GUST_SECONDS(20));
    assert_408("Timeout reading headers");
    assert_int_equal(site.heads, 0);
}

/* N16 */
static void test_head__trickling_gains_nothing(void **state)
{
    (void)state;
    open_peer();
    int seconds = 0;
    while (!peer.ended && seconds < 100) {
        say(seconds == 0 ? "GET / HTTP/1.1\r\nX: " : "x");
        http_site_pass(&site, GUST_SECONDS(1));
        seconds++;
    }
    assert_in_range(seconds, 20, 21);
    assert_408("Timeout reading headers");
}

static void test_head__second_request_has_its_own_time(void **state)
{
    (void)state;
    open_peer();
    say("GET / HTTP/1.1\r\n");
    http_site_pass(&site, GUST_SECONDS(19));
    say("Host: a\r\n\r\nGET / HTTP/1.1\r\n");
    assert_int_equal(http_peer_answers(&peer), 1);
    http_site_pass(&site, GUST_SECONDS(19));
    say("Host: a\r\n\r\n");
    assert_int_equal(http_peer_answers(&peer), 2);
    say("G");
    http_site_pass(&site, GUST_SECONDS(21));
    http_site_turn(&site, 6);
    assert_int_equal(http_peer_status(&peer, 2), 408);
}

/* S11.1 */
static void test_head__a_thousand_slow_clients(void **state)
{
    enum { CLIENTS = 1000 };
    static struct http_peer slow[CLIENTS];
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(http_peer_open(&slow[i], &site), 0);
        assert_int_equal(http_peer_say(&slow[i], "GET / HTTP/1.1\r\nX: "), 0);
    }
    http_site_turn(&site, 4);
    size_t bytes = alloc_count_live_bytes();
    for (int second = 2; second < 20; second += 2) {
        for (int i = 0; i < CLIENTS; i++) {
            assert_int_equal(http_peer_say(&slow[i], "x"), 0);
        }
        http_site_pass(&site, GUST_SECONDS(2));
    }
    assert_int_equal(gust_httpserver_connections(site.server), CLIENTS);
    assert_true(alloc_count_live_bytes() < bytes + (size_t)CLIENTS * 512);
    http_site_pass(&site, GUST_SECONDS(3));
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(slow[i].ended);
        assert_int_equal(http_peer_status(&slow[i], 0), 408);
        http_peer_close(&slow[i]);
    }
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

/* ---- bodies ------------------------------------------------------------------ */

static void test_body__408_after_a_pause(void **state)
{
    (void)state;
    open_peer();
    say(POST "Content-Length: 100\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        http_site_pass(&site, GUST_SECONDS(29));
        say("x");
    }
    assert_ends_after(GUST_SECONDS(30));
    assert_408("Timeout reading body");
    assert_string_equal(site.trace, "head gone ");
}

static void test_body__chunked_pause(void **state)
{
    (void)state;
    open_peer();
    say(POST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        http_site_pass(&site, GUST_SECONDS(29));
        say("1\r\nx\r\n");
    }
    assert_ends_after(GUST_SECONDS(30));
    assert_408("Timeout reading body");
}

/* B10 */
static int short_time(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_set_body_timeout(req, GUST_MILLIS(100));
    return 0;
}

static void test_body__timeout_of_one_request(void **state)
{
    (void)state;
    site.on_head = short_time;
    open_peer();
    say(POST "Content-Length: 2\r\n\r\na");
    assert_ends_after(GUST_MILLIS(100));
    assert_408("Timeout reading body");
    http_peer_close(&peer);
    open_peer();
    say(POST "Content-Length: 2\r\n\r\nab");
    site.on_head = NULL;
    say(POST "Content-Length: 2\r\n\r\na");
    http_site_pass(&site, GUST_SECONDS(10));
    say("b");
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void test_body__timeout_for_all_of_it(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.body_timeout = GUST_SECONDS(45),
                                       .body_idle_timeout = GUST_SECONDS(10)});
    open_peer();
    say(POST "Content-Length: 100\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        http_site_pass(&site, GUST_SECONDS(8));
        say("x");
    }
    assert_ends_after(GUST_SECONDS(5));
    assert_408("Timeout reading body");
}

static void test_body__switched_off(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.body_idle_timeout = -1});
    open_peer();
    say(POST "Content-Length: 2\r\n\r\na");
    http_site_pass(&site, GUST_SECONDS(1000000));
    say("b");
    assert_int_equal(http_peer_answers(&peer), 1);
}

static int refuse_head(struct http_site *s, gust_request *req)
{
    (void)s;
    assert_int_equal(http_site_answer(req, 403, "no"), 0);
    return 0;
}

/* The rest of a body that nobody wants does not come. */
static void test_body__of_an_answered_request(void **state)
{
    (void)state;
    site.on_head = refuse_head;
    open_peer();
    say(POST "Content-Length: 10\r\n\r\n");
    http_site_pass(&site, GUST_SECONDS(20));
    say("x");
    assert_ends_after(GUST_SECONDS(30));
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(http_peer_status(&peer, 0), 403);
    assert_string_equal(site.log, "");
}

/* ---- answers ----------------------------------------------------------------- */

static void test_answer__may_take_its_time(void **state)
{
    (void)state;
    site.on_finish = http_site_later;
    open_peer();
    say("GET / HTTP/1.1\r\n");
    say("Host: a\r\n\r\n");
    http_site_pass(&site, GUST_SECONDS(1000000));
    assert_false(peer.ended);
    assert_int_equal(http_site_answer(site.req, 200, "at last"), 0);
    http_site_turn(&site, 4);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_ends_after(GUST_SECONDS(75));
}

static void answer_large(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(body, sizeof(body))), 0);
}

/* Take in what one turn brings, then rest for that long. */
static int read_slowly(gust_time rest)
{
    int rounds = 0;
    http_peer_stall(&peer, true);
    while (!peer.ended && peer.len < sizeof(body) && rounds < 1000) {
        http_site_pass(&site, rest);
        http_peer_stall(&peer, false);
        http_site_turn(&site, 2);
        http_peer_stall(&peer, true);
        rounds++;
    }
    http_peer_stall(&peer, false);
    http_site_turn(&site, 10);
    return rounds;
}

static void check_slow_reader(const char *first, const char *rest, bool ends)
{
    site.stream.write_timeout = GUST_SECONDS(30);
    site.on_finish = answer_large;
    open_peer();
    say(first);
    http_peer_stall(&peer, true);
    say(rest);
    int rounds = read_slowly(GUST_SECONDS(10));
    assert_true(rounds > 15); /* longer than any deadline but that of no progress */
    if (ends) {
        assert_int_equal(http_peer_wait(&peer), 0);
    }
    assert_true(peer.len > sizeof(body));
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_int_equal(peer.ended, ends);
    assert_string_equal(site.log, "");
}

/* The deadline of its head must not cut the answer short. */
static void test_slow_reader__of_the_last_answer(void **state)
{
    (void)state;
    check_slow_reader("GET / HTTP/1.1\r\nConnection: ", "close\r\nHost: a\r\n\r\n", true);
}

/* Nor must that of an idle connection, before which the answer has to be out. */
static void test_slow_reader__on_a_kept_connection(void **state)
{
    (void)state;
    check_slow_reader("GET / HTTP/1.1\r\n", "Host: a\r\n\r\n", false);
    say(GET_CLOSE);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(site.finishes, 2);
}

/* Nor must that of lingering. */
static int answer_large_early(struct http_site *s, gust_request *req)
{
    answer_large(s, req);
    return 0;
}

static void test_slow_reader__of_an_early_answer(void **state)
{
    (void)state;
    site.on_head = answer_large_early;
    check_slow_reader(POST, "Content-Length: 9999999\r\n\r\n", true);
}

/* S11.2 */
static void test_reads_nothing__ended_without_progress(void **state)
{
    static const char *const requests[] = {GET, GET_CLOSE};
    (void)state;
    site.stream.write_timeout = GUST_SECONDS(30);
    site.on_finish = answer_large;
    for (int i = 0; i < 2; i++) {
        open_peer();
        http_peer_stall(&peer, true);
        say(requests[i]);
        http_site_pass(&site, GUST_SECONDS(29));
        assert_int_equal(gust_httpserver_connections(site.server), 1);
        http_site_pass(&site, GUST_SECONDS(2));
        http_site_turn(&site, 4);
        assert_int_equal(gust_httpserver_connections(site.server), 0);
        http_peer_close(&peer);
    }
}

/* The option reaches the streams that the server accepts itself. */
static void test_reads_nothing__over_a_socket(void **state)
{
    gust_httpserver_options options = {.write_timeout = GUST_MILLIS(500)};
    (void)state;
    http_site_stop(&site);
    memset(&site, 0, sizeof(site));
    site.real_time = true;
    assert_int_equal(http_site_init(&site, &options, &http_site_delegate, NULL), 0);
    assert_int_equal(gust_httpserver_listen(site.server, 0, "127.0.0.1"), 0);
    site.on_finish = answer_large;
    assert_int_equal(http_peer_connect(&peer, &site), 0);
    http_peer_stall(&peer, true);
    say(GET);
    http_site_until(&site, &site.finishes, 1);
    assert_int_equal(site.closes, 0);
    http_site_until(&site, &site.closes, 1);
}

/* ---- lingering --------------------------------------------------------------- */

static void test_linger__two_seconds_for_a_peer_that_stays(void **state)
{
    (void)state;
    open_peer();
    say("bad\r\n\r\n");
    assert_true(peer.ended);
    http_site_pass(&site, GUST_MILLIS(1990));
    assert_int_equal(gust_httpserver_connections(site.server), 1);
    assert_false(peer.gone);
    http_site_pass(&site, GUST_MILLIS(20));
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static void test_linger__ends_with_the_peer(void **state)
{
    (void)state;
    open_peer();
    say("bad\r\n\r\n");
    http_peer_end(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static void test_linger__so_many_bytes_at_most(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.linger_bytes = 100});
    open_peer();
    say("bad\r\n\r\n");
    assert_int_equal(http_peer_send(&peer, body, 100), 0);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 1);
    assert_int_equal(http_peer_send(&peer, body, 1), 0);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_idle__unused_is_closed_silently),
        CASE(test_idle__counts_from_the_last_answer),
        CASE(test_idle__only_a_line_end_came),
        CASE(test_idle__switched_off),
        CASE(test_idle__as_long_as_time__does_not_wrap),
        CASE(test_head__408_from_its_first_byte),
        CASE(test_head__trickling_gains_nothing),
        CASE(test_head__second_request_has_its_own_time),
        CASE(test_head__a_thousand_slow_clients),
        CASE(test_body__408_after_a_pause),
        CASE(test_body__chunked_pause),
        CASE(test_body__timeout_of_one_request),
        CASE(test_body__timeout_for_all_of_it),
        CASE(test_body__switched_off),
        CASE(test_body__of_an_answered_request),
        CASE(test_answer__may_take_its_time),
        CASE(test_slow_reader__of_the_last_answer),
        CASE(test_slow_reader__on_a_kept_connection),
        CASE(test_slow_reader__of_an_early_answer),
        CASE(test_reads_nothing__ended_without_progress),
        CASE(test_reads_nothing__over_a_socket),
        CASE(test_linger__two_seconds_for_a_peer_that_stays),
        CASE(test_linger__ends_with_the_peer),
        CASE(test_linger__so_many_bytes_at_most),
    };
    memset(body, 'b', sizeof(body));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
