/* Numbers for the well-known header names and methods.
 *
 * A name that occurs often gets a small number while a head is parsed, so that
 * nobody has to compare strings later:
 *     gust_str etag = gust_request_header(req, GUST_HTTP_IF_NONE_MATCH);
 * Number 0 is every name that is not in the list; such a field is found by its
 * text. The numbers may change from one version of the library to the next:
 * they are not for storing.
 *
 * The spelling given here is Tornado's, where each word begins with a capital
 * ("Etag", "Sec-Websocket-Key"). What a peer sent and what a program sets keep
 * the spelling that they came with. Names compare without case everywhere
 * (RFC 9110 5.1).
 *
 * Thread: any; all tables are constant. */
#ifndef GUST_HTTPNAMES_H
#define GUST_HTTPNAMES_H

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(suffix, spelling). The first eight decide about the message itself, or may
 * not occur twice; the parser looks into them while it reads. */
#define GUST_HTTP_NAMES(X)                                                                         \
    X(HOST, "Host")                                                                                \
    X(CONTENT_LENGTH, "Content-Length")                                                            \
    X(TRANSFER_ENCODING, "Transfer-Encoding")                                                      \
    X(CONTENT_TYPE, "Content-Type")                                                                \
    X(AUTHORIZATION, "Authorization")                                                              \
    X(CONNECTION, "Connection")                                                                    \
    X(EXPECT, "Expect")                                                                            \
    X(UPGRADE, "Upgrade")                                                                          \
    X(ACCEPT, "Accept")                                                                            \
    X(ACCEPT_CHARSET, "Accept-Charset")                                                            \
    X(ACCEPT_ENCODING, "Accept-Encoding")                                                          \
    X(ACCEPT_LANGUAGE, "Accept-Language")                                                          \
    X(ACCEPT_RANGES, "Accept-Ranges")                                                              \
    X(AGE, "Age")                                                                                  \
    X(ALLOW, "Allow")                                                                              \
    X(CACHE_CONTROL, "Cache-Control")                                                              \
    X(CONTENT_DISPOSITION, "Content-Disposition")                                                  \
    X(CONTENT_ENCODING, "Content-Encoding")                                                        \
    X(CONTENT_LANGUAGE, "Content-Language")                                                        \
    X(CONTENT_LOCATION, "Content-Location")                                                        \
    X(CONTENT_RANGE, "Content-Range")                                                              \
    X(COOKIE, "Cookie")                                                                            \
    X(DATE, "Date")                                                                                \
    X(ETAG, "Etag")                                                                                \
    X(EXPIRES, "Expires")                                                                          \
    X(FORWARDED, "Forwarded")                                                                      \
    X(IF_MATCH, "If-Match")                                                                        \
    X(IF_MODIFIED_SINCE, "If-Modified-Since")                                                      \
    X(IF_NONE_MATCH, "If-None-Match")                                                              \
    X(IF_RANGE, "If-Range")                                                                        \
    X(IF_UNMODIFIED_SINCE, "If-Unmodified-Since")                                                  \
    X(KEEP_ALIVE, "Keep-Alive")                                                                    \
    X(LAST_MODIFIED, "Last-Modified")                                                              \
    X(LOCATION, "Location")                                                                        \
    X(ORIGIN, "Origin")                                                                            \
    X(PRAGMA, "Pragma")                                                                            \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization")                                                  \
    X(PROXY_CONNECTION, "Proxy-Connection")                                                        \
    X(RANGE, "Range")                                                                              \
    X(REFERER, "Referer")                                                                          \
    X(RETRY_AFTER, "Retry-After")                                                                  \
    X(SEC_FETCH_DEST, "Sec-Fetch-Dest")                                                            \
    X(SEC_FETCH_MODE, "Sec-Fetch-Mode")                                                            \
    X(SEC_FETCH_SITE, "Sec-Fetch-Site")                                                            \
    X(SEC_WEBSOCKET_ACCEPT, "Sec-Websocket-Accept")                                                \
    X(SEC_WEBSOCKET_EXTENSIONS, "Sec-Websocket-Extensions")                                        \
    X(SEC_WEBSOCKET_KEY, "Sec-Websocket-Key")                                                      \
    X(SEC_WEBSOCKET_PROTOCOL, "Sec-Websocket-Protocol")                                            \
    X(SEC_WEBSOCKET_VERSION, "Sec-Websocket-Version")                                              \
    X(SERVER, "Server")                                                                            \
    X(SET_COOKIE, "Set-Cookie")                                                                    \
    X(TE, "Te")                                                                                    \
    X(TRAILER, "Trailer")                                                                          \
    X(UPGRADE_INSECURE_REQUESTS, "Upgrade-Insecure-Requests")                                      \
    X(USER_AGENT, "User-Agent")                                                                    \
    X(VARY, "Vary")                                                                                \
    X(VIA, "Via")                                                                                  \
    X(WWW_AUTHENTICATE, "Www-Authenticate")                                                        \
    X(X_FORWARDED_FOR, "X-Forwarded-For")                                                          \
    X(X_FORWARDED_PROTO, "X-Forwarded-Proto")                                                      \
    X(X_REAL_IP, "X-Real-Ip")                                                                      \
    X(X_REQUESTED_WITH, "X-Requested-With")                                                        \
    X(X_SCHEME, "X-Scheme")                                                                        \
    X(X_XSRFTOKEN, "X-Xsrftoken")

enum gust_http_name {
    GUST_HTTP_OTHER_NAME = 0,
#define GUST__X(suffix, spelling) GUST_HTTP_##suffix,
    GUST_HTTP_NAMES(GUST__X)
#undef GUST__X
        GUST_HTTP_NAME_COUNT
};

/* X(suffix): the methods that RFC 9110 and RFC 5789 define. Methods compare
 * with case: "get" is another method. */
#define GUST_HTTP_METHODS(X)                                                                       \
    X(GET)                                                                                         \
    X(HEAD)                                                                                        \
    X(POST)                                                                                        \
    X(PUT)                                                                                         \
    X(DELETE)                                                                                      \
    X(PATCH)                                                                                       \
    X(OPTIONS)                                                                                     \
    X(CONNECT)                                                                                     \
    X(TRACE)

enum gust_http_method {
    GUST_HTTP_OTHER_METHOD = 0,
#define GUST__X(suffix) GUST_HTTP_##suffix,
    GUST_HTTP_METHODS(GUST__X)
#undef GUST__X
        GUST_HTTP_METHOD_COUNT
};

/* The number of a header name, compared without case; GUST_HTTP_OTHER_NAME
 * where it is not in the list. */
enum gust_http_name gust_http_name_lookup(gust_str name);

/* The spelling of a number, as in the list; {NULL, 0} for 0 and for what is no
 * number of a name. Static. */
gust_str gust_http_name_text(enum gust_http_name id);

/* The same for methods. */
enum gust_http_method gust_http_method_lookup(gust_str method);
gust_str gust_http_method_text(enum gust_http_method id);

#ifdef __cplusplus
}
#endif

#endif
