/* Web applications: routes, handlers, responses.
 *
 * What it is for: a program says which class answers which path, and a class
 * says what its answer to each HTTP method is. All else is done here: matching,
 * arguments, headers, error pages, ETags, HEAD, OPTIONS, the access log.
 *
 *     static int get(gust_handler *h)
 *     {
 *         gust_str name;
 *         GUST_TRY(gust_handler_get_argument(h, "name", &name));
 *         return gust_handler_writef(h, "Hello, %.*s", GUST_FMT(name));
 *     }
 *     static const gust_handler_class hello = {.name = "hello", .get = get};
 *     static const gust_route routes[] = {{"/", .handler = &hello}, {0}};
 *
 *     gust_application_new(routes, NULL, &app);
 *     gust_application_listen(app, loop, 8888, "127.0.0.1", NULL, NULL);
 *     gust_ioloop_start(loop);
 *     gust_application_free(app);
 *
 * A class is a constant struct of functions. An instance, one for each request,
 * is a struct that begins with a gust_handler; it lies in the request's memory,
 * zeroed, and goes with it: nothing in it needs freeing unless on_finish does.
 *
 * What a method returns
 *     0             done; the response is finished if it is not yet
 *     GUST_PENDING  not done: call gust_handler_complete(), or finish the
 *                   response, later, from any callback on the loop
 *     300 ... 999   an HTTP status to fail with (Tornado's HTTPError); say it
 *                   with gust_handler_error() to give it a line in the log
 *     negative      something went wrong: it is logged, the answer is 500
 * The calls below return the same, so GUST_TRY() passes on what they say.
 *
 * The order of events
 *     routing, an instance, set_default_headers, initialize
 *     (the body is read, unless stream_request_body)
 *     the path's arguments are decoded: 400 where they are no UTF-8
 *     prepare
 *     (data_received for each piece, with stream_request_body)
 *     get, post, ...: 405 with Allow where the class has none
 *     the response leaves, the access log's line is written, on_finish
 * After a failure set_default_headers, write_error and on_finish are all that is
 * called; what fails early has on_finish called without prepare.
 *
 * Lifetime: an instance lives until its response is finished, which has to
 * happen exactly once, also when the client has gone (what is written is then
 * dropped). It may not be used any more once the callback in which it finished
 * has returned.
 *
 * Thread: everything on the loop's thread; an application belongs to one
 * thread. Threads that each have a loop each make an application of the same
 * routes, which are constant.
 *
 * Source: tornado.web, tornado.routing. */
#ifndef GUST_WEB_H
#define GUST_WEB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>
#include <gust/buf.h>
#include <gust/errors.h>
#include <gust/hash.h>
#include <gust/headers.h>
#include <gust/httpserver.h>
#include <gust/json.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_application gust_application;
typedef struct gust_handler gust_handler;
typedef struct gust_handler_class gust_handler_class;

/* A method of a class; what it returns stands above. */
typedef int gust_handler_fn(gust_handler *h);

/* A class. A NULL member is that of `base`, and at last the default named here.
 *
 * name           for logs
 * base           the class that this one extends; NULL: none
 * instance_size  bytes of an instance, at least those of a gust_handler and of
 *                the base's instances; 0: as the base's
 * stream_request_body  the body comes in pieces to data_received, prepare runs
 *                before it is read, and gust_request_body() is empty. True too
 *                where the base says so
 * initialize     gets the route's `arg`. May set limits of the request's body
 *                (gust_request_set_max_body_size); writes nothing
 * set_default_headers  called for a new response, and again by
 *                gust_handler_clear(), so also before an error page
 * prepare        before each method, whichever it is; where it finishes the
 *                response the method is not called
 * get ... options  the HTTP methods; `delete_` is DELETE. HEAD is answered by
 *                get where there is no head, OPTIONS with 204 and Allow where
 *                there is no options, any other with 405 and Allow
 * other          every method that has no name here (PROPFIND); 405 without it
 * data_received  a piece of the body, lent. GUST_PENDING holds back the next one
 *                until gust_handler_complete()
 * write_error    writes the page for a failure; status and reason are set
 *                already. Not called for 304. Default: `404: Not Found` as a
 *                small page. Where it fails itself the answer has no body
 * compute_etag   the ETag of a whole response: sets *out_etag, quotes included,
 *                or leaves it empty for none. Default: a hash of the body
 * on_finish      the response has been handed to the connection. May not write
 * on_connection_close  the client went away while the response was not finished.
 *                Default: nothing; the handler goes on and what it writes is
 *                dropped. It still has to finish; but one that waits for its
 *                request's body is finished here, with no line in the log, and,
 *                unless it streams, without this call */
struct gust_handler_class {
    const char *name;
    const gust_handler_class *base;
    size_t instance_size;
    bool stream_request_body;
    int (*initialize)(gust_handler *h, const void *arg);
    void (*set_default_headers)(gust_handler *h);
    gust_handler_fn *prepare;
    gust_handler_fn *get;
    gust_handler_fn *head;
    gust_handler_fn *post;
    gust_handler_fn *delete_;
    gust_handler_fn *patch;
    gust_handler_fn *put;
    gust_handler_fn *options;
    gust_handler_fn *other;
    int (*data_received)(gust_handler *h, gust_str chunk);
    int (*write_error)(gust_handler *h, int status);
    int (*compute_etag)(gust_handler *h, gust_str body, gust_str *out_etag);
    void (*on_finish)(gust_handler *h);
    void (*on_connection_close)(gust_handler *h);
};

/* An instance. `request` and `application` may be read; the other members are
 * the library's. A class with state of its own embeds this as its first member:
 *
 *     struct chat { gust_handler handler; int room; };
 *     static int get(gust_handler *h) { struct chat *chat = (struct chat *)h; ... } */
struct gust_handler {
    gust_request *request;
    gust_application *application;
    const struct gust__rule *rule;     /* the route that matched, with its class */
    const gust_str *path_args;         /* decoded, as many as the rule has names */
    gust_buf body;                     /* what was written and not yet sent */
    gust_response response;            /* the head so far */
    gust_hash128_value etag_hash;      /* where response.etag_hash points, if it does */
    gust_headers *headers;             /* its further fields; NULL until one is set */
    struct gust__handler_extra *extra; /* what few responses need; NULL until then */
    int result;                        /* of gust_handler_complete(), where it came early */
    uint16_t flags;
    uint16_t state;
};

/* One route. A table of them ends with {0}.
 *
 * pattern  a path, compared byte by byte with that of the request as it was
 *          sent, still percent-encoded. A segment `:name` stands for any one
 *          segment that is not empty, a last one `*name` for all the rest of
 *          the path, slashes included, which may be empty:
 *          "/", "/story/:id", "/files/" "*rest"
 * handler  the class
 * arg      passed to initialize
 * name     for gust_application_reverse_url(); NULL: none
 * Of all routes that match the first one in the table counts. The table and
 * what it points to must live as long as the application. */
typedef struct gust_route {
    const char *pattern;
    const gust_handler_class *handler;
    const void *arg;
    const char *name;
} gust_route;

/* The most arguments of one pattern. */
#define GUST_MAX_PATH_ARGS 16

/* Options; {0} is the default of all.
 *
 * settings         the program's own; see gust_application_settings()
 * default_handler, default_arg  answer what no route matches; NULL: 404
 * no_etag          no automatic ETag
 * max_etag_body    none for larger bodies either, in bytes; 0: 1 MiB
 * max_response     the most bytes of a response that wait in the handler, before
 *                  a flush: more is GUST_EBUFFERFULL; 0: 16 MiB
 * log_request      instead of the access log's line; called before on_finish */
typedef struct gust_application_options {
    void *settings;
    const gust_handler_class *default_handler;
    const void *default_arg;
    bool no_etag;
    size_t max_etag_body;
    size_t max_response;
    void (*log_request)(gust_handler *h);
} gust_application_options;

/* ---- The application -------------------------------------------------- */

/* Make an application.
 *
 * routes   its table; NULL: none
 * options  NULL for the defaults; copied
 * Returns 0; -ENOMEM; -EINVAL for a pattern that does not begin with '/', has a
 * `*name` that is not last, a name that is empty or occurs twice, or too many;
 * for a route without a class; for a class whose instances are smaller than
 * those of its base. The log says which. */
int gust_application_new(const gust_route *routes, const gust_application_options *options,
                         gust_application **out_app);

/* More routes, for requests to one host only; tried before those of
 * gust_application_new(), in the order in which they were added.
 *
 * host  a name without port, "*.example.org" for every name below it, "*" for
 *       all; compared without case
 * Returns as gust_application_new(). */
int gust_application_add_handlers(gust_application *app, const char *host,
                                  const gust_route *routes);

/* Make a server for the application and listen.
 *
 * options     NULL for the defaults
 * out_server  the server, which the caller stops and frees before the
 *             application; NULL: it is the application's and goes with it
 * Returns as gust_httpserver_new() and gust_httpserver_listen(). */
int gust_application_listen(gust_application *app, gust_ioloop *loop, int port, const char *address,
                            const gust_httpserver_options *options, gust_httpserver **out_server);

/* For servers that are made otherwise: pass this delegate, with the application
 * as its user. */
const gust_http_delegate *gust_application_delegate(void);

/* Free the application and the servers that are its own. Handlers that are
 * still at work stay valid until they finish. NULL is allowed. */
void gust_application_free(gust_application *app);

/* What options.settings was; the program's own data. */
void *gust_application_settings(const gust_application *app);

/* The path of a named route, with its arguments put in, percent-encoded: what a
 * link to it needs.
 *
 * args, count  one for each `:name` and `*name`, in their order
 * arena        what the path is made in
 * Returns 0, GUST_ENOENT for an unknown name, -EINVAL for the wrong number of
 * arguments or an empty one for `:name`, -ENOMEM. */
int gust_application_reverse_url(const gust_application *app, const char *name,
                                 const gust_str *args, size_t count, gust_arena *arena,
                                 gust_str *out_path);

/* ---- What was asked ---------------------------------------------------- */

/* Arguments are decoded (%XX, + for space) and must be UTF-8, else 400. Control
 * characters other than TAB, LF, VT, FF and CR become spaces, then white space
 * at both ends is stripped. Values live as long as the request. A query of more
 * than 1,000 arguments is a 400.
 *
 * Only the query is searched: forms in a body are not read. */

/* The last value of argument `name`. Returns 0, 400 where there is none or it is
 * no UTF-8 (the log says so), -ENOMEM. */
int gust_handler_get_argument(gust_handler *h, const char *name, gust_str *out_value);

/* The same, where it may be missing: `otherwise` is then the value. */
int gust_handler_get_argument_or(gust_handler *h, const char *name, gust_str otherwise,
                                 gust_str *out_value);

/* All values of argument `name`, in their order.
 *
 * strip       false: white space at the ends stays
 * out_values  an array of *out_count, which may be 0, in the request's memory
 * Returns 0, 400, -ENOMEM. */
int gust_handler_get_arguments(gust_handler *h, const char *name, bool strip,
                               const gust_str **out_values, size_t *out_count);

/* The same from the query only, as the three above are while forms are not read. */
int gust_handler_get_query_argument(gust_handler *h, const char *name, gust_str *out_value);
int gust_handler_get_query_argument_or(gust_handler *h, const char *name, gust_str otherwise,
                                       gust_str *out_value);
int gust_handler_get_query_arguments(gust_handler *h, const char *name, bool strip,
                                     const gust_str **out_values, size_t *out_count);

/* What stands in the path for `:name` or `*name` of the route, percent-decoded
 * and UTF-8; ptr is NULL where the route has no such name. From prepare on. */
gust_str gust_handler_path_arg(const gust_handler *h, const char *name);

/* The program's own data (options.settings), the loop, and the memory that lives
 * as long as the request. */
void *gust_handler_settings(const gust_handler *h);
gust_ioloop *gust_handler_loop(const gust_handler *h);
gust_arena *gust_handler_arena(const gust_handler *h);

/* gust_application_reverse_url() in the request's memory. */
int gust_handler_reverse_url(gust_handler *h, const char *name, const gust_str *args, size_t count,
                             gust_str *out_path);

/* ---- The head of the response ------------------------------------------ */

/* Status and reason.
 *
 * status  200 ... 999, or 101
 * reason  NULL: the standard phrase. A text that has a '<' or a byte that may
 *         not stand in a status line is replaced by "Unknown". Copied
 * Returns 0, GUST_ESTATE once the head was sent, -EINVAL, -ENOMEM. */
int gust_handler_set_status(gust_handler *h, int status, const char *reason);
int gust_handler_status(const gust_handler *h);

/* Replace the field `name`, or add one more of that name. Both strings are
 * copied. Content-Type is "text/html; charset=UTF-8" until it is set; of it and
 * of Etag there is never more than one, and none where the value is empty.
 * Returns 0, GUST_EHEADER for a byte that is not allowed, GUST_ESTATE once the
 * head was sent, -ENOMEM. */
int gust_handler_set_header(gust_handler *h, const char *name, gust_str value);
int gust_handler_add_header(gust_handler *h, const char *name, gust_str value);

/* Remove all fields of that name; harmless where there is none. */
void gust_handler_clear_header(gust_handler *h, const char *name);

/* The first value of the field `name`, as set so far; ptr is NULL where there is
 * none. Borrowed until the next change. */
gust_str gust_handler_header(const gust_handler *h, const char *name);

/* Forget the response so far: status 200, the default headers, no body.
 * Harmless once the head was sent: only the body that waits is dropped. */
void gust_handler_clear(gust_handler *h);

/* ---- The body ----------------------------------------------------------- */

/* Append to the response; it waits in the handler until a flush or the end.
 * What is written to a client that has gone is dropped.
 * Returns 0, GUST_ESTATE after the end, GUST_EBUFFERFULL above max_response,
 * -ENOMEM. */
int gust_handler_write(gust_handler *h, gust_str bytes);
int gust_handler_writef(gust_handler *h, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Begin a JSON body: Content-Type becomes "application/json; charset=UTF-8",
 * and what is written with `w` goes into the response. It holds no memory.
 *
 *     gust_json_writer w;
 *     gust_handler_json(h, &w);
 *     gust_json_begin_object(&w);
 *     gust_json_member_int(&w, "id", 7);
 *     gust_json_end_object(&w);
 *     return gust_json_writer_finish(&w);
 *
 * A failure shows there. Call nothing else on h while writing. */
void gust_handler_json(gust_handler *h, gust_json_writer *w);

/* A tree as the JSON body. Returns as gust_json_writer_finish(). */
int gust_handler_write_json(gust_handler *h, const gust_json *value);

/* What was written and not sent yet; borrowed until the next call on h. */
gust_str gust_handler_peek(const gust_handler *h);

/* Called when the kernel has what was flushed (status 0), or never will have
 * (GUST_ECLOSED). Not called any more once the response is finished. */
typedef void gust_handler_flush_fn(gust_handler *h, int status, void *user);

/* Send what was written, the head before it the first time. Without a
 * Content-Length the body is chunked from then on; there is no automatic ETag.
 *
 * fn  called once, never before this returns: time to write more. May be NULL
 * Returns 0, GUST_ESTATE after the end, -EBUSY where an fn waits already, or as
 * gust_request_write_headers() and gust_request_write(). */
int gust_handler_flush(gust_handler *h, gust_handler_flush_fn *fn, void *user);

/* End the response: send the head if it was not, and what was written; then the
 * log's line and on_finish. Called for the handler when a method returns 0.
 *
 * Where nothing was flushed before: a 200 to GET or HEAD gets its ETag, and is a
 * 304 if the client has it; Content-Length is added; 204 and 304 lose the fields
 * that describe a body. What can't be sent becomes a 500, in the log too.
 * Returns 0, GUST_ESTATE for the second time. */
int gust_handler_finish(gust_handler *h);

/* The method that returned GUST_PENDING has ended, with `result`, as if it had
 * returned that: after prepare the HTTP method follows, after data_received the
 * next piece, after a method the end. May come before the method has returned.
 * Ignored where no method is pending and after the end. */
void gust_handler_complete(gust_handler *h, int result);

/* Has the response ended? */
bool gust_handler_is_finished(const gust_handler *h);

/* Redirect and finish.
 *
 * url     sent as it is, relative or absolute. One that comes from a client must
 *         be checked by the caller
 * status  0: 302; or 300 ... 399
 * Returns 0, GUST_ESTATE once the head was sent, -EINVAL, GUST_EHEADER, -ENOMEM. */
int gust_handler_redirect(gust_handler *h, gust_str url, int status);

/* ---- Failing ------------------------------------------------------------ */

/* Say why a method fails: `return gust_handler_error(h, 404, "no story %d", id);`
 * The text goes to the log, quoted, at level warning; the client sees the status
 * and its reason only.
 *
 * status  300 ... 999; another one becomes 500 when the method returns it
 * format  as printf(3); NULL: no line in the log
 * Returns status. */
int gust_handler_error(gust_handler *h, int status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* The reason that the status line and the error page will show, as for
 * gust_handler_set_status(). Returns status. */
int gust_handler_error_reason(gust_handler *h, int status, const char *reason);

/* Answer with the error page for `status` and finish. Where the head was sent
 * already the response breaks off, and the connection with it (see
 * gust_request_abort()). Harmless after the end. */
void gust_handler_send_error(gust_handler *h, int status);

/* ---- Caching ------------------------------------------------------------ */

/* Set Etag to what compute_etag says of the body written so far. Called by
 * finish, where there is no Etag yet. Returns 0, or as compute_etag and
 * set_header. */
int gust_handler_set_etag_header(gust_handler *h);

/* Does the client have the response with this Etag (If-None-Match, compared
 * weakly)? False where either is missing. */
bool gust_handler_check_etag_header(const gust_handler *h);

/* ---- Upgrades ------------------------------------------------------------ */

/* Take the stream out of HTTP. What was flushed goes out first. The response is
 * finished: the log's line is written, on_finish is called.
 * Returns 0, GUST_ESTATE after the end, or as gust_request_detach(): the handler
 * is then as it was. */
int gust_handler_detach(gust_handler *h, gust_iostream **out_s);

#ifdef __cplusplus
}
#endif

#endif
