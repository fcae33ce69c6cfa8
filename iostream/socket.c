/* The transport over a socket, and connecting. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "ioloop/ioloop_internal.h"
#include "iostream/iostream_internal.h"

static ssize_t socket_read(gust_iostream *s, void *transport, void *buf, size_t n)
{
    (void)transport;
    return s->io->sys->recv(s->io->sys, s->watcher.fd, buf, n, 0);
}

static ssize_t socket_writev(gust_iostream *s, void *transport, const struct iovec *iov, int n)
{
    (void)transport;
    const gust_sys *sys = s->io->sys;
    if (n == 1) {
        return sys->send(sys, s->watcher.fd, iov[0].iov_base, iov[0].iov_len, 0);
    }
    return sys->sendv(sys, s->watcher.fd, iov, n, 0);
}

static void on_events(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    (void)loop;
    gust_iostream_ready(GUST_CONTAINER_OF(watcher, gust_iostream, watcher), events);
}

/* Index by index: closing may give back what a program lent, and that may close
 * others. */
void gust__sockets_close(gust_ioloop *loop)
{
    for (size_t fd = 0; fd < loop->watcher_count; fd++) {
        gust_watcher *watcher = loop->watchers[fd];
        if (watcher != NULL && watcher->fn == on_events) {
            gust_iostream_close(GUST_CONTAINER_OF(watcher, gust_iostream, watcher));
        }
    }
}

static int socket_interest(gust_iostream *s, void *transport, unsigned events)
{
    (void)transport;
    if (s->watcher.events == 0) {
        return gust_ioloop_watch(s->io->loop, &s->watcher, s->watcher.fd, events, on_events);
    }
    return gust_ioloop_rewatch(s->io->loop, &s->watcher, events);
}

static int socket_shutdown(gust_iostream *s, void *transport)
{
    (void)transport;
    return s->io->sys->shutdown(s->io->sys, s->watcher.fd, SHUT_WR);
}

static void socket_close(gust_iostream *s, void *transport)
{
    (void)transport;
    (void)s->io->sys->close(s->io->sys, s->watcher.fd);
    s->watcher.fd = -1;
}

static int socket_fd(const gust_iostream *s, const void *transport)
{
    (void)transport;
    return s->watcher.fd;
}

const gust_iostream_transport gust__socket_transport = {.name = "socket",
                                                        .read = socket_read,
                                                        .writev = socket_writev,
                                                        .interest = socket_interest,
                                                        .shutdown = socket_shutdown,
                                                        .close = socket_close,
                                                        .fd = socket_fd};

int gust__set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)) {
        return -errno;
    }
    return 0;
}

int gust_iostream_new(gust_ioloop *loop, int fd, const gust_iostream_options *options,
                      gust_iostream **out_s)
{
    GUST_CHECK(loop != NULL, -EINVAL);
    struct gust__io *io;
    GUST_TRY(gust__set_nonblocking(fd));
    GUST_TRY(gust__io_get(loop, &io));
    gust_iostream *s;
    GUST_TRY(gust__stream_new(io, &gust__socket_transport, NULL, options, &s));
    s->watcher.fd = fd;
    gust_iostream_set_nodelay(s, true);
    *out_s = s;
    return 0;
}

/* A connection of a server: non-blocking already, and TCP_NODELAY was inherited
 * from the listening socket. */
int gust__stream_of_accepted(gust_ioloop *loop, int fd, struct gust__stream_group *group,
                             gust_iostream **out_s)
{
    struct gust__io *io;
    GUST_TRY(gust__io_get(loop, &io));
    GUST_TRY(gust__stream_new(io, &gust__socket_transport, NULL, &group->options, out_s));
    (*out_s)->watcher.fd = fd;
    gust__set(*out_s, GUST__S_GROUPED);
    group->open++;
    group->streams++;
    return 0;
}

void gust_iostream_set_nodelay(gust_iostream *s, bool on)
{
    int value = on;
    if (s->ops == &gust__socket_transport && s->watcher.fd >= 0) {
        (void)setsockopt(s->watcher.fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
    }
}

/* ---- Connecting ----------------------------------------------------------- */

/* AF_UNIX answers EAGAIN when the backlog is full: that is a refusal, nothing
 * is in progress (unix(7)). */
static int connect_code(const struct sockaddr *addr, int code)
{
    if (code == -EINPROGRESS || code == -EINTR) {
        return -EINPROGRESS;
    }
    return code == -EAGAIN && addr->sa_family == AF_UNIX ? -ECONNREFUSED : code;
}

/* Connected or refused at once: tell it from the loop like the rest. */
static void connect_settled(gust_ioloop *loop, void *user)
{
    (void)loop;
    gust_iostream *s = user;
    if (!gust__is(s, GUST__S_CLOSED)) {
        gust_iostream_ready(s, GUST_WRITE);
    }
    gust_iostream_unref(s);
}

int gust_iostream_connect(gust_iostream *s, const struct sockaddr *addr, socklen_t len,
                          gust_connect_fn *fn, void *user)
{
    GUST_CHECK(fn != NULL && addr != NULL, -EINVAL);
    GUST_CHECK(!gust__is(s, GUST__S_CLOSED), GUST_ECLOSED);
    GUST_CHECK(s->ops == &gust__socket_transport, -EOPNOTSUPP);
    GUST_CHECK(!gust__is(s, GUST__S_CONNECTING), -EBUSY);
    struct gust__verbs *v;
    GUST_TRY(gust__verbs_get(s, &v));
    GUST_CHECK(!v->connected, -EISCONN);
    int code = connect_code(addr, s->io->sys->connect(s->io->sys, s->watcher.fd, addr, len));
    if (code == -EISCONN) {
        return code;
    }
    if (code == 0) {
        GUST_TRY(gust_ioloop_add_callback(s->io->loop, connect_settled, s));
        gust_iostream_ref(s);
    }
    v->connected = true;
    v->connect_fn = fn;
    v->connect_user = user;
    gust__set(s, GUST__S_CONNECTING);
    if (code == -EINPROGRESS) {
        /* only now: an unconnected socket reports a hang-up at once */
        code = gust__stream_want(s, GUST_WRITE);
    }
    if (code != 0) {
        gust_iostream_close_with(s, code);
    }
    return 0;
}
