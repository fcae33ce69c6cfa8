/* What the web layer says in the log: a line for each request, and for what
 * failed. What a peer chose (method, target, parts of a message) goes into a line
 * quoted only.
 *
 * Source: tornado/web.py: log_request, log_exception. */
#include <gust/log.h>

#include "web/web_internal.h"

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

void gust__log_failure(gust_handler *h, int status)
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

void gust__log_error(const gust_handler *h, const char *what, int code)
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
