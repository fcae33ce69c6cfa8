/* The head of a request: bytes in, slices out. No I/O, no memory, no clock.
 *
 * What it does: gust__http_parse_request() reads a request line and the header
 * fields in one pass, checks each byte as it passes, and decides everything
 * that RFC 9112 lets a server decide about the message: target form, host,
 * body framing, persistence, upgrade, expectation. What is ambiguous is
 * refused; nothing is repaired. The fields that decide about framing are read
 * by gust__http_body_framing() and nowhere else.
 *
 * Calling sequence
 *     gust__http_parser_init(&p, fields, 100, 65536, 8192);
 *     n = gust__http_parse_request(&p, data, len);
 *       n > 0   the head is complete and n bytes long; the body, or the next
 *               request, begins at data + n
 *       n == 0  more is needed: call again with the same bytes and some more.
 *               They may lie elsewhere by then, since the parser keeps offsets
 *       n < 0   -n is the HTTP status to answer with, p.error says why
 * A byte is looked at once, however the head is cut: feeding it byte by byte
 * costs linear time, and gives the same verdict, with the same words, at the
 * same byte. An error stays: further calls return it again.
 *
 * PADDING: at least GUST__HTTP_PADDING bytes behind data + len must be
 * readable, with any content, since vectors of bytes are loaded over the end.
 * Nothing found there is believed. */
#ifndef GUST_HTTP_PARSE_INTERNAL_H
#define GUST_HTTP_PARSE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/httpnames.h>
#include <gust/httpstatus.h>
#include <gust/str.h>

#define GUST__HTTP_PADDING 32u
#define GUST__HTTP_MAX_METHOD 32u

/* A part of the head: bytes at .. at + len - 1 of what was passed as data. */
struct gust__http_slice {
    uint32_t at;
    uint32_t len;
};

/* A header field, in the order of arrival. The value has lost the SP and HTAB
 * around it. */
struct gust__http_field {
    uint32_t name;
    uint32_t value;
    uint32_t value_len;
    uint16_t name_len;
    uint8_t id;    /* enum gust_http_name, or 0 */
    uint8_t flags; /* written as 0; for whoever owns the array */
};

enum gust__http_form {
    GUST__HTTP_ORIGIN,   /* /path?query */
    GUST__HTTP_ABSOLUTE, /* http://host/path?query */
    GUST__HTTP_ASTERISK, /* *, with OPTIONS only */
    GUST__HTTP_AUTHORITY /* host:port, with CONNECT only */
};

/* The last Host that was found valid: clients say the same one again and again,
 * and comparing is cheaper than judging. Zeroed: none. */
#define GUST__HTTP_KNOWN_HOST 56

struct gust__http_known_host {
    uint8_t len; /* 0: none */
    uint8_t name_len;
    int32_t port;
    char text[GUST__HTTP_KNOWN_HOST + 8]; /* room to load whole words */
};

struct gust__http_parser {
    /* Where it stands; of no interest to callers. */
    uint32_t pos;        /* all bytes before it were looked at */
    uint32_t line_limit; /* where a request line must have ended that begins at 0 */
    uint32_t max_header_size;
    uint32_t max_request_line;
    uint16_t max_fields;
    uint16_t seen; /* bit per enum gust_http_name below 16 */
    uint8_t phase;
    uint8_t tokens;  /* what Connection and Upgrade asked for */
    bool in_trailer; /* fields only, and other rules for some names */

    /* The outcome; valid after a positive return. */
    uint8_t method_id; /* enum gust_http_method */
    uint8_t minor;     /* HTTP/1.x: 0, or 1 (also for 1.2 .. 1.9) */
    uint8_t form;      /* enum gust__http_form */
    bool https;        /* GUST__HTTP_ABSOLUTE only: the scheme was https */
    bool has_query;    /* there was a '?', perhaps with nothing behind */
    bool chunked;
    bool keep_alive;        /* the peer wants the connection to go on */
    bool upgrade;           /* may be upgraded (http.md K5) */
    bool expect_continue;   /* waits for 100 before it sends its body */
    uint16_t count;         /* fields in the array */
    uint16_t host_field;    /* index of the Host field, UINT16_MAX: none */
    int32_t host_port;      /* -1: none given */
    int64_t content_length; /* -1: no Content-Length */
    struct gust__http_slice method;
    struct gust__http_slice target;    /* as received */
    struct gust__http_slice path;      /* raw; see gust__http_path() */
    struct gust__http_slice query;     /* behind the first '?' */
    struct gust__http_slice host;      /* with port; len 0: none (HTTP/1.0) */
    struct gust__http_slice host_name; /* without port, case as received */
    struct gust__http_slice length;    /* value of Content-Length */
    struct gust__http_slice coding;    /* value of Transfer-Encoding */
    struct gust__http_field *fields;
    struct gust__http_known_host *known_host; /* the caller's, kept up to date; or NULL */

    int status;        /* 0, or the HTTP status of the error */
    const char *error; /* static text, e.g. "no colon in header line" */
#ifdef GUST_DEBUG
    uint64_t steps; /* bytes looked at, to prove that work is linear */
#endif
};

/* Get ready for a head.
 *
 * fields            the caller's array of max_fields; must outlive the outcome
 * max_fields        more fields are refused with 431
 * max_header_size   all bytes up to and including the blank line; 431
 * max_request_line  bytes of the request line without its CRLF; 414
 * Cost: a few stores; does not touch the array. */
void gust__http_parser_init(struct gust__http_parser *p, struct gust__http_field *fields,
                            uint16_t max_fields, size_t max_header_size, size_t max_request_line);

/* Parse on. data: all bytes of the head from its first one, as the last time
 * and more; never NULL, padded as said above. len may go beyond the head's end.
 * Returns the head's length, 0 for more, or a negative HTTP status: -400,
 * -414, -417, -431, -505. */
ptrdiff_t gust__http_parse_request(struct gust__http_parser *p, const char *data, size_t len);

/* Has any byte of the request been seen, so that silence is worth a 408? An
 * empty line before it is none: some clients send one behind a body. */
static inline bool gust__http_parser_has_begun(const struct gust__http_parser *p)
{
    return p->pos > p->method.at;
}

/* The same machine for the trailer fields behind a chunked body, ended by
 * their blank line. p->error and fields as above; the fields that a trailer
 * must not carry are left out, or refused (http.md C7). */
void gust__http_trailer_init(struct gust__http_parser *p, struct gust__http_field *fields,
                             uint16_t max_fields, size_t max_size);
ptrdiff_t gust__http_parse_trailer(struct gust__http_parser *p, const char *data, size_t len);

/* ---- Reading the outcome ----------------------------------------------- */

static inline gust_str gust__http_text(const char *data, struct gust__http_slice s)
{
    return gust_str_make(data + s.at, s.len);
}

static inline gust_str gust__http_field_name(const char *data, const struct gust__http_field *f)
{
    return gust_str_make(data + f->name, f->name_len);
}

static inline gust_str gust__http_field_value(const char *data, const struct gust__http_field *f)
{
    return gust_str_make(data + f->value, f->value_len);
}

/* The path: as received, or "/" where an absolute target has none ("*" with
 * OPTIONS, RFC 9112 3.2.4). Empty for CONNECT. */
gust_str gust__http_path(const struct gust__http_parser *p, const char *data);

/* Host and host name; "127.0.0.1" where an HTTP/1.0 request names none. */
gust_str gust__http_host(const struct gust__http_parser *p, const char *data);
gust_str gust__http_host_name(const struct gust__http_parser *p, const char *data);

/* Is there a body to read? (Also a chunked one that may turn out empty.) */
static inline bool gust__http_has_body(const struct gust__http_parser *p)
{
    return p->chunked || p->content_length > 0;
}

/* ---- Rules that others share -------------------------------------------- */

/* THE place that reads Content-Length and Transfer-Encoding (RFC 9112 6).
 *
 * length, coding  the fields' values; ptr NULL where there is no such field. A
 *                 field that came twice must not get here
 * minor           of HTTP/1.x
 * out_length      the digits' value, or -1
 * out_chunked     the body is chunked
 * Returns NULL, or what is wrong; the message is then answered with 400. */
const char *gust__http_body_framing(gust_str length, gust_str coding, unsigned minor,
                                    int64_t *out_length, bool *out_chunked);

/* Check a Host value or a target's authority: reg-name, IPv4 or [IPv6], then
 * perhaps a port.
 *
 * out_name_len  bytes of the name, brackets included
 * out_port      0 .. 65535, or -1 where there is none
 * Returns false where it is anything else; the empty string is refused. */
bool gust__http_host_is_valid(gust_str host, size_t *out_name_len, int32_t *out_port);

/* The complete answer to a malformed request: status line, "Connection: close",
 * "Content-Length: 0". For 400, 408, 413, 414, 417, 431, 500, 503 and 505;
 * any other number gets the one for 400. Static. */
gust_str gust__http_error_response(int status);

#endif
