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

#include "web/web_internal.h"

struct gust__handler_extra *gust__handler_extra(gust_handler *h)
{
    if (h->extra == NULL) {
        h->extra = gust_arena_calloc(gust_handler_arena(h), sizeof(*h->extra));
    }
    return h->extra;
}

/* ---- the end --------------------------------------------------------------------- */

/* Give back what is not the arena's. The request has ended, or is about to. */
static void handler_release(gust_handler *h)
{
    h->state = GUST__FINISHED;
    if (h->rule->cls.on_finish != NULL) {
        h->rule->cls.on_finish(h);
    }
    if ((h->flags & GUST__OWN_BODY) != 0) {
        gust_buf_deinit(&h->body);
    }
    gust__application_release(h->application);
}

void gust__handler_end(gust_handler *h)
{
    h->state = GUST__FINISHED;
    if (h->application->options.log_request != NULL) {
        h->application->options.log_request(h);
    } else {
        gust__log_request(h);
    }
    handler_release(h);
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
    gust__handler_end(h);
    return 0;
}

/* ---- steps ------------------------------------------------------------------------- */

static void handler_step(gust_handler *h, int result);

/* What a function of the class has come to: GUST_PENDING, unless it was
 * completed before it returned. */
static int settle(gust_handler *h, int result)
{
    bool early = (h->flags & GUST__EARLY) != 0;
    h->flags &= (uint16_t) ~(GUST__RUNNING | GUST__EARLY);
    return result == GUST_PENDING && early ? h->result : result;
}

/* Run a function of the class and go on with what it returns, unless it is
 * pending. */
static void handler_run(gust_handler *h, gust_handler_fn *fn)
{
    h->flags |= GUST__RUNNING;
    int result = settle(h, fn(h));
    if (result != GUST_PENDING) {
        handler_step(h, result);
    }
}

static void run_method(gust_handler *h)
{
    gust_handler_fn *method = h->rule->methods[gust_request_method(h->request)];
    if (method == NULL) {
        gust__handler_fail(h, 405);
        return;
    }
    h->state = GUST__METHOD;
    handler_run(h, method);
}

/* prepare or data_received is done: the method, once the body is there. */
static void go_on(gust_handler *h)
{
    if ((h->flags & GUST__COMPLETE) != 0) {
        run_method(h);
    } else {
        h->state = GUST__BODY;
    }
}

static void handler_step(gust_handler *h, int result)
{
    if (h->state == GUST__FINISHED) {
        return;
    }
    if (result != 0) {
        gust__handler_fail(h, result);
        return;
    }
    switch (h->state) {
    case GUST__PREPARE:
    case GUST__DATA: go_on(h); break;
    case GUST__METHOD: gust_handler_finish(h); break;
    default: break;
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

/* ---- the beginning -------------------------------------------------------------------- */

static bool is_usual_method(enum gust_http_method method)
{
    return method != GUST_HTTP_OTHER_METHOD && method != GUST_HTTP_CONNECT &&
           method != GUST_HTTP_TRACE;
}

/* Everything from the path's arguments on. */
static void handler_start(gust_handler *h)
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
    if (rule->cls.prepare != NULL) {
        handler_run(h, rule->cls.prepare);
    } else {
        go_on(h);
    }
}

static gust_handler *handler_alloc(gust_request *req, const struct gust__rule *rule,
                                   const gust_str *args)
{
    gust_arena *arena = gust_request_arena(req);
    gust_handler *h = gust_arena_calloc(arena, rule->cls.instance_size);
    if (h == NULL) {
        return NULL;
    }
    if (rule->arg_count > 0) {
        size_t size = rule->arg_count * sizeof(*args);
        gust_str *copy = gust_arena_alloc(arena, size);
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, args, size);
        h->path_args = copy;
    }
    h->request = req;
    h->rule = rule;
    return h;
}

/* An instance of what answers this request, initialised; it may have failed and
 * finished already. NULL where memory is short. */
static gust_handler *handler_new(gust_application *app, gust_request *req)
{
    gust_str args[GUST_MAX_PATH_ARGS];
    const struct gust__rule *rule = gust__application_route(app, req, args);
    gust_handler *h = handler_alloc(req, rule, args);
    if (h == NULL) {
        return NULL;
    }
    h->application = app;
    app->handlers++;
    gust_request_set_data(req, h);
    gust__response_init(h);
    if (rule->cls.set_default_headers != NULL) {
        rule->cls.set_default_headers(h);
    }
    if (rule->cls.initialize != NULL) {
        int status = rule->cls.initialize(h, rule->arg);
        if (status != 0) {
            gust__handler_fail(h, status);
        }
    }
    return h;
}

/* ---- the connection's events ------------------------------------------------------------- */

static int on_headers(gust_request *req, void *user)
{
    if (!gust_request_has_body(req)) {
        return 0;
    }
    gust_handler *h = handler_new(user, req);
    GUST_CHECK(h != NULL, -ENOMEM);
    if (h->state == GUST__FINISHED || !h->rule->cls.stream_request_body) {
        return 0;
    }
    gust_request_stream_body(req);
    handler_start(h);
    return h->state == GUST__PREPARE ? GUST_PENDING : 0;
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
        run_method(h);
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

/* ---- questions ------------------------------------------------------------------------------ */

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
