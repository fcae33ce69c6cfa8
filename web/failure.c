/* Failures: why, and the error page.
 *
 * An answer to a failure starts from a clear response, so nothing of the one
 * that failed shows in it.
 *
 * Source: tornado/web.py: send_error, write_error. */
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
        gust_request_abort(h->request); /* not to be taken for a whole answer */
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
        gust__log_error(h, "Uncaught error in write_error", result < 0 ? result : GUST_ESTATE);
        h->body.len = 0;
    }
    gust_handler_finish(h);
}

void gust__handler_fail(gust_handler *h, int result)
{
    if (result < 300 || result > 999) {
        gust__log_error(h, "Uncaught error", result < 0 ? result : -EINVAL);
    } else {
        gust__log_failure(h, result);
    }
    gust_handler_send_error(h, result);
}

/* The head was refused, or memory is short: the error page, and where that can't
 * be sent either the connection's own answer. */
void gust__response_failed(gust_handler *h, int code)
{
    gust__log_error(h, "Response refused", code);
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
