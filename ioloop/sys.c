/* The real kernel behind gust_sys.
 *
 * A call that a signal interrupted is repeated here where nothing was done yet
 * (recv, send, read, write, accept and their like); a double may still return
 * -EINTR, so callers treat it as "try again". wait() returns it: the loop has
 * to look what the signal was. */
#if defined(__linux__)
#define _GNU_SOURCE 1 /* accept4(2) */
#include <sys/sendfile.h>
#endif
#if defined(__linux__) || defined(__APPLE__) || defined(__sun)
#include <sys/random.h>
#endif
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gust/errors.h>
#include <gust/sys.h>

#include "ioloop/poller_internal.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* The value of `call`, or -errno; again while a signal interrupts it. */
#define REPEAT(result, call)                                                                       \
    do {                                                                                           \
        (result) = (call);                                                                         \
    } while ((result) < 0 && errno == EINTR)

static ssize_t counted(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static int coded(int result)
{
    return result < 0 ? -errno : result;
}

static ssize_t real_read(const gust_sys *sys, int fd, void *buf, size_t n)
{
    ssize_t result;
    (void)sys;
    REPEAT(result, read(fd, buf, n));
    return counted(result);
}

static ssize_t real_write(const gust_sys *sys, int fd, const void *buf, size_t n)
{
    ssize_t result;
    (void)sys;
    REPEAT(result, write(fd, buf, n));
    return counted(result);
}

static ssize_t real_writev(const gust_sys *sys, int fd, const struct iovec *iov, int n)
{
    ssize_t result;
    (void)sys;
    REPEAT(result, writev(fd, iov, n));
    return counted(result);
}

/* These two, the hot ones, do not repeat: on a descriptor that doesn't block they
 * are not interrupted, and if they were the stream would ask again. */
static ssize_t real_recv(const gust_sys *sys, int fd, void *buf, size_t n, int flags)
{
    (void)sys;
    return counted(recv(fd, buf, n, flags));
}

static ssize_t real_send(const gust_sys *sys, int fd, const void *buf, size_t n, int flags)
{
    (void)sys;
    return counted(send(fd, buf, n, flags | MSG_NOSIGNAL));
}

static ssize_t real_sendv(const gust_sys *sys, int fd, const struct iovec *iov, int n, int flags)
{
    struct msghdr message;
    ssize_t result;
    (void)sys;
    memset(&message, 0, sizeof(message));
    message.msg_iov = (struct iovec *)(uintptr_t)iov; /* sendmsg(2) only reads it */
    message.msg_iovlen = (unsigned)n;
    REPEAT(result, sendmsg(fd, &message, flags | MSG_NOSIGNAL));
    return counted(result);
}

#if defined(__linux__)

static ssize_t real_sendfile(const gust_sys *sys, int fd, int file, off_t *offset, size_t n)
{
    ssize_t result;
    (void)sys;
    REPEAT(result, sendfile(fd, file, offset, n));
    return counted(result);
}

static int real_socket(const gust_sys *sys, int family, int type, int protocol)
{
    (void)sys;
    return coded(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

static int real_accept(const gust_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    int result;
    (void)sys;
    REPEAT(result, accept4(fd, addr, len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return coded(result);
}

#else

/* The systems' own calls all differ; a copy through a small buffer does not. */
static ssize_t real_sendfile(const gust_sys *sys, int fd, int file, off_t *offset, size_t n)
{
    char buffer[16384];
    ssize_t got;
    REPEAT(got, pread(file, buffer, n < sizeof(buffer) ? n : sizeof(buffer), *offset));
    if (got <= 0) {
        return counted(got);
    }
    ssize_t sent = real_send(sys, fd, buffer, (size_t)got, 0);
    if (sent > 0) {
        *offset += sent;
    }
    return sent;
}

/* Make a new descriptor what the contract says, or close it. */
static int prepared(int fd)
{
    if (fd < 0) {
        return -errno;
    }
    int flags = fcntl(fd, F_GETFL);
    int failed = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
                 fcntl(fd, F_SETFD, FD_CLOEXEC) < 0;
#ifdef SO_NOSIGPIPE
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
    if (failed) {
        int code = -errno;
        close(fd);
        return code;
    }
    return fd;
}

static int real_socket(const gust_sys *sys, int family, int type, int protocol)
{
    (void)sys;
    return prepared(socket(family, type, protocol));
}

static int real_accept(const gust_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    int result;
    (void)sys;
    REPEAT(result, accept(fd, addr, len));
    return prepared(result);
}

#endif

/* An interrupted connect goes on by itself (POSIX connect). */
static int real_connect(const gust_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)sys;
    int code = coded(connect(fd, addr, len));
    return code == -EINTR ? -EINPROGRESS : code;
}

static int real_shutdown(const gust_sys *sys, int fd, int how)
{
    (void)sys;
    return coded(shutdown(fd, how));
}

/* After EINTR the descriptor is gone on the systems that we know: closing again
 * could hit another thread's. */
static int real_close(const gust_sys *sys, int fd)
{
    (void)sys;
    int code = coded(close(fd));
    return code == -EINTR ? 0 : code;
}

static int real_socket_error(const gust_sys *sys, int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    (void)sys;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return -errno;
    }
    return -error;
}

static int real_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                     struct gust_poll_event *events, int max)
{
    (void)sys;
    return poller->ops->wait(poller, timeout, events, max);
}

static gust_time clock_read(clockid_t clock)
{
    struct timespec at = {0};
    (void)clock_gettime(clock, &at); /* these two clocks can't fail */
    return (gust_time)at.tv_sec * 1000000000 + at.tv_nsec;
}

static gust_time real_now(const gust_sys *sys)
{
    (void)sys;
    return clock_read(CLOCK_MONOTONIC);
}

static gust_time real_wall(const gust_sys *sys)
{
    (void)sys;
    return clock_read(CLOCK_REALTIME);
}

/* getentropy(3) is on every system of ours; it takes 256 bytes at most. */
static int real_random(const gust_sys *sys, void *buf, size_t n)
{
    char *at = buf;
    (void)sys;
    while (n > 0) {
        size_t part = n < 256 ? n : 256;
        if (getentropy(at, part) != 0) {
            return -errno;
        }
        at += part;
        n -= part;
    }
    return 0;
}

const gust_sys *gust_sys_real(void)
{
    static const gust_sys real = {
        .read = real_read,
        .write = real_write,
        .writev = real_writev,
        .recv = real_recv,
        .send = real_send,
        .sendv = real_sendv,
        .sendfile = real_sendfile,
        .socket = real_socket,
        .accept = real_accept,
        .connect = real_connect,
        .shutdown = real_shutdown,
        .close = real_close,
        .socket_error = real_socket_error,
        .wait = real_wait,
        .now = real_now,
        .wall = real_wall,
        .random = real_random,
    };
    return &real;
}
