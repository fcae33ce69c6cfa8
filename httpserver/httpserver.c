/* The server: options, listening, connections, and stopping. */
#include <gust/limits.h>
#include <gust/log.h>
#include <gust/version.h>

#include "httpserver/http_internal.h"
#include "util/alloc_internal.h"

#define MAX_SERVER_HEADER 128
#define MAX_FIELDS 1000

/* ---- Options ------------------------------------------------------------------ */

static void default_size(size_t *value, size_t otherwise)
{
    if (*value == 0) {
        *value = otherwise;
    }
}

static void default_time(gust_time *value, gust_time otherwise)
{
    if (*value == 0) {
        *value = otherwise;
    }
}

static void fill_defaults(gust_httpserver_options *o)
{
    default_size(&o->chunk_size, GUST_DEFAULT_CHUNK_SIZE);
    default_size(&o->max_header_size, GUST_DEFAULT_MAX_HEADER_SIZE);
    default_size(&o->max_request_line, GUST_DEFAULT_MAX_REQUEST_LINE);
    default_size(&o->max_headers, GUST_DEFAULT_MAX_HEADERS);
    default_size(&o->linger_bytes, GUST_DEFAULT_LINGER_BYTES);
    default_time(&o->max_body_size, GUST_DEFAULT_MAX_BODY_SIZE);
    default_time(&o->header_timeout, GUST_DEFAULT_HEADER_TIMEOUT);
    default_time(&o->keepalive_timeout, GUST_DEFAULT_KEEPALIVE_TIMEOUT);
    default_time(&o->body_idle_timeout, GUST_DEFAULT_BODY_IDLE_TIMEOUT);
    default_time(&o->write_timeout, GUST_DEFAULT_WRITE_TIMEOUT);
    default_time(&o->linger_timeout, GUST_DEFAULT_LINGER_TIMEOUT);
    default_time(&o->tcp.stream.write_timeout, o->write_timeout);
    if (o->server_header == NULL) {
        o->server_header = "Gust/" GUST_VERSION;
    }
}

static int check_options(const gust_httpserver_options *o)
{
    gust_str server = gust_str_from(o->server_header);
    GUST_CHECK(o->max_headers <= MAX_FIELDS && o->max_header_size <= UINT32_MAX / 4, -EINVAL);
    GUST_CHECK(o->linger_bytes <= UINT32_MAX / 2, -EINVAL); /* they are counted in 32 bits */
    GUST_CHECK(server.len <= MAX_SERVER_HEADER && gust_header_value_is_valid(server), -EINVAL);
    return 0;
}

/* ---- Life ----------------------------------------------------------------------- */

static void handle_stream(gust_tcpserver *tcp, gust_iostream *s, const gust_addr *addr, void *user)
{
    (void)tcp;
    int code = gust__conn_new(user, s, addr);
    if (code != 0) {
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "a connection was dropped: %s",
                 gust_err_text(code));
        gust_iostream_close(s);
    }
}

int gust_httpserver_new(gust_ioloop *loop, const gust_httpserver_options *options,
                        const gust_http_delegate *delegate, void *user,
                        gust_httpserver **out_server)
{
    GUST_CHECK(loop != NULL && delegate != NULL && delegate->finish != NULL, -EINVAL);
    gust_httpserver_options filled = {0};
    if (options != NULL) {
        filled = *options;
    }
    fill_defaults(&filled);
    GUST_TRY(check_options(&filled));
    gust_httpserver *server = gust__calloc(1, sizeof *server);
    if (server == NULL) {
        return -ENOMEM;
    }
    server->loop = loop;
    server->delegate = delegate;
    server->user = user;
    server->options = filled;
    server->refs = 1;
    server->fields_size = (filled.max_headers * sizeof(struct gust__http_field) + 15) & ~(size_t)15;
    gust_list_init(&server->connections);
    gust_list_init(&server->detached);
    int code = gust_arena_pool_new(GUST_DEFAULT_ARENA_BLOCK, GUST_DEFAULT_SPARE_ARENA_BLOCKS,
                                   &server->arena_pool);
    if (code == 0) {
        code = gust__request_make_fresh(server);
    }
    if (code == 0) {
        code = gust_tcpserver_new(loop, &filled.tcp, handle_stream, server, &server->tcp);
    }
    if (code != 0) {
        gust__free(server->fresh);
        gust_arena_pool_free(server->arena_pool);
        gust__free(server);
        return code;
    }
    *out_server = server;
    return 0;
}

void gust__server_unref(gust_httpserver *server)
{
    if (--server->refs > 0) {
        return;
    }
    gust__request_free_spares(server);
    gust__free(server->fresh);
    gust_arena_pool_free(server->arena_pool);
    gust__free(server);
}

void gust_httpserver_free(gust_httpserver *server)
{
    if (server == NULL || server->freed) {
        return;
    }
    server->freed = true;
    server->shutdown_fn = NULL;
    gust_ioloop_disarm(server->loop, &server->grace);
    gust_httpserver_close_all_connections(server);
    gust_tcpserver_free(server->tcp);
    server->tcp = NULL;
    gust__server_unref(server);
}

int gust_httpserver_serve(gust_httpserver *server, gust_iostream *s, const gust_addr *addr)
{
    GUST_CHECK(!server->freed, GUST_ECLOSED);
    return gust__conn_new(server, s, addr);
}

int gust_httpserver_listen(gust_httpserver *server, int port, const char *address)
{
    return gust_tcpserver_listen(server->tcp, port, address);
}

int gust_httpserver_add_socket(gust_httpserver *server, int fd)
{
    return gust_tcpserver_add_socket(server->tcp, fd);
}

void gust_httpserver_stop(gust_httpserver *server)
{
    gust_tcpserver_stop(server->tcp);
}

int gust_httpserver_port(const gust_httpserver *server)
{
    return gust_tcpserver_port(server->tcp);
}

size_t gust_httpserver_connections(const gust_httpserver *server)
{
    return server->connection_count;
}

gust_ioloop *gust_httpserver_loop(const gust_httpserver *server)
{
    return server->loop;
}

/* ---- Stopping -------------------------------------------------------------------- */

/* Connections leave the list only when the loop comes to their close, so it
 * may be walked while they are closed. */
static size_t close_all(gust_httpserver *server)
{
    size_t working = 0;
    for (gust_list *l = server->connections.next; l != &server->connections; l = l->next) {
        struct gust__conn *conn = GUST_CONTAINER_OF(l, struct gust__conn, link);
        working += gust__conn_is_working(conn);
        gust__conn_abort(conn);
    }
    return working;
}

void gust_httpserver_close_all_connections(gust_httpserver *server)
{
    (void)close_all(server);
}

static void tell_shutdown(gust_httpserver *server, size_t aborted)
{
    gust_shutdown_fn *fn = server->shutdown_fn;
    server->shutdown_fn = NULL;
    gust_ioloop_disarm(server->loop, &server->grace);
    if (fn != NULL) {
        fn(server, aborted, server->shutdown_user);
    }
}

static void grace_over(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    gust_httpserver *server = GUST_CONTAINER_OF(timer, gust_httpserver, grace);
    tell_shutdown(server, close_all(server));
}

void gust__server_conn_gone(gust_httpserver *server)
{
    server->connection_count--;
    if (server->stopping && server->connection_count == 0 && server->shutdown_fn != NULL) {
        tell_shutdown(server, 0);
    }
    gust__server_unref(server);
}

int gust_httpserver_shutdown(gust_httpserver *server, gust_time grace, gust_shutdown_fn *fn,
                             void *user)
{
    GUST_CHECK(server->shutdown_fn == NULL, -EBUSY);
    GUST_CHECK(fn != NULL, -EINVAL);
    gust_time when = gust_ioloop_now(server->loop);
    if (server->connection_count > 0) {
        grace = grace != 0 ? grace : GUST_DEFAULT_SHUTDOWN_GRACE;
        when = grace > GUST_NEVER - when ? GUST_NEVER : when + grace;
    }
    GUST_TRY(gust_ioloop_arm(server->loop, &server->grace, when, grace_over));
    server->stopping = true;
    server->options.keepalive_timeout = 0; /* no connection waits for a request any more */
    server->shutdown_fn = fn;
    server->shutdown_user = user;
    gust_tcpserver_stop(server->tcp);
    for (gust_list *l = server->connections.next; l != &server->connections; l = l->next) {
        gust__conn_shutdown(GUST_CONTAINER_OF(l, struct gust__conn, link));
    }
    return 0;
}
