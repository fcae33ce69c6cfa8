/* The frame parser, its inverse, and the assembler of messages.
 *
 *              header of a data frame            last byte of it, FIN = 0
 *   [idle] ------------------------> [in_frame] ------------------> [open]
 *      ^                                |   ^                         |
 *      |     last byte of it, FIN = 1   |   |  header, opcode 0       |
 *      +--------------------------------+   +-------------------------+
 *
 * Control frames come in [idle] and [open] and change neither. A fault, or a
 * Close, leads to [ended] from everywhere.
 *
 * A header is judged in the order of the bytes that each check needs, and
 * judging stops at the first check whose bytes are not there yet. So what a
 * prefix of the input brings out never depends on how the input is cut, and
 * nothing waits for bytes that can't change the verdict. A header that is not
 * whole is judged again on the next call; that costs a few comparisons and saves
 * storing it. */
#include "websocket/frame_internal.h"

#include <gust/errors.h>
#include <gust/limits.h>

#include "util/alloc_internal.h"
#include "util/check_internal.h"
#include "websocket/mask_internal.h"

_Static_assert(sizeof(struct gust__ws_parser) == 32, "an idle connection pays for this");

enum {
    FRAGMENTS_MAX = 0xffffff,
    ASSEMBLER_RESERVE = 64 * 1024, /* the most that is believed of an announced length */
    ASSEMBLER_MIN = 256,
    ASSEMBLER_KEEP = 4 * 1024
};

const struct gust__ws_limits gust__ws_default_limits = {
    .max_message_size = GUST_DEFAULT_WS_MAX_MESSAGE_SIZE,
    .max_fragments = GUST_DEFAULT_WS_MAX_FRAGMENTS,
    .max_empty_fragments = GUST_DEFAULT_WS_MAX_EMPTY_FRAGMENTS,
    .max_controls = GUST_DEFAULT_WS_MAX_CONTROLS,
};

/* What a connection is failed with. */
struct fault {
    uint16_t code;
    const char *reason;
};

static const struct fault reserved_bit = {1002, "reserved bit set"};
static const struct fault unknown_opcode = {1002, "unknown opcode"};
static const struct fault control_fragmented = {1002, "fragmented control frame"};
static const struct fault control_too_long = {1002, "control frame too long"};
static const struct fault not_masked = {1002, "frame not masked"};
static const struct fault masked = {1002, "frame masked"};
static const struct fault nothing_to_continue = {1002, "no message to continue"};
static const struct fault message_unfinished = {1002, "message not finished"};
static const struct fault length_not_minimal = {1002, "length not minimal"};
static const struct fault length_top_bit = {1002, "length out of range"};
static const struct fault bad_close = {1002, "invalid close frame"};
static const struct fault bad_text = {1007, "invalid UTF-8"};
static const struct fault too_big = {1009, "message too big"};
static const struct fault too_many_fragments = {1008, "too many fragments"};
static const struct fault too_many_controls = {1008, "too many control frames"};

/* A frame's header as far as it is read. */
struct header {
    uint8_t opcode;
    bool fin, rsv1;
    uint8_t len7;
    size_t extra;      /* bytes of length behind the first two: 0, 2 or 8 */
    size_t size;       /* of the whole header */
    uint64_t len, max; /* the payload is at least, and at most, this long; equal
                          once the length is all there */
};

static void check(const struct gust__ws_parser *p)
{
    GUST_ASSERT(p->remaining == 0 || p->in_frame); /* 1 */
    GUST_ASSERT(!p->in_frame || p->open);          /* 2 */
    GUST_ASSERT(p->remaining <= p->message_bytes); /* 3 */
    (void)p;
}

static bool is_control(uint8_t opcode)
{
    return (opcode & 8) != 0;
}

static bool is_known(uint8_t opcode)
{
    return (opcode & 7) <= 2;
}

void gust__ws_parser_init(struct gust__ws_parser *p, enum gust__ws_role role)
{
    memset(p, 0, sizeof(*p));
    p->client = role == GUST__WS_CLIENT;
}

/* The one way out for all that is forbidden: nothing behind it is looked at. */
static size_t fail(struct gust__ws_parser *p, const struct fault *fault, size_t len,
                   struct gust__ws_event *ev)
{
    p->ended = 1;
    *ev = (struct gust__ws_event){
        .kind = GUST__WS_FAIL, .code = fault->code, .reason = fault->reason};
    return len;
}

static size_t need_more(size_t taken, struct gust__ws_event *ev)
{
    *ev = (struct gust__ws_event){.kind = GUST__WS_NEED_MORE};
    return taken;
}

/* What the first byte decides. */
static const struct fault *check_first(const struct gust__ws_parser *p, unsigned char byte,
                                       struct header *h)
{
    h->opcode = byte & 0xf;
    h->fin = (byte & 0x80) != 0;
    h->rsv1 = (byte & 0x40) != 0;
    if ((byte & 0x30) != 0) {
        return &reserved_bit;
    }
    if (h->rsv1 && (!p->deflate || h->opcode == 0 || h->opcode > 2)) {
        return &reserved_bit;
    }
    if (!is_known(h->opcode)) {
        return &unknown_opcode;
    }
    if (is_control(h->opcode)) {
        return h->fin ? NULL : &control_fragmented;
    }
    if (h->opcode == GUST_WEBSOCKET_CONTINUATION) {
        return p->open ? NULL : &nothing_to_continue;
    }
    return p->open ? &message_unfinished : NULL;
}

/* What the second byte decides. */
static const struct fault *check_second(const struct gust__ws_parser *p, unsigned char byte,
                                        struct header *h)
{
    bool has_mask = (byte & 0x80) != 0;

    h->len7 = byte & 0x7f;
    h->extra = h->len7 < 126 ? 0 : h->len7 == 126 ? 2 : 8;
    h->size = 2 + h->extra + (has_mask ? 4 : 0);
    if (is_control(h->opcode) && h->len7 > GUST__WS_CONTROL_MAX) {
        return &control_too_long;
    }
    if (has_mask == p->client) {
        return has_mask ? &masked : &not_masked;
    }
    return NULL;
}

/* Read the length field, of which `have` bytes are there: bytes still to come
 * may be anything from 00 to FF. */
static void read_length(struct header *h, const unsigned char *bytes, size_t have)
{
    h->len = h->max = h->len7;
    if (h->extra == 0) {
        return;
    }
    h->len = h->max = 0;
    for (size_t i = 0; i < h->extra; i++) {
        h->len = h->len << 8 | (i < have ? bytes[i] : 0);
        h->max = h->max << 8 | (i < have ? bytes[i] : 0xff);
    }
}

/* Payload bytes that the message may still have. What is compressed is limited
 * by what it inflates to; on the wire it can be a little longer than that, as
 * stored blocks are. */
static uint64_t room(const struct gust__ws_parser *p, const struct gust__ws_limits *limits,
                     const struct header *h)
{
    bool first = h->opcode != GUST_WEBSOCKET_CONTINUATION;
    bool compressed = first ? h->rsv1 : p->compressed;
    uint64_t have = first ? 0 : p->message_bytes;
    uint64_t max = limits->max_message_size;

    if (compressed) {
        uint64_t slack = max / 1024 + 64;
        max = max > UINT64_MAX - slack ? UINT64_MAX : max + slack;
    }
    return max > have ? max - have : 0;
}

static const struct fault *check_length(const struct gust__ws_parser *p,
                                        const struct gust__ws_limits *limits,
                                        const struct header *h)
{
    if (h->len >> 63 != 0) {
        return &length_top_bit;
    }
    if ((h->extra == 2 && h->max < 126) || (h->extra == 8 && h->max <= 0xffff)) {
        return &length_not_minimal;
    }
    if (!is_control(h->opcode) && h->len > room(p, limits, h)) {
        return &too_big;
    }
    return NULL;
}

/* A frame that is a message by itself is no fragment. */
static const struct fault *check_counts(const struct gust__ws_parser *p,
                                        const struct gust__ws_limits *limits,
                                        const struct header *h)
{
    bool first = h->opcode != GUST_WEBSOCKET_CONTINUATION;

    if (is_control(h->opcode)) {
        return p->open && p->controls >= limits->max_controls ? &too_many_controls : NULL;
    }
    if (first && h->fin) {
        return NULL;
    }
    if ((first ? 0 : p->fragments) >= limits->max_fragments ||
        (h->len == 0 && (first ? 0 : p->empty_fragments) >= limits->max_empty_fragments)) {
        return &too_many_fragments;
    }
    return NULL;
}

/* Judge a header. NULL is no objection so far; *whole tells whether all of its
 * bytes were there. */
static const struct fault *read_header(const struct gust__ws_parser *p,
                                       const struct gust__ws_limits *limits, const char *data,
                                       size_t len, struct header *h, bool *whole)
{
    const unsigned char *bytes = (const unsigned char *)data;
    const struct fault *fault = check_first(p, bytes[0], h);

    *whole = false;
    if (fault != NULL || len < 2) {
        return fault;
    }
    fault = check_second(p, bytes[1], h);
    if (fault != NULL) {
        return fault;
    }
    read_length(h, bytes + 2, len - 2);
    fault = check_length(p, limits, h);
    if (fault != NULL || len - 2 < h->extra) {
        return fault;
    }
    *whole = len >= h->size;
    return check_counts(p, limits, h);
}

static uint32_t read_mask(const struct gust__ws_parser *p, const struct header *h, const char *data)
{
    uint32_t mask = 0;

    if (!p->client) {
        memcpy(&mask, data + h->size - 4, 4);
    }
    return mask;
}

/* A counter that stays at its end. */
static uint16_t add_one(uint16_t counter)
{
    return counter == UINT16_MAX ? counter : (uint16_t)(counter + 1u);
}

static void begin_message(struct gust__ws_parser *p, const struct header *h)
{
    p->open = 1;
    p->text = h->opcode == GUST_WEBSOCKET_TEXT;
    p->compressed = h->rsv1;
    p->message_bytes = 0;
    p->fragments = 0;
    p->empty_fragments = 0;
    p->controls = 0;
    p->utf8 = (gust_utf8){0};
}

static void begin_frame(struct gust__ws_parser *p, const struct header *h, const char *data)
{
    p->in_frame = 1;
    p->fin = h->fin;
    p->mask = read_mask(p, h, data);
    p->remaining = h->len;
    p->message_bytes += h->len;
    if (p->fragments < FRAGMENTS_MAX) {
        p->fragments = (p->fragments + 1u) & FRAGMENTS_MAX;
    }
    if (h->len == 0) {
        p->empty_fragments = add_one(p->empty_fragments);
    }
}

/* Unmask `len` bytes of payload. Returns false where they are no text and should
 * be. ASCII, which is most text, is seen while unmasking; the validator runs
 * over the rest. */
static bool unmask(struct gust__ws_parser *p, char *data, size_t len)
{
    uint32_t mask = p->mask;

    p->mask = gust__ws_mask_rotate(mask, len);
    if (!p->text || p->compressed) {
        gust__ws_mask(data, len, mask, 0);
        return true;
    }
    if (mask != 0 && gust__ws_mask_text(data, len, mask, 0) && gust_utf8_is_complete(&p->utf8)) {
        return true;
    }
    return gust_utf8_feed(&p->utf8, gust_str_make(data, len));
}

/* The frame's last byte is taken. Returns the flags that this adds, or 0 where
 * the message ends inside a character. */
static unsigned end_frame(struct gust__ws_parser *p)
{
    p->in_frame = 0;
    if (!p->fin) {
        return GUST__WS_FRAME_END;
    }
    if (p->text && !p->compressed && !gust_utf8_is_complete(&p->utf8)) {
        return 0;
    }
    p->open = 0;
    return GUST__WS_FRAME_END | GUST__WS_MESSAGE_END;
}

/* Take what there is of the current frame's payload. `flags` are those that its
 * header has earned. */
static size_t take_payload(struct gust__ws_parser *p, unsigned flags, char *data, size_t len,
                           struct gust__ws_event *ev)
{
    size_t n = p->remaining < len ? (size_t)p->remaining : len;

    if (n > 0 && !unmask(p, data, n)) {
        return fail(p, &bad_text, len, ev);
    }
    p->remaining -= n;
    flags |= p->compressed ? GUST__WS_COMPRESSED : 0;
    *ev = (struct gust__ws_event){.kind = GUST__WS_DATA,
                                  .opcode = p->text ? GUST_WEBSOCKET_TEXT : GUST_WEBSOCKET_BINARY,
                                  .data = gust_str_make(data, n),
                                  .frame_left = p->remaining};
    if (p->remaining == 0) {
        unsigned ends = end_frame(p);
        if (ends == 0) {
            return fail(p, &bad_text, len, ev);
        }
        flags |= ends;
    }
    ev->flags = (uint8_t)flags;
    return n;
}

static size_t take_data_frame(struct gust__ws_parser *p, const struct header *h, char *data,
                              size_t len, struct gust__ws_event *ev)
{
    unsigned flags = GUST__WS_FRAME_START;
    size_t n;

    if (h->opcode != GUST_WEBSOCKET_CONTINUATION) {
        begin_message(p, h);
        flags |= GUST__WS_MESSAGE_START;
    }
    begin_frame(p, h, data);
    n = take_payload(p, flags, data + h->size, len - h->size, ev);
    return h->size + n;
}

/* A control frame is taken whole or not at all. */
static size_t take_control(struct gust__ws_parser *p, const struct header *h, char *data,
                           size_t len, struct gust__ws_event *ev)
{
    gust_str payload = gust_str_make(data + h->size, (size_t)h->len);

    if (len - h->size < payload.len) {
        return need_more(0, ev);
    }
    gust__ws_mask(data + h->size, payload.len, read_mask(p, h, data), 0);
    p->controls = add_one(p->controls);
    *ev = (struct gust__ws_event){.kind = GUST__WS_CONTROL, .opcode = h->opcode, .data = payload};
    if (h->opcode == GUST_WEBSOCKET_CLOSE) {
        int code = gust__ws_close_parse(payload, &ev->code, &ev->data);
        if (code != 0) {
            return fail(p, code == bad_text.code ? &bad_text : &bad_close, len, ev);
        }
        p->ended = 1;
    }
    return h->size + payload.len;
}

size_t gust__ws_parse(struct gust__ws_parser *p, const struct gust__ws_limits *limits, char *data,
                      size_t len, struct gust__ws_event *ev)
{
    const struct fault *fault;
    struct header h;
    size_t taken;
    bool whole;

    check(p);
    if (p->ended || len == 0) {
        return need_more(len, ev);
    }
    if (p->in_frame) {
        taken = take_payload(p, 0, data, len, ev);
    } else if ((fault = read_header(p, limits, data, len, &h, &whole)) != NULL) {
        taken = fail(p, fault, len, ev);
    } else if (!whole) {
        taken = need_more(0, ev);
    } else if (is_control(h.opcode)) {
        taken = take_control(p, &h, data, len, ev);
    } else {
        taken = take_data_frame(p, &h, data, len, ev);
    }
    check(p);
    return taken;
}

/* `len` as the second byte and what follows it. Returns the bytes written. */
static size_t put_length(char *out, unsigned mask_bit, uint64_t len)
{
    size_t extra = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    unsigned len7 = extra == 0 ? (unsigned)len : extra == 2 ? 126 : 127;

    out[0] = (char)(mask_bit | len7);
    for (size_t i = 0; i < extra; i++) {
        out[extra - i] = (char)(len >> (8 * i) & 0xff);
    }
    return 1 + extra;
}

size_t gust__ws_frame_header(char *out, enum gust_websocket_opcode opcode, bool fin, bool rsv1,
                             uint64_t len, const uint32_t *mask)
{
    size_t n = 1;

    out[0] = (char)((fin ? 0x80u : 0u) | (rsv1 ? 0x40u : 0u) | (unsigned)opcode);
    n += put_length(out + 1, mask != NULL ? 0x80 : 0, len);
    if (mask != NULL) {
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

bool gust_websocket_close_code_is_sendable(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

int gust__ws_close_payload(char *out, int code, gust_str reason, size_t *out_len)
{
    if (code == GUST_WEBSOCKET_CLOSE_NO_CODE) {
        GUST_CHECK(reason.len == 0, -EINVAL);
        *out_len = 0;
        return 0;
    }
    GUST_CHECK(gust_websocket_close_code_is_sendable(code), -EINVAL);
    GUST_CHECK(reason.len <= GUST__WS_REASON_MAX, -EINVAL);
    GUST_CHECK(gust_utf8_is_valid(reason), GUST_EUTF8);
    out[0] = (char)(code >> 8);
    out[1] = (char)(code & 0xff);
    if (reason.len > 0) {
        memcpy(out + 2, reason.ptr, reason.len);
    }
    *out_len = 2 + reason.len;
    return 0;
}

int gust__ws_close_parse(gust_str payload, uint16_t *out_code, gust_str *out_reason)
{
    gust_str reason = gust_str_skip(payload, 2);
    int code = GUST_WEBSOCKET_CLOSE_NO_CODE;

    if (payload.len == 1) {
        return GUST_WEBSOCKET_CLOSE_PROTOCOL_ERROR;
    }
    if (payload.len > 0) {
        code = (unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1];
        if (!gust_websocket_close_code_is_sendable(code)) {
            return GUST_WEBSOCKET_CLOSE_PROTOCOL_ERROR;
        }
        if (!gust_utf8_is_valid(reason)) {
            return GUST_WEBSOCKET_CLOSE_BAD_DATA;
        }
    }
    *out_code = (uint16_t)code;
    *out_reason = reason;
    return 0;
}

/* Invariant: len <= cap, the bytes allocated behind the struct. */
struct gust__ws_assembler {
    size_t len;
    size_t cap;
    char bytes[];
};

/* Room for at least `need` bytes in all, better for `want`, and at least double
 * what there is, which makes appending amortised O(1). */
static int assembler_grow(gust__ws_assembler **assembler, size_t need, size_t want)
{
    gust__ws_assembler *a = *assembler;
    size_t len = a != NULL ? a->len : 0, cap = a != NULL ? a->cap : 0, size;

    if (need <= cap) {
        return 0;
    }
    cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    cap = cap < want ? want : cap;
    cap = cap < ASSEMBLER_MIN ? ASSEMBLER_MIN : cap;
    if (!gust__size_add(sizeof(*a), cap, &size)) {
        return -ENOMEM;
    }
    a = gust__realloc(a, size);
    if (a == NULL) {
        return -ENOMEM;
    }
    a->len = len;
    a->cap = cap;
    *assembler = a;
    return 0;
}

static int assembler_append(gust__ws_assembler **assembler, gust_str data, uint64_t frame_left)
{
    size_t ahead = frame_left < ASSEMBLER_RESERVE ? (size_t)frame_left : ASSEMBLER_RESERVE;
    size_t have = *assembler != NULL ? (*assembler)->len : 0, need, want;

    if (data.len == 0) {
        return 0;
    }
    if (!gust__size_add(have, data.len, &need) || !gust__size_add(need, ahead, &want)) {
        return -ENOMEM;
    }
    GUST_TRY(assembler_grow(assembler, need, want));
    memcpy((*assembler)->bytes + have, data.ptr, data.len);
    (*assembler)->len = need;
    return 0;
}

int gust__ws_assemble(gust__ws_assembler **assembler, const struct gust__ws_event *ev,
                      gust_str *out_message)
{
    bool ends = (ev->flags & GUST__WS_MESSAGE_END) != 0;

    if ((ev->flags & GUST__WS_MESSAGE_START) != 0 && *assembler != NULL) {
        (*assembler)->len = 0;
    }
    if (ends && (*assembler == NULL || (*assembler)->len == 0)) {
        *out_message = ev->data;
        return 1;
    }
    GUST_TRY(assembler_append(assembler, ev->data, ev->frame_left));
    if (!ends) {
        return 0;
    }
    *out_message = gust_str_make((*assembler)->bytes, (*assembler)->len);
    return 1;
}

void gust__ws_assembler_trim(gust__ws_assembler **assembler)
{
    if (*assembler != NULL && (*assembler)->cap > ASSEMBLER_KEEP) {
        gust__ws_assembler_free(assembler);
    } else if (*assembler != NULL) {
        (*assembler)->len = 0;
    }
}

void gust__ws_assembler_free(gust__ws_assembler **assembler)
{
    gust__free(*assembler);
    *assembler = NULL;
}
