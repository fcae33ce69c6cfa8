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
 * allowed, moved by each read (a store); inside a message, that of waiting for
 * its next bytes; while closing, the end of patience.
 *
 * Of the outgoing queue this layer has marks of its own, fractions of the class's
 * max_write_buffer. Once above the upper one the connection is CONGESTED, and an
 * empty write behind what is queued tells when that is out; see mark(). */
#include <gust/websocket.h>

#include <gust/limits.h>
#include <gust/log.h>

#include "util/alloc_internal.h"
#include "websocket/websocket_internal.h"

/* Payload of a frame that is copied into the stream's own memory. */
#define SMALL_FRAME ((size_t)(2048 - GUST__WS_HEADER_MAX))

/* What a loop keeps for its WebSockets. */
struct ws_loop {
    gust_list all;
    size_t count;
    gust_time start;
    uint64_t random; /* state of next_random() */
    uint64_t tag;    /* in our pings, to know their answers by */
};

/* The payload of a keep-alive ping. */
struct keepalive {
    uint64_t tag;
    gust_time sent; /* since the loop's first WebSocket */
};

static int ws_loop_init(gust_ioloop *loop, void *block)
{
    struct ws_loop *wl = block;
    gust_list_init(&wl->all);
    wl->start = gust_ioloop_now(loop);
    const gust_sys *sys = gust_ioloop_sys(loop);
    GUST_TRY(sys->random(sys, &wl->tag, sizeof wl->tag));
    return sys->random(sys, &wl->random, sizeof wl->random);
}

/* The loop goes: so do the WebSockets that are left. */
static void ws_loop_deinit(gust_ioloop *loop, void *block)
{
    (void)loop;
    struct ws_loop *wl = block;
    while (!gust_list_is_empty(&wl->all)) {
        gust_websocket *ws = GUST_CONTAINER_OF(wl->all.next, gust_websocket, link);
        gust_list_remove(&ws->link);
        gust_iostream_close(ws->s);
    }
}

static const gust_local_key ws_loop_key = {sizeof(struct ws_loop), ws_loop_init, ws_loop_deinit};

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

/* A negative timeout never comes. */
static void deadline_in(gust_websocket *ws, gust_time timeout)
{
    gust_time now = gust_ioloop_now(gust_iostream_loop(ws->s));
    gust_time when = timeout < 0 || timeout > GUST_NEVER - now ? GUST_NEVER : now + timeout;
    if (gust_iostream_set_deadline(ws->s, when) == -ENOMEM) {
        gust_iostream_close_with(ws->s, -ENOMEM);
    }
}

/* The peer may be silent for so long. */
static void await_bytes(gust_websocket *ws)
{
    deadline_in(ws, gust__ws_parser_of(ws)->open
                        ? GUST_DEFAULT_WS_FRAGMENT_TIMEOUT
                        : or_default(ws->cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL));
}

/* ---- The queue ------------------------------------------------------------------ */

static size_t max_queue(const gust_websocket *ws)
{
    return ws->cls->max_write_buffer != 0 ? ws->cls->max_write_buffer
                                          : (size_t)GUST_DEFAULT_WRITE_HIGH_WATER;
}

static size_t high_water(const gust_websocket *ws)
{
    return max_queue(ws) / 4;
}

static size_t low_water(const gust_websocket *ws)
{
    return max_queue(ws) / 16;
}

static void send_pong(gust_websocket *ws, gust_str data);
static void on_marked_sent(gust_iostream *s, int status, void *user);

/* Be told when all that is queued now is out. */
static void mark(gust_websocket *ws)
{
    set(ws, GUST__WS_CONGESTED);
    int code = gust_iostream_write(ws->s, gust_str_make(NULL, 0), on_marked_sent, ws);
    if (code == -ENOMEM) {
        gust_iostream_close_with(ws->s, code); /* rather than never go on */
    }
}

/* Something was queued. */
static void watch_queue(gust_websocket *ws)
{
    if (!is(ws, GUST__WS_CONGESTED) && gust_websocket_buffered(ws) > high_water(ws)) {
        mark(ws);
    }
}

static void on_marked_sent(gust_iostream *s, int status, void *user)
{
    gust_websocket *ws = user;
    if (status != 0) {
        return; /* the end: on_close follows */
    }
    if (gust_iostream_write_queue_size(s) > low_water(ws)) {
        mark(ws);
        return;
    }
    unset(ws, GUST__WS_CONGESTED);
    if (ws->extra != NULL && ws->extra->pong_waits) {
        ws->extra->pong_waits = false;
        send_pong(ws, gust_str_make(ws->extra->pong, ws->extra->pong_len));
    }
    if (ws->cls->on_drain != NULL && gust_websocket_is_open(ws)) {
        ws->cls->on_drain(ws);
    }
}

/* One message is always taken into an empty queue, whatever its size. */
static bool fits(const gust_websocket *ws, size_t size)
{
    size_t queued = gust_websocket_buffered(ws);
    size_t max = max_queue(ws);
    return queued == 0 || (size <= max && queued <= max - size);
}

static int queue_full(gust_websocket *ws)
{
    if (ws->cls->when_full == GUST_WEBSOCKET_DROP_PEER) {
        (void)gust_websocket_close(ws, GUST_WEBSOCKET_CLOSE_TRY_LATER, GUST_STR("too slow"));
    }
    return GUST_EDROPPED;
}

/* May a message of so many bytes be queued? What waits only for the event to end
 * is sent first, if the kernel takes it. */
int gust__ws_can_send(gust_websocket *ws, size_t size)
{
    if (gust_websocket_is_open(ws) && !fits(ws, size)) {
        gust_iostream_flush(ws->s);
    }
    if (!gust_websocket_is_open(ws)) {
        return GUST_ECLOSED;
    }
    return fits(ws, size) ? 0 : queue_full(ws);
}

/* The three-way result of a write to the stream. */
int gust__ws_sent(gust_websocket *ws, int code)
{
    if (code == 0) {
        watch_queue(ws);
        return is(ws, GUST__WS_CONGESTED) ? GUST_BACKPRESSURE : 0;
    }
    if (code == GUST_EBUFFERFULL) { /* the stream's own maximum */
        return gust_websocket_buffered(ws) == 0 ? GUST_ETOOBIG : queue_full(ws);
    }
    return code == GUST_ESTATE ? GUST_ECLOSED : code;
}

/* ---- Sending ------------------------------------------------------------------ */

/* A frame that is not small, in a block of its own: it is queued whole or not at
 * all. */
static int write_large_frame(gust_websocket *ws, enum gust_websocket_opcode opcode,
                             gust_str payload)
{
    gust_shared *frame;
    GUST_TRY(gust__ws_frame_new(opcode, payload, &frame));
    int code = gust_iostream_write_shared(ws->s, frame);
    gust_shared_unref(frame);
    return code;
}

static int write_frame(gust_websocket *ws, enum gust_websocket_opcode opcode, gust_str payload)
{
    char *room;
    if (payload.len > SMALL_FRAME) {
        return write_large_frame(ws, opcode, payload);
    }
    GUST_TRY(gust_iostream_reserve(ws->s, GUST__WS_HEADER_MAX + payload.len, &room));
    size_t n = gust__ws_frame_header(room, opcode, true, false, payload.len, NULL);
    if (payload.len > 0) {
        memcpy(room + n, payload.ptr, payload.len);
    }
    gust_iostream_commit(ws->s, n + payload.len);
    return 0;
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
    if (!fits(ws, data.len)) {
        return GUST_EDROPPED;
    }
    int code = gust__ws_sent(ws, write_frame(ws, GUST_WEBSOCKET_PING, data));
    return code == GUST_BACKPRESSURE ? 0 : code;
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

static gust_time close_timeout(const gust_websocket *ws)
{
    return or_default(ws->cls->close_timeout, GUST_DEFAULT_WS_CLOSE_TIMEOUT);
}

/* Both sides have said what they had to say: end TCP. */
static void end_stream(gust_websocket *ws)
{
    deadline_in(ws, close_timeout(ws));
    if (gust_iostream_is_eof(ws->s) || gust_iostream_shutdown_write(ws->s) != 0) {
        gust_iostream_close_after_flush(ws->s);
        return;
    }
    gust_iostream_resume(ws->s);
}

static void fail(gust_websocket *ws, int code, const char *reason)
{
    if (is(ws, GUST__WS_FAILED) || gust_iostream_is_closed(ws->s)) {
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
    gust_iostream_resume(ws->s); /* to see the answer */
    deadline_in(ws, close_timeout(ws));
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
    if (ws->cls->on_message == NULL || is(ws, GUST__WS_PAUSED)) {
        return; /* paused: we are closing, see must_wait() */
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
    } else if (!is(ws, GUST__WS_SENT_CLOSE)) {
        await_bytes(ws); /* of this message: it has made progress */
    }
}

/* Answer a ping. Where the queue is full only the newest answer is kept, so that
 * a flood of pings needs no memory. */
static void send_pong(gust_websocket *ws, gust_str data)
{
    if (is(ws, GUST__WS_SENT_CLOSE)) {
        return;
    }
    if (gust_websocket_buffered(ws) <= max_queue(ws)) {
        if (write_frame(ws, GUST_WEBSOCKET_PONG, data) == 0) {
            watch_queue(ws);
        }
        return;
    }
    struct gust__ws_extra *extra = gust__ws_extra_get(ws);
    if (extra != NULL) {
        memcpy(extra->pong, data.ptr, data.len);
        extra->pong_len = (uint8_t)data.len;
        extra->pong_waits = true;
    }
}

/* Our keep-alive pings carry the time they left; see send_keepalive(). */
static void measure_round_trip(gust_websocket *ws, gust_str data)
{
    const struct ws_loop *wl = loop_of(gust_iostream_loop(ws->s));
    struct keepalive ping;
    if (data.len != sizeof ping || wl == NULL) {
        return;
    }
    memcpy(&ping, data.ptr, sizeof ping);
    gust_time now = gust_ioloop_now(gust_iostream_loop(ws->s)) - wl->start;
    if (ping.tag == wl->tag && ping.sent >= 0 && ping.sent <= now) {
        gust_time took_us = (now - ping.sent) / 1000 + 1; /* 0 says that there was none */
        ws->rtt_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
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

/* While paused control frames still pass; the next message waits. Not after our
 * Close: the peer's may stand behind it. */
static bool must_wait(gust_websocket *ws, const char *data, size_t len)
{
    return is(ws, GUST__WS_PAUSED) && !is(ws, GUST__WS_SENT_CLOSE) && len > 0 &&
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
    bool inside = gust__ws_parser_of(ws)->open;
    unset(ws, GUST__WS_PING_SENT);
    size_t taken = parse(ws, (char *)(uintptr_t)data.ptr, data.len);
    bool closing = is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED);
    if (!closing && !(inside && gust__ws_parser_of(ws)->open)) {
        await_bytes(ws);
    }
    return taken;
}

/* ---- Time -------------------------------------------------------------------------- */

/* Without memory, or with a queue that is full, there is no ping this time. */
static void send_keepalive(gust_websocket *ws)
{
    const struct ws_loop *wl = loop_of(gust_iostream_loop(ws->s));
    char payload[sizeof(struct keepalive)];
    struct keepalive ping = {0, 0};
    if (wl != NULL) {
        ping.tag = wl->tag;
        ping.sent = gust_ioloop_now(gust_iostream_loop(ws->s)) - wl->start;
    }
    memcpy(payload, &ping, sizeof payload);
    if (gust_websocket_ping(ws, gust_str_make(payload, sizeof payload)) == 0) {
        set(ws, GUST__WS_PING_SENT);
    }
}

/* Bytes have come that we don't read: the silence is ours. */
static bool holds_peer_back(const gust_websocket *ws)
{
    return is(ws, GUST__WS_PAUSED) && !gust_iostream_is_reading(ws->s);
}

static void on_silence(gust_websocket *ws)
{
    const gust_websocket_class *cls = ws->cls;
    bool waited = is(ws, GUST__WS_PING_SENT);
    if (cls->ping_interval < 0) { /* what was awaited were bytes of a message */
        deadline_in(ws, -1);
    } else if (holds_peer_back(ws) || (waited && cls->ping_timeout < 0)) {
        send_keepalive(ws);
        unset(ws, GUST__WS_PING_SENT);
        deadline_in(ws, or_default(cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL));
    } else if (waited) {
        gust_iostream_close_with(ws->s, GUST_ETIMEDOUT); /* the peer is gone: 1006 */
    } else {
        send_keepalive(ws);
        deadline_in(ws, cls->ping_timeout > 0
                            ? cls->ping_timeout
                            : or_default(cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL));
    }
}

static void on_timeout(gust_iostream *s, void *user)
{
    gust_websocket *ws = user;
    if (is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED)) {
        gust_iostream_close(s);
    } else if (gust__ws_parser_of(ws)->open && !holds_peer_back(ws)) {
        fail(ws, GUST_WEBSOCKET_CLOSE_POLICY, "unfinished message");
    } else {
        on_silence(ws);
    }
}

/* ---- What the stream tells ------------------------------------------------------------ */

/* The peer's side of TCP has ended. What it sent before is still to be looked at
 * where we are paused; this is called again then. */
static void on_eof(gust_iostream *s, void *user)
{
    gust_websocket *ws = user;
    if (is(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE | GUST__WS_FAILED)) {
        gust_iostream_close_after_flush(s);
    } else if (!holds_peer_back(ws) || gust_iostream_buffered(s) == 0) {
        gust_iostream_close_with(s, GUST_EOF);
    }
}

static void on_close(gust_iostream *s, int status, void *user)
{
    (void)s, (void)status;
    gust_websocket *ws = user;
    if (ws->close_code == 0) {
        ws->close_code = GUST_WEBSOCKET_CLOSE_ABNORMAL;
    }
    set(ws, GUST__WS_SENT_CLOSE | GUST__WS_GOT_CLOSE);
    if (ws->cls->on_close != NULL) {
        ws->cls->on_close(ws);
    }
    gust__ws_free(ws);
}

static const gust_iostream_callbacks callbacks = {.name = "websocket",
                                                  .reader = reader,
                                                  .on_eof = on_eof,
                                                  .on_timeout = on_timeout,
                                                  .on_close = on_close};

/* ---- Beginning -------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The first ping of each connection comes at a moment of its own in the second
 * half of the interval, so that those of 100,000 connections made together do
 * not. */
static gust_time first_silence(const gust_websocket *ws, struct ws_loop *wl)
{
    gust_time interval = or_default(ws->cls->ping_interval, GUST_DEFAULT_WS_PING_INTERVAL);
    if (interval <= 0) {
        return interval;
    }
    gust_time half = interval / 2;
    return interval - half + (gust_time)(next_random(&wl->random) % (uint64_t)(half + 1));
}

static int copy_subprotocol(gust_websocket *ws, gust_str subprotocol)
{
    struct gust__ws_extra *extra = gust__ws_extra_get(ws);
    char *copy = extra != NULL ? gust__malloc(subprotocol.len) : NULL;
    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, subprotocol.ptr, subprotocol.len);
    extra->subprotocol = gust_str_make(copy, subprotocol.len);
    return 0;
}

int gust__ws_new(gust_ioloop *loop, const gust_websocket_class *cls, gust_str subprotocol,
                 gust_websocket **out_ws)
{
    struct ws_loop *wl = loop_of(loop);
    size_t size = cls->instance_size > sizeof(gust_websocket) ? cls->instance_size
                                                              : sizeof(gust_websocket);
    gust_websocket *ws = wl != NULL ? gust__calloc(1, size) : NULL;
    if (ws == NULL) {
        return -ENOMEM;
    }
    ws->cls = cls;
    gust_list_init(&ws->link);
    gust__ws_parser_init(gust__ws_parser_of(ws), GUST__WS_SERVER);
    if (subprotocol.len > 0 && copy_subprotocol(ws, subprotocol) != 0) {
        gust__ws_free(ws);
        return -ENOMEM;
    }
    *out_ws = ws;
    return 0;
}

void gust__ws_free(gust_websocket *ws)
{
    if (!gust_list_is_empty(&ws->link)) {
        gust_list_remove(&ws->link);
        loop_of(gust_iostream_loop(ws->s))->count--;
    }
    gust__ws_assembler_free(&ws->assembler);
    if (ws->extra != NULL) {
        gust__free((void *)(uintptr_t)ws->extra->subprotocol.ptr);
        gust__free(ws->extra);
    }
    gust__free(ws);
}

/* The stream is ours: listen to it, and tell the class. */
void gust__ws_open(gust_websocket *ws, gust_iostream *s, gust_handler *h)
{
    struct ws_loop *wl = loop_of(gust_iostream_loop(s));
    ws->s = s;
    gust_list_push(&wl->all, &ws->link);
    wl->count++;
    int code = gust_iostream_set_callbacks(s, &callbacks, ws);
    if (code != 0) {
        gust_iostream_close_with(s, code);
    }
    deadline_in(ws, first_silence(ws, wl));
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
        if (gust_websocket_is_open(ws) && gust_websocket_close(ws, code, reason) == 0) {
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
