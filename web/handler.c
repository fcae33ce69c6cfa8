/* The life of a handler.
 *
 *              headers_received                      finish
 *   NEW --------- (stream) ---> PREPARE -> BODY <-> DATA      \
 *    \                             \          \                METHOD -> FINISHED
 *     ---- body whole, or none ---> PREPARE ----- COMPLETE ----/
 *
 * In PREPARE, DATA and METHOD a function of the class runs, or is pending after
 * it returned GUST_PENDING; gust__handler_step() goes on with what it returned,
 * now or then. FINISHED is reached from every state, by the handler's own end,
 * by a failure, or because the client went away while we waited for its body.
 *
 * After FINISHED the memory stays until the connection's callback that runs has
 * returned, so the functions here may still look at the state.
 *
 * Source: tornado/web.py: RequestHandler._execute, _HandlerDelegate. */
#include <string.h>

#include "util/arena_internal.h"
#include "web/web_internal.h"

struct gust__handler_extra *gust__handler_extra(gust_handler *h)
{
    if (h->extra == NULL) {
        h->extra = gust_arena_calloc(gust_handler_arena(h), sizeof(*h->extra));
    }
    return h->extra;
}

/* ---- the end ------------------------------------------------------------------ */

/* Give back what is not the arena's. The request has ended, or is about to. */
static inline void handler_release(gust_handler *h)
{
    if (h->rule->cls.on_finish != NULL) {
        h->rule->cls.on_finish(h);
    }
    if (GUST_UNLIKELY((h->flags & GUST__OWN_BODY) != 0)) {
        gust_buf_deinit(&h->body);
    }
    gust__application_release(h->application);
}

static inline void handler_end(gust_handler *h)
{
    h->state = GUST__FINISHED;
    if (h->application->options.log_request != NULL) {
        h->application->options.log_request(h);
    } else {
        gust__log_request(h);
    }
    handler_release(h);
}

int gust_handler_finish(gust_handler *h)
{
    GUST_CHECK(h->state != GUST__FINISHED, GUST_ESTATE);
    int status = gust__response_finish(h);
    if (GUST_UNLIKELY(status != 0)) {
        gust__response_failed(h, status);
    }
    handler_end(h);
    return 0;
}

/* The client went away before its request was complete: nobody is there to
 * answer, and nothing is logged. */
static void handler_abandon(gust_handler *h)
{
    h->state = GUST__FINISHED;
    gust_request_finish(h->request);
    handler_release(h);
}

bool gust_handler_is_finished(const gust_handler *h)
{
    return h->state == GUST__FINISHED;
}

int gust_handler_detach(gust_handler *h, gust_iostream **out_s)
{
    GUST_CHECK(h->state != GUST__FINISHED, GUST_ESTATE);
    GUST_TRY(gust_request_detach(h->request, out_s));
    handler_end(h);
    return 0;
}

/* ---- steps -------------------------------------------------------------------- */

/* What a function of the class has come to: GUST_PENDING, unless it was
 * completed before it returned. */
static inline int settle(gust_handler *h, int result)
{
    bool early = (h->flags & GUST__EARLY) != 0;
    h->flags &= (uint16_t) ~(GUST__RUNNING | GUST__EARLY);
    return result == GUST_PENDING && early ? h->result : result;
}

static inline int handler_call(gust_handler *h, gust_handler_fn *fn)
{
    h->flags |= GUST__RUNNING;
    return settle(h, fn(h));
}

static inline void method_ended(gust_handler *h, int result)
{
    if (h->state == GUST__FINISHED) {
        return;
    }
    if (GUST_UNLIKELY(result != 0)) {
        gust__handler_fail(h, result);
    } else {
        gust_handler_finish(h);
    }
}

/* prepare or data_received is done: the method, once the body is there. */
static inline void go_on(gust_handler *h)
{
    if (GUST_UNLIKELY((h->flags & GUST__COMPLETE) == 0)) {
        h->state = GUST__BODY;
        return;
    }
    gust_handler_fn *method = h->rule->methods[gust_request_method(h->request)];
    if (GUST_UNLIKELY(method == NULL)) {
        gust__handler_fail(h, 405);
        return;
    }
    h->state = GUST__METHOD;
    int result = handler_call(h, method);
    if (result != GUST_PENDING) {
        method_ended(h, result);
    }
}

/* A function of the class has ended with `result`. */
static void handler_step(gust_handler *h, int result)
{
    if (result == 0 && (h->state == GUST__PREPARE || h->state == GUST__DATA)) {
        go_on(h);
    } else {
        method_ended(h, result);
    }
}

void gust_handler_complete(gust_handler *h, int result)
{
    bool pending = h->state == GUST__PREPARE || h->state == GUST__DATA || h->state == GUST__METHOD;
    if (!pending) {
        return;
    }
    if ((h->flags & GUST__RUNNING) != 0) {
        h->flags |= GUST__EARLY;
        h->result = result;
        return;
    }
    handler_step(h, result);
    if (h->state == GUST__BODY) {
        if ((h->flags & GUST__GONE) != 0) {
            handler_abandon(h);
        } else {
            gust_request_resume(h->request);
        }
    }
}

/* ---- the beginning ------------------------------------------------------------ */

static bool is_usual_method(enum gust_http_method method)
{
    return method != GUST_HTTP_OTHER_METHOD && method != GUST_HTTP_CONNECT &&
           method != GUST_HTTP_TRACE;
}

/* Everything before the method. */
static GUST_NOINLINE void handler_prepare(gust_handler *h)
{
    const struct gust__rule *rule = h->rule;
    enum gust_http_method method = gust_request_method(h->request);
    int status = rule->arg_count > 0 ? gust__path_args_decode(h) : 0;
    if (status == 0 && rule->methods[method] == NULL && !is_usual_method(method) &&
        rule != &h->application->not_found) {
        status = 405;
    }
    if (status != 0) {
        gust__handler_fail(h, status);
        return;
    }
    h->state = GUST__PREPARE;
    int result = rule->cls.prepare != NULL ? handler_call(h, rule->cls.prepare) : 0;
    if (result != GUST_PENDING) {
        handler_step(h, result);
    }
}

/* Most requests have nothing but the method. */
static inline void handler_start(gust_handler *h)
{
    if (h->rule->is_plain && (h->flags & GUST__COMPLETE) != 0) {
        go_on(h);
    } else {
        handler_prepare(h);
    }
}

/* An instance, and behind it room for a small body: most handlers write one. The
 * parts are set one by one: all at once gcc makes it a rep stos, which is slow. */
static inline gust_handler *handler_make(gust_application *app, gust_request *req,
                                         const struct gust__rule *rule)
{
    size_t size = rule->cls.instance_size;
    gust_handler *h = gust__arena_alloc(gust_request_arena(req), size + GUST__FIRST_BODY);
    if (GUST_UNLIKELY(h == NULL)) {
        return NULL;
    }
    h->request = req;
    h->application = app;
    h->rule = rule;
    h->path_args = NULL;
    h->body = (gust_buf){.ptr = (char *)h + size, .cap = app->first_body};
    gust__response_init(&h->response);
    h->headers = NULL;
    h->extra = NULL;
    h->result = 0;
    h->flags = 0;
    h->state = GUST__NEW;
    if (size > sizeof(*h)) {
        memset(h + 1, 0, size - sizeof(*h));
    }
    return h;
}

/* The same where it takes a walk to find the rule. */
static GUST_NOINLINE gust_handler *handler_make_walking(gust_application *app, gust_request *req)
{
    gust_str args[GUST_MAX_PATH_ARGS];
    const struct gust__rule *rule = gust__application_route(app, req, args);
    gust_handler *h = handler_make(app, req, rule);
    if (h == NULL || rule->arg_count == 0) {
        return h;
    }
    size_t bytes = rule->arg_count * sizeof(*args);
    gust_str *copy = gust_arena_alloc(gust_request_arena(req), bytes);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, args, bytes);
    h->path_args = copy;
    return h;
}

/* What a class does first, where it does. The instance may then have failed, and
 * finished already. */
static GUST_NOINLINE void handler_initialize(gust_handler *h)
{
    const struct gust__rule *rule = h->rule;
    if (rule->cls.set_default_headers != NULL) {
        rule->cls.set_default_headers(h);
    }
    int status = rule->cls.initialize != NULL ? rule->cls.initialize(h, rule->arg) : 0;
    if (status != 0) {
        gust__handler_fail(h, status);
    }
}

/* An instance of what answers this request, initialised. NULL where memory is
 * short. */
static GUST_ALWAYS_INLINE gust_handler *handler_new(gust_application *app, gust_request *req)
{
    const struct gust__router *router = &app->router;
    uint32_t order = GUST__NONE;
    if (app->hosts == NULL) {
        order = gust__router_find(router, GUST__LITERAL, gust_request_path(req));
    }
    /* no pattern with arguments stands before it: one look was enough */
    gust_handler *h = order < router->first ? handler_make(app, req, &router->rules[order])
                                            : handler_make_walking(app, req);
    if (GUST_UNLIKELY(h == NULL)) {
        return NULL;
    }
    app->handlers++;
    gust_request_set_data(req, h);
    if (GUST_UNLIKELY(!h->rule->is_plain)) {
        handler_initialize(h);
    }
    return h;
}

/* ---- the connection's events -------------------------------------------------- */

/* A body is announced: its handler may want to say something about it. */
static GUST_NOINLINE int before_body(gust_request *req, void *user)
{
    gust_handler *h = handler_new(user, req);
    GUST_CHECK(h != NULL, -ENOMEM);
    if (h->state == GUST__FINISHED || !h->rule->cls.stream_request_body) {
        return 0;
    }
    gust_request_stream_body(req);
    handler_start(h);
    return h->state == GUST__PREPARE ? GUST_PENDING : 0;
}

static int on_headers(gust_request *req, void *user)
{
    return GUST_UNLIKELY(gust_request_has_body(req)) ? before_body(req, user) : 0;
}

static int on_data(gust_request *req, gust_str chunk, void *user)
{
    gust_handler *h = gust_request_data(req);
    (void)user;
    if (h == NULL || h->state != GUST__BODY || h->rule->cls.data_received == NULL) {
        return 0;
    }
    h->state = GUST__DATA;
    h->flags |= GUST__RUNNING;
    int result = settle(h, h->rule->cls.data_received(h, chunk));
    if (result != GUST_PENDING) {
        handler_step(h, result);
    }
    return h->state == GUST__DATA ? GUST_PENDING : 0;
}

/* The request is complete. */
static void on_request(gust_request *req, void *user)
{
    gust_handler *h = gust_request_data(req);
    if (h == NULL) {
        h = handler_new(user, req);
    }
    if (GUST_UNLIKELY(h == NULL)) {
        gust_request_finish(req);
        return;
    }
    h->flags |= GUST__COMPLETE;
    if (h->state == GUST__NEW) {
        handler_start(h);
    } else if (h->state == GUST__BODY) {
        go_on(h);
    }
}

/* Whose request is not complete waits for nothing any more; who works goes on. */
static void on_gone(gust_request *req, void *user)
{
    gust_handler *h = gust_request_data(req);
    (void)user;
    if (h == NULL) {
        gust_request_finish(req);
        return;
    }
    if (h->state == GUST__FINISHED) {
        return;
    }
    h->flags |= GUST__GONE;
    if (h->state != GUST__NEW && h->rule->cls.on_connection_close != NULL) {
        h->rule->cls.on_connection_close(h);
    }
    if (h->state == GUST__NEW || h->state == GUST__BODY) {
        handler_abandon(h);
    }
}

const gust_http_delegate gust__handler_delegate = {.name = "web",
                                                   .headers_received = on_headers,
                                                   .data_received = on_data,
                                                   .finish = on_request,
                                                   .on_connection_close = on_gone};

/* ---- questions ---------------------------------------------------------------- */

void *gust_handler_settings(const gust_handler *h)
{
    return h->application->options.settings;
}

gust_ioloop *gust_handler_loop(const gust_handler *h)
{
    return gust_request_loop(h->request);
}

gust_arena *gust_handler_arena(const gust_handler *h)
{
    return gust_request_arena(h->request);
}

int gust_handler_reverse_url(gust_handler *h, const char *name, const gust_str *args, size_t count,
                             gust_str *out_path)
{
    return gust_application_reverse_url(h->application, name, args, count, gust_handler_arena(h),
                                        out_path);
}
