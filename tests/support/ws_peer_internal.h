/* An echo peer on the WebSocket codec, without sockets.
 *
 * It parses what it is fed, answers messages with themselves, pings with pongs,
 * a Close with its code and a fault with the Close that is due, and keeps a log.
 * Every piece is handed to the parser in a block of exactly its size, behind what
 * was left over, so that a sanitizer sees one byte too many. */
#ifndef GUST_TESTS_WS_PEER_INTERNAL_H
#define GUST_TESTS_WS_PEER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "websocket/frame_internal.h"
#include "tests/ws_rows.h"

/* Bytes that grow; {0} is empty, `ptr` is to be freed. */
struct ws_bytes {
    unsigned char *ptr;
    size_t len, cap;
};

/* Room for n more behind b->len. */
unsigned char *ws_bytes_room(struct ws_bytes *b, size_t n);

void ws_bytes_add(struct ws_bytes *b, const void *data, size_t n);
void ws_bytes_add_frame(struct ws_bytes *b, const struct ws_frame *f, bool to_server);

/* A Close with a code; WS_EMPTY is one without. */
void ws_bytes_add_close(struct ws_bytes *b, unsigned code, bool to_server);

bool ws_bytes_eq(const struct ws_bytes *a, const struct ws_bytes *b);

struct ws_peer {
    enum gust__ws_role role;
    const struct gust__ws_limits *limits;
    struct gust__ws_parser parser;
    gust__ws_assembler *assembler;
    struct ws_bytes pending; /* what the parser did not take yet */
    struct ws_bytes out;     /* what it sends back */
    struct ws_bytes log;     /* what happened: the same for every cut of the input */
    size_t message_log;      /* where the open message's log begins */
    bool message_open;       /* there is one */
    size_t fed;              /* bytes of input so far */
    size_t failed_at;        /* of them when FAIL came, else 0 */
    unsigned failed_with;
    unsigned reported; /* the Close code that an application would be told */
    char reason[GUST__WS_CONTROL_MAX + 1];
    int error; /* of the assembler */
};

void ws_peer_init(struct ws_peer *p, enum gust__ws_role role, const struct gust__ws_limits *limits);
void ws_peer_deinit(struct ws_peer *p);

/* Give it a piece of input. */
void ws_peer_feed(struct ws_peer *p, const unsigned char *data, size_t len);

/* Feed all of `in`: `first` bytes, then `step` at a time. */
void ws_peer_feed_cut(struct ws_peer *p, const struct ws_bytes *in, size_t first, size_t step);

/* Feed up to `count` copies of a frame, until it fails. Returns the code that it
 * failed with, or 0. */
unsigned ws_peer_feed_many(struct ws_peer *p, const char *frame, size_t size, size_t count);

#endif
