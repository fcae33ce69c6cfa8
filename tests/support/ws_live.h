/* A WebSocket server under test, with scripted clients in the same loop.
 *
 * The server is an application on a gust_httpserver. A client is raw bytes over
 * one end of gust_iostream_pair(); time is virtual (clock.h). What callbacks
 * report with ws_live_event() and what the loggers say is kept as text.
 *
 *     ws_live_start(&live, routes);
 *     ws_live_open(&live, "/ws");
 *     ws_live_send_frame(&live, 0x81, "hello", 5);
 *     ws_live_expect(&live, 0x81, "hello");
 *     ws_live_stop(&live);
 *
 * Everything fails the test where it can't be done. Thread: one at a time. */
#ifndef GUST_TESTS_WS_LIVE_H
#define GUST_TESTS_WS_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/websocket.h>

#include "tests/support/clock.h"

#define WS_LIVE_CLIENTS 4
#define WS_LIVE_TEXT_MAX 16384

/* One client. The library's callbacks know it by its address. */
struct ws_live_client {
    gust_iostream *s;  /* NULL: none, or it has ended */
    unsigned char *in; /* all that came */
    size_t len, cap;
    size_t at;    /* of it, what was looked at */
    bool ended;   /* the server's side of TCP has ended */
    bool gone;    /* the whole connection has */
    bool is_deaf; /* it doesn't read */
};

struct ws_live {
    struct clock clock;
    gust_ioloop *loop;
    gust_application *application;
    gust_httpserver *server;
    struct ws_live_client clients[WS_LIVE_CLIENTS];
    struct ws_live_client *client; /* the one that the calls below mean */
    char events[WS_LIVE_TEXT_MAX];
    size_t events_len;
    char log[WS_LIVE_TEXT_MAX]; /* "[L logger] message\n" ..., warnings and errors */
    size_t log_len;
};

/* The frame that came, as it lies in the client's bytes. */
struct ws_live_frame {
    unsigned first;
    const unsigned char *payload;
    size_t len;
};

/* The one under test now: callbacks find it here. */
extern struct ws_live *ws_live_current;

void ws_live_start(struct ws_live *live, const gust_route *routes);
void ws_live_start_with(struct ws_live *live, const gust_route *routes,
                        const gust_httpserver_options *options, const gust_sys *under);

/* Everything ends, each part checked. The loop, server and application may have
 * been taken (set to NULL) by the test. */
void ws_live_stop(struct ws_live *live);

/* Let the loop turn n times without waiting; or let time pass. */
void ws_live_turn(struct ws_live *live, int n);
void ws_live_pass(struct ws_live *live, gust_time time);

/* The calls below mean client `index` from now on. */
void ws_live_use(struct ws_live *live, int index);

/* Connect, without a byte; connect and ask for `target`, with further fields and
 * bytes right behind the request in the same segment; the same and expect a 101. */
void ws_live_connect(struct ws_live *live);
void ws_live_request(struct ws_live *live, const char *target, const char *fields,
                     const void *behind, size_t behind_len);
void ws_live_open(struct ws_live *live, const char *target);
void ws_live_expect_101(struct ws_live *live);

/* Send bytes; a frame, masked. */
void ws_live_send(struct ws_live *live, const void *bytes, size_t len);
void ws_live_send_frame(struct ws_live *live, unsigned first, const void *payload, size_t len);
void ws_live_send_text(struct ws_live *live, const char *text);
void ws_live_send_close(struct ws_live *live, int code, const char *reason);

/* Put a masked frame to `out`, which has room for len + 14. Returns its size. */
size_t ws_live_frame_bytes(unsigned char *out, unsigned first, const void *payload, size_t len);

/* The client ends its side, or everything at once; or stops and starts to read. */
void ws_live_half_close(struct ws_live *live);
void ws_live_vanish(struct ws_live *live);
void ws_live_deaf(struct ws_live *live, bool is_deaf);

/* The next frame that came, if it is there whole. */
bool ws_live_next(struct ws_live *live, struct ws_live_frame *out);

/* Turn until the next frame has come, and compare it; or see that none comes, or
 * that the server has ended its side behind all that was looked at. */
#define ws_live_expect(live, first, text)                                                          \
    ws_live_expect_at(live, first, text, sizeof(text) - 1, __FILE__, __LINE__)
#define ws_live_expect_bytes(live, first, bytes, len)                                              \
    ws_live_expect_at(live, first, bytes, len, __FILE__, __LINE__)
#define ws_live_expect_close(live, code) ws_live_expect_close_at(live, code, __FILE__, __LINE__)
#define ws_live_expect_nothing(live) ws_live_expect_nothing_at(live, __FILE__, __LINE__)
#define ws_live_expect_end(live) ws_live_expect_end_at(live, __FILE__, __LINE__)
void ws_live_expect_at(struct ws_live *live, unsigned first, const void *payload, size_t len,
                       const char *file, int line);
void ws_live_expect_close_at(struct ws_live *live, int code, const char *file, int line);
void ws_live_expect_nothing_at(struct ws_live *live, const char *file, int line);
void ws_live_expect_end_at(struct ws_live *live, const char *file, int line);

/* Append a word to the events; compare them, and forget them. */
void ws_live_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define ws_live_expect_events(live, text) ws_live_expect_events_at(live, text, __FILE__, __LINE__)
void ws_live_expect_events_at(struct ws_live *live, const char *text, const char *file, int line);

/* The answer's first line has this status; the value of a field in its head, ""
 * where there is none; then nothing of it is left. */
int ws_live_status(const struct ws_live *live);
const char *ws_live_field(const struct ws_live *live, const char *name);
void ws_live_forget(struct ws_live *live);

/* Callbacks that report what happens: "open", "message(text)", "binary(...)",
 * "ping(...)", "pong(...)", "drain", "close(code,reason)". echo also answers. */
int ws_live_on_open(gust_websocket *ws, gust_handler *h);
int ws_live_on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type);
int ws_live_echo(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type);
void ws_live_on_ping(gust_websocket *ws, gust_str data);
void ws_live_on_pong(gust_websocket *ws, gust_str data);
void ws_live_on_drain(gust_websocket *ws);
void ws_live_on_close(gust_websocket *ws);

/* The newest that was opened by ws_live_on_open() and is not closed; NULL: none. */
extern gust_websocket *ws_live_socket;

#endif
