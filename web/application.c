/* Applications: classes flattened, hosts, servers.
 *
 * All that an application holds lies in one arena, made once. An instance at
 * work counts as a user of it, so that a handler which is still pending when
 * the program frees the application finds its rule and options. */
#include <string.h>

#include <gust/escape.h>
#include <gust/limits.h>
#include <gust/log.h>

#include "util/alloc_internal.h"
#include "web/web_internal.h"

/* ---- classes ------------------------------------------------------------------ */

/* Fill what `cls` leaves open from `base`. */
static void class_inherit(gust_handler_class *cls, const gust_handler_class *base)
{
#define INHERIT(slot)                                                                              \
    if (cls->slot == NULL) {                                                                       \
        cls->slot = base->slot;                                                                    \
    }
    INHERIT(initialize)
    INHERIT(set_default_headers)
    INHERIT(prepare)
    INHERIT(get)
    INHERIT(head)
    INHERIT(post)
    INHERIT(delete_)
    INHERIT(patch)
    INHERIT(put)
    INHERIT(options)
    INHERIT(other)
    INHERIT(data_received)
    INHERIT(write_error)
    INHERIT(compute_etag)
    INHERIT(on_finish)
    INHERIT(on_connection_close)
#undef INHERIT
    cls->stream_request_body |= base->stream_request_body;
}

/* Returns 0, or -EINVAL for an instance that could not hold its base's. */
static int class_flatten(gust_handler_class *flat, const gust_handler_class *cls)
{
    *flat = *cls;
    for (const gust_handler_class *base = cls->base; base != NULL; base = base->base) {
        if (flat->instance_size == 0) {
            flat->instance_size = base->instance_size;
        } else if (flat->instance_size < base->instance_size) {
            return -EINVAL;
        }
        class_inherit(flat, base);
    }
    if (flat->instance_size == 0) {
        flat->instance_size = sizeof(gust_handler);
    }
    if (flat->write_error == NULL) {
        flat->write_error = gust__write_error;
    }
    flat->base = NULL;
    size_t size = flat->instance_size;
    return size >= sizeof(gust_handler) && size <= PTRDIFF_MAX ? 0 : -EINVAL;
}

/* OPTIONS, where the class has no answer of its own. */
static int answer_options(gust_handler *h)
{
    GUST_TRY(gust_handler_set_header(h, "Allow", h->rule->allow));
    return gust_handler_set_status(h, 204, NULL);
}

static void rule_set_methods(struct gust__rule *rule)
{
    const gust_handler_class *cls = &rule->cls;
    gust_handler_fn **methods = rule->methods;
    methods[GUST_HTTP_GET] = cls->get;
    methods[GUST_HTTP_HEAD] = cls->head != NULL ? cls->head : cls->get;
    methods[GUST_HTTP_POST] = cls->post;
    methods[GUST_HTTP_PUT] = cls->put;
    methods[GUST_HTTP_DELETE] = cls->delete_;
    methods[GUST_HTTP_PATCH] = cls->patch;
    methods[GUST_HTTP_OPTIONS] = cls->options != NULL ? cls->options : answer_options;
    methods[GUST_HTTP_CONNECT] = methods[GUST_HTTP_TRACE] = cls->other;
    methods[GUST_HTTP_OTHER_METHOD] = cls->other;
}

int gust__rule_init(struct gust__rule *rule, const gust_handler_class *cls, gust_arena *arena)
{
    int status = class_flatten(&rule->cls, cls);
    if (status != 0) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "handler class %s: instance_size does not fit",
                 cls->name != NULL ? cls->name : "without a name");
        return status;
    }
    rule_set_methods(rule);
    rule->is_plain = rule->arg_count == 0 && rule->cls.set_default_headers == NULL &&
                     rule->cls.initialize == NULL && rule->cls.prepare == NULL;
    gust_handler_fn *const *methods = rule->methods;
    rule->allow = gust_arena_printf(arena, "%s%s%s%s%s%sOPTIONS",
                                    methods[GUST_HTTP_GET] != NULL ? "GET, " : "",
                                    methods[GUST_HTTP_HEAD] != NULL ? "HEAD, " : "",
                                    methods[GUST_HTTP_POST] != NULL ? "POST, " : "",
                                    methods[GUST_HTTP_PUT] != NULL ? "PUT, " : "",
                                    methods[GUST_HTTP_DELETE] != NULL ? "DELETE, " : "",
                                    methods[GUST_HTTP_PATCH] != NULL ? "PATCH, " : "");
    return rule->allow.ptr != NULL ? 0 : -ENOMEM;
}

static int not_found(gust_handler *h)
{
    (void)h;
    return 404;
}

static const gust_handler_class not_found_handler = {.name = "not_found", .prepare = not_found};

/* ---- routing ------------------------------------------------------------------ */

/* Is `name`, lower case, a host of `pattern`? */
static bool host_matches(gust_str pattern, gust_str name)
{
    if (gust_str_eq(pattern, GUST_STR("*"))) {
        return true;
    }
    if (gust_str_starts_with(pattern, GUST_STR("*."))) {
        gust_str suffix = gust_str_skip(pattern, 1);
        return name.len > suffix.len &&
               gust_str_case_eq(gust_str_skip(name, name.len - suffix.len), suffix);
    }
    return gust_str_case_eq(pattern, name);
}

const struct gust__rule *gust__application_route(const gust_application *app,
                                                 const gust_request *req, gust_str *args)
{
    gust_str path = gust_request_path(req);
    const struct gust__rule *rule;
    for (const struct gust__host *host = app->hosts; host != NULL; host = host->next) {
        if (host_matches(host->pattern, gust_request_host_name(req))) {
            rule = gust__router_match(&host->router, path, args);
            if (rule != NULL) {
                return rule;
            }
        }
    }
    rule = gust__router_match(&app->router, path, args);
    return rule != NULL ? rule : &app->not_found;
}

/* ---- life --------------------------------------------------------------------- */

static int application_init(gust_application *app, const gust_route *routes)
{
    gust_application_options *options = &app->options;
    if (options->max_etag_body == 0) {
        options->max_etag_body = GUST_DEFAULT_MAX_ETAG_BODY;
    }
    if (options->max_response == 0) {
        options->max_response = GUST_DEFAULT_WRITE_HARD_LIMIT;
    }
    size_t max = options->max_response;
    app->first_body = max < GUST__FIRST_BODY ? max : GUST__FIRST_BODY;
    const gust_handler_class *fallback = options->default_handler;
    app->not_found.arg = options->default_arg;
    GUST_TRY(gust__rule_init(&app->not_found, fallback != NULL ? fallback : &not_found_handler,
                             &app->arena));
    return gust__router_init(&app->router, routes, &app->arena);
}

int gust_application_new(const gust_route *routes, const gust_application_options *options,
                         gust_application **out_app)
{
    gust_application *app = gust__calloc(1, sizeof(*app));
    GUST_CHECK(app != NULL, -ENOMEM);
    if (options != NULL) {
        app->options = *options;
    }
    int status = application_init(app, routes);
    if (status != 0) {
        gust_application_free(app);
        return status;
    }
    *out_app = app;
    return 0;
}

int gust_application_add_handlers(gust_application *app, const char *host, const gust_route *routes)
{
    struct gust__host *added = gust_arena_calloc(&app->arena, sizeof(*added));
    GUST_CHECK(added != NULL, -ENOMEM);
    added->pattern = gust_arena_copy(&app->arena, gust_str_from(host));
    GUST_CHECK(added->pattern.ptr != NULL, -ENOMEM);
    GUST_TRY(gust__router_init(&added->router, routes, &app->arena));
    struct gust__host **last = &app->hosts;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = added;
    return 0;
}

void gust__application_destroy(gust_application *app)
{
    gust_arena_deinit(&app->arena);
    gust__free(app);
}

void gust_application_free(gust_application *app)
{
    if (app == NULL) {
        return;
    }
    app->handlers++;
    for (struct gust__owned_server *owned = app->servers; owned != NULL; owned = owned->next) {
        gust_httpserver_free(owned->server);
    }
    app->servers = NULL;
    app->is_freed = true;
    gust__application_release(app);
}

/* ---- servers ------------------------------------------------------------------ */

const gust_http_delegate *gust_application_delegate(void)
{
    return &gust__handler_delegate;
}

static int server_own(gust_application *app, gust_httpserver *server)
{
    struct gust__owned_server *owned = gust_arena_alloc(&app->arena, sizeof(*owned));
    GUST_CHECK(owned != NULL, -ENOMEM);
    owned->server = server;
    owned->next = app->servers;
    app->servers = owned;
    return 0;
}

int gust_application_listen(gust_application *app, gust_ioloop *loop, int port, const char *address,
                            const gust_httpserver_options *options, gust_httpserver **out_server)
{
    gust_httpserver *server;
    GUST_TRY(gust_httpserver_new(loop, options, &gust__handler_delegate, app, &server));
    int status = gust_httpserver_listen(server, port, address);
    if (status == 0 && out_server == NULL) {
        status = server_own(app, server);
    }
    if (status != 0) {
        gust_httpserver_free(server);
        return status;
    }
    if (out_server != NULL) {
        *out_server = server;
    }
    return 0;
}

/* ---- questions ---------------------------------------------------------------- */

void *gust_application_settings(const gust_application *app)
{
    return app->options.settings;
}

static const struct gust__rule *rule_named(const gust_application *app, const char *name)
{
    for (const struct gust__host *host = app->hosts; host != NULL; host = host->next) {
        const struct gust__rule *rule = gust__router_named(&host->router, name);
        if (rule != NULL) {
            return rule;
        }
    }
    return gust__router_named(&app->router, name);
}

int gust_application_reverse_url(const gust_application *app, const char *name,
                                 const gust_str *args, size_t count, gust_arena *arena,
                                 gust_str *out_path)
{
    const struct gust__rule *rule = rule_named(app, name);
    GUST_CHECK(rule != NULL, GUST_ENOENT);
    gust_buf path;
    gust_buf_init(&path, app->options.max_response);
    int status = gust__rule_reverse(rule, args, count, &path);
    if (status == 0) {
        gust_str copy = gust_arena_copy(arena, gust_buf_peek(&path));
        status = copy.ptr != NULL ? 0 : -ENOMEM;
        *out_path = status == 0 ? copy : *out_path;
    }
    gust_buf_deinit(&path);
    return status;
}
