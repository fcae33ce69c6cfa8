/* The WebSocket server (RFC 6455).
 *
 * What it is for: a class of functions, like a handler's, for connections over
 * which both sides send messages at any time.
 *
 *     static int on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
 *     {
 *         return gust_websocket_write_message(ws, message, type);
 *     }
 *     static const gust_websocket_class echo = {.name = "echo", .on_message = on_message};
 *     static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &echo), {0}};
 *
 * Order of events: the route matches; prepare, which may answer with any HTTP
 * status instead; the handshake is checked, the origin too; select_subprotocol;
 * the 101 is sent; open; on_message, on_ping, on_pong as they come; on_close.
 *
 * Lifetime: an instance is a struct that begins with gust_websocket. It is
 * valid from open until on_close has returned, and freed then. Each open is
 * followed by exactly one on_close, whoever closes and however. What is open
 * when the loop is closed ends then: what on_close needs is freed later, between
 * gust_ioloop_close() and gust_ioloop_free().
 *
 * No function here calls back into the program before it has returned.
 *
 * Limits: messages of 10 MiB, an outgoing queue of 1 MiB, a ping after 60 s of
 * silence and the end after 60 s more; each can be set in the class. A message
 * that has begun must make progress every 60 s. Text is checked to be UTF-8 as it
 * arrives. Protocol errors close the connection with the code that the RFC gives
 * them.
 *
 * Thread: the loop's. Source: tornado.websocket.WebSocketHandler. */
#ifndef GUST_WEBSOCKET_H
#define GUST_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/list.h>
#include <gust/web.h>
#include <gust/websocket_codes.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_websocket gust_websocket;
typedef struct gust_websocket_class gust_websocket_class;

/* What gust_websocket_write_message() does with a message that does not fit the
 * queue any more. */
enum gust_websocket_when_full {
    GUST_WEBSOCKET_DROP_MESSAGE, /* refuse it with GUST_EDROPPED; the connection lives */
    GUST_WEBSOCKET_DROP_PEER     /* close with 1013: better no stream than one with a gap */
};

/* A class. NULL and 0 mean the default named; the struct is constant and not
 * copied.
 *
 * instance_size    bytes of an instance; 0: sizeof(gust_websocket)
 * prepare          HTTP still: look at the request, set headers for the 101, or
 *                  return a status (401, 403, ...) or finish. May be pending
 * check_origin     may a page of this origin connect? Called only when the
 *                  request has an Origin. Default: the same host and port as
 *                  Host, or one of allowed_origins
 * allowed_origins  patterns, ended by NULL: "https://example.org",
 *                  "*.example.org" (every name below it), see the guide
 * select_subprotocol  gets what the client offers, in its order, also when that
 *                  is nothing; sets *out_chosen to one of them, or leaves it.
 *                  Default: none
 * open             the 101 was sent. `h` is the handler of the handshake, with
 *                  request, path arguments and query, until open returns.
 *                  Returns 0, or what gust_websocket_write_message() returned of
 *                  GUST_BACKPRESSURE, GUST_EDROPPED and GUST_ECLOSED: all is
 *                  well; GUST_PENDING: no message is read until
 *                  gust_websocket_resume(); or another code: 1011
 * on_message       a whole message, lent. Returns as open; while it is pending
 *                  no other message is delivered, pings are still answered
 * on_ping, on_pong the payload, lent; the pong to a ping was sent already
 * on_drain         a call has returned GUST_BACKPRESSURE, and now the outgoing queue
 *                  is at a sixteenth of max_write_buffer, or below
 * on_close         the end; gust_websocket_close_code() says why */
struct gust_websocket_class {
    const char *name;
    size_t instance_size;
    gust_handler_fn *prepare;
    bool (*check_origin)(gust_handler *h, gust_str origin);
    const char *const *allowed_origins;
    void (*select_subprotocol)(gust_handler *h, const gust_str *offered, size_t count,
                               gust_str *out_chosen);
    int (*open)(gust_websocket *ws, gust_handler *h);
    int (*on_message)(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type);
    void (*on_ping)(gust_websocket *ws, gust_str data);
    void (*on_pong)(gust_websocket *ws, gust_str data);
    void (*on_drain)(gust_websocket *ws);
    void (*on_close)(gust_websocket *ws);
    uint64_t max_message_size; /* bytes of a message; 0: 10 MiB */
    size_t max_write_buffer;   /* bytes queued; 0: 1 MiB. Above a quarter: GUST_BACKPRESSURE */
    enum gust_websocket_when_full when_full;
    gust_time ping_interval; /* of silence before a ping; 0: 60 s; -1: no pings */
    gust_time ping_timeout;  /* after it, without a byte: the end; 0: 60 s; -1: just pings */
    gust_time close_timeout; /* for the peer's Close after ours, and then its end; 0: 5 s */
};

/* An instance. Members are the library's; a class with state of its own embeds
 * this first. */
struct gust_websocket {
    const gust_websocket_class *cls;
    gust_iostream *s;
    struct gust__ws_assembler *assembler; /* an unfinished message; NULL: none */
    struct gust__ws_extra *extra;         /* what few connections need; NULL: nothing */
    uint64_t parser[4];                   /* struct gust__ws_parser */
    gust_list link;                       /* among the loop's */
    uint32_t rtt_us;
    uint16_t close_code;
    uint16_t flags;
};

/* The handler class that makes a WebSocket of a request; its route's `arg` is
 * the gust_websocket_class. */
extern const gust_handler_class gust_websocket_handler;

/* A route for a table of gust_route. */
#define GUST_WEBSOCKET_ROUTE(path_pattern, websocket_class)                                        \
    {                                                                                              \
        path_pattern, &gust_websocket_handler, websocket_class, NULL                               \
    }

/* ---- Sending ------------------------------------------------------------ */

/* "Queued, but the peer reads more slowly than you write: wait for on_drain." */
#define GUST_BACKPRESSURE 2

/* Send a message, always as one frame. It is copied, and leaves when the event
 * that runs ends, together with all else that was written.
 *
 * type  GUST_WEBSOCKET_TEXT (UTF-8; checked in debug builds only) or _BINARY
 * Returns 0
 *   GUST_BACKPRESSURE  it was queued; wait for on_drain before the next one
 *   GUST_EDROPPED      max_write_buffer would be passed: not queued, see when_full.
 *                      An empty queue takes one message of any size
 *   GUST_ETOOBIG       larger than the stream's own max_write_buffer_size (16 MiB)
 *   GUST_ECLOSED       either side has begun to close
 *   -EINVAL; -ENOMEM: not queued; GUST_EUTF8 in debug builds */
int gust_websocket_write_message(gust_websocket *ws, gust_str message,
                                 enum gust_websocket_opcode type);

/* A message for many: framed once, its bytes shared by all queues. For the
 * sockets of one loop: its own references are not for other threads. */
typedef struct gust_websocket_message gust_websocket_message;

/* Make one, with one reference, the caller's. Returns 0, -EINVAL, -ENOMEM;
 * GUST_EUTF8 in debug builds. */
int gust_websocket_message_new(gust_str message, enum gust_websocket_opcode type,
                               gust_websocket_message **out_message);
gust_websocket_message *gust_websocket_message_ref(gust_websocket_message *message);
void gust_websocket_message_unref(gust_websocket_message *message); /* NULL is allowed */

/* Send it; the connection holds a reference until it is out. Returns as
 * gust_websocket_write_message(). */
int gust_websocket_write_prepared(gust_websocket *ws, gust_websocket_message *message);

/* Send a ping with up to 125 bytes. Returns 0, -EINVAL, GUST_ECLOSED, -ENOMEM;
 * GUST_EDROPPED where the queue is full: it would measure nothing. */
int gust_websocket_ping(gust_websocket *ws, gust_str data);

/* Bytes that wait to be sent. */
size_t gust_websocket_buffered(const gust_websocket *ws);

/* ---- Reading ------------------------------------------------------------- */

/* Deliver no messages for a while; pings are answered until a message comes,
 * then the kernel holds the peer back, and its silence is not counted. And go
 * on, never inside the call: also after a callback that was pending. */
void gust_websocket_pause(gust_websocket *ws);
void gust_websocket_resume(gust_websocket *ws);

/* ---- Closing ------------------------------------------------------------- */

/* Begin to close: what is queued goes out, then a Close; the connection ends
 * when the peer has answered, or after close_timeout.
 *
 * code    a code that may be sent (see websocket_codes.h), or 0: none, or 1000
 *         where there is a reason
 * reason  UTF-8, at most 123 bytes
 * Messages that come before the peer's Close are still delivered, while paused
 * they are dropped.
 * Returns 0, also when it is closing already; -EINVAL; GUST_EUTF8. */
int gust_websocket_close(gust_websocket *ws, int code, gust_str reason);

/* Drop the connection at once, without a Close. */
void gust_websocket_abort(gust_websocket *ws);

/* Close every WebSocket of a loop, as a server that stops does (1001). Returns
 * how many were not closed already. */
size_t gust_websocket_close_all(gust_ioloop *loop, int code, gust_str reason);

/* How many WebSockets of the loop are not yet gone. */
size_t gust_websocket_count(gust_ioloop *loop);

/* ---- Questions ------------------------------------------------------------ */

/* May messages be sent? */
bool gust_websocket_is_open(const gust_websocket *ws);

/* In on_close: the code of the peer's Close, or the one that we failed the
 * connection with; 1005 for a Close without a code, 1006 for an end without a
 * Close. 0 before. The reason is borrowed. */
int gust_websocket_close_code(const gust_websocket *ws);
gust_str gust_websocket_close_reason(const gust_websocket *ws);

/* The subprotocol agreed on; empty: none. */
gust_str gust_websocket_selected_subprotocol(const gust_websocket *ws);

/* The round trip that the last answered keep-alive ping took; 0: none yet. */
gust_time gust_websocket_round_trip(const gust_websocket *ws);

/* The loop that it runs on. */
gust_ioloop *gust_websocket_loop(const gust_websocket *ws);

/* The stream below, for its descriptor and gust_iostream_set_nodelay(); not for
 * reading or writing. */
gust_iostream *gust_websocket_stream(const gust_websocket *ws);

#ifdef __cplusplus
}
#endif

#endif
