/* The HTTP/1.1 server: requests in, responses out.
 *
 * What it is for: it turns connections into requests and hands them to a
 * delegate, a table of functions. The web layer is such a delegate; a program
 * that needs neither routing nor handlers can be one itself. Parsing is strict:
 * what RFC 9112 lets a server refuse as ambiguous is refused, nothing is
 * repaired (see limits.h for the bounds and their answers).
 *
 * The life of a request
 *     headers_received      the head is there
 *     data_received ...     pieces of the body, if the delegate wants pieces
 *     finish                the whole request is there (a body that was not
 *                           streamed: gust_request_body())
 *     on_connection_close   instead of finish, or any time after it while the
 *                           response is not finished: the peer is gone
 * The response is written any time from headers_received on, and ended, exactly
 * once, by gust_request_respond() or gust_request_finish(), also after
 * on_connection_close: until then the request and its arena live. The next
 * request of the connection is read when this one's response is finished.
 *
 * Inside a delegate function a request is never freed under its feet:
 * gust_request_finish() frees after it has returned.
 *
 * No function here names a socket, so that another protocol's stream can carry
 * requests as well. Thread: the loop's.
 *
 * Source: tornado.httpserver, tornado.http1connection, tornado.httputil. */
#ifndef GUST_HTTPSERVER_H
#define GUST_HTTPSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>
#include <gust/hash.h>
#include <gust/headers.h>
#include <gust/httpnames.h>
#include <gust/httpstatus.h>
#include <gust/iostream.h>
#include <gust/tcpserver.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_httpserver gust_httpserver;
typedef struct gust_request gust_request;

/* Who answers requests. Static; NULL members are allowed except finish.
 *
 * headers_received  may look at the head, set limits, choose to stream, answer
 *                   already (the body is then dropped), or detach. Returns 0;
 *                   GUST_PENDING: neither 100 (Continue), nor a byte of the body,
 *                   nor finish before gust_request_resume(); or a code: the
 *                   connection ends (500 where nothing was sent). What is
 *                   returned after the response was finished does not count
 * data_received     a piece of the body, at most chunk_size bytes, lent; only of
 *                   requests for which gust_request_stream_body() was called,
 *                   others are buffered. Returns 0; or GUST_PENDING: no more is
 *                   read until gust_request_resume(); or a code, as
 *                   headers_received
 * finish            the request is complete. The response may be written here
 *                   or later
 * on_connection_close  the peer is gone, or broke the protocol; writes are
 *                   dropped from now on. Not called once the response is
 *                   finished. Where the peer has only ended its own side after a
 *                   whole request it is told too, and an answer still reaches
 *                   it. NULL: a request that ends before finish is forgotten, so
 *                   whoever keeps one from before finish needs this function
 * on_close          a connection has ended, or its stream was detached;
 *                   `connection` is the same for all its requests
 *                   (gust_request_connection). The last call for it: after
 *                   gust_httpserver_free() too the delegate is called until its
 *                   connections are closed, in the next turn of the loop */
typedef struct gust_http_delegate {
    const char *name;
    int (*headers_received)(gust_request *req, void *user);
    int (*data_received)(gust_request *req, gust_str chunk, void *user);
    void (*finish)(gust_request *req, void *user);
    void (*on_connection_close)(gust_request *req, void *user);
    void (*on_close)(const void *connection, void *user);
} gust_http_delegate;

/* "Not ready": what a function returns that will go on later. Neither an error
 * (negative) nor an HTTP status (100 and more). */
#define GUST_PENDING 1

/* Options; 0 in a member means its default (limits.h); -1 switches a time off.
 * Copied by gust_httpserver_new(), but for the texts, which must live as long as
 * the server. */
typedef struct gust_httpserver_options {
    gust_tcpserver_options tcp;         /* connections, buffers, accepting */
    bool no_keep_alive;                 /* close after each response */
    bool no_server_header;              /* do not send Server */
    bool no_half_open;                  /* a peer that ends its side is gone */
    const char *server_header;          /* instead of "Gust/<version>"; at most 128 bytes */
    const char *protocol;               /* "https" behind a TLS proxy; NULL: "http" */
    size_t chunk_size;                  /* largest piece for data_received, 64 KiB */
    size_t max_header_size;             /* start line and fields; 431 */
    size_t max_request_line;            /* 414 */
    size_t max_headers;                 /* fields; 431; at most 1,000 */
    int64_t max_body_size;              /* of a buffered body; 413; -1: none */
    size_t max_requests_per_connection; /* then close; 0: no limit */
    gust_time header_timeout;           /* from a head's first byte to its last; 408 */
    gust_time keepalive_timeout;        /* idle between requests; silent close */
    gust_time body_idle_timeout;        /* without a byte of the body; 408 */
    gust_time body_timeout;             /* for the whole body; 408; 0: none */
    gust_time write_timeout;            /* queued output without progress; abort */
    gust_time linger_timeout;           /* reading on after an early answer */
    size_t linger_bytes;                /* and so many bytes; below 2 GiB */
} gust_httpserver_options;

/* Make a server that does not listen yet.
 *
 * options   NULL for the defaults; copied
 * delegate  static; user is passed to each of its functions
 * Returns 0, -ENOMEM, -EINVAL for options out of range. */
int gust_httpserver_new(gust_ioloop *loop, const gust_httpserver_options *options,
                        const gust_http_delegate *delegate, void *user,
                        gust_httpserver **out_server);

/* Listen; as gust_tcpserver_listen() and gust_tcpserver_add_socket(). */
int gust_httpserver_listen(gust_httpserver *server, int port, const char *address);
int gust_httpserver_add_socket(gust_httpserver *server, int fd);

/* Serve HTTP on a stream that is there already (of another transport, or one
 * end of gust_iostream_pair()). addr may be NULL. The stream must have no
 * callbacks and no read pending; its options, write_timeout among them, are its
 * own. Returns 0, -ENOMEM, -EBUSY, GUST_ECLOSED, -errno of the poller: the stream
 * is then still the caller's. */
int gust_httpserver_serve(gust_httpserver *server, gust_iostream *s, const gust_addr *addr);

/* Stop accepting. Connections go on. Harmless twice. */
void gust_httpserver_stop(gust_httpserver *server);

/* Close every connection now, whatever it does. */
void gust_httpserver_close_all_connections(gust_httpserver *server);

typedef void gust_shutdown_fn(gust_httpserver *server, size_t aborted, void *user);

/* Stop gracefully: accept no more, close idle connections, let running requests
 * end (with Connection: close), and when none is left or `grace` has passed
 * abort the rest and call fn, from the loop, with the number aborted.
 * Connections that were detached (WebSockets) are not waited for.
 *
 * grace  0: the default of limits.h
 * Returns 0, -EBUSY when a shutdown runs already, -ENOMEM. */
int gust_httpserver_shutdown(gust_httpserver *server, gust_time grace, gust_shutdown_fn *fn,
                             void *user);

/* Close all connections and free the server as soon as none of its frames is
 * running. Requests that are still being answered stay valid until they are
 * finished. NULL is allowed. */
void gust_httpserver_free(gust_httpserver *server);

/* The port of the first listening socket, 0 where there is none; how many connections are
 * open; the loop that it runs on. */
int gust_httpserver_port(const gust_httpserver *server);
size_t gust_httpserver_connections(const gust_httpserver *server);
gust_ioloop *gust_httpserver_loop(const gust_httpserver *server);

/* ---- The request ------------------------------------------------------ */

/* What was asked. All slices live as long as the request. */
enum gust_http_method gust_request_method(const gust_request *req);
gust_str gust_request_method_text(const gust_request *req);
gust_str gust_request_uri(const gust_request *req);           /* the target as received */
gust_str gust_request_path(const gust_request *req);          /* still percent-encoded */
gust_str gust_request_query(const gust_request *req);         /* behind the first '?', undecoded */
int gust_request_version_minor(const gust_request *req);      /* 0 or 1: HTTP/1.0, HTTP/1.1 */
gust_str gust_request_host(const gust_request *req);          /* as received; none: 127.0.0.1 */
gust_str gust_request_host_name(const gust_request *req);     /* lower case, without the port */
gust_str gust_request_protocol(const gust_request *req);      /* options.protocol, or "http" */
bool gust_request_wants_upgrade(const gust_request *req);     /* 1.1, upgrade, no body */
bool gust_request_has_body(const gust_request *req);          /* announced by the head */
int64_t gust_request_content_length(const gust_request *req); /* -1: none, or chunked */

/* The peer. The text is "0.0.0.0" where there is no IP address. */
const gust_addr *gust_request_remote_addr(const gust_request *req);
gust_str gust_request_remote_ip(gust_request *req);

/* Header fields as received. By id: of the first field of that name, ptr NULL
 * where there is none; all values joined with ", " by _joined (ptr NULL where
 * there is none or memory is short). By position: false past the end. */
gust_str gust_request_header(const gust_request *req, enum gust_http_name id);
gust_str gust_request_header_named(const gust_request *req, gust_str name);
gust_str gust_request_header_joined(gust_request *req, enum gust_http_name id);
bool gust_request_header_at(const gust_request *req, size_t i, gust_str *out_name,
                            gust_str *out_value);

/* The body, whole, where it was buffered; valid from finish on. Empty where there
 * is none or it was streamed. */
gust_str gust_request_body(const gust_request *req);

/* Trailer fields of a chunked body: false past the end. */
bool gust_request_trailer_at(const gust_request *req, size_t i, gust_str *out_name,
                             gust_str *out_value);

/* The time from the parsed head to now, or to the end of the response. */
gust_time gust_request_time(const gust_request *req);

gust_ioloop *gust_request_loop(const gust_request *req);
gust_httpserver *gust_request_server(const gust_request *req); /* NULL once it was freed */
const void *gust_request_connection(const gust_request *req);  /* NULL once it has ended */

/* Memory that lives as long as the request. Allocating makes no malloc until a
 * few KiB are used. */
gust_arena *gust_request_arena(gust_request *req);

/* A place for the delegate's own object of this request. */
void *gust_request_data(const gust_request *req);
void gust_request_set_data(gust_request *req, void *data);

/* ---- Reading the body -------------------------------------------------- */

/* In headers_received: get the body in pieces, by data_received (without which
 * it does nothing). Lifts the body limit unless one is set below. */
void gust_request_stream_body(gust_request *req);

/* For this request only, in headers_received; -1: none. */
void gust_request_set_max_body_size(gust_request *req, int64_t bytes);
void gust_request_set_body_timeout(gust_request *req, gust_time timeout);

/* Go on after headers_received or data_received returned GUST_PENDING; from a
 * later callback. Harmless when nothing waits. */
void gust_request_resume(gust_request *req);

/* ---- The response ------------------------------------------------------ */

/* A response's head; {0} with a status is complete.
 *
 * Date, Server and what frames the body (Content-Length or chunked, Connection)
 * are added; those that stand in `headers` are taken from there. A
 * Content-Length of the caller's must be digits, must stand there once, and is
 * held to what follows; 1xx and 204, which may have none, leave it out. A
 * Connection of the caller's that names close ends the connection. A
 * Transfer-Encoding is refused (GUST_EHEADER). */
typedef struct gust_response {
    int status;                          /* 100 .. 999 */
    gust_str reason;                     /* empty: the standard phrase */
    gust_str content_type;               /* empty: none */
    gust_str etag;                       /* with its quotes; empty: etag_hash, or none */
    const gust_hash128_value *etag_hash; /* sent as a strong ETag; NULL: none */
    const gust_headers *headers;         /* further fields; NULL: none */
} gust_response;

/* Answer with a whole response in one write: head and body (copied), then
 * finish. The status is 200 or more. Content-Length is added, except with 204 and
 * 304, whose body must be empty; a body for HEAD is counted and not sent.
 *
 * Returns 0; GUST_ESTATE when a head was sent or the request is finished;
 * GUST_EHEADER, GUST_ELENGTH, -EINVAL for what can't be sent (nothing was sent
 * then and the request is not finished), and so with -ENOMEM and
 * GUST_EBUFFERFULL for a body that passes the stream's write limit. On a
 * connection that is gone it finishes and returns 0. */
int gust_request_respond(gust_request *req, const gust_response *response, gust_str body);

/* The same with a body that becomes the request's: free_fn(free_user), which is
 * not NULL, is called exactly once when it is sent or dropped, also on failure. */
int gust_request_respond_adopt(gust_request *req, const gust_response *response, gust_str body,
                               void (*free_fn)(void *free_user), void *free_user);

/* Send the head, with a first piece of the body. Without a Content-Length in
 * the headers the body is chunked (HTTP/1.1) or ended by closing (HTTP/1.0).
 * A 1xx status other than 101 may be followed by another head. Returns as
 * respond. */
int gust_request_write_headers(gust_request *req, const gust_response *response, gust_str chunk);

/* Send a piece of the body; an empty one sends nothing.
 *
 * fn  called when the kernel has it all and what was written before it (with an
 *     empty piece too), or with GUST_ECLOSED; never before this returns and not
 *     after the request is finished; may be NULL
 * Returns 0, GUST_ESTATE before the head or after finish, GUST_EBUFFERFULL when
 * the stream takes no more for now (nothing was written); GUST_ELENGTH for more
 * than Content-Length said and -ENOMEM, after which the connection ends. */
typedef void gust_request_write_fn(gust_request *req, int status, void *user);
int gust_request_write(gust_request *req, gust_str chunk, gust_request_write_fn *fn, void *user);

/* End the response. Where no head was sent it is a 500 without a body; where
 * fewer bytes came than announced the connection ends. The request may not be
 * used any more once the running callback has returned.
 * Returns 0, GUST_ESTATE when it was finished already, GUST_ELENGTH. */
int gust_request_finish(gust_request *req);

/* Break the response off: what was written goes out and the connection ends
 * there, without the body's end, so that the peer can't take what it has for a
 * whole answer. What is written later is dropped. The request still needs its
 * finish. */
void gust_request_abort(gust_request *req);

/* Send what was written now. */
void gust_request_flush(gust_request *req);

bool gust_request_is_finished(const gust_request *req);
bool gust_request_headers_sent(const gust_request *req);
bool gust_request_is_connected(const gust_request *req); /* the peer can still be written to */
bool gust_request_is_congested(const gust_request *req); /* wait before writing more */

/* The connection ends after this response (Connection: close). */
void gust_request_set_close(gust_request *req);

/* Take the stream out of HTTP, for a protocol that was upgraded to. Whatever
 * was written goes out first; bytes behind the request's head are offered to
 * the callbacks that the caller gives the stream. The request is finished. The
 * stream still counts for max_connections.
 * Returns 0, GUST_ECLOSED, GUST_ESTATE while a body is being read or after the
 * end. */
int gust_request_detach(gust_request *req, gust_iostream **out_s);

#ifdef __cplusplus
}
#endif

#endif
