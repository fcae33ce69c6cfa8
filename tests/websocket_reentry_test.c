/* WebSockets under what their own callbacks do: close, abort, write much, free the
 * server, in each of them. And with the server and the loop that go. */
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

/* ---- by what callbacks do ----------------------------------------------------------------------- */

enum place { IN_OPEN, IN_MESSAGE, IN_PING, IN_PONG, IN_DRAIN, IN_CLOSE, PLACES };
static const char *const place_names[] = {"open", "message", "ping", "pong", "drain", "close"};

enum action {
    CLOSE,
    ABORT,
    WRITE_1_MIB,
    CLOSE_ALL,
    PING,
    PAUSE_RESUME,
    CLOSE_PEER,
    CLOSE_STREAM,
    FLUSH,
    STOP_LOOP,
    FREE_SERVER,
    FREE_APPLICATION,
    ACTIONS
};

static enum place place;
static enum action action;
static bool acted;
static int opens, closes;

static void act(gust_websocket *ws)
{
    switch (action) {
    case CLOSE: (void)gust_websocket_close(ws, 1000, GUST_STR("")); break;
    case ABORT: gust_websocket_abort(ws); break;
    case WRITE_1_MIB:
        (void)gust_websocket_write_message(ws, gust_str_make(much, sizeof(much)),
                                           GUST_WEBSOCKET_BINARY);
        break;
    case CLOSE_ALL: (void)gust_websocket_close_all(live.loop, 1001, GUST_STR("all")); break;
    case PING: (void)gust_websocket_ping(ws, GUST_STR("?")); break;
    case PAUSE_RESUME:
        gust_websocket_pause(ws);
        gust_websocket_resume(ws);
        break;
    case CLOSE_PEER:
        if (live.client->s != NULL) {
            gust_iostream_close(live.client->s);
        }
        break;
    case CLOSE_STREAM: gust_iostream_close(gust_websocket_stream(ws)); break;
    case FLUSH: gust_iostream_flush(gust_websocket_stream(ws)); break;
    case STOP_LOOP: gust_ioloop_stop(live.loop); break;
    case FREE_SERVER:
        gust_httpserver_free(live.server);
        live.server = NULL;
        break;
    default:
        gust_application_free(live.application);
        live.application = NULL;
        break;
    }
}

static void at(gust_websocket *ws, enum place here)
{
    if (here == place && !acted) {
        acted = true;
        act(ws);
    }
}

static int matrix_open(gust_websocket *ws, gust_handler *h)
{
    (void)h;
    opens++;
    at(ws, IN_OPEN);
    return 0;
}

/* Enough for a drain later. */
static int matrix_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    (void)message, (void)type;
    at(ws, IN_MESSAGE);
    return gust_websocket_write_message(ws, gust_str_make(much, 400000), GUST_WEBSOCKET_BINARY);
}

static void matrix_ping(gust_websocket *ws, gust_str data)
{
    (void)data;
    at(ws, IN_PING);
}

static void matrix_pong(gust_websocket *ws, gust_str data)
{
    (void)data;
    at(ws, IN_PONG);
}

static void matrix_drain(gust_websocket *ws)
{
    at(ws, IN_DRAIN);
}

static void matrix_close(gust_websocket *ws)
{
    closes++;
    at(ws, IN_CLOSE);
}

static const gust_websocket_class matrix = {.name = "matrix",
                                            .open = matrix_open,
                                            .on_message = matrix_message,
                                            .on_ping = matrix_ping,
                                            .on_pong = matrix_pong,
                                            .on_drain = matrix_drain,
                                            .on_close = matrix_close};

static void send_if_open(unsigned first, const char *text)
{
    if (live.client->s != NULL && !gust_iostream_is_closed(live.client->s)) {
        ws_live_send_frame(&live, first, text, strlen(text));
        ws_live_turn(&live, 12);
    }
}

/* Another client comes to no harm. */
static void serve_another(void)
{
    if (live.server != NULL && live.application != NULL) {
        ws_live_use(&live, 1);
        ws_live_open(&live, "/echo");
        ws_live_send_text(&live, "still here");
        ws_live_expect(&live, 0x81, "still here");
    }
}

static void run_matrix(void)
{
    static const gust_route routes[] = {
        GUST_WEBSOCKET_ROUTE("/ws", &matrix), GUST_WEBSOCKET_ROUTE("/echo", &echo), {0}};
    unsigned char early[32];
    size_t len = ws_live_frame_bytes(early, 0x89, "early", 5);
    acted = false;
    opens = closes = 0;
    alloc_count_begin();
    ws_live_start(&live, routes);
    ws_live_request(&live, "/ws", "", early, len);
    send_if_open(0x81, "message");
    send_if_open(0x89, "ping");
    send_if_open(0x8a, "pong");
    send_if_open(0x81, "message");
    send_if_open(0x88, "\x03\xe8");
    if (live.client->s != NULL) {
        ws_live_vanish(&live);
    }
    ws_live_turn(&live, 4);
    if (!acted || opens != 1 || closes != 1) {
        fail_msg("%s, action %d: acted %d, %d opens, %d closes", place_names[place], action, acted,
                 opens, closes);
    }
    serve_another();
    ws_live_stop(&live);
    alloc_count_end();
}

static void test_anything_inside_any_callback__one_on_close(void **state)
{
    (void)state;
    for (place = IN_OPEN; place < PLACES; place++) {
        for (action = CLOSE; action < ACTIONS; action++) {
            run_matrix();
        }
    }
}

/* S8.3: before there is a WebSocket. */
static int place_in_handshake;

static void act_on_server(void)
{
    if (acted) {
        return;
    }
    acted = true;
    if (action == CLOSE_ALL) {
        (void)gust_websocket_close_all(live.loop, 1001, GUST_STR(""));
    } else if (action == CLOSE_PEER) {
        gust_iostream_close(live.client->s);
    } else if (action == FREE_SERVER) {
        gust_httpserver_free(live.server);
        live.server = NULL;
    } else if (action == FREE_APPLICATION) {
        gust_application_free(live.application);
        live.application = NULL;
    }
}

static int handshake_prepare(gust_handler *h)
{
    (void)h;
    if (place_in_handshake == 0) {
        act_on_server();
    }
    return 0;
}

static bool handshake_origin(gust_handler *h, gust_str origin)
{
    (void)h, (void)origin;
    if (place_in_handshake == 1) {
        act_on_server();
    }
    return place_in_handshake != 3;
}

static void handshake_subprotocol(gust_handler *h, const gust_str *offered, size_t count,
                                  gust_str *out_chosen)
{
    (void)h, (void)count;
    if (place_in_handshake == 2) {
        act_on_server();
    }
    *out_chosen = offered[0];
}

static void test_anything_inside_the_handshake__no_harm(void **state)
{
    static const gust_websocket_class cls = {.prepare = handshake_prepare,
                                             .check_origin = handshake_origin,
                                             .select_subprotocol = handshake_subprotocol,
                                             .open = matrix_open,
                                             .on_close = matrix_close};
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &cls), {0}};
    (void)state;
    place = PLACES;
    for (place_in_handshake = 0; place_in_handshake < 4; place_in_handshake++) {
        for (action = CLOSE_ALL; action < ACTIONS; action++) {
            acted = false;
            opens = closes = 0;
            alloc_count_begin();
            ws_live_start(&live, routes);
            ws_live_request(&live, "/ws", "Origin: http://x\r\nSec-WebSocket-Protocol: a, b\r\n",
                            NULL, 0);
            ws_live_vanish(&live);
            ws_live_turn(&live, 4);
            assert_int_equal(opens, closes);
            ws_live_stop(&live);
            alloc_count_end();
        }
    }
}

/* on_close is the last call; what can be asked there is right. */
static void everything_in_on_close(gust_websocket *ws)
{
    gust_websocket_message *message;
    assert_false(gust_websocket_is_open(ws));
    assert_int_equal(gust_websocket_close_code(ws), 4001);
    assert_true(gust_str_eq(gust_websocket_close_reason(ws), GUST_STR("reason")));
    assert_int_equal(gust_websocket_write_message(ws, GUST_STR("x"), GUST_WEBSOCKET_TEXT),
                     GUST_ECLOSED);
    assert_int_equal(gust_websocket_message_new(GUST_STR("x"), GUST_WEBSOCKET_TEXT, &message), 0);
    assert_int_equal(gust_websocket_write_prepared(ws, message), GUST_ECLOSED);
    gust_websocket_message_unref(message);
    assert_int_equal(gust_websocket_ping(ws, GUST_STR("")), GUST_ECLOSED);
    assert_int_equal(gust_websocket_close(ws, 1000, GUST_STR("")), 0);
    assert_int_equal(gust_websocket_buffered(ws), 0);
    gust_websocket_pause(ws);
    gust_websocket_resume(ws);
    gust_websocket_abort(ws);
    assert_int_equal(gust_websocket_close_all(gust_websocket_loop(ws), 1001, GUST_STR("")), 0);
    assert_int_equal(gust_websocket_count(gust_websocket_loop(ws)), 1);
    ws_live_event("closed");
}

static void test_inside_on_close__all_may_be_called(void **state)
{
    static const gust_websocket_class cls = {.open = ws_live_on_open,
                                             .on_close = everything_in_on_close};
    (void)state;
    start(&cls);
    ws_live_send_close(&live, 4001, "reason");
    ws_live_turn(&live, 4);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "closed ");
    assert_int_equal(gust_websocket_count(live.loop), 0);
}

/* ---- with the server, with the loop ------------------------------------------------------------- */

static void open_clients(int count)
{
    for (int i = 0; i < count; i++) {
        ws_live_use(&live, i);
        ws_live_open(&live, "/ws");
    }
}

static size_t aborted_at_shutdown;

static void on_shut_down(gust_httpserver *server, size_t aborted, void *user)
{
    (void)server, (void)user;
    aborted_at_shutdown = aborted;
    ws_live_event("stopped");
}

static void test_graceful_stop__1001_to_all(void **state)
{
    (void)state;
    prepare(&echo);
    open_clients(4);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    ws_live_expect_close(&live, 1000);
    assert_int_equal(gust_websocket_close_all(live.loop, 1001, GUST_STR("bye")), 3);
    assert_int_equal(gust_websocket_close_all(live.loop, 1001, GUST_STR("bye")), 0);
    assert_int_equal(gust_httpserver_shutdown(live.server, GUST_SECONDS(1), on_shut_down, NULL), 0);
    for (int i = 0; i < 3; i++) {
        ws_live_use(&live, i);
        ws_live_expect(&live, 0x88,
                       "\x03\xe9"
                       "bye");
        ws_live_send_close(&live, 1001, "");
        ws_live_expect_end(&live);
        ws_live_vanish(&live);
    }
    assert_int_equal(gust_websocket_count(live.loop), 1);
    ws_live_pass(&live, GUST_SECONDS(5));
    assert_int_equal(gust_websocket_count(live.loop), 0);
    assert_int_equal(aborted_at_shutdown, 0);
    assert_non_null(strstr(live.events, "stopped"));
}

static void test_close_all__refused_code__none_closed(void **state)
{
    (void)state;
    prepare(&echo);
    open_clients(2);
    assert_int_equal(gust_websocket_close_all(live.loop, 1006, GUST_STR("")), 0);
    ws_live_send_text(&live, "on");
    ws_live_expect(&live, 0x81, "on");
}

/* One that is idle, one with kept input and queued output, one half closed, one
 * that lingers. */
static void leave_them_in_all_states(void)
{
    open_clients(4);
    ws_live_use(&live, 0);
    ws_live_send_text(&live, "x");
    ws_live_use(&live, 1);
    ws_live_deaf(&live, true);
    ws_live_send_frame(&live, 0x01, "begun", 5);
    ws_live_turn(&live, 4);
    ws_live_use(&live, 2);
    ws_live_send_close(&live, 1000, "");
    ws_live_turn(&live, 4);
    gust_websocket_pause(ws_live_socket);
    ws_live_use(&live, 3);
    ws_live_send_text(&live, "held");
    gust_websocket_write_message(ws_live_socket, gust_str_make(much, sizeof(much)),
                                 GUST_WEBSOCKET_BINARY);
    ws_live_turn(&live, 4);
    live.events[live.events_len = 0] = '\0';
}

static int count_closes(void)
{
    int count = 0;
    for (const char *at = live.events; (at = strstr(at, "close(")) != NULL; at++) {
        count++;
    }
    return count;
}

/* on_close comes for each, before gust_ioloop_close() returns. */
static void test_loop_closed_with_sockets_open__each_told(void **state)
{
    (void)state;
    prepare(&echo);
    leave_them_in_all_states();
    assert_int_equal(gust_ioloop_close(live.loop, false), 0);
    assert_int_equal(count_closes(), 4);
    gust_httpserver_free(live.server);
    gust_application_free(live.application);
    gust_ioloop_free(live.loop);
    live.server = NULL;
    live.application = NULL;
    live.loop = NULL;
    for (int i = 0; i < WS_LIVE_CLIENTS; i++) {
        assert_null(live.clients[i].s);
    }
}

static void test_server_and_loop_freed_with_sockets_open__each_told(void **state)
{
    (void)state;
    prepare(&echo);
    leave_them_in_all_states();
    gust_httpserver_free(live.server);
    gust_application_free(live.application);
    live.server = NULL;
    live.application = NULL;
    gust_ioloop_free(live.loop);
    live.loop = NULL;
    assert_int_equal(count_closes(), 4);
}

/* Over real sockets too, which the loop finds otherwise. */
static void test_loop_freed_with_tcp_open__each_told(void **state)
{
    struct tcp tcp[3];
    (void)state;
    prepare(&echo);
    for (int i = 0; i < 3; i++) {
        tcp_open(&tcp[i]);
    }
    live.events[live.events_len = 0] = '\0';
    assert_int_equal(gust_ioloop_close(live.loop, false), 0);
    assert_int_equal(count_closes(), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(recv(tcp[i].fd, tcp[i].in, 1, 0), 0);
        close(tcp[i].fd);
    }
    gust_httpserver_free(live.server);
    gust_application_free(live.application);
    gust_ioloop_free(live.loop);
    live.server = NULL;
    live.application = NULL;
    live.loop = NULL;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anything_inside_any_callback__one_on_close),
        cmocka_unit_test(test_anything_inside_the_handshake__no_harm),
        CASE(test_inside_on_close__all_may_be_called),
        CASE(test_graceful_stop__1001_to_all),
        CASE(test_close_all__refused_code__none_closed),
        CASE(test_loop_closed_with_sockets_open__each_told),
        CASE(test_server_and_loop_freed_with_sockets_open__each_told),
        CASE(test_loop_freed_with_tcp_open__each_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
