/* WebSockets in time: pings at silence, dead peers, unfinished messages. The
 * clock is the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/ws_live.h"

static struct ws_live live;

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    return 0;
}

static int after(void **state)
{
    (void)state;
    ws_live_stop(&live);
    alloc_count_end();
    return 0;
}

static void start(const gust_websocket_class *cls)
{
    static gust_route routes[2];
    routes[0] = (gust_route)GUST_WEBSOCKET_ROUTE("/ws", cls);
    ws_live_start(&live, routes);
    ws_live_open(&live, "/ws");
    ws_live_expect_events(&live, "open ");
}

#define REPORTING                                                                                  \
    .open = ws_live_on_open, .on_message = ws_live_on_message, .on_close = ws_live_on_close

static const gust_websocket_class plain = {.name = "plain", REPORTING};
static const gust_websocket_class quick = {
    .name = "quick", REPORTING, .ping_interval = GUST_SECONDS(10), .ping_timeout = GUST_SECONDS(4)};

static gust_time now(void)
{
    return live.clock.now;
}

/* Let time pass until a frame comes, in steps of 1/100 s; or until `most` is over.
 * *out is the frame. Returns the time it took, -1 where none came. */
static gust_time await(gust_time most, struct ws_live_frame *out)
{
    gust_time begin = now();
    while (now() - begin < most) {
        ws_live_pass(&live, GUST_MILLIS(10));
        if (ws_live_next(&live, out)) {
            return now() - begin;
        }
    }
    return -1;
}

/* Answer a ping. */
static void answer(const struct ws_live_frame *ping)
{
    assert_int_equal(ping->first, 0x89);
    ws_live_send_frame(&live, 0x8a, ping->payload, ping->len);
    ws_live_turn(&live, 3);
}

static void assert_about(gust_time value, gust_time wanted)
{
    assert_in_range(value, wanted, wanted + GUST_MILLIS(20));
}

/* ---- pings at silence ------------------------------------------------------------------- */

static void test_silence__ping_after_60_s_the_end_after_60_more(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&plain);
    ws_live_send_text(&live, "last word");
    ws_live_turn(&live, 3);
    assert_about(await(GUST_SECONDS(70), &frame), GUST_SECONDS(60));
    assert_int_equal(frame.first, 0x89);
    ws_live_pass(&live, GUST_SECONDS(59.9));
    ws_live_expect_events(&live, "message(last word) ");
    ws_live_pass(&live, GUST_SECONDS(0.2));
    ws_live_expect_events(&live, "close(1006,) ");
    ws_live_expect_end(&live);
}

static void test_first_ping__spread_over_half_the_interval(void **state)
{
    gust_time first = GUST_SECONDS(100), last = 0;
    int early = 0;
    (void)state;
    start(&plain);
    for (int i = 0; i < 40; i++) {
        struct ws_live_frame frame;
        ws_live_open(&live, "/ws");
        gust_time took = await(GUST_SECONDS(70), &frame);
        assert_in_range(took, GUST_SECONDS(30), GUST_SECONDS(60.02));
        first = took < first ? took : first;
        last = took > last ? took : last;
        early += took < GUST_SECONDS(45);
        ws_live_vanish(&live);
    }
    assert_true(last - first > GUST_SECONDS(20));
    assert_in_range(early, 8, 32);
}

static void test_any_bytes__count_as_life(void **state)
{
    static const char *const pieces[] = {"\x8a\x80", "zzzz", "\x82\x83", "zz", "zzabc", "\x89\x81"};
    (void)state;
    start(&quick);
    ws_live_send_text(&live, "x");
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        ws_live_pass(&live, GUST_SECONDS(9.9));
        ws_live_send(&live, pieces[i], strlen(pieces[i]));
        ws_live_turn(&live, 3);
    }
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "message(x) binary(\x1b\x18\x19) ");
    assert_int_equal(gust_websocket_count(live.loop), 1);
}

static void test_bytes_after_the_ping__are_enough(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&quick);
    for (int i = 0; i < 20; i++) {
        assert_true(await(GUST_SECONDS(11), &frame) > 0);
        ws_live_pass(&live, GUST_SECONDS(3.9));
        ws_live_send_text(&live, "x"); /* no pong at all */
        ws_live_turn(&live, 3);
    }
    assert_int_equal(gust_websocket_count(live.loop), 1);
    assert_int_equal(gust_websocket_round_trip(ws_live_socket), 0);
}

static void test_pongs__keep_it_for_days(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&plain);
    assert_true(await(GUST_SECONDS(61), &frame) > 0);
    for (int i = 0; i < 3000; i++) {
        answer(&frame);
        ws_live_pass(&live, GUST_SECONDS(59.99));
        assert_false(ws_live_next(&live, &frame));
        ws_live_pass(&live, GUST_SECONDS(0.02));
        assert_true(ws_live_next(&live, &frame));
    }
    ws_live_expect_events(&live, "");
}

static void test_no_pings__silence_for_days(void **state)
{
    static const gust_websocket_class cls = {REPORTING, .ping_interval = -1};
    (void)state;
    start(&cls);
    for (int i = 0; i < 3; i++) {
        ws_live_pass(&live, GUST_SECONDS(86400));
        ws_live_expect_nothing(&live);
        ws_live_send_text(&live, "x");
        ws_live_turn(&live, 3);
        ws_live_expect_events(&live, "message(x) ");
    }
}

static void test_no_ping_timeout__pings_go_on(void **state)
{
    static const gust_websocket_class cls = {REPORTING, .ping_interval = GUST_SECONDS(10),
                                             .ping_timeout = -1};
    struct ws_live_frame frame;
    (void)state;
    start(&cls);
    assert_true(await(GUST_SECONDS(11), &frame) > 0);
    for (int i = 0; i < 10; i++) {
        assert_about(await(GUST_SECONDS(11), &frame), GUST_SECONDS(10));
    }
    ws_live_expect_events(&live, "");
}

/* Times that can't be added to the clock mean never. */
static void test_huge_times__never(void **state)
{
    static const gust_websocket_class cls = {REPORTING, .ping_interval = GUST_NEVER,
                                             .close_timeout = GUST_NEVER};
    (void)state;
    start(&cls);
    ws_live_send_text(&live, "x");
    ws_live_pass(&live, GUST_SECONDS(864000));
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_pass(&live, GUST_SECONDS(864000));
    ws_live_expect_events(&live, "message(x) ");
    ws_live_expect_close(&live, 1000);
}

static void test_short_interval__many_pings(void **state)
{
    static const gust_websocket_class cls = {REPORTING, .ping_interval = GUST_MILLIS(10)};
    struct ws_live_frame frame;
    (void)state;
    start(&cls);
    for (int i = 0; i < 50; i++) {
        assert_true(await(GUST_MILLIS(40), &frame) > 0);
        answer(&frame);
    }
    ws_live_expect_events(&live, "");
}

/* ---- round trips -------------------------------------------------------------------------- */

static void test_round_trip__of_the_last_answered_ping(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&quick);
    assert_int_equal(gust_websocket_round_trip(ws_live_socket), 0);
    assert_true(await(GUST_SECONDS(11), &frame) > 0);
    ws_live_pass(&live, GUST_MILLIS(250));
    answer(&frame);
    gust_time took = gust_websocket_round_trip(ws_live_socket);
    assert_in_range(took, GUST_MILLIS(250), GUST_MILLIS(261));
    ws_live_send_frame(&live, 0x8a, "", 0); /* pongs to nothing of ours */
    ws_live_send_frame(&live, 0x8a, "8 bytes.", 8);
    ws_live_send_frame(&live, 0x8a, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    ws_live_turn(&live, 3);
    assert_int_equal(gust_websocket_round_trip(ws_live_socket), took);
}

static void test_own_pings__are_no_keep_alive(void **state)
{
    (void)state;
    start(&quick);
    assert_int_equal(gust_websocket_ping(ws_live_socket, GUST_STR("mine")), 0);
    ws_live_expect(&live, 0x89, "mine");
    ws_live_send_frame(&live, 0x8a, "mine", 4);
    ws_live_turn(&live, 3);
    assert_int_equal(gust_websocket_round_trip(ws_live_socket), 0);
}

/* ---- paused -------------------------------------------------------------------------------- */

static int message_pending(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    return GUST_PENDING;
}

static const gust_websocket_class slow = {.open = ws_live_on_open,
                                          .on_message = message_pending,
                                          .on_close = ws_live_on_close,
                                          .ping_interval = GUST_SECONDS(10),
                                          .ping_timeout = GUST_SECONDS(4)};

/* Pings go out, so that nobody in between forgets the connection; the answers lie
 * behind a message that we don't read. */
static void test_pending_with_a_message_behind__our_silence_kills_nobody(void **state)
{
    struct ws_live_frame frame;
    int pings = 0;
    (void)state;
    start(&slow);
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    for (int i = 0; i < 100; i++) {
        ws_live_pass(&live, GUST_SECONDS(10));
        while (ws_live_next(&live, &frame)) {
            answer(&frame);
            pings++;
        }
    }
    assert_in_range(pings, 90, 101);
    ws_live_expect_events(&live, "message(1) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_pass(&live, GUST_SECONDS(5));
    ws_live_expect_events(&live, "message(2) ");
}

/* Nothing waits unread: a peer that is silent then is gone. */
static void test_pending_without_one__dead_peer_is_noticed(void **state)
{
    (void)state;
    start(&slow);
    ws_live_send_text(&live, "1");
    ws_live_turn(&live, 3);
    ws_live_pass(&live, GUST_SECONDS(13.9));
    ws_live_expect_events(&live, "message(1) ");
    ws_live_pass(&live, GUST_SECONDS(0.2));
    ws_live_expect_events(&live, "close(1006,) ");
}

static void test_pending_without_one__pongs_keep_it(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&slow);
    ws_live_send_text(&live, "1");
    ws_live_turn(&live, 3);
    for (int i = 0; i < 20; i++) {
        assert_true(await(GUST_SECONDS(11), &frame) > 0);
        answer(&frame);
    }
    ws_live_expect_events(&live, "message(1) ");
}

/* ---- unfinished messages ------------------------------------------------------------------------ */

static void expect_1008_after_60_s(void)
{
    struct ws_live_frame frame;
    gust_time begin = now();
    while (now() - begin < GUST_SECONDS(59.5)) {
        ws_live_pass(&live, GUST_MILLIS(850));
        assert_false(ws_live_next(&live, &frame));
        ws_live_send_frame(&live, 0x8a, "still here", 10);
        ws_live_turn(&live, 3);
    }
    ws_live_pass(&live, GUST_SECONDS(0.5));
    ws_live_expect_close(&live, 1008);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1008,unfinished message) ");
}

/* Control frames are no progress; the pace of pings has no say. */
static void test_unfinished_message__60_s_then_1008(void **state)
{
    static const gust_websocket_class no_pings = {REPORTING, .ping_interval = -1};
    static const gust_websocket_class *const classes[] = {&plain, &quick, &no_pings};
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/0", &plain),
                                        GUST_WEBSOCKET_ROUTE("/1", &quick),
                                        GUST_WEBSOCKET_ROUTE("/2", &no_pings),
                                        {0}};
    static const char *const targets[] = {"/0", "/1", "/2"};
    (void)state;
    ws_live_start(&live, routes);
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        ws_live_open(&live, targets[i]);
        ws_live_expect_events(&live, "open ");
        ws_live_send_frame(&live, 0x01, "never ", 6);
        ws_live_turn(&live, 3);
        expect_1008_after_60_s();
    }
}

static void test_empty_first_fragment__has_its_60_s_too(void **state)
{
    (void)state;
    start(&quick);
    ws_live_send_frame(&live, 0x01, "", 0);
    ws_live_turn(&live, 3);
    expect_1008_after_60_s();
}

/* A message that ends in the read in which the next one begins. */
static void test_second_message_unfinished__60_s_from_there(void **state)
{
    unsigned char frames[64];
    (void)state;
    start(&quick);
    ws_live_send_frame(&live, 0x01, "a", 1);
    ws_live_turn(&live, 3);
    ws_live_pass(&live, GUST_SECONDS(50));
    size_t n = ws_live_frame_bytes(frames, 0x80, "b", 1);
    n += ws_live_frame_bytes(frames + n, 0x01, "c", 1);
    ws_live_send(&live, frames, n);
    ws_live_turn(&live, 3);
    ws_live_expect_events(&live, "message(ab) ");
    expect_1008_after_60_s();
}

static void test_progress_every_59_s__no_end(void **state)
{
    (void)state;
    start(&quick);
    ws_live_send_frame(&live, 0x01, "a", 1);
    for (int i = 0; i < 20; i++) {
        ws_live_pass(&live, GUST_SECONDS(59));
        ws_live_send_frame(&live, 0x00, "b", 1);
        ws_live_turn(&live, 3);
    }
    ws_live_send_frame(&live, 0x80, "c", 1);
    ws_live_turn(&live, 3);
    ws_live_expect_events(&live, "message(abbbbbbbbbbbbbbbbbbbbc) ");
    ws_live_expect_nothing(&live); /* no pings while it made progress */
    struct ws_live_frame frame;
    assert_about(await(GUST_SECONDS(11), &frame), GUST_SECONDS(10));
}

/* One frame, byte by byte. */
static void test_progress_inside_a_frame__counts(void **state)
{
    unsigned char frame[32];
    size_t len = ws_live_frame_bytes(frame, 0x82, "zzzzzzzzzz", 10);
    (void)state;
    start(&plain);
    for (size_t i = 0; i < len; i++) {
        ws_live_send(&live, frame + i, 1);
        ws_live_turn(&live, 3);
        ws_live_pass(&live, GUST_SECONDS(i < 5 ? 10 : 55));
    }
    ws_live_expect_events(&live, "binary(zzzzzzzzzz) ");
}

static void test_pause_inside_a_message__the_peer_is_not_blamed(void **state)
{
    unsigned char frame[32];
    size_t len = ws_live_frame_bytes(frame, 0x82, "abcdef", 6);
    (void)state;
    start(&quick);
    ws_live_send(&live, frame, len - 3);
    ws_live_turn(&live, 3);
    gust_websocket_pause(ws_live_socket);
    ws_live_send(&live, frame + len - 3, 3);
    ws_live_turn(&live, 3);
    ws_live_pass(&live, GUST_SECONDS(600));
    ws_live_expect_events(&live, "");
    gust_websocket_resume(ws_live_socket);
    ws_live_turn(&live, 3);
    ws_live_expect_events(&live, "binary(abcdef) ");
}

static void test_pause_inside_a_message_without_pings__the_same(void **state)
{
    static const gust_websocket_class cls = {REPORTING, .ping_interval = -1};
    (void)state;
    start(&cls);
    ws_live_send_frame(&live, 0x01, "a", 1);
    ws_live_turn(&live, 3);
    gust_websocket_pause(ws_live_socket);
    ws_live_send_frame(&live, 0x00, "b", 1);
    ws_live_pass(&live, GUST_SECONDS(86400));
    ws_live_expect_nothing(&live);
    gust_websocket_resume(ws_live_socket);
    ws_live_turn(&live, 3);
    ws_live_pass(&live, GUST_SECONDS(59));
    ws_live_expect_events(&live, "");
    ws_live_pass(&live, GUST_SECONDS(2));
    ws_live_expect_close(&live, 1008);
}

/* ---- no memory -------------------------------------------------------------------------------------- */

/* Another connection's queue takes all the memory that the loop has in store. */
static void use_up_spare_memory(void)
{
    static const char row[128 * 1024 - 10]; /* as much as goes out to a deaf client */
    int code = 0;
    ws_live_use(&live, 1);
    ws_live_open(&live, "/ws");
    ws_live_deaf(&live, true);
    gust_websocket_write_message(ws_live_socket, gust_str_make(row, sizeof(row)),
                                 GUST_WEBSOCKET_BINARY);
    ws_live_turn(&live, 4);
    for (int i = 0; i < 300 && code != GUST_EDROPPED; i++) {
        code = gust_websocket_write_message(ws_live_socket, gust_str_make(row, 2000),
                                            GUST_WEBSOCKET_BINARY);
    }
    assert_int_equal(code, GUST_BACKPRESSURE);
    ws_live_use(&live, 0);
}

/* A ping that can't be made is left out: nobody is dropped for it. */
static void test_no_memory_for_a_ping__next_time(void **state)
{
    struct ws_live_frame frame;
    (void)state;
    start(&quick);
    ws_live_send_text(&live, "x");
    ws_live_turn(&live, 4);
    use_up_spare_memory();
    alloc_count_fail_at(1, true);
    for (int i = 0; i < 10; i++) {
        clock_advance(&live.clock, GUST_SECONDS(1.01));
        ws_live_turn(&live, 2);
    }
    alloc_count_fail_at(0, false);
    assert_true(alloc_sweep_has_failed());
    ws_live_expect_nothing(&live);
    assert_true(await(GUST_SECONDS(5), &frame) > 0);
    answer(&frame);
    ws_live_pass(&live, GUST_SECONDS(5));
    assert_false(live.client->ended);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_silence__ping_after_60_s_the_end_after_60_more),
        CASE(test_first_ping__spread_over_half_the_interval),
        CASE(test_any_bytes__count_as_life),
        CASE(test_bytes_after_the_ping__are_enough),
        CASE(test_pongs__keep_it_for_days),
        CASE(test_no_pings__silence_for_days),
        CASE(test_no_ping_timeout__pings_go_on),
        CASE(test_huge_times__never),
        CASE(test_short_interval__many_pings),
        CASE(test_round_trip__of_the_last_answered_ping),
        CASE(test_own_pings__are_no_keep_alive),
        CASE(test_pending_with_a_message_behind__our_silence_kills_nobody),
        CASE(test_pending_without_one__dead_peer_is_noticed),
        CASE(test_pending_without_one__pongs_keep_it),
        CASE(test_unfinished_message__60_s_then_1008),
        CASE(test_empty_first_fragment__has_its_60_s_too),
        CASE(test_second_message_unfinished__60_s_from_there),
        CASE(test_progress_every_59_s__no_end),
        CASE(test_progress_inside_a_frame__counts),
        CASE(test_pause_inside_a_message__the_peer_is_not_blamed),
        CASE(test_pause_inside_a_message_without_pings__the_same),
        CASE(test_no_memory_for_a_ping__next_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
