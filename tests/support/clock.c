/* The clock that the test owns. Everything but time and wait goes through. */
#include "tests/support/clock.h"

#include <errno.h>

static struct clock *clock_of(const gust_sys *sys)
{
    return (struct clock *)(uintptr_t)sys; /* it is its first member */
}

static const gust_sys *under_of(const gust_sys *sys)
{
    return clock_of(sys)->under;
}

static ssize_t clock_read(const gust_sys *sys, int fd, void *buf, size_t n)
{
    return under_of(sys)->read(under_of(sys), fd, buf, n);
}

static ssize_t clock_write(const gust_sys *sys, int fd, const void *buf, size_t n)
{
    return under_of(sys)->write(under_of(sys), fd, buf, n);
}

static ssize_t clock_writev(const gust_sys *sys, int fd, const struct iovec *iov, int n)
{
    return under_of(sys)->writev(under_of(sys), fd, iov, n);
}

static ssize_t clock_recv(const gust_sys *sys, int fd, void *buf, size_t n, int flags)
{
    return under_of(sys)->recv(under_of(sys), fd, buf, n, flags);
}

static ssize_t clock_send(const gust_sys *sys, int fd, const void *buf, size_t n, int flags)
{
    return under_of(sys)->send(under_of(sys), fd, buf, n, flags);
}

static ssize_t clock_sendv(const gust_sys *sys, int fd, const struct iovec *iov, int n, int flags)
{
    return under_of(sys)->sendv(under_of(sys), fd, iov, n, flags);
}

static ssize_t clock_sendfile(const gust_sys *sys, int fd, int file, off_t *offset, size_t n)
{
    return under_of(sys)->sendfile(under_of(sys), fd, file, offset, n);
}

static int clock_socket(const gust_sys *sys, int family, int type, int protocol)
{
    return under_of(sys)->socket(under_of(sys), family, type, protocol);
}

static int clock_accept(const gust_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    return under_of(sys)->accept(under_of(sys), fd, addr, len);
}

static int clock_connect(const gust_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    return under_of(sys)->connect(under_of(sys), fd, addr, len);
}

static int clock_shutdown(const gust_sys *sys, int fd, int how)
{
    return under_of(sys)->shutdown(under_of(sys), fd, how);
}

static int clock_close(const gust_sys *sys, int fd)
{
    return under_of(sys)->close(under_of(sys), fd);
}

static int clock_socket_error(const gust_sys *sys, int fd)
{
    return under_of(sys)->socket_error(under_of(sys), fd);
}

static int clock_random(const gust_sys *sys, void *buf, size_t n)
{
    return under_of(sys)->random(under_of(sys), buf, n);
}

void clock_advance(struct clock *clock, gust_time by)
{
    clock->now += by;
    clock->wall += by;
}

static int clock_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                      struct gust_poll_event *events, int max)
{
    struct clock *clock = clock_of(sys);
    const gust_sys *under = clock->under;
    clock->waits++;
    clock->last_timeout = timeout;
    if (timeout < 0) {
        int count = under->wait(under, poller, GUST_SECONDS(10), events, max);
        return count == 0 ? -ETIMEDOUT : count;
    }
    int count = under->wait(under, poller, 0, events, max);
    if (count == 0) {
        clock_advance(clock, timeout);
    }
    return count;
}

static gust_time clock_now(const gust_sys *sys)
{
    struct clock *clock = clock_of(sys);
    clock_advance(clock, clock->pace);
    return clock->now;
}

static gust_time clock_wall(const gust_sys *sys)
{
    return clock_of(sys)->wall;
}

void clock_init(struct clock *clock, const gust_sys *under)
{
    *clock = (struct clock){
        .sys = {.read = clock_read,
                .write = clock_write,
                .writev = clock_writev,
                .recv = clock_recv,
                .send = clock_send,
                .sendv = clock_sendv,
                .sendfile = clock_sendfile,
                .socket = clock_socket,
                .accept = clock_accept,
                .connect = clock_connect,
                .shutdown = clock_shutdown,
                .close = clock_close,
                .socket_error = clock_socket_error,
                .wait = clock_wait,
                .now = clock_now,
                .wall = clock_wall,
                .random = clock_random},
        .under = under != NULL ? under : gust_sys_real(),
        .now = GUST_SECONDS(1000),
        .wall = INT64_C(1767225600) * 1000000000,
    };
}
