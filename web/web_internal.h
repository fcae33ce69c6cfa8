/* What the files of web/ share.
 *
 * routing.c      tables of routes: pattern -> struct gust__rule
 * application.c  classes, hosts, servers
 * handler.c      the life of an instance, as the connection's events drive it
 * response.c     head and body of the response, flush and end
 * failure.c      error pages and lines in the log
 * etag.c         entity tags
 * arguments.c    the query's and the path's arguments */
#ifndef GUST_WEB_INTERNAL_H
#define GUST_WEB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gust/log.h>
#include <gust/web.h>

#include "util/check_internal.h"

/* ---- routing.c --------------------------------------------------------- */

/* A route, compiled. `cls` has no base any more: what it does not define itself
 * is the base's, or the default. */
struct gust__rule {
    gust_handler_class cls;
    gust_handler_fn *methods[GUST_HTTP_METHOD_COUNT]; /* NULL: 405 */
    gust_str allow;                                   /* value of Allow */
    gust_str pattern;
    const void *arg;
    const char *name;
    gust_str *arg_names; /* arg_count of them, without ':' and '*' */
    uint32_t order;      /* in its table */
    uint32_t arg_count;
    bool is_plain; /* the method is all that is called before the response */
};

/* An edge of the trie: from node `from` the segment `key` leads to node `to`.
 * Paths without arguments are edges too, from GUST__LITERAL, whose key is the
 * whole path and `to` the rule's order. One table of hashes holds all. */
struct gust__edge {
    gust_str key;  /* ptr NULL: a free slot */
    uint64_t word; /* of the key, its first bytes: most other keys differ here */
    uint32_t from, to;
};

#define GUST__LITERAL UINT32_MAX
#define GUST__NONE UINT32_MAX

/* A position in patterns with arguments; the members are rules' orders, or
 * GUST__NONE. */
struct gust__node {
    uint32_t param; /* the node behind `:name` */
    uint32_t end;   /* the first pattern that ends here */
    uint32_t rest;  /* the first pattern that has `*name` here */
    uint32_t first; /* the lowest order here and below */
};

/* A table of routes. All of it lies in the application's arena. */
struct gust__router {
    struct gust__rule *rules;
    struct gust__edge *edges;
    struct gust__node *nodes; /* [0] is where patterns begin, if there are any */
    size_t count;
    size_t mask;    /* slots of `edges` minus 1 */
    unsigned shift; /* from a hash of 64 bits to a slot */
    uint32_t node_count;
    uint32_t first; /* the lowest order of a pattern with arguments, or GUST__NONE */
};

/* Compile `routes` into `router`. Returns 0, -ENOMEM, -EINVAL (logged). */
int gust__router_init(struct gust__router *router, const gust_route *routes, gust_arena *arena);

/* Where the edge `key` from node `from` leads, or from GUST__LITERAL; GUST__NONE
 * where there is none. */
uint32_t gust__router_find(const struct gust__router *router, uint32_t from, gust_str key);

/* The first rule that matches `path`, NULL where none does. args gets a rule's
 * arg_count slices of path, and has room for GUST_MAX_PATH_ARGS. */
const struct gust__rule *gust__router_match(const struct gust__router *router, gust_str path,
                                            gust_str *args);

/* The rule of that name, the first one; NULL where there is none. */
const struct gust__rule *gust__router_named(const struct gust__router *router, const char *name);

/* The path that `rule` matches with these arguments, at the end of `out`.
 * Returns 0, -EINVAL for arguments that don't fit, or as gust_buf_append(). */
int gust__rule_reverse(const struct gust__rule *rule, const gust_str *args, size_t count,
                       gust_buf *out);

/* ---- application.c ------------------------------------------------------- */

/* Routes of one host. */
struct gust__host {
    struct gust__host *next;
    gust_str pattern;
    struct gust__router router;
};

/* A server that goes with its application. */
struct gust__owned_server {
    struct gust__owned_server *next;
    gust_httpserver *server;
};

struct gust_application {
    gust_application_options options; /* limits filled in */
    size_t first_body;                /* GUST__FIRST_BODY, or max_response where that is less */
    struct gust__router router;
    struct gust__rule not_found;
    struct gust__host *hosts;
    struct gust__owned_server *servers;
    gust_arena arena;
    size_t handlers; /* instances that have not finished */
    bool is_freed;   /* goes with the last of them */
};

/* Fill rule->cls, methods and allow from `cls`. Returns 0, -ENOMEM, -EINVAL. */
int gust__rule_init(struct gust__rule *rule, const gust_handler_class *cls, gust_arena *arena);

/* Who answers the request: never NULL. */
const struct gust__rule *gust__application_route(const gust_application *app,
                                                 const gust_request *req, gust_str *args);

/* One instance less; the last one takes an application with it that was freed. */
void gust__application_destroy(gust_application *app);

static inline void gust__application_release(gust_application *app)
{
    GUST_ASSERT(app->handlers > 0);
    app->handlers--;
    if (GUST_UNLIKELY(app->is_freed) && app->handlers == 0) {
        gust__application_destroy(app);
    }
}

/* ---- handler.c ----------------------------------------------------------- */

enum gust__handler_state {
    GUST__NEW,     /* waits for the body */
    GUST__PREPARE, /* prepare runs or is pending */
    GUST__BODY,    /* streaming: waits for the next piece */
    GUST__DATA,    /* streaming: data_received runs or is pending */
    GUST__METHOD,  /* the method runs or is pending */
    GUST__FINISHED
};

enum gust__handler_flags {
    GUST__SENT = 1,      /* the head has left */
    GUST__OWN_BODY = 2,  /* body is malloc'ed, not in the arena */
    GUST__RUNNING = 4,   /* a method is on the stack */
    GUST__EARLY = 8,     /* and was completed already */
    GUST__FAILED = 16,   /* the response is an error page */
    GUST__COMPLETE = 32, /* the request's body has come */
    GUST__GONE = 64      /* the client went away */
};

/* What most responses never need; lies in the arena. */
struct gust__handler_extra {
    gust_str error_reason; /* of the failure to come */
    const char *error_log; /* the line for it */
    gust_handler_flush_fn *flush_fn;
    void *flush_user;
};

extern const gust_http_delegate gust__handler_delegate;

/* h->extra, made on first use; NULL where memory is short. */
struct gust__handler_extra *gust__handler_extra(gust_handler *h);

/* ---- response.c ---------------------------------------------------------- */

/* What a small body is put together in: it lies behind the instance. */
#define GUST__FIRST_BODY ((size_t)1024)

/* Room for n more bytes of body. Returns 0, -ENOMEM, GUST_EBUFFERFULL. */
int gust__body_grow(gust_handler *h, size_t n);

static inline int gust__body_reserve(gust_handler *h, size_t n)
{
    return GUST_LIKELY(n <= h->body.cap - h->body.len) ? 0 : gust__body_grow(h, n);
}

/* The head that a response begins with. */
static inline void gust__response_init(gust_response *response)
{
    memset(response, 0, sizeof(*response));
    response->status = 200;
    response->content_type = GUST_STR("text/html; charset=UTF-8");
}

/* A field's value, checked and copied. Returns 0, GUST_EHEADER, -ENOMEM. */
int gust__copy_value(gust_handler *h, gust_str value, gust_str *out_copy);

/* Send what has not left yet, and end the request. Returns as
 * gust_request_respond() and gust_request_finish(). */
int gust__response_finish(gust_handler *h);

/* `text` fit for a status line: copied, or "Unknown". ptr NULL: no memory. */
gust_str gust__reason_copy(gust_handler *h, const char *text);

/* ---- failure.c ----------------------------------------------------------- */

/* A method returned `result`, which is not 0 and not GUST_PENDING. */
void gust__handler_fail(gust_handler *h, int result);

/* The response was refused with `code`: try a plain 500 instead. */
void gust__response_failed(gust_handler *h, int code);

/* The default of write_error. */
int gust__write_error(gust_handler *h, int status);

/* ---- web_log.c ------------------------------------------------------------ */

/* The line in the access log. */
void gust__log_access(gust_handler *h, enum gust_log_level level);

static inline void gust__log_request(gust_handler *h)
{
    int status = h->response.status;
    enum gust_log_level level = status < 400   ? GUST_LOG_INFO
                                : status < 500 ? GUST_LOG_WARNING
                                               : GUST_LOG_ERROR;
    if (GUST_UNLIKELY(gust_log_is_on(GUST_LOG_ACCESS, level))) {
        gust__log_access(h, level);
    }
}

/* Why a method failed with `status`, where gust_handler_error() was told. */
void gust__log_failure(gust_handler *h, int status);

/* `what` ended with a code. */
void gust__log_error(const gust_handler *h, const char *what, int code);

/* ---- etag.c -------------------------------------------------------------- */

/* Make response.etag of response.etag_hash, for who asks for the text. Returns 0,
 * also where there is no hash, or -ENOMEM. */
int gust__etag_text(gust_handler *h);

/* Does the list of an If-None-Match have `etag`, by weak comparison? */
bool gust__etag_list_has(gust_str list, gust_str etag);

/* ---- arguments.c --------------------------------------------------------- */

/* Decode h->path_args in place. Returns 0, 400, -ENOMEM. */
int gust__path_args_decode(gust_handler *h);

/* "/" and `path` (as it came in a request) without its leading slashes, with
 * what could leave this host or break a line escaped, then `suffix`. ptr is NULL
 * where memory is short. The one source of a Location that is not a program's
 * own (no "//host", no "/\host"). */
gust_str gust__local_redirect(gust_arena *arena, gust_str path, gust_str suffix);

#endif
