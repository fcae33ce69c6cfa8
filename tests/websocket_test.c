/* The WebSocket server over live connections: callbacks that are pending, errors,
 * messages that are large or many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

/* One class at "/ws". */
static void start(const gust_websocket_class *cls)
{
    static gust_route routes[2];
    routes[0] = (gust_route)GUST_WEBSOCKET_ROUTE("/ws", cls);
    ws_live_start(&live, routes);
}

static const gust_websocket_class echo = {.name = "echo",
                                          .open = ws_live_on_open,
                                          .on_message = ws_live_echo,
                                          .on_ping = ws_live_on_ping,
                                          .on_pong = ws_live_on_pong,
                                          .on_close = ws_live_on_close};

/* ---- pending ------------------------------------------------------------------------------------------ */

static int open_pending(gust_websocket *ws, gust_handler *h)
{
    ws_live_on_open(ws, h);
    return GUST_PENDING;
}

static void test_open_pending__messages_wait_pings_do_not(void **state)
{
    static const gust_websocket_class cls = {.open = open_pending,
                                             .on_message = ws_live_echo,
                                             .on_ping = ws_live_on_ping,
                                             .on_close = ws_live_on_close};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x89, "p", 1);
    ws_live_expect(&live, 0x8a, "p");
    ws_live_send_text(&live, "one");
    ws_live_send_text(&live, "two");
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "open ping(p) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_expect_events(&live, ""); /* never inside the call */
    ws_live_expect(&live, 0x81, "one");
    ws_live_expect(&live, 0x81, "two");
    ws_live_expect_events(&live, "message(one) message(two) ");
}

static int message_pending(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    return GUST_PENDING;
}

static const gust_websocket_class one_by_one = {.name = "one_by_one",
                                                .open = ws_live_on_open,
                                                .on_message = message_pending,
                                                .on_ping = ws_live_on_ping,
                                                .on_close = ws_live_on_close};

static void test_on_message_pending__strictly_one_by_one(void **state)
{
    (void)state;
    start(&one_by_one);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "1");
    ws_live_send_frame(&live, 0x89, "a", 1);
    ws_live_send_text(&live, "2");
    ws_live_send_text(&live, "3");
    ws_live_expect(&live, 0x8a, "a");
    ws_live_expect_events(&live, "open message(1) ping(a) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "message(2) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "message(3) ");
    ws_live_send_frame(&live, 0x89, "b", 1); /* still pending: control frames pass */
    ws_live_expect(&live, 0x8a, "b");
}

static int message_resumed_early(gust_websocket *ws, gust_str message,
                                 enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    gust_websocket_resume(ws);
    return GUST_PENDING;
}

static void test_resume_before_pending_is_returned__counts(void **state)
{
    static const gust_websocket_class cls = {.on_message = message_resumed_early};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "message(1) message(2) ");
}

/* What the peer has said before it went is still heard. */
static void test_pending__peer_closes_and_goes__all_is_told_after_resume(void **state)
{
    (void)state;
    start(&one_by_one);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    ws_live_send_close(&live, 1000, "done");
    ws_live_half_close(&live);
    ws_live_expect_events(&live, "open message(1) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_turn(&live, 6);
    ws_live_expect_events(&live, "message(2) close(1000,done) ");
}

static void test_pending__peer_goes_without_a_word__1006_at_once(void **state)
{
    (void)state;
    start(&one_by_one);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "1");
    ws_live_turn(&live, 4);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "open message(1) close(1006,) ");
}

static void test_pause__holds_messages_back(void **state)
{
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    gust_websocket_pause(ws_live_socket);
    ws_live_send_frame(&live, 0x8a, "pong", 4);
    ws_live_send_frame(&live, 0x01, "a", 1);
    ws_live_send_frame(&live, 0x80, "b", 1);
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "open pong(pong) ");
    gust_websocket_resume(ws_live_socket);
    ws_live_expect(&live, 0x81, "ab");
}

static void test_pause_inside_a_frame__goes_on_there(void **state)
{
    unsigned char frame[64];
    size_t len = ws_live_frame_bytes(frame, 0x81, "abcdef", 6);
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    ws_live_send(&live, frame, len - 3);
    ws_live_turn(&live, 3);
    gust_websocket_pause(ws_live_socket);
    ws_live_send(&live, frame + len - 3, 3);
    ws_live_expect_nothing(&live);
    gust_websocket_resume(ws_live_socket);
    ws_live_expect(&live, 0x81, "abcdef");
}

/* A paused peer is held back by the kernel: what we keep is bounded. */
static void test_pause__peer_sends_on__memory_bounded(void **state)
{
    static char much[60000];
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    gust_websocket_pause(ws_live_socket);
    size_t base = alloc_count_live_bytes();
    for (int i = 0; i < 40; i++) {
        ws_live_send_frame(&live, 0x82, much, sizeof(much));
        ws_live_turn(&live, 2);
    }
    size_t kept = gust_iostream_buffered(gust_websocket_stream(ws_live_socket));
    assert_true(kept > 0 && kept <= 131072);
    assert_true(alloc_count_live_bytes() - base < 40 * sizeof(much) + 300000);
    gust_websocket_resume(ws_live_socket);
    for (int i = 0; i < 40; i++) {
        ws_live_expect_bytes(&live, 0x82, much, sizeof(much));
    }
}

/* ---- errors --------------------------------------------------------------------------------------------- */

static int code_to_return;

static int open_fails(gust_websocket *ws, gust_handler *h)
{
    ws_live_on_open(ws, h);
    return code_to_return;
}

static void test_open_fails__1011_and_a_line_in_the_log(void **state)
{
    static const gust_websocket_class cls = {.name = "failing",
                                             .open = open_fails,
                                             .on_message = ws_live_echo,
                                             .on_close = ws_live_on_close};
    unsigned char frame[64];
    size_t len = ws_live_frame_bytes(frame, 0x81, "late", 4);
    (void)state;
    start(&cls);
    code_to_return = -EIO;
    ws_live_request(&live, "/ws", "", frame, len);
    ws_live_expect_101(&live);
    ws_live_expect_close(&live, 1011);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "open close(1011,) ");
    assert_non_null(strstr(live.log, "Uncaught error in open of failing"));
}

static int message_fails(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    return code_to_return;
}

static const gust_websocket_class failing = {.name = "failing",
                                             .open = ws_live_on_open,
                                             .on_message = message_fails,
                                             .on_close = ws_live_on_close};

static void test_on_message_fails__1011_and_a_line_in_the_log(void **state)
{
    (void)state;
    start(&failing);
    code_to_return = -ENOENT;
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    ws_live_expect_close(&live, 1011);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "open message(1) close(1011,) ");
    assert_non_null(strstr(live.log, "Uncaught error in on_message of failing"));
}

/* What sending says is no failure of the handler. */
static void test_on_message_returns_what_sending_says__goes_on(void **state)
{
    static const int codes[] = {GUST_BACKPRESSURE, GUST_EDROPPED, GUST_ECLOSED};
    (void)state;
    start(&failing);
    ws_live_open(&live, "/ws");
    for (size_t i = 0; i < 3; i++) {
        code_to_return = codes[i];
        ws_live_send_text(&live, "x");
        ws_live_expect_nothing(&live);
    }
    assert_string_equal(live.log, "");
    ws_live_expect_events(&live, "open message(x) message(x) message(x) ");
}

static int message_aborts_and_fails(gust_websocket *ws, gust_str message,
                                    enum gust_websocket_opcode type)
{
    (void)message, (void)type;
    gust_websocket_abort(ws);
    return -EIO;
}

/* No Close went out, so none is reported. */
static void test_abort_then_error__1006(void **state)
{
    static const gust_websocket_class cls = {.open = ws_live_on_open,
                                             .on_message = message_aborts_and_fails,
                                             .on_close = ws_live_on_close};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "x");
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "open close(1006,) ");
}

static void test_no_on_message__messages_are_dropped(void **state)
{
    static const gust_websocket_class cls = {.name = "mute"};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "x");
    ws_live_send_frame(&live, 0x89, "", 0);
    ws_live_expect(&live, 0x8a, "");
}

/* ---- large and many ------------------------------------------------------------------------------------------ */

static const gust_websocket_class big_echo = {
    .on_message = ws_live_echo, .max_message_size = 16u << 20, .max_write_buffer = 32u << 20};

static void test_messages_of_1_to_16_MiB__come_back(void **state)
{
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &big_echo), {0}};
    static const size_t sizes[] = {1u << 20, 4u << 20, 10u << 20, 16u << 20};
    (void)state;
    ws_live_start(&live, routes);
    ws_live_open(&live, "/ws");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *message = malloc(sizes[i]);
        assert_non_null(message);
        for (size_t at = 0; at < sizes[i]; at++) {
            message[at] = (unsigned char)(at * 2654435761u >> 24);
        }
        /* behind its header it would pass the stream's own maximum of 16 MiB */
        size_t size = sizes[i] - (sizes[i] == 16u << 20 ? 10 : 0);
        size_t at = 0;
        unsigned char *frame = malloc(size + 14);
        assert_non_null(frame);
        size_t len = ws_live_frame_bytes(frame, 0x82, message, size);
        for (; at < len; at += 1u << 20) {
            ws_live_send(&live, frame + at, len - at < 1u << 20 ? len - at : 1u << 20);
            ws_live_turn(&live, 40);
        }
        ws_live_expect_bytes(&live, 0x82, message, size);
        free(frame);
        free(message);
    }
}

static void test_65536_fragments__one_message(void **state)
{
    unsigned char frame[16];
    static unsigned char message[65536];
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    size_t base = alloc_count_live_bytes();
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (unsigned char)('a' + i % 26);
        unsigned first = (i == 0 ? 0x01u : 0x00u) | (i + 1 == sizeof(message) ? 0x80u : 0);
        ws_live_send(&live, frame, ws_live_frame_bytes(frame, first, message + i, 1));
        if (i % 4096 == 4095) {
            ws_live_turn(&live, 2);
        }
    }
    assert_true(alloc_count_live_bytes() < base + 4 * sizeof(message) + 300000);
    ws_live_expect_bytes(&live, 0x81, message, sizeof(message));
}

static void send_many(unsigned first, const void *payload, size_t len, size_t count)
{
    unsigned char frame[160];
    size_t size = ws_live_frame_bytes(frame, first, payload, len);
    for (size_t i = 0; i < count; i++) {
        ws_live_send(&live, frame, size);
        if (i % 1024 == 1023) {
            ws_live_turn(&live, 2);
        }
    }
}

/* S9.3 */
static void test_too_many_fragments__1008(void **state)
{
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x02, "x", 1);
    send_many(0x00, "y", 1, 131072);
    ws_live_expect_close(&live, 1008);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x02, "", 0);
    send_many(0x00, "", 0, 1024);
    ws_live_expect_close(&live, 1008);
}

static void test_too_many_controls_inside_a_message__1008(void **state)
{
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x02, "x", 1);
    send_many(0x8a, "", 0, 1001);
    ws_live_expect_close(&live, 1008);
}

static void test_max_message_size__exact__over_fragments_too(void **state)
{
    static const gust_websocket_class cls = {.on_message = ws_live_echo, .max_message_size = 1024};
    static char message[1025];
    (void)state;
    memset(message, 'a', sizeof(message));
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x81, message, 1024);
    ws_live_expect_bytes(&live, 0x81, message, 1024);
    ws_live_send_frame(&live, 0x81, message, 1025);
    ws_live_expect_close(&live, 1009);
    ws_live_open(&live, "/ws");
    ws_live_send_frame(&live, 0x01, message, 1000);
    ws_live_send_frame(&live, 0x80, message, 25);
    ws_live_expect_close(&live, 1009);
}

/* A claim of 10 MiB costs nothing until the bytes come. */
static void test_announced_length__reserves_little(void **state)
{
    static const unsigned char header[] = {0x82, 0xff, 0, 0, 0, 0, 0, 0xa0, 0, 0, 1, 2, 3, 4, 'x'};
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    size_t base = alloc_count_live_bytes();
    ws_live_send(&live, header, sizeof(header));
    ws_live_turn(&live, 4);
    assert_true(alloc_count_live_bytes() < base + 80000);
}

static void test_1000_messages__in_order(void **state)
{
    char text[32];
    (void)state;
    start(&big_echo);
    ws_live_open(&live, "/ws");
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "message %d", i);
        ws_live_send_text(&live, text);
    }
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(text, sizeof(text), "message %d", i);
        ws_live_expect_bytes(&live, 0x81, text, (size_t)n);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_open_pending__messages_wait_pings_do_not),
        CASE(test_on_message_pending__strictly_one_by_one),
        CASE(test_resume_before_pending_is_returned__counts),
        CASE(test_pending__peer_closes_and_goes__all_is_told_after_resume),
        CASE(test_pending__peer_goes_without_a_word__1006_at_once),
        CASE(test_pause__holds_messages_back),
        CASE(test_pause_inside_a_frame__goes_on_there),
        CASE(test_pause__peer_sends_on__memory_bounded),
        CASE(test_open_fails__1011_and_a_line_in_the_log),
        CASE(test_on_message_fails__1011_and_a_line_in_the_log),
        CASE(test_on_message_returns_what_sending_says__goes_on),
        CASE(test_abort_then_error__1006),
        CASE(test_no_on_message__messages_are_dropped),
        CASE(test_messages_of_1_to_16_MiB__come_back),
        CASE(test_65536_fragments__one_message),
        CASE(test_too_many_fragments__1008),
        CASE(test_too_many_controls_inside_a_message__1008),
        CASE(test_max_message_size__exact__over_fragments_too),
        CASE(test_announced_length__reserves_little),
        CASE(test_1000_messages__in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
