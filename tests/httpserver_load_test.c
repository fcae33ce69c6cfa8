/* Greedy clients: thousands of requests at once, answers that nobody reads, and
 * others that want their turn meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define MANY 10000
#define PIECE 65536

static struct http_site site;
static struct http_peer peer, other;
static char piece[PIECE];
static char *pipelined; /* MANY requests */

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
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

static void open_both(void)
{
    assert_int_equal(http_peer_open(&peer, &site), 0);
    assert_int_equal(http_peer_open(&other, &site), 0);
}

static void send_many(void)
{
    assert_int_equal(http_peer_send(&peer, pipelined, MANY * strlen(GET)), 0);
}

/* Turn the loop until `served` requests were answered; the most memory that was
 * in use meanwhile, apart from what the client has yet to send. */
static size_t serve(int served, int max_turns)
{
    size_t most = 0;
    for (int i = 0; i < max_turns && site.finishes < served; i++) {
        http_site_turn(&site, 1);
        size_t now = alloc_count_live_bytes() - gust_iostream_write_queue_size(peer.s);
        most = now > most ? now : most;
    }
    assert_int_equal(site.finishes, served);
    return most;
}

/* ---- many requests ----------------------------------------------------------- */

static void test_many__one_turn_is_not_all(void **state)
{
    (void)state;
    open_both();
    send_many();
    for (int i = 0; i < 100 && site.finishes == 0; i++) {
        http_site_turn(&site, 1);
    }
    assert_in_range(site.finishes, 1, 128);
    int first = site.finishes;
    http_site_turn(&site, 1);
    assert_in_range(site.finishes - first, 1, 128);
}

static void test_many__others_are_served_in_between(void **state)
{
    (void)state;
    open_both();
    send_many();
    http_site_turn(&site, 10);
    assert_true(site.finishes > 0 && site.finishes < MANY / 2);
    assert_int_equal(http_peer_say(&other, GET), 0);
    http_site_turn(&site, 6);
    assert_int_equal(http_peer_answers(&other), 1);
    assert_true(site.finishes < MANY / 2);
    (void)serve(MANY + 1, 10000);
    http_site_turn(&site, 100);
    assert_int_equal(peer.len, MANY * other.len);
}

static void test_many__memory_is_flat(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_turn(&site, 6);
    size_t idle = alloc_count_live_bytes();
    send_many();
    size_t most = serve(MANY + 1, 10000);
    assert_true(most < idle + 400000); /* what the stream keeps, and queued answers */
}

/* S11.3: with a handler that takes its time. */
static gust_request *waiting;

static void keep(struct http_site *s, gust_request *req)
{
    (void)s;
    waiting = req;
}

static void test_many__slow_handler(void **state)
{
    (void)state;
    site.on_finish = keep;
    open_both();
    size_t idle = alloc_count_live_bytes();
    send_many();
    for (int i = 1; i <= 300; i++) {
        http_site_pass(&site, GUST_MILLIS(10));
        assert_int_equal(site.finishes, i); /* one at a time */
        size_t now = alloc_count_live_bytes() - gust_iostream_write_queue_size(peer.s);
        assert_true(now < idle + 300000);
        assert_int_equal(http_site_answer(waiting, 200, "slow"), 0);
    }
    site.on_finish = NULL;
    (void)serve(MANY, 10000);
}

/* Requests of other sizes, so that reads cut them anywhere. */
static void answer_path(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_request_path(req)), 0);
}

static void test_many__of_many_sizes_come_in_order(void **state)
{
    enum { COUNT = 2000 };
    char *text = malloc(COUNT * 600);
    size_t len = 0;
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < COUNT; i++) {
        len += (size_t)sprintf(text + len, "GET /%d HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", i,
                               1 + i * 7 % 500, 0);
    }
    site.on_finish = answer_path;
    open_both();
    assert_int_equal(http_peer_send(&peer, text, len), 0);
    free(text);
    (void)serve(COUNT, 10000);
    http_site_turn(&site, 20);
    struct http_answer a;
    const char *at = peer.text;
    for (int i = 0; i < COUNT; i++, at = a.end) {
        char want[24];
        int n = snprintf(want, sizeof(want), "/%d", i);
        assert_true(http_answer_read(at, false, &a));
        assert_int_equal(a.body_len, n);
        assert_memory_equal(a.body, want, (size_t)n);
    }
    assert_string_equal(at, "");
}

/* ---- answers that nobody reads ----------------------------------------------- */

static void answer_piece(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(piece, PIECE)), 0);
}

/* 10,000 answers of 64 KiB: at some point no more requests are read. */
static void test_unread__paused_and_resumed(void **state)
{
    (void)state;
    site.on_finish = answer_piece;
    open_both();
    http_peer_stall(&peer, true);
    send_many();
    http_site_turn(&site, 2000);
    int answered = site.finishes;
    assert_in_range(answered, 16, 40); /* the high-water mark is 1 MiB */
    http_site_turn(&site, 1000);
    assert_int_equal(site.finishes, answered);
    assert_true(alloc_count_live_bytes() - gust_iostream_write_queue_size(peer.s) < 4000000);
    assert_int_equal(http_peer_say(&other, GET), 0);
    http_site_turn(&site, 10);
    assert_int_equal(http_peer_status(&other, 0), 200);
    http_peer_stall(&peer, false);
    http_site_turn(&site, 200);
    assert_true(site.finishes > answered + 20);
    http_peer_stall(&peer, true);
    http_site_turn(&site, 2000);
    answered = site.finishes;
    http_site_turn(&site, 100);
    assert_int_equal(site.finishes, answered);
}

/* The client ends its side while it is held back: what it sent is answered. */
static void test_unread__then_half_closed(void **state)
{
    (void)state;
    site.on_finish = answer_piece;
    open_both();
    http_peer_stall(&peer, true);
    assert_int_equal(http_peer_send(&peer, pipelined, 50 * strlen(GET)), 0);
    http_peer_end(&peer);
    http_site_turn(&site, 500);
    assert_in_range(site.finishes, 16, 49);
    http_peer_stall(&peer, false);
    assert_int_equal(http_peer_wait(&peer), 0);
    assert_int_equal(site.finishes, 50);
    assert_true(peer.len > 50 * (size_t)PIECE);
}

/* A producer sees that it should wait, and is told when to go on. */
static size_t produced;
static int waits;

static void produce(gust_request *req, int status, void *user)
{
    (void)user;
    assert_int_equal(status, 0);
    while (produced < 400 && !gust_request_is_congested(req)) {
        assert_int_equal(gust_request_write(req, gust_str_make(piece, PIECE), NULL, NULL), 0);
        produced++;
    }
    if (produced < 400) {
        waits++;
        assert_int_equal(gust_request_write(req, GUST_STR(""), produce, NULL), 0);
    } else {
        assert_int_equal(gust_request_finish(req), 0);
    }
}

static void start_producing(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)s;
    produced = 0;
    waits = 0;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
    produce(req, 0, NULL);
}

static void test_unread__producer_waits_and_goes_on(void **state)
{
    (void)state;
    site.on_finish = start_producing;
    open_both();
    http_peer_stall(&peer, true);
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_turn(&site, 100);
    assert_in_range(produced, 16, 20);
    assert_true(alloc_count_live_bytes() < 3000000);
    http_peer_stall(&peer, false);
    http_site_turn(&site, 2000);
    assert_int_equal(produced, 400);
    assert_true(waits > 10);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.len > (size_t)400 * PIECE);
}

/* A producer that does not care meets the hard limit, and its answer is whole. */
static void produce_blindly(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    int status = 0;
    (void)s;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
    for (produced = 0; status == 0; produced++) {
        status = gust_request_write(req, gust_str_make(piece, PIECE), NULL, NULL);
    }
    produced--;
    assert_int_equal(status, GUST_EBUFFERFULL);
    assert_true(gust_request_is_connected(req));
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_unread__hard_limit(void **state)
{
    (void)state;
    site.on_finish = produce_blindly;
    open_both();
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_turn(&site, 2000);
    assert_in_range(produced, 250, 256); /* 16 MiB */
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_true(peer.len > produced * PIECE);
    assert_int_equal(http_peer_say(&other, GET), 0);
}

static void answer_too_much(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    size_t size = (size_t)17 * 1024 * 1024;
    char *body = calloc(1, size);
    (void)s;
    assert_non_null(body);
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(body, size)),
                     GUST_EBUFFERFULL);
    free(body);
    assert_false(gust_request_is_finished(req));
    assert_int_equal(http_site_answer(req, 500, "too much"), 0);
}

static void test_respond__more_than_the_stream_takes(void **state)
{
    (void)state;
    site.on_finish = answer_too_much;
    open_both();
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_turn(&site, 10);
    assert_int_equal(http_peer_status(&peer, 0), 500);
    assert_false(peer.ended);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_many__one_turn_is_not_all),
        CASE(test_many__others_are_served_in_between),
        CASE(test_many__memory_is_flat),
        CASE(test_many__slow_handler),
        CASE(test_many__of_many_sizes_come_in_order),
        CASE(test_unread__paused_and_resumed),
        CASE(test_unread__then_half_closed),
        CASE(test_unread__producer_waits_and_goes_on),
        CASE(test_unread__hard_limit),
        CASE(test_respond__more_than_the_stream_takes),
    };
    memset(piece, 'p', sizeof(piece));
    pipelined = malloc(MANY * strlen(GET) + 1);
    for (size_t i = 0; pipelined != NULL && i < MANY; i++) {
        strcpy(pipelined + i * strlen(GET), GET);
    }
    int failed = pipelined == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    free(pipelined);
    return failed;
}
