/* gust_sys: the kernel, as the library sees it.
 *
 * Everything on the data path that touches the kernel goes through one table
 * of functions that belongs to the loop. In production it is gust_sys_real().
 * Tests put another one in front of it: one that fails a call on demand, one
 * that returns short counts, or a whole simulated network with a virtual clock.
 *
 * Each function has the contract of the call that it is named after, except
 * that a failure is returned as -errno instead of being left in errno, and that
 * `sys` comes first, so that a double can keep its state behind the table.
 * A double must fill every member; the real functions don't look at `sys`, so
 * a copy of the real table, changed in places, is a double too.
 *
 * Thread: a table is used by the threads of the loops that it was given to. */
#ifndef GUST_SYS_H
#define GUST_SYS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <gust/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_sys gust_sys;
struct gust_poller;
struct gust_poll_event;

struct gust_sys {
    /* read(2), write(2), writev(2): for descriptors that are no sockets */
    ssize_t (*read)(const gust_sys *sys, int fd, void *buf, size_t n);
    ssize_t (*write)(const gust_sys *sys, int fd, const void *buf, size_t n);
    ssize_t (*writev)(const gust_sys *sys, int fd, const struct iovec *iov, int n);

    /* recv(2), send(2), and sendmsg(2) of a vector; the last two never raise
     * SIGPIPE. A call that a signal interrupts may return -EINTR: ask again */
    ssize_t (*recv)(const gust_sys *sys, int fd, void *buf, size_t n, int flags);
    ssize_t (*send)(const gust_sys *sys, int fd, const void *buf, size_t n, int flags);
    ssize_t (*sendv)(const gust_sys *sys, int fd, const struct iovec *iov, int n, int flags);

    /* sendfile(2) from `file` at *offset, which is moved on */
    ssize_t (*sendfile)(const gust_sys *sys, int fd, int file, off_t *offset, size_t n);

    /* socket(2) and accept(2), whose descriptors come out non-blocking and
     * close-on-exec; connect(2), shutdown(2), close(2) */
    int (*socket)(const gust_sys *sys, int family, int type, int protocol);
    int (*accept)(const gust_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
    int (*connect)(const gust_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
    int (*shutdown)(const gust_sys *sys, int fd, int how);
    int (*close)(const gust_sys *sys, int fd);

    /* the pending error of a socket (SO_ERROR): 0 or a negative code */
    int (*socket_error)(const gust_sys *sys, int fd);

    /* the poller's wait: fills at most `max` events, returns how many, 0 when
     * `timeout` (nanoseconds; negative: for ever) passed, or -errno */
    int (*wait)(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                struct gust_poll_event *events, int max);

    /* the monotonic clock, and the wall clock since 1970-01-01 UTC, in
     * nanoseconds */
    gust_time (*now)(const gust_sys *sys);
    gust_time (*wall)(const gust_sys *sys);

    /* n unpredictable bytes: 0 or -errno, never a part of them */
    int (*random)(const gust_sys *sys, void *buf, size_t n);
};

/* The real kernel. The table is constant and never freed. */
const gust_sys *gust_sys_real(void);

#ifdef __cplusplus
}
#endif

#endif
