/* Sending over live WebSockets: the three-way result, what happens above the
 * limits, draining, messages made once for many, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/ws_live.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* The largest message that goes out to a client that does not read: the pair takes
 * 64 KiB, and so does the client's stream before it stops. All further waits. */
#define IN_FLIGHT (128 * KIB - 10)

static struct ws_live live;
static char much[2 * MIB];

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

static int send_bytes(size_t len)
{
    return gust_websocket_write_message(ws_live_socket, gust_str_make(much, len),
                                        GUST_WEBSOCKET_BINARY);
}

#define REPORTING                                                                                  \
    .open = ws_live_on_open, .on_message = ws_live_on_message, .on_ping = ws_live_on_ping,         \
    .on_drain = ws_live_on_drain, .on_close = ws_live_on_close

static const gust_websocket_class plain = {.name = "plain", REPORTING};
static const gust_websocket_class small_queue = {
    .name = "small_queue", REPORTING, .max_write_buffer = 16 * KIB};
static const gust_websocket_class drop_peer = {.name = "drop_peer",
                                               REPORTING,
                                               .max_write_buffer = 16 * KIB,
                                               .when_full = GUST_WEBSOCKET_DROP_PEER};

/* ---- the three-way result --------------------------------------------------------------- */

/* A queue that nobody empties: 0 up to a quarter of 1 MiB, GUST_BACKPRESSURE to the
 * end, then GUST_EDROPPED; and on_drain once when it is out. */
static void test_default_marks__0_then_backpressure_then_dropped(void **state)
{
    int counts[3] = {0, 0, 0};
    (void)state;
    start(&plain);
    ws_live_deaf(&live, true);
    for (int i = 0; i < 400; i++) {
        int code = send_bytes(4 * KIB);
        assert_true(code == 0 || code == GUST_BACKPRESSURE || code == GUST_EDROPPED);
        size_t which = code == 0 ? 0 : code == GUST_BACKPRESSURE ? 1 : 2;
        assert_true(which == 2 || counts[2] == 0);
        assert_true(which > 0 || counts[1] == 0);
        counts[which]++;
        if (i % 16 == 15) {
            ws_live_turn(&live, 1);
        }
    }
    assert_in_range(counts[0], 64, 96);   /* 256 KiB, and what is in flight */
    assert_in_range(counts[1], 180, 195); /* up to 1 MiB */
    assert_true(counts[2] > 0);
    assert_in_range(gust_websocket_buffered(ws_live_socket), MIB - 8 * KIB, MIB + KIB);
    ws_live_expect_events(&live, "");
    ws_live_deaf(&live, false);
    for (int i = 0; i < counts[0] + counts[1]; i++) {
        ws_live_expect_bytes(&live, 0x82, much, 4 * KIB);
    }
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "drain ");
    assert_int_equal(send_bytes(4 * KIB), 0);
}

/* The marks follow the class's limit, also far below the stream's own marks. */
static void test_small_limit__marks_follow_it(void **state)
{
    (void)state;
    start(&small_queue);
    ws_live_deaf(&live, true);
    assert_int_equal(send_bytes(IN_FLIGHT), GUST_BACKPRESSURE); /* into an empty queue */
    ws_live_turn(&live, 6);
    ws_live_expect_events(&live, "drain ");
    assert_int_equal(send_bytes(4000), 0);
    assert_int_equal(send_bytes(1000), GUST_BACKPRESSURE);
    assert_int_equal(send_bytes(10), GUST_BACKPRESSURE);
    assert_int_equal(send_bytes(12 * KIB), GUST_EDROPPED);
    assert_int_equal(send_bytes(10), GUST_BACKPRESSURE);
    ws_live_deaf(&live, false);
    ws_live_expect_bytes(&live, 0x82, much, IN_FLIGHT);
    ws_live_expect_bytes(&live, 0x82, much, 4000);
    ws_live_expect_bytes(&live, 0x82, much, 1000);
    ws_live_expect_bytes(&live, 0x82, much, 10);
    ws_live_expect_bytes(&live, 0x82, much, 10);
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "drain ");
}

/* More than the limit is taken into an empty queue, more than the stream can
 * hold never. */
static void test_one_large_message__into_an_empty_queue(void **state)
{
    (void)state;
    start(&small_queue);
    assert_int_equal(send_bytes(2 * MIB), GUST_BACKPRESSURE);
    ws_live_expect_bytes(&live, 0x82, much, 2 * MIB);
    char *huge = calloc(1, 16 * MIB + 1);
    assert_non_null(huge);
    assert_int_equal(gust_websocket_write_message(ws_live_socket, gust_str_make(huge, 16 * MIB + 1),
                                                  GUST_WEBSOCKET_BINARY),
                     GUST_ETOOBIG);
    free(huge);
    assert_int_equal(send_bytes(1), 0);
    ws_live_expect_bytes(&live, 0x82, much, 1);
    ws_live_expect_nothing(&live);
}

static int send_at_once(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    (void)message, (void)type;
    for (int i = 0; i < 6; i++) {
        int code = gust_websocket_write_message(ws, gust_str_make(much, 10 * KIB),
                                                GUST_WEBSOCKET_BINARY);
        assert_in_range(code, 0, GUST_BACKPRESSURE);
    }
    return 0;
}

/* Inside a callback nothing leaves by itself: before a message is dropped, what
 * waits for the end of the event is offered to the kernel. */
static void test_burst_above_the_limit__is_sent_not_dropped(void **state)
{
    static const gust_websocket_class cls = {
        .open = ws_live_on_open, .on_message = send_at_once, .max_write_buffer = 16 * KIB};
    (void)state;
    start(&cls);
    ws_live_send_text(&live, "go");
    for (int i = 0; i < 6; i++) {
        ws_live_expect_bytes(&live, 0x82, much, 10 * KIB);
    }
}

static void test_drop_peer__1013_and_then_all_refused(void **state)
{
    (void)state;
    start(&drop_peer);
    ws_live_deaf(&live, true);
    assert_int_equal(send_bytes(IN_FLIGHT), GUST_BACKPRESSURE);
    ws_live_turn(&live, 4);
    ws_live_expect_events(&live, "drain ");
    assert_int_equal(send_bytes(12 * KIB), GUST_BACKPRESSURE);
    assert_int_equal(send_bytes(12 * KIB), GUST_EDROPPED);
    assert_int_equal(send_bytes(1), GUST_ECLOSED); /* also what would fit */
    ws_live_deaf(&live, false);
    ws_live_expect_bytes(&live, 0x82, much, IN_FLIGHT);
    ws_live_expect_bytes(&live, 0x82, much, 12 * KIB);
    ws_live_expect_close(&live, 1013);
    ws_live_send_close(&live, 1013, "");
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "close(1013,) ");
}

static void test_drop_peer__who_never_reads__dropped_after_close_timeout(void **state)
{
    (void)state;
    start(&drop_peer);
    ws_live_deaf(&live, true);
    send_bytes(IN_FLIGHT);
    ws_live_turn(&live, 4);
    send_bytes(12 * KIB);
    assert_int_equal(send_bytes(12 * KIB), GUST_EDROPPED);
    ws_live_pass(&live, GUST_SECONDS(4.9));
    ws_live_expect_events(&live, "drain ");
    ws_live_pass(&live, GUST_SECONDS(0.2));
    ws_live_expect_events(&live, "close(1006,) ");
}

/* ---- the loop of the guide: send until told to wait, go on in on_drain ------------------------- */

static int sent;

static void send_more(gust_websocket *ws)
{
    char text[32];
    int code = 0;
    while (code == 0 && sent < 20000) {
        int n = snprintf(text, sizeof(text), "row %d of 20000", sent);
        code = gust_websocket_write_message(ws, gust_str_make(text, (size_t)n),
                                            GUST_WEBSOCKET_TEXT);
        assert_true(code == 0 || code == GUST_BACKPRESSURE);
        sent++;
    }
}

static int begin_to_send(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    (void)message, (void)type;
    sent = 0;
    send_more(ws);
    return 0;
}

static void test_send_until_backpressure__all_arrives_little_is_queued(void **state)
{
    static const gust_websocket_class cls = {.open = ws_live_on_open,
                                             .on_message = begin_to_send,
                                             .on_drain = send_more,
                                             .max_write_buffer = 64 * KIB};
    char text[32];
    (void)state;
    start(&cls);
    ws_live_deaf(&live, true);
    ws_live_send_text(&live, "go");
    ws_live_turn(&live, 10);
    assert_true(sent < 9000);
    assert_true(gust_websocket_buffered(ws_live_socket) <= 17 * KIB);
    ws_live_deaf(&live, false);
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(text, sizeof(text), "row %d of 20000", i);
        ws_live_expect_bytes(&live, 0x81, text, (size_t)n);
    }
    ws_live_expect_nothing(&live);
}

/* ---- what is refused ---------------------------------------------------------------------------- */

static void test_bad_arguments__refused(void **state)
{
    gust_websocket_message *message;
    (void)state;
    start(&plain);
    gust_str hi = GUST_STR("hi");
    assert_int_equal(gust_websocket_write_message(ws_live_socket, hi, GUST_WEBSOCKET_PING),
                     -EINVAL);
    assert_int_equal(gust_websocket_write_message(ws_live_socket, hi, GUST_WEBSOCKET_CONTINUATION),
                     -EINVAL);
    assert_int_equal(gust_websocket_message_new(hi, GUST_WEBSOCKET_CLOSE, &message), -EINVAL);
    assert_int_equal(gust_websocket_ping(ws_live_socket, gust_str_make(much, 126)), -EINVAL);
    gust_websocket_message_unref(NULL);
    ws_live_expect_nothing(&live);
    assert_true(gust_websocket_is_open(ws_live_socket));
}

static void test_after_close__everything_is_ECLOSED(void **state)
{
    gust_websocket_message *message;
    (void)state;
    start(&plain);
    assert_int_equal(gust_websocket_message_new(GUST_STR("hi"), GUST_WEBSOCKET_TEXT, &message), 0);
    assert_int_equal(gust_websocket_close(ws_live_socket, 1000, GUST_STR("")), 0);
    assert_int_equal(send_bytes(1), GUST_ECLOSED);
    assert_int_equal(gust_websocket_write_prepared(ws_live_socket, message), GUST_ECLOSED);
    assert_int_equal(gust_websocket_ping(ws_live_socket, GUST_STR("")), GUST_ECLOSED);
    assert_false(gust_websocket_is_open(ws_live_socket));
    ws_live_expect_close(&live, 1000);
    ws_live_expect_nothing(&live);
    gust_websocket_message_unref(message);
}

static void test_pings_into_a_full_queue__dropped(void **state)
{
    (void)state;
    start(&small_queue);
    ws_live_deaf(&live, true);
    send_bytes(IN_FLIGHT);
    ws_live_turn(&live, 4);
    int code = 0, count = 0;
    for (; code == 0; count++) {
        code = gust_websocket_ping(ws_live_socket, gust_str_make(much, 100));
    }
    assert_int_equal(code, GUST_EDROPPED);
    assert_in_range(count, 150, 170);
}

/* ---- pings that come in, to a client that does not read ------------------------------------------ */

static void test_ping_flood__memory_bounded__newest_pong_comes(void **state)
{
    unsigned char frame[64];
    char text[16];
    (void)state;
    start(&small_queue);
    ws_live_deaf(&live, true);
    send_bytes(IN_FLIGHT + 16 * KIB);
    ws_live_turn(&live, 4);
    size_t base = alloc_count_live_bytes();
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(text, sizeof(text), "ping %d", i);
        ws_live_send(&live, frame, ws_live_frame_bytes(frame, 0x89, text, (size_t)n));
        if (i % 1000 == 999) {
            ws_live_turn(&live, 2);
            ws_live_expect_events_at(&live, live.events, __FILE__, __LINE__); /* forget */
        }
    }
    assert_true(gust_websocket_buffered(ws_live_socket) < 17 * KIB);
    assert_true(alloc_count_live_bytes() < base + 64 * KIB);
    ws_live_deaf(&live, false);
    ws_live_expect_bytes(&live, 0x82, much, IN_FLIGHT + 16 * KIB);
    struct ws_live_frame pong = {0};
    int pongs = 0;
    ws_live_turn(&live, 20);
    while (ws_live_next(&live, &pong)) {
        assert_int_equal(pong.first, 0x8a);
        pongs++;
    }
    assert_true(pongs > 0 && pongs < 20000);
    assert_int_equal(pong.len, 10);
    assert_memory_equal(pong.payload, "ping 19999", 10);
}

/* ---- order, and one system call ------------------------------------------------------------------- */

static int answer_in_pieces(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    static const size_t sizes[] = {10, 3000, 0, 70000, 5, 2034, 2035, 17000, 1};
    gust_websocket_message *prepared;
    (void)message, (void)type;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        gust_str bytes = gust_str_make(much + i, sizes[i]);
        GUST_TRY(gust_websocket_message_new(bytes, GUST_WEBSOCKET_BINARY, &prepared));
        int code = gust_websocket_write_message(ws, bytes, GUST_WEBSOCKET_BINARY);
        assert_true(code >= 0);
        code = gust_websocket_write_prepared(ws, prepared);
        assert_true(code >= 0);
        code = gust_websocket_ping(ws, GUST_STR("between"));
        assert_int_equal(code, 0);
        gust_websocket_message_unref(prepared);
    }
    return 0;
}

static void test_order__of_all_kinds_of_frames(void **state)
{
    static const gust_websocket_class cls = {.open = ws_live_on_open,
                                             .on_message = answer_in_pieces};
    static const size_t sizes[] = {10, 3000, 0, 70000, 5, 2034, 2035, 17000, 1};
    (void)state;
    for (size_t i = 0; i < sizeof(much); i++) {
        much[i] = (char)(i * 7919 >> 5);
    }
    start(&cls);
    ws_live_send_text(&live, "go");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ws_live_expect_bytes(&live, 0x82, much + i, sizes[i]);
        ws_live_expect_bytes(&live, 0x82, much + i, sizes[i]);
        ws_live_expect(&live, 0x89, "between");
    }
    ws_live_expect_nothing(&live);
    memset(much, 0, sizeof(much));
}

/* ---- messages made once for many -------------------------------------------------------------------- */

#define MANY 1000

static gust_websocket *sockets[MANY];
static size_t socket_count;

static int join(gust_websocket *ws, gust_handler *h)
{
    (void)h;
    sockets[socket_count++] = ws;
    return 0;
}

struct receiver {
    gust_iostream *s;
    size_t bytes;
    bool same;
};

static gust_str wanted;

/* Behind the head each byte must be that of the frame. */
static size_t receive(gust_iostream *s, gust_str data, void *user)
{
    struct receiver *r = user;
    (void)s;
    if (data.len > 12 && memcmp(data.ptr, "HTTP/1.1 101", 12) == 0) {
        return data.len;
    }
    if (r->bytes + data.len > wanted.len ||
        memcmp(wanted.ptr + r->bytes, data.ptr, data.len) != 0) {
        r->same = false;
    }
    r->bytes += data.len;
    return data.len;
}

static const gust_iostream_callbacks receiver_callbacks = {.reader = receive};

static void connect_receiver(struct receiver *r)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    gust_iostream *server_end;
    *r = (struct receiver){.same = true};
    assert_int_equal(gust_iostream_pair(live.loop, NULL, &r->s, &server_end), 0);
    assert_int_equal(gust_iostream_set_callbacks(r->s, &receiver_callbacks, r), 0);
    assert_int_equal(gust_httpserver_serve(live.server, server_end, NULL), 0);
    assert_int_equal(gust_iostream_write(r->s, gust_str_from(request), NULL, NULL), 0);
}

/* A broadcast of 100,000 bytes to 1,000 sockets: one block of that size. */
static void test_prepared__1000_sockets_share_one_allocation(void **state)
{
    static const gust_websocket_class cls = {.open = join};
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &cls), {0}};
    static struct receiver receivers[MANY];
    gust_websocket_message *message;
    (void)state;
    ws_live_start(&live, routes);
    socket_count = 0;
    for (size_t i = 0; i < MANY; i++) {
        connect_receiver(&receivers[i]);
        ws_live_turn(&live, 2);
    }
    ws_live_turn(&live, 4);
    assert_int_equal(socket_count, MANY);
    char *frame = malloc(100010);
    assert_non_null(frame);
    memset(frame, 'm', 100010);
    memcpy(frame, "\x81\x7f\0\0\0\0\0\x01\x86\xa0", 10);
    wanted = gust_str_make(frame, 100010);

    size_t base = alloc_count_live_bytes();
    assert_int_equal(gust_websocket_message_new(gust_str_make(frame + 10, 100000),
                                                GUST_WEBSOCKET_TEXT, &message),
                     0);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(gust_websocket_write_prepared(sockets[i], message), 0);
    }
    gust_websocket_message_unref(message);
    assert_true(alloc_count_live_bytes() - base < 100000 + MANY * 256);
    ws_live_turn(&live, 8);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(receivers[i].same);
        assert_int_equal(receivers[i].bytes, 100010);
        gust_iostream_close(receivers[i].s);
    }
    ws_live_turn(&live, 4);
    assert_true(alloc_count_live_bytes() < base); /* nobody holds it any more */
    free(frame);
}

/* The bytes live as long as somebody has not sent them, whoever goes first. */
static void test_prepared__freed_when_the_last_one_is_out(void **state)
{
    gust_websocket_message *message;
    (void)state;
    start(&plain);
    ws_live_deaf(&live, true);
    size_t base = alloc_count_live_bytes();
    assert_int_equal(
        gust_websocket_message_new(gust_str_make(much, MIB), GUST_WEBSOCKET_BINARY, &message), 0);
    assert_int_equal(gust_websocket_write_prepared(ws_live_socket, message), GUST_BACKPRESSURE);
    assert_ptr_equal(gust_websocket_message_ref(message), message);
    gust_websocket_message_unref(message);
    gust_websocket_message_unref(message);
    ws_live_turn(&live, 3);
    assert_true(alloc_count_live_bytes() > base + MIB);
    gust_websocket_abort(ws_live_socket);
    ws_live_turn(&live, 3);
    assert_true(alloc_count_live_bytes() < base + 64 * KIB);
}

static void test_prepared__limits_as_others(void **state)
{
    gust_websocket_message *message;
    (void)state;
    start(&small_queue);
    ws_live_deaf(&live, true);
    send_bytes(IN_FLIGHT);
    ws_live_turn(&live, 4);
    assert_int_equal(
        gust_websocket_message_new(gust_str_make(much, 6 * KIB), GUST_WEBSOCKET_BINARY, &message),
        0);
    assert_int_equal(gust_websocket_write_prepared(ws_live_socket, message), GUST_BACKPRESSURE);
    assert_int_equal(gust_websocket_write_prepared(ws_live_socket, message), GUST_BACKPRESSURE);
    assert_int_equal(gust_websocket_write_prepared(ws_live_socket, message), GUST_EDROPPED);
    gust_websocket_message_unref(message);
}

/* ---- sends that lack memory --------------------------------------------------------------------------- */

/* Nothing of a message that can't be queued is: the stream of frames stays whole. */
static void test_no_memory__refused_whole(void **state)
{
    static const size_t sizes[] = {100, 3000, 100000};
    (void)state;
    start(&plain);
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 1; n <= 4; n++) {
            alloc_count_fail_at(n, true);
            int code = send_bytes(sizes[i]);
            alloc_count_fail_at(0, false);
            assert_true(code == 0 || code == -ENOMEM);
            if (code == 0) {
                ws_live_expect_bytes(&live, 0x82, much, sizes[i]);
            }
            ws_live_expect_nothing(&live);
        }
        assert_int_equal(send_bytes(sizes[i]), 0);
        ws_live_expect_bytes(&live, 0x82, much, sizes[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_default_marks__0_then_backpressure_then_dropped),
        CASE(test_small_limit__marks_follow_it),
        CASE(test_one_large_message__into_an_empty_queue),
        CASE(test_burst_above_the_limit__is_sent_not_dropped),
        CASE(test_drop_peer__1013_and_then_all_refused),
        CASE(test_drop_peer__who_never_reads__dropped_after_close_timeout),
        CASE(test_send_until_backpressure__all_arrives_little_is_queued),
        CASE(test_bad_arguments__refused),
        CASE(test_after_close__everything_is_ECLOSED),
        CASE(test_pings_into_a_full_queue__dropped),
        CASE(test_ping_flood__memory_bounded__newest_pong_comes),
        CASE(test_order__of_all_kinds_of_frames),
        CASE(test_prepared__1000_sockets_share_one_allocation),
        CASE(test_prepared__freed_when_the_last_one_is_out),
        CASE(test_prepared__limits_as_others),
        CASE(test_no_memory__refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
