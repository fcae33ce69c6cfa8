/* Streams that are taken out of HTTP, inside the delegate and later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

static struct http_site site;
static struct http_peer peer;
static gust_request *kept; /* by a handler that answers later */

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    kept = NULL;
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

static void open_peer(void)
{
    assert_int_equal(http_peer_open(&peer, &site), 0);
}

static void say(const char *text)
{
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_site_turn(&site, 8);
}

static void keep(struct http_site *s, gust_request *req)
{
    (void)s;
    kept = req;
}

/* ---- detaching --------------------------------------------------------------- */

static gust_iostream *detached;
static int detached_ended; /* its end was told */
static char detached_text[64];

static size_t raw_reader(gust_iostream *s, gust_str data, void *user)
{
    size_t len = strlen(detached_text);
    (void)s;
    (void)user;
    assert_true(len + data.len < sizeof(detached_text));
    memcpy(detached_text + len, data.ptr, data.len);
    detached_text[len + data.len] = '\0';
    return data.len;
}

static void raw_close(gust_iostream *s, int status, void *user)
{
    (void)s;
    (void)status;
    (void)user;
    detached_ended++;
}

static const gust_iostream_callbacks raw = {
    .name = "raw", .reader = raw_reader, .on_close = raw_close};

static void detach_now(gust_request *req)
{
    gust_response response = {.status = 101};
    detached_text[0] = '\0';
    detached_ended = 0;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
    assert_int_equal(gust_request_detach(req, &detached), 0);
    assert_true(gust_request_is_finished(req));
    assert_int_equal(gust_request_detach(req, &detached), GUST_ECLOSED);
    assert_int_equal(gust_iostream_set_callbacks(detached, &raw, NULL), 0);
    assert_int_equal(gust_iostream_write(detached, GUST_STR("raw"), NULL, NULL), 0);
}

static int detach_in_head(struct http_site *s, gust_request *req)
{
    (void)s;
    detach_now(req);
    return 0;
}

static void detach_in_finish(struct http_site *s, gust_request *req)
{
    (void)s;
    detach_now(req);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"

/* The new protocol has the stream, and what came behind the head. */
static void check_detached(void)
{
    assert_string_equal(detached_text, "early");
    assert_memory_equal(peer.text, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_non_null(strstr(peer.text, "\r\n\r\nraw"));
    say("late");
    assert_string_equal(detached_text, "earlylate");
    assert_int_equal(gust_httpserver_connections(site.server), 0);
    assert_int_equal(site.closes, 1);
    http_site_pass(&site, GUST_SECONDS(100));
    assert_false(peer.ended); /* no deadline of ours is left */
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(detached_ended, 1);
    assert_int_equal(site.gones, 0);
    assert_int_equal(site.closes, 1);
}

static void test_detach__in_headers_received(void **state)
{
    (void)state;
    site.on_head = detach_in_head;
    open_peer();
    say(UPGRADE "early");
    assert_string_equal(site.trace, "head close ");
    check_detached();
}

static void test_detach__in_finish(void **state)
{
    (void)state;
    site.on_finish = detach_in_finish;
    open_peer();
    say(UPGRADE "early");
    check_detached();
}

static void test_detach__later(void **state)
{
    (void)state;
    site.on_finish = keep;
    open_peer();
    say(UPGRADE);
    say("early");
    detach_now(kept);
    http_site_turn(&site, 8);
    check_detached();
}

static void test_detach__refused_when_it_can_not_be(void **state)
{
    (void)state;
    detached = NULL;
    site.on_finish = keep;
    site.on_gone = http_site_later;
    open_peer();
    say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    assert_int_equal(gust_request_detach(site.req, &detached), GUST_ESTATE);
    say("b");
    http_peer_close(&peer);
    gust_httpserver_close_all_connections(site.server);
    http_site_turn(&site, 4);
    assert_int_equal(gust_request_detach(kept, &detached), GUST_ECLOSED);
    assert_null(detached);
    assert_int_equal(gust_request_finish(kept), 0);
}

/* Nobody takes the stream further than this: 101 and then the end. */
static void switch_and_finish(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 101};
    (void)s;
    assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
    assert_int_equal(gust_request_finish(req), 0);
}

static void test_101_without_detach__ends_the_connection(void **state)
{
    (void)state;
    site.on_finish = switch_and_finish;
    http_peer_ask(&peer, &site, UPGRADE GET);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(site.heads, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_detach__in_headers_received),
        CASE(test_detach__in_finish),
        CASE(test_detach__later),
        CASE(test_detach__refused_when_it_can_not_be),
        CASE(test_101_without_detach__ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
