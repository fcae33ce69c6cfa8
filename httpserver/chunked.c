/* The chunked decoder; see chunked_internal.h.
 *
 *   SIZE --CR--> SIZE_LF -+-> DATA -> DATA_CR -> DATA_LF -> SIZE
 *     | ;          ^      |
 *     v            | CR   +- size 0 -> TRAILER -> DONE
 *   NAME_FIRST -> NAME -=-> VALUE_FIRST -> VALUE
 *      ^---------- ; --------------|  "      | ;
 *                                  v         v
 *                                QUOTED <-> ESCAPED, QUOTED_END
 *
 * A size line is read byte by byte: it is short, and its state is this phase and
 * a few counters, so it may be cut anywhere. */
#include "httpserver/chunked_internal.h"

#include "httpserver/http_scan_internal.h"
#include "util/check_internal.h"

enum phase {
    SIZE,
    NAME_FIRST,
    NAME,
    VALUE_FIRST,
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF,
    DATA_CR,
    DATA_LF,
    DATA,
    TRAILER,
    DONE,
    FAILED
};

void gust__chunked_init(struct gust__chunked *c, int64_t max_body, struct gust__http_field *fields,
                        uint16_t max_fields, size_t max_trailer_size)
{
    *c = (struct gust__chunked){.max_body = (uint64_t)max_body};
    gust__http_trailer_init(&c->trailer, fields, max_fields, max_trailer_size);
}

/* What holds between two calls:
 *   1. no more was declared than is allowed
 *   2. what is left of a chunk was declared
 *   3. extensions and digits are within their bounds, or it has failed
 *   4. an error has a status and a text, and nothing else has */
static void check(const struct gust__chunked *c)
{
    GUST_ASSERT(c->total <= c->max_body);
    GUST_ASSERT(c->phase != DATA || (c->left > 0 && c->left <= c->total));
    GUST_ASSERT(c->phase == FAILED || (c->line_extension <= GUST__CHUNKED_MAX_EXTENSION &&
                                       c->extensions <= GUST__CHUNKED_MAX_EXTENSIONS));
    GUST_ASSERT(c->digits <= GUST__CHUNKED_MAX_DIGITS);
    GUST_ASSERT((c->phase == FAILED) == (c->status != 0));
    GUST_ASSERT((c->phase == FAILED) == (c->error != NULL));
}

static bool go(struct gust__chunked *c, enum phase phase)
{
    c->phase = (uint8_t)phase;
    return true;
}

static bool fail(struct gust__chunked *c, int status, const char *error)
{
    c->status = status;
    c->error = error;
    c->phase = FAILED;
    return false;
}

/* -1 for what is no hex digit. */
static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* C4: the bytes from the first ';' to before CR. */
static bool count_extension(struct gust__chunked *c)
{
    c->line_extension++;
    c->extensions++;
    return (c->line_extension <= GUST__CHUNKED_MAX_EXTENSION &&
            c->extensions <= GUST__CHUNKED_MAX_EXTENSIONS) ||
           fail(c, 400, "chunk extensions too long");
}

/* C1, C2, C3. */
static bool size_byte(struct gust__chunked *c, char byte)
{
    int value = hex_value(byte);
    if (value < 0) {
        if (c->digits > 0 && byte == ';') {
            return count_extension(c) && go(c, NAME_FIRST);
        }
        return c->digits > 0 && byte == '\r' ? go(c, SIZE_LF)
                                             : fail(c, 400, "invalid byte in chunk size");
    }
    if (c->digits == GUST__CHUNKED_MAX_DIGITS || c->left > INT64_MAX >> 4) {
        return fail(c, 400, "chunk size too large");
    }
    c->digits++;
    c->left = c->left << 4 | (unsigned)value;
    return true;
}

/* Behind a name, a token or a quoted string. */
static bool after_word(struct gust__chunked *c, char byte)
{
    if (byte == ';') {
        return go(c, NAME_FIRST);
    }
    return byte == '\r' ? go(c, SIZE_LF) : fail(c, 400, "invalid byte in chunk extension");
}

static bool quoted_byte(struct gust__chunked *c, char byte)
{
    if (c->phase == ESCAPED && gust__char_is(byte, GUST__CHAR_VALUE)) {
        return go(c, QUOTED);
    }
    if (c->phase == QUOTED && byte == '"') {
        return go(c, QUOTED_END);
    }
    if (c->phase == QUOTED && byte == '\\') {
        return go(c, ESCAPED);
    }
    if (c->phase == QUOTED && gust__char_is(byte, GUST__CHAR_QUOTED)) {
        return true;
    }
    return fail(c, 400, "invalid byte in chunk extension");
}

static bool word_byte(struct gust__chunked *c, char byte)
{
    if (gust__char_is(byte, GUST__CHAR_TOKEN)) {
        return go(c, c->phase <= NAME ? NAME : VALUE);
    }
    if (c->phase == VALUE_FIRST && byte == '"') {
        return go(c, QUOTED);
    }
    if (c->phase == NAME && byte == '=') {
        return go(c, VALUE_FIRST);
    }
    if (c->phase == NAME_FIRST || c->phase == VALUE_FIRST) {
        return fail(c, 400, "invalid byte in chunk extension");
    }
    return after_word(c, byte);
}

static bool extension_byte(struct gust__chunked *c, char byte)
{
    if (byte != '\r' && !count_extension(c)) {
        return false;
    }
    switch (c->phase) {
    case QUOTED:
    case ESCAPED: return quoted_byte(c, byte);
    case QUOTED_END: return after_word(c, byte);
    default: return word_byte(c, byte);
    }
}

/* The size is known: C8, C9. */
static bool end_size_line(struct gust__chunked *c)
{
    uint64_t input = c->overhead + c->total;
    if (c->overhead >= GUST__CHUNKED_OVERHEAD && c->total < input / 4) {
        return fail(c, 400, "chunked body is mostly overhead");
    }
    if (c->left > c->max_body - c->total) {
        return fail(c, 413, "chunked body too large");
    }
    c->total += c->left;
    return go(c, c->left > 0 ? DATA : TRAILER);
}

static bool next_chunk(struct gust__chunked *c)
{
    c->digits = 0;
    c->line_extension = 0;
    return go(c, SIZE);
}

/* A byte that is no payload. C5, C6. */
static bool framing_byte(struct gust__chunked *c, char byte)
{
    c->overhead++;
    switch (c->phase) {
    case SIZE: return size_byte(c, byte);
    case SIZE_LF:
        return byte == '\n' ? end_size_line(c) : fail(c, 400, "CR without LF after chunk size");
    case DATA_CR: return byte == '\r' ? go(c, DATA_LF) : fail(c, 400, "no CRLF after chunk");
    case DATA_LF: return byte == '\n' ? next_chunk(c) : fail(c, 400, "no CRLF after chunk");
    default: return extension_byte(c, byte);
    }
}

static gust_str take_payload(struct gust__chunked *c, const char *data, size_t len)
{
    size_t n = c->left < len ? (size_t)c->left : len;
    c->left -= n;
    if (c->left == 0) {
        c->phase = DATA_CR;
    }
    return gust_str_make(data, n);
}

/* C7. Bytes taken, or -1. */
static ptrdiff_t take_trailer(struct gust__chunked *c, const char *data, size_t len)
{
    ptrdiff_t n = gust__http_parse_trailer(&c->trailer, data, len);
    if (n < 0) {
        fail(c, (int)-n, c->trailer.error);
        return -1;
    }
    if (n > 0) {
        c->trailer_data = data;
        c->phase = DONE;
    }
    return n;
}

int gust__chunked_feed(struct gust__chunked *c, const char *data, size_t len, size_t *out_taken,
                       gust_str *out_payload)
{
    size_t at = 0;
    check(c);
    *out_payload = gust_str_make(NULL, 0);
    while (at < len && c->phase < DATA && framing_byte(c, data[at])) {
        at++;
    }
    if (at < len && c->phase == DATA) {
        *out_payload = take_payload(c, data + at, len - at);
        *out_taken = at + out_payload->len;
        check(c);
        return GUST__CHUNKED_DATA;
    }
    if (at < len && c->phase == TRAILER) {
        ptrdiff_t n = take_trailer(c, data + at, len - at);
        at += n > 0 ? (size_t)n : 0;
    }
    *out_taken = at;
    check(c);
    if (c->phase == FAILED) {
        return -c->status;
    }
    return c->phase == DONE ? GUST__CHUNKED_END : GUST__CHUNKED_MORE;
}
