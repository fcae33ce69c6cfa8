/* Fuzz target for the frame parser and the assembler, in both roles.
 *
 *     clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -DGUST_DEBUG=1 \
 *         -D_POSIX_C_SOURCE=200809L -I. -Ibuild/include tests/fuzz/ws_frames_fuzz.c \
 *         websocket/frame.c websocket/mask.c util/alloc.c util/str.c util/utf8.c -o ws_frames
 *     ./ws_frames -max_len=4096 CORPUS
 *
 * Input: a byte that picks role, permessage-deflate and limits, a byte that
 * seeds the cuts, and then what the peer sends.
 *
 * It is an error when what comes out depends on how the input is cut, and when
 * it differs from what the twin finds: the rules once more, over the whole input
 * at once, as plainly as they can be written. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "websocket/frame_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- what happened, as text --- */

struct log {
    char *ptr;
    size_t len, cap;
    size_t message; /* where the open message begins */
    bool open;      /* there is one */
};

static void log_bytes(struct log *log, const void *bytes, size_t len)
{
    if (log->len + len > log->cap) {
        log->cap = 2 * log->cap + len + 256;
        log->ptr = realloc(log->ptr, log->cap);
        if (log->ptr == NULL) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(log->ptr + log->len, bytes, len);
        log->len += len;
    }
}

static void log_text(struct log *log, const char *text)
{
    log_bytes(log, text, strlen(text));
}

static void log_number(struct log *log, const char *what, unsigned long number)
{
    char text[64];

    snprintf(text, sizeof(text), "\n%s %lu ", what, number);
    log_text(log, text);
}

static void log_start(struct log *log, bool text, bool compressed)
{
    log->message = log->len;
    log->open = true;
    log_text(log, text ? "\ntext" : "\nbinary");
    log_text(log, compressed ? " compressed" : "");
}

/* How much of a failed message came out first is a matter of the cuts. */
static void log_fail(struct log *log, unsigned code)
{
    if (log->open) {
        log->len = log->message;
    }
    log_number(log, "fail", code);
}

static void log_message(struct log *log, unsigned long sum)
{
    log_number(log, "message", sum);
    log->open = false;
}

static unsigned long sum_of(const char *bytes, size_t len)
{
    unsigned long sum = len;

    for (size_t i = 0; i < len; i++) {
        sum = sum * 31 + (unsigned char)bytes[i];
    }
    return sum;
}

/* --- the parser's account --- */

struct subject {
    struct gust__ws_parser parser;
    const struct gust__ws_limits *limits;
    gust__ws_assembler *assembler;
    struct log log;
};

static void subject_on_data(struct subject *s, const struct gust__ws_event *ev)
{
    gust_str message;

    if (ev->flags & GUST__WS_MESSAGE_START) {
        log_start(&s->log, ev->opcode == GUST_WEBSOCKET_TEXT,
                  (ev->flags & GUST__WS_COMPRESSED) != 0);
    }
    log_text(&s->log, ev->flags & GUST__WS_FRAME_START ? "[" : "");
    log_bytes(&s->log, ev->data.ptr, ev->data.len);
    log_text(&s->log, ev->flags & GUST__WS_FRAME_END ? "]" : "");
    if (gust__ws_assemble(&s->assembler, ev, &message) == 1) {
        log_message(&s->log, sum_of(message.ptr, message.len));
        gust__ws_assembler_trim(&s->assembler);
    }
}

static void subject_on_event(struct subject *s, const struct gust__ws_event *ev)
{
    if (ev->kind == GUST__WS_DATA) {
        subject_on_data(s, ev);
    } else if (ev->kind == GUST__WS_CONTROL) {
        log_number(&s->log, "control", ev->opcode);
        log_number(&s->log, "code", ev->code);
        log_bytes(&s->log, ev->data.ptr, ev->data.len);
    } else if (ev->kind == GUST__WS_FAIL) {
        log_fail(&s->log, ev->code);
    }
}

/* Parse what is there, in a block of exactly its size. Returns what was taken. */
static size_t subject_feed(struct subject *s, const uint8_t *data, size_t len)
{
    char *exact = malloc(len > 0 ? len : 1);
    struct gust__ws_event ev;
    size_t at = 0, n;

    if (exact == NULL) {
        abort();
    }
    memcpy(exact, data, len);
    do {
        n = gust__ws_parse(&s->parser, s->limits, exact + at, len - at, &ev);
        if (n > len - at || (n == 0 && ev.kind != GUST__WS_NEED_MORE)) {
            abort();
        }
        at += n;
        subject_on_event(s, &ev);
    } while (ev.kind != GUST__WS_NEED_MORE);
    free(exact);
    return at;
}

/* Lengths of pieces: all at once, single bytes, or as a generator draws them. */
static size_t next_piece(unsigned how, unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return how == 0 ? SIZE_MAX : how == 1 ? 1 : 1 + (*seed >> 16) % (how == 2 ? 5 : 200);
}

static struct log account_of_parser(const uint8_t *data, size_t len, enum gust__ws_role role,
                                    bool deflate, const struct gust__ws_limits *limits,
                                    unsigned how, unsigned seed)
{
    struct subject s = {.limits = limits};
    size_t taken = 0, seen = 0;

    gust__ws_parser_init(&s.parser, role);
    s.parser.deflate = deflate;
    while (seen < len) {
        size_t n = next_piece(how, &seed);
        seen = n > len - seen ? len : seen + n;
        taken += subject_feed(&s, data + taken, seen - taken);
    }
    gust__ws_assembler_free(&s.assembler);
    return s.log;
}

/* --- the twin's account --- */

struct twin {
    const uint8_t *data;
    size_t len;
    bool client, deflate;
    const struct gust__ws_limits *limits;
    struct log log;
    char *text; /* the payload of the open message */
    size_t text_len;
    uint64_t announced;
    uint32_t frames, empties, controls;
    bool open, is_text, compressed;
};

/* How a text ends: 0 well, 1 inside a character, 2 it is none. */
static int judge_text(const char *bytes, size_t len)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t i = 0;

    while (i < len) {
        unsigned char c = s[i++];
        unsigned low = 0x80, high = 0xbf;
        int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4) {
            return 2;
        }
        low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
        high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
        for (; more > 0; more--) {
            if (i == len) {
                return 1;
            }
            if (s[i] < low || s[i] > high) {
                return 2;
            }
            i++;
            low = 0x80;
            high = 0xbf;
        }
    }
    return 0;
}

static int close_verdict(const char *payload, size_t len, unsigned *code)
{
    *code = 1005;
    if (len == 0) {
        return 0;
    }
    if (len == 1) {
        return 1002;
    }
    *code = (unsigned)(unsigned char)payload[0] * 256 + (unsigned char)payload[1];
    if (*code < 1000 || *code > 4999 || (*code > 1003 && *code < 1007) ||
        (*code > 1014 && *code < 3000)) {
        return 1002;
    }
    return judge_text(payload + 2, len - 2) == 0 ? 0 : 1007;
}

/* What the first byte is guilty of. */
static bool first_is_bad(const struct twin *t, unsigned byte)
{
    unsigned opcode = byte & 15, rsv = byte >> 4 & 7;
    bool starts = opcode == 1 || opcode == 2;

    return (rsv != 0 && !(rsv == 4 && t->deflate && starts)) || (opcode > 2 && opcode < 8) ||
           opcode > 10 || (opcode >= 8 && byte < 0x80) || (opcode == 0 && !t->open) ||
           (starts && t->open);
}

/* The code for a length of which `have` of `extra` bytes are known, or 0. */
static unsigned length_verdict(const uint8_t *bytes, size_t extra, size_t have, uint64_t room,
                               uint64_t *len)
{
    size_t zeros = 0;

    have = have < extra ? have : extra;
    if (extra == 0) {
        return *len > room ? 1009 : 0;
    }
    *len = 0;
    for (size_t i = 0; i < extra; i++) {
        *len = *len * 256 + (i < have ? bytes[i] : 0);
    }
    while (zeros < have && bytes[zeros] == 0) {
        zeros++;
    }
    if (extra == 8 && have > 0 && bytes[0] >= 0x80) {
        return 1002;
    }
    if ((extra == 8 && zeros >= 6) || (extra == 2 && have == 2 && *len < 126)) {
        return 1002;
    }
    return *len > room ? 1009 : 0;
}

static uint64_t twin_room(const struct twin *t, bool first, bool compressed)
{
    uint64_t max = t->limits->max_message_size;

    if (compressed && max < UINT64_MAX / 2) {
        max += max / 1024 + 64;
    }
    return max - (first ? 0 : t->announced);
}

static bool count_is_bad(const struct twin *t, unsigned byte, uint64_t len)
{
    bool first = (byte & 15) != 0;

    if ((byte & 15) >= 8) {
        return t->open && t->controls == t->limits->max_controls;
    }
    if (first && byte >= 0x80) {
        return false;
    }
    return (first ? 0 : t->frames) == t->limits->max_fragments ||
           (len == 0 && (first ? 0 : t->empties) == t->limits->max_empty_fragments);
}

/* Returns false at the end of the account. */
static bool twin_control(struct twin *t, unsigned opcode, const char *payload, size_t len)
{
    unsigned code = 0;
    int bad = opcode == 8 ? close_verdict(payload, len, &code) : 0;

    if (bad != 0) {
        log_fail(&t->log, (unsigned)bad);
        return false;
    }
    t->controls++;
    log_number(&t->log, "control", opcode);
    log_number(&t->log, "code", code);
    if (opcode == 8 && len >= 2) {
        payload += 2;
        len -= 2;
    }
    log_bytes(&t->log, payload, len);
    return opcode != 8;
}

static void twin_open(struct twin *t, unsigned byte)
{
    t->open = true;
    t->is_text = (byte & 15) == 1;
    t->compressed = (byte & 0x40) != 0;
    t->text_len = 0;
    t->announced = 0;
    t->frames = t->empties = t->controls = 0;
    log_start(&t->log, t->is_text, t->compressed);
}

/* `have` of the `len` bytes of payload lie at `payload`. */
static bool twin_data(struct twin *t, unsigned byte, const char *payload, size_t have, uint64_t len)
{
    bool ends = byte >= 0x80 && have == len;
    int verdict;

    if ((byte & 15) != 0) {
        twin_open(t, byte);
    }
    t->announced += len;
    t->frames++;
    t->empties += len == 0;
    memcpy(t->text + t->text_len, payload, have);
    t->text_len += have;
    verdict = t->is_text && !t->compressed ? judge_text(t->text, t->text_len) : 0;
    if (verdict == 2 || (verdict == 1 && ends)) {
        log_fail(&t->log, 1007);
        return false;
    }
    log_text(&t->log, "[");
    log_bytes(&t->log, payload, have);
    log_text(&t->log, have == len ? "]" : "");
    if (ends) {
        log_message(&t->log, sum_of(t->text, t->text_len));
        t->open = false;
    }
    return have == len;
}

/* One frame at *at; false where there is nothing more to say. */
static bool twin_frame(struct twin *t, size_t *at)
{
    const uint8_t *d = t->data + *at;
    size_t left = t->len - *at, extra, header, have;
    char payload[65536];
    uint64_t len;
    unsigned bad = 0;
    bool control, first;

    if (left == 0) {
        return false;
    }
    control = (d[0] & 15) >= 8;
    first = (d[0] & 15) != 0;
    if (first_is_bad(t, d[0]) ||
        (left > 1 && ((control && (d[1] & 127) > 125) || (d[1] >= 128) == t->client))) {
        log_fail(&t->log, 1002);
        return false;
    }
    if (left < 2) {
        return false;
    }
    len = d[1] & 127;
    extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    header = 2 + extra + (t->client ? 0 : 4);
    bad = length_verdict(d + 2, extra, left - 2,
                         control ? UINT64_MAX
                                 : twin_room(t, first, first ? (d[0] & 0x40) != 0 : t->compressed),
                         &len);
    if (bad == 0 && left - 2 >= extra && count_is_bad(t, d[0], len)) {
        bad = 1008;
    }
    if (bad != 0) {
        log_fail(&t->log, bad);
        return false;
    }
    if (left < header || (control && left - header < len)) {
        return false;
    }
    have = left - header < len ? left - header : (size_t)len;
    for (size_t i = 0; i < have; i++) {
        payload[i] = (char)(d[header + i] ^ (t->client ? 0 : d[header - 4 + i % 4]));
    }
    *at += header + have;
    return control ? twin_control(t, d[0] & 15, payload, have)
                   : twin_data(t, d[0], payload, have, len);
}

static struct log account_of_twin(const uint8_t *data, size_t len, enum gust__ws_role role,
                                  bool deflate, const struct gust__ws_limits *limits)
{
    struct twin t = {.data = data,
                     .len = len,
                     .client = role == GUST__WS_CLIENT,
                     .deflate = deflate,
                     .limits = limits,
                     .text = malloc(len + 1)};
    size_t at = 0;

    if (t.text == NULL) {
        abort();
    }
    while (twin_frame(&t, &at)) {
    }
    free(t.text);
    return t.log;
}

/* --- both --- */

static void compare(const struct log *a, const struct log *b, const char *with)
{
    if (a->len != b->len || (a->len > 0 && memcmp(a->ptr, b->ptr, a->len) != 0)) {
        fprintf(stderr, "--- differs from %s\n%.*s\n--- and\n%.*s\n", with, (int)a->len, a->ptr,
                (int)b->len, b->ptr);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gust__ws_limits limits[] = {
        {10485760, 131072, 1024, 1000},
        {UINT64_MAX, 0xffff, 0xffff, 0xffff},
        {100, 3, 2, 2},
        {0, 1, 1, 0},
    };
    enum gust__ws_role role;
    const struct gust__ws_limits *limit;
    struct log twin;
    bool deflate;

    if (size < 2 || size > 65536) {
        return 0;
    }
    role = data[0] & 1 ? GUST__WS_CLIENT : GUST__WS_SERVER;
    deflate = (data[0] & 2) != 0;
    limit = &limits[data[0] >> 2 & 3];
    twin = account_of_twin(data + 2, size - 2, role, deflate, limit);
    for (unsigned how = 0; how < 4; how++) {
        struct log log = account_of_parser(data + 2, size - 2, role, deflate, limit, how, data[1]);
        compare(&log, &twin, how == 0 ? "the twin, uncut" : "the twin, cut");
        free(log.ptr);
    }
    free(twin.ptr);
    return 0;
}
