/* Failures: error pages, and lines in the log.
 *
 * An answer to a failure starts from a clear response, so nothing of the one
 * that failed shows in it. What a peer chose (method, target, parts of a
 * message) goes into a line quoted only.
 *
 * Source: tornado/web.py: send_error, write_error, log_exception, log_request. */
#include <stdarg.h>
#include <string.h>

#include <gust/escape.h>
#include <gust/limits.h>
#include <gust/log.h>

#include "web/web_internal.h"

/* ---- saying why --------------------------------------------------------------- */

int gust_handler_error(gust_handler *h, int status, const char *format, ...)
{
    if (format == NULL || !gust_log_is_on(GUST_LOG_GENERAL, GUST_LOG_WARNING)) {
        return status;
    }
    struct gust__handler_extra *extra = gust__handler_extra(h);
    if (extra != NULL) {
        va_list args;
        va_start(args, format);
        extra->error_log = gust_arena_vprintf(gust_handler_arena(h), format, args).ptr;
        va_end(args);
    }
    return status;
}

int gust_handler_error_reason(gust_handler *h, int status, const char *reason)
{
    struct gust__handler_extra *extra = gust__handler_extra(h);
    if (extra != NULL && reason != NULL) {
        extra->error_reason = gust__reason_copy(h, reason);
    }
    return status;
}

/* ---- lines -------------------------------------------------------------------- */

/* "METHOD URI (IP)" of a request, quoted. */
struct summary {
    char method[64];
    char uri[GUST_MAX_LOG_FIELD];
    gust_str ip;
};

static void summarise(const gust_handler *h, struct summary *out)
{
    gust_log_quote(out->method, sizeof(out->method), gust_request_method_text(h->request));
    gust_log_quote(out->uri, sizeof(out->uri), gust_request_uri(h->request));
    out->ip = gust_request_remote_ip(h->request);
}

void gust__log_access(gust_handler *h, enum gust_log_level level)
{
    struct summary s;
    summarise(h, &s);
    /* the request's clock is that of the iteration, which a handler doesn't move */
    const gust_ioloop *loop = gust_request_loop(h->request);
    gust_time spent = gust_ioloop_time(loop) - gust_ioloop_now(loop);
    double ms = (double)(gust_request_time(h->request) + spent) / 1e6;
    GUST_LOG(GUST_LOG_ACCESS, level, "%d %s %s (%.*s) %.2fms", h->response.status, s.method, s.uri,
             GUST_FMT(s.ip), ms);
}

static void log_failure(gust_handler *h, int status)
{
    const char *text = h->extra != NULL ? h->extra->error_log : NULL;
    if (text == NULL || !gust_log_is_on(GUST_LOG_GENERAL, GUST_LOG_WARNING)) {
        return;
    }
    struct summary s;
    char quoted[GUST_MAX_LOG_FIELD];
    summarise(h, &s);
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_WARNING, "%d %s %s (%.*s): %s", status, s.method, s.uri,
             GUST_FMT(s.ip), gust_log_quote(quoted, sizeof(quoted), gust_str_from(text)));
}

static void log_error(const gust_handler *h, const char *what, int code)
{
    if (!gust_log_is_on(GUST_LOG_APPLICATION, GUST_LOG_ERROR)) {
        return;
    }
    struct summary s;
    summarise(h, &s);
    GUST_LOG(GUST_LOG_APPLICATION, GUST_LOG_ERROR, "%s %s %s (%.*s) %s: %s (%s)", what, s.method,
             s.uri, GUST_FMT(s.ip), h->rule->cls.name != NULL ? h->rule->cls.name : "-",
             gust_err_name(code), gust_err_text(code));
}

/* ---- pages -------------------------------------------------------------------- */

static gust_str reason_of(const gust_handler *h)
{
    gust_str reason = h->response.reason;
    return reason.len > 0 ? reason : gust_http_reason(h->response.status);
}

static int write_page(gust_handler *h, gust_str reason)
{
    return gust_handler_writef(h, "<html><title>%d: %.*s</title><body>%d: %.*s</body></html>",
                               h->response.status, GUST_FMT(reason), h->response.status,
                               GUST_FMT(reason));
}

static bool is_plain(gust_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("&<>\"'", text.ptr[i]) != NULL) {
            return false;
        }
    }
    return true;
}

int gust__write_error(gust_handler *h, int status)
{
    (void)status;
    GUST_TRY(gust_handler_set_header(h, "X-Content-Type-Options", GUST_STR("nosniff")));
    gust_str reason = reason_of(h);
    if (is_plain(reason)) {
        return write_page(h, reason);
    }
    gust_buf escaped;
    gust_buf_init(&escaped, GUST_DEFAULT_MAX_HEADER_SIZE);
    int result = gust_xhtml_escape(&escaped, reason);
    result = result == 0 ? write_page(h, gust_buf_peek(&escaped)) : result;
    gust_buf_deinit(&escaped);
    return result;
}

/* Clear head and body and set the status of a failure. */
static void begin_error(gust_handler *h, int status)
{
    gust_str reason = {NULL, 0};
    if (h->extra != NULL) {
        reason = h->extra->error_reason;
        h->extra->error_reason = gust_str_make(NULL, 0);
    }
    gust_handler_clear(h);
    h->response.status = status >= 300 && status <= 999 ? status : 500;
    if (reason.len > 0) {
        h->response.reason = reason;
    }
    h->flags |= GUST__FAILED;
}

void gust_handler_send_error(gust_handler *h, int status)
{
    if (h->state == GUST__FINISHED) {
        return;
    }
    if ((h->flags & GUST__SENT) != 0) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR,
                 "Cannot send error response after headers written");
        gust_request_set_close(h->request);
        gust_handler_finish(h);
        return;
    }
    begin_error(h, status);
    int result = h->response.status == 304 ? 0 : h->rule->cls.write_error(h, h->response.status);
    if (result == 0 && h->response.status == 405) {
        result = gust_handler_set_header(h, "Allow", h->rule->allow);
    }
    if (h->state == GUST__FINISHED) {
        return;
    }
    if (result != 0) {
        log_error(h, "Uncaught error in write_error", result < 0 ? result : GUST_ESTATE);
        h->body.len = 0;
    }
    gust_handler_finish(h);
}

void gust__handler_fail(gust_handler *h, int result)
{
    if (result < 300 || result > 999) {
        log_error(h, "Uncaught error", result < 0 ? result : -EINVAL);
    } else {
        log_failure(h, result);
    }
    gust_handler_send_error(h, result);
}

/* The head was refused, or memory is short: the error page, and where that can't
 * be sent either the connection's own answer. */
void gust__response_failed(gust_handler *h, int code)
{
    log_error(h, "Response refused", code);
    if (gust_request_is_finished(h->request)) {
        return;
    }
    int status = code;
    if ((h->flags & (GUST__SENT | GUST__FAILED)) == 0) {
        begin_error(h, 500);
        gust_response response = {.status = 500, .content_type = h->response.content_type};
        status = gust__write_error(h, 500);
        if (status == 0) {
            status = gust_request_respond(h->request, &response, gust_buf_peek(&h->body));
        }
    }
    if (status != 0) {
        h->response.status = 500;
        gust_request_finish(h->request);
    }
}
