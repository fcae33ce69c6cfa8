/* A request: its memory, and what can be asked of it. */
#include <gust/limits.h>

#include "httpserver/http_internal.h"
#include "util/alloc_internal.h"
#include "util/arena_internal.h"

/* ---- Memory ---------------------------------------------------------------- */

/* Memory that comes with the request, behind its fields: the arena's first
 * piece, which is all that a plain request uses. */
#define INLINE_BYTES 2048

static inline size_t request_size(const gust_httpserver *server)
{
    return sizeof(gust_request) + server->fields_size + INLINE_BYTES;
}

/* Whoever uses a finished request is told so by AddressSanitizer. */
static inline void keep_spare(gust_httpserver *server, gust_request *req)
{
    req->next_free = server->free_requests;
    server->free_requests = req;
    server->free_count++;
    GUST_POISON(&req->head, request_size(server) - offsetof(gust_request, head));
}

static inline gust_request *take_spare(gust_httpserver *server)
{
    gust_request *req = server->free_requests;
    server->free_requests = req->next_free;
    server->free_count--;
    GUST_UNPOISON(&req->head, request_size(server) - offsetof(gust_request, head));
    return req;
}

void gust__request_free_spares(gust_httpserver *server)
{
    while (server->free_requests != NULL) {
        gust__free(take_spare(server));
    }
}

/* All that new requests have in common, so that one is made by a copy. */
int gust__request_make_fresh(gust_httpserver *server)
{
    gust_request *req = gust__calloc(1, sizeof *req);
    if (req == NULL) {
        return -ENOMEM;
    }
    req->server = server;
    req->max_body = server->options.max_body_size;
    req->body_timeout = server->options.body_timeout;
    req->response_left = -1;
    req->flags = GUST__R_ATTACHED;
    gust__http_parser_init(&req->parser, NULL, (uint16_t)server->options.max_headers,
                           server->options.max_header_size, server->options.max_request_line);
    req->parser.known_host = &server->known_host;
    server->fresh = req;
    return 0;
}

int gust__request_new(struct gust__conn *conn, gust_request **out_req)
{
    gust_httpserver *server = conn->server;
    gust_request *req = server->free_requests != NULL ? take_spare(server)
                                                      : gust__malloc(request_size(server));
    if (req == NULL) {
        return -ENOMEM;
    }
    memcpy(req, server->fresh, offsetof(gust_request, fields));
    req->conn = conn;
    req->parser.fields = req->fields;
    gust__arena_init_in(&req->arena, server->arena_pool, (char *)req->fields + server->fields_size,
                        INLINE_BYTES);
    *out_req = req;
    return 0;
}

/* While it has its connection that keeps the server; from here on it does so
 * itself. */
void gust__request_hold_server(gust_request *req)
{
    if (!gust__req_is(req, GUST__R_HOLDS)) {
        req->flags |= GUST__R_HOLDS;
        req->server->refs++;
    }
}

static inline void destroy(gust_request *req)
{
    gust_httpserver *server = req->server;
    bool holds = gust__req_is(req, GUST__R_HOLDS);
    if (req->upload != NULL) {
        gust_buf_deinit(&req->upload->buffer);
        gust_buf_deinit(&req->upload->pending);
    }
    if (req->arena.block != NULL || req->arena.hooks != NULL) {
        gust_arena_deinit(&req->arena);
    }
    if (server->free_count < GUST_DEFAULT_SPARE_CONNECTIONS) {
        keep_spare(server, req);
    } else {
        gust__free(req);
    }
    if (holds) {
        gust__server_unref(server);
    }
}

/* It goes when it is answered, or nobody was told of it, its connection has let
 * go of it, and no function of the delegate is on the stack. */
void gust__request_release(gust_request *req)
{
    gust__request_check(req);
    unsigned state = req->flags & (GUST__R_FINISHED | GUST__R_HEAD_DONE | GUST__R_ATTACHED);
    if (req->depth == 0 && (state & GUST__R_ATTACHED) == 0 && state != GUST__R_HEAD_DONE) {
        destroy(req);
    }
}

static void free_ended(gust_ioloop *loop, gust_deferred *deferred)
{
    (void)loop;
    gust_httpserver *server = GUST_CONTAINER_OF(deferred, gust_httpserver, ended_work);
    gust_request *req = server->ended;
    server->ended = NULL;
    while (req != NULL) {
        gust_request *next = req->next_free;
        req->depth--;
        req->conn = NULL; /* it has let go of the request, and may be gone by now */
        gust__request_release(req);
        req = next;
    }
}

void gust__request_release_later(gust_request *req)
{
    gust_httpserver *server = req->server;
    if (req->depth > 0) {
        return; /* whoever holds it releases it */
    }
    gust__request_hold_server(req);
    req->depth++;
    req->next_free = server->ended;
    server->ended = req;
    gust_ioloop_defer(server->loop, &server->ended_work, free_ended);
}

/* The head was parsed in the stream's buffer; it stays in the arena. The
 * parser's offsets hold for the copy. */
int gust__request_set_head(gust_request *req, const char *data, size_t len)
{
    char *copy = gust__arena_alloc(&req->arena, len);
    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, data, len);
    req->head = copy;
    req->start = gust_ioloop_now(req->server->loop);
    req->flags |= GUST__R_HEAD_DONE;
    return 0;
}

int gust__request_keep_trailer(gust_request *req, const char *end)
{
    const struct gust__chunked *decoder = &req->upload->decoder;
    if (decoder->trailer.count == 0) {
        return 0;
    }
    gust_str bytes = gust_str_make(decoder->trailer_data, (size_t)(end - decoder->trailer_data));
    gust_str copy = gust_arena_copy(&req->arena, bytes);
    req->upload->trailer = copy.ptr;
    return copy.ptr != NULL ? 0 : -ENOMEM;
}

gust_arena *gust_request_arena(gust_request *req)
{
    return &req->arena;
}

void *gust_request_data(const gust_request *req)
{
    return req->data;
}

void gust_request_set_data(gust_request *req, void *data)
{
    req->data = data;
}

/* ---- The start line ---------------------------------------------------------- */

enum gust_http_method gust_request_method(const gust_request *req)
{
    return (enum gust_http_method)req->parser.method_id;
}

gust_str gust_request_method_text(const gust_request *req)
{
    return gust__http_text(req->head, req->parser.method);
}

gust_str gust_request_uri(const gust_request *req)
{
    return gust__http_text(req->head, req->parser.target);
}

gust_str gust_request_path(const gust_request *req)
{
    return gust__http_path(&req->parser, req->head);
}

gust_str gust_request_query(const gust_request *req)
{
    return gust__http_text(req->head, req->parser.query);
}

int gust_request_version_minor(const gust_request *req)
{
    return req->parser.minor;
}

gust_str gust_request_host(const gust_request *req)
{
    return gust__http_host(&req->parser, req->head);
}

/* Lower-cased in place, once, in a copy. */
static gust_str lower_host_name(gust_request *req)
{
    gust_str copy = gust_arena_copy(&req->arena, gust__http_host_name(&req->parser, req->head));
    for (size_t i = 0; i < copy.len; i++) {
        char *c = (char *)(uintptr_t)copy.ptr + i;
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c + ('a' - 'A'));
        }
    }
    return copy;
}

gust_str gust_request_host_name(const gust_request *req)
{
    gust_request *mutable_req = (gust_request *)(uintptr_t)req;
    if (req->host_name.ptr == NULL) {
        mutable_req->host_name = lower_host_name(mutable_req);
    }
    return req->host_name;
}

gust_str gust_request_protocol(const gust_request *req)
{
    const char *forced = req->server->options.protocol;
    return forced != NULL ? gust_str_from(forced) : GUST_STR("http");
}

bool gust_request_wants_upgrade(const gust_request *req)
{
    return req->parser.upgrade;
}

bool gust_request_has_body(const gust_request *req)
{
    return gust__http_has_body(&req->parser);
}

int64_t gust_request_content_length(const gust_request *req)
{
    return req->parser.content_length;
}

/* ---- The peer ------------------------------------------------------------------ */

const gust_addr *gust_request_remote_addr(const gust_request *req)
{
    static const gust_addr none = {0};
    return req->conn != NULL ? &req->conn->addr : &none;
}

gust_str gust_request_remote_ip(gust_request *req)
{
    if (req->remote_ip.ptr == NULL) {
        char text[GUST_ADDR_TEXT];
        gust_str copy = gust_arena_copy(&req->arena,
                                        gust_addr_text(gust_request_remote_addr(req), text));
        req->remote_ip = copy.ptr != NULL ? copy : GUST_STR("0.0.0.0");
    }
    return req->remote_ip;
}

/* ---- Header fields --------------------------------------------------------------- */

gust_str gust_request_header(const gust_request *req, enum gust_http_name id)
{
    const struct gust__http_parser *p = &req->parser;
    for (size_t i = 0; i < p->count; i++) {
        if (req->fields[i].id == (uint8_t)id) {
            return gust__http_field_value(req->head, &req->fields[i]);
        }
    }
    return gust_str_make(NULL, 0);
}

gust_str gust_request_header_named(const gust_request *req, gust_str name)
{
    enum gust_http_name id = gust_http_name_lookup(name);
    if (id != GUST_HTTP_OTHER_NAME) {
        return gust_request_header(req, id);
    }
    for (size_t i = 0; i < req->parser.count; i++) {
        const struct gust__http_field *f = &req->fields[i];
        if (f->id == 0 && gust_str_case_eq(gust__http_field_name(req->head, f), name)) {
            return gust__http_field_value(req->head, f);
        }
    }
    return gust_str_make(NULL, 0);
}

static gust_str join(gust_request *req, enum gust_http_name id, size_t total)
{
    char *out = gust_arena_alloc(&req->arena, total);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < req->parser.count; i++) {
        const struct gust__http_field *f = &req->fields[i];
        if (f->id == (uint8_t)id) {
            memcpy(out + len, req->head + f->value, f->value_len);
            len += f->value_len;
            memcpy(out + len, ", ", 2);
            len += 2;
        }
    }
    return gust_str_make(out, out != NULL ? len - 2 : 0);
}

gust_str gust_request_header_joined(gust_request *req, enum gust_http_name id)
{
    size_t total = 0;
    size_t count = 0;
    for (size_t i = 0; i < req->parser.count; i++) {
        if (req->fields[i].id == (uint8_t)id) {
            total += req->fields[i].value_len + 2;
            count++;
        }
    }
    return count < 2 ? gust_request_header(req, id) : join(req, id, total);
}

bool gust_request_header_at(const gust_request *req, size_t i, gust_str *out_name,
                            gust_str *out_value)
{
    if (i >= req->parser.count) {
        return false;
    }
    *out_name = gust__http_field_name(req->head, &req->fields[i]);
    *out_value = gust__http_field_value(req->head, &req->fields[i]);
    return true;
}

bool gust_request_trailer_at(const gust_request *req, size_t i, gust_str *out_name,
                             gust_str *out_value)
{
    const struct gust__upload *up = req->upload;
    if (up == NULL || up->trailer == NULL || i >= up->decoder.trailer.count) {
        return false;
    }
    const struct gust__http_field *f = &up->decoder.trailer.fields[i];
    *out_name = gust__http_field_name(up->trailer, f);
    *out_value = gust__http_field_value(up->trailer, f);
    return true;
}

/* ---- The rest ---------------------------------------------------------------------- */

gust_str gust_request_body(const gust_request *req)
{
    return req->body;
}

gust_time gust_request_time(const gust_request *req)
{
    gust_time end = req->end != 0 ? req->end : gust_ioloop_time(req->server->loop);
    return end - req->start;
}

gust_ioloop *gust_request_loop(const gust_request *req)
{
    return req->server->loop;
}

gust_httpserver *gust_request_server(const gust_request *req)
{
    return req->server->freed ? NULL : req->server;
}

const void *gust_request_connection(const gust_request *req)
{
    return req->conn;
}

void gust_request_stream_body(gust_request *req)
{
    if (req->server->delegate->data_received == NULL) {
        return; /* nobody would get the pieces */
    }
    req->flags |= GUST__R_STREAM;
    if (!gust__req_is(req, GUST__R_MAX_SET)) {
        req->max_body = -1;
    }
}

void gust_request_set_max_body_size(gust_request *req, int64_t bytes)
{
    req->max_body = bytes;
    req->flags |= GUST__R_MAX_SET;
}

void gust_request_set_body_timeout(gust_request *req, gust_time timeout)
{
    req->body_timeout = timeout;
}

void gust_request_resume(gust_request *req)
{
    if (gust__req_is(req, GUST__R_BODY_PAUSED | GUST__R_HELD)) {
        gust__conn_resume(req);
    }
}

bool gust_request_is_finished(const gust_request *req)
{
    return gust__req_is(req, GUST__R_FINISHED);
}

bool gust_request_headers_sent(const gust_request *req)
{
    return gust__req_is(req, GUST__R_STARTED);
}

bool gust_request_is_connected(const gust_request *req)
{
    return req->conn != NULL && !gust__req_is(req, GUST__R_ABORTED) &&
           !gust_iostream_is_closed(req->conn->s);
}

bool gust_request_is_congested(const gust_request *req)
{
    return req->conn != NULL && gust_iostream_is_congested(req->conn->s);
}

void gust_request_set_close(gust_request *req)
{
    req->flags |= GUST__R_CLOSE;
}

void gust_request_abort(gust_request *req)
{
    req->flags |= GUST__R_ABORTED | GUST__R_CLOSE;
    if (req->conn != NULL) {
        gust_iostream_close_after_flush(req->conn->s);
    }
}

void gust_request_flush(gust_request *req)
{
    if (req->conn != NULL) {
        gust_iostream_flush(req->conn->s);
    }
}

int gust_request_detach(gust_request *req, gust_iostream **out_s)
{
    return gust__conn_detach(req, out_s);
}
