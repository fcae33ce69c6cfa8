/* What the files of the WebSocket server share.
 *
 *   websocket.c   the connection: messages in and out, pings, closing
 *   upgrade.c     the handshake: from a handler to a connection
 *   message.c     messages made once for many
 *   frame.c, mask.c, handshake.c   sans I/O */
#ifndef GUST_WEBSOCKET_INTERNAL_H
#define GUST_WEBSOCKET_INTERNAL_H

#include <gust/websocket.h>

#include "util/check_internal.h"
#include "websocket/frame_internal.h"

enum gust__ws_flags {
    GUST__WS_SENT_CLOSE = 1 << 0,
    GUST__WS_GOT_CLOSE = 1 << 1,
    GUST__WS_FAILED = 1 << 2,    /* our side gave up: input is dropped */
    GUST__WS_PING_SENT = 1 << 3, /* and not a byte since */
    GUST__WS_PAUSED = 1 << 4,    /* no messages, please */
    GUST__WS_CALLING = 1 << 5,   /* open or on_message is on the stack */
    GUST__WS_RESUMED = 1 << 6,   /* and resume was called from within */
    GUST__WS_CONGESTED = 1 << 7  /* the queue was above its high-water mark: on_drain is due */
};

/* What most connections never need. */
struct gust__ws_extra {
    gust_str subprotocol; /* allocated */
    uint8_t reason_len;
    uint8_t pong_len;
    bool pong_waits; /* the queue was full: the newest ping's answer */
    char reason[GUST__WS_REASON_MAX];
    char pong[GUST__WS_CONTROL_MAX];
};

_Static_assert(sizeof(struct gust__ws_parser) == 32, "as gust_websocket has room for");
_Static_assert(sizeof(gust_websocket) <= 88, "an idle WebSocket is to fit 96 bytes of malloc");

static inline struct gust__ws_parser *gust__ws_parser_of(gust_websocket *ws)
{
    return (struct gust__ws_parser *)(void *)ws->parser;
}

/* websocket.c
 *
 * A WebSocket is made before the 101 goes out, while there still is an HTTP
 * answer for a lack of memory, and given back by gust__ws_free() where it comes
 * to nothing; once open its stream's end frees it. */
int gust__ws_new(gust_ioloop *loop, const gust_websocket_class *cls, gust_str subprotocol,
                 gust_websocket **out_ws);
void gust__ws_open(gust_websocket *ws, gust_iostream *s, gust_handler *h);
void gust__ws_free(gust_websocket *ws);
struct gust__ws_extra *gust__ws_extra_get(gust_websocket *ws);
int gust__ws_can_send(gust_websocket *ws, size_t size);
int gust__ws_sent(gust_websocket *ws, int code);

/* message.c: one whole frame as it goes out. Returns 0 or -ENOMEM. */
int gust__ws_frame_new(enum gust_websocket_opcode opcode, gust_str payload,
                       gust_shared **out_frame);

#endif
