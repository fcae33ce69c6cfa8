/* What the files of the HTTP server share.
 *
 *   httpserver.c        the server: options, connections, shutdown
 *   http1connection.c   one connection: bytes to requests, time, errors, end
 *   request.c           a request's memory and what can be asked of it
 *   response.c          heads and bodies on their way out
 *   http_parse.c, chunked.c, http_names.c   sans I/O
 *
 * An idle connection is 72 bytes beside its stream. The request, with its
 * parser, is taken from the server's store when a first byte comes and goes
 * back when the response is finished. */
#ifndef GUST_HTTP_INTERNAL_H
#define GUST_HTTP_INTERNAL_H

#include <gust/buf.h>
#include <gust/httpserver.h>
#include <gust/list.h>

#include "httpserver/chunked_internal.h"
#include "httpserver/http_parse_internal.h"
#include "util/check_internal.h"

/* Of a body that the handler did not want: read and drop so many bytes to keep
 * the connection. */
#define GUST__DRAIN_BYTES 65536

/* What the connection's reader does with bytes. */
enum gust__conn_state {
    GUST__CONN_HEAD,   /* waits for a head, or reads one */
    GUST__CONN_BODY,   /* reads a body; the delegate, or nobody, gets it */
    GUST__CONN_WAIT,   /* has a whole request, waits for the response; paused */
    GUST__CONN_LINGER, /* has answered and ended its side; drops what comes */
    GUST__CONN_GONE    /* closed or detached */
};

enum gust__conn_flags {
    GUST__CONN_HEAD_TIMER = 1 << 0, /* the deadline is that of a head */
    GUST__CONN_CONGESTED = 1 << 1   /* paused until the output drains */
};

/* One connection.
 *
 * Invariants
 *  1. its request points back, and is attached
 *  2. HEAD: there is no request, or its head is not known yet
 *  3. BODY: the head was told and the whole request was not
 *  4. WAIT: the request is there and not answered
 *  5. LINGER, GONE: there is no request
 *  6. it is congested between requests only */
struct gust__conn {
    gust_iostream *s;
    gust_httpserver *server;
    gust_request *req; /* being read or answered; NULL: idle */
    gust_list link;    /* in server->connections */
    gust_addr addr;
    uint32_t count; /* requests so far; while lingering: bytes still dropped */
    uint8_t state;
    uint8_t flags;
    uint16_t turn; /* requests answered in this turn of the loop */
};

_Static_assert(sizeof(struct gust__conn) <= 72, "an idle connection is to fit 80 bytes of malloc");

enum gust__request_flags {
    GUST__R_HEAD_DONE = 1 << 0,    /* the delegate knows of it */
    GUST__R_STREAM = 1 << 1,       /* the body goes to data_received */
    GUST__R_BODY_PAUSED = 1 << 2,  /* data_received said GUST_PENDING */
    GUST__R_COMPLETE = 1 << 3,     /* the whole message was read */
    GUST__R_CLOSE = 1 << 4,        /* the connection ends after the response */
    GUST__R_STARTED = 1 << 5,      /* a head was sent */
    GUST__R_CHUNKED = 1 << 6,      /* the response is chunked */
    GUST__R_NO_BODY = 1 << 7,      /* of the response: HEAD, 204, 304 */
    GUST__R_FINISHED = 1 << 8,     /* the response is */
    GUST__R_GONE_TOLD = 1 << 9,    /* on_connection_close was called */
    GUST__R_EXPECT = 1 << 10,      /* the peer waits for 100 Continue */
    GUST__R_DROP = 1 << 11,        /* the rest of the body is read and dropped */
    GUST__R_MAX_SET = 1 << 12,     /* by set_max_body_size */
    GUST__R_HELD = 1 << 13,        /* headers_received said GUST_PENDING */
    GUST__R_HOLDS = 1 << 14,       /* counted in server->refs */
    GUST__R_ATTACHED = 1 << 15,    /* conn->req is this one */
    GUST__R_FINISH_TOLD = 1 << 16, /* the delegate's finish was called */
    GUST__R_BEGINS = 1 << 17,      /* what was held is about to go on */
    GUST__R_ABORTED = 1 << 18      /* the response was broken off */
};

/* What a request with a body needs besides; in its arena. */
struct gust__upload {
    int64_t left;        /* of a Content-Length body still to come */
    gust_time by;        /* when the whole body must be there */
    size_t head_len;     /* of the request */
    gust_buf buffer;     /* a body that came in pieces */
    gust_buf pending;    /* what data_received has yet to get */
    const char *trailer; /* copied bytes of the trailer fields */
    bool chunked;
    struct gust__chunked decoder; /* where it is chunked */
};

/* One request.
 *
 * Invariants
 *  1. attached: there is a connection
 *  2. finish was told of: the message was read to its end
 *  3. paused: there is a body, and it is streamed
 *  4. dropping the rest of the body: the response is finished
 *  5. the response is chunked: its head is out, it has a body, no length is promised
 *  6. the response is finished: its head counts as sent, unless nobody was told of
 *     the request */
struct gust_request {
    struct gust__conn *conn; /* valid while attached, and until that turn of the loop ends */
    gust_httpserver *server;
    gust_request *next_free;
    const char *head; /* the head's bytes, in the arena */
    void *data;       /* the delegate's */
    gust_arena arena;
    uint32_t flags;
    uint32_t depth; /* delegate functions on the stack, and callbacks to come */
    uint16_t status;
    gust_time start;
    gust_time end;    /* 0 while it runs */
    int64_t max_body; /* -1: none */
    gust_time body_timeout;
    int64_t response_left;       /* promised by Content-Length; -1: nothing promised */
    struct gust__upload *upload; /* NULL: no body was announced */
    gust_str body;
    gust_str remote_ip;
    gust_str host_name;
    struct gust__http_parser parser;
    _Alignas(16) struct gust__http_field fields[];
};

/* The constant part of every response's head, made anew once a second:
 * "HTTP/1.1 200 OK\r\n" "Server: ...\r\nDate: ...\r\n", and behind it, for the
 * content type that came last, "Content-Type: ...\r\nContent-Length: ". */
struct gust__head_cache {
    gust_time until; /* on the loop's clock */
    size_t status_len;
    size_t len;
    size_t plain_len;      /* with the content type; 0: none is kept */
    gust_str content_type; /* lies in bytes */
    char bytes[512];
};

struct gust_httpserver {
    gust_ioloop *loop;
    gust_tcpserver *tcp;
    const gust_http_delegate *delegate;
    void *user;
    gust_httpserver_options options; /* with the defaults filled in */
    gust_list connections;
    size_t connection_count;
    gust_arena_pool *arena_pool;
    gust_request *free_requests;
    size_t free_count;
    size_t fields_size;  /* bytes of a request's fields, in whole units of its arena */
    gust_request *ended; /* finished outside the delegate: freed before the loop waits */
    gust_deferred ended_work;
    gust_list detached; /* connections that gave their stream away */
    gust_deferred detached_work;
    size_t refs; /* the user's, connections, requests without one */
    bool freed;
    bool stopping; /* shutdown() runs: keep no connection */
    gust_timer grace;
    gust_shutdown_fn *shutdown_fn;
    void *shutdown_user;
    struct gust__head_cache head;
    gust_request *fresh; /* what every new request is a copy of, up to its fields */
    struct gust__http_known_host known_host;
};

static inline bool gust__req_is(const gust_request *req, unsigned flag)
{
    return (req->flags & flag) != 0;
}

/* The numbers are those above. */
static inline void gust__request_check(const gust_request *req)
{
    unsigned f = req->flags;
    (void)f;
    GUST_ASSERT(!(f & GUST__R_ATTACHED) || req->conn != NULL);         /* 1 */
    GUST_ASSERT(!(f & GUST__R_FINISH_TOLD) || (f & GUST__R_COMPLETE)); /* 2 */
    GUST_ASSERT(!(f & GUST__R_BODY_PAUSED) ||
                (req->upload != NULL && (f & GUST__R_STREAM))); /* 3 */
    GUST_ASSERT(!(f & GUST__R_DROP) || (f & GUST__R_FINISHED)); /* 4 */
    GUST_ASSERT(!(f & GUST__R_CHUNKED) || ((f & GUST__R_STARTED) && !(f & GUST__R_NO_BODY) &&
                                           req->response_left < 0));                     /* 5 */
    GUST_ASSERT(!(f & GUST__R_FINISHED) || (f & (GUST__R_STARTED | GUST__R_GONE_TOLD))); /* 6 */
}

/* httpserver.c */
void gust__server_unref(gust_httpserver *server);
void gust__server_conn_gone(gust_httpserver *server);

/* http1connection.c */
int gust__conn_new(gust_httpserver *server, gust_iostream *s, const gust_addr *addr);
void gust__conn_response_done(gust_request *req); /* the response is finished */
void gust__conn_abort(struct gust__conn *conn);   /* end it now, without an answer */
void gust__conn_shutdown(struct gust__conn *conn);
int gust__conn_detach(gust_request *req, gust_iostream **out_s);
void gust__conn_resume(gust_request *req);
bool gust__conn_is_working(const struct gust__conn *conn); /* not only closing */
bool gust__conn_can_drain(const gust_request *req);

/* request.c */
int gust__request_make_fresh(gust_httpserver *server);
void gust__request_free_spares(gust_httpserver *server);
int gust__request_new(struct gust__conn *conn, gust_request **out_req);
void gust__request_hold_server(gust_request *req);
void gust__request_release(gust_request *req);       /* if finished and not in use */
void gust__request_release_later(gust_request *req); /* its user is still on the stack */
int gust__request_set_head(gust_request *req, const char *data, size_t len);
int gust__request_keep_trailer(gust_request *req, const char *end); /* of a chunked body */

/* response.c */
void gust__response_error(struct gust__conn *conn, int status);

#endif
