/* WebSocket frames, without I/O: bytes in, events out (RFC 6455 5).
 *
 * The parser sits in each connection and is 32 bytes. It stores no input: the
 * caller's buffer keeps what it does not take. Calling sequence:
 *
 *     gust__ws_parser_init(&p, GUST__WS_SERVER);
 *     on each read: do {
 *         n = gust__ws_parse(&p, limits, data, len, &ev);
 *         data += n, len -= n;
 *         act on ev
 *     } while (ev.kind != GUST__WS_NEED_MORE);
 *     keep the `len` bytes at `data`; the next call wants them again, with more.
 *
 * What is left over is at most 130 bytes: a header (14) or a control frame that
 * is not whole. The payload of a data frame is taken as it comes. It is unmasked
 * where it lies, so the buffer must be writable, and events point into it.
 *
 * Everything the protocol or a limit forbids becomes one FAIL event, at the
 * first byte that makes it certain, and the same event wherever the input was
 * split. After FAIL, and after a Close, the parser takes and ignores all input.
 *
 * The assembler below makes whole messages of the data events for those who
 * want that.
 *
 * Relies on util/ only. */
#ifndef GUST_WEBSOCKET_FRAME_INTERNAL_H
#define GUST_WEBSOCKET_FRAME_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/str.h>
#include <gust/utf8.h>
#include <gust/websocket_codes.h>

enum {
    GUST__WS_HEADER_MAX = 14,   /* 2, then 0, 2 or 8 of length, then 0 or 4 of mask */
    GUST__WS_CONTROL_MAX = 125, /* payload of a control frame */
    GUST__WS_REASON_MAX = 123   /* what a Close has room for behind its code */
};

/* What one peer may do to us. One const struct is shared by all connections of
 * a handler class. The counters behind the last three end at 16,777,215 and
 * 65,535 and stay there: a higher limit is none. */
struct gust__ws_limits {
    uint64_t max_message_size;    /* payload bytes of a message; 0 allows only empty ones,
                                     UINT64_MAX any */
    uint32_t max_fragments;       /* frames of one message */
    uint32_t max_empty_fragments; /* those of them without payload */
    uint32_t max_controls;        /* control frames while one message is open */
};

/* Those of <gust/limits.h>: 10 MiB, 131,072, 1,024, 1,000. */
extern const struct gust__ws_limits gust__ws_default_limits;

/* Who we are: a server gets masked frames only, a client unmasked ones only. */
enum gust__ws_role { GUST__WS_SERVER, GUST__WS_CLIENT };

/* Invariants
 *  1. remaining > 0 implies in_frame
 *  2. in_frame implies open
 *  3. remaining <= message_bytes
 *  4. text, compressed and the counters mean something only while open */
struct gust__ws_parser {
    uint64_t remaining;       /* payload bytes of the current data frame still to come */
    uint64_t message_bytes;   /* payload bytes that the open message has announced so far */
    uint32_t mask;            /* of the current frame, rotated to its next byte */
    gust_utf8 utf8;           /* of the open text message */
    uint16_t empty_fragments; /* of the open message */
    uint16_t controls;        /* since the open message began */
    uint32_t fragments : 24;  /* of the open message */
    uint32_t client : 1;      /* our role */
    uint32_t deflate : 1;     /* permessage-deflate is agreed on: RSV1 has a meaning */
    uint32_t open : 1;        /* a message has begun and not ended */
    uint32_t in_frame : 1;    /* its frame's header is taken, its payload not all */
    uint32_t fin : 1;         /* that frame is the message's last */
    uint32_t text : 1;        /* the open message is text */
    uint32_t compressed : 1;  /* and its payload is compressed */
    uint32_t ended : 1;       /* failed, or a Close came: the rest is ignored */
};

enum gust__ws_event_kind {
    GUST__WS_NEED_MORE, /* nothing more to be had from these bytes */
    GUST__WS_DATA,      /* a piece of a message */
    GUST__WS_CONTROL,   /* a whole ping, pong or Close */
    GUST__WS_FAIL       /* the connection must be failed */
};

/* Of DATA events. A message's first event has MESSAGE_START, its last
 * MESSAGE_END, and the same for each of its frames; a whole one has all four.
 * COMPRESSED is on all events of a message. */
enum gust__ws_event_flag {
    GUST__WS_MESSAGE_START = 1,
    GUST__WS_FRAME_START = 2,
    GUST__WS_FRAME_END = 4,
    GUST__WS_MESSAGE_END = 8,
    GUST__WS_COMPRESSED = 16
};

struct gust__ws_event {
    enum gust__ws_event_kind kind;
    uint8_t opcode;      /* DATA: TEXT or BINARY, the message's; CONTROL: CLOSE, PING or PONG */
    uint8_t flags;       /* DATA: of enum gust__ws_event_flag */
    uint16_t code;       /* FAIL: to be sent, 1002, 1007, 1008 or 1009;
                            CLOSE: the peer's, or 1005 where it gave none */
    gust_str data;       /* DATA: the piece, unmasked, may be empty; PING, PONG: the payload;
                            CLOSE: the reason, valid UTF-8. Lies in the caller's buffer */
    uint64_t frame_left; /* DATA: bytes of this frame that follow in later events */
    const char *reason;  /* FAIL: a few words, static */
};

/* Begin with an empty connection. Nothing is to be given back later. */
void gust__ws_parser_init(struct gust__ws_parser *p, enum gust__ws_role role);

/* Take one event from `len` bytes at `data`.
 *
 * Returns how many bytes are done with; *ev is always set. NEED_MORE with 0
 * taken: call again with the same bytes and more. A text message's payload has
 * been checked to be UTF-8 as far as its events go, and at MESSAGE_END wholly;
 * not so with COMPRESSED, where it is the inflater's output that is text.
 * Cost: each payload byte is touched once or, where it is not ASCII, twice. */
size_t gust__ws_parse(struct gust__ws_parser *p, const struct gust__ws_limits *limits, char *data,
                      size_t len, struct gust__ws_event *ev);

/* Write a frame's header, in the shortest form, to `out`, which has room for
 * GUST__WS_HEADER_MAX bytes. `mask` is NULL for none.
 * Returns its size. */
size_t gust__ws_frame_header(char *out, enum gust_websocket_opcode opcode, bool fin, bool rsv1,
                             uint64_t len, const uint32_t *mask);

/* Write a Close frame's payload to `out`, which has room for
 * GUST__WS_CONTROL_MAX bytes.
 *
 * code    a sendable one, or GUST_WEBSOCKET_CLOSE_NO_CODE for an empty payload
 * reason  UTF-8, at most GUST__WS_REASON_MAX bytes; empty where there is no code
 * Returns 0, -EINVAL where code or length is not allowed, GUST_EUTF8. */
int gust__ws_close_payload(char *out, int code, gust_str reason, size_t *out_len);

/* Judge the payload of a Close that came: 0, or the code to fail with (1002,
 * 1007). *out_code is the peer's code, 1005 for an empty payload, *out_reason
 * lies in the payload; both are set on 0 only. */
int gust__ws_close_parse(gust_str payload, uint16_t *out_code, gust_str *out_reason);

/* An unfinished message: one growing block, which exists only while there is
 * something in it (or up to 4 KiB of room left from the last one). The
 * connection holds the pointer, NULL at first. */
typedef struct gust__ws_assembler gust__ws_assembler;

/* Take the piece of a DATA event.
 *
 * assembler    address of the connection's pointer, updated
 * out_message  set where the message is whole: the event's own bytes if it came
 *              in one piece (nothing is copied then, nor allocated), else the
 *              assembled ones, which stay until the next call here
 * Returns 1 when the message is whole, 0 when there is more to come, -ENOMEM
 * (the message is lost then and the connection has to end).
 * Cost: amortised O(1) a byte, however many fragments there are. Memory: at
 * most twice what has come, or that plus 64 KiB, whatever was announced. */
int gust__ws_assemble(gust__ws_assembler **assembler, const struct gust__ws_event *ev,
                      gust_str *out_message);

/* The delivered message is not needed any longer: empty the assembler, and free
 * it where it is larger than 4 KiB. NULL inside is fine. */
void gust__ws_assembler_trim(gust__ws_assembler **assembler);

/* Free it, with what it holds. NULL inside is fine. */
void gust__ws_assembler_free(gust__ws_assembler **assembler);

#endif
