/* One WebSocket of a server.
 *
 *   OPEN --our Close--> SENT_CLOSE --their Close--+
 *     |                      \__ close_timeout ___|
 *     +--their Close--> GOT_CLOSE, reply ---------+--> our side of TCP ends,
 *     +--broken rule--> FAILED, Close sent -------+    theirs is awaited for a
 *     +--silence, reset, end of stream------------+    while, then dropped
 *
 * The server ends TCP first (RFC 6455 7.1.1), and reads on for a moment, since
 * unread input would become a reset that can overtake the Close.
 *
 * Time is the stream's one deadline: while open, the end of the silence that is
 * allowed, moved by each read (a store); while closing, the end of patience. */
#include <gust/websocket.h>

#include <gust/limits.h>
#include <gust/log.h>

#include "util/alloc_internal.h"
#include "websocket/websocket_internal.h"

#define LINGER GUST_SECONDS(2)

/* What a loop keeps for its WebSockets. */
struct ws_loop {
    gust_list all;
    size_t count;
    gust_time start;
    uint64_t random;
};

static int ws_loop_init(gust_ioloop *loop, void *block)
{
    struct ws_loop *wl = block;
    gust_list_init(&wl->all);
    wl->start = gust_ioloop_now(loop);
    const gust_sys *sys = gust_ioloop_sys(loop);
    return sys->random(sys, &wl->random, sizeof wl->random);
}

static const gust_local_key ws_loop_key = {sizeof(struct ws_loop), ws_loop_init, NULL};

static struct ws_loop *loop_of(gust_ioloop *loop)
{
    void *block = NULL;
    return gust_ioloop_local(loop, &ws_loop_key, &block) == 0 ? block : NULL;
}

static bool is(const gust_websocket *ws, unsigned flags)
{
    return (ws->flags & flags) != 0;
}

static void set(gust_websocket *ws, unsigned flags)
{
    ws->flags = (uint16_t)(ws->flags | flags);
}

static void unset(gust_websocket *ws, unsigned flags)
{
    ws->flags = (uint16_t)(ws->flags & ~flags);
}

struct gust__ws_extra *gust__ws_extra_get(gust_websocket *ws)
{
    if (ws->extra == NULL) {
        ws->extra = gust__calloc(1, sizeof *ws->extra);
    }
    return ws->extra;
}

static gust_time or_default(gust_time value, gust_time otherwise)
{
    return value != 0 ? value : otherwise;
}

static void deadline_in(gust_websocket *ws, gust_time timeout)
{
    gust_time when = timeout < 0 ? GUST_NEVER
                                 : gust_ioloop_now(gust_iostream_loop(ws->s)) + timeout;
    if (gust_iostream_set_deadline(ws->s, when) == -ENOMEM) {
        gust_iostream_close_with(ws->s, -ENOMEM);
    }
}

/* ---- Sending ------------------------------------------------------------------ */

/* A frame in one piece where it is small; copied in any case. */
static int write_frame(gust_websocket *ws, enum gust_websocket_opcode opcode, gust_str payload)
{
    char *room;
    bool small = payload.len <= 2048 - GUST__WS_HEADER_MAX;
    size_t need = GUST__WS_HEADER_MAX + (small ? payload.len : 0);
    GUST_TRY(gust_iostream_reserve(ws->s, need, &room));
    size_t n = gust__ws_frame_header(room, opcode, true, false, payload.len, NULL);
    if (small && payload.len > 0) {
        memcpy(room + n, payload.ptr, payload.len);
        n += payload.len;
    }
    gust_iostream_commit(ws->s, n);
    if (small) {
        return 0;
    }
    int code = gust_iostream_write(ws->s, payload, NULL, NULL);
    if (code != 0) {
        gust_iostream_close_with(ws->s, code); /* half a frame can't be taken back */
    }
    return code;
}

static size_t max_queue(const gust_websocket *ws)
{
    return ws->cls->max_write_buffer != 0 ? ws->cls->max_write_buffer
                                          : (size_t)GUST_DEFAULT_WRITE_HIGH_WATER;
}

static int queue_full(gust_websocket *ws)
{
    if (ws->cls->when_full == GUST_WEBSOCKET_DROP_PEER) {
        (void)gust_websocket_close(ws, GUST_WEBSOCKET_CLOSE_TRY_LATER, GUST_STR("too slow"));
    }
    return GUST_EDROPPED;
}

/* May a message of so many bytes be queued? One is always taken into an empty
 * queue, whatever its size. */
int gust__ws_can_send(gust_websocket *ws, size_t size)
{
    if (is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED) ||
        gust_iostream_is_closed(ws->s)) {
        return GUST_ECLOSED;
    }
    size_t queued = gust_iostream_write_queue_size(ws->s);
    size_t max = max_queue(ws);
    if (queued > 0 && (size > max || queued > max - size)) {
        return queue_full(ws);
    }
    return 0;
}

/* The three-way result of a write to the stream. */
int gust__ws_sent(gust_websocket *ws, int code)
{
    if (code == GUST_EBUFFERFULL) {
        return queue_full(ws);
    }
    if (code == 0 && gust_iostream_is_congested(ws->s)) {
        return GUST_BACKPRESSURE;
    }
    return code == GUST_ESTATE ? GUST_ECLOSED : code;
}

int gust_websocket_write_message(gust_websocket *ws, gust_str message,
                                 enum gust_websocket_opcode type)
{
    GUST_CHECK(type == GUST_WEBSOCKET_TEXT || type == GUST_WEBSOCKET_BINARY, -EINVAL);
    GUST_TRY(gust__ws_can_send(ws, message.len));
#ifdef GUST_DEBUG
    GUST_CHECK(type != GUST_WEBSOCKET_TEXT || gust_utf8_is_valid(message), GUST_EUTF8);
#endif
    return gust__ws_sent(ws, write_frame(ws, type, message));
}

int gust_websocket_ping(gust_websocket *ws, gust_str data)
{
    GUST_CHECK(data.len <= GUST__WS_CONTROL_MAX, -EINVAL);
    if (!gust_websocket_is_open(ws)) {
        return GUST_ECLOSED;
    }
    return write_frame(ws, GUST_WEBSOCKET_PING, data);
}

size_t gust_websocket_buffered(const gust_websocket *ws)
{
    return gust_iostream_write_queue_size(ws->s);
}

/* ---- Closing ------------------------------------------------------------------- */

static void save_reason(gust_websocket *ws, gust_str reason)
{
    struct gust__ws_extra *extra = reason.len > 0 ? gust__ws_extra_get(ws) : NULL;
    if (extra != NULL) { /* without memory the reason is lost, nothing else */
        memcpy(extra->reason, reason.ptr, reason.len);
        extra->reason_len = (uint8_t)reason.len;
    }
}

/* Queue a Close. Where it can't be, the connection is dropped. */
static int send_close(gust_websocket *ws, int code, gust_str reason)
{
    char payload[GUST__WS_CONTROL_MAX];
    size_t len;
    GUST_TRY(gust__ws_close_payload(payload, code, reason, &len));
    set(ws, GUST__WS_SENT_CLOSE);
    if (write_frame(ws, GUST_WEBSOCKET_CLOSE, gust_str_make(payload, len)) != 0) {
        gust_iostream_close(ws->s);
    }
    return 0;
}

/* Both sides have said what they had to say: end TCP. */
static void end_stream(gust_websocket *ws)
{
    if (gust_iostream_is_eof(ws->s) || gust_iostream_shutdown_write(ws->s) != 0) {
        gust_iostream_close_after_flush(ws->s);
        return;
    }
    deadline_in(ws, LINGER);
    gust_iostream_resume(ws->s);
}

static void fail(gust_websocket *ws, int code, const char *reason)
{
    if (is(ws, GUST__WS_FAILED)) {
        return;
    }
    gust_str text = gust_str_from(reason);
    if (!is(ws, GUST__WS_GOT_CLOSE)) {
        ws->close_code = (uint16_t)code;
        save_reason(ws, text);
    }
    set(ws, GUST__WS_FAILED);
    if (!is(ws, GUST__WS_SENT_CLOSE)) {
        (void)send_close(ws, code, text);
    }
    end_stream(ws);
}

static void on_peer_close(gust_websocket *ws, const struct gust__ws_event *ev)
{
    set(ws, GUST__WS_GOT_CLOSE);
    ws->close_code = ev->code;
    save_reason(ws, ev->data);
    if (!is(ws, GUST__WS_SENT_CLOSE)) {
        (void)send_close(ws, ev->code, gust_str_make(NULL, 0));
    }
    end_stream(ws);
}

int gust_websocket_close(gust_websocket *ws, int code, gust_str reason)
{
    if (!gust_websocket_is_open(ws)) {
        return 0;
    }
    if (code == 0) {
        code = reason.len > 0 ? GUST_WEBSOCKET_CLOSE_NORMAL : GUST_WEBSOCKET_CLOSE_NO_CODE;
    } else if (!gust_websocket_close_code_is_sendable(code)) {
        return -EINVAL;
    }
    GUST_TRY(send_close(ws, code, reason));
    unset(ws, GUST__WS_PAUSED);
    gust_iostream_resume(ws->s); /* to see the answer */
    deadline_in(ws, or_default(ws->cls->close_timeout, GUST_DEFAULT_WS_CLOSE_TIMEOUT));
    return 0;
}

void gust_websocket_abort(gust_websocket *ws)
{
    gust_iostream_close(ws->s);
}

/* ---- Receiving ------------------------------------------------------------------- */

/* What open or on_message returned. */
static void after_call(gust_websocket *ws, int code, const char *what)
{
    unset(ws, GUST__WS_CALLING);
    if (code == GUST_PENDING) {
        if (!is(ws, GUST__WS_RESUMED)) {
            set(ws, GUST__WS_PAUSED);
        }
    } else if (code != 0 && code != GUST_BACKPRESSURE && code != GUST_ECLOSED &&
               code != GUST_EDROPPED) {
        GUST_LOG(GUST_LOG_APPLICATION, GUST_LOG_ERROR, "Uncaught error in %s of %s: %s", what,
                 ws->cls->name != NULL ? ws->cls->name : "a WebSocket", gust_err_text(code));
        fail(ws, GUST_WEBSOCKET_CLOSE_INTERNAL_ERROR, "");
    }
}

static void deliver(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    if (ws->cls->on_message == NULL) {
        return;
    }
    unset(ws, GUST__WS_RESUMED);
    set(ws, GUST__WS_CALLING);
    after_call(ws, ws->cls->on_message(ws, message, type), "on_message");
}

static void on_data(gust_websocket *ws, const struct gust__ws_event *ev)
{
    gust_str message;
    int whole = gust__ws_assemble(&ws->assembler, ev, &message);
    if (whole < 0) {
        gust_iostream_close_with(ws->s, whole);
    } else if (whole > 0) {
        deliver(ws, message, (enum gust_websocket_opcode)ev->opcode);
        if (ws->assembler != NULL) {
            gust__ws_assembler_trim(&ws->assembler);
        }
    }
}

/* Answer a ping. Where the queue is full only the newest answer is kept, so that
 * a flood of pings needs no memory. */
static void send_pong(gust_websocket *ws, gust_str data)
{
    if (is(ws, GUST__WS_SENT_CLOSE)) {
        return;
    }
    if (gust_iostream_write_queue_size(ws->s) <= max_queue(ws)) {
        (void)write_frame(ws, GUST_WEBSOCKET_PONG, data);
        return;
    }
    struct gust__ws_extra *extra = gust__ws_extra_get(ws);
    if (extra != NULL) {
        memcpy(extra->pong, data.ptr, data.len);
        extra->pong_len = (uint8_t)data.len;
        extra->pong_waits = true;
    }
}

/* Our keep-alive pings carry the time they left; see on_silence(). */
static void measure_round_trip(gust_websocket *ws, gust_str data)
{
    const struct ws_loop *wl = loop_of(gust_iostream_loop(ws->s));
    gust_time sent;
    if (data.len != sizeof sent || wl == NULL) {
        return;
    }
    memcpy(&sent, data.ptr, sizeof sent);
    gust_time took = gust_ioloop_now(gust_iostream_loop(ws->s)) - wl->start - sent;
    if (took >= 0 && took / 1000 < UINT32_MAX) {
        ws->rtt_us = (uint32_t)(took / 1000);
    }
}

static void on_control(gust_websocket *ws, const struct gust__ws_event *ev)
{
    switch (ev->opcode) {
    case GUST_WEBSOCKET_PING:
        send_pong(ws, ev->data);
        if (ws->cls->on_ping != NULL) {
            ws->cls->on_ping(ws, ev->data);
        }
        break;
    case GUST_WEBSOCKET_PONG:
        measure_round_trip(ws, ev->data);
        if (ws->cls->on_pong != NULL) {
            ws->cls->on_pong(ws, ev->data);
        }
        break;
    default: on_peer_close(ws, ev); break;
    }
}

static void on_event(gust_websocket *ws, const struct gust__ws_event *ev)
{
    switch (ev->kind) {
    case GUST__WS_DATA: on_data(ws, ev); break;
    case GUST__WS_CONTROL: on_control(ws, ev); break;
    case GUST__WS_FAIL:
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_DEBUG, "WebSocket failed with %u: %s", ev->code,
                 ev->reason);
        fail(ws, ev->code, ev->reason);
        break;
    case GUST__WS_NEED_MORE: break;
    }
}

/* While paused control frames still pass; the next message waits. */
static bool must_wait(gust_websocket *ws, const char *data, size_t len)
{
    return is(ws, GUST__WS_PAUSED) && len > 0 &&
           (gust__ws_parser_of(ws)->in_frame || !((unsigned char)data[0] & 0x08));
}

static struct gust__ws_limits limits_of(const gust_websocket_class *cls)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    if (cls->max_message_size != 0) {
        limits.max_message_size = cls->max_message_size;
    }
    return limits;
}

static size_t parse(gust_websocket *ws, char *data, size_t len)
{
    struct gust__ws_limits limits = limits_of(ws->cls);
    struct gust__ws_event ev;
    size_t taken = 0;
    do {
        if (must_wait(ws, data + taken, len - taken)) {
            gust_iostream_pause(ws->s);
            return taken;
        }
        taken += gust__ws_parse(gust__ws_parser_of(ws), &limits, data + taken, len - taken, &ev);
        on_event(ws, &ev);
        if (is(ws, GUST__WS_FAILED | GUST__WS_GOT_CLOSE)) {
            return len;
        }
    } while (ev.kind != GUST__WS_NEED_MORE && !gust_iostream_is_closed(ws->s));
    return taken;
}

static size_t reader(gust_iostream *s, gust_str data, void *user)
{
    (void)s;
    gust_websocket *ws = user;
    if (is(ws, GUST__WS_FAILED | GUST__WS_GOT_CLOSE)) {
        return data.len;
    }
    if (!is(ws, GUST__WS_SENT_CLOSE)) {
        unset(ws, GUST__WS_PING_SENT);
        deadline_in(ws, or_default(ws->cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL));
    }
    return parse(ws, (char *)(uintptr_t)data.ptr, data.len);
}

/* ---- Time -------------------------------------------------------------------------- */

static void send_keepalive(gust_websocket *ws)
{
    const struct ws_loop *wl = loop_of(gust_iostream_loop(ws->s));
    gust_time now = gust_ioloop_now(gust_iostream_loop(ws->s)) - (wl != NULL ? wl->start : 0);
    char payload[sizeof now];
    memcpy(payload, &now, sizeof now);
    set(ws, GUST__WS_PING_SENT);
    if (write_frame(ws, GUST_WEBSOCKET_PING, gust_str_make(payload, sizeof payload)) == 0) {
        deadline_in(ws, or_default(ws->cls->ping_timeout, GUST_DEFAULT_WS_PING_TIMEOUT));
    } else {
        gust_iostream_close_with(ws->s, GUST_ETIMEDOUT);
    }
}

static void on_timeout(gust_iostream *s, void *user)
{
    gust_websocket *ws = user;
    if (is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED)) {
        gust_iostream_close(s);
    } else if (gust__ws_parser_of(ws)->open) {
        fail(ws, GUST_WEBSOCKET_CLOSE_POLICY, "unfinished message");
    } else if (is(ws, GUST__WS_PING_SENT) && !is(ws, GUST__WS_PAUSED)) {
        gust_iostream_close_with(s, GUST_ETIMEDOUT); /* the peer is gone: 1006 */
    } else {
        send_keepalive(ws);
    }
}

/* ---- What the stream tells ------------------------------------------------------------ */

static void on_eof(gust_iostream *s, void *user)
{
    (void)user;
    gust_iostream_close_with(s, GUST_EOF);
}

static void on_drain(gust_iostream *s, void *user)
{
    (void)s;
    gust_websocket *ws = user;
    if (ws->extra != NULL && ws->extra->pong_waits) {
        ws->extra->pong_waits = false;
        send_pong(ws, gust_str_make(ws->extra->pong, ws->extra->pong_len));
    }
    if (ws->cls->on_drain != NULL && gust_websocket_is_open(ws)) {
        ws->cls->on_drain(ws);
    }
}

static void on_close(gust_iostream *s, int status, void *user)
{
    (void)status;
    gust_websocket *ws = user;
    struct ws_loop *wl = loop_of(gust_iostream_loop(s));
    if (ws->close_code == 0) {
        ws->close_code = GUST_WEBSOCKET_CLOSE_ABNORMAL;
    }
    set(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE);
    if (ws->cls->on_close != NULL) {
        ws->cls->on_close(ws);
    }
    gust_list_remove(&ws->link);
    if (wl != NULL) {
        wl->count--;
    }
    gust__ws_assembler_free(&ws->assembler);
    if (ws->extra != NULL) {
        gust_free((void *)(uintptr_t)ws->extra->subprotocol.ptr);
        gust__free(ws->extra);
    }
    gust__free(ws);
}

static const gust_iostream_callbacks callbacks = {.name = "websocket",
                                                  .reader = reader,
                                                  .on_eof = on_eof,
                                                  .on_drain = on_drain,
                                                  .on_timeout = on_timeout,
                                                  .on_close = on_close};

/* ---- Beginning -------------------------------------------------------------------------- */

/* The first ping of each connection comes at a moment of its own, so that those
 * of 100,000 connections made together do not. */
static gust_time first_silence(const gust_websocket *ws, struct ws_loop *wl)
{
    gust_time interval = or_default(ws->cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL);
    if (interval <= 0) {
        return interval;
    }
    wl->random = wl->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return interval / 2 + (gust_time)((wl->random >> 33) % (uint64_t)(interval / 2 + 1));
}

int gust__ws_new(gust_iostream *s, const gust_websocket_class *cls, gust_websocket **out_ws)
{
    struct ws_loop *wl = loop_of(gust_iostream_loop(s));
    size_t size = cls->instance_size > sizeof(gust_websocket) ? cls->instance_size
                                                              : sizeof(gust_websocket);
    gust_websocket *ws = wl != NULL ? gust__calloc(1, size) : NULL;
    if (ws == NULL) {
        return -ENOMEM;
    }
    ws->cls = cls;
    ws->s = s;
    gust__ws_parser_init(gust__ws_parser_of(ws), GUST__WS_SERVER);
    gust_list_push(&wl->all, &ws->link);
    wl->count++;
    *out_ws = ws;
    return 0;
}

/* The stream is ours: listen to it, and tell the class. */
void gust__ws_open(gust_websocket *ws, gust_handler *h)
{
    struct ws_loop *wl = loop_of(gust_iostream_loop(ws->s));
    int code = gust_iostream_set_callbacks(ws->s, &callbacks, ws);
    if (code != 0) {
        gust_iostream_close_with(ws->s, code);
    }
    if (wl != NULL) {
        deadline_in(ws, first_silence(ws, wl));
    }
    if (ws->cls->open != NULL) {
        set(ws, GUST__WS_CALLING);
        after_call(ws, ws->cls->open(ws, h), "open");
    }
}

/* ---- The rest ----------------------------------------------------------------------------- */

void gust_websocket_pause(gust_websocket *ws)
{
    set(ws, GUST__WS_PAUSED);
}

void gust_websocket_resume(gust_websocket *ws)
{
    if (is(ws, GUST__WS_CALLING)) {
        set(ws, GUST__WS_RESUMED);
    }
    unset(ws, GUST__WS_PAUSED);
    gust_iostream_resume(ws->s);
}

size_t gust_websocket_close_all(gust_ioloop *loop, int code, gust_str reason)
{
    struct ws_loop *wl = loop_of(loop);
    size_t count = 0;
    for (gust_list *l = wl != NULL ? wl->all.next : NULL; l != NULL && l != &wl->all; l = l->next) {
        gust_websocket *ws = GUST_CONTAINER_OF(l, gust_websocket, link);
        if (gust_websocket_is_open(ws)) {
            (void)gust_websocket_close(ws, code, reason);
            count++;
        }
    }
    return count;
}

size_t gust_websocket_count(gust_ioloop *loop)
{
    const struct ws_loop *wl = loop_of(loop);
    return wl != NULL ? wl->count : 0;
}

bool gust_websocket_is_open(const gust_websocket *ws)
{
    return !is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED) &&
           !gust_iostream_is_closed(ws->s);
}

int gust_websocket_close_code(const gust_websocket *ws)
{
    return ws->close_code;
}

gust_str gust_websocket_close_reason(const gust_websocket *ws)
{
    return ws->extra == NULL ? gust_str_make(NULL, 0)
                             : gust_str_make(ws->extra->reason, ws->extra->reason_len);
}

gust_str gust_websocket_selected_subprotocol(const gust_websocket *ws)
{
    return ws->extra == NULL ? gust_str_make(NULL, 0) : ws->extra->subprotocol;
}

gust_time gust_websocket_round_trip(const gust_websocket *ws)
{
    return (gust_time)ws->rtt_us * 1000;
}

gust_ioloop *gust_websocket_loop(const gust_websocket *ws)
{
    return gust_iostream_loop(ws->s);
}

gust_iostream *gust_websocket_stream(const gust_websocket *ws)
{
    return ws->s;
}
