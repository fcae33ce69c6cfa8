/* A WebSocket server under test; see the header. */
#include "tests/support/ws_live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <gust/log.h>

struct ws_live *ws_live_current;
gust_websocket *ws_live_socket;

/* ---- what happens, as text --------------------------------------------------------- */

static void keep_line(const gust_log_record *record, void *user)
{
    static const char *const loggers[] = {"access", "application", "general"};
    struct ws_live *live = user;
    size_t room = sizeof(live->log) - live->log_len;
    if (record->level < GUST_LOG_WARNING || record->logger == GUST_LOG_ACCESS) {
        return;
    }
    int n = snprintf(live->log + live->log_len, room, "[%c %s] %.*s\n",
                     "?DIWEC"[record->level / 10], loggers[record->logger],
                     GUST_FMT(record->message));
    if (n > 0 && (size_t)n < room) {
        live->log_len += (size_t)n;
    }
}

void ws_live_event(const char *format, ...)
{
    struct ws_live *live = ws_live_current;
    size_t room = sizeof(live->events) - live->events_len;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(live->events + live->events_len, room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n + 2 < room) {
        live->events_len += (size_t)n;
        live->events[live->events_len++] = ' ';
        live->events[live->events_len] = '\0';
    }
}

void ws_live_expect_events_at(struct ws_live *live, const char *text, const char *file, int line)
{
    _assert_string_equal(live->events, text, file, line);
    live->events_len = 0;
    live->events[0] = '\0';
}

/* ---- life ---------------------------------------------------------------------------- */

void ws_live_start_with(struct ws_live *live, const gust_route *routes,
                        const gust_httpserver_options *options, const gust_sys *under)
{
    memset(live, 0, sizeof(*live));
    ws_live_current = live;
    ws_live_socket = NULL;
    live->client = &live->clients[0];
    gust_log_set_sink(keep_line, live);
    clock_init(&live->clock, under);
    const gust_ioloop_options loop_options = {.sys = &live->clock.sys};
    assert_int_equal(gust_ioloop_new(&loop_options, &live->loop), 0);
    assert_int_equal(gust_application_new(routes, NULL, &live->application), 0);
    assert_int_equal(gust_httpserver_new(live->loop, options, gust_application_delegate(),
                                         live->application, &live->server),
                     0);
}

void ws_live_start(struct ws_live *live, const gust_route *routes)
{
    ws_live_start_with(live, routes, NULL, NULL);
}

static void drop_client(struct ws_live_client *client)
{
    if (client->s != NULL) {
        if (!gust_iostream_is_closed(client->s)) {
            assert_int_equal(gust_iostream_set_callbacks(client->s, NULL, NULL), 0);
            gust_iostream_close(client->s);
        }
        gust_iostream_unref(client->s);
    }
    free(client->in);
    *client = (struct ws_live_client){0};
}

void ws_live_stop(struct ws_live *live)
{
    for (int i = 0; i < WS_LIVE_CLIENTS; i++) {
        drop_client(&live->clients[i]);
    }
    if (live->loop != NULL) {
        ws_live_turn(live, 4);
        assert_int_equal(gust_websocket_count(live->loop), 0);
    }
    gust_httpserver_free(live->server);
    gust_application_free(live->application);
    gust_ioloop_free(live->loop);
    gust_log_set_sink(NULL, NULL);
    ws_live_current = NULL;
}

void ws_live_turn(struct ws_live *live, int n)
{
    while (n-- > 0) {
        assert_int_equal(gust_ioloop_run(live->loop, GUST_RUN_NOWAIT), 0);
    }
}

static void stop(gust_ioloop *loop, void *user)
{
    (void)user;
    gust_ioloop_stop(loop);
}

void ws_live_pass(struct ws_live *live, gust_time time)
{
    assert_int_equal(gust_ioloop_call_later(live->loop, time, stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_start(live->loop), 0);
    ws_live_turn(live, 4);
}

void ws_live_use(struct ws_live *live, int index)
{
    live->client = &live->clients[index];
}

/* ---- the client's side -------------------------------------------------------------------- */

static size_t take(gust_iostream *s, gust_str data, void *user)
{
    struct ws_live_client *client = user;
    (void)s;
    if (client->len + data.len + 1 > client->cap) {
        client->cap = 2 * client->cap + data.len + 1;
        client->in = realloc(client->in, client->cap);
        assert_non_null(client->in);
    }
    memcpy(client->in + client->len, data.ptr, data.len);
    client->len += data.len;
    client->in[client->len] = '\0';
    return data.len;
}

static void on_eof(gust_iostream *s, void *user)
{
    (void)s;
    ((struct ws_live_client *)user)->ended = true;
}

static void on_gone(gust_iostream *s, int status, void *user)
{
    struct ws_live_client *client = user;
    (void)status;
    client->ended = client->gone = true;
    client->s = NULL;
    gust_iostream_unref(s);
}

static const gust_iostream_callbacks client_callbacks = {
    .name = "client", .reader = take, .on_eof = on_eof, .on_close = on_gone};

void ws_live_connect(struct ws_live *live)
{
    struct ws_live_client *client = live->client;
    gust_iostream *server_end;
    drop_client(client);
    assert_int_equal(gust_iostream_pair(live->loop, NULL, &client->s, &server_end), 0);
    gust_iostream_ref(client->s);
    assert_int_equal(gust_iostream_set_callbacks(client->s, &client_callbacks, client), 0);
    assert_int_equal(gust_httpserver_serve(live->server, server_end, NULL), 0);
}

void ws_live_send(struct ws_live *live, const void *bytes, size_t len)
{
    assert_non_null(live->client->s);
    assert_int_equal(gust_iostream_write(live->client->s, gust_str_make(bytes, len), NULL, NULL),
                     0);
}

size_t ws_live_frame_bytes(unsigned char *out, unsigned first, const void *payload, size_t len)
{
    static const unsigned char mask[4] = {0x5a, 0x01, 0xfe, 0x80};
    const unsigned char *from = payload;
    size_t extra = len > 0xffff ? 8 : len > 125 ? 2 : 0;
    size_t n = 2;
    out[0] = (unsigned char)first;
    out[1] = (unsigned char)(0x80 | (extra == 8 ? 127 : extra == 2 ? 126 : len));
    for (size_t i = 0; i < extra; i++) {
        out[n++] = (unsigned char)((uint64_t)len >> (8 * (extra - 1 - i)) & 0xff);
    }
    memcpy(out + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++) {
        out[n++] = (unsigned char)(from[i] ^ mask[i % 4]);
    }
    return n;
}

void ws_live_send_frame(struct ws_live *live, unsigned first, const void *payload, size_t len)
{
    unsigned char *bytes = malloc(len + 14);
    assert_non_null(bytes);
    ws_live_send(live, bytes, ws_live_frame_bytes(bytes, first, payload, len));
    free(bytes);
}

void ws_live_send_text(struct ws_live *live, const char *text)
{
    ws_live_send_frame(live, 0x81, text, strlen(text));
}

void ws_live_send_close(struct ws_live *live, int code, const char *reason)
{
    char payload[130] = {(char)(code >> 8), (char)(code & 0xff)};
    size_t len = strlen(reason);
    assert_true(len <= 125);
    memcpy(payload + 2, reason, len);
    ws_live_send_frame(live, 0x88, payload, len + 2);
}

void ws_live_half_close(struct ws_live *live)
{
    assert_int_equal(gust_iostream_shutdown_write(live->client->s), 0);
    ws_live_turn(live, 3);
}

void ws_live_vanish(struct ws_live *live)
{
    if (live->client->s != NULL) {
        gust_iostream_close(live->client->s);
    }
    ws_live_turn(live, 4);
}

void ws_live_deaf(struct ws_live *live, bool is_deaf)
{
    if (is_deaf) {
        gust_iostream_pause(live->client->s);
    } else {
        gust_iostream_resume(live->client->s);
    }
}

/* ---- the handshake --------------------------------------------------------------------------- */

void ws_live_request(struct ws_live *live, const char *target, const char *fields,
                     const void *behind, size_t behind_len)
{
    size_t cap = 1024 + strlen(target) + strlen(fields) + behind_len;
    char *request = malloc(cap);
    assert_non_null(request);
    int n = snprintf(request, cap,
                     "GET %s HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n%s\r\n",
                     target, fields);
    assert_true(n > 0 && (size_t)n + behind_len < cap);
    if (behind_len > 0) {
        memcpy(request + n, behind, behind_len);
    }
    ws_live_connect(live);
    ws_live_send(live, request, (size_t)n + behind_len);
    free(request);
    ws_live_turn(live, 4);
}

static const char *head_end(const struct ws_live_client *client)
{
    const char *text = (const char *)client->in + client->at;
    const char *blank = client->len > client->at ? strstr(text, "\r\n\r\n") : NULL;
    return blank != NULL ? blank + 4 : NULL;
}

int ws_live_status(const struct ws_live *live)
{
    const struct ws_live_client *client = live->client;
    const char *text = (const char *)client->in + client->at;
    if (head_end(client) == NULL || strncmp(text, "HTTP/1.1 ", 9) != 0) {
        return 0;
    }
    return atoi(text + 9);
}

const char *ws_live_field(const struct ws_live *live, const char *name)
{
    static char value[1024];
    const char *end = head_end(live->client);
    const char *line = (const char *)live->client->in + live->client->at;
    size_t len = strlen(name);
    value[0] = '\0';
    while (end != NULL && (line = strstr(line, "\r\n")) != NULL && line + 4 < end) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 2, "\r"),
                     line + len + 2);
            break;
        }
    }
    return value;
}

void ws_live_forget(struct ws_live *live)
{
    live->client->at = live->client->len;
}

void ws_live_expect_101(struct ws_live *live)
{
    assert_int_equal(ws_live_status(live), 101);
    assert_string_equal(ws_live_field(live, "Sec-WebSocket-Accept"),
                        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    live->client->at = (size_t)(head_end(live->client) - (const char *)live->client->in);
}

void ws_live_open(struct ws_live *live, const char *target)
{
    ws_live_request(live, target, "", NULL, 0);
    ws_live_expect_101(live);
}

/* ---- frames that came -------------------------------------------------------------------------- */

bool ws_live_next(struct ws_live *live, struct ws_live_frame *out)
{
    struct ws_live_client *client = live->client;
    const unsigned char *in = client->in + client->at;
    size_t have = client->len - client->at;
    if (have < 2) {
        return false;
    }
    size_t extra = in[1] == 127 ? 8 : in[1] == 126 ? 2 : 0;
    uint64_t len = extra > 0 ? 0 : in[1];
    assert_true(in[1] < 128); /* a server doesn't mask */
    if (have < 2 + extra) {
        return false;
    }
    for (size_t i = 0; i < extra; i++) {
        len = len << 8 | in[2 + i];
    }
    assert_true(extra == 0 || len > (extra == 2 ? 125u : 65535u));
    if (have - 2 - extra < len) {
        return false;
    }
    *out = (struct ws_live_frame){in[0], in + 2 + extra, (size_t)len};
    client->at += 2 + extra + (size_t)len;
    return true;
}

static bool await(struct ws_live *live, struct ws_live_frame *out)
{
    for (int i = 0; i < 2000; i++) {
        if (ws_live_next(live, out)) {
            return true;
        }
        ws_live_turn(live, 1);
        if (i > 8 && (live->client->ended || live->client->len == live->client->at)) {
            break;
        }
    }
    return ws_live_next(live, out);
}

void ws_live_expect_at(struct ws_live *live, unsigned first, const void *payload, size_t len,
                       const char *file, int line)
{
    struct ws_live_frame frame;
    if (!await(live, &frame)) {
        print_error("no frame came; log: %s", live->log);
        _fail(file, line);
    }
    _assert_int_equal(frame.first, first, file, line);
    _assert_int_equal(frame.len, len, file, line);
    if (len > 0 && memcmp(frame.payload, payload, len) != 0) {
        print_error("another payload of %zu bytes\n", len);
        _fail(file, line);
    }
}

void ws_live_expect_close_at(struct ws_live *live, int code, const char *file, int line)
{
    struct ws_live_frame frame;
    if (!await(live, &frame)) {
        print_error("no frame came; log: %s", live->log);
        _fail(file, line);
    }
    _assert_int_equal(frame.first, 0x88, file, line);
    int got = frame.len == 0 ? 1005 : frame.payload[0] << 8 | frame.payload[1];
    _assert_int_equal((unsigned)got, (unsigned)code, file, line);
}

void ws_live_expect_nothing_at(struct ws_live *live, const char *file, int line)
{
    ws_live_turn(live, 6);
    _assert_int_equal(live->client->len - live->client->at, 0, file, line);
    _assert_int_equal(live->client->ended, false, file, line);
}

void ws_live_expect_end_at(struct ws_live *live, const char *file, int line)
{
    ws_live_turn(live, 6);
    _assert_int_equal(live->client->len - live->client->at, 0, file, line);
    _assert_int_equal(live->client->ended, true, file, line);
}

/* ---- callbacks that report ----------------------------------------------------------------------- */

int ws_live_on_open(gust_websocket *ws, gust_handler *h)
{
    (void)h;
    ws_live_socket = ws;
    ws_live_event("open");
    return 0;
}

int ws_live_on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    (void)ws;
    ws_live_event("%s(%.*s)", type == GUST_WEBSOCKET_TEXT ? "message" : "binary",
                  (int)(message.len < 64 ? message.len : 64), message.ptr);
    return 0;
}

int ws_live_echo(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    ws_live_on_message(ws, message, type);
    return gust_websocket_write_message(ws, message, type);
}

void ws_live_on_ping(gust_websocket *ws, gust_str data)
{
    (void)ws;
    ws_live_event("ping(%.*s)", GUST_FMT(data));
}

void ws_live_on_pong(gust_websocket *ws, gust_str data)
{
    (void)ws;
    ws_live_event("pong(%.*s)", GUST_FMT(data));
}

void ws_live_on_drain(gust_websocket *ws)
{
    (void)ws;
    ws_live_event("drain");
}

void ws_live_on_close(gust_websocket *ws)
{
    if (ws == ws_live_socket) {
        ws_live_socket = NULL;
    }
    ws_live_event("close(%d,%.*s)", gust_websocket_close_code(ws),
                  GUST_FMT(gust_websocket_close_reason(ws)));
}
