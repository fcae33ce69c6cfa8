/* The response: its head, what waits of its body, and its end.
 *
 * A small body is put together behind the instance and copied into the stream's
 * output with the head: no malloc. One that outgrows GUST__FIRST_BODY
 * moves to memory of its own, which is handed over to the stream without a
 * copy. The list of further fields is made when the first one is set.
 *
 * Source: tornado/web.py: RequestHandler.clear ... finish. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <gust/limits.h>

#include "util/alloc_internal.h"
#include "web/web_internal.h"

/* ---- the head ----------------------------------------------------------------- */

/* The list of fields, made on first use; NULL where memory is short. */
static gust_headers *handler_headers(gust_handler *h)
{
    if (h->headers == NULL) {
        gust_arena *arena = gust_handler_arena(h);
        gust_headers *headers = gust_arena_alloc(arena, sizeof(*headers));
        if (headers != NULL) {
            gust_headers_init(headers, arena);
        }
        h->headers = headers;
        h->response.headers = headers;
    }
    return h->headers;
}

/* Where the value of a field lies that a response has once; NULL for all others. */
static gust_str *single_field(gust_handler *h, gust_str name)
{
    if (name.len == 12 && gust_str_case_eq(name, GUST_STR("Content-Type"))) {
        return &h->response.content_type;
    }
    if (name.len == 4 && gust_str_case_eq(name, GUST_STR("Etag"))) {
        if (gust__etag_text(h) != 0) {
            h->response.etag_hash = NULL; /* the end of the response makes it anew */
        }
        return &h->response.etag;
    }
    return NULL;
}

static bool is_head_open(const gust_handler *h)
{
    return h->state != GUST__FINISHED && (h->flags & GUST__SENT) == 0;
}

int gust__copy_value(gust_handler *h, gust_str value, gust_str *out_copy)
{
    GUST_CHECK(gust_header_value_is_valid(value), GUST_EHEADER);
    gust_str copy = gust_arena_copy(gust_handler_arena(h), value);
    GUST_CHECK(copy.ptr != NULL, -ENOMEM);
    *out_copy = copy;
    return 0;
}

static int change_header(gust_handler *h, const char *text, gust_str value,
                         int (*change)(gust_headers *headers, gust_str name, gust_str value))
{
    gust_str name = gust_str_from(text);
    GUST_CHECK(is_head_open(h), GUST_ESTATE);
    gust_str *single = single_field(h, name);
    if (single != NULL) {
        return gust__copy_value(h, value, single);
    }
    gust_headers *headers = handler_headers(h);
    GUST_CHECK(headers != NULL, -ENOMEM);
    return change(headers, name, value);
}

int gust_handler_set_header(gust_handler *h, const char *name, gust_str value)
{
    return change_header(h, name, value, gust_headers_set);
}

int gust_handler_add_header(gust_handler *h, const char *name, gust_str value)
{
    return change_header(h, name, value, gust_headers_add);
}

void gust_handler_clear_header(gust_handler *h, const char *text)
{
    gust_str name = gust_str_from(text);
    gust_str *single = single_field(h, name);
    if (single != NULL) {
        *single = gust_str_make(NULL, 0);
    } else if (h->headers != NULL) {
        gust_headers_remove(h->headers, name);
    }
}

gust_str gust_handler_header(const gust_handler *h, const char *text)
{
    gust_str name = gust_str_from(text);
    const gust_str *single = single_field((gust_handler *)(uintptr_t)h, name);
    if (single != NULL) {
        return *single;
    }
    return h->headers != NULL ? gust_headers_get(h->headers, name) : gust_str_make(NULL, 0);
}

gust_str gust__reason_copy(gust_handler *h, const char *text)
{
    gust_str reason = gust_str_from(text);
    if (!gust_header_value_is_valid(reason) || strchr(text, '<') != NULL) {
        return GUST_STR("Unknown");
    }
    return gust_arena_copy(gust_handler_arena(h), reason);
}

int gust_handler_set_status(gust_handler *h, int status, const char *reason)
{
    GUST_CHECK(is_head_open(h), GUST_ESTATE);
    GUST_CHECK((status >= 200 && status <= 999) || status == 101, -EINVAL);
    gust_str copy = {NULL, 0};
    if (reason != NULL) {
        copy = gust__reason_copy(h, reason);
        GUST_CHECK(copy.ptr != NULL, -ENOMEM);
    }
    h->response.reason = copy;
    h->response.status = status;
    return 0;
}

int gust_handler_status(const gust_handler *h)
{
    return h->response.status;
}

void gust_handler_clear(gust_handler *h)
{
    h->body.len = 0;
    if (!is_head_open(h)) {
        return;
    }
    h->headers = NULL;
    gust__response_init(&h->response);
    if (h->rule->cls.set_default_headers != NULL) {
        h->rule->cls.set_default_headers(h);
    }
}

/* ---- the body ----------------------------------------------------------------- */

/* Move the body to memory of its own, with room for n more bytes. */
static int body_own(gust_handler *h, size_t n)
{
    gust_buf own;
    gust_buf_init(&own, h->application->options.max_response);
    size_t need;
    GUST_CHECK(gust__size_add(h->body.len, n, &need), -ENOMEM);
    GUST_TRY(gust_buf_reserve(&own, need));
    if (h->body.len > 0) {
        memcpy(own.ptr, h->body.ptr, h->body.len);
    }
    own.len = h->body.len;
    h->body = own;
    h->flags |= GUST__OWN_BODY;
    return 0;
}

int gust__body_grow(gust_handler *h, size_t n)
{
    bool is_own = (h->flags & GUST__OWN_BODY) != 0;
    return is_own ? gust_buf_reserve(&h->body, n) : body_own(h, n);
}

int gust_handler_write(gust_handler *h, gust_str bytes)
{
    GUST_CHECK(h->state != GUST__FINISHED, GUST_ESTATE);
    if (bytes.len == 0) {
        return 0;
    }
    GUST_TRY(gust__body_reserve(h, bytes.len));
    memcpy(h->body.ptr + h->body.len, bytes.ptr, bytes.len);
    h->body.len += bytes.len;
    return 0;
}

/* Print into the room that there is. Returns the length of the whole text, or
 * negative. */
static int print_into(gust_handler *h, const char *format, va_list args)
{
    va_list copy;
    va_copy(copy, args);
    size_t room = h->body.cap - h->body.len;
    char *at = h->body.ptr != NULL ? h->body.ptr + h->body.len : NULL;
    int len = vsnprintf(at, room, format, copy);
    va_end(copy);
    return len;
}

int gust_handler_writef(gust_handler *h, const char *format, ...)
{
    GUST_CHECK(h->state != GUST__FINISHED, GUST_ESTATE);
    va_list args;
    va_start(args, format);
    int len = print_into(h, format, args);
    int status = len < 0 ? -EINVAL : 0;
    if (len >= 0 && (size_t)len >= h->body.cap - h->body.len) {
        status = gust__body_reserve(h, (size_t)len + 1); /* the NUL needs a place too */
        if (status == 0) {
            print_into(h, format, args);
        }
    }
    va_end(args);
    if (status == 0) {
        h->body.len += (size_t)len;
    }
    return status;
}

gust_str gust_handler_peek(const gust_handler *h)
{
    return gust_buf_peek(&h->body);
}

void gust_handler_json(gust_handler *h, gust_json_writer *w)
{
    int status = h->state != GUST__FINISHED ? 0 : GUST_ESTATE;
    gust_json_writer_init(w, &h->body, 0);
    if (status == 0 && (h->flags & GUST__OWN_BODY) == 0) {
        status = body_own(h, GUST__FIRST_BODY);
    }
    if (is_head_open(h)) {
        h->response.content_type = GUST_STR("application/json; charset=UTF-8");
    }
    w->status = status;
}

int gust_handler_write_json(gust_handler *h, const gust_json *value)
{
    gust_json_writer w;
    gust_handler_json(h, &w);
    gust_json_value(&w, value);
    return gust_json_writer_finish(&w);
}

/* ---- sending ------------------------------------------------------------------ */

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* 204, 304 and 1xx: the fields that describe a body go. */
static void strip_body_fields(gust_handler *h)
{
    static const gust_str names[] = {
        GUST_STR_INIT("Content-Encoding"), GUST_STR_INIT("Content-Language"),
        GUST_STR_INIT("Content-Length"), GUST_STR_INIT("Transfer-Encoding")};
    h->response.content_type = gust_str_make(NULL, 0);
    for (size_t i = 0; h->headers != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        gust_headers_remove(h->headers, names[i]);
    }
}

/* Was one set, if only as "none"? */
static inline bool has_etag(const gust_handler *h)
{
    return h->response.etag.ptr != NULL || h->response.etag_hash != NULL;
}

/* An ETag of its own, or an automatic one? The body tells before the request is
 * asked. */
static bool wants_etag(const gust_handler *h)
{
    const gust_application_options *options = &h->application->options;
    if (!has_etag(h) && (options->no_etag || h->body.len > options->max_etag_body)) {
        return false;
    }
    enum gust_http_method method = gust_request_method(h->request);
    return h->response.status == 200 && (method == GUST_HTTP_GET || method == GUST_HTTP_HEAD);
}

/* ETag, and 304 where the client has this one. */
static GUST_NOINLINE int settle_etag(gust_handler *h)
{
    if (!has_etag(h)) {
        GUST_TRY(gust_handler_set_etag_header(h));
    }
    if (gust_handler_check_etag_header(h)) {
        h->body.len = 0;
        h->response.status = 304;
    }
    return 0;
}

static void free_body(void *ptr)
{
    gust__free(ptr);
}

/* The whole response in one write. */
static int respond(gust_handler *h)
{
    if (GUST_UNLIKELY(has_no_body(h->response.status))) {
        GUST_CHECK(h->body.len == 0, GUST_ELENGTH);
        strip_body_fields(h);
    }
    gust_str body = gust_buf_peek(&h->body);
    if ((h->flags & GUST__OWN_BODY) == 0) {
        return gust_request_respond(h->request, &h->response, body);
    }
    h->flags &= (uint16_t)~GUST__OWN_BODY;
    memset(&h->body, 0, sizeof(h->body));
    return gust_request_respond_adopt(h->request, &h->response, body, free_body,
                                      (void *)(uintptr_t)body.ptr);
}

static int finish_whole(gust_handler *h)
{
    if (wants_etag(h)) {
        GUST_TRY(settle_etag(h));
    }
    return respond(h);
}

/* The head has left already. */
static GUST_NOINLINE int finish_streamed(gust_handler *h)
{
    int status = 0;
    if (h->body.len > 0) {
        status = gust_request_write(h->request, gust_buf_peek(&h->body), NULL, NULL);
    }
    int end = gust_request_finish(h->request);
    return status != 0 ? status : end;
}

int gust__response_finish(gust_handler *h)
{
    return (h->flags & GUST__SENT) == 0 ? finish_whole(h) : finish_streamed(h);
}

/* ---- flushing ----------------------------------------------------------------- */

static void on_flushed(gust_request *req, int status, void *user)
{
    gust_handler *h = user;
    (void)req;
    gust_handler_flush_fn *fn = h->extra->flush_fn;
    h->extra->flush_fn = NULL;
    if (fn != NULL && h->state != GUST__FINISHED) {
        fn(h, status, h->extra->flush_user);
    }
}

static int flush_head(gust_handler *h)
{
    if (has_no_body(h->response.status)) {
        GUST_CHECK(h->body.len == 0, GUST_ELENGTH);
        strip_body_fields(h);
    }
    GUST_TRY(gust_request_write_headers(h->request, &h->response, gust_str_make(NULL, 0)));
    h->flags |= GUST__SENT;
    return 0;
}

int gust_handler_flush(gust_handler *h, gust_handler_flush_fn *fn, void *user)
{
    GUST_CHECK(h->state != GUST__FINISHED, GUST_ESTATE);
    struct gust__handler_extra *extra = fn != NULL ? gust__handler_extra(h) : NULL;
    GUST_CHECK(fn == NULL || extra != NULL, -ENOMEM);
    GUST_CHECK(fn == NULL || extra->flush_fn == NULL, -EBUSY);
    if ((h->flags & GUST__SENT) == 0) {
        GUST_TRY(flush_head(h));
    }
    int status = gust_request_write(h->request, gust_buf_peek(&h->body),
                                    fn != NULL ? on_flushed : NULL, h);
    if (status != 0) {
        return status;
    }
    h->body.len = 0;
    if (fn != NULL) {
        extra->flush_fn = fn;
        extra->flush_user = user;
    }
    return 0;
}

/* ---- redirecting -------------------------------------------------------------- */

int gust_handler_redirect(gust_handler *h, gust_str url, int status)
{
    status = status != 0 ? status : 302;
    GUST_CHECK(status >= 300 && status <= 399, -EINVAL);
    GUST_TRY(gust_handler_set_header(h, "Location", url));
    GUST_TRY(gust_handler_set_status(h, status, NULL));
    h->body.len = 0;
    return gust_handler_finish(h);
}

static bool is_unsafe_in_path(unsigned char byte)
{
    return byte <= 0x20 || byte == '\\' || byte == '"' || byte == '<' || byte == '>' ||
           byte >= 0x7f;
}

gust_str gust__local_redirect(gust_arena *arena, gust_str path, gust_str suffix)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t skip = 0, len = 0, room;
    while (skip < path.len && (path.ptr[skip] == '/' || path.ptr[skip] == '\\')) {
        skip++;
    }
    path = gust_str_skip(path, skip);
    char *url = NULL;
    if (gust__size_mul(path.len, 3, &room) && gust__size_add(room, suffix.len + 1, &room)) {
        url = gust_arena_alloc(arena, room);
    }
    if (url == NULL) {
        return gust_str_make(NULL, 0);
    }
    url[len++] = '/';
    for (size_t i = 0; i < path.len; i++) {
        unsigned char byte = (unsigned char)path.ptr[i];
        if (is_unsafe_in_path(byte)) {
            url[len++] = '%';
            url[len++] = digits[byte >> 4];
            url[len++] = digits[byte & 15];
        } else {
            url[len++] = (char)byte;
        }
    }
    if (suffix.len > 0) {
        memcpy(url + len, suffix.ptr, suffix.len);
    }
    return gust_str_make(url, len + suffix.len);
}
