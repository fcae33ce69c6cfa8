/* What the parts of a request mean, and which of them are refused.
 *
 * http_parse.c finds the parts and has seen that their bytes are allowed; here
 * is decided what they say. Each rule names its row in the table of rules
 * (P: request line, T: target, H: fields, F: framing, O: host, K: persistence,
 * E: expectation) or its source. */
#include "httpserver/http_rules_internal.h"

#include <gust/str.h>

#include "httpserver/http_scan_internal.h"
#include "util/check_internal.h"

/* The classes of http_scan_internal.h, sixteen bytes a line. */
const uint8_t gust__char_class[256] = {
    0,   0,  0,   0,   0,   0,   0,   0,   0,   20,  0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,  0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   20,  31,  6,   21,  31,  23,
    31,  31, 30,  30,  31,  31,  22,  95,  95,  22,  127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 22, 30,  22,  30,  22,  22,  22,  127, 127, 127, 127, 127, 127, 95,  95,  95,  95,  95,
    95,  95, 95,  95,  95,  95,  95,  95,  95,  95,  95,  95,  95,  95,  95,  22,  6,   22,  23,
    31,  23, 127, 127, 127, 127, 127, 127, 95,  95,  95,  95,  95,  95,  95,  95,  95,  95,  95,
    95,  95, 95,  95,  95,  95,  95,  95,  95,  22,  23,  22,  31,  0,   22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,  22,
    22,  22, 22,  22,  22,  22,  22,  22,  22,
};

bool gust__http_fail(struct gust__http_parser *p, int status, const char *error)
{
    p->status = status;
    p->error = error;
    return false;
}

/* ---- Host ------------------------------------------------------------------- */

/* dec-octet "." dec-octet "." dec-octet "." dec-octet (RFC 3986 3.2.2); the byte
 * behind it, or NULL. */
static const char *ipv4_end(const char *at, const char *end)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && (at == end || *at++ != '.')) {
            return NULL;
        }
        const char *first = at;
        unsigned value = 0;
        while (at < end && at - first < 3 && *at >= '0' && *at <= '9') {
            value = value * 10 + (unsigned)(*at++ - '0');
        }
        if (at == first || value > 255 || (*first == '0' && at - first > 1)) {
            return NULL;
        }
    }
    return at;
}

static const char *hex_word_end(const char *at, const char *end)
{
    return gust__scan_class(at, end - at > 4 ? at + 4 : end, GUST__CHAR_HEX);
}

/* From behind '[' to behind ']', or NULL. No zones, no IPvFuture. */
static GUST_NOINLINE const char *ipv6_end(const char *at, const char *end)
{
    unsigned words = 0;
    bool gap = end - at >= 2 && at[0] == ':' && at[1] == ':';
    at += gap ? 2 : 0;
    while (at != NULL && at < end && *at != ']') {
        const char *word = at;
        at = hex_word_end(word, end);
        if (at == word) {
            return NULL;
        }
        if (at < end && *at == '.') {
            at = ipv4_end(word, end);
            words += 2;
            break;
        }
        words++;
        if (at == end || *at++ != ':') {
            at--;
            break;
        }
        if (at < end && *at == ':' && !gap) {
            gap = true;
            at++;
        } else if (at == end || *at == ']') {
            return NULL;
        }
    }
    if (at == NULL || at == end || *at != ']' || (gap ? words > 7 : words != 8)) {
        return NULL;
    }
    return at + 1;
}

/* From a byte of a reg-name (RFC 3986, without ',') that is not plain to the
 * end of all of it. */
static GUST_NOINLINE const char *odd_name_end(const char *at, const char *end)
{
    while (at < end) {
        if (gust__char_is(*at, GUST__CHAR_HOST)) {
            at++;
        } else if (*at == '%' && end - at >= 3 && gust__char_is(at[1], GUST__CHAR_HEX) &&
                   gust__char_is(at[2], GUST__CHAR_HEX)) {
            at += 3;
        } else {
            break;
        }
    }
    return at;
}

/* The byte behind the name, where a port may follow; NULL where there is none. */
static inline const char *host_name_end(const char *first, const char *end)
{
    if (first == end) {
        return NULL;
    }
    const char *at = gust__scan_plain(first, end);
    at = at < end ? at : end;
    if (GUST_UNLIKELY(at < end && *at != ':')) {
        at = *first == '[' ? ipv6_end(first + 1, end) : odd_name_end(at, end);
    }
    return at == first ? NULL : at;
}

/* Nothing, ":" or ":" and up to five digits. */
static inline bool port_is_valid(const char *at, const char *end, int32_t *out_port)
{
    *out_port = -1;
    if (at == end) {
        return true;
    }
    if (*at++ != ':' || end - at > 5) {
        return false;
    }
    int32_t port = at == end ? -1 : 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9) {
            return false;
        }
        port = port * 10 + (int32_t)digit;
    }
    *out_port = port;
    return port <= 65535;
}

bool gust__http_host_is_valid(gust_str host, size_t *out_name_len, int32_t *out_port)
{
    const char *end = host.ptr + host.len;
    const char *stop = host_name_end(host.ptr, end);
    if (stop == NULL) {
        return false;
    }
    *out_name_len = (size_t)(stop - host.ptr);
    return port_is_valid(stop, end, out_port);
}

/* Take what stands there for the request's host; false where it is no host. */
static inline bool take_host(struct gust__http_parser *p, const char *data, uint32_t at,
                             uint32_t len)
{
    const char *first = data + at;
    const char *stop = host_name_end(first, first + len);
    if (stop == NULL) {
        return false;
    }
    p->host = (struct gust__http_slice){at, len};
    p->host_name = (struct gust__http_slice){at, (uint32_t)(stop - first)};
    return port_is_valid(stop, first + len, &p->host_port);
}

/* The target had a host: it stands in the field's place (T3), which must be
 * valid all the same. */
static GUST_NOINLINE bool replaced_host_rule(struct gust__http_parser *p, const char *data,
                                             struct gust__http_field *f)
{
    size_t name_len;
    int32_t port;
    if (!gust__http_host_is_valid(gust__http_field_value(data, f), &name_len, &port)) {
        return gust__http_fail(p, 400, "invalid Host");
    }
    f->value = p->host.at;
    f->value_len = p->host.len;
    return true;
}

static GUST_NOINLINE bool new_host(struct gust__http_parser *p, const char *data,
                                   const struct gust__http_field *f)
{
    if (!take_host(p, data, f->value, f->value_len)) {
        return gust__http_fail(p, 400, "invalid Host");
    }
    struct gust__http_known_host *known = p->known_host;
    if (known != NULL && f->value_len <= GUST__HTTP_KNOWN_HOST) {
        known->len = (uint8_t)f->value_len;
        known->name_len = (uint8_t)p->host_name.len;
        known->port = p->host_port;
        memcpy(known->text, data + f->value, f->value_len);
    }
    return true;
}

/* O1-O6. */
static inline bool host_rule(struct gust__http_parser *p, const char *data,
                             struct gust__http_field *f)
{
    p->host_field = (uint16_t)(f - p->fields);
    if (f->value_len == 0 && p->minor == 0) {
        return true;
    }
    if (GUST_UNLIKELY(p->form == GUST__HTTP_ABSOLUTE || p->form == GUST__HTTP_AUTHORITY)) {
        return replaced_host_rule(p, data, f);
    }
    return new_host(p, data, f);
}

/* ---- Target ----------------------------------------------------------------- */

/* Bytes of "http://" or "https://" at the start, in any case; 0 for others. */
static uint32_t scheme_len(gust_str target, bool *out_https)
{
    static const gust_str schemes[] = {GUST_STR_INIT("http://"), GUST_STR_INIT("https://")};
    for (unsigned i = 0; i < 2; i++) {
        gust_str head = gust_str_make(target.ptr, schemes[i].len);
        if (target.len >= head.len && gust_str_case_eq(head, schemes[i])) {
            *out_https = i == 1;
            return (uint32_t)head.len;
        }
    }
    return 0;
}

/* T3, and T2 for what is neither. */
static bool absolute_target(struct gust__http_parser *p, const char *data)
{
    uint32_t scheme = scheme_len(gust__http_text(data, p->path), &p->https);
    if (scheme == 0) {
        return gust__http_fail(p, 400, "request target is neither a path nor a URL");
    }
    gust_str rest = gust_str_skip(gust__http_text(data, p->path), scheme);
    size_t slash = gust_str_find_byte(rest, '/');
    uint32_t len = (uint32_t)(slash < rest.len ? slash : rest.len);
    p->form = GUST__HTTP_ABSOLUTE;
    if (!take_host(p, data, p->path.at + scheme, len)) {
        return gust__http_fail(p, 400, "invalid host in request target");
    }
    p->path.at += scheme + len;
    p->path.len -= scheme + len;
    return true;
}

/* T5: host and port, the port with digits. */
static bool authority_target(struct gust__http_parser *p, const char *data)
{
    p->form = GUST__HTTP_AUTHORITY;
    p->path.len = 0;
    if (!take_host(p, data, p->target.at, p->target.len) || p->host_port < 0) {
        return gust__http_fail(p, 400, "CONNECT without host and port");
    }
    return true;
}

bool gust__http_target_rule(struct gust__http_parser *p, const char *data)
{
    if (p->method_id == GUST_HTTP_CONNECT) {
        return authority_target(p, data);
    }
    if (data[p->target.at] == '/') {
        p->form = GUST__HTTP_ORIGIN;
        return true;
    }
    if (data[p->target.at] == '*' && p->target.len == 1) {
        p->form = GUST__HTTP_ASTERISK;
        return p->method_id == GUST_HTTP_OPTIONS ||
               gust__http_fail(p, 400, "request target * without OPTIONS");
    }
    return absolute_target(p, data);
}

gust_str gust__http_path(const struct gust__http_parser *p, const char *data)
{
    if (p->path.len > 0 || p->form == GUST__HTTP_AUTHORITY) {
        return gust__http_text(data, p->path);
    }
    return p->method_id == GUST_HTTP_OPTIONS && !p->has_query ? GUST_STR("*") : GUST_STR("/");
}

gust_str gust__http_host(const struct gust__http_parser *p, const char *data)
{
    return p->host.len > 0 ? gust__http_text(data, p->host) : GUST_STR("127.0.0.1");
}

gust_str gust__http_host_name(const struct gust__http_parser *p, const char *data)
{
    return p->host.len > 0 ? gust__http_text(data, p->host_name) : GUST_STR("127.0.0.1");
}

/* ---- Fields that mean something to the parser --------------------------------- */

enum { TOKEN_CLOSE = 1, TOKEN_KEEP_ALIVE = 2, TOKEN_UPGRADE = 4, OFFERS_UPGRADE = 8 };

static uint8_t connection_token(gust_str token)
{
    if (gust_str_case_eq(token, GUST_STR("keep-alive"))) {
        return TOKEN_KEEP_ALIVE;
    }
    if (gust_str_case_eq(token, GUST_STR("close"))) {
        return TOKEN_CLOSE;
    }
    return gust_str_case_eq(token, GUST_STR("upgrade")) ? TOKEN_UPGRADE : 0;
}

/* HTTP/2 in clear text is never offered (K5). */
static uint8_t upgrade_token(gust_str token)
{
    return token.len > 0 && !gust_str_case_eq(token, GUST_STR("h2c")) ? OFFERS_UPGRADE : 0;
}

/* K1: all Connection fields are one list. */
static bool list_rule(struct gust__http_parser *p, gust_str list, uint8_t (*meaning)(gust_str))
{
    gust_str token;
    while (gust_str_split(&list, ',', &token)) {
        p->tokens |= meaning(gust_str_trim(token));
    }
    return true;
}

static GUST_NOINLINE const char *repeated_text(uint8_t id)
{
    switch (id) {
    case GUST_HTTP_HOST: return "more than one Host";
    case GUST_HTTP_CONTENT_LENGTH: return "more than one Content-Length";
    case GUST_HTTP_TRANSFER_ENCODING: return "more than one Transfer-Encoding";
    case GUST_HTTP_CONTENT_TYPE: return "more than one Content-Type";
    default: return "more than one Authorization";
    }
}

static bool expect_rule(struct gust__http_parser *p, gust_str value)
{
    return gust_str_case_eq(value, GUST_STR("100-continue")) ||
           gust__http_fail(p, 417, "unknown expectation");
}

static GUST_NOINLINE bool other_field_rule(struct gust__http_parser *p, const char *data,
                                           struct gust__http_field *f)
{
    switch (f->id) {
    case GUST_HTTP_CONTENT_LENGTH:
        p->length = (struct gust__http_slice){f->value, f->value_len};
        return true;
    case GUST_HTTP_TRANSFER_ENCODING:
        p->coding = (struct gust__http_slice){f->value, f->value_len};
        return true;
    case GUST_HTTP_CONNECTION:
        return list_rule(p, gust__http_field_value(data, f), connection_token);
    case GUST_HTTP_UPGRADE: return list_rule(p, gust__http_field_value(data, f), upgrade_token);
    case GUST_HTTP_EXPECT: return expect_rule(p, gust__http_field_value(data, f));
    default: return true;
    }
}

bool gust__http_any_field_rule(struct gust__http_parser *p, const char *data,
                               struct gust__http_field *f)
{
    uint32_t bit = 1u << f->id;
    if (GUST_UNLIKELY((p->seen & bit & GUST__HTTP_SINGLE) != 0)) {
        return gust__http_fail(p, 400, repeated_text(f->id));
    }
    p->seen = (uint16_t)(p->seen | bit);
    if (GUST_LIKELY(f->id == GUST_HTTP_HOST)) {
        return host_rule(p, data, f);
    }
    return other_field_rule(p, data, f);
}

bool gust__http_trailer_rule(struct gust__http_parser *p, uint8_t id)
{
    switch (id) {
    case GUST_HTTP_CONTENT_LENGTH:
    case GUST_HTTP_TRANSFER_ENCODING:
    case GUST_HTTP_HOST: return gust__http_fail(p, 400, "framing field in trailer");
    case GUST_HTTP_TRAILER:
    case GUST_HTTP_CONTENT_ENCODING:
    case GUST_HTTP_CONTENT_TYPE:
    case GUST_HTTP_CONTENT_RANGE:
    case GUST_HTTP_AUTHORIZATION:
    case GUST_HTTP_SET_COOKIE:
    case GUST_HTTP_CACHE_CONTROL:
        p->count--; /* left out, but counted against the limit */
        p->max_fields--;
        return true;
    default: return true;
    }
}

/* ---- Framing and the whole head ------------------------------------------------ */

/* F3-F5: digits only, at most 19, at most INT64_MAX. -1 for anything else. */
static int64_t length_value(gust_str digits)
{
    uint64_t value = 0;
    if (digits.len == 0 || digits.len > 19) {
        return -1;
    }
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned char)digits.ptr[i] - (unsigned)'0';
        if (digit > 9) {
            return -1;
        }
        value = value * 10 + digit; /* 19 digits fit 64 bits */
    }
    return value <= INT64_MAX ? (int64_t)value : -1;
}

const char *gust__http_body_framing(gust_str length, gust_str coding, unsigned minor,
                                    int64_t *out_length, bool *out_chunked)
{
    *out_length = -1;
    *out_chunked = false;
    if (coding.ptr != NULL) {
        if (length.ptr != NULL) {
            return "Content-Length together with Transfer-Encoding";
        }
        if (minor == 0) {
            return "Transfer-Encoding in HTTP/1.0";
        }
        *out_chunked = gust_str_case_eq(coding, GUST_STR("chunked"));
        return *out_chunked ? NULL : "Transfer-Encoding other than chunked";
    }
    if (length.ptr != NULL) {
        *out_length = length_value(length);
        return *out_length >= 0 ? NULL : "invalid Content-Length";
    }
    return NULL;
}

static gust_str slot_text(const struct gust__http_parser *p, const char *data,
                          enum gust_http_name id, struct gust__http_slice slot)
{
    return (p->seen & 1u << id) != 0 ? gust__http_text(data, slot) : gust_str_make(NULL, 0);
}

static GUST_NOINLINE bool framing_rule(struct gust__http_parser *p, const char *data)
{
    const char *error = gust__http_body_framing(
        slot_text(p, data, GUST_HTTP_CONTENT_LENGTH, p->length),
        slot_text(p, data, GUST_HTTP_TRANSFER_ENCODING, p->coding), p->minor, &p->content_length,
        &p->chunked);
    if (error == NULL && p->method_id == GUST_HTTP_CONNECT) {
        error = "CONNECT with a body";
    }
    return error == NULL || gust__http_fail(p, 400, error);
}

/* K1, K2, K5. */
static void persistence_rule(struct gust__http_parser *p, bool framed)
{
    uint8_t upgrade = TOKEN_UPGRADE | OFFERS_UPGRADE;
    p->keep_alive = (p->tokens & TOKEN_CLOSE) == 0 &&
                    (p->minor > 0 || (p->tokens & TOKEN_KEEP_ALIVE) != 0);
    p->upgrade = p->minor > 0 && !framed && (p->tokens & upgrade) == upgrade;
}

bool gust__http_any_head_rule(struct gust__http_parser *p, const char *data)
{
    bool framed = (p->seen & GUST__HTTP_FRAMING) != 0;
    if (p->minor > 0 && p->host_field == UINT16_MAX) {
        return gust__http_fail(p, 400, "no Host");
    }
    if (framed && !framing_rule(p, data)) {
        return false;
    }
    persistence_rule(p, framed);
    p->expect_continue = (p->seen & 1u << GUST_HTTP_EXPECT) != 0 && p->minor > 0 &&
                         gust__http_has_body(p);
    return true;
}
