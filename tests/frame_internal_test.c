/* The frame parser, the serialiser and the assembler.
 *
 * An echo peer is built on them here, without sockets, and gets the rows of
 * ws_rows.h: whole, byte by byte, chopped and split once at each offset, as a
 * server and as a client. Every piece lies in a block of exactly its size, so
 * that a sanitizer sees one byte too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/alloc.h>
#include <gust/errors.h>

#include "websocket/frame_internal.h"
#include "websocket/mask_internal.h"
#include "ws_rows.h"

/* --- bytes that grow --- */

struct bytes {
    unsigned char *ptr;
    size_t len, cap;
};

static unsigned char *bytes_room(struct bytes *b, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = 2 * b->cap + n;
        b->ptr = realloc(b->ptr, b->cap);
        assert_non_null(b->ptr);
    }
    return b->ptr + b->len;
}

static void bytes_add(struct bytes *b, const void *data, size_t n)
{
    if (n > 0) {
        memcpy(bytes_room(b, n), data, n);
        b->len += n;
    }
}

static void bytes_add_frame(struct bytes *b, const struct ws_frame *f, bool to_server)
{
    b->len += ws_encode(f, to_server, bytes_room(b, ws_frame_size(f)));
}

static void bytes_add_close(struct bytes *b, unsigned code, bool to_server)
{
    char text[2] = {(char)(code >> 8), (char)(code & 0xff)};
    struct ws_frame f = {0x88, text, code == WS_EMPTY ? 0 : 2, 0, 0, WS_PLAIN};

    bytes_add_frame(b, &f, to_server);
}

static bool bytes_eq(const struct bytes *a, const struct bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

/* --- the echo peer --- */

struct peer {
    enum gust__ws_role role;
    const struct gust__ws_limits *limits;
    struct gust__ws_parser parser;
    gust__ws_assembler *assembler;
    struct bytes pending; /* what the parser did not take yet */
    struct bytes out;     /* what it sends back */
    struct bytes log;     /* what happened: the same for every cut of the input */
    size_t message_log;   /* where the open message's log begins */
    size_t fed;           /* bytes of input so far */
    size_t failed_at;     /* of them when FAIL came, else 0 */
    unsigned failed_with;
    unsigned reported; /* the Close code that an application would be told */
    char reason[GUST__WS_CONTROL_MAX + 1];
    int error; /* of the assembler */
};

static void peer_init(struct peer *p, enum gust__ws_role role, const struct gust__ws_limits *limits)
{
    memset(p, 0, sizeof(*p));
    p->role = role;
    p->limits = limits;
    gust__ws_parser_init(&p->parser, role);
}

static void peer_deinit(struct peer *p)
{
    gust__ws_assembler_free(&p->assembler);
    free(p->pending.ptr);
    free(p->out.ptr);
    free(p->log.ptr);
}

/* Send a frame, with the mask that ws_encode() uses where one is due. */
static void peer_send(struct peer *p, enum gust_websocket_opcode opcode, gust_str payload)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    char header[GUST__WS_HEADER_MAX];
    uint32_t mask;
    char *copy;

    memcpy(&mask, key, 4);
    bytes_add(&p->out, header,
              gust__ws_frame_header(header, opcode, true, false, payload.len,
                                    p->role == GUST__WS_CLIENT ? &mask : NULL));
    copy = (char *)bytes_room(&p->out, payload.len + 1);
    gust__ws_mask_copy(copy, payload.ptr, payload.len, p->role == GUST__WS_CLIENT ? mask : 0, 0);
    p->out.len += payload.len;
}

static void peer_send_close(struct peer *p, int code)
{
    char payload[GUST__WS_CONTROL_MAX];
    size_t len;

    assert_int_equal(gust__ws_close_payload(payload, code, GUST_STR(""), &len), 0);
    peer_send(p, GUST_WEBSOCKET_CLOSE, gust_str_make(payload, len));
}

static void peer_log(struct peer *p, const char *what)
{
    bytes_add(&p->log, what, strlen(what));
}

static void peer_on_data(struct peer *p, const struct gust__ws_event *ev)
{
    gust_str message;
    int rc;

    if (ev->flags & GUST__WS_MESSAGE_START) {
        p->message_log = p->log.len;
        peer_log(p, ev->opcode == GUST_WEBSOCKET_TEXT ? "\ntext" : "\nbinary");
        peer_log(p, ev->flags & GUST__WS_COMPRESSED ? " compressed" : "");
    }
    peer_log(p, ev->flags & GUST__WS_FRAME_START ? "[" : "");
    bytes_add(&p->log, ev->data.ptr, ev->data.len);
    peer_log(p, ev->flags & GUST__WS_FRAME_END ? "]" : "");
    assert_int_equal(ev->frame_left == 0, (ev->flags & GUST__WS_FRAME_END) != 0);
    rc = gust__ws_assemble(&p->assembler, ev, &message);
    if (rc < 0) {
        p->error = rc;
    }
    assert_int_equal(rc == 1, rc >= 0 && (ev->flags & GUST__WS_MESSAGE_END) != 0);
    if (rc == 1) {
        peer_send(p, (enum gust_websocket_opcode)ev->opcode, message);
        gust__ws_assembler_trim(&p->assembler);
    }
}

static void peer_on_control(struct peer *p, const struct gust__ws_event *ev)
{
    char text[32];

    snprintf(text, sizeof(text), "\ncontrol %d %d ", ev->opcode, ev->code);
    peer_log(p, text);
    bytes_add(&p->log, ev->data.ptr, ev->data.len);
    if (ev->opcode == GUST_WEBSOCKET_PING) {
        peer_send(p, GUST_WEBSOCKET_PONG, ev->data);
    } else if (ev->opcode == GUST_WEBSOCKET_CLOSE) {
        p->reported = ev->code;
        memcpy(p->reason, ev->data.ptr, ev->data.len);
        peer_send_close(p, ev->code);
    }
}

static void peer_on_fail(struct peer *p, const struct gust__ws_event *ev)
{
    char text[64];

    if (p->parser.open) {
        p->log.len = p->message_log; /* how much of it came out is a matter of the cut */
    }
    snprintf(text, sizeof(text), "\nfail %d %s", ev->code, ev->reason);
    peer_log(p, text);
    p->failed_at = p->fed;
    p->failed_with = ev->code;
    p->reported = ev->code;
    peer_send_close(p, ev->code);
}

static void peer_on_event(struct peer *p, const struct gust__ws_event *ev)
{
    switch (ev->kind) {
    case GUST__WS_DATA: peer_on_data(p, ev); break;
    case GUST__WS_CONTROL: peer_on_control(p, ev); break;
    case GUST__WS_FAIL: peer_on_fail(p, ev); break;
    case GUST__WS_NEED_MORE: break;
    }
}

/* Give it a piece, behind what it has left over. */
static void peer_feed(struct peer *p, const unsigned char *data, size_t len)
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
    bytes_add(&p->pending, exact + at, size - at);
    assert_true(p->pending.len <= 14 + GUST__WS_CONTROL_MAX);
    free(exact);
}

/* Feed all of `in`: `first` bytes, then `step` at a time. */
static void peer_feed_cut(struct peer *p, const struct bytes *in, size_t first, size_t step)
{
    size_t at = 0, n = first;

    while (at < in->len) {
        n = n > in->len - at ? in->len - at : n;
        peer_feed(p, in->ptr + at, n);
        at += n;
        n = step;
    }
}

/* --- rows --- */

struct script {
    const char *name;
    struct bytes in;      /* what is sent */
    struct bytes want;    /* what comes back */
    size_t last_frame_at; /* in `in` */
};

static void script_deinit(struct script *s)
{
    free(s->in.ptr);
    free(s->want.ptr);
}

static void script_from_row(struct script *s, const struct ws_row *row, enum gust__ws_role role)
{
    const struct ws_frame *ending = ws_row_ending(row);
    bool to_server = role == GUST__WS_SERVER;

    *s = (struct script){.name = row->name};
    for (size_t i = 0; i < ws_frame_count(row->send); i++) {
        s->last_frame_at = s->in.len;
        bytes_add_frame(&s->in, &row->send[i], to_server);
    }
    for (size_t i = 0; i < ws_frame_count(row->expect); i++) {
        bytes_add_frame(&s->want, &row->expect[i], !to_server);
    }
    if (ending != NULL) {
        bytes_add_frame(&s->in, ending, to_server);
    }
    bytes_add_close(&s->want, row->close == WS_STILL_OPEN ? 1000 : row->close, !to_server);
}

struct outcome {
    struct bytes log;
    size_t failed_at;
};

/* Run a script in one cut and check the answer. The caller frees the log. */
static struct outcome run(const struct script *s, enum gust__ws_role role,
                          const struct gust__ws_limits *limits, size_t first, size_t step)
{
    struct outcome outcome;
    struct peer p;

    peer_init(&p, role, limits);
    peer_feed_cut(&p, &s->in, first, step);
    if (!bytes_eq(&p.out, &s->want)) {
        fail_msg("%s, role %d, cut %zu %zu: other answer", s->name, (int)role, first, step);
    }
    outcome = (struct outcome){.log = p.log, .failed_at = p.failed_at};
    p.log = (struct bytes){0};
    peer_deinit(&p);
    return outcome;
}

static void run_like(const struct script *s, enum gust__ws_role role,
                     const struct gust__ws_limits *limits, size_t first, size_t step,
                     const struct outcome *whole)
{
    struct outcome cut = run(s, role, limits, first, step);

    if (!bytes_eq(&cut.log, &whole->log)) {
        fail_msg("%s, role %d, cut %zu %zu: other events", s->name, (int)role, first, step);
    }
    free(cut.log.ptr);
}

/* Whole, bytewise, in three odd sizes, and split at each offset (of a long
 * input: at both ends and here and there). Returns where bytewise failed. */
static size_t run_all_cuts(const struct script *s, enum gust__ws_role role,
                           const struct gust__ws_limits *limits)
{
    static const size_t steps[] = {2, 13, 997};
    struct outcome whole = run(s, role, limits, s->in.len, s->in.len);
    struct outcome bytewise = run(s, role, limits, 1, 1);

    assert_true(bytes_eq(&whole.log, &bytewise.log));
    for (size_t i = 0; i < WS_COUNT(steps); i++) {
        run_like(s, role, limits, steps[i], steps[i], &whole);
    }
    for (size_t at = 1; at < s->in.len; at++) {
        bool is_end = at < 300 || s->in.len - at < 300;
        if (is_end || at % 9973 == 0) {
            run_like(s, role, limits, at, s->in.len, &whole);
        }
    }
    free(whole.log.ptr);
    free(bytewise.log.ptr);
    return bytewise.failed_at;
}

static void check_row(const struct ws_row *row, enum gust__ws_role role)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct script s;
    size_t failed_at;

    if (row->max_message != 0) {
        limits.max_message_size = row->max_message;
    }
    script_from_row(&s, row, role);
    failed_at = run_all_cuts(&s, role, &limits);
    if (row->fail_at != 0 && failed_at != s.last_frame_at + row->fail_at) {
        fail_msg("%s, role %d: failed after %zu bytes, not %zu", row->name, (int)role, failed_at,
                 s.last_frame_at + row->fail_at);
    }
    script_deinit(&s);
}

static void test_rows_to_server__answered_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_rows); i++) {
        check_row(&ws_rows[i], GUST__WS_SERVER);
    }
}

static void test_rows_to_client__answered_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_rows); i++) {
        check_row(&ws_rows[i], GUST__WS_CLIENT);
    }
}

/* --- text --- */

static void script_end(struct script *s, int bad_at, struct ws_frame echo)
{
    static const struct ws_frame ending = WS_CLOSE("\x03\xe8");

    if (bad_at == WS_VALID) {
        bytes_add_frame(&s->want, &echo, false);
        bytes_add_frame(&s->in, &ending, true);
    }
    bytes_add_close(&s->want, bad_at == WS_VALID ? 1000 : 1007, false);
}

/* The text in fragments of `size` bytes, the first one of `first`. */
static struct script script_of_text(const struct ws_text_row *row, size_t first, size_t size)
{
    struct script s = {.name = row->name};
    size_t at = 0, n = first;

    do {
        struct ws_frame f = {0, row->bytes + at, 0, 0, 0, WS_PLAIN};
        f.text_len = n > row->len - at ? row->len - at : n;
        f.first = (s.in.len == 0 ? 0x01u : 0x00u) | (at + f.text_len == row->len ? 0x80u : 0);
        bytes_add_frame(&s.in, &f, true);
        at += f.text_len;
        n = size;
    } while (at < row->len);
    script_end(&s, row->bad_at, (struct ws_frame){0x81, row->bytes, row->len, 0, 0, WS_PLAIN});
    return s;
}

/* In one frame that comes byte by byte, the bad byte must be the last one that
 * was looked at. */
static void check_text_in_one_frame(const struct ws_text_row *row)
{
    struct script s = script_of_text(row, row->len, row->len);
    size_t header = row->len > 125 ? 8 : 6, failed_at;

    failed_at = run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
    if (row->bad_at != WS_VALID) {
        size_t bytes = (size_t)row->bad_at == row->len ? row->len : (size_t)row->bad_at + 1;
        assert_int_equal(failed_at, header + bytes);
    }
    script_deinit(&s);
}

static void test_text__fails_at_first_impossible_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_text_rows); i++) {
        check_text_in_one_frame(&ws_text_rows[i]);
    }
}

static void test_text_in_fragments__judged_across_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_text_rows); i++) {
        const struct ws_text_row *row = &ws_text_rows[i];
        for (size_t first = 0; first <= row->len; first++) {
            struct script s = script_of_text(row, first, first == 1 ? 1 : row->len);
            (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
            script_deinit(&s);
        }
    }
}

static size_t encode_utf8(uint32_t c, char *out)
{
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void check_code_point(uint32_t c)
{
    char bytes[4];
    struct ws_text_row row = {"a code point", bytes, encode_utf8(c, bytes), WS_VALID};
    struct script s = script_of_text(&row, row.len, row.len);

    (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
    script_deinit(&s);
}

/* Autobahn 6.22 and 6.23. */
static void test_text_of_noncharacters__valid(void **state)
{
    (void)state;
    for (uint32_t plane = 0; plane <= 0x10; plane++) {
        check_code_point(plane << 16 | 0xfffe);
        check_code_point(plane << 16 | 0xffff);
    }
    for (uint32_t c = 0xfff9; c <= 0xffff; c++) {
        check_code_point(c);
    }
}

/* --- Close --- */

static void test_close_rows__reply_and_report(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_close_rows); i++) {
        const struct ws_close_row *row = &ws_close_rows[i];
        struct ws_frame f = {0x88, row->payload, row->len, 0, 0, WS_PLAIN};
        struct script s = {.name = "close"};
        struct peer p;

        bytes_add_frame(&s.in, &f, true);
        bytes_add_close(&s.want, row->reply, false);
        (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
        peer_init(&p, GUST__WS_SERVER, &gust__ws_default_limits);
        peer_feed_cut(&p, &s.in, s.in.len, 1);
        assert_int_equal(p.reported, row->reported);
        assert_string_equal(p.reason, row->reason);
        assert_int_equal(p.failed_with, row->reason[0] == '\0' && row->reply == 1002 ? 1002
                                        : row->reply == 1007                         ? 1007
                                                                                     : 0);
        peer_deinit(&p);
        script_deinit(&s);
    }
}

static void test_close_codes__the_same_set_both_ways(void **state)
{
    (void)state;
    for (int code = 0; code <= 0xffff; code++) {
        bool allowed = (code >= 1000 && code < 1004) || (code > 1006 && code < 1015) ||
                       (code >= 3000 && code < 5000);
        char bytes[2] = {(char)(code >> 8), (char)(code & 0xff)}, out[GUST__WS_CONTROL_MAX];
        uint16_t got = 1;
        gust_str reason;
        size_t len = 77;

        assert_int_equal(gust_websocket_close_code_is_sendable(code), allowed);
        assert_int_equal(gust__ws_close_parse(gust_str_make(bytes, 2), &got, &reason),
                         allowed ? 0 : 1002);
        assert_int_equal(got, allowed ? code : 1);
        if (code != WS_EMPTY) {
            assert_int_equal(gust__ws_close_payload(out, code, GUST_STR(""), &len),
                             allowed ? 0 : -EINVAL);
            assert_int_equal(len, allowed ? 2 : 77);
        }
    }
    assert_false(gust_websocket_close_code_is_sendable(-1));
    assert_false(gust_websocket_close_code_is_sendable(0x10000 + 1000));
}

static void test_close_payload__limits_of_the_reason(void **state)
{
    char reason[124], out[GUST__WS_CONTROL_MAX];
    size_t len = 77;

    (void)state;
    memset(reason, 'r', sizeof(reason));
    assert_int_equal(gust__ws_close_payload(out, 1001, gust_str_make(reason, 123), &len), 0);
    assert_int_equal(len, 125);
    assert_memory_equal(out, "\x03\xe9rrr", 5);
    assert_int_equal(gust__ws_close_payload(out, 1001, gust_str_make(reason, 124), &len), -EINVAL);
    assert_int_equal(gust__ws_close_payload(out, 1001, GUST_STR("\xff"), &len), GUST_EUTF8);
    assert_int_equal(gust__ws_close_payload(out, 1001, GUST_STR("\xc3"), &len), GUST_EUTF8);
    assert_int_equal(gust__ws_close_payload(out, WS_EMPTY, GUST_STR("why"), &len), -EINVAL);
    assert_int_equal(len, 125);
    assert_int_equal(gust__ws_close_payload(out, WS_EMPTY, GUST_STR(""), &len), 0);
    assert_int_equal(len, 0);
}

/* --- headers --- */

static void test_frame_header__shortest_form(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537};
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *want = malloc(14 + 65537);
    uint32_t mask;

    (void)state;
    assert_non_null(want);
    memcpy(&mask, key, 4);
    for (size_t i = 0; i < WS_COUNT(sizes); i++) {
        struct ws_frame f = WS_FILL(0xc2, 'x', 0);
        char got[GUST__WS_HEADER_MAX];
        size_t n;

        f.fills = sizes[i];
        n = gust__ws_frame_header(got, GUST_WEBSOCKET_BINARY, true, true, sizes[i], NULL);
        assert_int_equal(ws_encode(&f, false, want), n + sizes[i]);
        assert_memory_equal(got, want, n);
        n = gust__ws_frame_header(got, GUST_WEBSOCKET_BINARY, true, true, sizes[i], &mask);
        assert_int_equal(ws_encode(&f, true, want), n + sizes[i]);
        assert_memory_equal(got, want, n);
    }
    free(want);
}

static void test_frame_header__opcodes_and_huge_length(void **state)
{
    char out[GUST__WS_HEADER_MAX];

    (void)state;
    assert_int_equal(gust__ws_frame_header(out, GUST_WEBSOCKET_CONTINUATION, false, false, 3, NULL),
                     2);
    assert_memory_equal(out, "\x00\x03", 2);
    assert_int_equal(gust__ws_frame_header(out, GUST_WEBSOCKET_PONG, true, false, 0, NULL), 2);
    assert_memory_equal(out, "\x8a\x00", 2);
    assert_int_equal(
        gust__ws_frame_header(out, GUST_WEBSOCKET_TEXT, false, false, 0x0123456789abcdef, NULL),
        10);
    assert_memory_equal(out, "\x01\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10);
}

/* --- lengths against limits --- */

/* What the rules say of a length in a form, written as they are. */
static unsigned verdict(uint64_t len, size_t extra, uint64_t limit)
{
    if (extra == 8 && len >= UINT64_C(1) << 63) {
        return 1002;
    }
    if ((extra == 8 && len < 65536) || (extra == 2 && len < 126)) {
        return 1002;
    }
    return len > limit ? 1009 : 0;
}

static size_t put_header(unsigned char *out, size_t extra, uint64_t len)
{
    out[0] = 0x82;
    out[1] = (unsigned char)(extra == 8 ? 127 : extra == 2 ? 126 : len);
    for (size_t i = 0; i < extra; i++) {
        out[2 + i] = (unsigned char)(len >> (8 * (extra - 1 - i)) & 0xff);
    }
    return 2 + extra;
}

static void check_length(uint64_t len, size_t extra, uint64_t limit)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    unsigned char header[GUST__WS_HEADER_MAX];
    size_t size = put_header(header, extra, len);

    limits.max_message_size = limit;
    for (size_t step = 1; step <= size; step++) {
        struct bytes in = {header, size, size};
        struct peer p;
        peer_init(&p, GUST__WS_CLIENT, &limits);
        peer_feed_cut(&p, &in, step, step);
        assert_int_equal(p.failed_with, verdict(len, extra, limit));
        assert_null(p.assembler); /* nothing is allocated for what is only announced */
        peer_deinit(&p);
    }
}

static void test_lengths__against_limits(void **state)
{
    static const uint64_t lens[] = {0,
                                    1,
                                    125,
                                    126,
                                    127,
                                    128,
                                    65535,
                                    65536,
                                    0x7fffffff,
                                    0x80000000,
                                    0x80000001,
                                    0xffffffff,
                                    0x100000000,
                                    0x100000001,
                                    0x7fffffffffffffff,
                                    0x8000000000000000,
                                    0xffffffffffffffff};

    (void)state;
    for (size_t i = 0; i < WS_COUNT(lens); i++) {
        uint64_t len = lens[i];
        uint64_t limits[] = {0, 1, len - 1, len, len + 1, UINT64_MAX};
        for (size_t j = 0; j < WS_COUNT(limits); j++) {
            if (len < 126) {
                check_length(len, 0, limits[j]);
            }
            if (len <= 0xffff) {
                check_length(len, 2, limits[j]);
            }
            check_length(len, 8, limits[j]);
        }
    }
}

/* Two announced lengths whose sum wraps around. */
static void test_lengths__sum_beyond_64_bits(void **state)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char bytes[] = "\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    size_t n;

    (void)state;
    limits.max_message_size = UINT64_C(0x7fffffffffffffff);
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    n = gust__ws_parse(&parser, &limits, bytes, 13, &ev);
    assert_int_equal(n, 3);
    assert_int_equal(ev.kind, GUST__WS_DATA);
    assert_int_equal(gust__ws_parse(&parser, &limits, bytes + 3, 10, &ev), 10);
    assert_int_equal(ev.kind, GUST__WS_FAIL);
    assert_int_equal(ev.code, 1009);
}

/* --- counts --- */

/* Feed `count` copies of a frame as a client would get it; returns the code that
 * it failed with. */
static unsigned feed_many(struct peer *p, const char *frame, size_t size, size_t count)
{
    for (size_t i = 0; i < count && p->failed_with == 0; i++) {
        peer_feed(p, (const unsigned char *)frame, size);
    }
    return p->failed_with;
}

static void test_fragments__limit(void **state)
{
    struct peer p;

    (void)state;
    peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    for (int message = 0; message < 2; message++) { /* the count begins anew */
        assert_int_equal(feed_many(&p, "\x02\x01x", 3, 1), 0);
        assert_int_equal(feed_many(&p, "\x00\x01x", 3, 131072 - 2), 0);
        assert_int_equal(feed_many(&p, "\x80\x01x", 3, 1), 0);
    }
    assert_int_equal(feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(feed_many(&p, "\x00\x01x", 3, 131072 - 1), 0);
    assert_int_equal(feed_many(&p, "\x80\x01x", 3, 1), 1008);
    peer_deinit(&p);
}

static void test_empty_fragments__limit(void **state)
{
    struct peer p;

    (void)state;
    peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(feed_many(&p, "\x82\x00", 2, 2000), 0); /* messages are no fragments */
    assert_int_equal(feed_many(&p, "\x02\x00", 2, 1), 0);
    assert_int_equal(feed_many(&p, "\x00\x00", 2, 1022), 0);
    assert_int_equal(feed_many(&p, "\x80\x00", 2, 1), 0);
    assert_int_equal(feed_many(&p, "\x02\x00", 2, 1), 0);
    assert_int_equal(feed_many(&p, "\x00\x00", 2, 1023), 0);
    assert_null(p.assembler);
    assert_int_equal(feed_many(&p, "\x00\x00", 2, 1), 1008);
    peer_deinit(&p);
}

static void test_control_frames__limit_inside_a_message(void **state)
{
    struct peer p;

    (void)state;
    peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(feed_many(&p, "\x8a\x00", 2, 3000), 0); /* none is open */
    assert_int_equal(feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(feed_many(&p, "\x8a\x00", 2, 1000), 0);
    assert_int_equal(feed_many(&p, "\x80\x01x", 3, 1), 0);
    assert_int_equal(feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(feed_many(&p, "\x8a\x00", 2, 1000), 0);
    assert_int_equal(feed_many(&p, "\x8a\x00", 2, 1), 1008);
    peer_deinit(&p);
}

static void test_counters__stay_at_their_end(void **state)
{
    static const struct gust__ws_limits none = {UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char frame[2];

    (void)state;
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    for (size_t i = 0; i < 0x1000000 + 10; i++) {
        memcpy(frame, i == 0 ? "\x02\x00" : "\x00\x00", 2);
        assert_int_equal(gust__ws_parse(&parser, &none, frame, 2, &ev), 2);
        assert_int_equal(ev.kind, GUST__WS_DATA);
    }
    assert_int_equal(parser.fragments, 0xffffff);
    assert_int_equal(parser.empty_fragments, 0xffff);
    for (size_t i = 0; i < 70000; i++) {
        memcpy(frame, "\x8a\x00", 2);
        assert_int_equal(gust__ws_parse(&parser, &none, frame, 2, &ev), 2);
        assert_int_equal(ev.kind, GUST__WS_CONTROL);
    }
    assert_int_equal(parser.controls, 0xffff);
}

/* --- permessage-deflate's place --- */

static void test_deflate__rsv1_marks_a_message(void **state)
{
    static const char in[] = "\x41\x02\xff\xfe\x89\x00\x80\x01\xfd\x81\x01z";
    struct bytes bytes = {0};
    struct peer p;

    (void)state;
    bytes_add(&bytes, in, sizeof(in) - 1);
    for (size_t step = 1; step <= bytes.len; step++) {
        peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
        p.parser.deflate = 1;
        peer_feed_cut(&p, &bytes, step, step);
        bytes_add(&p.log, "", 1);
        assert_string_equal((char *)p.log.ptr,
                            "\ntext compressed[\xff\xfe]\ncontrol 9 0 [\xfd]\ntext[z]");
        peer_deinit(&p);
    }
    free(bytes.ptr);
}

static void test_deflate__rsv1_elsewhere_fails(void **state)
{
    static const char *const frames[] = {"\xc0\x00", "\xc8\x00", "\xc9\x00", "\xca\x00",
                                         "\xc3\x00"};
    struct peer p;

    (void)state;
    for (size_t i = 0; i < WS_COUNT(frames); i++) {
        peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
        p.parser.deflate = 1;
        assert_int_equal(feed_many(&p, "\x41\x01x", 3, 1), 0);
        assert_int_equal(feed_many(&p, frames[i], 2, 1), 1002);
        peer_deinit(&p);
    }
}

static void test_deflate__wire_limit_has_some_slack(void **state)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct peer p;

    (void)state;
    limits.max_message_size = 1024;
    for (int over = 0; over <= 1; over++) {
        unsigned len = 1024 + 1 + 64 + (unsigned)over;
        unsigned char header[4] = {0xc2, 126, (unsigned char)(len >> 8),
                                   (unsigned char)(len & 0xff)};
        peer_init(&p, GUST__WS_CLIENT, &limits);
        p.parser.deflate = 1;
        peer_feed(&p, header, 4);
        assert_int_equal(p.failed_with, over ? 1009 : 0);
        peer_deinit(&p);
    }
}

/* --- the assembler --- */

/* An allocator that counts, and fails from the n-th allocation on or just once. */
static struct {
    size_t calls, moved, live, peak;
    size_t fail_at; /* 1 is the next; 0 never */
    bool fail_on;   /* and all later ones */
} heap;

static bool heap_refuses(void)
{
    heap.calls++;
    return heap.fail_at != 0 &&
           (heap.calls == heap.fail_at || (heap.fail_on && heap.calls > heap.fail_at));
}

/* Each block begins with its size. */
static void *heap_realloc(void *ptr, size_t size, void *user)
{
    size_t old = 0;
    max_align_t *block;

    (void)user;
    if (heap_refuses()) {
        return NULL;
    }
    if (ptr != NULL) {
        memcpy(&old, (max_align_t *)ptr - 1, sizeof(old));
    }
    block = malloc(sizeof(*block) + size);
    assert_non_null(block);
    memcpy(block, &size, sizeof(size));
    if (ptr != NULL) {
        memcpy(block + 1, ptr, old < size ? old : size);
        free((max_align_t *)ptr - 1);
    }
    heap.moved += old;
    heap.live += size - old;
    heap.peak = heap.live > heap.peak ? heap.live : heap.peak;
    return block + 1;
}

static void *heap_malloc(size_t size, void *user)
{
    return heap_realloc(NULL, size, user);
}

static void heap_free(void *ptr, void *user)
{
    size_t old;

    (void)user;
    if (ptr != NULL) {
        memcpy(&old, (max_align_t *)ptr - 1, sizeof(old));
        heap.live -= old;
        free((max_align_t *)ptr - 1);
    }
}

static void heap_watch(size_t fail_at, bool fail_on)
{
    static const gust_allocator watched = {heap_malloc, heap_realloc, heap_free, NULL};

    memset(&heap, 0, sizeof(heap));
    heap.fail_at = fail_at;
    heap.fail_on = fail_on;
    gust_set_allocator(&watched);
}

static int teardown_heap(void **state)
{
    (void)state;
    gust_set_allocator(NULL);
    return 0;
}

static void test_assembler__one_piece_is_not_copied(void **state)
{
    char in[] = "\x82\x05hello\x82\x03yes";
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    gust__ws_assembler *assembler = NULL;
    gust_str message;
    size_t n;

    (void)state;
    heap_watch(0, false);
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    n = gust__ws_parse(&parser, &gust__ws_default_limits, in, 12, &ev);
    assert_int_equal(n, 7);
    assert_int_equal(ev.flags, GUST__WS_MESSAGE_START | GUST__WS_FRAME_START | GUST__WS_FRAME_END |
                                   GUST__WS_MESSAGE_END);
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 1);
    assert_ptr_equal(message.ptr, in + 2);
    assert_int_equal(message.len, 5);
    gust__ws_assembler_trim(&assembler);
    assert_null(assembler);
    assert_int_equal(heap.calls, 0);
}

/* Autobahn 9.3.1 in small steps: 65,536 fragments of 64 bytes. What is moved
 * while growing stays under the payload's size, in a few dozen steps. */
static void test_assembler__amortised_over_65536_fragments(void **state)
{
    enum { COUNT = 65536, SIZE = 64 };
    struct gust__ws_event ev = {.kind = GUST__WS_DATA, .opcode = GUST_WEBSOCKET_BINARY};
    gust__ws_assembler *assembler = NULL;
    char piece[SIZE];
    gust_str message = {0};

    (void)state;
    heap_watch(0, false);
    for (size_t i = 0; i < COUNT; i++) {
        memset(piece, (int)(i % 251), SIZE);
        ev.data = gust_str_make(piece, SIZE);
        ev.flags = GUST__WS_FRAME_START | GUST__WS_FRAME_END;
        ev.flags |= i == 0 ? GUST__WS_MESSAGE_START : i == COUNT - 1 ? GUST__WS_MESSAGE_END : 0;
        assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), i == COUNT - 1);
    }
    assert_int_equal(message.len, (size_t)COUNT * SIZE);
    for (size_t i = 0; i < message.len; i += 977) {
        assert_int_equal((unsigned char)message.ptr[i], i / SIZE % 251);
    }
    assert_true(heap.calls <= 32);
    assert_true(heap.moved <= 2 * message.len);
    assert_true(heap.peak <= 2 * message.len + 64 * 1024);
    gust__ws_assembler_trim(&assembler);
    assert_null(assembler);
    assert_int_equal(heap.live, 0);
}

/* 131,072 fragments of a byte hold at most twice that, and 64 KiB. */
static void test_assembler__one_byte_fragments_pin_little(void **state)
{
    struct peer p;

    (void)state;
    heap_watch(0, false);
    peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(feed_many(&p, "\x00\x01x", 3, 131071), 0);
    assert_int_equal(feed_many(&p, "\x00\x01x", 3, 1), 1008);
    assert_true(heap.peak <= 2 * 131072 + 64 * 1024);
    peer_deinit(&p);
    assert_int_equal(heap.live, 0);
}

static void test_assembler__announced_length_is_not_believed(void **state)
{
    struct gust__ws_event ev = {.kind = GUST__WS_DATA,
                                .flags = GUST__WS_MESSAGE_START | GUST__WS_FRAME_START,
                                .frame_left = UINT64_C(1) << 62};
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    heap_watch(0, false);
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 0);
    assert_null(assembler); /* a header alone costs nothing */
    ev.flags = 0;
    ev.data = GUST_STR("0123456789");
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 0);
    assert_true(heap.live <= 64 * 1024 + 64);
    gust__ws_assembler_free(&assembler);
    assert_int_equal(heap.live, 0);
    gust__ws_assembler_free(&assembler);
}

static void test_assembler__small_room_is_kept_for_the_next(void **state)
{
    struct gust__ws_event start = {.flags = GUST__WS_MESSAGE_START, .data = GUST_STR("abc")};
    struct gust__ws_event end = {.flags = GUST__WS_MESSAGE_END, .data = GUST_STR("def")};
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    heap_watch(0, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gust__ws_assemble(&assembler, &start, &message), 0);
        assert_int_equal(gust__ws_assemble(&assembler, &end, &message), 1);
        assert_true(gust_str_eq(message, GUST_STR("abcdef")));
        if (i < 2) {
            gust__ws_assembler_trim(&assembler); /* without it the next start empties it too */
        }
        assert_int_equal(heap.calls, 1);
    }
    gust__ws_assembler_free(&assembler);
    assert_int_equal(heap.live, 0);
}

/* A conversation in which messages are assembled in several sizes. */
static int converse(size_t *out_answers)
{
    static const struct ws_frame frames[] = {
        WS_FILL(0x02, 'a', 100),  WS_FILL(0x00, 'b', 1000),   WS_PING("between"),
        WS_FILL(0x80, 'c', 9000), WS_FILL(0x82, 'd', 200000), WS_TEXT("short"),
    };
    struct bytes in = {0};
    struct peer p;
    int error;

    for (size_t i = 0; i < WS_COUNT(frames); i++) {
        bytes_add_frame(&in, &frames[i], true);
    }
    peer_init(&p, GUST__WS_SERVER, &gust__ws_default_limits);
    for (size_t at = 0; at < in.len && p.error == 0; at += 1500) {
        peer_feed(&p, in.ptr + at, in.len - at < 1500 ? in.len - at : 1500);
    }
    error = p.error;
    *out_answers = p.out.len;
    peer_deinit(&p);
    free(in.ptr);
    return error;
}

static void test_assembler__each_allocation_failing(void **state)
{
    size_t answers, all, calls;

    (void)state;
    heap_watch(0, false);
    assert_int_equal(converse(&all), 0);
    calls = heap.calls;
    assert_true(calls >= 4);
    for (size_t n = 1; n <= calls; n++) {
        for (int on = 0; on <= 1; on++) {
            heap_watch(n, on != 0);
            assert_int_equal(converse(&answers), -ENOMEM);
            assert_true(answers < all);
            assert_int_equal(heap.live, 0);
        }
    }
    heap_watch(0, false);
    assert_int_equal(converse(&answers), 0); /* the next one is served */
    assert_int_equal(answers, all);
}

/* --- after the end --- */

static void test_parser__takes_and_ignores_all_after_the_end(void **state)
{
    static const char *const ends[] = {"\x88\x00", "\x83\x00"};
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char bytes[] = "\x82\x01x";

    (void)state;
    for (size_t i = 0; i < WS_COUNT(ends); i++) {
        char end[2];
        memcpy(end, ends[i], 2);
        gust__ws_parser_init(&parser, GUST__WS_CLIENT);
        assert_int_equal(gust__ws_parse(&parser, &gust__ws_default_limits, end, 2, &ev), 2);
        assert_int_not_equal(ev.kind, GUST__WS_NEED_MORE);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(gust__ws_parse(&parser, &gust__ws_default_limits, bytes, 3, &ev), 3);
            assert_int_equal(ev.kind, GUST__WS_NEED_MORE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_to_server__answered_as_listed),
        cmocka_unit_test(test_rows_to_client__answered_as_listed),
        cmocka_unit_test(test_text__fails_at_first_impossible_byte),
        cmocka_unit_test(test_text_in_fragments__judged_across_them),
        cmocka_unit_test(test_text_of_noncharacters__valid),
        cmocka_unit_test(test_close_rows__reply_and_report),
        cmocka_unit_test(test_close_codes__the_same_set_both_ways),
        cmocka_unit_test(test_close_payload__limits_of_the_reason),
        cmocka_unit_test(test_frame_header__shortest_form),
        cmocka_unit_test(test_frame_header__opcodes_and_huge_length),
        cmocka_unit_test(test_lengths__against_limits),
        cmocka_unit_test(test_lengths__sum_beyond_64_bits),
        cmocka_unit_test(test_fragments__limit),
        cmocka_unit_test(test_empty_fragments__limit),
        cmocka_unit_test(test_control_frames__limit_inside_a_message),
        cmocka_unit_test(test_counters__stay_at_their_end),
        cmocka_unit_test(test_deflate__rsv1_marks_a_message),
        cmocka_unit_test(test_deflate__rsv1_elsewhere_fails),
        cmocka_unit_test(test_deflate__wire_limit_has_some_slack),
        cmocka_unit_test_teardown(test_assembler__one_piece_is_not_copied, teardown_heap),
        cmocka_unit_test_teardown(test_assembler__amortised_over_65536_fragments, teardown_heap),
        cmocka_unit_test_teardown(test_assembler__one_byte_fragments_pin_little, teardown_heap),
        cmocka_unit_test_teardown(test_assembler__announced_length_is_not_believed, teardown_heap),
        cmocka_unit_test_teardown(test_assembler__small_room_is_kept_for_the_next, teardown_heap),
        cmocka_unit_test_teardown(test_assembler__each_allocation_failing, teardown_heap),
        cmocka_unit_test(test_parser__takes_and_ignores_all_after_the_end),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
