/* The checks of the opening handshake, and the answer to its key.
 *
 * Every list of the request goes through one tokenizer, which looks at each byte
 * a bounded number of times. Origins and hosts are parsed into the same struct
 * and compared there; nothing is compared as raw text. */
#include "websocket/handshake_internal.h"

#include <openssl/sha.h>

#include <gust/base64.h>
#include <gust/errors.h>

/* RFC 6455 1.3: makes sure that who answers knows what a WebSocket is. */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_LEN = 24, PORT_NONE = -1, PORT_ANY = -2 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* --- lists --- */

bool gust__ws_list_next(gust_str *rest, gust_str *out_item)
{
    gust_str item;

    while (gust_str_split(rest, ',', &item)) {
        item = gust_str_trim(item);
        if (item.len > 0) {
            *out_item = item;
            return true;
        }
    }
    return false;
}

bool gust__ws_list_has(gust_str list, gust_str item)
{
    gust_str found;

    while (gust__ws_list_next(&list, &found)) {
        if (gust_str_case_eq(found, item)) {
            return true;
        }
    }
    return false;
}

static bool is_token(gust_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && !is_in(s.ptr[i], "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return s.len > 0;
}

bool gust__ws_list_is_tokens(gust_str list)
{
    gust_str item;
    bool any = false;

    while (gust__ws_list_next(&list, &item)) {
        if (!is_token(item)) {
            return false;
        }
        any = true;
    }
    return any;
}

/* --- origins --- */

/* What an origin, a Host field or a pattern names. */
struct place {
    gust_str scheme; /* empty where there is none */
    gust_str host;   /* a name, or an IPv6 address with its brackets */
    int port;        /* PORT_NONE where none is written */
};

static int default_port(gust_str scheme)
{
    if (gust_str_case_eq(scheme, GUST_STR("http")) || gust_str_case_eq(scheme, GUST_STR("ws"))) {
        return 80;
    }
    if (gust_str_case_eq(scheme, GUST_STR("https")) || gust_str_case_eq(scheme, GUST_STR("wss"))) {
        return 443;
    }
    return PORT_NONE;
}

/* Only characters that a host can have: none that ends it, none that would hide
 * it, as '@' does. '*' is for patterns. */
static bool host_is_clean(gust_str host, const char *others)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!is_alnum(host.ptr[i]) && !is_in(host.ptr[i], others)) {
            return false;
        }
    }
    return host.len > 0;
}

/* Where the host ends in "host[:port]": SIZE_MAX for an address whose bracket
 * is not closed. */
static size_t host_end(gust_str s)
{
    size_t end;

    if (s.len > 0 && s.ptr[0] == '[') {
        end = gust_str_find_byte(s, ']');
        return end == SIZE_MAX ? end : end + 1;
    }
    end = gust_str_find_byte(s, ':');
    return end == SIZE_MAX ? s.len : end;
}

/* ":80", "" or, for a pattern, ":*". */
static bool parse_port(gust_str s, bool is_pattern, int *out_port)
{
    uint64_t port;

    if (s.len == 0) {
        *out_port = PORT_NONE;
        return true;
    }
    if (s.ptr[0] != ':') {
        return false;
    }
    s = gust_str_skip(s, 1);
    if (is_pattern && gust_str_eq(s, GUST_STR("*"))) {
        *out_port = PORT_ANY;
        return true;
    }
    if (gust_str_to_u64(s, 65535, &port) != 0) {
        return false;
    }
    *out_port = (int)port;
    return true;
}

/* "host[:port]". */
static bool parse_authority(gust_str s, bool is_pattern, struct place *out)
{
    size_t end = host_end(s);
    gust_str inner;

    if (end == SIZE_MAX) {
        return false;
    }
    out->host = gust_str_make(s.ptr, end);
    inner = out->host;
    if (end > 0 && s.ptr[0] == '[') {
        inner = gust_str_make(s.ptr + 1, end - 2);
    }
    if (!host_is_clean(inner, inner.ptr != s.ptr ? ":." : is_pattern ? "-._*" : "-._")) {
        return false;
    }
    return parse_port(gust_str_skip(s, end), is_pattern, &out->port);
}

/* Cut "scheme://" off. Without one the scheme is empty and `s` stays. */
static void cut_scheme(gust_str *s, struct place *out)
{
    size_t end = gust_str_find(*s, GUST_STR("://"));

    out->scheme = gust_str_make(s->ptr, end == SIZE_MAX ? 0 : end);
    *s = gust_str_skip(*s, end == SIZE_MAX ? 0 : end + 3);
}

/* An origin, with the path that some clients add to it. */
static bool parse_origin(gust_str s, struct place *out)
{
    size_t path;

    cut_scheme(&s, out);
    path = gust_str_find_byte(s, '/');
    if (path != SIZE_MAX) {
        s.len = path;
    }
    return out->scheme.len > 0 && parse_authority(s, false, out);
}

static int port_or(int port, int fallback)
{
    return port == PORT_NONE ? fallback : port;
}

bool gust__ws_origin_is_same(gust_str origin, gust_str host)
{
    struct place from = {0}, to = {0};
    int fallback;

    if (!parse_origin(origin, &from) || !parse_authority(host, false, &to)) {
        return false;
    }
    fallback = default_port(from.scheme);
    return fallback != PORT_NONE && gust_str_case_eq(from.host, to.host) &&
           port_or(from.port, fallback) == port_or(to.port, fallback);
}

/* Is `host` `pattern`, or a name below it where it begins with "*."? */
static bool host_matches(gust_str host, gust_str pattern)
{
    gust_str domain, label, below;

    if (!gust_str_starts_with(pattern, GUST_STR("*."))) {
        return gust_str_case_eq(host, pattern);
    }
    domain = gust_str_skip(pattern, 1); /* with its dot, so whole labels match */
    if (domain.len < 2 || host.len <= domain.len || host.ptr[0] == '.') {
        return false;
    }
    label = gust_str_make(host.ptr, host.len - domain.len);
    below = gust_str_skip(host, label.len);
    return gust_str_case_eq(below, domain) && label.ptr[label.len - 1] != '.';
}

bool gust__ws_origin_matches(gust_str origin, gust_str pattern)
{
    struct place from = {0}, like = {0};
    int fallback;

    if (!parse_origin(origin, &from)) {
        return false;
    }
    cut_scheme(&pattern, &like);
    fallback = default_port(from.scheme);
    if (like.scheme.len > 0 ? !gust_str_case_eq(from.scheme, like.scheme) : fallback == PORT_NONE) {
        return false;
    }
    if (!parse_authority(pattern, true, &like) || !host_matches(from.host, like.host)) {
        return false;
    }
    return like.port == PORT_ANY || port_or(from.port, fallback) == port_or(like.port, fallback);
}

/* --- the key --- */

bool gust__ws_key_is_valid(gust_str key)
{
    char bytes[GUST_BASE64_DECODED_MAX(KEY_LEN)];
    size_t len;

    return key.len == KEY_LEN && gust_base64_decode(bytes, key, &len) == 0 && len == 16;
}

int gust__ws_accept_key(gust_str key, char *out)
{
    unsigned char text[KEY_LEN + sizeof(ACCEPT_GUID) - 1], digest[SHA_DIGEST_LENGTH];

    if (!gust__ws_key_is_valid(key)) {
        return -EINVAL;
    }
    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, ACCEPT_GUID, sizeof(ACCEPT_GUID) - 1);
    if (SHA1(text, sizeof(text), digest) == NULL) {
        return GUST_ETLS;
    }
    gust_base64_encode(out, gust_str_make((const char *)digest, sizeof(digest)));
    return 0;
}

/* --- the request --- */

typedef bool check_fn(const struct gust__ws_request *r);

static bool is_get(const struct gust__ws_request *r)
{
    return gust_str_eq(r->method, GUST_STR("GET"));
}

static bool is_http_1_1(const struct gust__ws_request *r)
{
    return r->version_major == 1 && r->version_minor >= 1;
}

static bool upgrades_to_websocket(const struct gust__ws_request *r)
{
    return gust__ws_list_has(r->upgrade, GUST_STR("websocket"));
}

static bool connection_upgrades(const struct gust__ws_request *r)
{
    return gust__ws_list_has(r->connection, GUST_STR("upgrade"));
}

static bool origin_is_welcome(const struct gust__ws_request *r)
{
    if (r->origin.ptr == NULL) {
        return true; /* not a browser: nobody's cookies are borrowed */
    }
    if (r->check_origin != NULL) {
        return r->check_origin(r->origin, r->host, r->user);
    }
    return gust__ws_origin_is_same(r->origin, r->host);
}

static bool version_is_13(const struct gust__ws_request *r)
{
    return gust_str_eq(r->version, GUST_STR("13"));
}

static bool has_host(const struct gust__ws_request *r)
{
    return r->host.len > 0;
}

static bool has_key(const struct gust__ws_request *r)
{
    return gust__ws_key_is_valid(r->key);
}

static bool has_no_body(const struct gust__ws_request *r)
{
    return !r->has_body;
}

static bool protocols_are_tokens(const struct gust__ws_request *r)
{
    return r->protocol.ptr == NULL || gust__ws_list_is_tokens(r->protocol);
}

#define MISSING "Missing/Invalid WebSocket headers"

static const struct {
    check_fn *passes;
    struct gust__ws_refusal refusal;
} checks[] = {
    {is_get, {405, "Method Not Allowed", "Allow", "GET"}},
    {is_http_1_1, {400, "WebSocket needs HTTP/1.1", NULL, NULL}},
    {upgrades_to_websocket, {400, "Can \"Upgrade\" only to \"WebSocket\".", NULL, NULL}},
    {connection_upgrades, {400, "\"Connection\" must be \"Upgrade\".", NULL, NULL}},
    {origin_is_welcome, {403, "Cross origin websockets not allowed", NULL, NULL}},
    {version_is_13, {426, "Upgrade Required", "Sec-WebSocket-Version", "13"}},
    {has_host, {400, MISSING, NULL, NULL}},
    {has_key, {400, MISSING, NULL, NULL}},
    {has_no_body, {400, "A WebSocket request has no body", NULL, NULL}},
    {protocols_are_tokens, {400, MISSING, NULL, NULL}},
};

int gust__ws_handshake_check(const struct gust__ws_request *request, struct gust__ws_refusal *out)
{
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i].passes(request)) {
            *out = checks[i].refusal;
            return out->status;
        }
    }
    return 0;
}
