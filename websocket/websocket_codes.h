/* The numbers of the WebSocket protocol: opcodes and close codes.
 *
 * They are what goes over the wire (RFC 6455 5.2 and 7.4), so they may be
 * logged, stored and compared with the numbers of other programs. Close codes
 * from 3000 to 4999 belong to applications and have no names here: 3000-3999
 * are registered with IANA by libraries and frameworks, 4000-4999 are free for
 * all.
 *
 * Thread: any; there is no state. */
#ifndef GUST_WEBSOCKET_CODES_H
#define GUST_WEBSOCKET_CODES_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a frame is. An application sees TEXT and BINARY, as the type of a
 * message; the others are between the two libraries. */
enum gust_websocket_opcode {
    GUST_WEBSOCKET_CONTINUATION = 0x0, /* a further fragment of a message */
    GUST_WEBSOCKET_TEXT = 0x1,         /* a message of UTF-8 text */
    GUST_WEBSOCKET_BINARY = 0x2,       /* a message of bytes */
    GUST_WEBSOCKET_CLOSE = 0x8,
    GUST_WEBSOCKET_PING = 0x9,
    GUST_WEBSOCKET_PONG = 0xa
};

/* Why a connection ended. Three of them only ever report something: they never
 * travel, and gust_websocket_close_code_is_sendable() refuses them. */
enum gust_websocket_close_code {
    GUST_WEBSOCKET_CLOSE_NORMAL = 1000,             /* the purpose is fulfilled */
    GUST_WEBSOCKET_CLOSE_GOING_AWAY = 1001,         /* the server stops, the page is left */
    GUST_WEBSOCKET_CLOSE_PROTOCOL_ERROR = 1002,     /* the peer broke the protocol */
    GUST_WEBSOCKET_CLOSE_UNSUPPORTED = 1003,        /* this type of message is not taken */
    GUST_WEBSOCKET_CLOSE_NO_CODE = 1005,            /* reported: a Close without a code came */
    GUST_WEBSOCKET_CLOSE_ABNORMAL = 1006,           /* reported: the end came without a Close */
    GUST_WEBSOCKET_CLOSE_BAD_DATA = 1007,           /* text that is not UTF-8, bad DEFLATE data */
    GUST_WEBSOCKET_CLOSE_POLICY = 1008,             /* against a rule of this side, as a rate */
    GUST_WEBSOCKET_CLOSE_TOO_BIG = 1009,            /* the message is over the limit */
    GUST_WEBSOCKET_CLOSE_EXTENSION_REQUIRED = 1010, /* client: the server lacks an extension */
    GUST_WEBSOCKET_CLOSE_INTERNAL_ERROR = 1011,     /* a handler failed */
    GUST_WEBSOCKET_CLOSE_RESTART = 1012,            /* the server restarts: come back */
    GUST_WEBSOCKET_CLOSE_TRY_LATER = 1013,          /* the server is overloaded: come back later */
    GUST_WEBSOCKET_CLOSE_BAD_GATEWAY = 1014,        /* the server behind the server failed */
    GUST_WEBSOCKET_CLOSE_TLS = 1015                 /* reported: the TLS handshake failed */
};

/* May this code stand in a Close frame?
 *
 * True for 1000-1003, 1007-1014 and 3000-4999. The same set is accepted from a
 * peer; another code from a peer is answered with 1002.
 * Cost: constant. Source: RFC 6455 7.4.2 and the IANA registry. */
bool gust_websocket_close_code_is_sendable(int code);

#ifdef __cplusplus
}
#endif

#endif
