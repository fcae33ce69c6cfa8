/* One connection of HTTP/1.1: from bytes to requests, in time, to its end.
 *
 *            +------------------- next request -------------------+
 *            v                                                    |
 *   accept  HEAD --head--> BODY --all read--> WAIT --response finished
 *            |   \__________ no body __________^      |
 *            |                                        | Connection: close
 *            +--- malformed, too slow, too large      |
 *                       |                             v
 *                       v                        flush, close
 *                    answer, LINGER: end our side, read on for a while, close
 *
 * One request at a time: while a response is being prepared the stream is
 * paused and what the client sends on waits. Time is one deadline of the
 * stream, moved from phase to phase; in the phases that all requests pass it
 * only moves later, which costs a store.
 *
 * Nothing goes while a frame stands on it: a request has req->depth counted
 * around each function of the delegate, and a connection is freed only by work
 * that the loop does between events, on_close() and free_detached(). */
#include <gust/limits.h>
#include <gust/log.h>

#include "httpserver/http_internal.h"
#include "util/alloc_internal.h"
#include "util/arena_internal.h"

static inline void next_request(struct gust__conn *conn);
static void message_complete(struct gust__conn *conn);

/* The numbers are those in http_internal.h. */
static void check(const struct gust__conn *conn)
{
    const gust_request *req = conn->req;
    GUST_ASSERT(req == NULL || (req->conn == conn && gust__req_is(req, GUST__R_ATTACHED))); /* 1 */
    switch (conn->state) {
    case GUST__CONN_HEAD: /* 2 */
        GUST_ASSERT(req == NULL || !gust__req_is(req, GUST__R_HEAD_DONE));
        break;
    case GUST__CONN_BODY: /* 3 */
        GUST_ASSERT(req != NULL && gust__req_is(req, GUST__R_HEAD_DONE) && req->upload != NULL);
        GUST_ASSERT(!gust__req_is(req, GUST__R_FINISH_TOLD));
        break;
    case GUST__CONN_WAIT: /* 4 */
        GUST_ASSERT(req != NULL && gust__req_is(req, GUST__R_COMPLETE));
        GUST_ASSERT(!gust__req_is(req, GUST__R_FINISHED));
        break;
    default: GUST_ASSERT(req == NULL); break; /* 5 */
    }
    GUST_ASSERT(!(conn->flags & GUST__CONN_CONGESTED) || conn->state == GUST__CONN_HEAD ||
                conn->state == GUST__CONN_LINGER); /* 6 */
    (void)req;
}

static void set_deadline(struct gust__conn *conn, gust_time when)
{
    if (gust_iostream_set_deadline(conn->s, when) == -ENOMEM) {
        gust__conn_abort(conn);
    }
}

/* `timeout` from now; a negative one never comes, nor does one beyond all time. */
static gust_time in(const struct gust__conn *conn, gust_time timeout)
{
    gust_time now = gust_ioloop_now(conn->server->loop);
    return timeout < 0 || timeout > GUST_NEVER - now ? GUST_NEVER : now + timeout;
}

/* ---- Ends -------------------------------------------------------------------- */

void gust__conn_abort(struct gust__conn *conn)
{
    gust_iostream_close(conn->s);
}

/* The connection is done with the request at hand. */
static inline void let_go(struct gust__conn *conn)
{
    conn->req->flags &= ~(unsigned)GUST__R_ATTACHED;
    conn->req = NULL;
}

/* Whoever was not told of the whole request, and can't be told that it will
 * never be whole, does not answer it: it ends here. */
static void tell_gone(gust_request *req)
{
    const gust_http_delegate *delegate = req->server->delegate;
    if ((req->flags & (GUST__R_HEAD_DONE | GUST__R_FINISHED | GUST__R_GONE_TOLD)) !=
        GUST__R_HEAD_DONE) {
        return;
    }
    req->flags |= GUST__R_GONE_TOLD;
    bool whole = gust__req_is(req, GUST__R_FINISH_TOLD);
    if (delegate->on_connection_close != NULL && (whole || delegate->headers_received != NULL)) {
        req->depth++;
        delegate->on_connection_close(req, req->server->user);
        req->depth--;
    } else if (!whole) {
        req->flags |= GUST__R_FINISHED;
    }
}

/* Part with the request at hand: its connection can't serve it any more. */
static void orphan(struct gust__conn *conn)
{
    gust_request *req = conn->req;
    if (req == NULL) {
        return;
    }
    if (gust__req_is(req, GUST__R_HEAD_DONE)) {
        (void)gust_request_remote_ip(req); /* for the log, once the address is gone */
    }
    gust__request_hold_server(req);
    let_go(conn);
    req->conn = NULL;
    tell_gone(req);
    gust__request_release(req);
}

/* Send what is queued, however slowly it is read, and close. */
static void close_flushed(struct gust__conn *conn)
{
    conn->state = GUST__CONN_LINGER;
    set_deadline(conn, GUST_NEVER); /* the stream's write_timeout watches */
    gust_iostream_close_after_flush(conn->s);
}

/* The answer is queued. Unread input would make the kernel send a reset, which
 * could overtake it: so end our side, and read on for a while. */
static void linger(struct gust__conn *conn)
{
    conn->state = GUST__CONN_LINGER;
    conn->count = 0;
    if (gust_iostream_is_eof(conn->s) || gust_iostream_shutdown_write(conn->s) != 0) {
        close_flushed(conn);
        return;
    }
    set_deadline(conn, in(conn, conn->server->options.linger_timeout));
    gust_iostream_resume(conn->s);
}

/* Answer a request that can't be served, in the static words of `status`. */
static void refuse(struct gust__conn *conn, int status)
{
    gust_request *req = conn->req;
    bool answer = req == NULL || !gust__req_is(req, GUST__R_STARTED);
    orphan(conn);
    if (!answer) {
        conn->state = GUST__CONN_LINGER;
        gust__conn_abort(conn); /* never a second head into a running body */
        return;
    }
    gust__response_error(conn, status);
    linger(conn);
}

static void log_malformed(struct gust__conn *conn, const char *why)
{
    char ip[GUST_ADDR_TEXT];
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_INFO, "Malformed HTTP message from %.*s: %s",
             GUST_FMT(gust_addr_text(&conn->addr, ip)), why);
}

static void malformed(struct gust__conn *conn, int status, const char *why)
{
    log_malformed(conn, why);
    refuse(conn, status);
}

/* A function of the delegate returned an error. */
static void delegate_failed(struct gust__conn *conn, int code)
{
    GUST_LOG(GUST_LOG_APPLICATION, GUST_LOG_ERROR, "Uncaught error in a delegate: %s",
             gust_err_text(code));
    refuse(conn, 500);
}

static void out_of_memory(struct gust__conn *conn)
{
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "a request was refused: out of memory");
    refuse(conn, 503);
}

/* ---- The head ------------------------------------------------------------------ */

/* Some of a head is there: it has its time from the first byte on. */
static void partial_head(struct gust__conn *conn)
{
    if (!(conn->flags & GUST__CONN_HEAD_TIMER) && gust__http_parser_has_begun(&conn->req->parser)) {
        conn->flags |= GUST__CONN_HEAD_TIMER;
        set_deadline(conn, in(conn, conn->server->options.header_timeout));
    }
}

static bool body_too_large(const gust_request *req)
{
    return req->max_body >= 0 && req->parser.content_length > req->max_body;
}

static int new_upload(gust_request *req, size_t head_len)
{
    struct gust__upload *up = gust__arena_alloc(&req->arena, sizeof *up);
    if (up == NULL) {
        return -ENOMEM;
    }
    memset(up, 0, offsetof(struct gust__upload, decoder));
    up->left = req->parser.content_length;
    up->by = GUST_NEVER;
    up->head_len = head_len;
    req->upload = up;
    return 0;
}

static void init_chunked(gust_request *req)
{
    const gust_httpserver_options *o = &req->server->options;
    size_t head_len = req->upload->head_len;
    size_t left = o->max_header_size > head_len ? o->max_header_size - head_len : 0;
    req->upload->chunked = true;
    gust__chunked_init(&req->upload->decoder, req->max_body < 0 ? INT64_MAX : req->max_body,
                       req->fields + req->parser.count,
                       (uint16_t)(o->max_headers - req->parser.count), left);
}

static void touch_body(struct gust__conn *conn)
{
    gust_time by = in(conn, conn->server->options.body_idle_timeout);
    gust_time all = conn->req->upload->by;
    set_deadline(conn, all < by ? all : by);
}

/* Read the body. at_hand: bytes of it that are there already. */
static void start_body(struct gust__conn *conn, size_t at_hand)
{
    gust_request *req = conn->req;
    if (body_too_large(req) && !gust__req_is(req, GUST__R_DROP)) {
        malformed(conn, 413, "Content-Length too long");
        return;
    }
    if (req->parser.chunked) {
        init_chunked(req);
    }
    if (gust__req_is(req, GUST__R_EXPECT) && !gust__req_is(req, GUST__R_DROP)) {
        req->flags &= ~(unsigned)GUST__R_EXPECT;
        if (at_hand == 0 && !gust__req_is(req, GUST__R_STARTED)) {
            gust_str go_on = GUST_STR("HTTP/1.1 100 Continue\r\n\r\n");
            (void)gust_iostream_write(conn->s, go_on, NULL, NULL);
        }
    }
    req->upload->by = req->body_timeout > 0 ? in(conn, req->body_timeout) : GUST_NEVER;
    if (req->parser.chunked || (uint64_t)req->upload->left > at_hand) {
        touch_body(conn);
    }
}

/* Tell the delegate of the head. Returns false when the request is over. */
static bool tell_head(struct gust__conn *conn, gust_request *req)
{
    const gust_http_delegate *delegate = conn->server->delegate;
    if (delegate->headers_received == NULL) {
        return true;
    }
    req->depth++;
    int code = delegate->headers_received(req, conn->server->user);
    req->depth--;
    if (conn->req != req) {
        gust__request_release(req);
        return false;
    }
    if (code == 0 || gust__req_is(req, GUST__R_FINISHED)) {
        return true;
    }
    if (code != GUST_PENDING) {
        delegate_failed(conn, code);
        return false;
    }
    req->flags |= GUST__R_HELD;
    return true;
}

/* The delegate is not ready for more: the peer waits until resume(). */
static void hold(struct gust__conn *conn)
{
    gust_iostream_pause(conn->s);
    set_deadline(conn, GUST_NEVER);
}

static void begin(struct gust__conn *conn, const char *data, size_t head_len, size_t at_hand)
{
    gust_request *req = conn->req;
    conn->flags &= (uint8_t)~GUST__CONN_HEAD_TIMER;
    conn->count++;
    bool body = gust__http_has_body(&req->parser);
    if ((body && new_upload(req, head_len) != 0) ||
        gust__request_set_head(req, data, head_len) != 0) {
        out_of_memory(conn);
        return;
    }
    if (body) {
        req->flags |= req->parser.expect_continue ? (unsigned)GUST__R_EXPECT : 0u;
        conn->state = GUST__CONN_BODY;
    } else {
        req->flags |= GUST__R_COMPLETE;
        conn->state = GUST__CONN_WAIT;
    }
    if (!tell_head(conn, req)) {
        return;
    }
    if (GUST_UNLIKELY(gust__req_is(req, GUST__R_HELD))) {
        hold(conn);
    } else if (!body) {
        message_complete(conn);
    } else {
        start_body(conn, at_hand);
    }
}

/* Many pipelined requests in one read: let others have their turn. */
static void count_turn(struct gust__conn *conn, bool more)
{
    conn->turn = more ? (uint16_t)(conn->turn + 1) : 0;
    if (conn->turn >= GUST_DEFAULT_PIPELINE_BATCH) {
        conn->turn = 0;
        gust_iostream_yield(conn->s);
    }
}

static size_t read_head(struct gust__conn *conn, gust_str data)
{
    if (conn->req == NULL && gust__request_new(conn, &conn->req) != 0) {
        out_of_memory(conn);
        return data.len;
    }
    struct gust__http_parser *parser = &conn->req->parser;
    ptrdiff_t n = gust__http_parse_request(parser, data.ptr, data.len);
    if (GUST_LIKELY(n > 0)) {
        begin(conn, data.ptr, (size_t)n, data.len - (size_t)n);
        count_turn(conn, (size_t)n < data.len);
        return (size_t)n;
    }
    if (n == 0) {
        partial_head(conn);
        return 0;
    }
    malformed(conn, (int)-n, parser->error);
    return data.len;
}

/* ---- The body -------------------------------------------------------------------- */

/* Keep a piece of a body that is buffered. */
static int buffer_piece(gust_request *req, gust_str piece)
{
    struct gust__upload *up = req->upload;
    if (up->buffer.len == 0 && up->left == (int64_t)piece.len && piece.len <= 2048) {
        req->body = gust_arena_copy(&req->arena, piece);
        return req->body.ptr != NULL ? 0 : -ENOMEM;
    }
    if (up->buffer.max == 0) {
        gust_buf_init(&up->buffer, req->max_body < 0 ? SIZE_MAX / 4 : (size_t)req->max_body);
        if (up->left > 0 && up->left <= 65536) {
            GUST_TRY(gust_buf_reserve(&up->buffer, (size_t)up->left));
        }
    }
    GUST_TRY(gust_buf_append(&up->buffer, piece));
    req->body = gust_buf_peek(&up->buffer);
    return 0;
}

/* Hand pieces of at most chunk_size to the delegate; what is left when it wants
 * to wait is kept. What it returns after it has answered does not count. */
static int stream_piece(gust_request *req, gust_str piece)
{
    gust_httpserver *server = req->server;
    while (piece.len > 0 && !gust__req_is(req, GUST__R_BODY_PAUSED | GUST__R_FINISHED)) {
        size_t n = piece.len < server->options.chunk_size ? piece.len : server->options.chunk_size;
        int code = server->delegate->data_received(req, gust_str_make(piece.ptr, n), server->user);
        if (gust__req_is(req, GUST__R_FINISHED)) {
            return 0;
        }
        if (code == GUST_PENDING) {
            req->flags |= GUST__R_BODY_PAUSED;
        } else if (code != 0) {
            return code;
        }
        piece = gust_str_skip(piece, n);
    }
    if (piece.len > 0 && gust__req_is(req, GUST__R_BODY_PAUSED)) {
        gust_buf *pending = &req->upload->pending;
        if (pending->max == 0) {
            gust_buf_init(pending, GUST_DEFAULT_MAX_BUFFER_SIZE);
        }
        return gust_buf_append(pending, piece);
    }
    return 0;
}

/* A piece of the body for whoever wants it. Returns false when the connection
 * has no more use for the request. */
static bool deliver(struct gust__conn *conn, gust_str piece)
{
    gust_request *req = conn->req;
    if (gust__req_is(req, GUST__R_DROP)) {
        return true;
    }
    req->depth++;
    int code = gust__req_is(req, GUST__R_STREAM) ? stream_piece(req, piece)
                                                 : buffer_piece(req, piece);
    req->depth--;
    if (conn->req != req) {
        gust__request_release(req);
        return false;
    }
    if (gust_iostream_is_closed(conn->s)) {
        return false; /* by the delegate: not a whole message then */
    }
    if (code == -ENOMEM) {
        out_of_memory(conn);
    } else if (code == GUST_EBUFFERFULL) {
        malformed(conn, 413, "body too large");
    } else if (code != 0) {
        delegate_failed(conn, code);
    }
    return code == 0;
}

/* The rest of the message, or of what is there of it, was delivered. */
static void after_piece(struct gust__conn *conn, bool complete)
{
    gust_request *req = conn->req;
    if (gust__req_is(req, GUST__R_BODY_PAUSED)) {
        req->flags |= complete ? (unsigned)GUST__R_COMPLETE : 0u;
        hold(conn);
    } else if (complete) {
        message_complete(conn);
    } else {
        touch_body(conn);
    }
}

static size_t read_chunked(struct gust__conn *conn, gust_str data)
{
    gust_request *req = conn->req;
    size_t taken;
    gust_str payload;
    int event = gust__chunked_feed(&req->upload->decoder, data.ptr, data.len, &taken, &payload);
    if (event < 0) {
        malformed(conn, -event, req->upload->decoder.error);
        return data.len;
    }
    if (event == GUST__CHUNKED_END && gust__request_keep_trailer(req, data.ptr + taken) != 0) {
        out_of_memory(conn);
        return data.len;
    }
    if (payload.len == 0 || deliver(conn, payload)) {
        after_piece(conn, event == GUST__CHUNKED_END);
    }
    return taken;
}

static size_t read_body(struct gust__conn *conn, gust_str data)
{
    gust_request *req = conn->req;
    struct gust__upload *up = req->upload;
    if (up->chunked) {
        return read_chunked(conn, data);
    }
    size_t n = data.len;
    if ((uint64_t)n > (uint64_t)up->left) {
        n = (size_t)up->left;
    }
    if (deliver(conn, gust_str_make(data.ptr, n))) {
        up->left -= (int64_t)n;
        after_piece(conn, up->left == 0);
    }
    return n;
}

/* What was kept while the delegate wanted to wait, then the rest. */
static void resume_body(struct gust__conn *conn)
{
    gust_request *req = conn->req;
    gust_buf rest = req->upload->pending;
    req->upload->pending = (gust_buf){0};
    bool complete = gust__req_is(req, GUST__R_COMPLETE);
    req->flags &= ~(unsigned)GUST__R_COMPLETE;
    if (deliver(conn, gust_buf_peek(&rest))) {
        if (!gust__req_is(req, GUST__R_BODY_PAUSED)) {
            gust_iostream_resume(conn->s);
        }
        after_piece(conn, complete);
    }
    gust_buf_deinit(&rest);
}

/* The delegate wants more. Not from inside its call. */
static void resume(gust_ioloop *loop, void *user)
{
    (void)loop;
    gust_request *req = user;
    struct gust__conn *conn = req->conn;
    bool begins = gust__req_is(req, GUST__R_BEGINS);
    req->flags &= ~(unsigned)GUST__R_BEGINS;
    req->depth--;
    if (!gust__req_is(req, GUST__R_ATTACHED) || gust_iostream_is_closed(conn->s)) {
        gust__request_release(req);
        return;
    }
    check(conn);
    if (!begins) {
        resume_body(conn);
    } else {
        gust_iostream_resume(conn->s);
        if (req->upload != NULL) {
            start_body(conn, gust_iostream_buffered(conn->s));
        } else {
            message_complete(conn);
        }
    }
    check(conn);
}

void gust__conn_resume(gust_request *req)
{
    if (gust__req_is(req, GUST__R_HELD)) {
        req->flags |= GUST__R_BEGINS;
    }
    req->flags &= ~(unsigned)(GUST__R_BODY_PAUSED | GUST__R_HELD);
    gust__request_hold_server(req);
    req->depth++;
    if (gust_ioloop_add_callback(req->server->loop, resume, req) != 0) {
        req->depth--;
        if (gust__req_is(req, GUST__R_ATTACHED)) {
            gust__conn_abort(req->conn);
        }
    }
}

/* ---- The whole request, and its response -------------------------------------------- */

static void message_complete(struct gust__conn *conn)
{
    gust_request *req = conn->req;
    gust_httpserver *server = conn->server;
    req->flags |= GUST__R_COMPLETE;
    conn->state = GUST__CONN_WAIT;
    if (gust__req_is(req, GUST__R_FINISHED)) {
        next_request(conn);
        return;
    }
    req->flags |= GUST__R_FINISH_TOLD;
    req->depth++;
    server->delegate->finish(req, server->user);
    req->depth--;
    if (conn->req == req) {
        hold(conn);
    }
    gust__request_release(req);
}

/* The last answer is queued. A client that was to keep the connection may have
 * sent more, which we don't read. */
static GUST_NOINLINE void end_connection(struct gust__conn *conn, bool was_kept)
{
    if (was_kept) {
        linger(conn);
    } else {
        close_flushed(conn);
    }
}

/* The exchange is over: the response is queued, the message read. */
static inline void next_request(struct gust__conn *conn)
{
    gust_request *req = conn->req;
    bool close = gust__req_is(req, GUST__R_CLOSE);
    bool was_kept = req->parser.keep_alive;
    let_go(conn);
    gust__request_release_later(req);
    if (close) {
        end_connection(conn, was_kept);
        return;
    }
    conn->state = GUST__CONN_HEAD;
    set_deadline(conn, in(conn, conn->server->options.keepalive_timeout));
    if (GUST_UNLIKELY(gust_iostream_is_congested(conn->s))) {
        conn->flags |= GUST__CONN_CONGESTED;
        gust_iostream_pause(conn->s);
    } else {
        gust_iostream_resume(conn->s);
    }
}

bool gust__conn_can_drain(const gust_request *req)
{
    return !req->parser.chunked && req->upload->left <= GUST__DRAIN_BYTES &&
           !gust__req_is(req, GUST__R_EXPECT);
}

void gust__conn_response_done(gust_request *req)
{
    struct gust__conn *conn = req->conn;
    req->end = gust_ioloop_now(req->server->loop);
    if (!gust__req_is(req, GUST__R_ATTACHED)) {
        gust__request_release_later(req);
    } else if (gust__req_is(req, GUST__R_COMPLETE)) {
        next_request(conn);
    } else if (!gust__req_is(req, GUST__R_CLOSE) && gust__conn_can_drain(req)) {
        req->flags |= GUST__R_DROP;
        if (gust__req_is(req, GUST__R_BODY_PAUSED | GUST__R_HELD)) {
            gust__conn_resume(req);
        }
    } else {
        let_go(conn);
        gust__request_release_later(req);
        linger(conn);
    }
}

/* The last that is heard of a connection. */
static void gone(struct gust__conn *conn)
{
    gust_httpserver *server = conn->server;
    gust_list_remove(&conn->link);
    if (server->delegate->on_close != NULL) {
        server->delegate->on_close(conn, server->user);
    }
    gust__free(conn);
    gust__server_conn_gone(server);
}

/* Connections that gave their stream away: told of, and freed, when no frame
 * stands on them. */
static void free_detached(gust_ioloop *loop, gust_deferred *deferred)
{
    (void)loop;
    gust_httpserver *server = GUST_CONTAINER_OF(deferred, gust_httpserver, detached_work);
    server->refs++;
    while (server->detached.next != &server->detached) {
        struct gust__conn *conn = GUST_CONTAINER_OF(server->detached.next, struct gust__conn, link);
        gone(conn);
    }
    gust__server_unref(server);
}

int gust__conn_detach(gust_request *req, gust_iostream **out_s)
{
    struct gust__conn *conn = req->conn;
    GUST_CHECK(gust__req_is(req, GUST__R_ATTACHED) && !gust_iostream_is_closed(conn->s),
               GUST_ECLOSED);
    GUST_CHECK((req->flags & (GUST__R_COMPLETE | GUST__R_FINISHED)) == GUST__R_COMPLETE,
               GUST_ESTATE);
    gust_iostream *s = conn->s;
    gust_httpserver *server = conn->server;
    (void)gust_request_remote_ip(req);
    req->flags |= GUST__R_STARTED | GUST__R_FINISHED;
    req->end = gust_ioloop_now(server->loop);
    let_go(conn);
    req->conn = NULL;
    conn->state = GUST__CONN_GONE;
    gust_list_remove(&conn->link);
    gust_list_push(&server->detached, &conn->link);
    gust_ioloop_defer(server->loop, &server->detached_work, free_detached);
    (void)gust_iostream_set_callbacks(s, NULL, NULL);
    (void)gust_iostream_set_deadline(s, GUST_NEVER);
    gust_iostream_resume(s);
    gust__request_release_later(req);
    *out_s = s;
    return 0;
}

/* ---- What the stream tells -------------------------------------------------------------- */

static size_t read_linger(struct gust__conn *conn, gust_str data)
{
    conn->count += (uint32_t)data.len;
    if (conn->count > conn->server->options.linger_bytes) {
        close_flushed(conn);
    }
    return data.len;
}

static size_t reader(gust_iostream *s, gust_str data, void *user)
{
    (void)s;
    struct gust__conn *conn = user;
    size_t n = data.len;
    check(conn);
    switch (conn->state) {
    case GUST__CONN_HEAD: n = read_head(conn, data); break;
    case GUST__CONN_BODY: n = read_body(conn, data); break;
    case GUST__CONN_WAIT: n = 0; break;
    default: n = read_linger(conn, data); break;
    }
    check(conn);
    return n;
}

/* The peer has ended its side: is what it sent before enough to go on with? Some
 * of it may still wait for us to read on. */
static bool is_half_open(const struct gust__conn *conn)
{
    if (conn->server->options.no_half_open || gust_iostream_is_reading(conn->s)) {
        return false;
    }
    return conn->state == GUST__CONN_WAIT || gust_iostream_buffered(conn->s) > 0 ||
           (conn->req != NULL && gust__req_is(conn->req, GUST__R_COMPLETE));
}

/* Whoever answers may go on, but is told. Where bytes wait this comes again. */
static void half_closed(struct gust__conn *conn)
{
    gust_request *req = conn->req;
    if (req != NULL && gust__req_is(req, GUST__R_FINISH_TOLD)) {
        tell_gone(req);
        gust__request_release(req);
    }
}

static void on_eof(gust_iostream *s, void *user)
{
    (void)s;
    struct gust__conn *conn = user;
    check(conn);
    if (is_half_open(conn)) {
        half_closed(conn);
    } else {
        orphan(conn);
        close_flushed(conn);
    }
    check(conn);
}

/* Nothing of a request is there, but for an empty line before it. */
static bool is_idle(const struct gust__conn *conn)
{
    if (conn->state != GUST__CONN_HEAD) {
        return false;
    }
    return conn->req == NULL ? gust_iostream_buffered(conn->s) == 0
                             : !gust__http_parser_has_begun(&conn->req->parser);
}

static void head_timeout(struct gust__conn *conn)
{
    if (conn->req != NULL && gust__http_parser_has_begun(&conn->req->parser)) {
        malformed(conn, 408, "Timeout reading headers");
    } else if (gust_iostream_is_writing(conn->s) && !conn->server->stopping) {
        /* the last answer is still on its way: no request can be expected */
        set_deadline(conn, in(conn, conn->server->options.keepalive_timeout));
    } else if (is_idle(conn)) {
        orphan(conn);
        close_flushed(conn); /* silently */
    }
}

static void body_timeout(struct gust__conn *conn)
{
    if (gust__req_is(conn->req, GUST__R_FINISHED)) {
        orphan(conn); /* answered: only the rest of the body was missing */
        close_flushed(conn);
    } else {
        malformed(conn, 408, "Timeout reading body");
    }
}

static void linger_timeout(struct gust__conn *conn)
{
    if (gust_iostream_is_writing(conn->s)) {
        set_deadline(conn, in(conn, conn->server->options.linger_timeout));
    } else {
        gust__conn_abort(conn);
    }
}

static void on_timeout(gust_iostream *s, void *user)
{
    (void)s;
    struct gust__conn *conn = user;
    check(conn);
    switch (conn->state) {
    case GUST__CONN_HEAD: head_timeout(conn); break;
    case GUST__CONN_BODY: body_timeout(conn); break;
    case GUST__CONN_LINGER: linger_timeout(conn); break;
    default: break;
    }
    check(conn);
}

static void on_drain(gust_iostream *s, void *user)
{
    struct gust__conn *conn = user;
    if (conn->flags & GUST__CONN_CONGESTED) {
        conn->flags &= (uint8_t)~GUST__CONN_CONGESTED;
        gust_iostream_resume(s);
    }
}

static void on_close(gust_iostream *s, int status, void *user)
{
    (void)s;
    (void)status;
    struct gust__conn *conn = user;
    orphan(conn);
    gone(conn);
}

static const gust_iostream_callbacks callbacks = {.name = "http",
                                                  .reader = reader,
                                                  .on_eof = on_eof,
                                                  .on_drain = on_drain,
                                                  .on_timeout = on_timeout,
                                                  .on_close = on_close};

int gust__conn_new(gust_httpserver *server, gust_iostream *s, const gust_addr *addr)
{
    struct gust__conn *conn = gust__malloc(sizeof *conn);
    if (conn == NULL) {
        return -ENOMEM;
    }
    *conn = (struct gust__conn){.s = s, .server = server};
    if (addr != NULL) {
        conn->addr = *addr;
    }
    int code = gust_iostream_set_deadline(s, in(conn, server->options.keepalive_timeout));
    if (code == 0) {
        code = gust_iostream_set_callbacks(s, &callbacks, conn);
    }
    if (code != 0) {
        (void)gust_iostream_set_callbacks(s, NULL, NULL);
        gust__free(conn);
        return code;
    }
    gust_list_push(&server->connections, &conn->link);
    server->connection_count++;
    server->refs++;
    return 0;
}

/* A graceful stop reaches this connection. */
void gust__conn_shutdown(struct gust__conn *conn)
{
    if (is_idle(conn)) {
        orphan(conn);
        close_flushed(conn);
    }
}

bool gust__conn_is_working(const struct gust__conn *conn)
{
    return !gust_iostream_is_closed(conn->s) &&
           (conn->state != GUST__CONN_LINGER || gust_iostream_is_writing(conn->s));
}
