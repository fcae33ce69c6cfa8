/* The opening handshake of a WebSocket server, without I/O (RFC 6455 4.2).
 *
 * What was said in the request goes in as strings, a verdict comes out. The
 * connection asks gust__ws_handshake_check() first; on 0 it picks a subprotocol
 * from the offered ones with gust__ws_list_next(), and answers with
 * gust__ws_accept_key().
 *
 * Everything here is linear in the length of its input and allocates nothing.
 * Relies on util/ and on libcrypto's SHA-1. */
#ifndef GUST_WEBSOCKET_HANDSHAKE_INTERNAL_H
#define GUST_WEBSOCKET_HANDSHAKE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/str.h>

/* Whose pages may connect? `origin` is the field's value, `host` that of Host
 * (ptr NULL where there is none). Called only for a request that has an Origin. */
typedef bool gust__ws_origin_fn(gust_str origin, gust_str host, void *user);

/* The parts of a request that the checks look at. A field that is absent has a
 * NULL ptr; one that came more than once has its values joined by commas. */
struct gust__ws_request {
    gust_str method;
    int version_major, version_minor;
    gust_str host, upgrade, connection, origin;
    gust_str key, version, protocol;  /* the Sec-WebSocket- fields */
    bool has_body;                    /* Content-Length above 0, or Transfer-Encoding */
    gust__ws_origin_fn *check_origin; /* NULL: gust__ws_origin_is_same() */
    void *user;                       /* of check_origin */
};

/* Why a request is refused: an HTTP answer's status and text, and one header
 * that it must have (NULL where it needs none). All static. */
struct gust__ws_refusal {
    int status;
    const char *text;
    const char *header_name, *header_value;
};

/* May this request become a WebSocket?
 *
 * Returns 0, or the status to answer with: 400, 403, 405 or 426; then *out is
 * set. The first failing check decides: GET, HTTP/1.1, Upgrade, Connection,
 * Origin, Sec-WebSocket-Version, Host, Sec-WebSocket-Key, no body, and the form
 * of Sec-WebSocket-Protocol. */
int gust__ws_handshake_check(const struct gust__ws_request *request, struct gust__ws_refusal *out);

/* Is the page at `origin` from the server that was reached as `host`?
 *
 * Host names are compared without case, ports as numbers, where an absent one
 * is the default of the origin's scheme. The schemes are http, https, ws and
 * wss. "null", an origin without a scheme and one with user names are nobody's. */
bool gust__ws_origin_is_same(gust_str origin, gust_str host);

/* Is `origin` one that the `pattern` of an allow-list names?
 *
 * pattern  [scheme "://"] host [":" port]
 *          scheme: without one, http, https, ws and wss match
 *          host: a name or an address; "*.example.org" is every name below
 *          example.org, at whole labels, and not example.org itself
 *          port: without one the scheme's default; "*" is any */
bool gust__ws_origin_matches(gust_str origin, gust_str pattern);

enum { GUST__WS_ACCEPT_LEN = 28 };

/* The Sec-WebSocket-Accept for `key`, GUST__WS_ACCEPT_LEN bytes without NUL.
 * Returns 0, -EINVAL where the key is not well-formed, GUST_ETLS where libcrypto
 * can't do SHA-1. */
int gust__ws_accept_key(gust_str key, char *out);

/* Is it 24 characters of canonical base64, which stand for 16 bytes? */
bool gust__ws_key_is_valid(gust_str key);

/* Cut the next item off a comma-separated list, without the white space around
 * it. Empty items are passed over (RFC 9110 5.6.1.2).
 * Returns false at the end. */
bool gust__ws_list_next(gust_str *rest, gust_str *out_item);

/* Does the list have this item, case apart? */
bool gust__ws_list_has(gust_str list, gust_str item);

/* Does the list have one item or more, and are all of them tokens
 * (RFC 9110 5.6.2)? */
bool gust__ws_list_is_tokens(gust_str list);

#endif
