/* TCPServer: acceptors, and a count of the streams that they made.
 *
 * Streams outlive the server. What they share, their options and their number,
 * lies in a group that goes with the last of them or with the server, whichever
 * is later. */
#include <sys/resource.h>

#include <gust/limits.h>
#include <gust/log.h>
#include <gust/tcpserver.h>

#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

#define MAX_SOCKETS 16

struct gust_tcpserver {
    gust_ioloop *loop;
    gust_handle_stream_fn *fn;
    void *user;
    struct gust__stream_group *group;
    gust_bind_options bind;
    unsigned accept_batch;
    size_t max_connections;
    size_t acceptor_count;
    gust_acceptor *acceptors[MAX_SOCKETS];
    bool full; /* accepting rests: max_connections are open */
};

static size_t default_max_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return SIZE_MAX;
    }
    return limit.rlim_cur > 2 * GUST_DEFAULT_SPARE_DESCRIPTORS
               ? (size_t)limit.rlim_cur - GUST_DEFAULT_SPARE_DESCRIPTORS
               : (size_t)limit.rlim_cur / 2 + 1;
}

static void check(const gust_tcpserver *server)
{
    GUST_ASSERT(server->acceptor_count <= MAX_SOCKETS);
    GUST_ASSERT(server->group->server == server);
    GUST_ASSERT(server->group->open <= server->group->streams);
    (void)server;
}

static void set_full(gust_tcpserver *server, bool full)
{
    server->full = full;
    for (size_t i = 0; i < server->acceptor_count; i++) {
        if (full) {
            gust_acceptor_pause(server->acceptors[i]);
        } else {
            gust_acceptor_resume(server->acceptors[i]);
        }
    }
}

static void on_stream_gone(void *user)
{
    gust_tcpserver *server = user;
    check(server);
    if (server->full && server->group->open < server->max_connections) {
        set_full(server, false);
        return;
    }
    for (size_t i = 0; i < server->acceptor_count; i++) {
        gust_acceptor_retry(server->acceptors[i]);
    }
}

static void on_accept(gust_acceptor *acceptor, int fd, const gust_addr *addr, void *user)
{
    (void)acceptor;
    gust_tcpserver *server = user;
    gust_iostream *s;
    int code = gust__stream_of_accepted(server->loop, fd, server->group, &s);
    if (code != 0) {
        const gust_sys *sys = gust_ioloop_sys(server->loop);
        (void)sys->close(sys, fd);
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "a connection was dropped: %s",
                 gust_err_text(code));
        return;
    }
    if (server->group->open >= server->max_connections) {
        set_full(server, true);
    }
    server->fn(server, s, addr, server->user);
}

int gust_tcpserver_new(gust_ioloop *loop, const gust_tcpserver_options *options,
                       gust_handle_stream_fn *fn, void *user, gust_tcpserver **out_server)
{
    static const gust_tcpserver_options defaults = {0};
    GUST_CHECK(loop != NULL && fn != NULL, -EINVAL);
    if (options == NULL) {
        options = &defaults;
    }
    gust_tcpserver *server = gust__calloc(1, sizeof *server);
    struct gust__stream_group *group = gust__calloc(1, sizeof *group);
    if (server == NULL || group == NULL) {
        gust__free(server);
        gust__free(group);
        return -ENOMEM;
    }
    group->options = options->stream;
    group->server = server;
    group->on_stream_gone = on_stream_gone;
    server->loop = loop;
    server->fn = fn;
    server->user = user;
    server->group = group;
    server->bind = options->bind;
    server->accept_batch = options->accept_batch;
    server->max_connections = options->max_connections != 0 ? options->max_connections
                                                            : default_max_connections();
    *out_server = server;
    return 0;
}

int gust_tcpserver_add_socket(gust_tcpserver *server, int fd)
{
    GUST_CHECK(server->acceptor_count < MAX_SOCKETS, -ENOSPC);
    gust_acceptor **place = &server->acceptors[server->acceptor_count];
    GUST_TRY(gust_acceptor_new(server->loop, fd, server->accept_batch, on_accept, server, place));
    if (server->full) {
        gust_acceptor_pause(*place);
    }
    server->acceptor_count++;
    check(server);
    return 0;
}

/* Stop listening at all but the first `keep` sockets. */
static void drop_acceptors(gust_tcpserver *server, size_t keep)
{
    while (server->acceptor_count > keep) {
        gust_acceptor_free(server->acceptors[--server->acceptor_count]);
    }
}

int gust_tcpserver_listen(gust_tcpserver *server, int port, const char *address)
{
    int fds[MAX_SOCKETS];
    size_t count;
    size_t max = MAX_SOCKETS - server->acceptor_count;
    GUST_CHECK(max > 0, -ENOSPC);
    GUST_TRY(gust_bind_sockets(port, address, &server->bind, fds, max, &count));
    size_t before = server->acceptor_count;
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        if (code == 0) {
            code = gust_tcpserver_add_socket(server, fds[i]);
        }
        if (code != 0) {
            (void)gust_sys_real()->close(gust_sys_real(), fds[i]);
        }
    }
    if (code != 0) {
        drop_acceptors(server, before);
    }
    return code;
}

void gust_tcpserver_stop(gust_tcpserver *server)
{
    drop_acceptors(server, 0);
}

void gust_tcpserver_free(gust_tcpserver *server)
{
    if (server == NULL) {
        return;
    }
    gust_tcpserver_stop(server);
    server->group->server = NULL;
    if (server->group->streams == 0) {
        gust__free(server->group);
    }
    gust__free(server);
}

int gust_tcpserver_port(const gust_tcpserver *server)
{
    if (server->acceptor_count == 0) {
        return 0;
    }
    int port = gust_socket_port(gust_acceptor_fd(server->acceptors[0]));
    return port > 0 ? port : 0;
}

size_t gust_tcpserver_connections(const gust_tcpserver *server)
{
    return server->group->open;
}

gust_ioloop *gust_tcpserver_loop(const gust_tcpserver *server)
{
    return server->loop;
}
