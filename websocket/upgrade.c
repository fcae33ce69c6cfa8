/* The handshake: a handler whose GET becomes a WebSocket. */
#include <gust/log.h>

#include "util/alloc_internal.h"
#include "web/web_internal.h"
#include "websocket/handshake_internal.h"
#include "websocket/websocket_internal.h"

/* Subprotocols of one offer that are looked at. */
#define MAX_OFFERED 32

struct upgrade {
    gust_handler handler;
    const gust_websocket_class *cls;
};

static const gust_websocket_class *class_of(const gust_handler *h)
{
    return ((const struct upgrade *)(const void *)h)->cls;
}

static int initialize(gust_handler *h, const void *arg)
{
    GUST_CHECK(arg != NULL, -EINVAL);
    ((struct upgrade *)(void *)h)->cls = arg;
    return 0;
}

/* ---- Checks ---------------------------------------------------------------------- */

static bool check_origin(gust_str origin, gust_str host, void *user)
{
    gust_handler *h = user;
    const gust_websocket_class *cls = class_of(h);
    if (cls->check_origin != NULL) {
        return cls->check_origin(h, origin);
    }
    const char *const *pattern = cls->allowed_origins;
    for (; pattern != NULL && *pattern != NULL; pattern++) {
        if (gust__ws_origin_matches(origin, gust_str_from(*pattern))) {
            return true;
        }
    }
    return gust__ws_origin_is_same(origin, host);
}

static void describe(gust_handler *h, struct gust__ws_request *r)
{
    gust_request *req = h->request;
    *r = (struct gust__ws_request){
        .method = gust_request_method_text(req),
        .version_major = 1,
        .version_minor = gust_request_version_minor(req),
        .host = gust_request_header(req, GUST_HTTP_HOST),
        .upgrade = gust_request_header_joined(req, GUST_HTTP_UPGRADE),
        .connection = gust_request_header_joined(req, GUST_HTTP_CONNECTION),
        .origin = gust_request_header_joined(req, GUST_HTTP_ORIGIN),
        .key = gust_request_header_joined(req, GUST_HTTP_SEC_WEBSOCKET_KEY),
        .version = gust_request_header_joined(req, GUST_HTTP_SEC_WEBSOCKET_VERSION),
        .protocol = gust_request_header_joined(req, GUST_HTTP_SEC_WEBSOCKET_PROTOCOL),
        .has_body = gust_request_has_body(req),
        .check_origin = check_origin,
        .user = h};
}

/* A refused origin is most often a proxy's doing: say what was compared. */
static void log_origin(const struct gust__ws_request *r)
{
    char origin[256];
    char host[256];
    gust_log_quote(origin, sizeof origin, r->origin);
    gust_log_quote(host, sizeof host, r->host);
    GUST_LOG(
        GUST_LOG_GENERAL, GUST_LOG_WARNING,
        "WebSocket refused: Origin \"%s\" is not Host \"%s\"; a proxy must pass Host on, or the "
        "class list the origin in allowed_origins",
        origin, host);
}

static int refuse(gust_handler *h, const struct gust__ws_refusal *refusal)
{
    GUST_TRY(gust_handler_set_status(h, refusal->status, NULL));
    GUST_TRY(gust_handler_set_header(h, "Content-Type", GUST_STR("text/plain; charset=UTF-8")));
    if (refusal->header_name != NULL) {
        GUST_TRY(
            gust_handler_set_header(h, refusal->header_name, gust_str_from(refusal->header_value)));
    }
    return gust_handler_write(h, gust_str_from(refusal->text));
}

/* Only GET can become a WebSocket, whatever else the class would say to it. */
static int refuse_method(gust_handler *h)
{
    struct gust__ws_request r;
    struct gust__ws_refusal refusal;
    describe(h, &r);
    (void)gust__ws_handshake_check(&r, &refusal);
    GUST_TRY(refuse(h, &refusal));
    return gust_handler_finish(h);
}

static int prepare(gust_handler *h)
{
    const gust_websocket_class *cls = class_of(h);
    enum gust_http_method method = gust_request_method(h->request);
    if (method != GUST_HTTP_GET && method != GUST_HTTP_OPTIONS) {
        return refuse_method(h);
    }
    return cls->prepare != NULL ? cls->prepare(h) : 0;
}

/* ---- The answer -------------------------------------------------------------------- */

static gust_str choose_subprotocol(gust_handler *h, gust_str list)
{
    gust_str offered[MAX_OFFERED];
    gust_str chosen = {NULL, 0};
    size_t count = 0;
    while (count < MAX_OFFERED && gust__ws_list_next(&list, &offered[count])) {
        count++;
    }
    const gust_websocket_class *cls = class_of(h);
    if (cls->select_subprotocol != NULL) {
        cls->select_subprotocol(h, offered, count, &chosen);
    }
    for (size_t i = 0; i < count; i++) {
        if (gust_str_eq(offered[i], chosen)) {
            return offered[i];
        }
    }
    return gust_str_make(NULL, 0); /* what was not offered can't be chosen */
}

static int set_head(gust_handler *h, gust_str key, gust_str subprotocol)
{
    char accept[GUST__WS_ACCEPT_LEN];
    GUST_TRY(gust__ws_accept_key(key, accept));
    GUST_TRY(gust_handler_set_status(h, 101, NULL));
    gust_handler_clear_header(h, "Content-Type");
    GUST_TRY(gust_handler_set_header(h, "Upgrade", GUST_STR("websocket")));
    GUST_TRY(gust_handler_set_header(h, "Connection", GUST_STR("Upgrade")));
    GUST_TRY(
        gust_handler_set_header(h, "Sec-WebSocket-Accept", gust_str_make(accept, sizeof accept)));
    if (subprotocol.len > 0) {
        GUST_TRY(gust_handler_set_header(h, "Sec-WebSocket-Protocol", subprotocol));
    }
    return 0;
}

/* Send the 101 and take the stream. The application, and with it the route that
 * open may ask for its arguments, stays until open has returned. */
static int switch_protocols(gust_handler *h, gust_websocket *ws)
{
    gust_application *app = h->application;
    gust_iostream *s;
    GUST_TRY(gust_handler_flush(h, NULL, NULL));
    app->handlers++;
    int code = gust_handler_detach(h, &s);
    if (code == 0) {
        gust__ws_open(ws, s, h);
    }
    gust__application_release(app);
    return code;
}

static int upgrade(gust_handler *h, gust_str key, gust_str subprotocol)
{
    gust_websocket *ws;
    GUST_TRY(set_head(h, key, subprotocol));
    GUST_TRY(gust__ws_new(gust_handler_loop(h), class_of(h), subprotocol, &ws));
    int code = switch_protocols(h, ws);
    if (code != 0) {
        gust__ws_free(ws);
    }
    return code;
}

static int get(gust_handler *h)
{
    struct gust__ws_request r;
    struct gust__ws_refusal refusal;
    describe(h, &r);
    int status = gust__ws_handshake_check(&r, &refusal);
    if (status != 0) {
        if (status == 403) {
            log_origin(&r);
        }
        return refuse(h, &refusal);
    }
    return upgrade(h, r.key, choose_subprotocol(h, r.protocol));
}

const gust_handler_class gust_websocket_handler = {.name = "websocket",
                                                   .instance_size = sizeof(struct upgrade),
                                                   .initialize = initialize,
                                                   .prepare = prepare,
                                                   .get = get,
                                                   .other = refuse_method};
