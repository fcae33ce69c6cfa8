/* Heads and bodies on their way out.
 *
 * A head is built in one place: its size is added up, room of that size is
 * reserved in the stream's queue (or taken from the arena where it is large),
 * and then it is written without further checks. Status line, Server and Date
 * are constant for a second and copied in one piece. */
#include <gust/httpdate.h>
#include <gust/limits.h>

#include "httpserver/http_internal.h"
#include "util/alloc_internal.h"
#include "util/arena_internal.h"

/* Bodies up to here are copied behind the head. */
#define COPY_BODY 8192

/* Room that gust_iostream_reserve() gives at most. */
#define MAX_ROOM 2048

#define DATE_LEN 29
#define HASH_DIGITS 32

/* What a head says about the connection and the body. */
struct framing {
    bool close;
    bool chunked;
    bool has_length; /* write Content-Length: length */
    uint64_t length;
    bool own_length; /* the caller's headers have one */
    bool own_date;
    bool own_server;
    bool own_connection;
    bool own_close;    /* which says close */
    bool leave_length; /* the caller's must not be sent */
};

static gust_str lit(const char *text, size_t len)
{
    return gust_str_make(text, len);
}
#define LIT(text) lit(text, sizeof(text) - 1)

static char *put(char *out, gust_str s)
{
    memcpy(out, s.ptr, s.len);
    return out + s.len;
}

/* ---- The constant part ------------------------------------------------------ */

static void refresh_head(gust_httpserver *server, gust_time now)
{
    struct gust__head_cache *h = &server->head;
    char *p = put(h->bytes, LIT("HTTP/1.1 200 OK\r\n"));
    gust_time wall = gust_ioloop_wall_time(server->loop);
    h->status_len = (size_t)(p - h->bytes);
    if (!server->options.no_server_header) {
        p = put(p, LIT("Server: "));
        p = put(p, gust_str_from(server->options.server_header));
        p = put(p, LIT("\r\n"));
    }
    p = put(p, LIT("Date: "));
    gust_httpdate_format(p, wall / GUST_SECONDS(1));
    p = put(p + DATE_LEN, LIT("\r\n"));
    h->len = (size_t)(p - h->bytes);
    h->plain_len = 0;
    h->content_type = gust_str_make(NULL, 0);
    h->until = now + GUST_SECONDS(1) - wall % GUST_SECONDS(1);
}

static struct gust__head_cache *head_cache(gust_httpserver *server)
{
    gust_time now = gust_ioloop_now(server->loop);
    if (GUST_UNLIKELY(now >= server->head.until)) {
        refresh_head(server, now);
    }
    return &server->head;
}

/* Longest content type that is kept behind the constant part. */
#define MAX_KEPT_TYPE 128

static GUST_NOINLINE void keep_type(struct gust__head_cache *h, gust_str type)
{
    char *p = put(h->bytes + h->len, LIT("Content-Type: "));
    h->content_type = lit(p, type.len);
    p = put(p, type);
    p = put(p, LIT("\r\nContent-Length: "));
    h->plain_len = (size_t)(p - h->bytes);
}

/* ---- Deciding ----------------------------------------------------------------- */

/* A list member of Connection, without case? */
static bool has_token(gust_str list, gust_str token)
{
    gust_str piece;
    while (gust_str_split(&list, ',', &piece)) {
        if (gust_str_case_eq(gust_str_trim(piece), token)) {
            return true;
        }
    }
    return false;
}

/* What the caller's own fields say. */
static int read_own(const gust_headers *headers, struct framing *f)
{
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        const gust_header *h = &headers->items[i];
        switch (h->id) {
        case GUST_HTTP_CONTENT_LENGTH:
            GUST_CHECK(!f->own_length, GUST_ELENGTH); /* two would leave the end to the reader */
            f->own_length = true;
            GUST_CHECK(gust_str_to_u64(h->value, INT64_MAX, &f->length) == 0, GUST_ELENGTH);
            break;
        case GUST_HTTP_TRANSFER_ENCODING: return GUST_EHEADER; /* ours to decide */
        case GUST_HTTP_CONNECTION:
            f->own_connection = true;
            f->own_close = f->own_close || has_token(h->value, LIT("close"));
            break;
        case GUST_HTTP_DATE: f->own_date = true; break;
        case GUST_HTTP_SERVER: f->own_server = true; break;
        default: break;
        }
    }
    return 0;
}

static inline bool must_close(const gust_request *req)
{
    const gust_httpserver *server = req->server;
    size_t max = server->options.max_requests_per_connection;
    return gust__req_is(req, GUST__R_CLOSE) || !req->parser.keep_alive ||
           server->options.no_keep_alive || server->stopping ||
           (max != 0 && req->conn->count >= max);
}

static bool has_no_body(const gust_request *req, int status)
{
    return status < 200 || status == 204 || status == 304 ||
           req->parser.method_id == GUST_HTTP_HEAD;
}

/* Frame a response. length: of the whole body, or -1 where it is not known. */
static int frame(gust_request *req, const gust_response *response, int64_t length,
                 struct framing *f)
{
    bool bodiless = response->status < 200 || response->status == 204;
    *f = (struct framing){0};
    if (response->headers != NULL && response->headers->count > 0) {
        GUST_TRY(read_own(response->headers, f));
        req->flags |= f->own_close ? (unsigned)GUST__R_CLOSE : 0u;
    }
    if (bodiless) {
        f->leave_length = f->own_length; /* RFC 9110 8.6 */
        f->own_length = false;
    } else if (length >= 0 && !f->own_length && response->status != 304) {
        f->has_length = true;
        f->length = (uint64_t)length;
    } else if (length < 0 && !f->own_length && !has_no_body(req, response->status)) {
        f->chunked = req->parser.minor >= 1;
        if (!f->chunked) {
            req->flags |= GUST__R_CLOSE;
        }
    }
    f->close = response->status >= 200 && must_close(req);
    return 0;
}

/* ---- Building ------------------------------------------------------------------ */

static size_t fields_size(const gust_headers *headers)
{
    size_t size = 0;
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        size += headers->items[i].name.len + headers->items[i].value.len + 4;
    }
    return size;
}

/* Of either form. */
static inline size_t etag_size(const gust_response *response)
{
    return sizeof "Etag: \"\"\r\n" + HASH_DIGITS + response->etag.len;
}

/* An upper bound of the head's size. */
static size_t head_size(const struct gust__head_cache *cache, const gust_response *response,
                        gust_str reason)
{
    return cache->len + sizeof "HTTP/1.1 999 \r\n" + reason.len + sizeof "Content-Type: \r\n" +
           response->content_type.len + sizeof "Content-Length: 18446744073709551615\r\n" +
           sizeof "Transfer-Encoding: chunked\r\n" + sizeof "Connection: Keep-Alive\r\n" +
           etag_size(response) + fields_size(response->headers) + 2;
}

static char *put_status(char *p, int status, gust_str reason)
{
    p = put(p, LIT("HTTP/1.1 "));
    p[0] = (char)('0' + status / 100);
    p[1] = (char)('0' + status / 10 % 10);
    p[2] = (char)('0' + status % 10);
    p[3] = ' ';
    p = put(p + 4, reason);
    return put(p, LIT("\r\n"));
}

/* Server and Date, but for those that the caller gave. */
static char *put_constant(char *p, gust_httpserver *server, const struct gust__head_cache *cache,
                          const struct framing *f)
{
    gust_str rest = lit(cache->bytes + cache->status_len, cache->len - cache->status_len);
    size_t date = sizeof "Date: " - 1 + DATE_LEN + 2;
    if (f->own_server || server->options.no_server_header) {
        rest = gust_str_skip(rest, rest.len - date);
    }
    if (f->own_date) {
        rest.len -= date;
    }
    return put(p, rest);
}

/* But for one name, which may be none of them. */
static inline char *put_fields(char *p, const gust_headers *headers, enum gust_http_name but)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (but != GUST_HTTP_OTHER_NAME && headers->items[i].id == but) {
            continue;
        }
        p = put(p, headers->items[i].name);
        p = put(p, LIT(": "));
        p = put(p, headers->items[i].value);
        p = put(p, LIT("\r\n"));
    }
    return p;
}

static inline bool has_etag(const gust_response *response)
{
    return response->etag.len > 0 || response->etag_hash != NULL;
}

/* A hash is printed where it goes, and needs no check. */
static char *put_etag(char *p, const gust_response *response)
{
    p = put(p, LIT("Etag: "));
    if (response->etag.len > 0) {
        p = put(p, response->etag);
        return put(p, LIT("\r\n"));
    }
    *p = '"';
    gust_hash128_hex(p + 1, *response->etag_hash);
    return put(p + 1 + HASH_DIGITS, LIT("\"\r\n"));
}

static char *put_connection(char *p, const gust_request *req, const struct framing *f)
{
    if (f->close) {
        bool say = !f->own_close && (req->parser.minor >= 1 || req->parser.keep_alive);
        return say ? put(p, LIT("Connection: close\r\n")) : p;
    }
    return req->parser.minor == 0 && !f->own_connection ? put(p, LIT("Connection: Keep-Alive\r\n"))
                                                        : p;
}

static char *put_head(char *p, gust_request *req, const gust_response *response, gust_str reason,
                      const struct gust__head_cache *cache, const struct framing *f)
{
    if (reason.len == 0) { /* it is in the constant part */
        p = put(p, lit(cache->bytes, cache->len));
    } else {
        p = put_status(p, response->status, reason);
        if (response->status >= 200 || response->status == 101) {
            p = put_constant(p, req->server, cache, f);
        }
    }
    if (response->content_type.len > 0) {
        p = put(p, LIT("Content-Type: "));
        p = put(p, response->content_type);
        p = put(p, LIT("\r\n"));
    }
    if (f->has_length) {
        p = put(p, LIT("Content-Length: "));
        p += gust_u64_to_dec(p, f->length);
        p = put(p, LIT("\r\n"));
    } else if (f->chunked) {
        p = put(p, LIT("Transfer-Encoding: chunked\r\n"));
    }
    if (has_etag(response)) {
        p = put_etag(p, response);
    }
    if (response->headers != NULL) {
        p = put_fields(p, response->headers,
                       f->leave_length ? GUST_HTTP_CONTENT_LENGTH : GUST_HTTP_OTHER_NAME);
    }
    if (f->close || req->parser.minor == 0) {
        p = response->status >= 200 ? put_connection(p, req, f) : p;
    }
    return put(p, LIT("\r\n"));
}

/* Queue a head and, where it is small, the body behind it. Sets *out_rest to
 * the part of the body that is still to be written. */
static int send_head(gust_request *req, const gust_response *response, const struct framing *f,
                     gust_str body, gust_str *out_rest)
{
    const struct gust__head_cache *cache = head_cache(req->server);
    gust_str reason = response->reason;
    bool constant = response->status == 200 && !f->own_date && !f->own_server;
    if (reason.len == 0 && !constant) {
        reason = gust_http_reason(response->status);
    }
    size_t size = head_size(cache, response, reason);
    gust_iostream *s = req->conn->s;
    size_t space = gust_iostream_write_space(s);
    GUST_CHECK(size <= space && body.len <= space - size, GUST_EBUFFERFULL);
    *out_rest = body;
    if (size > MAX_ROOM) {
        char *head = gust__arena_alloc(&req->arena, size);
        if (head == NULL) {
            return -ENOMEM;
        }
        size = (size_t)(put_head(head, req, response, reason, cache, f) - head);
        return gust_iostream_write(s, lit(head, size), NULL, NULL);
    }
    char *room;
    bool together = body.len <= MAX_ROOM - size;
    GUST_TRY(gust_iostream_reserve(s, together ? size + body.len : size, &room));
    char *end = put_head(room, req, response, reason, cache, f);
    if (together && body.len > 0) {
        end = put(end, body);
    }
    if (together) {
        *out_rest = gust_str_make(NULL, 0);
    }
    gust_iostream_commit(s, (size_t)(end - room));
    return 0;
}

/* ---- Checks --------------------------------------------------------------------- */

/* May a head be sent now, and is it one? */
static int check_response(const gust_request *req, const gust_response *response)
{
    GUST_CHECK(!gust__req_is(req, GUST__R_STARTED | GUST__R_FINISHED), GUST_ESTATE);
    GUST_CHECK(response->status >= 100 && response->status <= 999, -EINVAL);
    if (response->reason.len > 0) {
        GUST_CHECK(gust_header_value_is_valid(response->reason), GUST_EHEADER);
    }
    if (response->content_type.len > 0) {
        GUST_CHECK(gust_header_value_is_valid(response->content_type), GUST_EHEADER);
    }
    if (response->etag.len > 0) {
        GUST_CHECK(gust_header_value_is_valid(response->etag), GUST_EHEADER);
    }
    return 0;
}

static inline bool is_connected(const gust_request *req)
{
    return req->conn != NULL && !gust__req_is(req, GUST__R_ABORTED) &&
           !gust_iostream_is_closed(req->conn->s);
}

/* The answer can't be got out, and half of it may be: end the connection. */
static void give_up(gust_request *req)
{
    if (req->conn != NULL) {
        gust__conn_abort(req->conn);
    }
}

/* ---- The plain response -----------------------------------------------------------

 * A 200 with a body to a whole HTTP/1.1 request on a connection that goes on:
 * all of its head is constant for a second but the length and the fields of the
 * program. What is not exactly that takes the general way below. */

/* Does no field decide about the head's other parts? */
static inline bool has_plain_fields(const gust_headers *headers)
{
    const uint64_t special = UINT64_C(1) << GUST_HTTP_CONTENT_LENGTH |
                             UINT64_C(1) << GUST_HTTP_TRANSFER_ENCODING |
                             UINT64_C(1) << GUST_HTTP_CONNECTION | UINT64_C(1) << GUST_HTTP_DATE |
                             UINT64_C(1) << GUST_HTTP_SERVER;
    _Static_assert(GUST_HTTP_SERVER < 64 && GUST_HTTP_DATE < 64, "they fit the set");
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        if (headers->items[i].id < 64 && (special >> headers->items[i].id & 1)) {
            return false;
        }
    }
    return true;
}

static bool is_plain(const gust_request *req, const gust_response *response)
{
    const unsigned state = GUST__R_COMPLETE | GUST__R_CLOSE | GUST__R_STARTED | GUST__R_FINISHED;
    return response->status == 200 && response->reason.len == 0 && req->parser.minor == 1 &&
           req->parser.method_id != GUST_HTTP_HEAD && (req->flags & state) == GUST__R_COMPLETE &&
           response->content_type.len - 1 < MAX_KEPT_TYPE && has_plain_fields(response->headers) &&
           req->conn != NULL && !must_close(req);
}

/* Returns false, with nothing done, where it can't be sent this way. */
static bool respond_plain(gust_request *req, const gust_response *response, gust_str body)
{
    struct gust__head_cache *cache = head_cache(req->server);
    gust_str type = response->content_type;
    if (!gust_str_eq(type, cache->content_type)) {
        if (!gust_header_value_is_valid(type)) {
            return false;
        }
        keep_type(cache, type);
    }
    gust_str etag = response->etag;
    if (etag.len > 0 && !gust_header_value_is_valid(etag)) {
        return false;
    }
    size_t size = cache->plain_len + sizeof "18446744073709551615\r\n\r\n" + etag_size(response) +
                  fields_size(response->headers) + body.len;
    char *room;
    if (size > MAX_ROOM || gust_iostream_reserve(req->conn->s, size, &room) != 0) {
        return false;
    }
    char *p = put(room, lit(cache->bytes, cache->plain_len));
    p += gust_u64_to_dec(p, body.len);
    p = put(p, LIT("\r\n"));
    if (has_etag(response)) {
        p = put_etag(p, response);
    }
    if (response->headers != NULL) {
        p = put_fields(p, response->headers, GUST_HTTP_OTHER_NAME);
    }
    p = put(p, LIT("\r\n"));
    if (body.len > 0) {
        p = put(p, body);
    }
    gust_iostream_commit(req->conn->s, (size_t)(p - room));
    return true;
}

/* ---- Whole responses -------------------------------------------------------------- */

/* Frame and send. `body` is what goes out; its length is what is announced. */
static int respond(gust_request *req, const gust_response *response, gust_str *body)
{
    struct framing f;
    GUST_TRY(check_response(req, response));
    GUST_CHECK(response->status >= 200, -EINVAL);
    bool empty = response->status == 204 || response->status == 304;
    GUST_CHECK(!empty || body->len == 0, GUST_ELENGTH);
    if (!is_connected(req)) {
        body->len = 0;
        return 0;
    }
    if (!gust__req_is(req, GUST__R_COMPLETE) && !gust__conn_can_drain(req)) {
        req->flags |= GUST__R_CLOSE;
    }
    GUST_TRY(frame(req, response, (int64_t)body->len, &f));
    if (has_no_body(req, response->status)) {
        body->len = 0; /* HEAD: counted, not sent */
    } else if (f.own_length && f.length != body->len) {
        return GUST_ELENGTH;
    }
    GUST_TRY(send_head(req, response, &f, *body, body));
    if (f.close) {
        req->flags |= GUST__R_CLOSE;
    }
    return 0;
}

static void finish(gust_request *req, int status)
{
    req->status = (uint16_t)status;
    req->flags |= GUST__R_STARTED | GUST__R_FINISHED;
    gust__request_check(req);
    gust__conn_response_done(req);
}

int gust_request_respond(gust_request *req, const gust_response *response, gust_str body)
{
    if (is_plain(req, response) && respond_plain(req, response, body)) {
        finish(req, 200);
        return 0;
    }
    GUST_TRY(respond(req, response, &body));
    if (body.len > 0 && gust_iostream_write(req->conn->s, body, NULL, NULL) != 0) {
        give_up(req);
    }
    finish(req, response->status);
    return 0;
}

int gust_request_respond_adopt(gust_request *req, const gust_response *response, gust_str body,
                               void (*free_fn)(void *free_user), void *free_user)
{
    int code = respond(req, response, &body);
    if (code != 0 || body.len == 0) {
        free_fn(free_user);
    } else if (body.len <= COPY_BODY) {
        code = gust_iostream_write(req->conn->s, body, NULL, NULL);
        free_fn(free_user);
        if (code != 0) {
            give_up(req);
            code = 0;
        }
    } else if (gust_iostream_write_adopt(req->conn->s, body, free_fn, free_user) != 0) {
        give_up(req);
    }
    GUST_TRY(code);
    finish(req, response->status);
    return 0;
}

/* ---- Responses in pieces ------------------------------------------------------------ */

/* Most bytes of a chunk that are not data, and the last chunk, for which there
 * must always be space. */
#define CHUNK_FRAME (16 + 2 + 2 + 5)

/* "size CRLF data CRLF". */
static int write_chunk(gust_iostream *s, gust_str chunk)
{
    static const char digits[] = "0123456789abcdef";
    char *room;
    char hex[16];
    size_t n = 0;
    for (size_t left = chunk.len; left > 0; left >>= 4) {
        hex[n++] = digits[left & 15];
    }
    GUST_TRY(gust_iostream_reserve(s, n + 2, &room));
    for (size_t i = 0; i < n; i++) {
        room[i] = hex[n - 1 - i];
    }
    memcpy(room + n, "\r\n", 2);
    gust_iostream_commit(s, n + 2);
    GUST_TRY(gust_iostream_write(s, chunk, NULL, NULL));
    return gust_iostream_write(s, LIT("\r\n"), NULL, NULL);
}

/* Count a piece against the announced length. */
static int account(gust_request *req, size_t len)
{
    if (req->response_left >= 0) {
        GUST_CHECK(len <= (uint64_t)req->response_left, GUST_ELENGTH);
        req->response_left -= (int64_t)len;
    }
    return 0;
}

static int write_piece(gust_request *req, gust_str chunk)
{
    if (chunk.len == 0 || !is_connected(req)) {
        return 0;
    }
    if (gust__req_is(req, GUST__R_NO_BODY)) {
        return req->parser.method_id == GUST_HTTP_HEAD ? 0 : GUST_ELENGTH;
    }
    size_t space = gust_iostream_write_space(req->conn->s);
    GUST_CHECK(chunk.len <= space && CHUNK_FRAME <= space - chunk.len, GUST_EBUFFERFULL);
    int code = account(req, chunk.len);
    if (code == 0) {
        code = gust__req_is(req, GUST__R_CHUNKED)
                   ? write_chunk(req->conn->s, chunk)
                   : gust_iostream_write(req->conn->s, chunk, NULL, NULL);
    }
    if (code != 0) {
        give_up(req); /* the body has a hole from here on */
    }
    return code;
}

int gust_request_write_headers(gust_request *req, const gust_response *response, gust_str chunk)
{
    struct framing f;
    gust_str rest;
    GUST_TRY(check_response(req, response));
    bool interim = response->status < 200 && response->status != 101;
    GUST_CHECK(chunk.len == 0 || !has_no_body(req, response->status) ||
                   req->parser.method_id == GUST_HTTP_HEAD,
               GUST_ELENGTH);
    if (is_connected(req)) {
        if (interim && req->parser.minor == 0) {
            return 0; /* RFC 9110 15.2: not for HTTP/1.0 */
        }
        GUST_TRY(frame(req, response, -1, &f));
        GUST_CHECK(!f.own_length || chunk.len <= f.length, GUST_ELENGTH);
        GUST_TRY(send_head(req, response, &f, gust_str_make(NULL, 0), &rest));
        req->flags |= (f.close ? (unsigned)GUST__R_CLOSE : 0u) |
                      (f.chunked ? (unsigned)GUST__R_CHUNKED : 0u);
        req->response_left = f.own_length ? (int64_t)f.length : -1;
    }
    if (interim) {
        return 0;
    }
    req->status = (uint16_t)response->status;
    req->flags |= GUST__R_STARTED;
    if (response->status == 101) {
        req->flags |= GUST__R_CLOSE; /* unless it is detached: no HTTP follows */
    }
    if (has_no_body(req, response->status)) {
        req->flags |= GUST__R_NO_BODY;
        req->response_left = -1;
    }
    int code = write_piece(req, chunk);
    if (code != 0) {
        give_up(req); /* its head is out */
    }
    gust__request_check(req);
    return code;
}

/* Carries a request's completion through the stream's. */
struct written {
    gust_request *req;
    gust_request_write_fn *fn;
    void *user;
};

static void on_written(gust_iostream *s, int status, void *user)
{
    (void)s;
    struct written *w = user;
    if (!gust__req_is(w->req, GUST__R_FINISHED)) {
        w->fn(w->req, status == 0 ? 0 : GUST_ECLOSED, w->user);
    }
    w->req->depth--;
    gust__request_release(w->req);
    gust__free(w);
}

static void on_never_written(gust_ioloop *loop, void *user)
{
    (void)loop;
    on_written(NULL, GUST_ECLOSED, user);
}

/* Tell fn when all that was written so far is out. The request waits for it. */
static int add_written(gust_request *req, gust_request_write_fn *fn, void *user)
{
    struct written *w = gust__malloc(sizeof *w);
    if (w == NULL) {
        return -ENOMEM;
    }
    *w = (struct written){req, fn, user};
    int code = is_connected(req)
                   ? gust_iostream_write(req->conn->s, gust_str_make(NULL, 0), on_written, w)
                   : gust_ioloop_add_callback(req->server->loop, on_never_written, w);
    if (code != 0) {
        gust__free(w);
        return code;
    }
    gust__request_hold_server(req);
    req->depth++;
    return 0;
}

int gust_request_write(gust_request *req, gust_str chunk, gust_request_write_fn *fn, void *user)
{
    GUST_CHECK(gust__req_is(req, GUST__R_STARTED) && !gust__req_is(req, GUST__R_FINISHED),
               GUST_ESTATE);
    GUST_TRY(write_piece(req, chunk));
    int code = fn != NULL ? add_written(req, fn, user) : 0;
    if (code != 0) {
        give_up(req); /* whoever tries again would send the piece twice */
    }
    return code;
}

/* Nothing was answered: that is a mistake of the program, and a 500. */
static void finish_unanswered(gust_request *req)
{
    gust_response response = {.status = 500};
    gust_str none = gust_str_make(NULL, 0);
    if (respond(req, &response, &none) != 0) {
        give_up(req);
    }
    finish(req, 500);
}

int gust_request_finish(gust_request *req)
{
    GUST_CHECK(!gust__req_is(req, GUST__R_FINISHED), GUST_ESTATE);
    if (!gust__req_is(req, GUST__R_STARTED)) {
        finish_unanswered(req);
        return 0;
    }
    int code = 0;
    if (is_connected(req)) {
        if (gust__req_is(req, GUST__R_CHUNKED)) {
            code = gust_iostream_write(req->conn->s, LIT("0\r\n\r\n"), NULL, NULL);
        } else if (req->response_left > 0) {
            code = GUST_ELENGTH;
        }
        if (code != 0) {
            give_up(req);
        }
    }
    finish(req, req->status);
    return code;
}

/* ---- Answers to malformed requests ---------------------------------------------------- */

void gust__response_error(struct gust__conn *conn, int status)
{
    gust_str answer = gust__http_error_response(status);
    if (gust_iostream_write(conn->s, answer, NULL, NULL) != 0) {
        gust__conn_abort(conn);
    }
}
