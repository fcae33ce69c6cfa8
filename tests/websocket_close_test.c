/* How WebSockets end: by either side, by time, by a loss of the connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/loops.h"
#include "tests/support/ws_live.h"

static struct ws_live live;
static char much[1 << 20];

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

static void prepare(const gust_websocket_class *cls)
{
    static gust_route routes[2];
    routes[0] = (gust_route)GUST_WEBSOCKET_ROUTE("/ws", cls);
    ws_live_start(&live, routes);
}

static void start(const gust_websocket_class *cls)
{
    prepare(cls);
    ws_live_open(&live, "/ws");
    ws_live_expect_events(&live, "open ");
}

static const gust_websocket_class echo = {.name = "echo",
                                          .open = ws_live_on_open,
                                          .on_message = ws_live_echo,
                                          .on_ping = ws_live_on_ping,
                                          .on_close = ws_live_on_close};

/* ---- by the server -------------------------------------------------------------------- */

static int open_and_close(gust_websocket *ws, gust_handler *h)
{
    ws_live_on_open(ws, h);
    return gust_websocket_close(ws, 1001, GUST_STR("goodbye"));
}

static void test_close_in_open__both_sides_know(void **state)
{
    static const gust_websocket_class cls = {.open = open_and_close, .on_close = ws_live_on_close};
    (void)state;
    start(&cls);
    ws_live_expect(&live, 0x88, "\x03\xe9goodbye");
    ws_live_expect_nothing(&live);
    ws_live_send_close(&live, 1001, "goodbye");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1001,goodbye) ");
}

static void test_close_twice__one_frame(void **state)
{
    (void)state;
    start(&echo);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1001, GUST_STR("again")), 0);
    ws_live_expect(&live, 0x88, "\x03\xe8");
    ws_live_expect_nothing(&live);
    assert_int_equal(gust_websocket_close_code(ws_live_socket), 0);
}

struct close_row {
    int code;
    const char *reason;
    int result;
    const char *sent; /* the payload, where result is 0 */
    size_t sent_len;
};

#define SENT(text) "" text, sizeof(text) - 1

static const struct close_row close_rows[] = {
    {0, "", 0, SENT("")},
    {0, "why", 0, SENT("\x03\xe8why")},
    {1000, "", 0, SENT("\x03\xe8")},
    {1003, "", 0, SENT("\x03\xeb")},
    {1007, "", 0, SENT("\x03\xef")},
    {1014, "", 0, SENT("\x03\xf6")},
    {3000, "na\xc3\xafve", 0, SENT("\x0b\xb8na\xc3\xafve")},
    {4999, "", 0, SENT("\x13\x87")},
    {1, "", -EINVAL, NULL, 0},
    {-1, "", -EINVAL, NULL, 0},
    {999, "", -EINVAL, NULL, 0},
    {1004, "", -EINVAL, NULL, 0},
    {1005, "", -EINVAL, NULL, 0},
    {1006, "", -EINVAL, NULL, 0},
    {1015, "", -EINVAL, NULL, 0},
    {1016, "", -EINVAL, NULL, 0},
    {2999, "", -EINVAL, NULL, 0},
    {5000, "", -EINVAL, NULL, 0},
    {65536 + 1000, "", -EINVAL, NULL, 0},
    {1000, "\xff", GUST_EUTF8, NULL, 0},
    {1000, "half \xe2\x82", GUST_EUTF8, NULL, 0},
};

/* What is refused changes nothing. */
static void test_close_codes__sent_or_refused(void **state)
{
    (void)state;
    prepare(&echo);
    for (size_t i = 0; i < sizeof(close_rows) / sizeof(close_rows[0]); i++) {
        const struct close_row *row = &close_rows[i];
        ws_live_open(&live, "/ws");
        int code = gust_websocket_close(ws_live_socket, row->code, gust_str_from(row->reason));
        assert_int_equal(code, row->result);
        assert_int_equal(gust_websocket_is_open(ws_live_socket), row->result != 0);
        if (row->result == 0) {
            ws_live_expect_bytes(&live, 0x88, row->sent, row->sent_len);
        } else {
            ws_live_send_text(&live, "on");
            ws_live_expect(&live, 0x81, "on");
        }
        ws_live_vanish(&live);
    }
}

static void test_close_reason__123_bytes_at_most(void **state)
{
    char text[124];
    (void)state;
    memset(text, 'r', sizeof(text));
    start(&echo);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, gust_str_make(text, 124)), -EINVAL);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, gust_str_make(text, 123)), 0);
    struct ws_live_frame frame;
    ws_live_turn(&live, 4);
    assert_true(ws_live_next(&live, &frame));
    assert_int_equal(frame.len, 125);
}

static void test_close__what_was_queued_goes_first(void **state)
{
    (void)state;
    start(&echo);
    gust_websocket_write_message(ws_live_socket, gust_str_make(much, 200000),
                                 GUST_WEBSOCKET_BINARY);
    gust_websocket_write_message(ws_live_socket, GUST_STR("last"), GUST_WEBSOCKET_TEXT);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_expect_bytes(&live, 0x82, much, 200000);
    ws_live_expect(&live, 0x81, "last");
    ws_live_expect_close(&live, 1000);
}

static void test_abort__no_close_and_no_queue(void **state)
{
    (void)state;
    start(&echo);
    gust_websocket_write_message(ws_live_socket, GUST_STR("never"), GUST_WEBSOCKET_TEXT);
    gust_websocket_abort(ws_live_socket);
    assert_false(gust_websocket_is_open(ws_live_socket));
    ws_live_expect_end(&live);
    ws_live_expect_events(&live, "close(1006,) ");
}

static void test_messages_between_the_closes__delivered(void **state)
{
    (void)state;
    start(&echo);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_expect_close(&live, 1000);
    ws_live_send_text(&live, "late");
    ws_live_send_frame(&live, 0x89, "ping", 4);
    ws_live_send_close(&live, 1000, "");
    ws_live_send_text(&live, "too late");
    ws_live_expect_end(&live); /* no echo, no pong */
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "message(late) ping(ping) close(1000,) ");
}

static int message_pending(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    return GUST_PENDING;
}

static const gust_websocket_class slow = {
    .open = ws_live_on_open, .on_message = message_pending, .on_close = ws_live_on_close};

/* What stands before the peer's Close is not given to a handler that is busy. */
static void test_close_while_pending__messages_dropped_answer_seen(void **state)
{
    (void)state;
    start(&slow);
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    ws_live_send_text(&live, "3");
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "message(1) ");
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_expect_close(&live, 1000);
    ws_live_send_close(&live, 1000, "");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1000,) ");
}

static int message_close_pending(gust_websocket *ws, gust_str message,
                                 enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    assert_int_equal(gust_websocket_close(ws, 4000, GUST_STR("")), 0);
    return GUST_PENDING;
}

static void test_close_and_pending__messages_dropped_answer_seen(void **state)
{
    static const gust_websocket_class cls = {
        .open = ws_live_on_open, .on_message = message_close_pending, .on_close = ws_live_on_close};
    (void)state;
    start(&cls);
    ws_live_send_text(&live, "1");
    ws_live_send_text(&live, "2");
    ws_live_send_close(&live, 4000, "");
    ws_live_expect_close(&live, 4000);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "message(1) close(4000,) ");
}

/* ---- by the client ----------------------------------------------------------------------- */

static void test_peer_close__code_and_reason_as_sent(void **state)
{
    (void)state;
    start(&echo);
    ws_live_send_close(&live, 1001, "goodbye");
    ws_live_expect(&live, 0x88, "\x03\xe9");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1001,goodbye) ");
}

static void test_peer_close_without_code__1005(void **state)
{
    (void)state;
    start(&echo);
    ws_live_send_frame(&live, 0x88, "", 0);
    ws_live_expect(&live, 0x88, "");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1005,) ");
}

static void test_closes_that_cross__one_each(void **state)
{
    (void)state;
    start(&echo);
    ws_live_send_close(&live, 1000, "theirs");
    assert_int_equal(gust_websocket_close(ws_live_socket, 1001, GUST_STR("ours")), 0);
    ws_live_expect(&live, 0x88, "\x03\xe9ours");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1000,theirs) ");
}

/* The client ends its side of TCP right behind its Close, while much is queued for
 * it: it gets all of that, and our Close. */
static void test_peer_close_and_fin__what_is_queued_still_comes(void **state)
{
    (void)state;
    start(&echo);
    ws_live_deaf(&live, true);
    assert_int_equal(gust_websocket_write_message(ws_live_socket, gust_str_make(much, 300000),
                                                  GUST_WEBSOCKET_BINARY),
                     GUST_BACKPRESSURE);
    ws_live_turn(&live, 4);
    ws_live_send_close(&live, 1000, "");
    ws_live_half_close(&live);
    ws_live_turn(&live, 4);
    ws_live_deaf(&live, false);
    ws_live_expect_bytes(&live, 0x82, much, 300000);
    ws_live_expect_close(&live, 1000);
    ws_live_expect_end(&live);
    ws_live_expect_events(&live, "close(1000,) ");
}

/* ---- by time -------------------------------------------------------------------------------- */

static void test_no_answer_to_our_close__dropped_after_5_s(void **state)
{
    (void)state;
    start(&echo);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_expect_close(&live, 1000);
    ws_live_pass(&live, GUST_SECONDS(2));
    ws_live_send_text(&live, "busy"); /* is no answer */
    ws_live_pass(&live, GUST_SECONDS(2.9));
    ws_live_expect_events(&live, "message(busy) ");
    ws_live_pass(&live, GUST_SECONDS(0.2));
    ws_live_expect_events(&live, "close(1006,) ");
}

static void test_close_timeout__as_the_class_says(void **state)
{
    static const gust_websocket_class cls = {
        .open = ws_live_on_open, .on_close = ws_live_on_close, .close_timeout = GUST_MILLIS(100)};
    (void)state;
    start(&cls);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_pass(&live, GUST_MILLIS(90));
    ws_live_expect_events(&live, "");
    ws_live_pass(&live, GUST_MILLIS(20));
    ws_live_expect_events(&live, "close(1006,) ");
}

/* Both have said Close and our side of TCP has ended; the client's stays. */
static void test_linger__bounded(void **state)
{
    (void)state;
    start(&echo);
    ws_live_send_close(&live, 1000, "");
    ws_live_expect_close(&live, 1000);
    ws_live_expect_end(&live);
    for (int i = 0; i < 49; i++) {
        ws_live_send_text(&live, "on and on");
        ws_live_pass(&live, GUST_MILLIS(100));
    }
    assert_int_equal(gust_websocket_count(live.loop), 1);
    ws_live_pass(&live, GUST_MILLIS(200));
    assert_int_equal(gust_websocket_count(live.loop), 0);
    ws_live_expect_events(&live, "close(1000,) ");
}

static void test_linger__ends_with_the_client(void **state)
{
    (void)state;
    start(&echo);
    ws_live_send_frame(&live, 0x83, "", 0);
    ws_live_expect_close(&live, 1002);
    ws_live_expect_end(&live);
    assert_int_equal(gust_websocket_count(live.loop), 1);
    ws_live_half_close(&live);
    ws_live_turn(&live, 3);
    assert_int_equal(gust_websocket_count(live.loop), 0);
}

/* A client that never reads can't hold up the end. */
static void test_close_behind_a_queue_that_stands__bounded(void **state)
{
    (void)state;
    start(&echo);
    ws_live_deaf(&live, true);
    gust_websocket_write_message(ws_live_socket, gust_str_make(much, 900000),
                                 GUST_WEBSOCKET_BINARY);
    ws_live_turn(&live, 4);
    ws_live_send_frame(&live, 0xff, "", 0);
    ws_live_pass(&live, GUST_SECONDS(4.9));
    ws_live_expect_events(&live, "");
    ws_live_pass(&live, GUST_SECONDS(0.2));
    assert_int_equal(gust_websocket_count(live.loop), 0);
    assert_non_null(strstr(live.events, "close(1002,"));
}

/* ---- by a loss of the connection ------------------------------------------------------------- */

/* Over TCP, since only there is a reset. */
struct tcp {
    int fd;
    char in[4096];
    size_t len;
};

static void tcp_open(struct tcp *tcp)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    int fds[2];
    gust_iostream *s;
    loops_tcp_pair(fds);
    tcp->fd = fds[1];
    assert_int_equal(gust_iostream_new(live.loop, fds[0], NULL, &s), 0);
    assert_int_equal(gust_httpserver_serve(live.server, s, NULL), 0);
    assert_int_equal(send(tcp->fd, request, sizeof(request) - 1, 0), (int)sizeof(request) - 1);
    ws_live_turn(&live, 6);
    assert_true(recv(tcp->fd, tcp->in, sizeof(tcp->in), 0) > 12);
    assert_memory_equal(tcp->in, "HTTP/1.1 101", 12);
}

static void tcp_send(struct tcp *tcp, unsigned first, const char *payload, size_t keep_back)
{
    unsigned char frame[256];
    size_t len = ws_live_frame_bytes(frame, first, payload, strlen(payload)) - keep_back;
    assert_int_equal(send(tcp->fd, frame, len, 0), len);
    ws_live_turn(&live, 3);
}

static void tcp_end(struct tcp *tcp, bool reset)
{
    if (reset) {
        const struct linger linger = {1, 0};
        assert_int_equal(setsockopt(tcp->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    }
    close(tcp->fd);
    ws_live_turn(&live, 6);
}

enum phase {
    IDLE,
    IN_A_HEADER,
    IN_A_FRAME,
    BETWEEN_FRAGMENTS,
    AFTER_A_MESSAGE,
    AFTER_OUR_CLOSE,
    AFTER_ITS_CLOSE,
    AFTER_A_FAULT,
    PHASES
};

static void bring_to(struct tcp *tcp, enum phase phase)
{
    switch (phase) {
    case IN_A_HEADER: tcp_send(tcp, 0x81, "abc", 4); break;
    case IN_A_FRAME: tcp_send(tcp, 0x81, "abc", 1); break;
    case BETWEEN_FRAGMENTS: tcp_send(tcp, 0x01, "abc", 0); break;
    case AFTER_A_MESSAGE: tcp_send(tcp, 0x81, "abc", 0); break;
    case AFTER_OUR_CLOSE:
        assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
        ws_live_turn(&live, 3);
        break;
    case AFTER_ITS_CLOSE: tcp_send(tcp, 0x88, "\x03\xe9", 0); break;
    case AFTER_A_FAULT: tcp_send(tcp, 0x87, "", 0); break;
    default: break;
    }
}

static const char *const phase_events[PHASES] = {
    [IDLE] = "open close(1006,) ",
    [IN_A_HEADER] = "open close(1006,) ",
    [IN_A_FRAME] = "open close(1006,) ",
    [BETWEEN_FRAGMENTS] = "open close(1006,) ",
    [AFTER_A_MESSAGE] = "open message(abc) close(1006,) ",
    [AFTER_OUR_CLOSE] = "open close(1006,) ",
    [AFTER_ITS_CLOSE] = "open close(1001,) ",
    [AFTER_A_FAULT] = "open close(1002,reserved opcode) "};

static void test_client_vanishes_in_each_phase__on_close_once(void **state)
{
    (void)state;
    prepare(&echo);
    for (int phase = 0; phase < PHASES; phase++) {
        for (int reset = 0; reset < 2; reset++) {
            struct tcp tcp;
            tcp_open(&tcp);
            bring_to(&tcp, (enum phase)phase);
            tcp_end(&tcp, reset);
            assert_int_equal(gust_websocket_count(live.loop), 0);
            if (phase == AFTER_A_FAULT) {
                assert_non_null(strstr(live.events, "open close(1002,"));
                live.events[live.events_len = 0] = '\0';
            } else {
                ws_live_expect_events(&live, phase_events[phase]);
            }
        }
    }
}

/* Without a word: only time tells. */
static void test_client_dies_silently_in_each_phase__on_close_once(void **state)
{
    (void)state;
    prepare(&echo);
    for (int phase = 0; phase < PHASES; phase++) {
        struct tcp tcp;
        tcp_open(&tcp);
        bring_to(&tcp, (enum phase)phase);
        ws_live_pass(&live, GUST_SECONDS(125));
        assert_int_equal(gust_websocket_count(live.loop), 0);
        const char *close_event = strstr(live.events, "close(");
        assert_non_null(close_event);
        assert_null(strstr(close_event + 1, "close("));
        live.events[live.events_len = 0] = '\0';
        close(tcp.fd);
    }
}

/* Input that nobody reads makes a kernel send a reset, which would destroy our
 * Close on its way: so it is read. */
static void test_fault_before_much_input__the_close_arrives(void **state)
{
    static char rest[300000];
    struct tcp tcp;
    (void)state;
    prepare(&echo);
    tcp_open(&tcp);
    unsigned char bad[] = {0x87, 0x80, 0, 0, 0, 0};
    assert_int_equal(send(tcp.fd, bad, sizeof(bad), 0), sizeof(bad));
    for (size_t at = 0; at < sizeof(rest);) {
        ssize_t n = send(tcp.fd, rest + at, sizeof(rest) - at, 0);
        at += n > 0 ? (size_t)n : 0;
        ws_live_turn(&live, 3);
    }
    ssize_t n = recv(tcp.fd, tcp.in, sizeof(tcp.in), 0);
    assert_true(n >= 4);
    assert_memory_equal(tcp.in + 2, "\x03\xea", 2);
    assert_int_equal(recv(tcp.fd, tcp.in, sizeof(tcp.in), 0), 0);
    tcp_end(&tcp, false);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_close_in_open__both_sides_know),
        CASE(test_close_twice__one_frame),
        CASE(test_close_codes__sent_or_refused),
        CASE(test_close_reason__123_bytes_at_most),
        CASE(test_close__what_was_queued_goes_first),
        CASE(test_abort__no_close_and_no_queue),
        CASE(test_messages_between_the_closes__delivered),
        CASE(test_close_while_pending__messages_dropped_answer_seen),
        CASE(test_close_and_pending__messages_dropped_answer_seen),
        CASE(test_peer_close__code_and_reason_as_sent),
        CASE(test_peer_close_without_code__1005),
        CASE(test_closes_that_cross__one_each),
        CASE(test_peer_close_and_fin__what_is_queued_still_comes),
        CASE(test_no_answer_to_our_close__dropped_after_5_s),
        CASE(test_close_timeout__as_the_class_says),
        CASE(test_linger__bounded),
        CASE(test_linger__ends_with_the_client),
        CASE(test_close_behind_a_queue_that_stands__bounded),
        CASE(test_client_vanishes_in_each_phase__on_close_once),
        CASE(test_client_dies_silently_in_each_phase__on_close_once),
        CASE(test_fault_before_much_input__the_close_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
