/* The echo peer; see the header. */
#include "tests/support/ws_peer_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "websocket/mask_internal.h"

unsigned char *ws_bytes_room(struct ws_bytes *b, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = 2 * b->cap + n;
        b->ptr = realloc(b->ptr, b->cap);
        assert_non_null(b->ptr);
    }
    return b->ptr + b->len;
}

void ws_bytes_add(struct ws_bytes *b, const void *data, size_t n)
{
    if (n > 0) {
        memcpy(ws_bytes_room(b, n), data, n);
        b->len += n;
    }
}

void ws_bytes_add_frame(struct ws_bytes *b, const struct ws_frame *f, bool to_server)
{
    b->len += ws_encode(f, to_server, ws_bytes_room(b, ws_frame_size(f)));
}

void ws_bytes_add_close(struct ws_bytes *b, unsigned code, bool to_server)
{
    char text[2] = {(char)(code >> 8), (char)(code & 0xff)};
    struct ws_frame f = {0x88, text, code == WS_EMPTY ? 0 : 2, 0, 0, WS_PLAIN};

    ws_bytes_add_frame(b, &f, to_server);
}

bool ws_bytes_eq(const struct ws_bytes *a, const struct ws_bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

void ws_peer_init(struct ws_peer *p, enum gust__ws_role role, const struct gust__ws_limits *limits)
{
    memset(p, 0, sizeof(*p));
    p->role = role;
    p->limits = limits;
    gust__ws_parser_init(&p->parser, role);
}

void ws_peer_deinit(struct ws_peer *p)
{
    gust__ws_assembler_free(&p->assembler);
    free(p->pending.ptr);
    free(p->out.ptr);
    free(p->log.ptr);
}

/* Send a frame, with the mask that ws_encode() uses where one is due. */
static void peer_send(struct ws_peer *p, enum gust_websocket_opcode opcode, gust_str payload)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    char header[GUST__WS_HEADER_MAX];
    uint32_t mask;
    char *copy;

    memcpy(&mask, key, 4);
    ws_bytes_add(&p->out, header,
                 gust__ws_frame_header(header, opcode, true, false, payload.len,
                                       p->role == GUST__WS_CLIENT ? &mask : NULL));
    copy = (char *)ws_bytes_room(&p->out, payload.len + 1);
    gust__ws_mask_copy(copy, payload.ptr, payload.len, p->role == GUST__WS_CLIENT ? mask : 0, 0);
    p->out.len += payload.len;
}

static void peer_send_close(struct ws_peer *p, int code)
{
    char payload[GUST__WS_CONTROL_MAX];
    size_t len;

    assert_int_equal(gust__ws_close_payload(payload, code, GUST_STR(""), &len), 0);
    peer_send(p, GUST_WEBSOCKET_CLOSE, gust_str_make(payload, len));
}

static void peer_log(struct ws_peer *p, const char *what)
{
    ws_bytes_add(&p->log, what, strlen(what));
}

static void peer_on_data(struct ws_peer *p, const struct gust__ws_event *ev)
{
    gust_str message;
    int rc;

    if (ev->flags & GUST__WS_MESSAGE_START) {
        p->message_log = p->log.len;
        p->message_open = true;
        peer_log(p, ev->opcode == GUST_WEBSOCKET_TEXT ? "\ntext" : "\nbinary");
        peer_log(p, ev->flags & GUST__WS_COMPRESSED ? " compressed" : "");
    }
    peer_log(p, ev->flags & GUST__WS_FRAME_START ? "[" : "");
    ws_bytes_add(&p->log, ev->data.ptr, ev->data.len);
    peer_log(p, ev->flags & GUST__WS_FRAME_END ? "]" : "");
    assert_int_equal(ev->frame_left == 0, (ev->flags & GUST__WS_FRAME_END) != 0);
    rc = gust__ws_assemble(&p->assembler, ev, &message);
    if (rc < 0) {
        p->error = rc;
    }
    assert_int_equal(rc == 1, rc >= 0 && (ev->flags & GUST__WS_MESSAGE_END) != 0);
    if (rc == 1) {
        p->message_open = false;
        peer_send(p, (enum gust_websocket_opcode)ev->opcode, message);
        gust__ws_assembler_trim(&p->assembler);
    }
}

static void peer_on_control(struct ws_peer *p, const struct gust__ws_event *ev)
{
    char text[32];

    snprintf(text, sizeof(text), "\ncontrol %d %d ", ev->opcode, ev->code);
    peer_log(p, text);
    ws_bytes_add(&p->log, ev->data.ptr, ev->data.len);
    if (ev->opcode == GUST_WEBSOCKET_PING) {
        peer_send(p, GUST_WEBSOCKET_PONG, ev->data);
    } else if (ev->opcode == GUST_WEBSOCKET_CLOSE) {
        p->reported = ev->code;
        memcpy(p->reason, ev->data.ptr, ev->data.len);
        peer_send_close(p, ev->code);
    }
}

static void peer_on_fail(struct ws_peer *p, const struct gust__ws_event *ev)
{
    char text[64];

    if (p->message_open) {
        p->log.len = p->message_log; /* how much of it came out is a matter of the cut */
    }
    snprintf(text, sizeof(text), "\nfail %d %s", ev->code, ev->reason);
    peer_log(p, text);
    p->failed_at = p->fed;
    p->failed_with = ev->code;
    p->reported = ev->code;
    peer_send_close(p, ev->code);
}

static void peer_on_event(struct ws_peer *p, const struct gust__ws_event *ev)
{
    switch (ev->kind) {
    case GUST__WS_DATA: peer_on_data(p, ev); break;
    case GUST__WS_CONTROL: peer_on_control(p, ev); break;
    case GUST__WS_FAIL: peer_on_fail(p, ev); break;
    case GUST__WS_NEED_MORE: break;
    }
}

void ws_peer_feed(struct ws_peer *p, const unsigned char *data, size_t len)
{
    size_t size = p->pending.len + len, at = 0, n;
    char *exact = malloc(size > 0 ? size : 1);
    struct gust__ws_event ev;

    assert_non_null(exact);
    if (p->pending.len > 0) {
        memcpy(exact, p->pending.ptr, p->pending.len);
    }
    memcpy(exact + p->pending.len, data, len);
    p->fed += len;
    do {
        n = gust__ws_parse(&p->parser, p->limits, exact + at, size - at, &ev);
        assert_true(n <= size - at);
        assert_true(n > 0 || ev.kind == GUST__WS_NEED_MORE);
        at += n;
        peer_on_event(p, &ev);
    } while (ev.kind != GUST__WS_NEED_MORE);
    p->pending.len = 0;
    ws_bytes_add(&p->pending, exact + at, size - at);
    assert_true(p->pending.len <= 14 + GUST__WS_CONTROL_MAX);
    free(exact);
}

void ws_peer_feed_cut(struct ws_peer *p, const struct ws_bytes *in, size_t first, size_t step)
{
    size_t at = 0, n = first;

    while (at < in->len) {
        n = n > in->len - at ? in->len - at : n;
        ws_peer_feed(p, in->ptr + at, n);
        at += n;
        n = step;
    }
}

unsigned ws_peer_feed_many(struct ws_peer *p, const char *frame, size_t size, size_t count)
{
    for (size_t i = 0; i < count && p->failed_with == 0; i++) {
        ws_peer_feed(p, (const unsigned char *)frame, size);
    }
    return p->failed_with;
}
